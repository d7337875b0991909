//! Findings as text, gravest first: code, where, how many rows with which keys, and what is done about it.

use std::fmt::Write as _;

use super::table::{Column, lay_out};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::model::codes;
use crate::model::plan::{Finding, Severity};
use crate::model::policy::Decision;

/// Severities, what one is called and what they all are, and their colour.
pub(super) const GROUPS: [(Severity, &str, &str, Ink); 3] = [
    (Severity::Blocker, "blocker", "what stops the migration", Ink::Bad),
    (Severity::Warning, "warning", "what is left behind", Ink::Warning),
    (Severity::Info, "note", "what arrives in another form", Ink::Strong),
];

const COLUMNS: [Column; 4] =
    [Column::Left("code"), Column::Left("where"), Column::Right("rows"), Column::Left("what")];

/// All findings by severity; nothing where there are none.
pub fn render(findings: &[Finding], style: Style) -> String {
    let mut out = String::new();
    for (severity, noun, meaning, ink) in GROUPS {
        let group: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == severity).collect();
        if group.is_empty() {
            continue;
        }
        let heading = format!("{}: {meaning}", units::plural(group.len() as u64, noun));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{}", style.paint(ink, &heading));
        out.push_str(&lay_out(&COLUMNS, group.into_iter().map(row), style));
    }
    out
}

/// `1 blocker, 2 warnings, 7 notes`.
pub fn counts(findings: &[Finding]) -> String {
    GROUPS
        .map(|(severity, noun, ..)| {
            units::plural(findings.iter().filter(|f| f.severity == severity).count() as u64, noun)
        })
        .join(", ")
}

/// One finding in one sentence, for an error's second line.
pub fn sentence(finding: &Finding) -> String {
    let keys = keys(finding).map(|keys| format!(" ({keys})")).unwrap_or_default();
    format!("{}: {}{keys}", place(finding), flat(&finding.text))
}

/// A definition that was written over several lines, on one.
pub(super) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row(finding: &Finding) -> Vec<String> {
    let keys = keys(finding).map(|keys| format!(" ({keys})")).unwrap_or_default();
    vec![
        finding.code.clone(),
        place(finding),
        finding.rows.map(units::count).unwrap_or_default(),
        format!("{}{keys}", flat(&finding.text)),
    ]
}

/// What it is about: `users.email`, `view active_users`.
pub(super) fn place(finding: &Finding) -> String {
    let column = finding.table.as_ref().zip(finding.column.as_ref());
    let place = match (column, &finding.table, &finding.object) {
        (Some((table, column)), _, _) => format!("{table}.{column}"),
        (None, Some(table), Some(object)) => format!("{} {object} of {table}", finding.kind),
        (None, Some(table), None) => table.clone(),
        (None, None, Some(object)) => format!("{} {object}", finding.kind),
        (None, None, None) => finding.kind.clone(),
    };
    match &finding.object {
        Some(object) if column.is_some() => format!("{place}, {object}"),
        _ => place,
    }
}

/// Some of the rows that it is about: `id=1; id=2, …`.
pub(super) fn keys(finding: &Finding) -> Option<String> {
    let shown = finding.keys.len();
    if shown == 0 {
        return None;
    }
    let more = if finding.rows.is_some_and(|rows| rows > shown as u64) { ", …" } else { "" };
    Some(format!("{}{more}", finding.keys.join("; ")))
}

/// What may be decided about a finding besides correcting the source: what is typed, and what it does.
pub fn ways(code: &str) -> Vec<(String, &'static str)> {
    let decisions = codes::find(code).map(|code| code.decisions).unwrap_or_default();
    let way = |decision: &Decision| match decision {
        Decision::Stop => None,
        Decision::Accept => Some((format!("--accept {code}"), "goes on without it")),
        Decision::Reject => Some((format!("--rule {code}=reject"), "leaves such rows out")),
        Decision::Convert => Some((format!("--rule {code}=convert"), "changes such values")),
    };
    decisions.iter().filter_map(way).collect()
}
