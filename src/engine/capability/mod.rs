//! The traits that every engine implements, with their contracts in prose. The pipeline asks these and never
//! which engine it is talking to. [`Rules`] is pure and works with no connection; [`Source`] has no method that
//! writes; [`Target`] is a source that can also stage and switch.

mod journal;
mod probe;
mod rules;
mod source;
mod target;
mod tune;

pub use journal::{CHUNK_BYTES, Epoch, Intent, Journal, Unfinished};
pub use probe::{Defaults, Probe, Stored, Verdict};
pub use rules::{
    Capabilities, ColumnInput, CommentLimit, KeyLimit, LooseKey, Mapping, NameLimit, Naming, Rules,
};
pub use source::{
    Facts, Health, Matching, MissingRight, Orphans, ReadColumn, ReadRequest, Snapshot, Source, TableSize,
    Told, Violated,
};
pub use target::{Claim, Fate, NotSwitched, Occupied, OnStatement, Restoration, Staging, Target};
pub use tune::{Subject, Tunable};
