//! A disk that is full while a backup is put back: the target is as it was, and nothing stays of the attempt. Full is what a limit on
//! the size of files makes it (`ulimit -f`).

use std::process::Command;

use super::rollback::{Home, ours};
use crate::support::binary::{self, Ran, Running};
use crate::support::content;
use crate::support::database::{Db, Engine};

/// Runs with no file larger than so many blocks (of 512 bytes in dash, of 1024 in bash).
fn limited(home: &Home, blocks: u32, args: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    binary::clean(&mut command, home.0.path());
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""), binary::PATH]);
    command.args(args);
    Running::start(command).end()
}

#[test]
fn a90_a_disk_that_is_full_leaves_the_file_as_it_was() {
    for form in ["native", "portable"] {
        let (home, db) = (Home::new(), Db::fresh(Engine::Sqlite));
        db.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO t SELECT i, randomblob(1000) FROM n",
        );
        let backup = home.backup(&db, &["--method", form]);
        db.execute("DELETE FROM t WHERE id > 10; VACUUM");
        let before = std::fs::read(db.path()).unwrap();
        let backup = backup.to_str().unwrap();
        for more in [&[][..], &["--no-backup"]] {
            let args = ["rollback", "--yes", "--database", &db.url, "--backup", backup];
            let ran = limited(&home, 2048, &[&args[..], more].concat());
            assert_eq!(ran.code, 5, "{form}: {ran}");
            assert!(std::fs::read(db.path()).unwrap() == before, "{form}: {ran}");
            assert_eq!(ours(&db), Vec::<String>::new(), "{form}: {ran}");
        }
        let ran = home.restore(&db, backup.as_ref(), &["--yes", "--no-backup"]);
        assert_eq!((ran.code, db.value("SELECT count(*) FROM t").as_deref()), (0, Some("3000")), "{ran}");
    }
}

/// The run cannot be written down, so nothing is switched on.
#[test]
fn a90_a_history_that_cannot_be_written_leaves_the_database_as_it_was() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Postgres));
    for name in ["one", "two", "three", "four", "five"] {
        db.execute(&format!("CREATE TABLE {name} (id int PRIMARY KEY); INSERT INTO {name} VALUES (1), (2)"));
    }
    let backup = home.backup(&db, &["--method", "portable"]);
    db.execute("DELETE FROM one; DELETE FROM two");
    let before = rows(&db);
    let args = ["rollback", "--yes", "--no-backup", "--database", &db.url, "--backup"];
    let ran = limited(&home, 1, &[&args[..], &[backup.to_str().unwrap()]].concat());
    assert_eq!(ran.code, 5, "{ran}");
    assert!(ran.stderr.contains("cannot write the history of runs"), "{ran}");
    assert!(rows(&db) == before, "{ran}");
    assert_eq!(ours(&db), Vec::<String>::new(), "{ran}");
    let left: Vec<_> = std::fs::read_dir(home.0.path().join("history")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    assert_eq!((ran.code, db.value("SELECT count(*) FROM one").as_deref()), (0, Some("2")), "{ran}");
}

/// Every row of the database.
fn rows(db: &Db) -> String {
    format!("{:?}", content::read(db))
}
