//! The content judge: reads whole databases through plain drivers and says where two of them differ, table by
//! table and column by column, whatever the engines. It knows nothing of the product's digests.

use std::collections::BTreeMap;

use rusqlite::types::ValueRef;

use super::canon::{Kind, Raw, canon};
use super::database::{Db, Engine};

/// A table that the product keeps for itself in a target.
const OWN: &str = "techcare_db_";

/// One table with all its rows.
#[derive(Debug)]
pub struct Table {
    /// Name and kind of each column, in the order of the table.
    pub columns: Vec<(String, Kind)>,
    pub rows: Vec<Vec<Raw>>,
}

/// A whole database.
pub type Content = BTreeMap<String, Table>;

/// Name in the target of a table of the source, where it is not the same.
pub type Renamed = BTreeMap<String, String>;

/// Columns of every ordinary table: table, column, declared type. Partitions belong to their parents.
pub fn columns(db: &Db) -> Vec<(String, String, String)> {
    let sql = match db.engine {
        Engine::Sqlite => {
            "SELECT l.name, x.name, x.type FROM pragma_table_list AS l, pragma_table_xinfo(l.name) AS x
             WHERE l.schema = 'main' AND l.type = 'table' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND x.hidden <> 1
             ORDER BY l.name, x.cid"
        }
        Engine::Postgres => {
            "SELECT c.relname, a.attname, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), a.atttypmod)
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
               AND a.attnum > 0 AND NOT a.attisdropped
             ORDER BY c.relname, a.attnum"
        }
        Engine::Mariadb | Engine::Mysql => {
            "SELECT c.table_name, c.column_name, c.column_type FROM information_schema.columns c
             JOIN information_schema.tables t USING (table_name)
             WHERE c.table_schema = database() AND t.table_schema = database() AND t.table_type = 'BASE TABLE'
             ORDER BY c.table_name, c.ordinal_position"
        }
    };
    db.query(sql)
        .into_iter()
        .map(|row| {
            let mut row = row.into_iter().map(Option::unwrap_or_default);
            (row.next().unwrap(), row.next().unwrap(), row.next().unwrap())
        })
        .filter(|(table, ..)| !table.starts_with(OWN))
        .collect()
}

/// Names of the ordinary tables, sorted.
pub fn tables(db: &Db) -> Vec<String> {
    if db.engine == Engine::Sqlite && !db.path().exists() {
        return Vec::new();
    }
    let mut names: Vec<_> = columns(db).into_iter().map(|(table, ..)| table).collect();
    names.dedup();
    names
}

/// Reads everything.
pub fn read(db: &Db) -> Content {
    let mut content = Content::new();
    for (table, column, declared) in columns(db) {
        content
            .entry(table)
            .or_insert_with(|| Table { columns: Vec::new(), rows: Vec::new() })
            .columns
            .push((column, Kind::of(db.engine, &declared)));
    }
    for (name, table) in &mut content {
        table.rows = match db.engine {
            Engine::Sqlite => file_rows(db, name, table),
            _ => server_rows(db, name, table),
        };
    }
    content
}

fn file_rows(db: &Db, name: &str, table: &Table) -> Vec<Vec<Raw>> {
    let list: Vec<_> = table.columns.iter().map(|(column, _)| db.engine.quote(column)).collect();
    let file = db.sqlite();
    let sql = format!("SELECT {} FROM {}", list.join(", "), db.engine.quote(name));
    let mut statement = file.prepare(&sql).unwrap();
    let rows = statement
        .query_map([], |row| {
            (0..list.len())
                .map(|i| {
                    Ok(match row.get_ref(i)? {
                        ValueRef::Null => Raw::Null,
                        ValueRef::Integer(value) => Raw::Int(value),
                        ValueRef::Real(value) => Raw::Real(value),
                        ValueRef::Text(bytes) => String::from_utf8(bytes.to_vec())
                            .map_or_else(|_| Raw::Bytes(bytes.to_vec()), Raw::Text),
                        ValueRef::Blob(bytes) => Raw::Bytes(bytes.to_vec()),
                    })
                })
                .collect()
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn server_rows(db: &Db, name: &str, table: &Table) -> Vec<Vec<Raw>> {
    let list: Vec<_> = table
        .columns
        .iter()
        .map(|(column, kind)| {
            let column = db.engine.quote(column);
            match (db.engine, kind) {
                (Engine::Postgres, Kind::Bytes) => format!("encode({column}, 'hex')"),
                (Engine::Postgres, _) => format!("{column}::text"),
                (_, Kind::Bytes | Kind::Shape) => format!("hex({column})"),
                (_, Kind::Bits) => format!("CAST({column} + 0 AS CHAR)"),
                // The server shows six digits of a FLOAT, and all of a DOUBLE.
                (_, Kind::Single) => format!("CAST(CAST({column} AS DOUBLE) AS CHAR)"),
                _ => format!("CAST({column} AS CHAR CHARACTER SET utf8mb4)"),
            }
        })
        .collect();
    let rows = db.query(&format!("SELECT {} FROM {}", list.join(", "), db.engine.quote(name)));
    rows.into_iter()
        .map(|row| {
            row.into_iter()
                .zip(&table.columns)
                .map(|(value, (_, kind))| match value {
                    None => Raw::Null,
                    Some(text) if *kind == Kind::Bytes => Raw::Bytes(bytes(&text)),
                    Some(text) => Raw::Text(text),
                })
                .collect()
        })
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// What differs between two databases, one line each; empty where they are equal.
pub fn differences(a: &Content, b: &Content, renamed: &Renamed) -> Vec<String> {
    let mut found = Vec::new();
    for (name, table) in a {
        let there = renamed.get(name).unwrap_or(name);
        match b.get(there) {
            None => found.push(format!("{name}: no such table on the other side")),
            Some(other) => found.extend(table_difference(name, table, other)),
        }
    }
    for name in b.keys() {
        if !a.contains_key(name) && !renamed.values().any(|new| new == name) {
            found.push(format!("{name}: a table that was not there before"));
        }
    }
    found
}

fn table_difference(name: &str, a: &Table, b: &Table) -> Option<String> {
    if a.columns.len() != b.columns.len() {
        return Some(format!("{name}: {} columns here, {} there", a.columns.len(), b.columns.len()));
    }
    let mut pairs = Vec::new();
    for (i, (column, kind)) in a.columns.iter().enumerate() {
        // A name that the other engine can't hold is found by its place.
        let same = b.columns.iter().position(|(other, _)| other == column);
        let free = !a.columns.iter().any(|(other, _)| *other == b.columns[i].0);
        let Some(at) = same.or(free.then_some(i)) else {
            return Some(format!("{name}.{column}: no such column on the other side"));
        };
        pairs.push((i, at, (*kind).max(b.columns[at].1)));
    }
    if a.rows.len() != b.rows.len() {
        return Some(format!("{name}: {} rows here, {} there", a.rows.len(), b.rows.len()));
    }
    let spell = |table: &Table, left: bool| {
        let mut rows: Vec<Vec<String>> = table
            .rows
            .iter()
            .map(|row| {
                pairs.iter().map(|(i, at, kind)| canon(&row[if left { *i } else { *at }], *kind)).collect()
            })
            .collect();
        rows.sort_unstable();
        rows
    };
    let (ours, theirs) = (spell(a, true), spell(b, false));
    let (mine, other) = ours.iter().zip(&theirs).find(|(mine, other)| mine != other)?;
    let at = mine.iter().zip(other).position(|(mine, other)| mine != other)?;
    Some(format!(
        "{name}.{}: {} here, {} there (first different row, in sorted order; starts {})",
        a.columns[at].0,
        short(&mine[at]),
        short(&other[at]),
        short(&mine.join(", ")),
    ))
}

fn short(text: &str) -> String {
    if text.chars().count() <= 120 {
        text.to_owned()
    } else {
        format!("{}… ({} characters)", text.chars().take(120).collect::<String>(), text.chars().count())
    }
}

#[test]
fn the_judge_sees_one_changed_value_and_one_missing_row() {
    let a = Db::fresh(Engine::Sqlite);
    let b = Db::fresh(Engine::Sqlite);
    for db in [&a, &b] {
        db.execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, NULL)",
        );
    }
    let same = Renamed::new();
    assert_eq!(differences(&read(&a), &read(&b), &same), Vec::<String>::new());
    b.execute("UPDATE t SET v = '' WHERE id = 2");
    assert!(differences(&read(&a), &read(&b), &same)[0].starts_with("t.v: NULL here, '' there"));
    b.execute("DELETE FROM t WHERE id = 2; CREATE TABLE u (x)");
    assert_eq!(differences(&read(&a), &read(&b), &same).len(), 2);
}
