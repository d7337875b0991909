//! Times that are kept as a number since 1970-01-01 00:00:00 UTC, in columns of programs that leave the unit to
//! themselves.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of such numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Epoch {
    /// Seconds, as Unix counts.
    Seconds,
    /// Milliseconds, as JavaScript and Java count.
    Milliseconds,
}

impl Epoch {
    /// The one unit in which the least and the greatest number of a column both are times that a program of today
    /// notes: seconds from 1973 to 2286, or milliseconds from 1973 to 2286. The two ranges have no number in common.
    pub fn of(least: i64, greatest: i64) -> Option<Self> {
        let within =
            |range: std::ops::RangeInclusive<i64>| range.contains(&least) && range.contains(&greatest);
        if within(100_000_000..=9_999_999_999) {
            Some(Self::Seconds)
        } else {
            within(100_000_000_000..=9_999_999_999_999).then_some(Self::Milliseconds)
        }
    }

    /// Microseconds since 1970-01-01 of such a number; `None` for one that is no such time.
    pub fn micros(self, number: i64) -> Option<i64> {
        if Self::of(number, number) != Some(self) {
            return None;
        }
        Some(match self {
            Self::Seconds => number * 1_000_000,
            Self::Milliseconds => number * 1_000,
        })
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds since 1970",
            Self::Milliseconds => "milliseconds since 1970",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_one_unit_or_none() {
        assert_eq!(Epoch::of(1_637_995_103_544, 1_700_000_000_000), Some(Epoch::Milliseconds));
        assert_eq!(Epoch::of(1_637_995_103, 1_700_000_000), Some(Epoch::Seconds));
        assert_eq!(Epoch::of(1_637_995_103, 1_637_995_103_544), None);
        assert_eq!(Epoch::of(0, 1_637_995_103), None);
        assert_eq!(Epoch::Milliseconds.micros(1_637_995_103_544), Some(1_637_995_103_544_000));
        assert_eq!(Epoch::Seconds.micros(1_637_995_103_544), None);
    }
}
