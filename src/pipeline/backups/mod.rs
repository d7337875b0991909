//! Backups: a folder of files, each with a manifest that says what is in it.
//!
//! What others build on: [`make::make`] makes one of an open database; [`Shelf::of`] lists a folder (the newest first,
//! [`Shelf::of_database`] those of one database); [`verify::verify`] proves one before it is used; [`verify::unpack`]
//! gives a verified backup as a file that its engine reads, which is gone again when the value is dropped;
//! [`verify::prove`] compares what was restored from it.

mod content;
pub mod folder;
pub mod make;
mod names;
mod packing;
pub mod places;
pub mod retention;
pub mod room;
pub mod shelf;
pub mod verify;

pub use folder::Folder;
pub use make::{Made, Order, make};
pub use retention::Keep;
pub use shelf::{Backup, Faulty, Shelf};
pub use verify::{Unpacked, prove, unpack, verify};

#[cfg(test)]
mod tests;
