//! Types as they are kept in comments of other databases: their names, and for those that users of PostgreSQL made the
//! statements that make them. Whoever may write such a comment must not have a statement of his own run with the rights of
//! whoever migrates, so a text is taken only if it can be nothing else, and a definition only if it calls nothing but what
//! is known to look at its arguments alone.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use super::read::grammar;
use super::single::called_in;
use crate::model::endpoint::Dialect;

/// Words in front of a parenthesis that call nothing.
const WORDS: &str = "\
    all and any array as between case check default distinct else for from ilike in is like not on or row similar \
    some then when bit bpchar char character decimal float interval numeric time timestamp timestamptz timetz varbit \
    varchar varying";

/// Functions that checks and defaults of types are made of.
const FUNCTIONS: &str = "\
    abs age array_length array_lower array_ndims array_position array_remove array_upper ascii bit_length broadcast \
    btrim cardinality ceil ceiling char_length character_length chr clock_timestamp coalesce concat current_time \
    current_timestamp date date_part date_trunc div extract family floor gen_random_uuid greatest host initcap \
    isempty isfinite json_array_length json_typeof jsonb_array_length jsonb_typeof least left length like_escape \
    localtime localtimestamp lower lower_inc lower_inf lpad ltrim make_date make_time make_timestamp masklen md5 \
    min_scale mod network now nullif octet_length overlay position power regexp_count regexp_like regexp_match \
    regexp_replace replace reverse right round rpad rtrim scale sign similar_to_escape split_part sqrt starts_with \
    statement_timestamp strpos substr substring timezone to_char transaction_timestamp translate trim trim_scale \
    trunc upper upper_inc upper_inf";

/// What may follow the type of a column in one dialect or another.
const CLAUSES: &str = "\
    as auto_increment autoincrement check collate column_format comment compression constraint default deferrable \
    engine_attribute enforced generated initially invisible key not null on options persistent primary ref_system_id \
    references secondary_engine_attribute srid storage stored unique using virtual visible";

/// Whether a text is the type of a column, with its length or labels, and says nothing else of the column.
pub fn is_declaration(dialect: Dialect, text: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(grammar(dialect), text).tokenize() else { return false };
    let (mut groups, mut within) = (0_usize, false);
    tokens.iter().all(|token| match token {
        Token::Word(word) => {
            word.quote_style.is_some() || !CLAUSES.split(' ').any(|c| word.value.eq_ignore_ascii_case(c))
        }
        Token::LParen => {
            groups += 1;
            within = true;
            groups == 1
        }
        Token::RParen => std::mem::replace(&mut within, false),
        Token::Comma | Token::Minus | Token::SingleQuotedString(_) => within,
        Token::Whitespace(blank) => !is_comment(blank),
        Token::Number(..) | Token::LBracket | Token::RBracket | Token::Period => true,
        _ => false,
    }) && !within
}

fn is_comment(blank: &Whitespace) -> bool {
    matches!(blank, Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
}

/// Whether a text makes the type of that name (a domain, or a composite type), with comments on it, and does nothing else.
pub fn defines_type(text: &str, name: &str) -> bool {
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else { return false };
    // Comments vanish here and not in the statement; psql has its own idea of colons and backslashes.
    let plain = |token: &Token| match token {
        Token::Whitespace(blank) => !is_comment(blank),
        Token::DollarQuotedString(_) | Token::Placeholder(_) | Token::Colon | Token::Backslash => false,
        _ => true,
    };
    if !tokens.iter().all(plain) || text.contains('\0') {
        return false;
    }
    let tokens: Vec<Token> = tokens.into_iter().filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    let harmless = |name: String| {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        [WORDS, FUNCTIONS].iter().any(|known| known.split(' ').any(|word| word == name))
    };
    let mut statements = tokens.split(|token| *token == Token::SemiColon);
    statements.next().is_some_and(|made| makes(made, name) && called_in(made).all(harmless))
        && statements.all(|comment| comments(comment, name))
}

fn makes(tokens: &[Token], name: &str) -> bool {
    let [create, kind, named, of, body @ ..] = tokens else { return false };
    let begins = is(create, "CREATE") && is_name(named, name) && is(of, "AS") && !body.is_empty();
    let whole = is(kind, "DOMAIN")
        || (is(kind, "TYPE") && body.first() == Some(&Token::LParen) && body.last() == Some(&Token::RParen));
    begins && whole && is_closed(body)
}

/// Whether brackets come in pairs, and a dot follows nothing but the name of the schema of what is built in.
fn is_closed(tokens: &[Token]) -> bool {
    let mut open = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::LParen => open += 1,
            Token::RParen if open == 0 => return false,
            Token::RParen => open -= 1,
            Token::Period if at == 0 || !is(&tokens[at - 1], "pg_catalog") => return false,
            _ => {}
        }
    }
    open == 0
}

fn comments(tokens: &[Token], name: &str) -> bool {
    let (kind, of, says) = match tokens {
        [_, _, kind, of, says @ ..] if says.len() == 2 => (kind, of, says),
        [_, _, constraint, Token::Word(_), on, kind, of, says @ ..]
            if is(constraint, "CONSTRAINT") && is(on, "ON") && is(kind, "DOMAIN") =>
        {
            (kind, of, says)
        }
        _ => return false,
    };
    let text = |token: &Token| matches!(token, Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_));
    is(&tokens[0], "COMMENT")
        && is(&tokens[1], "ON")
        && (is(kind, "DOMAIN") || is(kind, "TYPE"))
        && is_name(of, name)
        && matches!(says, [word, said] if is(word, "IS") && text(said))
}

fn is(token: &Token, keyword: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
}

fn is_name(token: &Token, name: &str) -> bool {
    match token {
        Token::Word(word) if word.quote_style == Some('"') => word.value == name,
        Token::Word(word) => word.quote_style.is_none() && word.value == name && name.to_lowercase() == name,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_columns_are_taken_and_nothing_behind_them() {
        for (dialect, text) in [
            (Dialect::Postgres, "character varying(12)"),
            (Dialect::Postgres, "timestamp(3) with time zone"),
            (Dialect::Postgres, "interval day to second(3)"),
            (Dialect::Postgres, "numeric(5,-2)"),
            (Dialect::Postgres, "integer[]"),
            (Dialect::Postgres, "\"char\""),
            (Dialect::Postgres, "aside.\"Odd; name\"[]"),
            (Dialect::Postgres, "geometry(Point,4326)"),
            (Dialect::Mysql, "enum('a; --','it''s','back\\\\slash')"),
            (Dialect::Mysql, "set('x','y')"),
            (Dialect::Mysql, "int(10) unsigned zerofill"),
            (Dialect::Mysql, "double(10,2)"),
            (Dialect::Sqlite, ""),
            (Dialect::Sqlite, "UNSIGNED BIG INT"),
            (Dialect::Sqlite, "NATIVE CHARACTER(70)"),
        ] {
            assert!(is_declaration(dialect, text), "{dialect} {text}");
        }
        for text in [
            "text; DROP TABLE users",
            "text, evil int",
            "text) ; DROP TABLE users; --",
            "text DEFAULT evil()",
            "text NOT NULL",
            "text CHECK (evil(a))",
            "text COLLATE evil",
            "text PRIMARY KEY",
            "text AS (evil())",
            "enum('a') (x)",
            "enum('a'",
            "text 'x'",
            "text /* x */",
            "text -- x",
            "numeric(evil(1))",
        ] {
            for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
                assert!(!is_declaration(dialect, text), "{dialect} {text}");
            }
        }
    }

    #[test]
    fn what_the_catalogue_tells_of_types_is_taken() {
        for (name, text) in [
            (
                "year",
                "CREATE DOMAIN year AS integer NOT NULL DEFAULT 1999 CONSTRAINT \"Late!\" CHECK ((VALUE <= 2155))",
            ),
            (
                "Exact Text",
                "CREATE DOMAIN \"Exact Text\" AS character varying(12) COLLATE \"C\" CONSTRAINT a CHECK (((VALUE)::text <> ''::text))",
            ),
            (
                "mail",
                "CREATE DOMAIN mail AS text CONSTRAINT c CHECK ((VALUE ~ '^[^@]+@\\d+; -- $'::text)); COMMENT ON DOMAIN mail IS 'it''s'; COMMENT ON CONSTRAINT c ON DOMAIN mail IS  E'back\\\\slash\\''",
            ),
            (
                "n",
                "CREATE DOMAIN n AS numeric(10,2) CHECK (((VALUE > 0.5) AND (mod(VALUE, (2)::numeric) = ANY (ARRAY[(0)::numeric]))))",
            ),
            (
                "a_pair",
                "CREATE TYPE a_pair AS (since zz_year, note text COLLATE pg_catalog.\"C\", all_of mood[]); COMMENT ON TYPE a_pair IS 'x'",
            ),
            ("at", "CREATE DOMAIN at AS timestamp(3) with time zone DEFAULT now()"),
        ] {
            assert!(defines_type(text, name), "{text}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            "DROP TABLE users",
            "CREATE DOMAIN year AS integer; DROP TABLE users",
            "CREATE DOMAIN year AS integer; COMMENT ON TABLE users IS 'x'",
            "CREATE DOMAIN year AS integer; COMMENT ON DOMAIN year IS 'x' 'y'",
            "CREATE DOMAIN year AS integer;",
            "CREATE DOMAIN years AS integer",
            "CREATE DOMAIN Year AS integer",
            "CREATE DOMAIN year AS integer CHECK (VALUE > 0)) DROP TABLE users (",
            "CREATE DOMAIN year AS integer /* ' */ DEFAULT 1 -- '",
            "CREATE DOMAIN year AS integer DEFAULT $$1$$",
            "CREATE DOMAIN year AS integer DEFAULT 1 \\! id",
            "CREATE DOMAIN year AS integer DEFAULT :x",
            "CREATE DOMAIN year AS text CHECK (pg_read_file(VALUE) <> '')",
            "CREATE DOMAIN year AS text CHECK (query_to_xml(VALUE, true, true, '') IS NULL)",
            "CREATE DOMAIN year AS integer DEFAULT \"set_config\"('a', 'b', false)",
            "CREATE DOMAIN year AS integer DEFAULT public.lower(1)",
            "CREATE DOMAIN year AS aside.small",
            "CREATE TYPE year AS ENUM ('a')",
            "CREATE TYPE year (INPUT = x)",
            "CREATE TABLE year AS (SELECT 1)",
            "CREATE DOMAIN year AS",
            "CREATE DOMAIN year AS text DEFAULT 'open",
        ] {
            assert!(!defines_type(text, "year"), "{text}");
        }
    }
}
