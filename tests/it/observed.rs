//! What `check` observes of a database, and of two: codes that no other test is about, each on an engine that can bring
//! it about, with table and column, and without a value.

use serde_json::Value;

use crate::cases::check::{check, observed, techcare};
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

fn found(db: &Db) -> (i32, Vec<String>) {
    let told = check(&db.url, &[]);
    (told.code, observed(&told.json()))
}

#[test]
fn columns_that_fall_short_of_the_models_are_named() {
    for engine in [Mariadb, Mysql].into_iter().filter(|engine| engine.at_hand()) {
        let db = techcare(engine);
        db.execute(
            "ALTER TABLE users MODIFY password_hash VARCHAR(20), ADD COLUMN plan INT NOT NULL,
                 MODIFY email VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
             ALTER TABLE maintenance_plans MODIFY frequency VARCHAR(20) CHARACTER SET utf8mb4 NULL",
        );
        let (code, observed) = found(&db);
        assert_eq!(code, 1, "{engine:?}: {observed:#?}");
        for line in [
            "warning wrong_type users password_hash",
            "warning extra_required users plan",
            "warning loose_comparison users email",
            "info lets_null_in maintenance_plans frequency",
        ] {
            assert!(observed.contains(&line.to_owned()), "{engine:?}: {line}\n{observed:#?}");
        }
    }
}

#[test]
fn a_lost_foreign_key_and_another_primary_key_are_named() {
    let db = techcare(Postgres);
    let key = "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'users'::regclass";
    let name = db.value(key).unwrap();
    db.execute(&format!(
        "ALTER TABLE users DROP CONSTRAINT \"{name}\";
         ALTER TABLE diagnostics DROP CONSTRAINT diagnostics_pkey; ALTER TABLE diagnostics ADD PRIMARY KEY (id, user_id)"
    ));
    let (code, observed) = found(&db);
    assert_eq!(code, 1, "{observed:#?}");
    for line in ["warning no_foreign_key users role_id", "warning other_primary_key diagnostics -"] {
        assert!(observed.contains(&line.to_owned()), "{line}\n{observed:#?}");
    }
}

#[test]
fn a_foreign_key_that_leads_nowhere_is_named() {
    let db = Db::fresh(Sqlite);
    db.execute(
        "CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES gone (id));
         PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (1, NULL)",
    );
    let (code, observed) = found(&db);
    assert_eq!(code, 1, "{observed:#?}");
    assert_eq!(observed, ["info not_techcare - -", "warning dangling_foreign_key child parent"]);
}

/// What `check --against` observes.
fn compared(here: &Db, there: &Db) -> Vec<Value> {
    let told = check(&here.url, &["--against", &there.url]);
    assert_eq!(told.code, 1, "{told}");
    assert!(!told.stdout.contains("s3cr3t"), "a value is shown: {told}");
    told.json()["findings"].as_array().cloned().unwrap()
}

#[test]
fn rows_that_differ_are_counted_and_named() {
    let here = Db::fresh(Sqlite);
    here.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 's3cr3t one'), (2, 'b'), (3, 'c')",
    );
    let there = Db::fresh(Postgres);
    there.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, note text); INSERT INTO t VALUES (1, 's3cr3t two'), (2, 'b'), (4, 'd')",
    );
    let found = compared(&here, &there);
    let differ: Vec<&Value> = found.iter().filter(|f| f["code"] == "rows_differ").collect();
    assert_eq!(differ.len(), 1, "{found:#?}");
    assert_eq!((&differ[0]["table"], &differ[0]["rows"]), (&"t".into(), &3.into()), "{found:#?}");
    let mut keys: Vec<&str> =
        differ[0]["keys"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["id=1", "id=3 (here only)", "id=4 (there only)"]);
}

#[test]
fn a_column_without_a_common_form_is_named_and_the_others_are_compared() {
    let here = Db::fresh(Postgres);
    here.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, v date, w text); INSERT INTO t VALUES (1, '2024-01-01', 's3cr3t')",
    );
    let there = Db::fresh(Mariadb);
    there.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT, w TEXT CHARACTER SET utf8mb4); INSERT INTO t VALUES (1, 7, 'other')",
    );
    let found = compared(&here, &there);
    let codes: Vec<&str> = found.iter().filter_map(|f| f["code"].as_str()).collect();
    assert_eq!(codes, ["not_comparable", "rows_differ"], "{found:#?}");
    assert_eq!((&found[0]["table"], &found[0]["column"]), (&"t".into(), &"v".into()));
}

#[test]
fn a_value_that_its_column_does_not_describe_ends_its_table_only() {
    let here = Db::fresh(Sqlite);
    here.execute(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO a VALUES (1, 's3cr3t');
         CREATE TABLE b (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO b VALUES (1, 5)",
    );
    let there = Db::fresh(Postgres);
    there.execute(
        "CREATE TABLE a (id bigint PRIMARY KEY, n bigint); INSERT INTO a VALUES (1, 5);
         CREATE TABLE b (id bigint PRIMARY KEY, n bigint); INSERT INTO b VALUES (1, 6)",
    );
    let found = compared(&here, &there);
    let told: Vec<(&str, &str)> =
        found.iter().map(|f| (f["code"].as_str().unwrap(), f["table"].as_str().unwrap())).collect();
    assert_eq!(told, [("unreadable_value", "a"), ("rows_differ", "b")], "{found:#?}");
}
