//! Facts that must hold before anything is read or made: two different databases, and a target that has no row where
//! the plan wants to put a table.

use std::fmt::Write as _;

use super::plan::{PlanInput, findings, plan};
use crate::engine::capability::{Facts, Target};
use crate::model::codes::TARGET_NOT_EMPTY;
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Plan, Scope};

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

/// The plan of a migration into `target`, with what is there taken into account: empty tables that the application
/// made first are replaced, everything else in the way is a finding that blocks.
pub async fn plan_into(target: &dyn Target, input: &PlanInput<'_>) -> Result<Plan> {
    let made = plan(input);
    let occupied = target.occupied(&made).await?;
    let replaces = input.scope != Scope::DataOnly && occupied.iter().any(|o| o.empty);
    let (mut made, occupied) = if replaces {
        let existing = target.inspect().await?;
        let made = plan(&PlanInput { existing: Some(&existing), ..*input });
        let occupied = target.occupied(&made).await?;
        (made, occupied)
    } else {
        (made, occupied)
    };
    made.findings.extend(findings::occupied(&made, &occupied));
    Ok(made)
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
    Err(Error::new(ErrorKind::Refused, format!("the target {endpoint} is not empty"))
        .why(format!("it already has {list}"))
        .next("choose an empty database, or take these objects out of the way yourself; nothing was changed"))
}
