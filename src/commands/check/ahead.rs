//! `check --target`: the plan and the findings of a migration before it is run, made by what `migrate` itself plans
//! with. An engine of which no database is at hand stands for itself, with its defaults. A database that is at hand is
//! also asked whether a migration may build there, by doing so.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Options;
use crate::commands::database_report;
use crate::commands::migrate::Planned;
use crate::commands::prepare::{Prepared, Towards, Wanted, default_jobs, prepare};
use crate::engine::capability::{MissingRight, Snapshot, Source, Target};
use crate::engine::connect;
use crate::model::endpoint::{Endpoint, Flavour};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::Observer;
use crate::model::plan::{Plan, Scope, Severity, TablePlan};
use crate::model::report::DatabaseReport;
use crate::pipeline::preflight::{self, Replaces};

/// Where a migration would lead.
#[derive(Debug, Clone)]
pub struct Aim {
    /// The database.
    pub endpoint: Endpoint,
    /// The product that was named, where nothing more was: it stands for itself if the database cannot be reached.
    pub engine: Option<Flavour>,
}

/// What a migration would do.
#[derive(Debug)]
pub struct Ahead {
    /// The plan with all its findings.
    pub planned: Planned,
    /// Why the plan is for the product's defaults: the target could not be reached. `None` if it was asked.
    pub assumed: Option<String>,
    /// Why `migrate` would not begin although the plan may be carried out: the target is not empty.
    pub occupied: Option<String>,
    /// What `migrate` would lack to build in the target.
    pub missing_right: Option<MissingRight>,
    /// Tables of the target that would give way.
    pub gives_way: Vec<GivesWay>,
}

/// A table of the target that the plan's takes the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GivesWay {
    /// Its name.
    pub table: String,
    /// Rows in it; `None` where they were not counted.
    pub rows: Option<u64>,
}

impl Ahead {
    /// Whether `migrate` would do anything but succeed with exit code 0.
    pub fn has_findings(&self) -> bool {
        self.is_refused() || self.planned.plan.findings.iter().any(|f| f.severity >= Severity::Warning)
    }

    /// Whether `migrate` would refuse.
    pub fn is_refused(&self) -> bool {
        self.occupied.is_some()
            || self.missing_right.is_some()
            || self.planned.plan.blockers().next().is_some()
    }
}

/// Plans.
pub(super) async fn look(
    options: &Options,
    aim: &Aim,
    source: &dyn Source,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Ahead> {
    match (connect::target(&aim.endpoint).await, aim.engine) {
        (Ok(target), _) => {
            let outcome = towards_open(options, aim, source, target.as_ref(), observer, cancel).await;
            target.close().await;
            outcome
        }
        (Err(error), Some(engine)) if is_absence(&error) => {
            let rules = connect::rules(engine, None);
            let towards = Towards::Assumed(rules.as_ref());
            let target = DatabaseReport {
                engine: engine.dialect().to_string(),
                version: None,
                location: aim.endpoint.to_string(),
                origin: aim.endpoint.origin.clone(),
            };
            let planned = plan(options, source, towards, target, observer, cancel).await?;
            Ok(Ahead {
                planned,
                assumed: Some(error.to_string()),
                occupied: None,
                missing_right: None,
                gives_way: Vec::new(),
            })
        }
        (Err(error), _) => Err(error),
    }
}

/// Whether there is no such database to be asked.
fn is_absence(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Login)
}

async fn towards_open(
    options: &Options,
    aim: &Aim,
    source: &dyn Source,
    target: &dyn Target,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Ahead> {
    preflight::different((&options.database, source.facts()), (&aim.endpoint, target.facts()))?;
    let report = database_report(&aim.endpoint, target.facts());
    let planned = plan(options, source, Towards::Open(target), report, observer, cancel).await?;
    let occupied = match preflight::vacant(&planned.plan, &aim.endpoint) {
        Ok(()) => None,
        Err(error) if error.kind() == ErrorKind::Refused => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    let missing_right = preflight::buildable(&planned.plan, target).await?;
    let gives_way = gives_way(&planned.plan, target, !options.quick).await?;
    Ok(Ahead { planned, assumed: None, occupied, missing_right, gives_way })
}

async fn gives_way(plan: &Plan, target: &dyn Target, counted: bool) -> Result<Vec<GivesWay>> {
    let tables: Vec<&TablePlan> = plan.tables.iter().filter(|table| table.replaces).collect();
    if tables.is_empty() || !counted {
        return Ok(tables.iter().map(|table| GivesWay { table: table.name.clone(), rows: None }).collect());
    }
    let snapshot = target.snapshot(1).await?;
    let rows = count(&tables, snapshot.as_ref()).await;
    snapshot.close().await;
    rows
}

async fn count(tables: &[&TablePlan], snapshot: &dyn Snapshot) -> Result<Vec<GivesWay>> {
    let mut counted = Vec::with_capacity(tables.len());
    for table in tables {
        let rows = Some(snapshot.count(&table.name).await?);
        counted.push(GivesWay { table: table.name.clone(), rows });
    }
    Ok(counted)
}

async fn plan(
    options: &Options,
    source: &dyn Source,
    towards: Towards<'_>,
    target: DatabaseReport,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Planned> {
    let wanted = Wanted {
        tables: &options.tables,
        exclude: &options.exclude,
        scope: Scope::All,
        policies: &options.policies,
        rules: &options.rules,
        look_at_rows: !options.quick,
        proves: true,
        readers: default_jobs(),
        replaces: if options.replace { Replaces::Rows } else { Replaces::Empty },
    };
    let Prepared { plan, snapshot } = prepare(wanted, source, towards, observer, cancel).await?;
    snapshot.close().await;
    Ok(Planned { plan, source: database_report(&options.database, source.facts()), target })
}
