//! The floor of `make bench` towards SQLite: rows from memory through one prepared INSERT a table, in one transaction
//! without a journal, then the indexes. `ready` writes the file whose content `load` takes into memory.
//!
//!     floor ready SOURCE.db READY
//!     floor load READY TARGET.db
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{BufWriter, Write};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

/// What is no table's row: the statement that makes the table (its rows follow), and one that comes after all rows.
const TABLE: u8 = b'T';
const INDEX: u8 = b'I';
const ROW: u8 = b'R';

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["ready", source, ready] => write(source, ready),
        ["load", ready, target] => load(&fs::read(ready).unwrap(), target),
        _ => panic!("floor ready SOURCE.db READY, or floor load READY TARGET.db"),
    }
}

fn write(source: &str, ready: &str) {
    let source = Connection::open(source).unwrap();
    let mut to = BufWriter::new(fs::File::create(ready).unwrap());
    let texts = |kind: &str| -> Vec<(String, String)> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = ?1 AND sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' \
                   ESCAPE '\\' ORDER BY rowid";
        let mut statement = source.prepare(sql).unwrap();
        let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    for (name, sql) in texts("table") {
        let mut statement = source.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = statement.column_count();
        let insert = format!("INSERT INTO \"{name}\" VALUES ({})", vec!["?"; columns].join(", "));
        to.write_all(&[TABLE]).unwrap();
        put(&mut to, ValueRef::Text(sql.as_bytes()));
        put(&mut to, ValueRef::Text(insert.as_bytes()));
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            to.write_all(&[ROW]).unwrap();
            (0..columns).for_each(|at| put(&mut to, row.get_ref(at).unwrap()));
        }
    }
    for (_, sql) in texts("index") {
        to.write_all(&[INDEX]).unwrap();
        put(&mut to, ValueRef::Text(sql.as_bytes()));
    }
    to.flush().unwrap();
}

/// A tag, then eight bytes: the number, or the length of what follows.
fn put(to: &mut impl Write, value: ValueRef<'_>) {
    let (tag, head, body): (u8, [u8; 8], &[u8]) = match value {
        ValueRef::Null => (b'0', [0; 8], &[]),
        ValueRef::Integer(number) => (b'i', number.to_le_bytes(), &[]),
        ValueRef::Real(number) => (b'f', number.to_le_bytes(), &[]),
        ValueRef::Text(text) => (b't', (text.len() as u64).to_le_bytes(), text),
        ValueRef::Blob(bytes) => (b'x', (bytes.len() as u64).to_le_bytes(), bytes),
    };
    for part in [&[tag], &head[..], body] {
        to.write_all(part).unwrap();
    }
}

fn take<'a>(from: &mut &'a [u8]) -> ValueRef<'a> {
    let (tag, rest) = from.split_first().unwrap();
    let (head, rest) = rest.split_first_chunk().unwrap();
    *from = rest;
    let mut body = || {
        let (body, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*head)).unwrap());
        *from = rest;
        body
    };
    match tag {
        b'0' => ValueRef::Null,
        b'i' => ValueRef::Integer(i64::from_le_bytes(*head)),
        b'f' => ValueRef::Real(f64::from_le_bytes(*head)),
        b't' => ValueRef::Text(body()),
        _ => ValueRef::Blob(body()),
    }
}

struct Bound<'a>(ValueRef<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

fn load(mut ready: &[u8], target: &str) {
    let target = Connection::open(target).unwrap();
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN").unwrap();
    let mut insert = None;
    while let Some((tag, rest)) = ready.split_first() {
        ready = rest;
        match *tag {
            TABLE => {
                target.execute_batch(take(&mut ready).as_str().unwrap()).unwrap();
                insert = Some(target.prepare(take(&mut ready).as_str().unwrap()).unwrap());
            }
            INDEX => target.execute_batch(take(&mut ready).as_str().unwrap()).unwrap(),
            _ => {
                let insert = insert.as_mut().unwrap();
                for at in 1..=insert.parameter_count() {
                    insert.raw_bind_parameter(at, Bound(take(&mut ready))).unwrap();
                }
                insert.raw_execute().unwrap();
            }
        }
    }
    target.execute_batch("COMMIT").unwrap();
}
