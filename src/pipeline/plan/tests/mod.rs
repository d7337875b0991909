//! The planner against a fake target, rule by rule; and against the real rules, as snapshots.

mod build;
mod by_hand;
mod fake;
mod former_names;
mod keys;
mod own_types;
mod real;
mod replaced;
mod show;

use std::collections::BTreeMap;

use self::build::{column, datetime, id, int, schema, table, varchar};
use self::fake::FakeRules;
use self::show::show_finding;
use super::*;
use crate::engine::capability::NameLimit;
use crate::model::plan::{ColumnProfile, Misfit, Severity, StorageClasses};
use crate::model::schema::{Action, DataType, DefaultValue, Object, ObjectKind, Table};
use Dialect::{Mysql, Postgres, Sqlite};

/// Plans a schema of SQLite for a fake target.
fn planned(rules: &FakeRules, tables: Vec<Table>, profiles: &BTreeMap<String, TableProfile>) -> Plan {
    planned_from(Sqlite, rules, tables, profiles)
}

fn planned_from(
    source: Dialect,
    rules: &FakeRules,
    tables: Vec<Table>,
    profiles: &BTreeMap<String, TableProfile>,
) -> Plan {
    let source_flavour = match source {
        Sqlite => Flavour::Sqlite,
        Postgres => Flavour::Postgres,
        Mysql => Flavour::Mysql,
    };
    plan(&PlanInput {
        source: &schema(source, tables),
        source_flavour,
        left_out: &[],
        profiles,
        rules,
        known: None,
        existing: None,
        scope: Scope::All,
        by_hand: &[],
    })
}

fn nothing() -> BTreeMap<String, TableProfile> {
    BTreeMap::new()
}

/// A profile of one table.
fn profile(table: &str, rows: u64, columns: Vec<ColumnProfile>) -> BTreeMap<String, TableProfile> {
    BTreeMap::from([(table.to_owned(), TableProfile { rows: Some(rows), columns })])
}

fn chars(longest: u64) -> ColumnProfile {
    ColumnProfile { max_chars: Some(longest), max_bytes: Some(longest), ..ColumnProfile::default() }
}

fn between(min: i64, max: i64) -> ColumnProfile {
    ColumnProfile { min_int: Some(min), max_int: Some(max), ..ColumnProfile::default() }
}

fn types(plan: &Plan, table: usize) -> Vec<&str> {
    plan.tables[table].columns.iter().map(|c| c.native_type.as_str()).collect()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.findings.iter().map(|f| f.code.as_str()).collect()
}

#[test]
fn a_plan_of_nothing_is_empty() {
    let plan = planned(&FakeRules::able(Postgres), vec![], &nothing());
    assert_eq!((plan.tables.len(), plan.findings.len()), (0, 0));
}

#[test]
fn the_data_widen_what_is_declared() {
    let columns =
        vec![varchar("hash", 128), column("n", "SMALLINT", DataType::Int { bits: 16, unsigned: false })];
    let facts = profile("t", 3, vec![chars(162), between(0, 1 << 20)]);
    let plan = planned(&FakeRules::able(Postgres), vec![table("t", columns.clone())], &facts);
    assert_eq!(types(&plan, 0), ["varchar(255)", "int24"]);
    assert_eq!(codes(&plan), ["widened", "widened"]);
    assert_eq!(
        show_finding(&plan.findings[0]),
        "info widened column t.hash: VARCHAR(128) becomes varchar(255): the data goes beyond what is declared"
    );
    // The same dialect keeps its words.
    let plan = planned(&FakeRules::able(Sqlite), vec![table("t", columns)], &facts);
    assert_eq!(codes(&plan), Vec::<&str>::new());
}

#[test]
fn unsigned_types_with_negative_data_become_signed_without_shrinking() {
    let columns = vec![column("n", "INT UNSIGNED", DataType::Int { bits: 32, unsigned: true })];
    let plan = planned(
        &FakeRules::able(Postgres),
        vec![table("t", columns)],
        &profile("t", 1, vec![between(-1, 5)]),
    );
    assert_eq!(types(&plan, 0), ["int64"]);
}

#[test]
fn known_models_give_types_that_the_data_may_widen() {
    let declared =
        table("users", vec![id(), varchar("password_hash", 128), int("age"), int("big")]).key(&["id"]);
    let int32 = |name| column(name, "INTEGER", DataType::INT32);
    let known = schema(
        Sqlite,
        vec![table("users", vec![int32("id"), varchar("password_hash", 255), int32("age"), int32("big")])],
    );
    let source = schema(Sqlite, vec![declared]);
    let facts = profile("users", 2, vec![between(1, 2), chars(162), between(7, 7), between(0, 1 << 40)]);
    let rules = FakeRules::able(Postgres);
    let input = PlanInput {
        source: &source,
        source_flavour: Flavour::Sqlite,
        left_out: &[],
        profiles: &facts,
        rules: &rules,
        known: Some(&known),
        existing: None,
        scope: Scope::All,
        by_hand: &[],
    };
    assert_eq!(types(&plan(&input), 0), ["int32", "varchar(255)", "int32", "int64"]);
    // Nobody looked: SQLite's INTEGER may hold anything.
    let blind = plan(&PlanInput { profiles: &nothing(), ..input });
    assert_eq!(types(&blind, 0), ["int64", "varchar(255)", "int64", "int64"]);
    // Nothing will come.
    let empty = plan(&PlanInput { profiles: &nothing(), scope: Scope::SchemaOnly, ..input });
    assert_eq!(types(&empty, 0), ["int32", "varchar(255)", "int32", "int32"]);
}

#[test]
fn both_ends_of_a_foreign_key_have_one_type() {
    let classes = StorageClasses { integer: 5, ..StorageClasses::default() };
    let parent =
        table("actor", vec![column("id", "numeric", DataType::Decimal { precision: None, scale: None })])
            .key(&["id"]);
    let child =
        table("film", vec![column("actor", "INT", DataType::INT32)]).references("actor", "actor", None);
    let whole = ColumnProfile { classes: Some(classes), ..ColumnProfile::default() };
    let facts = profile("actor", 5, vec![whole]);
    let plan = planned(&FakeRules::able(Postgres), vec![parent.clone(), child.clone()], &facts);
    assert_eq!((types(&plan, 0), types(&plan, 1)), (vec!["int64"], vec!["int64"]));
    assert_eq!(plan.tables[1].foreign_keys.len(), 1);
    // Nobody knows that the decimals are whole: then both are decimals.
    let plan = planned(&FakeRules::able(Postgres), vec![parent, child], &nothing());
    assert_eq!(types(&plan, 0), types(&plan, 1));
    assert!(matches!(plan.tables[1].columns[0].carries, DataType::Decimal { .. }));
}

#[test]
fn misfits_block_with_rows_and_keys() {
    let misfit = Misfit {
        code: "bad_datetime".into(),
        rows: 2,
        keys: vec!["id=7".into(), "id=9".into()],
        text: "is no date and time".into(),
        late: false,
    };
    let facts = ColumnProfile { misfits: vec![misfit], ..ColumnProfile::default() };
    let plan = planned(
        &FakeRules::able(Postgres),
        vec![table("t", vec![datetime("at")])],
        &profile("t", 9, vec![facts]),
    );
    assert_eq!(
        show_finding(&plan.findings[0]),
        "blocker bad_datetime column t.at: is no date and time (2 rows: id=7, id=9)"
    );
}

#[test]
fn late_instants_block_where_the_target_has_none() {
    let late = Misfit {
        code: "datetime_range".into(),
        rows: 1,
        keys: vec!["id=7".into()],
        text: "lies after 2038".into(),
        late: true,
    };
    let facts = ColumnProfile { misfits: vec![late], ..ColumnProfile::default() };
    let planned = |late_instants| {
        let mut rules = FakeRules::able(Mysql);
        rules.can.late_instants = late_instants;
        planned(&rules, vec![table("t", vec![datetime("at")])], &profile("t", 9, vec![facts.clone()]))
    };
    assert_eq!(planned(true).blockers().count(), 0);
    assert_eq!(
        show_finding(planned(false).blockers().next().unwrap()),
        "blocker datetime_range column t.at: lies after 2038 (1 rows: id=7)"
    );
}

#[test]
fn a_primary_key_takes_null_in_sqlite_only() {
    let tables = || vec![table("t", vec![varchar("code", 5)]).key(&["code"])];
    let nullable =
        |target| planned(&FakeRules::able(target), tables(), &BTreeMap::new()).tables[0].columns[0].nullable;
    assert!(nullable(Sqlite), "as it was");
    assert!(!nullable(Postgres));
}

#[test]
fn types_without_a_counterpart_block() {
    let native = DataType::Native { dialect: Sqlite, name: "geometry".into() };
    let columns = vec![column("shape", "GEOMETRY", native), column("y", "YEAR", DataType::Year)];
    let plan = planned(&FakeRules::able(Postgres), vec![table("t", columns)], &nothing());
    assert_eq!(codes(&plan), ["unsupported_type", "widened"]);
    assert_eq!(plan.blockers().count(), 1);
}

#[test]
fn defaults_are_said_in_the_words_of_the_target_or_listed() {
    let expression = |text: &str| DefaultValue::Expression(text.into());
    let columns = vec![
        varchar("a", 9).default_to(DefaultValue::Text("x".into())),
        datetime("b").default_to(expression("datetime('now')")),
        int("c").default_to(expression("1 + 2")),
        varchar("d", 9).default_to(expression("hex(randomblob(4))")),
        int("e").default_to(DefaultValue::Null),
    ];
    let plan = planned(&FakeRules::able(Postgres), vec![table("t", columns)], &nothing());
    let defaults: Vec<Option<&str>> = plan.tables[0].columns.iter().map(|c| c.default.as_deref()).collect();
    assert_eq!(defaults, [Some("'x'"), Some("CURRENTTIMESTAMP"), Some("(1 + 2)"), None, Some("NULL")]);
    assert_eq!(
        plan.findings.iter().map(show_finding).collect::<Vec<_>>(),
        [
            "warning default_not_carried default t.d: has no counterpart in the target: DEFAULT hex(randomblob(4))"
        ]
    );
}

#[test]
fn generated_columns_are_translated_or_become_plain_with_their_values() {
    let columns = || {
        vec![int("a"), int("twice").generated("a * 2", false), varchar("low", 9).generated("hex(a)", true)]
    };
    let plan = planned(&FakeRules::able(Postgres), vec![table("t", columns())], &nothing());
    assert_eq!(plan.tables[0].columns[1].generated.as_ref().unwrap().expression, r#""a" * 2"#);
    assert_eq!(plan.tables[0].copied().count(), 2);
    assert_eq!(codes(&plan), ["generated_not_carried"]);
    assert_eq!(plan.findings[0].severity, Severity::Blocker);
    assert!(plan.findings[0].text.contains("hex(a)"));
    let mut rules = FakeRules::able(Postgres);
    rules.can.generated_virtual = false;
    let plan = planned(&rules, vec![table("t", columns())], &nothing());
    assert!(plan.tables[0].columns[1].generated.as_ref().unwrap().stored);
    assert_eq!(codes(&plan), ["generated_kind", "generated_not_carried"]);
}

#[test]
fn checks_are_translated_or_listed() {
    let t = table("t", vec![int("n"), varchar("s", 9)])
        .check(Some("n_positive"), "n >= 0")
        .check(None, "s GLOB 'a*'");
    let plan = planned(&FakeRules::able(Postgres), vec![t], &nothing());
    let checks = &plan.tables[0].checks;
    assert_eq!((checks.len(), checks[0].expression.as_str()), (1, r#""n" >= 0"#));
    assert_eq!(
        show_finding(&plan.findings[0]),
        "blocker check_not_carried check t: has no certain counterpart in the target: CHECK (s GLOB 'a*')"
    );
}

#[test]
fn mysql_watches_no_columns_that_it_changes_itself() {
    let mut t = table(
        "t",
        vec![
            id(),
            int("up"),
            int("n"),
            int("next").generated("up + 1", true),
            int("old").generated("id + 1", true),
        ],
    )
    .key(&["id"])
    .references("up", "t", None)
    .check(None, "id > 0")
    .check(None, "up > 0")
    .check(None, "n > 0");
    t.foreign_keys[0].on_delete = Action::SetNull;
    let tables = || vec![t.clone()];
    assert_eq!(codes(&planned(&FakeRules::able(Postgres), tables(), &nothing())), Vec::<&str>::new());
    let plan = planned(&FakeRules::able(Mysql), tables(), &nothing());
    assert_eq!(plan.tables[0].checks.len(), 1);
    assert!(!plan.tables[0].columns[3].generated.as_ref().unwrap().stored);
    assert_eq!(
        codes(&plan),
        ["generated_kind", "generated_not_carried", "check_not_carried", "check_not_carried"]
    );
}

#[test]
fn a_json_check_is_left_to_the_type() {
    let json = column("j", "json", DataType::Json { binary: false });
    let t = table("t", vec![json]).check(Some("j"), "json_valid(`j`)");
    let plan = planned_from(Mysql, &FakeRules::able(Postgres), vec![t], &nothing());
    assert_eq!((plan.tables[0].checks.len(), codes(&plan)), (0, vec!["check_implied"]));
    assert_eq!(plan.findings[0].severity, Severity::Info);
}

#[test]
fn expressions_follow_renamed_columns() {
    let mut rules = FakeRules::able(Postgres);
    rules.can.max_name = NameLimit::Bytes(10);
    let long = "a_rather_long_name";
    let t = table("t", vec![int(long)]).check(None, &format!("{long} > 0"));
    let plan = planned(&rules, vec![t], &nothing());
    let name = &plan.tables[0].columns[0].name;
    assert!(name.len() <= 10 && name != long, "{name}");
    assert_eq!(plan.tables[0].checks[0].expression, format!("\"{name}\" > 0"));
    assert_eq!(codes(&plan), ["renamed"]);
}

#[test]
fn names_that_differ_only_in_case_block_where_they_are_one() {
    let tables = || vec![table("Users", vec![int("a"), int("A")]), table("users", vec![int("a")])];
    assert_eq!(codes(&planned(&FakeRules::able(Postgres), tables(), &nothing())), Vec::<&str>::new());
    let mut rules = FakeRules::able(Postgres);
    rules.can.case_sensitive_tables = false;
    rules.can.case_sensitive_columns = false;
    let plan = planned(&rules, tables(), &nothing());
    assert_eq!(codes(&plan), ["case_twins", "case_twins"]);
    assert_eq!(plan.blockers().count(), 2);
}

#[test]
fn names_that_mysql_does_not_take_get_another_one() {
    let plan = planned(&FakeRules::able(Mysql), vec![table("caixa 😀", vec![int("a ")])], &nothing());
    let (table, column) = (&plan.tables[0].name, &plan.tables[0].columns[0].name);
    assert!(table.starts_with("caixa __") && table.is_ascii(), "{table}");
    assert!(column.starts_with("a _"), "{column}");
    assert_eq!(codes(&plan), ["renamed", "renamed"]);
}

#[test]
fn tables_that_are_too_wide_block() {
    let columns = (0..6).map(|n| int(&format!("c{n}"))).collect();
    let plan = planned(&FakeRules::poor(Postgres), vec![table("t", columns), table("e", vec![])], &nothing());
    assert_eq!(codes(&plan), ["column_count", "column_count"]);
}

#[test]
fn what_is_no_table_is_listed_with_its_text() {
    let object = |kind, name: &str, table: Option<&str>, definition: &str| {
        Object::new(kind, name, definition).of(table.map(Into::into))
    };
    let rating = DataType::Enum { name: Some("rating".into()), labels: vec!["G".into()] };
    let mut source = schema(Postgres, vec![table("film", vec![column("r", "public.rating", rating)])]);
    source.objects = vec![
        object(ObjectKind::View, "v", None, "CREATE VIEW v AS SELECT 1"),
        object(ObjectKind::Trigger, "tr", Some("film"), "CREATE TRIGGER tr"),
        object(ObjectKind::Type, "rating", None, "CREATE TYPE rating"),
        object(ObjectKind::Type, "unused", None, "CREATE TYPE unused"),
        object(ObjectKind::Extension, "citext", None, "citext 1.6"),
    ];
    let rules = FakeRules::able(Mysql);
    let plan = plan(&PlanInput {
        source: &source,
        source_flavour: Flavour::Postgres,
        left_out: &[],
        profiles: &nothing(),
        rules: &rules,
        known: None,
        existing: None,
        scope: Scope::All,
        by_hand: &[],
    });
    assert_eq!(
        plan.findings.iter().map(show_finding).collect::<Vec<_>>(),
        [
            "warning object_not_carried view v: not all of it certainly means the same in the target; it reads: CREATE VIEW v AS SELECT 1",
            "warning object_not_carried trigger film.tr: CREATE TRIGGER tr",
            "warning object_not_carried type unused: CREATE TYPE unused",
            "info extension_not_carried extension citext: citext 1.6",
        ]
    );
}

#[test]
fn rows_alone_go_into_the_types_that_are_there() {
    let source = schema(Sqlite, vec![table("users", vec![id(), varchar("name", 64), int("n")]).key(&["id"])]);
    let int32 = |name| column(name, "int32", DataType::INT32);
    let there = |columns| schema(Postgres, vec![table("users", columns)]);
    let facts = profile("users", 1, vec![between(1, 1), chars(10), between(0, 5)]);
    let rules = FakeRules::able(Postgres);
    let blank = schema(Postgres, vec![]);
    let run = |existing: &Schema| {
        plan(&PlanInput {
            source: &source,
            source_flavour: Flavour::Sqlite,
            left_out: &[],
            profiles: &facts,
            rules: &rules,
            known: None,
            existing: Some(existing),
            scope: Scope::DataOnly,
            by_hand: &[],
        })
    };
    let plan = run(&there(vec![int32("id"), varchar("NAME", 80), int32("n")]));
    assert_eq!(codes(&plan), Vec::<&str>::new());
    assert_eq!(types(&plan, 0), ["int32", "VARCHAR(80)", "int32"]);
    assert_eq!(plan.tables[0].columns[1].name, "NAME");
    assert_eq!(plan.tables[0].key, ["id"]);
    assert_eq!(codes(&run(&blank)), ["target_mismatch"]);
    // Too narrow, missing, and a column that wants a value.
    let plan = run(&there(vec![int32("id"), varchar("name", 20), int("m").required()]));
    assert_eq!(codes(&plan), ["target_mismatch"; 3]);
}
