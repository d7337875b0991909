//! Where dialects agree: which values they compare alike, and literals brought to the form in which they do.

use super::Comparison;
use super::read::Reader;
use super::term::{Class, Node, Term};
use crate::model::endpoint::Dialect;
use crate::model::value::{format_datetime, parse_date, parse_datetime};

impl Reader<'_> {
    /// Brings two terms to a comparison on which the dialects agree.
    pub(super) fn meet(&self, a: Node, b: Node, orders: bool) -> Option<(Node, Node)> {
        let (a, b) = if a.is_literal() {
            let a = self.adapt(a, &b.class)?;
            (a, b)
        } else {
            let b = self.adapt(b, &a.class)?;
            (a, b)
        };
        let (a, b) = (self.signed(a, &b.term), b);
        let b = self.signed(b, &a.term);
        self.agree(&a.class, &b.class, orders).then_some((a, b))
    }

    /// A decimal that SQLite keeps as text beside the constant 0: a double keeps the sign, if not all digits.
    fn signed(&self, node: Node, other: &Term) -> Node {
        let zero = matches!(other, Term::Number(n) if n.bytes().all(|b| matches!(b, b'0' | b'.')));
        if zero && self.target == Dialect::Sqlite && node.class == (Class::Decimal { as_text: true }) {
            return Node::new(Term::Real(Box::new(node.term)), Class::Float { single: false });
        }
        match node.term {
            Term::Real(term) if zero && self.target != Dialect::Sqlite => {
                Node::new(*term, Class::Decimal { as_text: true })
            }
            _ => node,
        }
    }

    /// One class for the alternatives of COALESCE or CASE.
    pub(super) fn unite(&self, nodes: Vec<Node>) -> Option<(Vec<Term>, Class)> {
        let class = nodes
            .iter()
            .find(|n| !n.is_literal())
            .or_else(|| nodes.iter().find(|n| n.class != Class::Null))?
            .class
            .clone();
        let mut terms = Vec::with_capacity(nodes.len());
        for node in nodes {
            if node.class == Class::Null {
                terms.push(node.term);
                continue;
            }
            let node = self.adapt(node, &class)?;
            let same = node.class == class || (node.is_literal() && self.agree(&node.class, &class, false));
            if !same {
                return None;
            }
            terms.push(node.term);
        }
        Some((terms, class))
    }

    /// A literal in the form that goes with a class; other terms stay as they are.
    pub(super) fn adapt(&self, node: Node, class: &Class) -> Option<Node> {
        match (&node.term, class) {
            (Term::Number(n), Class::Truth) => match n.as_str() {
                "0" => Some(Node::truth(Term::Bool(false))),
                "1" => Some(Node::truth(Term::Bool(true))),
                _ => None,
            },
            (Term::Bool(value), class) if class.is_number() && self.source != Dialect::Postgres => {
                Node::number(if *value { "1" } else { "0" })
            }
            (Term::Text(text), Class::Text { fixed, .. }) => (!fixed || !text.ends_with(' ')).then_some(node),
            (Term::Text(text), Class::Enum { labels, .. }) => labels.contains(text).then_some(node),
            (Term::Text(text), Class::Date) => {
                parse_date(text)?;
                Some(Node::new(node.term, Class::Date))
            }
            (Term::Text(text), Class::DateTime) => {
                let micros = parse_datetime(text)?;
                let whole = format_datetime(micros, 6);
                // SQLite compares the spelling.
                if self.source == Dialect::Sqlite && *text != whole {
                    return None;
                }
                let digits = if self.target == Dialect::Sqlite || micros % 1_000_000 != 0 { 6 } else { 0 };
                Some(Node::new(Term::Text(format_datetime(micros, digits)), Class::DateTime))
            }
            (Term::Text(_), Class::Quoted) => Some(node),
            (Term::Text(_) | Term::Null, _) => None,
            _ => Some(node),
        }
    }

    /// Whether the dialects agree on comparing values of two classes.
    pub(super) fn agree(&self, one: &Class, other: &Class, orders: bool) -> bool {
        let needed = if orders { Comparison::Exact } else { Comparison::Equality };
        // Text where a number is meant.
        let as_text = |c: &Class| self.target == Dialect::Sqlite && *c == Class::Decimal { as_text: true };
        match (one, other) {
            _ if as_text(one) || as_text(other) => false,
            _ if one.is_number() && other.is_number() => true,
            (Class::Text { comparison, .. }, Class::Quoted)
            | (Class::Quoted, Class::Text { comparison, .. }) => *comparison >= needed,
            (
                Class::Text { comparison: one, fixed: pads },
                Class::Text { comparison: other, fixed: other_pads },
            ) => pads == other_pads && *one.min(other) >= needed,
            // Labels are ordered by their place in one dialect and as text in another.
            (Class::Enum { comparison, .. }, Class::Quoted)
            | (Class::Quoted, Class::Enum { comparison, .. }) => !orders && *comparison >= needed,
            (Class::Truth, Class::Truth)
            | (Class::Date, Class::Date)
            | (Class::DateTime, Class::DateTime)
            | (Class::Timestamp, Class::Timestamp)
            | (Class::Bytes, Class::Bytes) => true,
            // Literals compare as the session has it: regardless of case on MySQL, and in its order everywhere.
            (Class::Quoted, Class::Quoted) => {
                !orders && self.source != Dialect::Mysql && self.target != Dialect::Mysql
            }
            _ => false,
        }
    }
}
