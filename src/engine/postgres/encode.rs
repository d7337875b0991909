//! From a cell to the value that COPY takes: binary where the type has an encoder, else the text that the server's
//! own input functions read. What the server would take but change (round, cut, pad) is refused here.

use super::types::split_type;
use super::wire::{self, Reason};
use crate::model::batch::{Batch, Cell, Span};
use crate::model::plan::ColumnPlan;
use crate::model::schema::DataType;
use crate::model::value;

/// How the cells of a column become a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoder {
    Bool,
    Int16,
    Int32,
    Int64,
    /// An integer in a numeric column.
    NumericInt,
    Float32,
    Float64,
    Numeric {
        scale: Option<usize>,
    },
    /// `money`: whole units of so many fractional digits, as the server's `lc_monetary` has it.
    Money {
        digits: usize,
    },
    Text {
        most: Option<u64>,
        padded: bool,
    },
    Jsonb,
    Bytes,
    Date,
    Time {
        digits: u8,
    },
    Span,
    DateTime {
        digits: u8,
    },
    Timestamp {
        digits: u8,
    },
    Uuid,
    Bits,
    /// A type whose binary form is its own affair: the server reads its text.
    AsText,
}

/// Encoder for a column, from what it carries and how it is declared.
pub(super) fn encoder(column: &ColumnPlan, money_digits: usize) -> Encoder {
    let (native, args) = split_type(&column.native_type);
    let first = args.first().copied();
    let digits = first.and_then(|n| u8::try_from(n).ok()).unwrap_or(6).min(6);
    let by_text = || match native.as_str() {
        "text" | "name" | "json" | "xml" | "citext" | "bpchar" => Encoder::Text { most: None, padded: false },
        "character varying" => {
            Encoder::Text { most: first.and_then(|n| u64::try_from(n).ok()), padded: false }
        }
        "character" => {
            Encoder::Text { most: Some(first.and_then(|n| u64::try_from(n).ok()).unwrap_or(1)), padded: true }
        }
        "jsonb" => Encoder::Jsonb,
        _ => Encoder::AsText,
    };
    match &column.carries {
        DataType::Bool if native == "boolean" => Encoder::Bool,
        DataType::Int { .. } | DataType::Year => match native.as_str() {
            "smallint" => Encoder::Int16,
            "integer" => Encoder::Int32,
            "bigint" => Encoder::Int64,
            "numeric" => Encoder::NumericInt,
            _ => Encoder::AsText,
        },
        DataType::Float32 | DataType::Float64 if native == "real" => Encoder::Float32,
        DataType::Float32 | DataType::Float64 if native == "double precision" => Encoder::Float64,
        DataType::Decimal { .. } if native == "numeric" => {
            let declared = first.map(|_| args.get(1).copied().unwrap_or(0));
            match declared.map(usize::try_from) {
                Some(Err(_)) => Encoder::AsText,
                Some(Ok(scale)) => Encoder::Numeric { scale: Some(scale) },
                None => Encoder::Numeric { scale: None },
            }
        }
        DataType::Decimal { .. } if native == "money" => Encoder::Money { digits: money_digits },
        // The binary form of an enum is its label.
        DataType::Enum { .. } if native.starts_with('"') => Encoder::Text { most: None, padded: false },
        DataType::Bytes { .. } if native == "bytea" => Encoder::Bytes,
        DataType::Date if native == "date" => Encoder::Date,
        DataType::Time { .. } if native.starts_with("time without") || native == "time" => {
            Encoder::Time { digits }
        }
        DataType::TimeSpan { .. } if native == "interval" => Encoder::Span,
        DataType::DateTime { .. } if native.starts_with("timestamp without") || native == "timestamp" => {
            Encoder::DateTime { digits }
        }
        DataType::Timestamp { .. } if native.starts_with("timestamp with ") || native == "timestamptz" => {
            Encoder::Timestamp { digits }
        }
        DataType::Uuid if native == "uuid" => Encoder::Uuid,
        DataType::Bit { .. } if native.starts_with("bit") => Encoder::Bits,
        _ => by_text(),
    }
}

/// Whether the column holds the cell as it is: the server itself would round a fraction, drop trailing blanks, and
/// say nothing.
pub(super) fn fits(encoder: Encoder, cell: Cell, batch: &Batch) -> Result<(), Reason> {
    match (encoder, cell) {
        (Encoder::Time { digits }, Cell::Time(v))
        | (Encoder::DateTime { digits }, Cell::DateTime(v))
        | (Encoder::Timestamp { digits }, Cell::Timestamp(v)) => {
            let step = 10_i128.pow(u32::from(6 - digits));
            let infinite = value::infinite(v == i64::MAX, v == i64::MIN).is_some();
            let v = if matches!(cell, Cell::Time(_)) { i128::from(v) } else { value::unpack_micros(v) };
            if infinite || v % step == 0 {
                Ok(())
            } else {
                Err("has more fractional digits than the column keeps")
            }
        }
        (Encoder::Numeric { scale: Some(scale) }, Cell::Decimal(span)) => {
            let fraction = batch.text(span).split_once('.').map_or("", |(_, f)| f).trim_end_matches('0');
            if fraction.len() <= scale {
                Ok(())
            } else {
                Err("has more fractional digits than the column keeps")
            }
        }
        // Text of an engine that does not check its encoding is empty to whoever asks for text.
        (_, Cell::Text(span)) if batch.text(span).len() != batch.bytes(span).len() => {
            Err("is no valid UTF-8")
        }
        (Encoder::Text { most, padded }, Cell::Text(span)) => {
            let text = batch.text(span);
            if padded && text.ends_with(' ') {
                return Err("ends in blanks, which a char column does not keep");
            }
            let too_long = |most: u64| {
                let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
                bytes > most && u64::try_from(text.chars().count()).unwrap_or(u64::MAX) > most
            };
            if most.is_some_and(too_long) {
                return Err("is longer than the column");
            }
            without_nul(text)
        }
        (_, Cell::Text(span)) => without_nul(batch.text(span)),
        _ => Ok(()),
    }
}

fn without_nul(text: &str) -> Result<(), Reason> {
    if text.as_bytes().contains(&0) {
        return Err("holds a NUL character, which PostgreSQL cannot store in text");
    }
    Ok(())
}

/// An amount in the units that `money` counts.
fn money(text: &str, digits: usize) -> Result<i64, Reason> {
    let scaled = value::rescale_decimal(text, digits).ok_or("has more fractional digits than money keeps")?;
    scaled.replacen('.', "", 1).parse().map_err(|_| RANGE)
}

/// Units of `money` as a session with `lc_monetary = C` reads them: hundredths.
fn money_text(units: i64) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    format!("{sign}{}.{:02}", units / 100, units % 100)
}

/// A double that is exactly a single.
fn single(value: f64) -> Result<f32, Reason> {
    #[allow(clippy::cast_possible_truncation, reason = "whether anything was lost is looked at right below")]
    let single = value as f32;
    if f64::from(single).to_bits() == value.to_bits() || value.is_nan() {
        Ok(single)
    } else {
        Err("has more digits than single precision holds")
    }
}

const RANGE: Reason = "is out of the column's range";
const OTHER: Reason = "is of another kind than its column";

/// First byte of the binary form of jsonb.
const JSONB_VERSION: u8 = 1;

/// A long value whose binary form ends in its bytes as they are; what stands before them (its length, the version of
/// jsonb) is appended.
pub(super) fn put_before_long(
    encoder: Encoder,
    cell: Cell,
    out: &mut Vec<u8>,
) -> Result<Option<Span>, Reason> {
    let (head, span): (&[u8], Span) = match (encoder, cell) {
        (Encoder::Text { .. }, Cell::Text(span)) | (Encoder::Bytes, Cell::Bytes(span)) => (&[], span),
        (Encoder::Jsonb, Cell::Text(span)) => (&[JSONB_VERSION], span),
        _ => return Ok(None),
    };
    if !span.is_long() {
        return Ok(None);
    }
    wire::put_length(out, head.len() + span.len())?;
    out.extend_from_slice(head);
    Ok(Some(span))
}

/// Appends the binary form, with its length.
pub(super) fn put_binary(
    encoder: Encoder,
    cell: Cell,
    batch: &Batch,
    out: &mut Vec<u8>,
) -> Result<(), Reason> {
    match (encoder, cell) {
        (_, Cell::Null) => {
            wire::put_null(out);
            Ok(())
        }
        (Encoder::Bool, Cell::Bool(v)) => wire::put(out, &[u8::from(v)]),
        (Encoder::Int16, Cell::Int(v)) => wire::put(out, &i16::try_from(v).map_err(|_| RANGE)?.to_be_bytes()),
        (Encoder::Int32, Cell::Int(v)) => wire::put(out, &i32::try_from(v).map_err(|_| RANGE)?.to_be_bytes()),
        (Encoder::Int16 | Encoder::Int32 | Encoder::Int64, Cell::UInt(_)) => Err(RANGE),
        (Encoder::NumericInt, Cell::Int(v)) => {
            wire::put_sized(out, |out| wire::put_numeric(out, &v.to_string()))
        }
        (Encoder::NumericInt, Cell::UInt(v)) => {
            wire::put_sized(out, |out| wire::put_numeric(out, &v.to_string()))
        }
        (Encoder::Float32, Cell::Float(v)) => wire::put(out, &single(v)?.to_be_bytes()),
        (Encoder::Float64, Cell::Float(v)) => wire::put(out, &v.to_be_bytes()),
        (Encoder::Numeric { .. }, Cell::Decimal(span)) => {
            wire::put_sized(out, |out| wire::put_numeric(out, batch.text(span)))
        }
        (Encoder::Money { digits }, Cell::Decimal(span)) => {
            wire::put(out, &money(batch.text(span), digits)?.to_be_bytes())
        }
        (Encoder::Text { .. }, Cell::Text(span)) => wire::put(out, batch.bytes(span)),
        (Encoder::Jsonb, Cell::Text(span)) => wire::put_sized(out, |out| {
            out.push(JSONB_VERSION);
            out.extend_from_slice(batch.bytes(span));
            Ok(())
        }),
        (Encoder::Bytes, Cell::Bytes(span)) | (Encoder::Uuid, Cell::Uuid(span)) => {
            wire::put(out, batch.bytes(span))
        }
        (Encoder::Date, Cell::Date(v)) => wire::put(out, &wire::from_days(v).ok_or(RANGE)?),
        (Encoder::Int64, Cell::Int(v)) | (Encoder::Time { .. }, Cell::Time(v)) => {
            wire::put(out, &v.to_be_bytes())
        }
        (Encoder::Span, Cell::Time(v)) => wire::put_sized(out, |out| {
            out.extend_from_slice(&v.to_be_bytes());
            out.extend_from_slice(&[0; 8]);
            Ok(())
        }),
        (Encoder::DateTime { .. }, Cell::DateTime(v)) | (Encoder::Timestamp { .. }, Cell::Timestamp(v)) => {
            wire::put(out, &wire::from_micros(v).ok_or(RANGE)?)
        }
        (Encoder::Bits, Cell::Text(span)) => {
            wire::put_sized(out, |out| wire::put_bits(out, batch.text(span)))
        }
        _ => Err(OTHER),
    }
}

/// The text that the server's own input functions read, escaped for COPY.
pub(super) fn put_text(encoder: Encoder, cell: Cell, batch: &Batch, out: &mut Vec<u8>) -> Result<(), Reason> {
    let mut plain = |text: &str| out.extend_from_slice(text.as_bytes());
    match (encoder, cell) {
        (_, Cell::Null) => plain("\\N"),
        (_, Cell::Bool(v)) => plain(if v { "t" } else { "f" }),
        (Encoder::Int16, Cell::Int(v)) => plain(&i16::try_from(v).map_err(|_| RANGE)?.to_string()),
        (Encoder::Int32, Cell::Int(v)) => plain(&i32::try_from(v).map_err(|_| RANGE)?.to_string()),
        (_, Cell::Int(v)) => plain(&v.to_string()),
        (Encoder::Int16 | Encoder::Int32 | Encoder::Int64, Cell::UInt(_)) => return Err(RANGE),
        (_, Cell::UInt(v)) => plain(&v.to_string()),
        (Encoder::Float32, Cell::Float(v)) => plain(&float_text(f64::from(single(v)?))),
        (_, Cell::Float(v)) => plain(&float_text(v)),
        (Encoder::Money { digits }, Cell::Decimal(span)) => {
            plain(&money_text(money(batch.text(span), digits)?));
        }
        (_, Cell::Decimal(span)) => plain(batch.text(span)),
        (_, Cell::Text(span)) => escape(batch.bytes(span), out),
        (_, Cell::Bytes(span)) => {
            plain("\\\\x");
            plain(&value::format_hex(batch.bytes(span)));
        }
        (_, Cell::Uuid(span)) => plain(&value::format_uuid(batch.bytes(span))),
        (_, Cell::Date(v)) => plain(&date_text(v)),
        (_, Cell::Time(v)) => plain(&value::format_time(v, 6)),
        (_, Cell::DateTime(v)) => plain(&datetime_text(v, "")),
        (_, Cell::Timestamp(v)) => plain(&datetime_text(v, "+00")),
    }
    Ok(())
}

/// The text that the server's own input functions read; `None` for NULL.
pub(super) fn plain_text(cell: Cell, batch: &Batch) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Text(span) => Some(batch.text(span).to_owned()),
        Cell::Bytes(span) => Some(format!("\\x{}", value::format_hex(batch.bytes(span)))),
        other => {
            // Nothing else has anything to escape.
            let mut out = Vec::new();
            put_text(Encoder::AsText, other, batch, &mut out).ok()?;
            String::from_utf8(out).ok()
        }
    }
}

/// The shortest text that is this double again.
fn float_text(value: f64) -> String {
    if value.is_infinite() {
        (if value > 0.0 { "Infinity" } else { "-Infinity" }).to_owned()
    } else {
        value.to_string()
    }
}

/// Years before 1 are counted backwards in text.
fn date_text(days: i32) -> String {
    if let Some(infinite) = value::infinite(days == i32::MAX, days == i32::MIN) {
        return infinite.to_owned();
    }
    let (year, month, day) = value::civil_from_days(days);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{:04}-{month:02}-{day:02} BC", 1 - year)
    }
}

fn datetime_text(micros: i64, zone: &str) -> String {
    if let Some(infinite) = value::infinite(micros == i64::MAX, micros == i64::MIN) {
        return infinite.to_owned();
    }
    let (days, rest) = value::split_days(micros);
    let (date, time) = (date_text(days), value::format_time(rest, 6));
    match date.strip_suffix(" BC") {
        Some(date) => format!("{date} {time}{zone} BC"),
        None => format!("{date} {time}{zone}"),
    }
}

fn escape(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(*other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};
    use crate::model::endpoint::Dialect;
    use crate::model::sample;

    fn column(carries: DataType, native: &str) -> ColumnPlan {
        sample::column("c", native, carries)
    }

    fn batch(fill: impl Fn(&mut Batch)) -> Batch {
        let column = ShapeColumn { name: "c".into(), data_type: DataType::TEXT };
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns: vec![column], key: vec![] }));
        fill(&mut batch);
        batch
    }

    #[test]
    fn declared_types_choose_their_encoder() {
        let native = |name: &str| DataType::Native { dialect: Dialect::Postgres, name: name.into() };
        for (carries, from, expected) in [
            (DataType::Year, "smallint", Encoder::Int16),
            (DataType::Int { bits: 64, unsigned: true }, "numeric(20)", Encoder::NumericInt),
            (
                DataType::Decimal { precision: Some(5), scale: Some(2) },
                "numeric(5,2)",
                Encoder::Numeric { scale: Some(2) },
            ),
            (DataType::TEXT, "character varying(9)", Encoder::Text { most: Some(9), padded: false }),
            (
                DataType::Enum { name: None, labels: vec![] },
                "\"mood\"",
                Encoder::Text { most: None, padded: false },
            ),
            (
                DataType::Timestamp { precision: 3 },
                "timestamp(3) with time zone",
                Encoder::Timestamp { digits: 3 },
            ),
            (DataType::TimeTz, "time with time zone", Encoder::AsText),
            (native("inet"), "inet", Encoder::AsText),
            (native("hstore"), "text", Encoder::Text { most: None, padded: false }),
            (DataType::Json { binary: true }, "jsonb", Encoder::Jsonb),
        ] {
            assert_eq!(encoder(&column(carries, from), 2), expected, "{from}");
        }
    }

    #[test]
    fn what_the_server_would_change_is_refused() {
        let text = |t: &'static str| batch(move |b| b.push_text(t));
        let bounded = Encoder::Text { most: Some(3), padded: false };
        let refused = |encoder, b: &Batch| fits(encoder, b.row(0)[0], b).is_err();
        assert!(!refused(bounded, &text("äöü")));
        assert!(refused(bounded, &text("abc ")));
        assert!(refused(Encoder::Text { most: Some(3), padded: true }, &text("ab ")));
        assert!(refused(bounded, &text("a\0")));
        let decimal = batch(|b| b.push_decimal("1.250"));
        assert!(!refused(Encoder::Numeric { scale: Some(2) }, &decimal));
        assert!(refused(Encoder::Numeric { scale: Some(1) }, &decimal));
        let time = batch(|b| b.push(Cell::DateTime(1_500_000)));
        assert!(refused(Encoder::DateTime { digits: 0 }, &time));
        assert!(!refused(Encoder::DateTime { digits: 1 }, &time));
        assert!(single(0.1).is_err() && single(0.5).is_ok());
    }

    #[test]
    fn money_counts_units() {
        assert_eq!(money("-92233720368547758.08", 2), Ok(i64::MIN));
        assert_eq!(money("7", 2), Ok(700));
        assert_eq!(money("700", 0), Ok(700));
        assert!(money("0.001", 2).is_err() && money("NaN", 2).is_err());
        assert_eq!(money_text(i64::MIN), "-92233720368547758.08");
        assert_eq!(money_text(-5), "-0.05");
    }

    #[test]
    fn text_is_escaped_for_copy() {
        let text = batch(|b| b.push_text("a\\N\tb\nc\r"));
        let mut out = Vec::new();
        put_text(Encoder::AsText, text.row(0)[0], &text, &mut out).unwrap();
        assert_eq!(out, b"a\\\\N\\tb\\nc\\r");
        assert_eq!(datetime_text(-62_198_755_200_000_000, "+00"), "0002-01-01 00:00:00.000000+00 BC");
    }
}
