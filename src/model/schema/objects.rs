//! What is not a table or part of one.

use serde::{Deserialize, Serialize};

/// Anything that is not a table or part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Table it belongs to (triggers, policies, rules).
    pub table: Option<String>,
    /// The whole definition in the source's own words.
    pub definition: String,
    /// For a view: what it uses beside this schema's tables and views and the engine's own functions, each in words for
    /// a message; for a type: what it is made of beside this schema's types and the engine's own. Such a view is neither
    /// run nor carried, such a type is not carried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    /// For a type: what it is made of; archives that were written before types went elsewhere do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composition: Option<Composition>,
}

/// What a type is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    /// Types of the same schema, which stand before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
    /// Labels in their order, if it is an enum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Object {
    /// An object that is told with its text and uses nothing that would have to be named.
    pub fn new(kind: ObjectKind, name: impl Into<String>, definition: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            table: None,
            definition: definition.into(),
            reaches: Vec::new(),
            composition: None,
        }
    }

    /// Whether another one is made by the same statement, whatever else is known of the two.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.definition) == (other.kind, &other.name, &other.definition)
    }

    /// The same as part of a table.
    #[must_use]
    pub fn of(self, table: Option<String>) -> Self {
        Self { table, ..self }
    }
}

/// Kinds of objects that are listed with their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// View.
    View,
    /// Materialized view.
    MaterializedView,
    /// Trigger.
    Trigger,
    /// Function, procedure, aggregate.
    Routine,
    /// Scheduled event.
    Event,
    /// Sequence that no column owns.
    Sequence,
    /// Collation.
    Collation,
    /// Enum, domain, composite or range type. A type that a carried column uses is not left behind even where
    /// the target has no such object: its columns hold the values.
    Type,
    /// Virtual table (SQLite) or foreign table: listed, never copied.
    VirtualTable,
    /// Another schema of the same database (PostgreSQL) that holds tables: one schema is migrated at a time.
    Schema,
    /// Large objects (PostgreSQL), which belong to no table.
    LargeObject,
    /// Row level security policy, rewrite rule.
    Policy,
    /// Extension.
    Extension,
    /// Exclusion constraint and whatever else guards data without a neutral form.
    Constraint,
    /// A number that the application keeps in the file's header (SQLite: `user_version`, `application_id`).
    Setting,
    /// What a table, a column or an index is declared with beside what the schema says of it (MySQL, MariaDB: `INVISIBLE`,
    /// `SRID`, `NOT ENFORCED`, `PERIOD FOR`; PostgreSQL: storage, row level security, limits of a sequence). It has the
    /// name of what is declared.
    Attribute,
    /// Comment on an index, a constraint or a sequence, which has its name.
    Comment,
    /// What else a database of PostgreSQL holds beside its tables: operators and their classes, casts, conversions, parts
    /// of text search, publications, event triggers. Its name says what it is.
    Other,
}

impl ObjectKind {
    /// Word for messages and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Trigger => "trigger",
            Self::Routine => "routine",
            Self::Event => "event",
            Self::Sequence => "sequence",
            Self::Collation => "collation",
            Self::Type => "type",
            Self::VirtualTable => "virtual table",
            Self::Schema => "schema",
            Self::LargeObject => "large object",
            Self::Policy => "policy",
            Self::Extension => "extension",
            Self::Constraint => "constraint",
            Self::Setting => "setting",
            Self::Attribute => "attribute",
            Self::Comment => "comment",
            Self::Other => "object",
        }
    }
}
