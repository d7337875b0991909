//! The order in which tables are made and filled: referenced tables first. Pure and deterministic; cycles and
//! self references are tolerated, because foreign keys are added after the rows or checked at the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::schema::Table;

/// Positions of `tables`, parents before children. Tables that do not depend on each other keep the order of
/// their names; where there is a cycle, the table of it with the fewest unmet parents comes first.
pub fn dependency_order(tables: &[Table]) -> Vec<usize> {
    let by_name: BTreeMap<&str, usize> =
        tables.iter().enumerate().map(|(at, t)| (t.name.as_str(), at)).collect();
    let parents_of = |table: &Table| -> BTreeSet<usize> {
        table.foreign_keys.iter().filter_map(|key| by_name.get(key.references.as_str()).copied()).collect()
    };
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); tables.len()];
    let mut unmet = vec![0; tables.len()];
    for (at, table) in tables.iter().enumerate() {
        for parent in parents_of(table).into_iter().filter(|parent| *parent != at) {
            children[parent].push(at);
            unmet[at] += 1;
        }
    }
    // By unmet parents, then by name.
    let mut waiting: BTreeSet<(usize, &str, usize)> =
        by_name.iter().map(|(name, at)| (unmet[*at], *name, *at)).collect();
    let mut order = Vec::with_capacity(tables.len());
    while let Some((_, _, next)) = waiting.pop_first() {
        for child in &children[next] {
            let name = tables[*child].name.as_str();
            if waiting.remove(&(unmet[*child], name, *child)) {
                unmet[*child] -= 1;
                waiting.insert((unmet[*child], name, *child));
            }
        }
        order.push(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::{Action, Deferrable, ForeignKey, TableOptions};

    fn table(name: &str, parents: &[&str]) -> Table {
        let foreign_keys = parents
            .iter()
            .map(|parent| ForeignKey {
                name: None,
                columns: vec!["a".into()],
                references: (*parent).into(),
                referenced_columns: vec!["id".into()],
                on_delete: Action::NoAction,
                on_update: Action::NoAction,
                deferrable: Deferrable::No,
                match_full: false,
                validated: true,
            })
            .collect();
        Table {
            name: name.into(),
            columns: vec![],
            primary_key: None,
            indexes: vec![],
            foreign_keys,
            checks: vec![],
            comment: None,
            options: TableOptions::default(),
            estimated_rows: None,
            bytes: None,
            origin: None,
        }
    }

    fn ordered(tables: &[Table]) -> Vec<&str> {
        dependency_order(tables).into_iter().map(|at| tables[at].name.as_str()).collect()
    }

    #[test]
    fn parents_come_first() {
        let tables = [table("diagnostics", &["users"]), table("roles", &[]), table("users", &["roles"])];
        assert_eq!(ordered(&tables), ["roles", "users", "diagnostics"]);
    }

    #[test]
    fn independent_tables_keep_the_order_of_their_names() {
        let tables = [table("c", &[]), table("a", &[]), table("b", &[])];
        assert_eq!(ordered(&tables), ["a", "b", "c"]);
    }

    #[test]
    fn cycles_self_references_and_missing_parents_are_tolerated() {
        let tables = [
            table("employee", &["employee", "gone"]),
            table("staff", &["store"]),
            table("store", &["staff", "employee"]),
            table("rental", &["staff", "store"]),
        ];
        assert_eq!(ordered(&tables), ["employee", "staff", "store", "rental"]);
    }
}
