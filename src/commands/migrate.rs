//! `migrate`: opens both databases, plans, and carries the plan out. What is shown of it is the command line's
//! business; what is done is the pipeline's.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::xxh3_128;

use super::backup::{self, First};
use super::consent::Consent;
use super::dump::{self, DumpReport};
use super::prepare::{Prepared, Towards, Wanted, default_jobs, prepare};
use super::{database_report, dotenv, identity};
use crate::engine::capability::{Snapshot, Source, Staging, Target};
use crate::engine::connect;
use crate::engine::watch::{Watch, briefly};
use crate::model::endpoint::{Endpoint, Flavour};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::plan::{Plan, Scope, TablePlan};
use crate::model::policy::Policies;
use crate::model::report::{DatabaseReport, MigrationReport, TableReport};
use crate::model::rule::{self, TableRule};
use crate::pipeline::copy::BatchSize;
use crate::pipeline::execute::{self, ClaimOf, Settings, TableLoader};
use crate::pipeline::patience::Patience;
use crate::pipeline::preflight::{self, Replaces};
use crate::pipeline::rejects::Rejects;
use crate::pipeline::resume::{self, GoOn};
use crate::pipeline::runs::{self, Command, Record, Recorder, Runs, State, Unsaid};
use crate::techcare;

/// Rows of one `insert_many` unless `--batch-size` says otherwise.
const ORM_BATCH_ROWS: usize = 1000;

/// What was asked for.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Options {
    /// From.
    pub source: Endpoint,
    /// To.
    pub target: Endpoint,
    /// Stop after planning.
    pub dry_run: bool,
    /// Globs of tables to move; empty means all.
    pub tables: Vec<String>,
    /// Globs of tables to leave out.
    pub exclude: Vec<String>,
    /// Which half of the work.
    pub scope: Scope,
    /// Most rows in a batch.
    pub batch_rows: Option<usize>,
    /// Tables at a time.
    pub jobs: Option<usize>,
    /// Whether to ask the target what arrived.
    pub verify: bool,
    /// File for the `.env` lines that point TechCare at the target.
    pub write_env: Option<PathBuf>,
    /// Whether the source is backed up first.
    pub first: First,
    /// How rows are moved.
    pub loader: Loader,
    /// What was decided about findings.
    pub policies: Policies,
    /// What was decided about names, types and columns.
    pub rules: Vec<TableRule>,
    /// Folder for the file of rejected rows.
    pub rejects: PathBuf,
    /// Go on where a run that was cut short stopped.
    pub resume: bool,
    /// How long, in all, a lost connection is waited for.
    pub retry_for: Duration,
    /// Longest that a view may be run for its proof, on either side.
    pub view_timeout: Option<Duration>,
    /// Write a script instead; the target is then never asked.
    pub dump: Option<Dump>,
    /// Whether tables of the target that hold rows may be replaced.
    pub replace: bool,
    /// The word for replacing them.
    pub consent: Consent,
    /// Folder of the history of runs.
    pub history: PathBuf,
    /// What the run is called there.
    pub recorded_as: Command,
}

/// A script in place of a target.
#[derive(Debug, Clone)]
pub struct Dump {
    /// Its file.
    pub file: PathBuf,
    /// Product that it is for.
    pub flavour: Flavour,
}

impl Options {
    /// Whose the target's claim is: a restore has it since before it saved the present state.
    fn claim(&self) -> ClaimOf {
        if self.recorded_as == Command::Restore { ClaimOf::Caller } else { ClaimOf::Run }
    }

    /// Tables at a time.
    pub(super) fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(default_jobs)
    }

    /// Size of a batch.
    pub(super) fn batch(&self) -> BatchSize {
        let usual = BatchSize::default();
        BatchSize { rows: self.batch_rows.unwrap_or(usual.rows), ..usual }
    }

    /// What is to be planned.
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            tables: &self.tables,
            exclude: &self.exclude,
            scope: self.scope,
            policies: &self.policies,
            rules: &self.rules,
            look_at_rows: true,
            proves: self.dump.is_none(),
            readers: self.jobs(),
            replaces: match (self.recorded_as, self.replace) {
                (Command::Restore, _) => Replaces::Restored,
                (_, true) => Replaces::Rows,
                (_, false) => Replaces::Empty,
            },
        }
    }

    /// Where rows go that this run puts aside.
    pub(super) fn rejects_of(&self, run_id: &str) -> Arc<Rejects> {
        Arc::new(Rejects::new(self.rejects_file(run_id)))
    }

    fn rejects_file(&self, run_id: &str) -> PathBuf {
        self.rejects.join(format!("migration_{run_id}.ndjson"))
    }
}

/// How rows are moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Loader {
    /// The engines' bulk paths.
    #[default]
    Bulk,
    /// SeaORM's entity stream and `insert_many` for TechCare's tables, the bulk paths for all others.
    SeaOrm,
}

/// How it ended, errors apart.
#[derive(Debug)]
pub enum Outcome {
    /// `--dry-run`: the plan, with the tables' profile already in it.
    Planned(Planned),
    /// The plan has blockers: nothing was touched.
    Refused(Planned),
    /// Everything arrived.
    Migrated(MigrationReport),
    /// `--dump`: everything is in the script.
    Dumped(DumpReport),
}

/// A plan and the databases that it is for.
#[derive(Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// From.
    pub source: DatabaseReport,
    /// To.
    pub target: DatabaseReport,
}

impl Planned {
    /// Tells whoever watches how much there is to be done.
    pub(super) fn announce(&self, observer: &Arc<dyn Observer>) {
        let rows = self.plan.tables.iter().map(|t| t.estimated_rows).sum();
        observer.event(&Event::Total { tables: self.plan.tables.len(), rows });
    }

    /// The report of the plan when it has been carried out.
    pub(super) fn report(
        self,
        run_id: String,
        tables: Vec<TableReport>,
        rejects: &Rejects,
        begun: Instant,
    ) -> MigrationReport {
        let mut plan = self.plan;
        let mut findings = std::mem::take(&mut plan.findings);
        rejects.complete(&mut findings);
        MigrationReport {
            run_id,
            source: self.source,
            target: self.target,
            bytes: tables.iter().map(|t| t.bytes).sum(),
            tables,
            findings,
            plan: Some(plan),
            rejects: rejects.file().map(|file| file.display().to_string()),
            backup: None,
            kept: Vec::new(),
            seconds: begun.elapsed().as_secs_f64(),
        }
    }
}

/// Runs the command.
pub async fn run(
    options: &Options,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
) -> Result<Outcome> {
    let begun = Instant::now();
    observer.event(&Event::Phase { phase: Phase::Preflight });
    if let Some(file) = &options.write_env {
        dotenv::refuse_link(file)?;
    }
    if let Some(dump) = &options.dump {
        let watch = Watch::over(&[&options.source], &cancel);
        return watch.attend(dump::run(options, dump, &observer, watch.cancel(), begun)).await;
    }
    let outcome = persist(Work {
        options,
        observer: &observer,
        cancel: &cancel,
        begun,
        backup: OnceCell::new(),
        tried: AtomicBool::new(false),
        patience: Arc::new(Patience::new(options.retry_for)),
        under_way: Arc::default(),
    })
    .await?;
    if let (Outcome::Migrated(_), Some(file)) = (&outcome, &options.write_env) {
        dotenv::write(file, &options.target)?;
    }
    Ok(outcome)
}

/// What all attempts at one migration have in common.
struct Work<'a> {
    options: &'a Options,
    observer: &'a Arc<dyn Observer>,
    cancel: &'a CancellationToken,
    begun: Instant,
    /// The backup of the source, which is made once, before the first attempt that changes anything.
    backup: OnceCell<Option<PathBuf>>,
    /// Whether an attempt has failed.
    tried: AtomicBool,
    /// The pauses that are left to all of them.
    patience: Arc<Patience>,
    /// See [`Settings::under_way`].
    under_way: Arc<AtomicBool>,
}

/// Tries until it is done: what broke because a connection was lost, a server restarted or a lock was not to be had is
/// gone on with, after pauses that grow and differ, or begun again where no row has been written yet. Everything else is told
/// at once, and so is a server that has never answered.
async fn persist(work: Work<'_>) -> Result<Outcome> {
    let mut go_on = if work.options.resume { GoOn::Latest } else { GoOn::New };
    let mut lost: Option<Error> = None;
    loop {
        let error = match attempt(&work, &go_on).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        let never_answered = lost.is_none() && error.kind() == ErrorKind::Unreachable;
        if !error.kind().is_transient() || never_answered {
            return Err(error);
        }
        // What is kept can be gone on with; until the server is back, nothing is known but that.
        let run = error.resumes().or(lost.as_ref().and_then(Error::resumes)).map(str::to_owned);
        if run.is_none() && work.under_way.load(Ordering::Relaxed) {
            return Err(error);
        }
        let Some(pause) = work.patience.next() else { return Err(lost.unwrap_or(error)) };
        let text = format!("{error}; going on in {:.1} s", pause.as_secs_f64());
        work.observer.event(&Event::Warning { text });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = work.cancel.cancelled() => return Err(lost.unwrap_or(error).with_kind(ErrorKind::Interrupted)),
        }
        work.tried.store(true, Ordering::Relaxed);
        if let Some(run) = run {
            go_on = GoOn::With(run);
        }
        if lost.is_none() || error.resumes().is_some() {
            lost = Some(error);
        }
    }
}

async fn attempt(work: &Work<'_>, go_on: &GoOn) -> Result<Outcome> {
    let watch = Arc::new(Watch::over(&[&work.options.source, &work.options.target], work.cancel));
    watch
        .attend(async {
            let source = connect::source(&work.options.source).await?;
            let target = connect::target(&work.options.target).await?;
            let outcome = migrate(work, &watch, go_on, source.as_ref(), target.as_ref()).await;
            briefly(source.close()).await;
            briefly(target.close()).await;
            outcome
        })
        .await
}

async fn migrate(
    work: &Work<'_>,
    watch: &Arc<Watch>,
    go_on: &GoOn,
    source: &dyn Source,
    target: &dyn Target,
) -> Result<Outcome> {
    let options = work.options;
    preflight::different((&options.source, source.facts()), (&options.target, target.facts()))?;
    if let Some(report) = finished(work, go_on, target).await? {
        return Ok(Outcome::Migrated(report));
    }
    let Prepared { plan, snapshot } =
        prepare(options.wanted(), source, Towards::Open(target), work.observer, watch.cancel()).await?;
    let planned = Planned {
        plan,
        source: database_report(&options.source, source.facts()),
        target: database_report(&options.target, target.facts()),
    };

    let outcome = if options.dry_run {
        Ok(Outcome::Planned(planned))
    } else if let Err(error) = preflight::vacant(&planned.plan, &options.target) {
        Err(error)
    } else if planned.plan.blockers().next().is_some() {
        Ok(Outcome::Refused(planned))
    } else if let Err(error) = agreed(options, &planned) {
        Err(error)
    } else {
        let (observer, cancel) = (work.observer, watch.cancel());
        let before = || backup::before(&options.first, &options.source, source, observer, cancel);
        match work.backup.get_or_try_init(before).await {
            Ok(file) => carry_out(work, watch, go_on, planned, source, snapshot.as_ref(), target)
                .await
                .map(|report| MigrationReport {
                    backup: file.as_ref().map(|f| f.display().to_string()),
                    ..report
                })
                .map(Outcome::Migrated),
            Err(error) => Err(error),
        }
    };
    briefly(snapshot.close()).await;
    outcome
}

/// Looks what became of runs that were interrupted in the moment of their switch, and says so. Answers with the report of
/// one that did what this one is asked for: then there is nothing left to do.
async fn finished(work: &Work<'_>, go_on: &GoOn, target: &dyn Target) -> Result<Option<MigrationReport>> {
    let Work { options, observer, begun, .. } = *work;
    if options.claim() == ClaimOf::Caller {
        return Ok(None);
    }
    let runs = Runs::new(&options.history);
    let identity = identity(&options.target, target.facts());
    let records = runs.of(&identity)?;
    let open: Vec<&Record> = records.iter().filter(|record| record.state != State::Done).collect();
    if open.is_empty() {
        return Ok(None);
    }
    if options.dry_run {
        for record in open {
            observer.event(&Event::Warning { text: record.interrupted() });
        }
        return Ok(None);
    }
    let claim = target.claim().await.map_err(|error| match go_on {
        // A server that has not noticed yet that the connection is gone.
        GoOn::With(run) => error.with_kind(ErrorKind::Busy).resumable(run),
        _ => error,
    })?;
    let settled = runs::settle(&runs, target, &identity).await;
    briefly(claim.release()).await;
    let settled = settled?;
    for run in &settled {
        observer.event(&Event::Warning { text: run.told() });
    }
    let asked = asked(options);
    let is_answer = |record: &Record| match go_on {
        GoOn::With(run) => record.run == *run,
        // Whoever replaces what is there wants the source as it is now.
        _ => !options.replace,
    };
    let same = settled.into_iter().rev().find_map(|run| {
        let unsaid = run.record.unsaid.clone().filter(|unsaid| run.happened && unsaid.asked == asked)?;
        is_answer(&run.record).then_some((run.record, unsaid))
    });
    if let Some((record, _)) = same.as_ref().filter(|_| !matches!(go_on, GoOn::With(_))) {
        observer.event(&Event::Warning { text: arrived(record) });
    }
    Ok(same.map(|(record, unsaid)| MigrationReport {
        kept: target.dropping(&record.change),
        run_id: record.run,
        source: record.source.unwrap_or_else(|| record.target.clone()),
        target: record.target,
        bytes: unsaid.tables.iter().map(|table| table.bytes).sum(),
        tables: unsaid.tables,
        findings: unsaid.findings,
        plan: None,
        rejects: unsaid.rejects.filter(|file| file.exists()).map(|file| file.display().to_string()),
        backup: None,
        seconds: begun.elapsed().as_secs_f64(),
    }))
}

/// Of when what has arrived is.
fn arrived(record: &Record) -> String {
    let at = i64::try_from(record.at).ok().and_then(|at| chrono::DateTime::from_timestamp(at, 0));
    let at = at.map_or_else(String::new, |at| at.format(" at %Y-%m-%d %H:%M:%S UTC").to_string());
    format!(
        "what has arrived is the source as it was when run {} began{at}: `techcare-db check --against` compares it with the \
         source of today",
        record.run
    )
}

/// By what the same command is known again: where from, and everything that decides what arrives.
fn asked(options: &Options) -> String {
    let Options { source, tables, exclude, scope, policies, rules, replace, verify, .. } = options;
    let all = format!("{source} {:?}", (tables, exclude, scope, policies, rules, replace, verify));
    format!("{:032x}", xxh3_128(all.as_bytes()))
}

/// Asks before tables that may hold rows are replaced.
fn agreed(options: &Options, planned: &Planned) -> Result<()> {
    let replaced = planned.plan.tables.iter().filter(|table| table.replaces_rows);
    let names: Vec<&str> = replaced.map(|table| table.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let tables = if names.len() == 1 { "table" } else { "tables" };
    options.consent.to(&format!(
        "Replace {tables} {} of {}, and keep the old aside?",
        names.join(", "),
        planned.target.location
    ))
}

async fn carry_out(
    work: &Work<'_>,
    watch: &Arc<Watch>,
    go_on: &GoOn,
    mut planned: Planned,
    source: &dyn Source,
    snapshot: &dyn Snapshot,
    target: &dyn Target,
) -> Result<MigrationReport> {
    let Work { options, observer, begun, .. } = *work;
    // What is being restored is not gone on with: whoever restores again may mean another backup.
    let intent = match options.recorded_as {
        Command::Restore => None,
        _ => resume::intent(&planned.plan, source.facts())?,
    };
    planned.announce(observer);
    let unfinished = resume::find(target, intent.as_ref(), go_on).await?;
    if *go_on == GoOn::Latest && unfinished.is_none() {
        let text = "there is no run to go on with: this one begins at the beginning".to_owned();
        observer.event(&Event::Warning { text });
    }
    let resumes = unfinished.is_some();
    let run_id = unfinished.unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string());
    let rejects = options.rejects_of(&run_id);
    let identity = identity(&options.target, target.facts());
    let runs = Runs::new(&options.history);
    for removed in runs.prepare()? {
        observer.event(&Event::Warning { text: runs::removed(&removed) });
    }
    let record = Record::new(&run_id, options.recorded_as, &identity, planned.target.clone());
    // Whoever reads this may be in another folder.
    let rejected = std::path::absolute(options.rejects_file(&run_id)).ok();
    let unsaid = Unsaid { asked: asked(options), rejects: rejected, ..Unsaid::default() };
    let record = Record { source: Some(planned.source.clone()), unsaid: Some(unsaid), ..record };
    let settings = Settings {
        rejects: rejects.clone(),
        recorder: Some(Recorder::new(runs, record)),
        intent,
        state: resume::state(snapshot).await,
        resume: resumes,
        again: work.tried.load(Ordering::Relaxed),
        patience: work.patience.clone(),
        claim: options.claim(),
        under_way: work.under_way.clone(),
        run_id: run_id.clone(),
        batch: options.batch(),
        jobs: options.jobs(),
        verify: options.verify,
        view_timeout: options.view_timeout,
        observer: observer.clone(),
        watch: watch.clone(),
        loader: match options.loader {
            Loader::Bulk => None,
            Loader::SeaOrm => Some(Arc::new(EntityLoader {
                from: connect::orm(&options.source).await?,
                batch_rows: options.batch_rows.unwrap_or(ORM_BATCH_ROWS),
                observer: observer.clone(),
                rules: options.rules.clone(),
            })),
        },
    };
    let done = execute::execute(&planned.plan, snapshot, target, &settings).await?;
    planned.plan.findings = done.findings;
    let mut report = planned.report(run_id, done.tables, &rejects, begun);
    report.kept = target.dropping(&done.change);
    Ok(report)
}

/// `--loader seaorm`: TechCare's tables through its entities. It reads beside the snapshot that the proof is taken
/// from, so a source that changes in between is found by the proof and nothing is switched on.
struct EntityLoader {
    from: sea_orm::DatabaseConnection,
    batch_rows: usize,
    observer: Arc<dyn Observer>,
    rules: Vec<TableRule>,
}

#[async_trait::async_trait]
impl TableLoader for EntityLoader {
    async fn load(&self, staging: &dyn Staging, table: &TablePlan) -> Result<Option<u64>> {
        // The entities know the tables as they are.
        if table.source != table.name || rule::about(&self.rules, &table.source).is_some() {
            return Ok(None);
        }
        let Some(to) = staging.orm().await? else { return Ok(None) };
        self.observer.event(&Event::TableStarted { table: table.source.clone(), rows: table.estimated_rows });
        let heard = |rows, bytes| {
            self.observer.event(&Event::Rows { table: table.source.clone(), rows, bytes });
        };
        let copied =
            techcare::loader::copy_table(&table.source, &self.from, &to, self.batch_rows, heard).await;
        // The rows are committed or rolled back; a connection that does not close in peace changes neither.
        let _ = to.close().await;
        copied
    }
}
