//! `kill -9` in the middle of `migrate`, and two runs at once. The judges are SQL and the folder's listing: the target
//! is old or new and never mixed, the same command again arrives, and nothing is left over.
//!
//! The moments are drawn from a seed that a failure prints; `TECHCARE_DB_TEST_SEED` draws them again.

pub mod backup;
pub mod replace;

use std::time::{Duration, Instant};

use crate::bad_input::error_shape;
use crate::cases::rollback::Home;
use crate::faults::{large, loading};
use crate::network::is_unfilled;
use crate::support::binary::{self, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// Three tables with keys, an index and references, whose names begin with `prefix`.
pub fn source(prefix: &str) -> Db {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(&format!(
        "CREATE TABLE {prefix}_person (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE);
         CREATE TABLE {prefix}_visit (id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL
             REFERENCES {prefix}_person (id), note TEXT);
         CREATE INDEX {prefix}_ix ON {prefix}_visit (person_id);
         CREATE TABLE {prefix}_keyless (a INTEGER, b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
         INSERT INTO {prefix}_person SELECT i, 'person ' || i FROM n;
         INSERT INTO {prefix}_visit SELECT id, id, hex(zeroblob(60)) FROM {prefix}_person;
         INSERT INTO {prefix}_keyless SELECT id % 7, 'x' FROM {prefix}_person"
    ));
    db
}

/// What of these tables is anywhere but in the target's own place.
pub fn leftovers(target: &Db, prefix: &str) -> Vec<String> {
    let sql = match target.engine {
        Engine::Sqlite => {
            let entries = std::fs::read_dir(target.path().parent().unwrap()).unwrap();
            let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
            return names.filter(|name| name != "data.db").collect();
        }
        Engine::Postgres => "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'techcare%' UNION ALL \
             SELECT relname FROM pg_class WHERE relname LIKE 'techcare%'"
            .to_owned(),
        Engine::Mariadb | Engine::Mysql => format!(
            "SELECT concat(table_schema, '.', table_name) FROM information_schema.tables WHERE table_name LIKE \
             '%{prefix}%' AND table_schema <> '{0}' OR table_schema = '{0}' AND table_name LIKE 'techcare%'",
            target.name()
        ),
    };
    target.query(&sql).into_iter().flatten().flatten().collect()
}

/// Kills one run after another, each at a moment of its own.
fn killed(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let prefix = format!("k{}", std::process::id());
    let source = source(&prefix);
    let other = Db::fresh(Engine::Sqlite);
    other.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    let expected = content::read(&source);
    let arrived = |target: &Db| content::differences(&expected, &content::read(target), &Renamed::new());
    let mut target = Db::fresh(engine);
    let begun = Instant::now();
    let ran = binary::migrate(&source.url, &target.url, &[]);
    let whole = begun.elapsed();
    assert_eq!(ran.code, 0, "{ran}");
    target = Db::fresh(engine);
    let (mut old, mut new) = (0, 0);
    for kill in 0..if is_nightly() { KILLS.1 } else { KILLS.0 } {
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path());
        command.args(["migrate", "--source", &source.url, "--target", &target.url]);
        let running = Running::start(command);
        let span = u64::try_from(whole.as_micros()).unwrap();
        std::thread::sleep(Duration::from_micros(chance.below(span)));
        running.signal("KILL");
        let ran = running.end();
        target.left_alone();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        if content::tables(&target).is_empty() {
            old += 1;
            assert_eq!(ran.code, 137, "{place}");
        } else {
            new += 1;
            assert_eq!(arrived(&target), Vec::<String>::new(), "{place}");
            // The next run that may change the target tidies up.
            let ran = binary::migrate(&other.url, &target.url, &[]);
            assert_eq!(ran.code, 0, "{place}{ran}");
            assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{place}");
            target = Db::fresh(engine);
        }
    }
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 0, "TECHCARE_DB_TEST_SEED={seed}, {engine:?}\n{ran}");
    assert_eq!(arrived(&target), Vec::<String>::new(), "TECHCARE_DB_TEST_SEED={seed}, {engine:?}");
    assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "TECHCARE_DB_TEST_SEED={seed}");
    eprintln!("{engine:?}: {old} killed before the switch, {new} after it");
}

#[test]
fn killed_while_migrating_into_sqlite() {
    killed(Engine::Sqlite);
}

#[test]
fn killed_while_migrating_into_postgres() {
    killed(Engine::Postgres);
}

#[test]
fn killed_while_migrating_into_mariadb() {
    killed(Engine::Mariadb);
}

#[test]
fn killed_while_migrating_into_mysql() {
    killed(Engine::Mysql);
}

/// Kills runs that fill tables which are there: all rows or none, and the same command again fills them, or says that it
/// is done.
fn killed_while_filling(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let prefix = format!("f{}", std::process::id());
    let source = source(&prefix);
    let expected = content::read(&source);
    let other = Db::fresh(Engine::Sqlite);
    other.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    let fresh = || {
        let target = Db::fresh(engine);
        let ran = binary::migrate(&source.url, &target.url, &["--schema-only"]);
        assert_eq!(ran.code, 0, "{ran}");
        target
    };
    let mut target = fresh();
    let begun = Instant::now();
    let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
    assert_eq!(ran.code, 0, "{ran}");
    let span = u64::try_from(begun.elapsed().as_micros()).unwrap();
    target = fresh();
    let mut home = Home::new();
    let (mut old, mut new, mut completed) = (0, 0, 0);
    let last = if is_nightly() { KILLS.1 } else { KILLS.0 };
    for kill in 0..=last {
        if kill < last {
            let mut command = binary::command(home.0.path());
            command.args(["migrate", "--data-only", "--source", &source.url, "--target", &target.url]);
            let running = Running::start(command);
            std::thread::sleep(Duration::from_micros(chance.below(span)));
            running.signal("KILL");
            running.end();
            target.left_alone();
        }
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}");
        let is_old = is_unfilled(&target);
        if is_old && kill < last {
            old += 1;
            continue;
        }
        let again = home.migrate(&source, &target, &["--data-only"]);
        if is_old {
            assert_eq!(again.code, 0, "{place}\n{again}");
        } else {
            new += 1;
            // Whoever was killed behind the end had told it.
            completed += usize::from(again.code == 0);
            assert!(matches!(again.code, 0 | 4), "{place}\n{again}");
        }
        let differences = content::differences(&expected, &content::read(&target), &Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{place}\n{again}");
        if again.code == 4 {
            // The next run that may change the target tidies up.
            let ran = binary::migrate(&other.url, &target.url, &[]);
            assert_eq!(ran.code, 0, "{place}\n{ran}");
        }
        assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{place}\n{again}");
        (target, home) = (fresh(), Home::new());
    }
    eprintln!(
        "{engine:?}: {old} killed before the commit, {new} after it, {completed} completed by the next"
    );
}

#[test]
fn killed_while_filling_tables_of_sqlite() {
    killed_while_filling(Engine::Sqlite);
}

#[test]
fn killed_while_filling_tables_of_postgres() {
    killed_while_filling(Engine::Postgres);
}

#[test]
fn killed_while_filling_tables_of_mariadb() {
    killed_while_filling(Engine::Mariadb);
}

#[test]
fn killed_while_filling_tables_of_mysql() {
    killed_while_filling(Engine::Mysql);
}

/// What a dead run left is named by the one that removes it.
#[test]
fn what_is_removed_is_named() {
    for engine in Engine::all() {
        let (source, target) = (large(Engine::Sqlite, None), Db::fresh(engine));
        let running = loading(&source, &target);
        running.signal("KILL");
        assert_eq!(running.end().code, 137);
        let ran = binary::migrate(&source.url, &target.url, &["--tables", "log"]);
        assert_eq!(ran.code, 0, "{ran}");
        let place = match engine {
            Engine::Sqlite => "file /",
            Engine::Postgres => "schema techcare_db_stage_",
            Engine::Mariadb | Engine::Mysql => "database techcare_db_stage_",
        };
        let named = format!("removed what an earlier run that was cut short had left behind: {place}");
        assert!(ran.stderr.contains(&named), "{ran}");
    }
}

/// A run that died while it wrote its history has left a file in the application's folder; one that lives keeps its own.
#[test]
fn what_is_left_in_the_history_is_removed() {
    let (folder, source) = (tempfile::tempdir().unwrap(), source("h"));
    let history = folder.path().join("history");
    std::fs::create_dir(&history).unwrap();
    let name = |number: usize| history.join(format!(".partial-{number}"));
    let target = folder.path().join("new.db");
    let commands: [&[&str]; 2] = [
        &["migrate", "--source", &source.url, "--target", "new.db"],
        &["rollback", "--yes", "--database", "new.db"],
    ];
    std::fs::write(name(9), "{").unwrap();
    let alive = std::fs::File::open(name(9)).unwrap();
    alive.lock().unwrap();
    for (number, args) in commands.into_iter().enumerate() {
        std::fs::write(name(number), "{").unwrap();
        let mut command = binary::command(folder.path());
        command.args(args);
        let ran = Running::start(command).end();
        assert_eq!(ran.code, 0, "{ran}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let named = format!("had left behind: file history/.partial-{number}");
        assert!(said.contains(&named) && !said.contains(".partial-9"), "{ran}");
        assert!(!name(number).exists() && name(9).exists(), "{ran}");
    }
    assert!(!target.exists());
}

#[test]
fn two_runs_into_one_target() {
    for engine in Engine::all() {
        let (source, target) = (large(Engine::Sqlite, None), Db::fresh(engine));
        let first = loading(&source, &target);
        let second = binary::migrate(&source.url, &target.url, &[]);
        error_shape(&second, 4);
        assert!(second.stderr.contains("another techcare-db is at work"), "{second}");
        let ran = first.end();
        assert_eq!(ran.code, 0, "{ran}");
        let counted = target.query("SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM log_entry)");
        assert_eq!(counted, [[Some("30000".to_owned()), Some("30000".to_owned())]]);
        assert_eq!(leftovers(&target, "no_such_table"), Vec::<String>::new());
    }
}

/// A run that dies between its switch and the end has put the tables in place; the next one finishes for it.
#[test]
fn a_switch_that_nobody_tidied_up_after() {
    let target = Db::fresh(Engine::Mariadb);
    let run = format!("dead{}", std::process::id());
    let (old, name) = (format!("techcare_db_kept_{run}"), target.name());
    // While it is led elsewhere a key has a longer name, or one that was cut.
    let (long, cut) = ("l".repeat(64), "c".repeat(52));
    target.execute(&format!(
        "CREATE TABLE person (id INT PRIMARY KEY); INSERT INTO person VALUES (1);
         CREATE DATABASE {old}; CREATE TABLE {old}.person (id INT PRIMARY KEY);
         CREATE TABLE {old}.techcare_db_marker (run VARCHAR(64), target VARCHAR(64));
         INSERT INTO {old}.techcare_db_marker VALUES ('{run}', '{name}');
         CREATE TABLE visit (id INT PRIMARY KEY, person_id INT,
             CONSTRAINT fk FOREIGN KEY (person_id) REFERENCES {old}.person (id),
             CONSTRAINT {long} FOREIGN KEY (person_id) REFERENCES {old}.person (id),
             CONSTRAINT techcare_db_{cut} FOREIGN KEY (person_id) REFERENCES person (id));
         CREATE TABLE techcare_db_switch_dead (run VARCHAR(64), target VARCHAR(64));
         INSERT INTO techcare_db_switch_dead VALUES ('{run}', '{name}')"
    ));
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("techcare_db_switch_dead"), "{ran}");
    assert_eq!(content::tables(&target), ["other", "person", "visit"]);
    target.execute("INSERT INTO visit VALUES (1, 1)");
    assert!(target.refuses("INSERT INTO visit VALUES (2, 99)"));
    let keys = "SELECT constraint_name FROM information_schema.referential_constraints WHERE constraint_schema = \
                database() AND unique_constraint_schema = database() AND referenced_table_name = 'person' ORDER BY 1";
    let keys: Vec<String> = target.query(keys).into_iter().flatten().flatten().collect();
    assert_eq!(keys, [cut, "fk".into(), long]);
    // What the run kept stays, and nothing refers to it.
    assert_eq!(target.query(&format!("SELECT id FROM {old}.person")), Vec::<Vec<_>>::new());
    target.execute(&format!("DROP DATABASE {old}"));
}
