//! Changing a live file: the switch of a staged file into it, and filling tables that it has already. Either is one
//! transaction of SQLite, as durable as SQLite can make it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, InterruptHandle};

use super::ddl::{SqliteRules, column_list, literal, quote};
use super::file::{self, Access, failure, with_free_space};
use super::read::{self, Pool};
use super::{exchange, journal, on_update, pages, stage, staying, write};
use crate::engine::blocking;
use crate::engine::capability::{
    Naming, NotSwitched, OnStatement, Orphans, ReadRequest, Rules as _, Staging,
};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::engine::way_back;
use crate::model::change::{Change, Kind};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Statement, TablePlan};
use crate::model::schema::ObjectKind;

/// A switch within a file.
pub struct Swap<'a> {
    /// What goes and what comes.
    pub change: &'a Change,
    /// Tables among those that go which must have no row.
    pub still_empty: Vec<String>,
    /// Where what comes is now; `None` if nothing comes.
    pub incoming: Option<Incoming<'a>>,
}

/// What comes into a file.
pub enum Incoming<'a> {
    /// Everything that was staged: new tables, which keep the triggers of the old ones.
    Staged {
        /// The staged file.
        file: &'a Path,
        /// Statements for what is the file's own.
        settings: Vec<&'a str>,
        /// Whether there is a journal in it, which stays there.
        journaled: bool,
    },
    /// Tables that were here before, with their own triggers.
    Back {
        /// The file that keeps them.
        file: &'a Path,
        /// Their names.
        tables: Vec<String>,
        /// Names of views.
        views: Vec<String>,
    },
    /// Rows that were kept of tables which are there.
    Rows {
        /// The file that keeps them.
        file: &'a Path,
        /// The tables' names.
        tables: Vec<String>,
    },
}

impl Incoming<'_> {
    fn file(&self) -> &Path {
        match self {
            Self::Staged { file, .. } | Self::Back { file, .. } | Self::Rows { file, .. } => file,
        }
    }
}

/// Takes everything of a staged file into a live one.
pub fn take_in(
    connection: &mut Connection,
    target: &Path,
    staged: &Path,
    plan: &Plan,
    change: &Change,
    journaled: bool,
) -> Result<()> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the tables into the target", &e);
    connection.pragma_update(None, "synchronous", "EXTRA").map_err(failed)?;
    if is_empty(connection).map_err(failed)? && copy_pages(connection, staged, journaled)? {
        return Ok(());
    }
    let must_be_empty = plan.tables.iter().filter(|t| t.replaces && !t.replaces_rows);
    let settings = plan.objects.iter().filter(|object| object.kind == ObjectKind::Setting);
    let swapped = Swap {
        change,
        still_empty: must_be_empty.map(|t| t.name.clone()).collect(),
        incoming: Some(Incoming::Staged {
            file: staged,
            settings: settings.map(|setting| setting.definition.as_str()).collect(),
            journaled,
        }),
    };
    swap(connection, target, &swapped)
}

/// One transaction in which some tables go and others come; before, a copy is kept of a file from which something
/// goes. The copy is made under the lock of the transaction, so it holds the last row that anybody wrote. After an error
/// it is there still: whether it is of use is for [`super::exchange::judged`] to find out.
pub fn swap(connection: &mut Connection, target: &Path, swap: &Swap<'_>) -> Result<()> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the tables into the target", &e);
    if let Some(incoming) = &swap.incoming {
        let file = incoming.file().to_string_lossy();
        connection.execute("ATTACH ?1 AS staged", [file]).map_err(failed)?;
    }
    let done = swap_tables(connection, target, swap);
    if swap.incoming.is_some() {
        connection.execute_batch("DETACH staged").map_err(failed)?;
    }
    done
}

fn swap_tables(connection: &mut Connection, target: &Path, swap: &Swap<'_>) -> Result<()> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the tables into the target", &e);
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let refused = refuse_rows(&transaction, swap.still_empty.iter());
    refused.map_err(|e| if swap.change.is_filling() { way_back::mixed(e) } else { e })?;
    if let Some(kept) = swap.change.places().first() {
        pages::keep_copy(target, Path::new(kept))?;
    }
    let triggers = drop_kept(&transaction, swap.change).map_err(failed)?;
    if swap.change.is_emptying() {
        exchange::refuse_rows_of_others(&transaction, swap.change)?;
    }
    match &swap.incoming {
        Some(Incoming::Staged { settings, journaled, .. }) => {
            copy_tables(&transaction, None, *journaled).map_err(failed)?;
            for text in settings.iter().copied().chain(triggers.iter().map(String::as_str)) {
                transaction.execute_batch(text).map_err(failed)?;
            }
        }
        Some(Incoming::Back { tables, views, .. }) => {
            copy_tables(&transaction, Some(tables), false).map_err(failed)?;
            copy_texts(&transaction, "trigger", "tbl_name", tables).map_err(failed)?;
            copy_texts(&transaction, "view", "name", views).map_err(failed)?;
            copy_settings(&transaction).map_err(failed)?;
        }
        Some(Incoming::Rows { tables, .. }) => bring_rows(&transaction, tables)?,
        None => {}
    }
    if let Some(kept) = swap.change.places().first().filter(|_| !swap.change.is_of_rows()) {
        staying::refuse_orphans(&transaction, Path::new(kept), swap.change)?;
    }
    let mark = quote(&swap.change.mark);
    transaction
        .execute_batch(&format!("CREATE TABLE IF NOT EXISTS main.{mark} (run TEXT)"))
        .and_then(|()| transaction.commit())
        .map_err(failed)
}

/// Refuses if one of the tables has a row by now.
fn refuse_rows<'a>(connection: &Connection, tables: impl Iterator<Item = &'a String>) -> Result<()> {
    for table in tables {
        let empty = super::is_empty(connection, table);
        let empty =
            empty.map_err(|e| failure(ErrorKind::Read, "cannot look at what the target holds", &e))?;
        if !empty {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("table {} was empty and got rows by now", quote(table)),
            )
            .next("stop the application that writes to the target, then run the same command again"));
        }
    }
    Ok(())
}

/// Copies the rows of these tables from the attached file into those that are there. Their columns have to be the same
/// in number, order and declared type: SQLite turns values into what a column's type prefers, and says nothing; in a
/// STRICT table a type may prefer something else. The attached file is a copy, so it has the types that there were.
fn bring_rows(transaction: &Connection, tables: &[String]) -> Result<()> {
    /// Name, whether hidden, declared type.
    type Column = (String, i64, String);
    let failed = |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the rows back", &e);
    let columns = |schema: &str, table: &str| -> rusqlite::Result<Vec<Column>> {
        let mut statement = transaction.prepare(
            "SELECT name, hidden, upper(type) || iif((SELECT strict FROM pragma_table_list WHERE schema = ?2 \
             AND name = ?1 COLLATE NOCASE), ' (STRICT)', '') FROM pragma_table_xinfo(?1, ?2) ORDER BY cid",
        )?;
        statement.query_map([table, schema], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect()
    };
    let others = |these: &[Column], those: &[Column]| -> Vec<String> {
        let only = these.iter().enumerate().filter(|(at, column)| those.get(*at) != Some(*column));
        only.map(|(_, (name, _, kind))| format!("{} {kind}", quote(name))).collect()
    };
    let has_marks = has_marks(transaction).map_err(failed)?;
    for table in tables {
        let here = columns("main", table).map_err(failed)?;
        let there = columns("staged", table).map_err(failed)?;
        if here != there {
            return Err(way_back::reshaped(table, &others(&here, &there), &others(&there, &here)));
        }
        copy_rows(transaction, table, has_marks).map_err(failed)?;
    }
    exchange::refuse_orphans(transaction, tables)
}

/// Drops what gives way, and deletes the rows of tables that only are emptied; returns the text of its triggers, which go with their tables. Views of others name their
/// tables, so they stay.
fn drop_kept(connection: &Connection, change: &Change) -> rusqlite::Result<Vec<String>> {
    let mut triggers = Vec::new();
    for moved in &change.kept {
        if moved.kind == Kind::Rows {
            connection.execute_batch(&format!("DELETE FROM main.{}", quote(&moved.name)))?;
            for sql in &moved.resets {
                connection.execute_batch(sql)?;
            }
            continue;
        }
        if moved.kind == Kind::View {
            connection.execute_batch(&format!("DROP VIEW IF EXISTS main.{}", quote(&moved.name)))?;
            continue;
        }
        let mut statement = connection.prepare(
            "SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE \
             ORDER BY rowid",
        )?;
        let texts = statement.query_map([&moved.name], |r| Ok((r.get(0)?, r.get(1)?)))?;
        for text in texts {
            let (name, sql): (String, String) = text?;
            // What comes has its own.
            if on_update::columns(&name, &sql).is_none() {
                triggers.push(sql);
            }
        }
        connection.execute_batch(&format!("DROP TABLE main.{}", quote(&moved.name)))?;
    }
    Ok(triggers)
}

/// Makes the objects of a kind anew that the attached file has under one of these names.
fn copy_texts(transaction: &Connection, kind: &str, by: &str, names: &[String]) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT sql FROM staged.sqlite_schema WHERE type = ?1 AND {by} = ?2 COLLATE NOCASE ORDER BY rowid"
    );
    let mut statement = transaction.prepare(&sql)?;
    for name in names {
        let texts = statement.query_map([kind, name.as_str()], |r| r.get(0))?;
        for text in texts.collect::<rusqlite::Result<Vec<String>>>()? {
            transaction.execute_batch(&text)?;
        }
    }
    Ok(())
}

/// The numbers that an application keeps in the head of its file, as the attached file has them.
fn copy_settings(transaction: &Connection) -> rusqlite::Result<()> {
    for setting in ["user_version", "application_id"] {
        let ask = format!("PRAGMA staged.{setting}");
        let value: i64 = transaction.query_row(&ask, [], |r| r.get(0))?;
        transaction.execute_batch(&format!("PRAGMA main.{setting} = {value}"))?;
    }
    Ok(())
}

/// Whether there is no object yet; SQLite's own tables do not count.
fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\')",
        [],
        |r| r.get(0),
    )
}

/// Copies page by page into a file without objects; `false` if it is not empty any more. The shared lock of the last
/// look is kept until the copy takes the exclusive one, so nobody can put a table there in between; and nothing is
/// written before the copy, so that a copy that fails leaves an empty file of no bytes as it was.
fn copy_pages(connection: &mut Connection, staged: &Path, journaled: bool) -> Result<bool> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the tables into the target", &e);
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |r| r.get(0)).map_err(failed)?;
    if mode.eq_ignore_ascii_case("wal") {
        // Readers of a WAL file do not mind an exclusive writer; rows go there by INSERT.
        return Ok(false);
    }
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(())).map_err(failed)?;
    if !is_empty(connection).map_err(failed)? {
        connection.query_row("PRAGMA locking_mode = NORMAL", [], |_| Ok(())).map_err(failed)?;
        return Ok(false);
    }
    if journaled {
        journal::remove(staged)?;
    }
    let source = file::open(staged, Access::Read)?;
    pages::copy(&source, connection).map_err(failed).map(|()| true)
}

/// Copies table by table from the attached file: these, or all, but for a journal, with the views and triggers.
fn copy_tables(transaction: &Connection, only: Option<&[String]>, journaled: bool) -> rusqlite::Result<()> {
    let wanted = |table: &str| match only {
        Some(names) => names.iter().any(|name| name.eq_ignore_ascii_case(table)),
        None => !(journaled && journal::TABLES.contains(&table)),
    };
    let texts = |kind: &str| -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = transaction.prepare(
            "SELECT tbl_name, sql FROM staged.sqlite_schema WHERE type = ?1 AND sql IS NOT NULL \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
        )?;
        let rows = statement.query_map([kind], |r| Ok((r.get(0)?, r.get(1)?)))?;
        rows.filter(|row| row.as_ref().map_or(true, |(table, _): &(String, String)| wanted(table))).collect()
    };
    let has_marks = has_marks(transaction)?;
    for (name, sql) in texts("table")? {
        transaction.execute_batch(&sql)?;
        copy_rows(transaction, &name, has_marks)?;
    }
    // The triggers of tables that were here before are made by whoever brings them back.
    let own_triggers = if only.is_none() { texts("trigger")? } else { Vec::new() };
    for (_, sql) in texts("index")?.into_iter().chain(texts("view")?).chain(own_triggers) {
        transaction.execute_batch(&sql)?;
    }
    Ok(())
}

/// Whether the attached file keeps high-water marks.
fn has_marks(transaction: &Connection) -> rusqlite::Result<bool> {
    transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM staged.sqlite_schema WHERE name = 'sqlite_sequence')",
        [],
        |r| r.get(0),
    )
}

/// Copies the rows of a table from the attached file, and its high-water mark.
fn copy_rows(transaction: &Connection, name: &str, has_marks: bool) -> rusqlite::Result<()> {
    let (into, from) = copied_columns(transaction, name)?;
    let table = quote(name);
    transaction
        .execute_batch(&format!("INSERT INTO main.{table}{into} SELECT {from} FROM staged.{table}"))?;
    let marked = has_marks
        && transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM staged.sqlite_sequence WHERE name = ?1 COLLATE NOCASE)",
            [name],
            |r| r.get::<_, bool>(0),
        )?;
    if marked {
        transaction.execute("DELETE FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE", [name])?;
        transaction.execute(
            "INSERT INTO main.sqlite_sequence SELECT name, seq FROM staged.sqlite_sequence WHERE name = ?1 \
             COLLATE NOCASE",
            [name],
        )?;
    }
    Ok(())
}

/// What to name in INSERT and SELECT. Without names SQLite copies whole records, which is several times faster, but
/// generated columns must not be named.
fn copied_columns(connection: &Connection, table: &str) -> rusqlite::Result<(String, String)> {
    let mut statement =
        connection.prepare("SELECT name, hidden FROM pragma_table_xinfo(?1, 'staged') ORDER BY cid")?;
    let columns = statement.query_map([table], |r| Ok((r.get(0)?, r.get(1)?)))?;
    let columns: Vec<(String, i64)> = columns.collect::<rusqlite::Result<_>>()?;
    if columns.iter().all(|(_, hidden)| *hidden == 0) {
        return Ok((String::new(), "*".into()));
    }
    let plain: Vec<String> =
        columns.into_iter().filter(|(_, hidden)| *hidden == 0).map(|(name, _)| name).collect();
    let list = column_list(&plain);
    Ok((format!(" ({list})"), list))
}

/// Statements that put the high-water mark of a table back to where it is now, in a file that keeps any.
pub fn high_water(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let keeps: bool = connection.query_row(
        // Only a table declared AUTOINCREMENT has a high-water mark, and only it makes this table.
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence')",
        [],
        |r| r.get(0),
    )?;
    if !keeps {
        return Ok(Vec::new());
    }
    let mut statement =
        connection.prepare("SELECT seq FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE")?;
    let marks =
        statement.query_map([table], |r| r.get::<_, i64>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let name = literal(table);
    let mut resets = vec![format!("DELETE FROM main.sqlite_sequence WHERE name = {name} COLLATE NOCASE")];
    resets
        .extend(marks.iter().map(|mark| format!("INSERT INTO main.sqlite_sequence VALUES ({name}, {mark})")));
    Ok(resets)
}

/// Tables that are there are filled within one transaction that nobody sees before the switch.
pub struct TransactionStaging {
    change: Change,
    plan: Arc<Plan>,
    last: Vec<Statement>,
    pool: Pool,
    /// Stops a statement that nobody waits for any more.
    interrupt: InterruptHandle,
    target: std::path::PathBuf,
}

impl TransactionStaging {
    /// Takes the write lock of the file and keeps it until the end.
    pub fn begin(real: &Path, run: &str, plan: &Plan) -> Result<Self> {
        let connection = file::open(real, Access::Write)?;
        let started = connection
            .pragma_update(None, "synchronous", "EXTRA")
            .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"))
            .and_then(|()| {
                // Only a table declared AUTOINCREMENT has a high-water mark to set, and only it makes this table.
                connection.query_row(
                    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')",
                    [],
                    |r| r.get::<_, bool>(0),
                )
            });
        let has_marks = started.map_err(|e| {
            failure(ErrorKind::Write, format!("cannot begin to write {}", real.display()), &e)
        })?;
        refuse_rows(&connection, plan.tables.iter().map(|t| &t.name))?;
        let script = SqliteRules.script(plan, &Naming::default());
        let mut change = Change::filling(
            run,
            plan.tables.iter().map(|table| table.name.as_str()),
            exchange::table_mark(run),
        );
        if has_marks {
            for moved in &mut change.shown {
                moved.resets = high_water(&connection, &moved.name)
                    .map_err(|e| failure(ErrorKind::Read, "cannot look at what the target holds", &e))?;
            }
        }
        Ok(Self {
            change,
            plan: Arc::new(plan.clone()),
            last: if has_marks { script.last } else { Vec::new() },
            interrupt: connection.get_interrupt_handle(),
            pool: Pool::new(vec![connection]),
            target: real.to_owned(),
        })
    }

    async fn end(&self, sql: &'static str) -> Result<()> {
        let target = self.target.clone();
        let ended = self.pool.run(move |connection| {
            // An error may have ended the transaction already, and then there is nothing to take back.
            if sql == "ROLLBACK" && connection.is_autocommit() {
                return Ok(());
            }
            connection.execute_batch(sql).map_err(|e| {
                failure(ErrorKind::Write, format!("cannot end the work on {}", target.display()), &e)
            })
        });
        let ended = ended.await.map_err(|e| with_free_space(e, &self.target));
        self.pool.close().await;
        ended
    }
}

#[async_trait]
impl Staging for TransactionStaging {
    async fn create(&self) -> Result<()> {
        Ok(())
    }

    async fn write(&self, table: &TablePlan, mut rows: BatchReceiver) -> Result<u64> {
        let table = table.clone();
        let written =
            self.pool.run(move |connection| write::rows(connection, &table, false, &mut rows)).await;
        written.map_err(|e| with_free_space(e, &self.target))
    }

    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()> {
        for statement in &self.last {
            on_statement(&statement.what);
            let statement = statement.clone();
            self.pool.run(move |connection| stage::execute(connection, &statement)).await?;
        }
        Ok(())
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let request = request.clone();
        self.pool.run(move |connection| read::table(connection, &request, &to)).await
    }

    async fn orphans(&self) -> Result<Vec<Orphans>> {
        let plan = self.plan.clone();
        self.pool.run(move |connection| stage::find_orphans(connection, &plan)).await
    }

    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        Ok(None)
    }

    async fn change(&self) -> Result<Change> {
        Ok(self.change.clone())
    }

    async fn switch(self: Box<Self>, change: &Change) -> Result<(), NotSwitched> {
        let mark = format!("CREATE TABLE main.{} (run TEXT)", quote(&change.mark));
        let marked = self.pool.run(move |connection| {
            let failed = |e: rusqlite::Error| failure(ErrorKind::Write, "cannot mark the loaded rows", &e);
            connection.execute_batch(&mark).map_err(failed)
        });
        let done = match marked.await {
            Ok(()) => self.end("COMMIT").await,
            Err(error) => self.end("ROLLBACK").await.and(Err(error)),
        };
        let (target, change) = (self.target.clone(), change.clone());
        Ok(blocking::run(move || exchange::judged(&target, &change, done)).await?)
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        self.interrupt.interrupt();
        self.end("ROLLBACK").await
    }
}
