//! Names, and tables of unusual build.

use std::collections::BTreeSet;

use super::arrival::migrate;
use crate::support::content;
use crate::support::database::Engine;

use Engine::{Postgres, Sqlite};

#[test]
fn a53_more_columns_or_indexes_than_the_target_takes_are_refused_in_the_plan() {
    let columns = |n: usize| {
        let columns: Vec<String> = (0..n).map(|c| format!("c{c} INTEGER")).collect();
        format!("CREATE TABLE wide ({})", columns.join(", "))
    };
    for to in Engine::mysqls() {
        migrate(Sqlite, &columns(1_100), to).refused(&["wide", "1100 columns"]);
        migrate(Postgres, &columns(1_100), to).refused(&["wide", "1100 columns"]);
        for elsewhere in [Postgres, Sqlite] {
            migrate(to, &columns(1_010), elsewhere).whole();
        }
    }
    // SQLite takes 2,000, which is more than anybody has but the storage engines of old.
    for from in Engine::mysqls() {
        let of = |n: usize| format!("{} ENGINE=MyISAM", columns(n));
        migrate(from, &of(2_001), Sqlite).refused(&["wide", "2001 columns"]);
        migrate(from, &of(2_000), Sqlite).whole();
    }
    migrate(Sqlite, &columns(2_000), Sqlite).whole();
    migrate(Sqlite, &columns(1_700), Postgres).refused(&["wide", "1700 columns"]);
    migrate(Sqlite, &columns(1_100), Postgres).whole();
    migrate(Postgres, &columns(1_100), Sqlite).whole();

    let indexes: Vec<String> = (0..64).map(|c| format!("CREATE INDEX i{c} ON wide (c{c}, c0)")).collect();
    let sql = format!("{}; CREATE UNIQUE INDEX u ON wide (c0); {}", columns(64), indexes.join("; "));
    for from in [Sqlite, Postgres] {
        for to in Engine::mysqls() {
            migrate(from, &sql, to).refused(&["wide", "65 indexes"]);
        }
        for (to, count) in [
            (Postgres, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'"),
            (Sqlite, "SELECT count(*) FROM sqlite_schema WHERE type = 'index'"),
        ] {
            let target = migrate(from, &sql, to).whole().target;
            assert_eq!(target.value(count).as_deref(), Some("65"), "{from:?} → {to:?}");
        }
    }
}

const NAMES: [&str; 7] = ["Order Item", "select", "camelCase", "a\"b", "back`tick", "Ä ß 日本", "a.b"];

#[test]
fn a73_names_arrive_as_they_are() {
    for from in Engine::all() {
        let mut script = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            let (q, key) = (from.quote(name), from.quote(&format!("ix {name}")));
            script.push(format!(
                "CREATE TABLE {q} ({q} INTEGER NOT NULL PRIMARY KEY, up INTEGER, FOREIGN KEY (up) REFERENCES {q} ({q}));
                 CREATE INDEX {key} ON {q} ({q}, up); INSERT INTO {q} VALUES ({at}, NULL), ({at} + 10, {at});"
            ));
        }
        for to in Engine::all() {
            let target = migrate(from, &script.join(" "), to).whole().target;
            let there: BTreeSet<String> = content::tables(&target).into_iter().collect();
            assert_eq!(there, NAMES.map(str::to_owned).into(), "{from:?} → {to:?}");
            for (at, name) in NAMES.iter().enumerate() {
                let q = to.quote(name);
                assert_eq!(
                    target.value(&format!("SELECT sum({q}) FROM {q}")).unwrap(),
                    (2 * at + 10).to_string()
                );
                assert!(
                    target.refuses(&format!("INSERT INTO {q} ({q}, up) VALUES (50, 99)")),
                    "{from:?} → {to:?}"
                );
                let index = to.quote(&format!("ix {name}"));
                let on = if to.is_mysql() { format!(" ON {q}") } else { String::new() };
                target.execute(&format!("DROP INDEX {index}{on}"));
            }
        }
    }
}

#[test]
fn a74_names_that_differ_in_case_are_kept_apart_or_refused() {
    let tables = |a: &str, b: &str| {
        format!("CREATE TABLE {a} (id INTEGER); CREATE TABLE {b} (id INTEGER); INSERT INTO {b} VALUES (7)")
    };
    let columns =
        "CREATE TABLE t (\"Id\" INTEGER, \"ID\" INTEGER, name TEXT); INSERT INTO t VALUES (1, 2, 'x')";
    // PostgreSQL has both kinds of twins; SQLite neither; MySQL and MariaDB on Linux tables only.
    let same = migrate(Postgres, &format!("{}; {columns}", tables("\"A\"", "a")), Postgres).whole();
    assert_eq!(same.target.query("SELECT \"Id\", \"ID\" FROM t"), [[Some("1".into()), Some("2".into())]]);
    assert_eq!(same.target.query("SELECT (SELECT count(*) FROM \"A\"), (SELECT id FROM a)").len(), 1);
    migrate(Postgres, &tables("\"A\"", "a"), Sqlite).refused(&["case_twins", "\"a\""]);
    for from in Engine::mysqls() {
        migrate(from, &tables("A", "a"), Sqlite).refused(&["case_twins"]);
    }
    for from in Engine::servers() {
        let sql = tables(&from.quote("A"), "a");
        for to in Engine::servers() {
            let target = migrate(from, &sql, to).whole().target;
            let big = target.value(&format!("SELECT count(*) FROM {}", to.quote("A"))).unwrap();
            let small = target.value(&format!("SELECT count(*) FROM {}", to.quote("a"))).unwrap();
            assert_eq!((big.as_str(), small.as_str()), ("0", "1"), "{from:?} → {to:?}");
        }
    }
    for to in [Sqlite].into_iter().chain(Engine::mysqls()) {
        migrate(Postgres, columns, to).refused(&["case_twins", "Id"]);
    }
}

#[test]
fn a76_ordinary_tables_move_and_virtual_ones_are_listed() {
    let sql = "CREATE TABLE plain (id INTEGER PRIMARY KEY, body TEXT);
               CREATE TABLE pair (a TEXT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
               CREATE TABLE typed (id INTEGER PRIMARY KEY, n INT NOT NULL, any ANY) STRICT;
               CREATE VIRTUAL TABLE note USING fts5 (title, body);
               CREATE VIRTUAL TABLE area USING rtree (id, x0, x1);
               INSERT INTO plain VALUES (1, 'x'); INSERT INTO pair VALUES ('a', 1), ('a', 2);
               INSERT INTO typed VALUES (1, 5, 'v'); INSERT INTO note VALUES ('t', 'b');
               INSERT INTO area VALUES (1, 0.0, 1.0);
               CREATE INDEX ix ON plain (body); ANALYZE";
    for to in Engine::all() {
        let arrived = migrate(Sqlite, sql, to);
        assert_eq!(arrived.ran.code, 1, "{}", arrived.ran);
        let tables = content::tables(&arrived.target);
        assert_eq!(tables, ["pair", "plain", "typed"], "{to:?}");
        assert_eq!(arrived.target.value("SELECT count(*) FROM pair").unwrap(), "2");
        assert_eq!(arrived.target.value("SELECT n FROM typed").unwrap(), "5");
        let listed: Vec<_> = arrived
            .findings("object_not_carried")
            .iter()
            .map(|f| {
                (f["object"].as_str().unwrap().to_owned(), f["text"].as_str().unwrap().contains("USING"))
            })
            .collect();
        assert_eq!(listed, [("area".to_owned(), true), ("note".to_owned(), true)], "{to:?}");
        if to == Sqlite {
            assert!(arrived.target.refuses("INSERT INTO typed VALUES (2, 'no number', 1)"), "STRICT is lost");
            let sql = arrived.target.value("SELECT sql FROM sqlite_schema WHERE name = 'pair'").unwrap();
            assert!(sql.ends_with("WITHOUT ROWID"), "{sql}");
        }
    }
}
