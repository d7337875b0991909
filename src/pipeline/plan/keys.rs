//! How long keys may be: which columns have to be bounded because a key covers them whole, and which indexes have
//! to look at the beginnings of their columns or go.

use std::collections::HashSet;

use super::Planner;
use super::indexes::Shape;
use crate::engine::capability::KeyLimit;
use crate::engine::expression;
use crate::model::plan::{ColumnPlan, IndexPartPlan};
use crate::model::schema::{DataType, Index, IndexKey, PrimaryKey, Table};

/// Bytes that a character may take.
const BYTES_PER_CHAR: u64 = 4;

/// Characters of a column's beginning that serve an index as well as the whole would.
const MOST_PREFIX: u64 = 255;

/// Table and column of what the foreign keys of these tables refer to.
pub(super) fn referenced(tables: &[Table]) -> HashSet<(&str, &str)> {
    let keys = tables.iter().flat_map(|table| &table.foreign_keys);
    keys.flat_map(|key| key.referenced_columns.iter().map(|c| (key.references.as_str(), c.as_str())))
        .collect()
}

impl Planner<'_> {
    /// Whether a column has to be bounded because a key covers it whole: a primary key, a foreign key on either
    /// side, a unique key that the data fit into, or an index, unless that can look at its beginning instead.
    pub(super) fn is_key(&self, at: usize, position: usize) -> bool {
        let table = &self.input.source.tables[at];
        let column = table.columns[position].name.as_str();
        let in_primary = table.primary_key.as_ref().is_some_and(|key| {
            let whole = |at: usize| key.prefixes.get(at).copied().flatten().is_none();
            key.columns.iter().enumerate().any(|(at, c)| c == column && whole(at))
        });
        if in_primary || self.is_referring(table, column) {
            return true;
        }
        let covers = |index: &&Index| {
            matches!(index.method.as_deref(), None | Some("hash" | "btree"))
                && index
                    .parts
                    .iter()
                    .any(|p| p.prefix.is_none() && p.key == IndexKey::Column(column.to_owned()))
        };
        let source = self.input.source.dialect;
        let within = |index: &&Index| {
            index.unique
                && index.parts.iter().any(
                    |p| matches!(&p.key, IndexKey::Expression(text) if expression::names(source, text, column)),
                )
        };
        let mut covering = table.indexes.iter().filter(|i| covers(i) || within(i)).peekable();
        if covering.peek().is_none() {
            return false;
        }
        let KeyLimit::Declared(most) = self.input.rules.key_limit() else { return true };
        let facts = self.column_profile(table, position);
        let (declared, held) = match &self.effective[at][position].data_type {
            DataType::Text { max_chars, .. } => (
                max_chars.map(|n| n.saturating_mul(BYTES_PER_CHAR)),
                facts.and_then(|f| f.max_chars).map(|n| n.saturating_mul(BYTES_PER_CHAR)),
            ),
            DataType::Bytes { max_bytes, .. } => (*max_bytes, facts.and_then(|f| f.max_bytes)),
            _ => return true,
        };
        let bounded = declared.is_some_and(|n| n <= most);
        let unique = covering.any(|i| i.unique) && held.is_none_or(|n| n <= most);
        bounded || unique
    }

    /// Whether a column is part of a foreign key, on either side.
    pub(super) fn is_referring(&self, table: &Table, column: &str) -> bool {
        table.foreign_keys.iter().any(|k| k.columns.iter().any(|c| c == column))
            || self.referenced.contains(&(table.name.as_str(), column))
    }

    /// Whether the target takes the primary key.
    pub(super) fn primary_key_fits(&self, table: &Table, key: &PrimaryKey, columns: &[ColumnPlan]) -> bool {
        let most = match self.input.rules.key_limit() {
            KeyLimit::Unlimited => return true,
            KeyLimit::Stored(most) => {
                let held = |name: &String| {
                    let at = table.columns.iter().position(|c| c.name == *name)?;
                    self.column_profile(table, at)?.max_bytes
                };
                return key.columns.iter().filter_map(held).fold(0, u64::saturating_add) <= most;
            }
            KeyLimit::Declared(most) => most,
        };
        let bytes = key.columns.iter().enumerate().map(|(at, name)| {
            let prefix = key.prefixes.get(at).copied().flatten();
            columns.iter().find(|c| c.source == *name).map_or(0, |c| declared_bytes(c, prefix))
        });
        self.input.verbatim() || bytes.fold(0, u64::saturating_add) <= most
    }

    /// Makes an index as short as the target wants it: by looking at the beginnings of long columns, which a unique
    /// one cannot.
    pub(super) fn shorten(
        &self,
        table: &Table,
        columns: &[ColumnPlan],
        parts: &mut [IndexPartPlan],
        shape: &mut Shape,
    ) -> Result<(), String> {
        if self.input.verbatim() {
            return Ok(());
        }
        let most = match self.input.rules.key_limit() {
            KeyLimit::Unlimited => return Ok(()),
            KeyLimit::Stored(most) => {
                let held = |part: &IndexPartPlan| {
                    let at = columns.iter().position(|c| Some(&c.name) == part.column.as_ref())?;
                    let facts = self.column_profile(table, at)?;
                    facts.max_bytes.or(facts.max_chars)
                };
                let bytes = parts.iter().filter_map(held).fold(0, u64::saturating_add);
                return if bytes > most {
                    Err(format!("its values take up to {bytes} bytes, and a key of the target {most}"))
                } else {
                    Ok(())
                };
            }
            KeyLimit::Declared(most) => most,
        };
        let planned = |part: &IndexPartPlan| columns.iter().find(|c| Some(&c.name) == part.column.as_ref());
        let bytes = |part: &IndexPartPlan| planned(part).map_or(0, |c| declared_bytes(c, part.prefix));
        if parts.iter().map(bytes).fold(0, u64::saturating_add) <= most {
            return Ok(());
        }
        let long = |part: &IndexPartPlan| planned(part).and_then(unit).is_some();
        let others = parts.iter().filter(|p| !long(p)).map(bytes).fold(0, u64::saturating_add);
        let count = u64::try_from(parts.iter().filter(|p| long(p)).count()).unwrap_or(u64::MAX);
        let each = most.saturating_sub(others) / count.max(1);
        for part in parts.iter_mut() {
            let Some(unit) = planned(part).and_then(unit) else { continue };
            if bytes(part) > each {
                part.prefix = u32::try_from((each / unit).min(MOST_PREFIX)).ok();
            }
        }
        if parts.iter().any(|p| p.prefix == Some(0)) {
            return Err(format!("the target takes keys of {most} bytes"));
        }
        shape.plainer.push("covers the beginnings of its columns".into());
        shape.forgets_unique();
        Ok(())
    }
}

/// Bytes of one character or byte of a column that a prefix can cut; `None` for other types.
fn unit(column: &ColumnPlan) -> Option<u64> {
    let name = column.native_type.to_ascii_lowercase();
    if name.contains("char") || name.contains("text") {
        Some(BYTES_PER_CHAR)
    } else if name.contains("binary") || name.contains("blob") {
        Some(1)
    } else {
        None
    }
}

/// Bytes that a column, or its beginning, may take in a key.
pub(super) fn declared_bytes(column: &ColumnPlan, prefix: Option<u32>) -> u64 {
    /// What no other type exceeds.
    const OTHER: u64 = 32;
    let Some(unit) = unit(column) else { return OTHER };
    let length = || {
        let (_, rest) = column.native_type.split_once('(')?;
        rest.split(')').next()?.trim().parse::<u64>().ok()
    };
    prefix.map(u64::from).or_else(length).map_or(u64::MAX, |n| n.saturating_mul(unit))
}
