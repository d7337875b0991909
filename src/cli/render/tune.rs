//! What `tune` found or did, for people.

use std::fmt::Write as _;

use super::one_line;
use super::table::{Column, lay_out};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::commands::tune::{Done, Memory, Origin, Outcome, Step, TuneReport};
use crate::model::error::Error;
use crate::model::report::Status;
use crate::model::tune::{Advice, Effect, MIB, Stand};

/// How it ended.
pub fn status(report: &TuneReport, refusal: Option<&Error>) -> Status {
    match refusal {
        Some(_) => Status::Refused,
        None if report.has_findings() => Status::Findings,
        None => Status::Done,
    }
}

/// The whole report.
pub fn render(report: &TuneReport, style: Style) -> String {
    let mut out = format!("{}\n\n", super::database(&report.database, style));
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "databases   {}", units::bytes(report.size));
    if report.needs_memory {
        let _ = writeln!(out, "memory      {}", memory(report.memory.as_ref()));
    }
    out.push_str(&done(&report.done, style));
    if report.action != Step::Undo {
        out.push_str(&settings(&report.settings, style));
    }
    if let Some(file) = report.record.as_ref().filter(|_| report.action == Step::Apply) {
        let file = one_line(&file.display().to_string());
        let _ = writeln!(out, "\nThe old values are in {file}; tune --undo puts them back");
    }
    let _ = writeln!(out, "\n{}", end(report, style));
    out
}

fn memory(memory: Option<&Memory>) -> String {
    let Some(Memory { bytes, origin }) = memory else {
        return "not known: the server is on another machine; say it with --memory".into();
    };
    let from = match origin {
        Origin::Given => "as --memory says",
        Origin::Machine => "of this machine",
        Origin::Loopback => {
            "of this machine; if a tunnel or a container is behind that address, say its own with --memory"
        }
        Origin::Container => {
            "of the container that this runs in; if the server has another, say it with --memory"
        }
    };
    format!("{}, {from}", units::bytes(*bytes))
}

fn settings(all: &[Advice], style: Style) -> String {
    const COLUMNS: [Column; 5] = [
        Column::Left("setting"),
        Column::Left("now"),
        Column::Left("advised"),
        Column::Left("takes effect"),
        Column::Left("why"),
    ];
    const BRIEF: [Column; 3] = [Column::Left("setting"), Column::Left("now"), Column::Left("why")];
    let mut out = String::new();
    for (stand, heading, ink) in [
        (Stand::Unsafe, "not safe at a power cut", Ink::Bad),
        (Stand::Change, "to be set", Ink::Warning),
        (Stand::WaitsForRestart, "set, and waiting for a restart of the server", Ink::Warning),
        (Stand::MemoryUnknown, "not told without --memory", Ink::Strong),
        (Stand::Application, "for each connection of the application to ask for", Ink::Strong),
        (Stand::Well, "well", Ink::Good),
    ] {
        let group: Vec<&Advice> = all.iter().filter(|advice| advice.stand == stand).collect();
        if group.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{}", style.paint(ink, heading));
        // A narrow terminal has no room for columns that are empty.
        out.push_str(&if group.iter().any(|advice| advice.advised.is_some()) {
            lay_out(&COLUMNS, group.iter().map(|advice| row(advice)), style)
        } else {
            let brief = |advice: &&Advice| vec![advice.setting.clone(), now(advice), advice.why.clone()];
            lay_out(&BRIEF, group.iter().map(brief), style)
        });
    }
    out.push_str(&by_hand(all, style));
    out.push_str(&sources(all, style));
    out
}

fn now(advice: &Advice) -> String {
    advice.now.as_deref().map_or_else(|| "-".into(), legible)
}

fn row(advice: &Advice) -> Vec<String> {
    vec![
        advice.setting.clone(),
        now(advice),
        advice.advised.as_deref().map(legible).unwrap_or_default(),
        advice.takes_effect.map(Effect::words).unwrap_or_default().to_owned(),
        advice.why.clone(),
    ]
}

/// A value as people read it: MySQL shows sizes in bytes.
fn legible(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(bytes) if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        _ => value.to_owned(),
    }
}

/// How to do it without `--apply`.
fn by_hand(all: &[Advice], style: Style) -> String {
    let mut out = String::new();
    for advice in all {
        let Some(how) = advice.by_hand.as_ref().filter(|_| advice.stand != Stand::Application) else {
            continue;
        };
        if out.is_empty() {
            let _ = writeln!(out, "\n{}", style.paint(Ink::Strong, "by hand"));
        }
        let why = advice.not_settable.as_ref().map(|why| format!("  -- {why}")).unwrap_or_default();
        let _ = writeln!(out, "  {}{}", one_line(how), one_line(&why));
    }
    out
}

fn sources(all: &[Advice], style: Style) -> String {
    let told: Vec<&Advice> = all.iter().filter(|advice| advice.advised.is_some()).collect();
    if told.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.paint(Ink::Strong, "read more"));
    for advice in told {
        let _ = writeln!(out, "  {}", one_line(&advice.source));
    }
    out
}

fn done(all: &[Done], style: Style) -> String {
    const COLUMNS: [Column; 5] = [
        Column::Left("setting"),
        Column::Left("before"),
        Column::Left("to"),
        Column::Left("takes effect"),
        Column::Left("what happened"),
    ];
    if all.is_empty() {
        return String::new();
    }
    let rows = all.iter().map(|done| {
        let what = match done.outcome {
            Outcome::Set => "set",
            Outcome::SetUntilRestart => "set until the server is restarted; to keep it,",
            Outcome::PutBack => "put back",
            Outcome::AsBefore => "was as before",
            Outcome::LeftAlone => "left alone:",
            Outcome::Refused => "REFUSED:",
        };
        let detail = done.detail.as_deref().unwrap_or_default();
        let felt = if matches!(done.outcome, Outcome::Set | Outcome::SetUntilRestart | Outcome::PutBack) {
            done.takes_effect.words()
        } else {
            ""
        };
        let what = format!("{what} {detail}").trim_end().to_owned();
        vec![done.setting.clone(), legible(&done.from), legible(&done.to), felt.to_owned(), what]
    });
    format!("\n{}", lay_out(&COLUMNS, rows, style))
}

fn end(report: &TuneReport, style: Style) -> String {
    let count = |of: fn(Outcome) -> bool| report.done.iter().filter(|d| of(d.outcome)).count() as u64;
    let set = count(|o| matches!(o, Outcome::Set | Outcome::SetUntilRestart));
    let back = count(|o| o == Outcome::PutBack);
    let left = report.settings.iter().filter(|advice| advice.is_finding()).count() as u64;
    match report.action {
        Step::Advise if left == 0 => style.paint(Ink::Good, "nothing to set"),
        Step::Advise => {
            let can = report.settings.iter().filter(|advice| advice.settable().is_some()).count() as u64;
            let text = format!(
                "{} to be looked at; --apply sets {}",
                units::plural(left, "setting"),
                units::count(can)
            );
            style.paint(Ink::Warning, &text)
        }
        Step::Apply => {
            let ink = if report.has_findings() { Ink::Warning } else { Ink::Good };
            let rest = match left {
                0 => String::new(),
                n => format!("; {} left to be looked at", units::plural(n, "setting")),
            };
            style.paint(ink, &format!("{} set{rest}", units::plural(set, "setting")))
        }
        Step::Undo => {
            let ink = if report.has_findings() { Ink::Warning } else { Ink::Good };
            style.paint(ink, &format!("{} put back", units::plural(back, "setting")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_bytes_are_made_legible_and_nothing_else_is() {
        for (value, expected) in [
            ("134217728", "128 MiB"),
            ("1048577", "1048577"),
            ("10000", "10000"),
            ("128MB", "128MB"),
            ("utf8mb4", "utf8mb4"),
        ] {
            assert_eq!(legible(value), expected);
        }
    }
}
