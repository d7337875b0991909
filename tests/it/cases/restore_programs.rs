//! A90 with what no statement of MySQL and MariaDB moves: a dump with routines, triggers and events is put back and taken
//! back, and the catalogue says of each of them what it said before, down to the session that made it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::rollback::{Home, ours};
use crate::support::binary::{self, Ran, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::content;
use crate::support::database::{self, Db, Engine};
use crate::support::json_schema;

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// MariaDB, and MySQL where its own dump program is here too.
pub fn engines() -> Vec<Engine> {
    Engine::mysqls().filter(|engine| *engine != Engine::Mysql || mysqldump().is_some()).collect()
}

/// The folder with MySQL's own dump program. That of MariaDB, which may have the same name, does not know the server.
pub fn mysqldump() -> Option<PathBuf> {
    let folder = std::env::var_os("TECHCARE_DB_TEST_MYSQLDUMP").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("MySQL skipped: no mysqldump of it here (TECHCARE_DB_TEST_MYSQLDUMP is not set)");
    }
    folder
}

/// A database, and the folder of the application that uses it.
pub struct Case {
    pub home: Home,
    pub db: Db,
}

impl Case {
    pub fn new(engine: Engine) -> Self {
        Self { home: Home::new(), db: Db::fresh(engine) }
    }

    pub fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = binary::command(self.home.0.path());
        if let Some(folder) = mysqldump() {
            let path = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{path}", folder.display()));
        }
        command.args(["--format", "json"]).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Running::start(self.command(args)).end()
    }

    pub fn backup(&self) -> PathBuf {
        let ran = self.run(&["backup", "--database", &self.db.url, "--method", "native"]);
        assert_eq!(ran.code, 0, "{ran}");
        self.home.0.path().join(ran.json()["backup"].as_str().unwrap())
    }

    /// A backup by a program in the place of the dump program, which it finds in `$program`.
    pub fn backup_by(&self, script: &str) -> PathBuf {
        let programs = tempfile::tempdir().unwrap();
        let name = if self.db.engine == Engine::Mysql { "mysqldump" } else { "mariadb-dump" };
        let mut command = self.command(&["backup", "--database", &self.db.url, "--method", "native"]);
        let of_command = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
        let path =
            of_command.map_or_else(|| std::env::var("PATH").unwrap(), |path| path.to_str().unwrap().into());
        let program = programs.path().join(name);
        let script = format!("#!/bin/sh\nPATH='{path}'\nprogram={name}\n{script}\n");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        command.env("PATH", format!("{}:{path}", programs.path().display()));
        let ran = Running::start(command).end();
        assert_eq!(ran.code, 0, "{ran}");
        self.home.0.path().join(ran.json()["backup"].as_str().unwrap())
    }

    pub fn restore(&self, backup: &Path, more: &[&str]) -> Ran {
        self.restore_as(&self.db.url, backup, more)
    }

    pub fn restore_as(&self, url: &str, backup: &Path, more: &[&str]) -> Ran {
        let args = ["rollback", "--yes", "--database", url, "--backup", backup.to_str().unwrap()];
        let ran = self.run(&[&args[..], more].concat());
        json_schema::fits("rollback", &ran);
        ran
    }

    /// Takes the newest run back that can be.
    pub fn take_back(&self) {
        let run = self.home.newest(&self.db);
        let back = self.run(&["rollback", "--yes", "--database", &self.db.url, "--run", &run]);
        assert_eq!(back.code, 0, "{back}");
    }

    /// The newest restore that can be taken back.
    fn standing(&self) -> Option<String> {
        let list = self.home.rollback(&self.db, &["--list"]).json();
        let runs = list["runs"].as_array().unwrap();
        let run = runs.iter().find(|run| run["can_be_undone"] == true && run["command"] == "restore")?;
        Some(run["run_id"].as_str().unwrap().to_owned())
    }

    /// Refused, with these words, and everything is as it was.
    pub fn refused(&self, ran: &Ran, words: &[&str], was: &str) {
        assert_eq!(ran.code, 4, "{ran}");
        for word in words {
            assert!(ran.stderr.contains(word), "{word}: {ran}");
        }
        same(&state(&self.db), was);
        assert_eq!((staged(&self.db), ours(&self.db)), (vec![], vec![]), "{ran}");
    }
}

/// Everything of a database that a dump holds, a line each: rows, and what the catalogue tells of the rest. MySQL takes the
/// semicolon that ends a statement for a part of the text where another statement follows in the same packet, as here.
pub fn state(db: &Db) -> String {
    let told = [
        "SELECT specific_name, routine_type, dtd_identifier, trim(TRAILING ';' FROM routine_definition), is_deterministic, sql_data_access, \
         security_type, sql_mode, routine_comment, definer, character_set_client, collation_connection, database_collation \
         FROM information_schema.routines WHERE routine_schema = database() ORDER BY 2, 1",
        "SELECT specific_name, ordinal_position, parameter_mode, parameter_name, dtd_identifier, collation_name \
         FROM information_schema.parameters WHERE specific_schema = database() ORDER BY 1, 2",
        "SELECT trigger_name, event_manipulation, event_object_table, action_order, trim(TRAILING ';' FROM action_statement), action_timing, \
         sql_mode, definer, character_set_client, collation_connection, database_collation FROM information_schema.triggers \
         WHERE trigger_schema = database() ORDER BY 3, 6, 2, 4",
        "SELECT event_name, definer, time_zone, trim(TRAILING ';' FROM event_definition), event_type, execute_at, interval_value, interval_field, \
         sql_mode, starts, ends, status, on_completion, event_comment, character_set_client, collation_connection, \
         database_collation FROM information_schema.events WHERE event_schema = database() ORDER BY 1",
        "SELECT table_name, view_definition, definer FROM information_schema.views WHERE table_schema = database() \
         ORDER BY 1",
        "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = database()",
        "SELECT table_name, column_name, column_default FROM information_schema.columns WHERE table_schema = database() \
         AND column_default LIKE '%nextval%' AND table_name NOT LIKE 'techcare%' ORDER BY 1, 2",
    ];
    let mut lines: Vec<String> =
        told.iter().flat_map(|sql| db.query(sql)).map(|row| format!("{row:?}")).collect();
    lines.extend(sequences(db));
    lines.push(rows(db));
    lines.join("\n")
}

/// What SHOW CREATE tells of each sequence and package of MariaDB, and where a sequence stands.
fn sequences(db: &Db) -> Vec<String> {
    let names = |sql: &str| db.query(sql).into_iter().filter_map(|mut row| row.remove(0));
    let quote = |name: String| Engine::Mariadb.quote(&name);
    let mut lines = Vec::new();
    for name in names(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND table_type = 'SEQUENCE' \
         AND table_name NOT LIKE 'techcare%' ORDER BY 1",
    ) {
        lines.push(format!("{:?}", db.query(&format!("SHOW CREATE SEQUENCE {}", quote(name.clone())))));
        lines.push(format!("{:?}", db.query(&format!("SELECT * FROM {}", quote(name)))));
    }
    for kind in ["PACKAGE", "PACKAGE BODY"] {
        for name in names(&format!(
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = database() AND routine_type = \
             '{kind}' ORDER BY 1"
        )) {
            lines.push(format!("{:?}", db.query(&format!("SHOW CREATE {kind} {}", quote(name)))));
        }
    }
    lines
}

fn rows(db: &Db) -> String {
    format!("{:?}", content::read(db))
}

/// Shows the lines that differ.
pub fn same(is: &str, should: &str) {
    let only = |a: &str, b: &str| {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n")
    };
    assert!(is == should, "only now:\n{}\nonly before:\n{}", only(is, should), only(should, is));
}

/// What runs have staged, or made to try something, and nobody has taken away.
pub fn staged(db: &Db) -> Vec<String> {
    let routines = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = database() AND \
                    routine_name LIKE 'techcare%'";
    let markers = "SHOW TABLES LIKE 'techcare\\_db\\_switch%'";
    let own = [routines, markers].into_iter().flat_map(|sql| db.query(sql)).flatten().flatten();
    own.chain(db.marked("techcare_db_stage_")).collect()
}

/// An account of one test.
pub struct Account<'a> {
    db: &'a Db,
    pub name: String,
}

impl<'a> Account<'a> {
    pub fn new(db: &'a Db, word: &str) -> Self {
        let name = format!("{}_{word}", db.name());
        db.execute(&format!("CREATE USER {name}@'%'"));
        Self { db, name }
    }

    pub fn granted(self, what: &str) -> Self {
        self.db.execute(&format!("GRANT {what} TO {}@'%'", self.name));
        self
    }

    pub fn url(&self) -> String {
        self.db.url.replacen("root@", &format!("{}@", self.name), 1)
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let _ = self.db.refuses(&format!("DROP USER IF EXISTS {}@'%'", self.name));
    }
}

/// Tables whose triggers, routines and events differ in all that a session leaves on them.
fn fill(db: &Db, definer: &str) {
    db.execute(&format!(
        "CREATE TABLE notes (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, txt varchar(200), n int NOT NULL DEFAULT 0);
         CREATE TABLE log (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, txt varchar(200));
         INSERT INTO notes (txt, n) VALUES ('one; two', 1), ('it''s ;;', 2);
         CREATE TRIGGER first BEFORE INSERT ON notes FOR EACH ROW
           BEGIN DECLARE x int; SET x = 1; IF NEW.n < 0 THEN SET NEW.n = 0; END IF; SET NEW.n = NEW.n + x; END;
         CREATE TRIGGER second BEFORE INSERT ON notes FOR EACH ROW FOLLOWS first SET NEW.n = NEW.n * 10;
         CREATE DEFINER={definer} TRIGGER noted AFTER INSERT ON notes FOR EACH ROW
           INSERT INTO log (txt) VALUES (concat('DELIMITER ;
         ', NEW.txt, ' it''s \\\\ /* no comment */ -- ;;'));
         CREATE DEFINER={definer} PROCEDURE tidy(IN days int, OUT told text CHARACTER SET latin1) SQL SECURITY INVOKER
           COMMENT 'it''s; ;;' MODIFIES SQL DATA
           BEGIN /* one; ' */ # two; '
             -- three; '
             WHILE days > 0 DO SET days = days - 1; DELETE FROM log WHERE id = days; END WHILE;
             SELECT CASE WHEN days = 0 THEN 'é' ELSE ';' END INTO told;
           END;
         CREATE FUNCTION twice(a int) RETURNS int DETERMINISTIC RETURN a * 2;
         CREATE VIEW doubled AS SELECT id, twice(n) AS n FROM notes;
         CREATE EVENT later ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 00:00:00' COMMENT 'ON COMPLETION PRESERVE ENABLE'
           DO BEGIN DELETE FROM log; DELETE FROM notes; END;
         SET time_zone = '+02:00';
         CREATE EVENT paused ON SCHEDULE AT '2035-06-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO DELETE FROM log;
         SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';
         CREATE FUNCTION \"odd \"\"name\"(\"a b\" varchar(20)) RETURNS varchar(60) CHARACTER SET utf8mb4 NO SQL
           RETURN '\\' || \"a b\" || ';';
         CREATE TRIGGER slashed BEFORE UPDATE ON \"notes\" FOR EACH ROW SET NEW.txt = NEW.txt || '\\';
         SET sql_mode = '';
         SET collation_connection = utf8mb4_bin;
         CREATE FUNCTION plain() RETURNS int RETURN 'a' = 'A'"
    ));
    // The collation of the database is another by the time that these are made.
    db.execute(&format!(
        "ALTER DATABASE {0} CHARACTER SET latin1 COLLATE latin1_bin;
         CREATE FUNCTION early(a varchar(10)) RETURNS varchar(20) DETERMINISTIC RETURN concat(a, 'x');
         CREATE TRIGGER early BEFORE DELETE ON log FOR EACH ROW SET @gone = OLD.id;
         ALTER DATABASE {0} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        db.name()
    ));
    db.execute("INSERT INTO notes (txt, n) VALUES ('three', 3)");
}

/// What happens between the backup and the day that it is needed.
fn use_it(db: &Db) {
    db.execute(
        "UPDATE notes SET txt = 'changed'; DROP TRIGGER second; DROP TRIGGER noted; DROP PROCEDURE tidy;
         CREATE PROCEDURE tidy() SELECT 'another'; CREATE PROCEDURE newer() BEGIN SELECT 1; SELECT 2; END;
         CREATE TRIGGER newer AFTER UPDATE ON notes FOR EACH ROW SET @changed = 1;
         CREATE TABLE later (id int NOT NULL PRIMARY KEY); INSERT INTO later VALUES (1);
         CREATE TRIGGER on_later BEFORE INSERT ON later FOR EACH ROW SET NEW.id = NEW.id + 1;
         CREATE TRIGGER noted AFTER DELETE ON later FOR EACH ROW SET @later = 1;
         DROP EVENT paused; ALTER EVENT later DISABLE COMMENT 'changed';
         CREATE EVENT newer ON SCHEDULE EVERY 1 HOUR STARTS '2036-01-01 00:00:00' DO DELETE FROM later;
         DROP FUNCTION early; CREATE OR REPLACE VIEW doubled AS SELECT id FROM notes",
    );
}

#[test]
fn a90_routines_triggers_and_events_of_a_dump_are_put_back_and_taken_back() {
    for engine in engines() {
        let case = Case::new(engine);
        let definer = Account::new(&case.db, "definer");
        case.db.execute(&format!("GRANT ALL ON {}.* TO {}@'%'", case.db.name(), definer.name));
        fill(&case.db, &format!("{}@'%'", definer.name));
        case.db.execute(&format!(
            "GRANT EXECUTE ON FUNCTION {}.twice TO {}@'%'",
            case.db.name(),
            definer.name
        ));
        let before = state(&case.db);
        let backup = case.backup();
        use_it(&case.db);
        let used = state(&case.db);
        assert_ne!(used, before);

        let ran = case.restore(&backup, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        same(&state(&case.db), &before);
        assert_eq!(staged(&case.db), Vec::<String>::new(), "{engine:?}");
        // A function that is what it was has never been away, nor has a right on it.
        let rights = format!("{:?}", case.db.query(&format!("SHOW GRANTS FOR {}@'%'", definer.name)));
        assert!(rights.contains("EXECUTE ON FUNCTION"), "{engine:?}: {rights}");
        // And they do what they did.
        case.db.execute("INSERT INTO notes (txt, n) VALUES ('four', 4)");
        let found = "SELECT concat(n, ' ', (SELECT count(*) FROM log)) FROM notes WHERE txt = 'four'";
        assert_eq!(case.db.value(found).as_deref(), Some("50 2"), "{engine:?}");
        let written = state(&case.db);

        case.take_back();
        same(&state(&case.db), &used);
        assert_eq!(staged(&case.db), Vec::<String>::new(), "{engine:?}");
        case.db.execute("INSERT INTO later VALUES (10)");
        assert_eq!(case.db.value("SELECT max(id) FROM later").as_deref(), Some("11"), "{engine:?}");
        // The way back has a way back, with what was written since.
        case.take_back();
        same(&state(&case.db), &written);
        case.take_back();
        case.db.execute("DELETE FROM later WHERE id = 11");
        same(&state(&case.db), &used);
        let again = case.restore(&backup, &["--no-backup"]);
        assert_eq!(again.code, 0, "{engine:?}: {again}");
        same(&state(&case.db), &before);
    }
}

/// A run that was cut short behind its last statement is finished once more, and nothing is different: triggers of one moment
/// run in the order in which they are made.
#[test]
fn a90_what_follows_the_switch_can_be_done_again() {
    for engine in engines() {
        let case = Case::new(engine);
        fill(&case.db, "CURRENT_USER");
        let before = state(&case.db);
        let backup = case.backup();
        use_it(&case.db);
        let ran = case.restore(&backup, &["--no-backup"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let run = ran.json()["run_id"].as_str().unwrap().to_owned();
        let record = case.home.0.path().join("history").join(format!("{run}.json"));
        let written = std::fs::read_to_string(&record).unwrap();
        let open = written.replace("\"state\": \"done\"", "\"state\": \"switched\"");
        assert_ne!(open, written);
        std::fs::write(&record, open).unwrap();
        let again = case.run(&["rollback", "--yes", "--database", &case.db.url]);
        assert_eq!(again.code, 0, "{engine:?}: {again}");
        assert!(again.stdout.contains("what was left to do is done"), "{again}");
        same(&state(&case.db), &before);
    }
}

/// On a clean server, under another collation, in a database of another name: what is there afterwards is what the dump has.
#[test]
fn a90_routines_triggers_and_events_of_a_dump_are_restored_where_there_is_nothing() {
    for engine in engines() {
        let case = Case::new(engine);
        let clean = Case::new(engine);
        fill(&case.db, "CURRENT_USER");
        clean.db.execute(&format!("ALTER DATABASE {} COLLATE utf8mb4_unicode_ci", clean.db.name()));
        let backup = case.backup();
        let ran = clean.restore(&backup, &["--from-other-database"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let named = |db: &Db| state(db).replace(db.name(), "DATABASE");
        same(&named(&clean.db), &named(&case.db));
        assert_eq!((ours(&clean.db), staged(&clean.db)), (vec![], vec![]), "{engine:?}");
        clean.take_back();
        let left = state(&clean.db);
        assert_eq!(left.lines().collect::<Vec<_>>(), ["[Some(\"utf8mb4_unicode_ci\")]", "{}"], "{engine:?}");
    }
}

/// MariaDB keeps what was typed, and that may name the database: restored elsewhere it would be made in that one.
#[test]
fn a90_a_trigger_that_names_its_database_comes_to_where_the_dump_is_restored() {
    let case = Case::new(Engine::Mariadb);
    let clean = Case::new(Engine::Mariadb);
    let name = case.db.name();
    case.db.execute(&format!(
        "CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1);
         CREATE TRIGGER {name}.more BEFORE INSERT ON {name}.`notes` FOR EACH ROW SET NEW.id = NEW.id + 1"
    ));
    let backup = case.backup();
    case.db.execute("DROP TRIGGER more");
    let live = state(&case.db);
    let ran = clean.restore(&backup, &["--from-other-database"]);
    assert_eq!(ran.code, 0, "{ran}");
    same(&state(&case.db), &live);
    clean.db.execute("INSERT INTO notes VALUES (1 + 1)");
    assert_eq!(clean.db.value("SELECT max(id) FROM notes").as_deref(), Some("3"), "{ran}");
}

/// An event that is switched on does nothing where the dump is tried. The scheduler of MySQL runs by default.
#[test]
fn a90_an_event_of_a_dump_does_nothing_before_it_is_in_its_place() {
    for engine in engines() {
        let (case, fired) = (Case::new(engine), Db::fresh(engine));
        if case.db.value("SELECT @@GLOBAL.event_scheduler").as_deref() != Some("ON") {
            continue;
        }
        fired.execute("CREATE TABLE places (place varchar(64) NOT NULL, KEY (place))");
        case.db.execute(&format!(
            "CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1);
             CREATE EVENT often ON SCHEDULE EVERY 1 SECOND DO INSERT INTO {}.places VALUES (database())",
            fired.name()
        ));
        let backup = case.backup();
        case.db.execute("DROP EVENT often");
        let ran = case.restore(&backup, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        let begun = Instant::now();
        while fired.value("SELECT count(*) FROM places").as_deref() == Some("0") {
            assert!(begun.elapsed() < Duration::from_secs(60), "the event is in its place and does nothing");
            std::thread::sleep(Duration::from_millis(50));
        }
        case.db.execute("DROP EVENT often");
        let places = fired.query("SELECT DISTINCT place FROM places");
        assert_eq!(places, [[Some(case.db.name().to_owned())]], "{engine:?}");
    }
}

/// An event whose time has passed cannot be made: it is told, and everything else is there.
#[test]
fn a90_an_event_that_is_over_is_told() {
    for engine in engines() {
        let case = Case::new(engine);
        case.db.execute(
            "CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1);
             CREATE EVENT once ON SCHEDULE AT CURRENT_TIMESTAMP + INTERVAL 3 SECOND DISABLE DO DELETE FROM notes",
        );
        let backup = case.backup();
        std::thread::sleep(Duration::from_secs(4));
        let ran = case.restore(&backup, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.json()["notes"].to_string().contains("once"), "{ran}");
        assert_eq!(
            case.db
                .value("SELECT count(*) FROM information_schema.events WHERE event_schema = database()")
                .as_deref(),
            Some("0")
        );
    }
}

/// Rights that are missing in the live database, where the staging database has them: nothing is changed.
#[test]
fn a90_routines_triggers_and_events_are_refused_where_a_right_is_missing() {
    for engine in engines() {
        let case = Case::new(engine);
        let db = &case.db;
        let name = db.name();
        let tables =
            "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, SHOW VIEW";
        for (make, rights, words) in [
            (
                "CREATE TRIGGER more BEFORE INSERT ON notes FOR EACH ROW SET NEW.id = NEW.id + 1",
                "CREATE ROUTINE, ALTER ROUTINE, EXECUTE, EVENT",
                ["TRIGGER command denied", "GRANT ALL"],
            ),
            ("CREATE PROCEDURE more() SELECT 1", "TRIGGER, EVENT, ALTER ROUTINE", ["denied", "GRANT ALL"]),
            (
                "CREATE PROCEDURE more() SELECT 1",
                "TRIGGER, EVENT, CREATE ROUTINE",
                ["alter routine", "GRANT ALL"],
            ),
            (
                "CREATE EVENT more ON SCHEDULE EVERY 1 DAY DO DELETE FROM notes",
                "TRIGGER, CREATE ROUTINE, ALTER ROUTINE",
                ["denied", "GRANT ALL"],
            ),
        ] {
            let account = Account::new(db, "u")
                .granted(&format!("ALL ON {name}.*"))
                .granted("ALL ON `techcare\\_db\\_%`.*")
                .granted("SELECT ON mysql.*");
            db.execute("CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
            // The account is its definer, so that nothing else is missing.
            database::execute(engine, &account.url(), make);
            let backup = case.backup();
            for drop in ["TRIGGER", "PROCEDURE", "EVENT"] {
                db.execute(&format!("DROP {drop} IF EXISTS more"));
            }
            db.execute(&format!(
                "DELETE FROM notes; REVOKE ALL ON {name}.* FROM {0}@'%'; GRANT {tables}, {rights} ON {name}.* TO {0}@'%'",
                account.name
            ));
            let used = state(db);
            let ran = case.restore_as(&account.url(), &backup, &["--no-backup", "--from-other-database"]);
            case.refused(&ran, &words, &used);
            db.execute("DROP TABLE notes");
        }
    }
}

/// A definer that the account may not name is the server's to refuse, in the staging database.
#[test]
fn a90_a_definer_that_may_not_be_named_is_refused() {
    for engine in engines() {
        let case = Case::new(engine);
        let account = Account::new(&case.db, "u")
            .granted(&format!("ALL ON {}.*", case.db.name()))
            .granted("ALL ON `techcare\\_db\\_%`.*")
            .granted("SELECT ON mysql.*");
        for (make, word) in [
            ("CREATE TRIGGER more BEFORE INSERT ON notes FOR EACH ROW SET NEW.id = NEW.id + 1", "trigger"),
            ("CREATE PROCEDURE more() SELECT 1", "procedure"),
            ("CREATE EVENT more ON SCHEDULE EVERY 1 DAY DO DELETE FROM notes", "event"),
        ] {
            case.db.execute("CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
            case.db.execute(make);
            let backup = case.backup();
            case.db.execute(&format!("DELETE FROM notes; DROP {word} more"));
            let used = state(&case.db);
            let ran = case.restore_as(&account.url(), &backup, &["--no-backup", "--from-other-database"]);
            case.refused(&ran, &[&format!("restoring {word} \"more\" failed"), "privilege"], &used);
            case.db.execute("DROP TABLE notes");
        }
        // What would be dropped for it has to be made again on the way back.
        case.db.execute("CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
        let backup = case.backup();
        case.db.execute("CREATE EVENT more ON SCHEDULE EVERY 1 DAY DO DELETE FROM notes");
        let used = state(&case.db);
        let ran = case.restore_as(&account.url(), &backup, &["--no-backup", "--from-other-database"]);
        case.refused(&ran, &["definer root@127.0.0.1", "privilege", "nothing was changed"], &used);
    }
}

/// A definer that is gone: the server takes it from whoever may name it, and it is told.
#[test]
fn a90_a_definer_that_is_no_account_any_more_is_told() {
    for engine in engines() {
        let case = Case::new(engine);
        let account = Account::new(&case.db, "gone");
        case.db.execute("CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
        case.db.execute(&format!(
            "CREATE DEFINER={0}@'%' PROCEDURE more() SELECT 1; CREATE PROCEDURE other() SELECT 1;
             CREATE DEFINER={0}@'%' TRIGGER more BEFORE INSERT ON notes FOR EACH ROW SET NEW.id = NEW.id + 1",
            account.name
        ));
        let before = state(&case.db);
        let backup = case.backup();
        case.db.execute("DROP PROCEDURE more; DROP TRIGGER more");
        let name = account.name.clone();
        drop(account);
        let ran = case.restore(&backup, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let notes = ran.json()["notes"].to_string();
        assert!(notes.contains(&format!("{name}@%")) && !notes.contains("other"), "{engine:?}: {ran}");
        same(&state(&case.db), &before);
    }
}

/// A text that is not UTF-8 cannot be handed to the server as it was: whichever side it is on, it is named.
#[test]
fn a90_a_routine_in_another_character_set_is_refused() {
    for engine in engines() {
        let case = Case::new(engine);
        case.db.execute("CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
        let backup = case.backup();
        let mut client = crate::support::client::mariadb(&case.db.url);
        client.args(["--default-character-set=latin1", "-e"]);
        let made = std::os::unix::ffi::OsStrExt::from_bytes(
            b"CREATE FUNCTION more() RETURNS char(1) NO SQL RETURN '\xe9'",
        );
        let done = client.arg::<&std::ffi::OsStr>(made).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let used = state(&case.db);
        let ran = case.restore(&backup, &["--no-backup"]);
        case.refused(&ran, &["function \"more\"", "latin1", "nothing was changed"], &used);
        let ran = case.restore(&case.backup(), &["--no-backup"]);
        case.refused(&ran, &["the dump is not in UTF-8"], &used);
    }
}

/// Killed at moments that are drawn, the rows are all old or all new, and the same command again makes everything new.
pub fn killed(engine: Engine, fill: impl Fn(&Db), use_it: impl Fn(&Db)) {
    let seed = seed();
    let mut chance = Chance(seed);
    let case = Case::new(engine);
    let db = &case.db;
    fill(db);
    let before = state(db);
    let backup = case.backup();
    use_it(db);
    let used = state(db);
    let last = |state: &str| state.lines().last().unwrap_or_default().to_owned();
    let (mut old, mut new, mut half) = (0, 0, 0);
    let mut span = 0;
    for kill in 0..=if is_nightly() { KILLS.1 } else { KILLS.0 } {
        let args =
            ["rollback", "--yes", "--database", &db.url, "--no-backup", "--backup", backup.to_str().unwrap()];
        let begun = Instant::now();
        let running = Running::start(case.command(&args));
        // The first is not killed: it says how long one takes. What cannot be one step is the last part of it.
        if kill > 0 {
            std::thread::sleep(Duration::from_micros(span / 2 + chance.below(span / 2)));
            running.signal("KILL");
        }
        let ran = running.end();
        if kill == 0 {
            span = u64::try_from(begun.elapsed().as_micros()).unwrap();
        }
        db.left_alone();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        let is = state(db);
        let is_new = last(&is) == last(&before);
        assert!(is_new || is == used, "neither old nor new: {place}\n{is}");
        let count = if !is_new {
            &mut old
        } else if is == before {
            &mut new
        } else {
            &mut half
        };
        *count += 1;
        // Either command goes on with it.
        if kill % 2 == 0 || !is_new {
            let again = case.restore(&backup, &["--no-backup"]);
            assert_eq!(again.code, 0, "{place}\n{again}");
        } else if is != before || !staged(db).is_empty() {
            let again = case.run(&["rollback", "--yes", "--database", &db.url]);
            assert_eq!(again.code, 0, "{place}\n{again}");
        }
        same(&state(db), &before);
        assert_eq!(staged(db), Vec::<String>::new(), "{place}");
        while let Some(run) = case.standing() {
            let back = case.run(&["rollback", "--yes", "--database", &db.url, "--run", &run]);
            assert_eq!(back.code, 0, "{place}\n{back}");
        }
        same(&state(db), &used);
        for kept in ours(db) {
            db.execute(&format!("DROP DATABASE {kept}"));
        }
        for kept in db.query("SHOW TABLES LIKE 'techcare\\_db\\_kept%'").into_iter().flatten().flatten() {
            // Rows of kept tables hold on to each other.
            db.execute(&format!("SET foreign_key_checks = 0; DROP TABLE {kept}"));
        }
    }
    eprintln!("{engine:?}: {old} killed before the switch, {half} between it and the end, {new} after it");
}

#[test]
fn a90_a_killed_restore_of_programs_is_ended_by_the_next_on_mariadb() {
    killed(Engine::Mariadb, |db| fill(db, "CURRENT_USER"), use_it);
}

#[test]
fn a90_a_killed_restore_of_programs_is_ended_by_the_next_on_mysql() {
    if engines().contains(&Engine::Mysql) {
        killed(Engine::Mysql, |db| fill(db, "CURRENT_USER"), use_it);
    }
}
