//! One run a target, and what dead ones have left on the server. Named locks say who lives: the server gives them back
//! however a session ends.

use async_trait::async_trait;
use sqlx::{Connection as _, MySqlConnection};
use xxhash_rust::xxh3::xxh3_64;

use super::connection::{Link, Role, number, rows, run};
use super::place::{MARKER, OURS, Place, lock, qualified};
use super::types::{Rules, literal, quote};
use super::{fault, replace};
use crate::engine::capability::Claim;
use crate::engine::claim::taken;
use crate::model::error::{ErrorKind, Result};

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

/// Removes what dead runs have left: nobody holds their lock. Only places that say that they belong to this target,
/// or hold no table at all, are touched.
pub async fn clear(connection: &mut MySqlConnection, target: &str, rules: &Rules) -> Result<Vec<String>> {
    let mut removed = finish_switches(connection, target, rules).await?;
    removed.extend(clear_databases(connection, target).await?);
    removed.extend(clear_prefixes(connection, target).await?);
    Ok(removed)
}

/// A pattern of LIKE for names that begin so.
fn beginning(name: &str) -> String {
    literal(&format!("{}%", name.replace('_', "\\_")))
}

/// Runs that died after their switch: their tables are in place, what the switch moved out of the way is not removed
/// yet, and foreign keys of other tables may still lead there.
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
        let Some(run_id) = dead(connection, &marker).await? else { continue };
        let place = Place::database(&run_id, target);
        if let Some(old) = place.old()
            && exists(connection, &old).await?
        {
            let list = format!(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = {}",
                literal(&old)
            );
            let moved: Vec<String> =
                rows(connection, "the list of tables", &list).await?.iter().map(|r| r.word(0)).collect();
            for key in replace::keys_from_outside(connection, &old, &moved).await? {
                key.lead_to_the_new_table(connection, rules).await?;
            }
            if !all_empty(connection, &old, &moved).await? {
                continue;
            }
            drop_it(connection, &format!("DROP DATABASE {}", quote(&old))).await?;
            removed.push(format!("database {old}"));
        }
        drop_it(connection, &format!("DROP TABLE {}", quote(&marker))).await?;
        removed.push(format!("table {marker}"));
    }
    Ok(removed)
}

/// The run that a marker tells of, if that is dead.
async fn dead(connection: &mut MySqlConnection, marker: &str) -> Result<Option<String>> {
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

/// Only tables without a row are moved out of the way without being kept; one that has rows is not ours to drop.
async fn all_empty(connection: &mut MySqlConnection, database: &str, tables: &[String]) -> Result<bool> {
    for table in tables {
        let sql = format!("SELECT EXISTS(SELECT 1 FROM {})", qualified(database, table));
        if number(connection, "a table that was moved out of the way", &sql).await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn drop_it(connection: &mut MySqlConnection, sql: &str) -> Result<()> {
    let failed = |e: &sqlx::Error| {
        fault::writing("removing what an earlier run has left", e).with_kind(ErrorKind::Write)
    };
    run(connection, sql).await.map_err(|e| failed(&e))
}

async fn clear_databases(connection: &mut MySqlConnection, target: &str) -> Result<Vec<String>> {
    let prefix = format!("{OURS}stage_");
    let list = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE {}",
        beginning(&prefix)
    );
    let mut removed = Vec::new();
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
        if ours {
            place.remove(connection).await?;
            removed.push(format!("database {name}"));
        }
    }
    Ok(removed)
}

async fn clear_prefixes(connection: &mut MySqlConnection, target: &str) -> Result<Vec<String>> {
    let list = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE \
         '{0}________\\_{1}'",
        OURS.replace('_', "\\_"),
        MARKER.replace('_', "\\_")
    );
    let mut removed = Vec::new();
    for row in rows(connection, "the list of tables", &list).await? {
        let Some(run_id) = dead(connection, &row.word(0)).await? else { continue };
        let place = Place::prefix(&run_id, target);
        place.remove(connection).await?;
        removed.push(format!("tables {}*", place.naming.prefix));
    }
    Ok(removed)
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
