//! A90 with the servers' own dumps: what `pg_dump` or `mariadb-dump` wrote is put back, and what the same program says of the
//! database afterwards is, to the letter, what it said before. Programs of the servers are the judge.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::rollback::{Home, ours};
use crate::support::binary::{self, Running};
use crate::support::chance::{Chance, is_nightly, seed};
use crate::support::client;
use crate::support::content;
use crate::support::database::{self, Db, Engine};

/// Kills of one engine by day and by night.
const KILLS: (u64, u64) = (20, 1_000);

/// What the server's own program says of a database, without what names the moment.
fn told(db: &Db) -> String {
    let mut dump;
    if db.engine == Engine::Postgres {
        dump = Command::new("pg_dump");
        dump.args(["--schema=public", &db.url]);
    } else {
        dump = client::mariadb_dump(&db.url);
        dump.args(["--skip-comments", "--skip-extended-insert", "--hex-blob", "--routines", "--events"]);
    }
    let done = dump.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    let notes = ["--", "\\restrict", "\\unrestrict"];
    let lines = text.lines().filter(|line| !line.is_empty() && !notes.iter().any(|n| line.starts_with(n)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A database with what a migration to another engine would not carry.
fn filled(engine: Engine, rows: u32) -> Db {
    let db = Db::fresh(engine);
    if engine == Engine::Postgres {
        db.execute(&format!(
            "CREATE EXTENSION citext;
             CREATE TYPE mood AS ENUM ('good', 'b\\ad', 'it''s');
             CREATE DOMAIN positive AS int CHECK (value > 0);
             CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql
               AS $$ BEGIN NEW.note := coalesce(NEW.note, '') || ' -- public.users;'; RETURN NEW; END $$;
             CREATE TABLE users (id serial PRIMARY KEY, name citext UNIQUE, mood mood DEFAULT 'good', n positive DEFAULT 7,
               note text, twice int GENERATED ALWAYS AS (n * 2) STORED);
             COMMENT ON TABLE users IS 'public.users; -- not; a ''statement''';
             CREATE TABLE visits (id int GENERATED ALWAYS AS IDENTITY (START WITH 100), user_id int NOT NULL REFERENCES users
               ON DELETE CASCADE, at timestamptz NOT NULL DEFAULT '2026-11-29 01:02:03+00', raw bytea, PRIMARY KEY (id, at))
               PARTITION BY RANGE (at);
             CREATE TABLE visits_all PARTITION OF visits DEFAULT;
             CREATE FUNCTION counted(who int) RETURNS bigint LANGUAGE sql STABLE
               BEGIN ATOMIC SELECT count(*) FROM visits WHERE user_id = who; SELECT count(*) FROM visits; END;
             CREATE FUNCTION everybody() RETURNS SETOF users LANGUAGE sql AS 'SELECT * FROM public.users';
             CREATE INDEX few ON users (lower(name::text)) WHERE mood = 'good';
             CREATE SEQUENCE tickets START WITH 50; SELECT nextval('tickets'), nextval('tickets');
             CREATE VIEW happy AS SELECT id, name, counted(id) FROM users WHERE mood = 'good';
             CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM users;
             INSERT INTO users (name, mood) SELECT 'u' || i, (ARRAY['good', 'b\\ad', 'it''s', NULL])[i % 4 + 1]::mood
               FROM generate_series(1, {rows}) i;
             INSERT INTO users (name, note) VALUES (E'\\\\.', E'\\\\.\\n--\\n-- Name: x; Type: TABLE; Schema: public; Owner: y\\n\\t');
             INSERT INTO visits (user_id, raw) SELECT id, decode(md5(name), 'hex') FROM users;
             CREATE TRIGGER note BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION noted();
             REFRESH MATERIALIZED VIEW total; GRANT SELECT ON users TO PUBLIC",
        ));
    } else {
        db.execute(&format!(
            "CREATE TABLE users (id int AUTO_INCREMENT PRIMARY KEY, name varchar(60) CHARACTER SET utf8mb4 UNIQUE,
               twice int GENERATED ALWAYS AS (char_length(name) * 2) STORED, photo blob, at timestamp NULL,
               touched datetime DEFAULT current_timestamp() ON UPDATE current_timestamp(), kind enum('a', 'it''s; (', 'c'))
               COMMENT 'VALUES (1), (2); -- not a ''statement''';
             CREATE TABLE visits (id int AUTO_INCREMENT PRIMARY KEY, user_id int, d date,
               CONSTRAINT visitor FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE) AUTO_INCREMENT = 5000;
             INSERT INTO users (name, photo, touched, kind) SELECT concat('u', a.n, '-', b.n), unhex(md5(a.n * b.n)), '2026-11-29 01:02:03', 'a'
               FROM (WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 100) SELECT n FROM a) a,
                    (WITH RECURSIVE b(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM b WHERE n < {}) SELECT n FROM b) b;
             INSERT INTO users (name, photo, at, touched) VALUES ('it''s; VALUES (1)\\\\', NULL, '2026-11-29 01:02:03', NULL),
               ('-- \\n/* \"`', '', NULL, '2020-01-01 00:00:00');
             INSERT INTO visits (user_id, d) SELECT id, '2024-02-29' FROM users;
             CREATE VIEW some AS SELECT id, name FROM users; CREATE VIEW a_few AS SELECT * FROM some WHERE id < 10",
            rows.div_ceil(100)
        ));
    }
    db
}

/// What the application does between the backup and the day that it is needed.
fn use_it(db: &Db) {
    db.execute(
        "DELETE FROM visits; UPDATE users SET name = concat('changed ', id); CREATE TABLE later (id int NOT NULL PRIMARY KEY);
         INSERT INTO later VALUES (1)",
    );
    db.execute(if db.engine == Engine::Postgres {
        "DROP VIEW happy; DROP TRIGGER note ON users; ALTER TABLE users DROP COLUMN note; REVOKE SELECT ON users FROM PUBLIC;
         CREATE OR REPLACE FUNCTION everybody() RETURNS SETOF users LANGUAGE sql AS 'SELECT * FROM public.users LIMIT 1';
         CREATE TABLE seen (user_id int REFERENCES users)"
    } else {
        "DROP VIEW a_few; ALTER TABLE users DROP COLUMN kind; CREATE VIEW newer AS SELECT * FROM later"
    });
}

/// What runs have staged and nobody has taken away.
fn staged(db: &Db) -> Vec<String> {
    if db.engine == Engine::Postgres {
        return ours(db).into_iter().filter(|name| !name.starts_with("techcare_db_kept_")).collect();
    }
    let own = db.query("SHOW TABLES LIKE 'techcare\\_db\\_%'").into_iter().flatten().flatten();
    own.chain(db.marked("techcare_db_stage_")).collect()
}

fn put_back_and_taken_back(engine: Engine) {
    let (home, db) = (Home::new(), filled(engine, 300));
    let before = told(&db);
    let backup = home.backup(&db, &["--method", "native"]);
    use_it(&db);
    let used = told(&db);
    assert_ne!(used, before);

    let dry = home.restore(&db, &backup, &["--dry-run"]);
    assert_eq!(dry.code, 0, "{dry}");
    let asked = home.restore(&db, &backup, &[]);
    assert_eq!(asked.code, 4, "{asked}");
    assert!(asked.stderr.contains("--yes") && asked.stderr.contains("later"), "{asked}");
    assert!(told(&db) == used && staged(&db).is_empty(), "{engine:?}");

    let ran = home.restore(&db, &backup, &["--yes"]);
    assert_eq!(ran.code, 0, "{ran}");
    same(&told(&db), &before);
    assert_eq!((ours(&db).len(), staged(&db)), (1, vec![]), "{ran}");
    assert!(home.backups().iter().any(|b| b.contains("rollback")), "{:?}", home.backups());

    let run = ran.json()["run_id"].as_str().unwrap().to_owned();
    let back = home.rollback(&db, &["--yes", "--run", &run]);
    assert_eq!(back.code, 0, "{back}");
    same(&told(&db), &used);
    let latest = home.rollback(&db, &["--backup", "latest", "--no-backup", "--yes"]);
    assert_eq!(latest.code, 0, "{latest}");
    same(&told(&db), &before);
    assert_eq!(staged(&db), Vec::<String>::new());
}

/// Shows the lines that differ, not two whole dumps.
fn same(is: &str, should: &str) {
    let only = |a: &str, b: &str| {
        let there: std::collections::HashSet<&str> = b.lines().collect();
        a.lines().filter(|line| !there.contains(line)).take(20).collect::<Vec<_>>().join("\n")
    };
    assert!(is == should, "only now:\n{}\nonly before:\n{}", only(is, should), only(should, is));
}

#[test]
fn a90_a_dump_of_postgres_is_put_back_and_taken_back() {
    put_back_and_taken_back(Engine::Postgres);
}

#[test]
fn a90_a_dump_of_mariadb_is_put_back_and_taken_back() {
    put_back_and_taken_back(Engine::Mariadb);
}

/// A server that has never seen it, but for what a dump takes for granted.
#[test]
fn a90_a_dump_is_restored_where_there_is_nothing() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let (home, db, clean) = (Home::new(), filled(engine, 40), Db::fresh(engine));
        let backup = home.backup(&db, &["--method", "native", "--compress", "none"]);
        let refused = home.restore(&clean, &backup, &["--yes"]);
        assert_eq!(refused.code, 4, "{refused}");
        let args = ["--yes", "--from-other-database"];
        if engine == Engine::Postgres {
            let refused = home.restore(&clean, &backup, &args);
            assert_eq!(refused.code, 4, "{refused}");
            assert!(refused.stderr.contains("CREATE EXTENSION \"citext\""), "{refused}");
            clean.execute("CREATE EXTENSION citext");
        }
        let ran = home.restore(&clean, &backup, &args);
        assert_eq!(ran.code, 0, "{ran}");
        same(&told(&clean), &told(&db));
        assert_eq!((ours(&clean), staged(&clean)), (vec![], vec![]), "{engine:?}");
        let run = ran.json()["run_id"].as_str().unwrap().to_owned();
        assert_eq!(home.rollback(&clean, &["--yes", "--run", &run]).code, 0);
        let tables = if engine == Engine::Postgres { "public" } else { clean.name() };
        let left = format!("SELECT count(*) FROM information_schema.tables WHERE table_schema = '{tables}'");
        assert_eq!(clean.value(&left).as_deref(), Some("0"), "{engine:?}");
    }
}

/// Owners and rights come back; of roles that this server does not have it is said what they had.
#[test]
fn a90_a_dump_of_postgres_gives_back_owners_and_rights() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Postgres));
    let name = |what: &str| format!("{}_{what}", db.name());
    let (owner, reader, gone) = (name("owner"), name("reader"), name("gone"));
    let server = |sql: &str| database::execute(Engine::Postgres, &Engine::Postgres.server(), sql);
    for role in [&owner, &reader, &gone] {
        server(&format!("CREATE ROLE {role}"));
    }
    db.execute(&format!(
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO {owner};
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO {owner};
         GRANT SELECT ON t TO {reader}; GRANT INSERT (id) ON t TO {gone}"
    ));
    let before = told(&db);
    let backup = home.backup(&db, &["--method", "native"]);
    db.execute(&format!(
        "DROP OWNED BY {gone}; ALTER TABLE t OWNER TO CURRENT_USER; REVOKE ALL ON t FROM {reader}"
    ));
    server(&format!("DROP ROLE {gone}"));
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    let after = told(&db);
    db.execute("DROP TABLE t; DROP FUNCTION f()");
    for schema in ours(&db) {
        db.execute(&format!("DROP SCHEMA {schema} CASCADE"));
    }
    server(&format!("DROP ROLE {owner}; DROP ROLE {reader}"));
    assert_eq!(ran.code, 0, "{ran}");
    let notes = ran.json()["notes"].to_string();
    assert!(notes.contains(&gone) && notes.contains("GRANT INSERT"), "{ran}");
    let without = |text: &str| text.lines().filter(|l| !l.contains(&gone)).collect::<Vec<_>>().join("\n");
    same(&after, &without(&before));
}

/// What a switch cannot lead elsewhere is named before anything is saved or loaded, and nothing has changed.
#[test]
fn a90_a_dump_of_postgres_is_refused_where_others_hold_on() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Postgres));
    db.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
    let backup = home.backup(&db, &["--method", "native"]);
    for (make, word, drop) in [
        (
            "CREATE SCHEMA other; CREATE VIEW other.v AS SELECT * FROM t",
            "view other.v",
            "DROP SCHEMA other CASCADE",
        ),
        (
            "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int)",
            "operator",
            "DROP OPERATOR === (int, int)",
        ),
        ("CREATE PUBLICATION p FOR TABLE t", "publication", "DROP PUBLICATION p"),
    ] {
        db.execute(make);
        let used = told(&db);
        let ran = home.restore(&db, &backup, &["--yes"]);
        assert_eq!(ran.code, 4, "{word}: {ran}");
        assert!(ran.stderr.contains(word), "{word}: {ran}");
        assert!(told(&db) == used && ours(&db).is_empty() && home.backups().len() == 1, "{word}");
        db.execute(drop);
    }
    // A foreign key from elsewhere is led to the table that comes back.
    db.execute(
        "CREATE SCHEMA other; CREATE TABLE other.c (id int REFERENCES t); INSERT INTO other.c VALUES (1)",
    );
    let ran = home.restore(&db, &backup, &["--yes"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(db.refuses("INSERT INTO other.c VALUES (2)") && db.refuses("DELETE FROM t"), "{ran}");
}

/// Killed at moments that are drawn, the database is all old or all new, and the same command again makes it new.
fn killed(engine: Engine) {
    let seed = seed();
    let mut chance = Chance(seed);
    let (home, db) = (Home::new(), filled(engine, 3_000));
    let before = (told(&db), rows(&db));
    let backup = home.backup(&db, &["--method", "native"]);
    use_it(&db);
    let used = (told(&db), rows(&db));
    let mut span = 0;
    let (mut old, mut new) = (0, 0);
    for kill in 0..=if is_nightly() { KILLS.1 } else { KILLS.0 } {
        let mut command = binary::command(home.0.path());
        command.args(["--yes", "rollback", "--database", &db.url, "--no-backup", "--backup"]).arg(&backup);
        let begun = Instant::now();
        let running = Running::start(command);
        // The first is not killed: it says how long one takes.
        if kill > 0 {
            std::thread::sleep(Duration::from_micros(span / 8 + chance.below(span * 7 / 8)));
            running.signal("KILL");
        }
        let ran = running.end();
        if kill == 0 {
            span = u64::try_from(begun.elapsed().as_micros()).unwrap();
        }
        db.left_alone();
        let place = format!("TECHCARE_DB_TEST_SEED={seed}, {engine:?}, kill {kill}\n{ran}");
        // MySQL switches all tables at once; views are mended after that.
        let (is_new, is_old) = if engine == Engine::Postgres {
            let found = told(&db);
            (found == before.0, found == used.0)
        } else {
            let found = rows(&db);
            (found == before.1, found == used.1)
        };
        assert!(is_new || is_old, "neither old nor new: {place}");
        if is_new {
            new += 1;
        } else {
            old += 1;
        }
        let again = home.restore(&db, &backup, &["--yes", "--no-backup"]);
        assert_eq!(again.code, 0, "{place}\n{again}");
        same(&told(&db), &before.0);
        assert_eq!(staged(&db), Vec::<String>::new(), "{place}\n{again}");
        undo(&home, &db);
        // The next kill would notice as well, and asks a client program less.
        assert_eq!(rows(&db), used.1, "{place}");
        drop_kept(&db);
    }
    same(&told(&db), &used.0);
    eprintln!("{engine:?}: {old} killed before the switch, {new} after it");
}

/// All rows of the application's tables.
fn rows(db: &Db) -> String {
    format!("{:?}", content::read(db))
}

/// Takes every restore back that stands.
fn undo(home: &Home, db: &Db) {
    loop {
        let list = home.rollback(db, &["--list"]).json();
        let runs = list["runs"].as_array().unwrap();
        let run = runs.iter().find(|r| r["can_be_undone"] == true && r["command"] == "restore");
        let Some(run) = run else { return };
        let back = home.rollback(db, &["--yes", "--run", run["run_id"].as_str().unwrap()]);
        assert_eq!(back.code, 0, "{back}");
    }
}

fn drop_kept(db: &Db) {
    for kept in ours(db) {
        let kind = if db.engine == Engine::Postgres { "SCHEMA" } else { "DATABASE" };
        let more = if db.engine == Engine::Postgres { " CASCADE" } else { "" };
        database::execute(db.engine, &db.url, &format!("DROP {kind} {kept}{more}"));
    }
}

#[test]
fn a90_a_killed_restore_of_postgres_is_ended_by_the_next() {
    killed(Engine::Postgres);
}

#[test]
fn a90_a_killed_restore_of_mariadb_is_ended_by_the_next() {
    killed(Engine::Mariadb);
}

/// Ctrl-C while it is being built leaves the database as it was, and nothing beside it.
#[test]
fn a90_an_interrupted_restore_of_a_dump_leaves_nothing() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let (home, db) = (Home::new(), filled(engine, 20_000));
        let backup = home.backup(&db, &["--method", "native"]);
        use_it(&db);
        let used = told(&db);
        let mut command = binary::command(home.0.path());
        command.args(["--yes", "rollback", "--database", &db.url, "--no-backup", "--backup"]).arg(&backup);
        let running = Running::start(command);
        let begun = Instant::now();
        while staged(&db).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{engine:?}: nothing is staged");
            std::thread::sleep(Duration::from_millis(5));
        }
        running.signal("INT");
        let ran = running.end();
        assert_eq!(ran.code, 130, "{engine:?}: {ran}");
        db.left_alone();
        same(&told(&db), &used);
        assert_eq!((staged(&db), ours(&db)), (vec![], vec![]), "{engine:?}");
    }
}

/// A right that is missing is named with the statement that gives it, before anything is saved or loaded.
#[test]
fn a90_a_dump_is_refused_where_a_right_is_missing() {
    for (engine, fix) in
        [(Engine::Postgres, "GRANT CREATE ON DATABASE"), (Engine::Mariadb, "`techcare\\_db\\_%`.*")]
    {
        let (home, db) = (Home::new(), Db::fresh(engine));
        db.execute("CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
        let backup = home.backup(&db, &["--method", "native"]);
        let user = format!("{}_u", db.name());
        let (make, drop) = if engine == Engine::Postgres {
            (
                format!(
                    "CREATE ROLE {user} LOGIN; GRANT ALL ON SCHEMA public TO {user}; ALTER TABLE notes OWNER TO {user}"
                ),
                format!("DROP OWNED BY {user} CASCADE; DROP ROLE {user}"),
            )
        } else {
            (
                format!("CREATE USER {user}@'%'; GRANT ALL ON {}.* TO {user}@'%'", db.name()),
                format!("DROP USER {user}@'%'"),
            )
        };
        db.execute(&make);
        let url = db.url.replacen(
            if engine == Engine::Postgres { "postgres@" } else { "root@" },
            &format!("{user}@"),
            1,
        );
        let args = ["--yes", "--no-backup", "--from-other-database", "--backup", backup.to_str().unwrap()];
        let ran = home.run(&[&["rollback", "--database", &url][..], &args].concat());
        let rows = db.value("SELECT count(*) FROM notes");
        db.execute(&drop);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        assert!(ran.stderr.contains(fix), "{engine:?}: {ran}");
        assert_eq!((rows.as_deref(), staged(&db), ours(&db)), (Some("1"), vec![], vec![]), "{engine:?}");
    }
}

/// A table with a trigger cannot leave its database: it gives way under another name beside it, and comes back with its trigger.
#[test]
fn a90_a_table_with_a_trigger_gives_way_to_one_of_a_dump() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Mariadb));
    db.execute("CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO notes VALUES (1)");
    let before = rows(&db);
    let backup = home.backup(&db, &["--method", "native"]);
    // The name in quotes, as MariaDB writes it when it renames a table.
    db.execute(
        "CREATE TRIGGER more BEFORE INSERT ON `notes` FOR EACH ROW SET NEW.id = NEW.id + 1; INSERT INTO notes VALUES (5)",
    );
    let used = told(&db);
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(rows(&db) == before, "{ran}");
    let on_notes = "SELECT count(*) FROM information_schema.triggers
                    WHERE trigger_schema = database() AND event_object_table = 'notes'";
    assert_eq!(db.value(on_notes).as_deref(), Some("0"), "{ran}");
    undo(&home, &db);
    same(&told(&db), &used);
    assert_eq!(staged(&db), Vec::<String>::new());
}

/// Some releases of the program end every table with a COMMIT of its own and switch the others off: the rows stay.
#[test]
fn a90_a_dump_of_mariadb_that_commits_by_itself_keeps_its_rows() {
    let (home, db) = (Home::new(), filled(Engine::Mariadb, 20));
    let programs = tempfile::tempdir().unwrap();
    let program = programs.path().join("mariadb-dump");
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\nPATH='{path}'\nfirst=$1\nshift\nexec mariadb-dump \"$first\" --no-autocommit \"$@\"\n"
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = binary::command(home.0.path());
    command.env("PATH", format!("{}:{path}", programs.path().display()));
    command.args([
        "--format",
        "json",
        "backup",
        "--database",
        &db.url,
        "--method",
        "native",
        "--compress",
        "none",
    ]);
    let ran = Running::start(command).end();
    assert_eq!(ran.code, 0, "{ran}");
    let file = home.0.path().join(ran.json()["backup"].as_str().unwrap());
    let dump = std::fs::read_to_string(&file).unwrap().to_lowercase();
    assert!(dump.contains("autocommit=0;\n") && dump.contains("\ncommit;\n"), "{dump}");
    let before = rows(&db);
    use_it(&db);
    let ran = home.restore(&db, &file, &["--yes", "--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(rows(&db) == before, "{ran}");
}

/// The table with the trigger stays in its database, and its foreign key with it: the one of the backup has no room.
#[test]
fn a90_a_table_with_a_trigger_and_a_foreign_key_of_the_backup_is_named() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Mariadb));
    db.execute(
        "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY);
         CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY, CONSTRAINT b_to_a FOREIGN KEY (id) REFERENCES a (id))",
    );
    let backup = home.backup(&db, &["--method", "native"]);
    db.execute("CREATE TRIGGER more BEFORE INSERT ON `b` FOR EACH ROW SET NEW.id = NEW.id + 1");
    let used = told(&db);
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stderr.contains("b_to_a") && ran.stderr.contains("nothing was changed"), "{ran}");
    same(&told(&db), &used);
    assert_eq!((staged(&db), ours(&db)), (vec![], vec![]));
}

/// A name that an extension owns in the schema stays where it is, so nothing of the dump may be made under it.
#[test]
fn a90_a_dump_of_postgres_makes_nothing_under_a_name_of_an_extension() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Postgres));
    db.execute(
        "CREATE EXTENSION citext; CREATE TABLE t (id int PRIMARY KEY);
         CREATE FUNCTION replace(a int) RETURNS int LANGUAGE sql AS 'SELECT a'",
    );
    let backup = home.backup(&db, &["--method", "native"]);
    db.execute("DROP FUNCTION replace(int)");
    let used = told(&db);
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stderr.contains("an extension owns something of that name"), "{ran}");
    same(&told(&db), &used);
    assert_eq!((staged(&db), ours(&db)), (vec![], vec![]));
}

/// Rows of a part show in the whole: neither side of such a pair is moved without the other.
#[test]
fn a90_a_dump_of_postgres_with_a_part_of_another_schema_is_refused() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Postgres));
    db.execute(
        "CREATE SCHEMA other; CREATE TABLE other.whole (id int) PARTITION BY LIST (id);
         CREATE TABLE part PARTITION OF other.whole FOR VALUES IN (1); INSERT INTO part VALUES (1)",
    );
    let backup = home.backup(&db, &["--method", "native"]);
    let count = "SELECT count(*) FROM other.whole";
    for (change, rows) in [("SELECT 1", "1"), ("ALTER TABLE other.whole DETACH PARTITION part", "0")] {
        db.execute(change);
        let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
        assert_eq!(ran.code, 4, "{ran}");
        assert!(ran.stderr.contains("part of") && ran.stderr.contains("nothing was changed"), "{ran}");
        assert_eq!(
            (db.value(count).as_deref(), staged(&db), ours(&db)),
            (Some(rows), vec![], vec![]),
            "{ran}"
        );
    }
}

/// What the dump holds beside the schema is told, and rights that are set for whatever a role makes stop it.
#[test]
fn a90_a_dump_of_postgres_tells_what_it_leaves_and_minds_default_rights() {
    let (home, db) = (Home::new(), Db::fresh(Engine::Postgres));
    db.execute(
        "CREATE SCHEMA other; CREATE TABLE other.o (id int); CREATE TABLE t (id int PRIMARY KEY);
         CREATE PUBLICATION told FOR TABLE t",
    );
    let backup = home.backup(&db, &["--method", "native"]);
    let published = "SELECT count(*) FROM pg_publication_rel";
    db.execute(
        "ALTER PUBLICATION told DROP TABLE t; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    );
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stderr.contains("ALTER DEFAULT PRIVILEGES"), "{ran}");
    db.execute("ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC");
    let ran = home.restore(&db, &backup, &["--yes", "--no-backup"]);
    assert_eq!(ran.code, 0, "{ran}");
    let notes = ran.json()["notes"].to_string();
    assert!(notes.contains("schema other") && notes.contains("publication told"), "{ran}");
    assert_eq!(db.value(published).as_deref(), Some("0"), "{ran}");
}

/// A dump that was cut or changed is refused before anything is touched, also one whose manifest was made to fit.
#[test]
fn a90_a_damaged_dump_is_refused() {
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let (home, db) = (Home::new(), filled(engine, 20));
        let backup = home.backup(&db, &["--method", "native"]);
        use_it(&db);
        let used = told(&db);
        let whole = std::fs::read(&backup).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            refused(&home, &db, &backup, &bytes);
        }
        refused(&home, &db, &backup, &whole[..whole.len() / 2]);
        assert!(told(&db) == used && staged(&db).is_empty() && ours(&db).is_empty(), "{engine:?}");
    }
}

fn refused(home: &Home, db: &Db, backup: &Path, bytes: &[u8]) {
    std::fs::write(backup, bytes).unwrap();
    let ran = home.restore(db, backup, &["--yes"]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stderr.contains("does not verify"), "{ran}");
}
