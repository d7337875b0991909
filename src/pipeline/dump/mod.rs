//! A plan carried out as text: the same statements and the same rows as in a target, written as a script. The rows
//! stream through as they are read, whatever the size of a table; what was counted and digested on the way stands at
//! the end, together with checks that let the script fail where it is loaded and not everything arrived.

mod file;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::file::{ScriptFile, check};
use super::copy::{self, BatchSize, Copied};
use super::rejects::{Rejects, TableJudge};
use super::{execute, verify};
use crate::engine::blocking;
use crate::engine::capability::{Naming, Rules, Snapshot};
use crate::engine::dump::{DumpDialect, in_comment};
use crate::engine::judge::Judge;
use crate::engine::stream::BatchReceiver;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::mark::Mark;
use crate::model::plan::{Plan, Scope, Statement, TablePlan};
use crate::model::report::TableReport;
use crate::model::view::ViewPlan;

/// Bytes of rows that are collected before they are handed to the file.
const BUFFER: usize = 256 * 1024;

/// How to write a script.
#[derive(Clone)]
pub struct Settings {
    /// Size of a batch.
    pub batch: BatchSize,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Interruption.
    pub cancel: CancellationToken,
    /// Where rows go that the plan's policies put aside.
    pub rejects: Arc<Rejects>,
    /// Sentences for the head of the script, without names of files or hosts.
    pub about: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Tables in the order of the plan; `rows_written` counts the rows in the script.
    pub tables: Vec<TableReport>,
    /// Bytes of the file.
    pub bytes: u64,
    /// Longest row as text, in bytes: what a server's limit on one statement has to allow.
    pub longest_row: u64,
}

/// Writes the script of a plan into a new file.
pub async fn write(
    plan: &Plan,
    snapshot: &dyn Snapshot,
    rules: &dyn Rules,
    dialect: Arc<dyn DumpDialect>,
    path: &Path,
    settings: &Settings,
) -> Result<Written> {
    let script = rules.script(plan, &Naming::default());
    let path = path.to_owned();
    let mut pen = blocking::run(move || ScriptFile::create(&path)).await.map(Pen::new)?;

    let mut head = String::new();
    for line in &settings.about {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(head, "-- {}", in_comment(line));
    }
    let _ = write!(head, "\n{}", dialect.opening());
    pen = pen.text(head).await?;
    pen = pen.statements(&script.before).await?;
    let mut copied = vec![None; plan.tables.len()];
    if plan.scope != Scope::SchemaOnly {
        settings.observer.event(&Event::Phase { phase: Phase::Load });
        for (at, table) in plan.tables.iter().enumerate() {
            let judge = TableJudge::of(plan, table, &settings.rejects);
            let (back, mut done) = rows(table, snapshot, &dialect, pen, judge, settings).await?;
            pen = back;
            verify::settle(table, &mut done, snapshot, &settings.rejects).await?;
            copied[at] = Some(done);
        }
    }
    settings.observer.event(&Event::Phase { phase: Phase::Finish });
    for statements in [&script.indexes, &script.constraints, &script.last, &script.statistics] {
        pen = pen.statements(statements).await?;
    }
    let views: Vec<Statement> = plan.views.iter().map(ViewPlan::statement).collect();
    pen = pen.statements(&views).await?;
    let (checks, trailer) = (checks(plan, dialect.as_ref(), &copied), trailer(plan, &copied));
    pen = pen.text(format!("\n{checks}{}\n{trailer}", dialect.closing())).await?;
    if settings.cancel.is_cancelled() {
        return Err(interrupted());
    }
    let longest_row = pen.longest_row;
    let bytes = blocking::run(move || pen.file.publish()).await?;
    let tables = plan.tables.iter().zip(copied).map(|(t, copied)| execute::report(t, copied, None)).collect();
    Ok(Written { tables, bytes, longest_row })
}

/// Reads a table and writes its rows.
async fn rows(
    table: &TablePlan,
    snapshot: &dyn Snapshot,
    dialect: &Arc<dyn DumpDialect>,
    pen: Pen,
    judge: Option<Arc<dyn Judge>>,
    settings: &Settings,
) -> Result<(Pen, Copied)> {
    let (plan, dialect, cancel) = (table.clone(), dialect.clone(), settings.cancel.clone());
    let write = |rows| blocking::run(move || pen.rows(&plan, dialect.as_ref(), rows, &cancel));
    copy::carry(snapshot, table, settings.batch, Mark::default(), judge, &settings.observer, write).await
}

/// A file that is being written, and what has to be remembered of it.
struct Pen {
    file: ScriptFile,
    longest_row: u64,
}

impl Pen {
    fn new(file: ScriptFile) -> Self {
        Self { file, longest_row: 0 }
    }

    async fn text(mut self, text: String) -> Result<Self> {
        blocking::run(move || self.file.write(text.as_bytes()).map(|()| self)).await
    }

    async fn statements(self, statements: &[Statement]) -> Result<Self> {
        if statements.is_empty() {
            return Ok(self);
        }
        let mut text = String::new();
        for statement in statements {
            let _ = writeln!(text, "{};", statement.sql);
        }
        self.text(format!("\n{text}")).await
    }

    /// Writes rows until the road ends.
    fn rows(
        mut self,
        table: &TablePlan,
        dialect: &dyn DumpDialect,
        mut receiver: BatchReceiver,
        cancel: &CancellationToken,
    ) -> Result<(Self, u64)> {
        let mut text = dialect.rows(table)?;
        let mut out = Vec::with_capacity(2 * BUFFER);
        let mut written = 0;
        while let Some(batch) = receiver.blocking_recv() {
            if cancel.is_cancelled() {
                return Err(interrupted());
            }
            if written == 0 && batch.rows() > 0 {
                out.push(b'\n');
                text.begin(&mut out);
            }
            for row in 0..batch.rows() {
                let before = out.len();
                text.row(&batch, row, &mut out)?;
                self.longest_row = self.longest_row.max((out.len() - before) as u64);
                written += 1;
                if out.len() >= BUFFER {
                    self.file.write(&out)?;
                    out.clear();
                    // A very long value does not keep its memory.
                    out.shrink_to(2 * BUFFER);
                }
            }
            receiver.recycle(batch);
        }
        if written > 0 {
            text.end(&mut out);
        }
        self.file.write(&out)?;
        Ok((self, written))
    }
}

/// Statements that fail if something is missing where the script was loaded.
fn checks(plan: &Plan, dialect: &dyn DumpDialect, copied: &[Option<Copied>]) -> String {
    if plan.scope == Scope::SchemaOnly {
        return String::new();
    }
    let mut out = dialect.checks_begin();
    for (table, copied) in plan.tables.iter().zip(copied) {
        out.push_str(&dialect.check_rows(table, copied.map_or(0, |c| c.written)));
    }
    out.push_str(&dialect.check_references(plan));
    out
}

/// What was read, for whoever wants to compare; its absence shows that the file is not whole.
fn trailer(plan: &Plan, copied: &[Option<Copied>]) -> String {
    let mut out = String::from("-- End of the script. Rows and digest of each table as they were read:\n");
    for (table, copied) in plan.tables.iter().zip(copied) {
        let name = in_comment(&table.name);
        match copied {
            Some(copied) => {
                let digest = copied.read.digest;
                let _ = writeln!(out, "--   {name}: {} rows, {digest}", digest.rows);
            }
            None => {
                let _ = writeln!(out, "--   {name}: without rows");
            }
        }
    }
    out
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted; the script was not finished and is removed")
        .next("run the same command again when you are ready")
}
