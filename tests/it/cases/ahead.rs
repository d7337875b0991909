//! `check --target` knows of the target what `migrate` would find out: the rights to build there, and what gives way.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::check::check;
use crate::bad_input::untouched;
use crate::support::binary;
use crate::support::database::{self, Db, Engine};

fn source() -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE kept (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         INSERT INTO t VALUES (1, 'new')",
    );
    source
}

/// An account of a server that may log in and nothing else, dropped at the end.
pub struct Account {
    engine: Engine,
    pub name: String,
}

impl Account {
    pub fn new(engine: Engine) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let account = Self { engine, name: format!("tc_check_{}_{number}", std::process::id()) };
        for statement in account.statements("CREATE") {
            database::execute(engine, &engine.server(), &statement);
        }
        account
    }

    fn statements(&self, verb: &str) -> Vec<String> {
        if self.engine == Engine::Postgres {
            let login = if verb == "CREATE" { " LOGIN PASSWORD 'tc'" } else { "" };
            return vec![format!("{verb} ROLE {}{login}", self.name)];
        }
        let password = if verb == "CREATE" { " IDENTIFIED BY 'tc'" } else { "" };
        ["%", "localhost"].map(|host| format!("{verb} USER '{}'@'{host}'{password}", self.name)).to_vec()
    }

    pub fn grant(&self, db: &Db, rights: &str) {
        for host in ["%", "localhost"] {
            db.execute(&format!("GRANT {rights} ON {}.* TO '{}'@'{host}'", db.name(), self.name));
        }
    }

    /// The database, as this account names it.
    pub fn url(&self, db: &Db) -> String {
        let (scheme, rest) = db.url.split_once("://").unwrap();
        let (_, place) = rest.split_once('@').unwrap();
        format!("{scheme}://{}:tc@{place}", self.name)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        for statement in self.statements("DROP") {
            database::execute(self.engine, &self.engine.server(), &statement);
        }
    }
}

/// What `check` says of the right to build, and that `migrate` then refuses for the same reason.
fn lacks(source: &Db, target: &str, fix: &str) {
    let told = check(&source.url, &["--target", target]);
    let json = told.json();
    assert_eq!((told.code, &json["migration"]["would"]), (1, &"refuse".into()), "{told}");
    let missing = &json["migration"]["missing_right"];
    assert!(missing["fix"].as_str().unwrap().contains(fix), "{told}");
    let ran = binary::migrate(&source.url, target, &[]);
    assert_eq!((ran.code, &ran.json()["error"]["next"]), (4, &missing["fix"]), "{ran}");
}

#[test]
fn check_names_the_right_that_migrate_would_miss() {
    let source = source();
    for engine in Engine::servers() {
        let target = Db::fresh(engine);
        let account = Account::new(engine);
        if engine == Engine::Postgres {
            lacks(&source, &account.url(&target), "GRANT CREATE ON DATABASE");
            target.execute(&format!("GRANT CREATE ON DATABASE {} TO {}", target.name(), account.name));
            // Not given to everybody from PostgreSQL 15 on.
            target.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
            lacks(&source, &account.url(&target), "GRANT CREATE ON SCHEMA");
            target.execute(&format!("DROP OWNED BY {}", account.name));
        } else {
            account.grant(&target, "SELECT, INSERT");
            lacks(&source, &account.url(&target), "GRANT ALL PRIVILEGES ON");
            // Tables with a prefix serve where no database can be made.
            account.grant(&target, "ALL PRIVILEGES");
            assert_eq!(check(&source.url, &["--target", &account.url(&target)]).code, 0);
        }
        untouched(&target);
    }
}

#[test]
fn check_leaves_nothing_behind() {
    let source = source();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        let told = check(&source.url, &["--target", &target.url]);
        assert_eq!(told.code, 0, "{told}");
        assert!(told.json()["migration"]["missing_right"].is_null(), "{told}");
        untouched(&target);
        // A migration would find what is left, name it and remove it.
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert!(ran.code == 0 && !ran.stderr.contains("left behind"), "{engine:?}: {ran}");
    }
    let nowhere = Path::new("/proc/nothing.db");
    let told = check(&source.url, &["--target", nowhere.to_str().unwrap()]);
    assert_ne!(told.code, 0, "{told}");
}

#[test]
fn check_knows_what_gives_way_to_a_replacement() {
    let source = source();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        target.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(9)); INSERT INTO t VALUES (7, 'old'), (8, 'old');
             CREATE TABLE kept (id INTEGER PRIMARY KEY)",
        );
        let stopped = check(&source.url, &["--target", &target.url]);
        assert_eq!(stopped.json()["migration"]["would"], "refuse", "{stopped}");
        let told = check(&source.url, &["--target", &target.url, "--if-exists", "replace"]);
        let json = told.json();
        assert_eq!(json["migration"]["would"], "carry_everything", "{engine:?}: {told}");
        let mut gives_way: Vec<(&str, u64)> = json["migration"]["gives_way"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| (t["table"].as_str().unwrap(), t["rows"].as_u64().unwrap()))
            .collect();
        gives_way.sort_unstable();
        assert_eq!(gives_way, [("kept", 0), ("t", 2)], "{engine:?}");
        assert_eq!(target.value("SELECT count(*) FROM t WHERE v = 'old'").as_deref(), Some("2"));
        let dry = binary::migrate(&source.url, &target.url, &["--if-exists", "replace", "--dry-run"]);
        assert_eq!(json["plan"], dry.json()["plan"], "{engine:?}");
        let ran = binary::migrate(&source.url, &target.url, &["--if-exists", "replace", "--yes"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(target.value("SELECT v FROM t").as_deref(), Some("new"));
    }
}

#[test]
fn a_table_of_another_role_cannot_give_way() {
    let source = source();
    let target = Db::fresh(Engine::Postgres);
    let account = Account::new(Engine::Postgres);
    target.execute(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); GRANT SELECT ON t TO {0};
         GRANT CREATE ON DATABASE {1} TO {0}; GRANT CREATE, USAGE ON SCHEMA public TO {0}",
        account.name,
        target.name()
    ));
    let told = check(&source.url, &["--target", &account.url(&target)]);
    assert_eq!(told.json()["migration"]["would"], "refuse", "{told}");
    assert!(told.stdout.contains("only its owner may move it"), "{told}");
    let ran = binary::migrate(&source.url, &account.url(&target), &[]);
    assert_eq!(ran.code, 4, "{ran}");
    target.execute(&format!("DROP OWNED BY {}", account.name));
}
