//! Tables that stay while those that they refer to give way to others: their rows that would refer to nothing. They are
//! looked for by SQLite's own check when the new tables are in place and nothing is committed yet.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::Connection;

use super::file::{self, Access, failure};
use super::orphans::{self, Astray, Named};
use crate::engine::capability::Orphans;
use crate::engine::staying;
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};

/// Refuses if a row of a table that stays refers to one that went with a table and did not come with the one in its
/// place. Rows that referred to nothing before are not the switch's: `kept` is the copy of what there was.
pub fn refuse_orphans(connection: &Connection, kept: &Path, change: &Change) -> Result<()> {
    let failed = |e: rusqlite::Error| failure(ErrorKind::Read, "cannot look at the foreign keys", &e);
    let mut found = Vec::new();
    for child in children(connection, change).map_err(failed)? {
        let now = match orphans::checked(connection, &child.table) {
            Ok(none) if none.is_empty() => continue,
            now => now,
        };
        // Only now: mostly there is nothing to compare.
        let before = file::open(kept, Access::Read)?;
        let (now, before) = match (now, orphans::checked(&before, &child.table)) {
            (Ok(now), Ok(before)) => (now, before),
            (Ok(now), Err(_)) => (now, Vec::new()),
            (Err(_), Err(_)) => continue,
            (Err(cause), Ok(_)) => return Err(unfit(&child, &cause)),
        };
        let new = since(now, &before).into_iter().filter(|astray| child.refers_to(&astray.parent));
        for astray in new {
            found.push(named(connection, &child.table, &astray).map_err(failed)?);
        }
    }
    staying::refuse_orphans(&found)
}

/// A table that stays.
struct Child {
    table: String,
    /// Tables that it refers to and that others take the place of.
    parents: Vec<String>,
}

impl Child {
    fn refers_to(&self, parent: &str) -> bool {
        self.parents.iter().any(|name| name.eq_ignore_ascii_case(parent))
    }
}

fn children(connection: &Connection, change: &Change) -> rusqlite::Result<Vec<Child>> {
    let comes = |name: &str| change.tables_shown().any(|moved| moved.name.eq_ignore_ascii_case(name));
    let gives_way = |name: &str| change.tables_kept().any(|moved| moved.name.eq_ignore_ascii_case(name));
    let mut statement = connection.prepare(
        "SELECT DISTINCT s.name, k.\"table\" FROM main.sqlite_schema s, pragma_foreign_key_list(s.name) k \
         WHERE s.type = 'table' ORDER BY 1, 2",
    )?;
    let keys = statement.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
    let mut children: Vec<Child> = Vec::new();
    for key in keys {
        let (table, parent) = key?;
        if comes(&table) || !gives_way(&parent) {
            continue;
        }
        match children.last_mut().filter(|child| child.table == table) {
            Some(child) => child.parents.push(parent),
            None => children.push(Child { table, parents: vec![parent] }),
        }
    }
    Ok(children)
}

/// What is astray now and was not before. Rows without a rowid are told apart by their number alone.
fn since(now: Vec<Astray>, before: &[Astray]) -> Vec<Astray> {
    let new = |mut astray: Astray| {
        if let Some(before) = before.iter().find(|before| before.key == astray.key) {
            let known: HashSet<i64> = before.rowids.iter().copied().collect();
            astray.rowids.retain(|rowid| !known.contains(rowid));
            astray.others = astray.others.saturating_sub(before.others);
        }
        (astray.rows() > 0).then_some(astray)
    };
    now.into_iter().filter_map(new).collect()
}

fn named(connection: &Connection, table: &str, astray: &Astray) -> rusqlite::Result<Orphans> {
    let mut statement =
        connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let key: Vec<String> = statement.query_map([table], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
    orphans::named(connection, Named { table, key: &key }, astray)
}

/// The new table has no key by which the rows of one that stays refer to it.
fn unfit(child: &Child, cause: &rusqlite::Error) -> Error {
    let parents = child.parents.join("\", \"");
    Error::new(
        ErrorKind::Refused,
        format!(
            "table \"{}\" stays and refers to \"{parents}\" by columns that are not unique in the new table",
            child.table
        ),
    )
    .why(cause)
    .next(format!(
        "nothing was changed: take the foreign key off table \"{}\", or have it come along, then run the same command again",
        child.table
    ))
}
