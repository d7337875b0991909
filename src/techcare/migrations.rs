//! TechCare's SeaORM migrations on an open connection: what is applied, up, down, and adopting tables that the
//! application made itself. Whether a step is allowed is decided here, whether it is wanted is the command's part.

use std::time::{SystemTime, UNIX_EPOCH};

use migration::sea_orm_migration::{MigrationStatus, MigratorTrait, SchemaManager, seaql_migrations};
use migration::{Migrator, TABLES};
use sea_orm::sea_query::{Alias, Expr, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection, EntityTrait, Set};
use serde::Serialize;

use super::failure::failed;
use super::recognition::Recognition;
use crate::model::error::{Error, ErrorKind, Result};

/// A migration and whether a database has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Name.
    pub name: String,
    /// Whether it is recorded as applied.
    pub applied: bool,
}

/// Names of all migrations, oldest first; no database is needed to know them.
pub fn names_of_all() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

/// All migrations, oldest first. Reads only, so that it needs no right to make anything.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<Migration>> {
    let found = Migrator::get_migration_with_status_read_only(db)
        .await
        .map_err(|e| failed(ErrorKind::Read, "reading which migrations are applied", &e))?;
    Ok(found
        .iter()
        .map(|m| Migration { name: m.name().to_owned(), applied: m.status() == MigrationStatus::Applied })
        .collect())
}

/// Those of TechCare's tables whose names are taken, parents first.
pub async fn present(db: &DatabaseConnection) -> Result<Vec<&'static str>> {
    let manager = SchemaManager::new(db);
    let mut present = Vec::new();
    for table in TABLES {
        let there = manager.has_table(table).await;
        if there.map_err(|e| failed(ErrorKind::Read, format!("looking for table {table}"), &e))? {
            present.push(table);
        }
    }
    Ok(present)
}

/// Those of TechCare's tables that hold a row.
pub async fn occupied(db: &DatabaseConnection) -> Result<Vec<&'static str>> {
    let mut occupied = Vec::new();
    for table in present(db).await? {
        let any = Query::select().expr(Expr::val(1)).from(Alias::new(table)).limit(1).take();
        let row = db.query_one(&any).await;
        if row.map_err(|e| failed(ErrorKind::Read, format!("reading table {table}"), &e))?.is_some() {
            occupied.push(table);
        }
    }
    Ok(occupied)
}

/// Applies what is pending; returns the names of what it applied. Refuses where tables of these names are there
/// already without a record: making them would fail, and what is in them is not known.
pub async fn up(db: &DatabaseConnection) -> Result<Vec<String>> {
    let pending = names(status(db).await?, false);
    if pending.is_empty() {
        return Ok(pending);
    }
    let present = present(db).await?;
    if pending.len() == Migrator::migrations().len() && !present.is_empty() {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("tables of TechCare are there already: {}", present.join(", ")),
        )
        .why("they were not made by these migrations but by the application or by hand")
        .next("`schema init` records the migrations as applied if the tables fit"));
    }
    Migrator::up(db, None).await.map_err(|e| failed(ErrorKind::Write, "applying the migrations", &e))?;
    Ok(pending)
}

/// Undoes the newest `steps` applied migrations; returns their names, newest first. That drops their tables with
/// whatever they hold.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<Vec<String>> {
    let applied = names(status(db).await?, true);
    if applied.is_empty() {
        return Ok(applied);
    }
    Migrator::down(db, Some(steps)).await.map_err(|e| failed(ErrorKind::Write, "undoing migrations", &e))?;
    let count = usize::try_from(steps).unwrap_or(usize::MAX);
    Ok(applied.into_iter().rev().take(count).collect())
}

/// Records all migrations as applied to tables that are there already; returns the names of what it recorded.
/// Refuses where the tables would not hold what the migrations' own tables hold.
pub async fn init(db: &DatabaseConnection, found: &Recognition) -> Result<Vec<String>> {
    let pending = names(status(db).await?, false);
    if pending.is_empty() {
        return Ok(pending);
    }
    if present(db).await?.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "there are no TechCare tables to adopt")
            .next("`schema up` makes them"));
    }
    let faults = found.faults();
    if !faults.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "the tables are not what the migrations would have made")
            .why(faults.join("; "))
            .next("make a database with `schema up` and move the data there with `migrate`"));
    }
    let recording = |e| failed(ErrorKind::Write, "recording the migrations as applied", &e);
    Migrator::install(db).await.map_err(recording)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let records = pending.iter().map(|name| seaql_migrations::ActiveModel {
        version: Set(name.clone()),
        applied_at: Set(i64::try_from(now).unwrap_or_default()),
    });
    seaql_migrations::Entity::insert_many(records).exec_without_returning(db).await.map_err(recording)?;
    Ok(pending)
}

fn names(all: Vec<Migration>, applied: bool) -> Vec<String> {
    all.into_iter().filter(|m| m.applied == applied).map(|m| m.name).collect()
}
