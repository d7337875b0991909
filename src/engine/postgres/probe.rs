//! What a CHECK makes of rows that are in no table: a list of values, each cast to its column's type and under its
//! collation, in a transaction that ends with ROLLBACK. Only what such a column needs and the database does not have (a
//! type, a collation) is made in it first; otherwise the transaction is read-only.

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _, Transaction};

use super::ddl::literal;
use super::encode::{encoder, fits, plain_text};
use super::fault::{code, fault};
use super::types::quote;
use crate::engine::capability::{Probe, Verdict};
use crate::engine::probe::{self, Answer, Ask};
use crate::model::batch::Batch;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{INVISIBLE, Script, TablePlan};

/// Where it is made. Nobody else ever sees the schema.
const PLACE: &str = "CREATE SCHEMA techcare_db_look; \
                     SELECT set_config('search_path', 'techcare_db_look, ' || current_setting('search_path'), true)";

/// Where a transaction goes on after an error.
const SAVE: &str = "SAVEPOINT techcare_db_probe";
const UNDO: &str = "ROLLBACK TO SAVEPOINT techcare_db_probe";

/// SQLSTATE of arithmetic that leaves its type.
const OUT_OF_RANGE: &str = "22003";

/// Answers for every row.
pub(super) async fn verdicts(
    session: &mut PgConnection,
    probe: &Probe,
    script: &Script,
) -> Result<Vec<Verdict>> {
    let Some(table) = probe.plan.tables.first() else { return Ok(Vec::new()) };
    let failed = |e: &sqlx::Error| fault(ErrorKind::Write, "cannot make what the columns of a check need", e);
    let needed: Vec<&str> =
        script.before.iter().filter(|s| s.table.is_none()).map(|s| s.sql.as_str()).collect();
    let first = if needed.is_empty() {
        format!("SET TRANSACTION READ ONLY; {SAVE}")
    } else {
        format!("{PLACE}; {}; {SAVE}", needed.join("; "))
    };
    let mut transaction = session.begin().await.map_err(|e| failed(&e))?;
    sqlx::raw_sql(AssertSqlSafe(first)).execute(&mut *transaction).await.map_err(|e| failed(&e))?;
    let rows = &probe.rows;
    let held: Vec<usize> = (0..rows.rows()).filter(|row| holds(table, rows, *row)).collect();
    let mut server = Server { transaction, table, rows };
    let answered = probe::verdicts(&mut server, rows.rows(), &held, &probe.condition).await?;
    server.transaction.rollback().await.map_err(|e| failed(&e))?;
    Ok(answered)
}

struct Server<'a> {
    transaction: Transaction<'a, Postgres>,
    table: &'a TablePlan,
    rows: &'a Batch,
}

#[async_trait]
impl Ask for Server<'_> {
    async fn ask(&mut self, rows: &[usize], condition: &str) -> Result<Answer> {
        let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot try a check", e);
        let sql = question(self.table, self.rows, rows, condition);
        match sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *self.transaction).await {
            Ok(rows) => {
                let answers = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, sqlx::Error>>();
                answers.map(Answer::Decided).map_err(|e| failed(&e))
            }
            Err(e) => {
                let error = failed(&e);
                let Some(code) = code(&e).filter(|_| error.kind() != ErrorKind::Lost) else {
                    return Err(error);
                };
                sqlx::raw_sql(UNDO).execute(&mut *self.transaction).await.map_err(|e| failed(&e))?;
                Ok(if code == OUT_OF_RANGE { Answer::Overflow } else { Answer::Failed })
            }
        }
    }
}

/// Whether casts give the row as it is: they cut and round without a word.
fn holds(table: &TablePlan, rows: &Batch, row: usize) -> bool {
    let mut cells = rows.row(row).iter().zip(&table.columns);
    cells.all(|(cell, column)| fits(encoder(column, 2), *cell, rows).is_ok())
}

fn question(table: &TablePlan, rows: &Batch, asked: &[usize], condition: &str) -> String {
    let lists = asked.iter().enumerate().map(|(at, row)| {
        let values = rows.row(*row).iter().zip(&table.columns);
        let values = values.map(|(cell, column)| {
            let text = plain_text(*cell, rows).map_or("NULL".to_owned(), |text| literal(&text));
            let collation = column.collation.as_ref().map(|name| format!(" COLLATE {}", quote(name)));
            format!("CAST({text} AS {}){}", column.native_type, collation.unwrap_or_default())
        });
        format!("({})", values.chain([at.to_string()]).collect::<Vec<_>>().join(", "))
    });
    let lists = lists.collect::<Vec<_>>().join(", ");
    let order = quote(&format!("{INVISIBLE}row"));
    let names = table.columns.iter().map(|c| quote(&c.name)).chain([order.clone()]);
    let names = names.collect::<Vec<_>>().join(", ");
    format!("SELECT ({condition}) IS NOT FALSE FROM (VALUES {lists}) AS probe ({names}) ORDER BY {order}")
}
