//! The journal in a staging file. Its row for a chunk is committed by the transaction that brings the chunk. Only the
//! process that holds the file's lock writes to it, so no epoch is needed here.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use rustix::fs::FlockOperation;

use super::file::{self, Access, failure};
use super::{ddl::quote, leftovers};
use crate::engine::capability::{Intent, Journal, Unfinished};
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::mark::Mark;

/// The tables of a journal.
pub const TABLES: [&str; 2] = ["techcare_db_run", "techcare_db_chunk"];

fn failed(error: &rusqlite::Error) -> Error {
    failure(ErrorKind::Write, "cannot write the journal of the migration", error)
}

/// Makes the journal.
pub fn begin(connection: &Connection, intent: &Intent, source: &str) -> Result<()> {
    let begun = connection
        .execute_batch(
            "CREATE TABLE techcare_db_run (hash TEXT NOT NULL, source TEXT, done INTEGER NOT NULL DEFAULT -1);
             CREATE TABLE techcare_db_chunk (name TEXT, rows INTEGER, complete INTEGER, digest TEXT NOT NULL,
                 bytes INTEGER NOT NULL, through INTEGER, PRIMARY KEY (name, rows, complete)) WITHOUT ROWID",
        )
        .and_then(|()| {
            let sql = "INSERT INTO techcare_db_run (hash, source) VALUES (?1, ?2)";
            connection.execute(sql, params![intent.hash, source])
        });
    begun.map(drop).map_err(|e| failed(&e))
}

/// Writes a mark, as part of the transaction that is open.
pub fn note(connection: &Connection, table: &str, mark: Mark) -> Result<()> {
    let noted = connection.execute(
        "INSERT INTO techcare_db_chunk VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            table,
            mark.digest.rows.cast_signed(),
            mark.complete,
            mark.digest.to_string(),
            mark.bytes.cast_signed(),
            mark.through
        ],
    );
    noted.map(drop).map_err(|e| failed(&e))
}

/// Reads it.
pub fn read(connection: &Connection) -> Result<Journal> {
    let read = || -> rusqlite::Result<Journal> {
        let (source, done): (Option<String>, i64) =
            connection
                .query_row("SELECT source, done FROM techcare_db_run", [], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let mut statement = connection.prepare(
            "SELECT name, rows, complete, digest, bytes, through FROM techcare_db_chunk ORDER BY name, rows, complete",
        )?;
        let mut rows = statement.query([])?;
        let mut marks = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let digest = Digest::written(row.get::<_, i64>(1)?.cast_unsigned(), &row.get::<_, String>(3)?);
            let mark = Mark {
                digest: digest.map_err(|e| {
                    rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, e.into())
                })?,
                bytes: row.get::<_, i64>(4)?.cast_unsigned(),
                through: row.get(5)?,
                complete: row.get(2)?,
            };
            // The last one of a table is the farthest.
            marks.insert(row.get(0)?, mark);
        }
        Ok(Journal { source, marks, finishing: done >= 0 })
    };
    read().map_err(|e| failure(ErrorKind::Read, "cannot read the journal of the migration", &e))
}

/// Statements after the load that are done.
pub fn done(connection: &Connection) -> Result<usize> {
    let done = connection.query_row("SELECT done FROM techcare_db_run", [], |r| r.get::<_, i64>(0));
    Ok(usize::try_from(done.map_err(|e| failed(&e))?).unwrap_or(0))
}

/// Notes that so many of them are done, as part of the transaction that is open.
pub fn note_done(connection: &Connection, done: usize) -> Result<()> {
    let done = i64::try_from(done).unwrap_or(i64::MAX);
    connection.execute("UPDATE techcare_db_run SET done = ?1", [done]).map(drop).map_err(|e| failed(&e))
}

/// Notes the state of the source.
pub fn note_source(connection: &Connection, source: Option<&str>) -> Result<()> {
    connection.execute("UPDATE techcare_db_run SET source = ?1", [source]).map(drop).map_err(|e| failed(&e))
}

/// Takes all rows of a table back, and its marks.
pub fn empty(connection: &mut Connection, table: &str) -> Result<()> {
    let mut emptied = || -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        transaction.execute(&format!("DELETE FROM main.{}", quote(table)), [])?;
        transaction.execute("DELETE FROM techcare_db_chunk WHERE name = ?1", [table])?;
        transaction.commit()
    };
    emptied().map_err(|e| failed(&e))
}

/// Removes the journal, once everything else is done.
pub fn remove(staged: &Path) -> Result<()> {
    file::open(staged, Access::Write)?
        .execute_batch(
            "BEGIN; DROP TABLE IF EXISTS techcare_db_run; DROP TABLE IF EXISTS techcare_db_chunk; COMMIT",
        )
        .map_err(|e| failed(&e))
}

/// Dead runs whose file has a journal and is sound: it was written without waiting for the disk, and a machine that
/// lost its power may have kept only parts of it.
pub fn unfinished(path: &Path) -> Result<Vec<Unfinished>> {
    let mut found = Vec::new();
    for (run, file) in leftovers::staged(path)? {
        let Ok(open) = File::open(&file) else { continue };
        if rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        let Ok(connection) = file::open(&file, Access::Write) else { continue };
        let hash = connection.query_row("SELECT hash FROM techcare_db_run", [], |r| r.get(0)).optional();
        let sound = |connection: &Connection| {
            connection
                .query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0))
                .is_ok_and(|v| v == "ok")
        };
        if let Ok(Some(hash)) = hash
            && sound(&connection)
        {
            found.push(Unfinished { run, hash });
        }
    }
    Ok(found)
}
