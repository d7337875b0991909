//! `check`: is it safe? How a database is (`alone`), what a migration of it would do (`ahead`), and whether another
//! one holds the same (`against`). Rows and tables are only read; whether a migration may build in its target is found
//! out by making an empty place and removing it. What is found is for the report; errors are for what keeps a question
//! from being answered.

pub mod against;
pub mod ahead;
pub mod alone;
pub mod observation;

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::against::{ComparedTable, Comparison};
pub use self::ahead::{Ahead, Aim, GivesWay};
pub use self::alone::{Alone, Fit, Wellbeing};
pub use self::observation::Observation;
pub use super::recorded::Recorded;
use crate::engine::connect;
use crate::engine::watch::{Watch, briefly};
use crate::model::endpoint::Endpoint;
use crate::model::error::Result;
use crate::model::event::{Event, Observer, Phase};
use crate::model::policy::Policies;
use crate::model::report::DatabaseReport;
use crate::model::rule::TableRule;

/// What to ask of which database.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub database: Endpoint,
    /// Where a migration of it would lead.
    pub target: Option<Aim>,
    /// What it is to be equal to.
    pub against: Option<Endpoint>,
    /// What was decided about the findings of a migration.
    pub policies: Policies,
    /// What was decided about names, types and columns of a migration.
    pub rules: Vec<TableRule>,
    /// Whether a migration may replace tables of its target that hold rows.
    pub replace: bool,
    /// Folder of its backups.
    pub backups: PathBuf,
    /// Folder of the history of runs, which knows of others.
    pub history: PathBuf,
    /// Skip whatever reads whole tables.
    pub quick: bool,
    /// Globs of tables to look at; empty means all.
    pub tables: Vec<String>,
    /// Globs of tables to pass over.
    pub exclude: Vec<String>,
}

/// The answers.
#[derive(Debug)]
pub struct CheckReport {
    /// The database.
    pub database: DatabaseReport,
    /// Whether whole tables were passed over.
    pub quick: bool,
    /// How it is; asked where nothing else is.
    pub alone: Option<Alone>,
    /// What a migration to `--target` would do.
    pub target: Option<Ahead>,
    /// Whether `--against` holds the same.
    pub against: Option<Comparison>,
}

impl CheckReport {
    /// Whether there is something to do or to look at.
    pub fn has_findings(&self) -> bool {
        self.alone.as_ref().is_some_and(Alone::has_findings)
            || self.target.as_ref().is_some_and(Ahead::has_findings)
            || self.against.as_ref().is_some_and(Comparison::has_findings)
    }
}

/// Asks.
pub async fn run(
    options: &Options,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
) -> Result<CheckReport> {
    let target = options.target.as_ref().map(|aim| &aim.endpoint);
    let databases: Vec<&Endpoint> =
        [Some(&options.database), target, options.against.as_ref()].into_iter().flatten().collect();
    let watch = Watch::over(&databases, &cancel);
    watch.attend(ask(options, observer, watch.cancel().clone())).await
}

async fn ask(
    options: &Options,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
) -> Result<CheckReport> {
    observer.event(&Event::Phase { phase: Phase::Preflight });
    let source = connect::source(&options.database).await?;
    let source = source.as_ref();
    let work = async {
        let target = match &options.target {
            Some(aim) => Some(ahead::look(options, aim, source, &observer, &cancel).await?),
            None => None,
        };
        let against = match &options.against {
            Some(other) => Some(against::look(options, other, source, &observer, &cancel).await?),
            None => None,
        };
        let alone = if options.target.is_none() && options.against.is_none() {
            Some(alone::look(options, source, &observer).await?)
        } else {
            None
        };
        Ok(CheckReport {
            database: super::database_report(&options.database, source.facts()),
            quick: options.quick,
            alone,
            target,
            against,
        })
    };
    let report = work.await;
    briefly(source.close()).await;
    report
}
