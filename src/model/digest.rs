//! The proof: an order-independent 128-bit digest over a canonical encoding of every value of a table.
//! The encoding is documented in `docs/digest.md`; it is the same for all engines because it is taken from
//! cells, and a cell is fixed by its value and its [`super::schema::DataType`] alone.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, de};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::batch::{Batch, Cell};
use super::value::canonical_decimal;

/// Digest of any number of rows. Rows are hashed one by one (XXH3, 128 bits) and the hashes are added modulo
/// 2^128, so that neither the order of rows nor their grouping into batches matters, while a row that is there
/// twice counts twice (a sum, unlike XOR, does not cancel pairs).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Rows.
    pub rows: u64,
    /// Sum of the rows' hashes.
    #[serde(serialize_with = "write_hex", deserialize_with = "read_hex")]
    pub sum: u128,
}

impl Digest {
    /// One that was written down: its number of rows, and the digits of its sum.
    pub fn written(rows: u64, sum: &str) -> std::result::Result<Self, std::num::ParseIntError> {
        u128::from_str_radix(sum, 16).map(|sum| Self { rows, sum })
    }

    /// Adds the rows of a batch. `scratch` is any buffer; it is reused from call to call.
    pub fn add_batch(&mut self, batch: &Batch, scratch: &mut Vec<u8>) {
        for row in batch.iter() {
            self.add(cells_hash(batch, row.iter(), scratch));
        }
    }

    /// Takes out the rows that another digest has seen, all of which this one has seen too.
    pub fn remove(&mut self, other: Self) {
        self.rows = self.rows.saturating_sub(other.rows);
        self.sum = self.sum.wrapping_sub(other.sum);
    }

    /// Adds one row by its hash.
    pub fn add(&mut self, row: u128) {
        self.sum = self.sum.wrapping_add(row);
        self.rows += 1;
    }

    /// Adds the rows that another digest has seen.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Hash of some cells of a row, in this order. `scratch` is any buffer.
pub fn cells_hash<'a>(batch: &Batch, cells: impl Iterator<Item = &'a Cell>, scratch: &mut Vec<u8>) -> u128 {
    scratch.clear();
    let mut long: Option<Xxh3> = None;
    for cell in cells {
        match *cell {
            // Hashed where it lies.
            Cell::Text(span) | Cell::Bytes(span) if span.is_long() => {
                put_head(if matches!(cell, Cell::Text(_)) { b't' } else { b'x' }, span.len(), scratch);
                let hasher = long.get_or_insert_default();
                hasher.update(scratch);
                hasher.update(batch.bytes(span));
                scratch.clear();
            }
            cell => encode(batch, cell, scratch),
        }
    }
    match long {
        None => xxh3_128(scratch),
        Some(mut hasher) => {
            hasher.update(scratch);
            hasher.digest128()
        }
    }
}

fn put_head(tag: u8, len: usize, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(len as u64).to_le_bytes());
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

fn write_hex<S: Serializer>(sum: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{sum:032x}"))
}

fn read_hex<'de, D: de::Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
    u128::from_str_radix(&text, 16).map_err(de::Error::custom)
}

/// One tag byte, then the value; variable lengths carry their length, so that no two rows share an encoding.
fn encode(batch: &Batch, cell: Cell, out: &mut Vec<u8>) {
    let mut sized = |tag: u8, bytes: &[u8]| {
        put_head(tag, bytes.len(), out);
        out.extend_from_slice(bytes);
    };
    match cell {
        Cell::Null => out.push(b'0'),
        Cell::Bool(v) => out.extend_from_slice(&[b'b', u8::from(v)]),
        Cell::Int(v) => fixed(out, b'i', v.to_le_bytes()),
        Cell::UInt(v) => fixed(out, b'u', v.to_le_bytes()),
        Cell::Float(v) => fixed(out, b'f', float_bits(v).to_le_bytes()),
        Cell::Decimal(span) => sized(b'n', canonical_decimal(batch.text(span)).as_bytes()),
        Cell::Text(span) => sized(b't', batch.bytes(span)),
        Cell::Bytes(span) => sized(b'x', batch.bytes(span)),
        Cell::Uuid(span) => sized(b'g', batch.bytes(span)),
        Cell::Date(v) => fixed(out, b'd', i64::from(v).to_le_bytes()),
        Cell::Time(v) => fixed(out, b'h', v.to_le_bytes()),
        Cell::DateTime(v) => fixed(out, b'w', v.to_le_bytes()),
        Cell::Timestamp(v) => fixed(out, b'z', v.to_le_bytes()),
    }
}

fn fixed(out: &mut Vec<u8>, tag: u8, value: [u8; 8]) {
    out.push(tag);
    out.extend_from_slice(&value);
}

/// −0 counts as 0 (SQLite stores no negative zero in a REAL column), and all NaNs are one.
fn float_bits(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::batch::{Shape, ShapeColumn};
    use super::super::schema::DataType;
    use super::*;

    fn batch(columns: usize, fill: impl Fn(&mut Batch)) -> Batch {
        let column = |n| ShapeColumn { name: format!("c{n}"), data_type: DataType::TEXT };
        let mut batch = Batch::new(Arc::new(Shape {
            table: "t".into(),
            columns: (0..columns).map(column).collect(),
            key: vec![],
        }));
        fill(&mut batch);
        batch
    }

    fn digest(batch: &Batch) -> Digest {
        let mut digest = Digest::default();
        digest.add_batch(batch, &mut Vec::new());
        digest
    }

    #[test]
    fn rows_that_are_taken_out_leave_no_trace() {
        let of = |ids: &[i64]| {
            let mut digest = Digest::default();
            let rows = batch(1, |b| ids.iter().for_each(|id| b.push(Cell::Int(*id))));
            digest.add_batch(&rows, &mut Vec::new());
            digest
        };
        let mut all = of(&[1, 2, 3, 3]);
        all.remove(of(&[3, 1]));
        assert_eq!(all, of(&[3, 2]));
    }

    #[test]
    fn order_and_grouping_do_not_matter_but_number_does() {
        let ab = digest(&batch(1, |b| {
            b.push_text("a");
            b.push_text("b");
        }));
        let ba = digest(&batch(1, |b| {
            b.push_text("b");
            b.push_text("a");
        }));
        let mut grouped = digest(&batch(1, |b| b.push_text("a")));
        grouped.merge(digest(&batch(1, |b| b.push_text("b"))));
        let two_pairs = digest(&batch(1, |b| ["a", "a", "b", "b"].iter().for_each(|t| b.push_text(t))));
        let uneven = digest(&batch(1, |b| ["a", "a", "a", "b"].iter().for_each(|t| b.push_text(t))));
        assert_eq!(ab, ba);
        assert_eq!(ab, grouped);
        assert_ne!(two_pairs.sum, uneven.sum);
    }

    #[test]
    fn what_differs_to_a_reader_differs_here() {
        let one = |cell: Cell| digest(&batch(1, |b| b.push(cell))).sum;
        let text = |t: &str| digest(&batch(1, |b| b.push_text(t))).sum;
        assert_ne!(one(Cell::Null), text(""));
        assert_ne!(text("a"), text("a "));
        assert_ne!(text("é"), text("e\u{301}"));
        assert_ne!(one(Cell::Int(1)), one(Cell::Bool(true)));
        let shifted = |a: &str, c: &str| {
            digest(&batch(2, |b| {
                b.push_text(a);
                b.push_text(c);
            }))
            .sum
        };
        assert_ne!(shifted("ab", "c"), shifted("a", "bc"));
    }

    #[test]
    fn equal_numbers_are_equal() {
        let one = |cell: Cell| digest(&batch(1, |b| b.push(cell))).sum;
        let decimal = |t: &str| digest(&batch(1, |b| b.push_decimal(t))).sum;
        assert_eq!(one(Cell::Float(0.0)), one(Cell::Float(-0.0)));
        assert_eq!(decimal("12.30"), decimal("12.3"));
        assert_ne!(decimal("12.30"), decimal("12.31"));
    }

    #[test]
    fn long_values_are_hashed_like_all_others() {
        use super::super::batch::LONG_VALUE_BYTES;
        let rows = batch(4, |b| {
            for long in [LONG_VALUE_BYTES - 1, LONG_VALUE_BYTES, 3 * LONG_VALUE_BYTES + 7] {
                b.push(Cell::Int(3));
                b.push_text(&"é".repeat(long / 2));
                b.push_bytes(&vec![7; long]);
                b.push_text("end");
            }
        });
        for row in rows.iter() {
            let mut whole = Vec::new();
            for cell in row {
                encode(&rows, *cell, &mut whole);
            }
            assert_eq!(cells_hash(&rows, row.iter(), &mut Vec::new()), xxh3_128(&whole));
        }
    }

    #[test]
    fn json_form_is_readable() {
        let digest = Digest { rows: 2, sum: 255 };
        let text = serde_json::to_string(&digest).unwrap();
        assert!(text.contains("000000000000000000000000000000ff"), "{text}");
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
    }
}
