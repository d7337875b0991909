//! What can be typed: clap's structs, their help, and nothing that acts. [`super::dispatch`] turns them into the
//! options of a command.

mod backup;
mod migrate;
mod rollback;
mod tune;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use secrecy::SecretString;

pub use self::backup::{BackupArgs, Compress, Form};
pub use self::migrate::{LoaderArg, MigrateArgs};
pub use self::rollback::RollbackArgs;
pub use self::tune::TuneArgs;
use crate::model::policy::{Decision, Policies, Policy};

/// How a database is named, in the help of every option that takes one.
const NAMING: &str =
    "an engine (sqlite, postgresql, mysql), a URL, the path of a SQLite file, or @NAME of techcare-db.toml";

const EXAMPLES: &str = "\
Examples:
  techcare-db detect
  techcare-db check --database sqlite --target postgresql
  techcare-db backup --keep-daily 7
  techcare-db migrate --source sqlite --target postgresql --dry-run
  techcare-db migrate --source sqlite --target postgresql --write-env .env.new
  techcare-db migrate --source instance/techcare.db --target mysql://techcare@db/techcare
  techcare-db rollback --database postgresql
  techcare-db tune --database postgresql
  techcare-db schema status --database postgresql

Naming a database:
  postgresql                   from DATABASE_URL or DB_HOST, DB_NAME, …, also in .env
  postgresql://user@host/name  as SQLAlchemy, libpq or Django write it
  sqlite:///techcare.db        below instance/, as in Flask; sqlite:////abs/path.db
  copy.db                      an existing SQLite file
  some.backup                  a portable archive, to read from
  @production                  [databases.production] of techcare-db.toml

Exit codes: 0 done, 1 done with something to look at, 2 usage, 3 unreachable or login,
4 refused with nothing changed, 5 failed, 130 interrupted";

const DETECT_EXAMPLES: &str = "\
Examples:
  techcare-db detect
  techcare-db detect --database postgresql://techcare@db/techcare --format json";

const CHECK_EXAMPLES: &str = "\
Examples:
  techcare-db check
  techcare-db check --database sqlite --target postgresql
  techcare-db check --database copy.db --target mysql --format json
  techcare-db check --database sqlite --against postgresql
  techcare-db check --quick --format nagios

Without --target and --against: does it fit TechCare's models, is it whole, is it healthy?
A bare engine as --target need not be reachable: the plan is then for that engine's defaults.
Exit codes: 0 nothing to do, 1 findings or differences; with --format nagios 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  techcare-db schema status
  techcare-db schema up --database postgresql
  techcare-db schema down --database postgresql --yes";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  techcare-db completions bash > ~/.local/share/bash-completion/completions/techcare-db
  techcare-db completions zsh > ~/.zfunc/_techcare-db
  techcare-db completions fish > ~/.config/fish/completions/techcare-db.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  techcare-db man | man -l -
  techcare-db man migrate | man -l -
  techcare-db man --output-dir ~/.local/share/man/man1";

/// Moves a TechCare database between SQLite, PostgreSQL and MySQL/MariaDB, proven by content
#[derive(Debug, Parser)]
#[command(
    name = "techcare-db",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 110,
    after_help = EXAMPLES
)]
pub struct Arguments {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The TechCare folder: .env, techcare-db.toml, instance/ and backups/ are looked up there
    /// [default: $TECHCARE_HOME, else .]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub app_dir: Option<PathBuf>,
    /// Read this file instead of .env in the TechCare folder
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_file: Option<PathBuf>,
    /// Read this file instead of techcare-db.toml in the TechCare folder
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// What stdout carries; json is exactly one document, errors included
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    /// Progress on stderr: bars on a terminal, else a line every 10 s; json is one event a line
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub progress: ProgressMode,
    /// Colours; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorMode,
    /// More on stderr: -v what is done, -vv SQL as well, never a row's contents
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Nothing on stderr but errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Answer yes where a terminal would be asked
    #[arg(long, short, global = true)]
    pub yes: bool,
}

/// What stdout carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One document.
    Json,
    /// One line for a monitor, with its exit codes: check without --target and --against alone
    Nagios,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// Bars.
    Always,
    /// Nothing.
    Never,
    /// One event a line.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorMode {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// What is configured, and is it well?
    #[command(after_help = DETECT_EXAMPLES)]
    Detect(DetectArgs),
    /// Is it safe? How a database is, what a migration would do, whether two are equal
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// One consistent snapshot in a file, verified, while the application goes on writing
    #[command(after_help = backup::EXAMPLES)]
    Backup(BackupArgs),
    /// Move a whole database, or part of it, and prove by content that it arrived
    #[command(after_help = migrate::EXAMPLES)]
    Migrate(Box<MigrateArgs>),
    /// Put it back: take the newest migration into a database back, or restore a backup
    #[command(after_help = rollback::EXAMPLES)]
    Rollback(RollbackArgs),
    /// What the server should be set to for this machine and database: now, advised, why
    #[command(after_help = tune::EXAMPLES)]
    Tune(TuneArgs),
    /// TechCare's own tables through its migrations
    #[command(after_help = SCHEMA_EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Schema {
        /// What to do with them.
        #[command(subcommand)]
        action: SchemaCommand,
    },
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print a manual page, or write all of them to a folder
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

impl Command {
    /// Its name, as in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Detect(_) => "detect",
            Self::Check(_) => "check",
            Self::Backup(_) => "backup",
            Self::Migrate(_) => "migrate",
            Self::Rollback(_) => "rollback",
            Self::Tune(_) => "tune",
            Self::Schema { .. } => "schema",
            Self::Completions { .. } => "completions",
            Self::Man(_) => "man",
        }
    }
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The page of this command, techcare-db(1) without one
    #[arg(value_name = "COMMAND", value_hint = ValueHint::Other, conflicts_with = "output_dir")]
    pub command: Vec<String>,
    /// Write all pages to this folder, over those that are there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output_dir: Option<PathBuf>,
}

/// `detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// The database that it is about.
    #[command(flatten)]
    pub database: DatabaseArg,
}

/// A database that need not be named.
#[derive(Debug, Args)]
pub struct DatabaseArg {
    #[doc = "The database:"]
    #[arg(
        long,
        value_name = "DB",
        value_hint = ValueHint::FilePath,
        help = format!("The database: {NAMING} [default: DATABASE_URL, else DB_TYPE, else instance/techcare.db]")
    )]
    pub database: Option<SecretString>,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The database that it is about.
    #[command(flatten)]
    pub database: DatabaseArg,
    #[doc = "What a migration would do."]
    #[arg(
        long,
        value_name = "DB",
        value_hint = ValueHint::FilePath,
        help = format!("What would a migration to there do, and what would stop it? {NAMING}; a bare engine need not be reachable")
    )]
    pub target: Option<SecretString>,
    #[doc = "What it should be equal to."]
    #[arg(long, value_name = "DB", value_hint = ValueHint::FilePath, help = format!("Does this database hold the same? {NAMING}"))]
    pub against: Option<SecretString>,
    /// What the migration is to do with a target that has such tables
    #[arg(long, value_enum, default_value_t, value_name = "WHAT", requires = "target")]
    pub if_exists: IfExists,
    /// Skip what reads whole tables
    #[arg(long)]
    pub quick: bool,
    /// Write the report as an HTML page to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// Only these tables; globs, separated by commas
    #[arg(long, value_name = "A,B", value_hint = ValueHint::Other, value_delimiter = ',')]
    pub tables: Vec<String>,
    /// Not these tables; globs, separated by commas
    #[arg(long, value_name = "A,B", value_hint = ValueHint::Other, value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// What was decided about findings, as for `migrate`.
    #[command(flatten)]
    pub policies: PolicyArgs,
}

/// What was decided about findings.
#[derive(Debug, Clone, Args)]
pub struct PolicyArgs {
    /// Go on although this finding says that an object is left behind or changed; CODE may hold *
    #[arg(long, value_name = "CODE[@TABLE[.COLUMN]]", value_hint = ValueHint::Other, value_parser = Policy::parse_accept)]
    pub accept: Vec<Policy>,
    /// Decide a finding: stop, reject, convert or accept, as docs/findings says
    #[arg(long, value_name = "CODE[@TABLE[.COLUMN]]=DECISION", value_hint = ValueHint::Other, value_parser = Policy::parse_rule)]
    pub rule: Vec<Policy>,
    /// Decide all findings about rows at once
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_bad_row: Option<OnBadRow>,
}

/// What to do with rows that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnBadRow {
    /// Stop before anything is visible, the default
    Stop,
    /// Put the row aside: its key goes to rejects/migration_ID.ndjson
    Reject,
}

impl PolicyArgs {
    /// These over those of the configuration file: of policies that are equally exact the last wins.
    pub fn over(&self, file: &[Policy]) -> Policies {
        let rows = self.on_bad_row.map(|what| match what {
            OnBadRow::Stop => Policy::for_rows(Decision::Stop),
            OnBadRow::Reject => Policy::for_rows(Decision::Reject),
        });
        Policies::new(file.iter().chain(&rows).chain(&self.accept).chain(&self.rule).cloned().collect())
    }
}

/// What to do with a target that has rows in such tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum IfExists {
    /// Refuse, touch nothing
    #[default]
    Fail,
    /// Keep the old tables aside and put the new ones in their place
    Replace,
}

/// `schema`.
#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Which migrations are applied, which are pending
    Status(DatabaseArg),
    /// Make what is missing: apply the pending migrations
    Up(DatabaseArg),
    /// Undo the newest migrations: drops their tables
    Down {
        /// The database.
        #[command(flatten)]
        database: DatabaseArg,
        /// How many to undo
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
    /// Record the migrations as applied to tables that the application made
    Init(DatabaseArg),
}

/// A number from 1.
fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err("use a whole number from 1".into()),
        Ok(number) => Ok(number),
    }
}

/// Reads the command line.
pub fn parse(args: &[OsString]) -> Result<Arguments, clap::Error> {
    let arguments = Arguments::try_parse_from(args)?;
    let of_health = matches!(&arguments.command, Command::Check(check) if check.target.is_none() && check.against.is_none());
    if arguments.global.format == Format::Nagios && !of_health {
        let text = "--format nagios is for check, without --target and --against";
        return Err(Arguments::command().error(ErrorKind::ArgumentConflict, text));
    }
    Ok(arguments)
}

/// The completion script of a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "techcare-db", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if shell != Shell::Bash {
        return script;
    }
    // clap_complete 4.6.11 takes the hyphen of our name for the step to a command in one half of the script for bash and
    // not in the other: it then completes commands, and none of their options.
    script.replace("techcare__subcmd__db", "techcare__db")
}

/// What a global option says in a command line that cannot be parsed: an error has to be shown in the format and
/// colour that were asked for.
pub fn peek<T: ValueEnum + Default>(args: &[OsString], option: &str) -> T {
    let mut found = None;
    let mut words = args.iter().skip(1).filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let Some(rest) = word.strip_prefix(option) else { continue };
        let value = match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => words.next(),
            None => None,
        };
        found = value.and_then(|value| T::from_str(value, false).ok()).or(found);
    }
    found.unwrap_or_default()
}

/// The command that a command line which cannot be parsed is about, as far as that can be told.
pub fn peek_command(args: &[OsString]) -> Option<&str> {
    let known = |word: &&str| Arguments::command().find_subcommand(word).is_some();
    args.iter().skip(1).filter_map(|word| word.to_str()).find(known)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::commands::migrate::Loader;
    use crate::model::plan::Scope;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn read(line: &str) -> Arguments {
        parse(&words(line)).unwrap_or_else(|e| panic!("{line}: {e}"))
    }

    fn migrate(line: &str) -> MigrateArgs {
        match read(line).command {
            Command::Migrate(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_and_after_the_command() {
        for line in [
            "techcare-db --format json -vv --app-dir /srv detect",
            "techcare-db detect --format json -vv --app-dir /srv",
            "techcare-db --format=json detect -v -v --app-dir=/srv",
            "techcare-db schema --format json status -vv --app-dir /srv",
        ] {
            let global = read(line).global;
            assert_eq!((global.format, global.verbose), (Format::Json, 2), "{line}");
            assert_eq!(global.app_dir, Some("/srv".into()));
        }
    }

    #[test]
    fn migrate_takes_its_options() {
        let args = migrate(
            "techcare-db migrate --source sqlite --target pg --dry-run --tables a,b* --tables c --exclude d \
             --schema-only --if-exists fail --batch-size 500 --jobs 3 --no-verify --write-env f --loader seaorm",
        );
        assert_eq!((args.source.expose_secret(), args.target.expose_secret()), ("sqlite", "pg"));
        assert_eq!(
            (args.tables.as_slice(), args.exclude.as_slice()),
            (["a", "b*", "c"].map(String::from).as_slice(), ["d".to_owned()].as_slice())
        );
        assert_eq!((args.batch_size, args.jobs, args.scope()), (Some(500), Some(3), Scope::SchemaOnly));
        assert!(args.dry_run && args.no_verify);
        assert_eq!((Loader::from(args.loader), args.write_env), (Loader::SeaOrm, Some("f".into())));
        let plain = migrate("techcare-db migrate --source a --target b");
        assert_eq!((plain.scope(), Loader::from(plain.loader)), (Scope::All, Loader::Bulk));
    }

    #[test]
    fn a_wrong_command_line_ends_with_2() {
        for line in [
            "techcare-db",
            "techcare-db nonsense",
            "techcare-db migrate --source sqlite",
            "techcare-db migrate --source a --target b --schema-only --data-only",
            "techcare-db migrate --source a --target b --batch-size 0",
            "techcare-db migrate --source a --target b --jobs -1",
            "techcare-db migrate --source a --target b --if-exists merge",
            "techcare-db migrate --source a --target b --dump -",
            "techcare-db migrate --source a --target b --dump f --data-only",
            "techcare-db migrate --source a --target b --dump f --write-env e",
            "techcare-db detect --format xml",
            "techcare-db detect -v -q",
            "techcare-db schema",
            "techcare-db backup --keep 0",
            "techcare-db backup --list --verify f",
            "techcare-db backup --verify f --keep 2",
            "techcare-db rollback --list --dry-run",
            "techcare-db rollback --backup latest --run 1",
            "techcare-db rollback --backup latest --list",
            "techcare-db rollback --no-backup",
            "techcare-db rollback --from-other-database",
            "techcare-db detect --format nagios",
            "techcare-db check --target pg --format nagios",
            "techcare-db check --against pg --format nagios",
            "techcare-db tune --apply --undo",
            "techcare-db tune --memory much",
            "techcare-db tune --memory 0",
            "techcare-db tune --undo --memory 4GB",
        ] {
            assert_eq!(parse(&words(line)).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(read("techcare-db check --format nagios").global.format, Format::Nagios);
        for line in ["techcare-db --help", "techcare-db --version", "techcare-db help migrate"] {
            assert_eq!(parse(&words(line)).unwrap_err().exit_code(), 0, "{line}");
        }
    }

    #[test]
    fn the_format_is_known_before_anything_else_is() {
        let format = |line: &str| peek::<Format>(&words(line), "--format");
        assert_eq!(format("techcare-db --format json nonsense"), Format::Json);
        assert_eq!(format("techcare-db nonsense --format=json"), Format::Json);
        assert_eq!(format("techcare-db nonsense --format xml"), Format::Text);
        assert_eq!(format("techcare-db -- --format=json"), Format::Text);
        assert_eq!(format("techcare-db --formatted json"), Format::Text);
    }

    #[test]
    fn the_command_is_known_too() {
        let line = words("techcare-db --format json migrate --bogus");
        assert_eq!(peek_command(&line), Some("migrate"));
        assert_eq!(peek_command(&words("techcare-db nonsense")), None);
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let script = completions(shell);
            assert!(script.contains("migrate") && script.contains("dry-run"), "{shell}");
        }
    }

    #[test]
    fn what_was_typed_shows_no_password() {
        let line = "techcare-db migrate --source pg://u:canary@h/d --target mysql://u:canary@h/d";
        assert!(!format!("{:?}", read(line)).contains("canary"));
    }
}
