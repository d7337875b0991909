//! The rows of a member: Arrow's stream of messages inside zstd, read one message at a time. Lengths are checked before
//! anything is made of them, so that a damaged or hostile stream ends in an error and takes no memory that its own
//! bytes do not fill.

use std::collections::HashMap;
use std::io::{self, BufReader, Read};

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::RecordBatchDecoder;
use arrow_ipc::{MessageHeader, root_as_message};
use arrow_schema::{DataType, Schema, SchemaRef};

use super::container::Damage;
use super::format::{MOST_BATCH, MOST_HEADER, WINDOW};

/// What stands before each message.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Bytes that a body grows by while it is read.
const STEP: u64 = 1 << 20;

/// Reads the batches of one member.
pub struct Batches<R: Read> {
    from: zstd::stream::read::Decoder<'static, BufReader<R>>,
    schema: SchemaRef,
    begun: bool,
    /// Uncompressed bytes that the manifest allows.
    left: u64,
}

impl<R: Read> Batches<R> {
    /// Of a member that has so many uncompressed bytes and holds rows of that schema.
    pub fn new(from: R, schema: SchemaRef, bytes: u64) -> io::Result<Self> {
        let mut from = zstd::stream::read::Decoder::new(from)?;
        from.window_log_max(WINDOW)?;
        Ok(Self { from, schema, begun: false, left: bytes })
    }

    /// The next batch; `None` at the end, which has to be where the manifest says.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, Damage> {
        loop {
            let Some(header) = self.header()? else {
                let mut more = [0];
                let ends = self.left == 0 && self.from.read(&mut more).map_err(damage)? == 0;
                return if ends && self.begun {
                    Ok(None)
                } else {
                    Err("it does not end where it should".into())
                };
            };
            let message = root_as_message(&header).map_err(damage)?;
            let length = u64::try_from(message.bodyLength()).map_err(damage)?;
            match message.header_type() {
                MessageHeader::Schema if !self.begun && length == 0 => {
                    let said = message.header_as_schema().ok_or("its schema is missing")?;
                    if !same(&try_fb_to_schema(said).map_err(damage)?, &self.schema) {
                        return Err("its columns are not those of the manifest".into());
                    }
                    self.begun = true;
                }
                MessageHeader::RecordBatch if self.begun => {
                    let body = self.body(length)?;
                    let batch = message.header_as_record_batch().ok_or("a batch is missing")?;
                    check(&batch, &self.schema, length)?;
                    let none = HashMap::new();
                    let version = message.version();
                    let decoder =
                        RecordBatchDecoder::try_new(&body, batch, self.schema.clone(), &none, &version)
                            .map_err(damage)?;
                    return decoder.read_record_batch().map(Some).map_err(damage);
                }
                _ => return Err("it holds what no archive has".into()),
            }
        }
    }

    /// What describes the next message; `None` at the end of the stream.
    fn header(&mut self) -> Result<Option<Vec<u8>>, Damage> {
        if self.left < 8 {
            return Err("it ends in the middle".into());
        }
        let mut prefix = [0; 8];
        self.fill(&mut prefix)?;
        let [a, b, c, d, length @ ..] = prefix;
        let length = u32::from_le_bytes(length);
        if [a, b, c, d] != CONTINUATION || length > MOST_HEADER || u64::from(length) > self.left {
            return Err("a message has no beginning".into());
        }
        if length == 0 {
            return Ok(None);
        }
        let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
        self.fill(&mut header)?;
        Ok(Some(header))
    }

    /// The body of a message, in memory that grows as its bytes arrive.
    fn body(&mut self, length: u64) -> Result<Buffer, Damage> {
        if length > self.left || length > MOST_BATCH {
            return Err("a batch is larger than the manifest says".into());
        }
        let mut body = MutableBuffer::new(usize::try_from(length.min(STEP)).unwrap_or(0));
        let mut chunk = vec![0; 64 * 1024];
        let mut left = usize::try_from(length).map_err(damage)?;
        while left > 0 {
            let most = left.min(chunk.len());
            self.fill(&mut chunk[..most])?;
            body.extend_from_slice(&chunk[..most]);
            left -= most;
        }
        Ok(body.into())
    }

    fn fill(&mut self, to: &mut [u8]) -> Result<(), Damage> {
        self.left = self.left.checked_sub(to.len() as u64).ok_or("it is longer than it should be")?;
        self.from.read_exact(to).map_err(damage)
    }
}

/// Whether two schemas have the same columns.
fn same(one: &Schema, other: &Schema) -> bool {
    one.fields().len() == other.fields().len()
        && one
            .fields()
            .iter()
            .zip(other.fields())
            .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
}

/// Checks what a decoder takes for granted: no compression of its own, every column as long as the batch, every buffer
/// aligned, within the body and of a length that its type can have.
fn check(batch: &arrow_ipc::RecordBatch<'_>, schema: &Schema, body: u64) -> Result<(), Damage> {
    let rows = batch.length();
    let within = |b: &arrow_ipc::Buffer| {
        let end = u64::try_from(b.offset()).ok()?.checked_add(u64::try_from(b.length()).ok()?)?;
        (end <= body && b.offset() % 8 == 0).then_some(())
    };
    let nodes = batch.nodes().ok_or("a batch has no columns")?;
    let buffers = batch.buffers().ok_or("a batch has no buffers")?;
    let mut lengths = buffers.iter().map(arrow_ipc::Buffer::length);
    let whole = batch.compression().is_none()
        && batch.variadicBufferCounts().is_none_or(|counts| counts.is_empty())
        && (0..=i64::try_from(MOST_BATCH).unwrap_or(i64::MAX)).contains(&rows)
        && nodes.iter().all(|n| n.length() == rows && (0..=rows).contains(&n.null_count()))
        && buffers.iter().all(|b| within(b).is_some())
        && schema.fields().iter().all(|f| fits(f.data_type(), rows, &mut lengths).is_some())
        && lengths.next().is_none();
    if whole { Ok(()) } else { Err("a batch does not describe itself rightly".into()) }
}

/// Takes the buffers of one column and says whether they can hold that many rows.
fn fits(data_type: &DataType, rows: i64, lengths: &mut impl Iterator<Item = i64>) -> Option<()> {
    let bits = |length: i64| length >= (rows + 7) / 8;
    let validity = lengths.next()?;
    let mut right = validity == 0 || bits(validity);
    match data_type {
        DataType::Struct(fields) => {
            return fields.iter().try_for_each(|f| fits(f.data_type(), rows, lengths));
        }
        DataType::LargeUtf8 | DataType::LargeBinary => {
            let offsets = lengths.next()?;
            lengths.next()?;
            right &= offsets % 8 == 0 && (offsets >= (rows + 1) * 8 || rows == 0);
        }
        DataType::Boolean => right &= bits(lengths.next()?),
        other => {
            let width = match other {
                DataType::FixedSizeBinary(width) => i64::from(*width),
                other => i64::try_from(other.primitive_width()?).ok()?,
            };
            let values = lengths.next()?;
            right &= values % width == 0 && values / width >= rows;
        }
    }
    right.then_some(())
}

fn damage(error: impl std::fmt::Display) -> Damage {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use arrow_ipc::writer::StreamEncoder;

    use super::*;
    use crate::engine::archive::columns::{self, Gatherer};
    use crate::engine::archive::format::ColumnEntry;
    use crate::model::batch::{Batch, Cell, Shape, ShapeColumn};
    use crate::model::schema::DataType;

    fn entries() -> Vec<ColumnEntry> {
        let kept = [DataType::INT64, DataType::TEXT, DataType::Any, DataType::Bool, DataType::Uuid];
        (0..).zip(kept).map(|(n, kept): (u32, _)| ColumnEntry { name: format!("c{n}"), kept }).collect()
    }

    /// Two batches of three rows, as Arrow has them.
    fn stream() -> Vec<u8> {
        let columns = entries();
        let column = |c: &ColumnEntry| ShapeColumn { name: c.name.clone(), data_type: c.kept.clone() };
        let shape = Shape { table: "t".into(), columns: columns.iter().map(column).collect(), key: vec![] };
        let mut batch = Batch::new(Arc::new(shape));
        for n in 0..3 {
            batch.push(Cell::Int(n));
            batch.push_text("não");
            batch.push_bytes(&[1, 2, 3]);
            batch.push(if n == 1 { Cell::Null } else { Cell::Bool(true) });
            batch.push_uuid([9; 16]);
        }
        let mut gatherer = Gatherer::new(&columns);
        let mut encoder = StreamEncoder::try_new(&columns::schema(&columns)).unwrap();
        let mut out = Vec::new();
        for _ in 0..2 {
            let made = gatherer.gather(&batch).unwrap().unwrap();
            encoder.encode(&made).unwrap().iter().for_each(|b| out.extend_from_slice(b));
        }
        encoder.finish().unwrap().iter().for_each(|b| out.extend_from_slice(b));
        out
    }

    fn read(arrow: &[u8], bytes: usize) -> Result<usize, Damage> {
        let mut packed = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        packed.write_all(arrow).unwrap();
        let packed = packed.finish().unwrap();
        let schema = columns::schema(&entries());
        let mut batches = Batches::new(packed.as_slice(), schema, bytes as u64).unwrap();
        let mut rows = 0;
        while let Some(batch) = batches.next()? {
            for (at, column) in entries().iter().enumerate() {
                let values = columns::Values::of(batch.column(at), &column.kept).unwrap();
                for row in 0..batch.num_rows() {
                    values.at(row).ok_or("a value is of no kind")?;
                }
            }
            rows += batch.num_rows();
        }
        Ok(rows)
    }

    #[test]
    fn a_whole_stream_is_read_and_no_part_of_one() {
        let whole = stream();
        assert_eq!(read(&whole, whole.len()), Ok(6));
        for length in 0..whole.len() {
            assert!(read(&whole[..length], whole.len()).is_err(), "cut at {length}");
            assert!(read(&whole[..length], length).is_err(), "cut at {length} and said so");
        }
        let longer = [whole.as_slice(), &[0]].concat();
        assert!(read(&longer, whole.len()).is_err() && read(&longer, longer.len()).is_err());
    }

    #[test]
    fn a_hostile_stream_ends_in_an_error_or_in_rows_and_never_in_a_panic() {
        let whole = stream();
        // xorshift64; a failure is found again by its number.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |most: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % most as u64).unwrap()
        };
        let mut refused = 0;
        for _ in 0..5_000 {
            let mut damaged = whole.clone();
            for _ in 0..=random(4) {
                let at = random(damaged.len());
                match random(4) {
                    0 => damaged[at] = 0xff,
                    1 => damaged[at] = 0,
                    2 => damaged[at] ^= 1 << random(8),
                    _ => {
                        let end = (at + 8).min(damaged.len());
                        damaged[at..end].fill(if random(2) == 0 { 0x7f } else { 0x80 });
                    }
                }
            }
            refused += usize::from(read(&damaged, damaged.len()).is_err());
        }
        assert!(refused > 2_000, "{refused}");
    }

    #[test]
    fn what_claims_to_be_huge_takes_no_memory() {
        let mut claims = Vec::from(CONTINUATION);
        claims.extend_from_slice(&MOST_HEADER.to_le_bytes());
        assert!(read(&claims, usize::MAX).is_err());
        // A window of 128 MiB, which no writer of this format needs.
        let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        wide.window_log(27).unwrap();
        wide.write_all(&stream()).unwrap();
        let wide = wide.finish().unwrap();
        let mut batches = Batches::new(wide.as_slice(), columns::schema(&entries()), 1 << 20).unwrap();
        assert!(batches.next().is_err());
    }
}
