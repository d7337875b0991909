//! Whole queries, as views hold them, put into another dialect's words: SELECT lists, joins, conditions, groups,
//! aggregates, UNION ALL, ORDER BY and LIMIT. Expressions are those of `read`; what is not known to give the same rows is
//! `None`, and so is whatever a dialect's parser knows and this file does not name.

mod select;

use sqlparser::ast::{
    CreateTableOptions, Expr, Ident, LimitClause, ObjectName, OrderBy, OrderByKind, Query, SetExpr,
    SetOperator, SetQuantifier, Statement, Value,
};
use sqlparser::parser::Parser;

use self::select::Item;
use super::print::print;
use super::read::{Reader, grammar, strip};
use super::term::{Class, DOUBLE_DIGITS, Node, Term};
use super::{ColumnFacts, Comparison};
use crate::model::endpoint::Dialect;
use crate::model::schema::DataType;

/// Longest text of a view that is looked at, and most queries within one another.
const MOST_BYTES: usize = 64 * 1024;
const MOST_LEVELS: usize = 8;

/// A table or view that a query may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Name in the source.
    pub source: String,
    /// Name in the target.
    pub name: String,
    /// Columns in the source's order.
    pub columns: Vec<RelationColumn>,
}

/// A column of a [`Relation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationColumn {
    /// Name in the source.
    pub source: String,
    /// Type in the source.
    pub source_type: String,
    /// Type in the target.
    pub native_type: String,
    /// What it is in the target; `None` for a column that no query may name.
    pub facts: Option<ColumnFacts>,
}

/// A view in the target's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedView {
    /// Its query.
    pub query: String,
    /// Its columns, as those of a relation that other views may read.
    pub columns: Vec<RelationColumn>,
}

/// The view that `definition`, a CREATE VIEW of `source`, makes over these relations, in the words of `target`. `None`
/// wherever it might give other rows.
pub fn view(
    source: Dialect,
    definition: &str,
    target: Dialect,
    relations: &[Relation],
) -> Option<TranslatedView> {
    if definition.len() > MOST_BYTES {
        return None;
    }
    let statements = Parser::parse_sql(grammar(source), definition).ok()?;
    let [Statement::CreateView(view)] = statements.as_slice() else { return None };
    let plain = !view.materialized && !view.temporary && view.options == CreateTableOptions::None;
    if !plain {
        return None;
    }
    let translator = Translator { source, target, relations };
    let mut query = translator.query(&view.query, 0)?;
    if !view.columns.is_empty() {
        // SQLite: CREATE VIEW name (columns).
        if view.columns.len() != query.items.len() || query.is_union {
            return None;
        }
        let names = view.columns.iter().map(|c| translator.name(&c.name));
        query.items.iter_mut().zip(names).for_each(|(item, name)| item.name = name);
    }
    let distinct = |at: usize| {
        query.items[..at].iter().all(|other| !other.name.eq_ignore_ascii_case(&query.items[at].name))
    };
    if !(0..query.items.len()).all(distinct) {
        return None;
    }
    let text = query.text(&translator)?;
    Some(TranslatedView {
        query: text,
        columns: query.items.iter().map(Item::column).collect::<Option<_>>()?,
    })
}

/// Reads queries of one dialect for another.
struct Translator<'a> {
    source: Dialect,
    target: Dialect,
    relations: &'a [Relation],
}

/// A query in the target's words, its SELECT list still open for other names.
struct Translated {
    items: Vec<Item>,
    distinct: bool,
    /// One, or those that UNION ALL joins.
    selects: Vec<Part>,
    is_union: bool,
    /// ORDER BY and LIMIT.
    end: String,
}

/// One SELECT, without the names of its list.
struct Part {
    terms: Vec<Term>,
    distinct: bool,
    /// From FROM on.
    rest: String,
}

impl Translated {
    fn text(&self, translator: &Translator<'_>) -> Option<String> {
        let mut selects = Vec::with_capacity(self.selects.len());
        for Part { terms, distinct, rest } in &self.selects {
            let mut list = Vec::with_capacity(terms.len());
            for (term, item) in terms.iter().zip(&self.items) {
                list.push(format!("{} AS {}", translator.print(term)?, translator.quote(&item.name)?));
            }
            let distinct = if *distinct { "DISTINCT " } else { "" };
            selects.push(format!("SELECT {distinct}{}{rest}", list.join(", ")));
        }
        Some(format!("{}{}", selects.join(" UNION ALL "), self.end))
    }
}

impl Translator<'_> {
    /// A query and everything in it.
    fn query(&self, query: &Query, level: usize) -> Option<Translated> {
        let Query {
            with: None,
            body,
            order_by,
            limit_clause,
            fetch: None,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            return None;
        };
        if level > MOST_LEVELS || !locks.is_empty() || !pipe_operators.is_empty() {
            return None;
        }
        let (mut translated, scope) = match &**body {
            SetExpr::Select(select) => self.select(select, level)?,
            SetExpr::SetOperation { .. } => (self.union(body, level)?, select::Scope::default()),
            SetExpr::Query(inner) if order_by.is_none() && limit_clause.is_none() => {
                return self.query(inner, level + 1);
            }
            _ => return None,
        };
        let mut ordered = None;
        if let Some(order_by) = order_by {
            let (text, exact) = self.order_by(order_by, &translated, &scope)?;
            translated.end.push_str(&text);
            ordered = Some(exact);
        }
        if let Some(limit) = limit_clause {
            // Which rows are the first must not be chance, nor a matter of collations.
            if ordered != Some(true) {
                return None;
            }
            translated.end.push_str(&limit_text(limit)?);
        }
        Some(translated)
    }

    /// SELECTs joined by UNION ALL.
    fn union(&self, body: &SetExpr, level: usize) -> Option<Translated> {
        match body {
            SetExpr::Select(select) => Some(self.select(select, level)?.0),
            SetExpr::SetOperation {
                left,
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                right,
            } if level <= 4 * MOST_LEVELS => {
                let mut left = self.union(left, level + 1)?;
                let right = self.union(right, level + 1)?;
                if left.items.len() != right.items.len() || right.is_union {
                    return None;
                }
                for (item, other) in left.items.iter_mut().zip(right.items) {
                    item.unite(other)?;
                }
                left.selects.extend(right.selects);
                left.is_union = true;
                Some(left)
            }
            _ => None,
        }
    }

    /// ORDER BY, and whether it orders alike in both dialects.
    fn order_by(
        &self,
        order_by: &OrderBy,
        query: &Translated,
        scope: &select::Scope,
    ) -> Option<(String, bool)> {
        let OrderBy { kind: OrderByKind::Expressions(keys), interpolate: None } = order_by else {
            return None;
        };
        let mut printed = Vec::with_capacity(keys.len());
        let mut exact = true;
        for key in keys {
            if key.with_fill.is_some() {
                return None;
            }
            let (text, class) = self.order_key(&key.expr, query, scope)?;
            exact &= orders_alike(&class);
            let ascending = key.options.asc.unwrap_or(true);
            let first = key.options.nulls_first.unwrap_or_else(|| nulls_first(self.source, ascending));
            let direction = if ascending { "" } else { " DESC" };
            if first == nulls_first(self.target, ascending) {
                printed.push(format!("{text}{direction}"));
            } else if self.target != Dialect::Mysql {
                printed.push(format!("{text}{direction} NULLS {}", if first { "FIRST" } else { "LAST" }));
            } else if query.is_union || query.distinct {
                return None;
            } else {
                let no = if first { " NOT" } else { "" };
                printed.push(format!("{text} IS{no} NULL, {text}{direction}"));
            }
        }
        Some((format!(" ORDER BY {}", printed.join(", ")), exact))
    }

    /// One key: a column of the result by name or place, else an expression.
    fn order_key(&self, expr: &Expr, query: &Translated, scope: &select::Scope) -> Option<(String, Class)> {
        let by_name = match strip(expr) {
            Expr::Identifier(ident) => {
                let name = self.name(ident);
                query.items.iter().find(|item| self.same(&item.name, &name))
            }
            Expr::Value(value) => match &value.value {
                Value::Number(place, false) => query.items.get(place.parse::<usize>().ok()?.checked_sub(1)?),
                _ => return None,
            },
            _ => None,
        };
        if let Some(item) = by_name {
            let text = if query.is_union { self.quote(&item.name)? } else { self.operand(&item.node.term)? };
            return Some((text, item.node.class.clone()));
        }
        if query.is_union {
            return None;
        }
        let node = scope.read(self, expr, true)?;
        let shown = query.items.iter().any(|item| item.node.term == node.term);
        if (query.distinct && !shown) || !scope.admits(&node.term) {
            return None;
        }
        Some((self.operand(&node.term)?, node.class))
    }

    fn print(&self, term: &Term) -> Option<String> {
        print(term, self.target)
    }

    /// A term that something may follow.
    fn operand(&self, term: &Term) -> Option<String> {
        let text = self.print(term)?;
        Some(if matches!(term, Term::Of(..)) { text } else { format!("({text})") })
    }

    fn quote(&self, name: &str) -> Option<String> {
        self.print(&Term::Column(name.to_owned()))
    }

    /// A name as the source takes it.
    fn name(&self, ident: &Ident) -> String {
        match (self.source, ident.quote_style) {
            (Dialect::Postgres, None) => ident.value.to_lowercase(),
            _ => ident.value.clone(),
        }
    }

    /// Whether two names are one in the source.
    fn same(&self, one: &str, other: &str) -> bool {
        if self.source == Dialect::Postgres { one == other } else { one.eq_ignore_ascii_case(other) }
    }

    /// The relation of a name; that of a schema may stand in front.
    fn relation(&self, name: &ObjectName) -> Option<&Relation> {
        let last = name.0.last()?.as_ident()?;
        let name = self.name(last);
        self.relations.iter().find(|r| self.same(&r.source, &name))
    }

    fn reader<'r>(&self, nobody: &'r super::Columns<'r>) -> Reader<'r> {
        let mut reader = Reader::new(self.source, self.target, nobody);
        if self.source == Dialect::Sqlite && self.target == Dialect::Postgres {
            reader = reader.folding_ascii();
        }
        reader
    }
}

/// `LIMIT` and `OFFSET` of whole numbers.
fn limit_text(limit: &LimitClause) -> Option<String> {
    let number = |expr: &Expr| match strip(expr) {
        Expr::Value(value) => match &value.value {
            Value::Number(text, false) => text.parse::<u32>().ok(),
            _ => None,
        },
        _ => None,
    };
    let (limit, offset) = match limit {
        LimitClause::LimitOffset { limit: Some(limit), offset, limit_by } if limit_by.is_empty() => {
            (limit, offset.as_ref().map(|o| &o.value))
        }
        LimitClause::OffsetCommaLimit { offset, limit } => (limit, Some(offset)),
        LimitClause::LimitOffset { .. } => return None,
    };
    let offset = match offset {
        Some(offset) => format!(" OFFSET {}", number(offset)?),
        None => String::new(),
    };
    Some(format!(" LIMIT {}{offset}", number(limit)?))
}

/// Where NULLs stand by default: PostgreSQL takes them for the greatest, the others for the least.
fn nulls_first(dialect: Dialect, ascending: bool) -> bool {
    ascending != (dialect == Dialect::Postgres)
}

/// Whether values of a class stand in the same order in all dialects.
fn orders_alike(class: &Class) -> bool {
    match class {
        Class::Text { comparison, fixed } => *comparison == Comparison::Exact && !fixed,
        Class::Decimal { as_text } => !as_text,
        class => {
            class.is_number()
                || matches!(class, Class::Truth | Class::Date | Class::DateTime | Class::Timestamp)
        }
    }
}

/// Whether values of a class are equal in the same cases in all dialects, as DISTINCT and GROUP BY ask.
fn groups_alike(class: &Class) -> bool {
    match class {
        Class::Text { comparison, fixed } => *comparison >= Comparison::Equality && !fixed,
        Class::Enum { comparison, .. } => *comparison >= Comparison::Equality,
        class => orders_alike(class),
    }
}

/// What values that were calculated are read as.
fn calculated(class: &Class) -> Option<DataType> {
    Some(match class {
        Class::Truth => DataType::Bool,
        Class::Integer { unsigned } => DataType::Int { bits: 64, unsigned: *unsigned },
        Class::Decimal { as_text: true } => DataType::Decimal { precision: None, scale: None },
        // A number in every dialect: one of more digits would be taken for the text that SQLite keeps.
        Class::Decimal { as_text: false } => {
            DataType::Decimal { precision: Some(DOUBLE_DIGITS), scale: None }
        }
        Class::Float { .. } => DataType::Float64,
        Class::Text { .. } | Class::Quoted | Class::Enum { .. } => DataType::TEXT,
        Class::Bytes => DataType::BYTES,
        Class::Date => DataType::Date,
        Class::DateTime => DataType::DateTime { precision: 6 },
        Class::Timestamp => DataType::Timestamp { precision: 6 },
        Class::Json | Class::Null | Class::Other => return None,
    })
}

/// The least comparison of two.
fn comparison(node: &Node) -> Comparison {
    match &node.class {
        Class::Text { comparison, .. } | Class::Enum { comparison, .. } => *comparison,
        _ => Comparison::Exact,
    }
}

#[cfg(test)]
mod tests;
