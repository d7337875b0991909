//! Whether a type keeps a value as it is. A column that goes back to where it came from gets its type of then, and what was
//! written meanwhile may be more than that: a server rounds such values, cuts them, pads them or refuses them. Pure.

use crate::model::batch::{Batch, Cell};
use crate::model::schema::DataType;
use crate::model::value;

/// The clock goes up to 24:00:00 itself.
const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Whether a column keeps a value as it is. NULL always fits.
pub type Fit = Box<dyn Fn(&Batch, Cell) -> bool + Send + Sync>;

/// Of a type by its neutral form; `None` if it keeps whatever is of its kind.
pub fn neutral(data_type: &DataType) -> Option<Fit> {
    match data_type.clone() {
        // Whoever reads it takes nothing else.
        DataType::Bool | DataType::Uuid => Some(Box::new(|_, _| true)),
        DataType::Int { bits, unsigned } => {
            let range = DataType::int_range(bits, unsigned);
            Some(Box::new(move |_, cell| integer(cell).is_none_or(|value| range.contains(&value))))
        }
        DataType::Year => Some(Box::new(|_, cell| {
            integer(cell).is_none_or(|year| i64::try_from(year).is_ok_and(value::is_year))
        })),
        DataType::Float32 => Some(Box::new(|_, cell| match cell {
            Cell::Float(value) => is_single(value),
            _ => true,
        })),
        DataType::Decimal { precision: Some(precision), scale } => {
            let scale = i64::from(scale.unwrap_or(0));
            let whole = i64::from(precision) - scale;
            Some(Box::new(move |batch, cell| match cell {
                Cell::Decimal(span) => {
                    digits(batch.text(span)).is_none_or(|(before, after)| before <= whole && after <= scale)
                }
                _ => true,
            }))
        }
        DataType::Text { max_chars: Some(most), fixed } => {
            Some(text(move |text| text.chars().count() as u64 <= most && !(fixed && text.ends_with(' '))))
        }
        DataType::Bytes { max_bytes: Some(most), fixed } => Some(Box::new(move |_, cell| match cell {
            Cell::Bytes(span) if fixed => span.len() as u64 == most,
            Cell::Bytes(span) => span.len() as u64 <= most,
            _ => true,
        })),
        DataType::Time { precision } => {
            let step = value::step(precision);
            Some(Box::new(move |_, cell| match cell {
                Cell::Time(micros) => (0..=MICROS_PER_DAY).contains(&micros) && micros % step == 0,
                _ => true,
            }))
        }
        DataType::TimeSpan { precision }
        | DataType::DateTime { precision }
        | DataType::Timestamp { precision } => {
            let step = value::step(precision);
            Some(Box::new(move |_, cell| match cell {
                Cell::Time(micros) | Cell::DateTime(micros) | Cell::Timestamp(micros) => {
                    micros % step == 0 || micros == i64::MAX || micros == i64::MIN
                }
                _ => true,
            }))
        }
        DataType::Enum { labels, .. } => Some(text(move |text| labels.iter().any(|label| label == text))),
        DataType::Set { labels } => Some(text(move |text| {
            // In the order of the declaration, which is how a server gives them back.
            let mut left = labels.iter();
            text.is_empty() || text.split(',').all(|one| left.any(|label| label == one))
        })),
        DataType::Bit { length, varying } => Some(text(move |text| {
            let fits = length.map(u64::from).is_none_or(|length| {
                let bits = text.len() as u64;
                bits == length || (varying && bits < length)
            });
            fits && text.bytes().all(|b| matches!(b, b'0' | b'1'))
        })),
        _ => None,
    }
}

/// Of a type whose cells are text.
pub fn text(fits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Fit {
    Box::new(move |batch, cell| match cell {
        Cell::Text(span) => fits(batch.text(span)),
        _ => true,
    })
}

/// Of a type that keeps a value only if both do.
pub fn both(one: Option<Fit>, other: Option<Fit>) -> Option<Fit> {
    match (one, other) {
        (Some(one), Some(other)) => Some(Box::new(move |batch, cell| one(batch, cell) && other(batch, cell))),
        (one, other) => one.or(other),
    }
}

/// Whether a number is one of single precision.
#[allow(clippy::cast_possible_truncation, reason = "that is the question")]
pub fn is_single(value: f64) -> bool {
    value.is_nan() || same(f64::from(value as f32), value)
}

/// Whether two numbers are one, and zero has the same sign.
pub fn same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits()
}

fn integer(cell: Cell) -> Option<i128> {
    match cell {
        Cell::Int(value) => Some(value.into()),
        Cell::UInt(value) => Some(value.into()),
        _ => None,
    }
}

/// Digits before the point, and after it. Negative, the first counts the zeros that follow the point, the second those at
/// the end of a whole number. `None` of what is no finite number.
fn digits(text: &str) -> Option<(i64, i64)> {
    let text = text.trim_start_matches('-');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let is_number = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let count = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let after = match (whole, fraction) {
        ("", "") => i64::MIN,
        (whole, "") => count(whole.trim_end_matches('0')) - count(whole),
        (_, fraction) => count(fraction),
    };
    let before = match (whole, fraction) {
        ("", "") => i64::MIN,
        ("", fraction) => count(fraction.trim_start_matches('0')) - count(fraction),
        (whole, _) => count(whole),
    };
    is_number.then_some((before, after))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};

    fn fits(data_type: &DataType, fill: impl Fn(&mut Batch)) -> bool {
        let column = ShapeColumn { name: "c".into(), data_type: DataType::Any };
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns: vec![column], key: vec![] }));
        fill(&mut batch);
        neutral(data_type).unwrap()(&batch, batch.row(0)[0])
    }

    #[test]
    fn what_a_server_would_change_or_refuse_does_not_fit() {
        let tiny = DataType::Int { bits: 8, unsigned: false };
        for (value, expected) in [(-128, true), (127, true), (128, false), (-129, false)] {
            assert_eq!(fits(&tiny, |b| b.push(Cell::Int(value))), expected, "{value}");
        }
        let unsigned = DataType::Int { bits: 64, unsigned: true };
        assert!(
            fits(&unsigned, |b| b.push_unsigned(u64::MAX)) && !fits(&unsigned, |b| b.push(Cell::Int(-1)))
        );
        for (year, expected) in [(0, true), (1900, false), (1901, true), (2155, true), (2156, false)] {
            assert_eq!(fits(&DataType::Year, |b| b.push(Cell::Int(year))), expected, "{year}");
        }
        for (value, expected) in
            [(1.5, true), (0.1, false), (-0.0, true), (f64::INFINITY, true), (1e300, false)]
        {
            assert_eq!(fits(&DataType::Float32, |b| b.push(Cell::Float(value))), expected, "{value}");
        }
        let text = |max, fixed| DataType::Text { max_chars: Some(max), fixed };
        assert!(
            fits(&text(3, false), |b| b.push_text("né ")) && !fits(&text(3, false), |b| b.push_text("abcd"))
        );
        assert!(fits(&text(3, true), |b| b.push_text("né")) && !fits(&text(3, true), |b| b.push_text("né ")));
        let bytes = |fixed| DataType::Bytes { max_bytes: Some(3), fixed };
        assert!(fits(&bytes(false), |b| b.push_bytes(b"ab")) && !fits(&bytes(true), |b| b.push_bytes(b"ab")));
        let set = DataType::Set { labels: vec!["x".into(), "y".into()] };
        for (value, expected) in [("", true), ("x,y", true), ("y,x", false), ("x,x", false), ("z", false)] {
            assert_eq!(fits(&set, |b| b.push_text(value)), expected, "{value}");
        }
        let seconds = DataType::TimeSpan { precision: 3 };
        assert!(fits(&seconds, |b| b.push(Cell::Time(-1_000))) && !fits(&seconds, |b| b.push(Cell::Time(1))));
        let bits = |varying| DataType::Bit { length: Some(3), varying };
        assert!(fits(&bits(true), |b| b.push_text("10")) && !fits(&bits(false), |b| b.push_text("10")));
        assert!(!fits(&DataType::Bit { length: None, varying: true }, |b| b.push_text("102")));
        let clock = DataType::Time { precision: 3 };
        for (micros, expected) in [
            (0, true),
            (MICROS_PER_DAY, true),
            (1_000, true),
            (1, false),
            (-1_000, false),
            (MICROS_PER_DAY + 1_000, false),
        ] {
            assert_eq!(fits(&clock, |b| b.push(Cell::Time(micros))), expected, "{micros}");
        }
        assert!(fits(&tiny, |b| b.push(Cell::Null)));
    }

    #[test]
    fn decimals_fit_by_their_digits() {
        let decimal = |precision, scale| DataType::Decimal { precision: Some(precision), scale: Some(scale) };
        for (precision, scale, value, expected) in [
            (4, 2, "-12.30", true),
            (4, 2, "12.3000", true),
            (4, 2, "12.345", false),
            (4, 2, "123", false),
            (3, -2, "12300", true),
            (3, -2, "12340", false),
            (3, -2, "0", true),
            (2, 4, "0.0012", true),
            (2, 4, "0.1", false),
            (4, 2, "NaN", true),
        ] {
            let fitted = fits(&decimal(precision, scale), |b| b.push_decimal(value));
            assert_eq!(fitted, expected, "{value} in numeric({precision},{scale})");
        }
    }
}
