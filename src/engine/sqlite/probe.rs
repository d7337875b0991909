//! What a CHECK makes of rows that are in no table, asked of a database in memory: the same library decides there.

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::ddl::{SqliteRules, quote};
use super::file::failure;
use super::{cell, types};
use crate::engine::capability::{Naming, Probe, Rules as _, Verdict};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::ColumnPlan;

/// Answers for every row. The file is not opened for it.
pub(super) fn verdicts(probe: &Probe) -> Result<Vec<Verdict>> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Read, "cannot try a check", &e);
    let Some(table) = probe.plan.tables.first() else { return Ok(Vec::new()) };
    let connection = Connection::open_in_memory().map_err(failed)?;
    for statement in SqliteRules.script(&probe.plan, &Naming::default()).before {
        connection.execute_batch(&statement.sql).map_err(failed)?;
    }
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
