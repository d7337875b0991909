//! Spellings of dates, times and decimals that more than one engine reads or writes, and nothing else.
//! The strict forms are those that SQLAlchemy's SQLite dialect writes (`%Y-%m-%d %H:%M:%S.%f`, six digits) and
//! that `datetime.fromisoformat` reads; see `docs/type-mapping.md`.

use std::fmt::Write as _;

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; `None` if there is no such day.
/// Algorithm: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > length {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

/// Year, month and day of a number of days since 1970-01-01 (`civil_from_days` of the same source).
pub fn civil_from_days(days: i32) -> (i64, u32, u32) {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Both lie within 1..=31 by construction.
    (year, u32::try_from(month).unwrap_or(1), u32::try_from(day).unwrap_or(1))
}

/// How PostgreSQL spells a date beyond all dates, which cells hold as the greatest or least number there is.
pub fn infinite(greatest: bool, least: bool) -> Option<&'static str> {
    match (greatest, least) {
        (true, _) => Some("infinity"),
        (_, true) => Some("-infinity"),
        _ => None,
    }
}

/// `YYYY-MM-DD`; `infinity` and `-infinity` for the greatest and the least number.
pub fn format_date(days: i32) -> String {
    if let Some(infinite) = infinite(days == i32::MAX, days == i32::MIN) {
        return infinite.to_owned();
    }
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `HH:MM:SS` with that many fractional digits (0 to 6, cut, never rounded); `-` in front of a negative span.
pub fn format_time(micros: i64, digits: u8) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let total = micros.unsigned_abs();
    let seconds = total / 1_000_000;
    let mut out = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut out, total % 1_000_000, digits);
    out
}

/// `YYYY-MM-DD HH:MM:SS` with that many fractional digits (0 to 6, cut, never rounded); `infinity` and `-infinity` for
/// the greatest and the least number.
pub fn format_datetime(micros: i64, digits: u8) -> String {
    if let Some(infinite) = infinite(micros == i64::MAX, micros == i64::MIN) {
        return infinite.to_owned();
    }
    let (days, rest) = split_days(micros);
    format!("{} {}", format_date(days), format_time(rest, digits))
}

/// How many microseconds an engine may count beyond the greatest number of microseconds since 1970: PostgreSQL, which
/// counts from 2000, goes on to the year 294276.
const BEYOND: i64 = 946_684_800_000_000;

/// The cell of a time, of which `micros` are the microseconds since 1970-01-01; `None` beyond what a cell holds. The
/// greatest and the least number are the infinities, and no engine has times near the least one (the year −290308):
/// there the times from 294247-01-10 04:00:54.775807 on have their place.
pub fn pack_micros(micros: i128) -> Option<i64> {
    let greatest = i128::from(i64::MAX);
    if micros < greatest {
        return i64::try_from(micros).ok().filter(|m| *m > i64::MIN + 1 + BEYOND);
    }
    let beyond = i64::try_from(micros - greatest).ok().filter(|b| *b <= BEYOND)?;
    Some(i64::MIN + 1 + beyond)
}

/// Microseconds since 1970-01-01 of the cell of a time that is not infinite: the reverse of [`pack_micros`].
pub fn unpack_micros(cell: i64) -> i128 {
    let beyond = i128::from(cell) - i128::from(i64::MIN + 1);
    if (0..=i128::from(BEYOND)).contains(&beyond) { i128::from(i64::MAX) + beyond } else { i128::from(cell) }
}

/// Days since 1970-01-01 of the cell of a time, and the microseconds into that day.
pub fn split_days(micros: i64) -> (i32, i64) {
    let (micros, day) = (unpack_micros(micros), i128::from(MICROS_PER_DAY));
    // The microseconds of a cell span ±295,000 years, which is ±108 million days.
    let days = i32::try_from(micros.div_euclid(day)).unwrap_or(i32::MAX);
    (days, i64::try_from(micros.rem_euclid(day)).unwrap_or(0))
}

fn push_fraction(out: &mut String, fraction: u64, digits: u8) {
    if digits > 0 {
        let text = format!("{fraction:06}");
        out.push('.');
        out.push_str(&text[..usize::from(digits.min(6))]);
    }
}

/// `YYYY-MM-DD` to days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i32> {
    let b = text.as_bytes();
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    days_from_civil(i64::from(digits(&b[0..4])?), digits(&b[5..7])?, digits(&b[8..10])?)
}

/// `HH:MM`, `HH:MM:SS`, `HH:MM:SS.f…` to microseconds since midnight; `None` for anything else, for times that
/// no clock shows, and for a seventh fractional digit that is not zero.
pub fn parse_time(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if b.len() < 5 || b[2] != b':' {
        return None;
    }
    let (hours, minutes) = (digits(&b[0..2])?, digits(&b[3..5])?);
    let mut seconds = 0;
    let mut fraction = 0;
    if b.len() > 5 {
        if b.len() < 8 || b[5] != b':' {
            return None;
        }
        seconds = digits(&b[6..8])?;
        if b.len() > 8 {
            if b[8] != b'.' {
                return None;
            }
            fraction = parse_fraction(&b[9..])?;
        }
    }
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(i64::from(hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND + fraction)
}

/// `[-]H…:MM:SS[.f…]` to microseconds, as MySQL prints TIME.
pub fn parse_time_span(text: &str) -> Option<i64> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |r| (true, r));
    let (hours, rest) = rest.split_once(':')?;
    if hours.is_empty() || hours.len() > 4 {
        return None;
    }
    let hours = i64::from(digits(hours.as_bytes())?);
    let below_hour = parse_time(&format!("00:{rest}"))?;
    let total = hours * 3600 * MICROS_PER_SECOND + below_hour;
    Some(if negative { -total } else { total })
}

/// A date with optional time after a blank or `T` to microseconds since 1970-01-01; no offset.
pub fn parse_datetime(text: &str) -> Option<i64> {
    let days = parse_date(text.get(..10)?)?;
    let midnight = i64::from(days) * MICROS_PER_DAY;
    if text.len() == 10 {
        return Some(midnight);
    }
    if !matches!(text.as_bytes()[10], b' ' | b'T') {
        return None;
    }
    Some(midnight + parse_time(text.get(11..)?)?)
}

/// A date and time with an offset (`Z`, `+HH`, `+HHMM`, `+HH:MM`, `+HH:MM:SS`) to microseconds since
/// 1970-01-01 UTC.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    if let Some(local) = text.strip_suffix('Z') {
        return parse_datetime(local);
    }
    let at = text.get(11..)?.rfind(['+', '-'])? + 11;
    let local = parse_datetime(&text[..at])?;
    let offset = &text[at + 1..];
    let compact: String = offset.split(':').collect();
    let b = compact.as_bytes();
    let (hours, minutes, seconds) = match b.len() {
        2 => (digits(b)?, 0, 0),
        4 => (digits(&b[..2])?, digits(&b[2..])?, 0),
        6 => (digits(&b[..2])?, digits(&b[2..4])?, digits(&b[4..])?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let shift = i64::from(hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND;
    Some(if text.as_bytes()[at] == b'-' { local + shift } else { local - shift })
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0_u32, |n, b| {
        b.is_ascii_digit().then(|| n.checked_mul(10)?.checked_add(u32::from(b - b'0')))?
    })
}

fn parse_fraction(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || bytes.len() > 9 {
        return None;
    }
    let (kept, beyond) = bytes.split_at(bytes.len().min(6));
    if beyond.iter().any(|b| *b != b'0') {
        return None;
    }
    let scale = 10_i64.pow(u32::try_from(6 - kept.len()).ok()?);
    Some(i64::from(digits(kept)?) * scale)
}

/// Microseconds of the last of so many fractional digits.
pub fn step(precision: u8) -> i64 {
    10_i64.pow(u32::from(6 - precision.min(6)))
}

/// Whether a number is a year of MySQL: 1901 to 2155, or 0 for 0000
/// (<https://dev.mysql.com/doc/refman/9.0/en/year.html>).
pub fn is_year(year: i64) -> bool {
    year == 0 || (1901..=2155).contains(&year)
}

/// A word for a truth value, as PostgreSQL reads them.
pub fn parse_truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "0" | "f" | "false" | "n" | "no" | "off" => Some(false),
        "1" | "t" | "true" | "y" | "yes" | "on" => Some(true),
        _ => None,
    }
}

/// Whether text is a decimal in the form that [`super::batch::Cell::Decimal`] takes.
pub fn is_decimal(text: &str) -> bool {
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return true;
    }
    let body = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = body.split_once('.').map_or((body, None), |(w, f)| (w, Some(f)));
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && fraction.is_none_or(all_digits)
}

/// The one spelling of a decimal: no leading zeros, no trailing zeros after the point, no point at the end, no
/// negative zero. Two decimals are the same number exactly if these are the same text.
pub fn canonical_decimal(text: &str) -> String {
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return text.to_owned();
    }
    let (negative, body) = text.strip_prefix('-').map_or((false, text), |b| (true, b));
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let mut out = String::with_capacity(text.len());
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A decimal with exactly `scale` fractional digits, or `None` if digits other than zero would be lost.
pub fn rescale_decimal(text: &str, scale: usize) -> Option<String> {
    let canonical = canonical_decimal(text);
    if !canonical.ends_with(|c: char| c.is_ascii_digit()) {
        return Some(canonical);
    }
    let (whole, fraction) = canonical.split_once('.').unwrap_or((&canonical, ""));
    if fraction.len() > scale {
        return None;
    }
    if scale == 0 {
        return Some(whole.to_owned());
    }
    Some(format!("{whole}.{fraction:0<scale$}"))
}

/// A decimal rounded to `scale` fractional digits: to the nearer one, and where two are as near to the one that ends in
/// an even digit. `None` for NaN and the infinities.
pub fn round_decimal(text: &str, scale: usize) -> Option<String> {
    let canonical = canonical_decimal(text);
    let (sign, digits) = canonical.strip_prefix('-').map_or(("", canonical.as_str()), |d| ("-", d));
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Some((kept, cut)) = fraction.split_at_checked(scale) else { return rescale_decimal(text, scale) };
    let mut rounded = format!("{whole}{kept}").into_bytes();
    let odd = rounded.last().is_some_and(|digit| digit % 2 == 1);
    let half = cut.strip_prefix('5').map(|rest| rest.bytes().any(|b| b != b'0'));
    let up = half.map_or(cut.as_bytes().first().is_some_and(|d| *d > b'5'), |beyond| beyond || odd);
    if up {
        let nines = rounded.iter().rev().take_while(|digit| **digit == b'9').count();
        let from = rounded.len() - nines;
        rounded[from..].fill(b'0');
        match from.checked_sub(1) {
            Some(at) => rounded[at] += 1,
            None => rounded.insert(0, b'1'),
        }
    }
    // Digits, so ASCII.
    let rounded = String::from_utf8_lossy(&rounded).into_owned();
    let (whole, fraction) = rounded.split_at(rounded.len() - scale);
    rescale_decimal(&format!("{sign}{whole}.{fraction}"), scale)
}

/// Lower-case text with hyphens of a UUID.
pub fn format_uuid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Lower-case hexadecimal digits.
pub fn format_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A UUID from 32 hexadecimal digits with or without hyphens.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    uuid::Uuid::try_parse(text).ok().map(uuid::Uuid::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        for text in
            ["0001-01-01", "1000-01-01", "1969-12-31", "1970-01-01", "2000-02-29", "2018-11-04", "9999-12-31"]
        {
            assert_eq!(format_date(parse_date(text).unwrap()), text);
        }
        assert_eq!(parse_date("1970-01-02"), Some(1));
        for text in ["2023-02-29", "2024-00-10", "2024-13-01", "0000-00-00", "21/05/2024", "2024-1-1", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn datetimes_take_what_fromisoformat_takes() {
        let expected = parse_datetime("2024-01-02 03:04:05.678000").unwrap();
        for text in ["2024-01-02T03:04:05.678", "2024-01-02 03:04:05.6780000", "2024-01-02 03:04:05.678"] {
            assert_eq!(parse_datetime(text), Some(expected), "{text}");
        }
        assert_eq!(format_datetime(expected, 6), "2024-01-02 03:04:05.678000");
        assert_eq!(parse_datetime("2024-01-02"), parse_datetime("2024-01-02 00:00"));
        for text in [
            "2024-01-02 24:00:00",
            "2024-01-02 03:04:05.1234567",
            "1637995103544",
            "2024-01-02 03:04:05Z",
            "é",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
        assert_eq!(
            format_datetime(parse_datetime("1900-01-01 23:59:59.999999").unwrap(), 6),
            "1900-01-01 23:59:59.999999"
        );
    }

    #[test]
    fn times_beyond_the_greatest_number_have_cells_of_their_own() {
        let greatest = i128::from(i64::MAX);
        for micros in [0, -1, greatest - 1, greatest, greatest + 1, greatest + i128::from(BEYOND)] {
            let cell = pack_micros(micros).unwrap();
            assert!(!matches!(cell, i64::MAX | i64::MIN), "{micros} is finite");
            assert_eq!(unpack_micros(cell), micros);
        }
        let cell = pack_micros(greatest + 1).unwrap();
        assert_eq!(format_datetime(cell, 6), "294247-01-10 04:00:54.775808");
        assert_eq!(pack_micros(greatest + i128::from(BEYOND) + 1), None);
        assert_eq!(pack_micros(i128::from(i64::MIN) + 2), None, "the place of another time");
    }

    #[test]
    fn halves_are_rounded_to_the_even_digit() {
        for (text, scale, rounded) in [
            ("0.30000000000000004", 2, "0.30"),
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("0.1250000001", 2, "0.13"),
            ("-0.126", 2, "-0.13"),
            ("-0.004", 2, "0.00"),
            ("9.995", 2, "10.00"),
            ("99.5", 0, "100"),
            ("0.5", 0, "0"),
            ("1.5", 0, "2"),
            ("12.3", 2, "12.30"),
            ("12", 1, "12.0"),
        ] {
            assert_eq!(round_decimal(text, scale).as_deref(), Some(rounded), "{text}");
        }
        assert_eq!(round_decimal("NaN", 2), None);
        assert_eq!(round_decimal("-Infinity", 2), None);
    }

    #[test]
    fn offsets_lead_to_utc() {
        let utc = parse_datetime("2024-01-02 12:00:00");
        for text in [
            "2024-01-02 12:00:00Z",
            "2024-01-02T12:00:00+00:00",
            "2024-01-02 09:00:00-03",
            "2024-01-02 17:30:00+0530",
        ] {
            assert_eq!(parse_timestamp(text), utc, "{text}");
        }
        assert_eq!(parse_timestamp("2024-01-02 12:00:00"), None);
    }

    #[test]
    fn spans_go_beyond_a_day_and_below_zero() {
        assert_eq!(parse_time_span("-00:00:01.500000"), Some(-1_500_000));
        assert_eq!(format_time(parse_time_span("838:59:59").unwrap(), 0), "838:59:59");
        assert_eq!(format_time(-1_500_000, 6), "-00:00:01.500000");
    }

    #[test]
    fn decimals_compare_by_digits() {
        for (text, canonical) in [
            ("12.30", "12.3"),
            ("-0.00", "0"),
            ("007", "7"),
            ("-0012.0", "-12"),
            ("NaN", "NaN"),
            ("0.10", "0.1"),
        ] {
            assert_eq!(canonical_decimal(text), canonical);
        }
        assert_eq!(rescale_decimal("12.3", 2).as_deref(), Some("12.30"));
        assert_eq!(rescale_decimal("12", 0).as_deref(), Some("12"));
        assert_eq!(rescale_decimal("12.345", 2), None);
        assert!(is_decimal("-1.50") && !is_decimal("1e5") && !is_decimal("1.") && !is_decimal(""));
    }

    #[test]
    fn uuids_read_both_spellings() {
        let text = "123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(format_uuid(&parse_uuid(text).unwrap()), text);
        assert_eq!(parse_uuid(&text.replace('-', "")), parse_uuid(text));
    }
}
