//! What a command says when it is done: the JSON document of the contract, and what the text is rendered from.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::plan::{Finding, Plan};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Done.
    Done,
    /// Done, and there is something to look at.
    Findings,
    /// Refused before anything changed.
    Refused,
    /// Failed on the way.
    Failed,
    /// The command line, the configuration or a connection is wrong.
    Error,
}

/// A database as reports name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// Engine.
    pub engine: String,
    /// Product and version.
    pub version: Option<String>,
    /// Redacted location.
    pub location: String,
    /// Where the name came from.
    pub origin: String,
}

/// Leaves a number out that is only said where there is something to say.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What happened to one table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableReport {
    /// Name in the source.
    pub name: String,
    /// Name in the target.
    pub target_name: String,
    /// Rows that this run read.
    pub rows_read: u64,
    /// Rows that were there already, because a run that was cut short had brought them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows_before: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows put aside.
    pub rows_rejected: u64,
    /// Rows that a rule left out.
    pub rows_filtered: u64,
    /// Bytes of values.
    pub bytes: u64,
    /// Wall seconds of reading and writing.
    pub seconds: f64,
    /// Count and digest of what was read equal those of what the target says; `None` with `--no-verify`.
    pub verified: Option<bool>,
    /// Digest of what was read.
    pub digest: Option<Digest>,
}

/// What `migrate` did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigrationReport {
    /// Run.
    pub run_id: String,
    /// From.
    pub source: DatabaseReport,
    /// To.
    pub target: DatabaseReport,
    /// Tables in the order of the plan.
    pub tables: Vec<TableReport>,
    /// Whatever did not arrive as it was.
    pub findings: Vec<Finding>,
    /// What was carried out, its findings apart; `None` where an earlier run had done it.
    pub plan: Option<Plan>,
    /// File with the keys of the rows that were put aside, if any was.
    pub rejects: Option<String>,
    /// Backup of the source that was made first, if one was.
    pub backup: Option<String>,
    /// How to get rid of the tables that gave way and are kept, a command each.
    pub kept: Vec<String>,
    /// Wall seconds of the whole run.
    pub seconds: f64,
    /// Bytes of values that were moved.
    pub bytes: u64,
}
