//! How the three engines declare TechCare's columns: the names that SQLAlchemy's dialects use, wide enough for the
//! values that TechCare really stores, and comparing text by code point as SQLite does.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// An engine and the collation that compares exactly on this very server.
pub(crate) struct Dialect {
    backend: DbBackend,
    collation: Option<String>,
}

impl Dialect {
    /// Asks the server which of the exact collations it has.
    pub(crate) async fn of(manager: &SchemaManager<'_>) -> Result<Self, DbErr> {
        let backend = manager.get_database_backend();
        // Best first. PostgreSQL: code point order with Unicode case mapping, then without. MySQL: MariaDB and MySQL
        // each lack the other's collation without padding; 5.7 has neither, and only trailing blanks differ then.
        let (query, preferred): (_, &[&str]) = match backend {
            DbBackend::Postgres => (
                "SELECT collname::text AS name FROM pg_catalog.pg_collation \
                 WHERE collnamespace = 'pg_catalog'::regnamespace AND collencoding IN \
                 (-1, (SELECT encoding FROM pg_catalog.pg_database WHERE datname = current_database()))",
                &["pg_c_utf8", "C.utf8", "C.UTF-8", "C"],
            ),
            DbBackend::MySql => (
                "SELECT CAST(COLLATION_NAME AS CHAR) AS name FROM information_schema.COLLATIONS \
                 WHERE COLLATION_NAME LIKE 'utf8mb4%'",
                &["utf8mb4_nopad_bin", "utf8mb4_0900_bin", "utf8mb4_bin"],
            ),
            _ => return Ok(Self::new(backend, None)),
        };
        let rows = manager.get_connection().query_all_raw(Statement::from_string(backend, query)).await?;
        let known =
            rows.iter().map(|row| row.try_get::<String>("", "name")).collect::<Result<Vec<_>, _>>()?;
        let collation = preferred.iter().find(|name| known.iter().any(|k| k == *name));
        Ok(Self::new(backend, collation.copied()))
    }

    /// An engine with that collation for text.
    pub(crate) fn new(backend: DbBackend, collation: Option<&str>) -> Self {
        Self { backend, collation: collation.map(str::to_owned) }
    }

    /// An empty CREATE TABLE with its primary key `id`.
    pub(crate) fn table(&self, name: &'static str) -> TableCreateStatement {
        let mut table = Table::create();
        table.table(name).col(self.id()).primary_key(Index::create().col("id"));
        if self.backend == DbBackend::MySql {
            table.engine("InnoDB").character_set("utf8mb4");
            if let Some(collation) = &self.collation {
                table.collate(collation);
            }
        }
        table
    }

    /// The key that the engine hands out. On SQLite that is the rowid, by being `INTEGER` and the primary key.
    fn id(&self) -> ColumnDef {
        let (native, auto_increment) = match self.backend {
            DbBackend::Postgres => ("SERIAL", false),
            DbBackend::MySql => ("INTEGER", true),
            _ => ("INTEGER", false),
        };
        let mut column = declared("id", native);
        column.not_null();
        if auto_increment {
            column.auto_increment();
        }
        column
    }

    /// A whole number of 32 bits.
    pub(crate) fn integer(name: &'static str) -> ColumnDef {
        declared(name, "INTEGER")
    }

    /// A whole number of 64 bits, which every INTEGER of SQLite is.
    pub(crate) fn big_integer(&self, name: &'static str) -> ColumnDef {
        declared(name, if self.backend == DbBackend::Sqlite { "INTEGER" } else { "BIGINT" })
    }

    /// Text of at most that many characters.
    pub(crate) fn varchar(&self, name: &'static str, length: u32) -> ColumnDef {
        self.text_as(name, &format!("VARCHAR({length})"))
    }

    /// Text of any length. MySQL's TEXT ends at 64 KiB, which real diagnostics come close to.
    pub(crate) fn text(&self, name: &'static str) -> ColumnDef {
        self.text_as(name, if self.backend == DbBackend::MySql { "LONGTEXT" } else { "TEXT" })
    }

    /// Date and time without zone, to the microsecond. MySQL's DATETIME alone has no fraction.
    pub(crate) fn datetime(&self, name: &'static str) -> ColumnDef {
        let native = match self.backend {
            DbBackend::Postgres => "TIMESTAMP WITHOUT TIME ZONE",
            DbBackend::MySql => "DATETIME(6)",
            _ => "DATETIME",
        };
        declared(name, native)
    }

    /// Truth value.
    pub(crate) fn boolean(name: &'static str) -> ColumnDef {
        declared(name, "BOOLEAN")
    }

    /// Double precision, which MySQL's FLOAT is not.
    pub(crate) fn double(&self, name: &'static str) -> ColumnDef {
        let native = match self.backend {
            DbBackend::Postgres => "DOUBLE PRECISION",
            DbBackend::MySql => "DOUBLE",
            _ => "FLOAT",
        };
        declared(name, native)
    }

    /// UNIQUE as a table constraint, under the name that the engine gives an unnamed one.
    pub(crate) fn unique(&self, table: &str, column: &'static str) -> IndexCreateStatement {
        let mut unique = Index::create();
        unique.unique().col(column);
        match self.backend {
            DbBackend::Postgres => unique.name(format!("{table}_{column}_key")),
            DbBackend::MySql => unique.name(column),
            _ => &mut unique,
        };
        unique
    }

    /// A foreign key without actions, under the name that the engine gives an unnamed one. InnoDB makes up
    /// `<table>_ibfk_1` itself; naming it would give the index behind it that name too.
    pub(crate) fn foreign_key(
        &self,
        table: &'static str,
        column: &'static str,
        references: &'static str,
    ) -> ForeignKeyCreateStatement {
        let mut key = ForeignKey::create();
        key.from(table, column).to(references, "id");
        if self.backend == DbBackend::Postgres {
            key.name(format!("{table}_{column}_fkey"));
        }
        key
    }

    fn text_as(&self, name: &'static str, native: &str) -> ColumnDef {
        match (&self.collation, self.backend) {
            // One of the names above, so that quotes around it suffice.
            (Some(collation), DbBackend::Postgres) => {
                declared(name, &format!("{native} COLLATE \"{collation}\""))
            }
            _ => declared(name, native),
        }
    }
}

fn declared(name: &'static str, native: &str) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    column.custom(Alias::new(native));
    column
}
