//! Empty tables of the target that give way to staged ones: what keeps one from it, and the foreign keys of other
//! tables, which would follow the old table out of the way.

use sqlx::MySqlConnection;

use super::connection::{number, rows, run};
use super::types::{Rules, literal, quote};
use super::{ddl, fault};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, Plan};
use crate::model::schema::{Action, Deferrable};

/// What keeps an empty table from being replaced. A table with triggers cannot be moved to another database, and a
/// foreign key of another database is not ours to change. Views and rights name their tables and so mean the new one.
pub async fn holders(connection: &mut MySqlConnection, table: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT CONCAT('trigger \"', trigger_name, '\" is on it: drop it, migrate, then create it anew') \
         FROM information_schema.triggers WHERE event_object_schema = DATABASE() AND event_object_table = {0} \
         UNION ALL SELECT CONCAT('foreign key \"', constraint_name, '\" of \"', constraint_schema, '.', table_name, \
         '\" refers to it') FROM information_schema.referential_constraints \
         WHERE unique_constraint_schema = DATABASE() AND constraint_schema <> DATABASE() \
         AND referenced_table_name = {0}",
        literal(table)
    );
    Ok(rows(connection, "what depends on the target's tables", &sql)
        .await?
        .iter()
        .map(|r| r.word(0))
        .collect())
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

/// A foreign key of a table that is not replaced, onto one that is.
pub struct KeyFromOutside {
    table: String,
    key: ForeignKeyPlan,
}

/// Those of the session's database onto tables of `database`.
pub async fn keys_from_outside(
    connection: &mut MySqlConnection,
    database: &str,
    replaced: &[String],
) -> Result<Vec<KeyFromOutside>> {
    if replaced.is_empty() {
        return Ok(Vec::new());
    }
    let list = replaced.iter().map(|n| literal(n)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT k.table_name, k.constraint_name, k.referenced_table_name, k.column_name, k.referenced_column_name, \
         r.delete_rule, r.update_rule FROM information_schema.key_column_usage k \
         JOIN information_schema.referential_constraints r ON r.constraint_schema = k.constraint_schema \
         AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name \
         WHERE k.constraint_schema = DATABASE() AND k.referenced_table_schema = {} \
         AND k.referenced_table_name IN ({list}) AND k.table_name NOT IN ({list}) \
         ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
        literal(database)
    );
    let mut keys: Vec<KeyFromOutside> = Vec::new();
    for row in rows(connection, "the list of foreign keys", &sql).await? {
        let (table, name) = (row.word(0), Some(row.word(1)));
        let (column, referenced) = (row.word(3), row.word(4));
        match keys.last_mut().filter(|k| k.table == table && k.key.name == name) {
            Some(there) => {
                there.key.columns.push(column);
                there.key.referenced_columns.push(referenced);
            }
            None => keys.push(KeyFromOutside {
                table,
                key: ForeignKeyPlan {
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

impl KeyFromOutside {
    /// After the switch the key refers to the old table, wherever that is now: it is made again.
    pub async fn lead_to_the_new_table(&self, connection: &mut MySqlConnection, rules: &Rules) -> Result<()> {
        let table = quote(&self.table);
        let name = quote(self.key.name.as_deref().unwrap_or_default());
        let add = format!(
            "ALTER TABLE {table} ADD {}",
            ddl::foreign_key(rules, &self.key, &quote(&self.key.references))
        );
        // Two statements: not every version takes a name that the same statement drops.
        for sql in [&format!("ALTER TABLE {table} DROP FOREIGN KEY {name}"), &add] {
            run(connection, sql).await.map_err(|e| {
                let what = format!(
                    "the migrated tables are in place, but foreign key {name} of table {table} does not lead to them"
                );
                fault::writing(&what, &e).with_kind(ErrorKind::Write).next(format!("run yourself: {add}"))
            })?;
        }
        Ok(())
    }
}
