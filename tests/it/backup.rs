//! `backup` as a user and cron run it, judged by SQLite itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::killed::backup as kill;
use super::support::binary::{Ran, Running, command};
use super::support::database::{Db, Engine};

/// A TechCare folder with a database of that journal mode.
fn home(journal: &str) -> (TempDir, Connection) {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("instance")).unwrap();
    let database = Connection::open(home.path().join("instance/techcare.db")).unwrap();
    database
        .execute_batch(&format!(
            "PRAGMA journal_mode = {journal};
             CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
             INSERT INTO users VALUES (1, 'Ana'), (2, 'José');"
        ))
        .unwrap();
    (home, database)
}

fn backup(home: &Path, args: &[&str]) -> Ran {
    let mut command = command(home);
    command.arg("backup").args(args);
    Running::start(command).end()
}

/// Makes one and answers with its path.
fn made(home: &Path, args: &[&str]) -> PathBuf {
    let ran = backup(home, args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
    home.join(ran.stdout.strip_suffix('\n').unwrap())
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().filter(|e| e.as_ref().unwrap().file_name() != ".techcare-db.lock").count()
}

#[test]
fn stdout_is_the_path_and_the_file_is_the_database() {
    let (home, database) = home("WAL");
    let path = made(home.path(), &[]);
    let name = path.strip_prefix(home.path()).unwrap().to_str().unwrap();
    assert!(name.starts_with("backups/techcare_2"), "{name}");
    assert_eq!(path.extension().unwrap(), "db");
    let copy = Connection::open(&path).unwrap();
    let names = |of: &Connection| -> Vec<String> {
        let mut rows = of.prepare("SELECT name FROM users ORDER BY id").unwrap();
        rows.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(names(&copy), names(&database));
    drop(copy);
    let ran = backup(home.path(), &["--verify", name]);
    assert!(ran.code == 0 && ran.stdout.contains("2 rows in 1 table"), "{ran}");
    let quiet = backup(home.path(), &["-q"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""));
    let ran = backup(home.path(), &["--list"]);
    assert!(ran.code == 0 && ran.stdout.matches(".db").count() == 4, "{ran}");
    let document = backup(home.path(), &["--format", "json"]).json();
    assert_eq!(document["tables"][0]["rows"], 2);
    assert!(home.path().join(document["backup"].as_str().unwrap()).exists());
}

#[test]
fn modes_are_private_whatever_the_umask() {
    let (home, _database) = home("DELETE");
    let mut shell = std::process::Command::new("sh");
    super::support::binary::clean(&mut shell, home.path());
    shell.args(["-c", "umask 000; exec \"$0\" backup --compress zstd", super::support::binary::PATH]);
    let ran = Running::start(shell).end();
    assert_eq!(ran.code, 0, "{ran}");
    let folder = home.path().join("backups");
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_damaged_backup_is_refused_and_listed() {
    let (home, _database) = home("WAL");
    let path = made(home.path(), &["--compress", "zstd"]);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let ran = backup(home.path(), &["--verify", path.to_str().unwrap()]);
    assert!(ran.code == 4 && ran.stderr.contains("does not verify"), "{ran}");
    fs::write(&path, &bytes[..middle]).unwrap();
    let ran = backup(home.path(), &["--list"]);
    assert!(ran.code == 1 && ran.stdout.contains("bytes instead of"), "{ran}");
    let ran = backup(home.path(), &["--verify", "backups/none.db"]);
    assert_eq!(ran.code, 2, "{ran}");
}

#[test]
fn the_second_run_is_told_who_is_at_work() {
    let (home, _database) = home("WAL");
    let first = made(home.path(), &[]);
    let held = fs::File::open(home.path().join("backups/.techcare-db.lock")).unwrap();
    held.lock().unwrap();
    let ran = backup(home.path(), &["-q"]);
    assert!(ran.code == 4 && ran.stdout.is_empty() && ran.stderr.contains("another run"), "{ran}");
    assert!(ran.stderr.lines().count() <= 3, "{ran}");
    drop(held);
    made(home.path(), &["--keep", "1"]);
    assert!(!first.exists());
    assert_eq!(files(&home.path().join("backups")), 2);
}

/// A shell line in a folder, with nothing in the environment at all.
fn cron(home: &Path, line: &str) -> Ran {
    let mut shell = std::process::Command::new("env");
    super::support::binary::clean(&mut shell, home);
    shell.args(["-i", "sh", "-c", line, super::support::binary::PATH]);
    Running::start(shell).end()
}

#[test]
fn cron_needs_no_environment_and_no_terminal() {
    let (home, _database) = home("WAL");
    let path = made(home.path(), &["--output-dir", "nightly"]);
    let ran = cron(
        home.path(),
        "cd / && \"$0\" backup -q --app-dir \"$OLDPWD\" --output-dir \"$OLDPWD/nightly\" --keep 1",
    );
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    assert!(!path.exists());
    let ran = cron(home.path(), "\"$0\" backup -q --output-dir nightly");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    assert_eq!(files(&home.path().join("nightly")), 4);
}

#[test]
fn a_disk_that_is_full_leaves_the_older_backups() {
    let (home, database) = home("WAL");
    let path = made(home.path(), &[]);
    database
        .execute_batch(
            "CREATE TABLE large (body); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO large SELECT randomblob(1000) FROM n",
        )
        .unwrap();
    for how in ["none", "zstd"] {
        let line =
            format!("trap '' XFSZ; ulimit -f 2048; \"$0\" backup -q --metrics-file m.prom --compress {how}");
        let ran = cron(home.path(), &line);
        one_line(&ran, 5, "error: cannot ");
        assert_eq!(files(&home.path().join("backups")), 2, "{ran}");
        let metrics = fs::read_to_string(home.path().join("m.prom")).unwrap();
        assert!(metrics.contains("last_exit_code") && metrics.contains("} 5\n"), "{metrics}");
        assert!(metrics.contains("last_success_timestamp_seconds"), "{metrics}");
    }
    assert_eq!(backup(home.path(), &["--verify", path.to_str().unwrap()]).code, 0);
}

#[test]
fn a_server_that_is_dead_is_exit_3_and_counted() {
    let (home, _database) = home("WAL");
    let args = ["-q", "--metrics-file", "m.prom", "--database", "postgresql://u@127.0.0.1:1/none"];
    let ran = backup(home.path(), &args);
    one_line(&ran, 3, "error: cannot reach");
    assert!(ran.stdout.is_empty() && !home.path().join("backups").exists(), "{ran}");
    let metrics = fs::read_to_string(home.path().join("m.prom")).unwrap();
    assert!(metrics.contains("database=\"postgresql://u@127.0.0.1:1/none\"} 3\n"), "{metrics}");
    let ran = backup(home.path(), &["-q", "--metrics-file", "m.prom", "--database", "oracle"]);
    assert_eq!(ran.code, 2, "{ran}");
    assert!(fs::read_to_string(home.path().join("m.prom")).unwrap().contains("last_exit_code 2\n"));
}

/// What cron mails: what failed, why and what to do, in one line.
fn one_line(ran: &Ran, code: i32, begin: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran}");
    assert!(ran.stderr.starts_with(begin) && ran.stderr.contains("; next: "), "{ran}");
}

/// A night on which the server is down: the backups of the nights before are as they were.
#[test]
fn cron_says_that_the_server_is_dead_and_keeps_what_there_is() {
    let (home, _database) = home("WAL");
    let path = made(home.path(), &[]);
    let bytes = fs::read(&path).unwrap();
    let line = "DATABASE_URL=postgresql://u@127.0.0.1:1/none exec \"$0\" backup -q --keep 1";
    let ran = cron(home.path(), line);
    one_line(&ran, 3, "error: cannot reach");
    assert_eq!(ran.stdout, "");
    assert_eq!((files(&home.path().join("backups")), fs::read(&path).unwrap()), (2, bytes));
}

/// Some that start at the same moment, of one database and of another: each makes its backup or says that somebody is at
/// work, and nothing is lost or halved. The judge restores what is there.
fn at_once(engine: Engine, rounds: usize) {
    if !engine.at_hand() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let databases = [kill::source(engine), kill::source(engine)];
    databases[1].execute("DELETE FROM visit");
    let (mut made, mut refused, mut before) = ([0, 0], 0, BTreeMap::new());
    for round in 0..rounds {
        let running = [0, 1, 0, 1].map(|which| {
            let mut command = command(home.path());
            command.args(kill::arguments(&databases[which])).args(["-q", "--keep", "2"]);
            (which, Running::start(command))
        });
        for (which, ran) in running.map(|(which, running)| (which, running.end())) {
            if ran.code == 0 {
                assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
                made[which] += 1;
            } else {
                super::bad_input::error_shape(&ran, 4);
                assert!(
                    ran.stdout.is_empty() && ran.stderr.contains("error: another run is at work"),
                    "{ran}"
                );
                refused += 1;
            }
        }
        let place = format!("{engine:?}, round {round}");
        kill::is_tidy(home.path(), &place);
        let now = kill::visible(home.path());
        // The name of one that retention deleted may be taken again within the second: the manifest tells.
        let stays = |name: &&String| {
            let manifest = format!("{name}.json");
            now.contains_key(&manifest) && now.get(&manifest) == before.get(&manifest)
        };
        for name in now.keys().filter(stays) {
            assert!(now[name] == before[name], "{name} is another one: {place}");
        }
        before = now;
        assert!(made[0] + made[1] > round, "{place}: nobody made a backup");
    }
    for (which, db) in databases.iter().enumerate() {
        let name = match engine {
            Engine::Sqlite => db.path().display().to_string(),
            _ => format!("/{}", db.name()),
        };
        let of_it = |manifest: &[u8]| {
            let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            manifest["database"]["location"].as_str().unwrap().ends_with(&name)
        };
        let manifests = before.iter().filter_map(|(name, bytes)| Some((name.strip_suffix(".json")?, bytes)));
        let kept: Vec<&str> = manifests.filter(|(_, bytes)| of_it(bytes)).map(|(file, _)| file).collect();
        assert_eq!(kept.len(), made[which].min(2), "{engine:?}: {kept:?} of {made:?}");
        for file in kept {
            assert!(kill::is_whole(db, &home.path().join("backups").join(file)), "{engine:?}: {file}");
        }
    }
    eprintln!("{engine:?}: {made:?} made, {refused} refused");
}

#[test]
fn backups_of_files_that_start_at_once_never_spoil_each_other() {
    at_once(Engine::Sqlite, 8);
}

#[test]
fn backups_of_servers_that_start_at_once_never_spoil_each_other() {
    for engine in Engine::servers() {
        at_once(engine, 3);
    }
}

#[test]
fn servers_are_backed_up_by_their_own_programs() {
    for (engine, end) in [(Engine::Postgres, "dump"), (Engine::Mariadb, "sql.zst")] {
        let db = Db::fresh(engine);
        db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20)); INSERT INTO users VALUES (1, 'José')");
        let home = tempfile::tempdir().unwrap();
        let path = made(home.path(), &["--database", &db.url]);
        let name = path.file_name().unwrap().to_str().unwrap();
        let begin = if engine == Engine::Postgres { "techcare_postgresql_2" } else { "techcare_mysql_2" };
        assert!(name.starts_with(begin) && name.ends_with(end), "{name}");
        assert_eq!(files(&home.path().join("backups")), 2);
        for how in ["none", "zstd"] {
            let path = made(home.path(), &["--database", &db.url, "--compress", how]);
            assert_eq!(path.extension().unwrap() == "zst", how == "zstd");
            assert_eq!(backup(home.path(), &["--verify", path.to_str().unwrap()]).code, 0);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            fs::write(&path, bytes).unwrap();
            assert_eq!(backup(home.path(), &["--verify", path.to_str().unwrap()]).code, 4);
        }
    }
}

/// Documents of `backup` against their published schema.
fn fits_the_schema(ran: &Ran) -> serde_json::Value {
    super::support::json_schema::fits("backup", ran)
}

/// An engine, what is made in it, how it is backed up, and words of the warning.
type LeftOut = (Engine, &'static str, &'static [&'static [&'static str]], &'static [&'static str]);

/// What is in the database and will not come back with a backup is said when the backup is made.
#[test]
fn what_a_backup_does_not_bring_back_is_named() {
    const PORTABLE: &[&str] = &["--method", "portable"];
    const NATIVE: &[&str] = &["--method", "native"];
    let cases: [LeftOut; 5] = [
        (
            Engine::Sqlite,
            "CREATE TRIGGER gone AFTER DELETE ON users BEGIN SELECT 1; END",
            &[PORTABLE],
            &["trigger \"gone\""],
        ),
        (
            Engine::Postgres,
            "CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; ALTER TABLE users ENABLE ROW LEVEL SECURITY",
            &[PORTABLE],
            &["routine \"twice", "of table \"users\""],
        ),
        (
            Engine::Mysql,
            "CREATE TRIGGER gone AFTER DELETE ON users FOR EACH ROW SET @gone = 1",
            &[PORTABLE],
            &["trigger \"gone\""],
        ),
        (
            Engine::Mariadb,
            "ALTER TABLE users ADD SYSTEM VERSIONING; CREATE VIEW names AS SELECT name FROM users",
            &[PORTABLE, NATIVE],
            &["\"users\"", "versioning"],
        ),
        // What comes back is not named.
        (Engine::Postgres, "CREATE VIEW names AS SELECT name FROM users", &[PORTABLE, NATIVE], &[]),
    ];
    for (engine, objects, methods, words) in cases.iter().filter(|case| case.0.at_hand()) {
        let db = Db::fresh(*engine);
        db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name VARCHAR(20)); INSERT INTO users VALUES (1, 'José')");
        db.execute(objects);
        let home = tempfile::tempdir().unwrap();
        for method in *methods {
            let ran = backup(home.path(), &[&["--database", &db.url], *method].concat());
            assert_eq!(ran.code, 0, "{engine:?}: {ran}");
            assert_eq!(ran.stderr.is_empty(), words.is_empty(), "{engine:?} {objects}: {ran}");
            for word in *words {
                assert!(ran.stderr.contains(word), "{engine:?} {objects}: {word}\n{ran}");
            }
            assert!(!ran.stderr.contains("\"names\""), "{ran}");
        }
    }
}

#[test]
fn the_form_is_what_there_is_a_program_for() {
    for engine in Engine::all() {
        let db = Db::fresh(engine);
        db.execute("CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1)");
        let home = tempfile::tempdir().unwrap();
        let run = |path: Option<&str>, more: &[&str]| {
            let mut command = command(home.path());
            command.args(["--format", "json", "backup", "--database", &db.url]).args(more);
            if let Some(path) = path {
                command.env("PATH", path);
            }
            Running::start(command).end()
        };
        let ran = run(None, &[]);
        let document = fits_the_schema(&ran);
        if engine == Engine::Mysql {
            // There may be a program of MySQL here, or only that of MariaDB, which does not do.
            assert!(document["method_why"].is_string(), "{ran}");
        } else {
            assert_eq!(document["method"], "native", "{ran}");
            assert!(document["method_why"].as_str().unwrap().ends_with(" is here"), "{ran}");
            assert_eq!(ran.stderr, "");
        }
        let asked = run(None, &["--method", "portable"]);
        let document = fits_the_schema(&asked);
        assert_eq!((document["method"].as_str(), asked.stderr.as_str()), (Some("portable"), ""), "{asked}");
        assert!(document["method_why"].is_null(), "{asked}");
        if engine.is_mysql() {
            let ran = run(Some("/nowhere"), &[]);
            let document = fits_the_schema(&ran);
            assert_eq!((ran.code, document["method"].as_str()), (0, Some("portable")), "{ran}");
            let why = document["method_why"].as_str().unwrap();
            assert!(why.starts_with("there is no ") && why.ends_with("none is installed"), "{ran}");
            assert!(ran.stderr.contains("a portable archive is made: there is no "), "{ran}");
            let manifest = format!("{}.json", document["backup"].as_str().unwrap());
            let manifest = fs::read_to_string(home.path().join(manifest)).unwrap();
            assert_eq!(serde_json::from_str::<serde_json::Value>(&manifest).unwrap()["method_why"], why);
            let ran = run(Some("/nowhere"), &["--method", "native"]);
            assert_eq!(
                (ran.code, fits_the_schema(&ran)["error"]["kind"].as_str()),
                (4, Some("refused")),
                "{ran}"
            );
        }
        fits_the_schema(&backup(home.path(), &["--format", "json", "--list"]));
        let file = document["backup"].as_str().unwrap();
        fits_the_schema(&backup(home.path(), &["--format", "json", "--verify", file]));
    }
}

#[test]
fn a_password_with_every_sign_reaches_mariadb_and_nobody_else() {
    let db = Db::fresh(Engine::Mariadb);
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let user = format!("{}_u", db.name());
    let word = "a\"b\\c#d e'ç$";
    let literal = word.replace('\\', "\\\\").replace('\'', "''");
    db.execute(&format!(
        "CREATE OR REPLACE USER {user}@'%' IDENTIFIED BY '{literal}'; GRANT ALL ON {}.* TO {user}@'%'",
        db.name()
    ));
    let home = tempfile::tempdir().unwrap();
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some(word)).unwrap();
    let mut command = command(home.path());
    command.args(["backup", "-vv"]).env("DATABASE_URL", url.as_str());
    let ran = Running::start(command).end();
    db.execute(&format!("DROP USER {user}@'%'"));
    assert_eq!(ran.code, 0, "{ran}");
    let manifest =
        fs::read_to_string(home.path().join(ran.stdout.trim()).with_extension("zst.json")).unwrap();
    for text in [&ran.stdout, &ran.stderr, &manifest] {
        assert!(!text.contains("b\\c#d") && !text.contains("c%23d"), "{text}");
    }
}

#[test]
fn what_the_documentation_has_for_cron_and_systemd_works_as_pasted() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/backup.md")).unwrap();
    let program = "/usr/local/bin/techcare-db";
    let lines: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("    ") && line.contains(&format!("{program} backup")))
        .map(|line| &line[line.find(program).unwrap()..])
        .collect();
    assert_eq!(lines.len(), 2, "one for cron, one for systemd");
    let (home, _database) = home("WAL");
    for (number, line) in lines.into_iter().enumerate() {
        let line = line
            .replace(program, super::support::binary::PATH)
            .replace("/opt/techcare", home.path().to_str().unwrap());
        let ran = cron(Path::new("/"), &line);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{line}");
        // Two backups of one night: the older goes, unless it is the first of all.
        assert_eq!(files(&home.path().join("backups")), (number + 1) * 2);
    }
}

#[test]
fn migrate_backs_a_small_file_up_first() {
    let (home, database) = home("WAL");
    let migrate = |target: &str, more: &[&str]| {
        let mut command = command(home.path());
        command.args(["--format", "json", "migrate", "--source", "sqlite", "--target", target]).args(more);
        Running::start(command).end()
    };
    let ran = migrate("one.db", &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
    let file = ran.json()["backup"].as_str().unwrap().to_owned();
    assert_eq!(backup(home.path(), &["--verify", &file]).code, 0);
    // It is the way back: no rule deletes it.
    made(home.path(), &["--keep", "1"]);
    made(home.path(), &["--keep", "1"]);
    assert!(home.path().join(&file).exists());
    let ran = migrate("two.db", &["--no-backup"]);
    assert!(ran.code == 0 && ran.json()["backup"].is_null(), "{ran}");
    // Where it cannot be made, one that nobody asked for is a warning.
    let held = fs::File::open(home.path().join("backups/.techcare-db.lock")).unwrap();
    held.lock().unwrap();
    let ran = migrate("three.db", &[]);
    assert!(ran.code == 0 && ran.json()["backup"].is_null() && ran.stderr.contains("--no-backup"), "{ran}");
    let ran = migrate("four.db", &["--backup"]);
    assert!(ran.code == 4 && !home.path().join("four.db").exists(), "{ran}");
    drop(held);
    // Larger than what is backed up by itself.
    database
        .execute_batch(
            "CREATE TABLE large (body); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 34)
             INSERT INTO large SELECT zeroblob(1000000) FROM n; PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    let ran = migrate("five.db", &["--schema-only"]);
    assert!(ran.code == 0 && ran.json()["backup"].is_null(), "{ran}");
    let ran = migrate("six.db", &[]);
    assert!(ran.code == 0 && ran.json()["backup"].is_null(), "{ran}");
    let ran = migrate("seven.db", &["--backup"]);
    assert!(ran.code == 0 && ran.json()["backup"].is_string(), "{ran}");
}
