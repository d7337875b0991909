//! What fails in the middle of the work: a signal, a server that dies, a disk that is full. The target is as it
//! was, nothing is left behind, and the same command run again succeeds.

use std::path::Path;
use std::process::Command;

use crate::bad_input::{error_shape, untouched};
use crate::support::binary::{self, Ran, Running};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::private::Private;

/// Enough rows that a load takes its time: some 60 MB in two tables.
pub fn large(engine: Engine, server: Option<&Private>) -> Db {
    let db = match server {
        None => Db::fresh(engine),
        Some(server) => Db::fresh_on(engine, &server.url),
    };
    let body = if engine.is_mysql() { "VARCHAR(4000) CHARACTER SET utf8mb4" } else { "VARCHAR(4000)" };
    db.execute(&format!(
        "CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, body {body});
         CREATE TABLE log_entry (id INTEGER NOT NULL PRIMARY KEY, body {body})"
    ));
    for table in ["log", "log_entry"] {
        db.execute(&match engine {
            Engine::Sqlite => format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                 INSERT INTO {table} SELECT i, hex(zeroblob(400)) || i FROM n"
            ),
            Engine::Postgres => {
                format!(
                    "INSERT INTO {table} SELECT i, repeat('0', 800) || i FROM generate_series(1, 30000) AS i"
                )
            }
            Engine::Mysql => format!(
                "SET cte_max_recursion_depth = 30000; INSERT INTO {table} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL
                 SELECT i + 1 FROM n WHERE i < 30000) SELECT i, concat(repeat('0', 800), i) FROM n"
            ),
            Engine::Mariadb => {
                format!("INSERT INTO {table} SELECT seq, concat(repeat('0', 800), seq) FROM seq_1_to_30000")
            }
        });
    }
    db
}

/// Starts a migration and waits until rows are on their way.
pub fn loading(source: &Db, target: &Db) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args(["--progress", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    command.args(["--retry-for", "1"]);
    let mut running = Running::start(command).in_folder(folder);
    let under_way = running.until(&["\"phase\":\"load\"", "\"event\":\"rows\""]);
    assert!(under_way, "the run ended before a row was loaded\n{}", running.end());
    running
}

/// It failed, and says how to go on.
fn can_be_resumed(ran: &Ran) {
    error_shape(ran, 5);
    assert!(ran.stderr.contains("run the same command with --resume to go on"), "{ran}");
}

/// The same command again: it clears away what a dead server kept, and arrives.
fn succeeds(source: &Db, target: &Db) {
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    let differences = content::differences(&content::read(source), &content::read(target), &Renamed::new());
    assert_eq!(differences, Vec::<String>::new());
}

/// Nothing of a run is left on a private MariaDB server.
fn no_staging(server: &Private) {
    let list = "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'techcare%'";
    let left = crate::support::database::query(Engine::Mariadb, &server.url, list);
    assert_eq!(left, Vec::<Vec<_>>::new(), "left behind");
}

fn interrupted(engine: Engine, signal: &str) {
    let server = (engine != Engine::Sqlite).then(|| Private::start(engine));
    let source = large(Engine::Sqlite, None);
    let target = match &server {
        None => Db::fresh(engine),
        Some(server) => Db::fresh_on(engine, &server.url),
    };
    let running = loading(&source, &target);
    running.signal(signal);
    error_shape(&running.end(), 130);
    untouched(&target);
    if let Some(server) = server.as_ref().filter(|_| engine.is_mysql()) {
        no_staging(server);
    }
    succeeds(&source, &target);
}

#[test]
fn ctrl_c_while_loading_into_sqlite() {
    interrupted(Engine::Sqlite, "INT");
}

#[test]
fn ctrl_c_while_loading_into_postgres() {
    interrupted(Engine::Postgres, "INT");
}

#[test]
fn ctrl_c_while_loading_into_mariadb() {
    interrupted(Engine::Mariadb, "INT");
}

#[test]
fn sigterm_while_loading() {
    interrupted(Engine::Postgres, "TERM");
}

/// The target's server dies in the middle of the load.
fn target_dies(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let server = Private::start(engine);
    let source = large(Engine::Sqlite, None);
    let target = Db::fresh_on(engine, &server.url);
    let running = loading(&source, &target);
    server.halt();
    can_be_resumed(&running.end());
    server.restart();
    assert_eq!(content::tables(&target), Vec::<String>::new(), "something became visible");
    succeeds(&source, &target);
    if engine.is_mysql() {
        no_staging(&server);
    }
}

#[test]
fn postgres_dies_while_it_is_loaded() {
    target_dies(Engine::Postgres);
}

#[test]
fn mariadb_dies_while_it_is_loaded() {
    target_dies(Engine::Mariadb);
}

#[test]
fn mysql_dies_while_it_is_loaded() {
    target_dies(Engine::Mysql);
}

/// The source's server dies in the middle of the load.
fn source_dies(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let server = Private::start(engine);
    let source = large(engine, Some(&server));
    let target = Db::fresh(Engine::Sqlite);
    let running = loading(&source, &target);
    server.halt();
    can_be_resumed(&running.end());
    assert_eq!(content::tables(&target), Vec::<String>::new(), "something became visible");
    server.restart();
    succeeds(&source, &target);
}

#[test]
fn postgres_dies_while_it_is_read() {
    source_dies(Engine::Postgres);
}

#[test]
fn mariadb_dies_while_it_is_read() {
    source_dies(Engine::Mariadb);
}

#[test]
fn mysql_dies_while_it_is_read() {
    source_dies(Engine::Mysql);
}

/// Runs a shell line that ends in the migration, in a folder of its own.
fn in_shell(before: &str, source: &Db, target: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    binary::clean(&mut command, folder.path());
    let line = format!("{before}; exec \"$0\" migrate --source \"$1\" --target \"$2\"");
    command.args(["-c", &line, binary::PATH, &source.url, target]);
    Running::start(command).end()
}

#[test]
fn a_file_that_may_not_grow() {
    let source = large(Engine::Sqlite, None);
    let target = Db::fresh(Engine::Sqlite);
    let ran = in_shell("trap '' XFSZ; ulimit -f 4096", &source, &target.url);
    error_shape(&ran, 5);
    untouched(&target);
    succeeds(&source, &target);
}

#[test]
fn a_full_disk() {
    let source = large(Engine::Sqlite, None);
    let folder = tempfile::tempdir().unwrap();
    let mounted = |action: &str| {
        let mut command = Command::new(action);
        if action == "mount" {
            command.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]);
        }
        command.arg(folder.path()).output().is_ok_and(|done| done.status.success())
    };
    if !mounted("mount") {
        eprintln!("skipped: no right to mount a small tmpfs here; a_file_that_may_not_grow covers the rest");
        return;
    }
    let target = folder.path().join("new.db");
    let ran = in_shell(":", &source, &format!("sqlite:///{}", target.display()));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(mounted("umount"), "{}", Path::new(folder.path()).display());
    error_shape(&ran, 5);
    assert!(left.is_empty(), "left behind: {left:?}");
}
