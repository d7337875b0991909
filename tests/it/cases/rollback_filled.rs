//! A90 with `--data-only`: tables that a run has filled are emptied again, and filled again by the way back of that. The
//! rows are kept aside, those included that came since, next values are what they were, and what refers to the rows stops
//! it. The judge is SQL.

use std::time::{Duration, Instant};

use super::rollback::{Home, ours, same_content, state};
use crate::network::is_unfilled;
use crate::support::binary::{self, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::database::{Db, Engine};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// Two tables that refer to each other, with so many rows each.
pub fn source(rows: u32) -> Db {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(&format!(
        "CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(40) NOT NULL, first_visit INTEGER
             REFERENCES visit (id));
         CREATE TABLE visit (id INTEGER PRIMARY KEY AUTOINCREMENT, person_id INTEGER NOT NULL REFERENCES person (id));
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO person SELECT i, 'person ' || i, NULL FROM n;
         INSERT INTO visit SELECT id, id FROM person; UPDATE person SET first_visit = id"
    ));
    db
}

/// The same tables as an application made them, which has used one id of persons, and one that refers to them.
pub fn made(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    let (id, name) = match engine {
        Engine::Sqlite => ("INTEGER PRIMARY KEY AUTOINCREMENT", "VARCHAR(40)"),
        Engine::Postgres => ("BIGSERIAL PRIMARY KEY", "VARCHAR(40)"),
        Engine::Mariadb | Engine::Mysql => {
            ("BIGINT AUTO_INCREMENT PRIMARY KEY", "VARCHAR(40) CHARACTER SET utf8mb4")
        }
    };
    let (column, key) = if engine == Engine::Sqlite {
        (", first_visit BIGINT REFERENCES visit (id)", "")
    } else {
        (
            ", first_visit BIGINT",
            "ALTER TABLE person ADD CONSTRAINT fk_first FOREIGN KEY (first_visit) REFERENCES visit (id);",
        )
    };
    db.execute(&format!(
        "CREATE TABLE person (id {id}, name {name} NOT NULL{column});
         CREATE TABLE visit (id {id}, person_id BIGINT NOT NULL,
             CONSTRAINT fk_visit FOREIGN KEY (person_id) REFERENCES person (id));
         {key}
         CREATE TABLE badge (id BIGINT NOT NULL PRIMARY KEY, person_id BIGINT,
             CONSTRAINT fk_badge FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE);
         INSERT INTO person (name) VALUES ('gone'); DELETE FROM person; INSERT INTO badge VALUES (1, NULL)"
    ));
    db
}

/// Rows of persons that are kept.
fn kept(db: &Db) -> Option<String> {
    let place = ours(db).into_iter().next().expect("something is kept");
    let count = "SELECT count(*) FROM person";
    match db.engine {
        Engine::Sqlite => {
            let file = rusqlite::Connection::open(db.path().with_file_name(place)).unwrap();
            let rows: i64 = file.query_row(count, [], |row| row.get(0)).unwrap();
            Some(rows.to_string())
        }
        _ => db.value(&count.replace("person", &format!("{place}.person"))),
    }
}

#[test]
fn a90_tables_that_a_run_filled_are_emptied() {
    let source = source(50);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), made(engine));
        let before = state(&target);
        let ran = home.migrate(&source, &target, &["--data-only"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let filled = state(&target);
        let listed = home.rollback(&target, &["--list"]).json();
        let run = &listed["runs"][0];
        assert_eq!((&run["can_be_undone"], &run["filled"]), (&true.into(), &2.into()), "{listed}");
        let dry = home.rollback(&target, &["--dry-run"]);
        assert_eq!(dry.code, 0, "{engine:?}: {dry}");
        let told = dry.json();
        let person =
            told["tables"].as_array().unwrap().iter().find(|table| table["name"] == "person").unwrap();
        assert_eq!((&person["emptied"], &person["goes"]), (&true.into(), &false.into()), "{dry}");
        assert_eq!(person["rows_then"], 50, "{dry}");
        assert_eq!(home.rollback(&target, &[]).code, 4, "{engine:?}");
        assert_eq!(state(&target), filled, "{engine:?}");

        target.execute("INSERT INTO person (name) VALUES ('since')");
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(state(&target), before, "{engine:?}: {back}");
        assert_eq!(ours(&target).len(), 1, "{engine:?}: {:?}", ours(&target));
        assert_eq!(back.json()["kept"].as_array().unwrap().len(), 1, "{back}");
        assert_eq!(kept(&target).as_deref(), Some("51"), "{engine:?}: {back}");
        // The keys hold, and the ids go on from where they were.
        assert!(target.refuses("INSERT INTO visit (person_id) VALUES (1)"), "{engine:?}");
        target.execute("INSERT INTO person (name) VALUES ('next')");
        assert_eq!(target.value("SELECT id FROM person").as_deref(), Some("2"), "{engine:?}");
        target.execute("DELETE FROM person");

        let ran = home.migrate(&source, &target, &["--data-only"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(state(&target), filled, "{engine:?}");
    }
}

/// The way back has a way back: the rows come in again with the next values that they had, and can be taken out again.
#[test]
fn a90_emptied_tables_are_filled_again() {
    let source = source(50);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), made(engine));
        let before = state(&target);
        assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 0, "{engine:?}");
        // The last id that was given is in no row any more.
        target.execute(
            "INSERT INTO person (name) VALUES ('since'), ('gone'); DELETE FROM person WHERE name = 'gone'",
        );
        let used = state(&target);
        for _ in 0..2 {
            let back = home.rollback(&target, &["--yes"]);
            assert_eq!(back.code, 0, "{engine:?}: {back}");
            assert_eq!(state(&target), before, "{engine:?}: {back}");
            let run = back.json()["run_id"].as_str().unwrap().to_owned();
            let dry = home.rollback(&target, &["--dry-run", "--run", &run]);
            assert_eq!(dry.code, 0, "{engine:?}: {dry}");
            let told = dry.json();
            let person =
                told["tables"].as_array().unwrap().iter().find(|table| table["name"] == "person").unwrap();
            assert_eq!((&person["comes_back"], &person["emptied"]), (&true.into(), &false.into()), "{dry}");
            assert_eq!((&person["rows_then"], &person["rows_now"]), (&51.into(), &0.into()), "{dry}");
            let again = home.rollback(&target, &["--yes", "--run", &run]);
            assert_eq!(again.code, 0, "{engine:?}: {again}");
            assert_eq!(state(&target), used, "{engine:?}: {again}");
            assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?}: {again}");
        }
        assert!(target.refuses("INSERT INTO visit (person_id) VALUES (99)"), "{engine:?}");
        target.execute("INSERT INTO person (name) VALUES ('next')");
        assert_eq!(target.value("SELECT max(id) FROM person").as_deref(), Some("53"), "{engine:?}");
    }
}

/// What keeps rows from coming back is named, and nothing has changed.
#[test]
fn a90_rows_that_cannot_come_back_stay_where_they_are() {
    const NOTHING: &str = "SELECT 1";
    let source = source(5);
    let other = "INSERT INTO person (name) VALUES ('other')";
    for engine in Engine::all() {
        // A server would round the values without a word, SQLite would make them text.
        let retyped = match engine {
            Engine::Sqlite => {
                "ALTER TABLE visit DROP COLUMN price; ALTER TABLE visit ADD COLUMN price VARCHAR(20)"
            }
            Engine::Postgres => "ALTER TABLE visit ALTER COLUMN price TYPE NUMERIC(10,2)",
            Engine::Mariadb | Engine::Mysql => "ALTER TABLE visit MODIFY price NUMERIC(10,2)",
        };
        // Rows that are there, columns that are others or of another type, and a row that refers to one which is gone.
        let cases = [
            (NOTHING, other, "mixed"),
            (NOTHING, "ALTER TABLE person ADD COLUMN more INT", "columns are others"),
            ("UPDATE visit SET price = 1.2345", retyped, "price"),
            (
                "INSERT INTO badge VALUES (7, NULL); UPDATE visit SET badge_id = 7 WHERE id = 3",
                "DELETE FROM badge WHERE id = 7",
                "refer to some",
            ),
        ];
        for (before, between, told) in &cases {
            let (home, target) = (Home::new(), made(engine));
            let column = "ALTER TABLE visit ADD COLUMN badge_id BIGINT";
            target.execute(&match engine {
                Engine::Sqlite => format!("{column} REFERENCES badge (id)"),
                _ => format!("{column}; ALTER TABLE visit ADD CONSTRAINT fk_worn FOREIGN KEY (badge_id) REFERENCES badge (id)"),
            });
            // The last column, so that SQLite can drop and add it and only its type is another.
            target.execute("ALTER TABLE visit ADD COLUMN price NUMERIC(10,4)");
            let ran = home.migrate(&source, &target, &["--data-only"]);
            assert_eq!(ran.code, 0, "{engine:?}: {ran}");
            target.execute(before);
            let back = home.rollback(&target, &["--yes"]);
            assert_eq!(back.code, 0, "{engine:?}: {back}");
            let run = back.json()["run_id"].as_str().unwrap().to_owned();
            target.execute(between);
            let (stood, aside) = (state(&target), ours(&target));
            let refused = home.rollback(&target, &["--yes", "--run", &run]);
            assert_eq!(refused.code, 4, "{engine:?} {between}: {refused}");
            assert!(refused.stderr.contains(told), "{engine:?} {between}: {refused}");
            assert_eq!((state(&target), ours(&target)), (stood, aside), "{engine:?} {between}: {refused}");
            assert_eq!(kept(&target).as_deref(), Some("5"), "{engine:?}");
        }
    }
}

/// Whatever somebody adds to what is kept comes back too, and its ids are not given again.
#[test]
fn a90_ids_go_on_beyond_those_of_the_rows_that_come_back() {
    let source = source(5);
    for engine in Engine::servers() {
        let (home, target) = (Home::new(), made(engine));
        assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 0, "{engine:?}");
        let back = home.rollback(&target, &["--yes"]);
        let run = back.json()["run_id"].as_str().unwrap().to_owned();
        let place = ours(&target).into_iter().next().unwrap();
        target.execute(&format!("INSERT INTO {place}.person (id, name) VALUES (40, 'by hand')"));
        let again = home.rollback(&target, &["--yes", "--run", &run]);
        assert_eq!(again.code, 0, "{engine:?}: {again}");
        target.execute("INSERT INTO person (name) VALUES ('next')");
        assert_eq!(target.value("SELECT max(id) FROM person").as_deref(), Some("41"), "{engine:?}");
    }
}

/// A row of another table that refers to the rows stops it, also where it would be deleted with them.
#[test]
fn a90_rows_that_refer_to_the_filled_ones_are_named() {
    let source = source(5);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), made(engine));
        assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 0);
        target.execute("INSERT INTO badge VALUES (2, 3)");
        let before = state(&target);
        let ran = home.rollback(&target, &["--yes"]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.stderr.contains("badge"), "{engine:?}: {ran}");
        assert_eq!(state(&target), before, "{engine:?}: {ran}");
        assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?}: {ran}");
        target.execute("DELETE FROM badge WHERE id = 2");
        let ran = home.rollback(&target, &["--yes"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert!(is_unfilled_but(&target, "badge"), "{engine:?}: {ran}");
    }
}

/// Whether only this table has rows.
fn is_unfilled_but(db: &Db, table: &str) -> bool {
    db.execute(&format!("DELETE FROM {table}"));
    is_unfilled(db)
}

/// Without the right to make a database there is no place for the rows: it is named, and nothing has changed.
#[test]
fn a90_filled_tables_of_an_account_with_one_database() {
    for engine in [Engine::Mariadb, Engine::Mysql].into_iter().filter(|engine| engine.at_hand()) {
        let (home, target) = (Home::new(), made(engine));
        let user = format!("tcdb_filled_{}", std::process::id());
        target.execute(&format!(
            "CREATE USER {user}@'%'; GRANT ALL PRIVILEGES ON {}.* TO {user}@'%'",
            target.name()
        ));
        let mut url = url::Url::parse(&target.url).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(None).unwrap();
        let source = source(5);
        let ran = home.run(&["migrate", "--data-only", "--source", &source.url, "--target", url.as_str()]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let before = state(&target);
        let ran = home.run(&["rollback", "--yes", "--database", url.as_str()]);
        target.execute(&format!("DROP USER {user}@'%'"));
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.stderr.contains("GRANT ALL PRIVILEGES"), "{engine:?}: {ran}");
        assert_eq!(state(&target), before, "{engine:?}: {ran}");
        assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?}: {ran}");
        let ran = home.rollback(&target, &["--yes"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
    }
}

/// What follows the transaction takes a right of its own: without it nothing begins, either way.
#[test]
fn a90_an_account_that_may_not_alter_changes_nothing() {
    let source = source(5);
    for engine in [Engine::Mariadb, Engine::Mysql].into_iter().filter(|engine| engine.at_hand()) {
        let (home, target) = (Home::new(), made(engine));
        let user = format!("tcdb_unalter_{}", std::process::id());
        target.execute(&format!(
            "CREATE USER {user}@'%'; GRANT ALL PRIVILEGES ON `techcare\\_db\\_kept\\_%`.* TO {user}@'%';
             GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, TRIGGER ON {}.* TO {user}@'%'",
            target.name()
        ));
        let mut url = url::Url::parse(&target.url).unwrap();
        url.set_username(&user).unwrap();
        url.set_password(None).unwrap();
        let fill = ["migrate", "--data-only", "--source", &source.url, "--target", url.as_str()];
        let before = state(&target);
        let ran = home.run(&fill);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.stderr.contains("ALTER") && ran.stderr.contains("GRANT"), "{engine:?}: {ran}");
        assert_eq!((state(&target), ours(&target)), (before, vec![]), "{engine:?}: {ran}");

        assert_eq!(home.migrate(&source, &target, &["--data-only"]).code, 0, "{engine:?}");
        let filled = state(&target);
        let ran = home.run(&["rollback", "--yes", "--database", url.as_str()]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.stderr.contains("ALTER") && ran.stderr.contains("GRANT"), "{engine:?}: {ran}");
        assert_eq!((state(&target), ours(&target)), (filled, vec![]), "{engine:?}: {ran}");

        // Nothing follows the rows of a table that gives its keys no values.
        source.execute("CREATE TABLE word (w INTEGER NOT NULL PRIMARY KEY); INSERT INTO word VALUES (7)");
        target.execute("CREATE TABLE word (w INTEGER NOT NULL PRIMARY KEY)");
        let ran = home.run(&[&fill[..], &["--tables", "word"]].concat());
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        // Letters that the target may take for one are looked at in a table of the session's own.
        source.execute(
            "DROP TABLE word; CREATE TABLE word (w VARCHAR(9) NOT NULL PRIMARY KEY);
             INSERT INTO word VALUES ('é')",
        );
        target.execute("DROP TABLE word; CREATE TABLE word (w VARCHAR(9) NOT NULL PRIMARY KEY)");
        let ran = home.run(&[&fill[..], &["--tables", "word"]].concat());
        assert!(ran.stderr.contains("temporary table") && ran.stderr.contains("GRANT"), "{engine:?}: {ran}");
        source.execute("DROP TABLE word");
        target.execute(&format!("DROP USER {user}@'%'"));
    }
}

/// Kills the emptying, and the way back of that, at moments that are drawn. Either all rows are there or none, and the
/// same command again brings it to its end.
fn killed(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let seed = seed();
    let mut chance = Chance(seed);
    let source = source(500);
    let (home, target) = (Home::new(), made(engine));
    let old = state(&target);
    let ran = home.migrate(&source, &target, &["--data-only"]);
    assert_eq!(ran.code, 0, "{ran}");
    let new = state(&target);
    let begun = Instant::now();
    assert_eq!(home.rollback(&target, &["--yes"]).code, 0);
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
        // The mark of a run that nobody has tidied up after is no part of the application's tables.
        let emptied = target.value("SELECT count(*) FROM person").as_deref() == Some("0");
        let visits = target.value("SELECT count(*) FROM visit").as_deref() == Some("0");
        assert_eq!(emptied, visits, "neither old nor new: {place}");
        if !emptied {
            same_rows(&source, &target, &place);
        }
        if emptied == (from == &old) {
            before += 1;
        } else {
            after += 1;
        }
        let (again, complete) = home.rollback_again(&target, &run, from, &place);
        completed += u32::from(complete);
        assert_eq!(state(&target), *to, "{place}\n{again}");
        let kept = usize::from(to == &old);
        assert_eq!(ours(&target).len(), kept, "{place}\n{again}\n{:?}", ours(&target));
    }
    eprintln!(
        "{engine:?}: {before} killed before the commit, {after} after it, {completed} completed by the next"
    );
}

fn same_rows(source: &Db, target: &Db, place: &str) {
    let sums = "SELECT count(*), sum(id), sum(first_visit), sum(length(name)) FROM person";
    assert_eq!(target.query(sums), source.query(sums), "{place}");
}

#[test]
fn a90_a_killed_emptying_is_finished_by_the_next_on_sqlite() {
    killed(Engine::Sqlite);
}

#[test]
fn a90_a_killed_emptying_is_finished_by_the_next_on_postgres() {
    killed(Engine::Postgres);
}

#[test]
fn a90_a_killed_emptying_is_finished_by_the_next_on_mariadb() {
    killed(Engine::Mariadb);
}

#[test]
fn a90_a_killed_emptying_is_finished_by_the_next_on_mysql() {
    killed(Engine::Mysql);
}

/// Both halves of the work, one after the other: the newest is taken back first.
#[test]
fn a90_both_halves_are_taken_back_one_after_the_other() {
    let source = source(5);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), Db::fresh(engine));
        for half in ["--schema-only", "--data-only"] {
            let ran = home.migrate(&source, &target, &[half]);
            assert_eq!(ran.code, 0, "{engine:?} {half}: {ran}");
        }
        same_content(&source, &target);
        let rows = home.rollback(&target, &["--yes"]);
        assert_eq!(rows.code, 0, "{engine:?}: {rows}");
        assert!(is_unfilled(&target), "{engine:?}: {rows}");
        let tables = home.rollback(&target, &["--yes"]);
        assert_eq!(tables.code, 0, "{engine:?}: {tables}");
        assert_eq!(crate::support::content::tables(&target), Vec::<String>::new(), "{engine:?}");
    }
}
