//! The switch: written down beforehand, made, and written down as done. A lock of the application is waited for, with
//! nothing held between one try and the next.

use super::execute::{self, Settings};
use super::runs::Recorder;
use crate::engine::capability::{NotSwitched, Staging, Target};
use crate::model::change::Change;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::Event;
use crate::model::plan::Finding;
use crate::model::report::TableReport;

/// Writes down what is going to be switched, switches, and writes down that it is done.
pub async fn make(
    staging: Box<dyn Staging>,
    target: &dyn Target,
    tables: &[TableReport],
    findings: &[Finding],
    settings: &Settings,
) -> Result<Change> {
    let recorder = settings.recorder.as_ref();
    let prepared = async {
        let change = staging.change().await?;
        if let Some(recorder) = recorder {
            recorder.before_switch(&change, tables, findings)?;
        }
        Ok(change)
    };
    let change = match prepared.await {
        Ok(change) => change,
        Err(error) => return Err(execute::leave(staging, error, settings).await),
    };
    if let Err(mut not) = persist(staging, &change, settings).await {
        if not.staging.is_none() && not.error.kind() == ErrorKind::Lost {
            return Err(unknown(not.error, settings));
        }
        if let Some(Err(also)) = recorder.map(Recorder::forget) {
            not.error.push(also);
        }
        if let Some(staging) = not.staging {
            return Err(execute::leave(staging, not.error, settings).await);
        }
        settings.rejects.discard();
        return Err(not.error);
    }
    // Without a record that it is done, the mark of the switch has to stay: the next run looks for it.
    match recorder.map_or(Ok(()), Recorder::switched) {
        Ok(()) => {
            if !change.is_empty() {
                target.settle(&change, true).await?;
            }
            // Otherwise the next run does it again, which does no harm.
            if let Some(Err(error)) = recorder.map(Recorder::settled) {
                tracing::warn!(%error, "the migration is done, but not written down as tidied up after");
            }
        }
        Err(error) => tracing::warn!(%error, "the migration is done, but not written down as done"),
    }
    Ok(change)
}

/// Tries until nobody has a lock that is in the way. What had to hold is looked at again in each try.
async fn persist(
    mut staging: Box<dyn Staging>,
    change: &Change,
    settings: &Settings,
) -> Result<(), NotSwitched> {
    loop {
        let mut not = match staging.switch(change).await {
            Ok(()) => return Ok(()),
            Err(not) => not,
        };
        let Some(left) = not.staging.take() else { return Err(not) };
        let Some(pause) = settings.patience.next() else {
            return Err(NotSwitched { staging: Some(left), ..not });
        };
        let text = format!("{}; trying the switch again in {:.1} s", not.error, pause.as_secs_f64());
        settings.observer.event(&Event::Warning { text });
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = settings.watch.cancel().cancelled() => {
                return Err(NotSwitched { error: execute::ended(settings), staging: Some(left) });
            }
        }
        staging = left;
    }
}

/// After a lost reply to the switch nobody knows; the next run looks, and where this process can go on, that is itself.
fn unknown(error: Error, settings: &Settings) -> Error {
    if settings.recorder.is_none() {
        return error;
    }
    let error = error.next(
        "run the same command again: it looks whether the switch has happened, and finishes or begins anew",
    );
    if settings.intent.is_some() { error.resumable(&settings.run_id) } else { error }
}
