//! Whether the servers of a run still answer. A connection on which nothing comes may be a server that builds an index,
//! or a network that has swallowed it; the drivers wait for ever, and the operating system too where nothing is being
//! sent. So a small session beside the work asks each server now and then for an answer that costs it nothing. What the
//! work itself waits for may take as long as it likes; only a server that does not even answer that ends it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::connect;
use crate::model::endpoint::{Endpoint, Location};
use crate::model::error::{Error, ErrorKind, Result};

/// How many times the endpoint's `connect_timeout` a server may be silent.
const PATIENCE: u32 = 3;

/// How long work may take to end in good order once a server is silent.
const GRACE: Duration = Duration::from_secs(10);

/// How long something is closed in good form before it is just let go.
pub const FAREWELL: Duration = Duration::from_secs(2);

/// A session that only asks whether the server is there.
#[async_trait]
pub trait Pulse: Send {
    /// Asks, and waits for the answer.
    async fn beat(&mut self) -> Result<()>;
}

/// Watches the servers of a run until it is dropped.
#[derive(Debug)]
pub struct Watch {
    user: CancellationToken,
    stop: CancellationToken,
    silent: CancellationToken,
    silence: Arc<OnceLock<Silence>>,
    watchers: Vec<JoinHandle<()>>,
}

/// What was found.
#[derive(Debug)]
struct Silence {
    shown: String,
    why: String,
}

impl Watch {
    /// Begins to watch the servers among these endpoints; files need no watching.
    pub fn over(endpoints: &[&Endpoint], cancel: &CancellationToken) -> Self {
        let silence = Arc::new(OnceLock::new());
        let (stop, silent) = (cancel.child_token(), CancellationToken::new());
        let servers = endpoints
            .iter()
            .filter(|e| matches!(e.location, Location::Postgres(_) | Location::Mysql(_)))
            .map(|endpoint| {
                let (endpoint, silence) = ((*endpoint).clone(), silence.clone());
                let (stop, silent) = (stop.clone(), silent.clone());
                tokio::spawn(async move {
                    let why = watch(endpoint.pool.connect_timeout, || connect::pulse(&endpoint)).await;
                    // The first that is silent is the one to tell.
                    let _ = silence.set(Silence { shown: endpoint.to_string(), why });
                    silent.cancel();
                    stop.cancel();
                })
            });
        let watchers = servers.collect();
        Self { user: cancel.clone(), stop, silent, silence, watchers }
    }

    /// Watches nothing.
    pub fn none(cancel: &CancellationToken) -> Self {
        Self::over(&[], cancel)
    }

    /// Ends what is going on: at an interruption, and when a server is silent.
    pub fn cancel(&self) -> &CancellationToken {
        &self.stop
    }

    /// The failure, once a server is silent.
    pub fn silence(&self) -> Option<Error> {
        let found = self.silence.get().filter(|_| !self.user.is_cancelled())?;
        Some(
            Error::new(ErrorKind::Lost, format!("{} does not answer any more", found.shown))
                .why(&found.why)
                .next("see whether the server is up and the network lets through, then run the same command again"),
        )
    }

    /// Works as long as the servers answer. What does not end in good order once one is silent is let go.
    pub fn attend<'a, T>(
        &'a self,
        work: impl Future<Output = Result<T>> + 'a,
    ) -> impl Future<Output = Result<T>> + 'a
    where
        T: 'a,
    {
        // On the heap: it is everything that a command does.
        self.attended(Box::pin(work))
    }

    async fn attended<T>(&self, mut work: Pin<Box<impl Future<Output = Result<T>>>>) -> Result<T> {
        let ended = tokio::select! {
            biased;
            // It may hear of the silence before we do.
            done = &mut work => Ok(done),
            () = self.silent.cancelled() => timeout(GRACE, work).await,
        };
        match (ended, self.silence()) {
            (Ok(Err(error)), Some(silence)) if error.kind() == ErrorKind::Interrupted => Err(silence),
            (Ok(done), _) => done,
            (Err(_), Some(silence)) => Err(silence),
            (Err(_), None) => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for watcher in &self.watchers {
            watcher.abort();
        }
    }
}

/// Closes something: for a while in good form, since a server may not answer, and then by letting it go, which ends a
/// connection as well.
pub async fn briefly(closing: impl Future<Output = ()>) {
    let _ = timeout(FAREWELL, closing).await;
}

/// Asks again and again; ends with the reason why nothing is to be expected of this server any more.
async fn watch<F>(answer_within: Duration, open: impl Fn() -> F) -> String
where
    F: Future<Output = Result<Box<dyn Pulse>>>,
{
    let patience = answer_within * PATIENCE;
    // Most runs are over before anybody has to be asked.
    let pause = (answer_within / 2).max(Duration::from_millis(100));
    let silent = || format!("no answer to a second connection within {} s", patience.as_secs());
    loop {
        sleep(pause).await;
        // A refusal is an answer: there may be no connection left for this, and then the run goes unwatched.
        let mut pulse = match timeout(patience, opened(answer_within, &open)).await {
            Ok(Some(pulse)) => pulse,
            Ok(None) => continue,
            Err(_) => return silent(),
        };
        loop {
            match timeout(patience, pulse.beat()).await {
                Ok(Ok(())) => sleep(pause).await,
                // What has broken this session has broken the others; those that only wait never hear of it.
                Ok(Err(error)) => {
                    sleep(patience).await;
                    return error.reason().unwrap_or(error.what()).to_owned();
                }
                Err(_) => return silent(),
            }
        }
    }
}

/// Opens a session, again and again while nothing answers; `None` if the server refuses it.
async fn opened<F>(answer_within: Duration, open: &impl Fn() -> F) -> Option<Box<dyn Pulse>>
where
    F: Future<Output = Result<Box<dyn Pulse>>>,
{
    loop {
        let begun = Instant::now();
        match open().await {
            Ok(pulse) => return Some(pulse),
            Err(_) if begun.elapsed() >= answer_within => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Answers a few times, and then does what it is told.
    struct Fake {
        beats: u32,
        then: Then,
    }

    #[derive(Clone, Copy)]
    enum Then {
        Nothing,
        Broken,
    }

    #[async_trait]
    impl Pulse for Fake {
        async fn beat(&mut self) -> Result<()> {
            if self.beats > 0 {
                self.beats -= 1;
                return Ok(());
            }
            match self.then {
                Then::Nothing => std::future::pending().await,
                Then::Broken => Err(Error::new(ErrorKind::Lost, "lost").why("reset by peer")),
            }
        }
    }

    const SHORT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn only_silence_and_a_broken_session_end_the_watch() {
        for (then, word) in [(Then::Nothing, "no answer"), (Then::Broken, "reset by peer")] {
            let opened = AtomicU32::new(0);
            let why = watch(SHORT, || async {
                // A refusal at first.
                if opened.fetch_add(1, Ordering::Relaxed) == 0 {
                    return Err(Error::new(ErrorKind::Login, "too many connections"));
                }
                Ok(Box::new(Fake { beats: 3, then }) as Box<dyn Pulse>)
            });
            assert!(why.await.contains(word), "{word}");
            assert_eq!(opened.load(Ordering::Relaxed), 2);
        }
        let open = || async { Ok(Box::new(Fake { beats: u32::MAX, then: Then::Nothing }) as Box<dyn Pulse>) };
        assert!(timeout(SHORT * 20, watch(SHORT, open)).await.is_err());
        let unreachable = || async {
            sleep(SHORT).await;
            Err(Error::new(ErrorKind::Unreachable, "no answer within 0 s"))
        };
        assert!(watch(SHORT, unreachable).await.contains("no answer"));
    }

    #[tokio::test]
    async fn work_is_told_and_then_let_go() {
        let user = CancellationToken::new();
        let watch = Watch::none(&user);
        assert_eq!(watch.attend(async { Ok(7) }).await.unwrap(), 7);
        let _ = watch.silence.set(Silence { shown: "postgresql://h/d".into(), why: "no answer".into() });
        watch.silent.cancel();
        watch.stop.cancel();
        let orderly = async {
            watch.cancel().cancelled().await;
            Err::<(), _>(Error::new(ErrorKind::Interrupted, "interrupted"))
        };
        let error = watch.attend(orderly).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.what()),
            (ErrorKind::Lost, "postgresql://h/d does not answer any more")
        );
        // Whoever presses Ctrl-C has interrupted, whatever else is the matter.
        user.cancel();
        assert!(watch.silence().is_none());
    }
}
