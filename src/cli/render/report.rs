//! The report of a migration for people: one table, what did not arrive as it was, and what to do now.

use std::fmt::Write as _;
use std::time::Duration;

use super::findings;
use super::table::{Column, lay_out};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::model::report::{MigrationReport, TableReport};

const COLUMNS: [Column; 6] = [
    Column::Left("table"),
    Column::Right("rows"),
    Column::Right("bytes"),
    Column::Right("seconds"),
    Column::Right("rows/s"),
    Column::Left("verified"),
];

/// What to do with the result.
#[derive(Debug, Clone, Default)]
pub struct Advice {
    /// Lines of `.env` that point TechCare at the target, password masked.
    pub env_lines: Vec<String>,
    /// File that keeps the report as a document.
    pub report: Option<String>,
    /// File that keeps it as a page.
    pub page: Option<String>,
    /// File that holds them already, password included.
    pub written_to: Option<String>,
}

/// The whole report.
pub fn render(report: &MigrationReport, advice: &Advice, style: Style) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "from  {}", super::database(&report.source, style));
    let _ = writeln!(out, "to    {}\n", super::database(&report.target, style));
    out.push_str(&tables(report, style));
    out.push_str(&findings::render(&report.findings, style));
    let _ = writeln!(out, "\n{}", style.paint(Ink::Good, &format!("{}; run {}", end(report), report.run_id)));
    if let Some(file) = &report.rejects {
        let rejected = report.tables.iter().map(|t| t.rows_rejected).sum();
        let _ =
            writeln!(out, "The keys of {} that were put aside are in {file}", units::plural(rejected, "row"));
    }
    if let Some(file) = &report.backup {
        let _ = writeln!(out, "The source was backed up to {file}");
    }
    if !report.kept.is_empty() {
        let _ = writeln!(
            out,
            "The tables that gave way are kept for `techcare-db rollback`; to drop them: {}",
            super::one_line(&report.kept.join("; "))
        );
    }
    let kept = match (&advice.page, &advice.report) {
        (Some(page), Some(file)) => Some(format!("{page}, and for programs in {file}")),
        (page, file) => page.as_ref().or(file.as_ref()).cloned(),
    };
    if let Some(kept) = kept {
        let _ = writeln!(out, "The report is kept in {kept}");
    }
    out.push_str(&next_steps(report, advice));
    out
}

/// `4 tables with 1,234 rows in 0.4 s, every value of every row compared`.
pub(super) fn end(report: &MigrationReport) -> String {
    let proof = if verified(report) { ", every value of every row compared" } else { "" };
    format!(
        "{} with {} in {}{proof}",
        units::plural(report.tables.len() as u64, "table"),
        units::plural(report.tables.iter().map(|t| t.rows_written).sum(), "row"),
        units::duration(Duration::try_from_secs_f64(report.seconds).unwrap_or_default()),
    )
}

/// Whether every table was compared, and equal.
pub(super) fn verified(report: &MigrationReport) -> bool {
    report.tables.iter().all(|table| table.verified == Some(true)) && !report.tables.is_empty()
}

/// A number of one table.
type Number = fn(&TableReport) -> u64;

/// One line a table, and the total.
pub(super) fn tables(report: &MigrationReport, style: Style) -> String {
    let (columns, rows) = grid(report);
    lay_out(&columns, rows, style)
}

/// The same before it is laid out; the total is the last row where there is more than one table.
pub(super) fn grid(report: &MigrationReport) -> (Vec<Column>, Vec<Vec<String>>) {
    let total = (report.tables.len() > 1).then(|| total(report));
    let mut rows: Vec<Vec<String>> = report.tables.iter().map(row).chain(total).collect();
    let mut columns = COLUMNS.to_vec();
    // Behind the rows that were written stand those that were not, where there are such.
    let more: [(&str, Number); 2] =
        [("filtered", |table| table.rows_filtered), ("rejected", |table| table.rows_rejected)];
    for (name, number) in more {
        let all = report.tables.iter().map(number).sum::<u64>();
        if all == 0 {
            continue;
        }
        columns.insert(2, Column::Right(name));
        for (row, number) in rows.iter_mut().zip(report.tables.iter().map(number).chain([all])) {
            row.insert(2, units::count(number));
        }
    }
    (columns, rows)
}

fn next_steps(report: &MigrationReport, advice: &Advice) -> String {
    let mut out = String::new();
    match &advice.written_to {
        Some(file) => {
            let _ = writeln!(out, "\nTo point TechCare at the target, use the lines in {file}:");
        }
        None => {
            out.push_str(
                "\nTo point TechCare at the target, put these lines into its .env and restart it:\n",
            );
        }
    }
    for line in &advice.env_lines {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(
        out,
        "To go back, point it at {} again: it was only read and is as it was.\nTo put the target back: techcare-db \
         rollback --database {}",
        super::one_line(&report.source.location),
        super::one_line(&report.target.location)
    );
    out
}

fn row(table: &TableReport) -> Vec<String> {
    let name = if table.name == table.target_name {
        table.name.clone()
    } else {
        format!("{} → {}", table.name, table.target_name)
    };
    let verified = match table.verified {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "-",
    };
    let elapsed = Duration::try_from_secs_f64(table.seconds).unwrap_or_default();
    vec![
        name,
        units::count(table.rows_written),
        units::bytes(table.bytes),
        format!("{:.1}", table.seconds),
        units::count(units::per_second(table.rows_written, elapsed)),
        verified.to_owned(),
    ]
}

fn total(report: &MigrationReport) -> Vec<String> {
    let rows = report.tables.iter().map(|table| table.rows_written).sum();
    let elapsed = Duration::try_from_secs_f64(report.seconds).unwrap_or_default();
    vec![
        "total".to_owned(),
        units::count(rows),
        units::bytes(report.bytes),
        format!("{:.1}", report.seconds),
        units::count(units::per_second(rows, elapsed)),
        String::new(),
    ]
}
