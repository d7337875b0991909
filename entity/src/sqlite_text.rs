//! A connection that spells dates for SQLite as SQLAlchemy does. SeaORM binds a date in sqlx's spelling, which
//! drops trailing zeros of the fraction, and neither a value nor a column knows which engine it is bound for;
//! only the connection does. On other engines this changes nothing.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value};

use crate::local_datetime::spell;

/// Any connection or transaction, with dates of statements spelled as SQLAlchemy spells them. Whatever writes
/// dates into a SQLite file, or filters by them, has to go through it.
pub struct SqlAlchemyText<'a, C>(
    /// What the statements are handed to.
    pub &'a C,
);

fn spelled(mut statement: Statement) -> Statement {
    if statement.db_backend == DbBackend::Sqlite
        && let Some(values) = &mut statement.values
    {
        for value in &mut values.0 {
            if let Value::ChronoDateTime(moment) = value {
                *value = Value::String(moment.map(spell));
            }
        }
    }
    statement
}

#[async_trait::async_trait]
impl<C: ConnectionTrait> ConnectionTrait for SqlAlchemyText<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.0.execute_raw(spelled(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.0.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.0.query_one_raw(spelled(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(spelled(statement)).await
    }

    fn support_returning(&self) -> bool {
        self.0.support_returning()
    }

    fn is_mock_connection(&self) -> bool {
        self.0.is_mock_connection()
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::sea_query::Values;

    use super::*;
    use crate::LocalDateTime;

    fn statement(backend: DbBackend) -> Statement {
        let values = vec![
            LocalDateTime::parse("2024-05-21 08:30:00").unwrap().into(),
            Value::ChronoDateTime(None),
            Value::String(Some("2024".into())),
        ];
        Statement { sql: "?".into(), values: Some(Values(values)), db_backend: backend }
    }

    #[test]
    fn only_sqlite_gets_text() {
        let Values(sqlite) = spelled(statement(DbBackend::Sqlite)).values.unwrap();
        assert_eq!(sqlite[0], Value::String(Some("2024-05-21 08:30:00.000000".into())));
        assert_eq!(sqlite[1], Value::String(None));
        assert_eq!(spelled(statement(DbBackend::Postgres)), statement(DbBackend::Postgres));
    }
}
