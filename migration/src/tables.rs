//! TechCare's four tables as its release of May 2025 has them: columns in the models' order, no defaults, no
//! checks, no actions.

use sea_orm_migration::prelude::*;

use crate::dialect::Dialect;

/// The tables, parents first.
pub const TABLES: [&str; 4] = ["roles", "users", "diagnostics", "maintenance_plans"];

/// CREATE TABLE statements in the order of [`TABLES`].
pub(crate) fn create(dialect: &Dialect) -> [TableCreateStatement; 4] {
    [roles(dialect), users(dialect), diagnostics(dialect), maintenance_plans(dialect)]
}

/// CREATE INDEX statements. Unique indexes, not constraints, because SQLAlchemy's `unique=True, index=True` makes
/// those and Alembic compares them.
pub(crate) fn indexes() -> [IndexCreateStatement; 2] {
    ["username", "email"].map(|column| {
        let mut index = Index::create();
        index.unique().name(format!("ix_users_{column}")).table("users").col(column);
        index
    })
}

fn roles(d: &Dialect) -> TableCreateStatement {
    d.table("roles")
        .col(d.varchar("name", 64))
        .col(d.varchar("description", 255))
        .col(Dialect::integer("permissions"))
        .index(&mut d.unique("roles", "name"))
        .take()
}

fn users(d: &Dialect) -> TableCreateStatement {
    d.table("users")
        .col(d.varchar("username", 64))
        .col(d.varchar("email", 120))
        .col(Dialect::integer("role_id"))
        // The application declares 128 and its own hashes have 162.
        .col(d.varchar("password_hash", 255))
        .col(d.varchar("name", 64))
        .col(d.datetime("created_at"))
        .col(d.datetime("last_login"))
        .col(Dialect::boolean("active"))
        .foreign_key(&mut d.foreign_key("users", "role_id", "roles"))
        .take()
}

fn diagnostics(d: &Dialect) -> TableCreateStatement {
    d.table("diagnostics")
        .col(Dialect::integer("user_id"))
        .col(d.varchar("name", 64))
        .col(d.datetime("date"))
        .col(d.text("cpu_results"))
        .col(d.text("memory_results"))
        .col(d.text("disk_results"))
        .col(d.text("startup_results"))
        .col(d.text("driver_results"))
        .col(d.text("security_results"))
        .col(d.text("network_results"))
        .col(d.double("score"))
        .col(d.varchar("status", 20))
        .col(d.text("recommendations"))
        .col(d.text("notes"))
        .foreign_key(&mut d.foreign_key("diagnostics", "user_id", "users"))
        .take()
}

fn maintenance_plans(d: &Dialect) -> TableCreateStatement {
    d.table("maintenance_plans")
        .col(Dialect::integer("user_id").not_null())
        .col(d.varchar("name", 64).not_null())
        .col(d.varchar("cleaning_types", 128).not_null())
        .col(d.varchar("frequency", 20).not_null())
        .col(d.varchar("day_of_week", 10))
        // The form takes any number.
        .col(d.big_integer("day_of_month"))
        .col(d.varchar("time", 10).not_null())
        .col(Dialect::boolean("enabled"))
        .col(d.datetime("last_run"))
        .col(d.datetime("next_run"))
        .col(d.varchar("notify_email", 120))
        .col(d.varchar("notify_sms", 32))
        .col(d.datetime("created_at"))
        .col(d.datetime("updated_at"))
        .foreign_key(&mut d.foreign_key("maintenance_plans", "user_id", "users"))
        .take()
}

#[cfg(test)]
mod tests {
    use sea_orm_migration::sea_orm::DbBackend;

    use super::*;

    #[test]
    fn mysql_is_told_everything_that_its_defaults_get_wrong() {
        let dialect = Dialect::new(DbBackend::MySql, Some("utf8mb4_0900_bin"));
        let [_, users, diagnostics, _] = create(&dialect).map(|table| table.to_string(MysqlQueryBuilder));
        for part in [
            "`id` INTEGER NOT NULL AUTO_INCREMENT",
            "`password_hash` VARCHAR(255)",
            "`created_at` DATETIME(6)",
            "FOREIGN KEY (`role_id`) REFERENCES `roles` (`id`)",
            "DEFAULT CHARSET=utf8mb4",
            "COLLATE=utf8mb4_0900_bin",
        ] {
            assert!(users.contains(part), "{part}: {users}");
        }
        assert!(!users.contains("ON DELETE") && !users.contains("_ibfk_"), "{users}");
        assert!(
            diagnostics.contains("`notes` LONGTEXT") && diagnostics.contains("`score` DOUBLE"),
            "{diagnostics}"
        );
    }

    #[test]
    fn postgres_names_what_it_would_name_itself() {
        let dialect = Dialect::new(DbBackend::Postgres, Some("C.utf8"));
        let [roles, users, ..] = create(&dialect).map(|table| table.to_string(PostgresQueryBuilder));
        assert!(roles.contains(r#""id" SERIAL NOT NULL"#), "{roles}");
        assert!(roles.contains(r#"CONSTRAINT "roles_name_key" UNIQUE ("name")"#), "{roles}");
        assert!(users.contains(r#"CONSTRAINT "users_role_id_fkey" FOREIGN KEY ("role_id")"#), "{users}");
        assert!(users.contains(r#""username" VARCHAR(64) COLLATE "C.utf8""#), "{users}");
    }
}
