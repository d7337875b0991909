//! Values that must arrive exactly, or be refused: the target's own answer decides.

use super::arrival::{Arrived, migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Postgres, Sqlite};

fn one(arrived: &Arrived, sql: &str) -> String {
    arrived.target.value(sql).unwrap_or_else(|| panic!("NULL: {sql}"))
}

/// The first column of all rows.
fn column(arrived: &Arrived, sql: &str) -> Vec<Option<String>> {
    arrived.target.query(sql).into_iter().map(|mut row| row.remove(0)).collect()
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|v| Some((*v).to_owned())).collect()
}

#[test]
fn a01_a02_integers_beyond_their_declared_type_arrive_exactly() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, m INT);
               INSERT INTO t VALUES (1, 9007199254740993, 5000000000), (2, 3000000000, -1)";
    for to in Engine::servers() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(
            column(&arrived, "SELECT n FROM t ORDER BY id"),
            texts(&["9007199254740993", "3000000000"])
        );
        assert_eq!(column(&arrived, "SELECT m FROM t ORDER BY id"), texts(&["5000000000", "-1"]));
        let types = "SELECT data_type FROM information_schema.columns
                     WHERE table_name = 't' AND column_name IN ('n', 'm') AND table_schema IN ('public', database())";
        let types = if to == Postgres { types.replace(", database()", "") } else { types.to_owned() };
        assert_eq!(column(&arrived, &types), texts(&["bigint", "bigint"]));
    }
}

#[test]
fn a07_a_numeric_without_precision_keeps_its_60_digits() {
    let digits = "123456789012345678901234567890.123456789012345678901234567891";
    let holding = |number: &str| {
        format!("CREATE TABLE t (id INT PRIMARY KEY, n NUMERIC); INSERT INTO t VALUES (1, {number})")
    };
    let too_long = format!("{digits}{}", "7".repeat(20));
    for to in Engine::mysqls() {
        let arrived = migrate(Postgres, &holding(digits), to).done();
        assert_eq!(one(&arrived, "SELECT n FROM t"), digits, "{to:?}");
        migrate(Postgres, &holding(&too_long), to).refused(&["unsupported_type", "\"n\""]);
    }
}

#[test]
fn a09_doubles_are_bit_identical() {
    let arrived = migrate(
        Sqlite,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, r REAL);
         INSERT INTO t VALUES (1, 123456789.123456789), (2, 1e-300)",
        Postgres,
    )
    .done();
    let bits = "SELECT encode(float8send(r), 'hex') FROM t ORDER BY id";
    let file = arrived.source.sqlite();
    let mut statement = file.prepare("SELECT r FROM t ORDER BY id").unwrap();
    let stored = statement.query_map([], |row| row.get::<_, f64>(0)).unwrap();
    let expected: Vec<_> = stored.map(|v| Some(format!("{:016x}", v.unwrap().to_bits()))).collect();
    assert_eq!(column(&arrived, bits), expected);
}

const INFINITE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, r REAL);
                        INSERT INTO t VALUES (1, 0.5), (2, 9e999), (3, -9e999), (4, 1.5)";

#[test]
fn a10_infinities_are_refused_where_there_are_none() {
    for to in Engine::mysqls() {
        migrate(Sqlite, INFINITE, to).refused(&["not_finite", "id=2", "id=3"]);
    }
}

#[test]
fn a11_infinities_stay_where_there_are_some() {
    let arrived = migrate(Sqlite, INFINITE, Postgres).done();
    let all = column(&arrived, "SELECT r FROM t ORDER BY id");
    assert_eq!(all, texts(&["0.5", "Infinity", "-Infinity", "1.5"]));
}

#[test]
fn a13_digits_beyond_the_declared_scale_are_told() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, d DECIMAL(10,2));
               INSERT INTO t VALUES (1, 0.1 + 0.2), (2, '12.30')";
    for to in Engine::servers() {
        let refused = migrate(Sqlite, sql, to).refused(&["scale", "id=1"]);
        // Only the one that has more digits; the other arrives with the digits that the column shows.
        assert_eq!(refused.findings("scale")[0]["rows"], 1);
        let target = Db::fresh(to);
        let ran = binary::migrate(&refused.source.url, &target.url, &["--rule", "scale@t.d=reject"]);
        assert_eq!((ran.code, &ran.json()["tables"][0]["rows_rejected"]), (1, &1.into()), "{ran}");
        assert_eq!(target.query("SELECT id, d FROM t"), [texts(&["2", "12.30"])]);
        let target = Db::fresh(to);
        let ran = binary::migrate(&refused.source.url, &target.url, &["--rule", "scale=convert"]);
        let json = ran.json();
        let told = json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "scale").unwrap();
        assert_eq!(
            (&told["rows"], &told["keys"]),
            (&1.into(), &serde_json::json!(["id=1"])),
            "{to:?}: {ran}"
        );
        assert_eq!(target.query("SELECT d FROM t ORDER BY id").concat(), texts(&["0.30", "12.30"]), "{to:?}");
    }
    // A half goes to the even digit.
    let halves = Db::fresh(Sqlite);
    halves.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, d DECIMAL(10,2));
         INSERT INTO t VALUES (1, 0.125), (2, 0.375), (3, -2.675), (4, 1.995), (5, -0.001), (6, 99.999)",
    );
    for to in [Postgres, Mariadb] {
        let target = Db::fresh(to);
        let ran = binary::migrate(&halves.url, &target.url, &["--rule", "scale@t.d=convert"]);
        assert!(ran.code <= 1, "{to:?}: {ran}");
        // -2.675 and 1.995 are read as those digits, though their doubles lie a little beside them.
        let expected = ["0.12", "0.38", "-2.68", "2.00", "0.00", "100.00"];
        assert_eq!(target.query("SELECT d FROM t ORDER BY id").concat(), texts(&expected), "{to:?}");
    }
    // What the rule makes of two values may be one.
    halves.execute("CREATE UNIQUE INDEX one ON t (d); UPDATE t SET d = 0.124 WHERE id = 2");
    for to in Engine::servers() {
        let target = Db::fresh(to);
        let ran = binary::migrate(&halves.url, &target.url, &["--rule", "scale=convert"]);
        let next = ran.json()["error"]["next"].as_str().unwrap_or_default().to_owned();
        assert!(ran.code == 4 && next.contains("make them differ"), "{to:?}: {ran}");
    }
    // SQLite keeps the double and the text that it has.
    let same = migrate(Sqlite, sql, Sqlite).whole();
    let kept = "SELECT typeof(d), d = 0.1 + 0.2 OR d = 12.3 FROM t ORDER BY id";
    assert_eq!(same.target.query(kept), same.source.query(kept));
}

#[test]
fn a16_a_column_without_a_type_keeps_text_and_numbers() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'x'), (2, 2.5)";
    for to in Engine::all() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(column(&arrived, "SELECT v FROM t ORDER BY id"), texts(&["x", "2.5"]), "{to:?}");
    }
}

#[test]
fn a22_false_is_0() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, b BOOLEAN); INSERT INTO t VALUES (1, false), (2, true)";
    for to in Engine::mysqls() {
        let arrived = migrate(Postgres, sql, to).done();
        assert_eq!(column(&arrived, "SELECT CONCAT('<', b, '>') FROM t ORDER BY id"), texts(&["<0>", "<1>"]));
    }
}

#[test]
fn a25_a_nul_in_text_stays_where_it_may() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT);
               INSERT INTO t VALUES (1, CAST(x'6162006364' AS TEXT))";
    for to in Engine::mysqls() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(one(&arrived, "SELECT HEX(s) FROM t"), "6162006364");
    }
}

#[test]
fn a26_a_column_that_is_too_short_for_its_text_is_widened() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, s VARCHAR(5)); INSERT INTO t VALUES (1, 'äöü45678')";
    for to in Engine::mysqls() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(one(&arrived, "SELECT s FROM t"), "äöü45678");
        assert_eq!(arrived.findings("widened").len(), 1);
    }
}

#[test]
fn a27_long_text_gets_a_type_that_holds_it() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT);
               INSERT INTO t VALUES (1, replace(hex(zeroblob(35000)), '0', 'é'))";
    for to in Engine::mysqls() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(one(&arrived, "SELECT CHAR_LENGTH(s) FROM t"), "70000");
        assert_eq!(one(&arrived, "SELECT LENGTH(s) FROM t"), "140000");
    }
}

#[test]
fn a38_the_fraction_of_a_time_stays() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, h TIME); INSERT INTO t VALUES (1, '12:34:56.789')";
    for to in Engine::mysqls() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(one(&arrived, "SELECT TIME_FORMAT(h, '%H:%i:%s.%f') FROM t"), "12:34:56.789000");
    }
}

#[test]
fn a39_times_in_three_spellings_are_the_right_instants() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME);
               INSERT INTO t VALUES (1, 1637995103544), (2, '2024-01-02 03:04:05'), (3, '2024-01-02T03:04:05.678Z')";
    for to in Engine::servers() {
        let shown = if to == Postgres {
            "SELECT to_char(at, 'YYYY-MM-DD HH24:MI:SS.US') FROM t ORDER BY id"
        } else {
            "SELECT DATE_FORMAT(at, '%Y-%m-%d %H:%i:%s.%f') FROM t ORDER BY id"
        };
        let arrived = migrate(Sqlite, sql, to).whole();
        let instants =
            ["2021-11-27 06:38:23.544000", "2024-01-02 03:04:05.000000", "2024-01-02 03:04:05.678000"];
        assert_eq!(column(&arrived, shown), texts(&instants));
        let formats = arrived.findings("datetime_format");
        assert_eq!((formats.len(), &formats[0]["column"]), (1, &"at".into()));
        assert!(formats[0]["text"].as_str().unwrap().contains("1 as milliseconds since 1970"), "{formats:?}");
    }
    // Seconds beside milliseconds: nobody knows what they mean.
    let mixed = sql.replace("(2, '2024-01-02 03:04:05')", "(2, 1637995103)");
    migrate(Sqlite, &mixed, Postgres).refused(&["bad_datetime", "id=1", "id=2"]);
}

#[test]
fn a44_microseconds_and_hours_that_a_clock_skips_come_back() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, at TIMESTAMP, z TIMESTAMPTZ);
               INSERT INTO t VALUES (1, '2024-03-31 02:30:00.123456', '2024-03-31 02:30:00.000001+02'),
                                    (2, '2024-10-27 02:30:00.999999', '2024-10-27 01:30:00.654321+00')";
    for by in Engine::all() {
        let there = migrate(Postgres, sql, by).done();
        let back = onward(there.target, Postgres).done();
        let all = "SELECT to_char(at, 'YYYY-MM-DD HH24:MI:SS.US'), to_char(z AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
               FROM t ORDER BY id";
        assert_eq!(back.target.query(all), there.source.query(all), "by {by:?}");
    }
}

#[test]
fn a45_a46_keys_that_differ_in_case_accent_or_a_blank_are_different() {
    for keys in [["abc", "ABC", "é", "e"], ["a", "a ", "b", "B"]] {
        let rows = keys.map(|key| format!("('{key}')")).join(", ");
        let sql = format!("CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL); INSERT INTO t VALUES {rows}");
        let hex = |key: &str| key.bytes().map(|b| format!("{b:02X}")).collect::<Vec<_>>().concat();
        let mut expected = keys.map(|key| Some(hex(key))).to_vec();
        expected.sort();
        for to in Engine::mysqls() {
            let arrived = migrate(Sqlite, &sql, to).done();
            let mut found = column(&arrived, "SELECT HEX(k) FROM t");
            found.sort();
            assert_eq!(found, expected, "{to:?}");
        }
    }
}

#[test]
fn a50_long_keys_that_begin_alike_are_kept_or_refused() {
    let sql = "CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL);
               INSERT INTO t SELECT replace(hex(zeroblob(130)), '0', 'x') || v FROM (SELECT 'a' AS v UNION SELECT 'b')";
    for to in Engine::mysqls() {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(one(&arrived, "SELECT COUNT(DISTINCT k) FROM t"), "2", "{to:?}");
        let lengths = column(&arrived, "SELECT LENGTH(k) FROM t");
        assert_eq!(lengths, texts(&["261", "261"]), "{to:?}");
        // The strategy is told, and guards: the key is whole, not the beginning of its values.
        assert!(arrived.findings("emulated").iter().any(|f| f["column"] == "k"), "{to:?}: {}", arrived.ran);
        assert!(arrived.target.refuses("INSERT INTO t SELECT k FROM (SELECT k FROM t LIMIT 1) AS one"));
    }
    // 900 characters are more than a key of InnoDB holds.
    let sql = "CREATE TABLE t (k TEXT PRIMARY KEY NOT NULL);
               INSERT INTO t SELECT replace(hex(zeroblob(450)), '0', 'x') || v FROM (SELECT 'a' AS v UNION SELECT 'b')";
    for to in Engine::mysqls() {
        migrate(Sqlite, sql, to).refused(&["t", "k", "a key holds at most 768"]);
    }
    for to in [Postgres, Sqlite] {
        let arrived = migrate(Sqlite, sql, to).done();
        assert_eq!(one(&arrived, "SELECT COUNT(DISTINCT k) FROM t"), "2", "{to:?}");
    }
    // As an index that is no primary key it would lose its uniqueness: only by name.
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE);
               INSERT INTO t SELECT NULL, replace(hex(zeroblob(450)), '0', 'x') || v FROM (SELECT 'a' AS v UNION SELECT 'b')";
    let refused = migrate(Sqlite, sql, Mariadb).refused(&["t", "unique_not_carried"]);
    let target = Db::fresh(Mariadb);
    let ran = binary::migrate(&refused.source.url, &target.url, &["--accept", "unique_not_carried@t"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert_eq!(target.value("SELECT COUNT(DISTINCT k) FROM t").as_deref(), Some("2"));
}

/// What `sqlalchemy.JSON` wrote as a document that is a number is a number in the file, which it reads as such
/// (<https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#sqlalchemy.dialects.sqlite.JSON>), also beside text that is no JSON.
#[test]
fn numbers_in_a_column_of_json_are_documents() {
    let sql = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, pure JSON, mixed JSON);
               INSERT INTO t VALUES (1, '5', '5'), (2, '1.5', '-1.5'), (3, '{\"a\":1}', 'no json'), (4, 'true', '1e300'),
                   (5, '[1]', ''), (6, NULL, NULL)";
    let kept = "SELECT id, typeof(pure), pure, typeof(mixed), mixed FROM t ORDER BY id";
    for to in Engine::all() {
        let there = migrate(Sqlite, sql, to).done();
        assert_eq!(
            there.source.value("SELECT typeof(mixed) FROM t WHERE id = 1").as_deref(),
            Some("integer")
        );
        if to != Sqlite {
            let rows = there.target.query("SELECT pure, mixed FROM t ORDER BY id");
            let text = |row: usize, at: usize| rows[row][at].clone().unwrap_or_default();
            assert_eq!([text(0, 0), text(0, 1), text(1, 0), text(1, 1)], ["5", "5", "1.5", "-1.5"], "{to:?}");
            assert_eq!([text(2, 1), text(4, 1)], ["no json", ""], "{to:?}");
        }
        let told = binary::run(&["check", "--database", &there.source.url, "--target", &Db::fresh(to).url]);
        assert!(told.code <= 1, "{to:?}: {told}");
        let source = there.source.query(kept);
        let back = onward(there.target, Sqlite).done();
        assert_eq!(back.target.query(kept), source, "{to:?}: {}", back.ran);
    }
}

/// MariaDB's type refuses every fourth UUID that is made of random bits.
#[test]
fn uuids_that_the_type_of_mariadb_refuses_are_kept_as_text() {
    const ODD: &str = "01234567-89ab-cdef-0123-456789abcdef";
    const RFC: &str = "0190163d-8694-739b-aea5-966c26f8ad90";
    let uuids = "SELECT u FROM parent ORDER BY id";
    for from in [Sqlite, Postgres] {
        let sql = format!(
            "CREATE TABLE parent (id integer NOT NULL PRIMARY KEY, u uuid NOT NULL UNIQUE, v uuid);
             CREATE TABLE child (id integer NOT NULL PRIMARY KEY, u uuid REFERENCES parent (u));
             INSERT INTO parent VALUES (1, '{RFC}', NULL), (2, '{ODD}', '{RFC}'),
                 (3, '00000000-0000-0000-0000-000000000000', NULL), (4, 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL),
                 (5, '01234567-89ab-8def-8023-456789abcdef', NULL);
             INSERT INTO child VALUES (1, '{RFC}')"
        );
        let there = migrate(from, &sql, Mariadb).done();
        let types =
            "SELECT concat(table_name, '.', column_name, ' ', column_type) FROM information_schema.columns
                     WHERE table_schema = DATABASE() AND column_name IN ('u', 'v') ORDER BY 1";
        let of_columns = column(&there, types);
        assert_eq!(
            of_columns,
            texts(&["child.u varchar(36)", "parent.u varchar(36)", "parent.v uuid"]),
            "{from:?}"
        );
        assert_eq!(there.findings("emulated").len(), 2, "{from:?}: {}", there.ran);
        let told =
            binary::run(&["check", "--database", &there.source.url, "--target", &Db::fresh(Mariadb).url]);
        assert!(told.code <= 1 && told.stdout.contains("refuses some of these values"), "{from:?}: {told}");
        assert_eq!(one(&there, "SELECT u FROM parent WHERE id = 2"), ODD, "{from:?}");
        let source = there.source.query(uuids);
        let back = onward(there.target, from).done();
        assert_eq!(back.target.query(uuids), source, "{from:?}: {}", back.ran);
        assert!(back.findings("widened").is_empty(), "{from:?}: {}", back.ran);
        if from == Postgres {
            assert_eq!(one(&back, "SELECT pg_typeof(u)::text FROM child"), "uuid");
        }
    }
}

#[test]
fn a_column_of_uuids_comes_back_to_mariadb_as_text_with_one_that_its_type_refuses() {
    for by in [Sqlite, Postgres] {
        let sql = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, u uuid, v uuid);
                   INSERT INTO t VALUES (1, '0190163d-8694-739b-aea5-966c26f8ad90', NULL)";
        let there = migrate(Mariadb, sql, by).done();
        there.target.execute("INSERT INTO t VALUES (2, '01234567-89ab-cdef-0123-456789abcdef', NULL)");
        let back = onward(there.target, Mariadb).done();
        let types = "SELECT column_type FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name
                     IN ('u', 'v') ORDER BY column_name";
        assert_eq!(column(&back, types), texts(&["varchar(36)", "uuid"]), "{by:?}: {}", back.ran);
        let told = back.findings("emulated");
        assert!(told.len() == 1 && told[0]["column"] == "u", "{by:?}: {}", back.ran);
        assert_eq!(one(&back, "SELECT u FROM t WHERE id = 2"), "01234567-89ab-cdef-0123-456789abcdef");
    }
}
