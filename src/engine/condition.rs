//! Conditions over the rows of a table in words that every dialect shares; only names are quoted as each wants it. Pure.

use crate::model::plan::ForeignKeyPlan;

/// A condition as the WHERE of a statement, with a blank in front. On lines of its own, so that a comment in it ends
/// where it ends.
pub fn where_clause(condition: &str) -> String {
    format!(" WHERE (\n{condition}\n)")
}

/// The rows of `c` whose reference holds no NULL.
pub fn has_reference(key: &ForeignKeyPlan, quote: impl Fn(&str) -> String) -> String {
    joined(key.columns.iter().map(|c| format!("c.{} IS NOT NULL", quote(c))))
}

/// How a row of `c` finds its parent `p`.
pub fn finds_parent(key: &ForeignKeyPlan, quote: impl Fn(&str) -> String) -> String {
    let pairs = key.columns.iter().zip(&key.referenced_columns);
    joined(pairs.map(|(c, p)| format!("p.{} = c.{}", quote(p), quote(c))))
}

/// The rows of `c` without a parent in the table `parent`, which stands there with its alias `p`. A reference that holds
/// a NULL has none to miss.
pub fn without_parent(key: &ForeignKeyPlan, parent: &str, quote: impl Fn(&str) -> String) -> String {
    let (set, same) = (has_reference(key, &quote), finds_parent(key, &quote));
    format!("{set} AND NOT EXISTS (SELECT 1 FROM {parent} WHERE {same})")
}

/// The assignments that take the reference out of a row.
pub fn cut(key: &ForeignKeyPlan, quote: impl Fn(&str) -> String) -> String {
    let columns: Vec<String> = key.columns.iter().map(|c| format!("{} = NULL", quote(c))).collect();
    columns.join(", ")
}

fn joined(conditions: impl Iterator<Item = String>) -> String {
    conditions.collect::<Vec<_>>().join(" AND ")
}
