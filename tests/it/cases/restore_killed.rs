//! A90 with archives, and with backups of SQLite: restores that are killed, or whose connection breaks, at moments that are drawn. What the database
//! holds is all from before or all from the backup, the same command again ends it, and nothing is left over but what is
//! kept. `TECHCARE_DB_TEST_SEED` draws the moments again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::rollback::{Home, ours, state};
use super::rollback_killed::seen;
use crate::bad_input::error_shape;
use crate::killed::backup::is_tidy;
use crate::network;
use crate::support::binary::{self, Ran, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::database::{Db, Engine};
use crate::support::proxy::{Fault, Proxy, Way};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// Connections of one engine that break, by day and by night.
const CUTS: (u64, u64) = (9, 350);

/// A database that has been used since its backup was made.
pub struct Used {
    pub home: Home,
    pub db: Db,
    backup: PathBuf,
    /// What it holds now, and after a restore.
    now: String,
    after: String,
}

impl Used {
    pub fn new(engine: Engine, method: &str) -> Self {
        let (home, db) = (Home::new(), Db::fresh(engine));
        let numbers =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT i";
        db.execute(&format!(
            "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL);
             CREATE TABLE visit (id INTEGER NOT NULL PRIMARY KEY, person_id INTEGER NOT NULL,
                 CONSTRAINT fk_visit FOREIGN KEY (person_id) REFERENCES person (id));
             INSERT INTO person {numbers}, 'as it was' FROM n; INSERT INTO visit {numbers}, i FROM n"
        ));
        let before = state(&db);
        let backup = home.backup(&db, &["--method", method]);
        let mut new = Self { home, db, backup, now: String::new(), after: String::new() };
        new.use_it();
        new.now = state(&new.db);
        let ran = new.home.run(&new.command(true));
        assert_eq!(ran.code, 0, "{ran}");
        new.after = state(&new.db);
        if engine == Engine::Sqlite {
            assert_eq!(new.after, before, "{ran}");
        } else {
            // What came later than the backup stays, and nothing else differs.
            new.db.execute("DROP TABLE later");
            assert_eq!(state(&new.db), before, "{ran}");
            new.db.execute(LATER);
            assert_eq!(state(&new.db), new.after);
        }
        new.use_again("the first restore");
        new
    }

    fn use_it(&self) {
        self.db.execute(&format!(
            "{LATER}; UPDATE person SET name = 'changed'; DELETE FROM visit WHERE id % 3 = 0;
             CREATE INDEX ix_later ON person (name)"
        ));
    }

    /// Everything is as it was before the restore; what that had put aside is dropped.
    fn use_again(&self, place: &str) {
        for kept in ours(&self.db) {
            assert!(kept.contains("kept"), "{kept} was left over by {place}");
            match self.db.engine {
                Engine::Sqlite => std::fs::remove_file(self.db.path().with_file_name(kept)).unwrap(),
                Engine::Postgres => self.db.execute(&format!("DROP SCHEMA {kept} CASCADE")),
                Engine::Mariadb | Engine::Mysql => self.db.execute(&format!("DROP DATABASE {kept}")),
            }
        }
        self.use_it();
        assert_eq!(state(&self.db), self.now, "{place}");
    }

    /// The command that restores, with the present state saved first or not.
    pub fn command(&self, saves: bool) -> Vec<&str> {
        let backup = self.backup.to_str().unwrap();
        let mut args = vec!["rollback", "--yes", "--database", &self.db.url, "--backup", backup];
        args.extend((!saves).then_some("--no-backup"));
        args
    }

    /// Judges what a restore has left that was disturbed, lets the same command end it, and uses the database again.
    /// Answers whether the restore had got as far as its switch.
    pub fn judge(&self, saves: bool, place: &str) -> bool {
        self.db.left_alone();
        let is = seen(&self.db);
        let switched = is(&self.after);
        assert!(switched || is(&self.now), "neither old nor new: {place}\n{}", state(&self.db));
        let again = self.home.run(&self.command(saves));
        assert_eq!(again.code, 0, "{place}\n{again}");
        assert_eq!(state(&self.db), self.after, "{place}\n{again}");
        let history = std::fs::read_dir(self.home.0.path().join("history")).unwrap();
        let names: Vec<_> = history.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().all(|name| name.strip_suffix(".json").is_some()), "{names:?}: {place}\n{again}");
        if saves {
            is_tidy(self.home.0.path(), place);
        }
        self.use_again(place);
        switched
    }
}

/// A table that the backup does not have.
const LATER: &str = "CREATE TABLE IF NOT EXISTS later (id INTEGER NOT NULL PRIMARY KEY)";

fn killed(engine: Engine, method: &str) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let used = Used::new(engine, method);
    let spans = [true, false].map(|saves| {
        let begun = Instant::now();
        assert_eq!(used.home.run(&used.command(saves)).code, 0);
        let span = u64::try_from(begun.elapsed().as_micros()).unwrap();
        used.use_again("the measured restore");
        span
    });
    let (kills, mut switched) = (if is_nightly() { KILLS.1 } else { KILLS.0 }, 0);
    for kill in 0..kills {
        let saves = kill % 4 == 0;
        let mut command = binary::command(used.home.0.path());
        command.args(used.command(saves));
        let running = Running::start(command);
        std::thread::sleep(Duration::from_micros(chance.below(spans[usize::from(!saves)])));
        running.signal("KILL");
        let ran = running.end();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        switched += u64::from(used.judge(saves, &place));
    }
    eprintln!("{engine:?}: {} killed before the switch, {switched} after it", kills - switched);
}

#[test]
fn a90_a_killed_restore_of_an_archive_is_ended_by_the_next_on_sqlite() {
    killed(Engine::Sqlite, "portable");
}

#[test]
fn a90_a_killed_restore_of_a_backup_of_its_own_is_ended_by_the_next_on_sqlite() {
    killed(Engine::Sqlite, "native");
}

#[test]
fn a90_a_killed_restore_of_an_archive_is_ended_by_the_next_on_postgres() {
    killed(Engine::Postgres, "portable");
}

#[test]
fn a90_a_killed_restore_of_an_archive_is_ended_by_the_next_on_mariadb() {
    killed(Engine::Mariadb, "portable");
}

#[test]
fn a90_a_killed_restore_of_an_archive_is_ended_by_the_next_on_mysql() {
    killed(Engine::Mysql, "portable");
}

fn cut(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let used = Used::new(engine, "portable");
    let through = |proxy: &Proxy| -> Ran {
        let url = network::by_way_of(proxy, &used.db);
        let command = used.command(false);
        let args: Vec<&str> =
            command.iter().map(|arg| if *arg == used.db.url { &url } else { *arg }).collect();
        used.home.run(&args)
    };
    let proxy = Proxy::before(&used.db.url);
    let ran = through(&proxy);
    assert_eq!(ran.code, 0, "{ran}");
    let all = [Way::ToServer, Way::ToClient].map(|way| proxy.passed(way));
    drop(proxy);
    used.use_again("the measured restore");
    let (cuts, mut failed, mut switched) = (if is_nightly() { CUTS.1 } else { CUTS.0 }, 0, 0);
    for number in 0..cuts {
        let proxy = Proxy::before(&used.db.url);
        let fault = if chance.below(2) == 0 { Fault::Cut } else { Fault::Reset };
        let at = network::fail_somewhere(&proxy, engine, number, fault, all, &mut chance);
        let ran = through(&proxy);
        let place =
            format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, fault {number}: {fault:?} at {at}\n{ran}");
        // The catalogue is not the same every time: the last bytes may be those that it has grown by or lost.
        assert!(proxy.has_failed() || ran.code == 0, "{place}");
        failed += u64::from(proxy.has_failed());
        if ran.code != 0 {
            assert!((3..=5).contains(&ran.code), "{place}");
            error_shape(&ran, ran.code);
        }
        switched += u64::from(used.judge(false, &place));
    }
    assert!(failed * 2 > cuts, "{engine:?}: {failed} of {cuts} connections broke");
    eprintln!("{engine:?}: {failed} of {cuts} broke, {switched} had switched");
}

#[test]
fn a90_a_restore_of_an_archive_whose_connection_to_postgres_is_cut() {
    cut(Engine::Postgres);
}

#[test]
fn a90_a_restore_of_an_archive_whose_connection_to_mariadb_is_cut() {
    cut(Engine::Mariadb);
}

#[test]
fn a90_a_restore_of_an_archive_whose_connection_to_mysql_is_cut() {
    cut(Engine::Mysql);
}
