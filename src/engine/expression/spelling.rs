//! Keys that take the spellings of a value for one: text without the blanks at its end, a UUID without what PostgreSQL
//! passes over when it reads one. This program makes them where the target has no type or collation for that, and knows
//! them again.

use sqlparser::ast::{Expr, Value};

use super::call::{arguments, function_name};
use super::read::{parse, strip};
use crate::model::endpoint::Dialect;

/// Marks that PostgreSQL passes over in a UUID (<https://www.postgresql.org/docs/current/datatype-uuid.html>), those first
/// that are taken away first.
const MARKS: [&str; 3] = ["-", "{", "}"];

/// The one spelling of each UUID in a quoted column of text, the same words in SQLite and MySQL.
pub fn uuid_key(quoted: &str) -> String {
    let digits = MARKS.iter().fold(quoted.to_owned(), |text, mark| format!("replace({text}, '{mark}', '')"));
    format!("lower({digits})")
}

/// The column of such a key.
pub fn column_of_uuid_key(source: Dialect, text: &str) -> Option<String> {
    column_of_uuid(&parse(source, text)?)
}

/// The same of a key that has been read.
pub(super) fn column_of_uuid(expr: &Expr) -> Option<String> {
    // MariaDB prints the one as the other.
    let digits = call(expr, "lower", 1).or_else(|| call(expr, "lcase", 1))?;
    let column = MARKS.iter().rev().try_fold(digits[0].clone(), |expr, mark| {
        let [text, of, by]: [Expr; 3] = call(&expr, "replace", 3)?.try_into().ok()?;
        (literal(&of)? == *mark && literal(&by)?.is_empty()).then_some(text)
    })?;
    name(&column)
}

/// The column of a key over text without the blanks at its end.
pub fn column_of_trimmed_key(source: Dialect, text: &str) -> Option<String> {
    name(&call(&parse(source, text)?, "rtrim", 1)?[0])
}

/// The column of a key of PostgreSQL over text without the case of ASCII letters, which is all that its collation of bytes
/// knows of: what NOCASE of SQLite is.
pub fn column_of_ascii_key(source: Dialect, text: &str) -> Option<String> {
    const BYTES: &str = "COLLATE \"C\"";
    // The parser takes no COLLATE behind a cast. Of names, a quoted one has its quotes doubled.
    let text = text.replace(&format!("::text {BYTES}"), &format!(" {BYTES}"));
    let folded = call(&parse(source, &text).filter(|_| source == Dialect::Postgres)?, "lower", 1)?;
    match strip(&folded[0]) {
        Expr::Collate { expr, collation } if collation.to_string() == "\"C\"" => name(expr),
        _ => None,
    }
}

/// The column of a key over text in lower case.
pub fn column_of_lower_key(source: Dialect, text: &str) -> Option<String> {
    name(&call(&parse(source, text)?, "lower", 1)?[0])
}

/// Arguments of a call of a function.
fn call(expr: &Expr, wanted: &str, number: usize) -> Option<Vec<Expr>> {
    let Expr::Function(function) = strip(expr) else { return None };
    let given = arguments(function)?;
    let fits = function_name(&function.name)? == wanted && given.len() == number;
    fits.then(|| given.into_iter().cloned().collect())
}

/// A column, also as text.
fn name(expr: &Expr) -> Option<String> {
    match strip(expr) {
        Expr::Identifier(column) => Some(column.value.clone()),
        Expr::Cast { expr, data_type, .. } if data_type.to_string().eq_ignore_ascii_case("text") => {
            name(expr)
        }
        _ => None,
    }
}

/// A string, also with MySQL's name of its character set in front.
fn literal(expr: &Expr) -> Option<String> {
    match strip(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Prefixed { value, .. } => literal(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Mysql, Postgres, Sqlite};

    #[test]
    fn keys_are_known_again_as_each_catalogue_prints_them() {
        let printed = r"lower(replace(replace(replace(`k`,_utf8mb4\'-\',_utf8mb4\'\'),_utf8mb4\'{\',_utf8mb4\'\'),_utf8mb4\'}\',_utf8mb4\'\'))";
        let by_mariadb = "lcase(replace(replace(replace(`k`,'-',''),'{',''),'}',''))";
        for (dialect, text) in [
            (Sqlite, uuid_key("\"k\"")),
            (Mysql, uuid_key("`k`")),
            (Mysql, printed.to_owned()),
            (Mysql, by_mariadb.to_owned()),
        ] {
            assert_eq!(column_of_uuid_key(dialect, &text).as_deref(), Some("k"), "{text}");
        }
        for (dialect, text) in [
            (Postgres, "rtrim(name)"),
            (Postgres, "rtrim((name)::text)"),
            (Sqlite, "rtrim(\"name\")"),
            (Mysql, "rtrim(`name`)"),
        ] {
            assert_eq!(column_of_trimmed_key(dialect, text).as_deref(), Some("name"), "{text}");
        }
    }

    #[test]
    fn keys_without_the_case_of_ascii_are_those_of_the_collation_of_bytes() {
        for text in ["lower((name COLLATE \"C\"))", "lower(((name)::text COLLATE \"C\"))"] {
            assert_eq!(column_of_ascii_key(Postgres, text).as_deref(), Some("name"), "{text}");
        }
        for text in ["lower(name)", "lower((name COLLATE \"de_DE\"))", "upper((name COLLATE \"C\"))"] {
            assert_eq!(column_of_ascii_key(Postgres, text), None, "{text}");
        }
    }

    #[test]
    fn other_expressions_are_no_such_keys() {
        for text in [
            "lower(k)",
            "lower(replace(k, '-', ''))",
            "lower(replace(replace(replace(k, '-', '_'), '{', ''), '}', ''))",
            "upper(replace(replace(replace(k, '-', ''), '{', ''), '}', ''))",
        ] {
            assert_eq!(column_of_uuid_key(Sqlite, text), None, "{text}");
        }
        for text in ["trim(k)", "ltrim(k)", "rtrim(k, 'x')", "rtrim(lower(k))", "rtrim(k::varchar(3))"] {
            assert_eq!(column_of_trimmed_key(Postgres, text), None, "{text}");
        }
    }
}
