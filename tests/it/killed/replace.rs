//! `kill -9` in the middle of `migrate --if-exists replace`, where a table of the application stays that refers to a
//! replaced one. The judges are SQL and the folder's listing: the target is old or new and never mixed, the rows of the
//! table that stays are all there, its foreign key leads to the table that is visible, the same command again arrives,
//! what was old is kept, `rollback` brings it back, and nothing is left over.
//!
//! The moments are drawn from a seed that a failure prints; `TECHCARE_DB_TEST_SEED` draws them again.

use std::time::{Duration, Instant};

use crate::cases::rollback::{Home, ours, state};
use crate::cases::rollback_killed::seen;
use crate::support::binary::{self, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::database::{Db, Engine};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// Rows of the source, which are more than the target has.
pub const ROWS: u32 = 300;

/// The command that is killed, and run again.
pub const REPLACE: [&str; 3] = ["--if-exists", "replace", "--yes"];

/// Two tables of so many rows, of which one refers to the other.
pub fn source(rows: u32) -> Db {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(&format!(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL UNIQUE);
         CREATE TABLE visit (id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person (id));
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO person SELECT i, 'person ' || i FROM n;
         INSERT INTO visit SELECT id, id FROM person"
    ));
    db
}

/// The same tables with older rows, and one that stays and refers to them.
pub fn in_use(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    db.execute(
        "CREATE TABLE person (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL);
         CREATE TABLE visit (id BIGINT NOT NULL PRIMARY KEY, person_id BIGINT NOT NULL,
             CONSTRAINT fk_visit FOREIGN KEY (person_id) REFERENCES person (id));
         CREATE TABLE badge (id INTEGER NOT NULL PRIMARY KEY, person_id BIGINT,
             CONSTRAINT fk_badge FOREIGN KEY (person_id) REFERENCES person (id));
         INSERT INTO person VALUES (1, 'an old one'), (2, 'another'), (3, 'and one more');
         INSERT INTO visit VALUES (1, 3); INSERT INTO badge VALUES (1, 1), (2, 3), (3, NULL)",
    );
    db
}

/// The rows of the table that stays are those of [`in_use`], and each leads to a person that is visible.
pub fn badges_stay(target: &Db, place: &str) {
    let rows = target.query("SELECT id, person_id FROM badge ORDER BY id");
    let row = |id: &str, person: Option<&str>| vec![Some(id.to_owned()), person.map(str::to_owned)];
    assert_eq!(rows, [row("1", Some("1")), row("2", Some("3")), row("3", None)], "{place}");
    let orphans =
        "SELECT count(*) FROM badge WHERE person_id IS NOT NULL AND person_id NOT IN (SELECT id FROM person)";
    assert_eq!(target.value(orphans).as_deref(), Some("0"), "{place}");
}

/// The foreign key of the table that stays is there, leads to the table that is visible, and holds.
pub fn badges_refer(target: &Db, place: &str) {
    let keys = match target.engine {
        Engine::Sqlite => "SELECT \"table\" || '.' || \"to\" FROM pragma_foreign_key_list('badge')",
        Engine::Postgres => {
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'public.badge'::regclass \
             AND confrelid = 'public.person'::regclass AND contype = 'f' AND convalidated"
        }
        Engine::Mariadb | Engine::Mysql => {
            "SELECT referenced_table_name FROM information_schema.referential_constraints WHERE \
             constraint_schema = database() AND table_name = 'badge' AND unique_constraint_schema = database() \
             AND referenced_table_name = 'person'"
        }
    };
    assert_eq!(target.query(keys).len(), 1, "{place}\n{}", state(target));
    assert!(target.refuses("INSERT INTO badge VALUES (99, 4711)"), "{place}");
}

/// Takes the newest run back that still stands.
fn back(home: &Home, target: &Db, place: &str) {
    let ran = home.rollback(target, &["--yes"]);
    assert_eq!(ran.code, 0, "{place}\n{ran}");
}

/// Drops what is kept, as the documentation says.
fn drop_kept(target: &Db) {
    for place in ours(target) {
        match target.engine {
            Engine::Sqlite => std::fs::remove_file(target.path().with_file_name(place)).unwrap(),
            Engine::Postgres => target.execute(&format!("DROP SCHEMA {place} CASCADE")),
            Engine::Mariadb | Engine::Mysql => target.execute(&format!("DROP DATABASE {place}")),
        }
    }
}

fn killed(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let (source, target) = (source(ROWS), in_use(engine));
    let mut home = Home::new();
    let old = state(&target);
    let begun = Instant::now();
    let ran = home.migrate(&source, &target, &REPLACE);
    // The shortest that a run was seen to take: beside others some take far longer.
    let mut whole = begun.elapsed();
    assert_eq!(ran.code, 0, "{ran}");
    let new = state(&target);
    assert_ne!(old, new);
    badges_refer(&target, "without a kill");
    back(&home, &target, "without a kill");
    drop_kept(&target);
    // So much of a run is its switch and what follows that.
    let end = if matches!(engine, Engine::Sqlite | Engine::Mysql) { 8 } else { 4 };
    let kills = if is_nightly() { KILLS.1 } else { KILLS.0 };
    let (mut killed, mut before, mut after) = (0, 0, 0);
    for kill in 0..kills {
        let mut command = binary::command(home.0.path());
        command.args(["--progress", "json", "migrate", "--source", &source.url, "--target", &target.url]);
        command.args(REPLACE);
        let mut running = Running::start(command);
        // Every other one around the switch, which is short.
        let at_the_switch = kill % 2 == 1;
        if at_the_switch {
            running.until(&["\"switch\""]);
        }
        let span = if at_the_switch { whole / end } else { whole };
        std::thread::sleep(Duration::from_micros(chance.below(u64::try_from(span.as_micros()).unwrap())));
        running.signal("KILL");
        let ran = running.end();
        target.left_alone();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        killed += u64::from(ran.code == 137);
        assert!(matches!(ran.code, 0 | 137), "{place}");
        let is = seen(&target);
        assert!(is(&old) || is(&new), "neither old nor new: {place}\n{}", state(&target));
        let is_new = is(&new);
        assert!(is_new || ran.code == 137, "{place}");
        badges_stay(&target, &place);
        if !engine.is_mysql() {
            // There the keys of other tables follow the switch; the next run sees to it.
            badges_refer(&target, &place);
        }
        (before, after) = if is_new { (before, after + 1) } else { (before + 1, after) };
        // Some of what was killed before its switch stays for the next.
        if !is_new && !at_the_switch && kill + 1 < kills {
            continue;
        }
        let begun = Instant::now();
        let again = home.migrate(&source, &target, &REPLACE);
        whole = whole.min(begun.elapsed());
        assert_eq!(again.code, 0, "{place}\n{again}");
        assert_eq!(state(&target), new, "{place}\n{again}");
        badges_stay(&target, &place);
        badges_refer(&target, &place);
        let runs = if is_new { 2 } else { 1 };
        assert_eq!(ours(&target).len(), runs, "{place}\n{:?}\n{again}", ours(&target));
        for run in 0..runs {
            back(&home, &target, &place);
            assert_eq!(state(&target), if run + 1 == runs { &*old } else { &*new }, "{place}");
        }
        badges_stay(&target, &place);
        badges_refer(&target, &place);
        // What each run had made is kept in its turn.
        assert_eq!(ours(&target).len(), runs, "{place}\n{:?}", ours(&target));
        drop_kept(&target);
        assert_eq!(ours(&target), Vec::<String>::new(), "{place}");
        home = Home::new();
    }
    assert!(2 * killed >= kills, "TECHCARE_DB_TEST_SEED={seed}, {engine:?}: {killed} of {kills} were killed");
    eprintln!("{engine:?}: {killed} of {kills} killed; {before} before the switch, {after} after it");
}

#[test]
fn killed_while_replacing_in_sqlite() {
    killed(Engine::Sqlite);
}

#[test]
fn killed_while_replacing_in_postgres() {
    killed(Engine::Postgres);
}

#[test]
fn killed_while_replacing_in_mariadb() {
    killed(Engine::Mariadb);
}

#[test]
fn killed_while_replacing_in_mysql() {
    killed(Engine::Mysql);
}
