//! A scripted engine for tests of the pipeline: it holds rows in memory, can fail or lie at a named step, and
//! records what was asked of it. Only compiled for tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::capability::{
    Capabilities, Claim, ColumnInput, Defaults, Facts, Mapping, Matching, NameLimit, Naming, NotSwitched,
    Occupied, OnStatement, Orphans, Probe, ReadColumn, ReadRequest, Rules, Snapshot, Source, Staging, Stored,
    TableSize, Target, Verdict,
};
use crate::engine::stream::{BatchReceiver, BatchSender};
use crate::model::batch::Cell;
use crate::model::change::Change;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{
    ColumnPlan, Fidelity, IdentityPlan, IndexPlan, Plan, Script, TablePlan, TableProfile,
};
use crate::model::sample;
use crate::model::schema::{DataType, DefaultValue, Identity, Schema, Table};

/// Where the scripted engine misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nowhere.
    None,
    /// Making tables fails.
    Create,
    /// Reading fails after the first batch.
    Read,
    /// Writing fails at the first batch.
    Write,
    /// Writing claims one row more than it got.
    Miscount,
    /// One value changes between writing and reading back.
    Alter,
    /// Statements after the load fail.
    Finish,
    /// Gathering statistics fails.
    Statistics,
    /// A foreign key has an orphan.
    Orphan,
    /// Writing never ends.
    Hang,
    /// A check refuses the second row that it is tried on.
    Decide,
    /// Nothing is evaluated.
    Silent,
    /// Somebody holds a lock when the first switch is tried.
    Held,
}

/// The engine: every integer of `rows` is a row of every table.
pub struct Fake {
    fault: Fault,
    facts: Facts,
    capabilities: Capabilities,
    rows: Vec<i64>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Fake {
    /// An engine with these rows in each table that misbehaves there.
    pub fn new(fault: Fault, rows: &[i64]) -> Self {
        Self {
            fault,
            facts: facts(),
            capabilities: capabilities(),
            rows: rows.to_vec(),
            calls: Arc::default(),
        }
    }

    /// What was asked of it and its staging, in order.
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

/// A plan of that many tables with one integer column each.
pub fn plan(tables: usize) -> Plan {
    let table = |n: usize| {
        let id = ColumnPlan {
            source_type: "INTEGER".into(),
            nullable: false,
            ..sample::column("id", "bigint", DataType::INT64)
        };
        TablePlan { key: vec!["id".into()], ..sample::table(&format!("t{n}"), vec![id]) }
    };
    sample::plan(Dialect::Sqlite, Flavour::Postgres, (0..tables).map(table).collect())
}

fn failure(kind: ErrorKind) -> Error {
    Error::new(kind, "scripted failure")
}

#[async_trait]
impl Source for Fake {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn rules(&self) -> &dyn Rules {
        self
    }

    async fn inspect(&self) -> Result<Schema> {
        Ok(Schema { dialect: Dialect::Sqlite, tables: vec![], objects: vec![] })
    }

    async fn damage(&self) -> Result<Vec<String>> {
        Ok(vec![])
    }

    async fn sizes(&self) -> Result<Vec<TableSize>> {
        Ok(vec![])
    }

    async fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(FakeSnapshot { fault: self.fault, readers, rows: self.rows.clone() }))
    }

    async fn probe(&self, probe: &Probe) -> Result<Option<Vec<Verdict>>> {
        self.calls.lock().unwrap().push("probe");
        if self.fault == Fault::Silent {
            return Ok(None);
        }
        let verdict = |row| match (self.fault, row) {
            (Fault::Decide, 1) => Verdict::Refused,
            _ => Verdict::Admitted,
        };
        Ok(Some((0..probe.rows.rows()).map(verdict).collect()))
    }

    async fn evaluate(&self, defaults: &Defaults) -> Result<Option<Vec<Stored>>> {
        self.calls.lock().unwrap().push("evaluate");
        if self.fault == Fault::Silent {
            return Ok(None);
        }
        let stored = |expression: &String| match self.fault {
            Fault::Decide => Stored::Text(format!("{expression}0")),
            _ => Stored::Text(expression.clone()),
        };
        Ok(Some(defaults.expressions.iter().map(stored).collect()))
    }

    async fn close(&self) {}
}

#[async_trait]
impl Target for Fake {
    async fn occupied(&self, _plan: &Plan) -> Result<Vec<Occupied>> {
        Ok(vec![])
    }

    async fn claim(&self) -> Result<Box<dyn Claim>> {
        self.calls.lock().unwrap().push("claim");
        Ok(Box::new(FakeClaim))
    }

    async fn clear(&self, _keep: Option<&str>) -> Result<Vec<String>> {
        Ok(vec![])
    }

    async fn collisions(&self, _plan: &Plan, _key: &IndexPlan, _rows: BatchReceiver) -> Result<Matching> {
        Ok(Matching::default())
    }

    async fn stage(&self, _run: &str, _plan: &Plan) -> Result<Box<dyn Staging>> {
        self.calls.lock().unwrap().push("stage");
        Ok(Box::new(FakeStaging { fault: self.fault, calls: self.calls.clone(), rows: Arc::default() }))
    }

    async fn happened(&self, _change: &Change) -> Result<bool> {
        Ok(self.calls().contains(&"switch"))
    }

    async fn settle(&self, _change: &Change, _happened: bool) -> Result<()> {
        self.calls.lock().unwrap().push("settle");
        Ok(())
    }

    async fn back(&self, run: &str, change: &Change) -> Result<Change> {
        Ok(Change { run: run.to_owned(), ..change.clone() })
    }

    fn dropping(&self, _change: &Change) -> Vec<String> {
        Vec::new()
    }

    async fn exchange(&self, _change: &Change) -> Result<()> {
        Ok(())
    }
}

struct FakeClaim;

#[async_trait]
impl Claim for FakeClaim {
    async fn release(self: Box<Self>) {}
}

struct FakeSnapshot {
    fault: Fault,
    readers: usize,
    rows: Vec<i64>,
}

async fn send_rows(rows: &[i64], request: &ReadRequest, to: &BatchSender) -> Result<()> {
    for chunk in rows.chunks(request.batch_rows) {
        let mut batch = to.fresh();
        for row in chunk {
            batch.push(Cell::Int(*row));
        }
        to.send(batch).await?;
    }
    Ok(())
}

#[async_trait]
impl Snapshot for FakeSnapshot {
    fn readers(&self) -> usize {
        self.readers
    }

    async fn estimate(&self, _table: &str) -> Result<Option<u64>> {
        Ok(None)
    }

    async fn count(&self, _table: &str) -> Result<u64> {
        Ok(self.rows.len() as u64)
    }

    async fn profile(&self, _: &Table, _: Dialect, _condition: Option<&str>) -> Result<TableProfile> {
        Ok(TableProfile::default())
    }

    async fn matching(&self, _table: &Table, _condition: &str) -> Result<Matching> {
        Ok(Matching::default())
    }

    async fn columns(&self, _view: &str) -> Result<Vec<ReadColumn>> {
        Ok(vec![ReadColumn::untyped("id".into(), DataType::INT64)])
    }

    async fn orphans(&self, _plan: &Plan) -> Result<Vec<Orphans>> {
        Ok(vec![])
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        if self.fault == Fault::Read {
            let first = &self.rows[..request.batch_rows.min(self.rows.len())];
            send_rows(first, request, &to).await?;
            return Err(failure(ErrorKind::Read));
        }
        send_rows(&self.rows, request, &to).await
    }

    async fn close(self: Box<Self>) {}
}

struct FakeStaging {
    fault: Fault,
    calls: Arc<Mutex<Vec<&'static str>>>,
    rows: Arc<Mutex<Vec<(String, i64)>>>,
}

impl FakeStaging {
    fn call(&self, what: &'static str) {
        self.calls.lock().unwrap().push(what);
    }
}

#[async_trait]
impl Staging for FakeStaging {
    async fn create(&self) -> Result<()> {
        self.call("create");
        if self.fault == Fault::Create { Err(failure(ErrorKind::Write)) } else { Ok(()) }
    }

    async fn write(&self, table: &TablePlan, mut rows: BatchReceiver) -> Result<u64> {
        let mut written = 0;
        while let Some(batch) = rows.recv().await {
            match self.fault {
                Fault::Write => return Err(failure(ErrorKind::Space)),
                Fault::Hang => tokio::time::sleep(Duration::from_secs(3600)).await,
                _ => {}
            }
            for row in batch.iter() {
                let Cell::Int(value) = row[0] else { panic!("not an integer") };
                self.rows.lock().unwrap().push((table.name.clone(), value));
                written += 1;
            }
            rows.recycle(batch);
        }
        Ok(if self.fault == Fault::Miscount { written + 1 } else { written })
    }

    async fn finish(&self, _on_statement: OnStatement<'_>) -> Result<()> {
        self.call("finish");
        if self.fault == Fault::Finish { Err(failure(ErrorKind::Value)) } else { Ok(()) }
    }

    async fn gather_statistics(&self) -> Result<()> {
        self.call("statistics");
        if self.fault == Fault::Statistics { Err(failure(ErrorKind::Write)) } else { Ok(()) }
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let mut rows: Vec<i64> =
            self.rows.lock().unwrap().iter().filter(|(t, _)| *t == request.table).map(|(_, v)| *v).collect();
        rows.reverse();
        if self.fault == Fault::Alter {
            rows[0] += 1;
        }
        send_rows(&rows, request, &to).await
    }

    async fn orphans(&self) -> Result<Vec<Orphans>> {
        let orphan = Orphans {
            table: "t0".into(),
            columns: vec!["id".into()],
            references: "t1".into(),
            rows: 1,
            keys: vec![],
        };
        Ok(if self.fault == Fault::Orphan { vec![orphan] } else { vec![] })
    }

    async fn orm(&self) -> Result<Option<sea_orm::DatabaseConnection>> {
        Ok(None)
    }

    async fn change(&self) -> Result<Change> {
        Ok(Change::default())
    }

    async fn switch(self: Box<Self>, _change: &Change) -> Result<(), NotSwitched> {
        let held = self.fault == Fault::Held && !self.calls.lock().unwrap().contains(&"switch");
        self.call("switch");
        if held { Err(NotSwitched { error: failure(ErrorKind::Busy), staging: Some(self) }) } else { Ok(()) }
    }

    async fn discard(self: Box<Self>) -> Result<()> {
        self.call("discard");
        Ok(())
    }
}

impl Rules for Fake {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn flavour(&self) -> Flavour {
        Flavour::Postgres
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn type_of(&self, _: &str) -> DataType {
        DataType::Any
    }

    fn quote(&self, name: &str) -> String {
        format!("\"{name}\"")
    }

    fn literal(&self, text: &str) -> String {
        format!("'{text}'")
    }

    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping {
        Mapping {
            native_type: "bigint".into(),
            carries: input.column.data_type.clone(),
            fidelity: Fidelity::Exact,
            note: None,
            collation: None,
            needs: None,
        }
    }

    fn default(&self, _value: &DefaultValue, _mapping: &Mapping) -> Option<String> {
        None
    }

    fn identity(&self, _identity: &Identity, _mapping: &Mapping) -> Option<IdentityPlan> {
        None
    }

    fn script(&self, _plan: &Plan, _naming: &Naming) -> Script {
        Script::default()
    }
}

fn facts() -> Facts {
    Facts {
        flavour: Flavour::Postgres,
        version: "15".into(),
        version_number: (15, 0, 0),
        encoding: "UTF8".into(),
        collation: "C".into(),
        time_zone: None,
        size: None,
        identity: "fake".into(),
        latency: Duration::ZERO,
        collations: vec![],
        sequences: Vec::new(),
        max_value_bytes: None,
        case_sensitive_names: true,
        unique_parents: false,
        namespace: String::new(),
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        max_name: NameLimit::Bytes(63),
        max_columns: 1600,
        max_indexes: 1000,
        max_index_columns: 32,
        case_sensitive_tables: true,
        case_sensitive_columns: true,
        index_names_are_global: true,
        indexes_share_names_with_tables: true,
        primary_key_names: true,
        constraint_names_are_global: false,
        partial_indexes: true,
        expression_indexes: true,
        invisible_columns: false,
        index_prefixes: false,
        index_include: true,
        index_nulls_order: true,
        index_methods: &[],
        deferrable: true,
        deferrable_unique: true,
        unique_constraints: true,
        set_default: true,
        unique_parents: false,
        match_full: true,
        checks: true,
        generated_stored: true,
        generated_not_null: true,
        generated_virtual: false,
        default_expressions: true,
        sequences: true,
        late_instants: true,
        comments: true,
        on_update_now: false,
        restores_whole: false,
        writers: 2,
    }
}
