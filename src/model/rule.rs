//! Rules that the user wrote by hand: what of a table arrives under another name or type, and what does not.

use std::collections::BTreeMap;

/// What is done to one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRule {
    /// The table, as named in the source.
    pub table: String,
    /// Its name in the target.
    pub rename: Option<String>,
    /// Only rows for which this is true, in SQL of the source.
    pub condition: Option<String>,
    /// Columns that stay behind.
    pub exclude: Vec<String>,
    /// What is done to its columns, by their names in the source.
    pub columns: BTreeMap<String, ColumnRule>,
}

/// What is done to one column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnRule {
    /// Its name in the target.
    pub rename: Option<String>,
    /// Its type in the target, in the target's words.
    pub native_type: Option<String>,
}

/// The rule about a table.
pub fn about<'a>(rules: &'a [TableRule], table: &str) -> Option<&'a TableRule> {
    rules.iter().find(|rule| rule.table == table)
}

/// The rule about a column.
pub fn about_column<'a>(rules: &'a [TableRule], table: &str, column: &str) -> Option<&'a ColumnRule> {
    about(rules, table)?.columns.get(column)
}

/// Name that the rules give to a table.
pub fn table_name<'a>(rules: &'a [TableRule], table: &'a str) -> &'a str {
    about(rules, table).and_then(|rule| rule.rename.as_deref()).unwrap_or(table)
}

/// Name that the rules give to a column.
pub fn column_name<'a>(rules: &'a [TableRule], table: &str, column: &'a str) -> &'a str {
    about_column(rules, table, column).and_then(|rule| rule.rename.as_deref()).unwrap_or(column)
}

/// Type that the rules force upon a column.
pub fn forced_type<'a>(rules: &'a [TableRule], table: &str, column: &str) -> Option<&'a str> {
    about_column(rules, table, column)?.native_type.as_deref()
}
