//! One value of SQLite and one cell, both ways, as `carries` fixes it. What [`interpret`] takes, [`store`] writes
//! in the one documented spelling; what is not exactly such a value is a misfit, never converted.

use rusqlite::types::ValueRef;

use super::round::{fine, rounded};
use super::types::Affinity;
use crate::engine::kept::Kept;
use crate::model::batch::{Batch, Cell};
use crate::model::epoch::Epoch;
use crate::model::plan::{ColumnProfile, StorageClasses};
use crate::model::schema::DataType;
use crate::model::value;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Integers up to this size are exact as doubles.
const EXACT_DOUBLE: u64 = 1 << 53;

/// A value that is not what its column carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit {
    /// Code of the finding.
    pub code: &'static str,
    /// What is wrong, without the value.
    pub text: &'static str,
}

const fn misfit(code: &'static str, text: &'static str) -> Misfit {
    Misfit { code, text }
}

const NOT_BOOLEAN: Misfit = misfit("not_a_boolean", "is a number other than 0 and 1 in a column of booleans");
const NO_TRUTH: Misfit = misfit("wrong_storage_class", "is no truth value in a column of booleans");
const NOT_INTEGER: Misfit = misfit("wrong_storage_class", "is no integer in a column of integers");
const NEGATIVE: Misfit = misfit("integer_range", "is negative in a column of unsigned integers");
const NOT_NUMBER: Misfit = misfit("wrong_storage_class", "is no number in a column of numbers");
const NOT_TEXT: Misfit = misfit("wrong_storage_class", "is no text in a column of text");
const NUMBER_IN_TEXT: Misfit = misfit("number_in_text", "is a number in a column of text");
const NOT_BYTES: Misfit = misfit("wrong_storage_class", "is a number in a column of byte strings");
const TEXT_IN_BLOB: Misfit = misfit("text_in_blob", "is text in a column of byte strings");
const NOT_UUID: Misfit = misfit("wrong_storage_class", "is no UUID in a column of UUIDs");
const NOT_BITS: Misfit = misfit("wrong_storage_class", "is no bit string of the declared length");
const NOT_UTF8: Misfit = misfit("invalid_utf8", "is text that is not valid UTF-8");
const BAD_DATE: Misfit = misfit("bad_datetime", "is no date in the form YYYY-MM-DD");
const BAD_TIME: Misfit = misfit("bad_datetime", "is no time of day in the form HH:MM:SS.ffffff");
const BAD_SPAN: Misfit = misfit("bad_datetime", "is no time span in the form HH:MM:SS.ffffff");
const BAD_DATETIME: Misfit =
    misfit("bad_datetime", "is no date and time in the form YYYY-MM-DD HH:MM:SS.ffffff");
const BAD_TIMESTAMP: Misfit =
    misfit("bad_datetime", "is no date and time with an offset in the form YYYY-MM-DD HH:MM:SS.ffffff+00:00");
pub(super) const TOO_MANY_DIGITS: Misfit =
    misfit("scale", "has more digits after the point than the column declares");

/// What a stored value is, in terms of the column's type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// Anything without bytes.
    Plain(Cell),
    /// UTF-8 text.
    Text(&'a str),
    /// Text of unknown encoding.
    RawText(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Digits of a decimal.
    Decimal(&'a str),
    /// UUID.
    Uuid([u8; 16]),
}

impl Value<'_> {
    /// Appends the value as a cell.
    pub fn push(self, batch: &mut Batch) {
        match self {
            Value::Null => batch.push(Cell::Null),
            Value::Plain(cell) => batch.push(cell),
            Value::Text(text) => batch.push_text(text),
            Value::RawText(bytes) => batch.push_raw_text(bytes),
            Value::Bytes(bytes) => batch.push_bytes(bytes),
            Value::Decimal(digits) => batch.push_decimal(digits),
            Value::Uuid(uuid) => batch.push_uuid(uuid),
        }
    }
}

/// What a column says about its values beyond what it carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Numbers may stand among its text, and become the text that SQLite prints.
    pub numbers_as_text: bool,
    /// Its integers are times in that unit.
    pub epoch: Option<Epoch>,
}

impl Reading {
    /// Of a column that is declared so. Without a type it takes what comes; one declared JSON has numeric affinity: SQLite made a
    /// number of a document that is one, whatever other text stands there.
    pub fn of(declared: &str, epoch: Option<Epoch>) -> Self {
        let json = matches!(super::types::data_type(declared), DataType::Json { .. });
        Self { numbers_as_text: json || declared.is_empty(), epoch }
    }
}

/// Reads a stored value as `carries` wants it.
pub fn interpret<'a>(
    stored: ValueRef<'a>,
    carries: &DataType,
    reading: Reading,
    scratch: &'a mut String,
) -> Result<Value<'a>, Misfit> {
    use ValueRef::{Blob, Integer, Null, Real, Text};
    let plain = |cell| Ok(Value::Plain(cell));
    match (carries, stored) {
        (_, Null) => Ok(Value::Null),
        (DataType::Any, Text(bytes)) => Ok(Value::RawText(bytes)),
        (DataType::Any | DataType::Bytes { .. }, Blob(bytes)) => Ok(Value::Bytes(bytes)),
        (DataType::Bytes { .. }, Text(_)) => Err(TEXT_IN_BLOB),
        (DataType::Bytes { .. }, _) => Err(NOT_BYTES),
        (DataType::Bool, Integer(v @ (0 | 1))) => plain(Cell::Bool(v == 1)),
        (DataType::Bool, Text(bytes)) => truth(bytes).map_or(Err(NO_TRUTH), |v| plain(Cell::Bool(v))),
        (DataType::Bool, Integer(_) | Real(_)) => Err(NOT_BOOLEAN),
        (DataType::Bool, Blob(_)) => Err(NO_TRUTH),
        (DataType::Int { unsigned: true, .. }, Integer(..0)) => Err(NEGATIVE),
        (DataType::Any | DataType::Int { .. } | DataType::Year, Integer(v)) => plain(Cell::Int(v)),
        (DataType::Int { .. } | DataType::Year, _) => Err(NOT_INTEGER),
        (DataType::Any | DataType::Float32 | DataType::Float64, Real(v)) => plain(Cell::Float(v)),
        (DataType::Float32 | DataType::Float64, Integer(v)) => {
            exact_double(v).map_or(Err(NOT_NUMBER), |v| plain(Cell::Float(v)))
        }
        (DataType::Float32 | DataType::Float64, _) => Err(NOT_NUMBER),
        (DataType::Decimal { scale, .. }, stored) => decimal(stored, *scale, scratch),
        (DataType::Bit { length: Some(n), varying: false }, Integer(v)) => {
            bits(v, *n, scratch).ok_or(NOT_BITS)?;
            Ok(Value::Text(scratch))
        }
        (DataType::Bit { length, varying }, Text(bytes)) => {
            let text = utf8(bytes)?;
            let fits = length.is_none_or(|n| *varying || text.len() == n as usize);
            let fits = fits && text.bytes().all(|b| matches!(b, b'0' | b'1'));
            if fits { Ok(Value::Text(text)) } else { Err(NOT_BITS) }
        }
        (DataType::Bit { .. }, _) => Err(NOT_BITS),
        (DataType::Uuid, Text(bytes)) => value::parse_uuid(utf8(bytes)?).map(Value::Uuid).ok_or(NOT_UUID),
        (DataType::Uuid, Blob(bytes)) => bytes.try_into().map(Value::Uuid).map_err(|_| NOT_UUID),
        (DataType::Uuid, _) => Err(NOT_UUID),
        (DataType::Date, stored) => {
            let days = text_of(stored, BAD_DATE)?;
            parse_date(days).map_or(Err(BAD_DATE), |v| plain(Cell::Date(v)))
        }
        (DataType::Time { .. }, stored) => {
            let time = text_of(stored, BAD_TIME)?;
            fine(parse_time(time).ok_or(BAD_TIME)?, carries).map(|v| Value::Plain(Cell::Time(v)))
        }
        (DataType::TimeSpan { .. }, stored) => {
            let span = value::parse_time_span(text_of(stored, BAD_SPAN)?);
            fine(span.ok_or(BAD_SPAN)?, carries).map(|v| Value::Plain(Cell::Time(v)))
        }
        (DataType::DateTime { .. }, Integer(v)) => {
            let micros = reading.epoch.and_then(|epoch| epoch.micros(v));
            fine(micros.ok_or(BAD_DATETIME)?, carries).map(|v| Value::Plain(Cell::DateTime(v)))
        }
        (DataType::DateTime { .. }, stored) => {
            let text = text_of(stored, BAD_DATETIME)?;
            // The clock of a column without a zone is that of UTC where a value says which it is.
            let micros = value::parse_datetime(text).or_else(|| value::parse_timestamp(text));
            fine(micros.ok_or(BAD_DATETIME)?, carries).map(|v| Value::Plain(Cell::DateTime(v)))
        }
        (DataType::Timestamp { .. }, Integer(v)) => {
            let micros = reading.epoch.and_then(|epoch| epoch.micros(v));
            fine(micros.ok_or(BAD_TIMESTAMP)?, carries).map(|v| Value::Plain(Cell::Timestamp(v)))
        }
        (DataType::Timestamp { .. }, stored) => {
            let micros = value::parse_timestamp(text_of(stored, BAD_TIMESTAMP)?);
            fine(micros.ok_or(BAD_TIMESTAMP)?, carries).map(|v| Value::Plain(Cell::Timestamp(v)))
        }
        (_, Text(bytes)) => Ok(Value::Text(utf8(bytes)?)),
        (carries, Integer(_) | Real(_))
            if reading.numbers_as_text || matches!(carries, DataType::Json { .. }) =>
        {
            number_text(stored, scratch).map(Value::Text).ok_or(NOT_TEXT)
        }
        (_, Integer(_) | Real(_)) => Err(NUMBER_IN_TEXT),
        (_, Blob(_)) => Err(NOT_TEXT),
    }
}

/// A value that is kept outside of SQLite, as SQLite had it; `None` for what it never has.
pub fn stored(kept: Kept<'_>) -> Option<ValueRef<'_>> {
    Some(match kept {
        Kept::Plain(Cell::Null) => ValueRef::Null,
        Kept::Plain(Cell::Int(v)) => ValueRef::Integer(v),
        Kept::Plain(Cell::Float(v)) => ValueRef::Real(v),
        Kept::Text(text) => ValueRef::Text(text),
        Kept::Bytes(bytes) => ValueRef::Blob(bytes),
        Kept::Plain(_) | Kept::Decimal(_) | Kept::Uuid(_) => return None,
    })
}

/// As what a column is kept outside of SQLite: by the one storage class that its values have, whatever it declares.
pub fn keeps(seen: &[&ColumnProfile]) -> DataType {
    let looked = seen.iter().find_map(|p| Some((p.classes?, p.utf8?)));
    match looked {
        Some((StorageClasses { real: 0, text: 0, blob: 0, .. }, _)) => DataType::INT64,
        Some((StorageClasses { integer: 0, text: 0, blob: 0, .. }, _)) => DataType::Float64,
        Some((StorageClasses { integer: 0, real: 0, blob: 0, .. }, true)) => DataType::TEXT,
        Some((StorageClasses { integer: 0, real: 0, text: 0, .. }, _)) => DataType::BYTES,
        _ => DataType::Any,
    }
}

/// What the stated rule of a misfit makes of a value that does not fit; `None` where it makes nothing of it. The rules
/// stand in the pages of the codes.
pub fn convert<'a>(
    stored: ValueRef<'a>,
    carries: &DataType,
    reading: Reading,
    misfit: Misfit,
    scratch: &'a mut String,
) -> Option<Value<'a>> {
    match (misfit.code, stored) {
        ("scale", stored) => rounded(stored, carries, reading, scratch),
        ("bad_datetime", _) => Some(Value::Null),
        ("not_a_boolean", ValueRef::Integer(_) | ValueRef::Real(_)) => Some(Value::Plain(Cell::Bool(true))),
        ("number_in_text", stored) => number_text(stored, scratch).map(Value::Text),
        ("text_in_blob", ValueRef::Text(bytes)) => Some(Value::Bytes(bytes)),
        ("invalid_utf8", ValueRef::Text(bytes)) => {
            scratch.clear();
            scratch.push_str(&String::from_utf8_lossy(bytes));
            Some(Value::Text(scratch))
        }
        _ => None,
    }
}

/// The words that other programs write for truth values, in any case.
pub fn truth(text: &[u8]) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if is("true") || is("t") { Some(true) } else { (is("false") || is("f")).then_some(false) }
}

fn utf8(bytes: &[u8]) -> Result<&str, Misfit> {
    std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

fn text_of(stored: ValueRef<'_>, otherwise: Misfit) -> Result<&str, Misfit> {
    match stored {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| otherwise),
        _ => Err(otherwise),
    }
}

#[allow(clippy::cast_precision_loss, reason = "only taken where nothing is lost")]
fn exact_double(v: i64) -> Option<f64> {
    (v.unsigned_abs() <= EXACT_DOUBLE).then_some(v as f64)
}

/// A date; also a date and time at midnight, which is what SQLAlchemy leaves in a column that was retyped.
fn parse_date(text: &str) -> Option<i32> {
    if text.len() == 10 {
        return value::parse_date(text);
    }
    let (days, rest) = value::split_days(value::parse_datetime(text)?);
    (rest == 0).then_some(days)
}

fn parse_time(text: &str) -> Option<i64> {
    value::parse_time(text)
        .or_else(|| (text.trim_end_matches(['0', '.']) == "24:00:").then_some(MICROS_PER_DAY))
}

pub(super) fn number_text<'a>(stored: ValueRef<'_>, scratch: &'a mut String) -> Option<&'a str> {
    use std::fmt::Write as _;
    scratch.clear();
    match stored {
        ValueRef::Integer(v) => write!(scratch, "{v}").ok()?,
        // The shortest digits that give this double again; never in exponential form.
        ValueRef::Real(v) if v.is_finite() => write!(scratch, "{v}").ok()?,
        ValueRef::Real(v) if v.is_nan() => scratch.push_str("NaN"),
        ValueRef::Real(v) => scratch.push_str(if v > 0.0 { "Infinity" } else { "-Infinity" }),
        _ => return None,
    }
    Some(scratch)
}

fn decimal<'a>(
    stored: ValueRef<'a>,
    scale: Option<i32>,
    scratch: &'a mut String,
) -> Result<Value<'a>, Misfit> {
    let digits = match stored {
        ValueRef::Text(bytes) => Some(utf8(bytes)?).filter(|t| value::is_decimal(t)).ok_or(NOT_NUMBER)?,
        stored => number_text(stored, scratch).ok_or(NOT_NUMBER)?,
    };
    let (_, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0').len();
    match scale.map(|s| usize::try_from(s).unwrap_or(0)) {
        Some(scale) if fraction > scale => Err(TOO_MANY_DIGITS),
        _ => Ok(Value::Decimal(digits)),
    }
}

fn bits(v: i64, length: u32, scratch: &mut String) -> Option<()> {
    use std::fmt::Write as _;
    let v = u64::try_from(v).ok()?;
    let width = length as usize;
    scratch.clear();
    write!(scratch, "{v:0width$b}").ok()?;
    (scratch.len() == width).then_some(())
}

/// What is written for a cell into a column of that affinity; an error says in one clause why it cannot be.
pub fn store<'a>(
    batch: &'a Batch,
    cell: Cell,
    carries: &DataType,
    affinity: Affinity,
    scratch: &'a mut String,
) -> Result<ValueRef<'a>, &'static str> {
    scratch.clear();
    Ok(match cell {
        Cell::Null => ValueRef::Null,
        Cell::Bool(v) => ValueRef::Integer(i64::from(v)),
        Cell::Int(v) => ValueRef::Integer(v),
        Cell::UInt(_) => return Err("is above 9223372036854775807, the largest integer of SQLite"),
        Cell::Float(v) if v.is_nan() => return Err("is NaN, which SQLite stores as NULL"),
        Cell::Float(v) => ValueRef::Real(v),
        Cell::Decimal(span) => return store_decimal(batch.text(span), affinity),
        Cell::Text(span) => match carries {
            DataType::Bit { length: Some(n), varying: false } if affinity != Affinity::Text => {
                let text = batch.text(span);
                let value = i64::from_str_radix(text, 2).ok().filter(|_| text.len() == *n as usize);
                ValueRef::Integer(value.ok_or("is no bit string of the declared length")?)
            }
            _ => ValueRef::Text(batch.bytes(span)),
        },
        Cell::Bytes(span) => ValueRef::Blob(batch.bytes(span)),
        Cell::Uuid(span) => {
            scratch.push_str(&value::format_uuid(batch.bytes(span)));
            ValueRef::Text(scratch.as_bytes())
        }
        Cell::Date(days) => {
            push_date(scratch, days)?;
            ValueRef::Text(scratch.as_bytes())
        }
        Cell::Time(micros) => {
            push_time(scratch, micros);
            ValueRef::Text(scratch.as_bytes())
        }
        Cell::DateTime(micros) => {
            push_datetime(scratch, micros)?;
            ValueRef::Text(scratch.as_bytes())
        }
        Cell::Timestamp(micros) => {
            push_datetime(scratch, micros)?;
            scratch.push_str("+00:00");
            ValueRef::Text(scratch.as_bytes())
        }
    })
}

/// A decimal as a number where the column makes numbers of text and the number gives back every digit.
fn store_decimal(digits: &str, affinity: Affinity) -> Result<ValueRef<'_>, &'static str> {
    let text = Ok(ValueRef::Text(digits.as_bytes()));
    if matches!(affinity, Affinity::Text | Affinity::Blob) || !digits.ends_with(|c: char| c.is_ascii_digit())
    {
        return text;
    }
    let canonical = value::canonical_decimal(digits);
    if let Ok(v) = canonical.parse::<i64>() {
        return Ok(ValueRef::Integer(v));
    }
    let double: f64 = canonical.parse().map_err(|_| "is no decimal")?;
    if value::canonical_decimal(&double.to_string()) == canonical {
        Ok(ValueRef::Real(double))
    } else {
        Err("has more digits than SQLite keeps in a column of this type")
    }
}

fn push_digits(out: &mut String, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
    }
}

fn push_date(out: &mut String, days: i32) -> Result<(), &'static str> {
    let (year, month, day) = value::civil_from_days(days);
    if !(1..=9999).contains(&year) {
        return Err("lies outside the years 1 to 9999, which SQLite's date text can spell");
    }
    push_digits(out, year, 4);
    out.push('-');
    push_digits(out, i64::from(month), 2);
    out.push('-');
    push_digits(out, i64::from(day), 2);
    Ok(())
}

fn push_time(out: &mut String, micros: i64) {
    if micros < 0 {
        out.push('-');
    }
    let micros = i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX);
    let seconds = micros / 1_000_000;
    let hours = seconds / 3600;
    push_digits(out, hours, if hours > 99 { 3 } else { 2 });
    out.push(':');
    push_digits(out, seconds / 60 % 60, 2);
    out.push(':');
    push_digits(out, seconds % 60, 2);
    out.push('.');
    push_digits(out, micros % 1_000_000, 6);
}

fn push_datetime(out: &mut String, micros: i64) -> Result<(), &'static str> {
    let (days, rest) = value::split_days(micros);
    push_date(out, days)?;
    out.push(' ');
    push_time(out, rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};

    fn batch(carries: &DataType) -> Batch {
        let column = ShapeColumn { name: "c".into(), data_type: carries.clone() };
        Batch::new(Arc::new(Shape { table: "t".into(), columns: vec![column], key: vec![] }))
    }

    fn read(stored: ValueRef<'_>, carries: &DataType) -> Result<String, &'static str> {
        let mut scratch = String::new();
        let mut batch = batch(carries);
        interpret(stored, carries, Reading::default(), &mut scratch).map_err(|m| m.code)?.push(&mut batch);
        Ok(match batch.row(0)[0] {
            Cell::Text(s) | Cell::Decimal(s) => batch.text(s).to_owned(),
            cell => format!("{cell:?}"),
        })
    }

    fn written(carries: &DataType, affinity: Affinity, fill: impl Fn(&mut Batch)) -> String {
        let mut batch = batch(carries);
        fill(&mut batch);
        let mut scratch = String::new();
        match store(&batch, batch.row(0)[0], carries, affinity, &mut scratch) {
            Ok(ValueRef::Text(bytes)) => {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                assert!(read(ValueRef::Text(text.as_bytes()), carries).is_ok(), "{text} does not read back");
                text
            }
            Ok(value) => format!("{value:?}"),
            Err(why) => why.to_owned(),
        }
    }

    const MICROS: u8 = 6;

    #[test]
    fn only_what_is_exactly_meant_is_taken() {
        use ValueRef::{Blob, Integer, Real, Text};
        let decimal = DataType::Decimal { precision: Some(10), scale: Some(2) };
        let datetime = DataType::DateTime { precision: MICROS };
        let bit = DataType::Bit { length: Some(4), varying: false };
        let unsigned = DataType::Int { bits: 32, unsigned: true };
        for (stored, carries, expected) in [
            (Integer(1), DataType::Bool, Ok("Bool(true)")),
            (Integer(2), DataType::Bool, Err("not_a_boolean")),
            (Text(b"True"), DataType::Bool, Ok("Bool(true)")),
            (Text(b"f"), DataType::Bool, Ok("Bool(false)")),
            (Text(b"yes"), DataType::Bool, Err("wrong_storage_class")),
            (Text(b"7"), DataType::INT64, Err("wrong_storage_class")),
            (Integer(-1), unsigned, Err("integer_range")),
            (Integer(3), DataType::Float64, Ok("Float(3.0)")),
            (Integer(i64::MAX), DataType::Float64, Err("wrong_storage_class")),
            (Real(0.99), decimal.clone(), Ok("0.99")),
            (Real(1e15), decimal.clone(), Ok("1000000000000000")),
            (Integer(5), decimal.clone(), Ok("5")),
            (Text(b"NaN"), decimal.clone(), Ok("NaN")),
            (Real(0.1 + 0.2), decimal.clone(), Err("scale")),
            (Text(b"12.30000"), decimal.clone(), Ok("12.30000")),
            (Text(b"twelve"), decimal, Err("wrong_storage_class")),
            (Text(b"\xff"), DataType::TEXT, Err("invalid_utf8")),
            (Blob(b"a"), DataType::TEXT, Err("wrong_storage_class")),
            (Integer(7), DataType::TEXT, Err("number_in_text")),
            (Integer(7), DataType::Json { binary: false }, Ok("7")),
            (Text(b"a"), DataType::BYTES, Err("text_in_blob")),
            (Text(b"2024-05-21 00:00:00"), DataType::Date, Ok("Date(19864)")),
            (Text(b"2024-05-21 00:00:01"), DataType::Date, Err("bad_datetime")),
            (Text(b"21/05/2024"), DataType::Date, Err("bad_datetime")),
            (Integer(1_637_995_103_544), datetime.clone(), Err("bad_datetime")),
            (Text(b""), datetime, Err("bad_datetime")),
            (Integer(5), bit.clone(), Ok("0101")),
            (Integer(16), bit.clone(), Err("wrong_storage_class")),
            (Text(b"0102"), bit, Err("wrong_storage_class")),
        ] {
            assert_eq!(read(stored, &carries).as_deref().map_err(|e| *e), expected, "{stored:?} {carries:?}");
        }
    }

    #[test]
    fn numbers_among_text_of_an_untyped_column_and_of_json_are_text() {
        let mut scratch = String::new();
        for (declared, expected) in
            [("", Ok("2.5")), ("JSON", Ok("2.5")), ("json", Ok("2.5")), ("TEXT", Err("number_in_text"))]
        {
            let reading = Reading::of(declared, None);
            let value = interpret(ValueRef::Real(2.5), &DataType::TEXT, reading, &mut scratch);
            assert_eq!(value.map_err(|m| m.code), expected.map(Value::Text), "{declared}");
        }
    }

    #[test]
    fn what_is_written_has_one_spelling() {
        use Affinity::{Numeric, Text};
        let micros = value::parse_datetime("2024-01-02 03:04:05.678").unwrap();
        let decimal = DataType::Decimal { precision: None, scale: None };
        let datetime = DataType::DateTime { precision: MICROS };
        let timestamp = DataType::Timestamp { precision: MICROS };
        let span = DataType::TimeSpan { precision: MICROS };
        let time = DataType::Time { precision: MICROS };
        let cell = |cell: Cell| move |b: &mut Batch| b.push(cell);
        for (got, expected) in [
            (written(&datetime, Numeric, cell(Cell::DateTime(micros))), "2024-01-02 03:04:05.678000"),
            (written(&timestamp, Numeric, cell(Cell::Timestamp(micros))), "2024-01-02 03:04:05.678000+00:00"),
            (written(&DataType::Date, Numeric, cell(Cell::Date(-719_162))), "0001-01-01"),
            (written(&span, Numeric, cell(Cell::Time(-1_500_000))), "-00:00:01.500000"),
            (written(&span, Numeric, cell(Cell::Time(3_020_399_000_000))), "838:59:59.000000"),
            (written(&time, Numeric, cell(Cell::Time(MICROS_PER_DAY))), "24:00:00.000000"),
            (written(&decimal, Numeric, |b| b.push_decimal("12.30")), "Real(12.3)"),
            (written(&decimal, Numeric, |b| b.push_decimal("5.00")), "Integer(5)"),
            (written(&decimal, Numeric, |b| b.push_decimal("-0.00")), "Integer(0)"),
            (written(&decimal, Text, |b| b.push_decimal("12.30")), "12.30"),
            (written(&decimal, Numeric, |b| b.push_decimal("NaN")), "NaN"),
        ] {
            assert_eq!(got, expected);
        }
        let long = written(&decimal, Numeric, |b| b.push_decimal("1234567890.12345678901"));
        assert!(long.starts_with("has more digits"), "{long}");
        assert!(written(&datetime, Numeric, cell(Cell::DateTime(i64::MAX))).starts_with("lies outside"));
        assert!(written(&DataType::Float64, Numeric, cell(Cell::Float(f64::NAN))).starts_with("is NaN"));
    }

    #[test]
    fn fifteen_digits_survive_a_double() {
        let decimal = DataType::Decimal { precision: Some(15), scale: Some(4) };
        for digits in ["99999999999.9999", "0.0001", "-12345678901.2345", "1.1", "70368744177.6641"] {
            let mut batch = batch(&decimal);
            batch.push_decimal(digits);
            let mut scratch = String::new();
            let stored = store(&batch, batch.row(0)[0], &decimal, Affinity::Numeric, &mut scratch).unwrap();
            assert_eq!(read(stored, &decimal).as_deref(), Ok(digits));
        }
    }
}
