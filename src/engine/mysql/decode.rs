//! From what the server says of a value to a cell. It says the same of it to whoever reads a table and to the programs that
//! write dumps, so both are read by this.

use super::native::NativeType;
use crate::engine::capability::ReadColumn;
use crate::model::batch::{Batch, Cell};
use crate::model::codes;
use crate::model::schema::DataType;
use crate::model::value;

/// How the bytes of a column become cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    Bool,
    Int,
    Single,
    Double,
    Decimal,
    Text,
    /// A label of an enum none of whose labels is empty.
    Label,
    Bytes,
    /// Bytes that stand for a value of a type that is no byte string: hexadecimal digits.
    Hex,
    Date,
    Time,
    DateTime,
    Uuid,
    /// So many bits, sent as bytes.
    Bits(u32),
}

impl Decoder {
    /// The one of a column; `None` where it has no type.
    pub(super) fn of(column: &ReadColumn) -> Option<Self> {
        let native = NativeType::parse(&column.native_type);
        Some(match &column.carries {
            DataType::Bool => Self::Bool,
            DataType::Int { .. } | DataType::Year => Self::Int,
            DataType::Float32 => Self::Single,
            DataType::Float64 => Self::Double,
            DataType::Decimal { .. } => Self::Decimal,
            DataType::Bytes { .. } => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::Time { .. } | DataType::TimeSpan { .. } => Self::Time,
            DataType::DateTime { .. } | DataType::Timestamp { .. } => Self::DateTime,
            DataType::Uuid => Self::Uuid,
            DataType::Bit { length: Some(length), varying: false } if native.base == "bit" => {
                Self::Bits(*length)
            }
            DataType::Native { .. } if native.is_spatial() => Self::Hex,
            DataType::Enum { labels, .. }
                if native.base == "enum" && !labels.iter().any(String::is_empty) =>
            {
                Self::Label
            }
            text if text.has_text_cells() => Self::Text,
            _ => return None,
        })
    }

    /// Code of a value that is no such thing.
    pub(super) fn misfit(self) -> &'static str {
        match self {
            Self::Bool => codes::NOT_A_BOOLEAN,
            Self::Date | Self::DateTime => codes::ZERO_DATE,
            Self::Label => codes::NOT_A_LABEL,
            Self::Text => codes::INVALID_UTF8,
            _ => codes::WRONG_STORAGE_CLASS,
        }
    }

    /// Appends a value; `false` if it is no such thing.
    pub(super) fn push(self, column: &ReadColumn, bytes: &[u8], batch: &mut Batch) -> bool {
        let text = || std::str::from_utf8(bytes).ok();
        let cell = match self {
            Self::Text => return batch.try_push_text(bytes),
            Self::Label => return !bytes.is_empty() && batch.try_push_text(bytes),
            Self::Bytes => {
                batch.push_bytes(bytes);
                return true;
            }
            Self::Hex => {
                batch.push_text(&value::format_hex(bytes));
                return true;
            }
            Self::Decimal => {
                let Some(decimal) = text().filter(|t| value::is_decimal(t)) else { return false };
                batch.push_decimal(decimal);
                return true;
            }
            Self::Uuid => {
                let Some(uuid) = text().and_then(value::parse_uuid) else { return false };
                batch.push_uuid(uuid);
                return true;
            }
            Self::Bits(length) => {
                let Some(bits) = bits(bytes, length) else { return false };
                batch.push_text(&bits);
                return true;
            }
            Self::Int => {
                let Some(text) = text() else { return false };
                match text.parse::<i64>() {
                    Ok(number) => Some(Cell::Int(number)),
                    Err(_) => text.parse::<u64>().ok().map(Cell::UInt),
                }
            }
            Self::Bool => match bytes {
                b"0" => Some(Cell::Bool(false)),
                b"1" => Some(Cell::Bool(true)),
                _ => None,
            },
            Self::Single => text().and_then(|t| t.parse::<f32>().ok()).map(|v| Cell::Float(f64::from(v))),
            Self::Double => text().and_then(|t| t.parse().ok()).map(Cell::Float),
            Self::Date => text().and_then(value::parse_date).map(Cell::Date),
            Self::Time => text().and_then(value::parse_time_span).map(Cell::Time),
            Self::DateTime => text().and_then(value::parse_datetime).map(|micros| {
                if matches!(column.carries, DataType::Timestamp { .. }) {
                    Cell::Timestamp(micros)
                } else {
                    Cell::DateTime(micros)
                }
            }),
        };
        if let Some(cell) = cell {
            batch.push(cell);
        }
        cell.is_some()
    }
}

fn bits(bytes: &[u8], length: u32) -> Option<String> {
    let number = bytes.iter().try_fold(0_u64, |n, b| Some(n.checked_mul(256)? | u64::from(*b)))?;
    Some(format!("{number:0width$b}", width = usize::try_from(length).ok()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};

    fn column(carries: DataType, native_type: &str) -> ReadColumn {
        ReadColumn { name: "c".into(), native_type: native_type.into(), carries, epoch: None }
    }

    fn decoded(column: &ReadColumn, bytes: &[u8]) -> Option<Cell> {
        let shape = Shape {
            table: "t".into(),
            columns: vec![ShapeColumn { name: "c".into(), data_type: column.carries.clone() }],
            key: vec![],
        };
        let mut batch = Batch::new(Arc::new(shape));
        Decoder::of(column)?.push(column, bytes, &mut batch).then(|| batch.row(0)[0])
    }

    #[test]
    fn values_become_the_cells_of_their_type() {
        let cell = |carries, native: &str, bytes: &str| decoded(&column(carries, native), bytes.as_bytes());
        let unsigned = DataType::Int { bits: 64, unsigned: true };
        assert_eq!(
            cell(unsigned.clone(), "bigint unsigned", "18446744073709551615"),
            Some(Cell::UInt(u64::MAX))
        );
        assert_eq!(cell(unsigned, "bigint unsigned", "5"), Some(Cell::Int(5)));
        assert_eq!(cell(DataType::INT32, "int(5) unsigned zerofill", "00042"), Some(Cell::Int(42)));
        assert_eq!(cell(DataType::Bool, "tinyint(1)", "1"), Some(Cell::Bool(true)));
        assert_eq!(cell(DataType::Bool, "tinyint(1)", "2"), None);
        assert_eq!(cell(DataType::Float32, "float", "16777216"), Some(Cell::Float(16_777_216.0)));
        assert_eq!(
            cell(DataType::TimeSpan { precision: 6 }, "time(6)", "-838:59:59.000001"),
            Some(Cell::Time(-3_020_399_000_001))
        );
        assert_eq!(cell(DataType::Date, "date", "1970-01-02"), Some(Cell::Date(1)));
        assert_eq!(
            cell(DataType::Timestamp { precision: 0 }, "timestamp", "1970-01-01 00:00:01"),
            Some(Cell::Timestamp(1_000_000))
        );
    }

    #[test]
    fn dates_of_no_calendar_are_refused() {
        for text in ["0000-00-00", "2024-00-10"] {
            assert_eq!(decoded(&column(DataType::Date, "date"), text.as_bytes()), None);
        }
        let zero = decoded(&column(DataType::DateTime { precision: 0 }, "datetime"), b"0000-00-00 00:00:00");
        assert_eq!(zero, None);
    }

    #[test]
    fn bits_are_digits() {
        assert_eq!(bits(&[0b10, 0b1], 10).as_deref(), Some("1000000001"));
        assert_eq!(bits(&[0xff; 8], 64).as_deref(), Some("1".repeat(64).as_str()));
        assert_eq!(bits(&[1; 9], 72), None);
    }
}
