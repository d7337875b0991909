//! ON UPDATE CURRENT_TIMESTAMP of MySQL as a trigger, one a table. Which columns it sets stands in a comment within its
//! text, which SQLite keeps as it is: `inspect` says of them what MySQL says, so that the way back ends where it began.

use super::ddl::quote;
use super::default::present;
use super::types;
use crate::model::plan::{ColumnPlan, TablePlan};

/// How the names of these triggers begin; that of the table follows.
const NAME: &str = "techcare_db_now_";

/// What stands before the columns, a list in JSON.
const MARK: &str = "/* techcare-db was: ON UPDATE CURRENT_TIMESTAMP of ";

/// Name of the trigger and the statement that makes it for a table that is called `table_name` now; `None` where nothing
/// is set, or nothing else can change.
pub fn trigger(table: &TablePlan, table_name: &str) -> Option<(String, String)> {
    let (set, rest): (Vec<&ColumnPlan>, Vec<&ColumnPlan>) =
        table.columns.iter().partition(|c| c.on_update_now);
    let others: Vec<&str> = rest.iter().filter(|c| c.generated.is_none()).map(|c| c.name.as_str()).collect();
    if set.is_empty() || others.is_empty() {
        return None;
    }
    let name = format!("{NAME}{table_name}");
    // What a column's collation takes for the same is a change all the same.
    let old: Vec<String> = others.iter().map(|c| format!("OLD.{} COLLATE BINARY", quote(c))).collect();
    let new: Vec<String> = others.iter().map(|c| format!("NEW.{}", quote(c))).collect();
    let assign: Vec<String> = set.iter().map(|column| assignment(column)).collect();
    let names: Vec<&str> = set.iter().map(|c| c.name.as_str()).collect();
    // The end of a comment has no place within it; to JSON both spellings are one.
    let mark = serde_json::to_string(&names).ok()?.replace('/', "\\/");
    let sql = format!(
        "CREATE TRIGGER {} AFTER UPDATE ON {table} FOR EACH ROW WHEN ({}) IS NOT ({})\nBEGIN\n  {MARK}{mark} */\n  \
         UPDATE {table} SET {} WHERE {};\nEND",
        quote(&name),
        old.join(", "),
        new.join(", "),
        assign.join(", "),
        this_row(table),
        table = quote(table_name),
    );
    Some((name, sql))
}

/// A value that the statement gave itself stays.
fn assignment(column: &ColumnPlan) -> String {
    let now = present(&types::data_type(&column.native_type)).unwrap_or_else(|| "CURRENT_TIMESTAMP".into());
    let name = quote(&column.name);
    format!("{name} = CASE WHEN OLD.{name} IS NEW.{name} THEN {now} ELSE {name} END")
}

/// The condition that finds the row again that was changed. A table whose columns have taken every name of the rowid and
/// that has no key knows its rows by nothing but their values.
fn this_row(table: &TablePlan) -> String {
    let taken = |name: &str| table.columns.iter().any(|c| c.name.eq_ignore_ascii_case(name));
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name));
    if let Some(rowid) = rowid.filter(|_| !table.without_rowid) {
        return format!("{rowid} = NEW.{rowid}");
    }
    let (names, same): (Vec<&str>, _) = match &table.primary_key {
        Some(key) => (key.columns.iter().map(String::as_str).collect(), "="),
        None => (table.columns.iter().map(|c| c.name.as_str()).collect(), "IS"),
    };
    let same = names.into_iter().map(|name| format!("{0} {same} NEW.{0}", quote(name)));
    same.collect::<Vec<_>>().join(" AND ")
}

/// Columns that a trigger of ours sets; `None` for every other trigger.
pub fn columns(name: &str, sql: &str) -> Option<Vec<String>> {
    let (_, rest) = sql.split_once(MARK).filter(|_| name.starts_with(NAME))?;
    serde_json::from_str(rest.split_once(" */")?.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::schema::DataType;

    fn table() -> TablePlan {
        let mut at = sample::column("at */ \"x\"", "DATETIME", DataType::DateTime { precision: 6 });
        at.on_update_now = true;
        sample::table("t", vec![sample::column("n", "INTEGER", DataType::INT64), at])
    }

    #[test]
    fn the_columns_of_a_trigger_are_read_from_its_text() {
        let (name, sql) = trigger(&table(), "t").unwrap();
        assert_eq!(columns(&name, &sql), Some(vec!["at */ \"x\"".to_owned()]));
        assert_eq!(columns("audit", &sql), None);
        assert_eq!(columns(&name, "CREATE TRIGGER x AFTER UPDATE ON t BEGIN SELECT 1; END"), None);
    }

    #[test]
    fn the_row_is_found_by_what_identifies_it() {
        let mut table = table();
        assert!(trigger(&table, "t").unwrap().1.contains("WHERE rowid = NEW.rowid;"));
        table.columns[0].name = "RowId".into();
        assert!(trigger(&table, "t").unwrap().1.contains("WHERE _rowid_ = NEW._rowid_;"));
        table.without_rowid = true;
        table.primary_key = Some(sample::key(&["RowId"]));
        assert!(trigger(&table, "t").unwrap().1.contains("WHERE \"RowId\" = NEW.\"RowId\";"));
        table.columns.remove(0);
        assert!(trigger(&table, "t").is_none());

        let mut table = self::table();
        for name in ["rowid", "_rowid_", "oid"] {
            table.columns.push(sample::column(name, "INTEGER", DataType::INT64));
        }
        let sql = trigger(&table, "t").unwrap().1;
        assert!(sql.contains("WHERE \"n\" IS NEW.\"n\" AND "), "{sql}");
        assert!(sql.contains(" AND \"oid\" IS NEW.\"oid\";"), "{sql}");
    }
}
