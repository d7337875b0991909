//! Facts that must hold before anything is read or made: two different databases, a target that has no row where
//! the plan wants to put a table, and the rights to build in it.

use std::fmt::Write as _;

use super::plan::{PlanInput, findings, plan};
use super::{history, refusals};
use crate::engine::capability::{Facts, MissingRight, Occupied, Rules, Snapshot, Target};
use crate::model::codes::{TARGET_MISMATCH, TARGET_NOT_EMPTY};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Scope};
use crate::model::schema::DataType;

/// Objects in the way that a message names one by one.
const SHOWN: usize = 5;

/// Refuses to move a database onto itself. Told by identity, not by name: a symbolic link, `localhost` against
/// `127.0.0.1` and a socket against a port are all the same database.
pub fn different(source: (&Endpoint, &Facts), target: (&Endpoint, &Facts)) -> Result<()> {
    let same = source.0.dialect() == target.0.dialect() && source.1.identity == target.1.identity;
    if !same {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "source and target are the same database")
        .why(format!("{} and {} lead to the same place", source.0, target.0))
        .next("name another database as --target"))
}

/// What of the target may give way to the plan's tables. It is kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Tables without a row.
    Empty,
    /// Tables of the same names, with their rows.
    Rows,
    /// The same, and nothing of them is taken over: what comes is a backup of them.
    Restored,
}

/// The plan of a migration into `target`, with what is there taken into account: empty tables that the application
/// made first are replaced, tables with rows too if the user said so, notes of its migration tool stay, everything else
/// in the way is a finding that blocks.
pub async fn plan_into(
    target: &dyn Target,
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    replaces: Replaces,
) -> Result<Plan> {
    let mut first = plan(input);
    let refused = refusals::find(&first, input, source, target).await?;
    let input = &PlanInput { profiles: refused.as_ref().unwrap_or(input.profiles), ..*input };
    if refused.is_some() {
        first = plan(input);
    }
    let occupied = target.occupied(&first).await?;
    if replaces == Replaces::Restored {
        return restored(target, first, &occupied).await;
    }
    if occupied.is_empty() {
        return Ok(first);
    }
    let with_rows = replaces == Replaces::Rows;
    let there = target.inspect().await?;
    let kept = history::kept(&first, &occupied);
    let mut wanted = input.source.clone();
    wanted.tables.retain(|t| !kept.contains(&t.name));
    let any = input.scope != Scope::DataOnly && occupied.iter().any(|o| o.empty || with_rows);
    let existing = if any { Some(&there) } else { input.existing };
    let mut made = plan(&PlanInput { source: &wanted, existing, ..*input });
    let occupied = target.occupied(&made).await?;
    if with_rows && input.scope != Scope::DataOnly {
        findings::with_rows(&mut made, &occupied);
    }
    made.findings.extend(findings::occupied(&made, &occupied));
    if !kept.is_empty() {
        let snapshot = target.snapshot(1).await?;
        for name in &kept {
            let found = history::compare(name, (input.source, source), (&there, snapshot.as_ref())).await;
            match found {
                Ok(finding) => made.findings.push(finding),
                Err(error) => {
                    snapshot.close().await;
                    return Err(error);
                }
            }
        }
        snapshot.close().await;
    }
    Ok(made)
}

/// The plan of a restore: every table as the backup has it, in the place of the one that is there.
async fn restored(target: &dyn Target, first: Plan, occupied: &[Occupied]) -> Result<Plan> {
    let mut made = Plan { restores: true, ..first };
    if target.rules().capabilities().restores_whole || occupied.is_empty() {
        return Ok(made);
    }
    super::plan::keep_types(&mut made.types, &target.inspect().await?);
    let occupied = target.occupied(&made).await?;
    let there = |name: &str| occupied.iter().any(|o| o.kind == "table" && o.name.eq_ignore_ascii_case(name));
    for table in &mut made.tables {
        table.replaces = there(&table.name);
    }
    findings::with_rows(&mut made, &occupied);
    made.findings.extend(findings::occupied(&made, &occupied));
    Ok(made)
}

/// Names the rows whose text is longer than a column of the target takes, where that blocks the plan.
/// `words` are those of the source.
pub async fn name_long_rows(
    plan: &mut Plan,
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    words: &dyn Rules,
) -> Result<()> {
    let asked = input.scope == Scope::DataOnly && source.evaluates();
    let Some(existing) = input.existing.filter(|_| asked) else { return Ok(()) };
    for finding in plan.findings.iter_mut().filter(|f| f.code == TARGET_MISMATCH) {
        let table = finding.table.as_ref().and_then(|t| input.source.table(t));
        let (Some(table), Some(column)) = (table, &finding.column) else { continue };
        let most = |t: &str| match existing.table(t)?.column(column)?.data_type {
            DataType::Text { max_chars, .. } => max_chars,
            _ => None,
        };
        let is_text = table.column(column).is_some_and(|c| matches!(c.data_type, DataType::Text { .. }));
        let Some(most) = most(&table.name).filter(|_| is_text) else { continue };
        let length = words.char_length(&words.quote(column));
        let found = source.matching(table, &format!("{length} > {most}")).await?;
        if found.rows > 0 {
            finding.rows = Some(found.rows);
            finding.keys = found.keys;
        }
    }
    Ok(())
}

/// What a migration would lack to build in `target`; `None` if it lacks nothing. It is found out by making the empty place
/// and removing it again, because what a server or a file system allows is known for certain only then. A place that
/// stays because this process is killed in between is one of a dead run, which the next migration removes.
pub async fn buildable(plan: &Plan, target: &dyn Target) -> Result<Option<MissingRight>> {
    let run = uuid::Uuid::now_v7().simple().to_string();
    match target.stage(&run, plan).await {
        Ok(place) => place.discard().await.map(|()| None),
        Err(error) if matches!(error.kind(), ErrorKind::Permission | ErrorKind::Refused) => {
            Ok(Some(MissingRight {
                what: error.to_string(),
                fix: error.advice().unwrap_or_default().to_owned(),
            }))
        }
        Err(error) => Err(error),
    }
}

/// Refuses a target that has rows, or an object that is no table, where the plan wants to put a table. Nobody can
/// decide otherwise.
pub fn vacant(plan: &Plan, endpoint: &Endpoint) -> Result<()> {
    let in_the_way: Vec<String> = plan
        .findings
        .iter()
        .filter(|f| f.code == TARGET_NOT_EMPTY)
        .map(|f| {
            let name = f.object.as_deref().unwrap_or_default();
            if f.kind == "table" {
                format!("rows in table \"{name}\"")
            } else {
                format!("{} \"{name}\"", f.kind)
            }
        })
        .collect();
    if in_the_way.is_empty() {
        return Ok(());
    }
    let more = in_the_way.len().saturating_sub(SHOWN);
    let mut list = in_the_way.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(list, " and {more} more");
    }
    let django = ["django_content_type", "auth_permission"].iter().any(|t| list.contains(t));
    let next = if django {
        // What it fills has ids by which other rows know it: only the source's ids are right.
        "Django has filled these by itself: DELETE FROM auth_permission, then FROM django_content_type, and run again: \
         the source's rows take their place"
    } else {
        "choose an empty database, or --if-exists replace, which keeps the old tables aside; nothing was changed"
    };
    Err(Error::new(ErrorKind::Refused, format!("the target {endpoint} is not empty"))
        .why(format!("it already has {list}"))
        .next(next))
}
