//! Names, indexes, foreign keys and identities against a fake target.

use super::build::{id, ignoring_case, index, int, schema, table, text, varchar};
use super::fake::FakeRules;
use super::show::show_index;
use super::*;
use crate::engine::capability::KeyLimit;
use crate::model::schema::{Action, Deferrable, IndexKey};

fn indexes(plan: &Plan, table: usize) -> Vec<String> {
    plan.tables[table].indexes.iter().map(show_index).collect()
}

#[test]
fn index_names_that_collide_get_their_table_in_front() {
    let t = |name: &str| table(name, vec![int("user_id")]).index(index("user_id", &["user_id"]));
    let mut rules = FakeRules::able(Postgres);
    let names = |plan: &Plan| -> Vec<String> {
        plan.tables.iter().flat_map(|t| &t.indexes).filter_map(|i| i.name.clone()).collect()
    };
    let tables = || vec![t("diagnostics"), t("plans"), table("plans_user_id", vec![int("a")])];
    assert_eq!(names(&planned(&rules, tables(), &nothing())), ["user_id", "user_id"]);
    rules.can.index_names_are_global = true;
    assert_eq!(names(&planned(&rules, tables(), &nothing())), ["user_id", "plans_user_id"]);
    rules.can.indexes_share_names_with_tables = true;
    assert_eq!(names(&planned(&rules, tables(), &nothing())), ["user_id", "plans_user_id_2"]);
}

#[test]
fn constraint_names_that_collide_get_their_table_in_front() {
    let t = |name: &str| {
        table(name, vec![id(), int("p")])
            .key(&["id"])
            .references("p", "a", Some("fk"))
            .check(Some("c"), "p > 0")
    };
    let mut rules = FakeRules::able(Mysql);
    rules.can.constraint_names_are_global = true;
    let plan = planned(&rules, vec![t("a"), t("b")], &nothing());
    assert_eq!(plan.tables[1].foreign_keys[0].name.as_deref(), Some("b_fk"));
    assert_eq!(plan.tables[1].checks[0].name.as_deref(), Some("b_c"));
    assert_eq!(codes(&plan), ["renamed", "renamed"]);
}

#[test]
fn a_poor_target_gets_what_it_can_have_and_the_rest_is_listed() {
    let mut full = index("parts", &["a"]);
    full.method = Some("gin".into());
    let mut pattern = index("like", &["s"]);
    pattern.parts[0].operator_class = Some("varchar_pattern_ops".into());
    let mut expression = index("lowered", &["s"]).unique();
    expression.parts[0].key = IndexKey::Expression("lower(s)".into());
    let t = table("t", vec![id(), int("a"), varchar("s", 9)])
        .key(&["id"])
        .index(full)
        .index(pattern.clone())
        .index(index("s", &["s"]))
        .index(expression)
        .index(index("some", &["a"]).wherever("(a > 0)"))
        .index(index("one", &["a"]).unique().wherever("(a > 0)"));
    let mut rules = FakeRules::poor(Mysql);
    rules.can.max_indexes = 3;
    let plan = planned_from(Postgres, &rules, vec![t], &nothing());
    assert_eq!(indexes(&plan, 0), ["index s (s)", "index some (a)", "index one (a)"]);
    assert_eq!(
        plan.findings.iter().map(|f| (f.code.as_str(), f.object.as_deref())).collect::<Vec<_>>(),
        [
            ("index_not_carried", Some("parts")),
            ("index_covered", Some("like")),
            ("unique_not_carried", Some("lowered")),
            ("index_simplified", Some("some")),
            ("unique_not_carried", Some("one")),
            ("index_count", None),
        ]
    );
    // Alone, the LIKE index becomes an ordinary one.
    let t = table("t", vec![varchar("s", 9)]).index(pattern);
    let plan = planned_from(Postgres, &rules, vec![t], &nothing());
    assert_eq!(
        (indexes(&plan, 0), codes(&plan)),
        (vec!["index like (s)".to_owned()], vec!["index_simplified"])
    );
}

#[test]
fn unique_keys_that_ignored_case_are_told_to_be_looser() {
    let t = table(
        "t",
        vec![varchar("email", 9).collate(ignoring_case()), varchar("n", 9).collate(ignoring_case())],
    )
    .index(index("email", &["email"]).unique());
    let plan = planned(&FakeRules::able(Postgres), vec![t], &nothing());
    assert_eq!(codes(&plan), ["comparison_changed", "comparison_changed", "unique_looser"]);
    assert_eq!(plan.findings[2].severity, Severity::Blocker);
}

#[test]
fn long_columns_are_indexed_by_their_beginnings_where_keys_are_declared() {
    let t = table("t", vec![text("a"), text("b"), int("n")])
        .index(index("plain", &["a", "n"]))
        .index(index("only", &["b"]).unique());
    let mut rules = FakeRules::able(Mysql);
    rules.key_limit = KeyLimit::Declared(3072);
    let plan = planned(&rules, vec![t.clone()], &profile("t", 1, vec![chars(10), chars(20)]));
    assert_eq!(types(&plan, 0), ["text", "varchar(255)", "int64"]);
    assert_eq!(indexes(&plan, 0), ["index plain (a[255], n)", "unique index only (b)"]);
    // Data too long for a key: the column keeps its data, the index its speed, the uniqueness is told.
    let plan = planned(&rules, vec![t], &profile("t", 1, vec![chars(10), chars(2000)]));
    assert_eq!(types(&plan, 0), ["text", "text", "int64"]);
    assert_eq!(indexes(&plan, 0)[1], "index only (b[255])");
    assert!(codes(&plan).contains(&"unique_not_carried"));
}

#[test]
fn values_too_long_for_a_key_cost_the_index() {
    let t = table("t", vec![text("a")]).index(index("i", &["a"]));
    let mut rules = FakeRules::able(Postgres);
    rules.key_limit = KeyLimit::Stored(2700);
    let plan = planned(&rules, vec![t.clone()], &profile("t", 1, vec![chars(2000)]));
    assert_eq!(codes(&plan), ["emulated"]);
    let plan = planned(&rules, vec![t], &profile("t", 1, vec![chars(3000)]));
    assert_eq!(codes(&plan), ["emulated", "index_not_carried"]);
}

#[test]
fn foreign_keys_need_a_parent_that_is_there_and_unique() {
    let roles = table("roles", vec![id()]).key(&["id"]);
    let loose = table("loose", vec![int("id")]);
    let mut users = table("users", vec![id(), int("role_id"), int("x"), int("y"), varchar("z", 5)])
        .key(&["id"])
        .references("role_id", "roles", Some("users_role"))
        .references("x", "left", None)
        .references("x", "gone", None)
        .references("y", "loose", None)
        .references("z", "roles", None);
    users.foreign_keys[0].on_delete = Action::SetDefault;
    users.foreign_keys[0].deferrable = Deferrable::Deferred;
    let source = schema(Sqlite, vec![loose, roles, users]);
    let plan = plan(&PlanInput {
        source: &source,
        source_flavour: Flavour::Sqlite,
        left_out: &["left".into()],
        profiles: &nothing(),
        rules: &FakeRules::poor(Postgres),
        known: None,
        existing: None,
        scope: Scope::All,
        by_hand: &[],
    });
    let users = plan.tables.iter().find(|t| t.source == "users").unwrap();
    assert_eq!(users.foreign_keys.len(), 1);
    assert_eq!(users.foreign_keys[0].on_delete, Action::NoAction);
    assert_eq!(
        plan.findings.iter().map(|f| f.text.split([':', '(']).next().unwrap().trim()).collect::<Vec<_>>(),
        [
            "ON DELETE SET DEFAULT becomes NO ACTION",
            "is checked by each statement in the target, never at the end of the transaction",
            "refers to a table that was left out",
            "refers to a table that does not exist",
            "the columns that it refers to are no unique key in the target",
            "its columns and those that it refers to have types that the target does not compare",
            "was left out as asked",
        ]
    );
}

#[test]
fn identities_lead_a_key_or_are_lost() {
    let t = table("t", vec![id(), int("n")]).key(&["n", "id"]);
    let plan = planned_from(Postgres, &FakeRules::able(Mysql), vec![t.clone()], &nothing());
    assert_eq!(
        (indexes(&plan, 0), codes(&plan)),
        (vec!["index t_id_idx (id)".to_owned()], vec!["index_added"])
    );
    let plan = planned_from(
        Postgres,
        &FakeRules::able(Mysql),
        vec![t.clone().index(index("i", &["id"]))],
        &nothing(),
    );
    assert_eq!(codes(&plan), Vec::<&str>::new());
    // SQLite hands out rowids, which only a whole primary key can stand for.
    let plan = planned_from(Postgres, &FakeRules::able(Sqlite), vec![t], &nothing());
    assert_eq!(codes(&plan), ["identity_not_carried"]);
    assert_eq!(plan.tables[0].columns[0].identity, None);
}
