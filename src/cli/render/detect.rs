//! What `detect` found, for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::one_line;
use super::table::{Column, lay_out};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::commands::detect::{DetectReport, DetectedTechCare};
use crate::techcare::recognition::Variant;

const COLUMNS: [Column; 3] = [Column::Left("table"), Column::Right("rows"), Column::Right("bytes")];

/// The whole report.
pub fn render(report: &DetectReport, style: Style) -> String {
    let database = &report.database;
    let version = database.version.as_deref().unwrap_or(&database.engine);
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<12}{}", name, one_line(text));
    };
    line("engine", version);
    line("location", &database.location);
    line("found", &database.origin);
    line("reachable", &format!("yes, in {}", latency(report.latency)));
    if let Some(size) = report.size {
        line("size", &units::bytes(size));
    }
    line("encoding", &report.encoding);
    line("collation", &report.collation);
    if let Some(zone) = &report.time_zone {
        line("time zone", zone);
    }
    line("TechCare", &techcare(&report.techcare));
    for migrations in &report.techcare.migrations {
        let newest = migrations.newest.as_deref().unwrap_or("nothing recorded");
        line("migration", &format!("{newest} ({}, {} in all)", migrations.table, migrations.count));
    }
    match &report.backup {
        Some(backup) => {
            line("backup", &format!("{}, {} old", backup.path.display(), units::duration(backup.age)));
        }
        None => line("backup", "none found"),
    }
    let rows = report.tables.iter().map(|table| {
        vec![
            table.name.clone(),
            units::count(table.rows),
            table.bytes.map_or_else(|| "-".to_owned(), units::bytes),
        ]
    });
    let tables = lay_out(&COLUMNS, rows, style);
    if tables.is_empty() {
        out.push_str("\nno tables\n");
    } else {
        let _ = write!(out, "\n{tables}");
    }
    for text in report.techcare.faults.iter().chain(&report.warnings) {
        let _ = write!(out, "\n{} {}", style.paint(Ink::Warning, "look:"), one_line(text));
    }
    if !(report.techcare.faults.is_empty() && report.warnings.is_empty()) {
        out.push('\n');
    }
    out
}

fn techcare(found: &DetectedTechCare) -> String {
    match found.variant {
        None => "no".to_owned(),
        Some(Variant::Current) => "yes".to_owned(),
        Some(Variant::Older) => "yes, of an older release: users have their role as text".to_owned(),
    }
}

/// A round trip is milliseconds or less.
fn latency(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        micros @ 1_000..1_000_000 => format!("{}.{} ms", micros / 1_000, micros / 100 % 10),
        _ => units::duration(time),
    }
}
