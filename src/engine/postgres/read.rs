//! Rows out of PostgreSQL: `COPY (SELECT …) TO STDOUT (FORMAT binary)`, decoded column by column straight into a
//! batch. A value that its column's cells cannot hold exactly is an error that names table, column and key.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::fault;
use super::types::{quote, split_type};
use super::wire::{self, Reason};
use crate::engine::capability::{ReadColumn, ReadRequest};
use crate::engine::condition::selection;
use crate::engine::judge::Misfits;
use crate::engine::stream::BatchSender;
use crate::model::batch::{Batch, Cell, LONG_VALUE_BYTES};
use crate::model::codes;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::policy::Decision;
use crate::model::schema::DataType;

const NOT_UTF8: Reason = "is no valid UTF-8";

/// How the bytes of a column become cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Bool,
    Int,
    /// An integer that may lie beyond `bigint`.
    NumericInt,
    Float,
    Numeric,
    Text,
    /// `char(n)`: the blanks that fill it up are no part of the value.
    PaddedText,
    Jsonb,
    Bytes,
    Date,
    Time,
    Span,
    DateTime,
    Timestamp,
    Uuid,
    Bits,
}

/// What to select for a column, and how to read it. Anything that has no binary reader is cast on the server to a
/// type that has one; types without a neutral form become their text.
fn plan(column: &ReadColumn) -> (String, Decoder) {
    let name = quote(&column.name);
    let native = split_type(&column.native_type).0;
    let native = native.as_str();
    let as_is = |decoder| (name.clone(), decoder);
    let cast = |to: &str, decoder| (format!("{name}::{to}"), decoder);
    match &column.carries {
        DataType::Bool if native == "boolean" => as_is(Decoder::Bool),
        DataType::Bool => cast("boolean", Decoder::Bool),
        DataType::Int { .. } | DataType::Year => match native {
            "smallint" | "integer" | "bigint" => as_is(Decoder::Int),
            "oid" => cast("bigint", Decoder::Int),
            "numeric" => as_is(Decoder::NumericInt),
            _ => cast("numeric", Decoder::NumericInt),
        },
        DataType::Float32 | DataType::Float64 => match native {
            "real" | "double precision" => as_is(Decoder::Float),
            _ => cast("double precision", Decoder::Float),
        },
        DataType::Decimal { .. } if native == "numeric" => as_is(Decoder::Numeric),
        // Cast at once it would be rounded to 15 digits.
        DataType::Decimal { .. } if native == "double precision" => cast("text::numeric", Decoder::Numeric),
        DataType::Decimal { .. } => cast("numeric", Decoder::Numeric),
        DataType::Json { .. } if native == "jsonb" => as_is(Decoder::Jsonb),
        DataType::Text { .. } if native == "character" => as_is(Decoder::PaddedText),
        DataType::Text { .. } | DataType::Json { .. } | DataType::Enum { .. } | DataType::Set { .. } => {
            let is_text = matches!(native, "text" | "character varying" | "name" | "json" | "citext");
            if is_text || native.starts_with('"') && native != "\"char\"" {
                as_is(Decoder::Text)
            } else {
                cast("text", Decoder::Text)
            }
        }
        DataType::Bytes { .. } if native == "bytea" => as_is(Decoder::Bytes),
        DataType::Bytes { .. } => cast("bytea", Decoder::Bytes),
        DataType::Date => cast("date", Decoder::Date),
        DataType::Time { .. } => cast("time", Decoder::Time),
        DataType::TimeSpan { .. } => cast("interval", Decoder::Span),
        DataType::DateTime { .. } => cast("timestamp", Decoder::DateTime),
        DataType::Timestamp { .. } => cast("timestamptz", Decoder::Timestamp),
        DataType::Uuid => cast("uuid", Decoder::Uuid),
        DataType::Bit { .. } if native.starts_with("bit") => as_is(Decoder::Bits),
        DataType::Bit { .. }
        | DataType::TimeTz
        | DataType::Interval
        | DataType::Native { .. }
        | DataType::Any => cast("text", Decoder::Text),
    }
}

/// Reads `from` (a quoted name, with ONLY where children are tables of their own) to its end. After an error the
/// session is in the middle of something, or under a limit, and has to be given up.
pub(super) async fn copy_out(
    session: &mut PgConnection,
    from: &str,
    request: &ReadRequest,
    to: &BatchSender,
) -> Result<()> {
    if request.columns.is_empty() {
        return Ok(());
    }
    let (selected, decoders): (Vec<_>, Vec<_>) = request.columns.iter().map(plan).unzip();
    let condition = selection(request, quote);
    let sql =
        format!("COPY (SELECT {} FROM {from}{condition}) TO STDOUT (FORMAT binary)", selected.join(", "));
    let failed = |cause: &sqlx::Error| {
        let kind = fault::within(ErrorKind::Read, request.within, cause);
        fault::fault(kind, format!("cannot read table {}", quote(&request.table)), cause)
    };
    limit(session, request.within).await.map_err(|e| failed(&e))?;
    let mut stream = session.copy_out_raw(&sql).await.map_err(|e| failed(&e))?;
    let mut rows = wire::Rows::default();
    let mut had_long = false;
    let mut filler = Filler::new(request, &decoders, to);
    while let Some(chunk) = stream.try_next().await.map_err(|e| failed(&e))? {
        rows.feed(&chunk, |fields| filler.row(fields, &chunk)).map_err(|f| f.into_error(&request.table))?;
        had_long |= chunk.len() >= LONG_VALUE_BYTES;
        drop(chunk);
        if filler.is_full() {
            to.send(std::mem::replace(&mut filler.batch, to.fresh())).await?;
        }
    }
    if !rows.is_complete() {
        return Err(Error::new(
            ErrorKind::Lost,
            format!("the rows of table {} ended in the middle", quote(&request.table)),
        ));
    }
    if !filler.batch.is_empty() {
        to.send(filler.batch).await?;
    }
    drop(stream);
    if had_long {
        // The driver keeps the buffer of its longest message until there is a message after this.
        session.shrink_buffers();
        session.ping().await.map_err(|e| failed(&e))?;
    }
    unlimit(session, request.within).await.map_err(|e| failed(&e))
}

/// Limits the time of each statement of a session from now on.
pub(super) async fn limit(session: &mut PgConnection, within: Option<Duration>) -> Result<(), sqlx::Error> {
    let Some(within) = within else { return Ok(()) };
    // 0 would be no limit at all.
    let millis = within.as_millis().max(1);
    let sql = format!("SET statement_timeout = {millis}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(session).await.map(drop)
}

/// Takes the limit away again.
pub(super) async fn unlimit(session: &mut PgConnection, within: Option<Duration>) -> Result<(), sqlx::Error> {
    if within.is_none() {
        return Ok(());
    }
    sqlx::raw_sql("SET statement_timeout = 0").execute(session).await.map(drop)
}

/// Why a row could not be taken.
enum RowFault {
    /// What arrived is not what the protocol says.
    Wire(Reason),
    /// A value is not what the column says.
    Value(Error),
}

impl From<Reason> for RowFault {
    fn from(reason: Reason) -> Self {
        Self::Wire(reason)
    }
}

impl RowFault {
    fn into_error(self, table: &str) -> Error {
        match self {
            Self::Wire(reason) => {
                Error::new(ErrorKind::Read, format!("cannot read table {}", quote(table))).why(reason)
            }
            Self::Value(error) => error,
        }
    }
}

/// Fills one batch after the other.
struct Filler<'a> {
    request: &'a ReadRequest,
    decoders: &'a [Decoder],
    batch: Batch,
    scratch: String,
    misfits: Misfits<'a>,
}

impl<'a> Filler<'a> {
    fn new(request: &'a ReadRequest, decoders: &'a [Decoder], to: &'a BatchSender) -> Self {
        let (batch, misfits) = (to.fresh(), Misfits::on(to));
        Self { request, decoders, batch, scratch: String::new(), misfits }
    }
}

impl Filler<'_> {
    fn is_full(&self) -> bool {
        self.batch.rows() >= self.request.batch_rows || self.batch.byte_size() >= self.request.batch_bytes
    }

    /// Takes a row whole, so that its key is known when one of its values is refused. Long values of it stay in `chunk`
    /// if that is where they are.
    fn row(&mut self, mut fields: wire::Fields<'_>, chunk: &Bytes) -> Result<(), RowFault> {
        let mut refused = None;
        for (at, decoder) in self.decoders.iter().enumerate() {
            let value = fields.next().ok_or("a row has too few values")?;
            let Some(bytes) = value else {
                self.batch.push(Cell::Null);
                continue;
            };
            let decoded = match long(bytes, chunk) {
                Some(long) => decode_long(*decoder, long, &mut self.batch, &mut self.scratch),
                None => decode(*decoder, bytes, &mut self.batch, &mut self.scratch),
            };
            let Err(reason) = decoded else { continue };
            match code_of(*decoder, reason).map_or(Decision::Stop, |code| self.misfits.ask(at, code)) {
                Decision::Convert if matches!(*decoder, Decoder::Text | Decoder::PaddedText) => {
                    self.batch.push_text(&String::from_utf8_lossy(bytes));
                }
                Decision::Reject | Decision::Convert => self.batch.push(Cell::Null),
                Decision::Stop | Decision::Accept => {
                    self.batch.push(Cell::Null);
                    refused.get_or_insert((at, reason));
                }
            }
        }
        let Some((at, reason)) = refused else {
            let last = self.batch.rows().saturating_sub(1);
            return self
                .misfits
                .settle(&mut self.batch, |batch| batch.row_key(last))
                .map_err(RowFault::Value);
        };
        let key = self.batch.key_of(self.batch.rows().saturating_sub(1));
        let column = &self.request.columns[at].name;
        Err(RowFault::Value(value_error(&self.request.table, column, key.as_deref(), reason)))
    }
}

/// The code of a value that its column's cells cannot hold; `None` for what no value of that type can be.
fn code_of(decoder: Decoder, reason: Reason) -> Option<&'static str> {
    match decoder {
        Decoder::Text | Decoder::PaddedText if reason == NOT_UTF8 => Some(codes::INVALID_UTF8),
        Decoder::Date | Decoder::DateTime | Decoder::Timestamp | Decoder::Span => Some(codes::DATETIME_RANGE),
        Decoder::NumericInt => Some(codes::INTEGER_RANGE),
        _ => None,
    }
}

/// The error about one value: where it is and what is wrong with it, never the value.
pub(super) fn value_error(table: &str, column: &str, key: Option<&str>, reason: Reason) -> Error {
    let row = key.map_or_else(|| "a row without a key".to_owned(), |key| format!("the row with {key}"));
    let what = format!("column {} of table {}: a value {reason}", quote(column), quote(table));
    Error::new(ErrorKind::Value, what)
        .why(format!("it is in {row}"))
        .next("correct the row, or leave the table out")
}

/// Appends exactly one cell, or nothing and the reason.
fn decode(decoder: Decoder, bytes: &[u8], batch: &mut Batch, scratch: &mut String) -> Result<(), Reason> {
    match decoder {
        Decoder::Bool => match bytes {
            [0] => batch.push(Cell::Bool(false)),
            [1] => batch.push(Cell::Bool(true)),
            _ => return Err("is no boolean"),
        },
        Decoder::Int => batch.push(Cell::Int(wire::integer(bytes)?)),
        Decoder::NumericInt => {
            wire::numeric(bytes, scratch)?;
            let whole = scratch.split_once('.').map_or(scratch.as_str(), |(whole, rest)| {
                if rest.bytes().all(|b| b == b'0') { whole } else { "" }
            });
            if let Ok(value) = whole.parse::<i64>() {
                batch.push(Cell::Int(value));
            } else {
                batch.push_unsigned(whole.parse().map_err(|_| "is no integer of 64 bits")?);
            }
        }
        Decoder::Float => batch.push(Cell::Float(wire::float(bytes)?)),
        Decoder::Numeric => {
            wire::numeric(bytes, scratch)?;
            batch.push_decimal(scratch);
        }
        Decoder::Text => push_text(bytes, batch)?,
        Decoder::PaddedText => {
            let end = bytes.iter().rposition(|b| *b != b' ').map_or(0, |at| at + 1);
            push_text(&bytes[..end], batch)?;
        }
        Decoder::Jsonb => match bytes {
            [1, text @ ..] => push_text(text, batch)?,
            _ => return Err("is jsonb of an unknown version"),
        },
        Decoder::Bytes => batch.push_bytes(bytes),
        Decoder::Date => batch.push(Cell::Date(wire::date(bytes)?)),
        Decoder::Time => batch.push(Cell::Time(wire::integer(bytes)?)),
        Decoder::Span => batch.push(Cell::Time(wire::span(bytes)?)),
        Decoder::DateTime => batch.push(Cell::DateTime(wire::timestamp(bytes)?)),
        Decoder::Timestamp => batch.push(Cell::Timestamp(wire::timestamp(bytes)?)),
        Decoder::Uuid => batch.push_uuid(bytes.try_into().map_err(|_| "is no UUID")?),
        Decoder::Bits => {
            wire::bits(bytes, scratch)?;
            batch.push_text(scratch);
        }
    }
    Ok(())
}

/// A long value in the chunk that it came in.
fn long(bytes: &[u8], chunk: &Bytes) -> Option<Bytes> {
    if bytes.len() < LONG_VALUE_BYTES {
        return None;
    }
    let start = bytes.as_ptr().addr().checked_sub(chunk.as_ptr().addr())?;
    (start + bytes.len() <= chunk.len()).then(|| chunk.slice(start..start + bytes.len()))
}

/// The same as [`decode`] for a value that may keep its buffer.
fn decode_long(
    decoder: Decoder,
    bytes: Bytes,
    batch: &mut Batch,
    scratch: &mut String,
) -> Result<(), Reason> {
    let text = match decoder {
        Decoder::Text => bytes,
        Decoder::Jsonb if bytes[0] == 1 => bytes.slice(1..),
        Decoder::Bytes => {
            batch.push_long_bytes(bytes);
            return Ok(());
        }
        _ => return decode(decoder, &bytes, batch, scratch),
    };
    if batch.try_push_long_text(text) { Ok(()) } else { Err(NOT_UTF8) }
}

fn push_text(bytes: &[u8], batch: &mut Batch) -> Result<(), Reason> {
    if batch.try_push_text(bytes) { Ok(()) } else { Err(NOT_UTF8) }
}

/// The first columns of a row, all of them text, as the values of a key's columns, for messages: `a=1, b=x`.
pub(super) fn key_text(columns: &[String], row: &PgRow) -> std::result::Result<String, sqlx::Error> {
    let part = |(at, name): (usize, &String)| {
        let value: Option<String> = row.try_get(at)?;
        Ok(format!("{name}={}", value.unwrap_or_else(|| "NULL".into())))
    };
    let parts: std::result::Result<Vec<String>, sqlx::Error> = columns.iter().enumerate().map(part).collect();
    Ok(parts?.join(", "))
}

/// Rows out of what a binary COPY has sent.
#[cfg(feature = "loops")]
pub fn decoded(request: &ReadRequest, chunk: &Bytes, to: &BatchSender) -> Result<Batch> {
    let (_, decoders): (Vec<_>, Vec<_>) = request.columns.iter().map(plan).unzip();
    let mut filler = Filler::new(request, &decoders, to);
    let fed = wire::Rows::default().feed(chunk, |fields| filler.row(fields, chunk));
    fed.map_err(|fault: RowFault| fault.into_error(&request.table))?;
    Ok(filler.batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Dialect;

    fn planned(carries: DataType, native: &str) -> (String, Decoder) {
        plan(&ReadColumn { name: "c".into(), native_type: native.into(), carries, epoch: None })
    }

    #[test]
    fn long_values_keep_the_buffer_that_they_came_in() {
        let chunk = Bytes::from(vec![b'1'; LONG_VALUE_BYTES + 9]);
        let field = &chunk[5..LONG_VALUE_BYTES + 6];
        let kept = long(field, &chunk).unwrap();
        assert_eq!((kept.as_ptr(), kept.len()), (field.as_ptr(), field.len()));
        assert_eq!(long(&chunk[1..9], &chunk), None);
        assert_eq!(long(&vec![b'1'; LONG_VALUE_BYTES], &chunk), None);
    }

    #[test]
    fn only_what_needs_it_is_cast() {
        let native = DataType::Native { dialect: Dialect::Postgres, name: "inet".into() };
        let decimal = DataType::Decimal { precision: None, scale: None };
        let label = DataType::Enum { name: Some("mood".into()), labels: vec![] };
        for (carries, from, sql, decoder) in [
            (DataType::INT32, "integer", "\"c\"", Decoder::Int),
            (DataType::Int { bits: 64, unsigned: true }, "numeric(20)", "\"c\"", Decoder::NumericInt),
            (DataType::TEXT, "character varying(9)", "\"c\"", Decoder::Text),
            (
                DataType::Text { max_chars: Some(2), fixed: true },
                "character(2)",
                "\"c\"",
                Decoder::PaddedText,
            ),
            (DataType::TEXT, "\"char\"", "\"c\"::text", Decoder::Text),
            (label, "\"mood\"", "\"c\"", Decoder::Text),
            (native, "inet", "\"c\"::text", Decoder::Text),
            (decimal.clone(), "money", "\"c\"::numeric", Decoder::Numeric),
            (decimal, "numeric(5,2)", "\"c\"", Decoder::Numeric),
            (DataType::Interval, "interval", "\"c\"::text", Decoder::Text),
            (DataType::Json { binary: true }, "jsonb", "\"c\"", Decoder::Jsonb),
            (DataType::Bit { length: Some(3), varying: false }, "bit(3)", "\"c\"", Decoder::Bits),
        ] {
            assert_eq!(planned(carries, from), (sql.to_owned(), decoder), "{from}");
        }
    }
}
