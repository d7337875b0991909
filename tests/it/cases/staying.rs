//! Tables that stay while those that they refer to give way to others: `--if-exists replace`, `rollback`, and a backup that
//! is put back. Rows that would refer to nothing afterwards stop it before anything is changed. The judge is SQL.

use super::rollback::{Home, ours, state};
use crate::support::binary::Ran;
use crate::support::database::{Db, Engine};

/// Two parents in use, and a table that stays with rows that refer to both, to none, and to a third that never was there.
fn in_use(engine: Engine) -> Db {
    let target = Db::fresh(engine);
    target.execute(
        "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40));
         CREATE TABLE badge (id INTEGER NOT NULL PRIMARY KEY, person_id INTEGER,
             CONSTRAINT fk_badge_person FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE);
         INSERT INTO person VALUES (1, 'one'), (2, 'two');
         INSERT INTO badge VALUES (10, 1), (20, 2), (30, NULL)",
    );
    orphan(&target, "INSERT INTO badge VALUES (40, 99)");
    target
}

/// Runs a statement that makes rows without a parent, which needs leave.
fn orphan(db: &Db, sql: &str) {
    match db.engine {
        Engine::Sqlite => db.execute(&format!("PRAGMA foreign_keys = OFF; {sql}")),
        // Nobody but a superuser could, and a key with such rows cannot be made again.
        Engine::Postgres => {}
        Engine::Mariadb | Engine::Mysql => {
            db.execute(&format!("SET foreign_key_checks = 0; {sql}; SET foreign_key_checks = 1"));
        }
    }
}

fn persons(ids: &[u32]) -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40))");
    for id in ids {
        source.execute(&format!("INSERT INTO person VALUES ({id}, 'new {id}')"));
    }
    source
}

/// Refused with the table and the keys of its rows, and without a trace.
fn refused(ran: &Ran, target: &Db, before: &str, kept: &[String], rows: &[&str]) {
    let engine = target.engine;
    assert_eq!(ran.code, 4, "{engine:?}: {ran}");
    let error = ran.json()["error"].clone();
    assert_eq!(error["kind"], "refused", "{engine:?}: {ran}");
    let said = format!("{} {}", error["what"], error["why"]);
    assert!(said.contains("badge") && said.contains("person"), "{ran}");
    for row in rows {
        assert!(said.contains(row), "{row}: {ran}");
    }
    assert!(!said.contains("id=40") && !said.contains("id=30"), "of rows that are as they were: {ran}");
    assert_eq!(state(target), before, "{engine:?}: {ran}");
    assert_eq!(ours(target), kept, "{engine:?}: {ran}");
}

#[test]
fn rows_whose_parents_do_not_come_stop_a_replacement() {
    let source = persons(&[1, 3]);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), in_use(engine));
        let before = state(&target);
        let replace = || home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
        refused(&replace(), &target, &before, &[], &["id=20"]);
        target.execute("DELETE FROM badge WHERE id = 20");
        // What referred to nothing before is nobody's fault.
        let ran = replace();
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(target.value("SELECT name FROM person WHERE id = 1").as_deref(), Some("new 1"));
        assert_eq!(target.value("SELECT count(*) FROM badge WHERE id <> 40").as_deref(), Some("2"));
        assert!(target.refuses("INSERT INTO badge VALUES (50, 2)"), "{engine:?}");
        target.execute("INSERT INTO badge VALUES (50, 3)");
    }
}

/// Also where nothing but a prefix is there to build under.
#[test]
fn an_account_of_one_database_is_told_too() {
    let source = persons(&[1, 3]);
    for engine in Engine::mysqls() {
        let (home, target) = (Home::new(), in_use(engine));
        let name = target.name();
        target.execute(&format!(
            "CREATE USER '{name}'@'%' IDENTIFIED BY 'word'; GRANT ALL PRIVILEGES ON `{name}`.* TO '{name}'@'%'"
        ));
        let url = target.url.replace("root@", &format!("{name}:word@"));
        let before = state(&target);
        let args = ["migrate", "--source", &source.url, "--target", &url, "--if-exists", "replace", "--yes"];
        refused(&home.run(&args), &target, &before, &[], &["id=20"]);
        target.execute("DELETE FROM badge WHERE id = 20");
        let ran = home.run(&args);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        target.execute(&format!("DROP USER '{name}'@'%'"));
    }
}

/// A key of two columns, of which one is NULL, refers to nothing; a table of many rows is told by some of them.
#[test]
fn keys_of_two_columns_and_many_rows() {
    for engine in Engine::all() {
        let (home, source, target) = (Home::new(), Db::fresh(Engine::Sqlite), Db::fresh(engine));
        let person = "CREATE TABLE person (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b))";
        source.execute(&format!("{person}; INSERT INTO person VALUES (1, 1)"));
        target.execute(&format!(
            "{person};
             CREATE TABLE badge (id INTEGER NOT NULL, part INTEGER NOT NULL, a INTEGER, b INTEGER,
                 PRIMARY KEY (id, part), FOREIGN KEY (a, b) REFERENCES person (a, b));
             INSERT INTO person VALUES (1, 1), (1, 2);
             INSERT INTO badge VALUES (1, 1, 1, 1), (40, 1, 1, NULL), (30, 1, NULL, 2)"
        ));
        for id in 100..120 {
            target.execute(&format!("INSERT INTO badge VALUES ({id}, 7, 1, 2)"));
        }
        let before = state(&target);
        let replace = || home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
        refused(&replace(), &target, &before, &[], &["20 rows", "id=100, part=7"]);
        target.execute("DELETE FROM badge WHERE id >= 100");
        let ran = replace();
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
    }
}

/// What came since the migration refers to what came with it.
#[test]
fn rows_that_came_since_stop_the_way_back_before_anything_is_moved() {
    let source = persons(&[1, 2, 3]);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), in_use(engine));
        let ran = home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        target.execute("INSERT INTO badge VALUES (50, 3)");
        let (before, kept) = (state(&target), ours(&target));
        // In a file it is seen only when the tables are in place.
        let ways = [&["--dry-run"][..], &["--yes"]];
        for more in &ways[usize::from(engine == Engine::Sqlite)..] {
            refused(&home.rollback(&target, more), &target, &before, &kept, &["id=50"]);
        }
        target.execute("DELETE FROM badge WHERE id = 50");
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(target.value("SELECT name FROM person WHERE id = 1").as_deref(), Some("one"));
        assert!(target.refuses("INSERT INTO badge VALUES (50, 3)"), "{engine:?}");
    }
}

/// A table that came after the backup stays where an archive is put back; a file becomes what it was, whole.
#[test]
fn rows_that_came_since_the_backup_stop_its_return() {
    for engine in Engine::servers() {
        let (home, target) = (Home::new(), Db::fresh(engine));
        target.execute(
            "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40));
             INSERT INTO person VALUES (1, 'one')",
        );
        let made = home.run(&["backup", "--database", &target.url, "--method", "portable"]);
        assert_eq!(made.code, 0, "{made}");
        target.execute(
            "CREATE TABLE badge (id INTEGER NOT NULL PRIMARY KEY, person_id INTEGER,
                 CONSTRAINT fk_badge_person FOREIGN KEY (person_id) REFERENCES person (id));
             INSERT INTO person VALUES (2, 'two'); INSERT INTO badge VALUES (1, 1), (20, 2)",
        );
        let before = state(&target);
        let restore = || home.rollback(&target, &["--yes", "--backup", "latest", "--no-backup"]);
        refused(&restore(), &target, &before, &[], &["id=20"]);
        target.execute("DELETE FROM badge WHERE id = 20");
        let ran = restore();
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(target.value("SELECT count(*) FROM person").as_deref(), Some("1"), "{engine:?}");
        assert_eq!(target.value("SELECT count(*) FROM badge").as_deref(), Some("1"), "{engine:?}");
    }
}

/// A key that the new tables cannot have is told before they are in place: texts that compare otherwise, or wider numbers.
#[test]
fn a_key_that_does_not_fit_the_new_table_stops_a_replacement() {
    let cases = [
        ("code VARCHAR(20) NOT NULL PRIMARY KEY", "VARCHAR(20)", "('ana')"),
        ("code BIGINT NOT NULL PRIMARY KEY", "INTEGER", "(5000000000)"),
    ];
    for engine in Engine::mysqls() {
        let mut refused = 0;
        for (column, referring, row) in cases {
            let (home, source, target) = (Home::new(), Db::fresh(Engine::Sqlite), Db::fresh(engine));
            source.execute(&format!("CREATE TABLE person ({column}); INSERT INTO person VALUES {row}"));
            let old = column.replace("BIGINT", "INTEGER");
            target.execute(&format!(
                "CREATE TABLE person ({old});
                 CREATE TABLE badge (id INTEGER NOT NULL PRIMARY KEY, person {referring},
                     CONSTRAINT fk_badge_person FOREIGN KEY (person) REFERENCES person (code))"
            ));
            let before = state(&target);
            let ran = home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
            if ran.code == 0 {
                // Then it holds.
                let refused = format!(
                    "INSERT INTO badge VALUES (1, {})",
                    if referring == "INTEGER" { "7" } else { "'z'" }
                );
                assert!(target.refuses(&refused), "{engine:?} {column}: {ran}");
                continue;
            }
            assert_eq!(ran.code, 4, "{engine:?} {column}: {ran}");
            assert!(ran.stderr.contains("fk_badge_person") && ran.stderr.contains("badge"), "{ran}");
            assert_eq!(state(&target), before, "{engine:?} {column}: {ran}");
            assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?} {column}");
            refused += 1;
        }
        assert!(refused > 0, "{engine:?}: every key fits");
    }
}
