//! The newest backup of an engine in a folder, by the time in its name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Local, TimeZone};
use serde::Serialize;

use crate::model::endpoint::Dialect;
use crate::pipeline::backups::made_at;

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewestBackup {
    /// Where it is.
    pub path: PathBuf,
    /// How old it is, by its name.
    pub age: Duration,
}

/// Newest `techcare_YYYYmmdd_HHMMSS.db`, or `techcare_ENGINE_YYYYmmdd_HHMMSS.…` for servers. A folder that cannot
/// be read holds none.
pub fn newest_backup(folder: &Path, dialect: Dialect, now: DateTime<Local>) -> Option<NewestBackup> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let (made, path) = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .filter_map(|entry| Some((made_at(entry.file_name().to_str()?, dialect)?, entry.path())))
        .max()?;
    let made = Local.from_local_datetime(&made).earliest()?;
    Some(NewestBackup { path, age: (now - made).to_std().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_backup_of_its_engine_is_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "techcare_20260101_120000.db",
            "techcare_20260102_120000.db",
            "techcare_20260102_120000.db.json",
            "techcare_20260103_120000.db.partial-1",
            "techcare_postgresql_20260104_120000.dump",
            "techcare_mysql_20260105_120000.sql.zst",
            "techcare_20261301_120000.db",
            "other_20260106_120000.db",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let now = Local.with_ymd_and_hms(2026, 1, 4, 12, 0, 0).unwrap();
        let newest = |dialect| {
            let backup = newest_backup(folder.path(), dialect, now).unwrap();
            (backup.path.file_name().unwrap().to_str().unwrap().to_owned(), backup.age.as_secs() / 86_400)
        };
        assert_eq!(newest(Dialect::Sqlite), ("techcare_20260102_120000.db".into(), 2));
        assert_eq!(newest(Dialect::Postgres), ("techcare_postgresql_20260104_120000.dump".into(), 0));
        assert_eq!(newest(Dialect::Mysql), ("techcare_mysql_20260105_120000.sql.zst".into(), 0));
        assert_eq!(newest_backup(Path::new("/nonexistent"), Dialect::Sqlite, now), None);
    }
}
