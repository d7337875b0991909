//! What is in a dump, table by table: rows and digest, from the text of its values. They are written as the server says them to
//! a reader, and so become the same cells. Nothing is held but one value at a time.

mod values;

use std::collections::BTreeMap;
use std::io::BufRead;

use self::values::{Form, Values, unreadable, until};
use super::decode::Decoder;
use super::native::NativeType;
use super::restore::text::{Reader, Statement, recognise};
use crate::engine::capability::{ReadColumn, ReadRequest};
use crate::model::batch::{Batch, Cell};
use crate::model::digest::Digest;
use crate::model::error::Result;
use crate::model::manifest::TableContent;
use crate::model::value::format_hex;

/// What the rows of a table begin with.
const INSERT: &[u8] = b"INSERT INTO `";

/// Bytes of a batch at which its rows are hashed.
const BATCH: usize = 64 << 10;

/// Rows of every table that a dump makes. Those of `requests` with their digest; `None` for one that holds a value which no
/// reader of the table takes. `None` of a dump that is not in UTF-8, where a routine in another character set may end anywhere.
pub(super) fn content(mut dump: impl BufRead, requests: &[ReadRequest]) -> Result<Option<Vec<TableContent>>> {
    let mut tables = Tables { found: BTreeMap::new(), requests };
    let (mut reader, mut line) = (Reader::default(), Vec::new());
    loop {
        line.clear();
        let starts = reader.is_between();
        until(&mut dump, if starts { b"`\n" } else { b"\n" }, &mut line)?;
        if line.is_empty() {
            break;
        }
        if starts && line == INSERT {
            let mut values = Values { from: &mut dump, value: Vec::new() };
            tables.fill(&mut values)?;
            continue;
        }
        if line.last() != Some(&b'\n') {
            until(&mut dump, b"\n", &mut line)?;
        }
        let Ok(text) = std::str::from_utf8(&line) else { return Ok(None) };
        if let Some(sql) = reader.line(text)
            && let Statement::Table { name, sql } = recognise(sql)
        {
            tables.make(name, &sql);
        }
    }
    if !reader.is_between() {
        return Err(unreadable("its last statement has no end"));
    }
    let made = tables.found.into_iter().filter(|(_, table)| !table.is_sequence);
    Ok(Some(made.map(|(name, table)| table.content(name)).collect()))
}

/// Names of the columns in a statement that makes a table: each stands on a line of its own.
fn columns(sql: &str) -> Vec<String> {
    sql.lines().filter_map(|line| name(line.trim_start().strip_prefix('`')?)).collect()
}

/// Whether a table that this statement makes has, when it is restored, the rows whose digest can be told. The server sets the
/// times of rows anew, and a column that came after the database was looked at is not asked for.
fn tells_rows(sql: &str, request: &ReadRequest) -> bool {
    let kept = sql.lines().filter(|line| !line.contains(" GENERATED ALWAYS AS ("));
    let mut names = kept.filter_map(|line| name(line.trim_start().strip_prefix('`')?));
    !sql.contains(" GENERATED ALWAYS AS ROW START")
        && names.all(|name| request.columns.iter().any(|column| column.name == name))
}

/// What stands before the backtick that ends a name.
fn name(text: &str) -> Option<String> {
    let mut parts = text.split('`').peekable();
    let mut name = parts.next()?.to_owned();
    // A doubled one leaves nothing in between.
    while parts.next_if(|part| part.is_empty()).is_some()
        && let Some(part) = parts.next()
    {
        name.push('`');
        name.push_str(part);
    }
    Some(name)
}

/// The tables of a dump as far as it was read.
struct Tables<'a> {
    found: BTreeMap<String, Made<'a>>,
    requests: &'a [ReadRequest],
}

/// A table that the dump has made.
struct Made<'a> {
    /// Its columns, all of them, in order.
    columns: Vec<String>,
    rows: u64,
    hashed: Option<Hashed<'a>>,
    /// Whether it is a sequence, which `mariadb-dump` wrote as a table until 10.3.29.
    is_sequence: bool,
}

/// The digest of a table, as far as it goes.
struct Hashed<'a> {
    request: &'a ReadRequest,
    decoders: Vec<Decoder>,
    batch: Batch,
    digest: Digest,
    scratch: Vec<u8>,
}

impl<'a> Hashed<'a> {
    fn of(request: &'a ReadRequest) -> Option<Self> {
        let decoders = request.columns.iter().map(Decoder::of).collect::<Option<Vec<_>>>()?;
        let batch = Batch::new(request.shape());
        Some(Self { request, decoders, batch, digest: Digest::default(), scratch: Vec::new() })
    }

    /// Where each column of the request stands among those of the dump.
    fn places(&self, columns: &[String]) -> Result<Vec<usize>> {
        let place = |wanted: &ReadColumn| {
            columns.iter().position(|name| *name == wanted.name).ok_or_else(|| {
                let table = &self.request.table;
                unreadable(&format!("table \"{table}\" has no column \"{}\"", wanted.name))
            })
        };
        self.request.columns.iter().map(place).collect()
    }

    fn settle(&mut self) {
        self.digest.add_batch(&self.batch, &mut self.scratch);
        self.batch.clear();
    }
}

impl Made<'_> {
    fn content(self, name: String) -> TableContent {
        let digest = self.hashed.map(|mut hashed| {
            hashed.settle();
            hashed.digest
        });
        TableContent { name, rows: self.rows, digest }
    }
}

impl Tables<'_> {
    fn make(&mut self, name: String, sql: &str) {
        let request = self.requests.iter().find(|request| request.table == name);
        let options = sql.lines().last().unwrap_or_default();
        let is_sequence = options.split(" COMMENT=").next().is_some_and(|o| o.contains(" SEQUENCE=1"));
        let hashed = request.filter(|request| tells_rows(sql, request)).and_then(Hashed::of);
        let made = Made { columns: columns(sql), rows: 0, hashed, is_sequence };
        self.found.insert(name, made);
    }

    /// Takes one INSERT whose name comes next.
    fn fill(&mut self, values: &mut Values<'_, impl BufRead>) -> Result<()> {
        let name = values.name()?;
        let table = self
            .found
            .get_mut(&name)
            .ok_or_else(|| unreadable(&format!("there are rows of \"{name}\" before the table is made")))?;
        let listed = values.columns()?;
        let columns = listed.as_ref().unwrap_or(&table.columns);
        let places = table.hashed.as_ref().map(|hashed| hashed.places(columns)).transpose()?;
        // Cells come in the order of the request, values in that of the dump.
        let mut wanted: Vec<Option<usize>> = vec![None; columns.len()];
        for (cell, place) in places.unwrap_or_default().into_iter().enumerate() {
            wanted[place] = Some(cell);
        }
        let in_order = wanted.iter().flatten().is_sorted();
        let mut row: Vec<Option<(Form, Vec<u8>)>> = Vec::new();
        loop {
            values.sign(b'(')?;
            let (mut at, mut fits) = (0, true);
            row.clear();
            row.resize(wanted.len(), None);
            loop {
                let form = values.value()?;
                let cell = *wanted.get(at).ok_or_else(|| {
                    unreadable(&format!("a row of table \"{name}\" has more values than it has columns"))
                })?;
                if let (Some(cell), Some(hashed)) = (cell, &mut table.hashed) {
                    if in_order {
                        fits &= hashed.push(cell, form, &values.value);
                    } else {
                        row[cell] = Some((form, values.value.clone()));
                    }
                }
                at += 1;
                if values.either(b',', b')')? == b')' {
                    break;
                }
            }
            if at != wanted.len() {
                return Err(unreadable(&format!("a row of table \"{name}\" has {at} values")));
            }
            if let Some(hashed) = &mut table.hashed {
                for (cell, value) in row.iter().enumerate() {
                    if let Some((form, value)) = value {
                        fits &= hashed.push(cell, *form, value);
                    }
                }
                if hashed.batch.byte_size() >= BATCH {
                    hashed.settle();
                }
            }
            // A value that is not of its column's type is no reason to make no backup of it.
            if !fits {
                table.hashed = None;
            }
            table.rows += 1;
            if values.either(b',', b';')? == b';' {
                return Ok(());
            }
        }
    }
}

impl Hashed<'_> {
    /// Appends a cell; `false` if it is no value of its column.
    fn push(&mut self, cell: usize, form: Form, value: &[u8]) -> bool {
        let (column, decoder) = (&self.request.columns[cell], self.decoders[cell]);
        match form {
            Form::Null => {
                self.batch.push(Cell::Null);
                true
            }
            // Readers ask for it in digits.
            Form::Hex
                if decoder == Decoder::Text && NativeType::parse(&column.native_type).base == "vector" =>
            {
                self.batch.push_text(&format_hex(value));
                true
            }
            Form::Hex | Form::Quoted | Form::Bare => decoder.push(column, value, &mut self.batch),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::model::error::ErrorKind;
    use crate::model::schema::DataType;

    fn request(columns: &[(&str, DataType, &str)]) -> ReadRequest {
        let column = |(name, carries, native): &(&str, DataType, &str)| ReadColumn {
            name: (*name).into(),
            native_type: (*native).into(),
            carries: carries.clone(),
            epoch: None,
        };
        ReadRequest::all("t`1", columns.iter().map(column).collect())
    }

    fn digest(fill: impl Fn(&mut Batch), request: &ReadRequest) -> Digest {
        let mut batch = Batch::new(request.shape());
        fill(&mut batch);
        let mut digest = Digest::default();
        digest.add_batch(&batch, &mut Vec::new());
        digest
    }

    const MAKE: &str = "CREATE TABLE `t``1` (\n  `n` int(11) NOT NULL,\n  `s` text,\n  `b` blob\n) COMMENT='\\n  `no` int';\n";

    #[test]
    fn values_are_read_as_the_server_says_them() {
        let int = ("n", DataType::INT32, "int(11)");
        let all = request(&[int.clone(), ("s", DataType::TEXT, "text"), ("b", DataType::BYTES, "blob")]);
        let should = digest(
            |batch| {
                batch.push(Cell::Int(-1));
                batch.push_text("it's (a), ;\\\n\0\u{1a}\"é");
                batch.push_bytes(b"\x00\xff");
                batch.push(Cell::Int(2));
                batch.push(Cell::Null);
                batch.push_bytes(b"");
                batch.push(Cell::Int(3));
                batch.push_text("NULL");
                batch.push_bytes(b"x'");
            },
            &all,
        );
        let rows = "(-1,'it\\'s (a), ;\\\\\\n\\0\\Z\\\"é',0x00fF),\n(2,NULL,''),(3,'NULL',_binary 'x''');\n";
        for end in ["", "-- Dump completed\n"] {
            let dump = format!("{MAKE}INSERT INTO `t``1` VALUES\n{rows}{end}");
            for buffer in [1, 7, 1 << 16] {
                let read = io::BufReader::with_capacity(buffer, dump.as_bytes());
                let found = content(read, std::slice::from_ref(&all)).unwrap().unwrap();
                assert_eq!(found, [TableContent { name: "t`1".into(), rows: 3, digest: Some(should) }]);
            }
        }
        // By names, in another order, and without one that the server computes.
        let computed = MAKE.replace("`s` text", "`s` text GENERATED ALWAYS AS (`n`) VIRTUAL");
        let named = "INSERT INTO `t``1` (`b`, `n`) VALUES (0xAA,7);\n";
        let some = request(&[int, ("b", DataType::BYTES, "blob")]);
        let should = digest(
            |batch| {
                batch.push(Cell::Int(7));
                batch.push_bytes(b"\xaa");
            },
            &some,
        );
        let found =
            content(format!("{computed}{named}").as_bytes(), std::slice::from_ref(&some)).unwrap().unwrap();
        assert_eq!(found[0].digest, Some(should));
        // A column that nobody asked for, and times that the server sets anew.
        let versioned =
            computed.replace("`b` blob", "`b` blob,\n  `f` timestamp(6) GENERATED ALWAYS AS ROW START");
        for make in [MAKE, &versioned] {
            let found =
                content(format!("{make}{named}").as_bytes(), std::slice::from_ref(&some)).unwrap().unwrap();
            assert_eq!(found, [TableContent { name: "t`1".into(), rows: 1, digest: None }], "{make}");
        }
        // Nobody says what its columns are.
        let found = content(format!("{MAKE}{named}").as_bytes(), &[]).unwrap().unwrap();
        assert_eq!(found, [TableContent { name: "t`1".into(), rows: 1, digest: None }]);
    }

    #[test]
    fn a_value_that_no_reader_takes_leaves_the_number_of_rows() {
        let dates = ReadRequest::all(
            "t`1",
            vec![ReadColumn {
                name: "d".into(),
                native_type: "date".into(),
                carries: DataType::Date,
                epoch: None,
            }],
        );
        let dump = "CREATE TABLE `t``1` (\n  `d` date\n);\nINSERT INTO `t``1` VALUES ('2026-01-01'),('0000-00-00');\n";
        let found = content(dump.as_bytes(), &[dates]).unwrap().unwrap();
        assert_eq!(found, [TableContent { name: "t`1".into(), rows: 2, digest: None }]);
    }

    #[test]
    fn a_sequence_is_no_table() {
        let make = |options: &str| format!("CREATE TABLE `s` (\n  `n` int\n) ENGINE=InnoDB{options};\n");
        let tables = |options: &str| {
            let dump = format!("{}INSERT INTO `s` VALUES (7);\n", make(options));
            content(dump.as_bytes(), &[]).unwrap().unwrap().len()
        };
        assert_eq!(tables(" SEQUENCE=1"), 0);
        assert_eq!(tables(" COMMENT='no SEQUENCE=1'"), 1);
    }

    #[test]
    fn a_dump_in_another_character_set_tells_nothing() {
        let dump = [MAKE.as_bytes(), b"CREATE FUNCTION `f`() RETURNS int\nRETURN '\xe4';\n"].concat();
        assert_eq!(content(dump.as_slice(), &[]).unwrap(), None);
    }

    #[test]
    fn what_is_no_dump_is_told() {
        let three = [
            ("n", DataType::INT32, "int(11)"),
            ("s", DataType::TEXT, "text"),
            ("b", DataType::BYTES, "blob"),
        ];
        let made = request(&three);
        let all = request(&[&three[..], &[("gone", DataType::TEXT, "text")]].concat());
        for (rows, request) in [
            ("INSERT INTO `t``1` VALUES (1,'a',NULL);\n", &all),
            ("INSERT INTO `t``1` VALUES (1,'a');\n", &made),
            ("INSERT INTO `t``1` VALUES (1,'a',NULL,4);\n", &made),
            ("INSERT INTO `t``1` VALUES (1,'a',0x0);\n", &made),
            ("INSERT INTO `t``1` VALUES (1,'a',0xzz);\n", &made),
            ("INSERT INTO `t``1` VALUES (1,'a", &made),
            ("INSERT INTO `t``1` SELECT 1;\n", &made),
            ("INSERT INTO `other` VALUES (1);\n", &made),
            ("CREATE VIEW `v` AS\nSELECT 1\n", &made),
        ] {
            let found = content(format!("{MAKE}{rows}").as_bytes(), std::slice::from_ref(request));
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Verify, "{rows}");
        }
    }
}
