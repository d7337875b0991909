//! A23 and what a column gives itself while it is away: its default there makes values that its type at home takes, or is
//! left behind and named.

use super::arrival::{migrate, onward};
use crate::support::content;
use crate::support::database::Engine;

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
