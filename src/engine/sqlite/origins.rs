//! What a table and its columns were elsewhere ([`TableOrigin`], [`Origin`]), in comments within the text of its CREATE
//! TABLE: SQLite keeps that text as it is, and whoever copies or dumps the table takes it along. That of a table stands
//! before its columns, that of a column after its definition, with which `ALTER TABLE` renames and drops it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tokens::{Token, closing, split_commas, tokens};
use crate::model::origin::{MARK, Origin, TableOrigin};
use crate::model::schema::Column;

/// What stands before the origin of a table.
const TABLE_MARK: &str = "techcare-db table was: ";

/// The comment to stand after the definition of a column, with a blank in front; empty where there is nothing to say.
pub fn after_column(origin: Option<&Origin>) -> String {
    origin.and_then(|origin| comment(MARK, origin)).map(|comment| format!(" {comment}")).unwrap_or_default()
}

/// The comment to stand before the columns of a table, on a line of its own; empty where there is nothing to say.
pub fn before_columns(origin: Option<&TableOrigin>) -> String {
    let comment = origin.and_then(|origin| comment(TABLE_MARK, origin));
    comment.map(|comment| format!("{comment}\n  ")).unwrap_or_default()
}

fn comment(mark: &str, what: &impl Serialize) -> Option<String> {
    // The end of a comment has no place within it; to JSON both spellings are one.
    let json = serde_json::to_string(what).ok()?.replace('/', "\\/");
    Some(format!("/* {mark}{json} */"))
}

/// What the first such comment says in a text that holds nothing but blanks and comments.
fn found<T: DeserializeOwned>(mark: &str, between: &str) -> Option<T> {
    let (_, rest) = between.split_once(&format!("/* {mark}"))?;
    let (json, _) = rest.split_once("*/")?;
    serde_json::from_str(json.trim()).ok()
}

/// The parenthesis that opens the list of columns. A name is one token, so it is the first.
fn opening(tokens: &[Token]) -> Option<usize> {
    tokens.iter().position(|token| token.is_mark('('))
}

/// The origin that the text of a table knows.
pub fn of_table(sql: &str) -> Option<TableOrigin> {
    let tokens = tokens(sql);
    let open = opening(&tokens)?;
    found(TABLE_MARK, &sql[tokens[open].end..tokens.get(open + 1)?.start])
}

/// Gives columns the origins that the text of their table knows, where their types are still those that were made.
pub fn attach(columns: &mut [Column], sql: &str) {
    let tokens = tokens(sql);
    let Some(open) = opening(&tokens) else { return };
    for (from, to) in split_commas(&tokens, open + 1, closing(&tokens, open)) {
        let Some((first, next)) = tokens[from..to].first().zip(tokens.get(to)) else { continue };
        let column = columns.iter_mut().find(|c| first.is_name() && c.name == first.text);
        if let Some(column) = column {
            let origin = found::<Origin>(MARK, &sql[tokens[to - 1].end..next.start]);
            column.origin = origin.filter(|o| o.now.eq_ignore_ascii_case(&column.native_type));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Flavour;
    use crate::model::origin::Renamed;
    use crate::model::schema::DataType;

    fn origin() -> Origin {
        Origin {
            product: Flavour::Postgres,
            native_type: "mood".into(),
            holds: DataType::Enum {
                name: Some("mood".into()),
                labels: vec!["a */ DROP, (".to_owned(), "it's".to_owned()],
            },
            collation: None,
            identity: None,
            comment: None,
            domain: None,
            types: Vec::new(),
            name: None,
            now: "VARCHAR(9)".into(),
        }
    }

    /// Columns of the table that a text makes, after what is done to it.
    fn columns(sql: &str, then: &str) -> Vec<(String, Option<Origin>)> {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        connection.execute_batch(then).unwrap();
        let table = super::super::inspect::schema(&connection).unwrap().tables.remove(0);
        table.columns.into_iter().map(|c| (c.name, c.origin)).collect()
    }

    #[test]
    fn a_comment_goes_where_its_column_goes() {
        let renamed = Renamed { was: "techcare-db was: */".into(), now: "t".into() };
        let kept = TableOrigin {
            product: Flavour::Postgres,
            strict: false,
            without_rowid: false,
            name: Some(renamed),
        };
        let (before, after) = (before_columns(Some(&kept)), after_column(Some(&origin())));
        assert_eq!([&before, &after].map(|comment| comment.matches("*/").count()), [1, 1]);
        let is = |name: &str, origin: Option<Origin>| (name.to_owned(), origin);
        for rest in ["", ", CHECK (c <> '')"] {
            let sql = format!(
                "CREATE TABLE t ({before}id INTEGER, c VARCHAR(9){after}, d VARCHAR(9){after}{rest})"
            );
            assert_eq!(of_table(&sql).as_ref(), Some(&kept));
            let as_made = [is("id", None), is("c", Some(origin())), is("d", Some(origin()))];
            assert_eq!(columns(&sql, ""), as_made);
            let then = "ALTER TABLE t RENAME c TO e; ALTER TABLE t DROP d; ALTER TABLE t ADD c VARCHAR(9);
                        ALTER TABLE t ADD d VARCHAR(9)";
            let changed = [is("id", None), is("e", Some(origin())), is("c", None), is("d", None)];
            assert_eq!(columns(&sql, then), changed);
        }
    }

    #[test]
    fn no_text_is_too_odd() {
        for sql in
            ["", "CREATE TABLE t", "CREATE TABLE t (", "(c", "(,,)", ")(", "(c /* techcare-db was: {} */)"]
        {
            attach(&mut [], sql);
            assert_eq!(of_table(sql), None, "{sql}");
        }
    }
}
