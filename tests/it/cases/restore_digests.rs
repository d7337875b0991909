//! What the manifest of a dump of MySQL or MariaDB says of the rows in it, and who is refused by that. The judges are the
//! archive of the same database, which is read by other means, and the server.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use techcare_db::model::value::format_hex;

use super::restore_programs::{Case, engines};
use crate::support::content;
use crate::support::database::{Db, Engine};

fn hex(bytes: &[u8]) -> String {
    format_hex(&Sha256::digest(bytes))
}

/// Changes a backup that is not packed, and its manifest so that everything about the file is right again.
pub fn forge(backup: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let before = std::fs::read(backup).unwrap();
    let after = change(before.clone());
    assert_ne!(after, before);
    std::fs::write(backup, &after).unwrap();
    rewrite(backup, |manifest| {
        for part in ["", "unpacked_"] {
            manifest[format!("{part}bytes")] = after.len().into();
            manifest[format!("{part}sha256")] = hex(&after).into();
        }
    });
}

/// Gives a backup the manifest of before its tables were told.
pub fn untold(backup: &Path) {
    rewrite(backup, |manifest| {
        manifest["verified"] = "bytes".into();
        manifest["tables"] = Vec::<String>::new().into();
    });
}

fn rewrite(backup: &Path, change: impl Fn(&mut serde_json::Value)) {
    const SEAL: &str = ",\n  \"manifest_sha256\": \"";
    let path = PathBuf::from(format!("{}.json", backup.display()));
    let text = std::fs::read_to_string(&path).unwrap();
    let (body, _) = text.rsplit_once(SEAL).unwrap();
    let mut manifest = serde_json::from_str(&format!("{body}\n}}")).unwrap();
    change(&mut manifest);
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    let body = text.strip_suffix("\n}").unwrap();
    std::fs::write(path, format!("{body}{SEAL}{}\"\n}}\n", hex(body.as_bytes()))).unwrap();
}

/// A value of each type, with what is hard about it in a script.
fn every_type(engine: Engine) -> Case {
    let case = Case::new(engine);
    let db = &case.db;
    let own = if engine == Engine::Mariadb {
        "u uuid, i inet6, h int INVISIBLE DEFAULT 5"
    } else {
        "u vector(2), i json, h int DEFAULT 5 INVISIBLE"
    };
    db.execute(&format!(
        "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+03:00';
         CREATE TABLE `a ``b` (id bigint unsigned PRIMARY KEY, t tinyint(1), z int(6) unsigned zerofill, d decimal(30,10), f float,
           g double, y year, dt date, ti time(6), at datetime(6), ts timestamp(3) NULL, c char(5), v varchar(100), l varchar(50)
           CHARACTER SET latin1, x longtext, b blob, vb varbinary(20), fb binary(4), bi bit(10), e enum('a','it''s',''),
           s set('p','q'), j json, made int GENERATED ALWAYS AS (f * 2) STORED, {own}) DEFAULT CHARSET utf8mb4;
         CREATE TABLE nothing (id int PRIMARY KEY); CREATE TABLE keyless (n int, body text);
         INSERT INTO keyless VALUES (1, 'same'), (1, 'same'), (NULL, NULL), (2, 'NULL');
         CREATE TABLE zero (id int PRIMARY KEY, d date); INSERT INTO zero VALUES (1, '0000-00-00'), (2, '2026-01-01')"
    ));
    db.execute(
        "SET SESSION time_zone = '+03:00';
         INSERT INTO `a ``b` (id, t, z, d, f, g, y, dt, ti, at, ts, c, v, l, x, b, vb, fb, bi, e, s, j) VALUES
           (18446744073709551615, 1, 42, -12345678901234567890.0123456789, 0.5, 2.2250738585072014e-308, 2155, '9999-12-31',
            '-838:59:58.000001', '1000-01-01 00:00:00.000001', '2038-01-19 05:14:07.999', ' é ', 'it''s; ), (\\\\ \\n\\r\\t\\0\\Z \"`', 'ÿ€',
            '😀 -- ; /* \\n(1);\\n', unhex('00ff275c0a1a22'), '', 'ab', b'1000000001', 'it''s', 'p,q', '{\"a\": [1.5, \"é\\\\n\", null]}');
         INSERT INTO `a ``b` (id) VALUES (0); CREATE TABLE place (id int PRIMARY KEY, p point);
         INSERT INTO place VALUES (1, ST_GeomFromText('POINT(1 2.5)')), (2, NULL)",
    );
    case
}

#[test]
fn a90_a_dump_has_the_digests_that_an_archive_has() {
    for engine in engines() {
        let case = every_type(engine);
        let (home, db) = (&case.home, &case.db);
        let sums = || db.query("CHECKSUM TABLE `a ``b`, keyless, place, zero");
        let before = sums();
        let tables = |form: &str, more: &[&str]| {
            let ran = case.run(&[&["backup", "--database", &db.url, "--method", form], more].concat());
            assert_eq!(ran.code, 0, "{ran}");
            let document = ran.json();
            (home.0.path().join(document["backup"].as_str().unwrap()), document["tables"].clone())
        };
        let (_, portable) = tables("portable", &[]);
        for packing in ["zstd", "none"] {
            let (backup, native) = tables("native", &["--compress", packing]);
            assert_eq!(native, portable, "{engine:?}, {packing}");
            let digests = native.as_array().unwrap().iter().map(|table| !table["digest"].is_null());
            // A date of no calendar is a value that no migration takes.
            assert_eq!(digests.collect::<Vec<_>>(), [true, true, true, true, false], "{native}");
            let verified = case.run(&["backup", "--verify", backup.to_str().unwrap()]);
            assert_eq!(verified.code, 0, "{verified}");
            db.execute("DELETE FROM keyless; UPDATE `a ``b` SET v = 'changed'");
            let ran = case.restore(&backup, &["--no-backup"]);
            assert_eq!(ran.code, 0, "{engine:?}, {packing}: {ran}");
            assert_eq!(sums(), before, "{engine:?}, {packing}");
        }
    }
}

#[test]
fn a90_a_value_that_was_changed_in_a_dump_is_found_before_the_switch() {
    for engine in engines() {
        let case = Case::new(engine);
        let db = &case.db;
        db.execute(
            "CREATE TABLE account (id int PRIMARY KEY, owner varchar(20), balance decimal(10,2));
             INSERT INTO account VALUES (1, 'ana', 100.00), (2, 'rui', 200.00)",
        );
        for (from, to, code, word) in [
            // As many rows as before: only the digest knows.
            ("'rui',200.00", "'rui',900.00", 5, "rows of table \"account\" are others"),
            (",(2,'rui',200.00)", "", 4, "1 rows instead of 2"),
            ("'ana'", "'aná'", 5, "rows of table \"account\" are others"),
        ] {
            db.execute("UPDATE account SET balance = 100 * id, owner = IF(id = 1, 'ana', 'rui')");
            let ran =
                case.run(&["backup", "--database", &db.url, "--method", "native", "--compress", "none"]);
            assert_eq!(ran.code, 0, "{ran}");
            let backup = case.home.0.path().join(ran.json()["backup"].as_str().unwrap());
            db.execute("UPDATE account SET balance = 5");
            let used = rows(db);
            forge(&backup, |bytes| {
                let text = String::from_utf8(bytes).unwrap().replace(",\n(", ",(");
                text.replace(from, to).into_bytes()
            });
            let verified = case.run(&["backup", "--verify", backup.to_str().unwrap()]);
            assert_eq!(verified.code, if code == 4 { 4 } else { 0 }, "{from}: {verified}");
            let ran = case.restore(&backup, &["--no-backup"]);
            assert_eq!(ran.code, code, "{engine:?}, {from}: {ran}");
            assert!(ran.stderr.contains(word), "{engine:?}, {from}: {ran}");
            assert!(rows(db) == used, "{engine:?}, {from}: {ran}");
            assert_eq!(db.marked("techcare_db_"), Vec::<String>::new(), "{engine:?}, {from}");
        }
    }
}

/// When a row came the server says anew.
#[test]
fn a90_times_of_rows_are_no_part_of_what_is_compared() {
    let case = Case::new(Engine::Mariadb);
    let db = &case.db;
    db.execute(
        "CREATE TABLE told (id int PRIMARY KEY, v varchar(9), since timestamp(6) GENERATED ALWAYS AS ROW START,
           till timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, till)) WITH SYSTEM VERSIONING;
         INSERT INTO told (id, v) VALUES (1, 'a'), (2, 'b')",
    );
    let backup = case.backup();
    db.execute("DELETE FROM told");
    let ran = case.restore(&backup, &["--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(db.value("SELECT group_concat(v ORDER BY id) FROM told").as_deref(), Some("a,b"));
}

/// Six digits of a number are not the number.
#[test]
fn a90_numbers_that_a_dump_would_cut_are_in_an_archive() {
    for engine in engines() {
        let case = Case::new(engine);
        let db = &case.db;
        db.execute(
            "CREATE TABLE m (id int PRIMARY KEY, f float); INSERT INTO m VALUES (1, 0.1), (2, 16777217)",
        );
        let cut = db.value("SELECT f + 0e0 FROM m WHERE id = 2");
        let refused = case.run(&["backup", "--database", &db.url, "--method", "native"]);
        assert_eq!(refused.code, 4, "{engine:?}: {refused}");
        assert!(refused.stderr.contains("column \"f\" of table \"m\""), "{refused}");
        let ran = case.run(&["backup", "--database", &db.url]);
        assert_eq!(ran.code, 0, "{ran}");
        let backup = case.home.0.path().join(ran.json()["backup"].as_str().unwrap());
        assert_eq!(backup.extension().unwrap(), "tcdb");
        db.execute("DELETE FROM m");
        let ran = case.restore(&backup, &["--no-backup"]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        assert_eq!(db.value("SELECT f + 0e0 FROM m WHERE id = 2"), cut);
        // What six digits hold is no obstacle.
        db.execute("DELETE FROM m WHERE id = 2");
        assert_eq!(case.backup().extension().unwrap(), "zst");
    }
}

/// Every row of the database.
fn rows(db: &Db) -> String {
    format!("{:?}", content::read(db))
}
