//! One instant of a server for several sessions: each begins a transaction with a view of its own, and all of them see
//! the same only if nobody writes meanwhile.

use sqlx::MySqlConnection;

use super::connection::{LOCK_WAIT_TIMEOUT, Link, Role, WAIT_TIMEOUT, run};
use super::fault;
use crate::model::error::Result;

/// Sessions that all see one instant, at least one. Several take the right to let writers rest (`RELOAD`) and writers
/// that can be had to rest within two seconds.
pub async fn of(link: &Link, readers: usize) -> Result<Vec<MySqlConnection>> {
    let mut sessions = vec![link.connect(Role::Reader).await?];
    // Before writers rest, so that they do so no longer than they have to. A server without room for more has fewer.
    while sessions.len() < readers
        && let Ok(session) = link.connect(Role::Reader).await
    {
        sessions.push(session);
    }
    if sessions.len() == 1 || !pause_writers(&mut sessions[0]).await? {
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

/// Asks that nobody writes for a moment; `false` if that may not be had.
async fn pause_writers(connection: &mut MySqlConnection) -> Result<bool> {
    let paused = async {
        // If this program is not heard of any more, the server ends its session and lets writers go on.
        run(connection, "SET SESSION lock_wait_timeout=2, wait_timeout=10").await?;
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
