//! What a run hears that comes second, or too late: the target belongs to another one.

use crate::model::error::{Error, ErrorKind};

/// Another run has taken over what this one was building.
pub fn fenced() -> Error {
    Error::new(ErrorKind::Refused, "another run has gone on with this migration")
        .why("this one was silent for so long that its lock was given away")
        .next("let the other one end; nothing of this one will be committed any more")
}

/// Another run has the target; `place` is what it is called.
pub fn taken(place: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("another techcare-db is at work in {place}"))
        .why("two runs at once would build over each other")
        .next("wait until it is done, then run the same command again")
}
