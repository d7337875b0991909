//! `tune`: what the settings of a server should be for this machine and these databases. `--apply` sets what the rights
//! allow, after the old values are written down; `--undo` puts these back.

mod memory;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use self::memory::{Memory, Origin};
use super::consent::Consent;
use super::database_report;
use super::rollback::new_run;
use crate::engine::capability::{Subject, Tunable};
use crate::engine::connect;
use crate::engine::watch::{Watch, briefly};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::report::DatabaseReport;
use crate::model::tune::{Advice, Changed, Circumstances, Effect, Standing, WayBack};
use crate::pipeline::tunings::{Tuning, Tunings};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub endpoint: Endpoint,
    /// Memory of the server's machine, as somebody has said.
    pub memory: Option<u64>,
    /// Whether the databases lie on a solid-state disk.
    pub ssd: bool,
    /// How far to go.
    pub step: Step,
    /// Folder in which is kept what was set.
    pub folder: PathBuf,
    /// The word for it.
    pub consent: Consent,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Say what is advised.
    Advise,
    /// Set it.
    Apply,
    /// Put back what was set.
    Undo,
}

/// What was found and done.
#[derive(Debug)]
pub struct TuneReport {
    /// Where.
    pub database: DatabaseReport,
    /// What was done.
    pub action: Step,
    /// Memory that was reckoned with, where the advice depends on it.
    pub memory: Option<Memory>,
    /// Whether the advice depends on it.
    pub needs_memory: bool,
    /// Bytes that the databases of the server hold.
    pub size: u64,
    /// The settings, as they stand at the end.
    pub settings: Vec<Advice>,
    /// What was set or put back, in this order.
    pub done: Vec<Done>,
    /// This run, where it has set something.
    pub run: Option<String>,
    /// The run that was taken back.
    pub undoes: Option<String>,
    /// The file with the old values.
    pub record: Option<PathBuf>,
    /// Why nothing could be done at all.
    pub refusal: Option<Error>,
}

/// What became of one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The setting.
    pub setting: String,
    /// Its value before.
    pub from: String,
    /// What it was to be set to.
    pub to: String,
    /// What became of it.
    pub outcome: Outcome,
    /// When it is felt.
    pub takes_effect: Effect,
    /// Why not, or what is left to do.
    pub detail: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is set, and stays so.
    Set,
    /// It is set until the server is started the next time.
    SetUntilRestart,
    /// It is put back.
    PutBack,
    /// It was as it had been before.
    AsBefore,
    /// Somebody has changed it since, so it was left alone.
    LeftAlone,
    /// The server refuses.
    Refused,
}

impl Outcome {
    /// Whether somebody should look at it.
    pub fn is_finding(self) -> bool {
        matches!(self, Self::SetUntilRestart | Self::LeftAlone | Self::Refused)
    }
}

impl TuneReport {
    /// Whether there is something to look at. What is advised is none after the old values were put back.
    pub fn has_findings(&self) -> bool {
        let advised = self.action != Step::Undo && self.settings.iter().any(Advice::is_finding);
        advised || self.done.iter().any(|done| done.outcome.is_finding())
    }

    fn is_refused(&self) -> bool {
        !self.done.is_empty() && self.done.iter().all(|done| done.outcome == Outcome::Refused)
    }
}

/// Does it.
pub async fn run(options: &Options, cancel: &CancellationToken) -> Result<TuneReport> {
    let watch = Watch::over(&[&options.endpoint], cancel);
    watch
        .attend(async {
            let mut server = connect::tunable(&options.endpoint).await?;
            let report = tokio::select! {
                biased;
                report = on_server(options, server.as_mut()) => report,
                () = watch.cancel().cancelled() => Err(interrupted(options.step)),
            };
            briefly(server.close()).await;
            report
        })
        .await
}

fn interrupted(step: Step) -> Error {
    let error = Error::new(ErrorKind::Interrupted, "interrupted");
    match step {
        Step::Advise => error.next("nothing was changed"),
        Step::Apply | Step::Undo => error.next("tune --undo puts back what was set until then"),
    }
}

async fn on_server(options: &Options, server: &mut dyn Tunable) -> Result<TuneReport> {
    let Subject { needs_memory, size, .. } = *server.subject();
    let memory = if needs_memory { memory::of_server(&options.endpoint, options.memory) } else { None };
    let circumstances = Circumstances { memory: memory.as_ref().map(|m| m.bytes), size, ssd: options.ssd };
    let mut report = TuneReport {
        database: database_report(&options.endpoint, &server.subject().facts),
        action: options.step,
        memory,
        needs_memory,
        size: circumstances.size,
        settings: Vec::new(),
        done: Vec::new(),
        run: None,
        undoes: None,
        record: None,
        refusal: None,
    };
    let tunings = Tunings::new(&options.folder);
    match options.step {
        Step::Advise => {}
        Step::Apply => {
            let advised = server.advice(&circumstances).await?;
            apply(options, server, &advised, &tunings, &mut report).await?;
        }
        Step::Undo => undo(options, server, &tunings, &mut report).await?,
    }
    // As they stand now: what was set is seen here, or waits.
    report.settings = server.advice(&circumstances).await?;
    report.settings.sort_by_key(|advice| !advice.is_finding());
    Ok(report)
}

/// A setting that is going to be set.
struct Wanted<'a> {
    advice: &'a Advice,
    value: &'a str,
    effect: Effect,
}

async fn apply(
    options: &Options,
    server: &mut dyn Tunable,
    advised: &[Advice],
    tunings: &Tunings,
    report: &mut TuneReport,
) -> Result<()> {
    let wanted: Vec<Wanted<'_>> = advised
        .iter()
        .filter_map(|advice| {
            let (value, effect) = advice.settable().zip(advice.takes_effect)?;
            Some(Wanted { advice, value, effect })
        })
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = wanted.iter().map(|w| format!("{} = {}", w.advice.setting, w.value)).collect();
    options.consent.to(&format!("Set {} on {}?", list.join(", "), options.endpoint))?;
    let run = new_run();
    let mut tuning = Tuning::new(&run, &server.subject().identity, report.database.clone());
    let mut possible = Vec::new();
    for one in &wanted {
        match server.standing(&one.advice.setting).await {
            Ok(standing) => {
                possible.push(one);
                tuning.changed.extend(standing.into_iter().enumerate().map(|(at, before)| Changed {
                    before,
                    to: (at == 0).then(|| one.value.to_owned()),
                    takes_effect: one.effect,
                    after: None,
                }));
            }
            Err(error) => report.done.push(refused(one, error)?),
        }
    }
    tunings.write(&tuning)?;
    for one in possible {
        match server.set(&one.advice.setting, one.value, one.effect).await {
            Ok(()) => {
                let stands = server.standing(&one.advice.setting).await?;
                note(&mut tuning.changed, &stands);
                tunings.write(&tuning)?;
                report.done.push(set(one, server.subject().outlives_restart));
            }
            Err(error) => {
                let done =
                    refused(one, error).map_err(|error| error.next("tune --undo puts back what was set"))?;
                tuning.changed.retain(|changed| changed.before.setting != one.advice.setting);
                report.done.push(done);
            }
        }
    }
    if report.is_refused() {
        tunings.forget(&run)?;
        report.refusal = Some(refusal(server, &report.done, "set"));
        return Ok(());
    }
    server.reload().await?;
    // Only now it shows what the server makes of it.
    for done in report.done.iter().filter(|done| done.outcome != Outcome::Refused) {
        note(&mut tuning.changed, &server.standing(&done.setting).await?);
    }
    tunings.write(&tuning)?;
    report.record = Some(tunings.file(&run));
    report.run = Some(run);
    Ok(())
}

fn note(changed: &mut [Changed], stands: &[Standing]) {
    for stands in stands {
        for changed in changed.iter_mut().filter(|changed| changed.before.setting == stands.setting) {
            changed.after = Some(stands.clone());
        }
    }
}

fn set(one: &Wanted<'_>, outlives_restart: bool) -> Done {
    Done {
        setting: one.advice.setting.clone(),
        from: one.advice.now.clone().unwrap_or_default(),
        to: one.value.to_owned(),
        outcome: if outlives_restart { Outcome::Set } else { Outcome::SetUntilRestart },
        takes_effect: one.effect,
        detail: one.advice.by_hand.clone().filter(|_| !outlives_restart),
    }
}

/// A setting that the server does not let be set; any other error ends the run.
fn refused(one: &Wanted<'_>, error: Error) -> Result<Done> {
    let why = about_it(error)?;
    Ok(Done {
        setting: one.advice.setting.clone(),
        from: one.advice.now.clone().unwrap_or_default(),
        to: one.value.to_owned(),
        outcome: Outcome::Refused,
        takes_effect: one.effect,
        detail: Some(why),
    })
}

/// Why a server refuses this one setting.
fn about_it(error: Error) -> Result<String> {
    match error.kind() {
        ErrorKind::Permission | ErrorKind::Value => Ok(error.reason().unwrap_or(error.what()).to_owned()),
        _ => Err(error),
    }
}

/// The error of a run that was not let do anything.
fn refusal(server: &dyn Tunable, done: &[Done], verb: &str) -> Error {
    let names: Vec<&str> = done.iter().map(|done| done.setting.as_str()).collect();
    let what = format!("may not {verb} {}; nothing was changed", names.join(", "));
    let error = Error::new(ErrorKind::Permission, what).next(server.grant(&names));
    match done.iter().find_map(|done| done.detail.as_ref()) {
        Some(why) => error.why(why),
        None => error,
    }
}

async fn undo(
    options: &Options,
    server: &mut dyn Tunable,
    tunings: &Tunings,
    report: &mut TuneReport,
) -> Result<()> {
    let Some(mut tuning) = tunings.newest(&server.subject().identity)? else {
        return Err(Error::new(
            ErrorKind::Refused,
            "tune has set nothing on this server that could be put back",
        )
        .next("check --database and --app-dir: what was set is kept in history/tune of the folder"));
    };
    // All are looked at before the first is put back: one may take another along.
    let mut ways = Vec::with_capacity(tuning.changed.len());
    for changed in &tuning.changed {
        let name = &changed.before.setting;
        let now = match server.standing(name).await {
            Ok(stands) => Ok(stands.into_iter().find(|stands| stands.setting == *name)),
            Err(error) => Err(about_it(error)?),
        };
        ways.push(match now {
            Ok(Some(now)) => (now.value.clone(), Ok(changed.way_back(&now))),
            Ok(None) => (String::new(), Ok(WayBack::ChangedSince)),
            Err(why) => (String::new(), Err(why)),
        });
    }
    let list: Vec<String> = tuning
        .changed
        .iter()
        .zip(&ways)
        .filter(|(_, (_, way))| *way == Ok(WayBack::PutBack))
        .map(|(changed, _)| format!("{} = {}", changed.before.setting, changed.before.value))
        .collect();
    if !list.is_empty() {
        options.consent.to(&format!("Put back {} on {}?", list.join(", "), options.endpoint))?;
    }
    for (changed, (now, way)) in tuning.changed.iter().zip(ways) {
        let way = match way {
            Ok(WayBack::PutBack) => match server.put_back(&changed.before, changed.takes_effect).await {
                Ok(()) => Ok(WayBack::PutBack),
                Err(error) => Err(about_it(error).map_err(|e| e.next("run tune --undo again"))?),
            },
            other => other,
        };
        report.done.push(returned(changed, now, way));
    }
    if report.is_refused() {
        report.refusal = Some(refusal(server, &report.done, "put back"));
        return Ok(());
    }
    server.reload().await?;
    // What was refused can be tried again, by somebody who may.
    tuning.undone = report.done.iter().all(|done| done.outcome != Outcome::Refused);
    tunings.write(&tuning)?;
    report.record = Some(tunings.file(&tuning.run));
    report.undoes = Some(tuning.run);
    Ok(())
}

fn returned(changed: &Changed, now: String, way: Result<WayBack, String>) -> Done {
    let (outcome, detail) = match way {
        Ok(WayBack::PutBack) => (Outcome::PutBack, None),
        Ok(WayBack::Already) => (Outcome::AsBefore, None),
        Ok(WayBack::ChangedSince) => (Outcome::LeftAlone, Some("somebody has changed it since".to_owned())),
        Err(why) => (Outcome::Refused, Some(why)),
    };
    Done {
        setting: changed.before.setting.clone(),
        from: now,
        to: changed.before.value.clone(),
        outcome,
        takes_effect: changed.takes_effect,
        detail,
    }
}
