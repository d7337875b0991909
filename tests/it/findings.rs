//! Codes of findings that no other test is about: each stands where its page says it does, with its table, its column or
//! object, its rows and keys and never a value; and what the page offers to decide is done.

use serde_json::{Value, json};

use crate::bad_input::untouched;
use crate::cases::appmade::everything;
use crate::support::binary::{self, Ran, Running};
use crate::support::database::{Db, Engine};

use Engine::{Mysql, Postgres, Sqlite};

/// Stands in rows only, so that no output may have it.
const SECRET: &str = "s3cr3t-v4lu3";

fn made(engine: Engine, sql: &str) -> Db {
    let db = Db::fresh(engine);
    db.execute(sql);
    db
}

/// A migration that says nothing of what its rows hold.
fn migrate(source: &Db, target: &Db, more: &[&str]) -> Ran {
    let ran = binary::migrate(&source.url, &target.url, more);
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "a value is shown: {ran}");
    ran
}

fn findings(ran: &Ran, code: &str) -> Vec<Value> {
    let all = ran.json()["findings"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|finding| finding["code"] == code).collect()
}

/// The one finding of a code: its severity, table, column and object.
fn told(ran: &Ran, code: &str) -> [Option<String>; 4] {
    let found = findings(ran, code);
    assert_eq!(found.len(), 1, "{code}: {ran}");
    ["severity", "table", "column", "object"].map(|key| found[0][key].as_str().map(str::to_owned))
}

fn place(severity: &str, table: &str, column: &str, object: &str) -> [Option<String>; 4] {
    [severity, table, column, object].map(|part| Some(part.to_owned()).filter(|part| !part.is_empty()))
}

/// A note lets the run end with 0, `stop` refuses it with nothing made, and `accept` changes nothing.
fn note(source: &Db, to: Engine, code: &str, expected: &[Option<String>; 4]) -> Db {
    let stopped = Db::fresh(to);
    let ran = migrate(source, &stopped, &["--rule", &format!("{code}=stop")]);
    assert_eq!(ran.code, 4, "{code}: {ran}");
    assert_eq!(told(&ran, code)[0].as_deref(), Some("blocker"), "{ran}");
    untouched(&stopped);
    for more in [&[][..], &["--accept", code]] {
        let target = Db::fresh(to);
        let ran = migrate(source, &target, more);
        assert_eq!(ran.code, 0, "{code}: {ran}");
        assert_eq!(told(&ran, code), *expected, "{ran}");
        if !more.is_empty() {
            return target;
        }
    }
    unreachable!("the last run returns")
}

/// What nobody can decide otherwise: refused, and refused to be accepted.
fn blocker(source: &Db, target: &Db, code: &str) -> Ran {
    let before = everything(target);
    let ran = migrate(source, target, &[]);
    assert_eq!(ran.code, 4, "{code}: {ran}");
    let accepted = migrate(source, target, &["--accept", code]);
    assert_eq!(accepted.code, 2, "{accepted}");
    assert!(accepted.stdout.contains(&format!("accept is not possible for {code}")), "{accepted}");
    assert_eq!(everything(target), before, "{ran}");
    ran
}

#[test]
fn times_without_a_zone_are_taken_as_utc_where_the_application_has_instants() {
    let rows = format!("INSERT INTO visit VALUES (1, '2024-05-01 12:30:00', '{SECRET}'), (2, NULL, '')");
    for from in [Sqlite].into_iter().chain(Engine::mysqls()) {
        let source = made(
            from,
            &format!("CREATE TABLE visit (id INTEGER PRIMARY KEY, at DATETIME, note VARCHAR(40)); {rows}"),
        );
        let instants =
            "CREATE TABLE visit (id INTEGER PRIMARY KEY, at TIMESTAMP(6) WITH TIME ZONE, note VARCHAR(40))";
        for more in [&[][..], &["--data-only"]] {
            let target = made(Postgres, instants);
            let before = everything(&target);
            let stop = [more, &["--rule", "taken_as_utc@visit.at=stop"]].concat();
            let stopped = migrate(&source, &target, &stop);
            assert_eq!(stopped.code, 4, "{from:?}: {stopped}");
            assert_eq!(everything(&target), before, "{from:?}");
            let ran = migrate(&source, &target, more);
            assert_eq!(ran.code, 0, "{from:?}: {ran}");
            assert_eq!(told(&ran, "taken_as_utc"), place("info", "visit", "at", ""), "{ran}");
            let read = "SELECT (at AT TIME ZONE 'UTC')::text FROM visit WHERE id = 1";
            assert_eq!(target.value(read).as_deref(), Some("2024-05-01 12:30:00"), "{from:?} {more:?}");
        }
    }
}

#[test]
fn two_types_of_one_name_are_a_conflict() {
    for from in Engine::mysqls() {
        let source = made(
            from,
            "CREATE TABLE a (id INT PRIMARY KEY, b_c ENUM('x', 'y')); CREATE TABLE a_b (id INT PRIMARY KEY, c ENUM('z'))",
        );
        let ran = blocker(&source, &Db::fresh(Postgres), "type_conflict");
        assert_eq!(told(&ran, "type_conflict"), place("blocker", "a_b", "c", "a_b_c"), "{from:?}: {ran}");
        // Of the same labels it is one type.
        source.execute("ALTER TABLE a_b MODIFY c ENUM('x', 'y'); INSERT INTO a_b VALUES (1, 'y')");
        let target = Db::fresh(Postgres);
        let ran = migrate(&source, &target, &[]);
        assert_eq!(ran.code, 0, "{from:?}: {ran}");
        assert_eq!(target.value("SELECT c::text FROM a_b").as_deref(), Some("y"));
    }
}

#[test]
fn types_of_one_name_in_two_schemas_are_a_conflict() {
    let source = made(
        Postgres,
        "CREATE SCHEMA aside; CREATE TYPE aside.mood AS ENUM ('sad'); CREATE TYPE mood AS ENUM ('happy');
         CREATE TABLE t (id integer PRIMARY KEY, here mood, there aside.mood)",
    );
    let ran = blocker(&source, &Db::fresh(Postgres), "type_conflict");
    assert_eq!(told(&ran, "type_conflict"), place("blocker", "t", "there", "mood"), "{ran}");
}

#[test]
fn numbers_in_a_column_of_text_are_refused_put_aside_or_become_digits() {
    // STRING has no affinity to text.
    let source = made(
        Sqlite,
        &format!(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, s STRING);
             INSERT INTO t VALUES (1, '{SECRET}'), (2, 8675309), (3, -2.5), (4, 1e20), (5, NULL)"
        ),
    );
    for to in Engine::servers() {
        let target = Db::fresh(to);
        let ran = migrate(&source, &target, &[]);
        assert_eq!(ran.code, 4, "{to:?}: {ran}");
        assert_eq!(told(&ran, "number_in_text"), place("blocker", "t", "s", ""), "{ran}");
        let found = &findings(&ran, "number_in_text")[0];
        assert_eq!((&found["rows"], &found["keys"]), (&json!(3), &json!(["id=2", "id=3", "id=4"])));
        assert!(!ran.stdout.contains("8675309"), "a value is shown: {ran}");
        untouched(&target);

        let ran = migrate(&source, &target, &["--rule", "number_in_text@t.s=convert"]);
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
        let rows = target.query("SELECT s FROM t WHERE id IN (2, 3, 4) ORDER BY id");
        let digits: Vec<&str> = rows.iter().filter_map(|row| row[0].as_deref()).collect();
        assert_eq!(digits, ["8675309", "-2.5", "100000000000000000000"], "{to:?}");
        assert_eq!(findings(&ran, "number_in_text")[0]["action"], "converted");

        let target = Db::fresh(to);
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path());
        command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
        command.args(["--rule", "number_in_text=reject"]);
        let ran = Running::start(command).end();
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
        assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("2"), "{to:?}");
        let file = folder.path().join(ran.json()["rejects"].as_str().unwrap());
        let rejects = std::fs::read_to_string(file).unwrap();
        assert_eq!(rejects.lines().count(), 3, "{rejects}");
        let line = json!({"table": "t", "key": {"id": 2}, "column": "s", "code": "number_in_text"});
        assert_eq!(serde_json::from_str::<Value>(rejects.lines().next().unwrap()).unwrap(), line);
    }
}

#[test]
fn an_index_is_added_for_what_hands_out_values() {
    let source = made(
        Postgres,
        &format!(
            "CREATE TABLE t (id integer PRIMARY KEY, n serial NOT NULL, note text);
             INSERT INTO t VALUES (1, 7, '{SECRET}'); SELECT setval('t_n_seq', 7)"
        ),
    );
    for to in Engine::mysqls() {
        let target = note(&source, to, "index_added", &place("info", "t", "n", "t_n_idx"));
        target.execute("INSERT INTO t (id) VALUES (2)");
        assert_eq!(target.value("SELECT n FROM t WHERE id = 2").as_deref(), Some("8"), "{to:?}");
    }
}

#[test]
fn an_index_is_added_beside_a_primary_key_that_ignores_case() {
    let source = made(
        Sqlite,
        &format!(
            "CREATE TABLE t (word TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, note TEXT); INSERT INTO t VALUES ('a', '{SECRET}')"
        ),
    );
    let target = note(&source, Postgres, "index_added", &place("info", "t", "", "t_word_ci"));
    assert!(target.refuses("INSERT INTO t VALUES ('A', '')"));
    target.execute("INSERT INTO t VALUES ('b', '')");
}

#[test]
fn a_check_that_the_type_says_anyway_is_left_out() {
    let document = r#"{"a": 1}"#;
    let rows = format!("INSERT INTO t VALUES (1, '{document}', '{SECRET}')");
    let sources = [
        (
            Sqlite,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, doc JSON CONSTRAINT valid CHECK (json_valid(doc) OR doc IS NULL), note TEXT)",
        ),
        (
            Mysql,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, doc JSON, note TEXT, CONSTRAINT valid CHECK (json_valid(doc)))",
        ),
    ];
    for (from, table) in sources.into_iter().filter(|(from, _)| from.at_hand()) {
        let source = made(from, &format!("{table}; {rows}"));
        let target = note(&source, Postgres, "check_implied", &place("info", "t", "", "valid"));
        assert!(target.refuses("INSERT INTO t VALUES (2, '{', '')"), "{from:?}");
        let checks = "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND conrelid = 't'::regclass";
        assert_eq!(target.value(checks).as_deref(), Some("0"), "{from:?}");
    }
    // Where the type does not say it, the check goes along.
    let source = made(
        Sqlite,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, live BOOLEAN CONSTRAINT truth CHECK (live IN (0, 1)))",
    );
    let target = Db::fresh(Postgres);
    let ran = migrate(&source, &target, &[]);
    assert_eq!((ran.code, findings(&ran, "check_implied").len()), (0, 0), "{ran}");
    assert_eq!(
        target
            .value("SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'")
            .as_deref(),
        Some("truth")
    );
}

#[test]
fn an_extension_is_named() {
    let source = made(
        Postgres,
        &format!(
            "CREATE EXTENSION pg_trgm; CREATE TABLE t (id integer PRIMARY KEY, note text); INSERT INTO t VALUES (1, '{SECRET}')"
        ),
    );
    for to in Engine::all() {
        note(&source, to, "extension_not_carried", &place("info", "", "", "pg_trgm"));
    }
}

#[test]
fn a_table_with_more_indexes_than_the_target_takes_is_refused() {
    let columns: Vec<String> = (1..=65).map(|n| format!("c{n} INTEGER")).collect();
    let indexes: Vec<String> = (1..=64).map(|n| format!("CREATE INDEX i{n} ON t (c{n})")).collect();
    let source = made(
        Sqlite,
        &format!("CREATE TABLE t (id INTEGER PRIMARY KEY, {}); {}", columns.join(", "), indexes.join("; ")),
    );
    for to in Engine::mysqls() {
        let ran = blocker(&source, &Db::fresh(to), "index_count");
        assert_eq!(told(&ran, "index_count")[..2], place("blocker", "t", "", "")[..2], "{to:?}: {ran}");
    }
    // 64 with the primary key are taken.
    source.execute("DROP INDEX i64");
    for to in Engine::mysqls() {
        let target = Db::fresh(to);
        assert_eq!(migrate(&source, &target, &[]).code, 0, "{to:?}");
        let count = "SELECT count(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema = DATABASE()";
        assert_eq!(target.value(count).as_deref(), Some("64"), "{to:?}");
    }
}

#[test]
fn a_primary_key_that_is_too_long_is_refused() {
    let source = made(
        Postgres,
        &format!(
            "CREATE TABLE t (key varchar(1000) PRIMARY KEY, note text); INSERT INTO t VALUES (repeat('k', 900), '{SECRET}')"
        ),
    );
    for to in Engine::mysqls() {
        let ran = blocker(&source, &Db::fresh(to), "key_too_long");
        assert_eq!(told(&ran, "key_too_long")[..2], place("blocker", "t", "", "")[..2], "{to:?}: {ran}");
    }
}

#[test]
fn rows_or_another_object_in_a_tables_place_are_not_touched() {
    for engine in Engine::all() {
        let source = made(
            engine,
            &format!(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, note VARCHAR(40)); INSERT INTO t VALUES (1, '{SECRET}')"
            ),
        );
        let occupied = made(
            engine,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, note VARCHAR(40)); INSERT INTO t VALUES (9, 'ours')",
        );
        let ran = blocker(&source, &occupied, "target_not_empty");
        assert!(
            ran.json()["error"]["why"].as_str().unwrap().contains("rows in table \"t\""),
            "{engine:?}: {ran}"
        );
        let planned = migrate(&source, &occupied, &["--dry-run"]);
        assert_eq!(planned.code, 4, "{engine:?}: {planned}");
        assert_eq!(
            told(&planned, "target_not_empty"),
            place("blocker", "t", "", "t"),
            "{engine:?}: {planned}"
        );
        let viewed = made(
            engine,
            "CREATE TABLE other (id INTEGER PRIMARY KEY); CREATE VIEW t AS SELECT id FROM other",
        );
        let ran = blocker(&source, &viewed, "target_not_empty");
        assert!(ran.json()["error"]["why"].as_str().unwrap().contains("view \"t\""), "{engine:?}: {ran}");
        let planned = migrate(&source, &viewed, &["--dry-run"]);
        assert_eq!(findings(&planned, "target_not_empty")[0]["kind"], "view", "{engine:?}: {planned}");
    }
}
