//! Keeps reports: the document and the page of a migration in the TechCare folder, for whoever asks tomorrow what was
//! moved, and pages where the user wants them.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::render::html;
use crate::engine::file_name;
use crate::model::error::{Error, ErrorKind, Result};
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

/// Refuses a name under which no page could be written in the end: before anything is done, since that may take long.
pub fn check_page(file: &Path) -> Result<()> {
    file_name::check(file, "page")?;
    vacant(file)?;
    private_file::partial(file_name::folder(file)).map(drop).map_err(|e| {
        let what = format!("the report cannot be written to {}", file.display());
        Error::new(ErrorKind::Refused, what).why(e).next("name another file with --report")
    })
}

/// Writes a page that only its owner can read, whole or not at all, over none but an older one.
pub fn write_page(file: &Path, page: &str) -> Result<()> {
    vacant(file)?;
    private_file::replace(file, page.as_bytes()).map_err(|e| {
        let what = format!("{} could not be written", file.display());
        Error::new(ErrorKind::of_writing(&e), what).why(e)
    })
}

/// The same in the folder of reports, which is made where it is not there.
pub fn write_page_of_run(file: &Path, page: &str) -> Result<()> {
    private_file::folder(file_name::folder(file))
        .map_err(|e| Error::new(ErrorKind::of_writing(&e), "there is no folder for reports").why(e))?;
    write_page(file, page)
}

/// Refuses to write over anything that is no page: a wrong name could be that of a database.
fn vacant(file: &Path) -> Result<()> {
    let Ok(found) = file.symlink_metadata() else { return Ok(()) };
    if found.is_file() && begins_as_page(file) {
        return Ok(());
    }
    let what = format!("{} exists already and is no HTML page", file.display());
    Err(Error::new(ErrorKind::Refused, what).next("name another file with --report; nothing was changed"))
}

fn begins_as_page(file: &Path) -> bool {
    let mut begins = vec![0; html::DOCTYPE.len()];
    let read = File::open(file).and_then(|mut open| open.read_exact(&mut begins));
    read.is_ok() && begins.eq_ignore_ascii_case(html::DOCTYPE.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let found = fs::read_dir(folder).unwrap();
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_report_is_for_its_owner_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(&folder.path().join(REPORTS), "7");
        write(&file, "{}\n").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}\n");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        assert!(write(&file, "other").is_err());
    }

    #[test]
    fn a_page_is_for_its_owner_and_replaces_nothing_but_pages() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        for text in ["<!DOCTYPE html>1", "<!DOCTYPE html>2"] {
            check_page(&file).unwrap();
            assert!(!file.exists() || fs::read_to_string(&file).unwrap().ends_with('1'));
            write_page(&file, text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
            assert_eq!((mode(&file), names(folder.path())), (0o600, vec!["page.html".to_owned()]));
        }
        let database = folder.path().join("techcare.db");
        fs::write(&database, "SQLite format 3\0 and more").unwrap();
        let link = folder.path().join("link.html");
        symlink(&file, &link).unwrap();
        for taken in [&database, &link, folder.path()] {
            let refusals = [check_page(taken), write_page(taken, "<!DOCTYPE html>3")];
            for refusal in refusals {
                assert_eq!(refusal.unwrap_err().kind(), ErrorKind::Refused, "{}", taken.display());
            }
        }
        assert!(fs::read(&database).unwrap().starts_with(b"SQLite format 3\0"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "<!DOCTYPE html>2");
    }

    #[test]
    fn a_page_that_could_not_be_written_is_refused_before() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere/page.html");
        assert_eq!(check_page(&nowhere).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(check_page(Path::new("/")).unwrap_err().kind(), ErrorKind::Usage);
        // A folder in which nobody can make a file, whatever rights they have.
        assert_eq!(check_page(Path::new("/proc/page.html")).unwrap_err().kind(), ErrorKind::Refused);
    }

    #[test]
    fn a_page_of_a_run_makes_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = path(&folder.path().join(REPORTS), "7").with_extension("html");
        write_page_of_run(&file, "<!DOCTYPE html>").unwrap();
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
}
