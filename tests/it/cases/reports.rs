//! The documents of `migrate`, held against the published schema however a run ends, and when what happened in them.

use serde_json::Value;

use crate::support::binary;
use crate::support::database::{Db, Engine};
use crate::support::json_schema::{self, fits};

const TABLES: &str = "CREATE TABLE \"<b>\" (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
    INSERT INTO \"<b>\" VALUES (1, 'plain'), (7, 'long');
    CREATE TABLE roles (id INTEGER PRIMARY KEY, name VARCHAR(2) UNIQUE); INSERT INTO roles VALUES (1, 'admin')";

fn seeded() -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(TABLES);
    source
}

fn phases(document: &Value) -> Vec<&str> {
    let phases = document["timeline"]["phases"].as_array().unwrap();
    phases.iter().map(|phase| phase["phase"].as_str().unwrap()).collect()
}

/// Phases follow each other without a gap, and everything lies within the run.
fn hangs_together(document: &Value) {
    let line = &document["timeline"];
    let number = |value: &Value| value.as_f64().unwrap();
    let end = number(&line["seconds"]);
    let phases = line["phases"].as_array().unwrap();
    for pair in phases.windows(2) {
        assert_eq!(pair[0]["end"], pair[1]["start"], "{line:#}");
    }
    assert_eq!(phases.last().unwrap()["end"], line["seconds"], "{line:#}");
    for span in phases.iter().chain(line["tables"].as_array().unwrap()) {
        assert!(number(&span["start"]) <= number(&span["end"]) && number(&span["end"]) <= end, "{line:#}");
    }
}

#[test]
fn a_migration_that_is_done_tells_its_plan_and_when_what_happened() {
    let (source, target) = (seeded(), Db::fresh(Engine::Sqlite));
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    let ran = binary::Running::start(command).end();
    assert_eq!(ran.code, 0, "{ran}");
    let document = fits("migrate", &ran);
    hangs_together(&document);
    let expected = ["preflight", "profile", "backup", "stage", "load", "finish", "verify", "switch"];
    assert_eq!(phases(&document), expected, "{ran}");
    let line = &document["timeline"];
    let spans = line["tables"].as_array().unwrap();
    let of = |phase: &str| {
        let of_phase = spans.iter().filter(|span| span["phase"] == phase && span["finished"] == true);
        let mut names: Vec<&str> = of_phase.map(|span| span["table"].as_str().unwrap()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!((of("load"), of("verify")), (vec!["<b>", "roles"], vec!["<b>", "roles"]), "{line:#}");
    let moved = line["throughput"]["samples"].as_array().unwrap().iter().filter(|s| s["phase"] == "load");
    let (rows, bytes) = moved.fold((0, 0), |(rows, bytes), sample| {
        (rows + sample["rows"].as_u64().unwrap(), bytes + sample["bytes"].as_u64().unwrap())
    });
    assert_eq!((rows, Some(bytes)), (3, document["bytes"].as_u64()), "{line:#}");
    let planned = document["plan"]["tables"].as_array().unwrap();
    assert_eq!(planned.len(), document["tables"].as_array().unwrap().len());
    let kept = std::fs::read_to_string(folder.path().join(document["report"].as_str().unwrap())).unwrap();
    assert_eq!(kept, ran.stdout);
}

#[test]
fn a_plan_and_a_refusal_are_as_the_schema_says() {
    let (source, target) = (seeded(), Db::fresh(Engine::Sqlite));
    let plan = binary::migrate(&source.url, &target.url, &["--dry-run"]);
    assert_eq!(plan.code, 0, "{plan}");
    let document = fits("migrate", &plan);
    assert_eq!(phases(&document), ["preflight", "profile"]);
    hangs_together(&document);
    // What stands in the way is a table with rows.
    target.execute("CREATE TABLE roles (id INTEGER PRIMARY KEY); INSERT INTO roles VALUES (1)");
    let refused = binary::migrate(&source.url, &target.url, &[]);
    assert_eq!(refused.code, 4, "{refused}");
    let document = fits("migrate", &refused);
    assert_eq!(document["status"], "refused");
    hangs_together(&document);
}

#[test]
fn a_migration_that_cannot_begin_is_as_the_schema_says() {
    let target = Db::fresh(Engine::Sqlite);
    let failed = binary::migrate("sqlite:////nowhere/at_all.db", &target.url, &[]);
    assert_eq!(failed.code, 3, "{failed}");
    let document = fits("migrate", &failed);
    assert_eq!((&document["status"], phases(&document)), (&"error".into(), vec!["preflight"]));
    hangs_together(&document);
}

#[test]
fn a_schema_that_says_less_is_noticed() {
    let (source, target) = (seeded(), Db::fresh(Engine::Sqlite));
    let mut document = binary::migrate(&source.url, &target.url, &[]).json();
    let schema = json_schema::published("migrate");
    assert_eq!(json_schema::deviations(&schema, &document), Vec::<String>::new());
    document["timeline"]["phases"][0]["phase"] = "rest".into();
    document["tables"][0]["secret"] = 1.into();
    assert_eq!(json_schema::deviations(&schema, &document).len(), 2);
}
