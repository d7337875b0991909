//! Rows that policies put aside or changed: the reject file, their numbers, and what the report says about them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::engine::judge::Judge;
use crate::engine::limits::{self, Limits};
use crate::model::batch::{Batch, Cell, RowKey};
use crate::model::codes::{self, Conversion};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Finding, FindingAction, Plan, Severity, TablePlan};
use crate::model::policy::{Decision, Policies};
use crate::pipeline::private_file;

/// Keys that a finding names.
const KEYS: usize = 5;

/// Table, column, code, and whether the row was rejected rather than a value converted.
type Place = (String, String, String, bool);

/// Rows that have been met.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How many.
    pub(super) rows: u64,
    /// Keys of the first of them.
    pub(super) keys: Vec<String>,
}

impl Seen {
    /// One more.
    pub(super) fn count(&mut self, key: Option<String>) {
        self.rows += 1;
        if self.keys.len() < KEYS {
            self.keys.extend(key);
        }
    }
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    seen: BTreeMap<Place, Seen>,
    rejected: BTreeMap<String, u64>,
}

/// The rejects of one run. The file is made when the first row is put aside.
#[derive(Debug)]
pub struct Rejects {
    path: PathBuf,
    state: Mutex<State>,
}

impl Rejects {
    /// None yet; `path` is where the file would be.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), state: Mutex::default() }
    }

    /// The file, if any row was put aside.
    pub fn file(&self) -> Option<&Path> {
        self.state().file.is_some().then_some(self.path.as_path())
    }

    /// Rows of a table (of the source) that were put aside.
    pub fn rows(&self, table: &str) -> u64 {
        self.state().rejected.get(table).copied().unwrap_or(0)
    }

    /// Whether rows of a table (of the source) were put aside or had a value converted.
    pub fn changed(&self, table: &str) -> bool {
        self.state().seen.keys().any(|(of, ..)| of == table)
    }

    /// Removes the file after a run that changed nothing.
    pub fn discard(&self) {
        if self.state().file.take().is_some() {
            // What stays behind names keys and is readable by its owner only.
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// Adds to the findings of the plan what only the load met.
    pub fn complete(&self, findings: &mut Vec<Finding>) {
        for ((table, column, code, rejected), seen) in &self.state().seen {
            let action = if *rejected { FindingAction::Rejected } else { FindingAction::Converted };
            let same = |f: &Finding| {
                f.code == *code
                    && f.action == action
                    && f.table.as_deref() == Some(table)
                    && f.column.as_deref() == Some(column)
            };
            if findings.iter().any(same) {
                continue;
            }
            let what = codes::find(code).map_or(code.as_str(), |code| code.text.trim_end_matches('.'));
            let done = match codes::conversion(code) {
                _ if *rejected => "such rows are in the reject file",
                Some(Conversion::Value(done)) => &format!("such values {done}"),
                Some(Conversion::Null) | None => "such values become NULL",
            };
            findings.push(Finding {
                code: code.clone(),
                severity: Severity::Warning,
                table: Some(table.clone()),
                column: Some(column.clone()),
                object: None,
                kind: "column".into(),
                rows: Some(seen.rows),
                keys: seen.keys.clone(),
                action,
                text: format!("{what}; {done}"),
            });
        }
    }

    /// Puts a row aside.
    pub fn reject(&self, table: &str, column: &str, code: &str, key: &RowKey) -> Result<()> {
        let mut state = self.state();
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::Write, format!("cannot write the reject file {}", self.path.display()))
                .why(e)
        };
        if state.file.is_none() {
            state.file = Some(private_file::create(&self.path).map_err(failed)?);
        }
        let mut line = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            line,
            "{}",
            json!({ "table": table, "key": key.values, "column": column, "code": code })
        );
        if let Some(file) = &mut state.file {
            file.write_all(line.as_bytes()).map_err(failed)?;
        }
        *state.rejected.entry(table.to_owned()).or_default() += 1;
        state.note(table, column, code, true, key);
        Ok(())
    }

    /// Counts a value that was converted.
    pub fn convert(&self, table: &str, column: &str, code: &str, key: &RowKey) {
        self.state().note(table, column, code, false, key);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, table: &str, column: &str, code: &str, rejected: bool, key: &RowKey) {
        let place = (table.to_owned(), column.to_owned(), code.to_owned(), rejected);
        self.seen.entry(place).or_default().count(key.text.clone());
    }
}

/// Decides about the rows of one table as the policies of its plan say.
pub struct TableJudge {
    rejects: Arc<Rejects>,
    policies: Policies,
    limits: Limits,
    table: String,
    columns: Vec<JudgedColumn>,
    /// Positions of the columns whose values are held against the target's limits.
    watched: Vec<usize>,
}

struct JudgedColumn {
    name: String,
    native_type: String,
    nullable: bool,
}

impl TableJudge {
    /// A judge for the copied columns of a table; `None` where no policy has anything to decide.
    pub fn of(plan: &Plan, table: &TablePlan, rejects: &Arc<Rejects>) -> Option<Arc<dyn Judge>> {
        if plan.policies.is_empty() {
            return None;
        }
        let columns = table.copied().map(|column| JudgedColumn {
            name: column.source.clone(),
            native_type: column.native_type.clone(),
            nullable: column.nullable,
        });
        let mut judge = Self {
            rejects: rejects.clone(),
            policies: plan.policies.clone(),
            limits: Limits::of(plan),
            table: table.source.clone(),
            columns: columns.collect(),
            watched: Vec::new(),
        };
        let watched = |at: &usize| limits::CODES.iter().any(|code| judge.decide(*at, code) != Decision::Stop);
        judge.watched = (0..judge.columns.len()).filter(watched).collect();
        Some(Arc::new(judge))
    }

    fn convert(batch: &mut Batch, row: usize, at: usize, code: &str) {
        match codes::conversion(code) {
            Some(Conversion::Null) => batch.set_null(row, at),
            Some(Conversion::Value(_)) => {
                if let Cell::Text(span) = batch.row(row)[at] {
                    let text = batch.text(span).replace('\0', "");
                    batch.set_text(row, at, &text);
                }
            }
            None => {}
        }
    }
}

impl Judge for TableJudge {
    fn decide(&self, column: usize, code: &str) -> Decision {
        let Some(place) = self.columns.get(column) else { return Decision::Stop };
        let decision = self.policies.decision(code, Some(&self.table), Some(&place.name), None);
        match decision.unwrap_or(Decision::Stop) {
            _ if code == codes::NULL_IN_KEY && place.nullable => Decision::Stop,
            Decision::Convert if codes::conversion(code) == Some(Conversion::Null) && !place.nullable => {
                Decision::Stop
            }
            decision => decision,
        }
    }

    fn rejected(&self, key: &RowKey, column: usize, code: &str) -> Result<()> {
        let name = self.columns.get(column).map_or("", |c| &c.name);
        self.rejects.reject(&self.table, name, code, key)
    }

    fn converted(&self, key: &RowKey, column: usize, code: &str) {
        let name = self.columns.get(column).map_or("", |c| &c.name);
        self.rejects.convert(&self.table, name, code, key);
    }

    fn screen(&self, batch: &mut Batch) -> Result<()> {
        if self.watched.is_empty() {
            return Ok(());
        }
        let mut out = Vec::new();
        for row in 0..batch.rows() {
            for &at in &self.watched {
                let cell = batch.row(row)[at];
                let Some(code) = self.limits.misfit(&self.columns[at].native_type, batch, cell) else {
                    continue;
                };
                match self.decide(at, code) {
                    // The writer refuses it and names it.
                    Decision::Stop | Decision::Accept => {}
                    Decision::Reject => {
                        self.rejected(&batch.row_key(row), at, code)?;
                        out.push(row);
                        break;
                    }
                    Decision::Convert => {
                        self.converted(&batch.row_key(row), at, code);
                        Self::convert(batch, row, at, code);
                    }
                }
            }
        }
        if !out.is_empty() {
            batch.retain(|row| out.binary_search(&row).is_err());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::batch::{Shape, ShapeColumn};
    use crate::model::endpoint::{Dialect, Flavour};
    use crate::model::policy::Policy;
    use crate::model::sample;
    use crate::model::schema::DataType;

    fn judge(rules: &[&str], rejects: &Arc<Rejects>) -> Arc<dyn Judge> {
        let columns = vec![
            sample::column("id", "bigint", DataType::INT64),
            sample::column("note", "text", DataType::TEXT),
        ];
        let mut plan = sample::plan(Dialect::Sqlite, Flavour::Postgres, vec![sample::table("t", columns)]);
        plan.policies = Policies::new(rules.iter().map(|rule| Policy::parse_rule(rule).unwrap()).collect());
        TableJudge::of(&plan, &plan.tables[0], rejects).unwrap()
    }

    fn batch(notes: &[&str]) -> Batch {
        let column = |name: &str, data_type| ShapeColumn { name: name.into(), data_type };
        let shape = Shape {
            table: "t".into(),
            columns: vec![column("id", DataType::INT64), column("note", DataType::TEXT)],
            key: vec![0],
        };
        let mut batch = Batch::new(Arc::new(shape));
        for (id, note) in (1..).zip(notes) {
            batch.push(Cell::Int(id));
            batch.push_text(note);
        }
        batch
    }

    fn left(batch: &Batch) -> Vec<String> {
        let text = |row: &[Cell]| match row[1] {
            Cell::Text(span) => batch.text(span).to_owned(),
            other => panic!("{other:?}"),
        };
        batch.iter().map(text).collect()
    }

    #[test]
    fn rejected_rows_leave_the_batch_and_stand_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects/migration_7.ndjson");
        let rejects = Arc::new(Rejects::new(&path));
        let mut full = batch(&["a", "b\0", "c", "\0"]);
        judge(&["nul_in_text=reject"], &rejects).screen(&mut full).unwrap();
        assert_eq!(left(&full), ["a", "c"]);
        assert_eq!((rejects.rows("t"), rejects.file()), (2, Some(path.as_path())));
        let lines = std::fs::read_to_string(&path).unwrap();
        let line =
            |id: u8| format!(r#"{{"table":"t","key":{{"id":{id}}},"column":"note","code":"nul_in_text"}}"#);
        assert_eq!(lines, format!("{}\n{}\n", line(2), line(4)));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut findings = Vec::new();
        rejects.complete(&mut findings);
        assert_eq!(
            (findings.len(), findings[0].rows, findings[0].action),
            (1, Some(2), FindingAction::Rejected)
        );
        assert_eq!(findings[0].keys, ["id=2", "id=4"]);
        rejects.discard();
        assert!(!path.exists() && rejects.file().is_none());
    }

    #[test]
    fn converted_values_stay_and_no_file_is_made() {
        let rejects = Arc::new(Rejects::new("/nonexistent/file"));
        let mut full = batch(&["a", "b\0c"]);
        judge(&["nul_in_text@t.note=convert"], &rejects).screen(&mut full).unwrap();
        assert_eq!(left(&full), ["a", "bc"]);
        assert_eq!((rejects.rows("t"), rejects.file()), (0, None));
        let mut stopped = batch(&["b\0c"]);
        judge(&["nul_in_text@t.id=convert"], &rejects).screen(&mut stopped).unwrap();
        assert_eq!(left(&stopped), ["b\0c"]);
    }
}
