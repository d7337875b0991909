//! The portable archive: schema, rows and manifest of a database in one file that needs no server and no client
//! program, that other tools can read, and that is a source like any other. The format is described in
//! `docs/archive.md`, the choice in `docs/decisions/0006-archive.md`.

mod columns;
mod container;
mod format;
mod parts;
mod read;
mod stream;
mod write;

pub use format::{ColumnEntry, Database, Manifest, TableEntry};
pub use read::{Archive, open, recognise};
pub use write::{Content, Written, write};
