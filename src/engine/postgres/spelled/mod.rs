//! Whether a text is spelled as PostgreSQL itself prints a value of a type, in sessions as [`super::connect`] sets them up.
//! Types without a neutral form travel as that text. Where such a column was text for a while, anything may stand in it by
//! now: what the type would spell anew, or refuse, has to be known before it gets the type again. Exact both ways: whatever
//! the server prints is taken, and of what is taken it prints the same. Pure.

mod json;
mod lexemes;
mod many;
mod networks;
mod numbers;
mod shapes;
mod times;

use self::many::{Kind, array, multirange, range};
use super::types::split_type;
use crate::model::value;

pub(super) use self::json::{is_json, is_jsonb};
pub(super) use self::times::{interval, timetz};

/// Bytes of a `name`: NAMEDATALEN less the zero at its end.
/// <https://www.postgresql.org/docs/current/datatype-character.html>
pub(super) const NAME: usize = 63;

/// Whether a text is how a type prints one of its values.
pub(super) type Spelling = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Of a column of a type without a neutral form; `None` of a type whose spelling is its own affair.
pub(super) fn native(native: &str) -> Option<Spelling> {
    // Their text by itself always says how many bits are of the network.
    if native == "inet" {
        return Some(Box::new(|text| networks::inet(text, true)));
    }
    within(native)
}

/// Of a type as a part of another one, which is where types with a neutral form are spelled as well.
fn within(native: &str) -> Option<Spelling> {
    if let Some(element) = native.strip_suffix("[]") {
        // The only type of the catalogue with another delimiter.
        let delimiter = if element == "box" { ';' } else { ',' };
        let element = within(element)?;
        return Some(Box::new(move |text| array(text, delimiter, &element)));
    }
    let (name, args) = split_type(native);
    let first = args.first().and_then(|n| usize::try_from(*n).ok());
    let digits = first.unwrap_or(6);
    let spelled: Spelling = match name.as_str() {
        "boolean" => Box::new(|text| matches!(text, "t" | "f")),
        "smallint" => Box::new(numbers::integer::<i16>),
        "integer" => Box::new(numbers::integer::<i32>),
        "bigint" => Box::new(numbers::integer::<i64>),
        "oid" | "xid" | "cid" => Box::new(numbers::integer::<u32>),
        "xid8" => Box::new(numbers::integer::<u64>),
        "real" => Box::new(numbers::float::<f32>),
        "double precision" => Box::new(numbers::float::<f64>),
        "numeric" => Box::new(move |text| numbers::numeric(text, &args)),
        "text" => Box::new(|_| true),
        "name" => Box::new(|text| text.len() <= NAME),
        "\"char\"" => Box::new(|text| text.len() <= 1),
        "character varying" => Box::new(move |text| first.is_none_or(|most| text.chars().count() <= most)),
        // Filled up with blanks.
        "character" => Box::new(move |text| text.chars().count() == first.unwrap_or(1)),
        "bpchar" => Box::new(|_| true),
        "json" => Box::new(is_json),
        "jsonb" => Box::new(is_jsonb),
        "uuid" => {
            Box::new(|text| value::parse_uuid(text).is_some_and(|uuid| value::format_uuid(&uuid) == text))
        }
        "bytea" => Box::new(is_bytes),
        "bit" => Box::new(move |text| is_bits(text) && text.len() == first.unwrap_or(1)),
        "bit varying" => Box::new(move |text| is_bits(text) && first.is_none_or(|most| text.len() <= most)),
        "date" => Box::new(|text| times::date(text).is_some()),
        "time without time zone" => Box::new(move |text| times::time(text, digits).is_some()),
        "time with time zone" => Box::new(move |text| timetz(text, digits)),
        "timestamp without time zone" => Box::new(move |text| times::timestamp(text, "", digits).is_some()),
        "timestamp with time zone" => Box::new(move |text| times::timestamp(text, "+00", digits).is_some()),
        "interval" => Box::new(move |text| interval(text, digits)),
        "inet" => Box::new(|text| networks::inet(text, false)),
        "cidr" => Box::new(networks::cidr),
        "macaddr" => Box::new(|text| networks::hardware(text, 6)),
        "macaddr8" => Box::new(|text| networks::hardware(text, 8)),
        "point" => Box::new(shapes::point),
        "line" => Box::new(shapes::line),
        "lseg" => Box::new(shapes::segment),
        "box" => Box::new(shapes::rectangle),
        "path" => Box::new(shapes::path),
        "polygon" => Box::new(shapes::polygon),
        "circle" => Box::new(shapes::circle),
        "tsvector" => Box::new(lexemes::vector),
        "pg_lsn" => Box::new(is_lsn),
        name => return ranges(name),
    };
    Some(spelled)
}

/// Of the range types that every server has.
fn ranges(name: &str) -> Option<Spelling> {
    let (kind, many) = match name {
        "int4range" => (Kind::Int4, false),
        "int8range" => (Kind::Int8, false),
        "numrange" => (Kind::Numeric, false),
        "daterange" => (Kind::Date, false),
        "tsrange" => (Kind::Timestamp(""), false),
        "tstzrange" => (Kind::Timestamp("+00"), false),
        "int4multirange" => (Kind::Int4, true),
        "int8multirange" => (Kind::Int8, true),
        "nummultirange" => (Kind::Numeric, true),
        "datemultirange" => (Kind::Date, true),
        "tsmultirange" => (Kind::Timestamp(""), true),
        "tstzmultirange" => (Kind::Timestamp("+00"), true),
        _ => return None,
    };
    Some(Box::new(move |text| if many { multirange(text, kind) } else { range(text, kind) }))
}

fn is_bits(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0' | b'1'))
}

fn is_bytes(text: &str) -> bool {
    let digits = text.strip_prefix("\\x").filter(|digits| digits.len().is_multiple_of(2));
    digits.is_some_and(|digits| digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Two halves in hexadecimal, without zeros in front.
fn is_lsn(text: &str) -> bool {
    let half = |text: &str| u32::from_str_radix(text, 16).is_ok_and(|n| format!("{n:X}") == text);
    text.split_once('/').is_some_and(|(high, low)| half(high) && half(low))
}

#[cfg(test)]
mod tests;
