//! Types and edge values: a table that has every type of its engine goes to every other engine and back. The server
//! that made the values is the judge of what comes back; what can't be carried is refused by table and column.

use crate::support::binary;
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};

const POSTGRES: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s, "fine"');
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE numbers (id integer PRIMARY KEY, b boolean, s smallint, i integer, l bigint, n20 numeric(20, 5),
    n numeric(38, 10), r real, d double precision, p positive, y bit(8), v bit varying(16));
INSERT INTO numbers VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, true, -32768, -2147483648, -9223372036854775808, -123456789012345.12345, -1234567890123456789012345678.0123456789,
        1.1754944e-38, 2.2250738585072014e-308, 1, B'00000000', B'1'),
    (2, false, 32767, 2147483647, 9223372036854775807, 0.00001, 0.0000000001, 3.4028235e38, 1.7976931348623157e308,
        2147483647, B'10110111', B'0000000000000001'),
    (3, true, 0, 0, 0, 0, 12345678901234567890.5, 0.1, 0.1, 7, B'11111111', B'');
CREATE TABLE texts (id integer PRIMARY KEY, t text, v varchar(20), c char(6), y bytea, e mood, j json, jb jsonb, u uuid,
    x xml, ts tsvector, a text[], m integer[][]);
INSERT INTO texts VALUES
    (1, '', '', '', '', 'sad', '{"b": 1, "a": 1.50, "a": null}', '{"a": [1, 2.50, "ç"]}', '00000000-0000-0000-0000-000000000000',
        '<a b="c"/>', 'a:1 cat:2', '{}', '{{1,2},{3,NULL}}'),
    (2, E'tab\t nl\n cr\r back\\slash ''quote'' "double" \\N \\. %s', E'  blanks  ', 'ab', '\x00ff0a0d5c27', 'it''s, "fine"',
        '"\u00e7 \\ud83d"', 'null', 'ffffffff-ffff-ffff-ffff-ffffffffffff', NULL, NULL, '{"a b",NULL,"NULL","{x}","q\"uo"}', NULL),
    (3, repeat('ação 😀 ', 12000), U&'e\0301', NULL, decode(repeat('00ff', 40000), 'hex'), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE times (id integer PRIMARY KEY, d date, t time, ts timestamp, tz timestamptz, tt timetz, iv interval);
INSERT INTO times VALUES
    (1, '0001-01-01', '00:00:00', '1000-01-01 00:00:00', '1970-01-01 00:00:01+00', '00:00:00+00', '0'),
    (2, '9999-12-31', '23:59:59.999999', '9999-12-31 23:59:59.999999', '2037-12-31 23:59:59.999999+00', '23:59:59.999999-03:30',
        '1 year 2 months 3 days 04:05:06.000007'),
    (3, '1969-12-31', '12:34:56.5', '1969-12-31 23:59:59.000001', '2024-02-29 12:00:00-03', '12:00:00+14', '-1 day -00:00:00.000001');
CREATE TABLE others (id integer PRIMARY KEY, i inet, c cidr, m macaddr, r int4range, p point, o oid, mo money);
INSERT INTO others VALUES (1, '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '[1,10)', '(1.5,-2)', 4294967295, '12.34'),
    (2, '::1', NULL, NULL, 'empty', NULL, NULL, NULL);
"#;

const MARIADB: &str = r#"
CREATE TABLE numbers (id int PRIMARY KEY, b boolean, t tinyint, tu tinyint unsigned, s smallint, su smallint unsigned, m mediumint,
    mu mediumint unsigned, i int, iu int unsigned, l bigint, lu bigint unsigned, d decimal(65, 30), f float, r double, y year,
    b1 bit(1), b8 bit(8), b63 bit(63), z int(5) unsigned zerofill, one tinyint(1));
INSERT INTO numbers VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, 0, -128, 0, -32768, 0, -8388608, 0, -2147483648, 0, -9223372036854775808, 0,
        -99999999999999999999999999999999999.999999999999999999999999999999, 1.17549e-38, 2.2250738585072014e-308, 1901,
        b'0', b'0', b'0', 0, -1),
    (2, 1, 127, 255, 32767, 65535, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807, 9223372036854775807,
        0.000000000000000000000000000001, 3.40282e38, 1.7976931348623157e308, 2155, b'1', b'10110111', b'111', 42, 9),
    (3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 16777.217, 0.1, 0000, b'1', b'1', b'1', 1, 1);
CREATE TABLE texts (id int PRIMARY KEY, c char(6), v varchar(20), tt tinytext, t text, mt mediumtext, lt longtext, b4 binary(4),
    vb varbinary(20), tb tinyblob, bl blob, lb longblob, e enum('', 'a', 'it''s, "fine"', 'ç'), s set('x', 'y', 'z z'), j json, u uuid,
    n6 inet6, ci varchar(20) COLLATE utf8mb4_general_ci, l1 varchar(20) CHARACTER SET latin1) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
INSERT INTO texts VALUES
    (1, '', '', '', '', '', '', '', '', '', '', '', '', '', '{"b": 1, "a": 1.50}', '00000000-0000-0000-0000-000000000001', '::', '', ''),
    (2, 'ab', '  blanks  ', 'tab\t nl\n cr\r nul\\0 back\\slash', '''quote'' "double" `tick`', 'ação 😀', 'é', x'00010203', x'00ff',
        x'00', x'0a0d5c27', x'ff', 'it''s, "fine"', 'x,z z', 'null', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '2001:db8::1', 'ÀÉ', 'ÀÉ'),
    (3, NULL, NULL, NULL, repeat('é', 30000), repeat('ab', 50000), repeat('😀', 20000), NULL, NULL, NULL, NULL, repeat(x'00ff', 40000),
        NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE times (id int PRIMARY KEY, d date, t time, t6 time(6), dt datetime, dt6 datetime(6), ts timestamp NULL, ts6 timestamp(6) NULL);
INSERT INTO times VALUES
    (1, '0001-01-01', '00:00:00', '00:00:00', '1000-01-01 00:00:00', '1000-01-01 00:00:00', '1970-01-01 00:00:01', '1970-01-01 00:00:01'),
    (2, '9999-12-31', '23:59:59', '23:59:59.999999', '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2037-12-31 23:59:59',
        '2037-12-31 23:59:59.999999'),
    (3, '1969-12-31', '-12:00:00', '-838:59:58.999999', '1969-12-31 23:59:59', '1969-12-31 23:59:59.000001', NULL, NULL),
    (4, NULL, '100:00:00', '838:59:59.000000', NULL, NULL, NULL, NULL);
"#;

const SQLITE: &str = r#"
CREATE TABLE numbers (id INTEGER PRIMARY KEY, i INTEGER, b BOOLEAN, s SMALLINT, l BIGINT, f FLOAT, d DOUBLE, dec DECIMAL(10, 2),
    n NUMERIC(15, 5));
INSERT INTO numbers VALUES (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, -9223372036854775808, 0, -32768, -9223372036854775808, 1e-300, 2.2250738585072014e-308, -12345678.91, 0.00001),
    (2, 9223372036854775807, 1, 32767, 9223372036854775807, 1.7976931348623157e308, 0.1, 0.5, 1234567890.12345),
    (3, 5000000000, 1, 100000, 1, 100, 3, 7, 12);
CREATE TABLE texts (id INTEGER PRIMARY KEY, t TEXT, v VARCHAR(5), c CHAR(3), b BLOB, j JSON, u UUID, n NVARCHAR(4) COLLATE NOCASE);
INSERT INTO texts VALUES (1, '', '', '', x'', '{"b":1, "a":1.50}', '00000000-0000-0000-0000-000000000001', 'Ana'),
    (2, 'tab' || char(9) || ' nl' || char(10) || ' back\slash ''quote'' "double" \N \.', 'longer than five', 'abc', x'00ff0a0d', 'null', NULL, 'ana b'),
    (3, 'ação 😀', 'é' || char(769), NULL, zeroblob(100000), NULL, NULL, NULL);
CREATE TABLE times (id INTEGER PRIMARY KEY, d DATE, dt DATETIME, ts TIMESTAMP, t TIME);
INSERT INTO times VALUES (1, '0001-01-01', '1000-01-01 00:00:00.000000', '2024-01-02 03:04:05.000006', '00:00:00.000000'),
    (2, '9999-12-31', '9999-12-31 23:59:59.999999', '1970-01-01 00:00:00.000000', '23:59:59.999999'),
    (3, NULL, NULL, NULL, NULL);
"#;

fn made(engine: Engine) -> Db {
    let db = Db::fresh(engine);
    // MySQL has neither of these two types.
    let mysql = || MARIADB.replace("u uuid", "u char(36)").replace("n6 inet6", "n6 varchar(45)");
    db.execute(&match engine {
        Engine::Sqlite => SQLITE.to_owned(),
        Engine::Postgres => POSTGRES.to_owned(),
        Engine::Mariadb => MARIADB.to_owned(),
        Engine::Mysql => mysql(),
    });
    db
}

/// There, and back again; types and values are those of the first.
fn there_and_back(from: Engine, to: Engine) {
    if !(from.at_hand() && to.at_hand()) {
        return;
    }
    let (first, middle, last) = (made(from), Db::fresh(to), Db::fresh(from));
    let before = content::read(&first);
    let mut faults = Vec::new();
    for (source, target) in [(&first, &middle), (&middle, &last)] {
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert!(ran.code <= 1, "{:?} → {:?}: {ran}", source.engine, target.engine);
        for line in content::differences(&before, &content::read(target), &Renamed::new()) {
            faults.push(format!("in {:?}: {line}", target.engine));
        }
    }
    assert!(faults.is_empty(), "{from:?} → {to:?} → {from:?}\n{}", faults.join("\n"));
}

fn to_itself(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let (first, second) = (made(engine), Db::fresh(engine));
    let ran = binary::migrate(&first.url, &second.url, &[]);
    assert!(ran.code <= 1, "{engine:?}: {ran}");
    let (before, after) = (content::read(&first), content::read(&second));
    assert_eq!(content::differences(&before, &after, &Renamed::new()), Vec::<String>::new());
    let findings = ran.json()["findings"].as_array().cloned().unwrap_or_default();
    for (before, after) in content::columns(&first).into_iter().zip(content::columns(&second)) {
        let told = findings.iter().any(|told| told["table"] == *before.0 && told["column"] == *before.1);
        assert!(before == after || told, "{before:?} became {after:?}, and no finding says so");
    }
}

macro_rules! routes {
    ($($test:ident: $from:ident => $to:ident,)*) => {
        $(#[test] fn $test() { there_and_back(Engine::$from, Engine::$to); })*
    };
}

routes! {
    sqlite_to_postgres_and_back: Sqlite => Postgres,
    sqlite_to_mariadb_and_back: Sqlite => Mariadb,
    postgres_to_sqlite_and_back: Postgres => Sqlite,
    postgres_to_mariadb_and_back: Postgres => Mariadb,
    mariadb_to_sqlite_and_back: Mariadb => Sqlite,
    mariadb_to_postgres_and_back: Mariadb => Postgres,
    sqlite_to_mysql_and_back: Sqlite => Mysql,
    postgres_to_mysql_and_back: Postgres => Mysql,
    mysql_to_sqlite_and_back: Mysql => Sqlite,
    mysql_to_postgres_and_back: Mysql => Postgres,
    mysql_to_mariadb_and_back: Mysql => Mariadb,
    mariadb_to_mysql_and_back: Mariadb => Mysql,
}

#[test]
fn sqlite_to_itself() {
    to_itself(Engine::Sqlite);
}

#[test]
fn postgres_to_itself() {
    to_itself(Engine::Postgres);
}

#[test]
fn mariadb_to_itself() {
    to_itself(Engine::Mariadb);
}

#[test]
fn mysql_to_itself() {
    to_itself(Engine::Mysql);
}

/// SQLite keeps any value anywhere; to SQLite it stays where and what it was.
#[test]
fn any_value_in_any_sqlite_column() {
    let (first, second) = (Db::fresh(Engine::Sqlite), Db::fresh(Engine::Sqlite));
    let types = ["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "DATETIME", "BOOLEAN", "VARCHAR(3)"];
    let columns: Vec<_> = types.iter().enumerate().map(|(i, name)| format!("c{i} {name}")).collect();
    first.execute(&format!("CREATE TABLE anything (id INTEGER PRIMARY KEY, {})", columns.join(", ")));
    for value in [
        "NULL",
        "1",
        "-1.5",
        "9e999",
        "'text'",
        "''",
        "'12'",
        "x'00ff'",
        "x''",
        "'2024-01-01T00:00'",
        "1e300",
    ] {
        let row = vec![value; types.len()].join(", ");
        first.execute(&format!("INSERT INTO anything VALUES (NULL, {row})"));
    }
    let ran = binary::migrate(&first.url, &second.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    let list: Vec<_> = (0..types.len()).map(|i| format!("typeof(c{i}), quote(c{i})")).collect();
    let sql = format!("SELECT {} FROM anything ORDER BY id", list.join(", "));
    assert_eq!(first.query(&sql), second.query(&sql));
}

/// What a target can't hold stops the run before anything is visible, by table, column and key.
#[test]
fn values_that_do_not_fit_are_refused() {
    for (from, to, script, table, column) in [
        (
            Engine::Sqlite,
            Engine::Postgres,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT); INSERT INTO t VALUES (7, 'a' || char(0) || 'b')",
            "t",
            "c",
        ),
        (
            Engine::Sqlite,
            Engine::Mariadb,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, c DOUBLE); INSERT INTO t VALUES (7, 9e999)",
            "t",
            "c",
        ),
        (
            Engine::Sqlite,
            Engine::Postgres,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, c DATETIME); INSERT INTO t VALUES (7, 'next Tuesday')",
            "t",
            "c",
        ),
        (
            Engine::Postgres,
            Engine::Mariadb,
            "CREATE TABLE t (id integer PRIMARY KEY, c double precision); INSERT INTO t VALUES (7, 'NaN')",
            "t",
            "c",
        ),
        (
            Engine::Postgres,
            Engine::Mariadb,
            "CREATE TABLE t (id integer PRIMARY KEY, c timestamp); INSERT INTO t VALUES (7, 'infinity')",
            "t",
            "c",
        ),
        (
            Engine::Postgres,
            Engine::Sqlite,
            "CREATE TABLE t (id integer PRIMARY KEY, c date); INSERT INTO t VALUES (7, '0044-03-15 BC')",
            "t",
            "c",
        ),
        (
            Engine::Mariadb,
            Engine::Sqlite,
            "CREATE TABLE t (id int PRIMARY KEY, c bigint unsigned); INSERT INTO t VALUES (7, 18446744073709551615)",
            "t",
            "c",
        ),
        (
            Engine::Mariadb,
            Engine::Postgres,
            "SET sql_mode = ''; CREATE TABLE t (id int PRIMARY KEY, c date); INSERT INTO t VALUES (7, '0000-00-00')",
            "t",
            "c",
        ),
    ] {
        let (source, target) = (Db::fresh(from), Db::fresh(to));
        source.execute(script);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert!(ran.code == 4 || ran.code == 5, "{from:?} → {to:?} {script}: {ran}");
        let error = ran.json()["error"].to_string();
        let told = ran.json()["findings"].to_string();
        for word in [table, column, "7"] {
            assert!(
                error.contains(word) || told.contains(word),
                "{from:?} → {to:?}: {word} is not named: {ran}"
            );
        }
        assert_eq!(content::tables(&target), Vec::<String>::new(), "{from:?} → {to:?}");
    }
}

#[test]
fn every_engine_takes_the_values() {
    for engine in Engine::all() {
        let before = content::read(&made(engine));
        assert_eq!(
            content::differences(&before, &content::read(&made(engine)), &Renamed::new()),
            Vec::<String>::new()
        );
        assert!(before.values().all(|table| table.rows.len() >= 2), "{engine:?}");
    }
}
