//! What a user can get wrong: each ends with the exit code of the contract, at most three lines that say what,
//! why and what next, one JSON document where that was asked for, and nothing changed.

use std::path::Path;

use crate::support::binary::{self, Ran, Running};
use crate::support::content;
use crate::support::database::{Db, Engine};

/// Runs in both formats and checks the shape of the refusal; the words have to be in it.
fn refused(args: &[&str], code: i32, words: &[&str]) -> Ran {
    refused_in(tempfile::tempdir().unwrap().path(), args, code, words)
}

fn refused_in(folder: &Path, args: &[&str], code: i32, words: &[&str]) -> Ran {
    let run = |args: &[&str]| {
        let mut command = binary::command(folder);
        command.args(args);
        Running::start(command).end()
    };
    let ran = run(args);
    error_shape(&ran, code);
    for word in words {
        assert!(ran.stderr.contains(word), "{word:?} is not said\n{args:?}: {ran}");
    }
    assert!(ran.stdout.is_empty(), "an error is not for stdout\n{ran}");

    let mut json = vec!["--format", "json"];
    json.extend_from_slice(args);
    let ran = run(&json);
    let document = ran.json();
    assert_eq!(ran.code, code, "{ran}");
    assert_eq!(document["exit_code"], code, "{ran}");
    assert!(document["error"]["what"].as_str().is_some_and(|what| !what.is_empty()), "{ran}");
    assert!(document["error"]["kind"].is_string(), "{ran}");
    ran
}

/// An error as people see it: the code, and one to three lines on stderr, warnings apart; among events it is the
/// last of them.
pub fn error_shape(ran: &Ran, code: i32) {
    assert_eq!(ran.code, code, "{ran}");
    let (events, lines): (Vec<_>, Vec<_>) = ran.stderr.lines().partition(|line| line.starts_with('{'));
    if let Some(last) = events.last() {
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["event"], "error", "{ran}");
    }
    let lines = lines.iter().filter(|line| !line.starts_with("warning: ")).count();
    assert!((1..=3).contains(&lines), "an error is one to three lines, this one has {lines}\n{ran}");
    assert!(!ran.stderr.contains("panicked"), "{ran}");
}

/// A small source that any target can take.
pub fn small() -> Db {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL);
         CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));
         INSERT INTO parent VALUES (1, 'one'), (2, 'two');
         INSERT INTO child VALUES (1, 2), (2, NULL)",
    );
    db
}

/// Neither a table nor anything in staging; on SQLite not even a file.
pub fn untouched(db: &Db) {
    match db.engine {
        Engine::Sqlite => {
            let folder = db.path().parent().unwrap();
            let files: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(files.is_empty(), "left behind: {files:?}");
        }
        Engine::Postgres => {
            assert_eq!(content::tables(db), Vec::<String>::new());
            let schemas = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'techcare%'";
            assert_eq!(db.query(schemas), Vec::<Vec<_>>::new(), "left behind");
        }
        Engine::Mariadb | Engine::Mysql => assert_eq!(content::tables(db), Vec::<String>::new()),
    }
}

#[test]
fn an_engine_that_is_not_supported() {
    let words = ["unsupported database type \"oracle\"", "use sqlite, postgresql or mysql"];
    refused(&["detect", "--database", "oracle"], 2, &words);
    refused(&["migrate", "--source", "oracle", "--target", "sqlite"], 2, &words);
    let target = small();
    refused(&["migrate", "--source", &target.url, "--target", "oracle"], 2, &words);
}

#[test]
fn a_file_that_does_not_exist() {
    let target = Db::fresh(Engine::Postgres);
    let ran = refused(
        &["migrate", "--source", "sqlite:////no/such/file.db", "--target", &target.url],
        3,
        &["/no/such/file.db"],
    );
    assert!(!Path::new("/no/such/file.db").exists(), "{ran}");
    untouched(&target);
}

#[test]
fn a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.db");
    std::fs::write(&file, "just some notes of mine\n".repeat(500)).unwrap();
    let target = Db::fresh(Engine::Sqlite);
    refused(&["migrate", "--source", file.to_str().unwrap(), "--target", &target.url], 3, &["notes.db"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "just some notes of mine\n".repeat(500));
    untouched(&target);
    // Nor is it a target: it is somebody's file.
    refused(&["migrate", "--source", &small().url, "--target", file.to_str().unwrap()], 3, &["notes.db"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "just some notes of mine\n".repeat(500));
}

/// The damage is in an index, which no migration reads.
#[test]
fn a_file_that_is_known_to_be_damaged() {
    use std::os::unix::fs::FileExt as _;
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO users VALUES (1, 'Ana'), (2, 'José');
         CREATE INDEX of_name ON users (name)",
    );
    let page: u64 =
        source.value("SELECT rootpage FROM sqlite_schema WHERE name = 'of_name'").unwrap().parse().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(source.path()).unwrap();
    file.write_all_at(&[0xA5; 4096], (page - 1) * 4096).unwrap();

    let target = Db::fresh(Engine::Sqlite);
    let args = ["migrate", "--source", &source.url, "--target", &target.url];
    refused(&args, 4, &["damaged", "--no-backup"]);
    untouched(&target);
    let ran = binary::migrate(&source.url, &target.url, &["--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(target.query("SELECT name FROM users").len(), 2);
}

#[test]
fn an_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.db");
    std::fs::write(&file, "").unwrap();
    let target = Db::fresh(Engine::Mariadb);
    refused(&["migrate", "--source", file.to_str().unwrap(), "--target", &target.url], 3, &["empty.db"]);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 0);
    untouched(&target);
}

#[test]
fn a_server_that_is_not_there() {
    let source = small();
    for url in
        ["postgresql://techcare:secret@127.0.0.1:1/techcare", "mysql://techcare:secret@127.0.0.1:1/techcare"]
    {
        for args in [
            ["migrate", "--source", &source.url, "--target", url],
            ["migrate", "--source", url, "--target", &source.url],
        ] {
            let ran = refused(&args, 3, &["127.0.0.1"]);
            assert!(
                !ran.stdout.contains("secret") && !ran.stderr.contains("secret"),
                "a password was shown\n{ran}"
            );
        }
    }
}

#[test]
fn a_wrong_password() {
    let source = small();
    for engine in Engine::servers() {
        let target = Db::fresh(engine);
        let user = format!("locked_{}", target.name());
        let (make, remove) = accounts(engine, &user);
        target.execute(&make);
        let server = engine.server();
        let host = server.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        let scheme = server.split(':').next().unwrap();
        let url = format!("{scheme}://{user}:wr0ng-guess@{host}/{}", target.name());
        let ran = refused(&["migrate", "--source", &source.url, "--target", &url], 3, &[&user]);
        assert!(!ran.stdout.contains("wr0ng-guess") && !ran.stderr.contains("wr0ng-guess"), "{ran}");
        untouched(&target);
        target.execute(&remove);
    }
}

/// Statements that make and remove an account that has to show a password and may do nothing else.
fn accounts(engine: Engine, user: &str) -> (String, String) {
    match engine {
        Engine::Postgres => (
            format!("CREATE ROLE {user} LOGIN PASSWORD 'right' IN ROLE with_password"),
            format!("DROP ROLE {user}"),
        ),
        _ => (
            format!("CREATE USER {user} IDENTIFIED BY 'right'; GRANT SELECT ON *.* TO {user}"),
            format!("DROP USER {user}"),
        ),
    }
}

#[test]
fn a_database_that_the_server_does_not_have() {
    let source = small();
    for engine in Engine::servers() {
        let server = engine.server();
        let url = format!("{}/no_such_database", server.rsplit_once('/').unwrap().0);
        refused(&["migrate", "--source", &source.url, "--target", &url], 3, &["no_such_database"]);
        refused(&["detect", "--database", &url], 3, &["no_such_database"]);
    }
}

#[test]
fn a_target_that_has_one_of_the_tables() {
    let source = small();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        target.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, mine VARCHAR(9)); INSERT INTO child VALUES (7, 'precious')");
        let before = content::read(&target);
        let ran = refused(&["migrate", "--source", &source.url, "--target", &target.url], 4, &["child"]);
        assert_eq!(content::tables(&target), ["child"], "{ran}");
        assert_eq!(
            content::differences(&before, &content::read(&target), &content::Renamed::new()),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_source_that_is_the_target() {
    let source = small();
    let before = std::fs::read(source.path()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(source.path(), &link).unwrap();
    let hard = folder.path().join("hard.db");
    std::fs::hard_link(source.path(), &hard).unwrap();
    for other in [source.path(), &link, &hard] {
        refused(&["migrate", "--source", &source.url, "--target", other.to_str().unwrap()], 4, &["same"]);
    }
    assert!(before == std::fs::read(source.path()).unwrap(), "the file was written to");

    for engine in Engine::servers() {
        let db = Db::fresh(engine);
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
        for other in [db.url.clone(), db.url.replace("127.0.0.1", "localhost")] {
            refused(&["migrate", "--source", &db.url, "--target", &other], 4, &["same"]);
        }
        assert_eq!(db.value("SELECT count(*) FROM t").as_deref(), Some("1"));
    }
}

#[test]
fn no_right_to_create() {
    let source = small();
    for engine in Engine::servers() {
        let target = Db::fresh(engine);
        let user = format!("reader_{}", target.name());
        let (make, remove) = accounts(engine, &user);
        target.execute(&make);
        let server = engine.server();
        let host = server.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        let url = format!("{}://{user}:right@{host}/{}", server.split(':').next().unwrap(), target.name());
        let ran = refused(&["migrate", "--source", &source.url, "--target", &url], 4, &[]);
        assert!(ran.json()["error"]["next"].as_str().is_some_and(|next| next.contains("GRANT")), "{ran}");
        untouched(&target);
        target.execute(&remove);
    }
}

#[test]
fn a_folder_where_nothing_may_be_written() {
    let source = small();
    refused(
        &["migrate", "--source", &source.url, "--target", "sqlite:////sys/kernel/new.db"],
        4,
        &["/sys/kernel"],
    );
}

#[test]
fn a_folder_that_does_not_exist() {
    let source = small();
    refused(
        &["migrate", "--source", &source.url, "--target", "sqlite:////no/such/folder/new.db"],
        3,
        &["/no/such/folder"],
    );
    assert!(!Path::new("/no/such").exists());
}
