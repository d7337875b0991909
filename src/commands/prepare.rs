//! The planning half of a migration, shared by whoever needs a plan of real databases: the source's catalogue, one
//! consistent view of it, a look at its data, and the plan that follows. Nothing is written here.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use crate::engine::capability::{Rules, Snapshot, Source, Target};
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::plan::{Plan, Scope, TableProfile};
use crate::model::policy::Policies;
use crate::model::rule::TableRule;
use crate::model::schema::{Schema, Table};
use crate::pipeline::plan::{PlanInput, by_hand, decide, former_names, plan, views};
use crate::pipeline::preflight::Replaces;
use crate::pipeline::{collisions, instants, outgrown, preflight, probes, refused_rows, selection, unheld};
use crate::techcare;

/// What is to be planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Globs of tables to take; empty means all.
    pub(crate) tables: &'a [String],
    /// Globs of tables to leave out.
    pub(crate) exclude: &'a [String],
    /// Which half of the work.
    pub(crate) scope: Scope,
    /// What was decided about findings.
    pub(crate) policies: &'a Policies,
    /// What was decided about names, types and columns.
    pub(crate) rules: &'a [TableRule],
    /// Whether the rows are looked at where declared types leave something open. Without that a plan holds for the
    /// catalogue only.
    pub(crate) look_at_rows: bool,
    /// Whether what is made will be run and compared before it is switched on.
    pub(crate) proves: bool,
    /// Tables to be read at the same time.
    pub(crate) readers: usize,
    /// What of the target may give way.
    pub(crate) replaces: Replaces,
}

/// Where the plan leads.
#[derive(Clone, Copy)]
pub(crate) enum Towards<'a> {
    /// To a database that is open.
    Open(&'a dyn Target),
    /// To any database of that kind, as these rules have it.
    Assumed(&'a dyn Rules),
}

impl Towards<'_> {
    fn rules(&self) -> &dyn Rules {
        match self {
            Self::Open(target) => target.rules(),
            Self::Assumed(rules) => *rules,
        }
    }
}

/// A plan, and the view of the source that it was made from.
pub(crate) struct Prepared {
    /// The plan.
    pub(crate) plan: Plan,
    /// Everything that is read for the plan is read here. The caller closes it.
    pub(crate) snapshot: Box<dyn Snapshot>,
}

/// Plans.
pub(crate) async fn prepare(
    wanted: Wanted<'_>,
    source: &dyn Source,
    towards: Towards<'_>,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<Prepared> {
    let schema = source.inspect().await?;
    let mut selection = selection::select(&schema, wanted.tables, wanted.exclude)?;
    let by_hand = by_hand::apply(&mut selection, wanted.rules, towards.rules(), wanted.scope)?;
    let snapshot = source.snapshot(wanted.readers).await?;
    let planned = async {
        let rules = towards.rules();
        let profiles = if wanted.look_at_rows {
            observer.event(&Event::Phase { phase: Phase::Profile });
            tokio::select! {
                profiles = profiles(snapshot.as_ref(), &selection.schema, rules.dialect(), wanted.rules) => profiles?,
                () = cancel.cancelled() => return Err(interrupted()),
            }
        } else {
            BTreeMap::new()
        };
        let known = techcare::models_of(&selection.schema);
        let existing = match (wanted.scope, towards) {
            (Scope::DataOnly, Towards::Open(target)) => Some(target.inspect().await?),
            _ => None,
        };
        let (with_former, renamed) =
            former_names::restored(wanted.rules, &selection.schema, rules, existing.as_ref());
        let input = PlanInput {
            source: &selection.schema,
            source_flavour: source.facts().flavour,
            profiles: &profiles,
            rules,
            known: Some(&known),
            existing: existing.as_ref(),
            scope: wanted.scope,
            left_out: &selection.left_out,
            by_hand: &with_former,
        };
        let asked = match towards {
            Towards::Open(target) => Some(target),
            Towards::Assumed(_) => None,
        };
        let outgrown = outgrown::find(&input, snapshot.as_ref(), asked).await?;
        let input = PlanInput { profiles: outgrown.as_ref().unwrap_or(&profiles), ..input };
        let mut plan = match towards {
            Towards::Open(target) => {
                preflight::plan_into(target, &input, snapshot.as_ref(), wanted.replaces).await?
            }
            Towards::Assumed(_) => plan(&input),
        };
        plan.findings.extend(by_hand);
        plan.findings.extend(renamed);
        if !wanted.proves {
            views::without_proof(&mut plan);
        }
        match towards {
            Towards::Open(target) => probes::prove(&mut plan, &selection.schema, source, target).await?,
            Towards::Assumed(_) => {
                let untried = probes::untried(&plan, &selection.schema, input.between_products());
                plan.findings.extend(untried);
            }
        }
        preflight::name_long_rows(&mut plan, &input, snapshot.as_ref(), source.rules()).await?;
        if wanted.look_at_rows && wanted.scope != Scope::SchemaOnly {
            count_filtered(&mut plan, &selection.schema, snapshot.as_ref()).await?;
            plan.findings.extend(instants::find(&plan, snapshot.as_ref()).await?);
            plan.findings.extend(unheld::find(&plan, &input, snapshot.as_ref()).await?);
            let found = refused_rows::find(&plan, &input, snapshot.as_ref(), source.rules()).await?;
            plan.findings.extend(found);
            if let Towards::Open(target) = towards {
                let found = collisions::find(&plan, &input, snapshot.as_ref(), target).await?;
                plan.findings.extend(found);
            }
        }
        let filtered = plan
            .tables
            .iter()
            .filter_map(|t| Some(by_hand::filtered(t, t.filter.as_ref()?)))
            .collect::<Vec<_>>();
        plan.findings.extend(filtered);
        decide(&mut plan, wanted.policies);
        for table in &mut plan.tables {
            let counted = profiles.get(&table.source).and_then(|p| p.rows);
            let left = table.filter.as_ref().and_then(|f| f.left).unwrap_or(0);
            table.estimated_rows = match counted {
                Some(rows) => Some(rows),
                None => snapshot.estimate(&table.source).await?.map(|rows| rows.saturating_sub(left)),
            };
        }
        Ok(plan)
    };
    match planned.await {
        Ok(plan) => Ok(Prepared { plan, snapshot }),
        Err(error) => {
            snapshot.close().await;
            Err(error)
        }
    }
}

/// Counts the rows that rules leave behind, which also shows whether the source takes their conditions.
async fn count_filtered(plan: &mut Plan, schema: &Schema, snapshot: &dyn Snapshot) -> Result<()> {
    for table in &mut plan.tables {
        let (Some(filter), Some(there)) = (&mut table.filter, schema.table(&table.source)) else { continue };
        let kept = snapshot.matching(there, &filter.condition).await?.rows;
        filter.left = Some(snapshot.count(&table.source).await?.saturating_sub(kept));
    }
    Ok(())
}

/// Looks at the data of every table, as many at a time as the snapshot has readers.
async fn profiles(
    snapshot: &dyn Snapshot,
    schema: &Schema,
    target: Dialect,
    by_hand: &[TableRule],
) -> Result<BTreeMap<String, TableProfile>> {
    let look = async |table: &Table| {
        // Rows that stay behind may hold anything.
        let filter = by_hand::filter(by_hand, &table.name).map(|filter| filter.condition);
        if let Some(condition) = &filter {
            snapshot.matching(table, condition).await?;
        }
        snapshot.profile(table, target, filter.as_deref()).await
    };
    stream::iter(&schema.tables)
        .map(|table| async move { Ok((table.name.clone(), look(table).await?)) })
        .buffer_unordered(snapshot.readers().max(1))
        .try_collect()
        .await
}

/// Two tables at a time keep a reader busy while another table's statements are being finished; more only pays
/// on machines with more processors than that.
pub(crate) fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4)
}

/// Ctrl-C before there was anything to undo.
pub(crate) fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted before anything was written")
        .next("both databases are as they were; run the same command again when you are ready")
}
