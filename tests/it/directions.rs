//! Every sample database, from each dialect it comes in to every engine, and back again: exact counts, equal
//! content, every object there or named in the report.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::binary::{self, Ran};
use crate::support::content::{self, Content, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::objects::{self, Fact};
use crate::support::samples;

/// One database as the judges saw it.
pub struct Seen {
    pub content: Content,
    pub facts: Vec<Fact>,
    /// Views by name, each with the number of its rows.
    pub views: BTreeMap<String, Option<String>>,
}

pub fn look(db: &Db) -> Seen {
    Seen { content: content::read(db), facts: objects::facts(db), views: views(db) }
}

fn views(db: &Db) -> BTreeMap<String, Option<String>> {
    let names = objects::views(db).into_iter();
    names
        .map(|name| (name.clone(), db.value(&format!("SELECT count(*) FROM {}", db.engine.quote(&name)))))
        .collect()
}

/// What a migration reported.
pub struct Report {
    pub renamed: Renamed,
    pub findings: Vec<Value>,
}

/// Migrates and checks what has to hold for every successful run.
fn migrate(source: &Db, target: &Db, label: &str, faults: &mut Vec<String>) -> Option<Report> {
    let ask =
        ["--format", "json", "check", "--database", &source.url, "--target", &target.url, "--accept", "*"];
    let ahead = binary::run(&ask);
    let ran = binary::migrate(&source.url, &target.url, &["--accept", "*"]);
    foretold(&ahead, &ran, label, faults);
    if ran.code > 1 {
        faults.push(format!("{label}: {ran}"));
        return None;
    }
    let json = ran.json();
    let findings = json["findings"].as_array().cloned().unwrap_or_default();
    // Only an index whose work another one of the target does may stay behind in silence.
    let quiet = |finding: &Value| finding["severity"] == "info" && finding["code"] != "index_covered";
    if findings.iter().any(|finding| finding["action"] == "not_carried" && quiet(finding)) {
        faults.push(format!("{label}: something was left behind without a warning: {findings:?}"));
    }
    if (ran.code == 1) != findings.iter().any(|finding| finding["severity"] == "warning") {
        faults.push(format!("{label}: exit {} does not fit its {} findings", ran.code, findings.len()));
    }
    let mut renamed = Renamed::new();
    for table in json["tables"].as_array().into_iter().flatten() {
        let name = table["name"].as_str().unwrap_or_default();
        if table["verified"] != true || table["rows_read"] != table["rows_written"] {
            faults.push(format!("{label}: {name} is not verified: {table}"));
        }
        if let Some(new) = table["target_name"].as_str().filter(|new| *new != name) {
            renamed.insert(name.to_owned(), new.to_owned());
        }
    }
    Some(Report { renamed, findings })
}

/// Whether only running a view tells this: both sides run it before the switch, which is not for `check` to do.
fn told_by_running(finding: &Value) -> bool {
    let tells = ["it gives other rows in the target", "the source cannot run it", "the target cannot run it"];
    finding["text"].as_str().is_some_and(|text| tells.iter().any(|start| text.starts_with(start)))
}

/// What `check --target` said beforehand is what `migrate` then did: the same findings, the same verdict.
fn foretold(ahead: &Ran, ran: &Ran, label: &str, faults: &mut Vec<String>) {
    if ahead.code > 1 {
        faults.push(format!("{label}: check ends with {ahead}"));
        return;
    }
    let (before, after) = (ahead.json(), ran.json());
    let list = |findings: &Value| {
        let mut list: Vec<Value> = findings.as_array().cloned().unwrap_or_default();
        list.retain(|finding| !told_by_running(finding));
        for finding in &mut list {
            // Which of check's questions it answers, migrate has no word for.
            finding.as_object_mut().unwrap().remove("question");
        }
        let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
        list.sort();
        list
    };
    let (said, done) = (list(&before["findings"]), list(&after["findings"]));
    for (one, other, what) in
        [(&said, &done, "was foretold and is not so"), (&done, &said, "was not foretold")]
    {
        let more = one.iter().filter(|finding| !other.contains(finding)).take(5);
        faults.extend(more.map(|finding| format!("{label}: {what}: {finding}")));
    }
    let would = if ran.code == 0 { "carry_everything" } else { "leave_something_behind" };
    if before["migration"]["would"] != would {
        faults.push(format!(
            "{label}: check says {}, migrate ends with {}",
            before["migration"]["would"], ran.code
        ));
    }
}

/// Judges what arrived; at most ten lines of a kind.
pub fn judge(before: &Seen, after: &Seen, report: &Report, label: &str, faults: &mut Vec<String>) {
    let differences = content::differences(&before.content, &after.content, &report.renamed);
    let missing = objects::missing(&before.facts, &after.facts, &report.renamed, &report.findings);
    let named = |name: &String| report.findings.iter().any(|f| f["kind"] != "table" && f["object"] == **name);
    let views = before.views.iter().filter(|(name, rows)| match after.views.get(*name) {
        Some(there) => there != *rows,
        None => !named(name),
    });
    let views = views
        .map(|(name, _)| format!("view {name} is not there or differs, and no finding says so"))
        .collect();
    for list in [differences, missing, views] {
        let more = list.len().saturating_sub(10);
        faults.extend(list.into_iter().take(10).map(|line| format!("{label}: {line}")));
        if more > 0 {
            faults.push(format!("{label}: … and {more} more"));
        }
    }
}

fn direction(name: &'static str, from: Engine, to: Engine) {
    if !(from.at_hand() && to.at_hand()) {
        return;
    }
    let Some(source) = samples::sample(name, from) else { return };
    let before = look(&source);
    let counted: Vec<_> = before.content.iter().map(|(table, is)| (table.clone(), is.rows.len())).collect();
    assert_eq!(counted, samples::counts(name, from), "the sample is not what its README says");
    let bytes = (from == Engine::Sqlite).then(|| std::fs::read(source.path()).unwrap());

    let mut faults = Vec::new();
    let target = Db::fresh(to);
    let there = format!("{name} {from:?} → {to:?}");
    if let Some(report) = migrate(&source, &target, &there, &mut faults) {
        judge(&before, &look(&target), &report, &there, &mut faults);
        if from != to {
            let back = Db::fresh(from);
            let again = format!("{there} → {from:?}");
            if let Some(mut second) = migrate(&target, &back, &again, &mut faults) {
                let first = report.renamed.values().any(|new| second.renamed.contains_key(new));
                assert!(!first && second.renamed.is_empty(), "a name changed on the way back");
                second.renamed = report.renamed;
                second.findings.extend(report.findings);
                judge(&before, &look(&back), &second, &again, &mut faults);
            }
        }
    }
    if let Some(bytes) = bytes {
        assert!(bytes == std::fs::read(source.path()).unwrap(), "the source file was written to");
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

macro_rules! directions {
    ($($test:ident: $sample:literal $from:ident => $to:ident,)*) => {
        $(#[test] fn $test() { direction($sample, Engine::$from, Engine::$to); })*
    };
}

directions! {
    chinook_sqlite_to_itself: "chinook" Sqlite => Sqlite,
    chinook_sqlite_to_postgres_and_back: "chinook" Sqlite => Postgres,
    chinook_sqlite_to_mariadb_and_back: "chinook" Sqlite => Mariadb,
    chinook_postgres_to_sqlite_and_back: "chinook" Postgres => Sqlite,
    chinook_postgres_to_itself: "chinook" Postgres => Postgres,
    chinook_postgres_to_mariadb_and_back: "chinook" Postgres => Mariadb,
    chinook_mariadb_to_sqlite_and_back: "chinook" Mariadb => Sqlite,
    chinook_mariadb_to_postgres_and_back: "chinook" Mariadb => Postgres,
    chinook_mariadb_to_itself: "chinook" Mariadb => Mariadb,
    chinook_mariadb_to_mysql_and_back: "chinook" Mariadb => Mysql,
    chinook_sqlite_to_mysql_and_back: "chinook" Sqlite => Mysql,
    chinook_postgres_to_mysql_and_back: "chinook" Postgres => Mysql,
    chinook_mysql_to_sqlite_and_back: "chinook" Mysql => Sqlite,
    chinook_mysql_to_postgres_and_back: "chinook" Mysql => Postgres,
    chinook_mysql_to_mariadb_and_back: "chinook" Mysql => Mariadb,
    chinook_mysql_to_itself: "chinook" Mysql => Mysql,

    northwind_sqlite_to_itself: "northwind" Sqlite => Sqlite,
    northwind_sqlite_to_postgres_and_back: "northwind" Sqlite => Postgres,
    northwind_sqlite_to_mariadb_and_back: "northwind" Sqlite => Mariadb,

    sakila_sqlite_to_itself: "sakila" Sqlite => Sqlite,
    sakila_sqlite_to_postgres_and_back: "sakila" Sqlite => Postgres,
    sakila_sqlite_to_mariadb_and_back: "sakila" Sqlite => Mariadb,
    sakila_mariadb_to_sqlite_and_back: "sakila" Mariadb => Sqlite,
    sakila_mariadb_to_postgres_and_back: "sakila" Mariadb => Postgres,
    sakila_mariadb_to_itself: "sakila" Mariadb => Mariadb,
    sakila_mysql_to_sqlite_and_back: "sakila" Mysql => Sqlite,
    sakila_mysql_to_postgres_and_back: "sakila" Mysql => Postgres,
    sakila_mysql_to_mariadb_and_back: "sakila" Mysql => Mariadb,
    sakila_mysql_to_itself: "sakila" Mysql => Mysql,

    pagila_postgres_to_sqlite_and_back: "pagila" Postgres => Sqlite,
    pagila_postgres_to_itself: "pagila" Postgres => Postgres,
    pagila_postgres_to_mariadb_and_back: "pagila" Postgres => Mariadb,
    pagila_postgres_to_mysql_and_back: "pagila" Postgres => Mysql,

    trac_sqlite_to_itself: "trac" Sqlite => Sqlite,
    trac_sqlite_to_postgres_and_back: "trac" Sqlite => Postgres,
    trac_sqlite_to_mariadb_and_back: "trac" Sqlite => Mariadb,
    trac_postgres_to_sqlite_and_back: "trac" Postgres => Sqlite,
    trac_postgres_to_itself: "trac" Postgres => Postgres,
    trac_postgres_to_mariadb_and_back: "trac" Postgres => Mariadb,
    trac_mariadb_to_sqlite_and_back: "trac" Mariadb => Sqlite,
    trac_mariadb_to_postgres_and_back: "trac" Mariadb => Postgres,
    trac_mariadb_to_itself: "trac" Mariadb => Mariadb,
    trac_sqlite_to_mysql_and_back: "trac" Sqlite => Mysql,

    oscar_sqlite_to_itself: "oscar" Sqlite => Sqlite,
    oscar_sqlite_to_postgres_and_back: "oscar" Sqlite => Postgres,
    oscar_sqlite_to_mariadb_and_back: "oscar" Sqlite => Mariadb,
    oscar_postgres_to_sqlite_and_back: "oscar" Postgres => Sqlite,
    oscar_postgres_to_itself: "oscar" Postgres => Postgres,
    oscar_postgres_to_mariadb_and_back: "oscar" Postgres => Mariadb,
    oscar_mariadb_to_sqlite_and_back: "oscar" Mariadb => Sqlite,
    oscar_mariadb_to_postgres_and_back: "oscar" Mariadb => Postgres,
    oscar_mariadb_to_itself: "oscar" Mariadb => Mariadb,
    oscar_sqlite_to_mysql_and_back: "oscar" Sqlite => Mysql,
    oscar_postgres_to_mysql_and_back: "oscar" Postgres => Mysql,
}

/// The judges judged: the same application, made by itself on three engines. They see the rows in which those
/// differ (times of making, blanks and backslashes that a script lost), and nothing in all the other tables.
#[test]
fn the_judges_see_exactly_what_differs_between_samples_of_one_application() {
    let made = ["catalogue_product", "catalogue_productimage", "django_migrations", "partner_stockrecord"];
    for (name, engine, differing) in [
        ("chinook", Engine::Postgres, &["Customer", "Invoice"][..]),
        ("chinook", Engine::Mariadb, &["Track"]),
        ("trac", Engine::Postgres, &["report", "wiki"]),
        ("trac", Engine::Mariadb, &["report", "wiki"]),
        ("oscar", Engine::Postgres, &made),
        ("oscar", Engine::Mariadb, &made),
    ] {
        let Some(one) = samples::sample(name, Engine::Sqlite) else { return };
        let (one, other) = (look(&one), look(&samples::sample(name, engine).unwrap()));
        let mut renamed = Renamed::new();
        if name == "chinook" && engine == Engine::Postgres {
            renamed.extend(one.content.keys().map(|table| (table.clone(), samples::snake(table))));
        }
        let found = content::differences(&one.content, &other.content, &renamed);
        let tables: Vec<_> = found.iter().map(|line| line.split(['.', ':']).next().unwrap()).collect();
        if name == "chinook" && engine == Engine::Postgres {
            // Columns are spelt otherwise too; they are found by their place.
            assert_eq!(found.len(), 2, "{found:?}");
        }
        assert_eq!(tables, differing, "{name} {engine:?}: {found:#?}");
    }
}
