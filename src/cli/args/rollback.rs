//! What can be typed after `rollback`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::DatabaseArg;

pub(super) const EXAMPLES: &str = "\
Examples:
  techcare-db rollback --database postgresql --list
  techcare-db rollback --database postgresql --dry-run
  techcare-db rollback --database postgresql
  techcare-db rollback --backup latest --dry-run
  techcare-db rollback --backup backups/techcare_20261124_030000.db

What goes is kept aside, in the same step that puts back what was there before.
Nothing is dropped; the answer says where it is and how to drop it.";

/// `rollback`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct RollbackArgs {
    /// The database that it is about.
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Take this run back instead of the newest migration
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub run: Option<String>,
    /// Put the database back as this backup has it; latest is the newest of this database
    #[arg(long, value_name = "FILE|latest", value_hint = ValueHint::FilePath, conflicts_with_all = ["run", "list"])]
    pub backup: Option<PathBuf>,
    /// Take a backup of another database, which then is in the place of this one
    #[arg(long, requires = "backup")]
    pub from_other_database: bool,
    /// Make no backup of the present state first; it is kept aside either way
    #[arg(long, requires = "backup")]
    pub no_backup: bool,
    /// Say what can be taken back and which backups there are, and touch nothing
    #[arg(long, conflicts_with_all = ["run", "dry_run"])]
    pub list: bool,
    /// Say what would be done, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
}
