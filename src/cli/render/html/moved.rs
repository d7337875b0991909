//! What moved, how it was proved, and what to do now.

use std::iter;

use maud::{Markup, html};

use super::parts::{cells, folded, plain, renamed, table, text};
use crate::cli::render::dump;
use crate::cli::render::report::{self, Advice};
use crate::cli::render::table::Column;
use crate::cli::units;
use crate::commands::dump::DumpReport;
use crate::model::report::MigrationReport;

/// Most tables that are open from the beginning.
const OPEN: usize = 50;

/// Tables with their rows, bytes and digests.
pub fn tables(migration: &MigrationReport) -> Markup {
    if migration.tables.is_empty() {
        return html! { p { "No table." } };
    }
    let (mut columns, rows) = report::grid(migration);
    columns.push(Column::Left("digest"));
    let names = migration.tables.iter().map(|table| renamed(&table.name, &table.target_name));
    let names = names.chain(iter::once(html! { "total" }));
    let digests = migration.tables.iter().map(|table| table.digest.as_ref());
    let digests = digests.map(|digest| html! { @if let Some(digest) = digest { code { (digest) } } });
    let digests = digests.chain(iter::once(html! {}));
    let rows = rows.iter().zip(names).zip(digests).map(|((row, name), digest)| {
        let mut row = cells(row);
        row[0] = name;
        row.push(digest);
        row
    });
    let body = table("Tables in the order of the plan", &columns, rows);
    let count = migration.tables.len();
    let summary = units::plural(count as u64, "table");
    folded(count <= OPEN, &html! { (summary) }, &body)
}

/// What is known of the equality of source and target.
pub fn proof(migration: &MigrationReport) -> Markup {
    let tables = &migration.tables;
    let verified = tables.iter().filter(|table| table.verified == Some(true)).count() as u64;
    html! {
        @if tables.is_empty() {
            p { "There was nothing to compare." }
        } @else if report::verified(migration) {
            p.good {
                "Every value of every row was compared: the target was asked for what arrived, and count and digest of each "
                "table are those of what was read."
            }
        } @else if tables.iter().any(|table| table.verified == Some(false)) {
            p.bad { "Not every table arrived as it was read: the column “verified” says which." }
        } @else if verified == 0 {
            p.warning { "The target was not asked what arrived." }
        } @else {
            p.warning { (units::plural(verified, "table")) " of " (units::count(tables.len() as u64)) " were compared." }
        }
        p { "A digest stands for all rows of a table, in whatever order they come: " code { "docs/digest.md" } " says how it is made." }
    }
}

/// How the application comes to the new database.
pub fn next(advice: &Advice) -> Markup {
    html! {
        @match &advice.written_to {
            Some(file) => p { "Use the lines in " code { (text(file)) } ", which has the password as well:" },
            None => p { "Put these lines into TechCare's " code { ".env" } " and restart it:" },
        }
        pre tabindex="0" { @for line in &advice.env_lines { (plain(line)) "\n" } }
    }
}

/// How to go back.
pub fn undo(migration: &MigrationReport) -> Markup {
    html! {
        p {
            "Point TechCare at " code { (text(&migration.source.location)) } " again: it was only read and is as it was."
        }
        p { "To put the target back:" }
        pre tabindex="0" { "techcare-db rollback --database " (plain(&migration.target.location)) }
        @if !migration.kept.is_empty() {
            p { "The tables that gave way are kept for that. To drop them, so that there is no way back any more:" }
            pre tabindex="0" { @for command in &migration.kept { (plain(command)) "\n" } }
        }
    }
}

/// How a script is loaded.
pub fn load(dump: &DumpReport) -> Markup {
    html! {
        p { "Where the target is. It ends with an error unless every row arrived:" }
        pre tabindex="0" { (plain(&dump::load(dump))) }
    }
}
