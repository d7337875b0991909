//! SeaORM migrations of TechCare's own tables, for SQLite, PostgreSQL and MySQL/MariaDB. A migration says what a
//! release of the schema looked like and is never changed afterwards, so it doesn't build on `entity`; tests hold
//! the two against each other.

use sea_orm_migration::prelude::{MigrationTrait, MigratorTrait, async_trait};

mod dialect;
mod m20261124_000001_create_techcare_tables;
mod tables;

// Whoever runs the migrator needs the traits of the same version.
pub use sea_orm_migration;
pub use tables::TABLES;

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261124_000001_create_techcare_tables::Migration)]
    }
}
