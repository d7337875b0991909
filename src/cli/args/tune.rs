//! What can be typed after `tune`.

use bytesize::ByteSize;
use clap::{Args, ValueHint};

use super::DatabaseArg;

pub(super) const EXAMPLES: &str = "\
Examples:
  techcare-db tune
  techcare-db tune --database postgresql --ssd
  techcare-db tune --database mysql://techcare@db/techcare --memory 4GB
  techcare-db tune --database postgresql --apply
  techcare-db tune --database postgresql --undo

Without --apply and --undo nothing is changed. What loses rows at a power cut is named, and never advised.
Exit codes: 0 nothing to do, 1 there is something to set, to restart or to do by hand";

/// `tune`.
#[derive(Debug, Args)]
pub struct TuneArgs {
    /// The database that it is about.
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Memory of the server's machine, 4GB say [default: that of this machine, where the server is on it]
    #[arg(long, value_name = "SIZE", value_hint = ValueHint::Other, value_parser = memory)]
    pub memory: Option<u64>,
    /// The database lies on a solid-state disk, which PostgreSQL's planner has to be told
    #[arg(long)]
    pub ssd: bool,
    /// Set what is advised, as far as the rights allow; the old values are kept in history/tune
    #[arg(long)]
    pub apply: bool,
    /// Put back what the newest --apply has set on this server
    #[arg(long, conflicts_with_all = ["apply", "memory", "ssd"])]
    pub undo: bool,
}

/// A size in bytes, with or without a unit.
fn memory(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() >= ByteSize::mib(64).as_u64() => Ok(size.as_u64()),
        Ok(_) => Err("that is less than 64 MB".into()),
        Err(_) => Err("use a number with its unit: 2GB, 512MB".into()),
    }
}
