//! The plan: every table with its columns and keys, folded.

use maud::{Markup, html};

use super::parts::{cells, folded, renamed, table, text};
use crate::cli::render::json::PLANNED_TABLES;
use crate::cli::render::plan;
use crate::cli::units;
use crate::model::plan::{Plan, TablePlan};

/// Most tables whose columns are open from the beginning.
const OPEN: usize = 3;

/// The plan; of one with very many tables the first.
pub fn of(planned: &Plan) -> Markup {
    let count = planned.tables.len();
    html! {
        p { (plan::summary(planned)) }
        @let lines: Vec<String> = plan::types(planned).into_iter().chain(plan::views(planned)).collect();
        @if !lines.is_empty() { ul { @for line in &lines { li { (text(line)) } } } }
        @if count > PLANNED_TABLES {
            p {
                "These are the first " (units::count(PLANNED_TABLES as u64)) " tables. "
                code { "--dry-run --format json" } " has all of them."
            }
        }
        @for each in planned.tables.iter().take(PLANNED_TABLES) { (of_table(each, count <= OPEN)) }
    }
}

fn of_table(each: &TablePlan, open: bool) -> Markup {
    let summary = html! {
        (renamed(&each.source, &each.name))
        @for property in plan::properties(each) { " " span.faint { (property) } }
    };
    let columns = each.columns.iter().map(|column| {
        let mut row = cells(&plan::column(column));
        row[0] = renamed(&column.source, &column.name);
        row
    });
    let keys = plan::keys(each);
    let body = html! {
        (table("Columns", &plan::COLUMNS, columns))
        @if !keys.is_empty() { (table("Keys", &plan::KEYS, keys.iter().map(|row| cells(row)))) }
    };
    folded(open, &summary, &body)
}
