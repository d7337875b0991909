//! What MySQL and MariaDB hold and other engines hold otherwise: numbers, bits, bytes, dates, labels. Both products
//! are sources.

use super::arrival::{Arrived, migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

/// First column of a query on the target.
fn there(arrived: &Arrived, sql: &str) -> Vec<String> {
    arrived.target.query(sql).into_iter().map(|row| row[0].clone().unwrap_or_else(|| "NULL".into())).collect()
}

#[test]
fn a03_the_largest_unsigned_number_is_exact_or_refused() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, n BIGINT UNSIGNED);
               INSERT INTO t VALUES (1, 5), (2, 18446744073709551615), (3, 9223372036854775808), (4, 9223372036854775807)";
    for from in Engine::mysqls() {
        let refused = migrate(from, sql, Sqlite).refused(&["id=2", "id=3"]);
        let finding = &refused.findings("integer_range")[0];
        assert_eq!((finding["column"].as_str(), finding["rows"].as_u64()), (Some("n"), Some(2)), "{finding}");
        for to in [Postgres, Mariadb, Mysql].into_iter().filter(|to| to.at_hand()) {
            let arrived = migrate(from, sql, to).whole();
            let rows = there(&arrived, "SELECT n FROM t ORDER BY id");
            assert_eq!(rows, ["5", "18446744073709551615", "9223372036854775808", "9223372036854775807"]);
        }
    }
}

#[test]
fn a04_an_id_beyond_the_integers_of_sqlite_is_refused_by_its_column() {
    let sql = "CREATE TABLE big (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9));
               CREATE TABLE other (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9));
               INSERT INTO big VALUES (9223372036854775808, 'x'); INSERT INTO other VALUES (1, 'y')";
    for from in Engine::mysqls() {
        let refused = migrate(from, sql, Sqlite).refused(&["big", "id=9223372036854775808"]);
        let mut blockers = refused.ran.json()["findings"].as_array().unwrap().clone();
        blockers.retain(|f| f["severity"] == "blocker");
        assert!(blockers.iter().all(|f| f["table"] == "big" && f["column"] == "id"), "{blockers:?}");
        // Put aside, the row is the only one that is missing.
        let target = Db::fresh(Sqlite);
        let ran = binary::migrate(&refused.source.url, &target.url, &["--on-bad-row", "reject"]);
        assert_eq!(ran.code, 1, "{ran}");
        assert_eq!(target.value("SELECT count(*) FROM big").as_deref(), Some("0"));
        assert_eq!(target.value("SELECT v FROM other").as_deref(), Some("y"), "{ran}");
    }
}

#[test]
fn a05_unsigned_numbers_keep_their_range() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, i INT UNSIGNED, t TINYINT UNSIGNED, b BIGINT UNSIGNED);
               INSERT INTO t VALUES (1, 4294967295, 255, 18446744073709551615), (2, 0, 0, 0)";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).done();
        let row = &arrived.target.query("SELECT i, t, b FROM t ORDER BY id")[0];
        let row: Vec<_> = row.iter().map(|v| v.clone().unwrap()).collect();
        assert_eq!(row, ["4294967295", "255", "18446744073709551615"], "{from:?}");
        for column in ["i", "t", "b"] {
            let widened = arrived.findings("widened");
            let said =
                widened.iter().any(|f| f["column"] == column && f["text"].to_string().contains("below 0"));
            assert!(said, "{from:?}: the report does not say what {column} takes: {widened:?}");
        }
    }
    let key = "CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY); INSERT INTO t VALUES (18446744073709551615)";
    for from in Engine::mysqls() {
        migrate(from, key, Postgres).refused(&["integer_range", "id=18446744073709551615"]);
    }
}

#[test]
fn json_with_an_escaped_nul_is_known_before_a_row_moves() {
    if !Mysql.at_hand() {
        return;
    }
    // The second is an escaped backslash before the letter u.
    let sql = r#"CREATE TABLE t (id INT PRIMARY KEY, j JSON); INSERT INTO t VALUES (1, '"a\\u0000"'), (2, '"\\\\u0000"')"#;
    let refused = migrate(Mysql, sql, Postgres).refused(&["id=1"]);
    assert_eq!(refused.findings("nul_in_json")[0]["rows"], 1);
}

#[test]
fn a06_wide_decimals_keep_every_digit() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, d DECIMAL(38,10));
               INSERT INTO t VALUES (1, 12345678901234567890.1234567891), (2, -0.0000000001)";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            let rows = there(&arrived, "SELECT d FROM t ORDER BY id");
            assert_eq!(rows, ["12345678901234567890.1234567891", "-0.0000000001"], "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a12_a_float_is_the_number_that_is_stored() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, f FLOAT);
               INSERT INTO t VALUES (1, 16777217), (2, 0.1), (3, 3.4028234e38), (4, 1234567.9)";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).done();
        let right = "SELECT count(*) FROM t WHERE f::float8 = CASE id WHEN 1 THEN 16777216 WHEN 2 THEN 0.1::real::float8
                       WHEN 3 THEN 3.4028234e38::real::float8 ELSE 1234567.9::real::float8 END";
        assert_eq!(there(&arrived, right), ["4"], "{from:?}");
        let arrived = migrate(from, sql, Sqlite).done();
        let numbers: Vec<f64> =
            there(&arrived, "SELECT f FROM t ORDER BY id").iter().map(|n| n.parse().unwrap()).collect();
        let stored = [16_777_216.0, 0.1, 3.402_823_4e38, 1_234_567.9_f32].map(f64::from);
        assert_eq!(numbers, stored, "{from:?}");
    }
}

#[test]
fn a19_a_tinyint_is_a_boolean_only_if_its_data_are() {
    let sql =
        "CREATE TABLE t (id INT PRIMARY KEY, n TINYINT(1), b TINYINT(1), e TINYINT(1) NOT NULL DEFAULT 1);
               INSERT INTO t (id, n, b) VALUES (1, 0, 0), (2, 1, 1), (3, 5, NULL), (4, -1, 1)";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).done();
        let types = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1
                     ORDER BY attnum";
        assert_eq!(there(&arrived, types), ["smallint", "boolean", "boolean"], "{from:?}");
        assert_eq!(there(&arrived, "SELECT n FROM t ORDER BY id"), ["0", "1", "5", "-1"]);
        assert_eq!(there(&arrived, "SELECT b FROM t ORDER BY id"), ["f", "t", "NULL", "t"]);
        let back = onward(arrived.target, from).done();
        assert_eq!(there(&back, "SELECT n FROM t ORDER BY id"), ["0", "1", "5", "-1"], "{from:?}");
    }
}

#[test]
fn a20_a21_bits_stay_bits() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, one BIT(1) DEFAULT b'1', ten BIT(10), most BIT(64));
               INSERT INTO t VALUES (1, b'1', b'1000000001', b'1000000000000000000000000000000000000000000000000000000000000001'),
                                    (2, b'0', b'0', NULL)";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).done();
        assert_eq!(
            there(&arrived, "SELECT ten FROM t ORDER BY id"),
            ["1000000001", "0000000000"],
            "{from:?}"
        );
        let types = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                     WHERE attrelid = 't'::regclass AND attname = 'ten'";
        assert_eq!(there(&arrived, types), ["bit(10)"], "{from:?}");
        arrived.target.execute("INSERT INTO t (id) VALUES (3)");
        assert_eq!(there(&arrived, "SELECT one FROM t WHERE id = 3"), ["1"], "{from:?}: default");
        let arrived = migrate(from, sql, Sqlite).done();
        let ten = there(&arrived, "SELECT ten FROM t ORDER BY id");
        assert_eq!(ten, ["513", "0"], "{from:?}");
        arrived.target.execute("INSERT INTO t (id) VALUES (3)");
        assert_eq!(there(&arrived, "SELECT one FROM t WHERE id = 3"), ["1"], "{from:?}: default");
        let back = onward(arrived.target, from).done();
        assert_eq!(there(&back, "SELECT ten + 0 FROM t ORDER BY id"), ["513", "0", "NULL"], "{from:?}");
        assert_eq!(there(&back, "SELECT most + 0 FROM t WHERE id = 1"), ["9223372036854775809"], "{from:?}");
    }
}

#[test]
fn a30_latin1_of_mysql_is_windows_1252() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)) CHARACTER SET latin1;
               INSERT INTO t VALUES (1, CONVERT(x'8093946e92a9e9ff' USING latin1)),
                   (2, CONVERT(x'808182838485868788898a8b8c8d8e8f' USING latin1)),
                   (3, CONVERT(x'909192939495969798999a9b9c9d9e9f' USING latin1))";
    for from in Engine::mysqls() {
        for to in [Postgres, Sqlite] {
            let arrived = migrate(from, sql, to).done();
            let read = there(&arrived, "SELECT v FROM t ORDER BY id");
            assert_eq!(read[0], "€“”n’©éÿ", "{from:?} → {to:?}");
            // Five bytes are no letters of Windows 1252; the server has them as the control characters they were.
            let letters = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
            assert_eq!(read[1..].concat(), letters, "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a31_text_is_the_same_bytes_in_keys_and_labels_too() {
    let sql = "CREATE TABLE `táble` (k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, l ENUM('é','e\u{301}','𠮷') COLLATE utf8mb4_bin, v TEXT)
                   CHARACTER SET utf8mb4;
               INSERT INTO `táble` VALUES ('😀', 'é', '👩‍👩‍👧'), ('e\u{301}', '𠮷', 'e\u{301}'), ('é', 2, '𠮷野家')";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            let read = |quote: &str| format!("SELECT k, l, v FROM {quote}táble{quote}");
            let rows = |db: &Db| {
                let mut rows = db.query(&read(if db.engine.is_mysql() { "`" } else { "\"" }));
                rows.sort();
                rows
            };
            assert_eq!(rows(&arrived.source), rows(&arrived.target), "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a32_a35_bytes_are_bytes_with_their_padding() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, b BLOB, p BINARY(4));
               INSERT INTO t VALUES (1, x'616263', 'ab'), (2, x'00ff', ''), (3, '', NULL)";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Sqlite).done();
        assert_eq!(
            there(&arrived, "SELECT typeof(b) || hex(b) FROM t ORDER BY id"),
            ["blob616263", "blob00FF", "blob"]
        );
        assert_eq!(
            there(&arrived, "SELECT typeof(p) || hex(p) FROM t ORDER BY id"),
            ["blob61620000", "blob00000000", "null"]
        );
        let arrived = migrate(from, sql, Postgres).done();
        assert_eq!(
            there(&arrived, "SELECT encode(p, 'hex') FROM t ORDER BY id"),
            ["61620000", "00000000", "NULL"]
        );
        let back = onward(arrived.target, from).done();
        assert_eq!(there(&back, "SELECT hex(p) FROM t ORDER BY id"), ["61620000", "00000000", "NULL"]);
    }
}

#[test]
fn a36_dates_of_no_calendar_are_known_before_a_row_moves() {
    let sql = "SET sql_mode = 'ALLOW_INVALID_DATES'; CREATE TABLE t (id INT PRIMARY KEY, d DATE NOT NULL, m DATETIME);
               INSERT INTO t VALUES (1, '0000-00-00', '2024-02-29 10:00:00'), (2, '2024-00-00', '2023-02-29 10:00:00'),
                   (3, '2200-00-08', NULL), (4, '2024-02-29', '2024-12-31 23:59:59')";
    for from in Engine::mysqls() {
        for to in [Postgres, Sqlite] {
            let refused = migrate(from, sql, to).refused(&["id=1", "id=2", "id=3"]);
            let rows: Vec<_> =
                refused.findings("zero_date").iter().map(|f| f["rows"].as_u64().unwrap()).collect();
            assert_eq!(rows, [3, 1], "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a36_a72_a_policy_converts_or_rejects_and_counts() {
    let sql = "SET sql_mode = 'ALLOW_INVALID_DATES';
               CREATE TABLE t (id INT PRIMARY KEY, d DATE, must DATE NOT NULL DEFAULT '2000-01-01', e ENUM('a', 'b'));
               INSERT INTO t (id, d, e) VALUES (1, '0000-00-00', 'a'), (2, '2200-00-08', 'b'), (3, '2024-02-29', 'none')";
    for from in Engine::mysqls() {
        for to in [Postgres, Sqlite] {
            let source = Db::fresh(from);
            source.execute(sql);
            let run = |more: &[&str]| {
                let target = Db::fresh(to);
                let ran = binary::migrate(&source.url, &target.url, more);
                (target, ran)
            };
            let table = |ran: &binary::Ran, field: &str| ran.json()["tables"][0][field].clone();
            let (target, ran) = run(&["--rule", "zero_date=convert", "--rule", "not_a_label=convert"]);
            assert!(ran.code <= 1, "{from:?} → {to:?}: {ran}");
            let rows = target.query("SELECT id, d, e FROM t ORDER BY id");
            let nulls: Vec<_> = rows.iter().map(|r| (r[1].is_none(), r[2].is_none())).collect();
            assert_eq!(nulls, [(true, false), (true, false), (false, true)], "{from:?} → {to:?}");
            assert_eq!(table(&ran, "rows_written"), 3);
            let counted = ran.json()["findings"].as_array().unwrap().iter().any(|f| {
                f["code"] == "zero_date" && f["column"] == "d" && f["rows"] == 2 && f["action"] == "converted"
            });
            assert!(counted, "{from:?} → {to:?}: {ran}");
            assert!(target.refuses("INSERT INTO t (id, must) VALUES (9, NULL)"), "NOT NULL is lost");
            let (target, ran) = run(&["--on-bad-row", "reject"]);
            assert!(ran.code <= 1, "{from:?} → {to:?}: {ran}");
            assert_eq!(
                (table(&ran, "rows_read"), table(&ran, "rows_rejected")),
                (3.into(), 3.into()),
                "{ran}"
            );
            assert_eq!(target.query("SELECT id FROM t"), Vec::<Vec<_>>::new());
            // NULL has no place in a column that takes none, and the column stays as it is.
            source.execute(
                "SET sql_mode = 'ALLOW_INVALID_DATES'; UPDATE t SET must = '0000-00-00' WHERE id = 2",
            );
            let (target, ran) = run(&["--rule", "zero_date=convert", "--rule", "not_a_label=convert"]);
            assert_eq!(ran.code, 4, "{from:?} → {to:?}: {ran}");
            crate::bad_input::untouched(&target);
        }
    }
}

#[test]
fn a37_times_beyond_a_day_are_spans() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, v TIME(6));
               INSERT INTO t VALUES (1, '-00:00:01.5'), (2, '838:59:59'), (3, '12:34:56.789')";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).done();
        let seconds = "SELECT (extract(epoch FROM v) * 1000)::bigint FROM t ORDER BY id";
        assert_eq!(there(&arrived, seconds), ["-1500", "3020399000", "45296789"], "{from:?}");
        let arrived = migrate(from, sql, Sqlite).done();
        let back = onward(arrived.target, from).done();
        assert_eq!(
            there(&back, "SELECT v FROM t ORDER BY id"),
            ["-00:00:01.500000", "838:59:59.000000", "12:34:56.789000"],
            "{from:?}"
        );
        for by in Engine::all() {
            let away = migrate(from, sql, by).done();
            let back = onward(away.target, from).done();
            let kind = "SELECT column_type FROM information_schema.columns
                        WHERE table_schema = DATABASE() AND column_name = 'v'";
            assert_eq!(there(&back, kind), ["time(6)"], "{from:?} → {by:?} → {from:?}");
            let all = "SELECT v FROM t ORDER BY id";
            assert_eq!(back.target.query(all), away.source.query(all), "{from:?} → {by:?} → {from:?}");
        }
    }
}

#[test]
fn a41_a_timestamp_is_an_instant_and_a_datetime_is_a_wall_clock() {
    let sql = "SET time_zone = '-03:00';
               CREATE TABLE t (id INT PRIMARY KEY, wall DATETIME, instant TIMESTAMP NULL);
               INSERT INTO t VALUES (1, '2024-07-01 12:00:00', '2024-07-01 12:00:00')";
    for from in Engine::mysqls() {
        // Neither our own time zone nor the one that the target gives its sessions is UTC.
        let source = Db::fresh(from);
        source.execute(sql);
        let target = Db::fresh(Postgres);
        target.execute(&format!("ALTER DATABASE {} SET timezone = 'America/Sao_Paulo'", target.name()));
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path());
        command.env("TZ", "America/Sao_Paulo");
        command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
        let arrived = Arrived { ran: binary::Running::start(command).end(), source, target }.done();
        let types = "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1
                     ORDER BY attnum";
        assert_eq!(
            there(&arrived, types),
            ["timestamp without time zone", "timestamp with time zone"],
            "{from:?}"
        );
        assert_eq!(there(&arrived, "SELECT wall FROM t"), ["2024-07-01 12:00:00"], "{from:?}");
        let same = "SELECT count(*) FROM t WHERE instant = timestamptz '2024-07-01 15:00:00+00'";
        assert_eq!(there(&arrived, same), ["1"], "{from:?}");
        let back = onward(arrived.target, from).done();
        let read = "SELECT concat(wall, ' ', instant) FROM t";
        assert!(there(&back, read)[0].starts_with("2024-07-01 12:00:00"), "{from:?}");
        let instant = "SELECT CAST(UNIX_TIMESTAMP(instant) AS SIGNED) FROM t";
        assert_eq!(there(&back, instant), ["1719846000"], "{from:?}");
    }
}

/// A key over labels compares their numbers, whatever collation the column has.
#[test]
fn a72_labels_in_unique_keys_stay_under_them() {
    let table = "CREATE TABLE t (e ENUM('a', 'B c') COLLATE utf8mb4_general_ci NOT NULL,
                   s SET('x', 'Y') COLLATE utf8mb4_general_ci, id INT, PRIMARY KEY (e, id), UNIQUE KEY both_of_them (s, e));
                 INSERT INTO t VALUES ('a', 'x,Y', 1), ('B c', 'x,Y', 1), ('B c', 'Y', 2), ('a', NULL, 2)";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, table, to).done();
            for code in ["unique_looser", "index_added"] {
                assert!(arrived.findings(code).is_empty(), "{from:?} → {to:?}: {code}");
            }
            let target = &arrived.target;
            assert!(target.refuses("INSERT INTO t (e, s, id) VALUES ('a', 'x', 1)"), "{from:?} → {to:?}");
            assert!(target.refuses("INSERT INTO t (e, s, id) VALUES ('a', 'x,Y', 9)"), "{from:?} → {to:?}");
            assert!(!target.refuses("INSERT INTO t (e, s, id) VALUES ('a', 'x', 9)"), "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a72_labels_with_quotes_move_and_the_label_that_is_none_is_named() {
    let table =
        r#"SET sql_mode = ''; CREATE TABLE t (id INT PRIMARY KEY, e ENUM('it''s', 'a\\b', 'say "x"', 'c'))"#;
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let good = format!("{table}; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, NULL)");
            let arrived = migrate(from, &good, to).done();
            let rows = there(&arrived, "SELECT e FROM t ORDER BY id");
            assert_eq!(rows, ["it's", "a\\b", "say \"x\"", "NULL"], "{from:?} → {to:?}");
            assert!(arrived.target.refuses("INSERT INTO t VALUES (9, 'other')"), "{from:?} → {to:?}");
            // Between two of them the label that is none goes along (`alike`).
            if to.is_mysql() {
                continue;
            }
            let bad = format!("{table}; INSERT INTO t VALUES (1, 'c'), (7, 'no such label')");
            let refused = migrate(from, &bad, to).refused(&["id=7"]);
            assert_eq!(refused.findings("not_a_label")[0]["rows"], 1, "{from:?} → {to:?}");
        }
    }
}
