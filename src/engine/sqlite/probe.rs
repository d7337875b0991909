//! What a CHECK makes of rows that are in no table, and what a DEFAULT gives, asked of a database in memory: the same
//! library decides there.

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::ddl::{SqliteRules, quote};
use super::file::failure;
use super::{cell, types};
use crate::engine::capability::{Defaults, Naming, Probe, Rules as _, Stored, Verdict};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ColumnPlan, Plan};
use crate::model::schema::DataType;

/// Answers for every row. The file is not opened for it.
pub(super) fn verdicts(probe: &Probe) -> Result<Vec<Verdict>> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Read, "cannot try a check", &e);
    let Some(table) = probe.plan.tables.first() else { return Ok(Vec::new()) };
    let connection = made(&probe.plan).map_err(failed)?;
    let (name, values) = (quote(&table.name), vec!["?"; table.columns.len()].join(", "));
    let mut insert = connection.prepare(&format!("INSERT INTO {name} VALUES ({values})")).map_err(failed)?;
    let mut empty = connection.prepare(&format!("DELETE FROM {name}")).map_err(failed)?;
    // What SQLite does not take as a condition it takes no row for.
    let asked = connection.prepare(&format!("SELECT ({}) IS NOT FALSE FROM {name}", probe.condition));
    let Ok(mut ask) = asked else { return Ok(vec![Verdict::Refused; probe.rows.rows()]) };
    let (mut verdicts, mut scratch) = (Vec::with_capacity(probe.rows.rows()), String::new());
    for row in 0..probe.rows.rows() {
        let mut stored = true;
        for (at, column) in table.columns.iter().enumerate() {
            stored = stored && bind(&mut insert, at + 1, column, probe, row, &mut scratch).map_err(failed)?;
        }
        verdicts.push(if stored && insert.raw_execute().is_ok() {
            match ask.query_row([], |row| row.get(0)) {
                Ok(true) => Verdict::Admitted,
                Err(e) if e.to_string().contains("integer overflow") => Verdict::Unheld,
                Ok(false) | Err(_) => Verdict::Refused,
            }
        } else {
            Verdict::Unheld
        });
        empty.execute([]).map_err(failed)?;
    }
    Ok(verdicts)
}

/// What the columns would hold. The file is not opened for it.
pub(super) fn stored(defaults: &Defaults) -> Result<Vec<Stored>> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Read, "cannot try a default", &e);
    let Some(table) = defaults.plan.tables.first() else { return Ok(Vec::new()) };
    let connection = made(&defaults.plan).map_err(failed)?;
    let name = quote(&table.name);
    let mut stored = Vec::with_capacity(table.columns.len());
    for (column, expression) in table.columns.iter().zip(&defaults.expressions) {
        let own = quote(&column.name);
        connection.execute(&format!("DELETE FROM {name}"), []).map_err(failed)?;
        if connection.execute(&format!("INSERT INTO {name} ({own}) SELECT ({expression})"), []).is_err() {
            stored.push(Stored::Refused);
            continue;
        }
        // A double needs 17 digits; of a decimal those count that SQLite shows.
        let float = matches!(column.carries, DataType::Float32 | DataType::Float64);
        let real = if float { format!("printf('%!.17g', {own})") } else { format!("CAST({own} AS TEXT)") };
        let shown = format!(
            "SELECT CASE typeof({own}) WHEN 'blob' THEN hex({own}) WHEN 'real' THEN {real} ELSE CAST({own} AS TEXT) END \
             FROM {name}"
        );
        let value: Option<String> = connection.query_row(&shown, [], |row| row.get(0)).map_err(failed)?;
        stored.push(value.map_or(Stored::Null, Stored::Text));
    }
    Ok(stored)
}

/// A database in memory with the table of a plan.
fn made(plan: &Plan) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    for statement in SqliteRules.script(plan, &Naming::default()).before {
        connection.execute_batch(&statement.sql)?;
    }
    Ok(connection)
}

/// Binds a cell as it is written to tables; `false` if SQLite has no such value.
fn bind(
    statement: &mut rusqlite::Statement<'_>,
    parameter: usize,
    column: &ColumnPlan,
    probe: &Probe,
    row: usize,
    scratch: &mut String,
) -> rusqlite::Result<bool> {
    let affinity = types::affinity(&column.native_type);
    let cell = probe.rows.row(row)[parameter - 1];
    let Ok(stored) = cell::store(&probe.rows, cell, &column.carries, affinity, scratch) else {
        return Ok(false);
    };
    statement.raw_bind_parameter(parameter, Bound(stored))?;
    Ok(true)
}

struct Bound<'a>(ValueRef<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}
