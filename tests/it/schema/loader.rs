//! The SeaORM loader: around the circle, and where it has to step back or stop.

use std::sync::atomic::{AtomicU64, Ordering};

use techcare_db::model::error::ErrorKind;
use techcare_db::techcare::{known_schema, loader, migrations};

use super::{application_ddl, connect, seed};
use crate::support::database::{Db, Engine, wait};

#[test]
fn the_seaorm_loader_carries_a_whole_file_around_the_circle() {
    let (first, last) = (Db::fresh(Engine::Sqlite), Db::fresh(Engine::Sqlite));
    let (postgres, mariadb) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Mariadb));
    seed::write(&seed::Options {
        out: first.path().to_owned(),
        diagnostics: 700,
        users: 60,
        seed: 7,
        orphans: 0,
        older_schema: false,
    })
    .unwrap();
    // Names of people come from a form without a length check; widening is the planner's part.
    let widen = "ALTER TABLE users {0} username {1}; ALTER TABLE maintenance_plans {0} name {1}; \
                 ALTER TABLE diagnostics {0} name {1}";
    for (from, to) in [(&first, &postgres), (&postgres, &mariadb), (&mariadb, &last)] {
        wait(async {
            let target = connect(to).await;
            migrations::up(&target).await.unwrap();
            target.close().await.unwrap();
        });
        match to.engine {
            Engine::Sqlite => {}
            Engine::Postgres => {
                to.execute(&widen.replace("{0}", "ALTER").replace("{1}", "TYPE VARCHAR(255)"));
            }
            Engine::Mariadb | Engine::Mysql => {
                to.execute(&widen.replace("{0}", "MODIFY").replace("{1}", "VARCHAR(255)"));
            }
        }
        for table in migration::TABLES {
            let rows = from.query(&format!("SELECT id FROM {table}")).len() as u64;
            let heard = AtomicU64::new(0);
            let written = wait(async {
                let (source, target) = (connect(from).await, connect(to).await);
                let hear = |rows, bytes| {
                    assert!(rows <= 100 && bytes > 0);
                    heard.fetch_add(rows, Ordering::Relaxed);
                };
                let written = loader::copy_table(table, &source, &target, 100, hear).await;
                source.close().await.unwrap();
                target.close().await.unwrap();
                written.unwrap_or_else(|error| panic!("{table}: {error}"))
            });
            assert_eq!(written, Some(rows), "{table}");
            assert_eq!(heard.into_inner(), rows, "{table}");
        }
    }
    for table in migration::TABLES {
        let all = format!("SELECT * FROM {table} ORDER BY id");
        let types = format!("SELECT {} FROM {table} ORDER BY id", type_list(table));
        assert_eq!(first.query(&all), last.query(&all), "{table}");
        assert_eq!(first.query(&types), last.query(&types), "{table}");
    }
}

fn type_list(table: &str) -> String {
    let schema = known_schema();
    let columns = schema.table(table).unwrap().columns.iter();
    columns.map(|column| format!("typeof(\"{}\")", column.name)).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_seaorm_loader_leaves_other_tables_to_the_bulk_path() {
    let (from, to) = (Db::fresh(Engine::Sqlite), Db::fresh(Engine::Sqlite));
    seed::write(&seed::Options {
        out: from.path().to_owned(),
        diagnostics: 5,
        users: 5,
        seed: 7,
        orphans: 0,
        older_schema: true,
    })
    .unwrap();
    wait(async {
        let (source, target) = (connect(&from).await, connect(&to).await);
        migrations::up(&target).await.unwrap();
        // `users` of the older schema has a column that the entity would drop.
        for table in ["users", "alembic_version"] {
            assert_eq!(
                loader::copy_table(table, &source, &target, 100, |_, _| {}).await.unwrap(),
                None,
                "{table}"
            );
        }
        assert_eq!(
            loader::copy_table("diagnostics", &source, &target, 100, |_, _| {}).await.unwrap(),
            Some(5)
        );
    });
}

#[test]
fn the_seaorm_loader_names_the_place_of_a_value_that_is_none() {
    let (from, to) = (Db::fresh(Engine::Sqlite), Db::fresh(Engine::Sqlite));
    from.execute(&application_ddl(Engine::Sqlite));
    from.execute(
        "INSERT INTO diagnostics (id, date) VALUES (1, '2024-01-02 03:04:05.000000'), (2, '02/01/2024')",
    );
    wait(async {
        let (source, target) = (connect(&from).await, connect(&to).await);
        migrations::up(&target).await.unwrap();
        let error = loader::copy_table("diagnostics", &source, &target, 1, |_, _| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value);
        assert!(error.what().contains("diagnostics") && error.what().contains("id=1"), "{}", error.what());
        assert!(!error.to_string().contains("02/01"), "a row's value is shown: {error}");
    });
    assert_eq!(
        to.value("SELECT COUNT(*) FROM diagnostics").as_deref(),
        Some("0"),
        "half a table was written"
    );
}
