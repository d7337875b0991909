//! One run a target, and what dead ones have left beside it. A lock file beside the database belongs to whoever holds a
//! lock on it, which the kernel gives back however a process ends; so does each staging file.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use super::file::Access;
use super::stage::{JOURNALS, remove};
use super::{exchange, file};
use crate::engine::capability::Claim;
use crate::engine::claim::taken;
use crate::model::error::Result;

/// How the names of staging files of a database begin; the run follows.
fn prefix(name: &str) -> String {
    format!(".{name}.partial-")
}

/// The staging file of a run beside a database of this folder and name.
pub fn staging_file(folder: &Path, name: &str, run: &str) -> PathBuf {
    folder.join(format!("{}{run}", prefix(name)))
}

/// Folder and name of the database that a path leads to, whether it exists or not.
fn place(path: &Path) -> Result<(PathBuf, String)> {
    match file::find(path)? {
        Some(real) => file::place(&real),
        None => file::place(path),
    }
}

/// The lock file of a database, locked.
pub struct FileClaim {
    path: PathBuf,
    _file: File,
}

impl FileClaim {
    /// Takes it.
    pub fn take(path: &Path) -> Result<Self> {
        let (folder, name) = place(path)?;
        let path = folder.join(format!(".{name}.techcare-lock"));
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
                .open(&path)
                .map_err(|e| file::not_made(&path, &e))?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(taken(&folder.join(&name).display().to_string())),
                Err(e) => return Err(file::not_made(&path, &e.into())),
            }
            // Whoever had it before removes it at its end: then this lock is on a file that nobody else finds.
            let locked = file.metadata().map_err(|e| file::not_made(&path, &e))?.ino();
            if fs::symlink_metadata(&path).is_ok_and(|there| there.ino() == locked) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for FileClaim {
    fn drop(&mut self) {
        // One that stays behind is nobody's, and the next run takes it.
        let _ = fs::remove_file(&self.path);
    }
}

#[async_trait]
impl Claim for FileClaim {
    async fn release(self: Box<Self>) {}
}

/// A file beside a database that belongs to a run.
struct Entry {
    /// The run, with what SQLite adds to the name of a journal.
    run: String,
    path: PathBuf,
}

/// Files whose names are those of staging files of a database and of their journals.
fn entries(path: &Path) -> Result<Vec<Entry>> {
    let (folder, name) = place(path)?;
    let prefix = prefix(&name);
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let entry_of = |entry: &fs::DirEntry| {
        let run = entry.file_name().to_str()?.strip_prefix(&prefix)?.to_owned();
        entry.file_type().is_ok_and(|t| t.is_file()).then(|| Entry { run, path: entry.path() })
    };
    Ok(entries.flatten().filter_map(|entry| entry_of(&entry)).collect())
}

/// The staging file that a journal belongs to; `None` for what is no journal.
fn main_of(file: &Path) -> Option<PathBuf> {
    let name = file.to_str()?;
    JOURNALS.iter().find_map(|suffix| name.strip_suffix(suffix)).map(PathBuf::from)
}

/// Staging files of a database, whoever they belong to, each with the name of its run.
pub fn staged(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    let files = entries(path)?.into_iter().filter(|entry| main_of(&entry.path).is_none());
    Ok(files.map(|entry| (entry.run, entry.path)).collect())
}

/// Removes the staging files of dead runs, but for that of the run `keep`: whoever lives holds a lock on its own. And
/// tables that only say of a switch that it has happened: the history of this TechCare folder has been asked before.
pub fn clear(path: &Path, keep: Option<&str>) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for (run, file) in staged(path)? {
        if keep != Some(run.as_str())
            && let Ok(open) = File::open(&file)
            && rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            remove(&file);
            removed.push(format!("file {}", file.display()));
        }
    }
    // A file goes before its journals, since without them it could be no database any more. Whoever died in between
    // has left journals of no file, which nobody opens again: a run that goes on needs its file.
    for Entry { path: journal, .. } in entries(path)? {
        if main_of(&journal).is_some_and(|main| !main.exists()) && fs::remove_file(&journal).is_ok() {
            removed.push(format!("file {}", journal.display()));
        }
    }
    if let Some(real) = file::find(path)? {
        removed.extend(exchange::clear_marks(&real)?);
        removed.extend(clear_super_journals(&real));
    }
    Ok(removed)
}

/// Removes SQLite's super-journals of transactions in several files that were cut short before a journal named them:
/// SQLite itself leaves those. Whoever commits such a transaction holds a lock on the database, which is taken here;
/// one whose journals are there is still needed to roll them back together.
pub fn clear_super_journals(real: &Path) -> Vec<String> {
    let Ok((folder, name)) = file::place(real) else { return Vec::new() };
    let prefix = format!("{name}-mj");
    let is_one = |path: &PathBuf| {
        let digits = path.file_name().and_then(|n| n.to_str()?.strip_prefix(&prefix));
        digits.is_some_and(|d| d.len() == 9 && d.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_one).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let Ok(connection) = file::open(real, Access::Write) else { return Vec::new() };
    if connection.execute_batch("BEGIN IMMEDIATE").is_err() {
        return Vec::new();
    }
    let is_unused = |file: &Path| {
        let exists = |journal: &[u8]| !journal.is_empty() && Path::new(OsStr::from_bytes(journal)).exists();
        fs::read(file).is_ok_and(|journals| !journals.split(|byte| *byte == 0).any(exists))
    };
    let gone = found.into_iter().filter(|file| is_unused(file) && fs::remove_file(file).is_ok());
    gone.map(|file| format!("file {}", file.display())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::error::ErrorKind;

    #[test]
    fn one_run_a_database_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let first = FileClaim::take(&path).unwrap();
        let second = FileClaim::take(&path).err().unwrap();
        assert_eq!(second.kind(), ErrorKind::Refused, "{second}");
        let beside = FileClaim::take(&other).unwrap();
        drop((first, beside));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&path, b"").unwrap();
        std::os::unix::fs::symlink(&path, &other).unwrap();
        let _first = FileClaim::take(&other).unwrap();
        assert!(FileClaim::take(&path).is_err());
    }

    #[test]
    fn a_super_journal_goes_when_no_journal_needs_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        let real = at("a.db");
        rusqlite::Connection::open(&real).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        let journal = at("b.db-journal");
        let names = format!("{}\0{}\0", at("a.db-journal").display(), journal.display());
        fs::write(at("a.db-mj0A1B2C9FF"), "").unwrap();
        fs::write(at("a.db-mj0A1B2C9FE"), &names).unwrap();
        fs::write(at("a.db-mjother"), "").unwrap();
        fs::write(&journal, "").unwrap();
        assert_eq!(clear_super_journals(&real), [format!("file {}", at("a.db-mj0A1B2C9FF").display())]);
        fs::remove_file(&journal).unwrap();
        // Somebody is at work.
        let busy = rusqlite::Connection::open(&real).unwrap();
        busy.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(clear_super_journals(&real), Vec::<String>::new());
        drop(busy);
        assert_eq!(clear_super_journals(&real), [format!("file {}", at("a.db-mj0A1B2C9FE").display())]);
        assert!(at("a.db-mjother").exists());
    }

    #[test]
    fn journals_are_found_without_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            ".a.db.partial-1",
            ".a.db.partial-1-journal",
            ".a.db.partial-2-journal",
            ".a.db.partial-3-wal",
            ".a.db.partial-3-shm",
            ".b.db.partial-4-journal",
            "a.db-journal",
        ] {
            fs::write(at(name), b"").unwrap();
        }
        let mut removed = clear(&at("a.db"), Some("1")).unwrap();
        removed.sort();
        let named =
            |name: &str| format!("file {}", at(name).canonicalize().unwrap_or_else(|_| at(name)).display());
        assert_eq!(
            removed,
            [named(".a.db.partial-2-journal"), named(".a.db.partial-3-shm"), named(".a.db.partial-3-wal")]
        );
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            [".a.db.partial-1", ".a.db.partial-1-journal", ".b.db.partial-4-journal", "a.db-journal"]
        );
    }
}
