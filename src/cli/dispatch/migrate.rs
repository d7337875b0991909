//! `migrate`: what was typed becomes its options, what came of it is told, and kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{About, Answer, BACKUPS, Context, document_text, named};
use crate::cli::args::{IfExists, MigrateArgs};
use crate::cli::config::Config;
use crate::cli::keep;
use crate::cli::progress::recording::Recording;
use crate::cli::render::report::Advice;
use crate::cli::render::{self, exit_code, findings, html, json, verdict};
use crate::commands::backup::{First, When};
use crate::commands::consent::Consent;
use crate::commands::dotenv::{self, Password};
use crate::commands::migrate::{self, Outcome, Planned};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind};
use crate::model::plan::{Finding, Scope};
use crate::model::report::{MigrationReport, Status};
use crate::model::timeline::Timeline;
use crate::pipeline::runs;

const NAME: &str = "migrate";

impl Context<'_> {
    pub(super) async fn migrate(&self, config: &Config, args: &MigrateArgs) -> Answer {
        let format = self.global.format;
        let page = args.report.as_deref();
        if let Err(failure) = page.map_or(Ok(()), keep::check_page) {
            return Answer::failed(format, Some(NAME), failure, None, None);
        }
        let pair = match config.pair(&args.source, &args.target) {
            Ok(pair) => pair,
            Err(failure) => return self.failed(NAME, failure, About::default(), page),
        };
        self.warn(&pair.warnings);
        let mut options = migrate_options(args, config, pair.source, pair.target);
        options.consent = self.consent();
        if options.replace && options.scope == Scope::DataOnly {
            let failure = Error::new(ErrorKind::Usage, "--data-only fills tables and replaces none")
                .next("leave --if-exists replace or --data-only out");
            return self.failed(NAME, failure, About::default(), page);
        }
        let course = Arc::new(Recording::new(self.progress.clone()));
        let outcome = migrate::run(&options, course.clone(), self.cancel.clone()).await;
        let course = course.timeline();
        match outcome {
            Ok(Outcome::Planned(planned)) => self.planned(&planned, &course, page),
            Ok(Outcome::Refused(planned)) => self.refused(&planned, &course, page),
            Ok(Outcome::Dumped(report)) => {
                self.put_page(page, || html::dumped(&report, &course));
                Answer::done(
                    format,
                    || render::dump::render(&report, self.terminal.stdout),
                    || json::timed(json::dumped(&report), &course),
                    exit_code(verdict(&report.migration.findings, &report.migration.tables)),
                )
            }
            Ok(Outcome::Migrated(report)) => self.migrated(config, args, &report, advice(&options), &course),
            Err(failure) => {
                let about = About {
                    source: Some(&options.source),
                    target: Some(&options.target),
                    course: Some(&course),
                };
                self.failed(NAME, failure, about, page)
            }
        }
    }

    /// What is kept of a migration is kept when it is done: without it, it is done all the same.
    fn migrated(
        &self,
        config: &Config,
        args: &MigrateArgs,
        report: &MigrationReport,
        mut advice: Advice,
        course: &Timeline,
    ) -> Answer {
        let status = exit_code(verdict(&report.findings, &report.tables));
        let document = |file, page| json::timed(json::migrated(report, file, page), course);
        let file = keep::path(&config.in_app_dir(keep::REPORTS), &report.run_id);
        let keeps = !args.no_report;
        let page_file = match &args.report {
            Some(page) => Some(page.clone()),
            None => keeps.then(|| file.with_extension("html")),
        };
        let page_kept = page_file.as_deref().map(|to| {
            let page = html::migrated(report, &advice, course);
            if args.report.is_some() {
                keep::write_page(to, &page)
            } else {
                keep::write_page_of_run(to, &page)
            }
        });
        let page = page_file.as_deref().filter(|_| matches!(page_kept, Some(Ok(()))));
        advice.page = page.map(|page| page.display().to_string());
        let kept = document(Some(&file), page);
        match keeps.then(|| keep::write(&file, &document_text(&kept))) {
            Some(Ok(())) => advice.report = Some(file.display().to_string()),
            Some(Err(e)) => self.not_kept(&file, &e.to_string()),
            None => {}
        }
        if let (Some(Err(failure)), Some(page_file)) = (page_kept, &page_file)
            // What kept the one from being written kept the other as well, and has been told.
            && (advice.report.is_some() || args.report.is_some())
        {
            self.not_kept(page_file, failure.reason().unwrap_or(failure.what()));
        }
        Answer::done(
            self.global.format,
            || render::report::render(report, &advice, self.terminal.stdout),
            || if advice.report.is_some() { kept } else { document(None, page) },
            status,
        )
    }

    fn not_kept(&self, file: &Path, why: &str) {
        let file = file.display();
        self.progress
            .warn(&format!("the migration is done, but its report could not be kept in {file}: {why}"));
    }

    /// `--dry-run` ends as the migration would, as far as that is known: a plan with blockers would be refused.
    fn planned(&self, planned: &Planned, course: &Timeline, page: Option<&Path>) -> Answer {
        let status = match planned.plan.blockers().next() {
            Some(_) => Status::Refused,
            None => verdict(&planned.plan.findings, &[]),
        };
        self.put_page(page, || html::planned(planned, None, status, course));
        Answer::done(
            self.global.format,
            || render::plan::render(planned, self.terminal.stdout),
            || json::timed(json::planned(planned, None, status), course),
            exit_code(status),
        )
    }

    fn refused(&self, planned: &Planned, course: &Timeline, page: Option<&Path>) -> Answer {
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
        self.put_page(page, || html::planned(planned, Some(&refusal), Status::Refused, course));
        let mut answer = Answer::done(
            self.global.format,
            || findings::render(&plan.findings, self.terminal.stdout).trim_start().to_owned(),
            || json::timed(json::planned(planned, Some(&refusal), Status::Refused), course),
            refusal.kind().exit_code(),
        );
        answer.error = Some(refusal);
        answer
    }
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
        page: None,
        written_to: options.write_env.as_ref().map(|file| file.display().to_string()),
    }
}

/// What would let a migration go on that this finding stops.
fn way_out(finding: &Finding) -> String {
    let code = &finding.code;
    let ways: Vec<String> =
        findings::ways(code).iter().map(|(typed, effect)| format!("{typed} {effect}")).collect();
    if ways.is_empty() {
        return "--dry-run shows the whole plan; correct the source or leave the table out with --exclude"
            .into();
    }
    format!(
        "correct the source, or decide: {} (docs/findings/{code}.md); --dry-run shows the whole plan",
        ways.join(", ")
    )
}
