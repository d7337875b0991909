//! Which table and column of one database stands beside which of another, and as what both are read: the names and
//! types that a migration would give them, and where the other database has other types, cells that both can make.

use crate::engine::capability::{ReadColumn, Rules};
use crate::model::plan::{ColumnPlan, Plan, TablePlan};
use crate::model::schema::{Column, DataType, Schema, Table};
use crate::pipeline::plan::named;

/// What can be compared, and what stands on one side only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pairing {
    /// Tables of both.
    pub tables: Vec<TablePair>,
    /// Tables that only this database has.
    pub only_here: Vec<String>,
    /// Tables that only the other one has.
    pub only_there: Vec<String>,
}

/// A table of both.
#[derive(Debug, Clone, PartialEq)]
pub struct TablePair {
    /// Its name here.
    pub name: String,
    /// Its name there.
    pub other: String,
    /// Columns of both.
    pub columns: Vec<ColumnPair>,
    /// Positions among `columns` of those that identify a row; empty where the table has no key.
    pub key: Vec<usize>,
    /// Rows as far as known.
    pub estimated_rows: Option<u64>,
    /// Columns that only this database has.
    pub only_here: Vec<String>,
    /// Columns that only the other one has.
    pub only_there: Vec<String>,
    /// Columns whose types have no common form, with both types.
    pub unlike: Vec<(String, String)>,
}

/// A column of both, each as it is read; both give the same cells for the same value.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnPair {
    /// Here.
    pub here: ReadColumn,
    /// There.
    pub there: ReadColumn,
}

impl TablePair {
    /// The same, read by their types where columns are read as they are stored and one value has several spellings:
    /// between two databases of SQLite `10:00:00` and `10:00:00.000000`. `None` where there is no such column.
    pub fn by_value(&self, here: &dyn Rules, there: &dyn Rules) -> Option<Self> {
        let mut pair = self.clone();
        let mut any = false;
        for column in &mut pair.columns {
            let declared = here.type_of(&column.here.native_type);
            let stored = column.here.carries == DataType::Any && column.there.carries == DataType::Any;
            if !stored || !has_spellings(&declared) {
                continue;
            }
            if let Some(forms) = common(&declared, &there.type_of(&column.there.native_type)) {
                (column.here.carries, column.there.carries) = forms;
                any = true;
            }
        }
        any.then_some(pair)
    }
}

/// Whether a database without types takes more than one text or number for a value of this type.
fn has_spellings(of: &DataType) -> bool {
    matches!(
        kind(of),
        Kind::Bool | Kind::Decimal | Kind::Date | Kind::Time | Kind::DateTime | Kind::Timestamp | Kind::Uuid
    )
}

/// Pairs what a plan from here to there's dialect names. Tables of the other database that the plan passed over by
/// choice (`left_out`) are not missed here.
pub fn pair(plan: &Plan, here: &Schema, there: &Schema, left_out: &[String]) -> Pairing {
    let mut pairing = Pairing::default();
    let mut met = Vec::new();
    for planned in &plan.tables {
        let found = named(&there.tables, &planned.name, |t| &t.name);
        match (here.table(&planned.source), found) {
            (Some(own), Some(other)) => {
                met.push(other.name.as_str());
                pairing.tables.push(table(planned, own, other));
            }
            _ => pairing.only_here.push(planned.source.clone()),
        }
    }
    let chosen_out = |name: &str| left_out.iter().any(|left| left.eq_ignore_ascii_case(name));
    let rest = there.tables.iter().map(|t| &t.name).filter(|name| !met.contains(&name.as_str()));
    pairing.only_there = rest.filter(|name| !chosen_out(name)).cloned().collect();
    pairing
}

fn table(planned: &TablePlan, own: &Table, other: &Table) -> TablePair {
    let mut pair = TablePair {
        name: planned.source.clone(),
        other: other.name.clone(),
        columns: Vec::new(),
        key: Vec::new(),
        estimated_rows: planned.estimated_rows,
        only_here: Vec::new(),
        only_there: Vec::new(),
        unlike: Vec::new(),
    };
    let mut met = Vec::new();
    for column in planned.copied() {
        let Some(there) = named(&other.columns, &column.name, |c| &c.name) else {
            pair.only_here.push(column.source.clone());
            continue;
        };
        met.push(there.name.as_str());
        let declared = own.column(&column.source).map_or(&column.carries, |c| &c.data_type);
        match forms(column, declared, there) {
            Some((carries, other_carries)) => pair.columns.push(ColumnPair {
                here: read(&column.source, &column.source_type, carries),
                there: read(&there.name, &there.native_type, other_carries),
            }),
            None => pair.unlike.push((
                column.source.clone(),
                format!("{} here, {} there", column.source_type, there.native_type),
            )),
        }
    }
    let rest = other.columns.iter().filter(|c| c.generated.is_none() && !met.contains(&c.name.as_str()));
    pair.only_there = rest.map(|c| c.name.clone()).collect();
    let place = |name: &String| pair.columns.iter().position(|c| c.here.name == *name);
    pair.key = own.key_columns().iter().map(place).collect::<Option<_>>().unwrap_or_default();
    pair
}

fn read(name: &str, native_type: &str, carries: DataType) -> ReadColumn {
    ReadColumn { name: name.to_owned(), native_type: native_type.to_owned(), carries, epoch: None }
}

/// What is read on either side. Where the other column has the type that a migration would give it, that is what a
/// migration carries.
fn forms(planned: &ColumnPlan, declared: &DataType, there: &Column) -> Option<(DataType, DataType)> {
    if planned.native_type.eq_ignore_ascii_case(&there.native_type) {
        return Some((planned.carries.clone(), planned.carries.clone()));
    }
    common(declared, &there.data_type)
}

/// What cells a type makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Decimal,
    Float,
    Text,
    Bytes,
    Date,
    Time,
    DateTime,
    Timestamp,
    Uuid,
    Any,
}

fn kind(of: &DataType) -> Kind {
    match of {
        DataType::Bool => Kind::Bool,
        DataType::Int { .. } | DataType::Year => Kind::Int,
        DataType::Decimal { .. } => Kind::Decimal,
        DataType::Float32 | DataType::Float64 => Kind::Float,
        text if text.has_text_cells() => Kind::Text,
        DataType::Bytes { .. } => Kind::Bytes,
        DataType::Date => Kind::Date,
        DataType::Time { .. } | DataType::TimeSpan { .. } => Kind::Time,
        DataType::DateTime { .. } => Kind::DateTime,
        DataType::Timestamp { .. } => Kind::Timestamp,
        DataType::Uuid => Kind::Uuid,
        _ => Kind::Any,
    }
}

/// Types that two columns can be read as, so that equal values are equal cells; `None` if there is no such form.
/// Sessions are in UTC, so that a wall clock there and an instant are the same number.
fn common(here: &DataType, there: &DataType) -> Option<(DataType, DataType)> {
    let both = |form: DataType| Some((form.clone(), form));
    match (kind(here), kind(there)) {
        (a, b) if a == b => Some((here.clone(), there.clone())),
        (Kind::Any, _) => both(there.clone()),
        (_, Kind::Any) => both(here.clone()),
        (Kind::Bool, Kind::Int) | (Kind::Int, Kind::Bool) => both(DataType::Bool),
        (Kind::Int, Kind::Decimal) | (Kind::Decimal, Kind::Int) => {
            both(DataType::Decimal { precision: None, scale: None })
        }
        (Kind::DateTime, Kind::Timestamp) | (Kind::Timestamp, Kind::DateTime) => {
            both(DataType::DateTime { precision: 6 })
        }
        // A TIME whose values have outgrown it is an interval of PostgreSQL.
        (Kind::Time, Kind::Text) if *there == DataType::Interval => both(DataType::TimeSpan { precision: 6 }),
        (Kind::Text, Kind::Time) if *here == DataType::Interval => both(DataType::TimeSpan { precision: 6 }),
        (Kind::Uuid, Kind::Text) | (Kind::Text, Kind::Uuid) => both(DataType::Uuid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_become_equal_cells_whatever_the_declared_types() {
        let int = DataType::Int { bits: 8, unsigned: false };
        let decimal = DataType::Decimal { precision: Some(20), scale: Some(0) };
        assert_eq!(
            common(&DataType::Float32, &DataType::Float64),
            Some((DataType::Float32, DataType::Float64))
        );
        assert_eq!(common(&DataType::Bool, &int), Some((DataType::Bool, DataType::Bool)));
        let unbounded = DataType::Decimal { precision: None, scale: None };
        assert_eq!(common(&int, &decimal), Some((unbounded.clone(), unbounded)));
        assert_eq!(common(&DataType::Any, &int), Some((int.clone(), int.clone())));
        assert_eq!(common(&DataType::Date, &int), None);
        let (time, span) = (DataType::Time { precision: 3 }, DataType::TimeSpan { precision: 6 });
        assert_eq!(common(&time, &DataType::Interval), Some((span.clone(), span.clone())));
        assert_eq!(common(&DataType::Interval, &time), Some((span.clone(), span)));
        assert_eq!(common(&time, &DataType::TEXT), None);
        assert_eq!(common(&DataType::Float64, &decimal), None);
    }
}
