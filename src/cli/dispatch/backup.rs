//! `backup`: its three questions, and the metrics that are written whichever way it ends.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Answer, BACKUPS, Context};
use crate::cli::args::{BackupArgs, Format};
use crate::cli::config::Config;
use crate::cli::keep::HISTORY;
use crate::cli::render::{self, json};
use crate::commands::backup::{self, BackupReport};
use crate::model::endpoint::Endpoint;
use crate::model::error::Error;

const NAME: Option<&str> = Some("backup");

impl Context<'_> {
    pub(super) async fn backup(&self, config: &Config, args: &BackupArgs) -> Answer {
        let folder = args.output_dir.clone().unwrap_or_else(|| config.in_app_dir(BACKUPS));
        if args.list {
            return self.list_backups(&folder);
        }
        if let Some(file) = &args.verify {
            return self.verify_backup(file, &folder).await;
        }
        self.make_backup(config, args, folder).await
    }

    async fn make_backup(&self, config: &Config, args: &BackupArgs, folder: PathBuf) -> Answer {
        let begun = Instant::now();
        let resolved = match config.database(args.database.database.as_ref()) {
            Ok(resolved) => resolved,
            Err(failure) => {
                self.note_failure(args, &failure);
                return Answer::failed(self.global.format, NAME, failure, None, None);
            }
        };
        self.warn(&resolved.warnings);
        let options = backup::Options {
            database: resolved.endpoint,
            folder,
            method: args.method.asked(),
            packing: args.compress.map(Into::into),
            keep: args.retention(),
            noted_in: args.output_dir.is_some().then(|| config.in_app_dir(HISTORY)),
        };
        let report = backup::run(&options, self.progress.clone(), self.cancel.clone()).await;
        if let Some(file) = &args.metrics_file {
            let code = report.as_ref().map_or_else(|failure| failure.kind().exit_code(), |_| 0);
            self.metrics(file, &options, report.as_ref().ok(), code, begun);
        }
        match report {
            Ok(report) => self.quiet(Answer::done(
                self.global.format,
                || format!("{}\n", report.backup.path.display()),
                || json::backed_up(&report),
                0,
            )),
            Err(failure) => Answer::failed(self.global.format, NAME, failure, Some(&options.database), None),
        }
    }

    fn list_backups(&self, folder: &Path) -> Answer {
        match backup::list(folder) {
            Ok(found) => Answer::done(
                self.global.format,
                || render::backup::list(&found, folder, self.terminal.stdout),
                || json::backups(&found),
                u8::from(!found.faulty.is_empty()),
            ),
            Err(failure) => Answer::failed(self.global.format, NAME, failure, None, None),
        }
    }

    async fn verify_backup(&self, file: &Path, folder: &Path) -> Answer {
        match backup::verify(file, folder, self.progress.clone(), self.cancel.clone()).await {
            Ok(backup) => self.quiet(Answer::done(
                self.global.format,
                || render::backup::verified(&backup),
                || json::verified_backup(&backup),
                0,
            )),
            Err(failure) => Answer::failed(self.global.format, NAME, failure, None, None),
        }
    }

    /// For cron: `-q` is silent unless there is something to say. A document is never left out.
    fn quiet(&self, mut answer: Answer) -> Answer {
        if self.global.quiet && self.global.format == Format::Text {
            answer.stdout.clear();
        }
        answer
    }

    /// The metrics of a run that did not come to know its database.
    pub(super) fn note_failure(&self, args: &BackupArgs, failure: &Error) {
        if let Some(file) = &args.metrics_file {
            let code = failure.kind().exit_code();
            self.put_metrics(file, None, None, None, code, Instant::now());
        }
    }

    fn metrics(
        &self,
        file: &Path,
        options: &backup::Options,
        report: Option<&BackupReport>,
        code: u8,
        begun: Instant,
    ) {
        // The database may be what cannot be reached: its backups are known by where it is.
        let found = backup::list(&options.folder).unwrap_or_default();
        let location = options.database.to_string();
        let newest = found.backups.iter().find(|b| b.manifest.database.location == location);
        let newest = report.map(|report| &report.backup).or(newest);
        self.put_metrics(file, Some(&options.database), report, newest, code, begun);
    }

    fn put_metrics(
        &self,
        file: &Path,
        endpoint: Option<&Endpoint>,
        report: Option<&BackupReport>,
        newest: Option<&crate::pipeline::backups::Backup>,
        code: u8,
        begun: Instant,
    ) {
        let took = begun.elapsed();
        if let Err(failure) = backup::write_metrics(file, endpoint, report, newest, code, took) {
            self.progress.warn(&failure.to_string());
        }
    }
}
