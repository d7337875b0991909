//! A23 where an application wrote on, between the way there and the way back, what the types of before do not keep: the
//! columns stay as wide as they are, `check` says so with the rows, and rows arrive by `migrate` and by a script alike.

use super::arrival::{migrate, onward};
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
