//! Values that are kept outside of their engine, as an archive has them, and the cells that the engine's own reader
//! would make of them. A server converts a column by a cast in the SELECT; here the same is done to values that have
//! left it. Pure.

use std::borrow::Cow;

use crate::engine::capability::ReadColumn;
use crate::model::batch::{Batch, Cell};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::ColumnProfile;
use crate::model::schema::{Column, DataType};
use crate::model::value;

/// A value as it is kept: a cell whose bytes lie wherever they lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kept<'a> {
    /// A cell without bytes of its own.
    Plain(Cell),
    /// Digits of a decimal.
    Decimal(&'a str),
    /// Text, as a rule in UTF-8; SQLite keeps any bytes as text.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// 16 bytes of a UUID.
    Uuid([u8; 16]),
}

impl<'a> Kept<'a> {
    /// A cell of a batch.
    pub fn of(batch: &'a Batch, cell: Cell) -> Self {
        match cell {
            Cell::Text(span) => Self::Text(batch.bytes(span)),
            Cell::Decimal(span) => Self::Decimal(batch.text(span)),
            Cell::Bytes(span) => Self::Bytes(batch.bytes(span)),
            Cell::Uuid(span) => Self::Uuid(batch.bytes(span).try_into().unwrap_or_default()),
            plain => Self::Plain(plain),
        }
    }

    /// Appends it as it is.
    pub fn push(self, batch: &mut Batch) {
        match self {
            Self::Plain(cell) => batch.push(cell),
            Self::Decimal(digits) => batch.push_decimal(digits),
            Self::Text(text) => batch.push_raw_text(text),
            Self::Bytes(bytes) => batch.push_bytes(bytes),
            Self::Uuid(uuid) => batch.push_uuid(uuid),
        }
    }
}

/// Why a kept value gives no cell of the type that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit {
    /// Code of the finding.
    pub code: &'static str,
    /// What is wrong, in words that hold no value and follow the name of the column: `is no date`.
    pub text: &'static str,
}

const fn unfit(code: &'static str, text: &'static str) -> Unfit {
    Unfit { code, text }
}

const NO_DATE: Unfit = unfit(codes::ZERO_DATE, "is a date that no calendar has, such as 0000-00-00");
const NO_LABEL: Unfit = unfit(codes::NOT_A_LABEL, "is no label of its enum");
const NO_TRUTH: Unfit = unfit(codes::NOT_A_BOOLEAN, "is a number other than 0 and 1 in a column of booleans");
const NO_INTEGER: Unfit = unfit(codes::INTEGER_RANGE, "is no integer of 64 bits");
const NOT_UTF8: Unfit = unfit(codes::INVALID_UTF8, "is text that is not valid UTF-8");
const EARLY: Unfit = unfit(codes::DATETIME_RANGE, "is a date before the year 1");
const OTHER: Unfit = unfit(codes::WRONG_STORAGE_CLASS, "is kept as something else than what is carried");

/// What a column of a server's engine is kept as: what it declares, unless it holds values that the declaration does
/// not describe (MySQL's zero dates, the empty text in place of a label). Those keep the text that the server prints.
pub fn as_declared(column: &Column, seen: &[&ColumnProfile]) -> DataType {
    let beyond = |code: &str| code == codes::ZERO_DATE || code == codes::NOT_A_LABEL;
    if seen.iter().flat_map(|p| &p.misfits).any(|m| beyond(&m.code)) {
        DataType::TEXT
    } else {
        column.data_type.clone()
    }
}

/// Appends the cell that `carries` fixes, exactly one or none: the conversions that a server does where it is asked for
/// a column under another type, as far as they lose nothing.
pub fn reread(value: Kept<'_>, column: &ReadColumn, batch: &mut Batch) -> Result<(), Unfit> {
    use DataType as T;
    use Kept::{Bytes, Decimal, Plain, Text, Uuid};
    let carries = &column.carries;
    let cell = match (carries, value) {
        (_, Plain(Cell::Null)) => Cell::Null,
        (T::Any, value) => {
            value.push(batch);
            return Ok(());
        }
        (T::Bool, Plain(Cell::Int(v @ (0 | 1)))) => Cell::Bool(v == 1),
        (T::Bool, Plain(Cell::Int(_) | Cell::UInt(_))) => return Err(NO_TRUTH),
        (T::Int { .. } | T::Year, Plain(Cell::Bool(v))) => Cell::Int(i64::from(v)),
        (T::Int { .. } | T::Year, Decimal(digits)) => whole(digits).ok_or(NO_INTEGER)?,
        (T::Bool, Plain(cell @ Cell::Bool(_)))
        | (T::Int { .. } | T::Year, Plain(cell @ (Cell::Int(_) | Cell::UInt(_))))
        | (T::Float32 | T::Float64, Plain(cell @ Cell::Float(_)))
        | (T::Date, Plain(cell @ Cell::Date(_)))
        | (T::Time { .. } | T::TimeSpan { .. }, Plain(cell @ Cell::Time(_)))
        | (T::DateTime { .. }, Plain(cell @ Cell::DateTime(_)))
        | (T::Timestamp { .. }, Plain(cell @ Cell::Timestamp(_))) => cell,
        (T::Decimal { .. }, value) => {
            batch.push_decimal(&digits(value)?);
            return Ok(());
        }
        (T::Bytes { .. }, Bytes(bytes)) => {
            batch.push_bytes(bytes);
            return Ok(());
        }
        (T::Uuid, Uuid(uuid)) => {
            batch.push_uuid(uuid);
            return Ok(());
        }
        (T::Uuid, Text(text)) => {
            batch.push_uuid(utf8(text)?.parse_with(value::parse_uuid)?);
            return Ok(());
        }
        (T::Date, Text(text)) => Cell::Date(value::parse_date(utf8(text)?.0).ok_or(NO_DATE)?),
        (T::DateTime { .. }, Text(text)) => {
            Cell::DateTime(value::parse_datetime(utf8(text)?.0).ok_or(NO_DATE)?)
        }
        (T::Timestamp { .. }, Text(text)) => {
            Cell::Timestamp(value::parse_datetime(utf8(text)?.0).ok_or(NO_DATE)?)
        }
        (T::Time { .. } | T::TimeSpan { .. }, Text(text)) => {
            let text = utf8(text)?.0;
            Cell::Time(value::parse_time_span(text).or_else(|| iso_span(text)).ok_or(OTHER)?)
        }
        (
            T::Text { .. }
            | T::TimeTz
            | T::Interval
            | T::Json { .. }
            | T::Enum { .. }
            | T::Set { .. }
            | T::Bit { .. }
            | T::Native { .. },
            value,
        ) => {
            let text = text(value, column)?;
            match carries {
                // Every other text that is no label the engine itself refuses.
                T::Enum { labels, .. } if text.is_empty() && !labels.iter().any(String::is_empty) => {
                    return Err(NO_LABEL);
                }
                _ => batch.push_text(&text),
            }
            return Ok(());
        }
        _ => return Err(OTHER),
    };
    batch.push(cell);
    Ok(())
}

/// Appends what the stated rule of a code makes of a value that [`reread`] refuses, and says whether there is such a
/// rule.
pub fn convert(value: Kept<'_>, unfit: Unfit, batch: &mut Batch) -> bool {
    match (unfit.code, value) {
        (codes::ZERO_DATE | codes::NOT_A_LABEL, _) => batch.push(Cell::Null),
        (codes::NOT_A_BOOLEAN, _) => batch.push(Cell::Bool(true)),
        (codes::INVALID_UTF8, Kept::Text(text)) => batch.push_text(&String::from_utf8_lossy(text)),
        _ => return false,
    }
    true
}

/// Text that is UTF-8.
struct Utf8<'a>(&'a str);

impl Utf8<'_> {
    fn parse_with<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Unfit> {
        parse(self.0).ok_or(OTHER)
    }
}

fn utf8(bytes: &[u8]) -> Result<Utf8<'_>, Unfit> {
    std::str::from_utf8(bytes).map(Utf8).map_err(|_| NOT_UTF8)
}

/// A decimal that is an integer of 64 bits.
fn whole(digits: &str) -> Option<Cell> {
    let canonical = value::canonical_decimal(digits);
    let signed = canonical.parse().map(Cell::Int);
    signed.or_else(|_| canonical.parse().map(Cell::UInt)).ok()
}

/// The digits of a number.
fn digits(value: Kept<'_>) -> Result<Cow<'_, str>, Unfit> {
    Ok(match value {
        Kept::Decimal(digits) => digits.into(),
        Kept::Plain(Cell::Int(v)) => v.to_string().into(),
        Kept::Plain(Cell::UInt(v)) => v.to_string().into(),
        // The shortest digits that give this double again, never in exponential form.
        Kept::Plain(Cell::Float(v)) if v.is_finite() => v.to_string().into(),
        Kept::Plain(Cell::Float(v)) if v.is_nan() => "NaN".into(),
        Kept::Plain(Cell::Float(v)) => if v > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        Kept::Text(text) => {
            let text = utf8(text)?.0;
            if value::is_decimal(text) { text.into() } else { return Err(OTHER) }
        }
        _ => return Err(OTHER),
    })
}

/// The text that the server prints for a value of a column.
fn text<'a>(value: Kept<'a>, column: &ReadColumn) -> Result<Cow<'a, str>, Unfit> {
    // Between two databases of MySQL dates and times travel as text, with as many digits as are declared.
    let own = matches!(column.carries, DataType::Native { dialect: Dialect::Mysql, .. });
    let digits =
        column.native_type.split_once('(').and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
    Ok(match value {
        Kept::Text(text) => utf8(text)?.0.into(),
        Kept::Decimal(digits) => digits.into(),
        Kept::Uuid(uuid) => value::format_uuid(&uuid).into(),
        Kept::Plain(Cell::Int(v)) => v.to_string().into(),
        Kept::Plain(Cell::UInt(v)) => v.to_string().into(),
        Kept::Plain(Cell::Date(days)) => match value::infinite(days == i32::MAX, days == i32::MIN) {
            Some(infinite) => infinite.into(),
            None if value::civil_from_days(days).0 < i64::from(!own) => return Err(EARLY),
            None => value::format_date(days).into(),
        },
        Kept::Plain(Cell::DateTime(v) | Cell::Timestamp(v)) if own => {
            value::format_datetime(v, digits.unwrap_or(0)).into()
        }
        _ => return Err(OTHER),
    })
}

/// Microseconds of an ISO 8601 duration without days, months and years, as PostgreSQL prints one: `PT838H59M59.5S`,
/// each part with a sign of its own.
fn iso_span(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix("PT")?;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = (&rest[..at], &rest[at..=at]);
        rest = &rest[at + 1..];
        let seconds = match unit {
            "H" => 3_600,
            "M" => 60,
            "S" => 1,
            _ => return None,
        };
        let (negative, number) = number.strip_prefix('-').map_or((false, number), |n| (true, n));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction: i64 = match fraction.len() {
            0 => 0,
            1..=6 if unit == "S" => format!("{fraction:0<6}").parse().ok()?,
            _ => return None,
        };
        let micros = whole.parse::<i64>().ok()?.checked_mul(seconds * 1_000_000)?.checked_add(fraction)?;
        total = total.checked_add(if negative { -micros } else { micros })?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};

    fn read(value: Kept<'_>, carries: &DataType) -> Result<String, &'static str> {
        let column = ShapeColumn { name: "c".into(), data_type: carries.clone() };
        let mut batch =
            Batch::new(Arc::new(Shape { table: "t".into(), columns: vec![column], key: vec![0] }));
        let native_type = "datetime(3)".into();
        let column = ReadColumn { name: "c".into(), native_type, carries: carries.clone(), epoch: None };
        reread(value, &column, &mut batch).map_err(|u| u.code)?;
        Ok(batch.key_of(0).unwrap())
    }

    #[test]
    fn servers_conversions_that_lose_nothing_are_done_and_no_others() {
        let decimal = DataType::Decimal { precision: None, scale: None };
        let label = DataType::Enum { name: None, labels: vec!["a".into()] };
        let span = DataType::TimeSpan { precision: 6 };
        let stamp = DataType::DateTime { precision: 6 };
        let own = DataType::Native { dialect: Dialect::Mysql, name: "datetime(3)".into() };
        for (value, carries, expected) in [
            (Kept::Plain(Cell::Int(7)), &decimal, Ok("c=7")),
            (Kept::Plain(Cell::Float(0.1)), &decimal, Ok("c=0.1")),
            (Kept::Plain(Cell::Float(1e20)), &decimal, Ok("c=100000000000000000000")),
            (Kept::Decimal("12.00"), &DataType::INT64, Ok("c=12")),
            (Kept::Decimal("18446744073709551615"), &DataType::INT64, Ok("c=18446744073709551615")),
            (Kept::Decimal("12.5"), &DataType::INT64, Err("integer_range")),
            (Kept::Plain(Cell::Int(2)), &DataType::Bool, Err("not_a_boolean")),
            (Kept::Plain(Cell::Int(1)), &DataType::Bool, Ok("c=true")),
            (Kept::Text(b"0000-00-00"), &DataType::Date, Err("zero_date")),
            (Kept::Text(b"2024-01-02"), &DataType::Date, Ok("c=2024-01-02")),
            (Kept::Text(b"2024-01-02 03:04:05.000006"), &stamp, Ok("c=2024-01-02 03:04:05.000006")),
            (Kept::Text(b""), &label, Err("not_a_label")),
            (Kept::Text(b"a"), &label, Ok("c=\"a\"")),
            (Kept::Text(b"PT838H59M59.5S"), &span, Ok("c=838:59:59.500000")),
            (Kept::Text(b"PT-1H-0.25S"), &span, Ok("c=-01:00:00.250000")),
            (Kept::Text(b"P1D"), &span, Err("wrong_storage_class")),
            (Kept::Text(&[0xff]), &DataType::TEXT, Err("invalid_utf8")),
            (Kept::Plain(Cell::Date(0)), &DataType::TEXT, Ok("c=\"1970-01-01\"")),
            (Kept::Uuid([0; 16]), &DataType::TEXT, Ok("c=\"00000000-0000-0000-0000-000000000000\"")),
            (Kept::Plain(Cell::Date(i32::MAX)), &DataType::TEXT, Ok("c=\"infinity\"")),
            (Kept::Plain(Cell::DateTime(1_500_000)), &own, Ok("c=\"1970-01-01 00:00:01.500\"")),
            (Kept::Plain(Cell::DateTime(1_500_000)), &DataType::TEXT, Err("wrong_storage_class")),
            (Kept::Bytes(b"a"), &DataType::TEXT, Err("wrong_storage_class")),
        ] {
            assert_eq!(read(value, carries).as_deref().map_err(|c| *c), expected, "{value:?} {carries:?}");
        }
    }
}
