//! Which values a column keeps as they are, beyond what its neutral type says. Pure.

use super::types::split_type;
use crate::engine::fit::{Fit, text};

/// Bytes of a `name`: NAMEDATALEN less the zero at its end.
/// <https://www.postgresql.org/docs/current/datatype-character.html>
const NAME: usize = 63;

/// Parts of an interval as ISO 8601 writes them, from the greatest; months and minutes are told apart by their side of T.
const PARTS: [(&str, char, bool); 6] = [
    ("year", 'Y', false),
    ("month", 'M', false),
    ("day", 'D', false),
    ("hour", 'H', true),
    ("minute", 'M', true),
    ("second", 'S', true),
];

/// Which values a column of a type keeps as they are of those that its neutral type holds; `None` if all.
pub(super) fn fit(native: &str) -> Option<Fit> {
    let (name, args) = split_type(native);
    let digits = args.first().and_then(|n| usize::try_from(*n).ok()).unwrap_or(6);
    match name.as_str() {
        "name" => Some(text(|value| value.len() <= NAME)),
        "\"char\"" => Some(text(|value| value.len() <= 1)),
        "time with time zone" | "timetz" => Some(text(move |value| {
            value.split_once(['+', '-']).is_some_and(|(clock, _)| fraction(clock) <= digits)
        })),
        name if name == "interval" || name.starts_with("interval ") => {
            let least =
                name.rsplit(' ').next().and_then(|last| PARTS.iter().position(|(part, ..)| *part == last));
            let least = least.unwrap_or(PARTS.len() - 1);
            Some(text(move |value| interval(value, least, digits)))
        }
        _ => None,
    }
}

/// Digits after the point, without zeros at the end.
fn fraction(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, digits)| digits.trim_end_matches('0').len())
}

/// Whether a text is an interval in ISO 8601 that has no part less than one, and seconds of no more digits.
fn interval(text: &str, least: usize, digits: usize) -> bool {
    let Some(mut rest) = text.strip_prefix('P') else { return false };
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            in_time = true;
            rest = after;
            continue;
        }
        let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) else { return false };
        let (number, letter) = (&rest[..end], rest[end..].chars().next());
        let part = PARTS.iter().position(|(_, l, side)| Some(*l) == letter && *side == in_time);
        let zero = number.parse::<f64>().map(|n| n == 0.0);
        match (part, zero) {
            (None, _) | (_, Err(_)) => return false,
            (Some(part), Ok(false)) if part > least || fraction(number) > digits => return false,
            _ => rest = &rest[end + 1..],
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Batch, Shape, ShapeColumn};
    use crate::model::schema::DataType;

    #[test]
    fn what_a_type_would_cut_does_not_fit() {
        for (native, value, expected) in [
            ("interval second(3)", "PT1.5S", true),
            ("interval second(3)", "PT1.0005S", false),
            ("interval(0)", "P1Y2M3DT4H5M6S", true),
            ("interval(0)", "PT-0.5S", false),
            ("interval year to month", "P1Y2M", true),
            ("interval year to month", "PT0S", true),
            ("interval year to month", "P1D", false),
            ("interval day to minute", "P1DT2M", true),
            ("interval day to minute", "P1DT2M3S", false),
            ("interval", "an hour", false),
            ("time(2) with time zone", "10:00:00.25+02", true),
            ("time(0) with time zone", "10:00:00.5-03", false),
            ("time with time zone", "10:00:00", false),
            ("name", "é", true),
            ("\"char\"", "é", false),
            ("\"char\"", "e", true),
        ] {
            let column = ShapeColumn { name: "c".into(), data_type: DataType::TEXT };
            let shape = Shape { table: "t".into(), columns: vec![column], key: vec![] };
            let mut batch = Batch::new(Arc::new(shape));
            batch.push_text(value);
            assert_eq!(fit(native).unwrap()(&batch, batch.row(0)[0]), expected, "{value} in {native}");
        }
    }
}
