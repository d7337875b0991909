//! Files that only their owner can read: reports, reject files, the history of runs.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A new file that only its owner can read, in a folder that is made where it is missing.
pub fn create(path: &Path) -> std::io::Result<File> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file that only its owner can read, in place of the one that is there: whoever looks finds the one or the
/// other, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    // Of a process with the same number that was killed.
    let _ = fs::remove_file(&partial);
    let written = create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    });
    if written.is_err() {
        // The failure itself is the one to tell.
        let _ = fs::remove_file(&partial);
    }
    written
}

/// A folder that only its owner can look into, unless it is there already.
pub fn folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
