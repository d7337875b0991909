//! Writing rows: one prepared INSERT of many rows, bound from the batch's bytes. Knows nothing of where the file
//! is or when its rows become visible (see `stage`).

use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, ToSql};

use super::cell;
use super::ddl::{column_list, quote};
use super::file::failure;
use super::journal;
use super::types::{self, Affinity};
use crate::engine::capability::CHUNK_BYTES;
use crate::engine::stream::BatchReceiver;
use crate::model::batch::Batch;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::mark::Mark;
use crate::model::plan::{ColumnPlan, TablePlan};
use crate::model::schema::DataType;

/// Rows of one statement; more saves nothing (`design/reference/stack.md`).
const ROWS: usize = 64;

/// Writes all rows that arrive; in transactions of its own unless one is open. With a journal each of them is a chunk
/// with its mark.
pub fn rows(
    connection: &Connection,
    table: &TablePlan,
    journaled: bool,
    receiver: &mut BatchReceiver,
) -> Result<u64> {
    let run = |sql: &str| {
        let what = || format!("cannot write table {}", quote(&table.name));
        connection.execute_batch(sql).map_err(|e| failure(ErrorKind::Write, what(), &e))
    };
    if !connection.is_autocommit() {
        return Ok(Writer::new(connection, table)?.chunk(receiver, usize::MAX)?.rows);
    }
    let most = if journaled { CHUNK_BYTES } else { usize::MAX };
    let mut written = 0;
    loop {
        run("BEGIN IMMEDIATE")?;
        let done =
            Writer::new(connection, table).and_then(|mut w| w.chunk(receiver, most)).and_then(|chunk| {
                let noted =
                    chunk.mark.filter(|_| journaled).map(|mark| journal::note(connection, &table.name, mark));
                noted.transpose().map(|_| chunk)
            });
        match done {
            Ok(chunk) => {
                run("COMMIT")?;
                written += chunk.rows;
                if chunk.ended {
                    return Ok(written);
                }
            }
            Err(error) => {
                // The error that matters is the first one.
                let _ = connection.execute_batch("ROLLBACK");
                return Err(error);
            }
        }
    }
}

/// What one transaction has taken in.
struct Chunk {
    rows: u64,
    mark: Option<Mark>,
    /// The road has ended with it.
    ended: bool,
}

struct Writer<'a> {
    connection: &'a Connection,
    table: &'a TablePlan,
    columns: Vec<Column<'a>>,
    many: Statement<'a>,
    one: Statement<'a>,
    rows_of_many: usize,
    scratch: String,
}

struct Column<'a> {
    name: &'a str,
    carries: &'a DataType,
    affinity: Affinity,
}

impl<'a> Column<'a> {
    fn of(column: &'a ColumnPlan) -> Self {
        Self { name: &column.name, carries: &column.carries, affinity: types::affinity(&column.native_type) }
    }
}

impl<'a> Writer<'a> {
    fn new(connection: &'a Connection, table: &'a TablePlan) -> Result<Self> {
        let failed = |e: rusqlite::Error| {
            failure(ErrorKind::Write, format!("cannot write table {}", quote(&table.name)), &e)
        };
        let columns: Vec<Column<'a>> = table.copied().map(Column::of).collect();
        let variables = connection.limit(Limit::SQLITE_LIMIT_VARIABLE_NUMBER).map_err(failed)?;
        let variables = usize::try_from(variables).unwrap_or(1);
        let rows_of_many = (variables / columns.len().max(1)).clamp(1, ROWS);
        let prepare = |rows: usize| connection.prepare(&insert(table, rows)).map_err(failed);
        let (many, one) = (prepare(rows_of_many)?, prepare(1)?);
        Ok(Self { connection, table, columns, many, one, rows_of_many, scratch: String::new() })
    }

    /// Takes batches until they have come to `most` bytes, or the road ends.
    fn chunk(&mut self, receiver: &mut BatchReceiver, most: usize) -> Result<Chunk> {
        let mut chunk = Chunk { rows: 0, mark: None, ended: false };
        let mut bytes = 0;
        while bytes < most {
            let Some(batch) = receiver.blocking_recv() else {
                chunk.ended = true;
                break;
            };
            let rows = batch.rows();
            chunk.rows += u64::try_from(rows).unwrap_or(0);
            chunk.mark = batch.mark();
            bytes += batch.byte_size();
            let last = if batch.is_large() { rows.saturating_sub(1) } else { rows };
            let mut at = 0;
            while at < last {
                let take = if last - at >= self.rows_of_many { self.rows_of_many } else { 1 };
                self.some(&batch, at, take)?;
                at += take;
            }
            if last < rows {
                self.last_of_large(batch, receiver)?;
            } else {
                receiver.recycle(batch);
            }
        }
        Ok(chunk)
    }

    /// Writes the row that made a batch large. SQLite copies what is bound, and once more into the row: by then the
    /// batch's own is gone.
    fn last_of_large(&mut self, mut batch: Batch, receiver: &BatchReceiver) -> Result<()> {
        let row = batch.rows() - 1;
        self.bind(&batch, row, 1)?;
        let place = place(self.table, &batch, row);
        batch.drop_rows();
        self.one.raw_execute().map_err(|e| refused(&place, &e))?;
        self.one.clear_bindings();
        receiver.recycle(batch);
        Ok(())
    }

    fn bind(&mut self, batch: &Batch, first: usize, rows: usize) -> Result<()> {
        let statement = if rows == 1 { &mut self.one } else { &mut self.many };
        let mut parameter = 0;
        for row in first..first + rows {
            for (column, cell) in self.columns.iter().zip(batch.row(row)) {
                let stored = cell::store(batch, *cell, column.carries, column.affinity, &mut self.scratch)
                    .map_err(|why| unfit(self.table, column.name, batch, row, why))?;
                parameter += 1;
                statement
                    .raw_bind_parameter(parameter, Bound(stored))
                    .map_err(|e| refused(&place(self.table, batch, row), &e))?;
            }
        }
        Ok(())
    }

    fn some(&mut self, batch: &Batch, first: usize, rows: usize) -> Result<()> {
        self.bind(batch, first, rows)?;
        let statement = if rows == 1 { &mut self.one } else { &mut self.many };
        match statement.raw_execute() {
            Ok(_) => Ok(()),
            Err(e) if rows == 1 => Err(refused(&place(self.table, batch, first), &e)),
            Err(e) => {
                // SQLite has taken the whole statement back: row by row it says which one it was. After an error of the
                // disk it has taken back the transaction, and what is written then would stay.
                let mut alone = first..first + rows;
                while !self.connection.is_autocommit()
                    && let Some(row) = alone.next()
                {
                    self.some(batch, row, 1)?;
                }
                Err(failure(ErrorKind::Write, format!("cannot write table {}", quote(&self.table.name)), &e))
            }
        }
    }
}

fn insert(table: &TablePlan, rows: usize) -> String {
    let names: Vec<String> = table.copied().map(|c| c.name.clone()).collect();
    let row = format!("({})", vec!["?"; names.len()].join(", "));
    let values = vec![row; rows].join(", ");
    format!("INSERT INTO main.{} ({}) VALUES {values}", quote(&table.name), column_list(&names))
}

pub(super) fn unfit(table: &TablePlan, column: &str, batch: &Batch, row: usize, why: &str) -> Error {
    let place = place(table, batch, row);
    Error::new(ErrorKind::Value, format!("the value of {} in {place} {why}", quote(column)))
        .next("correct the row in the source, or leave the table out with --exclude")
}

fn refused(place: &str, error: &rusqlite::Error) -> Error {
    failure(ErrorKind::Write, format!("cannot write {place}"), error)
}

fn place(table: &TablePlan, batch: &Batch, row: usize) -> String {
    let key = batch.key_of(row).map(|key| format!(", row {key}")).unwrap_or_default();
    format!("table {}{key}", quote(&table.name))
}

/// A value on its way into a parameter; bytes are bound as they are, whether valid UTF-8 or not.
struct Bound<'a>(ValueRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}
