//! `kill -9` in the middle of `backup`. Whatever has a final name afterwards is whole, which is seen by restoring it with
//! the engine's own program; the backup from before is as it was; the next run tidies up; no session stays on the server.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cases::backup::restored;
use crate::support::binary::{self, Ran, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::database::{Db, Engine};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// How many backups are kept.
const KEEP: usize = 2;

/// Two tables of which a restored copy tells whether it is whole.
pub fn source(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    let numbers =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, i FROM n";
    db.execute(&format!(
        "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, number INTEGER NOT NULL);
         CREATE TABLE visit (id INTEGER NOT NULL PRIMARY KEY, person_id INTEGER NOT NULL,
             CONSTRAINT fk_visit FOREIGN KEY (person_id) REFERENCES person (id));
         INSERT INTO person {numbers}; INSERT INTO visit {numbers}"
    ));
    db
}

/// Sums of what it holds.
pub const SUMS: &str = "SELECT count(*), sum(id), sum(number), (SELECT count(*) FROM visit), \
                        (SELECT sum(person_id) FROM visit) FROM person";

/// The command; MySQL has no client program everywhere.
pub fn arguments(db: &Db) -> Vec<&str> {
    let mut args = vec!["backup", "--database", &db.url];
    if db.engine == Engine::Mysql {
        args.extend(["--method", "portable"]);
    }
    args
}

/// Runs it to its end in a folder.
pub fn back_up(db: &Db, folder: &Path, more: &[&str]) -> Ran {
    let mut command = binary::command(folder);
    command.args(arguments(db)).args(more);
    Running::start(command).end()
}

/// Files under final names, with what is in them.
pub fn visible(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder.join("backups")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.filter(|p| !name(p).starts_with('.')).map(|p| (name(&p), std::fs::read(&p).unwrap())).collect()
}

/// Whether a backup holds all of the database.
pub fn is_whole(db: &Db, backup: &Path) -> bool {
    restored(db.engine, backup).query(SUMS) == db.query(SUMS)
}

/// Every file under a final name: as it was, or new and whole. Answers how many there are.
pub fn judge(db: &Db, folder: &Path, before: &mut BTreeMap<String, Vec<u8>>, place: &str) -> usize {
    let now = visible(folder);
    let is_backup = |name: &str| name.strip_suffix(".json").is_none();
    for (name, bytes) in now.iter().filter(|(name, _)| is_backup(name)) {
        match before.get(name) {
            Some(old) => assert!(old == bytes, "{name} is another one\n{place}"),
            None => assert!(is_whole(db, &folder.join("backups").join(name)), "{name}\n{place}"),
        }
    }
    *before = now;
    before.keys().filter(|name| is_backup(name)).count()
}

/// Nothing unfinished is there, and every backup has its manifest.
pub fn is_tidy(folder: &Path, place: &str) {
    let entries = std::fs::read_dir(folder.join("backups")).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".techcare-db.lock");
    names.sort();
    let alone = |name: &String| match name.strip_suffix(".json") {
        Some(file) => !names.iter().any(|other| other == file),
        None => !names.contains(&format!("{name}.json")),
    };
    let odd: Vec<&String> = names.iter().filter(|name| name.starts_with('.') || alone(name)).collect();
    assert!(odd.is_empty(), "{odd:?} of {names:?}\n{place}");
}

fn killed(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let db = source(engine);
    let home = tempfile::tempdir().unwrap();
    let keep = KEEP.to_string();
    let mut shelf = BTreeMap::new();
    let mut span = 0;
    for _ in 0..KEEP {
        let begun = Instant::now();
        let ran = back_up(&db, home.path(), &["--keep", &keep]);
        assert_eq!(ran.code, 0, "{ran}");
        span = u64::try_from(begun.elapsed().as_micros()).unwrap();
    }
    assert_eq!(judge(&db, home.path(), &mut shelf, "at the beginning"), KEEP);
    let mut made = 0;
    for kill in 0..if is_nightly() { KILLS.1 } else { KILLS.0 } {
        let mut command = binary::command(home.path());
        command.args(arguments(&db)).args(["--keep", &keep]);
        let running = Running::start(command);
        std::thread::sleep(Duration::from_micros(chance.below(span)));
        running.signal("KILL");
        let ran = running.end();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        let before: Vec<String> = shelf.keys().cloned().collect();
        let now = judge(&db, home.path(), &mut shelf, &place);
        assert!(now >= KEEP, "{place}");
        made += usize::from(shelf.keys().any(|name| !before.contains(name)));
        db.left_alone();
    }
    let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}");
    let ran = back_up(&db, home.path(), &["--keep", &keep]);
    assert_eq!(ran.code, 0, "{place}\n{ran}");
    assert_eq!(judge(&db, home.path(), &mut shelf, &place), KEEP, "{place}");
    is_tidy(home.path(), &place);
    eprintln!("{engine:?}: {made} of the killed had published their backup");
}

#[test]
fn killed_while_backing_up_sqlite() {
    killed(Engine::Sqlite);
}

#[test]
fn killed_while_backing_up_postgres() {
    killed(Engine::Postgres);
}

#[test]
fn killed_while_backing_up_mariadb() {
    killed(Engine::Mariadb);
}

#[test]
fn killed_while_backing_up_mysql() {
    killed(Engine::Mysql);
}
