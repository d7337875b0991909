//! Keys, indexes and checks of a table.

use serde::{Deserialize, Serialize};

use super::Collation;
use crate::model::origin::IndexOrigin;

/// Primary key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryKey {
    /// Name of the constraint, where it has one of its own.
    pub name: Option<String>,
    /// Columns in key order.
    pub columns: Vec<String>,
    /// MySQL: characters of the column that are part of the key, column by column.
    pub prefixes: Vec<Option<u32>>,
    /// DESC, column by column; empty where no column has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descending: Vec<bool>,
    /// SQLite: collations of the key's own, column by column; empty where none differs from its column's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collations: Vec<Option<Collation>>,
}

/// What a constraint of SQLite does with a row that violates it, where that is not to abort the statement
/// (<https://sqlite.org/lang_conflict.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnConflict {
    /// The constraint.
    pub constraint: Constrained,
    /// What it does.
    pub resolution: Resolution,
}

/// A constraint of a table that can say ON CONFLICT. A CHECK can too, but SQLite passes over it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constrained {
    /// NOT NULL of a column.
    NotNull(String),
    /// PRIMARY KEY.
    PrimaryKey,
    /// UNIQUE over these columns.
    Unique(Vec<String>),
}

/// The word after ON CONFLICT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Resolution {
    /// Ends the transaction.
    Rollback,
    /// Ends the statement and keeps what it did before.
    Fail,
    /// Leaves the row out.
    Ignore,
    /// Deletes the rows in the way, or puts the default in the place of a NULL.
    Replace,
}

impl Resolution {
    /// The word.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Rollback => "ROLLBACK",
            Self::Fail => "FAIL",
            Self::Ignore => "IGNORE",
            Self::Replace => "REPLACE",
        }
    }
}

/// A unique constraint, a unique index or a plain index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Name; `None` where the engine made one up (an unnamed UNIQUE in SQLite).
    pub name: Option<String>,
    /// Whether it forbids duplicates.
    pub unique: bool,
    /// Declared as a constraint rather than as an index.
    pub constraint: bool,
    /// Keys in order.
    pub parts: Vec<IndexPart>,
    /// Further columns carried along (PostgreSQL INCLUDE).
    pub include: Vec<String>,
    /// WHERE of a partial index, in the source's own words.
    pub predicate: Option<String>,
    /// Access method or kind where it is not an ordinary ordered index: `gin`, `gist`, `hash`, `fulltext`, `spatial`.
    pub method: Option<String>,
    /// `UNIQUE NULLS NOT DISTINCT` (PostgreSQL 15+).
    pub nulls_not_distinct: bool,
    /// Deferrability, for constraints.
    pub deferrable: Deferrable,
    /// The whole definition in the source's own words.
    pub definition: String,
    /// What it was in the database that this program brought it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<IndexOrigin>,
    /// What it uses beside what is built in, as [`Check::reaches`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPart {
    /// Column or expression.
    pub key: IndexKey,
    /// DESC.
    pub descending: bool,
    /// Explicit NULLS FIRST (`true`) or NULLS LAST (`false`) where it differs from the engine's default.
    pub nulls_first: Option<bool>,
    /// Collation of this key where it is not the column's.
    pub collation: Option<Collation>,
    /// MySQL prefix length in characters (bytes for binary columns).
    pub prefix: Option<u32>,
    /// PostgreSQL operator class where it is not the default.
    pub operator_class: Option<String>,
}

/// Column or expression that an index is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexKey {
    /// A plain column.
    Column(String),
    /// An expression in the source's own words.
    Expression(String),
}

/// Foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Name; `None` where it has none of its own.
    pub name: Option<String>,
    /// Referencing columns.
    pub columns: Vec<String>,
    /// Referenced table.
    pub references: String,
    /// Referenced columns; resolved, never empty.
    pub referenced_columns: Vec<String>,
    /// ON DELETE.
    pub on_delete: Action,
    /// ON UPDATE.
    pub on_update: Action,
    /// Deferrability.
    pub deferrable: Deferrable,
    /// `MATCH FULL`.
    pub match_full: bool,
    /// The engine has checked the rows (PostgreSQL `NOT VALID` is false; SQLite is always false).
    pub validated: bool,
}

/// What a foreign key does to its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// NO ACTION.
    #[default]
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

impl Action {
    /// SQL spelling, the same in all dialects.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

/// When a constraint is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferrable {
    /// NOT DEFERRABLE.
    #[default]
    No,
    /// DEFERRABLE INITIALLY IMMEDIATE.
    Immediate,
    /// DEFERRABLE INITIALLY DEFERRED.
    Deferred,
}

/// CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name, where it has one.
    pub name: Option<String>,
    /// Expression in the source's own words, without the outer parentheses.
    pub expression: String,
    /// What it uses beside the engine's own functions and operators, as [`super::Object::reaches`]: it may have their names and is
    /// not put into other words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    /// The engine has held all rows to it: not with `NOT VALID` of PostgreSQL, and never known of SQLite and MariaDB, where
    /// checks can be switched off.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub validated: bool,
}

const fn yes() -> bool {
    true
}
