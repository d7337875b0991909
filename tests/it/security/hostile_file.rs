//! SQLite files that mean harm, and such that are damaged: whatever is done with them ends, in bounded time and
//! memory, with an answer or an error, and never by a fault of ours.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::binary::{self, Ran, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::database::{Db, Engine};

/// No more memory than this, in KiB: that of a value or two, not of a bomb.
const MEMORY: u64 = 1_500_000;

/// No longer than this, on a machine that the other tests load: some seconds are enough for what is no bomb.
const TIME: Duration = Duration::from_secs(150);

/// Runs in a folder of its own, which is to hold nothing afterwards but what may be there.
fn run(args: &[&str], may_leave: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args(args);
    let begun = Instant::now();
    let ran = Running::start(command).end();
    assert!(begun.elapsed() < TIME, "{args:?} took {:?}\n{ran}", begun.elapsed());
    assert!(ran.peak_kib < MEMORY, "{args:?} took {} KiB\n{ran}", ran.peak_kib);
    assert!((0..=5).contains(&ran.code), "{args:?}: {ran}");
    for word in ["panicked", "fault in techcare-db", "internal"] {
        assert!(
            !ran.stderr.contains(word) && !ran.stdout.contains("\"kind\": \"internal\""),
            "{args:?}: {ran}"
        );
    }
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(may_leave.contains(&name.as_str()), "{args:?} left {name}\n{ran}");
    }
    ran
}

/// A file whose schema is full of work for whoever touches it.
fn bomb() -> Db {
    let db = Db::fresh(Engine::Sqlite);
    let loot = db.path().with_file_name("loot.db");
    db.execute(&format!(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO users VALUES (1, 'a'), (2, 'b');
         CREATE TABLE big (id INTEGER PRIMARY KEY, a TEXT,
             v TEXT GENERATED ALWAYS AS (hex(zeroblob(50000000 + id))) VIRTUAL,
             w TEXT GENERATED ALWAYS AS (printf('%.*c', 100000000, a)) VIRTUAL);
         INSERT INTO big (id, a) VALUES (1, 'x'), (2, 'y'), (3, 'z');
         CREATE TABLE checked (id INTEGER PRIMARY KEY, a TEXT CONSTRAINT c CHECK (length(a) < 100));
         INSERT INTO checked VALUES (1, 'x'), (2, 'y'), (3, 'z');
         CREATE INDEX ix ON checked (lower(a));
         CREATE VIEW forever AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
         CREATE VIEW deep AS SELECT (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
             SELECT count(*) FROM n) AS c FROM users;
         CREATE VIEW one AS SELECT 1 AS x; CREATE VIEW two AS SELECT * FROM one;
         CREATE VIEW loads AS SELECT load_extension('{loot}') AS x;
         CREATE VIEW diagnostics AS SELECT * FROM forever;
         CREATE TRIGGER tr AFTER INSERT ON users BEGIN
             INSERT INTO users SELECT NULL, i FROM forever; END;
         CREATE TRIGGER tu AFTER UPDATE ON checked BEGIN DELETE FROM users; END;
         CREATE VIRTUAL TABLE ft USING fts5 (body);",
        loot = loot.display()
    ));
    let file = db.sqlite();
    // What SQLite itself would not take: views in a circle, and conditions that cost a second a row.
    file.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE VIEW one AS SELECT * FROM two' WHERE name = 'one';
         UPDATE sqlite_schema SET sql = 'CREATE TABLE checked (id INTEGER PRIMARY KEY, a TEXT CONSTRAINT c CHECK
             (length(hex(zeroblob(50000000 + id))) > length(a)))' WHERE name = 'checked';
         UPDATE sqlite_schema SET sql = 'CREATE INDEX ix ON checked (length(hex(zeroblob(50000000 + id))))'
             WHERE name = 'ix';
         INSERT INTO sqlite_schema VALUES ('trigger', 't2', 'users', 0, 'CREATE TRIGGER t2 AFTER DELETE ON users
             BEGIN SELECT load_extension(''x''); END');",
    )
    .unwrap();
    db
}

#[test]
fn a_file_that_means_harm_does_none() {
    let source = bomb();
    let url = &source.url;
    run(&["detect", "--database", url], &[]);
    run(&["check", "--database", url], &[]);
    run(&["schema", "status", "--database", url], &[]);
    for engine in Engine::all() {
        run(&["check", "--database", url, "--target", &Db::fresh(engine).url], &[]);
    }
    // A migration proves views by their rows, so one that never ends keeps it until Ctrl-C.
    source.execute("DROP VIEW forever; DROP VIEW deep; DROP VIEW diagnostics");
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        run(&["check", "--database", url, "--target", &target.url], &[]);
        run(
            &["migrate", "--no-backup", "--source", url, "--target", &target.url, "--exclude", "big,checked"],
            &["history", "reports"],
        );
    }
    run(
        &["migrate", "--no-backup", "--source", url, "--target", "all.db"],
        &["history", "reports", "all.db"],
    );
    run(
        &["migrate", "--no-backup", "--source", url, "--target", "orm.db", "--loader", "seaorm"],
        &["history", "reports", "orm.db"],
    );
    // Such a file is no target either.
    let plain = crate::bad_input::small();
    run(&["migrate", "--no-backup", "--source", &plain.url, "--target", url], &["history", "reports"]);
    let after = source.query("SELECT name FROM users ORDER BY id");
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(!source.path().with_file_name("loot.db").exists());
}

/// A small file of every kind of page, whose pages are small too, so that a blow hits something.
fn whole() -> Vec<u8> {
    let db = Db::fresh(Engine::Sqlite);
    db.execute(
        "PRAGMA page_size = 512; PRAGMA auto_vacuum = FULL;
         CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(40) NOT NULL UNIQUE, at DATETIME,
             score NUMERIC(8,2) DEFAULT 1.5 CHECK (score >= 0), raw BLOB);
         CREATE TABLE visit (person_id INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE, n INTEGER NOT NULL,
             note TEXT COLLATE NOCASE, PRIMARY KEY (person_id, n)) WITHOUT ROWID;
         CREATE INDEX ix ON people (lower(name), score DESC) WHERE score > 1;
         CREATE VIEW v AS SELECT name FROM people;
         CREATE TRIGGER t AFTER DELETE ON people BEGIN SELECT 1; END;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
         INSERT INTO people SELECT i, 'person ' || i, '2024-05-21 10:00:00.000000', i / 4.0, zeroblob(i * 20) FROM n;
         INSERT INTO visit SELECT id, id % 5, hex(raw) FROM people;
         DELETE FROM people WHERE id % 11 = 0",
    );
    std::fs::read(db.path()).unwrap()
}

/// The same file with one thing wrong.
fn damaged(whole: &[u8], chance: &mut Chance) -> (String, Vec<u8>) {
    let mut bytes = whole.to_vec();
    let length = whole.len() as u64;
    let place = |chance: &mut Chance, below: u64| usize::try_from(chance.below(below)).unwrap();
    let what = match chance.below(6) {
        0 => {
            let at = place(chance, length);
            bytes[at] ^= 1 << chance.below(8);
            format!("a bit of byte {at} flipped")
        }
        1 => {
            // The head of the file and the schema.
            let at = place(chance, 2048);
            bytes[at] ^= 1 << chance.below(8);
            format!("a bit of byte {at} flipped")
        }
        2 => {
            let at = place(chance, length - 32);
            bytes[at..at + 32].iter_mut().for_each(|byte| *byte = chance.below(256).try_into().unwrap());
            format!("32 bytes of chance at {at}")
        }
        3 => {
            let cut = 1 + place(chance, length - 1);
            bytes.truncate(cut);
            format!("cut at {cut}")
        }
        4 => {
            let at = place(chance, length / 512) * 512;
            bytes[at..at + 512].fill(0);
            format!("page at {at} zeroed")
        }
        _ => {
            let kept = [16, 100, 512][place(chance, 3)];
            bytes.truncate(kept);
            bytes.resize(kept + 4096, 0);
            format!("only the first {kept} bytes are left")
        }
    };
    (what, bytes)
}

#[test]
fn damaged_files_end_in_an_answer_or_an_error() {
    let (whole, seed) = (whole(), seed());
    let variants = if is_nightly() { 5_000 } else { 200 };
    let next = AtomicU64::new(0);
    let worker = || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("damaged.db");
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= variants {
                return;
            }
            let (what, bytes) = damaged(&whole, &mut Chance(seed.wrapping_add(number)));
            std::fs::write(&file, &bytes).unwrap();
            let path = file.to_str().unwrap();
            let tried = std::panic::catch_unwind(|| {
                match number % 4 {
                    0 => run(&["detect", "--database", path], &[]),
                    1 => run(&["check", "--database", path], &[]),
                    2 => run(
                        &["migrate", "--no-backup", "--source", path, "--target", "new.db"],
                        &["history", "reports", "new.db"],
                    ),
                    _ => run(
                        &["migrate", "--source", path, "--target", "mysql", "--dump", "new.sql"],
                        &["new.sql"],
                    ),
                };
                only_changed_by_nobody(&file, &bytes);
            });
            assert!(tried.is_ok(), "variant {number} of seed {seed}: {what}");
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

fn only_changed_by_nobody(file: &Path, bytes: &[u8]) {
    assert!(std::fs::read(file).unwrap() == bytes, "the file was written to");
}

/// What a column was stands in a comment, which anybody may write who may write the file.
#[test]
fn nothing_that_a_comment_says_of_a_column_is_run() {
    let origin = |product: &str, native: &str, more: &str| {
        format!(
            r#"{{"product":"{product}","type":"{native}","holds":{{"text":{{"max_chars":null,"fixed":false}}}},{more}"now":"TEXT"}}"#
        )
    };
    let domain = r#""domain":{"name":"d"},"types":[{"other":{"name":"d","definition":"CREATE DOMAIN d AS text; CREATE TABLE evil (x integer)"}}],"#;
    let collation = r#""collation":{"name":"utf8mb4_bin, evil int","case_insensitive":true,"accent_insensitive":false,"pads":false},"#;
    for (product, engine, native, more) in [
        ("postgresql", Engine::Postgres, "inet() DEFAULT 'x', evil integer", ""),
        ("postgresql", Engine::Postgres, "inet()); CREATE TABLE evil (x integer", ""),
        ("postgresql", Engine::Postgres, "text", domain),
        ("mysql", Engine::Mysql, "text DEFAULT 'x', evil int", ""),
        ("mysql", Engine::Mysql, "text", collation),
        ("mariadb", Engine::Mariadb, "text DEFAULT 'x', evil int", ""),
        ("mariadb", Engine::Mariadb, "text", collation),
    ] {
        if !engine.at_hand() {
            continue;
        }
        let (db, target) = (Db::fresh(Engine::Sqlite), Db::fresh(engine));
        let comment = origin(product, native, more);
        db.execute(&format!(
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a TEXT /* techcare-db was: {comment} */\n);
             INSERT INTO t VALUES (1, 'x')"
        ));
        let ran = binary::migrate(&db.url, &target.url, &[]);
        assert!(ran.code <= 1, "{comment}: {ran}");
        let here = if engine == Engine::Postgres { "current_schema()" } else { "DATABASE()" };
        let named = format!(
            "SELECT count(*) FROM information_schema.columns
             WHERE table_schema = {here} AND (table_name = 'evil' OR column_name = 'evil')"
        );
        assert_eq!(target.value(&named).as_deref(), Some("0"), "{comment}");
        assert_eq!(target.query("SELECT id, a FROM t"), db.query("SELECT id, a FROM t"), "{comment}");
    }
}
