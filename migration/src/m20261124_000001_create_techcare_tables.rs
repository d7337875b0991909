//! Makes TechCare's four tables, as `db.create_all()` does but with types that hold the values; drops them.
//! All or nothing: by a transaction, and on MySQL, which has none for DDL, by dropping what was made so far.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::dialect::Dialect;
use crate::tables::{TABLES, create, indexes};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut made = Vec::new();
        let outcome = make(manager, &mut made).await;
        if outcome.is_err() && manager.get_database_backend() == DbBackend::MySql {
            for table in made.into_iter().rev() {
                // The first error is the one to tell; a table that stays is named by the next `status`.
                let _ = manager.drop_table(Table::drop().table(table).take()).await;
            }
        }
        outcome
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::MySql {
            // One statement, because each would be final on its own.
            let mut all = Table::drop();
            TABLES.into_iter().rev().for_each(|table| {
                all.table(table);
            });
            return manager.drop_table(all).await;
        }
        for table in TABLES.into_iter().rev() {
            manager.drop_table(Table::drop().table(table).take()).await?;
        }
        Ok(())
    }
}

async fn make(manager: &SchemaManager<'_>, made: &mut Vec<&'static str>) -> Result<(), DbErr> {
    let dialect = Dialect::of(manager).await?;
    for (name, table) in TABLES.into_iter().zip(create(&dialect)) {
        manager.create_table(table).await?;
        made.push(name);
    }
    for index in indexes() {
        manager.create_index(index).await?;
    }
    Ok(())
}
