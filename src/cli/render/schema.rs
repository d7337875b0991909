//! What `schema` did, for people.

use std::fmt::Write as _;

use super::one_line;
use crate::cli::terminal::Style;
use crate::commands::schema::{Action, SchemaReport};

/// The whole report.
pub fn render(report: &SchemaReport, style: Style) -> String {
    let mut out = format!("{}\n\n", super::database(&report.database, style));
    let changed = match report.action {
        Action::Status => "",
        Action::Up => "applied now",
        Action::Down { .. } => "undone now",
        Action::Init => "recorded now",
    };
    for (heading, names) in [
        (changed, &report.changed),
        ("applied", &report.applied),
        ("pending", &report.pending),
        ("tables", &report.tables),
    ] {
        if heading.is_empty() {
            continue;
        }
        let names = if names.is_empty() { "none".to_owned() } else { one_line(&names.join(", ")) };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{heading:<12}{names}");
    }
    for note in &report.notes {
        let _ = writeln!(out, "{:<12}{}", "note", one_line(note));
    }
    out
}
