//! `detect`: what is configured, and is it well? Opens a database read-only, asks it about itself, and looks for
//! TechCare in it and for its newest backup beside it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use serde::Serialize;

use super::newest_backup::{NewestBackup, newest_backup};
use super::recorded::{self, Recorded};
use super::warnings;
use crate::engine::capability::{Source, TableSize};
use crate::engine::connect;
use crate::model::endpoint::Endpoint;
use crate::model::error::Result;
use crate::model::report::DatabaseReport;
use crate::techcare::recognition::{Variant, recognise};

/// What to look at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub endpoint: Endpoint,
    /// Folder of its backups.
    pub backups: PathBuf,
    /// Folder of the history of runs, which knows of others.
    pub history: PathBuf,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectReport {
    /// The database.
    pub database: DatabaseReport,
    /// Time of one round trip.
    pub latency: Duration,
    /// Bytes on disk.
    pub size: Option<u64>,
    /// Character encoding.
    pub encoding: String,
    /// Default collation.
    pub collation: String,
    /// Time zone of sessions that ask for none.
    pub time_zone: Option<String>,
    /// Tables with rows and bytes.
    pub tables: Vec<DetectedTable>,
    /// Whether it is TechCare's.
    pub techcare: DetectedTechCare,
    /// Newest backup of this kind of database.
    pub backup: Option<NewestBackup>,
    /// What is not well, a sentence each.
    pub warnings: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectedTable {
    /// Name.
    pub name: String,
    /// Rows, counted.
    pub rows: u64,
    /// Bytes on disk, with indexes.
    pub bytes: Option<u64>,
}

/// Whether a database is TechCare's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectedTechCare {
    /// Whether it is.
    pub recognised: bool,
    /// Age of its schema.
    pub variant: Option<Variant>,
    /// In what it falls short of the models.
    pub faults: Vec<String>,
    /// Migrations that are recorded in it.
    pub migrations: Vec<RecordedMigration>,
}

/// The newest migration that a tool has recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedMigration {
    /// Table in which it stands.
    pub table: String,
    /// The newest; `None` if none is recorded.
    pub newest: Option<String>,
    /// How many are recorded.
    pub count: usize,
}

impl From<Recorded> for RecordedMigration {
    fn from(mut recorded: Recorded) -> Self {
        Self { table: recorded.table, count: recorded.names.len(), newest: recorded.names.pop() }
    }
}

/// Looks.
pub async fn run(options: &Options) -> Result<DetectReport> {
    let source = connect::source(&options.endpoint).await?;
    let report = look(options, source.as_ref()).await;
    source.close().await;
    report
}

async fn look(options: &Options, source: &dyn Source) -> Result<DetectReport> {
    let facts = source.facts();
    let schema = source.inspect().await?;
    let sizes = source.sizes().await?;
    let found = recognise(&schema);
    let database = super::backup::identity(&options.endpoint, facts);
    let faults = if found.is_techcare() { found.faults() } else { Vec::new() };
    Ok(DetectReport {
        database: super::database_report(&options.endpoint, facts),
        latency: facts.latency,
        size: facts.size,
        encoding: facts.encoding.clone(),
        collation: facts.collation.clone(),
        time_zone: facts.time_zone.clone(),
        tables: sizes.into_iter().map(DetectedTable::from).collect(),
        techcare: DetectedTechCare {
            recognised: found.is_techcare(),
            variant: found.variant,
            faults,
            migrations: recorded::read(source, &schema)
                .await?
                .into_iter()
                .map(RecordedMigration::from)
                .collect(),
        },
        backup: newest_backup(&options.backups, &options.history, &database.id, Utc::now()),
        warnings: warnings::of(facts).into_iter().map(|(_, text)| text).collect(),
    })
}

impl From<TableSize> for DetectedTable {
    fn from(size: TableSize) -> Self {
        Self { name: size.table, rows: size.rows, bytes: size.bytes }
    }
}
