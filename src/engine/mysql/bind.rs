//! A cell as a parameter of MySQL's binary protocol. A column always binds the same type, so that the server
//! prepares a statement once. What the server would change without a word (rounding, cutting blanks) or could not
//! hold is refused here, where the row can still be named.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::mysql::MySqlTypeInfo;
use sqlx::types::chrono::{NaiveDate, NaiveDateTime};
use sqlx::{MySql, Type};

use super::native::NativeType;
use crate::engine::dump::{put_hex, put_quoted};
use crate::engine::limits::{FIRST_INSTANT, LAST_LATE_INSTANT};
use crate::model::batch::{Batch, Cell};
use crate::model::plan::ColumnPlan;
use crate::model::schema::DataType;
use crate::model::value;

/// Longest time span of a TIME.
pub(super) const LONGEST_TIME: i64 = (838 * 3600 + 59 * 60 + 59) * 1_000_000 + 999_999;

/// How a column is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoder {
    Signed,
    Unsigned,
    Year,
    Double,
    /// Text of a number with at most so many digits after the point.
    Decimal(usize),
    /// Text of at most so many characters; 0 is unbounded.
    Text(usize),
    Bytes,
    /// Hexadecimal digits that stand for the bytes of a type of the server's own.
    Hex,
    Date,
    Time,
    DateTime,
    Instant,
    Uuid,
    /// Digits 0 and 1 into a BIT.
    Bits,
}

impl Encoder {
    /// For a column of a plan; `None` for a combination that no plan holds.
    pub fn of(column: &ColumnPlan) -> Option<Self> {
        let native = NativeType::parse(&column.native_type);
        let length = native.numbers.first().and_then(|n| usize::try_from(*n).ok()).unwrap_or(0);
        Some(match &column.carries {
            DataType::Int { .. } if native.unsigned => Self::Unsigned,
            DataType::Bool | DataType::Int { .. } => Self::Signed,
            DataType::Year => Self::Year,
            DataType::Float32 | DataType::Float64 => Self::Double,
            DataType::Decimal { .. } => {
                Self::Decimal(native.numbers.get(1).and_then(|n| usize::try_from(*n).ok()).unwrap_or(0))
            }
            DataType::Bytes { .. } => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::Time { .. } | DataType::TimeSpan { .. } => Self::Time,
            DataType::DateTime { .. } => Self::DateTime,
            DataType::Timestamp { .. } => Self::Instant,
            DataType::Uuid => Self::Uuid,
            DataType::Bit { .. } if native.base == "bit" => Self::Bits,
            DataType::Native { .. } if native.is_spatial() => Self::Hex,
            text if text.has_text_cells() => {
                Self::Text(if matches!(native.base.as_str(), "varchar" | "char") { length } else { 0 })
            }
            _ => return None,
        })
    }

    fn type_info(self) -> MySqlTypeInfo {
        match self {
            Self::Signed | Self::Year => <i64 as Type<MySql>>::type_info(),
            Self::Unsigned | Self::Bits => <u64 as Type<MySql>>::type_info(),
            Self::Double => <f64 as Type<MySql>>::type_info(),
            // MySQL takes a TIME close to its bounds (838:59:58.000001) as text and refuses it in binary.
            Self::Decimal(_) | Self::Text(_) | Self::Uuid | Self::Time => <str as Type<MySql>>::type_info(),
            Self::Bytes | Self::Hex => <[u8] as Type<MySql>>::type_info(),
            Self::Date => <NaiveDate as Type<MySql>>::type_info(),
            Self::DateTime | Self::Instant => <NaiveDateTime as Type<MySql>>::type_info(),
        }
    }

    /// A cell ready to be bound, or why it cannot be.
    pub fn bind(self, batch: &Batch, cell: Cell) -> Result<Parameter<'_>, &'static str> {
        let value = match (self, cell) {
            (_, Cell::Null) => None,
            (Self::Signed, Cell::Int(v)) => Some(Wire::Signed(v)),
            (Self::Signed, Cell::Bool(v)) => Some(Wire::Signed(i64::from(v))),
            (Self::Signed, Cell::UInt(_)) => {
                return Err("a number beyond what a signed 64-bit integer holds");
            }
            (Self::Unsigned, Cell::UInt(v)) => Some(Wire::Unsigned(v)),
            (Self::Unsigned, Cell::Int(v)) => {
                Some(Wire::Unsigned(u64::try_from(v).map_err(|_| "a negative number in an unsigned column")?))
            }
            (Self::Year, Cell::Int(v)) if value::is_year(v) => Some(Wire::Signed(v)),
            (Self::Year, Cell::Int(_)) => return Err("a year outside 1901 to 2155"),
            (Self::Double, Cell::Float(v)) if v.is_finite() => Some(Wire::Double(v)),
            (Self::Double, Cell::Float(_)) => {
                return Err("NaN or an infinity, which MySQL has no number for");
            }
            (Self::Decimal(scale), Cell::Decimal(span)) => {
                Some(Wire::Text(decimal(batch.text(span), scale)?))
            }
            (Self::Text(most), Cell::Text(span)) => Some(Wire::Text(text(batch.text(span), most)?)),
            (Self::Bytes, Cell::Bytes(span)) => Some(Wire::Bytes(batch.bytes(span))),
            (Self::Hex, Cell::Text(span)) => Some(Wire::Hex(hex(batch.text(span))?)),
            (Self::Date, Cell::Date(days)) => Some(Wire::Date(civil(days)?)),
            (Self::Time, Cell::Time(v)) if v.abs() <= LONGEST_TIME => Some(Wire::Time(v)),
            (Self::Time, Cell::Time(_)) => return Err("a time span beyond 838:59:59"),
            (Self::DateTime, Cell::DateTime(v)) => Some(wall_clock(v)?),
            (Self::Instant, Cell::Timestamp(v)) if (FIRST_INSTANT..=LAST_LATE_INSTANT).contains(&v) => {
                Some(wall_clock(v)?)
            }
            (Self::Instant, Cell::Timestamp(_)) => {
                return Err("an instant outside 1970 to 2106, the range of TIMESTAMP");
            }
            (Self::Uuid, Cell::Uuid(span)) => Some(Wire::Uuid(batch.bytes(span))),
            (Self::Bits, Cell::Text(span)) => {
                let bits = u64::from_str_radix(batch.text(span), 2);
                Some(Wire::Unsigned(bits.map_err(|_| "a bit string that does not fit")?))
            }
            _ => return Err("a value of another type than planned"),
        };
        Ok(Parameter { encoder: self, value })
    }
}

/// DECIMAL is rounded without an error where the scale does not reach.
fn decimal(text: &str, scale: usize) -> Result<&str, &'static str> {
    if !text.ends_with(|c: char| c.is_ascii_digit()) {
        return Err("NaN or an infinity, which MySQL has no number for");
    }
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    if fraction.len() > scale && value::rescale_decimal(text, scale).is_none() {
        return Err("a number with more digits after the point than its column");
    }
    Ok(text)
}

/// Blanks beyond the end of a VARCHAR are cut without an error.
fn text(text: &str, most: usize) -> Result<&str, &'static str> {
    if most > 0 && text.len() > most && text.chars().count() > most {
        return Err("text longer than its column");
    }
    Ok(text)
}

fn hex(text: &str) -> Result<&[u8], &'static str> {
    let digits = text.as_bytes();
    if digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit) {
        Ok(digits)
    } else {
        Err("text that is no value of its type")
    }
}

fn civil(days: i32) -> Result<(u16, u8, u8), &'static str> {
    let (year, month, day) = value::civil_from_days(days);
    let year = u16::try_from(year).ok().filter(|y| *y <= 9999).ok_or("a date outside the years 0 to 9999")?;
    // A month and a day always fit.
    Ok((year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1)))
}

fn wall_clock<'a>(micros: i64) -> Result<Wire<'a>, &'static str> {
    let (days, rest) = value::split_days(micros);
    Ok(Wire::DateTime(civil(days)?, rest))
}

/// A value on its way to the server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wire<'a> {
    Signed(i64),
    Unsigned(u64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Hex(&'a [u8]),
    Uuid(&'a [u8]),
    Date((u16, u8, u8)),
    Time(i64),
    DateTime((u16, u8, u8), i64),
}

/// A parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter<'a> {
    encoder: Encoder,
    value: Option<Wire<'a>>,
}

/// Bytes that a cell takes in a packet at most, its type included.
pub fn size(batch: &Batch, cell: Cell) -> usize {
    match cell {
        Cell::Text(span) | Cell::Bytes(span) | Cell::Decimal(span) => batch.bytes(span).len() + 12,
        Cell::Uuid(_) => 40,
        _ => 24,
    }
}

impl Parameter<'_> {
    /// The same value as a literal of a script, with no character in it that a `sql_mode` or a client program reads
    /// as anything but itself.
    pub fn put_literal(&self, out: &mut Vec<u8>) {
        let mut plain = |text: &str| out.extend_from_slice(text.as_bytes());
        match self.value {
            None => plain("NULL"),
            Some(Wire::Signed(v)) => plain(&v.to_string()),
            Some(Wire::Unsigned(v)) => plain(&v.to_string()),
            // With an exponent a number is a double and never a decimal; the shortest digits are read back exactly.
            Some(Wire::Double(v)) => plain(&format!("{v:e}")),
            Some(Wire::Text(text)) => put_text(text, out),
            Some(Wire::Bytes(bytes)) => put_bytes("_binary", bytes, out),
            Some(Wire::Hex(digits)) => {
                plain("_binary x'");
                out.extend_from_slice(digits);
                out.push(b'\'');
            }
            Some(Wire::Uuid(bytes)) => plain(&format!("'{}'", value::format_uuid(bytes))),
            Some(Wire::Date(date)) => plain(&format!("'{}'", date_text(date))),
            Some(Wire::Time(micros)) => plain(&format!("'{}'", value::format_time(micros, 6))),
            Some(Wire::DateTime(date, micros)) => {
                plain(&format!("'{} {}'", date_text(date), value::format_time(micros, 6)));
            }
        }
    }
}

fn date_text((year, month, day): (u16, u8, u8)) -> String {
    format!("{year:04}-{month:02}-{day:02}")
}

/// Text in quotes, or by its bytes where a character in it means something else to a `sql_mode` (the backslash) or
/// gets lost in the client program (NUL, the carriage return, and the end-of-file of other systems).
fn put_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|b| matches!(b, b'\\' | 0 | b'\r' | 0x1a)) {
        return put_bytes("_utf8mb4", text.as_bytes(), out);
    }
    put_quoted(text, out);
}

fn put_bytes(introducer: &str, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(introducer.as_bytes());
    out.extend_from_slice(b" x'");
    put_hex(bytes, out);
    out.push(b'\'');
}

impl Type<MySql> for Parameter<'_> {
    fn type_info() -> MySqlTypeInfo {
        <str as Type<MySql>>::type_info()
    }
}

impl Encode<'_, MySql> for Parameter<'_> {
    fn produces(&self) -> Option<MySqlTypeInfo> {
        Some(self.encoder.type_info())
    }

    fn encode_by_ref(&self, out: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        match self.value {
            None => return Ok(IsNull::Yes),
            Some(Wire::Signed(v)) => out.extend_from_slice(&v.to_le_bytes()),
            Some(Wire::Unsigned(v)) => out.extend_from_slice(&v.to_le_bytes()),
            Some(Wire::Double(v)) => out.extend_from_slice(&v.to_le_bytes()),
            Some(Wire::Text(text)) => return <&str as Encode<MySql>>::encode_by_ref(&text, out),
            Some(Wire::Bytes(bytes)) => return <&[u8] as Encode<MySql>>::encode_by_ref(&bytes, out),
            Some(Wire::Hex(digits)) => {
                let bytes: Vec<u8> =
                    digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect();
                return <Vec<u8> as Encode<MySql>>::encode_by_ref(&bytes, out);
            }
            Some(Wire::Uuid(bytes)) => {
                let text = value::format_uuid(bytes);
                return <&str as Encode<MySql>>::encode_by_ref(&text.as_str(), out);
            }
            Some(Wire::Date(date)) => {
                out.push(4);
                put_date(date, out);
            }
            Some(Wire::DateTime(date, micros)) => {
                out.push(11);
                put_date(date, out);
                put_clock(micros, out);
            }
            Some(Wire::Time(micros)) => {
                let text = value::format_time(micros, 6);
                return <&str as Encode<MySql>>::encode_by_ref(&text.as_str(), out);
            }
        }
        Ok(IsNull::No)
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.saturating_sub(b'A') + 10,
    }
}

fn put_date((year, month, day): (u16, u8, u8), out: &mut Vec<u8>) {
    out.extend_from_slice(&year.to_le_bytes());
    out.extend_from_slice(&[month, day]);
}

/// Hour, minute, second and microseconds of a day.
fn put_clock(micros: i64, out: &mut Vec<u8>) {
    let seconds = micros / 1_000_000;
    for part in [seconds / 3600, seconds / 60 % 60, seconds % 60] {
        // Each lies below 60, or below 24.
        out.push(u8::try_from(part).unwrap_or(0));
    }
    out.extend_from_slice(&u32::try_from(micros % 1_000_000).unwrap_or(0).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::Shape;

    fn bound(encoder: Encoder, push: impl Fn(&mut Batch)) -> Result<Vec<u8>, &'static str> {
        let columns = vec![crate::model::batch::ShapeColumn { name: "c".into(), data_type: DataType::TEXT }];
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns, key: vec![] }));
        push(&mut batch);
        let parameter = encoder.bind(&batch, batch.row(0)[0])?;
        let mut out = Vec::new();
        let _ = parameter.encode_by_ref(&mut out).unwrap();
        assert!(out.len() <= size(&batch, batch.row(0)[0]));
        Ok(out)
    }

    #[test]
    fn times_in_the_binary_protocol() {
        let cell = |encoder, cell: Cell| bound(encoder, |b| b.push(cell));
        let micros = value::parse_datetime("2024-01-02 03:04:05.000006").unwrap();
        let bytes = [11, 0xe8, 0x07, 1, 2, 3, 4, 5, 6, 0, 0, 0];
        assert_eq!(cell(Encoder::DateTime, Cell::DateTime(micros)).unwrap(), bytes);
        let span = value::parse_time_span("-25:00:01").unwrap();
        assert_eq!(cell(Encoder::Time, Cell::Time(span)).unwrap(), b"\x10-25:00:01.000000");
        assert_eq!(cell(Encoder::Date, Cell::Date(0)).unwrap(), [4, 0xb2, 0x07, 1, 1]);
    }

    #[test]
    fn literals_mean_the_same_in_every_mode() {
        let said = |encoder: Encoder, push: &dyn Fn(&mut Batch)| {
            let columns =
                vec![crate::model::batch::ShapeColumn { name: "c".into(), data_type: DataType::TEXT }];
            let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns, key: vec![] }));
            push(&mut batch);
            let mut out = Vec::new();
            encoder.bind(&batch, batch.row(0)[0]).unwrap().put_literal(&mut out);
            String::from_utf8(out).unwrap()
        };
        let cell = |encoder, cell: Cell| said(encoder, &move |b: &mut Batch| b.push(cell));
        let text = |t: &'static str| said(Encoder::Text(0), &move |b: &mut Batch| b.push_text(t));
        for (got, expected) in [
            (cell(Encoder::Signed, Cell::Null), "NULL"),
            (cell(Encoder::Signed, Cell::Int(i64::MIN)), "-9223372036854775808"),
            (cell(Encoder::Unsigned, Cell::UInt(u64::MAX)), "18446744073709551615"),
            (cell(Encoder::Double, Cell::Float(0.1)), "1e-1"),
            (cell(Encoder::Date, Cell::Date(0)), "'1970-01-01'"),
            (cell(Encoder::Time, Cell::Time(-1_500_000)), "'-00:00:01.500000'"),
            (cell(Encoder::DateTime, Cell::DateTime(1)), "'1970-01-01 00:00:00.000001'"),
            (text("it's\n\u{e9}"), "'it''s\n\u{e9}'"),
            (text("a\\"), "_utf8mb4 x'615c'"),
            (text("a\r"), "_utf8mb4 x'610d'"),
            (said(Encoder::Bytes, &|b: &mut Batch| b.push_bytes(b"")), "_binary x''"),
            (said(Encoder::Hex, &|b: &mut Batch| b.push_text("00fF")), "_binary x'00fF'"),
            (said(Encoder::Decimal(2), &|b: &mut Batch| b.push_decimal("-1.50")), "'-1.50'"),
            (said(Encoder::Bits, &|b: &mut Batch| b.push_text("101")), "5"),
        ] {
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn what_the_server_would_change_is_refused() {
        let decimal = |t: &str| bound(Encoder::Decimal(2), |b| b.push_decimal(t));
        assert!(decimal("1.50").is_ok() && decimal("1.5000").is_ok() && decimal("-0").is_ok());
        assert!(decimal("1.555").is_err() && decimal("NaN").is_err() && decimal("-Infinity").is_err());
        let text = |t: &str| bound(Encoder::Text(2), |b| b.push_text(t));
        assert!(text("éé").is_ok() && text("").is_ok());
        assert!(text("a  ").is_err());
        assert!(bound(Encoder::Double, |b| b.push(Cell::Float(f64::INFINITY))).is_err());
        assert!(bound(Encoder::Unsigned, |b| b.push(Cell::Int(-1))).is_err());
        assert!(bound(Encoder::Signed, |b| b.push(Cell::UInt(u64::MAX))).is_err());
        assert!(bound(Encoder::Year, |b| b.push(Cell::Int(70))).is_err());
        assert!(bound(Encoder::Instant, |b| b.push(Cell::Timestamp(0))).is_err());
        assert!(bound(Encoder::Time, |b| b.push(Cell::Time(LONGEST_TIME + 1))).is_err());
    }

    #[test]
    fn bits_and_bytes() {
        assert_eq!(bound(Encoder::Bits, |b| b.push_text("101")).unwrap(), 5_u64.to_le_bytes());
        assert_eq!(bound(Encoder::Hex, |b| b.push_text("00fF")).unwrap(), [2, 0, 255]);
        assert!(bound(Encoder::Hex, |b| b.push_text("0g")).is_err());
    }
}
