//! `roles`: what a user may do, as a set of permission bits.

use sea_orm::entity::prelude::*;

use crate::Integer;

/// A role.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "roles")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, column_type = "Integer")]
    pub id: Integer,
    /// Name, unique by constraint.
    #[sea_orm(column_type = "String(StringLen::N(64))", nullable, unique)]
    pub name: Option<String>,
    /// What the role is for.
    #[sea_orm(column_type = "String(StringLen::N(255))", nullable)]
    pub description: Option<String>,
    /// Permission bits.
    #[sea_orm(column_type = "Integer", nullable)]
    pub permissions: Option<Integer>,
}

/// Relations of a role.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Users that have the role.
    #[sea_orm(has_many = "super::user::Entity")]
    Users,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Users.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
