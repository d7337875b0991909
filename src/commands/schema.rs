//! `schema status|up|down|init`: TechCare's own tables through their SeaORM migrations, on any engine. What a step
//! does is `techcare::migrations`; here is what it needs to know of the database first, and what it says after.

use std::path::Path;

use serde::Serialize;

use crate::engine::connect;
use crate::model::endpoint::{Endpoint, Location};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::report::DatabaseReport;
use crate::model::schema::Schema;
use crate::techcare::recognition::{Recognition, Variant, recognise};
use crate::techcare::{TABLES, migrations};

/// What to do with which database.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub endpoint: Endpoint,
    /// What to do.
    pub action: Action,
    /// Whether tables that hold rows may be dropped.
    pub yes: bool,
}

/// Steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say what is there.
    Status,
    /// Make what is missing.
    Up,
    /// Undo the newest migrations: drops their tables.
    Down {
        /// How many.
        steps: u32,
    },
    /// Record the migrations as applied to tables that the application made.
    Init,
}

/// State of the schema after the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaReport {
    /// Where.
    pub database: DatabaseReport,
    /// What was done.
    pub action: Action,
    /// Migrations that this run applied, undid or recorded.
    pub changed: Vec<String>,
    /// Migrations that are recorded as applied, oldest first.
    pub applied: Vec<String>,
    /// Migrations that are not.
    pub pending: Vec<String>,
    /// TechCare's tables that are there, parents first.
    pub tables: Vec<String>,
    /// What is worth knowing, a sentence each.
    pub notes: Vec<String>,
}

/// Does it.
pub async fn run(options: &Options) -> Result<SchemaReport> {
    let file = EmptyFile::of(options)?;
    let outcome = on_database(options, file.is_some()).await;
    if let (Err(_), Some(EmptyFile { path, made: true })) = (&outcome, file) {
        // Nothing was there before and nothing works now. The first error is the one to tell.
        let _ = std::fs::remove_file(path);
    }
    outcome
}

/// A SQLite file that `up` begins with: no database yet, so no engine opens it for reading.
struct EmptyFile<'a> {
    path: &'a Path,
    made: bool,
}

impl<'a> EmptyFile<'a> {
    /// The file of `up`, made if there is none, as the application would; readable by its owner only.
    fn of(options: &'a Options) -> Result<Option<Self>> {
        let Location::File(path) = &options.endpoint.location else { return Ok(None) };
        if options.action != Action::Up {
            return Ok(None);
        }
        let mut open = std::fs::OpenOptions::new();
        open.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        match open.open(path) {
            Ok(_) => Ok(Some(Self { path, made: true })),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let empty = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
                Ok(empty.then_some(Self { path, made: false }))
            }
            Err(e) => {
                let denied = e.kind() == std::io::ErrorKind::PermissionDenied;
                let kind = if denied { ErrorKind::Permission } else { ErrorKind::Unreachable };
                Err(Error::new(kind, format!("cannot make {}", options.endpoint))
                    .why(e)
                    .next("check the path and the rights of its folder"))
            }
        }
    }
}

async fn on_database(options: &Options, empty: bool) -> Result<SchemaReport> {
    let seen = if empty { None } else { Some(look(&options.endpoint).await?) };
    let db = connect::orm(&options.endpoint).await?;
    let outcome = match step(options, &db, seen.as_ref().map(|(_, schema)| schema)).await {
        Ok(changed) => match seen {
            Some(seen) => Ok((changed, seen)),
            None => look(&options.endpoint).await.map(|seen| (changed, seen)),
        },
        Err(error) => Err(error),
    };
    let report = match outcome {
        Ok((changed, (database, schema))) => {
            describe(options.action, database, &db, &recognise(&schema), changed).await
        }
        Err(error) => Err(error),
    };
    // A connection that fails to close has nothing left to tell.
    let _ = db.close().await;
    report
}

/// What the engine itself says about the database.
async fn look(endpoint: &Endpoint) -> Result<(DatabaseReport, Schema)> {
    let source = connect::source(endpoint).await?;
    let database = super::database_report(endpoint, source.facts());
    let schema = source.inspect().await;
    source.close().await;
    Ok((database, schema?))
}

/// Does the step; returns the migrations that it changed. `schema` is what was there before, `None` for nothing.
async fn step(
    options: &Options,
    db: &sea_orm::DatabaseConnection,
    schema: Option<&Schema>,
) -> Result<Vec<String>> {
    match (options.action, schema) {
        (Action::Up, _) => migrations::up(db).await,
        (Action::Init, Some(schema)) => migrations::init(db, &recognise(schema)).await,
        (Action::Down { .. }, Some(_)) if migrations::status(db).await?.iter().all(|m| !m.applied) => {
            // Nothing would be dropped, so that there is nothing to refuse either.
            Ok(Vec::new())
        }
        (Action::Down { steps }, Some(schema)) => {
            refuse_references(schema)?;
            if !options.yes {
                refuse_rows(db).await?;
            }
            migrations::down(db, steps).await
        }
        (Action::Status | Action::Init | Action::Down { .. }, _) => Ok(Vec::new()),
    }
}

/// Tables of others that reference TechCare's would lose what they point at.
fn refuse_references(schema: &Schema) -> Result<()> {
    let ours = |name: &str| TABLES.contains(&name);
    let foreign: Vec<_> = schema
        .tables
        .iter()
        .filter(|table| !ours(&table.name) && table.foreign_keys.iter().any(|key| ours(&key.references)))
        .map(|table| table.name.as_str())
        .collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "other tables reference the tables that would be dropped")
        .why(foreign.join(", "))
        .next("drop their foreign keys first"))
}

async fn refuse_rows(db: &sea_orm::DatabaseConnection) -> Result<()> {
    let occupied = migrations::occupied(db).await?;
    if occupied.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "tables that would be dropped hold rows")
        .why(occupied.join(", "))
        .next("make a backup, then run it again with --yes"))
}

async fn describe(
    action: Action,
    database: DatabaseReport,
    db: &sea_orm::DatabaseConnection,
    found: &Recognition,
    changed: Vec<String>,
) -> Result<SchemaReport> {
    let (applied, pending): (Vec<_>, Vec<_>) =
        migrations::status(db).await?.into_iter().partition(|m| m.applied);
    let tables = migrations::present(db).await?;
    let notes = notes(action, found, !changed.is_empty(), applied.is_empty(), tables.is_empty());
    let names = |all: Vec<migrations::Migration>| all.into_iter().map(|m| m.name).collect();
    Ok(SchemaReport {
        database,
        action,
        changed,
        applied: names(applied),
        pending: names(pending),
        tables: tables.into_iter().map(str::to_owned).collect(),
        notes,
    })
}

/// Sentences about what the catalogue showed before the step.
fn notes(action: Action, found: &Recognition, changed: bool, unapplied: bool, empty: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !changed && action != Action::Status {
        notes.push("there was nothing to do".to_owned());
    }
    if empty {
        notes.push("the database has none of TechCare's tables".to_owned());
        return notes;
    }
    if unapplied {
        notes.push("the tables were made by the application, not by these migrations".to_owned());
    }
    if found.variant == Some(Variant::Older) {
        notes.push("users have their role as text, as older releases of TechCare made it".to_owned());
    }
    let before = matches!(action, Action::Status | Action::Init);
    if before {
        notes.extend(found.faults());
        for table in found.tables.iter().filter(|table| !table.extra_columns.is_empty()) {
            let columns = table.extra_columns.join(", ");
            notes.push(format!("{} has columns that TechCare's models do not know: {columns}", table.name));
        }
        if unapplied && found.faults().is_empty() {
            notes.push("`schema init` records the migrations as applied".to_owned());
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::techcare::known_schema;

    #[test]
    fn the_applications_own_tables_can_be_adopted() {
        let found = recognise(&known_schema());
        let notes = notes(Action::Status, &found, false, true, false);
        assert_eq!(notes.len(), 2);
        assert!(notes[0].contains("made by the application") && notes[1].contains("schema init"));
    }

    #[test]
    fn references_from_outside_are_refused() {
        let mut schema = known_schema();
        assert!(refuse_references(&schema).is_ok());
        let mut other = schema.table("diagnostics").unwrap().clone();
        other.name = "invoices".into();
        schema.tables.push(other);
        let error = refuse_references(&schema).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Refused, Some("invoices")));
    }
}
