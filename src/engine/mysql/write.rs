//! From cells to rows: prepared INSERTs of many rows, sized by bytes and by parameters. One statement of as many
//! rows as fit is prepared and sent again and again; odd ones, at the end or before a very long row, are prepared for
//! the one time.

use std::sync::Arc;

use sqlx::mysql::MySqlArguments;
use sqlx::{Arguments, AssertSqlSafe, MySqlConnection};

use super::bind::{self, Encoder};
use super::connection::run;
use super::fault;
use super::types::quote;
use crate::engine::stream::BatchReceiver;
use crate::model::batch::Batch;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::TablePlan;

/// Bytes of parameters that one statement aims at: measured on MariaDB, less costs round trips and more costs the
/// server's cache.
const STATEMENT_BYTES: usize = 350 * 1024;

/// Most parameters of a statement; the protocol would allow 65,535.
const MOST_PARAMETERS: usize = 20_000;

/// Most rows of a statement.
const MOST_ROWS: usize = 4_096;

/// Bytes after which what was written is committed, so that the server's undo log stays small. Nobody sees
/// staging before the switch, so it does not matter where.
const COMMIT_BYTES: usize = 64 * 1024 * 1024;

/// What a packet holds beside parameters.
const PACKET_OVERHEAD: usize = 4 * 1024;

/// Who commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// The writer, now and then and at the end.
    Writer,
    /// Whoever began the transaction.
    Caller,
}

/// Writes all rows into a table of the session's database; returns how many. `name` is what the table is called
/// there while it is staged.
pub async fn write(
    connection: &mut MySqlConnection,
    table: &TablePlan,
    name: &str,
    max_packet: Option<u64>,
    commit: Commit,
    mut rows: BatchReceiver,
) -> Result<u64> {
    let mut writer = Writer::new(connection, table, name, max_packet, commit)?;
    writer.begin().await?;
    while let Some(batch) = rows.recv().await {
        for batch in writer.take(batch).await? {
            rows.recycle(batch);
        }
    }
    writer.finish().await
}

struct Writer<'a> {
    connection: &'a mut MySqlConnection,
    table: &'a TablePlan,
    insert: Insert,
    encoders: Vec<Encoder>,
    max_packet: usize,
    commit: Commit,
    /// Rows of a full statement; 0 until the first batch tells how long rows are.
    full: usize,
    pending: Pending,
    /// Batches whose rows are pending, so that a row the server refuses can be named.
    held: Vec<Batch>,
    written: u64,
    uncommitted: usize,
}

/// Rows that are bound and not sent.
#[derive(Default)]
struct Pending {
    arguments: MySqlArguments,
    rows: usize,
    bytes: usize,
    /// Rows of the first held batch that were sent before these.
    sent_of_first: usize,
}

impl<'a> Writer<'a> {
    fn new(
        connection: &'a mut MySqlConnection,
        table: &'a TablePlan,
        name: &str,
        max_packet: Option<u64>,
        commit: Commit,
    ) -> Result<Self> {
        let mut encoders = Vec::new();
        for column in table.copied() {
            encoders.push(Encoder::of(column).ok_or_else(|| {
                Error::internal(format!("column \"{}\" of table \"{}\" has no type", column.name, table.name))
            })?);
        }
        let columns: Vec<String> = table.copied().map(|c| quote(&c.name)).collect();
        Ok(Self {
            insert: Insert::new(name, &columns),
            connection,
            table,
            encoders,
            max_packet: max_packet.and_then(|n| usize::try_from(n).ok()).unwrap_or(16 * 1024 * 1024),
            commit,
            full: 0,
            pending: Pending::default(),
            held: Vec::new(),
            written: 0,
            uncommitted: 0,
        })
    }

    async fn begin(&mut self) -> Result<()> {
        self.transaction("START TRANSACTION").await
    }

    async fn transaction(&mut self, sql: &str) -> Result<()> {
        if self.commit == Commit::Caller {
            return Ok(());
        }
        run(self.connection, sql).await.map_err(|e| fault::writing(&self.what(), &e))
    }

    fn what(&self) -> String {
        format!("writing table \"{}\"", self.table.name)
    }

    /// Binds the rows of a batch and sends what is full; gives back the batches that are through.
    async fn take(&mut self, batch: Batch) -> Result<Vec<Batch>> {
        if self.full == 0 {
            self.full = full_rows(&batch, self.encoders.len());
        }
        let rows = batch.rows();
        self.held.push(batch);
        let mut through = Vec::new();
        for row in 0..rows {
            let size = self.size_of(row)?;
            if self.pending.rows > 0 && self.pending.bytes + size > self.most_bytes() {
                self.send_before(row, &mut through).await?;
            }
            self.bind(row)?;
            self.pending.rows += 1;
            self.pending.bytes += size;
            if self.pending.rows == self.full {
                self.send_before(row + 1, &mut through).await?;
            }
        }
        if self.pending.rows == 0 {
            through.append(&mut self.held);
            self.pending.sent_of_first = 0;
        }
        Ok(through)
    }

    fn most_bytes(&self) -> usize {
        self.max_packet.saturating_sub(PACKET_OVERHEAD).min(8 * STATEMENT_BYTES)
    }

    /// Bytes that a row of the newest batch takes in a packet, and no less.
    fn size_of(&self, row: usize) -> Result<usize> {
        let Some(batch) = self.held.last() else { return Ok(0) };
        let size = batch.row(row).iter().map(|cell| bind::size(batch, *cell)).sum();
        if size + PACKET_OVERHEAD <= self.max_packet {
            return Ok(size);
        }
        let key = batch.key_of(row).map(|k| format!(" ({k})")).unwrap_or_default();
        let what =
            format!("table \"{}\"{key}: a row of {size} bytes is too long for the server", self.table.name);
        Err(Error::new(ErrorKind::Value, what)
            .why(format!("max_allowed_packet is {} bytes", self.max_packet))
            .next(format!(
                "SET GLOBAL max_allowed_packet = {}, then run the same command again",
                packet_for(size)
            )))
    }

    /// Binds one row of the newest batch.
    fn bind(&mut self, row: usize) -> Result<()> {
        let Some(batch) = self.held.last() else { return Ok(()) };
        for (at, (cell, encoder)) in batch.row(row).iter().zip(&self.encoders).enumerate() {
            let parameter = encoder.bind(batch, *cell).map_err(|why| refused(batch, row, at, why))?;
            let added = self.pending.arguments.add(parameter);
            added.map_err(|e| refused(batch, row, at, &e.to_string()))?;
        }
        Ok(())
    }

    /// Sends what is pending, which ends before a row of the newest batch; every older batch is through then.
    async fn send_before(&mut self, row: usize, through: &mut Vec<Batch>) -> Result<()> {
        self.send_all().await?;
        let newest = self.held.len().saturating_sub(1);
        through.extend(self.held.drain(..newest));
        self.pending.sent_of_first = row;
        Ok(())
    }

    async fn send_all(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        if pending.rows == 0 {
            return Ok(());
        }
        let sql = self.insert.of(pending.rows);
        // Only the full statement comes again and again; keeping others prepared would cost the server memory.
        let again = pending.rows == self.full;
        let query = sqlx::query_with(AssertSqlSafe(sql), pending.arguments).persistent(again);
        if let Err(error) = query.execute(&mut *self.connection).await {
            return Err(self.failed(&error, pending.sent_of_first));
        }
        self.written += u64::try_from(pending.rows).unwrap_or(u64::MAX);
        self.uncommitted += pending.bytes;
        if self.uncommitted >= COMMIT_BYTES && self.commit == Commit::Writer {
            self.uncommitted = 0;
            self.transaction("COMMIT").await?;
            self.begin().await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<u64> {
        self.send_all().await?;
        self.transaction("COMMIT").await?;
        Ok(self.written)
    }

    /// The server's refusal, with the row's key where the server says which row it was.
    fn failed(&self, error: &sqlx::Error, sent_of_first: usize) -> Error {
        let words = fault::words(error);
        let number = words.rsplit_once("at row ").and_then(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().ok()
        });
        let key = number.and_then(|n| {
            let mut row = n.checked_sub(1)? + sent_of_first;
            for batch in &self.held {
                if row < batch.rows() {
                    return batch.key_of(row);
                }
                row -= batch.rows();
            }
            None
        });
        let what = key.map_or_else(|| self.what(), |key| format!("{} ({key})", self.what()));
        fault::writing(&what, error)
    }
}

fn refused(batch: &Batch, row: usize, column: usize, why: &str) -> Error {
    let shape = batch.shape();
    let name = shape.columns.get(column).map_or("?", |c| c.name.as_str());
    let key = batch.key_of(row).map(|k| format!(" ({k})")).unwrap_or_default();
    Error::new(ErrorKind::Value, format!("table \"{}\", column \"{name}\"{key}: {why}", shape.table))
        .next("correct this value in the source, then run the same command again")
}

/// The next power of two that a row fits into with room to spare.
fn packet_for(size: usize) -> usize {
    (size + PACKET_OVERHEAD).next_power_of_two().min(1 << 30)
}

/// Rows of a full statement for rows as long as those of a first batch.
fn full_rows(batch: &Batch, columns: usize) -> usize {
    let row = (batch.byte_size() / batch.rows().max(1)).max(1);
    (STATEMENT_BYTES / row).min(MOST_PARAMETERS / columns.max(1)).clamp(1, MOST_ROWS)
}

/// The INSERT of a table, for any number of rows.
struct Insert {
    head: String,
    row: String,
    last: Option<(usize, Arc<str>)>,
}

impl Insert {
    fn new(table: &str, columns: &[String]) -> Self {
        let marks = vec!["?"; columns.len()].join(",");
        Self {
            head: format!("INSERT INTO {} ({}) VALUES ", quote(table), columns.join(",")),
            row: format!("({marks})"),
            last: None,
        }
    }

    fn of(&mut self, rows: usize) -> Arc<str> {
        if let Some((of, sql)) = &self.last
            && *of == rows
        {
            return sql.clone();
        }
        let sql: Arc<str> = format!("{}{}", self.head, vec![self.row.as_str(); rows].join(",")).into();
        self.last = Some((rows, sql.clone()));
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_for_any_number_of_rows() {
        let mut insert = Insert::new("a`b", &["`x`".into(), "`y`".into()]);
        assert_eq!(&*insert.of(2), "INSERT INTO `a``b` (`x`,`y`) VALUES (?,?),(?,?)");
        assert_eq!(&*insert.of(1), "INSERT INTO `a``b` (`x`,`y`) VALUES (?,?)");
    }

    #[test]
    fn the_advised_packet_has_room() {
        assert_eq!(packet_for(16 * 1024 * 1024), 32 * 1024 * 1024);
        assert_eq!(packet_for(10), 8192);
    }
}
