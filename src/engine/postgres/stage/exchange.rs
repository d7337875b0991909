//! The switch: one transaction of `SET SCHEMA` that moves tables out of sight and others in their place. A migration
//! moves staged tables in, its way back moves the old ones in again. What gives way is kept in a schema that the same
//! transaction makes and that names the run: where it is, the switch has happened.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::journal::Ledger;
use super::replace::{self, Given};
use super::{
    PREFIX, check_rights, commit, execute, journal, live, schema_of, session_again, staying, transaction,
    whole,
};
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::ddl::literal;
use crate::engine::postgres::fault::{code, fault};
use crate::engine::postgres::on_update;
use crate::engine::postgres::types::quote;
use crate::engine::staying::refuse_orphans;
use crate::engine::way_back;
use crate::model::change::{Aside, Change, Kind, Moved};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::Plan;
use crate::model::schema::ObjectKind;
use crate::model::view::ViewPlan;

/// Every schema begins so in which something is kept.
const KEPT: &str = "techcare_db_kept_";

/// What such a schema says of itself.
const COMMENT: &str = "techcare-db: what a run put out of the way; techcare-db rollback needs it";

/// Whether an object is where it should be.
const THERE: &str = "
SELECT CASE $3 WHEN 'type' THEN EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
                                        WHERE n.nspname = $1 AND t.typname = $2)
               WHEN 'collation' THEN EXISTS (SELECT FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
                                             WHERE n.nspname = $1 AND c.collname = $2)
               WHEN 'function' THEN EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                                            WHERE n.nspname = $1 AND p.proname = $2)
               ELSE EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                            WHERE n.nspname = $1 AND c.relname = $2
                              AND CASE $3 WHEN 'view' THEN c.relkind = 'v' WHEN 'materialized view' THEN c.relkind = 'm'
                                      WHEN 'sequence' THEN c.relkind = 'S' ELSE c.relkind IN ('r', 'p') END) END";

/// Name of the schema in which a run keeps what gave way.
pub(super) fn kept_schema(run: &str) -> String {
    schema_of(KEPT, run)
}

/// An object with the schema in which it stands out of sight.
pub(super) fn moved(kind: Kind, name: &str, place: &str) -> Moved {
    Moved::new(kind, name.to_owned(), Aside { place: place.to_owned(), name: name.to_owned() })
}

fn names<'a>(moved: impl Iterator<Item = &'a Moved>) -> Vec<String> {
    let mut names: Vec<String> = moved.map(|m| m.name.clone()).collect();
    // In one order, so that two switches cannot wait for each other.
    names.sort();
    names
}

/// The change that shows a plan's objects, which stand in the schema `staged` now.
pub(super) async fn of_plan(
    session: &mut PgConnection,
    namespace: &str,
    run: &str,
    staged: &str,
    plan: &Plan,
    views: &[ViewPlan],
) -> Result<Change> {
    let kept = kept_schema(run);
    let types = plan.types.iter().map(|t| (Kind::Type, &t.name));
    let tables = plan.tables.iter().map(|t| (Kind::Table, &t.name));
    let functions: Vec<String> = plan
        .tables
        .iter()
        .filter(|t| on_update::has_trigger(t))
        .map(|t| on_update::function(&t.name))
        .collect();
    // What guards a table goes with it.
    let apart = |kind| !matches!(kind, ObjectKind::Setting | ObjectKind::Constraint);
    let objects = plan.objects.iter().filter(|o| apart(o.kind));
    let objects = objects.map(|o| (kind_of(o.kind), &o.name));
    let views = views.iter().map(|v| (kind_of(v.kind), &v.name));
    let mut change = Change {
        run: run.to_owned(),
        shown: types
            .chain(tables)
            .chain(functions.iter().map(|name| (Kind::Function, name)))
            .chain(objects)
            .chain(views)
            .map(|(kind, name)| moved(kind, name, staged))
            .collect(),
        kept: plan.tables.iter().filter(|t| t.replaces).map(|t| moved(Kind::Table, &t.name, &kept)).collect(),
        mark: kept.clone(),
        ..Change::default()
    };
    let old = names(change.tables_kept());
    change.again = replace::keys_onto_others(session, namespace, &old).await.map_err(|e| {
        fault(ErrorKind::Read, "cannot look at the foreign keys of the target's own tables", &e)
    })?;
    let functions = replace::functions(session, namespace, &old)
        .await
        .map_err(|e| fault(ErrorKind::Read, "cannot look at the triggers of the target's own tables", &e))?;
    change.kept.extend(functions.iter().map(|name| moved(Kind::Function, name, &kept)));
    Ok(change)
}

/// The kind of what stands beside the tables.
pub(super) const fn kind_of(kind: ObjectKind) -> Kind {
    match kind {
        ObjectKind::View => Kind::View,
        ObjectKind::MaterializedView => Kind::MaterializedView,
        ObjectKind::Collation => Kind::Collation,
        ObjectKind::Type => Kind::Type,
        _ => Kind::Sequence,
    }
}

/// A switch that is about to be made.
pub(super) struct Exchange<'a> {
    pub connector: &'a Connector,
    pub namespace: &'a str,
    pub change: &'a Change,
    /// Those of the tables that give way which must have no row.
    pub still_empty: Vec<String>,
    /// The staging schema that everything comes from. That it can be dropped in the end is the proof that nothing was left
    /// behind.
    pub staging: Option<&'a str>,
    /// The journal of the run that has staged them, if it keeps one: whoever has taken it over has them now.
    pub fence: Option<&'a Ledger>,
    /// What of that which stood on the old tables the new ones get.
    pub given: Given,
}

impl Exchange<'_> {
    /// Makes it; ends with COMMIT.
    pub async fn run(&self, session: &mut PgConnection) -> Result<()> {
        let failed = |e: &sqlx::Error| fault(ErrorKind::Write, "cannot switch the tables", e);
        let Change { shown, kept, mark, .. } = self.change;
        execute(session, "BEGIN".into()).await.map_err(|e| failed(&e))?;
        if let Some(ledger) = self.fence {
            ledger.hold(session).await?;
        }
        let old = names(self.change.tables_kept());
        let restore = replace::release(session, self.namespace, &old, &self.still_empty, self.given).await?;
        let outward =
            replace::keys_onto_others(session, self.namespace, &old).await.map_err(|e| failed(&e))?;
        for key in outward {
            let table = format!("{}.{}", quote(self.namespace), quote(&key.table));
            let sql = format!("ALTER TABLE {table} DROP CONSTRAINT {}", quote(&key.name));
            execute(session, sql).await.map_err(|e| failed(&e))?;
        }
        for sql in make_kept(mark) {
            execute(session, sql).await.map_err(|e| failed(&e))?;
        }
        for moved in kept {
            execute(session, to_schema(moved, self.namespace, mark)).await.map_err(|e| failed(&e))?;
        }
        // A table that somebody dropped has left its function behind; one that is in use is not dropped.
        let left = shown.iter().filter(|moved| moved.kind == Kind::Function && self.given == Given::All);
        for moved in left {
            let name = format!("{}.{}", quote(self.namespace), quote(&moved.name));
            execute(session, format!("DROP FUNCTION IF EXISTS {name}()")).await.map_err(|e| failed(&e))?;
        }
        for moved in shown {
            let sql = to_schema(moved, &moved.aside.place, self.namespace);
            execute(session, sql).await.map_err(|e| failed(&e))?;
        }
        restore.run(session, Some(self.namespace)).await?;
        for key in &self.change.restores {
            execute(session, key.sql.clone()).await.map_err(|e| {
                let what = format!("cannot make foreign key {:?} of table {:?} again", key.name, key.table);
                fault(ErrorKind::Write, what, &e).with_kind(ErrorKind::Refused)
            })?;
        }
        if let Some(staging) = self.staging {
            execute(session, journal::removal(staging)).await.map_err(|e| failed(&e))?;
            execute(session, format!("DROP SCHEMA {}", quote(staging))).await.map_err(|e| failed(&e))?;
        }
        let id = transaction(session).await.map_err(|e| failed(&e))?;
        commit(session, self.connector, id, "the tables").await
    }
}

/// Statements that make a schema in which something is kept.
pub(super) fn make_kept(schema: &str) -> [String; 2] {
    let name = quote(schema);
    [format!("CREATE SCHEMA {name}"), format!("COMMENT ON SCHEMA {name} IS {}", literal(COMMENT))]
}

/// ALTER … SET SCHEMA.
fn to_schema(moved: &Moved, from: &str, to: &str) -> String {
    // A function may be a procedure or an aggregate as well.
    let kind = if moved.kind == Kind::Function { "ROUTINE".into() } else { moved.kind.word().to_uppercase() };
    format!("ALTER {kind} {}.{} SET SCHEMA {}", quote(from), quote(&moved.name), quote(to))
}

/// Whether the switch of a change has happened.
pub(in crate::engine::postgres) async fn happened(connector: &Connector, change: &Change) -> Result<bool> {
    if let Some(transaction) = live::transaction_of(change) {
        return live::is_committed(connector, transaction).await;
    }
    let mut session = session_again(connector).await?;
    let there = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(&change.mark)
        .fetch_one(&mut session)
        .await
        .map_err(|e| fault(ErrorKind::Read, "cannot look whether the switch has happened", &e));
    let _ = session.close().await;
    there
}

/// Drops the schemas in which nothing is kept: that of a change that keeps nothing, which was made to say that the
/// switch has happened, and those that the change has emptied.
pub(in crate::engine::postgres) async fn settle(connector: &Connector, change: &Change) -> Result<()> {
    let mut places = change.origins();
    places.retain(|place| place.starts_with(KEPT));
    if change.kept.is_empty() && live::transaction_of(change).is_none() {
        places.push(&change.mark);
    }
    if places.is_empty() {
        return Ok(());
    }
    let mut session = session_again(connector).await?;
    for place in places {
        let dropped = execute(&mut session, format!("DROP SCHEMA IF EXISTS {}", quote(place))).await;
        match dropped {
            // Somebody has put something there.
            Err(e) if code(&e).as_deref() == Some("2BP01") => {}
            done => done.map_err(|e| {
                fault(ErrorKind::Write, format!("cannot remove the empty schema {}", quote(place)), &e)
            })?,
        }
    }
    let _ = session.close().await;
    Ok(())
}

/// Drops the schemas of ours in which nothing is kept; answers which.
pub(super) async fn clear_marks(session: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    const EMPTY: &str = "
SELECT n.nspname::text FROM pg_namespace n
WHERE n.nspname LIKE 'techcare\\_db\\_kept\\_%' AND obj_description(n.oid, 'pg_namespace') = $1
  AND pg_has_role(n.nspowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)";
    let schemas: Vec<String> = sqlx::query_scalar(EMPTY).bind(COMMENT).fetch_all(&mut *session).await?;
    for schema in &schemas {
        execute(session, format!("DROP SCHEMA IF EXISTS {}", quote(schema))).await?;
    }
    Ok(schemas.into_iter().map(|schema| format!("schema {schema}")).collect())
}

/// The change that takes another one back.
pub(in crate::engine::postgres) async fn back(
    connector: &Connector,
    namespace: &str,
    run: &str,
    change: &Change,
) -> Result<Change> {
    let mut session = connector.session().await?;
    check_rights(&mut session, connector, namespace).await?;
    let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot look at what is to be taken back", e);
    let kept = kept_schema(run);
    let aside = |moved: &Moved| Moved {
        aside: Aside { place: kept.clone(), name: moved.name.clone() },
        ..moved.clone()
    };
    let visible = change.shown.iter().chain(change.tables_of_rows()).map(|moved| (moved, namespace));
    let hidden = change.kept.iter().map(|moved| (moved, moved.aside.place.as_str()));
    for (moved, place) in visible.chain(hidden) {
        let there: bool = sqlx::query_scalar(THERE)
            .bind(place)
            .bind(&moved.name)
            .bind(moved.kind.word())
            .fetch_one(&mut session)
            .await
            .map_err(|e| failed(&e))?;
        if !there {
            let kind = moved.kind.word();
            return Err(way_back::gone(format!(
                "{kind} {:?} is not in schema {place:?} any more",
                moved.name
            )));
        }
    }
    let tables = names(change.tables_shown());
    let old = names(change.tables_kept());
    let without_heir: Vec<String> = tables.iter().filter(|name| !old.contains(name)).cloned().collect();
    let views =
        names(change.shown.iter().filter(|moved| matches!(moved.kind, Kind::View | Kind::MaterializedView)));
    let mut holders = replace::keys_of_others(&mut session, namespace, &tables, &without_heir)
        .await
        .map_err(|e| failed(&e))?;
    let there = whole::objects(&mut session, namespace).await.map_err(|e| failed(&e))?;
    let goes =
        |(kind, name): &(Kind, String)| change.shown.iter().any(|m| m.kind == *kind && m.name == *name);
    if change.whole && there.iter().all(goes) {
        holders.extend(whole::holders(&mut session, namespace).await.map_err(|e| failed(&e))?);
    } else {
        for table in &tables {
            let found =
                replace::holders(&mut session, namespace, table, &views).await.map_err(|e| failed(&e))?;
            holders.extend(found.into_iter().map(|holder| format!("{holder} depends on table {table:?}")));
        }
    }
    way_back::refuse_held(&holders)?;
    let references =
        staying::references(&mut session, namespace, &tables, &old).await.map_err(|e| failed(&e))?;
    for place in change.places() {
        let orphans = staying::orphans(&mut session, &references, place).await.map_err(|e| failed(&e))?;
        refuse_orphans(&orphans)?;
    }
    let again = replace::keys_onto_others(&mut session, namespace, &tables).await.map_err(|e| failed(&e))?;
    let mut back = Change {
        run: run.to_owned(),
        shown: change.kept.clone(),
        // What was made last goes first: a view before its tables.
        kept: change.shown.iter().rev().map(aside).collect(),
        again,
        restores: change.again.clone(),
        whole: change.whole,
        mark: kept.clone(),
        ..Change::default()
    };
    for moved in back.shown.iter_mut().filter(|moved| moved.kind == Kind::Rows) {
        moved.resets = live::resets(&mut session, namespace, &moved.name, live::Next::Now)
            .await
            .map_err(|e| failed(&e))?;
    }
    for moved in back.kept.iter_mut().filter(|moved| moved.kind == Kind::Rows) {
        moved.follows = live::resets(&mut session, namespace, &moved.name, live::Next::Now)
            .await
            .map_err(|e| failed(&e))?;
    }
    let _ = session.close().await;
    Ok(back)
}

/// Carries out what [`back`] or [`whole::change`] has made.
pub(in crate::engine::postgres) async fn exchange(
    connector: &Connector,
    namespace: &str,
    change: &Change,
) -> Result<()> {
    let mut session = connector.session().await?;
    if change.is_of_rows() {
        let done = if change.is_emptying() {
            live::empty(&mut session, connector, namespace, change).await
        } else {
            live::refill(&mut session, connector, namespace, change).await
        };
        let _ = if done.is_ok() { session.close().await } else { session.close_hard().await };
        return done;
    }
    // What a run has staged is new, what was kept has been here before: both have all that stands on them.
    let staging = change.origins().into_iter().find(|place| place.starts_with(PREFIX));
    let exchange = Exchange {
        connector,
        namespace,
        change,
        still_empty: Vec::new(),
        staging,
        fence: None,
        given: Given::Keys,
    };
    let done = exchange.run(&mut session).await;
    // The end of the session is the end of a transaction that was not committed.
    let _ = if done.is_ok() { session.close().await } else { session.close_hard().await };
    done
}
