//! The file of a script: written beside its name as `FILE.partial`, for its owner only, packed as the name says, and
//! given its name in one step when everything in it is on disk. Nothing of it stays after a failure.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags};

use crate::engine::{compress, file_name};
use crate::model::error::{Error, ErrorKind, Result};

/// Bytes that are collected before they are written or packed.
const BUFFER: usize = 256 * 1024;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, for names that end in `.gz`.
    Gzip,
    /// zstd, for names that end in `.zst`.
    Zstd,
}

impl Packing {
    /// What the name asks for.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// Refuses a name that cannot become the script's: before anything is read, since reading may take long.
pub fn check(path: &Path) -> Result<()> {
    file_name::check(path, "script")?;
    if path.symlink_metadata().is_ok() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Refused, format!("{} exists already", path.display()))
        .next("name another file, or remove this one yourself; nothing was changed")
}

/// A script on its way to its file. Dropped before [`ScriptFile::publish`], it is removed.
pub struct ScriptFile {
    path: PathBuf,
    partial: PathBuf,
    out: Option<Out>,
    published: bool,
}

enum Out {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl ScriptFile {
    /// Makes the file and locks it against other runs. One that a killed run left is replaced.
    pub fn create(path: &Path) -> Result<Self> {
        check(path)?;
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let file = new_and_locked(&partial).map_err(|e| failed(&partial, &e))?.ok_or_else(|| {
            Error::new(ErrorKind::Busy, format!("another run is writing {}", partial.display()))
                .next("wait until it is done, or name another file")
        })?;
        let buffered = BufWriter::with_capacity(BUFFER, file);
        let out = match Packing::of(path) {
            Packing::None => Out::Plain(buffered),
            Packing::Gzip => {
                Out::Gzip(flate2::write::GzEncoder::new(buffered, flate2::Compression::default()))
            }
            Packing::Zstd => Out::Zstd(compress::zstd(buffered).map_err(|e| failed(&partial, &e))?),
        };
        Ok(Self { path: path.to_owned(), partial, out: Some(out), published: false })
    }

    /// Appends.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.out {
            Some(Out::Plain(out)) => out.write_all(bytes),
            Some(Out::Gzip(out)) => out.write_all(bytes),
            Some(Out::Zstd(out)) => out.write_all(bytes),
            None => return Err(Error::internal("a script was written to after its end")),
        };
        written.map_err(|e| failed(&self.partial, &e))
    }

    /// Brings everything to disk and gives the file its name; answers with its size in bytes.
    pub fn publish(mut self) -> Result<u64> {
        let finished = self.finish();
        self.published = finished.is_ok();
        finished.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.path),
            _ => failed(&self.partial, &e),
        })
    }

    fn finish(&mut self) -> io::Result<u64> {
        let buffered = match self.out.take() {
            Some(Out::Plain(out)) => out,
            Some(Out::Gzip(out)) => out.finish()?,
            Some(Out::Zstd(out)) => out.finish()?,
            None => return Err(io::Error::other("the script has ended")),
        };
        // Held until the end: closing it would give up the lock.
        let file = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let size = file.metadata()?.len();
        file_name::take(CWD, &self.partial, &self.path)?;
        // It has its name; that the name survives a power cut is worth trying.
        let _ = File::open(file_name::folder(&self.path)).and_then(|f| f.sync_all());
        Ok(size)
    }
}

impl Drop for ScriptFile {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// A new file that this process holds the lock of; `None` if another one does.
fn new_and_locked(partial: &Path) -> io::Result<Option<File>> {
    loop {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial);
        let (file, is_new) = match made {
            Ok(file) => (file, true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match left_behind(partial) {
                Ok(file) => (file, false),
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
        // Between opening and locking, another run may have taken the name away.
        let (mine, there) = (file.metadata()?, partial.symlink_metadata());
        let same = there.is_ok_and(|t| (t.dev(), t.ino()) == (mine.dev(), mine.ino()));
        match (same, is_new) {
            (true, true) => return Ok(Some(file)),
            (true, false) => {
                tracing::info!(file = %partial.display(), "removing what an interrupted run left behind");
                fs::remove_file(partial)?;
            }
            (false, _) => {}
        }
    }
}

/// Opens what lies under the name already. A link is not followed: it is nothing that a run left behind.
fn left_behind(partial: &Path) -> io::Result<File> {
    if !fs::symlink_metadata(partial)?.is_file() {
        return Err(io::Error::other("something that is no plain file has this name: remove it"));
    }
    OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(partial)
}

fn failed(partial: &Path, error: &io::Error) -> Error {
    let kind = ErrorKind::of_writing(error);
    let next = match kind {
        ErrorKind::Permission => "choose a folder that you may write to",
        ErrorKind::Space => {
            "make room on that disk, or let the name end in .gz or .zst; nothing was left there"
        }
        _ => "check the disk, and run again; nothing was left there",
    };
    Error::new(kind, format!("cannot write {}", partial.display())).why(error).next(next)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_script_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sql");
        let mut file = ScriptFile::create(&path).unwrap();
        file.write(b"SELECT 1;\n").unwrap();
        assert_eq!(names(folder.path()), ["a.sql.partial"]);
        assert_eq!(ScriptFile::create(&path).err().unwrap().kind(), ErrorKind::Busy);
        assert_eq!(file.publish().unwrap(), 10);
        assert_eq!(names(folder.path()), ["a.sql"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(ScriptFile::create(&path).err().unwrap().kind(), ErrorKind::Refused);

        let other = folder.path().join("b.sql");
        drop(ScriptFile::create(&other).unwrap());
        assert_eq!(names(folder.path()), ["a.sql"]);
        // What a killed run left holds no lock.
        fs::write(folder.path().join("b.sql.partial"), "half").unwrap();
        let file = ScriptFile::create(&other).unwrap();
        fs::write(&other, "another program was faster").unwrap();
        assert_eq!(file.publish().unwrap_err().kind(), ErrorKind::Refused);
        assert_eq!(fs::read(&other).unwrap(), b"another program was faster");
        assert_eq!(names(folder.path()), ["a.sql", "b.sql"]);
    }

    #[test]
    fn the_name_says_how_it_is_packed() {
        for (name, packing) in [
            ("a.sql", Packing::None),
            ("a.sql.gz", Packing::Gzip),
            ("a.SQL.ZST", Packing::Zstd),
            ("gz", Packing::None),
        ] {
            assert_eq!(Packing::of(Path::new(name)), packing, "{name}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let kind = |path: &Path| check(path).unwrap_err().kind();
        assert_eq!(kind(&folder.path().join("none/a.sql")), ErrorKind::Usage);
        assert_eq!(kind(Path::new("/")), ErrorKind::Usage);
        assert_eq!(kind(folder.path()), ErrorKind::Refused);
    }
}
