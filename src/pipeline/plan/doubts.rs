//! Unique keys about which only the target can say whether the source's rows fit: where it compares text in another
//! way than the source, or values where the source compares spellings of them, two that are different there may be one
//! here. Pure.

use super::PlanInput;
use super::comparison::{Ignored, has_language, ignored};
use super::data_only::named;
use crate::engine::expression;
use crate::model::endpoint::Dialect;
use crate::model::plan::{ColumnPlan, IndexPartPlan, IndexPlan, KeyPlan, Plan, Scope, TablePlan};
use crate::model::schema::{DataType, Index, IndexKey, Schema, Table};

/// A unique key that may find duplicates.
#[derive(Debug, Clone, PartialEq)]
pub struct Doubt {
    /// The table, with only the columns that the key needs, and those that name its rows. No column forbids anything.
    pub table: TablePlan,
    /// The key.
    pub key: IndexPlan,
    /// The column of the source with a value that may be equal to another one; the key's first if the source has no such key.
    pub column: String,
    /// Whether only the target's own table has the key.
    pub of_target: bool,
}

/// All of them.
pub fn doubts(input: &PlanInput<'_>, plan: &Plan) -> Vec<Doubt> {
    let mut out = Vec::new();
    for table in &plan.tables {
        let Some(source) = input.source.table(&table.source) else { continue };
        let (table, keys) = match input.existing.filter(|_| plan.scope == Scope::DataOnly) {
            Some(existing) => as_there(table, existing),
            None => (table.clone(), unique_keys(table)),
        };
        let own = table.replaces || plan.scope == Scope::DataOnly;
        for key in keys {
            let new = if own { unguarded(source, &table, &key) } else { None };
            let of_target = new.is_some();
            let alike = || doubtful(input, source, &table, &key).map(str::to_owned);
            if let Some(column) = new.or_else(alike) {
                let table = narrowed(&table, &key, plan.target);
                out.push(Doubt { table, key, column, of_target });
            }
        }
    }
    out
}

/// A foreign key by which the source finds parents that the target's key tells apart from the reference: they differ in
/// case, accents or blanks at the end. All names are the source's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseReference {
    /// Table that refers.
    pub table: String,
    /// Its columns, each with whether it holds text.
    pub columns: Vec<(String, bool)>,
    /// Table that is referred to.
    pub references: String,
    /// Its columns.
    pub referenced_columns: Vec<String>,
}

/// All of them among the tables that are carried whole.
pub fn loose_references(input: &PlanInput<'_>, plan: &Plan) -> Vec<LooseReference> {
    if input.verbatim() {
        return Vec::new();
    }
    let plan = plan.unfiltered();
    let mut out = Vec::new();
    for table in &plan.tables {
        for key in &table.foreign_keys {
            let Some(parent) = plan.tables.iter().find(|t| t.name == key.references) else { continue };
            let planned = |of: &'_ TablePlan, name: &String| of.columns.iter().position(|c| c.name == *name);
            let columns =
                key.columns.iter().filter_map(|name| planned(table, name).map(|at| &table.columns[at]));
            let referenced: Vec<&ColumnPlan> = key
                .referenced_columns
                .iter()
                .filter_map(|name| planned(parent, name).map(|at| &parent.columns[at]))
                .collect();
            let declared = input.source.table(&parent.source);
            let loosens = |c: &&ColumnPlan| {
                let had = declared.and_then(|t| t.column(&c.source)?.collation.as_ref());
                had.is_some_and(|had| !Ignored::by(had).beyond(ignored(Some(c))).is_exact())
            };
            if referenced.iter().any(loosens) {
                out.push(LooseReference {
                    table: table.source.clone(),
                    columns: columns.map(|c| (c.source.clone(), c.carries.has_text_cells())).collect(),
                    references: parent.source.clone(),
                    referenced_columns: referenced.iter().map(|c| c.source.clone()).collect(),
                });
            }
        }
    }
    out
}

/// All of a database by which it may find parents that differ, whoever may come to tell them apart.
pub fn ever_loose(schema: &Schema) -> Vec<LooseReference> {
    let mut out = Vec::new();
    for table in &schema.tables {
        for key in &table.foreign_keys {
            let Some(parent) = schema.table(&key.references) else { continue };
            let loosens = |name: &String| {
                parent.column(name).is_some_and(|c| c.collation.as_ref().is_some_and(|had| !had.is_exact()))
            };
            let text = |name: &String| table.column(name).is_some_and(|c| c.data_type.has_text_cells());
            if key.referenced_columns.iter().any(loosens) {
                out.push(LooseReference {
                    table: table.name.clone(),
                    columns: key.columns.iter().map(|name| (name.clone(), text(name))).collect(),
                    references: parent.name.clone(),
                    referenced_columns: key.referenced_columns.clone(),
                });
            }
        }
    }
    out
}

fn unique_keys(table: &TablePlan) -> Vec<IndexPlan> {
    let primary = table.primary_key.iter().map(|key: &KeyPlan| {
        let parts = key.columns.iter().enumerate().map(|(at, column)| IndexPartPlan {
            prefix: key.prefixes.get(at).copied().flatten(),
            collation: key.collations.get(at).cloned().flatten(),
            ..IndexPartPlan::plain(Some(column.clone()), None)
        });
        IndexPlan::over(key.name.clone(), true, parts.collect())
    });
    primary.chain(table.indexes.iter().filter(|i| i.unique).cloned()).collect()
}

/// A table that is filled, with the collations and unique keys that it has there.
fn as_there(table: &TablePlan, existing: &Schema) -> (TablePlan, Vec<IndexPlan>) {
    let mut out = table.clone();
    let Some(there) = named(&existing.tables, &table.name, |t| &t.name) else { return (out, Vec::new()) };
    for column in &mut out.columns {
        let own = there.column(&column.name).and_then(|c| c.collation.as_ref());
        column.collation = own.map(|c| c.name.clone());
    }
    let primary = there.primary_key.iter().map(|key| {
        let parts = key.columns.iter().map(|c| IndexPartPlan::plain(Some(c.clone()), None));
        IndexPlan::over(key.name.clone(), true, parts.collect())
    });
    let part = |part: &crate::model::schema::IndexPart| {
        let mut planned = match &part.key {
            IndexKey::Column(name) => IndexPartPlan::plain(Some(name.clone()), None),
            IndexKey::Expression(text) => IndexPartPlan::plain(None, Some(text.clone())),
        };
        planned.collation = part.collation.as_ref().map(|c| c.name.clone());
        planned.prefix = part.prefix;
        planned
    };
    let index = |index: &Index| IndexPlan {
        predicate: index.predicate.clone(),
        ..IndexPlan::over(index.name.clone(), true, index.parts.iter().map(part).collect())
    };
    let keys = primary.chain(there.indexes.iter().filter(|i| i.unique).map(index)).collect();
    (out, keys)
}

/// The first column of a key over columns about which no key of the source says that they differ.
fn unguarded(source: &Table, table: &TablePlan, key: &IndexPlan) -> Option<String> {
    let column = |part: &IndexPartPlan| {
        let name = part.column.as_ref().filter(|_| part.prefix.is_none())?;
        table.columns.iter().find(|c| c.name == *name && c.filled).map(|c| c.source.clone())
    };
    let columns: Vec<String> = key.parts.iter().map(column).collect::<Option<_>>()?;
    let plain = |index: &Index| {
        let name = |part: &crate::model::schema::IndexPart| match &part.key {
            IndexKey::Column(name) => Some(name.clone()),
            IndexKey::Expression(_) => None,
        };
        let whole = index.unique && index.predicate.is_none();
        whole.then(|| index.parts.iter().map(name).collect::<Option<Vec<String>>>()).flatten()
    };
    let primary = source.primary_key.as_ref().map(|key| key.columns.clone());
    let mut guarded = primary.into_iter().chain(source.indexes.iter().filter_map(plain));
    let is_new = !guarded.any(|guarded| guarded.iter().all(|name| columns.contains(name)));
    columns.into_iter().next().filter(|_| is_new)
}

/// The first column of a key with values that may be equal in the target alone.
fn doubtful<'t>(
    input: &PlanInput<'_>,
    source: &Table,
    table: &'t TablePlan,
    key: &IndexPlan,
) -> Option<&'t str> {
    let target = input.rules.dialect();
    let text = |c: &&ColumnPlan| source.column(&c.source).is_some_and(|c| c.data_type.is_text());
    let spelled = key.parts.iter().find_map(|part| {
        let mut columns = columns_of(table, part, target).into_iter();
        columns.find(|column| has_spellings(input, source, column)).map(|column| column.source.as_str())
    });
    spelled.or_else(|| {
        key.parts.iter().find_map(|part| {
            let names = columns_of(table, part, target);
            // What an expression makes of text, whatever the column's collation.
            let folded = expressions_of(table, part).any(|text| {
                let text = text.to_ascii_lowercase();
                text.contains("lower(") || text.contains("upper(") || text.contains("lcase(")
            });
            names.into_iter().filter(text).find_map(|column| {
                let collation = part.collation.as_ref().or(column.collation.as_ref());
                let after = collation.map_or_else(Ignored::default, |name| Ignored::by_name(name));
                let after = if folded { after.and_case() } else { after };
                may_join(input, source, column, after).then_some(column.source.as_str())
            })
        })
    })
}

/// Whether the source may have one value of a column in two spellings, and tell them apart. SQLite may have of whatever it has
/// no type for, unless the profile says otherwise.
fn has_spellings(input: &PlanInput<'_>, table: &Table, planned: &ColumnPlan) -> bool {
    let Some(at) = table.columns.iter().position(|c| c.name == planned.source) else { return false };
    let is_spelled = matches!(
        planned.carries,
        DataType::Bool
            | DataType::Uuid
            | DataType::Decimal { .. }
            | DataType::Date
            | DataType::Time { .. }
            | DataType::TimeSpan { .. }
            | DataType::DateTime { .. }
            | DataType::Timestamp { .. }
            | DataType::Bit { .. }
    );
    let tells_apart = input.source.dialect == Dialect::Sqlite && !input.verbatim();
    let one_form = input.profiles.get(&table.name).and_then(|p| p.columns.get(at)?.one_form);
    is_spelled && tells_apart && one_form != Some(true)
}

/// Whether text of a column that is different in the source may be equal under a comparison of the target.
fn may_join(input: &PlanInput<'_>, table: &Table, planned: &ColumnPlan, after: Ignored) -> bool {
    let Some(at) = table.columns.iter().position(|c| c.name == planned.source) else { return false };
    let own = table.columns[at].collation.as_ref();
    let same_rules = input.verbatim()
        && input.source_flavour == input.rules.flavour()
        && own.map(|c| &c.name) == planned.collation.as_ref();
    if after.is_exact() || same_rules {
        return false;
    }
    let ascii = input.profiles.get(&table.name).and_then(|p| p.columns.get(at)?.ascii) == Some(true);
    let before = own.map_or_else(Ignored::default, Ignored::by);
    let gained = after.beyond(before);
    // Engines agree about the case of ASCII letters, unless a language has rules of its own, and about nothing beyond.
    let by_language = |name: &String| has_language(name);
    let agreed =
        ascii && ![own.map(|c| &c.name), planned.collation.as_ref()].into_iter().flatten().any(by_language);
    if agreed { gained.beyond_accents() } else { true }
}

/// The columns that a key is over, those included that a generated column is made of.
fn columns_of<'t>(table: &'t TablePlan, part: &IndexPartPlan, target: Dialect) -> Vec<&'t ColumnPlan> {
    let texts: Vec<&str> = expressions_of(table, part).collect();
    let named = |c: &&ColumnPlan| {
        part.column.as_ref() == Some(&c.name) && c.generated.is_none()
            || texts.iter().any(|text| expression::names(target, text, &c.name))
    };
    table.columns.iter().filter(named).collect()
}

/// The expressions that a key is over.
fn expressions_of<'a>(table: &'a TablePlan, part: &'a IndexPartPlan) -> impl Iterator<Item = &'a str> {
    let generated = table.columns.iter().filter(|c| part.column.as_ref() == Some(&c.name));
    let generated = generated.filter_map(|c| Some(c.generated.as_ref()?.expression.as_str()));
    part.expression.as_deref().into_iter().chain(generated)
}

/// The table with the columns of a key and those that name its rows, forbidding nothing.
fn narrowed(table: &TablePlan, key: &IndexPlan, target: Dialect) -> TablePlan {
    let mut wanted: Vec<String> = table.key.clone();
    wanted.extend(key.parts.iter().filter_map(|p| p.column.clone()));
    let mut texts: Vec<String> = key.parts.iter().filter_map(|p| p.expression.clone()).collect();
    texts.extend(key.predicate.clone());
    let is_wanted = |c: &ColumnPlan, wanted: &[String], texts: &[String]| {
        wanted.contains(&c.name) || texts.iter().any(|text| expression::names(target, text, &c.name))
    };
    // Generated columns need what they are made of.
    loop {
        let more = table.columns.iter().filter(|c| is_wanted(c, &wanted, &texts));
        let more = more.filter_map(|c| Some(c.generated.as_ref()?.expression.clone()));
        let more: Vec<String> = more.filter(|text| !texts.contains(text)).collect();
        if more.is_empty() {
            break;
        }
        texts.extend(more);
    }
    table.bare(|c| is_wanted(c, &wanted, &texts))
}
