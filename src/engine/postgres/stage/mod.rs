//! Where a migration is built before anybody sees it: a schema of its own (`apart`), or one transaction over tables
//! that are there (`live`). This file has what both need: rights, locks, stale leftovers, and how a lost reply to a
//! COMMIT is settled.

mod apart;
mod collisions;
mod exchange;
mod journal;
mod leftovers;
mod live;
mod occupied;
pub(super) mod orphans;
mod replace;
mod staying;
pub(super) mod whole;

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};
use xxhash_rust::xxh3::xxh3_64;

pub(super) use apart::{make_schema, remove_schema};
pub(super) use collisions::{altered, collisions, refusal};
pub(super) use exchange::{back, exchange, happened, settle};
pub(super) use journal::{Ledger, unfinished};
pub(super) use leftovers::{claim, clear};
pub(super) use occupied::occupied;

use super::connect::Connector;
use super::fault::{self, fault};
use super::types::quote;
use crate::engine::capability::Staging;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Scope, Script, Statement};

/// Every staging schema begins so.
const PREFIX: &str = "techcare_db_stage_";

/// What a staging schema of ours says of itself; a schema without it is not touched, whatever its name.
const COMMENT: &str = "techcare-db: tables of a migration that is not finished";

/// Times that a server which went away is looked for before giving up, a second apart.
const ATTEMPTS: u32 = 20;

/// Opens a staging place for a plan.
pub(super) async fn open(
    connector: &Connector,
    namespace: &str,
    run: &str,
    plan: &Plan,
    script: Script,
) -> Result<Box<dyn Staging>> {
    if plan.scope == Scope::DataOnly {
        return Ok(Box::new(live::LiveStaging::open(connector, namespace, run, plan, script).await?));
    }
    Ok(Box::new(apart::ApartStaging::open(connector, namespace, run, plan, script).await?))
}

/// Takes over what a dead run has staged.
pub(super) async fn resume(
    connector: &Connector,
    namespace: &str,
    run: &str,
    plan: &Plan,
    script: Script,
) -> Result<Box<dyn Staging>> {
    Ok(Box::new(apart::ApartStaging::take_over(connector, namespace, run, plan, script).await?))
}

/// Name of a run's staging schema.
pub(super) fn schema_name(run: &str) -> String {
    schema_of(PREFIX, run)
}

/// Name of a schema of a run.
fn schema_of(prefix: &str, run: &str) -> String {
    let id = run.chars().filter(char::is_ascii_alphanumeric).take(40).collect::<String>();
    format!("{prefix}{}", id.to_ascii_lowercase())
}

/// Key of the advisory lock that a living run holds on its staging schema.
fn lock_key(schema: &str) -> i64 {
    i64::from_be_bytes(xxh3_64(schema.as_bytes()).to_be_bytes())
}

/// Takes the lock if nobody holds it. It lasts as long as the session.
async fn try_lock(session: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock_key(schema)).fetch_one(session).await
}

/// Drops a staging schema: at once, or, where that takes more locks than the server has, in groups of tables.
async fn drop_schema(session: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    const AT_ONCE: usize = 200;
    let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", quote(schema));
    match execute(session, drop.clone()).await {
        Err(cause) if fault::code(&cause).as_deref() == Some("53200") => {}
        done => return done,
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relkind = 'r'",
    )
    .bind(schema)
    .fetch_all(&mut *session)
    .await?;
    for group in tables.chunks(AT_ONCE) {
        let names = group.iter().map(|t| format!("{}.{}", quote(schema), quote(t))).collect::<Vec<_>>();
        execute(session, format!("DROP TABLE {} CASCADE", names.join(", "))).await?;
    }
    execute(session, drop).await
}

/// Runs statements that we have made ourselves.
pub(super) async fn execute(session: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(session).await.map(drop)
}

/// Runs one statement of a script.
async fn run(session: &mut PgConnection, statement: &Statement) -> Result<()> {
    tracing::debug!(sql = statement.sql, "statement");
    execute(session, statement.sql.clone())
        .await
        .map_err(|e| fault(ErrorKind::Write, format!("cannot make {}", statement.what), &e))
}

/// Number of the running transaction, to ask later what became of it.
async fn transaction(session: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT txid_current()").fetch_one(session).await
}

/// Commits. A reply that got lost is settled by asking the server what became of the transaction.
async fn commit(
    session: &mut PgConnection,
    connector: &Connector,
    transaction: i64,
    what: &str,
) -> Result<()> {
    let Err(cause) = execute(session, "COMMIT".into()).await else { return Ok(()) };
    let error = fault(ErrorKind::Write, format!("cannot make {what} visible"), &cause);
    if error.kind() != ErrorKind::Lost {
        return Err(error);
    }
    match outcome(connector, transaction).await {
        Some(Outcome::Committed) => Ok(()),
        Some(Outcome::Aborted) => Err(error),
        Some(Outcome::Forgotten) | None => Err(error.next(format!(
            "the connection broke in the moment of the switch: ask {} with SELECT txid_status({transaction}) whether it happened",
            connector.shown()
        ))),
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Committed,
    Aborted,
    /// The server does not know any more: it was too long ago.
    Forgotten,
}

/// Asks what became of a transaction, also where the server is only just coming back; `None` where it cannot be asked, or
/// is still at work on it.
async fn outcome(connector: &Connector, transaction: i64) -> Option<Outcome> {
    for _ in 0..ATTEMPTS {
        match status(connector, transaction).await {
            Ok(Some(status)) if status == "committed" => return Some(Outcome::Committed),
            Ok(Some(status)) if status == "aborted" => return Some(Outcome::Aborted),
            Ok(None) => return Some(Outcome::Forgotten),
            // In progress: the server has not noticed yet that we are gone. Unreachable: it may come back.
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
    None
}

async fn status(connector: &Connector, transaction: i64) -> Result<Option<String>> {
    let mut session = connector.session().await?;
    sqlx::query_scalar("SELECT txid_status($1)")
        .bind(transaction)
        .fetch_one(&mut session)
        .await
        .map_err(|e| fault(ErrorKind::Lost, "cannot ask what became of the switch", &e))
}

/// A session, also when the server is only just coming back.
async fn session_again(connector: &Connector) -> Result<PgConnection> {
    let mut attempt = 1;
    loop {
        match connector.session().await {
            Err(error) if error.kind().is_transient() && attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            answer => return answer,
        }
    }
}

/// Fails with the statement that mends it when a right is missing that building apart needs.
async fn check_rights(session: &mut PgConnection, connector: &Connector, namespace: &str) -> Result<()> {
    const RIGHTS: &str = "
SELECT pg_is_in_recovery() AS standby, current_user::text AS who,
       EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS schema_exists,
       has_database_privilege(current_database(), 'CREATE') AS may_make_schemas,
       coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), false) AS may_make_tables";
    let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot ask for the rights in the target", e);
    let row = sqlx::query(RIGHTS).bind(namespace).fetch_one(session).await.map_err(|e| failed(&e))?;
    let is = |name: &str| row.try_get::<bool, _>(name).map_err(|e| failed(&e));
    let who: String = row.try_get("who").map_err(|e| failed(&e))?;
    let refuse = |kind, what: String, next: String| Err(Error::new(kind, what).next(next));
    if is("standby")? {
        return refuse(
            ErrorKind::Permission,
            format!("{} is a standby and takes no writes", connector.shown()),
            "name the primary server".into(),
        );
    }
    if !is("schema_exists")? {
        return refuse(
            ErrorKind::Refused,
            format!("database {:?} has no schema {namespace:?}", connector.database()),
            format!("CREATE SCHEMA {}", quote(namespace)),
        );
    }
    if !is("may_make_schemas")? {
        return refuse(
            ErrorKind::Permission,
            format!("user {who:?} may not create a schema in database {:?}", connector.database()),
            format!("GRANT CREATE ON DATABASE {} TO {}", quote(connector.database()), quote(&who)),
        );
    }
    if !is("may_make_tables")? {
        return refuse(
            ErrorKind::Permission,
            format!("user {who:?} may not create tables in schema {namespace:?}"),
            format!("GRANT CREATE ON SCHEMA {} TO {}", quote(namespace), quote(&who)),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staging_is_named_after_its_run() {
        let name = schema_name("0193-ABCD; DROP");
        assert_eq!(name, "techcare_db_stage_0193abcddrop");
        assert!(schema_name(&"f".repeat(100)).len() <= 63);
        assert_ne!(lock_key("a"), lock_key("b"));
    }
}
