//! Types that users of PostgreSQL made, towards MySQL and back, by the real rules.

use super::build::{column, int, schema, table};
use super::*;
use crate::engine::connect;
use crate::model::endpoint::Flavour;
use crate::model::origin::{DomainOrigin, MadeType, Origin};
use crate::model::plan::{Finding, ObjectPlan};
use crate::model::schema::{Check, Composition, Domain, Schema};

const YEAR: &str = "CREATE DOMAIN year AS integer CHECK ((VALUE >= 1901))";

fn made(name: &str, definition: &str) -> MadeType {
    MadeType::Other { name: name.into(), definition: definition.into() }
}

/// A type as the catalogue of PostgreSQL has it.
fn of_catalogue(name: &str, definition: &str, uses: &[&str]) -> Object {
    let uses = uses.iter().map(|used| (*used).to_owned()).collect();
    Object {
        composition: Some(Composition { uses, labels: vec![] }),
        ..Object::new(ObjectKind::Type, name, definition)
    }
}

/// What a column of the domain `year` has in MySQL.
fn origin(name: &str) -> Origin {
    Origin {
        product: Flavour::Postgres,
        native_type: "integer".into(),
        holds: DataType::INT32,
        collation: None,
        identity: None,
        comment: None,
        domain: Some(DomainOrigin {
            name: "year".into(),
            not_null: false,
            own_not_null: false,
            default: None,
            own_default: false,
            checks: vec![format!("`{name}` >= 1901")],
            unguarded: false,
        }),
        types: vec![made("year", YEAR)],
        name: None,
        now: "INT".into(),
    }
}

/// Such a column with a change to what it was.
fn year(name: &str, change: impl Fn(&mut DomainOrigin)) -> Column {
    let mut origin = origin(name);
    change(origin.domain.as_mut().unwrap());
    Column { origin: Some(origin), ..column(name, "int", DataType::INT32) }
}

fn unchanged(_: &mut DomainOrigin) {}

/// The table of one such column, with the check that MySQL tells of.
fn of_year(column: Column) -> Table {
    table("t", vec![int("id"), column]).check(Some("t_chk_1"), "(`v` >= 1901)")
}

fn input<'a>(
    source: &'a Schema,
    profiles: &'a BTreeMap<String, TableProfile>,
    rules: &'a dyn Rules,
) -> PlanInput<'a> {
    let source_flavour = if source.dialect == Postgres { Flavour::Postgres } else { Flavour::Mysql };
    PlanInput { profiles, ..PlanInput::of_catalogue(source, source_flavour, rules) }
}

/// Back to PostgreSQL.
fn back(tables: Vec<Table>) -> Plan {
    let rules = connect::rules(Flavour::Postgres, None);
    plan(&input(&schema(Mysql, tables), &nothing(), rules.as_ref()))
}

fn planned_column<'a>(plan: &'a Plan, name: &str) -> &'a ColumnPlan {
    plan.tables.iter().flat_map(|t| &t.columns).find(|c| c.name == name).unwrap()
}

/// What is said about types that do not come back.
fn said(plan: &Plan) -> Vec<&Finding> {
    plan.findings.iter().filter(|f| f.code == codes::OBJECT_NOT_CARRIED).collect()
}

/// Fails unless the column has the type below, the table its check, and a finding says why.
#[track_caller]
fn stays(plan: &Plan, why: &str) {
    let column = planned_column(plan, "v");
    assert_eq!((column.domain.as_deref(), column.native_type.as_str()), (None, "integer"));
    assert!(plan.objects.is_empty(), "{:?}", plan.objects);
    let said = said(plan);
    let [finding] = said.as_slice() else { panic!("{said:?}") };
    assert!(finding.text.contains(why), "{finding:?}");
    assert_eq!(finding.object.as_deref(), Some("year"));
}

#[test]
fn a_domain_goes_and_comes_back_once_for_all_of_its_columns() {
    let domain = |name: &str, checks: &[&str]| {
        let check =
            |text: &&str| Check { name: None, expression: (*text).into(), reaches: vec![], validated: true };
        Some(Domain {
            name: name.into(),
            nullable: true,
            default: None,
            checks: checks.iter().map(check).collect(),
        })
    };
    let of =
        |name: &str, of: Option<Domain>| Column { domain: of, ..column(name, "integer", DataType::INT32) };
    let a = of("a", domain("year", &["\"a\" >= 1901"]));
    let b = Column {
        default: Some(DefaultValue::Number("2000".into())),
        nullable: false,
        ..of("b", domain("recent", &["(\"b\")::integer > 1990", "\"b\" >= 1901"]))
    };
    let c = of("c", domain("year", &["\"c\" >= 1901"]));
    let mut there = schema(Postgres, vec![table("t", vec![int("id"), a, b]), table("u", vec![c])]);
    let recent = "CREATE DOMAIN recent AS year NOT NULL DEFAULT 2000 CHECK (((VALUE)::integer > 1990))";
    there.objects = vec![of_catalogue("year", YEAR, &[]), of_catalogue("recent", recent, &["year"])];
    let rules = connect::rules(Flavour::Mysql, None);
    let nothing = nothing();
    let plan = plan(&input(&there, &nothing, rules.as_ref()));
    let kept = planned_column(&plan, "b").origin.clone().unwrap();
    assert_eq!(kept.types, [made("year", YEAR), made("recent", recent)]);
    let expected = DomainOrigin {
        name: "recent".into(),
        not_null: true,
        own_not_null: false,
        default: Some(DefaultValue::Number("2000".into())),
        own_default: false,
        checks: vec!["`b` > 1990".into(), "`b` >= 1901".into()],
        unguarded: false,
    };
    assert_eq!(kept.domain, Some(expected));

    // MySQL tells of it in its own way.
    let arrived = |table: &TablePlan| {
        let column = |c: &ColumnPlan| Column {
            name: c.name.clone(),
            data_type: c.carries.clone(),
            native_type: c.native_type.clone(),
            nullable: c.nullable,
            default: c.default.clone().map(DefaultValue::Number),
            origin: c.origin.clone(),
            ..int("")
        };
        let mut there = super::build::table(&table.name, table.columns.iter().map(column).collect());
        for (at, check) in table.checks.iter().enumerate() {
            there = there.check(Some(&format!("chk_{at}")), &format!("({})", check.expression));
        }
        there.check(Some("own"), "(`id` > 0)")
    };
    let home = back(plan.tables.iter().filter(|t| t.name == "t").map(arrived).collect());
    assert_eq!(said(&home), Vec::<&Finding>::new());
    let kinds: Vec<&ObjectPlan> = home.objects.iter().collect();
    assert_eq!(kinds.iter().map(|o| o.definition.as_str()).collect::<Vec<_>>(), [YEAR, recent]);
    let domains = ["a", "b"].map(|name| {
        let column = planned_column(&home, name);
        (column.domain.clone().unwrap(), column.nullable, column.default.clone())
    });
    assert_eq!(domains, [("year".into(), true, None), ("recent".into(), true, None)]);
    assert_eq!(home.tables[0].checks.len(), 1, "{:?}", home.tables[0].checks);
    assert_eq!(home.tables[0].checks[0].name.as_deref(), Some("own"));
}

#[test]
fn what_has_changed_since_speaks_against_a_domain() {
    let nullable = |change: fn(&mut DomainOrigin)| of_year(year("v", change));
    stays(&back(vec![nullable(|d| d.not_null = true)]), "takes NULL");
    let dropped = table("t", vec![year("v", unchanged)]);
    stays(&back(vec![dropped]), "not there as it was");
    let other = table("t", vec![year("v", unchanged)]).check(None, "(`v` >= 1900)");
    let plan = back(vec![other]);
    stays(&plan, "not there as it was");
    assert_eq!(plan.tables[0].checks.len(), 1);
    let mut strange = year("v", unchanged);
    strange.origin.as_mut().unwrap().types =
        vec![made("year", "CREATE DOMAIN year AS integer; DROP TABLE t")];
    stays(&back(vec![of_year(strange)]), "may do more than define a type");
    let mut other = year("v", unchanged);
    other.origin.as_mut().unwrap().types = vec![made("years", "CREATE DOMAIN years AS integer")];
    stays(&back(vec![of_year(other)]), "lacks its definition");
    let named_so = table("year", vec![int("id")]);
    stays(&back(vec![of_year(year("v", unchanged)), named_so]), "a table or view has that name");
}

#[test]
fn two_domains_of_one_name_stay_behind_both() {
    let mut other = year("w", unchanged);
    other.origin.as_mut().unwrap().types = vec![made("year", "CREATE DOMAIN year AS integer")];
    let second = table("u", vec![other]).check(None, "(`w` >= 1901)");
    let plan = back(vec![of_year(year("v", unchanged)), second]);
    assert_eq!(said(&plan).len(), 2);
    assert!(said(&plan).iter().all(|f| f.text.contains("different types")), "{:?}", plan.findings);
    assert!(plan.objects.is_empty());
    assert_eq!(plan.tables.iter().map(|t| t.checks.len()).sum::<usize>(), 2);
}

#[test]
fn values_that_a_domain_refuses_keep_the_type_below() {
    let source = schema(Mysql, vec![of_year(year("v", |d| d.unguarded = true))]);
    let refused = ColumnProfile { refused: Some("value for domain year".into()), ..Default::default() };
    let profiles = profile("t", 1, vec![ColumnProfile::default(), refused]);
    let rules = connect::rules(Flavour::Postgres, None);
    stays(&plan(&input(&source, &profiles, rules.as_ref())), "value for domain year");
}

#[test]
fn a_domain_says_its_default_by_itself() {
    let number = |n: &str| Some(DefaultValue::Number(n.into()));
    let gave = |d: &mut DomainOrigin| d.default = Some(DefaultValue::Number("1999".into()));
    for (now, change, expected) in [
        (number("1999"), &gave as &dyn Fn(&mut DomainOrigin), None),
        (number("2000"), &gave, Some("2000")),
        (None, &gave, Some("NULL")),
        (number("2000"), &|d| d.own_default = true, Some("2000")),
        (None, &|d| d.own_default = true, Some("NULL")),
        (None, &unchanged, None),
    ] {
        let plan = back(vec![of_year(Column { default: now.clone(), ..year("v", change) })]);
        let column = planned_column(&plan, "v");
        assert_eq!(column.domain.as_deref(), Some("year"));
        assert_eq!(column.default.as_deref(), expected, "{now:?}");
    }
}

#[test]
fn a_type_that_the_target_has_is_made_only_if_it_is_another() {
    let source = schema(Mysql, vec![of_year(year("v", unchanged))]);
    let rules = connect::rules(Flavour::Postgres, None);
    let nothing = nothing();
    let with = |definition: &str| {
        let mut there = schema(Postgres, vec![]);
        there.objects = vec![of_catalogue("year", definition, &[])];
        plan(&PlanInput { existing: Some(&there), ..input(&source, &nothing, rules.as_ref()) })
    };
    let same = with(YEAR);
    assert_eq!(planned_column(&same, "v").domain.as_deref(), Some("year"));
    assert!(same.objects.is_empty(), "{:?}", same.objects);
    stays(&with("CREATE DOMAIN year AS integer"), "the target has another type");
}

/// What stands in a comment anybody may have written.
#[test]
fn only_the_name_of_a_type_is_taken_from_a_comment() {
    let spelled = |native: &str, name: &str| {
        let mut column = column("v", "longtext", DataType::TEXT);
        let holds = DataType::Native { dialect: Postgres, name: native.into() };
        let definition = format!("CREATE DOMAIN \"{}\" AS integer", name.replace('"', "\"\""));
        column.origin = Some(Origin {
            native_type: native.into(),
            holds,
            domain: None,
            types: vec![made(name, &definition)],
            now: "LONGTEXT".into(),
            ..origin("v")
        });
        let plan = back(vec![table("t", vec![column])]);
        planned_column(&plan, "v").native_type.clone()
    };
    assert_eq!(spelled("years[][]", "years"), "years[][]");
    assert_eq!(spelled("\"A \"\"b\"[]", "A \"b"), "\"A \"\"b\"[]");
    let native = "x int); DROP TABLE users; --";
    assert_eq!(spelled(native, native), "text");
    let native = "\"x\" int); DROP TABLE users; --\"";
    assert_eq!(spelled(native, "x\" int); DROP TABLE users; --"), "text");
}

#[test]
fn types_that_nobody_knows_all_of_are_not_kept() {
    let domain = Domain { name: "year".into(), nullable: true, default: None, checks: vec![] };
    let of_year = Column { domain: Some(domain), ..column("v", "integer", DataType::INT32) };
    let mut there = schema(Postgres, vec![table("t", vec![of_year])]);
    let rules = connect::rules(Flavour::Mysql, None);
    let nothing = nothing();
    // An archive of old tells nothing of what a type is made of.
    let reaching =
        Object { reaches: vec!["function odd(integer)".into()], ..of_catalogue("year", YEAR, &[]) };
    for object in
        [Object::new(ObjectKind::Type, "year", YEAR), reaching, of_catalogue("year", YEAR, &["gone"])]
    {
        there.objects = vec![object];
        let plan = plan(&input(&there, &nothing, rules.as_ref()));
        assert_eq!(planned_column(&plan, "v").origin, None);
    }
}
