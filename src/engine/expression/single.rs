//! Texts that are looked at as a whole: types that the user wrote, which go into SQL only if nothing stands behind
//! them, and expressions of which only the names count.

use sqlparser::ast::DataType as SqlType;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::read::grammar;
use crate::model::endpoint::Dialect;

/// Whether a text is the name of one type and nothing else.
pub fn is_type(dialect: Dialect, text: &str) -> bool {
    // Comments vanish in the parser and not in the statement.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '(' | ')' | ',');
    if text.trim().is_empty() || !text.chars().all(plain) {
        return false;
    }
    let parser_dialect = grammar(dialect);
    let Ok(mut parser) = Parser::new(parser_dialect).try_with_sql(text) else { return false };
    let Ok(parsed) = parser.parse_data_type() else { return false };
    let known = match parsed {
        // SQLite takes every word; what it makes of it is asked elsewhere.
        SqlType::Custom(..) => dialect == Dialect::Sqlite,
        _ => true,
    };
    known && parser.peek_token().token == Token::EOF
}

/// Whether a text is one expression and nothing else, however the server reads it: no comments, which MySQL may run,
/// and no backslashes, which end a string or do not by a setting.
pub fn is_condition(dialect: Dialect, text: &str) -> bool {
    if ["/*", "--", "#", "\\", ";", "\0"].iter().any(|mark| text.contains(mark)) {
        return false;
    }
    let Ok(mut parser) = Parser::new(grammar(dialect)).try_with_sql(text) else { return false };
    parser.parse_expr().is_ok() && parser.peek_token().token == Token::EOF
}

/// The names in double quotes of an expression.
pub fn quoted_names(dialect: Dialect, text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(grammar(dialect), text).tokenize().unwrap_or_default();
    let quoted = |token| match token {
        Token::Word(word) if word.quote_style == Some('"') => Some(word.value),
        _ => None,
    };
    tokens.into_iter().filter_map(quoted).collect()
}

/// Names, keywords and types of a text of a dialect; those without quotes in lower case. None of what cannot be read.
pub fn words(dialect: Dialect, text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(grammar(dialect), text).tokenize().unwrap_or_default();
    let word = |token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        Token::Word(word) => Some(word.value),
        _ => None,
    };
    tokens.into_iter().filter_map(word).collect()
}

/// The numbers and strings of an expression of a dialect, as they are meant. None of what cannot be read.
pub fn constants(dialect: Dialect, text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(grammar(dialect), text).tokenize().unwrap_or_default();
    let constant = |token| match token {
        Token::Number(text, _)
        | Token::SingleQuotedString(text)
        | Token::EscapedStringLiteral(text)
        | Token::NationalStringLiteral(text)
        | Token::DoubleQuotedString(text) => Some(text),
        _ => None,
    };
    tokens.into_iter().filter_map(constant).collect()
}

/// Functions that a text of a dialect calls, in lower case, with the name of a schema or database in front where there is
/// one. Words in front of a parenthesis that are no functions may be among them.
pub fn called(dialect: Dialect, text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(grammar(dialect), text).tokenize().unwrap_or_default();
    let tokens: Vec<Token> = tokens.into_iter().filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    called_in(&tokens).collect()
}

/// The same of what is read already, without blanks.
pub(super) fn called_in(tokens: &[Token]) -> impl Iterator<Item = String> {
    let word = |token: Option<&Token>| match token {
        Some(Token::Word(word)) => Some(word.value.to_lowercase()),
        _ => None,
    };
    let call = move |(at, token): (usize, &Token)| {
        let name = (*token == Token::LParen).then(|| word(tokens.get(at.checked_sub(1)?)))??;
        let schema = at.checked_sub(3).filter(|_| tokens.get(at - 2) == Some(&Token::Period));
        Some(match schema.and_then(|at| word(tokens.get(at))) {
            Some(schema) => format!("{schema}.{name}"),
            None => name,
        })
    };
    tokens.iter().enumerate().filter_map(call)
}

/// Whether a name stands in an expression of a dialect; what cannot be read may have it.
pub fn mentions(dialect: Dialect, text: &str, name: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(grammar(dialect), text).tokenize() else { return true };
    tokens.iter().any(|token| matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_type_and_nothing_behind_it() {
        for (dialect, text) in [
            (Dialect::Postgres, "numeric(10,2)"),
            (Dialect::Postgres, "double precision"),
            (Dialect::Postgres, "timestamp(3) with time zone"),
            (Dialect::Postgres, "jsonb"),
            (Dialect::Mysql, "decimal(10,2)"),
            (Dialect::Mysql, "bigint unsigned"),
            (Dialect::Mysql, "mediumtext"),
            (Dialect::Sqlite, "NUMERIC(10,2)"),
            (Dialect::Sqlite, "TEXT"),
        ] {
            assert!(is_type(dialect, text), "{dialect} {text}");
        }
        for text in [
            "",
            "text; drop table t",
            "text, evil int",
            "text primary key",
            "text default (1)",
            "text -- ",
            "text)",
        ] {
            for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
                assert!(!is_type(dialect, text), "{dialect} {text}");
            }
        }
        assert!(!is_type(Dialect::Postgres, "nummeric(10,2)"));
    }

    #[test]
    fn one_condition_and_nothing_behind_it() {
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            for text in [
                "date >= '2024-01-01'",
                "a = 1 OR (b IS NULL AND c LIKE 'x%')",
                "id IN (SELECT id FROM other)",
            ] {
                assert!(is_condition(dialect, text), "{dialect} {text}");
            }
            for text in [
                "",
                "1 = 1; DROP TABLE t",
                "1 = 1) OR (1 = 1",
                "1 = 1 -- ",
                "1 = 1 /*! UNION SELECT 1 */",
                "1 = 1 # ",
                "a = '\\' OR 1 = 1",
                "1 = 1 UNION SELECT 1",
                "1 = 1 LIMIT 1",
                "'a",
            ] {
                assert!(!is_condition(dialect, text), "{dialect} {text}");
            }
        }
    }

    #[test]
    fn names_in_expressions() {
        assert!(mentions(Dialect::Postgres, "(lower(\"Code\") = 'x')", "code"));
        assert!(mentions(Dialect::Mysql, "`code` > 1", "code"));
        assert!(!mentions(Dialect::Sqlite, "length(name) > 1 AND x = 'code'", "code"));
        assert!(mentions(Dialect::Sqlite, "'never ends", "code"));
    }
}
