//! Checks and defaults that were put into the target's words, tried on both sides before the first row is read: on the
//! same rows each engine has to decide the same, and a default has to give the same value. Nothing is written anywhere, and
//! no value of the data is in any message.

mod defaults;
mod edges;

use std::collections::BTreeMap;

use crate::engine::capability::{Probe, Source, Verdict};
use crate::engine::expression;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{CheckPlan, ColumnPlan, Finding, IndexPartPlan, Plan, Scope, TablePlan};
use crate::model::policy::Policies;
use crate::model::schema::{Schema, Table};
use crate::pipeline::plan::findings::{self, Words};

/// Tries every check and default of the plan that is in other words than the source's. One at which the engines part is
/// taken out of the plan and becomes a finding, which stops the migration if it is a check; one that could not be tried
/// stays, and is named.
pub async fn prove(plan: &mut Plan, schema: &Schema, source: &dyn Source, target: &dyn Source) -> Result<()> {
    let mut found = Vec::new();
    // What goes along in its own words may be words of one product only.
    let products = plan.source == plan.target && source.facts().flavour != target.facts().flavour;
    for at in 0..plan.tables.len() {
        let planned = plan.tables[at].clone();
        let Some(table) = schema.table(&planned.source) else { continue };
        let mut kept = Vec::with_capacity(planned.checks.len());
        let mut untried: BTreeMap<String, usize> = BTreeMap::new();
        for check in &planned.checks {
            let scene = Scene { plan, planned: &planned, table };
            let Some(original) = &check.original else {
                if !products || scene.evaluated(&check.expression, target).await? {
                    kept.push(check.clone());
                } else {
                    found.push(findings::check_differs(&planned, check, &check.expression, UNKNOWN));
                }
                continue;
            };
            let trial = Trial { scene, check, original };
            match trial.outcome(source, target).await? {
                Outcome::Agree => kept.push(check.clone()),
                Outcome::Differ(how) => {
                    found.push(findings::check_differs(&planned, check, original, &how));
                    plan.tables[at].forget_check(check);
                }
                Outcome::Untried(why) => {
                    *untried.entry(why).or_default() += 1;
                    kept.push(check.clone());
                }
            }
        }
        let untried = untried.iter();
        found.extend(
            untried.map(|(why, checks)| findings::checks_untried(&planned, *checks, Words::Target, why)),
        );
        let scene = Scene { plan, planned: &planned, table };
        let (wrong, named) = defaults::prove(scene, source, target).await?;
        let (unknown, lost) = if products {
            (scene.unknown_columns(target).await?, scene.unknown_indexes(target).await?)
        } else {
            (Vec::new(), Vec::new())
        };
        for column in wrong {
            plan.tables[at].columns[column].leave_default();
        }
        for (column, expression) in unknown {
            found.push(findings::generated_unknown(&planned, &planned.columns[column], &expression, UNKNOWN));
            plan.tables[at].columns[column].generated = None;
        }
        for (index, expression) in lost.into_iter().rev() {
            let index = plan.tables[at].indexes.remove(index);
            found.push(findings::index_unknown(&planned, &index, &expression, UNKNOWN));
        }
        plan.tables[at].drop_unused_keys();
        found.extend(named);
        plan.tables[at].checks = kept;
    }
    plan.findings.extend(found);
    Ok(())
}

/// Names what rests on the translator's word, or towards another product of the same dialect (`products`) on nobody's,
/// because there is no target to ask.
pub fn untried(plan: &Plan, schema: &Schema, products: bool) -> Vec<Finding> {
    let why = "there is no target to ask";
    let words = if products { Words::Source } else { Words::Target };
    let mut found = Vec::new();
    for planned in &plan.tables {
        let checks = planned.checks.iter().filter(|check| products || check.original.is_some()).count();
        if checks > 0 {
            found.push(findings::checks_untried(planned, checks, words, why));
        }
        let Some(table) = schema.table(&planned.source) else { continue };
        let scene = Scene { plan, planned, table };
        found.extend(defaults::untried(scene, words, why));
        let generated = scene.generated().count() + scene.index_expressions().count();
        if products && generated > 0 {
            found.push(findings::expressions_untried(planned, generated, why));
        }
    }
    found
}

/// What is said of an expression that only the other product knows.
const UNKNOWN: &str = "the target does not evaluate it";

enum Outcome {
    Agree,
    /// In which row, and who takes it.
    Differ(String),
    /// Why nothing was learnt.
    Untried(String),
}

/// A table as it is and as it will be, of which plans of some columns alone are made.
#[derive(Clone, Copy)]
struct Scene<'a> {
    plan: &'a Plan,
    planned: &'a TablePlan,
    table: &'a Table,
}

/// One check and what is known of its table.
struct Trial<'a> {
    scene: Scene<'a>,
    check: &'a CheckPlan,
    original: &'a str,
}

impl Trial<'_> {
    async fn outcome(&self, source: &dyn Source, target: &dyn Source) -> Result<Outcome> {
        let columns = self.columns();
        let carried: Vec<_> = columns.iter().map(|c| (c.source.clone(), c.carries.clone())).collect();
        let mut constants = expression::constants(self.scene.plan.source, self.original);
        constants.extend(expression::constants(self.scene.plan.target, &self.check.expression));
        constants.dedup();
        let rows = edges::rows(&carried, &constants);
        let here = Probe { plan: self.scene.in_source(&columns), condition: self.original.to_owned(), rows };
        let there = Probe {
            plan: self.scene.alone(&columns),
            condition: self.check.expression.clone(),
            rows: here.rows.clone(),
        };
        let asked = tokio::join!(source.probe(&here), target.probe(&there));
        let (of_source, of_target) = match (answered(asked.0, "source")?, answered(asked.1, "target")?) {
            (Ok(here), Ok(there)) => (here, there),
            (Err(why), _) | (_, Err(why)) => return Ok(Outcome::Untried(why)),
        };
        let both = of_source.iter().zip(&of_target).enumerate();
        let mut compared =
            both.filter(|(_, (a, b))| **a != Verdict::Unheld && **b != Verdict::Unheld).peekable();
        if compared.peek().is_none() {
            return Ok(Outcome::Untried("no row could be made that both sides hold".into()));
        }
        let different = compared.find(|(_, (here, there))| here != there);
        Ok(different.map_or(Outcome::Agree, |(row, (said, _))| {
            let (takes, refuses) =
                if *said == Verdict::Admitted { ("source", "target") } else { ("target", "source") };
            let shown = here.rows.key_of(row).unwrap_or_default();
            Outcome::Differ(format!("the {takes} takes a row with {shown}, which the {refuses} refuses"))
        }))
    }

    /// The columns that the check names.
    fn columns(&self) -> Vec<ColumnPlan> {
        self.scene.named(|c| expression::mentions(self.scene.plan.source, self.original, &c.source))
    }
}

impl Scene<'_> {
    /// The columns that an expression names; where it names none, the first.
    fn named(&self, names: impl Fn(&ColumnPlan) -> bool) -> Vec<ColumnPlan> {
        let there = || self.planned.columns.iter().filter(|c| c.filled && !c.invisible);
        let mut columns: Vec<ColumnPlan> = there().filter(|c| names(c)).map(bare).collect();
        if columns.is_empty() {
            columns.extend(there().next().map(bare));
        }
        columns
    }

    /// Whether the target evaluates an expression, for any row at all; also where it cannot be asked.
    async fn evaluated(&self, text: &str, target: &dyn Source) -> Result<bool> {
        let dialect = self.plan.target;
        let columns = self.named(|c| expression::mentions(dialect, text, &c.name));
        let carried: Vec<_> = columns.iter().map(|c| (c.name.clone(), c.carries.clone())).collect();
        let rows = edges::rows(&carried, &expression::constants(dialect, text));
        let condition = format!("({text}) IS NULL OR ({text}) IS NOT NULL");
        let asked = target.probe(&Probe { plan: self.alone(&columns), condition, rows }).await;
        let Ok(verdicts) = answered(asked, "target")? else { return Ok(true) };
        Ok(verdicts.contains(&Verdict::Admitted) || !verdicts.contains(&Verdict::Refused))
    }

    /// Places and expressions of the generated columns that the target does not evaluate.
    async fn unknown_columns(&self, target: &dyn Source) -> Result<Vec<(usize, String)>> {
        let mut unknown = Vec::new();
        for (at, expression) in self.generated() {
            if !self.evaluated(expression, target).await? {
                unknown.push((at, expression.to_owned()));
            }
        }
        Ok(unknown)
    }

    /// The same of the indexes over an expression.
    async fn unknown_indexes(&self, target: &dyn Source) -> Result<Vec<(usize, String)>> {
        let mut unknown: Vec<(usize, String)> = Vec::new();
        for (at, expression) in self.index_expressions() {
            let known_to_be = unknown.last().is_some_and(|(other, _)| *other == at);
            if !known_to_be && !self.evaluated(expression, target).await? {
                unknown.push((at, expression.to_owned()));
            }
        }
        Ok(unknown)
    }

    fn generated(&self) -> impl Iterator<Item = (usize, &str)> {
        let columns = self.planned.columns.iter().enumerate().filter(|(_, c)| !c.invisible);
        columns.filter_map(|(at, c)| Some((at, c.generated.as_ref()?.expression.as_str())))
    }

    /// Places of indexes, in order, with each expression that they are over, also by a column that nobody sees.
    fn index_expressions(&self) -> impl Iterator<Item = (usize, &str)> {
        let unseen = |part: &IndexPartPlan| {
            let mut unseen = self.planned.columns.iter().filter(|c| c.invisible);
            let column = unseen.find(|c| Some(&c.name) == part.column.as_ref())?;
            Some(column.generated.as_ref()?.expression.as_str())
        };
        let indexes = self.planned.indexes.iter().enumerate();
        indexes.flat_map(move |(at, index)| {
            index.parts.iter().filter_map(move |p| Some((at, p.expression.as_deref().or_else(|| unseen(p))?)))
        })
    }

    /// A plan of nothing but these columns.
    fn alone(&self, columns: &[ColumnPlan]) -> Plan {
        let table = TablePlan {
            columns: columns.to_vec(),
            strict: self.planned.strict,
            key: Vec::new(),
            estimated_rows: None,
            replaces_rows: false,
            filter: None,
            ..self.planned.bare(|_| false)
        };
        let needed = columns.iter().any(|c| self.plan.types.iter().any(|t| c.native_type.contains(&t.name)));
        let collated = columns.iter().filter_map(|c| c.collation.as_ref());
        let objects = self.plan.objects.iter().filter(|o| collated.clone().any(|name| *name == o.name));
        Plan {
            types: if needed { self.plan.types.clone() } else { Vec::new() },
            objects: objects.cloned().collect(),
            tables: vec![table],
            views: Vec::new(),
            findings: Vec::new(),
            policies: Policies::default(),
            restores: false,
            scope: Scope::All,
            ..*self.plan
        }
    }

    /// The same in the words of the source.
    fn in_source(&self, columns: &[ColumnPlan]) -> Plan {
        let mut plan = self.alone(columns);
        plan.target = self.plan.source;
        (plan.types, plan.objects) = (Vec::new(), Vec::new());
        for table in &mut plan.tables {
            table.name.clone_from(&self.planned.source);
            table.strict = self.table.options.strict;
            for column in &mut table.columns {
                let declared = self.table.column(&column.source);
                column.name.clone_from(&column.source);
                column.native_type.clone_from(&column.source_type);
                column.collation = declared.and_then(|c| c.collation.as_ref()).map(|c| c.name.clone());
            }
        }
        plan
    }
}

/// A column that holds any value of its type.
fn bare(column: &ColumnPlan) -> ColumnPlan {
    ColumnPlan {
        nullable: true,
        default: None,
        on_update_now: false,
        generated: None,
        identity: None,
        comment: None,
        origin: None,
        domain: None,
        ..column.clone()
    }
}

/// What an engine answered, or why it could not be asked; a server that is gone is an error.
fn answered<T>(answer: Result<Option<T>>, side: &str) -> Result<std::result::Result<T, String>> {
    match answer {
        Ok(Some(answer)) => Ok(Ok(answer)),
        Ok(None) => Ok(Err(format!("the {side} is a file that no engine evaluates anything for"))),
        Err(error) if matches!(error.kind(), ErrorKind::Permission | ErrorKind::Write) => {
            Ok(Err(format!("the {side} does not let them be tried: {}", reason(&error))))
        }
        Err(error) => Err(error),
    }
}

fn reason(error: &Error) -> String {
    error.reason().map_or_else(|| error.what().to_owned(), |why| format!("{} ({why})", error.what()))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Fault, plan};
    use super::*;
    use crate::model::codes;
    use crate::model::endpoint::Dialect;
    use crate::model::plan::Severity;
    use crate::model::schema::TableOptions;

    /// A plan of one table with a check that was translated, and one that says the same in both.
    fn planned() -> (Plan, Schema) {
        let mut plan = plan(1);
        let check = |name: &str, original: Option<&str>| CheckPlan {
            name: Some(name.into()),
            expression: "id > 5".into(),
            original: original.map(str::to_owned),
        };
        plan.tables[0].checks = vec![check("other", Some("id > 5")), check("same", None)];
        let table = Table {
            name: "t0".into(),
            columns: vec![],
            primary_key: None,
            indexes: vec![],
            foreign_keys: vec![],
            checks: vec![],
            comment: None,
            options: TableOptions::default(),
            estimated_rows: None,
            bytes: None,
            origin: None,
        };
        (plan, Schema { dialect: Dialect::Sqlite, tables: vec![table], objects: vec![] })
    }

    async fn proven(here: Fault, there: Fault) -> Plan {
        let (mut plan, schema) = planned();
        let (source, target) = (Fake::new(here, &[]), Fake::new(there, &[]));
        prove(&mut plan, &schema, &source, &target).await.unwrap();
        assert_eq!((source.calls(), target.calls()), (vec!["probe"], vec!["probe"]));
        plan
    }

    #[tokio::test]
    async fn a_check_at_which_the_engines_part_is_a_blocker() {
        for (here, there, takes) in
            [(Fault::None, Fault::Decide, "source takes"), (Fault::Decide, Fault::None, "target takes")]
        {
            let plan = proven(here, there).await;
            let [finding] = plan.findings.as_slice() else { panic!("{:?}", plan.findings) };
            assert_eq!(
                (finding.code.as_str(), finding.severity),
                (codes::CHECK_NOT_CARRIED, Severity::Blocker)
            );
            assert_eq!(finding.object.as_deref(), Some("other"));
            assert!(finding.text.contains(takes) && finding.text.contains("id="), "{}", finding.text);
            let left: Vec<_> = plan.tables[0].checks.iter().filter_map(|c| c.name.as_deref()).collect();
            assert_eq!(left, ["same"]);
        }
    }

    #[tokio::test]
    async fn a_check_on_which_they_agree_stays_without_a_word() {
        for fault in [Fault::None, Fault::Decide] {
            let plan = proven(fault, fault).await;
            assert!(plan.findings.is_empty(), "{:?}", plan.findings);
            assert_eq!(plan.tables[0].checks.len(), 2);
        }
    }

    #[tokio::test]
    async fn what_nobody_could_be_asked_about_is_named() {
        let (mut plan, schema) = planned();
        let source = Fake::new(Fault::None, &[]);
        prove(&mut plan, &schema, &source, &Fake::new(Fault::Silent, &[])).await.unwrap();
        let named = untried(&plan, &schema, false);
        for finding in plan.findings.iter().chain(&named) {
            assert_eq!((finding.code.as_str(), finding.severity), (codes::CHECK_UNTRIED, Severity::Info));
            assert!(finding.text.starts_with("1 check is"), "{}", finding.text);
        }
        assert_eq!((plan.findings.len(), named.len(), plan.tables[0].checks.len()), (1, 1, 2));
    }
}
