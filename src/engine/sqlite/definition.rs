//! What the pragmas do not say about tables and indexes, read from the text of their CREATE statements: checks,
//! names of constraints, generated expressions, deferrability, WHERE and expressions of indexes. Pure; must take
//! any text, and finds less in one that it does not understand.

use super::tokens::{Kind, Token, closing, split_commas, tokens};
use crate::model::schema::{Check, Constrained, Deferrable, OnConflict, Resolution};

/// What the text of a CREATE TABLE adds to the pragmas.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TableText {
    /// Name of the primary key's constraint.
    pub key_name: Option<String>,
    /// Checks of columns and of the table, in order.
    pub checks: Vec<Check>,
    /// UNIQUE constraints: name and columns, in order.
    pub uniques: Vec<(Option<String>, Vec<String>)>,
    /// Foreign keys, in order.
    pub foreign_keys: Vec<KeyText>,
    /// Generated columns: name and expression.
    pub generated: Vec<(String, String)>,
    /// What constraints say after ON CONFLICT, where it is not what they do anyway.
    pub on_conflict: Vec<OnConflict>,
}

/// What the text of a foreign key adds to the pragma.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeyText {
    /// Name of the constraint.
    pub name: Option<String>,
    /// Referencing columns.
    pub columns: Vec<String>,
    /// When it is checked.
    pub deferrable: Deferrable,
    /// MATCH FULL.
    pub match_full: bool,
}

/// What the text of a CREATE INDEX adds to the pragmas.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IndexText {
    /// Keys in order, without COLLATE, ASC, DESC.
    pub keys: Vec<String>,
    /// WHERE.
    pub predicate: Option<String>,
}

/// Reads a CREATE TABLE.
pub fn table(sql: &str) -> TableText {
    let tokens = tokens(sql);
    let mut reader = Reader { sql, tokens: &tokens, at: 0, end: 0, found: TableText::default() };
    // A name is one token, so the first parenthesis opens the list of columns.
    let Some(open) = tokens.iter().position(|t| t.is_mark('(')) else { return reader.found };
    for (from, to) in split_commas(&tokens, open + 1, closing(&tokens, open)) {
        (reader.at, reader.end) = (from, to);
        reader.item();
    }
    reader.found
}

/// Reads a CREATE INDEX.
pub fn index(sql: &str) -> IndexText {
    let tokens = tokens(sql);
    let Some(open) = tokens.iter().position(|t| t.is_mark('(')) else { return IndexText::default() };
    let close = closing(&tokens, open);
    let keys =
        split_commas(&tokens, open + 1, close).into_iter().map(|range| key(sql, &tokens, range)).collect();
    let after = tokens.get(close + 1).filter(|t| t.is("WHERE"));
    let predicate = after.map(|word| sql[word.end..].trim().trim_end_matches(';').trim_end().to_owned());
    IndexText { keys, predicate: predicate.filter(|p| !p.is_empty()) }
}

/// A key of an index without what follows the expression.
fn key(sql: &str, tokens: &[Token], (from, mut to): (usize, usize)) -> String {
    if to >= from + 2 && tokens[to - 2].is("NULLS") {
        to -= 2;
    }
    if to > from + 1 && (tokens[to - 1].is("ASC") || tokens[to - 1].is("DESC")) {
        to -= 1;
    }
    if to > from + 2 && tokens[to - 2].is("COLLATE") {
        to -= 2;
    }
    let mut from = from;
    // Parentheses around a whole key say nothing.
    while to > from + 2 && tokens[from].is_mark('(') && closing(tokens, from) == to - 1 {
        (from, to) = (from + 1, to - 1);
    }
    let text = if from < to { sql[tokens[from].start..tokens[to - 1].end].trim() } else { "" };
    text.to_owned()
}

/// What a word after CONFLICT asks for; `None` for ABORT, which is what constraints do.
fn resolution(token: &Token) -> Option<Resolution> {
    let all = [Resolution::Rollback, Resolution::Fail, Resolution::Ignore, Resolution::Replace];
    all.into_iter().find(|resolution| token.is(resolution.sql()))
}

struct Reader<'a> {
    sql: &'a str,
    tokens: &'a [Token],
    at: usize,
    end: usize,
    found: TableText,
}

impl<'a> Reader<'a> {
    /// A column or one or more constraints of the table (the commas between those are optional).
    fn item(&mut self) {
        let starts_constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];
        let column = match self.peek() {
            Some(first) if starts_constraint.iter().any(|w| first.is(w)) => None,
            Some(first) if first.is_name() => Some(first.text.clone()),
            _ => return,
        };
        if column.is_some() {
            self.at += 1;
        }
        self.constraints(column.as_deref());
    }

    fn constraints(&mut self, column: Option<&str>) {
        let mut name = None;
        // The constraint that ON CONFLICT is said of.
        let mut last = None;
        while let Some(token) = self.next() {
            if token.is("CONSTRAINT") {
                name = self.next().map(|t| t.text.clone());
                continue;
            }
            let own = || column.map(|c| vec![c.to_owned()]).unwrap_or_default();
            if token.is("PRIMARY") {
                self.found.key_name = name.take();
                self.skip_word("KEY");
                self.columns();
                last = Some(Constrained::PrimaryKey);
            } else if token.is("UNIQUE") {
                let columns = self.columns().unwrap_or_else(own);
                last = Some(Constrained::Unique(columns.clone()));
                self.found.uniques.push((name.take(), columns));
            } else if token.is("CHECK") {
                last = None;
                if let Some(expression) = self.parenthesised() {
                    self.found.checks.push(Check {
                        name: name.take(),
                        expression,
                        reaches: Vec::new(),
                        validated: false,
                    });
                }
            } else if token.is("FOREIGN") {
                self.skip_word("KEY");
                let columns = self.columns().unwrap_or_default();
                self.found.foreign_keys.push(KeyText { name: name.take(), columns, ..KeyText::default() });
                // What follows is REFERENCES, which would start a key of its own beside a column.
                if self.skip_word("REFERENCES") {
                    self.reference();
                }
            } else if token.is("REFERENCES") {
                self.found.foreign_keys.push(KeyText {
                    name: name.take(),
                    columns: own(),
                    ..KeyText::default()
                });
                self.reference();
            } else if token.is("DEFERRABLE") {
                self.deferrable();
            } else if token.is("MATCH") {
                self.match_clause();
            } else if token.is("NOT") {
                // NOT DEFERRABLE is what a key is anyway; NOT NULL is in the pragmas.
                if self.skip_word("NULL") {
                    last = column.map(|c| Constrained::NotNull(c.to_owned()));
                } else if self.skip_word("DEFERRABLE") && self.skip_word("INITIALLY") {
                    self.at += 1;
                }
                name = None;
            } else if token.is("NULL") {
                last = None;
            } else if token.is("AS") {
                if let (Some(expression), Some(column)) = (self.parenthesised(), column) {
                    self.found.generated.push((column.to_owned(), expression));
                }
            } else if token.is("DEFAULT") {
                self.default_value();
                name = None;
            } else if token.is("COLLATE") {
                self.at += 1;
                name = None;
            } else if token.is("CONFLICT") {
                let resolution = self.next().and_then(resolution);
                let said = last.clone().zip(resolution);
                let said = said.map(|(constraint, resolution)| OnConflict { constraint, resolution });
                self.found.on_conflict.extend(said);
            } else if token.is_mark('(') {
                // Arguments of a type.
                self.at = closing(self.tokens, self.at - 1) + 1;
            }
        }
    }

    /// The rest of a REFERENCES clause, up to what is not part of it.
    fn reference(&mut self) {
        self.at += 1;
        self.columns();
        while let Some(token) = self.peek() {
            if token.is("ON")
                && self.tokens.get(self.at + 1).is_some_and(|t| t.is("DELETE") || t.is("UPDATE"))
            {
                // ON DELETE CASCADE, RESTRICT; SET NULL, SET DEFAULT, NO ACTION are two words.
                let two = self.tokens.get(self.at + 2).is_some_and(|t| t.is("SET") || t.is("NO"));
                self.at += if two { 4 } else { 3 };
            } else if token.is("MATCH") {
                self.at += 1;
                self.match_clause();
            } else {
                return;
            }
        }
    }

    fn match_clause(&mut self) {
        let full = self.next().is_some_and(|t| t.is("FULL"));
        if let Some(key) = self.found.foreign_keys.last_mut() {
            key.match_full = full;
        }
    }

    fn deferrable(&mut self) {
        let deferred = self.skip_word("INITIALLY") && self.next().is_some_and(|t| t.is("DEFERRED"));
        if let Some(key) = self.found.foreign_keys.last_mut() {
            key.deferrable = if deferred { Deferrable::Deferred } else { Deferrable::Immediate };
        }
    }

    /// A default is in the pragmas; here it only has to be stepped over, since it may hold any word.
    fn default_value(&mut self) {
        match self.next().map(|t| t.kind.clone()) {
            Some(Kind::Mark('(')) => self.at = closing(self.tokens, self.at - 1) + 1,
            Some(Kind::Mark('+' | '-')) => self.at += 1,
            _ => {}
        }
    }

    /// Names in the parentheses that follow, without COLLATE and order; `None` if none follow.
    fn columns(&mut self) -> Option<Vec<String>> {
        self.peek().filter(|t| t.is_mark('('))?;
        let close = closing(self.tokens, self.at);
        let parts = split_commas(self.tokens, self.at + 1, close);
        self.at = close + 1;
        Some(parts.into_iter().map(|(from, _)| self.tokens[from].text.clone()).collect())
    }

    /// The words between the parentheses that follow.
    fn parenthesised(&mut self) -> Option<String> {
        let open = self.peek().filter(|t| t.is_mark('('))?;
        let close = closing(self.tokens, self.at);
        self.at = close + 1;
        let end = self.tokens[close].start.max(open.end);
        Some(self.sql[open.end..end].trim().to_owned())
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).filter(|_| self.at < self.end)
    }

    fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|t| t.is(word));
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_found_wherever_they_stand() {
        let text = table(
            r#"CREATE TABLE IF NOT EXISTS "a(b" (
              id INTEGER CONSTRAINT pk PRIMARY KEY ON CONFLICT FAIL AUTOINCREMENT, -- CHECK (no)
              [check] TEXT DEFAULT 'CHECK (1)' CONSTRAINT c1 CHECK ("check" <> ') ,' AND (1)) COLLATE NOCASE,
              n DECIMAL(10, 2) NOT NULL ON CONFLICT REPLACE DEFAULT -1.5 UNIQUE ON CONFLICT IGNORE,
              p INT CONSTRAINT fk1 REFERENCES p(x) ON DELETE SET NULL ON UPDATE CASCADE MATCH FULL DEFERRABLE INITIALLY DEFERRED,
              q INT REFERENCES q NOT DEFERRABLE INITIALLY IMMEDIATE NOT NULL ON CONFLICT ABORT NULL ON CONFLICT FAIL,
              g INT GENERATED ALWAYS AS (n * (2 + 1)) STORED CHECK (g > 0),
              CONSTRAINT u1 UNIQUE (n COLLATE NOCASE DESC, "check") ON CONFLICT ROLLBACK
              CHECK (n > 0) ON CONFLICT IGNORE CONSTRAINT fk2 FOREIGN KEY (n, "check") REFERENCES "r" ON DELETE NO ACTION DEFERRABLE
            ) STRICT"#,
        );
        assert_eq!(text.key_name.as_deref(), Some("pk"));
        let said: Vec<_> = text.on_conflict.iter().map(|c| (c.constraint.clone(), c.resolution)).collect();
        let named = |names: &[&str]| Constrained::Unique(names.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(
            said,
            [
                (Constrained::PrimaryKey, Resolution::Fail),
                (Constrained::NotNull("n".into()), Resolution::Replace),
                (named(&["n"]), Resolution::Ignore),
                (named(&["n", "check"]), Resolution::Rollback),
            ]
        );
        let checks: Vec<(Option<&str>, &str)> =
            text.checks.iter().map(|c| (c.name.as_deref(), c.expression.as_str())).collect();
        assert_eq!(checks, [(Some("c1"), "\"check\" <> ') ,' AND (1)"), (None, "g > 0"), (None, "n > 0")]);
        assert_eq!(
            text.uniques,
            [(None, vec!["n".to_owned()]), (Some("u1".to_owned()), vec!["n".to_owned(), "check".to_owned()])]
        );
        assert_eq!(text.generated, [("g".to_owned(), "n * (2 + 1)".to_owned())]);
        let keys = &text.foreign_keys;
        assert_eq!(keys.len(), 3);
        assert_eq!(
            (keys[0].name.as_deref(), keys[0].deferrable, keys[0].match_full),
            (Some("fk1"), Deferrable::Deferred, true)
        );
        assert_eq!((keys[1].name.as_deref(), keys[1].deferrable), (None, Deferrable::No));
        assert_eq!((keys[2].name.as_deref(), keys[2].deferrable), (Some("fk2"), Deferrable::Immediate));
        assert_eq!(keys[2].columns, ["n", "check"]);
    }

    #[test]
    fn indexes_give_their_expressions() {
        let text = index(
            "CREATE UNIQUE INDEX main.\"i(\" ON \"t(\" ((lower(a)), \"b,c\" COLLATE NOCASE DESC, (d) || ('x')) WHERE d > 5 AND e = ');'",
        );
        assert_eq!(text.keys, ["lower(a)", "\"b,c\"", "(d) || ('x')"]);
        assert_eq!(text.predicate.as_deref(), Some("d > 5 AND e = ');'"));
        assert_eq!(index("CREATE INDEX i ON t (desc)").keys, ["desc"]);
    }

    #[test]
    fn no_text_is_too_odd() {
        for sql in [
            "",
            "CREATE TABLE",
            "CREATE TABLE t (",
            "CREATE TABLE t (a CHECK",
            "CREATE TABLE t (a CHECK (",
            "CREATE TABLE t (CONSTRAINT",
            "CREATE TABLE t (FOREIGN KEY",
            "CREATE TABLE t (a REFERENCES",
            "CREATE TABLE t (a DEFAULT (",
            "CREATE TABLE t (a AS (",
            ")(",
            "CREATE TABLE t (,,,)",
            "(UNIQUE(",
            "CREATE TABLE t (a REFERENCES b ON DELETE",
            "CREATE TABLE t (a NOT DEFERRABLE INITIALLY",
            "(a b(c",
        ] {
            table(sql);
            index(sql);
        }
    }
}
