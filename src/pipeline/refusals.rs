//! Values that the type that their column had in the target before does not take any more: looked for by the target itself,
//! before anything is written, where nothing in between has held them to that type.

use std::collections::BTreeMap;

use super::copy::{self, BatchSize, Side};
use super::plan::{PlanInput, unguarded};
use crate::engine::capability::{Snapshot, Target};
use crate::engine::stream;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ColumnPlan, ColumnProfile, Plan, Scope, TablePlan, TableProfile};

/// The profiles of the input with what the target refuses; `None` if it refuses nothing.
pub async fn find(
    plan: &Plan,
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    target: &dyn Target,
) -> Result<Option<BTreeMap<String, TableProfile>>> {
    let mut found: Option<BTreeMap<String, TableProfile>> = None;
    for table in plan.tables.iter().filter(|_| plan.scope == Scope::All) {
        let Some(declared) = input.source.table(&table.source) else { continue };
        // Where rows are not to be looked at, there is no profile.
        let looked_at = input.profiles.get(&table.source).is_some_and(|p| p.rows != Some(0));
        for (at, column) in declared.columns.iter().enumerate().filter(|_| looked_at) {
            let planned = table.columns.iter().find(|c| c.source == column.name && c.generated.is_none());
            let Some(planned) = planned.filter(|planned| unguarded(column, planned)) else { continue };
            let Some(why) = look(plan, table, planned, source, target).await? else { continue };
            let profiles = found.get_or_insert_with(|| input.profiles.clone());
            let profile = profiles.entry(table.source.clone()).or_default();
            profile.columns.resize_with(declared.columns.len(), ColumnProfile::default);
            profile.columns[at].refused = Some(why);
        }
    }
    Ok(found)
}

async fn look(
    plan: &Plan,
    table: &TablePlan,
    column: &ColumnPlan,
    source: &dyn Snapshot,
    target: &dyn Target,
) -> Result<Option<String>> {
    let mut alone = TablePlan { key: Vec::new(), ..table.bare(|c| c.name == column.name) };
    for tried in &mut alone.columns {
        tried.domain.clone_from(&column.domain);
    }
    let request = copy::request(&alone, Side::Source, BatchSize::default());
    let (sender, receiver) = stream::channel(request.shape());
    let plan = plan.alone(alone);
    let (read, refused) = tokio::join!(source.read(&request, sender), target.refusal(&plan, receiver));
    match (read, refused) {
        // A refusal ends the reading.
        (_, Ok(Some(why))) => Ok(Some(why)),
        // A value that does not fit anywhere has its own finding.
        (Err(error), Ok(None)) if error.kind() == ErrorKind::Value => Ok(None),
        (read, refused) => copy::both(read, refused),
    }
}
