//! DEFAULT of a column, from the words that SQLite keeps to the neutral form. Pure.

use super::tokens::{Kind, Token, closing, tokens};
use crate::model::schema::{DataType, DefaultValue};

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
}
