//! Backups by SQLite's own online backup, page by page from a connection that holds a read transaction. Without that
//! transaction every commit of somebody else would make the copy begin again.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::file::{self, Access, failure, with_free_space};
use crate::engine::backup::{NativeOrder, NativeWay};
use crate::model::error::{Error, ErrorKind, Result};

/// Pages of a step: 1 MiB of the usual size, so that an interruption is heard soon.
const PAGES: i32 = 256;

/// How a backup of this file would be made.
pub fn way(connection: &Connection, bytes: Option<u64>) -> rusqlite::Result<NativeWay> {
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
    Ok(NativeWay {
        // With a write-ahead log readers and writers do not meet.
        blocks_writers: journal != "wal",
        bytes,
        ..NativeWay::plain("db", format!("SQLite {} (online backup)", rusqlite::version()))
    })
}

/// Copies what `source`, in its transaction, sees into the file of the order. The copy is one file that needs no other
/// beside it: it is in rollback-journal mode, whatever the source is in.
pub fn copy(source: &Connection, order: &NativeOrder) -> Result<()> {
    let what = || format!("cannot write the backup {}", order.file.display());
    let failed = |e: rusqlite::Error| failure(ErrorKind::Write, what(), &e);
    let mut target = file::open(&order.file, Access::Write)?;
    // What a crash leaves here is thrown away, so nothing needs a journal or has to wait for the disk.
    target
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")
        .map_err(failed)?;
    pages(source, &mut target, order).map_err(|e| with_free_space(e, &order.file))?;
    let mode: String = target.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get(0)).map_err(failed)?;
    if mode != "delete" {
        return Err(Error::new(ErrorKind::Write, what()).why("SQLite keeps its write-ahead log"));
    }
    target.close().map_err(|(_, e)| failed(e))
}

fn pages(source: &Connection, target: &mut Connection, order: &NativeOrder) -> Result<()> {
    let what = || format!("cannot copy the database to {}", order.file.display());
    let failed = |e: rusqlite::Error| failure(ErrorKind::Write, what(), &e);
    let page: i64 = source.query_row("PRAGMA page_size", [], |r| r.get(0)).map_err(failed)?;
    let bytes = |pages: i32| u64::try_from(i64::from(pages) * page).unwrap_or(0);
    let backup = Backup::new(source, target).map_err(failed)?;
    loop {
        if order.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Interrupted, "the backup was interrupted"));
        }
        let step = backup.step(PAGES).map_err(failed)?;
        let progress = backup.progress();
        (order.progress)(bytes(progress.pagecount - progress.remaining), bytes(progress.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Not met while the transaction is held and nobody knows the copy; the next step tries again.
            _ => std::thread::sleep(std::time::Duration::from_millis(10)),
        }
    }
}

/// SQLite's own look at a copy: every page, every index against its table.
pub fn check(real: &Path) -> Result<()> {
    let damage = super::damage(&file::open(real, Access::Read)?, real)?;
    match damage.first() {
        None => Ok(()),
        Some(first) => Err(Error::new(ErrorKind::Verify, "SQLite's integrity_check finds the copy damaged")
            .why(first)
            .next("check the database itself: techcare-db check")),
    }
}
