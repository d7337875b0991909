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
        match checked(connection, table) {
            Ok(orphans) => {
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

/// By the check, which numbers keys as `foreign_key_list` does.
fn checked(connection: &Connection, table: &TablePlan) -> rusqlite::Result<Vec<Orphans>> {
    let mut by_key: BTreeMap<i64, (u64, Vec<i64>)> = BTreeMap::new();
    let mut statement = connection.prepare("SELECT rowid, fkid FROM pragma_foreign_key_check(?1)")?;
    let mut rows = statement.query([&table.name])?;
    while let Some(row) = rows.next()? {
        let (count, examples) = by_key.entry(row.get(1)?).or_default();
        *count += 1;
        if let Some(rowid) = row.get::<_, Option<i64>>(0)?.filter(|_| examples.len() < KEYS) {
            examples.push(rowid);
        }
    }
    let mut found = Vec::new();
    for (id, (count, examples)) in by_key {
        let (columns, references) = key_numbered(connection, table, id)?;
        let keys: rusqlite::Result<Vec<String>> =
            examples.iter().map(|rowid| name_row(connection, table, *rowid)).collect();
        found.push(Orphans { table: table.name.clone(), columns, references, rows: count, keys: keys? });
    }
    Ok(found)
}

/// Columns and parent of every foreign key that a table declares.
fn declared(connection: &Connection, table: &TablePlan) -> rusqlite::Result<Vec<(Vec<String>, String)>> {
    let mut statement = connection.prepare("SELECT DISTINCT id FROM pragma_foreign_key_list(?1)")?;
    let ids: Vec<i64> =
        statement.query_map([&table.name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    ids.into_iter().map(|id| key_numbered(connection, table, id)).collect()
}

/// Columns and parent of a foreign key.
fn key_numbered(
    connection: &Connection,
    table: &TablePlan,
    id: i64,
) -> rusqlite::Result<(Vec<String>, String)> {
    let mut statement = connection
        .prepare("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) WHERE id = ?2 ORDER BY seq")?;
    let lines = statement.query_map((&table.name, id), |r| Ok((r.get(0)?, r.get(1)?)))?;
    let lines: Vec<(String, String)> = lines.collect::<rusqlite::Result<_>>()?;
    let parent = lines.first().map(|(_, parent)| parent.clone()).unwrap_or_default();
    Ok((lines.into_iter().map(|(column, _)| column).collect(), parent))
}

fn name_row(connection: &Connection, table: &TablePlan, rowid: i64) -> rusqlite::Result<String> {
    let (key, columns) = key_of(connection, table);
    let sql = format!("SELECT {columns} FROM main.{} AS t WHERE t._rowid_ = ?1", quote(&table.name));
    connection.query_row(&sql, [rowid], |row| Ok(key.text(row)))
}

/// The table's key and what to select for it.
fn key_of(connection: &Connection, table: &TablePlan) -> (Key, String) {
    let names: Vec<&str> = table.key.iter().map(String::as_str).collect();
    let key = Key::among(connection, &table.name, &names, &table.key);
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
        let (name, columns) = key_of(connection, table);
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
