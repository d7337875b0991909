//! `diagnostics`: what a run on a machine found, mostly as JSON text. The text is kept as it was received: some
//! of it is cut short, some holds escapes that a JSON column would refuse, so no column here is JSON.

use sea_orm::entity::prelude::*;

use crate::{Integer, LocalDateTime};

/// A diagnostic.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "diagnostics")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, column_type = "Integer")]
    pub id: Integer,
    /// Who ran it.
    #[sea_orm(column_type = "Integer", nullable)]
    pub user_id: Option<Integer>,
    /// Name of the diagnostic or of the machine.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable)]
    pub name: Option<String>,
    /// When it ran.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub date: Option<LocalDateTime>,
    /// Processor.
    #[sea_orm(column_type = "Text", nullable)]
    pub cpu_results: Option<String>,
    /// Memory.
    #[sea_orm(column_type = "Text", nullable)]
    pub memory_results: Option<String>,
    /// Disks.
    #[sea_orm(column_type = "Text", nullable)]
    pub disk_results: Option<String>,
    /// Programs started with the system.
    #[sea_orm(column_type = "Text", nullable)]
    pub startup_results: Option<String>,
    /// Drivers.
    #[sea_orm(column_type = "Text", nullable)]
    pub driver_results: Option<String>,
    /// Security.
    #[sea_orm(column_type = "Text", nullable)]
    pub security_results: Option<String>,
    /// Network.
    #[sea_orm(column_type = "Text", nullable)]
    pub network_results: Option<String>,
    /// Overall score; the application declares FLOAT and means a double.
    #[sea_orm(column_type = "Double", nullable)]
    pub score: Option<f64>,
    /// Overall verdict.
    #[sea_orm(column_type = "String(StringLen::N(20))", nullable)]
    pub status: Option<String>,
    /// What to do.
    #[sea_orm(column_type = "Text", nullable)]
    pub recommendations: Option<String>,
    /// Remarks.
    #[sea_orm(column_type = "Text", nullable)]
    pub notes: Option<String>,
}

/// Relations of a diagnostic.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Who ran it.
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::UserId", to = "super::user::Column::Id")]
    User,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
