//! Tables that stay while those that they refer to give way to others: their rows that would refer to nothing. The server
//! refuses them when it makes the foreign key again, but names the constraint only.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::orphans::condition;
use crate::engine::capability::Orphans;
use crate::engine::postgres::read::key_text;
use crate::engine::postgres::types::quote;
use crate::model::plan::ForeignKeyPlan;
use crate::model::schema::{Action, Deferrable};

/// Foreign keys onto the tables `$3` of tables that are none of `$2`, with what names a row.
const KEYS: &str = "
SELECT format('%I.%I', n.nspname, c.relname) AS child, c.relname::text AS table, o.relname::text AS parent,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u (num, at)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num ORDER BY u.at) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u (num, at)
             JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum = u.num ORDER BY u.at) AS referenced,
       ARRAY(SELECT a.attname::text FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY u (num, at)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.num
             WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY u.at) AS key
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class o ON o.oid = k.confrelid JOIN pg_namespace m ON m.oid = o.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0 AND k.convalidated AND m.nspname = $1 AND o.relname = ANY($3)
  AND NOT (n.nspname = $1 AND c.relname = ANY($2)) ORDER BY 1, 3";

/// A foreign key of a table that stays onto one that gives way.
pub(super) struct Reference {
    /// The table that stays, with its schema, quoted.
    child: String,
    table: String,
    plan: ForeignKeyPlan,
    /// Columns of its primary key.
    key: Vec<String>,
}

/// Such keys onto the tables `parents`, of tables that are none of `moving`.
pub(super) async fn references(
    session: &mut PgConnection,
    namespace: &str,
    moving: &[String],
    parents: &[String],
) -> Result<Vec<Reference>, sqlx::Error> {
    let rows = sqlx::query(KEYS).bind(namespace).bind(moving).bind(parents).fetch_all(session).await?;
    let reference = |row: &PgRow| {
        Ok(Reference {
            child: row.try_get("child")?,
            table: row.try_get("table")?,
            key: row.try_get("key")?,
            plan: ForeignKeyPlan {
                name: None,
                columns: row.try_get("columns")?,
                references: row.try_get("parent")?,
                referenced_columns: row.try_get("referenced")?,
                on_delete: Action::NoAction,
                on_update: Action::NoAction,
                deferrable: Deferrable::No,
                match_full: false,
            },
        })
    };
    rows.iter().map(reference).collect()
}

/// Rows that refer to none of the tables which have these names in the schema `heirs`.
pub(super) async fn orphans(
    session: &mut PgConnection,
    references: &[Reference],
    heirs: &str,
) -> Result<Vec<Orphans>, sqlx::Error> {
    let mut found = Vec::new();
    for Reference { child, table, plan, key } in references {
        let parent = format!("{}.{}", quote(heirs), quote(&plan.references));
        let named: Vec<String> = key.iter().map(|column| format!("c.{}", quote(column))).collect();
        let shown = named.iter().map(|column| format!("{column}::text"));
        let shown: Vec<String> = shown.chain(["count(*) OVER () AS count".to_owned()]).collect();
        let order = if named.is_empty() { String::new() } else { format!(" ORDER BY {}", named.join(", ")) };
        let sql = format!(
            "SELECT {} FROM {child} c WHERE {}{order} LIMIT 5",
            shown.join(", "),
            condition(plan, &parent)
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *session).await?;
        let Some(first) = rows.first() else { continue };
        let count: i64 = first.try_get("count")?;
        let keys: Result<Vec<String>, _> = rows.iter().map(|row| key_text(key, row)).collect();
        found.push(Orphans {
            table: table.clone(),
            columns: plan.columns.clone(),
            references: plan.references.clone(),
            rows: count.try_into().unwrap_or_default(),
            keys: keys?.into_iter().filter(|name| !name.is_empty()).collect(),
        });
    }
    Ok(found)
}
