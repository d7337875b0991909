//! Sums by bucket: what one reading of a table leaves behind, so that the rows that differ can be found without
//! reading everything again and again. Which bucket a row falls into is decided by its key's cells, which are the
//! same on both sides whatever the engines' collations make of their order. Pure.

use std::ops::RangeInclusive;

use crate::model::batch::{Batch, Cell};
use crate::model::digest::{Digest, cells_hash};

/// Buckets of a table.
const BUCKETS: usize = 1 << 16;

/// Consecutive whole numbers that share a bucket: a row that differs is found by reading its run again.
const RUN: i64 = 256;

/// Ranges of keys that are read one by one rather than with the whole table.
const RANGES: usize = 64;

/// Where a row stands: its bucket, and a number that is the same for the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: usize,
    /// The key, or its hash.
    pub key: u128,
    /// The key itself, where it is one whole number.
    number: Option<i64>,
    /// Hash of the whole row.
    pub row: u128,
}

/// Places a row by these columns; without a key by all of them.
pub fn place(batch: &Batch, cells: &[Cell], key: &[usize], scratch: &mut Vec<u8>) -> Place {
    let row = cells_hash(batch, cells.iter(), scratch);
    if let [at] = key
        && let Cell::Int(number) = cells[*at]
    {
        let run = number.div_euclid(RUN).rem_euclid(i64::try_from(BUCKETS).unwrap_or(1));
        let ordered = i128::from(number) - i128::from(i64::MIN);
        return Place {
            bucket: usize::try_from(run).unwrap_or(0),
            key: u128::try_from(ordered).unwrap_or(0),
            number: Some(number),
            row,
        };
    }
    let key = if key.is_empty() { row } else { cells_hash(batch, key.iter().map(|at| &cells[*at]), scratch) };
    let bucket = usize::try_from(key % BUCKETS as u128).unwrap_or(0);
    Place { bucket, key, number: None, row }
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    digest: Digest,
    /// Least and greatest key, while all keys are whole numbers.
    span: Option<(i64, i64)>,
    numbers_only: bool,
}

/// One side of a table.
#[derive(Debug, Clone)]
pub struct Sums {
    buckets: Vec<Bucket>,
    /// Rows and digest of all.
    pub total: Digest,
}

impl Default for Sums {
    fn default() -> Self {
        let empty = Bucket { digest: Digest::default(), span: None, numbers_only: true };
        Self { buckets: vec![empty; BUCKETS], total: Digest::default() }
    }
}

impl Sums {
    /// Counts a row in.
    pub fn add(&mut self, place: Place) {
        self.total.add(place.row);
        let Some(bucket) = self.buckets.get_mut(place.bucket) else { return };
        bucket.digest.add(place.row);
        match place.number {
            Some(number) => {
                let (low, high) = bucket.span.unwrap_or((number, number));
                bucket.span = Some((low.min(number), high.max(number)));
            }
            None => bucket.numbers_only = false,
        }
    }

    /// Buckets in which two sides differ, in order.
    pub fn differing(&self, other: &Self) -> Vec<Differing> {
        let pairs = self.buckets.iter().zip(&other.buckets).enumerate();
        pairs
            .filter(|(_, (a, b))| a.digest != b.digest)
            .map(|(at, (a, b))| {
                let spans: Vec<(i64, i64)> = a.span.into_iter().chain(b.span).collect();
                let low = spans.iter().map(|s| s.0).min();
                let high = spans.iter().map(|s| s.1).max();
                let range = low.zip(high).map(|(low, high)| low..=high);
                Differing {
                    bucket: at,
                    rows: a.digest.rows + b.digest.rows,
                    range: range.filter(|_| a.numbers_only && b.numbers_only),
                }
            })
            .collect()
    }
}

/// A bucket whose sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Which.
    pub bucket: usize,
    /// Rows of both sides in it.
    pub rows: u64,
    /// All its keys lie in here, where they are whole numbers.
    pub range: Option<RangeInclusive<i64>>,
}

/// The ranges of keys that hold these buckets, neighbours joined; `None` where only the whole table will do.
pub fn ranges(buckets: &[Differing]) -> Option<Vec<RangeInclusive<i64>>> {
    let mut ranges: Vec<RangeInclusive<i64>> =
        buckets.iter().map(|b| b.range.clone()).collect::<Option<_>>()?;
    ranges.sort_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<i64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start().saturating_sub(RUN) <= *last.end() => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => joined.push(range),
        }
    }
    (joined.len() <= RANGES).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: i64, row: u128) -> Place {
        let run = number.div_euclid(RUN).rem_euclid(i64::try_from(BUCKETS).unwrap());
        Place { bucket: usize::try_from(run).unwrap(), key: 0, number: Some(number), row }
    }

    #[test]
    fn one_changed_row_leaves_one_short_range() {
        let (mut here, mut there) = (Sums::default(), Sums::default());
        for id in 1..=100_000 {
            here.add(number(id, 7));
            there.add(number(id, if id == 70_000 { 8 } else { 7 }));
        }
        assert_ne!(here.total, there.total);
        let differing = here.differing(&there);
        assert_eq!(differing.len(), 1);
        let ranges = ranges(&differing).unwrap();
        assert_eq!(ranges, [69_888..=70_143]);
    }

    #[test]
    fn neighbours_are_one_range_and_hashed_keys_none() {
        let of = |range| Differing { bucket: 0, rows: 1, range };
        let joined = ranges(&[of(Some(1..=255)), of(Some(256..=511)), of(Some(9_000..=9_001))]).unwrap();
        assert_eq!(joined, [1..=511, 9_000..=9_001]);
        assert_eq!(ranges(&[of(Some(1..=2)), of(None)]), None);
    }
}
