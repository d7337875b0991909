//! The history of runs: a file for each run that changes a database, in a folder of the TechCare folder. It is written
//! before the switch and completed after it, so that whatever happens in between, the next run knows what to look for.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::private_file;
use crate::engine::capability::Target;
use crate::model::change::Change;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::Finding;
use crate::model::report::{DatabaseReport, TableReport};

/// Version of the files.
const VERSION: u32 = 1;

/// How the name of a file begins that is being written. Its lock is held meanwhile, and ends with the process.
const PARTIAL: &str = ".partial-";

/// What changed a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// `migrate`.
    Migrate,
    /// `rollback`.
    Rollback,
    /// `rollback --backup`.
    Restore,
}

impl Command {
    /// In messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Migrate => "migration",
            Self::Rollback => "rollback",
            Self::Restore => "restore",
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything is built; the switch is next, or was interrupted.
    Switching,
    /// The switch has happened; what follows it was interrupted.
    Switched,
    /// All is done.
    Done,
}

/// A table as a run left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Digest of them.
    pub digest: Option<Digest>,
}

impl TableRecord {
    /// The tables of a migration.
    pub fn of(tables: &[TableReport]) -> Vec<Self> {
        tables
            .iter()
            .map(|table| Self {
                name: table.target_name.clone(),
                rows: table.rows_written,
                digest: table.digest,
            })
            .collect()
    }
}

/// What a migration is going to say when its switch has happened. It is written down before, for the run that finds out
/// that it has happened and that nobody was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Unsaid {
    /// What was asked for: the same for the same command.
    pub asked: String,
    /// What happened to each table.
    pub tables: Vec<TableReport>,
    /// Whatever did not arrive as it was.
    pub findings: Vec<Finding>,
    /// The reject file, if there is one.
    pub rejects: Option<PathBuf>,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form.
    pub version: u32,
    /// The run.
    pub run: String,
    /// What it was.
    pub command: Command,
    /// How far it came.
    pub state: State,
    /// Seconds since 1970 when it was recorded.
    pub at: u64,
    /// What makes the database that it changed the same one under another name.
    pub identity: String,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DatabaseReport>,
    /// The database that it changed.
    pub target: DatabaseReport,
    /// What the switch does.
    pub change: Change,
    /// Tables as it left them.
    pub tables: Vec<TableRecord>,
    /// The run that this one took back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// The run that took this one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
    /// Its report, until all is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsaid: Option<Unsaid>,
}

impl Record {
    /// A run that is about to begin.
    pub fn new(run: &str, command: Command, identity: &str, target: DatabaseReport) -> Self {
        Self {
            version: VERSION,
            run: run.to_owned(),
            command,
            state: State::Switching,
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            identity: identity.to_owned(),
            source: None,
            target,
            change: Change::default(),
            tables: Vec::new(),
            undoes: None,
            undone_by: None,
            unsaid: None,
        }
    }

    /// That nobody has looked yet what became of it.
    pub fn interrupted(&self) -> String {
        format!(
            "run {} was interrupted in the moment of its switch; the next migrate or rollback looks what became of it",
            self.run
        )
    }
}

/// The history.
#[derive(Debug, Clone)]
pub struct Runs {
    folder: PathBuf,
}

impl Runs {
    /// In this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Makes the folder, so that whoever may not write there hears of it before anything is built, and removes what runs
    /// have left in it that were killed while they wrote. Answers with what was removed.
    pub fn prepare(&self) -> Result<Vec<String>> {
        let tried = self.partial("probe").and_then(|(probe, _held)| fs::remove_file(probe));
        tried.and_then(|()| self.sweep()).map_err(|e| {
            let what = format!("cannot write the history of runs into {}", self.folder.display());
            Error::new(ErrorKind::Permission, what)
                .why(e)
                .next("nothing was changed: give the TechCare folder to the user that runs this, or name another with --app-dir")
        })
    }

    fn file(&self, run: &str) -> PathBuf {
        self.folder.join(format!("{run}.json"))
    }

    /// A new file, whose lock says that whoever writes it lives. No two have the same name: what one run takes for dead
    /// and removes is never another's.
    fn partial(&self, run: &str) -> io::Result<(PathBuf, File)> {
        loop {
            let path = self.folder.join(format!("{PARTIAL}{run}-{}", uuid::Uuid::now_v7().simple()));
            let file = private_file::create(&path)?;
            match file.try_lock() {
                // Somebody who tidies up at this very moment had the lock before us, and has removed the file or will.
                Ok(()) if file.metadata()?.nlink() == 0 => {}
                Err(TryLockError::WouldBlock) => {}
                // Where nothing can be locked nobody takes anything for dead.
                Ok(()) | Err(TryLockError::Error(_)) => return Ok((path, file)),
            }
        }
    }

    /// Removes files that nobody writes any more.
    fn sweep(&self) -> io::Result<Vec<String>> {
        let mut removed = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PARTIAL));
            if !ours || !entry.file_type()?.is_file() {
                continue;
            }
            let path = entry.path();
            let tried = File::open(&path).and_then(|file| match file.try_lock() {
                Ok(()) => fs::remove_file(&path).map(|()| true),
                // It is being written.
                Err(_) => Ok(false),
            });
            match tried {
                Ok(true) => removed.push(format!("file {}", path.display())),
                // It has got its name meanwhile.
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        removed.sort();
        Ok(removed)
    }

    /// All runs that changed a database, the oldest first.
    pub fn of(&self, identity: &str) -> Result<Vec<Record>> {
        let mut records: Vec<Record> =
            self.read()?.into_iter().filter(|record| record.identity == identity).collect();
        // Run ids begin with their time.
        records.sort_by(|a, b| a.run.cmp(&b.run));
        Ok(records)
    }

    fn read(&self) -> Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(self.unreadable(&self.folder, &e)),
        };
        let mut records = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&path).map_err(|e| self.unreadable(&path, &e))?;
            let record: Record = serde_json::from_slice(&text).map_err(|e| self.unreadable(&path, &e))?;
            if record.version != VERSION {
                return Err(self.unreadable(&path, &format!("it has version {}", record.version)));
            }
            records.push(record);
        }
        Ok(records)
    }

    #[allow(clippy::unused_self, reason = "reads as what it is about")]
    fn unreadable(&self, path: &Path, why: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::Refused, format!("cannot read the history of runs in {}", path.display()))
            .why(why)
            .next("nothing was changed; if the file is of no use any more, move it elsewhere")
    }

    /// Writes a record, in place of the one that is there.
    pub fn write(&self, record: &Record) -> Result<()> {
        let path = self.file(&record.run);
        let failed = |e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Write, format!("cannot write the history of runs in {}", path.display()))
                .why(e)
                .next("make room in the TechCare folder, or give it to the user that runs this")
        };
        let text = serde_json::to_vec_pretty(record).map_err(|e| failed(&e))?;
        let (partial, mut file) = self.partial(&record.run).map_err(|e| failed(&e))?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&partial, &path))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|e| {
                // Where that fails too, the next run does it.
                let _ = fs::remove_file(&partial);
                failed(&e)
            })
    }

    /// Forgets a run that changed nothing.
    pub fn forget(&self, run: &str) -> Result<()> {
        match fs::remove_file(self.file(run)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(Error::new(ErrorKind::Write, "cannot remove a run from the history").why(e))
            }
            _ => Ok(()),
        }
    }
}

/// What is said of something that a dead run has left and this one has removed.
pub fn removed(what: &str) -> String {
    format!("removed what an earlier run that was cut short had left behind: {what}")
}

/// Writes down one run while it goes.
#[derive(Debug, Clone)]
pub struct Recorder {
    runs: Runs,
    record: Arc<Mutex<Record>>,
}

impl Recorder {
    /// For a run that is going to change a database.
    pub fn new(runs: Runs, record: Record) -> Self {
        Self { runs, record: Arc::new(Mutex::new(record)) }
    }

    /// Looks what became of earlier runs into the same database; for the holder of the claim.
    pub async fn settle(&self, target: &dyn Target) -> Result<Vec<Settled>> {
        let identity = self.record.lock().unwrap_or_else(PoisonError::into_inner).identity.clone();
        settle(&self.runs, target, &identity).await
    }

    fn update(&self, how: impl FnOnce(&mut Record)) -> Result<()> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        how(&mut record);
        self.runs.write(&record)
    }

    /// The switch is next.
    pub fn before_switch(&self, change: &Change, tables: &[TableReport], findings: &[Finding]) -> Result<()> {
        self.update(|record| {
            record.change = change.clone();
            record.tables = TableRecord::of(tables);
            if let Some(unsaid) = &mut record.unsaid {
                unsaid.tables = tables.to_vec();
                unsaid.findings = findings.to_vec();
            }
        })
    }

    /// The switch has happened.
    pub fn switched(&self) -> Result<()> {
        self.update(|record| record.state = State::Switched)
    }

    /// What follows the switch is done.
    pub fn settled(&self) -> Result<()> {
        self.update(|record| {
            record.state = State::Done;
            record.unsaid = None;
        })
    }

    /// The switch has not happened, and nothing is left of the run.
    pub fn forget(&self) -> Result<()> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        self.runs.forget(&record.run)
    }
}

/// What became of a run that was interrupted in the moment of its switch.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The run.
    pub record: Record,
    /// Whether its switch has happened; if not, the database is as it was before it.
    pub happened: bool,
}

impl Settled {
    /// What became of it, in a sentence.
    pub fn told(&self) -> String {
        let (what, run) = (self.record.command.word(), &self.record.run);
        let became = if self.happened {
            let done = "it had happened, and what was left to do is done".to_owned();
            std::iter::once(done)
                .chain(self.record.change.by_hand.iter().cloned())
                .collect::<Vec<_>>()
                .join("; ")
        } else {
            "it had not happened, and the database is as it was before it".to_owned()
        };
        format!("{what} {run} was interrupted in the moment of its switch: {became}")
    }
}

/// Looks what became of runs that were interrupted in the moment of their switch, and completes the history. The
/// caller holds the claim of the target, so none of them is alive.
pub async fn settle(runs: &Runs, target: &dyn Target, identity: &str) -> Result<Vec<Settled>> {
    let mut settled = Vec::new();
    for mut record in runs.of(identity)? {
        if record.state == State::Done {
            continue;
        }
        // What follows a switch may have taken its mark away already.
        let happened = record.state == State::Switched
            || (!record.change.is_empty() && target.happened(&record.change).await?);
        if happened {
            complete(runs, target, &mut record).await?;
        } else {
            if !record.change.is_empty() {
                target.settle(&record.change, false).await?;
            }
            if let Some(rejects) = record.unsaid.as_ref().and_then(|unsaid| unsaid.rejects.as_ref()) {
                // It is about rows that were put aside by nobody.
                let _ = fs::remove_file(rejects);
            }
            runs.forget(&record.run)?;
        }
        settled.push(Settled { record, happened });
    }
    Ok(settled)
}

/// Writes down that the switch of a run has happened, and of the run that it took back, that it is no more; does what
/// follows the switch; writes down that all is done.
async fn complete(runs: &Runs, target: &dyn Target, record: &mut Record) -> Result<()> {
    if let Some(undone) = &record.undoes {
        let all = runs.of(&record.identity)?;
        if let Some(undone) = all.into_iter().find(|other| other.run == *undone) {
            runs.write(&Record { undone_by: Some(record.run.clone()), ..undone })?;
        }
    }
    record.state = State::Switched;
    runs.write(record)?;
    if !record.change.is_empty() {
        target.settle(&record.change, true).await?;
    }
    record.state = State::Done;
    runs.write(&Record { unsaid: None, ..record.clone() })
}

/// Takes a run back: writes down what is going to be done, does it, and completes the history. The caller holds the
/// claim of the target.
pub async fn take_back(runs: &Runs, target: &dyn Target, mut record: Record) -> Result<()> {
    runs.write(&record)?;
    if let Err(error) = target.exchange(&record.change).await {
        if error.kind() == ErrorKind::Lost {
            return Err(error.next(
                "run the same command again: it looks whether this has happened, and finishes it or begins anew",
            ));
        }
        runs.forget(&record.run)?;
        return Err(error);
    }
    complete(runs, target, &mut record).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(run: &str) -> Record {
        let target = DatabaseReport {
            engine: "sqlite".into(),
            version: None,
            location: "a.db".into(),
            origin: "from --target".into(),
        };
        Record::new(run, Command::Migrate, "id", target)
    }

    #[test]
    fn only_what_nobody_writes_any_more_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::new(folder.path());
        fs::write(folder.path().join(".partial-dead"), "{").unwrap();
        fs::write(folder.path().join("note"), "mine").unwrap();
        let (path, alive) = runs.partial("alive").unwrap();
        let removed = runs.prepare().unwrap();
        assert_eq!(removed, [format!("file {}", folder.path().join(".partial-dead").display())]);
        assert!(path.exists());
        drop(alive);
        assert_eq!(runs.prepare().unwrap(), [format!("file {}", path.display())]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Whoever tidies up all the time disturbs nobody who writes.
    #[test]
    fn whoever_tidies_up_and_whoever_writes_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::new(folder.path());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    // What it removes belongs to nobody who gets to know of it.
                    runs.sweep().unwrap();
                }
            });
            for number in 0..300 {
                runs.write(&record(&number.to_string())).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert_eq!(runs.of("id").unwrap().len(), 300);
    }

    #[test]
    fn runs_are_found_by_their_database_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::new(folder.path().join("history"));
        assert_eq!(runs.of("id").unwrap(), []);
        for run in ["2", "1"] {
            runs.write(&record(run)).unwrap();
        }
        runs.write(&Record { identity: "other".into(), ..record("3") }).unwrap();
        let found: Vec<String> = runs.of("id").unwrap().into_iter().map(|r| r.run).collect();
        assert_eq!(found, ["1", "2"]);
        runs.forget("1").unwrap();
        runs.forget("1").unwrap();
        assert_eq!(runs.of("id").unwrap().len(), 1);
    }
}
