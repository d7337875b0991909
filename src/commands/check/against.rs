//! `check --against`: do two databases hold the same? Tables are paired by the plan that a migration would have; their
//! contents are compared by `pipeline/compare`, each database seen at one instant.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::observation::Observation;
use crate::commands::database_report;
use crate::commands::prepare::{default_jobs, interrupted};
use crate::engine::capability::{Snapshot, Source};
use crate::engine::connect;
use crate::model::codes::observed as codes;
use crate::model::digest::Digest;
use crate::model::endpoint::Endpoint;
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::plan::Severity;
use crate::model::report::DatabaseReport;
use crate::pipeline::compare::differences::{Difference, Differences};
use crate::pipeline::compare::pair::{Pairing, TablePair, pair};
use crate::pipeline::compare::{Compared, Views, compare};
use crate::pipeline::plan::{PlanInput, plan};
use crate::pipeline::selection::{Selection, select};
use crate::techcare;

/// What the comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The other database.
    pub database: DatabaseReport,
    /// Tables of both, in the order of the plan.
    pub tables: Vec<ComparedTable>,
    /// What differs.
    pub observations: Vec<Observation>,
}

/// A table of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedTable {
    /// Its name here.
    pub name: String,
    /// Its name there.
    pub other_name: String,
    /// Rows and digest here; `None` where the contents were not compared.
    pub here: Option<Digest>,
    /// Rows and digest there.
    pub there: Option<Digest>,
    /// Whether all that was compared is equal; `None` where nothing was.
    pub equal: Option<bool>,
    /// What differs.
    pub differences: Differences,
}

impl Comparison {
    /// Whether anything differs.
    pub fn has_findings(&self) -> bool {
        self.observations.iter().any(|o| o.severity >= Severity::Warning)
    }
}

/// Compares.
pub(super) async fn look(
    options: &Options,
    endpoint: &Endpoint,
    here: &dyn Source,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Comparison> {
    let there = connect::source(endpoint).await?;
    let compared = with(options, endpoint, here, there.as_ref(), observer, cancel).await;
    there.close().await;
    compared
}

async fn with(
    options: &Options,
    endpoint: &Endpoint,
    here: &dyn Source,
    there: &dyn Source,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Comparison> {
    let (own, other) = (here.inspect().await?, there.inspect().await?);
    let Selection { schema, left_out } = select(&own, &options.tables, &options.exclude)?;
    let planned = plan(&PlanInput {
        known: Some(&techcare::models_of(&schema)),
        left_out: &left_out,
        ..PlanInput::of_catalogue(&schema, here.facts().flavour, there.rules())
    });
    let mut pairing = pair(&planned, &schema, &other, &left_out);
    if !options.tables.is_empty() {
        // Only what was asked for is missed.
        pairing.only_there.clear();
    }
    let mut observations = structure(&pairing);
    let mut tables = Vec::with_capacity(pairing.tables.len());
    if options.quick {
        tables.extend(pairing.tables.iter().map(|pair| (pair, None)));
    } else {
        observer.event(&Event::Phase { phase: Phase::Compare });
        let own = here.snapshot(default_jobs()).await?;
        let compared = async {
            let other = there.snapshot(default_jobs()).await?;
            let views = Views {
                here: own.as_ref(),
                there: other.as_ref(),
                here_rules: here.rules(),
                there_rules: there.rules(),
            };
            let compared = tokio::select! {
                compared = contents(views, &pairing.tables, observer) => compared,
                () = cancel.cancelled() => Err(interrupted()),
            };
            other.close().await;
            compared
        };
        let compared = compared.await;
        own.close().await;
        for (pair, compared) in pairing.tables.iter().zip(compared?) {
            match compared {
                Contents::Compared(compared) => {
                    observations.extend(rows_differ(pair, &compared));
                    tables.push((pair, Some(compared)));
                }
                Contents::Unreadable(observation) => {
                    observations.push(observation);
                    tables.push((pair, None));
                }
            }
        }
    }
    Ok(Comparison {
        database: database_report(endpoint, there.facts()),
        tables: tables.into_iter().map(|(pair, compared)| report(pair, compared)).collect(),
        observations,
    })
}

/// What became of a table.
enum Contents {
    Compared(Compared),
    Unreadable(Observation),
}

/// Compares every table, as many at a time as both views have readers, in order.
async fn contents(
    views: Views<'_>,
    pairs: &[TablePair],
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Contents>> {
    let at_once = Snapshot::readers(views.here).min(Snapshot::readers(views.there)).max(1);
    stream::iter(pairs)
        .map(|pair| async move {
            match compare(views, pair, observer).await {
                Ok(compared) => Ok(Contents::Compared(compared)),
                // A value that its column does not describe ends the table, not the comparison of the others.
                Err(error) if error.kind() == ErrorKind::Value => Ok(Contents::Unreadable(
                    Observation::new(
                        codes::UNREADABLE_VALUE,
                        "table",
                        format!("cannot be compared to its end: {error}"),
                    )
                    .table(&pair.name),
                )),
                Err(error) => Err(error),
            }
        })
        .buffered(at_once)
        .try_collect()
        .await
}

fn report(pair: &TablePair, compared: Option<Compared>) -> ComparedTable {
    let equal = compared.as_ref().map(|c| c.here == c.there);
    let (here, there) = (compared.as_ref().map(|c| c.here), compared.as_ref().map(|c| c.there));
    ComparedTable {
        name: pair.name.clone(),
        other_name: pair.other.clone(),
        here,
        there,
        equal,
        differences: compared.map(|c| c.differences).unwrap_or_default(),
    }
}

fn rows_differ(pair: &TablePair, compared: &Compared) -> Option<Observation> {
    if compared.here == compared.there {
        return None;
    }
    let found = &compared.differences;
    let least = if found.at_least { "at least " } else { "" };
    let mut parts = Vec::new();
    for (rows, what) in [
        (found.changed, "have other contents"),
        (found.only_here, "are here only"),
        (found.only_there, "are there only"),
    ] {
        if rows > 0 {
            parts.push(format!("{least}{rows} {what}"));
        }
    }
    let keys = found.rows.iter().map(|row| match row.difference {
        Difference::Changed => row.key.clone(),
        Difference::OnlyHere => format!("{} (here only)", row.key),
        Difference::OnlyThere => format!("{} (there only)", row.key),
    });
    Some(
        Observation::new(codes::ROWS_DIFFER, "table", format!("rows differ: {}", parts.join(", ")))
            .table(&pair.name)
            .rows(found.count())
            .keys(keys.collect()),
    )
}

/// What can be said without reading a row.
fn structure(pairing: &Pairing) -> Vec<Observation> {
    let mut found = Vec::new();
    for name in &pairing.only_here {
        found.push(
            Observation::new(codes::ONLY_HERE, "table", "the other database has no such table").table(name),
        );
    }
    for name in &pairing.only_there {
        found.push(
            Observation::new(codes::ONLY_THERE, "table", "only the other database has this table")
                .table(name),
        );
    }
    for pair in &pairing.tables {
        for name in &pair.only_here {
            let text = "the other database has no such column";
            found.push(Observation::new(codes::ONLY_HERE, "column", text).table(&pair.name).column(name));
        }
        for name in &pair.only_there {
            let text = "only the other database has this column";
            found.push(Observation::new(codes::ONLY_THERE, "column", text).table(&pair.name).column(name));
        }
        for (name, types) in &pair.unlike {
            let text =
                format!("the types have no common form, so that the values were not compared: {types}");
            found
                .push(Observation::new(codes::NOT_COMPARABLE, "column", text).table(&pair.name).column(name));
        }
    }
    found
}
