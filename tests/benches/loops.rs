//! The hot loops, each alone and in memory: what a row costs this program, without a server, a disk or a second thread.
//! `make bench-loops` times them, `make instructions` counts instructions (docs/benchmarks.md).
//!
//! The rows are the diagnostics that the project's seeder writes: wide, half of it JSON. Throughput is in bytes of values.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "../support/seed.rs"]
mod seed;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use rusqlite::Connection;
use techcare_db::engine::capability::{ReadRequest, Rules};
use techcare_db::engine::stream::{self, BatchReceiver, BatchSender};
use techcare_db::engine::{connect, mysql, postgres, sqlite};
use techcare_db::model::batch::{Batch, Shape, ShapeColumn};
use techcare_db::model::digest::Digest;
use techcare_db::model::endpoint::{Endpoint, Flavour, Location};
use techcare_db::model::plan::TablePlan;
use techcare_db::pipeline::copy::{self, Side};
use techcare_db::pipeline::plan::{self, PlanInput};

const TABLE: &str = "diagnostics";
const ROWS: u64 = 2_000;

/// A file of the seeder's, and what is planned of its widest table.
struct Seeded {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Seeded {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("source.db");
        seed::write(&seed::Options {
            out,
            diagnostics: ROWS,
            users: 50,
            seed: 1,
            orphans: 0,
            older_schema: false,
        })
        .unwrap();
        Self { folder, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("source.db")
    }

    fn plan(&self, target: Flavour) -> TablePlan {
        let rules: Box<dyn Rules> = connect::rules(target, None);
        self.runtime.block_on(async {
            let source = connect::source(&Endpoint::new(Location::File(self.file()), "")).await.unwrap();
            let schema = source.inspect().await.unwrap();
            let table = schema.table(TABLE).unwrap();
            let snapshot = source.snapshot(1).await.unwrap();
            // Of texts that are longer than declared.
            let profile = snapshot.profile(table, rules.dialect(), None).await.unwrap();
            let input = PlanInput {
                profiles: &BTreeMap::from([(TABLE.to_owned(), profile)]),
                ..PlanInput::of_catalogue(&schema, Flavour::Sqlite, rules.as_ref())
            };
            plan::plan(&input).tables.into_iter().find(|table| table.name == TABLE).unwrap()
        })
    }
}

/// All rows in one batch.
fn request(table: &TablePlan, side: Side) -> ReadRequest {
    copy::request(table, side, copy::BatchSize { rows: usize::MAX, bytes: usize::MAX })
}

fn shape(request: &ReadRequest) -> Arc<Shape> {
    let column = |c: &techcare_db::engine::capability::ReadColumn| ShapeColumn {
        name: c.name.clone(),
        data_type: c.carries.clone(),
    };
    Arc::new(Shape {
        table: request.table.clone(),
        columns: request.columns.iter().map(column).collect(),
        key: vec![0],
    })
}

fn read_sqlite(file: &Connection, request: &ReadRequest) -> Batch {
    let (sender, mut receiver) = stream::channel(shape(request));
    sqlite::loops::read(file, request, &sender).unwrap();
    drop(sender);
    receiver.blocking_recv().unwrap()
}

/// What is measured, each under a name by which callgrind finds it.
mod measured {
    use super::{
        Batch, BatchReceiver, BatchSender, Bytes, Connection, Digest, ReadRequest, TablePlan, mysql,
        postgres, read_sqlite, sqlite,
    };

    #[inline(never)]
    pub fn sqlite_to_batch(file: &Connection, request: &ReadRequest) -> Batch {
        read_sqlite(file, request)
    }

    #[inline(never)]
    pub fn batch_to_digest(batch: &Batch, scratch: &mut Vec<u8>) -> Digest {
        let mut digest = Digest::default();
        digest.add_batch(batch, scratch);
        digest
    }

    #[inline(never)]
    pub fn batch_to_copy(table: &TablePlan, batch: &Batch) -> Vec<u8> {
        postgres::loops::encoded(table, batch).unwrap()
    }

    #[inline(never)]
    pub fn copy_to_batch(request: &ReadRequest, bytes: &Bytes, to: &BatchSender) -> Batch {
        postgres::loops::decoded(request, bytes, to).unwrap()
    }

    #[inline(never)]
    pub fn batch_to_parameters(table: &TablePlan, batch: &Batch, rows: BatchReceiver) -> usize {
        mysql::loops::bound(table, batch, rows).unwrap()
    }

    #[inline(never)]
    pub fn values_to_batch(request: &ReadRequest, rows: &[Vec<Option<Vec<u8>>>], to: &BatchSender) -> Batch {
        mysql::loops::decoded(request, rows, to).unwrap()
    }

    #[inline(never)]
    pub fn batch_to_sqlite(file: &Connection, table: &TablePlan, rows: &mut BatchReceiver) -> u64 {
        sqlite::loops::write(file, table, false, rows).unwrap()
    }
}

fn loops(criterion: &mut Criterion) {
    let seeded = Seeded::new();
    let file = Connection::open(seeded.file()).unwrap();
    let to_postgres = seeded.plan(Flavour::Postgres);
    let from_sqlite = request(&to_postgres, Side::Source);
    let batch = read_sqlite(&file, &from_sqlite);
    assert_eq!(batch.rows() as u64, ROWS);

    let mut group = criterion.benchmark_group("loops");
    group.throughput(Throughput::Bytes(batch.byte_size() as u64));

    group.bench_function("sqlite_to_batch", |b| b.iter(|| measured::sqlite_to_batch(&file, &from_sqlite)));
    group.bench_function("batch_to_digest", |b| {
        let mut scratch = Vec::new();
        b.iter(|| measured::batch_to_digest(black_box(&batch), &mut scratch));
    });
    group.bench_function("batch_to_copy", |b| {
        b.iter(|| measured::batch_to_copy(&to_postgres, black_box(&batch)));
    });

    let from_postgres = request(&to_postgres, Side::Target);
    let copied = Bytes::from(postgres::loops::encoded(&to_postgres, &batch).unwrap());
    let (sender, _receiver) = stream::channel(shape(&from_postgres));
    let back = postgres::loops::decoded(&from_postgres, &copied, &sender).unwrap();
    assert_eq!(digest(&back), digest(&batch));
    group.bench_function("copy_to_batch", |b| {
        b.iter(|| measured::copy_to_batch(&from_postgres, black_box(&copied), &sender));
    });

    let to_mysql = seeded.plan(Flavour::Mariadb);
    group.bench_function("batch_to_parameters", |b| {
        b.iter_batched(
            || stream::channel(batch.shape().clone()).1,
            |rows| measured::batch_to_parameters(&to_mysql, black_box(&batch), rows),
            BatchSize::PerIteration,
        );
    });
    let from_mysql = request(&to_mysql, Side::Target);
    let texts = texts_of(&file, &from_sqlite);
    let (sender, _receiver) = stream::channel(shape(&from_mysql));
    let back = mysql::loops::decoded(&from_mysql, &texts, &sender).unwrap();
    assert_eq!(digest(&back), digest(&batch));
    group.bench_function("values_to_batch", |b| {
        b.iter(|| measured::values_to_batch(&from_mysql, black_box(&texts), &sender));
    });

    let to_sqlite = seeded.plan(Flavour::Sqlite);
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    let made: String = file.query_row(sql, [TABLE], |row| row.get(0)).unwrap();
    group.bench_function("batch_to_sqlite", |b| {
        b.iter_batched(
            || {
                let memory = Connection::open_in_memory().unwrap();
                memory.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
                memory.execute_batch(&made).unwrap();
                let (sender, receiver) = stream::channel(batch.shape().clone());
                sender.blocking_send(batch.clone()).unwrap();
                (memory, receiver)
            },
            |(memory, mut receiver)| measured::batch_to_sqlite(&memory, &to_sqlite, &mut receiver),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn digest(batch: &Batch) -> Digest {
    let mut digest = Digest::default();
    digest.add_batch(batch, &mut Vec::new());
    digest
}

/// The values as the text protocol of MySQL sends them, which for those of the diagnostics is how SQLite keeps them.
fn texts_of(file: &Connection, request: &ReadRequest) -> Vec<Vec<Option<Vec<u8>>>> {
    use rusqlite::types::ValueRef;
    let names: Vec<&str> = request.columns.iter().map(|c| c.name.as_str()).collect();
    let mut statement = file.prepare(&format!("SELECT {} FROM {TABLE}", names.join(", "))).unwrap();
    let text = |value: ValueRef<'_>| match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string().into_bytes()),
        ValueRef::Real(number) => Some(number.to_string().into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    };
    let rows = statement.query_map([], |row| {
        (0..names.len()).map(|at| row.get_ref(at).map(text)).collect::<rusqlite::Result<Vec<_>>>()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    loops(&mut criterion);
    criterion.final_summary();
}
