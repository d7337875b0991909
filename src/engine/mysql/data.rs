//! Rows into tables that are there: one transaction on one connection, read back in it, COMMIT is the switch. A table of
//! ours, whose only row the transaction changes, tells afterwards whether it was committed.

use async_trait::async_trait;
use sqlx::{Connection, MySqlConnection};
use tokio::sync::Mutex;

use super::connection::{Link, Role, number, rows, run};
use super::place::{self, Place};
use super::stage::orphans;
use super::types::{Rules, literal, quote};
use super::write::{self, Commit};
use super::{fault, read};
use crate::engine::capability::{Facts, Naming, OnStatement, Orphans, ReadRequest, Rules as _, Staging};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Script, TablePlan};

/// How long closing a connection that is still at work may take.
const CLOSE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Begins the transaction. Tables that could not be rolled back, or whose triggers would write on their own, are
/// refused.
pub async fn stage(
    link: &Link,
    facts: &Facts,
    rules: &Rules,
    run_id: &str,
    plan: &Plan,
) -> Result<Box<dyn Staging>> {
    let mut connection = link.connect(Role::Loader).await?;
    refuse_unfit_tables(&mut connection, plan).await?;
    let place = Place::prefix(run_id, &facts.namespace);
    place::hold_lock(&mut connection, &place).await?;
    let mark = place.switched_marker();
    make_mark(&mut connection, link, &mark, &place.run).await?;
    let begun = async {
        run(&mut connection, "START TRANSACTION").await.map_err(|e| fault::writing("beginning", &e))?;
        refuse_rows(&mut connection, plan).await?;
        let sql = format!("UPDATE {} SET filled = 1", quote(&mark));
        run(&mut connection, &sql).await.map_err(|e| fault::writing("marking the run", &e))
    };
    if let Err(mut error) = begun.await {
        let _ = run(&mut connection, "ROLLBACK").await;
        if let Err(also) = drop_mark(&mut connection, &mark).await {
            error.push(also);
        }
        return Err(error);
    }
    Ok(Box::new(DataStage {
        run: run_id.to_owned(),
        mark,
        script: rules.script(plan, &Naming::default()),
        connection: Mutex::new(connection),
        link: link.clone(),
        plan: plan.clone(),
        max_packet: facts.max_value_bytes,
    }))
}

/// Makes the table that is going to tell whether the transaction was committed. Its row names the run, whose lock tells
/// whether it lives.
async fn make_mark(connection: &mut MySqlConnection, link: &Link, mark: &str, run_id: &str) -> Result<()> {
    let table = quote(mark);
    let make =
        format!("CREATE TABLE {table} (run VARCHAR(64) NOT NULL, filled TINYINT NOT NULL) ENGINE=InnoDB");
    if let Err(error) = run(connection, &make).await {
        let error = fault::writing("making the marker of the run", &error);
        return Err(match error.kind() {
            ErrorKind::Permission => error.next(place::grant(connection, link).await),
            _ => error,
        });
    }
    let name = format!("INSERT INTO {table} VALUES ({}, 0)", literal(run_id));
    run(connection, &name).await.map_err(|e| fault::writing("making the marker of the run", &e))
}

async fn drop_mark(connection: &mut MySqlConnection, mark: &str) -> Result<()> {
    let sql = format!("DROP TABLE IF EXISTS {}", quote(mark));
    run(connection, &sql).await.map_err(|e| fault::writing("removing the marker of the run", &e))
}

/// Whether the transaction of a load was committed. While it is not ended, its change of the mark keeps this waiting.
pub async fn happened(connection: &mut MySqlConnection, mark: &str) -> Result<bool> {
    let there = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
        literal(mark)
    );
    if number(connection, "the marker of the run", &there).await? == 0 {
        return Ok(false);
    }
    let sql = format!("SELECT filled FROM {} LOCK IN SHARE MODE", quote(mark));
    Ok(number(connection, "the marker of the run", &sql).await? == 1)
}

/// Does what ends a transaction by itself and so comes after it, then removes the mark.
pub async fn settle(connection: &mut MySqlConnection, change: &Change, happened: bool) -> Result<()> {
    if happened {
        for moved in &change.shown {
            for sql in &moved.follows {
                tracing::debug!(sql, "statement");
                run(connection, sql).await.map_err(|e| {
                    let what =
                        format!("the rows are in place, but setting up table \"{}\" after them", moved.name);
                    let error = fault::writing(&what, &e);
                    if error.kind() == ErrorKind::Permission {
                        error
                    } else {
                        error.next(format!("run yourself: {sql}"))
                    }
                })?;
            }
        }
    }
    drop_mark(connection, &change.mark).await
}

async fn refuse_unfit_tables(connection: &mut MySqlConnection, plan: &Plan) -> Result<()> {
    let planned = |name: &str| plan.tables.iter().any(|t| t.name == name);
    let engines = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE() AND engine \
                   <> 'InnoDB'";
    for row in rows(connection, "the list of tables", engines).await? {
        let (table, engine) = (row.word(0), row.word(1));
        if planned(&table) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("table \"{table}\" is a {engine} table: what is written to it cannot be taken back"),
            )
            .next(format!("ALTER TABLE {} ENGINE=InnoDB, then run the same command again", quote(&table))));
        }
    }
    let triggers = "SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE trigger_schema = \
                    DATABASE() AND event_manipulation = 'INSERT'";
    for row in rows(connection, "the list of triggers", triggers).await? {
        let (table, trigger) = (row.word(0), row.word(1));
        if planned(&table) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("trigger \"{trigger}\" of table \"{table}\" would run for every row"),
            )
            .next("drop it, run the same command again, then create it anew"));
        }
    }
    Ok(())
}

/// Refuses tables that have a row by now. Reading an empty table for update locks the gap that it is, so nobody else
/// puts a row there before this transaction ends.
async fn refuse_rows(connection: &mut MySqlConnection, plan: &Plan) -> Result<()> {
    for table in &plan.tables {
        let sql = format!("SELECT 1 FROM {} LIMIT 1 FOR UPDATE", quote(&table.name));
        if !rows(connection, "a table of the target", &sql).await?.is_empty() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("table \"{}\" was empty and got rows by now", table.name),
            )
            .next("stop the application that writes to the target, then run the same command again"));
        }
    }
    Ok(())
}

struct DataStage {
    run: String,
    mark: String,
    link: Link,
    connection: Mutex<MySqlConnection>,
    plan: Plan,
    script: Script,
    max_packet: Option<u64>,
}

#[async_trait]
impl Staging for DataStage {
    async fn create(&self) -> Result<()> {
        Ok(())
    }

    async fn write(&self, table: &TablePlan, rows: BatchReceiver) -> Result<u64> {
        let mut connection = self.connection.lock().await;
        let written =
            write::write(&mut connection, table, &table.name, self.max_packet, Commit::Caller, rows).await?;
        connection.clear_cached_statements().await.map_err(|e| fault::writing("the server", &e))?;
        Ok(written)
    }

    async fn finish(&self, _on_statement: OnStatement<'_>) -> Result<()> {
        Ok(())
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let mut connection = self.connection.lock().await;
        read::read(&mut connection, request, &to).await
    }

    async fn orphans(&self) -> Result<Vec<Orphans>> {
        let mut connection = self.connection.lock().await;
        orphans(&mut connection, &self.plan, &Naming::default()).await
    }

    /// The rows have to go through the one transaction.
    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        Ok(None)
    }

    async fn change(&self) -> Result<Change> {
        let tables = self.plan.tables.iter().map(|table| table.name.as_str());
        let mut change = Change::filling(&self.run, tables, self.mark.clone());
        for (moved, table) in change.shown.iter_mut().zip(&self.plan.tables) {
            let of_table = self.script.last.iter().filter(|s| s.table.as_ref() == Some(&table.source));
            moved.follows = of_table.map(|statement| statement.sql.clone()).collect();
        }
        Ok(change)
    }

    async fn switch(self: Box<Self>, _change: &Change) -> Result<()> {
        let mut connection = self.connection.into_inner();
        let Err(error) = run(&mut connection, "COMMIT").await else { return Ok(()) };
        let error = fault::writing("committing", &error);
        // Where the server is, it knows: the session that it has not ended yet is waited for.
        close(connection).await;
        let asked = async {
            let mut connection = self.link.connect(Role::Loader).await?;
            let happened = happened(&mut connection, &self.mark).await?;
            if !happened {
                // What stays is found by the next run.
                let _ = drop_mark(&mut connection, &self.mark).await;
            }
            Ok::<_, Error>(happened)
        };
        match asked.await {
            Ok(true) => Ok(()),
            Ok(false) if error.kind() == ErrorKind::Lost => {
                Err(error.with_kind(ErrorKind::Write).next("nothing has changed: run the same command again"))
            }
            Ok(false) => Err(error),
            Err(also) => {
                let mut error = error.with_kind(ErrorKind::Lost);
                error.push(also);
                Err(error)
            }
        }
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        // The server rolls back what a closed connection did not commit.
        close(self.connection.into_inner()).await;
        drop_mark(&mut self.link.connect(Role::Loader).await?, &self.mark).await
    }
}

/// Closes a connection that may be lost, or still at work.
async fn close(connection: MySqlConnection) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
}
