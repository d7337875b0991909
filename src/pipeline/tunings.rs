//! What `tune` has set, a file for each run in `history/tune` of the TechCare folder: the old values are written down
//! before anything is changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::private_file;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::report::DatabaseReport;
use crate::model::tune::Changed;

/// Version of the files.
const VERSION: u32 = 1;

/// What a run has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuning {
    /// Version of this form.
    pub version: u32,
    /// The run.
    pub run: String,
    /// Seconds since 1970.
    pub at: u64,
    /// What makes the server the same one.
    pub identity: String,
    /// The database that was named.
    pub target: DatabaseReport,
    /// The settings.
    pub changed: Vec<Changed>,
    /// Whether they were put back.
    pub undone: bool,
}

impl Tuning {
    /// A run that is about to set something.
    pub fn new(run: &str, identity: &str, target: DatabaseReport) -> Self {
        Self {
            version: VERSION,
            run: run.to_owned(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            identity: identity.to_owned(),
            target,
            changed: Vec::new(),
            undone: false,
        }
    }
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Tunings {
    folder: PathBuf,
}

impl Tunings {
    /// In this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file of a run.
    pub fn file(&self, run: &str) -> PathBuf {
        self.folder.join(format!("{run}.json"))
    }

    /// Writes a run down, in place of what was written of it before.
    pub fn write(&self, tuning: &Tuning) -> Result<()> {
        let path = self.file(&tuning.run);
        let failed = |why: &dyn std::fmt::Display, kind| {
            Error::new(kind, format!("cannot write down what was set in {}", path.display()))
                .why(why)
                .next("give the TechCare folder to the user that runs this, or name another with --app-dir")
        };
        let text = serde_json::to_vec_pretty(tuning).map_err(|e| failed(&e, ErrorKind::Write))?;
        private_file::folder(&self.folder)
            .and_then(|()| private_file::replace(&path, &text))
            .map_err(|e| failed(&e, ErrorKind::of_writing(&e)))
    }

    /// Forgets a run that has set nothing.
    pub fn forget(&self, run: &str) -> Result<()> {
        match fs::remove_file(self.file(run)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Write, "cannot remove a run that has set nothing").why(e))
            }
            _ => Ok(()),
        }
    }

    /// The newest run on a server that was not taken back.
    pub fn newest(&self, identity: &str) -> Result<Option<Tuning>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(&self.folder, &e)),
        };
        let mut newest: Option<Tuning> = None;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(|e| unreadable(&path, &e))?;
            let tuning: Tuning = serde_json::from_slice(&text).map_err(|e| unreadable(&path, &e))?;
            if tuning.version != VERSION {
                return Err(unreadable(&path, &format!("it has version {}", tuning.version)));
            }
            // Run ids begin with their time.
            let newer = newest.as_ref().is_none_or(|newest| newest.run < tuning.run);
            if tuning.identity == identity && !tuning.undone && newer {
                newest = Some(tuning);
            }
        }
        Ok(newest)
    }
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Refused, format!("cannot read what was set in {}", path.display()))
        .why(why)
        .next("nothing was changed; if the file is of no use any more, move it elsewhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning(run: &str, identity: &str) -> Tuning {
        let target = DatabaseReport {
            engine: "sqlite".into(),
            version: None,
            location: "a.db".into(),
            origin: "from --database".into(),
        };
        Tuning::new(run, identity, target)
    }

    #[test]
    fn the_newest_run_that_stands_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let tunings = Tunings::new(folder.path().join("history/tune"));
        assert_eq!(tunings.newest("a").unwrap(), None);
        for (run, identity) in [("2", "a"), ("1", "a"), ("3", "b")] {
            tunings.write(&tuning(run, identity)).unwrap();
        }
        assert_eq!(tunings.newest("a").unwrap().unwrap().run, "2");
        tunings.write(&Tuning { undone: true, ..tuning("2", "a") }).unwrap();
        assert_eq!(tunings.newest("a").unwrap().unwrap().run, "1");
        tunings.forget("1").unwrap();
        tunings.forget("1").unwrap();
        assert_eq!(tunings.newest("a").unwrap(), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_stops_the_way_back() {
        let folder = tempfile::tempdir().unwrap();
        let tunings = Tunings::new(folder.path());
        fs::write(folder.path().join("x.json"), "{").unwrap();
        assert_eq!(tunings.newest("a").unwrap_err().kind(), ErrorKind::Refused);
        let newer = Tuning { version: 2, ..tuning("x", "a") };
        fs::write(folder.path().join("x.json"), serde_json::to_vec(&newer).unwrap()).unwrap();
        assert!(tunings.newest("a").unwrap_err().reason().unwrap().contains("version 2"));
    }
}
