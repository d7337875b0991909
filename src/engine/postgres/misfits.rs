//! Values that PostgreSQL holds and the target does not: asked in the same pass that measures a table, so that they are
//! known before the first row. What the target holds is said in `engine/limits`; here it is said in SQL.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::read::key_text;
use super::types::quote;
use crate::engine::limits::{LATE_INSTANT, NO_INSTANT};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::Misfit;
use crate::model::schema::{Column, DataType, Table};

/// Keys that a misfit names.
const KEYS: usize = 5;

/// A condition that a column's values must not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    code: &'static str,
    /// Over `{}`, the quoted column.
    condition: &'static str,
    text: &'static str,
    /// See [`Misfit::late`].
    late: bool,
}

const NO_NUMBER: Question = Question {
    code: codes::NOT_FINITE,
    // Text, because numeric has no infinities before PostgreSQL 14.
    condition: "{}::text ~ '[NI]'",
    text: "is infinite or no number, which MySQL and MariaDB cannot hold",
    late: false,
};

const NAN: Question = Question {
    code: codes::NOT_FINITE,
    condition: "{} = 'NaN'",
    text: "is NaN, which SQLite cannot hold",
    late: false,
};

const LATE: Question = Question {
    late: true,
    ..range("{} > '2038-01-19 03:14:07.999999+00' AND {} <= '2106-02-07 06:28:15.999999+00'", LATE_INSTANT)
};

const fn range(condition: &'static str, text: &'static str) -> Question {
    Question { code: codes::DATETIME_RANGE, condition, text, late: false }
}

/// What to ask about a column towards an engine.
pub(super) fn questions(column: &Column, target: Dialect) -> Vec<Question> {
    const YEARS_OF_MYSQL: &str = "is infinite or lies outside the years 0 to 9999 of MySQL and MariaDB";
    const YEARS_OF_SQLITE: &str =
        "is infinite or lies outside the years 1 to 9999, which SQLite's text can spell";
    if column.generated.is_some() {
        return Vec::new();
    }
    match (target, &column.data_type) {
        (Dialect::Mysql, DataType::Decimal { .. } | DataType::Float32 | DataType::Float64) => vec![NO_NUMBER],
        (Dialect::Sqlite, DataType::Float32 | DataType::Float64) => vec![NAN],
        (Dialect::Mysql, DataType::Date) => {
            vec![range("{} NOT BETWEEN '0001-01-01 BC' AND '9999-12-31'", YEARS_OF_MYSQL)]
        }
        (Dialect::Mysql, DataType::DateTime { .. }) => vec![range(
            "{} NOT BETWEEN '0001-01-01 00:00:00 BC' AND '9999-12-31 23:59:59.999999'",
            YEARS_OF_MYSQL,
        )],
        (Dialect::Mysql, DataType::Timestamp { .. }) => vec![
            range("{} NOT BETWEEN '1970-01-01 00:00:01+00' AND '2106-02-07 06:28:15.999999+00'", NO_INSTANT),
            LATE,
        ],
        (Dialect::Sqlite, DataType::Date) => {
            vec![range("{} NOT BETWEEN '0001-01-01' AND '9999-12-31'", YEARS_OF_SQLITE)]
        }
        (Dialect::Sqlite, DataType::DateTime { .. }) => vec![range(
            "{} NOT BETWEEN '0001-01-01 00:00:00' AND '9999-12-31 23:59:59.999999'",
            YEARS_OF_SQLITE,
        )],
        (Dialect::Sqlite, DataType::Timestamp { .. }) => vec![range(
            "{} NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'",
            YEARS_OF_SQLITE,
        )],
        _ => Vec::new(),
    }
}

impl Question {
    fn over(self, column: &str) -> String {
        self.condition.replace("{}", &quote(column))
    }

    /// How many rows meet the condition, as one column of a SELECT.
    pub(super) fn count(self, column: &str) -> String {
        format!("count(*) FILTER (WHERE {})::int8", self.over(column))
    }

    /// The misfit, with the keys of some of its rows. `from` is the table, quoted, and a condition for its rows.
    pub(super) async fn found(
        self,
        session: &mut PgConnection,
        (from, among): (String, Option<&str>),
        table: &Table,
        column: &str,
        rows: u64,
    ) -> Result<Misfit, sqlx::Error> {
        let names = table.key_columns();
        let mut keys = Vec::new();
        if !names.is_empty() {
            let selected: Vec<String> = names.iter().map(|k| format!("{}::text", quote(k))).collect();
            let selected = selected.join(", ");
            let among = among.map(|text| format!(" AND (\n{text}\n)")).unwrap_or_default();
            let condition = format!("({}){among}", self.over(column));
            let sql =
                format!("SELECT {selected} FROM {from} WHERE {condition} ORDER BY {selected} LIMIT {KEYS}");
            for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(session).await? {
                keys.push(key_text(&names, &row)?);
            }
        }
        Ok(Misfit { code: self.code.to_owned(), rows, keys, text: self.text.to_owned(), late: self.late })
    }
}
