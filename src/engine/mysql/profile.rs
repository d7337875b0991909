//! A look at the values of keys before they go to another engine. Everything else is said by the declared types; what
//! `tinyint(1)` holds the catalogue reader asks.

use sqlx::MySqlConnection;

use super::connection::rows;
use super::types::quote;
use crate::engine::expression;
use crate::model::endpoint::Dialect;
use crate::model::error::Result;
use crate::model::plan::{ColumnProfile, TableProfile};
use crate::model::schema::{Column, DataType, IndexKey, Table};

/// Bytes of a declared key up to which every target takes it.
const SHORT_KEY: u64 = 2_000;

/// Measures the keys of a table that the target may not take as they are declared.
pub async fn table(connection: &mut MySqlConnection, table: &Table, target: Dialect) -> Result<TableProfile> {
    let measured: Vec<usize> =
        (0..table.columns.len()).filter(|at| is_open(table, &table.columns[*at], target)).collect();
    if measured.is_empty() {
        return Ok(TableProfile::default());
    }
    let mut selected = vec!["COUNT(*)".to_owned()];
    for at in &measured {
        let column = &table.columns[*at];
        let name = quote(&column.name);
        let bytes = match column.data_type {
            DataType::Bytes { .. } => format!("LENGTH({name})"),
            _ => format!("LENGTH(CONVERT({name} USING utf8mb4))"),
        };
        selected.push(format!("COALESCE(MAX({bytes}), 0)"));
        selected.push(format!("COALESCE(MAX(CHAR_LENGTH({name})), 0)"));
        // More bytes than characters: some letter is not ASCII.
        selected.push(format!("COALESCE(MAX({bytes} <> CHAR_LENGTH({name})), 0)"));
    }
    let sql = format!("SELECT {} FROM {}", selected.join(", "), quote(&table.name));
    let answers = rows(connection, &format!("table \"{}\"", table.name), &sql).await?;
    let number = |at: usize| answers.first().and_then(|row| row.number::<u64>(at));
    let mut columns = vec![ColumnProfile::default(); table.columns.len()];
    for (group, at) in measured.iter().enumerate() {
        let first = 1 + 3 * group;
        columns[*at] = ColumnProfile {
            max_bytes: number(first),
            max_chars: number(first + 1),
            ascii: number(first + 2).map(|differs| differs == 0),
            ..ColumnProfile::default()
        };
    }
    Ok(TableProfile { rows: number(0), columns })
}

/// Whether a column is part of a key that the target may find too long, or compares in another way.
fn is_open(table: &Table, column: &Column, target: Dialect) -> bool {
    if target == Dialect::Mysql || column.generated.is_some() {
        return false;
    }
    let most = match &column.data_type {
        DataType::Text { max_chars, .. } => max_chars.map(|n| n.saturating_mul(4)),
        DataType::Bytes { max_bytes, .. } => *max_bytes,
        _ => return false,
    };
    let long = target == Dialect::Postgres && most.is_none_or(|n| n > SHORT_KEY);
    let loose = column.collation.as_ref().is_some_and(|c| c.case_insensitive || c.accent_insensitive);
    let in_primary = table.primary_key.as_ref().is_some_and(|k| k.columns.contains(&column.name));
    let key = IndexKey::Column(column.name.clone());
    let mut indexes = table.indexes.iter().filter(|i| i.parts.iter().any(|p| p.key == key)).peekable();
    let in_index = indexes.peek().is_some();
    let in_unique = in_primary || indexes.any(|i| i.unique);
    let names = |text: &str| expression::names(Dialect::Mysql, text, &column.name);
    let parts = table.indexes.iter().filter(|i| i.unique).flat_map(|i| &i.parts);
    let in_expression =
        parts.into_iter().any(|p| matches!(&p.key, IndexKey::Expression(text) if names(text)));
    (long && (in_primary || in_index)) || (loose && in_unique) || in_expression
}
