//! What tables that the application made in the target demand of every row and those of the source do not: a value where
//! NULL is let in here, and what their checks say. Pure. (Unique keys are in [`super::doubts`], references are foreign keys of
//! the plan.)

use super::PlanInput;
use super::comparison::on_both_sides;
use super::data_only::named;
use crate::engine::capability::Rules;
use crate::engine::expression::{self, ColumnFacts, Want};
use crate::model::endpoint::Dialect;
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
        let sides = Sides { input, table, source, there: there(input, plan, table) };
        // Of those that are carried in these words the rows are asked anyway.
        let theirs = sides.checks();
        let held: Vec<String> = source
            .checks
            .iter()
            .filter(|check| check.validated || theirs.iter().any(|(_, text)| **text == check.expression))
            .filter_map(|check| sides.said(&check.expression, input.source.dialect, |c| &c.source))
            .collect();
        for (name, text) in theirs {
            let said = sides.said(text, input.rules.dialect(), |c| &c.name);
            if let Some(said) = said.filter(|said| !held.contains(said)) {
                let what = Demanded::Check { name: name.cloned(), expression: text.clone() };
                demand(what, format!("NOT (\n{said}\n)"));
            }
        }
    }
    out
}

/// A table that is filled, as it is in the target; `None` where it is made anew and its plan says what it will be.
fn there<'t>(input: &PlanInput<'t>, plan: &Plan, table: &TablePlan) -> Option<&'t Table> {
    let existing = input.existing.filter(|_| plan.scope == Scope::DataOnly)?;
    named(&existing.tables, &table.name, |t| &t.name)
}

/// A table on both sides.
struct Sides<'t> {
    input: &'t PlanInput<'t>,
    table: &'t TablePlan,
    source: &'t Table,
    there: Option<&'t Table>,
}

impl<'t> Sides<'t> {
    /// Name and text of the checks that the table has in the target.
    fn checks(&self) -> Vec<(Option<&'t String>, &'t String)> {
        match self.there {
            Some(there) => there.checks.iter().map(|c| (c.name.as_ref(), &c.expression)).collect(),
            None => self.table.checks.iter().map(|c| (c.name.as_ref(), &c.expression)).collect(),
        }
    }

    /// A condition of either side in the source's words; `name` is that of a column where the condition comes from.
    fn said(&self, text: &str, from: Dialect, name: impl Fn(&ColumnPlan) -> &String) -> Option<String> {
        let columns = |wanted: &str| {
            let column = self.table.copied().find(|c| name(c).eq_ignore_ascii_case(wanted))?;
            self.facts(column)
        };
        expression::translate(from, text, self.input.source.dialect, Want::Truth, &columns)
    }

    /// A column as the source names it, with how its text compares on both sides.
    fn facts(&self, column: &ColumnPlan) -> Option<ColumnFacts> {
        let from = self.source.column(&column.source)?;
        let mut planned = column.clone();
        if let Some(there) = self.there {
            let own = there.column(&column.name).and_then(|c| c.collation.as_ref());
            planned.collation = own.map(|c| c.name.clone());
        }
        Some(ColumnFacts {
            name: from.name.clone(),
            data_type: from.data_type.clone(),
            comparison: on_both_sides(self.input.source.dialect, from.collation.as_ref(), &planned),
        })
    }
}
