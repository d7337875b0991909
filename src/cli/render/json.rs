//! The one JSON document of `--format json`: the bones of the contract, the same for every command, and what a
//! command has to add.

use std::path::Path;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use super::{check, error, exit_code, status_of, tune, verdict};
use crate::commands::backup::BackupReport;
use crate::commands::check::{Ahead, CheckReport};
use crate::commands::detect::DetectReport;
use crate::commands::dump::DumpReport;
use crate::commands::migrate::Planned;
use crate::commands::rollback::RollbackReport;
use crate::commands::schema::SchemaReport;
use crate::commands::tune::TuneReport;
use crate::model::endpoint::Endpoint;
use crate::model::error::Error;
use crate::model::plan::{Plan, TablePlan};
use crate::model::report::{MigrationReport, Status};
use crate::model::timeline::Timeline;
use crate::pipeline::backups::{Backup, Shelf};

/// Most tables of a plan that the report of a migration repeats; `--dry-run` has the plan of any number.
pub(super) const PLANNED_TABLES: usize = 500;

/// Version of the document.
const VERSION: u8 = 1;

/// A document under construction; keys stay in the order in which they come.
struct Document(Map<String, Value>);

impl Document {
    fn new(command: &str, status: Status, exit_code: u8) -> Self {
        let mut document = Self(Map::new());
        document.put("version", json!(VERSION)).put("command", json!(command));
        document.put("status", json!(status)).put("exit_code", json!(exit_code));
        document
    }

    fn put(&mut self, key: &str, value: Value) -> &mut Self {
        self.0.insert(key.to_owned(), value);
        self
    }

    fn finish(self) -> Value {
        Value::Object(self.0)
    }
}

/// `detect`.
pub fn detect(report: &DetectReport) -> Value {
    let mut document = Document::new("detect", Status::Done, 0);
    document
        .put("source", json!(report.database))
        .put("tables", json!(report.tables))
        .put("findings", json!([]));
    document.put(
        "database",
        json!({
            "reachable": true,
            "latency_ms": report.latency.as_secs_f64() * 1000.0,
            "size_bytes": report.size,
            "encoding": report.encoding,
            "collation": report.collation,
            "time_zone": report.time_zone,
            "techcare": report.techcare,
            "newest_backup": report.backup.as_ref().map(|backup| json!({
                "path": backup.path.display().to_string(),
                "age_seconds": backup.age.as_secs(),
            })),
        }),
    );
    document.put("warnings", json!(report.warnings));
    document.finish()
}

/// `migrate --dry-run`, or a plan that was refused with this error.
pub fn planned(planned: &Planned, refusal: Option<&Error>, status: Status) -> Value {
    let code = refusal.map_or(exit_code(status), |error| error.kind().exit_code());
    let mut document = Document::new("migrate", status, code);
    document.put("source", json!(planned.source)).put("target", json!(planned.target));
    document.put("tables", planned.plan.tables.iter().map(planned_table).collect());
    document.put("findings", json!(planned.plan.findings));
    document.put("plan", bare_plan(&planned.plan));
    if let Some(error) = refusal {
        document.put("error", error_bone(error));
    }
    document.finish()
}

/// `check`; `docs/check.md` and `docs/schema/check-1.json` describe it.
pub fn check(report: &CheckReport) -> Value {
    let status = check::status(report);
    let mut document = Document::new("check", status, exit_code(status));
    document.put("source", json!(report.database)).put("quick", json!(report.quick));
    let mut findings = Vec::new();
    if let Some(alone) = &report.alone {
        document.put("database", json!(alone));
        findings.extend(alone.observations.iter().map(|found| asked("alone", json!(found))));
    }
    if let Some(ahead) = &report.target {
        put_ahead(&mut document, ahead);
        findings.extend(ahead.planned.plan.findings.iter().map(|found| asked("target", json!(found))));
    }
    if let Some(comparison) = &report.against {
        document.put("against", json!(comparison.database));
        let equal = !comparison.has_findings();
        document.put("comparison", json!({ "equal": equal, "tables": comparison.tables }));
        findings.extend(comparison.observations.iter().map(|found| asked("against", json!(found))));
    }
    document.put("findings", Value::Array(findings));
    document.finish()
}

/// A finding with the question that it answers.
fn asked(question: &str, mut finding: Value) -> Value {
    if let Some(finding) = finding.as_object_mut() {
        finding.insert("question".into(), json!(question));
    }
    finding
}

fn put_ahead(document: &mut Document, ahead: &Ahead) {
    let planned = &ahead.planned;
    document.put("target", json!(planned.target));
    document.put("tables", planned.plan.tables.iter().map(planned_table).collect());
    document.put("plan", bare_plan(&planned.plan));
    document.put(
        "migration",
        json!({
            "would": check::outcome(ahead),
            "target_unreachable": ahead.assumed,
            "target_occupied": ahead.occupied,
            "missing_right": ahead.missing_right.as_ref().map(|m| json!({ "what": m.what, "fix": m.fix })),
            "gives_way": ahead.gives_way,
        }),
    );
}

/// A plan without its findings, which stand beside it.
fn bare_plan(plan: &Plan) -> Value {
    let mut plan = json!(plan);
    if let Some(plan) = plan.as_object_mut() {
        plan.remove("findings");
    }
    plan
}

fn planned_table(table: &TablePlan) -> Value {
    json!({ "name": table.source, "target_name": table.name, "estimated_rows": table.estimated_rows })
}

/// `migrate`, with the file that keeps this document and the one that keeps it as a page.
pub fn migrated(report: &MigrationReport, file: Option<&Path>, page: Option<&Path>) -> Value {
    let status = verdict(&report.findings, &report.tables);
    let mut document = Document::new("migrate", status, exit_code(status));
    document.put("run_id", json!(report.run_id));
    document.put("source", json!(report.source)).put("target", json!(report.target));
    document.put("tables", json!(report.tables)).put("findings", json!(report.findings));
    document.put("seconds", json!(report.seconds)).put("bytes", json!(report.bytes));
    if let Some(plan) = report.plan.as_ref().filter(|plan| plan.tables.len() <= PLANNED_TABLES) {
        document.put("plan", bare_plan(plan));
    }
    if let Some(file) = &report.rejects {
        document.put("rejects", json!(file));
    }
    if let Some(file) = &report.backup {
        document.put("backup", json!(file));
    }
    if !report.kept.is_empty() {
        document.put("kept", json!(report.kept));
    }
    for (key, file) in [("report", file), ("page", page)] {
        if let Some(file) = file {
            document.put(key, json!(file.display().to_string()));
        }
    }
    document.finish()
}

/// `rollback`.
pub fn rollback(report: &RollbackReport) -> Value {
    let status = verdict(&report.findings, &[]);
    let mut document = Document::new("rollback", status, exit_code(status));
    document.put("target", json!(report.database)).put("action", json!(report.action));
    if let Some(run) = &report.run {
        document.put("run_id", json!(run));
    }
    if let Some(run) = &report.undoes {
        document.put("undoes", json!(run));
    }
    let path = |path: &std::path::PathBuf| json!(path.display().to_string());
    if let Some(file) = &report.restores {
        document.put("restores", path(file));
    }
    if let Some(file) = &report.saved {
        document.put("backup", path(file));
    }
    document.put("tables", json!(report.tables)).put("findings", json!(report.findings));
    document.put("runs", json!(report.runs)).put("backups", report.backups.iter().map(backup).collect());
    document.put("kept", json!(report.kept)).put("notes", json!(report.notes));
    document.finish()
}

/// `migrate --dump`.
pub fn dumped(report: &DumpReport) -> Value {
    let mut document = migrated(&report.migration, None, None);
    if let Some(document) = document.as_object_mut() {
        document.insert(
            "dump".into(),
            json!({
                "file": report.file.display().to_string(),
                "product": report.flavour,
                "bytes": report.file_bytes,
                "longest_row_bytes": report.longest_row,
            }),
        );
    }
    document
}

/// `backup`.
pub fn backed_up(report: &BackupReport) -> Value {
    let manifest = &report.backup.manifest;
    let mut document = Document::new("backup", Status::Done, 0);
    document.put("run_id", json!(manifest.run_id)).put("source", json!(report.database));
    document.put("tables", json!(manifest.tables)).put("findings", json!([]));
    document.put("backup", json!(report.backup.path.display().to_string()));
    document.put("method", json!(manifest.method)).put("method_why", json!(manifest.method_why));
    document.put("program", json!(manifest.program));
    document.put("bytes", json!(manifest.bytes)).put("sha256", json!(manifest.sha256));
    document.put("writers_waited", json!(manifest.writers_waited));
    document.put("seconds", json!(report.took.as_secs_f64()));
    let deleted: Vec<String> = report.deleted.iter().map(|path| path.display().to_string()).collect();
    document.put("deleted", json!(deleted));
    document.finish()
}

/// `backup --list`.
pub fn backups(shelf: &Shelf) -> Value {
    let status = if shelf.faulty.is_empty() { Status::Done } else { Status::Findings };
    let mut document = Document::new("backup", status, exit_code(status));
    document.put("backups", shelf.backups.iter().map(backup).collect());
    let faulty = shelf.faulty.iter();
    let faulty = faulty.map(|f| json!({ "path": f.path.display().to_string(), "why": f.why }));
    document.put("faulty", faulty.collect());
    document.finish()
}

/// `backup --verify`.
pub fn verified_backup(found: &Backup) -> Value {
    let mut document = Document::new("backup", Status::Done, 0);
    document.put("tables", json!(found.manifest.tables)).put("findings", json!([]));
    document.put("backup", json!(found.path.display().to_string())).put("verified", backup(found));
    document.finish()
}

/// A backup without its tables.
fn backup(backup: &Backup) -> Value {
    let mut value = json!({ "path": backup.path.display().to_string(), "rows": backup.manifest.rows() });
    if let (Some(value), Value::Object(manifest)) = (value.as_object_mut(), json!(backup.manifest)) {
        value.extend(manifest.into_iter().filter(|(key, _)| key != "tables"));
    }
    value
}

/// `schema`.
pub fn schema(report: &SchemaReport) -> Value {
    let mut document = Document::new("schema", Status::Done, 0);
    document.put("target", json!(report.database));
    document.put("tables", report.tables.iter().map(|name| json!({ "name": name })).collect());
    document.put("findings", json!([]));
    document.put("action", json!(report.action)).put("changed", json!(report.changed));
    document.put("applied", json!(report.applied)).put("pending", json!(report.pending));
    document.put("notes", json!(report.notes));
    document.finish()
}

/// `tune`; `docs/schema/tune-1.json` describes it.
pub fn tuned(report: &TuneReport, refusal: Option<&Error>) -> Value {
    let status = tune::status(report, refusal);
    let code = refusal.map_or(exit_code(status), |error| error.kind().exit_code());
    let mut document = Document::new("tune", status, code);
    if let Some(run) = &report.run {
        document.put("run_id", json!(run));
    }
    document.put("target", json!(report.database)).put("action", json!(report.action));
    document.put("memory", json!(report.memory)).put("size_bytes", json!(report.size));
    document.put("settings", json!(report.settings)).put("done", json!(report.done));
    if let Some(run) = &report.undoes {
        document.put("undoes", json!(run));
    }
    if let Some(file) = &report.record {
        document.put("record", json!(file.display().to_string()));
    }
    if let Some(error) = refusal {
        document.put("error", error_bone(error));
    }
    document.finish()
}

/// Anything that prints text: help, the version, completions.
pub fn text(command: &str, text: &str) -> Value {
    let mut document = Document::new(command, Status::Done, 0);
    document.put("text", json!(text));
    document.finish()
}

/// Anything that writes files and says where.
pub fn files(command: &str, paths: &[String]) -> Value {
    let mut document = Document::new(command, Status::Done, 0);
    document.put("files", json!(paths));
    document.finish()
}

/// A document with when what happened.
pub fn timed(mut document: Value, timeline: &Timeline) -> Value {
    if let Some(document) = document.as_object_mut() {
        document.insert("began".into(), json!(timeline.began.to_rfc3339_opts(SecondsFormat::Millis, true)));
        document.insert("timeline".into(), json!(timeline));
    }
    document
}

/// An error, with the databases that were named as far as they are known.
pub fn failed(
    command: Option<&str>,
    failure: &Error,
    source: Option<&Endpoint>,
    target: Option<&Endpoint>,
) -> Value {
    let code = failure.kind().exit_code();
    let mut document = Document::new(command.unwrap_or("techcare-db"), status_of(failure), code);
    for (key, endpoint) in [("source", source), ("target", target)] {
        if let Some(endpoint) = endpoint {
            document.put(
                key,
                json!({
                    "engine": endpoint.dialect(),
                    "version": null,
                    "location": endpoint.to_string(),
                    "origin": endpoint.origin,
                }),
            );
        }
    }
    document.put("error", error_bone(failure));
    document.finish()
}

/// The error bone; errors of other workers follow where there are any.
pub fn error_bone(failure: &Error) -> Value {
    let text = |text: Option<&str>| text.map(error::mask);
    let mut bone = json!({
        "kind": failure.kind().as_str(),
        "what": error::mask(failure.what()),
        "why": text(failure.reason()),
        "next": text(failure.advice()),
    });
    if let (false, Some(bone)) = (failure.others().is_empty(), bone.as_object_mut()) {
        bone.insert("others".into(), failure.others().iter().map(error_bone).collect());
    }
    bone
}
