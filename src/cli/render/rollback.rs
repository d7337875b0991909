//! What `rollback` found or did, for people.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::table::{Column, lay_out};
use super::{backup, findings, one_line};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::commands::rollback::{RollbackReport, RunLine, Step, TableLine};
use crate::pipeline::backups::Backup;
use crate::pipeline::runs::Command;

/// The whole report.
pub fn render(report: &RollbackReport, style: Style) -> String {
    let mut out = format!("{}\n\n", super::database(&report.database, style));
    if report.action == Step::List {
        out.push_str(&runs(&report.runs, style));
        out.push('\n');
        out.push_str(&backups(&report.backups, style));
    } else if !report.tables.is_empty() {
        out.push_str(&tables(&report.tables, style));
    }
    // Writing to a String cannot fail, here and below.
    for note in &report.notes {
        let _ = writeln!(out, "{}", one_line(note));
    }
    if let (Step::DryRun, Some(undoes)) = (report.action, &report.undoes) {
        let _ = writeln!(out, "\nRun {undoes} would be taken back; nothing was touched");
    }
    if let (Step::TakeBack, Some(undoes), Some(run)) = (report.action, &report.undoes, &report.run) {
        let end = format!("run {undoes} is taken back; run {run}");
        let _ = writeln!(out, "\n{}", style.paint(Ink::Good, &end));
    }
    if let Some(file) = &report.restores {
        let file = one_line(&file.display().to_string());
        let _ = match (report.action, &report.run) {
            (Step::DryRun, _) => writeln!(out, "\n{file} would be put back; nothing was touched"),
            (Step::Restore, Some(run)) => {
                let end = format!("the database is as {file} has it; run {run}");
                writeln!(out, "\n{}", style.paint(Ink::Good, &end))
            }
            _ => Ok(()),
        };
    }
    if !report.findings.is_empty() {
        out.push_str(&findings::render(&report.findings, style));
    }
    if let Some(file) = &report.saved {
        let _ = writeln!(out, "The state before is saved in {}", one_line(&file.display().to_string()));
    }
    if !report.kept.is_empty() {
        let _ = writeln!(
            out,
            "What was in use until now is kept; to drop it: {}",
            one_line(&report.kept.join("; "))
        );
    }
    out
}

fn runs(runs: &[RunLine], style: Style) -> String {
    const COLUMNS: [Column; 7] = [
        Column::Left("run"),
        Column::Left("what"),
        Column::Right("age"),
        Column::Right("tables"),
        Column::Right("rows"),
        Column::Left("can be taken back"),
        Column::Left("from"),
    ];
    if runs.is_empty() {
        return "no run is recorded for this database\n".into();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let rows = runs.iter().map(|run| {
        let what = match run.command {
            Command::Migrate => "migrate",
            Command::Rollback => "rollback",
            Command::Restore => "restore",
        };
        let state = match (&run.undone_by, run.can_be_undone) {
            (Some(by), _) => format!("taken back by {by}"),
            (None, true) => "yes".to_owned(),
            (None, false) => "no".to_owned(),
        };
        vec![
            run.run_id.clone(),
            what.to_owned(),
            units::duration(now.saturating_sub(Duration::from_secs(run.at))),
            units::count((run.tables + run.filled) as u64),
            units::count(run.rows),
            state,
            run.source.as_deref().map(one_line).unwrap_or_default(),
        ]
    });
    lay_out(&COLUMNS, rows, style)
}

/// Backups for `rollback --backup`.
fn backups(backups: &[Backup], style: Style) -> String {
    const COLUMNS: [Column; 5] = [
        Column::Left("backup"),
        Column::Right("age"),
        Column::Right("bytes"),
        Column::Right("rows"),
        Column::Left("form"),
    ];
    if backups.is_empty() {
        return "no backup of this database is in the folder\n".into();
    }
    let rows = backups.iter().map(|made| {
        let manifest = &made.manifest;
        vec![
            one_line(&made.path.display().to_string()),
            backup::age(made),
            units::bytes(manifest.bytes),
            backup::rows(manifest),
            manifest.method.as_str().to_owned(),
        ]
    });
    lay_out(&COLUMNS, rows, style)
}

fn tables(tables: &[TableLine], style: Style) -> String {
    const COLUMNS: [Column; 4] = [
        Column::Left("table"),
        Column::Right("rows then"),
        Column::Right("rows now"),
        Column::Left("what happens"),
    ];
    let number = |rows: Option<u64>| rows.map_or_else(|| "-".to_owned(), units::count);
    let rows = tables.iter().map(|table| {
        let what = match (table.goes, table.comes_back) {
            (true, true) => "kept aside, the former one comes back",
            (true, false) => "kept aside",
            (false, false) if table.emptied => "emptied, its rows kept aside",
            (false, _) => "comes back",
        };
        vec![table.name.clone(), number(table.rows_then), number(table.rows_now), what.to_owned()]
    });
    lay_out(&COLUMNS, rows, style)
}
