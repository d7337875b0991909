//! Rows without a parent, by anti-join. The server finds them too when it validates a foreign key, but names the
//! constraint only; what an operator has to mend are rows.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::quote;
use crate::engine::capability::Orphans;
use crate::engine::condition::without_parent;
use crate::engine::postgres::read::key_text;
use crate::model::plan::{ForeignKeyPlan, Plan, TablePlan};

/// Looks at every foreign key of the plan among the tables in `schema`.
pub(in crate::engine::postgres) async fn find(
    session: &mut PgConnection,
    plan: &Plan,
    schema: &str,
) -> Result<Vec<Orphans>, sqlx::Error> {
    let mut found = Vec::new();
    for table in &plan.tables {
        for key in &table.foreign_keys {
            let rows =
                sqlx::query(AssertSqlSafe(statement(table, key, schema))).fetch_all(&mut *session).await?;
            let Some(first) = rows.first() else { continue };
            let count: i64 = first.try_get("count")?;
            let named: Result<Vec<String>, _> = rows.iter().map(|row| key_text(&table.key, row)).collect();
            found.push(Orphans {
                table: table.name.clone(),
                columns: key.columns.clone(),
                references: key.references.clone(),
                rows: count.try_into().unwrap_or_default(),
                keys: named?.into_iter().filter(|name| !name.is_empty()).collect(),
            });
        }
    }
    Ok(found)
}

/// The rows of `c` without a parent.
pub(super) fn condition(key: &ForeignKeyPlan, parent: &str) -> String {
    without_parent(key, &format!("{parent} p"), quote)
}

/// Keys of up to five rows, each with the number of all.
fn statement(table: &TablePlan, key: &ForeignKeyPlan, schema: &str) -> String {
    let place = |name: &str| format!("{}.{}", quote(schema), quote(name));
    let keys = table.key.iter().map(|k| format!("c.{}::text", quote(k)));
    let answer: Vec<String> = keys.chain(["count(*) OVER () AS count".to_owned()]).collect();
    format!(
        "SELECT {} FROM {} c WHERE {} LIMIT 5",
        answer.join(", "),
        place(&table.name),
        condition(key, &place(&key.references)),
    )
}
