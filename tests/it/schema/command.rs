//! `schema status|up|down|init` as the command runs it, through the engines' own connections and catalogues.

use techcare_db::commands::schema::{Action, Options, SchemaReport, run};
use techcare_db::model::error::{Error, ErrorKind, Result};

use super::{application_ddl, seed};
use crate::support::database::{Db, Engine, wait};
use crate::support::endpoint::endpoint;

fn schema(db: &Db, action: Action, yes: bool) -> Result<SchemaReport> {
    wait(run(&Options { endpoint: endpoint(db), action, yes }))
}

fn refused(outcome: Result<SchemaReport>) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    error
}

#[test]
fn up_and_down_on_every_engine() {
    for engine in Engine::all() {
        let db = Db::fresh(engine);
        let report = schema(&db, Action::Up, false).unwrap();
        assert_eq!(
            (report.changed.len(), report.applied.len(), report.pending.len()),
            (1, 1, 0),
            "{engine:?}"
        );
        assert_eq!(report.tables, migration::TABLES, "{engine:?}");
        assert!(report.notes.is_empty(), "{engine:?}: {:?}", report.notes);
        // What the engine reads in its catalogue is what the entities say.
        let report = schema(&db, Action::Status, false).unwrap();
        assert!(report.notes.is_empty(), "{engine:?}: {:?}", report.notes);
        let again = schema(&db, Action::Up, false).unwrap();
        assert!(again.changed.is_empty() && again.notes[0].contains("nothing to do"), "{engine:?}");

        db.execute("INSERT INTO roles (id, name) VALUES (1, 'Técnico')");
        let error = refused(schema(&db, Action::Down { steps: 1 }, false));
        assert_eq!(error.reason(), Some("roles"), "{engine:?}");
        db.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, role INTEGER, FOREIGN KEY (role) REFERENCES roles (id))");
        let error = refused(schema(&db, Action::Down { steps: 1 }, true));
        assert_eq!(error.reason(), Some("visits"), "{engine:?}");
        db.execute("DROP TABLE visits");
        let report = schema(&db, Action::Down { steps: 1 }, true).unwrap();
        assert_eq!(
            (report.changed.len(), report.pending.len(), report.tables.len()),
            (1, 1, 0),
            "{engine:?}"
        );
    }
}

#[test]
fn tables_of_the_application_are_adopted_where_they_hold_the_values() {
    for engine in Engine::all() {
        let db = Db::fresh(engine);
        db.execute(&application_ddl(engine));
        let report = schema(&db, Action::Status, false).unwrap();
        assert!(report.notes[0].contains("made by the application"), "{engine:?}: {:?}", report.notes);
        refused(schema(&db, Action::Up, false));
        db.execute("INSERT INTO roles (id, name) VALUES (1, 'Técnico')");
        let report = schema(&db, Action::Down { steps: 1 }, true).unwrap();
        assert!(report.changed.is_empty() && report.tables.len() == 4, "{engine:?}: not ours to drop");
        match engine {
            Engine::Sqlite => {
                let report = schema(&db, Action::Init, false).unwrap();
                assert_eq!((report.changed.len(), report.pending.len()), (1, 0));
            }
            Engine::Postgres | Engine::Mariadb | Engine::Mysql => {
                let error = refused(schema(&db, Action::Init, false));
                let why = error.reason().unwrap();
                assert!(why.contains("users.password_hash"), "{engine:?}: {why}");
                let cut = why.contains("diagnostics.score") && why.contains("users.created_at");
                assert_eq!(cut, engine.is_mysql(), "{why}");
            }
        }
    }
}

#[test]
fn an_older_file_is_recognised() {
    let db = Db::fresh(Engine::Sqlite);
    let options = seed::Options {
        out: db.path().to_owned(),
        diagnostics: 5,
        users: 5,
        seed: 1,
        orphans: 0,
        older_schema: true,
    };
    seed::write(&options).unwrap();
    let report = schema(&db, Action::Status, false).unwrap();
    assert!(report.notes.iter().any(|note| note.contains("role as text")), "{:?}", report.notes);
    assert!(report.notes.iter().any(|note| note.contains("do not know: role")), "{:?}", report.notes);
    assert_eq!(schema(&db, Action::Init, false).unwrap().pending.len(), 0);
}

#[test]
fn only_up_makes_a_file() {
    use std::os::unix::fs::PermissionsExt;
    let db = Db::fresh(Engine::Sqlite);
    for action in [Action::Status, Action::Init, Action::Down { steps: 1 }] {
        assert_eq!(schema(&db, action, true).unwrap_err().kind(), ErrorKind::Unreachable);
        assert!(!db.path().exists());
    }
    schema(&db, Action::Up, false).unwrap();
    assert_eq!(std::fs::metadata(db.path()).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(db.path(), "no database at all, whatever its name says").unwrap();
    let error = schema(&db, Action::Up, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}
