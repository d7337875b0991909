//! The planner: a pure function from what the source is and holds, and what the target can say, to the plan that
//! `--dry-run` prints and `migrate` executes. It asks the target's rules and capabilities, never a connection.
//! This file leads; `types` decides what travels, `columns`, `indexes`, `constraints` and `objects` plan the
//! parts, `names` hands out names, `decide` applies the user's policies to the findings.

pub mod by_hand;
mod columns;
mod comparison;
pub mod constants;
mod constraints;
mod data_only;
mod decide;
pub mod demands;
pub mod doubts;
mod emulated;
pub mod findings;
pub mod former_names;
mod indexes;
mod keys;
mod names;
mod objects;
mod own_types;
mod replaced;
mod table_origin;
mod types;
pub mod views;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

pub(super) use self::data_only::named;
pub use self::decide::decide;
pub(super) use self::own_types::unguarded;
pub use self::replaced::keep_types;
pub(super) use self::types::{Doubted, doubted, former, wider};

use self::comparison::on_both_sides;
use self::findings::{Findings, Note};
use self::names::Names;
use super::order::dependency_order;
use crate::engine::capability::Rules;
use crate::engine::expression::{self, ColumnFacts, Want};
use crate::model::codes;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{
    ColumnPlan, ColumnProfile, FindingAction, ObjectPlan, Plan, Scope, TablePlan, TableProfile, TypePlan,
};
use crate::model::policy::Policies;
use crate::model::rule::{self, TableRule};
use crate::model::schema::{Action, Column, DataType, Schema, Table};
use crate::model::view::ViewPlan;

/// What a plan is made of.
#[derive(Clone, Copy)]
pub struct PlanInput<'a> {
    /// What to migrate: the source's schema, narrowed by [`super::selection::select`].
    pub source: &'a Schema,
    /// Product of the source.
    pub source_flavour: Flavour,
    /// Tables that the selection left out ([`super::selection::Selection::left_out`]).
    pub left_out: &'a [String],
    /// What was found in the data, by table; tables that were not looked at are absent.
    pub profiles: &'a BTreeMap<String, TableProfile>,
    /// The target.
    pub rules: &'a dyn Rules,
    /// TechCare's own tables: types that are known to hold what the application writes.
    pub known: Option<&'a Schema>,
    /// What is there in the target: with [`Scope::DataOnly`] the tables that are filled, else those that are
    /// replaced. `None` if none of the source's tables is there.
    pub existing: Option<&'a Schema>,
    /// Which half of the work.
    pub scope: Scope,
    /// What the user decided about names and types ([`by_hand`]).
    pub by_hand: &'a [TableRule],
}

impl<'a> PlanInput<'a> {
    /// Everything of a catalogue into a database that has none of it, nobody having looked at a row or decided anything.
    pub fn of_catalogue(source: &'a Schema, source_flavour: Flavour, rules: &'a dyn Rules) -> Self {
        static NOT_LOOKED_AT: BTreeMap<String, TableProfile> = BTreeMap::new();
        Self {
            source,
            source_flavour,
            left_out: &[],
            profiles: &NOT_LOOKED_AT,
            rules,
            known: None,
            existing: None,
            scope: Scope::All,
            by_hand: &[],
        }
    }
}

impl PlanInput<'_> {
    /// Whether source and target speak the same dialect, so that its words are carried as they stand.
    pub(super) fn verbatim(&self) -> bool {
        self.source.dialect == self.rules.dialect()
    }

    /// Whether both are of one dialect and not of one product: MySQL and MariaDB.
    pub fn between_products(&self) -> bool {
        self.verbatim() && self.source_flavour != self.rules.flavour()
    }

    /// Type that a column is known to need: that of the table that is to be filled, else TechCare's own, else the one
    /// that the application gave the empty table that is replaced.
    fn model(&self, table: &str, column: &str) -> Option<&DataType> {
        let known = self.known.filter(|_| self.scope != Scope::DataOnly);
        let known = known.and_then(|s| s.table(table)?.column(column));
        let existing = || {
            let name = rule::column_name(self.by_hand, table, column);
            self.existing?.table(rule::table_name(self.by_hand, table))?.column(name)
        };
        known.or_else(existing).map(|c| &c.data_type)
    }
}

/// Makes the plan. It always succeeds: what cannot be done is a finding that blocks.
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let mut planner = Planner {
        input,
        findings: Findings::default(),
        names: Names::new(input.rules),
        types: Vec::new(),
        objects: Vec::new(),
        views: Vec::new(),
        invisible: Vec::new(),
        effective: types::effective(input),
        odd_uuids: types::odd_uuids(input),
        disputed: own_types::disputed(input),
        made: Vec::new(),
        referenced: keys::referenced(&input.source.tables),
    };
    planner.name_tables();
    let order = dependency_order(&input.source.tables);
    let tables = if input.scope == Scope::DataOnly {
        order.iter().filter_map(|at| planner.table_of_rows(*at)).collect()
    } else {
        planner.tables(&order)
    };
    planner.left_out();
    Plan {
        source: input.source.dialect,
        target: input.rules.dialect(),
        target_flavour: input.rules.flavour(),
        late_instants: input.rules.capabilities().late_instants,
        scope: input.scope,
        types: planner.types,
        tables,
        objects: planner.objects,
        views: planner.views,
        findings: planner.findings.into_vec(),
        policies: Policies::default(),
        restores: false,
    }
}

/// The work in progress.
struct Planner<'a> {
    input: &'a PlanInput<'a>,
    findings: Findings,
    names: Names<'a>,
    types: Vec<TypePlan>,
    objects: Vec<ObjectPlan>,
    views: Vec<ViewPlan>,
    /// Columns that the indexes of the table at hand need.
    invisible: Vec<ColumnPlan>,
    /// Columns of each table of the source with the types that have to travel, see [`types::effective`].
    effective: Vec<Vec<Column>>,
    /// See [`types::odd_uuids`].
    odd_uuids: BTreeSet<types::Place>,
    /// Types that cannot be made again, see [`own_types::disputed`].
    disputed: BTreeMap<String, &'static str>,
    /// Types that columns on their way back need, in the order in which they are made.
    made: Vec<ObjectPlan>,
    /// Table and column of what foreign keys of the source refer to.
    referenced: HashSet<(&'a str, &'a str)>,
}

impl Planner<'_> {
    /// Plans everything, in order.
    fn tables(&mut self, order: &[usize]) -> Vec<TablePlan> {
        let mut tables: Vec<TablePlan> = order.iter().map(|at| self.table(*at)).collect();
        for (at, planned) in order.iter().enumerate() {
            let keys = self.foreign_keys(&self.input.source.tables[*planned], &tables, at);
            tables[at].foreign_keys = keys;
        }
        // What comes from the same engine fits as it is.
        if !self.input.verbatim() {
            for table in &mut tables {
                self.fit_row(table);
            }
        }
        self.replace(&mut tables);
        self.views = self.views(&tables);
        self.objects();
        tables
    }

    /// Plans a table without its foreign keys, which need the plans of all tables.
    fn table(&mut self, at: usize) -> TablePlan {
        let table = &self.input.source.tables[at];
        let strict = self.is_strict(at);
        let mut columns = self.columns(at, strict);
        let primary_key = self.primary_key(table, &columns);
        let mut indexes = self.indexes(table, &columns);
        indexes.extend(self.loose_primary_key(table, &columns));
        let checks = self.checks(table, &mut columns);
        columns.append(&mut self.invisible);
        let key = table.key_columns().iter().map(|c| self.names.column(&table.name, c)).collect();
        let mut planned = TablePlan {
            source: table.name.clone(),
            name: self.names.table(&table.name),
            columns,
            primary_key,
            indexes,
            foreign_keys: Vec::new(),
            checks,
            comment: self.table_comment(table),
            origin: self.table_origin(table),
            without_rowid: false,
            strict,
            on_conflict: self.on_conflict(table),
            key,
            estimated_rows: self.profile(table).and_then(|p| p.rows).or(table.estimated_rows),
            replaces: false,
            replaces_rows: false,
            filter: by_hand::filter(self.input.by_hand, &table.name),
        };
        self.identities(table, &mut planned);
        planned.without_rowid = self.is_without_rowid(table, &planned);
        self.limits(table, &planned);
        self.partitioning(table);
        self.versioning(table);
        self.storage_engine(table);
        planned
    }

    fn profile(&self, table: &Table) -> Option<&TableProfile> {
        self.input.profiles.get(&table.name)
    }

    fn column_profile(&self, table: &Table, at: usize) -> Option<&ColumnProfile> {
        self.profile(table).and_then(|p| p.columns.get(at))
    }

    fn table_comment(&mut self, table: &Table) -> Option<String> {
        let comment = table.comment.clone()?;
        let text = match self.comment_obstacle(self.input.rules.comment_limit().table, &comment) {
            None => return Some(comment),
            Some(why) => format!("{why}; it reads: {comment}"),
        };
        self.findings.push(
            Note::new(codes::COMMENT_NOT_CARRIED, "comment", FindingAction::NotCarried, text)
                .table(&table.name),
        );
        None
    }

    fn limits(&mut self, table: &Table, planned: &TablePlan) {
        let can = self.input.rules.capabilities();
        let columns = planned.columns.len();
        if columns == 0 || columns > can.max_columns {
            let text = format!("has {columns} columns; the target takes 1 to {}", can.max_columns);
            let note = Note::new(codes::COLUMN_COUNT, "table", FindingAction::Refused, text);
            self.findings.push(note.table(&table.name));
        }
        let indexes = planned.indexes.len() + usize::from(planned.primary_key.is_some());
        if indexes > can.max_indexes {
            let text = format!("has {indexes} indexes; the target takes {}", can.max_indexes);
            let note = Note::new(codes::INDEX_COUNT, "table", FindingAction::Refused, text);
            self.findings.push(note.table(&table.name));
        }
    }

    /// An expression of the source over the columns of a table in the target's words. The same dialect keeps the
    /// words as they are, unless a column had to be renamed. Where the target does not watch columns that it changes
    /// itself (see `Rules::watches_changed_columns`), `changed` says which an expression may not name.
    fn expression(
        &self,
        text: &str,
        want: Want<'_>,
        table: &Table,
        columns: &[ColumnPlan],
        changed: Changed,
    ) -> Option<String> {
        let renamed = || columns.iter().any(|c| c.source != c.name);
        if self.input.verbatim() && !renamed() {
            return Some(text.to_owned());
        }
        let facts = |name: &str| self.watched_facts(name, table, columns, changed);
        expression::translate(self.input.source.dialect, text, self.input.rules.dialect(), want, &facts)
    }

    /// The same as [`Self::facts`] for the columns that `changed` admits.
    fn watched_facts(
        &self,
        name: &str,
        table: &Table,
        columns: &[ColumnPlan],
        changed: Changed,
    ) -> Option<ColumnFacts> {
        let bars = !self.input.rules.watches_changed_columns();
        let facts = self.facts(name, table, columns)?;
        let column = columns.iter().find(|c| c.name == facts.name)?;
        (!bars || changed.admits(table, column)).then_some(facts)
    }

    /// What an expression of the source needs to know about a column of its table.
    fn facts(&self, name: &str, table: &Table, columns: &[ColumnPlan]) -> Option<ColumnFacts> {
        let source = self.input.source.dialect;
        let planned = columns.iter().find(|c| c.source == name).or_else(|| {
            // SQLite and MySQL find a column whatever the case of its name.
            let same = |c: &&ColumnPlan| c.source.eq_ignore_ascii_case(name);
            columns.iter().find(same).filter(|_| source != Dialect::Postgres)
        })?;
        let collation = table.column(&planned.source).and_then(|c| c.collation.as_ref());
        Some(ColumnFacts {
            name: planned.name.clone(),
            data_type: planned.carries.clone(),
            comparison: on_both_sides(source, collation, planned),
        })
    }
}

/// Which columns that an engine changes by itself an expression may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    /// All.
    All,
    /// Those that foreign keys rewrite.
    ByForeignKeys,
    /// None.
    None,
}

impl Changed {
    fn admits(self, table: &Table, column: &ColumnPlan) -> bool {
        let rewritten = || {
            table.foreign_keys.iter().filter(|k| k.columns.contains(&column.source)).any(|k| {
                matches!(k.on_update, Action::Cascade | Action::SetNull | Action::SetDefault)
                    || matches!(k.on_delete, Action::SetNull | Action::SetDefault)
            })
        };
        match self {
            Self::All => true,
            Self::ByForeignKeys => column.identity.is_none(),
            Self::None => column.identity.is_none() && !rewritten(),
        }
    }
}
