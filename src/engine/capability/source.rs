//! A database that can be read, and one consistent view of it. Nothing here writes.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Defaults, Probe, Rules, Stored, Verdict};
use crate::engine::backup::{NativeOrder, NativeWay};
use crate::engine::stream::BatchSender;
use crate::model::batch::{DEFAULT_BATCH_BYTES, DEFAULT_BATCH_ROWS, Shape, ShapeColumn};
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::epoch::Epoch;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::manifest::TableContent;
use crate::model::plan::{Plan, TableProfile};
use crate::model::schema::{Column, DataType, Schema, Table};

/// Facts about an open database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Product.
    pub flavour: Flavour,
    /// Version as the server says it: `15.18`, `10.11.19-MariaDB`, `3.51.3`.
    pub version: String,
    /// Version in numbers, for comparisons.
    pub version_number: (u32, u32, u32),
    /// Character encoding of the database.
    pub encoding: String,
    /// Default collation of the database.
    pub collation: String,
    /// Time zone that the server's sessions get by default.
    pub time_zone: Option<String>,
    /// Bytes on disk.
    pub size: Option<u64>,
    /// What makes this database the same one under another name: device and inode; system identifier and
    /// database; server UUID and database.
    pub identity: String,
    /// Time that one round trip (`SELECT 1`) took.
    pub latency: Duration,
    /// Names of the collations that [`Rules`] choose from, where that depends on the server.
    pub collations: Vec<String>,
    /// Sequences of the namespace, as a default tells them that uses one (MariaDB).
    pub sequences: Vec<String>,
    /// Largest packet or field in bytes that one value may need, where the server has a limit.
    pub max_value_bytes: Option<u64>,
    /// Whether table names that differ only in case are different tables.
    pub case_sensitive_names: bool,
    /// Foreign keys lead to unique keys only, where that depends on the server (`restrict_fk_on_non_standard_key` of MySQL).
    pub unique_parents: bool,
    /// Schema (PostgreSQL) or database (MySQL) that holds the tables; empty on SQLite.
    pub namespace: String,
}

/// Rows and bytes of a table, for `detect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Table.
    pub table: String,
    /// Rows, counted exactly.
    pub rows: u64,
    /// Bytes on disk with indexes; `None` where the engine does not say.
    pub bytes: Option<u64>,
}

/// A column to be read, from a source or back from staging.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadColumn {
    /// Name in the database that is read.
    pub name: String,
    /// Type there, in its own words.
    pub native_type: String,
    /// Cells to make.
    pub carries: DataType,
    /// Unit of the numbers that stand for times, where there are such.
    pub epoch: Option<Epoch>,
}

impl ReadColumn {
    /// A column of a catalogue, read into these cells.
    pub fn of(column: &Column, carries: DataType) -> Self {
        Self { name: column.name.clone(), native_type: column.native_type.clone(), carries, epoch: None }
    }

    /// A column of which nothing is known but that its values can be read into these cells.
    pub fn untyped(name: String, carries: DataType) -> Self {
        Self { name, native_type: String::new(), carries, epoch: None }
    }
}

/// A table to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRequest {
    /// Name in the database that is read.
    pub table: String,
    /// Columns in cell order.
    pub columns: Vec<ReadColumn>,
    /// Names of the columns that identify a row, for messages; a subset of `columns`.
    pub key: Vec<String>,
    /// Most rows in a batch.
    pub batch_rows: usize,
    /// Bytes at which a batch is handed on.
    pub batch_bytes: usize,
    /// Only rows whose key, one whole number, is greater.
    pub after: Option<i64>,
    /// Only rows for which this is true, in SQL of the database that is read; `None` for all.
    pub condition: Option<String>,
    /// Longest that the engine may work on it, in whole milliseconds; then it stops, and the error is `TimedOut`.
    pub within: Option<Duration>,
}

impl ReadRequest {
    /// All rows, in batches of the usual size; nothing names one of them.
    pub fn all(table: impl Into<String>, columns: Vec<ReadColumn>) -> Self {
        Self {
            table: table.into(),
            columns,
            key: Vec::new(),
            batch_rows: DEFAULT_BATCH_ROWS,
            batch_bytes: DEFAULT_BATCH_BYTES,
            after: None,
            condition: None,
            within: None,
        }
    }

    /// What its rows look like.
    pub fn shape(&self) -> Arc<Shape> {
        let column = |c: &ReadColumn| ShapeColumn { name: c.name.clone(), data_type: c.carries.clone() };
        let position = |name: &String| self.columns.iter().position(|c| c.name == *name);
        Arc::new(Shape {
            table: self.table.clone(),
            columns: self.columns.iter().map(column).collect(),
            key: self.key.iter().filter_map(position).collect(),
        })
    }
}

/// Rows of a table for which a condition is true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matching {
    /// How many.
    pub rows: u64,
    /// Keys of up to five of them.
    pub keys: Vec<String>,
}

/// How a database is doing, beyond its [`Facts`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Sessions that are open at the server, and how many it takes.
    pub connections: Option<(u64, u64)>,
    /// Rights that an application or a migration needs and this user does not have.
    pub missing_rights: Vec<MissingRight>,
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRight {
    /// Who may not do what.
    pub what: String,
    /// The statement that gives it, or what else mends it.
    pub fix: String,
}

/// A database that can be read.
///
/// Opening one never changes it: engines open it read-only and say so to the server.
#[async_trait]
pub trait Source: Send + Sync {
    /// Facts, taken when it was opened.
    fn facts(&self) -> &Facts;

    /// Rules of this very server.
    fn rules(&self) -> &dyn Rules;

    /// Reads the whole catalogue.
    async fn inspect(&self) -> Result<Schema>;

    /// Counts rows and bytes table by table.
    async fn sizes(&self) -> Result<Vec<TableSize>>;

    /// How it is doing now.
    async fn health(&self) -> Result<Health> {
        Ok(Health::default())
    }

    /// What the engine's own check of its storage finds wrong, a line each, without a value; reads everything.
    async fn damage(&self) -> Result<Vec<String>>;

    /// Opens one consistent view of the database that up to `readers` tables can be read from at the same time;
    /// an engine that cannot share a view gives fewer (see [`Snapshot::readers`]).
    async fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>>;

    /// Tries a condition on rows that are in no table, each by itself; the answers are in the order of the rows. Nothing
    /// of it stays, and a source is not written to. `None` if there is no engine to ask.
    async fn probe(&self, probe: &Probe) -> Result<Option<Vec<Verdict>>>;

    /// Evaluates defaults; what each column would hold, in their order. Nothing of it stays, and a source is not written
    /// to. `None` if there is no engine to ask.
    async fn evaluate(&self, defaults: &Defaults) -> Result<Option<Vec<Stored>>>;

    /// How the engine would make its own backup of this database; `Refused` with the fix where it cannot.
    async fn native_backup(&self) -> Result<NativeWay> {
        Err(no_native_backup())
    }

    /// Rows and digests of a native backup of this database that was just written, from its own text: of the tables that the
    /// requests would read. `dump` is not packed. For forms of which nobody else can read the view
    /// ([`NativeWay::same_view`]). `None` where the text does not tell.
    async fn rows_of_backup(
        &self,
        _requests: Vec<ReadRequest>,
        _dump: Box<dyn Read + Send>,
    ) -> Result<Option<Vec<TableContent>>> {
        Err(no_native_backup())
    }

    /// Closes connections. The database is as it was.
    async fn close(&self);
}

/// One consistent view of a source. Everything read through it is of one instant.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Tables that can be read at the same time.
    fn readers(&self) -> usize;

    /// Rows of a table (an estimate will do) for progress; `None` where that would cost a scan.
    async fn estimate(&self, table: &str) -> Result<Option<u64>>;

    /// Counts the rows of a table.
    async fn count(&self, table: &str) -> Result<u64>;

    /// Looks at the data of a table as far as its declared types leave something open towards `target`.
    ///
    /// With a `condition` (SQL of this engine) only at the rows for which it is true.
    async fn profile(&self, table: &Table, target: Dialect, condition: Option<&str>) -> Result<TableProfile>;

    /// Whether it evaluates SQL: conditions ([`Snapshot::matching`], [`ReadRequest::condition`]) and views. Who does not
    /// refuses all of them.
    fn evaluates(&self) -> bool {
        true
    }

    /// What the database was asked about its rows when they were kept, of a view that evaluates nothing.
    fn told(&self) -> Option<&Told> {
        None
    }

    /// Counts the rows of a table for which `condition` is true, SQL of this engine over the table's columns. `Usage`
    /// with the engine's own words if it does not take the condition.
    async fn matching(&self, table: &Table, condition: &str) -> Result<Matching>;

    /// Columns of a view, in order, as any database of the same engine can read them and get equal cells for equal
    /// values, whatever their types. The view itself is read like a table.
    async fn columns(&self, view: &str) -> Result<Vec<ReadColumn>>;

    /// Foreign keys of the plan whose rows have no parent here, known before anything is written: SQLite enforces
    /// none by itself, and on the others they can be switched off. They are answered under
    /// the names of the source.
    async fn orphans(&self, plan: &Plan) -> Result<Vec<Orphans>>;

    /// Reads a table from beginning to end into batches. Every cell has the variant that `carries` fixes; a
    /// value that is no such thing is an error of kind `Value` that names table, column and key, unless the judge of
    /// the road says otherwise (see [`crate::engine::judge`]). Returns when
    /// the last batch has been handed over. An error from `to` (nobody takes the rows) is returned as it is.
    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()>;

    /// Writes the engine's own backup into the file of the order: of this view where [`NativeWay::same_view`] says so.
    async fn native_backup(&self, _order: &NativeOrder) -> Result<()> {
        Err(no_native_backup())
    }

    /// Whether a table can be read from a key on ([`ReadRequest::after`]).
    fn seeks(&self) -> bool {
        true
    }

    /// What tells this state of the source from any other, where the engine can say so; two views of one state have
    /// the same rows.
    async fn state(&self) -> Option<String> {
        None
    }

    /// Ends the view and gives its connections back.
    async fn close(self: Box<Self>);
}

/// Rows whose parent is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphans {
    /// Referencing table.
    pub table: String,
    /// Referencing columns.
    pub columns: Vec<String>,
    /// Referenced table.
    pub references: String,
    /// How many rows.
    pub rows: u64,
    /// Keys of up to five of them.
    pub keys: Vec<String>,
}

/// Rows that a constraint may refuse although they were there: what a database says of them when they are kept outside of
/// it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Rows that their own checks are false for.
    #[serde(default)]
    pub violated: Vec<Violated>,
    /// Rows without a parent that is equal byte for byte, of foreign keys by which the database finds others too.
    #[serde(default)]
    pub strays: Vec<Orphans>,
}

/// Rows of a table that a check of it is false for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violated {
    /// The table.
    pub table: String,
    /// The check, in the words of the database.
    pub expression: String,
    /// How many rows.
    pub rows: u64,
    /// Keys of up to five of them.
    pub keys: Vec<String>,
}

fn no_native_backup() -> Error {
    Error::new(ErrorKind::Refused, "techcare-db makes no native backup of this database")
}
