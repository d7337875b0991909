//! The one door for work that blocks (SQLite, files): it runs on tokio's blocking threads, and a panic there
//! becomes an error instead of a hang.

use crate::model::error::{Error, Result};

/// Runs blocking work on a thread of its own and waits for it.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // What a panic says may hold a value of a row.
        Err(_) => Err(Error::internal("a worker thread ended without an answer")),
    }
}
