//! A90 with rights on routines, which stand beside the database that a dump is of: the list of accounts says afterwards what it
//! said before, and where the account may not see or give them it is told.

use super::restore_programs::{Account, Case, engines};
use crate::support::database::{self, Db, Engine};

/// What the list of accounts says of routines by name.
fn rights(db: &Db) -> String {
    let list = "SELECT user, host, routine_name, routine_type, proc_priv FROM mysql.procs_priv WHERE db = database() \
                ORDER BY 1, 2, 3, 4";
    format!("{:?}", db.query(list))
}

/// Rights go with a routine that is dropped, and whoever was granted them would find the door closed.
#[test]
fn a90_rights_on_routines_are_given_again() {
    for engine in engines() {
        let case = Case::new(engine);
        let db = &case.db;
        let (user, gone) = (Account::new(db, "user"), Account::new(db, "gone"));
        db.execute(
            "CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1);
             CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1; CREATE PROCEDURE `p``q`() SELECT 1;
             CREATE PROCEDURE same() SELECT 1",
        );
        let grant = |what: &str| db.execute(&format!("GRANT {what}"));
        for name in [&user.name, &gone.name] {
            grant(&format!(
                "EXECUTE, ALTER ROUTINE ON FUNCTION {}.f TO {name}@'%' WITH GRANT OPTION",
                db.name()
            ));
            grant(&format!("EXECUTE ON PROCEDURE {}.`p``q` TO {name}@'%'", db.name()));
            grant(&format!("EXECUTE ON PROCEDURE {}.same TO {name}@'%'", db.name()));
        }
        let backup = case.backup();
        db.execute(&format!(
            "DROP FUNCTION f; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 2; CREATE PROCEDURE later() SELECT 1;
             GRANT EXECUTE ON FUNCTION {0}.f TO {1}@'%'; GRANT EXECUTE ON PROCEDURE {0}.later TO {1}@'%', {2}@'%';
             GRANT EXECUTE ON FUNCTION {0}.f TO {2}@'%'; DROP PROCEDURE `p``q`; CREATE PROCEDURE `p``q`() SELECT 2;
             GRANT ALTER ROUTINE ON PROCEDURE {0}.`p``q` TO {1}@'%' WITH GRANT OPTION",
            db.name(),
            user.name,
            gone.name
        ));
        let before = rights(db);
        let ran = case.restore(&backup, &["--no-backup"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let without_later = |told: &str| {
            let lines = told.split("], [").filter(|row| !row.contains("later"));
            lines.map(|row| row.trim_matches(['[', ']']).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(without_later(&rights(db)), without_later(&before), "{engine:?}");
        assert!(!rights(db).contains("later"), "{engine:?}");
        assert_eq!(db.value("SELECT f()").as_deref(), Some("1"), "{engine:?}");
        // Whoever is no account any more is none afterwards either.
        let name = gone.name.clone();
        drop(gone);
        case.take_back();
        assert!(rights(db).contains("later") && !rights(db).contains(&name), "{engine:?}: {}", rights(db));
        let accounts = format!("SELECT count(*) FROM mysql.user WHERE user = '{name}'");
        assert_eq!(db.value(&accounts).as_deref(), Some("0"), "{engine:?}");
        assert_eq!(db.value("SELECT f()").as_deref(), Some("2"), "{engine:?}");
    }
}

/// An account that may not grant: MariaDB puts a routine in the place of another with the rights on it, and what cannot be
/// given back is told with the statement for it.
#[test]
fn a90_rights_on_routines_that_cannot_be_given_again_are_told() {
    for engine in engines() {
        let case = Case::new(engine);
        let db = &case.db;
        let account = Account::new(db, "u")
            .granted(&format!("ALL ON {}.*", db.name()))
            .granted("ALL ON `techcare\\_db\\_%`.*");
        let user = Account::new(db, "user");
        let make = |sql: &str| database::execute(engine, &account.url(), sql);
        make(
            "CREATE TABLE notes (id int NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1); CREATE PROCEDURE p() SELECT 1",
        );
        let backup = case.backup();
        make("DROP PROCEDURE p; CREATE PROCEDURE p() SELECT 2; CREATE PROCEDURE later() SELECT 1");
        for name in ["p", "later"] {
            db.execute(&format!("GRANT EXECUTE ON PROCEDURE {}.{name} TO {}@'%'", db.name(), user.name));
        }
        let restore = || {
            let ran = case.restore_as(&account.url(), &backup, &["--no-backup", "--from-other-database"]);
            assert_eq!(ran.code, 0, "{engine:?}: {ran}");
            ran.json()["notes"].to_string()
        };
        let notes = restore();
        assert!(notes.contains("may not see") && notes.contains("later"), "{engine:?}: {notes}");
        assert_eq!(notes.contains("\\\"p\\\""), engine == Engine::Mysql, "{engine:?}: {notes}");
        let has = |name: &str| rights(db).contains(&format!("Some(\"{name}\")"));
        assert_eq!((has("p"), has("later")), (engine == Engine::Mariadb, false), "{engine:?}");
        case.take_back();
        assert!(!has("later"), "{engine:?}");

        // Now it may see them, and not give them.
        db.execute(&format!("GRANT SELECT ON mysql.* TO {}@'%'", account.name));
        for name in ["p", "later"] {
            db.execute(&format!("GRANT EXECUTE ON PROCEDURE {}.{name} TO {}@'%'", db.name(), user.name));
        }
        let statement = |name: &str| {
            format!("GRANT EXECUTE ON PROCEDURE `{}`.`{name}` TO `{}`@`%`", db.name(), user.name)
        };
        let notes = restore();
        assert_eq!(notes.contains(&statement("p")), engine == Engine::Mysql, "{engine:?}: {notes}");
        assert!(!notes.contains(&statement("later")), "{engine:?}: {notes}");
        let run = case.home.newest(db);
        let back = case.run(&["rollback", "--yes", "--database", &account.url(), "--run", &run]);
        assert_eq!(back.code, 0, "{engine:?}: {back}");
        let notes = back.json()["notes"].to_string();
        assert!(notes.contains(&statement("later")), "{engine:?}: {notes}");
        db.execute(&statement("later"));
    }
}
