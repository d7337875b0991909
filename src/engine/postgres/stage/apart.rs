//! Staging in a schema of its own. Until the switch ([`exchange`]) nothing in the target's schema has been touched.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Postgres, pool::PoolConnection};
use tokio::sync::Mutex;

use super::exchange::{self, Exchange};
use super::{COMMENT, check_rights, drop_schema, execute, run, schema_name, session_again};
use super::{orphans, try_lock};
use crate::engine::capability::{Fate, OnStatement, Orphans, ReadRequest, Staging};
use crate::engine::condition;
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::ddl::literal;
use crate::engine::postgres::fault::fault;
use crate::engine::postgres::types::quote;
use crate::engine::postgres::{read, write};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, Plan, Script, Statement, TablePlan};
use crate::model::view::ViewPlan;

/// Tables that are written at the same time, as the capabilities say.
const WRITERS: u32 = 4;

/// A schema that only this run knows of.
pub(super) struct ApartStaging {
    connector: Connector,
    /// The same with the staging schema first in its `search_path`.
    staged: Connector,
    pool: PgPool,
    namespace: String,
    run: String,
    schema: String,
    plan: Plan,
    script: Script,
    /// Views that were made, in order.
    views: std::sync::Mutex<Vec<ViewPlan>>,
    /// The server refused a statement after the load because of the rows.
    refused: AtomicBool,
    /// Holds the lock that says that this run lives.
    guard: Mutex<PgConnection>,
}

impl ApartStaging {
    /// Checks the rights, makes the schema.
    pub(super) async fn open(
        connector: &Connector,
        namespace: &str,
        run_id: &str,
        plan: &Plan,
        script: Script,
    ) -> Result<Self> {
        let schema = schema_name(run_id);
        let mut guard = connector.session().await?;
        check_rights(&mut guard, connector, namespace).await?;
        let failed =
            |e: &sqlx::Error| fault(ErrorKind::Write, "cannot make a staging schema in the target", e);
        if !try_lock(&mut guard, &schema).await.map_err(|e| failed(&e))? {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("run {run_id:?} is already at work in the target"),
            )
            .next("wait until it is done"));
        }
        let name = quote(&schema);
        let make = format!("CREATE SCHEMA {name}; COMMENT ON SCHEMA {name} IS {}", literal(COMMENT));
        execute(&mut guard, make).await.map_err(|e| failed(&e))?;
        // The target's own schema comes second: types and functions of extensions usually live there.
        let path: Option<String> = sqlx::query_scalar("SELECT current_setting('search_path')")
            .fetch_one(&mut guard)
            .await
            .map_err(|e| failed(&e))?;
        let rest = path.filter(|p| !p.trim().is_empty()).map(|p| format!(", {p}")).unwrap_or_default();
        let staged = connector.with_search_path(format!("{name}, {}{rest}", quote(namespace)));
        Ok(Self {
            connector: connector.clone(),
            pool: staged.pool(sessions(connector)),
            staged,
            namespace: namespace.to_owned(),
            run: run_id.to_owned(),
            schema,
            plan: plan.clone(),
            script,
            views: std::sync::Mutex::default(),
            refused: AtomicBool::new(false),
            guard: Mutex::new(guard),
        })
    }

    async fn session(&self) -> Result<PoolConnection<Postgres>> {
        self.pool
            .acquire()
            .await
            .map_err(|e| fault(ErrorKind::Unreachable, "cannot open a session in the target", &e))
    }

    fn place(&self, table: &str) -> String {
        format!("{}.{}", quote(&self.schema), quote(table))
    }

    /// Drops the schema through a new session; sessions of this run that still work in it are ended first.
    async fn remove(&self) -> Result<()> {
        // A session that is in the middle of something is not waited for: ending it is what comes next.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.pool.close()).await;
        let mut session = session_again(&self.connector).await?;
        // Not having the right to end a session means that it is not one of ours; dropping waits for it then.
        let _ = sqlx::query(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
             JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE n.nspname = $1 AND l.pid <> pg_backend_pid() AND a.usename = current_user \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .bind(&self.schema)
        .execute(&mut session)
        .await;
        drop_schema(&mut session, &self.schema).await.map_err(|e| {
            fault(ErrorKind::Write, format!("cannot remove the staging schema {}", quote(&self.schema)), &e)
                .next(format!("DROP SCHEMA {} CASCADE; the next run does it too", quote(&self.schema)))
        })?;
        let _ = session.close().await;
        Ok(())
    }
}

/// Sessions that staging may need: one for each writer at least, or they would wait for each other's loads.
fn sessions(connector: &Connector) -> u32 {
    connector.most_connections().max(WRITERS)
}

#[async_trait]
impl Staging for ApartStaging {
    async fn create(&self) -> Result<()> {
        let mut session = self.session().await?;
        for statement in &self.script.before {
            run(&mut session, statement).await?;
        }
        Ok(())
    }

    async fn write(&self, table: &TablePlan, mut rows: BatchReceiver) -> Result<u64> {
        let mut session = self.session().await?;
        let written = write::copy_in(&mut session, &self.place(&table.name), table, &mut rows).await;
        if written.is_err() {
            session.close_on_drop();
        }
        written
    }

    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()> {
        let mut session = self.session().await?;
        let script = &self.script;
        for statement in script.indexes.iter().chain(&script.constraints).chain(&script.last) {
            on_statement(&statement.what);
            if let Err(error) = run(&mut session, statement).await {
                self.refused.store(error.kind() == ErrorKind::Value, Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn make_view(&self, view: &ViewPlan) -> Result<()> {
        run(&mut *self.session().await?, &view.statement()).await?;
        self.views.lock().unwrap_or_else(PoisonError::into_inner).push(view.clone());
        Ok(())
    }

    async fn drop_view(&self, view: &ViewPlan) -> Result<()> {
        let sql =
            format!("DROP {} {}", exchange::kind_of(view.kind).word().to_uppercase(), self.place(&view.name));
        run(&mut *self.session().await?, &Statement { sql, ..view.statement() }).await?;
        self.views.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| made.name != view.name);
        Ok(())
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let mut session = self.session().await?;
        let from = format!("ONLY {}", self.place(&request.table));
        let read = read::copy_out(&mut session, &from, request, &to).await;
        if read.is_err() {
            session.close_on_drop();
        }
        read
    }

    async fn take_orphans(
        &self,
        table: &TablePlan,
        key: &ForeignKeyPlan,
        fate: Fate,
        request: &ReadRequest,
        to: BatchSender,
    ) -> Result<u64> {
        let mut session = self.session().await?;
        let from = format!("ONLY {} c", self.place(&table.name));
        let missing = orphans::condition(key, &self.place(&key.references));
        let rows = format!("{from} WHERE {missing}");
        let read = read::copy_out(&mut session, &rows, request, &to).await;
        drop(to);
        if read.is_err() {
            session.close_on_drop();
            return read.map(|()| 0);
        }
        let sql = match fate {
            Fate::Deleted => format!("DELETE FROM {rows}"),
            Fate::Cut => format!("UPDATE {from} SET {} WHERE {missing}", condition::cut(key, quote)),
        };
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut *session).await;
        let done = done.map_err(|e| {
            let what = format!("cannot change rows without a parent in table {}", quote(&table.name));
            fault(ErrorKind::Write, what, &e)
        })?;
        Ok(done.rows_affected())
    }

    /// The server validates every foreign key itself when it is added; only where it has refused is there
    /// something to find.
    async fn orphans(&self) -> Result<Vec<Orphans>> {
        if !self.refused.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let mut session = self.session().await?;
        orphans::find(&mut session, &self.plan, &self.schema)
            .await
            .map_err(|e| fault(ErrorKind::Read, "cannot look for the rows without a parent", &e))
    }

    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        let pool = self.staged.pool(sessions(&self.connector));
        Ok(Some(sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(pool)))
    }

    async fn change(&self) -> Result<Change> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut session = self.connector.session().await?;
        let change =
            exchange::of_plan(&mut session, &self.namespace, &self.run, &self.schema, &self.plan, &views)
                .await;
        let _ = session.close().await;
        change
    }

    async fn switch(self: Box<Self>, change: &Change) -> Result<()> {
        self.pool.close().await;
        let mut session = self.connector.session().await?;
        let must_be_empty = self.plan.tables.iter().filter(|t| t.replaces && !t.replaces_rows);
        let exchange = Exchange {
            connector: &self.connector,
            namespace: &self.namespace,
            change,
            still_empty: must_be_empty.map(|t| t.name.clone()).collect(),
            staging: Some(&self.schema),
        };
        let moved = exchange.run(&mut session).await;
        if let Err(error) = moved {
            let _ = session.close_hard().await;
            // Whoever hears of a failed switch has nothing left to discard. If the switch did happen after all,
            // the schema is gone already.
            if error.kind() != ErrorKind::Lost {
                self.remove().await?;
            }
            return Err(error);
        }
        let _ = session.close().await;
        let _ = self.guard.into_inner().close().await;
        Ok(())
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        self.remove().await?;
        let _ = self.guard.into_inner().close().await;
        Ok(())
    }
}
