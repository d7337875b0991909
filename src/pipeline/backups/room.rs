//! Whether a disk has room for what is going to be written. Where the size is known, too little is refused before anything is
//! written; where it can only be guessed, a warning says so, since a guess is no reason to have no backup.

use std::path::Path;

use super::folder::Folder;
use crate::engine::file_name;
use crate::model::error::{Error, ErrorKind, Result};

/// Room that has to be left on the disk beside a file.
const SPARE: u64 = 4 << 20;

/// Of what a server says that its tables take, with indexes, a packed backup has about so much: a third. Text packs to a
/// tenth, what is packed already to no less than it is.
const PACKED: u64 = 3;

/// What is known of the size of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Its bytes, so many at most.
    Known(u64),
    /// The bytes of the database that it is made of, and whether it is packed.
    Database(u64, bool),
    /// Nothing.
    Unknown,
}

/// Looks at the room for a backup: an error, or a warning.
pub fn for_backup(folder: &Folder, size: Size) -> Result<Option<String>> {
    let Some(free) = folder.free() else { return Ok(None) };
    let place = folder.path();
    match size {
        Size::Known(bytes) => {
            let needed = bytes.saturating_add(bytes / 20).saturating_add(SPARE);
            if free >= needed {
                return Ok(None);
            }
            Err(refused(format!("there is no room for the backup in {}", place.display()))
                .why(format!("it needs up to {} MiB, {} MiB are free", mib(needed), free >> 20))
                .next("make room, or name another folder with --output-dir; nothing was written"))
        }
        Size::Database(bytes, packed) => Ok(guess(bytes, packed, free).map(|needed| {
            format!(
                "there may be no room for the backup in {}: it may need about {} MiB, {} MiB are free",
                place.display(),
                mib(needed),
                free >> 20
            )
        })),
        Size::Unknown => Ok(None),
    }
}

/// What a backup of such a database may need, if that is more than there is.
fn guess(bytes: u64, packed: bool, free: u64) -> Option<u64> {
    let needed = if packed { bytes / PACKED } else { bytes }.saturating_add(SPARE);
    (needed > free).then_some(needed)
}

/// Refuses where so many bytes do not fit beside a file, for the reason that is given.
pub fn beside(file: &Path, bytes: u64, what: &str) -> Result<()> {
    let Some(folder) = Folder::find(file_name::folder(file))? else { return Ok(()) };
    within(&folder, bytes, what)
}

/// Refuses where so many bytes do not fit into a folder, for the reason that is given.
pub fn within(folder: &Folder, bytes: u64, what: &str) -> Result<()> {
    let needed = bytes.saturating_add(SPARE);
    match folder.free() {
        Some(free) if free < needed => {
            Err(refused(format!("there is no room to {what} in {}", folder.path().display()))
                .why(format!("it needs {} MiB, {} MiB are free", mib(needed), free >> 20))
                .next("make room there; nothing was changed"))
        }
        _ => Ok(()),
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::Refused, what)
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_refused_and_what_is_guessed_is_said() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::make(place.path()).unwrap();
        let free = folder.free().unwrap();
        assert_eq!(for_backup(&folder, Size::Known(1)).unwrap(), None);
        assert_eq!(for_backup(&folder, Size::Unknown).unwrap(), None);
        let refused = for_backup(&folder, Size::Known(free)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(refused.reason().unwrap().starts_with("it needs up to "), "{refused}");
        assert_eq!(for_backup(&folder, Size::Database(1 << 20, false)).unwrap(), None);
        // More than three disks of it.
        let said = for_backup(&folder, Size::Database(free.saturating_mul(4), true)).unwrap().unwrap();
        assert!(said.contains("it may need about "), "{said}");
        let refused = beside(&place.path().join("x.db"), u64::MAX, "build the database").unwrap_err();
        assert!(refused.to_string().contains("no room to build the database"), "{refused}");
        beside(&place.path().join("x.db"), 1, "").unwrap();
        beside(Path::new("/nonexistent/x.db"), u64::MAX, "").unwrap();
    }

    #[test]
    fn a_third_is_enough_for_what_is_packed() {
        let disk = 100 << 20;
        assert_eq!(guess(disk, true, disk), None);
        assert_eq!(guess(disk, false, disk), Some(disk + SPARE));
        assert_eq!(guess(6 * disk, true, disk), Some(2 * disk + SPARE));
    }
}
