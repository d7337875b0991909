//! Numbers as parts of other values.

use std::cmp::Ordering;
use std::fmt::{Display, LowerExp};
use std::str::FromStr;

/// Whether a text is an integer without a sign or zero that it does not need.
pub(super) fn integer<N: FromStr + Display>(text: &str) -> bool {
    text.parse::<N>().is_ok_and(|number| number.to_string() == text)
}

/// Whether a text is a numeric; `args` are its precision and scale, if it is declared with them.
pub(super) fn numeric(text: &str, args: &[i64]) -> bool {
    match text {
        "NaN" => return true,
        "Infinity" | "-Infinity" => return args.is_empty(),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, f)| (whole, Some(f)));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let scale = fraction.map_or(0, str::len);
    let plain = is_digits(whole)
        && fraction.is_none_or(is_digits)
        && (whole == "0" || !whole.starts_with('0'))
        && !(text.starts_with('-') && digits.bytes().all(|b| matches!(b, b'0' | b'.')));
    let declared = args.first().is_none_or(|precision| {
        let declared = args.get(1).copied().unwrap_or(0);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let significant = if whole == "0" { 0 } else { count(whole.len()) };
        let rounds = usize::try_from(-declared).unwrap_or(0);
        let round =
            whole == "0" || whole.len() > rounds && whole.bytes().rev().take(rounds).all(|b| b == b'0');
        // With a scale beyond the precision, the first digits after the point are zeros.
        let zeros = fraction.map_or(0, |f| count(f.len() - f.trim_start_matches('0').len()));
        let fits = if declared > *precision { zeros >= declared - precision } else { true };
        count(scale) == declared.max(0) && round && fits && significant <= (precision - declared).max(0)
    });
    plain && declared
}

/// Which of two numerics is greater: NaN is the greatest of all.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    let rank = |text: &str| match text {
        "-Infinity" => 0,
        "Infinity" => 2,
        "NaN" => 3,
        _ => 1,
    };
    match rank(one).cmp(&rank(other)) {
        Ordering::Equal if rank(one) == 1 => {}
        other => return other,
    }
    match (one.strip_prefix('-'), other.strip_prefix('-')) {
        (Some(one), Some(other)) => sizes(other, one),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => sizes(one, other),
    }
}

fn sizes(one: &str, other: &str) -> Ordering {
    fn parts(text: &str) -> (usize, &str, &str) {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (whole.len(), whole, fraction.trim_end_matches('0'))
    }
    parts(one).cmp(&parts(other))
}

/// A binary number of the server's.
pub(super) trait Binary: Copy + PartialEq + FromStr + LowerExp {
    /// Decimal exponent from which on numbers are written with one; below −4 all are.
    const FROM: i32;
    fn is_number(self) -> bool;
}

impl Binary for f32 {
    const FROM: i32 = 6;
    fn is_number(self) -> bool {
        self.is_finite()
    }
}

impl Binary for f64 {
    const FROM: i32 = 15;
    fn is_number(self) -> bool {
        self.is_finite()
    }
}

/// Whether a text is a binary number in the fewest digits that lie nearer to it than to any other one. Unlike Rust, the
/// server does not count on ties being read as the even number: it prints `1e23` as `9.999999999999999e+22`.
/// <https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT>
pub(super) fn float<N: Binary>(text: &str) -> bool {
    if matches!(text, "0" | "-0" | "NaN" | "Infinity" | "-Infinity") {
        return true;
    }
    let Some((digits, exponent)) = decimal::<N>(text.strip_prefix('-').unwrap_or(text)) else { return false };
    let Some(value) = format!("{digits}e{exponent}").parse::<N>().ok().filter(|v| v.is_number()) else {
        return false;
    };
    let nearest = |count: usize| {
        let exact = format!("{value:.*e}", count - 1);
        let (mantissa, exponent) = exact.split_once('e')?;
        let exponent: i32 = exponent.parse().ok()?;
        let digits: u64 = mantissa.replace('.', "").parse().ok()?;
        Some((digits, exponent - i32::try_from(count).ok()? + 1))
    };
    // Also a little more and a little less of them are that number.
    let inside = |(digits, exponent): (u64, i32)| {
        let exponent = exponent - 41;
        let more = format!("{digits}{:040}1e{exponent}", 0);
        let less = format!("{}{}e{exponent}", digits.saturating_sub(1), "9".repeat(41));
        [more, less].iter().all(|near| near.parse::<N>().is_ok_and(|near| near == value))
    };
    let own = digits
        .parse::<u64>()
        .is_ok_and(|own| nearest(digits.len()) == Some((own, exponent)) && inside((own, exponent)));
    own && (digits.len() == 1 || !nearest(digits.len() - 1).is_some_and(inside))
}

/// Digits without zeros at either end, and the exponent of the last one, of a number that is written as the server would.
fn decimal<N: Binary>(text: &str) -> Option<(String, i32)> {
    let (mantissa, written) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() || digits.len() > 17 || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let leading = i32::try_from(all.len() - all.trim_start_matches('0').len()).ok()?;
    let shift: i32 = written.map_or(Some(0), |text| text.parse().ok())?;
    // Of the first digit that counts.
    let first = i32::try_from(whole.len()).ok()? - 1 - leading + shift;
    let last = first - i32::try_from(digits.len()).ok()? + 1;
    (print(digits, first, N::FROM) == text).then(|| (digits.to_owned(), last))
}

fn print(digits: &str, first: i32, from: i32) -> String {
    let (head, tail) = digits.split_at(1);
    let point = |before: &str, after: &str| {
        if after.is_empty() { before.to_owned() } else { format!("{before}.{after}") }
    };
    match usize::try_from(first) {
        Ok(before) if first < from => {
            let (whole, fraction) = digits.split_at((before + 1).min(digits.len()));
            point(&format!("{whole:0<width$}", width = before + 1), fraction)
        }
        Err(_) if first >= -4 => format!("0.{}{digits}", "0".repeat(first.unsigned_abs() as usize - 1)),
        _ => {
            let sign = if first < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", point(head, tail), first.unsigned_abs())
        }
    }
}
