//! Columns: type, default, generated expression, identity, comparison, comment.

use super::findings::Note;
use super::own_types::{bare_name, origin_here};
use super::table_origin::kept_name;
use super::{Changed, Planner, by_hand, constants, types};
use crate::engine::capability::{ColumnInput, KeyLimit, Mapping};
use crate::engine::connect;
use crate::engine::expression::{self, Want};
use crate::engine::fit;
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::origin::Origin;
use crate::model::plan::{
    ColumnPlan, ColumnProfile, Fidelity, FindingAction, GeneratedPlan, IdentityPlan, IndexPartPlan,
    IndexPlan, Scope, TablePlan, TypePlan,
};
use crate::model::rule;
use crate::model::schema::{
    Collation, Column, DataType, DefaultValue, Identity, IdentityGeneration, Index, IndexKey, Object,
    ObjectKind, Table,
};

impl Planner<'_> {
    /// Plans the columns of a table; `strict` tells whether it will hold every value to its declared type.
    pub(super) fn columns(&mut self, at: usize, strict: bool) -> Vec<ColumnPlan> {
        let input = self.input;
        let table = &input.source.tables[at];
        let mut mappings = Vec::with_capacity(table.columns.len());
        let mut planned: Vec<ColumnPlan> = Vec::with_capacity(table.columns.len());
        let mut as_it_was = Vec::with_capacity(table.columns.len());
        for position in 0..table.columns.len() {
            let effective = self.effective[at][position].clone();
            let is_forced = self.forced(table, &effective).is_some();
            let (mapping, restored) = self.mapping(at, position, strict);
            self.type_findings(table, position, &effective, &mapping);
            let mut column = self.column(table, position, &mapping, restored.as_ref());
            if restored.is_none() && !is_forced {
                column.origin = self.origin(table, position, &column);
            }
            planned.push(column);
            mappings.push(mapping);
            as_it_was.push(restored.is_some());
        }
        self.restore_types(at, &mut planned, &as_it_was);
        // Expressions may name any column of the table, so they come after all types are known.
        for (position, (declared, mapping)) in table.columns.iter().zip(&mappings).enumerate() {
            let domain = self.carried_domain(table, declared);
            let value = domain.map_or(&declared.default, |domain| &domain.default);
            let value = value.clone().or_else(|| self.drawn(declared));
            planned[position].default =
                self.default(table, declared, value.as_ref(), (mapping, &planned[position]));
            self.default_of_domain(declared, &mut planned[position], mapping);
            planned[position].generated = self.generated(table, declared, &planned);
        }
        planned
    }

    fn forced(&self, table: &Table, column: &Column) -> Option<String> {
        by_hand::forced(self.input.rules, self.input.by_hand, &table.name, &column.name)
    }

    /// The type of the target, and the origin that it was taken from.
    pub(super) fn mapping(&self, at: usize, position: usize, strict: bool) -> (Mapping, Option<Origin>) {
        let input = self.input;
        let effective = &self.effective[at][position];
        let (mapping, restored) = self.unforced(at, position, strict);
        let mapping = match self.forced(&input.source.tables[at], effective) {
            Some(native_type) => by_hand::mapped(native_type, effective, mapping),
            // A table that is there may have another type for it.
            None if input.verbatim() && input.scope != Scope::DataOnly => {
                let carries = input.rules.carries_here(&mapping.native_type, mapping.carries);
                Mapping { carries, ..mapping }
            }
            None => mapping,
        };
        (mapping, restored)
    }

    /// The same where no rule has a say.
    fn unforced(&self, at: usize, position: usize, strict: bool) -> (Mapping, Option<Origin>) {
        let input = self.input;
        let (table, effective) = (&input.source.tables[at], &self.effective[at][position]);
        if let DataType::Native { name, .. } = &effective.data_type
            && let Some(native_type) = self.own_type(name)
        {
            return (Mapping::plain(native_type, effective.data_type.clone(), Fidelity::Exact), None);
        }
        let profile = self.column_profile(table, position);
        let odd = self
            .odd_uuids
            .contains(&(at, position))
            .then(|| ColumnProfile { odd_uuids: true, ..profile.cloned().unwrap_or_default() });
        let ask = |source, source_flavour, column: &Column| {
            input.rules.map_column(&ColumnInput {
                source,
                source_flavour,
                column,
                profile: odd.as_ref().or(profile),
                indexed: self.is_key(at, position),
            })
        };
        let unknown = input.model(&table.name, &effective.name).is_none();
        // A type that may be longer than a key needs a prefix there, and the way here dropped it.
        let too_long = |holds: &DataType| {
            let KeyLimit::Declared(limit) = input.rules.key_limit() else { return false };
            let bytes = match holds {
                DataType::Text { max_chars, .. } => max_chars.map(|chars| chars.saturating_mul(4)),
                DataType::Bytes { max_bytes, .. } => *max_bytes,
                _ => return false,
            };
            bytes.is_none_or(|bytes| bytes > limit) && self.is_key(at, position)
        };
        let outgrown = self.column_profile(table, position).is_some_and(|facts| facts.outgrown.is_some());
        let origin =
            origin_here(input, effective).filter(|o| unknown && !outgrown && o.holds == effective.data_type);
        let Some(origin) = origin else {
            return (ask(input.source.dialect, input.source_flavour, effective), None);
        };
        if too_long(&origin.holds) {
            let mapping = ask(input.source.dialect, input.source_flavour, effective);
            // What the key is over changes, not how it compares.
            return match &origin.collation {
                Some(collation) => (input.rules.compared(mapping, collation), None),
                None => (mapping, None),
            };
        }
        let now = Column { data_type: table.columns[position].data_type.clone(), ..effective.clone() };
        let own = Column {
            native_type: origin.native_type.clone(),
            collation: origin.collation.clone(),
            ..effective.clone()
        };
        let foreign = ask(input.source.dialect, input.source_flavour, &now);
        let own = self
            .made_again(table, position, origin)
            .unwrap_or_else(|| ask(input.rules.dialect(), origin.product, &own));
        let (word, as_it_comes) = (own.native_type.clone(), foreign.native_type.clone());
        let mut mapping = input.rules.restored(own, foreign, self.column_profile(table, position), strict);
        // What was carried on the way there is carried on the way back.
        if mapping.native_type == word && word != as_it_comes && origin.holds != DataType::Any {
            mapping.carries = origin.holds.clone();
        }
        (mapping, Some(origin.clone()))
    }

    /// A type without a neutral form that the plan makes, or an array of one. The target need not have it.
    fn own_type(&self, native: &str) -> Option<String> {
        self.makes_type(&bare_name(native)).map(|_| native.to_owned())
    }

    /// What has to be kept with a column so that its way back ends where it began: nothing where the type alone leads
    /// there, or TechCare's own models know it.
    fn origin(&self, table: &Table, position: usize, planned: &ColumnPlan) -> Option<Origin> {
        let input = self.input;
        let column = &table.columns[position];
        if input.verbatim() && (column.origin.is_some() || !input.between_products()) {
            return column.origin.clone();
        }
        let model = input.known.and_then(|known| known.table(&table.name)?.column(&column.name));
        let by_rule = rule::column_name(input.by_hand, &table.name, &column.name) != column.name;
        let name = kept_name(&column.name, planned.name.clone(), by_rule);
        // A table that goes back has nothing to remember of the way.
        if model.is_some()
            || table.columns.iter().any(|c| origin_here(input, c).is_some())
            || (name.is_none()
                && column.data_type == DataType::Any
                && !self.is_any_of_strict(table, position))
        {
            return None;
        }
        let now = input.rules.told(&planned.native_type);
        let back = Column {
            data_type: input.rules.type_of(&now),
            native_type: now.clone(),
            collation: None,
            origin: None,
            ..column.clone()
        };
        let rules = connect::rules(input.source_flavour, None);
        let mapping = rules.map_column(&ColumnInput {
            source: input.rules.dialect(),
            source_flavour: input.rules.flavour(),
            column: &back,
            profile: None,
            indexed: false,
        });
        let same_type = rules.same_type(&mapping.native_type, &column.native_type);
        if input.verbatim() {
            // All else is in words that both products have.
            return (!same_type).then(|| Origin::of(column, input.source_flavour, &now));
        }
        let same_text = column.collation.as_ref().is_none_or(Collation::is_exact);
        // What the others' identities become by themselves.
        let usual = match input.source.dialect {
            Dialect::Postgres => IdentityGeneration::Serial,
            Dialect::Sqlite | Dialect::Mysql => IdentityGeneration::AutoIncrement,
        };
        let same_identity = column.identity.as_ref().is_none_or(|i| i.generation == usual);
        let comment = column.comment.clone().filter(|_| !input.rules.capabilities().comments);
        let (domain, types) = self.kept_types(column);
        let leads_back = same_type && same_text && same_identity && comment.is_none() && types.is_empty();
        (!leads_back || name.is_some()).then(|| Origin {
            comment,
            domain,
            types,
            name,
            ..Origin::of(column, input.source_flavour, &now)
        })
    }

    /// Whether a column is declared to take any value as it is, and its values, all of one class, go along so.
    fn is_any_of_strict(&self, table: &Table, position: usize) -> bool {
        let source = connect::rules(self.input.source_flavour, None);
        let native = &table.columns[position].native_type;
        let declared = Mapping::plain(native, DataType::Any, Fidelity::Exact);
        let classes =
            self.column_profile(table, position).and_then(|facts| facts.classes).unwrap_or_default();
        let seen = [classes.integer, classes.real, classes.text, classes.blob];
        table.options.strict
            && source.holds_strictly(&declared)
            && seen.iter().filter(|rows| **rows > 0).count() <= 1
    }

    fn column(
        &mut self,
        table: &Table,
        position: usize,
        mapping: &Mapping,
        restored: Option<&Origin>,
    ) -> ColumnPlan {
        let column = &table.columns[position];
        let name = self.names.column(&table.name, &column.name);
        let generation = restored.and_then(|o| o.identity);
        let comment = restored.and_then(|o| o.comment.clone());
        let handed_out = column.identity.as_ref().filter(|_| self.drawn(column).is_none());
        let identity = handed_out.and_then(|identity| {
            let before =
                Identity { generation: generation.unwrap_or(identity.generation), ..identity.clone() };
            let planned = self.input.rules.identity(&before, mapping);
            match &planned {
                Some(planned) => self.identity_changed(table, column, identity, planned),
                None => self.identity_lost(table, column, "the type of the target cannot hand out values"),
            }
            planned
        });
        ColumnPlan {
            source: column.name.clone(),
            source_type: column.native_type.clone(),
            name,
            filled: true,
            native_type: mapping.native_type.clone(),
            carries: mapping.carries.clone(),
            epoch: self.column_profile(table, position).and_then(|facts| facts.epoch),
            fidelity: mapping.fidelity,
            nullable: self.nullable(table, position),
            default: None,
            on_update_now: self.on_update_now(table, column, &mapping.native_type),
            generated: None,
            identity,
            collation: mapping.collation.clone(),
            invisible: false,
            comment: self.column_comment(table, column).or(comment),
            origin: None,
            domain: self.carried_domain(table, column).map(|domain| domain.name.clone()),
        }
    }

    /// What the type of the target means for the values.
    fn type_findings(&mut self, table: &Table, position: usize, effective: &Column, mapping: &Mapping) {
        let column = &table.columns[position];
        let about = |note: Note| note.table(&table.name).column(&column.name);
        let why = mapping.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
        let becomes = format!("{} becomes {}", column.native_type, mapping.native_type);
        // A type that a rule forced has its own finding.
        let forced = rule::forced_type(self.input.by_hand, &table.name, &column.name).is_some();
        let grown = !forced && types::is_wider(&effective.data_type, &column.data_type);
        match mapping.fidelity {
            Fidelity::Unsupported => {
                let text = format!("{} has no exact counterpart in the target{why}", column.native_type);
                self.findings.push(about(Note::new(
                    codes::UNSUPPORTED_TYPE,
                    "column",
                    FindingAction::Refused,
                    text,
                )));
            }
            Fidelity::Emulated => {
                let text = format!("{becomes}{why}");
                self.findings.push(about(Note::new(
                    codes::EMULATED,
                    "column",
                    FindingAction::Emulated,
                    text,
                )));
            }
            _ if grown => {
                let why = if self.outgrown(table, position) {
                    "the data goes beyond what is declared"
                } else if self.is_referring(table, &column.name) {
                    "columns that refer to each other have one type"
                } else {
                    "TechCare's own models have it so"
                };
                let text = format!("{becomes}: {why}");
                self.findings.push(about(Note::new(codes::WIDENED, "column", FindingAction::Widened, text)));
            }
            Fidelity::Wider => {
                let text = format!("{becomes}{why}");
                self.findings.push(about(Note::new(codes::WIDENED, "column", FindingAction::Widened, text)));
            }
            Fidelity::Exact => {}
        }
        let outgrown = self.column_profile(table, position).and_then(|p| p.outgrown.clone());
        if let Some(outgrown) = outgrown {
            let before = origin_here(self.input, column)
                .map(|origin| words(&origin.native_type, origin.collation.as_ref().map(|c| &*c.name)));
            let text = match &before {
                Some(before) if outgrown.rows.is_none() => format!(
                    "{becomes}, and not {before} again: only a server can tell whether that keeps all values, and none was asked"
                ),
                Some(before) => {
                    format!("{becomes}, and not {before} again, which would change or refuse values")
                }
                None => format!("{becomes}: the type that is meant would change or refuse values"),
            };
            // The type may lead back to that of before all the same, and what does not fit it has its own finding.
            if before.is_none_or(|before| before != words(&mapping.native_type, mapping.collation.as_deref()))
            {
                let note = Note::new(codes::WIDENED, "column", FindingAction::Widened, text);
                let note = about(note);
                self.findings.push(match outgrown.rows {
                    Some(rows) => note.rows(rows, &outgrown.keys),
                    None => note,
                });
            }
        }
        let misfits = self.column_profile(table, position).map(|p| p.misfits.clone()).unwrap_or_default();
        let late = self.input.rules.capabilities().late_instants;
        for misfit in misfits.iter().filter(|misfit| !(misfit.late && late)) {
            self.findings.push(about(Note::misfit(misfit)));
        }
        if let Some(needed) = &mapping.needs {
            self.need_type(table, column, needed);
        }
        self.comparison_findings(table, column, mapping);
    }

    /// Whether the data went beyond the declared type.
    fn outgrown(&self, table: &Table, position: usize) -> bool {
        self.column_profile(table, position).is_some_and(|facts| {
            let declared = &table.columns[position].data_type;
            types::widen(declared, facts) != *declared
        })
    }

    pub(super) fn need_type(&mut self, table: &Table, column: &Column, needed: &TypePlan) {
        match self.types.iter().find(|t| t.name == needed.name) {
            None => self.types.push(needed.clone()),
            Some(there) if there == needed => {}
            Some(_) => {
                let text =
                    format!("needs a type {:?} with other labels than another column does", needed.name);
                let note = Note::new(codes::TYPE_CONFLICT, "type", FindingAction::Refused, text);
                self.findings.push(note.table(&table.name).column(&column.name).object(Some(&needed.name)));
            }
        }
    }

    /// SQLite lets NULL into the columns of a primary key; nobody else does. Where there are such, the profile has
    /// found them.
    fn nullable(&self, table: &Table, position: usize) -> bool {
        let column = &table.columns[position];
        let nullable = self.carried_domain(table, column).map_or(column.nullable, |domain| domain.nullable);
        self.takes_null(table, column, nullable)
    }

    pub(super) fn takes_null(&self, table: &Table, column: &Column, nullable: bool) -> bool {
        let in_key = table.primary_key.as_ref().is_some_and(|k| k.columns.contains(&column.name));
        nullable && (!in_key || self.input.verbatim())
    }

    /// The default of a column whose values come from a sequence that it does not own and that goes along.
    fn drawn(&self, column: &Column) -> Option<DefaultValue> {
        let sequence = column.identity.as_ref()?.sequence.as_ref()?;
        let goes_along = |o: &Object| o.kind == ObjectKind::Sequence && o.name == *sequence;
        let rules = self.input.rules;
        let same = self.input.verbatim() && rules.capabilities().sequences;
        (same && self.input.source.objects.iter().any(goes_along)).then(|| {
            let name = rules.literal(&rules.quote(sequence));
            DefaultValue::Expression(format!("nextval({name}::regclass)"))
        })
    }

    fn default(
        &mut self,
        table: &Table,
        column: &Column,
        value: Option<&DefaultValue>,
        (mapping, planned): (&Mapping, &ColumnPlan),
    ) -> Option<String> {
        // A column may hide the default of its domain, which takes no NULL; MySQL has no word for that.
        let says =
            |value: &&DefaultValue| self.input.verbatim() || column.nullable || **value != DefaultValue::Null;
        let value = value.filter(says)?;
        let (source, target) = (self.input.source.dialect, self.input.rules.dialect());
        let assigned =
            (!self.input.verbatim()).then(|| constants::assigned(source, &column.data_type, value));
        let value = assigned.as_ref().unwrap_or(value);
        let said = match value {
            // A routine may have the name of one that every engine has.
            DefaultValue::Expression(_) if self.missing(&column.reaches).is_some() => None,
            DefaultValue::Expression(text) if !self.input.verbatim() => {
                expression::default(source, text, target, &mapping.carries)
            }
            other => Some(other.clone()),
        };
        let same = self.input.verbatim() && !self.input.between_products();
        // Between MySQL and MariaDB dates of no calendar travel as text.
        let holds = if self.input.verbatim() { &column.data_type } else { &mapping.carries };
        let said = said.filter(|value| same || constants::holds(holds, value));
        // What the type takes at home it takes there, whether other engines have such values or not.
        let as_it_is = |value: &DefaultValue| match value {
            DefaultValue::Text(text) if same && column.native_type == mapping.native_type => {
                Some(self.input.rules.literal(text))
            }
            _ => None,
        };
        // A server would round, cut or pad it, or refuse to make the table.
        let said = said.filter(|value| {
            let declared = self.input.rules.type_of(&mapping.native_type);
            let fit = fit::both(fit::neutral(&declared), self.input.rules.fit(planned));
            let bound = !self.input.verbatim() && target != Dialect::Sqlite;
            !bound || fit.is_none_or(|fit| constants::fits(value, &mapping.carries, &fit))
        });
        let rendered = |value| self.input.rules.default(value, mapping).or_else(|| as_it_is(value));
        let default = said.as_ref().and_then(rendered);
        if default.is_none() && *value != DefaultValue::Null && said != Some(DefaultValue::Null) {
            let why = match self.missing(&column.reaches) {
                Some(what) => format!("uses {what}, which is not carried"),
                None => "has no counterpart in the target".to_owned(),
            };
            let text = format!("{why}: DEFAULT {}", spelled(value));
            let note = Note::new(codes::DEFAULT_NOT_CARRIED, "default", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name).column(&column.name));
        }
        default
    }

    fn generated(&mut self, table: &Table, column: &Column, planned: &[ColumnPlan]) -> Option<GeneratedPlan> {
        let generated = column.generated.as_ref()?;
        let can = self.input.rules.capabilities();
        let carries = &planned.iter().find(|c| c.source == column.name)?.carries;
        let said = |changed| {
            let said = self.expression(&generated.expression, Want::Value(carries), table, planned, changed);
            self.only_as_written(&column.reaches, &generated.expression, said)
                .filter(|_| can.generated_stored || can.generated_virtual)
        };
        // What is not stored need not be watched.
        let watched = said(Changed::None);
        let unstored = watched.is_none() && can.generated_virtual;
        let Some(expression) = watched.or_else(|| said(Changed::ByForeignKeys).filter(|_| unstored)) else {
            let note = Note::ungenerated(None, &generated.expression);
            self.findings.push(note.table(&table.name).column(&column.name));
            return None;
        };
        let stored =
            if generated.stored { can.generated_stored && !unstored } else { !can.generated_virtual };
        if stored != generated.stored {
            let word = |stored| if stored { "STORED" } else { "VIRTUAL" };
            let text = format!("is {} in the target instead of {}", word(stored), word(generated.stored));
            let note = Note::new(codes::GENERATED_KIND, "generated column", FindingAction::Translated, text);
            self.findings.push(note.table(&table.name).column(&column.name));
        }
        Some(GeneratedPlan { expression, stored })
    }

    /// Whether a column is set when its row is changed: by itself, or by a trigger that the dialect renders.
    fn on_update_now(&mut self, table: &Table, column: &Column, native_type: &str) -> bool {
        if !column.on_update_now || self.input.rules.capabilities().on_update_now {
            return column.on_update_now;
        }
        let holds = self.input.rules.type_of(native_type);
        let carried = matches!(holds, DataType::DateTime { .. } | DataType::Timestamp { .. });
        let (code, action, text) = if carried {
            (
                codes::EMULATED,
                FindingAction::Emulated,
                "ON UPDATE CURRENT_TIMESTAMP is kept by a trigger, which takes a column for not set if its value stays",
            )
        } else {
            (
                codes::ON_UPDATE_NOT_CARRIED,
                FindingAction::NotCarried,
                "ON UPDATE CURRENT_TIMESTAMP has no counterpart for the column's type in the target",
            )
        };
        // Where such a trigger was before, nothing changes.
        if !(carried && self.input.verbatim()) {
            let note = Note::new(code, "default", action, text);
            self.findings.push(note.table(&table.name).column(&column.name));
        }
        carried
    }

    /// Why a comment has no place in the target.
    pub(super) fn comment_obstacle(&self, most: usize, comment: &str) -> Option<String> {
        if !self.input.rules.capabilities().comments {
            return Some("the target keeps no comments".into());
        }
        if self.input.rules.dialect() == Dialect::Mysql && comment.chars().any(|c| u32::from(c) > 0xffff) {
            return Some("the target's catalogue has no characters beyond the basic plane".into());
        }
        (comment.chars().count() > most)
            .then(|| format!("the target keeps comments of at most {most} characters"))
    }

    /// Makes a planned table fit into a row of the target.
    pub(super) fn fit_row(&mut self, planned: &mut TablePlan) {
        let had: Vec<(String, String)> =
            planned.columns.iter().map(|c| (c.name.clone(), c.native_type.clone())).collect();
        for name in self.input.rules.fit_row(planned) {
            let Some(column) = planned.columns.iter().find(|c| c.name == name) else { continue };
            let before = had.iter().find(|(of, _)| *of == name).map_or("", |(_, native)| native);
            let text = format!(
                "{before} becomes {}: the row would be longer than the target takes",
                column.native_type
            );
            let note = Note::new(codes::WIDENED, "column", FindingAction::Widened, text);
            self.findings.push(note.table(&planned.source).column(&column.source));
        }
    }

    fn column_comment(&mut self, table: &Table, column: &Column) -> Option<String> {
        let comment = column.comment.clone()?;
        let text = match self.comment_obstacle(self.input.rules.comment_limit().column, &comment) {
            None => return Some(comment),
            Some(why) => format!("{why}; it reads: {comment}"),
        };
        let note = Note::new(codes::COMMENT_NOT_CARRIED, "comment", FindingAction::NotCarried, text);
        self.findings.push(note.table(&table.name).column(&column.name));
        None
    }

    /// Engines that hand out values by key want the column to lead a key, and one such column a table.
    pub(super) fn identities(&mut self, table: &Table, planned: &mut TablePlan) {
        let by_key = |identity: &IdentityPlan| {
            matches!(identity.generation, IdentityGeneration::AutoIncrement | IdentityGeneration::Rowid)
        };
        // SQLite hands out rowids only, which the whole primary key has to stand for.
        let sole = self.input.rules.dialect() == Dialect::Sqlite;
        let mut seen = false;
        for at in 0..planned.columns.len() {
            let column = &planned.columns[at];
            if !column.identity.as_ref().is_some_and(by_key) {
                continue;
            }
            let leads = |columns: &[String]| columns.first() == Some(&column.name);
            let primary = planned.primary_key.as_ref().filter(|k| leads(&k.columns));
            let index = || {
                planned
                    .indexes
                    .iter()
                    .any(|i| i.parts.first().is_some_and(|p| p.column.as_ref() == Some(&column.name)))
            };
            let leads_key = if sole {
                primary.is_some_and(|k| k.columns.len() == 1)
            } else {
                primary.is_some() || index()
            };
            if leads_key && !seen {
                seen = true;
                continue;
            }
            if !sole && !seen && planned.indexes.len() + 1 < self.input.rules.capabilities().max_indexes {
                seen = true;
                let index = self.index_for_identity(table, &planned.name, &column.name);
                planned.indexes.push(index);
                continue;
            }
            planned.columns[at].identity = None;
            let why = if seen { "the target has one such column a table" } else { "it leads no key there" };
            self.identity_lost(table, &table.columns[at], why);
        }
    }

    /// An index that lets the target hand out values of a column.
    fn index_for_identity(&mut self, table: &Table, target: &str, column: &str) -> IndexPlan {
        let name = self.names.index(target, &format!("{target}_{column}_idx"));
        let text = format!("{name:?} is added, because the target hands out values of indexed columns only");
        let note = Note::new(codes::INDEX_ADDED, "index", FindingAction::Translated, text);
        self.findings.push(note.table(&table.name).column(column).object(Some(&name)));
        IndexPlan::over(Some(name), false, vec![IndexPartPlan::plain(Some(column.to_owned()), None)])
    }

    /// Says what the target's way of handing out values does not do as the source did.
    fn identity_changed(&mut self, table: &Table, column: &Column, had: &Identity, has: &IdentityPlan) {
        let mut changes = Vec::new();
        if had.increment != has.increment {
            changes.push(format!("values go up by {} instead of {}", has.increment, had.increment));
        }
        let always = IdentityGeneration::Always;
        if had.generation == always && has.generation != always {
            changes.push("values that are given are taken, which GENERATED ALWAYS refuses".to_owned());
        }
        if self.input.source.dialect == Dialect::Mysql && !leads_a_key(table, &column.name) {
            changes
                .push("values go up over all rows, and not by the columns before it in its key".to_owned());
        }
        if !changes.is_empty() {
            let text = changes.join("; ");
            let note = Note::new(codes::IDENTITY_CHANGED, "identity", FindingAction::Converted, text);
            self.findings.push(note.table(&table.name).column(&column.name));
        }
    }

    fn identity_lost(&mut self, table: &Table, column: &Column, why: &str) {
        let text = format!("values are not handed out by the target any more: {why}");
        let note = Note::new(codes::IDENTITY_NOT_CARRIED, "identity", FindingAction::NotCarried, text);
        self.findings.push(note.table(&table.name).column(&column.name));
    }
}

/// Whether a column is the first of a key.
fn leads_a_key(table: &Table, column: &str) -> bool {
    let primary = table.primary_key.as_ref().and_then(|key| key.columns.first());
    let leads = |index: &Index| {
        index.parts.first().is_some_and(|part| part.key == IndexKey::Column(column.to_owned()))
    };
    primary.is_some_and(|first| first == column) || table.indexes.iter().any(leads)
}

/// A type with its collation as findings show it.
fn words(native_type: &str, collation: Option<&str>) -> String {
    collation.map_or_else(|| native_type.to_owned(), |name| format!("{native_type} of {name}"))
}

/// A default as findings show it.
pub(super) fn spelled(value: &DefaultValue) -> String {
    match value {
        DefaultValue::Null => "NULL".into(),
        DefaultValue::Bool(value) => value.to_string(),
        DefaultValue::Number(text) | DefaultValue::Expression(text) => text.clone(),
        DefaultValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
        DefaultValue::Bytes(bytes) => format!("x'{}'", crate::model::value::format_hex(bytes)),
        DefaultValue::CurrentTimestamp => "CURRENT_TIMESTAMP".into(),
        DefaultValue::CurrentDate => "CURRENT_DATE".into(),
        DefaultValue::CurrentTime => "CURRENT_TIME".into(),
    }
}
