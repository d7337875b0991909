//! Date and time without a zone, to the microsecond, from year 1 to 9999: what Python's naive `datetime` holds.
//! Reading is strict: a value that is not exactly one of these is an error, never the nearest one. How SQLite has
//! to spell it is [`crate::sqlite_text`]'s business.

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::sqlx::decode::Decode;
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::postgres::{PgTypeInfo, PgValueRef, Postgres};
use sea_orm::{ColIdx, DbErr, IntoActiveValue, QueryResult, TryGetError, TryGetable, Value};

/// The one spelling that SQLAlchemy writes into SQLite. Comparisons there are comparisons of text, so that a
/// spelling without the six digits would no longer be found by the application.
const SQLALCHEMY: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// A moment on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDateTime(NaiveDateTime);

impl LocalDateTime {
    /// The moment, if this type can hold it: years 1 to 9999, whole microseconds, no leap second.
    pub fn new(moment: NaiveDateTime) -> Option<Self> {
        let exact = moment.nanosecond() < 1_000_000_000 && moment.nanosecond().is_multiple_of(1000);
        (exact && (1..=9999).contains(&moment.year())).then_some(Self(moment))
    }

    /// Reads what `datetime.fromisoformat` reads and takes for a time without zone: a date, alone or with `HH:MM`,
    /// `HH:MM:SS` or `HH:MM:SS.f…` after a blank or `T`. A seventh digit that is not zero is refused.
    pub fn parse(text: &str) -> Option<Self> {
        // chrono alone would also take one-digit months, signs and blanks.
        const SHAPE: &[u8] = b"0000-00-00 00:00:00.000000000";
        let fits = |(byte, shape): (&u8, &u8)| match shape {
            b'0' => byte.is_ascii_digit(),
            b' ' => matches!(byte, b' ' | b'T'),
            _ => byte == shape,
        };
        if !matches!(text.len(), 10 | 16 | 19 | 21..=29) || !text.as_bytes().iter().zip(SHAPE).all(fits) {
            return None;
        }
        let date = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
        let time = match text.get(11..) {
            None => chrono::NaiveTime::MIN,
            Some(time) if time.len() == 5 => chrono::NaiveTime::parse_from_str(time, "%H:%M").ok()?,
            Some(time) => chrono::NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?,
        };
        Self::new(date.and_time(time))
    }

    /// The moment for chrono.
    pub fn get(self) -> NaiveDateTime {
        self.0
    }

    /// The spelling of SQLAlchemy's SQLite dialect, always with six digits.
    pub fn to_sqlalchemy(self) -> String {
        spell(self.0)
    }
}

/// The spelling of SQLAlchemy's SQLite dialect.
pub(crate) fn spell(moment: NaiveDateTime) -> String {
    moment.format(SQLALCHEMY).to_string()
}

impl From<LocalDateTime> for Value {
    fn from(moment: LocalDateTime) -> Self {
        Self::ChronoDateTime(Some(moment.0))
    }
}

impl TryGetable for LocalDateTime {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let inexact = || unreadable(index, "not a date and time without zone, to the microsecond");
        if row.try_as_sqlite_row().is_some() {
            // sqlx itself would also take numbers for seconds or Julian days, and drop offsets.
            let text = String::try_get_by(row, index)?;
            return Self::parse(&text).ok_or_else(inexact);
        }
        if row.try_as_pg_row().is_some() {
            let found = row.try_get_from_sqlx_postgres::<PgMicros, I>(index);
            let micros = found.ok_or_else(inexact)??;
            return micros.moment().and_then(Self::new).ok_or_else(inexact);
        }
        NaiveDateTime::try_get_by(row, index).and_then(|moment| Self::new(moment).ok_or_else(inexact))
    }
}

fn unreadable<I: ColIdx>(index: I, why: &str) -> TryGetError {
    DbErr::Type(format!("column {index:?}: {why}")).into()
}

/// Microseconds since 2000-01-01 as PostgreSQL sends a `timestamp`. sqlx's own reading of `infinity` overflows and
/// panics.
struct PgMicros(i64);

impl PgMicros {
    fn moment(&self) -> Option<NaiveDateTime> {
        let epoch = NaiveDate::from_ymd_opt(2000, 1, 1)?.and_time(chrono::NaiveTime::MIN);
        epoch.checked_add_signed(TimeDelta::microseconds(self.0))
    }
}

impl sea_orm::sqlx::Type<Postgres> for PgMicros {
    fn type_info() -> PgTypeInfo {
        <NaiveDateTime as sea_orm::sqlx::Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for PgMicros {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<Postgres>>::decode(value).map(Self)
    }
}

impl ValueType for LocalDateTime {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::ChronoDateTime(Some(moment)) => Self::new(moment).ok_or(ValueTypeErr),
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "LocalDateTime".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::ChronoDateTime
    }

    fn column_type() -> ColumnType {
        ColumnType::DateTime
    }
}

impl Nullable for LocalDateTime {
    fn null() -> Value {
        Value::ChronoDateTime(None)
    }
}

impl IntoActiveValue<LocalDateTime> for LocalDateTime {
    fn into_active_value(self) -> sea_orm::ActiveValue<LocalDateTime> {
        sea_orm::ActiveValue::Set(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_has_six_digits_always() {
        for text in ["2024-05-21 08:30:00.000000", "1000-01-01 00:00:00.120000", "9999-12-31 23:59:59.999999"]
        {
            assert_eq!(LocalDateTime::parse(text).unwrap().to_sqlalchemy(), text);
        }
        for text in [
            "2024-05-21T08:30",
            "2024-05-21 08:30:00",
            "2024-05-21 08:30:00.0",
            "2024-05-21 08:30:00.000000000",
        ] {
            assert_eq!(LocalDateTime::parse(text).unwrap().to_sqlalchemy(), "2024-05-21 08:30:00.000000");
        }
        assert_eq!(LocalDateTime::parse("0001-01-01").unwrap().to_sqlalchemy(), "0001-01-01 00:00:00.000000");
    }

    #[test]
    fn what_is_not_exactly_a_moment_is_refused() {
        for text in [
            "",
            "2024-5-21 08:30:00",
            "21/05/2024 08:30:00",
            "2024-05-21 08:30:00Z",
            "2024-05-21 08:30:00+00:00",
            "2024-05-21 08:30:60",
            "2024-05-21 24:00:00",
            "2024-02-30",
            "0000-00-00 00:00:00",
            "2024-05-21 08:30:00.1234567",
            "2024-05-21 08:30:00.",
            "2024-05-21 08:30:",
            "+2024-05-2 08:30:00",
            "1716280200",
            "2024-05-21 08:30:00.é",
        ] {
            assert_eq!(LocalDateTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn infinity_is_no_moment() {
        assert_eq!(PgMicros(i64::MAX).moment().and_then(LocalDateTime::new), None);
        assert_eq!(PgMicros(i64::MIN).moment().and_then(LocalDateTime::new), None);
        let moment = PgMicros(1).moment().and_then(LocalDateTime::new).unwrap();
        assert_eq!(moment.to_sqlalchemy(), "2000-01-01 00:00:00.000001");
    }
}
