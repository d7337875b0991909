//! `migrate --dump`: the same plan and the same rows, written as a script for a target that is not asked anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::database_report;
use super::migrate::{Dump, Options, Outcome, Planned};
use super::prepare::{Prepared, Towards, interrupted, prepare};
use crate::engine::capability::{Facts, Rules, Snapshot, Source};
use crate::engine::connect;
use crate::engine::watch::briefly;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::error::Result;
use crate::model::event::Observer;
use crate::model::report::{DatabaseReport, MigrationReport};
use crate::pipeline::dump;

/// What `migrate --dump` did.
#[derive(Debug, Clone, PartialEq)]
pub struct DumpReport {
    /// Tables and findings, as of a migration; nothing in it is verified, since nothing was loaded.
    pub migration: MigrationReport,
    /// The script.
    pub file: PathBuf,
    /// Its size in bytes.
    pub file_bytes: u64,
    /// Product that it is for.
    pub flavour: Flavour,
    /// Longest row in the script, in bytes.
    pub longest_row: u64,
}

/// Plans, and writes the script.
pub(super) async fn run(
    options: &Options,
    dump: &Dump,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
    begun: Instant,
) -> Result<Outcome> {
    if !options.dry_run {
        dump::check(&dump.file)?;
    }
    let source = connect::source(&options.source).await?;
    let outcome = with_source(options, dump, source.as_ref(), (observer, cancel), begun).await;
    briefly(source.close()).await;
    outcome
}

async fn with_source(
    options: &Options,
    dump: &Dump,
    source: &dyn Source,
    watch: (&Arc<dyn Observer>, &CancellationToken),
    begun: Instant,
) -> Result<Outcome> {
    let rules = connect::rules(dump.flavour, None);
    let towards = Towards::Assumed(rules.as_ref());
    let Prepared { plan, snapshot } = prepare(options.wanted(), source, towards, watch.0, watch.1).await?;
    let outcome = async {
        let planned = Planned {
            plan,
            source: database_report(&options.source, source.facts()),
            target: DatabaseReport {
                engine: dump.flavour.dialect().to_string(),
                version: Some(dump.flavour.title().to_owned()),
                location: dump.file.display().to_string(),
                origin: "from --dump".into(),
            },
        };
        if options.dry_run {
            return Ok(Outcome::Planned(planned));
        }
        if planned.plan.blockers().next().is_some() {
            return Ok(Outcome::Refused(planned));
        }
        write(options, dump, planned, rules.as_ref(), (source.facts(), snapshot.as_ref()), watch, begun)
            .await
            .map(Outcome::Dumped)
    };
    let outcome = outcome.await;
    briefly(snapshot.close()).await;
    outcome
}

async fn write(
    options: &Options,
    dump: &Dump,
    planned: Planned,
    rules: &dyn Rules,
    (facts, snapshot): (&Facts, &dyn Snapshot),
    (observer, cancel): (&Arc<dyn Observer>, &CancellationToken),
    begun: Instant,
) -> Result<DumpReport> {
    planned.announce(observer);
    let run_id = uuid::Uuid::now_v7().simple().to_string();
    let rejects = options.rejects_of(&run_id);
    let settings = dump::Settings {
        rejects: rejects.clone(),
        batch: options.batch(),
        observer: observer.clone(),
        cancel: cancel.clone(),
        about: about(dump.flavour, facts),
    };
    let dialect = Arc::from(connect::dump(dump.flavour));
    let written = tokio::select! {
        written = dump::write(&planned.plan, snapshot, rules, dialect, &dump.file, &settings) => written,
        () = cancel.cancelled() => Err(interrupted()),
    };
    let written = written.inspect_err(|_| rejects.discard())?;
    Ok(DumpReport {
        migration: planned.report(run_id, written.tables, &rejects, begun),
        file: dump.file.clone(),
        file_bytes: written.bytes,
        flavour: dump.flavour,
        longest_row: written.longest_row,
    })
}

/// The head of the script. Nothing in it says where the source is.
fn about(flavour: Flavour, source: &Facts) -> Vec<String> {
    let load = match flavour {
        Flavour::Sqlite => "Load it into a new file: sqlite3 NEW.db < FILE. It is one transaction.",
        Flavour::Postgres => {
            "Load it into an empty schema: psql -v ON_ERROR_STOP=1 -d NAME -f FILE. It is one transaction."
        }
        Flavour::Mysql => "Load it into an empty database: mysql NAME < FILE.",
        Flavour::Mariadb => "Load it into an empty database: mariadb NAME < FILE.",
    };
    let mut about = vec![
        format!("techcare-db {}: a database as a script for {}.", env!("CARGO_PKG_VERSION"), flavour.title()),
        format!("Read from {} {}.", source.flavour.title(), source.version),
        load.to_owned(),
    ];
    if flavour.dialect() == Dialect::Mysql {
        about.push(
            "Making a table ends a transaction here: if loading fails, drop the tables and load again."
                .into(),
        );
    }
    about
}
