//! Types that users of PostgreSQL made, domains above all, on a journey through an engine that has none: what is kept of
//! them with a column, and how they are made again on the way back. A domain comes back where nothing speaks against it.
//! Else its column has the type below, its table the checks that it has by then, and a finding says why.

use std::collections::BTreeMap;

use super::findings::Note;
use super::{Changed, PlanInput, Planner};
use crate::engine::capability::Mapping;
use crate::engine::expression::{self, Want};
use crate::model::codes;
use crate::model::origin::{DomainOrigin, MadeType, Origin};
use crate::model::plan::{ColumnPlan, Fidelity, FindingAction, ObjectPlan, TypePlan};
use crate::model::rule;
use crate::model::schema::{
    Collation, Column, DataType, DefaultValue, IdentityGeneration, Object, ObjectKind, Table,
};

/// The origin of a column that goes back to where it came from, if it is one that this program may have written.
pub(super) fn origin_here<'a>(input: &PlanInput<'_>, column: &'a Column) -> Option<&'a Origin> {
    let dialect = input.rules.dialect();
    // MySQL and MariaDB speak one dialect and have each types that the other lacks.
    let here = |o: &&Origin| {
        if input.verbatim() {
            input.between_products() && o.product == input.rules.flavour()
        } else {
            o.product.dialect() == dialect
        }
    };
    // Anybody who may comment on a column may have written it, and these go into statements as they stand.
    let named = |o: &&Origin| match &o.holds {
        DataType::Native { name, .. } => expression::is_declaration(dialect, name),
        _ => true,
    };
    let plain = |c: &Collation| c.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@".contains(c));
    column
        .origin
        .as_ref()
        .filter(here)
        .filter(named)
        .filter(|o| expression::is_declaration(dialect, &o.native_type))
        .filter(|o| o.collation.as_ref().is_none_or(plain))
}

/// Names of kept types that cannot be made again, and why.
pub(super) fn disputed(input: &PlanInput<'_>) -> BTreeMap<String, &'static str> {
    let mut disputed = BTreeMap::new();
    let mut kept: BTreeMap<String, MadeType> = BTreeMap::new();
    let columns = input.source.tables.iter().flat_map(|t| &t.columns);
    for origin in columns.filter_map(|column| origin_here(input, column)) {
        let held = match &origin.holds {
            DataType::Enum { name: Some(name), labels } => {
                Some(MadeType::Enum { name: name.clone(), labels: labels.clone() })
            }
            _ => None,
        };
        for made in origin.types.iter().chain(&held) {
            match kept.get(made.name()) {
                Some(other) if other != made => {
                    disputed.insert(made.name().to_owned(), "columns remember different types of that name");
                }
                Some(_) => {}
                None => drop(kept.insert(made.name().to_owned(), made.clone())),
            }
        }
    }
    for (name, made) in &kept {
        // Anybody who may comment on a column may have written it.
        let strange =
            matches!(made, MadeType::Other { definition, .. } if !expression::defines_type(definition, name));
        if strange {
            disputed.insert(name.clone(), "what is kept of it may do more than define a type");
        }
        // PostgreSQL has a type for every table and view.
        let is_relation =
            input.source.tables.iter().any(|t| rule::table_name(input.by_hand, &t.name) == name)
                || input.source.objects.iter().any(|o| {
                    matches!(o.kind, ObjectKind::View | ObjectKind::MaterializedView) && o.name == *name
                });
        if is_relation {
            disputed.insert(name.clone(), "a table or view has that name");
        }
        let there = input.existing.and_then(|there| there.objects.iter().find(|o| is_type(o, name)));
        if there.is_some_and(|there| kept_type(there) != *made) {
            disputed.insert(name.clone(), "the target has another type of that name");
        }
    }
    disputed
}

fn is_type(object: &Object, name: &str) -> bool {
    object.kind == ObjectKind::Type && object.name == name
}

fn kept_type(object: &Object) -> MadeType {
    let name = object.name.clone();
    match &object.composition {
        Some(made) if !made.labels.is_empty() => MadeType::Enum { name, labels: made.labels.clone() },
        _ => MadeType::Other { name, definition: object.definition.clone() },
    }
}

/// The name of a type out of the declaration of a column: of its elements, without quotes.
pub(super) fn bare_name(native: &str) -> String {
    let element = native.trim_end_matches("[]");
    let bare = element.strip_prefix('"').and_then(|e| e.strip_suffix('"'));
    bare.map_or_else(|| element.to_owned(), |quoted| quoted.replace("\"\"", "\""))
}

/// The types that a column's declaration needs beneath its domain.
fn below(origin: &Origin) -> &[MadeType] {
    match (&origin.domain, origin.types.split_last()) {
        (Some(_), Some((_, below))) => below,
        _ => &origin.types,
    }
}

/// Whether nothing has held the values of a column to the type that it is to have again.
pub(in crate::pipeline) fn unguarded(column: &Column, planned: &ColumnPlan) -> bool {
    let Some(origin) = column.origin.as_ref().filter(|origin| !origin.types.is_empty()) else { return false };
    let spelled =
        matches!(origin.holds, DataType::Native { .. }) && planned.native_type == origin.native_type;
    let domain = origin.domain.as_ref().filter(|domain| planned.domain.as_ref() == Some(&domain.name));
    spelled || domain.is_some_and(|domain| domain.unguarded)
}

impl Planner<'_> {
    /// What is kept of a column's domain, and of the types that users made and its declaration needs.
    pub(super) fn kept_types(&self, column: &Column) -> (Option<DomainOrigin>, Vec<MadeType>) {
        let of_domain = column.domain.as_ref().and_then(|domain| Some((domain, self.made_of(&domain.name)?)));
        let (domain, mut types) = match (of_domain, &column.data_type) {
            (Some((domain, types)), _) => {
                let kept = DomainOrigin {
                    name: domain.name.clone(),
                    not_null: !column.nullable,
                    own_not_null: !domain.nullable,
                    default: None,
                    own_default: domain.default.is_some(),
                    checks: Vec::new(),
                    unguarded: false,
                };
                (Some(kept), types)
            }
            (None, DataType::Native { name, .. }) => {
                (None, self.made_of(&bare_name(name)).unwrap_or_default())
            }
            _ => (None, Vec::new()),
        };
        if let DataType::Enum { name: Some(held), .. } = &column.data_type {
            types.retain(|made| made.name() != held);
        }
        (domain, types)
    }

    /// The type of that name after all that it is made of; `None` if one of them is not carried, or not told of.
    fn made_of(&self, name: &str) -> Option<Vec<MadeType>> {
        let objects = &self.input.source.objects;
        let mut needed: Vec<&str> = Vec::new();
        let mut left = vec![name];
        while let Some(name) = left.pop() {
            let object = objects.iter().find(|o| is_type(o, name) && o.reaches.is_empty())?;
            let composition = object.composition.as_ref()?;
            if !needed.contains(&object.name.as_str()) {
                needed.push(&object.name);
                left.extend(composition.uses.iter().map(String::as_str));
            }
        }
        let wanted = |o: &&Object| o.kind == ObjectKind::Type && needed.contains(&o.name.as_str());
        Some(objects.iter().filter(wanted).map(kept_type).collect())
    }

    /// The type that a column had, if users made it and the plan makes it again.
    pub(super) fn made_again(&self, table: &Table, position: usize, origin: &Origin) -> Option<Mapping> {
        let DataType::Native { .. } = &origin.holds else { return None };
        let (name, below) = (bare_name(&origin.native_type), below(origin));
        let again = below.iter().any(|made| made.name() == name)
            && !below.iter().any(|made| self.disputed.contains_key(made.name()))
            && self.refused(table, position).is_none();
        again.then(|| Mapping::plain(&origin.native_type, origin.holds.clone(), Fidelity::Exact))
    }

    /// Why the type that a column had does not take its values.
    fn refused(&self, table: &Table, position: usize) -> Option<&str> {
        self.column_profile(table, position)?.refused.as_deref()
    }

    /// Declares the columns of the table at `at` with the domains that they had, and makes the types that they need.
    /// `restored` says which columns have the type that they had. Of the others a finding says why.
    pub(super) fn restore_types(&mut self, at: usize, planned: &mut [ColumnPlan], restored: &[bool]) {
        let input = self.input;
        let table = &input.source.tables[at];
        for (position, column) in table.columns.iter().enumerate() {
            let origin = origin_here(input, &self.effective[at][position]).cloned();
            let unknown = input.model(&table.name, &column.name).is_none();
            let Some(origin) = origin.filter(|o| unknown && !o.types.is_empty()) else { continue };
            let Some(why) = self.against_type(table, planned, position, &origin, restored[position]) else {
                self.make_types(table, column, &origin.types);
                if let Some(domain) = origin.domain {
                    planned[position].domain = Some(domain.name);
                    if !column.nullable && domain.not_null {
                        planned[position].nullable = self.takes_null(table, column, !domain.own_not_null);
                    }
                }
                continue;
            };
            if restored[position] && self.made_again(table, position, &origin).is_some() {
                self.make_types(table, column, below(&origin));
            }
            let name = origin.domain.map_or_else(|| bare_name(&origin.native_type), |domain| domain.name);
            let text = format!("is {}, not of the type {name:?} again: {why}", planned[position].native_type);
            let note = Note::new(codes::OBJECT_NOT_CARRIED, "type", FindingAction::NotCarried, text);
            self.findings.push(note.table(&table.name).column(&column.name).object(Some(&name)));
        }
    }

    /// What speaks against the type that a column had.
    fn against_type(
        &self,
        table: &Table,
        planned: &[ColumnPlan],
        position: usize,
        origin: &Origin,
        restored: bool,
    ) -> Option<String> {
        if let Some(why) = self.refused(table, position) {
            return Some(format!("it has values that the type does not take: {why}"));
        }
        let last = origin.types.last().map(MadeType::name);
        if origin.domain.as_ref().is_some_and(|domain| last != Some(&domain.name)) {
            return Some("what is kept of it lacks its definition".into());
        }
        let taken = origin.types.iter().find_map(|made| Some((made.name(), self.disputed.get(made.name())?)));
        if let Some((name, why)) = taken {
            return Some(format!("{why} ({name:?})"));
        }
        if !restored || planned[position].native_type != origin.native_type {
            return Some(format!("its values or its keys need more than {}", origin.native_type));
        }
        self.against_domain(table, planned, position, origin.domain.as_ref()?)
    }

    /// What speaks against declaring a column with its domain again.
    fn against_domain(
        &self,
        table: &Table,
        planned: &[ColumnPlan],
        position: usize,
        domain: &DomainOrigin,
    ) -> Option<String> {
        if table.columns[position].nullable && domain.not_null {
            return Some("it takes NULL by now".into());
        }
        // Of all kinds of identity, only a default that calls a sequence goes with a domain.
        let identity = planned[position].identity.as_ref();
        if identity.is_some_and(|i| i.generation != IdentityGeneration::Serial) {
            return Some("its values are handed out by now".into());
        }
        let changed = self.checks_of_domain(table, planned, domain).err()?;
        Some(format!("the check that stood for the domain's is not there as it was: {changed}"))
    }

    /// Where among the table's checks those stand that the domain's became on the way here, or which one does not.
    fn checks_of_domain(
        &self,
        table: &Table,
        planned: &[ColumnPlan],
        domain: &DomainOrigin,
    ) -> Result<Vec<usize>, String> {
        let said = |text: &str| self.expression(text, Want::Truth, table, planned, Changed::All);
        let mut found: Vec<usize> = Vec::with_capacity(domain.checks.len());
        for text in &domain.checks {
            let meaning = said(text);
            // The engine in between has its own way to write what it was told.
            let same = |at: &usize| {
                let now = &table.checks[*at].expression;
                !found.contains(at) && (now == text || (meaning.is_some() && said(now) == meaning))
            };
            // One with a name may be the table's own.
            let first =
                (0..table.checks.len()).filter(same).min_by_key(|at| table.checks[*at].name.is_some());
            found.push(first.ok_or_else(|| text.clone())?);
        }
        Ok(found)
    }

    /// Places of the table's checks that columns of restored domains say by themselves.
    pub(super) fn said_by_domains(&self, table: &Table, planned: &[ColumnPlan]) -> Vec<usize> {
        let columns = table.columns.iter().zip(planned).filter(|(_, planned)| planned.domain.is_some());
        let domains = columns.filter_map(|(column, _)| origin_here(self.input, column)?.domain.as_ref());
        domains.flat_map(|domain| self.checks_of_domain(table, planned, domain).unwrap_or_default()).collect()
    }

    /// Keeps a default that came from a column's domain; on the way back, leaves to the domain what it says.
    pub(super) fn default_of_domain(&self, column: &Column, planned: &mut ColumnPlan, mapping: &Mapping) {
        let given = column.domain.as_ref().is_some_and(|domain| domain.default.is_none());
        if let Some(kept) = planned.origin.as_mut().and_then(|o| o.domain.as_mut())
            && given
            && planned.default.is_some()
        {
            kept.default.clone_from(&column.default);
        }
        let kept = origin_here(self.input, column).and_then(|o| o.domain.as_ref());
        let Some(domain) = kept.filter(|_| planned.domain.is_some()) else { return };
        if planned.identity.is_some() || column.generated.is_some() {
            return;
        }
        let said = |value: &DefaultValue| self.input.rules.default(value, mapping);
        let own = planned.default.take().filter(|_| column.default != Some(DefaultValue::Null));
        planned.default = match own {
            // Without one of its own, a column has that of its domain.
            None if domain.default.is_some() || domain.own_default => said(&DefaultValue::Null),
            own => own.filter(|own| domain.default.as_ref().and_then(said).as_ref() != Some(own)),
        };
    }

    fn make_types(&mut self, table: &Table, column: &Column, types: &[MadeType]) {
        for made in types {
            match made {
                MadeType::Enum { name, labels } => {
                    self.need_type(table, column, &TypePlan { name: name.clone(), labels: labels.clone() });
                }
                MadeType::Other { name, definition } => {
                    if !self.made.iter().any(|other| other.name == *name) {
                        let (name, definition) = (name.clone(), definition.clone());
                        self.made.push(ObjectPlan { kind: ObjectKind::Type, name, definition });
                    }
                }
            }
        }
    }
}
