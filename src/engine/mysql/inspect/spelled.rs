//! Expressions with letters beyond ASCII. The catalogue of MySQL (seen in 9.7) takes each byte of such a letter for one of
//! ISO 8859-1: `é` is told as `Ã©`. That of MariaDB has four question marks for a character beyond the basic plane. SHOW CREATE
//! TABLE has both as they are, save that MySQL's has the question marks: what one tells is proven with the other. Pure.

use super::defaults::{Telling, latin1, unescaped};
use super::shown;
use crate::model::error::{Error, ErrorKind, Result};

/// What stands for each character beyond the basic plane: one mark for each of its bytes.
const UNTOLD: &str = "????";

/// How the expressions of one table are read.
pub struct Expressions<'a> {
    telling: Telling,
    table: &'a str,
    /// SHOW CREATE TABLE, if an expression is doubtful.
    shown: &'a [u8],
}

/// Whether the catalogue alone does not tell what an expression is.
pub fn is_doubtful(telling: Telling, told: &str) -> bool {
    match telling {
        Telling::Bare => !told.is_ascii(),
        Telling::Expression => told.contains(UNTOLD),
    }
}

impl<'a> Expressions<'a> {
    /// Of a table, with the text of SHOW CREATE TABLE if one of its expressions is doubtful.
    pub fn new(telling: Telling, table: &'a str, shown: &'a [u8]) -> Self {
        Self { telling, table, shown }
    }

    /// An expression as SQL, from what the catalogue tells; `beginning` is that of the line that has it in SHOW CREATE TABLE.
    pub fn read(&self, told: &str, beginning: &str) -> Result<String> {
        let text = match self.telling {
            Telling::Bare => unescaped(told),
            Telling::Expression => told.to_owned(),
        };
        if !is_doubtful(self.telling, &text) {
            return Ok(text);
        }
        let line = String::from_utf8_lossy(shown::line(self.shown, beginning).unwrap_or(self.shown));
        let read = match self.telling {
            Telling::Bare => by_letters(&text, &line),
            Telling::Expression => by_place(&text, &line),
        };
        read.ok_or_else(|| {
            let what = format!("an expression of table \"{}\" cannot be read: {text}", self.table);
            Error::new(ErrorKind::Read, what)
                .why("information_schema and SHOW CREATE TABLE do not tell the same")
                .next("write it with ASCII letters only, or report this with the version of the server")
        })
    }
}

/// As told, or with the letters that the bytes are: whichever the line has. It may have both, where it also shows a literal with
/// an introducer.
fn by_letters(told: &str, line: &str) -> Option<String> {
    let shows =
        |text: &str| text.split(|c: char| c.is_ascii()).all(|run| line.contains(&without_astral(run)));
    let read = latin1(told).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|read| shows(read));
    match (shows(told), read) {
        (true, None) => Some(told.to_owned()),
        (false, Some(read)) => Some(read),
        _ => None,
    }
}

/// From the place where the line has what is told.
fn by_place(told: &str, line: &str) -> Option<String> {
    let at = without_astral(line).find(told)?;
    line.get(at..at + told.len()).map(str::to_owned)
}

/// Text of the same length in bytes with what stands for characters beyond the basic plane.
fn without_astral(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.len_utf8() == UNTOLD.len() { out.push_str(UNTOLD) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_that_the_table_shows() {
        let text = "CREATE TABLE `t` (\n  `a` varchar(9) DEFAULT (concat(_utf8mb4'é€????',_utf8mb4'Ã©')),\n  \
            `Ã©` varchar(9) DEFAULT (_utf8mb4'é'),\n  CONSTRAINT `k` CHECK ((`a` <> _utf8mb4'ñ'))\n)";
        let read = |told: &str, beginning: &str| {
            Expressions::new(Telling::Bare, "t", text.as_bytes()).read(told, beginning).ok()
        };
        let twice = |text: &str| text.bytes().map(char::from).collect::<String>();
        let (a, other) = (shown::of_column("a"), shown::of_column("Ã©"));
        let all = r"concat(_utf8mb4\'é€😀\',_utf8mb4\'Ã©\')";
        assert_eq!(read(&twice(all), &a).as_deref(), Some("concat('é€😀','Ã©')"));
        assert_eq!(read(&twice(r"_utf8mb4\'é\'"), &other).as_deref(), Some("'é'"));
        for right in [r"(`a` <> _utf8mb4\'ñ\')", &twice(r"(`a` <> _utf8mb4\'ñ\')")] {
            assert_eq!(read(right, "\n  CONSTRAINT `k` CHECK (").as_deref(), Some("(`a` <> 'ñ')"));
        }
        for untold in [r"_utf8mb4\'ü\'", r"concat(_latin1\'Ã©\',_utf8mb4\'Ã©\')"] {
            assert_eq!(read(untold, &a), None, "{untold}");
        }
        assert_eq!(read("(`a` > 0)", &a).as_deref(), Some("(`a` > 0)"));
    }

    #[test]
    fn characters_that_are_not_told_are_those_of_the_same_place() {
        let text = "CREATE TABLE `t` (\n  `a` text DEFAULT concat('é😀','????') CHECK (`a` <> '😁')\n)";
        let read = |told: &str| {
            Expressions::new(Telling::Expression, "t", text.as_bytes())
                .read(told, &shown::of_column("a"))
                .ok()
        };
        assert_eq!(read("concat('é????','????')").as_deref(), Some("concat('é😀','????')"));
        assert_eq!(read("`a` <> '????'").as_deref(), Some("`a` <> '😁'"));
        assert_eq!(read("`b` <> '????'"), None);
        assert_eq!(read("`b` <> '???'").as_deref(), Some("`b` <> '???'"));
    }
}
