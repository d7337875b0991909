//! Backups of a few megabytes that are damaged afterwards, at places that are drawn: a bit is turned, the end is missing, a block of
//! the disk is zeros. Every one is found before the target is touched. The judge of that is the file itself, or the server.

use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::rollback::Home;
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::content;
use crate::support::database::{Db, Engine, wait};
use techcare_db::model::error::ErrorKind;
use techcare_db::model::event::{Observer, Silent};
use techcare_db::pipeline::backups;

/// Damages of one form that only `--verify` is asked about, by day and by night, and those that the whole command meets.
const VERIFIED: (u64, u64) = (230, 2_500);
const COMMANDS: u64 = 20;

/// Bytes of a block of a disk.
const BLOCK: usize = 512;

/// A database whose backup is of some size however it is packed.
fn filled(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    let bytes = if engine == Engine::Postgres { "bytea" } else { "blob" };
    db.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, name varchar(40), body {bytes})"));
    let random = match engine {
        Engine::Sqlite => {
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT i, 'name ' || i, randomblob(1000) FROM n"
        }
        Engine::Postgres => {
            "INSERT INTO t SELECT i, 'name ' || i, (SELECT string_agg(sha256((i * 100 + k)::text::bytea), '')
             FROM generate_series(1, 32) k) FROM generate_series(1, 3000) i"
        }
        Engine::Mariadb | Engine::Mysql => {
            "INSERT INTO t SELECT seq, concat('name ', seq), random_bytes(1000) FROM seq_1_to_3000"
        }
    };
    db.execute(random);
    db
}

/// Damages a copy; answers with what was done.
fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) -> String {
    let size = bytes.len();
    let below = |chance: &mut Chance, bound: usize| {
        usize::try_from(chance.below(u64::try_from(bound).unwrap())).unwrap()
    };
    match chance.below(3) {
        0 => {
            let (at, bit) = (below(chance, size), chance.below(8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} turned")
        }
        1 => {
            let left = below(chance, size);
            bytes.truncate(left);
            format!("cut to {left}")
        }
        _ => loop {
            let at = below(chance, size / BLOCK) * BLOCK;
            let block = &mut bytes[at..at + BLOCK];
            if block.iter().any(|byte| *byte != 0) {
                block.fill(0);
                break format!("block at {at} zeroed");
            }
        },
    }
}

/// What verifying it says.
fn verify(backup: &Path) -> Option<ErrorKind> {
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let cancel = CancellationToken::new();
    wait(backups::verify(backup, &observer, &cancel)).err().map(|error| error.kind())
}

fn found(engine: Engine, form: &[&str]) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let (home, db) = (Home::new(), filled(engine));
    let backup = home.backup(&db, form);
    let whole = std::fs::read(&backup).unwrap();
    assert!(whole.len() > 2 << 20, "{}", whole.len());
    assert_eq!(verify(&backup), None);
    db.execute("DELETE FROM t WHERE id > 100");
    let used = rows(&db);
    let file = (engine == Engine::Sqlite).then(|| std::fs::read(db.path()).unwrap());
    for nth in 0..COMMANDS + if is_nightly() { VERIFIED.1 } else { VERIFIED.0 } {
        let mut bytes = whole.clone();
        let what = damage(&mut bytes, &mut chance);
        std::fs::write(&backup, &bytes).unwrap();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?} {form:?}, damage {nth}: {what}");
        if nth >= COMMANDS {
            assert_eq!(verify(&backup), Some(ErrorKind::Refused), "{place}");
            continue;
        }
        let ran = home.restore(&db, &backup, &["--yes"]);
        assert_eq!(ran.code, 4, "{place}\n{ran}");
        assert!(ran.stderr.contains("does not verify"), "{place}\n{ran}");
        match &file {
            Some(file) => assert!(std::fs::read(db.path()).unwrap() == *file, "{place}\n{ran}"),
            None => assert!(rows(&db) == used, "{place}\n{ran}"),
        }
    }
    assert_eq!(super::rollback::ours(&db), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(backup.parent().unwrap()).unwrap().count(), 3, "backup, manifest and lock");
    std::fs::write(&backup, &whole).unwrap();
    assert_eq!(home.restore(&db, &backup, &["--yes", "--no-backup"]).code, 0);
    assert_eq!(db.value("SELECT count(*) FROM t").as_deref(), Some("3000"));
}

#[test]
fn a90_damaged_copies_of_a_file_are_found() {
    found(Engine::Sqlite, &["--method", "native"]);
}

#[test]
fn a90_damaged_archives_are_found() {
    found(Engine::Sqlite, &["--method", "portable"]);
}

#[test]
fn a90_damaged_dumps_of_postgres_are_found() {
    found(Engine::Postgres, &["--method", "native"]);
}

#[test]
fn a90_damaged_dumps_of_mariadb_are_found() {
    found(Engine::Mariadb, &["--method", "native"]);
}

/// Every row of the database.
fn rows(db: &Db) -> String {
    format!("{:?}", content::read(db))
}
