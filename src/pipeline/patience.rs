//! How long is waited for what others have: pauses that grow and differ, and a limit to all of them together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The pauses that are left to one process, whoever makes them.
pub struct Patience(Mutex<ExponentialBackoff>);

impl Patience {
    /// So much in all.
    pub fn new(total: Duration) -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(15))
            .with_jitter()
            .without_max_times()
            .with_total_delay(Some(total));
        Self(Mutex::new(pauses.build()))
    }

    /// The next pause; `None` where there is to be no more.
    pub fn next(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pauses_together_have_a_limit() {
        assert_eq!(Patience::new(Duration::ZERO).next(), None);
        let patience = Patience::new(Duration::from_secs(60));
        let all: Duration = std::iter::from_fn(|| patience.next()).sum();
        assert!(all > Duration::from_secs(30) && all <= Duration::from_secs(60), "{all:?}");
        assert_eq!(patience.next(), None);
    }
}
