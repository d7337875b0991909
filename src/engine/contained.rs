//! A wall around the drivers while they say hello: they read a server's first packets without asking how long those
//! are, so whatever else listens on a port, or pretends, makes them panic.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;

/// Why such a connection comes to nothing.
pub const NO_SERVER: &str = "what answers there does not speak the protocol of such a server";

/// The answer of a driver; `None` if it panicked. What it was working on must not be used any more then.
pub async fn contained<F: Future>(work: F) -> Option<F::Output> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}
