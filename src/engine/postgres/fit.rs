//! Which values a column keeps as they are, beyond what its neutral type says. Pure.

use super::spelled::{self, NAME};
use super::types::{parse_type, split_type};
use crate::engine::fit::{Fit, text};
use crate::model::schema::DataType;

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
        "time with time zone" | "timetz" => Some(text(move |value| spelled::timetz(value, digits))),
        "json" => Some(text(spelled::is_json)),
        "jsonb" => Some(text(spelled::is_jsonb)),
        name if name == "interval" || name.starts_with("interval ") => {
            let least =
                name.rsplit(' ').next().and_then(|last| PARTS.iter().position(|(part, ..)| *part == last));
            let least = least.unwrap_or(PARTS.len() - 1);
            Some(text(move |value| spelled::interval(value, digits) && ends_at(value, least)))
        }
        _ if matches!(parse_type(native), DataType::Native { .. }) => spelled::native(native).map(text),
        _ => None,
    }
}

/// Whether an interval has no part that is less than one, as far as it has any.
fn ends_at(interval: &str, least: usize) -> bool {
    let (date, clock) = interval.split_once('T').unwrap_or((interval, ""));
    // Nothing is printed of parts that are zero, but for the seconds of no time at all.
    let has = |(_, letter, side): &(&str, char, bool)| {
        interval != "PT0S" && (if *side { clock } else { date }).contains(*letter)
    };
    !interval.starts_with('P') || !PARTS[least + 1..].iter().any(has)
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
            ("interval", "infinity", true),
            ("interval", "an hour", false),
            ("json", "{\"a\":1}", true),
            ("json", "{", false),
            ("jsonb", "{\"a\": 1}", true),
            ("jsonb", "{\"a\":1}", false),
            ("integer[]", "{1,2}", true),
            ("integer[]", "{1, 2}", false),
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
