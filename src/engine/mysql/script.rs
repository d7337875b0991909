//! A migration as a script for the `mysql` and `mariadb` client programs. No literal holds a backslash, a carriage
//! return or a NUL, so none is read otherwise under another `sql_mode` or by the client itself. Pure.
//!
//! MySQL and MariaDB have no transaction around statements that make tables, and no procedural statement outside of
//! a routine: checks prepare a statement that exists, or one that names a column after what is wrong.

use super::bind::Encoder;
use super::types::{literal, quote};
use super::{ddl, write};
use crate::engine::capability::Naming;
use crate::engine::dump::{self, DumpDialect, Inserts, RowText};
use crate::model::batch::Batch;
use crate::model::endpoint::Flavour;
use crate::model::error::{Error, Result};
use crate::model::plan::{Plan, TablePlan};

/// Bytes of one INSERT: far below any server's default of `max_allowed_packet`.
const STATEMENT_BYTES: usize = 1024 * 1024;

/// Largest `max_allowed_packet` that there is, less what a statement holds beside its row.
const LONGEST: u64 = (1 << 30) - 64 * 1024;

/// Bytes of rows after which what was inserted is committed, so that the server's undo log stays small.
const COMMIT_BYTES: usize = 32 * 1024 * 1024;

/// Session settings that are put back at the end.
const KEPT: [&str; 5] = ["sql_mode", "time_zone", "foreign_key_checks", "unique_checks", "autocommit"];

/// MySQL or MariaDB as text.
pub struct MysqlDump {
    flavour: Flavour,
}

impl MysqlDump {
    /// For one of the two; a script for one is refused by the other, because their collations, UUIDs and JSON differ.
    pub fn new(flavour: Flavour) -> Self {
        Self { flavour }
    }
}

impl DumpDialect for MysqlDump {
    fn opening(&self) -> String {
        let keep = KEPT.map(|name| format!("@techcare_db_{name} = @@SESSION.{name}")).join(", ");
        let (is_right, wrong, more) = match self.flavour {
            Flavour::Mariadb => (
                "VERSION() LIKE '%MariaDB%'",
                "made for MariaDB; dump again with --target mysql",
                "/*M!100804 SET SESSION explicit_defaults_for_timestamp = 1 */;\n\
                 SET SESSION innodb_strict_mode = 0;\n",
            ),
            _ => ("VERSION() NOT LIKE '%MariaDB%'", "made for MySQL; dump again with --target mariadb", ""),
        };
        format!(
            "SET {keep};\n\
             SET NAMES utf8mb4;\n\
             SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,\
             NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 1, autocommit = 1;\n\
             {}{more}",
            check(&format!("SELECT {is_right}"), &literal(wrong))
        )
    }

    fn rows<'a>(&self, table: &'a TablePlan) -> Result<Box<dyn RowText + 'a>> {
        let mut encoders = Vec::new();
        for column in table.copied() {
            encoders.push(Encoder::of(column).ok_or_else(|| {
                Error::internal(format!("column \"{}\" of table \"{}\" has no type", column.name, table.name))
            })?);
        }
        let names: Vec<String> = table.copied().map(|c| quote(&c.name)).collect();
        let head = format!("INSERT INTO {} ({}) VALUES", quote(&table.name), names.join(", "));
        Ok(Box::new(Rows { table, encoders, inserts: Inserts::new(head, STATEMENT_BYTES), uncommitted: 0 }))
    }

    fn check_rows(&self, table: &TablePlan, rows: u64) -> String {
        let table = &table.name;
        check(
            &format!("SELECT COUNT(*) = {rows} FROM {}", quote(table)),
            &literal(&format!("not {rows} rows, as were read from the source, in table {table}")),
        )
    }

    fn check_references(&self, plan: &Plan) -> String {
        let mut out = String::new();
        for table in &plan.tables {
            for key in &table.foreign_keys {
                let (count, _) = ddl::orphans(plan, table, key, &Naming::default());
                let count = count.replacen("SELECT COUNT(*)", "SELECT COUNT(*) = 0", 1);
                let name = key.name.as_deref().unwrap_or("without a name");
                let wrong = format!("rows without a parent under foreign key {name} in table {}", table.name);
                out.push_str(&check(&count, &literal(&wrong)));
            }
        }
        out
    }

    fn closing(&self) -> String {
        let restore = KEPT.map(|name| format!("{name} = @techcare_db_{name}")).join(", ");
        format!("SET SESSION {restore};\n")
    }
}

/// Statements that fail unless the query's one value is true. The error says what is wrong as the name of a column;
/// names end after 64 characters, and a longer one is told in full as well, as a name that is too long.
fn check(query: &str, wrong: &str) -> String {
    format!(
        "SET @techcare_db_check = IF(({query}), 'DO 0', CONCAT('SELECT `techcare-db: ', REPLACE({wrong}, '`', '``'), \
         '`'));\nPREPARE techcare_db_check FROM @techcare_db_check;\nEXECUTE techcare_db_check;\n\
         DEALLOCATE PREPARE techcare_db_check;\n"
    )
}

struct Rows<'a> {
    table: &'a TablePlan,
    encoders: Vec<Encoder>,
    inserts: Inserts,
    uncommitted: usize,
}

impl Rows<'_> {
    fn mode(&self, change: &str, out: &mut Vec<u8>) {
        if write::has_own_enum(self.table) {
            out.extend_from_slice(change.as_bytes());
            out.extend_from_slice(b";\n");
        }
    }
}

impl RowText for Rows<'_> {
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.mode(write::LENIENT, out);
        out.extend_from_slice(b"START TRANSACTION;\n");
    }

    fn row(&mut self, batch: &Batch, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.uncommitted > COMMIT_BYTES {
            self.inserts.end(out);
            out.extend_from_slice(b"COMMIT;\nSTART TRANSACTION;\n");
            self.uncommitted = 0;
        }
        let encoders = &self.encoders;
        let bytes = self.inserts.row(batch, row, out, |out| {
            for (at, (cell, encoder)) in batch.row(row).iter().zip(encoders).enumerate() {
                out.push(if at == 0 { b'(' } else { b',' });
                let parameter =
                    encoder.bind(batch, *cell).map_err(|why| write::refused(batch, row, at, why))?;
                parameter.put_literal(out);
            }
            out.push(b')');
            Ok(())
        })?;
        self.uncommitted += bytes;
        if bytes as u64 > LONGEST {
            return Err(dump::too_long(self.table, batch, row, bytes, LONGEST));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.inserts.end(out);
        out.extend_from_slice(b"COMMIT;\n");
        self.mode(write::STRICT, out);
    }
}
