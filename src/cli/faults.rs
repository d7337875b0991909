//! A panic is a fault of ours: it ends as an error like any other, with the place in the code and nothing of what
//! the panic says, which may hold a value of a row.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use crate::model::error::{Error, Result};

/// Place of the first panic.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Runs work whose panic becomes an error.
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T> {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
        PLACE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(place.unwrap_or_default());
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    // The hook of a test runner or of whoever calls us otherwise.
    drop(panic::take_hook());
    outcome.map_err(|_| {
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take();
        Error::internal("the program has a fault and stopped").why(place.unwrap_or_default())
    })
}
