//! Numbers as people read them: rows, bytes, rates and durations, and the words for phases. Whole-number arithmetic
//! throughout.

use std::time::Duration;

use crate::model::event::Phase;

/// A phase in words.
pub const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Preflight => "reading the catalogues",
        Phase::Profile => "looking at the data",
        Phase::Stage => "making empty tables",
        Phase::Load => "moving rows",
        Phase::Finish => "making keys and indexes",
        Phase::Verify => "checking what arrived",
        Phase::Switch => "making it visible",
        Phase::Compare => "comparing rows",
        Phase::Backup => "copying the database",
    }
}

/// `120,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `120,000 rows`.
pub fn plural(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{} {noun}s", count(number)) }
}

/// `812 B`, `1.2 kB`, `45 MB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let number = u128::from(number);
    let mut scale = 1000_u128;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would be shown as 1000 of a unit is 1.0 of the next.
        if (number + scale / 2) / scale < 1000 {
            break;
        }
        scale *= 1000;
        unit = next;
    }
    let tenths = (number * 10 + scale / 2) / scale;
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (number + scale / 2) / scale)
    }
}

/// So many a second; 0 where no time has passed.
pub fn per_second(number: u64, elapsed: Duration) -> u64 {
    let micros = elapsed.as_micros();
    let rate = (u128::from(number) * 1_000_000).checked_div(micros).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// Time that the rest takes at the pace so far; `None` while there is none.
pub fn remaining(done: u64, all: u64, elapsed: Duration) -> Option<Duration> {
    let left = u128::from(all.checked_sub(done)?);
    let micros = (elapsed.as_micros() * left).checked_div(u128::from(done))?;
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
}

/// `0.4 s`, `20 s`, `3 min 20 s`, `2 h 05 min`, `3 days`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{}.{} s", seconds, time.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_scaled() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2].map(|n| plural(n, "row")), ["1 row", "2 rows"]);
        for (number, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1250, "1.3 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (45_000_000, "45 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(number), expected, "{number}");
        }
    }

    #[test]
    fn rates_and_times() {
        assert_eq!(per_second(100, Duration::ZERO), 0);
        assert_eq!(per_second(100, Duration::from_millis(500)), 200);
        assert_eq!(remaining(0, 10, Duration::from_secs(1)), None);
        assert_eq!(remaining(20, 10, Duration::from_secs(1)), None);
        assert_eq!(remaining(5, 10, Duration::from_secs(7)), Some(Duration::from_secs(7)));
        for (millis, expected) in [
            (0, "0.0 s"),
            (460, "0.4 s"),
            (20_900, "20 s"),
            (200_000, "3 min 20 s"),
            (7_500_000, "2 h 05 min"),
            (300_000_000, "3 days"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected, "{millis}");
        }
    }
}
