//! Names in the target: the same as in the source wherever it takes them, else one deterministic other name.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::Planner;
use super::findings::Note;
use crate::engine::capability::{NameLimit, Rules};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::FindingAction;
use crate::model::rule;

/// Spaces in which names of constraints must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Constraint {
    ForeignKey,
    Check,
}

/// The names that have been given.
pub(super) struct Names<'a> {
    rules: &'a dyn Rules,
    tables: BTreeMap<String, String>,
    columns: BTreeMap<(String, String), String>,
    /// Names of indexes and of what shares a space with them, by table where they need not differ elsewhere.
    indexes: BTreeSet<(String, String)>,
    /// Names of constraints, by kind and table, with the same rule.
    constraints: BTreeSet<(Option<Constraint>, String, String)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(rules: &'a dyn Rules) -> Self {
        Self {
            rules,
            tables: BTreeMap::new(),
            columns: BTreeMap::new(),
            indexes: BTreeSet::new(),
            constraints: BTreeSet::new(),
        }
    }

    /// Name in the target of a table of the source.
    pub(super) fn table(&self, source: &str) -> String {
        self.tables.get(source).map_or_else(|| source.to_owned(), Clone::clone)
    }

    /// Name in the target of a column of the source.
    pub(super) fn column(&self, table: &str, column: &str) -> String {
        let key = (table.to_owned(), column.to_owned());
        self.columns.get(&key).map_or_else(|| column.to_owned(), Clone::clone)
    }

    /// A name for an index of a table of the target: the one wanted if it is free.
    pub(super) fn index(&mut self, table: &str, wanted: &str) -> String {
        let global = self.rules.capabilities().index_names_are_global;
        let space = if global { String::new() } else { table.to_owned() };
        let free = |name: &str, this: &Self| !this.indexes.contains(&(space.clone(), this.fold(name)));
        let name = self.first_free(table, &unreserved(self.rules, wanted), free);
        self.indexes.insert((space, self.fold(&name)));
        name
    }

    /// Takes a name that the target gives by itself, so that no index gets it.
    pub(super) fn reserve_index(&mut self, table: &str, name: &str) {
        let global = self.rules.capabilities().index_names_are_global;
        let space = if global { String::new() } else { table.to_owned() };
        self.indexes.insert((space, self.fold(name)));
    }

    /// A name for a constraint of a table of the target: the one wanted if it is free.
    pub(super) fn constraint(&mut self, kind: Constraint, table: &str, wanted: &str) -> String {
        let (kind, space) = if self.rules.capabilities().constraint_names_are_global {
            (Some(kind), String::new())
        } else {
            (None, table.to_owned())
        };
        let free =
            |name: &str, this: &Self| !this.constraints.contains(&(kind, space.clone(), this.fold(name)));
        let name = self.first_free(table, wanted, free);
        self.constraints.insert((kind, space, self.fold(&name)));
        name
    }

    /// Takes a name in the space of a table's constraints, where kinds share it.
    pub(super) fn reserve_constraint(&mut self, table: &str, name: &str) {
        if !self.rules.capabilities().constraint_names_are_global {
            self.constraints.insert((None, table.to_owned(), self.fold(name)));
        }
    }

    /// The name wanted, else with its table in front, else with a number.
    fn first_free(&self, table: &str, wanted: &str, free: impl Fn(&str, &Self) -> bool) -> String {
        let kept = fit(self.rules, wanted);
        if free(&kept, self) {
            return kept;
        }
        let qualified = fit(self.rules, &format!("{table}_{wanted}"));
        if free(&qualified, self) {
            return qualified;
        }
        (2..u32::MAX)
            .map(|n| fit(self.rules, &format!("{table}_{wanted}_{n}")))
            .find(|name| free(name, self))
            .unwrap_or(qualified)
    }

    /// What the target compares names by.
    fn fold(&self, name: &str) -> String {
        if self.rules.capabilities().case_sensitive_tables { name.to_owned() } else { fold(self.rules, name) }
    }
}

/// SQLite folds ASCII only; MySQL folds whatever has a case.
pub(super) fn fold(rules: &dyn Rules, name: &str) -> String {
    if rules.dialect() == Dialect::Sqlite { name.to_ascii_lowercase() } else { name.to_lowercase() }
}

/// The same of names of checks and indexes, which only PostgreSQL tells apart by case, wherever tables' names are kept.
pub(super) fn fold_object(rules: &dyn Rules, name: &str) -> String {
    if rules.dialect() == Dialect::Postgres { name.to_owned() } else { fold(rules, name) }
}

/// A name that the target does not keep for its own.
fn unreserved(rules: &dyn Rules, name: &str) -> String {
    if rules.reserves(name) { format!("_{name}") } else { name.to_owned() }
}

/// A name that the target takes: this one, or its beginning and a hash of all of it.
pub(super) fn fit(rules: &dyn Rules, name: &str) -> String {
    if rules.accepts_name(name) {
        return name.to_owned();
    }
    let suffix = format!("_{:08x}", xxh3_64(name.as_bytes()) & 0xffff_ffff);
    let limit = rules.capabilities().max_name;
    let mut kept = String::new();
    for c in name.chars() {
        // Beyond the basic plane and control characters: what MySQL refuses in a name.
        let c = if u32::from(c) > 0xffff || c == '\0' { '_' } else { c };
        let fits = match limit {
            NameLimit::Bytes(most) => kept.len() + c.len_utf8() + suffix.len() <= most,
            NameLimit::Chars(most) => kept.chars().count() + 1 + suffix.len() <= most,
            NameLimit::Unlimited => true,
        };
        if !fits {
            break;
        }
        kept.push(c);
    }
    kept + &suffix
}

impl Planner<'_> {
    /// Gives names to all tables and columns before anything refers to them.
    pub(super) fn name_tables(&mut self) {
        let rules = self.input.rules;
        let can = rules.capabilities();
        let mut tables: BTreeMap<String, &str> = BTreeMap::new();
        for table in &self.input.source.tables {
            let wanted = rule::table_name(self.input.by_hand, &table.name);
            let name = fit(rules, &unreserved(rules, wanted));
            if name != wanted {
                self.findings.push(renamed("table", &table.name, &name).table(&table.name));
            }
            let folded = if can.case_sensitive_tables { name.clone() } else { fold(rules, &name) };
            if let Some(twin) = tables.insert(folded, &table.name) {
                let by_rule = [table.name.as_str(), twin].iter().any(|t| self.is_renamed(t, None));
                self.findings.push(twins("table", twin, &name, by_rule).table(&table.name));
            }
            if can.indexes_share_names_with_tables {
                let space = (String::new(), self.names.fold(&name));
                self.names.indexes.insert(space);
            }
            self.names.tables.insert(table.name.clone(), name);

            let mut columns: BTreeMap<String, &str> = BTreeMap::new();
            for column in &table.columns {
                let wanted = rule::column_name(self.input.by_hand, &table.name, &column.name);
                let name = fit(rules, wanted);
                if name != wanted {
                    let note = renamed("column", &column.name, &name);
                    self.findings.push(note.table(&table.name).column(&column.name));
                }
                let folded = if can.case_sensitive_columns { name.clone() } else { fold(rules, &name) };
                if let Some(twin) = columns.insert(folded, &column.name) {
                    let by_rule =
                        [column.name.as_str(), twin].iter().any(|c| self.is_renamed(&table.name, Some(c)));
                    let note = twins("column", twin, &name, by_rule).table(&table.name);
                    self.findings.push(note.column(&column.name));
                }
                self.names.columns.insert((table.name.clone(), column.name.clone()), name);
            }
        }
    }
}

impl Planner<'_> {
    /// Whether a rule gives a table or column another name.
    fn is_renamed(&self, table: &str, column: Option<&str>) -> bool {
        match column {
            None => rule::table_name(self.input.by_hand, table) != table,
            Some(column) => rule::column_name(self.input.by_hand, table, column) != column,
        }
    }
}

/// Two of a kind that would have one name.
fn twins(kind: &str, twin: &str, name: &str, by_rule: bool) -> Note {
    let (code, text) = if by_rule {
        let text = format!("is to be named {name:?}, which is the name of {kind} {twin:?} in the target");
        (codes::NAME_TAKEN, text)
    } else {
        let text = format!("differs from {kind} {twin:?} only in case, which the target does not tell apart");
        (codes::CASE_TWINS, text)
    };
    Note::new(code, kind, FindingAction::Refused, text)
}

/// A name that had to change.
pub(super) fn renamed(kind: &str, from: &str, to: &str) -> Note {
    Note::new(
        codes::RENAMED,
        kind,
        FindingAction::Translated,
        format!("{kind} {from:?} is named {to:?} in the target"),
    )
}
