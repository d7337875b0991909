//! A dialect's text to terms: parsed by sqlparser, then walked along an allow-list. What is not on the list, or
//! would compare, calculate or convert differently in the other dialect, is `None`.

use sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, DataType as SqlType, Expr, Ident, LimitClause, Query, TrimWhereField,
    UnaryOperator, Value,
};
use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::call::{arguments, function_name, substring};
use super::literal::{array_literal, introduced, literal};
use super::term::{Arithmetic, Asks, Class, Compare, Ends, Node, Term};
use super::{Columns, Comparison, spelling};
use crate::model::endpoint::Dialect;
use crate::model::schema::IndexKey;

/// Most words and operators in one expression, and most levels: real ones have tens. They bound the depth of the
/// parser's tree, which is dropped recursively.
const MOST_TOKENS: usize = 1000;
const MOST_LEVELS: usize = 60;

/// Parses an expression of a dialect.
pub(super) fn parse(source: Dialect, text: &str) -> Option<Expr> {
    // MySQL's information schema prints checks with the quotes of strings escaped: `_utf8mb4\'a\'`.
    parse_once(source, text).or_else(|| {
        (source == Dialect::Mysql && text.contains("\\'"))
            .then(|| parse_once(source, &text.replace("\\'", "'")))?
    })
}

/// A dialect as the parser knows it.
pub(super) fn grammar(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Sqlite => &SQLiteDialect {},
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
    }
}

fn parse_once(source: Dialect, text: &str) -> Option<Expr> {
    let dialect = grammar(source);
    let mut tokens = Tokenizer::new(dialect, text).tokenize().ok()?;
    if source == Dialect::Mysql {
        infix_mod(&mut tokens);
    }
    let flat = |t: &&Token| {
        matches!(t, Token::Whitespace(_) | Token::Comma | Token::Number(..) | Token::SingleQuotedString(_))
    };
    if tokens.iter().filter(|t| !flat(t)).count() > MOST_TOKENS {
        return None;
    }
    let mut parser = Parser::new(dialect).with_tokens(tokens);
    let expr = parser.parse_expr().ok()?;
    (parser.peek_token().token == Token::EOF).then_some(expr)
}

/// MariaDB prints `%` as the word MOD between two operands, which the parser takes for the name of a function.
fn infix_mod(tokens: &mut [Token]) {
    let mut follows_operand = false;
    for token in tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::Word(word)
                if follows_operand
                    && word.quote_style.is_none()
                    && word.value.eq_ignore_ascii_case("mod") =>
            {
                *token = Token::Mod;
            }
            _ => {}
        }
        follows_operand = match token {
            Token::Word(word) => word.quote_style.is_some(),
            Token::Number(..) | Token::RParen => true,
            _ => false,
        };
    }
}

/// The column of a check that says only that it holds JSON, or NULL.
pub(super) fn json_guard(source: Dialect, text: &str, columns: &Columns<'_>) -> Option<String> {
    let reader = Reader::new(source, Dialect::Sqlite, columns);
    let column = |expr: &Expr| match reader.walk(expr, 0)? {
        Node { term: Term::Column(name), class: Class::Json, .. } => Some(name),
        _ => None,
    };
    let valid = |expr: &Expr| match strip(expr) {
        Expr::Function(function) if function_name(&function.name)? == "json_valid" => {
            let [argument] = arguments(function)?.try_into().ok()?;
            column(argument)
        }
        _ => None,
    };
    let expr = parse(source, text)?;
    match strip(&expr) {
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            let ((guard, Expr::IsNull(null)) | (Expr::IsNull(null), guard)) = (strip(left), strip(right))
            else {
                return None;
            };
            valid(guard).filter(|name| column(null).as_ref() == Some(name))
        }
        other => valid(other),
    }
}

/// What stands for `lower` and `upper`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folding {
    /// Nothing: dialects differ.
    No,
    /// Those of the target.
    Own,
    /// Those of the target, over ASCII letters only.
    Ascii,
}

/// Condition and key of `CASE WHEN condition THEN key END`.
pub(super) fn partial_key(source: Dialect, text: &str) -> Option<(String, IndexKey)> {
    let expr = parse(source, text)?;
    let Expr::Case { operand: None, conditions, else_result: None, .. } = strip(&expr) else { return None };
    let [CaseWhen { condition, result }] = conditions.as_slice() else { return None };
    let key = match result {
        Expr::Identifier(column) => IndexKey::Column(column.value.clone()),
        result => {
            spelling::column_of_uuid(result)?;
            IndexKey::Expression(result.to_string())
        }
    };
    Some((strip(condition).to_string(), key))
}

/// A query within an expression, put into the target's words.
pub(super) struct Inner {
    pub(super) text: String,
    /// Columns of its result.
    pub(super) columns: Vec<Node>,
    /// Whether it has one row at most.
    pub(super) single: bool,
    /// Whether it has a LIMIT.
    pub(super) limited: bool,
    /// Terms of the queries around it that it names.
    pub(super) outer: Vec<Term>,
}

/// Puts queries within an expression into the target's words.
pub(super) type Within<'a> = dyn Fn(&Query) -> Option<Inner> + 'a;

/// Finds the column of a name with whatever stands in front of it.
pub(super) type Resolve<'a> = dyn Fn(&[Ident]) -> Option<Node> + 'a;

/// Reads expressions of one dialect for another.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) source: Dialect,
    pub(super) target: Dialect,
    /// What may stand for `lower` and `upper`.
    pub(super) folds: Folding,
    /// Whether aggregates may stand here.
    pub(super) aggregates: bool,
    /// Whether window functions may stand here.
    pub(super) windows: bool,
    /// Whether functions of dates are read: some of them are no functions of a generated column or an index.
    pub(super) dates: bool,
    /// What reads queries, where they may stand.
    pub(super) within: Option<&'a Within<'a>>,
    /// What finds columns where there is more than one table.
    pub(super) resolve: Option<&'a Resolve<'a>>,
    pub(super) columns: &'a Columns<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Dialect, target: Dialect, columns: &'a Columns<'a>) -> Self {
        Self {
            source,
            target,
            folds: Folding::No,
            aggregates: false,
            windows: false,
            dates: false,
            within: None,
            resolve: None,
            columns,
        }
    }

    /// The same with `lower` and `upper` being those of the target, of ASCII letters only.
    pub(super) fn folding_ascii(self) -> Self {
        Self { folds: Folding::Ascii, ..self }
    }

    /// The same with `lower` and `upper` being those of the target.
    pub(super) fn folding(self) -> Self {
        Self { folds: Folding::Own, ..self }
    }

    /// Reads a whole text.
    pub(super) fn read(&self, text: &str) -> Option<Node> {
        self.walk(&parse(self.source, text)?, 0)
    }

    pub(super) fn walk(&self, expr: &Expr, level: usize) -> Option<Node> {
        if level > MOST_LEVELS {
            return None;
        }
        let level = level + 1;
        match expr {
            Expr::Nested(inner) => self.walk(inner, level),
            Expr::Identifier(ident) => self.column(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(parts) => self.column(parts),
            Expr::Value(value) => literal(&value.value),
            Expr::Prefixed { prefix, value } => introduced(&prefix.value, self.walk(value, level)?),
            Expr::TypedString(typed) => {
                let Value::SingleQuotedString(text) = &typed.value.value else { return None };
                let node = Node::new(Term::Text(text.clone()), Class::Quoted);
                self.cast(node, &typed.data_type)
            }
            Expr::Cast { expr, data_type, array: false, .. } => {
                let node = self.walk(expr, level)?;
                match data_type {
                    // The number that its text begins with.
                    SqlType::Date if self.source == Dialect::Sqlite => None,
                    SqlType::Date if !node.is_literal() => self.day(node),
                    _ => self.cast(node, data_type),
                }
            }
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, level),
            Expr::BinaryOp { left, op, right } => self.binary(expr, left, op, right, level),
            Expr::IsNull(inner) => self.is_null(inner, false, level),
            Expr::IsNotNull(inner) => self.is_null(inner, true, level),
            Expr::IsTrue(inner) => self.is_bool(inner, true, false, level),
            Expr::IsNotTrue(inner) => self.is_bool(inner, true, true, level),
            Expr::IsFalse(inner) => self.is_bool(inner, false, false, level),
            Expr::IsNotFalse(inner) => self.is_bool(inner, false, true, level),
            Expr::InList { expr, list, negated } => {
                let list = list.iter().map(|e| self.walk(e, level)).collect::<Option<_>>()?;
                self.in_list(self.walk(expr, level)?, list, *negated)
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                self.in_list(self.walk(left, level)?, self.array(right, level)?, false)
            }
            Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right } => {
                self.in_list(self.walk(left, level)?, self.array(right, level)?, true)
            }
            Expr::Between { expr, negated, low, high } => {
                let (term, low) = self.meet(self.walk(expr, level)?, self.walk(low, level)?, true)?;
                let (term, high) = self.meet(term, self.walk(high, level)?, true)?;
                Some(Node::truth(Term::Between {
                    term: Box::new(term.term),
                    low: Box::new(low.term),
                    high: Box::new(high.term),
                    negated: *negated,
                }))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                self.like(self.walk(expr, level)?, self.walk(pattern, level)?, *negated)
            }
            Expr::Trim { expr, trim_where, trim_what, trim_characters: None } => {
                if let Some(what) = trim_what
                    && self.walk(what, level)?.term != Term::Text(" ".into())
                {
                    return None;
                }
                let ends = match trim_where {
                    None | Some(TrimWhereField::Both) => Ends::Both,
                    Some(TrimWhereField::Leading) => Ends::Left,
                    Some(TrimWhereField::Trailing) => Ends::Right,
                };
                Self::trim(ends, self.walk(expr, level)?)
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let from = substring_from.as_deref().map(|e| self.walk(e, level)).unwrap_or_default();
                let length = match substring_for {
                    Some(length) => Some(self.walk(length, level)?),
                    None => None,
                };
                substring(self.walk(expr, level)?, &from?, length.as_ref())
            }
            Expr::Case { operand: None, conditions, else_result, .. } => {
                self.case(conditions, else_result.as_deref(), level)
            }
            Expr::Function(function) if function.over.is_some() => {
                if self.windows {
                    self.window(function, level)
                } else {
                    None
                }
            }
            Expr::Function(function) => {
                let aggregate = if self.aggregates { self.aggregate(function, level) } else { None };
                let dated = || if self.dates { self.dated(function, level) } else { None };
                aggregate.or_else(dated).or_else(|| self.function(function, level))
            }
            Expr::Extract { field, expr, .. } if self.dates => self.extract(field, expr, level),
            Expr::Subquery(query) => self.value_of(query),
            Expr::Exists { subquery, negated } => self.exists(subquery, *negated),
            Expr::InSubquery { expr, subquery, negated } => {
                self.holds(self.walk(expr, level)?, subquery, *negated)
            }
            _ => None,
        }
    }

    /// The value of a query of one column. SQLite takes the first row where the others refuse a second one.
    fn value_of(&self, query: &Query) -> Option<Node> {
        let inner = self.within?(query)?;
        let [column] = inner.columns.as_slice() else { return None };
        if !inner.single && self.source == Dialect::Sqlite {
            return None;
        }
        let class = column.class.clone();
        let known = !matches!(class, Class::Quoted | Class::Null | Class::Other);
        let term = Term::Query { asks: Asks::Value, text: inner.text, outer: inner.outer };
        known.then(|| Node::new(term, class))
    }

    fn exists(&self, query: &Query, negated: bool) -> Option<Node> {
        // Any row will do: MariaDB adds a LIMIT 1 by itself.
        let none = match &query.limit_clause {
            None => true,
            Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) => {
                limit_by.is_empty() && self.walk(limit, 0)?.term == Term::Number("1".into())
            }
            Some(_) => false,
        };
        if !none {
            return None;
        }
        let any = Query { limit_clause: None, order_by: None, ..query.clone() };
        let inner = self.within?(&any)?;
        let asks = Asks::Exists { negated };
        Some(Node::truth(Term::Query { asks, text: inner.text, outer: inner.outer }))
    }

    /// `IN (SELECT …)`; MySQL takes no LIMIT there.
    fn holds(&self, node: Node, query: &Query, negated: bool) -> Option<Node> {
        let inner = self.within?(query)?;
        let [column] = inner.columns.as_slice() else { return None };
        let node = self.adapt(node, &column.class)?;
        if inner.limited || !self.agree(&node.class, &column.class, false) {
            return None;
        }
        let asks = Asks::Holds { term: Box::new(node.term), negated };
        Some(Node::truth(Term::Query { asks, text: inner.text, outer: inner.outer }))
    }

    fn column(&self, parts: &[Ident]) -> Option<Node> {
        if let Some(found) = self.resolve.and_then(|resolve| resolve(parts)) {
            return Some(found);
        }
        if self.resolve.is_some() && parts.len() > 1 {
            return None;
        }
        let ident = parts.last()?;
        let name = match (ident.quote_style, self.source) {
            (None, Dialect::Postgres) => ident.value.to_lowercase(),
            _ => ident.value.clone(),
        };
        if let Some(facts) = (self.columns)(&name) {
            return Some(Node::of_column(Term::Column(facts.name.clone()), &facts));
        }
        // SQLite takes a name in double quotes that is no column for a string.
        (self.resolve.is_none() && self.source == Dialect::Sqlite && ident.quote_style == Some('"'))
            .then(|| Node::new(Term::Text(ident.value.clone()), Class::Quoted))
    }

    fn unary(&self, op: UnaryOperator, expr: &Expr, level: usize) -> Option<Node> {
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => {
                let node = self.condition(self.walk(expr, level)?)?;
                Some(Node::truth(Term::Not(Box::new(node.term))))
            }
            UnaryOperator::Plus => self.walk(expr, level).filter(|n| n.class.is_number()),
            UnaryOperator::Minus => {
                let node = self.walk(expr, level)?;
                match &node.term {
                    Term::Number(text) if !text.starts_with('-') => Node::number(&format!("-{text}")),
                    _ if self.calculates(&node.class) => {
                        Some(Node::new(Term::Negate(Box::new(node.term)), node.class))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn binary(
        &self,
        whole: &Expr,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        level: usize,
    ) -> Option<Node> {
        let compare = match op {
            BinaryOperator::And | BinaryOperator::Or => return self.connected(whole, op, level),
            BinaryOperator::StringConcat => {
                // On MySQL an OR, unless the session says otherwise.
                if self.source == Dialect::Mysql {
                    return None;
                }
                return Self::concat(vec![self.walk(left, level)?, self.walk(right, level)?]);
            }
            BinaryOperator::PGLikeMatch => {
                return self.like(self.walk(left, level)?, self.walk(right, level)?, false);
            }
            BinaryOperator::PGNotLikeMatch => {
                return self.like(self.walk(left, level)?, self.walk(right, level)?, true);
            }
            BinaryOperator::Plus => return self.arithmetic(Arithmetic::Add, left, right, level),
            BinaryOperator::Minus => return self.arithmetic(Arithmetic::Subtract, left, right, level),
            BinaryOperator::Multiply => return self.arithmetic(Arithmetic::Multiply, left, right, level),
            BinaryOperator::Divide => return self.arithmetic(Arithmetic::Divide, left, right, level),
            BinaryOperator::Modulo => return self.arithmetic(Arithmetic::Remainder, left, right, level),
            BinaryOperator::Eq => Compare::Equal,
            BinaryOperator::NotEq => Compare::NotEqual,
            BinaryOperator::Lt => Compare::Less,
            BinaryOperator::LtEq => Compare::LessEqual,
            BinaryOperator::Gt => Compare::Greater,
            BinaryOperator::GtEq => Compare::GreaterEqual,
            _ => return None,
        };
        let (a, b) = self.meet(self.walk(left, level)?, self.walk(right, level)?, compare.orders())?;
        Some(Node::truth(Term::Compare(compare, Box::new(a.term), Box::new(b.term))))
    }

    /// Whether two terms are equal.
    pub(super) fn equal(&self, a: Node, b: Node) -> Option<Node> {
        let (a, b) = self.meet(a, b, false)?;
        Some(Node::truth(Term::Compare(Compare::Equal, Box::new(a.term), Box::new(b.term))))
    }

    /// A chain of ANDs or ORs, which leans to the left and may be long.
    fn connected(&self, whole: &Expr, op: &BinaryOperator, level: usize) -> Option<Node> {
        let mut terms = Vec::new();
        let mut rest = whole;
        while let Expr::BinaryOp { left, op: this, right } = strip(rest) {
            if this != op {
                break;
            }
            terms.push(self.condition(self.walk(right, level)?)?.term);
            rest = left;
        }
        terms.push(self.condition(self.walk(rest, level)?)?.term);
        terms.reverse();
        Some(Node::truth(if *op == BinaryOperator::And { Term::And(terms) } else { Term::Or(terms) }))
    }

    /// A term where a truth value is asked for. SQLite and MySQL take a number for one, 0 being false.
    pub(super) fn condition(&self, node: Node) -> Option<Node> {
        match node.class {
            Class::Truth => Some(node),
            Class::Integer { .. } if self.source != Dialect::Postgres && !node.is_literal() => {
                let zero = Box::new(Term::Number("0".into()));
                Some(Node::truth(Term::Compare(Compare::NotEqual, Box::new(node.term), zero)))
            }
            _ => None,
        }
    }

    fn is_null(&self, inner: &Expr, negated: bool, level: usize) -> Option<Node> {
        let node = self.walk(inner, level)?;
        Some(Node::truth(Term::IsNull(Box::new(node.term), negated)))
    }

    fn is_bool(&self, inner: &Expr, value: bool, negated: bool, level: usize) -> Option<Node> {
        let node = self.walk(inner, level).filter(|n| n.class == Class::Truth)?;
        Some(Node::truth(Term::IsBool { term: Box::new(node.term), value, negated }))
    }

    fn in_list(&self, node: Node, list: Vec<Node>, negated: bool) -> Option<Node> {
        let mut node = node;
        let mut terms = Vec::with_capacity(list.len());
        for item in list {
            let (kept, item) = self.meet(node, item, false)?;
            node = kept;
            terms.push(item.term);
        }
        if terms.is_empty() {
            return None;
        }
        Some(Node::truth(Term::In { term: Box::new(node.term), list: terms, negated }))
    }

    /// Elements of `ARRAY[…]` or `'{…}'::text[]`.
    fn array(&self, expr: &Expr, level: usize) -> Option<Vec<Node>> {
        match expr {
            Expr::Nested(inner) => self.array(inner, level + 1),
            Expr::Cast { expr, data_type: SqlType::Array(_), .. } => match strip(expr) {
                Expr::Value(value) => match &value.value {
                    Value::SingleQuotedString(text) => array_literal(text),
                    _ => None,
                },
                other => self.array(other, level + 1),
            },
            Expr::Array(Array { elem, .. }) if level < MOST_LEVELS => {
                elem.iter().map(|e| self.walk(e, level + 1)).collect()
            }
            _ => None,
        }
    }

    /// LIKE agrees where case cannot matter: SQLite ignores the case of ASCII letters, MySQL asks the collation.
    /// A backslash escapes on PostgreSQL and MySQL only.
    fn like(&self, node: Node, pattern: Node, negated: bool) -> Option<Node> {
        let Class::Text { comparison, fixed: false } = node.class else { return None };
        let Term::Text(pattern) = pattern.term else { return None };
        let sqlite = self.source == Dialect::Sqlite || self.target == Dialect::Sqlite;
        if pattern.contains('\\') || (sqlite && pattern.bytes().any(|b| b.is_ascii_alphabetic())) {
            return None;
        }
        let cased = pattern.chars().any(char::is_alphabetic);
        if cased && comparison == Comparison::Loose {
            return None;
        }
        Some(Node::truth(Term::Like { term: Box::new(node.term), pattern, negated }))
    }

    fn arithmetic(&self, op: Arithmetic, left: &Expr, right: &Expr, level: usize) -> Option<Node> {
        let (a, b) = (self.walk(left, level)?, self.walk(right, level)?);
        if !self.calculates(&a.class) || !self.calculates(&b.class) {
            return None;
        }
        let mysql = self.source == Dialect::Mysql || self.target == Dialect::Mysql;
        let integer = |n: &Node| matches!(n.class, Class::Integer { .. });
        let unsigned = |n: &Node| matches!(n.class, Class::Integer { unsigned: true });
        match op {
            // MySQL refuses a negative difference of unsigned numbers.
            Arithmetic::Subtract if mysql && (unsigned(&a) || unsigned(&b)) => return None,
            Arithmetic::Divide | Arithmetic::Remainder => {
                let by_constant =
                    matches!(&b.term, Term::Number(n) if !n.trim_start_matches(['-', '0']).is_empty());
                if !integer(&a) || !integer(&b) || !by_constant || (mysql && op == Arithmetic::Divide) {
                    return None;
                }
            }
            _ => {}
        }
        let class = match (&a.class, &b.class) {
            (Class::Integer { unsigned: x }, Class::Integer { unsigned: y }) => {
                Class::Integer { unsigned: *x && *y }
            }
            (Class::Float { .. }, _) | (_, Class::Float { .. }) => Class::Float { single: false },
            _ => Class::Decimal { as_text: false },
        };
        // Decimals are doubles in SQLite; an exact column times one would come out differently.
        if matches!(class, Class::Decimal { .. }) && self.sqlite() {
            return None;
        }
        let widens = matches!(op, Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply)
            && matches!(class, Class::Integer { .. })
            && self.source != Dialect::Postgres
            && self.target == Dialect::Postgres;
        let wide = a.wide || b.wide;
        // PostgreSQL calculates in the wider type of the two, the others in 64 bits.
        let cast = widens && !wide && !(a.is_small() && b.is_small());
        let left = if cast { Term::Wide(Box::new(a.term)) } else { a.term };
        let node = Node::new(Term::Arithmetic(op, Box::new(left), Box::new(b.term)), class);
        Some(Node { wide: wide || cast, ..node })
    }

    /// Whether both dialects calculate alike with values of a class.
    pub(super) fn calculates(&self, class: &Class) -> bool {
        match class {
            Class::Integer { .. } | Class::Float { single: false } => true,
            Class::Decimal { .. } => !self.sqlite(),
            _ => false,
        }
    }

    fn sqlite(&self) -> bool {
        self.source == Dialect::Sqlite || self.target == Dialect::Sqlite
    }

    pub(super) fn concat(nodes: Vec<Node>) -> Option<Node> {
        let mut least = Comparison::Exact;
        // Literals compare as the session has it.
        if nodes.iter().all(|node| node.class == Class::Quoted) {
            least = Comparison::Loose;
        }
        let mut terms = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.class {
                Class::Text { comparison, fixed: false } => least = least.min(comparison),
                Class::Quoted => {}
                _ => return None,
            }
            match node.term {
                Term::Concat(inner) => terms.extend(inner),
                other => terms.push(other),
            }
        }
        Some(Node::new(Term::Concat(terms), Class::Text { comparison: least, fixed: false }))
    }

    pub(super) fn trim(ends: Ends, node: Node) -> Option<Node> {
        matches!(node.class, Class::Text { fixed: false, .. })
            .then(|| Node::new(Term::Trim(ends, Box::new(node.term)), node.class))
    }

    fn case(&self, conditions: &[CaseWhen], otherwise: Option<&Expr>, level: usize) -> Option<Node> {
        let mut branches = Vec::with_capacity(conditions.len());
        let mut results = Vec::with_capacity(conditions.len() + 1);
        for when in conditions {
            branches.push(self.condition(self.walk(&when.condition, level)?)?.term);
            results.push(self.walk(&when.result, level)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.walk(otherwise, level)?);
        }
        let (mut terms, class) = self.unite(results)?;
        let otherwise = if otherwise.is_some() { terms.pop().map(Box::new) } else { None };
        Some(Node::new(Term::Case(branches.into_iter().zip(terms).collect(), otherwise), class))
    }
}

/// An expression without the parentheses around it.
pub(super) fn strip(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}
