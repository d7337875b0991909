//! What knows how to talk to databases: the traits, one folder an engine, and one file that names all three.
//! Engines know `model` and `capability`, never each other.

pub mod archive;
pub mod backup;
pub mod blocking;
pub mod capability;
mod claim;
pub mod compress;
pub mod condition;
pub mod connect;
mod contained;
pub mod dump;
pub mod expression;
pub mod file_name;
pub mod fit;
pub mod judge;
pub mod kept;
pub mod limits;
mod probe;
mod staying;
pub mod stream;
pub mod tool;
pub mod watch;
mod way_back;

pub mod mysql;
pub mod postgres;
pub mod sqlite;
