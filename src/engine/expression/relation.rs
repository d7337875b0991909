//! Which tables and views a query names, by its tokens alone: a dialect's own words between them are no obstacle.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, Tokenizer, Word};

use super::read::grammar;
use crate::model::endpoint::Dialect;

/// Names that stand in the FROMs and JOINs of a query, as the dialect takes them: PostgreSQL's without quotes are in lower
/// case. Common table expressions and columns in a function's FROM are among them, so a name that nobody knows means
/// nothing.
pub fn relations(dialect: Dialect, text: &str) -> Vec<String> {
    let tokens = Tokenizer::new(grammar(dialect), text).tokenize().unwrap_or_default();
    let tokens: Vec<Token> = tokens.into_iter().filter(|t| !matches!(t, Token::Whitespace(_))).collect();
    let mut found: Vec<String> = Vec::new();
    let mut levels = vec![Level::default()];
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        if *token == Token::RParen && levels.len() > 1 {
            levels.pop();
            continue;
        }
        let Some(level) = levels.last_mut() else { break };
        match token {
            Token::LParen => {
                let inner = Level { from: level.awaits, awaits: level.awaits };
                level.awaits = false;
                levels.push(inner);
            }
            Token::Comma => level.awaits = level.from,
            Token::Word(word) if word.quote_style.is_none() && level.turns(word.keyword) => {}
            Token::Word(word) if level.awaits && !is_filler(word) => {
                let mut last = word;
                while let (Some(Token::Period), Some(Token::Word(next))) =
                    (tokens.get(at), tokens.get(at + 1))
                {
                    (last, at) = (next, at + 2);
                }
                level.awaits = false;
                let folds = dialect == Dialect::Postgres && last.quote_style.is_none();
                let name = if folds { last.value.to_lowercase() } else { last.value.clone() };
                if !found.contains(&name) {
                    found.push(name);
                }
            }
            _ => {}
        }
    }
    found
}

/// Where a pair of parentheses stands.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// In a FROM, where a comma announces another table.
    from: bool,
    /// The next name is that of a table.
    awaits: bool,
}

impl Level {
    /// Takes a keyword that begins or ends a FROM; `false` for all others.
    fn turns(&mut self, keyword: Keyword) -> bool {
        match keyword {
            Keyword::FROM => *self = Self { from: true, awaits: true },
            Keyword::JOIN | Keyword::STRAIGHT_JOIN => self.awaits = true,
            Keyword::SELECT
            | Keyword::VALUES
            | Keyword::WHERE
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::WINDOW
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::FETCH
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT => *self = Self::default(),
            _ => return false,
        }
        true
    }
}

/// What may stand in front of a table's name.
fn is_filler(word: &Word) -> bool {
    word.quote_style.is_none() && matches!(word.keyword, Keyword::ONLY | Keyword::LATERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_tables() {
        for (dialect, text, names) in [
            (
                Dialect::Sqlite,
                "SELECT a, b FROM t1, [t 2] AS x LEFT JOIN main.\"t3\" USING (a, c) WHERE d, e",
                vec!["t1", "t 2", "t3"],
            ),
            (
                Dialect::Mysql,
                "select `a`.`x` from ((`a` join `b` on((`a`.`x` = f(`b`.`y`, 1)))) left join `c` on(1))",
                vec!["a", "b", "c"],
            ),
            (
                Dialect::Postgres,
                "WITH w AS (SELECT 1 FROM Films) SELECT (SELECT max(n) FROM ONLY \"Prices\" p, other), q FROM w WHERE x IN (SELECT y FROM s.last) ORDER BY a, b",
                vec!["films", "Prices", "other", "w", "last"],
            ),
            (Dialect::Postgres, "SELECT a FROM (SELECT b, c FROM t) q, (VALUES (1, d), (2, e)) v", vec!["t"]),
        ] {
            assert_eq!(relations(dialect, text), names, "{text}");
        }
    }
}
