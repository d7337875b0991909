//! Rows into tables that are there: one transaction on one connection, read back in it, COMMIT is the switch.

use async_trait::async_trait;
use sqlx::{Connection, MySqlConnection};
use tokio::sync::Mutex;

use super::connection::{Link, Role, number, rows, run};
use super::stage::orphans;
use super::types::{Rules, quote};
use super::write::{self, Commit};
use super::{fault, read};
use crate::engine::capability::{Facts, Naming, OnStatement, Orphans, ReadRequest, Rules as _, Staging};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Script, TablePlan};

/// Begins the transaction. Tables that could not be rolled back, or whose triggers would write on their own, are
/// refused.
pub async fn stage(
    mut connection: MySqlConnection,
    link: &Link,
    facts: &Facts,
    rules: &Rules,
    plan: &Plan,
) -> Result<Box<dyn Staging>> {
    refuse_unfit_tables(&mut connection, plan).await?;
    run(&mut connection, "START TRANSACTION").await.map_err(|e| fault::writing("beginning", &e))?;
    refuse_rows(&mut connection, plan).await?;
    Ok(Box::new(DataStage {
        script: rules.script(plan, &Naming::default()),
        connection: Mutex::new(connection),
        link: link.clone(),
        plan: plan.clone(),
        max_packet: facts.max_value_bytes,
    }))
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
        Ok(Change::default())
    }

    async fn switch(self: Box<Self>, _change: &Change) -> Result<()> {
        let mut connection = self.connection.lock().await;
        if let Err(error) = run(&mut connection, "COMMIT").await {
            let error = fault::writing("committing", &error);
            if error.kind() != ErrorKind::Lost {
                return Err(error);
            }
            *connection = self.link.connect(Role::Loader).await?;
            if !self.has_arrived(&mut connection).await? {
                return Err(error);
            }
        }
        // These end a transaction by themselves, so they come after it.
        for statement in &self.script.last {
            tracing::debug!(sql = statement.sql, "statement");
            run(&mut connection, &statement.sql)
                .await
                .map_err(|e| fault::writing(&format!("making {}", statement.what), &e))?;
        }
        Ok(())
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        // The server rolls back what a closed connection did not commit.
        let _ = self.connection.into_inner().close().await;
        Ok(())
    }
}

impl DataStage {
    /// The tables were empty before, so a row in any of them says that the transaction was committed.
    async fn has_arrived(&self, connection: &mut MySqlConnection) -> Result<bool> {
        for table in &self.plan.tables {
            let sql = format!("SELECT EXISTS(SELECT 1 FROM {})", quote(&table.name));
            if number(connection, &format!("table \"{}\"", table.name), &sql).await? == 1 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
