//! Instants beyond the range of TIMESTAMP of MySQL and MariaDB, which the type that they have in the source does not show:
//! numbers of SQLite, and times without a zone that are taken as those of UTC.

use serde_json::json;

use super::check::check;
use crate::bad_input::untouched;
use crate::support::binary::{self, Ran};
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Postgres, Sqlite};

/// The servers whose TIMESTAMP ends in 2038.
fn early() -> Vec<Engine> {
    let late = |to: &Engine| {
        *to == Mariadb && Db::fresh(*to).value("SELECT version()").is_some_and(|v| v.as_str() >= "11.5")
    };
    Engine::mysqls().filter(|to| !late(to)).collect()
}

fn made(engine: Engine, sql: &str) -> Db {
    let db = Db::fresh(engine);
    db.execute(sql);
    db
}

/// Fails unless these rows, and no others, are told to lie beyond the range.
fn beyond(ran: &Ran, keys: &[&str]) {
    let all = ran.json()["findings"].as_array().unwrap().clone();
    let found: Vec<_> = all.iter().filter(|f| f["code"] == "datetime_range").collect();
    assert_eq!(found.len(), 1, "{ran}");
    assert_eq!((&found[0]["severity"], &found[0]["rows"]), (&json!("blocker"), &json!(keys.len())), "{ran}");
    assert_eq!(found[0]["keys"], json!(keys), "{ran}");
}

#[test]
fn numbers_beyond_timestamp_are_known_before_the_first_row() {
    for unit in [1, 1000] {
        let rows = [(1, 1_700_000_000_i64), (2, 2_147_483_648), (3, 2_147_483_647), (4, 4_000_000_000)];
        let rows = rows.map(|(id, seconds)| format!("({id}, {})", seconds * unit)).join(", ");
        let source = made(
            Sqlite,
            &format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, z TIMESTAMPTZ);
                 INSERT INTO t VALUES {rows}, (5, '2050-01-01 00:00:00.000000+00:00'), (6, NULL)"
            ),
        );
        for to in early() {
            let target = Db::fresh(to);
            beyond(&check(&source.url, &["--target", &target.url]), &["id=5", "id=2", "id=4"]);
            let ran = binary::migrate(&source.url, &target.url, &[]);
            assert_eq!(ran.code, 4, "{ran}");
            beyond(&ran, &["id=5", "id=2", "id=4"]);
            untouched(&target);
            let ran = binary::migrate(&source.url, &target.url, &["--rule", "datetime_range=convert"]);
            assert_eq!(ran.code, 1, "{ran}");
            assert_eq!(target.value("SELECT count(*) FROM t WHERE z IS NULL").as_deref(), Some("4"));
            assert_eq!(
                target.value("SELECT UNIX_TIMESTAMP(z) = 2147483647 FROM t WHERE id = 3").as_deref(),
                Some("1")
            );
        }
        // PostgreSQL holds them all.
        let target = Db::fresh(Postgres);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 0, "{ran}");
    }
    // Of two units, none of the numbers is a time.
    let mixed = made(
        Sqlite,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, z TIMESTAMPTZ);
         INSERT INTO t VALUES (1, 4000000000), (2, 1700000000000), (3, 1700000000)",
    );
    for to in early() {
        let told = check(&mixed.url, &["--target", &Db::fresh(to).url]);
        let all = told.json()["findings"].as_array().unwrap().clone();
        let found: Vec<_> = all.iter().filter(|f| f["severity"] == "blocker").collect();
        assert_eq!(found.len(), 1, "{told}");
        assert_eq!((&found[0]["code"], &found[0]["rows"]), (&json!("bad_datetime"), &json!(3)), "{told}");
    }
}

#[test]
fn numbers_finer_than_their_column_are_known_before_the_first_row() {
    let source = made(
        Sqlite,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, z DATETIME(0));
         INSERT INTO t VALUES (1, 1700000000000), (2, 1700000000500)",
    );
    for to in Engine::servers() {
        let told = check(&source.url, &["--target", &Db::fresh(to).url]);
        let all = told.json()["findings"].as_array().unwrap().clone();
        let found: Vec<_> = all.iter().filter(|f| f["code"] == "scale").collect();
        assert_eq!(found.len(), 1, "{told}");
        assert_eq!(found[0]["keys"], json!(["id=2"]), "{told}");
    }
}

#[test]
fn times_taken_as_utc_beyond_timestamp_are_known_before_the_first_row() {
    let rows =
        "(1, '2024-05-01 12:30:00'), (2, '2038-01-19 03:14:08'), (3, NULL), (4, '1969-12-31 23:59:59')";
    for from in Engine::all() {
        let of = if from == Postgres { "TIMESTAMP" } else { "DATETIME" };
        let source = made(
            from,
            &format!("CREATE TABLE t (id INTEGER PRIMARY KEY, at {of}); INSERT INTO t VALUES {rows}"),
        );
        for to in early() {
            let instants = "CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP(6) NULL)";
            let target = made(to, instants);
            let ran = binary::migrate(&source.url, &target.url, &["--data-only", "--dry-run"]);
            beyond(&ran, &["id=2", "id=4"]);
            let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
            assert_eq!(ran.code, 4, "{from:?} {to:?}: {ran}");
            beyond(&ran, &["id=2", "id=4"]);
            let count = "SELECT count(*) FROM t";
            assert_eq!(target.value(count).as_deref(), Some("0"));
            let put_aside = ["--data-only", "--rule", "datetime_range=reject"];
            let ran = binary::migrate(&source.url, &target.url, &put_aside);
            assert_eq!(ran.code, 1, "{from:?} {to:?}: {ran}");
            assert_eq!(target.value(count).as_deref(), Some("2"));
            assert_eq!(
                target.value("SELECT UNIX_TIMESTAMP(at) = 1714566600 FROM t WHERE id = 1").as_deref(),
                Some("1")
            );
        }
    }
}

#[test]
fn numbers_that_are_no_years_keep_a_year_of_sqlite_a_number() {
    let source = made(
        Sqlite,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, y YEAR, z YEAR, n YEAR);
         INSERT INTO t VALUES (1, 0, 0, 0), (2, 50, 1901, 0), (3, 2000, 2155, NULL)",
    );
    for to in Engine::mysqls() {
        let target = Db::fresh(to);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert!(ran.code <= 1, "{ran}");
        assert_eq!(
            target.query("SELECT y, z + 0 FROM t ORDER BY id"),
            source.query("SELECT y, z FROM t ORDER BY id")
        );
        let types = "SELECT group_concat(data_type ORDER BY column_name) FROM information_schema.columns
                     WHERE table_schema = DATABASE() AND table_name = 't' AND column_name <> 'id'";
        assert_eq!(target.value(types).as_deref(), Some("year,smallint,year"), "{ran}");
    }
}
