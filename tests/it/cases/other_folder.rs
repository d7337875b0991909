//! Two application folders over one database. A run of the one was killed behind its switch, before it had written down
//! that all is done; then comes a run of the other, whose history knows nothing of it. Nothing that was kept is lost by
//! that, and the first folder still knows what became of its run.

use std::fs;

use super::rollback::Home;
use super::rollback_filled::{made, source};
use crate::support::database::{Db, Engine};

/// Lets the newest run of a folder be as it is between its switch and the word that all is done.
fn as_if_killed(home: &Home, target: &Db) {
    let entries = fs::read_dir(home.0.path().join("history")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let newest = files.filter(|file| file.extension().is_some_and(|end| end == "json")).max().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&newest).unwrap()).unwrap();
    assert_eq!(record["state"], "done", "{record}");
    record["state"] = "switching".into();
    fs::write(&newest, record.to_string()).unwrap();
    let (mark, run) = (record["change"]["mark"].as_str().unwrap(), record["run"].as_str().unwrap());
    let of_rows = record["change"]["kept"][0]["kind"] == "rows";
    match target.engine {
        // What is kept is the mark.
        Engine::Postgres => {}
        Engine::Sqlite => target.execute(&format!("CREATE TABLE {mark} (run TEXT)")),
        Engine::Mariadb | Engine::Mysql => {
            let filled = if of_rows { ", 1 AS filled" } else { "" };
            target.execute(&format!("CREATE TABLE {mark} AS SELECT '{run}' AS run{filled}"));
        }
    }
}

/// A run of another folder into the same database, which tidies up.
fn somebody_else(target: &Db) {
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE elsewhere (id INTEGER PRIMARY KEY); INSERT INTO elsewhere VALUES (1)");
    let ran = Home::new().migrate(&source, target, &[]);
    assert_eq!(ran.code, 0, "{:?}: {ran}", target.engine);
}

#[test]
fn replaced_tables_are_not_lost_by_a_run_of_another_folder() {
    let source = source(5);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), Db::fresh(engine));
        target.execute(
            "CREATE TABLE person (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(40)); INSERT INTO person VALUES (7, 'old')",
        );
        let ran = home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        as_if_killed(&home, &target);
        somebody_else(&target);
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(target.value("SELECT name FROM person").as_deref(), Some("old"), "{engine:?}: {back}");
        assert_eq!(
            target.value("SELECT count(*) FROM elsewhere").as_deref(),
            Some("1"),
            "{engine:?}: {back}"
        );
    }
}

#[test]
fn rows_that_were_taken_out_are_not_lost_by_a_run_of_another_folder() {
    let source = source(5);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), made(engine));
        assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 0, "{engine:?}");
        let emptied = home.rollback(&target, &["--yes"]);
        assert_eq!(emptied.code, 0, "{engine:?}: {emptied}");
        as_if_killed(&home, &target);
        somebody_else(&target);
        let settled = home.rollback(&target, &["--yes"]);
        assert_eq!(settled.code, 0, "{engine:?}: {settled}");
        assert_eq!(settled.json()["action"], "complete", "{engine:?}: {settled}");
        assert!(settled.stdout.contains("it had happened"), "{engine:?}: {settled}");
        let run = emptied.json()["run_id"].as_str().unwrap().to_owned();
        let again = home.rollback(&target, &["--yes", "--run", &run]);
        assert_eq!(again.code, 0, "{engine:?}: {again}");
        assert_eq!(target.value("SELECT count(*) FROM person").as_deref(), Some("5"), "{engine:?}: {again}");
    }
}
