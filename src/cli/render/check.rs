//! What `check` found, for people: how the database is, what `migrate` would make of it, where two differ.

use std::fmt::Write as _;
use std::time::Duration;

use super::table::{Column, lay_out};
use super::{one_line, plan};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::commands::check::{Ahead, Alone, CheckReport, ComparedTable, Comparison, Fit, Observation};
use crate::model::plan::Severity;
use crate::model::report::Status;
use crate::techcare::recognition::Variant;

const OBSERVATIONS: [Column; 4] =
    [Column::Left("code"), Column::Left("where"), Column::Right("rows"), Column::Left("what")];

pub(super) const COMPARED: [Column; 5] = [
    Column::Left("table"),
    Column::Right("rows here"),
    Column::Right("rows there"),
    Column::Right("differ"),
    Column::Left("equal"),
];

/// Whether observations are grave, what such are called, and their colour.
pub(super) const GROUPS: [(bool, &str, Ink); 2] =
    [(true, "to be looked at", Ink::Warning), (false, "good to know", Ink::Strong)];

/// What it means that nothing was observed.
pub(super) const GOOD: &str = "nothing to do";

/// How the check ended.
pub fn status(report: &CheckReport) -> Status {
    if report.has_findings() { Status::Findings } else { Status::Done }
}

/// What `migrate` would do, in the word of the document.
pub fn outcome(ahead: &Ahead) -> &'static str {
    if ahead.is_refused() {
        "refuse"
    } else if ahead.has_findings() {
        "leave_something_behind"
    } else {
        "carry_everything"
    }
}

/// The whole report.
pub fn render(report: &CheckReport, style: Style) -> String {
    let mut parts = Vec::new();
    if let Some(found) = &report.alone {
        parts.push(format!("{}\n\n{}", super::database(&report.database, style), alone(found, style)));
    }
    if let Some(found) = &report.target {
        parts.push(ahead(found, report.quick, style));
    }
    if let Some(found) = &report.against {
        parts.push(against(report, found, style));
    }
    parts.join("\n")
}

fn alone(found: &Alone, style: Style) -> String {
    let mut out = String::new();
    for (name, text) in facts(found) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "{name:<12}{}", one_line(&text));
    }
    out.push_str(&observations(&found.observations, style));
    out.push_str(&end(&found.observations, GOOD, style));
    out
}

/// What was found out, a line each: what it is about, and how it is.
pub(super) fn facts(found: &Alone) -> Vec<(&'static str, String)> {
    let health = &found.health;
    let mut lines = vec![("TechCare", fit(&found.techcare))];
    for recorded in &found.techcare.migrations {
        let count = units::plural(recorded.names.len() as u64, "migration");
        lines.push(("migrations", format!("{count} recorded in {}", recorded.table)));
    }
    let whole = match found.whole {
        Some(true) => "yes, and every reference leads to a row",
        Some(false) => "NO",
        None => "not looked at (--quick)",
    };
    lines.push(("whole", whole.to_owned()));
    let mut well = vec![format!("answers in {:.1} ms", health.latency_ms)];
    if let (Some(used), Some(most)) = (health.connections_used, health.connections_max) {
        well.push(format!("{used} of {most} connections in use"));
    }
    if let Some(zone) = &health.time_zone {
        well.push(format!("time zone {zone}"));
    }
    well.push(health.encoding.clone());
    lines.push(("health", well.join(", ")));
    let age = health.last_backup_age_seconds.map(|age| units::duration(Duration::from_secs(age)));
    lines.push(("backup", age.map_or_else(|| "none found".to_owned(), |age| format!("{age} old"))));
    lines
}

fn fit(fit: &Fit) -> String {
    match fit.variant {
        None => "no".to_owned(),
        Some(Variant::Current) => "yes".to_owned(),
        Some(Variant::Older) => "yes, of an older release: users have their role as text".to_owned(),
    }
}

fn observations(observations: &[Observation], style: Style) -> String {
    let mut out = String::new();
    for (grave, heading, ink) in GROUPS {
        let of_group = observations.iter().filter(|o| is_grave(o) == grave);
        let rows: Vec<Vec<String>> = of_group.map(row).collect();
        if !rows.is_empty() {
            let _ = writeln!(out, "\n{}", style.paint(ink, heading));
            out.push_str(&lay_out(&OBSERVATIONS, rows, style));
        }
    }
    out
}

/// Whether it is to be looked at.
pub(super) fn is_grave(observation: &Observation) -> bool {
    observation.severity >= Severity::Warning
}

/// What it is about: `users.email`, `server`.
pub fn place(observation: &Observation) -> String {
    match (&observation.table, &observation.column) {
        (Some(table), Some(column)) => format!("{table}.{column}"),
        (Some(table), None) => table.clone(),
        _ => observation.kind.to_owned(),
    }
}

/// Some of the rows that it is about.
pub(super) fn keys(observation: &Observation) -> Option<String> {
    let shown = observation.keys.len();
    let more = if observation.rows.is_some_and(|rows| rows > shown as u64) { "; …" } else { "" };
    (shown > 0).then(|| format!("{}{more}", observation.keys.join("; ")))
}

fn row(observation: &Observation) -> Vec<String> {
    let mut what = observation.text.clone();
    if let Some(keys) = keys(observation) {
        let _ = write!(what, " ({keys})");
    }
    if let Some(next) = &observation.next {
        let _ = write!(what, ": {next}");
    }
    let rows = observation.rows.map(units::count).unwrap_or_default();
    vec![observation.code.to_owned(), place(observation), rows, what]
}

fn end(observations: &[Observation], good: &str, style: Style) -> String {
    let (ink, text) = verdict(observations, good);
    format!("\n{}\n", style.paint(ink, &text))
}

/// What all observations come to.
pub(super) fn verdict(observations: &[Observation], good: &str) -> (Ink, String) {
    match observations.iter().filter(|o| is_grave(o)).count() as u64 {
        0 => (Ink::Good, good.to_owned()),
        n => (Ink::Warning, format!("{} to be looked at", units::plural(n, "thing"))),
    }
}

fn ahead(ahead: &Ahead, quick: bool, style: Style) -> String {
    let mut out = plan::render(&ahead.planned, style);
    for (ink, line) in notes(ahead, quick).into_iter().chain([prediction(ahead)]) {
        let _ = writeln!(out, "{}", style.paint(ink, &one_line(&line)));
    }
    out
}

/// What is to be known besides the plan, a line each.
pub(super) fn notes(ahead: &Ahead, quick: bool) -> Vec<(Ink, String)> {
    let mut lines = Vec::new();
    if let Some(why) = &ahead.assumed {
        let line =
            format!("The target could not be asked; this is the plan for its engine's defaults ({why})");
        lines.push((Ink::Warning, line));
    }
    if let Some(why) = &ahead.occupied {
        lines.push((Ink::Bad, why.clone()));
    }
    if let Some(missing) = &ahead.missing_right {
        lines.push((Ink::Bad, format!("{}: {}", missing.what, missing.fix)));
    }
    for table in &ahead.gives_way {
        let rows = match table.rows {
            Some(0) => " without rows".to_owned(),
            Some(rows) => format!(", with {}, and is kept aside", units::plural(rows, "row")),
            None => String::new(),
        };
        lines.push((Ink::Plain, format!("The target's own table {} gives way{rows}", table.table)));
    }
    if quick {
        let line = "Only the catalogue was looked at (--quick): what the rows hold may add findings";
        lines.push((Ink::Plain, line.to_owned()));
    }
    lines
}

/// What `migrate` would do.
pub(super) fn prediction(ahead: &Ahead) -> (Ink, String) {
    let findings = &ahead.planned.plan.findings;
    let behind = findings.iter().filter(|f| f.severity == Severity::Warning).count() as u64;
    match outcome(ahead) {
        "refuse" => (Ink::Bad, "migrate would refuse with exit code 4 and touch nothing".to_owned()),
        "carry_everything" => {
            (Ink::Good, "migrate would carry every row and every object, exit code 0".to_owned())
        }
        _ => {
            let warnings = units::plural(behind, "warning");
            (Ink::Warning, format!("migrate would go on with {warnings} and end with exit code 1"))
        }
    }
}

fn against(report: &CheckReport, found: &Comparison, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "here   {}", super::database(&report.database, style));
    let _ = writeln!(out, "there  {}\n", super::database(&found.database, style));
    out.push_str(&lay_out(&COMPARED, found.tables.iter().map(compared), style));
    out.push_str(&observations(&found.observations, style));
    out.push_str(&end(&found.observations, equal(report.quick), style));
    out
}

/// What it means that nothing differs.
pub(super) const fn equal(quick: bool) -> &'static str {
    if quick {
        "the same tables and columns; no row was compared (--quick)"
    } else {
        "equal: every value of every row was compared"
    }
}

/// A line of [`COMPARED`].
pub(super) fn compared(table: &ComparedTable) -> Vec<String> {
    let name = if table.name == table.other_name {
        table.name.clone()
    } else {
        format!("{} → {}", table.name, table.other_name)
    };
    let rows = |digest: Option<crate::model::digest::Digest>| {
        digest.map_or_else(|| "-".to_owned(), |digest| units::count(digest.rows))
    };
    let equal = match table.equal {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    let differ = match table.differences.count() {
        0 => String::new(),
        n => units::count(n),
    };
    vec![name, rows(table.here), rows(table.there), differ, equal.to_owned()]
}
