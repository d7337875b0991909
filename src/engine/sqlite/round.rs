//! Numbers and times that have more fractional digits than their column declares, which SQLite does not mind: what shows
//! them, and the stated rule of `scale` for them.

use rusqlite::types::ValueRef;

use super::cell::{Misfit, Reading, TOO_MANY_DIGITS, Value, interpret, number_text};
use crate::model::batch::Cell;
use crate::model::schema::DataType;
use crate::model::value;

/// A number or a time with as many fractional digits as are declared, a half rounded to the even one.
pub(super) fn rounded<'a>(
    stored: ValueRef<'a>,
    carries: &DataType,
    reading: Reading,
    scratch: &'a mut String,
) -> Option<Value<'a>> {
    if let DataType::Decimal { scale, .. } = carries {
        let scale = usize::try_from((*scale)?).ok()?;
        let digits = match stored {
            ValueRef::Text(text) => value::round_decimal(std::str::from_utf8(text).ok()?, scale)?,
            stored => value::round_decimal(number_text(stored, scratch)?, scale)?,
        };
        *scratch = digits;
        return Some(Value::Decimal(scratch));
    }
    let (whole, step) = (finest(carries)?, step(carries)?);
    let round = |micros: i64| {
        let (below, rest) = (micros.div_euclid(step), micros.rem_euclid(step));
        let up = rest * 2 > step || rest * 2 == step && below % 2 != 0;
        (below + i64::from(up)).checked_mul(step)
    };
    let cell = match interpret(stored, &whole, reading, scratch).ok()? {
        Value::Plain(Cell::Time(v)) => Cell::Time(round(v)?),
        Value::Plain(Cell::DateTime(v)) => Cell::DateTime(round(v)?),
        Value::Plain(Cell::Timestamp(v)) => Cell::Timestamp(round(v)?),
        _ => return None,
    };
    Some(Value::Plain(cell))
}

/// The same kind of time with all digits.
fn finest(carries: &DataType) -> Option<DataType> {
    Some(match carries {
        DataType::Time { .. } => DataType::Time { precision: 6 },
        DataType::TimeSpan { .. } => DataType::TimeSpan { precision: 6 },
        DataType::DateTime { .. } => DataType::DateTime { precision: 6 },
        DataType::Timestamp { .. } => DataType::Timestamp { precision: 6 },
        _ => return None,
    })
}

/// Microseconds of the last fractional digit of a type of times.
fn step(carries: &DataType) -> Option<i64> {
    match carries {
        DataType::Time { precision }
        | DataType::TimeSpan { precision }
        | DataType::DateTime { precision }
        | DataType::Timestamp { precision } => Some(value::step(*precision)),
        _ => None,
    }
}

/// A time, if its column declares all of its digits.
pub(super) fn fine(micros: i64, carries: &DataType) -> Result<i64, Misfit> {
    match step(carries) {
        Some(step) if micros.rem_euclid(step) != 0 => Err(TOO_MANY_DIGITS),
        _ => Ok(micros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_what_is_declared() {
        for (text, carries, expected) in [
            ("2024-01-02 03:04:05.6785", DataType::DateTime { precision: 3 }, "2024-01-02 03:04:05.678000"),
            ("2024-01-02 03:04:05.6775", DataType::DateTime { precision: 3 }, "2024-01-02 03:04:05.678000"),
            ("2024-12-31 23:59:59.999501", DataType::DateTime { precision: 3 }, "2025-01-01 00:00:00.000000"),
            ("1969-12-31 23:59:59.5", DataType::DateTime { precision: 0 }, "1970-01-01 00:00:00.000000"),
        ] {
            let (stored, mut scratch) = (ValueRef::Text(text.as_bytes()), String::new());
            let read = interpret(stored, &carries, Reading::default(), &mut scratch);
            assert_eq!(read, Err(TOO_MANY_DIGITS), "{text}");
            let mut scratch = String::new();
            match rounded(stored, &carries, Reading::default(), &mut scratch) {
                Some(Value::Plain(Cell::DateTime(micros))) => {
                    assert_eq!(value::format_datetime(micros, 6), expected, "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
