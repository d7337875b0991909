//! What only MySQL and MariaDB have: their catalogue, staging in a database of its own or behind a prefix, rights,
//! packets, what their servers would change without a word. Values and directions in general are in `values` and
//! `directions`; the server is the judge here too.

use std::path::Path;
use std::sync::Arc;

use techcare_db::commands::backup::{First, When};
use techcare_db::commands::migrate::{self, Loader, Options, Outcome};
use techcare_db::engine::connect;
use techcare_db::model::endpoint::{Endpoint, Location};
use techcare_db::model::error::{Error, ErrorKind};
use techcare_db::model::event::Silent;
use techcare_db::model::plan::Scope;
use techcare_db::model::report::MigrationReport;
use techcare_db::model::schema::{DataType, DefaultValue, Schema};
use tokio_util::sync::CancellationToken;

use crate::support::database::{self, Db, Engine, query, wait};
use crate::support::endpoint as named;

/// A test database for one user; for the server's own if there is none.
fn endpoint(db: &Db, user: Option<(&str, &str)>) -> Endpoint {
    let mut server = named::server(Engine::Mariadb, &db.url);
    if let Some((user, password)) = user {
        user.clone_into(&mut server.user);
        server.password = Some(password.into());
    }
    named::at(Engine::Mariadb, server)
}

fn fresh() -> Db {
    Db::fresh(Engine::Mariadb)
}

fn options(source: Endpoint, target: Endpoint) -> Options {
    Options {
        source,
        target,
        dry_run: false,
        tables: vec![],
        exclude: vec![],
        scope: Scope::All,
        batch_rows: None,
        jobs: Some(2),
        first: First { folder: "backups".into(), when: When::Never },
        verify: true,
        view_timeout: None,
        write_env: None,
        loader: Loader::Bulk,
        rules: vec![],
        policies: techcare_db::model::policy::Policies::default(),
        rejects: "rejects".into(),
        resume: false,
        retry_for: std::time::Duration::ZERO,
        dump: None,
        replace: false,
        consent: techcare_db::commands::consent::Consent::Missing,
        history: Path::new(env!("CARGO_TARGET_TMPDIR")).join("history"),
        recorded_as: techcare_db::pipeline::runs::Command::Migrate,
    }
}

fn migrate(source: &Db, target: &Db) -> Result<MigrationReport, Error> {
    carry_out(&options(endpoint(source, None), endpoint(target, None)))
}

fn carry_out(options: &Options) -> Result<MigrationReport, Error> {
    match wait(migrate::run(options, Arc::new(Silent), CancellationToken::new()))? {
        Outcome::Migrated(report) => Ok(report),
        Outcome::Dumped(report) => panic!("dumped into {}", report.file.display()),
        Outcome::Planned(planned) | Outcome::Refused(planned) => {
            panic!("refused: {:?}", planned.plan.blockers().map(|f| &f.text).collect::<Vec<_>>())
        }
    }
}

/// What the plan refuses: code, table, column and keys.
fn blockers(source: &Db, target: &Db) -> Vec<String> {
    let options = options(endpoint(source, None), endpoint(target, None));
    match wait(migrate::run(&options, Arc::new(Silent), CancellationToken::new())).unwrap() {
        Outcome::Refused(planned) => planned
            .plan
            .blockers()
            .map(|f| {
                let (table, column) = (f.table.as_deref(), f.column.as_deref());
                let (table, column) = (table.unwrap_or_default(), column.unwrap_or_default());
                format!("{} {table}.{column} {}", f.code, f.keys.join(" "))
            })
            .collect(),
        outcome => panic!("not refused: {outcome:?}"),
    }
}

fn schema(db: &Db) -> Schema {
    wait(async {
        let source = connect::source(&endpoint(db, None)).await.unwrap();
        let schema = source.inspect().await.unwrap();
        source.close().await;
        schema
    })
}

/// The schema without what the server estimates.
fn comparable(db: &Db) -> Schema {
    let mut schema = schema(db);
    for table in &mut schema.tables {
        (table.bytes, table.estimated_rows) = (None, None);
        table.checks.sort_by(|a, b| a.expression.cmp(&b.expression));
        // The server makes a name up for a check that has none.
        table.checks.iter_mut().for_each(|c| c.name = None);
    }
    schema
}

/// Names of tables and views.
fn names(db: &Db) -> Vec<String> {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1";
    db.query(sql).into_iter().flatten().flatten().collect()
}

/// Whether the server says that two tables hold the same.
fn same_rows(one: &Db, other: &Db, table: &str) -> bool {
    let sum = |db: &Db| db.query(&format!("CHECKSUM TABLE `{table}` EXTENDED"))[0][1].clone();
    sum(one) == sum(other) && sum(one).is_some()
}

/// Staging databases of this program that have a table of that name in them.
fn staging_with(table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT table_schema FROM information_schema.tables WHERE table_schema LIKE 'techcare\\_db\\_%' AND \
         table_name = '{table}'"
    );
    query(Engine::Mariadb, &Engine::Mariadb.server(), &sql).into_iter().flatten().flatten().collect()
}

#[test]
fn a_table_with_everything_arrives_word_for_word() {
    let (source, target) = (fresh(), fresh());
    source.execute(
        r#"CREATE TABLE parent (id SMALLINT UNSIGNED PRIMARY KEY, code CHAR(5) CHARACTER SET latin1 UNIQUE);
        CREATE TABLE everything (
            id INT AUTO_INCREMENT PRIMARY KEY COMMENT 'counts',
            quoted VARCHAR(10) DEFAULT 'it''s' COMMENT 'it''s', slashed TEXT DEFAULT 'x\\y', word VARCHAR(9) DEFAULT 'NULL',
            bits BIT(4) DEFAULT b'101', clock DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
            day DATE DEFAULT CURDATE(), doc JSON DEFAULT '{}', total INT DEFAULT (1 + 2), bytes VARBINARY(4) DEFAULT 'ab',
            real_one DOUBLE DEFAULT -1.5, choice ENUM('a','it''s','') DEFAULT 'a', money DECIMAL(5,2) DEFAULT 1.50,
            truth TINYINT(1) DEFAULT 1, number TINYINT(1), made VARCHAR(40) DEFAULT UUID(), stamp TIMESTAMP NULL,
            positive INT CHECK (positive > 0), twice INT AS (positive * 2) STORED, both_ways VARCHAR(99) AS (CONCAT(quoted, '!')) VIRTUAL,
            old CHAR(5) CHARACTER SET latin1, address INET6, key_of UUID, year_of YEAR DEFAULT 2020, place POINT,
            a_set SET('a','b'), three BINARY(3), parent SMALLINT UNSIGNED, swedish VARCHAR(9) COLLATE utf8mb4_swedish_ci,
            CONSTRAINT sane CHECK (positive < 1000),
            KEY prefixed (slashed(10)), KEY falling (quoted DESC, truth), UNIQUE KEY one (number, choice), FULLTEXT KEY words (slashed),
            CONSTRAINT child FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE SET NULL ON UPDATE CASCADE,
            CONSTRAINT strict FOREIGN KEY (parent) REFERENCES parent (id)
        ) AUTO_INCREMENT=500 COMMENT='all of it';
        CREATE TABLE prefixed (a MEDIUMTEXT NOT NULL, b INT NOT NULL, PRIMARY KEY (a(191), b));
        INSERT INTO parent VALUES (7, 'é');
        INSERT INTO everything (id, truth, number, place, parent, old, key_of, address, three, a_set, doc) VALUES
            (0, 0, 2, ST_PointFromText('POINT(1.5 -2)', 4326), 7, 'ÀÉ', UUID(), '::1', 'a', 'a,b', '{"b": 1, "a":1.50}'),
            (3, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL);
        INSERT INTO prefixed VALUES ('a', 1), ('a ', 2)"#,
    );
    let report = migrate(&source, &target).unwrap();
    assert!(report.tables.iter().all(|t| t.verified == Some(true)));
    for table in ["parent", "everything", "prefixed"] {
        assert!(same_rows(&source, &target, table), "{table}");
    }
    assert_eq!(comparable(&source), comparable(&target));
    let everything = schema(&target).table("everything").cloned().unwrap();
    let column = |name: &str| everything.column(name).cloned().unwrap();
    assert_eq!(column("truth").data_type, DataType::Bool);
    assert_eq!(column("truth").default, Some(DefaultValue::Bool(true)));
    assert_eq!(column("number").data_type, DataType::Int { bits: 8, unsigned: false });
    assert_eq!(column("doc").data_type, DataType::Json { binary: false });
    // The next row gets the next number, not the one after the greatest.
    target.execute("INSERT INTO everything (word, choice) VALUES ('next', '')");
    assert_eq!(target.value("SELECT id FROM everything WHERE word = 'next'").as_deref(), Some("500"));
    assert_eq!(staging_with("everything"), Vec::<String>::new());
}

#[test]
fn a_large_table_gets_its_keys_after_the_rows() {
    let (source, target) = (fresh(), fresh());
    source.execute(
        "CREATE TABLE p (id INT PRIMARY KEY);
        CREATE TABLE big (id BIGINT UNSIGNED AUTO_INCREMENT, a DOUBLE, f FLOAT, t VARCHAR(50), at DATETIME(6), p INT,
            KEY by_id (id), UNIQUE KEY u (t, id), CONSTRAINT fk_p FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE) \
            AUTO_INCREMENT = 90000;
        INSERT INTO p SELECT seq FROM seq_1_to_10;
        INSERT INTO big (a, f, t, at, p) SELECT EXP(RAND(seq) * 1400 - 700), RAND(seq) * POW(10, seq MOD 60 - 30.0), \
            CONCAT('ação ', seq), '1970-01-01' + INTERVAL seq * 987654321 MICROSECOND, 1 + seq MOD 10 FROM seq_1_to_30000;
        INSERT INTO big (id, a) VALUES (18446744073709551614, 5e-324);
        ANALYZE TABLE big",
    );
    migrate(&source, &target).unwrap();
    assert!(same_rows(&source, &target, "big"));
    assert_eq!(comparable(&source), comparable(&target));
}

#[test]
fn odd_names_are_only_names() {
    let (source, target) = (fresh(), fresh());
    let long = "ü".repeat(64);
    let names =
        ["a`b", "it's \"it\"", "new\nline", "; DROP TABLE x; --", "select", "ação", "\\", "%s", &long];
    for name in names {
        let quoted = Engine::Mariadb.quote(name);
        source.execute(&format!(
            "CREATE TABLE {quoted} ({quoted} INT PRIMARY KEY, b INT, CONSTRAINT {quoted} UNIQUE ({quoted}, b)); \
             INSERT INTO {quoted} VALUES (0, 1), (1, 2)"
        ));
    }
    migrate(&source, &target).unwrap();
    assert_eq!(comparable(&source), comparable(&target));
}

#[test]
fn orphans_stop_the_switch() {
    let (source, target) = (fresh(), fresh());
    source.execute(
        "CREATE TABLE p (id INT PRIMARY KEY);
        CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id));
        SET foreign_key_checks = 0; INSERT INTO c VALUES (1, NULL), (5, 99)",
    );
    assert_eq!(blockers(&source, &target), ["orphans c.p id=5"]);
    assert_eq!(names(&target), Vec::<String>::new());
}

#[test]
fn a_row_longer_than_a_packet_is_named_before_it_is_sent() {
    let (source, target) = (fresh(), fresh());
    let half = "REPEAT('x', (@@max_allowed_packet DIV 2) + 1000)";
    source.execute(&format!(
        "CREATE TABLE files (id INT PRIMARY KEY, a LONGTEXT, b LONGTEXT); INSERT INTO files VALUES (1, 'x', 'y'); \
         INSERT INTO files SELECT 2, {half}, NULL; UPDATE files SET b = {half} WHERE id = 2"
    ));
    let error = migrate(&source, &target).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value, "{error}");
    assert!(error.what().contains("\"files\" (id=2)"), "{error}");
    assert!(error.reason().unwrap().contains("max_allowed_packet"), "{error}");
    assert!(error.advice().unwrap().contains("SET GLOBAL max_allowed_packet"), "{error}");
    // A long first value does not end the rows early, and long rows among short ones do not fill a packet.
    source.execute("UPDATE files SET b = NULL; INSERT INTO files SELECT 3 + seq, REPEAT('y', 300000 * seq), 'z' FROM seq_1_to_30");
    migrate(&source, &target).unwrap();
    assert!(same_rows(&source, &target, "files"));
}

/// A user of the server with these rights, for as long as the test runs.
struct User {
    name: String,
}

impl User {
    fn new(name: &str, grants: &[String]) -> Self {
        let name = format!("{name}_{}", std::process::id());
        let server = Engine::Mariadb.server();
        // An anonymous user of this host, where there is one, would come before '%'.
        for host in ["%", "localhost"] {
            let user = format!("'{name}'@'{host}'");
            let create = format!("CREATE OR REPLACE USER {user} IDENTIFIED BY 'sécret'");
            database::execute(Engine::Mariadb, &server, &create);
            for grant in grants {
                database::execute(Engine::Mariadb, &server, &format!("GRANT {grant} TO {user}"));
            }
        }
        Self { name }
    }

    fn login(&self) -> (&str, &str) {
        (&self.name, "sécret")
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let sql = format!("DROP USER IF EXISTS '{0}'@'%', '{0}'@'localhost'", self.name);
        database::execute(Engine::Mariadb, &Engine::Mariadb.server(), &sql);
    }
}

fn two_tables() -> Db {
    let source = fresh();
    source.execute(
        "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, n VARCHAR(9)) AUTO_INCREMENT = 50;
        CREATE TABLE c (id INT PRIMARY KEY, p INT, CONSTRAINT fk_c_p FOREIGN KEY (p) REFERENCES p (id));
        INSERT INTO p VALUES (0, 'zero'), (7, 'seven'); INSERT INTO c VALUES (1, 7), (2, 0)",
    );
    source
}

#[test]
fn without_the_right_to_make_databases_a_prefix_serves() {
    let (source, target) = (two_tables(), fresh());
    let user = User::new("tc_prefix", &[format!("ALL PRIVILEGES ON {}.*", target.name())]);
    carry_out(&options(endpoint(&source, None), endpoint(&target, Some(user.login())))).unwrap();
    assert_eq!(names(&target), ["c", "p"]);
    assert!(same_rows(&source, &target, "p") && same_rows(&source, &target, "c"));
    assert_eq!(comparable(&source), comparable(&target));
}

#[test]
fn without_any_right_the_grant_is_told() {
    let (source, target) = (two_tables(), fresh());
    let user = User::new("tc_none", &[format!("SELECT, INSERT ON {}.*", target.name())]);
    let error =
        carry_out(&options(endpoint(&source, None), endpoint(&target, Some(user.login())))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    let grant = format!("GRANT ALL PRIVILEGES ON `{}`.* TO '{}'@", target.name(), user.name);
    assert!(error.advice().unwrap().contains(&grant), "{:?}", error.advice());
    assert_eq!(names(&target), Vec::<String>::new());
}

#[test]
fn refused_logins_say_what_to_do() {
    let db = fresh();
    let open = |endpoint: &Endpoint| wait(connect::source(endpoint)).err().unwrap();
    let error = open(&endpoint(&db, Some(("tc_nobody", "pässword"))));
    assert_eq!(error.kind(), ErrorKind::Login);
    assert!(error.advice().unwrap().contains("UTF-8") && !error.to_string().contains("pässword"));
    let mut missing = endpoint(&db, None);
    let Location::Mysql(server) = &mut missing.location else { unreachable!() };
    server.database = "tcdb_of_nobody".into();
    let error = open(&missing);
    assert_eq!(error.kind(), ErrorKind::Login);
    assert!(error.advice().unwrap().contains("CREATE DATABASE `tcdb_of_nobody`"));
    let Location::Mysql(server) = &mut missing.location else { unreachable!() };
    server.port = 1;
    assert_eq!(open(&missing).kind(), ErrorKind::Unreachable);
}

#[test]
fn empty_tables_of_the_application_give_way() {
    let (source, target) = (two_tables(), fresh());
    target.execute(
        "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE c (id INT PRIMARY KEY, p INT, CONSTRAINT fk_c_p FOREIGN KEY \
         (p) REFERENCES p (id)); CREATE TABLE own (id INT)",
    );
    migrate(&source, &target).unwrap();
    assert_eq!(names(&target), ["c", "own", "p"]);
    assert!(same_rows(&source, &target, "p") && same_rows(&source, &target, "c"));
    assert_eq!(schema(&target).table("c").unwrap().foreign_keys[0].name.as_deref(), Some("fk_c_p"));
}

#[test]
fn keys_of_other_tables_hold_on_to_what_took_the_place_of_their_parent() {
    let (source, target) = (two_tables(), fresh());
    target.execute(
        "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE outside (p INT, CONSTRAINT fk_out FOREIGN KEY (p) REFERENCES \
         p (id))",
    );
    migrate(&source, &target).unwrap();
    let child = "INSERT INTO outside SELECT MAX(id) FROM p";
    target.execute(child);
    let barred = "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = \
                  DATABASE() AND constraint_name = 'fk_out' AND referenced_table_name = 'p'";
    assert_eq!(target.value(barred).as_deref(), Some("1"));
    assert!(target.refuses("INSERT INTO outside VALUES (99)"));
}

#[test]
fn what_a_dead_run_staged_goes_and_what_a_live_one_stages_stays() {
    let (source, target) = (two_tables(), fresh());
    let server = Engine::Mariadb.server();
    let stage = |run: &str, of: &str| {
        let name = format!("techcare_db_stage_{run}");
        database::execute(
            Engine::Mariadb,
            &server,
            &format!(
                "CREATE DATABASE {name}; CREATE TABLE {name}.techcare_db_marker (run VARCHAR(64), target VARCHAR(64)); \
                 INSERT INTO {name}.techcare_db_marker VALUES ('{run}', '{of}'); CREATE TABLE {name}.left_{run} (a INT)"
            ),
        );
    };
    let (dead, other) = (format!("dead{}", std::process::id()), format!("other{}", std::process::id()));
    stage(&dead, target.name());
    stage(&other, "somebody_elses");
    migrate(&source, &target).unwrap();
    assert_eq!(staging_with(&format!("left_{dead}")), Vec::<String>::new());
    let stays = staging_with(&format!("left_{other}"));
    database::execute(Engine::Mariadb, &server, &format!("DROP DATABASE techcare_db_stage_{other}"));
    assert_eq!(stays.len(), 1);
}

#[test]
fn rows_alone_go_in_one_transaction() {
    let (source, target) = (two_tables(), fresh());
    target.execute(
        "CREATE TABLE p (id INT AUTO_INCREMENT PRIMARY KEY, n VARCHAR(9)); CREATE TABLE c (id INT PRIMARY KEY, p INT, \
         CONSTRAINT fk_c_p FOREIGN KEY (p) REFERENCES p (id))",
    );
    let options =
        Options { scope: Scope::DataOnly, ..options(endpoint(&source, None), endpoint(&target, None)) };
    target.execute("CREATE TRIGGER tr BEFORE INSERT ON p FOR EACH ROW SET NEW.n = 'changed'");
    let error = carry_out(&options).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.what().contains("\"tr\""), "{error}");
    target
        .execute("DROP TRIGGER tr; DROP TABLE c; CREATE TABLE c (id INT PRIMARY KEY, p INT) ENGINE = MyISAM");
    let error = carry_out(&options).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.what().contains("MyISAM"), "{error}");
    target.execute("ALTER TABLE c ENGINE = InnoDB");
    carry_out(&options).unwrap();
    assert!(same_rows(&source, &target, "p") && same_rows(&source, &target, "c"));
    target.execute("INSERT INTO p (n) VALUES ('next')");
    assert_eq!(target.value("SELECT id FROM p WHERE n = 'next'").as_deref(), Some("50"));
}

#[test]
fn several_readers_see_one_instant() {
    let source = two_tables();
    wait(async {
        let database = connect::source(&endpoint(&source, None)).await.unwrap();
        let snapshot = database.snapshot(3).await.unwrap();
        assert_eq!(snapshot.readers(), 3);
        snapshot.close().await;
        database.close().await;
    });
    let user = User::new("tc_reader", &[format!("SELECT ON {}.*", source.name())]);
    wait(async {
        let database = connect::source(&endpoint(&source, Some(user.login()))).await.unwrap();
        let snapshot = database.snapshot(3).await.unwrap();
        assert_eq!(snapshot.readers(), 1, "without the right to pause writers there is one reader");
        snapshot.close().await;
        database.close().await;
    });
}

#[test]
fn objects_beside_tables_are_told() {
    let db = fresh();
    db.execute(
        "CREATE TABLE t (a INT, b INT) PARTITION BY RANGE (a) (PARTITION low VALUES LESS THAN (10), PARTITION high \
         VALUES LESS THAN MAXVALUE);
        CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.b = 1;
        CREATE PROCEDURE pr() SELECT 1; CREATE FUNCTION fu() RETURNS INT DETERMINISTIC RETURN 1;
        CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO SELECT 1; CREATE SEQUENCE sq;
        SET sql_mode = ORACLE; CREATE PACKAGE pk AS PROCEDURE a(x INT); END;
        CREATE PACKAGE BODY pk AS PROCEDURE a(x INT) AS BEGIN NULL; END; END",
    );
    let schema = schema(&db);
    assert_eq!(schema.tables.len(), 1);
    assert_eq!(schema.tables[0].options.partitioned_by.as_deref(), Some("RANGE (`a`)"));
    let told: Vec<(&str, &str)> = schema.objects.iter().map(|o| (o.kind.as_str(), o.name.as_str())).collect();
    assert_eq!(
        told,
        [
            ("view", "v"),
            ("trigger", "tr"),
            ("routine", "fu"),
            ("routine", "pk"),
            ("routine", "pk"),
            ("routine", "pr"),
            ("event", "ev"),
            ("sequence", "sq")
        ]
    );
    assert!(schema.objects.iter().all(|o| o.definition.starts_with("CREATE ")), "{:?}", schema.objects);
}
