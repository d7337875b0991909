//! One SELECT: where it reads, what it shows, and whether its groups are the same in every dialect.

use std::cell::RefCell;
use std::fmt::Write as _;

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableWithJoins, Value,
    WildcardAdditionalOptions,
};

use super::{
    May, Part, Relation, RelationColumn, Translated, Translator, calculated, comparison, groups_alike,
};
use crate::engine::expression::ColumnFacts;
use crate::engine::expression::read::strip;
use crate::engine::expression::term::{Class, Node, Term};
use crate::model::endpoint::Dialect;

/// A column of the result.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) node: Node,
    /// The column of a relation that it shows as it is.
    shows: Option<RelationColumn>,
}

impl Item {
    /// The same as a column that other queries may name.
    pub(super) fn column(&self) -> Option<RelationColumn> {
        let (data_type, source_type, native_type) = match &self.shows {
            Some(column) => (
                column.facts.as_ref()?.data_type.clone(),
                column.source_type.clone(),
                column.native_type.clone(),
            ),
            None => (calculated(&self.node.class)?, String::new(), String::new()),
        };
        let facts = ColumnFacts { name: self.name.clone(), data_type, comparison: comparison(&self.node) };
        Some(RelationColumn { source: self.name.clone(), source_type, native_type, facts: Some(facts) })
    }

    /// Takes the same column of another SELECT of a UNION ALL in.
    pub(super) fn unite(&mut self, other: Self) -> Option<()> {
        self.node.class = match (&self.node.class, &other.node.class) {
            (Class::Text { comparison: a, fixed: false }, Class::Text { comparison: b, fixed: false }) => {
                Class::Text { comparison: *a.min(b), fixed: false }
            }
            (Class::Text { .. }, Class::Quoted) => self.node.class.clone(),
            (Class::Quoted, Class::Text { .. }) => other.node.class,
            (one, other) if one == other && !matches!(one, Class::Null | Class::Other) => one.clone(),
            _ => return None,
        };
        // Their lengths and precisions may differ.
        if self.shows.as_ref().map(|c| &c.native_type) != other.shows.as_ref().map(|c| &c.native_type) {
            self.shows = None;
        }
        Some(())
    }
}

/// What the names of a SELECT mean.
#[derive(Default)]
pub(super) struct Scope<'a> {
    /// Those of the query around this one.
    around: Option<&'a Scope<'a>>,
    /// Terms of it that were named here.
    pub(super) reached: RefCell<Vec<Term>>,
    /// Queries within one another.
    pub(super) level: usize,

    /// Relations by their alias.
    relations: Vec<(String, Relation)>,
    /// A USING makes one column of two, so that `*` means something else.
    merges: bool,
    /// Keys of the groups, where there are groups.
    groups: Option<Vec<Term>>,
}

impl Scope<'_> {
    /// An expression over the relations.
    pub(super) fn read(&self, translator: &Translator<'_>, expr: &Expr, may: May) -> Option<Node> {
        let nobody = |_: &str| None;
        let resolve = |parts: &[Ident]| self.column(translator, parts);
        let within = |query: &Query| translator.inner(query, self);
        let mut reader = translator.reader(&nobody);
        reader.resolve = Some(&resolve);
        reader.aggregates = may.aggregates;
        reader.windows = may.windows;
        if may.queries {
            reader.within = Some(&within);
        }
        let node = reader.walk(expr, 0)?;
        // An aggregate over columns of the query around is one of that query, or is not, as the dialect has it.
        let foreign = |term: &Term| match term {
            Term::Of(alias, _) => !self.relations.iter().any(|(own, _)| own == alias),
            _ => false,
        };
        let odd =
            |term: &Term| matches!(term, Term::Aggregate { .. } | Term::Window { .. }) && term.any(&foreign);
        (!node.term.any(&odd)).then_some(node)
    }

    /// An expression that is true or not.
    fn condition(&self, translator: &Translator<'_>, expr: &Expr, may: May) -> Option<Term> {
        let node = self.read(translator, expr, may)?;
        let nobody = |_: &str| None;
        Some(translator.reader(&nobody).condition(node)?.term)
    }

    /// The column of a name, which only one relation may have.
    ///
    /// What none has may be of the query around. SQLite and MySQL may take a bare name for a column of the result instead.
    fn column(&self, translator: &Translator<'_>, parts: &[Ident]) -> Option<Node> {
        let found = self.found(translator, parts);
        if let (true, Some(around)) = (found.is_empty(), self.around) {
            if translator.source != Dialect::Postgres && parts.len() == 1 {
                return None;
            }
            let node = around.column(translator, parts)?;
            self.reached.borrow_mut().push(node.term.clone());
            return Some(node);
        }
        let [(column, alias)] = found.as_slice() else { return None };
        let facts = column.facts.as_ref()?;
        Some(Node::of_column(Term::Of((*alias).to_owned(), facts.name.clone()), facts))
    }

    fn find(&self, translator: &Translator<'_>, parts: &[Ident]) -> Option<(&RelationColumn, &str)> {
        match self.found(translator, parts).as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The columns of the relations that have a name.
    fn found(&self, translator: &Translator<'_>, parts: &[Ident]) -> Vec<(&RelationColumn, &str)> {
        let (name, relation) = match parts {
            [name] => (name, None),
            [.., relation, name] => (name, Some(translator.name(relation))),
            [] => return Vec::new(),
        };
        let name = translator.name(name);
        self.relations
            .iter()
            .filter(|(alias, _)| relation.as_ref().is_none_or(|wanted| translator.same(alias, wanted)))
            .filter_map(|(alias, relation)| {
                let column = relation.columns.iter().find(|c| translator.same(&c.source, &name))?;
                Some((column, alias.as_str()))
            })
            .collect()
    }

    /// Whether a relation of this query or of one around it has a name.
    fn has(&self, alias: &str) -> bool {
        self.relations.iter().any(|(other, _)| other.eq_ignore_ascii_case(alias))
            || self.around.is_some_and(|around| around.has(alias))
    }

    /// Whether a term has one value a row of the result: what is grouped, aggregated, or made of those.
    pub(super) fn admits(&self, term: &Term) -> bool {
        self.groups.as_ref().is_none_or(|keys| is_grouped(term, keys))
    }
}

fn is_grouped(term: &Term, keys: &[Term]) -> bool {
    if keys.contains(term) {
        return true;
    }
    match term {
        Term::Column(_) | Term::Of(..) => false,
        Term::Aggregate { .. } => true,
        other => other.children().into_iter().all(|child| is_grouped(child, keys)),
    }
}

fn aggregates(term: &Term) -> bool {
    term.any(&|term| matches!(term, Term::Aggregate { .. }))
}

impl Translator<'_> {
    /// One SELECT, with what its names mean to an ORDER BY.
    pub(super) fn select<'s>(
        &self,
        select: &Select,
        level: usize,
        around: Option<&'s Scope<'s>>,
    ) -> Option<(Translated, Scope<'s>)> {
        if !is_plain(select) {
            return None;
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return None,
        };
        let mut scope = Scope { around, level, ..Scope::default() };
        let mut text = self.from(&select.from, &mut scope, level)?;
        if let Some(expr) = &select.selection {
            let term = scope.condition(self, expr, May::FILTER)?;
            write!(text, " WHERE {}", self.print(&term)?).ok()?;
        }
        let items = self.items(&select.projection, &scope)?;
        let keys = self.group_keys(&select.group_by, &items, &scope)?;
        let having = match &select.having {
            Some(expr) => Some(scope.condition(self, expr, May::GROUPED)?),
            None => None,
        };
        let grouped = !keys.is_empty() || having.is_some() || items.iter().any(|i| aggregates(&i.node.term));
        if grouped {
            scope.groups = Some(keys.clone());
            let terms = items.iter().map(|item| &item.node.term).chain(&having);
            if !terms.into_iter().all(|term| scope.admits(term)) {
                return None;
            }
        }
        if distinct && !items.iter().all(|item| groups_alike(&item.node.class)) {
            return None;
        }
        if !keys.is_empty() {
            let keys = keys.iter().map(|key| self.print(key)).collect::<Option<Vec<_>>>()?;
            write!(text, " GROUP BY {}", keys.join(", ")).ok()?;
        }
        if let Some(having) = having {
            write!(text, " HAVING {}", self.print(&having)?).ok()?;
        }
        let terms = items.iter().map(|item| item.node.term.clone()).collect();
        let selects = vec![Part { terms, distinct, joined: "", rest: text }];
        let translated = Translated {
            items,
            distinct,
            with: String::new(),
            selects,
            end: String::new(),
            limited: false,
            single: grouped && keys.is_empty(),
            outer: Vec::new(),
        };
        Some((translated, scope))
    }

    /// FROM with its joins. A comma is a CROSS JOIN.
    fn from(&self, from: &[TableWithJoins], scope: &mut Scope<'_>, level: usize) -> Option<String> {
        let mut text = String::new();
        for (at, tables) in from.iter().enumerate() {
            // It would keep rows of its right side without those that stand before the comma.
            if at > 0 && has_right_join(tables) {
                return None;
            }
            text.push_str(if at == 0 { " FROM " } else { " CROSS JOIN " });
            self.joined(tables, scope, &mut text, level)?;
        }
        Some(text)
    }

    fn joined(
        &self,
        tables: &TableWithJoins,
        scope: &mut Scope<'_>,
        text: &mut String,
        level: usize,
    ) -> Option<()> {
        // What leans to the left needs no parentheses.
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = &tables.relation {
            self.joined(table_with_joins, scope, text, level + 1)?;
        } else {
            self.table(&tables.relation, scope, text, level)?;
        }
        tables.joins.iter().try_for_each(|join| self.join(join, scope, text, level))
    }

    fn join(&self, join: &Join, scope: &mut Scope<'_>, text: &mut String, level: usize) -> Option<()> {
        let (words, constraint) = match &join.join_operator {
            JoinOperator::Join(on) | JoinOperator::Inner(on) => (" JOIN ", on),
            JoinOperator::CrossJoin(on) => (" CROSS JOIN ", on),
            JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (" LEFT JOIN ", on),
            // SQLite has it since 3.39, and the application may have an older one.
            JoinOperator::Right(on) | JoinOperator::RightOuter(on) if self.target != Dialect::Sqlite => {
                (" RIGHT JOIN ", on)
            }
            _ => return None,
        };
        if join.global {
            return None;
        }
        let before = scope.relations.len();
        let mut right = String::new();
        self.table(&join.relation, scope, &mut right, level)?;
        let condition = match constraint {
            JoinConstraint::On(expr) => Some(scope.condition(self, expr, May::PLAIN)?),
            JoinConstraint::Using(columns) => Some(self.using(columns, scope, before)?),
            JoinConstraint::None if matches!(words, " JOIN " | " CROSS JOIN ") => None,
            JoinConstraint::None | JoinConstraint::Natural => return None,
        };
        // MySQL and SQLite take an ON after CROSS JOIN, PostgreSQL does not; it wants one after JOIN.
        let words = match (words, &condition) {
            (" JOIN " | " CROSS JOIN ", None) => " CROSS JOIN ",
            (" CROSS JOIN ", Some(_)) => " JOIN ",
            (words, _) => words,
        };
        text.push_str(words);
        text.push_str(&right);
        if let Some(condition) = condition {
            write!(text, " ON {}", self.print(&condition)?).ok()?;
        }
        Some(())
    }

    /// USING as the ON that it means.
    fn using(&self, columns: &[ObjectName], scope: &mut Scope<'_>, before: usize) -> Option<Term> {
        scope.merges = true;
        let nobody = |_: &str| None;
        let reader = self.reader(&nobody);
        let (left, right) = scope.relations.split_at(before);
        let side = |relations: &[(String, Relation)], name: &Ident| {
            let side = Scope { relations: relations.to_vec(), ..Scope::default() };
            side.column(self, std::slice::from_ref(name))
        };
        let mut terms = Vec::with_capacity(columns.len());
        for column in columns {
            let [name] = column.0.as_slice() else { return None };
            let name = name.as_ident()?;
            let equal = reader.equal(side(left, name)?, side(right, name)?)?;
            terms.push(equal.term);
        }
        Some(if terms.len() == 1 { terms.pop()? } else { Term::And(terms) })
    }

    fn table(
        &self,
        factor: &TableFactor,
        scope: &mut Scope<'_>,
        text: &mut String,
        level: usize,
    ) -> Option<()> {
        let (relation, alias, written) = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                let relation = self.relation(name)?.clone();
                let alias = self.alias(alias.as_ref())?.unwrap_or_else(|| relation.source.clone());
                let written = self.quote(&relation.name)?;
                (relation, alias, written)
            }
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let alias = self.alias(alias.as_ref())??;
                let named = Translator { common: self.common.clone(), anonymous: false, ..*self };
                let query = named.query(subquery, level + 1, None)?;
                let columns = query.items.iter().map(Item::column).collect::<Option<_>>()?;
                let relation = Relation { source: alias.clone(), name: String::new(), columns };
                (relation, alias, format!("({})", query.text(self)?))
            }
            _ => return None,
        };
        if scope.has(&alias) {
            return None;
        }
        text.push_str(&written);
        if alias != relation.name {
            write!(text, " AS {}", self.quote(&alias)?).ok()?;
        }
        scope.relations.push((alias, relation));
        Some(())
    }

    /// `None` for an alias that renames columns.
    #[allow(clippy::option_option, reason = "no alias, and one that is not understood, are two things")]
    fn alias(&self, alias: Option<&TableAlias>) -> Option<Option<String>> {
        match alias {
            None => Some(None),
            Some(alias) if alias.columns.is_empty() => Some(Some(self.name(&alias.name))),
            Some(_) => None,
        }
    }

    /// The SELECT list, its `*` written out.
    fn items(&self, projection: &[SelectItem], scope: &Scope<'_>) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        for (at, item) in projection.iter().enumerate() {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match strip(expr) {
                        Expr::Identifier(ident) => self.name(ident),
                        Expr::CompoundIdentifier(parts) => self.name(parts.last()?),
                        // SQLite calls it by its text.
                        _ if self.source == Dialect::Sqlite => expr.to_string(),
                        _ => self.anonymous_name(at)?,
                    };
                    items.push(self.item(name, expr, scope)?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(self.item(self.name(alias), expr, scope)?);
                }
                SelectItem::Wildcard(options) if *options == WildcardAdditionalOptions::default() => {
                    for (alias, relation) in &scope.relations {
                        items.extend(all_of(alias, relation, scope)?);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if *options == WildcardAdditionalOptions::default() =>
                {
                    let name = self.name(name.0.last()?.as_ident()?);
                    let (alias, relation) =
                        scope.relations.iter().find(|(alias, _)| self.same(alias, &name))?;
                    items.extend(all_of(alias, relation, scope)?);
                }
                _ => return None,
            }
        }
        (!items.is_empty()).then_some(items)
    }

    fn item(&self, name: String, expr: &Expr, scope: &Scope<'_>) -> Option<Item> {
        let node = scope.read(self, expr, May::SHOWN)?;
        let shows = match (&node.term, strip(expr)) {
            (Term::Of(..), Expr::Identifier(ident)) => scope.find(self, std::slice::from_ref(ident)),
            (Term::Of(..), Expr::CompoundIdentifier(parts)) => scope.find(self, parts),
            _ => None,
        };
        let shows = shows.map(|(column, _)| column.clone());
        (shows.is_some() || calculated(&node.class).is_some()).then_some(Item { name, node, shows })
    }

    /// Keys of GROUP BY: columns of the relations first, else of the result, by name or place.
    fn group_keys(&self, group_by: &GroupByExpr, items: &[Item], scope: &Scope<'_>) -> Option<Vec<Term>> {
        let GroupByExpr::Expressions(exprs, modifiers) = group_by else { return None };
        if !modifiers.is_empty() {
            return None;
        }
        let mut keys = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let shown = match strip(expr) {
                Expr::Value(value) => match &value.value {
                    Value::Number(place, false) => {
                        Some(items.get(place.parse::<usize>().ok()?.checked_sub(1)?)?)
                    }
                    _ => return None,
                },
                Expr::Identifier(ident) if scope.find(self, std::slice::from_ref(ident)).is_none() => {
                    let name = self.name(ident);
                    Some(items.iter().find(|item| self.same(&item.name, &name))?)
                }
                _ => None,
            };
            let node = match shown {
                Some(item) => item.node.clone(),
                None => scope.read(self, expr, May::PLAIN)?,
            };
            let calculated = |term: &Term| {
                matches!(term, Term::Aggregate { .. } | Term::Window { .. } | Term::Query { .. })
            };
            if !groups_alike(&node.class) || node.is_literal() || node.term.any(&calculated) {
                return None;
            }
            keys.push(node.term);
        }
        Some(keys)
    }
}

/// Whether a RIGHT JOIN is in an item of FROM.
fn has_right_join(tables: &TableWithJoins) -> bool {
    let right =
        |join: &Join| matches!(join.join_operator, JoinOperator::Right(_) | JoinOperator::RightOuter(_));
    tables.joins.iter().any(right)
        || matches!(&tables.relation, TableFactor::NestedJoin { table_with_joins, .. }
            if has_right_join(table_with_joins))
}

/// The columns that `*` stands for.
fn all_of(alias: &str, relation: &Relation, scope: &Scope<'_>) -> Option<Vec<Item>> {
    if scope.merges {
        return None;
    }
    let item = |column: &RelationColumn| {
        let facts = column.facts.as_ref()?;
        let node = Node::of_column(Term::Of(alias.to_owned(), facts.name.clone()), facts);
        Some(Item { name: column.source.clone(), node, shows: Some(column.clone()) })
    };
    relation.columns.iter().map(item).collect()
}

/// Whether a SELECT has nothing but what is looked at.
fn is_plain(select: &Select) -> bool {
    select.optimizer_hints.is_empty()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.named_window.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
}
