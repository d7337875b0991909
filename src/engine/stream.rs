//! The bounded road between one reader and one writer. It holds a few batches, each bounded in bytes by its
//! reader, and gives written batches back to be filled again, so memory stays flat whatever the size of a table. A
//! large batch (one very long value) is on the road alone: its reader goes on when the writer has let go of it, so a
//! writer must not wait for the next batch while it holds a large one.

use std::sync::{Arc, Mutex, PoisonError};

use futures::executor::block_on;
use tokio::sync::{Semaphore, mpsc};

use super::judge::Judge;
use crate::model::batch::{Batch, Shape};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::mark::Mark;

/// Batches in flight between a reader and a writer.
pub const DEPTH: usize = 3;

type Spare = Arc<Mutex<Vec<Batch>>>;
type Tap = Arc<dyn Fn(&mut Batch) + Send + Sync>;

/// Reader's end.
#[derive(Clone)]
pub struct BatchSender {
    shape: Arc<Shape>,
    batches: mpsc::Sender<Batch>,
    spare: Spare,
    /// Held by a large batch as long as it is there.
    large: Arc<Semaphore>,
    tap: Option<Tap>,
    judge: Option<Arc<dyn Judge>>,
}

/// Writer's end.
#[derive(Debug)]
pub struct BatchReceiver {
    shape: Arc<Shape>,
    batches: mpsc::Receiver<Batch>,
    spare: Spare,
}

/// A new road for rows of that shape.
pub fn channel(shape: Arc<Shape>) -> (BatchSender, BatchReceiver) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    let spare = Spare::default();
    let sender = BatchSender {
        shape: shape.clone(),
        batches: sender,
        spare: spare.clone(),
        large: Arc::new(Semaphore::new(1)),
        tap: None,
        judge: None,
    };
    (sender, BatchReceiver { shape, batches: receiver, spare })
}

impl BatchSender {
    /// What the rows look like.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Shows every batch to `tap` before it is handed on, on the reader's own thread: digests and progress are
    /// taken here, where the bytes are still in the processor's cache.
    #[must_use]
    pub fn tapped(mut self, tap: impl Fn(&Batch) + Send + Sync + 'static) -> Self {
        self.tap = Some(Arc::new(move |batch: &mut Batch| tap(batch)));
        self
    }

    /// The same for a tap that says of every batch how far the table has come with it.
    #[must_use]
    pub fn marked(mut self, tap: impl Fn(&Batch) -> Mark + Send + Sync + 'static) -> Self {
        self.tap = Some(Arc::new(move |batch: &mut Batch| batch.set_mark(tap(batch))));
        self
    }

    /// Tells the other end that the table is complete, which a road that merely ends does not.
    pub async fn complete(&self, mark: Mark) -> Result<()> {
        let mut last = self.fresh();
        last.set_mark(Mark { complete: true, ..mark });
        self.batches.send(last).await.map_err(|_| gone())
    }

    /// Lets `judge` decide about values that do not fit. Batches are screened before they are shown to a tap.
    #[must_use]
    pub fn judged(mut self, judge: Arc<dyn Judge>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Whoever decides about values that do not fit.
    pub fn judge(&self) -> Option<&dyn Judge> {
        self.judge.as_deref()
    }

    /// An empty batch: one that came back, or a new one.
    pub fn fresh(&self) -> Batch {
        let back = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        back.unwrap_or_else(|| Batch::new(self.shape.clone()))
    }

    /// Hands a batch on; waits while the road is full, and until a large one is gone. An error of kind `Interrupted`
    /// means that the other end is gone and the reader should stop.
    pub async fn send(&self, mut batch: Batch) -> Result<()> {
        self.show(&mut batch)?;
        if !batch.is_large() {
            return self.batches.send(batch).await.map_err(|_| gone());
        }
        let alone = self.large.clone().acquire_owned().await.map_err(|_| gone())?;
        batch.hold(Arc::new(alone));
        self.batches.send(batch).await.map_err(|_| gone())?;
        self.large.acquire().await.map(drop).map_err(|_| gone())
    }

    /// The same from a thread that may block.
    pub fn blocking_send(&self, batch: Batch) -> Result<()> {
        block_on(self.send(batch))
    }

    fn show(&self, batch: &mut Batch) -> Result<()> {
        if let Some(judge) = &self.judge {
            judge.screen(batch)?;
        }
        if let Some(tap) = &self.tap {
            tap(batch);
        }
        Ok(())
    }
}

impl BatchReceiver {
    /// What the rows look like.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// The next batch; `None` when the reader is done (or gone: its own result tells).
    pub async fn recv(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// The same from a thread that may block.
    pub fn blocking_recv(&mut self) -> Option<Batch> {
        self.batches.blocking_recv()
    }

    /// Takes every batch until the reader is done, and gives each back when `take` has seen it. An error of `take`
    /// closes the road, so that the reader stops too.
    pub async fn drain(mut self, mut take: impl FnMut(&Batch) -> Result<()>) -> Result<()> {
        while let Some(batch) = self.recv().await {
            take(&batch)?;
            self.recycle(batch);
        }
        Ok(())
    }

    /// Gives a batch back to the reader.
    pub fn recycle(&self, mut batch: Batch) {
        batch.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < DEPTH {
            spare.push(batch);
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Interrupted, "stopped reading because nobody takes the rows any more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::Cell;

    fn shape() -> Arc<Shape> {
        Arc::new(Shape { table: "t".into(), columns: vec![], key: vec![] })
    }

    #[tokio::test]
    async fn batches_arrive_and_return() {
        let (sender, mut receiver) = channel(shape());
        let mut batch = sender.fresh();
        batch.push(Cell::Null);
        sender.send(batch).await.unwrap();
        drop(sender);
        let batch = receiver.recv().await.unwrap();
        receiver.recycle(batch);
        assert!(receiver.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_large_batch_is_alone_until_it_is_gone() {
        use std::time::Duration;

        use tokio::time::timeout;

        use crate::model::batch::LARGE_BATCH_BYTES;

        let (sender, mut receiver) = channel(shape());
        let large = || {
            let mut batch = sender.fresh();
            batch.push_text(&"x".repeat(LARGE_BATCH_BYTES));
            batch
        };
        let short = Duration::from_millis(20);
        for given_back in [true, false] {
            let mut sent = std::pin::pin!(sender.send(large()));
            assert!(timeout(short, &mut sent).await.is_err());
            let batch = receiver.recv().await.unwrap();
            assert!(timeout(short, &mut sent).await.is_err());
            if given_back {
                receiver.recycle(batch);
            } else {
                drop(batch);
            }
            sent.await.unwrap();
        }
        drop(receiver);
        assert_eq!(sender.send(large()).await.unwrap_err().kind(), ErrorKind::Interrupted);
    }

    #[tokio::test]
    async fn a_tap_sees_every_batch() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = seen.clone();
        let (sender, mut receiver) = channel(shape());
        let sender = sender.tapped(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        for _ in 0..2 {
            sender.send(sender.fresh()).await.unwrap();
            receiver.recv().await.unwrap();
        }
        assert_eq!(seen.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_reader_learns_that_the_writer_is_gone() {
        let (sender, receiver) = channel(shape());
        drop(receiver);
        let error = sender.send(sender.fresh()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
}
