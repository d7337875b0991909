//! TechCare's own schema: what the entities say about it, whether a database has it, its migrations, and the
//! SeaORM way of moving its rows. Works on any engine; whatever is not TechCare's own is not known here.

mod columns;
mod failure;
pub mod loader;
pub mod migrations;
pub mod recognition;
pub mod registry;

pub use migration::TABLES;
pub use recognition::{models_of, recognise};
pub use registry::known_schema;
