//! `maintenance_plans`: maintenance that repeats.

use sea_orm::entity::prelude::*;

use crate::{Integer, LocalDateTime};

/// A plan.
#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "maintenance_plans")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, column_type = "Integer")]
    pub id: Integer,
    /// Whose plan it is.
    #[sea_orm(column_type = "Integer")]
    pub user_id: Integer,
    /// Name.
    #[sea_orm(column_type = "String(StringLen::N(64))")]
    pub name: String,
    /// What is cleaned, joined by commas.
    #[sea_orm(column_type = "String(StringLen::N(128))")]
    pub cleaning_types: String,
    /// How often: daily, weekly, monthly, custom.
    #[sea_orm(column_type = "String(StringLen::N(20))")]
    pub frequency: String,
    /// Day of a weekly plan.
    #[sea_orm(column_type = "String(StringLen::N(10))", nullable)]
    pub day_of_week: Option<String>,
    /// Day of a monthly plan. The form takes any number and SQLite holds it, so 64 bits.
    #[sea_orm(column_type = "BigInteger", nullable)]
    pub day_of_month: Option<Integer>,
    /// Time of day as text.
    #[sea_orm(column_type = "String(StringLen::N(10))")]
    pub time: String,
    /// Whether it runs.
    #[sea_orm(nullable)]
    pub enabled: Option<bool>,
    /// When it last ran.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub last_run: Option<LocalDateTime>,
    /// When it runs next.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub next_run: Option<LocalDateTime>,
    /// Mail address to notify.
    #[sea_orm(column_type = "String(StringLen::N(120))", nullable)]
    pub notify_email: Option<String>,
    /// Telephone to notify.
    #[sea_orm(column_type = "String(StringLen::N(32))", nullable)]
    pub notify_sms: Option<String>,
    /// When the plan was made.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub created_at: Option<LocalDateTime>,
    /// When it was last changed.
    #[sea_orm(column_type = "DateTime", nullable)]
    pub updated_at: Option<LocalDateTime>,
}

/// Relations of a plan.
#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {
    /// Whose plan it is.
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::UserId", to = "super::user::Column::Id")]
    User,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
