//! Rows that a constraint of the target refuses and the source has not held to it, where the source does not say so by
//! itself: archives, which evaluate nothing, and domains. And constraints that only some servers take.

use serde_json::{Value, json};

use super::check::check;
use super::rows::{known_before, made};
use crate::bad_input::untouched;
use crate::support::binary;
use crate::support::database::{Db, Engine};
use crate::support::private::Private;

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

/// A portable backup, in a folder that goes with it.
pub(super) fn archive(db: &Db) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let to = ["--method", "portable", "--output-dir", kept.to_str().unwrap()];
    let backup = binary::run(&[&["backup", "--database", &db.url][..], &to].concat());
    assert_eq!(backup.code, 0, "{backup}");
    let files = std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "tcdb")).unwrap();
    (folder, file.to_str().unwrap().to_owned())
}

/// What `check` says of the archive is what `migrate` then does, by these rows; nothing is said of another code.
pub(super) fn known_of_archive(file: &str, to: Engine, code: &str, rows: u64, keys: &[&str]) {
    let target = Db::fresh(to);
    for ran in [check(file, &["--target", &target.url]), binary::migrate(file, &target.url, &[])] {
        let found = ran.json()["findings"].as_array().unwrap().clone();
        let found: Vec<&Value> = found.iter().filter(|f| f["severity"] == "blocker").collect();
        assert_eq!(found.len(), 1, "{to:?}: {ran}");
        assert_eq!(found[0]["code"], code, "{to:?}: {ran}");
        assert_eq!((&found[0]["rows"], &found[0]["keys"]), (&json!(rows), &json!(keys)), "{ran}");
    }
    untouched(&target);
}

#[test]
fn rows_that_their_domain_refuses_are_known_before_the_first_row() {
    if !Postgres.at_hand() {
        return;
    }
    let source = made(
        Postgres,
        "CREATE DOMAIN digit AS integer CONSTRAINT low CHECK (VALUE >= 0);
         CREATE TABLE t (id integer PRIMARY KEY, n digit);
         INSERT INTO t VALUES (1, 5), (2, 10), (3, NULL), (4, 11);
         ALTER DOMAIN digit ADD CONSTRAINT small CHECK (VALUE < 10) NOT VALID",
    );
    let (_folder, file) = archive(&source);
    for to in Engine::all() {
        known_before(&source, to, "check_violated", 2, &["id=2", "id=4"]);
        known_of_archive(&file, to, "check_violated", 2, &["id=2", "id=4"]);
    }
    source.execute("DELETE FROM t WHERE n > 9");
    for to in Engine::all() {
        let target = Db::fresh(to);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert!(ran.code <= 1, "{to:?}: {ran}");
        assert!(target.refuses("INSERT INTO t VALUES (9, 12)"), "{to:?}");
    }
}

/// A server of MySQL can be set to take foreign keys to columns that are no unique key, as MariaDB does.
#[test]
fn a_foreign_key_to_no_unique_key_goes_where_the_server_takes_it() {
    if !(Mysql.at_hand() && Mariadb.at_hand()) {
        return;
    }
    let source = made(
        Mariadb,
        "CREATE TABLE p (id INT PRIMARY KEY, n INT, KEY by_n (n));
         CREATE TABLE t (id INT PRIMARY KEY, n INT, CONSTRAINT to_n FOREIGN KEY (n) REFERENCES p (n));
         INSERT INTO p VALUES (1, 7), (2, 7); INSERT INTO t VALUES (1, 7)",
    );
    let server = Private::start(Mysql);
    let target = Db::fresh_on(Mysql, &server.url);
    let told = check(&source.url, &["--target", &target.url]);
    assert_eq!(told.json()["migration"]["would"], "refuse", "{told}");
    assert!(told.stdout.contains("foreign_key_not_carried"), "{told}");
    target.execute("SET GLOBAL restrict_fk_on_non_standard_key = OFF");
    let told = check(&source.url, &["--target", &target.url]);
    assert_eq!(told.code, 0, "{told}");
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(target.refuses("INSERT INTO t VALUES (2, 8)"), "{ran}");
    target.execute("INSERT INTO t VALUES (2, 7)");
}

#[test]
fn on_conflict_goes_from_one_sqlite_to_another() {
    let sql = "CREATE TABLE t (id INTEGER CONSTRAINT own PRIMARY KEY ON CONFLICT REPLACE AUTOINCREMENT,
                   code TEXT UNIQUE ON CONFLICT IGNORE, \"a b\" TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'x',
                   n INT CHECK (n > 0), CONSTRAINT pair UNIQUE (N, \"A B\") ON CONFLICT FAIL, CHECK (n < 9) ON CONFLICT IGNORE);
               CREATE TABLE k (a TEXT, b INT, PRIMARY KEY (a, b) ON CONFLICT IGNORE) WITHOUT ROWID;
               CREATE TABLE q (a INTEGER PRIMARY KEY DESC ON CONFLICT REPLACE, b TEXT);
               CREATE TABLE plain (a INT UNIQUE ON CONFLICT ABORT);
               INSERT INTO t VALUES (1, 'c', 'y', 1); INSERT INTO k VALUES ('a', 1); INSERT INTO q VALUES (1, 'old')";
    let source = made(Sqlite, sql);
    let (_folder, file) = archive(&source);
    for from in [&source.url, &file] {
        let target = Db::fresh(Sqlite);
        let ran = binary::migrate(from, &target.url, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        target.execute(
            "INSERT INTO t VALUES (1, 'd', NULL, 2); INSERT INTO t VALUES (2, 'd', 'z', 3); INSERT INTO k VALUES ('a', 1);
             INSERT INTO q VALUES (1, 'new'); INSERT INTO k VALUES ('a', 2)",
        );
        let text = |values: &[&str]| values.iter().map(|v| Some((*v).to_owned())).collect::<Vec<_>>();
        assert_eq!(target.query("SELECT * FROM t"), [text(&["1", "d", "x", "2"])], "{ran}");
        assert_eq!(target.query("SELECT * FROM k"), [text(&["a", "1"]), text(&["a", "2"])], "{ran}");
        assert_eq!(target.query("SELECT * FROM q"), [text(&["1", "new"])], "{ran}");
        // FAIL keeps what the statement did before, and CHECK passes over what it says.
        assert!(target.refuses("INSERT INTO t VALUES (7, 'e', 'x', 4), (8, 'f', 'x', 2), (9, 'g', 'x', 5)"));
        assert_eq!(target.value("SELECT count(*) FROM t WHERE id > 6").as_deref(), Some("1"));
        assert!(target.refuses("INSERT INTO t VALUES (10, 'h', 'x', 9)"));
    }
    // Nobody else has it, and ABORT is what everybody does.
    for to in Engine::servers() {
        let told = check(&source.url, &["--target", &Db::fresh(to).url]);
        let found = told.json()["findings"].as_array().unwrap().clone();
        let lost = found.iter().filter(|f| f["code"] == "constraint_not_carried").map(|f| f["table"].clone());
        assert_eq!(lost.collect::<Vec<_>>(), ["k", "q", "t"], "{told}");
    }
}
