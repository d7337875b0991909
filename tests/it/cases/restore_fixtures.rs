//! A90 with dumps that the programs printed once, and whose manifests tell no rows: newer programs print others, and these are put back all the same. What is
//! there afterwards is what the catalogue tells and what the routines do.

use std::path::{Path, PathBuf};

use super::restore_digests::{forge, untold};
use super::restore_programs::{Case, engines, staged};
use crate::support::database::{Db, Engine};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/dumps").join(name)
}

/// A database into which a fixture was put, in the place of one table.
fn restored(engine: Engine, name: &str) -> Case {
    let case = Case::new(engine);
    case.db.execute("CREATE TABLE before_ (id int NOT NULL PRIMARY KEY)");
    let ran = case.run(&["backup", "--database", &case.db.url, "--method", "native", "--compress", "none"]);
    assert_eq!(ran.code, 0, "{ran}");
    let backup = case.home.0.path().join(ran.json()["backup"].as_str().unwrap());
    forge(&backup, |_| std::fs::read(fixture(name)).unwrap());
    untold(&backup);
    let ran = case.restore(&backup, &["--no-backup"]);
    assert_eq!(ran.code, 0, "{name}: {ran}");
    assert_eq!(staged(&case.db), Vec::<String>::new(), "{name}");
    case
}

fn told(db: &Db, sql: &str) -> Vec<String> {
    db.query(sql).into_iter().flatten().flatten().collect()
}

#[test]
fn a90_dumps_of_both_programs_are_put_back() {
    for engine in engines() {
        let name = if engine == Engine::Mysql { "mysql-9.7.sql" } else { "mariadb-10.11.sql" };
        let case = restored(engine, name);
        let db = &case.db;
        let routines = "SELECT concat(routine_name, ' ', sql_mode) FROM information_schema.routines WHERE routine_schema = \
                        database() ORDER BY 1";
        assert_eq!(told(db, routines), ["f1 ", "f2 ", "p1 ANSI_QUOTES,NO_BACKSLASH_ESCAPES"], "{name}");
        let of_collation = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = database() AND \
                            database_collation = 'latin1_general_ci'";
        assert_eq!(told(db, of_collation), ["f2"], "{name}");
        let triggers = "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = database() ORDER BY \
                        action_order";
        assert_eq!(told(db, triggers), ["tr1", "tr2"], "{name}");
        let events = "SELECT concat(event_name, ' ', status, ' ', coalesce(execute_at, starts)) FROM \
                      information_schema.events WHERE event_schema = database() ORDER BY 1";
        let should = ["e1 DISABLED 2030-01-01 00:00:00", "e2 ENABLED 2031-01-01 00:00:00"];
        assert_eq!(told(db, events), should, "{name}");
        assert_eq!(told(db, "SELECT concat(id, a) FROM t ORDER BY id"), ["1x", "2ä;"], "{name}");
        assert_eq!(told(db, "SELECT f2()"), ["5"], "{name}");
        db.execute("CALL p1(1, @y)");
        assert_eq!(told(db, "SELECT txt FROM log"), ["a"], "{name}");
    }
}

#[test]
fn a90_a_dump_with_sequences_and_packages_is_put_back() {
    let case = restored(Engine::Mariadb, "mariadb-10.11-sequences.sql");
    let db = &case.db;
    db.execute("INSERT INTO t (txt) VALUES ('three'); SET sql_mode = ORACLE; CALL tools.note(7)");
    let rows = told(db, "SELECT concat(id, ' ', n, ' ', right(txt, 2)) FROM t ORDER BY id");
    assert_eq!(rows, ["50 -10 ne", "55 -40 wo", "85 -70 ee", "90 -100 76"]);
    assert_eq!(told(db, "SELECT count(*) FROM lasts"), ["4"]);
    let body = db.query("SHOW CREATE PACKAGE BODY tools")[0][2].clone().unwrap();
    assert!(body.starts_with("CREATE DEFINER=\"root\"@\"127.0.0.1\" PACKAGE BODY \"tools\""), "{body}");
    let shown = db.query("SHOW CREATE SEQUENCE tickets")[0][1].clone().unwrap();
    let should = "start with 50 minvalue 10 maxvalue 1000 increment by 5 cache 7 nocycle ENGINE=InnoDB";
    assert_eq!(shown, format!("CREATE SEQUENCE `tickets` {should}"));
}
