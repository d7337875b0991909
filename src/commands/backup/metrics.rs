//! What monitoring wants to know of a run, in the text format of Prometheus. The file is replaced as a whole, so that a
//! collector never reads half of one.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use chrono::Utc;

use super::BackupReport;
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::pipeline::backups::Backup;

/// Writes the metrics of a run that ended with that code; `newest` is the newest backup of the database that there is.
/// `endpoint` is `None` where the run did not come to know its database.
pub fn write(
    file: &Path,
    endpoint: Option<&Endpoint>,
    report: Option<&BackupReport>,
    newest: Option<&Backup>,
    exit_code: u8,
    took: Duration,
) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::new(ErrorKind::Write, format!("the metrics could not be written to {}", file.display()))
            .why(e)
            .next("check the folder of --metrics-file")
    };
    let text = text(endpoint, report, newest, exit_code, took);
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = file.with_file_name(format!(".{name}.{}", uuid::Uuid::now_v7().simple()));
    let written = || -> std::io::Result<()> {
        let mut open = std::fs::OpenOptions::new().write(true).create_new(true).open(&draft)?;
        // A collector runs as another user, and there is nothing secret in it.
        open.set_permissions(std::fs::Permissions::from_mode(0o644))?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        std::fs::rename(&draft, file)
    };
    written().map_err(|e| {
        let _ = std::fs::remove_file(&draft);
        failed(e)
    })
}

fn text(
    endpoint: Option<&Endpoint>,
    report: Option<&BackupReport>,
    newest: Option<&Backup>,
    exit_code: u8,
    took: Duration,
) -> String {
    let labels = endpoint.map(labels).unwrap_or_default();
    let mut out = String::new();
    let mut put = |name: &str, help: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "# HELP techcare_db_backup_{name} {help}\n# TYPE techcare_db_backup_{name} gauge\n\
             techcare_db_backup_{name}{labels} {value}"
        );
    };
    put("last_run_timestamp_seconds", "When backup ran last.", Utc::now().timestamp().to_string());
    put("last_exit_code", "Exit code of the last run; 0 is done.", exit_code.to_string());
    put("last_duration_seconds", "How long the last run took.", format!("{:.3}", took.as_secs_f64()));
    if let Some(newest) = newest {
        let at = newest.manifest.finished.timestamp().to_string();
        put("last_success_timestamp_seconds", "When the newest backup had been verified.", at);
        put("last_success_bytes", "Bytes of the newest backup.", newest.manifest.bytes.to_string());
        if !newest.manifest.tables.is_empty() {
            put("last_success_rows", "Rows in the newest backup.", newest.manifest.rows().to_string());
        }
    }
    if let Some(report) = report {
        let deleted = report.deleted.len().to_string();
        put("last_deleted", "Older backups that the last run deleted.", deleted);
    }
    out
}

fn labels(endpoint: &Endpoint) -> String {
    let location = endpoint.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{engine=\"{}\",database=\"{location}\"}}", endpoint.dialect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Location;

    #[test]
    fn the_file_is_replaced_as_a_whole_and_strange_names_are_escaped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backup.prom");
        std::fs::write(&file, "old").unwrap();
        let endpoint = Endpoint::new(Location::File("/srv/a\"b\\c.db".into()), "");
        write(&file, Some(&endpoint), None, None, 3, Duration::from_millis(1500)).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let labels = r#"{engine="sqlite",database="sqlite:////srv/a\"b\\c.db"}"#;
        assert!(text.contains(&format!("techcare_db_backup_last_exit_code{labels} 3\n")), "{text}");
        assert!(
            text.contains(&format!("techcare_db_backup_last_duration_seconds{labels} 1.500\n")),
            "{text}"
        );
        assert!(!text.contains("success"), "{text}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(write(&folder.path().join("no/such"), None, None, None, 0, Duration::ZERO).is_err());
    }
}
