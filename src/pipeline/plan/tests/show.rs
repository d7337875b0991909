//! A plan in few lines, for snapshots and assertions.

use std::fmt::Write as _;

use crate::model::plan::{Finding, IndexPartPlan, IndexPlan, Plan, TablePlan};
use crate::model::schema::{Action, Deferrable};

/// A plan in few lines.
pub(super) fn show(plan: &Plan) -> String {
    let mut out = format!("{} to {}\n", plan.source.title(), plan.target_flavour.title());
    for t in &plan.types {
        let _ = writeln!(out, "type {} {:?}", t.name, t.labels);
    }
    for table in &plan.tables {
        show_table(&mut out, table);
    }
    for v in &plan.views {
        let _ = writeln!(out, "{} {} {:?}: {}", v.kind.as_str(), v.name, v.wording, v.definition);
    }
    if !plan.findings.is_empty() {
        let _ = writeln!(out, "findings");
    }
    for finding in &plan.findings {
        let _ = writeln!(out, "  {}", show_finding(finding));
    }
    out
}

fn show_table(out: &mut String, table: &TablePlan) {
    let from = if table.source == table.name { String::new() } else { format!(" from {}", table.source) };
    let _ = writeln!(out, "table {}{from}", table.name);
    for c in &table.columns {
        let _ = write!(out, "  {} {}", c.name, c.native_type);
        for (what, value) in [("default", &c.default), ("collate", &c.collation)] {
            if let Some(value) = value {
                let _ = write!(out, " {what} {value}");
            }
        }
        if let Some(g) = &c.generated {
            let _ = write!(out, " {} as {}", if g.stored { "stored" } else { "virtual" }, g.expression);
        }
        if let Some(i) = &c.identity {
            let _ = write!(out, " identity {:?}", i.generation);
            if let Some(next) = i.next {
                let _ = write!(out, " next {next}");
            }
        }
        if !c.nullable {
            let _ = write!(out, " not null");
        }
        let _ = writeln!(out, " <- {} {}", c.source_type, serde_json::to_string(&c.carries).unwrap());
    }
    if let Some(key) = &table.primary_key {
        let name = key.name.as_deref().unwrap_or("-");
        let _ = writeln!(out, "  primary key {name} ({})", key.columns.join(", "));
    }
    for index in &table.indexes {
        let _ = writeln!(out, "  {}", show_index(index));
    }
    for k in &table.foreign_keys {
        let _ = write!(
            out,
            "  foreign key {} ({}) -> {} ({})",
            k.name.as_deref().unwrap_or("-"),
            k.columns.join(", "),
            k.references,
            k.referenced_columns.join(", ")
        );
        for (event, action) in [("delete", k.on_delete), ("update", k.on_update)] {
            if action != Action::NoAction {
                let _ = write!(out, " on {event} {}", action.sql().to_lowercase());
            }
        }
        if k.deferrable != Deferrable::No {
            let _ = write!(out, " {:?}", k.deferrable);
        }
        let _ = writeln!(out);
    }
    for check in &table.checks {
        let _ = writeln!(out, "  check {} {}", check.name.as_deref().unwrap_or("-"), check.expression);
    }
}

/// An index in a line.
pub(super) fn show_index(index: &IndexPlan) -> String {
    let part = |p: &IndexPartPlan| {
        let mut text = p.column.clone().or_else(|| p.expression.as_ref().map(|e| format!("({e})"))).unwrap();
        if let Some(prefix) = p.prefix {
            let _ = write!(text, "[{prefix}]");
        }
        if p.descending {
            text.push_str(" desc");
        }
        text
    };
    let kind = match (index.unique, index.constraint) {
        (true, true) => "unique constraint",
        (true, false) => "unique index",
        _ => "index",
    };
    let parts: Vec<String> = index.parts.iter().map(part).collect();
    let mut out = format!("{kind} {} ({})", index.name.as_deref().unwrap_or("-"), parts.join(", "));
    if let Some(predicate) = &index.predicate {
        let _ = write!(out, " where {predicate}");
    }
    if let Some(method) = &index.method {
        let _ = write!(out, " using {method}");
    }
    out
}

/// A finding in a line.
pub(super) fn show_finding(f: &Finding) -> String {
    let mut out = format!("{:?} {} ", f.severity, f.code).to_lowercase();
    let place = [&f.table, &f.column, &f.object];
    let place: Vec<&str> = place.iter().filter_map(|p| p.as_deref()).collect();
    let _ = write!(out, "{} {}: {}", f.kind, place.join("."), f.text);
    if let Some(rows) = f.rows {
        let _ = write!(out, " ({rows} rows: {})", f.keys.join(", "));
    }
    out
}
