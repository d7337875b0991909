use chrono::DateTime;

use super::*;
use crate::cli::render::golden;
use crate::commands::check::CheckReport;
use crate::commands::dump::DumpReport;
use crate::model::digest::Digest;
use crate::model::endpoint::{Flavour, Location};
use crate::model::error::ErrorKind;
use crate::model::event::Phase;
use crate::model::plan::{Finding, FindingAction, Plan, Severity};
use crate::model::report::TableReport;
use crate::model::timeline::{PhaseSpan, Sample, TableSpan, Throughput};

#[path = "../../../../tests/it/support/page.rs"]
mod page;

use self::page::{all, sound, text, texts};

fn span(table: &str, phase: Phase, start: f64, end: f64) -> TableSpan {
    TableSpan { table: table.into(), phase, start, end, finished: true }
}

fn line() -> Timeline {
    let phase = |phase, start, end| PhaseSpan { phase, start, end };
    let sample = |at, phase, rows| Sample { at, phase, rows, bytes: rows * 100 };
    Timeline {
        began: DateTime::UNIX_EPOCH,
        seconds: 13.5,
        phases: vec![
            phase(Phase::Preflight, 0.0, 0.2),
            phase(Phase::Load, 0.2, 9.0),
            phase(Phase::Verify, 9.0, 13.5),
        ],
        tables: vec![
            span("users", Phase::Load, 0.3, 0.31),
            TableSpan { finished: false, ..span("diagnostics", Phase::Load, 0.3, 9.0) },
        ],
        throughput: Throughput {
            step: 0.5,
            samples: vec![
                sample(0.0, Phase::Load, 50),
                sample(8.5, Phase::Load, 100),
                sample(8.5, Phase::Verify, 300),
            ],
        },
    }
}

fn migration() -> MigrationReport {
    MigrationReport {
        plan: Some(Plan { findings: Vec::new(), ..golden::planned().plan }),
        kept: vec!["DROP TABLE \"old\"".into()],
        ..golden::migrated()
    }
}

fn of(migration: &MigrationReport) -> String {
    migrated(migration, &golden::advice(), &line())
}

fn table(name: &str, rows: u64, verified: Option<bool>) -> TableReport {
    TableReport {
        name: name.into(),
        target_name: name.into(),
        verified,
        digest: Some(Digest { rows, sum: u128::from(rows) }),
        ..golden::migrated().tables.remove(0)
    }
}

fn only(tables: Vec<TableReport>) -> MigrationReport {
    MigrationReport { tables, ..migration() }
}

#[test]
fn the_page_of_a_migration() {
    let page = of(&migration());
    sound(&page);
    // The style sheet has its own test, and the version changes with each release.
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let page = format!("{head}<style></style>{rest}").replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
    insta::assert_snapshot!("page", page.replace("><", ">\n<"));
}

#[test]
fn every_kind_of_answer_is_a_sound_page() {
    let endpoint = Endpoint::new(Location::File("/srv/x.db".into()), "from --source");
    let dump = DumpReport {
        migration: migration(),
        file: "it's.sql.gz".into(),
        file_bytes: 1234,
        flavour: Flavour::Postgres,
        longest_row: 100,
    };
    let nothing = Timeline { phases: vec![], tables: vec![], throughput: Throughput::default(), ..line() };
    let bare = MigrationReport { tables: vec![], findings: vec![], plan: None, ..migration() };
    let planned_page =
        |refusal: Option<&Error>, status| planned(&golden::planned(), refusal, status, &line());
    for (page, parts) in [
        (of(&migration()), "tables proof timeline throughput findings next undo plan"),
        (migrated(&bare, &golden::advice(), &nothing), "tables proof findings next undo"),
        (dumped(&dump, &line()), "tables load timeline throughput findings plan"),
        (planned_page(None, Status::Done), "findings plan timeline throughput"),
        (planned_page(Some(&golden::refusal()), Status::Refused), "error findings plan timeline throughput"),
        (checked(&golden::alone(), &line()), "state findings timeline throughput"),
        (checked(&golden::against(), &nothing), "comparison differences"),
        (checked(&golden::ahead_without_rights(), &nothing), "migration findings plan"),
        (
            failed("migrate", &golden::refusal(), Some(&endpoint), None, Some(&line())),
            "error timeline throughput",
        ),
        (failed("check", &golden::refusal(), None, None, None), "error"),
    ] {
        let page = sound(&page);
        let found: Vec<&str> =
            all(&page, "section").iter().map(|section| section.attr("id").unwrap()).collect();
        assert_eq!(found.join(" "), parts);
    }
}

#[test]
fn what_moved_is_there_with_its_digest() {
    let page = sound(&of(&migration()));
    let rows = texts(&page, "#tables tbody tr");
    let digest = format!("{:032x}", 0xabc);
    assert_eq!(
        rows,
        [
            format!("diagnostics300,0001.2 GB12.324,311yes{digest}"),
            format!("users6520 kB0.06,500yes{digest}"),
            "total300,0651.2 GB13.522,227".to_owned(),
        ]
    );
    let facts = texts(&page, "header dl div");
    for fact in ["rows300,065", "bytes of values1.2 GB", "took13 s", "began1970-01-01 00:00:00 UTC"] {
        assert!(facts.iter().any(|found| found == fact), "{fact} in {facts:?}");
    }
}

#[test]
fn the_proof_is_called_what_it_is() {
    let proof = |tables| text(all(&sound(&of(&only(tables))), "#proof p")[0]);
    let (yes, no, none) = (Some(true), Some(false), None);
    assert!(proof(vec![table("a", 1, yes)]).starts_with("Every value of every row was compared"));
    assert!(proof(vec![table("a", 1, yes), table("b", 1, no)]).starts_with("Not every table arrived"));
    assert_eq!(proof(vec![table("a", 1, none)]), "The target was not asked what arrived.");
    assert_eq!(proof(vec![table("a", 1, yes), table("b", 1, none)]), "1 table of 2 were compared.");
}

#[test]
fn findings_say_what_their_code_means_and_what_to_do() {
    let page = sound(&planned(&golden::planned(), None, Status::Refused, &line()));
    let found = texts(&page, "#findings details");
    assert_eq!(found.len(), 3);
    let nul = &found[0];
    for part in [
        "nul_in_text",
        "Text with a NUL, which PostgreSQL cannot hold.",
        "--rule nul_in_text=reject leaves such rows out",
        "docs/findings/nul_in_text.md",
        "id=1; id=2; id=5; id=8; id=9, …",
        "diagnostics.notes",
    ] {
        assert!(nul.contains(part), "{part} in {nul}");
    }
    assert!(
        found[1].contains("CREATE VIEW active_users AS SELECT * FROM users WHERE active"),
        "{}",
        found[1]
    );
    let seen = texts(&sound(&checked(&golden::alone(), &line())), "#findings details").join(" ");
    assert!(
        seen.contains("Rows that refer to rows which are not there.") && seen.contains("mend or delete"),
        "{seen}"
    );
}

#[test]
fn names_are_text_whatever_they_are() {
    let hostile = [
        "<script>alert(1)</script>",
        "\" onmouseover=\"alert(1)",
        "</title></style><!--",
        "&lt;b&gt; &amp; '",
        "a\u{1b}[2J\u{0}\n\u{7f}\u{85}",
        "\u{202e}gpj.exe",
        "\u{fffe}\u{fdd0}\u{10ffff}",
    ];
    for name in hostile {
        let mut report = migration();
        report.run_id = name.into();
        report.source.location = name.into();
        report.target.version = Some(name.into());
        report.kept = vec![name.into()];
        report.tables[0].name = name.into();
        for finding in &mut report.findings {
            (finding.table, finding.text) = (Some(name.into()), name.into());
            (finding.code, finding.keys) = (name.into(), vec![name.into()]);
        }
        if let Some(plan) = &mut report.plan {
            let table = &mut plan.tables[0];
            table.source = name.into();
            table.columns[0].default = Some(name.into());
            table.checks[0].expression = name.into();
            plan.types[0].labels = vec![name.into()];
        }
        let mut line = line();
        line.tables[0].table = name.into();
        let advice =
            Advice { env_lines: vec![name.into()], written_to: Some(name.into()), ..golden::advice() };
        let page = sound(&migrated(&report, &advice, &line));
        let shown = parts::plain(name);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        for place in
            ["#tables tbody th bdi", "#timeline tbody th bdi", "#plan summary bdi", "#findings td bdi"]
        {
            assert!(texts(&page, place).contains(&shown), "{place}: {shown:?}");
        }
    }
}

#[test]
fn an_error_shows_no_password() {
    let error = Error::new(ErrorKind::Login, "no login at postgresql://u:canary@h/d")
        .why("tried mysql://u:canary@h/d?password=canary")
        .next("see postgresql://u:canary@h/d");
    let page = failed("migrate", &error, None, None, None);
    sound(&page);
    assert!(!page.contains("canary"), "{page}");
}

#[test]
fn a_thousand_tables_are_all_there_and_folded() {
    let name = |n: u32| format!("table_{n:04}");
    let tables: Vec<TableReport> = (0..1000).map(|n| table(&name(n), n.into(), Some(true))).collect();
    let mut long = line();
    long.tables = (0..1000).map(|n| span(&name(n), Phase::Load, 1.0, 2.0 + f64::from(n) / 1000.0)).collect();
    let page = sound(&migrated(&only(tables), &golden::advice(), &long));
    let names = texts(&page, "#tables tbody th");
    assert_eq!(names.len(), 1001);
    assert_eq!(names[..1000], (0..1000).map(name).collect::<Vec<_>>());
    assert!(all(&page, "#tables details[open]").is_empty(), "1,000 rows are open");
    let drawn = texts(&page, "#timeline details tbody th");
    assert_eq!((drawn.len(), drawn[0].as_str(), drawn[49].as_str()), (50, "table_0950", "table_0999"));
    let captions = texts(&page, "#timeline details caption");
    assert_eq!(captions, ["The 50 that took longest of 1,000, a table in a phase each"]);
    assert!(all(&page, "#timeline details[open]").is_empty());
}

#[test]
fn what_is_cut_is_said() {
    let finding = Finding {
        code: "widened".into(),
        severity: Severity::Info,
        action: FindingAction::Widened,
        ..golden::findings().remove(0)
    };
    let mut long = golden::planned();
    long.plan.findings = vec![finding; 1001];
    let table = long.plan.tables[0].clone();
    long.plan.tables = vec![table; 501];
    let page = sound(&planned(&long, None, Status::Done, &line()));
    assert_eq!(all(&page, "#findings tbody tr").len(), 1000);
    let said = texts(&page, "#findings p");
    assert!(
        said.contains(&"These are the first 1,000. --format json has all of them.".to_owned()),
        "{said:?}"
    );
    assert_eq!(all(&page, "#plan > details").len(), 500);
    let said = texts(&page, "#plan p");
    assert!(said[1].starts_with("These are the first 500 tables."), "{said:?}");
    let done = MigrationReport { plan: Some(long.plan), ..migration() };
    assert!(all(&sound(&of(&done)), "#plan").is_empty(), "the document has none either");
}

#[test]
fn the_plot_stacks_what_went_by_in_the_same_step() {
    let page = sound(&of(&migration()));
    let bars: Vec<[&str; 4]> = all(&page, "#throughput svg rect")
        .iter()
        .map(|bar| ["class", "y", "height", "x"].map(|name| bar.attr(name).unwrap()))
        .collect();
    // Of 400 rows in the fullest step, 200 units high, the lower quarter is the load's.
    assert_eq!(
        bars,
        [
            ["p-load", "175.0", "25.0", "0.0"],
            ["p-load", "150.0", "50.0", "629.6"],
            ["p-verify", "0.0", "150.0", "629.6"],
        ]
    );
    assert!(texts(&page, "#throughput .axis")[0].contains("800 rows/s"));
    let phases = texts(&page, "#timeline > .wide tbody tr");
    assert_eq!(phases[1], "moving rows0.200 s8.800 s");
    let longest = texts(&page, "#timeline details tbody tr");
    assert_eq!(longest[1], "diagnosticsmoving rows0.300 s8.700 s, not done");
}

#[test]
fn a_comparison_names_rows_that_differ() {
    let CheckReport { database, .. } = golden::against();
    let page = sound(&checked(&golden::against(), &line()));
    assert_eq!(
        texts(&page, "#comparison details")[1],
        "users: 1 rowRows that differkeyhow it differsid=7only here"
    );
    let found = texts(&page, "header dl div");
    assert!(found[0].contains(&database.location), "{found:?}");
}

/// Luminance as WCAG 2 has it.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn colours_can_be_read_in_both_schemes() {
    let style = include_str!("style.css");
    let schemes: Vec<&str> =
        style.split(":root {").skip(1).map(|rest| rest.split_once('}').unwrap().0).collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let colours: std::collections::BTreeMap<&str, &str> =
            scheme.split(';').filter_map(|line| line.trim().split_once(": ")).collect();
        assert_eq!(colours.len(), 18, "{colours:?}");
        for (name, colour) in &colours {
            let least = match name.trim_start_matches('-') {
                "paper" | "panel" | "line" => continue,
                "ink" | "faint" | "link" | "good" | "warning" | "bad" => 4.5,
                _ => 3.0,
            };
            for ground in ["--paper", "--panel"] {
                let mut light = [luminance(colour), luminance(colours[ground])];
                light.sort_by(f64::total_cmp);
                let contrast = (light[1] + 0.05) / (light[0] + 0.05);
                assert!(contrast >= least, "{name} {colour} on {ground}: {contrast:.2}");
            }
        }
    }
}
