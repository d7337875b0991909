//! `backup` as a user and cron run it, judged by SQLite itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::support::binary::{Ran, Running, command};

/// A TechCare folder with a database of that journal mode.
fn home(journal: &str) -> (TempDir, Connection) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("instance")).unwrap();
    let database = Connection::open(home.path().join("instance/techcare.db")).unwrap();
    database
        .execute_batch(&format!(
            "PRAGMA journal_mode = {journal};
             CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO users VALUES (1, 'Ana'), (2, 'José');"
        ))
        .unwrap();
    (home, database)
}

fn backup(home: &Path, args: &[&str]) -> Ran {
    let mut command = command(home);
    command.arg("backup").args(args);
    Running::start(command).end()
}

/// Makes one and answers with its path.
fn made(home: &Path, args: &[&str]) -> PathBuf {
    let ran = backup(home, args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
    home.join(ran.stdout.strip_suffix('\n').unwrap())
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().filter(|e| e.as_ref().unwrap().file_name() != ".techcare-db.lock").count()
}

#[test]
fn stdout_is_the_path_and_the_file_is_the_database() {
    let (home, database) = home("WAL");
    let path = made(home.path(), &[]);
    let name = path.strip_prefix(home.path()).unwrap().to_str().unwrap();
    assert!(name.starts_with("backups/techcare_2"), "{name}");
    assert_eq!(path.extension().unwrap(), "db");
    let copy = Connection::open(&path).unwrap();
    let names = |of: &Connection| -> Vec<String> {
        let mut rows = of.prepare("SELECT name FROM users ORDER BY id").unwrap();
        rows.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(names(&copy), names(&database));
    drop(copy);
    let ran = backup(home.path(), &["--verify", name]);
    assert!(ran.code == 0 && ran.stdout.contains("2 rows in 1 table"), "{ran}");
    let quiet = backup(home.path(), &["-q"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
    let ran = backup(home.path(), &["--list"]);
    assert!(ran.code == 0 && ran.stdout.matches(".db").count() == 4, "{ran}");
    let document = backup(home.path(), &["--format", "json"]).json();
    assert_eq!(document["tables"][0]["rows"], 2);
    assert!(home.path().join(document["backup"].as_str().unwrap()).exists());
}

#[test]
fn modes_are_private_whatever_the_umask() {
    let (home, _database) = home("DELETE");
    let mut shell = std::process::Command::new("sh");
    super::support::binary::clean(&mut shell, home.path());
    shell.args(["-c", "umask 000; exec \"$0\" backup --compress zstd", super::support::binary::PATH]);
    let ran = Running::start(shell).end();
    assert_eq!(ran.code, 0, "{ran}");
    let folder = home.path().join("backups");
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_damaged_backup_is_refused_and_listed() {
    let (home, _database) = home("WAL");
    let path = made(home.path(), &["--compress", "zstd"]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let ran = backup(home.path(), &["--verify", path.to_str().unwrap()]);
    assert!(ran.code == 4 && ran.stderr.contains("does not verify"), "{ran}");
    fs::write(&path, &bytes[..middle]).unwrap();
    let ran = backup(home.path(), &["--list"]);
    assert!(ran.code == 1 && ran.stdout.contains("bytes instead of"), "{ran}");
    let ran = backup(home.path(), &["--verify", "backups/none.db"]);
    assert_eq!(ran.code, 2, "{ran}");
}

#[test]
fn the_second_run_is_told_who_is_at_work() {
    let (home, _database) = home("WAL");
    let first = made(home.path(), &[]);
    let held = fs::File::open(home.path().join("backups/.techcare-db.lock")).unwrap();
    held.lock().unwrap();
    let ran = backup(home.path(), &["-q"]);
    assert!(ran.code == 4 && ran.stdout.is_empty() && ran.stderr.contains("another run"), "{ran}");
    assert!(ran.stderr.lines().count() <= 3, "{ran}");
    drop(held);
    made(home.path(), &["--keep", "1"]);
    assert!(!first.exists());
    assert_eq!(files(&home.path().join("backups")), 2);
}
