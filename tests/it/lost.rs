//! Connections that are lost on the way, and servers that restart: the run goes on by itself, and what arrives is
//! right. The judge is SQL.

use tempfile::TempDir;

use crate::bad_input::error_shape;
use crate::support::binary::{self, Running};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::private::Private;
use crate::support::proxy::{Fault, Proxy, Way};
use crate::{killed, network};

/// Rows of the big table: some three chunks.
const ROWS: u64 = 60_000;

fn source(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    let body = if engine == Engine::Sqlite { "hex(zeroblob(400)) || i" } else { "repeat('0', 800) || i" };
    db.execute(&format!(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
         CREATE TABLE keyless (a INTEGER);
         INSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         SELECT i, {body} FROM n;
         INSERT INTO keyless SELECT id % 7 FROM big WHERE id <= 1000"
    ));
    db
}

/// A run that has read half of the big table, in a folder that lives as long.
fn half_way(source: &str, target: &str) -> (Running, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args(["--progress", "json", "migrate", "--source", source, "--target", target]);
    let mut running = Running::start(command);
    let under_way = running.until_lines(|lines| rows_of(lines) >= ROWS / 2);
    assert!(under_way, "the run ended too early\n{}", running.end());
    (running, folder)
}

/// Rows of the big table that events tell of.
fn rows_of(lines: &str) -> u64 {
    let rows = |line: &str| -> Option<u64> {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        (event["event"] == "rows" && event["table"] == "big").then(|| event["rows"].as_u64())?
    };
    lines.lines().filter_map(rows).sum()
}

/// It went on by itself, and everything is there once.
fn arrives(running: Running, source: &Db, target: &Db) {
    let ran = running.end();
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("going on in"), "nothing was lost\n{ran}");
    let sums = "SELECT count(*), count(DISTINCT id), sum(id), sum(length(body)), (SELECT count(*) FROM keyless), \
                (SELECT sum(a) FROM keyless) FROM big";
    assert_eq!(target.query(sums), source.query(sums));
}

/// A user of its own, whose sessions are told from those of others.
fn user(engine: Engine, db: &Db, name: &str) -> String {
    db.execute(&match engine {
        Engine::Postgres => format!("CREATE ROLE {name} LOGIN SUPERUSER"),
        _ => format!("CREATE USER {name}@'%'; GRANT ALL PRIVILEGES ON *.* TO {name}@'%'"),
    });
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(name).unwrap();
    url.into()
}

/// The server ends all sessions of a user.
fn dropped(engine: Engine, db: &Db, name: &str) {
    if engine == Engine::Postgres {
        let all = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'");
        assert!(!db.query(&all).is_empty());
        return;
    }
    let all = format!("SELECT id FROM information_schema.processlist WHERE user = '{name}'");
    let sessions: Vec<String> = db.query(&all).into_iter().flatten().flatten().collect();
    assert!(!sessions.is_empty());
    for session in sessions {
        // One may have ended by itself.
        let _ = db.refuses(&format!("KILL {session}"));
    }
}

/// Removes the user again; what it made in the database is somebody else's then.
fn forget(engine: Engine, db: &Db, name: &str) {
    db.execute(&match engine {
        Engine::Postgres => {
            format!("REASSIGN OWNED BY {name} TO postgres; DROP OWNED BY {name}; DROP ROLE {name}")
        }
        _ => format!("DROP USER {name}@'%'"),
    });
}

#[test]
fn a84_connections_that_the_target_drops_are_made_again() {
    let source = source(Engine::Sqlite);
    for engine in Engine::servers() {
        let (target, name) = (Db::fresh(engine), format!("tcdb_lost_{}", std::process::id()));
        let url = user(engine, &target, &name);
        let (running, _folder) = half_way(&source.url, &url);
        dropped(engine, &target, &name);
        arrives(running, &source, &target);
        forget(engine, &target, &name);
    }
}

/// An account that may have too few connections for a while: nothing is kept of a run that has not begun to load, and so
/// it has to be begun anew rather than gone on with.
#[test]
fn a_run_that_did_not_get_to_load_is_begun_anew() {
    let source = source(Engine::Sqlite);
    for engine in Engine::mysqls() {
        let (target, name) = (Db::fresh(engine), format!("tcdb_few_{}", std::process::id()));
        let url = user(engine, &target, &name);
        for limit in 2..=4 {
            target.execute(&format!("ALTER USER {name}@'%' WITH MAX_USER_CONNECTIONS {limit}"));
            let folder = tempfile::tempdir().unwrap();
            let mut command = binary::command(folder.path());
            command.args(["migrate", "--retry-for", "60", "--source", &source.url, "--target", &url]);
            let mut running = Running::start(command);
            let waits = running.until_lines(|lines| lines.contains("going on in"));
            target.execute(&format!("ALTER USER {name}@'%' WITH MAX_USER_CONNECTIONS 0"));
            assert!(
                waits,
                "{limit} connections of {engine:?} are enough or too few to begin\n{}",
                running.end()
            );
            arrives(running, &source, &target);
            target.execute("DROP TABLE big, keyless");
        }
        forget(engine, &target, &name);
    }
}

#[test]
fn a84_connections_that_the_source_drops_are_made_again() {
    let source = source(Engine::Postgres);
    let name = format!("tcdb_gone_{}", std::process::id());
    let url = user(Engine::Postgres, &source, &name);
    let target = Db::fresh(Engine::Sqlite);
    let (running, _folder) = half_way(&url, &target.url);
    dropped(Engine::Postgres, &source, &name);
    arrives(running, &source, &target);
    forget(Engine::Postgres, &source, &name);
}

/// A server that is killed and comes back within the time that it is waited for, three times.
fn restarted(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let (server, source) = (Private::start(engine), source(Engine::Sqlite));
    for _ in 0..3 {
        let target = Db::fresh_on(engine, &server.url);
        let (running, _folder) = half_way(&source.url, &target.url);
        server.halt();
        server.restart();
        arrives(running, &source, &target);
    }
}

#[test]
fn postgres_restarts_while_it_is_loaded() {
    restarted(Engine::Postgres);
}

#[test]
fn mariadb_restarts_while_it_is_loaded() {
    restarted(Engine::Mariadb);
}

#[test]
fn mysql_restarts_while_it_is_loaded() {
    restarted(Engine::Mysql);
}

/// Before anything was changed a run begins again, with the same patience; without any it says that nothing was changed.
#[test]
fn a84_connections_that_are_lost_while_a_plan_is_made_are_made_again() {
    let source = killed::source("planned");
    for engine in Engine::servers() {
        let target = Db::fresh(engine);
        let through = |fails_at: Option<u64>, more: &[&str]| {
            let proxy = Proxy::before(&target.url);
            if let Some(byte) = fails_at {
                proxy.fail_after(Way::ToServer, byte, Fault::Cut, false);
            }
            let ran = binary::migrate(&source.url, &network::by_way_of(&proxy, &target), more);
            assert_eq!(proxy.has_failed(), fails_at.is_some(), "{ran}");
            (ran, proxy.passed(Way::ToServer))
        };
        let (ran, bytes) = through(None, &["--dry-run"]);
        assert_eq!(ran.code, 0, "{ran}");
        let half = Some(bytes / 2);
        let (ran, _) = through(half, &["--retry-for", "0"]);
        error_shape(&ran, 5);
        assert!(content::tables(&target).is_empty(), "{ran}");
        let (ran, _) = through(half, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stderr.contains("going on in"), "nothing was lost\n{ran}");
        let differences =
            content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{ran}");
    }
}
