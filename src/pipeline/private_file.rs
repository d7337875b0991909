//! Files that only their owner can read: reports, reject files, the history of runs.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::engine::file_name;

/// A new file that only its owner can read, in a folder that is made where it is missing.
pub fn create(path: &Path) -> std::io::Result<File> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Writes a file that only its owner can read, in place of the one that is there: whoever looks finds the one or the
/// other, whole. Its folder has to be there.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file_name::folder(path);
    let mut partial = partial(folder)?;
    partial.write_all(bytes)?;
    partial.as_file().sync_all()?;
    partial.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
}

/// A new file of some name, mode 0600, which is removed when it is dropped.
pub fn partial(folder: &Path) -> std::io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".techcare-db-").tempfile_in(folder)
}

/// A folder that only its owner can look into, unless it is there already.
pub fn folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
