//! TechCare's own schema: the entity registry as a neutral schema, and its migrations.

use crate::model::endpoint::Dialect;
use crate::model::schema::Schema;

/// TechCare's tables.
pub fn known_schema() -> Schema {
    Schema { dialect: Dialect::Sqlite, tables: vec![], objects: vec![] }
}
