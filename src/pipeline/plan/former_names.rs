//! Names that a table and its columns had where they go back to, and that the engine between did not take. They come back
//! as if rules gave them, so that all that refers to them follows; what a rule says about a name stands above.

use super::findings::Findings;
use super::names::{fold, renamed};
use crate::engine::capability::Rules;
use crate::model::origin::Renamed;
use crate::model::plan::Finding;
use crate::model::rule::{self, TableRule};
use crate::model::schema::Schema;

/// The rules with those that give names back, and what to say of these. `existing` is what is filled, if tables are there:
/// then a name counts that is there.
pub fn restored(
    rules: &[TableRule],
    source: &Schema,
    target: &dyn Rules,
    existing: Option<&Schema>,
) -> (Vec<TableRule>, Vec<Finding>) {
    let mut all = rules.to_vec();
    let mut findings = Findings::default();
    if source.dialect == target.dialect() {
        return (all, findings.into_vec());
    }
    let can = target.capabilities();
    // Views and the like share their space with tables.
    let others = source.objects.iter().map(|object| object.name.as_str());
    let tables = source.tables.iter().map(|table| {
        let origin = table.origin.as_ref().filter(|o| o.product.dialect() == target.dialect());
        let there = existing.is_some_and(|e| e.table(&table.name).is_some());
        let former = origin.and_then(|o| o.name.as_ref()).filter(|_| !there);
        Name::of(&table.name, rule::table_name(rules, &table.name), former, target)
    });
    let tables: Vec<Name<'_>> = tables.collect();
    for (table, name) in source.tables.iter().zip(&tables) {
        if let Some(former) = name.free(&tables, others.clone(), can.case_sensitive_tables, target) {
            rule_about(&mut all, &table.name).rename = Some(former.to_owned());
            findings.push(renamed("table", &table.name, former).table(&table.name));
        }
        let filled = existing.and_then(|e| e.table(rule::table_name(&all, &table.name)));
        let columns = table.columns.iter().map(|column| {
            let origin = column.origin.as_ref().filter(|o| o.product.dialect() == target.dialect());
            let there = filled.is_some_and(|t| t.column(&column.name).is_some());
            let former = origin.and_then(|o| o.name.as_ref()).filter(|_| !there);
            Name::of(&column.name, rule::column_name(rules, &table.name, &column.name), former, target)
        });
        let columns: Vec<Name<'_>> = columns.collect();
        for name in &columns {
            let free = name.free(&columns, std::iter::empty(), can.case_sensitive_columns, target);
            if let Some(former) = free {
                let about = rule_about(&mut all, &table.name);
                about.columns.entry(name.today.to_owned()).or_default().rename = Some(former.to_owned());
                findings.push(renamed("column", name.today, former).table(&table.name).column(name.today));
            }
        }
    }
    (all, findings.into_vec())
}

/// The rule about a table, made if there is none.
fn rule_about<'a>(rules: &'a mut Vec<TableRule>, table: &str) -> &'a mut TableRule {
    let at = rules.iter().position(|rule| rule.table == table).unwrap_or_else(|| {
        rules.push(TableRule { table: table.to_owned(), ..TableRule::default() });
        rules.len() - 1
    });
    &mut rules[at]
}

/// The name of a table or column.
struct Name<'a> {
    /// In the source.
    today: &'a str,
    /// In the target, if nothing comes back.
    wanted: &'a str,
    /// The one that may come back.
    former: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn of(today: &'a str, wanted: &'a str, former: Option<&'a Renamed>, target: &dyn Rules) -> Self {
        // Whoever may comment may have written it.
        let taken = |name: &&str| target.accepts_name(name) && !target.reserves(name);
        let former = former.filter(|_| wanted == today).and_then(|name| name.former(today));
        Self { today, wanted, former: former.filter(taken) }
    }

    /// The name of before, if nothing else has it or may get it.
    fn free<'o>(
        &self,
        all: &[Self],
        mut others: impl Iterator<Item = &'o str>,
        case_sensitive: bool,
        target: &dyn Rules,
    ) -> Option<&'a str> {
        let folded = |name: &str| if case_sensitive { name.to_owned() } else { fold(target, name) };
        let former = self.former?;
        let same = |name: &str| folded(name) == folded(former);
        let of_another =
            |name: &Self| name.today != self.today && (same(name.wanted) || name.former.is_some_and(same));
        let taken = all.iter().any(of_another) || others.any(same);
        (!taken).then_some(former)
    }
}
