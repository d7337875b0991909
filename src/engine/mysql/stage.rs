//! Building unseen and switching at once: tables are made, filled and proved in a [`Place`], then one RENAME TABLE
//! moves all of them and a marker into the target. A lost reply to it is settled by looking for the marker.

use std::sync::PoisonError;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, MySql, MySqlConnection, MySqlPool};
use tokio::sync::Mutex;

use super::connection::{Link, Role, number, rows, run, statement};
use super::place::{self, Place};
use super::types::{Rules, literal, quote};
use super::write::{self, Commit};
use super::{Database, data, ddl, fault, leftovers, profile, read, replace};
use crate::engine::capability::{
    Claim, Fate, Matching, Naming, Occupied, OnStatement, Orphans, ReadRequest, Rules as _, Staging, Target,
};
use crate::engine::condition;
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::endpoint::Flavour;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, IndexPlan, Plan, Scope, Script, Statement, TablePlan};
use crate::model::view::ViewPlan;

/// How often the switch is tried while another session holds a lock.
const TRIES: u32 = 3;

#[async_trait]
impl Target for Database {
    async fn occupied(&self, plan: &Plan) -> Result<Vec<Occupied>> {
        let mut connection = self.connection().await?;
        let there = objects(&mut connection, &plan_names(plan), self.facts.case_sensitive_names).await?;
        let makes = plan.scope != Scope::DataOnly;
        let mut out = Vec::with_capacity(there.len());
        for (name, kind) in there {
            let empty = kind == "table" && is_empty(&mut connection, &quote(&name)).await?;
            let held_by =
                if empty && makes { replace::holders(&mut connection, &name).await? } else { Vec::new() };
            out.push(Occupied { name, kind, empty, held_by });
        }
        Ok(out)
    }

    async fn claim(&self) -> Result<Box<dyn Claim>> {
        leftovers::claim(&self.link, &self.facts.namespace).await
    }

    async fn clear(&self) -> Result<Vec<String>> {
        let mut connection = self.link.connect(Role::Loader).await?;
        let removed = leftovers::clear(&mut connection, &self.facts.namespace, &self.rules).await;
        let _ = connection.close().await;
        removed
    }

    async fn collisions(&self, plan: &Plan, key: &IndexPlan, road: BatchReceiver) -> Result<Matching> {
        let mut plan = plan.clone();
        let Some(table) = plan.tables.first_mut() else { return Ok(Matching::default()) };
        // A table that only this session knows, and that goes with it.
        let name = "techcare_db_look";
        name.clone_into(&mut table.name);
        let table = table.clone();
        let mut connection = self.link.connect(Role::Loader).await?;
        for made in self.rules.script(&plan, &Naming::default()).before {
            let sql = made.sql.replacen("CREATE TABLE", "CREATE TEMPORARY TABLE", 1);
            run(&mut connection, &sql).await.map_err(|e| fault::writing(&made.what, &e))?;
        }
        let packet = self.facts.max_value_bytes;
        write::write(&mut connection, &table, name, packet, Commit::Writer, road).await?;
        let sql = condition::collisions(&table, &quote(name), key, quote, str::to_owned);
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

    async fn stage(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        if plan.scope == Scope::DataOnly {
            let connection = self.link.connect(Role::Loader).await?;
            return data::stage(connection, &self.link, &self.facts, &self.rules, plan).await;
        }
        let mut guard = self.link.connect(Role::Loader).await?;
        let target = &self.facts.namespace;
        let place = Place::database(run, target);
        place::hold_lock(&mut guard, &place).await?;
        let place = self.make_place(&mut guard, place, run, plan).await?;
        let script = self.rules.script(plan, &place.naming);
        Ok(Box::new(Stage {
            pool: self.link.in_database(&place.database).pool(Role::Loader),
            link: self.link.clone(),
            guard: Mutex::new(guard),
            max_packet: self.facts.max_value_bytes,
            mariadb: self.facts.flavour == Flavour::Mariadb,
            case_sensitive: self.facts.case_sensitive_names,
            rules: self.rules.clone(),
            views: std::sync::Mutex::default(),
            plan: plan.clone(),
            place,
            script,
        }))
    }
}

impl Database {
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

/// A migration that is being built.
struct Stage {
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

    /// Renames everything at once.
    fn renames(&self, in_the_way: &[String], back: bool) -> String {
        let mut pairs = Vec::new();
        for (at, name) in in_the_way.iter().enumerate() {
            pairs.push((self.place.visible(name), self.place.out_of_the_way(at, name)));
        }
        for table in &self.plan.tables {
            pairs.push((self.place.staged(&table.name), self.place.visible(&table.name)));
        }
        pairs.push((self.place.marker(), self.place.visible(&self.place.switched_marker())));
        if back {
            pairs = pairs.into_iter().rev().map(|(from, to)| (to, from)).collect();
        }
        let list: Vec<String> = pairs.into_iter().map(|(from, to)| format!("{from} TO {to}")).collect();
        format!("RENAME TABLE {}", list.join(", "))
    }

    async fn has_switched(&self, connection: &mut MySqlConnection) -> Result<bool> {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
            literal(&self.place.switched_marker())
        );
        Ok(number(connection, "the marker of the switch", &sql).await? > 0)
    }

    /// One RENAME, tried again while somebody holds a lock; a lost reply is settled by looking.
    async fn rename(&self, guard: &mut MySqlConnection, sql: &str) -> Result<()> {
        for attempt in 1.. {
            let error = match run(guard, sql).await {
                Ok(()) => return Ok(()),
                Err(error) => fault::writing("switching the tables on", &error),
            };
            match error.kind() {
                ErrorKind::Busy if attempt < TRIES => {}
                ErrorKind::Lost => {
                    *guard = self.link.connect(Role::Loader).await.map_err(|mut unreachable| {
                        unreachable.push(Error::new(
                            ErrorKind::Lost,
                            "the server went away during the switch: whether it happened shows in the target",
                        ));
                        unreachable
                    })?;
                    return if self.has_switched(guard).await? { Ok(()) } else { Err(error) };
                }
                _ => return Err(error),
            }
        }
        Ok(())
    }

    async fn switch_over(&self, guard: &mut MySqlConnection) -> Result<()> {
        if self.mariadb {
            // Less log to go through if the server dies right now; without the right it does as well.
            let _ = run(guard, "SET GLOBAL innodb_log_checkpoint_now=ON").await;
        }
        run(guard, "SET SESSION lock_wait_timeout=10").await.map_err(|e| fault::writing("the switch", &e))?;
        let in_the_way = self.make_way(guard).await?;
        let keys = replace::keys_from_outside(guard, &self.place.target, &in_the_way).await?;
        self.rename(guard, &self.renames(&in_the_way, false)).await?;
        for (at, name) in in_the_way.iter().enumerate() {
            // Whoever wrote before the rename is found now; afterwards nobody can.
            if !is_empty(guard, &self.place.out_of_the_way(at, name)).await? {
                self.rename(guard, &self.renames(&in_the_way, true)).await?;
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("table \"{name}\" was empty and got rows while the migration ran"),
                )
                .next("stop the application that writes to the target, then run the same command again"));
            }
        }
        if let Err(error) = self.make_views(guard).await {
            self.rename(guard, &self.renames(&in_the_way, true)).await?;
            return Err(error);
        }
        for key in &keys {
            key.lead_to_the_new_table(guard, &self.rules).await?;
        }
        Ok(())
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

    /// Names of the target's empty tables that are replaced, and a database to put them.
    async fn make_way(&self, guard: &mut MySqlConnection) -> Result<Vec<String>> {
        let there = objects(guard, &plan_names(&self.plan), self.case_sensitive).await?;
        if there.is_empty() {
            return Ok(Vec::new());
        }
        let replaced = |name: &str| {
            let same = |t: &&TablePlan| {
                t.name == name || (!self.case_sensitive && t.name.eq_ignore_ascii_case(name))
            };
            self.plan.tables.iter().find(same).is_some_and(|t| t.replaces)
        };
        for (name, kind) in &there {
            if kind != "table" || !replaced(name) || !is_empty(guard, &quote(name)).await? {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("{kind} \"{name}\" of the target was not there or was empty when the migration began"),
                )
                .next("nothing was changed: stop the application that writes to the target, look at that table, and run again"));
            }
        }
        if let Some(old) = self.place.old() {
            let sql = format!("CREATE DATABASE IF NOT EXISTS {}", quote(&old));
            run(guard, &sql)
                .await
                .map_err(|e| fault::writing("making room for the target's empty tables", &e))?;
        }
        Ok(there.into_iter().map(|(name, _)| name).collect())
    }

    /// Removes what the switch leaves behind. It has happened: what fails here is found by the next run.
    async fn clean_up(&self, guard: &mut MySqlConnection) {
        let marker = self.place.visible(&self.place.switched_marker());
        let old = self.place.old().map(|old| format!("DROP DATABASE IF EXISTS {}", quote(&old)));
        for sql in std::iter::once(format!("DROP TABLE IF EXISTS {marker}")).chain(old) {
            if let Err(error) = run(guard, &sql).await {
                tracing::warn!(error = fault::words(&error), "cleaning up after the switch");
            }
        }
        if let Err(error) = self.place.remove(guard).await {
            tracing::warn!(error = %error, "cleaning up after the switch");
        }
    }
}

#[async_trait]
impl Staging for Stage {
    async fn create(&self) -> Result<()> {
        self.run_all(&self.script.before, &|_| {}).await
    }

    async fn write(&self, table: &TablePlan, rows: BatchReceiver) -> Result<u64> {
        let mut connection = self.connection().await?;
        let name = self.place.naming.table(&table.name);
        let written =
            write::write(&mut connection, table, &name, self.max_packet, Commit::Writer, rows).await;
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
        for statements in [&self.script.indexes, &self.script.constraints, &self.script.last] {
            self.run_all(statements, on_statement).await?;
        }
        Ok(())
    }

    async fn make_view(&self, view: &ViewPlan) -> Result<()> {
        if !self.place.is_database() {
            return Err(Error::new(
                ErrorKind::Permission,
                format!("view \"{}\" cannot be tried out", view.name),
            )
            .why("that takes a database of its own, which this user may not create"));
        }
        self.run_all(&[view.statement()], &|_| {}).await?;
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

    async fn switch(self: Box<Self>) -> Result<()> {
        self.pool.close().await;
        let mut guard = self.guard.lock().await;
        if let Err(mut error) = self.switch_over(&mut guard).await {
            // Whoever hears of a failed switch has nothing left to discard. After a lost reply nobody knows
            // whether this place is still needed: the next run does.
            if error.kind() != ErrorKind::Lost
                && let Err(also) = self.place.remove(&mut guard).await
            {
                error.push(also);
            }
            return Err(error);
        }
        self.clean_up(&mut guard).await;
        Ok(())
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        // Connections that are still at work keep their tables locked.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(10), self.pool.close()).await;
        let mut connection = self.link.connect(Role::Loader).await?;
        self.place.remove(&mut connection).await
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
