//! Kills and errors at system calls that write: of a backup, of a migration into SQLite, of its undo, of a restore. By day
//! some are drawn from a seed, a hundred where a file is put in place; by night it is all of them. What has a final name afterwards is whole, the target is old or new,
//! the same command again arrives, and nothing is left over.

use std::collections::BTreeMap;

use crate::bad_input::error_shape;
use crate::cases::restore_killed::Used;
use crate::cases::rollback::{Home, ours, state};
use crate::killed::backup::{back_up, is_tidy, judge};
use crate::killed::{self, leftovers};
use crate::network::is_unfilled;
use crate::support::binary::{self, Ran, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::strace::{self, Fault, Point};

/// Points by day of what puts a file in place: a backup, a migration into SQLite, a restore of SQLite.
const PUBLISHING: usize = 100;

/// Points of another test by day.
const POINTS: usize = 20;

/// What happens where. By day an error at every point that comes too late for an error, and some others, half of them kills.
fn drawn(points: &[Point], most: usize, chance: &mut Chance) -> Vec<(Point, Fault)> {
    assert!(points.len() > 10, "so few system calls were seen: {points:?}");
    if is_nightly() {
        let all = |point: &Point| [Fault::Kill, Fault::Io, Fault::Full].map(|fault| (point.clone(), fault));
        let possible = |(point, fault): &(Point, Fault)| *fault == Fault::Kill || point.can_fail();
        return points.iter().flat_map(all).filter(possible).collect();
    }
    let faults = [Fault::Kill, Fault::Io, Fault::Kill, Fault::Full].into_iter().cycle();
    let mut left = points.to_vec();
    let take = |fault| {
        let at = usize::try_from(chance.below(left.len() as u64)).unwrap();
        (!left.is_empty()).then(|| {
            let point = left.swap_remove(at);
            let fault = if point.can_fail() { fault } else { Fault::Kill };
            (point, fault)
        })
    };
    let some: Vec<(Point, Fault)> = faults.map_while(take).take(most).collect();
    let late = points.iter().filter(|point| point.is_late()).map(|point| (point.clone(), Fault::Io));
    late.chain(some).collect()
}

/// Kills that were ordered, and those that came about: which thread comes to a call is not the same every time.
#[derive(Default)]
struct Kills {
    ordered: u32,
    done: u32,
}

impl Kills {
    /// Killed, or an error that says what to do; or the call was one that a run can do without.
    fn ended_well(&mut self, ran: &Ran, fault: Fault, place: &str) {
        self.ordered += u32::from(fault == Fault::Kill);
        match (ran.code, fault) {
            (137, Fault::Kill) => self.done += 1,
            (0, _) => {}
            (code @ (4 | 5), Fault::Io | Fault::Full) => error_shape(ran, code),
            _ => panic!("{place}"),
        }
    }
}

impl Drop for Kills {
    /// A fault that does not come about proves nothing.
    fn drop(&mut self) {
        let Self { ordered, done } = *self;
        assert!(std::thread::panicking() || done * 2 > ordered, "{done} of {ordered} kills came about");
    }
}

#[test]
fn a_backup_whose_system_calls_fail() {
    if !strace::at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let db = killed::backup::source(Engine::Sqlite);
    let home = tempfile::tempdir().unwrap();
    let args = ["backup", "--database", &db.url, "--keep", "1"];
    assert_eq!(back_up(&db, home.path(), &["--keep", "1"]).code, 0);
    let (ran, points) = strace::points(home.path(), home.path(), &args);
    assert_eq!(ran.code, 0, "{ran}");
    let mut shelf = BTreeMap::new();
    judge(&db, home.path(), &mut shelf, "at the beginning");
    let drawn = drawn(&points, PUBLISHING, &mut chance);
    let mut kills = Kills::default();
    for (point, fault) in &drawn {
        let ran = strace::run(home.path(), Some((point, *fault)), &args);
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {point:?}, {fault:?}\n{ran}");
        kills.ended_well(&ran, *fault, &place);
        assert!(judge(&db, home.path(), &mut shelf, &place) >= 1, "{place}");
        let again = back_up(&db, home.path(), &["--keep", "1"]);
        assert_eq!(again.code, 0, "{place}\n{again}");
        assert_eq!(judge(&db, home.path(), &mut shelf, &place), 1, "{place}\n{again}");
        is_tidy(home.path(), &place);
    }
    eprintln!("{} of {} points", drawn.len(), points.len());
}

/// Into a file that is not there yet, or into one that the application has tables in.
fn migrated(live: bool) {
    if !strace::at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let prefix = "called";
    let source = killed::source(prefix);
    let other = Db::fresh(Engine::Sqlite);
    other.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    let expected = content::read(&source);
    let fresh = || {
        let target = Db::fresh(Engine::Sqlite);
        if live {
            target.execute("CREATE TABLE mine (id INTEGER PRIMARY KEY); INSERT INTO mine VALUES (1)");
        }
        target
    };
    let whole = |target: &Db| {
        if live {
            let mine = "SELECT count(*) FROM mine";
            assert_eq!(target.value(mine).as_deref(), Some("1"));
            target.execute("DROP TABLE mine");
        }
        assert_eq!(
            content::differences(&expected, &content::read(target), &Renamed::new()),
            Vec::<String>::new()
        );
    };
    let is_old =
        |target: &Db| if live { content::tables(target) == ["mine"] } else { !target.path().exists() };
    let target = fresh();
    let folder = target.path().parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let args = ["migrate", "--source", &source.url, "--target", &target.url];
    let (ran, points) = strace::points(home.path(), folder, &args);
    assert_eq!(ran.code, 0, "{ran}");
    let drawn = drawn(&points, PUBLISHING, &mut chance);
    let (mut old, mut new) = (0, 0);
    let mut kills = Kills::default();
    for (point, fault) in &drawn {
        let target = fresh();
        let home = tempfile::tempdir().unwrap();
        let args = ["migrate", "--source", &source.url, "--target", &target.url];
        let ran = strace::run(home.path(), Some((point, *fault)), &args);
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, live {live}, {point:?}, {fault:?}\n{ran}");
        kills.ended_well(&ran, *fault, &place);
        let again = |from: &Db| binary::migrate(&from.url, &target.url, &[]);
        let ran = if is_old(&target) {
            old += 1;
            assert_ne!(ran.code, 0, "{place}");
            again(&source)
        } else {
            new += 1;
            // The next run that may change the target tidies up.
            again(&other)
        };
        assert_eq!(ran.code, 0, "{place}\n{ran}");
        assert_eq!(leftovers(&target, prefix), Vec::<String>::new(), "{place}\n{ran}");
        target.execute("DROP TABLE IF EXISTS other");
        whole(&target);
        assert_eq!(target.value("PRAGMA integrity_check").as_deref(), Some("ok"), "{place}");
    }
    eprintln!("live {live}: {} of {} points, {old} old, {new} new", drawn.len(), points.len());
}

#[test]
fn a_migration_into_a_new_file_whose_system_calls_fail() {
    migrated(false);
}

#[test]
fn a_migration_into_a_live_file_whose_system_calls_fail() {
    migrated(true);
}

fn filling<'a>(source: &'a Db, target: &'a Db) -> [&'a str; 7] {
    ["migrate", "--data-only", "--no-backup", "--source", &source.url, "--target", &target.url]
}

/// Rows into tables that are there: all of them or none, and what nobody knew is found out by the same command.
#[test]
fn a_load_into_tables_that_are_there_whose_system_calls_fail() {
    if !strace::at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let source = killed::source("called");
    let expected = content::read(&source);
    let fresh = || {
        let target = Db::fresh(Engine::Sqlite);
        assert_eq!(binary::migrate(&source.url, &target.url, &["--schema-only"]).code, 0);
        target
    };
    let other = Db::fresh(Engine::Sqlite);
    other.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    let (home, target) = (Home::new(), fresh());
    let folder = target.path().parent().unwrap();
    let (ran, points) = strace::points(home.0.path(), folder, &filling(&source, &target));
    assert_eq!(ran.code, 0, "{ran}");
    let (drawn, mut filled, mut unknown) = (drawn(&points, POINTS, &mut chance), 0, 0);
    let mut kills = Kills::default();
    for (point, fault) in &drawn {
        let (home, target) = (Home::new(), fresh());
        let ran = strace::run(home.0.path(), Some((point, *fault)), &filling(&source, &target));
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {point:?}, {fault:?}\n{ran}");
        kills.ended_well(&ran, *fault, &place);
        // A transaction that was cut short is rolled back by whoever writes first.
        target.execute("PRAGMA user_version = 0");
        let old = is_unfilled(&target);
        filled += usize::from(!old);
        if ran.code == 5 && !old {
            unknown += 1;
            assert!(ran.stderr.contains("run the same command again"), "{place}");
        }
        let again = home.run(&filling(&source, &target));
        // Of a run whose end is written down there is nothing left to tell: the tables are full.
        assert!(again.code == 0 || again.code == 4 && !old, "{place}\n{again}");
        assert_eq!(
            content::differences(&expected, &content::read(&target), &Renamed::new()),
            Vec::<String>::new(),
            "{place}\n{again}"
        );
        if again.code == 4 {
            // The next run that may change the target tidies up.
            assert_eq!(binary::migrate(&other.url, &target.url, &[]).code, 0, "{place}");
        }
        assert_eq!(leftovers(&target, "called"), Vec::<String>::new(), "{place}\n{again}");
        assert_eq!(target.value("PRAGMA integrity_check").as_deref(), Some("ok"), "{place}");
    }
    assert!(unknown > 0, "no folder was there that could not be made durable");
    eprintln!("{} of {} points, {filled} filled, {unknown} not known", drawn.len(), points.len());
}

/// Calls that concern files below the application's folder, or beside the database of a file.
fn restored(engine: Engine, method: &str) {
    if !strace::at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let used = Used::new(engine, method);
    let home = used.home.0.path();
    let within = if engine == Engine::Sqlite { used.db.path().parent().unwrap() } else { home };
    let (ran, points) = strace::points(home, within, &used.command(false));
    assert_eq!(ran.code, 0, "{ran}");
    used.judge(false, "the traced restore");
    let (drawn, mut switched) =
        (drawn(&points, if engine == Engine::Sqlite { PUBLISHING } else { POINTS }, &mut chance), 0);
    let mut kills = Kills::default();
    for (point, fault) in &drawn {
        let ran = strace::run(home, Some((point, *fault)), &used.command(false));
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, {point:?}, {fault:?}\n{ran}");
        kills.ended_well(&ran, *fault, &place);
        switched += u64::from(used.judge(false, &place));
    }
    eprintln!("{engine:?} {method}: {} of {} points, {switched} switched", drawn.len(), points.len());
}

#[test]
fn a_restore_of_a_file_whose_system_calls_fail() {
    restored(Engine::Sqlite, "native");
}

#[test]
fn a_restore_of_an_archive_into_a_file_whose_system_calls_fail() {
    restored(Engine::Sqlite, "portable");
}

#[test]
fn a_restore_of_an_archive_into_a_server_whose_system_calls_fail() {
    restored(Engine::Postgres, "portable");
}

/// Runs the program with files that cannot grow beyond so many KiB.
fn in_little_room(kib: u64, folder: &std::path::Path, args: &[&str]) -> Ran {
    let mut shell = std::process::Command::new("bash");
    binary::clean(&mut shell, folder);
    shell
        .args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\""), binary::PATH])
        .args(args);
    Running::start(shell).end()
}

/// Backups and migrations run out of room at sizes that are drawn.
#[test]
fn files_that_may_not_grow() {
    let seed = seed();
    let mut chance = Chance(seed);
    let prefix = "grown";
    let source = killed::source(prefix);
    let expected = content::read(&source);
    let db = killed::backup::source(Engine::Sqlite);
    let home = tempfile::tempdir().unwrap();
    assert_eq!(back_up(&db, home.path(), &[]).code, 0);
    let mut shelf = BTreeMap::new();
    judge(&db, home.path(), &mut shelf, "at the beginning");
    let size = |db: &Db| std::fs::metadata(db.path()).unwrap().len() / 1024;
    let mut stopped = 0;
    for number in 0..if is_nightly() { 200 } else { 20 } {
        if number % 2 == 0 {
            let kib = chance.below(size(&db));
            let ran = in_little_room(kib, home.path(), &["backup", "--database", &db.url]);
            let place = format!("TECHCARE_DB_TEST_SEED={seed}, {kib} KiB\n{ran}");
            error_shape(&ran, 5);
            stopped += 1;
            let before = shelf.len();
            judge(&db, home.path(), &mut shelf, &place);
            assert_eq!(shelf.len(), before, "{place}");
            is_tidy(home.path(), &place);
            continue;
        }
        let (target, kib) = (Db::fresh(Engine::Sqlite), chance.below(size(&source)));
        let folder = tempfile::tempdir().unwrap();
        let args = ["migrate", "--source", &source.url, "--target", &target.url];
        let ran = in_little_room(kib, folder.path(), &args);
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {kib} KiB\n{ran}");
        if ran.code != 0 {
            stopped += 1;
            error_shape(&ran, 5);
            assert!(!target.path().exists(), "{place}");
            assert_eq!(leftovers(&target, prefix), Vec::<String>::new(), "{place}");
            assert_eq!(binary::migrate(&source.url, &target.url, &[]).code, 0, "{place}");
        }
        let differences = content::differences(&expected, &content::read(&target), &Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{place}");
    }
    eprintln!("{stopped} ran out of room");
}

fn replacing<'a>(source: &'a Db, target: &'a Db) -> [&'a str; 8] {
    ["migrate", "--source", &source.url, "--target", &target.url, "--if-exists", "replace", "--yes"]
}

/// Tables with rows give way; whatever happens, they are there or can be had back.
#[test]
fn a_replacement_whose_system_calls_fail() {
    if !strace::at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let source = killed::source("called");
    let fresh = || {
        let target = Db::fresh(Engine::Sqlite);
        target.execute("CREATE TABLE called_person (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO called_person VALUES (1, 'old')");
        target
    };
    let (home, target) = (Home::new(), fresh());
    let old = state(&target);
    let args = replacing(&source, &target);
    let (ran, points) = strace::points(home.0.path(), target.path().parent().unwrap(), &args);
    assert_eq!(ran.code, 0, "{ran}");
    let (drawn, mut switched) = (drawn(&points, POINTS, &mut chance), 0);
    let mut kills = Kills::default();
    for (point, fault) in &drawn {
        let (home, target) = (Home::new(), fresh());
        let args = replacing(&source, &target);
        let ran = strace::run(home.0.path(), Some((point, *fault)), &args);
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {point:?}, {fault:?}\n{ran}");
        kills.ended_well(&ran, *fault, &place);
        if state(&target) == old {
            let again = home.run(&args);
            assert_eq!(again.code, 0, "{place}\n{again}");
        } else {
            switched += 1;
        }
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{place}\n{back}");
        assert_eq!(state(&target), old, "{place}\n{back}");
        assert_eq!(ours(&target).len(), 1, "{place}\n{back}\n{:?}", ours(&target));
    }
    eprintln!("{} of {} points, {switched} switched", drawn.len(), points.len());
}

#[test]
fn an_undo_whose_system_calls_fail() {
    if !strace::at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let source = killed::source("called");
    let (home, target) = (Home::new(), Db::fresh(Engine::Sqlite));
    target.execute("CREATE TABLE called_person (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO called_person VALUES (1, 'old')");
    let old = state(&target);
    let ran = home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
    assert_eq!(ran.code, 0, "{ran}");
    let new = state(&target);
    let folder = target.path().parent().unwrap();
    let run = home.newest(&target);
    let args = ["rollback", "--database", &target.url, "--yes", "--run", &run];
    let (ran, points) = strace::points(home.0.path(), folder, &args);
    assert_eq!(ran.code, 0, "{ran}");
    let drawn = drawn(&points, POINTS, &mut chance);
    let mut completed = 0;
    let mut kills = Kills::default();
    for (point, fault) in &drawn {
        let before = state(&target);
        let after = if before == old { &new } else { &old };
        let run = home.newest(&target);
        let args = ["rollback", "--database", &target.url, "--yes", "--run", &run];
        let ran = strace::run(home.0.path(), Some((point, *fault)), &args);
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {point:?}, {fault:?}\n{ran}");
        kills.ended_well(&ran, *fault, &place);
        // Whoever only looks sees the old state or the new one, but for the mark of the switch.
        let (again, complete) = home.rollback_again(&target, &run, &before, &place);
        completed += u32::from(complete);
        assert_eq!(state(&target), *after, "{place}\n{again}");
        assert_eq!(ours(&target).len(), 1, "{place}\n{again}\n{:?}", ours(&target));
    }
    eprintln!("{} of {} points, {completed} completed by the next", drawn.len(), points.len());
}
