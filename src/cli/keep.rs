//! Keeps the report of a migration in the TechCare folder, for whoever asks tomorrow what was moved.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::pipeline::private_file;

/// Folder of reports in the TechCare folder.
pub const REPORTS: &str = "reports";

/// Folder of the history of runs in the TechCare folder.
pub const HISTORY: &str = "history";

/// Folder of reject files in the TechCare folder.
pub const REJECTS: &str = "rejects";

/// File of a run's report.
pub fn path(folder: &Path, run_id: &str) -> PathBuf {
    folder.join(format!("migration_{run_id}.json"))
}

/// Writes a report that only its owner can read: it names tables, columns and keys.
pub fn write(file: &Path, document: &str) -> io::Result<()> {
    let mut open = private_file::create(file)?;
    open.write_all(document.as_bytes())?;
    open.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_report_is_for_its_owner_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(&folder.path().join(REPORTS), "7");
        write(&file, "{}\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}\n");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        assert!(write(&file, "other").is_err());
    }
}
