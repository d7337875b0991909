//! `detect`: what is configured, and is it well? Opens a database read-only, asks it about itself, and looks for
//! TechCare in it and for its newest backup beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Local, TimeZone};
use serde::Serialize;

use super::recorded::{self, Recorded};
use super::warnings;
use crate::engine::capability::{Source, TableSize};
use crate::engine::connect;
use crate::model::endpoint::{Dialect, Endpoint};
use crate::model::error::Result;
use crate::model::report::DatabaseReport;
use crate::pipeline::backups::made_at;
use crate::techcare::recognition::{Variant, recognise};

/// What to look at.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub endpoint: Endpoint,
    /// Folder of its backups.
    pub backups: PathBuf,
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
    pub backup: Option<DetectedBackup>,
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

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DetectedBackup {
    /// Where it is.
    pub path: PathBuf,
    /// How old it is, by its name.
    pub age: Duration,
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
        backup: newest_backup(&options.backups, options.endpoint.dialect(), Local::now()),
        warnings: warnings::of(facts).into_iter().map(|(_, text)| text).collect(),
    })
}

impl From<TableSize> for DetectedTable {
    fn from(size: TableSize) -> Self {
        Self { name: size.table, rows: size.rows, bytes: size.bytes }
    }
}

/// Newest `techcare_YYYYmmdd_HHMMSS.db`, or `techcare_ENGINE_YYYYmmdd_HHMMSS.…` for servers. A folder that cannot
/// be read holds none.
fn newest_backup(folder: &Path, dialect: Dialect, now: DateTime<Local>) -> Option<DetectedBackup> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let (made, path) = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| Some((made_at(entry.file_name().to_str()?, dialect)?, entry.path())))
        .max()?;
    let made = Local.from_local_datetime(&made).earliest()?;
    Some(DetectedBackup { path, age: (now - made).to_std().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_backup_of_its_engine_is_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "techcare_20260101_120000.db",
            "techcare_20260102_120000.db",
            "techcare_20260102_120000.db.json",
            "techcare_20260103_120000.db.partial-1",
            "techcare_postgresql_20260104_120000.dump",
            "techcare_mysql_20260105_120000.sql.zst",
            "techcare_20261301_120000.db",
            "other_20260106_120000.db",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let now = Local.with_ymd_and_hms(2026, 1, 4, 12, 0, 0).unwrap();
        let newest = |dialect| {
            let backup = newest_backup(folder.path(), dialect, now).unwrap();
            (backup.path.file_name().unwrap().to_str().unwrap().to_owned(), backup.age.as_secs() / 86_400)
        };
        assert_eq!(newest(Dialect::Sqlite), ("techcare_20260102_120000.db".into(), 2));
        assert_eq!(newest(Dialect::Postgres), ("techcare_postgresql_20260104_120000.dump".into(), 0));
        assert_eq!(newest(Dialect::Mysql), ("techcare_mysql_20260105_120000.sql.zst".into(), 0));
        assert_eq!(newest_backup(Path::new("/nonexistent"), Dialect::Sqlite, now), None);
    }
}
