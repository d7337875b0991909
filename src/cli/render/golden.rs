//! What people and programs see, held by snapshots: one of every kind of report, as text and as JSON.

use std::time::Duration;

use super::*;
use crate::cli::terminal::Style;
use crate::commands::check::{
    Ahead, Alone, CheckReport, ComparedTable, Comparison, Fit, GivesWay, Observation, Recorded, Wellbeing,
};
use crate::commands::detect::{DetectReport, DetectedTable, DetectedTechCare, RecordedMigration};
use crate::commands::migrate::Planned;
use crate::commands::newest_backup::NewestBackup;
use crate::commands::schema::{Action as SchemaAction, SchemaReport};
use crate::engine::capability::MissingRight;
use crate::model::digest::Digest;
use crate::model::endpoint::{Dialect, Endpoint, Flavour, Location};
use crate::model::error::{Error, ErrorKind};
use crate::model::event::{Event, Phase};
use crate::model::plan::{
    CheckPlan, ColumnPlan, Fidelity, FindingAction, ForeignKeyPlan, IdentityPlan, KeyPlan, Plan, TablePlan,
    TypePlan,
};
use crate::model::report::MigrationReport;
use crate::model::sample::{self, index};
use crate::model::schema::{DataType, IdentityGeneration};
use crate::model::timeline::Course;
use crate::pipeline::compare::differences::{Difference, Differences, DifferingRow};
use crate::techcare::recognition::Variant;

const WIDE: Style = Style { color: false, width: None };
const NARROW: Style = Style { color: false, width: Some(80) };

fn sqlite() -> DatabaseReport {
    DatabaseReport {
        engine: "sqlite".into(),
        version: Some("SQLite 3.51.3".into()),
        location: "sqlite:///instance/techcare.db".into(),
        origin: "from --source".into(),
    }
}

fn postgres() -> DatabaseReport {
    DatabaseReport {
        engine: "postgresql".into(),
        version: Some("PostgreSQL 15.18".into()),
        location: "postgresql://techcare:***@db:5432/techcare".into(),
        origin: "from DATABASE_URL in .env".into(),
    }
}

fn finding(severity: Severity, code: &str, table: Option<&str>, column: Option<&str>) -> Finding {
    Finding {
        code: code.into(),
        severity,
        table: table.map(Into::into),
        column: column.map(Into::into),
        object: None,
        kind: "column".into(),
        rows: None,
        keys: vec![],
        action: FindingAction::Widened,
        text: "VARCHAR(128) becomes VARCHAR(255): the longest value has 162 characters".into(),
    }
}

pub(super) fn findings() -> Vec<Finding> {
    let widened = finding(Severity::Info, "widened", Some("users"), Some("password_hash"));
    let mut nul = finding(Severity::Blocker, "nul_in_text", Some("diagnostics"), Some("notes"));
    nul.rows = Some(7);
    nul.keys = ["id=1", "id=2", "id=5", "id=8", "id=9"].map(String::from).to_vec();
    nul.action = FindingAction::Refused;
    nul.text = "holds a NUL character, which PostgreSQL has none of".into();
    let mut view = finding(Severity::Warning, "object_not_carried", None, None);
    view.object = Some("active_users".into());
    view.kind = "view".into();
    view.action = FindingAction::NotCarried;
    view.text = "CREATE VIEW active_users AS\nSELECT * FROM users WHERE active".into();
    vec![widened, nul, view]
}

fn column(name: &str, from: &str, to: &str, carries: DataType) -> ColumnPlan {
    ColumnPlan { source_type: from.into(), ..sample::column(name, to, carries) }
}

fn plan() -> Plan {
    let mut id = column("id", "INTEGER", "integer", DataType::INT32);
    id.nullable = false;
    id.identity = Some(IdentityPlan { generation: IdentityGeneration::Serial, next: Some(66), increment: 1 });
    let mut hash = column("password_hash", "VARCHAR(128)", "character varying(255)", DataType::TEXT);
    hash.fidelity = Fidelity::Wider;
    hash.collation = Some("C".into());
    let mut renamed = column("rôle\u{1b}[2J", "TEXT", "text", DataType::TEXT);
    renamed.name = "role".into();
    renamed.default = Some("'user'".into());
    let mut partial = index("ix_users_role", false, &["role"]);
    partial.parts[0].descending = true;
    partial.predicate = Some("active".into());
    let users = TablePlan {
        primary_key: Some(KeyPlan { name: Some("users_pkey".into()), ..sample::key(&["id"]) }),
        indexes: vec![index("ix_users_email", true, &["email"]), partial],
        foreign_keys: vec![ForeignKeyPlan {
            name: None,
            ..sample::foreign_key(&["role_id"], "roles", &["id"])
        }],
        checks: vec![CheckPlan { name: None, expression: "active IN (0, 1)".into(), original: None }],
        key: vec!["id".into()],
        estimated_rows: Some(1234),
        ..sample::table("users", vec![id, hash, renamed])
    };
    Plan {
        types: vec![TypePlan { name: "userrole".into(), labels: vec!["ADMIN".into(), "USER".into()] }],
        findings: findings(),
        ..sample::plan(Dialect::Sqlite, Flavour::Postgres, vec![users])
    }
}

pub(super) fn planned() -> Planned {
    Planned { plan: plan(), source: sqlite(), target: postgres() }
}

pub(super) fn migrated() -> MigrationReport {
    let table = |name: &str, rows: u64, bytes: u64, seconds: f64, verified| TableReport {
        name: name.into(),
        target_name: name.into(),
        rows_read: rows,
        rows_written: rows,
        rows_rejected: 0,
        rows_filtered: 0,
        rows_before: 0,
        bytes,
        seconds,
        verified,
        digest: Some(Digest { rows, sum: 0xabc }),
    };
    MigrationReport {
        run_id: "0193".into(),
        source: sqlite(),
        target: postgres(),
        tables: vec![
            table("diagnostics", 300_000, 1_234_000_000, 12.34, Some(true)),
            table("users", 65, 20_000, 0.01, Some(true)),
        ],
        findings: vec![findings().remove(0), findings().remove(2)],
        plan: None,
        kept: Vec::new(),
        rejects: None,
        backup: Some("backups/techcare_20261124_131257.db".into()),
        seconds: 13.5,
        bytes: 1_234_020_000,
    }
}

fn detected() -> DetectReport {
    DetectReport {
        database: postgres(),
        latency: Duration::from_micros(1234),
        size: Some(45_000_000),
        encoding: "UTF8".into(),
        collation: "pt_BR.UTF-8".into(),
        time_zone: Some("America/Sao_Paulo".into()),
        tables: vec![
            DetectedTable { name: "diagnostics".into(), rows: 300_000, bytes: Some(44_000_000) },
            DetectedTable { name: "odd\nname".into(), rows: 1, bytes: None },
        ],
        techcare: DetectedTechCare {
            recognised: true,
            variant: Some(Variant::Current),
            faults: vec!["users.password_hash is too short".into()],
            migrations: vec![RecordedMigration {
                table: "seaql_migrations".into(),
                newest: Some("m20260101_000001_roles".into()),
                count: 4,
            }],
        },
        backup: Some(NewestBackup {
            path: "backups/techcare_postgresql_20261120_030000.dump".into(),
            age: Duration::from_secs(4 * 86_400),
        }),
        warnings: vec!["the server's time zone is America/Sao_Paulo, not UTC".into()],
    }
}

fn schema_report() -> SchemaReport {
    SchemaReport {
        database: postgres(),
        action: SchemaAction::Up,
        changed: vec!["m20260101_000001_roles".into()],
        applied: vec!["m20260101_000001_roles".into()],
        pending: vec![],
        tables: vec!["roles".into()],
        notes: vec!["a note".into()],
    }
}

pub(super) fn advice() -> report::Advice {
    report::Advice {
        env_lines: vec![
            "DB_TYPE=postgresql".into(),
            "DATABASE_URL=postgresql://techcare:***@db:5432/techcare".into(),
        ],
        report: Some("reports/migration_7.json".into()),
        page: Some("reports/migration_7.html".into()),
        written_to: None,
    }
}

pub(super) fn refusal() -> Error {
    let mut error = Error::new(ErrorKind::Refused, "the target postgresql://u:canary@h/d is not empty")
        .why("it already has table \"users\"")
        .next("choose an empty database");
    error.push(Error::new(ErrorKind::Lost, "the connection was lost"));
    error
}

fn observation(code: &'static str, table: &str, column: Option<&str>, text: &str) -> Observation {
    let observation = Observation::new(code, "column", text).table(table);
    match column {
        Some(column) => observation.column(column),
        None => observation,
    }
}

pub(super) fn alone() -> CheckReport {
    let missing = std::collections::BTreeMap::from([("users".to_owned(), vec!["role_id".to_owned()])]);
    let orphans = observation(
        "orphans",
        "diagnostics",
        Some("user_id"),
        "rows refer to rows of users that are not there",
    );
    let keys = ["id=1", "id=2", "id=5", "id=8", "id=9"].map(String::from).to_vec();
    CheckReport {
        database: sqlite(),
        quick: false,
        alone: Some(Alone {
            techcare: Fit {
                recognised: true,
                variant: Some(Variant::Older),
                missing_in_db: missing,
                migrations: vec![Recorded { table: "seaql_migrations".into(), names: vec!["m1".into()] }],
                pending: vec!["m2".into()],
                ..Fit::default()
            },
            whole: Some(false),
            health: Wellbeing {
                latency_ms: 0.25,
                connections_used: Some(7),
                connections_max: Some(100),
                time_zone: Some("UTC".into()),
                encoding: "UTF-8".into(),
                collation: "BINARY".into(),
                size_bytes: Some(4096),
                last_backup_age_seconds: Some(7_200),
            },
            observations: vec![
                observation(
                    "missing_in_db",
                    "users",
                    Some("role_id"),
                    "is in the models and not in the database",
                ),
                observation(
                    "extra_in_db",
                    "users",
                    Some("rôle\u{1b}[2J"),
                    "is in the database and not in the models",
                ),
                orphans.rows(1234).keys(keys).next("mend or delete these rows"),
            ],
        }),
        target: None,
        against: None,
    }
}

pub(super) fn against() -> CheckReport {
    let table = |name: &str, differences: Differences| ComparedTable {
        name: name.into(),
        other_name: name.into(),
        here: Some(Digest { rows: 1234, sum: 0xabc }),
        there: Some(Digest { rows: 1233, sum: 0xabd }),
        equal: Some(differences.count() == 0),
        differences,
    };
    let row = DifferingRow { key: "id=7".into(), difference: Difference::OnlyHere };
    let differ = Differences { only_here: 1, rows: vec![row], ..Differences::default() };
    let seen = observation("rows_differ", "users", None, "rows differ: 1 are here only").rows(1);
    CheckReport {
        alone: None,
        against: Some(Comparison {
            database: postgres(),
            tables: vec![table("roles", Differences::default()), table("users", differ)],
            observations: vec![seen.keys(vec!["id=7 (here only)".into()])],
        }),
        ..alone()
    }
}

fn ahead() -> CheckReport {
    let assumed = Some("cannot reach postgresql://techcare:***@db:5432/techcare".to_owned());
    CheckReport {
        alone: None,
        target: Some(Ahead {
            planned: planned(),
            assumed,
            occupied: None,
            missing_right: None,
            gives_way: Vec::new(),
        }),
        ..alone()
    }
}

pub(super) fn ahead_without_rights() -> CheckReport {
    let missing = MissingRight {
        what: "user \"ana\" may not create a schema in database \"techcare\"".into(),
        fix: "GRANT CREATE ON DATABASE \"techcare\" TO \"ana\"".into(),
    };
    let gives_way = |table: &str, rows| GivesWay { table: table.into(), rows };
    let mut report = ahead();
    if let Some(ahead) = &mut report.target {
        ahead.assumed = None;
        ahead.missing_right = Some(missing);
        ahead.gives_way =
            vec![gives_way("roles", Some(0)), gives_way("users", Some(1234)), gives_way("notes", None)];
    }
    report
}

#[test]
fn a_check() {
    insta::assert_snapshot!("check", check::render(&alone(), WIDE));
    insta::assert_snapshot!("check_narrow", check::render(&alone(), NARROW));
    insta::assert_snapshot!("check_json", format!("{:#}", json::check(&alone())));
    insta::assert_snapshot!("check_against", check::render(&against(), WIDE));
    insta::assert_snapshot!("check_against_json", format!("{:#}", json::check(&against())));
    insta::assert_snapshot!("check_target", check::render(&ahead(), WIDE));
    insta::assert_snapshot!("check_target_refused", check::render(&ahead_without_rights(), WIDE));
}

#[test]
fn a_plan() {
    insta::assert_snapshot!("plan", plan::render(&planned(), WIDE));
    insta::assert_snapshot!("plan_narrow", plan::render(&planned(), NARROW));
    insta::assert_json_snapshot!("plan_json", json::planned(&planned(), None, Status::Refused));
}

#[test]
fn a_migration() {
    insta::assert_snapshot!("migration", report::render(&migrated(), &advice(), WIDE));
    let written = report::Advice { written_to: Some(".env.new".into()), ..advice() };
    let mut one = migrated();
    one.tables.truncate(1);
    one.findings.clear();
    insta::assert_snapshot!("migration_of_one", report::render(&one, &written, NARROW));
    insta::assert_json_snapshot!("migration_json", json::migrated(&migrated(), None, None));
}

#[test]
fn a_migration_repeats_its_plan_unless_that_is_long() {
    let bare = Plan { findings: Vec::new(), ..plan() };
    let with = |tables: usize| {
        let table = bare.tables[0].clone();
        let plan = Plan { tables: vec![table; tables], ..bare.clone() };
        json::migrated(&MigrationReport { plan: Some(plan), ..migrated() }, None, None)
    };
    assert_eq!(with(1)["plan"], json::planned(&planned(), None, Status::Done)["plan"]);
    assert_eq!(with(500)["plan"]["tables"].as_array().unwrap().len(), 500);
    assert!(with(501).get("plan").is_none());
}

#[test]
fn a_document_tells_when_what_happened() {
    let mut course = Course::default();
    let users = || "users".to_owned();
    for (at, event) in [
        (0, Event::Phase { phase: Phase::Preflight }),
        (120, Event::Phase { phase: Phase::Load }),
        (130, Event::TableStarted { table: users(), rows: None }),
        (150, Event::Rows { table: users(), rows: 65, bytes: 20_000 }),
    ] {
        course.hear(&event, Duration::from_millis(at));
    }
    let timeline = course.timeline(chrono::DateTime::UNIX_EPOCH, Duration::from_millis(200));
    let document = json::timed(json::failed(Some("migrate"), &refusal(), None, None), &timeline);
    insta::assert_json_snapshot!("timed_json", document);
}

#[test]
fn a_detected_database() {
    insta::assert_snapshot!("detect", detect::render(&detected(), WIDE));
    let mut empty = detected();
    empty.database = sqlite();
    empty.tables.clear();
    empty.techcare =
        DetectedTechCare { recognised: false, variant: None, faults: vec![], migrations: vec![] };
    (empty.backup, empty.time_zone, empty.warnings) = (None, None, vec![]);
    insta::assert_snapshot!("detect_empty", detect::render(&empty, WIDE));
    insta::assert_json_snapshot!("detect_json", json::detect(&detected()));
}

#[test]
fn a_schema() {
    insta::assert_snapshot!("schema", schema::render(&schema_report(), WIDE));
    insta::assert_json_snapshot!("schema_json", json::schema(&schema_report()));
}

#[test]
fn an_error() {
    insta::assert_snapshot!("error", error::render(&refusal(), WIDE));
    let endpoint = Endpoint::new(Location::File("/srv/x.db".into()), "from --source");
    let document = json::failed(Some("migrate"), &refusal(), Some(&endpoint), None);
    assert!(!document.to_string().contains("canary"));
    insta::assert_json_snapshot!("error_json", document);
}

#[test]
fn colours_change_nothing_but_colours() {
    let colored = Style { color: true, width: None };
    let strip = |text: &str| {
        let mut out = String::new();
        let mut parts = text.split('\u{1b}');
        out.push_str(parts.next().unwrap());
        parts.for_each(|part| out.push_str(part.split_once('m').unwrap().1));
        out
    };
    let text = plan::render(&planned(), colored);
    assert!(text.contains('\u{1b}'));
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeeze(&strip(&text)), squeeze(&plan::render(&planned(), WIDE)));
}

#[test]
fn the_verdict_is_about_what_stayed_behind() {
    let all = findings();
    assert_eq!(verdict(&all[..1], &[]), Status::Done);
    assert_eq!(verdict(&all[2..], &[]), Status::Findings);
    let mut table = migrated().tables.remove(0);
    assert_eq!(verdict(&[], std::slice::from_ref(&table)), Status::Done);
    table.rows_rejected = 1;
    assert_eq!(verdict(&[], &[table]), Status::Findings);
}
