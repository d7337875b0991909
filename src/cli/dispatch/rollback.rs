//! `rollback`: the history is taken back, or a backup is put back.

use std::path::Path;

use super::{Answer, BACKUPS, Context};
use crate::cli::args::RollbackArgs;
use crate::cli::config::Config;
use crate::cli::keep;
use crate::cli::render::{self, exit_code, json, verdict};
use crate::commands::restore::{self, Which};
use crate::commands::rollback::{self, RollbackReport};
use crate::model::endpoint::Endpoint;
use crate::model::error::Result;

const NAME: Option<&str> = Some("rollback");

impl Context<'_> {
    pub(super) async fn rollback(&self, config: &Config, args: &RollbackArgs) -> Answer {
        let resolved = match config.database(args.database.database.as_ref()) {
            Ok(resolved) => resolved,
            Err(failure) => return Answer::failed(self.global.format, NAME, failure, None, None),
        };
        self.warn(&resolved.warnings);
        let endpoint = resolved.endpoint;
        let report = match &args.backup {
            Some(backup) => self.restore(config, args, backup, &endpoint).await,
            None => self.take_back(config, args, &endpoint).await,
        };
        match report {
            Ok(report) => Answer::done(
                self.global.format,
                || render::rollback::render(&report, self.terminal.stdout),
                || json::rollback(&report),
                exit_code(verdict(&report.findings, &[])),
            ),
            Err(failure) => Answer::failed(self.global.format, NAME, failure, None, Some(&endpoint)),
        }
    }

    async fn take_back(
        &self,
        config: &Config,
        args: &RollbackArgs,
        endpoint: &Endpoint,
    ) -> Result<RollbackReport> {
        let options = rollback::Options {
            endpoint: endpoint.clone(),
            history: config.in_app_dir(keep::HISTORY),
            backups: config.in_app_dir(BACKUPS),
            run: args.run.clone(),
            step: match (args.list, args.dry_run) {
                (true, _) => rollback::Step::List,
                (false, true) => rollback::Step::DryRun,
                (false, false) => rollback::Step::TakeBack,
            },
            consent: self.consent(),
        };
        rollback::run(&options, &self.cancel).await
    }

    async fn restore(
        &self,
        config: &Config,
        args: &RollbackArgs,
        backup: &Path,
        endpoint: &Endpoint,
    ) -> Result<RollbackReport> {
        let options = restore::Options {
            endpoint: endpoint.clone(),
            which: match backup.to_str() {
                Some("latest") => Which::Latest,
                _ => Which::File(backup.to_owned()),
            },
            folder: config.in_app_dir(BACKUPS),
            from_other_database: args.from_other_database,
            save_first: !args.no_backup,
            dry_run: args.dry_run,
            consent: self.consent(),
            history: config.in_app_dir(keep::HISTORY),
            rejects: config.in_app_dir(keep::REJECTS),
        };
        // It holds a whole migration where the backup is an archive, too much for the stack of every command.
        Box::pin(restore::run(&options, &(self.progress.clone() as _), &self.cancel)).await
    }
}
