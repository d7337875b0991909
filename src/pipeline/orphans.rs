//! Rows without a parent that a policy puts aside, or whose reference it takes away: changed in staging after the load
//! and before keys are made, again and again, since a row that goes may have been a parent. The digest follows, so the
//! proof closes.

use super::copy::{self, BatchSize, Copied, Side};
use super::rejects::Rejects;
use super::verify;
use crate::engine::capability::{Fate, Snapshot, Staging};
use crate::engine::stream;
use crate::model::codes;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ForeignKeyPlan, Plan, TablePlan};
use crate::model::policy::Decision;

/// Does so; `copied` is what was loaded into each table of the plan, and is put right.
pub async fn settle(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    size: BatchSize,
    rejects: &Rejects,
    copied: &mut [Option<Copied>],
) -> Result<()> {
    let keys: Vec<(usize, &ForeignKeyPlan, Fate)> = plan
        .tables
        .iter()
        .enumerate()
        .flat_map(|(at, table)| table.foreign_keys.iter().map(move |key| (at, key)))
        .filter_map(|(at, key)| Some((at, key, fate(plan, &plan.tables[at], key)?)))
        .collect();
    let mut touched = vec![false; plan.tables.len()];
    loop {
        let mut taken = 0;
        for (at, key, fate) in &keys {
            let (before, after) = take(&plan.tables[*at], key, *fate, staging, size, rejects).await?;
            let removed = before.rows - after.rows;
            if let (Some(copied), 1..) = (&mut copied[*at], before.rows) {
                copied.read.digest.remove(before);
                copied.read.digest.merge(after);
                copied.written = copied.written.saturating_sub(removed);
                copied.rejected += removed;
                touched[*at] = true;
            }
            taken += before.rows;
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

/// What was decided about the orphans of a key; `None` where they stop the migration.
fn fate(plan: &Plan, table: &TablePlan, key: &ForeignKeyPlan) -> Option<Fate> {
    let column = column(table, key);
    match plan.policies.decision(codes::ORPHANS, Some(&table.source), Some(&column), None)? {
        Decision::Reject => Some(Fate::Deleted),
        Decision::Convert => table.takes_null(key).then_some(Fate::Cut),
        Decision::Stop | Decision::Accept => None,
    }
}

/// The first referencing column, as named in the source.
fn column(table: &TablePlan, key: &ForeignKeyPlan) -> String {
    let named = key.columns.first().and_then(|name| table.columns.iter().find(|c| c.name == *name));
    named.map(|c| c.source.clone()).unwrap_or_default()
}

/// Changes the orphans of one key; answers what they were and what is left of them.
async fn take(
    table: &TablePlan,
    key: &ForeignKeyPlan,
    fate: Fate,
    staging: &dyn Staging,
    size: BatchSize,
    rejects: &Rejects,
) -> Result<(Digest, Digest)> {
    let request = copy::request(table, Side::Target, size);
    // Keys are told in the words of the source.
    let (sender, receiver) = stream::channel(copy::request(table, Side::Source, size).shape());
    let column = column(table, key);
    let cut: Vec<usize> = (request.columns.iter().enumerate())
        .filter_map(|(at, c)| key.columns.contains(&c.name).then_some(at))
        .collect();
    let (mut changed, mut scratch) = (0, Vec::new());
    let (mut before, mut after) = (Digest::default(), Digest::default());
    let take = async {
        changed = staging.take_orphans(table, key, fate, &request, sender).await?;
        Ok(())
    };
    let note = receiver.drain(|batch| {
        before.add_batch(batch, &mut scratch);
        let mut left = batch.clone();
        for row in 0..batch.rows() {
            let called = batch.row_key(row);
            match fate {
                Fate::Deleted => rejects.reject(&table.source, &column, codes::ORPHANS, &called)?,
                Fate::Cut => rejects.convert(&table.source, &column, codes::ORPHANS, &called),
            }
            for at in &cut {
                left.set_null(row, *at);
            }
        }
        if fate == Fate::Cut {
            after.add_batch(&left, &mut scratch);
        }
        Ok(())
    });
    let (taken, noted) = tokio::join!(take, note);
    copy::both(taken, noted)?;
    if changed == before.rows {
        return Ok((before, after));
    }
    Err(Error::new(
        ErrorKind::Verify,
        format!(
            "table \"{}\": {} rows without a parent were read, {changed} changed",
            table.source, before.rows
        ),
    ))
}
