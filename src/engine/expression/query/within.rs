//! Queries that stand before or within another one: common table expressions, and subqueries of expressions.

use sqlparser::ast::{Cte, Query, With};

use super::select::Scope;
use super::{Item, MOST_LEVELS, Relation, Translator};
use crate::engine::expression::read::Inner;
use crate::model::endpoint::Dialect;

impl<'a> Translator<'a> {
    /// The expressions of a WITH, one after the other: what makes them, and the translator that knows them all.
    pub(super) fn with(&self, with: &With, level: usize) -> Option<(String, Translator<'a>)> {
        if with.recursive {
            return None;
        }
        let mut knows = Translator { common: self.common.clone(), anonymous: false, ..*self };
        let mut made = Vec::with_capacity(with.cte_tables.len());
        for cte in &with.cte_tables {
            let (relation, text) = knows.common_table(cte, level)?;
            made.push(text);
            knows.common.push(relation);
        }
        knows.anonymous = self.anonymous;
        Some((format!("WITH {} ", made.join(", ")), knows))
    }

    fn common_table(&self, cte: &Cte, level: usize) -> Option<(Relation, String)> {
        // PostgreSQL's MATERIALIZED decides when it is run, which no row shows.
        let Cte { alias, query, from: None, materialized: _, closing_paren_token: _ } = cte else {
            return None;
        };
        let name = self.name(&alias.name);
        // It would hide a table, on one side at least.
        let taken = |r: &Relation| r.source.eq_ignore_ascii_case(&name) || r.name.eq_ignore_ascii_case(&name);
        if self.relations.iter().chain(&self.common).any(taken) {
            return None;
        }
        let mut query = self.query(query, level + 1, None)?;
        if !alias.columns.is_empty() {
            let names = alias.columns.iter().map(|column| self.name(&column.name));
            query.rename(names)?;
        }
        query.has_distinct_names().then_some(())?;
        let columns = query.items.iter().map(Item::column).collect::<Option<_>>()?;
        let text = format!("{} AS ({})", self.quote(&name)?, query.text(self)?);
        Some((Relation { source: name.clone(), name, columns }, text))
    }

    /// A query within an expression of `around`.
    pub(super) fn inner(&self, query: &Query, around: &Scope<'_>) -> Option<Inner> {
        if around.level >= MOST_LEVELS {
            return None;
        }
        let anonymous = Translator { common: self.common.clone(), anonymous: true, ..*self };
        let query = anonymous.query(query, around.level + 1, Some(around))?;
        Some(Inner {
            text: query.text(&anonymous)?,
            columns: query.items.iter().map(|item| item.node.clone()).collect(),
            single: query.single,
            limited: query.limited,
            outer: query.outer,
        })
    }

    /// A name for a column that has none, where nobody can ask for it.
    pub(super) fn anonymous_name(&self, at: usize) -> Option<String> {
        (self.anonymous && self.source != Dialect::Sqlite).then(|| format!("c{}", at + 1))
    }
}
