//! The backup of the source that `migrate` makes before anything else. The source is only read; what it guards against is
//! everything that happens afterwards, when nobody looks after the old file any more.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::engine::capability::Source;
use crate::model::endpoint::{Endpoint, Location};
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::manifest::Purpose;

/// Largest SQLite file, in bytes, that is backed up without being asked for: less than a second's work.
const SMALL: u64 = 32 << 20;

/// Whether and where the source is backed up first.
#[derive(Debug, Clone)]
pub struct First {
    /// Folder of backups.
    pub folder: PathBuf,
    /// Whether.
    pub when: When,
}

/// Whether the source is backed up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// If it is a SQLite file and small. A backup that fails is a warning, unless it shows the source to be damaged.
    Small,
    /// Whatever it is. A backup that fails refuses the migration.
    Always,
    /// No.
    Never,
}

/// Backs the source up if that is wanted; answers with the file.
pub async fn before(
    first: &First,
    endpoint: &Endpoint,
    source: &dyn Source,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Option<PathBuf>> {
    let small = matches!(endpoint.location, Location::File(_))
        && source.facts().size.is_some_and(|bytes| bytes <= SMALL);
    if first.when == When::Never || (first.when == When::Small && !small) {
        return Ok(None);
    }
    observer.event(&Event::Phase { phase: Phase::Backup });
    let made =
        super::make(endpoint, source, &first.folder, Purpose::Migration, &muted(observer), cancel).await;
    match made {
        Ok(made) => Ok(Some(made.backup.path)),
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
        // Whoever moves what is known to be damaged has to say so.
        Err(error) if error.kind() == ErrorKind::Verify => Err(error.with_kind(ErrorKind::Refused).next(
            "restore a backup (techcare-db backup --list), or migrate what can be read of it as it is with --no-backup",
        )),
        Err(error) if first.when == When::Small => {
            observer.event(&Event::Warning {
                text: format!("the source could not be backed up first: {error} (--no-backup does without)"),
            });
            Ok(None)
        }
        Err(error) => Err(error.with_kind(ErrorKind::Refused)),
    }
}

/// For a backup that is made on the way to something else.
pub(in crate::commands) fn muted(observer: &Arc<dyn Observer>) -> Arc<dyn Observer> {
    Arc::new(Muted(observer.clone()))
}

/// Lets warnings through: the rows of a backup are not those of the migration.
struct Muted(Arc<dyn Observer>);

impl Observer for Muted {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Warning { .. }) {
            self.0.event(event);
        }
    }
}
