//! A90 with backups: every backup that we make is put back, and the database is what it was when it was made. What is
//! damaged or of another database is refused before anything is touched. The judge asks the database itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::rollback::{Home, ours, state};
use crate::support::binary::{self, Ran, Running};
use crate::support::content;
use crate::support::database::{Db, Engine};
use crate::techcare::seeded;

impl Home {
    pub fn backup(&self, database: &Db, more: &[&str]) -> PathBuf {
        let ran = self.run(&[&["backup", "--database", &database.url][..], more].concat());
        assert_eq!(ran.code, 0, "{ran}");
        self.0.path().join(ran.json()["backup"].as_str().unwrap())
    }

    pub fn restore(&self, database: &Db, backup: &Path, more: &[&str]) -> Ran {
        self.rollback(database, &[&["--backup", backup.to_str().unwrap()][..], more].concat())
    }

    /// Names of the backups there are, without their manifests.
    pub fn backups(&self) -> Vec<String> {
        let listed = self.run(&["backup", "--list"]).json();
        let backups = listed["backups"].as_array().unwrap();
        backups.iter().map(|b| format!("{} {}", b["path"].as_str().unwrap(), b["purpose"])).collect()
    }
}

/// What SQLite itself says of a file: every object, the numbers in its head, and what ids come next. A native backup
/// has the text of each object, an archive what it says.
fn exactly(db: &Db, form: &str) -> String {
    let text = if form == "native" { "sql" } else { "NULL" };
    let schema = db.query(&format!("SELECT type, name, tbl_name, {text} FROM sqlite_schema ORDER BY 1, 2"));
    let heads = ["user_version", "application_id"].map(|name| db.value(&format!("PRAGMA {name}")));
    let next = db.query("SELECT name, seq FROM sqlite_sequence ORDER BY 1");
    format!("{schema:?} {heads:?} {next:?} {:?}", content::read(db))
}

/// TechCare's database with what a migration to another engine could not carry.
fn own(journal: &str) -> Db {
    let db = seeded(60);
    db.sqlite().pragma_update(None, "journal_mode", journal).unwrap();
    db.execute(
        "PRAGMA user_version = 7; PRAGMA application_id = 4711;
         CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT);
         INSERT INTO counted (note) VALUES ('a'), ('b'); DELETE FROM counted WHERE id = 2;
         CREATE TABLE heap (a, b); INSERT INTO heap VALUES (1, 'x'), (2.5, x'00ff'), (NULL, NULL);
         CREATE VIEW few AS SELECT id FROM users WHERE id < 3",
    );
    db
}

/// What the application does between the backup and the day that it is needed.
fn use_it(db: &Db) {
    db.execute(
        "DELETE FROM diagnostics; UPDATE users SET name = 'changed'; DROP TABLE heap; DROP VIEW few;
         CREATE TABLE later (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO later VALUES (1, 'kept aside')",
    );
}

/// Whoever is asked and does not say yes loses nothing, nor what an interrupted migration can go on with.
#[test]
fn a_restore_that_is_not_agreed_to_changes_nothing() {
    let source = crate::faults::large(Engine::Sqlite, None);
    for engine in Engine::servers() {
        let (home, db) = (Home::new(), Db::fresh(engine));
        db.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO note VALUES (1, 'a')");
        let backup = home.backup(&db, &["--method", "portable"]);
        let killed = crate::faults::loading(&source, &db);
        killed.signal("KILL");
        killed.end();
        let asked = home.restore(&db, &backup, &[]);
        assert_eq!(asked.code, 4, "{asked}");
        let resumed = binary::migrate(&source.url, &db.url, &["--resume"]);
        assert_eq!(resumed.code, 0, "{resumed}");
        assert!(!resumed.stderr.contains("there is no run to go on with"), "{resumed}");
    }
}

#[test]
fn a90_every_backup_of_a_file_is_put_back_and_taken_back() {
    for (journal, form) in [
        ("delete", ["native", "none"]),
        ("wal", ["native", "zstd"]),
        ("delete", ["portable", "zstd"]),
        ("wal", ["portable", "none"]),
    ] {
        let (home, db, exactly) = (Home::new(), own(journal), |db: &Db| exactly(db, form[0]));
        let before = exactly(&db);
        let backup = home.backup(&db, &["--method", form[0], "--compress", form[1]]);
        use_it(&db);
        let used = exactly(&db);
        // An application that holds the file open and does nothing.
        let idle = db.sqlite();
        idle.query_row("SELECT count(*) FROM users", [], |_| Ok(())).unwrap();

        let listed = home.rollback(&db, &["--list"]).json();
        assert_eq!(
            listed["backups"][0]["path"],
            std::fs::canonicalize(&backup).unwrap().to_str().unwrap(),
            "{listed}"
        );
        let dry = home.restore(&db, &backup, &["--dry-run"]);
        assert_eq!(dry.code, 0, "{dry}");
        let document = dry.json();
        let table = |name: &str| {
            let tables = document["tables"].as_array().unwrap();
            tables.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("{name}: {dry}"))
        };
        assert_eq!(table("diagnostics")["rows_then"], 60);
        assert_eq!(table("diagnostics")["rows_now"], 0);
        assert_eq!((&table("later")["goes"], &table("later")["comes_back"]), (&true.into(), &false.into()));
        assert_eq!((&table("heap")["goes"], &table("heap")["comes_back"]), (&false.into(), &true.into()));
        let asked = home.restore(&db, &backup, &[]);
        assert_eq!(asked.code, 4, "{asked}");
        assert!(asked.stderr.contains("--yes") && asked.stderr.contains("later"), "{asked}");
        assert_eq!(
            (exactly(&db), ours(&db).len()),
            (used.clone(), ours_of_journal(&db)),
            "{journal} {form:?}"
        );

        let ran = home.restore(&db, &backup, &["--yes"]);
        assert_eq!(ran.code, 0, "{journal} {form:?}: {ran}");
        assert!(exactly(&db) == before, "{journal} {form:?}: {ran}");
        let seen: i64 = idle.query_row("SELECT count(*) FROM diagnostics", [], |r| r.get(0)).unwrap();
        assert_eq!(seen, 60, "whoever has the file open sees the restored rows");
        drop(idle);
        assert_eq!(db.value("PRAGMA journal_mode").as_deref(), Some(journal));
        assert_eq!(db.value("PRAGMA integrity_check").as_deref(), Some("ok"));
        let kept: Vec<String> = ours(&db).into_iter().filter(|name| name.contains("kept")).collect();
        assert_eq!(kept.len(), 1, "{:?}", ours(&db));
        assert!(home.backups().iter().any(|b| b.contains("rollback")), "{:?}", home.backups());

        // What the application had made of it is not lost either.
        let run = ran.json()["run_id"].as_str().unwrap().to_owned();
        let back = home.rollback(&db, &["--yes", "--run", &run]);
        assert_eq!(back.code, 0, "{journal} {form:?}: {back}");
        assert!(exactly(&db) == used, "{journal} {form:?}");
        assert_eq!(db.value("SELECT note FROM later").as_deref(), Some("kept aside"));
        // And the newest backup is still the one that was asked for, not the one that the restore made.
        let latest = home.rollback(&db, &["--backup", "latest", "--no-backup", "--yes"]);
        assert_eq!(latest.code, 0, "{latest}");
        assert!(exactly(&db) == before, "{journal} {form:?}");
        assert!(latest.json()["backup"].is_null(), "{latest}");
        assert_eq!(home.backups().len(), 2, "{:?}", home.backups());
    }
}

/// Files that SQLite itself has beside a database while somebody has it open.
fn ours_of_journal(db: &Db) -> usize {
    ours(db).iter().filter(|name| name.ends_with("-wal") || name.ends_with("-shm")).count()
}

#[test]
fn a90_a_file_that_is_gone_is_made_again() {
    for form in ["native", "portable"] {
        let (home, db, exactly) = (Home::new(), own("delete"), |db: &Db| exactly(db, form));
        let before = exactly(&db);
        let backup = home.backup(&db, &["--method", form]);
        std::fs::remove_file(db.path()).unwrap();
        let ran = home.restore(&db, &backup, &["--yes"]);
        assert_eq!(ran.code, 0, "{form}: {ran}");
        assert!(exactly(&db) == before, "{form}");
        assert_eq!(ours(&db), Vec::<String>::new(), "{form}");
        let run = ran.json()["run_id"].as_str().unwrap().to_owned();
        assert_eq!(home.rollback(&db, &["--yes", "--run", &run]).code, 0);
        assert_eq!(state(&db), "no file", "{form}");
    }
}

#[test]
fn a90_a_damaged_backup_and_one_of_another_database_are_refused() {
    for form in ["native", "portable"] {
        let (home, db, other) = (Home::new(), own("delete"), seeded(20));
        let exactly = |db: &Db| exactly(db, form);
        let backup = home.backup(&db, &["--method", form]);
        use_it(&db);
        let (used, of_other) = (exactly(&db), state(&other));

        let refused = home.restore(&other, &backup, &["--yes"]);
        assert_eq!(refused.code, 4, "{refused}");
        assert!(refused.stderr.contains("--from-other-database"), "{refused}");
        assert!(state(&other) == of_other, "{form}");
        let none = home.rollback(&other, &["--backup", "latest", "--yes"]);
        assert_eq!(none.code, 4, "{none}");
        let taken = home.restore(&other, &backup, &["--yes", "--from-other-database"]);
        assert_eq!(taken.code, 0, "{taken}");
        assert_eq!(other.value("SELECT count(*) FROM diagnostics").as_deref(), Some("60"), "{form}");

        let whole = std::fs::read(&backup).unwrap();
        for (at, what) in [(whole.len() / 2, "a bit"), (whole.len() - 1, "the last bit"), (0, "cut")] {
            let mut bytes = whole.clone();
            if what == "cut" {
                bytes.truncate(whole.len() / 3);
            } else {
                bytes[at] ^= 1;
            }
            std::fs::write(&backup, bytes).unwrap();
            let ran = home.restore(&db, &backup, &["--yes"]);
            assert_eq!(ran.code, 4, "{form}, {what}: {ran}");
            assert!(ran.stderr.contains("does not verify"), "{ran}");
            assert!(exactly(&db) == used, "{form}, {what}");
            assert_eq!(ours(&db), Vec::<String>::new(), "{form}, {what}");
        }
        std::fs::write(&backup, whole).unwrap();
        assert_eq!(home.restore(&db, &backup, &["--yes"]).code, 0);
    }
}

/// The application is in the middle of a transaction: the restore waits, gives up, and has changed nothing.
#[test]
fn a90_a_busy_file_is_not_restored() {
    let busy = |journal: &str| {
        let (home, db, exactly) = (Home::new(), own(journal), |db: &Db| exactly(db, "native"));
        let backup = home.backup(&db, &[]);
        use_it(&db);
        let used = exactly(&db);
        let application = db.sqlite();
        application.execute_batch("BEGIN IMMEDIATE; UPDATE users SET name = 'busy'").unwrap();
        let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
        assert_eq!(ran.code, 4, "{journal}: {ran}");
        application.execute_batch("ROLLBACK").unwrap();
        drop(application);
        assert!(exactly(&db) == used, "{journal}");
        assert_eq!(ours(&db), Vec::<String>::new(), "{journal}");
        assert_eq!(home.restore(&db, &backup, &["--yes"]).code, 0, "{journal}");
    };
    // Each waits for the application.
    std::thread::scope(|both| {
        both.spawn(|| busy("delete"));
        both.spawn(|| busy("wal"));
    });
}

/// An archive of a server's database goes back into its tables; those that came later stay.
#[test]
fn a90_an_archive_of_a_server_is_put_back_and_taken_back() {
    let source = seeded(60);
    for engine in Engine::servers() {
        let (home, db) = (Home::new(), Db::fresh(engine));
        assert_eq!(home.migrate(&source, &db, &[]).code, 0);
        let before = state(&db);
        let backup = home.backup(&db, &["--method", "portable"]);
        db.execute(
            "UPDATE users SET name = 'changed'; DELETE FROM diagnostics; CREATE INDEX ix_later ON users (name);
             CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY)",
        );
        let used = state(&db);
        let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert!(ran.json()["kept"].as_array().is_some_and(|kept| kept.len() == 1), "{ran}");
        assert_eq!(db.value("SELECT count(*) FROM later").as_deref(), Some("0"), "{engine:?}");
        let run = ran.json()["run_id"].as_str().unwrap().to_owned();
        db.execute("DROP TABLE later");
        assert!(state(&db) == before, "{engine:?}: {ran}");
        db.execute("CREATE TABLE later (id INTEGER NOT NULL PRIMARY KEY)");
        let back = home.rollback(&db, &["--yes", "--run", &run]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert!(state(&db) == used, "{engine:?}");
    }
}

/// Killed at any moment, the file is the old database or the restored one, and the same command again ends it.
#[test]
fn a90_a_restore_that_is_killed_is_ended_by_the_next() {
    for (journal, number) in [("delete", 6), ("wal", 6)] {
        let (home, db, exactly) = (Home::new(), own(journal), |db: &Db| exactly(db, "native"));
        let before = exactly(&db);
        let backup = home.backup(&db, &[]);
        use_it(&db);
        let used = exactly(&db);
        let mut took = Duration::from_millis(400);
        for kill in 0..number {
            let mut command = binary::command(home.0.path());
            command
                .args(["--yes", "rollback", "--database", &db.url, "--no-backup", "--backup"])
                .arg(&backup);
            let begun = Instant::now();
            let running = Running::start(command);
            // From shortly before its end to shortly after, where the switch is.
            std::thread::sleep(took.mul_f64(0.4 + 0.7 * f64::from(kill) / f64::from(number)));
            running.signal("KILL");
            let ran = running.end();
            if ran.code == 0 {
                took = begun.elapsed();
            }
            let now = exactly_unmarked(&db);
            assert!(now == used || now == before, "{journal}: mixed after kill {kill}");

            let again = home.restore(&db, &backup, &["--yes", "--no-backup"]);
            assert_eq!(again.code, 0, "{journal}: {again}");
            assert!(exactly(&db) == before, "{journal}: {again}");
            let left: Vec<String> = ours(&db).into_iter().filter(|name| !name.contains(".kept-")).collect();
            assert_eq!(left, Vec::<String>::new(), "{journal}, kill {kill}");
            for kept in ours(&db) {
                std::fs::remove_file(db.path().with_file_name(kept)).unwrap();
            }
            use_it(&db);
        }
    }
}

/// The same, without the table that tells the next run of the switch.
fn exactly_unmarked(db: &Db) -> String {
    let copy = Db::fresh(Engine::Sqlite);
    db.sqlite().execute("VACUUM INTO ?1", [copy.path().to_str().unwrap()]).unwrap();
    for mark in copy.query("SELECT name FROM sqlite_schema WHERE name LIKE 'techcare\\_db\\_%' ESCAPE '\\'") {
        copy.execute(&format!("DROP TABLE {}", mark[0].as_deref().unwrap()));
    }
    exactly(&copy, "native")
}

#[test]
fn a90_a_backup_goes_into_a_new_file_that_is_named_without_a_folder() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Sqlite));
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (7)");
    let backup = home.backup(&db, &[]);
    let backup = backup.to_str().unwrap();
    let to = ["--database", "drill.db", "--backup", backup];
    let ran = home.run(&[&["rollback", "--yes", "--from-other-database"], &to[..]].concat());
    assert_eq!(ran.code, 0, "{ran}");
    let drill = rusqlite::Connection::open(home.0.path().join("drill.db")).unwrap();
    assert_eq!(drill.query_row("SELECT id FROM t", [], |row| row.get::<_, i64>(0)), Ok(7));
}
