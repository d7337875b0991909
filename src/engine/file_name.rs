//! Giving a finished file its name, so that nothing which has that name is ever replaced.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;
use rustix::path::Arg;

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
