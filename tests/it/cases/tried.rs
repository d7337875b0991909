//! Checks and defaults in another engine's words: tried on both sides before the first row, so that what arrives refuses
//! the same rows and fills in the same values, and a check at which the engines part stops the migration.

use serde_json::Value;

use super::arrival::{Arrived, migrate, onward};
use super::check::check;
use crate::support::binary;
use crate::support::content;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

/// A table in the words of an engine with checks that mean the same in all of them, in each the ways in which engines are
/// known to part: integer division and remainders of negative numbers, unknown values, truth values, lengths in characters
/// and bytes, blanks, case, bounds of dates, singles, decimals.
fn checked(engine: Engine) -> String {
    let text = match engine {
        Sqlite => "TEXT".to_owned(),
        Postgres => "VARCHAR(20) COLLATE \"C\"".to_owned(),
        Mariadb | Mysql => format!("VARCHAR(20) COLLATE {}", engine.exact_collation()),
    };
    let (truth, moment, joined, bytes) = match engine {
        Sqlite => ("BOOLEAN CHECK (ok IN (0, 1))", "DATETIME", "name || state <> 'ab'", "length(name) < 19"),
        Postgres => {
            ("BOOLEAN CHECK (ok)", "TIMESTAMP(6)", "name || state <> 'ab'", "octet_length(name) < 19")
        }
        Mariadb | Mysql => ("TINYINT(1)", "DATETIME(6)", "CONCAT(name, state) <> 'ab'", "LENGTH(name) < 19"),
    };
    let characters = if engine.is_mysql() { "CHAR_LENGTH(name) > 1" } else { "length(name) > 1" };
    let trimmed = if engine == Postgres { "btrim(name)" } else { "trim(name)" };
    // A check of MySQL has to be a comparison, or made of some.
    let case = "CASE WHEN n > 5 THEN m < 3 ELSE m > -9 END";
    let case = if engine == Mysql { "n > 5 AND m < 3 OR n <= 5 AND m > -9" } else { case };
    let odd = if engine.is_mysql() { "n <> 4" } else { "n % 3 <> 1" };
    format!(
        "CREATE TABLE t (
            id INTEGER NOT NULL PRIMARY KEY, n INTEGER, m INTEGER, name {text}, state {text}, ok {truth},
            price DECIMAL(10, 2), ratio DOUBLE PRECISION, born DATE, seen {moment},
            CONSTRAINT c_odd CHECK ({odd}),
            CONSTRAINT c_sum CHECK (n + m > 0 OR n IS NULL),
            CONSTRAINT c_known CHECK (NOT (n > 2 AND state IS NULL)),
            CONSTRAINT c_chars CHECK ({characters}),
            CONSTRAINT c_bytes CHECK ({bytes}),
            CONSTRAINT c_joined CHECK ({joined}),
            CONSTRAINT c_state CHECK (state IN ('new', 'Old ', 'off')),
            CONSTRAINT c_blank CHECK ({trimmed} <> ''),
            CONSTRAINT c_price CHECK (price BETWEEN 0.01 AND 99.99),
            CONSTRAINT c_ratio CHECK (ratio < 1.5),
            CONSTRAINT c_born CHECK (born BETWEEN '2000-02-29' AND '2024-12-31'),
            CONSTRAINT c_seen CHECK (seen >= '2024-01-01 00:00:00.000000'),
            CONSTRAINT c_case CHECK ({case}),
            CONSTRAINT c_mail CHECK (name NOT LIKE '%@%')
        )"
    )
}

/// Rows that the checks refuse, one a check.
const REFUSED: &[&str] = &[
    "(1, 4, 1, 'ab', 'new')",
    "(1, 2, -2, 'ab', 'new')",
    "(1, 3, 0, 'ab', NULL)",
    "(1, 2, 1, 'é', 'new')",
    "(1, 2, 1, 'aaaaaaaaaaaaaaaaaaaa', 'new')",
    "(1, 2, 1, 'ab', 'NEW')",
    "(1, 2, 1, 'ab', 'Old')",
    "(1, 2, 1, '   ', 'new')",
    "(1, 6, 3, 'ab', 'new')",
    "(1, 2, 1, 'a@b', 'new')",
];

#[test]
fn checks_that_mean_the_same_arrive_and_refuse_the_same_rows() {
    for from in Engine::all() {
        for to in Engine::all() {
            if from == to || (from.is_mysql() && to.is_mysql()) {
                continue;
            }
            let arrived = migrate(from, &checked(from), to).whole();
            for code in ["check_not_carried", "check_untried"] {
                assert!(arrived.findings(code).is_empty(), "{from:?} → {to:?}: {}", arrived.ran);
            }
            let insert = |row: &str| format!("INSERT INTO t (id, n, m, name, state) VALUES {row}");
            for row in REFUSED {
                for db in [&arrived.source, &arrived.target] {
                    assert!(db.refuses(&insert(row)), "{from:?} → {to:?}: {:?} takes {row}", db.engine);
                }
            }
            for row in ["(1, 2, 1, 'ab', 'new')", "(2, NULL, NULL, NULL, NULL)", "(3, 3, 0, 'éa', 'Old ')"] {
                arrived.source.execute(&insert(row));
                arrived.target.execute(&insert(row));
            }
        }
    }
}

/// SQLite reads the constant as a double, which is 9007199254740992; the others read what is written.
const FAR: &str =
    "CREATE TABLE t (id INTEGER PRIMARY KEY, big INTEGER, CONSTRAINT far CHECK (big < 9007199254740993.0),
                   CONSTRAINT near CHECK (big > 5));
                   INSERT INTO t VALUES (1, 7)";

#[test]
fn a_check_that_would_mean_something_else_stops_the_migration() {
    for to in Engine::servers() {
        let arrived = migrate(Sqlite, FAR, to);
        let findings = arrived.findings("check_not_carried");
        let [finding] = findings.as_slice() else { panic!("{to:?}: {}", arrived.ran) };
        let text = finding["text"].as_str().unwrap();
        assert!(text.contains("the target takes a row with big=9007199254740992"), "{to:?}: {text}");
        assert!(text.contains("CHECK (big < 9007199254740993.0)"), "{to:?}: {text}");
        let arrived = arrived.refused(&["far"]);

        let target = Db::fresh(to);
        let ran = binary::migrate(&arrived.source.url, &target.url, &["--accept", "check_not_carried@t.far"]);
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
        target.execute("INSERT INTO t VALUES (2, 9007199254740993)");
        assert!(target.refuses("INSERT INTO t VALUES (3, 5)"), "{to:?}: the other check is there");
    }
}

/// Two digits of a year are a year to MySQL alone.
#[test]
fn a_year_of_two_digits_is_found_by_asking() {
    if !Mysql.at_hand() {
        return;
    }
    for to in [Sqlite, Postgres] {
        let arrived = migrate(
            Mysql,
            "CREATE TABLE t (id INT PRIMARY KEY, y YEAR, CONSTRAINT late CHECK (y >= 70))",
            to,
        );
        let findings = arrived.findings("check_not_carried");
        let [finding] = findings.as_slice() else { panic!("{to:?}: {}", arrived.ran) };
        let text = finding["text"].as_str().unwrap();
        assert!(text.contains("the target takes a row with y=1901"), "{to:?}: {text}");
    }
}

/// Both cut towards zero; MySQL and MariaDB divide into decimals.
#[test]
fn integers_are_divided_alike_by_two_of_them() {
    for (from, to) in [(Sqlite, Postgres), (Postgres, Sqlite)] {
        let made = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INTEGER, CONSTRAINT half CHECK (n / 2 <> -3))";
        let arrived = migrate(from, made, to).whole();
        assert!(arrived.target.refuses("INSERT INTO t VALUES (1, -7)"), "{from:?} → {to:?}");
        arrived.target.execute("INSERT INTO t VALUES (1, -8)");
    }
}

#[test]
fn checks_that_no_engine_was_asked_about_are_named() {
    let source = Db::fresh(Sqlite);
    source.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n > 5)); INSERT INTO t VALUES (1, 7)",
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.sql");
    let dumped = binary::migrate(&source.url, "postgresql", &["--dump", file.to_str().unwrap()]);
    assert_eq!(dumped.code, 0, "{dumped}");
    let named = dumped.json()["findings"].as_array().unwrap().clone();
    let named: Vec<_> = named.iter().filter(|f| f["code"] == "check_untried").collect();
    let [finding] = named.as_slice() else { panic!("{dumped}") };
    assert_eq!((finding["severity"].as_str(), finding["table"].as_str()), (Some("info"), Some("t")));

    let kept = folder.path().join("kept");
    let kept = kept.to_str().unwrap();
    let made =
        binary::run(&["backup", "--database", &source.url, "--method", "portable", "--output-dir", kept]);
    assert_eq!(made.code, 0, "{made}");
    let files = std::fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
    let archive = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "tcdb")).unwrap();
    let target = Db::fresh(Postgres);
    let ran = binary::migrate(archive.to_str().unwrap(), &target.url, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stdout.contains("check_untried"), "{ran}");
}

#[test]
fn trying_a_check_needs_no_right_in_a_source_and_leaves_nothing() {
    for from in Engine::servers() {
        let source = Db::fresh(from);
        source.execute(&checked(from));
        let account = super::ahead::Account::new(from);
        if from == Postgres {
            source.execute(&format!("GRANT SELECT ON t TO {}", account.name));
        } else {
            // Without the others a warning says that there may be triggers, events and routines.
            account.grant(&source, "SELECT, TRIGGER, EVENT, EXECUTE");
        }
        let target = Db::fresh(Sqlite);
        let ran = binary::migrate(&account.url(&source), &target.url, &[]);
        if from == Postgres {
            source.execute(&format!("DROP OWNED BY {}", account.name));
        }
        assert_eq!(ran.code, 0, "{from:?}: {ran}");
        assert!(!ran.stdout.contains("check_untried"), "{from:?}: {ran}");
        let back = onward(source, Sqlite).whole();
        assert!(back.findings("check_untried").is_empty());
    }
}

/// A table in the words of an engine whose columns have defaults of all kinds.
fn filled_in(engine: Engine) -> String {
    let (text, joined, lower) = match engine {
        Sqlite => ("TEXT", "('a' || 'b')", "(lower('ABC'))"),
        Postgres => ("VARCHAR(20)", "('a' || 'b')", "(lower('ABC'))"),
        Mariadb | Mysql => ("VARCHAR(20)", "(CONCAT('a', 'b'))", "(LOWER('ABC'))"),
    };
    let (moment, bytes, truth) = match engine {
        Sqlite => ("DATETIME", "BLOB DEFAULT x'6162'", "BOOLEAN DEFAULT 1 CHECK (ok IN (0, 1))"),
        Postgres => ("TIMESTAMP(6)", "BYTEA DEFAULT '\\x6162'", "BOOLEAN DEFAULT true"),
        Mariadb | Mysql => ("DATETIME(6)", "VARBINARY(9) DEFAULT 0x6162", "TINYINT(1) DEFAULT 1"),
    };
    format!(
        "CREATE TABLE t (
            id INTEGER NOT NULL PRIMARY KEY, n INTEGER DEFAULT 5, total INTEGER DEFAULT ((1 + 2) * 3),
            below INTEGER DEFAULT -7, name {text} DEFAULT 'it''s ', joined {text} DEFAULT {joined},
            small {text} DEFAULT {lower}, ok {truth}, price DECIMAL(10, 2) DEFAULT 1.50,
            ratio DOUBLE PRECISION DEFAULT 0.1, born DATE DEFAULT '2024-02-29',
            seen {moment} DEFAULT '2024-02-29 08:00:00.250000', data {bytes}, hollow {text} DEFAULT '',
            made {moment} DEFAULT CURRENT_TIMESTAMP{digits}
        )",
        digits = if engine.is_mysql() { "(6)" } else { "" },
    )
}

#[test]
fn defaults_that_mean_the_same_fill_in_the_same_values() {
    for from in Engine::all() {
        for to in Engine::all() {
            if from == to || (from.is_mysql() && to.is_mysql()) {
                continue;
            }
            let arrived = migrate(from, &filled_in(from), to).whole();
            for code in ["default_not_carried", "default_untried"] {
                assert!(arrived.findings(code).is_empty(), "{from:?} → {to:?}: {}", arrived.ran);
            }
            for db in [&arrived.source, &arrived.target] {
                db.execute("INSERT INTO t (id) VALUES (1)");
                // The clock is there; what it said is another matter.
                assert_eq!(db.value("SELECT count(*) FROM t WHERE made IS NOT NULL").as_deref(), Some("1"));
                db.execute("UPDATE t SET made = NULL");
            }
            let (before, after) = (content::read(&arrived.source), content::read(&arrived.target));
            let differences = content::differences(&before, &after, &content::Renamed::new());
            assert!(differences.is_empty(), "{from:?} → {to:?}: {differences:?}");
        }
    }
}

/// SQLite reads the digits as a double, and a number in a column of text as a number first.
#[test]
fn a_default_that_would_fill_in_something_else_is_left_behind() {
    for to in Engine::servers() {
        let arrived = migrate(
            Sqlite,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, big INTEGER DEFAULT 9007199254740993.0,
                             near INTEGER DEFAULT 5)",
            to,
        );
        assert_eq!(arrived.ran.code, 1, "{to:?}: {}", arrived.ran);
        let findings = arrived.findings("default_not_carried");
        let [finding] = findings.as_slice() else { panic!("{to:?}: {}", arrived.ran) };
        assert_eq!(finding["column"], "big");
        let text = finding["text"].as_str().unwrap();
        assert!(
            text.contains("\"9007199254740992\" in the source, \"9007199254740993\" in the target"),
            "{to:?}: {text}"
        );
        arrived.target.execute("INSERT INTO t (id) VALUES (1)");
        assert_eq!(arrived.target.value("SELECT big FROM t"), None);
        assert_eq!(arrived.target.value("SELECT near FROM t").as_deref(), Some("5"));
    }
}

/// The columns whose default is left behind, by `check` and by `migrate`, which makes the table nevertheless.
pub fn left_behind(from: Engine, made: &str, to: Engine) -> (Arrived, Vec<String>) {
    let arrived = migrate(from, made, to).done();
    let told = check(&arrived.source.url, &["--target", &Db::fresh(to).url]);
    let of = |findings: Vec<Value>| -> Vec<String> {
        let left = findings.into_iter().filter(|f| f["code"] == "default_not_carried");
        left.map(|f| f["column"].as_str().unwrap().to_owned()).collect()
    };
    let (known, left) = (told.json()["findings"].clone(), arrived.findings("default_not_carried"));
    let left = of(left);
    assert_eq!(of(known.as_array().unwrap().clone()), left, "{from:?} → {to:?}: {told}");
    arrived.target.execute("INSERT INTO t (id) VALUES (7)");
    (arrived, left)
}

/// SQLite takes any constant for any column; a server refuses the table.
#[test]
fn defaults_that_are_no_value_of_their_column_are_left_behind_from_sqlite() {
    let made = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 'abc', small SMALLINT DEFAULT 100000,
        seen DATETIME DEFAULT 'CURRENT_TIMESTAMP', zero DATETIME DEFAULT 0, name VARCHAR(3) DEFAULT 'abcdef',
        price DECIMAL(4, 2) DEFAULT 12345, ok BOOLEAN DEFAULT 2, born DATE DEFAULT 'soon', num INTEGER DEFAULT '5',
        yes BOOLEAN DEFAULT 't', at DATETIME DEFAULT '2024-02-29T08:00:00Z')";
    for to in Engine::servers() {
        let (arrived, left) = left_behind(Sqlite, made, to);
        let expected = ["n", "small", "seen", "zero", "name", "price", "ok", "born"];
        assert_eq!(left, expected, "{to:?}: {}", arrived.ran);
        let kept = "SELECT num, CASE WHEN yes THEN 'so' END, at = '2024-02-29 08:00:00' AND n IS NULL FROM t";
        let kept = arrived.target.query(kept).remove(0);
        assert_eq!((kept[0].as_deref(), kept[1].as_deref()), (Some("5"), Some("so")), "{to:?}");
        assert!(matches!(kept[2].as_deref(), Some("1" | "t" | "true")), "{to:?}: {kept:?}");
    }
}

#[test]
fn defaults_that_only_postgresql_takes_are_left_behind() {
    let made = "CREATE TABLE t (id INTEGER PRIMARY KEY, f DOUBLE PRECISION DEFAULT 'NaN', r REAL DEFAULT '-Infinity',
        m NUMERIC(5, 2) DEFAULT 'NaN', z TIMESTAMPTZ DEFAULT '2024-05-06 07:08:09+02',
        far TIMESTAMPTZ DEFAULT '2040-01-01 00:00:00+00', never TIMESTAMP DEFAULT 'infinity',
        d DATE DEFAULT '2024-02-29')";
    for (to, expected) in [
        (Sqlite, &["f", "never"][..]),
        (Mariadb, &["f", "r", "m", "far", "never"]),
        (Mysql, &["f", "r", "m", "far", "never"]),
    ] {
        if !(Postgres.at_hand() && to.at_hand()) {
            continue;
        }
        let (arrived, left) = left_behind(Postgres, made, to);
        assert_eq!(left, expected, "{to:?}: {}", arrived.ran);
        let instant = arrived.target.value(if to == Sqlite {
            "SELECT z || ' ' || far || ' ' || r FROM t"
        } else {
            "SELECT CAST(UNIX_TIMESTAMP(z) AS CHAR) FROM t"
        });
        let expected = if to == Sqlite {
            "2024-05-06 05:08:09.000000+00:00 2040-01-01 00:00:00.000000+00:00 -Inf"
        } else {
            "1714972089.000000"
        };
        assert_eq!(instant.as_deref(), Some(expected), "{to:?}");
    }
}

#[test]
fn expressions_that_no_engine_was_asked_about_are_named() {
    let source = Db::fresh(Sqlite);
    source.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER DEFAULT (2 + 3), m INTEGER DEFAULT 5)");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.sql");
    let dumped = binary::migrate(&source.url, "postgresql", &["--dump", file.to_str().unwrap()]);
    assert_eq!(dumped.code, 0, "{dumped}");
    let findings = dumped.json()["findings"].as_array().unwrap().clone();
    let named: Vec<_> = findings.iter().filter(|f| f["code"] == "default_untried").collect();
    let [finding] = named.as_slice() else { panic!("{dumped}") };
    assert_eq!((finding["severity"].as_str(), finding["column"].as_str()), (Some("info"), Some("n")));
}

/// A routine under the name of one that every engine has: its author could have it run with the rights of whoever migrates.
#[test]
fn what_calls_a_routine_of_the_schema_is_neither_translated_nor_run() {
    let made = "CREATE TABLE ran (id integer);
        CREATE FUNCTION length(x varchar) RETURNS integer LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''it was run''; END';
        CREATE DOMAIN sly AS text CHECK (length(VALUE::varchar) > 0);
        CREATE TABLE t (id integer PRIMARY KEY, code varchar(9), size integer DEFAULT length('abc'::varchar),
                        CONSTRAINT long CHECK (length(code) > 3), CONSTRAINT cast_so CHECK (code <> 'a'::sly))";
    for to in [Sqlite, Mariadb, Mysql] {
        if !(Postgres.at_hand() && to.at_hand()) {
            continue;
        }
        let arrived = migrate(Postgres, made, to).refused(&["long", "cast_so"]);
        assert_eq!(arrived.findings("check_not_carried").len(), 2, "{to:?}: {}", arrived.ran);
        let defaults = arrived.findings("default_not_carried");
        assert!(defaults.iter().any(|finding| finding["column"] == "size"), "{to:?}: {}", arrived.ran);
        assert!(!arrived.ran.stdout.contains("check_untried"), "{to:?}: {}", arrived.ran);
    }
}
