//! Whether two tables hold the same rows, and which rows differ. Both are read once into sums by bucket; where those
//! differ, only the rows of these buckets are looked at one by one, by ranges of keys where keys are whole numbers.
//! Why buckets and not an ordered walk: `docs/decisions/0004-comparison.md`.

pub mod buckets;
pub mod differences;
pub mod pair;

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use self::buckets::{Differing, Sums, place, ranges};
use self::differences::{Differences, Entry, NAMED};
use self::pair::{ColumnPair, TablePair};
use crate::engine::capability::{ReadColumn, ReadRequest, Rules, Snapshot};
use crate::engine::stream;
use crate::model::batch::Batch;
use crate::model::digest::Digest;
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Event, Observer};

/// Rows of both sides that are held at once to be compared one by one; 64 bytes each.
const HELD: u64 = 500_000;

/// Readings of a table that are spent on rows that differ; beyond that the rest is not counted.
const READINGS: usize = 8;

/// What a table came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// What this database holds.
    pub here: Digest,
    /// What the other one holds.
    pub there: Digest,
    /// What differs.
    pub differences: Differences,
}

/// Two views, each of one instant.
#[derive(Clone, Copy)]
pub struct Views<'a> {
    /// This database.
    pub here: &'a dyn Snapshot,
    /// The other one.
    pub there: &'a dyn Snapshot,
    /// Words of this database.
    pub here_rules: &'a dyn Rules,
    /// Words of the other one.
    pub there_rules: &'a dyn Rules,
}

/// Compares a table.
pub async fn compare(views: Views<'_>, pair: &TablePair, observer: &Arc<dyn Observer>) -> Result<Compared> {
    observer.event(&Event::TableStarted { table: pair.name.clone(), rows: pair.estimated_rows });
    let mut compared = rows(views, pair, Some(observer)).await?;
    if compared.here != compared.there
        && let Some(pair) = pair.by_value(views.here_rules, views.there_rules)
    {
        compared = match rows(views, &pair, None).await {
            Ok(by_value) => by_value,
            // Some value is none of its column's type: then it is what is stored that counts.
            Err(error) if error.kind() == ErrorKind::Value => compared,
            Err(error) => return Err(error),
        };
    }
    observer.event(&Event::TableFinished { table: pair.name.clone(), rows: compared.here.rows });
    Ok(compared)
}

/// Compares the rows of a table as its columns are read.
async fn rows(views: Views<'_>, pair: &TablePair, observer: Option<&Arc<dyn Observer>>) -> Result<Compared> {
    let (here, there) = tokio::join!(
        sums(views.here, request(pair, Side::Here), observer.map(|observer| (observer, &pair.name))),
        sums(views.there, request(pair, Side::There), None),
    );
    let (here, there) = (here?, there?);
    let mut compared = Compared { here: here.total, there: there.total, differences: Differences::default() };
    let differing = here.differing(&there);
    for (reading, group) in groups(&differing).into_iter().enumerate() {
        if reading == READINGS {
            compared.differences.at_least = true;
            break;
        }
        let named = if reading == 0 { &group[..group.len().min(NAMED)] } else { &[] };
        let (here, there) = tokio::join!(
            entries(views.here, views.here_rules, request(pair, Side::Here), group, named),
            entries(views.there, views.there_rules, request(pair, Side::There), group, named),
        );
        compared.differences.add(here?, there?);
    }
    Ok(compared)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Here,
    There,
}

fn request(pair: &TablePair, side: Side) -> ReadRequest {
    let column = |pair: &ColumnPair| -> ReadColumn {
        if side == Side::Here { pair.here.clone() } else { pair.there.clone() }
    };
    let columns: Vec<ReadColumn> = pair.columns.iter().map(column).collect();
    let table = if side == Side::Here { &pair.name } else { &pair.other };
    ReadRequest {
        key: pair.key.iter().map(|at| columns[*at].name.clone()).collect(),
        ..ReadRequest::all(table, columns)
    }
}

/// Reads a table through, showing every batch to `tap` on the reader's own thread.
async fn read(
    view: &dyn Snapshot,
    request: &ReadRequest,
    tap: impl Fn(&Batch) + Send + Sync + 'static,
) -> Result<()> {
    let (sender, receiver) = stream::channel(request.shape());
    let read = view.read(request, sender.tapped(tap));
    let (read, drained) = tokio::join!(read, receiver.drain(|_| Ok(())));
    read.and(drained)
}

async fn sums(
    view: &dyn Snapshot,
    request: ReadRequest,
    heard: Option<(&Arc<dyn Observer>, &String)>,
) -> Result<Sums> {
    let key = request.shape().key.clone();
    let heard = heard.map(|(observer, table)| (observer.clone(), table.clone()));
    let sums = Arc::new(Mutex::new((Sums::default(), Vec::new())));
    let shared = sums.clone();
    let tap = move |batch: &Batch| {
        {
            let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let (sums, scratch) = &mut *guard;
            for cells in batch.iter() {
                sums.add(place(batch, cells, &key, scratch));
            }
        }
        if let Some((observer, table)) = &heard {
            let (rows, bytes) = (batch.rows() as u64, batch.byte_size() as u64);
            observer.event(&Event::Rows { table: table.clone(), rows, bytes });
        }
    };
    read(view, &request, tap).await?;
    let mut guard = sums.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut guard.0))
}

/// Groups of buckets whose rows are held at once.
fn groups(differing: &[Differing]) -> Vec<&[Differing]> {
    let mut groups = Vec::new();
    let (mut begin, mut rows) = (0, 0);
    for (at, bucket) in differing.iter().enumerate() {
        if at > begin && rows + bucket.rows > HELD {
            groups.push(&differing[begin..at]);
            (begin, rows) = (at, 0);
        }
        rows += bucket.rows;
    }
    if begin < differing.len() {
        groups.push(&differing[begin..]);
    }
    groups
}

/// The rows of these buckets on one side; those of `named` with their keys.
async fn entries(
    view: &dyn Snapshot,
    rules: &dyn Rules,
    request: ReadRequest,
    group: &[Differing],
    named: &[Differing],
) -> Result<Vec<Entry>> {
    let of = |buckets: &[Differing]| buckets.iter().map(|d| d.bucket).collect::<HashSet<usize>>();
    let (wanted, named) = (Arc::new(of(group)), Arc::new(of(named)));
    let shape = request.shape();
    let column = match shape.key.as_slice() {
        [at] => request.columns.get(*at).map(|c| c.name.clone()),
        _ => None,
    };
    let parts: Vec<Option<String>> = match column.zip(ranges(group)).filter(|_| view.evaluates()) {
        Some((column, ranges)) => {
            let name = rules.quote(&column);
            let within = |r: &RangeInclusive<i64>| format!("{name} BETWEEN {} AND {}", r.start(), r.end());
            ranges.iter().map(|range| Some(within(range))).collect()
        }
        None => vec![None],
    };
    let held = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    for condition in parts {
        let (held, wanted, named, key) = (held.clone(), wanted.clone(), named.clone(), shape.key.clone());
        let tap = move |batch: &Batch| {
            let mut guard = held.lock().unwrap_or_else(PoisonError::into_inner);
            let (entries, scratch) = &mut *guard;
            for (at, cells) in batch.iter().enumerate() {
                let place = place(batch, cells, &key, scratch);
                if wanted.contains(&place.bucket) {
                    let text = named.contains(&place.bucket).then(|| batch.key_of(at)).flatten();
                    entries.push(Entry { key: place.key, row: place.row, text: text.map(Into::into) });
                }
            }
        };
        read(view, &ReadRequest { condition, ..request.clone() }, tap).await?;
    }
    let mut guard = held.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut guard.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hold_no_more_rows_than_memory_is_kept_for() {
        let of = |rows| Differing { bucket: 0, rows, range: None };
        let sizes = |differing: &[Differing]| groups(differing).iter().map(|g| g.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&[of(5), of(7)]), [2]);
        assert_eq!(sizes(&[of(HELD), of(1), of(2 * HELD), of(3)]), [1, 1, 1, 1]);
    }
}
