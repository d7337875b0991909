//! Which backups stay. Pure: times go in, a verdict for each comes out.
//!
//! Every rule chooses for itself and whatever one of them chooses stays. A rule of days, weeks or months keeps the newest
//! backup of each of the last N that have one; nights without a backup do not use up a rule. Where there are fewer than
//! N, the oldest backup is kept as well, so that a long row begins at its beginning. The newest of all always stays.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, Utc};

/// How many to keep. No rule at all keeps everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// The newest.
    pub last: Option<usize>,
    /// One a day, of UTC.
    pub daily: Option<usize>,
    /// One a week, from Monday, of UTC.
    pub weekly: Option<usize>,
    /// One a month, of UTC.
    pub monthly: Option<usize>,
}

impl Keep {
    /// Whether there is no rule.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// The day, week or month that a time belongs to, with its year.
type Bucket<'a> = &'a dyn Fn(&DateTime<Utc>) -> (i32, u32);

/// Says of each backup whether it stays, in the order in which they came.
pub fn stay(made: &[DateTime<Utc>], keep: Keep) -> Vec<bool> {
    if keep.is_everything() {
        return vec![true; made.len()];
    }
    let mut newest_first: Vec<usize> = (0..made.len()).collect();
    newest_first.sort_by_key(|&at| std::cmp::Reverse(made[at]));
    let mut stays = vec![false; made.len()];
    if let Some(&newest) = newest_first.first() {
        stays[newest] = true;
    }
    for &at in newest_first.iter().take(keep.last.unwrap_or(0)) {
        stays[at] = true;
    }
    let day = |at: &DateTime<Utc>| (at.year(), at.ordinal());
    let week = |at: &DateTime<Utc>| (at.iso_week().year(), at.iso_week().week());
    let month = |at: &DateTime<Utc>| (at.year(), at.month());
    let rules: [(Option<usize>, Bucket<'_>); 3] =
        [(keep.daily, &day), (keep.weekly, &week), (keep.monthly, &month)];
    for (number, bucket) in rules {
        let Some(number) = number else { continue };
        let mut met = BTreeSet::new();
        for &at in &newest_first {
            if met.len() < number && met.insert(bucket(&made[at])) {
                stays[at] = true;
            }
        }
        if let (true, Some(&oldest)) = (met.len() < number, newest_first.last()) {
            stays[oldest] = true;
        }
    }
    stays
}

#[cfg(test)]
mod tests {
    use chrono::{Days, TimeDelta, TimeZone as _};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(&format!("{text}:00Z")).unwrap().to_utc()
    }

    fn kept(made: &[&str], keep: Keep) -> Vec<String> {
        let times: Vec<_> = made.iter().map(|t| at(t)).collect();
        let stays = stay(&times, keep);
        made.iter().zip(stays).filter(|(_, stays)| *stays).map(|(t, _)| (*t).to_owned()).collect()
    }

    #[test]
    fn without_a_rule_everything_stays() {
        assert_eq!(kept(&["2026-01-01T00:00", "2026-01-02T00:00"], Keep::default()).len(), 2);
    }

    #[test]
    fn the_last_few_stay_whatever_their_order() {
        let made = ["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-01T00:00"];
        assert_eq!(kept(&made, Keep { last: Some(2), ..Keep::default() }), made[..2]);
    }

    #[test]
    fn the_newest_of_each_day_stays_and_empty_days_do_not_count() {
        let made = [
            "2026-01-01T08:00",
            "2026-01-01T20:00",
            "2026-01-05T08:00",
            "2026-01-05T20:00",
            "2026-01-09T08:00",
        ];
        let keep = Keep { daily: Some(2), ..Keep::default() };
        assert_eq!(kept(&made, keep), ["2026-01-05T20:00", "2026-01-09T08:00"]);
        // Fewer days than asked for: the beginning is kept too.
        let keep = Keep { daily: Some(4), ..Keep::default() };
        assert_eq!(
            kept(&made, keep),
            ["2026-01-01T08:00", "2026-01-01T20:00", "2026-01-05T20:00", "2026-01-09T08:00"]
        );
    }

    #[test]
    fn rules_are_united() {
        let made: Vec<DateTime<Utc>> =
            (0..400).map(|day| Utc.with_ymd_and_hms(2026, 1, 1, 3, 0, 0).unwrap() + Days::new(day)).collect();
        let keep = Keep { daily: Some(7), weekly: Some(4), monthly: Some(12), ..Keep::default() };
        let stays = stay(&made, keep);
        let number = stays.iter().filter(|stays| **stays).count();
        // 7 days; the weeks' newest of which one or two are among these; 12 months likewise.
        assert!((18..=23).contains(&number), "{number}");
        assert!(stays[399] && stays[393] && !stays[0]);
    }

    #[test]
    fn years_that_begin_within_a_week_are_told_apart() {
        // 2026-12-31 and 2027-01-01 are of one week, 2027-01-04 is of the next.
        let made = ["2026-12-31T00:00", "2027-01-01T00:00", "2027-01-04T00:00"];
        let keep = Keep { weekly: Some(2), ..Keep::default() };
        assert_eq!(kept(&made, keep), ["2027-01-01T00:00", "2027-01-04T00:00"]);
    }

    /// The rules once more, as plainly as they can be said.
    fn reference(made: &[DateTime<Utc>], keep: Keep, at: usize) -> bool {
        let newer = |a: usize, b: usize| (made[a], std::cmp::Reverse(a)) > (made[b], std::cmp::Reverse(b));
        let all = || (0..made.len()).filter(move |&other| other != at);
        if all().all(|other| newer(at, other)) {
            return true;
        }
        if keep.last.is_some_and(|n| all().filter(|&other| newer(other, at)).count() < n) {
            return true;
        }
        let oldest = all().all(|other| newer(other, at));
        let formats = [(keep.daily, "%Y-%j"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")];
        formats.into_iter().any(|(number, format)| {
            let Some(number) = number else { return false };
            let bucket = |of: usize| made[of].format(format).to_string();
            let newest_of_its = all().all(|other| bucket(other) != bucket(at) || newer(at, other));
            let newer_buckets: BTreeSet<String> =
                all().filter(|&o| newer(o, at)).map(bucket).filter(|b| *b != bucket(at)).collect();
            let buckets: BTreeSet<String> = (0..made.len()).map(bucket).collect();
            (newest_of_its && newer_buckets.len() < number) || (oldest && buckets.len() < number)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_times_and_rules_give_what_the_plain_words_say(
            seconds in prop::collection::vec(0_i64..315_360_000, 0..40),
            (last, daily, weekly, monthly) in (
                prop::option::of(1_usize..6), prop::option::of(1_usize..6),
                prop::option::of(1_usize..6), prop::option::of(1_usize..6),
            ),
        ) {
            let begin = Utc.with_ymd_and_hms(2020, 1, 1, 0, 0, 0).unwrap();
            let made: Vec<_> = seconds.iter().map(|s| begin + TimeDelta::seconds(*s)).collect();
            let keep = Keep { last, daily, weekly, monthly };
            let stays = stay(&made, keep);
            for (at, stays) in stays.iter().enumerate() {
                let expected = keep.is_everything() || reference(&made, keep, at);
                prop_assert_eq!(*stays, expected, "{} of {:?} under {:?}", at, made, keep);
            }
            if let Some(newest) = made.iter().max() {
                prop_assert!(made.iter().zip(&stays).any(|(at, stays)| at == newest && *stays));
            }
        }
    }
}
