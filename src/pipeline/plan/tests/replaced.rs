//! Empty tables that the application made first.

use super::build::{id, index, schema, table, varchar};
use super::fake::FakeRules;
use super::show::show_finding;
use super::*;
use crate::model::schema::{DefaultValue, Index};

fn planned_over(source: Vec<Table>, existing: Vec<Table>) -> Plan {
    let rules = FakeRules::able(Dialect::Postgres);
    plan(&PlanInput {
        source: &schema(Dialect::Sqlite, source),
        source_flavour: Flavour::Sqlite,
        left_out: &[],
        profiles: &BTreeMap::new(),
        rules: &rules,
        known: None,
        existing: Some(&schema(Dialect::Postgres, existing)),
        scope: Scope::All,
        by_hand: &[],
    })
}

fn unique(name: Option<&str>, column: &str) -> Index {
    Index { name: name.map(Into::into), unique: true, constraint: true, ..index("", &[column]) }
}

#[test]
fn names_lengths_and_columns_of_the_application_stay() {
    let mut from = table("t", vec![id(), varchar("name", 20)]).key(&["id"]);
    from.indexes = vec![unique(None, "name")];
    let locale = varchar("locale", 9).default_to(DefaultValue::Text("pt".into()));
    let mut there = table("t", vec![id(), varchar("name", 64), locale, varchar("avatar", 9)]).key(&["id"]);
    there.indexes = vec![unique(Some("t_name_key"), "name"), unique(Some("t_avatar_key"), "avatar")];
    let plan = planned_over(vec![from], vec![there]);
    assert_eq!(plan.blockers().count(), 0, "{:?}", plan.findings);
    let table = &plan.tables[0];
    assert!(table.replaces);
    let columns: Vec<_> =
        table.columns.iter().map(|c| (c.name.as_str(), c.native_type.as_str(), c.filled)).collect();
    let id = (table.columns[0].name.as_str(), table.columns[0].native_type.as_str(), true);
    assert_eq!(
        columns,
        [id, ("name", "varchar(64)", true), ("locale", "varchar(9)", false), ("avatar", "varchar(9)", false)]
    );
    assert_eq!(table.copied().count(), 2);
    let names: Vec<_> = table.indexes.iter().filter_map(|i| i.name.as_deref()).collect();
    assert_eq!(names, ["t_name_key", "t_avatar_key"]);
}

#[test]
fn what_cannot_be_kept_blocks() {
    let tenant = varchar("tenant", 9).required();
    let plan = planned_over(
        vec![table("t", vec![id()]).key(&["id"])],
        vec![table("t", vec![id(), tenant]).key(&["id"])],
    );
    let blockers: Vec<String> = plan.blockers().map(show_finding).collect();
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert!(blockers[0].contains("target_mismatch") && blockers[0].contains("tenant"), "{blockers:?}");
}

#[test]
fn a_table_that_is_not_there_replaces_nothing() {
    let plan = planned_over(
        vec![table("t", vec![id()]).key(&["id"])],
        vec![table("other", vec![id()]).key(&["id"])],
    );
    assert!(!plan.tables[0].replaces);
    assert!(plan.findings.is_empty(), "{:?}", plan.findings);
}
