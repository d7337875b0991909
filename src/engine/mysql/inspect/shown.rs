//! What only SHOW CREATE TABLE tells: periods and keys over them (MariaDB), and the bytes of defaults, of which the catalogues
//! tell what is text: MariaDB has question marks for the rest, MySQL ends at a NUL, and MySQL question marks for characters
//! beyond the basic plane. The text is read as bytes for that.

use sqlx::MySqlConnection;

use super::super::connection::rows;
use super::super::types::quote;
use crate::model::error::Result;
use crate::model::schema::{Object, ObjectKind};

/// The text that makes a table.
pub async fn text(connection: &mut MySqlConnection, table: &str) -> Result<Vec<u8>> {
    let sql = format!("SHOW CREATE TABLE {}", quote(table));
    let shown = rows(connection, &format!("table \"{table}\""), &sql).await?;
    Ok(shown.first().and_then(|row| row.bytes(1)).unwrap_or_default().to_vec())
}

/// Periods of a table, and keys that forbid periods to overlap. The server writes line breaks in texts as `\n`.
pub fn periods(text: &[u8]) -> Vec<Object> {
    String::from_utf8_lossy(text).lines().filter_map(period).collect()
}

fn period(line: &str) -> Option<Object> {
    let line = line.trim().trim_end_matches(',');
    if let Some(rest) = line.strip_prefix("PERIOD FOR `") {
        return Some(Object::new(ObjectKind::Attribute, name(rest), line));
    }
    let without_overlaps = line.contains("` WITHOUT OVERLAPS)");
    let key = match line.strip_prefix("UNIQUE KEY `") {
        Some(rest) => name(rest),
        None => line.starts_with("PRIMARY KEY (").then(|| "PRIMARY".to_owned())?,
    };
    without_overlaps.then(|| Object::new(ObjectKind::Constraint, key, line))
}

/// The name whose opening backtick is behind us.
fn name(rest: &str) -> String {
    let mut out = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '`' && chars.next_if_eq(&'`').is_none() {
            break;
        }
        out.push(c);
    }
    out
}

/// The literal default of a column that is declared so; between the two such a line has no quotes.
pub fn literal_default(text: &[u8], column: &str, declared: &str) -> Option<Vec<u8>> {
    let line = line(text, &of_column(column))?;
    let default = after(line.strip_prefix(declared.as_bytes()).unwrap_or(line), b" DEFAULT ")?;
    match default {
        [b'\'', literal @ ..] => quoted(literal),
        [b'0', b'x', digits @ ..] => {
            let end = digits.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(digits.len());
            let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            digits[..end].chunks(2).map(pair).collect()
        }
        _ => None,
    }
}

/// What the line of a column begins with.
pub fn of_column(name: &str) -> String {
    format!("\n  {} ", quote(name))
}

/// The rest of the line that begins so; a line of SHOW CREATE TABLE has no break within literals.
pub fn line<'a>(text: &'a [u8], beginning: &str) -> Option<&'a [u8]> {
    after(text, beginning.as_bytes())?.split(|b| *b == b'\n').next()
}

fn after<'a>(text: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(wanted.len()).position(|window| window == wanted)?;
    text.get(at + wanted.len()..)
}

/// The bytes of a literal whose opening quote is behind us.
fn quoted(literal: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = literal.iter().copied().peekable();
    loop {
        out.push(match bytes.next()? {
            b'\'' if bytes.next_if_eq(&b'\'').is_none() => return Some(out),
            b'\\' => match bytes.next()? {
                b'0' => 0,
                b'n' => b'\n',
                b'r' => b'\r',
                other => other,
            },
            byte => byte,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_from_the_lines_of_a_table() {
        let told = |line: &str| period(line).map(|o| (o.kind, o.name, o.definition));
        let some = |kind, name: &str, text: &str| Some((kind, name.to_owned(), text.to_owned()));
        for (line, expected) in [
            (
                "  PERIOD FOR `p``(x` (`s`, `e`),",
                some(ObjectKind::Attribute, "p`(x", "PERIOD FOR `p``(x` (`s`, `e`)"),
            ),
            (
                "  UNIQUE KEY `u``,` (`a,b`,`p` WITHOUT OVERLAPS),",
                some(ObjectKind::Constraint, "u`,", "UNIQUE KEY `u``,` (`a,b`,`p` WITHOUT OVERLAPS)"),
            ),
            (
                "  PRIMARY KEY (`id`,`p` WITHOUT OVERLAPS)",
                some(ObjectKind::Constraint, "PRIMARY", "PRIMARY KEY (`id`,`p` WITHOUT OVERLAPS)"),
            ),
            ("  PERIOD FOR SYSTEM_TIME (`s`, `e`)", None),
            ("  UNIQUE KEY `u` (`id`,`e`,`s`),", None),
            ("  PRIMARY KEY (`id`),", None),
            (r"  `c` int(11) COMMENT 'PERIOD FOR `p` (`id`,`p` WITHOUT OVERLAPS)',", None),
        ] {
            assert_eq!(told(line), expected, "{line}");
        }
    }

    #[test]
    fn the_bytes_of_defaults_are_read_as_they_are_shown() {
        let text = b"CREATE TABLE `t` (\n  `a` varbinary(9) NOT NULL DEFAULT '\\0\xff''\\\\\\r\\n' COMMENT ' DEFAULT ',\n  \
            `b``` binary(2) DEFAULT 0x00Ff,\n  `c` varbinary(3) INVISIBLE DEFAULT '' ,\n  `d` blob DEFAULT X'00',\n  \
            `e` varbinary(3) DEFAULT NULL,\n  `f` varbinary(3) NOT NULL,\n  `g` enum(' DEFAULT \'b\'') DEFAULT 0xF09F9880\n)";
        for (column, declared, expected) in [
            ("a", "varbinary(9)", Some(b"\0\xff'\\\r\n".to_vec())),
            ("b`", "binary(2)", Some(b"\0\xff".to_vec())),
            ("c", "varbinary(3)", Some(Vec::new())),
            ("d", "blob", None),
            ("e", "varbinary(3)", None),
            ("f", "varbinary(3)", None),
            ("g", "enum(' DEFAULT \'b\'')", Some("😀".into())),
            ("x", "blob", None),
        ] {
            assert_eq!(literal_default(text, column, declared), expected, "{column}");
        }
    }
}
