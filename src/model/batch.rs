//! Rows on their way from a reader to a writer: 16-byte cells in row order over one byte arena.
//! No value becomes a heap object of its own, and a batch that has been written goes back to its reader to be
//! filled again. Why cells and not columns: `docs/decisions/0001-batch.md`.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use super::mark::Mark;
use super::schema::DataType;

/// Bytes that a reader aims at before it hands a batch on.
pub const DEFAULT_BATCH_BYTES: usize = 512 * 1024;

/// Most rows in a batch unless `--batch-size` says otherwise.
pub const DEFAULT_BATCH_ROWS: usize = 10_000;

/// Bytes from which on a value is long: it is not copied where that can be helped.
pub const LONG_VALUE_BYTES: usize = 1024 * 1024;

/// Bytes from which on a batch is large: it is on its road alone, and its memory is not kept for the next.
pub const LARGE_BATCH_BYTES: usize = 8 * DEFAULT_BATCH_BYTES;

/// Set in the start of a span that is not a stretch of the arena but one of the values that stay where they came.
const APART: u32 = 1 << 31;

/// A stretch of the batch's arena, or a long value outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Whether the value is long enough for its copies to matter.
    pub fn is_long(self) -> bool {
        self.len as usize >= LONG_VALUE_BYTES
    }

    /// Bytes of the value.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it is the empty value.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// One value. Its variant is fixed by the [`DataType`] of the column (see there), so that the same value gives
/// the same cell whichever engine it was read from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// Truth value.
    Bool(bool),
    /// Signed integer.
    Int(i64),
    /// Integer above `i64::MAX`; smaller ones are always `Int`.
    UInt(u64),
    /// Double, or a single widened to one.
    Float(f64),
    /// Decimal in its text form: optional `-`, digits, optionally `.` and digits; also `NaN`, `Infinity`,
    /// `-Infinity`. The scale is kept as read; the digest ignores trailing zeros.
    Decimal(Span),
    /// UTF-8 text.
    Text(Span),
    /// Bytes.
    Bytes(Span),
    /// 16 bytes of a UUID.
    Uuid(Span),
    /// Days since 1970-01-01, proleptic Gregorian. The greatest and the least number are PostgreSQL's infinities, here
    /// and below.
    Date(i32),
    /// Microseconds since midnight; negative or above 24 h for time spans.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00:00 on the wall clock.
    DateTime(i64),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp(i64),
}

/// What the cells of a batch mean; shared by all batches of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Table, for messages.
    pub table: String,
    /// Columns in cell order.
    pub columns: Vec<ShapeColumn>,
    /// Positions of the columns that identify a row; may be empty.
    pub key: Vec<usize>,
}

/// Name and type of one column of a [`Shape`].
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeColumn {
    /// Name, for messages.
    pub name: String,
    /// Type that fixes the cell variant.
    pub data_type: DataType,
}

/// What a row is called.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowKey {
    /// For messages: `id=7`; `None` where the table has no key.
    pub text: Option<String>,
    /// Each column of the key with its value.
    pub values: serde_json::Map<String, serde_json::Value>,
}

/// A stretch of rows.
#[derive(Debug, Clone)]
pub struct Batch {
    shape: Arc<Shape>,
    cells: Vec<Cell>,
    arena: Vec<u8>,
    /// Long values in the buffers that they came in.
    apart: Vec<Bytes>,
    mark: Option<Mark>,
    /// Let go of when the batch is written.
    held: Option<Arc<dyn Any + Send + Sync>>,
}

impl Batch {
    /// An empty batch of that shape.
    pub fn new(shape: Arc<Shape>) -> Self {
        Self { shape, cells: Vec::new(), arena: Vec::new(), apart: Vec::new(), mark: None, held: None }
    }

    /// What the cells mean.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// How far the table has come with the last row of this batch, where somebody keeps count.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Says how far the table has come with the last row of this batch.
    pub fn set_mark(&mut self, mark: Mark) {
        self.mark = Some(mark);
    }

    /// Holds something until the batch is dropped or cleared.
    pub fn hold(&mut self, until_gone: Arc<dyn Any + Send + Sync>) {
        self.held = Some(until_gone);
    }

    /// Number of whole rows.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.shape.columns.len()).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Bytes that the rows hold (values and cells).
    pub fn byte_size(&self) -> usize {
        let apart: usize = self.apart.iter().map(Bytes::len).sum();
        self.arena.len() + apart + self.cells.len() * size_of::<Cell>()
    }

    /// Whether it is so large that there should be no second one.
    pub fn is_large(&self) -> bool {
        self.byte_size() > LARGE_BATCH_BYTES
    }

    /// Cells of a row, in column order.
    pub fn row(&self, row: usize) -> &[Cell] {
        let width = self.shape.columns.len();
        &self.cells[row * width..(row + 1) * width]
    }

    /// All rows in order.
    pub fn iter(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(self.shape.columns.len().max(1))
    }

    /// Bytes of a span.
    pub fn bytes(&self, span: Span) -> &[u8] {
        if span.start & APART != 0 {
            return &self.apart[(span.start ^ APART) as usize];
        }
        let start = span.start as usize;
        &self.arena[start..start + span.len as usize]
    }

    /// Text of a span that was pushed as text.
    pub fn text(&self, span: Span) -> &str {
        // Everything pushed as text was valid UTF-8 then; an empty string would only show a fault of this file.
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    /// Empties the batch and keeps its memory, unless one huge value has made it grow far beyond its use.
    pub fn clear(&mut self) {
        self.drop_rows();
        self.held = None;
    }

    /// The same, but what the batch holds it goes on to hold: its rows are not yet where they go.
    pub fn drop_rows(&mut self) {
        self.mark = None;
        self.cells.clear();
        self.apart.clear();
        if self.arena.capacity() > LARGE_BATCH_BYTES {
            self.arena = Vec::new();
        } else {
            self.arena.clear();
        }
    }

    /// Removes the cells of a row that was begun and cannot be finished.
    pub fn drop_partial_row(&mut self) {
        let width = self.shape.columns.len().max(1);
        self.cells.truncate(self.cells.len() / width * width);
    }

    /// Appends a cell without bytes of its own.
    pub fn push(&mut self, cell: Cell) {
        self.cells.push(cell);
    }

    /// Appends text.
    pub fn push_text(&mut self, text: &str) {
        let span = self.store(text.as_bytes());
        self.cells.push(Cell::Text(span));
    }

    /// Appends bytes as text if they are valid UTF-8; appends nothing and answers `false` otherwise.
    #[must_use]
    pub fn try_push_text(&mut self, bytes: &[u8]) -> bool {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                self.push_text(text);
                true
            }
            Err(_) => false,
        }
    }

    /// Appends text of an engine that does not check its encoding, to be written by the same engine: the bytes
    /// travel as they are. Whoever takes the cell must ask for [`Batch::bytes`], since `text` may be empty.
    pub fn push_raw_text(&mut self, bytes: &[u8]) {
        let span = self.store(bytes);
        self.cells.push(Cell::Text(span));
    }

    /// Appends bytes.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        let span = self.store(bytes);
        self.cells.push(Cell::Bytes(span));
    }

    /// Appends a long text, which keeps its buffer, if it is valid UTF-8; appends nothing and answers `false` otherwise.
    #[must_use]
    pub fn try_push_long_text(&mut self, text: Bytes) -> bool {
        let valid = std::str::from_utf8(&text).is_ok();
        if valid {
            let span = self.store_apart(text);
            self.cells.push(Cell::Text(span));
        }
        valid
    }

    /// Appends many bytes, which keep their buffer.
    pub fn push_long_bytes(&mut self, bytes: Bytes) {
        let span = self.store_apart(bytes);
        self.cells.push(Cell::Bytes(span));
    }

    /// Appends a decimal in its text form.
    pub fn push_decimal(&mut self, text: &str) {
        let span = self.store(text.as_bytes());
        self.cells.push(Cell::Decimal(span));
    }

    /// Appends a UUID.
    pub fn push_uuid(&mut self, uuid: [u8; 16]) {
        let span = self.store(&uuid);
        self.cells.push(Cell::Uuid(span));
    }

    /// Appends an integer that may lie above `i64::MAX`.
    pub fn push_unsigned(&mut self, value: u64) {
        self.cells.push(i64::try_from(value).map_or(Cell::UInt(value), Cell::Int));
    }

    /// Takes the last whole row out again.
    pub fn drop_last_row(&mut self) {
        let width = self.shape.columns.len();
        self.cells.truncate(self.cells.len().saturating_sub(width));
    }

    /// Keeps the rows for which `keep`, asked in order, says so.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let width = self.shape.columns.len().max(1);
        let mut kept = 0;
        for row in 0..self.cells.len() / width {
            if keep(row) {
                self.cells.copy_within(row * width..(row + 1) * width, kept * width);
                kept += 1;
            }
        }
        self.cells.truncate(kept * width);
    }

    /// Puts NULL in the place of a value.
    pub fn set_null(&mut self, row: usize, column: usize) {
        let width = self.shape.columns.len();
        self.cells[row * width + column] = Cell::Null;
    }

    /// Puts a text in the place of a value.
    pub fn set_text(&mut self, row: usize, column: usize, text: &str) {
        let span = self.store(text.as_bytes());
        let width = self.shape.columns.len();
        self.cells[row * width + column] = Cell::Text(span);
    }

    /// Key of a row, for messages and for the reject file; without parts where the table has no key.
    pub fn row_key(&self, row: usize) -> RowKey {
        let cells = self.row(row);
        let part = |&at: &usize| (self.shape.columns[at].name.clone(), self.json(cells[at]));
        RowKey { text: self.key_of(row), values: self.shape.key.iter().map(part).collect() }
    }

    /// A cell as JSON: numbers that JSON holds exactly as numbers, everything else as text.
    fn json(&self, cell: Cell) -> serde_json::Value {
        match cell {
            Cell::Null => serde_json::Value::Null,
            Cell::Bool(v) => v.into(),
            Cell::Int(v) => v.into(),
            Cell::UInt(v) => v.into(),
            Cell::Text(span) => String::from_utf8_lossy(self.bytes(span)).into(),
            Cell::Bytes(span) => format!("x'{}'", super::value::format_hex(self.bytes(span))).into(),
            Cell::Uuid(span) => super::value::format_uuid(self.bytes(span)).into(),
            cell => self.display(cell).into(),
        }
    }

    /// Key of a row for messages: `id=7`, `order_id=1, line=2`; `None` where the table has no key.
    pub fn key_of(&self, row: usize) -> Option<String> {
        if self.shape.key.is_empty() {
            return None;
        }
        let cells = self.row(row);
        let part = |&at: &usize| format!("{}={}", self.shape.columns[at].name, self.display(cells[at]));
        Some(self.shape.key.iter().map(part).collect::<Vec<_>>().join(", "))
    }

    /// A cell as messages show a key: long text is cut.
    fn display(&self, cell: Cell) -> String {
        const MOST: usize = 60;
        match cell {
            Cell::Null => "NULL".into(),
            Cell::Bool(v) => v.to_string(),
            Cell::Int(v) => v.to_string(),
            Cell::UInt(v) => v.to_string(),
            Cell::Float(v) => v.to_string(),
            Cell::Decimal(s) => self.text(s).to_owned(),
            Cell::Text(s) => {
                let text = self.text(s);
                let cut: String = text.chars().take(MOST).collect();
                if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
            }
            Cell::Bytes(s) | Cell::Uuid(s) => {
                let bytes = self.bytes(s);
                format!("x'{}'", super::value::format_hex(&bytes[..bytes.len().min(MOST / 2)]))
            }
            Cell::Date(v) => super::value::format_date(v),
            Cell::Time(v) => super::value::format_time(v, 6),
            Cell::DateTime(v) => super::value::format_datetime(v, 6),
            Cell::Timestamp(v) => format!("{}+00:00", super::value::format_datetime(v, 6)),
        }
    }

    fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        span(start, bytes.len())
    }

    fn store_apart(&mut self, bytes: Bytes) -> Span {
        let Span { start, len } = span(self.apart.len(), bytes.len());
        self.apart.push(bytes);
        Span { start: start | APART, len }
    }
}

/// Readers hand a batch on at DEFAULT_BATCH_BYTES, SQLite's longest row has 2 GiB and the others' 1 GiB, so neither can
/// saturate; if one ever did, the digest would tell.
fn span(start: usize, len: usize) -> Span {
    let most = APART - 1;
    Span {
        start: u32::try_from(start).unwrap_or(most).min(most),
        len: u32::try_from(len).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch::new(Arc::new(Shape {
            table: "t".into(),
            columns: vec![
                ShapeColumn { name: "id".into(), data_type: DataType::INT64 },
                ShapeColumn { name: "note".into(), data_type: DataType::TEXT },
            ],
            key: vec![0],
        }))
    }

    #[test]
    fn a_cell_stays_small() {
        assert_eq!(size_of::<Cell>(), 16);
    }

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let mut b = batch();
        b.push(Cell::Int(7));
        b.push_text("não");
        b.push_unsigned(u64::MAX);
        b.push(Cell::Null);
        assert_eq!(b.rows(), 2);
        let Cell::Text(span) = b.row(0)[1] else { panic!("not text") };
        assert_eq!(b.text(span), "não");
        assert_eq!(b.row(1), &[Cell::UInt(u64::MAX), Cell::Null]);
        assert_eq!(b.key_of(0).as_deref(), Some("id=7"));
    }

    #[test]
    fn invalid_utf8_is_not_text() {
        let mut b = batch();
        assert!(!b.try_push_text(&[0xff, 0x41]));
        assert!(b.is_empty());
    }

    #[test]
    fn clearing_gives_back_the_memory_of_a_huge_value() {
        let mut b = batch();
        b.push(Cell::Int(1));
        b.push_text(&"x".repeat(9 * DEFAULT_BATCH_BYTES));
        b.clear();
        assert!(b.is_empty());
        assert_eq!(b.arena.capacity(), 0);
    }

    #[test]
    fn long_values_are_read_where_they_came() {
        let mut b = batch();
        let long = Bytes::from(vec![b'x'; LONG_VALUE_BYTES]);
        b.push(Cell::Int(1));
        assert!(b.try_push_long_text(long.clone()));
        b.push(Cell::Int(2));
        b.push_text("short");
        assert!(!b.try_push_long_text(Bytes::from_static(&[0xff])));
        let text = |b: &Batch, row: usize| {
            let Cell::Text(span) = b.row(row)[1] else { panic!("not text") };
            (b.bytes(span).as_ptr(), b.text(span).len())
        };
        assert_eq!(text(&b, 0), (long.as_ptr(), LONG_VALUE_BYTES));
        assert_eq!(text(&b, 1).1, 5);
        assert_eq!(b.byte_size(), LONG_VALUE_BYTES + 5 + 4 * size_of::<Cell>());
        b.clear();
        assert!(long.is_unique());
    }

    #[test]
    fn what_a_batch_holds_goes_when_it_is_cleared() {
        let held = Arc::new(());
        let mut b = batch();
        b.hold(held.clone());
        b.drop_rows();
        assert_eq!(Arc::strong_count(&held), 2);
        b.clear();
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
