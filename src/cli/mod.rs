//! What was typed, where databases are, and what is shown: the only floor that reads arguments and writes to the terminal.

pub mod args;
pub mod config;
pub mod logging;
pub mod progress;
pub mod terminal;
pub mod units;
