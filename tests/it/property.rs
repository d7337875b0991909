//! Random schemas and rows: A → B → A ends with a database equal to the first, or the run is refused with exit code 4
//! and says which table it is about. It never ends with 0 or 1 and another value.
//!
//! A case is a table; a database has many, so that one run of the program serves them all. A table that a refusal
//! blames is left out and the run repeated: refusing is an answer, silence is not. Values, counts and objects are
//! compared by the suite's own judges after either step.
//!
//! The seed of a failure is printed; `TECHCARE_DB_TEST_SEED` set to it repeats that very run. Without it `make test`
//! draws the same 270 cases each time and `make nightly` 20,000 new ones. MariaDB and MySQL share the cases of a
//! direction two to one; where there is no MySQL server, MariaDB has all of them.
//!
//! Known gaps, and why they are none of this test's business:
//! * Declared types after the way back are not compared: towards an engine that has no such type the product promises
//!   the values, and says in a finding what the type became.
//! * Numbers in a DATETIME column of SQLite are not drawn: they become instants by a rule that a finding states, so the
//!   way back ends with the instant's text. Case A39 holds them.
//! * Generated columns, checks and defaults are not drawn: an expression in one dialect has no reference to be judged by
//!   in another; the numbered cases hold them.

mod draw;
mod kinds;
mod restored;

use std::collections::BTreeSet;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::Value;

use crate::directions::{Report, Seen, judge, look};
use crate::support::binary;
use crate::support::chance::{is_nightly, seed};
use crate::support::content::{Content, Renamed, Table};
use crate::support::database::{Db, Engine};
use draw::Drawn;

/// Tables of one database.
const TABLES: usize = 15;

/// Databases of one direction: in `make test`, and in `make nightly`.
const DATABASES: (u32, u32) = (3, 223);

/// Runs tables through a migration until none is refused; answers with its report and the tables that were.
fn migrate(
    source: &Db,
    target: &Db,
    tables: &[String],
    out: &mut BTreeSet<String>,
) -> Result<Report, String> {
    loop {
        let excluded: Vec<String> = out.iter().map(|name| format!("--exclude={name}")).collect();
        let more: Vec<&str> = excluded.iter().map(String::as_str).collect();
        if out.len() == tables.len() {
            return Ok(Report { renamed: Renamed::new(), findings: vec![] });
        }
        let ran = binary::migrate(&source.url, &target.url, &more);
        let json = ran.json();
        if ran.code == 4 {
            let blamed = blamed(&json, tables, out);
            if blamed.is_empty() {
                return Err(format!("refused without a table to blame: {ran}"));
            }
            out.extend(blamed);
            continue;
        }
        if ran.code > 1 {
            return Err(ran.to_string());
        }
        let mut report = Report {
            renamed: Renamed::new(),
            findings: json["findings"].as_array().cloned().unwrap_or_default(),
        };
        for table in json["tables"].as_array().into_iter().flatten() {
            let (from, to) = (table["name"].as_str().unwrap(), table["target_name"].as_str().unwrap());
            if from != to {
                report.renamed.insert(from.to_owned(), to.to_owned());
            }
        }
        return Ok(report);
    }
}

/// Tables that a refusal names: in its blockers, else in its error.
fn blamed(json: &Value, tables: &[String], out: &BTreeSet<String>) -> BTreeSet<String> {
    let findings = json["findings"].as_array().into_iter().flatten();
    let blockers = findings.filter(|finding| finding["severity"] == "blocker");
    let mut names: BTreeSet<String> =
        blockers.filter_map(|finding| finding["table"].as_str()).map(str::to_owned).collect();
    if names.is_empty() {
        let says = |field: &str| json["error"][field].as_str().unwrap_or_default().to_owned();
        let said = format!("{} {}", says("what"), says("why"));
        let about = |name: &&String| {
            [name.replace('"', "\"\""), (*name).clone()]
                .iter()
                .any(|n| said.contains(&format!("table \"{n}\"")))
        };
        names = tables.iter().filter(about).cloned().collect();
    }
    names.retain(|name| tables.contains(name) && !out.contains(name));
    names
}

/// What was seen, without some tables.
fn without(seen: &Seen, out: &BTreeSet<String>) -> Seen {
    let mut kept = Seen { content: Content::new(), facts: seen.facts.clone(), views: seen.views.clone() };
    for (name, table) in &seen.content {
        if !out.contains(name) {
            let rows = table.rows.clone();
            kept.content.insert(name.clone(), Table { columns: table.columns.clone(), rows });
        }
    }
    kept.facts.retain(|fact| !out.contains(&fact.table));
    kept
}

/// One database there and back. `Err` says what is wrong.
fn there_and_back(drawn: &Drawn, from: Engine, to: Engine) -> Result<usize, String> {
    let source = Db::fresh(from);
    source.execute(&drawn.script(from));
    let before = look(&source);
    let tables: Vec<String> = before.content.keys().cloned().collect();
    let mut refused = BTreeSet::new();
    let target = Db::fresh(to);
    let first = migrate(&source, &target, &tables, &mut refused)?;
    let count = tables.len() - refused.len();
    if count == 0 {
        return Ok(0);
    }
    let mut faults = Vec::new();
    let there = look(&target);
    judge(&without(&before, &refused), &there, &first, &format!("{from:?} → {to:?}"), &mut faults);

    let mut names: Vec<String> = there.content.keys().cloned().collect();
    names.sort();
    let mut refused_back = BTreeSet::new();
    let back = Db::fresh(from);
    let mut second = migrate(&target, &back, &names, &mut refused_back)?;
    let original = |name: &String| {
        first
            .renamed
            .iter()
            .find(|(_, new)| *new == name)
            .map_or_else(|| name.clone(), |(old, _)| old.clone())
    };
    refused.extend(refused_back.iter().map(original));
    let renamed_back = std::mem::take(&mut second.renamed);
    for name in &tables {
        let middle = first.renamed.get(name).unwrap_or(name);
        let end = renamed_back.get(middle).unwrap_or(middle);
        if end != name {
            second.renamed.insert(name.clone(), end.clone());
        }
    }
    second.findings.extend(first.findings);
    if tables.len() > refused.len() {
        let label = format!("{from:?} → {to:?} → {from:?}");
        judge(&without(&before, &refused), &look(&back), &second, &label, &mut faults);
    }
    if faults.is_empty() { Ok(tables.len() - refused.len()) } else { Err(faults.join("\n")) }
}

/// Databases of a direction.
fn databases(from: Engine, to: Engine, nightly: bool) -> u32 {
    let all = if nightly { DATABASES.1 } else { DATABASES.0 };
    let of_mysql = if Engine::Mysql.at_hand() { all / 3 } else { 0 };
    match (from, to) {
        (Engine::Mysql, _) | (_, Engine::Mysql) => of_mysql,
        (Engine::Mariadb, _) | (_, Engine::Mariadb) => all - of_mysql,
        _ => all,
    }
}

/// Draws so many databases of an engine and tries each; answers with the sum of what the trials say. A failure is shrunk
/// and shown with its seed.
fn drawn(engine: Engine, cases: u32, trial: impl Fn(&Drawn) -> Result<usize, String>) -> usize {
    let seed = seed();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let arrived = std::cell::Cell::new(0);
    let ended = runner.run(&draw::database(engine, TABLES), |drawn| {
        let count = trial(&drawn).map_err(TestCaseError::fail)?;
        arrived.set(arrived.get() + count);
        Ok(())
    });
    if let Err(TestError::Fail(reason, drawn)) = &ended {
        let script: String = drawn.script(engine).chars().take(6000).collect();
        panic!("TECHCARE_DB_TEST_SEED={seed}: {reason}\n{script}");
    }
    ended.unwrap();
    arrived.get()
}

fn direction(from: Engine, to: Engine) {
    let cases = databases(from, to, is_nightly());
    if cases == 0 {
        return;
    }
    let arrived = drawn(from, cases, |drawn| there_and_back(drawn, from, to));
    // Refusing everything would be no proof of anything. Of one database's tables few may arrive by chance: the extremes
    // that PostgreSQL holds are beyond the others.
    let all = TABLES * cases as usize;
    assert!(arrived * 10 > all, "only {arrived} of {all} tables arrived");
    eprintln!("{from:?} → {to:?}: {arrived} of {all} tables arrived, the others were refused");
}

macro_rules! directions {
    ($($test:ident: $from:ident => $to:ident,)*) => {
        $(#[test] fn $test() { direction(Engine::$from, Engine::$to); })*
    };
}

directions! {
    sqlite_to_postgres_and_back: Sqlite => Postgres,
    sqlite_to_mariadb_and_back: Sqlite => Mariadb,
    postgres_to_sqlite_and_back: Postgres => Sqlite,
    postgres_to_mariadb_and_back: Postgres => Mariadb,
    mariadb_to_sqlite_and_back: Mariadb => Sqlite,
    mariadb_to_postgres_and_back: Mariadb => Postgres,
    sqlite_to_mysql_and_back: Sqlite => Mysql,
    postgres_to_mysql_and_back: Postgres => Mysql,
    mysql_to_sqlite_and_back: Mysql => Sqlite,
    mysql_to_postgres_and_back: Mysql => Postgres,
}
