//! The answers of `check`: how the database is, what a migration would do, whether another one holds the same.

use maud::{Markup, html};

use super::page::Page;
use super::parts::{cells, class, facts, folded, renamed, table, text};
use super::{findings, plan};
use crate::cli::render::check;
use crate::cli::render::table::Column;
use crate::cli::terminal::Ink;
use crate::cli::units;
use crate::commands::check::{Ahead, Alone, CheckReport, ComparedTable, Comparison};
use crate::pipeline::compare::differences::Difference;

/// Most tables that are open from the beginning.
const OPEN: usize = 50;

const ROWS: [Column; 2] = [Column::Left("key"), Column::Left("how it differs")];

/// What all answers come to, in one line.
pub fn verdict(report: &CheckReport) -> String {
    let alone = report.alone.as_ref().map(|found| check::verdict(&found.observations, check::GOOD));
    let ahead = report.target.as_ref().map(check::prediction);
    let against = report.against.as_ref();
    let against = against.map(|found| check::verdict(&found.observations, check::equal(report.quick)));
    let said: Vec<String> = [alone, ahead, against].into_iter().flatten().map(|(_, said)| said).collect();
    said.join("; ")
}

/// A line that means something.
fn line((ink, said): &(Ink, String)) -> Markup {
    html! { p.(class(*ink)) { (text(said)) } }
}

/// How the database is.
pub fn alone(page: &mut Page, found: &Alone) {
    let lines = check::facts(found);
    page.section("state", "State", facts(lines.iter().map(|(name, said)| (*name, text(said)))));
    if !found.observations.is_empty() {
        page.section("findings", "Findings", findings::observations(&found.observations));
    }
}

/// What a migration would do.
pub fn ahead(page: &mut Page, found: &Ahead, quick: bool) {
    let planned = &found.planned;
    page.section(
        "migration",
        "What a migration would do",
        html! {
            (line(&check::prediction(found)))
            @for note in &check::notes(found, quick) { (line(note)) }
        },
    );
    if !planned.plan.findings.is_empty() {
        page.section("findings", "Findings of the migration", findings::of_plan(&planned.plan.findings));
    }
    page.section("plan", "Plan", plan::of(&planned.plan));
}

/// Whether another one holds the same.
pub fn against(page: &mut Page, found: &Comparison, quick: bool) {
    let rows = found.tables.iter().map(|each| {
        let mut row = cells(&check::compared(each));
        row[0] = renamed(&each.name, &each.other_name);
        row
    });
    let tables = table("Tables of both, in the order of the plan", &check::COMPARED, rows);
    let count = found.tables.len();
    let body = html! {
        (line(&check::verdict(&found.observations, check::equal(quick))))
        (folded(count <= OPEN, &html! { (units::plural(count as u64, "table")) }, &tables))
        @for each in found.tables.iter().filter(|each| !each.differences.rows.is_empty()) { (differing(each)) }
    };
    page.section("comparison", "Comparison", body);
    if !found.observations.is_empty() {
        page.section("differences", "What differs", findings::observations(&found.observations));
    }
}

fn differing(each: &ComparedTable) -> Markup {
    let differences = &each.differences;
    let rows = differences.rows.iter().map(|row| {
        let how = match row.difference {
            Difference::Changed => "other contents",
            Difference::OnlyHere => "only here",
            Difference::OnlyThere => "only there",
        };
        [text(&row.key), html! { (how) }]
    });
    let least = if differences.at_least { "at least " } else { "" };
    let summary = html! {
        (renamed(&each.name, &each.other_name)) ": " (least) (units::plural(differences.count(), "row"))
    };
    folded(true, &summary, &table("Rows that differ", &ROWS, rows))
}
