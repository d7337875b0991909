//! What `pg_get_expr` prints, read back as far as it is a constant or a well-known function. Pure.

use crate::engine::postgres::types::split_type;
use crate::model::schema::{DataType, DefaultValue};
use crate::model::value;

/// A DEFAULT of a column of the types `own` in neutral form; [`DefaultValue::Expression`] keeps whatever is not certain.
pub(super) fn parse_default(text: &str, data_type: &DataType, own: &[&str]) -> DefaultValue {
    let expression = || DefaultValue::Expression(text.to_owned());
    let body = without_parentheses(text.trim());
    match body.to_ascii_lowercase().as_str() {
        // An assignment makes the word of it.
        word @ ("true" | "false") if matches!(data_type, DataType::Text { .. }) => {
            return DefaultValue::Text(word.to_owned());
        }
        "true" => return DefaultValue::Bool(true),
        "false" => return DefaultValue::Bool(false),
        // What a clock is to any other column depends on settings of the session, and has digits and an offset.
        _ if !is_time(data_type) => {}
        "now()" | "current_timestamp" | "transaction_timestamp()" | "localtimestamp" => {
            return DefaultValue::CurrentTimestamp;
        }
        "current_date" | "('now'::text)::date" => return DefaultValue::CurrentDate,
        "current_time" | "localtime" => return DefaultValue::CurrentTime,
        _ => {}
    }
    let (constant, rest) = if let Some((text, rest)) = string_literal(body) {
        (Constant::Text(text), rest)
    } else if let Some((number, rest)) = number(body) {
        (Constant::Number(number), rest)
    } else if body.len() >= 4 && body[..4].eq_ignore_ascii_case("null") {
        (Constant::Null, &body[4..])
    } else {
        return expression();
    };
    if !is_casts_only(rest, |cast| constant.survives(cast, own)) {
        return expression();
    }
    match constant {
        Constant::Null => DefaultValue::Null,
        Constant::Number(number) => DefaultValue::Number(number),
        Constant::Text(text) => text_constant(text, data_type),
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date
            | DataType::Time { .. }
            | DataType::TimeTz
            | DataType::DateTime { .. }
            | DataType::Timestamp { .. }
    )
}

enum Constant {
    Null,
    Number(String),
    Text(String),
}

impl Constant {
    /// Whether a cast leaves the constant as assigning it to a column of the types `own` would. An explicit cast cuts text
    /// and pads bits where an assignment fails, and rounds to its own precision (PostgreSQL documentation, "Type Casts").
    fn survives(&self, cast: &str, own: &[&str]) -> bool {
        let (name, limits) = split_type(cast);
        let name = name.trim_matches('"');
        let of_column = own.iter().any(|own| split_type(own).0.trim_matches('"') == name);
        let text = match self {
            Self::Null => return true,
            Self::Number(text) | Self::Text(text) => text,
        };
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_integer = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match (name, limits.as_slice()) {
            ("character varying" | "bit varying", [most]) => length <= *most,
            ("character" | "bpchar", [most]) => length <= *most && !text.ends_with(' '),
            ("bit", [exactly]) => length == *exactly,
            ("text" | "character varying" | "bpchar", []) => true,
            ("smallint" | "integer" | "bigint" | "numeric", []) if is_integer => true,
            // As many digits as every double holds.
            ("double precision", []) if is_integer => digits.len() <= 15,
            (_, []) => of_column,
            _ => own.contains(&cast.trim()),
        }
    }
}

/// `'1'::integer` is a number, `'\x00'::bytea` are bytes.
fn text_constant(text: String, data_type: &DataType) -> DefaultValue {
    match data_type {
        DataType::Int { .. } | DataType::Decimal { .. } | DataType::Float32 | DataType::Float64
            if value::is_decimal(&text) && text.ends_with(|c: char| c.is_ascii_digit()) =>
        {
            DefaultValue::Number(text)
        }
        DataType::Bool if matches!(text.as_str(), "t" | "true") => DefaultValue::Bool(true),
        DataType::Bool if matches!(text.as_str(), "f" | "false") => DefaultValue::Bool(false),
        DataType::Bytes { .. } => match text.strip_prefix("\\x").and_then(hex) {
            Some(bytes) => DefaultValue::Bytes(bytes),
            None => DefaultValue::Text(text),
        },
        _ => DefaultValue::Text(text),
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|p| u8::from_str_radix(std::str::from_utf8(p).ok().filter(|p| p.len() == 2)?, 16).ok())
        .collect()
}

/// `((a > 1))` → `a > 1`: parentheses that hold the whole text.
pub(super) fn without_parentheses(text: &str) -> &str {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    match inner {
        Some(inner) if is_balanced(inner) => without_parentheses(inner.trim()),
        _ => text,
    }
}

/// Whether every parenthesis outside of quotes is opened and closed within.
fn is_balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth < 0 {
                    return false;
                }
            }
            _ => {}
        }
    }
    depth == 0 && quote.is_none()
}

/// A string literal at the start, unescaped, and what follows.
fn string_literal(text: &str) -> Option<(String, &str)> {
    let (escapes, body) = match text.strip_prefix("E'") {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('\'')?),
    };
    let mut out = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if body[at + 1..].starts_with('\'') => {
                out.push('\'');
                chars.next();
            }
            '\'' => return Some((out, &body[at + 1..])),
            '\\' if escapes => out.push(chars.next()?.1),
            c => out.push(c),
        }
    }
    None
}

/// A number at the start, with or without parentheses around it, and what follows.
fn number(text: &str) -> Option<(String, &str)> {
    if let Some(inner) = text.strip_prefix('(') {
        let (number, rest) = number(inner)?;
        return Some((number, rest.strip_prefix(')')?));
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | 'e' | 'E' | '+'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.')
        && number.parse::<f64>().is_ok();
    is_number.then(|| (number.to_owned(), rest))
}

/// Whether what follows a constant are casts that it survives: `::character varying(20)`, `::public."my type"[]`.
fn is_casts_only(mut rest: &str, survives: impl Fn(&str) -> bool) -> bool {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return true;
        }
        let Some(cast) = rest.strip_prefix("::") else { return false };
        let mut quoted = false;
        let end = cast
            .char_indices()
            .find(|(at, c)| {
                if *c == '"' {
                    quoted = !quoted;
                }
                let is_part =
                    c.is_alphanumeric() || matches!(c, '_' | ' ' | '(' | ')' | ',' | '[' | ']' | '.' | '"');
                !quoted && (!is_part || cast[*at..].starts_with("::"))
            })
            .map_or(cast.len(), |(at, _)| at);
        // A word such as AND or COLLATE after a type would be an operator on the constant.
        let words = cast[..end].to_ascii_uppercase();
        let operators = ["AND", "OR", "COLLATE", "IS", "LIKE", "AT", "IN", "BETWEEN"];
        if words.split_whitespace().any(|w| operators.contains(&w)) || !survives(cast[..end].trim()) {
            return false;
        }
        rest = &cast[end..];
    }
}

/// A domain's check on a column: `CHECK ((VALUE > 0))` with the column in place of VALUE.
pub(super) fn domain_check(definition: &str, column: &str) -> Option<String> {
    let body = definition.strip_prefix("CHECK ")?;
    let body = body.strip_suffix(" NOT VALID").unwrap_or(body);
    let body = without_parentheses(body);
    let mut out = String::with_capacity(body.len());
    let mut quote = None;
    let mut word = String::new();
    for c in body.chars().chain(std::iter::once(' ')) {
        let is_word = quote.is_none() && (c.is_alphanumeric() || c == '_');
        if is_word {
            word.push(c);
            continue;
        }
        out.push_str(if word == "VALUE" { column } else { &word });
        word.clear();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            _ => {}
        }
        out.push(c);
    }
    out.pop();
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_lose_their_casts() {
        let text = |t: &str| DefaultValue::Text(t.into());
        let number = |n: &str| DefaultValue::Number(n.into());
        let varchar = DataType::TEXT;
        let own = ["public.mpaa_rating", "\"my type\"", "text[]", "bytea", "date", "bit(4)", "numeric(5,2)"];
        for (sql, data_type, expected) in [
            ("'active'::character varying", &varchar, text("active")),
            ("'it''s'::text", &varchar, text("it's")),
            ("E'a\\\\b'::text", &varchar, text("a\\b")),
            ("'G'::public.mpaa_rating", &varchar, text("G")),
            ("'x'::\"my type\"", &varchar, text("x")),
            ("'{}'::text[]", &varchar, text("{}")),
            ("0", &DataType::INT32, number("0")),
            ("(-1)", &DataType::INT32, number("-1")),
            ("'-1'::integer", &DataType::INT32, number("-1")),
            ("(0)::numeric", &DataType::INT32, number("0")),
            ("4.99", &DataType::INT32, number("4.99")),
            ("true", &DataType::Bool, DefaultValue::Bool(true)),
            ("NULL::character varying", &varchar, DefaultValue::Null),
            ("'abc'::character varying(3)", &varchar, text("abc")),
            ("'1100'::\"bit\"::bit(4)", &varchar, text("1100")),
            ("1.005::numeric(5,2)", &DataType::INT32, number("1.005")),
            ("'\\x00ff'::bytea", &DataType::BYTES, DefaultValue::Bytes(vec![0, 255])),
            ("now()", &DataType::Date, DefaultValue::CurrentTimestamp),
            ("CURRENT_TIMESTAMP", &DataType::Date, DefaultValue::CurrentTimestamp),
            ("('now'::text)::date", &DataType::Date, DefaultValue::CurrentDate),
        ] {
            assert_eq!(parse_default(sql, data_type, &own), expected, "{sql}");
        }
    }

    #[test]
    fn everything_else_keeps_its_words() {
        for sql in [
            "gen_random_uuid()",
            "('a'::text || 'b'::text)",
            "'a'::text || 'b'::text",
            "timezone('utc'::text, now())",
            "(1 + 2)",
            "nextval('t_id_seq'::regclass)",
            "('now'::text)::date - 1",
            "'a'::text COLLATE \"C\"",
            "CURRENT_TIMESTAMP(3)",
            "'abcdef'::character varying(3)",
            "'11'::\"bit\"::bit(4)",
            "'2024-01-01 23:59:59.999'::timestamp(0) without time zone",
            "0.1::real",
            "2.5::integer",
            "'x'::other",
        ] {
            let own = ["text", "bit(4)", "timestamp without time zone", "double precision"];
            assert_eq!(
                parse_default(sql, &DataType::TEXT, &own),
                DefaultValue::Expression(sql.into()),
                "{sql}"
            );
        }
    }

    #[test]
    fn parentheses_go_only_as_pairs() {
        assert_eq!(without_parentheses("((a > 1))"), "a > 1");
        assert_eq!(without_parentheses("(a > 1) AND (b > 2)"), "(a > 1) AND (b > 2)");
        assert_eq!(without_parentheses("(a = ')')"), "a = ')'");
    }

    #[test]
    fn a_domains_check_becomes_the_columns() {
        let check = "CHECK (((VALUE >= 1901) AND (VALUE <> 'VALUE'::text)))";
        assert_eq!(
            domain_check(check, "\"year\"").as_deref(),
            Some("(\"year\" >= 1901) AND (\"year\" <> 'VALUE'::text)")
        );
    }
}
