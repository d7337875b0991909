//! `backup`: one consistent snapshot of a database in a file of its own, while the application goes on writing; and what
//! there is of them.

mod before;
mod metrics;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub(super) use self::before::muted;
pub use self::before::{First, When, before};
pub use self::metrics::write as write_metrics;
use super::{database_report, real_path};
use crate::engine::capability::{Facts, Source};
use crate::engine::connect;
use crate::engine::watch::{Watch, briefly};
use crate::model::endpoint::{Endpoint, Location};
use crate::model::error::Result;
use crate::model::event::{Event, Observer, Phase};
use crate::model::manifest::{Identity, Method, Packing, Purpose};
use crate::model::report::DatabaseReport;
use crate::pipeline::backups::{self, Backup, Folder, Keep, Made, Order, Shelf, places};

/// A wait of writers that is worth a word.
const NOTABLE: f64 = 1.0;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub database: Endpoint,
    /// Folder of backups.
    pub folder: PathBuf,
    /// In what form; `None` leaves that to what there is.
    pub method: Option<Method>,
    /// How the file is packed; `None` takes what suits its form.
    pub packing: Option<Packing>,
    /// Which backups of this database stay afterwards.
    pub keep: Keep,
    /// Folder of the history, in which it is written down that backups are in `folder`; `None` where everybody looks there.
    pub noted_in: Option<PathBuf>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupReport {
    /// The database.
    pub database: DatabaseReport,
    /// The backup.
    pub backup: Backup,
    /// Older backups that retention deleted.
    pub deleted: Vec<PathBuf>,
    /// Wall time of the whole run.
    pub took: Duration,
}

/// Makes a backup.
pub async fn run(
    options: &Options,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
) -> Result<BackupReport> {
    let watch = Watch::over(&[&options.database], &cancel);
    watch.attend(open_and_make(options, observer, watch.cancel().clone())).await
}

async fn open_and_make(
    options: &Options,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
) -> Result<BackupReport> {
    let begun = Instant::now();
    observer.event(&Event::Phase { phase: Phase::Preflight });
    let source = connect::source(&options.database).await?;
    let order = Order {
        folder: options.folder.clone(),
        database: identity(&options.database, source.facts()),
        purpose: Purpose::Asked,
        method: options.method,
        packing: options.packing,
        keep: options.keep,
        observer: observer.clone(),
        cancel,
    };
    let made = backups::make(&order, source.as_ref()).await;
    let database = database_report(&options.database, source.facts());
    briefly(source.close()).await;
    let Made { backup, deleted } = made?;
    if let Some(history) = &options.noted_in
        && let Err(why) = places::note(history, &options.folder)
    {
        let (folder, history) = (options.folder.display(), history.display());
        observer.event(&Event::Warning {
            text: format!(
                "that there are backups in {folder} could not be written down in {history}: {why}; `rollback --backup \
                 latest` does not look there"
            ),
        });
    }
    if let Some(waited) = backup.manifest.writers_waited.filter(|waited| *waited >= NOTABLE) {
        observer.event(&Event::Warning {
            text: format!(
                "writers of the database had to wait for up to {waited:.1} s: with a write-ahead log (PRAGMA \
                 journal_mode = WAL) they would not"
            ),
        });
    }
    Ok(BackupReport { database, backup, deleted, took: begun.elapsed() })
}

/// Makes a backup of an open database before something is done to it: `purpose` says what. It is no matter of
/// retention.
pub async fn make(
    endpoint: &Endpoint,
    source: &dyn Source,
    folder: &Path,
    purpose: Purpose,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Made> {
    let order = Order {
        folder: folder.to_owned(),
        database: identity(endpoint, source.facts()),
        purpose,
        method: None,
        packing: None,
        keep: Keep::default(),
        observer: observer.clone(),
        cancel: cancel.clone(),
    };
    backups::make(&order, source).await
}

/// Which database this is, for its backups: a SQLite file by its real path, since a restored or copied file has another
/// inode and the number of a disk changes; a server's by what the server calls itself.
pub fn identity(endpoint: &Endpoint, facts: &Facts) -> Identity {
    let id = match &endpoint.location {
        Location::File(path) => real_path(path).display().to_string(),
        Location::Postgres(_) | Location::Mysql(_) | Location::Archive { .. } => facts.identity.clone(),
    };
    Identity { id, location: endpoint.to_string() }
}

/// What there is in a folder; nothing where there is no folder.
pub fn list(folder: &Path) -> Result<Shelf> {
    Folder::find(folder)?.map_or_else(|| Ok(Shelf::default()), |folder| Shelf::of(&folder))
}

/// What there is in the usual folder and in those that the history knows of. Folders that are known and cannot be read are the
/// other answer; a usual one that is not there is as good as empty.
pub(super) fn everywhere(folder: &Path, history: &Path) -> Result<(Shelf, Vec<PathBuf>)> {
    let mut folders = places::known(history);
    if Folder::find(folder)?.is_some() {
        folders.insert(0, folder.to_owned());
    }
    Ok(Shelf::of_all(&folders))
}

/// Verifies a backup: a path, or the name of one in the folder.
pub async fn verify(
    file: &Path,
    folder: &Path,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
) -> Result<Backup> {
    backups::verify(&named(file, folder), &observer, &cancel).await
}

/// Where a backup is that somebody named: a path, or the name of one in the folder.
pub(super) fn named(file: &Path, folder: &Path) -> PathBuf {
    let by_name = file.parent().is_some_and(|parent| parent.as_os_str().is_empty()) && !file.exists();
    if by_name { folder.join(file) } else { file.to_owned() }
}
