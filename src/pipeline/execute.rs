//! Carries out a plan as it stands: staging, load, keys, proof, switch. Whatever goes wrong before the switch, an
//! interruption included, ends with the target as it was, and with staging removed unless another run can go on with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::computed::Computed;
use super::copy::{self, BatchSize, Copied};
use super::patience::Patience;
use super::plan::views;
use super::rejects::{Rejects, TableJudge};
use super::runs::Recorder;
use super::views::Views;
use super::{orphans, resume, runs, switch, verify};
use crate::engine::capability::{Intent, Journal, Snapshot, Staging, Target};
use crate::engine::watch::{FAREWELL, Watch, briefly};
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::mark::Mark;
use crate::model::plan::{Finding, Plan, Scope, TablePlan};
use crate::model::report::TableReport;

/// How long removing staging may take after a failure before it is left to the next run.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(60);

/// How to carry out a plan.
#[derive(Clone)]
pub struct Settings {
    /// Run, for the names of what is made on the way.
    pub run_id: String,
    /// Size of a batch.
    pub batch: BatchSize,
    /// Tables at a time.
    pub jobs: usize,
    /// Whether to ask the target what arrived.
    pub verify: bool,
    /// Longest that a view may be run for its proof, on either side.
    pub view_timeout: Option<Duration>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Interruption, and servers that are silent.
    pub watch: Arc<Watch>,
    /// Another way to fill tables, tried first.
    pub loader: Option<Arc<dyn TableLoader>>,
    /// Where rows go that the plan's policies put aside.
    pub rejects: Arc<Rejects>,
    /// Where the run is written down, for the way back.
    pub recorder: Option<Recorder>,
    /// What is written down of the run, where another can go on with it.
    pub intent: Option<Intent>,
    /// The state of the source that the snapshot sees.
    pub state: Arc<str>,
    /// Whether `run_id` is a run that was cut short and is gone on with.
    pub resume: bool,
    /// Whether this process has tried before: then whoever has the target is itself, seen by a server that has not
    /// noticed yet that the connection is gone.
    pub again: bool,
    /// How long locks are waited for, with everything else that this process waits for.
    pub patience: Arc<Patience>,
    /// Whose the target's claim is.
    pub claim: ClaimOf,
    /// Set once rows are written. Before, an attempt that failed can be begun again: what it has made is cleared away.
    pub under_way: Arc<AtomicBool>,
}

/// Whose the claim of a target is while a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOf {
    /// This run takes it and gives it back.
    Run,
    /// Whoever calls has it, and keeps it until this is done.
    Caller,
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// What happened to each table, in the order of the plan.
    pub tables: Vec<TableReport>,
    /// The plan's findings, and what only the work itself could find.
    pub findings: Vec<Finding>,
    /// What the switch did.
    pub change: Change,
}

/// Another way to fill a staged table than the engines' bulk paths.
#[async_trait::async_trait]
pub trait TableLoader: Send + Sync {
    /// Fills the table and returns the rows written; `None` if it is not one that this loader knows.
    async fn load(&self, staging: &dyn Staging, table: &TablePlan) -> Result<Option<u64>>;
}

/// Carries out a plan.
pub async fn execute(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    target: &dyn Target,
    settings: &Settings,
) -> Result<Executed> {
    settings.observer.event(&Event::Phase { phase: Phase::Stage });
    if settings.claim == ClaimOf::Caller {
        return in_claim(plan, snapshot, target, settings).await;
    }
    let claim = match target.claim().await {
        Err(error) if settings.again => {
            let error = error.with_kind(ErrorKind::Busy);
            return Err(if settings.resume { error.resumable(&settings.run_id) } else { error });
        }
        claim => claim?,
    };
    let done = in_claim(plan, snapshot, target, settings).await;
    briefly(claim.release()).await;
    done
}

/// Carries a plan out into a target that this run has for itself.
async fn in_claim(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    target: &dyn Target,
    settings: &Settings,
) -> Result<Executed> {
    let staging = unless_ended(settings, stage(plan, target, settings)).await.map_err(answered)?;
    let built = match unless_ended(settings, begin(staging.as_ref(), settings)).await {
        // Nothing of a new run is worth to be kept before its journal has begun.
        Err(error) if !settings.resume => return Err(give_up(staging, answered(error), settings).await),
        Err(error) => Err(error),
        Ok(journal) => {
            settings.under_way.store(true, Ordering::Relaxed);
            unless_ended(settings, build(plan, snapshot, staging.as_ref(), target, journal, settings)).await
        }
    };
    match built {
        Ok((tables, findings)) => {
            settings.observer.event(&Event::Phase { phase: Phase::Switch });
            let findings = all_findings(plan, findings, &settings.rejects);
            let change = switch::make(staging, target, &tables, &findings, settings).await?;
            Ok(Executed { tables, findings, change })
        }
        Err(error) => Err(leave(staging, error, settings).await),
    }
}

/// After a failure: leaves what is staged for another run where one can go on with it, and else removes it.
pub(super) async fn leave(staging: Box<dyn Staging>, error: Error, settings: &Settings) -> Error {
    if settings.intent.is_none() || !error.kind().is_transient() {
        return give_up(staging, error, settings).await;
    }
    match settings.watch.silence() {
        Some(_) => briefly(staging.park()).await,
        None => staging.park().await,
    }
    resume::kept(error, &settings.run_id)
}

/// Does something unless the run is interrupted meanwhile, or a server falls silent.
async fn unless_ended<T>(settings: &Settings, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        done = work => done,
        () = settings.watch.cancel().cancelled() => Err(ended(settings)),
    }
}

/// A server that had answered and cannot be reached any more, or has no connection to spare, is worth another attempt.
fn answered(error: Error) -> Error {
    if error.kind() == ErrorKind::Unreachable { error.with_kind(ErrorKind::Lost) } else { error }
}

/// The plan's findings, with what was found on the way in their place or behind them.
fn all_findings(plan: &Plan, found: Vec<Finding>, rejects: &Rejects) -> Vec<Finding> {
    let mut all = plan.findings.clone();
    for left in found {
        views::replace_finding(&mut all, left);
    }
    rejects.complete(&mut all);
    all
}

/// Clears away what dead runs have left, then makes a place for this one.
async fn stage(plan: &Plan, target: &dyn Target, settings: &Settings) -> Result<Box<dyn Staging>> {
    if let Some(recorder) = &settings.recorder {
        recorder.settle(target).await?;
    }
    let keep = settings.resume.then_some(settings.run_id.as_str());
    for removed in target.clear(keep).await? {
        settings.observer.event(&Event::Warning { text: runs::removed(&removed) });
    }
    if settings.resume {
        target.resume(&settings.run_id, plan).await
    } else {
        target.stage(&settings.run_id, plan).await
    }
}

/// Makes the tables and begins the journal, or takes up that of the run that is gone on with.
async fn begin(staging: &dyn Staging, settings: &Settings) -> Result<Option<Journal>> {
    if settings.resume {
        return resume::take_up(staging, &settings.state).await.map(Some);
    }
    staging.create().await?;
    if let Some(intent) = &settings.intent {
        staging.begin_journal(intent, &settings.state).await?;
    }
    Ok(None)
}

/// Removes staging after a failure, and the file of rows that were put aside; a failure of that too is kept beside the first.
pub(super) async fn give_up(staging: Box<dyn Staging>, mut error: Error, settings: &Settings) -> Error {
    settings.rejects.discard();
    let limit = if settings.watch.silence().is_some() { FAREWELL } else { DISCARD_TIMEOUT };
    match tokio::time::timeout(limit, staging.discard()).await {
        Ok(Ok(())) => error,
        Ok(Err(also)) => {
            error.push(also);
            error
        }
        Err(_) => {
            error.push(Error::new(ErrorKind::Write, "removing what had been staged took too long").next(
                "the target's own tables are as they were; the next run finds the rest and removes it",
            ));
            error
        }
    }
}

/// Everything up to the switch: what happened to each table, and what was found on the way.
async fn build(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    target: &dyn Target,
    journal: Option<Journal>,
    settings: &Settings,
) -> Result<(Vec<TableReport>, Vec<Finding>)> {
    let observer = &settings.observer;
    let journal = journal.as_ref();

    let streams = settings.jobs.min(target.rules().capabilities().writers).max(1);
    let mut copied = vec![None; plan.tables.len()];
    if plan.scope != Scope::SchemaOnly {
        observer.event(&Event::Phase { phase: Phase::Load });
        let done: Vec<(usize, Copied)> = stream::iter(largest_first(plan))
            .map(|at| async move {
                load(snapshot, staging, plan, &plan.tables[at], journal, settings)
                    .await
                    .map(|done| (at, done))
            })
            .buffer_unordered(streams.min(snapshot.readers()).max(1))
            .try_collect()
            .await?;
        for (at, done) in done {
            copied[at] = Some(done);
        }
        if journal.is_some() {
            staging.note_source(Some(&settings.state)).await?;
        }
    }

    orphans::settle(plan, snapshot, staging, settings.batch, &settings.rejects, &mut copied).await?;

    observer.event(&Event::Phase { phase: Phase::Finish });
    let step = |what: &str| observer.event(&Event::Step { what: what.to_owned() });
    if let Err(error) = staging.finish(&step).await {
        // A server that validates foreign keys names the constraint only; what has to be mended are rows.
        verify::refuse_orphans(&staging.orphans().await.unwrap_or_default())?;
        return Err(error);
    }

    let proves = settings.verify && plan.scope != Scope::SchemaOnly;
    if plan.scope != Scope::SchemaOnly {
        verify::refuse_orphans(&staging.orphans().await?)?;
        let proof = async {
            if proves { prove_all(plan, snapshot, staging, streams, &copied, settings).await } else { Ok(()) }
        };
        tokio::try_join!(proof, staging.gather_statistics())?;
    }
    let verified = proves.then_some(true);
    let (batch, verify, rejects) = (settings.batch, settings.verify, settings.rejects.as_ref());
    let views = Views { plan, snapshot, staging, batch, verify, within: settings.view_timeout, rejects };
    let findings = views.make(observer.as_ref()).await?;
    let tables = plan.tables.iter().zip(copied);
    let tables = tables.map(|(table, copied)| report(table, copied, verified)).collect();
    Ok((tables, findings))
}

/// Asks the target what arrived, table by table, and both sides what generated columns hold.
async fn prove_all(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    streams: usize,
    copied: &[Option<Copied>],
    settings: &Settings,
) -> Result<()> {
    settings.observer.event(&Event::Phase { phase: Phase::Verify });
    stream::iter(largest_first(plan))
        .map(|at| prove(staging, &plan.tables[at], copied[at], settings))
        .buffer_unordered(streams)
        .try_collect::<()>()
        .await?;
    let (batch, rejects) = (settings.batch, settings.rejects.as_ref());
    let computed = &Computed { plan, snapshot, staging, batch, rejects };
    stream::iter(&plan.tables)
        .map(|table| computed.prove(table))
        .buffer_unordered(streams.min(snapshot.readers()).max(1))
        .try_collect()
        .await
}

/// Positions of the tables, the largest first, so that no stream is left alone with one at the end.
fn largest_first(plan: &Plan) -> Vec<usize> {
    let mut order: Vec<usize> = (0..plan.tables.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(plan.tables[at].estimated_rows.unwrap_or(0)));
    order
}

async fn prove(
    staging: &dyn Staging,
    table: &TablePlan,
    copied: Option<Copied>,
    settings: &Settings,
) -> Result<()> {
    let read = copied.map(|c| c.read).unwrap_or_default();
    let arrived = verify::read_staged(staging, table, settings.batch, &settings.observer).await?;
    verify::compare(table, read, arrived)
}

async fn load(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    plan: &Plan,
    table: &TablePlan,
    journal: Option<&Journal>,
    settings: &Settings,
) -> Result<Copied> {
    let mut copied = match journal {
        Some(journal) => resume::load(snapshot, staging, plan, table, journal, settings).await?,
        None => load_anew(snapshot, staging, plan, table, settings).await?,
    };
    verify::settle(table, &mut copied, snapshot, &settings.rejects).await?;
    Ok(copied)
}

/// Brings all rows of a table into an empty one.
pub(super) async fn load_anew(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    plan: &Plan,
    table: &TablePlan,
    settings: &Settings,
) -> Result<Copied> {
    // Another loader asks nobody about the rows that it carries.
    let judged = plan.policies.change_rows(&table.source);
    let other = if judged { None } else { through_loader(snapshot, staging, table, settings).await? };
    if let Some(copied) = other {
        return Ok(copied);
    }
    let judge = TableJudge::of(plan, table, &settings.rejects);
    let from = Mark::default();
    copy::copy_table(snapshot, staging, table, settings.batch, from, judge, &settings.observer).await
}

/// The other way to fill a table, where there is one and it knows the table.
async fn through_loader(
    snapshot: &dyn Snapshot,
    staging: &dyn Staging,
    table: &TablePlan,
    settings: &Settings,
) -> Result<Option<Copied>> {
    let Some(loader) = &settings.loader else { return Ok(None) };
    let begun = std::time::Instant::now();
    let Some(written) = loader.load(staging, table).await? else { return Ok(None) };
    let read = verify::read_source(snapshot, table, settings.batch, &settings.observer).await?;
    Ok(Some(Copied { read, written, seconds: begun.elapsed().as_secs_f64(), ..Copied::default() }))
}

/// What a run says about one table.
pub(super) fn report(table: &TablePlan, copied: Option<Copied>, verified: Option<bool>) -> TableReport {
    TableReport {
        name: table.source.clone(),
        target_name: table.name.clone(),
        rows_read: copied.map_or(0, |c| c.read.digest.rows - c.before + c.rejected + c.filtered),
        rows_before: copied.map_or(0, |c| c.before),
        rows_written: copied.map_or(0, |c| c.written),
        rows_rejected: copied.map_or(0, |c| c.rejected),
        rows_filtered: copied.map_or(0, |c| c.filtered),
        bytes: copied.map_or(0, |c| c.read.bytes),
        seconds: copied.map_or(0.0, |c| c.seconds),
        verified,
        digest: copied.map(|c| c.read.digest),
    }
}

/// Why the work was told to end.
pub(super) fn ended(settings: &Settings) -> Error {
    settings.watch.silence().unwrap_or_else(interrupted)
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted before anything was switched on")
        .next("the target is as it was; run the same command again when you are ready")
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::super::fake::{Fake, Fault, plan};
    use super::*;
    use crate::engine::capability::Source;
    use crate::model::event::Silent;

    const ROWS: [i64; 5] = [1, 2, 3, 3, -7];

    fn settings() -> Settings {
        Settings {
            run_id: "run".into(),
            batch: BatchSize { rows: 2, bytes: 1 << 20 },
            jobs: 2,
            verify: true,
            view_timeout: None,
            observer: Arc::new(Silent),
            watch: Arc::new(Watch::none(&CancellationToken::new())),
            loader: None,
            rejects: Arc::new(Rejects::new("unused")),
            recorder: None,
            intent: None,
            state: "now".into(),
            resume: false,
            again: false,
            patience: Arc::new(Patience::new(Duration::ZERO)),
            claim: ClaimOf::Run,
            under_way: Arc::default(),
        }
    }

    async fn run(fault: Fault, settings: &Settings) -> (Result<Executed>, Vec<&'static str>) {
        let engine = Fake::new(fault, &ROWS);
        let snapshot = engine.snapshot(2).await.unwrap();
        let result = execute(&plan(3), snapshot.as_ref(), &engine, settings).await;
        (result, engine.calls())
    }

    #[tokio::test]
    async fn everything_is_proven_before_the_switch() {
        let (result, calls) = run(Fault::None, &settings()).await;
        let tables = result.unwrap().tables;
        assert_eq!(tables.len(), 3);
        for table in &tables {
            assert_eq!((table.rows_read, table.rows_written, table.verified), (5, 5, Some(true)));
        }
        assert_eq!(calls, ["claim", "stage", "create", "finish", "statistics", "switch"]);
    }

    #[tokio::test]
    async fn who_has_the_claim_is_not_asked_for_it() {
        let (result, calls) = run(Fault::None, &Settings { claim: ClaimOf::Caller, ..settings() }).await;
        result.unwrap();
        assert_eq!(calls, ["stage", "create", "finish", "statistics", "switch"]);
    }

    #[tokio::test]
    async fn every_failure_ends_with_staging_removed_and_no_switch() {
        for (fault, kind) in [
            (Fault::Create, ErrorKind::Write),
            (Fault::Read, ErrorKind::Read),
            (Fault::Write, ErrorKind::Space),
            (Fault::Miscount, ErrorKind::Verify),
            (Fault::Finish, ErrorKind::Value),
            (Fault::Orphan, ErrorKind::Value),
            (Fault::Statistics, ErrorKind::Write),
            (Fault::Alter, ErrorKind::Verify),
        ] {
            let (result, calls) = run(fault, &settings()).await;
            assert_eq!(result.unwrap_err().kind(), kind, "{fault:?}");
            assert_eq!(calls.last(), Some(&"discard"), "{fault:?}");
            assert!(!calls.contains(&"switch"), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_lock_at_the_switch_is_waited_for_with_everything_kept() {
        let (result, calls) = run(Fault::Held, &settings()).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(calls[calls.len() - 2..], ["switch", "discard"]);

        let intent = Some(Intent { hash: "hash".into() });
        let (result, calls) = run(Fault::Held, &Settings { intent, ..settings() }).await;
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.resumes()), (ErrorKind::Busy, Some("run")));
        assert_eq!(calls.last(), Some(&"switch"));

        let patience = Arc::new(Patience::new(Duration::from_secs(9)));
        let (result, calls) = run(Fault::Held, &Settings { patience, ..settings() }).await;
        assert_eq!(result.unwrap().tables.len(), 3);
        assert_eq!(calls[calls.len() - 2..], ["switch", "switch"]);
        assert_eq!(calls.iter().filter(|call| **call == "stage").count(), 1);
    }

    #[tokio::test]
    async fn without_proof_nothing_is_claimed() {
        let (result, _) = run(Fault::None, &Settings { verify: false, ..settings() }).await;
        assert!(result.unwrap().tables.iter().all(|t| t.verified.is_none()));
    }

    #[tokio::test]
    async fn an_interruption_is_cleaned_up() {
        let cancel = CancellationToken::new();
        let settings = Settings { watch: Arc::new(Watch::none(&cancel)), ..settings() };
        let stop = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancel.cancel();
        };
        let ((result, calls), ()) = tokio::join!(run(Fault::Hang, &settings), stop);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(calls.last(), Some(&"discard"));
    }
}
