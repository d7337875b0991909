//! A90 with what only MariaDB has: sequences, columns that take their values from one, and packages. SHOW CREATE, the row of a
//! sequence and what NEXT VALUE FOR hands out say the same as when the backup was made.

use super::restore_programs::{Account, Case, killed, same, staged, state};
use super::rollback::ours;
use crate::support::database::{self, Db, Engine};

/// Sequences of each kind, and one in every state that they can be in: fresh, in use, behind its start value, run out.
fn fill(db: &Db, definer: &str) {
    let name = db.name();
    db.execute(&format!(
        "CREATE SEQUENCE ids START WITH 50 MINVALUE 10 MAXVALUE 1000 INCREMENT BY 5 CACHE 7;
         CREATE SEQUENCE `do``wn` START WITH -1 INCREMENT BY -3 NOCACHE;
         CREATE SEQUENCE fresh COMMENT='it''s; new';
         CREATE SEQUENCE round START WITH 50 MINVALUE 10 MAXVALUE 55 CYCLE NOCACHE; ALTER SEQUENCE round RESTART WITH 11;
         CREATE SEQUENCE spent MAXVALUE 2 NOCACHE;
         CREATE SEQUENCE quiet CACHE 10 ENGINE=MyISAM;
         CREATE TABLE orders (id bigint NOT NULL DEFAULT NEXT VALUE FOR ids PRIMARY KEY, n bigint DEFAULT nextval(`do``wn`),
           code varchar(60) DEFAULT concat('é it''s \\\\ `{name}`.', nextval({name}.ids) * 10), txt varchar(200));
         CREATE TABLE copies (id bigint DEFAULT (nextval(ids) + 1), txt varchar(200) COMMENT 'nextval(`{name}`.`ids`)')
           WITH SYSTEM VERSIONING;
         INSERT INTO orders (txt) VALUES ('one; two'), ('it''s ;;');
         INSERT INTO copies (txt) VALUES ('nextval(`{name}`.`ids`)');
         SELECT nextval(spent), nextval(spent), nextval(quiet);
         CREATE VIEW lasts AS SELECT lastval(ids) AS id, o.txt FROM orders o;
         CREATE TRIGGER counted BEFORE INSERT ON copies FOR EACH ROW SET NEW.txt = concat(NEW.txt, nextval(fresh));
         SET sql_mode = ORACLE;
         CREATE DEFINER={definer} PACKAGE tools COMMENT 'it''s; //' AS
           PROCEDURE note(x int); FUNCTION twice(x int) RETURN int;
         END;
         CREATE DEFINER={definer} PACKAGE BODY tools AS
           calls int := 0;
           PROCEDURE hidden AS BEGIN calls := calls + 1; END;
           PROCEDURE note(x int) AS BEGIN hidden(); INSERT INTO orders (txt) VALUES ('DELIMITER ;;
         ' || x || calls); END;
           FUNCTION twice(x int) RETURN int AS BEGIN RETURN x * 2; END;
         BEGIN calls := 5;
         END;
         CREATE PACKAGE only AS PROCEDURE a(x int); END;
         CREATE PACKAGE \"body\" AS FUNCTION a RETURN int; END;
         CREATE PACKAGE BODY \"body\" AS FUNCTION a RETURN int AS BEGIN RETURN 1; END; END;
         CREATE VIEW doubled AS SELECT tools.twice(n) AS n FROM orders;
         CREATE FUNCTION plain(a int) RETURN int AS BEGIN RETURN tools.twice(a); END"
    ));
}

/// What happens between the backup and the day that it is needed.
fn use_it(db: &Db) {
    db.execute(
        "INSERT INTO orders (txt) VALUES ('three'); SELECT nextval(fresh), nextval(fresh);
         DROP SEQUENCE round; CREATE SEQUENCE newer START WITH 7; ALTER SEQUENCE spent MAXVALUE 100 CYCLE;
         CREATE TABLE later (id bigint NOT NULL DEFAULT nextval(newer) PRIMARY KEY, n bigint DEFAULT nextval(ids));
         INSERT INTO later (n) VALUES (1);
         DROP VIEW doubled;
         SET sql_mode = ORACLE; DROP PACKAGE only;
         CREATE OR REPLACE PACKAGE BODY \"body\" AS FUNCTION a RETURN int AS BEGIN RETURN 2; END; END;
         CREATE OR REPLACE PACKAGE tools AS FUNCTION twice(x int) RETURN int; END;
         CREATE OR REPLACE PACKAGE BODY tools AS FUNCTION twice(x int) RETURN int AS BEGIN RETURN x * 3; END; END;
         CREATE PACKAGE newer AS PROCEDURE a(x int); END;
         CREATE PACKAGE BODY newer AS PROCEDURE a(x int) AS BEGIN INSERT INTO later (id) VALUES (x); END; END",
    );
}

/// As the server tells of each table, with what its columns take their values from.
fn tables(db: &Db) -> String {
    let names = "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type IN \
                 ('BASE TABLE', 'SYSTEM VERSIONED') AND table_name NOT LIKE 'techcare%' ORDER BY 1";
    let shown = |name: Vec<Option<String>>| {
        db.query(&format!("SHOW CREATE TABLE {}", Engine::Mariadb.quote(name[0].as_deref().unwrap())))
    };
    format!("{:?}", db.query(names).into_iter().map(shown).collect::<Vec<_>>())
}

fn value(db: &Db, sql: &str) -> String {
    db.value(sql).unwrap()
}

/// What the sequences of [`fill`] hand out next, and what tables and packages make of it.
fn goes_on(db: &Db) {
    for (sequence, next) in
        [("ids", "85"), ("`do``wn`", "-7"), ("fresh", "1"), ("round", "11"), ("quiet", "11")]
    {
        assert_eq!(value(db, &format!("SELECT nextval({sequence})")), next, "{sequence}");
    }
    assert!(db.refuses("SELECT nextval(spent)"));
    db.execute("INSERT INTO orders (txt) VALUES ('next'); SET sql_mode = ORACLE; CALL tools.note(7)");
    // What a sequence has reserved is lost when any session has the server close its tables (FLUSH TABLES).
    let reserves = |sql: &str, last: i64, step: i64| {
        let next: i64 = value(db, sql).parse().unwrap();
        assert!(next > last && (next - last) % step == 0, "{sql}: {next} after {last}");
    };
    reserves("SELECT id FROM orders WHERE txt = 'next'", 85, 5);
    assert_eq!(value(db, "SELECT n FROM orders WHERE txt = 'next'"), "-10");
    assert_eq!(value(db, "SELECT right(txt, 2) FROM orders ORDER BY id DESC LIMIT 1"), "76");
    db.execute("INSERT INTO copies (txt) VALUES ('fired ')");
    reserves("SELECT substr(txt, 7) FROM copies WHERE txt LIKE 'fired%'", 1, 1);
    assert_eq!(value(db, "SELECT count(*) FROM lasts"), value(db, "SELECT count(*) FROM orders"));
    assert_eq!(value(db, "SELECT plain(21)"), "42");
}

#[test]
fn a90_sequences_and_packages_of_a_dump_are_put_back_and_taken_back() {
    let case = Case::new(Engine::Mariadb);
    let definer = Account::new(&case.db, "definer").granted(&format!("ALL ON {}.*", case.db.name()));
    fill(&case.db, &format!("{}@'%'", definer.name));
    let (before, made) = (state(&case.db), tables(&case.db));
    let backup = case.backup();
    use_it(&case.db);
    let (used, changed) = (state(&case.db), tables(&case.db));
    assert_ne!(used, before);

    let ran = case.restore(&backup, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    same(&state(&case.db), &before);
    assert_eq!(tables(&case.db), made);
    assert_eq!(staged(&case.db), Vec::<String>::new());
    goes_on(&case.db);
    let written = state(&case.db);

    case.take_back();
    same(&state(&case.db), &used);
    assert_eq!((tables(&case.db), staged(&case.db)), (changed, vec![]));
    // What the server had reserved in memory is skipped, as after a restart.
    case.db.execute("INSERT INTO later (n) VALUES (2)");
    assert_eq!(value(&case.db, "SELECT max(id) FROM later"), "1007");
    case.take_back();
    same(&state(&case.db), &written);
    assert_eq!(tables(&case.db), made);
}

/// In a database of another name, where none of the sequences is.
#[test]
fn a90_sequences_and_packages_of_a_dump_are_restored_where_there_is_nothing() {
    let (case, clean) = (Case::new(Engine::Mariadb), Case::new(Engine::Mariadb));
    fill(&case.db, "CURRENT_USER");
    let live = state(&case.db);
    let backup = case.backup();
    let ran = clean.restore(&backup, &["--from-other-database"]);
    assert_eq!(ran.code, 0, "{ran}");
    let named = |db: &Db| format!("{}{}", state(db), tables(db)).replace(db.name(), "DATABASE");
    let texts = |told: &str| told.replace(case.db.name(), "DATABASE");
    same(&texts(&named(&clean.db)), &named(&case.db));
    assert_eq!((ours(&clean.db), staged(&clean.db)), (vec![], vec![]));
    goes_on(&clean.db);
    same(&state(&case.db), &live);
    clean.take_back();
    // Nothing but the collation of the database.
    assert_eq!(state(&clean.db).lines().count(), 2, "{}", state(&clean.db));
}

/// An account that may do nothing on the server but in its own database.
#[test]
fn a90_sequences_and_packages_need_no_more_rights_than_tables_and_routines() {
    let case = Case::new(Engine::Mariadb);
    let account = Account::new(&case.db, "u")
        .granted(&format!("ALL ON {}.*", case.db.name()))
        .granted("ALL ON `techcare\\_db\\_%`.*");
    database::execute(
        Engine::Mariadb,
        &account.url(),
        "CREATE SEQUENCE ids; CREATE TABLE notes (id int NOT NULL DEFAULT nextval(ids) PRIMARY KEY);
         INSERT INTO notes VALUES (default), (default);
         SET sql_mode = ORACLE; CREATE PACKAGE tools AS FUNCTION one RETURN int; END;
         CREATE PACKAGE BODY tools AS FUNCTION one RETURN int AS BEGIN RETURN 1; END; END",
    );
    let before = state(&case.db);
    let backup = case.backup();
    case.db.execute(
        "DELETE FROM notes; ALTER SEQUENCE ids RESTART 5000; SET sql_mode = ORACLE; DROP PACKAGE tools",
    );
    let used = state(&case.db);
    let ran = case.restore_as(&account.url(), &backup, &["--from-other-database"]);
    assert_eq!(ran.code, 0, "{ran}");
    same(&state(&case.db), &before);
    case.take_back();
    same(&state(&case.db), &used);
    for kept in ours(&case.db) {
        case.db.execute(&format!("DROP DATABASE {kept}"));
    }
    case.db.execute(&format!("REVOKE CREATE ROUTINE ON {}.* FROM {}@'%'", case.db.name(), account.name));
    let ran = case.restore_as(&account.url(), &backup, &["--from-other-database", "--no-backup"]);
    case.refused(&ran, &["denied", "GRANT ALL"], &used);
}

/// Until 10.3.29 the program wrote a sequence as a table of one row, which makes one as well.
#[test]
fn a90_a_sequence_of_an_older_dump_is_put_back() {
    let case = Case::new(Engine::Mariadb);
    case.db
        .execute("CREATE SEQUENCE s; CREATE TABLE notes (id bigint NOT NULL DEFAULT nextval(s) PRIMARY KEY)");
    let backup = case.backup_by(
        "$program \"$@\" | sed 's/^DROP SEQUENCE/DROP TABLE/; s/^CREATE SEQUENCE.*/CREATE TABLE `s` (\\n  `next_not_cached_value` bigint(21) NOT \
         NULL,\\n  `minimum_value` bigint(21) NOT NULL,\\n  `maximum_value` bigint(21) NOT NULL,\\n  `start_value` bigint(21) \
         NOT NULL,\\n  `increment` bigint(21) NOT NULL,\\n  `cache_size` bigint(21) unsigned NOT NULL,\\n  `cycle_option` \
         tinyint(1) unsigned NOT NULL,\\n  `cycle_count` bigint(21) NOT NULL\\n) ENGINE=InnoDB SEQUENCE=1;/; \
         s/^DO SETVAL.*/INSERT INTO `s` VALUES (7,1,100,1,1,3,1,2);/'",
    );
    case.db.execute("DROP TABLE notes; DROP SEQUENCE s");
    let ran = case.restore(&backup, &["--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    let shown = format!("{:?}", case.db.query("SHOW CREATE SEQUENCE s"));
    assert!(shown.contains("maxvalue 100 increment by 1 cache 3 cycle"), "{shown}");
    case.db.execute("INSERT INTO notes VALUES (default)");
    assert_eq!(value(&case.db, "SELECT id FROM notes"), "7");
}

/// Whose sequence it is cannot be known then: that of the dump, or that of another database.
#[test]
fn a90_a_sequence_of_a_database_that_a_dump_does_not_name_is_refused() {
    let case = Case::new(Engine::Mariadb);
    case.db.execute(
        "CREATE SEQUENCE s; CREATE TABLE notes (id bigint NOT NULL DEFAULT nextval(s) PRIMARY KEY); INSERT INTO notes VALUES (1)",
    );
    let backup = case.backup_by("$program \"$@\" | sed '/^-- Host/d'");
    case.db.execute("DELETE FROM notes");
    let used = state(&case.db);
    let ran = case.restore(&backup, &["--no-backup"]);
    case.refused(&ran, &["sequence", "by hand"], &used);
}

/// A column may take its values from a sequence of another database, which stays where it is.
#[test]
fn a90_a_sequence_of_another_database_is_still_used() {
    let (case, other) = (Case::new(Engine::Mariadb), Db::fresh(Engine::Mariadb));
    other.execute("CREATE SEQUENCE s START WITH 100 NOCACHE");
    case.db.execute(&format!(
        "CREATE SEQUENCE s; CREATE TABLE notes (id bigint NOT NULL DEFAULT nextval({0}.s) PRIMARY KEY, n int DEFAULT nextval(s));
         CREATE VIEW both_ AS SELECT lastval(s) AS a, lastval({0}.s) AS b",
        other.name()
    ));
    let (before, made) = (state(&case.db), tables(&case.db));
    let backup = case.backup();
    case.db.execute("DROP VIEW both_; DROP TABLE notes; DROP SEQUENCE s");
    let ran = case.restore(&backup, &["--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    same(&state(&case.db), &before);
    assert_eq!(tables(&case.db), made);
    case.db.execute("INSERT INTO notes VALUES (default, default)");
    assert_eq!(value(&case.db, "SELECT concat(id, ' ', n) FROM notes"), "100 1");
}

/// An archive holds tables. Where the sequences are that they take values from, they still do.
#[test]
fn a90_tables_of_an_archive_take_their_values_from_the_sequences_that_are_there() {
    let case = Case::new(Engine::Mariadb);
    case.db.execute(
        "CREATE SEQUENCE s; CREATE SEQUENCE gone;
         CREATE TABLE notes (id bigint NOT NULL DEFAULT (nextval(s) * 10) PRIMARY KEY, n int DEFAULT nextval(gone));
         INSERT INTO notes VALUES (default, default)",
    );
    let defaults = || {
        let list = "SELECT column_default FROM information_schema.columns WHERE table_schema = database() AND table_name = 'notes'";
        case.db.query(list)
    };
    let made = defaults();
    let args = ["backup", "--database", &case.db.url, "--method", "portable"];
    let ran = case.run(&args);
    assert_eq!(ran.code, 0, "{ran}");
    let backup = case.home.0.path().join(ran.json()["backup"].as_str().unwrap());
    case.db.execute("DELETE FROM notes");
    // The sequences are left where they are, which is told.
    let ran = case.restore(&backup, &["--no-backup"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(!ran.json()["findings"].to_string().contains("default_not_carried"), "{ran}");
    assert_eq!(defaults(), made);
    case.db.execute("DROP TABLE notes; DROP SEQUENCE gone");
    let ran = case.restore(&backup, &["--no-backup"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert!(ran.json()["findings"].to_string().contains("default_not_carried"), "{ran}");
    case.db.execute("INSERT INTO notes (n) VALUES (5)");
    assert_eq!(value(&case.db, "SELECT count(*) FROM notes WHERE n = 5 AND id > 10"), "1");
}

#[test]
fn a90_a_killed_restore_of_sequences_and_packages_is_ended_by_the_next() {
    killed(Engine::Mariadb, |db| fill(db, "CURRENT_USER"), use_it);
}
