//! What `check` observes beside the findings of a plan: one thing each, with a stable code, and what to do about it.
//! Holds keys and names, never a value.

use serde::Serialize;

use crate::model::plan::Severity;

/// The codes, and how grave each is. They are a contract: scripts name them, so they are never renamed.
pub mod codes {
    use crate::model::plan::Severity;
    use crate::techcare::recognition::LETS_NULL_IN;

    /// A table or column that only this database has.
    pub const ONLY_HERE: &str = "only_here";
    /// A table or column that only the other database has.
    pub const ONLY_THERE: &str = "only_there";
    /// A column whose types have no common form.
    pub const NOT_COMPARABLE: &str = "not_comparable";
    /// Rows of a table that differ.
    pub const ROWS_DIFFER: &str = "rows_differ";
    /// A value that its column does not describe kept a table from being read to its end.
    pub const UNREADABLE_VALUE: &str = "unreadable_value";

    /// The storage is damaged.
    pub const DAMAGED: &str = "damaged";
    /// Rows that refer to rows which are not there.
    pub const ORPHANS: &str = "orphans";
    /// A foreign key that leads to a table which is not there.
    pub const DANGLING_FOREIGN_KEY: &str = "dangling_foreign_key";
    /// Nothing of TechCare's schema is there.
    pub const NOT_TECHCARE: &str = "not_techcare";
    /// The schema of an older release.
    pub const OLDER_SCHEMA: &str = "older_schema";
    /// A migration that is not applied.
    pub const PENDING_MIGRATION: &str = "pending_migration";
    /// A table of the models that is not in the database.
    pub const MISSING_TABLE: &str = "missing_table";
    /// A table of the database that is not in the models.
    pub const EXTRA_TABLE: &str = "extra_table";
    /// A column of the models that is not in the database.
    pub const MISSING_IN_DB: &str = "missing_in_db";
    /// A column of the database that is not in the models.
    pub const EXTRA_IN_DB: &str = "extra_in_db";
    /// The same, and it takes no NULL: the application cannot add rows.
    pub const EXTRA_REQUIRED: &str = "extra_required";
    /// Nearly all connections of the server are in use.
    pub const CONNECTIONS: &str = "connections";
    /// A right that is missing.
    pub const MISSING_RIGHT: &str = "missing_right";

    /// How grave an observation is: `Info` is good to know, everything else is to be looked at.
    pub fn severity_of(code: &str) -> Severity {
        match code {
            NOT_TECHCARE | OLDER_SCHEMA | EXTRA_TABLE | EXTRA_IN_DB | LETS_NULL_IN => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

/// One thing that was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// Stable code.
    pub code: &'static str,
    /// How grave: `Info` is good to know and nothing to do.
    pub severity: Severity,
    /// Table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What kind of thing it is about: `table`, `column`, `index`, `foreign key`, `server`, `file`, …
    pub kind: &'static str,
    /// Rows concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Keys of some of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// One sentence.
    pub text: String,
    /// What to do about it, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Observation {
    /// What it is about and what was seen; its severity follows from the code.
    pub fn new(code: &'static str, kind: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            severity: codes::severity_of(code),
            table: None,
            column: None,
            kind,
            rows: None,
            keys: Vec::new(),
            text: text.into(),
            next: None,
        }
    }

    /// The table.
    #[must_use]
    pub fn table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    /// The column.
    #[must_use]
    pub fn column(mut self, column: &str) -> Self {
        self.column = Some(column.to_owned());
        self
    }

    /// Rows concerned.
    #[must_use]
    pub fn rows(mut self, rows: u64) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Keys of some of them.
    #[must_use]
    pub fn keys(mut self, keys: Vec<String>) -> Self {
        self.keys = keys;
        self
    }

    /// What to do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}
