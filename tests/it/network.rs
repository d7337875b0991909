//! A network that fails between the program and a server: connections that are cut or reset anywhere, also around the
//! switch; the reply to the switch that gets lost; a run that slept while another one took over. The judges are SQL
//! and the servers' own lists: the target is old or new, never mixed, and the same command again arrives.

mod replace;

use xxhash_rust::xxh3::xxh3_64;

use crate::bad_input::error_shape;
use crate::cases::rollback::{Home, ours};
use crate::killed::{self, leftovers};
use crate::support::binary::{self, Ran, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::proxy::{Fault, Proxy, Way};

/// Faults of one engine by day and by night: by day some fifty over all.
const FAULTS: (u64, u64) = (17, 700);

/// What passes to the server at the switch, one after the other. MySQL is sent a RENAME TABLE before the load too, which
/// only tries the rights out.
fn switch(engine: Engine) -> &'static [&'static str] {
    if engine == Engine::Postgres { &["txid_current", "COMMIT"] } else { &["COMMIT", "RENAME TABLE"] }
}

/// The target's URL by way of the proxy, in plain text, so that the proxy can read along.
pub fn by_way_of(proxy: &Proxy, target: &Db) -> String {
    format!("{}?sslmode=disable", proxy.url(&target.url))
}

/// Lets a proxy fail at a place that is drawn, every third time around the switch, and says where. `all` are the bytes that
/// pass either way where nothing fails.
pub fn fail_somewhere(
    proxy: &Proxy,
    engine: Engine,
    number: u64,
    fault: Fault,
    all: [u64; 2],
    chance: &mut Chance,
) -> String {
    if number.is_multiple_of(3) {
        let offset = i64::try_from(chance.below(129)).unwrap() - 64;
        proxy.fail_near(switch(engine), offset, fault, false);
        return format!("{offset} bytes from the switch");
    }
    let way = if chance.below(2) == 0 { Way::ToServer } else { Way::ToClient };
    let byte = chance.below(all[way as usize]);
    proxy.fail_after(way, byte, fault, false);
    format!("byte {byte} {way:?}")
}

fn cut(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let prefix = format!("c{}", std::process::id());
    let source = killed::source(&prefix);
    let expected = content::read(&source);
    let arrived = |target: &Db| content::differences(&expected, &content::read(target), &Renamed::new());
    let target = Db::fresh(engine);
    let proxy = Proxy::before(&target.url);
    let ran = binary::migrate(&source.url, &by_way_of(&proxy, &target), &[]);
    assert_eq!(ran.code, 0, "{ran}");
    let all = [Way::ToServer, Way::ToClient].map(|way| proxy.passed(way));
    drop((proxy, target));
    let (mut unaided, mut old, mut new) = (0, 0, 0);
    for number in 0..if is_nightly() { FAULTS.1 } else { FAULTS.0 } {
        let target = Db::fresh(engine);
        let proxy = Proxy::before(&target.url);
        let fault = if chance.below(2) == 0 { Fault::Cut } else { Fault::Reset };
        let where_ = fail_somewhere(&proxy, engine, number, fault, all, &mut chance);
        let ran = binary::migrate(
            &source.url,
            &by_way_of(&proxy, &target),
            &["--retry-for", "10", "--progress", "never"],
        );
        let place =
            format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, fault {number}: {fault:?} at {where_}\n{ran}");
        assert!(proxy.has_failed(), "{place}");
        target.left_alone();
        if ran.code == 0 {
            unaided += 1;
        } else {
            assert!((3..=5).contains(&ran.code), "{place}");
            error_shape(&ran, ran.code);
        }
        if content::tables(&target).is_empty() {
            assert_ne!(ran.code, 0, "{place}");
            old += 1;
            let again = binary::migrate(&source.url, &target.url, &[]);
            assert_eq!(again.code, 0, "{place}\n{again}");
        } else {
            new += 1;
        }
        assert_eq!(arrived(&target), Vec::<String>::new(), "{place}");
        if ran.code != 0 {
            let other = Db::fresh(Engine::Sqlite);
            other.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
            let tidy = binary::migrate(&other.url, &target.url, &[]);
            assert_eq!(tidy.code, 0, "{place}\n{tidy}");
        }
        assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{place}");
    }
    eprintln!("{engine:?}: {unaided} arrived unaided; {old} old, {new} new when the run had ended");
}

#[test]
fn connections_to_postgres_are_cut_anywhere() {
    cut(Engine::Postgres);
}

#[test]
fn connections_to_mariadb_are_cut_anywhere() {
    cut(Engine::Mariadb);
}

#[test]
fn connections_to_mysql_are_cut_anywhere() {
    cut(Engine::Mysql);
}

/// A value that is alone on its road is given up when its connection is: nobody waits for anybody else.
#[test]
fn connections_are_cut_in_the_middle_of_a_long_value() {
    const VALUE: u64 = 8 << 20;
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&format!(
        "CREATE TABLE long (id INTEGER PRIMARY KEY, data BLOB);
         INSERT INTO long VALUES (1, zeroblob({VALUE})), (2, zeroblob({VALUE}))"
    ));
    for engine in Engine::servers() {
        for (retry, code) in [("0", 5), ("10", 0)] {
            let target = Db::fresh(engine);
            let proxy = Proxy::before(&target.url);
            proxy.fail_after(Way::ToServer, VALUE / 2, Fault::Cut, false);
            let by = by_way_of(&proxy, &target);
            let ran = binary::migrate(&source.url, &by, &["--retry-for", retry, "--progress", "never"]);
            assert!(proxy.has_failed(), "{engine:?}\n{ran}");
            assert_eq!(ran.code, code, "{engine:?}\n{ran}");
            let rows = if code == 0 { Some("2".to_owned()) } else { None };
            let there = content::tables(&target).is_empty();
            assert_eq!(there, rows.is_none(), "{engine:?}\n{ran}");
            if rows.is_some() {
                let sql = format!("SELECT count(*) FROM long WHERE length(data) = {VALUE}");
                assert_eq!(target.value(&sql.replace("long", &engine.quote("long"))), rows, "{engine:?}");
            }
        }
    }
}

/// The server has switched, and its answer never arrives: the run finds out by asking.
#[test]
fn a_lost_reply_to_the_switch_is_settled() {
    for engine in Engine::servers() {
        let prefix = format!("l{}", std::process::id());
        let source = killed::source(&prefix);
        for fault in [Fault::Cut, Fault::Reset] {
            let target = Db::fresh(engine);
            let proxy = Proxy::before(&target.url);
            proxy.fail_at_answer(switch(engine), fault, false);
            let ran = binary::migrate(&source.url, &by_way_of(&proxy, &target), &[]);
            assert!(proxy.has_failed(), "{engine:?}\n{ran}");
            assert_eq!(ran.code, 0, "{engine:?} {fault:?}\n{ran}");
            let differences =
                content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
            assert_eq!(differences, Vec::<String>::new(), "{engine:?}");
            assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{engine:?}\n{ran}");
        }
    }
}

/// A proxy that cuts everything in the moment of the switch: at its answer, or just before it, so that it never happens.
fn cutting(target: &Db, happens: bool) -> Proxy {
    let proxy = Proxy::before(&target.url);
    if happens {
        proxy.fail_at_answer(switch(target.engine), Fault::Cut, true);
    } else {
        proxy.fail_near(switch(target.engine), -1, Fault::Cut, true);
    }
    proxy
}

/// What a run into `target` says that is cut in the moment of its switch and waits for nobody.
fn cut_at_the_switch(home: &Home, source: &Db, target: &Db, happens: bool) -> Ran {
    let proxy = cutting(target, happens);
    let url = by_way_of(&proxy, target);
    let quiet = ["--progress", "never", "migrate", "--retry-for", "0"];
    let ran = home.run(&[&quiet[..], &["--source", &source.url, "--target", &url]].concat());
    assert!(proxy.has_failed(), "{ran}");
    ran
}

/// Nobody could tell whether the switch had happened. The same command again finds out: it says that all is done, or does
/// it.
#[test]
fn a_switch_of_which_nobody_knows_is_cleared_up_by_the_same_command() {
    for engine in Engine::servers() {
        let prefix = format!("u{}", std::process::id());
        let source = killed::source(&prefix);
        for (happens, more) in [(true, &[][..]), (true, &["--resume"]), (false, &[]), (false, &["--resume"])]
        {
            let (home, target) = (Home::new(), Db::fresh(engine));
            let cut = cut_at_the_switch(&home, &source, &target, happens);
            error_shape(&cut, 5);
            assert!(cut.stderr.contains("run the same command again"), "{engine:?}\n{cut}");
            target.left_alone();
            assert_eq!(content::tables(&target).is_empty(), !happens, "{engine:?}\n{cut}");

            let look = home.migrate(&source, &target, &["--dry-run"]);
            assert!(
                look.stderr.contains("was interrupted in the moment of its switch"),
                "{engine:?}\n{look}"
            );
            let place = format!("{engine:?}, happens: {happens}, {more:?}\n{cut}");
            let again = home.migrate(&source, &target, more);
            assert_eq!(again.code, 0, "{place}\n{again}");
            let became = if happens { "it had happened" } else { "it had not happened" };
            assert!(again.stderr.contains(became), "{place}\n{again}");
            let read: u64 = again.json()["tables"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t["rows_written"].as_u64().unwrap())
                .sum();
            assert_eq!(read, 6000, "{place}\n{again}");
            let differences =
                content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
            assert_eq!(differences, Vec::<String>::new(), "{place}\n{again}");
            assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{place}\n{again}");
            // What has been said is said: now the target is full, and can be taken back.
            assert_eq!(home.migrate(&source, &target, &[]).code, 4, "{place}");
            let back = home.rollback(&target, &["--yes"]);
            assert_eq!(back.code, 0, "{place}\n{back}");
            assert_eq!(content::tables(&target), Vec::<String>::new(), "{place}");
        }
    }
}

/// Another command is not taken for the one that was cut: it is told what became of that one, and goes its own way.
#[test]
fn a_switch_of_which_nobody_knows_is_not_taken_for_another() {
    for engine in Engine::servers() {
        let prefix = format!("o{}", std::process::id());
        let source = killed::source(&prefix);
        let (home, target) = (Home::new(), Db::fresh(engine));
        cut_at_the_switch(&home, &source, &target, true);
        target.left_alone();
        let other = home.migrate(&source, &target, &["--tables", &format!("{prefix}_person")]);
        error_shape(&other, 4);
        assert!(other.stderr.contains("it had happened") && other.stderr.contains("is not empty"), "{other}");
    }
}

/// A network that comes back in time: the run asks by itself.
#[test]
fn a_switch_of_which_nobody_knows_is_cleared_up_by_the_run() {
    for engine in Engine::servers() {
        let prefix = format!("w{}", std::process::id());
        let source = killed::source(&prefix);
        for happens in [true, false] {
            let (home, target) = (Home::new(), Db::fresh(engine));
            let proxy = cutting(&target, happens);
            let mut command = binary::command(home.0.path());
            command.args(["migrate", "--source", &source.url, "--target", &by_way_of(&proxy, &target)]);
            let mut running = Running::start(command);
            assert!(running.until(&["going on in"]), "{engine:?}");
            proxy.heal();
            let ran = running.end();
            assert_eq!(ran.code, 0, "{engine:?}, happens: {happens}\n{ran}");
            let differences =
                content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
            assert_eq!(differences, Vec::<String>::new(), "{engine:?}\n{ran}");
            assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{engine:?}\n{ran}");
        }
    }
}

/// What passes to the server where rows are committed into tables that are there, one after the other.
fn commit(engine: Engine) -> &'static [&'static str] {
    if engine == Engine::Postgres { &["txid_current", "COMMIT"] } else { &["SET filled = 1", "COMMIT"] }
}

/// Tables without rows, as a source has them.
fn made_for(source: &Db, engine: Engine) -> Db {
    let target = Db::fresh(engine);
    let ran = binary::migrate(&source.url, &target.url, &["--schema-only"]);
    assert_eq!(ran.code, 0, "{ran}");
    target
}

/// Whether no table has a row.
pub fn is_unfilled(target: &Db) -> bool {
    content::tables(target).iter().all(|table| {
        target.value(&format!("SELECT count(*) FROM {}", target.engine.quote(table))).as_deref() == Some("0")
    })
}

/// The server has committed, and its answer never arrives, or it never gets to hear of it: the run finds out by asking.
#[test]
fn a_lost_reply_to_the_commit_of_rows_is_settled() {
    for engine in Engine::servers() {
        let prefix = format!("r{}", std::process::id());
        let source = killed::source(&prefix);
        for (fault, happens) in [(Fault::Cut, true), (Fault::Reset, true), (Fault::Cut, false)] {
            let target = made_for(&source, engine);
            let proxy = Proxy::before(&target.url);
            if happens {
                proxy.fail_at_answer(commit(engine), fault, false);
            } else {
                proxy.fail_near(commit(engine), -1, fault, false);
            }
            let ran = binary::migrate(&source.url, &by_way_of(&proxy, &target), &["--data-only"]);
            let place = format!("{engine:?} {fault:?}, happens: {happens}\n{ran}");
            assert!(proxy.has_failed(), "{place}");
            if happens {
                assert_eq!(ran.code, 0, "{place}");
                let differences =
                    content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
                assert_eq!(differences, Vec::<String>::new(), "{place}");
            } else {
                error_shape(&ran, 5);
                assert!(ran.stderr.contains("nothing has changed"), "{place}");
                assert!(is_unfilled(&target), "{place}");
            }
            assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{place}");
        }
    }
}

/// Nobody could tell whether the rows were committed. The same command again finds out: it says that all is done, or does
/// it.
#[test]
fn a_commit_of_rows_of_which_nobody_knows_is_cleared_up_by_the_same_command() {
    for engine in Engine::servers() {
        let prefix = format!("q{}", std::process::id());
        let source = killed::source(&prefix);
        for happens in [true, false] {
            let (home, target) = (Home::new(), made_for(&source, engine));
            let proxy = Proxy::before(&target.url);
            if happens {
                proxy.fail_at_answer(commit(engine), Fault::Cut, true);
            } else {
                proxy.fail_near(commit(engine), -1, Fault::Cut, true);
            }
            let url = by_way_of(&proxy, &target);
            let quiet = ["--progress", "never", "migrate", "--data-only", "--source", &source.url];
            let cut = home.run(&[&quiet[..], &["--target", &url]].concat());
            let place = format!("{engine:?}, happens: {happens}\n{cut}");
            assert!(proxy.has_failed(), "{place}");
            error_shape(&cut, 5);
            assert!(cut.stderr.contains("run the same command again: it looks"), "{place}");
            assert!(!cut.stderr.contains("nothing has changed"), "{place}");
            target.left_alone();
            assert_eq!(is_unfilled(&target), !happens, "{place}");

            let look = home.migrate(&source, &target, &["--data-only", "--dry-run"]);
            assert!(look.stderr.contains("was interrupted in the moment of its switch"), "{place}\n{look}");
            let again = home.migrate(&source, &target, &["--data-only"]);
            assert_eq!(again.code, 0, "{place}\n{again}");
            let became = if happens { "it had happened" } else { "it had not happened" };
            assert!(again.stderr.contains(became), "{place}\n{again}");
            let told = again.json();
            let written = told["tables"].as_array().unwrap().iter();
            let written: u64 = written.map(|table| table["rows_written"].as_u64().unwrap()).sum();
            assert_eq!(written, 6000, "{place}\n{again}");
            let differences =
                content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
            assert_eq!(differences, Vec::<String>::new(), "{place}\n{again}");
            assert_eq!(leftovers(&target, &prefix), Vec::<String>::new(), "{place}\n{again}");
            // What has been said is said: now the tables are full.
            assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 4, "{place}");
        }
    }
}

/// The rows of filled tables are taken out again, or are not, and no answer to that arrives: the run finds out, or the same
/// command again does.
#[test]
fn a_commit_of_an_emptying_is_settled_too() {
    for engine in Engine::servers() {
        let texts: &[&str] =
            if engine == Engine::Postgres { &["TRUNCATE", "COMMIT"] } else { &["SET filled = 1", "COMMIT"] };
        let prefix = format!("e{}", std::process::id());
        let source = killed::source(&prefix);
        for (happens, lasting) in [(true, false), (false, false), (true, true), (false, true)] {
            let (home, target) = (Home::new(), made_for(&source, engine));
            assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 0);
            let proxy = Proxy::before(&target.url);
            if happens {
                proxy.fail_at_answer(texts, Fault::Cut, lasting);
            } else {
                proxy.fail_near(texts, -1, Fault::Cut, lasting);
            }
            let cut = home.run(&[
                "--progress",
                "never",
                "rollback",
                "--yes",
                "--database",
                &by_way_of(&proxy, &target),
            ]);
            let place = format!("{engine:?}, happens: {happens}, lasting: {lasting}\n{cut}");
            assert!(proxy.has_failed(), "{place}");
            target.left_alone();
            assert_eq!(is_unfilled(&target), happens, "{place}");
            if happens && !lasting {
                assert_eq!(cut.code, 0, "{place}");
            } else {
                error_shape(&cut, 5);
                let unknown = cut.stderr.contains("it looks whether this has happened");
                assert!(!lasting || unknown && !cut.stderr.contains("nothing has changed"), "{place}");
                let mut again = home.rollback(&target, &["--yes"]);
                assert_eq!(again.code, 0, "{place}\n{again}");
                if again.json()["action"] == "complete" {
                    let became = if happens { "it had happened" } else { "it had not happened" };
                    assert!(again.stdout.contains(became), "{place}\n{again}");
                    if !happens {
                        again = home.rollback(&target, &["--yes"]);
                        assert_eq!(again.code, 0, "{place}\n{again}");
                    }
                }
                assert!(is_unfilled(&target), "{place}\n{again}");
            }
            assert_eq!(ours(&target).len(), 1, "{place}\n{:?}", ours(&target));
        }
    }
}

/// Ends the sessions that say that a run lives, and none that writes.
fn unlock(engine: Engine, target: &Db) {
    if engine == Engine::Postgres {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                   (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert!(!target.query(end).is_empty());
        return;
    }
    let claim = format!("techcare_db_target_{:016x}", xxh3_64(target.name().as_bytes()));
    for lock in target.marked("techcare_db_stage_").into_iter().chain([claim]) {
        if let Some(session) = target.value(&format!("SELECT IS_USED_LOCK('{lock}')")) {
            target.execute(&format!("KILL {session}"));
        }
    }
}

/// A run sleeps in the middle of its work, its locks are lost, another one takes over what is there. When the first
/// wakes up it writes nothing any more.
fn taken_over(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let (source, target) = (crate::faults::large(Engine::Sqlite, None), Db::fresh(engine));
    let asleep = crate::faults::loading(&source, &target);
    asleep.signal("STOP");
    unlock(engine, &target);
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args(["--progress", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    command.arg("--resume");
    let mut second = Running::start(command);
    // It has read all rows once, or waits for a lock of what the first has not committed.
    let begun = std::time::Instant::now();
    let _ = second.until_lines(|lines| {
        lines.contains("\"phase\":\"verify\"") || begun.elapsed() > std::time::Duration::from_secs(3)
    });
    asleep.signal("CONT");
    let first = asleep.end();
    let second = second.end();
    assert_ne!(first.code, 0, "{engine:?}\n{first}\n{second}");
    assert_eq!(second.code, 0, "{engine:?}\n{first}\n{second}");
    assert!(!second.stderr.contains("there is no run to go on with"), "{second}");
    let sums = "SELECT (SELECT count(*) FROM log), (SELECT count(DISTINCT id) FROM log), (SELECT count(*) FROM log_entry), \
                (SELECT sum(length(body)) FROM log_entry)";
    assert_eq!(target.query(sums), source.query(sums), "{engine:?}");
    assert_eq!(leftovers(&target, "no_such_table"), Vec::<String>::new(), "{engine:?}");
}

#[test]
fn a_run_that_was_overtaken_writes_nothing_to_postgres() {
    taken_over(Engine::Postgres);
}

#[test]
fn a_run_that_was_overtaken_writes_nothing_to_mariadb() {
    taken_over(Engine::Mariadb);
}

#[test]
fn a_run_that_was_overtaken_writes_nothing_to_mysql() {
    taken_over(Engine::Mysql);
}
