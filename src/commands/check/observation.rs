//! What `check` observes beside the findings of a plan: one thing each, with a stable code, and what to do about it.
//! Holds keys and names, never a value.

use serde::Serialize;

use crate::model::codes::observed::severity_of;
use crate::model::plan::Severity;

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
            severity: severity_of(code),
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
