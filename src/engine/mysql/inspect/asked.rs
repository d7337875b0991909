//! What no catalogue tells and the rows of a table do: which numbers are truth values, and letters in labels and defaults.

use sqlx::MySqlConnection;

use super::super::connection::rows;
use super::super::types::{literal, quote};
use crate::model::error::Result;
use crate::model::schema::{Column, DataType, DefaultValue, Table};

/// `tinyint(1)` is how MySQL spells a truth value, and also a number of one digit: the data say which. One query a
/// table that has such columns; it ends at the first other number.
pub(super) async fn truth_values(connection: &mut MySqlConnection, table: &mut Table) -> Result<()> {
    let candidate =
        |c: &&mut Column| c.native_type.eq_ignore_ascii_case("tinyint(1)") && c.identity.is_none();
    let found: Vec<&mut Column> = table.columns.iter_mut().filter(candidate).collect();
    if found.is_empty() {
        return Ok(());
    }
    let name = quote(&table.name);
    let exists =
        |c: &&mut Column| format!("EXISTS(SELECT 1 FROM {name} WHERE {} NOT IN (0, 1))", quote(&c.name));
    let sql = format!("SELECT {}", found.iter().map(exists).collect::<Vec<_>>().join(", "));
    let answer = rows(connection, &format!("table \"{}\"", table.name), &sql).await?;
    for (at, column) in found.into_iter().enumerate() {
        if answer.first().is_some_and(|r| r.word(at) == "0") {
            column.data_type = DataType::Bool;
            column.default = match column.default.take() {
                Some(DefaultValue::Number(n)) if n == "0" => Some(DefaultValue::Bool(false)),
                Some(DefaultValue::Number(n)) if n == "1" => Some(DefaultValue::Bool(true)),
                other => other,
            };
        }
    }
    Ok(())
}

/// No catalogue of the two products tells letters beyond the basic plane in labels of an enum: they are question
/// marks there. The rows know; a label that no row has stays as it is told.
pub(super) async fn labels(connection: &mut MySqlConnection, table: &mut Table) -> Result<()> {
    let from = quote(&table.name);
    for column in &mut table.columns {
        let DataType::Enum { labels, .. } = &mut column.data_type else { continue };
        let told: Vec<String> =
            (1..).zip(labels.iter()).filter(|(_, l)| l.contains('?')).map(|(n, _)| n.to_string()).collect();
        if told.is_empty() {
            continue;
        }
        let before = labels.clone();
        let name = quote(&column.name);
        let sql = format!(
            "SELECT DISTINCT {name} + 0, {name} FROM {from} WHERE {name} + 0 IN ({})",
            told.join(", ")
        );
        for row in rows(connection, &format!("table \"{}\"", table.name), &sql).await? {
            let label = row.number::<usize>(0).and_then(|n| labels.get_mut(n.checked_sub(1)?));
            if let Some(label) = label {
                *label = row.word(1);
            }
        }
        if let Some(DefaultValue::Text(default)) = &mut column.default {
            let is_default = |label: &String| label == default || *label == marked(default);
            let mut found = before.iter().zip(labels.iter_mut()).filter(|(told, _)| is_default(told));
            if let (Some((told, label)), None) = (found.next(), found.next()) {
                if told == label {
                    label.clone_from(default);
                } else {
                    default.clone_from(label);
                }
            }
        }
        let list: Vec<String> = labels.iter().map(|l| literal(l)).collect();
        column.native_type = format!("enum({})", list.join(","));
    }
    Ok(())
}

/// Text with a question mark in the place of each character beyond the basic plane.
fn marked(text: &str) -> String {
    text.chars().map(|c| if u32::from(c) > 0xffff { '?' } else { c }).collect()
}

/// Nothing of MariaDB shows such characters in defaults that are no expressions; the server knows them all the same. It tells
/// that of a column NOT NULL with a row only: without one it stays as it is told.
pub(super) async fn defaults(connection: &mut MySqlConnection, table: &mut Table) -> Result<()> {
    let told = |c: &&mut Column| {
        c.data_type.is_text() && matches!(&c.default, Some(DefaultValue::Text(text)) if text.contains('?'))
    };
    let found: Vec<&mut Column> = table.columns.iter_mut().filter(told).collect();
    if found.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = found.iter().map(|c| format!("DEFAULT(t.{})", quote(&c.name))).collect();
    let sql = format!(
        "SELECT {} FROM (SELECT 1) AS one LEFT JOIN {} AS t ON TRUE LIMIT 1",
        list.join(", "),
        quote(&table.name)
    );
    let answer = rows(connection, &format!("table \"{}\"", table.name), &sql).await?;
    for (at, column) in found.into_iter().enumerate() {
        if let Some(text) = answer.first().and_then(|row| row.text(at)) {
            column.default = Some(DefaultValue::Text(text));
        }
    }
    Ok(())
}
