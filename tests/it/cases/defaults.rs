//! A23 and what a column gives itself while it is away: its default there makes values that its type at home takes, or is
//! left behind and named.

use super::arrival::{migrate, onward};
use crate::support::binary;
use crate::support::content;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

/// Goes there, lets a row make itself, changes it, and comes home.
fn fills_itself(from: Engine, columns: &[&str], by: Engine) {
    let sql = format!(
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, n int, {}); INSERT INTO t (id) VALUES (1)",
        columns.join(", ")
    );
    // An older server's way: of these sessions alone.
    let lenient = if from.is_mysql() { "SET sql_mode = ''; " } else { "" };
    let there = migrate(from, &format!("{lenient}{sql}"), by).done();
    there.target.execute("INSERT INTO t (id) VALUES (2); UPDATE t SET n = 3 WHERE id = 2");
    let before = content::read(&there.target);
    let back = onward(there.target, from).done();
    let label = format!("{from:?} by {by:?}: {}", back.ran);
    assert!(back.findings("widened").is_empty(), "{label}");
    let differences = content::differences(&before, &content::read(&back.target), &content::Renamed::new());
    assert_eq!(differences, Vec::<String>::new(), "{label}");
}

#[test]
fn a23_defaults_of_mysql_make_what_comes_home() {
    let columns = [
        "fixed timestamp NULL DEFAULT '2024-01-01 00:00:00'",
        "whole datetime DEFAULT CURRENT_TIMESTAMP",
        "changed datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        "fine datetime(3) DEFAULT CURRENT_TIMESTAMP(3)",
        "at timestamp NULL DEFAULT CURRENT_TIMESTAMP",
        "clock time DEFAULT '10:00:00'",
        "day date DEFAULT '2024-02-29'",
    ];
    for from in Engine::mysqls() {
        for by in [Sqlite, Postgres] {
            fills_itself(from, &columns, by);
        }
    }
}

#[test]
fn a23_defaults_of_postgresql_make_what_comes_home() {
    let columns = [
        "fine timestamp(3) with time zone DEFAULT now()",
        "whole timestamp(0) without time zone DEFAULT localtimestamp",
        "clock time(0) without time zone DEFAULT localtime",
        "zoned time(0) with time zone DEFAULT current_time",
        "at timestamp with time zone DEFAULT '2024-01-01 00:00:00+02'",
    ];
    for by in [Sqlite, Mariadb, Mysql].into_iter().filter(|by| by.at_hand()) {
        fills_itself(Postgres, &columns, by);
    }
}

#[test]
fn a40_a_default_of_no_calendar_is_left_behind_and_named() {
    for from in Engine::mysqls() {
        let sql =
            "SET sql_mode = ''; CREATE TABLE t (id int NOT NULL PRIMARY KEY, day date DEFAULT '0000-00-00')";
        for by in [Sqlite, Postgres] {
            let there = migrate(from, sql, by).done();
            let named = there.findings("default_not_carried");
            assert!(named.iter().any(|f| f["column"] == "day"), "{from:?} → {by:?}: {}", there.ran);
            there.target.execute("INSERT INTO t (id) VALUES (1)");
            onward(there.target, from).done();
        }
    }
}

/// The words of every default of the table, as PostgreSQL prints them.
fn words(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(
        "SELECT a.attname::text, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
         JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum ORDER BY a.attnum",
    )
}

#[test]
fn a23_defaults_go_word_for_word_between_two_of_postgresql() {
    let arrived = migrate(
        Postgres,
        "CREATE TABLE t (id integer PRIMARY KEY, day text DEFAULT current_date, at text DEFAULT now(),
             told varchar(40) DEFAULT localtimestamp, till timestamptz NOT NULL DEFAULT 'infinity',
             since date DEFAULT '-infinity', old timestamp DEFAULT '0044-03-15 00:00:00 BC', late time DEFAULT '24:00',
             far date DEFAULT '12345-01-01'); INSERT INTO t (id) VALUES (1)",
        Postgres,
    )
    .done();
    assert!(arrived.findings("default_not_carried").is_empty(), "{}", arrived.ran);
    assert_eq!(words(&arrived.source), words(&arrived.target));
}

#[test]
fn a23_clocks_as_text_of_postgresql_are_left_behind_and_named() {
    for to in [Sqlite].into_iter().chain(Engine::mysqls()) {
        let sql = "CREATE TABLE t (id integer PRIMARY KEY, at text DEFAULT now(), yes text DEFAULT true);
                   INSERT INTO t (id) VALUES (1)";
        let arrived = migrate(Postgres, sql, to).done();
        let named = arrived.findings("default_not_carried");
        assert!(named.len() == 1 && named[0]["column"] == "at", "{to:?}: {}", arrived.ran);
        arrived.target.execute("INSERT INTO t (id) VALUES (2)");
        assert_eq!(arrived.target.value("SELECT yes FROM t WHERE id = 2").as_deref(), Some("true"), "{to:?}");
    }
}

/// PostgreSQL rounds, cuts and pads when a default is assigned, and its catalogue has what was written.
#[test]
fn a23_constants_arrive_as_they_are_assigned() {
    for to in [Sqlite].into_iter().chain(Engine::mysqls()) {
        let sql = "CREATE TABLE t (id integer PRIMARY KEY, a timestamp(0) DEFAULT '2020-01-01 00:00:00.7',
                       b timestamptz(0) DEFAULT '2020-01-01 00:00:00.7+00', c time(0) DEFAULT '10:00:00.7', d char(1) DEFAULT ' ',
                       e char(3) DEFAULT 'abc   ', f char(3) DEFAULT 'a  ', g real DEFAULT 16777217)";
        let arrived = migrate(Postgres, sql, to).done();
        for db in [&arrived.source, &arrived.target] {
            db.execute("INSERT INTO t (id) VALUES (1)");
        }
        let ran =
            binary::run(&["check", "--database", &arrived.source.url, "--against", &arrived.target.url]);
        assert_eq!(ran.code, 0, "{to:?}: {ran}");
    }
}

/// MySQL makes a table with such a default and then refuses every row that uses it.
#[test]
fn a40_defaults_of_no_calendar_do_not_go_from_mariadb_to_mysql() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, a datetime DEFAULT '0000-00-00', b date DEFAULT '2020-02-00',
                   c timestamp NULL DEFAULT 0, d date DEFAULT '2020-02-01'); INSERT INTO t (id) VALUES (1)";
    let arrived = migrate(Mariadb, sql, Mysql);
    let named = arrived.findings("default_not_carried");
    let columns: Vec<&str> = named.iter().filter_map(|f| f["column"].as_str()).collect();
    assert_eq!(columns, ["a", "b", "c"], "{}", arrived.ran);
}

#[test]
fn a23_not_null_of_generated_columns_is_kept() {
    for from in [Postgres, Sqlite, Mysql].into_iter().filter(|from| from.at_hand()) {
        for to in Engine::all() {
            let sql = "CREATE TABLE t (id integer PRIMARY KEY, x integer, f integer GENERATED ALWAYS AS (x + 1) STORED NOT NULL);
                       INSERT INTO t (id, x) VALUES (1, 1)";
            let arrived = migrate(from, sql, to).done();
            arrived.target.execute("INSERT INTO t (id, x) VALUES (2, 2)");
            assert!(arrived.target.refuses("INSERT INTO t (id, x) VALUES (3, NULL)"), "{from:?} → {to:?}");
            let home = onward(arrived.target, from).done();
            assert!(home.target.refuses("INSERT INTO t (id, x) VALUES (3, NULL)"), "{to:?} → {from:?}");
        }
    }
}

/// The server makes another value of each of these, or does not make the table, on the way home.
#[test]
fn a23_defaults_that_the_type_of_before_changes_stay_away() {
    for home in Engine::mysqls() {
        let made = "CREATE TABLE t (id int PRIMARY KEY, s set('x','y') DEFAULT 'x', b binary(4) DEFAULT 'abcd', f float(5,2) DEFAULT 1.5,
                        d datetime DEFAULT '2020-01-01', y year DEFAULT 2000, u decimal(5,2) unsigned DEFAULT 1, ok int DEFAULT 7,
                        l varchar(9) CHARACTER SET latin1 DEFAULT 'é')";
        let there = migrate(home, made, Postgres).done();
        there.target.execute(
            "ALTER TABLE t ALTER s SET DEFAULT 'X', ALTER b SET DEFAULT '\\x01', ALTER f SET DEFAULT 1.234, ALTER y SET DEFAULT 3000,
                 ALTER u SET DEFAULT -1, ALTER l SET DEFAULT '日', ALTER ok SET DEFAULT 8,
                 ALTER d SET DEFAULT '2020-01-01 00:00:00.7'; INSERT INTO t (id, u, l, y, b, s, f) VALUES (1, 1, 'é', 2000, 'abcd', 'x', 1.5)",
        );
        let back = onward(there.target, home).done();
        let named = back.findings("default_not_carried");
        let mut columns: Vec<&str> = named.iter().filter_map(|f| f["column"].as_str()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["b", "f", "l", "s", "u", "y"], "{home:?}: {}", back.ran);
        back.target.execute("INSERT INTO t (id) VALUES (2)");
        for (column, expected) in [("ok", "8"), ("d", "2020-01-01 00:00:01")] {
            let value = back.target.value(&format!("SELECT CAST({column} AS CHAR) FROM t WHERE id = 2"));
            assert_eq!(value.as_deref(), Some(expected), "{home:?}: {}", back.ran);
        }
    }
}
