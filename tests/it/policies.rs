//! Findings decided by policies: what guards data stops the run until it is accepted by name, on the command line or
//! in `techcare-db.toml`; what makes no sense is a usage error.

use crate::bad_input::untouched;
use crate::support::binary::{self, Ran};
use crate::support::database::{Db, Engine};

/// A table with a check that only SQLite can say.
fn guarded() -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE part (id INTEGER PRIMARY KEY, code TEXT CONSTRAINT shape CHECK (code GLOB 'A*'));
         INSERT INTO part VALUES (1, 'A7')",
    );
    source
}

fn migrate(source: &Db, target: &Db, file: Option<&str>, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    if let Some(text) = file {
        std::fs::write(folder.path().join("techcare-db.toml"), text).unwrap();
    }
    let mut command = binary::command(folder.path());
    command
        .args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url])
        .args(more);
    binary::Running::start(command).end()
}

#[test]
fn what_guards_data_is_left_behind_only_by_name() {
    let source = guarded();
    for engine in [Engine::Postgres, Engine::Mariadb] {
        let target = Db::fresh(engine);
        let refused = migrate(&source, &target, None, &[]);
        assert_eq!(refused.code, 4, "{refused}");
        let json = refused.json();
        assert_eq!(json["findings"][0]["severity"], "blocker", "{refused}");
        assert!(json["error"]["next"].as_str().unwrap().contains("--accept check_not_carried"), "{refused}");
        untouched(&target);
        let elsewhere = migrate(&source, &target, None, &["--accept", "check_not_carried@other"]);
        assert_eq!(elsewhere.code, 4, "{elsewhere}");

        let accepted = migrate(&source, &target, None, &["--accept", "check_not_carried@part.shape"]);
        assert_eq!(accepted.code, 1, "{accepted}");
        let finding = &accepted.json()["findings"][0];
        assert_eq!((&finding["severity"], &finding["action"]), (&"warning".into(), &"not_carried".into()));
        assert!(finding["text"].as_str().unwrap().contains("GLOB 'A*'"), "{accepted}");
        assert_eq!(target.value("SELECT code FROM part").as_deref(), Some("A7"));
    }
}

#[test]
fn the_configuration_decides_and_the_command_line_decides_over_it() {
    let source = guarded();
    let file = "[[policies]]\ncode = \"*_not_carried\"\ntable = \"part\"\ndecision = \"accept\"\n";
    let target = Db::fresh(Engine::Postgres);
    let stopped = migrate(&source, &target, Some(file), &["--rule", "check_not_carried@part=stop"]);
    assert_eq!(stopped.code, 4, "{stopped}");
    let gone_on = migrate(&source, &target, Some(file), &[]);
    assert_eq!(gone_on.code, 1, "{gone_on}");
}

#[test]
fn a_policy_that_makes_no_sense_is_a_usage_error() {
    let source = guarded();
    let target = Db::fresh(Engine::Postgres);
    for (more, says) in [
        (["--accept", "check_not_caried"], "check_not_carried"),
        (["--accept", "unsupported_type"], "accept is not possible for unsupported_type"),
        (["--rule", "check_not_carried=convert"], "use stop or accept"),
        (["--rule", "check_not_carried"], "has no decision"),
    ] {
        let ran = migrate(&source, &target, None, &more);
        assert_eq!(ran.code, 2, "{ran}");
        assert!(ran.stdout.contains(says), "{says}: {ran}");
    }
    let unknown = migrate(&source, &target, Some("[[policies]]\ncode = 'x'\ndecision = 'stop'\n"), &[]);
    assert_eq!(unknown.code, 2, "{unknown}");
    assert!(unknown.stdout.contains("check_not_carried"), "{unknown}");
    untouched(&target);
}
