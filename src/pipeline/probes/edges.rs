//! Values at which engines may part: the bounds of a type, both sides of every constant of an expression, blanks, case,
//! accents. Made from the types and the expression alone; nothing of the data is in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::batch::{Batch, Cell, Shape, ShapeColumn};
use crate::model::schema::DataType;
use crate::model::value;

/// Most rows for one expression.
const MOST_ROWS: usize = 300;

/// Longest text that is made because an expression speaks of a length.
const LONGEST: usize = 300;

/// Most constants of an expression that are looked at.
const MOST_CONSTANTS: usize = 12;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A value of its own; which cell it is depends on the type.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Plain(Cell),
    Unsigned(u64),
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
}

impl Value {
    fn push(&self, batch: &mut Batch) {
        match self {
            Self::Null => batch.push(Cell::Null),
            Self::Plain(cell) => batch.push(*cell),
            Self::Unsigned(value) => batch.push_unsigned(*value),
            Self::Decimal(text) => batch.push_decimal(text),
            Self::Text(text) => batch.push_text(text),
            Self::Bytes(bytes) => batch.push_bytes(bytes),
            Self::Uuid(uuid) => batch.push_uuid(*uuid),
        }
    }
}

/// Rows of edge values for columns with these names and types. Every value of every column is in some row, and values
/// of different columns meet as far as [`MOST_ROWS`] goes.
pub(super) fn rows(columns: &[(String, DataType)], constants: &[String]) -> Batch {
    let shape = Shape {
        table: String::new(),
        columns: columns
            .iter()
            .map(|(name, data_type)| ShapeColumn { name: name.clone(), data_type: data_type.clone() })
            .collect(),
        // All of them, so that a message names the whole row.
        key: (0..columns.len()).collect(),
    };
    let mut batch = Batch::new(Arc::new(shape));
    let lists: Vec<Vec<Value>> = columns.iter().map(|(_, data_type)| values(data_type, constants)).collect();
    let all = lists.iter().try_fold(1_usize, |n, list| n.checked_mul(list.len()));
    match all.filter(|n| *n <= MOST_ROWS) {
        Some(all) => {
            for row in 0..all {
                let mut rest = row;
                for list in &lists {
                    list[rest % list.len()].push(&mut batch);
                    rest /= list.len();
                }
            }
        }
        None => {
            for row in 0..MOST_ROWS {
                for (at, list) in lists.iter().enumerate() {
                    list[diagonal(row, lists[0].len(), at, list.len())].push(&mut batch);
                }
            }
        }
    }
    batch
}

/// Which value of column `at` stands in a row: the first time round those at the same place, then those next to them,
/// one further with every round.
fn diagonal(row: usize, first: usize, at: usize, len: usize) -> usize {
    let round = row / first;
    let step = round.div_ceil(2) * at % len;
    let step = if round % 2 == 1 { step } else { len - step };
    (row + step) % len
}

/// The edge values of a type, NULL among them.
fn values(data_type: &DataType, constants: &[String]) -> Vec<Value> {
    let constants = &constants[..constants.len().min(MOST_CONSTANTS)];
    let mut values = match data_type {
        DataType::Bool => [false, true].map(|v| Value::Plain(Cell::Bool(v))).to_vec(),
        DataType::Int { bits, unsigned } => integers(*bits, *unsigned, constants),
        DataType::Year => years(constants),
        DataType::Decimal { precision, scale } => decimals(*precision, *scale, constants),
        DataType::Float32 | DataType::Float64 => doubles(*data_type == DataType::Float32, constants),
        DataType::Text { max_chars, fixed } => texts(*max_chars, *fixed, constants),
        DataType::Enum { labels, .. } | DataType::Set { labels } => {
            labels.iter().map(|label| Value::Text(label.clone())).collect()
        }
        DataType::Bytes { max_bytes, fixed } => bytes(*max_bytes, *fixed, constants),
        DataType::Date => dates(constants),
        DataType::Time { precision } | DataType::TimeSpan { precision } => times(*precision, constants),
        DataType::DateTime { precision } => moments(*precision, constants, Cell::DateTime),
        DataType::Timestamp { precision } => moments(*precision, constants, Cell::Timestamp),
        DataType::Uuid => uuids(constants),
        DataType::Json { .. } => {
            ["null", "{}", "[]", "1", "\"a\""].map(|text| Value::Text(text.to_owned())).to_vec()
        }
        DataType::Bit { length, .. } => {
            let length = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
            ["0", "1"].map(|bit| Value::Text(bit.repeat(length))).to_vec()
        }
        DataType::TimeTz | DataType::Interval | DataType::Native { .. } | DataType::Any => Vec::new(),
    };
    values.push(Value::Null);
    values
}

fn integers(bits: u8, unsigned: bool, constants: &[String]) -> Vec<Value> {
    let size = 1_i128 << bits;
    let (least, greatest) = if unsigned { (0, size - 1) } else { (-size / 2, size / 2 - 1) };
    let mut numbers = BTreeSet::from([least, -7, -2, -1, 0, 1, 2, 3, 7, 100, greatest]);
    for number in constants.iter().filter_map(|text| whole(text)) {
        numbers.extend([number - 1, number, number + 1, -number]);
    }
    let held = numbers.into_iter().filter(|n| (least..=greatest).contains(n));
    held.filter_map(|n| match i64::try_from(n) {
        Ok(n) => Some(Value::Plain(Cell::Int(n))),
        Err(_) => u64::try_from(n).ok().map(Value::Unsigned),
    })
    .collect()
}

/// The whole number that a constant is or is next to.
fn whole(constant: &str) -> Option<i128> {
    constant
        .split_once('.')
        .map_or(constant, |(whole, _)| whole)
        .parse()
        .ok()
        .filter(|n: &i128| n.abs() < 1 << 65)
}

fn years(constants: &[String]) -> Vec<Value> {
    let mut years = BTreeSet::from([0, 1901, 1969, 1970, 2000, 2069, 2155]);
    for year in constants.iter().filter_map(|text| whole(text)).filter_map(|n| i64::try_from(n).ok()) {
        years.extend([year - 1, year, year + 1]);
    }
    let held = years.into_iter().filter(|year| value::is_year(*year));
    held.map(|year| Value::Plain(Cell::Int(year))).collect()
}

fn decimals(precision: Option<u32>, scale: Option<i32>, constants: &[String]) -> Vec<Value> {
    // In units of the last digit; more than 30 digits are as good as 30.
    let places = usize::try_from(scale.unwrap_or(2)).unwrap_or(0).min(10);
    let digits = precision.map_or(20, |p| p.min(30));
    let (Some(one), Some(beyond)) =
        (u32::try_from(places).ok().and_then(|p| 10_i128.checked_pow(p)), 10_i128.checked_pow(digits))
    else {
        return Vec::new();
    };
    let mut units = BTreeSet::from([1 - beyond, -one, -1, 0, 1, one / 2, one, 2 * one, beyond - 1]);
    for constant in constants.iter().filter_map(|text| value::round_decimal(text, places)) {
        if let Ok(constant) = constant.replacen('.', "", 1).parse::<i128>() {
            units.extend([constant - one, constant - 1, constant, constant + 1, constant + one, -constant]);
        }
    }
    let held = units.into_iter().filter(|n| n.abs() < beyond);
    held.map(|n| Value::Decimal(scaled(n, places))).collect()
}

fn scaled(units: i128, places: usize) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", units.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn doubles(single: bool, constants: &[String]) -> Vec<Value> {
    let mut doubles = vec![-1e30, -1.5, -1.0, 0.0, 1e-30, 0.1, 0.5, 1.0, 1.5, 2.0, 1e30];
    for constant in constants.iter().filter_map(|text| text.parse::<f64>().ok()).filter(|v| v.is_finite()) {
        doubles.extend([constant - 1.0, constant.next_down(), constant, constant.next_up(), constant + 1.0]);
    }
    if single {
        #[allow(clippy::cast_possible_truncation, reason = "the column holds singles")]
        let singles = doubles.iter().map(|v| f64::from(*v as f32)).collect();
        doubles = singles;
    }
    doubles.retain(|v| v.is_finite());
    doubles.sort_by(f64::total_cmp);
    doubles.dedup();
    doubles.into_iter().map(|v| Value::Plain(Cell::Float(v))).collect()
}

fn texts(most: Option<u64>, fixed: bool, constants: &[String]) -> Vec<Value> {
    let plain = [
        "", " ", "a", "A", "b", "B", "e", "é", "É", "ß", "ss", "a ", " a", "aa", "10", "9", "_", "%", "\\",
        "'",
    ];
    let mut texts: Vec<String> = plain.map(str::to_owned).to_vec();
    for constant in constants {
        // What has that length, in characters or in bytes, or is next to it.
        let length = whole(constant).and_then(|n| usize::try_from(n).ok());
        if let Some(length) = length.filter(|n| *n <= LONGEST) {
            let lengths = [length.saturating_sub(1), length, length + 1];
            texts.extend(lengths.iter().map(|n| "x".repeat(*n)));
            texts.extend([length.div_ceil(2), length].map(|n| "é".repeat(n)));
        }
        texts.extend(around(constant));
        if constant.contains(['%', '_']) {
            for stand_in in ["", "x", "xY"] {
                texts.extend(around(&constant.replace('%', stand_in).replace('_', "x")));
            }
        }
    }
    let mut seen = BTreeSet::new();
    let most = most.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    let held = texts.into_iter().filter(|t| t.chars().count() <= most && !(fixed && t.ends_with(' ')));
    held.filter(|t| !t.contains('\0') && seen.insert(t.clone())).map(Value::Text).collect()
}

/// A text and its neighbours.
fn around(text: &str) -> Vec<String> {
    let mut shorter = text.to_owned();
    shorter.pop();
    let swap = |c: char| if c.is_ascii_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
    vec![
        text.to_owned(),
        text.chars().map(swap).collect(),
        format!("{text} "),
        format!(" {text}"),
        format!("{text}a"),
        shorter,
        text.replacen(['a', 'A'], "á", 1).replacen(['e', 'E'], "é", 1).replacen(['o', 'O'], "ó", 1),
    ]
}

fn bytes(most: Option<u64>, fixed: bool, constants: &[String]) -> Vec<Value> {
    let most = most.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    if fixed {
        return [0, 0x61, 0xff].map(|byte| Value::Bytes(vec![byte; most.min(LONGEST)])).to_vec();
    }
    let mut all: Vec<Vec<u8>> =
        vec![vec![], vec![0], b"a".to_vec(), b"A".to_vec(), b"a ".to_vec(), vec![0xff], "é".into()];
    for length in constants.iter().filter_map(|t| whole(t)).filter_map(|n| usize::try_from(n).ok()) {
        if length <= LONGEST {
            all.extend([length.saturating_sub(1), length, length + 1].map(|n| vec![0x61; n]));
        }
    }
    all.retain(|bytes| bytes.len() <= most);
    all.sort();
    all.dedup();
    all.into_iter().map(Value::Bytes).collect()
}

fn dates(constants: &[String]) -> Vec<Value> {
    let known = ["1000-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "2038-01-20", "9999-12-31"];
    let mut days: BTreeSet<i32> = known.iter().filter_map(|text| value::parse_date(text)).collect();
    for day in constants.iter().filter_map(|text| value::parse_date(text.get(..10)?)) {
        days.extend([day - 1, day, day + 1]);
    }
    days.into_iter().map(|day| Value::Plain(Cell::Date(day))).collect()
}

fn times(precision: u8, constants: &[String]) -> Vec<Value> {
    let step = value::step(precision);
    let mut times = BTreeSet::from([0, step, 12 * 3600 * SECOND, DAY - step]);
    for time in constants.iter().filter_map(|text| value::parse_time(text)) {
        times.extend([time - step, time, time + step]);
    }
    let held = times.into_iter().filter(|time| (0..DAY).contains(time) && time % step == 0);
    held.map(|time| Value::Plain(Cell::Time(time))).collect()
}

fn moments(precision: u8, constants: &[String], cell: fn(i64) -> Cell) -> Vec<Value> {
    let step = value::step(precision);
    let known =
        ["1000-01-01", "1970-01-01 00:00:01", "2000-02-29 23:59:59", "2038-01-19 03:14:07", "9999-12-31"];
    let mut moments: BTreeSet<i64> = known.iter().filter_map(|text| value::parse_datetime(text)).collect();
    for constant in constants {
        let moment = value::parse_datetime(constant).or_else(|| value::parse_timestamp(constant));
        if let Some(moment) = moment {
            moments.extend([
                moment - DAY,
                moment - SECOND,
                moment - step,
                moment,
                moment + step,
                moment + DAY,
            ]);
        }
    }
    let held = moments.into_iter().filter(|moment| moment % step == 0);
    held.map(|moment| Value::Plain(cell(moment))).collect()
}

fn uuids(constants: &[String]) -> Vec<Value> {
    let known = constants.iter().filter_map(|text| value::parse_uuid(text));
    [[0; 16], [0xff; 16]].into_iter().chain(known).map(Value::Uuid).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts_of(batch: &Batch) -> Vec<String> {
        (0..batch.rows()).filter_map(|row| batch.key_of(row)).collect()
    }

    fn one(data_type: DataType, constants: &[&str]) -> Vec<String> {
        let constants: Vec<String> = constants.iter().map(|c| (*c).to_owned()).collect();
        texts_of(&rows(&[("c".into(), data_type)], &constants))
    }

    #[test]
    fn both_sides_of_a_constant_and_the_bounds_of_the_type() {
        let found = one(DataType::Int { bits: 16, unsigned: false }, &["40", "70000"]);
        for value in ["c=NULL", "c=39", "c=40", "c=41", "c=-32768", "c=32767", "c=0"] {
            assert!(found.iter().any(|row| row == value), "{value} in {found:?}");
        }
        assert!(!found.iter().any(|row| row == "c=70000"), "beyond the type");
        let found = one(DataType::Int { bits: 64, unsigned: true }, &[]);
        assert!(found.iter().any(|row| row == "c=18446744073709551615"));
        let found = one(DataType::Decimal { precision: Some(4), scale: Some(1) }, &["12.5"]);
        for value in ["c=12.4", "c=12.5", "c=12.6", "c=-999.9"] {
            assert!(found.iter().any(|row| row == value), "{value} in {found:?}");
        }
        let found = one(DataType::Date, &["2024-03-01"]);
        assert!(["c=2024-02-29", "c=2024-03-02"].iter().all(|v| found.iter().any(|row| row == v)));
        let found = one(DataType::DateTime { precision: 0 }, &["2024-03-01 00:00:00"]);
        assert!(found.iter().any(|row| row == "c=2024-02-29 23:59:59.000000"), "{found:?}");
        let found = one(DataType::Time { precision: 3 }, &["08:00:00"]);
        assert!(found.iter().any(|row| row == "c=07:59:59.999000"), "{found:?}");
    }

    #[test]
    fn texts_differ_in_case_blanks_accents_and_length() {
        let found = one(DataType::Text { max_chars: Some(4), fixed: false }, &["abc", "3", "x%"]);
        for value in
            ["\"abc\"", "\"ABC\"", "\"abc \"", "\"ábc\"", "\"xx\"", "\"xxxx\"", "\"éé\"", "\"x\"", "\"\""]
        {
            assert!(found.iter().any(|row| *row == format!("c={value}")), "{value} in {found:?}");
        }
        assert!(!found.iter().any(|row| row.contains("\"xxxxx\"")), "longer than the column");
        let found = one(DataType::Text { max_chars: Some(9), fixed: true }, &["abc"]);
        assert!(!found.iter().any(|row| row.ends_with(" \"")), "CHAR keeps no blanks");
    }

    #[test]
    fn values_of_two_columns_meet_and_rows_are_bounded() {
        let number = DataType::Int { bits: 8, unsigned: false };
        let few = rows(&[("a".into(), DataType::Bool), ("b".into(), number)], &[]);
        assert_eq!(few.rows(), 3 * 12);
        let columns: Vec<_> = ["a", "b", "c"].map(|name| (name.to_owned(), DataType::TEXT)).into();
        let constants: Vec<String> = ["north", "South "].map(str::to_owned).into();
        let many = rows(&columns, &constants);
        assert_eq!(many.rows(), MOST_ROWS);
        let found = texts_of(&many);
        for value in values(&DataType::TEXT, &constants) {
            let Value::Text(text) = value else { continue };
            for name in ["a", "b", "c"] {
                let wanted = format!("{name}={text:?}");
                assert!(found.iter().any(|row| row.split(", ").any(|part| part == wanted)), "{wanted}");
            }
        }
        let same = |row: &&String| row.contains("a=\"north\"") && row.contains("b=\"north\"");
        assert!(found.iter().any(|row| same(&row)));
    }
}
