//! One table on its way: the reader fills batches, the digest and the progress are taken where they are filled,
//! the writer drains them. Nothing here knows which engines are at the ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::engine::capability::{ReadColumn, ReadRequest, Snapshot, Staging};
use crate::engine::judge::Judge;
use crate::engine::stream::{self, BatchReceiver, BatchSender};
use crate::model::batch::{Batch, DEFAULT_BATCH_BYTES, DEFAULT_BATCH_ROWS, Shape, ShapeColumn};
use crate::model::digest::Digest;
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Event, Observer};
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copied {
    /// Of what was read.
    pub read: Tally,
    /// Rows that the writer counted.
    pub written: u64,
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
        condition: table.filter.as_ref().filter(|_| from == Side::Source).map(|f| f.condition.clone()),
    }
}

/// Shape of the rows of a request.
pub fn shape(request: &ReadRequest) -> Arc<Shape> {
    let position = |name: &String| request.columns.iter().position(|c| c.name == *name);
    Arc::new(Shape {
        table: request.table.clone(),
        columns: request
            .columns
            .iter()
            .map(|c| ShapeColumn { name: c.name.clone(), data_type: c.carries.clone() })
            .collect(),
        key: request.key.iter().filter_map(position).collect(),
    })
}

/// Counts and digests whatever goes through a sender, and tells the observer.
#[derive(Clone)]
pub struct Counter {
    tally: Arc<Mutex<(Tally, Vec<u8>)>>,
}

impl Counter {
    /// A counter on `sender`; the sender that comes back is the one to read into.
    pub fn on(sender: BatchSender, table: &str, observer: &Arc<dyn Observer>) -> (Self, BatchSender) {
        let counter = Self { tally: Arc::default() };
        let tally = counter.tally.clone();
        let observer = observer.clone();
        let table = table.to_owned();
        let sender = sender.tapped(move |batch: &Batch| {
            let bytes = batch.byte_size() as u64;
            {
                let mut guard = tally.lock().unwrap_or_else(PoisonError::into_inner);
                let (tally, scratch) = &mut *guard;
                tally.digest.add_batch(batch, scratch);
                tally.bytes += bytes;
            }
            observer.event(&Event::Rows { table: table.clone(), rows: batch.rows() as u64, bytes });
        });
        (counter, sender)
    }

    /// What has gone through so far.
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Moves one table from a snapshot into staging; `judge` decides about values that do not fit.
pub async fn copy_table(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    table: &TablePlan,
    size: BatchSize,
    judge: Option<Arc<dyn Judge>>,
    observer: &Arc<dyn Observer>,
) -> Result<Copied> {
    let write = async |rows| staging.write(table, rows).await.map(|written| ((), written));
    let ((), copied) = carry(snapshot, table, size, judge, observer, write).await?;
    Ok(copied)
}

/// Reads one table of a snapshot and lets `write` take its rows; what that returns beside their number comes back.
pub async fn carry<T, F>(
    snapshot: &dyn Snapshot,
    table: &TablePlan,
    size: BatchSize,
    judge: Option<Arc<dyn Judge>>,
    observer: &Arc<dyn Observer>,
    write: impl FnOnce(BatchReceiver) -> F,
) -> Result<(T, Copied)>
where
    F: Future<Output = Result<(T, u64)>>,
{
    let begun = Instant::now();
    observer.event(&Event::TableStarted { table: table.source.clone(), rows: table.estimated_rows });
    let request = request(table, Side::Source, size);
    let (sender, receiver) = stream::channel(shape(&request));
    let (counter, sender) = Counter::on(sender, &table.source, observer);
    let sender = match judge {
        Some(judge) => sender.judged(judge),
        None => sender,
    };
    let (read, written) = tokio::join!(snapshot.read(&request, sender), write(receiver));
    let (more, written) = both(read, written)?;
    observer.event(&Event::TableFinished { table: table.source.clone(), rows: written });
    let seconds = begun.elapsed().as_secs_f64();
    Ok((more, Copied { read: counter.tally(), written, rejected: 0, filtered: 0, seconds }))
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
    use crate::model::error::Error;

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "x")
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
