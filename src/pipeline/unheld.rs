//! `--data-only`: values that a column of the target refuses or changes, although it is of their kind: letters that its
//! character set has not, UUIDs that MariaDB takes for others, times with more digits of a second than it has. The type alone does not tell them; they are looked for before
//! anything is written.

use super::outgrown::{Suspect, unfit};
use super::plan::{PlanInput, findings};
use crate::engine::capability::Snapshot;
use crate::engine::fit::{self, Fit};
use crate::model::codes::TARGET_MISMATCH;
use crate::model::error::Result;
use crate::model::plan::{ColumnPlan, Finding, Misfit, Plan, Scope};
use crate::model::schema::DataType;

/// Which times a column has the digits for; `None` of other types, which hold whatever the plan lets into them.
fn of_time(there: &DataType) -> Option<Fit> {
    let is_time = matches!(
        there,
        DataType::DateTime { .. }
            | DataType::Timestamp { .. }
            | DataType::Time { .. }
            | DataType::TimeSpan { .. }
    );
    is_time.then(|| fit::neutral(there)).flatten()
}

/// Looks at every column that may not take all values.
pub async fn find(plan: &Plan, input: &PlanInput<'_>, source: &dyn Snapshot) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    let Some(existing) = input.existing.filter(|_| plan.scope == Scope::DataOnly) else { return Ok(found) };
    for table in &plan.tables {
        let Some(there) = existing.table(&table.name) else { continue };
        let declared = input.source.table(&table.source);
        let suspects = table.copied().filter_map(|column| {
            let own = there.column(&column.name)?;
            // One of the same words took them in the source.
            let same = declared.and_then(|t| t.column(&column.source)).is_some_and(|from| {
                input.verbatim() && from.native_type == own.native_type && from.collation == own.collation
            });
            let collation = own.collation.as_ref().map(|c| c.name.clone());
            // What is not certain would stop rows that the server takes.
            let known = collation.clone().filter(|name| input.rules.knows_letters(name));
            let fits = input.rules.fit(&ColumnPlan { collation: known, ..column.clone() });
            let fits = fit::both(fits, of_time(&own.data_type))?;
            let words = match collation {
                Some(collation) => format!("{} under {collation}", column.native_type),
                None => column.native_type.clone(),
            };
            (!same).then(|| {
                (column.source.clone(), ((column.source.clone(), words), Suspect { fits, all: false }))
            })
        });
        for ((column, words), seen) in unfit(table.clone(), suspects.collect(), source).await? {
            let misfit = Misfit {
                code: TARGET_MISMATCH.to_owned(),
                rows: seen.rows,
                keys: seen.keys,
                text: format!("{words} of the target would refuse or change values: alter it there"),
                late: false,
            };
            found.push(findings::misfit(table, &column, &misfit));
        }
    }
    Ok(found)
}
