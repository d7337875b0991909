//! Unique keys that the target cannot have in the source's way and can have in another one: regardless of case under
//! a collation or expression of its own, over some rows by `CASE WHEN … THEN … END`, over an expression by a column
//! that nobody sees.

use std::borrow::Cow;

use super::findings::Note;
use super::keys::declared_bytes;
use super::{Changed, Planner};
use crate::engine::capability::{KeyLimit, LooseKey};
use crate::engine::expression::{self, KeyKind, Want};
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::plan::{
    ColumnPlan, Fidelity, FindingAction, GeneratedPlan, INVISIBLE, IndexPartPlan, IndexPlan,
};
use crate::model::schema::{Collation, Column, DataType, Deferrable, Index, IndexKey, IndexPart, Table};

/// How the name ends of the index for foreign keys that stands beside one with loose keys.
pub(super) const EXACT: &str = "_exact";

/// What a key takes for one that has another beside it for that.
pub(super) const SPELLINGS: &str =
    "values that are spelled in different ways (blanks at the end, the digits of a UUID)";

/// What becomes of a key over values of which the source takes several for one.
pub(super) enum Looseness {
    /// The column of the target compares as loosely, or nothing is loose.
    Same,
    /// The key has to say it.
    Key(LooseKey),
    /// Another key has to say it beside the one over the column, by which the column is looked for.
    Beside(LooseKey),
    /// The target has nothing for it.
    Lost,
}

/// Whether the primary key or another unique key of a table is over the same columns as they are.
pub(super) fn has_twin(table: &Table, index: &Index) -> bool {
    let name = |part: &'_ IndexPart| match &part.key {
        IndexKey::Column(name) => Some(name.clone()),
        IndexKey::Expression(_) => None,
    };
    let Some(columns) = index.parts.iter().map(name).collect::<Option<Vec<_>>>() else { return false };
    let primary = table.primary_key.as_ref().filter(|_| index.predicate.is_none());
    // The other half of one that foreign keys lead to (`index`) has its own name.
    let half = index.name.as_ref().map(|name| format!("{name}{EXACT}"));
    primary.is_some_and(|key| key.columns == columns)
        || table
            .indexes
            .iter()
            .filter(|i| i.unique && i.predicate == index.predicate && i.name != half)
            .any(|i| i.parts.iter().map(name).collect::<Option<Vec<_>>>().as_ref() == Some(&columns))
}

impl Planner<'_> {
    /// A unique index whose keys are all `CASE WHEN condition THEN key END` forbids what one over the keys
    /// WHERE condition does; it is what this program makes of such an index where there is no WHERE.
    pub(super) fn as_partial<'i>(&self, index: &'i Index) -> Cow<'i, Index> {
        let source = self.input.source.dialect;
        if !index.unique || index.predicate.is_some() || self.input.verbatim() {
            return Cow::Borrowed(index);
        }
        let split = |key: &IndexKey| match key {
            IndexKey::Expression(text) => expression::partial_key(source, text),
            IndexKey::Column(_) => None,
        };
        let Some(found) = index.parts.iter().map(|p| split(&p.key)).collect::<Option<Vec<_>>>() else {
            return Cow::Borrowed(index);
        };
        match found.first() {
            Some((condition, _)) if found.iter().all(|(other, _)| other == condition) => {
                let mut partial = index.clone();
                partial.predicate = Some(condition.clone());
                for (part, (_, key)) in partial.parts.iter_mut().zip(found) {
                    part.key = key;
                }
                Cow::Owned(partial)
            }
            _ => Cow::Borrowed(index),
        }
    }

    /// A key over what spellings of a value have in common is one over the column, under a comparison that takes them for
    /// one; it is what this program makes where there is none. Answers whether the index had such a key.
    pub(super) fn as_compared<'i>(
        &self,
        table: &Table,
        index: Cow<'i, Index>,
        columns: &[ColumnPlan],
    ) -> (Cow<'i, Index>, bool) {
        let source = self.input.source.dialect;
        let verbatim = self.input.verbatim();
        if !index.unique || (verbatim && !self.input.between_products()) {
            return (index, false);
        }
        let found = |name: String| {
            let same = |c: &&Column| {
                c.name == name || (source != Dialect::Postgres && c.name.eq_ignore_ascii_case(&name))
            };
            table.columns.iter().find(same)
        };
        let travels_as_uuid =
            |column: &Column| columns.iter().any(|c| c.source == column.name && c.carries == DataType::Uuid);
        let mut compared = index.parts.clone();
        for part in &mut compared {
            let IndexKey::Expression(text) = &part.key else { continue };
            let trimmed = || expression::column_of_trimmed_key(source, text).and_then(found);
            let nocase = || {
                let to_sqlite = self.input.rules.dialect() == Dialect::Sqlite;
                // Over a column that had NOCASE, lower case is what this program made of it.
                let had = |c: &&Column| {
                    let now = columns.iter().find(|planned| planned.source == c.name);
                    now.is_some_and(|now| now.collation.as_deref() == Some("NOCASE"))
                };
                let by_bytes = || expression::column_of_ascii_key(source, text).and_then(found);
                let by_letters = || expression::column_of_lower_key(source, text).and_then(found).filter(had);
                by_bytes().or_else(by_letters).filter(|_| to_sqlite)
            };
            let uuid = || expression::column_of_uuid_key(source, text).and_then(found);
            if let Some(column) =
                trimmed().filter(|c| !verbatim && matches!(c.data_type, DataType::Text { .. }))
            {
                let exact = || Collation {
                    name: "rtrim".into(),
                    case_insensitive: false,
                    ascii_case: false,
                    accent_insensitive: false,
                    pads: true,
                };
                part.collation =
                    Some(Collation { pads: true, ..part.collation.take().unwrap_or_else(exact) });
                part.key = IndexKey::Column(column.name.clone());
            } else if let Some(column) = nocase() {
                part.collation = Some(Collation {
                    name: "NOCASE".into(),
                    case_insensitive: true,
                    ascii_case: true,
                    accent_insensitive: false,
                    pads: false,
                });
                part.key = IndexKey::Column(column.name.clone());
            } else if let Some(column) = uuid().filter(|c| travels_as_uuid(c)) {
                part.collation = None;
                part.key = IndexKey::Column(column.name.clone());
            }
        }
        if compared == index.parts {
            return (index, false);
        }
        let mut index = index.into_owned();
        index.parts = compared;
        (Cow::Owned(index), true)
    }

    /// The key of an index over an expression: the expression, or the name of an invisible column that has it.
    pub(super) fn expression_key(
        &mut self,
        table: &Table,
        index: &Index,
        text: &str,
        columns: &[ColumnPlan],
    ) -> Result<IndexPartPlan, String> {
        let can = self.input.rules.capabilities();
        let (expressions, invisible) = (can.expression_indexes, can.invisible_columns);
        if !expressions && !invisible {
            return Err("the target has no indexes over expressions".into());
        }
        if expressions && self.input.verbatim() {
            let said = self.expression(text, Want::Speed, table, columns, Changed::ByForeignKeys);
            let unsaid = || "its expression has no certain counterpart in the target".to_owned();
            return Ok(IndexPartPlan::plain(None, Some(said.ok_or_else(unsaid)?)));
        }
        let want =
            if index.unique { Want::Unique { ascii: self.is_ascii(table, text) } } else { Want::Speed };
        let (source, target) = (self.input.source.dialect, self.input.rules.dialect());
        let facts = |name: &str| self.watched_facts(name, table, columns, Changed::ByForeignKeys);
        let (said, kind) = expression::key(source, text, target, want, &facts)
            .ok_or("its expression has no certain counterpart in the target")?;
        if target != Dialect::Mysql {
            return Ok(IndexPartPlan::plain(None, Some(said)));
        }
        let named = columns.iter().filter(|c| expression::names(target, &said, &c.name));
        let texts: Vec<&ColumnPlan> =
            named.filter(|c| c.carries.is_text() || c.native_type.contains("char")).collect();
        let like = match (kind, texts.as_slice()) {
            (KeyKind::Text, [only]) => (*only).clone(),
            (KeyKind::Integer, _) => ColumnPlan {
                native_type: "bigint".into(),
                carries: DataType::INT64,
                collation: None,
                ..columns.first().ok_or("its table has no columns")?.clone()
            },
            _ => return Err("the target cannot index values of its expression".into()),
        };
        self.keyed(table, index, said, &like)
    }

    /// Turns the parts of a unique index with WHERE into keys that are NULL for all other rows, where the target has
    /// no WHERE. Each comes with whether it says what its column takes for equal in the source and not in the target;
    /// `compared` as in [`Self::looseness`].
    pub(super) fn partial_keys(
        &mut self,
        table: &Table,
        index: &Index,
        predicate: &str,
        columns: &[ColumnPlan],
        parts: &[IndexPartPlan],
        compared: bool,
    ) -> Option<Vec<(IndexPartPlan, bool)>> {
        let can = self.input.rules.capabilities();
        let able = can.expression_indexes || can.invisible_columns;
        if !able || !index.unique || parts.iter().any(|p| p.prefix.is_some()) {
            return None;
        }
        let said = self.expression(predicate, Want::Truth, table, columns, Changed::ByForeignKeys)?;
        let mut keys = Vec::with_capacity(parts.len());
        for (part, declared) in parts.iter().zip(&index.parts) {
            let column = columns.iter().find(|c| Some(&c.name) == part.column.as_ref())?;
            let by_value =
                match self.looseness(table, &column.source, columns, declared.collation.as_ref(), compared) {
                    Looseness::Key(key) | Looseness::Beside(key) if key.collation.is_none() => key.expression,
                    _ => None,
                };
            let is_said = by_value.is_some();
            let value = by_value.unwrap_or_else(|| self.input.rules.quote(&column.name));
            let text = format!("CASE WHEN {said} THEN {value} END");
            keys.push((self.keyed(table, index, text, &column.clone()).ok()?, is_said));
        }
        let text = format!(
            "is kept by keys that are NULL where its WHERE does not hold; the source has {}",
            index.definition
        );
        let note = Note::new(codes::EMULATED, "unique index", FindingAction::Emulated, text);
        self.findings.push(note.table(&table.name).object(index.name.as_deref()));
        Some(keys)
    }

    /// An expression as the key of an index, with values like those of a column.
    fn keyed(
        &mut self,
        table: &Table,
        index: &Index,
        expression: String,
        like: &ColumnPlan,
    ) -> Result<IndexPartPlan, String> {
        if let KeyLimit::Declared(most) = self.input.rules.key_limit()
            && declared_bytes(like, None) > most
        {
            return Err(format!("its expression may be longer than the {most} bytes of a key of the target"));
        }
        if self.input.rules.capabilities().expression_indexes {
            return Ok(IndexPartPlan::plain(None, Some(expression)));
        }
        let wanted = index.name.as_deref().unwrap_or(&table.name);
        let name = (1..u32::MAX)
            .map(|n| super::names::fit(self.input.rules, &format!("{INVISIBLE}{wanted}_{n}")))
            .find(|name| self.invisible.iter().all(|c| c.name != *name))
            .ok_or("its key has no name")?;
        self.invisible.push(ColumnPlan {
            source: name.clone(),
            source_type: String::new(),
            name: name.clone(),
            fidelity: Fidelity::Exact,
            nullable: true,
            default: None,
            on_update_now: false,
            generated: Some(GeneratedPlan { expression, stored: false }),
            identity: None,
            invisible: true,
            comment: None,
            origin: None,
            domain: None,
            ..like.clone()
        });
        Ok(IndexPartPlan::plain(Some(name), None))
    }

    /// How a key over a column has to be said so that it takes for equal what the source does. `said` is a collation
    /// of the key's own; `by_value` tells that it takes spellings of a value for one although the column's type does not.
    pub(super) fn looseness(
        &self,
        table: &Table,
        column: &str,
        columns: &[ColumnPlan],
        said: Option<&Collation>,
        by_value: bool,
    ) -> Looseness {
        let lost = self.lost_comparison(table, column, columns, said);
        let Some(planned) = columns.iter().find(|c| c.source == column) else {
            return if lost.is_some() { Looseness::Lost } else { Looseness::Same };
        };
        let able = {
            let can = self.input.rules.capabilities();
            can.expression_indexes || can.invisible_columns
        };
        let Some((collation, lost)) = lost else {
            let source_is_typed = self.input.source.dialect != Dialect::Sqlite;
            return if (source_is_typed || by_value) && self.is_spelled(planned) {
                self.spelled(planned, able)
            } else {
                Looseness::Same
            };
        };
        let ascii = self.ascii(table, column) == Some(true);
        let source = self.input.source.dialect;
        match self.input.rules.loose_key(&planned.name, &collation, source, ascii) {
            Some(key) if key.expression.is_some() && !able => Looseness::Lost,
            Some(key) if key.keeps_accents && lost.accents() && !ascii => Looseness::Lost,
            Some(key) if !lost.letters() => Looseness::Beside(key),
            Some(key) => Looseness::Key(key),
            None => Looseness::Lost,
        }
    }

    /// Whether a column holds as text, which the target compares as such, what its source compares by value.
    fn is_spelled(&self, planned: &ColumnPlan) -> bool {
        let spelled = match &planned.carries {
            DataType::Uuid
            | DataType::Timestamp { .. }
            | DataType::TimeTz
            | DataType::Interval
            | DataType::Json { .. }
            | DataType::Native { .. } => true,
            DataType::Decimal { .. } => self.input.rules.dialect() == Dialect::Sqlite,
            _ => false,
        };
        spelled && planned.fidelity == Fidelity::Emulated
    }

    /// What makes a key over such text as strict as one over values.
    fn spelled(&self, planned: &ColumnPlan, able: bool) -> Looseness {
        if planned.carries != DataType::Uuid || !able {
            return Looseness::Lost;
        }
        Looseness::Beside(LooseKey {
            expression: Some(expression::uuid_key(&self.input.rules.quote(&planned.name))),
            collation: None,
            needs: None,
            keeps_accents: true,
        })
    }

    /// Says it. The rest of the part stays.
    pub(super) fn loosen(
        &mut self,
        table: &Table,
        index: &Index,
        key: LooseKey,
        columns: &[ColumnPlan],
        planned: &mut IndexPartPlan,
    ) -> Result<(), String> {
        if let Some(needed) = key.needs.filter(|n| self.objects.iter().all(|o| o.name != n.name)) {
            self.objects.push(needed);
        }
        if let Some(expression) = key.expression {
            let like = columns.iter().find(|c| Some(&c.name) == planned.column.as_ref()).cloned();
            let keyed = self.keyed(table, index, expression, &like.ok_or("its column is not carried")?)?;
            planned.column = keyed.column;
            planned.expression = keyed.expression;
        }
        planned.collation = key.collation.or_else(|| planned.collation.take());
        Ok(())
    }

    /// What a primary key over loosely compared text forbids and its columns in the target do not: a unique index.
    pub(super) fn loose_primary_key(&mut self, table: &Table, columns: &[ColumnPlan]) -> Option<IndexPlan> {
        let key = table.primary_key.as_ref()?;
        let said = |at: usize| key.collations.get(at).and_then(Option::as_ref);
        let each = key.columns.iter().enumerate();
        let loose: Vec<Looseness> =
            each.map(|(at, c)| self.looseness(table, c, columns, said(at), false)).collect();
        for (at, (column, looseness)) in key.columns.iter().zip(&loose).enumerate() {
            self.stricter(table, column, columns, ("primary key", key.name.as_deref()), said(at));
            if matches!(looseness, Looseness::Lost) {
                self.looser(table, column, columns, ("primary key", key.name.as_deref()), said(at));
            }
        }
        let case = loose.iter().any(|l| matches!(l, Looseness::Key(_)));
        let any = case || loose.iter().any(|l| matches!(l, Looseness::Beside(_)));
        if !any {
            return None;
        }
        let target = self.names.table(&table.name);
        let name = self.names.index(&target, &format!("{target}_{}_ci", key.columns.join("_")));
        // What the findings and the names of invisible columns are about.
        let about = Index {
            name: Some(name.clone()),
            unique: true,
            constraint: false,
            parts: Vec::new(),
            include: Vec::new(),
            predicate: None,
            method: None,
            nulls_not_distinct: false,
            reaches: Vec::new(),
            origin: None,
            deferrable: Deferrable::No,
            definition: String::new(),
        };
        let mut parts = Vec::with_capacity(loose.len());
        for (column, looseness) in key.columns.iter().zip(loose) {
            let mut planned = IndexPartPlan::plain(Some(self.names.column(&table.name, column)), None);
            if let Looseness::Key(key) | Looseness::Beside(key) = looseness {
                self.loosen(table, &about, key, columns, &mut planned).ok()?;
            }
            parts.push(planned);
        }
        let alike = if case { "\"a\" and \"A\"" } else { SPELLINGS };
        let text = format!("{name:?} is added, because the primary key of the source takes {alike} for one");
        let note = Note::new(codes::INDEX_ADDED, "index", FindingAction::Translated, text);
        self.findings.push(note.table(&table.name).object(Some(&name)));
        Some(IndexPlan::over(Some(name), true, parts))
    }

    /// Whether a foreign key leads to exactly the columns of an index.
    pub(super) fn is_referenced(&self, table: &Table, index: &Index) -> bool {
        let keys = self.input.source.tables.iter().flat_map(|t| &t.foreign_keys);
        keys.into_iter().filter(|k| k.references == table.name).any(|k| {
            k.referenced_columns.len() == index.parts.len()
                && index.parts.iter().all(|p| match &p.key {
                    IndexKey::Column(c) => k.referenced_columns.contains(c),
                    IndexKey::Expression(_) => false,
                })
        })
    }

    /// Whether all text of the columns that an expression names is ASCII.
    fn is_ascii(&self, table: &Table, text: &str) -> bool {
        let source = self.input.source.dialect;
        let mut named =
            table.columns.iter().filter(|c| expression::names(source, text, &c.name)).map(|c| &c.name);
        named.all(|c| self.ascii(table, c) == Some(true))
    }

    /// Whether all text of a column is ASCII; `None` if nobody looked.
    pub(super) fn ascii(&self, table: &Table, column: &str) -> Option<bool> {
        let at = table.columns.iter().position(|c| c.name == column)?;
        self.column_profile(table, at)?.ascii
    }
}
