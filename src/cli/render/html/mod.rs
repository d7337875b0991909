//! What `migrate` and `check` found or did as one page for a browser: made of what the document and the text are made
//! of, and of nothing else. It holds all that it needs, loads nothing and runs nothing.

mod check;
mod course;
mod findings;
mod moved;
mod page;
mod parts;
mod plan;

use maud::{Markup, html};

use self::page::Page;
use self::parts::text;
use super::report::{self, Advice};
use super::{dump, error, json, status_of, verdict};
use crate::cli::units;
use crate::commands::check::CheckReport;
use crate::commands::dump::DumpReport;
use crate::commands::migrate::Planned;
use crate::model::endpoint::Endpoint;
use crate::model::error::Error;
use crate::model::report::{DatabaseReport, MigrationReport, Status};
use crate::model::timeline::Timeline;

/// How every page begins.
pub const DOCTYPE: &str = "<!DOCTYPE html>";

/// `migrate`.
pub fn migrated(migration: &MigrationReport, advice: &Advice, line: &Timeline) -> String {
    let end = report::end(migration);
    let mut page = of_migration("Migration", migration, done(verdict_of(migration), &end), line);
    page.section("proof", "Proof", moved::proof(migration));
    put_course(&mut page, Some(line));
    put_findings(&mut page, migration);
    page.section("next", "Point TechCare at the new database", moved::next(advice));
    page.section("undo", "Go back", moved::undo(migration));
    put_plan(&mut page, migration);
    page.finish()
}

/// `migrate --dump`.
pub fn dumped(report: &DumpReport, line: &Timeline) -> String {
    let migration = &report.migration;
    let mut page = of_migration("Script", migration, done(verdict_of(migration), &dump::end(report)), line);
    page.section("load", "Load the script", moved::load(report));
    put_course(&mut page, Some(line));
    put_findings(&mut page, migration);
    put_plan(&mut page, migration);
    page.finish()
}

/// `migrate --dry-run`, or a plan that was refused with this error.
pub fn planned(planned: &Planned, refusal: Option<&Error>, status: Status, line: &Timeline) -> String {
    let verdict = match (refusal, status) {
        (Some(refusal), _) => refusal.what().to_owned(),
        (None, Status::Refused) => "The migration would be refused; nothing was touched".to_owned(),
        (None, Status::Findings) => {
            "The migration would leave something behind; nothing was touched".to_owned()
        }
        (None, _) => "The migration can be done; nothing was touched".to_owned(),
    };
    let mut page =
        Page::new(heading("Plan of a migration", &planned.source, &planned.target), status, verdict);
    page.database("from", &planned.source);
    page.database("to", &planned.target);
    page.lasted(line);
    if let Some(refusal) = refusal {
        page.section("error", "Why it was refused", failure(refusal));
    }
    let found = &planned.plan.findings;
    if !found.is_empty() {
        page.section("findings", "Findings", findings::of_plan(found));
    }
    page.section("plan", "Plan", plan::of(&planned.plan));
    put_course(&mut page, Some(line));
    page.finish()
}

/// `check`.
pub fn checked(report: &CheckReport, line: &Timeline) -> String {
    let title = match (&report.target, &report.against) {
        (Some(ahead), _) => heading("Check of a migration", &report.database, &ahead.planned.target),
        (None, Some(other)) => heading("Comparison", &report.database, &other.database),
        (None, None) => format!("Check of {}", product(&report.database)),
    };
    let status = super::check::status(report);
    let mut page = Page::new(title, status, check::verdict(report));
    page.database("database", &report.database);
    if let Some(ahead) = &report.target {
        page.database("target", &ahead.planned.target);
    }
    if let Some(other) = &report.against {
        page.database("other", &other.database);
    }
    page.lasted(line);
    if let Some(found) = &report.alone {
        check::alone(&mut page, found);
    }
    if let Some(found) = &report.target {
        check::ahead(&mut page, found, report.quick);
    }
    if let Some(found) = &report.against {
        check::against(&mut page, found, report.quick);
    }
    put_course(&mut page, Some(line));
    page.finish()
}

/// An error, with the databases that were named as far as they are known.
pub fn failed(
    command: &str,
    error: &Error,
    source: Option<&Endpoint>,
    target: Option<&Endpoint>,
    line: Option<&Timeline>,
) -> String {
    let title = format!("techcare-db {command}");
    let mut page = Page::new(title, status_of(error), error::tidy(error.what()));
    for (name, endpoint) in [("from", source), ("to", target)] {
        if let Some(endpoint) = endpoint {
            page.database(name, &named(endpoint));
        }
    }
    if let Some(line) = line {
        page.lasted(line);
    }
    page.section("error", "What happened", failure(error));
    put_course(&mut page, line);
    page.finish()
}

/// A database of which no more is known than its name.
fn named(endpoint: &Endpoint) -> DatabaseReport {
    DatabaseReport {
        engine: endpoint.dialect().to_string(),
        version: None,
        location: endpoint.to_string(),
        origin: endpoint.origin.clone(),
    }
}

fn verdict_of(migration: &MigrationReport) -> Status {
    verdict(&migration.findings, &migration.tables)
}

/// What a run that did its work begins its page with.
fn done(status: Status, end: &str) -> (Status, String) {
    let looked_at = if status == Status::Findings { "; there is something to look at" } else { "" };
    (status, format!("{end}{looked_at}"))
}

fn of_migration(
    what: &str,
    migration: &MigrationReport,
    (status, verdict): (Status, String),
    line: &Timeline,
) -> Page {
    let mut page = Page::new(heading(what, &migration.source, &migration.target), status, verdict);
    page.database("from", &migration.source);
    page.database("to", &migration.target);
    page.lasted(line);
    let rows = migration.tables.iter().map(|table| table.rows_written).sum();
    page.fact("rows", html! { (units::count(rows)) });
    page.fact("bytes of values", html! { (units::bytes(migration.bytes)) });
    page.fact("run", html! { code { (text(&migration.run_id)) } });
    for (name, file) in [("backup of the source", &migration.backup), ("rows put aside", &migration.rejects)]
    {
        if let Some(file) = file {
            page.fact(name, html! { code { (text(file)) } });
        }
    }
    page.section("tables", "What moved", moved::tables(migration));
    page
}

fn put_course(page: &mut Page, line: Option<&Timeline>) {
    let Some(line) = line else { return };
    if !line.phases.is_empty() {
        page.section("timeline", "Time line", course::timeline(line));
    }
    if !line.throughput.samples.is_empty() {
        page.section("throughput", "Throughput", course::throughput(line));
    }
}

/// A report repeats its plan unless that is long, as the document does.
fn put_plan(page: &mut Page, migration: &MigrationReport) {
    if let Some(planned) = migration.plan.as_ref().filter(|plan| plan.tables.len() <= json::PLANNED_TABLES) {
        page.section("plan", "Plan", plan::of(planned));
    }
}

fn put_findings(page: &mut Page, migration: &MigrationReport) {
    if migration.findings.is_empty() {
        let all = "Nothing: every table, column, key and value arrived exactly as it was.";
        page.section("findings", "Findings", html! { p.good { (all) } });
    } else {
        page.section("findings", "Findings", findings::of_plan(&migration.findings));
    }
}

/// `SQLite 3.51.3`.
fn product(database: &DatabaseReport) -> &str {
    database.version.as_deref().unwrap_or(&database.engine)
}

/// `Migration: SQLite 3.51.3 → PostgreSQL 15.18`.
fn heading(what: &str, from: &DatabaseReport, to: &DatabaseReport) -> String {
    format!("{what}: {} → {}", product(from), product(to))
}

/// What failed, why, and what to do; then what failed beside it.
fn failure(error: &Error) -> Markup {
    let lines = [("what", Some(error.what())), ("why", error.reason()), ("next", error.advice())];
    let lines = lines.into_iter().filter_map(|(name, said)| {
        let said = said.map(error::tidy).filter(|said| !said.is_empty())?;
        Some((name, text(&said)))
    });
    html! {
        (parts::facts(lines))
        @if !error.others().is_empty() {
            h3 { "At the same time" }
            @for other in error.others() { (failure(other)) }
        }
    }
}

#[cfg(test)]
mod tests;
