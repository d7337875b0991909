//! What pages are made of: text that may hold anything, tables that a phone can scroll, things that fold.

use std::time::Duration;

use maud::{Markup, html};

use crate::cli::render::one_line;
use crate::cli::render::table::Column;
use crate::cli::terminal::Ink;
use crate::cli::units;

/// Text that may hold anything, as text: no control character, and none that a page must not hold.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        if is_noncharacter(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// The code points that Unicode keeps for no character.
fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

/// The same, and whichever way it is written, it does not turn its surroundings.
pub fn text(text: &str) -> Markup {
    html! { bdi { (plain(text)) } }
}

/// A name, and the one that it has in the target where that is another.
pub fn renamed(from: &str, to: &str) -> Markup {
    html! {
        (text(from))
        @if from != to { " → " (text(to)) }
    }
}

/// Words of the program with what is typed between backticks.
pub fn words(words: &str) -> Markup {
    html! {
        @for (at, part) in words.split('`').enumerate() {
            @if at % 2 == 1 { code { (plain(part)) } } @else { (plain(part)) }
        }
    }
}

/// Seconds as a duration.
pub fn time(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Seconds for people; where they are few, with what there is behind the point.
pub fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.3} s") } else { units::duration(time(seconds)) }
}

/// A class that says what an ink means.
pub const fn class(ink: Ink) -> &'static str {
    match ink {
        Ink::Plain => "plain",
        Ink::Strong => "strong",
        Ink::Faint => "faint",
        Ink::Good => "good",
        Ink::Warning => "warning",
        Ink::Bad => "bad",
    }
}

/// Name and value, a pair each.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Markup)>) -> Markup {
    html! {
        dl {
            @for (name, value) in facts { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// A table; the first cell of a row says what the row is about. Nothing where there are no rows.
pub fn table(
    caption: &str,
    columns: &[Column],
    rows: impl IntoIterator<Item = impl IntoIterator<Item = Markup>>,
) -> Markup {
    let caption = plain(caption);
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Markup::default();
    }
    html! {
        div.wide tabindex="0" role="group" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for column in columns { (heading(*column)) } } }
                tbody { @for row in rows { (line(columns, row)) } }
            }
        }
    }
}

fn line(columns: &[Column], row: impl IntoIterator<Item = Markup>) -> Markup {
    html! {
        tr { @for (at, (column, text)) in columns.iter().zip(row).enumerate() { (cell(at, *column, &text)) } }
    }
}

fn heading(column: Column) -> Markup {
    match column {
        Column::Left(name) => html! { th scope="col" { (name) } },
        Column::Right(name) => html! { th.number scope="col" { (name) } },
    }
}

fn cell(at: usize, column: Column, cell: &Markup) -> Markup {
    match (at, column) {
        (0, _) => html! { th scope="row" { (cell) } },
        (_, Column::Left(_)) => html! { td { (cell) } },
        (_, Column::Right(_)) => html! { td.number { (cell) } },
    }
}

/// Cells of text.
pub fn cells(row: &[String]) -> Vec<Markup> {
    row.iter().map(|cell| text(cell)).collect()
}

/// Something that is folded away unless it is short.
pub fn folded(open: bool, summary: &Markup, body: &Markup) -> Markup {
    html! {
        details open[open] {
            summary { (summary) }
            (body)
        }
    }
}
