//! How the values of a unique key are spelled. SQLite tells two spellings of one UUID, time, truth value or decimal apart,
//! and no other engine does; as long as all values have one form, no two of them are spellings of one.

use rusqlite::types::ValueRef;

use crate::model::schema::DataType;

/// Where the clock begins in a date and time.
const CLOCK: usize = 11;

/// The form of all values that were seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Nothing was seen yet, or NULL.
    #[default]
    None,
    /// Numbers, which SQLite compares as such.
    Numbers,
    /// Byte strings.
    Bytes,
    /// Text like this one.
    Text(Vec<u8>),
    /// More than one.
    Many,
}

impl Form {
    /// Looks at one more value of a column.
    pub fn see(&mut self, stored: ValueRef<'_>, data_type: &DataType) {
        let same = match (&*self, stored) {
            (Self::Many, _) | (_, ValueRef::Null) => true,
            (Self::None, ValueRef::Text(text)) => {
                *self = Self::Text(text.to_vec());
                return;
            }
            (Self::None, stored) => {
                *self = if matches!(stored, ValueRef::Blob(_)) { Self::Bytes } else { Self::Numbers };
                return;
            }
            (Self::Text(first), ValueRef::Text(text)) => are_alike(first, text, data_type),
            (Self::Numbers, stored) => matches!(stored, ValueRef::Integer(_) | ValueRef::Real(_)),
            (Self::Bytes, stored) => matches!(stored, ValueRef::Blob(_)),
            (Self::Text(_), _) => false,
        };
        if !same {
            *self = Self::Many;
        }
    }
}

/// Whether two texts differ in digits alone, and are different values then. A clock of another offset from UTC may be the
/// same instant.
fn are_alike(one: &[u8], other: &[u8], data_type: &DataType) -> bool {
    let has_offset =
        matches!(data_type, DataType::DateTime { .. } | DataType::Timestamp { .. } | DataType::Date);
    let sign =
        |text: &[u8]| text.iter().skip(CLOCK).position(|b| matches!(b, b'+' | b'-')).map(|at| at + CLOCK);
    let clock = if has_offset { sign(one) } else { None }.unwrap_or(one.len());
    let hexadecimal = matches!(data_type, DataType::Uuid | DataType::Text { .. });
    let digit = |byte: u8| byte.is_ascii_digit() || hexadecimal && matches!(byte, b'a'..=b'f');
    one.len() == other.len()
        && one[clock..] == other[clock..]
        && one[..clock].iter().zip(other).all(|(a, b)| a == b || digit(*a) && digit(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data_type: &DataType, values: &[ValueRef<'_>]) -> bool {
        let mut form = Form::default();
        for value in values {
            form.see(*value, data_type);
        }
        form != Form::Many
    }

    #[test]
    fn one_value_in_two_spellings_has_two_forms() {
        use ValueRef::{Blob, Integer, Null, Real, Text};
        let datetime = DataType::DateTime { precision: 6 };
        for (one, data_type, values) in [
            (true, &DataType::Uuid, vec![Null, Text(b"a0eebc99"), Text(b"01234567"), Text(b"abcdefff")]),
            (false, &DataType::Uuid, vec![Text(b"a0eebc99"), Text(b"A0EEBC99")]),
            (false, &DataType::TEXT, vec![Text(b"a0ee-bc99"), Text(b"a0eebc99")]),
            (false, &DataType::Uuid, vec![Blob(b"0123456789abcdef"), Text(b"a0eebc99")]),
            (true, &datetime, vec![Text(b"2024-01-02 03:04:05+00:00"), Text(b"2025-10-12 13:14:15+00:00")]),
            (false, &datetime, vec![Text(b"2024-01-02 03:04:05+00:00"), Text(b"2024-01-02 04:04:05+01:00")]),
            (false, &datetime, vec![Text(b"2024-01-02 03:04:05"), Text(b"2024-01-02T03:04:05")]),
            (false, &datetime, vec![Text(b"2024-01-02 03:04:05"), Text(b"2024-01-02 03:04:05.000")]),
            (false, &datetime, vec![Integer(1_700_000_000), Text(b"2024-01-02 03:04:05")]),
            (true, &DataType::Date, vec![Text(b"2024-01-02"), Text(b"2025-12-31")]),
            (false, &DataType::Bool, vec![Null, Integer(1), Text(b"true")]),
            (false, &DataType::Bool, vec![Text(b"t"), Text(b"T")]),
            (true, &DataType::Bool, vec![Integer(1), Null, Integer(0)]),
            (true, &DataType::Decimal { precision: None, scale: None }, vec![Integer(1), Real(1.5)]),
            (false, &DataType::Decimal { precision: None, scale: None }, vec![Text(b"1.5"), Text(b"1.50")]),
        ] {
            assert_eq!(of(data_type, &values), one, "{values:?}");
        }
    }
}
