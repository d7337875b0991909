//! Tables in which migration tools (Alembic, Django, SeaORM, Rails, Flyway) note what they have done to a schema. Where
//! the application has made the target's tables, the notes there tell of these tables, and the source's do not: they
//! stay, and whether the two tell of the same state is said.

use super::copy;
use super::plan::findings::migration_state;
use crate::engine::capability::{Occupied, ReadColumn, ReadRequest, Snapshot};
use crate::model::digest::Digest;
use crate::model::error::Result;
use crate::model::plan::{Finding, Plan};
use crate::model::schema::{Schema, Table};

/// The tables by name, each with the columns that tell a state; the others tell when and how.
pub const HISTORIES: &[(&str, &[&str])] = &[
    ("alembic_version", &["version_num"]),
    ("django_migrations", &["app", "name"]),
    ("seaql_migrations", &["version"]),
    ("schema_migrations", &["version"]),
    ("ar_internal_metadata", &["key", "value"]),
    ("flyway_schema_history", &["version"]),
];

/// Whether a table is one in which a migration tool keeps its notes.
pub fn is_history(table: &str) -> bool {
    HISTORIES.iter().any(|(name, _)| *name == table)
}

/// Names, in the source, of planned tables that stay as the target has them: histories with rows, beside other tables
/// of the plan that the application made.
pub fn kept(plan: &Plan, occupied: &[Occupied]) -> Vec<String> {
    let made = occupied.iter().any(|o| o.kind == "table" && !is_history(&o.name));
    let stays = |o: &&Occupied| made && o.kind == "table" && !o.empty && is_history(&o.name);
    let source = |o: &Occupied| plan.tables.iter().find(|t| t.name == o.name).map(|t| t.source.clone());
    occupied.iter().filter(stays).filter_map(source).collect()
}

/// Says of a history that stays whether it tells of the same state as the source's.
pub async fn compare(
    name: &str,
    source: (&Schema, &dyn Snapshot),
    target: (&Schema, &dyn Snapshot),
) -> Result<Finding> {
    let states = match (source.0.table(name), target.0.table(name)) {
        (Some(a), Some(b)) => Some((state(a, source.1).await?, state(b, target.1).await?)),
        _ => None,
    };
    Ok(migration_state(name, states.is_some_and(|(a, b)| a == b)))
}

/// Count and digest of what a history tells.
async fn state(table: &Table, snapshot: &dyn Snapshot) -> Result<Digest> {
    let telling =
        HISTORIES.iter().find(|(name, _)| *name == table.name).map_or(&[][..], |(_, columns)| columns);
    let columns = telling.iter().filter_map(|name| table.column(name));
    let columns = columns.map(|column| ReadColumn::of(column, column.data_type.clone()));
    let request = ReadRequest::all(&table.name, columns.collect());
    copy::digest(&request, |to| snapshot.read(&request, to)).await
}
