//! A23 where an application wrote on, between the way there and the way back, what the types of before do not keep: the
//! columns stay as wide as they are, `check` says so with the rows, and rows arrive by `migrate` and by a script alike.

use super::arrival::{migrate, onward};
use super::roundtrip::there_and_back;
use crate::dump::load;
use crate::support::binary;
use crate::support::content;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

/// Goes there, changes a column at a time, and comes back by a script and by `migrate`.
fn outgrow(from: Engine, columns: &[(&str, &str, &str)], by: Engine) {
    let declared: Vec<String> =
        columns.iter().map(|(name, declared, _)| format!("{name} {declared}")).collect();
    let sql = format!(
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, {}); INSERT INTO t (id) VALUES (1), (2)",
        declared.join(", ")
    );
    let there = migrate(from, &sql, by).done().target;
    for (name, _, value) in columns {
        there.execute(&format!("UPDATE t SET {name} = {value} WHERE id = 2"));
    }
    let before = content::read(&there);

    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("home.sql");
    let ran = binary::migrate(&there.url, from.kind(), &["--dump", script.to_str().unwrap()]);
    assert!(ran.code <= 1, "{from:?} by {by:?}: {ran}");
    let home = Db::fresh(from);
    let (loaded, said) = load(&home, &script);
    assert!(loaded, "{from:?} by {by:?}: {said}");

    let checked =
        binary::run(&["check", "--database", &there.url, "--target", from.kind(), "--format", "json"]);
    let back = onward(there, from).done();
    for (name, _, _) in columns {
        for said in [&checked.json(), &back.ran.json()] {
            let findings = said["findings"].as_array().cloned().unwrap_or_default();
            // The profile measured the others, and their finding counts no rows.
            let is_told =
                |f: &serde_json::Value| f["rows"].is_null() || f["rows"] == 1 && f["keys"][0] == "id=2";
            let told = findings.iter().any(|f| f["code"] == "widened" && f["column"] == *name && is_told(f));
            assert!(told, "{from:?} by {by:?}: nothing is said of {name}: {said}");
        }
    }
    for home in [&home, &back.target] {
        let after = content::read(home);
        let differences = content::differences(&before, &after, &content::Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{from:?} by {by:?}");
    }
}

#[test]
fn a23_values_of_sqlite_that_outgrew_mysql_stay() {
    for from in [Mariadb, Mysql] {
        let columns = [
            ("f", "FLOAT", "0.1"),
            ("d", "DOUBLE(10,2)", "1.005"),
            ("c", "CHAR(3)", "'a  '"),
            ("b", "BINARY(3)", "x'01'"),
            ("tiny", "TINYINT", "300"),
            ("medium", "MEDIUMINT UNSIGNED", "16777216"),
            ("y", "YEAR", "1800"),
            ("latin", "VARCHAR(9) CHARACTER SET latin1", "'日本'"),
            (
                "short",
                "TINYTEXT",
                "'éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé'",
            ),
        ];
        outgrow(from, &columns, Sqlite);
    }
}

#[test]
fn a23_values_of_postgresql_that_outgrew_mysql_stay() {
    for from in [Mariadb, Mysql] {
        let columns = [
            ("d", "DOUBLE(10,2)", "1.005"),
            ("b", "BINARY(3)", "'\\x01'"),
            ("tiny", "TINYINT", "300"),
            ("medium", "MEDIUMINT", "8388608"),
            ("y", "YEAR", "1800"),
            ("latin", "VARCHAR(9) CHARACTER SET latin1", "'日本'"),
        ];
        outgrow(from, &columns, Postgres);
    }
}

#[test]
fn a23_values_that_outgrew_postgresql_stay() {
    let spelled = [
        ("seconds", "interval second(0)", "'PT1.5S'"),
        ("months", "interval year to month", "'P1D'"),
        ("zoned", "time(0) with time zone", "'10:00:00.5+02'"),
        ("label", "name", "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'"),
        ("letter", "\"char\"", "'ab'"),
    ];
    for by in [Mariadb, Mysql] {
        outgrow(Postgres, &spelled, by);
    }
    let of_sqlite = [
        ("single", "real", "0.1"),
        ("small", "smallint", "40000"),
        ("name", "character varying(3)", "'abcd'"),
    ];
    outgrow(Postgres, &[&spelled[..], &of_sqlite[..]].concat(), Sqlite);
}

#[test]
fn a23_text_that_postgresql_would_spell_anew_stays_text() {
    let columns = [
        ("document", "jsonb", r#"'{"name":"x","id":7}'"#),
        ("broken", "jsonb", "'{'"),
        ("plain", "json", "'{'"),
        ("numbers", "integer[]", "'{3, 4}'"),
        ("unclosed", "integer[]", "'{3'"),
        ("words", "text[]", r#"'{"a"}'"#),
        ("extent", "int4range", "'[1,4]'"),
        ("backwards", "int4range", "'[4,1)'"),
        ("mac", "macaddr", "'08-00-2b-01-02-03'"),
        ("net", "cidr", "'10/8'"),
        ("host", "inet", "'here'"),
        ("place", "point", "'1,2'"),
        ("lexemes", "tsvector", "'b a'"),
        ("zoned", "time with time zone", "'10:00:00.0+02'"),
        ("span", "interval", "'1 day'"),
    ];
    for by in [Sqlite, Mariadb, Mysql] {
        outgrow(Postgres, &columns, by);
    }
    for by in [Mariadb, Mysql] {
        outgrow(Postgres, &[("bits", "bit varying(8)", "'102'")], by);
    }
}

/// What only the server knows is asked of it, and stays text where there is none, as for a script.
#[test]
fn a23_text_that_only_postgresql_can_judge_stays_text() {
    let columns = [
        ("needle", "tsquery", "'a&b'"),
        ("broken", "tsquery", "'a &'"),
        ("place", "jsonpath", "'$.a'"),
        ("document", "xml", "'<a>'"),
        ("thing", "regclass", "'nothing'"),
    ];
    for by in Engine::all().into_iter().filter(|by| *by != Postgres) {
        outgrow(Postgres, &columns, by);
    }
    let sql = r#"CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad', 'ok');
               CREATE TABLE t (id int PRIMARY KEY, needle tsquery, place jsonpath, document xml, pairs hstore, moods mood[]);
               INSERT INTO t VALUES (1, 'a & !b', '$.a', '<a/>', '"a"=>"1", "b"=>NULL', '{sad,ok}'),
                                    (2, NULL, NULL, NULL, NULL, NULL)"#;
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
                 FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1";
    for by in Engine::all().into_iter().filter(|by| *by != Postgres) {
        let there = migrate(Postgres, sql, by).done().target;
        let home = Db::fresh(Postgres);
        home.execute("CREATE EXTENSION hstore");
        let ran = binary::migrate(&there.url, &home.url, &[]);
        assert!(ran.code <= 1, "{by:?}: {ran}");
        let expected = "tsquery, jsonpath, xml, hstore, mood[]";
        assert_eq!(home.value(types).as_deref(), Some(expected), "{by:?}: {ran}");
        there.execute("UPDATE t SET pairs = 'a=>1', moods = '{sad, ok}' WHERE id = 2");
        let home = Db::fresh(Postgres);
        home.execute("CREATE EXTENSION hstore");
        let ran = binary::migrate(&there.url, &home.url, &[]);
        assert!(ran.code <= 1, "{by:?}: {ran}");
        let expected = "tsquery, jsonpath, xml, text, text";
        assert_eq!(home.value(types).as_deref(), Some(expected), "{by:?}: {ran}");
        assert_eq!(
            home.query("SELECT pairs, moods FROM t"),
            there.query("SELECT pairs, moods FROM t"),
            "{by:?}"
        );
    }
}

#[test]
fn a23_json_that_mysql_would_spell_anew_stays_text() {
    let spelled = ("document", "JSON", r#"'{"b":1, "a":2.50}'"#);
    let broken = ("broken", "JSON", "'{'");
    outgrow(Mysql, &[spelled, broken], Sqlite);
    outgrow(Mysql, &[spelled], Postgres);
    outgrow(Mariadb, &[broken], Sqlite);
}

#[test]
fn a23_text_that_postgresql_spelled_itself_gets_its_type_again() {
    let sql = r#"
        CREATE TABLE t (id int PRIMARY KEY, j jsonb, plain json, i integer[], w text[], n numeric(5,2)[], f real[],
            d double precision[], b boolean[], y bytea[], c character(4)[], u uuid[], a inet[], js jsonb[], bx box[],
            ir int4range, nr numrange, dr daterange, tr tsrange, zr tstzrange, ia inet, ci cidr, ma macaddr, m8 macaddr8,
            p point, l line, s lseg, x box, pa path, po polygon, ck circle, v tsvector, z timetz,
            z2 time(2) with time zone, iv interval, vb bit varying, ts timestamptz[], lsn pg_lsn);
        INSERT INTO t VALUES
        (1, '{"b":-0.0, "aa":1.50, "a":1e3, "c":"\u0001\u007f/é\t\"", "":[{}, []]}', ' { "a":1 } ', '[0:1]={1,NULL}',
            '{a,"b c","null",NULL,"",é}', '{1.5,-0}', '{1e6,0.1,3e-5}', '{1e23,5e-324,9007199254740993,NaN,-0,8.41e21}',
            '{t,f}', '{"\\x01"}', '{abc}', '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}', '{10.0.0.1,::1:0}', '{"{\"a\":1}"}',
            '{(1,2),(3,4);(0,0),(1,1)}', '[1,4]', '[1.50,2]', '[2020-01-01,infinity]',
            '[2020-01-01,2021-01-01 00:00:00.5]', '[2020-01-01 00:00+02,]', '10.0.0.1', '10/8', '08-00-2b-01-02-03',
            '08:00:2b:01:02:03:04:05', '1e20,-1.5', '{1,-1,0}', '1,2,3,4', '1,2,3,4', '[1,2,3,4]', '1,2,3,4', '<1,2,3>',
            'b:2,1A it''s', '10:00:00.50+02', '10:00:00.25-03:30', '-1 year -2 mons +3 days -04:05:06.70', B'101',
            '{"2020-01-01 00:00:00.5+02","0044-03-15 00:00:00 BC"}', '16/b374d848'),
        (2, '[]', '1e5', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', 'empty', 'empty', 'empty',
            'empty', 'empty', '::1.2.3.4', '::/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '0,0', '{0,1,0}',
            '0,0,0,0', '0,0,0,0', '(0,0)', '(0,0)', '<0,0,0>', '', '24:00:00-15:59:59', '00:00+00', '0', B'', '{infinity}',
            '0/0'),
        (3, '12345678901234567890.10', 'null', '{{1,2},{3,4}}', '{{"a\"b","c\\d"}}', '{123.45}', '{-1.5e-10}', '{0.1}',
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, '(,)', '(,)', '(,)', '(,)', '(,)', '10.0.0.0/8', '2001:db8::/32', NULL,
            NULL, '0.1,0.00001', NULL, NULL, NULL, '((1,2),(3,4),(5,6))', NULL, NULL, 'a', NULL, NULL,
            '40 days 900:00:00.000001', NULL, '{}', NULL)"#;
    for by in [Sqlite, Mariadb, Mysql] {
        there_and_back(Postgres, sql, by);
    }
}

#[test]
fn a23_numbers_below_zero_and_times_beyond_the_clock_stay() {
    for from in [Mariadb, Mysql] {
        let columns = [
            ("d", "DECIMAL(10,2) UNSIGNED", "-1"),
            ("f", "FLOAT UNSIGNED", "-1"),
            ("g", "DOUBLE UNSIGNED", "-1"),
            ("hours", "TIME(3)", "'900:00:00'"),
            ("days", "TIME(3)", "'1 day'"),
            ("months", "TIME", "'1 month'"),
            ("fine", "TIME(3)", "'10:00:00.12345'"),
        ];
        outgrow(from, &columns, Postgres);
        let columns = [
            ("d", "DECIMAL(10,2) UNSIGNED", "-1"),
            ("hours", "TIME(3)", "'900:00:00.000000'"),
            ("padded", "BINARY(4)", "x'0102030405'"),
            ("bytes", "VARBINARY(4)", "x'0102030405'"),
        ];
        outgrow(from, &columns, Sqlite);
    }
    for by in [Mariadb, Mysql] {
        let columns = [
            ("flag", "boolean", "2"),
            ("clock", "time(3)", "'25:00:00'"),
            ("fine", "time(3)", "'10:00:00.123456'"),
        ];
        outgrow(Postgres, &columns, by);
    }
    outgrow(Postgres, &[("letters", "character(4)", "'ab  '")], Sqlite);
}

#[test]
fn a23_times_that_outgrew_their_type_take_the_next_one_and_can_be_compared() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, fine time(3), clock time(3));
               INSERT INTO t VALUES (1, '10:00', '10:00')";
    let there = migrate(Postgres, sql, Mariadb).done().target;
    there.execute("UPDATE t SET fine = '10:00:00.123456', clock = '25:00:00'");
    let back = onward(there, Postgres).done();
    let types = "SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
                 FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1";
    assert_eq!(back.target.value(types).as_deref(), Some("time without time zone, interval"));
    let (here, there) = (&back.source.url, &back.target.url);
    let compared = binary::run(&["check", "--database", here, "--against", there, "--format", "json"]);
    assert!(compared.code == 0 && !compared.stdout.contains("not_comparable"), "{compared}");
}

#[test]
fn a23_a_column_that_was_renamed_takes_its_type_along() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, place inet, span interval, net cidr, note text CHECK (note <> ''));
               INSERT INTO t VALUES (1, '10.0.0.1', '1 day', '10.0.0.0/8', 'a')";
    for by in Engine::all().into_iter().filter(|by| *by != Postgres) {
        let there = migrate(Postgres, sql, by).done().target;
        there.execute("ALTER TABLE t RENAME COLUMN place TO host");
        there.execute("ALTER TABLE t ADD COLUMN place text");
        there.execute("ALTER TABLE t DROP COLUMN span");
        there.execute("ALTER TABLE t ADD COLUMN span text");
        there.execute("UPDATE t SET place = 'here', span = 'long'");
        let checked = binary::run(&["check", "--database", &there.url, "--target", "postgresql"]);
        assert!(checked.code <= 1, "{by:?}: {checked}");
        let back = onward(there, Postgres).done();
        let types =
            "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname)
                     FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1";
        let expected = "host inet, net cidr, note text, place text, span text";
        assert_eq!(back.target.value(types).as_deref(), Some(expected), "{by:?}");
    }
}
