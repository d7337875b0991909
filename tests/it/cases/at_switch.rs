//! Rows that are committed in the very moment in which MySQL and MariaDB switch tables, and what is killed there. A
//! transaction that has the table open without a row of its own keeps the switch waiting, and writes only then.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _};

use super::appmade::{everything, made_by_the_application};
use super::rollback::{Home, ours, same_content, state};
use crate::support::binary::{self, Ran, Running};
use crate::support::database::{self, Db, Engine};
use crate::techcare::seeded;

/// Waits until the switch waits for somebody; answers with the number of its session and its statement. MariaDB does not say
/// of every lock that it waits for it: a second is enough there.
fn until_waits(db: &Db) -> (String, String) {
    let switches = |row: &&Vec<Option<String>>| {
        let said = |at: usize| row[at].as_deref().unwrap_or_default();
        let is_switch = said(7).starts_with("LOCK TABLES") || said(7).starts_with("RENAME TABLE");
        let waits =
            said(6).contains("metadata lock") || said(5).parse::<u64>().is_ok_and(|seconds| seconds > 0);
        said(3) == db.name() && is_switch && said(7).contains("`roles`") && waits
    };
    let found = until(|| db.query("SHOW FULL PROCESSLIST").iter().find(switches).cloned());
    (found[0].clone().unwrap_or_default(), found[7].clone().unwrap_or_default())
}

/// Waits until nobody else has a session in this database. Asked by SHOW: the list as a table fails where another test has text in
/// a statement that the list cannot hold.
fn until_left(db: &Db) {
    let own = |row: &&Vec<Option<String>>| row[3].as_deref() == Some(db.name());
    until(|| (db.query("SHOW FULL PROCESSLIST").iter().filter(own).count() == 1).then_some(()));
}

/// Waits for something.
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for in vain");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Opens a table in a transaction, has something done once the switch waits for it, then writes and commits. `None` if the server
/// did not let it: there was a deadlock, and nothing was written.
fn write_at_the_switch(
    target: &Db,
    table: &str,
    row: &str,
    switch: impl FnOnce() -> Running,
    then: impl FnOnce(&Running, &(String, String)),
) -> Option<Ran> {
    let url = target.url.clone();
    // MySQL also wants the table that a row refers to, which nobody gets any more while the switch waits for it.
    let open = format!("DELETE FROM {table} WHERE id = -1; SELECT id FROM roles LIMIT 0");
    let row = row.to_owned();
    let ((has_begun, begun), (go_on, goes_on)) = (mpsc::channel(), mpsc::channel::<()>());
    let writer = thread::spawn(move || {
        database::wait(async {
            let mut session = sqlx::MySqlConnection::connect(&url).await.unwrap();
            // No lock on a gap, so that only the table is kept.
            session.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.unwrap();
            session.execute("BEGIN").await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(open)).execute(&mut session).await.unwrap();
            has_begun.send(()).unwrap();
            goes_on.recv().unwrap();
            let written = session.execute(sqlx::AssertSqlSafe(row)).await;
            let number = |e: &sqlx::Error| {
                e.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned))
            };
            // Between an application and whoever locks tables the server may end the application's transaction.
            if written.as_ref().err().and_then(number).as_deref() == Some("40001") {
                return false;
            }
            written.unwrap();
            session.execute("COMMIT").await.unwrap();
            true
        })
    });
    begun.recv().unwrap();
    let running = switch();
    then(&running, &until_waits(target));
    go_on.send(()).unwrap();
    let ran = running.end();
    writer.join().unwrap().then_some(ran)
}

/// A table that stays, and a row to which one of it may refer.
const BADGE: &str = "CREATE TABLE badge (id INTEGER NOT NULL PRIMARY KEY, role_id INTEGER,
        CONSTRAINT fk_badge FOREIGN KEY (role_id) REFERENCES roles (id));
    INSERT INTO roles (id, name) VALUES (900, 'old')";

/// Whether the account may lock tables, and the server renames tables that are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    Locked,
    Open,
}

/// Each server with an account that may lock tables, and with one that may not; what to do with its URL. Where that has come to
/// nothing, which its answer says, it is done again.
fn with_each(work: impl Fn(Engine, Switch, &Db, &str) -> Option<()>) {
    for engine in Engine::mysqls() {
        for may_lock in [true, false] {
            let switch = if engine == Engine::Mysql && may_lock { Switch::Locked } else { Switch::Open };
            let came_about = (0..5).any(|_| {
                let target = made_by_the_application(engine);
                let name = target.name();
                target.execute(&format!(
                    "CREATE USER '{name}'@'%' IDENTIFIED BY 'word'; GRANT ALL PRIVILEGES ON `{name}`.* TO '{name}'@'%';
                     GRANT ALL PRIVILEGES ON `techcare\\_db\\_%`.* TO '{name}'@'%'"
                ));
                if !may_lock {
                    target.execute(&format!("REVOKE LOCK TABLES ON `{name}`.* FROM '{name}'@'%'"));
                }
                let url = target.url.replace("root@", &format!("{name}:word@"));
                let done = work(engine, switch, &target, &url);
                target.execute(&format!("DROP USER '{name}'@'%'"));
                done.is_some()
            });
            assert!(came_about, "{engine:?} {switch:?}: a deadlock each time");
        }
    }
}

fn migrate(home: &Home, source: &Db, url: &str, more: &[&str]) -> Running {
    let mut command = binary::command(home.0.path());
    command.args(["--format", "json", "migrate", "--source", &source.url, "--target", url]).args(more);
    Running::start(command)
}

/// Under a lock nobody writes between the look and the switch. Without one, a row that is committed in between takes the switch
/// back; what somebody wrote to the new tables meanwhile is not lost with them.
#[test]
fn rows_that_come_at_the_switch_are_kept() {
    let source = seeded(300);
    with_each(|engine, switch, target, url| {
        let (home, after) = (Home::new(), "INSERT INTO roles (name) VALUES ('after')");
        thread::scope(|scope| {
            let row = "INSERT INTO roles (name) VALUES ('before')";
            let ran = write_at_the_switch(
                target,
                "roles",
                row,
                || migrate(&home, &source, url, &[]),
                |_, (_, statement)| {
                    let expected = if switch == Switch::Locked { "LOCK TABLES" } else { "RENAME TABLE" };
                    assert!(statement.starts_with(expected), "{engine:?} {switch:?}: {statement}");
                    scope.spawn(|| target.execute(after));
                    let waits = |row: &Vec<Option<String>>| row[7].as_deref() == Some(after);
                    until(|| target.query("SHOW FULL PROCESSLIST").iter().find(|row| waits(row)).cloned());
                },
            )?;
            assert_eq!(ran.code, 4, "{engine:?} {switch:?}: {ran}");
            assert!(ran.stderr.contains("\"roles\" was empty and got rows"), "{ran}");
            assert_eq!(
                target.value("SELECT count(*) FROM roles WHERE name = 'before'").as_deref(),
                Some("1")
            );
            assert_eq!(target.value("SELECT count(*) FROM diagnostics").as_deref(), Some("0"));
            assert_eq!(target.marked("techcare_db_stage_"), Vec::<String>::new());
            let kept = target.marked("techcare_db_kept_").concat();
            assert_eq!(kept.is_empty(), switch == Switch::Locked, "{engine:?} {switch:?}: {kept} {ran}");
            Some(())
        })?;
        let kept = target.marked("techcare_db_kept_").concat();
        let list = format!(
            "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema = '{kept}' AND \
             table_name LIKE 'withdrawn\\_%\\_roles'"
        );
        let mut written = "SELECT count(*) FROM roles WHERE name = 'after'".to_owned();
        if switch == Switch::Open {
            let withdrawn = target.value(&list).unwrap_or_else(|| panic!("nothing is kept"));
            written = format!("SELECT ({written}) + (SELECT count(*) FROM {withdrawn} WHERE name = 'after')");
        }
        assert_eq!(target.value(&written).as_deref(), Some("1"), "{engine:?} {switch:?}");
        Some(())
    });
}

/// The same with rows of a table that stays: their parent is not among the new ones.
#[test]
fn references_that_come_at_the_switch_are_not_broken() {
    let source = seeded(50);
    with_each(|engine, switch, target, url| {
        target.execute(BADGE);
        let home = Home::new();
        let replace = ["--if-exists", "replace", "--yes"];
        let row = "INSERT INTO badge VALUES (50, 900)";
        let ran =
            write_at_the_switch(target, "badge", row, || migrate(&home, &source, url, &replace), |_, _| {})?;
        assert_eq!(ran.code, 4, "{engine:?} {switch:?}: {ran}");
        assert!(ran.stderr.contains("badge") && ran.stderr.contains("id=50"), "{ran}");
        assert_eq!(target.value("SELECT count(*) FROM roles WHERE id = 900").as_deref(), Some("1"));
        assert_eq!(ours(target).is_empty(), switch == Switch::Locked, "{engine:?}: {:?}", ours(target));
        assert!(target.refuses("INSERT INTO badge VALUES (51, 1)"), "{engine:?} {switch:?}");
        target.execute("DELETE FROM badge");
        let ran = migrate(&home, &source, url, &replace).end();
        assert_eq!(ran.code, 0, "{engine:?} {switch:?}: {ran}");
        assert!(target.refuses(row), "{engine:?} {switch:?}");
        Some(())
    });
}

/// Killed while the server is about to switch: what it does then nobody hears of. The next run says what was lost, as often
/// as it takes.
#[test]
fn what_a_killed_switch_has_lost_is_told() {
    let source = seeded(50);
    with_each(|engine, switch, target, url| {
        let home = Home::new();
        let row = "INSERT INTO roles (name) VALUES ('ours')";
        let ran = write_at_the_switch(
            target,
            "roles",
            row,
            || migrate(&home, &source, url, &[]),
            |running, _| {
                running.signal("KILL");
                thread::sleep(Duration::from_millis(300));
            },
        )?;
        assert_ne!(ran.code, 0, "{engine:?} {switch:?}: {ran}");
        until_left(target);
        let kept = target.marked("techcare_db_kept_").concat();
        let is_switched = target.value("SELECT count(*) FROM diagnostics").as_deref() != Some("0");
        assert!(!(is_switched && switch == Switch::Locked), "{engine:?}: switched without a look");
        if !is_switched {
            // Nothing has happened, and the row stops the next run.
            let again = migrate(&home, &source, url, &[]).end();
            assert_eq!(again.code, 4, "{engine:?} {switch:?}: {again}");
            assert_eq!(target.value("SELECT name FROM roles").as_deref(), Some("ours"));
            return Some(());
        }
        eprintln!("{engine:?} {switch:?}: switched after the kill");
        for _ in 0..2 {
            let again = migrate(&home, &source, url, &[]).end();
            assert_eq!(again.code, 5, "{engine:?} {switch:?}: {again}");
            assert!(again.stderr.contains(&format!("`{kept}`.`roles`")), "{again}");
        }
        assert_eq!(target.value(&format!("SELECT name FROM {kept}.roles")).as_deref(), Some("ours"));
        target.execute(&format!("DELETE FROM {kept}.roles"));
        let again = migrate(&home, &source, url, &[]).end();
        assert_eq!(again.code, 0, "{engine:?} {switch:?}: {again}");
        same_content(&source, target);
        Some(())
    });
}

/// The same with rows of a table that stays.
#[test]
fn references_that_a_killed_switch_has_broken_are_told() {
    let source = seeded(50);
    with_each(|engine, switch, target, url| {
        target.execute(BADGE);
        let (home, row) = (Home::new(), "INSERT INTO badge VALUES (50, 900)");
        let run = || migrate(&home, &source, url, &["--if-exists", "replace", "--yes"]);
        let kill = |running: &Running, _: &(String, String)| {
            running.signal("KILL");
            thread::sleep(Duration::from_millis(300));
        };
        let ran = write_at_the_switch(target, "badge", row, run, kill)?;
        assert_ne!(ran.code, 0, "{engine:?} {switch:?}: {ran}");
        until_left(target);
        let is_switched = target.value("SELECT count(*) FROM diagnostics").as_deref() != Some("0");
        assert!(!(is_switched && switch == Switch::Locked), "{engine:?}: switched without a look");
        eprintln!("{engine:?} {switch:?}: switched after the kill: {is_switched}");
        for _ in 0..2 {
            let again = run().end();
            assert_eq!(again.code, if is_switched { 5 } else { 4 }, "{engine:?} {switch:?}: {again}");
            assert!(again.stderr.contains("badge") && again.stderr.contains("id=50"), "{again}");
        }
        target.execute("DELETE FROM badge WHERE id = 50");
        let again = run().end();
        assert_eq!(again.code, 0, "{engine:?} {switch:?}: {again}");
        let count = "SELECT count(*) FROM diagnostics";
        assert_eq!(target.value(count), source.value(count), "{engine:?} {switch:?}: {again}");
        assert!(target.refuses(row), "{engine:?} {switch:?}");
        Some(())
    });
}

/// The server ends the very session that switches.
#[test]
fn a_session_that_is_ended_at_the_switch_has_changed_nothing() {
    let source = seeded(50);
    with_each(|engine, switch, target, url| {
        let (home, before) = (Home::new(), everything(target));
        let none = "DELETE FROM roles WHERE id = -2";
        let run = || migrate(&home, &source, url, &["--retry-for", "0"]);
        let ran = write_at_the_switch(target, "roles", none, run, |_, (session, _)| {
            target.execute(&format!("KILL CONNECTION {session}"));
            thread::sleep(Duration::from_millis(300));
        })?;
        assert_eq!(ran.code, 5, "{engine:?} {switch:?}: {ran}");
        assert_eq!(everything(target), before, "{engine:?} {switch:?}: {ran}");
        let again = migrate(&home, &source, url, &[]).end();
        assert_eq!(again.code, 0, "{engine:?} {switch:?}: {again}");
        same_content(&source, target);
        assert_eq!(target.marked("techcare_db_stage_"), Vec::<String>::new());
        assert!(!state(target).contains("techcare_db_"), "{engine:?} {switch:?}");
        Some(())
    });
}

/// A view that cannot be made takes the switch back, and with it the keys of tables that stay.
#[test]
fn keys_come_back_with_a_switch_that_is_taken_back() {
    let source = seeded(50);
    source.execute("CREATE VIEW named AS SELECT id, name FROM roles");
    with_each(|engine, switch, target, url| {
        target.execute(BADGE);
        let name = target.name();
        target.execute(&format!("REVOKE CREATE VIEW ON `{name}`.* FROM '{name}'@'%'"));
        let ran = migrate(&Home::new(), &source, url, &["--if-exists", "replace", "--yes"]).end();
        assert!([4, 5].contains(&ran.code) && ran.stderr.contains("named"), "{engine:?} {switch:?}: {ran}");
        assert!(!target.marked("techcare_db_kept_").is_empty(), "{engine:?} {switch:?}: not switched: {ran}");
        assert_eq!(target.value("SELECT count(*) FROM roles WHERE id = 900").as_deref(), Some("1"));
        target.execute("INSERT INTO badge VALUES (60, 900)");
        assert!(target.refuses("INSERT INTO badge VALUES (61, 901)"), "{engine:?} {switch:?}");
        let leads = "SELECT referenced_table_schema FROM information_schema.key_column_usage WHERE \
                     constraint_schema = DATABASE() AND constraint_name = 'fk_badge'";
        assert_eq!(target.value(leads).as_deref(), Some(name), "{engine:?} {switch:?}");
        Some(())
    });
}

/// What was left where keys are tried is no reason not to go on with a run.
#[test]
fn a_key_can_be_tried_again() {
    let source = seeded(50);
    with_each(|engine, switch, target, url| {
        target.execute(BADGE);
        let (home, none) = (Home::new(), "DELETE FROM roles WHERE id = -2");
        let replace = |more: [&str; 1]| {
            let args = ["--if-exists", "replace", "--yes", "--retry-for", "0"];
            migrate(&home, &source, url, &[&args[..], &more].concat())
        };
        let ran = write_at_the_switch(
            target,
            "roles",
            none,
            || replace(["--no-backup"]),
            |_, (session, _)| {
                target.execute(&format!("KILL CONNECTION {session}"));
                thread::sleep(Duration::from_millis(300));
            },
        )?;
        assert_eq!(ran.code, 5, "{engine:?} {switch:?}: {ran}");
        let staged = target.marked("techcare_db_stage_").concat();
        target.execute(&format!("CREATE TABLE {staged}.techcare_db_tried (id INTEGER)"));
        let again = replace(["--resume"]).end();
        assert_eq!(again.code, 0, "{engine:?} {switch:?}: {again}");
        assert!(target.refuses("INSERT INTO badge VALUES (50, 900)"), "{engine:?} {switch:?}");
        assert_eq!(target.marked("techcare_db_stage_"), Vec::<String>::new());
        Some(())
    });
}
