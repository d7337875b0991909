//! Parts of tables, each from one row of the catalogue. Pure.

use std::collections::HashMap;

use super::expression::without_parentheses;
use super::query::{ColumnRow, ConstraintRow, IndexRow, ObjectRow, SequenceRow};
use crate::model::origin::{self, IndexOrigin};
use crate::model::schema::{
    Action, Check, Collation, DataType, Deferrable, ForeignKey, Identity, IdentityGeneration, Index,
    IndexKey, IndexPart, Object, ObjectKind,
};

/// How a column compares, where that is not the default of its type.
pub(super) fn collation(row: &ColumnRow) -> Option<Collation> {
    if row.type_name == "citext" {
        return Some(Collation {
            name: "citext".into(),
            case_insensitive: true,
            ascii_case: false,
            accent_insensitive: false,
            pads: false,
        });
    }
    let locale = row.collation_locale.as_deref().unwrap_or_default();
    Some(by_locale(row.collation.clone()?, (!row.collation_is_deterministic).then_some(locale)))
}

/// A collation; with a locale, one that takes different text for equal (`deterministic = false`).
fn by_locale(name: String, loose: Option<&str>) -> Collation {
    let Some(locale) = loose.map(str::to_ascii_lowercase) else {
        return Collation {
            name,
            case_insensitive: false,
            ascii_case: false,
            accent_insensitive: false,
            pads: false,
        };
    };
    let lower = name.to_ascii_lowercase();
    let base_letters = locale.contains("level1") && !locale.contains("kc-true");
    let named = ["ci", "nocase", "case_insensitive", "insensitive"].iter().any(|part| lower.contains(part));
    Collation {
        case_insensitive: base_letters || locale.contains("level2") || named,
        ascii_case: false,
        accent_insensitive: locale.contains("level1") || lower.contains("accent"),
        pads: false,
        name,
    }
}

/// Who hands out the values of a column, and where it stands.
pub(super) fn identity(
    row: &ColumnRow,
    sequences: &HashMap<i64, &SequenceRow>,
    data_type: &DataType,
) -> Option<Identity> {
    let (generation, sequence) = match row.identity.as_str() {
        "a" => (IdentityGeneration::Always, row.identity_sequence?),
        "d" => (IdentityGeneration::ByDefault, row.identity_sequence?),
        _ => {
            let text = row.default.as_deref()?;
            let is_nextval = text.starts_with("nextval('") && text.ends_with("'::regclass)");
            if !is_nextval || !matches!(data_type, DataType::Int { unsigned: false, .. }) {
                return None;
            }
            (IdentityGeneration::Serial, row.default_sequence?)
        }
    };
    let sequence = sequences.get(&sequence)?;
    let last = i128::from(sequence.last_value.unwrap_or(sequence.start));
    let next = if sequence.is_called { last + i128::from(sequence.increment) } else { last };
    Some(Identity {
        generation,
        next: Some(next),
        increment: sequence.increment,
        sequence: Some(sequence.name.clone()),
    })
}

/// A foreign key under a name of its own, or none.
pub(super) fn foreign_key(row: &ConstraintRow, name: Option<String>) -> ForeignKey {
    ForeignKey {
        name,
        columns: row.columns.clone(),
        references: row.references.clone().unwrap_or_default(),
        referenced_columns: row.referenced_columns.clone(),
        on_delete: action(&row.on_delete),
        on_update: action(&row.on_update),
        deferrable: deferrable(row),
        match_full: row.match_type == "f",
        validated: row.validated,
    }
}

fn action(code: &str) -> Action {
    match code {
        "r" => Action::Restrict,
        "c" => Action::Cascade,
        "n" => Action::SetNull,
        "d" => Action::SetDefault,
        _ => Action::NoAction,
    }
}

fn deferrable(row: &ConstraintRow) -> Deferrable {
    match (row.deferrable, row.deferred) {
        (false, _) => Deferrable::No,
        (true, false) => Deferrable::Immediate,
        (true, true) => Deferrable::Deferred,
    }
}

/// A CHECK under a name of its own, or none.
pub(super) fn check(row: &ConstraintRow, name: Option<String>) -> Option<Check> {
    let expression = without_parentheses(row.expression.as_deref()?).to_owned();
    Some(Check { name, expression, reaches: row.reaches.clone(), validated: row.validated })
}

/// An index, or the constraint that it serves.
pub(super) fn index(row: &IndexRow, constraint: Option<&ConstraintRow>) -> Index {
    let parts = (0..row.keys).map(|at| index_part(row, at)).collect();
    let include = row.columns.iter().skip(row.keys).flatten().cloned().collect();
    Index {
        name: Some(row.name.clone()),
        // An index that could not be built does not forbid anything.
        unique: row.unique && row.valid,
        constraint: constraint.is_some(),
        parts,
        include,
        predicate: row.predicate.as_deref().map(|p| without_parentheses(p).to_owned()),
        method: Some(row.method.clone()).filter(|m| m != "btree"),
        nulls_not_distinct: row.nulls_not_distinct,
        deferrable: constraint.map_or(Deferrable::No, deferrable),
        definition: row.definition.clone(),
        reaches: row.reaches.clone(),
        origin: row.comment.as_deref().and_then(|comment| origin::read::<IndexOrigin>(comment).1),
    }
}

fn index_part(row: &IndexRow, at: usize) -> IndexPart {
    let text = row.texts.get(at).map(String::as_str).unwrap_or_default();
    let column = row.columns.get(at).cloned().flatten();
    let key =
        column.map_or_else(|| IndexKey::Expression(without_parentheses(text).to_owned()), IndexKey::Column);
    let option = row.options.get(at).copied().unwrap_or(0);
    let (descending, first) = (option & 1 != 0, option & 2 != 0);
    let named = |names: &[Option<String>]| names.get(at).cloned().flatten();
    IndexPart {
        key,
        descending,
        nulls_first: (first != descending).then_some(first),
        collation: named(&row.collations)
            .map(|name| by_locale(name, row.loose_locales.get(at).and_then(|locale| locale.as_deref()))),
        prefix: None,
        operator_class: named(&row.classes),
    }
}

/// An object without a neutral form.
pub(super) fn object(row: &ObjectRow) -> Option<Object> {
    let kind = match row.kind.as_str() {
        "virtual_table" => ObjectKind::VirtualTable,
        "schema" => ObjectKind::Schema,
        "large_object" => ObjectKind::LargeObject,
        "other" => ObjectKind::Other,
        "trigger" => ObjectKind::Trigger,
        "routine" => ObjectKind::Routine,
        "policy" => ObjectKind::Policy,
        "constraint" => ObjectKind::Constraint,
        "attribute" => ObjectKind::Attribute,
        "comment" => ObjectKind::Comment,
        "extension" => ObjectKind::Extension,
        _ => return None,
    };
    Some(Object::new(kind, row.name.clone(), row.definition.trim()).of(row.table.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_index_keys_is_read_from_their_options() {
        let row = IndexRow {
            keys: 2,
            columns: vec![Some("a".into()), None, Some("c".into())],
            texts: vec!["a".into(), "lower(b)".into(), "c".into()],
            options: vec![1, 2, 0],
            classes: vec![Some("text_pattern_ops".into()), None, None],
            collations: vec![None, None, None],
            method: "btree".into(),
            valid: true,
            ..IndexRow::default()
        };
        let index = index(&row, None);
        assert_eq!((index.parts[0].descending, index.parts[0].nulls_first), (true, Some(false)));
        assert_eq!((index.parts[1].descending, index.parts[1].nulls_first), (false, Some(true)));
        assert_eq!(index.parts[1].key, IndexKey::Expression("lower(b)".into()));
        assert_eq!(index.include, ["c"]);
        assert_eq!(index.parts[0].operator_class.as_deref(), Some("text_pattern_ops"));
    }
}
