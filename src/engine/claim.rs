//! What a run hears that comes second: the target belongs to another one.

use crate::model::error::{Error, ErrorKind};

/// Another run has the target; `place` is what it is called.
pub fn taken(place: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("another techcare-db is at work in {place}"))
        .why("two runs at once would build over each other")
        .next("wait until it is done, then run the same command again")
}
