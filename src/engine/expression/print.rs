//! Terms in the words of a dialect. Operands that are no single word or call stand in parentheses, so that no
//! dialect's precedence matters.

use std::fmt::Write as _;

use super::term::{Asks, Ends, Over, Sort, Term};
use crate::model::endpoint::Dialect;

/// A term in the words of `target`; `None` for what the dialect has no word for.
pub(super) fn print(term: &Term, target: Dialect) -> Option<String> {
    let mut printer = Printer { out: String::new(), target };
    printer.term(term)?;
    Some(printer.out)
}

/// A key of ORDER BY.
pub(super) fn sort(key: &Sort, target: Dialect) -> Option<String> {
    let mut printer = Printer { out: String::new(), target };
    printer.sort(key)?;
    Some(printer.out)
}

/// Where NULLs stand by default: PostgreSQL takes them for the greatest, the others for the least.
pub(super) fn nulls_first(dialect: Dialect, ascending: bool) -> bool {
    ascending != (dialect == Dialect::Postgres)
}

struct Printer {
    out: String,
    target: Dialect,
}

impl Printer {
    fn term(&mut self, term: &Term) -> Option<()> {
        match term {
            Term::Column(name) => self.name(name),
            Term::Of(relation, name) => {
                self.name(relation);
                self.out.push('.');
                self.name(name);
            }
            Term::Null => self.word("NULL"),
            Term::Bool(value) => self.bool(*value),
            Term::Number(text) => self.word(text),
            Term::Text(text) => self.text(text)?,
            Term::Compare(op, a, b) => {
                self.operand(a)?;
                self.out.push(' ');
                self.word(op.sql());
                self.out.push(' ');
                self.operand(b)?;
            }
            Term::And(list) => self.joined(list, " AND ")?,
            Term::Or(list) => self.joined(list, " OR ")?,
            Term::Not(term) => {
                self.word("NOT (");
                self.term(term)?;
                self.out.push(')');
            }
            Term::IsNull(term, negated) => {
                self.operand(term)?;
                self.word(if *negated { " IS NOT NULL" } else { " IS NULL" });
            }
            Term::IsBool { term, value, negated } => {
                self.operand(term)?;
                self.word(if *negated { " IS NOT " } else { " IS " });
                self.word(if *value { "TRUE" } else { "FALSE" });
            }
            Term::In { term, list, negated } => {
                self.operand(term)?;
                self.word(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list)?;
                self.out.push(')');
            }
            Term::Between { term, low, high, negated } => {
                self.operand(term)?;
                self.word(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.operand(low)?;
                self.word(" AND ");
                self.operand(high)?;
            }
            Term::Like { term, pattern, negated } => {
                self.operand(term)?;
                self.word(if *negated { " NOT LIKE " } else { " LIKE " });
                self.text(pattern)?;
            }
            Term::Arithmetic(op, a, b) => {
                self.operand(a)?;
                self.out.push(' ');
                self.word(op.sql());
                self.out.push(' ');
                self.operand(b)?;
            }
            Term::Negate(term) => {
                self.out.push('-');
                self.operand(term)?;
            }
            Term::Concat(list) if self.target == Dialect::Mysql => self.call("concat", list)?,
            Term::Concat(list) => self.joined(list, " || ")?,
            Term::Query { asks, text, .. } => self.query(asks, text)?,
            Term::Case(branches, otherwise) => {
                self.word("CASE");
                for (condition, result) in branches {
                    self.word(" WHEN ");
                    self.term(condition)?;
                    self.word(" THEN ");
                    self.operand(result)?;
                }
                if let Some(otherwise) = otherwise {
                    self.word(" ELSE ");
                    self.operand(otherwise)?;
                }
                self.word(" END");
            }
            _ => self.function(term)?,
        }
        Some(())
    }

    fn function(&mut self, term: &Term) -> Option<()> {
        match term {
            Term::Chars(term) => {
                let name = if self.target == Dialect::Mysql { "char_length" } else { "length" };
                self.call(name, std::slice::from_ref(&**term))
            }
            Term::Bytes { term, of_text } => match self.target {
                // octet_length is younger than the SQLite of many an application.
                Dialect::Sqlite if *of_text => {
                    self.word("length(CAST(");
                    self.term(term)?;
                    self.word(" AS BLOB))");
                    Some(())
                }
                Dialect::Postgres if *of_text => self.call("octet_length", std::slice::from_ref(&**term)),
                _ => self.call("length", std::slice::from_ref(&**term)),
            },
            Term::Trim(ends, term) => {
                let name = match ends {
                    Ends::Both => "trim",
                    Ends::Left => "ltrim",
                    Ends::Right => "rtrim",
                };
                self.call(name, std::slice::from_ref(&**term))
            }
            Term::Lower(term) => self.call("lower", std::slice::from_ref(&**term)),
            Term::Upper(term) => self.call("upper", std::slice::from_ref(&**term)),
            Term::Bytewise(term) => {
                self.term(term)?;
                self.word(" COLLATE \"C\"");
                Some(())
            }
            // Elsewhere that is a number of fewer digits.
            Term::Real(_) if self.target != Dialect::Sqlite => None,
            Term::Real(term) => {
                self.word("CAST(");
                self.term(term)?;
                self.word(" AS REAL)");
                Some(())
            }
            Term::Wide(term) => {
                self.word("CAST(");
                self.term(term)?;
                self.word(" AS bigint)");
                Some(())
            }
            Term::Substring(term, from, length) => {
                self.word("substr(");
                self.term(term)?;
                write!(self.out, ", {from}").ok()?;
                if let Some(length) = length {
                    write!(self.out, ", {length}").ok()?;
                }
                self.out.push(')');
                Some(())
            }
            Term::Coalesce(list) => self.call("coalesce", list),
            Term::NullIf(a, b) => self.call("nullif", &[(**a).clone(), (**b).clone()]),
            Term::Abs(term) => self.call("abs", std::slice::from_ref(&**term)),
            Term::Aggregate { name, distinct, term } => {
                self.word(name);
                self.word(if *distinct { "(DISTINCT " } else { "(" });
                match term {
                    Some(term) => self.term(term)?,
                    None => self.out.push('*'),
                }
                self.out.push(')');
                Some(())
            }
            Term::Window { over, partition, order } => self.window(over, partition, order),
            Term::Dated { call, moment, term } => {
                let (before, after) = call.around(self.target, *moment);
                self.word(&before);
                // What follows may bind to a part of it otherwise.
                self.operand(term)?;
                self.word(&after);
                Some(())
            }
            Term::JsonValid(term) if self.target != Dialect::Postgres => {
                self.call("json_valid", std::slice::from_ref(&**term))
            }
            _ => None,
        }
    }

    fn query(&mut self, asks: &Asks, text: &str) -> Option<()> {
        match asks {
            Asks::Value => {}
            Asks::Exists { negated } => self.word(if *negated { "NOT EXISTS " } else { "EXISTS " }),
            Asks::Holds { term, negated } => {
                self.operand(term)?;
                self.word(if *negated { " NOT IN " } else { " IN " });
            }
        }
        self.word("(");
        self.word(text);
        self.word(")");
        Some(())
    }

    fn window(&mut self, over: &Over, partition: &[Term], order: &[Sort]) -> Option<()> {
        match over {
            Over::Rank(name) => {
                self.word(name);
                self.word("()");
            }
            Over::Aggregate(name, term) => {
                self.word(name);
                self.out.push('(');
                match term {
                    Some(term) => self.term(term)?,
                    None => self.out.push('*'),
                }
                self.out.push(')');
            }
        }
        self.word(" OVER (");
        if !partition.is_empty() {
            self.word("PARTITION BY ");
            self.list(partition)?;
        }
        for (at, key) in order.iter().enumerate() {
            self.word(match (at, partition.is_empty()) {
                (0, true) => "ORDER BY ",
                (0, false) => " ORDER BY ",
                _ => ", ",
            });
            self.sort(key)?;
        }
        self.out.push(')');
        Some(())
    }

    fn sort(&mut self, key: &Sort) -> Option<()> {
        let Sort { term, descending, nulls_first: first } = key;
        let usual = *first == nulls_first(self.target, !descending);
        if !usual && self.target == Dialect::Mysql {
            self.column_or_parenthesis(term)?;
            self.word(if *first { " IS NOT NULL, " } else { " IS NULL, " });
        }
        self.column_or_parenthesis(term)?;
        if *descending {
            self.word(" DESC");
        }
        if !usual && self.target != Dialect::Mysql {
            self.word(if *first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        Some(())
    }

    /// A key that is one word, or none that could be taken for the place of a column.
    fn column_or_parenthesis(&mut self, term: &Term) -> Option<()> {
        if matches!(term, Term::Of(..) | Term::Column(_)) {
            return self.term(term);
        }
        self.out.push('(');
        self.term(term)?;
        self.out.push(')');
        Some(())
    }

    fn call(&mut self, name: &str, arguments: &[Term]) -> Option<()> {
        self.word(name);
        self.out.push('(');
        self.list(arguments)?;
        self.out.push(')');
        Some(())
    }

    fn list(&mut self, list: &[Term]) -> Option<()> {
        for (at, term) in list.iter().enumerate() {
            if at > 0 {
                self.word(", ");
            }
            self.term(term)?;
        }
        Some(())
    }

    fn joined(&mut self, list: &[Term], with: &str) -> Option<()> {
        for (at, term) in list.iter().enumerate() {
            if at > 0 {
                self.word(with);
            }
            let plain = matches!(
                term,
                Term::Compare(..) | Term::IsNull(..) | Term::In { .. } | Term::Like { .. } | Term::Not(_)
            );
            if plain && with != " || " {
                self.term(term)?;
            } else {
                self.operand(term)?;
            }
        }
        Some(())
    }

    /// A term as an operand: bare if it is one word or call, else in parentheses.
    fn operand(&mut self, term: &Term) -> Option<()> {
        let bare = match term {
            Term::Number(text) => !text.starts_with('-'),
            Term::Column(_)
            | Term::Of(..)
            | Term::Aggregate { .. }
            | Term::Null
            | Term::Bool(_)
            | Term::Text(_)
            | Term::Chars(_)
            | Term::Bytes { .. }
            | Term::Trim(..)
            | Term::Lower(_)
            | Term::Upper(_)
            | Term::Real(_)
            | Term::Wide(_)
            | Term::Substring(..)
            | Term::Coalesce(_)
            | Term::NullIf(..)
            | Term::Abs(_)
            | Term::Case(..)
            | Term::Window { .. }
            | Term::Dated { .. }
            | Term::Query { asks: Asks::Value, .. }
            | Term::JsonValid(_) => true,
            Term::Concat(_) => self.target == Dialect::Mysql,
            _ => false,
        };
        if bare {
            return self.term(term);
        }
        self.out.push('(');
        self.term(term)?;
        self.out.push(')');
        Some(())
    }

    fn word(&mut self, word: &str) {
        self.out.push_str(word);
    }

    /// SQLite and MySQL keep truth values as 0 and 1, and their schemas say so.
    fn bool(&mut self, value: bool) {
        self.word(match (self.target, value) {
            (Dialect::Postgres, true) => "true",
            (Dialect::Postgres, false) => "false",
            (_, true) => "1",
            (_, false) => "0",
        });
    }

    fn name(&mut self, name: &str) {
        let quote = if self.target == Dialect::Mysql { '`' } else { '"' };
        self.quoted(name, quote);
    }

    fn text(&mut self, text: &str) -> Option<()> {
        if text.contains('\0') {
            return None;
        }
        if self.target == Dialect::Mysql {
            self.quoted(&text.replace('\\', "\\\\"), '\'');
        } else {
            self.quoted(text, '\'');
        }
        Some(())
    }

    fn quoted(&mut self, text: &str, quote: char) {
        self.out.push(quote);
        for c in text.chars() {
            if c == quote {
                self.out.push(quote);
            }
            self.out.push(c);
        }
        self.out.push(quote);
    }
}
