//! Tables of the target that the application made before the migration: the plan's table takes the place of each. It keeps what the application made there (names of keys, constraints and indexes, what the source lacks)
//! and has types that hold the data. What cannot be kept blocks the plan.

use std::collections::BTreeSet;

use super::findings::{EMPTY, Note};
use super::types::{holds, takes_as_utc};
use super::{PlanInput, Planner, names, plan};
use crate::engine::expression::{self, ColumnFacts, Comparison, Want};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::{
    ColumnPlan, FindingAction, ForeignKeyPlan, IndexPlan, KeyPlan, Plan, Scope, Severity, TablePlan, TypePlan,
};
use crate::model::schema::{DataType, Schema};

impl Planner<'_> {
    /// Fits the planned tables to those that they replace.
    pub(super) fn replace(&mut self, tables: &mut [TablePlan]) {
        let Some(existing) = self.input.existing else { return };
        let own = self.own_plan(existing);
        for planned in tables.iter_mut() {
            if let Some(there) = own.tables.iter().find(|t| self.same_table(&t.name, &planned.name)) {
                self.replace_table(planned, there, &own);
            }
        }
        keep_types(&mut self.types, existing);
        self.outside_keys(tables, &own);
    }

    /// What is there as a plan in the target's own words.
    fn own_plan(&self, existing: &Schema) -> Plan {
        plan(&PlanInput {
            scope: Scope::SchemaOnly,
            ..PlanInput::of_catalogue(existing, self.input.rules.flavour(), self.input.rules)
        })
    }

    pub(super) fn same_table(&self, a: &str, b: &str) -> bool {
        a == b || (!self.input.rules.capabilities().case_sensitive_tables && a.eq_ignore_ascii_case(b))
    }

    fn same_column(&self, a: &str, b: &str) -> bool {
        a == b || (!self.input.rules.capabilities().case_sensitive_columns && a.eq_ignore_ascii_case(b))
    }

    fn same_columns(&self, a: &[String], b: &[String]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same_column(a, b))
    }

    fn replace_table(&mut self, planned: &mut TablePlan, there: &TablePlan, own: &Plan) {
        planned.replaces = true;
        let mut changes = self.columns_of(planned, there);
        self.primary_key_of(planned, there);
        self.indexes_of(planned, there);
        self.foreign_keys_of(planned, there);
        self.checks_of(planned, there, &mut changes);
        planned.without_rowid |= there.without_rowid && !planned.columns.iter().any(|c| c.identity.is_some());
        planned.strict |= there.strict;
        if planned.comment.is_none() {
            planned.comment.clone_from(&there.comment);
        }
        let lost = |f: &&crate::model::plan::Finding| {
            // Triggers and the like are the engine's to carry over or to name.
            f.table.as_ref() == Some(&there.source)
                && f.severity != Severity::Info
                && !matches!(f.code.as_str(), codes::OBJECT_NOT_CARRIED)
        };
        for finding in own.findings.iter().filter(lost) {
            self.cannot_keep(planned, &finding.kind, finding.object.as_deref(), &finding.text);
        }
        let mut text = format!("the target's own table {EMPTY} gives way to this one");
        if !changes.is_empty() {
            changes.sort();
            text = format!("{text}: {}", changes.join(", "));
        }
        let note = Note::new(codes::TABLE_REPLACED, "table", FindingAction::Translated, text);
        self.findings.push(note.table(&planned.source));
    }

    /// Columns by name. Returns what is not as it was there.
    fn columns_of(&mut self, planned: &mut TablePlan, there: &TablePlan) -> Vec<String> {
        let mut changes = Vec::new();
        for column in &mut planned.columns {
            let Some(own) = there.columns.iter().find(|c| self.same_column(&c.name, &column.name)) else {
                changes.push(format!("{} is new", column.name));
                continue;
            };
            if column.generated.is_none() {
                column.generated.clone_from(&own.generated);
            }
            let as_utc = takes_as_utc(&own.carries, &column.carries);
            if as_utc {
                self.taken_as_utc(&planned.source, &column.source, &own.native_type);
            }
            if as_utc || self.keeps_type(column, own) {
                column.native_type.clone_from(&own.native_type);
                column.domain.clone_from(&own.domain);
            } else if !column.native_type.eq_ignore_ascii_case(&own.native_type) {
                changes.push(format!("{} {} → {}", column.name, own.native_type, column.native_type));
            }
            if column.identity.is_none() && column.generated.is_none() {
                column.identity.clone_from(&own.identity);
                if column.identity.is_some() {
                    column.default = None;
                }
            } else if let (Some(identity), Some(own)) = (&mut column.identity, &own.identity) {
                identity.generation = own.generation;
            }
            if column.default.is_none() && column.identity.is_none() && column.generated.is_none() {
                column.default.clone_from(&own.default);
                column.on_update_now |= own.on_update_now;
            }
            column.nullable &= own.nullable;
            if column.comment.is_none() {
                column.comment.clone_from(&own.comment);
            }
        }
        for own in &there.columns {
            if planned.columns.iter().any(|c| self.same_column(&c.name, &own.name)) {
                continue;
            }
            let gets_something =
                own.nullable || own.default.is_some() || own.identity.is_some() || own.generated.is_some();
            if !gets_something {
                let text = "takes no NULL and has no default, and the source has no such column";
                self.cannot_keep(planned, "column", Some(&own.name), text);
                continue;
            }
            changes.push(format!("{} stays, with no values of the source", own.name));
            let kept = ColumnPlan { filled: false, source_type: String::new(), ..own.clone() };
            planned.columns.push(kept);
        }
        changes
    }

    /// Whether the column can have the type that the application gave it. Text has the length and the comparison
    /// that the plan found out, which the target's type tells only in its own dialect.
    fn keeps_type(&self, column: &ColumnPlan, own: &ColumnPlan) -> bool {
        let text = matches!(column.carries, DataType::Text { .. } | DataType::Bytes { .. } | DataType::Any);
        holds(&own.carries, &column.carries) && (!text || self.input.verbatim())
    }

    fn primary_key_of(&mut self, planned: &mut TablePlan, there: &TablePlan) {
        let Some(own) = &there.primary_key else { return };
        match &mut planned.primary_key {
            Some(key) if self.same_columns(&key.columns, &own.columns) => key.name.clone_from(&own.name),
            Some(_) => {
                let text = format!("({}) is not the one of the source", own.columns.join(", "));
                self.cannot_keep(planned, "primary key", own.name.as_deref(), &text);
            }
            None => {
                planned.primary_key = Some(KeyPlan { prefixes: own.prefixes.clone(), ..own.clone() });
                for column in &mut planned.columns {
                    column.nullable &= !own.columns.contains(&column.name);
                }
            }
        }
    }

    fn indexes_of(&mut self, planned: &mut TablePlan, there: &TablePlan) {
        let mut named = vec![false; planned.indexes.len()];
        let mut kept = Vec::new();
        for own in &there.indexes {
            let same = |(at, index): (usize, &IndexPlan)| !named[at] && self.same_index(there, index, own);
            match planned.indexes.iter().enumerate().position(same) {
                Some(at) => {
                    named[at] = true;
                    planned.indexes[at].name.clone_from(&own.name);
                    planned.indexes[at].constraint = own.constraint;
                }
                None => kept.push(own.clone()),
            }
        }
        let fold =
            |name: &Option<String>| name.as_ref().map(|name| names::fold_object(self.input.rules, name));
        for name in kept.iter().filter_map(|own| own.name.as_ref()) {
            self.names.reserve_index(&planned.name, name);
        }
        let taken: Vec<_> = kept.iter().filter_map(|own| fold(&own.name)).collect();
        for index in &mut planned.indexes {
            let Some(name) =
                index.name.clone().filter(|_| fold(&index.name).is_some_and(|n| taken.contains(&n)))
            else {
                continue;
            };
            let free = self.names.index(&planned.name, &name);
            let note = names::renamed("index", &name, &free).table(&planned.source);
            self.findings.push(note.object(Some(&name)));
            index.name = Some(free);
        }
        planned.indexes.extend(kept);
    }

    /// Whether two indexes guard or find the same.
    fn same_index(&self, table: &TablePlan, a: &IndexPlan, b: &IndexPlan) -> bool {
        let columns = |i: &IndexPlan| i.parts.iter().map(|p| p.column.clone()).collect::<Option<Vec<_>>>();
        let same_parts = match (columns(a), columns(b)) {
            (Some(x), Some(y)) => self.same_columns(&x, &y),
            (None, None) => a.parts == b.parts,
            _ => false,
        };
        let text = |i: &IndexPlan| i.predicate.as_deref().map(|condition| self.says(table, condition));
        same_parts && a.unique == b.unique && a.method == b.method && text(a) == text(b)
    }

    /// Checks by what they say, else by their name: of one name that says something else here and there it is the
    /// application's that stays. Those come first, so that the names that the target makes up go around theirs.
    fn checks_of(&self, planned: &mut TablePlan, there: &TablePlan, changes: &mut Vec<String>) {
        let fold = |name: &String| names::fold_object(self.input.rules, name);
        let known: Vec<String> = there.checks.iter().map(|own| self.says(there, &own.expression)).collect();
        let named: BTreeSet<String> =
            there.checks.iter().filter_map(|own| own.name.as_ref().map(fold)).collect();
        let mut others: BTreeSet<String> = named.clone();
        let mut checks = there.checks.clone();
        for check in std::mem::take(&mut planned.checks) {
            let name = check.name.as_ref().map(fold).filter(|name| named.contains(name));
            if known.contains(&self.says(planned, &check.expression)) {
                if let Some(name) = name {
                    others.remove(&name);
                }
            } else if name.is_none() {
                checks.push(check);
            }
        }
        planned.checks = checks;
        let source = self.input.source.table(&planned.source);
        let both = source.iter().flat_map(|t| &t.checks).filter_map(|check| check.name.as_ref());
        let both = both.filter(|name| others.contains(&fold(name)));
        changes.extend(both.map(|name| format!("check {name} stays as it is")));
    }

    /// A condition as the translator of expressions puts it, where it can: servers print what they were given in other
    /// words. Both sides are of one dialect here, and compare text alike.
    fn says(&self, table: &TablePlan, condition: &str) -> String {
        let columns = |name: &str| {
            let column = table.columns.iter().find(|c| self.same_column(&c.name, name))?;
            Some(ColumnFacts {
                name: column.name.clone(),
                data_type: column.carries.clone(),
                comparison: Comparison::Exact,
            })
        };
        let dialect = self.input.rules.dialect();
        let put = expression::translate(dialect, condition, dialect, Want::Truth, &columns);
        bare(put.as_deref().unwrap_or(condition))
    }

    fn foreign_keys_of(&mut self, planned: &mut TablePlan, there: &TablePlan) {
        let mut kept = Vec::new();
        for own in &there.foreign_keys {
            let same = |key: &&mut ForeignKeyPlan| {
                self.same_table(&key.references, &own.references)
                    && self.same_columns(&key.columns, &own.columns)
                    && self.same_columns(&key.referenced_columns, &own.referenced_columns)
            };
            match planned.foreign_keys.iter_mut().find(same) {
                Some(key) => key.name.clone_from(&own.name),
                None => kept.push(own.clone()),
            }
        }
        planned.foreign_keys.extend(kept);
        if self.input.rules.dialect() != Dialect::Mysql {
            return;
        }
        // InnoDB gives such names by itself, and gives them anew when a table is renamed.
        let given = format!("{}_ibfk_", planned.name);
        for key in &mut planned.foreign_keys {
            let number = key.name.as_ref().and_then(|n| n.strip_prefix(&given));
            if number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())) {
                key.name = None;
            }
        }
    }

    /// Foreign keys of tables outside of the plan lead to the new table from the switch on. InnoDB compares the
    /// types of both ends.
    fn outside_keys(&mut self, tables: &[TablePlan], own: &Plan) {
        if self.input.rules.dialect() != Dialect::Mysql {
            return;
        }
        for other in &own.tables {
            if tables.iter().any(|t| self.same_table(&t.name, &other.name)) {
                continue;
            }
            for key in &other.foreign_keys {
                let Some(table) = tables.iter().find(|t| self.same_table(&t.name, &key.references)) else {
                    continue;
                };
                for (column, referring) in key.referenced_columns.iter().zip(&key.columns) {
                    let now = table.columns.iter().find(|c| self.same_column(&c.name, column));
                    let referring = other.columns.iter().find(|c| self.same_column(&c.name, referring));
                    let (Some(now), Some(referring)) = (now, referring) else { continue };
                    if now.native_type.eq_ignore_ascii_case(&referring.native_type) {
                        continue;
                    }
                    let text = format!(
                        "of table \"{}\" refers to \"{column}\", which becomes {} and can be referred to by {} no \
                         more",
                        other.name, now.native_type, referring.native_type
                    );
                    self.cannot_keep(table, "foreign key", key.name.as_deref(), &text);
                }
            }
        }
    }

    fn cannot_keep(&mut self, planned: &TablePlan, kind: &str, object: Option<&str>, text: &str) {
        let text = format!("of the target's own table cannot be kept: {text}");
        let note = Note::new(codes::TARGET_MISMATCH, kind, FindingAction::Refused, text);
        self.findings.push(note.table(&planned.source).object(object));
    }
}

/// Types that the application has made for its columns are there already.
pub fn keep_types(types: &mut Vec<TypePlan>, existing: &Schema) {
    let made = |name: &str, labels: &[String]| {
        existing.tables.iter().flat_map(|t| &t.columns).any(|c| match &c.data_type {
            DataType::Enum { name: Some(n), labels: l } => n == name && l == labels,
            _ => false,
        })
    };
    types.retain(|t| !made(&t.name, &t.labels));
}

/// An expression without what different writers put around its words.
fn bare(expression: &str) -> String {
    let plain = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '`' | '(' | ')');
    expression.chars().filter(plain).flat_map(char::to_lowercase).collect()
}
