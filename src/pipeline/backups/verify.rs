//! Whether a backup can be restored: its bytes are those that were written, and what is in it is what its manifest says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::folder::{Folder, trouble};
use super::shelf::{self, Backup};
use super::{content, names, packing, room};
use crate::engine::capability::Source;
use crate::engine::{blocking, connect, file_name};
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::manifest::{Manifest, Method, Packing, TableContent, Verified};

/// A backup's content as a file that its engine can read: the backup itself, or what was unpacked of it, which is deleted
/// with this value.
#[derive(Debug)]
pub struct Unpacked {
    path: PathBuf,
    staged: Option<(Folder, String, std::fs::File)>,
}

impl Unpacked {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        if let Some((folder, name, _lock)) = &self.staged {
            // What stays behind is private, and the next backup deletes it.
            let _ = folder.remove(name);
        }
    }
}

/// Verifies a backup by its path: manifest, length, SHA-256, and then its content as far as its form allows. `Refused`
/// if it does not hold; nothing is changed either way.
pub async fn verify(path: &Path, observer: &Arc<dyn Observer>, cancel: &CancellationToken) -> Result<Backup> {
    observer.event(&Event::Phase { phase: Phase::Verify });
    let (folder, name) = place(path)?;
    let backup = shelf::backup(&folder, &name).map_err(|why| refused(path, why))?;
    let (manifest, stop) = (backup.manifest.clone(), cancel.clone());
    let file = open(&folder, &name)?;
    let found = blocking::run(move || bytes(&file, &manifest, &stop)).await?;
    found.map_err(|why| refused(path, why))?;
    let unpacked = unpack(&backup, &folder, cancel).await?;
    let form = (backup.manifest.method, backup.manifest.engine);
    let is = read_back(form, unpacked.path(), observer).await;
    let is = is.map_err(|e| refused(path, e.to_string()))?;
    if let (Verified::Content, Some(is)) = (backup.manifest.verified, is)
        && let Some(why) = is.difference(&backup.manifest.tables)
    {
        return Err(refused(path, why));
    }
    Ok(backup)
}

/// What is in a file.
pub(super) enum Found {
    /// Its tables with rows and digests.
    Content(Vec<TableContent>),
    /// Its tables with the number of their rows.
    Counts(Vec<TableContent>),
}

impl Found {
    /// The first difference from what should be there, in one clause.
    pub(super) fn difference(&self, should: &[TableContent]) -> Option<String> {
        match self {
            Self::Content(is) => content::difference(should, is),
            Self::Counts(is) => {
                let counts: Vec<TableContent> =
                    should.iter().map(|table| TableContent { digest: None, ..table.clone() }).collect();
                content::difference(&counts, is)
            }
        }
    }
}

/// Lets the engine look at a native backup, and reads its rows where that can be done without restoring it. An archive
/// proves itself, and its rows are read as they would be restored.
pub(super) async fn read_back(
    (method, engine): (Method, Dialect),
    file: &Path,
    observer: &Arc<dyn Observer>,
) -> Result<Option<Found>> {
    let source: Box<dyn Source> = if method == Method::Portable {
        let opened = std::fs::File::open(file).map_err(|e| trouble(file, &e))?;
        let archive = connect::archive(opened, file).await?;
        archive.verify(observer).await?;
        Box::new(archive)
    } else {
        connect::check_backup(engine, file).await?;
        let Some(source) = connect::open_backup(engine, file).await? else {
            return Ok(connect::counted_backup(engine, file).await?.map(Found::Counts));
        };
        source
    };
    let content = rows(source.as_ref(), observer).await;
    source.close().await;
    content.map(|tables| Some(Found::Content(tables)))
}

/// The rows of an open database, table by table.
async fn rows(source: &dyn Source, observer: &Arc<dyn Observer>) -> Result<Vec<TableContent>> {
    let schema = source.inspect().await?;
    let snapshot = source.snapshot(1).await?;
    let content = content::of(&schema, snapshot.as_ref(), source.rules(), observer).await;
    snapshot.close().await;
    content
}

/// Proves that a database which was restored from a backup is sound and holds what the manifest says, as far as that
/// tells it: `Verify` with the first difference if not.
pub async fn prove(restored: &dyn Source, manifest: &Manifest, observer: &Arc<dyn Observer>) -> Result<()> {
    observer.event(&Event::Phase { phase: Phase::Verify });
    let damage = restored.damage().await?.into_iter().next();
    let wrong = match (damage, manifest.verified) {
        (Some(damage), _) => Some(damage),
        (None, Verified::Bytes) => None,
        (None, Verified::Content) => content::difference(&manifest.tables, &rows(restored, observer).await?),
    };
    match wrong {
        None => Ok(()),
        Some(why) => Err(Error::new(ErrorKind::Verify, "what was restored is not what the backup holds")
            .why(why)
            .next(
                "nothing was changed; try another backup: `techcare-db backup --list` shows what there is",
            )),
    }
}

/// The plain form of a backup that was verified: itself, or a private file beside it.
pub async fn unpack(backup: &Backup, folder: &Folder, cancel: &CancellationToken) -> Result<Unpacked> {
    if backup.manifest.packing == Packing::None {
        return Ok(Unpacked { path: backup.path.clone(), staged: None });
    }
    // No more than this is ever unpacked, and whoever wrote the manifest does not fill a disk with it.
    let room = room::within(folder, backup.manifest.unpacked_bytes, "unpack the backup");
    // Nothing is wrong with the backup.
    room.map_err(|error| error.with_kind(ErrorKind::Space))?;
    let packed = open(folder, &backup.name)?;
    let beside = Folder::existing(folder.path())?;
    let (manifest, stop) = (backup.manifest.clone(), cancel.clone());
    let path = backup.path.clone();
    blocking::run(move || {
        let name = format!("{}restore-{}", names::PARTIAL, uuid::Uuid::now_v7().simple());
        let mut file = beside.create(&name)?;
        let unpacked = packing::unpack(&packed, &mut file, manifest.unpacked_bytes, &stop);
        let staged = Unpacked { path: beside.file(&name), staged: Some((beside, name, file)) };
        match unpacked {
            Ok(sum) if sum.sha256 == manifest.unpacked_sha256 => Ok(staged),
            Ok(_) => Err(refused(&path, "what is packed in it has another SHA-256".into())),
            Err(_) if stop.is_cancelled() => Err(interrupted()),
            Err(e) if e.kind() == std::io::ErrorKind::StorageFull => Err(trouble(staged.path(), &e)),
            Err(e) => Err(refused(&path, format!("it cannot be unpacked: {e}"))),
        }
    })
    .await
}

/// Whether the bytes of a file, and of what is packed in it, are those of the manifest. The inner result says in one
/// clause what is wrong.
fn bytes(
    file: &std::fs::File,
    manifest: &Manifest,
    cancel: &CancellationToken,
) -> Result<Result<(), String>> {
    let sum = match packing::sum(file, cancel) {
        Ok(sum) => sum,
        Err(_) if cancel.is_cancelled() => return Err(interrupted()),
        Err(e) => return Ok(Err(format!("it cannot be read: {e}"))),
    };
    Ok(if sum.bytes != manifest.bytes {
        Err(format!("it has {} bytes instead of {}", sum.bytes, manifest.bytes))
    } else if sum.sha256 != manifest.sha256 {
        Err("its SHA-256 is another than the manifest's".into())
    } else {
        Ok(())
    })
}

/// Folder and name of a file.
pub fn place(path: &Path) -> Result<(Folder, String)> {
    let missing = || {
        Error::new(ErrorKind::Usage, format!("there is no backup {}", path.display()))
            .next("`techcare-db backup --list` shows what there is")
    };
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(missing)?;
    let folder = Folder::find(file_name::folder(path))?.ok_or_else(missing)?;
    if folder.open(name).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        return Err(missing());
    }
    Ok((folder, name.to_owned()))
}

fn open(folder: &Folder, name: &str) -> Result<std::fs::File> {
    folder.open(name).map_err(|e| trouble(&folder.file(name), &e))
}

fn refused(path: &Path, why: String) -> Error {
    Error::new(ErrorKind::Refused, format!("backup {} does not verify", path.display()))
        .why(why)
        .next("use another: `techcare-db backup --list` shows what there is")
}

pub(super) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted").next("older backups are as they were")
}
