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

const COMPARED: [Column; 5] = [
    Column::Left("table"),
    Column::Right("rows here"),
    Column::Right("rows there"),
    Column::Right("differ"),
    Column::Left("equal"),
];

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
    let health = &found.health;
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(out, "{name:<12}{}", one_line(text));
    };
    line("TechCare", &fit(&found.techcare));
    for recorded in &found.techcare.migrations {
        let count = units::plural(recorded.names.len() as u64, "migration");
        line("migrations", &format!("{count} recorded in {}", recorded.table));
    }
    line(
        "whole",
        match found.whole {
            Some(true) => "yes, and every reference leads to a row",
            Some(false) => "NO",
            None => "not looked at (--quick)",
        },
    );
    let mut well = vec![format!("answers in {:.1} ms", health.latency_ms)];
    if let (Some(used), Some(most)) = (health.connections_used, health.connections_max) {
        well.push(format!("{used} of {most} connections in use"));
    }
    if let Some(zone) = &health.time_zone {
        well.push(format!("time zone {zone}"));
    }
    well.push(health.encoding.clone());
    line("health", &well.join(", "));
    let age = health.last_backup_age_seconds.map(|age| units::duration(Duration::from_secs(age)));
    line("backup", &age.map_or_else(|| "none found".to_owned(), |age| format!("{age} old")));
    out.push_str(&observations(&found.observations, style));
    out.push_str(&end(&found.observations, "nothing to do", style));
    out
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
    for (least, heading, ink) in
        [(true, "to be looked at", Ink::Warning), (false, "good to know", Ink::Strong)]
    {
        let is_grave = |o: &&Observation| (o.severity >= Severity::Warning) == least;
        let rows: Vec<Vec<String>> = observations.iter().filter(is_grave).map(row).collect();
        if !rows.is_empty() {
            let _ = writeln!(out, "\n{}", style.paint(ink, heading));
            out.push_str(&lay_out(&OBSERVATIONS, rows, style));
        }
    }
    out
}

/// What an observation is about.
pub fn place(observation: &Observation) -> String {
    match (&observation.table, &observation.column) {
        (Some(table), Some(column)) => format!("{table}.{column}"),
        (Some(table), None) => table.clone(),
        _ => observation.kind.to_owned(),
    }
}

fn row(observation: &Observation) -> Vec<String> {
    let mut what = observation.text.clone();
    if !observation.keys.is_empty() {
        let more = observation.rows.is_some_and(|rows| rows > observation.keys.len() as u64);
        let _ = write!(what, " ({}{})", observation.keys.join("; "), if more { "; …" } else { "" });
    }
    if let Some(next) = &observation.next {
        let _ = write!(what, ": {next}");
    }
    let rows = observation.rows.map(units::count).unwrap_or_default();
    vec![observation.code.to_owned(), place(observation), rows, what]
}

fn end(observations: &[Observation], good: &str, style: Style) -> String {
    let grave = observations.iter().filter(|o| o.severity >= Severity::Warning).count() as u64;
    let (ink, text) = match grave {
        0 => (Ink::Good, good.to_owned()),
        n => (Ink::Warning, format!("{} to be looked at", units::plural(n, "thing"))),
    };
    format!("\n{}\n", style.paint(ink, &text))
}

fn ahead(ahead: &Ahead, quick: bool, style: Style) -> String {
    let mut out = plan::render(&ahead.planned, style);
    if let Some(why) = &ahead.assumed {
        let line = "The target could not be asked; this is the plan for its engine's defaults";
        let _ = writeln!(out, "{} ({})", style.paint(Ink::Warning, line), one_line(why));
    }
    if let Some(why) = &ahead.occupied {
        let _ = writeln!(out, "{}", style.paint(Ink::Bad, &one_line(why)));
    }
    if let Some(missing) = &ahead.missing_right {
        let line = format!("{}: {}", one_line(&missing.what), one_line(&missing.fix));
        let _ = writeln!(out, "{}", style.paint(Ink::Bad, &line));
    }
    for table in &ahead.gives_way {
        let rows = match table.rows {
            Some(0) => " without rows".to_owned(),
            Some(rows) => format!(", with {}, and is kept aside", units::plural(rows, "row")),
            None => String::new(),
        };
        let _ = writeln!(out, "The target's own table {} gives way{rows}", one_line(&table.table));
    }
    if quick {
        out.push_str("Only the catalogue was looked at (--quick): what the rows hold may add findings\n");
    }
    let findings = &ahead.planned.plan.findings;
    let behind = findings.iter().filter(|f| f.severity == Severity::Warning).count() as u64;
    let (ink, verdict) = match outcome(ahead) {
        "refuse" => (Ink::Bad, "migrate would refuse with exit code 4 and touch nothing".to_owned()),
        "carry_everything" => {
            (Ink::Good, "migrate would carry every row and every object, exit code 0".to_owned())
        }
        _ => {
            let warnings = units::plural(behind, "warning");
            (Ink::Warning, format!("migrate would go on with {warnings} and end with exit code 1"))
        }
    };
    let _ = writeln!(out, "{}", style.paint(ink, &verdict));
    out
}

fn against(report: &CheckReport, found: &Comparison, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "here   {}", super::database(&report.database, style));
    let _ = writeln!(out, "there  {}\n", super::database(&found.database, style));
    out.push_str(&lay_out(&COMPARED, found.tables.iter().map(compared), style));
    out.push_str(&observations(&found.observations, style));
    let good = if report.quick {
        "the same tables and columns; no row was compared (--quick)"
    } else {
        "equal: every value of every row was compared"
    };
    out.push_str(&end(&found.observations, good, style));
    out
}

fn compared(table: &ComparedTable) -> Vec<String> {
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
