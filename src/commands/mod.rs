//! One file a command: options in, report out. No clap, no printing.

pub mod schema;
