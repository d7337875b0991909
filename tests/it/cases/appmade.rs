//! A target that the application made first: `create_all` and its like have run there, every table is empty, and the
//! types are too narrow for the data. And the same with somebody's row in it.

use std::time::Duration;

use crate::support::binary::{self, Running};
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::objects;
use crate::techcare::{logs_in, next_ids, seeded};

/// `db.create_all()` of TechCare as SQLAlchemy 2.0 sends it to each engine.
pub fn create_all(engine: Engine) -> String {
    let (id, datetime, boolean, prefix) = match engine {
        Engine::Sqlite => ("INTEGER NOT NULL", "DATETIME", "BOOLEAN", ""),
        Engine::Postgres => ("SERIAL NOT NULL", "TIMESTAMP WITHOUT TIME ZONE", "BOOLEAN", ""),
        Engine::Mariadb | Engine::Mysql => {
            ("INTEGER NOT NULL AUTO_INCREMENT", "DATETIME", "BOOL", "SET foreign_key_checks = 1;")
        }
    };
    format!(
        "{prefix}
        CREATE TABLE roles (id {id}, name VARCHAR(64), description VARCHAR(255), permissions INTEGER,
            PRIMARY KEY (id), UNIQUE (name));
        CREATE TABLE users (id {id}, username VARCHAR(64), email VARCHAR(120), role_id INTEGER,
            password_hash VARCHAR(128), name VARCHAR(64), created_at {datetime}, last_login {datetime},
            active {boolean}, PRIMARY KEY (id), FOREIGN KEY(role_id) REFERENCES roles (id));
        CREATE UNIQUE INDEX ix_users_email ON users (email);
        CREATE UNIQUE INDEX ix_users_username ON users (username);
        CREATE TABLE diagnostics (id {id}, user_id INTEGER, name VARCHAR(64), date {datetime},
            cpu_results TEXT, memory_results TEXT, disk_results TEXT, startup_results TEXT, driver_results TEXT,
            security_results TEXT, network_results TEXT, score FLOAT, status VARCHAR(20), recommendations TEXT,
            notes TEXT, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id));
        CREATE TABLE maintenance_plans (id {id}, user_id INTEGER NOT NULL, name VARCHAR(64) NOT NULL,
            cleaning_types VARCHAR(128) NOT NULL, frequency VARCHAR(20) NOT NULL, day_of_week VARCHAR(10),
            day_of_month INTEGER, time VARCHAR(10) NOT NULL, enabled {boolean}, last_run {datetime},
            next_run {datetime}, notify_email VARCHAR(120), notify_sms VARCHAR(32), created_at {datetime},
            updated_at {datetime}, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES users (id));"
    )
}

pub fn made_by_the_application(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    db.execute(&create_all(engine));
    db
}

/// Names of constraints and indexes, which Alembic and the application's own migrations go by.
fn names(db: &Db) -> Vec<String> {
    let mut names: Vec<String> =
        objects::facts(db).into_iter().map(|fact| format!("{:?} {}", fact.kind, fact.name)).collect();
    names.sort();
    names
}

/// What `check --target` says.
fn foretold(source: &Db, target: &Db) -> binary::Ran {
    binary::run(&["check", "--database", &source.url, "--target", &target.url, "--format", "json"])
}

/// What a database holds: its text in full, for telling whether anything was changed.
pub fn everything(db: &Db) -> String {
    format!("{:?} {:?}", content::read(db), names(db))
}

fn filled_after_create_all(engine: Engine) {
    let source = seeded(400);
    let target = made_by_the_application(engine);
    let expected = names(&target);
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    let differences = content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(
        objects::missing(&objects::facts(&source), &objects::facts(&target), &Renamed::new(), &[]),
        Vec::<String>::new()
    );
    for name in expected {
        assert!(names(&target).contains(&name), "{name} is not there any more: {:?}", names(&target));
    }
    logs_in(&source, &target);
    next_ids(&target);
    let replaced =
        ran.json()["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "table_replaced").count();
    assert_eq!(replaced, 4, "{ran}");
    // A second time there are rows.
    let before = everything(&target);
    let again = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(again.code, 4, "{again}");
    assert_eq!(everything(&target), before);
}

#[test]
fn tables_of_create_all_are_filled_on_sqlite() {
    filled_after_create_all(Engine::Sqlite);
}

#[test]
fn tables_of_create_all_are_filled_on_postgres() {
    filled_after_create_all(Engine::Postgres);
}

#[test]
fn tables_of_create_all_are_filled_on_mariadb() {
    filled_after_create_all(Engine::Mariadb);
}

#[test]
fn tables_of_create_all_are_filled_on_mysql() {
    if Engine::Mysql.at_hand() {
        filled_after_create_all(Engine::Mysql);
    }
}

#[test]
fn the_types_hold_the_data_afterwards() {
    let source = seeded(30);
    for engine in Engine::servers() {
        let target = made_by_the_application(engine);
        assert_eq!(binary::migrate(&source.url, &target.url, &[]).code, 0);
        let sql = "SELECT CONCAT(column_name, ' ', data_type, ' ', COALESCE(character_maximum_length, 0), ' ',
                          COALESCE(datetime_precision, 0))
                   FROM information_schema.columns WHERE table_name IN ('users', 'diagnostics')
                   AND column_name IN ('password_hash', 'score', 'date', 'notes') AND table_schema IN ('public', '{}')
                   ORDER BY 1";
        let name = target.name();
        let types: Vec<String> =
            target.query(&sql.replace("{}", name)).into_iter().flatten().flatten().collect();
        let expected = match engine {
            Engine::Postgres => [
                "date timestamp without time zone 0 6",
                "notes text 0 0",
                "password_hash character varying 255 0",
                "score double precision 0 0",
            ],
            _ => [
                "date datetime 0 6",
                "notes longtext 4294967295 0",
                "password_hash varchar 255 0",
                "score double 0 0",
            ],
        };
        assert_eq!(types, expected, "{engine:?}");
    }
}

/// One row is enough: the target is somebody's.
#[test]
fn a_table_with_a_row_is_never_touched() {
    let source = seeded(20);
    for engine in Engine::all() {
        let target = made_by_the_application(engine);
        target.execute("INSERT INTO roles (name) VALUES ('ours')");
        let before = everything(&target);
        for more in [&[][..], &["--dry-run"], &["--data-only"], &["--schema-only"]] {
            let ran = binary::migrate(&source.url, &target.url, more);
            assert_eq!(ran.code, 4, "{engine:?} {more:?}: {ran}");
            assert!(ran.to_string().contains("roles"), "{ran}");
            assert_eq!(everything(&target), before, "{engine:?}");
        }
    }
}

/// The application is running: a row that comes while the rows are being copied is not lost.
#[test]
fn a_row_that_comes_during_the_load_stops_the_switch() {
    let source = seeded(3000);
    for engine in Engine::all() {
        let target = made_by_the_application(engine);
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path());
        command.args(["--format", "json", "--progress", "json", "migrate", "--source", &source.url]);
        command.args(["--target", &target.url]);
        let mut running = Running::start(command);
        assert!(running.until(&["\"load\""]), "{engine:?}");
        target.execute("INSERT INTO roles (name) VALUES ('came in between')");
        let before = everything(&target);
        let ran = running.end();
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.to_string().contains("roles"), "{ran}");
        assert_eq!(everything(&target), before, "{engine:?}");
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(target.value("SELECT count(*) FROM roles").as_deref(), Some("1"));
    }
}

/// A newer release of the application than the source's: a table, a column and an index more, and a foreign key of
/// the new table onto an old one. An older source: all of that stays.
#[test]
fn what_only_the_application_has_is_kept() {
    let source = seeded(50);
    for engine in Engine::all() {
        let target = made_by_the_application(engine);
        let id = match engine {
            Engine::Sqlite => "INTEGER NOT NULL PRIMARY KEY",
            Engine::Postgres => "SERIAL PRIMARY KEY",
            Engine::Mariadb | Engine::Mysql => "INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY",
        };
        target.execute(&format!(
            "ALTER TABLE users ADD COLUMN locale VARCHAR(10) DEFAULT 'pt_BR' NOT NULL;
             ALTER TABLE users ADD COLUMN avatar VARCHAR(200);
             CREATE INDEX ix_diagnostics_status ON diagnostics (status);
             CREATE TABLE sessions (id {id}, user_id INTEGER, token VARCHAR(40),
                 CONSTRAINT fk_sessions_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE);
             INSERT INTO sessions (token) VALUES ('kept')"
        ));
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(target.value("SELECT token FROM sessions").as_deref(), Some("kept"));
        assert_eq!(
            target.value("SELECT count(*) FROM users WHERE locale = 'pt_BR' AND avatar IS NULL"),
            source.value("SELECT count(*) FROM users")
        );
        assert!(names(&target).iter().any(|n| n.ends_with("ix_diagnostics_status")), "{:?}", names(&target));
        // The new table's key leads to the new users.
        let user = target.value("SELECT min(id) FROM users WHERE id NOT IN (SELECT user_id FROM diagnostics WHERE user_id IS NOT NULL) AND id NOT IN (SELECT user_id FROM maintenance_plans)").unwrap();
        target.execute(&format!("INSERT INTO sessions (user_id, token) VALUES ({user}, 'of a user')"));
        let on = if engine == Engine::Sqlite { "PRAGMA foreign_keys = ON;" } else { "" };
        target.execute(&format!("{on} DELETE FROM users WHERE id = {user}"));
        assert_eq!(target.value("SELECT count(*) FROM sessions").as_deref(), Some("1"), "{engine:?}");
    }
}

/// Checks as SQLAlchemy and others write them, most of which a server prints in other words than it was given.
const CHECKS: [&str; 18] = [
    "n >= 18",
    "length(k) > 2",
    "k <> ''",
    "n < m",
    "n IN (1, 2, 3)",
    "n >= 0 OR n IS NULL",
    "k LIKE 'a%'",
    "n BETWEEN 1 AND 5",
    "k IN ('a')",
    "k IN ('user', 'técnico', 'x y')",
    "n > 0 AND (k IS NOT NULL OR m = 1)",
    "NOT (n = 5)",
    "coalesce(n, 0) >= 0",
    "k = 'a' OR k = 'b'",
    "lower(k) = k",
    "r > 0.5",
    "n <> -1",
    "d > '2020-01-01'",
];

/// Names of the checks, in order; of SQLite the statement that makes the table says how many.
fn names_of_checks(db: &Db) -> Vec<Vec<Option<String>>> {
    let sql = match db.engine {
        Engine::Sqlite => {
            "SELECT (length(sql) - length(replace(sql, ' CHECK ', ''))) / 7 FROM sqlite_schema WHERE name = 't'"
        }
        Engine::Postgres => {
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 't'::regclass ORDER BY 1"
        }
        Engine::Mariadb | Engine::Mysql => {
            "SELECT constraint_name FROM information_schema.check_constraints \
             WHERE constraint_schema = DATABASE() ORDER BY 1"
        }
    };
    db.query(sql)
}

/// The same statements made the tables on both sides: whatever the servers made of them, every check is there once
/// afterwards, under its name, and `check --target` says before what happens.
#[test]
fn checks_of_the_same_name_are_one() {
    let checks: Vec<String> =
        (0..).zip(CHECKS).map(|(at, check)| format!("CONSTRAINT ck_{at} CHECK ({check})")).collect();
    let made = format!(
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, k VARCHAR(20), n INTEGER, m INTEGER, r NUMERIC(5, 2), d DATE, {})",
        checks.join(", ")
    );
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&format!("{made}; INSERT INTO t (id) VALUES (1)"));
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        target.execute(&made);
        let before = names_of_checks(&target);
        let told = foretold(&source, &target);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!((told.code, ran.code), (0, 0), "{engine:?}: {told} {ran}");
        assert_eq!(names_of_checks(&target), before, "{engine:?}: {ran}");
        assert!(target.refuses("INSERT INTO t (id, n) VALUES (2, -1)"), "{engine:?}");
    }
}

/// The application's newer models know more labels than the check of the source. One of that name can be there, and it is
/// the application's.
#[test]
fn a_check_that_says_something_else_is_the_applications() {
    let made = |labels: &str| {
        format!(
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, k VARCHAR(20), CONSTRAINT ck_k CHECK (k IN ({labels})))"
        )
    };
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&format!("{}; INSERT INTO t VALUES (1, 'old'), (2, 'both')", made("'old', 'both'")));
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        target.execute(&made("'old', 'both', 'new'"));
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert!(ran.to_string().contains("check ck_k stays as it is"), "{engine:?}: {ran}");
        target.execute("INSERT INTO t VALUES (3, 'new')");
        assert!(target.refuses("INSERT INTO t VALUES (4, 'none')"), "{engine:?}");
    }
}

/// Rows that the application's own tables refuse are told before anything is written, whether these tables give way to wider
/// ones or are filled.
#[test]
fn what_the_applications_tables_demand_is_told() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(50), n INTEGER, word VARCHAR(9));
         INSERT INTO t VALUES (1, 'x', 1, 'p'), (2, NULL, 2, 'q'), (3, 'y', -1, 'r'), (4, 'z', 4, 'r')",
    );
    for engine in Engine::all() {
        for scope in [&[][..], &["--data-only"]] {
            let target = Db::fresh(engine);
            target.execute(
                "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(50) NOT NULL, n INTEGER,
                     word VARCHAR(9), CONSTRAINT ck_n CHECK (n > 0), CONSTRAINT uq_word UNIQUE (word))",
            );
            let ran = binary::migrate(&source.url, &target.url, scope);
            let told = |ran: &binary::Ran| {
                let json = ran.json();
                let findings = json["findings"].as_array().unwrap().iter();
                let stops = findings.filter(|f| f["severity"] == "blocker");
                let mut told: Vec<String> = stops
                    .map(|f| format!("{} {} {}", f["code"].as_str().unwrap(), f["rows"], f["keys"]))
                    .collect();
                told.sort();
                told
            };
            let expected = [
                "check_violated 1 [\"id=3\"]",
                "duplicates 2 [\"id=3\",\"id=4\"]",
                "target_mismatch 1 [\"id=2\"]",
            ];
            assert_eq!(
                (ran.code, told(&ran)),
                (4, expected.map(String::from).to_vec()),
                "{engine:?} {scope:?}: {ran}"
            );
            if scope.is_empty() {
                assert_eq!(told(&foretold(&source, &target)), expected, "{engine:?}");
            }
            assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("0"), "{engine:?}");
        }
    }
}

/// SQLAlchemy's DateTime is DATETIME without a fraction on MySQL and MariaDB: whether the times fit is for the rows to say.
#[test]
fn times_without_a_fraction_go_into_columns_without_one() {
    for from in Engine::all() {
        let (source, digits) = (Db::fresh(from), if from == Engine::Sqlite { "" } else { "(6)" });
        let word = if from == Engine::Postgres { "TIMESTAMP" } else { "DATETIME" };
        source.execute(&format!(
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, at {word}{digits}, clock TIME{digits});
             INSERT INTO t VALUES (1, '2024-01-02 03:04:05.000000', '10:11:12.000000'), (2, NULL, NULL)"
        ));
        for engine in Engine::servers() {
            // A TIME of MySQL and MariaDB need be no time of day.
            if engine == Engine::Postgres && matches!(from, Engine::Mariadb | Engine::Mysql) {
                continue;
            }
            let made = |digits: &str| {
                let target = Db::fresh(engine);
                let word = if engine == Engine::Postgres { "TIMESTAMP" } else { "DATETIME" };
                target.execute(&format!(
                    "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, at {word}{digits}, clock TIME{digits})"
                ));
                target
            };
            let ran = binary::migrate(&source.url, &made("(0)").url, &["--data-only"]);
            assert_eq!(ran.code, 0, "{from:?} {engine:?}: {ran}");
            source.execute(
                "INSERT INTO t VALUES (3, '2024-01-02 03:04:05.000100', NULL), (4, NULL, '10:11:12.123400')",
            );
            for (digits, named) in [("(0)", &["at", "clock"][..]), ("(3)", &["at", "clock"]), ("(4)", &[])] {
                let ran = binary::migrate(&source.url, &made(digits).url, &["--data-only"]);
                let found: Vec<(String, String)> = ran.json()["findings"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|f| f["code"] == "target_mismatch")
                    .map(|f| (f["column"].as_str().unwrap().to_owned(), f["keys"].to_string()))
                    .collect();
                let key = |column: &str| if column == "at" { "[\"id=3\"]" } else { "[\"id=4\"]" };
                let expected = named.iter().map(|column| (column.to_string(), key(column).to_owned()));
                assert_eq!(found, expected.collect::<Vec<_>>(), "{from:?} {engine:?} {digits}: {ran}");
                assert_eq!(
                    ran.code,
                    if named.is_empty() { 0 } else { 4 },
                    "{from:?} {engine:?} {digits}: {ran}"
                );
            }
            source.execute("DELETE FROM t WHERE id > 2");
        }
    }
}

/// Times that are numbers in SQLite have digits of a second, too.
#[test]
fn milliseconds_do_not_go_into_a_column_without_a_fraction() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, at DATETIME);
         INSERT INTO t VALUES (1, 1700000000000), (2, 1700000000123)",
    );
    for engine in Engine::servers().filter(|engine| *engine != Engine::Postgres) {
        let target = Db::fresh(engine);
        target.execute("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, at DATETIME)");
        let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(
            ran.to_string().contains("\"target_mismatch\"") && ran.to_string().contains("\"id=2\""),
            "{ran}"
        );
    }
}

/// The application's newer models may refer to tables that come along by columns that do not.
#[test]
fn a_foreign_key_over_a_column_that_the_source_lacks_asks_nothing_of_it() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE teams (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(9));
         CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(9));
         INSERT INTO teams VALUES (1, 'x'); INSERT INTO t VALUES (1, 'y')",
    );
    for engine in Engine::all() {
        for scope in [&[][..], &["--data-only"]] {
            let target = Db::fresh(engine);
            target.execute(
                "CREATE TABLE teams (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(9));
                 CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(9), team_id INTEGER,
                     FOREIGN KEY (team_id) REFERENCES teams (id))",
            );
            let ran = binary::migrate(&source.url, &target.url, scope);
            assert_eq!(ran.code, 0, "{engine:?} {scope:?}: {ran}");
            assert!(target.refuses("INSERT INTO t (id, team_id) VALUES (2, 7)"), "{engine:?} {scope:?}");
        }
    }
}

/// Only what is certain stops rows: which letters a character set has is not known of all.
#[test]
fn letters_of_other_character_sets_go_where_they_are_taken() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(9)); INSERT INTO t VALUES (1, 'č')",
    );
    for engine in Engine::servers().filter(|engine| *engine != Engine::Postgres) {
        for charset in ["latin2", "cp1250", "utf8mb4"] {
            let target = Db::fresh(engine);
            target.execute(&format!(
                "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a VARCHAR(9) CHARACTER SET {charset})"
            ));
            let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
            assert_eq!(ran.code, 0, "{engine:?} {charset}: {ran}");
            assert_eq!(target.value("SELECT a FROM t").as_deref(), Some("č"), "{engine:?} {charset}");
        }
    }
}

/// No engine but PostgreSQL holds the rows of a load to the foreign keys of the tables that are filled.
#[test]
fn rows_without_a_parent_do_not_get_into_the_applications_tables() {
    let rows = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5), (2, NULL), (3, 7)";
    let parents = "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO p VALUES (7)";
    for engine in Engine::all() {
        // The parents are in the target alone, or come along.
        for comes in [false, true] {
            let (source, target) = (Db::fresh(Engine::Sqlite), Db::fresh(engine));
            source.execute(rows);
            target.execute(
                "CREATE TABLE p (id INTEGER NOT NULL PRIMARY KEY);
                 CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INTEGER, FOREIGN KEY (n) REFERENCES p (id))",
            );
            (if comes { &source } else { &target }).execute(if comes {
                parents
            } else {
                "INSERT INTO p VALUES (7)"
            });
            let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
            assert_ne!(ran.code, 0, "{engine:?} {comes}: {ran}");
            if comes {
                assert!(ran.code == 4 && ran.to_string().contains("\"orphans\""), "{engine:?}: {ran}");
            }
            assert_eq!(
                target.value("SELECT count(*) FROM t").as_deref(),
                Some("0"),
                "{engine:?} {comes}: {ran}"
            );
            source.execute("DELETE FROM t WHERE n = 5");
            let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
            assert_eq!(ran.code, 0, "{engine:?} {comes}: {ran}");
            assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("2"), "{engine:?} {comes}");
        }
    }
}

/// A unique index that ignores case on the one side and an index of the same name that does not on the other are two.
#[test]
fn an_index_that_guards_otherwise_goes_by_another_name() {
    let target = || {
        let target = Db::fresh(Engine::Postgres);
        target.execute(
            "CREATE TABLE users (id SERIAL PRIMARY KEY, username VARCHAR(64));
             CREATE UNIQUE INDEX ix_users_username ON users (username)",
        );
        target
    };
    for engine in [Engine::Sqlite, Engine::Mariadb] {
        let (id, text) = match engine {
            Engine::Sqlite => ("INTEGER PRIMARY KEY", "VARCHAR(64) COLLATE NOCASE"),
            _ => ("INTEGER PRIMARY KEY AUTO_INCREMENT", "VARCHAR(64) COLLATE utf8mb4_general_ci"),
        };
        let source = Db::fresh(engine);
        source.execute(&format!(
            "CREATE TABLE users (id {id}, username {text});
             CREATE UNIQUE INDEX ix_users_username ON users (username);
             INSERT INTO users VALUES (1, 'ana'), (2, 'Bia')"
        ));
        let target = target();
        let told = foretold(&source, &target);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, told.code, "{engine:?}: {told} {ran}");
        assert!(ran.code <= 1, "{engine:?}: {ran}");
        let renamed = ran.json()["findings"].as_array().unwrap().iter().any(|f| f["code"] == "renamed");
        assert!(renamed, "{engine:?}: {ran}");
        assert!(names(&target).iter().any(|n| n.ends_with(" ix_users_username")), "{:?}", names(&target));
        assert!(target.refuses("INSERT INTO users (username) VALUES ('ANA')"), "{engine:?}");
    }
}

/// A column that takes no NULL and has no default: there is nothing to put there.
#[test]
fn a_column_that_cannot_be_left_empty_is_refused_by_name() {
    let source = seeded(20);
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        target.execute(
            "CREATE TABLE roles (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(64), tenant INTEGER NOT NULL)",
        );
        let before = everything(&target);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.to_string().contains("tenant"), "{ran}");
        assert_eq!(everything(&target), before);
    }
}

/// What would be lost with the old table is named before anything is read.
#[test]
fn a_view_on_postgres_holds_its_table() {
    let source = seeded(20);
    let target = made_by_the_application(Engine::Postgres);
    target.execute("CREATE VIEW active_users AS SELECT id, username FROM users WHERE active");
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.to_string().contains("active_users"), "{ran}");
    target.execute("SELECT * FROM active_users");
    target.execute("DROP VIEW active_users");
    assert_eq!(binary::migrate(&source.url, &target.url, &[]).code, 0);
}

#[test]
fn views_triggers_and_rights_outlive_the_replacement() {
    let source = seeded(20);
    let sqlite = made_by_the_application(Engine::Sqlite);
    sqlite.execute(
        "CREATE VIEW active_users AS SELECT id, username FROM users WHERE active;
         CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
         CREATE TRIGGER users_log AFTER INSERT ON users BEGIN INSERT INTO log (what) VALUES (new.username); END",
    );
    assert_eq!(binary::migrate(&source.url, &sqlite.url, &[]).code, 0);
    assert_eq!(sqlite.value("SELECT count(*) FROM log").as_deref(), Some("0"), "the load fired a trigger");
    sqlite.execute("INSERT INTO users (username, active) VALUES ('somebody new', 1)");
    assert_eq!(sqlite.value("SELECT what FROM log").as_deref(), Some("somebody new"));
    assert_eq!(
        sqlite.value("SELECT count(*) FROM active_users WHERE username = 'somebody new'").as_deref(),
        Some("1")
    );

    let postgres = made_by_the_application(Engine::Postgres);
    let role = format!("{}_reader", postgres.name());
    postgres.execute(&format!(
        "CREATE ROLE {role};
         GRANT SELECT, INSERT ON users TO {role} WITH GRANT OPTION; GRANT UPDATE (email) ON users TO {role};
         GRANT USAGE ON SEQUENCE users_id_seq TO {role};
         CREATE TABLE log (what TEXT);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO log VALUES (new.username); RETURN new; END $$;
         CREATE TRIGGER users_log AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TRIGGER users_off AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION note();
         ALTER TABLE users DISABLE TRIGGER users_off"
    ));
    let rights = "SELECT acl::text FROM (SELECT unnest(relacl) AS acl FROM pg_class WHERE relname IN ('users', 'users_id_seq')
                  AND relnamespace = 'public'::regnamespace
                  UNION ALL SELECT unnest(attacl) FROM pg_attribute WHERE attrelid = 'users'::regclass) a ORDER BY 1";
    let before = postgres.query(rights);
    let ran = binary::migrate(&source.url, &postgres.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(postgres.query(rights), before);
    assert_eq!(postgres.value("SELECT count(*) FROM log").as_deref(), Some("0"), "the load fired a trigger");
    postgres.execute("INSERT INTO users (username) VALUES ('somebody new')");
    assert_eq!(postgres.query("SELECT what FROM log"), [[Some("somebody new".to_owned())]]);
    postgres.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// A trigger cannot follow its table into another database.
#[test]
fn a_trigger_on_mysql_holds_its_table() {
    let source = seeded(20);
    for engine in Engine::mysqls() {
        let target = made_by_the_application(engine);
        target.execute("CREATE TRIGGER users_log AFTER INSERT ON users FOR EACH ROW SET @seen = 1");
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 4, "{ran}");
        assert!(ran.to_string().contains("users_log"), "{ran}");
    }
}

/// Hosts that give one database and no right to make another: the old tables go aside under other names.
#[test]
fn an_account_of_one_database_replaces_too() {
    let source = seeded(20);
    for engine in Engine::mysqls() {
        let target = made_by_the_application(engine);
        let name = target.name();
        target.execute(&format!(
        "CREATE USER '{name}'@'%' IDENTIFIED BY 'word'; GRANT ALL PRIVILEGES ON `{name}`.* TO '{name}'@'%'"
    ));
        let url = target.url.replace("root@", &format!("{name}:word@"));
        let ran = binary::migrate(&source.url, &url, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        let differences =
            content::differences(&content::read(&source), &content::read(&target), &Renamed::new());
        assert_eq!(differences, Vec::<String>::new());
        next_ids(&target);
        target.execute(&format!("DROP USER '{name}'@'%'"));
    }
}
