//! What a CHECK makes of rows that are in no table, and what a DEFAULT gives: a query over a list of values, each of its
//! column's kind and under its collation. It needs no right and writes nothing.

use async_trait::async_trait;
use sqlx::{MySqlConnection, Row as _};

use super::bind::Encoder;
use super::charset::charset_of;
use super::connection::statement;
use super::fault;
use super::native::NativeType;
use super::types::{Rules, literal, quote};
use crate::engine::capability::{Defaults, Probe, Stored, Verdict};
use crate::engine::probe::{self, Answer, Ask};
use crate::model::batch::{Batch, Cell};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ColumnPlan, INVISIBLE, TablePlan};
use crate::model::value;

/// ER_DATA_OUT_OF_RANGE: arithmetic that leaves its type.
const OUT_OF_RANGE: u16 = 1690;

/// Answers for every row.
pub async fn verdicts(
    connection: &mut MySqlConnection,
    rules: &Rules,
    probe: &Probe,
) -> Result<Vec<Verdict>> {
    let Some(table) = probe.plan.tables.first() else { return Ok(Vec::new()) };
    let rows = probe.rows.rows();
    let written: Vec<Option<String>> = (0..rows).map(|row| written(table, rules, &probe.rows, row)).collect();
    let held: Vec<usize> = (0..rows).filter(|row| written[*row].is_some()).collect();
    probe::verdicts(&mut Server { connection, written }, rows, &held, &probe.condition).await
}

/// What the columns would hold.
pub async fn stored(
    connection: &mut MySqlConnection,
    rules: &Rules,
    defaults: &Defaults,
) -> Result<Vec<Stored>> {
    let Some(table) = defaults.plan.tables.first() else { return Ok(Vec::new()) };
    let wanted: Vec<String> = table
        .columns
        .iter()
        .zip(&defaults.expressions)
        .map(|(column, expression)| {
            let native = NativeType::parse(&column.native_type);
            match kind(&native, rules).as_deref() {
                Some("BINARY") => format!("HEX(CAST(({expression}) AS BINARY))"),
                Some(kind) => format!("CAST(CAST(({expression}) AS {kind}) AS CHAR)"),
                None => format!("CONVERT(({expression}) USING utf8mb4)"),
            }
        })
        .collect();
    if let Some(stored) = evaluate(connection, &wanted).await? {
        return Ok(stored);
    }
    // One of them cannot be evaluated.
    let mut stored = Vec::with_capacity(wanted.len());
    for one in &wanted {
        let given = evaluate(connection, std::slice::from_ref(one)).await?;
        stored.push(given.and_then(|mut one| one.pop()).unwrap_or(Stored::Refused));
    }
    Ok(stored)
}

/// The values of some expressions; `None` if the server does not evaluate them.
async fn evaluate(connection: &mut MySqlConnection, wanted: &[String]) -> Result<Option<Vec<Stored>>> {
    let what = "what a default gives";
    match statement(&format!("SELECT {}", wanted.join(", "))).fetch_one(connection).await {
        Ok(row) => {
            let value = |at| row.try_get::<Option<String>, _>(at);
            let values = (0..wanted.len()).map(|at| value(at).map(|v| v.map_or(Stored::Null, Stored::Text)));
            values.collect::<Result<_, sqlx::Error>>().map(Some).map_err(|e| fault::reading(what, &e))
        }
        Err(e) => {
            let error = fault::reading(what, &e);
            let refused = fault::number(&e).is_some() && error.kind() != ErrorKind::Lost;
            if refused { Ok(None) } else { Err(error) }
        }
    }
}

struct Server<'a> {
    connection: &'a mut MySqlConnection,
    /// Each row as a list of values with the names of their columns.
    written: Vec<Option<String>>,
}

#[async_trait]
impl Ask for Server<'_> {
    async fn ask(&mut self, rows: &[usize], condition: &str) -> Result<Answer> {
        let order = quote(&format!("{INVISIBLE}row"));
        let lists = rows.iter().filter_map(|row| self.written[*row].as_ref()).enumerate();
        let lists: Vec<String> =
            lists.map(|(at, values)| format!("SELECT {values}, {at} AS {order}")).collect();
        let lists = lists.join(" UNION ALL ");
        let sql = format!("SELECT ({condition}) IS NOT FALSE FROM ({lists}) AS probe ORDER BY {order}");
        match statement(&sql).fetch_all(&mut *self.connection).await {
            Ok(rows) => {
                let answers = rows.iter().map(|row| row.try_get::<i64, _>(0).map(|answer| answer == 1));
                let answers = answers.collect::<Result<_, sqlx::Error>>();
                answers.map(Answer::Decided).map_err(|e| fault::reading("the answer to a check", &e))
            }
            Err(e) => {
                let error = fault::reading("the answer to a check", &e);
                match fault::number(&e).filter(|_| error.kind() != ErrorKind::Lost) {
                    Some(OUT_OF_RANGE) => Ok(Answer::Overflow),
                    Some(_) => Ok(Answer::Failed),
                    None => Err(error),
                }
            }
        }
    }
}

/// The values of a row with the names of their columns; `None` if the columns do not hold them.
fn written(table: &TablePlan, rules: &Rules, rows: &Batch, row: usize) -> Option<String> {
    let values = table.columns.iter().zip(rows.row(row)).map(|(column, cell)| {
        Encoder::of(column)?.bind(rows, *cell).ok()?;
        Some(format!("{} AS {}", typed(column, rules, rows, *cell)?, quote(&column.name)))
    });
    Some(values.collect::<Option<Vec<_>>>()?.join(", "))
}

/// A value as an expression of the column's kind.
fn typed(column: &ColumnPlan, rules: &Rules, rows: &Batch, cell: Cell) -> Option<String> {
    let native = NativeType::parse(&column.native_type);
    let cast = |value: String, kind: &str| format!("CAST({value} AS {kind})");
    Some(match cell {
        Cell::Null if native.is_character() && native.base != "json" => text("NULL", column, rules),
        Cell::Null => match kind(&native, rules) {
            Some(kind) => cast("NULL".into(), &kind),
            None => "NULL".into(),
        },
        Cell::Bool(v) => cast(u8::from(v).to_string(), "SIGNED"),
        Cell::Int(v) => cast(v.to_string(), &kind(&native, rules)?),
        Cell::UInt(v) => cast(v.to_string(), &kind(&native, rules)?),
        // A number with an exponent is a double.
        Cell::Float(v) => format!("{v:e}"),
        Cell::Decimal(span) => cast(rows.text(span).to_owned(), &kind(&native, rules)?),
        Cell::Text(span) => {
            let collation = column.collation.as_deref();
            let all = collation.is_none_or(|name| charset_of(name).starts_with("utf8"));
            let written = rows.text(span);
            // Other character sets put a question mark for what they do not have.
            if !all && !written.is_ascii() {
                return None;
            }
            if native.is_character() && native.base != "json" {
                text(&literal(written), column, rules)
            } else if native.base == "json" && !rules.is_mariadb() {
                cast(literal(written), "JSON")
            } else {
                literal(written)
            }
        }
        Cell::Bytes(span) => format!("X'{}'", value::format_hex(rows.bytes(span))),
        Cell::Uuid(span) => literal(&value::format_uuid(rows.bytes(span))),
        Cell::Date(days) => cast(literal(&value::format_date(days)), "DATE"),
        Cell::Time(micros) => cast(literal(&value::format_time(micros, 6)), "TIME(6)"),
        Cell::DateTime(micros) | Cell::Timestamp(micros) => {
            cast(literal(&value::format_datetime(micros, 6)), "DATETIME(6)")
        }
    })
}

/// Text with the character set and collation of its column. Blanks at the end of CHAR are cut by whoever stores them.
fn text(value: &str, column: &ColumnPlan, rules: &Rules) -> String {
    let collation = column.collation.as_deref().unwrap_or_else(|| rules.collations.exact());
    format!("CONVERT({value} USING {}) COLLATE {collation}", charset_of(collation))
}

/// What CAST knows as the kind of a type; `None` where it knows none.
fn kind(native: &NativeType, rules: &Rules) -> Option<String> {
    Some(match native.base.as_str() {
        _ if native.is_integer() => if native.unsigned { "UNSIGNED" } else { "SIGNED" }.into(),
        // MariaDB has no cast to YEAR; its catalogue shows constants beside one with four digits.
        "year" if !rules.is_mariadb() => "YEAR".into(),
        "year" => "SIGNED".into(),
        "decimal" | "numeric" | "dec" | "fixed" => {
            let number = |at: usize, otherwise| native.numbers.get(at).copied().unwrap_or(otherwise);
            format!("DECIMAL({}, {})", number(0, 10), number(1, 0))
        }
        "float" | "double" | "real" => "DOUBLE".into(),
        "date" => "DATE".into(),
        "time" => "TIME(6)".into(),
        "datetime" | "timestamp" => "DATETIME(6)".into(),
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => "BINARY".into(),
        _ => return None,
    })
}
