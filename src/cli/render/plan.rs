//! A plan for people: every table with its columns, keys and indexes, then the findings, then a summary.

use std::fmt::Write as _;

use super::table::{Column, lay_out};
use super::{findings, one_line};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::commands::migrate::Planned;
use crate::model::plan::{
    ColumnPlan, Fidelity, ForeignKeyPlan, IndexPlan, KeyPlan, Plan, Scope, TablePlan, TypePlan,
};
use crate::model::schema::{Action, Deferrable, IdentityGeneration};
use crate::model::view::{ViewPlan, Wording};

pub(super) const COLUMNS: [Column; 5] = [
    Column::Left("column"),
    Column::Left("type now"),
    Column::Left("type then"),
    Column::Left("null"),
    Column::Left("notes"),
];

pub(super) const KEYS: [Column; 3] = [Column::Left("key"), Column::Left("over"), Column::Left("name")];

/// The whole plan.
pub fn render(planned: &Planned, style: Style) -> String {
    let plan = &planned.plan;
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "from  {}", super::database(&planned.source, style));
    let _ = writeln!(out, "to    {}", super::database(&planned.target, style));
    let (types, views) = (types(plan), views(plan));
    if !types.is_empty() {
        let _ = writeln!(out, "\n{}", types.join("\n"));
    }
    for table in &plan.tables {
        out.push('\n');
        out.push_str(&render_table(table, style));
    }
    if !views.is_empty() {
        let _ = writeln!(out, "\n{}", views.join("\n"));
    }
    out.push_str(&findings::render(&plan.findings, style));
    let _ = writeln!(out, "\n{}; {}; nothing was touched", summary(plan), findings::counts(&plan.findings));
    out
}

/// `4 tables, 29 columns, 2 indexes, 3 foreign keys, about 1,234 rows`.
pub(super) fn summary(plan: &Plan) -> String {
    let number = |count: usize| count as u64;
    let sum = |of: fn(&TablePlan) -> usize| number(plan.tables.iter().map(of).sum());
    let rows = plan.tables.iter().map(|table| table.estimated_rows).sum::<Option<u64>>();
    let rows = match (plan.scope, rows) {
        (Scope::SchemaOnly, _) => ", no rows".to_owned(),
        (_, Some(rows)) => format!(", about {}", units::plural(rows, "row")),
        (_, None) => String::new(),
    };
    let indexes = sum(|t| t.indexes.len());
    format!(
        "{}, {}, {indexes} {}, {}{rows}",
        units::plural(number(plan.tables.len()), "table"),
        units::plural(sum(|t| t.columns.len()), "column"),
        if indexes == 1 { "index" } else { "indexes" },
        units::plural(sum(|t| t.foreign_keys.len()), "foreign key"),
    )
}

/// The types that are made, a line each.
pub(super) fn types(plan: &Plan) -> Vec<String> {
    let line = |t: &TypePlan| format!("type {} of {}", one_line(&t.name), one_line(&t.labels.join(", ")));
    plan.types.iter().map(line).collect()
}

/// The views that are made, a line each.
pub(super) fn views(plan: &Plan) -> Vec<String> {
    let how = |view: &ViewPlan| match view.wording {
        Wording::Kept => "in its own words",
        Wording::Translated => "in the target's words",
    };
    let line = |v: &ViewPlan| format!("{} {} {}", v.kind.as_str(), one_line(&v.name), how(v));
    plan.views.iter().map(line).collect()
}

fn render_table(table: &TablePlan, style: Style) -> String {
    let name = if table.source == table.name {
        one_line(&table.name)
    } else {
        format!("{} → {}", one_line(&table.source), one_line(&table.name))
    };
    let mut heading = style.paint(Ink::Strong, &name);
    for property in properties(table) {
        let _ = write!(heading, "  {property}");
    }
    let columns = lay_out(&COLUMNS, table.columns.iter().map(column), style);
    let keys = lay_out(&KEYS, keys(table), style);
    let gap = if keys.is_empty() { "" } else { "\n" };
    format!("{heading}\n{columns}{gap}{keys}")
}

/// What stands beside a table's name: `about 1,234 rows`, `STRICT`.
pub(super) fn properties(table: &TablePlan) -> Vec<String> {
    let rows = table.estimated_rows.map(|rows| format!("about {}", units::plural(rows, "row")));
    let kinds = [(table.without_rowid, "WITHOUT ROWID"), (table.strict, "STRICT")];
    let kinds = kinds.into_iter().filter(|(set, _)| *set).map(|(_, kind)| kind.to_owned());
    rows.into_iter().chain(kinds).collect()
}

/// A line of [`COLUMNS`].
pub(super) fn column(column: &ColumnPlan) -> Vec<String> {
    let name = if column.source == column.name {
        column.name.clone()
    } else {
        format!("{} → {}", column.source, column.name)
    };
    let mut notes = Vec::new();
    match column.fidelity {
        Fidelity::Exact => {}
        Fidelity::Wider => notes.push("wider".to_owned()),
        Fidelity::Emulated => notes.push("emulated".to_owned()),
        Fidelity::Unsupported => notes.push("NOT SUPPORTED".to_owned()),
    }
    if let Some(identity) = &column.identity {
        let kind = match identity.generation {
            IdentityGeneration::Always => "identity always",
            IdentityGeneration::ByDefault => "identity",
            IdentityGeneration::Serial => "serial",
            IdentityGeneration::AutoIncrement => "auto increment",
            IdentityGeneration::Rowid => "rowid",
        };
        notes.push(match identity.next {
            Some(next) => format!("{kind}, next {next} or above"),
            None => kind.to_owned(),
        });
    }
    if let Some(default) = &column.default {
        notes.push(format!("default {default}"));
    }
    if column.on_update_now {
        notes.push("on update now".to_owned());
    }
    if let Some(generated) = &column.generated {
        let kind = if generated.stored { "stored" } else { "virtual" };
        notes.push(format!("{kind} as {}", generated.expression));
    }
    if let Some(collation) = &column.collation {
        notes.push(format!("collate {collation}"));
    }
    let null = if column.nullable { "yes" } else { "no" };
    vec![name, column.source_type.clone(), column.native_type.clone(), null.to_owned(), notes.join("; ")]
}

/// The lines of [`KEYS`].
pub(super) fn keys(table: &TablePlan) -> Vec<Vec<String>> {
    let row = |kind: &str, over: String, name: &Option<String>| {
        vec![kind.to_owned(), over, name.clone().unwrap_or_default()]
    };
    let mut out = Vec::new();
    if let Some(key) = &table.primary_key {
        out.push(row("primary key", primary(key), &key.name));
    }
    for index in &table.indexes {
        let kind = match (index.unique, index.constraint) {
            (true, true) => "unique",
            (true, false) => "unique index",
            (false, _) => "index",
        };
        out.push(row(kind, index_over(index), &index.name));
    }
    for key in &table.foreign_keys {
        out.push(row("foreign key", foreign(key), &key.name));
    }
    for check in &table.checks {
        out.push(row("check", check.expression.clone(), &check.name));
    }
    out
}

fn primary(key: &KeyPlan) -> String {
    let prefix = |at: usize| key.prefixes.get(at).copied().flatten().map(|n| format!("({n})"));
    let parts =
        key.columns.iter().enumerate().map(|(at, c)| format!("{c}{}", prefix(at).unwrap_or_default()));
    parts.collect::<Vec<_>>().join(", ")
}

fn index_over(index: &IndexPlan) -> String {
    let parts = index.parts.iter().map(|part| {
        let mut text = part.column.clone().or_else(|| part.expression.clone()).unwrap_or_default();
        if let Some(prefix) = part.prefix {
            let _ = write!(text, "({prefix})");
        }
        for (set, word) in [
            (part.descending, " desc"),
            (part.nulls_first == Some(true), " nulls first"),
            (part.nulls_first == Some(false), " nulls last"),
        ] {
            if set {
                text.push_str(word);
            }
        }
        if let Some(collation) = &part.collation {
            let _ = write!(text, " collate {collation}");
        }
        text
    });
    let mut out = parts.collect::<Vec<_>>().join(", ");
    if let Some(method) = &index.method {
        out = format!("{method} {out}");
    }
    if !index.include.is_empty() {
        let _ = write!(out, " include {}", index.include.join(", "));
    }
    if let Some(predicate) = &index.predicate {
        let _ = write!(out, " where {predicate}");
    }
    if index.nulls_not_distinct {
        out.push_str(" nulls not distinct");
    }
    out.push_str(deferrable(index.deferrable));
    out
}

fn foreign(key: &ForeignKeyPlan) -> String {
    let mut out =
        format!("{} → {} ({})", key.columns.join(", "), key.references, key.referenced_columns.join(", "));
    for (event, action) in [("on delete", key.on_delete), ("on update", key.on_update)] {
        if action != Action::NoAction {
            let _ = write!(out, " {event} {}", action.sql().to_lowercase());
        }
    }
    if key.match_full {
        out.push_str(" match full");
    }
    out.push_str(deferrable(key.deferrable));
    out
}

const fn deferrable(deferrable: Deferrable) -> &'static str {
    match deferrable {
        Deferrable::No => "",
        Deferrable::Immediate => " deferrable",
        Deferrable::Deferred => " deferrable initially deferred",
    }
}
