//! `tune`: what it advises, sets and puts back, judged by what the servers themselves show. What it sets is set on
//! servers of the test's own.

use std::path::Path;

use serde_json::Value;

use crate::support::binary::{self, Ran, Running};
use crate::support::database::{self, Db, Engine};
use crate::support::json_schema;
use crate::support::private::Private;

/// `tune --format json` in a TechCare folder, its document held against the published schema.
fn tune(folder: &Path, url: &str, more: &[&str]) -> Ran {
    let mut command = binary::command(folder);
    command.args(["--format", "json", "tune", "--database", url]).args(more);
    let ran = Running::start(command).end();
    json_schema::fits("tune", &ran);
    ran
}

/// The entry of a setting in one of the document's lists.
fn entry<'a>(document: &'a Value, list: &str, setting: &str) -> &'a Value {
    let all = document[list].as_array().unwrap();
    let found = all.iter().find(|entry| entry["setting"] == setting);
    found.unwrap_or_else(|| panic!("{list} has no {setting}: {all:#?}"))
}

/// What became of the settings, by name.
fn outcomes(document: &Value) -> Vec<(&str, &str)> {
    let done = document["done"].as_array().unwrap().iter();
    let mut all: Vec<_> =
        done.map(|d| (d["setting"].as_str().unwrap(), d["outcome"].as_str().unwrap())).collect();
    all.sort_unstable();
    all
}

/// Files that a folder holds, at any depth.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn a_sqlite_file_gets_its_write_ahead_log_and_loses_it_again() {
    let app = tempfile::tempdir().unwrap();
    let db = Db::fresh(Engine::Sqlite);
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    let mode = || db.value("PRAGMA journal_mode").unwrap();
    let before = std::fs::read(db.path()).unwrap();
    let told = tune(app.path(), &db.url, &[]);
    let document = told.json();
    assert_eq!((told.code, &document["action"]), (1, &"advise".into()), "{told}");
    let journal = entry(&document, "settings", "journal_mode");
    assert_eq!((&journal["now"], &journal["advised"]), (&"delete".into(), &"wal".into()), "{told}");
    assert_eq!(entry(&document, "settings", "synchronous")["advised"], "FULL", "{told}");
    assert_eq!(document["memory"], Value::Null, "{told}");

    // Nobody has said yes.
    let asked = tune(app.path(), &db.url, &["--apply"]);
    assert_eq!((asked.code, &asked.json()["error"]["kind"]), (4, &"refused".into()), "{asked}");
    assert_eq!(std::fs::read(db.path()).unwrap(), before);
    assert_eq!(files(app.path()), Vec::<String>::new());

    let set = tune(app.path(), &db.url, &["--apply", "--yes"]);
    assert_eq!((set.code, mode().as_str()), (0, "wal"), "{set}");
    assert_eq!(outcomes(&set.json()), [("journal_mode", "set")], "{set}");
    let again = tune(app.path(), &db.url, &["--apply", "--yes"]);
    assert_eq!((again.code, outcomes(&again.json()).len()), (0, 0), "{again}");

    // Another TechCare folder knows nothing of it.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = tune(elsewhere.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!((other.code, mode().as_str()), (4, "wal"), "{other}");

    let back = tune(app.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!((back.code, mode().as_str()), (0, "delete"), "{back}");
    assert_eq!(outcomes(&back.json()), [("journal_mode", "put_back")], "{back}");
    assert_eq!(back.json()["undoes"], set.json()["run_id"], "{back}");
    assert_eq!(db.query("SELECT * FROM t").len(), 2);
    let twice = tune(app.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!((twice.code, &twice.json()["error"]["kind"]), (4, &"refused".into()), "{twice}");
}

/// Entries of `postgresql.auto.conf`, as the server itself reads them.
fn kept_by_postgres(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(
        "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' ORDER BY name",
    )
}

fn shown_by_postgres(db: &Db, setting: &str) -> String {
    db.value(&format!("SELECT current_setting('{setting}')")).unwrap()
}

#[test]
fn postgresql_is_set_and_put_back_exactly() {
    let app = tempfile::tempdir().unwrap();
    let server = Private::start(Engine::Postgres);
    let db = Db::fresh_on(Engine::Postgres, &server.url);
    // One that is to be lowered and has an entry of its own, and one that is nobody's business here.
    db.execute("ALTER SYSTEM SET work_mem = '1GB'");
    db.execute("ALTER SYSTEM SET log_statement = 'none'");
    db.execute("SELECT pg_reload_conf()");
    let before = kept_by_postgres(&db);
    assert_eq!(before.len(), 2);

    let told = tune(app.path(), &db.url, &["--memory", "256MB"]);
    let document = told.json();
    assert_eq!((told.code, &document["memory"]["origin"]), (1, &"given".into()), "{told}");
    for (setting, now, advised, effect) in
        [("shared_buffers", "128MB", "32MB", "restart"), ("work_mem", "1GB", "4MB", "new_connections")]
    {
        let setting = entry(&document, "settings", setting);
        assert_eq!(
            (&setting["now"], &setting["advised"], &setting["takes_effect"]),
            (&now.into(), &advised.into(), &effect.into()),
            "{told}"
        );
        assert!(
            setting["source"].as_str().unwrap().starts_with("https://www.postgresql.org/docs/"),
            "{told}"
        );
    }
    // The server was started so, and no configuration goes before that.
    let fsync = entry(&document, "settings", "fsync");
    assert_eq!((&fsync["stand"], &fsync["advised"]), (&"unsafe".into(), &"on".into()), "{told}");
    assert!(fsync["not_settable"].as_str().unwrap().contains("started"), "{told}");
    assert_eq!(kept_by_postgres(&db), before);

    let set = tune(app.path(), &db.url, &["--memory", "256MB", "--apply", "--yes"]);
    // What waits for a restart, and what is not safe, is still to be looked at.
    assert_eq!(set.code, 1, "{set}");
    assert_eq!(
        outcomes(&set.json()),
        [("effective_cache_size", "set"), ("shared_buffers", "set"), ("work_mem", "set")],
        "{set}"
    );
    assert_eq!(shown_by_postgres(&db, "work_mem"), "4MB");
    let planner = shown_by_postgres(&db, "effective_cache_size");
    assert_eq!(entry(&set.json(), "done", "effective_cache_size")["to"], planner.as_str(), "{set}");
    assert_eq!(entry(&set.json(), "settings", "shared_buffers")["stand"], "waits_for_restart", "{set}");
    assert_eq!(entry(&set.json(), "settings", "work_mem")["stand"], "well", "{set}");
    assert_eq!(kept_by_postgres(&db).len(), 4);

    server.halt();
    server.restart();
    assert_eq!(shown_by_postgres(&db, "shared_buffers"), "32MB");
    let settled = tune(app.path(), &db.url, &["--memory", "256MB", "--apply", "--yes"]);
    assert_eq!(outcomes(&settled.json()).len(), 0, "{settled}");

    let back = tune(app.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!(back.code, 0, "{back}");
    assert!(outcomes(&back.json()).iter().all(|(_, outcome)| *outcome == "put_back"), "{back}");
    assert_eq!(kept_by_postgres(&db), before);
    assert_eq!(shown_by_postgres(&db, "work_mem"), "1GB");
    assert_eq!(shown_by_postgres(&db, "effective_cache_size"), "4GB");
    server.halt();
    server.restart();
    assert_eq!(shown_by_postgres(&db, "shared_buffers"), "128MB");
}

#[test]
fn what_somebody_has_changed_since_is_left_alone() {
    let app = tempfile::tempdir().unwrap();
    let server = Private::start(Engine::Postgres);
    let db = Db::fresh_on(Engine::Postgres, &server.url);
    let set = tune(app.path(), &db.url, &["--memory", "2GB", "--ssd", "--apply", "--yes"]);
    assert_eq!(
        outcomes(&set.json()),
        [("effective_cache_size", "set"), ("random_page_cost", "set")],
        "{set}"
    );
    db.execute("ALTER SYSTEM SET random_page_cost = 2");
    let back = tune(app.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!(back.code, 1, "{back}");
    assert_eq!(
        outcomes(&back.json()),
        [("effective_cache_size", "put_back"), ("random_page_cost", "left_alone")],
        "{back}"
    );
    let kept = kept_by_postgres(&db);
    assert_eq!(kept, [[Some("random_page_cost".to_owned()), Some("2".to_owned())]]);
}

#[test]
fn a_role_with_some_rights_sets_what_they_allow() {
    let app = tempfile::tempdir().unwrap();
    let server = Private::start(Engine::Postgres);
    let db = Db::fresh_on(Engine::Postgres, &server.url);
    db.execute(
        "CREATE ROLE partly LOGIN; GRANT ALTER SYSTEM ON PARAMETER effective_cache_size TO partly;
         GRANT SELECT ON pg_file_settings TO partly;
         GRANT EXECUTE ON FUNCTION pg_show_all_file_settings(), pg_reload_conf() TO partly",
    );
    let url = db.url.replace("postgres@", "partly@");
    let set = tune(app.path(), &url, &["--memory", "2GiB", "--ssd", "--apply", "--yes"]);
    assert_eq!(set.code, 1, "{set}");
    let document = set.json();
    assert_eq!(
        outcomes(&document),
        [("effective_cache_size", "set"), ("random_page_cost", "refused")],
        "{set}"
    );
    let why = entry(&document, "done", "random_page_cost")["detail"].as_str().unwrap();
    assert!(why.contains("permission denied"), "{set}");
    assert_eq!(shown_by_postgres(&db, "effective_cache_size"), "1GB");
    assert_eq!(kept_by_postgres(&db).len(), 1);
    let back = tune(app.path(), &url, &["--undo", "--yes"]);
    assert_eq!(outcomes(&back.json()), [("effective_cache_size", "put_back")], "{back}");
    assert_eq!((back.code, kept_by_postgres(&db).len()), (0, 0), "{back}");
}

#[test]
fn a_role_without_rights_is_told_which_and_changes_nothing() {
    for engine in Engine::servers() {
        let app = tempfile::tempdir().unwrap();
        let db = Db::fresh(engine);
        let user = format!("t_{}", db.name());
        let (make, right) = if engine == Engine::Postgres {
            (format!("CREATE ROLE {user} LOGIN"), "ALTER SYSTEM ON PARAMETER")
        } else if engine == Engine::Mariadb {
            (format!("CREATE USER {user}; GRANT ALL ON {}.* TO {user}", db.name()), "GRANT SUPER")
        } else {
            (format!("CREATE USER {user}; GRANT ALL ON {}.* TO {user}", db.name()), "SYSTEM_VARIABLES_ADMIN")
        };
        db.execute(&make);
        let (head, place) = db.url.rsplit_once('@').unwrap();
        let url = format!("{}://{user}@{place}", head.split(':').next().unwrap());
        // On the planner's cost, or on what the test server was started with.
        let told = tune(app.path(), &url, &["--ssd"]);
        assert_eq!(told.code, 1, "{told}");
        let refused = tune(app.path(), &url, &["--ssd", "--apply", "--yes"]);
        let document = refused.json();
        assert_eq!((refused.code, &document["status"]), (4, &"refused".into()), "{refused}");
        let error = &document["error"];
        assert_eq!(error["kind"], "permission", "{refused}");
        assert!(error["next"].as_str().unwrap().contains(right), "{refused}");
        let done = outcomes(&document);
        assert!(!done.is_empty() && done.iter().all(|(_, outcome)| *outcome == "refused"), "{refused}");
        // As they stood before, in the server's own words.
        let (before, after) = (told.json(), tune(app.path(), &url, &["--ssd"]).json());
        for (setting, _) in done {
            assert!(error["what"].as_str().unwrap().contains(setting), "{refused}");
            let now = |document| entry(document, "settings", setting)["now"].clone();
            assert_eq!(now(&before), now(&after), "{setting}");
        }
        assert_eq!(files(app.path()), Vec::<String>::new());
        db.execute(&format!("DROP {} {user}", if engine == Engine::Postgres { "ROLE" } else { "USER" }));
    }
}

/// What MySQL or MariaDB itself shows of the settings that may be touched.
fn shown_by_mysql(engine: Engine, url: &str) -> Vec<Vec<Option<String>>> {
    database::query(
        engine,
        url,
        "SHOW GLOBAL VARIABLES WHERE variable_name IN ('innodb_buffer_pool_size', 'innodb_redo_log_capacity', \
         'innodb_log_file_size', 'max_allowed_packet', 'character_set_server', 'collation_server', \
         'innodb_flush_log_at_trx_commit', 'sync_binlog', 'innodb_doublewrite')",
    )
}

fn kept_by_mysql(url: &str) -> Vec<Vec<Option<String>>> {
    let sql = "SELECT variable_name, variable_value FROM performance_schema.persisted_variables ORDER BY 1";
    database::query(Engine::Mysql, url, sql)
}

#[test]
fn mysql_is_set_and_put_back_exactly() {
    if !Engine::Mysql.at_hand() {
        return;
    }
    let app = tempfile::tempdir().unwrap();
    let server = Private::start(Engine::Mysql);
    let db = Db::fresh_on(Engine::Mysql, &server.url);
    let shown = || shown_by_mysql(Engine::Mysql, &server.url);
    // One that has an entry of its own, and values that nothing keeps.
    db.execute(
        "SET PERSIST max_allowed_packet = 1048576; SET GLOBAL character_set_server = latin1;
         SET GLOBAL collation_server = latin1_general_ci; SET GLOBAL innodb_buffer_pool_size = 536870912",
    );
    let (before, kept) = (shown(), kept_by_mysql(&server.url));
    assert_eq!(kept.len(), 1);
    let told = tune(app.path(), &db.url, &["--memory", "512MiB"]);
    assert_eq!((told.code, shown(), kept_by_mysql(&server.url)), (1, before.clone(), kept.clone()), "{told}");
    // Which MySQL lets nobody keep.
    let doublewrite = entry(&told.json(), "settings", "innodb_doublewrite").clone();
    assert_eq!(doublewrite["stand"], "unsafe", "{told}");
    assert!(doublewrite["by_hand"].as_str().unwrap().contains("innodb_doublewrite = ON"), "{told}");

    let set = tune(app.path(), &db.url, &["--memory", "512MiB", "--apply", "--yes"]);
    assert_eq!(set.code, 1, "{set}");
    let all = [
        "character_set_server",
        "innodb_buffer_pool_size",
        "innodb_flush_log_at_trx_commit",
        "innodb_redo_log_capacity",
        "max_allowed_packet",
    ];
    assert_eq!(outcomes(&set.json()), all.map(|name| (name, "set")), "{set}");
    let row = |name: &str, value: &str| vec![Some(name.to_owned()), Some(value.to_owned())];
    let now = shown();
    for (name, value) in [
        ("character_set_server", "utf8mb4"),
        ("collation_server", "utf8mb4_0900_ai_ci"),
        ("innodb_buffer_pool_size", "134217728"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("innodb_redo_log_capacity", "104857600"),
        ("max_allowed_packet", "67108864"),
    ] {
        assert!(now.contains(&row(name, value)), "{name}: {now:?}");
    }
    assert_eq!(kept_by_mysql(&server.url).len(), all.len());

    let back = tune(app.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!(back.code, 0, "{back}");
    assert!(outcomes(&back.json()).iter().all(|(_, outcome)| *outcome == "put_back"), "{back}");
    assert_eq!((shown(), kept_by_mysql(&server.url)), (before, kept), "{back}");
}

#[test]
fn mariadb_is_set_until_its_restart_and_put_back_exactly() {
    let app = tempfile::tempdir().unwrap();
    let server = Private::start(Engine::Mariadb);
    let db = Db::fresh_on(Engine::Mariadb, &server.url);
    let shown = || shown_by_mysql(Engine::Mariadb, &server.url);
    db.execute(
        "SET GLOBAL character_set_server = latin1; SET GLOBAL collation_server = latin1_general_ci;
         SET GLOBAL max_allowed_packet = 1048576; SET GLOBAL innodb_log_file_size = 16777216",
    );
    let before = shown();
    // The pool is larger than the memory that is said to be there.
    let set = tune(app.path(), &db.url, &["--memory", "256MiB", "--apply", "--yes"]);
    assert_eq!(set.code, 1, "{set}");
    let document = set.json();
    let all = [
        "character_set_server",
        "innodb_buffer_pool_size",
        "innodb_flush_log_at_trx_commit",
        "innodb_log_file_size",
        "max_allowed_packet",
    ];
    assert_eq!(outcomes(&document), all.map(|name| (name, "set_until_restart")), "{set}");
    assert_eq!(
        entry(&document, "done", "innodb_flush_log_at_trx_commit")["detail"],
        "in an option file, under [mysqld]: innodb_flush_log_at_trx_commit = 1",
        "{set}"
    );
    let now = shown();
    for (name, value) in [
        ("character_set_server", "utf8mb4"),
        ("innodb_buffer_pool_size", "134217728"),
        ("innodb_flush_log_at_trx_commit", "1"),
        ("innodb_log_file_size", "100663296"),
    ] {
        assert!(now.contains(&vec![Some(name.to_owned()), Some(value.to_owned())]), "{now:?}");
    }
    let back = tune(app.path(), &db.url, &["--undo", "--yes"]);
    assert_eq!((back.code, shown()), (0, before.clone()), "{back}");

    // What the server has forgotten at its restart is as it was.
    let again = tune(app.path(), &db.url, &["--memory", "256MiB", "--apply", "--yes"]);
    assert_eq!(outcomes(&again.json()), all.map(|name| (name, "set_until_restart")), "{again}");
    server.halt();
    server.restart();
    let back = tune(app.path(), &db.url, &["--undo", "--yes"]);
    let flush = entry(&back.json(), "done", "innodb_flush_log_at_trx_commit").clone();
    assert_eq!(flush["outcome"], "as_before", "{back}");
}

#[test]
fn without_the_memory_of_another_machine_what_depends_on_it_is_left_out() {
    for engine in Engine::servers() {
        let app = tempfile::tempdir().unwrap();
        let db = Db::fresh(engine);
        // A name that is none of this machine's as far as anybody can tell by it.
        let url = format!("{}?sslmode=disable", db.url.replace("127.0.0.1", "localhost."));
        let told = tune(app.path(), &url, &[]);
        if told.code == 3 {
            eprintln!("skipped: the name localhost. is not resolved here");
            continue;
        }
        let document = told.json();
        assert_eq!(document["memory"], Value::Null, "{told}");
        let setting = if engine == Engine::Postgres { "shared_buffers" } else { "innodb_buffer_pool_size" };
        let left_out = entry(&document, "settings", setting);
        assert_eq!(
            (&left_out["stand"], &left_out["advised"]),
            (&"memory_unknown".into(), &Value::Null),
            "{told}"
        );
        let given = tune(app.path(), &url, &["--memory", "8GB"]).json();
        assert_ne!(entry(&given, "settings", setting)["stand"], "memory_unknown");
        let near = tune(app.path(), &db.url, &[]).json();
        assert!(near["memory"]["bytes"].as_u64().unwrap() > 0, "{near}");
    }
}

#[test]
fn people_read_what_to_set_why_and_where_it_is_written() {
    let app = tempfile::tempdir().unwrap();
    let db = Db::fresh(Engine::Postgres);
    // What is set for the database goes before what ALTER SYSTEM would write.
    db.execute(&format!("ALTER DATABASE {} SET random_page_cost = 3", db.name()));
    let mut command = binary::command(app.path());
    command.args(["tune", "--database", &db.url, "--memory", "2GB", "--ssd"]);
    let ran = Running::start(command).end();
    assert_eq!(ran.code, 1, "{ran}");
    for part in [
        "as --memory says",
        "not safe at a power cut",
        "effective_cache_size",
        "ALTER SYSTEM SET \"effective_cache_size\" = '",
        "https://www.postgresql.org/docs/",
        "ALTER DATABASE … RESET random_page_cost  -- it is set for this database",
        "--apply sets",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran}");
    }
}

#[test]
fn an_archive_and_a_server_that_is_not_there_are_refused() {
    let app = tempfile::tempdir().unwrap();
    let gone = tune(app.path(), "postgresql://nobody@127.0.0.1:1/none", &[]);
    assert_eq!((gone.code, &gone.json()["error"]["kind"]), (3, &"unreachable".into()), "{gone}");
    let none = tune(app.path(), "sqlite:////nowhere/none.db", &["--undo"]);
    assert_eq!(none.code, 3, "{none}");
}
