//! From what was typed to a command's options, and from its report to what is shown and the exit code.

mod backup;
mod rollback;
mod tune;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::args::{CheckArgs, Command, DetectArgs, Format, Global, IfExists, MigrateArgs, SchemaCommand};
use super::config::{self, Config, Environment};
use super::keep;
use super::progress::Progress;
use super::progress::recording::Recording;
use super::render::report::Advice;
use super::render::{self, error, exit_code, findings, json, nagios, verdict};
use super::terminal::Terminal;
use crate::commands::backup::{First, When};
use crate::commands::consent::Consent;
use crate::commands::dotenv::{self, Password};
use crate::commands::migrate::{Outcome, Planned};
use crate::commands::{check, detect, migrate, schema};
use crate::model::codes;
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Finding, Scope};
use crate::model::policy::Decision;
use crate::model::report::Status;
use crate::model::timeline::Timeline;
use crate::pipeline::runs;

/// Folder of backups in the TechCare folder.
const BACKUPS: &str = "backups";

/// What a run leaves: text for stdout, the exit code, and an error for stderr.
#[derive(Debug)]
pub struct Answer {
    /// Text for stdout, complete.
    pub stdout: String,
    /// Exit code.
    pub code: u8,
    /// Error.
    pub error: Option<Error>,
}

impl Answer {
    /// What was asked for.
    pub fn done(
        format: Format,
        text: impl FnOnce() -> String,
        document: impl FnOnce() -> Value,
        code: u8,
    ) -> Self {
        let stdout = match format {
            // Only `check` has a line for monitors, and makes it itself.
            Format::Text | Format::Nagios => text(),
            Format::Json => document_text(&document()),
        };
        Self { stdout, code, error: None }
    }

    /// An error, with the databases that it may be about.
    pub fn failed(
        format: Format,
        command: Option<&str>,
        failure: Error,
        source: Option<&Endpoint>,
        target: Option<&Endpoint>,
    ) -> Self {
        Self::failed_on_the_way(format, command, failure, source, target, None)
    }

    /// The same with when what happened.
    fn failed_on_the_way(
        format: Format,
        command: Option<&str>,
        failure: Error,
        source: Option<&Endpoint>,
        target: Option<&Endpoint>,
        course: Option<&Timeline>,
    ) -> Self {
        let failure = [source, target].into_iter().flatten().fold(failure, error::with_origin);
        let document = || {
            let document = json::failed(command, &failure, source, target);
            match course {
                Some(course) => json::timed(document, course),
                None => document,
            }
        };
        let (stdout, code) = match format {
            Format::Text => (String::new(), failure.kind().exit_code()),
            Format::Json => (document_text(&document()), failure.kind().exit_code()),
            Format::Nagios => {
                let (line, state) = nagios::failed(&failure);
                (line, state.code())
            }
        };
        Self { stdout, code, error: Some(failure) }
    }
}

/// A document as stdout carries it.
pub fn document_text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// Everything that a command runs with.
pub struct Context<'a> {
    /// Global options.
    pub global: &'a Global,
    /// The streams.
    pub terminal: Terminal,
    /// The environment of the process.
    pub environment: &'a Environment,
    /// Who watches.
    pub progress: Arc<Progress>,
    /// Ctrl-C.
    pub cancel: CancellationToken,
}

/// Runs a command to its end.
pub async fn run(command: &Command, context: &Context<'_>) -> Answer {
    let name = Some(command.name());
    let config = match context.config() {
        Ok(config) => config,
        Err(failure) => {
            if let Command::Backup(args) = command {
                context.note_failure(args, &failure);
            }
            return Answer::failed(context.global.format, name, failure, None, None);
        }
    };
    match command {
        Command::Detect(args) => context.detect(&config, args).await,
        Command::Check(args) => context.check(&config, args).await,
        Command::Backup(args) => context.backup(&config, args).await,
        Command::Migrate(args) => context.migrate(&config, args).await,
        Command::Rollback(args) => context.rollback(&config, args).await,
        Command::Tune(args) => context.tune(&config, args).await,
        Command::Schema { action } => context.schema(&config, action).await,
        // Handled before there is anything to run.
        Command::Completions { .. } | Command::Man(_) => {
            Answer { stdout: String::new(), code: 0, error: None }
        }
    }
}

impl Context<'_> {
    fn config(&self) -> Result<Config> {
        let home = self.environment.get("TECHCARE_HOME")?;
        let home = home.map(|setting| PathBuf::from(setting.text()));
        let app_dir = self.global.app_dir.clone().or(home).unwrap_or_else(|| PathBuf::from("."));
        let (env_file, config) = (self.global.env_file.as_deref(), self.global.config.as_deref());
        Config::load(&app_dir, env_file, config, self.environment.clone())
    }

    fn warn(&self, warnings: &[String]) {
        for text in warnings {
            self.progress.warn(text);
        }
    }

    async fn detect(&self, config: &Config, args: &DetectArgs) -> Answer {
        let (format, name) = (self.global.format, Some("detect"));
        let resolved = match config.database(args.database.database.as_ref()) {
            Ok(resolved) => resolved,
            Err(failure) => return Answer::failed(format, name, failure, None, None),
        };
        self.warn(&resolved.warnings);
        let options = detect::Options { endpoint: resolved.endpoint, backups: config.in_app_dir(BACKUPS) };
        let report = tokio::select! {
            report = detect::run(&options) => report,
            () = self.cancel.cancelled() => Err(interrupted()),
        };
        match report {
            Ok(report) => Answer::done(
                format,
                || render::detect::render(&report, self.terminal.stdout),
                || json::detect(&report),
                0,
            ),
            Err(failure) => Answer::failed(format, name, failure, Some(&options.endpoint), None),
        }
    }

    async fn check(&self, config: &Config, args: &CheckArgs) -> Answer {
        let (format, name) = (self.global.format, Some("check"));
        let resolved = match config.for_check(
            args.database.database.as_ref(),
            args.target.as_ref(),
            args.against.as_ref(),
        ) {
            Ok(resolved) => resolved,
            Err(failure) => return Answer::failed(format, name, failure, None, None),
        };
        self.warn(&resolved.warnings);
        let engine = args.target.as_ref().and_then(config::product);
        let options = check::Options {
            database: resolved.database,
            target: resolved.target.map(|endpoint| check::Aim { endpoint, engine }),
            against: resolved.against,
            policies: args.policies.over(config.policies()),
            rules: config.rules().to_vec(),
            replace: args.if_exists == IfExists::Replace,
            backups: config.in_app_dir(BACKUPS),
            quick: args.quick,
            tables: named(&args.tables),
            exclude: named(&args.exclude),
        };
        let course = Arc::new(Recording::new(self.progress.clone()));
        let report = tokio::select! {
            report = check::run(&options, course.clone(), self.cancel.clone()) => report,
            () = self.cancel.cancelled() => Err(interrupted()),
        };
        match report {
            Ok(report) if format == Format::Nagios => {
                let (line, state) = nagios::checked(&report);
                Answer { stdout: line, code: state.code(), error: None }
            }
            Ok(report) => Answer::done(
                format,
                || render::check::render(&report, self.terminal.stdout),
                || json::timed(json::check(&report), &course.timeline()),
                exit_code(render::check::status(&report)),
            ),
            Err(failure) => {
                let target = options.target.as_ref().map(|aim| &aim.endpoint).or(options.against.as_ref());
                let (database, course) = (Some(&options.database), course.timeline());
                Answer::failed_on_the_way(format, name, failure, database, target, Some(&course))
            }
        }
    }

    async fn migrate(&self, config: &Config, args: &MigrateArgs) -> Answer {
        let (format, name) = (self.global.format, Some("migrate"));
        let pair = match config.pair(&args.source, &args.target) {
            Ok(pair) => pair,
            Err(failure) => return Answer::failed(format, name, failure, None, None),
        };
        self.warn(&pair.warnings);
        let mut options = migrate_options(args, config, pair.source, pair.target);
        options.consent = self.consent();
        if options.replace && options.scope == Scope::DataOnly {
            let failure = Error::new(ErrorKind::Usage, "--data-only fills tables and replaces none")
                .next("leave --if-exists replace or --data-only out");
            return Answer::failed(format, name, failure, None, None);
        }
        let course = Arc::new(Recording::new(self.progress.clone()));
        let outcome = migrate::run(&options, course.clone(), self.cancel.clone()).await;
        let course = course.timeline();
        let style = self.terminal.stdout;
        match outcome {
            Ok(Outcome::Planned(planned)) => self.planned(&planned, &course),
            Ok(Outcome::Refused(planned)) => self.refused(&planned, &course),
            Ok(Outcome::Dumped(report)) => Answer::done(
                format,
                || render::dump::render(&report, style),
                || json::timed(json::dumped(&report), &course),
                exit_code(verdict(&report.migration.findings, &report.migration.tables)),
            ),
            Ok(Outcome::Migrated(report)) => {
                let mut advice = advice(&options);
                let file = keep::path(&config.in_app_dir(keep::REPORTS), &report.run_id);
                let document = |file| json::timed(json::migrated(&report, file), &course);
                let kept = document(Some(file.as_path()));
                match keep::write(&file, &document_text(&kept)) {
                    Ok(()) => advice.report = Some(file.display().to_string()),
                    Err(e) => self.progress.warn(&format!(
                        "the migration is done, but its report could not be kept in {}: {e}",
                        file.display()
                    )),
                }
                Answer::done(
                    format,
                    || render::report::render(&report, &advice, style),
                    || if advice.report.is_some() { kept } else { document(None) },
                    exit_code(verdict(&report.findings, &report.tables)),
                )
            }
            Err(failure) => {
                let (source, target) = (Some(&options.source), Some(&options.target));
                Answer::failed_on_the_way(format, name, failure, source, target, Some(&course))
            }
        }
    }

    /// `--dry-run` ends as the migration would, as far as that is known: a plan with blockers would be refused.
    fn planned(&self, planned: &Planned, course: &Timeline) -> Answer {
        let status = match planned.plan.blockers().next() {
            Some(_) => Status::Refused,
            None => verdict(&planned.plan.findings, &[]),
        };
        Answer::done(
            self.global.format,
            || render::plan::render(planned, self.terminal.stdout),
            || json::timed(json::planned(planned, None, status), course),
            exit_code(status),
        )
    }

    fn refused(&self, planned: &Planned, course: &Timeline) -> Answer {
        let plan = &planned.plan;
        let blockers = plan.blockers().count();
        let things = if blockers == 1 { "one thing" } else { "several things" };
        let mut refusal = Error::new(
            ErrorKind::Refused,
            format!("the plan has {things} that the target cannot hold exactly; nothing was touched"),
        );
        if let Some(first) = plan.blockers().next() {
            refusal = refusal.why(findings::sentence(first)).next(way_out(first));
        }
        let mut answer = Answer::done(
            self.global.format,
            || findings::render(&plan.findings, self.terminal.stdout).trim_start().to_owned(),
            || json::timed(json::planned(planned, Some(&refusal), Status::Refused), course),
            refusal.kind().exit_code(),
        );
        answer.error = Some(refusal);
        answer
    }

    async fn schema(&self, config: &Config, command: &SchemaCommand) -> Answer {
        let (format, name) = (self.global.format, Some("schema"));
        let (database, action) = match command {
            SchemaCommand::Status(database) => (database, schema::Action::Status),
            SchemaCommand::Up(database) => (database, schema::Action::Up),
            SchemaCommand::Down { database, steps } => (database, schema::Action::Down { steps: *steps }),
            SchemaCommand::Init(database) => (database, schema::Action::Init),
        };
        let resolved = match config.database(database.database.as_ref()) {
            Ok(resolved) => resolved,
            Err(failure) => return Answer::failed(format, name, failure, None, None),
        };
        self.warn(&resolved.warnings);
        let endpoint = resolved.endpoint;
        let mut yes = self.global.yes;
        if matches!(action, schema::Action::Down { .. }) && !yes && self.terminal.can_ask {
            match ask(&self.progress, &format!("Drop TechCare's tables of {endpoint} and the rows in them?"))
            {
                Ok(()) => yes = true,
                Err(failure) => return Answer::failed(format, name, failure, None, Some(&endpoint)),
            }
        }
        let options = schema::Options { endpoint, action, yes };
        match schema::run(&options).await {
            Ok(report) => Answer::done(
                format,
                || render::schema::render(&report, self.terminal.stdout),
                || json::schema(&report),
                0,
            ),
            Err(failure) => Answer::failed(format, name, failure, None, Some(&options.endpoint)),
        }
    }

    /// How the user's word is asked for.
    fn consent(&self) -> Consent {
        match (self.global.yes, self.terminal.can_ask) {
            (true, _) => Consent::Given,
            (false, false) => Consent::Missing,
            (false, true) => {
                let progress = self.progress.clone();
                Consent::Ask(Arc::new(move |question| ask(&progress, question)))
            }
        }
    }
}

/// Asks on the terminal; anything but yes is no.
fn ask(progress: &Progress, question: &str) -> Result<()> {
    let answer = progress.suspend(|| {
        let mut stderr = io::stderr().lock();
        // If the question cannot be shown it cannot be answered either.
        let asked = write!(stderr, "{} [y/N] ", render::one_line(question)).and_then(|()| stderr.flush());
        let mut line = String::new();
        asked.and_then(|()| io::stdin().lock().read_line(&mut line)).map(|_| line)
    });
    let answer = answer.unwrap_or_default().trim().to_lowercase();
    if matches!(answer.as_str(), "y" | "yes" | "s" | "sim") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "not confirmed; nothing was changed").next("answer y, or use --yes"))
}

/// Names as they were typed between commas.
fn named(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect()
}

fn migrate_options(
    args: &MigrateArgs,
    config: &Config,
    source: Endpoint,
    target: Endpoint,
) -> migrate::Options {
    let dump = args.dump.as_ref().map(|file| migrate::Dump {
        file: file.clone(),
        flavour: config.flavour_of(&args.target, target.dialect()),
    });
    migrate::Options {
        source,
        target,
        dry_run: args.dry_run,
        tables: named(&args.tables),
        exclude: named(&args.exclude),
        scope: args.scope(),
        batch_rows: args.batch_size,
        jobs: args.jobs,
        verify: !args.no_verify,
        first: First {
            folder: config.in_app_dir(BACKUPS),
            when: match (args.backup, args.no_backup || args.schema_only) {
                (true, _) => When::Always,
                (false, true) => When::Never,
                (false, false) => When::Small,
            },
        },
        write_env: args.write_env.clone(),
        loader: args.loader.into(),
        policies: args.policies.over(config.policies()),
        rules: config.rules().to_vec(),
        rejects: config.in_app_dir(keep::REJECTS),
        resume: args.resume,
        retry_for: Duration::from_secs(args.retry_for),
        view_timeout: Some(Duration::from_secs(args.view_timeout)).filter(|limit| !limit.is_zero()),
        dump,
        replace: args.if_exists == IfExists::Replace,
        consent: Consent::Missing,
        history: config.in_app_dir(keep::HISTORY),
        recorded_as: runs::Command::Migrate,
    }
}

fn advice(options: &migrate::Options) -> Advice {
    let lines = dotenv::lines(&options.target, Password::Masked);
    let shown = |line: &&str| line.starts_with("DB_TYPE=") || line.starts_with("DATABASE_URL=");
    Advice {
        env_lines: lines.lines().filter(shown).map(render::one_line).collect(),
        report: None,
        written_to: options.write_env.as_ref().map(|file| file.display().to_string()),
    }
}

/// What would let a migration go on that this finding stops.
fn way_out(finding: &Finding) -> String {
    let decisions = codes::find(&finding.code).map(|code| code.decisions).unwrap_or_default();
    let code = &finding.code;
    let ways: Vec<String> = decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Stop => None,
            Decision::Accept => Some(format!("--accept {code} goes on without it")),
            Decision::Reject => Some(format!("--rule {code}=reject leaves such rows out")),
            Decision::Convert => Some(format!("--rule {code}=convert changes such values")),
        })
        .collect();
    if ways.is_empty() {
        return "--dry-run shows the whole plan; correct the source or leave the table out with --exclude"
            .into();
    }
    format!(
        "correct the source, or decide: {} (docs/findings/{code}.md); --dry-run shows the whole plan",
        ways.join(", ")
    )
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; the database is as it was")
}
