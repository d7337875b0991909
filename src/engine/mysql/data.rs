//! Rows into tables that are there: one transaction on one connection, read back in it, COMMIT is the switch. A table of
//! ours, whose only row the transaction changes, tells afterwards whether it was committed.

use async_trait::async_trait;
use sqlx::{Connection, MySqlConnection};
use tokio::sync::Mutex;

use super::connection::{Fields, Link, Role, number, rows, run};
use super::place::{self, Place};
use super::stage::orphans;
use super::types::{Rules, literal, quote};
use super::write::{self, Commit};
use super::{exchange, fault, native, read, replace};
use crate::engine::capability::{
    Facts, Naming, NotSwitched, OnStatement, Orphans, ReadRequest, Rules as _, Staging,
};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::engine::way_back;
use crate::model::change::{Change, Moved};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, TablePlan};

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
    let names: Vec<String> = plan.tables.iter().map(|table| table.name.clone()).collect();
    refuse_unfit_tables(&mut connection, &names).await?;
    let place = Place::prefix(run_id, &facts.namespace);
    place::hold_lock(&mut connection, &place).await?;
    let mark = place.switched_marker();
    make_mark(&mut connection, link, &mark, &place.run).await?;
    let begun = async {
        let mut change =
            Change::filling(run_id, plan.tables.iter().map(|table| table.name.as_str()), mark.clone());
        let script = rules.script(plan, &Naming::default());
        for (moved, table) in change.shown.iter_mut().zip(&plan.tables) {
            let of_table = script.last.iter().filter(|s| s.table.as_ref() == Some(&table.source));
            moved.follows = of_table.map(|statement| statement.sql.clone()).collect();
            moved.resets = resets(&mut connection, &moved.name).await?;
        }
        // Gathering statistics asks for no right that the load does not need.
        let alters = |sql: &String| sql.starts_with("ALTER TABLE ");
        let set_up = change.shown.iter().filter(|moved| moved.follows.iter().any(alters));
        may_alter(&mut connection, link, set_up).await?;
        run(&mut connection, "START TRANSACTION").await.map_err(|e| fault::writing("beginning", &e))?;
        refuse_rows(&mut connection, &names).await?;
        let sql = format!("UPDATE {} SET filled = 1", quote(&mark));
        run(&mut connection, &sql).await.map_err(|e| fault::writing("marking the run", &e))?;
        Ok(change)
    };
    let change = match begun.await {
        Ok(change) => change,
        Err(error) => return Err(given_up(connection, &mark, error).await),
    };
    Ok(Box::new(DataStage {
        change,
        connection: Mutex::new(connection),
        link: link.clone(),
        plan: plan.clone(),
        max_packet: facts.max_value_bytes,
    }))
}

/// Ends the transaction and removes its mark.
async fn given_up(mut connection: MySqlConnection, mark: &str, mut error: Error) -> Error {
    let _ = run(&mut connection, "ROLLBACK").await;
    if let Err(also) = drop_mark(&mut connection, mark).await {
        error.push(also);
    }
    error
}

/// Refuses where the right is missing to set the tables up once their rows are there: that cannot be part of the
/// transaction, and would be missing after it. An ALTER TABLE that alters nothing asks for it.
async fn may_alter(
    connection: &mut MySqlConnection,
    link: &Link,
    tables: impl Iterator<Item = &Moved>,
) -> Result<()> {
    for moved in tables {
        let sql = format!("ALTER TABLE {}", quote(&moved.name));
        if let Err(error) = run(connection, &sql).await {
            let what = format!("asking for the right to set the next value of table \"{}\"", moved.name);
            let error = fault::writing(&what, &error);
            return Err(match error.kind() {
                ErrorKind::Permission => error.next(place::grant(connection, link).await),
                _ => error,
            });
        }
    }
    Ok(())
}

/// The statement that lets a table's next value be what it is now, if it has one.
async fn resets(connection: &mut MySqlConnection, table: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT auto_increment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {} \
         AND auto_increment IS NOT NULL",
        literal(table)
    );
    let next = rows(connection, "the next values of the tables", &sql).await?;
    Ok(next
        .iter()
        .map(|row| format!("ALTER TABLE {} AUTO_INCREMENT = {}", quote(table), row.word(0)))
        .collect())
}

/// Makes the table that is going to tell whether the transaction was committed. Its row names the run, whose lock tells
/// whether it lives; it comes with the table, because a mark that nobody's name is on is nobody's to remove.
async fn make_mark(connection: &mut MySqlConnection, link: &Link, mark: &str, run_id: &str) -> Result<()> {
    let table = quote(mark);
    let make = format!(
        "CREATE TABLE {table} (run VARCHAR(64) NOT NULL, filled TINYINT NOT NULL) ENGINE=InnoDB \
         AS SELECT {} AS run, 0 AS filled",
        literal(run_id)
    );
    if let Err(error) = run(connection, &make).await {
        let error = fault::writing("making the marker of the run", &error);
        return Err(match error.kind() {
            ErrorKind::Permission => error.next(place::grant(connection, link).await),
            _ => error,
        });
    }
    Ok(())
}

async fn drop_mark(connection: &mut MySqlConnection, mark: &str) -> Result<()> {
    let sql = format!("DROP TABLE IF EXISTS {}", quote(mark));
    run(connection, &sql).await.map_err(|e| fault::writing("removing the marker of the run", &e))
}

/// Whether the transaction of a load was committed. While it is not ended, its change of the mark keeps this waiting.
pub async fn happened(connection: &mut MySqlConnection, mark: &str) -> Result<bool> {
    if !place::has_table(connection, "the marker of the run", mark).await? {
        return Ok(false);
    }
    let sql = format!("SELECT filled FROM {} LOCK IN SHARE MODE", quote(mark));
    Ok(number(connection, "the marker of the run", &sql).await? == 1)
}

/// Does what ends a transaction by itself and so comes after it, then removes the mark.
pub async fn settle(connection: &mut MySqlConnection, change: &Change, happened: bool) -> Result<()> {
    if happened {
        let shown = change.shown.iter().map(|moved| (moved, &moved.follows));
        let kept = change.kept.iter().map(|moved| (moved, &moved.resets));
        for (moved, statements) in shown.chain(kept) {
            for sql in statements {
                tracing::debug!(sql, "statement");
                run(connection, sql).await.map_err(|e| {
                    let what = format!(
                        "the rows are where they should be, but setting up table \"{}\" after them",
                        moved.name
                    );
                    // Whatever stopped it, the rows have changed: it is no refusal.
                    let error = fault::writing(&what, &e);
                    let error = match error.kind() {
                        ErrorKind::Permission => error.with_kind(ErrorKind::Write),
                        _ => error,
                    };
                    error.next(format!("run the same command again when that is mended; it runs {sql}"))
                })?;
            }
        }
    }
    // Rows that were to be kept are where they were, and rows that were kept are there again.
    drop_kept(connection, if happened { change.origins() } else { change.places() }).await?;
    drop_mark(connection, &change.mark).await
}

/// Removes databases that kept rows which are elsewhere.
async fn drop_kept(connection: &mut MySqlConnection, places: Vec<&str>) -> Result<()> {
    for place in places.into_iter().filter(|place| place::is_kept_database(place)) {
        let sql = format!("DROP DATABASE IF EXISTS {}", quote(place));
        run(connection, &sql).await.map_err(|e| fault::writing("removing a database of copies", &e))?;
    }
    Ok(())
}

/// The change that takes one back which filled tables: the rows go into a database of their own.
pub async fn back(
    connection: &mut MySqlConnection,
    target: &str,
    run_id: &str,
    change: &Change,
) -> Result<Change> {
    let mut holders = Vec::new();
    let outside = replace::keys_of_other_databases(connection).await?;
    for moved in &change.shown {
        if !place::has_table(connection, "what is to be taken back", &moved.name).await? {
            return Err(way_back::gone(format!(
                "table \"{}\" is not in database \"{target}\" any more",
                moved.name
            )));
        }
        let others = outside.onto(&moved.name);
        holders.extend(others.map(|holder| format!("{holder} (table \"{}\")", moved.name)));
        let triggers = format!(
            "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() \
             AND event_object_table = {} AND event_manipulation = 'DELETE' ORDER BY 1",
            literal(&moved.name)
        );
        let triggers = rows(connection, "the list of triggers", &triggers).await?;
        holders.extend(triggers.iter().map(|row| {
            format!("trigger \"{}\" of table \"{}\" would run for every row", row.word(0), moved.name)
        }));
    }
    way_back::refuse_held(&holders)?;
    let place = Place::database(run_id, target);
    let mut kept = Vec::new();
    for (at, moved) in change.shown.iter().rev().enumerate() {
        let follows = resets(connection, &moved.name).await?;
        kept.push(Moved { aside: place.kept(at, &moved.name), follows, ..moved.clone() });
    }
    Ok(Change { run: run_id.to_owned(), kept, mark: place.switched_marker(), ..Change::default() })
}

/// The change that takes one back which emptied tables: the rows that it kept come in again.
pub async fn again(
    connection: &mut MySqlConnection,
    target: &str,
    run_id: &str,
    change: &Change,
) -> Result<Change> {
    let mut shown = Vec::new();
    for moved in change.kept.iter().rev() {
        for (database, table) in [(target, &moved.name), (moved.aside.place.as_str(), &moved.aside.name)] {
            if written(connection, database, table).await?.is_empty() {
                return Err(way_back::gone(format!(
                    "table \"{table}\" is not in database \"{database}\" any more"
                )));
            }
        }
        shown.push(Moved { resets: resets(connection, &moved.name).await?, ..moved.clone() });
    }
    let mark = Place::database(run_id, target).switched_marker();
    Ok(Change { run: run_id.to_owned(), shown, mark, ..Change::default() })
}

/// Carries out what [`again`] has made: copies the rows back into tables that are empty, in one transaction.
pub async fn refill(
    mut connection: MySqlConnection,
    link: &Link,
    target: &str,
    change: &Change,
) -> Result<()> {
    let place = Place::database(&change.run, target);
    place::hold_lock(&mut connection, &place).await?;
    let names: Vec<String> = change.shown.iter().map(|moved| moved.name.clone()).collect();
    refuse_unfit_tables(&mut connection, &names).await?;
    let filled = async {
        make_mark(&mut connection, link, &change.mark, &place.run).await?;
        let mut steps = vec![format!("UPDATE {} SET filled = 1", quote(&change.mark))];
        for moved in &change.shown {
            let here = columns_of(&mut connection, target, &moved.name).await?;
            let there = columns_of(&mut connection, &moved.aside.place, &moved.aside.name).await?;
            way_back::refuse_reshaped(&moved.name, &here, &there, Column::takes, Column::shown)?;
            let columns = names_of(&here);
            let aside = place::at(&moved.aside);
            steps.push(format!(
                "INSERT INTO {} ({columns}) SELECT {columns} FROM {aside}",
                quote(&moved.name)
            ));
        }
        may_alter(&mut connection, link, change.shown.iter().filter(|moved| !moved.follows.is_empty()))
            .await?;
        run(&mut connection, "START TRANSACTION").await.map_err(|e| fault::writing("beginning", &e))?;
        refuse_rows(&mut connection, &names).await.map_err(way_back::mixed)?;
        for sql in steps {
            run(&mut connection, &sql).await.map_err(|e| fault::writing("bringing the rows back", &e))?;
        }
        way_back::refuse_orphans(&replace::rows_without_others(&mut connection, target, &names).await?)
    };
    let filled = filled.await;
    ended(connection, link, change, filled).await
}

/// Carries out what [`back`] has made: copies the rows and deletes them, in one transaction.
pub async fn empty(
    mut connection: MySqlConnection,
    link: &Link,
    target: &str,
    change: &Change,
) -> Result<()> {
    let place = Place::database(&change.run, target);
    place::hold_lock(&mut connection, &place).await?;
    if let Err(error) = exchange::make_places(&mut connection, target, change).await {
        return Err(match error.kind() {
            ErrorKind::Permission | ErrorKind::Login => {
                error.with_kind(ErrorKind::Permission).next(place::grant(&mut connection, link).await)
            }
            _ => error,
        });
    }
    let emptied = async {
        make_mark(&mut connection, link, &change.mark, &place.run).await?;
        let mut columns = Vec::new();
        for moved in &change.kept {
            let sql = format!("CREATE TABLE {} LIKE {}", place::at(&moved.aside), quote(&moved.name));
            run(&mut connection, &sql).await.map_err(|e| fault::writing("making room for the rows", &e))?;
            columns.push(written(&mut connection, target, &moved.name).await?);
        }
        may_alter(&mut connection, link, change.kept.iter().filter(|moved| !moved.resets.is_empty())).await?;
        // A statement that copies then locks what it reads, and the places in between.
        for sql in ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION"] {
            run(&mut connection, sql).await.map_err(|e| fault::writing("beginning", &e))?;
        }
        let mut steps = vec![format!("UPDATE {} SET filled = 1", quote(&change.mark))];
        for (moved, columns) in change.kept.iter().zip(&columns) {
            let aside = place::at(&moved.aside);
            let table = quote(&moved.name);
            steps.push(format!("INSERT INTO {aside} ({columns}) SELECT {columns} FROM {table}"));
        }
        for sql in steps {
            run(&mut connection, &sql).await.map_err(|e| fault::writing("keeping the rows", &e))?;
        }
        let names: Vec<String> = change.kept.iter().map(|moved| moved.name.clone()).collect();
        way_back::refuse_held(&replace::rows_of_others(&mut connection, target, &names).await?)?;
        for name in &names {
            let sql = format!("DELETE FROM {}", quote(name));
            run(&mut connection, &sql)
                .await
                .map_err(|e| fault::writing(&format!("emptying table \"{name}\""), &e))?;
        }
        Ok(())
    };
    let emptied = emptied.await;
    ended(connection, link, change, emptied).await
}

/// Commits what was done for a way back, or takes it back where it failed.
async fn ended(connection: MySqlConnection, link: &Link, change: &Change, done: Result<()>) -> Result<()> {
    if let Err(error) = done {
        close(connection).await;
        return Err(not_done(link, change, error).await);
    }
    match commit(connection, link, &change.mark).await {
        Err(error) if error.kind() != ErrorKind::Lost => Err(not_done(link, change, error).await),
        done => done,
    }
}

/// Removes what was made for a way back that has not happened. Where that fails too, the error becomes `Lost`, so that the
/// next run does it.
async fn not_done(link: &Link, change: &Change, mut error: Error) -> Error {
    let cleared = async {
        let mut connection = link.connect(Role::Loader).await?;
        drop_kept(&mut connection, change.places()).await?;
        drop_mark(&mut connection, &change.mark).await
    };
    match cleared.await {
        Ok(()) if error.kind() == ErrorKind::Lost => {
            error.with_kind(ErrorKind::Write).next("nothing has changed: run the same command again")
        }
        Ok(()) => error,
        Err(also) => {
            error.push(also);
            error.with_kind(ErrorKind::Lost)
        }
    }
}

/// The columns of a table that are written, each quoted; none where there is no such table.
async fn written(connection: &mut MySqlConnection, database: &str, table: &str) -> Result<String> {
    Ok(names_of(&columns_of(connection, database, table).await?))
}

/// A column that is written.
struct Column {
    /// Quoted.
    name: String,
    kind: String,
    /// Empty where it is no text.
    collation: String,
}

impl Column {
    /// Whether values go from one into the other as they are: the server rounds what has more digits than a column
    /// takes, and says nothing. A table made LIKE another has its types and collations, but a server that tells no
    /// widths of integers may still tell those of tables older than itself. Labels count to the letter.
    fn takes(&self, other: &Self) -> bool {
        let same_kind = self.kind == other.kind
            || (!self.kind.contains('\'') && native::is_same(&self.kind, &other.kind));
        self.name == other.name && self.collation == other.collation && same_kind
    }

    fn shown(&self) -> String {
        match self.collation.as_str() {
            "" => format!("{} {}", self.name, self.kind),
            collation => format!("{} {} COLLATE {collation}", self.name, self.kind),
        }
    }
}

fn names_of(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The columns of a table that are written; none where there is no such table.
async fn columns_of(connection: &mut MySqlConnection, database: &str, table: &str) -> Result<Vec<Column>> {
    let sql = format!(
        "SELECT column_name, column_type, collation_name FROM information_schema.columns WHERE table_schema = {} AND \
         table_name = {} AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position",
        literal(database),
        literal(table)
    );
    let columns = rows(connection, "the columns of the tables", &sql).await?;
    let column =
        |row: &Fields| Column { name: quote(&row.word(0)), kind: row.word(1), collation: row.word(2) };
    Ok(columns.iter().map(column).collect())
}

/// Commits. Where the answer is lost, or is an error, the mark is asked: while the server has not ended the transaction,
/// that waits.
async fn commit(mut connection: MySqlConnection, link: &Link, mark: &str) -> Result<()> {
    let Err(error) = run(&mut connection, "COMMIT").await else { return Ok(()) };
    let error = fault::writing("committing", &error);
    close(connection).await;
    let asked = async {
        let mut connection = link.connect(Role::Loader).await?;
        let happened = happened(&mut connection, mark).await?;
        if !happened {
            // What stays is found by the next run.
            let _ = drop_mark(&mut connection, mark).await;
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

async fn refuse_unfit_tables(connection: &mut MySqlConnection, names: &[String]) -> Result<()> {
    let planned = |name: &str| names.iter().any(|n| n == name);
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
    let triggers = "SELECT event_object_table, trigger_name FROM information_schema.triggers WHERE event_object_schema = \
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
async fn refuse_rows(connection: &mut MySqlConnection, names: &[String]) -> Result<()> {
    for name in names {
        let sql = format!("SELECT 1 FROM {} LIMIT 1 FOR UPDATE", quote(name));
        if !rows(connection, "a table of the target", &sql).await?.is_empty() {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("table \"{name}\" was empty and got rows by now"),
            )
            .next("stop the application that writes to the target, then run the same command again"));
        }
    }
    Ok(())
}

struct DataStage {
    change: Change,
    link: Link,
    connection: Mutex<MySqlConnection>,
    plan: Plan,
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
        Ok(self.change.clone())
    }

    async fn switch(self: Box<Self>, change: &Change) -> Result<(), NotSwitched> {
        Ok(commit(self.connection.into_inner(), &self.link, &change.mark).await?)
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        // The server rolls back what a closed connection did not commit.
        close(self.connection.into_inner()).await;
        drop_mark(&mut self.link.connect(Role::Loader).await?, &self.change.mark).await
    }
}

/// Closes a connection that may be lost, or still at work.
async fn close(connection: MySqlConnection) {
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
}
