//! Making findings: one builder, so that every finding of the planner has its severity from `codes` and its
//! names from the source.

use super::columns::spelled;
use super::demands::{Demand, Demanded};
use super::doubts::{Doubt, LooseReference};
use crate::engine::capability::{Matching, Occupied, Orphans};
use crate::model::codes::{self, severity_of};
use crate::model::plan::{
    CheckPlan, ColumnPlan, Finding, FindingAction, IndexPlan, Misfit, Plan, Scope, Severity, TablePlan,
};
use crate::model::policy::Decision;
use crate::model::schema::{Check, DefaultValue};
use crate::model::view::ViewPlan;

/// What the finding says of a table that is replaced, in its text.
pub(super) const EMPTY: &str = "is empty and";

/// A finding about `kind` (`column`, `index`, …) in the making.
#[derive(Debug)]
#[must_use]
pub(super) struct Note(Finding);

impl Note {
    /// What it is about and what is done.
    pub(super) fn new(code: &str, kind: &str, action: FindingAction, text: impl Into<String>) -> Self {
        Self(Finding {
            code: code.to_owned(),
            severity: severity_of(code),
            table: None,
            column: None,
            object: None,
            kind: kind.to_owned(),
            rows: None,
            keys: Vec::new(),
            action,
            text: text.into(),
        })
    }

    /// A misfit in the data.
    pub(super) fn misfit(misfit: &Misfit) -> Self {
        let action = match severity_of(&misfit.code) {
            Severity::Info => FindingAction::Converted,
            Severity::Warning | Severity::Blocker => FindingAction::Refused,
        };
        Self::new(&misfit.code, "column", action, misfit.text.clone()).rows(misfit.rows, &misfit.keys)
    }

    /// A generated column that is none in the target, with a reason where there is a particular one.
    pub(super) fn ungenerated(why: Option<&str>, expression: &str) -> Self {
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let text = format!(
            "becomes a plain column with the values of today{why}; the source has GENERATED ALWAYS AS ({expression})"
        );
        Self::new(codes::GENERATED_NOT_CARRIED, "generated column", FindingAction::NotCarried, text)
    }

    /// The table, as named in the source.
    pub(super) fn table(mut self, table: &str) -> Self {
        self.0.table = Some(table.to_owned());
        self
    }

    /// The column, as named in the source.
    pub(super) fn column(mut self, column: &str) -> Self {
        self.0.column = Some(column.to_owned());
        self
    }

    /// The object, where it has a name.
    pub(super) fn object(mut self, object: Option<&str>) -> Self {
        self.0.object = object.map(str::to_owned);
        self
    }

    /// The finding, for tests that look at one alone.
    #[cfg(test)]
    pub(super) fn finding(self) -> Finding {
        self.0
    }

    /// Rows concerned, and keys of some of them.
    pub(super) fn rows(mut self, rows: u64, keys: &[String]) -> Self {
        self.0.rows = Some(rows);
        self.0.keys = keys.to_vec();
        self
    }
}

impl From<Note> for Finding {
    fn from(note: Note) -> Self {
        note.0
    }
}

/// A misfit in the data that the planner did not know of.
pub fn misfit(table: &TablePlan, column: &str, misfit: &Misfit) -> Finding {
    Note::misfit(misfit).table(&table.source).column(column).0
}

/// The finding that stops a migration of rows whose parents are missing: a foreign key over them would be a lie.
pub fn orphans(orphans: &Orphans) -> Finding {
    let text = format!(
        "\"{}\" refers to rows of \"{}\" that are not there: mend or delete these rows in the source",
        orphans.columns.join("\", \""),
        orphans.references
    );
    astray(&orphans.table, orphans.columns.first(), text).rows(orphans.rows, &orphans.keys).0
}

/// References that lead nowhere. The first column stands for the key, here as after the load.
fn astray(table: &str, column: Option<&String>, text: String) -> Note {
    let note = Note::new(codes::ORPHANS, "foreign key", FindingAction::Refused, text).table(table);
    match column {
        Some(column) => note.column(column),
        None => note,
    }
}

/// The same of rows whose parents only the source takes for theirs.
pub fn loose_orphans(reference: &LooseReference, found: &Matching) -> Finding {
    let columns: Vec<String> = reference.columns.iter().map(|(name, _)| name.clone()).collect();
    let text = format!(
        "\"{}\" refers to rows of \"{}\" that differ in case, accents or blanks at the end, or are not there: the target's key \
         tells them apart, so write the references as the rows that they mean",
        columns.join("\", \""),
        reference.references
    );
    astray(&reference.table, columns.first(), text).rows(found.rows, &found.keys).0
}

/// The finding that stops a migration of rows that their own check refuses.
pub fn check_violated(table: &TablePlan, check: &Check, found: &Matching) -> Finding {
    let text = format!(
        "is false for rows that are there, which the source has not held to it: CHECK ({})",
        check.expression
    );
    Note::new(codes::CHECK_VIOLATED, "check", FindingAction::Refused, text)
        .table(&table.source)
        .object(check.name.as_deref())
        .rows(found.rows, &found.keys)
        .0
}

/// The finding that stops a migration of rows that the target's own table refuses.
pub fn demanded(demand: &Demand, found: &Matching) -> Finding {
    let (note, object) = match &demand.what {
        Demanded::Value(column) => {
            let text = "takes no NULL in the target's own table: give these rows a value, or let that column take NULL";
            (Note::new(codes::TARGET_MISMATCH, "column", FindingAction::Refused, text).column(column), None)
        }
        Demanded::Check { name, expression } => {
            let text = format!(
                "of the target's own table is false for rows that are there: mend them, or drop it there: CHECK \
                 ({expression})"
            );
            (Note::new(codes::CHECK_VIOLATED, "check", FindingAction::Refused, text), name.as_deref())
        }
    };
    note.table(&demand.table).object(object).rows(found.rows, &found.keys).0
}

/// The finding that stops a migration of rows that a unique key of the target takes for one.
pub fn collisions(doubt: &Doubt, found: &Matching) -> Finding {
    let text = if doubt.of_target {
        "is unique in the target's own table, and the source has such rows: make them differ, delete those that are too \
         many, or drop the key there"
    } else {
        "the target compares in another way than the source, and takes such rows for one: make them differ, or delete \
         those that are too many"
    };
    Note::new(codes::DUPLICATES, "unique key", FindingAction::Refused, text)
        .table(&doubt.table.source)
        .column(&doubt.column)
        .object(doubt.key.name.as_deref())
        .rows(found.rows, &found.keys)
        .0
}

/// A migration tool's notes in the target, which stay as they are.
pub fn migration_state(table: &str, same: bool) -> Finding {
    let (code, text) = if same {
        (codes::HISTORY_KEPT, "the target's own notes of its migrations stay; the source's are the same")
    } else {
        (
            codes::MIGRATION_STATE,
            "the target's own notes of its migrations stay, and the source's tell of another state: the two schemas may \
             differ, so bring the older one up with its migration tool",
        )
    };
    Note::new(code, "table", FindingAction::NotCarried, text).table(table).0
}

/// A check that the target decides otherwise than the source, in words that say in which row.
pub fn check_differs(table: &TablePlan, check: &CheckPlan, original: &str, how: &str) -> Finding {
    let text = format!("means something else in the target: {how}: CHECK ({original})");
    let note = Note::new(codes::CHECK_NOT_CARRIED, "check", FindingAction::NotCarried, text);
    note.table(&table.source).object(check.name.as_deref()).0
}

/// A default that gives another value in the target. The values are those of the schema, not of rows.
pub fn default_differs(table: &TablePlan, column: &str, original: &DefaultValue, how: &str) -> Finding {
    let text = format!("gives something else in the target: {how}: DEFAULT {}", spelled(original));
    Note::new(codes::DEFAULT_NOT_CARRIED, "default", FindingAction::NotCarried, text)
        .table(&table.source)
        .column(column)
        .0
}

/// A generated column that the target does not compute.
pub fn generated_unknown(table: &TablePlan, column: &ColumnPlan, expression: &str, why: &str) -> Finding {
    Note::ungenerated(Some(why), expression).table(&table.source).column(&column.source).0
}

/// An index over an expression that the target does not evaluate.
pub fn index_unknown(table: &TablePlan, index: &IndexPlan, expression: &str, why: &str) -> Finding {
    let (code, kind) = if index.unique {
        (codes::UNIQUE_NOT_CARRIED, "unique index")
    } else {
        (codes::INDEX_NOT_CARRIED, "index")
    };
    let text = format!("{why}; it is over {expression}");
    let note = Note::new(code, kind, FindingAction::NotCarried, text).table(&table.source);
    note.object(index.name.as_deref()).0
}

/// In whose words something goes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// In those of the target, into which they were put.
    Target,
    /// In those of the source, which is another product of the same dialect.
    Source,
}

impl Words {
    fn untried(self, why: &str) -> String {
        match self {
            Self::Target => format!("carried in the target's words and not tried there: {why}"),
            Self::Source => {
                format!("carried in the source's words, and the target may not know its functions: {why}")
            }
        }
    }
}

/// A default that nobody has tried in the target.
pub fn default_untried(table: &TablePlan, column: &str, words: Words, why: &str) -> Finding {
    let text = format!("is {}", words.untried(why));
    Note::new(codes::DEFAULT_UNTRIED, "default", FindingAction::Translated, text)
        .table(&table.source)
        .column(column)
        .0
}

/// Checks of a table that nobody has tried in the target.
pub fn checks_untried(table: &TablePlan, checks: usize, words: Words, why: &str) -> Finding {
    let text = format!("{} {}", counted(checks, "check"), words.untried(why));
    Note::new(codes::CHECK_UNTRIED, "check", FindingAction::Translated, text).table(&table.source).0
}

/// Generated columns and keys of indexes of a table that nobody has tried in the target.
pub fn expressions_untried(table: &TablePlan, expressions: usize, why: &str) -> Finding {
    let text = format!("{} {}", counted(expressions, "expression"), Words::Source.untried(why));
    let kind = "generated column or index";
    Note::new(codes::EXPRESSION_UNTRIED, kind, FindingAction::Translated, text).table(&table.source).0
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what} is") } else { format!("{number} {what}s are") }
}

/// A view that the plan carries and that is left behind after all.
pub fn view_left_behind(view: &ViewPlan, why: &str) -> Finding {
    let text = format!("{why}; it reads: {}", view.original);
    Note::new(codes::OBJECT_NOT_CARRIED, view.kind.as_str(), FindingAction::NotCarried, text)
        .object(Some(&view.name))
        .0
}

/// Marks the tables of a plan that may take the place of tables with rows, and says so where there are rows.
pub fn with_rows(plan: &mut Plan, occupied: &[Occupied]) {
    for there in occupied.iter().filter(|there| there.kind == "table") {
        let Some(table) = plan.tables.iter_mut().find(|t| t.name.eq_ignore_ascii_case(&there.name)) else {
            continue;
        };
        table.replaces_rows = true;
        let source = Some(table.source.clone());
        let said = plan.findings.iter_mut().find(|f| f.code == codes::TABLE_REPLACED && f.table == source);
        if let Some(finding) = said.filter(|_| !there.empty) {
            finding.text = finding.text.replacen(EMPTY, "with its rows", 1);
        }
    }
}

/// The findings that stop a migration into a target where something is in the way: rows, objects that are no tables,
/// and what would be lost with an empty table that is replaced.
pub fn occupied(plan: &Plan, occupied: &[Occupied]) -> Vec<Finding> {
    let mut found = Vec::new();
    for there in occupied {
        let table = plan.tables.iter().find(|t| t.name.eq_ignore_ascii_case(&there.name));
        let source = table.map_or(there.name.as_str(), |t| t.source.as_str());
        let with_rows = table.is_some_and(|t| t.replaces_rows);
        let replaced = plan.scope != Scope::DataOnly && (there.empty || with_rows);
        let mut refuse = |code, kind: &str, text: String| {
            let note = Note::new(code, kind, FindingAction::Refused, text);
            found.push(note.table(source).object(Some(&there.name)).0);
        };
        if there.kind != "table" {
            let text = format!("the target has a {} \"{}\" in this place", there.kind, there.name);
            refuse(codes::TARGET_NOT_EMPTY, &there.kind, text);
        } else if !there.empty && !with_rows {
            let text = "the target has rows in this table, so nothing there is touched".to_owned();
            refuse(codes::TARGET_NOT_EMPTY, "table", text);
        } else if table.is_none() {
            let text =
                format!("the target has a table \"{}\" where something else would be made", there.name);
            refuse(codes::TARGET_NOT_EMPTY, "table", text);
        }
        for holder in there.held_by.iter().filter(|_| replaced) {
            let text = format!("the target's own table cannot give way: {holder}");
            refuse(codes::TARGET_MISMATCH, "table", text);
        }
    }
    found
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn push(&mut self, note: Note) {
        self.0.push(note.0);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Of those made since there were `mark`, keeps the ones that stop the migration whatever the user accepts.
    pub(super) fn keep_blockers_since(&mut self, mark: usize) {
        let made = self.0.split_off(mark.min(self.0.len()));
        let stops = |f: &Finding| {
            let acceptable = codes::find(&f.code).is_some_and(|code| code.allows(Decision::Accept));
            f.severity == Severity::Blocker && !acceptable
        };
        self.0.extend(made.into_iter().filter(stops));
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}
