//! Constants that columns have as their DEFAULT: which of them are values of a type, and when two spellings mean the same.

use std::sync::Arc;

use crate::engine::fit::Fit;
use crate::model::batch::{Batch, Cell, Shape, ShapeColumn};
use crate::model::endpoint::Dialect;
use crate::model::schema::{DataType, DefaultValue};
use crate::model::value;

/// Whether a default is a value of the column's type. SQLite takes any constant for any column, PostgreSQL some that a row
/// is refused with; an engine that looks at defaults when it makes a table refuses the table. What is computed is asked
/// elsewhere, and so is what only one engine has.
pub(super) fn holds(carries: &DataType, value: &DefaultValue) -> bool {
    let text = match value {
        DefaultValue::Number(text) | DefaultValue::Text(text) => text.as_str(),
        DefaultValue::Bytes(bytes) => {
            return !matches!(carries, DataType::Bytes { max_bytes: Some(most), .. } if bytes.len() as u64 > *most);
        }
        _ => return true,
    };
    let spelled = || canonical(text, carries);
    match carries {
        DataType::Bool => value::parse_truth(text).is_some(),
        DataType::Int { bits, unsigned } => {
            let whole = spelled().and_then(|digits| digits.parse::<i128>().ok());
            whole.is_some_and(|n| DataType::int_range(*bits, *unsigned).contains(&n))
        }
        DataType::Decimal { precision: Some(precision), scale } => spelled().is_some_and(|digits| {
            let whole = digits.trim_start_matches(['-', '0']).split('.').next().map_or(0, str::len);
            !value::is_decimal(&digits)
                || !digits.ends_with(|c: char| c.is_ascii_digit())
                || i64::try_from(whole)
                    .is_ok_and(|n| n <= i64::from(*precision) - i64::from(scale.unwrap_or(0)))
        }),
        DataType::Text { max_chars: Some(most), fixed } => {
            let text = if *fixed { text.trim_end_matches(' ') } else { text };
            text.chars().count() as u64 <= *most
        }
        DataType::Enum { labels, .. } => labels.iter().any(|label| label == text),
        // SQLite's applications write a date as its midnight, too.
        DataType::Date => value::parse_datetime(text).is_some(),
        DataType::Decimal { .. }
        | DataType::Float32
        | DataType::Float64
        | DataType::Time { .. }
        | DataType::TimeSpan { .. }
        | DataType::DateTime { .. }
        | DataType::Timestamp { .. }
        | DataType::Uuid
        | DataType::Json { .. } => spelled().is_some(),
        DataType::Year => spelled().is_some_and(|year| year.parse().is_ok_and(value::is_year)),
        DataType::Text { .. }
        | DataType::Bytes { .. }
        | DataType::TimeTz
        | DataType::Interval
        | DataType::Set { .. }
        | DataType::Bit { .. }
        | DataType::Native { .. }
        | DataType::Any => true,
    }
}

/// A constant as the source assigns it to a column of a type. PostgreSQL rounds to the digits of the type, a half away from
/// midnight or from the year 2000, which it counts from, and has no use for the blanks that pad `char(n)`; its catalogue has
/// what was written. The others have done so when they made the column, but for SQLite, which keeps whatever it is given.
pub fn assigned(source: Dialect, data_type: &DataType, constant: &DefaultValue) -> DefaultValue {
    const YEAR_2000: i64 = 946_684_800_000_000;
    if source != Dialect::Postgres {
        return constant.clone();
    }
    let rounded = |micros: i64, digits: u8| {
        let unit = 10_i64.pow(u32::from(6 - digits.min(6)));
        let half = if micros < 0 { -unit / 2 } else { unit / 2 };
        micros.checked_add(half).map(|moved| moved / unit * unit)
    };
    let moment = |micros: i64, digits: u8| {
        rounded(micros.checked_sub(YEAR_2000)?, digits)
            .map(|micros| value::format_datetime(micros + YEAR_2000, digits))
    };
    let made = match (data_type, constant) {
        (DataType::Text { fixed: true, .. }, DefaultValue::Text(text)) => {
            Some(DefaultValue::Text(text.trim_end_matches(' ').to_owned()))
        }
        (DataType::Time { precision }, DefaultValue::Text(text)) => {
            let time = value::parse_time(text).and_then(|micros| rounded(micros, *precision));
            time.map(|micros| DefaultValue::Text(value::format_time(micros, *precision)))
        }
        (DataType::DateTime { precision }, DefaultValue::Text(text)) => {
            value::parse_datetime(text).and_then(|micros| moment(micros, *precision)).map(DefaultValue::Text)
        }
        (DataType::Timestamp { precision }, DefaultValue::Text(text)) => {
            let moment = value::parse_timestamp(text).and_then(|micros| moment(micros, *precision));
            moment.map(|moment| DefaultValue::Text(format!("{moment}+00")))
        }
        (DataType::Float32, DefaultValue::Number(digits)) => {
            let single = digits.parse::<f32>().ok().filter(|single| single.is_finite());
            single.map(|single| DefaultValue::Number(single.to_string()))
        }
        _ => None,
    };
    made.unwrap_or_else(|| constant.clone())
}

/// Whether a column keeps a constant as it is, as far as it is a value that can be held against its type.
pub(super) fn fits(constant: &DefaultValue, carries: &DataType, fit: &Fit) -> bool {
    let column = ShapeColumn { name: String::new(), data_type: carries.clone() };
    let mut batch =
        Batch::new(Arc::new(Shape { table: String::new(), columns: vec![column], key: Vec::new() }));
    let cell = match (carries, constant) {
        (DataType::Text { fixed, .. }, DefaultValue::Text(text)) => {
            batch.push_text(if *fixed { text.trim_end_matches(' ') } else { text });
            None
        }
        (DataType::Set { .. }, DefaultValue::Text(text)) => {
            batch.push_text(text);
            None
        }
        (DataType::Bytes { .. }, DefaultValue::Bytes(bytes)) => {
            batch.push_bytes(bytes);
            None
        }
        (_, DefaultValue::Number(text) | DefaultValue::Text(text)) => {
            let Some(canonical) = canonical(text, carries) else { return true };
            let micros = || canonical.parse().ok();
            match carries {
                DataType::Int { .. } | DataType::Year => canonical.parse().ok().map(Cell::Int),
                DataType::Float32 => canonical.parse::<f32>().ok().map(|single| Cell::Float(single.into())),
                DataType::Float64 => canonical.parse().ok().map(Cell::Float),
                DataType::Time { .. } | DataType::TimeSpan { .. } => micros().map(Cell::Time),
                DataType::DateTime { .. } => value::parse_datetime(&canonical).map(Cell::DateTime),
                DataType::Timestamp { .. } => value::parse_datetime(&canonical).map(Cell::Timestamp),
                DataType::Decimal { .. } => {
                    batch.push_decimal(&canonical);
                    None
                }
                _ => return true,
            }
        }
        _ => return true,
    };
    if let Some(cell) = cell {
        batch.push(cell);
    }
    batch.rows() == 0 || fit(&batch, batch.row(0)[0])
}

/// The one spelling of a value of a type; `None` for what it does not hold, and for types that only one engine has.
pub fn canonical(text: &str, carries: &DataType) -> Option<String> {
    let micros = |micros: i64| micros.to_string();
    match carries {
        DataType::Bool => match text.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Some("true".into()),
            "0" | "f" | "false" => Some("false".into()),
            _ => None,
        },
        DataType::Int { .. } | DataType::Year | DataType::Decimal { .. } => decimal(text),
        DataType::Float32 => text.parse::<f32>().ok().map(|value| format!("{value:?}")),
        DataType::Float64 => text.parse::<f64>().ok().map(|value| format!("{value:?}")),
        DataType::Text { fixed: true, .. } => Some(text.trim_end_matches(' ').to_owned()),
        DataType::Text { fixed: false, .. } | DataType::Enum { .. } | DataType::Set { .. } => {
            Some(text.to_owned())
        }
        DataType::Bytes { fixed, .. } => {
            let digits = text.to_ascii_lowercase();
            // BINARY is filled with zeros.
            let digits = if *fixed { digits.trim_end_matches("00") } else { &digits };
            Some(digits.to_owned())
        }
        DataType::Date => value::parse_date(text).map(value::format_date),
        DataType::Time { .. } => value::parse_time(text).map(micros),
        DataType::TimeSpan { .. } => value::parse_time_span(text).map(micros),
        DataType::DateTime { .. } | DataType::Timestamp { .. } => {
            let moment = value::parse_datetime(text).or_else(|| value::parse_timestamp(text));
            moment.map(|moment| value::format_datetime(moment, 6))
        }
        DataType::Uuid => value::parse_uuid(text).map(|uuid| value::format_uuid(&uuid)),
        DataType::Json { .. } => {
            serde_json::from_str::<serde_json::Value>(text).ok().map(|value| value.to_string())
        }
        _ => None,
    }
}

/// A number in digits, also if it was written with an exponent.
fn decimal(text: &str) -> Option<String> {
    if value::is_decimal(text) {
        return Some(value::canonical_decimal(text));
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some(value::canonical_decimal(&number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: DataType = DataType::Int { bits: 64, unsigned: false };

    #[test]
    fn constants_are_what_an_assignment_makes_of_them() {
        let text = |text: &str| DefaultValue::Text(text.into());
        for (data_type, written, stored) in [
            (DataType::DateTime { precision: 0 }, "2020-01-01 00:00:00.7", "2020-01-01 00:00:01"),
            (DataType::DateTime { precision: 3 }, "1999-01-01 00:00:00.1235", "1999-01-01 00:00:00.123"),
            (DataType::DateTime { precision: 6 }, "2020-01-01", "2020-01-01 00:00:00.000000"),
            (DataType::Timestamp { precision: 0 }, "2020-01-01 02:00:00.5+02", "2020-01-01 00:00:01+00"),
            (DataType::Time { precision: 0 }, "10:00:00.5", "10:00:01"),
            (DataType::Text { max_chars: Some(3), fixed: true }, "a  ", "a"),
            (DataType::Text { max_chars: Some(3), fixed: false }, "a  ", "a  "),
            (DataType::DateTime { precision: 0 }, "infinity", "infinity"),
        ] {
            assert_eq!(
                assigned(Dialect::Postgres, &data_type, &text(written)),
                text(stored),
                "{data_type:?} {written}"
            );
        }
        let number = |digits: &str| DefaultValue::Number(digits.into());
        assert_eq!(assigned(Dialect::Postgres, &DataType::Float32, &number("16777217")), number("16777216"));
        assert_eq!(assigned(Dialect::Postgres, &DataType::Float32, &number("0.1")), number("0.1"));
        assert_eq!(assigned(Dialect::Postgres, &NUMBER, &number("7")), number("7"));
    }

    #[test]
    fn spellings_of_one_value_are_one() {
        let decimal = DataType::Decimal { precision: None, scale: None };
        for (data_type, same) in [
            (DataType::Bool, ["1", "true"]),
            (NUMBER, ["10", "10.0"]),
            (NUMBER, ["1e3", "1000"]),
            (decimal, ["1.50", "01.5"]),
            (DataType::Float64, ["0.1", "0.10000000000000001"]),
            (DataType::Float32, ["0.1", "0.10000000149011612"]),
            (DataType::Bytes { max_bytes: Some(3), fixed: true }, ["61", "610000"]),
            (DataType::DateTime { precision: 0 }, ["2024-02-29 08:00:00", "2024-02-29 08:00:00.000000"]),
            (DataType::Json { binary: true }, ["{\"a\": 1}", "{\"a\":1}"]),
            (DataType::Text { max_chars: Some(3), fixed: true }, ["a", "a  "]),
        ] {
            let [one, other] = same.map(|text| canonical(text, &data_type));
            assert!(one.is_some() && one == other, "{data_type:?}: {one:?} and {other:?}");
        }
        assert_ne!(canonical("a", &DataType::TEXT), canonical("a ", &DataType::TEXT));
        assert_eq!(canonical("2", &DataType::Bool), None);
        assert_eq!(canonical("P1D", &DataType::Interval), None);
    }

    #[test]
    fn a_default_has_to_be_a_value_of_its_column() {
        let text = |t: &str| DefaultValue::Text(t.into());
        let number = |t: &str| DefaultValue::Number(t.into());
        let small = DataType::Int { bits: 16, unsigned: false };
        let price = DataType::Decimal { precision: Some(4), scale: Some(2) };
        let short = |fixed| DataType::Text { max_chars: Some(3), fixed };
        let moment = DataType::DateTime { precision: 6 };
        let mood = DataType::Enum { name: None, labels: vec!["good".into()] };
        for (carries, value, held) in [
            (&NUMBER, text("abc"), false),
            (&NUMBER, text("12"), true),
            (&NUMBER, number("1e3"), true),
            (&NUMBER, number("1.5"), false),
            (&small, number("32767"), true),
            (&small, number("-32769"), false),
            (&DataType::Int { bits: 64, unsigned: true }, number("18446744073709551615"), true),
            (&price, number("99.99"), true),
            (&price, number("100"), false),
            (&price, text("NaN"), true),
            (&DataType::Float64, text("-Infinity"), true),
            (&DataType::Float64, text("much"), false),
            (&DataType::Bool, text("yes"), true),
            (&DataType::Bool, number("2"), false),
            (&short(false), text("abcd"), false),
            (&short(true), text("abc  "), true),
            (&moment, text("CURRENT_TIMESTAMP"), false),
            (&moment, number("0"), false),
            (&moment, text("2024-02-29"), true),
            (&moment, DefaultValue::CurrentTimestamp, true),
            (&DataType::Date, text("0000-00-00"), false),
            (&DataType::Date, text("2024-02-29 00:00:00"), true),
            (&DataType::Timestamp { precision: 6 }, text("2024-02-29 00:00:00+02"), true),
            (&mood, text("bad"), false),
            (&DataType::Bytes { max_bytes: Some(1), fixed: false }, DefaultValue::Bytes(vec![1, 2]), false),
            (&DataType::Any, text("abc"), true),
        ] {
            assert_eq!(holds(carries, &value), held, "{carries:?} {value:?}");
        }
    }
}
