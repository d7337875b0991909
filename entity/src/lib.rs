//! TechCare's own tables as SeaORM entities: one file a table, and the value types that hold what such a column
//! really holds on every engine. Creating the tables is `migration`'s work; other tables have no entity.

pub mod diagnostic;
pub mod integer;
pub mod local_datetime;
pub mod maintenance_plan;
pub mod role;
pub mod sqlite_text;
pub mod user;

pub use integer::Integer;
pub use local_datetime::LocalDateTime;
pub use sqlite_text::SqlAlchemyText;
