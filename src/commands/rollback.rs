//! `rollback`: takes a run back that is in the history. What the run made is kept aside in the step that puts back
//! what it had replaced, so nothing is dropped and the way back has a way back.

use std::path::PathBuf;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::consent::Consent;
use super::{backup, database_report, identity};
use crate::engine::capability::Target;
use crate::engine::connect;
use crate::engine::watch::{Watch, briefly};
use crate::model::change::{Change, Kind, Moved};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::Finding;
use crate::model::report::DatabaseReport;
use crate::pipeline::backups::Backup;
use crate::pipeline::runs::{self, Command, Record, Runs, State, TableRecord};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub endpoint: Endpoint,
    /// Folder of the history of runs.
    pub history: PathBuf,
    /// Folder of backups.
    pub backups: PathBuf,
    /// The run; the newest migration that stands if there is none.
    pub run: Option<String>,
    /// How far to go.
    pub step: Step,
    /// The word for it.
    pub consent: Consent,
}

/// How far to go, and how far it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Say what can be taken back.
    List,
    /// Say what would be done.
    DryRun,
    /// Do it.
    TakeBack,
    /// Complete one that was interrupted.
    Complete,
    /// Put a backup back.
    Restore,
}

/// What was found or done.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackReport {
    /// Where.
    pub database: DatabaseReport,
    /// What was done.
    pub action: Step,
    /// This run.
    pub run: Option<String>,
    /// The run that was taken back.
    pub undoes: Option<String>,
    /// The backup that was put back.
    pub restores: Option<PathBuf>,
    /// The backup of the state before, where one was made.
    pub saved: Option<PathBuf>,
    /// Tables that it is about.
    pub tables: Vec<TableLine>,
    /// The history, the newest run first.
    pub runs: Vec<RunLine>,
    /// Backups of this database that can be put back, the newest first.
    pub backups: Vec<Backup>,
    /// What was not put back as it was.
    pub findings: Vec<Finding>,
    /// How to get rid of what is kept aside, a command each.
    pub kept: Vec<String>,
    /// What is worth knowing, a sentence each.
    pub notes: Vec<String>,
}

/// A table that is taken out of use or put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableLine {
    /// Its name.
    pub name: String,
    /// Whether the run made it, so that it goes.
    pub goes: bool,
    /// Whether an older one comes back.
    pub comes_back: bool,
    /// Whether it stays and its rows go.
    pub emptied: bool,
    /// Rows that the run left in it.
    pub rows_then: Option<u64>,
    /// Rows in it now.
    pub rows_now: Option<u64>,
}

/// A run in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunLine {
    /// The run.
    pub run_id: String,
    /// What it was.
    pub command: Command,
    /// Seconds since 1970.
    pub at: u64,
    /// From where.
    pub source: Option<String>,
    /// Tables that it made.
    pub tables: usize,
    /// Tables that it replaced.
    pub replaced: usize,
    /// Tables that were there, which it filled, or emptied again.
    pub filled: usize,
    /// Rows that it left.
    pub rows: u64,
    /// The run that took it back.
    pub undone_by: Option<String>,
    /// Whether it can be taken back now.
    pub can_be_undone: bool,
}

/// Runs the command.
pub async fn run(options: &Options, cancel: &CancellationToken) -> Result<RollbackReport> {
    let watch = Watch::over(&[&options.endpoint], cancel);
    watch.attend(look_or_act(options)).await
}

async fn look_or_act(options: &Options) -> Result<RollbackReport> {
    let target = connect::target(&options.endpoint).await?;
    let report = if matches!(options.step, Step::List | Step::DryRun) {
        look(options, target.as_ref()).await
    } else {
        claimed(options, target.as_ref()).await
    };
    briefly(target.close()).await;
    report
}

impl RollbackReport {
    /// One in which nothing has happened yet.
    pub(super) fn new(database: DatabaseReport, action: Step) -> Self {
        Self {
            database,
            action,
            run: None,
            undoes: None,
            restores: None,
            saved: None,
            tables: Vec::new(),
            runs: Vec::new(),
            backups: Vec::new(),
            findings: Vec::new(),
            kept: Vec::new(),
            notes: Vec::new(),
        }
    }
}

fn blank(options: &Options, target: &dyn Target) -> RollbackReport {
    RollbackReport::new(database_report(&options.endpoint, target.facts()), options.step)
}

/// Changes nothing.
async fn look(options: &Options, target: &dyn Target) -> Result<RollbackReport> {
    let mut report = blank(options, target);
    let records = Runs::new(&options.history).of(&identity(&options.endpoint, target.facts()))?;
    report.runs = records.iter().rev().map(|record| line(&records, record)).collect();
    report.notes = records.iter().filter(|r| r.state == State::Switching).map(Record::interrupted).collect();
    if options.step == Step::List {
        let database = backup::identity(&options.endpoint, target.facts());
        let (there, _) = backup::everywhere(&options.backups, &options.history)?;
        report.backups = there.of_database(&database.id).cloned().collect();
    }
    if options.step == Step::DryRun {
        let chosen = choose(&records, options.run.as_deref())?;
        let back = target.back(&new_run(), &chosen.change).await?;
        report.undoes = Some(chosen.run.clone());
        report.tables = tables(target, chosen, &back).await?;
    }
    Ok(report)
}

async fn claimed(options: &Options, target: &dyn Target) -> Result<RollbackReport> {
    let claim = target.claim().await?;
    let report = take_back(options, target).await;
    briefly(claim.release()).await;
    report
}

async fn take_back(options: &Options, target: &dyn Target) -> Result<RollbackReport> {
    let mut report = blank(options, target);
    let runs = Runs::new(&options.history);
    let identity = identity(&options.endpoint, target.facts());
    report.notes.extend(runs.prepare()?.iter().map(|left| runs::removed(left)));
    let settled = runs::settle(&runs, target, &identity).await?;
    if let Some(done) = settled.last().filter(|s| !s.happened || s.record.command != Command::Migrate) {
        // What was interrupted last is finished by this. Going on would take back a run that nobody meant.
        report.action = Step::Complete;
        report.run = Some(done.record.run.clone());
        report.undoes.clone_from(&done.record.undoes);
        if done.happened {
            report.kept = target.dropping(&done.record.change);
        }
        report.notes.push(done.told());
        return Ok(report);
    }
    let records = runs.of(&identity)?;
    let chosen = choose(&records, options.run.as_deref())?;
    let run = new_run();
    let back = target.back(&run, &chosen.change).await?;
    report.tables = tables(target, chosen, &back).await?;
    options.consent.to(&question(&report, chosen))?;
    let command = match chosen.command {
        Command::Migrate | Command::Restore => Command::Rollback,
        // Taking the way back brings again what there was before it.
        Command::Rollback => brought_again(&records, chosen),
    };
    let record = Record {
        source: chosen.source.clone().filter(|_| command != Command::Rollback),
        tables: rows_left(&report.tables),
        undoes: Some(chosen.run.clone()),
        change: back,
        ..Record::new(&run, command, &identity, report.database.clone())
    };
    report.kept = target.dropping(&record.change);
    let by_hand = record.change.by_hand.clone();
    runs::take_back(&runs, target, record).await?;
    report.notes.extend(by_hand);
    report.undoes = Some(chosen.run.clone());
    report.run = Some(run);
    Ok(report)
}

/// What the run was that the way back took back.
fn brought_again(records: &[Record], back: &Record) -> Command {
    let undone = back.undoes.as_ref().and_then(|run| records.iter().find(|record| record.run == *run));
    undone.map_or(Command::Migrate, |record| record.command)
}

pub(super) fn new_run() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The run to be taken back.
fn choose<'a>(records: &'a [Record], wanted: Option<&str>) -> Result<&'a Record> {
    let refuse = |what: String, next: &str| Err(Error::new(ErrorKind::Refused, what).next(next));
    let record = match wanted {
        Some(run) => match records.iter().find(|record| record.run == run) {
            Some(record) => record,
            None => {
                return refuse(
                    format!("no run {run} is recorded for this database"),
                    "rollback --list names them; the history is in the folder of --app-dir",
                );
            }
        },
        None => {
            match records.iter().rev().find(|record| record.command == Command::Migrate && stands(record)) {
                Some(record) => record,
                None => {
                    return refuse(
                        "no migration is recorded for this database that could be taken back".into(),
                        "check --database and --app-dir: the history is in the folder of the run that migrated",
                    );
                }
            }
        }
    };
    if let Some(by) = &record.undone_by {
        return refuse(format!("run {} was taken back by run {by}", record.run), "rollback --list shows all");
    }
    if record.change.is_empty() {
        return refuse(
            format!("run {} did not write down what it did", record.run),
            "restore a backup, or delete the rows by hand",
        );
    }
    if let Some(later) = in_the_way(records, record) {
        return refuse(
            format!("run {} came after run {}", later.run, record.run),
            "take that one back first; rollback --list shows all",
        );
    }
    Ok(record)
}

/// Whether what a run did is still there.
fn stands(record: &Record) -> bool {
    record.state != State::Switching && record.undone_by.is_none()
}

/// A later run that stands on what an earlier one did. The way back of one that is later still is none.
fn in_the_way<'a>(records: &'a [Record], record: &Record) -> Option<&'a Record> {
    records.iter().find(|later| {
        let harmless = later.command == Command::Rollback
            && later.undoes.as_ref().is_some_and(|undone| *undone > record.run);
        later.run > record.run && stands(later) && !harmless
    })
}

fn line(records: &[Record], record: &Record) -> RunLine {
    RunLine {
        run_id: record.run.clone(),
        command: record.command,
        at: record.at,
        source: record.source.as_ref().map(|source| source.location.clone()),
        tables: record.change.tables_shown().count(),
        replaced: record.change.tables_kept().count(),
        filled: record.change.tables_of_rows().count(),
        rows: record.tables.iter().map(|table| table.rows).sum(),
        undone_by: record.undone_by.clone(),
        can_be_undone: stands(record) && !record.change.is_empty() && in_the_way(records, record).is_none(),
    }
}

/// What happens to each table, with the rows then and now.
async fn tables(target: &dyn Target, chosen: &Record, back: &Change) -> Result<Vec<TableLine>> {
    let sizes = target.sizes().await?;
    let now = |name: &str| sizes.iter().find(|size| size.table == name).map(|size| size.rows);
    let then = |name: &str| chosen.tables.iter().find(|table| table.name == name).map(|table| table.rows);
    let of_rows = |list: &[Moved], name: &str| list.iter().any(|m| m.kind == Kind::Rows && m.name == name);
    let comes =
        |name: &str| back.tables_shown().any(|moved| moved.name == name) || of_rows(&back.shown, name);
    let goes = |name: &str| back.tables_kept().any(|moved| moved.name == name);
    let emptied = |name: &str| of_rows(&back.kept, name);
    let all = back.tables_kept().chain(back.tables_shown()).chain(back.tables_of_rows());
    let mut names: Vec<&str> = all.map(|moved| moved.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names
        .into_iter()
        .map(|name| TableLine {
            name: name.to_owned(),
            goes: goes(name),
            comes_back: comes(name),
            emptied: emptied(name),
            rows_then: then(name),
            rows_now: now(name),
        })
        .collect())
}

/// Tables that are taken out of use or emptied, with the rows that they have then.
fn rows_left(tables: &[TableLine]) -> Vec<TableRecord> {
    let gone = tables.iter().filter(|table| table.goes || table.emptied);
    gone.map(|table| TableRecord {
        name: table.name.clone(),
        rows: table.rows_now.unwrap_or_default(),
        digest: None,
    })
    .collect()
}

fn question(report: &RollbackReport, chosen: &Record) -> String {
    let names = |wanted: fn(&TableLine) -> bool| -> String {
        let names = report.tables.iter().filter(|table| wanted(table)).map(|table| table.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (gone, back) = (names(|table| table.goes), names(|table| table.comes_back));
    let emptied = names(|table| table.emptied);
    let what = match (gone.is_empty(), back.is_empty()) {
        _ if !emptied.is_empty() => format!("empty {emptied} and keep the rows aside"),
        (false, true) => format!("put {gone} aside"),
        (true, false) => format!("put {back} back"),
        _ => format!("put {gone} aside and the former {back} back"),
    };
    format!("Take run {} back in {}: {what}?", chosen.run, report.database.location)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Aside;

    fn records(runs: &[(&str, Command, Option<&str>, Option<&str>)]) -> Vec<Record> {
        let target = DatabaseReport {
            engine: "sqlite".into(),
            version: None,
            location: "a.db".into(),
            origin: String::new(),
        };
        let record = |&(run, command, undoes, undone_by): &(&str, Command, Option<&str>, Option<&str>)| {
            let mut record = Record::new(run, command, "id", target.clone());
            record.state = State::Done;
            record.undoes = undoes.map(Into::into);
            record.undone_by = undone_by.map(Into::into);
            let aside = Aside { place: "p".into(), name: "t".into() };
            record.change.shown.push(Moved::new(Kind::Table, "t".into(), aside));
            record
        };
        runs.iter().map(record).collect()
    }

    #[test]
    fn migrations_are_taken_back_the_newest_first() {
        use Command::{Migrate, Rollback};
        let two = records(&[("1", Migrate, None, None), ("2", Migrate, None, None)]);
        assert_eq!(choose(&two, None).unwrap().run, "2");
        assert!(choose(&two, Some("1")).unwrap_err().what().contains("came after"));
        let one_left = records(&[
            ("1", Migrate, None, None),
            ("2", Migrate, None, Some("3")),
            ("3", Rollback, Some("2"), None),
        ]);
        assert_eq!(choose(&one_left, None).unwrap().run, "1");
        assert_eq!(choose(&one_left, Some("3")).unwrap().run, "3");
        assert!(choose(&one_left, Some("2")).unwrap_err().what().contains("taken back"));
        let none_left = records(&[
            ("1", Migrate, None, Some("4")),
            ("2", Migrate, None, Some("3")),
            ("3", Rollback, Some("2"), None),
            ("4", Rollback, Some("1"), None),
        ]);
        assert!(choose(&none_left, None).is_err());
        assert!(choose(&none_left, Some("3")).is_err(), "out of its order");
        assert_eq!(choose(&none_left, Some("4")).unwrap().run, "4");
    }
}
