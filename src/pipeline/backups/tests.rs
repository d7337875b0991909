//! Backups of real SQLite files: made, damaged in every way, left behind by runs that were killed, deleted by rules.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::shelf::partial;
use super::*;
use crate::engine::connect;
use crate::model::endpoint::{Dialect, Endpoint, Location};
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Observer, Silent};
use crate::model::manifest::{Identity, Manifest, Method, Packing, Purpose};

/// A database and a place for its backups.
struct Place {
    home: TempDir,
    order: Order,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let database = Connection::open(home.path().join("t.db")).unwrap();
        database
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, photo BLOB);
                 CREATE TABLE odd (anything);
                 INSERT INTO odd VALUES (1), ('x'), (x'ff'), (NULL), (1.5), (CAST(x'ff' AS TEXT));
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
                 INSERT INTO users SELECT i, 'user ' || i, randomblob(20) FROM n;",
            )
            .unwrap();
        let order = Order {
            folder: home.path().join("backups"),
            database: Identity { id: "t".into(), location: "sqlite:///t.db".into() },
            purpose: Purpose::Asked,
            method: Some(Method::Native),
            packing: None,
            keep: Keep::default(),
            observer: Arc::new(Silent),
            cancel: CancellationToken::new(),
        };
        Self { home, order }
    }

    fn database(&self) -> PathBuf {
        self.home.path().join("t.db")
    }

    async fn make(&self, order: &Order) -> Result<Made> {
        let endpoint = Endpoint::new(Location::File(self.database()), "");
        make(order, connect::source(&endpoint).await?.as_ref()).await
    }

    async fn backup(&self, packing: Packing) -> Backup {
        self.make(&Order { packing: Some(packing), ..self.order.clone() }).await.unwrap().backup
    }

    fn folder(&self) -> Folder {
        Folder::existing(&self.order.folder).unwrap()
    }

    /// Names of all files of the folder but the lock.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.order.folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".techcare-db.lock")
            .collect();
        names.sort();
        names
    }
}

async fn verified(path: &Path) -> Result<Backup> {
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    verify(path, &observer, &CancellationToken::new()).await
}

/// Numbers that follow from a seed (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).unwrap()
    }
}

#[tokio::test]
async fn a_backup_is_the_database_in_one_private_file() {
    let place = Place::new();
    for packing in [Packing::None, Packing::Zstd] {
        let backup = place.backup(packing).await;
        assert_eq!(verified(&backup.path).await.unwrap().manifest, backup.manifest);
        for name in [backup.name.clone(), names::manifest(&backup.name)] {
            let mode = fs::metadata(place.order.folder.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let unpacked = unpack(&backup, &place.folder(), &CancellationToken::new()).await.unwrap();
        let header = fs::read(unpacked.path()).unwrap();
        assert_eq!(&header[18..20], [1, 1], "it needs no write-ahead log beside it");
        let dump = |path: &Path| -> Vec<(i64, String, Vec<u8>)> {
            let connection = Connection::open(path).unwrap();
            let mut rows = connection.prepare("SELECT id, name, photo FROM users ORDER BY id").unwrap();
            let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).unwrap();
            rows.collect::<rusqlite::Result<_>>().unwrap()
        };
        assert_eq!(dump(unpacked.path()), dump(&place.database()));
        drop(unpacked);
    }
    assert_eq!(place.files().len(), 4, "{:?}", place.files());
}

#[tokio::test]
async fn no_damage_passes() {
    let seed = std::env::var("TECHCARE_DB_TEST_SEED").ok().and_then(|s| s.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| std::process::id().into());
    let mut numbers = Numbers(seed);
    let place = Place::new();
    for packing in [Packing::None, Packing::Zstd] {
        let backup = place.backup(packing).await;
        let manifest = place.order.folder.join(names::manifest(&backup.name));
        for damaged in 0..500 {
            // Every fifth time it is the manifest.
            let file = if damaged % 5 == 0 { &manifest } else { &backup.path };
            let good = fs::read(file).unwrap();
            let mut bytes = good.clone();
            let at = numbers.below(bytes.len());
            let what = match numbers.below(5) {
                0 | 1 => {
                    bytes[at] ^= 1 << numbers.below(8);
                    "one bit"
                }
                2 => {
                    bytes.truncate(at);
                    "cut"
                }
                3 => {
                    let end = (at + 512).min(bytes.len());
                    let was = bytes[at..end].to_vec();
                    bytes[at..end].fill(0);
                    if bytes[at..end] == was[..] {
                        continue;
                    }
                    "zeros"
                }
                _ => {
                    bytes.extend_from_slice(&good[..=at.min(100)]);
                    "more"
                }
            };
            fs::write(file, &bytes).unwrap();
            let refused = verified(&backup.path).await;
            assert!(
                refused.is_err_and(|e| e.kind() == ErrorKind::Refused),
                "{what} at {at} of {} passed; TECHCARE_DB_TEST_SEED={seed}",
                file.display()
            );
            fs::write(file, &good).unwrap();
        }
        verified(&backup.path).await.unwrap();
    }
}

#[tokio::test]
async fn content_is_looked_at_beyond_the_bytes() {
    let place = Place::new();
    let backup = place.backup(Packing::None).await;
    // Somebody changed a row and made the bytes fit again.
    Connection::open(&backup.path)
        .unwrap()
        .execute_batch("UPDATE users SET name = 'x' WHERE id = 7")
        .unwrap();
    let sum = packing::sum(&fs::File::open(&backup.path).unwrap(), &CancellationToken::new()).unwrap();
    let manifest = Manifest { sha256: sum.sha256, bytes: sum.bytes, ..backup.manifest };
    let beside = place.order.folder.join(names::manifest(&backup.name));
    fs::write(beside, manifest.to_text().unwrap()).unwrap();
    let error = verified(&backup.path).await.unwrap_err();
    assert!(error.reason().unwrap().contains("\"users\""), "{error}");
}

#[tokio::test]
async fn names_of_one_second_and_names_that_are_taken_are_passed_over() {
    let place = Place::new();
    let one = place.backup(Packing::None).await;
    let time = names::made_at(&one.name, Dialect::Sqlite).unwrap();
    for second in 1..4 {
        let taken = names::file(Dialect::Sqlite, time + TimeDelta::seconds(second), "db");
        fs::write(place.order.folder.join(taken), "somebody else's").unwrap();
    }
    let two = place.backup(Packing::None).await;
    assert_ne!(one.name, two.name);
    verified(&one.path).await.unwrap();
    verified(&two.path).await.unwrap();
    let others = place
        .files()
        .iter()
        .filter(|name| fs::read(place.order.folder.join(name)).unwrap() == b"somebody else's")
        .count();
    assert_eq!((others, place.files().len()), (3, 7));
}

#[tokio::test]
async fn what_a_killed_run_left_is_finished_or_deleted() {
    let place = Place::new();
    let folder = place.order.folder.clone();
    let backup = place.backup(Packing::None).await;
    // Killed between the two names: the manifest has its own, the file has not.
    let unfinished = folder.join(partial(&backup.manifest.run_id));
    fs::rename(&backup.path, &unfinished).unwrap();
    for name in [".partial-a", ".partial-a.json", ".partial-a-plain", ".partial-a-journal"] {
        fs::write(folder.join(name), "x").unwrap();
    }
    let next = place.backup(Packing::None).await;
    verified(&backup.path).await.unwrap();
    let expected = [&backup.name, &next.name].into_iter().flat_map(|n| [n.clone(), names::manifest(n)]);
    assert_eq!(place.files(), expected.collect::<Vec<_>>());
    // The same, but the file is not what the manifest says.
    fs::rename(&backup.path, &unfinished).unwrap();
    fs::write(&unfinished, "half").unwrap();
    place.backup(Packing::None).await;
    assert!(!unfinished.exists());
    // Its name may be another backup's by now.
    let found = Shelf::of(&place.folder()).unwrap();
    assert!(found.faulty.is_empty());
    assert!(found.backups.iter().all(|other| other.manifest.run_id != backup.manifest.run_id));
}

#[tokio::test]
async fn a_file_that_a_restore_holds_is_left_alone() {
    let place = Place::new();
    let backup = place.backup(Packing::Zstd).await;
    let held = unpack(&backup, &place.folder(), &CancellationToken::new()).await.unwrap();
    place.backup(Packing::None).await;
    assert!(held.path().exists());
    let path = held.path().to_owned();
    drop(held);
    assert!(!path.exists());
}

#[tokio::test]
async fn rules_delete_only_sound_backups_of_the_same_database_that_were_asked_for() {
    let place = Place::new();
    let mut order = place.order.clone();
    order.database.id = "another".into();
    let other = place.make(&order).await.unwrap().backup;
    let order = Order { purpose: Purpose::Migration, ..place.order.clone() };
    let before = place.make(&order).await.unwrap().backup;
    let damaged = place.backup(Packing::None).await;
    fs::write(&damaged.path, "short").unwrap();
    let old = place.backup(Packing::None).await;
    let order = Order { keep: Keep { last: Some(2), ..Keep::default() }, ..place.order.clone() };
    let first = place.make(&order).await.unwrap();
    assert_eq!(first.deleted, Vec::<PathBuf>::new());
    let second = place.make(&order).await.unwrap();
    assert_eq!(second.deleted, std::slice::from_ref(&old.path));
    for stays in [&other, &before, &damaged, &first.backup, &second.backup] {
        assert!(stays.path.exists(), "{}", stays.name);
    }
    assert!(!old.path.exists());
    let shelf = Shelf::of(&place.folder()).unwrap();
    assert_eq!((shelf.backups.len(), shelf.faulty.len()), (4, 1));
    assert_eq!(
        shelf.of_database("t").next(),
        Some(&Backup { path: place.folder().file(&second.backup.name), ..second.backup })
    );
}

#[tokio::test]
async fn a_damaged_database_is_no_backup() {
    let place = Place::new();
    {
        let database = Connection::open(place.database()).unwrap();
        database.execute_batch("PRAGMA journal_mode = DELETE; CREATE INDEX i ON users (name)").unwrap();
    }
    let good = place.backup(Packing::None).await;
    let mut bytes = fs::read(place.database()).unwrap();
    let last = bytes.windows(8).rposition(|w| w == b"user 299").unwrap();
    bytes[last] = b'v';
    fs::write(place.database(), bytes).unwrap();
    let error = place.make(&place.order).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert_eq!(place.files(), [good.name.clone(), names::manifest(&good.name)]);
}

#[tokio::test]
async fn an_interrupted_run_leaves_nothing() {
    let place = Place::new();
    let order = Order { cancel: CancellationToken::new(), ..place.order.clone() };
    order.cancel.cancel();
    let error = place.make(&order).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(place.files(), Vec::<String>::new());
}
