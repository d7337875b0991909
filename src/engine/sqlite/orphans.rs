//! Rows whose parent is missing, by SQLite's own `foreign_key_check`, which it never runs by itself.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::ddl::{column_list, quote};
use super::read::Key;
use crate::engine::capability::Orphans;
use crate::model::plan::{ForeignKeyPlan, Plan, TablePlan};

/// Keys that are named.
const KEYS: usize = 5;

/// Looks at every foreign key of the plan.
pub fn find(connection: &Connection, plan: &Plan) -> rusqlite::Result<Vec<Orphans>> {
    let mut found = Vec::new();
    for table in plan.tables.iter().filter(|t| !t.foreign_keys.is_empty()) {
        match checked(connection, &table.name) {
            Ok(astray) => {
                let orphans = astray.into_iter().map(|astray| named(connection, table.into(), &astray));
                let orphans = orphans.collect::<rusqlite::Result<Vec<_>>>()?;
                let of_plan = |found: &Orphans| {
                    table.foreign_keys.iter().any(|key| is_over(key, &found.columns, &found.references))
                };
                found.extend(orphans.into_iter().filter(of_plan));
                let declared = declared(connection, table)?;
                let is_declared = |key: &&ForeignKeyPlan| {
                    declared.iter().any(|(columns, parent)| is_over(key, columns, parent))
                };
                // The target's own.
                let others = table.foreign_keys.iter().filter(|key| !is_declared(key));
                found.extend(compared(connection, table, others)?);
            }
            // The check gives up on a key whose parent columns are not unique, or not there.
            Err(_) => found.extend(compared(connection, table, table.foreign_keys.iter())?),
        }
    }
    Ok(found)
}

/// Whether a key is that over these columns, in whatever order the plan has them.
fn is_over(key: &ForeignKeyPlan, columns: &[String], parent: &str) -> bool {
    let same = |column: &String| columns.iter().any(|c| c.eq_ignore_ascii_case(column));
    key.columns.len() == columns.len()
        && key.columns.iter().all(same)
        && parent.eq_ignore_ascii_case(&key.references)
}

/// A table with the columns by which its rows are named.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// Its name.
    pub table: &'a str,
    /// The columns.
    pub key: &'a [String],
}

impl<'a> From<&'a TablePlan> for Named<'a> {
    fn from(table: &'a TablePlan) -> Self {
        Self { table: &table.name, key: &table.key }
    }
}

/// Rows of a table without a parent, of one foreign key.
#[derive(Default)]
pub struct Astray {
    /// Number of the key, as `foreign_key_list` has it.
    pub key: i64,
    /// Table that it refers to.
    pub parent: String,
    /// The rows.
    pub rowids: Vec<i64>,
    /// So many more, of a table without rowids.
    pub others: u64,
}

impl Astray {
    /// How many there are.
    pub fn rows(&self) -> u64 {
        self.rowids.len() as u64 + self.others
    }
}

/// By the check, which numbers keys as `foreign_key_list` does.
pub fn checked(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Astray>> {
    let mut by_key: BTreeMap<i64, Astray> = BTreeMap::new();
    let mut statement =
        connection.prepare("SELECT rowid, fkid, \"parent\" FROM pragma_foreign_key_check(?1)")?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let key = row.get(1)?;
        let astray = by_key.entry(key).or_default();
        if astray.rows() == 0 {
            (astray.key, astray.parent) = (key, row.get(2)?);
        }
        match row.get(0)? {
            Some(rowid) => astray.rowids.push(rowid),
            None => astray.others += 1,
        }
    }
    Ok(by_key.into_values().collect())
}

/// What is told of them.
pub fn named(connection: &Connection, table: Named<'_>, astray: &Astray) -> rusqlite::Result<Orphans> {
    let (columns, references) = key_numbered(connection, table.table, astray.key)?;
    let rows = astray.rows();
    let examples = astray.rowids.iter().take(KEYS).map(|rowid| name_row(connection, table, *rowid));
    let keys = examples.collect::<rusqlite::Result<_>>()?;
    Ok(Orphans { table: table.table.to_owned(), columns, references, rows, keys })
}

/// Columns and parent of every foreign key that a table declares.
fn declared(connection: &Connection, table: &TablePlan) -> rusqlite::Result<Vec<(Vec<String>, String)>> {
    let mut statement = connection.prepare("SELECT DISTINCT id FROM pragma_foreign_key_list(?1)")?;
    let ids: Vec<i64> =
        statement.query_map([&table.name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    ids.into_iter().map(|id| key_numbered(connection, &table.name, id)).collect()
}

/// Columns and parent of a foreign key.
fn key_numbered(connection: &Connection, table: &str, id: i64) -> rusqlite::Result<(Vec<String>, String)> {
    let mut statement = connection
        .prepare("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq")?;
    let lines = statement.query_map((table, id), |r| Ok((r.get(0)?, r.get(1)?)))?;
    let lines: Vec<(String, String)> = lines.collect::<rusqlite::Result<_>>()?;
    let parent = lines.first().map(|(_, parent)| parent.clone()).unwrap_or_default();
    Ok((lines.into_iter().map(|(column, _)| column).collect(), parent))
}

fn name_row(connection: &Connection, table: Named<'_>, rowid: i64) -> rusqlite::Result<String> {
    let (key, columns) = key_of(connection, table);
    let sql = format!("SELECT {columns} FROM main.{} AS t WHERE t._rowid_ = ?1", quote(table.table));
    connection.query_row(&sql, [rowid], |row| Ok(key.text(row)))
}

/// The table's key and what to select for it.
fn key_of(connection: &Connection, table: Named<'_>) -> (Key, String) {
    let names: Vec<&str> = table.key.iter().map(String::as_str).collect();
    let key = Key::among(connection, table.table, &names, table.key);
    let mut columns: Vec<String> = names.iter().map(|n| format!("t.{}", quote(n))).collect();
    columns.extend(key.rowid.map(|name| format!("t.{name}")));
    let columns = if columns.is_empty() { "NULL".to_owned() } else { columns.join(", ") };
    (key, columns)
}

/// The rows of `t` without a parent. A reference that holds a NULL has none to miss.
pub fn condition(key: &ForeignKeyPlan) -> String {
    let child: Vec<String> = key.columns.iter().map(|c| format!("t.{}", quote(c))).collect();
    let known: Vec<String> =
        key.referenced_columns.iter().map(|c| format!("{} IS NOT NULL", quote(c))).collect();
    format!(
        "{} AND ({}) NOT IN (SELECT {} FROM main.{} WHERE {})",
        complete(key),
        child.join(", "),
        column_list(&key.referenced_columns),
        quote(&key.references),
        known.join(" AND ")
    )
}

/// The rows of `t` whose reference holds no NULL.
fn complete(key: &ForeignKeyPlan) -> String {
    let set: Vec<String> = key.columns.iter().map(|c| format!("t.{} IS NOT NULL", quote(c))).collect();
    set.join(" AND ")
}

/// By comparison, key by key.
fn compared<'k>(
    connection: &Connection,
    table: &TablePlan,
    keys: impl Iterator<Item = &'k ForeignKeyPlan>,
) -> rusqlite::Result<Vec<Orphans>> {
    let mut found = Vec::new();
    for key in keys {
        let there = connection.prepare(&format!("SELECT 1 FROM main.{}", quote(&key.references))).is_ok();
        let missing = if there { condition(key) } else { complete(key) };
        let (name, columns) = key_of(connection, table.into());
        let sql = format!("SELECT {columns} FROM main.{} AS t WHERE {missing}", quote(&table.name));
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let (mut count, mut keys) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            count += 1;
            if keys.len() < KEYS {
                keys.push(name.text(row));
            }
        }
        if count > 0 {
            found.push(Orphans {
                table: table.name.clone(),
                columns: key.columns.clone(),
                references: key.references.clone(),
                rows: count,
                keys,
            });
        }
    }
    Ok(found)
}
