//! Copies of a whole database, page by page.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::file::{self, failure, with_free_space};
use crate::model::error::{Error, ErrorKind, Result};

/// Copies all pages in one step; busy if somebody else is at work in one of the two.
pub fn copy(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    match Backup::new(from, to)?.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the file is in use".into()),
        )),
    }
}

/// A copy of the whole database as it is now. The caller holds the lock of a writer, so nobody changes it meanwhile.
pub fn keep_copy(database: &Path, kept: &Path) -> Result<()> {
    let what = || format!("cannot keep the present state in {}", kept.display());
    let failed = |e: &std::io::Error| Error::new(ErrorKind::Write, what()).why(e);
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(kept);
    let made = made.map_err(|e| failed(&e))?;
    let copied = || -> rusqlite::Result<()> {
        let from = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut to = Connection::open_with_flags(kept, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        copy(&from, &mut to)?;
        // A copy of a WAL file is one too, and would get journals of its own.
        to.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
    };
    copied().map_err(|e| with_free_space(failure(ErrorKind::Write, what(), &e), kept))?;
    made.sync_all().and_then(|()| file::sync_folder(kept)).map_err(|e| failed(&e))
}
