//! What can be typed after `backup`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{DatabaseArg, count};
use crate::model::manifest::{Method, Packing};
use crate::pipeline::backups::Keep;

pub(super) const EXAMPLES: &str = "\
Examples:
  techcare-db backup
  techcare-db backup --database postgresql --output-dir /var/backups/techcare --keep-daily 7 --keep-weekly 4
  techcare-db backup --database mysql --method portable
  techcare-db backup -q --metrics-file /var/lib/node_exporter/techcare.prom
  techcare-db backup --list
  techcare-db backup --verify backups/techcare_20261124_030000.db

stdout is the path of the backup, and nothing else. Times of --keep-daily, -weekly and -monthly are UTC.
Only verified backups of the same database count, and the newest is never deleted.";

/// `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArg,
    /// Folder of backups [default: backups in the TechCare folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output_dir: Option<PathBuf>,
    /// In what form
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Form::Auto)]
    pub method: Form,
    /// Pack the file [default: zstd for MySQL and MariaDB; PostgreSQL's dump packs itself; SQLite's file is not packed]
    #[arg(long, value_enum, value_name = "HOW")]
    pub compress: Option<Compress>,
    /// Keep the N newest backups of this database
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep: Option<usize>,
    /// Keep the newest backup of each of the last N days that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_daily: Option<usize>,
    /// Keep the newest backup of each of the last N weeks that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_weekly: Option<usize>,
    /// Keep the newest backup of each of the last N months that have one
    #[arg(long, value_name = "N", value_parser = count)]
    pub keep_monthly: Option<usize>,
    /// Write what Prometheus wants to know to this file, whether the backup succeeds or not
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<PathBuf>,
    /// Show what backups there are, and make none
    #[arg(
        long,
        conflicts_with_all = ["verify", "database", "method", "compress", "keep", "keep_daily", "keep_weekly", "keep_monthly", "metrics_file"]
    )]
    pub list: bool,
    /// Prove that a backup is sound, and make none; exit 4 if it is not
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["database", "method", "compress", "keep", "keep_daily", "keep_weekly", "keep_monthly", "metrics_file"]
    )]
    pub verify: Option<PathBuf>,
}

impl BackupArgs {
    /// Which backups stay.
    pub const fn retention(&self) -> Keep {
        Keep { last: self.keep, daily: self.keep_daily, weekly: self.keep_weekly, monthly: self.keep_monthly }
    }
}

/// Form of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The engine's own where its program is here, else portable
    Auto,
    /// The engine's own
    Native,
    /// An archive that every engine can be restored from, made without a client program
    Portable,
}

impl Form {
    /// The form that was asked for; `None` leaves it to what there is.
    pub const fn asked(self) -> Option<Method> {
        match self {
            Self::Auto => None,
            Self::Native => Some(Method::Native),
            Self::Portable => Some(Method::Portable),
        }
    }
}

/// How a backup is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compress {
    /// By zstd
    Zstd,
    /// Not at all
    None,
}

impl From<Compress> for Packing {
    fn from(how: Compress) -> Self {
        match how {
            Compress::Zstd => Self::Zstd,
            Compress::None => Self::None,
        }
    }
}
