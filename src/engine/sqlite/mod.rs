//! SQLite: files, their catalogue, their rows, and new files in which a migration is built. This file ties the rooms
//! to the traits; every operation opens the file anew, so that what is there now is what is seen.

pub mod backup;
mod cell;
mod ddl;
mod default;
mod definition;
mod exchange;
mod file;
mod form;
mod inspect;
mod journal;
mod leftovers;
mod live;
mod on_update;
mod origins;
mod orphans;
mod pages;
mod probe;
mod profile;
mod read;
mod round;
mod script;
mod stage;
mod staying;
mod tokens;
mod traces;
mod tune;
mod types;
mod whole;
mod write;

/// The hot loops alone, for `make bench-loops`.
#[cfg(feature = "loops")]
pub mod loops {
    pub use super::read::table as read;
    pub use super::write::rows as write;
}

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tokio_util::sync::CancellationToken;

use self::ddl::{SqliteRules, quote};
use self::file::{Access, failure};
use self::traces::Traces;
pub use self::tune::tunable;
use super::backup::NativeWay;
use super::blocking;
use super::dump::DumpDialect;
use crate::engine::capability::{
    Claim, Defaults, Facts, Matching, Naming, Occupied, Probe, Restoration, Rules, Snapshot, Source, Staging,
    Stored, TableSize, Target, Unfinished, Verdict,
};
use crate::engine::condition;
use crate::engine::stream::BatchReceiver;
use crate::model::change::Change;
use crate::model::endpoint::{Dialect, Endpoint, Location, PoolSettings};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{IndexPlan, Plan, Scope, TablePlan};
use crate::model::schema::Schema;

/// Opens for reading.
pub async fn open_source(path: &Path, _endpoint: &Endpoint) -> Result<Box<dyn Source>> {
    let path = path.to_owned();
    blocking::run(move || {
        let real = file::existing(&path)?;
        let traces = Traces::of(&real);
        let facts = file::facts(&file::open(&real, Access::Read)?, &real)?;
        Ok(Box::new(Database { path, facts, _traces: Some(traces) }) as Box<dyn Source>)
    })
    .await
}

/// Opens for writing. A file that does not exist is not made, only its folder looked at; a transaction that was cut short
/// in one is rolled back first.
pub async fn open_target(path: &Path, _endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    let path = path.to_owned();
    blocking::run(move || {
        let real = file::find(&path)?;
        if let Some(real) = &real {
            file::recover(real)?;
        }
        let traces = real.as_deref().map(Traces::of);
        let facts = match &real {
            Some(real) => file::facts(&file::open(real, Access::Read)?, real)?,
            None => file::facts_of_absent(&path)?,
        };
        Ok(Box::new(Database { path, facts, _traces: traces }) as Box<dyn Target>)
    })
    .await
}

/// Opens a backup for reading.
pub async fn open_backup(file: &Path) -> Result<Box<dyn Source>> {
    open_source(file, &Endpoint::new(Location::File(file.to_owned()), "")).await
}

/// SQLite's own look at a backup.
pub async fn check_backup(file: &Path) -> Result<()> {
    let file = file.to_owned();
    blocking::run(move || backup::check(&file::existing(&file)?)).await
}

/// Rules of SQLite; no file is needed to know them.
pub fn rules() -> Box<dyn Rules> {
    Box::new(SqliteRules)
}

/// SQLite as text.
pub fn dump() -> Box<dyn DumpDialect> {
    Box::new(script::SqliteDump)
}

/// A SeaORM connection; makes the file if it does not exist, since migrators begin with an empty one.
pub async fn orm(path: &Path, endpoint: &Endpoint) -> Result<sea_orm::DatabaseConnection> {
    connect_orm(path, |options| options.create_if_missing(true), &endpoint.pool).await
}

/// A SeaORM connection whose options `adjust` completes. What stands in the file's schema gets no more rights than
/// on our own connections, as far as this driver can say so.
async fn connect_orm(
    path: &Path,
    adjust: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions + Send,
    pool: &PoolSettings,
) -> Result<sea_orm::DatabaseConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false)
        .busy_timeout(pool.connect_timeout)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("mmap_size", "0");
    let connected = SqlitePoolOptions::new()
        .max_connections(pool.max_connections)
        .max_lifetime(pool.recycle)
        .test_before_acquire(pool.pre_ping)
        .acquire_timeout(pool.connect_timeout)
        .connect_with(adjust(options))
        .await;
    let connected = connected.map_err(|e| {
        Error::new(ErrorKind::Unreachable, format!("cannot open the SQLite file {}", path.display()))
            .why(e)
            .next("check the path and its rights")
    })?;
    Ok(sea_orm::SqlxSqliteConnector::from_sqlx_sqlite_pool(connected))
}

/// A file by the name that the user gave it, which may not exist yet.
struct Database {
    path: PathBuf,
    facts: Facts,
    /// Goes last, when nothing reads any more.
    _traces: Option<Traces>,
}

impl Database {
    /// Works on the file as it is now; `None` is handed on if there is none.
    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(Option<&Connection>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        blocking::run(move || {
            let connection = file::find(&path)?.map(|real| file::open(&real, Access::Read)).transpose()?;
            work(connection.as_ref())
                .map_err(|e| failure(ErrorKind::Read, format!("cannot read {}", path.display()), &e))
        })
        .await
    }
}

#[async_trait]
impl Source for Database {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn rules(&self) -> &dyn Rules {
        &SqliteRules
    }

    async fn inspect(&self) -> Result<Schema> {
        self.look(|connection| match connection {
            Some(connection) => inspect::schema(connection),
            None => Ok(Schema { dialect: Dialect::Sqlite, tables: Vec::new(), objects: Vec::new() }),
        })
        .await
    }

    async fn sizes(&self) -> Result<Vec<TableSize>> {
        self.look(|connection| connection.map_or_else(|| Ok(Vec::new()), sizes)).await
    }

    async fn damage(&self) -> Result<Vec<String>> {
        let path = self.path.clone();
        blocking::run(move || match file::find(&path)? {
            Some(real) => damage(&file::open(&real, Access::Read)?, &real),
            None => Ok(Vec::new()),
        })
        .await
    }

    async fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>> {
        let path = self.path.clone();
        blocking::run(move || {
            let real = file::existing(&path)?;
            Ok(Box::new(read::SqliteSnapshot::begin(&real, readers)?) as Box<dyn Snapshot>)
        })
        .await
    }

    async fn probe(&self, probe: &Probe) -> Result<Option<Vec<Verdict>>> {
        let probe = probe.clone();
        blocking::run(move || probe::verdicts(&probe).map(Some)).await
    }

    async fn evaluate(&self, defaults: &Defaults) -> Result<Option<Vec<Stored>>> {
        let defaults = defaults.clone();
        blocking::run(move || probe::stored(&defaults).map(Some)).await
    }

    async fn native_backup(&self) -> Result<NativeWay> {
        let path = self.path.clone();
        blocking::run(move || {
            let real = file::existing(&path)?;
            let connection = file::open(&real, Access::Read)?;
            let bytes = file::facts(&connection, &real)?.size;
            backup::way(&connection, bytes)
                .map_err(|e| failure(ErrorKind::Read, format!("cannot read {}", path.display()), &e))
        })
        .await
    }

    async fn close(&self) {}
}

#[async_trait]
impl Target for Database {
    async fn occupied(&self, plan: &Plan) -> Result<Vec<Occupied>> {
        let tables: Vec<String> = plan.tables.iter().map(|t| t.name.clone()).collect();
        let indexes = plan.tables.iter().flat_map(|t| t.indexes.iter().filter(|i| !i.constraint));
        let indexes = indexes.filter_map(|i| i.name.clone());
        let others: Vec<String> = indexes.chain(plan.views.iter().map(|v| v.name.clone())).collect();
        self.look(move |connection| match connection {
            Some(connection) => occupied(connection, &tables, &others),
            None => Ok(Vec::new()),
        })
        .await
    }

    async fn claim(&self) -> Result<Box<dyn Claim>> {
        let path = self.path.clone();
        blocking::run(move || Ok(Box::new(leftovers::FileClaim::take(&path)?) as Box<dyn Claim>)).await
    }

    async fn clear(&self, keep: Option<&str>) -> Result<Vec<String>> {
        let (path, keep) = (self.path.clone(), keep.map(str::to_owned));
        blocking::run(move || leftovers::clear(&path, keep.as_deref())).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        let path = self.path.clone();
        blocking::run(move || journal::unfinished(&path)).await
    }

    async fn resume(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        let (path, run, plan) = (self.path.clone(), run.to_owned(), plan.clone());
        blocking::run(move || {
            let real = file::find(&path)?;
            Ok(Box::new(stage::FileStaging::take_over(&path, real.as_deref(), &run, &plan)?)
                as Box<dyn Staging>)
        })
        .await
    }

    async fn collisions(&self, plan: &Plan, key: &IndexPlan, mut rows: BatchReceiver) -> Result<Matching> {
        let (plan, key) = (plan.clone(), key.clone());
        blocking::run(move || {
            let failed = |e: rusqlite::Error| {
                failure(ErrorKind::Write, "cannot look for rows that are one in the target", &e)
            };
            let connection = Connection::open_in_memory().map_err(failed)?;
            let Some(table) = plan.tables.first() else { return Ok(Matching::default()) };
            for statement in SqliteRules.script(&plan, &Naming::default()).before {
                connection.execute_batch(&statement.sql).map_err(failed)?;
            }
            write::rows(&connection, table, false, &mut rows)?;
            let from = format!("main.{}", quote(&table.name));
            collisions(&connection, table, &condition::collisions(table, &from, &key, quote, str::to_owned))
                .map_err(failed)
        })
        .await
    }

    async fn stage(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        let (path, run, plan) = (self.path.clone(), run.to_owned(), plan.clone());
        blocking::run(move || {
            let real = file::find(&path)?;
            real.as_deref().map_or(Ok(()), file::writable)?;
            Ok(if plan.scope == Scope::DataOnly {
                let real = real.map_or_else(|| file::existing(&path), Ok)?;
                Box::new(live::TransactionStaging::begin(&real, &run, &plan)?) as Box<dyn Staging>
            } else {
                Box::new(stage::FileStaging::make(&path, real.as_deref(), &run, &plan)?)
            })
        })
        .await
    }

    async fn restore(&self, run: &str, backup: &Path, _: &CancellationToken) -> Result<Box<dyn Restoration>> {
        let (path, run, backup) = (self.path.clone(), run.to_owned(), backup.to_owned());
        blocking::run(move || {
            Ok(Box::new(whole::FileRestoration::make(&path, &run, &backup)?) as Box<dyn Restoration>)
        })
        .await
    }

    async fn happened(&self, change: &Change) -> Result<bool> {
        let (path, change) = (self.path.clone(), change.clone());
        blocking::run(move || exchange::happened(&path, &change)).await
    }

    async fn settle(&self, change: &Change, happened: bool) -> Result<()> {
        let (path, change) = (self.path.clone(), change.clone());
        blocking::run(move || exchange::settle(&path, &change, happened)).await
    }

    async fn back(&self, run: &str, change: &Change) -> Result<Change> {
        let (path, run, change) = (self.path.clone(), run.to_owned(), change.clone());
        blocking::run(move || exchange::back(&path, &run, &change)).await
    }

    fn dropping(&self, change: &Change) -> Vec<String> {
        change.places().iter().map(|file| format!("rm '{}'", file.replace('\'', "'\\''"))).collect()
    }

    async fn exchange(&self, change: &Change) -> Result<()> {
        let (path, change) = (self.path.clone(), change.clone());
        blocking::run(move || exchange::exchange(&path, &change)).await
    }
}

/// Rows that are one, by [`condition::collisions`].
fn collisions(connection: &Connection, table: &TablePlan, sql: &str) -> rusqlite::Result<Matching> {
    let names: Vec<&str> = table.key.iter().map(String::as_str).collect();
    let key = read::Key::among(connection, &table.name, &names, &table.key);
    let mut found = Matching::default();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        found.rows = u64::try_from(row.get::<_, i64>(names.len())?).unwrap_or(0);
        if !names.is_empty() {
            found.keys.push(key.text(row));
        }
    }
    Ok(found)
}

/// What `integrity_check` says, at most 100 lines. A file that is too damaged for the check is damaged.
fn damage(connection: &Connection, real: &Path) -> Result<Vec<String>> {
    let check = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        lines.filter(|line| line.as_ref().map_or(true, |text| text != "ok")).collect()
    };
    let damaged = |e: &rusqlite::Error| e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt);
    match check() {
        Ok(lines) => Ok(lines),
        Err(e) if damaged(&e) => Ok(vec![e.to_string()]),
        Err(e) => Err(failure(ErrorKind::Read, format!("cannot check {}", real.display()), &e)),
    }
}

/// Rows counted, and pages of each table with its indexes.
fn sizes(connection: &Connection) -> rusqlite::Result<Vec<TableSize>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = connection.prepare(
        "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name \
         WHERE d.aggregate = TRUE GROUP BY s.tbl_name",
    )?;
    let bytes = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let bytes: HashMap<String, i64> = bytes.collect::<rusqlite::Result<_>>()?;
    let mut sizes = Vec::new();
    for table in inspect::table_names(connection)? {
        let rows = inspect::counted_rows(connection, &table)?;
        let bytes = bytes.get(&table).and_then(|b| u64::try_from(*b).ok());
        sizes.push(TableSize { table, rows, bytes });
    }
    transaction.finish()?;
    Ok(sizes)
}

/// Objects of these names; SQLite's names are the same whatever their case. An index of one of the tables goes with
/// it. Nothing keeps an empty table from being replaced: views name it, and triggers are made again.
fn occupied(
    connection: &Connection,
    tables: &[String],
    others: &[String],
) -> rusqlite::Result<Vec<Occupied>> {
    let mut statement = connection
        .prepare("SELECT name, type, tbl_name FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE")?;
    let mut found = Vec::new();
    for wanted in tables.iter().chain(others) {
        let mut rows = statement.query([wanted])?;
        while let Some(row) = rows.next()? {
            let (name, kind, of): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if kind == "index" && tables.iter().any(|t| t.eq_ignore_ascii_case(&of)) {
                continue;
            }
            let empty = kind == "table" && is_empty(connection, &name)?;
            found.push(Occupied { name, kind, empty, held_by: Vec::new() });
        }
    }
    Ok(found)
}

/// Whether a table has no row.
fn is_empty(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM main.{})", quote(table));
    connection.query_row(&sql, [], |r| r.get(0))
}
