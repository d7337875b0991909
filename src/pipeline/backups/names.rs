//! What backups are called: `techcare_20261124_131257.db`, `techcare_postgresql_20261124_131257.dump`; the time is that
//! of the machine's own clock and zone. A manifest has the same name with `.json` behind it.

use chrono::NaiveDateTime;

use crate::model::endpoint::Dialect;

/// What every backup's name begins with.
const PREFIX: &str = "techcare_";

/// What a manifest's name ends in.
pub const MANIFEST: &str = ".json";

/// What the names of unfinished files begin with; the run follows.
pub const PARTIAL: &str = ".partial-";

/// Time in a name.
const TIME: &str = "%Y%m%d_%H%M%S";

/// Name of a backup that was made at that time.
pub fn file(dialect: Dialect, at: NaiveDateTime, suffix: &str) -> String {
    format!("{PREFIX}{}{}.{suffix}", infix(dialect), at.format(TIME))
}

/// Name of the manifest of a file.
pub fn manifest(file: &str) -> String {
    format!("{file}{MANIFEST}")
}

/// When a backup of that engine was made, by its name; `None` for other files, other engines, manifests and unfinished
/// files.
pub fn made_at(name: &str, dialect: Dialect) -> Option<NaiveDateTime> {
    let rest = name.strip_prefix(PREFIX)?.strip_prefix(infix(dialect))?;
    let (time, suffix) = rest.split_once('.')?;
    let unfinished = suffix.ends_with("json") || suffix.contains("partial");
    (!unfinished).then(|| NaiveDateTime::parse_from_str(time, TIME).ok()).flatten()
}

const fn infix(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "",
        Dialect::Postgres => "postgresql_",
        Dialect::Mysql => "mysql_",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_engine_and_time() {
        let at = NaiveDateTime::parse_from_str("20261124_131257", TIME).unwrap();
        assert_eq!(file(Dialect::Sqlite, at, "db"), "techcare_20261124_131257.db");
        assert_eq!(file(Dialect::Postgres, at, "dump"), "techcare_postgresql_20261124_131257.dump");
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            let name = file(dialect, at, "x.zst");
            assert_eq!(made_at(&name, dialect), Some(at));
            assert_eq!(made_at(&manifest(&name), dialect), None);
        }
        for other in [
            "techcare_mysql_20261124_131257.sql",
            "techcare_20261324_131257.db",
            "techcare_20261124_131257.db.partial-1",
            "other_20261124_131257.db",
        ] {
            assert_eq!(made_at(other, Dialect::Sqlite), None, "{other}");
        }
    }
}
