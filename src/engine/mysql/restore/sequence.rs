//! Sequences of MariaDB in a dump. `mariadb-dump` writes CREATE SEQUENCE and `DO SETVAL(name, value, 0)`, before all tables;
//! before 10.3.29 it wrote a table of one row (`SEQUENCE=1`) and its INSERT, which make a sequence as well. Pure.

use std::ops::Range;

use super::super::types::{SEQUENCE_FUNCTIONS, quote};
use super::text::{USUAL, Within, scan};

/// Name and value of `DO SETVAL(name, value, 0)`: the first number that the server has not handed out or reserved.
pub(super) fn value(sql: &str) -> Option<(String, String)> {
    let rest = sql.strip_prefix("DO SETVAL(")?;
    let (name, rest) = rest.split_at(end_of_name(rest)?);
    let value = rest.strip_prefix(", ")?.strip_suffix(", 0)")?;
    let name = name[1..name.len() - 1].replace("``", "`");
    value.parse::<i128>().is_ok().then(|| (name, value.to_owned()))
}

/// Whether a sequence with its database stands in the statement.
pub(super) fn names_a_database(sql: &str) -> bool {
    !qualifiers(sql).is_empty()
}

/// The statement with sequences of `database` as those of the session's: the server tells a sequence in a default or a view
/// together with its database, whichever is in use.
pub(super) fn here(sql: &str, database: &str) -> String {
    let own = format!("{}.", quote(database));
    let mut out = sql.to_owned();
    for qualifier in qualifiers(sql).into_iter().rev() {
        if sql[qualifier.clone()] == own {
            out.replace_range(qualifier, "");
        }
    }
    out
}

/// Where a database and a dot stand before the name of a sequence, in order.
fn qualifiers(sql: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    scan(sql.as_bytes(), Within::Code, USUAL, &mut |at, byte| {
        if byte != b'(' || !SEQUENCE_FUNCTIONS.iter().any(|name| ends_in_word(&sql[..at], name)) {
            return;
        }
        let rest = &sql[at + 1..];
        if let Some(end) = end_of_name(rest)
            && rest[end..].starts_with(".`")
        {
            found.push(at + 1..at + 1 + end + 1);
        }
    });
    found
}

fn ends_in_word(text: &str, word: &str) -> bool {
    let Some(at) = text.len().checked_sub(word.len()) else { return false };
    text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(word))
        && !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '`'))
}

/// Where a quoted name at the beginning ends.
fn end_of_name(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix('`')?;
    loop {
        rest = &rest[rest.find('`')? + 1..];
        match rest.strip_prefix('`') {
            Some(after) => rest = after,
            None => return Some(text.len() - rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read() {
        for (sql, expected) in [
            ("DO SETVAL(`s`, -7, 0)", Some(("s", "-7"))),
            ("DO SETVAL(`a``b`, 9223372036854775807, 0)", Some(("a`b", "9223372036854775807"))),
            ("DO SETVAL(`s`, 18446744073709551615, 0)", Some(("s", "18446744073709551615"))),
            ("DO SETVAL(`s`, 7, 1)", None),
            ("DO SETVAL(`live`.`s`, 7, 0)", None),
            ("DO SETVAL(`s`, (SELECT 1), 0)", None),
            ("DO SETVAL(`s`, 7, 0), SLEEP(1, 0)", None),
        ] {
            assert_eq!(value(sql), expected.map(|(name, value)| (name.into(), value.into())), "{sql}");
        }
    }

    #[test]
    fn sequences_are_those_of_the_session() {
        for (sql, expected) in [
            (
                "CREATE TABLE `t` (\n  `id` bigint DEFAULT nextval(`a``b`.`s``t`),\n `n` int DEFAULT (lastval(`a``b`.`s`) + 1)\n)",
                "CREATE TABLE `t` (\n  `id` bigint DEFAULT nextval(`s``t`),\n `n` int DEFAULT (lastval(`s`) + 1)\n)",
            ),
            // Those of another database stay its own, and so do texts, comments and functions of such a name.
            ("select nextval(`other`.`s`)", "select nextval(`other`.`s`)"),
            ("select nextval(`a``b.`.`s`)", "select nextval(`a``b.`.`s`)"),
            (
                "x int DEFAULT 1 COMMENT 'nextval(`a``b`.`s`)' /* nextval(`a``b`.`s`) */",
                "x int DEFAULT 1 COMMENT 'nextval(`a``b`.`s`)' /* nextval(`a``b`.`s`) */",
            ),
            (
                "select `nextval`(`a``b`.`s`), unextval(`a``b`.`s`)",
                "select `nextval`(`a``b`.`s`), unextval(`a``b`.`s`)",
            ),
            ("select setval(`a``b`.`s`,5,1,0), é(`a``b`.`c`)", "select setval(`s`,5,1,0), é(`a``b`.`c`)"),
        ] {
            assert_eq!(here(sql, "a`b"), expected);
        }
        assert!(names_a_database("nextval(`a`.`s`)") && !names_a_database("nextval(`s`), `a`.`s`"));
    }
}
