//! What tables that the application made in the target demand of every row and those of the source do not: a value where
//! NULL is let in here, and what their checks say. Pure. (Unique keys are in [`super::doubts`], references are foreign keys of
//! the plan.)

use super::PlanInput;
use super::data_only::named;
use crate::engine::capability::Rules;
use crate::engine::expression::{self, ColumnFacts, Comparison, Want};
use crate::model::endpoint::Dialect;
use crate::model::plan::{Plan, Scope, TablePlan};
use crate::model::schema::{Collation, Table};

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
        let held: Vec<String> = source
            .checks
            .iter()
            .filter_map(|c| as_written(input.source.dialect, &c.expression, source))
            .collect();
        for (name, text) in checks(input, plan, table) {
            let Some(said) = in_source(input, text, table, source).filter(|said| !held.contains(said)) else {
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
fn in_source(input: &PlanInput<'_>, text: &str, table: &TablePlan, source: &Table) -> Option<String> {
    let same = |a: &str, b: &str| a == b || a.eq_ignore_ascii_case(b);
    let columns = |name: &str| {
        let column = table.copied().find(|c| same(&c.name, name))?;
        facts(source, &column.source)
    };
    expression::translate(input.rules.dialect(), text, input.source.dialect, Want::Truth, &columns)
}

/// A condition of the source as the translator puts it.
fn as_written(dialect: Dialect, text: &str, source: &Table) -> Option<String> {
    let columns =
        |name: &str| facts(source, &source.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name))?.name);
    expression::translate(dialect, text, dialect, Want::Truth, &columns)
}

fn facts(source: &Table, column: &str) -> Option<ColumnFacts> {
    let column = source.column(column)?;
    let comparison = if column.collation.as_ref().is_none_or(Collation::is_exact) {
        Comparison::Exact
    } else {
        Comparison::Loose
    };
    Some(ColumnFacts { name: column.name.clone(), data_type: column.data_type.clone(), comparison })
}
