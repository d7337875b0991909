//! How far a table has come: what is committed together with the rows that it tells of.

use super::digest::Digest;

/// All that has been written of a table up to some point of its road, since the table's beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Rows and digest of what was read and written.
    pub digest: Digest,
    /// Bytes of values.
    pub bytes: u64,
    /// The greatest key so far, where the rows came in the order of one whole number that identifies them: what has a
    /// greater one is still to come.
    pub through: Option<i64>,
    /// The reader has reached the end of the table.
    pub complete: bool,
}
