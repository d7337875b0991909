//! Which values a column keeps as they are, beyond what its neutral type says: in sql_mode strict the server refuses those
//! that are too long, and rounds digits all the same. Pure.

use super::bind::LONGEST_TIME;
use super::charset::charset_of;
use super::native::NativeType;
use crate::engine::fit::{Fit, both, same, text};
use crate::engine::limits::mariadb_takes;
use crate::model::batch::{Batch, Cell};
use crate::model::plan::ColumnPlan;

/// Characters of Windows-1252, which the server calls latin1, that ISO 8859-1 has not.
const WINDOWS_1252: &str = "\u{20ac}\u{201a}\u{192}\u{201e}\u{2026}\u{2020}\u{2021}\u{2c6}\u{2030}\u{160}\u{2039}\u{152}\u{17d}\u{2018}\u{2019}\u{201c}\u{201d}\u{2022}\u{2013}\u{2014}\u{2dc}\u{2122}\u{161}\u{203a}\u{153}\u{17e}\u{178}";

/// Character sets that have every letter.
const UNICODE: [&str; 5] = ["utf8mb4", "utf16", "utf16le", "utf32", "gb18030"];

/// Which values a column keeps as they are of those that its neutral type holds; `None` if all.
pub fn fit(column: &ColumnPlan) -> Option<Fit> {
    let native = NativeType::parse(&column.native_type);
    let longest = match native.base.as_str() {
        "tinytext" | "tinyblob" => Some((1 << 8) - 1),
        "text" | "blob" => Some((1 << 16) - 1),
        "mediumtext" | "mediumblob" => Some((1 << 24) - 1),
        _ => None,
    };
    let declared: Option<Fit> = match (native.base.as_str(), &native.numbers[..], longest) {
        (_, _, Some(longest)) => Some(Box::new(move |_, cell| match cell {
            Cell::Text(span) | Cell::Bytes(span) => span.len() <= longest,
            _ => true,
        })),
        ("float" | "double", [digits, scale], _) => Some(rounded(*digits, *scale, native.base == "float")),
        ("time", ..) => Some(Box::new(|_, cell| match cell {
            Cell::Time(micros) => micros.abs() <= LONGEST_TIME,
            _ => true,
        })),
        ("uuid", ..) => Some(Box::new(|batch, cell| match cell {
            Cell::Uuid(span) => mariadb_takes(batch.bytes(span)),
            _ => true,
        })),
        _ => None,
    };
    let signless = native.unsigned && !native.is_integer();
    let declared = both(declared, signless.then(|| Box::new(is_not_negative) as Fit));
    let written = column.collation.as_deref().filter(|_| native.is_character()).and_then(letters);
    both(declared, written)
}

/// Of what is UNSIGNED. Of integers the neutral type says it.
fn is_not_negative(batch: &Batch, cell: Cell) -> bool {
    match cell {
        Cell::Decimal(span) => !batch.text(span).starts_with('-'),
        Cell::Float(value) => value >= 0.0,
        _ => true,
    }
}

/// Of `DOUBLE(digits, scale)`: numbers that are the nearest to a decimal of so many digits.
/// <https://mariadb.com/docs/server/reference/data-types/numeric-data-types/double>
fn rounded(digits: u32, scale: u32, single: bool) -> Fit {
    let whole = i32::try_from(digits.saturating_sub(scale)).unwrap_or(i32::MAX);
    Box::new(move |_, cell| {
        let Cell::Float(value) = cell else { return true };
        let decimal = format!("{value:.*}", scale as usize);
        let nearest = if single { decimal.parse().map(f32::into) } else { decimal.parse::<f64>() };
        value.abs() < 10_f64.powi(whole) && nearest.is_ok_and(|nearest| same(nearest, value))
    })
}

/// Whether it is known which letters a collation's character set has.
pub fn knows_letters(collation: &str) -> bool {
    let known = UNICODE.iter().chain(&["utf8", "utf8mb3", "ucs2", "latin1", "ascii"]);
    known.into_iter().any(|known| *known == charset_of(collation))
}

/// Which text a collation's character set has letters for; `None` if any.
fn letters(collation: &str) -> Option<Fit> {
    let has: fn(char) -> bool = match charset_of(collation) {
        charset if UNICODE.contains(&charset) => return None,
        "utf8" | "utf8mb3" | "ucs2" => |letter| u32::from(letter) <= 0xffff,
        "latin1" => {
            |letter| matches!(letter, '\0'..='\x7f' | '\u{a0}'..='\u{ff}') || WINDOWS_1252.contains(letter)
        }
        // Of the others only this is certain.
        _ => |letter| letter.is_ascii(),
    };
    Some(text(move |value| value.chars().all(has)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};
    use crate::model::sample;
    use crate::model::schema::DataType;

    fn fits(native: &str, collation: Option<&str>, fill: impl Fn(&mut Batch)) -> bool {
        let column = ShapeColumn { name: "c".into(), data_type: DataType::Any };
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns: vec![column], key: vec![] }));
        fill(&mut batch);
        let mut column = sample::column("c", native, DataType::Any);
        column.collation = collation.map(str::to_owned);
        fit(&column).unwrap()(&batch, batch.row(0)[0])
    }

    #[test]
    fn digits_that_the_server_would_round_do_not_fit() {
        for (native, value, expected) in [
            ("double(10,2)", 12_345_678.91, true),
            ("double(10,2)", 1.005, false),
            ("double(10,2)", 123_456_789.5, false),
            ("float(5,1)", 0.100_000_001_490_116_12, true),
            ("float(5,1)", 0.25, false),
        ] {
            assert_eq!(fits(native, None, |b| b.push(Cell::Float(value))), expected, "{value} in {native}");
        }
    }

    #[test]
    fn what_is_out_of_range_does_not_fit() {
        for native in ["double unsigned", "float unsigned", "double(10,2) unsigned"] {
            assert!(fits(native, None, |b| b.push(Cell::Float(1.5))));
            assert!(!fits(native, None, |b| b.push(Cell::Float(-1.5))));
        }
        assert!(fits("decimal(10,2) unsigned", None, |b| b.push_decimal("1.50")));
        assert!(!fits("decimal(10,2) unsigned", None, |b| b.push_decimal("-1.50")));
        assert!(fits("time(6)", None, |b| b.push(Cell::Time(-LONGEST_TIME))));
        assert!(!fits("time(6)", None, |b| b.push(Cell::Time(LONGEST_TIME + 1))));
    }

    #[test]
    fn text_fits_by_its_bytes_and_letters() {
        let letters = "é".repeat(200);
        assert!(!fits("tinytext", None, |b| b.push_text(&letters)));
        assert!(fits("text", None, |b| b.push_text(&letters)));
        for (collation, text, expected) in [
            ("latin1_swedish_ci", "ação €", true),
            ("latin1_swedish_ci", "日", false),
            ("utf8mb3_general_ci", "日", true),
            ("utf8mb3_general_ci", "😀", false),
            ("cp1250_general_ci", "č", false),
            ("cp1250_general_ci", "c", true),
        ] {
            assert_eq!(
                fits("varchar(9)", Some(collation), |b| b.push_text(text)),
                expected,
                "{text} {collation}"
            );
        }
    }
}
