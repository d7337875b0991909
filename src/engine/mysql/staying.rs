//! What a switch may not lose: rows in tables that are to give way empty, and the parents of rows in tables that stay.
//! Looked at before the switch, in its moment, and after it, also by the next run where this one is killed.

use sqlx::MySqlConnection;

use super::connection::{number, rows, run};
use super::exchange::is_at;
use super::place::{at, qualified};
use super::profile::key_text;
use super::replace::{self, Key};
use super::types::{Rules, literal, quote};
use super::{ddl, fault};
use crate::engine::capability::Orphans;
use crate::engine::staying;
use crate::model::change::{Aside, Change, Moved};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::ForeignKeyPlan;

/// How many rows are named of a key.
const NAMED: usize = 5;

/// When it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the switch: nobody waits.
    Before,
    /// Right before it: rows that somebody has not committed yet are waited for.
    Now,
    /// After it.
    After,
}

/// A foreign key of a table that stays onto one that gives way to another.
struct Reference {
    /// Table that stays, and its key.
    key: Key,
    /// The table that it leads to, while it is in use.
    parent: Aside,
    /// Where that is while it is out of sight.
    kept: Aside,
    /// Where the one stands that takes its place.
    heir: Aside,
}

/// What of a change has to be looked at.
pub struct Watched<'a> {
    target: &'a str,
    empty: Vec<&'a Moved>,
    references: Vec<Reference>,
}

impl<'a> Watched<'a> {
    /// By the foreign keys that there are.
    pub async fn of(connection: &mut MySqlConnection, target: &'a str, change: &'a Change) -> Result<Self> {
        let empty = change.tables_kept().filter(|moved| moved.is_empty).collect();
        let mut references = Vec::new();
        if change.tables_kept().next().is_some() {
            for key in replace::keys_of(connection, target).await? {
                references.extend(reference(target, change, key));
            }
        }
        Ok(Self { target, empty, references })
    }

    /// Whether there is nothing to look at.
    pub fn is_nothing(&self) -> bool {
        self.empty.is_empty() && self.references.is_empty()
    }

    /// Tables that stay and refer to some that give way.
    pub fn staying(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.references.iter().map(|r| r.key.table.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Refuses if something would be lost.
    pub async fn refuse(&self, connection: &mut MySqlConnection, when: When) -> Result<()> {
        if let Some(moved) = self.filled(connection, when).await?.first() {
            let what = format!("table \"{}\" was empty and got rows by now", moved.name);
            return Err(Error::new(ErrorKind::Refused, what)
                .next("stop the application that writes to the target, then run the same command again"));
        }
        staying::refuse_orphans(&self.orphans(connection, when).await?)
    }

    /// Refuses if a key of a table that stays cannot lead to the table that comes: it is made of a copy without rows, which is
    /// called `copy` for as long as that takes.
    pub async fn try_keys(&self, connection: &mut MySqlConnection, rules: &Rules, copy: &str) -> Result<()> {
        for Reference { key, heir, parent, .. } in &self.references {
            let stays = qualified(self.target, &key.table);
            let made = ForeignKeyPlan { name: None, ..key.plan.clone() };
            let add = format!("ALTER TABLE {copy} ADD {}", ddl::foreign_key(rules, &made, &at(heir)));
            let making =
                |e: &sqlx::Error| fault::writing("trying out the foreign keys of tables that stay", e);
            // The run that this one goes on with may have been killed here.
            for sql in [format!("DROP TABLE IF EXISTS {copy}"), format!("CREATE TABLE {copy} LIKE {stays}")] {
                run(connection, &sql).await.map_err(|e| making(&e))?;
            }
            let tried = run(connection, &add).await;
            run(connection, &format!("DROP TABLE {copy}")).await.map_err(|e| making(&e))?;
            let Err(error) = tried else { continue };
            let error = making(&error);
            if error.kind().is_transient() {
                return Err(error);
            }
            let what = format!(
                "foreign key {:?} of table {:?}, which stays, does not fit the new table {:?}",
                key.plan.name.as_deref().unwrap_or_default(),
                key.table,
                parent.name
            );
            return Err(Error::new(ErrorKind::Refused, what).why(error.reason().unwrap_or_default()).next(
                "nothing was changed: drop that key, or have its table come along, then run the same command again",
            ));
        }
        Ok(())
    }

    /// Says what a switch has lost that nobody could take back: whoever made it was killed, or rows came behind it that still
    /// were led to the tables before.
    pub async fn tell(&self, connection: &mut MySqlConnection) -> Result<()> {
        let filled = self.filled(connection, When::After).await?;
        if let Some(moved) = filled.first() {
            let (new, old) = (qualified(self.target, &moved.name), at(&moved.aside));
            let what = format!(
                "the tables are in place, but table \"{}\" got rows in the moment of the switch",
                moved.name
            );
            return Err(Error::new(ErrorKind::Verify, what)
                .why(format!("they are in the table that was kept, {old}, and not in the new one"))
                .next(format!(
                    "put them into {new} if they are wanted, then run DELETE FROM {old} and the same command again"
                )));
        }
        let orphans = self.orphans(connection, When::After).await?;
        if orphans.is_empty() {
            return Ok(());
        }
        let kept: Vec<String> = self.references.iter().map(|reference| at(&reference.kept)).collect();
        Err(Error::new(ErrorKind::Verify, "the tables are in place, but rows came in the moment of the switch that refer to nothing")
            .why(staying::told(&orphans))
            .next(format!(
                "delete these rows, or take what they refer to from what was kept ({}), then run the same command again",
                kept.join(", ")
            )))
    }

    /// Tables that should be empty and are not.
    async fn filled(&self, connection: &mut MySqlConnection, when: When) -> Result<Vec<&'a Moved>> {
        let mut filled = Vec::new();
        for moved in &self.empty {
            let place = match when {
                When::Before | When::Now => Aside { place: self.target.to_owned(), name: moved.name.clone() },
                When::After if is_at(connection, &moved.aside).await? => moved.aside.clone(),
                When::After => continue,
            };
            let sql = format!("SELECT 1 FROM {} LIMIT 1{}", at(&place), waiting(when));
            if !rows(connection, "a table of the target", &sql).await?.is_empty() {
                filled.push(*moved);
            }
        }
        Ok(filled)
    }

    /// Rows of tables that stay whose parents are in the tables that give way and not in those that take their place. Such
    /// as had none before are not the switch's.
    async fn orphans(&self, connection: &mut MySqlConnection, when: When) -> Result<Vec<Orphans>> {
        const WHAT: &str = "what rows of tables that stay refer to";
        let mut found = Vec::new();
        for reference in &self.references {
            let plan = &reference.key.plan;
            let (old, new) = match when {
                When::Before | When::Now => (&reference.parent, &reference.heir),
                When::After => (&reference.kept, &reference.parent),
            };
            if when == When::After && !is_at(connection, old).await? {
                continue;
            }
            // Without aliases: under LOCK TABLES each would have to be locked by itself.
            let child = qualified(self.target, &reference.key.table);
            let refers = plan.columns.iter().map(|column| format!("{child}.{} IS NOT NULL", quote(column)));
            let refers = refers.collect::<Vec<_>>().join(" AND ");
            let parent_in = |table: &Aside| {
                let pairs = plan.columns.iter().zip(&plan.referenced_columns);
                let same =
                    pairs.map(|(of, to)| format!("{}.{} = {child}.{}", at(table), quote(to), quote(of)));
                format!(
                    "EXISTS (SELECT 1 FROM {} WHERE {})",
                    at(table),
                    same.collect::<Vec<_>>().join(" AND ")
                )
            };
            let from =
                format!("FROM {child} WHERE {refers} AND NOT {} AND {}", parent_in(new), parent_in(old));
            let any = format!("SELECT 1 {from} LIMIT 1{}", waiting(when));
            if rows(connection, WHAT, &any).await?.is_empty() {
                continue;
            }
            let key = primary_key(connection, self.target, &reference.key.table).await?;
            let list: Vec<String> = key.iter().map(|column| format!("{child}.{}", quote(column))).collect();
            let mut keys = Vec::new();
            if !key.is_empty() {
                let list = list.join(", ");
                let sql = format!("SELECT {list} {from} ORDER BY {list} LIMIT {NAMED}");
                keys.extend(rows(connection, WHAT, &sql).await?.iter().map(|row| key_text(row, &key)));
            }
            found.push(Orphans {
                table: reference.key.table.clone(),
                columns: plan.columns.clone(),
                references: reference.parent.name.clone(),
                rows: number(connection, WHAT, &format!("SELECT COUNT(*) {from}")).await?,
                keys,
            });
        }
        Ok(found)
    }
}

fn waiting(when: When) -> &'static str {
    if when == When::Now { " LOCK IN SHARE MODE" } else { "" }
}

/// What a key of the target means to a change: `None` where its own table goes or comes, and where nothing takes the place
/// of the one that it leads to, which is refused elsewhere.
fn reference(target: &str, change: &Change, key: Key) -> Option<Reference> {
    let own = Aside { place: target.to_owned(), name: key.table.clone() };
    let moves = |moved: &Moved| moved.name == key.table || moved.aside == own;
    if change.tables_kept().chain(change.tables_shown()).any(moves) {
        return None;
    }
    let is_led_to =
        |moved: &&Moved| key.to == moved.aside || (key.to.place == target && key.to.name == moved.name);
    let old = change.tables_kept().find(is_led_to)?;
    let heir = change.tables_shown().find(|moved| moved.name == old.name)?;
    let parent = Aside { place: target.to_owned(), name: old.name.clone() };
    Some(Reference { parent, kept: old.aside.clone(), heir: heir.aside.clone(), key })
}

/// Columns of a table's primary key, in order.
async fn primary_key(connection: &mut MySqlConnection, database: &str, table: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT column_name FROM information_schema.key_column_usage WHERE table_schema = {} AND table_name = {} \
         AND constraint_name = 'PRIMARY' ORDER BY ordinal_position",
        literal(database),
        literal(table)
    );
    Ok(rows(connection, "the key of a table", &sql).await?.iter().map(|row| row.word(0)).collect())
}
