//! Staging in a file of its own beside the target, and the switch: a rename where there is no target yet, else one
//! transaction of the live file (never a rename over it: an old journal beside it would bring old rows back).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, InterruptHandle};
use rustix::fs::{CWD, FlockOperation};
use tokio::task::JoinHandle;

use super::ddl::{SqliteRules, quote};
use super::file::{self, Access, failure, with_free_space};
use super::read::{self, Pool, Readers};
use super::{exchange, journal, leftovers, live, orphans, whole, write};
use crate::engine::blocking;
use crate::engine::capability::{
    Fate, Intent, Journal, Naming, NotSwitched, OnStatement, Orphans, ReadRequest, Rules as _, Staging,
};
use crate::engine::claim::taken;
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::engine::{condition, file_name};
use crate::model::change::{Aside, Change, Kind, Moved};
use crate::model::endpoint::PoolSettings;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, Plan, Script, Statement, TablePlan};
use crate::model::view::ViewPlan;

/// What SQLite may put beside a file.
pub(super) const JOURNALS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A new file that becomes the target, or whose tables become tables of the target.
pub struct FileStaging {
    run: String,
    plan: Arc<Plan>,
    script: Script,
    pool: Pool,
    readers: Readers,
    /// Stops a statement that nobody waits for any more.
    interrupt: InterruptHandle,
    place: Place,
    /// SQLite's own look at the finished file, on a thread beside whoever reads it back.
    check: Mutex<Option<JoinHandle<Result<()>>>>,
    /// A journal is kept in the file.
    journaled: AtomicBool,
}

/// Where things are.
#[derive(Debug)]
struct Place {
    /// The staging file.
    staged: PathBuf,
    /// The target, which exists only if `live`.
    target: PathBuf,
    live: bool,
    /// Held as long as this run lives, so that others leave the file alone.
    lock: File,
}

impl Place {
    fn of(
        path: &Path,
        live: Option<&Path>,
        run: &str,
        lock: impl FnOnce(&Path) -> Result<File>,
    ) -> Result<Self> {
        let (folder, name) = file::place(live.unwrap_or(path))?;
        let staged = leftovers::staging_file(&folder, &name, run);
        let lock = lock(&staged)?;
        Ok(Self { staged, target: folder.join(&name), live: live.is_some(), lock })
    }
}

impl FileStaging {
    /// Makes the empty file. `live` is the real path of the target if it exists.
    pub fn make(path: &Path, live: Option<&Path>, run: &str, plan: &Plan) -> Result<Self> {
        let layout = live.map(Layout::of).transpose()?.unwrap_or_default();
        Self::over(Place::of(path, live, run, create)?, run, plan, false, |staged| prepare(staged, &layout))
    }

    /// Takes over the file of a dead run.
    pub fn take_over(path: &Path, live: Option<&Path>, run: &str, plan: &Plan) -> Result<Self> {
        Self::over(Place::of(path, live, run, lock)?, run, plan, true, reopen)
    }

    fn over(
        place: Place,
        run: &str,
        plan: &Plan,
        journaled: bool,
        open: impl FnOnce(&Path) -> Result<Connection>,
    ) -> Result<Self> {
        match open(&place.staged) {
            Ok(connection) => Ok(Self {
                run: run.to_owned(),
                plan: Arc::new(plan.clone()),
                script: SqliteRules.script(plan, &Naming::default()),
                interrupt: connection.get_interrupt_handle(),
                pool: Pool::new(vec![connection]),
                readers: Readers::new(place.staged.clone()),
                place,
                check: Mutex::new(None),
                journaled: AtomicBool::new(journaled),
            }),
            Err(error) => {
                if !journaled {
                    remove(&place.staged);
                }
                Err(with_free_space(error, &place.staged))
            }
        }
    }

    fn is_journaled(&self) -> bool {
        self.journaled.load(Ordering::Relaxed)
    }

    /// Starts the check; it needs no more than the file, which nobody writes to from now on.
    fn begin_check(&self) {
        let staged = self.place.staged.clone();
        let task = tokio::spawn(blocking::run(move || check(&staged)));
        *self.check.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// What the check found; a file that was not finished is not checked.
    async fn checked(&self) -> Result<()> {
        let task = self.check.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            Some(task) => {
                task.await.map_err(|e| Error::internal("the check of the new file ended").why(e))?
            }
            None => Ok(()),
        }
    }

    /// Names of the views that were made.
    async fn look_at_views(&self) -> Result<Vec<String>> {
        self.run(|connection| {
            let ask = || -> rusqlite::Result<Vec<String>> {
                let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'view' ORDER BY rowid";
                let mut statement = connection.prepare(sql)?;
                statement.query_map([], |r| r.get(0))?.collect()
            };
            ask().map_err(|e| failure(ErrorKind::Read, "cannot look at the new file", &e))
        })
        .await
    }

    async fn close(&self) {
        self.readers.close();
        self.pool.close().await;
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.pool.run(work).await.map_err(|e| with_free_space(e, &self.place.staged))
    }
}

#[async_trait]
impl Staging for FileStaging {
    async fn create(&self) -> Result<()> {
        let statements = self.script.before.clone();
        self.run(move |connection| execute_all(connection, &statements)).await
    }

    async fn write(&self, table: &TablePlan, mut rows: BatchReceiver) -> Result<u64> {
        let (table, journaled) = (table.clone(), self.is_journaled());
        self.run(move |connection| write::rows(connection, &table, journaled, &mut rows)).await
    }

    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()> {
        let script = &self.script;
        let journaled = self.is_journaled();
        let done = if journaled { self.run(|connection| journal::done(connection)).await? } else { 0 };
        let statements = script.indexes.iter().chain(&script.constraints).chain(&script.last);
        for (at, statement) in statements.enumerate().skip(done) {
            on_statement(&statement.what);
            let statement = statement.clone();
            if journaled {
                self.run(move |connection| execute_noted(connection, &statement, at + 1)).await?;
            } else {
                self.run(move |connection| execute(connection, &statement)).await?;
            }
        }
        self.run(|connection| make_a_database(connection)).await?;
        self.begin_check();
        Ok(())
    }

    async fn make_view(&self, view: &ViewPlan, _within: Option<Duration>) -> Result<()> {
        // It reads the whole file, and nobody can write meanwhile.
        self.checked().await?;
        let statement = view.statement();
        // The run that this one goes on with may have made it.
        let again = format!("DROP VIEW IF EXISTS main.{}", quote(&view.name));
        let again = Statement { sql: again, ..view.statement() };
        self.run(move |connection| {
            execute(connection, &again)?;
            execute(connection, &statement)
        })
        .await
    }

    async fn drop_view(&self, view: &ViewPlan) -> Result<()> {
        let sql = format!("DROP VIEW main.{}", quote(&view.name));
        let statement = Statement { sql, ..view.statement() };
        self.run(move |connection| execute(connection, &statement)).await
    }

    async fn begin_journal(&self, intent: &Intent, source: &str) -> Result<()> {
        let (intent, source) = (intent.clone(), source.to_owned());
        self.run(move |connection| journal::begin(connection, &intent, &source)).await?;
        self.journaled.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn journal(&self) -> Result<Journal> {
        if !self.is_journaled() {
            return Ok(Journal::default());
        }
        self.run(|connection| journal::read(connection)).await
    }

    async fn note_source(&self, source: Option<&str>) -> Result<()> {
        let source = source.map(str::to_owned);
        self.run(move |connection| journal::note_source(connection, source.as_deref())).await
    }

    async fn empty(&self, table: &TablePlan) -> Result<()> {
        let name = table.name.clone();
        self.run(move |connection| journal::empty(connection, &name)).await
    }

    async fn park(self: Box<Self>) {
        let _ = self.checked().await;
        self.close().await;
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        self.readers.read(request.clone(), to).await
    }

    async fn take_orphans(
        &self,
        table: &TablePlan,
        key: &ForeignKeyPlan,
        fate: Fate,
        request: &ReadRequest,
        to: BatchSender,
    ) -> Result<u64> {
        let (table, request) = (table.name.clone(), request.clone());
        let cut = condition::cut(key, quote);
        let filter = format!(" WHERE {}", orphans::condition(key));
        self.run(move |connection| {
            read::rows(connection, &request, &filter, &to)?;
            drop(to);
            let sql = match fate {
                Fate::Deleted => format!("DELETE FROM main.{} AS t{filter}", quote(&table)),
                Fate::Cut => format!("UPDATE main.{} AS t SET {cut}{filter}", quote(&table)),
            };
            let done = connection.execute(&sql, []);
            let done = done.map_err(|e| {
                let what = format!("cannot change rows without a parent in table {}", quote(&table));
                failure(ErrorKind::Write, what, &e)
            })?;
            Ok(done as u64)
        })
        .await
    }

    async fn orphans(&self) -> Result<Vec<Orphans>> {
        let plan = self.plan.clone();
        self.run(move |connection| find_orphans(connection, &plan)).await
    }

    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        super::connect_orm(
            &self.place.staged,
            |options| options.synchronous(sqlx::sqlite::SqliteSynchronous::Off),
            &PoolSettings { max_connections: 1, ..PoolSettings::default() },
        )
        .await
        .map(Some)
    }

    async fn change(&self) -> Result<Change> {
        if self.plan.restores && self.place.live {
            let (staged, target, run) =
                (self.place.staged.clone(), self.place.target.clone(), self.run.clone());
            return self.run(move |_| whole::change(&staged, &target, &run)).await;
        }
        let kept = exchange::kept_file(&self.place.target, &self.run).display().to_string();
        let staged = self.place.staged.display().to_string();
        let moved = |kind, name: &String, place: &String| {
            Moved::new(kind, name.clone(), Aside { place: place.clone(), name: name.clone() })
        };
        let tables = self.plan.tables.iter().map(|table| moved(Kind::Table, &table.name, &staged));
        let views = self.look_at_views().await?;
        let replaced = self.plan.tables.iter().filter(|table| table.replaces);
        let mark = if self.place.live {
            exchange::table_mark(&self.run)
        } else {
            exchange::file_mark(&self.place.lock).map_err(|e| {
                Error::new(ErrorKind::Read, format!("cannot look at {}", self.place.staged.display())).why(e)
            })?
        };
        Ok(Change {
            run: self.run.clone(),
            shown: tables.chain(views.iter().map(|view| moved(Kind::View, view, &staged))).collect(),
            kept: replaced.map(|table| moved(Kind::Table, &table.name, &kept)).collect(),
            mark,
            ..Change::default()
        })
    }

    async fn switch(self: Box<Self>, change: &Change) -> Result<(), NotSwitched> {
        let checked = self.checked().await;
        self.close().await;
        let change = change.clone();
        let switched = blocking::run(move || {
            let (place, journaled) = (&self.place, self.is_journaled());
            let done = checked.and_then(|()| {
                if place.live {
                    into_live(place, &self.plan, &change, journaled)
                } else {
                    publish(place, journaled)
                }
            });
            match exchange::judged(&place.target, &change, done) {
                Err(error) if error.kind() == ErrorKind::Busy => {
                    Ok(Err(NotSwitched { error, staging: Some(self) }))
                }
                done => {
                    // There is no use for the file any more; after a rename there is none.
                    remove(&place.staged);
                    Ok(done.map_err(|e| with_free_space(e, &place.target).into()))
                }
            }
        });
        switched.await?
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        self.interrupt.interrupt();
        // What it found is no matter, but it has the file open.
        let _ = self.checked().await;
        self.close().await;
        let Self { place, .. } = *self;
        blocking::run(move || {
            remove(&place.staged);
            if place.staged.exists() {
                return Err(Error::new(
                    ErrorKind::Write,
                    format!("cannot remove {}", place.staged.display()),
                )
                .next("remove it by hand"));
            }
            Ok(())
        })
        .await
    }
}

/// What a new file has to have in common with the live one for its pages or rows to go there.
struct Layout {
    page_size: i64,
    encoding: String,
}

impl Default for Layout {
    fn default() -> Self {
        Self { page_size: 4096, encoding: "UTF-8".into() }
    }
}

impl Layout {
    fn of(live: &Path) -> Result<Self> {
        let connection = file::open(live, Access::Read)?;
        let ask =
            |e: rusqlite::Error| failure(ErrorKind::Read, format!("cannot read {}", live.display()), &e);
        Ok(Self {
            page_size: connection.query_row("PRAGMA page_size", [], |r| r.get(0)).map_err(ask)?,
            encoding: connection.query_row("PRAGMA encoding", [], |r| r.get(0)).map_err(ask)?,
        })
    }
}

/// A new, private, locked file.
pub(super) fn create(staged: &Path) -> Result<File> {
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(staged);
    let file = made.map_err(|e| file::not_made(staged, &e))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|e| file::not_made(staged, &e.into()))?;
    Ok(file)
}

/// A file that a dead run left, locked.
fn lock(staged: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(staged);
    let file = file.map_err(|e| file::not_made(staged, &e))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| taken(&staged.display().to_string()))?;
    Ok(file)
}

/// Opens the new file for the load. Nothing has to survive a loss of power before the switch, so nothing waits for the
/// disk; but a run that is killed can be gone on with, so the journal is a file.
fn prepare(staged: &Path, layout: &Layout) -> Result<Connection> {
    let connection = file::open(staged, Access::Write)?;
    connection
        .pragma_update(None, "page_size", layout.page_size)
        .and_then(|()| connection.pragma_update(None, "encoding", &layout.encoding))
        .and_then(|()| set(&connection))
        .map_err(|e| failure(ErrorKind::Write, format!("cannot prepare {}", staged.display()), &e))?;
    Ok(connection)
}

/// Opens the file of a dead run for the same.
fn reopen(staged: &Path) -> Result<Connection> {
    let connection = file::open(staged, Access::Write)?;
    set(&connection)
        .map_err(|e| failure(ErrorKind::Write, format!("cannot prepare {}", staged.display()), &e))?;
    Ok(connection)
}

fn set(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.query_row("PRAGMA journal_mode = TRUNCATE", [], |_| Ok(()))
}

/// Runs one statement after the load, in one transaction with the note that it is done.
fn execute_noted(connection: &mut Connection, statement: &Statement, done: usize) -> Result<()> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, format!("cannot make {}", statement.what), &e);
    let transaction = connection.transaction().map_err(failed)?;
    execute(&transaction, statement)?;
    journal::note_done(&transaction, done)?;
    transaction.commit().map_err(failed)
}

/// Runs statements in one transaction.
fn execute_all(connection: &mut Connection, statements: &[Statement]) -> Result<()> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Write, "cannot make the tables", &e);
    let transaction = connection.transaction().map_err(failed)?;
    for statement in statements {
        execute(&transaction, statement)?;
    }
    transaction.commit().map_err(failed)
}

/// Runs one statement.
pub fn execute(connection: &Connection, statement: &Statement) -> Result<()> {
    tracing::debug!(sql = statement.sql, "statement");
    let made = connection.execute_batch(&statement.sql);
    made.map_err(|e| failure(ErrorKind::Write, format!("cannot make {}", statement.what), &e))
}

/// Foreign keys with orphans.
pub fn find_orphans(connection: &Connection, plan: &Plan) -> Result<Vec<Orphans>> {
    let found = orphans::find(connection, plan);
    found.map_err(|e| failure(ErrorKind::Read, "cannot check the foreign keys", &e))
}

/// A file without tables has no bytes yet, and would be no database.
fn make_a_database(connection: &Connection) -> Result<()> {
    let made = connection.query_row("PRAGMA page_count", [], |r| r.get::<_, i64>(0)).and_then(|pages| {
        if pages == 0 { connection.execute_batch("CREATE TABLE t (a); DROP TABLE t") } else { Ok(()) }
    });
    made.map_err(|e| failure(ErrorKind::Write, "cannot finish the new file", &e))
}

/// Whether SQLite finds the file sound.
fn check(staged: &Path) -> Result<()> {
    let connection = file::open(staged, Access::Read)?;
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |r| r.get(0))
        .map_err(|e| failure(ErrorKind::Verify, "cannot check the new file", &e))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Verify, "the new file is damaged")
        .why(verdict)
        .next("check the disk, and run again"))
}

/// Gives the file its name, which nobody may have taken meanwhile.
fn publish(place: &Place, journaled: bool) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Write, format!("cannot put {} in place", place.target.display())).why(e)
    };
    if journaled {
        journal::remove(&place.staged)?;
    }
    place.lock.sync_all().map_err(|e| failed(&e))?;
    // All connections are closed, so the journal is an empty one, whose file would lose its name to the rename.
    remove_journals(&place.staged);
    match file_name::take(CWD, &place.staged, &place.target) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::new(ErrorKind::Refused, format!("{} exists by now", place.target.display()))
                .why("another program made it while the rows were being copied")
                .next("stop the application, look at that file, and run again"))
        }
        named => named.and_then(|()| file::sync_folder(&place.target)).map_err(|e| failed(&e)),
    }
}

/// Brings the staged tables into the live file in one transaction of SQLite. The staged file gets the mark first, for
/// the case that its pages are copied as they are.
fn into_live(place: &Place, plan: &Plan, change: &Change, journaled: bool) -> Result<()> {
    if whole::mark(change).is_some() {
        return whole::swap(&place.target, change);
    }
    file::open(&place.staged, Access::Write)?
        .execute_batch(&format!("CREATE TABLE IF NOT EXISTS {} (run TEXT)", quote(&change.mark)))
        .map_err(|e| failure(ErrorKind::Write, "cannot finish the new file", &e))?;
    let mut connection = file::open(&place.target, Access::Write)?;
    live::take_in(&mut connection, &place.target, &place.staged, plan, change, journaled)
}

/// Removes a staging file, then its journals; what is not there is no matter.
pub(super) fn remove(staged: &Path) {
    let _ = fs::remove_file(staged);
    remove_journals(staged);
}

/// Removes what SQLite has put beside a file that is closed.
pub(super) fn remove_journals(file: &Path) {
    for suffix in JOURNALS {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
}
