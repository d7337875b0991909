//! Checks and foreign keys.

use std::fmt::Write as _;

use super::findings::Note;
use super::names::{Constraint, renamed};
use super::{Changed, Planner, names};
use crate::engine::expression::{self, Want};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::{CheckPlan, ColumnPlan, FindingAction, ForeignKeyPlan, TablePlan};
use crate::model::rule;
use crate::model::schema::{Action, Check, DataType, Deferrable, ForeignKey, Table};

impl Planner<'_> {
    /// Plans the checks of a table. A domain that does not go along leaves its checks to the columns that have it, which
    /// keep in mind whose they are.
    pub(super) fn checks(&mut self, table: &Table, columns: &mut [ColumnPlan]) -> Vec<CheckPlan> {
        let said = self.said_by_domains(table, columns);
        let own = table.checks.iter().enumerate().filter(|(at, _)| !said.contains(at));
        let mut planned: Vec<CheckPlan> =
            own.filter_map(|(_, check)| self.check(table, check, columns)).collect();
        for (position, column) in table.columns.iter().enumerate() {
            let left = column.domain.as_ref().filter(|_| self.carried_domain(table, column).is_none());
            for check in left.iter().flat_map(|domain| &domain.checks) {
                let carried = self.check(table, check, columns);
                if let Some(kept) = columns[position].origin.as_mut().and_then(|o| o.domain.as_mut()) {
                    kept.checks.extend(carried.iter().map(|c| c.expression.clone()));
                    kept.unguarded |= carried.is_none();
                }
                planned.extend(carried);
            }
        }
        planned.extend(self.not_null_of_generated(table, columns));
        planned
    }

    /// NOT NULL of generated columns, where the target has it for others only: said by checks.
    fn not_null_of_generated(&mut self, table: &Table, columns: &[ColumnPlan]) -> Vec<CheckPlan> {
        if self.input.rules.capabilities().generated_not_null {
            return Vec::new();
        }
        let mut planned = Vec::new();
        for column in columns.iter().filter(|c| c.generated.is_some() && !c.nullable) {
            let expression = format!("{} IS NOT NULL", self.input.rules.quote(&column.name));
            let (note, kept) = if self.input.rules.capabilities().checks {
                let text = "NOT NULL of a generated column is kept by a check";
                (Note::new(codes::EMULATED, "column", FindingAction::Emulated, text), true)
            } else {
                let text = format!("the target has no NOT NULL for generated columns: CHECK ({expression})");
                (Note::new(codes::CHECK_NOT_CARRIED, "check", FindingAction::NotCarried, text), false)
            };
            self.findings.push(note.table(&table.name).column(&column.source));
            if kept {
                let name = self.constraint_name(table, Constraint::Check, "check", None);
                planned.push(CheckPlan { name, expression, original: None });
            }
        }
        planned
    }

    /// What reaches beyond what is built in may have the name of something that every engine has: between databases of one
    /// dialect it goes along in its own words, elsewhere not at all.
    pub(super) fn only_as_written(
        &self,
        reaches: &[String],
        written: &str,
        said: Option<String>,
    ) -> Option<String> {
        let as_written = |said: &String| self.input.verbatim() && said == written;
        said.filter(|said| reaches.is_empty() || (as_written(said) && self.missing(reaches).is_none()))
    }

    /// What the target does not have of what something reaches.
    pub(super) fn missing<'a>(&self, reaches: &'a [String]) -> Option<&'a str> {
        let here = |what: &&String| !self.input.verbatim() || !self.input.rules.provides(what);
        reaches.iter().find(here).map(String::as_str)
    }

    fn check(&mut self, table: &Table, check: &Check, columns: &[ColumnPlan]) -> Option<CheckPlan> {
        if self.implied(table, check, columns) {
            let text =
                format!("is what the type of its column means in the target: CHECK ({})", check.expression);
            let note = Note::new(codes::CHECK_IMPLIED, "check", FindingAction::Translated, text);
            self.findings.push(note.table(&table.name).object(check.name.as_deref()));
            return None;
        }
        let said = self.expression(&check.expression, Want::Truth, table, columns, Changed::None);
        let said = self.only_as_written(&check.reaches, &check.expression, said);
        let Some(expression) = said.filter(|_| self.input.rules.capabilities().checks) else {
            if self.has_check(&table.name, check.name.as_deref()) {
                return None;
            }
            let why = match self.missing(&check.reaches) {
                Some(what) => format!("uses {what}, which is not carried"),
                None => "has no certain counterpart in the target".to_owned(),
            };
            let text = format!("{why}: CHECK ({})", check.expression);
            let note = Note::new(codes::CHECK_NOT_CARRIED, "check", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name).object(check.name.as_deref()));
            return None;
        };
        let name = self.constraint_name(table, Constraint::Check, "check", check.name.as_deref());
        let translated = !self.input.verbatim() || expression != check.expression;
        let original = translated.then(|| check.expression.clone());
        Some(CheckPlan { name, expression, original })
    }

    /// Whether the table that is replaced has a check of that name: it stays, whatever the source's says.
    fn has_check(&self, table: &str, name: Option<&str>) -> bool {
        let planned = self.names.table(table);
        let existing = self.input.existing.map(|e| e.tables.as_slice()).unwrap_or_default();
        let there = existing.iter().find(|there| self.same_table(&there.name, &planned));
        let fold = |name: &str| names::fold_object(self.input.rules, name);
        there.zip(name).is_some_and(|(there, name)| {
            there.checks.iter().filter_map(|c| c.name.as_deref()).any(|own| fold(own) == fold(name))
        })
    }

    fn implied(&self, table: &Table, check: &Check, columns: &[ColumnPlan]) -> bool {
        let facts = |name: &str| self.facts(name, table, columns);
        let (source, target) = (self.input.source.dialect, self.input.rules.dialect());
        !self.input.verbatim() && expression::implied_by_type(source, &check.expression, target, &facts)
    }

    /// Plans the foreign keys of the table at `at` of the plan.
    pub(super) fn foreign_keys(
        &mut self,
        table: &Table,
        planned: &[TablePlan],
        at: usize,
    ) -> Vec<ForeignKeyPlan> {
        let mut keys = Vec::with_capacity(table.foreign_keys.len());
        for key in &table.foreign_keys {
            match self.foreign_key(table, key, planned, at) {
                Ok(key) => keys.push(key),
                Err(why) => {
                    let text = format!("{why}: {}", spelled(key));
                    let note = Note::new(
                        codes::FOREIGN_KEY_NOT_CARRIED,
                        "foreign key",
                        FindingAction::NotCarried,
                        text,
                    );
                    self.findings.push(note.table(&table.name).object(key.name.as_deref()));
                }
            }
        }
        keys
    }

    fn foreign_key(
        &mut self,
        table: &Table,
        key: &ForeignKey,
        planned: &[TablePlan],
        at: usize,
    ) -> Result<ForeignKeyPlan, String> {
        let verbatim = self.input.verbatim();
        let Some(parent) = planned.iter().find(|t| t.source == key.references) else {
            return Err(if self.input.left_out.contains(&key.references) {
                "refers to a table that was left out".into()
            } else {
                "refers to a table that does not exist".into()
            });
        };
        let columns = source_columns(&planned[at], &key.columns)?;
        let referenced = source_columns(parent, &key.referenced_columns)?;
        let referenced_names: Vec<&str> = referenced.iter().map(|c| c.name.as_str()).collect();
        let mut order: Vec<usize> = (0..columns.len()).collect();
        let forced = |table: &str, columns: &[&ColumnPlan]| {
            columns.iter().any(|c| rule::forced_type(self.input.by_hand, table, &c.source).is_some())
        };
        let differ = columns.iter().zip(&referenced).any(|(a, b)| a.native_type != b.native_type);
        if differ && (forced(&table.name, &columns) || forced(&parent.source, &referenced)) {
            return Err("a rule forces another type upon one of its ends than the other has".into());
        }
        let unique = unique_key(parent, &referenced_names);
        if unique.is_none() && (!verbatim || self.input.rules.capabilities().unique_parents) {
            return Err("the columns that it refers to are no unique key in the target".into());
        }
        if let Some(unique) = unique.filter(|_| !verbatim) {
            // InnoDB wants the pairs in the order of the key that they lead to; to the others it is all one.
            if self.input.rules.dialect() == Dialect::Mysql {
                order.sort_by_key(|at| unique.iter().position(|c| *c == referenced_names[*at]));
            }
            if columns.iter().zip(&referenced).any(|(a, b)| !comparable(&a.carries, &b.carries)) {
                return Err(
                    "its columns and those that it refers to have types that the target does not compare"
                        .into(),
                );
            }
        }
        self.self_reference(table, key);
        let on_delete = self.action(table, key, key.on_delete, &columns, "ON DELETE");
        let on_update = self.action(table, key, key.on_update, &columns, "ON UPDATE");
        let plan = ForeignKeyPlan {
            name: None,
            columns: order.iter().map(|at| columns[*at].name.clone()).collect(),
            references: parent.name.clone(),
            referenced_columns: order.iter().map(|at| referenced_names[*at].to_owned()).collect(),
            on_delete,
            on_update,
            deferrable: self.deferrable(table, key),
            match_full: self.match_full(table, key, &columns),
        };
        let name = self.constraint_name(table, Constraint::ForeignKey, "foreign key", key.name.as_deref());
        Ok(ForeignKeyPlan { name, ..plan })
    }

    fn action(
        &mut self,
        table: &Table,
        key: &ForeignKey,
        action: Action,
        columns: &[&ColumnPlan],
        event: &str,
    ) -> Action {
        let unknown = action == Action::SetDefault && !self.input.rules.capabilities().set_default;
        // SET NULL on a column that takes no NULL can only fail, which is what NO ACTION does, and some engines
        // refuse to declare it.
        let futile =
            action == Action::SetNull && !self.input.verbatim() && columns.iter().any(|c| !c.nullable);
        if !unknown && !futile {
            return action;
        }
        let text = format!("{event} {} becomes NO ACTION: {}", action.sql(), spelled(key));
        let note = Note::new(codes::FOREIGN_KEY_CHANGED, "foreign key", FindingAction::Converted, text);
        self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        Action::NoAction
    }

    /// InnoDB takes ON UPDATE CASCADE and SET NULL of a table that refers to itself for RESTRICT
    /// (<https://dev.mysql.com/doc/refman/9.4/en/create-table-foreign-keys.html>, Referential Actions).
    fn self_reference(&mut self, table: &Table, key: &ForeignKey) {
        let innodb = self.input.rules.dialect() == Dialect::Mysql && !self.input.verbatim();
        let acts = matches!(key.on_update, Action::Cascade | Action::SetNull);
        if innodb && acts && key.references.eq_ignore_ascii_case(&table.name) {
            let text = format!(
                "ON UPDATE {} acts as RESTRICT where a table refers to itself: {}",
                key.on_update.sql(),
                spelled(key)
            );
            let note = Note::new(codes::FOREIGN_KEY_CHANGED, "foreign key", FindingAction::Converted, text);
            self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        }
    }

    fn deferrable(&mut self, table: &Table, key: &ForeignKey) -> Deferrable {
        if key.deferrable == Deferrable::No || self.input.rules.capabilities().deferrable {
            return key.deferrable;
        }
        let text = "is checked by each statement in the target, never at the end of the transaction";
        let note = Note::new(codes::DEFERRABLE_DROPPED, "foreign key", FindingAction::Converted, text);
        self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        Deferrable::No
    }

    /// MATCH FULL differs from MATCH SIMPLE only where one column of several may be NULL. SQLite reads it and does not
    /// heed it (<https://sqlite.org/foreignkeys.html>, 6), so there are such rows there, and nothing is lost without it.
    fn match_full(&mut self, table: &Table, key: &ForeignKey, columns: &[&ColumnPlan]) -> bool {
        if self.input.source.dialect == Dialect::Sqlite {
            return key.match_full && self.input.verbatim();
        }
        if !key.match_full || self.input.rules.capabilities().match_full {
            return key.match_full;
        }
        if columns.len() > 1 && columns.iter().any(|c| c.nullable) {
            let text = format!("takes keys of which only a part is NULL: {} MATCH FULL", spelled(key));
            let note =
                Note::new(codes::MATCH_FULL_NOT_CARRIED, "foreign key", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        }
        false
    }

    fn constraint_name(
        &mut self,
        table: &Table,
        space: Constraint,
        kind: &str,
        wanted: Option<&str>,
    ) -> Option<String> {
        let target = self.names.table(&table.name);
        let Some(wanted) = wanted else {
            let kept = !self.input.rules.names_constraints(&target);
            let word = if space == Constraint::Check { "check" } else { "fk" };
            return kept.then(|| self.names.constraint(space, &target, &format!("{target}_{word}")));
        };
        let name = self.names.constraint(space, &target, wanted);
        if name != wanted {
            self.findings.push(renamed(kind, wanted, &name).table(&table.name).object(Some(wanted)));
        }
        Some(name)
    }
}

/// Planned columns by their names in the source.
fn source_columns<'a>(table: &'a TablePlan, names: &[String]) -> Result<Vec<&'a ColumnPlan>, String> {
    names
        .iter()
        .map(|name| {
            // SQLite and MySQL resolve the names in a foreign key regardless of case.
            let exact = table.columns.iter().find(|c| c.source == *name);
            exact
                .or_else(|| table.columns.iter().find(|c| c.source.eq_ignore_ascii_case(name)))
                .ok_or_else(|| format!("names a column {name:?} that {:?} does not have", table.source))
        })
        .collect()
}

/// The primary key or a unique key of the planned table over exactly these columns, in its own order.
fn unique_key<'a>(table: &'a TablePlan, columns: &[&str]) -> Option<Vec<&'a str>> {
    let same = |key: &Vec<&str>| key.len() == columns.len() && key.iter().all(|c| columns.contains(c));
    let primary = table
        .primary_key
        .as_ref()
        .filter(|key| key.prefixes.iter().all(Option::is_none))
        .map(|key| key.columns.iter().map(String::as_str).collect());
    let indexes = table.indexes.iter().filter(|i| i.unique && i.predicate.is_none()).filter_map(|index| {
        index.parts.iter().map(|p| p.column.as_deref().filter(|_| p.prefix.is_none())).collect()
    });
    primary.into_iter().chain(indexes).find(same)
}

/// Whether every engine compares the two ends of a foreign key.
fn comparable(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::Int { .. }, DataType::Int { .. })
        | (DataType::Text { .. }, DataType::Text { .. })
        | (DataType::Bytes { .. }, DataType::Bytes { .. })
        | (DataType::Decimal { .. }, DataType::Decimal { .. })
        | (DataType::DateTime { .. }, DataType::DateTime { .. })
        | (DataType::Timestamp { .. }, DataType::Timestamp { .. })
        | (DataType::Time { .. }, DataType::Time { .. }) => true,
        _ => a == b,
    }
}

/// A foreign key as findings show it.
fn spelled(key: &ForeignKey) -> String {
    let mut text = format!(
        "FOREIGN KEY ({}) REFERENCES {} ({})",
        key.columns.join(", "),
        key.references,
        key.referenced_columns.join(", ")
    );
    for (event, action) in [("ON DELETE", key.on_delete), ("ON UPDATE", key.on_update)] {
        if action != Action::NoAction {
            // Writing to a String cannot fail.
            let _ = write!(text, " {event} {}", action.sql());
        }
    }
    text
}
