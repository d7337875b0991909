//! The switch: one RENAME TABLE that moves tables out of sight, others in their place, and a marker with them. Where
//! the marker is in the target, the switch has happened; a lost reply is settled by looking for it. Foreign keys
//! between what goes and what stays are mended afterwards, because no RENAME does that.

use std::collections::BTreeMap;

use sqlx::MySqlConnection;

use super::connection::{Link, Role, WAIT_TIMEOUT, number, rows, run};
use super::place::{
    self, Place, at, count_kept, is_kept_database, is_staging_database, make_kept, qualified,
};
use super::staying::{Watched, When};
use super::types::{Rules, literal, quote};
use super::{fault, privileges, programs, replace};
use crate::engine::way_back;
use crate::model::change::{Aside, Change, Kind, Moved};
use crate::model::error::{Error, ErrorKind, Result};

/// How often the switch is tried while another session holds a lock.
const TRIES: u32 = 3;

/// Seconds after which the server ends a session that has locked tables and says nothing.
const LOCKED_WAIT: u32 = 30;

/// What RENAME TABLE moves: tables, and sequences, which are tables to the server.
fn renamed(moved: &[Moved]) -> impl Iterator<Item = &Moved> {
    moved.iter().filter(|moved| matches!(moved.kind, Kind::Table | Kind::Sequence))
}

/// The steps of the switch: from where to where.
fn renames(target: &str, change: &Change, marker: &Aside) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for moved in renamed(&change.kept) {
        pairs.push((qualified(target, &moved.name), at(&moved.aside)));
    }
    for moved in renamed(&change.shown) {
        pairs.push((at(&moved.aside), qualified(target, &moved.name)));
    }
    pairs.push((at(marker), qualified(target, &change.mark)));
    pairs
}

fn statement(pairs: &[(String, String)]) -> String {
    let list: Vec<String> = pairs.iter().map(|(from, to)| format!("{from} TO {to}")).collect();
    format!("RENAME TABLE {}", list.join(", "))
}

/// Counts tries while another session holds a lock.
#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Whether what failed is worth another one.
    fn again(&mut self, error: &Error) -> bool {
        self.0 += 1;
        error.kind() == ErrorKind::Busy && self.0 < TRIES
    }
}

/// Has a session give up soon where somebody holds a lock: whoever comes after it waits behind it.
pub async fn be_brief(connection: &mut MySqlConnection) -> Result<()> {
    let sql = "SET SESSION lock_wait_timeout=10, innodb_lock_wait_timeout=10";
    run(connection, sql).await.map_err(|e| fault::writing("the switch", &e))
}

/// Makes the switch, unless something would be lost by it; tried again while somebody holds a lock. Answers whether nobody
/// could write between the look and the switch.
pub async fn rename(
    connection: &mut MySqlConnection,
    link: &Link,
    rules: &Rules,
    target: &str,
    change: &Change,
    marker: &Aside,
) -> Result<bool> {
    be_brief(connection).await?;
    let watched = Watched::of(connection, target, change).await?;
    let mut tries = Tries::default();
    loop {
        match try_rename(connection, rules, target, change, marker, &watched).await {
            Err(error) if tries.again(&error) => {}
            Err(error) if error.kind() == ErrorKind::Lost => {
                *connection = link.connect(Role::Loader).await.map_err(|mut unreachable| {
                    unreachable.push(Error::new(
                        ErrorKind::Lost,
                        "the server went away during the switch: whether it happened shows in the target",
                    ));
                    unreachable.with_kind(ErrorKind::Lost)
                })?;
                return if happened(connection, change).await? { Ok(false) } else { Err(error) };
            }
            done => return done,
        }
    }
}

/// One try of it, with every table locked where the server renames tables that are: MySQL does from 8.0.13 on, MariaDB does not.
async fn try_rename(
    connection: &mut MySqlConnection,
    rules: &Rules,
    target: &str,
    change: &Change,
    marker: &Aside,
    watched: &Watched<'_>,
) -> Result<bool> {
    let is_locked = rules.renames_locked()
        && !watched.is_nothing()
        && lock(connection, target, change, marker, watched).await?;
    let switched = async {
        watched.refuse(connection, When::Now).await?;
        let sql = statement(&renames(target, change, marker));
        run(connection, &sql).await.map_err(|e| fault::writing("switching the tables", &e))?;
        // Until they are led to the new tables, foreign keys of others let rows in that refer to the old ones. What fails here
        // is done again once the switch is written down.
        if is_locked && let Err(error) = replace::lead_keys(connection, rules, target, change).await {
            tracing::debug!(%error, "leading foreign keys under the lock");
        }
        Ok(())
    };
    let switched = switched.await;
    if is_locked {
        let sql = format!("UNLOCK TABLES; SET SESSION wait_timeout={WAIT_TIMEOUT}");
        let unlocked = run(connection, &sql).await;
        // With the session the locks are gone, too.
        switched.and(
            unlocked.map_err(|e| fault::writing("unlocking the tables", &e).with_kind(ErrorKind::Lost)),
        )?;
    } else {
        switched?;
    }
    Ok(is_locked)
}

/// Locks all tables of the switch, and those whose rows refer to them; `false` if this account may not.
async fn lock(
    connection: &mut MySqlConnection,
    target: &str,
    change: &Change,
    marker: &Aside,
    watched: &Watched<'_>,
) -> Result<bool> {
    let mut tables: Vec<String> = renames(target, change, marker).into_iter().map(|(from, _)| from).collect();
    tables.extend(watched.staying().into_iter().map(|table| qualified(target, table)));
    // If this program is stopped or cut off in between, the server ends the session, and the locks with it.
    let sql =
        format!("SET SESSION wait_timeout={LOCKED_WAIT}; LOCK TABLES {} WRITE", tables.join(" WRITE, "));
    let Err(error) = run(connection, &sql).await else {
        return Ok(true);
    };
    let error = fault::writing("locking the tables for the switch", &error);
    if error.kind() == ErrorKind::Lost {
        return Err(error);
    }
    let sql = format!("SET SESSION wait_timeout={WAIT_TIMEOUT}");
    run(connection, &sql).await.map_err(|e| fault::writing("the switch", &e))?;
    if error.kind() == ErrorKind::Busy {
        return Err(error);
    }
    tracing::debug!(%error, "the switch goes without a lock");
    Ok(false)
}

/// Takes the switch back at once, before this program has told anybody of it. An application may have found the tables
/// all the same, where some were before, and have written to them: they are kept then, and the answer is where. `Lost` if
/// it cannot be done: then the switch stands, and the next run sees to the rest.
pub async fn rename_back(connection: &mut MySqlConnection, place: &Place, change: &Change) -> Result<Change> {
    let forth = renames(&place.target, change, &place.marker_aside());
    let mut back: Vec<(String, String)> = forth.into_iter().rev().map(|(from, to)| (to, from)).collect();
    let mut withdrawn = Vec::new();
    if change.tables_kept().next().is_some() {
        for (n, moved) in renamed(&change.shown).enumerate() {
            let aside = place.withdrawn(change.kept.len() + n, &moved.name);
            back.push((at(&moved.aside), at(&aside)));
            withdrawn.push(Moved { aside, ..moved.clone() });
        }
    }
    let (sql, mut tries) = (statement(&back), Tries::default());
    while let Err(error) = run(connection, &sql).await {
        let error = fault::writing("taking the switch back", &error);
        if !tries.again(&error) {
            return Err(error.with_kind(ErrorKind::Lost));
        }
    }
    Ok(Change { run: change.run.clone(), kept: withdrawn, ..Change::default() })
}

/// Makes the databases in which something will be kept.
pub async fn make_places(connection: &mut MySqlConnection, target: &str, change: &Change) -> Result<()> {
    for place in change.places().into_iter().filter(|place| is_kept_database(place)) {
        for sql in make_kept(place, &change.run, target) {
            run(connection, &sql)
                .await
                .map_err(|e| fault::writing("making room for the tables that give way", &e))?;
        }
    }
    Ok(())
}

/// Removes those of a change's places in which nothing is left.
pub async fn remove_empty_places(connection: &mut MySqlConnection, change: &Change) -> Result<()> {
    // What a change keeps is never where it takes from.
    let places = change.places().into_iter().chain(change.origins());
    for place in places.filter(|place| is_kept_database(place) || is_staging_database(place)) {
        if number(connection, "what is kept", &count_kept(place)).await? == 0 {
            let sql = format!("DROP DATABASE IF EXISTS {}", quote(place));
            run(connection, &sql).await.map_err(|e| fault::writing("removing an empty database", &e))?;
        }
    }
    Ok(())
}

/// The statements that drop what a change keeps.
pub fn dropping(change: &Change) -> Vec<String> {
    let databases = change.places().into_iter().filter(|place| is_kept_database(place));
    let mut statements: Vec<String> =
        databases.map(|place| format!("DROP DATABASE {}", quote(place))).collect();
    let beside = renamed(&change.kept).filter(|moved| !is_kept_database(&moved.aside.place));
    statements.extend(beside.map(|moved| format!("DROP TABLE {}", at(&moved.aside))));
    statements
}

/// Whether the switch of a change has happened. Where a run of another TechCare folder has cleared the marker away, what
/// is kept tells it: it came there in the same step.
pub async fn happened(connection: &mut MySqlConnection, change: &Change) -> Result<bool> {
    if place::has_table(connection, "the marker of the switch", &change.mark).await? {
        return Ok(true);
    }
    let Some(moved) = renamed(&change.kept).next() else { return Ok(false) };
    is_at(connection, &moved.aside).await
}

/// Whether a table or sequence is at that place.
pub async fn is_at(connection: &mut MySqlConnection, at: &Aside) -> Result<bool> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {} AND table_name = {} \
         AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE')",
        literal(&at.place),
        literal(&at.name)
    );
    Ok(number(connection, "what is to be taken back", &sql).await? > 0)
}

/// What follows the switch; or, where it has not happened, removes what was prepared for it.
pub async fn settle(
    connection: &mut MySqlConnection,
    rules: &Rules,
    target: &str,
    change: &Change,
    happened: bool,
) -> Result<()> {
    let failed = |e: &sqlx::Error| fault::writing("cleaning up after the switch", e);
    if happened {
        // First: the server alters no table with a default of a sequence that is not there.
        if change.shown.iter().any(|moved| moved.kind == Kind::Sequence) {
            for place in change.origins().into_iter().filter(|place| is_staging_database(place)) {
                lead_defaults(connection, target, place, target).await?;
            }
        }
        replace::mend_keys(connection, rules, target, change).await?;
        programs::drop_kept(connection, rules.is_mariadb(), target, change).await?;
        for view in change.kept.iter().filter(|moved| moved.kind == Kind::View) {
            let sql = format!("DROP VIEW IF EXISTS {}", qualified(target, &view.name));
            run(connection, &sql).await.map_err(|e| failed(&e))?;
        }
        // Views may call functions.
        programs::make_shown(connection, rules.is_mariadb(), target, change, &programs::CALLED).await?;
        make_views(connection, change).await?;
        programs::make_shown(connection, rules.is_mariadb(), target, change, &[Kind::Trigger, Kind::Event])
            .await?;
        let sql = format!("DROP TABLE IF EXISTS {}", qualified(target, &change.mark));
        run(connection, &sql).await.map_err(|e| failed(&e))?;
    } else {
        let waiting = Place::database(&change.run, target).marker_among_kept();
        if change.places().contains(&waiting.place.as_str()) {
            let sql = format!("DROP TABLE IF EXISTS {}", qualified(&waiting.place, &waiting.name));
            match run(connection, &sql).await {
                // There is no such database.
                Err(e) if matches!(fault::number(&e), Some(1049 | 1044)) => {}
                done => done.map_err(|e| failed(&e))?,
            }
        }
    }
    remove_empty_places(connection, change).await?;
    if happened { Watched::of(connection, target, change).await?.tell(connection).await } else { Ok(()) }
}

/// Leads the sequences that defaults of columns of the tables in `tables_in` take their values from, from one database to
/// another. The server keeps a sequence in a default together with its database, also where one of them is renamed, and neither
/// takes one that is not there nor alters a table that has one.
pub async fn lead_defaults(
    connection: &mut MySqlConnection,
    tables_in: &str,
    from: &str,
    to: &str,
) -> Result<()> {
    let [from, to] = [from, to].map(|database| format!("{}.", quote(database)));
    let list = format!(
        "SELECT table_name, column_name, column_default FROM information_schema.columns WHERE table_schema = {} AND \
         LOCATE({}, column_default) > 0 ORDER BY 1, ordinal_position",
        literal(tables_in),
        literal(&from)
    );
    let mut clauses = BTreeMap::<String, Vec<String>>::new();
    for row in rows(connection, "the defaults that use sequences", &list).await? {
        let default = row.word(2).replace(&from, &to);
        let clause = format!("ALTER COLUMN {} SET DEFAULT ({default})", quote(&row.word(1)));
        clauses.entry(row.word(0)).or_default().push(clause);
    }
    // All of a table at once, for the same reason.
    for (table, clauses) in clauses {
        let table = qualified(tables_in, &table);
        let sql = format!("ALTER TABLE {table} {}", clauses.join(", "));
        run(connection, &sql).await.map_err(|e| {
            let what = format!("leading the defaults of table {table} to their sequences");
            fault::writing(&what, &e).next(format!("run yourself: {sql}"))
        })?;
    }
    Ok(())
}

/// Makes the views of a change, those first that are not made of others.
async fn make_views(connection: &mut MySqlConnection, change: &Change) -> Result<()> {
    let mut left: Vec<&Moved> = change.shown.iter().filter(|moved| moved.kind == Kind::View).collect();
    while !left.is_empty() {
        let (mut waiting, mut refused) = (Vec::new(), None);
        for view in &left {
            match make_view(connection, view).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
                Err(error) => {
                    waiting.push(*view);
                    refused = Some(error);
                }
            }
        }
        match refused {
            Some(error) if waiting.len() == left.len() => return Err(error),
            _ => left = waiting,
        }
    }
    Ok(())
}

/// Makes a view that is not there.
async fn make_view(connection: &mut MySqlConnection, view: &Moved) -> Result<()> {
    let Some(definition) = &view.definition else { return Ok(()) };
    if place::has_table(connection, "the views of the target", &view.name).await? {
        return Ok(());
    }
    run(connection, definition).await.map_err(|e| {
        fault::writing(&format!("making view \"{}\" again", view.name), &e).next(definition.clone())
    })
}

/// The change that takes another one back.
pub async fn back(
    connection: &mut MySqlConnection,
    rules: &Rules,
    target: &str,
    run: &str,
    change: &Change,
) -> Result<Change> {
    let visible =
        renamed(&change.shown).map(|m| (m, Aside { place: target.to_owned(), name: m.name.clone() }));
    let hidden = renamed(&change.kept).map(|m| (m, m.aside.clone()));
    for (moved, at) in visible.chain(hidden) {
        if !is_at(connection, &at).await? {
            return Err(way_back::gone(format!(
                "{} \"{}\" is not in database \"{}\" any more",
                moved.kind.word(),
                moved.name,
                at.place
            )));
        }
    }
    let tables: Vec<String> = change.tables_shown().map(|m| m.name.clone()).collect();
    let has_heir = |name: &str| change.tables_kept().any(|old| old.name == name);
    let without_heir: Vec<String> = tables.iter().filter(|name| !has_heir(name)).cloned().collect();
    let mut holders = replace::keys_of_others(connection, target, &tables, &without_heir).await?;
    let apart = Place::database(run, target);
    let beside = Place::prefix(run, target);
    // Who could not make a database then cannot now.
    let may_make = change.shown.iter().all(|moved| moved.aside.place != target);
    let mut kept = Vec::new();
    let outside = replace::keys_of_other_databases(connection).await?;
    for (at, table) in tables.iter().enumerate() {
        let others = outside.onto(table);
        holders.extend(others.map(|holder| format!("{holder} (table \"{table}\")")));
        // A table with triggers cannot leave its database.
        let stays = !may_make || !replace::triggers(connection, table).await?.is_empty();
        let place = if stays { &beside } else { &apart };
        kept.push(Moved::new(Kind::Table, table.clone(), place.kept(at, table)));
    }
    for sequence in change.shown.iter().filter(|moved| moved.kind == Kind::Sequence) {
        let place = if may_make { &apart } else { &beside };
        kept.push(Moved { aside: place.kept(kept.len(), &sequence.name), ..sequence.clone() });
    }
    // Views are dropped and made again; what they are is known from when they were made.
    let place = kept.first().map(|table: &Moved| table.aside.place.clone());
    let aside = |moved: &Moved| Aside {
        place: place.clone().unwrap_or_else(|| moved.aside.place.clone()),
        name: moved.name.clone(),
    };
    let views = change.shown.iter().filter(|moved| moved.kind == Kind::View);
    kept.extend(views.map(|view| Moved { aside: aside(view), ..view.clone() }));
    way_back::refuse_held(&holders)?;
    let mut collation = String::new();
    let of_change: Vec<&Moved> = change.shown.iter().chain(&change.kept).filter(|m| m.is_program()).collect();
    if !of_change.is_empty() {
        collation = programs::collation(connection, target).await?;
        // Those that came are kept as they are by now, and those that went come where nothing of their name is.
        for program in programs::all(connection).await? {
            let same = |m: &&&Moved| m.kind == program.kind && m.name == program.name;
            if let Some(moved) = of_change.iter().find(same) {
                kept.push(program.moved(aside(moved)));
            }
        }
    }
    let mut back = Change {
        collation,
        run: run.to_owned(),
        shown: change.kept.clone(),
        again: replace::keys_onto_others(connection, rules, target, &tables).await?,
        restores: change.again.clone(),
        whole: change.whole,
        mark: apart.switched_marker(),
        kept,
        by_hand: Vec::new(),
    };
    Watched::of(connection, target, &back).await?.refuse(connection, When::Before).await?;
    programs::try_rights(connection, &back).await?;
    privileges::note(connection, rules.is_mariadb(), target, &mut back).await?;
    Ok(back)
}

/// Carries out what [`back`] has made.
pub async fn exchange(
    connection: &mut MySqlConnection,
    link: &Link,
    rules: &Rules,
    target: &str,
    change: &Change,
) -> Result<()> {
    let apart = Place::database(&change.run, target).marker_among_kept();
    let marker = if change.places().contains(&apart.place.as_str()) {
        apart
    } else {
        Place::prefix(&change.run, target).marker_among_kept()
    };
    let switched = async {
        make_places(connection, target, change).await?;
        let table = qualified(&marker.place, &marker.name);
        for sql in [
            format!("CREATE TABLE {table} (run VARCHAR(64) NOT NULL) ENGINE=InnoDB"),
            format!("INSERT INTO {table} VALUES ({})", literal(&change.run)),
        ] {
            run(connection, &sql).await.map_err(|e| fault::writing("making the marker of the switch", &e))?;
        }
        rename(connection, link, rules, target, change, &marker).await.map(|_| ())
    };
    let Err(mut error) = switched.await else { return Ok(()) };
    if error.kind() != ErrorKind::Lost {
        let sql = format!("DROP TABLE IF EXISTS {}", qualified(&marker.place, &marker.name));
        let dropped = run(connection, &sql).await.map_err(|e| fault::writing("removing the marker", &e));
        if let Err(also) = dropped.and(remove_empty_places(connection, change).await) {
            error.push(also);
        }
    }
    Err(error)
}
