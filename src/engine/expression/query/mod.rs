//! Whole queries, as views hold them, put into another dialect's words: SELECT lists, joins, conditions, groups,
//! aggregates, window functions, subqueries, WITH, UNION, ORDER BY and LIMIT. Expressions are those of `read`; what is not
//! known to give the same rows is `None`, and so is whatever a dialect's parser knows and this file does not name.

mod select;
mod within;

use std::fmt::Write as _;

use sqlparser::ast::{
    CreateTableOptions, Expr, Ident, LimitClause, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query,
    SetExpr, SetOperator, SetQuantifier, Statement, Value,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

use self::select::{Item, Scope};
use super::print::{nulls_first, print, sort};
use super::read::{Reader, grammar, strip};
use super::term::{Class, DOUBLE_DIGITS, Node, Sort, Term};
use super::{ColumnFacts, Comparison};
use crate::model::endpoint::Dialect;
use crate::model::schema::DataType;

/// Most `!` in a view; real ones have a few.
const MOST_NEGATIONS: usize = 100;

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
    let mut tokens = Tokenizer::new(grammar(source), definition).tokenize().ok()?;
    if source == Dialect::Mysql {
        spell_out_not(&mut tokens);
    }
    let statements = Parser::new(grammar(source)).with_tokens(tokens).parse_statements().ok()?;
    let [Statement::CreateView(view)] = statements.as_slice() else { return None };
    let plain = !view.materialized && !view.temporary && view.options == CreateTableOptions::None;
    if !plain {
        return None;
    }
    let translator = Translator { source, target, relations, common: Vec::new(), anonymous: false };
    let mut query = translator.query(&view.query, 0, None)?;
    if !view.columns.is_empty() {
        // SQLite: CREATE VIEW name (columns).
        query.rename(view.columns.iter().map(|c| translator.name(&c.name)))?;
    }
    if !query.has_distinct_names() {
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
    /// Common table expressions that may be read here.
    common: Vec<Relation>,
    /// Whether nobody can ask for the columns of a query by their names.
    anonymous: bool,
}

/// A query in the target's words, its SELECT list still open for other names.
struct Translated {
    items: Vec<Item>,
    distinct: bool,
    /// WITH.
    with: String,
    /// One, or those that UNION joins.
    selects: Vec<Part>,
    /// ORDER BY and LIMIT.
    end: String,
    limited: bool,
    /// Whether it gives one row at most.
    single: bool,
    /// Terms of the queries around it that it names.
    outer: Vec<Term>,
}

/// One SELECT, without the names of its list.
struct Part {
    terms: Vec<Term>,
    distinct: bool,
    /// What joins it to the one before it.
    joined: &'static str,
    /// From FROM on.
    rest: String,
}

impl Translated {
    fn text(&self, translator: &Translator<'_>) -> Option<String> {
        let mut selects = self.with.clone();
        for Part { terms, distinct, joined, rest } in &self.selects {
            let mut list = Vec::with_capacity(terms.len());
            for (term, item) in terms.iter().zip(&self.items) {
                list.push(format!("{} AS {}", translator.print(term)?, translator.quote(&item.name)?));
            }
            let distinct = if *distinct { "DISTINCT " } else { "" };
            write!(selects, "{joined}SELECT {distinct}{}{rest}", list.join(", ")).ok()?;
        }
        Some(selects + &self.end)
    }

    /// Gives its columns other names.
    fn rename(&mut self, names: impl ExactSizeIterator<Item = String>) -> Option<()> {
        if names.len() != self.items.len() || self.is_union() {
            return None;
        }
        self.items.iter_mut().zip(names).for_each(|(item, name)| item.name = name);
        Some(())
    }

    fn is_union(&self) -> bool {
        self.selects.len() > 1
    }

    fn has_distinct_names(&self) -> bool {
        let distinct = |at: usize| {
            self.items[..at].iter().all(|other| !other.name.eq_ignore_ascii_case(&self.items[at].name))
        };
        (0..self.items.len()).all(distinct)
    }
}

impl Translator<'_> {
    /// A query and everything in it; `around` are the names of the query around it that it may reach for.
    fn query(&self, query: &Query, level: usize, around: Option<&Scope<'_>>) -> Option<Translated> {
        if let Some(with) = &query.with {
            let (with, knows) = self.with(with, level)?;
            let rest = Query { with: None, ..query.clone() };
            let translated = knows.query(&rest, level, around)?;
            // One within another one would stand in the middle of a UNION.
            return translated.with.is_empty().then_some(Translated { with, ..translated });
        }
        let Query {
            with: _,
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
            SetExpr::Select(select) => self.select(select, level, around)?,
            SetExpr::SetOperation { .. } => {
                let union = self.union(body, level, around)?;
                if union.distinct && !union.items.iter().all(|item| groups_alike(&item.node.class)) {
                    return None;
                }
                (union, Scope::default())
            }
            SetExpr::Query(inner) if order_by.is_none() && limit_clause.is_none() => {
                return self.query(inner, level + 1, around);
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
            let text = limit_text(limit)?;
            translated.single |= text == " LIMIT 1";
            translated.limited = true;
            translated.end.push_str(&text);
        }
        translated.outer.append(&mut scope.reached.take());
        Some(translated)
    }

    /// SELECTs joined by UNION and UNION ALL, which lean to the left; after a UNION, what came before is distinct.
    fn union(&self, body: &SetExpr, level: usize, around: Option<&Scope<'_>>) -> Option<Translated> {
        match body {
            SetExpr::Select(select) => {
                let (mut translated, scope) = self.select(select, level, around)?;
                translated.outer.append(&mut scope.reached.take());
                Some(Translated { distinct: false, ..translated })
            }
            // In parentheses, as PostgreSQL prints them.
            SetExpr::Query(query) if is_bare(query) && level <= 4 * MOST_LEVELS => {
                self.union(&query.body, level + 1, around)
            }
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right }
                if level <= 4 * MOST_LEVELS =>
            {
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    _ => return None,
                };
                let mut left = self.union(left, level + 1, around)?;
                let mut right = self.union(right, level + 1, around)?;
                if left.items.len() != right.items.len() || right.is_union() {
                    return None;
                }
                for (item, other) in left.items.iter_mut().zip(right.items) {
                    item.unite(other)?;
                }
                for part in &mut right.selects {
                    part.joined = if all { " UNION ALL " } else { " UNION " };
                }
                left.selects.extend(right.selects);
                left.outer.append(&mut right.outer);
                left.distinct |= !all;
                left.single = false;
                Some(left)
            }
            _ => None,
        }
    }

    /// ORDER BY, and whether it orders alike in both dialects.
    fn order_by(&self, order_by: &OrderBy, query: &Translated, scope: &Scope<'_>) -> Option<(String, bool)> {
        let OrderBy { kind: OrderByKind::Expressions(keys), interpolate: None } = order_by else {
            return None;
        };
        let mut printed = Vec::with_capacity(keys.len());
        let mut exact = true;
        for key in keys {
            if key.with_fill.is_some() {
                return None;
            }
            let (term, class) = self.order_key(&key.expr, query, scope)?;
            exact &= orders_alike(&class);
            let ascending = key.options.asc.unwrap_or(true);
            let first = key.options.nulls_first.unwrap_or_else(|| nulls_first(self.source, ascending));
            let two_keys = self.target == Dialect::Mysql && first != nulls_first(self.target, ascending);
            if two_keys && (query.is_union() || query.distinct) {
                return None;
            }
            printed.push(sort(&Sort { term, descending: !ascending, nulls_first: first }, self.target)?);
        }
        Some((format!(" ORDER BY {}", printed.join(", ")), exact))
    }

    /// One key: a column of the result by name or place, else an expression.
    fn order_key(&self, expr: &Expr, query: &Translated, scope: &Scope<'_>) -> Option<(Term, Class)> {
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
            // A constant would be taken for the place of a column.
            if item.node.is_literal() && !query.is_union() {
                return None;
            }
            let term =
                if query.is_union() { Term::Column(item.name.clone()) } else { item.node.term.clone() };
            return Some((term, item.node.class.clone()));
        }
        if query.is_union() {
            return None;
        }
        let node = scope.read(self, expr, May::GROUPED)?;
        let shown = query.items.iter().any(|item| item.node.term == node.term);
        if node.is_literal() || (query.distinct && !shown) || !scope.admits(&node.term) {
            return None;
        }
        Some((node.term, node.class))
    }

    fn print(&self, term: &Term) -> Option<String> {
        print(term, self.target)
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

    /// The relation of a name. What stands in front of it is another database or schema: MySQL and PostgreSQL leave their
    /// own away; only SQLite's may be named, `main`.
    fn relation(&self, name: &ObjectName) -> Option<&Relation> {
        let (last, before) = name.0.split_last()?;
        let is_main = |part: &ObjectNamePart| {
            part.as_ident().is_some_and(|ident| ident.value.eq_ignore_ascii_case("main"))
        };
        if !before.iter().all(|part| self.source == Dialect::Sqlite && is_main(part)) {
            return None;
        }
        let name = self.name(last.as_ident()?);
        self.common.iter().chain(self.relations).find(|r| self.same(&r.source, &name))
    }

    fn reader<'r>(&self, nobody: &'r super::Columns<'r>) -> Reader<'r> {
        let mut reader = Reader { dates: true, ..Reader::new(self.source, self.target, nobody) };
        if self.source == Dialect::Sqlite && self.target == Dialect::Postgres {
            reader = reader.folding_ascii();
        }
        reader
    }
}

/// Writes `!x` as `(NOT x)`: so MariaDB prints it, binding it more closely than NOT, and the parser knows it of other
/// dialects only. What is left as it is cannot be parsed.
fn spell_out_not(tokens: &mut Vec<Token>) {
    let marks: Vec<usize> = (0..tokens.len()).filter(|at| tokens[*at] == Token::ExclamationMark).collect();
    if marks.len() > MOST_NEGATIONS {
        return;
    }
    // From the last to the first, so that those within another one's operand are written already.
    for at in marks.into_iter().rev() {
        if let Some(end) = operand_end(tokens, at + 1) {
            tokens.insert(end, Token::RParen);
            let not = [Token::LParen, Token::make_keyword("NOT"), Token::Whitespace(Whitespace::Space)];
            tokens.splice(at..=at, not);
        }
    }
}

/// Where an operand ends: a name, a call, or what stands in parentheses.
fn operand_end(tokens: &[Token], from: usize) -> Option<usize> {
    let mut at = from;
    while matches!(tokens.get(at), Some(Token::Word(_) | Token::Period)) {
        at += 1;
    }
    if tokens.get(at) != Some(&Token::LParen) {
        return (at > from).then_some(at);
    }
    let mut open = 0_usize;
    loop {
        match tokens.get(at)? {
            Token::LParen => open += 1,
            Token::RParen => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some(at);
        }
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

/// Whether a query has nothing but its body.
fn is_bare(query: &Query) -> bool {
    matches!(
        query,
        Query {
            with: None,
            body: _,
            order_by: None,
            limit_clause: None,
            fetch: None,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } if locks.is_empty() && pipe_operators.is_empty()
    )
}

/// What may stand in an expression, by its place in a query.
#[derive(Debug, Clone, Copy)]
struct May {
    aggregates: bool,
    windows: bool,
    queries: bool,
}

impl May {
    /// ON and GROUP BY.
    const PLAIN: Self = Self { aggregates: false, windows: false, queries: false };
    /// WHERE.
    const FILTER: Self = Self { queries: true, ..Self::PLAIN };
    /// HAVING and ORDER BY.
    const GROUPED: Self = Self { aggregates: true, ..Self::FILTER };
    /// A SELECT list.
    const SHOWN: Self = Self { windows: true, ..Self::GROUPED };
}

/// Whether values of a class stand in the same order in all dialects.
pub(super) fn orders_alike(class: &Class) -> bool {
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
pub(super) fn groups_alike(class: &Class) -> bool {
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
        // A literal compares as the session has it.
        Class::Quoted => Comparison::Loose,
        _ => Comparison::Exact,
    }
}

#[cfg(test)]
mod tests;
