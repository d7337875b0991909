//! Staging in a schema of its own. Until the switch ([`exchange`]) nothing in the target's schema has been touched.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Postgres, pool::PoolConnection};
use tokio::sync::{Mutex, OnceCell};

use super::exchange::{self, Exchange};
use super::replace::{self, Given};
use super::{COMMENT, Ledger, check_rights, drop_schema, execute, run, schema_name, session_again};
use super::{orphans, try_lock};
use crate::engine::capability::{
    Fate, Intent, Journal, NotSwitched, OnStatement, Orphans, ReadRequest, Staging,
};
use crate::engine::claim::{fenced, taken};
use crate::engine::condition;
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::ddl::literal;
use crate::engine::postgres::fault::{self, fault};
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
    /// The journal, once it has begun.
    ledger: OnceCell<Ledger>,
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
        let guard = make_schema(connector, namespace, run_id).await?;
        Self::over(connector, guard, namespace, run_id, plan, script, None).await
    }

    /// Takes over the schema of a dead run. Sessions of that run that still work in it are ended.
    pub(super) async fn take_over(
        connector: &Connector,
        namespace: &str,
        run_id: &str,
        plan: &Plan,
        script: Script,
    ) -> Result<Self> {
        let schema = schema_name(run_id);
        let mut guard = connector.session().await?;
        let failed = |e: &sqlx::Error| fault(ErrorKind::Write, "cannot go on with an earlier run", e);
        if !try_lock(&mut guard, &schema).await.map_err(|e| failed(&e))? {
            return Err(taken(connector.shown()));
        }
        end_sessions(&mut guard, &schema).await;
        let ledger = Ledger::take_over(&mut guard, &schema).await?;
        Self::over(connector, guard, namespace, run_id, plan, script, Some(ledger)).await
    }

    async fn over(
        connector: &Connector,
        mut guard: PgConnection,
        namespace: &str,
        run_id: &str,
        plan: &Plan,
        script: Script,
        ledger: Option<Ledger>,
    ) -> Result<Self> {
        let schema = schema_name(run_id);
        let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot ask for the target's settings", e);
        // The target's own schema comes second: types and functions of extensions usually live there.
        let path: Option<String> = sqlx::query_scalar("SELECT current_setting('search_path')")
            .fetch_one(&mut guard)
            .await
            .map_err(|e| failed(&e))?;
        let rest = path.filter(|p| !p.trim().is_empty()).map(|p| format!(", {p}")).unwrap_or_default();
        let staged = connector.with_search_path(format!("{}, {}{rest}", quote(&schema), quote(namespace)));
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
            ledger: ledger.map(OnceCell::from).unwrap_or_default(),
            guard: Mutex::new(guard),
        })
    }

    async fn session(&self) -> Result<PoolConnection<Postgres>> {
        self.pool
            .acquire()
            .await
            .map_err(|e| fault(ErrorKind::Lost, "cannot open a session in the target", &e))
    }

    fn place(&self, table: &str) -> String {
        format!("{}.{}", quote(&self.schema), quote(table))
    }

    /// Drops the schema through a new session; sessions of this run that still work in it are ended first.
    async fn remove(&self) -> Result<()> {
        // A session that is in the middle of something is not waited for: ending it is what comes next.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.pool.close()).await;
        if let Some(ledger) = self.ledger.get()
            && !ledger.is_ours(&mut session_again(&self.connector).await?).await
        {
            // Another run has taken the schema over while this one was silent.
            return Ok(());
        }
        remove_schema(&self.connector, &self.schema).await
    }
}

/// Checks the rights and makes the schema of a run; answers with the session that holds the lock which says that the run
/// lives.
pub(in crate::engine::postgres) async fn make_schema(
    connector: &Connector,
    namespace: &str,
    run_id: &str,
) -> Result<PgConnection> {
    let schema = schema_name(run_id);
    let mut guard = connector.session().await?;
    check_rights(&mut guard, connector, namespace).await?;
    let failed = |e: &sqlx::Error| fault(ErrorKind::Write, "cannot make a staging schema in the target", e);
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
    Ok(guard)
}

/// Drops the schema of a run through a new session; sessions that still work in it are ended first.
pub(in crate::engine::postgres) async fn remove_schema(connector: &Connector, schema: &str) -> Result<()> {
    let mut session = session_again(connector).await?;
    end_sessions(&mut session, schema).await;
    drop_schema(&mut session, schema).await.map_err(|e| {
        fault(ErrorKind::Write, format!("cannot remove the staging schema {}", quote(schema)), &e)
            .next(format!("DROP SCHEMA {} CASCADE; the next run does it too", quote(schema)))
    })?;
    let _ = session.close().await;
    Ok(())
}

/// Runs a statement after the load; with a journal in one transaction with the note that it is done.
async fn finish_one(
    session: &mut PgConnection,
    statement: &Statement,
    ledger: Option<&Ledger>,
    done: usize,
) -> Result<()> {
    let Some(ledger) = ledger else { return run(session, statement).await };
    let failed = |e: &sqlx::Error| fault(ErrorKind::Write, format!("cannot make {}", statement.what), e);
    tracing::debug!(sql = statement.sql, "statement");
    if !ledger.begin_done(session, done, &statement.sql).await.map_err(|e| failed(&e))? {
        return Err(fenced());
    }
    execute(session, "COMMIT".into()).await.map_err(|e| failed(&e))
}

/// Ends other sessions of this user that work in a schema. Not having the right to end one means that it is not one of
/// ours; whatever comes next waits for it then.
async fn end_sessions(session: &mut PgConnection, schema: &str) {
    let _ = sqlx::query(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE n.nspname = $1 AND l.pid <> pg_backend_pid() AND a.usename = current_user \
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .bind(schema)
    .execute(session)
    .await;
}

/// Sessions that staging may need: one for each writer at least, or they would wait for each other's loads, and one for
/// statistics while the others read.
fn sessions(connector: &Connector) -> u32 {
    connector.most_connections().max(WRITERS + 1)
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
        let place = self.place(&table.name);
        let written = write::copy_in(&mut session, &place, table, self.ledger.get(), &mut rows).await;
        if written.is_err() {
            session.close_on_drop();
        }
        written
    }

    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()> {
        let mut session = self.session().await?;
        let script = &self.script;
        let ledger = self.ledger.get();
        let done = match ledger {
            Some(ledger) => ledger.done(&mut session).await?,
            None => 0,
        };
        let statements = script.indexes.iter().chain(&script.constraints).chain(&script.last);
        for (at, statement) in statements.enumerate().skip(done) {
            on_statement(&statement.what);
            if let Err(error) = finish_one(&mut session, statement, ledger, at + 1).await {
                self.refused.store(error.kind() == ErrorKind::Value, Ordering::Relaxed);
                session.close_on_drop();
                return Err(error);
            }
        }
        Ok(())
    }

    async fn gather_statistics(&self) -> Result<()> {
        let mut session = self.session().await?;
        // Nobody waits for the rest where the proof has failed.
        session.close_on_drop();
        for statement in &self.script.statistics {
            run(&mut session, statement).await?;
        }
        Ok(())
    }

    async fn make_view(&self, view: &ViewPlan, within: Option<Duration>) -> Result<()> {
        let mut session = self.session().await?;
        if self.ledger.get().is_some() {
            // The run that this one goes on with may have made it.
            let kind = exchange::kind_of(view.kind).word().to_uppercase();
            let again = format!("DROP {kind} IF EXISTS {}", self.place(&view.name));
            run(&mut session, &Statement { sql: again, ..view.statement() }).await?;
        }
        // To make a materialized view is to run it.
        let made = async {
            read::limit(&mut session, within).await?;
            execute(&mut session, view.statement().sql).await?;
            read::unlimit(&mut session, within).await
        };
        if let Err(error) = made.await {
            session.close_on_drop();
            let kind = fault::within(ErrorKind::Write, within, &error);
            return Err(fault(kind, format!("cannot make {}", view.statement().what), &error));
        }
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

    async fn begin_journal(&self, intent: &Intent, source: &str) -> Result<()> {
        let mut session = self.session().await?;
        let ledger = Ledger::begin(&mut session, &self.schema, intent, source).await?;
        // Nobody else begins one.
        let _ = self.ledger.set(ledger);
        Ok(())
    }

    async fn journal(&self) -> Result<Journal> {
        match self.ledger.get() {
            Some(ledger) => ledger.read(&mut *self.session().await?).await,
            None => Ok(Journal::default()),
        }
    }

    async fn note_source(&self, source: Option<&str>) -> Result<()> {
        match self.ledger.get() {
            Some(ledger) => ledger.note_source(&mut *self.session().await?, source).await,
            None => Ok(()),
        }
    }

    async fn empty(&self, table: &TablePlan) -> Result<()> {
        match self.ledger.get() {
            Some(ledger) => {
                ledger.empty(&mut *self.session().await?, &self.place(&table.name), &table.name).await
            }
            None => Ok(()),
        }
    }

    async fn park(self: Box<Self>) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.pool.close()).await;
        let _ = self.guard.into_inner().close().await;
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

    async fn switch(self: Box<Self>, change: &Change) -> Result<(), NotSwitched> {
        self.pool.close().await;
        let mut session = match self.connector.session().await {
            Err(error) if error.kind() == ErrorKind::Busy => {
                return Err(NotSwitched { error, staging: Some(self) });
            }
            session => session?,
        };
        let must_be_empty = self.plan.tables.iter().filter(|t| t.replaces && !t.replaces_rows);
        let exchange = Exchange {
            connector: &self.connector,
            namespace: &self.namespace,
            change,
            still_empty: must_be_empty.map(|t| t.name.clone()).collect(),
            staging: Some(&self.schema),
            fence: self.ledger.get(),
            given: Given::All,
        };
        let Err(error) = exchange.run(&mut session).await else {
            let _ = session.close().await;
            let _ = self.guard.into_inner().close().await;
            return Ok(());
        };
        if error.kind() == ErrorKind::Busy {
            // Whoever waits behind this one goes on at once.
            let _ = execute(&mut session, "ROLLBACK".into()).await;
            let tables: Vec<String> = change.tables_kept().map(|moved| moved.name.clone()).collect();
            let error = replace::name_lockers(&mut session, &self.namespace, &tables, error).await;
            let _ = session.close().await;
            return Err(NotSwitched { error, staging: Some(self) });
        }
        let _ = session.close_hard().await;
        // If the switch did happen after all, the schema is gone already.
        if error.kind() != ErrorKind::Lost {
            self.remove().await?;
        }
        Err(error.into())
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        self.remove().await?;
        let _ = self.guard.into_inner().close().await;
        Ok(())
    }
}
