//! Tables of the target that give way to others: what keeps one from it, and the foreign keys between those that go and
//! those that stay, which would follow the old table out of the way.

use sqlx::MySqlConnection;

use super::connection::{number, rows, run};
use super::place::{MAX_NAME, qualified};
use super::types::{Rules, literal, quote};
use super::{ddl, fault};
use crate::model::change::{Again, Aside, Change, Moved};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, Plan};
use crate::model::schema::{Action, Deferrable};

/// What stands before the name of a foreign key while it is led elsewhere.
const PASSING: &str = "techcare_db_";

/// What keeps a table from giving way. A table with triggers cannot be moved to another database, and a foreign key of
/// another database is not ours to change. Views and rights name their tables and so mean the new one.
pub async fn holders(
    connection: &mut MySqlConnection,
    outside: &OutsideKeys,
    table: &str,
) -> Result<Vec<String>> {
    let mut holders: Vec<String> = triggers(connection, table)
        .await?
        .iter()
        .map(|name| format!("trigger \"{name}\" is on it: drop it, migrate, then create it anew"))
        .collect();
    holders.extend(outside.onto(table));
    Ok(holders)
}

/// Names of the triggers on a table of the session's database.
pub async fn triggers(connection: &mut MySqlConnection, table: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT trigger_name FROM information_schema.triggers WHERE event_object_schema = DATABASE() \
         AND event_object_table = {} ORDER BY 1",
        literal(table)
    );
    Ok(rows(connection, "the triggers of the target's tables", &sql)
        .await?
        .iter()
        .map(|r| r.word(0))
        .collect())
}

/// Foreign keys of other databases onto tables of the session's.
#[derive(Default)]
pub struct OutsideKeys(Vec<(String, String)>);

impl OutsideKeys {
    /// Those onto one table, as clauses. Names are compared without case, as the server's list is by the server.
    pub fn onto(&self, table: &str) -> impl Iterator<Item = String> {
        let table = table.to_lowercase();
        self.0.iter().filter(move |(of, _)| of.to_lowercase() == table).map(|(_, clause)| clause.clone())
    }
}

/// One question for all tables: MariaDB opens every table of every database for the answer.
pub async fn keys_of_other_databases(connection: &mut MySqlConnection) -> Result<OutsideKeys> {
    const SQL: &str = "SELECT referenced_table_name, CONCAT('foreign key \"', constraint_name, '\" of \"', \
         constraint_schema, '.', table_name, '\" refers to it') FROM information_schema.referential_constraints \
         WHERE unique_constraint_schema = DATABASE() AND constraint_schema <> DATABASE() ORDER BY 1, 2";
    let found = rows(connection, "what depends on the target's tables", SQL).await?;
    Ok(OutsideKeys(found.iter().map(|row| (row.word(0), row.word(1))).collect()))
}

/// Whether a foreign key of the plan has the name of one of the target's: then both cannot be in one database at the
/// same time.
pub async fn names_meet(connection: &mut MySqlConnection, plan: &Plan) -> Result<bool> {
    let names =
        plan.tables.iter().flat_map(|t| &t.foreign_keys).filter_map(|k| k.name.as_deref()).map(literal);
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return Ok(false);
    }
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE() \
         AND constraint_name IN ({})",
        names.join(", ")
    );
    Ok(number(connection, "the list of foreign keys", &sql).await? > 0)
}

/// A foreign key with the database and the table that it leads to.
pub struct Key {
    /// Table that it is of.
    pub table: String,
    /// Where the table is that it leads to.
    pub to: Aside,
    /// Its columns and the like.
    pub plan: ForeignKeyPlan,
}

impl Key {
    fn name(&self) -> &str {
        self.plan.name.as_deref().unwrap_or_default()
    }
}

/// Foreign keys of the tables of a database. MariaDB looks through that one alone only where each of the two views is
/// asked by itself for it, by the column that it seeks by.
pub async fn keys_of(connection: &mut MySqlConnection, database: &str) -> Result<Vec<Key>> {
    let sql = format!(
        "SELECT k.table_name, k.constraint_name, k.referenced_table_name, k.column_name, k.referenced_column_name, \
         r.delete_rule, r.update_rule, k.referenced_table_schema FROM information_schema.key_column_usage k \
         JOIN information_schema.referential_constraints r ON r.constraint_name = k.constraint_name \
         AND r.table_name = k.table_name WHERE k.table_schema = {of} AND r.constraint_schema = {of} \
         AND k.referenced_table_name IS NOT NULL ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
        of = literal(database)
    );
    let mut keys: Vec<Key> = Vec::new();
    for row in rows(connection, "the list of foreign keys", &sql).await? {
        let (table, name) = (row.word(0), Some(row.word(1)));
        let (column, referenced) = (row.word(3), row.word(4));
        match keys.last_mut().filter(|k| k.table == table && k.plan.name == name) {
            Some(there) => {
                there.plan.columns.push(column);
                there.plan.referenced_columns.push(referenced);
            }
            None => keys.push(Key {
                table,
                to: Aside { place: row.word(7), name: row.word(2) },
                plan: ForeignKeyPlan {
                    name,
                    columns: vec![column],
                    references: row.word(2),
                    referenced_columns: vec![referenced],
                    on_delete: action(&row.word(5)),
                    on_update: action(&row.word(6)),
                    deferrable: Deferrable::No,
                    match_full: false,
                },
            }),
        }
    }
    Ok(keys)
}

fn action(rule: &str) -> Action {
    match rule {
        "CASCADE" => Action::Cascade,
        "SET NULL" => Action::SetNull,
        "SET DEFAULT" => Action::SetDefault,
        "RESTRICT" => Action::Restrict,
        _ => Action::NoAction,
    }
}

fn add(rules: &Rules, table: &str, key: &ForeignKeyPlan) -> String {
    format!("ALTER TABLE {} ADD {}", quote(table), ddl::foreign_key(rules, key, &quote(&key.references)))
}

/// Foreign keys of these tables onto others of the database that stay, with the statement that makes each again.
pub async fn keys_onto_others(
    connection: &mut MySqlConnection,
    rules: &Rules,
    database: &str,
    tables: &[String],
) -> Result<Vec<Again>> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let keys = keys_of(connection, database).await?;
    let goes = |key: &&Key| tables.contains(&key.table);
    let stays = |key: &&Key| key.to.place == database && !tables.contains(&key.to.name);
    Ok(keys
        .iter()
        .filter(goes)
        .filter(stays)
        .map(|key| Again {
            table: key.table.clone(),
            name: key.name().to_owned(),
            sql: add(rules, &key.table, &key.plan),
        })
        .collect())
}

/// Foreign keys of tables that stay onto those of `without_heir`, as clauses that name both.
pub async fn keys_of_others(
    connection: &mut MySqlConnection,
    database: &str,
    tables: &[String],
    without_heir: &[String],
) -> Result<Vec<String>> {
    let keys = keys_of(connection, database).await?;
    Ok(keys
        .iter()
        .filter(|key| key.to.place == database && without_heir.contains(&key.to.name))
        .filter(|key| !tables.contains(&key.table))
        .map(|key| {
            format!("foreign key {:?} of table {:?} refers to table {:?}", key.name(), key.table, key.to.name)
        })
        .collect())
}

/// Rows of other tables of the database that refer to these tables, as clauses that name both. Looking locks the others,
/// so that no such row comes before the end of the transaction.
pub async fn rows_of_others(
    connection: &mut MySqlConnection,
    database: &str,
    tables: &[String],
) -> Result<Vec<String>> {
    let mut holders = Vec::new();
    for key in keys_of(connection, database).await? {
        if key.to.place != database || !tables.contains(&key.to.name) || tables.contains(&key.table) {
            continue;
        }
        let refers = key.plan.columns.iter().map(|column| format!("{} IS NOT NULL", quote(column)));
        let sql = format!(
            "SELECT 1 FROM {} WHERE {} LIMIT 1 LOCK IN SHARE MODE",
            quote(&key.table),
            refers.collect::<Vec<_>>().join(" AND ")
        );
        if !rows(connection, "what depends on the target's tables", &sql).await?.is_empty() {
            holders.push(format!("rows of table {:?} refer to table {:?}", key.table, key.to.name));
        }
    }
    Ok(holders)
}

/// Keys by which rows of these tables refer to rows of others that are not there, as clauses that name both tables.
/// Looking locks the others, so that none of them goes before the end of the transaction.
pub async fn rows_without_others(
    connection: &mut MySqlConnection,
    database: &str,
    tables: &[String],
) -> Result<Vec<String>> {
    let mut orphans = Vec::new();
    for key in keys_of(connection, database).await? {
        let within = key.to.place == database && tables.contains(&key.to.name);
        if within || !tables.contains(&key.table) {
            continue;
        }
        let columns = || key.plan.columns.iter();
        let refers = columns().map(|column| format!("c.{} IS NOT NULL", quote(column)));
        let pairs = columns().zip(&key.plan.referenced_columns);
        let same = pairs.map(|(from, to)| format!("p.{} = c.{}", quote(to), quote(from)));
        let sql = format!(
            "SELECT 1 FROM {} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {}) LIMIT 1 LOCK IN SHARE MODE",
            quote(&key.table),
            refers.collect::<Vec<_>>().join(" AND "),
            qualified(&key.to.place, &key.to.name),
            same.collect::<Vec<_>>().join(" AND ")
        );
        if !rows(connection, "what the rows refer to", &sql).await?.is_empty() {
            orphans.push(format!("rows of table {:?} refer to some of table {:?}", key.table, key.to.name));
        }
    }
    Ok(orphans)
}

/// What a RENAME cannot do, after it, and as often as one likes: foreign keys of other tables, which followed the kept
/// tables out of sight, are led to those in their place.
pub async fn lead_keys(
    connection: &mut MySqlConnection,
    rules: &Rules,
    database: &str,
    change: &Change,
) -> Result<()> {
    let kept: Vec<&Moved> = change.tables_kept().collect();
    let kept_at = |at: &Aside| kept.iter().find(|moved| moved.aside == *at);
    for key in keys_of(connection, database).await? {
        let from = Aside { place: database.to_owned(), name: key.table.clone() };
        let (Some(old), None) = (kept_at(&key.to), kept_at(&from)) else { continue };
        let new = ForeignKeyPlan { references: old.name.clone(), ..key.plan.clone() };
        lead(connection, rules, &key, &new).await?;
    }
    for key in keys_of(connection, database).await? {
        if let Some(name) = key.name().strip_prefix(PASSING)
            && kept_at(&Aside { place: database.to_owned(), name: key.table.clone() }).is_none()
        {
            let own = ForeignKeyPlan { name: Some(name.to_owned()), ..key.plan.clone() };
            replace_key(connection, rules, &key, &own, &own).await?;
        }
    }
    Ok(())
}

/// The same with what is behind it: kept tables let go of tables that stay, and what came back gets the keys again that it
/// had lost.
pub async fn mend_keys(
    connection: &mut MySqlConnection,
    rules: &Rules,
    database: &str,
    change: &Change,
) -> Result<()> {
    lead_keys(connection, rules, database, change).await?;
    let kept: Vec<&Moved> = change.tables_kept().collect();
    let kept_at = |at: &Aside| kept.iter().find(|moved| moved.aside == *at);
    for place in change.places() {
        for key in keys_of(connection, place).await? {
            let from = Aside { place: place.to_owned(), name: key.table.clone() };
            if kept_at(&from).is_none() || kept_at(&key.to).is_some() {
                continue;
            }
            let table = qualified(place, &key.table);
            let sql = format!("ALTER TABLE {table} DROP FOREIGN KEY {}", quote(key.name()));
            run(connection, &sql).await.map_err(|e| {
                fault::writing(&format!("letting the kept table {table} go of others"), &e).next(sql)
            })?;
        }
    }
    if change.restores.is_empty() {
        return Ok(());
    }
    let there = keys_of(connection, database).await?;
    for again in &change.restores {
        if there.iter().any(|key| key.table == again.table && key.name() == again.name) {
            continue;
        }
        run(connection, &again.sql).await.map_err(|e| {
            let what = format!(
                "the tables are in place, but table {:?} lacks foreign key {:?}",
                again.table, again.name
            );
            fault::writing(&what, &e).with_kind(ErrorKind::Write).next(format!("run yourself: {}", again.sql))
        })?;
    }
    Ok(())
}

/// Leads a foreign key elsewhere. No statement takes a name that it drops itself (error 1826), and between two of them the
/// key would be lost with whoever is killed there: so it passes through another name, which tells its own. A name that is
/// too long for that is cut meanwhile: whoever is killed there leaves the key in force under the beginning of its name.
async fn lead(
    connection: &mut MySqlConnection,
    rules: &Rules,
    key: &Key,
    new: &ForeignKeyPlan,
) -> Result<()> {
    let passing = format!("{PASSING}{}", key.name());
    let is_cut = passing.chars().count() > MAX_NAME;
    let passing = passing.chars().take(MAX_NAME).collect();
    let through = ForeignKeyPlan { name: Some(passing), ..new.clone() };
    replace_key(connection, rules, key, &through, new).await?;
    if is_cut {
        let passed = Key { table: key.table.clone(), to: key.to.clone(), plan: through };
        replace_key(connection, rules, &passed, new, new).await?;
    }
    Ok(())
}

/// Puts a foreign key of another name in the place of one, in one statement; `wanted` is what it becomes in the end.
async fn replace_key(
    connection: &mut MySqlConnection,
    rules: &Rules,
    key: &Key,
    with: &ForeignKeyPlan,
    wanted: &ForeignKeyPlan,
) -> Result<()> {
    let (table, name) = (quote(&key.table), quote(key.name()));
    let made = ddl::foreign_key(rules, with, &quote(&with.references));
    let sql = format!("ALTER TABLE {table} DROP FOREIGN KEY {name}, ADD {made}");
    run(connection, &sql).await.map_err(|e| not_led(key, &add(rules, &key.table, wanted), &e))
}

fn not_led(key: &Key, add: &str, why: &sqlx::Error) -> Error {
    let (table, name) = (quote(&key.table), quote(key.name()));
    let what =
        format!("the tables are in place, but foreign key {name} of table {table} does not lead to them");
    fault::writing(&what, why).with_kind(ErrorKind::Write).next(format!("run yourself: {add}"))
}
