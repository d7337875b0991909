//! What a CHECK makes of rows that are in no table, and what a DEFAULT gives: a list of values, each cast to its column's
//! type and under its collation, in a transaction that ends with ROLLBACK. Only what such a column needs and the database
//! does not have (a type, a collation) is made in it first; otherwise the transaction is read-only.

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _, Transaction};

use super::ddl::literal;
use super::encode::{encoder, fits, plain_text};
use super::fault::{code, fault};
use super::look::make_place;
use super::types::quote;
use crate::engine::capability::{Defaults, Probe, Stored, Verdict};
use crate::engine::probe::{self, Answer, Ask};
use crate::model::batch::Batch;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{INVISIBLE, Script, TablePlan};

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
    let transaction = begin(session, script).await?;
    let rows = &probe.rows;
    let held: Vec<usize> = (0..rows.rows()).filter(|row| holds(table, rows, *row)).collect();
    let mut server = Server { transaction, table, rows };
    let answered = probe::verdicts(&mut server, rows.rows(), &held, &probe.condition).await?;
    end(server.transaction).await?;
    Ok(answered)
}

/// What the columns would hold.
pub(super) async fn stored(
    session: &mut PgConnection,
    defaults: &Defaults,
    script: &Script,
) -> Result<Vec<Stored>> {
    let Some(table) = defaults.plan.tables.first() else { return Ok(Vec::new()) };
    let mut transaction = begin(session, script).await?;
    let wanted: Vec<String> = table
        .columns
        .iter()
        .zip(&defaults.expressions)
        .map(|(column, expression)| {
            let value = format!("CAST(({expression}) AS {})", column.native_type);
            // `bytea_output` may be set to another form.
            if column.native_type == "bytea" {
                format!("encode({value}, 'hex')")
            } else {
                format!("{value}::text")
            }
        })
        .collect();
    let stored = if let Some(stored) = evaluate(&mut transaction, &wanted).await? {
        stored
    } else {
        // One of them cannot be evaluated.
        let mut stored = Vec::with_capacity(wanted.len());
        for one in &wanted {
            let given = evaluate(&mut transaction, std::slice::from_ref(one)).await?;
            stored.push(given.and_then(|mut one| one.pop()).unwrap_or(Stored::Refused));
        }
        stored
    };
    end(transaction).await?;
    Ok(stored)
}

/// The values of some expressions; `None` if the server does not evaluate them.
async fn evaluate(
    transaction: &mut Transaction<'_, Postgres>,
    wanted: &[String],
) -> Result<Option<Vec<Stored>>> {
    let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot try a default", e);
    let sql = format!("SELECT {}", wanted.join(", "));
    match sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut **transaction).await {
        Ok(row) => {
            let value = |at| row.try_get::<Option<String>, _>(at);
            let values = (0..wanted.len()).map(|at| value(at).map(|v| v.map_or(Stored::Null, Stored::Text)));
            values.collect::<Result<_, sqlx::Error>>().map(Some).map_err(|e| failed(&e))
        }
        Err(e) => {
            let error = failed(&e);
            if code(&e).is_none() || error.kind() == ErrorKind::Lost {
                return Err(error);
            }
            sqlx::raw_sql(UNDO).execute(&mut **transaction).await.map_err(|e| failed(&e))?;
            Ok(None)
        }
    }
}

/// A transaction with what the columns need.
async fn begin<'a>(session: &'a mut PgConnection, script: &Script) -> Result<Transaction<'a, Postgres>> {
    let failed = |e: &sqlx::Error| fault(ErrorKind::Write, "cannot make what columns need to be tried", e);
    let needed: Vec<&str> =
        script.before.iter().filter(|s| s.table.is_none()).map(|s| s.sql.as_str()).collect();
    let mut transaction = session.begin().await.map_err(|e| failed(&e))?;
    let first = if needed.is_empty() {
        format!("SET TRANSACTION READ ONLY; {SAVE}")
    } else {
        make_place(&mut transaction).await.map_err(|e| failed(&e))?;
        format!("{}; {SAVE}", needed.join("; "))
    };
    sqlx::raw_sql(AssertSqlSafe(first)).execute(&mut *transaction).await.map_err(|e| failed(&e))?;
    Ok(transaction)
}

async fn end(transaction: Transaction<'_, Postgres>) -> Result<()> {
    transaction.rollback().await.map_err(|e| fault(ErrorKind::Read, "cannot end a trial", &e))
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
