//! The user's policies, applied to the findings of a plan. Pure; called once all findings are there.

use std::fmt::Write as _;

use crate::model::codes::{self, Conversion};
use crate::model::plan::{ColumnPlan, Finding, FindingAction, Plan, Scope, Severity, TablePlan};
use crate::model::policy::{Decision, Policies};

/// Applies the policies to the findings and keeps them in the plan for what only the load will meet.
pub fn decide(plan: &mut Plan, policies: &Policies) {
    let tables = &plan.tables;
    for finding in &mut plan.findings {
        let planned = tables.iter().find(|t| finding.table.as_deref() == Some(t.source.as_str()));
        let nullable = planned.is_some_and(|table| takes_null(table, finding));
        let (table, column) = (finding.table.as_deref(), finding.column.as_deref());
        // Keys of tables that are filled are nobody's to mend in staging.
        if plan.scope == Scope::DataOnly && finding.code == codes::ORPHANS {
            continue;
        }
        if let Some(decision) = policies.decision(&finding.code, table, column, finding.object.as_deref()) {
            apply(finding, decision, nullable);
        }
    }
    plan.policies = policies.clone();
}

/// Whether what a finding is about can become NULL: its column, or all columns of the foreign keys that begin with it.
fn takes_null(table: &TablePlan, finding: &Finding) -> bool {
    let named = |c: &&ColumnPlan| finding.column.as_deref() == Some(c.source.as_str());
    let Some(column) = table.columns.iter().find(named) else { return false };
    let keys = table.foreign_keys.iter().filter(|key| key.columns.first() == Some(&column.name));
    column.nullable && (finding.code != codes::ORPHANS || keys.into_iter().all(|key| table.takes_null(key)))
}

fn apply(finding: &mut Finding, decision: Decision, nullable: bool) {
    match decision {
        Decision::Stop => {
            finding.severity = Severity::Blocker;
            finding.action = FindingAction::Refused;
        }
        Decision::Accept => finding.severity = finding.severity.min(Severity::Warning),
        Decision::Reject => {
            finding.severity = Severity::Warning;
            finding.action = FindingAction::Rejected;
        }
        Decision::Convert => {
            let done = match codes::conversion(&finding.code) {
                Some(Conversion::Null) if nullable && finding.code == codes::ORPHANS => {
                    "become NULL in these rows"
                }
                Some(Conversion::Null) if nullable => "become NULL",
                Some(Conversion::Null) => {
                    finding.text.push_str("; such values cannot become NULL, because the column takes none");
                    return;
                }
                Some(Conversion::Value(done)) => done,
                None => return,
            };
            finding.severity = Severity::Warning;
            finding.action = FindingAction::Converted;
            // Writing to a String cannot fail.
            let _ = write!(finding.text, "; such values {done}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::Note;
    use super::*;
    use crate::model::policy::Policy;

    fn finding(code: &str, table: &str, object: &str) -> Finding {
        let note = Note::new(code, "index", FindingAction::NotCarried, "x");
        note.table(table).object(Some(object)).finding()
    }

    fn decided(findings: Vec<Finding>, rules: &[&str]) -> Vec<(Severity, FindingAction)> {
        let mut plan = super::super::super::fake::plan(1);
        plan.findings = findings;
        let rules = rules.iter().map(|rule| Policy::parse_rule(rule).unwrap()).collect();
        decide(&mut plan, &Policies::new(rules));
        plan.findings.iter().map(|f| (f.severity, f.action)).collect()
    }

    #[test]
    fn what_guards_data_stops_until_it_is_accepted() {
        let both = || vec![finding(codes::UNIQUE_LOOSER, "a", "u"), finding(codes::UNIQUE_LOOSER, "b", "u")];
        let carried = FindingAction::NotCarried;
        let (blocker, warning) = ((Severity::Blocker, carried), (Severity::Warning, carried));
        assert_eq!(decided(both(), &[]), [blocker, blocker]);
        assert_eq!(decided(both(), &["unique_looser=accept"]), [warning, warning]);
        assert_eq!(decided(both(), &["unique_looser@b.u=accept"]), [blocker, warning]);
    }

    #[test]
    fn what_is_accepted_is_no_graver_than_before_and_can_be_made_graver() {
        let notes =
            || vec![finding(codes::INDEX_ADDED, "a", "i"), finding(codes::INDEX_NOT_CARRIED, "a", "i")];
        let severities =
            |rules: &[&str]| decided(notes(), rules).into_iter().map(|d| d.0).collect::<Vec<_>>();
        assert_eq!(severities(&["*=accept"]), [Severity::Info, Severity::Warning]);
        assert_eq!(severities(&["index_added=stop"]), [Severity::Blocker, Severity::Warning]);
    }
}
