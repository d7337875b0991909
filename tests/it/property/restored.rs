//! Backup → rollback: a random database is backed up, everything in it is changed, and `rollback --backup` brings it back:
//! tables, declared types, objects and every value, as the suite's own judges see them. Within an engine nothing has a
//! reason to be refused.

use std::fmt::Write as _;

use super::draw::Drawn;
use super::drawn;
use crate::cases::restore_programs::{Case, mysqldump};
use crate::cases::rollback::Home;
use crate::directions::{Report, judge, look};
use crate::support::chance::is_nightly;
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};

/// Databases of one engine and form of backup: in `make test`, and in `make nightly`; and of servers by their own programs.
const DATABASES: (u32, u32) = (4, 60);
const DUMPS: (u32, u32) = (2, 60);

/// One table is dropped, the next one emptied and given a column, the third only given a column, and so on; and there is one
/// that was not there.
fn change_everything(db: &Db, tables: &[String]) {
    let mut script = match db.engine {
        Engine::Sqlite => "PRAGMA foreign_keys = OFF;".to_owned(),
        Engine::Postgres => String::new(),
        Engine::Mariadb | Engine::Mysql => "SET foreign_key_checks = 0;".to_owned(),
    };
    let cascade = if db.engine == Engine::Postgres { "CASCADE" } else { "" };
    for (at, table) in tables.iter().enumerate() {
        let table = db.engine.quote(table);
        let add = format!("ALTER TABLE {table} ADD COLUMN later_one INTEGER;");
        // Writing to a String cannot fail.
        let _ = match (at % 3, db.engine) {
            (0, _) => writeln!(script, "DROP TABLE {table} {cascade};"),
            (1, Engine::Postgres) => writeln!(script, "TRUNCATE {table} CASCADE; {add}"),
            (1, _) => writeln!(script, "DELETE FROM {table}; {add}"),
            _ => writeln!(script, "{add}"),
        };
    }
    db.execute(&format!("{script} CREATE TABLE came_later (id INTEGER NOT NULL PRIMARY KEY)"));
}

/// One database; answers with its tables.
fn put_back(drawn: &Drawn, engine: Engine, method: &str) -> Result<usize, String> {
    let (home, db) = (Home::new(), Db::fresh(engine));
    db.execute(&drawn.script(engine));
    let (before, types) = (look(&db), content::columns(&db));
    let tables: Vec<String> = before.content.keys().cloned().collect();
    let case = Case { home, db };
    let db = &case.db;
    let done = |args: &[&str]| {
        let ran = case.run(args);
        if ran.code == 0 { Ok(ran.json()) } else { Err(format!("{engine:?} {method}: {ran}")) }
    };
    let made = match done(&["backup", "--database", &db.url, "--method", method]) {
        // Numbers that the server's own program would cut: no such backup.
        Err(why) if why.contains("it writes six digits of a FLOAT") => return Ok(0),
        made => made?,
    };
    change_everything(db, &tables);
    let backup = made["backup"].as_str().unwrap();
    done(&["rollback", "--yes", "--no-backup", "--database", &db.url, "--backup", backup])?;
    if engine != Engine::Sqlite && method == "portable" {
        // What came later than an archive stays.
        db.execute("DROP TABLE came_later");
    }
    let mut faults = Vec::new();
    let nothing = Report { renamed: Renamed::new(), findings: Vec::new() };
    judge(&before, &look(db), &nothing, &format!("{engine:?} {method}"), &mut faults);
    if content::columns(db) != types {
        faults.push(format!("{engine:?} {method}: {types:?} became {:?}", content::columns(db)));
    }
    if faults.is_empty() { Ok(tables.len()) } else { Err(faults.join("\n")) }
}

fn restored(engine: Engine, method: &str) {
    if !engine.at_hand() {
        return;
    }
    let (by_day, by_night) = if method == "native" && engine != Engine::Sqlite { DUMPS } else { DATABASES };
    let cases = if is_nightly() { by_night } else { by_day };
    let tables = drawn(engine, cases, |drawn| put_back(drawn, engine, method));
    eprintln!("{engine:?} {method}: {tables} tables were put back");
}

#[test]
fn files_are_put_back() {
    restored(Engine::Sqlite, "native");
}

#[test]
fn archives_of_files_are_put_back() {
    restored(Engine::Sqlite, "portable");
}

#[test]
fn archives_of_postgres_are_put_back() {
    restored(Engine::Postgres, "portable");
}

#[test]
fn archives_of_mariadb_are_put_back() {
    restored(Engine::Mariadb, "portable");
}

#[test]
fn archives_of_mysql_are_put_back() {
    restored(Engine::Mysql, "portable");
}

#[test]
fn dumps_of_postgres_are_put_back() {
    restored(Engine::Postgres, "native");
}

#[test]
fn dumps_of_mariadb_are_put_back() {
    restored(Engine::Mariadb, "native");
}

#[test]
fn dumps_of_mysql_are_put_back() {
    if mysqldump().is_some() {
        restored(Engine::Mysql, "native");
    }
}
