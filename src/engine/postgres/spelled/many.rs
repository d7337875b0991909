//! Values that are made of others: arrays, ranges, and lists of ranges.

use std::cmp::Ordering;

use super::{Spelling, numbers, times};

/// Dimensions of an array.
const MOST_DIMENSIONS: usize = 6;

/// What the server takes for blank, whatever the locale.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\r', '\u{b}', '\u{c}'];

/// Whether a text is an array: in quotes what would not be read back otherwise, and its bounds only where they do not begin
/// with 1. <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
pub(super) fn array(text: &str, delimiter: char, element: &Spelling) -> bool {
    if text == "{}" {
        return true;
    }
    let (bounds, values) = match text.split_once('=').filter(|_| text.starts_with('[')) {
        Some((bounds, values)) => (Some(bounds), values),
        None => (None, text),
    };
    let Some((counts, "")) = level(values, delimiter, element, 1) else { return false };
    bounds.is_none_or(|bounds| {
        let declared = lower_bounds(bounds, &counts);
        declared.is_some_and(|lower| lower.iter().any(|bound| *bound != 1))
    })
}

/// The lower bounds of `[0:2][1:3]`, if so many values stand there.
fn lower_bounds(text: &str, counts: &[usize]) -> Option<Vec<i32>> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let bounds: Vec<&str> = inside.split("][").collect();
    let lower = bounds.iter().zip(counts).map(|(bounds, count)| {
        let (lower, upper) = bounds.split_once(':')?;
        let plain = numbers::integer::<i32>(lower) && numbers::integer::<i32>(upper);
        let (lower, upper): (i32, i32) = (lower.parse().ok()?, upper.parse().ok()?);
        let holds = i64::from(upper) - i64::from(lower) + 1 == i64::try_from(*count).ok()?;
        (plain && holds).then_some(lower)
    });
    let lower: Vec<i32> = lower.collect::<Option<_>>()?;
    (bounds.len() == counts.len()).then_some(lower)
}

/// The values between two braces: how many there are in each dimension, and what follows.
fn level<'a>(
    text: &'a str,
    delimiter: char,
    element: &Spelling,
    depth: usize,
) -> Option<(Vec<usize>, &'a str)> {
    let mut rest = text.strip_prefix('{').filter(|_| depth <= MOST_DIMENSIONS)?;
    let (mut count, mut below): (usize, Option<Vec<usize>>) = (0, None);
    loop {
        let inner = if rest.starts_with('{') {
            let (counts, after) = level(rest, delimiter, element, depth + 1)?;
            rest = after;
            counts
        } else {
            let (value, after) = item(rest, &[delimiter, '}'])?;
            let raw = &rest[..rest.len() - after.len()];
            let is_value = raw == "NULL" || (raw == in_array(&value, delimiter) && element(&value));
            rest = after;
            if is_value { Vec::new() } else { return None }
        };
        if below.as_ref().is_some_and(|below| *below != inner) {
            return None;
        }
        below = Some(inner);
        count += 1;
        if let Some(after) = rest.strip_prefix(delimiter) {
            rest = after;
            continue;
        }
        let after = rest.strip_prefix('}')?;
        return Some(([vec![count], below?].concat(), after));
    }
}

/// A value up to one of these characters, or in quotes, without them and their escapes; and what follows it.
fn item<'a>(text: &'a str, ends: &[char]) -> Option<(String, &'a str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(ends)?;
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find(['"', '\\'])?;
        value.push_str(&rest[..end]);
        let (mark, after) = rest[end..].split_at(1);
        // In arrays a backslash stands before either, in ranges either stands twice.
        let next = after.chars().next();
        match (mark, next) {
            ("\\", Some(next)) => {
                value.push(next);
                rest = &after[next.len_utf8()..];
            }
            ("\"", Some('"')) => {
                value.push('"');
                rest = &after[1..];
            }
            ("\"", _) => return Some((value, after)),
            _ => return None,
        }
    }
}

fn in_array(value: &str, delimiter: char) -> String {
    let special = |c: char| matches!(c, '"' | '\\' | '{' | '}') || c == delimiter || BLANKS.contains(&c);
    if !value.is_empty() && !value.eq_ignore_ascii_case("NULL") && !value.contains(special) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What a range is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Int4,
    Int8,
    Numeric,
    Date,
    /// With what stands behind the clock.
    Timestamp(&'static str),
}

impl Kind {
    fn is_value(self, text: &str) -> bool {
        match self {
            Self::Int4 => numbers::integer::<i32>(text),
            Self::Int8 => numbers::integer::<i64>(text),
            Self::Numeric => numbers::numeric(text, &[]),
            Self::Date => times::date(text).is_some(),
            Self::Timestamp(zone) => times::timestamp(text, zone, 6).is_some(),
        }
    }

    fn compare(self, one: &str, other: &str) -> Ordering {
        match self {
            Self::Int4 | Self::Int8 | Self::Numeric => numbers::compare(one, other),
            Self::Date => times::date(one).cmp(&times::date(other)),
            Self::Timestamp(zone) => times::timestamp(one, zone, 6).cmp(&times::timestamp(other, zone, 6)),
        }
    }

    /// Whether there is a next value, so that a range over it ends before its upper bound.
    fn steps(self, text: &str) -> bool {
        match self {
            Self::Int4 | Self::Int8 => true,
            Self::Numeric | Self::Timestamp(_) => false,
            Self::Date => !text.ends_with("infinity"),
        }
    }
}

/// A range with its bounds, of which none is infinity.
struct Range {
    lower: Option<(String, bool)>,
    upper: Option<(String, bool)>,
}

/// Whether a text is a range, and not another spelling of it or of the empty one.
/// <https://www.postgresql.org/docs/current/rangetypes.html#RANGETYPES-IO>
pub(super) fn range(text: &str, kind: Kind) -> bool {
    text == "empty" || matches!(bounds(text, kind), Some((_, "")))
}

/// A range that is not empty at the beginning of a text, and what follows it.
fn bounds(text: &str, kind: Kind) -> Option<(Range, &str)> {
    let lower_in = text.starts_with('[');
    let (lower, rest) = bound(text.strip_prefix(['[', '('])?, &[','], kind)?;
    let (upper, rest) = bound(rest.strip_prefix(',')?, &[')', ']'], kind)?;
    let upper_in = rest.starts_with(']');
    let rest = rest.strip_prefix([']', ')'])?;
    let (lower, upper) = (lower.map(|value| (value, lower_in)), upper.map(|value| (value, upper_in)));
    // What is infinite is outside; what has a next value is in below and out above.
    let spelled = match (&lower, &upper) {
        (None, _) if lower_in => false,
        (_, None) if upper_in => false,
        _ => {
            lower.as_ref().is_none_or(|(value, within)| *within || !kind.steps(value))
                && upper.as_ref().is_none_or(|(value, within)| !*within || !kind.steps(value))
        }
    };
    let filled = match (&lower, &upper) {
        (Some((lower, lower_in)), Some((upper, upper_in))) => match kind.compare(lower, upper) {
            Ordering::Less => true,
            Ordering::Equal => *lower_in && *upper_in,
            Ordering::Greater => false,
        },
        _ => true,
    };
    (spelled && filled).then_some((Range { lower, upper }, rest))
}

/// A bound; `None` in it is infinity.
fn bound<'a>(text: &'a str, ends: &[char], kind: Kind) -> Option<(Option<String>, &'a str)> {
    let (value, rest) = item(text, ends)?;
    let raw = &text[..text.len() - rest.len()];
    if raw.is_empty() {
        return Some((None, rest));
    }
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || BLANKS.contains(&c);
    // No value of these kinds has anything to be escaped.
    let spelled = if value.contains(special) { raw == format!("\"{value}\"") } else { raw == value };
    (spelled && kind.is_value(&value)).then_some((Some(value), rest))
}

/// Whether a text is a list of ranges that are in order and do not touch.
pub(super) fn multirange(text: &str, kind: Kind) -> bool {
    let Some(mut rest) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else { return false };
    if rest.is_empty() {
        return true;
    }
    let mut before: Option<Range> = None;
    loop {
        let Some((next, after)) = bounds(rest, kind) else { return false };
        if before.is_some_and(|before| !apart(&before, &next, kind)) {
            return false;
        }
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return after.is_empty(),
        }
        before = Some(next);
    }
}

fn apart(one: &Range, other: &Range, kind: Kind) -> bool {
    let (Some((end, end_in)), Some((begin, begin_in))) = (&one.upper, &other.lower) else { return false };
    match kind.compare(end, begin) {
        Ordering::Less => true,
        Ordering::Equal => !end_in && !begin_in,
        Ordering::Greater => false,
    }
}
