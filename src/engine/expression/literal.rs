//! Literals in all their spellings, and casts that change nothing but a literal's type.

use sqlparser::ast::{DataType as SqlType, Value};

use super::read::Reader;
use super::term::{Class, Node, Term};
use crate::model::endpoint::Dialect;

impl Reader<'_> {
    /// Casts that change nothing, or a literal only.
    pub(super) fn cast(&self, node: Node, to: &SqlType) -> Option<Node> {
        let to = to.to_string().to_ascii_lowercase();
        let (base, modifier) = match to.split_once('(') {
            Some((base, rest)) => (base.trim(), Some(rest)),
            None => (to.as_str(), None),
        };
        let base = base.strip_prefix("pg_catalog.").unwrap_or(base);
        // Of a text SQLite makes a number for any type that it does not know.
        let typed = self.source != Dialect::Sqlite;
        if node.term == Term::Null {
            return Some(node);
        }
        // What this program writes of a decimal that is text there, to have its sign.
        if base == "real" && !typed && node.class == (Class::Decimal { as_text: true }) {
            return Some(Node::new(Term::Real(Box::new(node.term)), Class::Float { single: false }));
        }
        match base {
            "text" | "varchar" | "character varying" | "bpchar" | "char" | "character" => {
                let length = match modifier {
                    Some(rest) => Some(rest.split(')').next()?.trim().parse::<usize>().ok()?),
                    None if matches!(base, "char" | "character") => Some(1),
                    None => None,
                };
                match (&node.term, &node.class) {
                    (Term::Text(text), Class::Quoted) => {
                        length.is_none_or(|n| text.chars().count() <= n).then_some(node)
                    }
                    (_, Class::Text { .. } | Class::Enum { .. }) if length.is_none() && base != "bpchar" => {
                        Some(node)
                    }
                    _ => None,
                }
            }
            "numeric" | "decimal" | "integer" | "int" | "bigint" | "smallint" | "double precision"
            | "real"
                if modifier.is_none() =>
            {
                // A column of PostgreSQL that is a domain or no wider stays what it is.
                let fits = self.source == Dialect::Postgres
                    && matches!(base, "integer" | "int")
                    && matches!(node.term, Term::Column(_))
                    && node.class == Class::Integer { unsigned: false }
                    && !node.wide;
                if fits { Some(node) } else { Self::cast_number(node, base) }
            }
            "boolean" | "bool" => match (&node.term, &node.class) {
                (_, Class::Truth) => Some(node),
                (Term::Text(text), Class::Quoted) if typed => match text.as_str() {
                    "t" | "true" => Some(Node::truth(Term::Bool(true))),
                    "f" | "false" => Some(Node::truth(Term::Bool(false))),
                    _ => None,
                },
                _ => None,
            },
            // The zone of the session would matter.
            "timestamptz" | "timestamp with time zone" | "timetz" | "time with time zone" => None,
            // A type of the schema's own (an enum's label), a date: the column that it meets decides.
            _ if typed && modifier.is_none() && node.class == Class::Quoted => Some(node),
            _ => None,
        }
    }

    fn cast_number(node: Node, base: &str) -> Option<Node> {
        let integer = matches!(base, "integer" | "int" | "bigint" | "smallint");
        let floating = matches!(base, "double precision" | "real");
        match (&node.term, &node.class) {
            (Term::Number(text), class) if class.is_number() => {
                let whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                (whole || !integer).then(|| {
                    let class = if floating { Class::Float { single: false } } else { class.clone() };
                    Node::new(node.term.clone(), class)
                })
            }
            (Term::Text(text), Class::Quoted) => Self::cast_number(Node::number(text)?, base),
            (Term::Dated { call, moment, term }, Class::Text { .. }) if integer => {
                let call = call.as_part(*moment)?;
                let term = Term::Dated { call, moment: *moment, term: term.clone() };
                Some(Node::new(term, Class::Integer { unsigned: false }))
            }
            // PostgreSQL's parts of a date are whole numbers of another type.
            (Term::Dated { .. }, Class::Decimal { .. } | Class::Float { .. }) if integer => {
                Some(Node::new(node.term, Class::Integer { unsigned: false }))
            }
            (_, Class::Integer { .. }) if base == "bigint" => Some(node),
            (_, Class::Integer { .. }) if matches!(base, "numeric" | "decimal") => {
                Some(Node::new(node.term, Class::Decimal { as_text: false }))
            }
            (_, Class::Decimal { .. }) if matches!(base, "numeric" | "decimal") => Some(node),
            (_, Class::Float { single: false }) if base == "double precision" => Some(node),
            _ => None,
        }
    }
}

pub(super) fn literal(value: &Value) -> Option<Node> {
    match value {
        Value::Number(text, false) => Node::number(text),
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::NationalStringLiteral(text)
        | Value::DoubleQuotedString(text) => Some(Node::new(Term::Text(text.clone()), Class::Quoted)),
        Value::Boolean(value) => Some(Node::truth(Term::Bool(*value))),
        Value::Null => Some(Node::new(Term::Null, Class::Null)),
        _ => None,
    }
}

/// MySQL's character set introducers: all of them mean the same text where it is ASCII.
pub(super) fn introduced(prefix: &str, node: Node) -> Option<Node> {
    let prefix = prefix.to_ascii_lowercase();
    let Term::Text(text) = &node.term else { return None };
    let known = matches!(prefix.as_str(), "_utf8mb4" | "_utf8mb3" | "_utf8" | "n")
        || (matches!(prefix.as_str(), "_latin1" | "_ascii") && text.is_ascii());
    known.then_some(node)
}

/// Elements of an array as PostgreSQL prints it; none may be NULL or an array.
pub(super) fn array_literal(text: &str) -> Option<Vec<Node>> {
    let body = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut chars = body.chars().peekable();
    while chars.peek().is_some() {
        let mut item = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => item.push(chars.next()?),
                    c => item.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                if matches!(c, '{' | '}' | '"' | '\\') {
                    return None;
                }
                item.push(c);
            }
            if item.eq_ignore_ascii_case("null") || item.is_empty() {
                return None;
            }
        }
        items.push(Node::new(Term::Text(item), Class::Quoted));
        match chars.next() {
            None => break,
            Some(',') if chars.peek().is_some() => {}
            Some(_) => return None,
        }
    }
    Some(items)
}
