//! What a run writes down in staging, so that another can go on where it stopped.

use std::collections::BTreeMap;

use crate::model::mark::Mark;

/// Bytes of values after which what has been written of a table is committed, together with how far it has come.
pub const CHUNK_BYTES: usize = 16 * 1024 * 1024;

/// What a run is going to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Hash over the plan, the source and this program: only a run that would do the same goes on with a journal.
    pub hash: String,
}

/// A run that is dead and can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its name.
    pub run: String,
    /// Hash of its [`Intent`].
    pub hash: String,
}

/// A journal as a run finds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// The state of the source that all marks are of; `None` if they are of more than one.
    pub source: Option<String>,
    /// How far each table has come, by its name in the target.
    pub marks: BTreeMap<String, Mark>,
    /// The rows were all there, and keys and indexes have begun to be made.
    pub finishing: bool,
}

/// Commits the chunks of a run, as long as no other run has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch(pub i64);
