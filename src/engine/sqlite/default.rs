//! DEFAULT of a column, from the words that SQLite keeps to the neutral form and the other way round. Pure.

use super::ddl::literal;
use super::tokens::{Kind, Token, closing, tokens};
use super::types::{self, Affinity};
use crate::engine::capability::Mapping;
use crate::model::schema::{DataType, DefaultValue};
use crate::model::value;

/// Reads a default as `pragma table_xinfo` gives it.
pub fn parse(text: &str, data_type: &DataType) -> DefaultValue {
    let tokens = tokens(text);
    let value = read(&tokens).unwrap_or_else(|| DefaultValue::Expression(text.trim().to_owned()));
    match (data_type, value) {
        (DataType::Bool, DefaultValue::Number(n)) if n == "0" || n == "1" => DefaultValue::Bool(n == "1"),
        (_, value) => value,
    }
}

fn read(tokens: &[Token]) -> Option<DefaultValue> {
    match tokens {
        [one] => word(one),
        [sign, number] if number.kind == Kind::Number && is_decimal(&number.text) => match sign.kind {
            Kind::Mark('-') => Some(DefaultValue::Number(format!("-{}", number.text))),
            Kind::Mark('+') => Some(DefaultValue::Number(number.text.clone())),
            _ => None,
        },
        [open, .., _] if open.is_mark('(') && closing(tokens, 0) == tokens.len() - 1 => {
            read(&tokens[1..tokens.len() - 1])
        }
        [function, open, .., close] if open.is_mark('(') && close.is_mark(')') => {
            now(&function.text, &tokens[2..tokens.len() - 1])
        }
        _ => None,
    }
}

fn word(token: &Token) -> Option<DefaultValue> {
    Some(match token.kind {
        Kind::Number if is_decimal(&token.text) => DefaultValue::Number(token.text.clone()),
        Kind::Blob => DefaultValue::Bytes(hex(&token.text)?),
        Kind::Word if token.is("NULL") => DefaultValue::Null,
        Kind::Word if token.is("TRUE") => DefaultValue::Bool(true),
        Kind::Word if token.is("FALSE") => DefaultValue::Bool(false),
        Kind::Word if token.is("CURRENT_TIMESTAMP") => DefaultValue::CurrentTimestamp,
        Kind::Word if token.is("CURRENT_DATE") => DefaultValue::CurrentDate,
        Kind::Word if token.is("CURRENT_TIME") => DefaultValue::CurrentTime,
        // SQLite takes a bare word for the text of that word.
        Kind::Text | Kind::Quoted | Kind::Word => DefaultValue::Text(token.text.clone()),
        _ => return None,
    })
}

/// The functions that give exactly the text that CURRENT_TIMESTAMP and its like give. Others that say "now" spell it
/// otherwise, and stay expressions: `engine::expression` knows what they mean to another engine.
fn now(function: &str, arguments: &[Token]) -> Option<DefaultValue> {
    let text = |t: &Token| (t.kind == Kind::Text).then(|| t.text.to_ascii_lowercase());
    match (function.to_ascii_lowercase().as_str(), arguments) {
        ("datetime", [now]) if text(now)? == "now" => Some(DefaultValue::CurrentTimestamp),
        ("date", [now]) if text(now)? == "now" => Some(DefaultValue::CurrentDate),
        ("time", [now]) if text(now)? == "now" => Some(DefaultValue::CurrentTime),
        ("strftime", [format, _, now]) if text(now)? == "now" && format.text == "%Y-%m-%d %H:%M:%S" => {
            Some(DefaultValue::CurrentTimestamp)
        }
        _ => None,
    }
}

/// DEFAULT of a column in SQLite's words; `None` if a value that it gave could not be read as one of the column's. What
/// carries any value carries any default.
pub fn write(value: &DefaultValue, mapping: &Mapping) -> Option<String> {
    let carries = &mapping.carries;
    let computed = |expression: String| format!("({expression})");
    Some(match value {
        DefaultValue::Null => "NULL".into(),
        DefaultValue::Bool(v) => u8::from(*v).to_string(),
        DefaultValue::Number(n) => write_number(n, mapping),
        DefaultValue::Text(t) => write_text(t, carries)?,
        DefaultValue::Bytes(bytes) => format!("x'{}'", value::format_hex(bytes)),
        DefaultValue::CurrentTimestamp => match carries {
            DataType::Date => "CURRENT_DATE".into(),
            _ => present(carries).map_or_else(|| "CURRENT_TIMESTAMP".into(), computed),
        },
        DefaultValue::CurrentDate => "CURRENT_DATE".into(),
        DefaultValue::CurrentTime => match carries {
            DataType::Time { .. } | DataType::TimeTz => computed(present(carries)?),
            _ => "CURRENT_TIME".into(),
        },
        DefaultValue::Expression(e) => computed(e.clone()),
    })
}

/// The present in the spelling of a column's values: with the six digits that SQLAlchemy writes, because text that differs
/// in spelling compares as different, and no digits but zero beyond those that the column declares. SQLite's clock has
/// three. `None` of what is no time.
pub fn present(carries: &DataType) -> Option<String> {
    let clock = |precision: u8| if precision >= 3 { "%H:%M:%f000" } else { "%H:%M:%S.000000" };
    let format = match carries {
        DataType::DateTime { precision } => format!("%Y-%m-%d {}", clock(*precision)),
        DataType::Timestamp { precision } => format!("%Y-%m-%d {}+00:00", clock(*precision)),
        DataType::Time { precision } => clock(*precision).to_owned(),
        // As PostgreSQL prints one.
        DataType::TimeTz => "%H:%M:%S+00".to_owned(),
        _ => return None,
    };
    Some(format!("strftime('{format}','now')"))
}

fn write_number(number: &str, mapping: &Mapping) -> String {
    let is_text = types::affinity(&mapping.native_type) == Affinity::Text;
    match mapping.carries {
        // SQLite's own text form of a number in a text column is not the one that was written.
        DataType::Decimal { .. } | DataType::Text { .. } if is_text => literal(number),
        DataType::Bit { length: Some(length), varying: false } if is_text => {
            let bits = number.parse::<u64>().ok().map(|bits| format!("{bits:b}"));
            let width = usize::try_from(length).unwrap_or_default();
            bits.map_or_else(|| literal(number), |bits| literal(&format!("{bits:0>width$}")))
        }
        _ => number.to_owned(),
    }
}

/// Text in the spelling that the column's values have; `None` if it is none of them.
fn write_text(text: &str, carries: &DataType) -> Option<String> {
    let spelled = match carries {
        DataType::Date => value::format_date(value::parse_date(text)?),
        DataType::DateTime { .. } => value::format_datetime(value::parse_datetime(text)?, 6),
        // Without an offset it is MySQL's, whose session is set to UTC.
        DataType::Timestamp { .. } => {
            let instant = value::parse_timestamp(text).or_else(|| value::parse_datetime(text))?;
            format!("{}+00:00", value::format_datetime(instant, 6))
        }
        DataType::Time { .. } => value::format_time(value::parse_time(text)?, 6),
        DataType::TimeSpan { .. } => value::format_time(value::parse_time_span(text)?, 6),
        // A number too large for a double is how SQLite spells an infinity, and NaN it would store as a word.
        DataType::Float32 | DataType::Float64 => match text.parse::<f64>() {
            Ok(number) if number.is_nan() => return None,
            Ok(number) if number.is_infinite() => {
                return Some(if number > 0.0 { "9e999" } else { "-9e999" }.into());
            }
            _ => text.to_owned(),
        },
        DataType::Bit { length: Some(n), varying: false } if *n <= 63 => {
            return Some(i64::from_str_radix(text, 2).map_or_else(|_| literal(text), |v| v.to_string()));
        }
        _ => text.to_owned(),
    };
    Some(literal(&spelled))
}

fn is_decimal(number: &str) -> bool {
    number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::Fidelity;

    #[test]
    fn defaults_are_read_as_sqlite_means_them() {
        let text = |t: &str| DefaultValue::Text(t.into());
        let number = |n: &str| DefaultValue::Number(n.into());
        for (written, expected) in [
            ("'it''s'", text("it's")),
            ("''", text("")),
            ("'null'", text("null")),
            ("\"quoted\"", text("quoted")),
            ("word", text("word")),
            ("NULL", DefaultValue::Null),
            ("(NULL)", DefaultValue::Null),
            ("-1", number("-1")),
            ("- 1.5e3", number("-1.5e3")),
            ("+7", number("7")),
            ("(0)", number("0")),
            ("0x10", DefaultValue::Expression("0x10".into())),
            ("true", DefaultValue::Bool(true)),
            ("x'00fF'", DefaultValue::Bytes(vec![0, 255])),
            ("current_timestamp", DefaultValue::CurrentTimestamp),
            ("CURRENT_DATE", DefaultValue::CurrentDate),
            ("datetime('now')", DefaultValue::CurrentTimestamp),
            ("(date('now'))", DefaultValue::CurrentDate),
            ("strftime('%Y-%m-%d %H:%M:%S','now')", DefaultValue::CurrentTimestamp),
            ("strftime('%H:%M:%f','now')", DefaultValue::Expression("strftime('%H:%M:%f','now')".into())),
            ("datetime('now','localtime')", DefaultValue::Expression("datetime('now','localtime')".into())),
            ("1+2", DefaultValue::Expression("1+2".into())),
            ("(1)+(2)", DefaultValue::Expression("(1)+(2)".into())),
            ("lower('X')", DefaultValue::Expression("lower('X')".into())),
        ] {
            assert_eq!(parse(written, &DataType::TEXT), expected, "{written}");
        }
        assert_eq!(parse("1", &DataType::Bool), DefaultValue::Bool(true));
        assert_eq!(parse("2", &DataType::Bool), number("2"));
    }

    #[test]
    fn defaults_have_the_spelling_of_the_values() {
        let mapping = |native: &str, carries| Mapping::plain(native, carries, Fidelity::Exact);
        let datetime = mapping("DATETIME", DataType::DateTime { precision: 6 });
        let any = mapping("DATETIME", DataType::Any);
        let say = |value: DefaultValue, mapping: &Mapping| write(&value, mapping).unwrap();
        let whole = mapping("DATETIME(0)", DataType::DateTime { precision: 0 });
        let instant = mapping("TIMESTAMPTZ", DataType::Timestamp { precision: 6 });
        let zoned = mapping("TIMETZ", DataType::TimeTz);
        let present = |mapping| say(DefaultValue::CurrentTimestamp, mapping);
        assert_eq!(present(&datetime), "(strftime('%Y-%m-%d %H:%M:%f000','now'))");
        assert_eq!(present(&whole), "(strftime('%Y-%m-%d %H:%M:%S.000000','now'))");
        assert_eq!(present(&instant), "(strftime('%Y-%m-%d %H:%M:%f000+00:00','now'))");
        assert_eq!(say(DefaultValue::CurrentTime, &zoned), "(strftime('%H:%M:%S+00','now'))");
        let constant = say(DefaultValue::Text("2024-01-02 03:04:05".into()), &instant);
        assert_eq!(constant, "'2024-01-02 03:04:05.000000+00:00'");
        let day = mapping("DATE", DataType::Date);
        for no_day in ["0000-00-00", "2024-02-31", "soon"] {
            assert_eq!(write(&DefaultValue::Text(no_day.into()), &day), None);
        }
        assert_eq!(say(DefaultValue::CurrentTimestamp, &any), "CURRENT_TIMESTAMP");
        assert_eq!(say(DefaultValue::Text("2024-01-02".into()), &datetime), "'2024-01-02 00:00:00.000000'");
        assert_eq!(say(DefaultValue::Text("2024-01-02".into()), &any), "'2024-01-02'");
        assert_eq!(say(DefaultValue::Bool(true), &mapping("BOOLEAN", DataType::Bool)), "1");
        let decimal =
            mapping("DECIMAL_TEXT(20,2)", DataType::Decimal { precision: Some(20), scale: Some(2) });
        assert_eq!(say(DefaultValue::Number("1.00".into()), &decimal), "'1.00'");
        assert_eq!(say(DefaultValue::Expression("1+2".into()), &any), "(1+2)");
    }
}
