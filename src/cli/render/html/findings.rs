//! What did not arrive as it was and what was observed, by code: what the code means, what to do, and every case.

use maud::{Markup, html};

use super::parts::{folded, plain, table, text, words};
use crate::cli::render::table::Column;
use crate::cli::render::{check, findings};
use crate::cli::units;
use crate::commands::check::Observation;
use crate::model::codes::{self, Level, observed};
use crate::model::plan::{Finding, FindingAction, Severity};

/// Most cases of a code that the page has; the document has all.
const SHOWN: usize = 1000;

/// Most cases that are open from the beginning.
const OPEN: usize = 20;

const FINDINGS: [Column; 5] = [
    Column::Left("where"),
    Column::Right("rows"),
    Column::Left("what is done"),
    Column::Left("what"),
    Column::Left("keys"),
];

const OBSERVATIONS: [Column; 5] = [
    Column::Left("where"),
    Column::Right("rows"),
    Column::Left("what"),
    Column::Left("keys"),
    Column::Left("what to do"),
];

/// All cases of one code and one severity.
struct Group<'a, T> {
    code: &'a str,
    cases: Vec<&'a T>,
}

/// Groups in the order in which their codes come first.
fn groups<'a, T>(all: impl Iterator<Item = &'a T>, code: impl Fn(&'a T) -> &'a str) -> Vec<Group<'a, T>> {
    let mut groups: Vec<Group<'a, T>> = Vec::new();
    for case in all {
        let code = code(case);
        match groups.iter_mut().find(|group| group.code == code) {
            Some(group) => group.cases.push(case),
            None => groups.push(Group { code, cases: vec![case] }),
        }
    }
    groups
}

/// Findings of a plan or a migration.
pub fn of_plan(all: &[Finding]) -> Markup {
    let of = |severity| groups(all.iter().filter(move |f| f.severity == severity), |f| f.code.as_str());
    let parts = findings::GROUPS.map(|(severity, noun, meaning, _)| (severity, noun, meaning, of(severity)));
    html! {
        p { (findings::counts(all)) }
        @for (severity, noun, meaning, groups) in parts.iter().filter(|(.., groups)| !groups.is_empty()) {
            @let count: usize = groups.iter().map(|group| group.cases.len()).sum();
            h3 { (units::plural(count as u64, noun)) ": " (meaning) }
            @for group in groups { (of_code(group, *severity)) }
        }
    }
}

fn of_code(group: &Group<'_, Finding>, severity: Severity) -> Markup {
    let rows = group.cases.iter().take(SHOWN).map(|finding| {
        [
            text(&findings::place(finding)),
            html! { (finding.rows.map(units::count).unwrap_or_default()) },
            html! { (action(finding.action)) },
            text(&findings::flat(&finding.text)),
            findings::keys(finding).map(|keys| text(&keys)).unwrap_or_default(),
        ]
    });
    let meaning = codes::find(group.code).map(|code| code.text);
    let body = html! {
        (glossary(group.code, meaning, Some(&what_to_do(group.code, severity))))
        (table(group.code, &FINDINGS, rows))
        (rest(group.cases.len()))
    };
    entry(group.code, group.cases.len(), &body)
}

/// Observations of `check`.
pub fn observations(all: &[Observation]) -> Markup {
    html! {
        @for (grave, heading, _) in check::GROUPS {
            @let groups = groups(all.iter().filter(|o| check::is_grave(o) == grave), |o| o.code);
            @if !groups.is_empty() { h3 { (heading) } }
            @for group in &groups { (of_observed_code(group)) }
        }
    }
}

fn of_observed_code(group: &Group<'_, Observation>) -> Markup {
    let rows = group.cases.iter().take(SHOWN).map(|seen| {
        [
            text(&check::place(seen)),
            html! { (seen.rows.map(units::count).unwrap_or_default()) },
            text(&findings::flat(&seen.text)),
            check::keys(seen).map(|keys| text(&keys)).unwrap_or_default(),
            seen.next.as_deref().map(text).unwrap_or_default(),
        ]
    });
    let known = observed::ALL.iter().find(|code| code.name == group.code).map(|code| code.text);
    let meaning = known.or_else(|| codes::find(group.code).map(|code| code.text));
    let body = html! {
        (glossary(group.code, meaning, None))
        (table(group.code, &OBSERVATIONS, rows))
        (rest(group.cases.len()))
    };
    entry(group.code, group.cases.len(), &body)
}

fn entry(code: &str, cases: usize, body: &Markup) -> Markup {
    let summary = html! { code { (plain(code)) } " " span.faint { "(" (units::count(cases as u64)) ")" } };
    folded(cases <= OPEN, &summary, body)
}

/// What a code means and what to do about it.
fn glossary(code: &str, meaning: Option<&str>, todo: Option<&str>) -> Markup {
    html! {
        dl.glossary {
            @if let Some(meaning) = meaning { div { dt { "means" } dd { (words(meaning)) } } }
            @if let Some(todo) = todo { div { dt { "what to do" } dd { (words(todo)) } } }
            div { dt { "more" } dd { code { "docs/findings/" (plain(code)) ".md" } } }
        }
    }
}

fn rest(cases: usize) -> Markup {
    html! {
        @if cases > SHOWN {
            p { "These are the first " (units::count(SHOWN as u64)) ". " code { "--format json" } " has all of them." }
        }
    }
}

/// What may be done about a finding that is that grave.
fn what_to_do(code: &str, severity: Severity) -> String {
    match severity {
        Severity::Blocker => {
            let ways: Vec<String> =
                findings::ways(code).iter().map(|(typed, effect)| format!("`{typed}` {effect}")).collect();
            if ways.is_empty() {
                "correct the source, or leave the table out with `--exclude`".to_owned()
            } else {
                format!("correct the source, or decide: {}", ways.join(", "))
            }
        }
        Severity::Warning if codes::find(code).is_some_and(|code| code.level == Level::Row) => {
            "these rows are not in the target as they were, as was decided: look at them in the source by their keys"
                .to_owned()
        }
        Severity::Warning => format!(
            "look whether it is needed in the target, and make it there by hand: its text stands here. \
             `--rule {code}=stop` stops a migration at it"
        ),
        Severity::Info => {
            format!("nothing: no value is lost. `--rule {code}=stop` stops a migration at it")
        }
    }
}

/// What is done, in words.
const fn action(action: FindingAction) -> &'static str {
    match action {
        FindingAction::Widened => "widened",
        FindingAction::Translated => "translated",
        FindingAction::Emulated => "emulated",
        FindingAction::Converted => "converted",
        FindingAction::Rejected => "rejected",
        FindingAction::NotCarried => "not carried",
        FindingAction::Refused => "refused",
    }
}
