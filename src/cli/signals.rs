//! Ctrl-C and SIGTERM: the first asks the work to stop and clean up, the second leaves at once.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::model::error::ErrorKind;

/// Listens for the rest of the process.
pub fn listen(cancel: CancellationToken, progress: Arc<Progress>) {
    let signals = Signals::new();
    tokio::spawn(async move {
        let Some(mut signals) = signals else { return };
        signals.next().await;
        cancel.cancel();
        progress.note("interrupted: cleaning up; once more leaves at once");
        signals.next().await;
        progress.finish();
        leave();
    });
}

/// The one place that ends the process without unwinding: the user has asked for it twice.
#[allow(clippy::exit, reason = "see above")]
fn leave() -> ! {
    std::process::exit(i32::from(ErrorKind::Interrupted.exit_code()))
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// `None` where they cannot be listened to: the default action stands then.
    fn new() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Some(Self {
            interrupt: signal(SignalKind::interrupt()).ok()?,
            terminate: signal(SignalKind::terminate()).ok()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Option<Self> {
        Some(Self)
    }

    async fn next(&mut self) {
        // An error means that there is nothing to listen to: wait for ever.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
