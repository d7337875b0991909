//! `--data-only`: rows into tables that are there. Columns are matched by name, and the types of the target rule;
//! where they cannot hold the source's values, the plan is blocked. Nothing is made, so nothing else is planned.

use super::findings::Note;
use super::types::{holds, takes_as_utc};
use super::{Planner, by_hand};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::{ColumnPlan, FindingAction, ForeignKeyPlan, GeneratedPlan, TablePlan};
use crate::model::schema::{Column, DataType, ForeignKey, Table};

impl Planner<'_> {
    /// Plans the rows of a table; `None`, with a finding, if the target lacks the table.
    pub(super) fn table_of_rows(&mut self, at: usize) -> Option<TablePlan> {
        let table = &self.input.source.tables[at];
        let wanted = self.names.table(&table.name);
        let tables = self.input.existing.map(|s| s.tables.as_slice()).unwrap_or_default();
        let Some(there) = named(tables, &wanted, |t| &t.name) else {
            self.mismatch(table, None, "the target has no such table");
            return None;
        };
        let mark = self.findings.len();
        let columns = self.columns(at, false);
        self.findings.keep_blockers_since(mark);
        self.versioning(table);
        let mut planned = Vec::with_capacity(columns.len());
        for column in columns {
            match named(&there.columns, &column.name, |c| &c.name) {
                Some(target) => planned.push(self.column_of_rows(table, column, target)),
                None if column.generated.is_some() => {}
                None => self.mismatch(table, Some(&column.source), "the target has no such column"),
            }
        }
        let filled = |column: &Column| {
            column.nullable
                || column.default.is_some()
                || column.identity.is_some()
                || column.generated.is_some()
                || planned.iter().any(|c| c.name == column.name)
        };
        for column in there.columns.iter().filter(|c| !filled(c)) {
            let text = format!(
                "column {:?} of the target takes no NULL, and the source has no values for it",
                column.name
            );
            self.mismatch(table, None, &text);
        }
        let names = |source: &String| planned.iter().find(|c| c.source == *source).map(|c| c.name.clone());
        let key = table.key_columns().iter().map(names).collect::<Option<Vec<String>>>().unwrap_or_default();
        Some(TablePlan {
            source: table.name.clone(),
            name: there.name.clone(),
            columns: planned,
            primary_key: None,
            indexes: Vec::new(),
            // They are there and nobody makes them. Not every engine holds the rows of a load to them.
            foreign_keys: there.foreign_keys.iter().map(as_planned).collect(),
            checks: Vec::new(),
            comment: None,
            origin: None,
            without_rowid: false,
            strict: false,
            on_conflict: Vec::new(),
            key,
            estimated_rows: self.profile(table).and_then(|p| p.rows).or(table.estimated_rows),
            replaces: false,
            replaces_rows: false,
            filter: by_hand::filter(self.input.by_hand, &table.name),
        })
    }

    fn column_of_rows(&mut self, table: &Table, planned: ColumnPlan, there: &Column) -> ColumnPlan {
        let same = planned.native_type.eq_ignore_ascii_case(&there.native_type);
        // Any column of SQLite takes what another column of SQLite holds.
        let takes = same
            || holds(&there.data_type, &planned.carries)
            || (planned.carries == DataType::Any && self.input.rules.dialect() == Dialect::Sqlite)
            || are_times(&there.data_type, &planned.carries);
        let as_utc = takes_as_utc(&there.data_type, &planned.carries);
        if as_utc {
            self.taken_as_utc(&table.name, &planned.source, &there.native_type);
        }
        let takes = takes || as_utc;
        let generated = there.generated.as_ref();
        if !takes && generated.is_none() {
            let text = format!(
                "{} of the target cannot hold every value of {}",
                there.native_type, planned.source_type
            );
            self.mismatch(table, Some(&planned.source), &text);
        }
        ColumnPlan {
            name: there.name.clone(),
            native_type: there.native_type.clone(),
            nullable: there.nullable,
            default: None,
            on_update_now: false,
            generated: generated
                .map(|g| GeneratedPlan { expression: g.expression.clone(), stored: g.stored }),
            identity: planned.identity.filter(|_| there.identity.is_some()),
            collation: None,
            comment: None,
            ..planned
        }
    }

    /// Says that times without a zone become instants.
    pub(super) fn taken_as_utc(&mut self, table: &str, column: &str, native: &str) {
        let text = format!("its times have no zone and are taken as UTC, because the target has {native}");
        let note = Note::new(codes::TAKEN_AS_UTC, "column", FindingAction::Converted, text);
        self.findings.push(note.table(table).column(column));
    }

    fn mismatch(&mut self, table: &Table, column: Option<&str>, text: &str) {
        let kind = if column.is_some() { "column" } else { "table" };
        let note = Note::new(codes::TARGET_MISMATCH, kind, FindingAction::Refused, text).table(&table.name);
        self.findings.push(match column {
            Some(column) => note.column(column),
            None => note,
        });
    }
}

/// Whether two types tell the same kind of time: whether one has the digits for the values of the other is for these to say
/// (`pipeline::unheld`).
fn are_times(there: &DataType, coming: &DataType) -> bool {
    matches!(
        (there, coming),
        (DataType::DateTime { .. }, DataType::DateTime { .. })
            | (DataType::Timestamp { .. }, DataType::Timestamp { .. })
            | (DataType::Time { .. }, DataType::Time { .. })
            | (DataType::TimeSpan { .. }, DataType::Time { .. } | DataType::TimeSpan { .. })
    )
}

fn as_planned(key: &ForeignKey) -> ForeignKeyPlan {
    ForeignKeyPlan {
        name: key.name.clone(),
        columns: key.columns.clone(),
        references: key.references.clone(),
        referenced_columns: key.referenced_columns.clone(),
        on_delete: key.on_delete,
        on_update: key.on_update,
        deferrable: key.deferrable,
        match_full: key.match_full,
    }
}

/// The one of that name, else the only one whose name differs in case alone.
pub(in crate::pipeline) fn named<'a, T>(
    all: &'a [T],
    name: &str,
    of: impl Fn(&T) -> &String,
) -> Option<&'a T> {
    if let Some(exact) = all.iter().find(|t| of(t) == name) {
        return Some(exact);
    }
    let mut same = all.iter().filter(|t| of(t).eq_ignore_ascii_case(name));
    let first = same.next()?;
    same.next().is_none().then_some(first)
}
