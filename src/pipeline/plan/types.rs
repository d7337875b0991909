//! What travels: the declared types of the source, widened to what the data needs, narrowed to what TechCare's own
//! models say where the data allow it, and made equal across foreign keys. Towards the same dialect nothing is
//! touched: there every column keeps its words.

use std::collections::{BTreeMap, BTreeSet};

use super::own_types::origin_here;
use super::{PlanInput, by_hand};
use crate::engine::fit::{self, Fit};
use crate::model::endpoint::Dialect;
use crate::model::plan::{ColumnPlan, ColumnProfile, Scope, TableProfile};
use crate::model::rule;
use crate::model::schema::{Column, DataType, Table};
use crate::model::value;

/// Position of a column: table and column of the source.
pub(super) type Place = (usize, usize);

/// The columns of every table with the types that have to travel.
pub(super) fn effective(input: &PlanInput<'_>) -> Vec<Vec<Column>> {
    let tables = &input.source.tables;
    let mut columns: Vec<Vec<Column>> = tables.iter().map(|t| t.columns.clone()).collect();
    let is_forced = |table: &str, column: &str| rule::forced_type(input.by_hand, table, column).is_some();
    for (table, columns) in tables.iter().zip(&mut columns) {
        for column in columns {
            if let Some(forced) = by_hand::forced(input.rules, input.by_hand, &table.name, &column.name) {
                column.data_type = input.rules.type_of(&forced);
                column.origin = None;
            }
        }
    }
    if input.verbatim() {
        for column in columns.iter_mut().flatten() {
            if let Some(holds) = origin_here(input, column).map(|origin| origin.holds.clone()) {
                column.data_type = holds;
            }
        }
        return columns;
    }
    for (table, columns) in tables.iter().zip(&mut columns) {
        let profile = input.profiles.get(&table.name);
        for (at, column) in columns.iter_mut().enumerate() {
            if is_forced(&table.name, &column.name) {
                continue;
            }
            let facts = profile.and_then(|p| p.columns.get(at));
            if let Some(holds) = facts.and_then(|facts| facts.outgrown.as_ref()?.holds.clone()) {
                column.data_type = holds;
                continue;
            }
            let needed =
                facts.map_or_else(|| column.data_type.clone(), |facts| widen(&column.data_type, facts));
            // What it was here before, unless the values have outgrown that.
            if let Some(origin) = origin_here(input, column)
                && input.model(&table.name, &column.name).is_none()
                && needed == column.data_type
                && facts.is_none_or(|facts| {
                    facts.outgrown.is_none() && widen(&origin.holds, facts) == origin.holds
                })
            {
                column.data_type = origin.holds.clone();
                continue;
            }
            column.data_type = match input.model(&table.name, &column.name) {
                Some(known) => {
                    let known = facts.map_or_else(|| known.clone(), |facts| widen(known, facts));
                    told_by_model(&known, &needed, input.source.dialect)
                        .or_else(|| settle(&known, &needed, Bound::of(input, profile, facts)))
                        .unwrap_or(needed)
                }
                None => needed,
            };
        }
    }
    for group in joined(tables) {
        let types: Vec<&DataType> = group.iter().map(|(t, c)| &columns[*t][*c].data_type).collect();
        if let Some(common) = common_type(&types, |at| whole_numbers(input, tables, group[at])) {
            let free = |(t, c): &&Place| !is_forced(&tables[*t].name, &tables[*t].columns[*c].name);
            for (table, column) in group.iter().filter(free) {
                columns[*table][*column].data_type = common.clone();
            }
        }
    }
    for (table, columns) in tables.iter().zip(&mut columns) {
        for column in columns {
            // One that goes back to where it came from is as it was.
            if origin_here(input, column).is_some_and(|o| o.holds == column.data_type) {
                continue;
            }
            let name = enum_name(input, &table.name, &column.name);
            if let DataType::Enum { name: none @ None, .. } = &mut column.data_type {
                *none = Some(name);
            }
        }
    }
    columns
}

/// Who can tell which values a column keeps as they are.
pub(in crate::pipeline) enum Doubted {
    /// This does.
    Here(Fit),
    /// Only a server can.
    There,
}

/// Which values the type planned for a column that comes back keeps as they are; `None` if it is no such column, or it is
/// certain that all are, or there is no wider type to turn to.
pub(in crate::pipeline) fn doubted(
    input: &PlanInput<'_>,
    table: &Table,
    position: usize,
    planned: &ColumnPlan,
) -> Option<Doubted> {
    let column = &table.columns[position];
    // Nothing binds what SQLite declares.
    if input.rules.dialect() == Dialect::Sqlite {
        return None;
    }
    let facts = input.profiles.get(&table.name).and_then(|profile| profile.columns.get(position));
    let widest = wider(input, table, column).pop()?;
    match facts.and_then(|facts| facts.outgrown.as_ref()) {
        Some(outgrown) if outgrown.holds == widest => return None,
        None if origin_here(input, column).is_some_and(|o| o.native_type != planned.native_type) => {
            return None;
        }
        _ => {}
    }
    if !input.rules.knows_fit(planned) {
        return Some(Doubted::There);
    }
    let declared = input.rules.type_of(&planned.native_type);
    let bound = input.source.dialect != Dialect::Sqlite && holds(&declared, &column.data_type);
    // What a measure spoke against is not restored ([`effective`]).
    let measured = facts.is_some_and(|facts| match declared {
        DataType::Bool => [facts.min_int, facts.max_int].iter().all(|v| matches!(v, Some(0 | 1))),
        DataType::Int { .. } | DataType::Year => facts.min_int.is_some(),
        DataType::Decimal { .. } => facts.whole_digits.is_some(),
        DataType::Text { fixed, .. } => facts.max_chars.is_some() && !fixed,
        DataType::Bytes { fixed, .. } => facts.max_bytes.is_some() && !fixed,
        DataType::Float32 => facts.classes.is_some(),
        _ => false,
    });
    let neutral = if bound || measured { None } else { fit::neutral(&declared) };
    fit::both(neutral, input.rules.fit(planned)).map(Doubted::Here)
}

/// What a column held in the target before, which is kept with it or lies in the name that SQLite has for its type.
pub(in crate::pipeline) fn former<'a>(
    input: &PlanInput<'_>,
    table: &Table,
    column: &'a Column,
) -> Option<&'a DataType> {
    if let Some(origin) = origin_here(input, column) {
        return Some(&origin.holds);
    }
    // Any text may stand there, or blanks at its end.
    let unchecked = matches!(
        column.data_type,
        DataType::Json { .. }
            | DataType::TimeTz
            | DataType::Interval
            | DataType::Bit { varying: true, .. }
            | DataType::Text { fixed: true, .. }
    );
    let known = input.model(&table.name, &column.name).is_some();
    (input.source.dialect == Dialect::Sqlite && unchecked && !known).then_some(&column.data_type)
}

/// What to turn to where values do not fit what a column held before, the narrowest first; `None` is the type of today.
pub(in crate::pipeline) fn wider(
    input: &PlanInput<'_>,
    table: &Table,
    column: &Column,
) -> Vec<Option<DataType>> {
    let Some(former) = former(input, table, column) else { return Vec::new() };
    let (today, in_sqlite) = (&column.data_type, input.source.dialect == Dialect::Sqlite);
    let mut types = Vec::new();
    match former {
        // Keeps the text of any JSON.
        DataType::Json { binary: true } => types.push(Some(DataType::Json { binary: false })),
        DataType::Text { max_chars, fixed: true } if today == former => {
            types.push(Some(DataType::Text { max_chars: *max_chars, fixed: false }));
        }
        // In SQLite values have the digits that are declared, or a finding of their own.
        _ if in_sqlite => {}
        DataType::Time { .. } => {
            types.push(Some(DataType::Time { precision: 6 }));
            types.push(Some(DataType::TimeSpan { precision: 6 }));
        }
        DataType::TimeSpan { .. } => types.push(Some(DataType::TimeSpan { precision: 6 })),
        _ => {}
    }
    if origin_here(input, column).is_some() {
        types.push(None);
    }
    let is_text = match today {
        DataType::Text { .. } => false,
        DataType::TimeSpan { .. } => in_sqlite,
        other => other.has_text_cells(),
    };
    if is_text {
        types.push(Some(DataType::TEXT));
    }
    types
}

/// A name for an enum that has none in the source, for targets where a type needs one. A table is a type as well.
fn enum_name(input: &PlanInput<'_>, table: &str, column: &str) -> String {
    let mut name = format!("{table}_{column}");
    while input.source.table(&name).is_some() {
        name.push_str("_type");
    }
    super::names::fit(input.rules, &name)
}

/// A declared type that also holds what the data has.
pub(super) fn widen(declared: &DataType, facts: &ColumnProfile) -> DataType {
    match declared {
        DataType::Text { max_chars: Some(most), .. } => {
            let needed = facts.max_chars.unwrap_or(0);
            if needed <= *most {
                return declared.clone();
            }
            DataType::Text { max_chars: roomy(needed), fixed: false }
        }
        DataType::Bytes { max_bytes: Some(most), .. } => {
            let needed = facts.max_bytes.unwrap_or(0);
            if needed <= *most {
                return declared.clone();
            }
            DataType::Bytes { max_bytes: roomy(needed), fixed: false }
        }
        DataType::Int { bits, unsigned } => {
            let (min, max) = (facts.min_int.unwrap_or(0), facts.max_int.unwrap_or(0));
            let unsigned = *unsigned && min >= 0;
            let fits = |bits: u8| {
                let range = DataType::int_range(bits, unsigned);
                range.contains(&min.into()) && range.contains(&max.into())
            };
            // An unsigned type that loses its sign rule has to hold what it held before, too.
            let highest = |bits: u8, unsigned| *DataType::int_range(bits, unsigned).end();
            let before = highest(*bits, matches!(declared, DataType::Int { unsigned: true, .. }));
            let holds = |bits: u8| bits == 64 || highest(bits, unsigned) >= before;
            let bits = [8, 16, 24, 32, 64].into_iter().find(|b| b >= bits && fits(*b) && holds(*b));
            DataType::Int { bits: bits.unwrap_or(64), unsigned }
        }
        DataType::Float32 if facts.doubles => DataType::Float64,
        DataType::Year => {
            let years = [facts.min_int, facts.max_int].into_iter().flatten().all(value::is_year);
            if years { DataType::Year } else { widen(&DataType::Int { bits: 16, unsigned: false }, facts) }
        }
        DataType::Decimal { precision: Some(precision), scale } => {
            let scale = scale.unwrap_or(0);
            let whole = i64::from(*precision) - i64::from(scale);
            let fraction = i64::from(scale).max(i64::from(facts.fraction_digits.unwrap_or(0)));
            let whole = whole.max(i64::from(facts.whole_digits.unwrap_or(0)));
            DataType::Decimal {
                precision: u32::try_from(whole + fraction).ok(),
                scale: i32::try_from(fraction).ok(),
            }
        }
        _ => declared.clone(),
    }
}

/// A length that the data needs now and that leaves room for its like: 255, then powers of two; unbounded once
/// declaring a length serves no purpose.
fn roomy(needed: u64) -> Option<u64> {
    const LONGEST: u64 = 8192;
    match needed {
        0..=255 => Some(255),
        _ => Some(needed.next_power_of_two()).filter(|n| *n <= LONGEST),
    }
}

/// How far the declared type of a source says what its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// The engine enforces it.
    Declared,
    /// Nothing but the data says it, and the data were looked at (or there are none).
    Data,
    /// Nothing but the data says it, and nobody looked.
    Unknown,
}

impl Bound {
    fn of(input: &PlanInput<'_>, table: Option<&TableProfile>, column: Option<&ColumnProfile>) -> Self {
        if input.source.dialect != Dialect::Sqlite {
            return Self::Declared;
        }
        let empty = input.scope == Scope::SchemaOnly || table.is_some_and(|t| t.rows == Some(0));
        let looked = column.is_some_and(|c| c.min_int.is_some() || c.classes.is_some_and(|k| k.integer == 0));
        if empty || looked { Self::Data } else { Self::Unknown }
    }
}

/// The known type, or the least type above it that holds what is declared (where that means something) and what
/// the data needs; `None` where the two are different kinds of things.
fn settle(known: &DataType, needed: &DataType, bound: Bound) -> Option<DataType> {
    match (known, needed) {
        // SQLite declares INTEGER for integers of any width: there the data decide, where they were looked at.
        (DataType::Int { .. }, DataType::Int { .. }) if bound == Bound::Data => Some(known.clone()),
        (DataType::Int { .. }, DataType::Int { .. }) => wider_int(known, needed),
        (DataType::Text { .. }, DataType::Text { max_chars: None, .. }) => Some(needed.clone()),
        (DataType::Text { max_chars: None, .. }, DataType::Text { .. }) => Some(known.clone()),
        (DataType::Text { max_chars: Some(a), .. }, DataType::Text { max_chars: Some(b), fixed }) => {
            Some(DataType::Text { max_chars: Some(*a.max(b)), fixed: *fixed && b >= a })
        }
        (DataType::DateTime { precision: a }, DataType::DateTime { precision: b }) => {
            Some(DataType::DateTime { precision: *a.max(b) })
        }
        (DataType::Float64, DataType::Float32 | DataType::Float64) => Some(DataType::Float64),
        (DataType::Int { bits, .. }, DataType::Year) if *bits >= 16 => Some(known.clone()),
        (a, b) if a == b => Some(known.clone()),
        _ => None,
    }
}

/// A type that SQLite has no word for and its applications write as text or numbers: the model says what is meant, and
/// the reader takes nothing else.
fn told_by_model(known: &DataType, needed: &DataType, source: Dialect) -> Option<DataType> {
    let told = source == Dialect::Sqlite
        && matches!(
            (known, needed),
            // As a UUID, or where that is no type as a CHAR of its length.
            (
                DataType::Uuid | DataType::Text { max_chars: Some(32 | 36), fixed: true },
                DataType::Text { max_chars: Some(32 | 36), .. }
            ) | (DataType::Decimal { scale: Some(_), .. }, DataType::Decimal { precision: None, .. })
        );
    told.then(|| known.clone())
}

/// Whether a column of instants takes wall-clock times: as those of UTC, which is what applications write into engines
/// that have no such type.
pub(super) fn takes_as_utc(there: &DataType, coming: &DataType) -> bool {
    match (there, coming) {
        (DataType::Timestamp { precision: a }, DataType::DateTime { precision: b }) => a >= b,
        _ => false,
    }
}

/// Whether a column of type `there` takes every value of type `coming` unchanged, with the same cells.
pub(super) fn holds(there: &DataType, coming: &DataType) -> bool {
    match (there, coming) {
        (DataType::Enum { labels: a, .. }, DataType::Enum { labels: b, .. }) => a == b,
        (
            DataType::Decimal { precision: a, scale: s },
            DataType::Decimal { precision: Some(b), scale: Some(t) },
        ) => match (a, s) {
            (None, _) => true,
            (Some(a), Some(s)) => s >= t && i64::from(*a) - i64::from(*s) >= i64::from(*b) - i64::from(*t),
            (Some(_), None) => false,
        },
        (DataType::Timestamp { precision: a }, DataType::Timestamp { precision: b })
        | (DataType::Time { precision: a }, DataType::Time { precision: b }) => a >= b,
        (DataType::Bytes { max_bytes: None, .. }, DataType::Bytes { .. }) => true,
        (
            DataType::Bytes { max_bytes: Some(a), fixed: false },
            DataType::Bytes { max_bytes: Some(b), .. },
        ) => a >= b,
        _ => settle(there, coming, Bound::Declared).is_some_and(|settled| settled == *there),
    }
}

/// Whether `a` takes more values than `b`.
pub(super) fn is_wider(a: &DataType, b: &DataType) -> bool {
    // A name for an enum makes it no wider.
    a != b && !matches!(a, DataType::Enum { .. }) && holds(a, b)
}

/// The least integer type that holds both.
fn wider_int(a: &DataType, b: &DataType) -> Option<DataType> {
    let (DataType::Int { bits: a, unsigned: ua }, DataType::Int { bits: b, unsigned: ub }) = (a, b) else {
        return None;
    };
    if ua == ub {
        return Some(DataType::Int { bits: *a.max(b), unsigned: *ua });
    }
    let (signed, unsigned) = if *ua { (b, a) } else { (a, b) };
    let above = [16, 24, 32, 64].into_iter().find(|bits| bits > unsigned)?;
    Some(DataType::Int { bits: above.max(*signed), unsigned: false })
}

/// Columns of UUIDs of which MariaDB's type refuses some, and those that foreign keys tie to one.
pub(super) fn odd_uuids(input: &PlanInput<'_>) -> BTreeSet<Place> {
    let tables = &input.source.tables;
    let mut odd = BTreeSet::new();
    for (at, table) in tables.iter().enumerate() {
        let columns = input.profiles.get(&table.name).map(|profile| profile.columns.as_slice());
        let found = columns.unwrap_or_default().iter().enumerate().filter(|(_, facts)| facts.odd_uuids);
        odd.extend(found.map(|(position, _)| (at, position)));
    }
    if !odd.is_empty() {
        for group in joined(tables) {
            if group.iter().any(|place| odd.contains(place)) {
                odd.extend(group);
            }
        }
    }
    odd
}

/// Columns that foreign keys tie together, in groups of at least two.
fn joined(tables: &[Table]) -> Vec<Vec<Place>> {
    let place = |table: &str, column: &str| -> Option<Place> {
        let at = tables.iter().position(|t| t.name == table)?;
        Some((at, tables[at].columns.iter().position(|c| c.name == column)?))
    };
    let mut leader: BTreeMap<Place, Place> = BTreeMap::new();
    let find = |leader: &BTreeMap<Place, Place>, mut at: Place| {
        while let Some(next) = leader.get(&at).filter(|next| **next != at) {
            at = *next;
        }
        at
    };
    for table in tables {
        for key in &table.foreign_keys {
            for (own, other) in key.columns.iter().zip(&key.referenced_columns) {
                if let (Some(own), Some(other)) = (place(&table.name, own), place(&key.references, other)) {
                    let (a, b) = (find(&leader, own), find(&leader, other));
                    leader.insert(a.max(b), a.min(b));
                    leader.entry(a.min(b)).or_insert(a.min(b));
                }
            }
        }
    }
    let mut groups: BTreeMap<Place, Vec<Place>> = BTreeMap::new();
    for at in leader.keys() {
        groups.entry(find(&leader, *at)).or_default().push(*at);
    }
    groups.into_values().filter(|g| g.len() > 1).collect()
}

/// One type for columns that refer to each other, because servers compare the types of a foreign key's two ends;
/// `None` where they are equal already or have none in common. `whole` tells whether a column of decimals
/// holds nothing but integers of 64 bits.
fn common_type(types: &[&DataType], whole: impl Fn(usize) -> bool) -> Option<DataType> {
    let (first, rest) = types.split_first()?;
    if rest.iter().all(|t| t == first) {
        return None;
    }
    let is_int = |t: &DataType| matches!(t, DataType::Int { .. });
    let is_decimal = |t: &DataType| matches!(t, DataType::Decimal { .. });
    if types.iter().all(|t| is_int(t)) {
        return rest.iter().try_fold((*first).clone(), |common, next| wider_int(&common, next));
    }
    if types.iter().all(|t| is_int(t) || is_decimal(t)) {
        let integers = types.iter().enumerate().all(|(at, t)| is_int(t) || whole(at));
        return Some(if integers {
            DataType::INT64
        } else {
            DataType::Decimal { precision: None, scale: None }
        });
    }
    let lengths = types.iter().map(|t| match t {
        DataType::Text { max_chars, fixed } => Some((*max_chars, *fixed)),
        _ => None,
    });
    let lengths: Vec<(Option<u64>, bool)> = lengths.collect::<Option<_>>()?;
    let longest =
        lengths.iter().map(|(n, _)| *n).collect::<Option<Vec<u64>>>().and_then(|n| n.into_iter().max());
    Some(DataType::Text { max_chars: longest, fixed: lengths.iter().all(|(_, fixed)| *fixed) })
}

/// Whether the data of a column are integers of 64 bits, whatever it was declared as.
fn whole_numbers(input: &PlanInput<'_>, tables: &[Table], (table, column): Place) -> bool {
    let Some(profile) = input.profiles.get(&tables[table].name) else { return false };
    profile.rows == Some(0)
        || profile
            .columns
            .get(column)
            .and_then(|c| c.classes)
            .is_some_and(|k| k.real == 0 && k.text == 0 && k.blob == 0)
}
