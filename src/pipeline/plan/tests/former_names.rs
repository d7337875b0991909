//! Names of before: what brings them back, and what keeps them away.

use super::build::{id, int, schema, table};
use super::fake::FakeRules;
use super::*;
use crate::model::origin::{Origin, Renamed, TableOrigin};
use crate::model::rule::{ColumnRule, TableRule};
use crate::pipeline::plan::former_names::restored;

const LONG: &str = "a name of before";

fn renamed(was: &str, now: &str) -> Renamed {
    Renamed { was: was.into(), now: now.into() }
}

/// A table that had another name, as it was given in `now`.
fn was(name: &str, product: Flavour, was: &str, now: &str) -> Table {
    let origin = TableOrigin { product, strict: false, without_rowid: false, name: Some(renamed(was, now)) };
    Table { origin: Some(origin), ..table(name, vec![id()]) }
}

/// A column that had another name.
fn column_was(name: &str, former: &str) -> Column {
    let column = int(name);
    let name = Some(renamed(former, &column.name));
    let origin = Origin { name, ..Origin::of(&column, Flavour::Sqlite, &column.native_type) };
    Column { origin: Some(origin), ..column }
}

/// A target that does not tell case apart.
fn target() -> FakeRules {
    let mut rules = FakeRules::able(Sqlite);
    (rules.can.case_sensitive_tables, rules.can.case_sensitive_columns) = (false, false);
    rules
}

/// What tables and columns are named that get other names.
fn given(
    rules: &[TableRule],
    tables: Vec<Table>,
    target: &FakeRules,
    existing: Option<&Schema>,
) -> Vec<String> {
    let (all, findings) = restored(rules, &schema(Postgres, tables), target, existing);
    let columns = |rule: &TableRule| {
        let renamed =
            |(from, column): (&String, &ColumnRule)| Some(format!("{from} → {}", column.rename.as_ref()?));
        rule.columns.iter().filter_map(renamed).collect::<Vec<_>>()
    };
    let table = |rule: &TableRule| rule.rename.as_ref().map(|to| format!("{} → {to}", rule.table));
    let lines: Vec<String> =
        all.iter().flat_map(|rule| table(rule).into_iter().chain(columns(rule))).collect();
    let by_rule = rules.iter().map(|r| usize::from(r.rename.is_some())).sum::<usize>();
    assert_eq!(findings.len(), lines.len() - by_rule, "{findings:?}");
    assert!(findings.iter().all(|f| f.code == codes::RENAMED));
    lines
}

#[test]
fn a_name_of_before_comes_back_with_those_of_the_columns() {
    let mut there = was("t", Flavour::Sqlite, LONG, "t");
    there.columns.push(column_was("c", "another"));
    assert_eq!(given(&[], vec![there], &target(), None), ["t → a name of before", "c → another"]);
}

#[test]
fn a_name_of_before_stays_away_where_it_is_not_the_one_to_have() {
    let here = || was("t", Flavour::Sqlite, LONG, "t");
    let none = |what: &str, tables: Vec<Table>| {
        assert_eq!(given(&[], tables, &target(), None), Vec::<String>::new(), "{what}");
    };
    none("of another engine", vec![was("t", Flavour::Mysql, LONG, "t")]);
    none("renamed since", vec![was("t", Flavour::Sqlite, LONG, "s")]);
    none("another has it", vec![here(), table("A Name of Before", vec![id()])]);
    none("two had it", vec![here(), was("s", Flavour::Sqlite, LONG, "s")]);
    none(
        "the same but for case",
        vec![Table { columns: vec![column_was("a", "X"), int("x")], ..table("t", vec![]) }],
    );

    let mut short = target();
    short.can.max_name = NameLimit::Bytes(9);
    assert_eq!(given(&[], vec![here()], &short, None), Vec::<String>::new());

    let filled = schema(Sqlite, vec![table("t", vec![id()])]);
    assert_eq!(given(&[], vec![here()], &target(), Some(&filled)), Vec::<String>::new());
    let filled = schema(Sqlite, vec![table(LONG, vec![id()])]);
    assert_eq!(given(&[], vec![here()], &target(), Some(&filled)), ["t → a name of before"]);

    let source =
        Schema { objects: vec![Object::new(ObjectKind::View, LONG, "")], ..schema(Postgres, vec![here()]) };
    assert_eq!(restored(&[], &source, &target(), None).0, []);
}

#[test]
fn a_rule_stands_above_a_name_of_before() {
    let rename = |table: &str, to: &str| TableRule {
        table: table.into(),
        rename: Some(to.into()),
        ..TableRule::default()
    };
    let here = || was("t", Flavour::Sqlite, LONG, "t");
    assert_eq!(given(&[rename("t", "mine")], vec![here()], &target(), None), ["t → mine"]);
    let other = || table("s", vec![id()]);
    assert_eq!(given(&[rename("s", LONG)], vec![here(), other()], &target(), None), ["s → a name of before"]);
}

/// What a rule has named is what somebody wanted; what the target did not take is kept.
#[test]
fn names_that_rules_give_are_not_kept() {
    let long = "a_table_of_more_than_twenty_bytes";
    let mut source = table(long, vec![id(), int("a_column_of_more_than_twenty_bytes")]);
    source.columns[1].native_type = "INT".into();
    let poor = FakeRules::poor(Postgres);
    let made = planned(&poor, vec![source.clone()], &nothing());
    let [planned_table] = made.tables.as_slice() else { panic!("{:?}", made.tables) };
    let kept = planned_table.origin.as_ref().unwrap().name.clone();
    assert_eq!(kept, Some(renamed(long, &planned_table.name)));
    let column = planned_table.columns[1].origin.as_ref().unwrap().name.clone();
    assert_eq!(column, Some(renamed("a_column_of_more_than_twenty_bytes", &planned_table.columns[1].name)));

    let short = ColumnRule { rename: Some("short".into()), native_type: None };
    let rule = TableRule {
        table: long.into(),
        rename: Some("brief".into()),
        columns: [("a_column_of_more_than_twenty_bytes".to_owned(), short)].into(),
        ..TableRule::default()
    };
    let ruled = plan(&PlanInput {
        by_hand: &[rule],
        ..PlanInput::of_catalogue(&schema(Sqlite, vec![source]), Flavour::Sqlite, &poor)
    });
    assert_eq!(ruled.tables[0].name, "brief");
    assert_eq!(ruled.tables[0].origin, None);
    assert!(ruled.tables[0].columns[1].origin.as_ref().is_none_or(|o| o.name.is_none()));
}
