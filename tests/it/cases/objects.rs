//! What guards or computes data: checks, defaults, generated columns, triggers.

use super::arrival::migrate;
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

#[test]
fn a66_checks_go_on_refusing() {
    let sql = "CREATE TABLE item (a INTEGER NOT NULL, b INTEGER, code VARCHAR(9),
                   CONSTRAINT a_positive CHECK (a >= 0), CHECK (b IS NULL OR (b > a AND b BETWEEN 1 AND 1000)),
                   CHECK (code IN ('new', 'it''s')), CHECK (NOT (a = 13 AND code <> 'new')));
               INSERT INTO item VALUES (0, NULL, 'new'), (1, 2, 'it''s'), (13, 14, 'new')";
    for from in Engine::all() {
        // Text that compares regardless of case is another matter.
        let sql = if from.is_mysql() {
            sql.replace("VARCHAR(9)", &format!("VARCHAR(9) COLLATE {}", from.exact_collation()))
        } else {
            sql.into()
        };
        for to in Engine::all() {
            let target = migrate(from, &sql, to).whole().target;
            for bad in ["-1, NULL, 'new'", "5, 5, 'new'", "0, 1001, 'new'", "0, 1, 'old'", "13, 14, 'it''s'"]
            {
                assert!(
                    target.refuses(&format!("INSERT INTO item VALUES ({bad})")),
                    "{from:?} → {to:?} takes {bad}"
                );
            }
            target.execute("INSERT INTO item VALUES (7, 8, NULL)");
        }
    }
}

#[test]
fn a67_generated_columns_are_computed_by_the_target() {
    let sql = |stored: &str, other: &str, text: &str| {
        format!(
            "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, price INTEGER NOT NULL, amount INTEGER, name {text},
                 total INTEGER GENERATED ALWAYS AS (price * amount) {stored},
                 cheap INTEGER GENERATED ALWAYS AS (CASE WHEN price < 10 THEN 1 ELSE 0 END) {other},
                 label {text} GENERATED ALWAYS AS (coalesce(name, 'none')) {stored});
             INSERT INTO item (id, price, amount, name) VALUES (1, 5, 3, 'x'), (2, 50, NULL, NULL)"
        )
    };
    for (from, sql) in [
        (Sqlite, sql("STORED", "VIRTUAL", "VARCHAR(20)")),
        (Postgres, sql("STORED", "STORED", "VARCHAR(20)")),
        (Mariadb, sql("STORED", "VIRTUAL", "VARCHAR(20) COLLATE utf8mb4_nopad_bin")),
        (Mysql, sql("STORED", "VIRTUAL", "VARCHAR(20) COLLATE utf8mb4_0900_bin")),
    ] {
        if !from.at_hand() {
            continue;
        }
        for to in Engine::all() {
            let arrived = migrate(from, &sql, to).whole();
            let read = "SELECT id, total, cheap, label FROM item ORDER BY id";
            assert_eq!(arrived.source.query(read), arrived.target.query(read), "{from:?} → {to:?}");
            arrived.target.execute("UPDATE item SET price = 7, name = 'y' WHERE id = 1");
            let row: Vec<_> = arrived.target.query(read)[0].iter().map(|v| v.clone().unwrap()).collect();
            assert_eq!(row, ["1", "21", "1", "y"], "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a67_what_the_target_computes_has_to_be_what_the_source_has() {
    let sql = |factor: i64| {
        format!(
            "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, price INTEGER,
                 total INTEGER GENERATED ALWAYS AS (CASE WHEN price > 100 THEN price * {factor} ELSE price END) STORED)"
        )
    };
    for from in Engine::all() {
        let source = Db::fresh(from);
        source.execute(&sql(2));
        source.execute("INSERT INTO item (id, price) VALUES (1, 5), (7, 500), (8, NULL)");
        for to in Engine::all() {
            let target = Db::fresh(to);
            target.execute(&sql(3));
            let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
            assert_eq!(ran.code, 5, "{from:?} → {to:?}: {ran}");
            let said = ran.stderr.as_str();
            assert!(said.contains("\"total\"") && said.contains("id=7"), "{from:?} → {to:?}: {ran}");
            assert!(!said.contains("id=1") && !said.contains("500"), "{from:?} → {to:?}: {ran}");
            assert_eq!(target.value("SELECT count(*) FROM item").unwrap(), "0", "{from:?} → {to:?}");

            let target = Db::fresh(to);
            target.execute(&sql(2));
            let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
            assert!(ran.code <= 1, "{from:?} → {to:?}: {ran}");
            assert_eq!(target.value("SELECT total FROM item WHERE id = 7").unwrap(), "1000");
        }
    }
}

#[test]
fn a68_defaults_give_the_same_values() {
    let sql = "CREATE TABLE item (id INTEGER PRIMARY KEY, blank TEXT DEFAULT '', quote TEXT DEFAULT 'it''s',
                   word TEXT DEFAULT 'null', none TEXT DEFAULT NULL, at DATETIME DEFAULT (datetime('now')),
                   day DATE DEFAULT CURRENT_DATE, folded TEXT DEFAULT (lower('X')), n INTEGER DEFAULT -5,
                   r REAL DEFAULT 1.5e3, flag BOOLEAN NOT NULL DEFAULT 1, back TEXT DEFAULT 'a\\b',
                   short VARCHAR(20) DEFAULT '%s {0} $1', bytes BLOB DEFAULT x'00ff')";
    for to in Engine::all() {
        let arrived = migrate(Sqlite, sql, to).whole();
        for db in [&arrived.source, &arrived.target] {
            db.execute("INSERT INTO item (id) VALUES (1)");
        }
        let hex = if to == Postgres { "upper(encode(bytes, 'hex'))" } else { "hex(bytes)" };
        let columns = "blank, quote, word, none, folded, n, back, short";
        let read = format!("SELECT {columns} FROM item");
        assert_eq!(arrived.source.query(&read), arrived.target.query(&read), "{to:?}");
        assert_eq!(arrived.target.value(&format!("SELECT {hex} FROM item")).unwrap(), "00FF");
        let truth = "SELECT count(*) FROM item WHERE r = 1500 AND at IS NOT NULL AND day = CURRENT_DATE";
        assert_eq!(arrived.target.value(truth).unwrap(), "1", "{to:?}");
        assert!(matches!(arrived.target.value("SELECT flag FROM item").as_deref(), Some("1" | "t")));
    }
}

#[test]
fn a69_a_truth_value_as_the_default_of_a_number_becomes_0() {
    let sql = "CREATE TABLE setting (id INTEGER PRIMARY KEY, enabled NUMERIC DEFAULT false, other NUMERIC DEFAULT true);
               INSERT INTO setting (id) VALUES (1)";
    for to in Engine::all() {
        let target = migrate(Sqlite, sql, to).done().target;
        target.execute("INSERT INTO setting (id) VALUES (2)");
        let rows = target.query("SELECT id FROM setting WHERE enabled = 0 AND other = 1 ORDER BY id");
        assert_eq!(rows.len(), 2, "{to:?}");
    }
}

#[test]
fn a71_triggers_are_listed_and_never_fire() {
    let tables = "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, n INTEGER);
                  CREATE TABLE audit (id INTEGER NOT NULL PRIMARY KEY, what VARCHAR(20));";
    let rows = "INSERT INTO item VALUES (1, 10), (2, 20); DELETE FROM audit WHERE id > 1;";
    let sources = [
        (
            Sqlite,
            format!(
                "{tables} CREATE TRIGGER watch AFTER INSERT ON item
                 BEGIN INSERT INTO audit VALUES (new.id, 'inserted'); END; {rows}"
            ),
        ),
        (
            Postgres,
            format!(
                "{tables} CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO audit VALUES (new.id, 'inserted'); RETURN new; END $$;
                 CREATE TRIGGER watch AFTER INSERT ON item FOR EACH ROW EXECUTE FUNCTION note(); {rows}"
            ),
        ),
        (
            Mariadb,
            format!(
                "{tables} CREATE TRIGGER watch AFTER INSERT ON item FOR EACH ROW
                 INSERT INTO audit VALUES (new.id, 'inserted'); {rows}"
            ),
        ),
    ];
    let mysql = (Mysql, sources[2].1.clone());
    for (from, sql) in sources.iter().chain([&mysql]).filter(|(from, _)| from.at_hand()) {
        for to in Engine::all() {
            let arrived = migrate(*from, sql, to).done();
            let audit = arrived.target.query("SELECT id, what FROM audit");
            assert_eq!(audit, [[Some("1".into()), Some("inserted".to_owned())]], "{from:?} → {to:?}");
            assert_eq!(arrived.ran.code, 1, "{from:?} → {to:?}");
            let listed = arrived.findings("object_not_carried");
            let watch = listed.iter().find(|f| f["object"] == "watch" && f["kind"] == "trigger").unwrap();
            let text = watch["text"].as_str().unwrap();
            assert!(text.contains("AFTER INSERT"), "{from:?} → {to:?}: {text}");
        }
    }
}
