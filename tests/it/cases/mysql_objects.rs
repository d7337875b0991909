//! Keys, indexes, identities and layout that come from MySQL or MariaDB, or go there.

use super::arrival::{migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

fn column(db: &Db, sql: &str) -> Vec<String> {
    db.query(sql).into_iter().map(|row| row[0].clone().unwrap_or_else(|| "NULL".into())).collect()
}

/// A table whose columns MySQL sets on UPDATE, beside those that make it hard: case, a generated column, JSON, two of
/// them at once, names with quotes.
const TOUCHED: &str = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci,
        j JSON, twice INT GENERATED ALWAYS AS (id * 2) STORED,
        at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
        `ta\"k'en` TIMESTAMP(6) NULL ON UPDATE CURRENT_TIMESTAMP(6));
    INSERT INTO t (id, v, j, at, `ta\"k'en`) VALUES (1, 'x', '{}', '2001-02-03 04:05:06.000007', '2001-02-03 04:05:06'),
        (2, 'y', NULL, '2001-02-03 04:05:06.000007', NULL)";

/// Whether the columns are set on UPDATE in a database, and only there where they should be.
fn sets_on_update(db: &Db, context: &str) {
    let taken = if db.engine.is_mysql() { "`ta\"k'en`" } else { "\"ta\"\"k'en\"" };
    let old = "2001-02-03 04:05:06.000007";
    let at = |id: i32| column(db, &format!("SELECT at FROM t WHERE id = {id}"))[0].clone();
    assert_eq!((at(1).as_str(), at(2).as_str()), (old, old), "{context}: fired while the rows came");
    db.execute("UPDATE t SET v = 'x' WHERE id = 1");
    assert_eq!(at(1), old, "{context}: nothing has changed");
    db.execute("UPDATE t SET v = 'X' WHERE id = 1");
    assert!(at(1).as_str() > "2020", "{context}: {}", at(1));
    assert_eq!(at(2), old, "{context}: a row that nobody touched");
    let set = format!("SELECT count(*) FROM t WHERE {taken} > '2020-01-01'");
    assert_eq!(column(db, &set), ["1"], "{context}: the second column");
    db.execute("UPDATE t SET v = 'z', at = '2002-01-01 00:00:00.000001' WHERE id = 1");
    assert_eq!(at(1), "2002-01-01 00:00:00.000001", "{context}: a value that is given stays");
    db.execute("UPDATE t SET j = '[]' WHERE id = 2");
    assert!(at(2).as_str() > "2020", "{context}: {}", at(2));
    db.execute("INSERT INTO t (id, v) VALUES (3, 'new')");
    assert!(at(3).as_str() > "2020", "{context}: the default: {}", at(3));
    assert_eq!(column(db, &format!("SELECT {taken} FROM t WHERE id = 3")), ["NULL"], "{context}: no default");
}

#[test]
fn a43_a_column_that_is_set_on_update_stays_so() {
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, TOUCHED, to).done();
            let listed = arrived.findings("emulated").iter().filter(|f| f["kind"] == "default").count();
            assert_eq!(listed, if to.is_mysql() { 0 } else { 2 }, "{from:?} → {to:?}: {}", arrived.ran);
            assert!(arrived.findings("on_update_not_carried").is_empty(), "{from:?} → {to:?}");
            // On to the same engine, and back, before anything is touched.
            for next in [to, from] {
                let target = Db::fresh(next);
                let ran = binary::migrate(&arrived.target.url, &target.url, &[]);
                assert!(ran.code <= 1, "{from:?} → {to:?} → {next:?}: {ran}");
                assert!(!ran.stdout.contains("object_not_carried"), "{from:?} → {to:?} → {next:?}: {ran}");
                sets_on_update(&target, &format!("{from:?} → {to:?} → {next:?}"));
                if next == from {
                    let type_of = "SELECT concat(column_type, ' ', lower(extra)) FROM information_schema.columns
                                   WHERE table_schema = DATABASE() AND table_name = 't' AND column_name = 'at'";
                    let is = column(&target, type_of)[0].clone();
                    assert!(is.starts_with("datetime(6)") && is.contains("on update"), "{is}");
                }
            }
            sets_on_update(&arrived.target, &format!("{from:?} → {to:?}"));
        }
    }
}

#[test]
fn a43_the_trigger_goes_and_comes_with_its_table() {
    let source = Db::fresh(Mariadb);
    source.execute(TOUCHED);
    for to in [Postgres, Sqlite] {
        let (folder, target) = (tempfile::tempdir().unwrap(), Db::fresh(to));
        // So that the file is one that others use.
        target.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)");
        let run = |args: &[&str]| {
            let mut command = binary::command(folder.path());
            command.args(["--format", "json"]).args(args);
            let ran = binary::Running::start(command).end();
            assert!(ran.code <= 1, "{to:?}: {ran}");
        };
        let migrate = ["migrate", "--source", &source.url, "--target", &target.url];
        run(&migrate);
        target.execute("UPDATE t SET v = 'mine' WHERE id = 1");
        run(&[&migrate[..], &["--if-exists", "replace", "--yes"]].concat());
        sets_on_update(&target, &format!("{to:?}, replaced"));
        run(&["rollback", "--database", &target.url, "--yes"]);
        assert_eq!(column(&target, "SELECT v FROM t WHERE id = 1"), ["mine"], "{to:?}");
        target.execute("UPDATE t SET v = 'again' WHERE id = 2");
        let touched = "SELECT count(*) FROM t WHERE id = 2 AND at > '2020-01-01'";
        assert_eq!(column(&target, touched), ["1"], "{to:?}: the table that came back");
        // A function that its table has left behind is in nobody's way.
        target.execute("DROP TABLE t");
        run(&migrate);
        sets_on_update(&target, &format!("{to:?}, dropped and made anew"));
    }
}

#[test]
fn a51_prefixes_descending_keys_and_fulltext_are_carried_or_listed() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, body TEXT, n INT, KEY by_start (body(10)), KEY by_n (n DESC, id),
                   FULLTEXT KEY words (body));
               INSERT INTO t VALUES (1, 'one', 1), (2, 'two', 2)";
    for from in Engine::mysqls() {
        for to in [Postgres, Sqlite] {
            let arrived = migrate(from, sql, to).done();
            let list = match to {
                Sqlite => "SELECT name || coalesce(sql, '') FROM sqlite_schema WHERE type = 'index'",
                _ => "SELECT indexname || indexdef FROM pg_indexes WHERE tablename = 't'",
            };
            let there = column(&arrived.target, list).join("; ");
            let findings = arrived.ran.json()["findings"].to_string();
            for name in ["by_start", "by_n", "words"] {
                assert!(there.contains(name) || findings.contains(name), "{from:?} → {to:?}: {name} is gone");
            }
            assert!(there.contains("DESC") || findings.contains("DESC"), "{from:?} → {to:?}: {there}");
            // Carried in a plainer form is listed, too.
            assert!(
                findings.contains("by_start") && findings.contains("words"),
                "{from:?} → {to:?}: {findings}"
            );
        }
        for to in Engine::mysqls() {
            let arrived = migrate(from, sql, to).done();
            let indexes = column(&arrived.target, "SELECT concat(index_name, ' ', index_type, ' ', coalesce(sub_part, '-'))
                FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 't' ORDER BY 1");
            for index in ["by_start BTREE 10", "words FULLTEXT -"] {
                assert!(indexes.iter().any(|i| i == index), "{from:?} → {to:?}: {indexes:?}");
            }
        }
    }
}

#[test]
fn a57_the_id_0_is_an_id() {
    let rows = "INSERT INTO t (id, v) VALUES (0, 'zero'), (1, 'one')";
    for (from, sql) in [
        (Sqlite, format!("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v VARCHAR(9)); {rows}")),
        (Postgres, format!("CREATE TABLE t (id SERIAL PRIMARY KEY, v VARCHAR(9)); {rows}")),
        (Mariadb, format!("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9)); {rows}")),
        (Mysql, format!("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(9)); {rows}")),
    ] {
        if !from.at_hand() {
            continue;
        }
        for to in Engine::mysqls() {
            let arrived = migrate(from, &sql, to).whole();
            let read = "SELECT concat(id, v) FROM t ORDER BY id";
            assert_eq!(column(&arrived.target, read), ["0zero", "1one"], "{from:?} → {to:?}");
            arrived.target.execute("INSERT INTO t (v) VALUES ('next')");
            assert_eq!(column(&arrived.target, "SELECT max(id) > 1 FROM t"), ["1"], "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a58_an_identity_goes_on_where_the_source_was() {
    let sql = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 5000;
               INSERT INTO t VALUES (1, 1)";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).whole();
            arrived.target.execute("INSERT INTO t (v) VALUES (2)");
            assert_eq!(column(&arrived.target, "SELECT max(id) FROM t"), ["5000"], "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a60_an_identity_with_capital_letters_goes_on() {
    let sql =
        "CREATE TABLE `MixedCase` (`IdNumber` BIGINT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 41;
               INSERT INTO `MixedCase` VALUES (7, 1)";
    for from in Engine::mysqls() {
        for to in [Postgres, Sqlite] {
            let arrived = migrate(from, sql, to).whole();
            arrived.target.execute("INSERT INTO \"MixedCase\" (v) VALUES (2)");
            let next = column(&arrived.target, "SELECT max(\"IdNumber\") FROM \"MixedCase\"");
            assert_eq!(next, ["41"], "{from:?} → {to:?}");
            // Another type by hand changes nothing of that.
            let folder = tempfile::tempdir().unwrap();
            let rules = "[[rules]]\ntable = 'MixedCase'\n[rules.columns.IdNumber]\ntype = 'integer'\n";
            std::fs::write(folder.path().join("techcare-db.toml"), rules).unwrap();
            let target = Db::fresh(to);
            let mut command = binary::command(folder.path());
            command.args([
                "--format",
                "json",
                "migrate",
                "--source",
                &arrived.source.url,
                "--target",
                &target.url,
            ]);
            let ran = binary::Running::start(command).end();
            assert!(ran.code <= 1, "{from:?} → {to:?}: {ran}");
            target.execute("INSERT INTO \"MixedCase\" (v) VALUES (2)");
            let next = column(&target, "SELECT max(\"IdNumber\") FROM \"MixedCase\"");
            assert_eq!(next, ["41"], "{from:?} → {to:?} as integer: {ran}");
        }
    }
}

#[test]
fn a61_a_composite_foreign_key_is_one_key_that_cascades() {
    let sql = "CREATE TABLE p (a INT, b VARCHAR(9) COLLATE utf8mb4_bin, PRIMARY KEY (a, b)) CHARACTER SET utf8mb4;
               CREATE TABLE c (id INT PRIMARY KEY, pa INT, pb VARCHAR(9) COLLATE utf8mb4_bin,
                   CONSTRAINT both_columns FOREIGN KEY (pa, pb) REFERENCES p (a, b) ON DELETE CASCADE) CHARACTER SET utf8mb4;
               INSERT INTO p VALUES (1, 'x'), (1, 'y'); INSERT INTO c VALUES (10, 1, 'x'), (11, 1, 'y'), (12, NULL, 'z')";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let target = migrate(from, sql, to).done().target;
            assert!(target.refuses("INSERT INTO c VALUES (13, 2, 'x')"), "{from:?} → {to:?}");
            if to == Sqlite {
                let keys = "SELECT id || ' ' || group_concat(\"from\") FROM pragma_foreign_key_list('c') GROUP BY id";
                assert_eq!(column(&target, keys), ["0 pa,pb"], "{from:?}");
                assert_eq!(column(&target, "SELECT count(*) FROM pragma_foreign_key_check"), ["0"]);
                let file = target.sqlite();
                file.pragma_update(None, "foreign_keys", true).unwrap();
                file.execute("DELETE FROM p WHERE b = 'x'", []).unwrap();
            } else {
                target.execute("DELETE FROM p WHERE b = 'x'");
            }
            assert_eq!(column(&target, "SELECT id FROM c ORDER BY id"), ["11", "12"], "{from:?} → {to:?}");
        }
    }
}

#[test]
fn rows_without_their_parents_are_known_before_a_row_moves() {
    let sql = "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE c (id INT PRIMARY KEY, p INT,
                   CONSTRAINT to_p FOREIGN KEY (p) REFERENCES p (id));
               INSERT INTO p VALUES (1); SET foreign_key_checks = 0; INSERT INTO c VALUES (5, 1), (6, 2), (7, NULL)";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let refused = migrate(from, sql, to).refused(&["id=6"]);
            assert_eq!(refused.findings("orphans")[0]["rows"], 1, "{from:?} → {to:?}");
        }
    }
}

/// No target takes values from a sequence of the source, and what is left behind is named.
#[test]
fn sequences_and_packages_of_mariadb_are_listed() {
    let sql = "CREATE SEQUENCE tickets START WITH 50; CREATE SEQUENCE other;
               CREATE TABLE item (id bigint NOT NULL DEFAULT nextval(tickets) PRIMARY KEY, n bigint DEFAULT (nextval(other) + 1),
                 plain int DEFAULT 7);
               INSERT INTO item VALUES (1, 1, 1);
               CREATE VIEW lasts AS SELECT lastval(tickets) AS a FROM item; CREATE VIEW nexts AS SELECT nextval(tickets) AS a;
               SET sql_mode = ORACLE; CREATE PACKAGE tools AS PROCEDURE noted(x int); END;
               CREATE PACKAGE BODY tools AS PROCEDURE noted(x int) AS BEGIN NULL; END; END";
    for to in Engine::all() {
        let arrived = migrate(Mariadb, sql, to).done();
        let named = |code: &str, key: &str| {
            let mut names: Vec<String> =
                arrived.findings(code).iter().map(|f| f[key].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        let left = ["lasts", "nexts", "other", "tickets", "tools", "tools"];
        assert_eq!(named("object_not_carried", "object"), left, "{to:?}");
        for finding in arrived.findings("object_not_carried").iter().filter(|f| f["kind"] == "view") {
            let text = finding["text"].as_str().unwrap();
            let told = text.contains("uses a sequence") && text.contains("val(`");
            assert!(told || to != Mariadb, "{to:?}: {text}");
        }
        assert_eq!(named("default_not_carried", "column"), ["id", "n"], "{to:?}");
        arrived.target.execute("INSERT INTO item (id, n) VALUES (2, 2)");
        assert_eq!(column(&arrived.target, "SELECT plain FROM item WHERE id = 2"), ["7"], "{to:?}");
        if to == Mariadb {
            let shown = arrived.target.query("SHOW CREATE TABLE item")[0][1].clone().unwrap();
            assert!(!shown.contains("nextval"), "{shown}");
        }
    }
}

#[test]
fn a75_names_that_begin_alike_get_short_names_that_are_listed() {
    let (one, two) = (format!("{}_one", "n".repeat(60)), format!("{}_two", "n".repeat(60)));
    let sql = format!(
        "CREATE TABLE t (id INT PRIMARY KEY, `{one}` INT, `{two}` INT); INSERT INTO t VALUES (1, 11, 22)"
    );
    for from in Engine::mysqls() {
        let names = || {
            let arrived = migrate(from, &sql, Postgres).done();
            let list = "SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attnum";
            let names = column(&arrived.target, list);
            let row = arrived.target.query(&format!("SELECT \"{}\", \"{}\" FROM t", names[0], names[1]));
            assert_eq!(row, [[Some("11".to_owned()), Some("22".to_owned())]], "{from:?}");
            for (name, source) in names.iter().zip([&one, &two]) {
                let said = arrived.findings("renamed").iter().any(|f| {
                    f["column"] == **source && f["text"].as_str().unwrap_or_default().contains(name.as_str())
                });
                assert!(said, "{from:?}: {source} became {name} and no finding says so");
            }
            names
        };
        let first = names();
        assert_ne!(first[0], first[1]);
        assert_eq!(first, names(), "the same each time");
    }
}

#[test]
fn a75_names_longer_than_the_target_takes_get_short_ones() {
    let (one, two) = (format!("{}_one", "ñ".repeat(70)), format!("{}_two", "ñ".repeat(70)));
    let sql = format!(
        "CREATE TABLE \"{one}\" (id INTEGER PRIMARY KEY, \"{one}\" INTEGER, \"{two}\" INTEGER);
         CREATE TABLE \"{two}\" (id INTEGER PRIMARY KEY); INSERT INTO \"{one}\" VALUES (1, 11, 22)"
    );
    for to in Engine::servers() {
        let named = || {
            let arrived = migrate(Sqlite, &sql, to).done();
            let renamed = arrived.findings("renamed");
            let column = |f: &serde_json::Value| f["column"].as_str().map(str::to_owned);
            let of: Vec<Option<String>> = renamed.iter().map(column).collect();
            for source in [None, Some(&one), Some(&two)] {
                let times = of.iter().filter(|c| c.as_ref() == source).count();
                // Both tables have a name of their own.
                assert_eq!(
                    times,
                    if source.is_none() { 2 } else { 1 },
                    "{to:?}, {source:?}: {}",
                    arrived.ran
                );
            }
            crate::support::content::tables(&arrived.target)
        };
        let first = named();
        assert_eq!((first.len(), &first), (2, &named()), "{to:?}: the same each time");
    }
}

#[test]
fn a77_a_partitioned_table_arrives_whole() {
    let sql = "CREATE TABLE log (id INT, y INT, v VARCHAR(9), PRIMARY KEY (id, y))
                   PARTITION BY RANGE (y) (PARTITION old VALUES LESS THAN (2000), PARTITION rest VALUES LESS THAN MAXVALUE);
               INSERT INTO log VALUES (1, 1999, 'a'), (2, 2000, 'b'), (3, 2024, 'c')";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            assert_eq!(
                column(&arrived.target, "SELECT id FROM log ORDER BY id"),
                ["1", "2", "3"],
                "{from:?} → {to:?}"
            );
            let carried = to.is_mysql()
                && column(
                    &arrived.target,
                    "SELECT count(*) FROM information_schema.partitions
                     WHERE table_schema = DATABASE() AND partition_name IS NOT NULL",
                ) == ["2"];
            let listed = arrived.findings("partitioning_not_carried");
            assert!(
                carried || listed.iter().any(|f| f["table"] == "log"),
                "{from:?} → {to:?}: {}",
                arrived.ran
            );
        }
    }
}

/// JSON of MySQL is a value that the server spells, JSON of everybody else is text that stays as it was written.
#[test]
fn json_text_is_never_spelled_anew() {
    let spelled = r#"{"b": 1,  "a":1.50, "b": 2}"#;
    for (from, sql) in [
        (
            Sqlite,
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY, j JSON); INSERT INTO t VALUES (1, '{spelled}')"),
        ),
        (
            Postgres,
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY, j json); INSERT INTO t VALUES (1, '{spelled}')"),
        ),
        (
            Mariadb,
            format!("CREATE TABLE t (id INTEGER PRIMARY KEY, j JSON); INSERT INTO t VALUES (1, '{spelled}')"),
        ),
    ] {
        for to in Engine::mysqls() {
            let arrived = migrate(from, &sql, to).done();
            assert_eq!(column(&arrived.target, "SELECT j FROM t"), [spelled], "{from:?} → {to:?}");
            let back = onward(arrived.target, from).done();
            let read = if from == Postgres { "SELECT j::text FROM t" } else { "SELECT j FROM t" };
            assert_eq!(column(&back.target, read), [spelled], "{from:?} → {to:?} → {from:?}");
        }
    }
}

#[test]
fn what_a_row_or_a_comment_is_too_long_for_is_said_in_the_plan() {
    let columns: Vec<_> = (0..30).map(|n| format!("c{n} VARCHAR(1000) DEFAULT 'x'")).collect();
    let sql = format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, {}); INSERT INTO t (id, c0) VALUES (1, 'a');
         COMMENT ON TABLE t IS '{}'; COMMENT ON COLUMN t.id IS '{}'",
        columns.join(", "),
        "t".repeat(2_049),
        "é".repeat(1_024),
    );
    for to in Engine::mysqls() {
        let arrived = migrate(Postgres, &sql, to).done();
        let widened = arrived.findings("widened").len();
        let long = "SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() AND data_type = 'longtext'";
        assert_eq!(column(&arrived.target, long), [widened.to_string()], "{to:?}");
        arrived.target.execute("INSERT INTO t (id) VALUES (2)");
        assert_eq!(column(&arrived.target, "SELECT concat(c0, c29) FROM t WHERE id = 2"), ["xx"], "{to:?}");
        let lost = arrived.findings("comment_not_carried");
        assert!(lost.len() == 1 && lost[0]["text"].as_str().unwrap().contains("2048"), "{to:?}: {lost:?}");
        let kept = "SELECT char_length(column_comment) FROM information_schema.columns
                    WHERE table_schema = DATABASE() AND column_name = 'id'";
        assert_eq!(column(&arrived.target, kept), ["1024"], "{to:?}");
    }
}

#[test]
fn vectors_of_mysql_arrive() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, v VECTOR(3));
               INSERT INTO t VALUES (1, STRING_TO_VECTOR('[1.5,-2,0]')), (2, NULL)";
    let hex = "0000C03F000000C000000000";
    let arrived = migrate(Mysql, sql, Mysql).done();
    assert_eq!(column(&arrived.target, "SELECT hex(v) FROM t ORDER BY id"), [hex, "NULL"]);
    for to in [Postgres, Sqlite] {
        let arrived = migrate(Mysql, sql, to).done();
        let text = column(&arrived.target, "SELECT upper(v) FROM t ORDER BY id");
        assert_eq!(text, [hex, "NULL"], "{to:?}");
    }
}
