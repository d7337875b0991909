//! Between two databases of one engine everything arrives as it is, whatever no other engine could hold.

use super::arrival::{migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Postgres, Sqlite};

#[test]
fn a42_infinite_dates_arrive_where_there_are_some() {
    let sql = "CREATE TABLE span (id int PRIMARY KEY, d date, t timestamp, z timestamptz);
               INSERT INTO span VALUES (1, 'infinity', '-infinity', 'infinity'), (2, '-infinity', 'infinity', '-infinity'),
                                       (3, '4713-01-01 BC', '200000-01-01', '4000-01-01 BC')";
    let arrived = migrate(Postgres, sql, Postgres).whole();
    let rows = |db: &Db| db.query("SELECT id, d, t, z FROM span ORDER BY id");
    assert_eq!(rows(&arrived.target), rows(&arrived.source));
    assert_eq!(arrived.target.value("SELECT d FROM span WHERE id = 1").as_deref(), Some("infinity"));
    // Elsewhere they are known before the first row.
    for to in [Sqlite, Mariadb] {
        migrate(Postgres, sql, to).refused(&["datetime_range", "id=1", "id=2"]);
    }
    let target = Db::fresh(Sqlite);
    let ran = binary::migrate(&arrived.source.url, &target.url, &["--on-bad-row", "reject"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert_eq!(target.value("SELECT count(*) FROM span").as_deref(), Some("0"));
}

#[test]
fn a36_dates_of_no_calendar_arrive_in_mysql() {
    let sql = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
               CREATE TABLE visit (id INT PRIMARY KEY, d DATE NOT NULL, t DATETIME(3), s TIMESTAMP NULL,
                                   mood ENUM('good', 'bad') NOT NULL, UNIQUE KEY by_day (d, id));
               INSERT INTO visit VALUES (1, '0000-00-00', '2024-02-31 01:02:03.004', '2024-01-02 03:04:05', 'good'),
                                        (2, '2024-00-10', '0000-00-00 00:00:00', NULL, 'elsewhere'),
                                        (3, '9999-12-31', '1000-01-01 00:00:00.001', NULL, 'bad')";
    let mysqls: Vec<Engine> = Engine::mysqls().collect();
    for from in &mysqls {
        for to in &mysqls {
            let arrived = migrate(*from, sql, *to).whole();
            let ask = "SELECT id, CAST(d AS CHAR), CAST(t AS CHAR), CAST(s AS CHAR), mood, mood + 0 FROM visit ORDER BY id";
            let rows = arrived.target.query(ask);
            assert_eq!(rows, arrived.source.query(ask), "{from:?} → {to:?}");
            assert_eq!((rows[0][1].as_deref(), rows[1][5].as_deref()), (Some("0000-00-00"), Some("0")));
            // The server of the target is as strict as before.
            assert!(
                arrived.target.refuses("INSERT INTO visit VALUES (9, '2024-01-01', NULL, NULL, 'elsewhere')")
            );
        }
    }
}

#[test]
fn a55_the_numbers_in_the_header_of_a_file_stay() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);
               PRAGMA user_version = 42; PRAGMA application_id = -7";
    let arrived = migrate(Sqlite, sql, Sqlite).whole();
    let numbers =
        |db: &Db| [db.value("PRAGMA user_version").unwrap(), db.value("PRAGMA application_id").unwrap()];
    assert_eq!(numbers(&arrived.target), ["42", "-7"]);
    // A file that has tables of its own.
    let target = Db::fresh(Sqlite);
    target.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
    let ran = binary::migrate(&arrived.source.url, &target.url, &[]);
    assert_eq!((ran.code, numbers(&target)), (0, ["42".to_owned(), "-7".to_owned()]), "{ran}");
    // Where a database has no such numbers, they are named.
    let elsewhere = onward(arrived.target, Postgres).done();
    let told = elsewhere.findings("object_not_carried");
    let texts: Vec<&str> = told.iter().filter_map(|f| f["text"].as_str()).collect();
    assert_eq!(texts, ["PRAGMA application_id = -7", "PRAGMA user_version = 42"], "{}", elsewhere.ran);
}

#[test]
fn a47_a_primary_key_keeps_its_own_collation_and_order() {
    let sql =
        "CREATE TABLE word (lang TEXT, word TEXT, n INTEGER, PRIMARY KEY (lang DESC, word COLLATE NOCASE));
               CREATE TABLE tag (tag TEXT, PRIMARY KEY (tag COLLATE NOCASE DESC)) WITHOUT ROWID;
               INSERT INTO word VALUES ('en', 'cat', 1), ('de', 'cat', 2); INSERT INTO tag VALUES ('red')";
    let bad = ["INSERT INTO word VALUES ('en', 'CAT', 3)", "INSERT INTO tag VALUES ('RED')"];
    for to in Engine::all() {
        let arrived = migrate(Sqlite, sql, to).done();
        for bad in bad {
            assert!(arrived.target.refuses(bad), "{to:?} takes {bad}: {}", arrived.ran);
        }
        let told = arrived.findings("index_simplified").len();
        assert_eq!(told, if to == Sqlite { 0 } else { 2 }, "{to:?}: {}", arrived.ran);
        if to == Sqlite {
            let key =
                "SELECT name, \"desc\", coll FROM pragma_index_xinfo('sqlite_autoindex_word_1') WHERE key";
            assert_eq!(arrived.target.query(key), arrived.source.query(key));
        }
    }
    let sql = "CREATE TABLE word (a INT, b INT, PRIMARY KEY (a, b DESC)); INSERT INTO word VALUES (1, 2)";
    for engine in Engine::mysqls() {
        let arrived = migrate(engine, sql, engine).whole();
        let order = "SELECT collation FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY seq_in_index";
        assert_eq!(arrived.target.query(order), arrived.source.query(order), "{engine:?}");
    }
}

#[test]
fn a28_rows_that_a_rule_leaves_behind_may_hold_anything() {
    let source = Db::fresh(Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, s VARCHAR(3));
         INSERT INTO t VALUES (1, 5, 'abc'), (2, 'bad', 'far too long'), (3, 6, NULL)",
    );
    let folder = tempfile::tempdir().unwrap();
    let rules = "[[rules]]\ntable = 't'\nwhere = 'id <> 2'\n";
    std::fs::write(folder.path().join("techcare-db.toml"), rules).unwrap();
    for to in Engine::all() {
        let target = Db::fresh(to);
        let mut command = binary::command(folder.path());
        command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
        let ran = binary::Running::start(command).end();
        assert!(ran.code <= 1, "{to:?}: {ran}");
        assert!(
            !ran.stdout.contains("wrong_storage_class") && !ran.stdout.contains("widened"),
            "{to:?}: {ran}"
        );
        assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("2"), "{to:?}");
    }
}

#[test]
fn a66_exclusion_constraints_go_where_there_are_some_and_stop_elsewhere() {
    let sql = "CREATE TABLE booking (id int PRIMARY KEY, during int4range,
                   CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WHERE (id > 0) DEFERRABLE);
               INSERT INTO booking VALUES (1, '[1,5)'), (2, '[5,9)')";
    let arrived = migrate(Postgres, sql, Postgres).whole();
    assert!(arrived.target.refuses("INSERT INTO booking VALUES (3, '[4,6)')"));
    let ask = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'no_overlap'";
    assert_eq!(arrived.target.query(ask), arrived.source.query(ask));
    for to in [Sqlite, Mariadb] {
        let refused = migrate(Postgres, sql, to).refused(&["booking", "no_overlap", "EXCLUDE USING gist"]);
        let target = Db::fresh(to);
        let accept = ["--accept", "constraint_not_carried@booking.no_overlap"];
        let ran = binary::migrate(&refused.source.url, &target.url, &accept);
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
    }
}

#[test]
fn a62_orphans_are_found_in_tables_that_a_rule_renames() {
    let rules = "[[rules]]\ntable = 'parent'\nrename = 'top'\n[rules.columns.id]\nrename = 'number'\n\
                 [[rules]]\ntable = 'child'\nrename = 'kid'\n[rules.columns.parent]\nrename = 'above'\n";
    for from in Engine::all() {
        let source = Db::fresh(from);
        let unchecked = match from {
            Sqlite => "PRAGMA foreign_keys = OFF",
            Postgres => "SET session_replication_role = replica",
            Mariadb | Engine::Mysql => "SET SESSION foreign_key_checks = 0",
        };
        source.execute(&format!(
            "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY);
             CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, parent INTEGER, FOREIGN KEY (parent) REFERENCES parent (id));
             {unchecked}; INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1), (2, 9)"
        ));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("techcare-db.toml"), rules).unwrap();
        let target = Db::fresh(Sqlite);
        let mut command = binary::command(folder.path());
        command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
        let ran = binary::Running::start(command).end();
        assert_eq!(ran.code, 4, "{from:?}: {ran}");
        let json = ran.json();
        let found = json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "orphans");
        let found = found.unwrap_or_else(|| panic!("{from:?}: {ran}"));
        assert_eq!(
            (&found["table"], &found["column"]),
            (&"child".into(), &"parent".into()),
            "{from:?}: {ran}"
        );
        assert_eq!(found["keys"], serde_json::json!(["id=2"]), "{from:?}: {ran}");
    }
}
