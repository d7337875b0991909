//! The journal in the place of a run. Its row for a chunk is committed by the transaction that brings the chunk.

use std::collections::BTreeMap;

use sqlx::MySqlConnection;

use super::connection::{rows, run, statement};
use super::place::{OURS, Place};
use super::types::literal;
use super::{fault, leftovers};
use crate::engine::capability::{Epoch, Intent, Journal, Unfinished};
use crate::engine::claim::fenced;
use crate::model::digest::Digest;
use crate::model::error::{Error, Result};
use crate::model::mark::Mark;

/// Where a run's journal is, and with which right it is written.
#[derive(Debug, Clone)]
pub struct Ledger {
    run: String,
    chunk: String,
    epoch: Epoch,
}

fn failed(error: &sqlx::Error) -> Error {
    fault::writing("writing the journal of the migration", error)
}

/// The tables of a place's journal: that of the run, that of its chunks.
fn tables(place: &Place) -> (String, String) {
    (place.staged(&format!("{OURS}run")), place.staged(&format!("{OURS}chunk")))
}

impl Ledger {
    /// Makes the journal.
    pub async fn begin(
        connection: &mut MySqlConnection,
        place: &Place,
        intent: &Intent,
        source: &str,
    ) -> Result<Self> {
        let (run_table, chunk) = tables(place);
        for sql in [
            format!(
                "CREATE TABLE {run_table} (id INT PRIMARY KEY, epoch BIGINT NOT NULL, hash VARCHAR(64) NOT NULL, \
                 source TEXT, begun INT NOT NULL, done INT NOT NULL) ENGINE=InnoDB \
                 CHARACTER SET utf8mb4"
            ),
            // Names of tables that differ in case or accents only are different.
            format!(
                "CREATE TABLE {chunk} (name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, `rows` BIGINT, \
                 complete INT, digest VARCHAR(32) NOT NULL, bytes BIGINT NOT NULL, through BIGINT, \
                 PRIMARY KEY (name, `rows`, complete)) ENGINE=InnoDB"
            ),
            format!(
                "INSERT INTO {run_table} VALUES (1, 1, {}, {}, -1, -1)",
                literal(&intent.hash),
                literal(source)
            ),
        ] {
            run(connection, &sql).await.map_err(|e| failed(&e))?;
        }
        Ok(Self { run: run_table, chunk, epoch: Epoch(1) })
    }

    /// Takes a journal over: whoever had it commits nothing more.
    pub async fn take_over(connection: &mut MySqlConnection, place: &Place) -> Result<Self> {
        let (run_table, chunk) = tables(place);
        run(connection, &format!("UPDATE {run_table} SET epoch = epoch + 1"))
            .await
            .map_err(|e| failed(&e))?;
        let found = rows(connection, "the journal", &format!("SELECT epoch FROM {run_table}")).await?;
        let epoch = found.first().and_then(|row| row.number(0)).ok_or_else(fenced)?;
        Ok(Self { run: run_table, chunk, epoch: Epoch(epoch) })
    }

    /// Writes a mark, as part of the transaction that is open. The share lock on the run's row makes a run that takes
    /// over wait for this commit, and this commit fail if it comes after that.
    pub async fn note(&self, connection: &mut MySqlConnection, table: &str, mark: Mark) -> Result<()> {
        let through = mark.through.map_or_else(|| "NULL".to_owned(), |key| key.to_string());
        let sql = format!(
            "INSERT INTO {} SELECT {}, {}, {}, {}, {}, {through} FROM {} WHERE epoch = {} LOCK IN SHARE MODE",
            self.chunk,
            literal(table),
            mark.digest.rows,
            u8::from(mark.complete),
            literal(&mark.digest.to_string()),
            mark.bytes,
            self.run,
            self.epoch.0
        );
        self.one(connection, &sql).await
    }

    /// Runs a statement that changes one row as long as this run has the journal.
    async fn one(&self, connection: &mut MySqlConnection, sql: &str) -> Result<()> {
        let done = statement(sql).execute(connection).await.map_err(|e| failed(&e))?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(fenced()) }
    }

    /// Reads it.
    pub async fn read(&self, connection: &mut MySqlConnection) -> Result<Journal> {
        let what = "the journal of the migration";
        let found = rows(connection, what, &format!("SELECT source, done FROM {}", self.run)).await?;
        let (source, done) = found.first().map_or((None, None), |row| (row.text(0), row.number::<i64>(1)));
        let sql = format!(
            "SELECT name, `rows`, complete, digest, bytes, through FROM {} ORDER BY name, `rows`, complete",
            self.chunk
        );
        let mut marks = BTreeMap::new();
        for row in rows(connection, what, &sql).await? {
            let digest = Digest::written(row.number(1).unwrap_or(0), &row.word(3));
            let mark = Mark {
                digest: digest.map_err(|e| Error::internal("the journal cannot be read").why(e))?,
                bytes: row.number(4).unwrap_or(0),
                through: row.number(5),
                complete: row.number::<u8>(2) == Some(1),
            };
            // The last one of a table is the farthest.
            marks.insert(row.word(0), mark);
        }
        Ok(Journal { source, marks, finishing: done.is_some_and(|done| done >= 0) })
    }

    /// Statements after the load that are done.
    pub async fn done(&self, connection: &mut MySqlConnection) -> Result<usize> {
        let found = rows(connection, "the journal", &format!("SELECT done FROM {}", self.run)).await?;
        Ok(found.first().and_then(|row| row.number(0)).unwrap_or(0))
    }

    /// Notes that a statement begins that cannot be part of a transaction: if nobody notes its end, nobody knows it.
    pub async fn note_begun(&self, connection: &mut MySqlConnection, begun: usize) -> Result<()> {
        self.update(connection, &format!("begun = {begun}")).await
    }

    /// Notes that so many of them are done.
    pub async fn note_done(&self, connection: &mut MySqlConnection, done: usize) -> Result<()> {
        self.update(connection, &format!("begun = {done}, done = {done}")).await
    }

    /// Notes the state of the source.
    pub async fn note_source(&self, connection: &mut MySqlConnection, source: Option<&str>) -> Result<()> {
        let source = source.map_or_else(|| "NULL".to_owned(), literal);
        self.update(connection, &format!("source = {source}")).await
    }

    /// Whether no other run has taken it over. What cannot be asked is left to the next run.
    pub async fn is_ours(&self, connection: &mut MySqlConnection) -> bool {
        let sql = format!("SELECT epoch FROM {} WHERE epoch = {}", self.run, self.epoch.0);
        rows(connection, "the journal", &sql).await.is_ok_and(|found| !found.is_empty())
    }

    async fn update(&self, connection: &mut MySqlConnection, set: &str) -> Result<()> {
        self.one(connection, &format!("UPDATE {} SET {set} WHERE epoch = {}", self.run, self.epoch.0)).await
    }

    /// Takes all rows of a table (a quoted place) back, after its marks.
    pub async fn empty(&self, connection: &mut MySqlConnection, place: &str, table: &str) -> Result<()> {
        for sql in [
            format!("DELETE FROM {} WHERE name = {}", self.chunk, literal(table)),
            format!("TRUNCATE TABLE {place}"),
        ] {
            run(connection, &sql).await.map_err(|e| failed(&e))?;
        }
        Ok(())
    }
}

/// Dead runs that have a journal. Not those that died in a statement after the load: whether it was carried out nobody
/// wrote down.
pub async fn unfinished(connection: &mut MySqlConnection, target: &str) -> Result<Vec<Unfinished>> {
    let mut found = Vec::new();
    for place in leftovers::dead(connection, target).await? {
        let sql = format!("SELECT hash FROM {} WHERE begun = done", tables(&place).0);
        // A place without a journal has nothing to go on with.
        if let Ok(rows) = rows(connection, "an earlier run's journal", &sql).await
            && let Some(row) = rows.first()
        {
            found.push(Unfinished { run: place.run, hash: row.word(0) });
        }
    }
    Ok(found)
}
