//! What can be typed after `migrate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use secrecy::SecretString;

use super::{IfExists, NAMING, PolicyArgs, count};
use crate::commands::migrate::Loader;
use crate::model::plan::Scope;

/// Longest limit that every engine takes: PostgreSQL counts milliseconds in 31 bits.
const MOST_SECONDS: u64 = 2_000_000;

pub(super) const EXAMPLES: &str = "\
Examples:
  techcare-db migrate --source sqlite --target postgresql --dry-run
  techcare-db migrate --source sqlite --target @production --write-env .env.new
  techcare-db migrate --source mysql --target copy.db --tables 'user*,roles' --exclude users_old
  techcare-db migrate --source postgresql --target mysql --format json > report.json
  techcare-db migrate --source sqlite --target mysql --dump techcare.sql.gz";

/// `migrate`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches, as they are typed")]
pub struct MigrateArgs {
    #[doc = "From."]
    #[arg(long, value_name = "DB", value_hint = ValueHint::FilePath, help = format!("Move from here: {NAMING}"))]
    pub source: SecretString,
    #[doc = "To."]
    #[arg(long, value_name = "DB", value_hint = ValueHint::FilePath, help = format!("Move to here: {NAMING}; a SQLite file need not exist yet"))]
    pub target: SecretString,
    /// Print the plan and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write the migration as an SQL script instead, for psql, mysql, mariadb or sqlite3 to load; needs no
    /// target server. A name in .gz or .zst packs it
    #[arg(
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        value_parser = script,
        conflicts_with_all = ["data_only", "if_exists", "loader", "no_verify", "write_env", "backup", "no_backup"]
    )]
    pub dump: Option<PathBuf>,
    /// Only these tables; globs, separated by commas
    #[arg(long, value_name = "A,B", value_hint = ValueHint::Other, value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Not these tables; globs, separated by commas
    #[arg(long, value_name = "A,B", value_hint = ValueHint::Other, value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// Make the tables, leave them empty
    #[arg(long, conflicts_with = "data_only")]
    pub schema_only: bool,
    /// Fill tables that are there already and empty
    #[arg(long)]
    pub data_only: bool,
    /// What was decided about findings.
    #[command(flatten)]
    pub policies: PolicyArgs,
    /// What to do with a target that has such tables
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub if_exists: IfExists,
    /// Most rows in a batch [default: as many as fit 512 KiB]
    #[arg(long, value_name = "N", value_parser = count)]
    pub batch_size: Option<usize>,
    /// Tables at a time [default: as many as pay on this machine]
    #[arg(long, value_name = "N", value_parser = count)]
    pub jobs: Option<usize>,
    /// How rows are moved
    #[arg(long, value_enum, default_value_t, value_name = "LOADER")]
    pub loader: LoaderArg,
    /// Back the source up first, whatever it is; without this only a SQLite file up to 32 MiB is
    #[arg(long, conflicts_with = "no_backup")]
    pub backup: bool,
    /// Do not back the source up first
    #[arg(long)]
    pub no_backup: bool,
    /// Go on where a run of the same command was cut short
    #[arg(long, conflicts_with_all = ["schema_only", "data_only", "dry_run", "dump"])]
    pub resume: bool,
    /// How long to wait, in all, for a connection that was lost on the way
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub retry_for: u64,
    /// Skip asking the target what arrived
    #[arg(long)]
    pub no_verify: bool,
    /// How long a view may run on either side to prove that it gives the same rows; then it is left behind and named.
    /// 0 is for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=MOST_SECONDS))]
    pub view_timeout: u64,
    /// Write the .env lines that point TechCare at the target, password included, mode 0600
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub write_env: Option<PathBuf>,
    /// Write the report as an HTML page to this file, however it ends
    /// [default: reports/migration_ID.html once it is done]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Keep no report in reports/
    #[arg(long, conflicts_with = "report")]
    pub no_report: bool,
}

impl MigrateArgs {
    /// Which half of the work.
    pub const fn scope(&self) -> Scope {
        match (self.schema_only, self.data_only) {
            (true, _) => Scope::SchemaOnly,
            (false, true) => Scope::DataOnly,
            (false, false) => Scope::All,
        }
    }
}

/// How rows are moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LoaderArg {
    /// By the engines' bulk paths
    #[default]
    Bulk,
    /// TechCare's tables through SeaORM's entities, slower
    Seaorm,
}

impl From<LoaderArg> for Loader {
    fn from(loader: LoaderArg) -> Self {
        match loader {
            LoaderArg::Bulk => Self::Bulk,
            LoaderArg::Seaorm => Self::SeaOrm,
        }
    }
}

/// A file for a script. stdout carries the report.
fn script(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text == "-" {
        return Err("name a file: stdout carries the report".into());
    }
    Ok(text.into())
}
