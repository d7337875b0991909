//! Asking an engine what a condition makes of rows that are in no table.

use crate::model::batch::Batch;
use crate::model::plan::Plan;

/// A condition, and the rows that it is tried on.
#[derive(Debug, Clone)]
pub struct Probe {
    /// One table whose columns are those of the rows, in the engine's own words, and what has to be there for it.
    pub plan: Plan,
    /// SQL of the engine over these columns.
    pub condition: String,
    /// The rows, with the cells that the columns carry.
    pub rows: Batch,
}

/// What a CHECK with the condition does with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It lets it in: the condition is true or unknown.
    Admitted,
    /// It refuses it: the condition is false, or cannot be evaluated.
    Refused,
    /// The columns do not hold these values, a number on the way is beyond its type, or the engine was not asked.
    Unheld,
}

/// Expressions that columns have as their DEFAULT.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// One table of these columns, in the engine's own words, and what has to be there for it.
    pub plan: Plan,
    /// SQL of the engine, one for each column.
    pub expressions: Vec<String>,
}

/// What an engine stores in a column for an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// NULL.
    Null,
    /// The value as the engine prints it: bytes as hexadecimal digits, dates and times in ISO form.
    Text(String),
    /// Nothing: it cannot be evaluated, or the column does not take it.
    Refused,
}
