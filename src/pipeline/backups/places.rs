//! Folders that backups were laid into by name, as the TechCare folder remembers them: one a line. What is in them, the
//! manifests there tell.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::pipeline::private_file;

/// Name of the file in the folder of the history.
const NAME: &str = "backup-folders";

/// Remembers a folder that is there.
pub fn note(history: &Path, folder: &Path) -> io::Result<()> {
    let folder = std::fs::canonicalize(folder)?;
    let mut all = known(history);
    if all.contains(&folder) {
        return Ok(());
    }
    if folder.as_os_str().as_bytes().contains(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its path has a line feed in it"));
    }
    all.push(folder);
    let mut text = all.iter().map(|folder| folder.as_os_str().as_bytes()).collect::<Vec<_>>().join(&b'\n');
    text.push(b'\n');
    private_file::folder(history)?;
    private_file::replace(&history.join(NAME), &text)
}

/// Folders that were noted, whether they are still there or not.
pub fn known(history: &Path) -> Vec<PathBuf> {
    // Whoever cannot read it knows of none: what is in the usual folder is found all the same.
    let text = std::fs::read(history.join(NAME)).unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| PathBuf::from(OsStr::from_bytes(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_remembered_once() {
        let home = tempfile::tempdir().unwrap();
        let history = home.path().join("history");
        assert_eq!(known(&history), Vec::<PathBuf>::new());
        let folders = ["a", "b é"].map(|name| home.path().join(name));
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
            note(&history, folder).unwrap();
            note(&history, &folder.join(".")).unwrap();
        }
        assert_eq!(known(&history), folders.map(|folder| folder.canonicalize().unwrap()));
        assert!(note(&history, &home.path().join("none")).is_err());
    }
}
