//! Facts that must hold before anything is read or made: two different databases, and a target that has none of
//! the tables.

use std::fmt::Write as _;

use crate::engine::capability::{Facts, Target};
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

/// Refuses a target that already has something where the plan wants to put a table.
pub async fn vacant(target: &dyn Target, endpoint: &Endpoint, plan: &Plan) -> Result<()> {
    let occupied = target.occupied(plan).await?;
    let in_the_way: Vec<String> = match plan.scope {
        Scope::All | Scope::SchemaOnly => {
            occupied.iter().map(|o| format!("{} \"{}\"", o.kind, o.name)).collect()
        }
        Scope::DataOnly => {
            occupied.iter().filter(|o| !o.empty).map(|o| format!("{} \"{}\"", o.kind, o.name)).collect()
        }
    };
    if in_the_way.is_empty() {
        return Ok(());
    }
    let more = in_the_way.len().saturating_sub(SHOWN);
    let mut list = in_the_way.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(list, " and {more} more");
    }
    let why = match plan.scope {
        Scope::DataOnly => format!("there are rows already in {list}"),
        Scope::All | Scope::SchemaOnly => format!("it already has {list}"),
    };
    Err(Error::new(ErrorKind::Refused, format!("the target {endpoint} is not empty"))
        .why(why)
        .next("choose an empty database, or take these objects out of the way yourself; nothing was changed"))
}
