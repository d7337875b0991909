//! One table on its way: the reader fills batches, the digest and the progress are taken where they are filled,
//! the writer drains them. Nothing here knows which engines are at the ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::engine::capability::{ReadColumn, ReadRequest, Snapshot, Staging};
use crate::engine::judge::Judge;
use crate::engine::stream::{self, BatchReceiver, BatchSender};
use crate::model::batch::{Batch, Cell, DEFAULT_BATCH_BYTES, DEFAULT_BATCH_ROWS};
use crate::model::digest::Digest;
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Event, Observer};
use crate::model::mark::Mark;
use crate::model::plan::TablePlan;

/// Size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Most rows.
    pub rows: usize,
    /// Bytes at which a batch is handed on.
    pub bytes: usize,
}

impl Default for BatchSize {
    fn default() -> Self {
        Self { rows: DEFAULT_BATCH_ROWS, bytes: DEFAULT_BATCH_BYTES }
    }
}

/// What reading a table came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows and digest.
    pub digest: Digest,
    /// Bytes of values.
    pub bytes: u64,
}

/// What moving a table came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Copied {
    /// Of what was read, by an earlier run too where this one went on with it.
    pub read: Tally,
    /// Rows that the writers counted.
    pub written: u64,
    /// How many of them an earlier run had brought.
    pub before: u64,
    /// Rows that were put aside.
    pub rejected: u64,
    /// Rows that a rule left out.
    pub filtered: u64,
    /// Wall seconds.
    pub seconds: f64,
}

/// Which of its two databases a planned table is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where the rows come from.
    Source,
    /// Where they went.
    Target,
}

/// The request that reads a planned table on one side; both sides give the same cells for the same values.
pub fn request(table: &TablePlan, from: Side, size: BatchSize) -> ReadRequest {
    let name_of = |name: &String| {
        let column = table.columns.iter().find(|c| c.name == *name)?;
        Some(if from == Side::Source { column.source.clone() } else { column.name.clone() })
    };
    let copied: Vec<&str> = table.copied().map(|c| c.name.as_str()).collect();
    ReadRequest {
        table: if from == Side::Source { table.source.clone() } else { table.name.clone() },
        columns: table
            .copied()
            .map(|column| match from {
                Side::Source => ReadColumn {
                    name: column.source.clone(),
                    native_type: column.source_type.clone(),
                    carries: column.carries.clone(),
                    epoch: column.epoch,
                },
                Side::Target => ReadColumn {
                    name: column.name.clone(),
                    native_type: column.native_type.clone(),
                    carries: column.carries.clone(),
                    epoch: None,
                },
            })
            .collect(),
        key: table.key.iter().filter(|k| copied.contains(&k.as_str())).filter_map(name_of).collect(),
        batch_rows: size.rows.max(1),
        batch_bytes: size.bytes.max(1),
        after: None,
        condition: table.filter.as_ref().filter(|_| from == Side::Source).map(|f| f.condition.clone()),
        within: None,
    }
}

/// Counts and digests whatever goes through a sender, tells the observer, and says of each batch how far the table has
/// come with it.
#[derive(Clone)]
pub struct Counter(Arc<Mutex<Count>>);

#[derive(Default)]
struct Count {
    mark: Mark,
    /// Every key so far was one whole number, greater than those before.
    ordered: bool,
    scratch: Vec<u8>,
}

impl Count {
    fn add(&mut self, batch: &Batch) {
        self.mark.digest.add_batch(batch, &mut self.scratch);
        self.mark.bytes += batch.byte_size() as u64;
        self.ordered = self.ordered && self.follow(batch);
        if !self.ordered {
            self.mark.through = None;
        }
    }

    /// Whether the keys go on to grow.
    fn follow(&mut self, batch: &Batch) -> bool {
        let [at] = batch.shape().key[..] else { return false };
        batch.iter().all(|row| match row[at] {
            Cell::Int(key) => self.mark.through.replace(key).is_none_or(|last| last < key),
            _ => false,
        })
    }
}

impl Counter {
    /// A counter on `sender`; the sender that comes back is the one to read into.
    pub fn on(sender: BatchSender, table: &str, observer: &Arc<dyn Observer>) -> (Self, BatchSender) {
        Self::after(sender, table, Mark::default(), observer)
    }

    /// One that goes on from a mark.
    pub fn after(
        sender: BatchSender,
        table: &str,
        from: Mark,
        observer: &Arc<dyn Observer>,
    ) -> (Self, BatchSender) {
        let ordered = from.through.is_some() || from.digest.rows == 0;
        let counter = Self(Arc::new(Mutex::new(Count { mark: from, ordered, ..Count::default() })));
        let shared = counter.clone();
        let observer = observer.clone();
        let table = table.to_owned();
        let sender = sender.marked(move |batch: &Batch| {
            let mark = {
                let mut count = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                count.add(batch);
                count.mark
            };
            let (rows, bytes) = (batch.rows() as u64, batch.byte_size() as u64);
            observer.event(&Event::Rows { table: table.clone(), rows, bytes });
            mark
        });
        (counter, sender)
    }

    /// How far the table has come.
    pub fn mark(&self) -> Mark {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mark
    }

    /// What has gone through so far, and what the mark told of that it went on from.
    pub fn tally(&self) -> Tally {
        let mark = self.mark();
        Tally { digest: mark.digest, bytes: mark.bytes }
    }
}

/// Shows every batch that a read sends.
pub async fn each_batch<F>(
    request: &ReadRequest,
    read: impl FnOnce(BatchSender) -> F,
    mut show: impl FnMut(&Batch),
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let (sender, receiver) = stream::channel(request.shape());
    let drained = receiver.drain(|batch| {
        show(batch);
        Ok(())
    });
    let (read, drained) = tokio::join!(read(sender), drained);
    read.and(drained)
}

/// Count and digest of what a read sends.
pub async fn digest<F>(request: &ReadRequest, read: impl FnOnce(BatchSender) -> F) -> Result<Digest>
where
    F: Future<Output = Result<()>>,
{
    let (mut digest, mut scratch) = (Digest::default(), Vec::new());
    each_batch(request, read, |batch| digest.add_batch(batch, &mut scratch)).await?;
    Ok(digest)
}

/// Moves one table from a snapshot into staging, or what comes after a mark; `judge` decides about values that do not
/// fit.
pub async fn copy_table(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    table: &TablePlan,
    size: BatchSize,
    from: Mark,
    judge: Option<Arc<dyn Judge>>,
    observer: &Arc<dyn Observer>,
) -> Result<Copied> {
    let write = async |rows| staging.write(table, rows).await.map(|written| ((), written));
    let ((), copied) = carry(snapshot, table, size, from, judge, observer, write).await?;
    Ok(copied)
}

/// Reads one table of a snapshot, from a mark on, and lets `write` take its rows; what that returns beside their number comes back.
pub async fn carry<T, F>(
    snapshot: &dyn Snapshot,
    table: &TablePlan,
    size: BatchSize,
    from: Mark,
    judge: Option<Arc<dyn Judge>>,
    observer: &Arc<dyn Observer>,
    write: impl FnOnce(BatchReceiver) -> F,
) -> Result<(T, Copied)>
where
    F: Future<Output = Result<(T, u64)>>,
{
    let begun = Instant::now();
    observer.event(&Event::TableStarted { table: table.source.clone(), rows: table.estimated_rows });
    let request = ReadRequest { after: from.through, ..request(table, Side::Source, size) };
    let (sender, receiver) = stream::channel(request.shape());
    let (counter, sender) = Counter::after(sender, &table.source, from, observer);
    let sender = match judge {
        Some(judge) => sender.judged(judge),
        None => sender,
    };
    let read = async {
        let end = sender.clone();
        snapshot.read(&request, sender).await?;
        end.complete(counter.mark()).await
    };
    let (read, written) = tokio::join!(read, write(receiver));
    let (more, written) = both(read, written)?;
    observer.event(&Event::TableFinished { table: table.source.clone(), rows: written });
    let seconds = begun.elapsed().as_secs_f64();
    Ok((more, Copied { read: counter.tally(), written, seconds, ..Copied::default() }))
}

/// The result of a reader and its writer. A writer that fails makes its reader stop with `Interrupted`, so the
/// writer's own error is the one to tell; when both failed for reasons of their own, both are kept.
pub(super) fn both<T>(read: Result<()>, written: Result<T>) -> Result<T> {
    match (read, written) {
        (Ok(()), written) => written,
        (Err(read), Ok(_)) => Err(read),
        (Err(read), Err(mut written)) => {
            if read.kind() != ErrorKind::Interrupted {
                written.push(read);
            }
            Err(written)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};
    use crate::model::error::Error;

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "x")
    }

    #[test]
    fn a_mark_names_a_key_only_while_keys_grow() {
        let column = ShapeColumn { name: "id".into(), data_type: crate::model::schema::DataType::INT64 };
        let of = |keys: &[Cell]| {
            let shape = Shape { table: "t".into(), columns: vec![column.clone()], key: vec![0] };
            let mut batch = Batch::new(Arc::new(shape));
            for key in keys {
                batch.push(*key);
            }
            batch
        };
        let through = |from: Mark, batches: &[&[Cell]]| {
            let ordered = from.through.is_some() || from.digest.rows == 0;
            let mut count = Count { mark: from, ordered, ..Count::default() };
            for keys in batches {
                count.add(&of(keys));
            }
            count.mark.through
        };
        let new = Mark::default();
        assert_eq!(through(new, &[&[Cell::Int(-3), Cell::Int(5)], &[Cell::Int(9)]]), Some(9));
        assert_eq!(
            through(new, &[&[Cell::Int(1), Cell::Int(200_000_000_000_000_000)]]),
            Some(200_000_000_000_000_000)
        );
        assert_eq!(through(new, &[&[Cell::Int(5)], &[Cell::Int(5)]]), None);
        assert_eq!(through(new, &[&[Cell::Int(5), Cell::Int(4)], &[Cell::Int(9)]]), None);
        assert_eq!(through(new, &[&[Cell::UInt(u64::MAX)]]), None);
        assert_eq!(through(new, &[&[Cell::Int(5), Cell::Null]]), None);
        let from = Mark { through: Some(9), digest: crate::model::digest::Digest { rows: 2, sum: 1 }, ..new };
        assert_eq!(through(from, &[&[Cell::Int(10)]]), Some(10));
        assert_eq!(through(from, &[&[Cell::Int(9)]]), None);
        assert_eq!(through(Mark { through: None, ..from }, &[&[Cell::Int(10)]]), None);
    }

    #[test]
    fn the_cause_is_told_and_not_its_echo() {
        assert_eq!(both(Ok(()), Ok(3)).unwrap(), 3);
        let written =
            both::<u64>(Err(error(ErrorKind::Interrupted)), Err(error(ErrorKind::Space))).unwrap_err();
        assert_eq!((written.kind(), written.others().len()), (ErrorKind::Space, 0));
        let twice = both::<u64>(Err(error(ErrorKind::Value)), Err(error(ErrorKind::Lost))).unwrap_err();
        assert_eq!((twice.kind(), twice.others().len()), (ErrorKind::Lost, 1));
        let read = both(Err(error(ErrorKind::Value)), Ok(0)).unwrap_err();
        assert_eq!(read.kind(), ErrorKind::Value);
    }
}
