//! Times without a zone that go into a TIMESTAMP that is there. They are taken as those of UTC, and it holds fewer of them
//! than the type that they have in the source: those beyond are looked for before anything is written.

use super::outgrown::{Suspect, unfit};
use super::plan::findings;
use crate::engine::capability::Snapshot;
use crate::engine::fit::Fit;
use crate::engine::limits::Limits;
use crate::model::codes::DATETIME_RANGE;
use crate::model::error::Result;
use crate::model::plan::{ColumnPlan, Finding, Misfit, Plan};
use crate::model::schema::DataType;

/// Looks at every such column.
pub async fn find(plan: &Plan, source: &dyn Snapshot) -> Result<Vec<Finding>> {
    let limits = Limits::of(plan);
    let taken_as_utc = |column: &&ColumnPlan| {
        matches!(column.carries, DataType::DateTime { .. }) && limits.bounds_times(&column.native_type)
    };
    let mut found = Vec::new();
    for table in &plan.tables {
        let suspects = table.copied().filter(taken_as_utc).map(|column| {
            let native_type = column.native_type.clone();
            let fits: Fit =
                Box::new(move |batch, cell| limits.misfit(&native_type, batch, cell) != Some(DATETIME_RANGE));
            (column.source.clone(), (column.source.clone(), Suspect { fits, all: true }))
        });
        for (column, seen) in unfit(table.clone(), suspects.collect(), source).await? {
            let misfit = Misfit {
                code: DATETIME_RANGE.to_owned(),
                rows: seen.rows,
                keys: seen.keys,
                text: limits.no_instant().to_owned(),
                late: false,
            };
            found.push(findings::misfit(table, &column, &misfit));
        }
    }
    Ok(found)
}
