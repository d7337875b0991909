//! Going on where a run stopped. The journal in staging only saves work; that the rows are right is seen by comparison
//! with the source as it is now: by their number where the source has not changed since, else by reading it once.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::copy::{self, Copied, Tally};
use super::execute::{Settings, load_anew};
use super::verify;
use crate::engine::capability::{Facts, Intent, Journal, Snapshot, Staging, Target, Unfinished};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::mark::Mark;
use crate::model::plan::{Plan, Scope, TablePlan};

/// What a run writes down of itself. `None` for runs that nothing can go on with: those that make tables without rows,
/// those that fill tables in one transaction, and those that put rows aside or change them, whose reject file goes with
/// the run.
pub fn intent(plan: &Plan, source: &Facts) -> Result<Option<Intent>> {
    if plan.scope != Scope::All || plan.policies.touch_rows() {
        return Ok(None);
    }
    let failed = |e: serde_json::Error| Error::internal("the plan cannot be written down").why(e);
    let plan = serde_json::to_string(&lasting(plan)).map_err(failed)?;
    let whole = format!("{}\n{}\n{plan}", env!("CARGO_PKG_VERSION"), source.identity);
    Ok(Some(Intent { hash: format!("{:032x}", xxh3_128(whole.as_bytes())) }))
}

/// A plan without what changes with the rows of the source.
fn lasting(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.findings.clear();
    for table in &mut plan.tables {
        table.estimated_rows = None;
        if let Some(filter) = &mut table.filter {
            filter.left = None;
        }
        for identity in table.columns.iter_mut().filter_map(|c| c.identity.as_mut()) {
            identity.next = None;
        }
    }
    plan
}

/// Which run to go on with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum GoOn {
    /// None: this is a new one.
    #[default]
    New,
    /// The latest that was cut short and did the same.
    Latest,
    /// This one, which this process has begun.
    With(String),
}

/// The run to go on with; `None` where there is none and this is a new one. `Refused` if there is only a run that did
/// something else.
pub async fn find(target: &dyn Target, intent: Option<&Intent>, wanted: &GoOn) -> Result<Option<String>> {
    if *wanted == GoOn::New {
        return Ok(None);
    }
    let mut unfinished = target.unfinished().await?;
    // Run ids begin with their time: the latest first.
    unfinished.sort_by(|a, b| b.run.cmp(&a.run));
    let fits = |run: &&Unfinished| {
        intent.is_some_and(|intent| intent.hash == run.hash)
            && !matches!(wanted, GoOn::With(id) if *id != run.run)
    };
    match (unfinished.iter().find(fits), wanted, unfinished.first()) {
        (Some(found), ..) => Ok(Some(found.run.clone())),
        // Its lock is with a session whose end the server has not noticed yet.
        (None, GoOn::With(id), _) => {
            Err(Error::new(ErrorKind::Busy, format!("run {id} cannot be gone on with yet")).resumable(id))
        }
        (None, _, None) => Ok(None),
        (None, _, Some(other)) => Err(Error::new(
            ErrorKind::Refused,
            format!("run {} was cut short with another plan than this one", other.run),
        )
        .why("its source, its tables, types or rules, or the version of techcare-db were not these")
        .next("run the same command without --resume to remove what it left and to begin anew")),
    }
}

/// Takes up the journal of the run that is gone on with. While the tables are being brought up to date, its marks are
/// of more than one state of the source.
pub async fn take_up(staging: &dyn Staging, state: &str) -> Result<Journal> {
    let journal = staging.journal().await?;
    if journal.source.as_deref() != Some(state) {
        staging.note_source(None).await?;
    }
    Ok(journal)
}

/// Brings what is missing of a table; copies it anew where it turns out that the source has changed, or where nobody
/// wrote down how far it had come.
pub async fn load(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    plan: &Plan,
    table: &TablePlan,
    journal: &Journal,
    settings: &Settings,
) -> Result<Copied> {
    let mark = journal
        .marks
        .get(&table.name)
        .filter(|mark| mark.complete || (mark.through.is_some() && snapshot.seeks()));
    if let Some(mark) = mark {
        let copied = bring_rest(snapshot, staging, table, *mark, settings).await?;
        let unchanged = journal.source.as_deref() == Some(&settings.state);
        if is_whole(snapshot, table, copied, unchanged, settings).await? {
            return Ok(copied);
        }
    }
    if journal.finishing {
        return Err(Error::new(
            ErrorKind::Refused,
            format!(
                "table \"{}\" of the source has changed since its keys and indexes were made",
                table.source
            ),
        )
        .next("run the same command without --resume: everything is copied anew"));
    }
    staging.empty(table).await?;
    load_anew(snapshot, staging, plan, table, settings).await
}

/// Reads and writes what comes after a mark.
async fn bring_rest(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    table: &TablePlan,
    mark: Mark,
    settings: &Settings,
) -> Result<Copied> {
    let before = mark.digest.rows;
    if mark.complete {
        let read = Tally { digest: mark.digest, bytes: mark.bytes };
        return Ok(Copied { read, written: before, before, ..Copied::default() });
    }
    let mut copied =
        copy::copy_table(snapshot, staging, table, settings.batch, mark, None, &settings.observer).await?;
    copied.before = before;
    copied.written += before;
    Ok(copied)
}

/// Whether staging has exactly the rows that the source has now. An unchanged source is told by the number of rows:
/// those that are there are some of its rows, each once. Of a changed one every row is read.
async fn is_whole(
    snapshot: &dyn Snapshot,
    table: &TablePlan,
    copied: Copied,
    unchanged: bool,
    settings: &Settings,
) -> Result<bool> {
    if unchanged {
        let left = table.filter.as_ref().and_then(|f| f.left).unwrap_or(0);
        return Ok(snapshot.count(&table.source).await? == copied.read.digest.rows + left);
    }
    let now = verify::read_source(snapshot, table, settings.batch, &settings.observer).await?;
    Ok(now.digest == copied.read.digest)
}

/// A failure that another run can make good: what has arrived is kept.
pub fn kept(error: Error, run: &str) -> Error {
    // A server that cannot be reached any more is a connection that was lost: the work had begun.
    error.on_the_way().resumable(run).next(
        "what has arrived is kept beside the target, which is as it was: run the same command with --resume to go on",
    )
}

/// The state of the source that a snapshot sees: one of its own where the engine cannot tell states apart.
pub async fn state(snapshot: &dyn Snapshot) -> Arc<str> {
    match snapshot.state().await {
        Some(state) => state.into(),
        None => uuid::Uuid::now_v7().to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Fault, plan};
    use super::*;
    use crate::engine::capability::Source;

    #[test]
    fn only_the_same_work_has_the_same_hash() {
        let fake = Fake::new(Fault::None, &[]);
        let hash = |plan: &Plan| intent(plan, fake.facts()).unwrap().unwrap().hash;
        let one = plan(2);
        let mut grown = one.clone();
        grown.tables[0].estimated_rows = Some(7);
        assert_eq!(hash(&one), hash(&grown));
        let mut other = one.clone();
        other.tables[0].columns[0].native_type = "integer".into();
        assert_ne!(hash(&one), hash(&other));
        assert_ne!(hash(&one), hash(&plan(3)));
        let filled = Plan { scope: Scope::DataOnly, ..one };
        assert_eq!(intent(&filled, fake.facts()).unwrap(), None);
    }
}
