//! `users`: the accounts that log in.

use sea_orm::entity::prelude::*;

use crate::{Integer, LocalDateTime};

/// An account.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, column_type = "Integer")]
    pub id: Integer,
    /// Log-in name; `unique, indexed` is a unique index named `ix_users_username`, not a constraint.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable, unique, indexed)]
    pub username: Option<String>,
    /// Mail address.
    #[sea_orm(column_type = "String(StringLen::N(120))", nullable, unique, indexed)]
    pub email: Option<String>,
    /// Role.
    #[sea_orm(column_type = "Integer", nullable)]
    pub role_id: Option<Integer>,
    /// Werkzeug's hash. The application declares 128 characters, its own default hash has 162.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub password_hash: Option<String>,
    /// Name for people.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable)]
    pub name: Option<String>,
    /// When the account was made.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub created_at: Option<LocalDateTime>,
    /// When it last logged in.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub last_login: Option<LocalDateTime>,
    /// Whether it may be used.
    #[sea_orm(nullable)]
    pub active: Option<bool>,
}

/// Relations of an account.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Its role.
    #[sea_orm(belongs_to = "super::role::Entity", from = "Column::RoleId", to = "super::role::Column::Id")]
    Role,
    /// Diagnostics that it ran.
    #[sea_orm(has_many = "super::diagnostic::Entity")]
    Diagnostics,
    /// Maintenance that it planned.
    #[sea_orm(has_many = "super::maintenance_plan::Entity")]
    MaintenancePlans,
}

impl Related<super::role::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Role.def()
    }
}

impl Related<super::diagnostic::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Diagnostics.def()
    }
}

impl Related<super::maintenance_plan::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::MaintenancePlans.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
