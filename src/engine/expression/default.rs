//! Defaults in a dialect's own words that are constants or clocks after all.

use sqlparser::ast::{Expr, FunctionArguments};

use super::Comparison;
use super::call::{arguments, function_name};
use super::print::print;
use super::read::{Reader, parse, strip};
use super::term::{Class, Term};
use crate::model::endpoint::Dialect;
use crate::model::schema::{DataType, DefaultValue};

/// The neutral form of a default that the catalogue could only give as text, for a column that holds `carries` in
/// the target: a constant of that type, a clock, or an expression that the target can say. `None` if it is none.
pub fn default(source: Dialect, text: &str, target: Dialect, carries: &DataType) -> Option<DefaultValue> {
    let expr = parse(source, text)?;
    if let Some(clock) = clock(source, strip(&expr), carries) {
        // As text it has digits and an offset in PostgreSQL, and neither elsewhere.
        let says_more = source == Dialect::Postgres && matches!(carries, DataType::Text { .. });
        return (!says_more || clock == DefaultValue::CurrentDate).then_some(clock);
    }
    let nobody = |_: &str| None;
    let reader = Reader::new(source, target, &nobody);
    let node = reader.walk(&expr, 0)?;
    let class = Class::of(carries, Comparison::Exact);
    match (&node.term, &class) {
        (Term::Null, _) => return Some(DefaultValue::Null),
        (Term::Text(text), Class::Json) => return Some(DefaultValue::Text(text.clone())),
        // The affinity of the column makes text of it.
        (Term::Number(number), Class::Text { .. }) if source == Dialect::Sqlite => {
            return Some(DefaultValue::Text(number.clone()));
        }
        _ => {}
    }
    let node = reader.adapt(node, &class)?;
    let same = node.class.is_number() && class.is_number()
        || node.class == class
        || matches!((&node.class, &class), (Class::Text { .. } | Class::Quoted, Class::Text { .. }))
        || matches!((&node.class, &class), (Class::Quoted, Class::Enum { .. }));
    if !same {
        return None;
    }
    match node.term {
        Term::Bool(value) => Some(DefaultValue::Bool(value)),
        Term::Number(text) => Some(DefaultValue::Number(text)),
        Term::Text(text) => Some(DefaultValue::Text(text)),
        term => print(&term, target).map(DefaultValue::Expression),
    }
}

/// The clocks of all dialects. Those of UTC equal the others for a column without zone, because every session of
/// this program runs in UTC and so do the values that are carried.
fn clock(source: Dialect, expr: &Expr, carries: &DataType) -> Option<DefaultValue> {
    let moment = matches!(carries, DataType::DateTime { .. } | DataType::Timestamp { .. });
    match expr {
        Expr::Cast { expr, .. } if moment => {
            clock(source, strip(expr), carries).filter(|c| *c == DefaultValue::CurrentTimestamp)
        }
        Expr::AtTimeZone { timestamp, time_zone } if is_utc(time_zone) && moment => {
            clock(source, strip(timestamp), carries)
        }
        Expr::Function(function) => {
            let name = function_name(&function.name)?;
            let bare = matches!(function.args, FunctionArguments::None);
            let arguments = arguments(function)?;
            let words: Vec<String> = arguments.iter().map(|e| strip(e).to_string()).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let precision = words.iter().all(|w| w.bytes().all(|b| b.is_ascii_digit()));
            match (name.as_str(), words.as_slice()) {
                (
                    "current_timestamp"
                    | "now"
                    | "localtimestamp"
                    | "transaction_timestamp"
                    | "statement_timestamp"
                    | "utc_timestamp",
                    _,
                ) if bare || precision => Some(DefaultValue::CurrentTimestamp),
                ("current_date" | "curdate" | "utc_date", []) => Some(DefaultValue::CurrentDate),
                // A time of day on PostgreSQL, a date and time on MySQL.
                ("localtime", _) if source == Dialect::Mysql => Some(DefaultValue::CurrentTimestamp),
                ("current_time" | "curtime" | "utc_time" | "localtime", _) if bare || precision => {
                    Some(DefaultValue::CurrentTime)
                }
                ("datetime", [now] | [now, "'subsec'" | "'subsecond'"]) if is_now(now) => {
                    Some(DefaultValue::CurrentTimestamp)
                }
                ("strftime", [format, now]) if is_now(now) && moment && is_moment_format(format) => {
                    Some(DefaultValue::CurrentTimestamp)
                }
                ("strftime", ["'%H:%M:%f000'" | "'%H:%M:%S.000000'" | "'%H:%M:%S+00'", now])
                    if is_now(now) =>
                {
                    Some(DefaultValue::CurrentTime)
                }
                ("date", [now]) if is_now(now) => Some(DefaultValue::CurrentDate),
                ("time", [now]) if is_now(now) => Some(DefaultValue::CurrentTime),
                ("timezone", [zone, _]) if moment && zone.to_ascii_lowercase().starts_with("'utc'") => {
                    clock(source, strip(arguments.get(1)?), carries)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn is_now(word: &str) -> bool {
    word.eq_ignore_ascii_case("'now'") || word.eq_ignore_ascii_case("\"now\"")
}

fn is_moment_format(word: &str) -> bool {
    // SQLite's rules write six digits, and the offset of an instant (`engine/sqlite/default`).
    let word = word.trim_matches(['\'', '"']).trim_end_matches("+00:00").trim_end_matches('Z');
    matches!(
        word.split_once([' ', 'T']),
        Some(("%Y-%m-%d" | "%F", "%H:%M:%S" | "%H:%M:%S.000000" | "%H:%M:%f" | "%H:%M:%f000" | "%T"))
    )
}

fn is_utc(zone: &Expr) -> bool {
    zone.to_string().to_ascii_lowercase().starts_with("'utc'")
}
