//! `check` tells before what `migrate` then does.

use serde_json::Value;

use crate::support::binary::{self, Ran};
use crate::support::database::{Db, Engine};
use crate::support::json_schema;
use crate::support::samples;

/// `check --format json`, its document held against the published schema.
pub fn check(database: &str, more: &[&str]) -> Ran {
    let mut args = vec!["--format", "json", "check", "--database", database];
    args.extend_from_slice(more);
    let ran = binary::run(&args);
    json_schema::fits("check", &ran);
    ran
}

/// Codes of the findings, sorted.
fn codes(json: &Value) -> Vec<&str> {
    let findings = json["findings"].as_array().into_iter().flatten();
    let mut codes: Vec<&str> = findings.filter_map(|f| f["code"].as_str()).collect();
    codes.sort_unstable();
    codes
}

/// The findings without the question that they answer, which only `check` asks.
fn findings(json: &Value) -> Vec<Value> {
    let mut findings = json["findings"].as_array().cloned().unwrap_or_default();
    for finding in &mut findings {
        finding.as_object_mut().unwrap().remove("question");
    }
    findings
}

/// Every sample that comes in one dialect, checked towards another and then migrated there.
fn agrees(from: Engine, to: Engine) {
    let names = match from {
        Engine::Sqlite => &["chinook", "northwind", "sakila", "trac", "oscar"][..],
        Engine::Postgres => &["chinook", "pagila", "trac", "oscar"],
        Engine::Mariadb | Engine::Mysql => &["chinook", "sakila", "trac", "oscar"],
    };
    let mut faults = Vec::new();
    for name in names {
        let Some(source) = samples::sample(name, from) else { return };
        let target = Db::fresh(to);
        let told = check(&source.url, &["--target", &target.url]);
        let done = binary::migrate(&source.url, &target.url, &[]);
        let (before, after) = (told.json(), done.json());
        if findings(&before) != findings(&after) {
            faults.push(format!("{name}: check says {:?}, migrate {:?}", codes(&before), codes(&after)));
        }
        let would = match done.code {
            0 => ("carry_everything", 0),
            1 => ("leave_something_behind", 1),
            _ => ("refuse", 1),
        };
        if (before["migration"]["would"].as_str(), told.code) != (Some(would.0), would.1) {
            faults.push(format!("{name}: {told}\n{done}"));
        }
    }
    assert!(faults.is_empty(), "{from:?} to {to:?}\n{}", faults.join("\n"));
}

#[test]
fn check_tells_what_migrate_does_from_sqlite_to_postgresql() {
    agrees(Engine::Sqlite, Engine::Postgres);
}

#[test]
fn check_tells_what_migrate_does_from_sqlite_to_mariadb() {
    agrees(Engine::Sqlite, Engine::Mariadb);
}

#[test]
fn check_tells_what_migrate_does_from_postgresql_to_mariadb() {
    agrees(Engine::Postgres, Engine::Mariadb);
}

#[test]
fn check_tells_what_migrate_does_from_postgresql_to_sqlite() {
    agrees(Engine::Postgres, Engine::Sqlite);
}

#[test]
fn check_tells_what_migrate_does_from_mariadb_to_postgresql() {
    agrees(Engine::Mariadb, Engine::Postgres);
}

#[test]
fn check_tells_what_migrate_does_from_mariadb_to_sqlite() {
    agrees(Engine::Mariadb, Engine::Sqlite);
}

#[test]
fn check_names_the_rows_that_a_migration_would_be_stopped_by() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
         INSERT INTO t VALUES (1, 'plain'), (7, 'a' || char(0) || 'b')",
    );
    let target = Db::fresh(Engine::Postgres);
    let told = check(&source.url, &["--target", &target.url]);
    assert_eq!(told.code, 1, "{told}");
    let json = told.json();
    let finding = json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "nul_in_text").unwrap();
    assert_eq!((&finding["table"], &finding["column"]), (&"t".into(), &"note".into()));
    assert_eq!((&finding["rows"], &finding["keys"][0]), (&1.into(), &"id=7".into()));
    assert_eq!((&finding["action"], &json["migration"]["would"]), (&"refused".into(), &"refuse".into()));
    assert_eq!(binary::migrate(&source.url, &target.url, &[]).code, 4);
    // Only the rows tell, and they are not looked at.
    let quick = check(&source.url, &["--target", &target.url, "--quick"]);
    assert_eq!(quick.code, 0, "{quick}");
    assert_eq!(target.query("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").len(), 0);
}

#[test]
fn check_plans_for_an_engine_that_cannot_be_reached() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, day DATE); INSERT INTO t VALUES (1, 'soon')");
    for (word, would) in [("postgresql", "refuse"), ("mariadb", "refuse"), ("mysql", "refuse")] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path());
        command.env("TARGET_DB_PORT", "1").env("TARGET_DB_HOST", "127.0.0.1");
        command.args(["--format", "json", "check", "--database", &source.url, "--target", word]);
        let told = binary::Running::start(command).end();
        assert_eq!(told.code, 1, "{told}");
        let json = told.json();
        assert_eq!(json["migration"]["would"], would, "{told}");
        assert_eq!(json["plan"]["target_flavour"], word, "{told}");
        assert!(json["migration"]["target_unreachable"].is_string(), "{told}");
        assert_eq!(codes(&json), ["bad_datetime"], "{told}");
    }
    // A database that was named has to be there.
    let told = check(&source.url, &["--target", "postgresql://nobody@127.0.0.1:1/none"]);
    assert_eq!((told.code, &told.json()["error"]["kind"]), (3, &"unreachable".into()), "{told}");
}

#[test]
fn check_says_that_a_target_is_not_empty() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    let target = Db::fresh(Engine::Mariadb);
    target.execute("CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (9)");
    let told = check(&source.url, &["--target", &target.url]);
    assert_eq!(told.code, 1, "{told}");
    let json = told.json();
    assert_eq!(json["migration"]["would"], "refuse");
    assert!(json["migration"]["target_occupied"].as_str().unwrap().contains("not empty"), "{told}");
    assert_eq!(target.value("SELECT id FROM t").as_deref(), Some("9"));
}

#[test]
fn the_schema_of_the_document_can_be_broken() {
    let mut document =
        serde_json::json!({ "version": 1, "command": "check", "status": "done", "exit_code": 0 });
    assert_eq!(json_schema::deviations(&json_schema::published("check"), &document), Vec::<String>::new());
    document["status"] = "fine".into();
    document["database"] = serde_json::json!({ "whole": 1 });
    document["surprise"] = Value::Null;
    document.as_object_mut().unwrap().remove("version");
    let deviations = json_schema::deviations(&json_schema::published("check"), &document);
    for place in [
        "$ has no version",
        "$.status is",
        "$.database has no techcare",
        "$.database.whole is",
        "$ has a surprise",
    ] {
        assert!(deviations.iter().any(|d| d.starts_with(place)), "{place}: {deviations:#?}");
    }
}

/// Rows of the table that one byte is changed in.
fn many() -> u64 {
    if std::env::var("TECHCARE_DB_TEST_NIGHTLY").is_ok_and(|v| v == "1") { 1_000_000 } else { 200_000 }
}

/// What differs in a table, as the document has it.
fn differences<'a>(json: &'a Value, table: &str) -> &'a Value {
    let tables = json["comparison"]["tables"].as_array().unwrap();
    &tables.iter().find(|t| t["name"] == table).unwrap()["differences"]
}

fn named(differences: &Value) -> Vec<(String, String)> {
    let rows = differences["rows"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(&row["key"]), text(&row["difference"]))).collect()
}

/// One byte of one row in many is found and named, whatever the engine.
fn one_byte(to: Engine) {
    let source = Db::fresh(Engine::Sqlite);
    let rows = many();
    source.execute(&format!(
        "CREATE TABLE log (id INTEGER PRIMARY KEY, at DATETIME, note TEXT);
         CREATE TABLE labels (code VARCHAR(40) PRIMARY KEY, note TEXT);
         CREATE TABLE loose (a INTEGER, b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO log SELECT i, '2024-01-02 03:04:05.678901', 'row ' || i || ' ação' FROM n;
         INSERT INTO labels SELECT 'Código ' || id, note FROM log WHERE id <= 20000;
         INSERT INTO loose SELECT id % 7, note FROM log WHERE id <= 1000;"
    ));
    let target = Db::fresh(to);
    let moved = binary::migrate(&source.url, &target.url, &[]);
    assert!(moved.code <= 1, "{moved}");
    let told = check(&source.url, &["--against", &target.url]);
    assert_eq!(told.code, 0, "{told}");
    assert_eq!(told.json()["comparison"]["equal"], true);

    let changed = rows * 2 / 3;
    target.execute(&format!(
        "UPDATE log SET note = 'row {changed} açAo' WHERE id = {changed};
         UPDATE labels SET note = 'Row' WHERE code = 'Código 777';
         DELETE FROM log WHERE id = 5;
         INSERT INTO log (id, note) VALUES (-3, 'new');
         DELETE FROM loose WHERE b LIKE 'row 8 %'"
    ));
    let told = check(&source.url, &["--against", &target.url]);
    assert_eq!(told.code, 1, "{told}");
    let json = told.json();
    let text = |key: &str, difference: &str| (key.to_owned(), difference.to_owned());
    let mut found = named(differences(&json, "log"));
    found.sort();
    let mut wanted = vec![
        text(&format!("id={changed}"), "changed"),
        text("id=-3", "only_there"),
        text("id=5", "only_here"),
    ];
    wanted.sort();
    assert_eq!(found, wanted, "{told}");
    assert_eq!(named(differences(&json, "labels")), [text("code=\"Código 777\"", "changed")], "{told}");
    let loose = differences(&json, "loose");
    assert_eq!((&loose["only_here"], &loose["only_there"]), (&1.into(), &0.into()), "{told}");
    assert!(told.peak_kib < 200 * 1024, "{} KiB", told.peak_kib);
}

#[test]
fn a88_one_changed_byte_in_postgresql_is_found_and_its_row_named() {
    one_byte(Engine::Postgres);
}

#[test]
fn a88_one_changed_byte_in_mariadb_is_found_and_its_row_named() {
    one_byte(Engine::Mariadb);
}

#[test]
fn a88_one_changed_byte_in_mysql_is_found_and_its_row_named() {
    if Engine::Mysql.at_hand() {
        one_byte(Engine::Mysql);
    }
}

#[test]
fn a88_one_changed_byte_in_sqlite_is_found_and_its_row_named() {
    one_byte(Engine::Sqlite);
}

/// The same rows, each database with collations, widths and precisions of its own.
fn same_values(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    let (columns, single, key) = match engine {
        Engine::Postgres => (
            "k varchar(40) PRIMARY KEY, d double precision, f real, at timestamp(6), day date, n numeric, b boolean",
            "0.1",
            "true",
        ),
        Engine::Mariadb | Engine::Mysql => (
            "k varchar(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY, d double, f float, \
             at datetime(3), day date, n decimal(12,3), b tinyint(1)",
            "0.1",
            "1",
        ),
        Engine::Sqlite => (
            "k VARCHAR(40) COLLATE NOCASE PRIMARY KEY, d DOUBLE, f FLOAT, at DATETIME, day DATE, n DECIMAL(10,2), \
             b BOOLEAN",
            "0.10000000149011612",
            "1",
        ),
    };
    let at =
        if engine == Engine::Sqlite { "'2024-01-02 03:04:05.500000'" } else { "'2024-01-02 03:04:05.5'" };
    let rows: Vec<String> = ["a", "B", "cc", "ç", "Z", "Äpfel", "zebra", "日本", "_", "é 1"]
        .iter()
        .enumerate()
        .map(|(i, k)| format!("('{k}', {i}.1e-5, {single}, {at}, '1969-12-31', {i}.50, {key})"))
        .collect();
    db.execute(&format!("CREATE TABLE t ({columns}); INSERT INTO t VALUES {}", rows.join(", ")));
    db
}

#[test]
fn a89_collations_floats_and_precisions_are_no_differences() {
    let all = [Engine::Sqlite, Engine::Postgres, Engine::Mariadb, Engine::Mysql].map(same_values);
    for here in &all {
        for there in &all {
            let told = check(&here.url, &["--against", &there.url]);
            assert_eq!(told.code, 0, "{:?} and {:?}: {told}", here.engine, there.engine);
            let json = told.json();
            assert_eq!(json["comparison"]["tables"][0]["here"]["rows"], 10);
        }
    }
    // The last digit of a double is a difference, and so is the case of a letter.
    all[1].execute("UPDATE t SET d = 1.1000000000000001e-5 * 1.0000000000000002 WHERE k = 'B'");
    all[2].execute("UPDATE t SET k = 'A' WHERE k = 'a'");
    let found = named(differences(&check(&all[0].url, &["--against", &all[1].url]).json(), "t"));
    assert_eq!(found, [("k=\"B\"".to_owned(), "changed".to_owned())]);
    let found = named(differences(&check(&all[0].url, &["--against", &all[2].url]).json(), "t"));
    assert_eq!(found.len(), 2, "{found:?}");
    // What the other's type has cut off is one as well.
    all[1].execute("UPDATE t SET at = '2024-01-02 03:04:05.500001' WHERE k = 'Z'");
    let found = named(differences(&check(&all[1].url, &["--against", &all[3].url]).json(), "t"));
    assert!(found.contains(&("k=\"Z\"".to_owned(), "changed".to_owned())), "{found:?}");
}

/// Between two files of SQLite, of which one came by way of a server: its times have one spelling.
#[test]
fn a89_spellings_of_one_value_are_no_difference_between_two_files() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, clock TIME, at DATETIME, day DATE, price DECIMAL(20,2), flag BOOLEAN, free TEXT);
         INSERT INTO t VALUES (1, '10:00:00', '2024-05-21T10:00:00', '2024-05-21', '12.50', 'true', '10:00:00'),
                              (2, '23:59:59.5', '2024-05-21 10:00:00.5', NULL, 3, 0, NULL);
         CREATE TABLE loose (id INTEGER PRIMARY KEY, clock TIME); INSERT INTO loose VALUES (1, '10:00:00'), (2, 'noon')",
    );
    let other = Db::fresh(Engine::Sqlite);
    other.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, clock TIME, at DATETIME, day DATE, price DECIMAL(20,2), flag BOOLEAN, free TEXT);
         INSERT INTO t VALUES (1, '10:00:00.000000', '2024-05-21 10:00:00.000000', '2024-05-21', 12.5, 1, '10:00:00'),
                              (2, '23:59:59.500000', '2024-05-21 10:00:00.500000', NULL, '3.0', 0, NULL);
         CREATE TABLE loose (id INTEGER PRIMARY KEY, clock TIME);
         INSERT INTO loose VALUES (1, '10:00:00'), (2, 'noon')",
    );
    let same = check(&source.url, &["--against", &other.url]);
    assert!(!codes(&same.json()).contains(&"rows_differ"), "{same}");
    // What is no time is compared as it stands, and a time that is another one differs.
    for (change, table) in [
        ("UPDATE t SET clock = '10:00:00.000001' WHERE id = 1", "t"),
        ("UPDATE loose SET clock = 'Noon' WHERE id = 2", "loose"),
        ("UPDATE t SET free = '10:00:00.000000' WHERE id = 1", "t"),
    ] {
        other.execute(change);
        let told = check(&source.url, &["--against", &other.url]);
        let found =
            findings(&told.json()).into_iter().find(|f| f["code"] == "rows_differ" && f["table"] == table);
        assert!(found.is_some_and(|f| f["rows"] == 1), "{change}: {told}");
    }
}

#[test]
fn check_names_tables_and_columns_of_one_side() {
    let here = Db::fresh(Engine::Sqlite);
    here.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE mine (id INTEGER PRIMARY KEY)",
    );
    let there = Db::fresh(Engine::Postgres);
    there.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, b text); CREATE TABLE yours (id integer PRIMARY KEY)",
    );
    let told = check(&here.url, &["--against", &there.url, "--quick"]);
    assert_eq!(told.code, 1, "{told}");
    assert_eq!(codes(&told.json()), ["only_here", "only_here", "only_there", "only_there"], "{told}");
    let told = check(&here.url, &["--against", &there.url, "--tables", "t"]);
    assert_eq!(codes(&told.json()), ["only_here", "only_there"], "{told}");
}

/// A database with TechCare's own tables, as its migrations make them.
pub fn techcare(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    if matches!(engine, Engine::Mariadb | Engine::Mysql) {
        db.execute(&format!("ALTER DATABASE {} CHARACTER SET utf8mb4", db.name()));
    }
    let made = binary::run(&["schema", "up", "--database", &db.url]);
    assert_eq!(made.code, 0, "{made}");
    db
}

/// Code, table and column of each finding, the grave ones first.
pub fn observed(json: &Value) -> Vec<String> {
    let part = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
    let mut observed: Vec<String> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            format!("{} {} {} {}", part(f, "severity"), part(f, "code"), part(f, "table"), part(f, "column"))
        })
        .collect();
    observed.sort();
    observed
}

#[test]
fn check_finds_nothing_to_do_in_a_healthy_techcare() {
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Mariadb] {
        let db = techcare(engine);
        let told = check(&db.url, &[]);
        assert_eq!((told.code, observed(&told.json())), (0, vec![]), "{engine:?} {told}");
        let database = &told.json()["database"];
        assert_eq!(database["techcare"]["recognised"], true);
        assert_eq!(
            (&database["whole"], &database["techcare"]["pending"]),
            (&true.into(), &Value::Array(vec![]))
        );
    }
}

/// What a probe reads of `check --quick --format json`: state, engine, version, latency, age of the newest backup.
#[test]
fn check_quick_answers_a_probe() {
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Mariadb] {
        let db = techcare(engine);
        let folder = tempfile::tempdir().unwrap();
        let probe = || {
            let mut command = binary::command(folder.path());
            command.args(["check", "--quick", "--format", "json", "--database", &db.url]);
            let ran = binary::Running::start(command).end();
            json_schema::fits("check", &ran);
            ran
        };
        let told = probe();
        let json = told.json();
        assert_eq!((told.code, &json["status"]), (0, &"done".into()), "{engine:?} {told}");
        let (kind, name) = match engine {
            Engine::Sqlite => ("sqlite", "SQLite 3."),
            Engine::Postgres => ("postgresql", "PostgreSQL "),
            Engine::Mariadb | Engine::Mysql => ("mysql", "MariaDB "),
        };
        assert_eq!(json["source"]["engine"], kind);
        assert!(json["source"]["version"].as_str().unwrap().starts_with(name), "{told}");
        let health = |json: &Value| json["database"]["health"].clone();
        assert!(health(&json)["latency_ms"].as_f64().unwrap() > 0.0, "{told}");
        assert_eq!(health(&json)["last_backup_age_seconds"], Value::Null, "{told}");

        let mut backup = binary::command(folder.path());
        backup.args(["backup", "--method", "portable", "--database", &db.url]);
        let made = binary::Running::start(backup).end();
        assert_eq!(made.code, 0, "{made}");
        let told = probe();
        let age = &health(&told.json())["last_backup_age_seconds"];
        assert!(age.as_u64().unwrap() < 3_600, "{engine:?} {told}");
    }
}

#[test]
fn check_quick_tells_a_probe_that_nobody_answers() {
    let told = check("postgresql://nobody@127.0.0.1:1/none", &["--quick"]);
    let json = told.json();
    assert_eq!((told.code, &json["status"]), (3, &"error".into()), "{told}");
    assert_eq!(
        (&json["source"]["engine"], &json["error"]["kind"]),
        (&"postgresql".into(), &"unreachable".into())
    );
}

#[test]
fn check_says_in_what_a_database_falls_short_of_the_models() {
    let db = techcare(Engine::Sqlite);
    db.execute(
        "PRAGMA foreign_keys = OFF;
         ALTER TABLE users ADD COLUMN nickname TEXT;
         ALTER TABLE roles DROP COLUMN description;
         DROP INDEX ix_users_email;
         DELETE FROM seaql_migrations;
         DROP TABLE maintenance_plans;
         CREATE TABLE notes (id INTEGER PRIMARY KEY);
         INSERT INTO users (id, username, role_id) VALUES (3, 'ana', 99);",
    );
    let told = check(&db.url, &[]);
    assert_eq!(told.code, 1, "{told}");
    let observed = observed(&told.json());
    for line in [
        "info extra_in_db users nickname",
        "info extra_table notes -",
        "warning missing_in_db roles description",
        "warning missing_table maintenance_plans -",
        "warning not_unique users email",
        "warning orphans users role_id",
    ] {
        assert!(observed.contains(&line.to_owned()), "{line}\n{observed:#?}");
    }
    assert!(observed.iter().any(|line| line.starts_with("warning pending_migration")), "{observed:#?}");
    let json = told.json();
    let orphans = json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "orphans").unwrap();
    assert_eq!((&orphans["rows"], &orphans["keys"][0]), (&1.into(), &"id=3".into()));
    let fit = &json["database"]["techcare"];
    assert_eq!(
        (&fit["missing_in_db"]["roles"][0], &fit["extra_in_db"]["users"][0]),
        (&"description".into(), &"nickname".into())
    );
    assert_eq!(fit["missing_tables"][0], "maintenance_plans");
    // The rows are not looked at.
    let quick = check(&db.url, &["--quick"]);
    assert!(!codes(&quick.json()).contains(&"orphans"), "{quick}");
}

#[test]
fn check_finds_orphans_that_a_server_was_told_not_to_look_for() {
    let maria = techcare(Engine::Mariadb);
    maria.execute(
        "SET foreign_key_checks = 0; INSERT INTO users (id, username, role_id) VALUES (7, 'ana', 99)",
    );
    let postgres = techcare(Engine::Postgres);
    postgres.execute(
        "SET session_replication_role = replica; INSERT INTO users (id, username, role_id) VALUES (7, 'ana', 99)",
    );
    for db in [maria, postgres] {
        let told = check(&db.url, &[]);
        assert_eq!((told.code, codes(&told.json())), (1, vec!["orphans"]), "{told}");
        assert_eq!(told.json()["findings"][0]["keys"][0], "id=7", "{told}");
    }
}

#[test]
fn check_finds_a_damaged_file() {
    use std::os::unix::fs::FileExt;
    let db = techcare(Engine::Sqlite);
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO users (id, username, email) SELECT i, 'user ' || i, 'user' || i || '@example.org' FROM n",
    );
    let file = std::fs::OpenOptions::new().write(true).open(db.path()).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    file.write_all_at(&[0xA5; 4096], pages / 2 * 4096).unwrap();
    let told = check(&db.url, &[]);
    assert_eq!(told.code, 1, "{told}");
    let json = told.json();
    assert!(codes(&json).contains(&"damaged"), "{told}");
    assert_eq!(json["database"]["whole"], false);
}

#[test]
fn check_says_once_that_a_database_is_not_techcares() {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT);
         CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users (id));
         INSERT INTO posts VALUES (1, NULL)",
    );
    let told = check(&db.url, &[]);
    assert_eq!((told.code, observed(&told.json())), (0, vec!["info not_techcare - -".to_owned()]), "{told}");
    db.execute("PRAGMA foreign_keys = OFF; INSERT INTO posts VALUES (2, 5)");
    let told = check(&db.url, &[]);
    assert_eq!((told.code, codes(&told.json())), (1, vec!["not_techcare", "orphans"]), "{told}");
}

/// `check --format nagios`: one line, and the exit codes of monitoring plugins.
#[test]
fn a_monitor_gets_one_line_and_its_own_exit_codes() {
    let nagios = |args: &[&str]| {
        let ran = binary::run(&[&["check", "--format", "nagios"], args].concat());
        assert_eq!(ran.stdout.lines().count(), 1, "{ran}");
        ran
    };
    for engine in Engine::all() {
        let db = Db::fresh(engine);
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)");
        let json = check(&db.url, &["--quick"]);
        let told = nagios(&["--quick", "--database", &db.url]);
        let (word, code) = if json.code == 0 { ("OK", 0) } else { ("WARNING", 1) };
        assert!(told.stdout.starts_with(&format!("TECHCARE {word} - ")), "{told}");
        assert_eq!((told.code, json.code), (code, code), "{told}\n{json}");
        let (text, figures) = told.stdout.trim_end().split_once(" | ").unwrap();
        assert!(text.ends_with("no backup found"), "{told}");
        let latency = figures.split(' ').find_map(|f| f.strip_prefix("latency=")).unwrap();
        assert!(latency.strip_suffix("s;;;0").unwrap().parse::<f64>().unwrap() >= 0.0, "{told}");
        assert_eq!(figures.contains("connections="), engine != Engine::Sqlite, "{told}");
    }
    // Rows that refer to nothing.
    let db = Db::fresh(Engine::Sqlite);
    db.execute(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);
         PRAGMA foreign_keys = OFF; INSERT INTO c VALUES (1, 9)",
    );
    let told = nagios(&["--database", &db.url]);
    assert_eq!(told.code, 1, "{told}");
    assert!(told.stdout.contains("1 thing to be looked at: orphans (c.p)"), "{told}");

    let gone = nagios(&["--database", "postgresql://u:canary@127.0.0.1:1/none"]);
    assert_eq!(gone.code, 2, "{gone}");
    assert!(gone.stdout.starts_with("TECHCARE CRITICAL - cannot reach postgresql://u:***@"), "{gone}");
    for wrong in [&["--database", "oracle"][..], &["--no-such-option"], &["--target", "postgresql"]] {
        let ran = nagios(wrong);
        assert_eq!(ran.code, 3, "{ran}");
        assert!(ran.stdout.starts_with("TECHCARE UNKNOWN - "), "{ran}");
    }
    let other = binary::run(&["detect", "--format", "nagios"]);
    assert_eq!((other.code, other.stdout.as_str()), (2, ""), "{other}");
}
