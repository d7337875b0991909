//! One run a target, and what dead ones have left on the server. Named locks say who lives: the server gives them back
//! however a session ends.

use async_trait::async_trait;
use sqlx::{Connection as _, MySqlConnection};
use xxhash_rust::xxh3::xxh3_64;

use super::connection::{Link, Role, number, rows};
use super::exchange;
use super::place::{MARKER, OURS, Place, kept_database, lock};
use super::types::{Rules, literal, quote};
use crate::engine::capability::Claim;
use crate::engine::claim::taken;
use crate::model::change::{Aside, Change, Kind, Moved};
use crate::model::error::Result;

/// A session that holds the lock of a target.
struct Held(MySqlConnection);

#[async_trait]
impl Claim for Held {
    async fn release(self: Box<Self>) {
        let _ = self.0.close().await;
    }
}

/// Takes a database for one run. Names of locks are short and belong to the whole server.
pub async fn claim(link: &Link, target: &str) -> Result<Box<dyn Claim>> {
    let mut connection = link.connect(Role::Writer).await?;
    let name = format!("{OURS}target_{:016x}", xxh3_64(target.as_bytes()));
    let sql = format!("SELECT GET_LOCK({}, 0)", literal(&name));
    if number(&mut connection, "the lock of the target", &sql).await? == 1 {
        return Ok(Box::new(Held(connection)));
    }
    Err(taken(&format!("database \"{target}\"")))
}

/// Removes what dead runs have left, but for the place of the run `keep`: nobody holds their lock.
pub async fn clear(
    connection: &mut MySqlConnection,
    target: &str,
    rules: &Rules,
    keep: Option<&str>,
) -> Result<Vec<String>> {
    let mut removed = finish_switches(connection, target, rules).await?;
    for place in dead(connection, target).await? {
        if keep == Some(place.run.as_str()) {
            continue;
        }
        place.remove(connection).await?;
        removed.push(if place.is_database() {
            format!("database {}", place.database)
        } else {
            format!("tables {}*", place.naming.prefix)
        });
    }
    Ok(removed)
}

/// A pattern of LIKE for names that begin so.
fn beginning(name: &str) -> String {
    literal(&format!("{}%", name.replace('_', "\\_")))
}

/// Runs that died after their switch, and that the history of this TechCare folder does not know: their tables are in
/// place, foreign keys of other tables may still lead to those that are kept.
async fn finish_switches(
    connection: &mut MySqlConnection,
    target: &str,
    rules: &Rules,
) -> Result<Vec<String>> {
    let list = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE {}",
        beginning(&format!("{OURS}switch_"))
    );
    let mut removed = Vec::new();
    for row in rows(connection, "the list of tables", &list).await? {
        let marker = row.word(0);
        let Some(run_id) = run_of(connection, &marker).await? else { continue };
        // Without it the copy of rows that were taken out would pass for that of an emptying which has not happened, and
        // be removed by whoever has that run in the history.
        if is_of_rows(connection, &marker).await? && exists(connection, &kept_database(&run_id)).await? {
            continue;
        }
        let change = kept_by(connection, &run_id, &marker).await?;
        exchange::settle(connection, rules, target, &change, true).await?;
        removed.push(format!("table {marker}"));
    }
    Ok(removed)
}

/// Whether a marker tells of rows.
async fn is_of_rows(connection: &mut MySqlConnection, marker: &str) -> Result<bool> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = {} \
         AND column_name = 'filled'",
        literal(marker)
    );
    Ok(number(connection, "a marker", &sql).await? > 0)
}

/// The change of a run as far as the server can tell: what is in its database of kept tables.
async fn kept_by(connection: &mut MySqlConnection, run_id: &str, marker: &str) -> Result<Change> {
    let database = kept_database(run_id);
    let list = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_name <> {}",
        literal(&database),
        literal(MARKER)
    );
    let kept = rows(connection, "the list of tables", &list).await?.into_iter().map(|row| {
        Moved::new(Kind::Table, row.word(0), Aside { place: database.clone(), name: row.word(0) })
    });
    Ok(Change { run: run_id.to_owned(), kept: kept.collect(), mark: marker.to_owned(), ..Change::default() })
}

/// The run that a marker tells of, if that is dead.
async fn run_of(connection: &mut MySqlConnection, marker: &str) -> Result<Option<String>> {
    let sql = format!("SELECT run FROM {}", quote(marker));
    let Some(run_id) = rows(connection, "a marker", &sql).await?.first().map(|r| r.word(0)) else {
        return Ok(None);
    };
    Ok((!is_alive(connection, &run_id).await?).then_some(run_id))
}

async fn exists(connection: &mut MySqlConnection, database: &str) -> Result<bool> {
    let sql =
        format!("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = {}", literal(database));
    Ok(number(connection, "the list of databases", &sql).await? > 0)
}

/// Places of dead runs that belong to this target, or hold no table at all.
pub async fn dead(connection: &mut MySqlConnection, target: &str) -> Result<Vec<Place>> {
    let prefix = format!("{OURS}stage_");
    let list = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE {}",
        beginning(&prefix)
    );
    let mut places = Vec::new();
    for row in rows(connection, "the list of databases", &list).await? {
        let name = row.word(0);
        let Some(run_id) = name.strip_prefix(&prefix) else { continue };
        if is_alive(connection, run_id).await? {
            continue;
        }
        let place = Place { database: name.clone(), ..Place::database(run_id, target) };
        let ours = match belongs(connection, &place, run_id).await {
            // Its own run, or another one that clears away, has removed it since it was listed.
            _ if !exists(connection, &name).await? => false,
            answer => answer?,
        };
        places.extend(ours.then_some(place));
    }
    let list = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE \
         '{0}________\\_{1}'",
        OURS.replace('_', "\\_"),
        MARKER.replace('_', "\\_")
    );
    for row in rows(connection, "the list of tables", &list).await? {
        let run_id = run_of(connection, &row.word(0)).await?;
        places.extend(run_id.map(|run_id| Place::prefix(&run_id, target)));
    }
    Ok(places)
}

async fn is_alive(connection: &mut MySqlConnection, run_id: &str) -> Result<bool> {
    let sql = format!("SELECT IS_FREE_LOCK({})", literal(&lock(run_id)));
    Ok(number(connection, "the lock of an earlier run", &sql).await? != 1)
}

async fn belongs(connection: &mut MySqlConnection, place: &Place, run_id: &str) -> Result<bool> {
    let sql = format!(
        "SELECT COUNT(*), SUM(table_name = '{MARKER}') FROM information_schema.tables WHERE table_schema = {}",
        literal(&place.database)
    );
    let counted = rows(connection, "an earlier run's staging", &sql).await?;
    let count = |at| counted.first().and_then(|r| r.number::<u64>(at)).unwrap_or(0);
    match (count(0), count(1)) {
        (0, _) => Ok(true),
        (_, 0) => Ok(false),
        _ => {
            let sql = format!(
                "SELECT COUNT(*) FROM {} WHERE target = {} AND run = {}",
                place.marker(),
                literal(&place.target),
                literal(run_id)
            );
            Ok(number(connection, "an earlier run's marker", &sql).await? > 0)
        }
    }
}
