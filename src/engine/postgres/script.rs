//! A migration as a script for `psql`: one transaction, rows as blocks of `COPY … FROM stdin`, in the text that the
//! server's own input functions read. Pure.

use super::ddl::{do_block, literal};
use super::encode::{Encoder, encoder, fits, put_text};
use super::read::value_error;
use super::types::quote;
use crate::engine::dump::{self, DumpDialect, RowText};
use crate::model::batch::Batch;
use crate::model::error::Result;
use crate::model::plan::TablePlan;

/// Longest line of COPY: the server collects it in a buffer of at most 1 GiB.
const LONGEST: u64 = (1 << 30) - 64 * 1024;

/// Fractional digits of `money` under `lc_monetary = C`.
const MONEY_DIGITS: usize = 2;

/// Settings that hold until the end of the transaction, whatever those of the role or database are. `psql` hears of
/// the first two from the server and reads the rest of the script by them.
const SETTINGS: &[&str] = &[
    "client_encoding = 'UTF8'",
    "standard_conforming_strings = on",
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO, YMD'",
    "IntervalStyle = 'iso_8601'",
    "lc_monetary = 'C'",
    "xmloption = content",
    "row_security = off",
    "statement_timeout = 0",
    "lock_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
    "client_min_messages = warning",
];

/// PostgreSQL as text.
pub(super) struct PostgresDump;

impl DumpDialect for PostgresDump {
    fn opening(&self) -> String {
        let settings = SETTINGS.iter().map(|s| format!("SET LOCAL {s};\n"));
        // Without the first line psql would go on after an error, roll back at the end, and call that success.
        std::iter::once("\\set ON_ERROR_STOP on\nBEGIN;\n".to_owned()).chain(settings).collect()
    }

    fn rows<'a>(&self, table: &'a TablePlan) -> Result<Box<dyn RowText + 'a>> {
        let encoders = table.copied().map(|c| encoder(c, MONEY_DIGITS)).collect();
        Ok(Box::new(Rows { table, encoders }))
    }

    fn check_rows(&self, table: &TablePlan, rows: u64) -> String {
        let name = quote(&table.name);
        let (before, after) =
            (format!("techcare-db: table {name} has "), format!(" rows, and {rows} were read"));
        let said = format!("{} || n || {}", literal(&before), literal(&after));
        let body = format!(
            "DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM ONLY {name}; IF n <> {rows} THEN RAISE EXCEPTION '%', \
             {said}; END IF; END"
        );
        format!("{};\n", do_block(&body))
    }

    fn closing(&self) -> String {
        "COMMIT;\n".into()
    }
}

struct Rows<'a> {
    table: &'a TablePlan,
    encoders: Vec<Encoder>,
}

impl RowText for Rows<'_> {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let names: Vec<String> = self.table.copied().map(|c| quote(&c.name)).collect();
        let (table, names) = (quote(&self.table.name), names.join(", "));
        out.extend_from_slice(format!("COPY {table} ({names}) FROM stdin;\n").as_bytes());
    }

    fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let before = out.len();
        for (at, cell) in batch.row(row).iter().enumerate() {
            if at > 0 {
                out.push(b'\t');
            }
            let encoder = self.encoders[at];
            let done = fits(encoder, *cell, batch).and_then(|()| put_text(encoder, *cell, batch, out));
            if let Err(reason) = done {
                let column = self.table.copied().nth(at).map_or("?", |c| c.name.as_str());
                return Err(value_error(&self.table.name, column, batch.key_of(row).as_deref(), reason));
            }
        }
        out.push(b'\n');
        let bytes = out.len() - before;
        if bytes as u64 > LONGEST {
            return Err(dump::too_long(self.table, batch, row, bytes, LONGEST));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\\.\n");
    }
}
