//! One run a target, and what dead ones have left in it. Advisory locks say who lives: the server gives them back
//! however a session ends.

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::{COMMENT, drop_schema, exchange, lock_key, schema_name, try_lock};
use crate::engine::capability::Claim;
use crate::engine::claim::taken;
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::fault::fault;
use crate::model::error::{ErrorKind, Result};

/// A session that holds the lock of a target.
struct Held(PgConnection);

#[async_trait]
impl Claim for Held {
    async fn release(self: Box<Self>) {
        let _ = self.0.close().await;
    }
}

/// Takes a schema of the target for one run.
pub(in crate::engine::postgres) async fn claim(
    connector: &Connector,
    namespace: &str,
) -> Result<Box<dyn Claim>> {
    let mut session = connector.session().await?;
    let free = try_lock(&mut session, &format!("techcare_db_target {namespace}")).await;
    if free.map_err(|e| fault(ErrorKind::Read, "cannot lock the target", &e))? {
        return Ok(Box::new(Held(session)));
    }
    Err(taken(connector.shown()))
}

/// Drops the staging schemas of dead runs, but for that of the run `keep`, and schemas that only say of a switch that it
/// has happened: the history of this TechCare folder has been asked before.
pub(in crate::engine::postgres) async fn clear(
    connector: &Connector,
    keep: Option<&str>,
) -> Result<Vec<String>> {
    let mut session = connector.session().await?;
    let keep = keep.map(schema_name);
    let cleared = async {
        let mut removed = Vec::new();
        for schema in dead(&mut session).await? {
            if keep.as_ref() == Some(&schema) {
                continue;
            }
            drop_schema(&mut session, &schema).await?;
            removed.push(format!("schema {schema}"));
        }
        removed.extend(exchange::clear_marks(&mut session).await?);
        Ok::<_, sqlx::Error>(removed)
    };
    let removed = cleared.await.map_err(|e| {
        fault(ErrorKind::Write, "cannot remove what an earlier run has left in the target", &e)
    })?;
    let _ = session.close().await;
    Ok(removed)
}

/// Staging schemas of dead runs: those with our name and comment whose lock nobody holds.
pub(super) async fn dead(session: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    const OURS: &str = "
SELECT n.nspname::text FROM pg_namespace n
WHERE n.nspname LIKE 'techcare\\_db\\_stage\\_%' AND obj_description(n.oid, 'pg_namespace') = $1
  AND pg_has_role(n.nspowner, 'USAGE')";
    let schemas: Vec<String> = sqlx::query_scalar(OURS).bind(COMMENT).fetch_all(&mut *session).await?;
    let mut dead = Vec::new();
    for schema in schemas {
        if try_lock(session, &schema).await? {
            sqlx::query("SELECT pg_advisory_unlock($1)")
                .bind(lock_key(&schema))
                .execute(&mut *session)
                .await?;
            dead.push(schema);
        }
    }
    Ok(dead)
}
