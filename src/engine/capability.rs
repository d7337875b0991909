//! The traits that every engine implements, with their contracts in prose. The pipeline asks these and never
//! which engine it is talking to. [`Rules`] is pure and works with no connection; [`Source`] has no method that
//! writes; [`Target`] is a source that can also stage and switch.

use std::time::Duration;

use async_trait::async_trait;

use super::stream::{BatchReceiver, BatchSender};
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::epoch::Epoch;
use crate::model::error::Result;
use crate::model::plan::{
    ColumnProfile, Fidelity, ForeignKeyPlan, IdentityPlan, ObjectPlan, Plan, Script, TablePlan, TableProfile,
    TypePlan,
};
use crate::model::schema::{Collation, Column, DataType, DefaultValue, Identity, Schema, Table};

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
    /// Largest packet or field in bytes that one value may need, where the server has a limit.
    pub max_value_bytes: Option<u64>,
    /// Whether table names that differ only in case are different tables.
    pub case_sensitive_names: bool,
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

/// What a dialect can express, for the planner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a list of independent yes/no facts")]
pub struct Capabilities {
    /// Longest name.
    pub max_name: NameLimit,
    /// Most columns of a table.
    pub max_columns: usize,
    /// Most indexes of a table, the primary key included.
    pub max_indexes: usize,
    /// Most columns of one index.
    pub max_index_columns: usize,
    /// Table names that differ only in case are different.
    pub case_sensitive_tables: bool,
    /// Column names that differ only in case are different.
    pub case_sensitive_columns: bool,
    /// Index names must differ within the whole database, not only within their table.
    pub index_names_are_global: bool,
    /// A name used for an index cannot be used for a table as well (PostgreSQL relations).
    pub indexes_share_names_with_tables: bool,
    /// Foreign key and check names must differ within the whole database.
    pub constraint_names_are_global: bool,
    /// Indexes with WHERE.
    pub partial_indexes: bool,
    /// Indexes over expressions.
    pub expression_indexes: bool,
    /// Generated columns that `SELECT *` does not show, and indexes over them.
    pub invisible_columns: bool,
    /// Indexes over a prefix of a column.
    pub index_prefixes: bool,
    /// INCLUDE columns.
    pub index_include: bool,
    /// NULLS FIRST / LAST in indexes.
    pub index_nulls_order: bool,
    /// Access methods and kinds that are known: `gin`, `fulltext`, ….
    pub index_methods: &'static [&'static str],
    /// UNIQUE constraints and foreign keys can be deferred.
    pub deferrable: bool,
    /// UNIQUE constraints (not foreign keys) can be deferred.
    pub deferrable_unique: bool,
    /// ON DELETE SET DEFAULT works.
    pub set_default: bool,
    /// MATCH FULL works.
    pub match_full: bool,
    /// CHECK is enforced.
    pub checks: bool,
    /// STORED generated columns.
    pub generated_stored: bool,
    /// VIRTUAL generated columns.
    pub generated_virtual: bool,
    /// DEFAULT may be any expression.
    pub default_expressions: bool,
    /// Comments on tables and columns.
    pub comments: bool,
    /// ON UPDATE CURRENT_TIMESTAMP.
    pub on_update_now: bool,
    /// Streams that usefully write at the same time; 1 means that a second would only wait.
    pub writers: usize,
}

/// Longest name that a dialect takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameLimit {
    /// So many bytes of UTF-8 (PostgreSQL: 63).
    Bytes(usize),
    /// So many characters (MySQL: 64).
    Chars(usize),
    /// None.
    Unlimited,
}

impl NameLimit {
    /// Whether a name fits.
    pub fn fits(self, name: &str) -> bool {
        match self {
            Self::Bytes(most) => name.len() <= most,
            Self::Chars(most) => name.chars().count() <= most,
            Self::Unlimited => true,
        }
    }
}

/// How long the key of an index may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLimit {
    /// As long as it likes.
    Unlimited,
    /// So many bytes of the values that are stored.
    Stored(u64),
    /// So many bytes as the declared columns could need, four to a character.
    Declared(u64),
}

/// Most characters of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentLimit {
    /// On a table.
    pub table: usize,
    /// On a column.
    pub column: usize,
}

/// A column that needs a type in the target.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInput<'a> {
    /// Engine that the column comes from.
    pub source: Dialect,
    /// Product that the column comes from.
    pub source_flavour: Flavour,
    /// The column.
    pub column: &'a Column,
    /// What its values really are, where that was looked at.
    pub profile: Option<&'a ColumnProfile>,
    /// Whether the whole column (no prefix) is part of a primary key, unique or other index, or foreign key.
    pub indexed: bool,
}

/// Type of the target for a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Type in the target's words, without NOT NULL, DEFAULT, COLLATE.
    pub native_type: String,
    /// What travels; see [`crate::model::plan::ColumnPlan::carries`].
    pub carries: DataType,
    /// How faithful.
    pub fidelity: Fidelity,
    /// One clause for the finding where `fidelity` is not `Exact`, or why it is `Unsupported`.
    pub note: Option<String>,
    /// COLLATE in the target's words, unquoted.
    pub collation: Option<String>,
    /// A type that has to exist first.
    pub needs: Option<TypePlan>,
}

/// What a unique key is over so that it takes for equal what a collation of the source does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseKey {
    /// An expression instead of the column.
    pub expression: Option<String>,
    /// COLLATE of the key, unquoted.
    pub collation: Option<String>,
    /// A collation that has to exist first.
    pub needs: Option<ObjectPlan>,
    /// Accents count all the same.
    pub keeps_accents: bool,
}

/// How staged tables are named while they are not visible yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// Put in front of every table name; empty where staging has a namespace of its own.
    pub prefix: String,
    /// Where tables are that the plan refers to and does not make, if that is not where it is staged.
    pub outside: Option<String>,
}

impl Naming {
    /// Name of a table in staging.
    pub fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// The pure half of a dialect: same input, same output, no connection.
pub trait Rules: Send + Sync {
    /// Engine.
    fn dialect(&self) -> Dialect;

    /// Product that these rules are for.
    fn flavour(&self) -> Flavour;

    /// What the dialect can express.
    fn capabilities(&self) -> &Capabilities;

    /// Whether the dialect takes a name for a table, column, index or constraint when it is quoted.
    fn accepts_name(&self, name: &str) -> bool {
        !name.is_empty() && !name.contains('\0') && self.capabilities().max_name.fits(name)
    }

    /// Whether checks and stored generated columns may name columns that the engine itself changes: those whose
    /// values it hands out, and those that a foreign key with CASCADE or SET NULL rewrites. MySQL and MariaDB
    /// refuse both.
    fn watches_changed_columns(&self) -> bool {
        true
    }

    /// How long the key of an index may be.
    fn key_limit(&self) -> KeyLimit {
        KeyLimit::Unlimited
    }

    /// How long comments may be, where there are any.
    fn comment_limit(&self) -> CommentLimit {
        CommentLimit { table: usize::MAX, column: usize::MAX }
    }

    /// Makes the columns of a table fit into a row, where the dialect bounds its length; answers those that got
    /// another type, by their names in the plan.
    fn fit_row(&self, _table: &mut TablePlan) -> Vec<String> {
        Vec::new()
    }

    /// A quoted identifier: the only way a name gets into SQL.
    fn quote(&self, name: &str) -> String;

    /// How many characters a quoted text column holds, as an expression.
    fn char_length(&self, quoted: &str) -> String {
        format!("char_length({quoted})")
    }

    /// A character string literal.
    fn literal(&self, text: &str) -> String;

    /// Type for a column. A column of the same dialect keeps its own type word for word.
    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping;

    /// What a type of this dialect holds, by its declaration alone.
    fn type_of(&self, native: &str) -> DataType;

    /// Whether two spellings of a type are one.
    fn same_type(&self, one: &str, other: &str) -> bool {
        one.eq_ignore_ascii_case(other)
    }

    /// A column that was this dialect's own once: its own type again (`own`), where the values that come as `foreign`
    /// says can be kept under it.
    fn restored(&self, own: Mapping, _foreign: Mapping) -> Mapping {
        own
    }

    /// DEFAULT for a column that has been mapped, in this dialect; `None` if it cannot be said. For
    /// [`DefaultValue::Expression`] the planner hands over text that is already translated.
    fn default(&self, value: &DefaultValue, mapping: &Mapping) -> Option<String>;

    /// How a unique key over a text column (name and COLLATE as in the target) can ignore what `collation` of the
    /// source ignores, where the column itself does not; `None` if it cannot. `ascii` says that all its text is.
    fn loose_key(
        &self,
        _column: &str,
        _collation: &Collation,
        _source: Dialect,
        _ascii: bool,
    ) -> Option<LooseKey> {
        None
    }

    /// Identity as this dialect can have it; `None` if the mapped type cannot be one.
    fn identity(&self, identity: &Identity, mapping: &Mapping) -> Option<IdentityPlan>;

    /// The statements of a plan. Foreign keys stand in `constraints` or, where the dialect cannot add them
    /// later, in CREATE TABLE.
    fn script(&self, plan: &Plan, naming: &Naming) -> Script;
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
    /// Only rows for which this is true, in SQL of the database that is read; `None` for all.
    pub condition: Option<String>,
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
    /// The statement that gives it.
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
    async fn profile(&self, table: &Table, target: Dialect) -> Result<TableProfile>;

    /// Counts the rows of a table for which `condition` is true, SQL of this engine over the table's columns. `Usage`
    /// with the engine's own words if it does not take the condition.
    async fn matching(&self, table: &Table, condition: &str) -> Result<Matching>;

    /// Foreign keys of the plan whose rows have no parent here, known before anything is written: SQLite enforces
    /// none by itself, and on the others they can be switched off. Tables that the plan renames are passed over;
    /// [`Staging::orphans`] and the target's own checks see all.
    async fn orphans(&self, plan: &Plan) -> Result<Vec<Orphans>>;

    /// Reads a table from beginning to end into batches. Every cell has the variant that `carries` fixes; a
    /// value that is no such thing is an error of kind `Value` that names table, column and key, unless the judge of
    /// the road says otherwise (see [`super::judge`]). Returns when
    /// the last batch has been handed over. An error from `to` (nobody takes the rows) is returned as it is.
    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()>;

    /// Ends the view and gives its connections back.
    async fn close(self: Box<Self>);
}

/// A database that can be written to, through staging only.
#[async_trait]
pub trait Target: Source {
    /// Which of these tables (names as in the plan) are there already, with whether they hold a row, and which
    /// other objects (types, views, indexes) are in the way. What belongs to one of these tables goes with it and is
    /// not named.
    async fn occupied(&self, plan: &Plan) -> Result<Vec<Occupied>>;

    /// Makes a place that nobody sees yet, named after the run. Fails with `Permission` and the fix when the
    /// right to do so is missing, before anything is made.
    ///
    /// With [`crate::model::plan::Scope::DataOnly`] the place is one transaction over the tables that are there.
    async fn stage(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>>;
}

/// An object of the target that is where the plan wants to put one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupied {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// Whether it is a table without a row.
    pub empty: bool,
    /// What keeps an empty table from being replaced, each as a clause that names it: `view "v" is made of it`.
    pub held_by: Vec<String>,
}

/// Whoever hears of each statement before it runs. A name of its own, because `async_trait` would bind the lifetime
/// of the `&str` to the call, and no statement of the implementation's own would live long enough.
pub type OnStatement<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The place where a migration is built before anybody sees it.
///
/// Until [`Staging::switch`] returns, the target is as it was; [`Staging::discard`] removes every trace, also
/// when the connection that made it is gone. Dropping it without either leaves something that the next run finds
/// by its name.
#[async_trait]
pub trait Staging: Send + Sync {
    /// Makes types and empty tables ([`Script::before`]).
    async fn create(&self) -> Result<()>;

    /// Writes rows into a table until the road ends; returns how many, all of them durable within staging. Up to
    /// [`Capabilities::writers`] calls run at the same time for different tables.
    async fn write(&self, table: &TablePlan, rows: BatchReceiver) -> Result<u64>;

    /// Names and runs the statements after the load, one kind after the other: indexes, constraints, last.
    /// `on_statement` hears of each before it runs.
    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()>;

    /// Reads a staged table back, with the contract of [`Snapshot::read`].
    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()>;

    /// Reads the rows of a table that a foreign key of the plan finds without a parent, as [`Staging::read`] does, and
    /// deletes them; answers how many it deleted. Called after the load and before [`Staging::finish`]. Plans that
    /// only fill tables have no foreign keys of their own.
    async fn take_orphans(
        &self,
        _table: &TablePlan,
        _key: &ForeignKeyPlan,
        _request: &ReadRequest,
        _to: BatchSender,
    ) -> Result<u64> {
        Ok(0)
    }

    /// Foreign keys of the plan that the engine has not checked itself and that have orphans: proved by
    /// anti-join (or the engine's own check).
    async fn orphans(&self) -> Result<Vec<Orphans>>;

    /// A SeaORM connection whose unqualified names are the staged tables, for `--loader seaorm`; the caller closes
    /// it. `None` where staged tables have other names than the plan's (a prefix) or can only be reached through
    /// the one connection that holds a transaction.
    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>>;

    /// Makes everything visible in one atomic step, in which the plan's tables take the place of those empty ones
    /// that they replace. `Refused` if one of these is empty no more: then nothing has changed.
    async fn switch(self: Box<Self>) -> Result<()>;

    /// Removes every trace.
    async fn discard(self: Box<Self>) -> Result<()>;
}

/// Rows whose parent is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
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
