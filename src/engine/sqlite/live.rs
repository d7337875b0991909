//! Changing a live file: the switch of a staged file into it, and filling tables that it has already. Either is one
//! transaction of SQLite, as durable as SQLite can make it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, InterruptHandle};

use super::ddl::{SqliteRules, column_list, quote};
use super::file::{self, Access, failure, with_free_space};
use super::read::{self, Pool};
use super::{stage, write};
use crate::engine::capability::{Naming, OnStatement, Orphans, ReadRequest, Rules as _, Staging};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Statement, TablePlan};
use crate::model::schema::ObjectKind;

/// Takes everything of a staged file into a live one. Of the plan's tables it has none but those that are replaced,
/// and these have no row: otherwise nothing is changed.
pub fn take_in(connection: &mut Connection, staged: &Path, plan: &Plan) -> Result<()> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the tables into the target", &e);
    connection.pragma_update(None, "synchronous", "EXTRA").map_err(failed)?;
    if is_empty(connection).map_err(failed)? && copy_pages(connection, staged).map_err(failed)? {
        return Ok(());
    }
    connection.execute("ATTACH ?1 AS staged", [staged.to_string_lossy()]).map_err(failed)?;
    let done = swap_tables(connection, plan);
    connection.execute_batch("DETACH staged").map_err(failed)?;
    done
}

/// One transaction that drops the empty tables and brings the staged ones in.
fn swap_tables(connection: &mut Connection, plan: &Plan) -> Result<()> {
    let failed =
        |e: rusqlite::Error| failure(ErrorKind::Write, "cannot bring the tables into the target", &e);
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    refuse_rows(&transaction, plan.tables.iter().filter(|t| t.replaces))?;
    let triggers = drop_replaced(&transaction, plan).map_err(failed)?;
    copy_tables(&transaction).map_err(failed)?;
    for setting in plan.objects.iter().filter(|o| o.kind == ObjectKind::Setting) {
        transaction.execute_batch(&setting.definition).map_err(failed)?;
    }
    for trigger in triggers {
        transaction.execute_batch(&trigger).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Refuses if one of the tables has a row by now.
fn refuse_rows<'a>(connection: &Connection, tables: impl Iterator<Item = &'a TablePlan>) -> Result<()> {
    for table in tables {
        let empty = super::is_empty(connection, &table.name);
        let empty =
            empty.map_err(|e| failure(ErrorKind::Read, "cannot look at what the target holds", &e))?;
        if !empty {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("table {} was empty and got rows while the migration ran", quote(&table.name)),
            )
            .next("stop the application that writes to the target, then run the same command again"));
        }
    }
    Ok(())
}

/// Drops the tables that are replaced; returns the text of their triggers, which go with them. Views name their
/// tables, so they stay.
fn drop_replaced(connection: &Connection, plan: &Plan) -> rusqlite::Result<Vec<String>> {
    let mut triggers = Vec::new();
    for table in plan.tables.iter().filter(|t| t.replaces) {
        let mut statement = connection.prepare(
            "SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY rowid",
        )?;
        let texts = statement.query_map([&table.name], |r| r.get(0))?;
        triggers.extend(texts.collect::<rusqlite::Result<Vec<String>>>()?);
        connection.execute_batch(&format!("DROP TABLE main.{}", quote(&table.name)))?;
    }
    Ok(triggers)
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
fn copy_pages(connection: &mut Connection, staged: &Path) -> rusqlite::Result<bool> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
    if mode.eq_ignore_ascii_case("wal") {
        // Readers of a WAL file do not mind an exclusive writer; rows go there by INSERT.
        return Ok(false);
    }
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    if !is_empty(connection)? {
        connection.query_row("PRAGMA locking_mode = NORMAL", [], |_| Ok(()))?;
        return Ok(false);
    }
    let source = Connection::open_with_flags(staged, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let step = Backup::new(&source, connection)?.step(-1)?;
    match step {
        StepResult::Done => Ok(true),
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the file is in use".into()),
        )),
    }
}

/// Copies table by table from the attached file, and makes its indexes and views.
fn copy_tables(transaction: &Connection) -> rusqlite::Result<()> {
    let texts = |kind: &str| -> rusqlite::Result<Vec<(String, String)>> {
        let mut statement = transaction.prepare(
            "SELECT name, sql FROM staged.sqlite_schema WHERE type = ?1 AND sql IS NOT NULL \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid",
        )?;
        let rows = statement.query_map([kind], |r| Ok((r.get(0)?, r.get(1)?)))?;
        rows.collect()
    };
    for (name, sql) in texts("table")? {
        transaction.execute_batch(&sql)?;
        let (into, from) = copied_columns(transaction, &name)?;
        let table = quote(&name);
        transaction
            .execute_batch(&format!("INSERT INTO main.{table}{into} SELECT {from} FROM staged.{table}"))?;
    }
    let has_marks: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM staged.sqlite_schema WHERE name = 'sqlite_sequence')",
        [],
        |r| r.get(0),
    )?;
    if has_marks {
        transaction.execute_batch(
            "DELETE FROM main.sqlite_sequence WHERE name IN (SELECT name FROM staged.sqlite_sequence); \
             INSERT INTO main.sqlite_sequence SELECT name, seq FROM staged.sqlite_sequence",
        )?;
    }
    for (_, sql) in texts("index")?.into_iter().chain(texts("view")?) {
        transaction.execute_batch(&sql)?;
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

/// Tables that are there are filled within one transaction that nobody sees before the switch.
pub struct TransactionStaging {
    plan: Arc<Plan>,
    last: Vec<Statement>,
    pool: Pool,
    /// Stops a statement that nobody waits for any more.
    interrupt: InterruptHandle,
    target: std::path::PathBuf,
}

impl TransactionStaging {
    /// Takes the write lock of the file and keeps it until the end.
    pub fn begin(real: &Path, plan: &Plan) -> Result<Self> {
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
        refuse_rows(&connection, plan.tables.iter())?;
        let script = SqliteRules.script(plan, &Naming::default());
        Ok(Self {
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
        let written = self.pool.run(move |connection| write::rows(connection, &table, &mut rows)).await;
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

    async fn switch(self: Box<Self>) -> Result<()> {
        self.end("COMMIT").await
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        self.interrupt.interrupt();
        self.end("ROLLBACK").await
    }
}
