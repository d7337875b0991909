//! Conditions over the rows of a table in words that every dialect shares; only names are quoted as each wants it. Pure.

use super::capability::ReadRequest;
use crate::model::plan::{ForeignKeyPlan, INVISIBLE, IndexPartPlan, IndexPlan, Plan, TablePlan};

/// A condition as the WHERE of a statement, with a blank in front. On lines of its own, so that a comment in it ends
/// where it ends.
pub fn where_clause(condition: &str) -> String {
    format!(" WHERE (\n{condition}\n)")
}

/// Which rows of a table a request is for, as the WHERE of a statement; nothing where it is for all. `column` is how the
/// statement calls a column.
pub fn selection(request: &ReadRequest, column: impl Fn(&str) -> String) -> String {
    let rest = match (request.after, &request.key[..]) {
        (Some(after), [key]) => Some(format!("{} > {after}", column(key))),
        _ => None,
    };
    match (&request.condition, rest) {
        (None, None) => String::new(),
        (Some(condition), None) => where_clause(condition),
        (None, Some(rest)) => where_clause(&rest),
        (Some(condition), Some(rest)) => format!("{} AND {rest}", where_clause(condition)),
    }
}

/// The rows of `c` whose reference holds no NULL.
pub fn has_reference(key: &ForeignKeyPlan, quote: impl Fn(&str) -> String) -> String {
    joined(key.columns.iter().map(|c| format!("c.{} IS NOT NULL", quote(c))))
}

/// How a row of `c` finds its parent `p`.
pub fn finds_parent(key: &ForeignKeyPlan, quote: impl Fn(&str) -> String) -> String {
    let pairs = key.columns.iter().zip(&key.referenced_columns);
    joined(pairs.map(|(c, p)| format!("p.{} = c.{}", quote(p), quote(c))))
}

/// The rows of `c` without a parent in the table `parent`, which stands there with its alias `p`. A reference that holds
/// a NULL has none to miss.
pub fn without_parent(key: &ForeignKeyPlan, parent: &str, quote: impl Fn(&str) -> String) -> String {
    let (set, same) = (has_reference(key, &quote), finds_parent(key, &quote));
    format!("{set} AND NOT EXISTS (SELECT 1 FROM {parent} WHERE {same})")
}

/// The assignments that take the reference out of a row.
pub fn cut(key: &ForeignKeyPlan, quote: impl Fn(&str) -> String) -> String {
    let columns: Vec<String> = key.columns.iter().map(|c| format!("{} = NULL", quote(c))).collect();
    columns.join(", ")
}

/// The rows of a table in which a unique key finds the same values as in another: up to five, each as the table's key
/// (through `shown`) and then the number of all. NULL equals nothing.
pub fn collisions(
    table: &TablePlan,
    from: &str,
    key: &IndexPlan,
    quote: impl Fn(&str) -> String,
    shown: impl Fn(&str) -> String,
) -> String {
    let value = |part: &IndexPartPlan| {
        let value = match (&part.column, &part.expression) {
            (Some(column), _) => quote(column),
            (None, Some(expression)) => format!("({expression})"),
            (None, None) => "NULL".to_owned(),
        };
        let value = part.prefix.map_or(value.clone(), |n| format!("LEFT({value}, {n})"));
        part.collation.as_ref().map_or(value.clone(), |name| format!("{value} COLLATE {}", quote(name)))
    };
    let values: Vec<String> = key.parts.iter().map(value).collect();
    let names: Vec<String> = (0..values.len()).map(|at| quote(&format!("{INVISIBLE}{at}"))).collect();
    let keys: Vec<String> = table.key.iter().map(|k| quote(k)).collect();
    let (count, all) = (quote(&format!("{INVISIBLE}same")), values.join(", "));
    let inner = keys
        .iter()
        .cloned()
        .chain(values.iter().zip(&names).map(|(value, name)| format!("{value} AS {name}")))
        .chain([format!("COUNT(*) OVER (PARTITION BY {all}) AS {count}")]);
    let known = values.iter().map(|value| format!("{value} IS NOT NULL"));
    let known = joined(known.chain(key.predicate.as_ref().map(|text| format!("({text})"))));
    let answer = table.key.iter().map(|k| shown(&quote(k))).chain(["COUNT(*) OVER ()".to_owned()]);
    format!(
        "SELECT {} FROM (SELECT {} FROM {from} WHERE {known}) d WHERE {count} > 1 ORDER BY {} LIMIT 5",
        answer.collect::<Vec<_>>().join(", "),
        inner.collect::<Vec<_>>().join(", "),
        names.iter().chain(&keys).cloned().collect::<Vec<_>>().join(", "),
    )
}

/// The plan with a column of its table as any text, and the type that the column had.
pub fn as_text(plan: &Plan, column: &str, text: &str, collation: Option<&str>) -> (Plan, String) {
    let mut plan = plan.clone();
    let mut columns = plan.tables.iter_mut().flat_map(|table| &mut table.columns);
    let column = columns.find(|c| c.name == column);
    let native = column.map(|c| {
        c.collation = collation.map(str::to_owned);
        std::mem::replace(&mut c.native_type, text.to_owned())
    });
    let native = native.unwrap_or_default();
    (plan, native)
}

/// The rows of a table for which a condition is true: up to five, each as the table's key (through `shown`) and then the
/// number of all.
pub fn named(
    table: &TablePlan,
    from: &str,
    condition: &str,
    quote: impl Fn(&str) -> String,
    shown: impl Fn(&str) -> String,
) -> String {
    let keys: Vec<String> = table.key.iter().map(|key| quote(key)).collect();
    let answer = keys.iter().map(|key| shown(key)).chain(["COUNT(*) OVER ()".to_owned()]);
    let order = if keys.is_empty() { String::new() } else { format!(" ORDER BY {}", keys.join(", ")) };
    let answer = answer.collect::<Vec<_>>().join(", ");
    format!("SELECT {answer} FROM {from}{}{order} LIMIT 5", where_clause(condition))
}

fn joined(conditions: impl Iterator<Item = String>) -> String {
    conditions.collect::<Vec<_>>().join(" AND ")
}
