//! Servers that fall silent while a command works with them: connections stay open and nothing comes any more. No command
//! waits for ever, what can be gone on with is gone on with, and a statement that only takes its time is left in peace.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::cases::rollback::ours;
use super::support::binary::{self, Ran, Running};
use super::support::database::{Db, Engine};
use super::support::private::Private;
use super::support::proxy::{Fault, Proxy, Way};

/// By when a command has long ended that does not wait for ever: with `connect_timeout=2` a server may be silent for six
/// seconds, what goes on may take ten more to end in good order, and a reader may have waited behind one that is stalled.
const SOON: Duration = Duration::from_secs(120);

/// Rows of some megabytes in all.
const ROWS: i64 = 4000;

fn filled(db: Db) -> Db {
    let engine = db.engine;
    let text = if engine.is_mysql() { "VARCHAR(4000)" } else { "TEXT" };
    db.execute(&format!("CREATE TABLE users (id INTEGER PRIMARY KEY, body {text})"));
    let insert = match engine {
        Engine::Sqlite => format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO users SELECT i, hex(randomblob(1000)) FROM n"
        ),
        Engine::Postgres => {
            format!("INSERT INTO users SELECT i, i || repeat('x', 1900) FROM generate_series(1, {ROWS}) AS n (i)")
        }
        Engine::Mariadb | Engine::Mysql => format!(
            "SET SESSION cte_max_recursion_depth = 10000;
             INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             SELECT i, concat(i, repeat('x', 1900)) FROM n"
        ),
    };
    let insert = if engine == Engine::Mariadb {
        insert.replace("cte_max_recursion_depth", "max_recursive_iterations")
    } else {
        insert
    };
    db.execute(&insert);
    db
}

/// Does the same with every server, side by side: most of it is waiting.
fn with_each_server(work: impl Fn(Engine) + Sync) {
    std::thread::scope(|scope| {
        for engine in Engine::servers() {
            let work = &work;
            scope.spawn(move || work(engine));
        }
    });
}

/// The database behind the proxy, asked with little patience.
fn through(proxy: &Proxy, db: &Db) -> String {
    format!("{}?connect_timeout=2", proxy.url(&db.url))
}

/// A source, a target, and the way to it that goes silent after three MiB.
fn stalled(engine: Engine) -> (Db, Db, Proxy, String) {
    let (source, target) = (filled(Db::fresh(Engine::Sqlite)), Db::fresh(engine));
    let proxy = Proxy::before(&target.url);
    proxy.fail_after(Way::ToServer, 3 << 20, Fault::Stall, true);
    let to = through(&proxy, &target);
    (source, target, proxy, to)
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = binary::command(folder);
    command.args(args);
    command
}

/// Runs to the end, which has to come soon.
fn soon(folder: &Path, args: &[&str]) -> Ran {
    let begun = Instant::now();
    let ran = Running::start(command(folder, args)).end();
    assert!(begun.elapsed() < SOON, "{args:?} took {:?}", begun.elapsed());
    ran
}

/// The error of a run that met silence.
fn is_silence(ran: &Ran) {
    assert_eq!(ran.code, 5, "{ran}");
    let error = &ran.json()["error"];
    assert_eq!(error["kind"], "lost", "{ran}");
    assert!(error["what"].as_str().unwrap().ends_with("does not answer any more"), "{ran}");
    assert!(error["why"].as_str().unwrap().contains("no answer to a second connection within 6 s"), "{ran}");
}

#[test]
fn a_target_that_answers_again_is_gone_on_with() {
    with_each_server(|engine| {
        let (source, target, proxy, to) = stalled(engine);
        goes_on(engine, &source, &target, &proxy, &to);
    });
}

/// Silence that a connection meets which the load is only asking for, before anybody notices it otherwise.
#[test]
fn a_further_connection_of_the_load_may_meet_silence_first() {
    with_each_server(|engine| {
        let (source, target) = (filled(Db::fresh(Engine::Sqlite)), Db::fresh(engine));
        source.execute("CREATE TABLE visits AS SELECT * FROM users");
        let proxy = Proxy::before(&target.url);
        let load = if engine == Engine::Postgres { "COPY " } else { "VALUES (?" };
        // Two tables at a time: the second one's connection is made while the first one's rows are waited for.
        proxy.fail_at_answer(&[load], Fault::Stall, true);
        // What is encrypted no proxy can read.
        let to = format!("{}&sslmode=disable", through(&proxy, &target));
        goes_on(engine, &source, &target, &proxy, &to);
    });
}

/// Migrates through a proxy that falls silent on the way, and lets it through again once the run has noticed.
fn goes_on(engine: Engine, source: &Db, target: &Db, proxy: &Proxy, to: &str) {
    let folder = tempfile::tempdir().unwrap();
    let args = ["migrate", "--jobs", "2", "--source", &source.url, "--target", to];
    let mut running = Running::start(command(folder.path(), &args));
    let noticed = running.until(&["going on in"]);
    assert!(proxy.has_failed(), "{engine:?}");
    proxy.heal();
    let ran = running.end();
    assert!(noticed, "{engine:?}: {ran}");
    assert_eq!(ran.code, 0, "{engine:?}: {ran}");
    assert_eq!(target.value("SELECT count(*) FROM users"), Some(ROWS.to_string()));
}

#[test]
fn a_target_that_stays_silent_ends_the_run_which_can_be_resumed() {
    with_each_server(|engine| {
        let (source, target, proxy, to) = stalled(engine);
        let folder = tempfile::tempdir().unwrap();
        let migrate = ["--format", "json", "migrate", "--source", &source.url, "--target", &to];
        let ran = soon(folder.path(), &[&migrate[..], &["--retry-for", "0"]].concat());
        is_silence(&ran);
        assert!(ran.json()["error"]["next"].as_str().unwrap().contains("--resume"), "{ran}");
        proxy.heal();
        let ran = soon(folder.path(), &[&migrate[..], &["--resume"]].concat());
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(target.value("SELECT count(*) FROM users"), Some(ROWS.to_string()));
    });
}

/// Only where nothing has been answered yet is a server not to be reached; after that a connection was lost, whichever
/// it is.
#[test]
fn only_the_first_connection_finds_a_server_unreachable() {
    with_each_server(|engine| {
        let db = filled(Db::fresh(engine));
        let sums = "SELECT count(*), sum(id), max(body) FROM users";
        let before = db.query(sums);
        let folder = tempfile::tempdir().unwrap();
        let backup = ["backup", "--method", "portable"];
        let made = [&backup[..], &["--database", &db.url]].concat();
        assert_eq!(Running::start(command(folder.path(), &made)).end().code, 0);
        let mut all = vec![&backup[..], &["rollback", "--yes", "--backup", "latest", "--no-backup"]];
        // pg_dump is told how long it may wait; the programs of MySQL and MariaDB take no such word (decision 0008).
        if engine == Engine::Postgres {
            all.push(&["backup", "--method", "native"]);
        }
        for args in all {
            let proxy = Proxy::before(&db.url);
            let to = format!("{}?connect_timeout=1", proxy.url(&db.url));
            let (mut lost, mut answered) = (0, 0);
            loop {
                let begun = proxy.begun();
                proxy.stall_beyond(answered);
                let ran = soon(folder.path(), &[&["--format", "json"], args, &["--database", &to]].concat());
                db.left_alone();
                let place = format!("{engine:?} {args:?}, {answered} connections\n{ran}");
                if answered == 0 {
                    assert_eq!(
                        (ran.code, &ran.json()["error"]["kind"]),
                        (3, &"unreachable".into()),
                        "{place}"
                    );
                } else if ran.code != 0 {
                    assert_eq!((ran.code, &ran.json()["error"]["kind"]), (5, &"lost".into()), "{place}");
                    lost += 1;
                }
                assert_eq!(db.query(sums), before, "{place}");
                if proxy.begun() - begun <= answered {
                    break;
                }
                // Each of the first, and then some of those that are alike.
                answered += if answered < 3 { 1 } else { 4 };
            }
            assert!(lost > 0, "{engine:?} {args:?}");
        }
    });
}

/// While what is there is saved first, and while the backup is written beside it.
#[test]
fn a_restore_ends_when_its_server_falls_silent() {
    with_each_server(|engine| {
        let db = filled(Db::fresh(engine));
        let (folder, sums) = (tempfile::tempdir().unwrap(), "SELECT count(*), sum(id), max(body) FROM users");
        let before = db.query(sums);
        let backup = ["backup", "--database", &db.url, "--method", "portable"];
        assert_eq!(Running::start(command(folder.path(), &backup)).end().code, 0);
        db.execute("DELETE FROM users WHERE id % 2 = 0; UPDATE users SET body = 'changed'");
        let used = db.query(sums);
        for (way, after, more) in
            [(Way::ToClient, 100 << 10, None), (Way::ToServer, 3 << 20, Some("--no-backup"))]
        {
            let proxy = Proxy::before(&db.url);
            proxy.fail_after(way, after, Fault::Stall, true);
            let to = through(&proxy, &db);
            let mut args =
                vec!["--format", "json", "rollback", "--yes", "--database", &to, "--backup", "latest"];
            args.extend(more);
            let ran = soon(folder.path(), &args);
            assert!(proxy.has_failed(), "{engine:?} {way:?}: {ran}");
            // Whichever hears of it first: who watches, or who asks for one more connection.
            assert_eq!(
                (ran.code, &ran.json()["error"]["kind"]),
                (5, &"lost".into()),
                "{engine:?} {way:?}: {ran}"
            );
            proxy.heal();
            assert_eq!(db.query(sums), used, "{engine:?} {way:?}: {ran}");
        }
        let again = ["rollback", "--yes", "--database", &db.url, "--backup", "latest", "--no-backup"];
        let ran = soon(folder.path(), &again);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(db.query(sums), before, "{engine:?}");
        assert_eq!(ours(&db).len(), 1, "{engine:?}: {:?}\n{ran}", ours(&db));
    });
}

#[test]
fn a_source_that_falls_silent_ends_every_command_that_reads_it() {
    with_each_server(|engine| {
        // Readers that are stalled keep their tables open, and whoever asks MySQL's writers to rest meanwhile makes those of
        // the whole server wait: not on the server of all other tests.
        let server = engine.is_mysql().then(|| Private::start(engine));
        let source =
            filled(server.as_ref().map_or_else(|| Db::fresh(engine), |s| Db::fresh_on(engine, &s.url)));
        let silent = |args: &[&str]| {
            let proxy = Proxy::before(&source.url);
            proxy.fail_after(Way::ToClient, 1 << 20, Fault::Stall, true);
            let folder = tempfile::tempdir().unwrap();
            let from = through(&proxy, &source);
            let args: Vec<&str> =
                args.iter().map(|arg| if *arg == "PROXY" { from.as_str() } else { arg }).collect();
            let ran = soon(folder.path(), &[&["--format", "json"], &args[..]].concat());
            assert!(proxy.has_failed(), "{ran}");
            is_silence(&ran);
            // What a migration can go on with stays beside the target; a backup or a script leaves nothing.
            assert!(!folder.path().join("new.db").exists() && !folder.path().join("new.sql").exists());
            let backups = std::fs::read_dir(folder.path().join("backups")).into_iter().flatten();
            let left: Vec<_> = backups.map(|entry| entry.unwrap().file_name()).collect();
            assert!(left.iter().all(|name| name == ".techcare-db.lock"), "{args:?} left {left:?}");
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                silent(&["migrate", "--source", "PROXY", "--target", "new.db", "--retry-for", "0"]);
            });
            scope.spawn(|| {
                silent(&["migrate", "--source", "PROXY", "--target", "sqlite", "--dump", "new.sql"]);
            });
            scope.spawn(|| silent(&["check", "--database", "PROXY", "--against", &source.url]));
            scope.spawn(|| silent(&["backup", "--database", "PROXY", "--method", "portable"]));
            // MySQL's own program is not everywhere.
            if engine != Engine::Mysql {
                scope.spawn(|| silent(&["backup", "--database", "PROXY", "--method", "native"]));
            }
        });
    });
}

#[test]
fn a_statement_that_takes_long_is_left_in_peace() {
    with_each_server(|engine| {
        let source = filled(Db::fresh(engine));
        let from = format!("{}?connect_timeout=1", source.url);
        let folder = tempfile::tempdir().unwrap();
        // Longer than a server may be silent for, and shorter than locks are waited for.
        let hold = match engine {
            Engine::Postgres => {
                "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT"
            }
            _ => "LOCK TABLES users WRITE; DO SLEEP(6); UNLOCK TABLES",
        };
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| source.execute(hold));
            std::thread::sleep(Duration::from_millis(500));
            let ran = soon(folder.path(), &["migrate", "--source", &from, "--target", "new.db"]);
            assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        });
        assert!(begun.elapsed() > Duration::from_secs(6), "{engine:?}: nothing was waited for");
    });
}
