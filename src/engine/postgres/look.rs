//! A schema that only an open transaction knows, for what has to be made to be looked at.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::ddl::literal;
use super::types::quote;

/// Makes it in the transaction that is open, which has to end with ROLLBACK, and lets names be found in it first; what
/// stands in the target's own schema goes on being found. No two sessions ask for one name: the second would wait for the
/// end of the first.
pub(super) async fn make_place(transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *transaction).await?;
    let name = quote(&format!("techcare_db_look_{pid}"));
    let first = literal(&format!("{name}, "));
    let sql = format!(
        "CREATE SCHEMA {name}; SELECT set_config('search_path', {first} || current_setting('search_path'), true)"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(transaction).await.map(drop)
}
