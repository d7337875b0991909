//! From MySQL's rows to cells, and the consistent view that a source is read through.
//! The text protocol carries every value exactly but FLOAT, which it shows with six digits: that one is read as a
//! double. No value becomes an object of its own on the way.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, MySqlConnection, Row, ValueRef};
use tokio::sync::{Mutex, Semaphore};

use super::connection::{Link, number, rows, statement};
use super::decode::Decoder;
use super::native::NativeType;
use super::types::{self, literal, quote};
use super::{backup, fault, inspect, instant, profile};
use crate::engine::backup::NativeOrder;
use crate::engine::capability::{Facts, Matching, Orphans, ReadColumn, ReadRequest, Snapshot};
use crate::engine::condition::{selection, where_clause};
use crate::engine::judge::Misfits;
use crate::engine::stream::BatchSender;
use crate::model::batch::{Batch, Cell};
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, TableProfile};
use crate::model::policy::Decision;
use crate::model::schema::{DataType, Table};

/// A table's columns, ready to be read.
struct Reader<'a> {
    request: &'a ReadRequest,
    decoders: Vec<Decoder>,
    /// Columns in front of the table's own.
    skipped: usize,
    sql: String,
}

impl<'a> Reader<'a> {
    fn new(request: &'a ReadRequest) -> Result<Self> {
        let mut decoders = Vec::with_capacity(request.columns.len());
        let mut list = Vec::with_capacity(request.columns.len() + 1);
        for column in &request.columns {
            let decoder = Decoder::of(column).ok_or_else(|| {
                Error::internal(format!(
                    "column \"{}\" of table \"{}\" has no type",
                    column.name, request.table
                ))
            })?;
            let name = quote(&column.name);
            list.push(match decoder {
                Decoder::Single => format!("{name} + 0e0"),
                // The driver does not know the type's number.
                Decoder::Text if NativeType::parse(&column.native_type).base == "vector" => {
                    format!("LOWER(HEX({name}))")
                }
                _ => name,
            });
            decoders.push(decoder);
        }
        // sqlx takes a row for the end of all rows if its first value has 16 MiB or more.
        let long = matches!(decoders.first(), None | Some(Decoder::Text | Decoder::Bytes | Decoder::Hex));
        if long {
            list.insert(0, "0".into());
        }
        let condition = selection(request, quote);
        let select = select_within(request.within);
        let sql = format!("{select} {} FROM {}{condition}", list.join(", "), quote(&request.table));
        Ok(Self { request, decoders, skipped: usize::from(long), sql })
    }

    fn push(&self, row: &impl Fields, batch: &mut Batch, misfits: &mut Misfits<'_>) -> Result<()> {
        for (at, decoder) in self.decoders.iter().enumerate() {
            let column = &self.request.columns[at];
            match row.field(at + self.skipped) {
                None => batch.push(Cell::Null),
                Some(bytes) => {
                    if !decoder.push(column, bytes, batch) {
                        match (misfits.ask(at, decoder.misfit()), decoder) {
                            (Decision::Reject, _)
                            | (Decision::Convert, Decoder::Date | Decoder::DateTime | Decoder::Label) => {
                                batch.push(Cell::Null);
                            }
                            (Decision::Convert, Decoder::Bool) => batch.push(Cell::Bool(true)),
                            (Decision::Convert, Decoder::Text) => {
                                batch.push_text(&String::from_utf8_lossy(bytes));
                            }
                            _ => return Err(self.unfit(column, *decoder, bytes, row)),
                        }
                    }
                }
            }
        }
        misfits.settle(batch, |batch| batch.row_key(batch.rows().saturating_sub(1)))
    }

    /// A value that its column should not be able to hold; the message holds everything but the value.
    fn unfit(&self, column: &ReadColumn, decoder: Decoder, bytes: &[u8], row: &impl Fields) -> Error {
        let zero = matches!(decoder, Decoder::Date | Decoder::DateTime) && bytes.get(..4).is_some();
        let why = match decoder {
            Decoder::Date | Decoder::DateTime if zero => {
                "holds a date that no calendar has, such as 0000-00-00: the server takes those unless it is strict"
            }
            Decoder::Bool => "holds a number other than 0 and 1 in a column of truth values",
            Decoder::Label => "holds the empty text that stands for a label which is not there",
            Decoder::Text => "holds bytes that are no UTF-8 text",
            Decoder::Uuid => "holds text that is no UUID",
            _ => "holds a value that its declared type does not describe",
        };
        let key = self.key_of(row).map(|k| format!(" ({k})")).unwrap_or_default();
        let what = format!("table \"{}\", column \"{}\"{key}: {why}", self.request.table, column.name);
        Error::new(ErrorKind::Value, what)
            .next("correct this value in the source, then run the same command again")
    }

    fn key_of(&self, row: &impl Fields) -> Option<String> {
        let part = |name: &String| {
            let at = self.request.columns.iter().position(|c| c.name == *name)?;
            let text: String =
                String::from_utf8_lossy(row.field(at + self.skipped)?).chars().take(60).collect();
            Some(format!("{name}={text}"))
        };
        let parts: Vec<String> = self.request.key.iter().filter_map(part).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// SELECT with a limit on the time of this one statement: each server reads the words for it and takes those of the
/// other one for a comment.
fn select_within(limit: Option<Duration>) -> String {
    let Some(limit) = limit else { return "SELECT".into() };
    let (seconds, millis) = (limit.as_secs_f64(), limit.as_millis());
    format!(
        "/*M! SET STATEMENT max_statement_time = {seconds:.3} FOR */ SELECT /*+ MAX_EXECUTION_TIME({millis}) */"
    )
}

/// A row of the text protocol.
trait Fields {
    /// Bytes of a value; `None` is NULL.
    fn field(&self, at: usize) -> Option<&[u8]>;
}

impl Fields for MySqlRow {
    fn field(&self, at: usize) -> Option<&[u8]> {
        let value = self.try_get_raw(at).ok()?;
        // `is_null` also means the zero date of the binary protocol; in text a value is a value.
        if value.is_null() { None } else { <&[u8] as Decode<MySql>>::decode(value).ok() }
    }
}

#[cfg(feature = "loops")]
impl Fields for Vec<Option<Vec<u8>>> {
    fn field(&self, at: usize) -> Option<&[u8]> {
        self.get(at)?.as_deref()
    }
}

/// Rows out of values that the driver has already cut out of the server's answer.
#[cfg(feature = "loops")]
pub fn decoded(request: &ReadRequest, rows: &[Vec<Option<Vec<u8>>>], to: &BatchSender) -> Result<Batch> {
    let reader = Reader { skipped: 0, ..Reader::new(request)? };
    let (mut batch, mut misfits) = (to.fresh(), Misfits::on(to));
    rows.iter().try_for_each(|row| reader.push(row, &mut batch, &mut misfits))?;
    Ok(batch)
}

/// Reads a table into batches; the contract is that of [`Snapshot::read`].
pub async fn read(connection: &mut MySqlConnection, request: &ReadRequest, to: &BatchSender) -> Result<()> {
    read_rows(connection, request, "", to).await
}

/// Reads the rows of a table that what may follow its name (an alias, a WHERE) admits.
pub async fn read_rows(
    connection: &mut MySqlConnection,
    request: &ReadRequest,
    filter: &str,
    to: &BatchSender,
) -> Result<()> {
    let mut reader = Reader::new(request)?;
    reader.sql.push_str(filter);
    let what = format!("table \"{}\"", request.table);
    let mut batch = to.fresh();
    let mut misfits = Misfits::on(to);
    let mut stream = statement(&reader.sql).fetch(connection);
    while let Some(row) = stream.try_next().await.map_err(|e| fault::reading(&what, &e))? {
        reader.push(&row, &mut batch, &mut misfits)?;
        drop(row);
        if batch.rows() >= request.batch_rows || batch.byte_size() >= request.batch_bytes {
            let full = std::mem::replace(&mut batch, to.fresh());
            to.send(full).await?;
        }
    }
    if batch.is_empty() { Ok(()) } else { to.send(batch).await }
}

/// Counts the rows for which a condition is true, and names some.
async fn matching(connection: &mut MySqlConnection, table: &Table, condition: &str) -> Result<Matching> {
    let what = format!("table \"{}\"", table.name);
    let refused = |e: Error| {
        if e.kind() != ErrorKind::Read {
            return e;
        }
        Error::new(ErrorKind::Usage, format!("the server does not take the condition for {what}"))
            .why(e.reason().unwrap_or_default())
            .next("a condition is an expression of the source over the columns of the table")
    };
    let from = format!("FROM {}{}", quote(&table.name), where_clause(condition));
    let count = number(connection, &what, &format!("SELECT COUNT(*) {from}")).await.map_err(refused)?;
    let columns = table.key_columns();
    if columns.is_empty() || count == 0 {
        return Ok(Matching { rows: count, keys: Vec::new() });
    }
    let list = columns.iter().map(|c| quote(c)).collect::<Vec<_>>().join(", ");
    let named = rows(connection, &what, &format!("SELECT {list} {from} LIMIT 5")).await?;
    Ok(Matching { rows: count, keys: named.iter().map(|row| row.key(&columns)).collect() })
}

/// One instant of a source, seen by one or more connections.
pub struct View {
    link: Link,
    flavour: Flavour,
    /// Version of the server, its first number.
    major: u32,
    /// Whether its TIMESTAMP goes on after 2038.
    late_instants: bool,
    idle: Mutex<Vec<MySqlConnection>>,
    free: Arc<Semaphore>,
    readers: usize,
}

impl View {
    /// Opens the view. Several connections see the same instant only if all writing rests while they begin, which
    /// takes the right to say so; without it, or when that takes longer than two seconds, there is one.
    pub async fn open(link: &Link, facts: &Facts, readers: usize) -> Result<Self> {
        let mut connections = instant::of(link, facts.flavour, readers).await?;
        hold_definitions(&mut connections[0]).await?;
        let readers = connections.len();
        Ok(Self {
            link: link.clone(),
            flavour: facts.flavour,
            major: facts.version_number.0,
            late_instants: types::late_instants(facts.flavour, facts.version_number),
            idle: Mutex::new(connections),
            free: Arc::new(Semaphore::new(readers)),
            readers,
        })
    }
}

/// Touches every table, so that nobody can change its definition while the view lasts; a table that was not touched
/// could be dropped or renamed under it.
async fn hold_definitions(connection: &mut MySqlConnection) -> Result<()> {
    let list = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN \
                ('BASE TABLE', 'SYSTEM VERSIONED')";
    let tables: Vec<String> =
        rows(connection, "the list of tables", list).await?.iter().map(|r| r.word(0)).collect();
    for some in tables.chunks(100) {
        let touch: Vec<String> = some.iter().map(|t| format!("SELECT 1 FROM {} LIMIT 0", quote(t))).collect();
        rows(connection, "the source's tables", &touch.join("; ")).await?;
    }
    Ok(())
}

#[async_trait]
impl Snapshot for View {
    fn readers(&self) -> usize {
        self.readers
    }

    async fn estimate(&self, table: &str) -> Result<Option<u64>> {
        self.with(async |connection| inspect::estimate(connection, table).await).await
    }

    async fn count(&self, table: &str) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", quote(table));
        self.with(async |connection| number(connection, &format!("table \"{table}\""), &sql).await).await
    }

    async fn profile(&self, table: &Table, target: Dialect, condition: Option<&str>) -> Result<TableProfile> {
        self.with(async |connection| {
            profile::table(connection, table, (target, self.late_instants), condition).await
        })
        .await
    }

    async fn matching(&self, table: &Table, condition: &str) -> Result<Matching> {
        self.with(async |connection| matching(connection, table, condition).await).await
    }

    /// Whatever the text protocol sends.
    async fn columns(&self, view: &str) -> Result<Vec<ReadColumn>> {
        let sql = format!(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = {} \
             ORDER BY ordinal_position",
            literal(view)
        );
        let what = format!("view \"{view}\"");
        self.with(async |connection| {
            let names = rows(connection, &what, &sql).await?;
            Ok(names.iter().map(|row| ReadColumn::untyped(row.word(0), DataType::BYTES)).collect())
        })
        .await
    }

    async fn orphans(&self, plan: &Plan) -> Result<Vec<Orphans>> {
        self.with(async |connection| profile::orphans(connection, plan).await).await
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        self.with(async |connection| read(connection, request, &to).await).await
    }

    /// The program has a view of its own; this one keeps the definitions of the tables as they are meanwhile.
    async fn native_backup(&self, order: &NativeOrder) -> Result<()> {
        backup::dump(&self.link, self.flavour, self.major, order).await
    }

    async fn close(self: Box<Self>) {
        for connection in self.idle.into_inner() {
            // The view is over either way, and the server notices a closed connection by itself.
            let _ = sqlx::Connection::close(connection).await;
        }
    }
}

impl View {
    /// Lends a connection that nobody else uses.
    async fn with<T>(&self, work: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T>) -> Result<T> {
        let _permit = self.free.acquire().await.map_err(|e| Error::internal("the view is closed").why(e))?;
        let lent = self.idle.lock().await.pop();
        let mut connection = lent.ok_or_else(|| Error::internal("the view has no connection left"))?;
        let done = work(&mut connection).await;
        self.idle.lock().await.push(connection);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(carries: DataType, native_type: &str) -> ReadColumn {
        ReadColumn { name: "c".into(), native_type: native_type.into(), carries, epoch: None }
    }

    #[test]
    fn a_long_first_value_does_not_end_the_rows() {
        let request = ReadRequest {
            table: "t".into(),
            columns: vec![column(DataType::TEXT, "longtext"), column(DataType::Float32, "float")],
            key: vec![],
            batch_rows: 1,
            batch_bytes: 1,
            after: None,
            condition: None,
            within: None,
        };
        assert_eq!(Reader::new(&request).unwrap().sql, "SELECT 0, `c`, `c` + 0e0 FROM `t`");
    }
}
