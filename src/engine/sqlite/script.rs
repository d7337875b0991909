//! A migration as a script for the `sqlite3` shell: literals that are stored with exactly the class and bytes that
//! binding them would store. Pure but for `rusqlite`'s borrowed values.
//!
//! Three habits of the shell decide the spelling. It drops a carriage return at the end of a line and stops reading
//! at a NUL, so text with either is not written as it is; and at each line that holds a semicolon it looks at the
//! whole statement again, so line ends within text are spelt out and statements are kept short.

use std::fmt::Write as _;

use rusqlite::types::ValueRef;

use super::ddl::{column_list, literal, quote};
use super::types::{self, Affinity};
use super::{cell, write};
use crate::engine::condition::without_parent;
use crate::engine::dump::{self, DumpDialect, Inserts, RowText, put_hex, put_quoted};
use crate::model::batch::Batch;
use crate::model::error::Result;
use crate::model::plan::{Plan, TablePlan};

/// Bytes of one INSERT.
const STATEMENT_BYTES: usize = 64 * 1024;

/// SQLite's default limit on a statement (`SQLITE_MAX_SQL_LENGTH`).
const LONGEST: u64 = 1_000_000_000;

/// Table of the self-check.
const CHECK: &str = "techcare_db_check";

/// Below this size the shell's own reading of decimal digits can be off by one in the last place.
const TINY: f64 = 1e-290;

/// SQLite as text.
pub struct SqliteDump;

impl DumpDialect for SqliteDump {
    fn opening(&self) -> String {
        // Without the first line the shell would go on after an error and commit what is left.
        ".bail on\nPRAGMA foreign_keys = OFF;\nBEGIN IMMEDIATE;\n".into()
    }

    fn rows<'a>(&self, table: &'a TablePlan) -> Result<Box<dyn RowText + 'a>> {
        let names: Vec<String> = table.copied().map(|c| c.name.clone()).collect();
        let head = format!("INSERT INTO {} ({}) VALUES", quote(&table.name), column_list(&names));
        let affinities = table.copied().map(|c| types::affinity(&c.native_type)).collect();
        let inserts = Inserts::new(head, STATEMENT_BYTES);
        Ok(Box::new(Rows { table, affinities, inserts, scratch: String::new() }))
    }

    fn checks_begin(&self) -> String {
        format!(
            "CREATE TEMP TABLE {CHECK} (\"table\" TEXT, holds INTEGER,\n  CONSTRAINT \"what was read from the source \
             did not all arrive\" CHECK (holds));\n"
        )
    }

    fn check_rows(&self, table: &TablePlan, rows: u64) -> String {
        format!(
            "INSERT OR ROLLBACK INTO temp.{CHECK} SELECT {}, count(*) = {rows} FROM main.{};\n",
            literal(&table.name),
            quote(&table.name)
        )
    }

    fn check_references(&self, plan: &Plan) -> String {
        let mut out = String::new();
        for table in &plan.tables {
            for key in &table.foreign_keys {
                let parent = format!("main.{} AS p", quote(&key.references));
                // Writing to a String cannot fail.
                let _ = writeln!(
                    out,
                    "INSERT OR ROLLBACK INTO temp.{CHECK} SELECT {}, NOT EXISTS (SELECT 1 FROM main.{} AS c WHERE {});",
                    literal(&table.name),
                    quote(&table.name),
                    without_parent(key, &parent, quote),
                );
            }
        }
        out
    }

    fn closing(&self) -> String {
        format!("DROP TABLE IF EXISTS temp.{CHECK};\nCOMMIT;\n")
    }
}

struct Rows<'a> {
    table: &'a TablePlan,
    affinities: Vec<Affinity>,
    inserts: Inserts,
    scratch: String,
}

impl RowText for Rows<'_> {
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let (table, affinities, scratch) = (self.table, &self.affinities, &mut self.scratch);
        let bytes = self.inserts.row(batch, row, out, |out| {
            let cells = batch.row(row).iter().zip(table.copied()).zip(affinities);
            for (at, ((cell, column), affinity)) in cells.enumerate() {
                out.push(if at == 0 { b'(' } else { b',' });
                let stored = cell::store(batch, *cell, &column.carries, *affinity, scratch)
                    .map_err(|why| write::unfit(table, &column.name, batch, row, why))?;
                put(stored, out);
            }
            out.push(b')');
            Ok(())
        })?;
        if bytes as u64 > LONGEST {
            return Err(dump::too_long(table, batch, row, bytes, LONGEST));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.inserts.end(out);
    }
}

/// A stored value as a literal.
fn put(stored: ValueRef<'_>, out: &mut Vec<u8>) {
    match stored {
        ValueRef::Null => out.extend_from_slice(b"NULL"),
        ValueRef::Integer(v) => out.extend_from_slice(v.to_string().as_bytes()),
        ValueRef::Real(v) => out.extend_from_slice(real(v).as_bytes()),
        ValueRef::Blob(bytes) => {
            out.extend_from_slice(b"x'");
            put_hex(bytes, out);
            out.push(b'\'');
        }
        ValueRef::Text(bytes) => put_text(bytes, out),
    }
}

/// A double in digits that every SQLite reads as the same double. Eighteen significant digits lie so near to it that
/// no rounding on the way matters, in contrast to the shortest ones, which may lie just beside the middle between two
/// doubles (SQLite before 3.43 reads through an 80-bit number). The tiniest are spelt as a quotient of integers by
/// powers of two, where every step is exact.
fn real(v: f64) -> String {
    if v.is_infinite() {
        return if v > 0.0 { "9e999" } else { "-9e999" }.into();
    }
    if v == 0.0 || v.abs() >= TINY {
        let digits = format!("{v:.17e}");
        let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
        let mantissa = mantissa.trim_end_matches('0');
        let zero = if mantissa.ends_with('.') { "0" } else { "" };
        return format!("{mantissa}{zero}e{exponent}");
    }
    let bits = v.to_bits();
    let exponent = i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    let mut halvings = 1075 - exponent.max(1);
    let mut out = format!("{}{mantissa}.0", if v < 0.0 { "-" } else { "" });
    while halvings > 0 {
        let step = halvings.min(62);
        // Writing to a String cannot fail.
        let _ = write!(out, "/{}", 1_u64 << step);
        halvings -= step;
    }
    out
}

fn put_text(bytes: &[u8], out: &mut Vec<u8>) {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => text,
        _ => {
            out.extend_from_slice(b"CAST(x'");
            put_hex(bytes, out);
            out.extend_from_slice(b"' AS TEXT)");
            return;
        }
    };
    if !bytes.iter().any(|b| matches!(b, b'\n' | b'\r')) {
        put_quoted(text, out);
        return;
    }
    // As the shell's own .dump does it: marks that the text does not hold, replaced when the statement runs.
    let (line, carriage) = (mark(text, "\\n"), mark(text, "\\r"));
    out.extend_from_slice(b"replace(replace(");
    put_quoted(&text.replace('\n', &line).replace('\r', &carriage), out);
    out.extend_from_slice(format!(",'{carriage}',char(13)),'{line}',char(10))").as_bytes());
}

/// A mark that the text does not hold. It begins with the only backslash in it, so no part of one can be taken for
/// the beginning of another.
fn mark(text: &str, first: &str) -> String {
    let mut mark = first.to_owned();
    for n in 0_u64.. {
        if !text.contains(&mark) {
            break;
        }
        mark = format!("{first}{n};");
    }
    mark
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn said(stored: ValueRef<'_>) -> String {
        let mut out = Vec::new();
        put(stored, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_literal_is_stored_as_the_value_itself() {
        let db = Connection::open_in_memory().unwrap();
        let tiny = [5e-324, 2.225_073_858_507_201e-308, 1.234_567_890_123_456_7e-300, 9.99e-291];
        let doubles =
            [0.1, 1.0 / 3.0, -2.5, 1e22, 1e23, 9_007_199_254_740_993.0, f64::MAX, f64::INFINITY, 1e-289];
        for v in tiny.into_iter().chain(doubles).flat_map(|v| [v, -v]) {
            let read: f64 =
                db.query_row(&format!("SELECT {}", said(ValueRef::Real(v))), [], |r| r.get(0)).unwrap();
            assert_eq!(read.to_bits(), v.to_bits(), "{v:e}");
        }
        for (v, digits) in [(-0.0, "-0.0e0"), (12.5, "1.25e1"), (0.1, "1.00000000000000006e-1")] {
            assert_eq!(said(ValueRef::Real(v)), digits);
        }
        for v in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            let literal = said(ValueRef::Integer(v));
            let read: i64 = db.query_row(&format!("SELECT {literal}"), [], |r| r.get(0)).unwrap();
            assert_eq!(read, v);
        }
        for bytes in [
            &b""[..],
            b"it's",
            b"a\nb\r\nc",
            b"\\n \n \\r \r \\n0; \\",
            b"\\\nn",
            b"nul\0end",
            b"\xff\xfe",
            "é😀\n".as_bytes(),
        ] {
            let sql = said(ValueRef::Text(bytes));
            assert!(!sql.contains(['\n', '\r', '\0']), "{sql}");
            let read = db.query_row(&format!("SELECT {sql}"), [], |r| Ok(r.get_ref(0)?.as_bytes()?.to_vec()));
            assert_eq!(read.unwrap(), bytes, "{sql}");
            let class: String = db.query_row(&format!("SELECT typeof({sql})"), [], |r| r.get(0)).unwrap();
            assert_eq!(class, "text");
        }
        assert_eq!(said(ValueRef::Blob(b"\x00\xff")), "x'00ff'");
        assert_eq!(said(ValueRef::Null), "NULL");
    }
}
