//! Values that have outgrown the type that their column had in the target before. Such a type comes back by itself; where
//! neither the type of today nor a measure of the profile says that all values are its own, they are read once and held
//! against it before anything is made. What does not fit turns the column to a wider type, which is held against the values
//! in its turn, until one keeps them all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::copy::{self, BatchSize, Side};
use super::plan::{Doubted, PlanInput, doubted, former, plan, wider};
use super::rejects::Seen;
use crate::engine::capability::{Snapshot, Target};
use crate::engine::fit::Fit;
use crate::engine::judge::Judge;
use crate::engine::stream;
use crate::model::batch::{Batch, RowKey};
use crate::model::endpoint::Dialect;
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ColumnPlan, ColumnProfile, Outgrown, Plan, Scope, TablePlan, TableProfile};
use crate::model::policy::Decision;
use crate::model::schema::{DataType, Table};

/// What does not fit a column: its table, its place there, and the rows; `None` if nobody could be asked.
type Found = (String, usize, Option<Seen>);

/// The profiles of the input with what was found; `None` if nothing was. `target` is asked about types that only a server
/// knows; without one they do not come back.
pub async fn find(
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    target: Option<&dyn Target>,
) -> Result<Option<BTreeMap<String, TableProfile>>> {
    let mut found: Option<BTreeMap<String, TableProfile>> = None;
    let mut columns =
        input.source.tables.iter().flat_map(|table| table.columns.iter().map(move |c| (table, c)));
    if input.scope != Scope::All
        || input.verbatim()
        || columns.all(|(table, column)| former(input, table, column).is_none())
    {
        return Ok(None);
    }
    // A column that stays wide may have others of its foreign keys stay with it, and a row is told of one column alone.
    loop {
        let profiles = found.as_ref().unwrap_or(input.profiles);
        let known = PlanInput { profiles, ..*input };
        let mut more = Vec::new();
        let made = plan(&known);
        for planned in &made.tables {
            let Some(declared) = input.source.table(&planned.source) else { continue };
            // Where rows are not to be looked at, there is no profile.
            if profiles.get(&planned.source).is_some_and(|p| p.rows != Some(0)) {
                more.extend(look(&known, declared, (&made, planned), source, target).await?);
            }
        }
        if more.is_empty() {
            return Ok(found);
        }
        let profiles = found.get_or_insert_with(|| input.profiles.clone());
        for (table, at, seen) in more {
            let (rows, keys) = seen.map(|seen| (seen.rows, seen.keys)).unzip();
            let keys = keys.unwrap_or_default();
            let Some(declared) = input.source.table(&table) else { continue };
            let profile = profiles.entry(table).or_default();
            profile.columns.resize_with(declared.columns.len(), ColumnProfile::default);
            let types = wider(input, declared, &declared.columns[at]);
            let outgrown = &mut profile.columns[at].outgrown;
            // The rows are those that the type of before does not keep.
            *outgrown = match outgrown.take() {
                None => types.into_iter().next().map(|holds| Outgrown { rows, keys, holds }),
                Some(before) => {
                    let next = types.into_iter().skip_while(|holds| *holds != before.holds).nth(1);
                    next.map(|holds| Outgrown { holds, ..before })
                }
            };
        }
    }
}

/// Columns of a table, by their position, with the rows that do not fit the type that is planned for them.
async fn look(
    input: &PlanInput<'_>,
    declared: &Table,
    (made, planned): (&Plan, &TablePlan),
    source: &dyn Snapshot,
    target: Option<&dyn Target>,
) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut suspects: BTreeMap<String, (usize, Suspect)> = BTreeMap::new();
    let facts = input.profiles.get(&declared.name);
    for column in planned.copied() {
        let Some(at) = declared.columns.iter().position(|c| c.name == column.source) else { continue };
        let fits = match doubted(input, declared, at, column) {
            None => continue,
            Some(Doubted::Here(fits)) => fits,
            Some(Doubted::There) => {
                let made_by_users = declared.columns[at].origin.as_ref().is_some_and(|o| !o.types.is_empty());
                // A script makes such a type anew, and brings what is of it.
                if target.is_none() && made_by_users {
                    continue;
                }
                let seen = match target {
                    Some(target) => ask(made, planned, column, source, target).await?,
                    None => None,
                };
                if seen.as_ref().is_none_or(|seen| seen.rows > 0) {
                    found.push((declared.name.clone(), at, seen));
                }
                continue;
            }
        };
        let outgrown = facts.and_then(|facts| facts.columns.get(at)?.outgrown.as_ref());
        let as_before = declared.columns[at].origin.is_some() && outgrown.is_none();
        // The profile of SQLite tells of those.
        let all = input.source.dialect != Dialect::Sqlite || as_before;
        suspects.insert(column.source.clone(), (at, Suspect { fits, all }));
    }
    let unfit = unfit(planned.clone(), suspects, source).await?.into_iter();
    found.extend(unfit.map(|(at, seen)| (declared.name.clone(), at, Some(seen))));
    Ok(found)
}

/// Lets the target look at the text of a column; `None` if it cannot tell.
async fn ask(
    made: &Plan,
    table: &TablePlan,
    column: &ColumnPlan,
    source: &dyn Snapshot,
    target: &dyn Target,
) -> Result<Option<Seen>> {
    let is_key = |c: &ColumnPlan| table.key.contains(&c.name) && c.generated.is_none();
    let mut alone = table.bare(|c| c.name == column.name || is_key(c));
    alone.key.retain(|name| alone.columns.iter().any(|c| c.name == *name));
    for asked in alone.columns.iter_mut().filter(|c| c.name == column.name) {
        // As it is in the source, whatever the type makes of it.
        asked.carries = DataType::TEXT;
    }
    let request = copy::request(&alone, Side::Source, BatchSize::default());
    let (sender, receiver) = stream::channel(request.shape());
    let plan = made.alone(alone);
    let asked = target.altered(&plan, &column.name, receiver);
    let (read, told) = tokio::join!(source.read(&request, sender), asked);
    match (read, told) {
        (_, Ok(None)) => Ok(None),
        // Who may make nothing there hears of it where the right to build is looked at.
        (_, Err(error)) if matches!(error.kind(), ErrorKind::Permission | ErrorKind::Login) => Ok(None),
        // A value that cannot be read has its own finding.
        (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::Value => Ok(Some(Seen::default())),
        (read, told) => Ok(copy::both(read, told)?.map(|found| Seen { rows: found.rows, keys: found.keys })),
    }
}

/// Reads the rows of a table and counts those with a value that does not fit, by what stands for the first such column. The
/// columns to look at are under their names in the source, each with what stands for it.
pub(super) async fn unfit<T: Clone + Send + Sync + 'static>(
    mut table: TablePlan,
    mut suspects: BTreeMap<String, (T, Suspect)>,
    source: &dyn Snapshot,
) -> Result<Vec<(T, Seen)>> {
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    table.columns.retain(|c| suspects.contains_key(&c.source) || table.key.contains(&c.name));
    let request = copy::request(&table, Side::Source, BatchSize::default());
    // In the order of the request.
    let columns = request.columns.iter().map(|c| suspects.remove(&c.name)).collect::<Vec<_>>();
    let (columns, suspects): (Vec<_>, Vec<_>) = columns.into_iter().map(Option::unzip).unzip();
    let judge = Arc::new(Watch { columns: suspects, seen: Mutex::default() });
    let seen = judge.clone();
    copy::each_batch(&request, |sender| source.read(&request, sender.judged(judge.clone())), |_| ()).await?;
    let seen = std::mem::take(&mut *seen.seen.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(seen.into_iter().filter_map(|(at, seen)| Some((columns.get(at)?.clone()?, seen))).collect())
}

/// A column whose values are looked at.
pub(super) struct Suspect {
    /// What fits.
    pub(super) fits: Fit,
    /// What cannot be read as a value of the type does not fit either.
    pub(super) all: bool,
}

/// Counts rows by the first of their columns that does not fit.
struct Watch {
    /// By their place in the batch.
    columns: Vec<Option<Suspect>>,
    seen: Mutex<BTreeMap<usize, Seen>>,
}

impl Watch {
    fn note(&self, at: usize, key: Option<String>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(at).or_default().count(key);
    }
}

impl Judge for Watch {
    /// A row that cannot be read whole says nothing about its other columns; of those that are not looked at that is told
    /// elsewhere.
    fn decide(&self, _: usize, _: &str) -> Decision {
        Decision::Reject
    }

    fn rejected(&self, key: &RowKey, column: usize, _: &str) -> Result<()> {
        if self.columns.get(column).and_then(Option::as_ref).is_some_and(|suspect| suspect.all) {
            self.note(column, key.text.clone());
        }
        Ok(())
    }

    fn converted(&self, _: &RowKey, _: usize, _: &str) {}

    fn screen(&self, batch: &mut Batch) -> Result<()> {
        for row in 0..batch.rows() {
            let cells = batch.row(row);
            let misfit = |at: &usize| {
                self.columns[*at].as_ref().is_some_and(|suspect| !(suspect.fits)(batch, cells[*at]))
            };
            if let Some(at) = (0..cells.len()).find(misfit) {
                self.note(at, batch.key_of(row));
            }
        }
        Ok(())
    }
}
