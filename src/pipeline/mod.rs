//! The work itself, from preflight to switch, in terms of `engine/capability` and `model` only.

pub mod archive;
pub mod backups;
pub mod collisions;
pub mod compare;
pub mod computed;
pub mod copy;
pub mod dump;
pub mod execute;
#[cfg(test)]
pub(crate) mod fake;
pub mod history;
pub mod instants;
pub mod order;
pub mod orphans;
pub mod outgrown;
pub mod patience;
pub mod plan;
pub mod preflight;
pub mod private_file;
pub mod probes;
pub mod refusals;
pub mod refused_rows;
pub mod rejects;
pub mod resume;
pub mod runs;
pub mod selection;
pub mod switch;
pub mod tunings;
pub mod unheld;
pub mod verify;
pub mod views;
