//! A run that is killed in the middle, and `--resume`: nothing doubled, nothing missing, and what was there is not read
//! again. The judge is SQL; what a run has read, its report says.

use std::time::Duration;

use serde_json::Value;

use crate::bad_input::error_shape;
use crate::support::binary::{self, Ran, Running};
use crate::support::database::{Db, Engine};

/// Rows of the big table: some three chunks.
const ROWS: u64 = 60_000;

/// A big table with a key, a small one, and one without a key that holds rows twice.
fn source() -> Db {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(&format!(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
         CREATE TABLE small (id INTEGER PRIMARY KEY, big_id INTEGER NOT NULL REFERENCES big (id));
         CREATE INDEX ix_small ON small (big_id);
         CREATE TABLE keyless (a INTEGER, b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         INSERT INTO big SELECT i, hex(zeroblob(400)) || i FROM n;
         INSERT INTO small SELECT id, id FROM big WHERE id <= 100;
         INSERT INTO keyless SELECT id % 7, 'x' FROM big WHERE id <= 1000"
    ));
    settled();
    db
}

/// Longer than a file that was just written is taken for one that may still change unseen.
fn settled() {
    std::thread::sleep(Duration::from_millis(200));
}

/// Kills a run when it has read so many rows of a table in the load.
fn killed(source: &Db, target: &Db, table: &str, rows: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args(["--progress", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    let mut running = Running::start(command);
    let read = |line: &str| -> Option<u64> {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "rows" && event["table"] == table).then(|| event["rows"].as_u64())?
    };
    let under_way = running.until_lines(|lines| lines.lines().filter_map(read).sum::<u64>() >= rows);
    assert!(under_way, "the run ended before it could be killed\n{}", running.end());
    running.signal("KILL");
    assert_eq!(running.end().code, 137);
}

fn resume(source: &Db, target: &Db) -> Ran {
    binary::migrate(&source.url, &target.url, &["--resume"])
}

/// What a report says of a table: rows read by this run, rows that were there before, rows in all.
fn rows_of(ran: &Ran, table: &str) -> (u64, u64, u64) {
    let json = ran.json();
    let found = json["tables"].as_array().unwrap().iter().find(|t| t["name"] == table).unwrap();
    let number = |field: &str| found[field].as_u64().unwrap_or(0);
    (number("rows_read"), number("rows_before"), number("rows_written"))
}

/// Number of rows and of keys, sum of keys, and bytes of text.
fn sums(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(
        "SELECT count(*), count(DISTINCT id), sum(id), sum(length(body)), (SELECT count(*) FROM small), \
         (SELECT count(*) FROM keyless) FROM big",
    )
}

#[test]
fn a79_a_killed_run_goes_on_without_reading_finished_ranges_again() {
    let source = source();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        killed(&source, &target, "big", 45_000);
        let ran = resume(&source, &target);
        assert_eq!(ran.code, 0, "{engine:?}\n{ran}");
        let (read, before, written) = rows_of(&ran, "big");
        assert_eq!((read + before, written), (ROWS, ROWS), "{engine:?}\n{ran}");
        assert!(before > 15_000, "{engine:?}: only {before} rows were kept\n{ran}");
        assert_eq!(sums(&target), sums(&source), "{engine:?}");
    }
}

#[test]
fn a80_a_table_without_a_key_is_not_doubled() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE log (a INTEGER, body TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO log SELECT i % 3, hex(zeroblob(400)) FROM n",
    );
    settled();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        killed(&source, &target, "log", 30_000);
        let ran = resume(&source, &target);
        assert_eq!(ran.code, 0, "{engine:?}\n{ran}");
        let again = binary::migrate(&source.url, &target.url, &[]);
        error_shape(&again, 4);
        let counted = target.query("SELECT count(*), sum(a), sum(length(body)) FROM log");
        assert_eq!(
            counted,
            source.query("SELECT count(*), sum(a), sum(length(body)) FROM log"),
            "{engine:?}"
        );
    }
}

#[test]
fn a83_keys_that_are_far_apart_make_no_more_work_than_keys_side_by_side() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE far (id INTEGER PRIMARY KEY, body TEXT);
         INSERT INTO far VALUES (-9223372036854775807, 'least'), (1, 'one'), (200000000000000000, 'far'),
             (9223372036854775806, 'greatest');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
         INSERT INTO far SELECT 150000000000000000 + i, hex(zeroblob(400)) FROM n",
    );
    settled();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        killed(&source, &target, "far", 30_000);
        let ran = resume(&source, &target);
        assert_eq!(ran.code, 0, "{engine:?}\n{ran}");
        let (read, before, _) = rows_of(&ran, "far");
        assert_eq!(read + before, 40_004, "{engine:?}\n{ran}");
        assert!(before > 0 && ran.peak_kib < 400_000, "{engine:?}: {before} rows, {} KiB", ran.peak_kib);
        let sql = "SELECT count(*), count(DISTINCT id), min(id), max(id), sum(length(body)) FROM far";
        assert_eq!(target.query(sql), source.query(sql), "{engine:?}");
    }
}

/// Whatever happens to the source in between, what arrives is the source as it is in the end.
#[test]
fn a_source_that_changed_in_between_arrives_as_it_is() {
    let source = source();
    let target = Db::fresh(Engine::Postgres);
    killed(&source, &target, "big", 45_000);
    source.execute(
        "UPDATE big SET body = 'changed' WHERE id = 7; DELETE FROM big WHERE id = 1000;
         INSERT INTO big VALUES (-5, 'new'); UPDATE small SET big_id = 7 WHERE id = 1",
    );
    let ran = resume(&source, &target);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(sums(&target), sums(&source));
    let seven = "SELECT body FROM big WHERE id IN (-5, 7, 1000) ORDER BY id";
    assert_eq!(target.query(seven), [[Some("new".to_owned())], [Some("changed".to_owned())]]);
}

/// A server cannot say that nothing has changed: its rows are compared, and those that are there are not written again.
#[test]
fn a_server_as_the_source_is_compared() {
    let source = Db::fresh(Engine::Mariadb);
    source.execute(&format!(
        "CREATE TABLE big (id INT PRIMARY KEY, body VARCHAR(900) NOT NULL); CREATE TABLE small (id INT PRIMARY KEY);
         CREATE TABLE keyless (a INT); INSERT INTO big SELECT seq, concat(repeat('0', 800), seq) FROM seq_1_to_{ROWS}"
    ));
    let target = Db::fresh(Engine::Sqlite);
    killed(&source, &target, "big", 45_000);
    let ran = resume(&source, &target);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(rows_of(&ran, "big").1 > 15_000, "{ran}");
    assert_eq!(sums(&target), sums(&source));
}

#[test]
fn another_plan_is_not_gone_on_with() {
    let source = source();
    for engine in [Engine::Sqlite, Engine::Mariadb] {
        let target = Db::fresh(engine);
        killed(&source, &target, "big", 45_000);
        let ran = binary::migrate(&source.url, &target.url, &["--resume", "--exclude", "keyless"]);
        error_shape(&ran, 4);
        assert!(ran.stderr.contains("with another plan"), "{ran}");
        // What is there was left alone, so the same plan can still go on.
        let ran = resume(&source, &target);
        assert_eq!(ran.code, 0, "{engine:?}\n{ran}");
        assert!(rows_of(&ran, "big").1 > 0, "{ran}");
    }
}

#[test]
fn nothing_to_go_on_with_begins_at_the_beginning() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)");
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        let ran = resume(&source, &target);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stderr.contains("there is no run to go on with"), "{ran}");
        assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("1"));
    }
}
