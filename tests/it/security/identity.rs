//! Source and target are told apart by what they are and not by what they are called, and a source is afterwards what
//! it was before, byte for byte.

use std::path::Path;
use std::time::SystemTime;

use crate::support::binary::{self, Running};
use crate::support::database::{Db, Engine};

/// The same server's database through its socket.
fn through_the_socket(db: &Db) -> String {
    let (head, place) = db.url.rsplit_once('@').unwrap();
    let (place, name) = place.split_once('/').unwrap();
    if db.engine == Engine::Postgres {
        let folder = db.value("SHOW unix_socket_directories").unwrap();
        let port = place.split_once(':').unwrap().1;
        format!("{head}@/{name}?host={folder}&port={port}")
    } else {
        let socket = db.value("SELECT @@socket").unwrap();
        format!("{head}@localhost/{name}?unix_socket={socket}")
    }
}

#[test]
fn a_socket_and_a_port_lead_to_one_database() {
    for engine in Engine::servers() {
        let db = Db::fresh(engine);
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
        let socket = through_the_socket(&db);
        let seen = binary::run(&["--format", "json", "detect", "--database", &socket]);
        assert_eq!(seen.code, 0, "{seen}");
        for (source, target) in [(&db.url, &socket), (&socket, &db.url), (&socket, &socket)] {
            let ran = binary::migrate(source, target, &[]);
            assert_eq!(ran.code, 4, "{ran}");
            assert!(ran.json()["error"]["what"].as_str().unwrap().contains("same database"), "{ran}");
        }
        assert_eq!(db.value("SELECT count(*) FROM t").as_deref(), Some("1"));
        // Its neighbour on the same server is another one.
        let other = Db::fresh(engine);
        let ran = binary::migrate(&socket, &other.url, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        assert_eq!(other.value("SELECT count(*) FROM t").as_deref(), Some("1"));
    }
}

/// Everything in a folder: names, bytes, times of the last change.
fn state(folder: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(Result::unwrap)
        .map(|entry| {
            let changed = entry.metadata().unwrap().modified().unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap(), changed)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_source_file_is_the_same_afterwards() {
    let targets: Vec<Db> = Engine::all().into_iter().map(Db::fresh).collect();
    for journal in ["DELETE", "WAL"] {
        let source = Db::fresh(Engine::Sqlite);
        source.execute(&format!(
            "PRAGMA journal_mode = {journal};
             CREATE TABLE t_{journal} (id INTEGER PRIMARY KEY, note TEXT, bad INTEGER);
             CREATE VIEW v AS SELECT * FROM t_{journal};
             INSERT INTO t_{journal} VALUES (1, 'one', 1), (2, 'two', 'two')"
        ));
        let (url, folder) = (&source.url, source.path().parent().unwrap());
        let before = state(folder);
        assert_eq!(before.len(), 1, "{before:?}");
        let unchanged = |args: &[&str]| {
            let app = tempfile::tempdir().unwrap();
            let mut command = binary::command(app.path());
            let ran = Running::start({
                command.args(args);
                command
            })
            .end();
            let after = state(folder);
            let names = |state: &[(String, Vec<u8>, SystemTime)]| {
                state.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&after), names(&before), "{journal} {args:?}: {ran}");
            assert!(after == before, "{journal} {args:?}: bytes or time changed\n{ran}");
            ran
        };
        unchanged(&["detect", "--database", url]);
        unchanged(&["check", "--database", url]);
        unchanged(&["backup", "--database", url]);
        for target in &targets {
            unchanged(&["check", "--database", url, "--target", &target.url]);
            unchanged(&["migrate", "--source", url, "--target", &target.url]);
            let ran =
                unchanged(&["migrate", "--source", url, "--target", &target.url, "--on-bad-row", "reject"]);
            assert!(ran.code <= 1 || target.engine == Engine::Sqlite, "{ran}");
            unchanged(&["check", "--database", url, "--against", &target.url]);
        }
    }
}
