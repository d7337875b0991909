//! Primary keys, unique constraints and indexes. What guards data is carried or named with its text; what serves
//! speed only may become plainer.

use std::borrow::Cow;

use super::comparison::{ignored, is_exact_name};
use super::emulated::{EXACT, Looseness, SPELLINGS, has_twin};
use super::findings::Note;
use super::names::renamed;
use super::{Changed, Planner};
use crate::engine::expression::Want;
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::origin::IndexOrigin;
use crate::model::plan::{ColumnPlan, FindingAction, IndexPartPlan, IndexPlan, KeyPlan};
use crate::model::schema::{Deferrable, Index, IndexKey, IndexPart, Table};

/// How the finding about a key without its own collation begins.
const AS_COLUMN: &str = "compares as its column does";

impl Planner<'_> {
    /// Plans the primary key.
    pub(super) fn primary_key(&mut self, table: &Table, columns: &[ColumnPlan]) -> Option<KeyPlan> {
        let key = table.primary_key.as_ref()?;
        let can = self.input.rules.capabilities();
        let target = self.names.table(&table.name);
        let cut = key.prefixes.iter().any(Option::is_some);
        if cut && !can.index_prefixes {
            let text = "covers whole columns in the target instead of their beginnings";
            let note = Note::new(codes::INDEX_SIMPLIFIED, "primary key", FindingAction::Widened, text);
            self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        }
        if !self.primary_key_fits(table, key, columns) {
            let text = "is longer than the target takes";
            let note = Note::new(codes::KEY_TOO_LONG, "primary key", FindingAction::Refused, text);
            self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        }
        let named = key.name.as_ref().filter(|wanted| {
            if can.primary_key_names {
                return true;
            }
            if self.is_chosen(table, wanted) {
                let note = renamed("primary key", wanted, "PRIMARY").table(&table.name);
                self.findings.push(note.object(Some(wanted)));
            }
            false
        });
        let name = named.map(|wanted| {
            let name = if can.indexes_share_names_with_tables {
                self.names.index(&target, wanted)
            } else {
                super::names::fit(self.input.rules, wanted)
            };
            if name != *wanted {
                self.findings
                    .push(renamed("primary key", wanted, &name).table(&table.name).object(Some(wanted)));
            }
            name
        });
        if can.indexes_share_names_with_tables && name.is_none() {
            self.names.reserve_index(&target, &format!("{target}_pkey"));
        }
        if let Some(name) = &name {
            self.names.reserve_constraint(&target, name);
        }
        let prefixes = if cut && can.index_prefixes { key.prefixes.clone() } else { Vec::new() };
        let columns = key.columns.iter().map(|c| self.names.column(&table.name, c)).collect();
        if key.descending.contains(&true) && !self.input.verbatim() {
            let text = "goes upwards in the target in the columns that go downwards (DESC) in the source";
            let note = Note::new(codes::INDEX_SIMPLIFIED, "primary key", FindingAction::Translated, text);
            self.findings.push(note.table(&table.name).object(key.name.as_deref()));
        }
        let own = self.input.verbatim();
        let descending = if own { key.descending.clone() } else { Vec::new() };
        let collations = key.collations.iter().filter(|_| own);
        let collations = collations.map(|c| c.as_ref().map(|c| c.name.clone())).collect();
        Some(KeyPlan { name, columns, prefixes, descending, collations })
    }

    /// Whether somebody gave a primary key its name: PostgreSQL makes one up after the table.
    fn is_chosen(&self, table: &Table, name: &str) -> bool {
        let stem = name.strip_suffix("_pkey").filter(|_| self.input.source.dialect == Dialect::Postgres);
        stem.is_none_or(|stem| !table.name.starts_with(stem))
    }

    /// Plans the unique constraints and indexes of a table.
    pub(super) fn indexes(&mut self, table: &Table, columns: &[ColumnPlan]) -> Vec<IndexPlan> {
        let mut planned = Vec::with_capacity(table.indexes.len());
        for index in &table.indexes {
            let (index, compared) = self.as_compared(table, self.as_partial(index), columns);
            let index = self.as_constraint(index);
            planned.extend(self.index(table, &index, columns, compared));
        }
        planned
    }

    /// A unique index that was a constraint, and that no engine between has told from one, is a constraint again.
    fn as_constraint<'i>(&self, index: Cow<'i, Index>) -> Cow<'i, Index> {
        let whole = |part: &IndexPart| matches!(part.key, IndexKey::Column(_)) && part.prefix.is_none();
        let can = self.input.rules.capabilities().unique_constraints;
        match &index.origin {
            Some(IndexOrigin::Constraint { name })
                if can && index.unique && index.predicate.is_none() && index.parts.iter().all(whole) =>
            {
                Cow::Owned(Index { name: name.clone(), constraint: true, ..index.into_owned() })
            }
            _ => index,
        }
    }

    /// What has to be kept with a unique key that was a constraint, where the target does not tell that it is one as planned,
    /// or has to have it as an index.
    fn index_origin(&self, index: &Index, unique: bool, constraint: bool) -> Option<IndexOrigin> {
        if self.input.verbatim() {
            return index.origin.clone();
        }
        let told = constraint && self.input.rules.capabilities().unique_constraints;
        let forgotten = index.constraint && unique && !told;
        forgotten.then(|| IndexOrigin::Constraint { name: index.name.clone() })
    }

    /// Plans one. `compared` tells that its keys take spellings of a value for one, and nothing else does it for them.
    fn index(
        &mut self,
        table: &Table,
        index: &Index,
        columns: &[ColumnPlan],
        compared: bool,
    ) -> Vec<IndexPlan> {
        let can = self.input.rules.capabilities();
        let mut shape =
            Shape { unique: index.unique, plainer: Vec::new(), looser: Vec::new(), said: Vec::new() };
        let method = match self.method(index, &mut shape) {
            Ok(method) => method,
            Err(why) => return self.index_lost(table, index, &why),
        };
        if self.covered(table, index) {
            return Vec::new();
        }
        // Elsewhere its expressions are translated, and its operator classes given up.
        if self.input.verbatim()
            && let Some(what) = self.missing(&needed(index, columns))
        {
            return self.index_lost(table, index, &format!("it uses {what}, which is not carried"));
        }
        if index.parts.len() > can.max_index_columns {
            let why = format!("the target takes {} columns", can.max_index_columns);
            return self.index_lost(table, index, &why);
        }
        let mut parts = Vec::with_capacity(index.parts.len());
        for part in &index.parts {
            match self.part(table, index, part, columns, &mut shape) {
                Ok(part) => parts.push(part),
                Err(why) => return self.index_lost(table, index, &why),
            }
        }
        // Those of words and places are over whole columns everywhere.
        if method.as_deref().is_none_or(|m| m == "hash")
            && let Some(native) = self.not_whole(columns, &parts)
        {
            return self.index_lost(table, index, &format!("the target takes no key over all of {native}"));
        }
        if let Err(why) = self.shorten(table, columns, &mut parts, &mut shape) {
            return self.index_lost(table, index, &why);
        }
        let predicate = self.predicate(table, index, columns, &mut parts, &mut shape, compared);
        if !index.include.is_empty() && !can.index_include {
            shape.plainer.push("carries no further columns (INCLUDE)".into());
        }
        let nulls_matter = index.nulls_not_distinct && shape.unique && !self.input.verbatim();
        if nulls_matter && index.parts.iter().any(|p| may_be_null(table, p)) {
            shape.looser.push("takes more than one NULL");
        }
        let exact = parts.clone();
        let loosened = if shape.unique {
            self.loose_keys(table, index, columns, &mut parts, (&shape.said, compared))
        } else {
            Loosened::Not
        };
        // What compares in the target as the source does needs no second key.
        if compared && loosened == Loosened::Not && has_twin(table, index) {
            return Vec::new();
        }
        let beside =
            (loosened == Loosened::Beside && !compared).then(|| std::mem::replace(&mut parts, exact.clone()));
        let loose = loosened != Loosened::Not && beside.is_none();
        let deferrable = self.unique_deferrable(table, index, loose);
        if loose {
            // It compares as the source does after all.
            shape.plainer.retain(|way| !way.starts_with(AS_COLUMN));
        }
        self.shape_findings(table, index, &shape);
        // A constraint takes plain columns only; with more than that it is declared as an index.
        let plain = |parts: &[IndexPartPlan]| predicate.is_none() && parts.iter().all(is_plain);
        let constraint =
            index.constraint && shape.unique && !loose && (plain(&parts) || self.input.verbatim());
        let include = if can.index_include { index.include.as_slice() } else { &[] };
        let planned = IndexPlan {
            name: self.index_name(table, index, constraint, &parts),
            unique: shape.unique,
            constraint,
            parts,
            include: include.iter().map(|c| self.names.column(&table.name, c)).collect(),
            predicate: predicate.clone(),
            method,
            nulls_not_distinct: index.nulls_not_distinct && self.input.verbatim(),
            deferrable,
            origin: self.index_origin(index, shape.unique, constraint),
        };
        let target = self.names.table(&table.name);
        let stem = planned.name.as_deref().unwrap_or(&target);
        if let Some(parts) = beside {
            let also = self.index_over_values(table, stem, parts);
            return vec![planned, IndexPlan { predicate, ..also }];
        }
        // Foreign keys lead to plain columns.
        if loose && !compared && self.is_referenced(table, index) {
            let name = self.names.index(&target, &format!("{stem}{EXACT}"));
            let also = IndexPlan { name: Some(name), parts: exact, origin: None, ..planned.clone() };
            return vec![planned, also];
        }
        vec![planned]
    }

    /// WHERE in the target's words; where it has none, the keys of a unique index say it.
    fn predicate(
        &mut self,
        table: &Table,
        index: &Index,
        columns: &[ColumnPlan],
        parts: &mut Vec<IndexPartPlan>,
        shape: &mut Shape,
        compared: bool,
    ) -> Option<String> {
        let text = index.predicate.as_ref()?;
        if self.input.rules.capabilities().partial_indexes {
            let said = self.expression(text, Want::Truth, table, columns, Changed::All);
            if said.is_none() {
                shape.covers_all_rows();
            }
            return said;
        }
        let keys =
            if shape.unique { self.partial_keys(table, index, text, columns, parts, compared) } else { None };
        match keys {
            Some(keys) => (*parts, shape.said) = keys.into_iter().unzip(),
            None => shape.covers_all_rows(),
        }
        None
    }

    /// The index that stands beside one whose columns have spellings that it tells apart.
    fn index_over_values(&mut self, table: &Table, stem: &str, parts: Vec<IndexPartPlan>) -> IndexPlan {
        let name = self.names.index(&self.names.table(&table.name), &format!("{stem}_value"));
        let text = format!("{name:?} is added, because {stem:?} of the source takes {SPELLINGS} for one");
        let note = Note::new(codes::INDEX_ADDED, "index", FindingAction::Translated, text);
        self.findings.push(note.table(&table.name).object(Some(&name)));
        IndexPlan::over(Some(name), true, parts)
    }

    /// Says in the keys of a unique index what its columns take for equal in the source and not in the target, but for those
    /// that have said it.
    fn loose_keys(
        &mut self,
        table: &Table,
        index: &Index,
        columns: &[ColumnPlan],
        parts: &mut [IndexPartPlan],
        (have_said, compared): (&[bool], bool),
    ) -> Loosened {
        let mut loosened = Loosened::Not;
        for (at, (part, planned)) in index.parts.iter().zip(parts).enumerate() {
            let IndexKey::Column(column) = &part.key else { continue };
            let said = part.collation.as_ref();
            self.stricter(table, column, columns, (kind_word(index), index.name.as_deref()), said);
            if have_said.get(at) == Some(&true) {
                continue;
            }
            let (key, now) = match self.looseness(table, column, columns, said, compared) {
                Looseness::Same => continue,
                Looseness::Key(key) => (Some(key), Loosened::Instead),
                Looseness::Beside(key) => (Some(key), Loosened::Beside),
                Looseness::Lost => (None, Loosened::Not),
            };
            // One that is an expression already cannot be another.
            let plain = planned.column.as_ref() == Some(&self.names.column(&table.name, column));
            let done = match key {
                Some(key) if plain => self.loosen(table, index, key, columns, planned).is_ok(),
                _ => false,
            };
            if done {
                loosened = loosened.max(now);
            } else {
                self.looser(table, column, columns, (kind_word(index), index.name.as_deref()), said);
            }
        }
        loosened
    }

    /// The access method to ask for, or why the index cannot be carried.
    fn method(&self, index: &Index, shape: &mut Shape) -> Result<Option<String>, String> {
        let Some(method) = index.method.as_deref() else { return Ok(None) };
        let known = self.input.rules.capabilities().index_methods.contains(&method);
        if self.input.verbatim() && known {
            return Ok(Some(method.to_owned()));
        }
        match method {
            "btree" => Ok(None),
            // Ordered indexes answer what these do.
            "hash" | "brin" => {
                shape.plainer.push(format!("is an ordinary index instead of {method}"));
                Ok(None)
            }
            other => Err(format!("the target has no {other} index for it")),
        }
    }

    /// PostgreSQL's `*_pattern_ops` make LIKE use an index where the language's order does not. Text is ordered by
    /// code point in the target, so an ordinary index over the same column serves both.
    fn covered(&mut self, table: &Table, index: &Index) -> bool {
        let pattern = |part: &IndexPart| {
            part.operator_class.as_deref().is_some_and(|class| class.ends_with("_pattern_ops"))
        };
        if self.input.verbatim() || index.unique || !index.parts.iter().any(pattern) {
            return false;
        }
        let keys = |index: &Index| index.parts.iter().map(|p| p.key.clone()).collect::<Vec<_>>();
        let same = |other: &&Index| {
            !other.parts.iter().any(pattern)
                && other.predicate == index.predicate
                && other.method.is_none()
                && keys(other) == keys(index)
        };
        let primary = table.primary_key.as_ref().is_some_and(|key| {
            index.predicate.is_none()
                && keys(index) == key.columns.iter().cloned().map(IndexKey::Column).collect::<Vec<_>>()
        });
        let twin = table.indexes.iter().find(same).and_then(|i| i.name.clone());
        if twin.is_none() && !primary && !table.indexes.iter().any(|i| same(&i)) {
            return false;
        }
        let by = twin.map_or_else(|| "another index".to_owned(), |name| format!("index {name:?}"));
        let text = format!("is served by {by} over the same key: {}", index.definition);
        let note = Note::new(codes::INDEX_COVERED, "index", FindingAction::NotCarried, text);
        self.findings.push(note.table(&table.name).object(index.name.as_deref()));
        true
    }

    fn part(
        &mut self,
        table: &Table,
        index: &Index,
        part: &IndexPart,
        columns: &[ColumnPlan],
        shape: &mut Shape,
    ) -> Result<IndexPartPlan, String> {
        let can = self.input.rules.capabilities();
        let verbatim = self.input.verbatim();
        let (column, expression) = match &part.key {
            IndexKey::Column(name) => (Some(self.names.column(&table.name, name)), None),
            IndexKey::Expression(text) => {
                let key = self.expression_key(table, index, text, columns)?;
                (key.column, key.expression)
            }
        };
        let prefix = part.prefix.filter(|_| can.index_prefixes);
        if part.prefix.is_some() && prefix.is_none() {
            shape.plainer.push("covers the whole column instead of its beginning".into());
            if index.unique {
                shape.looser.push("looks at the whole value instead of its beginning");
            }
        }
        let nulls_first = part.nulls_first.filter(|_| can.index_nulls_order);
        if part.nulls_first.is_some() && nulls_first.is_none() {
            shape.plainer.push("orders NULL as the target does".into());
        }
        let collation = self.part_collation(table, index, part, columns, shape);
        let operator_class = part.operator_class.clone().filter(|_| verbatim);
        if let Some(class) = part.operator_class.as_ref().filter(|_| !verbatim) {
            shape.plainer.push(format!("has no operator class {class}"));
        }
        Ok(IndexPartPlan {
            column,
            expression,
            descending: part.descending,
            nulls_first,
            collation,
            prefix,
            operator_class,
        })
    }

    /// A collation that an index names for itself. Only the dialect's own words are carried; elsewhere the column's
    /// collation rules, which changes what a unique index takes for equal.
    fn part_collation(
        &self,
        table: &Table,
        index: &Index,
        part: &IndexPart,
        columns: &[ColumnPlan],
        shape: &mut Shape,
    ) -> Option<String> {
        let collation = part.collation.as_ref()?;
        if self.input.verbatim() {
            return Some(collation.name.clone());
        }
        let column = match &part.key {
            IndexKey::Column(name) => columns.iter().find(|c| c.source == *name),
            IndexKey::Expression(_) => None,
        };
        let loose = !ignored(column).is_exact();
        let wanted = !collation.is_exact();
        let same = column
            .is_some_and(|c| table.column(&c.source).and_then(|c| c.collation.as_ref()) == Some(collation));
        if wanted != loose && !same {
            shape.plainer.push(format!("{AS_COLUMN}, not by {}", collation.name));
            if index.unique && loose {
                // Exact keys under a loose column would collide.
                shape.forgets_unique();
            }
        }
        None
    }

    /// The type of a column of which the target takes only the beginning into a key.
    fn not_whole<'c>(&self, columns: &'c [ColumnPlan], parts: &[IndexPartPlan]) -> Option<&'c str> {
        let whole = parts.iter().filter(|p| p.prefix.is_none() && self.input.verbatim());
        let mut planned = whole.filter_map(|p| columns.iter().find(|c| Some(&c.name) == p.column.as_ref()));
        planned.find(|c| !self.input.rules.keys_whole(&c.native_type)).map(|c| c.native_type.as_str())
    }

    /// When a unique key is checked. One that has to be declared as an index (`loose`) is no constraint that could wait.
    fn unique_deferrable(&mut self, table: &Table, index: &Index, loose: bool) -> Deferrable {
        let can_wait = self.input.rules.capabilities().deferrable_unique && !loose;
        if index.deferrable == Deferrable::No || can_wait {
            return index.deferrable;
        }
        let text = "is checked row by row in the target, not at the end of the statement or transaction";
        let note = Note::new(codes::DEFERRABLE_DROPPED, kind_word(index), FindingAction::Converted, text);
        self.findings.push(note.table(&table.name).object(index.name.as_deref()));
        Deferrable::No
    }

    fn shape_findings(&mut self, table: &Table, index: &Index, shape: &Shape) {
        let about = |note: Note| note.table(&table.name).object(index.name.as_deref());
        let kind = kind_word(index);
        if index.unique && !shape.unique {
            let text = format!(
                "is carried as a plain index: it {}, so that it cannot forbid the same; the source has {}",
                shape.plainer.join(" and "),
                index.definition
            );
            let note = Note::new(codes::UNIQUE_NOT_CARRIED, kind, FindingAction::NotCarried, text);
            self.findings.push(about(note));
        } else if !shape.looser.is_empty() {
            let text = format!("{}; the source has {}", shape.looser.join(" and "), index.definition);
            self.findings.push(about(Note::new(codes::UNIQUE_LOOSER, kind, FindingAction::Converted, text)));
        } else if !shape.plainer.is_empty() {
            let text = format!("{}; the source has {}", shape.plainer.join(" and "), index.definition);
            self.findings.push(about(Note::new(
                codes::INDEX_SIMPLIFIED,
                kind,
                FindingAction::Translated,
                text,
            )));
        }
    }

    fn index_lost(&mut self, table: &Table, index: &Index, why: &str) -> Vec<IndexPlan> {
        let code = if index.unique { codes::UNIQUE_NOT_CARRIED } else { codes::INDEX_NOT_CARRIED };
        let text = format!("{why}; the source has {}", index.definition);
        let note = Note::new(code, kind_word(index), FindingAction::NotCarried, text);
        self.findings.push(note.table(&table.name).object(index.name.as_deref()));
        Vec::new()
    }

    fn index_name(
        &mut self,
        table: &Table,
        index: &Index,
        constraint: bool,
        parts: &[IndexPartPlan],
    ) -> Option<String> {
        let target = self.names.table(&table.name);
        let Some(wanted) = &index.name else {
            // A constraint may go without a name, an index may not.
            if constraint {
                return None;
            }
            let columns: Vec<&str> = parts.iter().map(|p| p.column.as_deref().unwrap_or("expr")).collect();
            return Some(self.names.index(&target, &format!("{target}_{}_idx", columns.join("_"))));
        };
        let name = self.names.index(&target, wanted);
        if constraint {
            self.names.reserve_constraint(&target, &name);
        }
        if name != *wanted {
            self.findings
                .push(renamed(kind_word(index), wanted, &name).table(&table.name).object(Some(wanted)));
        }
        Some(name)
    }
}

/// What the keys of a unique index say beyond its columns; the last is the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loosened {
    /// Nothing.
    Not,
    /// What another index beside the one over the columns can say.
    Beside,
    /// What stands in the place of the columns.
    Instead,
}

/// What becomes of an index while its parts are planned.
pub(super) struct Shape {
    /// Whether it can still forbid duplicates.
    pub(super) unique: bool,
    /// In which ways it is plainer.
    pub(super) plainer: Vec<String>,
    /// In which ways it forbids less.
    looser: Vec<&'static str>,
    /// Of each part whether its key says what the column takes for equal in the source and not in the target.
    said: Vec<bool>,
}

impl Shape {
    /// Unique among some rows is not unique among all.
    fn covers_all_rows(&mut self) {
        self.plainer.push("covers all rows instead of those of its WHERE".into());
        self.forgets_unique();
    }

    pub(super) fn forgets_unique(&mut self) {
        self.unique = false;
    }
}

fn is_plain(part: &IndexPartPlan) -> bool {
    part.expression.is_none()
        && !part.descending
        && part.nulls_first.is_none()
        && part.collation.as_deref().is_none_or(is_exact_name)
        && part.operator_class.is_none()
}

fn may_be_null(table: &Table, part: &IndexPart) -> bool {
    match &part.key {
        IndexKey::Column(name) => table.column(name).is_none_or(|c| c.nullable),
        IndexKey::Expression(_) => true,
    }
}

/// What an index cannot be without. The operator class of a column that has another type in the target is another one.
fn needed(index: &Index, columns: &[ColumnPlan]) -> Vec<String> {
    let retyped = |part: &IndexPart| match &part.key {
        IndexKey::Column(name) => columns.iter().any(|c| c.source == *name && c.native_type != c.source_type),
        IndexKey::Expression(_) => false,
    };
    let other = index.parts.iter().any(retyped);
    let reaches = index.reaches.iter().filter(|what| !(other && what.starts_with("operator class ")));
    reaches.cloned().collect()
}

/// Word for messages.
fn kind_word(index: &Index) -> &'static str {
    match (index.unique, index.constraint) {
        (true, true) => "unique constraint",
        (true, false) => "unique index",
        _ => "index",
    }
}
