//! `check --target` knows of the target what `migrate` would find out: the rights to build there, what gives way, and what
//! the server lacks or does not take.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::arrival::migrate;
use super::check::check;
use super::tried::left_behind;
use crate::bad_input::untouched;
use crate::support::binary;
use crate::support::database::{self, Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

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
        // Of this type only the server knows what it keeps, and nobody may ask it.
        let native = if engine == Postgres { "tsquery" } else { "json" };
        let sql = format!("CREATE TABLE t (id int PRIMARY KEY, v {native}); INSERT INTO t VALUES (1, '1')");
        let been_here = migrate(engine, &sql, Sqlite).done().target;
        if engine == Engine::Postgres {
            lacks(&source, &account.url(&target), "GRANT CREATE ON DATABASE");
            lacks(&been_here, &account.url(&target), "GRANT CREATE ON DATABASE");
            target.execute(&format!("GRANT CREATE ON DATABASE {} TO {}", target.name(), account.name));
            // Not given to everybody from PostgreSQL 15 on.
            target.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
            lacks(&source, &account.url(&target), "GRANT CREATE ON SCHEMA");
            target.execute(&format!("DROP OWNED BY {}", account.name));
        } else {
            account.grant(&target, "SELECT, INSERT");
            lacks(&source, &account.url(&target), "GRANT ALL PRIVILEGES ON");
            lacks(&been_here, &account.url(&target), "GRANT ALL PRIVILEGES ON");
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

/// What only the source has: a function, an operator class over it.
const ROUTINES: &str =
    "CREATE FUNCTION tidy(x text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(x)';
    CREATE FUNCTION even(x integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT x % 2 = 0';
    CREATE FUNCTION first_code() RETURNS text LANGUAGE sql AS 'SELECT ''a''::text';";

const USES_ROUTINES: &str =
    "CREATE TABLE t (id integer PRIMARY KEY, code text DEFAULT first_code(), n integer,
        low text GENERATED ALWAYS AS (tidy(code)) STORED, CONSTRAINT evenly CHECK (even(n)));
    CREATE INDEX t_tidy ON t (tidy(code)); CREATE UNIQUE INDEX t_once ON t (tidy(code), n);
    CREATE INDEX t_some ON t (n) WHERE even(n); INSERT INTO t VALUES (1, 'A', 2)";

#[test]
fn what_calls_a_routine_goes_along_between_two_of_postgresql_only_if_the_target_has_it() {
    if !Postgres.at_hand() {
        return;
    }
    let source = Db::fresh(Postgres);
    source.execute(&format!("{ROUTINES} {USES_ROUTINES}"));
    let lacking = Db::fresh(Postgres);
    let told = check(&source.url, &["--target", &lacking.url]);
    let named = |found: &Value| -> Vec<(String, String)> {
        let text = |f: &Value, key: &str| f[key].as_str().unwrap_or_default().to_owned();
        let uses =
            |f: &&Value| text(f, "code").ends_with("_not_carried") && text(f, "code") != "object_not_carried";
        let found = found.as_array().unwrap().iter().filter(uses);
        found.map(|f| (text(f, "code"), text(f, "object") + &text(f, "column"))).collect()
    };
    let expected = [
        ("default_not_carried", "code"),
        ("generated_not_carried", "low"),
        ("index_not_carried", "t_some"),
        ("index_not_carried", "t_tidy"),
        ("unique_not_carried", "t_once"),
        ("check_not_carried", "evenly"),
    ]
    .map(|(code, of)| (code.to_owned(), of.to_owned()));
    let mut found = named(&told.json()["findings"]);
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected, "{told}");
    assert!(told.stdout.contains("function even(integer)"), "{told}");
    let ran = binary::migrate(&source.url, &lacking.url, &[]);
    assert_eq!(ran.code, 4, "{ran}");
    untouched(&lacking);
    let ran = binary::migrate(&source.url, &lacking.url, &["--accept", "*_not_carried"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert_eq!(lacking.value("SELECT low FROM t").as_deref(), Some("a"));
    assert_eq!(lacking.value("SELECT count(*) FROM pg_indexes WHERE tablename = 't'").as_deref(), Some("1"));

    let having = Db::fresh(Postgres);
    having.execute(ROUTINES);
    let told = check(&source.url, &["--target", &having.url]);
    assert!(named(&told.json()["findings"]).is_empty(), "{told}");
    let ran = binary::migrate(&source.url, &having.url, &[]);
    assert!(ran.code <= 1, "{ran}");
    assert!(having.refuses("INSERT INTO t VALUES (2, 'b', 3)"));
    having.execute("INSERT INTO t (id, n) VALUES (3, 4)");
    assert_eq!(having.value("SELECT low FROM t WHERE id = 3").as_deref(), Some("a"));
    assert_eq!(having.value("SELECT count(*) FROM pg_indexes WHERE tablename = 't'").as_deref(), Some("4"));
}

#[test]
fn operators_of_an_extension_are_looked_for_between_two_of_postgresql() {
    let Some(source) = with_extension("btree_gist") else { return };
    source.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, room integer, during int4range,
             CONSTRAINT apart EXCLUDE USING gist (room WITH =, during WITH &&));
         INSERT INTO t VALUES (1, 1, '[1,5)'); CREATE INDEX t_room ON t USING gist (room)",
    );
    let lacking = Db::fresh(Postgres);
    let told = check(&source.url, &["--target", &lacking.url]);
    for code in ["constraint_not_carried", "index_not_carried"] {
        assert!(told.stdout.contains(code), "{code}: {told}");
    }
    assert_eq!(binary::migrate(&source.url, &lacking.url, &[]).code, 4);
    let having = with_extension("btree_gist").unwrap();
    let ran = binary::migrate(&source.url, &having.url, &[]);
    assert!(ran.code <= 1 && !ran.stdout.contains("constraint_not_carried"), "{ran}");
    assert!(having.refuses("INSERT INTO t VALUES (2, 1, '[2,3)')"));
}

/// A database of PostgreSQL with an extension; `None` where the server does not offer it.
fn with_extension(name: &str) -> Option<Db> {
    let db = Postgres.at_hand().then(|| Db::fresh(Postgres))?;
    let offered = format!("SELECT 1 FROM pg_available_extensions WHERE name = '{name}'");
    db.value(&offered)?;
    db.execute(&format!("CREATE EXTENSION {name}"));
    Some(db)
}

/// What the other product of the same dialect does not take is told by `check` and by `migrate`, and nothing else stops it.
#[test]
fn what_only_one_of_mysql_and_mariadb_takes_is_known_before() {
    if !(Mysql.at_hand() && Mariadb.at_hand()) {
        return;
    }
    let unique = "CREATE TABLE t (id INT PRIMARY KEY, note TEXT, UNIQUE KEY once (note)); INSERT INTO t VALUES (1, 'a')";
    let parent = "CREATE TABLE p (id INT PRIMARY KEY, n INT, KEY by_n (n));
                  CREATE TABLE t (id INT PRIMARY KEY, n INT, CONSTRAINT to_n FOREIGN KEY (n) REFERENCES p (n))";
    for (made, code, named) in
        [(unique, "unique_not_carried", "once"), (parent, "foreign_key_not_carried", "to_n")]
    {
        let arrived = migrate(Mariadb, made, Mysql).refused(&[code, named]);
        let told = check(&arrived.source.url, &["--target", &Db::fresh(Mysql).url]);
        assert_eq!(told.json()["migration"]["would"], "refuse", "{told}");
        let accepted = binary::migrate(&arrived.source.url, &arrived.target.url, &["--accept", code]);
        assert_eq!(accepted.code, 1, "{accepted}");
    }
    let made = "CREATE TABLE t (id INT PRIMARY KEY, k BINARY(16) DEFAULT (uuid_to_bin(uuid())), u CHAR(36) DEFAULT (uuid()))";
    let computed = |function: &str| {
        format!(
            "CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(9), low VARCHAR(9) AS (LOWER(c)), own BIGINT AS ({function}),
                             CONSTRAINT odd CHECK (({function}) <> 7), CONSTRAINT same CHECK (LENGTH(c) < 9));
             INSERT INTO t (id, c) VALUES (1, 'AB')"
        )
    };
    for (from, function, to) in [(Mysql, "REGEXP_LIKE(c, 'a')", Mariadb), (Mariadb, "CRC32C(c)", Mysql)] {
        let arrived = migrate(from, &computed(function), to).refused(&["odd", "own"]);
        let told = check(&arrived.source.url, &["--target", &Db::fresh(to).url]);
        assert_eq!(told.json()["migration"]["would"], "refuse", "{told}");
        let ran = binary::migrate(&arrived.source.url, &arrived.target.url, &["--accept", "*_not_carried"]);
        assert_eq!(ran.code, 1, "{ran}");
        let held = arrived.target.query("SELECT low, own FROM t").remove(0);
        assert_eq!(held, arrived.source.query("SELECT low, own FROM t").remove(0), "{ran}");
        assert!(arrived.target.refuses("INSERT INTO t (id, c) VALUES (2, 'nine chars')"), "{ran}");
        let left = |code: &str| {
            let findings = ran.json()["findings"].as_array().unwrap().clone();
            findings.into_iter().filter(|f| f["code"] == code).count()
        };
        assert_eq!((left("check_not_carried"), left("generated_not_carried")), (1, 1), "{ran}");
    }
    // What another program of MariaDB might keep as this one does: the key of an index in a column that nobody sees.
    let over = |key: &str| {
        format!(
            "CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(9), n INT,
                             techcare_db_a BIGINT AS (CRC32C(c)) VIRTUAL INVISIBLE, techcare_db_b BIGINT AS (n + 1) VIRTUAL INVISIBLE,
                             {key} own (techcare_db_a, n), KEY same (techcare_db_b));
             INSERT INTO t (id, c, n) VALUES (1, 'AB', 1)"
        )
    };
    for (key, code) in [("KEY", "index_not_carried"), ("UNIQUE KEY", "unique_not_carried")] {
        let (source, target) = (Db::fresh(Mariadb), Db::fresh(Mysql));
        source.execute(&over(key));
        let told = check(&source.url, &["--target", &target.url]);
        let ran = binary::migrate(&source.url, &target.url, &["--accept", code]);
        for said in [&told, &ran] {
            let found = said.json()["findings"].as_array().unwrap().clone();
            let lost: Vec<_> =
                found.iter().filter(|f| f["code"] == code).map(|f| f["object"].clone()).collect();
            assert_eq!(lost, ["own"], "{said}");
        }
        assert_eq!(ran.code, 1, "{ran}");
        let names = "SELECT group_concat(DISTINCT index_name) FROM information_schema.statistics
                     WHERE table_schema = DATABASE() AND table_name = 't' AND index_name <> 'PRIMARY'";
        assert_eq!(target.value(names).as_deref(), Some("same"), "{ran}");
    }
    let (arrived, left) = left_behind(Mysql, made, Mariadb);
    assert_eq!(left, ["k"], "{}", arrived.ran);
    assert_eq!(arrived.target.value("SELECT count(u) FROM t").as_deref(), Some("1"));
}

/// Where there is no target to ask, what goes along in the words of the other product is named.
#[test]
fn words_of_the_other_product_are_named_where_no_target_is_asked() {
    for (from, word) in [(Mysql, "mariadb"), (Mariadb, "mysql"), (Mariadb, "mariadb")] {
        if !from.at_hand() {
            continue;
        }
        let source = Db::fresh(from);
        source.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(9), u CHAR(36) DEFAULT (uuid()), low VARCHAR(9) AS (LOWER(c)),
                             CONSTRAINT short CHECK (LENGTH(c) < 9))",
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.sql");
        let dumped = binary::migrate(&source.url, word, &["--dump", file.to_str().unwrap()]);
        assert!(dumped.code <= 1, "{dumped}");
        let found = dumped.json()["findings"].as_array().unwrap().clone();
        let named = |code: &str| found.iter().filter(|f| f["code"] == code).count();
        let untried = ["check_untried", "default_untried", "expression_untried"].map(named);
        let other = (from == Mysql) != (word == "mysql");
        assert_eq!(untried, if other { [1, 1, 1] } else { [0, 0, 0] }, "{from:?} → {word}: {dumped}");
    }
}

#[test]
fn names_that_sqlite_keeps_for_its_own_become_others() {
    let made = "CREATE TABLE sqlite_foo (id INTEGER PRIMARY KEY, sqlite_n INTEGER);
                CREATE INDEX sqlite_by_n ON sqlite_foo (sqlite_n); INSERT INTO sqlite_foo VALUES (1, 2)";
    for from in Engine::servers() {
        let arrived = migrate(from, made, Sqlite).done();
        let renamed = arrived.findings("renamed");
        let named: Vec<&str> = renamed.iter().filter_map(|f| f["kind"].as_str()).collect();
        assert!(named.contains(&"table") && named.contains(&"index"), "{from:?}: {}", arrived.ran);
        assert!(!named.contains(&"column"), "{from:?}: {}", arrived.ran);
        assert_eq!(arrived.target.value("SELECT sqlite_n FROM _sqlite_foo").as_deref(), Some("2"));
    }
}
