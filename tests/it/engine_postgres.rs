//! The PostgreSQL engine by itself, through its public door: every type with its extremes from one database to
//! another, what is refused, what staging leaves behind (nothing), what the catalogue is read as.

use std::collections::BTreeMap;
use std::sync::Arc;

use techcare_db::engine::capability::{Intent, Source, Target};
use techcare_db::engine::watch::Watch;
use techcare_db::engine::{connect, stream};
use techcare_db::model::batch::{Batch, Cell, Shape, ShapeColumn};
use techcare_db::model::endpoint::{Endpoint, Server};
use techcare_db::model::error::{Error, ErrorKind};
use techcare_db::model::event::Silent;
use techcare_db::model::plan::{ColumnPlan, Fidelity, Plan, Scope, TablePlan};
use techcare_db::model::report::TableReport;
use techcare_db::model::schema::{DataType, IdentityGeneration, Schema};
use techcare_db::model::{endpoint::Dialect, endpoint::Flavour};
use techcare_db::pipeline::copy::BatchSize;
use techcare_db::pipeline::execute::{self, Settings};
use techcare_db::pipeline::patience::Patience;
use techcare_db::pipeline::plan::{PlanInput, plan};

use crate::support::database::{Db, Engine, wait};
use crate::support::endpoint as named;

/// Every type that has a neutral form and many that have not, each with the values that break tools.
pub const EVERY_TYPE: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"', 'naïve 😀', '');
CREATE DOMAIN year AS integer NOT NULL DEFAULT 1999 CHECK (VALUE BETWEEN 1901 AND 2155);
CREATE TABLE kinds (
    id integer PRIMARY KEY,
    b boolean, i2 smallint, i4 integer, i8 bigint, o oid,
    f4 real, f8 double precision, n numeric, n52 numeric(5,2), nneg numeric(4,-2), cash money,
    t text, v character varying(12), c character(5), nm name, q "char",
    by bytea, d date, tm time, tm3 time(3), tz time with time zone,
    ts timestamp, ts0 timestamp(0), tstz timestamptz, tstz3 timestamptz(3), iv interval,
    u uuid, j json, jb jsonb, x xml, bt bit(9), vb bit varying,
    m mood, y year, arr text[], grid integer[], ip inet, net cidr, mac macaddr, p point, r int4range, tr tstzrange,
    tv tsvector, lsn pg_lsn, bits bit varying(3)[]
);
INSERT INTO kinds (id, y) VALUES (0, 1999);
INSERT INTO kinds VALUES (1,
    true, -32768, -2147483648, -9223372036854775808, 0,
    '-3.4028235e38', '-1.7976931348623157e308', '-0.000000000000000000000000000000000000001', -999.99, 123400, '-92233720368547758.08',
    E'tab\t nl\n cr\r back\\slash \\N \\. "quotes" ''single'' 😀 e\u0301 \u00e9 \ufffd', 'äöüßéèàâñçãõ', 'ab', 'naïve', 'a',
    '\x00ff5c4e0a0d09', '4713-01-01 BC', '00:00:00', '23:59:59.999', '00:00:00-15:59:59',
    '4713-01-01 00:00:00 BC', '1999-12-31 23:59:59', '4713-01-01 00:00:00+00 BC', '1970-01-01 00:00:00.001+00', '-178000000 years -11 mons -26 days -04:59:59.999999',
    '00000000-0000-0000-0000-000000000000', '{"b":1, "a": [1, 2.50, "\u0000x"], "b": 2}', '{"b":1, "a": [1, 2.50], "c": "é"}',
    '<a b="c">é &amp; 1</a>', '000000001', '', 'it''s "fine"', 1901, ARRAY['a,b', 'NULL', NULL, E'x\\"y', ''], '{{1,2},{3,NULL}}',
    '2001:db8::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '(1.5,-2.5)', '[1,10)', '["2024-01-01 00:00+00",)', $$'a b':1A 'it''s':2$$, '16/B374D848',
    '{101,0}');
INSERT INTO kinds VALUES (2,
    false, 32767, 2147483647, 9223372036854775807, 4294967295,
    'NaN', '4.9406564584124654e-324', '99999999999999999999999999999999999999999999999999.123456789', 0.10, -600, '0.01',
    '', '', '', '', '', '', '5874897-12-31', '24:00:00', '12:00:00', '24:00:00+15:59:59',
    '294246-12-31 23:59:59.999999', '0001-01-01 00:00:00', '9999-12-31 23:59:59.999999+00', '2024-02-29 12:00:00+05:30', 'P1Y2M3DT4H5M6.789S',
    'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', 'null', 'text', '111111111', '1010', '', 2155, '{}', NULL,
    '0.0.0.0/0', '::/0', 'ff:ff:ff:ff:ff:ff', '(0,0)', 'empty', '(,)', '', '0/0', '{}');
INSERT INTO kinds (id, f4, f8, n, y, m) VALUES (3, '-Infinity', 'Infinity', 'NaN', 2000, 'sad'), (4, 1.17549435e-38, '-0', '-Infinity', 2000, 'naïve 😀');
"#;

fn server(url: &str) -> Server {
    named::server(Engine::Postgres, url)
}

fn endpoint(url: &str) -> Endpoint {
    named::at(Engine::Postgres, server(url))
}

fn settings(run_id: &str) -> Settings {
    Settings {
        run_id: run_id.into(),
        batch: BatchSize { rows: 2, bytes: 64 * 1024 },
        jobs: 3,
        verify: true,
        view_timeout: None,
        observer: Arc::new(Silent),
        watch: Arc::new(Watch::none(&tokio_util::sync::CancellationToken::new())),
        loader: None,
        rejects: Arc::new(techcare_db::pipeline::rejects::Rejects::new("unused")),
        recorder: None,
        intent: None,
        state: "now".into(),
        resume: false,
        again: false,
        patience: Arc::new(Patience::new(std::time::Duration::ZERO)),
        claim: techcare_db::pipeline::execute::ClaimOf::Run,
        under_way: Arc::default(),
    }
}

async fn planned(source: &dyn Source, target: &dyn Target, scope: Scope) -> Plan {
    let schema = source.inspect().await.unwrap();
    let existing = target.inspect().await.unwrap();
    plan(&PlanInput {
        source: &schema,
        source_flavour: Flavour::Postgres,
        left_out: &[],
        profiles: &BTreeMap::new(),
        rules: target.rules(),
        known: None,
        existing: (scope == Scope::DataOnly).then_some(&existing),
        scope,
        by_hand: &[],
    })
}

async fn migrate(from: &Db, to: &Db, scope: Scope) -> Result<Vec<TableReport>, Error> {
    let source = connect::source(&endpoint(&from.url)).await?;
    let target = connect::target(&endpoint(&to.url)).await?;
    let plan = planned(source.as_ref(), target.as_ref(), scope).await;
    let snapshot = source.snapshot(3).await?;
    let done = execute::execute(&plan, snapshot.as_ref(), target.as_ref(), &settings("run-1")).await;
    snapshot.close().await;
    source.close().await;
    target.close().await;
    done.map(|done| done.tables)
}

/// Every row of a table as the server itself prints it.
fn rows(db: &Db, table: &str) -> Vec<Vec<Option<String>>> {
    db.query(&format!("SELECT t::text FROM {table} t ORDER BY 1"))
}

/// Tables that the planner has statistics of.
fn counted(db: &Db) -> Vec<String> {
    let sql = "SELECT DISTINCT tablename::text FROM pg_stats WHERE schemaname = 'public' ORDER BY 1";
    db.query(sql).into_iter().flatten().flatten().collect()
}

fn staging_schemas(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'techcare\\_db\\_%'")
}

async fn inspected(db: &Db) -> Schema {
    let source = connect::source(&endpoint(&db.url)).await.unwrap();
    let schema = source.inspect().await.unwrap();
    source.close().await;
    schema
}

#[test]
fn every_type_arrives_with_its_extremes() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute(EVERY_TYPE);
    let done = wait(migrate(&from, &to, Scope::All)).unwrap();
    assert_eq!(done[0].rows_written, 5);
    assert_eq!(rows(&from, "kinds"), rows(&to, "kinds"));
    let types = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attrelid = 'kinds'::regclass AND attnum > 0 AND attname <> 'y' ORDER BY attnum";
    assert_eq!(from.query(types), to.query(types));
    assert!(staging_schemas(&to).is_empty());
}

/// Long texts are most of the time that statistics take, and autovacuum sees to them.
#[test]
fn statistics_of_long_texts_are_left_to_autovacuum() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, kind varchar(9), note text, tag text UNIQUE);
         INSERT INTO t SELECT n, 'a', 'b', 'c' || n FROM generate_series(1, 10001) n; ANALYZE t",
    );
    wait(migrate(&from, &to, Scope::All)).unwrap();
    let known = "SELECT attname::text FROM pg_stats WHERE tablename = 't' ORDER BY 1";
    assert_eq!(to.query(known).into_iter().flatten().flatten().collect::<Vec<_>>(), ["id", "kind", "tag"]);
    // What autovacuum goes by. It may have been here by now, if the machine was busy.
    let changed =
        "SELECT n_mod_since_analyze = 10001 OR last_autoanalyze IS NOT NULL FROM pg_stat_user_tables";
    assert_eq!(to.query(changed), [[Some("t".to_owned())]]);
}

#[test]
fn tables_come_with_all_that_guards_and_serves_them() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute(
        r#"
        CREATE TABLE parent (a integer, b text, PRIMARY KEY (b, a));
        COMMENT ON TABLE parent IS 'it''s a \ comment';
        CREATE TABLE child (
            id serial PRIMARY KEY, always bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY 10),
            pa integer, pb text, self integer REFERENCES child DEFERRABLE INITIALLY DEFERRED,
            price numeric(8,2) NOT NULL DEFAULT 1.50, twice numeric GENERATED ALWAYS AS (price * 2) STORED,
            note text DEFAULT 'it''s' COLLATE "C", made timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
            CONSTRAINT positive CHECK (price > 0), UNIQUE NULLS NOT DISTINCT (pa, note) INCLUDE (price),
            FOREIGN KEY (pb, pa) REFERENCES parent (b, a) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL
        );
        COMMENT ON COLUMN child.note IS 'what''s said';
        CREATE UNIQUE INDEX lower_note ON child (lower(note) text_pattern_ops DESC NULLS LAST) WHERE price > 2;
        CREATE INDEX ON child USING hash (pa);
        INSERT INTO parent VALUES (1, 'x'), (2, 'y');
        INSERT INTO child (id, pa, pb, self, price, note) VALUES (0, 1, 'x', 7, 3, 'a'), (7, NULL, NULL, 0, 9, 'b');
        SELECT setval('child_id_seq', 41);
        "#,
    );
    wait(migrate(&from, &to, Scope::All)).unwrap();
    for question in [
        "SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint \
         WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON oid = indrelid \
         WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
        "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, \
                attcollation::regcollation::text, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum) \
         FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
         WHERE attrelid IN ('parent'::regclass, 'child'::regclass) AND attnum > 0 ORDER BY attrelid::regclass::text, attnum",
        "SELECT obj_description('parent'::regclass)",
        "SELECT pg_get_serial_sequence('child', 'id'), nextval('child_id_seq'), nextval('child_always_seq')",
    ] {
        assert_eq!(from.query(question), to.query(question), "{question}");
    }
    assert_eq!(rows(&from, "child"), rows(&to, "child"));
    // The index over an expression has its own.
    assert_eq!(counted(&to), ["child", "lower_note", "parent"]);
}

/// Microseconds since 1970 end in 294247, PostgreSQL's own in 294276.
#[test]
fn times_arrive_up_to_the_last_that_the_server_takes() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute(
        "CREATE TABLE t (id integer PRIMARY KEY, at timestamptz, wall timestamp, coarse timestamp(0));
         INSERT INTO t SELECT row_number() OVER (), v::timestamptz, v::timestamp, date_trunc('second', v::timestamp)
         FROM unnest(ARRAY['294247-01-10 04:00:54.775806+00', '294247-01-10 04:00:54.775807+00',
                           '294247-01-10 04:00:54.775808+00', '294247-01-10 04:00:55+00', '294270-02-28 00:00:00.000001+00',
                           '294276-12-31 23:59:59.999999+00', 'infinity', '-infinity', '4714-11-24 00:00:00+00 BC']) v",
    );
    wait(migrate(&from, &to, Scope::All)).unwrap();
    let sql = "SELECT id, at, wall, coarse, extract(epoch FROM at) FROM t ORDER BY id";
    assert_eq!(from.query(sql), to.query(sql));
}

/// A plan for one table of an id and one more column.
fn one_column(carries: DataType, native: &str) -> Plan {
    let column = |name: &str, carries: DataType, native: &str, nullable| ColumnPlan {
        source: name.into(),
        source_type: native.into(),
        name: name.into(),
        filled: true,
        native_type: native.into(),
        carries,
        epoch: None,
        fidelity: Fidelity::Exact,
        nullable,
        default: None,
        on_update_now: false,
        generated: None,
        identity: None,
        collation: None,
        invisible: false,
        comment: None,
        origin: None,
        domain: None,
    };
    let table = TablePlan {
        source: "t".into(),
        name: "t".into(),
        columns: vec![column("id", DataType::INT64, "bigint", false), column("v", carries, native, true)],
        primary_key: None,
        indexes: vec![],
        foreign_keys: vec![],
        checks: vec![],
        comment: None,
        origin: None,
        without_rowid: false,
        strict: false,
        on_conflict: Vec::new(),
        key: vec!["id".into()],
        estimated_rows: None,
        replaces: false,
        replaces_rows: false,
        filter: None,
    };
    Plan {
        source: Dialect::Sqlite,
        target: Dialect::Postgres,
        target_flavour: Flavour::Postgres,
        late_instants: true,
        scope: Scope::All,
        types: vec![],
        tables: vec![table],
        objects: vec![],
        views: vec![],
        findings: vec![],
        policies: techcare_db::model::policy::Policies::default(),
        restores: false,
    }
}

/// What writing one value comes to.
async fn write_one(db: &Db, plan: &Plan, value: impl FnOnce(&mut Batch)) -> Result<u64, Error> {
    let target = connect::target(&endpoint(&db.url)).await?;
    let staging = target.stage("write-one", plan).await?;
    staging.create().await?;
    let column = |c: &ColumnPlan| ShapeColumn { name: c.name.clone(), data_type: c.carries.clone() };
    let columns = plan.tables[0].columns.iter().map(column).collect();
    let (sender, receiver) = stream::channel(Arc::new(Shape { table: "t".into(), columns, key: vec![0] }));
    let mut batch = sender.fresh();
    batch.push(Cell::Int(7));
    value(&mut batch);
    sender.send(batch).await?;
    drop(sender);
    let written = staging.write(&plan.tables[0], receiver).await;
    staging.discard().await?;
    target.close().await;
    written
}

/// Appends the value in question.
type Push = fn(&mut Batch);

#[test]
fn what_the_server_would_lose_is_refused_before_it_is_sent() {
    let db = Db::fresh(Engine::Postgres);
    let decimal = DataType::Decimal { precision: Some(5), scale: Some(2) };
    let datetime = DataType::DateTime { precision: 0 };
    let cases: Vec<(DataType, &str, Push)> = vec![
        (DataType::TEXT, "text", |b| b.push_text("canary\0value")),
        (DataType::TEXT, "character varying(3)", |b| b.push_text("canary")),
        (DataType::TEXT, "character varying(6)", |b| b.push_text("canary ")),
        (DataType::TEXT, "character(9)", |b| b.push_text("canary ")),
        (decimal.clone(), "numeric(5,2)", |b| b.push_decimal("1.234")),
        (decimal, "numeric(5,2)", |b| b.push_decimal("1234.5")),
        (datetime, "timestamp(0) without time zone", |b| b.push(Cell::DateTime(500_000))),
        (DataType::INT32, "integer", |b| b.push(Cell::Int(1 << 40))),
        (DataType::Int { bits: 64, unsigned: true }, "bigint", |b| b.push(Cell::UInt(u64::MAX))),
        (DataType::Float32, "real", |b| b.push(Cell::Float(0.1))),
        (DataType::Json { binary: false }, "json", |b| b.push_text("{canary")),
        (DataType::Json { binary: true }, "jsonb", |b| b.push_text(r#"{"canary": "\u0000"}"#)),
        (DataType::Native { dialect: Dialect::Postgres, name: "inet".into() }, "inet", |b| {
            b.push_text("canary");
        }),
    ];
    for (carries, native, value) in cases {
        let error = wait(write_one(&db, &one_column(carries, native), value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Value, "{native}: {error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("\"t\"") && !text.contains("canary"), "{native}: {text}");
        assert!(staging_schemas(&db).is_empty());
    }
}

#[test]
fn unsigned_spans_and_money_have_their_place() {
    let db = Db::fresh(Engine::Postgres);
    let cash = one_column(DataType::Decimal { precision: Some(19), scale: Some(2) }, "money");
    assert_eq!(wait(write_one(&db, &cash, |b| b.push_decimal("-92233720368547758.08"))).unwrap(), 1);
    let unsigned = one_column(DataType::Int { bits: 64, unsigned: true }, "numeric(20)");
    assert_eq!(wait(write_one(&db, &unsigned, |b| b.push_unsigned(u64::MAX))).unwrap(), 1);
    let span = one_column(DataType::TimeSpan { precision: 6 }, "interval");
    assert_eq!(wait(write_one(&db, &span, |b| b.push(Cell::Time(-3_020_399_000_000)))).unwrap(), 1);
}

#[test]
fn names_are_only_names() {
    let long = "é".repeat(31) + "x";
    let names =
        ["select", "it's", "a\"b", "two\nlines", "😀 x", "x\"; DROP TABLE victim; --", "$do$", long.as_str()];
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    for name in names {
        let quoted = Engine::Postgres.quote(name);
        from.execute(&format!(
            "CREATE TABLE {quoted} ({quoted} serial PRIMARY KEY, v text); INSERT INTO {quoted} (v) VALUES ('x')"
        ));
    }
    wait(migrate(&from, &to, Scope::All)).unwrap();
    for name in names {
        let quoted = Engine::Postgres.quote(name);
        assert_eq!(rows(&from, &quoted), rows(&to, &quoted));
        to.execute(&format!("INSERT INTO {quoted} (v) VALUES ('next')"));
    }
}

#[test]
fn rows_alone_fill_tables_that_are_there() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    let tables = "CREATE TABLE a (id serial PRIMARY KEY, b integer);
        CREATE TABLE b (id serial PRIMARY KEY, a integer REFERENCES a);
        ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b;";
    from.execute(&format!(
        "{tables} INSERT INTO a VALUES (0, NULL), (5, NULL); INSERT INTO b VALUES (3, 5); UPDATE a SET b = 3;
         SELECT setval('a_id_seq', 77)"
    ));
    to.execute(&format!(
        "{tables} CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
         CREATE TRIGGER no BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION no()"
    ));
    let constraints = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1";
    let before = to.query(constraints);
    wait(migrate(&from, &to, Scope::DataOnly)).unwrap();
    assert_eq!((rows(&from, "a"), rows(&from, "b")), (rows(&to, "a"), rows(&to, "b")));
    assert_eq!(to.query(constraints), before);
    assert_eq!(to.value("SELECT tgenabled FROM pg_trigger WHERE tgname = 'no'").as_deref(), Some("O"));
    assert_eq!(to.value("SELECT nextval('a_id_seq')").as_deref(), Some("78"));
    assert_eq!(counted(&to), ["a", "b"]);
}

#[test]
fn what_is_in_the_way_is_named() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute("CREATE TYPE mood AS ENUM ('a'); CREATE TABLE t (id serial PRIMARY KEY, m mood); CREATE INDEX ix ON t (m)");
    to.execute("CREATE TABLE t (x integer); CREATE TYPE mood AS (x integer); CREATE TABLE other (x integer); CREATE INDEX ix ON other (x)");
    let found = wait(async {
        let source = connect::source(&endpoint(&from.url)).await.unwrap();
        let target = connect::target(&endpoint(&to.url)).await.unwrap();
        let plan = planned(source.as_ref(), target.as_ref(), Scope::All).await;
        target.occupied(&plan).await.unwrap()
    });
    let named: Vec<(&str, &str, bool)> =
        found.iter().map(|o| (o.kind.as_str(), o.name.as_str(), o.empty)).collect();
    assert!(named.contains(&("index", "ix", false)), "{named:?}");
    assert!(named.contains(&("table", "t", true)), "{named:?}");
    assert!(named.contains(&("type", "mood", false)), "{named:?}");
}

#[test]
fn a_dead_run_is_cleared_and_a_living_one_left_alone() {
    let db = Db::fresh(Engine::Postgres);
    db.execute("CREATE SCHEMA techcare_db_stage_mine");
    let plan = one_column(DataType::TEXT, "text");
    wait(async {
        let target = connect::target(&endpoint(&db.url)).await.unwrap();
        let dead = target.stage("dead", &plan).await.unwrap();
        dead.create().await.unwrap();
        drop(dead);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let alive = target.stage("alive", &plan).await.unwrap();
        assert_eq!(target.clear(None).await.unwrap(), ["schema techcare_db_stage_dead"]);
        let next = target.stage("next", &plan).await.unwrap();
        next.discard().await.unwrap();
        alive.create().await.unwrap();
        alive.finish(&|_| ()).await.unwrap();
        let change = alive.change().await.unwrap();
        alive.switch(&change).await.unwrap();
        assert!(target.happened(&change).await.unwrap());
        target.settle(&change, true).await.unwrap();
    });
    // A schema of that name that is not ours is nobody's to drop.
    assert_eq!(staging_schemas(&db), [[Some("techcare_db_stage_mine".to_owned())]]);
    assert!(rows(&db, "t").is_empty());
}

/// A run that slept while another took over what it had staged.
#[test]
fn a_run_that_was_overtaken_makes_no_key_and_switches_nothing() {
    let db = Db::fresh(Engine::Postgres);
    let mut plan = one_column(DataType::TEXT, "text");
    let key = serde_json::from_value(serde_json::json!({ "columns": ["id"], "prefixes": [] })).unwrap();
    plan.tables[0].primary_key = Some(key);
    let errors = wait(async {
        let target = connect::target(&endpoint(&db.url)).await.unwrap();
        let asleep = target.stage("asleep", &plan).await.unwrap();
        asleep.create().await.unwrap();
        asleep.begin_journal(&Intent { hash: "same".into() }, "now").await.unwrap();
        let change = asleep.change().await.unwrap();
        std::thread::scope(|scope| {
            let lock = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                        (SELECT oid FROM pg_database WHERE datname = current_database())";
            scope.spawn(|| db.query(lock));
        });
        let second = target.resume("asleep", &plan).await.unwrap();
        let finished = asleep.finish(&|_| ()).await;
        let switched = asleep.switch(&change).await.map_err(|not| not.error);
        let errors = [finished, switched].map(Result::unwrap_err);
        // What the other one had made would be in its way.
        second.finish(&|_| ()).await.unwrap();
        let change = second.change().await.unwrap();
        second.switch(&change).await.unwrap();
        errors
    });
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    }
    assert!(rows(&db, "t").is_empty());
    assert!(db.refuses("INSERT INTO t (id) VALUES (1), (1)"));
}

#[test]
fn a_missing_right_comes_with_its_grant() {
    let db = Db::fresh(Engine::Postgres);
    let role = format!("poor_{}", std::process::id());
    db.execute(&format!("CREATE ROLE {role} LOGIN"));
    let mut server = server(&db.url);
    server.user.clone_from(&role);
    let poor = named::at(Engine::Postgres, server);
    let error = wait(async {
        let target = connect::target(&poor).await.unwrap();
        target.stage("r", &one_column(DataType::TEXT, "text")).await.err().unwrap()
    });
    db.execute(&format!("DROP ROLE {role}"));
    assert_eq!(error.kind(), ErrorKind::Permission);
    assert_eq!(
        error.advice(),
        Some(format!("GRANT CREATE ON DATABASE \"{}\" TO \"{role}\"", db.name()).as_str())
    );
}

#[test]
fn a_database_that_cannot_be_opened_says_why() {
    let url = Engine::Postgres.server();
    let mut missing = server(&url);
    missing.database = "tcdb none".into();
    let mut nobody = server(&url);
    nobody.user = "nobody at all".into();
    let mut closed = server(&url);
    closed.port = 1;
    for (server, kind) in
        [(missing, ErrorKind::Login), (nobody, ErrorKind::Login), (closed, ErrorKind::Unreachable)]
    {
        let endpoint = named::at(Engine::Postgres, server);
        let error = wait(connect::source(&endpoint)).err().unwrap();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.reason().is_some() && error.advice().is_some(), "{error:?}");
        assert_eq!(wait(connect::orm(&endpoint)).err().unwrap().kind(), kind);
    }
}

#[test]
fn a_source_cannot_be_written_to_and_the_orm_can() {
    let db = Db::fresh(Engine::Postgres);
    db.execute("CREATE TABLE t (id integer); INSERT INTO t VALUES (1), (2)");
    wait(async {
        let source = connect::source(&endpoint(&db.url)).await.unwrap();
        assert_eq!(source.sizes().await.unwrap()[0].rows, 2);
        let facts = source.facts();
        assert_eq!((facts.namespace.as_str(), facts.encoding.as_str()), ("public", "UTF8"));
        let again = connect::source(&endpoint(&db.url.replace("127.0.0.1", "localhost"))).await.unwrap();
        assert_eq!(facts.identity, again.facts().identity);
        let orm = connect::orm(&endpoint(&db.url)).await.unwrap();
        let pool = orm.get_postgres_connection_pool();
        sqlx::raw_sql("INSERT INTO t VALUES (3)").execute(pool).await.unwrap();
        assert_eq!(source.sizes().await.unwrap()[0].rows, 3);
    });
}

#[test]
fn partitions_are_one_table_and_children_their_own() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute(
        "CREATE TABLE p (id integer, at date) PARTITION BY RANGE (at);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
         CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
         INSERT INTO p VALUES (1, '2024-05-05'), (2, '2025-05-05');
         CREATE TABLE base (id integer); CREATE TABLE derived (more text) INHERITS (base);
         INSERT INTO base VALUES (1); INSERT INTO derived VALUES (2, 'x')",
    );
    wait(migrate(&from, &to, Scope::All)).unwrap();
    assert_eq!(rows(&from, "p"), rows(&to, "p"));
    assert_eq!(to.value("SELECT count(*) FROM base").as_deref(), Some("1"));
    assert_eq!(rows(&from, "derived"), rows(&to, "derived"));
}

#[test]
fn the_catalogue_is_read_whole() {
    let db = Db::fresh(Engine::Postgres);
    db.execute(
        r"
        CREATE SEQUENCE spare START 5;
        CREATE SCHEMA aside; CREATE TABLE aside.t (id integer); SELECT lo_create(0);
        CREATE TABLE t (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n integer, span int4range,
                        EXCLUDE USING gist (span WITH &&));
        CREATE VIEW v AS SELECT id FROM t;
        CREATE MATERIALIZED VIEW mv AS SELECT n FROM t; CREATE INDEX ON mv (n);
        CREATE FUNCTION f(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1';
        CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf();
        CREATE AGGREGATE total(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
        CREATE DOMAIN dom AS text CHECK (VALUE <> '');
        CREATE TYPE pair AS (a integer, b text);
        CREATE POLICY pol ON t USING (n > 0);
        CREATE RULE r AS ON DELETE TO v DO INSTEAD NOTHING;
        ",
    );
    let schema = wait(inspected(&db));
    let mut kinds: Vec<String> =
        schema.objects.iter().map(|o| format!("{} {}", o.kind.as_str(), o.name)).collect();
    kinds.sort();
    assert_eq!(
        kinds,
        [
            "constraint t_span_excl",
            "large object all",
            "materialized view mv",
            "policy pol",
            "policy r",
            "routine f(integer)",
            "routine tf()",
            "routine total(integer)",
            "schema aside",
            "sequence spare",
            "trigger tr",
            "type dom",
            "type pair",
            "view v"
        ]
    );
    assert!(schema.objects.iter().all(|o| !o.definition.is_empty()));
    let identity = schema.tables[0].columns[0].identity.clone().unwrap();
    assert_eq!((identity.generation, identity.next), (IdentityGeneration::ByDefault, Some(1)));
    assert!(schema.tables[0].indexes.is_empty());
}
