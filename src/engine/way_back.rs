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

/// Something that the run made or kept is not where it was put; `what` says so.
pub fn gone(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Refused, what)
        .why("it was dropped or renamed since")
        .next("nothing was changed: restore a backup instead")
}
