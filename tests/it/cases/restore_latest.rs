//! Which backup is the latest: wherever it was laid, by what its manifest says; a damaged one is named.

use std::path::{Path, PathBuf};

use super::rollback::Home;
use crate::support::database::{Db, Engine};

fn count(db: &Db) -> String {
    db.value("SELECT count(*) FROM t").unwrap()
}

fn grow(db: &Db) {
    db.execute("INSERT INTO t (note) VALUES ('one more')");
}

fn counted() -> Db {
    let db = Db::fresh(Engine::Sqlite);
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)");
    grow(&db);
    db
}

/// Gives a backup another name, and its manifest too.
fn renamed(backup: &Path, name: &str) -> PathBuf {
    let to = backup.with_file_name(name);
    std::fs::rename(backup, &to).unwrap();
    std::fs::rename(format!("{}.json", backup.display()), format!("{}.json", to.display())).unwrap();
    to
}

#[test]
fn a90_the_latest_is_found_wherever_it_was_laid() {
    let (home, db) = (Home::new(), counted());
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = elsewhere.path().join("night");
    let old = home.backup(&db, &[]);
    // A name says nothing: this one is the oldest.
    renamed(&old, "techcare_20991231_235959.db");
    grow(&db);
    for _ in 0..2 {
        home.backup(&db, &["--output-dir", folder.to_str().unwrap()]);
        grow(&db);
    }
    let remembered = std::fs::read_to_string(home.0.path().join("history/backup-folders")).unwrap();
    assert_eq!(remembered.lines().collect::<Vec<_>>(), [folder.canonicalize().unwrap().to_str().unwrap()]);

    let listed = home.rollback(&db, &["--list"]).json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 3, "{listed}");
    let found = home.run(&["detect", "--database", &db.url]).json();
    let newest = found["database"]["newest_backup"]["path"].as_str().unwrap();
    assert_eq!(Path::new(newest).parent(), Some(folder.canonicalize().unwrap().as_path()), "{found}");
    let ran = home.rollback(&db, &["--backup", "latest", "--yes", "--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(count(&db), "3", "{ran}");

    // A disk that is not there is told, and what there is is taken.
    let away = elsewhere.path().join("away");
    std::fs::rename(&folder, &away).unwrap();
    let ran = home.rollback(&db, &["--backup", "latest", "--yes", "--no-backup"]);
    assert_eq!((ran.code, count(&db).as_str()), (0, "1"), "{ran}");
    assert!(ran.stderr.contains("night, which is not to be read now"), "{ran}");
    // Backups of another database are none of this one.
    let other = counted();
    let none = home.rollback(&other, &["--backup", "latest", "--yes"]);
    assert_eq!(none.code, 4, "{none}");
    assert!(home.run(&["detect", "--database", &other.url]).json()["database"]["newest_backup"].is_null());
}

#[test]
fn a90_a_damaged_newest_backup_is_named_with_the_newest_sound_one() {
    let (home, db) = (Home::new(), counted());
    let mut backups = Vec::new();
    for _ in 0..3 {
        backups.push(home.backup(&db, &[]));
        grow(&db);
    }
    let [sound, broken, newest] = [&backups[0], &backups[1], &backups[2]];
    let damage = |file: &Path, how: &str| {
        let mut bytes = std::fs::read(file).unwrap();
        match how {
            "bit" => bytes[5000] ^= 1,
            "cut" => bytes.truncate(4096),
            _ => bytes[40] ^= 1,
        }
        std::fs::write(file, bytes).unwrap();
    };
    damage(broken, "bit");
    let kept = |file: &Path| std::fs::read(file).unwrap();
    let (whole, manifest) = (kept(newest), PathBuf::from(format!("{}.json", newest.display())));
    let described = kept(&manifest);
    for (file, how) in [(newest.as_path(), "bit"), (newest.as_path(), "cut"), (manifest.as_path(), "text")] {
        damage(file, how);
        let ran = home.rollback(&db, &["--backup", "latest", "--yes"]);
        assert_eq!((ran.code, count(&db).as_str()), (4, "4"), "{how}: {ran}");
        let (newest, sound) = (newest.file_name().unwrap(), sound.file_name().unwrap());
        assert!(ran.stderr.contains(newest.to_str().unwrap()), "{how}: {ran}");
        assert!(ran.stderr.contains(sound.to_str().unwrap()), "{how}: {ran}");
        std::fs::write(file, if file == manifest { &described } else { &whole }).unwrap();
    }
    // One that says itself that it is of another database is no matter.
    let other = counted();
    let of_other = home.backup(&other, &[]);
    damage(&of_other, "cut");
    let ran = home.rollback(&db, &["--backup", "latest", "--yes", "--no-backup"]);
    assert_eq!((ran.code, count(&db).as_str()), (0, "3"), "{ran}");
}
