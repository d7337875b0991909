//! What tables that the application made in the target demand of every row and those of the source do not: a value where
//! NULL is let in here, and what their checks say. Pure. (Unique keys are in [`super::doubts`], references are foreign keys of
//! the plan.)

use super::PlanInput;
use super::comparison::on_both_sides;
use super::data_only::named;
use crate::engine::capability::Rules;
use crate::engine::expression::{self, ColumnFacts, Want};
use crate::model::plan::{ColumnPlan, Plan, Scope, TablePlan};
use crate::model::schema::Table;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Table, as the source names it.
    pub table: String,
    /// What it is.
    pub what: Demanded,
    /// True, in the source's words, for the rows that the target refuses.
    pub refused: String,
}

/// What is demanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demanded {
    /// A value in this column of the source.
    Value(String),
    /// That a check is not false.
    Check {
        /// Its name.
        name: Option<String>,
        /// What it says in the target.
        expression: String,
    },
}

/// All of them that can be said in the source's words. `words` are its rules.
pub fn demands(input: &PlanInput<'_>, plan: &Plan, words: &dyn Rules) -> Vec<Demand> {
    let mut out = Vec::new();
    for table in plan.tables.iter().filter(|t| t.replaces || plan.scope == Scope::DataOnly) {
        let Some(source) = input.source.table(&table.source) else { continue };
        let mut demand = |what, refused| out.push(Demand { table: table.source.clone(), what, refused });
        let key = source.key_columns();
        for column in table.copied().filter(|c| !c.nullable && !key.contains(&c.source)) {
            if source.column(&column.source).is_some_and(|c| c.nullable) {
                let refused = format!("{} IS NULL", words.quote(&column.source));
                demand(Demanded::Value(column.source.clone()), refused);
            }
        }
        // Of those that are carried in these words the rows are asked anyway.
        let theirs = checks(input, plan, table);
        let held: Vec<String> = source
            .checks
            .iter()
            .filter(|check| check.validated || theirs.iter().any(|(_, text)| **text == check.expression))
            .filter_map(|c| as_written(input, plan, &c.expression, table, source))
            .collect();
        for (name, text) in theirs {
            let Some(said) = in_source(input, plan, text, table, source).filter(|said| !held.contains(said))
            else {
                continue;
            };
            let what = Demanded::Check { name: name.cloned(), expression: text.clone() };
            demand(what, format!("NOT (\n{said}\n)"));
        }
    }
    out
}

/// Name and text of the checks that a table has there.
fn checks<'t>(
    input: &PlanInput<'t>,
    plan: &Plan,
    table: &'t TablePlan,
) -> Vec<(Option<&'t String>, &'t String)> {
    if plan.scope != Scope::DataOnly {
        return table.checks.iter().map(|c| (c.name.as_ref(), &c.expression)).collect();
    }
    let there = input.existing.and_then(|e| named(&e.tables, &table.name, |t| &t.name));
    there.iter().flat_map(|t| &t.checks).map(|c| (c.name.as_ref(), &c.expression)).collect()
}

/// A condition of the target in the source's words.
fn in_source(
    input: &PlanInput<'_>,
    plan: &Plan,
    text: &str,
    table: &TablePlan,
    source: &Table,
) -> Option<String> {
    let columns = |name: &str| {
        let column = table.copied().find(|c| c.name == *name || c.name.eq_ignore_ascii_case(name))?;
        facts(input, plan, table, column, source)
    };
    expression::translate(input.rules.dialect(), text, input.source.dialect, Want::Truth, &columns)
}

/// A condition of the source as the translator puts it.
fn as_written(
    input: &PlanInput<'_>,
    plan: &Plan,
    text: &str,
    table: &TablePlan,
    source: &Table,
) -> Option<String> {
    let columns = |name: &str| {
        let column = table.copied().find(|c| c.source.eq_ignore_ascii_case(name))?;
        facts(input, plan, table, column, source)
    };
    expression::translate(input.source.dialect, text, input.source.dialect, Want::Truth, &columns)
}

/// A column as the source names it, with how its text compares on both sides.
fn facts(
    input: &PlanInput<'_>,
    plan: &Plan,
    table: &TablePlan,
    column: &ColumnPlan,
    source: &Table,
) -> Option<ColumnFacts> {
    let from = source.column(&column.source)?;
    let mut planned = column.clone();
    if plan.scope == Scope::DataOnly {
        let there = input.existing.and_then(|e| named(&e.tables, &table.name, |t| &t.name));
        let own = there.and_then(|t| t.column(&column.name)?.collation.as_ref());
        planned.collation = own.map(|c| c.name.clone());
    }
    Some(ColumnFacts {
        name: from.name.clone(),
        data_type: from.data_type.clone(),
        comparison: on_both_sides(input.source.dialect, from.collation.as_ref(), &planned),
    })
}
