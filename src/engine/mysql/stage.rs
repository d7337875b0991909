//! Building unseen and switching at once: tables are made, filled and proved in a [`Place`], then one RENAME TABLE
//! moves all of them and a marker into the target. A lost reply to it is settled by looking for the marker.

use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, MySql, MySqlConnection, MySqlPool};
use tokio::sync::{Mutex, OnceCell};
use tokio_util::sync::CancellationToken;

use super::connection::{Link, Role, number, rows, run, statement};
use super::journal::Ledger;
use super::place::{self, Place};
use super::replace::OutsideKeys;
use super::restore::DatabaseRestoration;
use super::staying::{Watched, When};
use super::types::{Rules, quote};
use super::write::{self, Commit};
use super::{Database, data, ddl, exchange, fault, journal, leftovers, profile, read, replace};
use crate::engine::capability::{
    Claim, Fate, Intent, Journal, Matching, Naming, NotSwitched, Occupied, OnStatement, Orphans, ReadRequest,
    Restoration, Rules as _, Staging, Target, Unfinished,
};
use crate::engine::claim::taken;
use crate::engine::condition;
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::change::{Change, Kind, Moved};
use crate::model::endpoint::Flavour;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, IndexPlan, Plan, Scope, Script, Statement, TablePlan};
use crate::model::view::ViewPlan;

#[async_trait]
impl Target for Database {
    async fn occupied(&self, plan: &Plan) -> Result<Vec<Occupied>> {
        let mut connection = self.connection().await?;
        let there = objects(&mut connection, &plan_names(plan), self.facts.case_sensitive_names).await?;
        let makes = plan.scope != Scope::DataOnly;
        let outside = if makes && !there.is_empty() {
            replace::keys_of_other_databases(&mut connection).await?
        } else {
            OutsideKeys::default()
        };
        let mut out = Vec::with_capacity(there.len());
        for (name, kind) in there {
            let empty = kind == "table" && is_empty(&mut connection, &quote(&name)).await?;
            let held_by =
                if makes { replace::holders(&mut connection, &outside, &name).await? } else { Vec::new() };
            out.push(Occupied { name, kind, empty, held_by });
        }
        Ok(out)
    }

    async fn claim(&self) -> Result<Box<dyn Claim>> {
        leftovers::claim(&self.link, &self.facts.namespace).await
    }

    async fn clear(&self, keep: Option<&str>) -> Result<Vec<String>> {
        let mut connection = self.link.connect(Role::Loader).await?;
        let removed = leftovers::clear(&mut connection, &self.facts.namespace, &self.rules, keep).await;
        let _ = connection.close().await;
        removed
    }

    async fn collisions(&self, plan: &Plan, key: &IndexPlan, road: BatchReceiver) -> Result<Matching> {
        let question =
            |table: &TablePlan, from: &str| condition::collisions(table, from, key, quote, str::to_owned);
        self.look(plan, road, question).await
    }

    async fn altered(&self, plan: &Plan, column: &str, road: BatchReceiver) -> Result<Option<Matching>> {
        let (plan, native) = condition::as_text(plan, column, "longtext", Some("utf8mb4_bin"));
        if native != "json" {
            return Ok(None);
        }
        let text = quote(column);
        let kept = if self.rules.is_mariadb() {
            format!("JSON_VALID({text})")
        } else {
            format!(
                "CASE WHEN JSON_VALID({text}) THEN \
                 CAST(CAST(CAST({text} AS JSON) AS CHAR) AS BINARY) = CAST({text} AS BINARY) ELSE 0 END"
            )
        };
        let changes = format!("{text} IS NOT NULL AND NOT {kept}");
        let question =
            |table: &TablePlan, from: &str| condition::named(table, from, &changes, quote, str::to_owned);
        self.look(&plan, road, question).await.map(Some)
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        let mut connection = self.link.connect(Role::Loader).await?;
        let found = journal::unfinished(&mut connection, &self.facts.namespace).await;
        let _ = connection.close().await;
        found
    }

    async fn resume(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        let mut guard = self.link.connect(Role::Loader).await?;
        let dead = leftovers::dead(&mut guard, &self.facts.namespace).await?;
        let place = dead.into_iter().find(|place| place.run == run);
        let place = place.ok_or_else(|| taken(&format!("database \"{}\"", self.facts.namespace)))?;
        place::hold_lock(&mut guard, &place).await?;
        let ledger = Ledger::take_over(&mut guard, &place).await?;
        Ok(Box::new(self.build_in(place, guard, run, plan, Some(ledger))))
    }

    async fn stage(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        if plan.scope == Scope::DataOnly {
            return data::stage(&self.link, &self.facts, &self.rules, run, plan).await;
        }
        let mut guard = self.link.connect(Role::Loader).await?;
        let target = &self.facts.namespace;
        let place = Place::database(run, target);
        place::hold_lock(&mut guard, &place).await?;
        let place = self.make_place(&mut guard, place, run, plan).await?;
        Ok(Box::new(self.build_in(place, guard, run, plan, None)))
    }

    async fn restore(
        &self,
        run: &str,
        backup: &Path,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn Restoration>> {
        let (mariadb, target) = (self.rules.is_mariadb(), &self.facts.namespace);
        let made = DatabaseRestoration::make(&self.link, mariadb, target, run, backup, cancel).await?;
        Ok(Box::new(made))
    }

    async fn happened(&self, change: &Change) -> Result<bool> {
        let mut connection = self.link.connect(Role::Loader).await?;
        if change.is_of_rows() {
            return data::happened(&mut connection, &change.mark).await;
        }
        exchange::happened(&mut connection, change).await
    }

    async fn settle(&self, change: &Change, happened: bool) -> Result<()> {
        let mut connection = self.link.connect(Role::Loader).await?;
        if change.is_of_rows() {
            return data::settle(&mut connection, change, happened).await;
        }
        exchange::settle(&mut connection, &self.rules, &self.facts.namespace, change, happened).await
    }

    async fn back(&self, run: &str, change: &Change) -> Result<Change> {
        let mut connection = self.link.connect(Role::Loader).await?;
        if change.is_filling() {
            return data::back(&mut connection, &self.facts.namespace, run, change).await;
        }
        if change.is_emptying() {
            return data::again(&mut connection, &self.facts.namespace, run, change).await;
        }
        exchange::back(&mut connection, &self.rules, &self.facts.namespace, run, change).await
    }

    fn dropping(&self, change: &Change) -> Vec<String> {
        exchange::dropping(change)
    }

    async fn exchange(&self, change: &Change) -> Result<()> {
        let mut connection = self.link.connect(Role::Loader).await?;
        if change.is_emptying() {
            return data::empty(connection, &self.link, &self.facts.namespace, change).await;
        }
        if change.is_filling() {
            return data::refill(connection, &self.link, &self.facts.namespace, change).await;
        }
        exchange::exchange(&mut connection, &self.link, &self.rules, &self.facts.namespace, change).await
    }
}

impl Database {
    /// Asks a question about rows, in a table that only one session knows, and that goes with it. `question` is told the table
    /// and its quoted name.
    async fn look(
        &self,
        plan: &Plan,
        road: BatchReceiver,
        question: impl Fn(&TablePlan, &str) -> String + Send,
    ) -> Result<Matching> {
        const NAME: &str = "techcare_db_look";
        let mut plan = plan.clone();
        let Some(table) = plan.tables.first_mut() else { return Ok(Matching::default()) };
        NAME.clone_into(&mut table.name);
        let table = table.clone();
        let mut connection = self.link.connect(Role::Loader).await?;
        for made in self.rules.script(&plan, &Naming::default()).before {
            let sql = made.sql.replacen("CREATE TABLE", "CREATE TEMPORARY TABLE", 1);
            if let Err(error) = run(&mut connection, &sql).await {
                let error = fault::writing("making a temporary table to look at rows", &error);
                return Err(match error.kind() {
                    ErrorKind::Permission | ErrorKind::Login => {
                        error.next(place::grant(&mut connection, &self.link).await)
                    }
                    _ => error,
                });
            }
        }
        let packet = self.facts.max_value_bytes;
        write::write(&mut connection, &table, NAME, packet, Commit::Writer, road).await?;
        let sql = question(&table, &quote(NAME));
        let mut found = Matching::default();
        for row in rows(&mut connection, &format!("table \"{}\"", table.source), &sql).await? {
            found.rows = row.number(table.key.len()).unwrap_or_default();
            if !table.key.is_empty() {
                found.keys.push(profile::key_text(&row, &table.key));
            }
        }
        let _ = sqlx::Connection::close(connection).await;
        Ok(found)
    }

    fn build_in(
        &self,
        place: Place,
        guard: MySqlConnection,
        run: &str,
        plan: &Plan,
        ledger: Option<Ledger>,
    ) -> Stage {
        Stage {
            run: run.to_owned(),
            target: self.facts.namespace.clone(),
            pool: self.link.in_database(&place.database).pool(Role::Loader),
            link: self.link.clone(),
            guard: Mutex::new(guard),
            max_packet: self.facts.max_value_bytes,
            mariadb: self.facts.flavour == Flavour::Mariadb,
            case_sensitive: self.facts.case_sensitive_names,
            rules: self.rules.clone(),
            views: std::sync::Mutex::default(),
            plan: plan.clone(),
            script: self.rules.script(plan, &place.naming),
            place,
            ledger: ledger.map(OnceCell::from).unwrap_or_default(),
        }
    }

    /// A database where that may be made, else a prefix where nothing is in the way, else the right to ask for.
    async fn make_place(
        &self,
        guard: &mut MySqlConnection,
        place: Place,
        run: &str,
        plan: &Plan,
    ) -> Result<Place> {
        let refused = match place.make(guard).await {
            Ok(()) => return Ok(place),
            Err(error) if error.kind() == ErrorKind::Permission => error,
            Err(error) => return Err(error),
        };
        if !replace::names_meet(guard, plan).await? {
            let prefixed = Place::prefix(run, &self.facts.namespace);
            match prefixed.make(guard).await {
                Ok(()) => return Ok(prefixed),
                Err(error) if error.kind() == ErrorKind::Permission => {}
                Err(error) => return Err(error),
            }
        }
        let mut error =
            Error::new(ErrorKind::Permission, "no right to build the tables before they are switched on");
        if let Some(why) = refused.reason() {
            error = error.why(why);
        }
        Err(error.next(place::grant(guard, &self.link).await))
    }
}

fn plan_names(plan: &Plan) -> Vec<String> {
    let tables = plan.tables.iter().map(|t| t.name.clone());
    tables.chain(plan.views.iter().map(|v| v.name.clone())).collect()
}

/// Objects of the session's database that have one of these names, each with its kind.
async fn objects(
    connection: &mut MySqlConnection,
    names: &[String],
    case_sensitive: bool,
) -> Result<Vec<(String, String)>> {
    let sql = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY \
               table_name";
    let same = |a: &str, b: &str| if case_sensitive { a == b } else { a.to_lowercase() == b.to_lowercase() };
    Ok(rows(connection, "the list of tables", sql)
        .await?
        .iter()
        .map(|row| (row.word(0), row.word(1)))
        .filter(|(name, _)| names.iter().any(|n| same(n, name)))
        .map(|(name, kind)| {
            let kind = match kind.as_str() {
                "BASE TABLE" | "SYSTEM VERSIONED" => "table".to_owned(),
                other => other.to_lowercase(),
            };
            (name, kind)
        })
        .collect())
}

async fn is_empty(connection: &mut MySqlConnection, table: &str) -> Result<bool> {
    let sql = format!("SELECT EXISTS(SELECT 1 FROM {table})");
    Ok(number(connection, "a table of the target", &sql).await? == 0)
}

/// Table in which keys of tables that stay are tried.
const TRIED: &str = "techcare_db_tried";

/// A migration that is being built.
struct Stage {
    run: String,
    target: String,
    link: Link,
    pool: MySqlPool,
    /// Holds the lock of the run and does the switch; its database is the target.
    guard: Mutex<MySqlConnection>,
    place: Place,
    plan: Plan,
    script: Script,
    max_packet: Option<u64>,
    mariadb: bool,
    case_sensitive: bool,
    rules: Rules,
    /// Views that were made, in order.
    views: std::sync::Mutex<Vec<ViewPlan>>,
    /// The journal, once it has begun.
    ledger: OnceCell<Ledger>,
}

impl Stage {
    async fn connection(&self) -> Result<PoolConnection<MySql>> {
        self.pool.acquire().await.map_err(|e| fault::writing("reaching the server", &e))
    }

    async fn run_all(&self, statements: &[Statement], tell: OnStatement<'_>) -> Result<()> {
        let mut connection = self.connection().await?;
        for statement in statements {
            tell(&statement.what);
            tracing::debug!(sql = statement.sql, "statement");
            run(&mut connection, &statement.sql)
                .await
                .map_err(|e| fault::writing(&format!("making {}", statement.what), &e))?;
        }
        Ok(())
    }

    /// Removes what is staged, unless another run has taken it over while this one was silent.
    async fn remove(&self, connection: &mut MySqlConnection) -> Result<()> {
        if let Some(ledger) = self.ledger.get()
            && !ledger.is_ours(connection).await
        {
            return Ok(());
        }
        self.place.remove(connection).await
    }

    async fn switch_over(&self, guard: &mut MySqlConnection, change: &Change) -> Result<()> {
        if self.mariadb {
            // Less log to go through if the server dies right now; without the right it does as well.
            let _ = run(guard, "SET GLOBAL innodb_log_checkpoint_now=ON").await;
        }
        exchange::make_places(guard, &self.target, change).await?;
        self.refuse_others(guard, change).await?;
        exchange::be_brief(guard).await?;
        let copy = self.place.staged(TRIED);
        Watched::of(guard, &self.target, change).await?.try_keys(guard, &self.rules, &copy).await?;
        let marker = self.place.marker_aside();
        let is_exact =
            exchange::rename(guard, &self.link, &self.rules, &self.target, change, &marker).await?;
        if !is_exact {
            // Whoever wrote between the look and the rename is found now; afterwards nobody can.
            let lost =
                async { Watched::of(guard, &self.target, change).await?.refuse(guard, When::After).await };
            if let Err(error) = lost.await {
                return Err(self.take_back(guard, change, error).await);
            }
        }
        if let Err(error) = self.make_views(guard).await {
            return Err(self.take_back(guard, change, error).await);
        }
        Ok(())
    }

    /// Takes the switch back because of an error, and says where the tables are to which somebody may have written.
    async fn take_back(&self, guard: &mut MySqlConnection, change: &Change, error: Error) -> Error {
        // What was visible for a moment is not switched a second time.
        let error = if error.kind() == ErrorKind::Busy { error.with_kind(ErrorKind::Write) } else { error };
        let withdrawn = match exchange::rename_back(guard, &self.place, change).await {
            Ok(withdrawn) => withdrawn,
            Err(mut failed) => {
                failed.push(error);
                return failed;
            }
        };
        // Where they were led to the new tables already, the keys of tables that stay have followed these.
        if let Err(mut failed) = replace::lead_keys(guard, &self.rules, &self.target, &withdrawn).await {
            failed.push(error);
            return failed;
        }
        let dropping = exchange::dropping(&withdrawn);
        if dropping.is_empty() {
            return error;
        }
        let tables: Vec<String> = withdrawn.tables_kept().map(|moved| place::at(&moved.aside)).collect();
        error.next(format!(
            "stop the application: for a moment it had the new tables, and they are kept. Look for rows that it wrote to them \
             ({}), remove them ({}), then run the same command again",
            tables.join(", "),
            dropping.join("; ")
        ))
    }

    /// Makes the views again where the tables are now: a view keeps the database that it was made in. If one cannot be
    /// made, none is.
    async fn make_views(&self, guard: &mut MySqlConnection) -> Result<()> {
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (made, view) in views.iter().enumerate() {
            let Err(error) = run(guard, &view.definition).await else { continue };
            let mut error = fault::writing(&format!("making view \"{}\"", view.name), &error);
            for view in views[..made].iter().rev() {
                if let Err(also) = run(guard, &format!("DROP VIEW {}", quote(&view.name))).await {
                    error.push(fault::writing(&format!("removing view \"{}\" again", view.name), &also));
                }
            }
            return Err(error);
        }
        Ok(())
    }

    /// The plan's table in a place of the target.
    fn planned(&self, name: &str) -> Option<&TablePlan> {
        let same =
            |t: &&TablePlan| t.name == name || (!self.case_sensitive && t.name.eq_ignore_ascii_case(name));
        self.plan.tables.iter().find(same)
    }

    /// Refuses if something is where the plan wants to put a table and does not give way.
    async fn refuse_others(&self, guard: &mut MySqlConnection, change: &Change) -> Result<()> {
        for (name, kind) in objects(guard, &plan_names(&self.plan), self.case_sensitive).await? {
            if kind != "table" || !change.tables_kept().any(|moved| moved.name == name) {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("{kind} \"{name}\" of the target was not there when the migration began"),
                )
                .next("nothing was changed: stop the application that writes to the target, look at that table, and run again"));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Staging for Stage {
    async fn create(&self) -> Result<()> {
        self.run_all(&self.script.before, &|_| {}).await
    }

    async fn begin_journal(&self, intent: &Intent, source: &str) -> Result<()> {
        let mut connection = self.connection().await?;
        let ledger = Ledger::begin(&mut connection, &self.place, intent, source).await?;
        // Nobody else begins one.
        let _ = self.ledger.set(ledger);
        Ok(())
    }

    async fn journal(&self) -> Result<Journal> {
        match self.ledger.get() {
            Some(ledger) => ledger.read(&mut *self.connection().await?).await,
            None => Ok(Journal::default()),
        }
    }

    async fn note_source(&self, source: Option<&str>) -> Result<()> {
        match self.ledger.get() {
            Some(ledger) => ledger.note_source(&mut *self.connection().await?, source).await,
            None => Ok(()),
        }
    }

    async fn empty(&self, table: &TablePlan) -> Result<()> {
        match self.ledger.get() {
            Some(ledger) => {
                let place = self.place.staged(&table.name);
                ledger.empty(&mut *self.connection().await?, &place, &table.name).await
            }
            None => Ok(()),
        }
    }

    async fn park(self: Box<Self>) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(10), self.pool.close()).await;
        let _ = self.guard.into_inner().close().await;
    }

    async fn write(&self, table: &TablePlan, rows: BatchReceiver) -> Result<u64> {
        let mut connection = self.connection().await?;
        let name = self.place.naming.table(&table.name);
        let commit = self.ledger.get().map_or(Commit::Writer, Commit::Chunk);
        let written = write::write(&mut connection, table, &name, self.max_packet, commit, rows).await;
        if written.is_ok() {
            // The next table needs other statements.
            connection.clear_cached_statements().await.map_err(|e| fault::writing("the server", &e))?;
        } else {
            // What is not committed goes with the connection.
            let _ = connection.close().await;
        }
        written
    }

    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()> {
        let Some(ledger) = self.ledger.get() else {
            for statements in [&self.script.indexes, &self.script.constraints, &self.script.last] {
                self.run_all(statements, on_statement).await?;
            }
            return Ok(());
        };
        let mut connection = self.connection().await?;
        let done = ledger.done(&mut connection).await?;
        let script = &self.script;
        let statements = script.indexes.iter().chain(&script.constraints).chain(&script.last);
        for (at, statement) in statements.enumerate().skip(done) {
            ledger.note_begun(&mut connection, at + 1).await?;
            self.run_all(std::slice::from_ref(statement), on_statement).await?;
            ledger.note_done(&mut connection, at + 1).await?;
        }
        Ok(())
    }

    async fn make_view(&self, view: &ViewPlan, _within: Option<Duration>) -> Result<()> {
        if !self.place.is_database() {
            return Err(Error::new(
                ErrorKind::Permission,
                format!("view \"{}\" cannot be tried out", view.name),
            )
            .why("that takes a database of its own, which this user may not create"));
        }
        // The run that this one goes on with may have made it.
        let again = format!("DROP VIEW IF EXISTS {}", quote(&view.name));
        self.run_all(&[Statement { sql: again, ..view.statement() }, view.statement()], &|_| {}).await?;
        self.views.lock().unwrap_or_else(PoisonError::into_inner).push(view.clone());
        Ok(())
    }

    async fn drop_view(&self, view: &ViewPlan) -> Result<()> {
        let sql = format!("DROP VIEW {}", quote(&view.name));
        self.run_all(&[Statement { sql, ..view.statement() }], &|_| {}).await?;
        self.views.lock().unwrap_or_else(PoisonError::into_inner).retain(|made| made.name != view.name);
        Ok(())
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let mut connection = self.connection().await?;
        let request = ReadRequest { table: self.place.naming.table(&request.table), ..request.clone() };
        read::read(&mut connection, &request, &to).await
    }

    async fn take_orphans(
        &self,
        table: &TablePlan,
        key: &ForeignKeyPlan,
        fate: Fate,
        request: &ReadRequest,
        to: BatchSender,
    ) -> Result<u64> {
        let mut connection = self.connection().await?;
        let naming = &self.place.naming;
        let request = ReadRequest { table: naming.table(&request.table), ..request.clone() };
        let filter = format!(" c WHERE {}", ddl::without_parent(&self.plan, key, naming));
        read::read_rows(&mut connection, &request, &filter, &to).await?;
        drop(to);
        let sql = match fate {
            Fate::Deleted => ddl::delete_orphans(&self.plan, table, key, naming),
            Fate::Cut => ddl::cut_orphans(&self.plan, table, key, naming),
        };
        let done = statement(&sql).execute(&mut *connection).await;
        let done = done.map(|done| done.rows_affected());
        let what = format!("changing rows without a parent in table \"{}\"", table.name);
        done.map_err(|e| fault::writing(&what, &e))
    }

    async fn orphans(&self) -> Result<Vec<Orphans>> {
        let mut connection = self.connection().await?;
        orphans(&mut connection, &self.plan, &self.place.naming).await
    }

    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        if !self.place.is_database() {
            return Ok(None);
        }
        let pool = self.link.in_database(&self.place.database).pool(Role::Loader);
        Ok(Some(sea_orm::SqlxMySqlConnector::from_sqlx_mysql_pool(pool)))
    }

    async fn change(&self) -> Result<Change> {
        let mut guard = self.guard.lock().await;
        let there = objects(&mut guard, &plan_names(&self.plan), self.case_sensitive).await?;
        let tables = there.into_iter().filter(|(_, kind)| kind == "table");
        let replaced = tables.filter_map(|(name, _)| Some((self.planned(&name)?, name)));
        let kept: Vec<Moved> = replaced
            .filter(|(planned, _)| planned.replaces)
            .enumerate()
            .map(|(at, (planned, name))| {
                let aside = self.place.kept(at, &name);
                Moved { is_empty: !planned.replaces_rows, ..Moved::new(Kind::Table, name, aside) }
            })
            .collect();
        let shown = self
            .plan
            .tables
            .iter()
            .map(|table| Moved::new(Kind::Table, table.name.clone(), self.place.aside(&table.name)));
        let views = self.views.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let views = views.into_iter().map(|view| {
            let aside = self.place.aside(&view.name);
            Moved { definition: Some(view.definition), ..Moved::new(Kind::View, view.name, aside) }
        });
        let names: Vec<String> = kept.iter().map(|moved| moved.name.clone()).collect();
        Ok(Change {
            run: self.run.clone(),
            shown: shown.chain(views).collect(),
            again: replace::keys_onto_others(&mut guard, &self.rules, &self.target, &names).await?,
            kept,
            mark: self.place.switched_marker(),
            ..Change::default()
        })
    }

    async fn switch(self: Box<Self>, change: &Change) -> Result<(), NotSwitched> {
        self.pool.close().await;
        let mut guard = self.guard.lock().await;
        if let Err(mut error) = self.switch_over(&mut guard, change).await {
            if error.kind() == ErrorKind::Busy {
                // What cannot be removed is used by the next try.
                let _ = exchange::remove_empty_places(&mut guard, change).await;
                drop(guard);
                return Err(NotSwitched { error, staging: Some(self) });
            }
            // Whoever hears of a failed switch has nothing left to discard. After a lost reply nobody knows
            // whether this place is still needed: the next run does.
            if error.kind() != ErrorKind::Lost {
                let unused = exchange::remove_empty_places(&mut guard, change).await;
                if let Err(also) = unused.and(self.remove(&mut guard).await) {
                    error.push(also);
                }
            }
            return Err(error.into());
        }
        // It has happened: what fails here is found by the next run.
        if let Err(error) = self.place.remove(&mut guard).await {
            tracing::warn!(error = %error, "cleaning up after the switch");
        }
        Ok(())
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        // Connections that are still at work keep their tables locked.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(10), self.pool.close()).await;
        let mut connection = self.link.connect(Role::Loader).await?;
        self.remove(&mut connection).await
    }
}

/// Rows whose parent is missing, of all foreign keys of a plan.
pub async fn orphans(connection: &mut MySqlConnection, plan: &Plan, naming: &Naming) -> Result<Vec<Orphans>> {
    let mut out = Vec::new();
    for table in &plan.tables {
        for key in &table.foreign_keys {
            let (count, list) = ddl::orphans(plan, table, key, naming);
            let what = format!("the foreign keys of table \"{}\"", table.name);
            let count = number(connection, &what, &count).await?;
            if count == 0 {
                continue;
            }
            let keys = rows(connection, &what, &list).await?;
            out.push(Orphans {
                table: table.name.clone(),
                columns: key.columns.clone(),
                references: key.references.clone(),
                rows: count,
                keys: keys.iter().map(|row| row.key(&table.key)).filter(|k| !k.is_empty()).collect(),
            });
        }
    }
    Ok(out)
}
