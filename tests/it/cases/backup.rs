//! Backups of databases that are being written to. The judge is the restored backup, asked in SQL: money that moves
//! between accounts all the time neither comes nor goes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::support::binary::{self, Running};
use crate::support::client;
use crate::support::database::{Db, Engine, wait};

const ACCOUNTS: i64 = 100;

/// Time between two transactions of the writer: 1,000 a second, where the engine keeps up.
const EVERY: Duration = Duration::from_millis(1);

/// Accounts with 100 each, in two tables, so that a transfer is of one instant or seen to be of two; and enough beside
/// them that a backup takes its time.
fn bank(engine: Engine, journal: &str) -> Db {
    let db = Db::fresh(engine);
    let long = if engine.is_mysql() { "VARCHAR(1000)" } else { "TEXT" };
    if engine == Engine::Sqlite {
        db.sqlite().pragma_update(None, "journal_mode", journal).unwrap();
    }
    db.execute(&format!(
        "CREATE TABLE a_giro (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL);
         CREATE TABLE filler (id INTEGER PRIMARY KEY, body {long});
         CREATE TABLE z_saving (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL)"
    ));
    let body = if engine == Engine::Sqlite { "hex(zeroblob(400))" } else { "repeat('0', 800)" };
    let numbers = |most: i64| match engine {
        Engine::Sqlite => {
            format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})")
        }
        Engine::Mysql => format!("SET SESSION cte_max_recursion_depth = {most};"),
        Engine::Postgres | Engine::Mariadb => String::new(),
    };
    let from = |most: i64| match engine {
        Engine::Sqlite => "n".to_owned(),
        Engine::Postgres => format!("generate_series(1, {most}) AS n (i)"),
        Engine::Mariadb => format!("(SELECT seq AS i FROM seq_1_to_{most}) AS n"),
        Engine::Mysql => format!(
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT i FROM n) AS n"
        ),
    };
    for table in ["a_giro", "z_saving"] {
        db.execute(&format!(
            "{} INSERT INTO {table} SELECT i, 100 FROM {}",
            numbers(ACCOUNTS),
            from(ACCOUNTS)
        ));
    }
    db.execute(&format!("{} INSERT INTO filler SELECT i, {body} FROM {}", numbers(20_000), from(20_000)));
    db
}

/// What a writer did.
struct Written {
    /// Transactions.
    commits: u64,
    /// The longest of them.
    longest: Duration,
}

/// Moves money until told to stop.
fn write(db: &Db, stop: &AtomicBool) -> Written {
    let mut written = Written { commits: 0, longest: Duration::ZERO };
    let mut turn = |transfer: &mut dyn FnMut(i64, i64)| {
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let number = i64::try_from(written.commits).unwrap();
            transfer(number * 7 % ACCOUNTS + 1, number * 13 % ACCOUNTS + 1);
            written.commits += 1;
            written.longest = written.longest.max(begun.elapsed());
            std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
        }
    };
    let take = |id: i64| format!("UPDATE a_giro SET balance = balance - 1 WHERE id = {id}");
    let give = |id: i64| format!("UPDATE z_saving SET balance = balance + 1 WHERE id = {id}");
    match db.engine {
        Engine::Sqlite => {
            let file = db.sqlite();
            file.busy_timeout(Duration::from_secs(60)).unwrap();
            file.pragma_update(None, "synchronous", "OFF").unwrap();
            turn(&mut |one, other| {
                file.execute_batch(&format!("BEGIN IMMEDIATE; {}; {}; COMMIT", take(one), give(other)))
                    .unwrap();
            });
        }
        Engine::Postgres => {
            let mut session = wait(sqlx::PgConnection::connect(&db.url)).unwrap();
            wait(sqlx::raw_sql("SET synchronous_commit = off").execute(&mut session)).unwrap();
            turn(&mut |one, other| {
                let sql = format!("BEGIN; {}; {}; COMMIT", take(one), give(other));
                wait(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut session)).unwrap();
            });
        }
        Engine::Mariadb | Engine::Mysql => {
            let mut session = wait(sqlx::MySqlConnection::connect(&db.url)).unwrap();
            turn(&mut |one, other| {
                let sql = format!("BEGIN; {}; {}; COMMIT", take(one), give(other));
                wait(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut session)).unwrap();
            });
        }
    }
    written
}

/// Backs up a bank that is at work; answers with the backup, what the writer did, and the document.
fn backed_up(db: &Db, folder: &Path) -> (PathBuf, Written, serde_json::Value) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(db, &stop));
        std::thread::sleep(Duration::from_millis(300));
        let mut command = binary::command(folder);
        command.args(["backup", "--format", "json", "--database", &db.url]);
        let ran = Running::start(command).end();
        stop.store(true, Ordering::Relaxed);
        let written = writer.join().unwrap();
        assert_eq!(ran.code, 0, "{ran}");
        let document = ran.json();
        (folder.join(document["backup"].as_str().unwrap()), written, document)
    })
}

/// Restores a backup with the engine's own program; an archive, which only we restore, into a file.
pub fn restored(engine: Engine, backup: &Path) -> Db {
    if backup.extension().is_some_and(|end| end == "tcdb") {
        let copy = Db::fresh(Engine::Sqlite);
        let ran = binary::migrate(backup.to_str().unwrap(), &copy.url, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        return copy;
    }
    let db = Db::fresh(engine);
    let mut client;
    match engine {
        Engine::Sqlite => {
            std::fs::copy(backup, db.path()).unwrap();
            return db;
        }
        Engine::Postgres => {
            client = Command::new("pg_restore");
            client.args(["--exit-on-error", "--no-owner", "--dbname", &db.url]).arg(backup);
        }
        Engine::Mariadb | Engine::Mysql => {
            let script = tempfile::NamedTempFile::new().unwrap();
            let packed = std::fs::File::open(backup).unwrap();
            zstd::stream::copy_decode(packed, script.reopen().unwrap()).unwrap();
            client = client::mariadb(&db.url);
            client.stdin(Stdio::from(script.reopen().unwrap()));
        }
    }
    let done = client.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    db
}

fn total(db: &Db) -> String {
    let sum = "SELECT (SELECT sum(balance) FROM a_giro) + (SELECT sum(balance) FROM z_saving)";
    db.value(sum).unwrap()
}

/// Whether the backup is of one instant of the bank, and the engine is content with it.
fn sound(db: &Db, folder: &Path, backup: &Path) {
    let copy = restored(db.engine, backup);
    assert_eq!(total(&copy), (2 * ACCOUNTS * 100).to_string());
    assert_eq!(copy.value("SELECT count(*) FROM filler"), Some("20000".into()));
    if db.engine == Engine::Sqlite {
        assert_eq!(copy.value("PRAGMA integrity_check"), Some("ok".into()));
    }
    let mut command = binary::command(folder);
    command.arg("backup").arg("--verify").arg(backup);
    let ran = Running::start(command).end();
    assert_eq!(ran.code, 0, "{ran}");
}

#[test]
fn a82_a_write_ahead_log_and_a_live_writer() {
    let db = bank(Engine::Sqlite, "WAL");
    // Nothing of it may come to the main file meanwhile.
    let keeper = db.sqlite();
    keeper.execute_batch("PRAGMA wal_autocheckpoint = 0; BEGIN; SELECT count(*) FROM a_giro").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (backup, written, document) = backed_up(&db, folder.path());
    assert!(std::fs::metadata(db.path().with_extension("db-wal")).unwrap().len() > 1_000_000);
    assert!(written.commits > 100, "{}", written.commits);
    assert!(written.longest < Duration::from_secs(3), "a writer waited for {:?}", written.longest);
    assert!(document["writers_waited"].is_null());
    sound(&db, folder.path(), &backup);
    let moved = restored(Engine::Sqlite, &backup).value("SELECT count(*) FROM a_giro WHERE balance <> 100");
    assert_ne!(moved, Some("0".into()), "no committed row of the log is in the backup");

    let target = Db::fresh(Engine::Sqlite);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&db, &stop));
        let ran = binary::migrate(&db.url, &target.url, &[]);
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert_eq!(ran.code, 0, "{ran}");
    });
    assert_eq!(total(&target), (2 * ACCOUNTS * 100).to_string());
    assert_eq!(target.value("PRAGMA integrity_check"), Some("ok".into()));
}

#[test]
fn a82_a_rollback_journal_makes_writers_wait_and_says_so() {
    let db = bank(Engine::Sqlite, "DELETE");
    let folder = tempfile::tempdir().unwrap();
    let (backup, written, document) = backed_up(&db, folder.path());
    let said = document["writers_waited"].as_f64().unwrap();
    // What the writer itself needs, and SQLite's own pauses between two tries, come on top.
    let most = Duration::from_secs_f64(said) + Duration::from_secs(4);
    assert!(written.longest < most, "waited for {:?}, said were {said} s", written.longest);
    sound(&db, folder.path(), &backup);
}

#[test]
fn a82_servers_with_a_live_writer() {
    for engine in Engine::servers() {
        let db = bank(engine, "");
        let folder = tempfile::tempdir().unwrap();
        let (backup, written, document) = backed_up(&db, folder.path());
        assert!(written.commits > 100, "{engine:?}: {}", written.commits);
        // Writers of MySQL rest for the whole server, also for the archives of the tests beside this one.
        if engine != Engine::Mysql {
            assert!(written.longest < Duration::from_secs(3), "{engine:?}: waited for {:?}", written.longest);
        }
        assert_eq!(document["tables"].as_array().unwrap().len(), 3);
        sound(&db, folder.path(), &backup);
    }
}
