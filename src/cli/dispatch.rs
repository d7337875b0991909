//! From what was typed to a command's options, and from its report to what is shown and the exit code.

mod backup;
mod migrate;
mod rollback;
mod tune;

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::args::{CheckArgs, Command, DetectArgs, Format, Global, IfExists, SchemaCommand};
use super::config::{self, Config, Environment};
use super::keep;
use super::progress::Progress;
use super::progress::recording::Recording;
use super::render::{self, error, exit_code, html, json, nagios};
use super::terminal::Terminal;
use crate::commands::consent::Consent;
use crate::commands::{check, detect, schema};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::timeline::Timeline;

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
        Self::failed_on_the_way(format, command, failure, About { source, target, course: None })
    }

    /// The same with when what happened.
    fn failed_on_the_way(format: Format, command: Option<&str>, failure: Error, about: About<'_>) -> Self {
        let About { source, target, course } = about;
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

/// What is known of a run that failed.
#[derive(Debug, Clone, Copy, Default)]
struct About<'a> {
    source: Option<&'a Endpoint>,
    target: Option<&'a Endpoint>,
    course: Option<&'a Timeline>,
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
        let options = detect::Options {
            endpoint: resolved.endpoint,
            backups: config.in_app_dir(BACKUPS),
            history: config.in_app_dir(keep::HISTORY),
        };
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
        let name = "check";
        let page = args.report.as_deref();
        if let Err(failure) = page.map_or(Ok(()), keep::check_page) {
            return Answer::failed(self.global.format, Some(name), failure, None, None);
        }
        let resolved = match config.for_check(
            args.database.database.as_ref(),
            args.target.as_ref(),
            args.against.as_ref(),
        ) {
            Ok(resolved) => resolved,
            Err(failure) => return self.failed(name, failure, About::default(), page),
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
            history: config.in_app_dir(keep::HISTORY),
            quick: args.quick,
            tables: named(&args.tables),
            exclude: named(&args.exclude),
        };
        let course = Arc::new(Recording::new(self.progress.clone()));
        let report = tokio::select! {
            report = check::run(&options, course.clone(), self.cancel.clone()) => report,
            () = self.cancel.cancelled() => Err(interrupted()),
        };
        let course = course.timeline();
        match report {
            Ok(report) => {
                self.put_page(page, || html::checked(&report, &course));
                if self.global.format == Format::Nagios {
                    let (line, state) = nagios::checked(&report);
                    return Answer { stdout: line, code: state.code(), error: None };
                }
                Answer::done(
                    self.global.format,
                    || render::check::render(&report, self.terminal.stdout),
                    || json::timed(json::check(&report), &course),
                    exit_code(render::check::status(&report)),
                )
            }
            Err(failure) => {
                let target = options.target.as_ref().map(|aim| &aim.endpoint).or(options.against.as_ref());
                let about = About { source: Some(&options.database), target, course: Some(&course) };
                self.failed(name, failure, about, page)
            }
        }
    }

    /// An error, and its page where one was asked for.
    fn failed(&self, name: &str, failure: Error, about: About<'_>, page: Option<&Path>) -> Answer {
        let answer = Answer::failed_on_the_way(self.global.format, Some(name), failure, about);
        if let Some(failure) = &answer.error {
            self.put_page(page, || html::failed(name, failure, about.source, about.target, about.course));
        }
        answer
    }

    /// Writes the page that was asked for. What it tells of is done: a page that is not there changes nothing of that.
    fn put_page(&self, file: Option<&Path>, page: impl FnOnce() -> String) {
        if let Some(Err(failure)) = file.map(|file| keep::write_page(file, &page())) {
            self.progress.warn(&format!("the report is not kept as a page: {failure}"));
        }
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

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; the database is as it was")
}
