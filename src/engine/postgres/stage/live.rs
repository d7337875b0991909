//! Staging for tables that are there already: one transaction that loads them. Nobody sees a row before COMMIT;
//! triggers stand still meanwhile, and foreign keys wait for the end, because tables arrive in any order.

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::sync::Mutex;

use super::exchange::make_kept;
use super::replace::{self, Given};
use super::{Outcome, commit, execute, outcome, run, transaction};
use crate::engine::capability::{NotSwitched, OnStatement, Orphans, ReadRequest, Staging};
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::fault::fault;
use crate::engine::postgres::types::quote;
use crate::engine::postgres::{read, write};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::engine::way_back;
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Script, TablePlan};

/// Triggers that fire and foreign keys that cannot wait, of the tables that are filled. What is found here is put
/// back by the second statement of each pair.
const GUARDS: &str = "
SELECT format('ALTER TABLE %I.%I DISABLE TRIGGER %I', n.nspname, c.relname, t.tgname) AS loosen,
       format('ALTER TABLE %I.%I ENABLE %s TRIGGER %I', n.nspname, c.relname,
              CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, t.tgname) AS tighten
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = ANY($2) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
UNION ALL
SELECT format('ALTER TABLE %I.%I ALTER CONSTRAINT %I DEFERRABLE INITIALLY DEFERRED', n.nspname, c.relname, k.conname),
       format('ALTER TABLE %I.%I ALTER CONSTRAINT %I NOT DEFERRABLE', n.nspname, c.relname, k.conname)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = ANY($2) AND k.contype = 'f' AND NOT k.condeferrable AND k.conparentid = 0";

/// Sequences of a table, each with its limits and, where that is a whole number, the column that takes values from it.
const SEQUENCES: &str = "
SELECT format('%I.%I', n.nspname, s.relname) AS name, q.seqincrement AS step, q.seqmin AS least, q.seqmax AS most,
       (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)) AS of_column
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_sequence q ON q.seqrelid = s.oid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  AND d.refobjid = format('%I.%I', $1::text, $2::text)::regclass ORDER BY 1";

/// Where the values of a table's sequences go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Where they are now.
    Now,
    /// There, or beyond the values that the rows have.
    BeyondRows,
}

/// Statements that let the sequences of a table go on from there; in contrast to `setval`, they are undone with their
/// transaction. One that is used up stays so.
pub(super) async fn resets(
    session: &mut PgConnection,
    namespace: &str,
    table: &str,
    from: Next,
) -> Result<Vec<String>, sqlx::Error> {
    let mut resets = Vec::new();
    for row in sqlx::query(SEQUENCES).bind(namespace).bind(table).fetch_all(&mut *session).await? {
        let name: String = row.try_get("name")?;
        let (step, least, most): (i64, i64, i64) =
            (row.try_get("step")?, row.try_get("least")?, row.try_get("most")?);
        let ask = format!("SELECT last_value, is_called FROM {name}");
        let (value, called): (i64, bool) =
            sqlx::query_as(AssertSqlSafe(ask)).fetch_one(&mut *session).await?;
        let mut next = if called { value.checked_add(step) } else { Some(value) };
        if let (Next::BeyondRows, Some(column)) = (from, row.try_get::<Option<String>, _>("of_column")?) {
            let farthest = if step > 0 { "max" } else { "min" };
            let (column, at) = (quote(&column), format!("{}.{}", quote(namespace), quote(table)));
            let ask = format!("SELECT {farthest}({column})::int8 FROM {at}");
            let used: Option<i64> = sqlx::query_scalar(AssertSqlSafe(ask)).fetch_one(&mut *session).await?;
            let beyond = used.and_then(|used| used.checked_add(step));
            next = match (next, beyond) {
                (Some(next), Some(beyond)) if step > 0 => Some(next.max(beyond)),
                (Some(next), Some(beyond)) => Some(next.min(beyond)),
                (next, _) => next,
            };
        }
        let next = next.filter(|next| (least..=most).contains(next));
        resets.extend(next.map(|next| format!("ALTER SEQUENCE {name} RESTART WITH {next}")));
    }
    Ok(resets)
}

/// Holds triggers and foreign keys of the tables back until the end of the transaction; answers with what puts them back.
async fn loosen(session: &mut PgConnection, namespace: &str, names: &[String]) -> Result<Vec<String>> {
    let failed = |e: &sqlx::Error| {
        let error = fault(ErrorKind::Write, "cannot hold triggers and foreign keys of the tables back", e);
        if error.kind() == ErrorKind::Permission {
            error.next("log in as the owner of the tables")
        } else {
            error
        }
    };
    let rows = sqlx::query(GUARDS).bind(namespace).bind(names).fetch_all(&mut *session).await;
    let mut tighten = Vec::new();
    for row in rows.map_err(|e| failed(&e))? {
        let loosen: String = row.try_get("loosen").map_err(|e| failed(&e))?;
        tighten.push(row.try_get("tighten").map_err(|e| failed(&e))?);
        execute(session, loosen).await.map_err(|e| failed(&e))?;
    }
    execute(session, "SET CONSTRAINTS ALL DEFERRED".into()).await.map_err(|e| failed(&e))?;
    Ok(tighten)
}

async fn run_all(session: &mut PgConnection, statements: &[String], what: &str) -> Result<()> {
    for sql in statements {
        execute(session, sql.clone()).await.map_err(|e| fault(ErrorKind::Write, what, &e))?;
    }
    Ok(())
}

/// Takes the rows out of tables again which a run has put there, in one transaction that keeps them aside; ends with
/// COMMIT. Rows of other tables that refer to them stop it.
pub(super) async fn empty(
    session: &mut PgConnection,
    connector: &Connector,
    namespace: &str,
    change: &Change,
) -> Result<()> {
    const WHAT: &str = "cannot empty the tables";
    let names: Vec<String> = change.kept.iter().map(|moved| moved.name.clone()).collect();
    run_all(session, &["BEGIN".into()], WHAT).await?;
    let keys = replace::release(session, namespace, &names, &[], Given::Keys).await?;
    let tighten = loosen(session, namespace, &names).await?;
    let place = |name: &String| format!("{}.{}", quote(namespace), quote(name));
    run_all(session, &make_kept(&change.mark), WHAT).await?;
    let keep = |name: &String| {
        format!("CREATE TABLE {}.{} AS TABLE {}", quote(&change.mark), quote(name), place(name))
    };
    run_all(session, &names.iter().map(keep).collect::<Vec<_>>(), WHAT).await?;
    let all = names.iter().map(place).collect::<Vec<_>>().join(", ");
    run_all(session, &[format!("TRUNCATE {all}")], WHAT).await?;
    for moved in &change.kept {
        run_all(session, &moved.resets, "cannot put the next values of the tables back").await?;
    }
    run_all(session, &tighten, "cannot put triggers and foreign keys back").await?;
    keys.run(session, None).await.map_err(|error| match error.kind() {
        ErrorKind::Value => error
            .with_kind(ErrorKind::Refused)
            .next("nothing was changed: rows of another table refer to those that would go"),
        _ => error,
    })?;
    let id = transaction(session).await.map_err(|e| fault(ErrorKind::Write, WHAT, &e))?;
    commit(session, connector, id, "the emptied tables").await
}

/// Columns of a table: the quoted name, the type with the collation where that is not the type's own, and whether it is
/// generated.
const COLUMNS: &str = "
SELECT quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) ||
       CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I.%I', n.nspname, c.collname) ELSE '' END
           AS kind, a.attgenerated <> '' AS generated
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE a.attrelid = format('%I.%I', $1::text, $2::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attname";

struct Column {
    /// Quoted.
    name: String,
    kind: String,
    generated: bool,
}

impl Column {
    /// Whether values go from one into the other as they are: the server rounds what has more digits than a column
    /// takes, and says nothing. CREATE TABLE AS keeps type and collation. A generated column is not written, and what
    /// was kept of it is plain, so its type does not count.
    fn takes(&self, other: &Self) -> bool {
        self.name == other.name && (self.kind == other.kind || self.generated || other.generated)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.name, self.kind)
    }
}

async fn columns(session: &mut PgConnection, schema: &str, table: &str) -> Result<Vec<Column>, sqlx::Error> {
    let columns: Vec<(String, String, bool)> =
        sqlx::query_as(COLUMNS).bind(schema).bind(table).fetch_all(session).await?;
    Ok(columns.into_iter().map(|(name, kind, generated)| Column { name, kind, generated }).collect())
}

/// Brings the rows back that [`empty`] has kept, into tables that are empty, in one transaction; ends with COMMIT.
pub(super) async fn refill(
    session: &mut PgConnection,
    connector: &Connector,
    namespace: &str,
    change: &Change,
) -> Result<()> {
    const WHAT: &str = "cannot bring the rows back";
    let failed = |e: &sqlx::Error| fault(ErrorKind::Write, WHAT, e);
    let names: Vec<String> = change.shown.iter().map(|moved| moved.name.clone()).collect();
    run_all(session, &["BEGIN".into(), replace::LOCK_TIMEOUT.into()], WHAT).await?;
    lock(session, namespace, &names).await?;
    replace::refuse_rows(session, namespace, &names).await.map_err(way_back::mixed)?;
    let tighten = loosen(session, namespace, &names).await?;
    run_all(session, &make_kept(&change.mark), WHAT).await?;
    for moved in &change.shown {
        let here = columns(session, namespace, &moved.name).await.map_err(|e| failed(&e))?;
        let there = columns(session, &moved.aside.place, &moved.name).await.map_err(|e| failed(&e))?;
        way_back::refuse_reshaped(&moved.name, &here, &there, Column::takes, Column::shown)?;
        let written = here.iter().filter(|column| !column.generated).map(|column| column.name.as_str());
        let written = written.collect::<Vec<_>>().join(", ");
        let table = format!("{}.{}", quote(namespace), quote(&moved.name));
        let kept = format!("{}.{}", quote(&moved.aside.place), quote(&moved.name));
        let insert =
            format!("INSERT INTO {table} ({written}) OVERRIDING SYSTEM VALUE SELECT {written} FROM {kept}");
        run_all(session, &[insert], WHAT).await?;
        // A rule of the table may have made something else of it.
        let ask = format!("SELECT (SELECT count(*) FROM {table}) = (SELECT count(*) FROM {kept})");
        let whole: bool =
            sqlx::query_scalar(AssertSqlSafe(ask)).fetch_one(&mut *session).await.map_err(|e| failed(&e))?;
        if !whole {
            return Err(Error::new(ErrorKind::Refused, format!("not every row came back into {table}"))
                .next("nothing was changed: drop the rules of the table first"));
        }
        let mut then = vec![format!("DROP TABLE {kept}")];
        then.extend(moved.follows.iter().cloned());
        run_all(session, &then, WHAT).await?;
        let beyond =
            resets(session, namespace, &moved.name, Next::BeyondRows).await.map_err(|e| failed(&e))?;
        run_all(session, &beyond, WHAT).await?;
    }
    execute(session, "SET CONSTRAINTS ALL IMMEDIATE".into()).await.map_err(|e| {
        let error = fault(ErrorKind::Write, "the rows refer to some that are not there any more", &e);
        match error.kind() {
            ErrorKind::Value => error
                .with_kind(ErrorKind::Refused)
                .next("nothing was changed: put the rows there again first that they refer to"),
            _ => error,
        }
    })?;
    run_all(session, &tighten, "cannot put triggers and foreign keys back").await?;
    let id = transaction(session).await.map_err(|e| failed(&e))?;
    commit(session, connector, id, "the rows").await
}

/// Lets nobody else write to the tables until the end of the transaction.
async fn lock(session: &mut PgConnection, namespace: &str, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let list: Vec<String> =
        names.iter().map(|name| format!("{}.{}", quote(namespace), quote(name))).collect();
    let sql = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", list.join(", "));
    execute(session, sql).await.map_err(|e| cannot_lock(namespace, &e))
}

fn cannot_lock(namespace: &str, cause: &sqlx::Error) -> Error {
    let error = fault(ErrorKind::Write, "cannot lock the tables that are to be filled", cause);
    if error.kind() == ErrorKind::Permission {
        error.next(format!("log in as the owner of the tables in schema {namespace:?}"))
    } else {
        error
    }
}

/// How the mark of such a load begins; the number of its transaction follows, of which the server tells afterwards
/// whether it was committed.
const TRANSACTION: &str = "transaction:";

/// The transaction that the mark of a change names.
pub(super) fn transaction_of(change: &Change) -> Option<i64> {
    change.mark.strip_prefix(TRANSACTION)?.parse().ok()
}

/// Whether the transaction of a load was committed.
pub(super) async fn is_committed(connector: &Connector, transaction: i64) -> Result<bool> {
    let ask = format!("SELECT txid_status({transaction})");
    match outcome(connector, transaction).await {
        Some(Outcome::Committed) => Ok(true),
        Some(Outcome::Aborted) => Ok(false),
        Some(Outcome::Forgotten) => {
            Err(Error::new(ErrorKind::Refused, "the server does not know any more whether rows were loaded")
                .why(format!("{ask} tells nothing: it was too long ago"))
                .next("look at the tables, then move the record of that run out of the folder history"))
        }
        None => {
            Err(Error::new(ErrorKind::Busy, "the server has not ended the transaction of an earlier run")
                .why(format!("{ask} gives no end at {}", connector.shown()))
                .next("run the same command again when it has; pg_terminate_backend ends its session"))
        }
    }
}

/// One transaction over the tables that are there.
pub(super) struct LiveStaging {
    change: Change,
    connector: Connector,
    namespace: String,
    plan: Plan,
    script: Script,
    state: Mutex<State>,
}

struct State {
    session: PgConnection,
    transaction: i64,
    tighten: Vec<String>,
}

impl LiveStaging {
    /// Begins the transaction and locks the tables against other writers.
    pub(super) async fn open(
        connector: &Connector,
        namespace: &str,
        run: &str,
        plan: &Plan,
        script: Script,
    ) -> Result<Self> {
        let mut session = connector.session().await?;
        let names: Vec<String> = plan.tables.iter().map(|t| t.name.clone()).collect();
        execute(&mut session, "BEGIN".into()).await.map_err(|e| cannot_lock(namespace, &e))?;
        lock(&mut session, namespace, &names).await?;
        let transaction = transaction(&mut session).await.map_err(|e| cannot_lock(namespace, &e))?;
        replace::refuse_rows(&mut session, namespace, &names).await?;
        let mark = format!("{TRANSACTION}{transaction}");
        let mut change = Change::filling(run, names.iter().map(String::as_str), mark);
        for moved in &mut change.shown {
            moved.resets = resets(&mut session, namespace, &moved.name, Next::Now)
                .await
                .map_err(|e| fault(ErrorKind::Read, "cannot look at the sequences of the tables", &e))?;
        }
        Ok(Self {
            change,
            connector: connector.clone(),
            namespace: namespace.to_owned(),
            plan: plan.clone(),
            script,
            state: Mutex::new(State { session, transaction, tighten: Vec::new() }),
        })
    }

    fn table(&self, name: &str) -> String {
        format!("{}.{}", quote(&self.namespace), quote(name))
    }
}

#[async_trait]
impl Staging for LiveStaging {
    async fn create(&self) -> Result<()> {
        let names: Vec<String> = self.plan.tables.iter().map(|t| t.name.clone()).collect();
        let mut state = self.state.lock().await;
        state.tighten = loosen(&mut state.session, &self.namespace, &names).await?;
        Ok(())
    }

    async fn write(&self, table: &TablePlan, mut rows: BatchReceiver) -> Result<u64> {
        let mut state = self.state.lock().await;
        write::copy_in(&mut state.session, &self.table(&table.name), table, None, &mut rows).await
    }

    async fn finish(&self, on_statement: OnStatement<'_>) -> Result<()> {
        let mut state = self.state.lock().await;
        on_statement("foreign keys");
        execute(&mut state.session, "SET CONSTRAINTS ALL IMMEDIATE".into())
            .await
            .map_err(|e| fault(ErrorKind::Write, "a foreign key of the target does not hold", &e))?;
        let tighten = std::mem::take(&mut state.tighten);
        run_all(&mut state.session, &tighten, "cannot put triggers and foreign keys back").await?;
        for statement in &self.script.last {
            on_statement(&statement.what);
            run(&mut state.session, statement).await?;
        }
        Ok(())
    }

    async fn gather_statistics(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        for statement in &self.script.statistics {
            run(&mut state.session, statement).await?;
        }
        Ok(())
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let mut state = self.state.lock().await;
        read::copy_out(&mut state.session, &self.table(&request.table), request, &to).await
    }

    async fn orphans(&self) -> Result<Vec<Orphans>> {
        Ok(Vec::new())
    }

    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        Ok(None)
    }

    async fn change(&self) -> Result<Change> {
        Ok(self.change.clone())
    }

    async fn switch(self: Box<Self>, _change: &Change) -> Result<(), NotSwitched> {
        let mut state = self.state.into_inner();
        if !state.tighten.is_empty() {
            return Err(Error::internal("the load was not finished before the switch").into());
        }
        let Err(cause) = execute(&mut state.session, "COMMIT".into()).await else {
            let _ = state.session.close().await;
            return Ok(());
        };
        let error = fault(ErrorKind::Write, "cannot make the loaded rows visible", &cause);
        if error.kind() != ErrorKind::Lost {
            return Err(error.into());
        }
        match outcome(&self.connector, state.transaction).await {
            Some(Outcome::Committed) => Ok(()),
            Some(Outcome::Aborted) => {
                let next = "nothing has changed: run the same command again";
                Err(error.with_kind(ErrorKind::Write).next(next).into())
            }
            Some(Outcome::Forgotten) | None => Err(error.into()),
        }
    }

    /// The end of the session is the end of its transaction; ROLLBACK only makes it sooner.
    async fn discard(self: Box<Self>) -> Result<()> {
        let mut state = self.state.into_inner();
        let _ = tokio::time::timeout(
            std::time::Duration::from_secs(5),
            execute(&mut state.session, "ROLLBACK".into()),
        )
        .await;
        let _ = state.session.close_hard().await;
        Ok(())
    }
}
