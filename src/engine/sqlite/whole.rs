//! A whole database in the place of another, in the same file: a backup that is restored, and the way back of that. The
//! pages go in by SQLite's own backup, in one transaction of the file, so whoever has it open sees the old database or
//! the new one. The old one is kept in a file beside it.

use std::fs::File;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::ddl::quote;
use super::exchange::{self, kept_file, table_mark};
use super::file::{self, Access, failure, with_free_space};
use super::{leftovers, pages, stage};
use crate::engine::capability::{Restoration, Source};
use crate::engine::{blocking, way_back};
use crate::model::change::{Aside, Change, Kind, Moved};
use crate::model::error::{Error, ErrorKind, Result};

/// How the mark of such a change begins; the name of the table that its transaction brings follows.
const WHOLE: &str = "whole:";

/// The table that tells of the switch, if the change is of a whole database.
pub fn mark(change: &Change) -> Option<&str> {
    change.mark.strip_prefix(WHOLE)
}

/// A backup that became a file beside the database.
pub struct FileRestoration {
    run: String,
    staged: PathBuf,
    target: PathBuf,
    /// Held as long as this run lives, so that others leave the file alone.
    _lock: File,
}

impl FileRestoration {
    /// Copies a backup beside the database that `path` leads to, whether there is one or not.
    pub fn make(path: &Path, run: &str, backup: &Path) -> Result<Self> {
        let live = file::find(path)?;
        live.as_deref().map_or(Ok(()), file::writable)?;
        let (folder, name) = file::place(live.as_deref().unwrap_or(path))?;
        let staged = leftovers::staging_file(&folder, &name, run);
        let lock = stage::create(&staged)?;
        let made = Self { run: run.to_owned(), staged, target: folder.join(name), _lock: lock };
        made.fill(backup).inspect_err(|_| stage::remove(&made.staged))?;
        Ok(made)
    }

    fn fill(&self, backup: &Path) -> Result<()> {
        let source = file::open(&file::existing(backup)?, Access::Read)?;
        let mut copy = file::open(&self.staged, Access::Write)?;
        let failed = |e: rusqlite::Error| {
            let what = format!("cannot copy the backup to {}", self.staged.display());
            with_free_space(failure(ErrorKind::Write, what, &e), &self.staged)
        };
        // What a crash leaves here is thrown away; the file is made durable as a whole.
        copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF").map_err(failed)?;
        pages::copy(&source, &mut copy).map_err(failed)?;
        copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
        copy.close().map_err(|(_, e)| failed(e))?;
        let durable = File::open(&self.staged).and_then(|file| file.sync_all());
        durable.map_err(|e| file::not_made(&self.staged, &e))
    }
}

/// What goes and what comes where a staged file takes the place of all that is in the target.
pub fn change(staged: &Path, target: &Path, run: &str) -> Result<Change> {
    let shown = objects(staged, staged)?;
    if shown.is_empty() {
        return Err(Error::new(ErrorKind::Refused, "there is no table in the backup")
            .next("nothing was changed: an empty database needs no backup"));
    }
    let change = Change { run: run.to_owned(), shown, ..Change::default() };
    if target.exists() {
        let kept = objects(target, &kept_file(target, run))?;
        return Ok(Change { kept, mark: format!("{WHOLE}{}", table_mark(run)), ..change });
    }
    let mark = File::open(staged).and_then(|file| exchange::file_mark(&file));
    let mark =
        mark.map_err(|e| Error::new(ErrorKind::Read, format!("cannot look at {}", staged.display())).why(e))?;
    Ok(Change { mark, ..change })
}

#[async_trait]
impl Restoration for FileRestoration {
    async fn source(&self) -> Result<Box<dyn Source>> {
        super::open_backup(&self.staged).await
    }

    async fn change(&self) -> Result<Change> {
        let (staged, target, run) = (self.staged.clone(), self.target.clone(), self.run.clone());
        blocking::run(move || change(&staged, &target, &run)).await
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        let staged = self.staged.clone();
        blocking::run(move || {
            stage::remove(&staged);
            Ok(())
        })
        .await
    }
}

/// Tables and views of a file, each with the place where it is while nobody sees it.
fn objects(real: &Path, place: &Path) -> Result<Vec<Moved>> {
    let find = |connection: &Connection| -> rusqlite::Result<Vec<Moved>> {
        let mut statement = connection.prepare(
            "SELECT type, name FROM main.sqlite_schema WHERE type IN ('table', 'view') \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name",
        )?;
        let rows = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
        let moved = |(kind, name): (String, String)| {
            let kind = if kind == "view" { Kind::View } else { Kind::Table };
            Moved::new(kind, name.clone(), Aside { place: place.display().to_string(), name })
        };
        rows.map(|row| row.map(moved)).collect()
    };
    let mut found = find(&file::open(real, Access::Read)?)
        .map_err(|e| failure(ErrorKind::Read, format!("cannot look at {}", real.display()), &e))?;
    found.retain(|moved| !exchange::is_mark(&moved.name));
    Ok(found)
}

/// The change that puts back what a change of a whole database has kept.
pub fn back(real: &Path, run: &str, change: &Change) -> Result<Change> {
    let places = change.places();
    let kept = places.first().map_or(Path::new(""), |place| Path::new(*place));
    if !kept.is_file() {
        return Err(way_back::gone(format!("{} is not there any more", kept.display())));
    }
    Ok(Change {
        run: run.to_owned(),
        shown: change.kept.clone(),
        kept: objects(real, &kept_file(real, run))?,
        mark: format!("{WHOLE}{}", table_mark(run)),
        ..Change::default()
    })
}

/// Carries such a change out. After an error the copy that is kept is there still: whether it is of use is for
/// [`exchange::judged`] to find out.
pub fn swap(path: &Path, change: &Change) -> Result<()> {
    let failed = |e: rusqlite::Error| {
        failure(ErrorKind::Write, format!("cannot put the database into {}", path.display()), &e)
    };
    let real = file::find(path)?.ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("{} is not there any more", path.display()))
            .next("nothing was changed: run the same command again")
    })?;
    let Some(incoming) = change.shown.first().map(|moved| PathBuf::from(&moved.aside.place)) else {
        return Err(Error::internal("nothing is to be put into the file"));
    };
    let incoming = file::existing(&incoming)?;
    exchange::clear_marks(&incoming)?;
    bring_mark(&incoming, mark(change).unwrap_or_default())?;
    let source = file::open(&incoming, Access::Read)?;
    let mut live = file::open(&real, Access::Write)?;
    live.pragma_update(None, "synchronous", "EXTRA").map_err(failed)?;
    let pragma = |connection: &Connection, name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, rusqlite::types::Value>(0))
    };
    let logged = is_logged(&live).map_err(failed)?;
    let as_large =
        pragma(&live, "page_size").map_err(failed)? == pragma(&source, "page_size").map_err(failed)?;
    let keep = || keep(&real, change);
    let done = if logged && as_large {
        beside_readers(&source, &mut live, keep)
    } else {
        let done = alone(&source, &mut live, logged, keep);
        if logged {
            log_again(live, &real);
        }
        done
    };
    done.map_err(|e| with_free_space(e, &real))
}

/// With a write-ahead log readers go on. The lock of the writer is taken first; under it the old state is kept, and then
/// the pages are written.
fn beside_readers(source: &Connection, live: &mut Connection, keep: impl Fn() -> Result<()>) -> Result<()> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Write, "cannot put the database into the file", &e);
    let backup = Backup::new(source, live).map_err(failed)?;
    for (pages, locked) in [(0, false), (-1, true)] {
        match backup.step(pages).map_err(failed)? {
            StepResult::Done | StepResult::More => {}
            _ => return Err(in_use()),
        }
        if !locked {
            keep()?;
        }
    }
    Ok(())
}

/// Without a log, or where pages have another size, which a log does not survive. A lock of a reader that is not given
/// back keeps everybody from committing until the copy has the file for itself.
fn alone(
    source: &Connection,
    live: &mut Connection,
    logged: bool,
    keep: impl Fn() -> Result<()>,
) -> Result<()> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Write, "cannot put the database into the file", &e);
    if logged {
        live.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(failed)?;
        if is_logged(live).map_err(failed)? {
            return Err(in_use());
        }
    }
    live.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(())).map_err(failed)?;
    live.query_row("SELECT count(*) FROM main.sqlite_schema", [], |_| Ok(())).map_err(failed)?;
    keep()?;
    pages::copy(source, live).map_err(failed)
}

/// Keeps the old state. Where it was empty there is nothing to keep, but it has to be empty still.
fn keep(real: &Path, change: &Change) -> Result<()> {
    if let Some(kept) = change.places().first() {
        return pages::keep_copy(real, Path::new(kept));
    }
    match objects(real, real)?.first() {
        None => Ok(()),
        Some(new) => Err(Error::new(
            ErrorKind::Refused,
            format!("{} was empty and holds {} {:?} by now", real.display(), new.kind.word(), new.name),
        )
        .next("nothing was changed: run the same command again")),
    }
}

fn is_logged(connection: &Connection) -> rusqlite::Result<bool> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
    Ok(mode.eq_ignore_ascii_case("wal"))
}

/// A file that had a write-ahead log gets one again. Without it everything works, only that readers and writers wait.
fn log_again(live: Connection, real: &Path) {
    drop(live);
    let logged = file::open(real, Access::Write).and_then(|connection| {
        connection
            .query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
            .map_err(|e| failure(ErrorKind::Write, "cannot set journal_mode", &e))
    });
    if let Err(error) = logged {
        tracing::warn!(%error, "the file has no write-ahead log any more: PRAGMA journal_mode = WAL");
    }
}

fn in_use() -> Error {
    Error::new(ErrorKind::Busy, "the file is in use")
        .next("stop the application, then run the same command again")
}

/// Puts the mark of the change into the file that comes in.
fn bring_mark(incoming: &Path, mark: &str) -> Result<()> {
    file::open(incoming, Access::Write)?
        .execute_batch(&format!("CREATE TABLE IF NOT EXISTS main.{} (run TEXT)", quote(mark)))
        .map_err(|e| failure(ErrorKind::Write, "cannot mark the database that comes in", &e))
}
