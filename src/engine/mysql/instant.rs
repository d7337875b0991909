//! One instant of a server for several sessions: each begins a transaction with a view of its own, and all of them see
//! the same only if nobody writes meanwhile.

use std::time::Duration;

use sqlx::MySqlConnection;
use tokio::time::{Instant, sleep};

use super::connection::{LOCK_WAIT_TIMEOUT, Link, Role, WAIT_TIMEOUT, rows, run};
use super::fault;
use crate::model::endpoint::Flavour;
use crate::model::error::Result;

/// How long, in seconds, is tried to have writers rest.
const PATIENCE: u64 = 2;

/// Sessions that all see one instant, at least one. Several take the right to let writers rest (`RELOAD`, and in MySQL
/// `PROCESS`) and writers that can be had to rest within [`PATIENCE`].
pub async fn of(link: &Link, flavour: Flavour, readers: usize) -> Result<Vec<MySqlConnection>> {
    let mut sessions = vec![link.connect(Role::Reader).await?];
    // Before writers rest, so that they do so no longer than they have to. A server without room for more has fewer.
    while sessions.len() < readers
        && let Ok(session) = link.connect(Role::Reader).await
    {
        sessions.push(session);
    }
    if sessions.len() == 1
        || flavour == Flavour::Mysql && !is_quick(&mut sessions[0]).await?
        || !pause_writers(&mut sessions[0]).await?
    {
        sessions.truncate(1);
        begin(&mut sessions[0]).await?;
        return Ok(sessions);
    }
    let mut begun = Ok(());
    for session in &mut sessions {
        begun = begun.and(begin(session).await);
    }
    let resumed = resume_writers(&mut sessions[0]).await;
    begun?;
    resumed?;
    Ok(sessions)
}

async fn begin(connection: &mut MySqlConnection) -> Result<()> {
    for sql in [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ] {
        run(connection, sql).await.map_err(|e| fault::reading("the source", &e))?;
    }
    Ok(())
}

/// Whether every statement of the server ends soon. MySQL closes all tables before writers rest: whoever wants one that a
/// long statement has open waits from then on until that ends, also after the request was given up (observed with 9.7;
/// MariaDB leaves tables open). Without the right to see what others run the answer is no.
async fn is_quick(connection: &mut MySqlConnection) -> Result<bool> {
    // The first of the two is refused without the right, the second shows less.
    let sql = "SELECT (SELECT COUNT(*) FROM information_schema.innodb_trx), \
               (SELECT COUNT(*) FROM information_schema.processlist WHERE command IN ('Query', 'Execute', 'Fetch') \
                AND user NOT IN ('system user', 'event_scheduler') AND time >= 1 AND id <> CONNECTION_ID())";
    let begun = Instant::now();
    loop {
        let Ok(found) = rows(connection, "the server's statements", sql).await else { return Ok(false) };
        if found.first().and_then(|row| row.number(1)) == Some(0) {
            return Ok(true);
        }
        if begun.elapsed() >= Duration::from_secs(PATIENCE) {
            return Ok(false);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Asks that nobody writes for a moment; `false` if that may not be had.
async fn pause_writers(connection: &mut MySqlConnection) -> Result<bool> {
    let paused = async {
        // If this program is not heard of any more, the server ends its session and lets writers go on.
        run(connection, &format!("SET SESSION lock_wait_timeout={PATIENCE}, wait_timeout=10")).await?;
        run(connection, "FLUSH TABLES WITH READ LOCK").await
    };
    match paused.await {
        Ok(()) => Ok(true),
        Err(error) if fault::number(&error).is_some() => {
            patient(connection).await?;
            Ok(false)
        }
        Err(error) => Err(fault::reading("the source", &error)),
    }
}

async fn resume_writers(connection: &mut MySqlConnection) -> Result<()> {
    run(connection, "UNLOCK TABLES").await.map_err(|e| fault::reading("the source", &e))?;
    patient(connection).await
}

/// As patient as every session of this program: the other end of a migration may be slow.
async fn patient(connection: &mut MySqlConnection) -> Result<()> {
    let sql = format!("SET SESSION wait_timeout={WAIT_TIMEOUT}, lock_wait_timeout={LOCK_WAIT_TIMEOUT}");
    run(connection, &sql).await.map_err(|e| fault::reading("the source", &e))
}
