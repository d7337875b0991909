//! Types of the other engines in a SQLite file: what the writer stores, the reader gives back as the same cells, and
//! the catalogue tells what type it was.

use super::*;
use crate::model::batch::{Batch, Cell};
use crate::model::plan::{Fidelity, IdentityPlan};
use crate::model::sample;
use crate::model::schema::{Column, Identity};
use crate::model::value;

type Fill = Box<dyn Fn(&mut Batch)>;

fn cell(cell: Cell) -> Fill {
    Box::new(move |b: &mut Batch| b.push(cell))
}

fn text(text: &'static str) -> Fill {
    Box::new(move |b: &mut Batch| b.push_text(text))
}

fn decimal(digits: &'static str) -> Fill {
    Box::new(move |b: &mut Batch| b.push_decimal(digits))
}

fn bytes(bytes: &'static [u8]) -> Fill {
    Box::new(move |b: &mut Batch| b.push_bytes(bytes))
}

fn int(bits: u8, unsigned: bool) -> DataType {
    DataType::Int { bits, unsigned }
}

/// Every type and the values that it is most easily lost at.
fn samples() -> Vec<(DataType, Vec<Fill>)> {
    let micros = |text: &str| value::parse_datetime(text).unwrap();
    let labels = || vec!["a'b".to_owned(), "1".to_owned(), "ção".to_owned()];
    vec![
        (DataType::Bool, vec![cell(Cell::Bool(true)), cell(Cell::Bool(false))]),
        (int(8, true), vec![cell(Cell::Int(0)), cell(Cell::Int(255))]),
        (int(16, false), vec![cell(Cell::Int(-32_768))]),
        (int(24, false), vec![cell(Cell::Int(8_388_607))]),
        (int(32, true), vec![cell(Cell::Int(4_294_967_295))]),
        (int(64, false), vec![cell(Cell::Int(i64::MIN)), cell(Cell::Int(9_007_199_254_740_993))]),
        (int(64, true), vec![cell(Cell::Int(i64::MAX))]),
        (
            DataType::Float32,
            vec![cell(Cell::Float(f64::from(16_777_217.0_f32))), cell(Cell::Float(f64::from(0.1_f32)))],
        ),
        (
            DataType::Float64,
            vec![
                cell(Cell::Float(1e-300)),
                cell(Cell::Float(f64::INFINITY)),
                cell(Cell::Float(3.0)),
                cell(Cell::Float(-0.0)),
            ],
        ),
        (
            DataType::Decimal { precision: Some(15), scale: Some(2) },
            vec![decimal("9999999999999.99"), decimal("-0.10"), decimal("5.00")],
        ),
        (
            DataType::Decimal { precision: Some(38), scale: Some(10) },
            vec![decimal("12345678901234567890.1234567891"), decimal("0.0000000000")],
        ),
        (
            DataType::Decimal { precision: None, scale: None },
            vec![decimal("NaN"), decimal("100000000000000000000.5")],
        ),
        (DataType::TEXT, vec![text(""), text("12"), text("1e5"), text("é\u{301}😀\0\n'\"")]),
        (DataType::Text { max_chars: Some(3), fixed: false }, vec![text("007"), text(" x ")]),
        (DataType::Text { max_chars: Some(3), fixed: true }, vec![text("1  ")]),
        (DataType::BYTES, vec![bytes(b""), bytes(b"abc"), bytes(&[0, 255])]),
        (DataType::Bytes { max_bytes: Some(4), fixed: true }, vec![bytes(b"12\0\0")]),
        (DataType::Bytes { max_bytes: Some(4), fixed: false }, vec![bytes(b"12")]),
        (
            DataType::Date,
            vec![cell(Cell::Date(0)), cell(Cell::Date(value::parse_date("9999-12-31").unwrap()))],
        ),
        (
            DataType::Time { precision: 6 },
            vec![cell(Cell::Time(0)), cell(Cell::Time(86_400_000_000)), cell(Cell::Time(1))],
        ),
        (
            DataType::TimeSpan { precision: 6 },
            vec![cell(Cell::Time(-3_020_399_000_000)), cell(Cell::Time(5))],
        ),
        (DataType::TimeTz, vec![text("12:00:00+02"), text("12:00:00.5-03:30")]),
        (DataType::DateTime { precision: 3 }, vec![cell(Cell::DateTime(micros("2018-11-04 00:30:00.123")))]),
        (
            DataType::DateTime { precision: 6 },
            vec![cell(Cell::DateTime(micros("0001-01-01 00:00:00.000001")))],
        ),
        (
            DataType::Timestamp { precision: 6 },
            vec![cell(Cell::Timestamp(micros("1969-12-31 23:59:59.999999")))],
        ),
        (DataType::Interval, vec![text("P1Y2M-3DT4H5M6.7S"), text("PT0S")]),
        (DataType::Year, vec![cell(Cell::Int(0)), cell(Cell::Int(2155))]),
        (
            DataType::Uuid,
            vec![
                Box::new(|b: &mut Batch| b.push_uuid([7; 16])),
                Box::new(|b: &mut Batch| b.push_uuid([0; 16])),
            ],
        ),
        (
            DataType::Json { binary: false },
            vec![text("5"), text("1e2"), text("{\"a\" : 1.0,\"a\":2}"), text("\"\\u0000\"")],
        ),
        (DataType::Json { binary: true }, vec![text("null"), text("12345678901234567890.5")]),
        (
            DataType::Enum { name: Some("kinds".into()), labels: labels() },
            vec![text("a'b"), text("1"), text("ção")],
        ),
        (DataType::Bit { length: Some(10), varying: false }, vec![text("1000000001"), text("0000000000")]),
        (
            DataType::Bit { length: Some(63), varying: false },
            vec![text("111111111111111111111111111111111111111111111111111111111111111")],
        ),
        (
            DataType::Bit { length: Some(64), varying: false },
            vec![text("1000000000000000000000000000000000000000000000000000000000000000")],
        ),
        (DataType::Bit { length: Some(8), varying: true }, vec![text(""), text("0101")]),
    ]
}

fn column(name: &str, data_type: &DataType, identity: bool) -> ColumnPlan {
    let column = Column {
        name: name.to_owned(),
        data_type: data_type.clone(),
        native_type: "whatever".into(),
        nullable: !identity,
        default: None,
        generated: None,
        identity: identity.then_some(Identity {
            generation: IdentityGeneration::ByDefault,
            next: Some(5000),
            increment: 1,
            sequence: None,
        }),
        on_update_now: false,
        collation: None,
        comment: None,
        origin: None,
        domain: None,
        reaches: Vec::new(),
    };
    let rules = rules();
    let mapping = rules.map_column(&ColumnInput {
        source: Dialect::Postgres,
        source_flavour: Flavour::Postgres,
        column: &column,
        profile: None,
        indexed: false,
    });
    assert_ne!(mapping.fidelity, Fidelity::Unsupported);
    let identity: Option<IdentityPlan> = column.identity.as_ref().and_then(|i| rules.identity(i, &mapping));
    ColumnPlan {
        source_type: column.native_type,
        epoch: None,
        fidelity: mapping.fidelity,
        nullable: column.nullable,
        identity,
        collation: mapping.collation,
        ..sample::column(name, &mapping.native_type, mapping.carries)
    }
}

#[tokio::test]
async fn every_type_comes_back_as_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to.db");
    let samples = samples();
    let rows = samples.iter().map(|(_, fills)| fills.len()).max().unwrap();
    let mut columns = vec![column("id", &DataType::INT32, true)];
    columns.extend(samples.iter().enumerate().map(|(at, (t, _))| column(&format!("c{at}"), t, false)));
    let table = TablePlan {
        primary_key: Some(sample::key(&["id"])),
        key: vec!["id".into()],
        ..sample::table("t", columns)
    };
    let plan = Plan { source: Dialect::Postgres, tables: vec![table], ..plan(&empty(), Scope::All) };
    let table = &plan.tables[0];
    let mut batch = Batch::new(shape(table));
    for row in 0..=rows {
        batch.push(Cell::Int(i64::try_from(row).unwrap()));
        for (_, fills) in &samples {
            match fills.get(row) {
                Some(fill) => fill(&mut batch),
                None => batch.push(Cell::Null),
            }
        }
    }
    let mut expected = Digest::default();
    expected.add_batch(&batch, &mut Vec::new());

    let target = target(&to).await;
    let staging = target.stage("r", &plan).await.unwrap();
    staging.create().await.unwrap();
    let (sender, receiver) = channel(shape(table));
    let (sent, written) =
        tokio::join!(async move { sender.send(batch).await }, staging.write(table, receiver));
    sent.unwrap();
    assert_eq!(written.unwrap(), u64::try_from(rows + 1).unwrap());
    staging.finish(&|_| ()).await.unwrap();
    let (sender, mut receiver) = channel(shape(table));
    let request = request(table);
    let (read, found) = tokio::join!(staging.read(&request, sender), async {
        let mut digest = Digest::default();
        while let Some(batch) = receiver.recv().await {
            digest.add_batch(&batch, &mut Vec::new());
        }
        digest
    });
    read.unwrap();
    assert_eq!(found, expected);
    super::switch(staging).await.unwrap();

    let schema = source(&to).await.inspect().await.unwrap();
    let table = &schema.tables[0];
    for (at, (data_type, _)) in samples.iter().enumerate() {
        assert_eq!(&table.columns[at + 1].data_type, data_type);
    }
    assert!(table.checks.is_empty(), "the CHECK of an enum is the enum");
    let identity = table.columns[0].identity.as_ref().unwrap();
    assert_eq!((identity.generation, identity.next), (IdentityGeneration::AutoIncrement, Some(5000)));
    let again = folder.path().join("again.db");
    migrate(&to, &again, Scope::All).await.unwrap();
    assert_same(&to, &again).await;
    // What another engine's types became is read as what it was, and nothing of it is out of place.
    let snapshot = source(&to).await.snapshot(1).await.unwrap();
    let profile = snapshot.profile(table, Dialect::Sqlite, None).await.unwrap();
    assert!(profile.columns.is_empty());
    let profile = snapshot.profile(table, Dialect::Mysql, None).await.unwrap();
    let misfits: Vec<&str> =
        profile.columns.iter().flat_map(|c| &c.misfits).map(|m| m.code.as_str()).collect();
    assert_eq!(misfits, ["not_finite", "not_finite", "datetime_range"]);
}

fn empty() -> Schema {
    Schema { dialect: Dialect::Sqlite, tables: vec![], objects: vec![] }
}

#[tokio::test]
async fn a_source_without_tables_becomes_a_database_without_tables() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to.db");
    let plan = plan(&empty(), Scope::All);
    let target = target(&to).await;
    let staging = target.stage("r", &plan).await.unwrap();
    staging.create().await.unwrap();
    staging.finish(&|_| ()).await.unwrap();
    super::switch(staging).await.unwrap();
    assert_eq!(source(&to).await.inspect().await.unwrap(), empty());
}

#[tokio::test]
async fn a_value_that_sqlite_cannot_hold_names_its_row() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("to.db");
    let columns = vec![column("id", &DataType::INT64, true), column("big", &int(64, true), false)];
    let table = TablePlan { key: vec!["id".into()], ..sample::table("t", columns) };
    let plan = Plan { tables: vec![table], ..plan(&empty(), Scope::All) };
    let table = &plan.tables[0];
    let mut batch = Batch::new(shape(table));
    batch.push(Cell::Int(3));
    batch.push_unsigned(u64::MAX);
    let target = target(&to).await;
    let staging = target.stage("r", &plan).await.unwrap();
    staging.create().await.unwrap();
    let (sender, receiver) = channel(shape(table));
    let (_, written) = tokio::join!(async move { sender.send(batch).await }, staging.write(table, receiver));
    let error = written.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value);
    assert_eq!(
        error.what(),
        "the value of \"big\" in table \"t\", row id=3 is above 9223372036854775807, the largest integer of SQLite"
    );
    staging.discard().await.unwrap();
    assert!(listing(folder.path()).is_empty());
}

#[tokio::test]
async fn sizes_are_counted() {
    let (_folder, from, _) = files();
    let sizes = source(&from).await.sizes().await.unwrap();
    let big = sizes.iter().find(|s| s.table == "big").unwrap();
    assert_eq!(big.rows, 1501);
    assert!(big.bytes.unwrap() > 4_000_000);
    assert_eq!(sizes.len(), 7);
}
