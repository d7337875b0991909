//! `tune`: from what was typed to its options, and from its report to what is shown.

use super::{Answer, Context, keep};
use crate::cli::args::TuneArgs;
use crate::cli::config::Config;
use crate::cli::render::{self, exit_code, json};
use crate::commands::tune::{self, Options, Step};

const NAME: Option<&str> = Some("tune");

/// Folder of what was set, in that of the history.
const FOLDER: &str = "tune";

impl Context<'_> {
    pub(super) async fn tune(&self, config: &Config, args: &TuneArgs) -> Answer {
        let format = self.global.format;
        let resolved = match config.database(args.database.database.as_ref()) {
            Ok(resolved) => resolved,
            Err(failure) => return Answer::failed(format, NAME, failure, None, None),
        };
        self.warn(&resolved.warnings);
        let options = Options {
            endpoint: resolved.endpoint,
            memory: args.memory,
            ssd: args.ssd,
            step: match (args.apply, args.undo) {
                (true, _) => Step::Apply,
                (false, true) => Step::Undo,
                (false, false) => Step::Advise,
            },
            folder: config.in_app_dir(keep::HISTORY).join(FOLDER),
            consent: self.consent(),
        };
        match tune::run(&options, &self.cancel).await {
            Ok(mut report) => {
                let refusal = report.refusal.take();
                let status = render::tune::status(&report, refusal.as_ref());
                let code = refusal.as_ref().map_or_else(|| exit_code(status), |e| e.kind().exit_code());
                let answer = Answer::done(
                    format,
                    || render::tune::render(&report, self.terminal.stdout),
                    || json::tuned(&report, refusal.as_ref()),
                    code,
                );
                Answer { error: refusal, ..answer }
            }
            Err(failure) => Answer::failed(format, NAME, failure, None, Some(&options.endpoint)),
        }
    }
}
