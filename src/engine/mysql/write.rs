//! From cells to rows: prepared INSERTs of many rows, sized by bytes and by parameters. One statement of as many
//! rows as fit is prepared and sent again and again; odd ones, at the end or before a very long row, are prepared for
//! the one time. Rows that are longer still go apart.

use std::sync::Arc;

use sqlx::mysql::MySqlArguments;
use sqlx::{Arguments, AssertSqlSafe, MySqlConnection};

use super::apart::{self, Parts};
use super::bind::{self, Encoder};
use super::connection::run;
use super::fault;
use super::journal::Ledger;
use super::native::NativeType;
use super::types::quote;
use crate::engine::capability::CHUNK_BYTES;
use crate::engine::stream::BatchReceiver;
use crate::model::batch::Batch;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::mark::Mark;
use crate::model::plan::{ColumnPlan, TablePlan};
use crate::model::schema::DataType;

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
#[derive(Debug, Clone, Copy)]
pub enum Commit<'a> {
    /// The writer, now and then and at the end.
    Writer,
    /// The writer, at the end of each chunk, which is noted in this journal.
    Chunk(&'a Ledger),
    /// Whoever began the transaction.
    Caller,
}

/// Lets the session write what [`has_own_enum`] is about, and no longer.
pub const LENIENT: &str = "SET SESSION sql_mode = REPLACE(@@SESSION.sql_mode, 'STRICT_ALL_TABLES', '')";

/// Takes [`LENIENT`] back.
pub const STRICT: &str = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES')";

/// Whether the rows hold an enum of a table of MySQL or MariaDB. Between two enums of the same labels the empty text
/// that is none of them goes as it is, which a strict server would refuse. Every other value is of the same type here
/// and there.
pub fn has_own_enum(table: &TablePlan) -> bool {
    let native = |c: &ColumnPlan| matches!(c.carries, DataType::Native { .. });
    table.copied().any(|c| native(c) && NativeType::parse(&c.native_type).base == "enum")
}

/// Writes all rows into a table of the session's database; returns how many. `name` is what the table is called
/// there while it is staged. While the server works on one statement, the next is being filled.
pub async fn write(
    connection: &mut MySqlConnection,
    table: &TablePlan,
    name: &str,
    max_packet: Option<u64>,
    commit: Commit<'_>,
    rows: BatchReceiver,
) -> Result<u64> {
    let chunk = if matches!(commit, Commit::Chunk(_)) { CHUNK_BYTES } else { usize::MAX };
    let mut filler = Filler::new(table, max_packet, chunk, rows)?;
    let has_enum = has_own_enum(table);
    if has_enum {
        run(connection, LENIENT).await.map_err(|e| fault::writing("the server", &e))?;
    }
    let mut sender = Sender::new(connection, table, name, commit, filler.encoders.clone());
    sender.transaction("START TRANSACTION").await?;
    let mut next = filler.fill().await?;
    while let Some(mut group) = next {
        let full = filler.full;
        let (sent, following) = tokio::join!(sender.send(&mut group, full), filler.fill());
        sent?;
        filler.recycle(group);
        next = following?;
    }
    sender.note(filler.mark).await?;
    sender.transaction("COMMIT").await?;
    let written = sender.written;
    if has_enum {
        run(connection, STRICT).await.map_err(|e| fault::writing("the server", &e))?;
    }
    Ok(written)
}

/// Rows of one statement, bound.
#[derive(Default)]
struct Group {
    arguments: MySqlArguments,
    rows: usize,
    bytes: usize,
    /// Where the rows come from, so that one that the server refuses can be named: a batch and its first row here.
    from: Vec<(Arc<Batch>, usize)>,
    /// A chunk ends with it, and has come this far.
    ends: Option<Mark>,
    /// It is one long row, and not bound.
    apart: bool,
}

impl Group {
    /// Key of a row, counted from 1 as the server does.
    fn key_of(&self, number: usize) -> Option<String> {
        let mut row = number.checked_sub(1)?;
        for (batch, first) in &self.from {
            let here = batch.rows() - first;
            if row < here {
                return batch.key_of(first + row);
            }
            row -= here;
        }
        None
    }
}

/// Makes groups of rows out of batches.
struct Filler<'a> {
    table: &'a TablePlan,
    encoders: Vec<Encoder>,
    max_packet: usize,
    rows: BatchReceiver,
    /// Rows of a full statement; 0 until the first batch tells how long rows are.
    full: usize,
    /// Batch that is being bound, and its next row.
    current: Option<(Arc<Batch>, usize)>,
    /// Bytes of a chunk, and how many this one has.
    chunk: usize,
    bytes: usize,
    /// How far the table has come since the last chunk.
    mark: Option<Mark>,
}

impl<'a> Filler<'a> {
    fn new(table: &'a TablePlan, max_packet: Option<u64>, chunk: usize, rows: BatchReceiver) -> Result<Self> {
        let mut encoders = Vec::new();
        for column in table.copied() {
            encoders.push(Encoder::of(column).ok_or_else(|| {
                Error::internal(format!("column \"{}\" of table \"{}\" has no type", column.name, table.name))
            })?);
        }
        let max_packet = max_packet.and_then(|n| usize::try_from(n).ok()).unwrap_or(16 * 1024 * 1024);
        Ok(Self { table, encoders, max_packet, rows, full: 0, current: None, chunk, bytes: 0, mark: None })
    }

    /// The next group; `None` when all rows have been in one.
    async fn fill(&mut self) -> Result<Option<Group>> {
        let mut group = Group::default();
        loop {
            let (batch, first) = match self.current.take() {
                Some(current) => current,
                None => match self.rows.recv().await {
                    Some(batch) => (Arc::new(batch), 0),
                    None => return Ok((group.rows > 0).then_some(group)),
                },
            };
            if self.full == 0 {
                self.full = full_rows(&batch, self.encoders.len());
            }
            if batch.rows() == first {
                self.mark = batch.mark();
                self.give_back(batch);
                continue;
            }
            group.from.push((batch.clone(), first));
            for row in first..batch.rows() {
                let size = self.size_of(&batch, row)?;
                let long = group.rows > 0 && group.bytes + size > self.most_bytes();
                if long || group.apart || group.rows == self.full {
                    self.current = Some((batch, row));
                    return Ok(Some(group));
                }
                group.apart = size >= apart::ROW_BYTES;
                if !group.apart {
                    self.bind(&mut group, &batch, row)?;
                }
                group.rows += 1;
                group.bytes += size;
            }
            self.mark = batch.mark();
            self.bytes += batch.byte_size();
            if self.bytes >= self.chunk {
                self.bytes = 0;
                group.ends = self.mark.take();
                return Ok(Some(group));
            }
            // The reader waits until a large batch is gone.
            if group.apart || batch.is_large() {
                return Ok(Some(group));
            }
        }
    }

    fn most_bytes(&self) -> usize {
        self.max_packet.saturating_sub(PACKET_OVERHEAD).min(8 * STATEMENT_BYTES)
    }

    /// Bytes that a row takes in a packet, and no less.
    fn size_of(&self, batch: &Batch, row: usize) -> Result<usize> {
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

    fn bind(&self, group: &mut Group, batch: &Batch, row: usize) -> Result<()> {
        for (at, (cell, encoder)) in batch.row(row).iter().zip(&self.encoders).enumerate() {
            let parameter = encoder.bind(batch, *cell).map_err(|why| refused(batch, row, at, why))?;
            let added = group.arguments.add(parameter);
            added.map_err(|e| refused(batch, row, at, &e.to_string()))?;
        }
        Ok(())
    }

    /// Gives the batches of a group that was sent back to the reader, save the one that goes on.
    fn recycle(&self, group: Group) {
        for (batch, _) in group.from {
            self.give_back(batch);
        }
    }

    fn give_back(&self, batch: Arc<Batch>) {
        if let Some(batch) = Arc::into_inner(batch) {
            self.rows.recycle(batch);
        }
    }
}

/// Sends groups to the server.
struct Sender<'a> {
    connection: &'a mut MySqlConnection,
    table: &'a str,
    insert: Insert,
    encoders: Vec<Encoder>,
    commit: Commit<'a>,
    written: u64,
    uncommitted: usize,
}

impl<'a> Sender<'a> {
    fn new(
        connection: &'a mut MySqlConnection,
        table: &'a TablePlan,
        name: &str,
        commit: Commit<'a>,
        encoders: Vec<Encoder>,
    ) -> Self {
        let columns: Vec<String> = table.copied().map(|c| quote(&c.name)).collect();
        let insert = Insert::new(name, &columns, table.copied().map(mark).collect());
        Self { connection, table: &table.name, insert, encoders, commit, written: 0, uncommitted: 0 }
    }

    fn what(&self) -> String {
        format!("writing table \"{}\"", self.table)
    }

    async fn transaction(&mut self, sql: &str) -> Result<()> {
        if matches!(self.commit, Commit::Caller) {
            return Ok(());
        }
        run(self.connection, sql).await.map_err(|e| fault::writing(&self.what(), &e))
    }

    async fn send(&mut self, group: &mut Group, full: usize) -> Result<()> {
        let sent = self.put(group, full).await;
        // Also of what was refused: the reader waits until a large batch is gone, and the writer for the reader.
        group.from.retain(|(batch, _)| !batch.is_large());
        sent?;
        self.written += u64::try_from(group.rows).unwrap_or(u64::MAX);
        self.uncommitted += group.bytes;
        let full = self.uncommitted >= COMMIT_BYTES && matches!(self.commit, Commit::Writer);
        if full || group.ends.is_some() {
            self.uncommitted = 0;
            self.note(group.ends).await?;
            self.transaction("COMMIT").await?;
            self.transaction("START TRANSACTION").await?;
        }
        Ok(())
    }

    /// Runs the statement of a group.
    async fn put(&mut self, group: &mut Group, full: usize) -> Result<()> {
        if group.apart {
            self.row_apart(group).await?;
        } else {
            let sql = self.insert.of(group.rows);
            let arguments = std::mem::take(&mut group.arguments);
            // Only the full statement comes again and again; keeping others prepared would cost the server memory.
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(group.rows == full);
            if let Err(error) = query.execute(&mut *self.connection).await {
                return Err(self.failed(&error, group));
            }
        }
        Ok(())
    }

    async fn row_apart(&mut self, group: &Group) -> Result<()> {
        let Some((batch, row)) = group.from.last() else { return Ok(()) };
        let mut parts = Parts::default();
        let mut arguments = MySqlArguments::default();
        let mut values = Vec::with_capacity(self.encoders.len());
        for (at, (&cell, &encoder)) in batch.row(*row).iter().zip(&self.encoders).enumerate() {
            let refused = |why: &str| refused(batch, *row, at, why);
            let parameter = encoder.bind(batch, cell).map_err(refused)?;
            if let Some(value) = apart::long_value(encoder, cell) {
                let sent = parts.send(self.connection, encoder, batch, value).await;
                values.push(sent.map_err(|e| self.failed(&e, group))?);
            } else {
                arguments.add(parameter).map_err(|e| refused(&e.to_string()))?;
                values.push(self.insert.marks[at].to_owned());
            }
        }
        let insert = self.insert.with(&values);
        let query = sqlx::query_with(AssertSqlSafe(insert), arguments).persistent(false);
        query.execute(&mut *self.connection).await.map_err(|e| self.failed(&e, group))?;
        parts.forget(self.connection).await.map_err(|e| self.failed(&e, group))
    }

    /// Notes how far the table has come, where a journal is kept.
    async fn note(&mut self, mark: Option<Mark>) -> Result<()> {
        match (self.commit, mark) {
            (Commit::Chunk(ledger), Some(mark)) => ledger.note(self.connection, self.table, mark).await,
            _ => Ok(()),
        }
    }

    /// The server's refusal, with the row's key where the server says which row it was.
    fn failed(&self, error: &sqlx::Error, group: &Group) -> Error {
        let words = fault::words(error);
        let number = words.rsplit_once("at row ").and_then(|(_, rest)| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<usize>().ok()
        });
        let key = number.and_then(|n| group.key_of(n));
        let what = key.map_or_else(|| self.what(), |key| format!("{} ({key})", self.what()));
        fault::writing(&what, error)
    }
}

pub(super) fn refused(batch: &Batch, row: usize, column: usize, why: &str) -> Error {
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

/// Where a column's parameter stands. The driver does not know the type that the server gives to one for a VECTOR.
fn mark(column: &ColumnPlan) -> &'static str {
    if NativeType::parse(&column.native_type).base == "vector" { "UNHEX(?)" } else { "?" }
}

/// The INSERT of a table, for any number of rows.
struct Insert {
    head: String,
    marks: Vec<&'static str>,
    last: Option<(usize, Arc<str>)>,
}

impl Insert {
    fn new(table: &str, columns: &[String], marks: Vec<&'static str>) -> Self {
        let head = format!("INSERT INTO {} ({}) VALUES ", quote(table), columns.join(","));
        Self { head, marks, last: None }
    }

    /// Of one row with these expressions for its values.
    fn with(&self, values: &[String]) -> String {
        format!("{}({})", self.head, values.join(","))
    }

    fn of(&mut self, rows: usize) -> Arc<str> {
        if let Some((of, sql)) = &self.last
            && *of == rows
        {
            return sql.clone();
        }
        let row = format!("({})", self.marks.join(","));
        let sql: Arc<str> = format!("{}{}", self.head, vec![row.as_str(); rows].join(",")).into();
        self.last = Some((rows, sql.clone()));
        sql
    }
}

/// How many rows of a batch became parameters of statements.
#[cfg(feature = "loops")]
pub fn bound(table: &TablePlan, batch: &Batch, rows: BatchReceiver) -> Result<usize> {
    let filler = Filler::new(table, None, usize::MAX, rows)?;
    let full = full_rows(batch, filler.encoders.len());
    let mut group = Group::default();
    for row in 0..batch.rows() {
        if group.rows == full {
            group = Group::default();
        }
        filler.bind(&mut group, batch, row)?;
        group.rows += 1;
    }
    Ok(batch.rows())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::{Cell, Shape, ShapeColumn};
    use crate::model::schema::DataType;

    #[test]
    fn one_statement_for_any_number_of_rows() {
        let mut insert = Insert::new("a`b", &["`x`".into(), "`y`".into()], vec!["?", "?"]);
        assert_eq!(&*insert.of(2), "INSERT INTO `a``b` (`x`,`y`) VALUES (?,?),(?,?)");
        assert_eq!(&*insert.of(1), "INSERT INTO `a``b` (`x`,`y`) VALUES (?,?)");
    }

    fn batch(keys: std::ops::Range<i64>) -> Batch {
        let columns = vec![ShapeColumn { name: "id".into(), data_type: DataType::INT64 }];
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns, key: vec![0] }));
        keys.for_each(|k| batch.push(Cell::Int(k)));
        batch
    }

    #[test]
    fn a_row_that_the_server_counts_is_found_across_batches() {
        let from = vec![(Arc::new(batch(0..5)), 3), (Arc::new(batch(5..7)), 0)];
        let group = Group { rows: 4, from, ..Group::default() };
        let keys: Vec<_> = (0..6).map(|n| group.key_of(n)).collect();
        let id = |n: i64| Some(format!("id={n}"));
        assert_eq!(keys, [None, id(3), id(4), id(5), id(6), None]);
    }

    #[test]
    fn the_advised_packet_has_room() {
        assert_eq!(packet_for(16 * 1024 * 1024), 32 * 1024 * 1024);
        assert_eq!(packet_for(10), 8192);
    }
}
