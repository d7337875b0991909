//! Columns of Arrow and cells, both ways. Which Arrow type a column has follows from what it is kept as and nothing
//! else; each is the one that other tools expect where it holds every value exactly, else text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Date32Builder, DurationMicrosecondBuilder, FixedSizeBinaryBuilder, Float64Builder,
    Int64Builder, LargeBinaryBuilder, LargeStringBuilder, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, DurationMicrosecondArray, FixedSizeBinaryArray, Float64Array,
    Int64Array, LargeBinaryArray, LargeStringArray, RecordBatch, RecordBatchOptions, StructArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{ArrowError, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::format::ColumnEntry;
use crate::engine::kept::Kept;
use crate::model::batch::{Batch, Cell};
use crate::model::schema::DataType;
use crate::model::value;

/// Key of a field's metadata under which the neutral type stands, as JSON.
const TYPE: &str = "techcare-db.type";

/// Zone of instants, as Arrow spells it.
const UTC: &str = "UTC";

/// Which Arrow type a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bool,
    Int,
    Unsigned,
    Float,
    Decimal,
    Text,
    Bytes,
    Uuid,
    Date,
    Time,
    Span,
    DateTime,
    Timestamp,
    /// One field for each storage class of SQLite, of which a value fills one.
    Any,
}

impl Form {
    fn of(kept: &DataType) -> Self {
        match kept {
            DataType::Bool => Self::Bool,
            DataType::Int { bits: 64, unsigned: true } => Self::Unsigned,
            DataType::Int { .. } | DataType::Year => Self::Int,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Decimal { .. } => Self::Decimal,
            DataType::Bytes { .. } => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::Time { .. } => Self::Time,
            DataType::TimeSpan { .. } => Self::Span,
            DataType::DateTime { .. } => Self::DateTime,
            DataType::Timestamp { .. } => Self::Timestamp,
            DataType::Uuid => Self::Uuid,
            DataType::Any => Self::Any,
            DataType::Text { .. }
            | DataType::TimeTz
            | DataType::Interval
            | DataType::Json { .. }
            | DataType::Enum { .. }
            | DataType::Set { .. }
            | DataType::Bit { .. }
            | DataType::Native { .. } => Self::Text,
        }
    }

    fn arrow(self) -> arrow_schema::DataType {
        use arrow_schema::DataType as Arrow;
        match self {
            Self::Bool => Arrow::Boolean,
            Self::Int => Arrow::Int64,
            Self::Unsigned => Arrow::UInt64,
            Self::Float => Arrow::Float64,
            Self::Decimal | Self::Text => Arrow::LargeUtf8,
            Self::Bytes => Arrow::LargeBinary,
            Self::Uuid => Arrow::FixedSizeBinary(16),
            Self::Date => Arrow::Date32,
            Self::Time => Arrow::Time64(TimeUnit::Microsecond),
            Self::Span => Arrow::Duration(TimeUnit::Microsecond),
            Self::DateTime => Arrow::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Any => Arrow::Struct(classes()),
        }
    }
}

/// Fields of a column whose values have a storage class each. `raw_text` is text that is not UTF-8.
fn classes() -> Fields {
    use arrow_schema::DataType as Arrow;
    [
        ("integer", Arrow::Int64),
        ("real", Arrow::Float64),
        ("text", Arrow::LargeUtf8),
        ("blob", Arrow::LargeBinary),
        ("raw_text", Arrow::LargeBinary),
    ]
    .into_iter()
    .map(|(name, data_type)| Field::new(name, data_type, true))
    .collect()
}

/// The Arrow schema of a table.
pub fn schema(columns: &[ColumnEntry]) -> SchemaRef {
    let field = |column: &ColumnEntry| {
        let kept = serde_json::to_string(&column.kept).unwrap_or_default();
        Field::new(&column.name, Form::of(&column.kept).arrow(), true)
            .with_metadata(HashMap::from([(TYPE.to_owned(), kept)]))
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A cell that is none of its column's: position of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray(pub usize);

/// Gathers the rows of batches into columns.
pub struct Gatherer {
    schema: SchemaRef,
    columns: Vec<Column>,
}

impl Gatherer {
    /// For the columns of a table.
    pub fn new(columns: &[ColumnEntry]) -> Self {
        let forms = columns.iter().map(|c| Column::new(Form::of(&c.kept)));
        Self { schema: schema(columns), columns: forms.collect() }
    }

    /// The rows of a batch as columns.
    pub fn gather(&mut self, batch: &Batch) -> Result<Result<RecordBatch, Stray>, ArrowError> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            for row in batch.iter() {
                if column.push(Kept::of(batch, row[at])).is_none() {
                    return Ok(Err(Stray(at)));
                }
            }
        }
        let arrays = self.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map(Ok)
    }
}

/// A column that is being filled.
enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Unsigned(UInt64Builder),
    Float(Float64Builder),
    Decimal(LargeStringBuilder),
    Text(LargeStringBuilder),
    Bytes(LargeBinaryBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Span(DurationMicrosecondBuilder),
    DateTime(TimestampMicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Any(Box<Classes>),
}

/// The same done with the builder of a column, whichever it is; they share no trait that has it.
macro_rules! with_builder {
    ($column:expr, $to:ident => $done:expr, $classes:ident => $otherwise:expr) => {
        match $column {
            Column::Bool($to) => $done,
            Column::Int($to) => $done,
            Column::Unsigned($to) => $done,
            Column::Float($to) => $done,
            Column::Decimal($to) | Column::Text($to) => $done,
            Column::Bytes($to) => $done,
            Column::Uuid($to) => $done,
            Column::Date($to) => $done,
            Column::Time($to) => $done,
            Column::Span($to) => $done,
            Column::DateTime($to) | Column::Timestamp($to) => $done,
            Column::Any($classes) => $otherwise,
        }
    };
}

impl Column {
    fn new(form: Form) -> Self {
        match form {
            Form::Bool => Self::Bool(BooleanBuilder::new()),
            Form::Int => Self::Int(Int64Builder::new()),
            Form::Unsigned => Self::Unsigned(UInt64Builder::new()),
            Form::Float => Self::Float(Float64Builder::new()),
            Form::Decimal => Self::Decimal(LargeStringBuilder::new()),
            Form::Text => Self::Text(LargeStringBuilder::new()),
            Form::Bytes => Self::Bytes(LargeBinaryBuilder::new()),
            Form::Uuid => Self::Uuid(FixedSizeBinaryBuilder::new(16)),
            Form::Date => Self::Date(Date32Builder::new()),
            Form::Time => Self::Time(Time64MicrosecondBuilder::new()),
            Form::Span => Self::Span(DurationMicrosecondBuilder::new()),
            Form::DateTime => Self::DateTime(TimestampMicrosecondBuilder::new()),
            Form::Timestamp => Self::Timestamp(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
            Form::Any => Self::Any(Box::default()),
        }
    }

    /// Appends a value; `None` if it is none of this column's.
    fn push(&mut self, value: Kept<'_>) -> Option<()> {
        match (self, value) {
            (column, Kept::Plain(Cell::Null)) => {
                with_builder!(column, to => to.append_null(), classes => classes.push(value)?);
            }
            (Self::Bool(to), Kept::Plain(Cell::Bool(v))) => to.append_value(v),
            (Self::Int(to), Kept::Plain(Cell::Int(v))) => to.append_value(v),
            (Self::Unsigned(to), Kept::Plain(Cell::Int(v))) => to.append_value(u64::try_from(v).ok()?),
            (Self::Unsigned(to), Kept::Plain(Cell::UInt(v))) => to.append_value(v),
            (Self::Float(to), Kept::Plain(Cell::Float(v))) => to.append_value(v),
            (Self::Decimal(to), Kept::Decimal(digits)) => to.append_value(digits),
            (Self::Text(to), Kept::Text(text)) => to.append_value(std::str::from_utf8(text).ok()?),
            (Self::Bytes(to), Kept::Bytes(bytes)) => to.append_value(bytes),
            (Self::Uuid(to), Kept::Uuid(uuid)) => to.append_value(uuid).ok()?,
            (Self::Date(to), Kept::Plain(Cell::Date(v))) => to.append_value(v),
            (Self::Time(to), Kept::Plain(Cell::Time(v))) => to.append_value(v),
            (Self::Span(to), Kept::Plain(Cell::Time(v))) => to.append_value(v),
            (Self::DateTime(to), Kept::Plain(Cell::DateTime(v)))
            | (Self::Timestamp(to), Kept::Plain(Cell::Timestamp(v))) => to.append_value(v),
            (Self::Any(classes), value) => classes.push(value)?,
            _ => return None,
        }
        Some(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(with_builder!(self, to => Arc::new(to.finish()), classes => Arc::new(classes.finish()?)))
    }
}

/// A column of values that have a storage class each.
#[derive(Default)]
struct Classes {
    integer: Int64Builder,
    real: Float64Builder,
    text: LargeStringBuilder,
    blob: LargeBinaryBuilder,
    raw_text: LargeBinaryBuilder,
    present: Vec<bool>,
}

impl Classes {
    fn push(&mut self, value: Kept<'_>) -> Option<()> {
        let (mut integer, mut real, mut text, mut blob, mut raw_text) = (None, None, None, None, None);
        match value {
            Kept::Plain(Cell::Null) => {}
            Kept::Plain(Cell::Int(v)) => integer = Some(v),
            Kept::Plain(Cell::Float(v)) => real = Some(v),
            Kept::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(utf8) => text = Some(utf8),
                Err(_) => raw_text = Some(bytes),
            },
            Kept::Bytes(bytes) => blob = Some(bytes),
            _ => return None,
        }
        self.integer.append_option(integer);
        self.real.append_option(real);
        self.text.append_option(text);
        self.blob.append_option(blob);
        self.raw_text.append_option(raw_text);
        self.present.push(value != Kept::Plain(Cell::Null));
        Some(())
    }

    fn finish(&mut self) -> Result<StructArray, ArrowError> {
        let present = NullBuffer::from(std::mem::take(&mut self.present));
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(self.integer.finish()),
            Arc::new(self.real.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.blob.finish()),
            Arc::new(self.raw_text.finish()),
        ];
        StructArray::try_new(classes(), arrays, Some(present))
    }
}

/// A column of Arrow whose values can be asked for as cells.
pub enum Values<'a> {
    /// Truth values.
    Bool(&'a BooleanArray),
    /// Integers.
    Int(&'a Int64Array),
    /// Integers without a sign.
    Unsigned(&'a UInt64Array),
    /// Doubles.
    Float(&'a Float64Array),
    /// Decimals as text.
    Decimal(&'a LargeStringArray),
    /// Text.
    Text(&'a LargeStringArray),
    /// Bytes.
    Bytes(&'a LargeBinaryArray),
    /// UUIDs.
    Uuid(&'a FixedSizeBinaryArray),
    /// Dates.
    Date(&'a Date32Array),
    /// Times of day.
    Time(&'a Time64MicrosecondArray),
    /// Time spans.
    Span(&'a DurationMicrosecondArray),
    /// Dates and times.
    DateTime(&'a TimestampMicrosecondArray),
    /// Instants.
    Timestamp(&'a TimestampMicrosecondArray),
    /// Values of all storage classes.
    Any(&'a StructArray, Box<[Values<'a>; 4]>, &'a LargeBinaryArray),
}

impl<'a> Values<'a> {
    /// A column that was kept as `kept`; `None` where it has another Arrow type.
    pub fn of(array: &'a ArrayRef, kept: &DataType) -> Option<Self> {
        let array = array.as_any();
        Some(match Form::of(kept) {
            Form::Bool => Self::Bool(array.downcast_ref()?),
            Form::Int => Self::Int(array.downcast_ref()?),
            Form::Unsigned => Self::Unsigned(array.downcast_ref()?),
            Form::Float => Self::Float(array.downcast_ref()?),
            Form::Decimal => Self::Decimal(array.downcast_ref()?),
            Form::Text => Self::Text(array.downcast_ref()?),
            Form::Bytes => Self::Bytes(array.downcast_ref()?),
            Form::Uuid => Self::Uuid(array.downcast_ref()?),
            Form::Date => Self::Date(array.downcast_ref()?),
            Form::Time => Self::Time(array.downcast_ref()?),
            Form::Span => Self::Span(array.downcast_ref()?),
            Form::DateTime => Self::DateTime(array.downcast_ref()?),
            Form::Timestamp => Self::Timestamp(array.downcast_ref()?),
            Form::Any => {
                let array: &StructArray = array.downcast_ref()?;
                let [integer, real, text, blob, raw_text] = array.columns() else { return None };
                let classes = [
                    Self::of(integer, &DataType::INT64)?,
                    Self::of(real, &DataType::Float64)?,
                    Self::of(text, &DataType::TEXT)?,
                    Self::of(blob, &DataType::BYTES)?,
                ];
                Self::Any(array, Box::new(classes), raw_text.as_any().downcast_ref()?)
            }
        })
    }

    /// The value of a row; `None` for one that no writer of this format makes.
    pub fn at(&self, row: usize) -> Option<Kept<'a>> {
        let null = match self {
            Self::Bool(a) => a.is_null(row),
            Self::Int(a) => a.is_null(row),
            Self::Unsigned(a) => a.is_null(row),
            Self::Float(a) => a.is_null(row),
            Self::Decimal(a) | Self::Text(a) => a.is_null(row),
            Self::Bytes(a) => a.is_null(row),
            Self::Uuid(a) => a.is_null(row),
            Self::Date(a) => a.is_null(row),
            Self::Time(a) => a.is_null(row),
            Self::Span(a) => a.is_null(row),
            Self::DateTime(a) | Self::Timestamp(a) => a.is_null(row),
            Self::Any(a, ..) => a.is_null(row),
        };
        if null {
            return Some(Kept::Plain(Cell::Null));
        }
        Some(match self {
            Self::Bool(a) => Kept::Plain(Cell::Bool(a.value(row))),
            Self::Int(a) => Kept::Plain(Cell::Int(a.value(row))),
            Self::Unsigned(a) => {
                let v = a.value(row);
                Kept::Plain(i64::try_from(v).map_or(Cell::UInt(v), Cell::Int))
            }
            Self::Float(a) => Kept::Plain(Cell::Float(a.value(row))),
            Self::Decimal(a) => Kept::Decimal(Some(a.value(row)).filter(|d| value::is_decimal(d))?),
            Self::Text(a) => Kept::Text(a.value(row).as_bytes()),
            Self::Bytes(a) => Kept::Bytes(a.value(row)),
            Self::Uuid(a) => Kept::Uuid(a.value(row).try_into().ok()?),
            Self::Date(a) => Kept::Plain(Cell::Date(a.value(row))),
            Self::Time(a) => Kept::Plain(Cell::Time(a.value(row))),
            Self::Span(a) => Kept::Plain(Cell::Time(a.value(row))),
            Self::DateTime(a) => Kept::Plain(Cell::DateTime(a.value(row))),
            Self::Timestamp(a) => Kept::Plain(Cell::Timestamp(a.value(row))),
            Self::Any(_, classes, raw_text) => {
                let is_set = |value: &Kept<'_>| *value != Kept::Plain(Cell::Null);
                let mut set = classes.iter().filter_map(|class| class.at(row).filter(is_set));
                let value = set.next();
                let raw = raw_text.is_valid(row).then(|| Kept::Text(raw_text.value(row)));
                // One class and no more.
                match (value, set.next(), raw) {
                    (Some(value), None, None) | (None, None, Some(value)) => value,
                    _ => return None,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};

    /// Each value alone in a table of one column, there and back.
    fn round(kept: &DataType, fill: impl Fn(&mut Batch)) -> Option<Vec<String>> {
        let columns = [ColumnEntry { name: "c".into(), kept: kept.clone() }];
        let shape = Arc::new(Shape {
            table: "t".into(),
            columns: vec![ShapeColumn { name: "c".into(), data_type: kept.clone() }],
            key: vec![0],
        });
        let mut batch = Batch::new(shape);
        fill(&mut batch);
        batch.push(Cell::Null);
        let gathered = Gatherer::new(&columns).gather(&batch).unwrap().ok()?;
        let values = Values::of(gathered.column(0), kept).unwrap();
        for (row, cells) in batch.iter().enumerate() {
            let (before, after) = (Kept::of(&batch, cells[0]), values.at(row).unwrap());
            match (before, after) {
                (Kept::Plain(Cell::Float(a)), Kept::Plain(Cell::Float(b))) => {
                    assert_eq!(a.to_bits(), b.to_bits());
                }
                (before, after) => assert_eq!(before, after),
            }
        }
        Some((0..batch.rows()).filter_map(|row| batch.key_of(row)).collect())
    }

    #[test]
    fn every_kind_of_cell_comes_back_bit_by_bit() {
        let plain = |kept: DataType, cells: &[Cell]| {
            let shown = round(&kept, |b| cells.iter().for_each(|c| b.push(*c)));
            assert_eq!(shown.map(|s| s.len()), Some(cells.len() + 1), "{kept:?}");
        };
        let micros = [i64::MIN, -1, 0, 86_400_000_000, 3_020_399_999_999, i64::MAX];
        plain(DataType::Bool, &[Cell::Bool(true), Cell::Bool(false)]);
        plain(DataType::INT64, &[Cell::Int(i64::MIN), Cell::Int(i64::MAX)]);
        plain(DataType::Int { bits: 8, unsigned: true }, &[Cell::Int(255)]);
        plain(DataType::Year, &[Cell::Int(1901)]);
        plain(
            DataType::Int { bits: 64, unsigned: true },
            &[Cell::Int(0), Cell::UInt(u64::MAX), Cell::UInt(1 << 63)],
        );
        let floats = [0.1, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 4.0, f64::MAX];
        let odd_nan = f64::from_bits(0x7ff8_0000_0000_0001);
        plain(
            DataType::Float64,
            &floats.iter().chain([&odd_nan]).map(|v| Cell::Float(*v)).collect::<Vec<_>>(),
        );
        plain(DataType::Float32, &[Cell::Float(f64::from(0.1_f32))]);
        plain(DataType::Date, &[Cell::Date(i32::MIN), Cell::Date(-719_468), Cell::Date(i32::MAX)]);
        plain(DataType::Time { precision: 6 }, &micros.map(Cell::Time));
        plain(DataType::TimeSpan { precision: 6 }, &micros.map(Cell::Time));
        plain(DataType::DateTime { precision: 6 }, &micros.map(Cell::DateTime));
        plain(DataType::Timestamp { precision: 6 }, &micros.map(Cell::Timestamp));
    }

    #[test]
    fn text_bytes_and_digits_come_back_as_they_were() {
        let decimal = DataType::Decimal { precision: None, scale: None };
        let digits = format!("-{}.{}0", "9".repeat(200), "1".repeat(100));
        for text in [digits.as_str(), "0", "12.30", "-0.00", "007", "NaN", "Infinity", "-Infinity"] {
            assert!(round(&decimal, |b| b.push_decimal(text)).is_some(), "{text}");
        }
        let json = DataType::Json { binary: false };
        for text in ["", "a\0b", "não 😀", "{\"a\": 1}", " trailing  "] {
            assert!(round(&DataType::TEXT, |b| b.push_text(text)).is_some());
            assert!(round(&json, |b| b.push_text(text)).is_some());
        }
        let long = vec![0xab; 100_000];
        for bytes in [&b""[..], &[0, 255, 0], &long] {
            assert!(round(&DataType::BYTES, |b| b.push_bytes(bytes)).is_some());
        }
        assert!(round(&DataType::Uuid, |b| b.push_uuid([7; 16])).is_some());
    }

    #[test]
    fn values_of_sqlite_keep_their_storage_classes() {
        let kept = round(&DataType::Any, |b| {
            b.push(Cell::Int(1));
            b.push(Cell::Float(1.0));
            b.push_text("1");
            b.push_bytes(b"1");
            b.push_raw_text(&[0xff, 0x31]);
            b.push_text("");
            b.push_bytes(b"");
        });
        assert!(kept.is_some());
    }

    #[test]
    fn a_value_of_another_kind_is_refused_and_never_changed() {
        assert!(round(&DataType::INT64, |b| b.push_text("1")).is_none());
        assert!(round(&DataType::TEXT, |b| b.push_raw_text(&[0xff])).is_none());
        assert!(round(&DataType::Int { bits: 64, unsigned: true }, |b| b.push(Cell::Int(-1))).is_none());
        assert!(round(&DataType::Any, |b| b.push_uuid([1; 16])).is_none());
        assert!(round(&DataType::Date, |b| b.push(Cell::DateTime(1))).is_none());
    }
}
