//! The same network below `migrate --if-exists replace`, where a table of the application stays that refers to a replaced
//! one: the target is old or new, nothing of the application is lost, and the same command again arrives.

use super::{by_way_of, fail_somewhere};
use crate::bad_input::error_shape;
use crate::cases::rollback::{Home, ours, state};
use crate::cases::rollback_killed::seen;
use crate::killed::replace::{REPLACE, ROWS, badges_refer, badges_stay, in_use, source};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::database::{Db, Engine};
use crate::support::proxy::{Fault, Proxy, Way};

/// Faults of one engine by day and by night.
const FAULTS: (u64, u64) = (8, 700);

fn cut(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let source = source(ROWS);
    let replace = |home: &Home, target: &Db, url: &str, retry: &str| {
        let quiet = ["--progress", "never", "migrate", "--source", &source.url, "--target", url];
        let ran = home.run(&[&quiet[..], &REPLACE, &["--retry-for", retry]].concat());
        target.left_alone();
        ran
    };
    let target = in_use(engine);
    let old = state(&target);
    let proxy = Proxy::before(&target.url);
    let ran = replace(&Home::new(), &target, &by_way_of(&proxy, &target), "0");
    assert_eq!(ran.code, 0, "{ran}");
    let new = state(&target);
    let all = [Way::ToServer, Way::ToClient].map(|way| proxy.passed(way));
    drop((proxy, target));
    let faults = if is_nightly() { FAULTS.1 } else { FAULTS.0 };
    let (mut came_about, mut unaided, mut before, mut after) = (0, 0, 0, 0);
    for number in 0..faults {
        let (home, target) = (Home::new(), in_use(engine));
        let proxy = Proxy::before(&target.url);
        let fault = if chance.below(2) == 0 { Fault::Cut } else { Fault::Reset };
        let where_ = fail_somewhere(&proxy, engine, number, fault, all, &mut chance);
        let ran = replace(&home, &target, &by_way_of(&proxy, &target), "10");
        let place =
            format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, fault {number}: {fault:?} at {where_}\n{ran}");
        // Behind the switch nothing may pass any more.
        came_about += u64::from(proxy.has_failed());
        assert!(proxy.has_failed() || ran.code == 0, "{place}");
        let is = seen(&target);
        assert!(is(&old) || is(&new), "neither old nor new: {place}\n{}", state(&target));
        badges_stay(&target, &place);
        let mut kept = 1;
        if ran.code == 0 {
            unaided += 1;
            assert!(is(&new), "{place}");
        } else {
            assert!((3..=5).contains(&ran.code), "{place}");
            error_shape(&ran, ran.code);
            (before, after) = if is(&new) { (before, after + 1) } else { (before + 1, after) };
            kept += usize::from(is(&new));
            let again = replace(&home, &target, &target.url, "0");
            assert_eq!(again.code, 0, "{place}\n{again}");
        }
        assert_eq!(state(&target), new, "{place}");
        badges_stay(&target, &place);
        badges_refer(&target, &place);
        assert_eq!(ours(&target).len(), kept, "{place}\n{:?}", ours(&target));
        for _ in 0..kept {
            let back = home.rollback(&target, &["--yes"]);
            assert_eq!(back.code, 0, "{place}\n{back}");
        }
        assert_eq!(state(&target), old, "{place}");
        badges_refer(&target, &place);
    }
    assert!(
        2 * came_about >= faults,
        "TECHCARE_DB_TEST_SEED={seed}, {engine:?}: {came_about} of {faults} came about"
    );
    eprintln!(
        "{engine:?}: {came_about} of {faults} came about; {unaided} arrived unaided; {before} old, {after} new when the run had ended"
    );
}

#[test]
fn connections_are_cut_while_replacing_in_postgres() {
    cut(Engine::Postgres);
}

#[test]
fn connections_are_cut_while_replacing_in_mariadb() {
    cut(Engine::Mariadb);
}

#[test]
fn connections_are_cut_while_replacing_in_mysql() {
    cut(Engine::Mysql);
}
