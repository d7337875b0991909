//! Rows that do not fit: refused by default and named by key; put aside or converted where a policy says so, and then
//! counted, listed and accounted for.

use std::path::Path;

use serde_json::{Value, json};

use super::check::check;
use super::constrained::{archive, known_of_archive};
use crate::bad_input::untouched;
use crate::support::binary::{self, Ran};
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

const BAD: [&str; 2] = ["--on-bad-row", "reject"];

/// A run with its folder, where the reject file is.
struct Run {
    folder: tempfile::TempDir,
    ran: Ran,
    target: Db,
}

impl Run {
    fn of(source: &Db, to: Engine, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = Db::fresh(to);
        let mut command = binary::command(folder.path());
        command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
        command.args(more);
        let ran = binary::Running::start(command).end();
        Self { folder, ran, target }
    }

    /// Findings with a code, as severity, rows, keys and action.
    fn findings(&self, code: &str) -> Vec<(String, Value, Value, String)> {
        let json = self.ran.json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = json["findings"].as_array().cloned().unwrap_or_default();
        all.iter()
            .filter(|f| f["code"] == code)
            .map(|f| (text(&f["severity"]), f["rows"].clone(), f["keys"].clone(), text(&f["action"])))
            .collect()
    }

    /// Lines of the reject file.
    fn rejects(&self) -> Vec<Value> {
        let json = self.ran.json();
        let Some(path) = json["rejects"].as_str() else { return Vec::new() };
        let text = std::fs::read_to_string(self.folder.path().join(path)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Rows read, written and rejected of a table, in the report.
    fn account(&self, table: &str) -> [u64; 3] {
        let json = self.ran.json();
        let table = json["tables"].as_array().unwrap().iter().find(|t| t["name"] == table).unwrap().clone();
        ["rows_read", "rows_written", "rows_rejected"].map(|name| table[name].as_u64().unwrap())
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.target.query(sql)
    }
}

fn sqlite(sql: &str) -> Db {
    made(Sqlite, sql)
}

pub(super) fn made(from: Engine, sql: &str) -> Db {
    let source = Db::fresh(from);
    source.execute(sql);
    source
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|v| Some((*v).to_owned())).collect()
}

/// Refused before the first row, with this code, these rows and these keys.
fn refused(source: &Db, to: Engine, code: &str, rows: u64, keys: &[&str], more: &[&str]) {
    let run = Run::of(source, to, more);
    assert_eq!(run.ran.code, 4, "{to:?}: {}", run.ran);
    let found = run.findings(code);
    assert_eq!(
        found,
        [("blocker".to_owned(), json!(rows), json!(keys), "refused".to_owned())],
        "{}",
        run.ran
    );
    assert!(!run.folder.path().join("rejects").exists());
    untouched(&run.target);
}

#[test]
fn a14_a15_values_of_another_kind_are_refused_or_put_aside() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
         INSERT INTO t VALUES (1, 'hello'), (2, 1.5), (3, NULL), (4, x'00ff'), (5, 7)",
    );
    for to in Engine::servers() {
        refused(&source, to, "wrong_storage_class", 3, &["id=1", "id=2", "id=4"], &[]);
        let run = Run::of(&source, to, &BAD);
        assert_eq!(run.ran.code, 1, "{}", run.ran);
        assert_eq!(
            run.rows("SELECT id, n FROM t ORDER BY id"),
            [vec![Some("3".into()), None], some(&["5", "7"])]
        );
        assert_eq!(run.account("t"), [5, 2, 3]);
        let line =
            |id: u8| json!({"table": "t", "key": {"id": id}, "column": "n", "code": "wrong_storage_class"});
        assert_eq!(run.rejects(), [line(1), line(2), line(4)]);
        let found = run.findings("wrong_storage_class");
        assert_eq!(found[0].3, "rejected");
        assert_eq!((&found[0].0, &found[0].1), (&"warning".to_owned(), &json!(3)));
    }
}

#[test]
fn a17_a18_words_for_truth_values_convert_and_other_numbers_are_reported() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b BOOLEAN);
         INSERT INTO t VALUES (1, 0), (2, 1), (3, 'true'), (4, 'f'), (5, 2)",
    );
    for to in Engine::servers() {
        refused(&source, to, "not_a_boolean", 1, &["id=5"], &[]);
        let all = "SELECT id FROM t WHERE b ORDER BY id";
        let run = Run::of(&source, to, &BAD);
        assert_eq!(run.ran.code, 1, "{}", run.ran);
        assert_eq!(run.rows(all), [some(&["2"]), some(&["3"])]);
        assert_eq!(run.rows("SELECT id FROM t WHERE NOT b ORDER BY id"), [some(&["1"]), some(&["4"])]);
        let converted = run.findings("converted");
        assert_eq!((&*converted[0].0, &converted[0].1), ("info", &json!(2)), "{}", run.ran);
        let run = Run::of(&source, to, &["--rule", "not_a_boolean=convert"]);
        assert_eq!(run.ran.code, 1, "{}", run.ran);
        assert_eq!(run.rows(all), [some(&["2"]), some(&["3"]), some(&["5"])]);
        assert_eq!(run.findings("not_a_boolean")[0].3, "converted");
        assert!(run.rejects().is_empty());
    }
}

#[test]
fn a24_a_nul_is_refused_put_aside_or_removed_on_request() {
    let made_of = |from| match from {
        Sqlite => made(
            from,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT);
                        INSERT INTO t VALUES (1, 'fine'), (2, CAST(x'6162006364' AS TEXT))",
        ),
        _ => made(
            from,
            "CREATE TABLE t (id INT PRIMARY KEY, s TEXT);
                  INSERT INTO t VALUES (1, 'fine'), (2, CONCAT('ab', CHAR(0), 'cd'))",
        ),
    };
    for from in [Sqlite].into_iter().chain(Engine::mysqls()) {
        let source = made_of(from);
        let run = Run::of(&source, Postgres, &[]);
        assert_eq!(run.ran.code, 4, "{}", run.ran);
        assert!(run.ran.stdout.contains("id=2"), "{}", run.ran);
        untouched(&run.target);
        let run = Run::of(&source, Postgres, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [2, 1, 1]), "{}", run.ran);
        assert_eq!(
            run.rejects()[0],
            json!({"table": "t", "key": {"id": 2}, "column": "s", "code": "nul_in_text"})
        );
        let run = Run::of(&source, Postgres, &["--rule", "nul_in_text@t.s=convert"]);
        assert_eq!((run.ran.code, run.account("t")), (1, [2, 2, 0]), "{}", run.ran);
        assert_eq!(run.rows("SELECT s FROM t ORDER BY id"), [some(&["fine"]), some(&["abcd"])]);
        let found = run.findings("nul_in_text");
        assert_eq!((&found[0].1, &found[0].2, &*found[0].3), (&json!(1), &json!(["id=2"]), "converted"));
    }
}

#[test]
fn a29_text_that_is_no_utf8_is_reported_and_the_rest_loads() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT);
         INSERT INTO t VALUES (1, 'fine'), (2, CAST(x'ff41' AS TEXT)), (3, 'good')",
    );
    for to in Engine::servers() {
        refused(&source, to, "invalid_utf8", 1, &["id=2"], &[]);
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [3, 2, 1]), "{}", run.ran);
        let run = Run::of(&source, to, &["--rule", "invalid_utf8=convert"]);
        assert_eq!(run.ran.code, 1, "{}", run.ran);
        assert_eq!(run.rows("SELECT s FROM t WHERE id = 2"), [some(&["\u{fffd}A"])]);
    }
    // Another file takes the bytes as they are.
    let run = Run::of(&source, Sqlite, &[]);
    assert_eq!((run.ran.code, run.account("t")), (0, [3, 3, 0]), "{}", run.ran);
    assert_eq!(run.rows("SELECT typeof(s), hex(s) FROM t WHERE id = 2"), [some(&["text", "FF41"])]);
}

#[test]
fn a33_text_in_a_column_of_bytes_is_reported_and_the_bytes_stay() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB);
         INSERT INTO t VALUES (1, x'00ff80'), (2, 'textual'), (3, x'616263'), (4, x'')",
    );
    refused(&source, Postgres, "text_in_blob", 1, &["id=2"], &[]);
    let run = Run::of(&source, Postgres, &["--rule", "text_in_blob=convert"]);
    assert_eq!((run.ran.code, run.account("t")), (1, [4, 4, 0]), "{}", run.ran);
    let bytes = ["00ff80", "7465787475616c", "616263", ""];
    let expected: Vec<_> = bytes.iter().map(|b| some(&[*b])).collect();
    assert_eq!(run.rows("SELECT encode(b, 'hex') FROM t ORDER BY id"), expected);
}

#[test]
fn a40_a_date_at_midnight_converts_and_other_spellings_are_reported() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE, e DATE NOT NULL);
         INSERT INTO t VALUES (1, '2024-05-21 00:00:00', '2024-01-01'), (2, '', '2024-01-01'),
                              (3, '21/05/2024', '2024-01-01')",
    );
    for to in Engine::mysqls() {
        refused(&source, to, "bad_datetime", 2, &["id=2", "id=3"], &[]);
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [3, 1, 2]), "{}", run.ran);
        assert_eq!(run.rows("SELECT id, d FROM t"), [some(&["1", "2024-05-21"])]);
        let run = Run::of(&source, to, &["--rule", "bad_datetime=convert"]);
        assert_eq!((run.ran.code, run.account("t")), (1, [3, 3, 0]), "{}", run.ran);
        assert_eq!(run.rows("SELECT count(*) FROM t WHERE d IS NULL"), [some(&["2"])]);
    }
}

#[test]
fn what_cannot_become_null_is_refused_in_the_plan() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE NOT NULL); INSERT INTO t VALUES (1, '21/05/2024')",
    );
    refused(&source, Postgres, "bad_datetime", 1, &["id=1"], &["--rule", "bad_datetime=convert"]);
}

#[test]
fn a78_two_bad_rows_of_a_hundred_thousand() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER);
         WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 100000)
         INSERT INTO t SELECT n, CASE WHEN n IN (41234, 99999) THEN 'bad' ELSE n END FROM i",
    );
    for to in Engine::servers() {
        refused(&source, to, "wrong_storage_class", 2, &["id=41234", "id=99999"], &[]);
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [100_000, 99_998, 2]), "{}", run.ran);
        assert_eq!(run.rows("SELECT count(*) FROM t"), [some(&["99998"])]);
        assert_eq!(run.rejects().len(), 2);
        assert_eq!(mode(&run.folder.path().join(run.ran.json()["rejects"].as_str().unwrap())), 0o600);
    }
}

#[test]
fn a78_two_bad_rows_of_a_hundred_thousand_on_a_server() {
    let postgres = made(
        Postgres,
        "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP);
         INSERT INTO t SELECT n, CASE WHEN n IN (41234, 99999) THEN '4000-01-01 BC' ELSE timestamp '2024-01-01' END
         FROM generate_series(1, 100000) AS n",
    );
    let put_aside = |source: &Db, to: Engine, code: &str| {
        refused(source, to, code, 2, &["id=41234", "id=99999"], &[]);
        let run = Run::of(source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [100_000, 99_998, 2]), "{to:?}: {}", run.ran);
        assert_eq!(run.rows("SELECT count(*) FROM t"), [some(&["99998"])]);
    };
    for to in [Sqlite].into_iter().chain(Engine::mysqls()) {
        put_aside(&postgres, to, "datetime_range");
    }
    for from in Engine::mysqls() {
        let mysql = made(
            from,
            "SET SESSION sql_mode = ''; CREATE TABLE digit (d INT);
             INSERT INTO digit VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
             CREATE TABLE t (id INT PRIMARY KEY, at DATETIME);
             INSERT INTO t SELECT n, IF(n IN (41234, 99999), '0000-00-00', '2024-01-01') FROM (
                 SELECT 10000 * a.d + 1000 * b.d + 100 * c.d + 10 * d.d + e.d + 1 AS n
                 FROM digit a, digit b, digit c, digit d, digit e) numbers",
        );
        for to in [Postgres, Sqlite] {
            put_aside(&mysql, to, "zero_date");
        }
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn keys_of_every_kind_stand_in_the_reject_file() {
    let source = sqlite(
        "CREATE TABLE named (a TEXT, b INTEGER, n INTEGER, PRIMARY KEY (a, b));
         INSERT INTO named VALUES ('ü\"', 2, 'x');
         CREATE TABLE keyless (n INTEGER); INSERT INTO keyless VALUES ('x'), (1)",
    );
    let run = Run::of(&source, Postgres, &BAD);
    assert_eq!(run.ran.code, 1, "{}", run.ran);
    let line = |table: &str, key: Value| json!({"table": table, "key": key, "column": "n", "code": "wrong_storage_class"});
    let mut rejects = run.rejects();
    rejects.sort_by_key(|line| line["table"].as_str().map(str::to_owned));
    assert_eq!(rejects, [line("keyless", json!({"rowid": 1})), line("named", json!({"a": "ü\"", "b": 2}))]);
}

#[test]
fn a62_orphans_are_refused_or_put_aside_with_those_that_hang_on_them() {
    // 7 has no parent, 8 hangs on 7, 9 on 8; 3 was rejected for its own value, so 4 has lost its parent.
    let source = sqlite(
        "PRAGMA foreign_keys = OFF;
         CREATE TABLE root (id INTEGER PRIMARY KEY, n INTEGER);
         CREATE TABLE node (id INTEGER PRIMARY KEY, root INTEGER REFERENCES root (id) ON DELETE CASCADE,
                            up INTEGER REFERENCES node (id));
         INSERT INTO root VALUES (1, 5), (3, 'bad');
         INSERT INTO node VALUES (1, 1, NULL), (2, NULL, 1), (7, 99, NULL), (8, 1, 7), (9, 1, 8)",
    );
    for to in Engine::all() {
        let refused = Run::of(&source, to, &["--rule", "wrong_storage_class=reject"]);
        assert_eq!(refused.ran.code, 4, "{to:?}: {}", refused.ran);
        assert_eq!(refused.findings("orphans")[0].2, json!(["id=7"]));
        untouched(&refused.target);

        source.execute("PRAGMA foreign_keys = OFF; INSERT OR IGNORE INTO node VALUES (4, 3, NULL)");
        let run = Run::of(&source, to, &BAD);
        assert_eq!(run.ran.code, 1, "{to:?}: {}", run.ran);
        // A SQLite target takes the bad value as it is, and its row stays a parent.
        let lost: &[u8] = if to == Sqlite { &[7, 8, 9] } else { &[4, 7, 8, 9] };
        let kept: &[&str] = if to == Sqlite { &["1", "2", "4"] } else { &["1", "2"] };
        let kept: Vec<_> = kept.iter().map(|id| some(&[*id])).collect();
        assert_eq!(run.rows("SELECT id FROM node ORDER BY id"), kept, "{to:?}");
        assert_eq!(run.account("node"), [6, kept.len() as u64, lost.len() as u64]);
        let mut rejects: Vec<Value> = run.rejects();
        rejects.retain(|line| line["table"] == "node");
        assert!(rejects.iter().all(|line| line["code"] == "orphans"), "{rejects:?}");
        let mut ids: Vec<u64> = rejects.iter().map(|line| line["key"]["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, lost.iter().map(|id| u64::from(*id)).collect::<Vec<_>>(), "{to:?}");
        assert!(run.ran.json()["tables"].as_array().unwrap().iter().all(|t| t["verified"] == true));
        source.execute("DELETE FROM node WHERE id = 4");
    }
}

#[test]
fn a62_a_reference_without_a_parent_becomes_null_on_request() {
    let make = "CREATE TABLE parent (a INT, b INT, PRIMARY KEY (a, b));
                CREATE TABLE child (id INT PRIMARY KEY, a INT, b INT, kept TIMESTAMP NULL{update}, strict INT NOT NULL,
                    CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES parent (a, b),
                    CONSTRAINT self FOREIGN KEY (strict) REFERENCES child (id));
                INSERT INTO parent VALUES (1, 2);
                INSERT INTO child VALUES (1, 1, 2, '2001-02-03 04:05:06', 1), (2, 1, 3, '2001-02-03 04:05:06', 1)";
    let sources = [
        made(
            Mariadb,
            &format!(
                "SET SESSION foreign_key_checks = 0; {}",
                make.replace("{update}", " ON UPDATE CURRENT_TIMESTAMP")
            ),
        ),
        sqlite(&format!("PRAGMA foreign_keys = OFF; {}", make.replace("{update}", ""))),
    ];
    for source in &sources {
        for to in Engine::all() {
            let run = Run::of(source, to, &["--rule", "orphans@child.a=convert"]);
            assert_eq!((run.ran.code, run.account("child")), (1, [2, 2, 0]), "{to:?}: {}", run.ran);
            let rows = run.rows("SELECT id, a, b, strict FROM child ORDER BY id");
            assert_eq!(
                rows,
                [some(&["1", "1", "2", "1"]), vec![rows[1][0].clone(), None, None, rows[1][3].clone()]]
            );
            let moved = run.target.value("SELECT count(*) FROM child WHERE kept > '2002-01-01'");
            assert_eq!(moved.as_deref(), Some("0"), "{to:?}: another column changed");
            let found = run.findings("orphans");
            assert_eq!(
                found,
                [("warning".into(), json!(1), json!(["id=2"]), "converted".into())],
                "{}",
                run.ran
            );
            assert!(run.ran.json()["tables"].as_array().unwrap().iter().all(|t| t["verified"] == true));
        }
        // A column that takes no NULL cannot lose its reference.
        source.execute(if source.engine == Sqlite {
            "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (3, NULL, NULL, NULL, 9)"
        } else {
            "SET SESSION foreign_key_checks = 0; INSERT INTO child VALUES (3, NULL, NULL, NULL, 9)"
        });
        let run = Run::of(source, Postgres, &["--rule", "orphans=convert"]);
        assert_eq!(run.ran.code, 4, "{}", run.ran);
        assert!(run.ran.stdout.contains("cannot become NULL"), "{}", run.ran);
        untouched(&run.target);
    }
}

#[test]
fn a62_orphans_of_a_server_are_put_aside_too() {
    let source = made(
        Mariadb,
        "SET SESSION foreign_key_checks = 0;
         CREATE TABLE parent (a INT, b INT, PRIMARY KEY (a, b));
         CREATE TABLE child (id INT PRIMARY KEY, a INT, b INT, FOREIGN KEY (a, b) REFERENCES parent (a, b));
         INSERT INTO parent VALUES (1, 2); INSERT INTO child VALUES (1, 1, 2), (2, 1, 3), (3, NULL, 7)",
    );
    for to in [Postgres, Mariadb, Sqlite] {
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("child")), (1, [3, 2, 1]), "{to:?}: {}", run.ran);
        assert_eq!(run.rows("SELECT id FROM child ORDER BY id"), [some(&["1"]), some(&["3"])]);
        assert_eq!(run.rejects()[0]["key"], json!({"id": 2}));
    }
}

#[test]
fn a08_numbers_that_are_none_are_known_before_the_first_row() {
    let mut sql = "CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC, m NUMERIC(10, 2), f DOUBLE PRECISION);
                   INSERT INTO t VALUES (1, 1.5, 2.5, 0.5), (2, 'NaN', 1, 1), (3, 'Infinity', 1, 1),
                                        (4, 1, 'NaN', 1), (5, 1, 1, '-Infinity')"
        .to_owned();
    let probe = Db::fresh(Postgres);
    if probe.value("SHOW server_version_num").unwrap().as_str() < "140000" {
        sql = sql.replace("'Infinity'", "'NaN'");
    }
    let source = made(Postgres, &sql);
    for to in Engine::mysqls() {
        let run = Run::of(&source, to, &[]);
        assert_eq!(run.ran.code, 4, "{}", run.ran);
        let keys: Vec<Value> = run.findings("not_finite").into_iter().map(|f| f.2).collect();
        assert_eq!(keys, [json!(["id=2", "id=3"]), json!(["id=4"]), json!(["id=5"])], "{}", run.ran);
        untouched(&run.target);
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [5, 1, 4]), "{}", run.ran);
        let run = Run::of(&source, to, &["--rule", "not_finite=convert"]);
        assert_eq!((run.ran.code, run.account("t")), (1, [5, 5, 0]), "{}", run.ran);
        let nulls = "SELECT id FROM t WHERE n IS NULL OR m IS NULL OR f IS NULL ORDER BY id";
        assert_eq!(run.rows(nulls), [some(&["2"]), some(&["3"]), some(&["4"]), some(&["5"])]);
    }
}

#[test]
fn a08_numbers_that_are_none_stay_in_sqlite_where_it_has_them() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC, f DOUBLE PRECISION);
               INSERT INTO t VALUES (1, 1.5, '-Infinity'), (2, 'NaN', 1), (3, 1, 'NaN')";
    let source = made(Postgres, sql);
    if source.value("SHOW server_version_num").unwrap().as_str() >= "140000" {
        source.execute("UPDATE t SET n = '-Infinity' WHERE id = 1");
    }
    // A double of SQLite is never NaN.
    refused(&source, Sqlite, "not_finite", 1, &["id=3"], &[]);
    let run = Run::of(&source, Sqlite, &BAD);
    assert_eq!((run.ran.code, run.account("t")), (1, [3, 2, 1]), "{}", run.ran);
    // And back: what was no number is none again, or its row was named.
    let back = Db::fresh(Postgres);
    let ran = binary::migrate(&run.target.url, &back.url, &[]);
    assert!(ran.code <= 1, "{ran}");
    let all = "SELECT id, n, f FROM t WHERE id < 3 ORDER BY id";
    assert_eq!(back.query(all), source.query(all));
}

#[test]
fn a10_infinities_are_put_aside_or_become_null() {
    let source = sqlite(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, r REAL); INSERT INTO t VALUES (1, 0.5), (2, 9e999), (3, -9e999)",
    );
    for to in Engine::mysqls() {
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [3, 1, 2]), "{}", run.ran);
        assert_eq!(run.rows("SELECT id, r FROM t"), [some(&["1", "0.5"])]);
        let run = Run::of(&source, to, &["--rule", "not_finite@t.r=convert"]);
        assert_eq!(run.rows("SELECT count(*) FROM t WHERE r IS NULL"), [some(&["2"])]);
    }
}

#[test]
fn a42_dates_beyond_the_target_are_known_before_the_first_row() {
    let source = made(
        Postgres,
        "CREATE TABLE t (id INT PRIMARY KEY, z TIMESTAMPTZ, d DATE);
         INSERT INTO t VALUES (1, '2024-01-02 03:04:05Z', '2024-01-02'), (2, 'infinity', NULL),
                              (3, '20000-01-01 00:00:00Z', NULL), (4, NULL, '0044-03-15 BC')",
    );
    for to in Engine::all().into_iter().filter(|to| *to != Postgres) {
        let run = Run::of(&source, to, &[]);
        assert_eq!(run.ran.code, 4, "{}", run.ran);
        let keys: Vec<Value> = run.findings("datetime_range").into_iter().map(|f| f.2).collect();
        assert_eq!(keys, [json!(["id=2", "id=3"]), json!(["id=4"])], "{to:?}: {}", run.ran);
        untouched(&run.target);
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [4, 1, 3]), "{to:?}: {}", run.ran);
        let run = Run::of(&source, to, &["--rule", "datetime_range=convert"]);
        assert_eq!((run.ran.code, run.account("t")), (1, [4, 4, 0]), "{to:?}: {}", run.ran);
        assert_eq!(run.rows("SELECT count(*) FROM t WHERE z IS NULL AND d IS NULL"), [some(&["3"])]);
    }
}

#[test]
fn a42_instants_after_2038_are_known_before_the_first_row_of_mysql() {
    let rows = "(1, '2038-01-19 03:14:07.999999+00:00'), (2, '2038-01-19 03:14:08.000000+00:00'),
                (3, '2040-01-01 00:00:00.000000+00:00'), (4, NULL)";
    for from in [Postgres, Sqlite] {
        let source = made(
            from,
            &format!("CREATE TABLE t (id INT PRIMARY KEY, z TIMESTAMPTZ); INSERT INTO t VALUES {rows}"),
        );
        for to in Engine::mysqls() {
            let late = |version: &str| to == Mariadb && version >= "11.5";
            if late(&Db::fresh(to).value("SELECT version()").unwrap()) {
                continue;
            }
            let word = if to == Mariadb { "mariadb" } else { "mysql" };
            for target in [&Db::fresh(to).url, word] {
                let folder = tempfile::tempdir().unwrap();
                let mut command = binary::command(folder.path());
                // Nobody listens there: the word stands for any such server.
                command.env("TARGET_DB_PORT", "1").env("TARGET_DB_HOST", "127.0.0.1");
                command.args(["--format", "json", "check", "--database", &source.url, "--target", target]);
                let told = binary::Running::start(command).end();
                let found = told.json()["findings"].as_array().unwrap().clone();
                let found: Vec<_> = found.iter().filter(|f| f["code"] == "datetime_range").collect();
                assert_eq!(found.len(), 1, "{told}");
                assert_eq!((&found[0]["rows"], &found[0]["keys"]), (&json!(2), &json!(["id=2", "id=3"])));
                assert_eq!(told.json()["migration"]["would"], "refuse", "{told}");
            }
            refused(&source, to, "datetime_range", 2, &["id=2", "id=3"], &[]);
            let run = Run::of(&source, to, &BAD);
            assert_eq!((run.ran.code, run.account("t")), (1, [4, 2, 2]), "{to:?}: {}", run.ran);
            let run = Run::of(&source, to, &["--rule", "datetime_range=convert"]);
            assert_eq!((run.ran.code, run.account("t")), (1, [4, 4, 0]), "{to:?}: {}", run.ran);
            assert_eq!(run.rows("SELECT count(*) FROM t WHERE z IS NULL"), [some(&["3"])]);
        }
    }
}

#[test]
fn a76_null_in_a_primary_key_is_refused_or_put_aside_by_its_rowid() {
    let source = sqlite(
        "CREATE TABLE t (a TEXT, b INTEGER, PRIMARY KEY (a, b));
         INSERT INTO t VALUES ('x', 1), (NULL, 1), ('x', NULL), (NULL, 1)",
    );
    for to in Engine::servers() {
        let run = Run::of(&source, to, &[]);
        assert_eq!(run.ran.code, 4, "{}", run.ran);
        let keys: Vec<Value> = run.findings("null_in_key").into_iter().map(|f| f.2).collect();
        assert_eq!(keys, [json!(["rowid=2", "rowid=4"]), json!(["rowid=3"])], "{}", run.ran);
        untouched(&run.target);
        let run = Run::of(&source, to, &BAD);
        assert_eq!((run.ran.code, run.account("t")), (1, [4, 1, 3]), "{}", run.ran);
        assert_eq!(run.rows("SELECT a, b FROM t"), [some(&["x", "1"])]);
        assert_eq!(run.rejects()[0]["key"], json!({"rowid": 2}));
    }
    // SQLite takes them as they are.
    let run = Run::of(&source, Sqlite, &BAD);
    assert_eq!((run.ran.code, run.account("t")), (0, [4, 4, 0]), "{}", run.ran);
}

/// What `check` says is what `migrate` then does, by these rows.
pub(super) fn known_before(source: &Db, to: Engine, code: &str, rows: u64, keys: &[&str]) {
    let told = check(&source.url, &["--target", &Db::fresh(to).url]);
    let json = told.json();
    assert_eq!(json["migration"]["would"], "refuse", "{:?} → {to:?}: {told}", source.engine);
    let named = json["findings"].as_array().unwrap().iter().find(|f| f["code"] == code).cloned();
    let named = named.unwrap_or_else(|| panic!("{:?} → {to:?}: {told}", source.engine));
    assert_eq!((&named["rows"], &named["keys"]), (&json!(rows), &json!(keys)), "{told}");
    refused(source, to, code, rows, keys, &[]);
}

#[test]
fn rows_that_their_own_check_refuses_are_known_before_the_first_row() {
    let made =
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, m INTEGER, CONSTRAINT small CHECK (n < 10),
                                CONSTRAINT other CHECK (m > 0))";
    let rows = "INSERT INTO t VALUES (1, 5, 1), (2, 10, 1), (3, NULL, NULL), (4, 11, 1)";
    let late = made.replace(", CONSTRAINT small CHECK (n < 10)", "");
    for (from, sql) in [
        (Sqlite, format!("{made}; PRAGMA ignore_check_constraints = 1; {rows}")),
        (Mariadb, format!("{made}; SET SESSION check_constraint_checks = 0; {rows}")),
        (Postgres, format!("{late}; {rows}; ALTER TABLE t ADD CONSTRAINT small CHECK (n < 10) NOT VALID")),
    ] {
        if !from.at_hand() {
            continue;
        }
        let source = self::made(from, &sql);
        let (_folder, file) = archive(&source);
        for to in Engine::all() {
            known_before(&source, to, "check_violated", 2, &["id=2", "id=4"]);
            known_of_archive(&file, to, "check_violated", 2, &["id=2", "id=4"]);
        }
        source.execute("DELETE FROM t WHERE n > 9");
        let (_folder, file) = archive(&source);
        for (to, from) in Engine::all().into_iter().flat_map(|to| [(to, &source.url), (to, &file)]) {
            let ran = binary::migrate(from, &Db::fresh(to).url, &[]);
            assert!(ran.code <= 1, "{from} → {to:?}: {ran}");
        }
    }
}

#[test]
fn references_that_differ_in_case_are_known_before_the_first_row_of_postgresql() {
    let rows = "INSERT INTO parent VALUES ('Ann', 1), ('Bob', 2); INSERT INTO child VALUES (1, 'Ann'), (2, 'ann'), (3, NULL), (4, 'BOB')";
    for (from, text, key) in [
        (Sqlite, "VARCHAR(20) COLLATE NOCASE", "INTEGER PRIMARY KEY"),
        (Mariadb, "VARCHAR(20) COLLATE utf8mb4_general_ci", "INTEGER PRIMARY KEY"),
        (Mysql, "VARCHAR(20) COLLATE utf8mb4_0900_ai_ci", "INTEGER PRIMARY KEY"),
    ] {
        if !(from.at_hand() && Postgres.at_hand()) {
            continue;
        }
        let source = made(
            from,
            &format!(
                "CREATE TABLE parent (name {text} NOT NULL PRIMARY KEY, n INTEGER);
                 CREATE TABLE child (id {key}, name {text}, FOREIGN KEY (name) REFERENCES parent (name)); {rows}"
            ),
        );
        known_before(&source, Postgres, "orphans", 2, &["id=2", "id=4"]);
        let (_folder, file) = archive(&source);
        known_of_archive(&file, Postgres, "orphans", 2, &["id=2", "id=4"]);
        let run = Run::of(&source, Postgres, &BAD);
        assert_eq!((run.ran.code, run.account("child")), (1, [4, 2, 2]), "{from:?}: {}", run.ran);
        // Who compares as the source does takes them.
        for to in Engine::all().into_iter().filter(|to| *to != Postgres) {
            let told = check(&source.url, &["--target", &Db::fresh(to).url]);
            let refuses = told.json()["migration"]["would"] == "refuse";
            let run = Run::of(&source, to, &[]);
            assert_eq!(refuses, run.ran.code == 4, "{from:?} → {to:?}: {told} {}", run.ran);
            assert!(refuses || run.ran.code <= 1, "{from:?} → {to:?}: {}", run.ran);
            let kept = binary::migrate(&file, &Db::fresh(to).url, &[]);
            assert_eq!(kept.code == 4, refuses, "{from:?} → {to:?}: {kept}");
        }
        source.execute(
            "UPDATE child SET name = 'Bob' WHERE id = 4; UPDATE child SET name = 'Ann' WHERE id = 2",
        );
        let (_folder, file) = archive(&source);
        for from in [&source.url, &file] {
            let ran = binary::migrate(from, &Db::fresh(Postgres).url, &[]);
            assert!(ran.code <= 1, "{from}: {ran}");
        }
    }
}
