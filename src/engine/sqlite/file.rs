//! Database files: finding them, opening them so that a hostile file harms nobody, and SQLite's errors in our words.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::{AtFlags, CWD};

use crate::engine::capability::Facts;
use crate::engine::file_name;
use crate::model::endpoint::Flavour;
use crate::model::error::{Error, ErrorKind, Result};

/// How long a lock of another program is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 10_000 });

/// Largest value that this build of SQLite takes (`SQLITE_MAX_LENGTH`).
const MAX_VALUE_BYTES: u64 = 1_000_000_000;

/// All that SQLite may hold at once. An expression in a schema can ask for any number of values of that size; the
/// largest value there can be, read, kept in a batch and written, needs about three times itself.
const MAX_MEMORY_BYTES: i64 = 4 << 30;

/// How coarse the times of a file may be.
const CLOCK: Duration = Duration::from_millis(100);

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read only, and say so to SQLite in every way there is.
    Read,
    /// Write into a file that is there.
    Write,
}

/// Real path of a database that is there and holds something.
pub fn existing(path: &Path) -> Result<PathBuf> {
    let real = find(path)?.ok_or_else(|| {
        Error::new(ErrorKind::Unreachable, format!("there is no SQLite file {}", path.display()))
            .next("check the path; a relative one starts at the application's folder (--app-dir)")
    })?;
    if fs::metadata(&real).map_err(|e| not_readable(path, &e))?.len() == 0 {
        return Err(Error::new(ErrorKind::Unreachable, format!("the file {} is empty", path.display()))
            .why("it holds no database, not even one without tables")
            .next("check the path; an application that was started with a wrong path leaves such a file"));
    }
    Ok(real)
}

/// Real path of a file, `None` if there is none.
pub fn find(path: &Path) -> Result<Option<PathBuf>> {
    match fs::canonicalize(path) {
        Ok(real) if real.is_file() => Ok(Some(real)),
        Ok(_) => Err(Error::new(ErrorKind::Unreachable, format!("{} is not a file", path.display()))
            .next("name the database file itself")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(not_readable(path, &e)),
    }
}

fn not_readable(path: &Path, why: &std::io::Error) -> Error {
    let kind = match why.kind() {
        std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
        _ => ErrorKind::Unreachable,
    };
    Error::new(kind, format!("cannot look at {}", path.display()))
        .why(why)
        .next("check the path and the rights of its folders")
}

/// Opens a file by its real path, which is absolute, so that SQLite takes it for no URI.
pub fn open(real: &Path, access: Access) -> Result<Connection> {
    let what = || format!("cannot open the SQLite file {}", real.display());
    let mode = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    // A link that was put where the real file was is not followed.
    let flags = mode
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection =
        Connection::open_with_flags(real, flags).map_err(|e| failure(ErrorKind::Unreachable, what(), &e))?;
    harden(&connection, access)
        .and_then(|()| connection.query_row("PRAGMA schema_version", [], |_| Ok(())))
        .map_err(|e| failure(ErrorKind::Unreachable, what(), &e))?;
    Ok(connection)
}

/// Lets SQLite roll back a transaction that was cut short, whose journal lies beside the file: nobody can read it before
/// that, and whoever may only read cannot do it. A journal that somebody is at work with is left alone by SQLite, and a
/// file that may not be written to stays as it is, for its readers to be told.
pub fn recover(real: &Path) -> Result<()> {
    let mut journal = real.as_os_str().to_owned();
    journal.push("-journal");
    if fs::metadata(journal).is_ok_and(|file| file.len() > 0) && writable(real).is_ok() {
        open(real, Access::Write)?;
    }
    Ok(())
}

/// Nothing that stands in the file can make this connection run or change anything that was not asked for.
/// Foreign keys are off as SQLite has them by default (this build has them on): what is checked, and when, is
/// decided by the callers. Triggers never fire: the rows that they would make come from the source.
fn harden(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;")?;
    connection.query_row(&format!("PRAGMA hard_heap_limit = {MAX_MEMORY_BYTES}"), [], |_| Ok(()))?;
    if access == Access::Read {
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        // A quoted name of no column is an error and no string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
    }
    Ok(())
}

/// Refuses a file that may not be written to, before anything is loaded for it. Asked without opening it: closing it
/// again would take away SQLite's own locks on it, which belong to the process.
pub fn writable(real: &Path) -> Result<()> {
    let asked = rustix::fs::accessat(CWD, real, rustix::fs::Access::WRITE_OK, AtFlags::EACCESS);
    asked.map_err(|why| {
        Error::new(ErrorKind::Permission, format!("the SQLite file {} may not be written to", real.display()))
            .why(std::io::Error::from(why))
            .next("run this as the user that the file belongs to, or name another target")
    })
}

/// Facts about an open database.
pub fn facts(connection: &Connection, real: &Path) -> Result<Facts> {
    let what = || format!("cannot read {}", real.display());
    let ask = |e: rusqlite::Error| failure(ErrorKind::Read, what(), &e);
    let started = Instant::now();
    connection.query_row("SELECT 1", [], |_| Ok(())).map_err(ask)?;
    let latency = started.elapsed();
    let encoding: String = connection.query_row("PRAGMA encoding", [], |r| r.get(0)).map_err(ask)?;
    let size: i64 = connection
        .query_row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", [], |r| r.get(0))
        .map_err(ask)?;
    let metadata = fs::metadata(real).map_err(|e| not_readable(real, &e))?;
    let identity = format!("{}:{}", metadata.dev(), metadata.ino());
    Ok(Facts { encoding, size: u64::try_from(size).ok(), ..blank_facts(identity, latency) })
}

/// What changes whenever a program changes a database: sizes and times of its file and of its write-ahead log. `None`
/// where it has changed so lately that the clock of the file system would not tell another change from it. Only looked
/// at, never opened: closing a file drops the locks that this process has on it.
pub fn state(real: &Path) -> Option<String> {
    let mut log = real.as_os_str().to_owned();
    log.push("-wal");
    let mut state = String::new();
    for file in [real, Path::new(&log)] {
        let Ok(metadata) = fs::metadata(file) else { continue };
        if metadata.len() == 0 {
            continue;
        }
        if metadata.modified().ok()?.elapsed().ok()? < CLOCK {
            return None;
        }
        let (m, c) = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
        let id = (metadata.dev(), metadata.ino(), metadata.len());
        // Writing to a String cannot fail.
        let _ = write!(state, "{id:?}{m:?}{c:?}");
    }
    Some(state)
}

/// Facts about a file that does not exist yet: the same folder and name are the same file.
pub fn facts_of_absent(path: &Path) -> Result<Facts> {
    let (folder, name) = place(path)?;
    let metadata = fs::metadata(&folder).map_err(|e| not_readable(&folder, &e))?;
    let identity = format!("{}:{}/{name}", metadata.dev(), metadata.ino());
    Ok(blank_facts(identity, Duration::ZERO))
}

fn blank_facts(identity: String, latency: Duration) -> Facts {
    let version = rusqlite::version();
    let mut numbers = version.split('.').map(|n| n.parse().unwrap_or(0));
    let mut number = || numbers.next().unwrap_or(0);
    Facts {
        flavour: Flavour::Sqlite,
        version: version.to_owned(),
        version_number: (number(), number(), number()),
        encoding: "UTF-8".into(),
        collation: "BINARY".into(),
        time_zone: None,
        size: None,
        identity,
        latency,
        collations: ["BINARY", "NOCASE", "RTRIM"].map(str::to_owned).to_vec(),
        sequences: Vec::new(),
        max_value_bytes: Some(MAX_VALUE_BYTES),
        case_sensitive_names: false,
        unique_parents: false,
        namespace: String::new(),
    }
}

/// Real folder and name of a file that need not exist.
pub fn place(path: &Path) -> Result<(PathBuf, String)> {
    let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("{} does not name a file", path.display()))
            .next("give the path of a database file")
    })?;
    let folder = file_name::folder(path);
    let real = fs::canonicalize(folder).map_err(|e| {
        Error::new(ErrorKind::Unreachable, format!("there is no folder {}", folder.display()))
            .why(e)
            .next("make it, or check the path")
    })?;
    Ok((real, name.to_owned()))
}

/// Makes the name of a file durable.
pub fn sync_folder(of: &Path) -> std::io::Result<()> {
    fs::File::open(file_name::folder(of)).and_then(|folder| folder.sync_all())
}

/// A file beside a database that cannot be made.
pub fn not_made(file: &Path, why: &std::io::Error) -> Error {
    let error = Error::new(ErrorKind::of_writing(why), format!("cannot make the file {}", file.display()))
        .why(why)
        .next("the folder of the target has to be writable: the new database is built beside it");
    with_free_space(error, file)
}

/// SQLite's error in our words; `kind` is what it means where its code says nothing more special.
pub fn failure(kind: ErrorKind, what: impl Into<String>, error: &rusqlite::Error) -> Error {
    let (kind, next) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::Busy, "another program is writing to the file: stop it, or try again later")
        }
        Some(ErrorCode::OperationInterrupted) => {
            return Error::new(ErrorKind::TimedOut, what).why(error);
        }
        Some(ErrorCode::DiskFull) => (ErrorKind::Space, "make room on the disk of the target file"),
        Some(ErrorCode::NotADatabase) => (
            ErrorKind::Unreachable,
            "check the path; an encrypted or compressed file has to be unpacked first",
        ),
        Some(ErrorCode::DatabaseCorrupt) => {
            (ErrorKind::Read, "the file is damaged: restore a backup, or try `sqlite3 FILE .recover`")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
            ErrorKind::Permission,
            "check the rights of the file and of its folder, which has to be writable while a journal (-wal, \
             -journal) of another program lies beside the file",
        ),
        Some(ErrorCode::TooBig) => (ErrorKind::Value, "SQLite takes no value above 1 GB"),
        Some(ErrorCode::ConstraintViolation) => {
            (ErrorKind::Value, "see the row in the source, or the constraint")
        }
        _ => return Error::new(kind, what).why(error),
    };
    Error::new(kind, what).why(error).next(next)
}

/// The same with the free space of the disk in the advice, where space is what is missing.
pub fn with_free_space(error: Error, near: &Path) -> Error {
    if error.kind() != ErrorKind::Space {
        return error;
    }
    let folder = file_name::folder(near);
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
            error.next(format!(
                "make room in {}, where {free} MiB are free; the new file needs about the size of the source",
                folder.display()
            ))
        }
        Err(_) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_library_is_recent_enough() {
        let facts = blank_facts(String::new(), Duration::ZERO);
        assert!(facts.version_number >= (3, 51, 3), "{}", facts.version);
    }

    #[test]
    fn what_is_no_database_is_said_plainly() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let error = existing(&path("none.db")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.what().starts_with("there is no SQLite file"), "{error}");
        fs::write(path("empty.db"), b"").unwrap();
        assert!(existing(&path("empty.db")).unwrap_err().what().ends_with("is empty"));
        fs::write(path("text.db"), "hello ".repeat(1000)).unwrap();
        let error = open(&existing(&path("text.db")).unwrap(), Access::Read).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert_eq!(error.reason(), Some("file is not a database"));
        assert!(existing(folder.path()).unwrap_err().what().ends_with("is not a file"));
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file:a.db?mode=memory");
        rusqlite::Connection::open_with_flags(
            &path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
        let connection = open(&existing(&path).unwrap(), Access::Read).unwrap();
        assert!(connection.execute_batch("INSERT INTO t VALUES (1)").is_err());
        assert!(connection.execute_batch("ATTACH ':memory:' AS x").is_err());
        assert!(connection.query_row("SELECT load_extension('x')", [], |_| Ok(())).is_err());
        let limit: i64 = connection.query_row("PRAGMA hard_heap_limit", [], |r| r.get(0)).unwrap();
        assert_eq!(limit, MAX_MEMORY_BYTES);
    }

    #[test]
    fn the_same_file_has_the_same_identity_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("b.db")).unwrap();
        let identity = |name: &str| {
            let real = existing(&folder.path().join(name)).unwrap();
            facts(&open(&real, Access::Read).unwrap(), &real).unwrap().identity
        };
        assert_eq!(identity("a.db"), identity("b.db"));
    }
}
