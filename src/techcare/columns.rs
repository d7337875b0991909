//! Columns of a table as an open SeaORM connection sees it, in its own namespace: only what the entity loader has
//! to know before it trusts an entity with a table. The full catalogue is the engines' part.

use sea_orm::{ColumnType, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

/// What a column holds, as coarsely as sqlx tells types apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Float,
    Text,
    DateTime,
    Bool,
    /// Whatever a row has there (SQLite): each value is checked when it is read.
    Dynamic,
    Other,
}

impl Kind {
    /// Kind that an entity asks for.
    pub(super) fn wanted(declared: &ColumnType) -> Self {
        match declared {
            ColumnType::Integer | ColumnType::BigInteger => Self::Integer,
            ColumnType::Double => Self::Float,
            ColumnType::Text | ColumnType::String(_) => Self::Text,
            ColumnType::DateTime => Self::DateTime,
            ColumnType::Boolean => Self::Bool,
            _ => Self::Other,
        }
    }

    /// Whether a column of this kind serves one that the entity wants as `wanted`.
    pub(super) fn serves(self, wanted: Self) -> bool {
        self == Self::Dynamic || self == wanted
    }

    fn of(backend: DbBackend, native: &str) -> Self {
        match (backend, native) {
            (DbBackend::Sqlite, _) => Self::Dynamic,
            (_, "integer" | "bigint" | "int") => Self::Integer,
            (_, "double precision" | "double") | (DbBackend::MySql, "float") => Self::Float,
            (_, "text" | "character varying" | "varchar" | "mediumtext" | "longtext") => Self::Text,
            (_, "timestamp without time zone" | "datetime") => Self::DateTime,
            (_, "boolean") | (DbBackend::MySql, "tinyint") => Self::Bool,
            _ => Self::Other,
        }
    }
}

/// Names and kinds of a table's columns; empty if there is no such table.
pub(super) async fn of(db: &DatabaseConnection, table: &str) -> Result<Vec<(String, Kind)>, DbErr> {
    let backend = db.get_database_backend();
    let query = match backend {
        DbBackend::Postgres => {
            "SELECT attname::text AS name, format_type(atttypid, NULL) AS type FROM pg_catalog.pg_attribute \
             WHERE attrelid = to_regclass(quote_ident($1)) AND attnum > 0 AND NOT attisdropped"
        }
        DbBackend::MySql => {
            "SELECT CAST(COLUMN_NAME AS CHAR) AS name, CAST(DATA_TYPE AS CHAR) AS type \
             FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?"
        }
        _ => "SELECT name, type FROM pragma_table_xinfo(?)",
    };
    let rows = db.query_all_raw(Statement::from_sql_and_values(backend, query, [table.into()])).await?;
    rows.iter()
        .map(|row| Ok((row.try_get("", "name")?, Kind::of(backend, &row.try_get::<String>("", "type")?))))
        .collect()
}
