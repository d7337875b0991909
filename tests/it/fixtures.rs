//! Backups that releases made, this one and all before it: each is read for ever. `tests/support/fixtures.sh` makes them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::support::binary::{self, Running};
use super::support::database::{Db, Engine};

/// A copy of each release's folder: git keeps no modes, and a backup is read in a folder where there may be a lock.
fn releases() -> Vec<(String, TempDir)> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/backups");
    let copy = |from: PathBuf| {
        let to = tempfile::tempdir().unwrap();
        for file in fs::read_dir(&from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.path().join(file.file_name())).unwrap();
        }
        (from.file_name().unwrap().to_str().unwrap().to_owned(), to)
    };
    fs::read_dir(all).unwrap().map(|folder| copy(folder.unwrap().path())).collect()
}

/// The document of a command that has to succeed.
fn done(folder: &Path, args: &[&str]) -> Value {
    let mut command = binary::command(folder);
    command.args(["--format", "json"]).args(args);
    let ran = Running::start(command).end();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}: {ran}");
    ran.json()
}

fn text<'a>(backup: &'a Value, key: &str) -> &'a str {
    backup[key].as_str().unwrap_or_else(|| panic!("no {key}: {backup}"))
}

#[test]
fn backups_of_every_release_are_sound() {
    let releases = releases();
    assert!(!releases.is_empty());
    for (release, folder) in releases {
        let folder = folder.path();
        let listed = done(folder, &["backup", "--list", "--output-dir", "."]);
        let backups = listed["backups"].as_array().unwrap();
        let mut forms: Vec<String> =
            backups.iter().map(|b| format!("{} {}", text(b, "engine"), text(b, "method"))).collect();
        forms.sort();
        let all =
            ["mysql native", "mysql portable", "postgresql native", "postgresql portable", "sqlite native"];
        assert_eq!(forms, [&all[..], &["sqlite portable"]].concat(), "{release}: {listed}");
        for backup in backups {
            assert_eq!(text(backup, "tool"), format!("techcare-db {release}"));
            // Only a dump of MariaDB does not tell its rows.
            let rows = if text(backup, "verified") == "content" { 8 } else { 0 };
            assert_eq!(backup["rows"], rows, "{backup}");
            let verified = done(folder, &["backup", "--verify", text(backup, "path")]);
            assert_eq!(verified["verified"], *backup);
        }
    }
}

#[test]
fn backups_of_every_release_are_migrated() {
    for (release, folder) in releases() {
        let folder = folder.path();
        let listed = done(folder, &["backup", "--list", "--output-dir", "."]);
        let readable = |backup: &&Value| backup["engine"] == "sqlite" || backup["method"] == "portable";
        for backup in listed["backups"].as_array().unwrap().iter().filter(readable) {
            let db = Db::fresh(Engine::Sqlite);
            let path = folder.join(text(backup, "path"));
            done(
                folder,
                &["migrate", "--source", path.to_str().unwrap(), "--target", &db.url, "--no-backup"],
            );
            holds_the_rows(&db, &format!("{release} {}", path.display()));
        }
    }
}

#[test]
fn dumps_of_every_release_are_restored_into_servers_that_never_saw_them() {
    for (release, folder) in releases() {
        let folder = folder.path();
        let listed = done(folder, &["backup", "--list", "--output-dir", "."]);
        let dump = |backup: &&Value| backup["engine"] != "sqlite" && backup["method"] == "native";
        for backup in listed["backups"].as_array().unwrap().iter().filter(dump) {
            let path = folder.join(text(backup, "path"));
            let path = path.to_str().unwrap();
            let engines: &[Engine] = match text(backup, "engine") {
                "postgresql" => &[Engine::Postgres],
                _ => &[Engine::Mariadb, Engine::Mysql],
            };
            for engine in engines.iter().filter(|engine| engine.at_hand()) {
                let (db, file) = (Db::fresh(*engine), Db::fresh(Engine::Sqlite));
                let restore = ["rollback", "--database", &db.url, "--backup", path];
                done(folder, &[&restore[..], &["--from-other-database", "--yes"]].concat());
                done(folder, &["migrate", "--source", &db.url, "--target", &file.url]);
                holds_the_rows(&file, &format!("{release} {engine:?} {path}"));
            }
        }
    }
}

/// What the script wrote, as SQLite has it.
fn holds_the_rows(db: &Db, of: &str) {
    let rows = |sql: &str| -> Vec<String> {
        let row = |row: Vec<Option<String>>| {
            row.into_iter().map(|v| v.unwrap_or_else(|| "NULL".into())).collect::<Vec<_>>().join("|")
        };
        db.query(sql).into_iter().map(row).collect()
    };
    assert_eq!(
        rows("SELECT id, name, mail FROM users ORDER BY id"),
        ["1|José|jose@example.org", "2|漢字 😀|NULL"],
        "{of}"
    );
    // Engines that declare microseconds show them where they are zero.
    let diagnostics = "SELECT id, user_id, printf('%.2f', price), replace(made, '.000000', ''), hex(photo), photo IS NULL, notes \
                       FROM diagnostics ORDER BY id";
    assert_eq!(
        rows(diagnostics),
        [
            "10|1|12.50|2024-02-29 23:59:59.123456|00FF10|0|first\nsecond 'quoted'",
            "11|2|-0.01|1999-12-31 00:00:00||1|",
            "12|NULL|99999999.99|NULL||1|NULL",
        ],
        "{of}"
    );
    assert_eq!(
        rows("SELECT diagnostic_id, tag FROM tags ORDER BY 1, 2"),
        ["10|engine", "10|🔧", "11|engine"],
        "{of}"
    );
    // Keys and references are there and at work.
    assert!(db.refuses("INSERT INTO users VALUES (1, 'again', NULL)"), "{of}");
    assert!(db.refuses("INSERT INTO users VALUES (3, 'again', 'jose@example.org')"), "{of}");
    assert!(db.refuses("INSERT INTO tags VALUES (99, 'nothing')"), "{of}");
    db.execute(
        "PRAGMA foreign_keys = ON; DELETE FROM users WHERE id = 1; DELETE FROM diagnostics WHERE id = 10",
    );
    assert_eq!(rows("SELECT diagnostic_id FROM tags"), ["11"], "{of}");
}
