//! A90: a migration is taken back, and the target is what it was: nothing, empty tables of the application, or its
//! tables with rows. The judge asks the server; it knows nothing of what the product keeps.

use std::path::Path;

use tempfile::TempDir;

use super::appmade::{everything, made_by_the_application};
use crate::support::binary::{self, Ran, Running};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::json_schema;
use crate::techcare::seeded;

/// An application folder, in which the history is.
pub struct Home(pub TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = binary::command(self.0.path());
        command.args(["--format", "json"]).args(args);
        Running::start(command).end()
    }

    pub fn migrate(&self, source: &Db, target: &Db, more: &[&str]) -> Ran {
        let args = ["migrate", "--source", &source.url, "--target", &target.url];
        self.run(&[&args[..], more].concat())
    }

    /// Its document fits the published schema, whatever became of the run.
    pub fn rollback(&self, target: &Db, more: &[&str]) -> Ran {
        let ran = self.run(&[&["rollback", "--database", &target.url][..], more].concat());
        json_schema::fits("rollback", &ran);
        ran
    }

    /// Takes a run back after somebody was stopped at that: what had happened is completed, and begun again if `stood`
    /// is still the state. Answers with how that ended and whether there was something to complete.
    pub fn rollback_again(&self, target: &Db, run: &str, stood: &str, place: &str) -> (Ran, bool) {
        let mut again = self.rollback(target, &["--yes", "--run", run]);
        let completed = again.code == 0 && again.json()["action"] == "complete";
        if completed && state(target) == stood {
            again = self.rollback(target, &["--yes", "--run", run]);
        }
        let done = again.code == 0 || (again.code == 4 && again.stderr.contains("was taken back by"));
        assert!(done, "{place}\n{again}");
        (again, completed)
    }

    /// The newest run that can be taken back.
    pub fn newest(&self, target: &Db) -> String {
        let list = self.rollback(target, &["--list"]);
        let runs = list.json()["runs"].as_array().unwrap().clone();
        let run = runs.iter().find(|run| run["can_be_undone"] == true);
        run.unwrap_or_else(|| panic!("{list}"))["run_id"].as_str().unwrap().to_owned()
    }
}

/// Everything that a database holds; that there is no file is a state, too.
pub fn state(db: &Db) -> String {
    if db.engine == Engine::Sqlite && !db.path().exists() {
        return "no file".into();
    }
    everything(db)
}

pub fn same_content(source: &Db, target: &Db) {
    let differences = content::differences(&content::read(source), &content::read(target), &Renamed::new());
    assert_eq!(differences, Vec::<String>::new());
}

/// Files beside a SQLite database, or schemas and databases of the product on a server.
pub fn ours(db: &Db) -> Vec<String> {
    let list = match db.engine {
        Engine::Sqlite => {
            let files = std::fs::read_dir(db.path().parent().unwrap()).unwrap();
            let mut names: Vec<String> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            names.retain(|name| name != "data.db");
            names.sort();
            return names;
        }
        Engine::Postgres => "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'techcare%' ORDER BY 1",
        Engine::Mariadb | Engine::Mysql => return db.marked("techcare_db_"),
    };
    db.query(list).into_iter().flatten().flatten().collect()
}

#[test]
fn a90_what_a_migration_made_is_taken_back_and_made_again() {
    let source = seeded(60);
    let before_source = everything(&source);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), Db::fresh(engine));
        let before = state(&target);
        let ran = home.migrate(&source, &target, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?}: a mark of the switch stayed");
        let migrated = state(&target);

        let listed = home.rollback(&target, &["--list"]).json();
        assert_eq!(listed["runs"][0]["can_be_undone"], true, "{listed}");
        assert_eq!(listed["runs"][0]["run_id"], ran.json()["run_id"]);
        let dry = home.rollback(&target, &["--dry-run"]);
        assert_eq!(dry.code, 0, "{dry}");
        assert_eq!(dry.json()["undoes"], ran.json()["run_id"]);
        let asked = home.rollback(&target, &[]);
        assert_eq!(asked.code, 4, "{asked}");
        assert!(asked.stderr.contains("--yes"), "{asked}");
        assert_eq!(state(&target), migrated, "{engine:?}");

        target.execute("INSERT INTO roles (id, name) VALUES (4711, 'since')");
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(state(&target), before, "{engine:?}: {back}");
        assert_eq!(ours(&target).len(), 1, "{engine:?}: {:?}", ours(&target));
        assert_eq!(everything(&source), before_source);
        let nothing = home.rollback(&target, &["--yes"]);
        assert_eq!(nothing.code, 4, "{nothing}");

        // The way back has a way back, with what was written since.
        let run = back.json()["run_id"].as_str().unwrap().to_owned();
        let again = home.rollback(&target, &["--yes", "--run", &run]);
        assert_eq!(again.code, 0, "{engine:?}: {again}");
        assert_eq!(target.value("SELECT name FROM roles WHERE id = 4711").as_deref(), Some("since"));
        target.execute("DELETE FROM roles WHERE id = 4711");
        assert_eq!(state(&target), migrated, "{engine:?}");
        assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?}");
        let last = home.rollback(&target, &["--yes"]);
        assert_eq!(last.code, 0, "{engine:?}: {last}");
        assert_eq!(state(&target), before, "{engine:?}");
    }
}

#[test]
fn a90_empty_tables_of_the_application_come_back() {
    let source = seeded(40);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), made_by_the_application(engine));
        let before = state(&target);
        let ran = home.migrate(&source, &target, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        same_content(&source, &target);
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(state(&target), before, "{engine:?}");
        // And they can be used: ids are handed out, keys hold.
        target.execute("INSERT INTO roles (name) VALUES ('first')");
        assert!(target.refuses("INSERT INTO users (username, role_id) VALUES ('x', 99)"), "{engine:?}");
    }
}

/// The application's tables with rows, a table that refers to them and one that they refer to.
fn in_use(engine: Engine) -> Db {
    let target = made_by_the_application(engine);
    let add = if engine == Engine::Sqlite {
        "ALTER TABLE users ADD COLUMN tenant_id INTEGER REFERENCES tenants (id)"
    } else {
        "ALTER TABLE users ADD COLUMN tenant_id INTEGER; ALTER TABLE users ADD CONSTRAINT fk_users_tenant FOREIGN KEY \
         (tenant_id) REFERENCES tenants (id)"
    };
    target.execute(&format!(
        "CREATE TABLE tenants (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40)); {add};
         CREATE TABLE sessions (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER, token VARCHAR(40),
             CONSTRAINT fk_sessions_user FOREIGN KEY (user_id) REFERENCES users (id));
         INSERT INTO tenants VALUES (1, 'one');
         INSERT INTO roles (id, name) VALUES (900, 'old role');
         INSERT INTO users (id, username, role_id, tenant_id) VALUES (900, 'old user', 900, 1);
         INSERT INTO sessions VALUES (1, NULL, 'kept')"
    ));
    target
}

#[test]
fn a90_tables_with_rows_are_replaced_on_demand_and_come_back() {
    let source = seeded(40);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), in_use(engine));
        let before = state(&target);
        for refused in [&[][..], &["--if-exists", "replace"], &["--yes"]] {
            let ran = home.migrate(&source, &target, refused);
            assert_eq!(ran.code, 4, "{engine:?} {refused:?}: {ran}");
            assert!(ran.stderr.contains("roles"), "{ran}");
            assert_eq!(state(&target), before, "{engine:?}");
        }
        let ran = home.migrate(&source, &target, &["--if-exists", "replace", "--yes"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(ran.json()["kept"].as_array().unwrap().len(), 1, "{ran}");
        for table in ["roles", "users", "diagnostics", "maintenance_plans"] {
            let count = format!("SELECT count(*) FROM {table}");
            assert_eq!(target.value(&count), source.value(&count), "{engine:?} {table}");
        }
        assert_eq!(target.value("SELECT count(*) FROM users WHERE id = 900").as_deref(), Some("0"));
        // The kept rows hold on to nothing, and the keys of other tables mean the new ones.
        target.execute("DELETE FROM tenants; INSERT INTO tenants VALUES (1, 'one')");
        assert!(target.refuses("INSERT INTO sessions VALUES (2, 900, 'of an old user')"), "{engine:?}");
        target.execute("UPDATE users SET name = 'changed since'");

        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(state(&target), before, "{engine:?}: {back}");
        target.execute(
            "INSERT INTO sessions VALUES (2, 900, 'of an old user'); DELETE FROM sessions WHERE id = 2",
        );
        assert!(target.refuses("INSERT INTO sessions VALUES (3, 1, 'of a new user')"), "{engine:?}");
        assert!(target.refuses("UPDATE users SET tenant_id = 77"), "{engine:?}");
        assert!(target.refuses("DELETE FROM roles WHERE id = 900"), "{engine:?}");
    }
}

/// A row that the application writes while the rows are on their way goes with the table that it was written to.
#[test]
fn a90_a_row_written_during_the_load_comes_back_too() {
    let source = seeded(2000);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), in_use(engine));
        let write = "INSERT INTO roles (id, name) VALUES (901, 'came in between')";
        // Looked at beforehand: the run may switch while somebody reads one table after the other.
        target.execute(write);
        let before = state(&target);
        target.execute("DELETE FROM roles WHERE id = 901");
        let mut command = binary::command(home.0.path());
        command.args(["--yes", "--progress", "json", "migrate", "--source", &source.url]);
        command.args(["--target", &target.url, "--if-exists", "replace"]);
        let mut running = Running::start(command);
        assert!(running.until(&["\"load\""]), "{engine:?}");
        target.execute(write);
        let ran = running.end();
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(target.value("SELECT count(*) FROM roles WHERE id = 901").as_deref(), Some("0"));
        let back = home.rollback(&target, &["--yes"]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        assert_eq!(state(&target), before, "{engine:?}");
    }
}

/// What stands on the tables since the migration is named, and nothing is changed.
#[test]
fn a90_what_refers_to_the_migrated_tables_is_named() {
    let source = seeded(20);
    for engine in Engine::all() {
        let (home, target) = (Home::new(), Db::fresh(engine));
        assert_eq!(home.migrate(&source, &target, &[]).code, 0);
        target.execute(
            "CREATE TABLE badges (id INTEGER NOT NULL PRIMARY KEY, user_id INTEGER,
             CONSTRAINT fk_badges_user FOREIGN KEY (user_id) REFERENCES users (id))",
        );
        let before = state(&target);
        let ran = home.rollback(&target, &["--yes"]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.stderr.contains("badges"), "{ran}");
        assert_eq!(state(&target), before, "{engine:?}");
        target.execute("DROP TABLE badges; CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY)");
        assert_eq!(home.rollback(&target, &["--yes"]).code, 0, "{engine:?}");
        assert_eq!(content::tables(&target), ["notes"], "{engine:?}");
    }
}

/// The application is in the middle of a transaction: the way back waits, gives up, and has changed nothing.
#[test]
fn a90_a_busy_file_is_not_taken_back() {
    let source = seeded(20);
    let (home, target) = (Home::new(), Db::fresh(Engine::Sqlite));
    assert_eq!(home.migrate(&source, &target, &[]).code, 0);
    let before = state(&target);
    let application = target.sqlite();
    application.execute_batch("BEGIN IMMEDIATE; UPDATE users SET name = 'busy'").unwrap();
    let ran = home.rollback(&target, &["--yes"]);
    assert_eq!(ran.code, 4, "{ran}");
    application.execute_batch("ROLLBACK").unwrap();
    drop(application);
    assert_eq!(state(&target), before);
    assert_eq!(ours(&target), Vec::<String>::new());
    assert_eq!(home.rollback(&target, &["--yes"]).code, 0);
    assert_eq!(state(&target), "no file");
    assert!(!Path::new(&format!("{}-wal", target.path().display())).exists());
}
