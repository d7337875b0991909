//! What is in a folder: backups with their manifests, and what a run that was killed left there.

use std::path::PathBuf;

use chrono::{DateTime, Local, Utc};
use rustix::fs::FlockOperation;
use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use super::{names, packing};
use crate::model::endpoint::Dialect;
use crate::model::error::Result;
use crate::model::manifest::{Manifest, Purpose};

/// Largest manifest that is read; one of 10,000 tables with the longest names has a tenth of it.
const MOST: u64 = 64 << 20;

/// A backup with a manifest that vouches for itself. Its file is there and has the length that it should have; whether it
/// is sound, [`super::verify()`] tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// Name of the file.
    pub name: String,
    /// What is known of it.
    pub manifest: Manifest,
}

impl Backup {
    /// When its rows were true.
    pub fn made(&self) -> DateTime<Utc> {
        self.manifest.started
    }
}

/// A file that is no backup, though its name says so.
#[derive(Debug, Clone, PartialEq)]
pub struct Faulty {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong, in one clause.
    pub why: String,
    /// Its manifest, where that can be read.
    pub manifest: Option<Manifest>,
}

impl Faulty {
    /// Whether it may be a backup of that database which is newer than another: by its manifest, or else by its name.
    fn follows(&self, id: &str, engine: Dialect, other: Option<DateTime<Utc>>) -> bool {
        if let Some(manifest) = &self.manifest {
            let counts = manifest.database.id == id && manifest.purpose != Purpose::Rollback;
            return counts && other.is_none_or(|other| manifest.started > other);
        }
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let other = other.map(|other| other.with_timezone(&Local).naive_local());
        names::made_at(name, engine).is_some_and(|made| other.is_none_or(|other| made > other))
    }
}

/// The backups in a folder, the newest first, and what is none.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Backups.
    pub backups: Vec<Backup>,
    /// The others.
    pub faulty: Vec<Faulty>,
}

impl Shelf {
    /// Looks at a folder.
    pub fn of(folder: &Folder) -> Result<Self> {
        let mut shelf = Self::default();
        for manifest in folder.names()?.iter().filter(|name| !name.starts_with('.')) {
            let Some(file) = manifest.strip_suffix(names::MANIFEST) else { continue };
            // A report or whatever else somebody keeps here is none of ours.
            if !file.starts_with("techcare_") {
                continue;
            }
            match backup(folder, file) {
                Ok(backup) => shelf.backups.push(backup),
                Err(why) => {
                    let text = folder.text(manifest, MOST).ok();
                    let manifest = text.and_then(|text| Manifest::parse(&text).ok());
                    shelf.faulty.push(Faulty { path: folder.file(file), why, manifest });
                }
            }
        }
        shelf.sort();
        Ok(shelf)
    }

    fn sort(&mut self) {
        self.backups.sort_by(|a, b| (b.made(), &b.name).cmp(&(a.made(), &a.name)));
    }

    /// Looks at several folders; answers with those that cannot be looked at, too.
    pub fn of_all(folders: &[PathBuf]) -> (Self, Vec<PathBuf>) {
        let (mut all, mut seen, mut missing) = (Self::default(), Vec::new(), Vec::new());
        for path in folders {
            let found = Folder::find(path).ok().flatten();
            let Some((shelf, folder)) = found.and_then(|folder| Some((Self::of(&folder).ok()?, folder)))
            else {
                missing.push(path.clone());
                continue;
            };
            if seen.iter().any(|there| there == folder.path()) {
                continue;
            }
            seen.push(folder.path().to_owned());
            all.backups.extend(shelf.backups);
            all.faulty.extend(shelf.faulty);
        }
        all.sort();
        (all, missing)
    }

    /// One that may be of this database and is newer than the newest sound one.
    pub fn damaged_newest(&self, id: &str, engine: Dialect) -> Option<&Faulty> {
        let counts = |backup: &&Backup| backup.manifest.purpose != Purpose::Rollback;
        let newest = self.of_database(id).find(counts).map(Backup::made);
        self.faulty.iter().find(|faulty| faulty.follows(id, engine, newest))
    }

    /// Backups of one database, the newest first.
    pub fn of_database(&self, id: &str) -> impl Iterator<Item = &Backup> {
        self.backups.iter().filter(move |backup| backup.manifest.database.id == id)
    }
}

/// The backup of that name, or in one clause why there is none.
pub fn backup(folder: &Folder, name: &str) -> Result<Backup, String> {
    let text = folder.text(&names::manifest(name), MOST).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!("there is no manifest {} beside it", names::manifest(name)),
        _ => format!("its manifest cannot be read: {e}"),
    })?;
    let manifest = Manifest::parse(&text).map_err(|why| format!("its manifest is damaged: {why}"))?;
    let length = folder.open(name).and_then(|file| file.metadata()).map(|m| m.len());
    match length {
        Ok(length) if length == manifest.bytes => {
            Ok(Backup { path: folder.file(name), name: name.to_owned(), manifest })
        }
        Ok(length) => Err(format!("it has {length} bytes instead of {}", manifest.bytes)),
        Err(e) => Err(format!("the file cannot be read: {e}")),
    }
}

/// Ends what runs began that were killed; whoever calls holds the folder's lock. A backup whose manifest has its name
/// already and whose file has not gets its name if it is sound. Everything else that is unfinished is deleted.
pub fn sweep(folder: &Folder, cancel: &CancellationToken) -> Result<()> {
    let all = folder.names()?;
    for name in all.iter().filter(|name| !name.starts_with('.')) {
        let Some(file) = name.strip_suffix(names::MANIFEST) else { continue };
        if file.starts_with("techcare_") && !all.iter().any(|n| n == file) {
            finish(folder, file, cancel)?;
        }
    }
    for name in all.iter().filter(|name| name.starts_with(names::PARTIAL)) {
        // A restore holds the lock of what it unpacked here, without that of the folder.
        let free = folder
            .open(name)
            .is_ok_and(|file| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok());
        if free {
            tracing::info!(file = %folder.file(name).display(), "removing what an interrupted run left behind");
            folder.remove(name)?;
        }
    }
    Ok(())
}

/// A manifest without its file: the run was killed between the two.
fn finish(folder: &Folder, file: &str, cancel: &CancellationToken) -> Result<()> {
    let Ok(text) = folder.text(&names::manifest(file), MOST) else { return Ok(()) };
    let Ok(manifest) = Manifest::parse(&text) else { return Ok(()) };
    let partial = partial(&manifest.run_id);
    let Ok(open) = folder.open(&partial) else { return Ok(()) };
    let sound = packing::sum(&open, cancel)
        .is_ok_and(|sum| sum.bytes == manifest.bytes && sum.sha256 == manifest.sha256);
    if sound {
        tracing::info!(file = %folder.file(file).display(), "finishing the backup of a run that was killed");
        folder.rename(&partial, file)?;
    } else {
        folder.remove(&names::manifest(file))?;
    }
    folder.sync()
}

/// What the unfinished file of a run is called.
pub fn partial(run: &str) -> String {
    format!("{}{run}", names::PARTIAL)
}
