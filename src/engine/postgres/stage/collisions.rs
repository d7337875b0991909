//! Rows that a unique key takes for one, and values that a type does not take or spells anew: written to a schema that only
//! an open transaction knows, which is rolled back.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::{execute, fault, quote, run};
use crate::engine::capability::Matching;
use crate::engine::condition;
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::ddl::literal;
use crate::engine::postgres::look::make_place;
use crate::engine::postgres::read::key_text;
use crate::engine::postgres::write;
use crate::engine::stream::BatchReceiver;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{IndexPlan, Plan, Script, TablePlan};

/// Whether a type gives a text back as it is.
const KEEPS: &str = "techcare_db_keeps";

/// Looks for them. The session goes, whatever happened, and everything with it.
pub(in crate::engine::postgres) async fn collisions(
    connector: &Connector,
    plan: &Plan,
    script: &Script,
    key: &IndexPlan,
    mut rows: BatchReceiver,
) -> Result<Matching> {
    let Some(table) = plan.tables.first() else { return Ok(Matching::default()) };
    let mut session = apart(connector, script).await?;
    write::copy_in(&mut session, &quote(&table.name), table, None, &mut rows).await?;
    let found = ask(&mut session, table, key).await.map_err(|e| failed(&e))?;
    gone(session).await?;
    Ok(found)
}

/// Tries them. The session goes, whatever happened, and everything with it.
pub(in crate::engine::postgres) async fn refusal(
    connector: &Connector,
    plan: &Plan,
    script: &Script,
    mut rows: BatchReceiver,
) -> Result<Option<String>> {
    let Some(table) = plan.tables.first() else { return Ok(None) };
    let mut session = apart(connector, script).await?;
    let taken = write::copy_in(&mut session, &quote(&table.name), table, None, &mut rows).await;
    gone(session).await?;
    match taken {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::Value => {
            Ok(Some(error.reason().unwrap_or_else(|| error.what()).to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Looks for texts that a type spells anew or refuses. The session goes, whatever happened, and everything with it.
pub(in crate::engine::postgres) async fn altered(
    connector: &Connector,
    plan: &Plan,
    script: &Script,
    (column, native): (&str, &str),
    mut rows: BatchReceiver,
) -> Result<Option<Matching>> {
    let Some(table) = plan.tables.first() else { return Ok(None) };
    let mut session = apart(connector, script).await?;
    // Servers before 16 tell only by an error whether a type takes a text, and an error is caught in PL/pgSQL alone.
    let body = format!("BEGIN RETURN $1::{native}::text = $1; EXCEPTION WHEN others THEN RETURN false; END");
    let function =
        format!("CREATE FUNCTION {KEEPS}(text) RETURNS boolean LANGUAGE plpgsql AS {}", literal(&body));
    if execute(&mut session, function).await.is_err() {
        gone(session).await?;
        return Ok(None);
    }
    write::copy_in(&mut session, &quote(&table.name), table, None, &mut rows).await?;
    let changes = format!("NOT {KEEPS}({})", quote(column));
    let sql = condition::named(table, &quote(&table.name), &changes, quote, shown);
    let found = matching(&mut session, table, sql).await.map_err(|e| failed(&e))?;
    gone(session).await?;
    Ok(Some(found))
}

/// A session with an open transaction in which the tables of a script are.
async fn apart(connector: &Connector, script: &Script) -> Result<PgConnection> {
    let mut session = connector.session().await?;
    execute(&mut session, "BEGIN".into()).await.map_err(|e| failed(&e))?;
    make_place(&mut session).await.map_err(|e| failed(&e))?;
    for statement in &script.before {
        run(&mut session, statement).await?;
    }
    Ok(session)
}

/// A value of a key as text.
fn shown(name: &str) -> String {
    format!("{name}::text")
}

async fn gone(mut session: PgConnection) -> Result<()> {
    execute(&mut session, "ROLLBACK".into()).await.map_err(|e| failed(&e))?;
    let _ = session.close().await;
    Ok(())
}

fn failed(cause: &sqlx::Error) -> Error {
    fault(ErrorKind::Write, "cannot try the rows of the source in the target", cause)
}

async fn ask(
    session: &mut PgConnection,
    table: &TablePlan,
    key: &IndexPlan,
) -> std::result::Result<Matching, sqlx::Error> {
    let sql = condition::collisions(table, &quote(&table.name), key, quote, shown);
    matching(session, table, sql).await
}

/// Rows that a query answers: the key of each as text, and the number of all.
async fn matching(
    session: &mut PgConnection,
    table: &TablePlan,
    sql: String,
) -> std::result::Result<Matching, sqlx::Error> {
    let mut found = Matching::default();
    for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(session).await? {
        found.rows = u64::try_from(row.try_get::<i64, _>(table.key.len())?).unwrap_or_default();
        if !table.key.is_empty() {
            found.keys.push(key_text(&table.key, &row)?);
        }
    }
    Ok(found)
}
