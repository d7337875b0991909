//! Rows that the source has and a constraint of the target refuses: those that their own check is false for, and those whose
//! parent is theirs only as the source compares, and those that tables demand which the application made in the target.
//! Looked for in the source, before anything is written; where that evaluates
//! nothing, in what the database said when its rows were kept.

use super::plan::demands::demands;
use super::plan::doubts::{LooseReference, ever_loose, loose_references};
use super::plan::{PlanInput, findings};
use crate::engine::capability::{Matching, Orphans, Rules, Snapshot, Told, Violated};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{ColumnPlan, Finding, Plan, TablePlan};
use crate::model::schema::{Check, Column, Schema, Table};

/// Findings about all of them, and about the rows without a parent that the source knows of. `words` are those of the source.
pub async fn find(
    plan: &Plan,
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    words: &dyn Rules,
) -> Result<Vec<Finding>> {
    let orphans = source.orphans(&plan.unfiltered()).await?;
    let mut found = Vec::new();
    let loose = loose_references(input, plan);
    for orphans in &orphans {
        if !loose.iter().any(|reference| is_of(reference, orphans)) {
            found.push(findings::orphans(orphans));
        }
    }
    for reference in &loose {
        let Some(table) = input.source.table(&reference.table) else { continue };
        let strays = match source.told() {
            Some(told) => strays_of(told, reference),
            None => source.matching(table, &without_parent(reference, words)).await?,
        };
        // As many have no parent for the source either.
        match orphans.iter().find(|orphans| is_of(reference, orphans)) {
            Some(orphans) if orphans.rows >= strays.rows => found.push(findings::orphans(orphans)),
            _ if strays.rows > 0 => found.push(findings::loose_orphans(reference, &strays)),
            _ => {}
        }
    }
    for table in &plan.tables {
        let Some(declared) = input.source.table(&table.source) else { continue };
        let checks = in_force(table, declared);
        let violated = if let Some(told) = source.told() {
            checks.into_iter().filter_map(|check| against(told, declared, check)).collect()
        } else {
            let among = table.filter.as_ref().map(|f| f.condition.as_str());
            violated(declared, &checks, among, source).await?
        };
        found.extend(violated.iter().map(|(check, rows)| findings::check_violated(table, check, rows)));
    }
    let demands = if source.evaluates() { demands(input, plan, words) } else { Vec::new() };
    for table in &plan.tables {
        let Some(declared) = input.source.table(&table.source) else { continue };
        let of_table = demands.iter().filter(|demand| demand.table == table.source);
        let asked: Vec<_> = of_table.map(|demand| (demand, demand.refused.clone())).collect();
        let among = table.filter.as_ref().map(|f| f.condition.as_str());
        let broken = refused(declared, asked, among, source).await?;
        found.extend(broken.iter().map(|(demand, rows)| findings::demanded(demand, rows)));
    }
    Ok(found)
}

/// What is kept with rows that nobody will evaluate anything over: all of these, whatever the target may be. `words` are
/// those of the source.
pub async fn told(schema: &Schema, source: &dyn Snapshot, words: &dyn Rules) -> Result<Told> {
    let mut told = Told::default();
    for reference in ever_loose(schema) {
        let Some(table) = schema.table(&reference.table) else { continue };
        let Some(strays) = rows(table, &without_parent(&reference, words), source).await? else { continue };
        if strays.rows > 0 {
            told.strays.push(Orphans {
                columns: reference.columns.into_iter().map(|(name, _)| name).collect(),
                table: reference.table,
                references: reference.references,
                rows: strays.rows,
                keys: strays.keys,
            });
        }
    }
    for table in &schema.tables {
        let checks: Vec<&Check> = doubtful(table).map(|(_, check)| check).collect();
        for (check, found) in violated(table, &checks, None, source).await? {
            told.violated.push(Violated {
                table: table.name.clone(),
                expression: check.expression.clone(),
                rows: found.rows,
                keys: found.keys,
            });
        }
    }
    Ok(told)
}

fn strays_of(told: &Told, reference: &LooseReference) -> Matching {
    let strays = told.strays.iter().find(|strays| is_of(reference, strays));
    strays.map(|found| Matching { rows: found.rows, keys: found.keys.clone() }).unwrap_or_default()
}

fn against<'c>(told: &Told, table: &Table, check: &'c Check) -> Option<(&'c Check, Matching)> {
    let said = |v: &&Violated| v.table == table.name && v.expression == check.expression;
    let found = told.violated.iter().find(said)?;
    Some((check, Matching { rows: found.rows, keys: found.keys.clone() }))
}

fn is_of(reference: &LooseReference, orphans: &Orphans) -> bool {
    let columns = reference.columns.iter().map(|(name, _)| name);
    reference.table == orphans.table && columns.eq(&orphans.columns)
}

/// The rows of a table without a parent that is equal byte for byte. A reference that holds a NULL has none to miss.
fn without_parent(reference: &LooseReference, words: &dyn Rules) -> String {
    let side = |quoted: String, text: bool| if text { words.exactly(&quoted) } else { quoted };
    let own: Vec<String> =
        reference.columns.iter().map(|(name, text)| side(words.quote(name), *text)).collect();
    let both = reference.referenced_columns.iter().zip(&reference.columns);
    let parents: Vec<String> =
        both.map(|(name, (_, text))| side(format!("p.{}", words.quote(name)), *text)).collect();
    let known = |names: Vec<String>| {
        names.iter().map(|n| format!("{n} IS NOT NULL")).collect::<Vec<_>>().join(" AND ")
    };
    format!(
        "{} AND ({}) NOT IN (SELECT {} FROM {} p WHERE {})",
        known(reference.columns.iter().map(|(name, _)| words.quote(name)).collect()),
        own.join(", "),
        parents.join(", "),
        words.quote(&reference.references),
        known(reference.referenced_columns.iter().map(|name| format!("p.{}", words.quote(name))).collect()),
    )
}

/// The checks that the source has not held the rows of a table to, each with the column whose domain says it.
fn doubtful(table: &Table) -> impl Iterator<Item = (Option<&Column>, &Check)> {
    let of_domain = |column| domain_checks(column).map(move |check| (Some(column), check));
    let all = table.checks.iter().map(|check| (None, check)).chain(table.columns.iter().flat_map(of_domain));
    // What somebody made is not run.
    all.filter(|(_, check)| !check.validated && check.reaches.is_empty())
}

fn domain_checks(column: &Column) -> impl Iterator<Item = &Check> {
    column.domain.iter().flat_map(|domain| &domain.checks)
}

/// Those of them that the target will hold the rows to: as a check, or as the domain that goes along.
fn in_force<'t>(planned: &TablePlan, table: &'t Table) -> Vec<&'t Check> {
    let domain_goes_along = |column: &Column| {
        planned.columns.iter().any(|c: &ColumnPlan| c.source == column.name && c.domain.is_some())
    };
    let carried = |check: &Check| {
        planned.checks.iter().any(|c| c.original.as_ref().unwrap_or(&c.expression) == &check.expression)
    };
    let in_force = |column: Option<&Column>, check| column.is_some_and(domain_goes_along) || carried(check);
    doubtful(table).filter(|(column, check)| in_force(*column, check)).map(|(_, check)| check).collect()
}

/// Those of some checks that are false for some rows of a table, and for which.
async fn violated<'c>(
    table: &Table,
    checks: &[&'c Check],
    among: Option<&str>,
    source: &dyn Snapshot,
) -> Result<Vec<(&'c Check, Matching)>> {
    let asked = checks.iter().map(|check| (*check, format!("NOT (\n{}\n)", check.expression)));
    refused(table, asked.collect(), among, source).await
}

/// Those of some conditions that are true for some rows of a table, and for which. Of rows that stay behind, because `among`
/// is not true for them, nothing is asked. Mostly none is: then one question does for all.
async fn refused<'c, T>(
    table: &Table,
    conditions: Vec<(&'c T, String)>,
    among: Option<&str>,
    source: &dyn Snapshot,
) -> Result<Vec<(&'c T, Matching)>> {
    let among = among.map_or_else(String::new, |condition| format!("(\n{condition}\n) AND "));
    let any = conditions.iter().map(|(_, condition)| condition.as_str()).collect::<Vec<_>>().join(" OR ");
    let mut found = Vec::new();
    if conditions.is_empty()
        || rows(table, &format!("{among}({any})"), source).await?.is_some_and(|m| m.rows == 0)
    {
        return Ok(found);
    }
    for (what, condition) in conditions {
        let matching = rows(table, &format!("{among}{condition}"), source).await?;
        found.extend(matching.filter(|m| m.rows > 0).map(|matching| (what, matching)));
    }
    Ok(found)
}

/// `None` where the source does not evaluate the condition for every row: so it does not when rows are written.
async fn rows(table: &Table, condition: &str, source: &dyn Snapshot) -> Result<Option<Matching>> {
    match source.matching(table, condition).await {
        Ok(matching) => Ok(Some(matching)),
        Err(error) if error.kind() == ErrorKind::Usage => Ok(None),
        Err(error) => Err(error),
    }
}
