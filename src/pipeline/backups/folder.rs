//! The folder that backups are in, and files in it: private whatever the umask, made only where there was none, read
//! and made without following a symbolic link. Files are reached from the open folder by their names.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::engine::file_name;
use crate::model::error::{Error, ErrorKind, Result};

/// The file whose lock says that somebody is at work in the folder. The kernel frees it when its holder ends, however.
const LOCK: &str = ".techcare-db.lock";

/// Mode of files.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    dir: File,
}

/// The right to make and delete files in a folder, held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Folder {
    /// Opens a folder; `None` if there is none.
    pub fn find(path: &Path) -> Result<Option<Self>> {
        let real = match std::fs::canonicalize(path) {
            Ok(real) => real,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(trouble(path, &e)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(&real, flags, Mode::empty()).map_err(|e| trouble(path, &e.into()))?;
        Ok(Some(Self { path: real, dir: dir.into() }))
    }

    /// Opens a folder that has to be there.
    pub fn existing(path: &Path) -> Result<Self> {
        Self::find(path)?.ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("there is no folder of backups {}", path.display()))
                .next("check --output-dir; `techcare-db backup` makes the folder with the first backup")
        })
    }

    /// Opens a folder, and makes it for its owner alone if there is none.
    pub fn make(path: &Path) -> Result<Self> {
        if let Some(found) = Self::find(path)? {
            return Ok(found);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| trouble(path, &e))?;
        Self::existing(path)
    }

    /// Its real path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether everybody may put files in it and take others' away.
    pub fn is_open_to_all(&self) -> bool {
        self.dir.metadata().is_ok_and(|m| m.mode() & 0o1002 == 0o002)
    }

    /// Takes the lock, or says who has it.
    pub fn lock(&self) -> Result<Lock> {
        let failed = |e: Errno| trouble(&self.file(LOCK), &e.into());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file: File = rustix::fs::openat(&self.dir, LOCK, flags, PRIVATE).map_err(failed)?.into();
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = (&mut file).take(64).read_to_string(&mut holder);
                let busy = Error::new(
                    ErrorKind::Refused,
                    format!("another run is at work in {}", self.path.display()),
                );
                let busy = match holder.trim() {
                    "" => busy,
                    holder => busy.why(format!("process {holder} holds the lock")),
                };
                return Err(busy.next("let it finish; the backups that are there are as they were"));
            }
            Err(e) => return Err(failed(e)),
        }
        // Only words for the one who is refused.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Lock { _file: file })
    }

    /// Makes a file for its owner alone and holds its lock; an error if there is one of that name.
    pub fn create(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.dir, name, flags, PRIVATE)
            .and_then(|file| rustix::fs::fchmod(&file, PRIVATE).map(|()| file))
            .and_then(|file| {
                rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map(|()| file.into())
            })
            .map_err(|e| trouble(&self.file(name), &e.into()))
    }

    /// Opens a plain file for reading.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: File = rustix::fs::openat(&self.dir, name, flags, Mode::empty())?.into();
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a plain file")) }
    }

    /// Text of a small file.
    pub fn text(&self, name: &str, most: u64) -> io::Result<String> {
        let mut text = String::new();
        self.open(name)?.take(most).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Gives a file another name that nobody has; false if somebody has it.
    pub fn rename(&self, from: &str, to: &str) -> Result<bool> {
        match file_name::take(&self.dir, from, to) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(e) => {
                let what = format!("cannot give {} its name", self.file(to).display());
                Err(Error::new(ErrorKind::of_writing(&e), what).why(e))
            }
        }
    }

    /// Deletes a file; what is not there is no matter.
    pub fn remove(&self, name: &str) -> Result<()> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(Error::new(
                ErrorKind::of_writing(&e.into()),
                format!("cannot delete {}", self.file(name).display()),
            )
            .why(io::Error::from(e))),
        }
    }

    /// Makes names durable.
    pub fn sync(&self) -> Result<()> {
        self.dir.sync_all().map_err(|e| trouble(&self.path, &e))
    }

    /// Names of the plain files in it, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.path).map_err(|e| trouble(&self.path, &e))?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Bytes that are free for us.
    pub fn free(&self) -> Option<u64> {
        let stat = rustix::fs::fstatvfs(&self.dir).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// An error about a file or folder of backups.
pub fn trouble(path: &Path, why: &io::Error) -> Error {
    let next = match ErrorKind::of_writing(why) {
        ErrorKind::Permission => {
            "check the rights of the folder of backups, or name another with --output-dir"
        }
        ErrorKind::Space => {
            "make room, or name another folder with --output-dir; older backups are as they were"
        }
        _ => "check the folder of backups; older backups are as they were",
    };
    Error::new(ErrorKind::of_writing(why), format!("cannot work on {}", path.display())).why(why).next(next)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_private_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(&place.path().join("a/backups")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        folder.create("x").unwrap();
        assert_eq!(mode(&folder.file("x")), 0o600);
        let victim = place.path().join("victim");
        std::fs::write(&victim, "as it was").unwrap();
        for name in ["link", LOCK] {
            std::os::unix::fs::symlink(&victim, folder.file(name)).unwrap();
        }
        assert!(folder.create("link").is_err() && folder.open("link").is_err());
        assert!(folder.lock().is_err());
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "as it was");
        assert_eq!(folder.names().unwrap(), ["x"]);
    }

    #[test]
    fn the_second_to_come_is_told_who_is_there() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(place.path()).unwrap();
        let held = folder.lock().unwrap();
        let refused = Folder::make(place.path()).unwrap().lock().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(refused.reason().unwrap().contains(&std::process::id().to_string()));
        drop(held);
        folder.lock().unwrap();
    }

    #[test]
    fn a_name_that_is_taken_is_not_taken_again() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(place.path()).unwrap();
        folder.create("a").unwrap();
        folder.create("b").unwrap();
        assert!(!folder.rename("a", "b").unwrap());
        assert!(folder.rename("a", "c").unwrap());
        assert_eq!(folder.names().unwrap(), ["b", "c"]);
    }
}
