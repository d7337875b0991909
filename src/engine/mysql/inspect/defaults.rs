//! DEFAULT as the catalogue tells it, read into the neutral form. MariaDB tells an expression (`'it''s'`, `1`,
//! `current_timestamp()`), MySQL the bare text (`it's`) unless it marks it as an expression. Pure.

use super::super::native::{NativeType, unquote};
use crate::model::schema::{DataType, DefaultValue};
use crate::model::value;

/// How a catalogue tells defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// As an expression: MariaDB from 10.2.7 on.
    Expression,
    /// As bare text, save for what is marked: MySQL, and MariaDB before.
    Bare,
}

/// The default of a column; `marked` says that MySQL calls it an expression, which is [`unescaped`] by then.
pub fn parse(
    telling: Telling,
    marked: bool,
    native: &NativeType,
    kind: &DataType,
    text: &str,
) -> Option<DefaultValue> {
    match telling {
        Telling::Expression => expression(text, native, kind),
        Telling::Bare if marked => expression(text, native, kind),
        Telling::Bare => bare(text, native, kind),
    }
}

/// An expression as SQL: MySQL escapes it as if it were a string when it shows it in the catalogue, and puts the character set
/// of whoever wrote it before each literal.
pub fn unescaped(text: &str) -> String {
    plain_literals(&unescaped_once(text))
}

/// Literals without the introducers of UTF-8, which say what every session of ours speaks anyway, and with the only
/// spelling of a quote that MariaDB takes after one that stays. What another introducer stands before are bytes: the catalogue
/// tells each as a letter, and a session of ours would say two for one of those beyond ASCII.
fn plain_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '`', '"']) {
        let before = &rest[..at];
        let quote = &rest[at..=at];
        let introducer = ["_utf8mb4", "_utf8mb3", "_utf8"].iter().find_map(|word| {
            let head = before.strip_suffix(word)?;
            (quote == "'" && !head.ends_with(|c: char| c.is_alphanumeric() || c == '_')).then_some(head)
        });
        out.push_str(introducer.unwrap_or(before));
        out.push_str(quote);
        rest = &rest[at + 1..];
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let ends = !escaped && c == char::from(quote.as_bytes()[0]);
            escaped = !escaped && c == '\\' && quote != "`";
            ends
        });
        let (inside, after) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        let foreign = quote == "'" && introducer.is_none() && !inside.is_ascii() && is_introduced(before);
        match foreign.then(|| latin1(&unescaped_once(&inside.replace("''", "'")))).flatten() {
            Some(bytes) => {
                out.pop();
                out.push_str(" x'");
                out.push_str(&value::format_hex(&bytes));
            }
            None if quote == "'" => out.push_str(&doubled_quotes(inside)),
            None => out.push_str(inside),
        }
        if end.is_some() {
            out.push_str(quote);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Whether a text ends with the introducer of a character set.
fn is_introduced(text: &str) -> bool {
    let word = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    text[word..].starts_with('_')
}

/// Letters as the bytes of ISO 8859-1.
pub fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// The inside of a literal with `''` for `\'`; other escapes stay.
fn doubled_quotes(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('\'') => out.push_str("''"),
            Some(other) => out.extend([c, other]),
            None => out.push(c),
        }
    }
    out
}

fn unescaped_once(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('0') => out.push('\0'),
            Some(other) => out.push(other),
            None => out.push(c),
        }
    }
    out
}

fn expression(text: &str, native: &NativeType, kind: &DataType) -> Option<DefaultValue> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if lower == "null" {
        return None;
    }
    let literal = text.strip_prefix("_utf8mb4").unwrap_or(text);
    if let Some((value, "")) = unquote(literal) {
        return Some(quoted(value, kind));
    }
    if let Some(known) = function(&lower).or_else(|| bits(&lower)).or_else(|| hex(&lower)) {
        return Some(known);
    }
    if is_number(text) {
        return Some(number(text, native));
    }
    Some(DefaultValue::Expression(text.to_owned()))
}

fn bare(text: &str, native: &NativeType, kind: &DataType) -> Option<DefaultValue> {
    let lower = text.to_ascii_lowercase();
    if native.base == "bit" {
        return bits(&lower).or_else(|| Some(DefaultValue::Expression(text.to_owned())));
    }
    if matches!(kind, DataType::Bytes { .. }) {
        return Some(hex(&lower).unwrap_or_else(|| quoted(text.to_owned(), kind)));
    }
    if matches!(native.base.as_str(), "datetime" | "timestamp" | "date" | "time")
        && let Some(known) = function(&lower)
    {
        return Some(known);
    }
    if !native.is_character() && is_number(text) {
        return Some(number(text, native));
    }
    Some(DefaultValue::Text(text.to_owned()))
}

fn quoted(value: String, kind: &DataType) -> DefaultValue {
    match kind {
        DataType::Bytes { .. } => DefaultValue::Bytes(value.into_bytes()),
        _ => DefaultValue::Text(value),
    }
}

fn number(text: &str, native: &NativeType) -> DefaultValue {
    if native.is_character() {
        DefaultValue::Text(text.to_owned())
    } else {
        DefaultValue::Number(text.to_owned())
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && !text.contains([' ', ':', '/', '('])
        && text.parse::<f64>().is_ok()
}

fn function(lower: &str) -> Option<DefaultValue> {
    let (name, arguments) = lower.split_once('(').unwrap_or((lower, ")"));
    let plain = arguments.strip_suffix(')').is_some_and(|a| a.trim().bytes().all(|b| b.is_ascii_digit()));
    match name.trim() {
        "current_timestamp" | "now" | "localtime" | "localtimestamp" if plain => {
            Some(DefaultValue::CurrentTimestamp)
        }
        "current_date" | "curdate" if plain => Some(DefaultValue::CurrentDate),
        "current_time" | "curtime" if plain => Some(DefaultValue::CurrentTime),
        _ => None,
    }
}

fn bits(lower: &str) -> Option<DefaultValue> {
    let digits = lower.strip_prefix("b'")?.strip_suffix('\'')?;
    let value = if digits.is_empty() { 0 } else { u64::from_str_radix(digits, 2).ok()? };
    Some(DefaultValue::Number(value.to_string()))
}

fn hex(lower: &str) -> Option<DefaultValue> {
    let digits = match lower.strip_prefix("0x") {
        Some(digits) => digits,
        None => lower.strip_prefix("x'")?.strip_suffix('\'')?,
    };
    if digits.len() % 2 != 0 {
        return None;
    }
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>().map(DefaultValue::Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(telling: Telling, marked: bool, native: &str, text: &str) -> Option<DefaultValue> {
        let parsed = NativeType::parse(native);
        let kind = parsed.data_type(native);
        let text = if marked { unescaped(text) } else { text.to_owned() };
        parse(telling, marked, &parsed, &kind, &text)
    }

    #[test]
    fn mariadb_tells_expressions() {
        let number = |t: &str| Some(DefaultValue::Number(t.into()));
        let text = |t: &str| Some(DefaultValue::Text(t.into()));
        for (native, told_text, expected) in [
            ("varchar(9)", "'it''s'", text("it's")),
            ("text", r"'x\\y'", text(r"x\y")),
            ("varchar(9)", "'NULL'", text("NULL")),
            ("varchar(9)", "NULL", None),
            ("int", "(1 + 2)", Some(DefaultValue::Expression("(1 + 2)".into()))),
            ("int", "0", number("0")),
            ("decimal(5,2)", "1.50", number("1.50")),
            ("bit(4)", "b'101'", number("5")),
            ("datetime(3)", "current_timestamp(3)", Some(DefaultValue::CurrentTimestamp)),
            ("date", "curdate()", Some(DefaultValue::CurrentDate)),
            ("date", "'2000-01-02'", text("2000-01-02")),
            ("varbinary(4)", "'ab'", Some(DefaultValue::Bytes(b"ab".to_vec()))),
            ("varchar(40)", "uuid()", Some(DefaultValue::Expression("uuid()".into()))),
        ] {
            assert_eq!(told(Telling::Expression, false, native, told_text), expected, "{native} {told_text}");
        }
    }

    #[test]
    fn literals_of_mysql_become_plain() {
        for (told, plain) in [
            (r"`code` in (_utf8mb4\'new\',_utf8mb3\'it\\\'s\')", "`code` in ('new','it''s')"),
            (r"_latin1\'x\'", "_latin1'x'"),
            (r"concat(`_utf8`,_utf8mb4\'\\\\\')", r"concat(`_utf8`,'\\')"),
            (r"(`my_utf8` = _utf8mb4\'_utf8\')", "(`my_utf8` = '_utf8')"),
            (r"concat(_latin1\'é\',_utf8mb4\'é\')", "concat(_latin1 x'e9','é')"),
            (r"_sjis\'ã\\\\\'", "_sjis x'e35c'"),
            (r"_utf16\'\\0é\'", "_utf16 x'00e9'"),
            ("`a` > 0", "`a` > 0"),
        ] {
            assert_eq!(unescaped(told), plain);
        }
    }

    #[test]
    fn mysql_tells_bare_text() {
        let text = |t: &str| Some(DefaultValue::Text(t.into()));
        for (native, marked, told_text, expected) in [
            ("varchar(9)", false, "it's", text("it's")),
            ("varchar(9)", false, "1", text("1")),
            ("varchar(9)", false, "", text("")),
            ("int", false, "1", Some(DefaultValue::Number("1".into()))),
            ("bit(1)", false, "b'1'", Some(DefaultValue::Number("1".into()))),
            ("varbinary(4)", false, "0x00FF", Some(DefaultValue::Bytes(vec![0, 255]))),
            ("timestamp", true, "CURRENT_TIMESTAMP", Some(DefaultValue::CurrentTimestamp)),
            ("datetime", false, "CURRENT_TIMESTAMP", Some(DefaultValue::CurrentTimestamp)),
            ("text", true, r"_utf8mb4\'a b\'", text("a b")),
            ("text", true, r"_utf8mb4\'x\\\\y\\\'\'", text(r"x\y'")),
            ("json", true, "json_array()", Some(DefaultValue::Expression("json_array()".into()))),
            ("date", false, "2000-01-02", text("2000-01-02")),
        ] {
            assert_eq!(told(Telling::Bare, marked, native, told_text), expected, "{native} {told_text}");
        }
    }
}
