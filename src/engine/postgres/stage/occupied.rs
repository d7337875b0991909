//! What is already where a plan wants to put something.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use crate::engine::capability::Occupied;
use crate::engine::postgres::fault::fault;
use crate::engine::postgres::types::quote;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{Plan, Scope};
use crate::model::schema::{IdentityGeneration, ObjectKind};

/// Relations and types of these names. An index that belongs to a table of the plan is not in the way by itself:
/// its table is.
const OCCUPIED: &str = "
SELECT c.relname::text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'index' END AS kind
FROM pg_class c
LEFT JOIN pg_index i ON i.indexrelid = c.oid
LEFT JOIN pg_class t ON t.oid = i.indrelid
LEFT JOIN pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
     AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
LEFT JOIN pg_class o ON o.oid = d.refobjid
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
  AND (c.relname = ANY($2) AND c.relkind NOT IN ('i', 'I', 'S', 't') OR c.relname = ANY($3))
  AND (t.relname IS NULL OR NOT t.relname = ANY($2)) AND (o.relname IS NULL OR NOT o.relname = ANY($2))
UNION ALL
SELECT t.typname::text, 'type' FROM pg_type t
WHERE t.typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)
  AND (t.typname = ANY($4) OR t.typname = ANY($2) AND t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0)
ORDER BY 2, 1";

/// Owner of a table, where this user may not act for him.
const ANOTHERS: &str = "
SELECT pg_get_userbyid(c.relowner)::text FROM pg_class c
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relname = $2
  AND c.relkind IN ('r', 'p') AND NOT pg_has_role(c.relowner, 'USAGE')";

/// Everything in the way of a plan.
pub(in crate::engine::postgres) async fn occupied(
    session: &mut PgConnection,
    namespace: &str,
    plan: &Plan,
) -> Result<Vec<Occupied>> {
    let failed = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot look at what the target holds", e);
    let tables: Vec<String> = plan.tables.iter().map(|t| t.name.clone()).collect();
    // Rows alone need nothing but their tables.
    let makes = plan.scope != Scope::DataOnly;
    let beside_tables = plan.objects.iter().filter(|o| o.kind == ObjectKind::Type).map(|o| &o.name);
    let types = plan.types.iter().map(|t| &t.name).chain(beside_tables);
    let types: Vec<String> = types.filter(|_| makes).cloned().collect();
    let beside = if makes { made_by_the_way(plan) } else { Vec::new() };
    let rows = sqlx::query(OCCUPIED)
        .bind(namespace)
        .bind(&tables)
        .bind(&beside)
        .bind(&types)
        .fetch_all(&mut *session)
        .await
        .map_err(|e| failed(&e))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get("name").map_err(|e| failed(&e))?;
        let kind: String = row.try_get("kind").map_err(|e| failed(&e))?;
        let (mut empty, mut held_by) = (false, Vec::new());
        if kind == "table" {
            let sql = format!("SELECT NOT EXISTS (SELECT FROM {}.{})", quote(namespace), quote(&name));
            empty = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut *session)
                .await
                .map_err(|e| failed(&e))?;
            if makes {
                let owner: Option<String> = sqlx::query_scalar(ANOTHERS)
                    .bind(namespace)
                    .bind(&name)
                    .fetch_optional(&mut *session)
                    .await
                    .map_err(|e| failed(&e))?;
                let holders = super::replace::holders(session, namespace, &name, &[]).await;
                held_by = holders
                    .map_err(|e| failed(&e))?
                    .into_iter()
                    .map(|holder| format!("{holder} depends on it and would be lost"))
                    .chain(owner.map(|owner| format!("only its owner may move it, which is role {owner:?}")))
                    .collect();
            }
        }
        found.push(Occupied { name, kind, empty, held_by });
    }
    Ok(found)
}

/// Names of indexes, sequences and views that come with the tables.
fn made_by_the_way(plan: &Plan) -> Vec<String> {
    let relations = plan.objects.iter().filter(|o| o.kind != ObjectKind::Type);
    let mut names: Vec<String> = relations.map(|o| o.name.clone()).collect();
    names.extend(plan.views.iter().map(|v| v.name.clone()));
    for table in &plan.tables {
        names.extend(table.indexes.iter().filter_map(|i| i.name.clone()));
        if let Some(key) = &table.primary_key {
            names.push(key.name.clone().unwrap_or_else(|| format!("{}_pkey", table.name)));
        }
        let serial = |c: &&crate::model::plan::ColumnPlan| {
            c.identity.as_ref().is_some_and(|i| i.generation == IdentityGeneration::Serial)
        };
        names.extend(table.columns.iter().filter(serial).map(|c| format!("{}_{}_seq", table.name, c.name)));
    }
    names
}
