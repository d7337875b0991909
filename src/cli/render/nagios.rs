//! `check --format nagios`: one line and an exit code as the guidelines for monitoring plugins have them
//! (<https://www.monitoring-plugins.org/doc/guidelines.html>): state, what it is about, and figures after a bar.

use std::time::Duration;

use super::{check, error};
use crate::cli::units;
use crate::commands::check::{Alone, CheckReport};
use crate::model::codes::observed::DAMAGED;
use crate::model::error::{Error, ErrorKind};
use crate::model::plan::Severity;

/// Most things that the line names.
const NAMED: usize = 3;

/// What a monitor makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing to do.
    Ok,
    /// Something is to be looked at.
    Warning,
    /// Nobody answers, the login is refused, or the storage is damaged.
    Critical,
    /// It could not be asked.
    Unknown,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Of a check that could not be made.
    fn of_failure(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unreachable
            | ErrorKind::Login
            | ErrorKind::Lost
            | ErrorKind::Busy
            | ErrorKind::TimedOut
            | ErrorKind::Read
            | ErrorKind::Space => Self::Critical,
            ErrorKind::Usage
            | ErrorKind::Refused
            | ErrorKind::Permission
            | ErrorKind::Value
            | ErrorKind::Write
            | ErrorKind::Verify
            | ErrorKind::Interrupted
            | ErrorKind::Internal => Self::Unknown,
        }
    }
}

/// The line of a check that was made, and its state.
pub fn checked(report: &CheckReport) -> (String, State) {
    let version = report.database.version.as_deref().unwrap_or(&report.database.engine);
    let Some(found) = &report.alone else {
        return (line(State::Unknown, version, ""), State::Unknown);
    };
    let grave: Vec<_> = found.observations.iter().filter(|o| o.severity >= Severity::Warning).collect();
    let state = if grave.iter().any(|o| o.code == DAMAGED) {
        State::Critical
    } else if grave.is_empty() {
        State::Ok
    } else {
        State::Warning
    };
    let health = &found.health;
    let mut text = if grave.is_empty() {
        format!("{version} answers in {:.1} ms", health.latency_ms)
    } else {
        let count = units::plural(grave.len() as u64, "thing");
        let named = grave.iter().take(NAMED).map(|o| format!("{} ({})", o.code, check::place(o)));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if grave.len() > NAMED { ", …" } else { "" };
        format!("{version}: {count} to be looked at: {named}{more}")
    };
    let age = health.last_backup_age_seconds.map(|age| units::duration(Duration::from_secs(age)));
    text.push_str(
        &age.map_or_else(|| ", no backup found".into(), |age| format!(", newest backup {age} old")),
    );
    (line(state, &text, &figures(found, grave.len())), state)
}

/// The line of a check that could not be made, and its state.
pub fn failed(failure: &Error) -> (String, State) {
    let state = State::of_failure(failure.kind());
    let why = failure.reason().map(|why| format!(": {why}")).unwrap_or_default();
    (line(state, &format!("{}{why}", failure.what()), ""), state)
}

/// One line; a bar would part the figures.
fn line(state: State, text: &str, figures: &str) -> String {
    let text = error::tidy(text).replace('|', "/");
    let bar = if figures.is_empty() { "" } else { " | " };
    format!("TECHCARE {} - {text}{bar}{figures}\n", state.word())
}

/// `'label'=value[unit];[warn];[crit];[min];[max]`; how old or slow is too much is for the monitor to say.
fn figures(found: &Alone, findings: usize) -> String {
    let health = &found.health;
    let mut figures = vec![format!("latency={:.6}s;;;0", health.latency_ms / 1000.0)];
    if let Some(used) = health.connections_used {
        let most = health.connections_max.map(|most| most.to_string()).unwrap_or_default();
        figures.push(format!("connections={used};;;0;{most}"));
    }
    figures.extend(health.size_bytes.map(|bytes| format!("size={bytes}B;;;0")));
    figures.extend(health.last_backup_age_seconds.map(|age| format!("backup_age={age}s;;;0")));
    figures.push(format!("findings={findings};;;0"));
    figures.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::{Fit, Observation, Wellbeing};
    use crate::model::codes::observed::MISSING_TABLE;
    use crate::model::report::DatabaseReport;

    fn report(observations: Vec<Observation>, backup: Option<u64>) -> CheckReport {
        CheckReport {
            database: DatabaseReport {
                engine: "postgresql".into(),
                version: Some("PostgreSQL 15.18".into()),
                location: "postgresql://techcare:***@db/techcare".into(),
                origin: "from --database".into(),
            },
            quick: true,
            alone: Some(Alone {
                techcare: Fit::default(),
                whole: None,
                health: Wellbeing {
                    latency_ms: 1.25,
                    connections_used: Some(7),
                    connections_max: Some(100),
                    time_zone: None,
                    encoding: "UTF8".into(),
                    collation: "C".into(),
                    size_bytes: Some(8192),
                    last_backup_age_seconds: backup,
                },
                observations,
            }),
            target: None,
            against: None,
        }
    }

    #[test]
    fn a_state_a_line_and_figures() {
        let (text, state) = checked(&report(Vec::new(), Some(7200)));
        assert_eq!((state, state.code()), (State::Ok, 0));
        assert_eq!(
            text,
            "TECHCARE OK - PostgreSQL 15.18 answers in 1.2 ms, newest backup 2 h 00 min old | latency=0.001250s;;;0 \
             connections=7;;;0;100 size=8192B;;;0 backup_age=7200s;;;0 findings=0;;;0\n"
        );
        let missing = || Observation::new(MISSING_TABLE, "table", "x").table("a|b");
        let (text, state) = checked(&report(vec![missing(), missing(), missing(), missing()], None));
        assert_eq!((state, state.code(), text.lines().count()), (State::Warning, 1, 1));
        assert!(
            text.starts_with(
                "TECHCARE WARNING - PostgreSQL 15.18: 4 things to be looked at: missing_table (a/b), "
            ),
            "{text}"
        );
        assert_eq!(text.matches('|').count(), 1, "{text}");
        assert!(text.contains(", …, no backup found | ") && text.contains("findings=4;;;0"), "{text}");
        let damaged = Observation::new(DAMAGED, "database", "page 7");
        let (text, state) = checked(&report(vec![missing(), damaged], None));
        assert_eq!((state, state.code()), (State::Critical, 2), "{text}");
    }

    #[test]
    fn a_check_that_could_not_be_made() {
        for (kind, state, code) in [
            (ErrorKind::Unreachable, State::Critical, 2),
            (ErrorKind::Login, State::Critical, 2),
            (ErrorKind::Lost, State::Critical, 2),
            (ErrorKind::Usage, State::Unknown, 3),
            (ErrorKind::Permission, State::Unknown, 3),
            (ErrorKind::Interrupted, State::Unknown, 3),
        ] {
            let failure = Error::new(kind, "cannot reach pg://u:canary@h/d").why("refused | \nby the server");
            let (text, found) = failed(&failure);
            assert_eq!((found, found.code()), (state, code), "{kind:?}");
            let word = state.word();
            let expected =
                format!("TECHCARE {word} - cannot reach pg://u:***@h/d: refused /; by the server\n");
            assert_eq!(text, expected);
        }
    }
}
