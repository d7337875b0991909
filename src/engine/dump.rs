//! A migration as text: what a dialect's own client program loads where no server can be reached. The statements
//! come from [`super::capability::Rules::script`]; here is what stands around and between them: session settings,
//! rows, and checks that make a load fail which lost something. Pure.

use crate::model::batch::{Batch, Cell};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, TablePlan};

/// A dialect as text. Every text ends with a line end, or is empty.
pub trait DumpDialect: Send + Sync {
    /// What comes first: the session's settings, and the transaction where one can hold everything.
    fn opening(&self) -> String;

    /// Who turns rows of a table into text. An error says which column of the plan has no spelling.
    fn rows<'a>(&self, table: &'a TablePlan) -> Result<Box<dyn RowText + 'a>>;

    /// Before the first check.
    fn checks_begin(&self) -> String {
        String::new()
    }

    /// A statement that fails, and ends the load, unless the table has so many rows.
    fn check_rows(&self, table: &TablePlan, rows: u64) -> String;

    /// Statements that fail if a row has no parent, for foreign keys that the load did not enforce.
    fn check_references(&self, _plan: &Plan) -> String {
        String::new()
    }

    /// What comes last: the end of the transaction, and the session's settings as they were.
    fn closing(&self) -> String;
}

/// Turns the rows of one table into text.
pub trait RowText: Send {
    /// Before the first row.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Appends one row. A value that the target would change or cannot hold is an error of kind `Value` with the
    /// row's key.
    fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) -> Result<()>;

    /// After the last row.
    fn end(&mut self, out: &mut Vec<u8>);
}

/// Rows put together to INSERT statements of bounded length.
pub struct Inserts {
    head: String,
    most_bytes: usize,
    /// Bytes of the statement that is open; 0 where none is.
    open: usize,
}

impl Inserts {
    /// Statements that begin with `head` (up to VALUES) and are closed before they grow beyond `most_bytes`. One row
    /// that is longer has a statement of its own.
    pub fn new(head: String, most_bytes: usize) -> Self {
        Self { head, most_bytes, open: 0 }
    }

    /// Appends a row that `render` writes, in parentheses of its own; answers how long it became.
    pub fn row(
        &mut self,
        batch: &Batch,
        row: usize,
        out: &mut Vec<u8>,
        render: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<usize> {
        let bound = row_bound(batch, row);
        if self.open > 0 && self.open + bound > self.most_bytes {
            self.end(out);
        }
        let before = out.len();
        // Growing by doubling would take twice the memory of a very long value.
        out.reserve_exact(bound + self.head.len());
        if self.open == 0 {
            out.extend_from_slice(self.head.as_bytes());
            out.push(b'\n');
        } else {
            out.extend_from_slice(b",\n");
        }
        render(out)?;
        self.open += out.len() - before;
        Ok(out.len() - before)
    }

    /// Closes the statement that is open.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.open > 0 {
            out.extend_from_slice(b";\n");
            self.open = 0;
        }
    }
}

/// Bytes of a row as text at most: every byte as two digits or doubled, numbers and times with room.
fn row_bound(batch: &Batch, row: usize) -> usize {
    let bound = |cell: &Cell| match cell {
        Cell::Text(span) | Cell::Bytes(span) | Cell::Decimal(span) => 2 * batch.bytes(*span).len() + 64,
        Cell::Float(_) => 512,
        _ => 64,
    };
    batch.row(row).iter().map(bound).sum::<usize>() + 4
}

/// The error about a row that is too long for any server or client.
pub fn too_long(table: &TablePlan, batch: &Batch, row: usize, bytes: usize, most: u64) -> Error {
    let key = batch.key_of(row).map(|key| format!(", row {key}")).unwrap_or_default();
    Error::new(ErrorKind::Value, format!("table \"{}\"{key} takes {bytes} bytes in a script", table.name))
        .why(format!("one statement or line holds at most {most} bytes"))
        .next("migrate into a server that can be reached, or leave the table out with --exclude")
}

/// Appends bytes as hexadecimal digits.
pub fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Appends text in single quotes, those within it doubled.
pub fn put_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in text.bytes() {
        if byte == b'\'' {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'\'');
}

/// A name or other text from a database as part of a comment: on one line, so that nothing in it becomes a command
/// of the program that loads the script.
pub fn in_comment(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};
    use crate::model::schema::DataType;

    fn batch(texts: &[String]) -> Batch {
        let columns = vec![ShapeColumn { name: "c".into(), data_type: DataType::TEXT }];
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns, key: vec![] }));
        for text in texts {
            batch.push_text(text);
        }
        batch
    }

    #[test]
    fn statements_are_closed_before_they_grow_too_long() {
        let texts = ["a".repeat(50), "b".repeat(50), "c".repeat(900), "d".into()];
        let batch = batch(&texts);
        let mut inserts = Inserts::new("INSERT VALUES".into(), 500);
        let mut out = Vec::new();
        for (row, text) in texts.iter().enumerate() {
            inserts
                .row(&batch, row, &mut out, |out| {
                    out.extend_from_slice(format!("({text})").as_bytes());
                    Ok(())
                })
                .unwrap();
        }
        inserts.end(&mut out);
        inserts.end(&mut out);
        let expected = format!(
            "INSERT VALUES\n({}),\n({});\nINSERT VALUES\n({});\nINSERT VALUES\n(d);\n",
            texts[0], texts[1], texts[2]
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_name_cannot_leave_its_comment() {
        assert_eq!(in_comment("a\n\\! rm\r\u{2028}b"), "a \\! rm  b");
    }

    #[test]
    fn bytes_become_digits() {
        let mut out = Vec::new();
        put_hex(&[0, 0xff, 0x1a], &mut out);
        assert_eq!(out, b"00ff1a");
    }
}
