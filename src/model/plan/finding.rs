//! What will not arrive as it was, and what stops a migration.

use serde::{Deserialize, Serialize};

/// How grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know: widened, translated, emulated. Exit 0.
    Info,
    /// Something was left behind. Exit 1.
    Warning,
    /// Stops the migration. Exit 4.
    Blocker,
}

/// What the migration does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingAction {
    /// A wider type.
    Widened,
    /// The same meaning in other words.
    Translated,
    /// The same values under another spelling.
    Emulated,
    /// Converted by a stated rule.
    Converted,
    /// The row was put aside.
    Rejected,
    /// Left behind.
    NotCarried,
    /// Stopped.
    Refused,
}

/// One thing that will not arrive as it was. Holds keys and names, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code.
    pub code: String,
    /// How grave.
    pub severity: Severity,
    /// Table in the source.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table: Option<String>,
    /// Column in the source.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// Name of the object that is not a column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<String>,
    /// What kind of object: `column`, `index`, `foreign key`, `check`, `default`, `view`, `trigger`, …
    pub kind: String,
    /// Rows concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Up to five keys of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub keys: Vec<String>,
    /// What is done.
    pub action: FindingAction,
    /// One sentence; for an object left behind, with its original text.
    pub text: String,
}
