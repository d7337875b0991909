//! TechCare's own tables: what the migrations make on each engine, held against what the application makes there;
//! the entities on real columns.

use std::collections::BTreeSet;

use entity::{Integer, LocalDateTime, SqlAlchemyText, diagnostic, maintenance_plan, role, user};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel, QueryFilter,
};
use techcare_db::model::error::ErrorKind;
use techcare_db::techcare::{known_schema, migrations, recognise};

use crate::support::database::{Db, Engine, wait};

mod command;
mod loader;
#[path = "../support/seed.rs"]
pub mod seed;

/// A SeaORM connection to a test's database, as the product opens one.
async fn connect(db: &Db) -> DatabaseConnection {
    let url = match db.engine {
        Engine::Sqlite => format!("{}?mode=rwc", db.url),
        Engine::Postgres => db.url.replacen("postgresql:", "postgres:", 1),
        Engine::Mariadb | Engine::Mysql => db.url.clone(),
    };
    let mut options = ConnectOptions::new(url);
    // One, so that what is set for the session holds for all statements.
    options.max_connections(1).sqlx_logging(false);
    let connection = sea_orm::Database::connect(options).await.unwrap();
    let session = match db.engine {
        // The loader fills staging in any order; there the keys come last.
        Engine::Sqlite => "PRAGMA foreign_keys = OFF",
        Engine::Postgres => "SET session_replication_role = replica",
        Engine::Mariadb | Engine::Mysql => {
            "SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0"
        }
    };
    connection.execute_unprepared(session).await.unwrap();
    connection
}

/// The application's DDL in the dialect of an engine: SQLAlchemy's three dialects differ in these words only.
fn application_ddl(engine: Engine) -> String {
    let ddl = seed::schema::CREATE.join(";");
    match engine {
        Engine::Sqlite => ddl,
        Engine::Postgres => ddl
            .replace("\tid INTEGER NOT NULL", "\tid SERIAL NOT NULL")
            .replace("DATETIME", "TIMESTAMP WITHOUT TIME ZONE"),
        Engine::Mariadb | Engine::Mysql => ddl
            .replace("\tid INTEGER NOT NULL", "\tid INTEGER NOT NULL AUTO_INCREMENT")
            .replace("BOOLEAN", "BOOL"),
    }
}

/// Columns, keys, indexes, foreign keys and sequences as the catalogue has them, a line each; the record of the
/// migrations left out.
fn catalogue(db: &Db) -> BTreeSet<String> {
    let queries: &[&str] = match db.engine {
        Engine::Sqlite => &[
            "SELECT m.name || '.' || c.name, c.cid, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden
             FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND m.name <> 'seaql_migrations'",
            "SELECT m.name, i.name, i.\"unique\", i.origin, i.partial, k.seqno, k.name, k.\"desc\", k.coll
             FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_xinfo(i.name) k
             WHERE m.type = 'table' AND k.cid >= 0 AND m.name <> 'seaql_migrations'",
            "SELECT m.name, f.\"from\", f.\"table\", f.\"to\", f.on_update, f.on_delete
             FROM sqlite_schema m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
        ],
        Engine::Postgres => &[
            "SELECT c.relname || '.' || a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                    pg_get_expr(d.adbin, d.adrelid), pg_get_serial_sequence(c.relname, a.attname), a.attidentity
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname <> 'seaql_migrations'",
            "SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
             WHERE connamespace = 'public'::regnamespace AND conrelid <> COALESCE(to_regclass('seaql_migrations'), 0)",
            "SELECT tablename, indexname, indexdef FROM pg_indexes
             WHERE schemaname = 'public' AND tablename <> 'seaql_migrations'",
        ],
        Engine::Mariadb | Engine::Mysql => &[
            "SELECT CONCAT(table_name, '.', column_name), ordinal_position, column_type, is_nullable, column_default, extra
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name <> 'seaql_migrations'",
            "SELECT table_name, index_name, non_unique, seq_in_index, column_name, sub_part
             FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name <> 'seaql_migrations'",
            "SELECT table_name, constraint_name, column_name, referenced_table_name, referenced_column_name
             FROM information_schema.key_column_usage
             WHERE table_schema = DATABASE() AND table_name <> 'seaql_migrations'",
            "SELECT table_name, constraint_name, update_rule, delete_rule
             FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()",
        ],
    };
    let line = |row: Vec<Option<String>>| {
        row.into_iter().map(|value| value.unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join(" ")
    };
    queries.iter().flat_map(|query| db.query(query)).map(line).collect()
}

/// What a migrated database has and the application's doesn't, `+`, and the other way round, `-`.
fn differences(engine: Engine) -> Vec<String> {
    let (ours, theirs) = (Db::fresh(engine), Db::fresh(engine));
    theirs.execute(&application_ddl(engine));
    wait(async {
        let db = connect(&ours).await;
        migrations::up(&db).await.unwrap();
        db.close().await.unwrap();
    });
    let (ours, theirs) = (catalogue(&ours), catalogue(&theirs));
    assert!(theirs.len() > 40, "the catalogue was not read");
    let more = ours.difference(&theirs).map(|line| format!("+ {line}"));
    let less = theirs.difference(&ours).map(|line| format!("- {line}"));
    more.chain(less).collect()
}

#[test]
fn sqlite_gets_the_applications_tables() {
    assert_eq!(
        differences(Engine::Sqlite),
        ["+ users.password_hash 4 VARCHAR(255) 0 - 0 0", "- users.password_hash 4 VARCHAR(128) 0 - 0 0"]
    );
}

#[test]
fn postgres_gets_the_applications_tables_with_room_for_the_values() {
    assert_eq!(
        differences(Engine::Postgres),
        [
            "+ maintenance_plans.day_of_month 7 bigint f - - ",
            "+ users.password_hash 5 character varying(255) f - - ",
            "- maintenance_plans.day_of_month 7 integer f - - ",
            "- users.password_hash 5 character varying(128) f - - ",
        ]
    );
}

#[test]
fn mariadb_gets_the_applications_tables_with_room_for_the_values() {
    let differences = differences(Engine::Mariadb);
    let of = |sign: char| {
        let lines = differences.iter().filter(move |line| line.starts_with(sign));
        lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of('+'), of('-'), "only columns differ: {differences:#?}");
    for line in differences.iter().filter(|line| line.starts_with('+')) {
        let fits = ["datetime(6)", "longtext", "double", "bigint(20)", "varchar(255)"];
        assert!(fits.iter().any(|native| line.split(' ').nth(3) == Some(native)), "{line}");
    }
    // Nine texts, seven dates and times, score, day_of_month, password_hash.
    assert_eq!(of('+').len(), 9 + 7 + 3);
}

#[test]
fn text_compares_by_code_point() {
    for (engine, query) in [
        (
            Engine::Postgres,
            "SELECT DISTINCT collname FROM pg_attribute a JOIN pg_collation c ON c.oid = attcollation
             WHERE attrelid IN ('users'::regclass, 'diagnostics'::regclass) AND attnum > 0",
        ),
        (
            Engine::Mariadb,
            "SELECT DISTINCT collation_name FROM information_schema.columns
             WHERE table_schema = DATABASE() AND collation_name IS NOT NULL AND table_name <> 'seaql_migrations'",
        ),
    ] {
        let database = Db::fresh(engine);
        wait(async {
            let db = connect(&database).await;
            migrations::up(&db).await.unwrap();
            db.close().await.unwrap();
        });
        let collations = database.query(query);
        let exact = match engine {
            Engine::Mariadb => "utf8mb4_nopad_bin",
            Engine::Mysql => "utf8mb4_0900_bin",
            _ => "C.utf8",
        };
        assert_eq!(collations, [[Some(exact.to_owned())]], "{engine:?}");
    }
}

#[test]
fn down_leaves_what_is_not_techcares() {
    for engine in Engine::all() {
        let database = Db::fresh(engine);
        database.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY)");
        let before = catalogue(&database);
        wait(async {
            let db = connect(&database).await;
            let names = migrations::up(&db).await.unwrap();
            assert_eq!(names.len(), 1);
            assert_eq!(migrations::present(&db).await.unwrap(), migration::TABLES);
            assert!(migrations::status(&db).await.unwrap().iter().all(|m| m.applied));
            assert!(migrations::up(&db).await.unwrap().is_empty(), "a second time there is nothing to do");
            assert_eq!(migrations::down(&db, 5).await.unwrap(), names);
            assert!(migrations::down(&db, 1).await.unwrap().is_empty());
            assert!(migrations::present(&db).await.unwrap().is_empty());
            db.close().await.unwrap();
        });
        assert_eq!(catalogue(&database), before, "{engine:?}");
    }
}

#[test]
fn status_makes_nothing() {
    for engine in Engine::all() {
        let database = Db::fresh(engine);
        wait(async {
            let db = connect(&database).await;
            assert!(migrations::status(&db).await.unwrap().iter().all(|m| !m.applied));
            db.close().await.unwrap();
        });
        let tables = match engine {
            Engine::Sqlite => "SELECT name FROM sqlite_schema",
            Engine::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
            Engine::Mariadb | Engine::Mysql => {
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            }
        };
        assert!(database.query(tables).is_empty(), "{engine:?}");
    }
}

#[test]
fn tables_of_the_application_are_adopted_not_made_again() {
    for engine in Engine::all() {
        let database = Db::fresh(engine);
        database.execute(&application_ddl(engine));
        let before = catalogue(&database);
        wait(async {
            let db = connect(&database).await;
            let refusal = migrations::up(&db).await.unwrap_err();
            assert_eq!(refusal.kind(), ErrorKind::Refused);
            assert!(refusal.advice().unwrap().contains("schema init"));
            assert!(migrations::occupied(&db).await.unwrap().is_empty());
            // That its catalogue fits is what `recognise` is asked for; here it does.
            assert_eq!(migrations::init(&db, &recognise(&known_schema())).await.unwrap().len(), 1);
            assert!(migrations::status(&db).await.unwrap().iter().all(|m| m.applied));
            assert!(migrations::init(&db, &recognise(&known_schema())).await.unwrap().is_empty());
            db.close().await.unwrap();
        });
        assert_eq!(catalogue(&database), before, "{engine:?}");
    }
}

#[test]
fn a_migration_that_fails_half_way_leaves_nothing() {
    for engine in Engine::all() {
        let database = Db::fresh(engine);
        // The name of an index that the migration makes last; on MariaDB, where that is no matter, its last table.
        let obstacle = match engine {
            Engine::Mariadb | Engine::Mysql => "CREATE VIEW maintenance_plans AS SELECT 1",
            _ => "CREATE TABLE t (a INTEGER); CREATE INDEX ix_users_email ON t (a)",
        };
        database.execute(obstacle);
        let before = catalogue(&database);
        wait(async {
            let db = connect(&database).await;
            let error = migration_up(&db).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Write, "{engine:?}: {error}");
            db.close().await.unwrap();
        });
        assert_eq!(catalogue(&database), before, "{engine:?}");
    }
}

/// `up`, or the refusal because a name is taken turned into the failure that the migration itself meets.
async fn migration_up(db: &DatabaseConnection) -> techcare_db::model::error::Result<Vec<String>> {
    use migration::sea_orm_migration::MigratorTrait;
    match migrations::up(db).await {
        Err(refusal) if refusal.kind() == ErrorKind::Refused => {
            let failure = migration::Migrator::up(db, None).await.map(|()| Vec::new());
            failure.map_err(|e| refusal.why(e).with_kind(ErrorKind::Write))
        }
        other => other,
    }
}

#[test]
fn entities_declare_what_the_migrations_make() {
    let database = Db::fresh(Engine::Sqlite);
    wait(async {
        let db = connect(&database).await;
        migrations::up(&db).await.unwrap();
        db.close().await.unwrap();
    });
    for table in &known_schema().tables {
        let found = database
            .query(&format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{}')", table.name));
        let known = table.columns.iter().map(|column| {
            [column.name.clone(), column.native_type.clone(), i32::from(!column.nullable).to_string()]
                .map(Some)
                .to_vec()
        });
        assert_eq!(found, known.collect::<Vec<_>>(), "{}", table.name);
        let indexes = database.query(&format!(
            "SELECT CASE origin WHEN 'c' THEN name END FROM pragma_index_list('{}') WHERE \"unique\" ORDER BY 1",
            table.name
        ));
        let mut known: Vec<_> = table.indexes.iter().map(|index| vec![index.name.clone()]).collect();
        known.sort();
        assert_eq!(indexes, known, "{}", table.name);
        let keys = database.query(&format!(
            "SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list('{}')",
            table.name
        ));
        let known = table.foreign_keys.iter().map(|key| {
            vec![
                Some(key.columns[0].clone()),
                Some(key.references.clone()),
                Some(key.referenced_columns[0].clone()),
            ]
        });
        assert_eq!(keys, known.collect::<Vec<_>>(), "{}", table.name);
    }
}

fn moment(text: &str) -> LocalDateTime {
    LocalDateTime::parse(text).unwrap()
}

#[test]
fn entities_hold_every_value_on_every_engine() {
    let role = role::Model {
        id: Integer(0),
        name: Some("Visualizador ".into()),
        description: Some(String::new()),
        permissions: Some(Integer(i64::from(i32::MIN))),
    };
    let user = user::Model {
        id: Integer(1),
        username: Some("😀 Zé\r\n\t\\N'\"".into()),
        email: None,
        role_id: Some(Integer(0)),
        password_hash: Some("x".repeat(255)),
        name: Some(String::new()),
        created_at: Some(moment("9999-12-31 23:59:59.999999")),
        last_login: Some(moment("2024-05-21 08:30:00.000000")),
        active: Some(false),
    };
    let diagnostic = diagnostic::Model {
        id: Integer(i64::from(i32::MAX)),
        user_id: None,
        name: None,
        date: Some(moment("1000-01-01 00:00:00.000001")),
        cpu_results: Some("{\"a\": \"\\u0000\"}".into()),
        memory_results: None,
        disk_results: Some(String::new()),
        startup_results: Some("€".repeat(40_000)),
        driver_results: None,
        security_results: None,
        network_results: None,
        score: Some(1e-300),
        status: Some("Crítico".into()),
        recommendations: None,
        notes: Some("\u{feff}\u{10ffff}e\u{301}".into()),
    };
    let plan = maintenance_plan::Model {
        id: Integer(7),
        user_id: Integer(1),
        name: "n".into(),
        cleaning_types: "temp,browser".into(),
        frequency: "monthly".into(),
        day_of_week: None,
        day_of_month: Some(Integer(i64::MIN)),
        time: "08:30".into(),
        enabled: None,
        last_run: Some(moment("1969-12-31 23:59:59.900000")),
        next_run: None,
        notify_email: None,
        notify_sms: Some(" ".into()),
        created_at: Some(moment("2018-11-04 00:30:00.000000")),
        updated_at: Some(moment("2018-11-04 00:30:00.120000")),
    };
    for engine in Engine::all() {
        let database = Db::fresh(engine);
        wait(async {
            let db = connect(&database).await;
            migrations::up(&db).await.unwrap();
            let db = SqlAlchemyText(&db);
            holds::<role::Entity>(&db, &role).await;
            holds::<user::Entity>(&db, &user).await;
            holds::<diagnostic::Entity>(&db, &diagnostic).await;
            holds::<maintenance_plan::Entity>(&db, &plan).await;
            let found = user::Entity::find().filter(user::Column::LastLogin.eq(user.last_login));
            assert_eq!(found.one(&db).await.unwrap(), Some(user.clone()), "{engine:?}: found by date");
            let with_role = user::Entity::find().find_also_related(role::Entity).one(&db).await.unwrap();
            assert_eq!(with_role.unwrap().1, Some(role.clone()), "{engine:?}");
        });
        if engine == Engine::Sqlite {
            let spelled = database.query("SELECT last_login, typeof(active), active FROM users");
            assert_eq!(spelled[0][0].as_deref(), Some("2024-05-21 08:30:00.000000"));
            assert_eq!(spelled[0][1..], [Some("integer".to_owned()), Some("0".to_owned())]);
        }
    }
}

/// Writes a row through its entity and reads it back.
async fn holds<E>(db: &SqlAlchemyText<'_, DatabaseConnection>, row: &E::Model)
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel> + Clone + PartialEq,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let fields = row.clone().into_active_model().reset_all();
    E::insert_many([fields]).exec_without_returning(db).await.unwrap();
    let found = E::find().all(db).await.unwrap();
    assert!(found == [row.clone()], "{:?}: {row:?} came back as {found:?}", db.get_database_backend());
}
