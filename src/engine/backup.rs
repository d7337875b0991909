//! An engine's own way to make a backup, as far as the pipeline has to know it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::model::manifest::Packing;

/// How an engine would make its own backup of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeWay {
    /// What the file's name ends in, without packing: `db`, `dump`, `sql`.
    pub suffix: &'static str,
    /// What writes it, with its version.
    pub program: String,
    /// Packing where none is asked for.
    pub packing: Packing,
    /// The engine packs what it writes itself; else it writes a plain file that is packed afterwards.
    pub packs: bool,
    /// What is written is what the same snapshot reads, so that its rows can be told in the manifest. Else they are told
    /// from what was written.
    pub same_view: bool,
    /// Writers of the database wait as long as the snapshot is open.
    pub blocks_writers: bool,
    /// Bytes that the file will need about, where that is known.
    pub bytes: Option<u64>,
    /// What somebody should know of such a backup, a sentence each.
    pub notes: Vec<String>,
}

impl NativeWay {
    /// A plain file of what the snapshot reads, while writers go on.
    pub fn plain(suffix: &'static str, program: impl Into<String>) -> Self {
        Self {
            suffix,
            program: program.into(),
            packing: Packing::None,
            packs: false,
            same_view: true,
            blocks_writers: false,
            bytes: None,
            notes: Vec::new(),
        }
    }
}

/// What a native backup is written with.
#[derive(Clone)]
pub struct NativeOrder {
    /// The file: there, empty, private, and nobody else's.
    pub file: PathBuf,
    /// How the file is packed while it is written, where [`NativeWay::packs`] says that the engine can.
    pub packing: Packing,
    /// Whether the form may pack what is in it, as `pg_dump` does: not where the file is packed, or asked to be plain.
    pub own_packing: bool,
    /// Hears how many bytes of how many are done; the latter is 0 where it is not known.
    pub progress: Arc<dyn Fn(u64, u64) + Send + Sync>,
    /// Interruption, looked at often.
    pub cancel: CancellationToken,
}
