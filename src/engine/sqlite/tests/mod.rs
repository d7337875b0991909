//! The whole engine against files: what stands in one file stands in the next, value by value, compared by nothing
//! of this program. Plans are made by hand here; the planner has tests of its own.

mod foreign;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::*;
use crate::engine::capability::{ColumnInput, ReadColumn, ReadRequest};
use crate::engine::stream::channel;
use crate::model::batch::{Shape, ShapeColumn};
use crate::model::digest::Digest;
use crate::model::endpoint::{Flavour, Location};
use crate::model::plan::{
    CheckPlan, ColumnPlan, ForeignKeyPlan, GeneratedPlan, IndexPartPlan, IndexPlan, KeyPlan, TablePlan,
};
use crate::model::schema::{
    Action, DataType, DefaultValue, Deferrable, IdentityGeneration, Index, IndexKey, ObjectKind, Table,
};

const NASTY: &str = r#"
CREATE TABLE "types ""of"" all" (
  id INTEGER NOT NULL, a, b VARCHAR(3) DEFAULT 'it''s', c BLOB SUB_TYPE TEXT, d NUMERIC(10,2) DEFAULT -1,
  e FLOAT, f BOOLEAN DEFAULT 1, g DATETIME DEFAULT CURRENT_TIMESTAMP, h JSON, i UUID, j INT UNSIGNED,
  k BLOB DEFAULT x'00ff', l "weird type" , m DATE DEFAULT (date('now')), n INT DEFAULT (1+2),
  PRIMARY KEY (id)
);
INSERT INTO "types ""of"" all" VALUES
  (0, 'text', 'toolong', 'clob', 12.30, 1e-300, 1, '2024-01-02 03:04:05.678000', '{"a":1.0}', 'u', 4294967295, x'', 5, '', 1),
  (1, 2.5, NULL, 'a' || char(0) || 'b', 'twelve', 9e999, 'true', 1637995103544, '5', x'0011', 'x', x'00ff', NULL, 1, NULL),
  (2, x'ff41', '', CAST(x'ff41' AS TEXT), 123456789012345678, -0.0, 2, '', '[', NULL, 9223372036854775807, 'textual', 'é', 2, 3),
  (9223372036854775807, 9007199254740993, 'é' || char(128512), NULL, 0.1, 1.5, 0, NULL, NULL, NULL, -9223372036854775808, zeroblob(70000), 1.5, 3, 4);
CREATE TABLE "select" ("from" TEXT NOT NULL, "order by;--" TEXT NOT NULL, "new
line" INT, 'quoted' TEXT COLLATE NOCASE, `back``tick` TEXT, [brack et] TEXT,
  CONSTRAINT "p k" PRIMARY KEY ("order by;--", "from"), CONSTRAINT "u'q" UNIQUE ("new
line" DESC, 'quoted'), UNIQUE (`back``tick`)) WITHOUT ROWID;
INSERT INTO "select" VALUES ('a', 'b', 1, 'Q', '😀', 'x'), ('a', 'c', 2, 'q', 'y', NULL);
CREATE TABLE strict_one (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, r REAL, b BLOB, x ANY, n INT) STRICT;
INSERT INTO strict_one VALUES (5, 't', 1.0, x'01', 'any', 1), (7, NULL, NULL, NULL, 7, NULL);
UPDATE sqlite_sequence SET seq = 101 WHERE name = 'strict_one';
CREATE TABLE empty_auto (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
CREATE TABLE parent (x INT, y INT, z INTEGER PRIMARY KEY, code TEXT, UNIQUE (x, y));
CREATE UNIQUE INDEX parent_code ON parent (code);
INSERT INTO parent VALUES (1, 2, 10, 'c');
CREATE TABLE child (
  id INTEGER PRIMARY KEY DESC, px INT, py INT,
  p INT REFERENCES PARENT ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  c TEXT CONSTRAINT fk_code REFERENCES parent (code) ON UPDATE SET NULL,
  self INT REFERENCES child (id),
  total INT GENERATED ALWAYS AS (px + py) STORED CONSTRAINT positive CHECK (total > 0),
  label TEXT AS (coalesce(c, '-') || ')') VIRTUAL,
  CHECK (px < 100 AND c <> ')'),
  CONSTRAINT fk_two FOREIGN KEY (px, py) REFERENCES parent (x, y) ON DELETE SET DEFAULT MATCH FULL);
INSERT INTO child (id, px, py, p, c, self) VALUES (1, 1, 2, 10, 'c', NULL), (2, 1, 2, 10, NULL, 1);
CREATE INDEX "ix expr" ON child (lower(c) DESC, px) WHERE p IS NOT NULL AND c <> 'WHERE';
CREATE UNIQUE INDEX ix_nocase ON child (c COLLATE NOCASE, id);
CREATE TABLE big (id INTEGER PRIMARY KEY, body TEXT, bytes BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
INSERT INTO big SELECT i * 3, printf('%.*c', i % 900, 'x') || i, randomblob(i % 50) FROM n;
INSERT INTO big VALUES (9000, printf('%.*c', 3000000, 'y'), zeroblob(1000000));
CREATE VIEW v AS SELECT * FROM child;
CREATE TRIGGER t AFTER INSERT ON parent BEGIN INSERT INTO child (id) VALUES (new.z); END;
CREATE VIRTUAL TABLE search USING fts5(body);
INSERT INTO search VALUES ('words');
"#;

fn seed(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
}

fn endpoint(path: &Path) -> Endpoint {
    Endpoint::new(Location::File(path.to_owned()), "from a test")
}

async fn source(path: &Path) -> Box<dyn Source> {
    open_source(path, &endpoint(path)).await.unwrap()
}

async fn target(path: &Path) -> Box<dyn Target> {
    open_target(path, &endpoint(path)).await.unwrap()
}

fn index_plan(index: &Index) -> IndexPlan {
    let parts = index.parts.iter().map(|p| {
        let (column, expression) = match &p.key {
            IndexKey::Column(name) => (Some(name.clone()), None),
            IndexKey::Expression(text) => (None, Some(text.clone())),
        };
        let collation = p.collation.as_ref().map(|c| c.name.clone());
        IndexPartPlan {
            column,
            expression,
            descending: p.descending,
            nulls_first: None,
            collation,
            prefix: None,
            operator_class: None,
        }
    });
    IndexPlan {
        name: index.name.clone(),
        unique: index.unique,
        constraint: index.constraint,
        parts: parts.collect(),
        include: vec![],
        predicate: index.predicate.clone(),
        method: None,
        nulls_not_distinct: false,
        origin: None,
        deferrable: Deferrable::No,
    }
}

fn table_plan(table: &Table) -> TablePlan {
    let rules = rules();
    let columns = table.columns.iter().map(|c| {
        let mapping = rules.map_column(&ColumnInput {
            source: Dialect::Sqlite,
            source_flavour: Flavour::Sqlite,
            column: c,
            profile: None,
            indexed: false,
        });
        ColumnPlan {
            source: c.name.clone(),
            source_type: c.native_type.clone(),
            name: c.name.clone(),
            filled: true,
            nullable: c.nullable,
            default: c.default.as_ref().and_then(|d| rules.default(d, &mapping)),
            on_update_now: false,
            generated: c
                .generated
                .as_ref()
                .map(|g| GeneratedPlan { expression: g.expression.clone(), stored: g.stored }),
            identity: c.identity.as_ref().and_then(|i| rules.identity(i, &mapping)),
            collation: mapping.collation.clone(),
            invisible: false,
            comment: None,
            epoch: None,
            origin: None,
            domain: None,
            fidelity: mapping.fidelity,
            native_type: mapping.native_type,
            carries: mapping.carries,
        }
    });
    TablePlan {
        source: table.name.clone(),
        name: table.name.clone(),
        columns: columns.collect(),
        primary_key: table.primary_key.as_ref().map(|k| KeyPlan {
            name: k.name.clone(),
            columns: k.columns.clone(),
            prefixes: vec![],
            descending: k.descending.clone(),
            collations: k.collations.iter().map(|c| c.as_ref().map(|c| c.name.clone())).collect(),
        }),
        indexes: table.indexes.iter().map(index_plan).collect(),
        foreign_keys: table
            .foreign_keys
            .iter()
            .map(|k| ForeignKeyPlan {
                name: k.name.clone(),
                columns: k.columns.clone(),
                references: k.references.clone(),
                referenced_columns: k.referenced_columns.clone(),
                on_delete: k.on_delete,
                on_update: k.on_update,
                deferrable: k.deferrable,
                match_full: k.match_full,
            })
            .collect(),
        checks: table
            .checks
            .iter()
            .map(|c| CheckPlan { name: c.name.clone(), expression: c.expression.clone(), original: None })
            .collect(),
        comment: None,
        origin: None,
        without_rowid: table.options.without_rowid,
        strict: table.options.strict,
        on_conflict: Vec::new(),
        key: table.key_columns(),
        estimated_rows: None,
        replaces: false,
        replaces_rows: false,
        filter: None,
    }
}

fn plan(schema: &Schema, scope: Scope) -> Plan {
    Plan {
        source: Dialect::Sqlite,
        target: Dialect::Sqlite,
        target_flavour: Flavour::Sqlite,
        late_instants: true,
        scope,
        types: vec![],
        tables: schema.tables.iter().map(table_plan).collect(),
        objects: vec![],
        views: vec![],
        findings: vec![],
        policies: crate::model::policy::Policies::default(),
        restores: false,
    }
}

fn request(table: &TablePlan) -> ReadRequest {
    ReadRequest {
        table: table.name.clone(),
        columns: table
            .copied()
            .map(|c| ReadColumn {
                name: c.name.clone(),
                native_type: c.native_type.clone(),
                carries: c.carries.clone(),
                epoch: None,
            })
            .collect(),
        key: table.key.clone(),
        batch_rows: 100,
        batch_bytes: 64 * 1024,
        after: None,
        condition: None,
        within: None,
    }
}

fn shape(table: &TablePlan) -> Arc<Shape> {
    let columns: Vec<ShapeColumn> =
        table.copied().map(|c| ShapeColumn { name: c.name.clone(), data_type: c.carries.clone() }).collect();
    let key = table.key.iter().filter_map(|k| columns.iter().position(|c| &c.name == k)).collect();
    Arc::new(Shape { table: table.name.clone(), columns, key })
}

/// Loads everything into staging and proves it by digest.
async fn load(from: &Path, staging: &dyn Staging, plan: &Plan) -> Result<()> {
    let source = source(from).await;
    let snapshot = source.snapshot(2).await?;
    staging.create().await?;
    for table in &plan.tables {
        let (sender, receiver) = channel(shape(table));
        let digest = Arc::new(std::sync::Mutex::new(Digest::default()));
        let seen = digest.clone();
        let sender = sender.tapped(move |batch| seen.lock().unwrap().add_batch(batch, &mut Vec::new()));
        let request = request(table);
        let (read, written) = tokio::join!(snapshot.read(&request, sender), staging.write(table, receiver));
        written?;
        read?;
        let (sender, mut receiver) = channel(shape(table));
        let again = async {
            let mut digest = Digest::default();
            while let Some(batch) = receiver.recv().await {
                digest.add_batch(&batch, &mut Vec::new());
                receiver.recycle(batch);
            }
            digest
        };
        let (read, again) = tokio::join!(staging.read(&request, sender), again);
        read?;
        assert_eq!(again, *digest.lock().unwrap(), "{}", table.name);
    }
    staging.finish(&|_| ()).await?;
    snapshot.close().await;
    Ok(())
}

async fn switch(staging: Box<dyn Staging>) -> Result<()> {
    let change = staging.change().await?;
    staging.switch(&change).await.map_err(|not| not.error)
}

async fn migrate(from: &Path, to: &Path, scope: Scope) -> Result<()> {
    let plan = plan(&source(from).await.inspect().await?, scope);
    let target = target(to).await;
    let staging = target.stage("0123abcd", &plan).await?;
    match load(from, staging.as_ref(), &plan).await {
        Ok(()) => switch(staging).await,
        Err(error) => {
            staging.discard().await?;
            Err(error)
        }
    }
}

/// Every value of every table with its storage class, by SQLite's own words.
fn content(path: &Path, tables: &[Table]) -> Vec<Vec<String>> {
    let connection = Connection::open(path).unwrap();
    let all = tables.iter().map(|table| {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|c| quote(&c.name))
            .map(|c| format!("typeof({c}) || iif(typeof({c}) = 'text', hex(CAST({c} AS BLOB)), quote({c}))"))
            .collect();
        let sql = format!("SELECT {} FROM {} ORDER BY 1", columns.join(" || '|' || "), quote(&table.name));
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |r| r.get::<_, String>(0)).unwrap();
        rows.map(std::result::Result::unwrap).collect()
    });
    all.collect()
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

async fn assert_same(from: &Path, to: &Path) {
    let before = source(from).await.inspect().await.unwrap();
    let mut after = source(to).await.inspect().await.unwrap();
    assert_eq!(content(from, &before.tables), content(to, &before.tables));
    after.tables.retain(|t| before.table(&t.name).is_some());
    for (old, new) in before.tables.iter().zip(&after.tables) {
        // The words of CREATE INDEX may differ, what they say may not.
        let mut new = new.clone();
        for (a, b) in old.indexes.iter().zip(&mut new.indexes) {
            b.definition.clone_from(&a.definition);
        }
        assert_eq!(old, &new);
    }
    let verdict: String =
        Connection::open(to).unwrap().query_row("PRAGMA integrity_check", [], |r| r.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

fn files() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.db"), folder.path().join("to.db"));
    seed(&from, NASTY);
    (folder, from, to)
}

#[tokio::test]
async fn the_catalogue_says_everything() {
    let (_folder, from, _) = files();
    let schema = source(&from).await.inspect().await.unwrap();
    let names: Vec<&str> = schema.tables.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["big", "child", "empty_auto", "parent", "select", "strict_one", "types \"of\" all"]);
    let kinds: Vec<(ObjectKind, &str)> = schema.objects.iter().map(|o| (o.kind, o.name.as_str())).collect();
    assert_eq!(
        kinds,
        [(ObjectKind::View, "v"), (ObjectKind::Trigger, "t"), (ObjectKind::VirtualTable, "search")]
    );
    assert!(schema.objects[1].definition.starts_with("CREATE TRIGGER t AFTER INSERT"));

    let select = schema.table("select").unwrap();
    let key = select.primary_key.as_ref().unwrap();
    assert_eq!(
        (key.name.as_deref(), key.columns.as_slice()),
        (Some("p k"), &["order by;--".to_owned(), "from".to_owned()][..])
    );
    assert!(select.options.without_rowid);
    assert_eq!(select.indexes.len(), 2);
    assert_eq!(select.indexes[0].name.as_deref(), Some("u'q"));
    assert!(select.indexes[0].constraint && select.indexes[0].parts[1].collation.is_none());
    assert_eq!(select.indexes[1].name, None);
    assert!(select.column("quoted").unwrap().collation.as_ref().unwrap().case_insensitive);

    let strict = schema.table("strict_one").unwrap();
    assert!(strict.options.strict && strict.options.autoincrement);
    let identity = strict.column("id").unwrap().identity.as_ref().unwrap();
    assert_eq!((identity.generation, identity.next), (IdentityGeneration::AutoIncrement, Some(102)));
    let identity = schema.table("empty_auto").unwrap().column("id").unwrap().identity.clone().unwrap();
    assert_eq!(identity.next, Some(1));

    let child = schema.table("child").unwrap();
    assert_eq!(child.column("id").unwrap().identity, None, "INTEGER PRIMARY KEY DESC is not the rowid");
    let keys = &child.foreign_keys;
    assert_eq!(keys.len(), 4);
    assert_eq!((keys[0].references.as_str(), keys[0].referenced_columns[0].as_str()), ("parent", "z"));
    assert_eq!((keys[0].on_delete, keys[0].deferrable), (Action::Cascade, Deferrable::Deferred));
    assert_eq!((keys[1].name.as_deref(), keys[1].on_update), (Some("fk_code"), Action::SetNull));
    assert_eq!(keys[2].references, "child");
    assert_eq!(
        (keys[3].name.as_deref(), keys[3].columns.len(), keys[3].match_full),
        (Some("fk_two"), 2, true)
    );
    let checks: Vec<(Option<&str>, &str)> =
        child.checks.iter().map(|c| (c.name.as_deref(), c.expression.as_str())).collect();
    assert_eq!(checks, [(Some("positive"), "total > 0"), (None, "px < 100 AND c <> ')'")]);
    let label = child.column("label").unwrap().generated.as_ref().unwrap();
    assert_eq!((label.expression.as_str(), label.stored), ("coalesce(c, '-') || ')'", false));
    assert_eq!(child.column("total").unwrap().native_type, "INT");
    let expression = &child.indexes[0];
    assert_eq!(expression.parts[0].key, IndexKey::Expression("lower(c)".into()));
    assert!(expression.parts[0].descending);
    assert_eq!(expression.predicate.as_deref(), Some("p IS NOT NULL AND c <> 'WHERE'"));
    assert_eq!(child.indexes[1].parts[0].collation.as_ref().unwrap().name, "NOCASE");

    let types = schema.table("types \"of\" all").unwrap();
    let of = |name: &str| types.column(name).unwrap();
    assert_eq!(of("id").identity.as_ref().unwrap().generation, IdentityGeneration::Rowid);
    assert_eq!(of("a").data_type, DataType::Any);
    assert_eq!(of("b").default, Some(DefaultValue::Text("it's".into())));
    assert_eq!(of("d").default, Some(DefaultValue::Number("-1".into())));
    assert_eq!(of("f").default, Some(DefaultValue::Bool(true)));
    assert_eq!(of("m").default, Some(DefaultValue::CurrentDate));
    assert_eq!(of("n").default, Some(DefaultValue::Expression("1+2".into())));
    assert_eq!(types.estimated_rows, Some(4));
}

#[tokio::test]
async fn a_new_file_is_the_old_one() {
    let (folder, from, to) = files();
    migrate(&from, &to, Scope::All).await.unwrap();
    assert_same(&from, &to).await;
    assert_eq!(listing(folder.path()), ["from.db", "to.db"]);
    assert_eq!(std::fs::metadata(&to).unwrap().mode() & 0o777, 0o600);
    let next: i64 = Connection::open(&to)
        .unwrap()
        .query_row("INSERT INTO strict_one (t) VALUES ('x') RETURNING id", [], |r| r.get(0))
        .unwrap();
    assert_eq!(next, 102);
}

#[tokio::test]
async fn an_empty_file_and_one_with_other_tables_are_filled_in_place() {
    for (before, mode) in [
        ("", "delete"),
        ("PRAGMA page_size = 8192; CREATE TABLE gone (a); DROP TABLE gone;", "delete"),
        ("PRAGMA journal_mode = WAL; CREATE TABLE gone (a); DROP TABLE gone;", "wal"),
        (
            "PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16'; CREATE TABLE other (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO other VALUES (8);",
            "delete",
        ),
        (
            "PRAGMA journal_mode = WAL; CREATE TABLE other (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO other VALUES (8);",
            "wal",
        ),
    ] {
        let (folder, from, to) = files();
        std::fs::write(&to, b"").unwrap();
        seed(&to, before);
        if before.contains("UTF-16") {
            // Text that is not valid UTF-8 has no form in UTF-16, and the proof would say so.
            seed(&from, r#"UPDATE "types ""of"" all" SET c = NULL WHERE id = 2"#);
        }
        migrate(&from, &to, Scope::All).await.unwrap_or_else(|e| panic!("{before}: {e}"));
        if !before.contains("UTF-16") {
            assert_same(&from, &to).await;
        }
        let connection = Connection::open(&to).unwrap();
        let now: String = connection.query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
        assert_eq!(now, mode, "{before}");
        if before.contains("other") {
            let marks: String = connection
                .query_row(
                    "SELECT group_concat(name || seq) FROM (SELECT * FROM sqlite_sequence WHERE seq > 0 ORDER BY 1)",
                    [],
                    |r| r.get(0),
                )
                .unwrap();
            assert_eq!(marks, "other8,strict_one101");
        }
        assert!(listing(folder.path()).iter().all(|n| !n.contains("partial")));
    }
}

#[tokio::test]
async fn rows_alone_go_into_tables_that_are_there() {
    let (_folder, from, to) = files();
    migrate(&from, &to, Scope::All).await.unwrap();
    let tables = source(&from).await.inspect().await.unwrap().tables;
    let connection = Connection::open(&to).unwrap();
    for table in &tables {
        connection
            .execute_batch(&format!("PRAGMA foreign_keys = OFF; DELETE FROM {}", quote(&table.name)))
            .unwrap();
    }
    connection
        .execute_batch("CREATE TRIGGER never AFTER INSERT ON parent BEGIN SELECT RAISE(FAIL, 'fired'); END")
        .unwrap();
    drop(connection);
    migrate(&from, &to, Scope::DataOnly).await.unwrap();
    assert_same(&from, &to).await;
    // A second time there are rows, so nothing is touched.
    let error = migrate(&from, &to, Scope::DataOnly).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.what().starts_with("table \"big\" was empty"), "{error}");
    assert_same(&from, &to).await;
}

/// What ends the transaction of a load, as an error of the disk does, ends the load: no row is written after it.
#[tokio::test]
async fn a_load_whose_transaction_ends_leaves_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.db"), folder.path().join("to.db"));
    // So many that they are written by one statement.
    seed(
        &from,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70) SELECT i, i % 60 FROM n",
    );
    seed(&to, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT ROLLBACK)");
    let error = migrate(&from, &to, Scope::DataOnly).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Value, "{error}");
    let rows = Connection::open(&to).unwrap().query_row("SELECT count(*) FROM t", [], |r| r.get::<_, i64>(0));
    assert_eq!(rows.unwrap(), 0);
}

#[tokio::test]
async fn what_is_given_up_leaves_no_trace_and_leftovers_go() {
    let (folder, from, to) = files();
    let plan = plan(&source(&from).await.inspect().await.unwrap(), Scope::All);
    std::fs::write(folder.path().join(".to.db.partial-dead"), b"").unwrap();
    let target = target(&to).await;
    let alive = target.stage("alive", &plan).await.unwrap();
    let cleared = target.clear(None).await.unwrap();
    assert!(matches!(&cleared[..], [one] if one.ends_with("/.to.db.partial-dead")), "{cleared:?}");
    let staging = target.stage("second", &plan).await.unwrap();
    assert_eq!(listing(folder.path()), [".to.db.partial-alive", ".to.db.partial-second", "from.db"]);
    load(&from, staging.as_ref(), &plan).await.unwrap();
    staging.discard().await.unwrap();
    alive.discard().await.unwrap();
    assert_eq!(listing(folder.path()), ["from.db"]);
    assert_eq!(target.occupied(&plan).await.unwrap(), []);
}

#[tokio::test]
async fn a_target_that_appears_meanwhile_is_not_touched() {
    let (folder, from, to) = files();
    let plan = plan(&source(&from).await.inspect().await.unwrap(), Scope::All);
    let target = target(&to).await;
    let staging = target.stage("r", &plan).await.unwrap();
    load(&from, staging.as_ref(), &plan).await.unwrap();
    std::fs::write(&to, b"somebody else's").unwrap();
    let error = switch(staging).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(std::fs::read(&to).unwrap(), b"somebody else's");
    assert_eq!(listing(folder.path()), ["from.db", "to.db"]);
}

#[tokio::test]
async fn a_busy_file_is_left_as_it_was() {
    for before in ["", "CREATE TABLE other (a);"] {
        let (folder, from, to) = files();
        std::fs::write(&to, b"").unwrap();
        seed(&to, before);
        let bytes = std::fs::read(&to).unwrap();
        let plan = plan(&source(&from).await.inspect().await.unwrap(), Scope::All);
        let staging = target(&to).await.stage("r", &plan).await.unwrap();
        load(&from, staging.as_ref(), &plan).await.unwrap();
        let other = Connection::open(&to).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let change = staging.change().await.unwrap();
        let not = staging.switch(&change).await.unwrap_err();
        assert_eq!(not.error.kind(), ErrorKind::Busy, "{not:?}");
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), bytes);
        not.staging.unwrap().discard().await.unwrap();
        assert_eq!(listing(folder.path()), ["from.db", "to.db"]);
    }
}

#[tokio::test]
async fn tables_in_the_way_are_found_whatever_their_case() {
    let (_folder, from, to) = files();
    seed(
        &to,
        "CREATE TABLE PARENT (a); CREATE TABLE full_one (a); INSERT INTO parent VALUES (1); CREATE INDEX BIG ON full_one (a)",
    );
    let plan = plan(&source(&from).await.inspect().await.unwrap(), Scope::All);
    let found = target(&to).await.occupied(&plan).await.unwrap();
    let found: Vec<(&str, &str, bool)> =
        found.iter().map(|o| (o.name.as_str(), o.kind.as_str(), o.empty)).collect();
    assert_eq!(found, [("BIG", "index", false), ("PARENT", "table", false)]);
}

#[tokio::test]
async fn orphans_are_counted_and_named() {
    let (_folder, from, to) = files();
    seed(&from, "INSERT INTO child (id, p, c) VALUES (50, 99, 'none'), (51, 98, NULL)");
    let plan = plan(&source(&from).await.inspect().await.unwrap(), Scope::All);
    let target = target(&to).await;
    let staging = target.stage("r", &plan).await.unwrap();
    load(&from, staging.as_ref(), &plan).await.unwrap();
    let mut found = staging.orphans().await.unwrap();
    found.sort_by_key(|o| o.rows);
    let found: Vec<(&str, &str, u64, Vec<String>)> =
        found.iter().map(|o| (o.table.as_str(), o.columns[0].as_str(), o.rows, o.keys.clone())).collect();
    assert_eq!(
        found,
        [
            ("child", "c", 1, vec!["id=50".to_owned()]),
            ("child", "p", 2, vec!["id=50".to_owned(), "id=51".to_owned()])
        ]
    );
    staging.discard().await.unwrap();
}

#[tokio::test]
async fn values_that_do_not_fit_name_their_row() {
    let (_folder, from, _) = files();
    let source = source(&from).await;
    let snapshot = source.snapshot(1).await.unwrap();
    let read = async |name: &str, carries: DataType| {
        let request = ReadRequest {
            table: "types \"of\" all".into(),
            columns: ["id", name]
                .map(|n| ReadColumn {
                    name: n.into(),
                    native_type: "X".into(),
                    carries: if n == "id" { DataType::INT64 } else { carries.clone() },
                    epoch: None,
                })
                .to_vec(),
            key: vec!["id".into()],
            batch_rows: 10,
            batch_bytes: 1000,
            after: None,
            condition: None,
            within: None,
        };
        let columns = request
            .columns
            .iter()
            .map(|c| ShapeColumn { name: c.name.clone(), data_type: c.carries.clone() });
        let (sender, receiver) =
            channel(Arc::new(Shape { table: "t".into(), columns: columns.collect(), key: vec![0] }));
        let done = snapshot.read(&request, sender).await;
        drop(receiver);
        done.unwrap_err()
    };
    let error = read("f", DataType::Bool).await;
    assert_eq!(error.kind(), ErrorKind::Value);
    assert_eq!(
        error.what(),
        "the value of \"f\" in table \"types \"\"of\"\" all\", row id=2, is a number other than 0 and 1 in a column of booleans"
    );
    assert!(read("c", DataType::TEXT).await.what().contains("row id=2, is text that is not valid UTF-8"));
    assert!(
        read("k", DataType::BYTES).await.what().contains("row id=2, is text in a column of byte strings")
    );
}

#[tokio::test]
async fn a_profile_tells_what_declarations_leave_open() {
    let (_folder, from, _) = files();
    let source = source(&from).await;
    let schema = source.inspect().await.unwrap();
    let snapshot = source.snapshot(1).await.unwrap();
    let table = schema.table("types \"of\" all").unwrap();
    let profile = snapshot.profile(table, Dialect::Postgres, None).await.unwrap();
    assert_eq!(profile.rows, Some(4));
    let of = |name: &str| &profile.columns[table.columns.iter().position(|c| c.name == name).unwrap()];
    assert_eq!((of("b").max_chars, of("b").max_bytes), (Some(7), Some(7)));
    assert_eq!((of("j").min_int, of("j").max_int), (Some(4_294_967_295), Some(i64::MAX)));
    let codes = |name: &str| -> Vec<(&str, u64, String)> {
        of(name).misfits.iter().map(|m| (m.code.as_str(), m.rows, m.keys.join(";"))).collect()
    };
    assert_eq!(codes("c"), [("nul_in_text", 1, "id=1".to_owned()), ("invalid_utf8", 1, "id=2".to_owned())]);
    assert_eq!(codes("d"), [("wrong_storage_class", 1, "id=1".to_owned())]);
    assert_eq!(codes("e"), []);
    assert_eq!(codes("f"), [("converted", 1, "id=1".to_owned()), ("not_a_boolean", 1, "id=2".to_owned())]);
    assert_eq!(codes("g"), [("bad_datetime", 1, "id=2".to_owned()), ("datetime_format", 1, String::new())]);
    assert_eq!(of("g").epoch, Some(crate::model::epoch::Epoch::Milliseconds));
    assert_eq!(codes("k"), [("text_in_blob", 1, "id=2".to_owned())]);
    assert_eq!(of("k").max_bytes, Some(70_000));
    assert_eq!((of("d").whole_digits, of("d").fraction_digits), (Some(18), Some(1)));
    let mysql = snapshot.profile(table, Dialect::Mysql, None).await.unwrap();
    assert_eq!(mysql.columns[5].misfits[0].code, "not_finite");
    assert_eq!(
        snapshot.profile(table, Dialect::Sqlite, None).await.unwrap(),
        crate::model::plan::TableProfile::default()
    );
}

#[tokio::test]
async fn readers_see_one_instant_while_somebody_writes() {
    let folder = tempfile::tempdir().unwrap();
    for mode in ["WAL", "DELETE"] {
        let path = folder.path().join(mode);
        seed(&path, &format!("PRAGMA journal_mode = {mode}; CREATE TABLE t (a); INSERT INTO t VALUES (1)"));
        let source = source(&path).await;
        let snapshot = source.snapshot(3).await.unwrap();
        assert_eq!(snapshot.readers(), 3);
        let write = Connection::open(&path).unwrap();
        write.busy_timeout(std::time::Duration::ZERO).unwrap();
        let written = write.execute("INSERT INTO t VALUES (2)", []);
        assert_eq!(written.is_ok(), mode == "WAL");
        for _ in 0..3 {
            assert_eq!(snapshot.estimate("t").await.unwrap(), Some(1));
        }
        snapshot.close().await;
        assert!(write.execute("INSERT INTO t VALUES (3)", []).is_ok());
    }
}
