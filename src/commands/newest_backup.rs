//! The newest backup of a database, wherever it was laid, by what manifests say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::backup;

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewestBackup {
    /// Where it is.
    pub path: PathBuf,
    /// How old its rows are.
    pub age: Duration,
}

/// The newest backup of the database of that identity: in the folder of backups, and in those that the history knows of. A
/// folder that cannot be read holds none, and a backup whose manifest or length is wrong is none.
pub fn newest_backup(
    folder: &Path,
    history: &Path,
    database: &str,
    now: DateTime<Utc>,
) -> Option<NewestBackup> {
    let (there, _) = backup::everywhere(folder, history).ok()?;
    let newest = there.of_database(database).next()?;
    Some(NewestBackup { path: newest.path.clone(), age: (now - newest.made()).to_std().unwrap_or_default() })
}
