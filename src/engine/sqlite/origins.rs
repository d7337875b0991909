//! What a table and its columns were elsewhere ([`TableOrigin`], [`Origin`]), in comments within the text of its CREATE
//! TABLE: SQLite keeps that text as it is, and whoever copies or dumps the table takes it along.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::origin::{MARK, Origin, TableOrigin};
use crate::model::plan::TablePlan;
use crate::model::schema::Column;

/// What stands before the origin of a table.
const TABLE_MARK: &str = "techcare-db table was: ";

/// The comments, each on a line of its own; empty where nothing has an origin.
pub fn comments(table: &TablePlan) -> String {
    let origins: BTreeMap<&str, &Origin> =
        table.columns.iter().filter_map(|c| Some((c.name.as_str(), c.origin.as_ref()?))).collect();
    let of_columns = (!origins.is_empty()).then(|| comment(MARK, &origins));
    let of_table = table.origin.as_ref().map(|origin| comment(TABLE_MARK, origin));
    of_columns.into_iter().chain(of_table).collect()
}

fn comment(mark: &str, what: &impl Serialize) -> String {
    // The end of a comment has no place within it; to JSON both spellings are one.
    let json = serde_json::to_string(what).map(|json| json.replace('/', "\\/"));
    json.map_or_else(|_| String::new(), |json| format!("\n  /* {mark}{json} */"))
}

fn found<T: DeserializeOwned>(mark: &str, sql: &str) -> Option<T> {
    let (json, _) = sql[sql.rfind(mark)? + mark.len()..].split_once("*/")?;
    serde_json::from_str(json.trim()).ok()
}

/// The origin that the text of a table knows.
pub fn of_table(sql: &str) -> Option<TableOrigin> {
    found(TABLE_MARK, sql)
}

/// Gives columns the origins that the text of their table knows, where their types are still those that were made.
pub fn attach(columns: &mut [Column], sql: &str) {
    let Some(mut origins) = found::<BTreeMap<String, Origin>>(MARK, sql) else { return };
    for column in columns {
        let origin = origins.remove(&column.name);
        column.origin = origin.filter(|o| o.now.eq_ignore_ascii_case(&column.native_type));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Flavour;
    use crate::model::origin::Renamed;
    use crate::model::sample;
    use crate::model::schema::DataType;

    #[test]
    fn no_label_ends_the_comment() {
        let labels = vec!["a */ DROP".to_owned(), "it's".to_owned()];
        let mut column = sample::column("c", "VARCHAR(9)", DataType::TEXT);
        column.origin = Some(Origin {
            product: Flavour::Postgres,
            native_type: "mood".into(),
            holds: DataType::Enum { name: Some("mood".into()), labels },
            collation: None,
            identity: None,
            comment: None,
            domain: None,
            types: Vec::new(),
            name: None,
            now: "VARCHAR(9)".into(),
        });
        let mut table = sample::table("t", vec![column]);
        let renamed = Renamed { was: "techcare-db was: */".into(), now: "t".into() };
        table.origin = Some(TableOrigin {
            product: Flavour::Postgres,
            strict: false,
            without_rowid: false,
            name: Some(renamed),
        });
        let comments = comments(&table);
        assert_eq!(comments.matches("*/").count(), 2);
        assert!(comments.ends_with(" */"));
        assert_eq!(of_table(&comments), table.origin);
    }
}
