//! Names of files: the folder that one is in, and giving a finished file its name so that nothing which has that name is
//! ever replaced.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::model::error::{Error, ErrorKind, Result};

/// The folder that a file is in, as a path that can be opened: `.` for a bare name, and for `/` itself.
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses a path at which no file could be written in the end, before anything is done, since that may take long:
/// `Usage`. `what` is what is to be written there.
pub fn check(path: &Path, what: &str) -> Result<()> {
    let usage = |text: String| Error::new(ErrorKind::Usage, text);
    if path.file_name().is_none() {
        return Err(usage(format!("{} does not name a file", path.display()))
            .next(format!("give the path of the {what} that is to be written")));
    }
    let folder = folder(path);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(usage(format!("{} is no folder", folder.display()))),
        Err(e) => Err(usage(format!("there is no folder {}", folder.display()))
            .why(e)
            .next("make it, or check the path")),
    }
}

/// Gives the file `from` the name `to`, both within the folder `dir` (or by their paths with `CWD`). `AlreadyExists` if
/// something has that name: then nothing has changed.
pub fn take(dir: impl AsFd + Copy, from: impl Arg + Copy, to: impl Arg + Copy) -> io::Result<()> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        // Some file systems cannot rename without replacing; none replaces by a link.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(dir, from, dir, to, AtFlags::empty())?;
            rustix::fs::unlinkat(dir, from, AtFlags::empty())?;
        }
        renamed => renamed?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;

    use super::*;

    #[test]
    fn a_bare_name_is_in_the_present_folder() {
        for (file, is_in) in [("a.db", "."), ("b/a.db", "b"), ("/a.db", "/"), ("./a.db", ".")] {
            assert_eq!(folder(Path::new(file)), Path::new(is_in), "{file}");
        }
    }

    #[test]
    fn a_name_that_is_taken_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a", "b"] {
            std::fs::write(at(name), name).unwrap();
        }
        let refused = take(CWD, &at("a"), &at("b")).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(at("b")).unwrap(), "b");
        take(CWD, &at("a"), &at("c")).unwrap();
        assert_eq!(std::fs::read_to_string(at("c")).unwrap(), "a");
        assert!(!at("a").exists());
    }
}
