//! What a reader leaves beside a file in WAL mode: `-wal` and `-shm`, which SQLite makes for whoever reads and which
//! only somebody who may write takes away again. A source has to be found as it was, so they are taken away here.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// The two files.
const NAMES: [&str; 2] = ["-wal", "-shm"];

/// Dropped after every connection to the file is closed, it removes what they left.
#[derive(Debug)]
pub struct Traces {
    real: PathBuf,
    /// Whether neither file was there at the beginning.
    was_alone: bool,
}

impl Traces {
    /// Remembers what is beside a file before it is opened.
    pub fn of(real: &Path) -> Self {
        let was_alone = NAMES.iter().all(|suffix| !beside(real, suffix).exists());
        Self { real: real.to_owned(), was_alone }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let wal = fs::metadata(beside(&self.real, "-wal"));
        if self.was_alone && wal.is_ok_and(|file| file.len() == 0) {
            // What cannot be removed does no harm.
            let _ = close_as_a_writer(&self.real);
        }
    }
}

fn beside(real: &Path, suffix: &str) -> PathBuf {
    let mut name = real.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// SQLite itself removes both files when the last connection that may write is closed, under a lock that nobody else
/// can hold then. Removing them by name could take them from under an application that has just begun. An empty
/// journal has nothing to bring into the file, so the file stays as it is, to the byte.
fn close_as_a_writer(real: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(real, flags)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}
