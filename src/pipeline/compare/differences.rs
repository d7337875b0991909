//! From the rows of the buckets that differ to what differs: equal rows are struck out on both sides, what is left
//! under one key is a changed row, and what is left alone stands on one side only. Pure.

use serde::Serialize;

/// Rows that are named one by one.
pub const NAMED: usize = 20;

/// A row of a bucket that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, or its hash.
    pub key: u128,
    /// Hash of the whole row.
    pub row: u128,
    /// The key for people, kept only where it may be named.
    pub text: Option<Box<str>>,
}

/// How a row differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Both have a row of that key, with other contents.
    Changed,
    /// Only this database has it.
    OnlyHere,
    /// Only the other one has it.
    OnlyThere,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferingRow {
    /// Its key: `id=7`.
    pub key: String,
    /// How it differs.
    pub difference: Difference,
}

/// What differs in a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Rows of the same key with other contents.
    pub changed: u64,
    /// Rows that only this database has.
    pub only_here: u64,
    /// Rows that only the other one has.
    pub only_there: u64,
    /// Up to 20 of them.
    pub rows: Vec<DifferingRow>,
    /// There are more: so many rows differ that not all were looked at one by one.
    pub at_least: bool,
}

impl Differences {
    /// How many rows differ.
    pub fn count(&self) -> u64 {
        self.changed + self.only_here + self.only_there
    }

    /// Strikes out what is equal and counts the rest.
    pub fn add(&mut self, mut here: Vec<Entry>, mut there: Vec<Entry>) {
        let order = |entry: &Entry| (entry.key, entry.row);
        here.sort_unstable_by_key(order);
        there.sort_unstable_by_key(order);
        let (mut a, mut b) = (here.as_slice(), there.as_slice());
        loop {
            let key = match (a.first(), b.first()) {
                (Some(x), Some(y)) => x.key.min(y.key),
                (Some(x), None) => x.key,
                (None, Some(y)) => y.key,
                (None, None) => break,
            };
            let (of_a, rest_a) = a.split_at(a.partition_point(|e| e.key == key));
            let (of_b, rest_b) = b.split_at(b.partition_point(|e| e.key == key));
            self.of_one_key(of_a, of_b);
            (a, b) = (rest_a, rest_b);
        }
    }

    fn of_one_key(&mut self, here: &[Entry], there: &[Entry]) {
        let (left, right) = (without(here, there), without(there, here));
        let pairs = left.len().min(right.len());
        for entry in &left[..pairs] {
            self.changed += 1;
            self.name(entry, Difference::Changed);
        }
        for entry in &left[pairs..] {
            self.only_here += 1;
            self.name(entry, Difference::OnlyHere);
        }
        for entry in &right[pairs..] {
            self.only_there += 1;
            self.name(entry, Difference::OnlyThere);
        }
    }

    fn name(&mut self, entry: &Entry, difference: Difference) {
        if let (Some(key), true) = (&entry.text, self.rows.len() < NAMED) {
            self.rows.push(DifferingRow { key: key.to_string(), difference });
        }
    }
}

/// Entries of one key in order, less those that the other side has too, each for one.
fn without<'a>(entries: &'a [Entry], other: &[Entry]) -> Vec<&'a Entry> {
    let mut other = other.iter().peekable();
    let mut left = Vec::new();
    for entry in entries {
        while other.next_if(|o| o.row < entry.row).is_some() {}
        if other.next_if(|o| o.row == entry.row).is_none() {
            left.push(entry);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u128, row: u128) -> Entry {
        Entry { key, row, text: Some(format!("id={key}").into()) }
    }

    #[test]
    fn rows_are_changed_missing_or_too_many() {
        let mut found = Differences::default();
        found.add(
            vec![entry(1, 10), entry(2, 20), entry(3, 30), entry(5, 50), entry(5, 50)],
            vec![entry(1, 10), entry(3, 31), entry(4, 40), entry(5, 50)],
        );
        assert_eq!((found.changed, found.only_here, found.only_there), (1, 2, 1));
        let named: Vec<(&str, Difference)> =
            found.rows.iter().map(|r| (r.key.as_str(), r.difference)).collect();
        assert_eq!(
            named,
            [
                ("id=2", Difference::OnlyHere),
                ("id=3", Difference::Changed),
                ("id=4", Difference::OnlyThere),
                ("id=5", Difference::OnlyHere)
            ]
        );
    }

    #[test]
    fn no_more_than_twenty_rows_are_named_and_all_are_counted() {
        let mut found = Differences::default();
        found.add((0..50).map(|k| entry(k, k)).collect(), Vec::new());
        assert_eq!((found.only_here, found.rows.len()), (50, NAMED));
    }
}
