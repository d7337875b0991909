//! Rules by hand: what they do to a schema, and what the planner makes of the names.

use super::build::{id, index, int, schema, table, text, varchar};
use super::fake::FakeRules;
use super::show::show_finding;
use super::*;
use crate::model::error::ErrorKind;
use crate::model::rule::{ColumnRule, TableRule};
use crate::pipeline::plan::by_hand::apply;
use crate::pipeline::selection::Selection;

fn tables() -> Vec<Table> {
    let film = table("film", vec![id(), varchar("code", 9), text("notes"), int("actor")])
        .key(&["id"])
        .index(index("one_code", &["code"]).unique())
        .index(index("by_notes", &["notes"]))
        .check(Some("long"), "length(notes) > 1")
        .references("actor", "actor", Some("plays"));
    vec![table("actor", vec![id()]).key(&["id"]), film]
}

fn exclude(table: &str, columns: &[&str]) -> TableRule {
    let exclude = columns.iter().map(|c| (*c).to_owned()).collect();
    TableRule { table: table.into(), exclude, ..TableRule::default() }
}

fn rename(table: &str, column: Option<&str>, to: &str) -> TableRule {
    let mut rule = TableRule { table: table.into(), ..TableRule::default() };
    match column {
        None => rule.rename = Some(to.into()),
        Some(column) => {
            let changed = ColumnRule { rename: Some(to.into()), native_type: None };
            rule.columns.insert(column.into(), changed);
        }
    }
    rule
}

/// The plan under rules, and the findings in lines.
fn ruled(rules: &[TableRule]) -> (Plan, Vec<String>) {
    let target = FakeRules::able(Mysql);
    let mut selection = Selection::whole(schema(Postgres, tables()));
    let said = apply(&mut selection, rules, &target, Scope::All).unwrap();
    let plan = plan(&PlanInput {
        source: &selection.schema,
        source_flavour: Flavour::Postgres,
        left_out: &[],
        profiles: &nothing(),
        rules: &target,
        known: None,
        existing: None,
        scope: Scope::All,
        by_hand: rules,
    });
    let lines = said.iter().chain(&plan.findings).map(show_finding).collect();
    (plan, lines)
}

#[test]
fn what_needs_an_excluded_column_goes_with_it() {
    let (plan, lines) = ruled(&[exclude("film", &["notes"]), exclude("actor", &["id"])]);
    let film = plan.tables.iter().find(|t| t.name == "film").unwrap();
    assert_eq!(film.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["id", "code", "actor"]);
    assert_eq!((film.indexes.len(), film.checks.len(), film.foreign_keys.len()), (1, 0, 0));
    for (code, severity) in [
        ("column_excluded", "info"),
        ("index_not_carried", "warning"),
        ("check_not_carried", "blocker"),
        ("unique_not_carried", "blocker"),
        ("foreign_key_not_carried", "blocker"),
    ] {
        assert!(lines.iter().any(|l| l.starts_with(&format!("{severity} {code} "))), "{code}: {lines:#?}");
    }
}

#[test]
fn names_are_followed_and_twins_are_refused() {
    let (plan, _) = ruled(&[rename("actor", None, "ator"), rename("film", Some("actor"), "quem")]);
    let film = plan.tables.iter().find(|t| t.name == "film").unwrap();
    assert_eq!(
        (film.foreign_keys[0].references.as_str(), film.foreign_keys[0].columns[0].as_str()),
        ("ator", "quem")
    );
    assert!(plan.blockers().next().is_none());
    for rule in [rename("actor", None, "film"), rename("film", Some("code"), "notes")] {
        let (plan, lines) = ruled(&[rule]);
        assert!(plan.blockers().any(|f| f.code == codes::NAME_TAKEN), "{lines:#?}");
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let target = FakeRules::able(Mysql);
    for (rule, says) in [
        (exclude("films", &[]), "actor, film"),
        (exclude("film", &["note"]), "id, code, notes, actor"),
        (rename("film", Some("cod"), "x"), "id, code, notes, actor"),
    ] {
        let mut selection = Selection::whole(schema(Postgres, tables()));
        let error = apply(&mut selection, &[rule], &target, Scope::All).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.advice().unwrap().contains(says), "{error}");
    }
}
