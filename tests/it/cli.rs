//! The command line as a contract: what is typed, the exit code, and exactly what stdout and stderr say, as
//! snapshots under `snapshots/`. After a wanted change: `INSTA_UPDATE=always cargo test --test it cli::`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::bad_input::small;
use crate::support::binary::{self, Ran, Running};
use crate::support::content;
use crate::support::database::{Db, Engine};

/// Runs in a folder with more environment.
fn run_in(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command = binary::command(folder);
    command.args(args).envs(environment.iter().copied());
    Running::start(command).end()
}

/// Compares with the snapshot of that name, what changes from run to run being replaced.
fn snapshot(name: &str, ran: &Ran) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let temporary = format!(r"{}/\.tmp\w+", std::env::temp_dir().display());
    for (pattern, text) in [
        (temporary.as_str(), "[DIR]"),
        (r"127\.0\.0\.1:\d+", "[HOST]"),
        (r"tcdb_\d+_\d+", "[DATABASE]"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[RUN]"),
        (r"migration_[0-9a-f]{32}", "migration_[HASH]"),
        (r"\b[0-9a-f]{32}\b", "[HASH]"),
        (r"techcare_\d{8}_\d{6}", "techcare_[TIME]"),
        (r"\d+\.\d+\.\d+-MariaDB\S*", "[VERSION]"),
        (r"MySQL \d+\.\d+\.\d+\S*", "MySQL [VERSION]"),
        (r"SQLite 3\.\d+\.\d+", "SQLite [VERSION]"),
        (r#""version": "3\.\d+\.\d+""#, r#""version": "[VERSION]""#),
        (r"techcare-db \d+\.\d+\.\d+", "techcare-db [VERSION]"),
        (r"\d+(\.\d+)? (ns|µs|ms)\b|\d+\.\d+ s\b", "[TIME]"),
        (r#""(seconds|latency_ms|latency)": [\d.e-]+"#, r#""$1": [TIME]"#),
        // The table of a finished migration: its widths follow the figures.
        (r"  table +rows +bytes +seconds +rows/s +verified", "  table, rows, bytes, verified"),
        (r"(?m)^  (\w+) +([\d,]+) +([\d.]+ \w?B) +\d+\.\d +[\d,]+(?: +(yes))?$", "  $1, $2, $3, $4"),
        (r"(?m)[ ]+$", ""),
    ] {
        settings.add_filter(pattern, text);
    }
    let text = format!("exit {}\n--- stdout\n{}--- stderr\n{}", ran.code, ran.stdout, ran.stderr);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn help() {
    for (name, args) in [
        ("help", &["--help"][..]),
        ("help_detect", &["detect", "--help"]),
        ("help_migrate", &["migrate", "--help"]),
        ("help_rollback", &["rollback", "--help"]),
        ("help_schema", &["schema", "--help"]),
        ("help_tune", &["tune", "--help"]),
    ] {
        snapshot(name, &binary::run(args));
    }
}

#[test]
fn tune_of_a_file() {
    let app = tempfile::tempdir().unwrap();
    let db = Db::fresh(Engine::Sqlite);
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    snapshot("tune_sqlite", &run_in(app.path(), &["tune", "--database", &db.url], &[]));
}

#[test]
fn version() {
    snapshot("version", &binary::run(&["--version"]));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = binary::run(&["completions", shell]);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stdout.contains("migrate") && ran.stdout.contains("source"), "{ran}");
    }
}

/// What bash itself offers for the last of these words.
fn offered_by_bash(words: &[&str]) -> Vec<String> {
    let script = format!(
        "set -e\ncompopt() {{ :; }}\n{}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_techcare__db techcare-db \"${{COMP_WORDS[-1]}}\" \
         \"${{COMP_WORDS[-2]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        binary::run(&["completions", "bash"]).stdout,
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
    );
    let ran = std::process::Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    assert_eq!(offered_by_bash(&["techcare-db", "mig"]), ["migrate"]);
    assert_eq!(offered_by_bash(&["techcare-db", "migrate", "--if-exists", ""]), ["fail", "replace"]);
    assert_eq!(offered_by_bash(&["techcare-db", "backup", "--meth"]), ["--method"]);
    assert_eq!(offered_by_bash(&["techcare-db", "schema", "st"]), ["status"]);
    assert_eq!(offered_by_bash(&["techcare-db", "schema", "up", "--data"]), ["--database"]);
    let files = offered_by_bash(&["techcare-db", "detect", "--database", "Cargo.to"]);
    assert_eq!(files, ["Cargo.toml"], "a database may be a file");
}

#[test]
fn manual_pages() {
    let page = binary::run(&["man", "schema", "up"]);
    assert_eq!(page.code, 0, "{page}");
    assert!(page.stdout.starts_with(".TH techcare-db-schema-up 1 "), "{page}");
    let json = binary::run(&["man", "--format", "json"]).json();
    assert!(json["text"].as_str().unwrap().starts_with(".TH techcare-db 1 "), "{json}");

    let folder = tempfile::tempdir().unwrap();
    let ran = binary::run(&["man", "--output-dir", folder.path().to_str().unwrap(), "--format", "json"]);
    assert_eq!(ran.code, 0, "{ran}");
    let files = ran.json()["files"].as_array().unwrap().clone();
    assert_eq!(files.len(), std::fs::read_dir(folder.path()).unwrap().count(), "{ran}");
    for file in files {
        let path = file.as_str().unwrap().to_owned();
        // Debian's base system has no formatter; where there is one it has to have nothing to say.
        let mut formatter = std::process::Command::new("groff");
        let Ok(said) = formatter.args(["-k", "-man", "-Tutf8", "-ww", "-z", &path]).output() else {
            continue;
        };
        assert!(said.status.success() && said.stderr.is_empty(), "{path}: {said:?}");
    }

    let unknown = binary::run(&["man", "nonsense"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""), "{unknown}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [
        &["migrat"][..],
        &["migrate"],
        &["migrate", "--source", "sqlite"],
        &["migrate", "--source", "sqlite", "--target", "postgresql", "--jobs", "0"],
        &["migrate", "--source", "sqlite", "--target", "postgresql", "--jobs", "many"],
        &["--format", "xml", "detect"],
        &["detect", "--no-such-option"],
    ] {
        let ran = binary::run(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran}");
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{args:?}: {ran}");
    }
}

#[test]
fn json_is_one_document_whatever_happens() {
    for (args, code) in [
        (&["--format", "json", "migrat"][..], 2),
        (&["--format=json", "migrate"], 2),
        (&["detect", "--database", "oracle", "--format", "json"], 2),
        (&["detect", "--database", "postgresql://u@127.0.0.1:1/x", "--format", "json"], 3),
    ] {
        let ran = binary::run(args);
        let json = ran.json();
        assert_eq!((ran.code, json["exit_code"].as_i64()), (code, Some(i64::from(code))), "{ran}");
        assert_eq!(json["version"], 1, "{ran}");
        assert_eq!(json["status"], "error", "{ran}");
        assert!(json["error"]["what"].is_string(), "{ran}");
    }
}

#[test]
fn detect_a_file() {
    let db = small();
    let folder = tempfile::tempdir().unwrap();
    let ran = run_in(folder.path(), &["detect", "--database", db.path().to_str().unwrap()], &[]);
    assert_eq!(ran.code, 0, "{ran}");
    snapshot("detect_sqlite", &ran);
    let json = binary::run(&["--format", "json", "detect", "--database", &db.url]);
    assert_eq!(json.code, 0, "{json}");
    snapshot("detect_sqlite_json", &json);
}

#[test]
fn detect_finds_the_database_as_the_application_does() {
    let folder = tempfile::tempdir().unwrap();
    let instance = folder.path().join("instance");
    std::fs::create_dir(&instance).unwrap();
    std::fs::copy(small().path(), instance.join("techcare.db")).unwrap();
    let seen = |environment: &[(&str, &str)]| {
        let ran = run_in(folder.path(), &["detect", "--format", "json"], environment);
        assert_eq!(ran.code, 0, "{ran}");
        ran.stdout
    };
    assert!(seen(&[]).contains("instance/techcare.db"));
    assert!(seen(&[("DATABASE_URL", "sqlite:///techcare.db")]).contains("DATABASE_URL"));
    for engine in Engine::servers() {
        let db = Db::fresh(engine);
        std::fs::write(folder.path().join(".env"), format!("DATABASE_URL={}\n", db.url)).unwrap();
        let told = seen(&[]);
        assert!(told.contains(db.name()) && told.contains(".env"), "{told}");
        assert!(seen(&[("DATABASE_URL", "sqlite:///techcare.db")]).contains("instance/techcare.db"));
    }
}

#[test]
fn migrate_says_what_it_did() {
    let source = small();
    let target = Db::fresh(Engine::Sqlite);
    let folder = tempfile::tempdir().unwrap();
    let args = ["migrate", "--source", &source.url, "--target", &target.url];
    let plan = run_in(folder.path(), &[&args[..], &["--dry-run"]].concat(), &[]);
    snapshot("migrate_dry_run", &plan);
    assert!(!target.path().exists(), "a dry run wrote something");
    let ran = run_in(folder.path(), &args, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    snapshot("migrate", &ran);
}

#[test]
fn a_dry_run_prints_the_plan_and_touches_nothing() {
    let source = small();
    for engine in Engine::servers() {
        let target = Db::fresh(engine);
        let ran = binary::run(&["migrate", "--source", &source.url, "--target", &target.url, "--dry-run"]);
        assert_eq!(ran.code, 0, "{ran}");
        snapshot(&format!("migrate_dry_run_{engine:?}").to_lowercase(), &ran);
        assert_eq!(content::tables(&target), Vec::<String>::new());
    }
}

#[test]
fn part_of_a_database() {
    let source = small();
    let moved = |more: &[&str]| {
        let target = Db::fresh(Engine::Postgres);
        let ran = binary::migrate(&source.url, &target.url, more);
        assert!(ran.code <= 1, "{more:?}: {ran}");
        content::tables(&target)
    };
    assert_eq!(moved(&["--tables", "parent"]), ["parent"]);
    assert_eq!(moved(&["--tables", "par*,child"]), ["child", "parent"]);
    assert_eq!(moved(&["--exclude", "ch*"]), ["parent"]);
}

#[test]
fn half_of_the_work() {
    let source = small();
    for engine in Engine::all() {
        let target = Db::fresh(engine);
        let empty = binary::migrate(&source.url, &target.url, &["--schema-only"]);
        assert_eq!(empty.code, 0, "{empty}");
        assert_eq!(target.value("SELECT count(*) FROM parent").as_deref(), Some("0"), "{engine:?}");
        let full = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(full.code, 0, "{engine:?}: {full}");
        let (here, there) = (content::read(&source), content::read(&target));
        assert_eq!(
            content::differences(&here, &there, &content::Renamed::new()),
            Vec::<String>::new(),
            "{engine:?}"
        );
    }
}

#[test]
fn lines_for_the_application() {
    let source = small();
    let target = Db::fresh(Engine::Postgres);
    let folder = tempfile::tempdir().unwrap();
    let args = ["migrate", "--source", &source.url, "--target", &target.url, "--write-env", "new.env"];
    let ran = run_in(folder.path(), &args, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    let lines = std::fs::read_to_string(folder.path().join("new.env")).unwrap();
    assert!(lines.lines().any(|line| line.starts_with("DATABASE_URL=postgresql://")), "{lines}");
    assert!(lines.contains(target.name()), "{lines}");
    let mode = std::fs::metadata(folder.path().join("new.env")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a password may be in there");
}

#[test]
fn progress_as_events() {
    let source = small();
    let target = Db::fresh(Engine::Sqlite);
    let ran =
        binary::run(&["--progress", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    assert_eq!(ran.code, 0, "{ran}");
    let phases: Vec<String> = ran
        .stderr
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("not an event: {line}"))
        })
        .filter(|event| event["event"] == "phase")
        .map(|event| event["phase"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(phases, ["preflight", "profile", "backup", "stage", "load", "finish", "verify", "switch"]);
}

#[test]
fn quiet_means_quiet() {
    let source = small();
    let target = Db::fresh(Engine::Sqlite);
    let ran = binary::run(&["-q", "migrate", "--source", &source.url, "--target", &target.url]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran}");
}

#[test]
fn schema_up_and_down_on_every_engine() {
    for engine in Engine::all() {
        let db = Db::fresh(engine);
        let schema = |args: &[&str]| {
            let ran = binary::run(&[&["schema"], args, &["--database", &db.url, "--yes"]].concat());
            assert_eq!(ran.code, 0, "{engine:?} {args:?}: {ran}");
            ran
        };
        if engine == Engine::Sqlite {
            std::fs::write(db.path(), "").unwrap();
        }
        schema(&["up"]);
        let tables = content::tables(&db);
        for table in ["diagnostics", "maintenance_plans", "roles", "users"] {
            assert!(tables.iter().any(|name| name == table), "{engine:?}: {tables:?}");
        }
        schema(&["status"]);
        schema(&["down"]);
        assert!(!content::tables(&db).iter().any(|name| name == "users"), "{engine:?}");
    }
}
