//! One spelling for one value, whatever engine it comes from: the first half of the content judge. Written from
//! the engines' documentation and on purpose not with the product's own value code, which it judges.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::database::Engine;

/// A value as a plain driver gave it.
#[derive(Debug, Clone, PartialEq)]
pub enum Raw {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

/// What the declared type of a column says about its values. The later one wins where two engines differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Says nothing (SQLite columns without a type that means something).
    Free,
    Text,
    Number,
    Float,
    Single,
    Bits,
    Clock,
    Moment,
    Bytes,
    /// MySQL's spatial types: hexadecimal digits of what it stores.
    Shape,
}

impl Kind {
    /// From the type as the engine's catalogue spells it.
    pub fn of(engine: Engine, declared: &str) -> Self {
        let name = declared.to_ascii_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        let starts = |parts: &[&str]| parts.iter().any(|part| name.starts_with(part));
        match engine {
            Engine::Sqlite => {
                if has(&["timespan"]) || name == "time" || name.starts_with("time(") {
                    Self::Clock
                } else if has(&["date", "timestamp"]) {
                    Self::Moment
                } else if has(&["bit_text"]) {
                    Self::Bits
                } else if has(&["int", "bool", "dec", "numeric", "year"]) || starts(&["bit"]) {
                    Self::Number
                } else if has(&["real", "floa", "doub"]) {
                    Self::Float
                } else if has(&["blob"]) {
                    Self::Bytes
                } else if has(&["char", "text", "clob", "json", "uuid"]) {
                    Self::Text
                } else {
                    Self::Free
                }
            }
            Engine::Postgres => match name.split('(').next().unwrap_or_default().trim() {
                "smallint" | "integer" | "bigint" | "numeric" | "boolean" | "oid" | "money" => Self::Number,
                "real" => Self::Single,
                "double precision" => Self::Float,
                "bytea" => Self::Bytes,
                "bit" | "bit varying" => Self::Bits,
                "date" => Self::Moment,
                // MySQL's TIME is a span of hours, which PostgreSQL calls an interval.
                "time without time zone" | "interval" => Self::Clock,
                "time" if !name.contains("with time zone") => Self::Clock,
                other if other.starts_with("timestamp") => Self::Moment,
                _ => Self::Text,
            },
            Engine::Mariadb | Engine::Mysql => {
                if has(&["int", "decimal", "year"]) {
                    Self::Number
                } else if starts(&["bit"]) {
                    Self::Bits
                } else if starts(&["float"]) {
                    Self::Single
                } else if starts(&["double"]) {
                    Self::Float
                } else if has(&["blob", "binary"]) {
                    Self::Bytes
                } else if has(&["geom", "point", "linestring", "polygon"]) && !starts(&["enum", "set"]) {
                    Self::Shape
                } else if starts(&["timestamp", "date"]) {
                    Self::Moment
                } else if starts(&["time"]) {
                    Self::Clock
                } else {
                    Self::Text
                }
            }
        }
    }
}

/// The one spelling of a value under a kind; what the kind can't read keeps its own text.
pub fn canon(raw: &Raw, kind: Kind) -> String {
    let text = match raw {
        Raw::Null => return "NULL".to_owned(),
        Raw::Int(value) => value.to_string(),
        Raw::Real(value) => return real(*value, kind),
        Raw::Text(text) => text.clone(),
        Raw::Bytes(bytes) => return format!("x'{}'", hex(bytes)),
    };
    match kind {
        Kind::Bytes => format!("x'{}'", hex(text.as_bytes())),
        Kind::Number => number(&text).unwrap_or_else(|| quoted(&text)),
        Kind::Float | Kind::Single => {
            text.parse::<f64>().map_or_else(|_| quoted(&text), |value| real(value, kind))
        }
        Kind::Bits => bits(&text),
        Kind::Moment => moment(&text).unwrap_or_else(|| quoted(&text)),
        Kind::Clock => clock(&text).unwrap_or_else(|| quoted(&text)),
        Kind::Shape => quoted(&text.to_ascii_lowercase()),
        Kind::Text | Kind::Free => quoted(&text),
    }
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A double by its shortest exact decimal spelling; under `Single` by that of the nearest single.
fn real(value: f64, kind: Kind) -> String {
    if kind == Kind::Single {
        #[allow(clippy::cast_possible_truncation, reason = "single precision is what the column holds")]
        let single = value as f32;
        return format!("{}", f64::from(if single == 0.0 { 0.0 } else { single }));
    }
    let value = if value == 0.0 { 0.0 } else { value };
    let text = format!("{value}");
    match kind {
        Kind::Number => number(&text).unwrap_or(text),
        _ => text,
    }
}

/// A decimal by its digits: no sign of zero, no leading or trailing zeros, no exponent.
fn number(text: &str) -> Option<String> {
    let text = match text.trim() {
        "t" | "true" => "1",
        "f" | "false" => "0",
        // PostgreSQL's money in the locale of the tests.
        other => &other.replacen('$', "", 1).replace(',', ""),
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, exponent) = match digits.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty()
        || !whole.chars().chain(fraction.chars()).all(|digit| digit.is_ascii_digit())
    {
        return None;
    }
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    let mut all = format!("{whole}{fraction}");
    while point < 0 {
        all.insert(0, '0');
        point += 1;
    }
    while usize::try_from(point).ok()? > all.len() {
        all.push('0');
    }
    let (whole, fraction) = all.split_at(usize::try_from(point).ok()?);
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A bit string by its number: `b'00101'` here, 5 there.
fn bits(text: &str) -> String {
    if text.len() > 1 && text.chars().all(|bit| bit == '0' || bit == '1') {
        let digits = text.trim_start_matches('0');
        return u128::from_str_radix(if digits.is_empty() { "0" } else { digits }, 2)
            .map_or_else(|_| quoted(text), |value| value.to_string());
    }
    number(text).unwrap_or_else(|| quoted(text))
}

/// A date or date and time, in UTC, to the microsecond.
fn moment(text: &str) -> Option<String> {
    let text = text.trim().replacen('T', " ", 1);
    let show = |at: NaiveDateTime| at.format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    if let Ok(day) = NaiveDate::parse_from_str(&text, "%Y-%m-%d") {
        return Some(show(day.and_hms_opt(0, 0, 0)?));
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.fZ"] {
        if let Ok(at) = DateTime::parse_from_str(&text, format) {
            return Some(show(at.naive_utc()));
        }
    }
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
        .map(show)
}

/// A time of day, or a span of hours (`-12:00:00`, `PT-12H`), to the microsecond.
fn clock(text: &str) -> Option<String> {
    if let Some(span) = text.strip_prefix("PT") {
        return hours(span);
    }
    if let Ok(at) = NaiveTime::parse_from_str(text, "%H:%M:%S%.f") {
        return Some(format!(
            "{}:{:02}:{:02}.{:06}",
            at.hour(),
            at.minute(),
            at.second(),
            at.nanosecond() / 1000
        ));
    }
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let mut parts = rest.trim_start_matches('+').splitn(3, ':');
    let hours: u32 = parts.next()?.parse().ok()?;
    let minutes: u32 = parts.next()?.parse().ok()?;
    let (seconds, fraction) = parts.next()?.split_once('.').unwrap_or((rest.rsplit(':').next()?, ""));
    let seconds: u32 = seconds.parse().ok()?;
    Some(format!("{sign}{hours}:{minutes:02}:{seconds:02}.{fraction:0<6}"))
}

/// The part of an ISO 8601 duration after `PT`.
fn hours(span: &str) -> Option<String> {
    let (mut micros, mut digits) = (0i128, String::new());
    for letter in span.chars() {
        let unit: i128 = match letter {
            'H' => 3_600_000_000,
            'M' => 60_000_000,
            'S' => 1_000_000,
            _ => {
                digits.push(letter);
                continue;
            }
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let part: i128 = format!("{whole}{fraction:0<6}").parse().ok()?;
        micros += part * unit / 1_000_000;
        digits.clear();
    }
    let (sign, all) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let (hours, minutes, seconds) = (all / 3_600_000_000, all / 60_000_000 % 60, all / 1_000_000 % 60);
    Some(format!("{sign}{hours}:{minutes:02}:{seconds:02}.{:06}", all % 1_000_000))
}

#[test]
fn the_judge_reads_one_value_in_every_spelling() {
    for (kind, same) in [
        (Kind::Number, vec!["1.50", "1.5", "+1.500", "15e-1"]),
        (Kind::Number, vec!["0", "-0.00", "false", "f", "0e3"]),
        (Kind::Number, vec!["1200", "1.2e3", "01200.0"]),
        (Kind::Float, vec!["0.1", "0.1000", "1e-1"]),
        (Kind::Moment, vec!["2024-01-02 03:04:05", "2024-01-02T03:04:05.000000", "2024-01-02 03:04:05+00"]),
        (
            Kind::Moment,
            vec!["2024-01-02 03:04:05.5+00:00", "2024-01-02 05:04:05.500+02", "2024-01-02 03:04:05.5Z"],
        ),
        (Kind::Moment, vec!["2024-01-02", "2024-01-02 00:00:00.000000"]),
        (Kind::Clock, vec!["03:04:05", "3:04:05.000000", "PT3H4M5S"]),
        (Kind::Clock, vec!["-838:59:59.500000", "PT-838H-59M-59.5S"]),
        (Kind::Clock, vec!["00:00:00", "PT0S"]),
        (Kind::Bits, vec!["00101", "5"]),
    ] {
        let spellings: Vec<_> = same.iter().map(|text| canon(&Raw::Text((*text).to_owned()), kind)).collect();
        assert!(spellings.windows(2).all(|pair| pair[0] == pair[1]), "{kind:?}: {same:?} → {spellings:?}");
    }
    for (kind, a, b) in [
        (Kind::Number, "1.5", "1.51"),
        (Kind::Number, "12345678901234567.1", "12345678901234567.2"),
        (Kind::Float, "0.1", "0.10000000000000002"),
        (Kind::Moment, "2024-01-02 03:04:05.000001", "2024-01-02 03:04:05"),
        (Kind::Text, "a", "a "),
        (Kind::Clock, "24:00:00", "00:00:00"),
    ] {
        assert_ne!(canon(&Raw::Text(a.into()), kind), canon(&Raw::Text(b.into()), kind), "{kind:?}");
    }
    assert_eq!(canon(&Raw::Int(1), Kind::Number), canon(&Raw::Text("true".into()), Kind::Number));
    assert_eq!(canon(&Raw::Real(2.5), Kind::Number), canon(&Raw::Text("2.50".into()), Kind::Number));
    assert_ne!(canon(&Raw::Null, Kind::Text), canon(&Raw::Text(String::new()), Kind::Text));
    assert_ne!(canon(&Raw::Null, Kind::Text), canon(&Raw::Text("NULL".into()), Kind::Text));
}
