//! What a command found or did, as text for people, as a page for them or as the one JSON document; and errors as all. Pure: strings
//! come out, [`super`] writes them.

pub mod backup;
pub mod check;
pub mod detect;
pub mod dump;
pub mod error;
pub mod findings;
pub mod html;
pub mod json;
pub mod nagios;
pub mod plan;
pub mod report;
pub mod rollback;
pub mod schema;
pub mod table;
pub mod tune;

use crate::cli::terminal::{Ink, Style};
use crate::model::error::{Error, ErrorKind};
use crate::model::plan::{Finding, Severity};
use crate::model::report::{DatabaseReport, Status, TableReport};

/// How a run that did its work ended: `Done`, or `Findings` where a row or an object stayed behind.
pub fn verdict(findings: &[Finding], tables: &[TableReport]) -> Status {
    let left_behind = findings.iter().any(|finding| finding.severity >= Severity::Warning);
    let rejected = tables.iter().any(|table| table.rows_rejected > 0);
    if left_behind || rejected { Status::Findings } else { Status::Done }
}

/// Exit code of a run that did its work.
pub fn exit_code(status: Status) -> u8 {
    match status {
        Status::Done => 0,
        Status::Findings => 1,
        Status::Error => 2,
        Status::Refused => 4,
        Status::Failed => 5,
    }
}

/// How a run ended that ended with an error.
pub fn status_of(failure: &Error) -> Status {
    match failure.kind() {
        ErrorKind::Usage | ErrorKind::Unreachable | ErrorKind::Login => Status::Error,
        ErrorKind::Refused | ErrorKind::Permission | ErrorKind::Value => Status::Refused,
        _ => Status::Failed,
    }
}

/// Text that may hold anything, on one line and without control characters: a table may be called `\u{1b}[2J`.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// `PostgreSQL 15.18  postgresql://techcare:***@db:5432/techcare  from DATABASE_URL in .env`.
fn database(database: &DatabaseReport, style: Style) -> String {
    let version = database.version.as_deref().unwrap_or(&database.engine);
    format!(
        "{}  {}  {}",
        style.paint(Ink::Strong, &one_line(version)),
        one_line(&database.location),
        style.paint(Ink::Faint, &one_line(&database.origin))
    )
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\nb\u{1b}[2J\tç😀"), "a\\nb\\u{1b}[2J\\tç😀");
    }
}
