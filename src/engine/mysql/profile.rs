//! A look at the values of a table before it goes to another engine, in SQL: how long keys are, and which values the
//! declared type lets in although the target cannot hold them. One pass over a table that leaves something open; the
//! keys of misfits take another one each. What `tinyint(1)` holds the catalogue reader asks.

use sqlx::MySqlConnection;

use super::connection::{Fields, rows};
use super::types::quote;
use super::{native::NativeType, stage};
use crate::engine::capability::{Naming, Orphans};
use crate::engine::condition::where_clause;
use crate::engine::expression;
use crate::engine::limits::LATE_INSTANT;
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::error::Result;
use crate::model::plan::{ColumnProfile, Misfit, Plan, TableProfile};
use crate::model::schema::{Column, DataType, IndexKey, Table};

/// Bytes of a declared key up to which every target takes it.
const SHORT_KEY: u64 = 2_000;

/// Keys that a misfit names.
const KEYS: usize = 5;

/// Measures the keys of a table that the target may not take as they are declared, and counts the values that it
/// cannot hold. `late` tells whether TIMESTAMP of this server goes on after 2038.
pub async fn table(
    connection: &mut MySqlConnection,
    table: &Table,
    (target, late): (Dialect, bool),
    among: Option<&str>,
) -> Result<TableProfile> {
    let measured: Vec<usize> =
        (0..table.columns.len()).filter(|at| is_open(table, &table.columns[*at], target)).collect();
    let doubts: Vec<(usize, Doubt)> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.generated.is_none())
        .flat_map(|(at, column)| {
            doubts(column, is_keyed(table, column), (target, late)).into_iter().map(move |doubt| (at, doubt))
        })
        .collect();
    let decimals: Vec<usize> = (0..table.columns.len())
        .filter(|at| table.columns[*at].decimal_of_sqlite() && target == Dialect::Sqlite)
        .collect();
    if measured.is_empty() && doubts.is_empty() && decimals.is_empty() {
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
    selected
        .extend(doubts.iter().map(|(_, doubt)| format!("COUNT(CASE WHEN {} THEN 1 END)", doubt.condition)));
    selected
        .extend(decimals.iter().map(|at| format!("COALESCE(MAX({}), 0)", no_number(&table.columns[*at]))));
    let what = format!("table \"{}\"", table.name);
    let only = among.map(where_clause).unwrap_or_default();
    let sql = format!("SELECT {} FROM {}{only}", selected.join(", "), quote(&table.name));
    let answers = rows(connection, &what, &sql).await?;
    let answer = |at: usize| answers.first().and_then(|row| row.number::<u64>(at));
    let mut columns = vec![ColumnProfile::default(); table.columns.len()];
    for (group, at) in measured.iter().enumerate() {
        let first = 1 + 3 * group;
        columns[*at] = ColumnProfile {
            max_bytes: answer(first),
            max_chars: answer(first + 1),
            ascii: answer(first + 2).map(|differs| differs == 0),
            ..ColumnProfile::default()
        };
    }
    let first = 1 + 3 * measured.len();
    for (nth, (at, doubt)) in doubts.iter().enumerate() {
        let Some(found @ 1..) = answer(first + nth) else { continue };
        columns[*at].misfits.push(Misfit {
            code: doubt.code.to_owned(),
            rows: found,
            keys: {
                let among = among.map(|text| format!(" AND (\n{text}\n)")).unwrap_or_default();
                keys(connection, table, &format!("({}){among}", doubt.condition)).await?
            },
            text: doubt.text.to_owned(),
            late: doubt.text == LATE_INSTANT,
        });
    }
    let first = first + doubts.len();
    for (nth, at) in decimals.iter().enumerate() {
        columns[*at].numbers = answer(first + nth).map(|found| found == 0);
    }
    Ok(TableProfile { rows: answer(0), columns })
}

/// 1 for a decimal that is no number of SQLite's: the digits of a double that becomes a decimal are its shortest.
fn no_number(column: &Column) -> String {
    let name = quote(&column.name);
    let scale = match column.data_type {
        DataType::Decimal { scale: Some(scale), .. } => scale,
        _ => 0,
    };
    format!(
        "CASE WHEN {name} = TRUNCATE({name}, 0) AND {name} BETWEEN -9223372036854775808 AND 9223372036854775807 THEN 0 \
         ELSE CAST({name} + 0e0 AS DECIMAL(65,{scale})) <> {name} END"
    )
}

/// Keys of some rows for which a condition holds.
async fn keys(connection: &mut MySqlConnection, table: &Table, condition: &str) -> Result<Vec<String>> {
    let key = table.key_columns();
    if key.is_empty() {
        return Ok(Vec::new());
    }
    let list = key.iter().map(|k| quote(k)).collect::<Vec<_>>().join(", ");
    let from = quote(&table.name);
    let sql = format!("SELECT {list} FROM {from} WHERE {condition} ORDER BY {list} LIMIT {KEYS}");
    let found = rows(connection, &format!("table \"{}\"", table.name), &sql).await?;
    Ok(found.iter().map(|row| key_text(row, &key)).collect())
}

/// The key of a row that begins with its columns: `id=7`.
pub fn key_text(row: &Fields, key: &[String]) -> String {
    let part = |(at, name): (usize, &String)| {
        format!("{name}={}", row.word(at).chars().take(60).collect::<String>())
    };
    key.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
}

/// Values that a declared type lets in and a target does not hold.
#[derive(Debug, PartialEq, Eq)]
struct Doubt {
    /// Code of the misfit.
    code: &'static str,
    /// What is wrong, in words.
    text: &'static str,
    /// True for such a value.
    condition: String,
}

/// What a column's type leaves open towards a target.
fn doubts(column: &Column, keyed: bool, (target, late): (Dialect, bool)) -> Vec<Doubt> {
    let name = quote(&column.name);
    let mut out = Vec::new();
    let mut doubt = |code, text, condition| out.push(Doubt { code, text, condition });
    match &column.data_type {
        DataType::Timestamp { .. } if target == Dialect::Mysql && late => {
            doubt(codes::DATETIME_RANGE, LATE_INSTANT, format!("{name} > '2038-01-19 03:14:07.999999'"));
        }
        // Between two databases of this dialect they arrive as they are.
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } | DataType::Enum { .. }
            if target == Dialect::Mysql => {}
        DataType::Date | DataType::DateTime { .. } | DataType::Timestamp { .. } => {
            let no_day = no_calendar_day(&name);
            if target == Dialect::Sqlite {
                doubt(
                    codes::DATETIME_RANGE,
                    "is a date of the year 0, with which no date of SQLite begins",
                    format!("YEAR({name}) = 0 AND NOT ({no_day})"),
                );
            }
            doubt(
                codes::ZERO_DATE,
                "is a date that no calendar has, such as 0000-00-00: the server takes those unless it is strict",
                no_day,
            );
        }
        DataType::Enum { labels, .. } if !labels.iter().any(String::is_empty) => doubt(
            codes::NOT_A_LABEL,
            "is the empty text that the server put in the place of a label that it does not know",
            format!("{name} + 0 = 0"),
        ),
        DataType::Int { bits: 64, unsigned: true }
            if target == Dialect::Sqlite || (target == Dialect::Postgres && keyed) =>
        {
            doubt(
                codes::INTEGER_RANGE,
                "is a number above 9223372036854775807, the largest that the column holds in the target",
                format!("{name} > 9223372036854775807"),
            );
        }
        DataType::Json { binary: true } if target == Dialect::Postgres => doubt(
            codes::NUL_IN_JSON,
            "is JSON with an escaped NUL (\\u0000), which PostgreSQL cannot hold",
            // An even number of backslashes before it is that many escaped backslashes and no escape of it.
            format!(r"CAST({name} AS CHAR) REGEXP '(^|[^\\\\])(\\\\\\\\)*\\\\u0000'"),
        ),
        DataType::Text { .. }
            if target == Dialect::Postgres && NativeType::parse(&column.native_type).is_character() =>
        {
            doubt(
                codes::NUL_IN_TEXT,
                "is text with a NUL, which PostgreSQL cannot hold",
                // As bytes: collations pass over a NUL, and UTF-16 is full of them.
                format!("LOCATE(0x00, CAST(CONVERT({name} USING utf8mb4) AS BINARY)) > 0"),
            );
        }
        _ => {}
    }
    out
}

/// Whether the server hands out the column's values, or a key or index has it.
fn is_keyed(table: &Table, column: &Column) -> bool {
    let key = IndexKey::Column(column.name.clone());
    column.identity.is_some()
        || table.primary_key.as_ref().is_some_and(|k| k.columns.contains(&column.name))
        || table.indexes.iter().any(|i| i.parts.iter().any(|p| p.key == key))
        || table.foreign_keys.iter().any(|f| f.columns.contains(&column.name))
}

/// True for 0000-00-00, 2024-00-10, and what ALLOW_INVALID_DATES lets in (2024-02-31).
fn no_calendar_day(name: &str) -> String {
    let leap = format!("(YEAR({name}) % 4 = 0 AND (YEAR({name}) % 100 <> 0 OR YEAR({name}) % 400 = 0))");
    format!(
        "MONTH({name}) = 0 OR DAYOFMONTH({name}) = 0 OR (DAYOFMONTH({name}) > 28 AND DAYOFMONTH({name}) > \
         0 + ELT(MONTH({name}), 31, 28 + {leap}, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31))"
    )
}

/// Rows of a source whose parent is missing: InnoDB checks nothing while `foreign_key_checks` is off, and never looks
/// back.
pub async fn orphans(connection: &mut MySqlConnection, plan: &Plan) -> Result<Vec<Orphans>> {
    stage::orphans(connection, &plan.in_source(), &Naming::default()).await
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

#[cfg(test)]
mod tests {
    use super::*;

    fn codes_of(native_type: &str, keyed: bool, target: Dialect) -> Vec<&'static str> {
        codes_from(native_type, keyed, (target, false))
    }

    fn codes_from(native_type: &str, keyed: bool, towards: (Dialect, bool)) -> Vec<&'static str> {
        let data_type = NativeType::parse(native_type).data_type(native_type);
        let column = Column {
            name: "c".into(),
            native_type: native_type.into(),
            data_type,
            nullable: true,
            default: None,
            on_update_now: false,
            generated: None,
            identity: None,
            collation: None,
            comment: None,
            origin: None,
            domain: None,
            reaches: Vec::new(),
        };
        doubts(&column, keyed, towards).iter().map(|d| d.code).collect()
    }

    #[test]
    fn only_what_the_type_leaves_open_is_looked_at() {
        use Dialect::{Mysql, Postgres, Sqlite};
        for (native_type, target, expected) in [
            ("int", Postgres, &[][..]),
            ("decimal(65,30)", Sqlite, &[]),
            ("date", Mysql, &[]),
            ("date", Postgres, &["zero_date"]),
            ("datetime(6)", Postgres, &["zero_date"]),
            ("timestamp", Sqlite, &["datetime_range", "zero_date"]),
            ("enum('a','b')", Mysql, &[]),
            ("enum('a','b')", Sqlite, &["not_a_label"]),
            ("enum('','b')", Postgres, &[]),
            ("bigint unsigned", Sqlite, &["integer_range"]),
            ("bigint unsigned", Postgres, &[]),
            ("varchar(9)", Postgres, &["nul_in_text"]),
            ("varchar(9)", Sqlite, &[]),
            ("longblob", Postgres, &[]),
            ("json", Postgres, &["nul_in_json"]),
        ] {
            assert_eq!(codes_of(native_type, false, target), expected, "{native_type} to {target:?}");
        }
        assert_eq!(codes_of("bigint unsigned", true, Postgres), ["integer_range"]);
        // From MariaDB 11.5 on, towards whoever ends earlier.
        assert_eq!(codes_from("timestamp", false, (Mysql, true)), ["datetime_range"]);
        assert!(codes_from("datetime", false, (Mysql, true)).is_empty());
    }
}
