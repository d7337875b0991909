//! The portable archive: a database goes into a file and comes out of it, into its own engine word for word and into
//! every other one as from the live database; a damaged file is found before anything is written. Judged by the
//! servers themselves.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use techcare_db::engine::archive::Manifest;
use techcare_db::engine::connect;
use techcare_db::model::error::{Error, ErrorKind, Result};
use techcare_db::model::event::{Observer, Silent};
use techcare_db::pipeline::archive;
use tempfile::TempDir;

use crate::directions::{Report, judge, look};
use crate::engine_postgres::EVERY_TYPE;
use crate::support::binary::{self, Ran};
use crate::support::content::Renamed;
use crate::support::database::{Db, Engine, wait};
use crate::support::endpoint::endpoint;
use crate::support::samples;
use crate::techcare::seeded;

fn observer() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

/// An archive in a folder of its own.
struct Kept {
    path: PathBuf,
    manifest: Manifest,
    _folder: TempDir,
}

fn archive(db: &Db) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.backup");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
    let manifest = wait(async {
        let source = connect::source(&endpoint(db)).await?;
        let snapshot = source.snapshot(1).await?;
        let schema = source.inspect().await?;
        let written =
            archive::write(source.as_ref(), &schema, snapshot.as_ref(), file, "run-1", &observer()).await;
        snapshot.close().await;
        source.close().await;
        Ok::<_, Error>(written?.manifest)
    });
    verify(&path).unwrap();
    Kept { path, manifest: manifest.unwrap(), _folder: folder }
}

fn verify(path: &Path) -> Result<()> {
    wait(async {
        let archive = connect::archive(File::open(path).unwrap(), path).await?;
        archive.verify(&observer()).await
    })
}

fn restore(kept: &Kept, target: &Db, more: &[&str]) -> Ran {
    binary::migrate(kept.path.to_str().unwrap(), &target.url, more)
}

/// A successful run, whose tables are all verified.
fn report(ran: &Ran) -> Report {
    assert!(ran.code <= 1, "{ran}");
    let json = ran.json();
    let mut renamed = Renamed::new();
    for table in json["tables"].as_array().unwrap() {
        assert_eq!(table["verified"], true, "{table}");
        let (old, new) = (table["name"].as_str().unwrap(), table["target_name"].as_str().unwrap_or_default());
        if old != new && !new.is_empty() {
            renamed.insert(old.to_owned(), new.to_owned());
        }
    }
    Report { renamed, findings: json["findings"].as_array().cloned().unwrap_or_default() }
}

/// From the archive of a database into an engine; on request, with the report that the database itself gives.
fn comes_back(source: &Db, kept: &Kept, to: Engine, as_live: bool, faults: &mut Vec<String>) {
    let label = format!("{:?} → archive → {to:?}", source.engine);
    let target = Db::fresh(to);
    let ran = restore(kept, &target, &["--accept", "*"]);
    if ran.code > 1 {
        faults.push(format!("{label}: {ran}"));
        return;
    }
    let told = report(&ran);
    judge(&look(source), &look(&target), &told, &label, faults);
    if !as_live {
        return;
    }
    let live = binary::migrate(&source.url, &Db::fresh(to).url, &["--accept", "*"]);
    let of_live: Vec<Value> = live.json()["findings"].as_array().cloned().unwrap_or_default();
    if told.findings != of_live {
        faults.push(format!(
            "{label}: other findings than from the database itself\n{:?}\n{of_live:?}",
            told.findings
        ));
    }
}

/// The first of the targets gets the report that the database itself gives.
fn sample(name: &'static str, from: Engine, to: &[Engine]) {
    if !from.at_hand() {
        return;
    }
    let Some(source) = samples::sample(name, from) else { return };
    let kept = archive(&source);
    let mut faults = Vec::new();
    for (nth, to) in to.iter().filter(|engine| engine.at_hand()).enumerate() {
        comes_back(&source, &kept, *to, nth == 0, &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_archive_of_sqlite_goes_into_every_engine() {
    sample("chinook", Engine::Sqlite, &[Engine::Postgres, Engine::Sqlite, Engine::Mariadb]);
}

#[test]
fn an_archive_of_postgres_goes_into_every_engine() {
    sample("chinook", Engine::Postgres, &[Engine::Mariadb, Engine::Sqlite, Engine::Postgres]);
}

#[test]
fn an_archive_of_mariadb_goes_into_every_engine() {
    sample("chinook", Engine::Mariadb, &[Engine::Sqlite, Engine::Postgres, Engine::Mariadb]);
}

#[test]
fn an_archive_of_sakila_comes_back() {
    sample("sakila", Engine::Mariadb, &[Engine::Mariadb]);
}

#[test]
fn an_archive_of_mysql_comes_back() {
    sample("chinook", Engine::Mysql, &[Engine::Mysql]);
}

#[test]
fn the_application_s_own_database_goes_round_through_archives() {
    let start = seeded(300);
    let mut at = start;
    let before = look(&at);
    for to in [Engine::Postgres, Engine::Mariadb, Engine::Sqlite] {
        let kept = archive(&at);
        let next = Db::fresh(to);
        let ran = restore(&kept, &next, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        let told = report(&ran);
        let mut faults = Vec::new();
        judge(&before, &look(&next), &told, &format!("{to:?}"), &mut faults);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        at = next;
    }
}

#[test]
fn every_type_of_postgres_comes_back_with_its_extremes() {
    let (from, to) = (Db::fresh(Engine::Postgres), Db::fresh(Engine::Postgres));
    from.execute(EVERY_TYPE);
    let kept = archive(&from);
    report(&restore(&kept, &to, &["--accept", "*"]));
    let rows = |db: &Db| db.query("SELECT t::text FROM kinds t ORDER BY 1");
    assert_eq!(rows(&from), rows(&to));
}

#[test]
fn every_value_of_sqlite_comes_back_with_its_storage_class() {
    let from = Db::fresh(Engine::Sqlite);
    from.execute(
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, any_, n INTEGER, t TEXT, d DATETIME, b BLOB, r REAL);
         INSERT INTO odd VALUES
            (1, 1, 'text', x'00ff', 1700000000, 'text', 1),
            (2, 1.5, 9223372036854775807, 'a' || char(0) || 'b', '2024-01-01', x'', 'text'),
            (3, '1', 1e300, CAST(x'ff41' AS TEXT), NULL, zeroblob(70000), 9e999),
            (4, x'31', NULL, '', '0000-00-00 00:00:00', 7, -9e999),
            (5, NULL, -9223372036854775808, 'não 😀', 1.25, NULL, NULL);
         CREATE TABLE gen (a INTEGER PRIMARY KEY, b TEXT AS ('x' || a) STORED, c INT AS (a * 2));
         INSERT INTO gen (a) VALUES (1), (2);
         CREATE TABLE bare (x TEXT, y BLOB);",
    );
    let kept = archive(&from);
    let to = Db::fresh(Engine::Sqlite);
    report(&restore(&kept, &to, &[]));
    for (table, columns) in [("odd", &["id", "any_", "n", "t", "d", "b", "r"][..]), ("gen", &["a", "b", "c"])]
    {
        let list: Vec<_> =
            columns.iter().map(|c| format!("typeof({c}) || ' ' || length({c}) || ' ' || hex({c})")).collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY 1", list.join(", "));
        assert_eq!(from.query(&sql), to.query(&sql), "{table}");
    }
}

#[test]
fn dates_that_no_calendar_has_are_kept_and_decided_about_when_they_are_restored() {
    let from = Db::fresh(Engine::Mariadb);
    from.execute(
        "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, d date, e enum('a','b'), u bigint unsigned, s time(6));
         INSERT INTO t VALUES (1, '0000-00-00', 'nothing', 18446744073709551615, '-838:59:59'), (2, '2024-02-29', 'b', 0, '10:00:00.5')",
    );
    let kept = archive(&from);
    let to = Db::fresh(Engine::Postgres);
    let refused = restore(&kept, &to, &[]);
    assert_eq!(refused.code, 4, "{refused}");
    assert!(refused.stdout.contains("zero_date") && refused.stdout.contains("not_a_label"), "{refused}");
    let ran = restore(&kept, &to, &["--rule", "zero_date=convert", "--rule", "not_a_label=convert"]);
    report(&ran);
    let rows = to.query("SELECT id, d, e, u, s FROM t ORDER BY id");
    let cell = |text: &str| Some(text.to_owned());
    assert_eq!(rows[0], [cell("1"), None, None, cell("18446744073709551615"), cell("PT-838H-59M-59S")]);
    assert_eq!(rows[1][1..], [cell("2024-02-29"), cell("b"), cell("0"), cell("PT10H0.5S")]);
}

#[test]
fn infinite_times_and_zero_dates_come_back_into_their_own_engines() {
    let from = Db::fresh(Engine::Postgres);
    from.execute(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamptz, d date, n numeric);
         INSERT INTO t VALUES (7, 'infinity', '-infinity', 'NaN'), (8, '-infinity', '4713-01-01 BC', 1.50)",
    );
    let to = Db::fresh(Engine::Postgres);
    report(&restore(&archive(&from), &to, &[]));
    assert_eq!(from.query("SELECT t::text FROM t ORDER BY 1"), to.query("SELECT t::text FROM t ORDER BY 1"));

    let from = Db::fresh(Engine::Mariadb);
    from.execute(
        "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, d date, e enum('a','b'), s datetime(3), k date);
         INSERT INTO t VALUES (1, '0000-00-00', 'nothing', '0000-00-00', '0000-05-01'), (2, '2024-02-29', 'b', '2024-01-01 10:00:00.5', NULL)",
    );
    let to = Db::fresh(Engine::Mariadb);
    report(&restore(&archive(&from), &to, &[]));
    let text = "SELECT CONCAT_WS('|', id, d, e, e + 0, s, k) FROM t ORDER BY id";
    assert_eq!(from.query(text), to.query(text));
}

#[test]
fn a_portable_backup_of_each_engine_is_verified_and_restored() {
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::Mariadb] {
        let db = Db::fresh(engine);
        db.execute(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20));
             INSERT INTO users VALUES (1, 'José'), (2, NULL)",
        );
        let home = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| {
            let mut command = binary::command(home.path());
            command.args(args);
            binary::Running::start(command).end()
        };
        let made = run(&["backup", "--database", &db.url, "--method", "portable"]);
        assert_eq!(made.code, 0, "{made}");
        let path = made.stdout.trim();
        assert_eq!(Path::new(path).extension(), Some("tcdb".as_ref()), "{path}");
        assert_eq!(run(&["backup", "--verify", path]).code, 0);
        let to = Db::fresh(Engine::Sqlite);
        let moved = run(&["migrate", "--source", path, "--target", &to.url]);
        assert!(moved.code <= 1, "{moved}");
        let rows = "SELECT id, name FROM users ORDER BY id";
        assert_eq!(db.query(rows), to.query(rows));
        let whole = home.path().join(path);
        let mut bytes = std::fs::read(&whole).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        std::fs::write(&whole, bytes).unwrap();
        let damaged = run(&["backup", "--verify", path]);
        assert_eq!(damaged.code, 4, "{damaged}");
    }
}

#[test]
fn other_commands_take_an_archive_for_a_database() {
    let from = seeded(20);
    let kept = archive(&from);
    let path = kept.path.to_str().unwrap();
    let detected = binary::run(&["--format", "json", "detect", "--database", path]);
    assert_eq!(detected.code, 0, "{detected}");
    let json = detected.json();
    assert_eq!(json["source"]["engine"], "sqlite", "{json}");
    assert!(json.to_string().contains("\"maintenance_plans\""), "{json}");
    let checked = binary::run(&["check", "--database", path]);
    assert_eq!(checked.code, 0, "{checked}");
    let equal = binary::run(&["check", "--database", from.path().to_str().unwrap(), "--against", path]);
    assert_eq!(equal.code, 0, "{equal}");
    from.execute("UPDATE users SET username = 'another' WHERE id = 1");
    let differs = binary::run(&["check", "--database", from.path().to_str().unwrap(), "--against", path]);
    assert_eq!(differs.code, 1, "{differs}");
    let written = binary::migrate(&from.url, path, &[]);
    assert_eq!(written.code, 2, "{written}");
    assert!(written.stderr.contains("never written to"), "{written}");
}

/// Bits of a small archive, one at a time, lengths that it can be cut to, blocks of zeros. Damage is found by `verify`,
/// and opening, planning and reading end in an error or in what the archive held: never in a panic.
#[test]
fn damage_is_found_wherever_it_is() {
    let from = Db::fresh(Engine::Sqlite);
    from.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two')",
    );
    let kept = archive(&from);
    let whole = std::fs::read(&kept.path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.backup");
    let found = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let error = verify(&path).expect_err("damage was not found");
        assert!(matches!(error.kind(), ErrorKind::Read | ErrorKind::Verify), "{error:?}");
        // Read without being verified first.
        wait(async {
            let Ok(archive) = connect::archive(File::open(&path).unwrap(), &path).await else { return };
            let source: &dyn techcare_db::engine::capability::Source = &archive;
            let snapshot = source.snapshot(1).await.unwrap();
            let _ = snapshot.profile(&source.inspect().await.unwrap().tables[0], from_engine(), None).await;
            let request = request();
            let (sender, receiver) = techcare_db::engine::stream::channel(request.shape());
            let (read, drained) = tokio::join!(snapshot.read(&request, sender), receiver.drain(|_| Ok(())));
            assert!(read.is_ok() || read.unwrap_err().kind() != ErrorKind::Internal);
            drained.unwrap();
        });
    };
    // 1,000 of them, spread over the file; each run takes other ones, of the seed that it prints.
    let seed = std::env::var("TECHCARE_DB_TEST_SEED").map_or_else(
        |_| std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos(),
        |seed| seed.parse().unwrap(),
    );
    eprintln!("TECHCARE_DB_TEST_SEED={seed}");
    let bits = whole.len() * 8;
    let seed = usize::try_from(seed).unwrap();
    for nth in 0..1000 {
        let bit = (nth * bits / 1000 + seed) % bits;
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        found(&damaged);
    }
    for length in (0..whole.len()).step_by(7) {
        found(&whole[..length]);
    }
    for block in whole.chunks(512).enumerate().map(|(nth, _)| nth * 512) {
        let mut damaged = whole.clone();
        let end = (block + 512).min(damaged.len());
        damaged[block..end].fill(0);
        found(&damaged);
    }
    assert_eq!(kept.manifest.tables[0].content.rows, 2);
}

fn from_engine() -> techcare_db::model::endpoint::Dialect {
    techcare_db::model::endpoint::Dialect::Postgres
}

fn request() -> techcare_db::engine::capability::ReadRequest {
    use techcare_db::engine::capability::{ReadColumn, ReadRequest};
    use techcare_db::model::schema::DataType;
    let column =
        |name: &str, carries| ReadColumn { name: name.into(), native_type: "x".into(), carries, epoch: None };
    ReadRequest {
        table: "t".into(),
        columns: vec![column("id", DataType::INT64), column("note", DataType::TEXT)],
        key: vec!["id".into()],
        batch_rows: 10,
        batch_bytes: 1000,
        after: None,
        condition: None,
        within: None,
    }
}

#[test]
fn a_cut_archive_is_no_sqlite_file_and_the_target_stays_as_it_is() {
    let kept = archive(&seeded(50));
    let whole = std::fs::read(&kept.path).unwrap();
    std::fs::write(&kept.path, &whole[..whole.len() - 1]).unwrap();
    let to = Db::fresh(Engine::Sqlite);
    let ran = restore(&kept, &to, &[]);
    assert_eq!(ran.code, 5, "{ran}");
    assert!(ran.stderr.contains("is damaged"), "{ran}");
    assert!(!to.path().exists());
    // A bit of the rows: found while they are read, and staging goes.
    let mut damaged = whole.clone();
    let at = whole.windows(14).position(|w| w == b"data/0001.arro").unwrap() + 100;
    damaged[at] ^= 4;
    std::fs::write(&kept.path, &damaged).unwrap();
    let ran = restore(&kept, &to, &[]);
    assert_eq!(ran.code, 5, "{ran}");
    assert!(ran.stderr.contains("not those that were written"), "{ran}");
    assert!(!to.path().exists());
}

#[test]
fn a_value_of_64_mib_passes_in_bounded_memory() {
    let from = Db::fresh(Engine::Sqlite);
    from.execute(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, b BLOB);
         INSERT INTO big VALUES (1, randomblob(67108864)), (2, zeroblob(67108864)), (3, x'01')",
    );
    let kept = archive(&from);
    let to = Db::fresh(Engine::Sqlite);
    let ran = restore(&kept, &to, &[]);
    report(&ran);
    assert!(ran.peak_kib < 700 * 1024, "{} KiB", ran.peak_kib);
    let same = format!("ATTACH '{}' AS other; ", from.path().display());
    let file = to.sqlite();
    file.execute_batch(&same).unwrap();
    let equal: i64 = file
        .query_row("SELECT count(*) FROM main.big a JOIN other.big b ON a.id = b.id AND a.b = b.b", [], |r| {
            r.get(0)
        })
        .unwrap();
    assert_eq!(equal, 3);
}
