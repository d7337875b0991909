//! Rows that a unique key of the target would take for one, although the source tells them apart: looked for before
//! anything is written, by the target itself, since nobody else knows how it compares.

use super::copy::{self, BatchSize, Side};
use super::plan::doubts::{Doubt, doubts};
use super::plan::{PlanInput, findings};
use crate::engine::capability::{Matching, Snapshot, Target};
use crate::engine::stream;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{Finding, Plan};

/// Looks at every unique key that may find some.
pub async fn find(
    plan: &Plan,
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    target: &dyn Target,
) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for doubt in doubts(input, plan) {
        match look(plan, &doubt, source, target).await {
            Ok(matching) if matching.rows > 0 => found.push(findings::collisions(&doubt, &matching)),
            Ok(_) => {}
            // A value that does not fit has its own finding; where such rows are put aside, the load will tell.
            Err(error) if error.kind() == ErrorKind::Value => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

async fn look(plan: &Plan, doubt: &Doubt, source: &dyn Snapshot, target: &dyn Target) -> Result<Matching> {
    let alone = plan.alone(doubt.table.clone());
    let request = copy::request(&doubt.table, Side::Source, BatchSize::default());
    let (sender, receiver) = stream::channel(request.shape());
    let (read, found) =
        tokio::join!(source.read(&request, sender), target.collisions(&alone, &doubt.key, receiver));
    copy::both(read, found)
}
