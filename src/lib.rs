//! Moves a TechCare database between SQLite, PostgreSQL and MySQL/MariaDB, proven by content.
//!
//! The floors, imports running downwards only: `cli` → `commands` → `pipeline` → `engine` → `model`, with
//! `techcare` (TechCare's own schema) beside `pipeline`. See `docs/architecture.md`.

pub mod cli;
pub mod commands;
pub mod engine;
pub mod model;
pub mod pipeline;
pub mod techcare;
