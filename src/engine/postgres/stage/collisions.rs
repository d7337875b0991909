//! Rows that a unique key takes for one: written to a schema that only an open transaction knows, which is rolled back.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::{execute, fault, quote, run};
use crate::engine::capability::Matching;
use crate::engine::condition;
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::look::make_place;
use crate::engine::postgres::read::key_text;
use crate::engine::postgres::write;
use crate::engine::stream::BatchReceiver;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{IndexPlan, Plan, Script, TablePlan};

/// Looks for them. The session goes, whatever happened, and everything with it.
pub(in crate::engine::postgres) async fn collisions(
    connector: &Connector,
    plan: &Plan,
    script: &Script,
    key: &IndexPlan,
    mut rows: BatchReceiver,
) -> Result<Matching> {
    let Some(table) = plan.tables.first() else { return Ok(Matching::default()) };
    let mut session = connector.session().await?;
    let failed =
        |e: &sqlx::Error| fault(ErrorKind::Write, "cannot look for rows that are one in the target", e);
    execute(&mut session, "BEGIN".into()).await.map_err(|e| failed(&e))?;
    make_place(&mut session).await.map_err(|e| failed(&e))?;
    for statement in &script.before {
        run(&mut session, statement).await?;
    }
    write::copy_in(&mut session, &quote(&table.name), table, None, &mut rows).await?;
    let found = ask(&mut session, table, key).await.map_err(|e| failed(&e))?;
    execute(&mut session, "ROLLBACK".into()).await.map_err(|e| failed(&e))?;
    let _ = session.close().await;
    Ok(found)
}

async fn ask(
    session: &mut PgConnection,
    table: &TablePlan,
    key: &IndexPlan,
) -> std::result::Result<Matching, sqlx::Error> {
    let shown = |name: &str| format!("{name}::text");
    let sql = condition::collisions(table, &quote(&table.name), key, quote, shown);
    let mut found = Matching::default();
    for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(session).await? {
        found.rows = u64::try_from(row.try_get::<i64, _>(table.key.len())?).unwrap_or_default();
        if !table.key.is_empty() {
            found.keys.push(key_text(&table.key, &row)?);
        }
    }
    Ok(found)
}
