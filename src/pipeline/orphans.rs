//! Rows without a parent that a policy puts aside: taken out of staging after the load and before keys are made,
//! again and again, since a row that goes may have been a parent. Their digest goes with them, so the proof closes.

use super::copy::{self, BatchSize, Copied, Side};
use super::rejects::Rejects;
use super::verify;
use crate::engine::capability::{Snapshot, Staging};
use crate::engine::stream;
use crate::model::codes;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, Plan, TablePlan};
use crate::model::policy::Decision;

/// Takes them out; `copied` is what was loaded into each table of the plan, and is put right.
pub async fn reject(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    size: BatchSize,
    rejects: &Rejects,
    copied: &mut [Option<Copied>],
) -> Result<()> {
    let keys: Vec<(usize, &ForeignKeyPlan)> = plan
        .tables
        .iter()
        .enumerate()
        .flat_map(|(at, table)| table.foreign_keys.iter().map(move |key| (at, key)))
        .filter(|(at, key)| is_rejected(plan, &plan.tables[*at], key))
        .collect();
    let mut touched = vec![false; plan.tables.len()];
    loop {
        let mut taken = 0;
        for (at, key) in &keys {
            let removed = take(&plan.tables[*at], key, staging, size, rejects).await?;
            if let (Some(copied), 1..) = (&mut copied[*at], removed.rows) {
                copied.read.digest.remove(removed);
                copied.written = copied.written.saturating_sub(removed.rows);
                copied.rejected += removed.rows;
                touched[*at] = true;
            }
            taken += removed.rows;
        }
        if taken == 0 {
            break;
        }
    }
    for at in (0..plan.tables.len()).filter(|at| touched[*at]) {
        if let Some(copied) = copied[at] {
            let table = &plan.tables[at];
            verify::balance(table, copied, snapshot.count(&table.source).await?)?;
        }
    }
    Ok(())
}

fn is_rejected(plan: &Plan, table: &TablePlan, key: &ForeignKeyPlan) -> bool {
    let column = column(table, key);
    let decision =
        plan.policies.decision(codes::ORPHANS, Some(&table.source), Some(&column), key.name.as_deref());
    decision == Some(Decision::Reject)
}

/// The first referencing column, as named in the source.
fn column(table: &TablePlan, key: &ForeignKeyPlan) -> String {
    let named = key.columns.first().and_then(|name| table.columns.iter().find(|c| c.name == *name));
    named.map(|c| c.source.clone()).unwrap_or_default()
}

async fn take(
    table: &TablePlan,
    key: &ForeignKeyPlan,
    staging: &dyn Staging,
    size: BatchSize,
    rejects: &Rejects,
) -> Result<Digest> {
    let request = copy::request(table, Side::Target, size);
    // Keys are told in the words of the source.
    let (sender, receiver) = stream::channel(copy::shape(&copy::request(table, Side::Source, size)));
    let column = column(table, key);
    let (mut deleted, mut removed, mut scratch) = (0, Digest::default(), Vec::new());
    let take = async {
        deleted = staging.take_orphans(table, key, &request, sender).await?;
        Ok(())
    };
    let note = receiver.drain(|batch| {
        removed.add_batch(batch, &mut scratch);
        (0..batch.rows())
            .try_for_each(|row| rejects.reject(&table.source, &column, codes::ORPHANS, &batch.row_key(row)))
    });
    let (taken, noted) = tokio::join!(take, note);
    copy::both(taken, noted)?;
    if deleted == removed.rows {
        return Ok(removed);
    }
    Err(Error::new(
        ErrorKind::Verify,
        format!(
            "table \"{}\": {} rows without a parent were read, {deleted} removed",
            table.source, removed.rows
        ),
    ))
}
