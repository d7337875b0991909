//! Dates, times and intervals as sessions in UTC with ISO styles print them.

use crate::model::value;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Years of a date: 4713 BC to 5874897; of a timestamp to 294276.
/// <https://www.postgresql.org/docs/current/datatype-datetime.html>
const FIRST_YEAR: i64 = -4712;
const LAST_YEAR: i64 = 5_874_897;
const LAST_YEAR_OF_INSTANTS: i64 = 294_276;

/// A text of so many decimal digits.
fn fixed(text: &str, count: usize) -> Option<i64> {
    let digits = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Days since 1970-01-01; the infinities are the greatest and the least number.
pub(super) fn date(text: &str) -> Option<i64> {
    infinite(text).or_else(|| day(text, LAST_YEAR))
}

fn infinite(text: &str) -> Option<i64> {
    match text {
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        _ => None,
    }
}

/// `YYYY-MM-DD`, with ` BC` behind it before the year 1.
fn day(text: &str, last_year: i64) -> Option<i64> {
    let (text, before_christ) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let written = fixed(year, year.len().max(4)).filter(|n| *n > 0 && format!("{n:04}") == year)?;
    let year = if before_christ { 1 - written } else { written };
    let (month, day) = (u32::try_from(fixed(month, 2)?).ok()?, u32::try_from(fixed(day, 2)?).ok()?);
    let within = parts.next().is_none() && (FIRST_YEAR..=last_year).contains(&year);
    within.then(|| value::days_from_civil(year, month, day)).flatten().map(i64::from)
}

/// Microseconds since midnight, up to 24:00:00 itself; at most so many digits after the point and no zero at their end.
pub(super) fn time(text: &str, digits: usize) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, f)| (clock, Some(f)));
    let mut parts = clock.split(':');
    let (hour, minute, second) =
        (fixed(parts.next()?, 2)?, fixed(parts.next()?, 2)?, fixed(parts.next()?, 2)?);
    let micros = fraction.map_or(Some(0), |f| micros(f, digits))?;
    let total = ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros;
    let is_clock = parts.next().is_none() && minute < 60 && second < 60 && total <= MICROS_PER_DAY;
    is_clock.then_some(total)
}

/// Microseconds of the digits after a point.
fn micros(fraction: &str, digits: usize) -> Option<i64> {
    let plain = (1..=digits.min(6)).contains(&fraction.len()) && !fraction.ends_with('0');
    fixed(&format!("{fraction:0<6}"), 6).filter(|_| plain)
}

/// Microseconds since 1970-01-01; `zone` is what stands behind the clock.
pub(super) fn timestamp(text: &str, zone: &str, digits: usize) -> Option<i128> {
    if let Some(infinite) = infinite(text) {
        return Some(i128::from(infinite) * i128::from(MICROS_PER_DAY));
    }
    let (rest, era) = text.strip_suffix(" BC").map_or((text, ""), |rest| (rest, " BC"));
    let (date, clock) = rest.split_once(' ')?;
    let clock = time(clock.strip_suffix(zone)?, digits).filter(|micros| *micros < MICROS_PER_DAY)?;
    let day = day(&format!("{date}{era}"), LAST_YEAR_OF_INSTANTS)?;
    Some(i128::from(day) * i128::from(MICROS_PER_DAY) + i128::from(clock))
}

/// Whether a text is a time of day with its distance from UTC, without parts of that at its end that are zero.
pub(in super::super) fn timetz(text: &str, digits: usize) -> bool {
    let Some((clock, offset)) = text.find(['+', '-']).map(|at| text.split_at(at)) else { return false };
    let parts: Option<Vec<i64>> = offset[1..].split(':').map(|part| fixed(part, 2)).collect();
    let is_offset = parts.is_some_and(|parts| match parts[..] {
        [0] => offset.starts_with('+'),
        [hours] => hours < 16,
        [hours, minutes] => hours < 16 && (1..60).contains(&minutes),
        [hours, minutes, seconds] => hours < 16 && minutes < 60 && (1..60).contains(&seconds),
        _ => false,
    });
    is_offset && time(clock, digits).is_some()
}

/// Whether a text is an interval in ISO 8601 as the server prints it: parts that are not zero, months of one sign and less
/// than a year beside years, likewise hours, minutes and seconds.
pub(in super::super) fn interval(text: &str, digits: usize) -> bool {
    if matches!(text, "PT0S" | "infinity" | "-infinity") {
        return true;
    }
    let Some(rest) = text.strip_prefix('P') else { return false };
    let (days, clock) = rest.split_once('T').map_or((rest, None), |(days, clock)| (days, Some(clock)));
    let Some([years, months, days]) = parts(days, ['Y', 'M', 'D'], 0) else { return false };
    let clock = match clock {
        Some("") => None,
        Some(clock) => parts(clock, ['H', 'M', 'S'], digits),
        None => (!rest.is_empty()).then_some([0; 3]),
    };
    let Some([hours, minutes, seconds]) = clock else { return false };
    let second = i128::from(MICROS_PER_SECOND);
    let one_sign = |parts: &[i128]| parts.iter().all(|p| *p >= 0) || parts.iter().all(|p| *p <= 0);
    let micros = (hours / second * 60 + minutes / second) * 60 * second + seconds;
    let months_of_all = (years * 12 + months) / second;
    one_sign(&[years, months])
        && one_sign(&[hours, minutes, seconds])
        && (months / second).abs() < 12
        && (minutes / second).abs() < 60
        && (seconds / second).abs() < 60
        && i64::try_from(micros).is_ok()
        && i32::try_from(months_of_all).is_ok()
        && i32::try_from(days / second).is_ok()
}

/// Numbers before these letters, in that order, in millionths; only the last may have so many digits after the point.
fn parts(text: &str, letters: [char; 3], digits: usize) -> Option<[i128; 3]> {
    let mut found = [0; 3];
    let mut rest = text;
    for (at, letter) in letters.iter().enumerate() {
        let Some((number, after)) = rest.split_once(*letter) else { continue };
        let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, f)| (whole, Some(f)));
        let size = whole.strip_prefix('-').unwrap_or(whole);
        let plain = !size.is_empty()
            && size.len() <= 19
            && size.bytes().all(|b| b.is_ascii_digit())
            && (size == "0" || !size.starts_with('0'));
        let fraction = match fraction {
            Some(_) if at < 2 => None,
            Some(fraction) => micros(fraction, digits),
            None => Some(0),
        }?;
        let size = size.parse::<i128>().ok().filter(|_| plain)? * i128::from(MICROS_PER_SECOND)
            + i128::from(fraction);
        if size == 0 {
            return None;
        }
        found[at] = if whole.starts_with('-') { -size } else { size };
        rest = after;
    }
    rest.is_empty().then_some(found)
}
