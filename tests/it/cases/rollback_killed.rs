//! A90: a rollback that is killed. What the target holds is all old or all new, the same command again makes it new, and
//! nothing is left over. The moments are drawn from a seed; `TECHCARE_DB_TEST_SEED` draws them again.

use std::time::{Duration, Instant};

use super::rollback::{Home, ours, state};
use crate::killed::replace::source;
use crate::support::binary::{self, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::content;
use crate::support::database::{Db, Engine};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// Tells whether what a database holds now, after something was killed in it, is a state. MySQL switches all rows at once;
/// foreign keys of other tables are mended after that.
pub fn seen(db: &Db) -> impl Fn(&str) -> bool + use<> {
    let rows_only = db.engine.is_mysql();
    let found = if rows_only { format!("{:?} ", content::read(db)) } else { state(db) };
    move |state| if rows_only { state.starts_with(&found) } else { state == found }
}

/// Kills the way back, and the way back of that, at moments that are drawn. What the target holds is all old or all
/// new, and the same command again makes it new.
fn killed(engine: Engine, whole: bool) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let source = source(500);
    let (home, target) = (Home::new(), Db::fresh(engine));
    if !whole {
        target.execute(
            "CREATE TABLE person (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL);
             CREATE TABLE badge (id INTEGER NOT NULL PRIMARY KEY, person_id BIGINT,
                 CONSTRAINT fk_badge FOREIGN KEY (person_id) REFERENCES person (id));
             INSERT INTO person VALUES (1, 'the old one'); INSERT INTO badge VALUES (1, 1)",
        );
    }
    let old = state(&target);
    let ran = home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
    assert_eq!(ran.code, 0, "{ran}");
    let new = state(&target);
    let begun = Instant::now();
    assert_eq!(home.rollback(&target, &["--yes", "--run", &home.newest(&target)]).code, 0);
    let span = u64::try_from(begun.elapsed().as_micros()).unwrap();
    let (mut before, mut after, mut completed) = (0, 0, 0);
    for kill in 0..if is_nightly() { KILLS.1 } else { KILLS.0 } {
        let (from, to) = if kill % 2 == 0 { (&old, &new) } else { (&new, &old) };
        let run = home.newest(&target);
        let mut command = binary::command(home.0.path());
        command.args(["rollback", "--database", &target.url, "--yes", "--run", &run]);
        let running = Running::start(command);
        std::thread::sleep(Duration::from_micros(chance.below(span)));
        running.signal("KILL");
        let ran = running.end();
        target.left_alone();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        let is = seen(&target);
        assert!(is(from) || is(to), "neither old nor new: {place}\n{}", state(&target));
        if is(from) {
            before += 1;
        } else {
            after += 1;
        }
        let (again, complete) = home.rollback_again(&target, &run, from, &place);
        completed += u32::from(complete);
        assert_eq!(state(&target), *to, "{place}\n{again}");
        let kept = usize::from(!whole || kill % 2 == 1);
        assert_eq!(ours(&target).len(), kept, "{place}\n{:?}", ours(&target));
    }
    eprintln!(
        "{engine:?}: {before} killed before the switch, {after} after it, {completed} completed by the next"
    );
}

#[test]
fn a90_a_killed_rollback_is_finished_by_the_next_on_sqlite() {
    killed(Engine::Sqlite, false);
    killed(Engine::Sqlite, true);
}

#[test]
fn a90_a_killed_rollback_is_finished_by_the_next_on_postgres() {
    killed(Engine::Postgres, false);
}

#[test]
fn a90_a_killed_rollback_is_finished_by_the_next_on_mariadb() {
    killed(Engine::Mariadb, false);
}

#[test]
fn a90_a_killed_rollback_is_finished_by_the_next_on_mysql() {
    killed(Engine::Mysql, false);
}
