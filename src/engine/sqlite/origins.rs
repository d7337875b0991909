//! What the columns of a table were elsewhere ([`Origin`]), in a comment within the text of its CREATE TABLE: SQLite keeps
//! that text as it is, and whoever copies or dumps the table takes it along.

use std::collections::BTreeMap;

use crate::model::origin::{MARK, Origin};
use crate::model::plan::TablePlan;
use crate::model::schema::Column;

/// The comment, on a line of its own; empty where no column has an origin.
pub fn comment(table: &TablePlan) -> String {
    let origins: BTreeMap<&str, &Origin> =
        table.columns.iter().filter_map(|c| Some((c.name.as_str(), c.origin.as_ref()?))).collect();
    if origins.is_empty() {
        return String::new();
    }
    // The end of a comment has no place within it; to JSON both spellings are one.
    let json = serde_json::to_string(&origins).map(|json| json.replace('/', "\\/"));
    json.map_or_else(|_| String::new(), |json| format!("\n  /* {MARK}{json} */"))
}

/// Gives columns the origins that the text of their table knows, where their types are still those that were made.
pub fn attach(columns: &mut [Column], sql: &str) {
    let found = sql.rfind(MARK).and_then(|at| {
        let (json, _) = sql[at + MARK.len()..].split_once("*/")?;
        serde_json::from_str::<BTreeMap<String, Origin>>(json.trim()).ok()
    });
    let Some(mut origins) = found else { return };
    for column in columns {
        let origin = origins.remove(&column.name);
        column.origin = origin.filter(|o| o.now.eq_ignore_ascii_case(&column.native_type));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Flavour;
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
            now: "VARCHAR(9)".into(),
        });
        let comment = comment(&sample::table("t", vec![column]));
        assert_eq!(comment.matches("*/").count(), 1);
        assert!(comment.ends_with(" */"));
    }
}
