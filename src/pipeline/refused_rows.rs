//! Rows that the source has and a constraint of the target refuses: those that their own check is false for, and those whose
//! parent is theirs only as the source compares. Looked for in the source, before anything is written.

use super::plan::doubts::{LooseReference, loose_references};
use super::plan::{PlanInput, findings};
use crate::engine::capability::{Matching, Orphans, Rules, Snapshot};
use crate::model::error::{ErrorKind, Result};
use crate::model::plan::{Finding, Plan, TablePlan};
use crate::model::schema::{Check, Table};

/// Findings about all of them, and about the rows without a parent that the source knows of. `words` are those of the source.
pub async fn find(
    plan: &Plan,
    input: &PlanInput<'_>,
    source: &dyn Snapshot,
    words: &dyn Rules,
) -> Result<Vec<Finding>> {
    let orphans = source.orphans(&plan.unfiltered()).await?;
    if !source.evaluates() {
        return Ok(orphans.iter().map(findings::orphans).collect());
    }
    let mut found = Vec::new();
    let loose = loose_references(input, plan);
    for orphans in &orphans {
        if !loose.iter().any(|reference| is_of(reference, orphans)) {
            found.push(findings::orphans(orphans));
        }
    }
    for reference in &loose {
        let Some(table) = input.source.table(&reference.table) else { continue };
        let strays = source.matching(table, &without_parent(reference, words)).await?;
        // As many have no parent for the source either.
        match orphans.iter().find(|orphans| is_of(reference, orphans)) {
            Some(orphans) if orphans.rows >= strays.rows => found.push(findings::orphans(orphans)),
            _ if strays.rows > 0 => found.push(findings::loose_orphans(reference, &strays)),
            _ => {}
        }
    }
    for table in &plan.tables {
        let Some(declared) = input.source.table(&table.source) else { continue };
        found.extend(violated(table, declared, source).await?);
    }
    Ok(found)
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

/// The checks of a table that the source has not held its rows to and that are false for some. Of rows that stay behind
/// nothing is asked.
async fn violated(planned: &TablePlan, table: &Table, source: &dyn Snapshot) -> Result<Vec<Finding>> {
    let carried = |check: &&Check| {
        planned.checks.iter().any(|c| c.original.as_ref().unwrap_or(&c.expression) == &check.expression)
    };
    // What somebody made is not run.
    let asked = |check: &&Check| !check.validated && check.reaches.is_empty();
    let checks: Vec<&Check> = table.checks.iter().filter(asked).filter(carried).collect();
    let among = planned.filter.as_ref().map_or_else(String::new, |f| format!("(\n{}\n) AND ", f.condition));
    let refused = |check: &Check| format!("NOT (\n{}\n)", check.expression);
    let any = checks.iter().map(|check| refused(check)).collect::<Vec<_>>().join(" OR ");
    let mut found = Vec::new();
    if checks.is_empty()
        || rows(table, &format!("{among}({any})"), source).await?.is_some_and(|m| m.rows == 0)
    {
        return Ok(found);
    }
    for check in checks {
        let matching = rows(table, &format!("{among}{}", refused(check)), source).await?;
        found.extend(matching.filter(|m| m.rows > 0).map(|m| findings::check_violated(planned, check, &m)));
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
