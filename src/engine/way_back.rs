//! What a rollback hears that cannot be carried out, whatever the engine.

use crate::model::error::{Error, ErrorKind, Result};

/// Refuses if something holds on to the tables of the run; each holder is a clause.
pub fn refuse_held(holders: &[String]) -> Result<()> {
    if holders.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "the tables of the run cannot be taken away")
        .why(holders.join("; "))
        .next("nothing was changed: drop these by hand, then run the same command again"))
}

/// What a refusal to fill tables that have rows means to rows which were kept and come back.
pub fn mixed(error: Error) -> Error {
    if error.kind() != ErrorKind::Refused {
        return error;
    }
    Error::new(ErrorKind::Refused, "the rows that were kept cannot come back")
        .why(error.what())
        .next("nothing was changed: they would be mixed with those; take these out first")
}

/// Refuses where the columns of a table do not take (`takes`) those of what was kept of it, or the other way round.
pub fn refuse_reshaped<C>(
    table: &str,
    now: &[C],
    then: &[C],
    takes: impl Fn(&C, &C) -> bool,
    shown: impl Fn(&C) -> String,
) -> Result<()> {
    let others = |these: &[C], those: &[C]| -> Vec<String> {
        let only = these.iter().filter(|column| !those.iter().any(|other| takes(column, other)));
        only.map(&shown).collect()
    };
    let (now, then) = (others(now, then), others(then, now));
    if now.is_empty() && then.is_empty() { Ok(()) } else { Err(reshaped(table, &now, &then)) }
}

/// Rows that were kept do not fit the table any more that they came from: what differs of its columns `now`, and of those
/// that it had `then`.
pub fn reshaped(table: &str, now: &[String], then: &[String]) -> Error {
    let list = |columns: &[String]| if columns.is_empty() { "none".to_owned() } else { columns.join(", ") };
    Error::new(ErrorKind::Refused, format!("the rows that were kept of table {table:?} cannot come back"))
        .why(format!("its columns are others by now: {} instead of {}", list(now), list(then)))
        .next("nothing was changed: put them back by hand, or change the table back first")
}

/// Rows that were kept refer to some that are not there any more; each key is a clause.
pub fn refuse_orphans(orphans: &[String]) -> Result<()> {
    if orphans.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "the rows that were kept cannot come back")
        .why(orphans.join("; "))
        .next("nothing was changed: put the rows there again first that they refer to"))
}

/// Something that the run made or kept is not where it was put; `what` says so.
pub fn gone(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Refused, what)
        .why("it was dropped or renamed since")
        .next("nothing was changed: restore a backup instead")
}
