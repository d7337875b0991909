//! Rows into PostgreSQL: `COPY … FROM STDIN`, binary where every column has a binary encoder, else as text. How a
//! cell becomes a value is in `encode`.

use sqlx::postgres::{PgConnection, PgCopyIn};

use super::encode::{Encoder, encoder, fits, put_before_long, put_binary, put_text};
use super::fault::fault;
use super::read::value_error;
use super::stage::Ledger;
use super::types::quote;
use super::wire;
use crate::engine::capability::CHUNK_BYTES;
use crate::engine::stream::BatchReceiver;
use crate::model::batch::{Batch, Span};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ColumnPlan, TablePlan};

/// Bytes that are collected before they are sent.
const BUFFER: usize = 512 * 1024;

/// Bytes after which one COPY ends and the next begins: the server tells of an error only at the end of a COPY, and
/// nobody should have to wait for the end of a large table to hear of its first row.
const SEGMENT: usize = 256 * 1024 * 1024;

/// Loads rows into `into` (a quoted name) until the road ends; returns how many. With a journal, each COPY is one
/// transaction with the mark of its last batch. After an error the session is in
/// the middle of something and has to be given up.
pub(super) async fn copy_in(
    session: &mut PgConnection,
    into: &str,
    table: &TablePlan,
    ledger: Option<&Ledger>,
    rows: &mut BatchReceiver,
) -> Result<u64> {
    let columns: Vec<&ColumnPlan> = table.copied().collect();
    if columns.is_empty() {
        while let Some(batch) = rows.recv().await {
            rows.recycle(batch);
        }
        return Ok(0);
    }
    let failed = |cause: &sqlx::Error| {
        fault(ErrorKind::Write, format!("cannot write table {}", quote(&table.name)), cause)
    };
    let has_money = columns.iter().any(|c| c.native_type == "money");
    let digits = if has_money { money_digits(session).await.map_err(|e| failed(&e))? } else { 0 };
    let encoders: Vec<Encoder> = columns.iter().map(|c| encoder(c, digits)).collect();
    let names = columns.iter().map(|c| quote(&c.name)).collect::<Vec<_>>().join(", ");
    let mut writer = Writer::new(table, columns, encoders);
    let binary = writer.binary;
    let format = if binary { "binary" } else { "text" };
    let sql = format!("COPY {into} ({names}) FROM STDIN (FORMAT {format})");
    // As text an amount is read by the rules of a locale; its units are the same in all of them.
    let by_text = has_money && !binary;
    if by_text {
        sqlx::raw_sql("SET lc_monetary TO 'C'").execute(&mut *session).await.map_err(|e| failed(&e))?;
    }
    let segment = if ledger.is_some() { CHUNK_BYTES } else { SEGMENT };
    let (mut total, mut ended) = (0, false);
    while !ended {
        if ledger.is_some() {
            // What a crash of the server takes back it takes back with its mark; the switch waits for the disk.
            let begin = "BEGIN; SET LOCAL synchronous_commit TO off";
            sqlx::raw_sql(begin).execute(&mut *session).await.map_err(|e| failed(&e))?;
        }
        let mut mark = None;
        let mut copy = session.copy_in_raw(&sql).await.map_err(|e| failed(&e))?;
        if binary {
            writer.buffer.extend_from_slice(wire::HEADER);
        }
        let (mut sent, mut count) = (0, 0);
        while sent < segment {
            let Some(batch) = rows.recv().await else {
                ended = true;
                break;
            };
            if let Err(error) = writer.batch(&batch) {
                // The server's answer to the abort says nothing that the error does not.
                let _ = copy.abort("a value was refused").await;
                return Err(error);
            }
            count += u64::try_from(batch.rows()).unwrap_or(u64::MAX);
            mark = batch.mark();
            if writer.is_full() {
                sent += writer.send(&batch, &mut copy).await.map_err(|e| failed(&e))?;
            }
            rows.recycle(batch);
        }
        if binary {
            writer.buffer.extend_from_slice(wire::TRAILER);
        }
        copy.send(writer.buffer.as_slice()).await.map_err(|e| failed(&e))?;
        writer.clear();
        let stored = copy.finish().await.map_err(|e| failed(&e))?;
        if stored != count {
            let what = format!("table {} took {stored} of {count} rows", quote(&table.name));
            return Err(Error::new(ErrorKind::Write, what)
                .next("see whether a trigger or rule of the table drops rows"));
        }
        if let Some(ledger) = ledger {
            if let Some(mark) = mark {
                ledger.note(session, &table.name, mark).await?;
            }
            sqlx::raw_sql("COMMIT").execute(&mut *session).await.map_err(|e| failed(&e))?;
        }
        total += count;
    }
    if by_text {
        sqlx::raw_sql("RESET lc_monetary").execute(session).await.map_err(|e| failed(&e))?;
    }
    Ok(total)
}

/// Fractional digits of `money` in this database.
async fn money_digits(session: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let one: i64 =
        sqlx::query_scalar("SELECT ('x' || encode(cash_send(1::numeric::money), 'hex'))::bit(64)::int8")
            .fetch_one(session)
            .await?;
    Ok(one.checked_ilog10().and_then(|digits| usize::try_from(digits).ok()).unwrap_or(2))
}

/// Turns batches into bytes.
struct Writer<'a> {
    table: &'a TablePlan,
    columns: Vec<&'a ColumnPlan>,
    encoders: Vec<Encoder>,
    binary: bool,
    buffer: Vec<u8>,
    /// Long values of the batch, each with its place in the buffer.
    long: Vec<(usize, Span)>,
}

impl<'a> Writer<'a> {
    fn new(table: &'a TablePlan, columns: Vec<&'a ColumnPlan>, encoders: Vec<Encoder>) -> Self {
        let binary = !encoders.contains(&Encoder::AsText);
        Self { table, columns, encoders, binary, buffer: Vec::with_capacity(2 * BUFFER), long: Vec::new() }
    }
}

impl Writer<'_> {
    fn is_full(&self) -> bool {
        self.buffer.len() >= BUFFER || !self.long.is_empty()
    }

    /// Sends what the buffer holds, and the long values of the batch from where they lie; returns how many bytes those
    /// were.
    async fn send(
        &mut self,
        batch: &Batch,
        copy: &mut PgCopyIn<&mut PgConnection>,
    ) -> std::result::Result<usize, sqlx::Error> {
        let (mut from, mut sent) = (0, self.buffer.len());
        for (place, span) in self.long.drain(..) {
            send(copy, &self.buffer[from..place]).await?;
            send(copy, batch.bytes(span)).await?;
            from = place;
            sent += span.len();
        }
        send(copy, &self.buffer[from..]).await?;
        self.clear();
        Ok(sent)
    }

    /// Empties the buffer and keeps its memory, unless one huge value has made it grow.
    fn clear(&mut self) {
        if self.buffer.capacity() > 16 * BUFFER {
            self.buffer = Vec::with_capacity(2 * BUFFER);
        } else {
            self.buffer.clear();
        }
    }

    fn batch(&mut self, batch: &Batch) -> Result<()> {
        let width =
            i16::try_from(self.columns.len()).map_err(|_| Error::internal("a table has too many columns"))?;
        for (row, cells) in batch.iter().enumerate() {
            if self.binary {
                self.buffer.extend_from_slice(&width.to_be_bytes());
            }
            for (at, cell) in cells.iter().enumerate() {
                let encoder = self.encoders[at];
                let done = fits(encoder, *cell, batch).and_then(|()| {
                    if self.binary {
                        match put_before_long(encoder, *cell, &mut self.buffer)? {
                            Some(span) => self.long.push((self.buffer.len(), span)),
                            None => put_binary(encoder, *cell, batch, &mut self.buffer)?,
                        }
                        Ok(())
                    } else {
                        if at > 0 {
                            self.buffer.push(b'\t');
                        }
                        put_text(encoder, *cell, batch, &mut self.buffer)
                    }
                });
                if let Err(reason) = done {
                    let (table, column) = (&self.table.name, &self.columns[at].name);
                    return Err(value_error(table, column, batch.key_of(row).as_deref(), reason));
                }
            }
            if !self.binary {
                self.buffer.push(b'\n');
            }
        }
        Ok(())
    }
}

/// The driver copies what it is given: in pieces, so that a very long value is not there once more.
async fn send(copy: &mut PgCopyIn<&mut PgConnection>, bytes: &[u8]) -> std::result::Result<(), sqlx::Error> {
    for piece in bytes.chunks(2 * BUFFER) {
        copy.send(piece).await?;
    }
    Ok(())
}

/// What a batch becomes on its way into PostgreSQL, all of it in memory.
#[cfg(feature = "loops")]
pub fn encoded(table: &TablePlan, batch: &Batch) -> Result<Vec<u8>> {
    let columns: Vec<&ColumnPlan> = table.copied().collect();
    let encoders = columns.iter().map(|column| encoder(column, 2)).collect();
    let mut writer = Writer::new(table, columns, encoders);
    writer.buffer.extend_from_slice(wire::HEADER);
    writer.batch(batch)?;
    // Long values are sent from where they lie; here they are in none of the batches.
    writer.buffer.extend_from_slice(wire::TRAILER);
    Ok(writer.buffer)
}
