//! Values that are right where they come from and impossible where they go. Known from the target's engine alone, so
//! that a row can be decided about before it is sent. Pure.

use crate::model::batch::{Batch, Cell};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::Plan;
use crate::model::value;

/// Codes that [`Limits::misfit`] answers with.
pub const CODES: [&str; 4] =
    [codes::NUL_IN_TEXT, codes::NOT_FINITE, codes::DATETIME_RANGE, codes::INTEGER_RANGE];

/// What to do about rows that a unique key of the target takes for one.
pub const TWINS: &str = "rows that the source tells apart are one to this key of the target: make them differ there, or delete those \
     that are too many, then run the same command again";

const MICROS_PER_SECOND: i64 = 1_000_000;

/// First instant of TIMESTAMP of MySQL and MariaDB, 1970-01-01 00:00:01 UTC, in microseconds.
pub const FIRST_INSTANT: i64 = MICROS_PER_SECOND;

/// Last instant of TIMESTAMP of MySQL, and of MariaDB before 11.5: 2038-01-19 03:14:07.999999 UTC, in microseconds
/// (<https://dev.mysql.com/doc/refman/9.0/en/datetime.html>).
pub const LAST_INSTANT: i64 = ((1 << 31) - 1) * MICROS_PER_SECOND + 999_999;

/// Last instant of TIMESTAMP of MariaDB from 11.5 on: 2106-02-07 06:28:15.999999 UTC, in microseconds
/// (<https://mariadb.com/kb/en/timestamp/>).
pub const LAST_LATE_INSTANT: i64 = ((1 << 32) - 1) * MICROS_PER_SECOND + 999_999;

/// Last instant of a TIMESTAMP that goes on after 2038, or does not.
pub fn last_instant(late: bool) -> i64 {
    if late { LAST_LATE_INSTANT } else { LAST_INSTANT }
}

/// What is wrong with an instant that no TIMESTAMP holds.
pub const NO_INSTANT: &str = "is infinite or lies outside 1970 to 2106, the range of TIMESTAMP";

/// What is wrong with an instant that no TIMESTAMP of MySQL, or of MariaDB before 11.5, holds.
const NO_EARLY_INSTANT: &str =
    "is infinite or lies outside 1970-01-01 00:00:01 to 2038-01-19 03:14:07 UTC, the range of TIMESTAMP";

/// What is wrong with one that only a TIMESTAMP of MariaDB 11.5 holds.
pub const LATE_INSTANT: &str =
    "lies after 2038-01-19 03:14:07 UTC, where TIMESTAMP of MySQL, and of MariaDB before 11.5, ends";

/// 838:59:59.999999, the longest TIME of MySQL.
const LONGEST_TIME: i64 = (838 * 3600 + 59 * 60 + 59) * MICROS_PER_SECOND + 999_999;

/// Whether the type that MariaDB has for UUIDs takes one. It keeps the parts of versions 1 to 5 in another order, sees by the
/// first bit of two bytes whether it did so, and refuses what would look so and is not: a version of 8 or more beside a variant
/// byte of 0x01 to 0x80 (<https://jira.mariadb.org/browse/MDEV-29959>, `rec_need_swap` in `sql_type_uuid.h`; each combination was
/// tried on 10.11). Releases before that change take all.
pub fn mariadb_takes(uuid: &[u8]) -> bool {
    match uuid {
        [_, _, _, _, _, _, version, _, variant, ..] => *version < 0x80 || !(0x01..=0x80).contains(variant),
        _ => true,
    }
}

/// What a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its engine.
    pub target: Dialect,
    /// Whether its TIMESTAMP reaches beyond [`LAST_INSTANT`].
    pub late_instants: bool,
}

impl Limits {
    /// Those of a plan's target.
    pub fn of(plan: &Plan) -> Self {
        Self { target: plan.target, late_instants: plan.late_instants }
    }

    /// Whether a column of that type (in the target's words) holds the instants of some decades only.
    pub fn bounds_times(self, native_type: &str) -> bool {
        self.target == Dialect::Mysql && native_type.starts_with("timestamp")
    }

    /// What is wrong with an instant that such a column does not hold.
    pub fn no_instant(self) -> &'static str {
        if self.late_instants { NO_INSTANT } else { NO_EARLY_INSTANT }
    }

    /// The code of a value that a column of that type (in the target's words) cannot hold.
    pub fn misfit(self, native_type: &str, batch: &Batch, cell: Cell) -> Option<&'static str> {
        match self.target {
            Dialect::Postgres => match cell {
                Cell::Text(span) => batch.bytes(span).contains(&0).then_some(codes::NUL_IN_TEXT),
                // An unsigned key becomes a signed integer there.
                Cell::UInt(_) => (native_type == "bigint").then_some(codes::INTEGER_RANGE),
                _ => None,
            },
            Dialect::Mysql => match cell {
                Cell::Float(v) => (!v.is_finite()).then_some(codes::NOT_FINITE),
                Cell::Decimal(span) => {
                    batch.text(span).ends_with(|c: char| c.is_ascii_alphabetic()).then_some(codes::NOT_FINITE)
                }
                // Times without a zone are taken as those of UTC there.
                Cell::Timestamp(v) | Cell::DateTime(v) if self.bounds_times(native_type) => {
                    (!(FIRST_INSTANT..=last_instant(self.late_instants)).contains(&v))
                        .then_some(codes::DATETIME_RANGE)
                }
                Cell::Time(v) => {
                    (v.unsigned_abs() > LONGEST_TIME.unsigned_abs()).then_some(codes::DATETIME_RANGE)
                }
                cell => outside(cell, 0),
            },
            Dialect::Sqlite => match cell {
                Cell::UInt(_) => Some(codes::INTEGER_RANGE),
                Cell::Float(v) => v.is_nan().then_some(codes::NOT_FINITE),
                cell => outside(cell, 1),
            },
        }
    }
}

/// A date outside the years that the target spells, which end at 9999.
fn outside(cell: Cell, first_year: i64) -> Option<&'static str> {
    let days = match cell {
        Cell::Date(days) => days,
        Cell::DateTime(micros) | Cell::Timestamp(micros) => value::split_days(micros).0,
        _ => return None,
    };
    let (year, ..) = value::civil_from_days(days);
    (!(first_year..=9999).contains(&year)).then_some(codes::DATETIME_RANGE)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};
    use crate::model::schema::DataType;

    fn judged(target: Dialect, native_type: &str, fill: impl Fn(&mut Batch)) -> Option<&'static str> {
        let column = ShapeColumn { name: "c".into(), data_type: DataType::Any };
        let mut batch = Batch::new(Arc::new(Shape { table: "t".into(), columns: vec![column], key: vec![] }));
        fill(&mut batch);
        Limits { target, late_instants: false }.misfit(native_type, &batch, batch.row(0)[0])
    }

    #[test]
    fn uuids_that_would_look_turned_around_are_refused_by_mariadb() {
        for (uuid, takes) in [
            ("01234567-89ab-cdef-0123-456789abcdef", false),
            ("01234567-89ab-8def-8023-456789abcdef", false),
            ("01234567-89ab-8def-8123-456789abcdef", true),
            ("01234567-89ab-8def-0023-456789abcdef", true),
            ("01234567-89ab-7def-0123-456789abcdef", true),
            ("00000000-0000-0000-0000-000000000000", true),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", true),
        ] {
            assert_eq!(mariadb_takes(&value::parse_uuid(uuid).unwrap()), takes, "{uuid}");
        }
    }

    #[test]
    fn instants_end_where_the_server_says() {
        let shape = Shape { table: "t".into(), columns: vec![], key: vec![] };
        let batch = Batch::new(Arc::new(shape));
        let code = |late_instants, text: &str| {
            let cell = Cell::Timestamp(value::parse_datetime(text).unwrap());
            Limits { target: Dialect::Mysql, late_instants }.misfit("timestamp(6)", &batch, cell)
        };
        let beyond = Some(codes::DATETIME_RANGE);
        for (text, narrow, wide) in [
            ("1970-01-01 00:00:00.999999", beyond, beyond),
            ("1970-01-01 00:00:01", None, None),
            ("2038-01-19 03:14:07.999999", None, None),
            ("2038-01-19 03:14:08", beyond, None),
            ("2106-02-07 06:28:15.999999", beyond, None),
            ("2106-02-07 06:28:16", beyond, beyond),
        ] {
            assert_eq!((code(false, text), code(true, text)), (narrow, wide), "{text}");
        }
    }

    #[test]
    fn each_engine_has_its_own_limits() {
        use Dialect::{Mysql, Postgres, Sqlite};
        let nul = |b: &mut Batch| b.push_text("a\0b");
        let infinite = |b: &mut Batch| b.push(Cell::Float(f64::INFINITY));
        let nan = |b: &mut Batch| b.push_decimal("NaN");
        let far =
            |b: &mut Batch| b.push(Cell::DateTime(value::parse_datetime("9999-12-31 00:00:00").unwrap() * 2));
        let early = |b: &mut Batch| b.push(Cell::Timestamp(-1));
        let unzoned = |b: &mut Batch| b.push(Cell::DateTime(0));
        let large = |b: &mut Batch| b.push_unsigned(u64::MAX);
        for (target, native, fill, expected) in [
            (Postgres, "text", &nul as &dyn Fn(&mut Batch), Some(codes::NUL_IN_TEXT)),
            (Mysql, "longtext", &nul, None),
            (Mysql, "double", &infinite, Some(codes::NOT_FINITE)),
            (Postgres, "double precision", &infinite, None),
            (Sqlite, "REAL", &infinite, None),
            (Mysql, "decimal(9,2)", &nan, Some(codes::NOT_FINITE)),
            (Mysql, "datetime(6)", &far, Some(codes::DATETIME_RANGE)),
            (Sqlite, "DATETIME", &far, Some(codes::DATETIME_RANGE)),
            (Mysql, "timestamp(6)", &early, Some(codes::DATETIME_RANGE)),
            (Mysql, "datetime(6)", &early, None),
            (Mysql, "timestamp", &unzoned, Some(codes::DATETIME_RANGE)),
            (Mysql, "datetime", &unzoned, None),
            (Sqlite, "BIGINT", &large, Some(codes::INTEGER_RANGE)),
            (Mysql, "bigint unsigned", &large, None),
            (Postgres, "bigint", &large, Some(codes::INTEGER_RANGE)),
            (Postgres, "numeric(20)", &large, None),
        ] {
            assert_eq!(judged(target, native, fill), expected, "{target:?} {native}");
        }
    }
}
