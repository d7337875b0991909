//! What may not be written or read: refused with what, why and what next, and nothing is there afterwards that was not
//! there before. Full disks are in `faults`.

use std::path::Path;
use std::process::Command;

use crate::bad_input::{error_shape, small, untouched};
use crate::support::binary::{self, Ran, Running};
use crate::support::database::{self, Db, Engine};
use crate::support::private::Private;

/// Runs as somebody whom the file system refuses something: root without root's rights, or whoever runs the tests.
fn run(folder: &Path, args: &[&str]) -> Ran {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = Command::new(if is_root { "setpriv" } else { binary::PATH });
    binary::clean(&mut command, folder);
    if is_root {
        command.args(["--bounding-set", "-all", "--inh-caps", "-all", binary::PATH]);
    }
    command.args(args);
    Running::start(command).end()
}

fn chmod(path: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
}

/// Refused, with three lines; the words are among them.
fn refused(ran: &Ran, codes: &[i32], words: &[&str]) {
    error_shape(ran, ran.code);
    assert!(codes.contains(&ran.code), "{ran}");
    for word in ["error: ", "why: ", "next: "].iter().chain(words) {
        assert!(ran.stderr.contains(word), "{word:?} is not said\n{ran}");
    }
}

/// Names and bytes of what is in a folder.
fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|e| e.path().is_file());
    let mut all: Vec<_> = entries
        .map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap_or_default()))
        .collect();
    all.sort();
    all
}

#[test]
fn a91_files_and_folders_that_may_not_be_written() {
    let source = small();
    let from = source.url.as_str();
    let app = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there.db");
    let there = rusqlite::Connection::open(&file).unwrap();
    there.execute_batch("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)").unwrap();
    drop(there);
    let before = listing(folder.path());
    // A file that may only be read.
    chmod(&file, "400");
    let ran = run(app.path(), &["migrate", "--source", from, "--target", file.to_str().unwrap()]);
    refused(&ran, &[4], &["there.db"]);
    assert!(before == listing(folder.path()), "{ran}");
    // A folder that may only be read, with and without a database in it.
    chmod(&file, "600");
    chmod(folder.path(), "500");
    for name in ["there.db", "new.db"] {
        let target = folder.path().join(name);
        let ran = run(app.path(), &["migrate", "--source", from, "--target", target.to_str().unwrap()]);
        refused(&ran, &[4], &[folder.path().to_str().unwrap()]);
        assert!(before == listing(folder.path()), "{ran}");
    }
    let dump = folder.path().join("new.sql");
    let ran = run(
        app.path(),
        &["migrate", "--source", from, "--target", "mysql", "--dump", dump.to_str().unwrap()],
    );
    refused(&ran, &[4], &["new.sql"]);
    chmod(folder.path(), "700");
    assert!(before == listing(folder.path()), "{ran}");
}

#[test]
fn a91_a_source_that_may_not_be_read() {
    let source = small();
    let app = tempfile::tempdir().unwrap();
    let target = Db::fresh(Engine::Postgres);
    chmod(source.path(), "000");
    let ran = run(app.path(), &["migrate", "--source", &source.url, "--target", &target.url]);
    refused(&ran, &[3, 4], &[source.path().to_str().unwrap()]);
    untouched(&target);
}

#[test]
fn a91_a_server_that_takes_no_writes() {
    let source = small();
    // PostgreSQL: so set for the database, as on a standby.
    let target = Db::fresh(Engine::Postgres);
    target.execute(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", target.name()));
    let ran = binary::run(&["migrate", "--source", &source.url, "--target", &target.url]);
    refused(&ran, &[4], &["read-only"]);
    untouched(&target);
    // MySQL and MariaDB: for everybody but administrators.
    for engine in [Engine::Mariadb, Engine::Mysql].into_iter().filter(|engine| engine.at_hand()) {
        let server = Private::start(engine);
        let target = Db::fresh_on(engine, &server.url);
        target.execute("CREATE USER mover IDENTIFIED BY ''");
        let rights = "ALTER, CREATE, DELETE, DROP, INDEX, INSERT, REFERENCES, SELECT, TRIGGER, UPDATE";
        target.execute(&format!("GRANT {rights} ON *.* TO mover; SET GLOBAL read_only = 1"));
        let url = target.url.replace("root@", "mover@");
        let ran = binary::run(&["migrate", "--source", &source.url, "--target", &url]);
        refused(&ran, &[4], &["read"]);
        database::execute(engine, &server.url, "SET GLOBAL read_only = 0");
        untouched(&target);
        let ran = binary::run(&["migrate", "--source", &source.url, "--target", &url]);
        assert_eq!(ran.code, 0, "{ran}");
    }
}

#[test]
fn a91_a_table_of_the_source_that_may_not_be_read() {
    for engine in Engine::servers() {
        let source = Db::fresh(engine);
        source.execute(
            "CREATE TABLE open (id INTEGER PRIMARY KEY); CREATE TABLE shut (id INTEGER PRIMARY KEY);
             INSERT INTO open VALUES (1); INSERT INTO shut VALUES (1)",
        );
        let user = format!("r_{}", source.name());
        let (make, name) = if engine == Engine::Postgres { ("ROLE", "LOGIN") } else { ("USER", "") };
        source.execute(&format!("CREATE {make} {user} {name}; GRANT SELECT ON open TO {user}"));
        let (head, place) = source.url.rsplit_once('@').unwrap();
        let url = format!("{}://{user}@{place}", head.split(':').next().unwrap());
        let target = Db::fresh(Engine::Sqlite);
        let run = |args: &[&str]| {
            binary::run(&[&["migrate", "--source", &url, "--target", &target.url], args].concat())
        };
        let ran = run(&[]);
        // The catalogue of MySQL does not even name the table.
        let said = if engine == Engine::Postgres { "shut" } else { source.name() };
        refused(&ran, &[4], &[said, "GRANT SELECT"]);
        untouched(&target);
        source.execute(&if engine == Engine::Postgres {
            format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")
        } else {
            format!("GRANT SELECT, TRIGGER, EVENT, EXECUTE ON {}.* TO {user}", source.name())
        });
        let ran = run(&[]);
        assert_eq!(ran.code, 0, "{ran}");
        assert_eq!(target.value("SELECT count(*) FROM shut").as_deref(), Some("1"));
        source.execute(&if engine == Engine::Postgres {
            format!("DROP OWNED BY {user}; DROP ROLE {user}")
        } else {
            format!("DROP USER {user}")
        });
    }
}
