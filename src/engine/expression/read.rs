//! A dialect's text to terms: parsed by sqlparser, then walked along an allow-list. What is not on the list, or
//! would compare, calculate or convert differently in the other dialect, is `None`.

use sqlparser::ast::{
    Array, BinaryOperator, CaseWhen, DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, TrimWhereField, UnaryOperator, Value,
};
use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::term::{Arithmetic, Class, Compare, Ends, Node, Term};
use super::{Columns, Comparison};
use crate::model::endpoint::Dialect;
use crate::model::value::{format_datetime, parse_date, parse_datetime};

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

fn parse_once(source: Dialect, text: &str) -> Option<Expr> {
    let dialect: &dyn sqlparser::dialect::Dialect = match source {
        Dialect::Sqlite => &SQLiteDialect {},
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
    };
    let tokens = Tokenizer::new(dialect, text).tokenize().ok()?;
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

/// The column of a check that says only that it holds JSON, or NULL.
pub(super) fn json_guard(source: Dialect, text: &str, columns: &Columns<'_>) -> Option<String> {
    let reader = Reader::new(source, Dialect::Sqlite, columns);
    let column = |expr: &Expr| match reader.walk(expr, 0)? {
        Node { term: Term::Column(name), class: Class::Json } => Some(name),
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
            let (test, null) = match (strip(left), strip(right)) {
                (test, Expr::IsNull(null)) | (Expr::IsNull(null), test) => (test, null),
                _ => return None,
            };
            valid(test).filter(|name| column(null).as_ref() == Some(name))
        }
        other => valid(other),
    }
}

/// Reads expressions of one dialect for another.
pub(super) struct Reader<'a> {
    pub(super) source: Dialect,
    pub(super) target: Dialect,
    columns: &'a Columns<'a>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: Dialect, target: Dialect, columns: &'a Columns<'a>) -> Self {
        Self { source, target, columns }
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
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => self.column(parts.last()?),
            Expr::Value(value) => literal(&value.value),
            Expr::Prefixed { prefix, value } => introduced(&prefix.value, self.walk(value, level)?),
            Expr::TypedString(typed) => {
                let Value::SingleQuotedString(text) = &typed.value.value else { return None };
                let node = Node::new(Term::Text(text.clone()), Class::Quoted);
                self.cast(node, &typed.data_type)
            }
            Expr::Cast { expr, data_type, array: false, .. } => {
                let node = self.walk(expr, level)?;
                self.cast(node, data_type)
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
                self.trim(ends, self.walk(expr, level)?)
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
            Expr::Function(function) => self.function(function, level),
            _ => None,
        }
    }

    fn column(&self, ident: &Ident) -> Option<Node> {
        let name = match (ident.quote_style, self.source) {
            (None, Dialect::Postgres) => ident.value.to_lowercase(),
            _ => ident.value.clone(),
        };
        if let Some(facts) = (self.columns)(&name) {
            let class = Class::of(&facts.data_type, facts.comparison);
            return Some(Node::new(Term::Column(facts.name), class));
        }
        // SQLite takes a name in double quotes that is no column for a string.
        (self.source == Dialect::Sqlite && ident.quote_style == Some('"'))
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
                return self.concat(vec![self.walk(left, level)?, self.walk(right, level)?]);
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
                    matches!(&b.term, Term::Number(n) if n.trim_start_matches(['-', '0']) != "");
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
        Some(Node::new(Term::Arithmetic(op, Box::new(a.term), Box::new(b.term)), class))
    }

    /// Whether both dialects calculate alike with values of a class.
    fn calculates(&self, class: &Class) -> bool {
        match class {
            Class::Integer { .. } | Class::Float { single: false } => true,
            Class::Decimal { .. } => !self.sqlite(),
            _ => false,
        }
    }

    fn sqlite(&self) -> bool {
        self.source == Dialect::Sqlite || self.target == Dialect::Sqlite
    }

    fn concat(&self, nodes: Vec<Node>) -> Option<Node> {
        let mut least = Comparison::Exact;
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

    fn trim(&self, ends: Ends, node: Node) -> Option<Node> {
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

    fn function(&self, function: &Function, level: usize) -> Option<Node> {
        let name = function_name(&function.name)?;
        let nodes: Vec<Node> =
            arguments(function)?.into_iter().map(|e| self.walk(e, level)).collect::<Option<_>>()?;
        match (name.as_str(), nodes.len()) {
            ("coalesce", 2..) | ("ifnull", 2) => {
                let (terms, class) = self.unite(nodes)?;
                Some(Node::new(Term::Coalesce(terms), class))
            }
            // PostgreSQL's leaves NULLs out; the others make the whole NULL.
            ("concat", 1..) if self.source == Dialect::Mysql => self.concat(nodes),
            ("nullif", 2) => {
                let [a, b] = nodes.try_into().ok()?;
                let (a, b) = self.meet(a, b, false)?;
                Some(Node::new(Term::NullIf(Box::new(a.term), Box::new(b.term)), a.class))
            }
            (name, 1) => self.call(name, nodes.into_iter().next()?),
            ("substr" | "substring", 2 | 3) => {
                let mut nodes = nodes.into_iter();
                substring(nodes.next()?, &nodes.next()?, nodes.next().as_ref())
            }
            _ => None,
        }
    }

    /// A function of one argument.
    fn call(&self, name: &str, node: Node) -> Option<Node> {
        let integer = Class::Integer { unsigned: false };
        let text = matches!(node.class, Class::Text { fixed: false, .. });
        let bytes = node.class == Class::Bytes;
        let mysql = self.source == Dialect::Mysql;
        let term = Box::new(node.term);
        match name {
            "abs" if self.calculates(&node.class) => Some(Node::new(Term::Abs(term), node.class)),
            "trim" | "btrim" if text => Some(Node::new(Term::Trim(Ends::Both, term), node.class)),
            "ltrim" if text => Some(Node::new(Term::Trim(Ends::Left, term), node.class)),
            "rtrim" if text => Some(Node::new(Term::Trim(Ends::Right, term), node.class)),
            "char_length" | "character_length" if text => Some(Node::new(Term::Chars(term), integer)),
            "length" if text && !mysql => Some(Node::new(Term::Chars(term), integer)),
            "length" | "octet_length" if text || bytes => {
                Some(Node::new(Term::Bytes { term, of_text: text }, integer))
            }
            "isnull" if mysql => Some(Node::truth(Term::IsNull(term, false))),
            // The parsers agree but for limits of depth.
            "json_valid" if matches!(node.class, Class::Text { .. } | Class::Json) => {
                Some(Node::truth(Term::JsonValid(term)))
            }
            _ => None,
        }
    }

    /// Brings two terms to a comparison on which the dialects agree.
    fn meet(&self, a: Node, b: Node, orders: bool) -> Option<(Node, Node)> {
        let (a, b) = if a.is_literal() {
            let a = self.adapt(a, &b.class)?;
            (a, b)
        } else {
            let b = self.adapt(b, &a.class)?;
            (a, b)
        };
        self.agree(&a.class, &b.class, orders).then_some((a, b))
    }

    /// One class for the alternatives of COALESCE or CASE.
    fn unite(&self, nodes: Vec<Node>) -> Option<(Vec<Term>, Class)> {
        let class = nodes
            .iter()
            .find(|n| !n.is_literal())
            .or_else(|| nodes.iter().find(|n| n.class != Class::Null))?
            .class
            .clone();
        let mut terms = Vec::with_capacity(nodes.len());
        for node in nodes {
            if node.class != Class::Null {
                let node = self.adapt(node, &class)?;
                let same =
                    node.class == class || (node.is_literal() && self.agree(&node.class, &class, false));
                if !same {
                    return None;
                }
                terms.push(node.term);
            } else {
                terms.push(node.term);
            }
        }
        Some((terms, class))
    }

    /// A literal in the form that goes with a class; other terms stay as they are.
    pub(super) fn adapt(&self, node: Node, class: &Class) -> Option<Node> {
        match (&node.term, class) {
            (Term::Number(n), Class::Truth) => match n.as_str() {
                "0" => Some(Node::truth(Term::Bool(false))),
                "1" => Some(Node::truth(Term::Bool(true))),
                _ => None,
            },
            (Term::Bool(value), class) if class.is_number() && self.source != Dialect::Postgres => {
                Node::number(if *value { "1" } else { "0" })
            }
            (Term::Text(text), Class::Text { fixed, .. }) => (!fixed || !text.ends_with(' ')).then_some(node),
            (Term::Text(text), Class::Enum { labels, .. }) => labels.contains(text).then_some(node),
            (Term::Text(text), Class::Date) => {
                parse_date(text)?;
                Some(Node::new(node.term, Class::Date))
            }
            (Term::Text(text), Class::DateTime) => {
                let micros = parse_datetime(text)?;
                let whole = format_datetime(micros, 6);
                // SQLite compares the spelling.
                if self.source == Dialect::Sqlite && *text != whole {
                    return None;
                }
                let digits = if self.target == Dialect::Sqlite || micros % 1_000_000 != 0 { 6 } else { 0 };
                Some(Node::new(Term::Text(format_datetime(micros, digits)), Class::DateTime))
            }
            (Term::Text(_), Class::Quoted) => Some(node),
            (Term::Text(_) | Term::Null, _) => None,
            _ => Some(node),
        }
    }

    /// Whether the dialects agree on comparing values of two classes.
    fn agree(&self, a: &Class, b: &Class, orders: bool) -> bool {
        let needed = if orders { Comparison::Exact } else { Comparison::Equality };
        // Text where a number is meant.
        let as_text = |c: &Class| self.target == Dialect::Sqlite && *c == Class::Decimal { as_text: true };
        match (a, b) {
            _ if as_text(a) || as_text(b) => false,
            (a, b) if a.is_number() && b.is_number() => true,
            (Class::Text { comparison, .. }, Class::Quoted)
            | (Class::Quoted, Class::Text { comparison, .. }) => *comparison >= needed,
            (Class::Text { comparison: x, fixed: f }, Class::Text { comparison: y, fixed: g }) => {
                f == g && *x.min(y) >= needed
            }
            // Labels are ordered by their place in one dialect and as text in another.
            (Class::Enum { comparison, .. }, Class::Quoted)
            | (Class::Quoted, Class::Enum { comparison, .. }) => !orders && *comparison >= needed,
            (Class::Truth, Class::Truth)
            | (Class::Date, Class::Date)
            | (Class::DateTime, Class::DateTime)
            | (Class::Timestamp, Class::Timestamp)
            | (Class::Bytes, Class::Bytes)
            | (Class::Quoted, Class::Quoted) => true,
            _ => false,
        }
    }

    /// Casts that change nothing, or a literal only.
    pub(super) fn cast(&self, node: Node, to: &SqlType) -> Option<Node> {
        let to = to.to_string().to_ascii_lowercase();
        let (base, modifier) = match to.split_once('(') {
            Some((base, rest)) => (base.trim(), Some(rest)),
            None => (to.as_str(), None),
        };
        let base = base.strip_prefix("pg_catalog.").unwrap_or(base);
        if node.term == Term::Null {
            return Some(node);
        }
        match base {
            "text" | "varchar" | "character varying" | "bpchar" | "char" | "character" => {
                let length = match modifier {
                    Some(rest) => Some(rest.split(')').next()?.trim().parse::<usize>().ok()?),
                    None if matches!(base, "char" | "character") => Some(1),
                    None => None,
                };
                match (&node.term, &node.class) {
                    (Term::Text(text), Class::Quoted) => {
                        length.is_none_or(|n| text.chars().count() <= n).then_some(node)
                    }
                    (_, Class::Text { .. } | Class::Enum { .. }) if length.is_none() && base != "bpchar" => {
                        Some(node)
                    }
                    _ => None,
                }
            }
            "numeric" | "decimal" | "integer" | "int" | "bigint" | "smallint" | "double precision"
            | "real"
                if modifier.is_none() =>
            {
                self.cast_number(node, base)
            }
            "boolean" | "bool" => match (&node.term, &node.class) {
                (_, Class::Truth) => Some(node),
                (Term::Text(text), Class::Quoted) => match text.as_str() {
                    "t" | "true" => Some(Node::truth(Term::Bool(true))),
                    "f" | "false" => Some(Node::truth(Term::Bool(false))),
                    _ => None,
                },
                _ => None,
            },
            // The zone of the session would matter.
            "timestamptz" | "timestamp with time zone" | "timetz" | "time with time zone" => None,
            // A type of the schema's own (an enum's label), a date: the column that it meets decides.
            _ if modifier.is_none() && node.class == Class::Quoted => Some(node),
            _ => None,
        }
    }

    fn cast_number(&self, node: Node, base: &str) -> Option<Node> {
        let integer = matches!(base, "integer" | "int" | "bigint" | "smallint");
        let floating = matches!(base, "double precision" | "real");
        match (&node.term, &node.class) {
            (Term::Number(text), class) if class.is_number() => {
                let whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                (whole || !integer).then(|| {
                    let class = if floating { Class::Float { single: false } } else { class.clone() };
                    Node::new(node.term.clone(), class)
                })
            }
            (Term::Text(text), Class::Quoted) => self.cast_number(Node::number(text)?, base),
            (_, Class::Integer { .. }) if base == "bigint" => Some(node),
            (_, Class::Integer { .. }) if matches!(base, "numeric" | "decimal") => {
                Some(Node::new(node.term, Class::Decimal { as_text: false }))
            }
            (_, Class::Decimal { .. }) if matches!(base, "numeric" | "decimal") => Some(node),
            (_, Class::Float { single: false }) if base == "double precision" => Some(node),
            _ => None,
        }
    }
}

/// An expression without the parentheses around it.
pub(super) fn strip(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

fn literal(value: &Value) -> Option<Node> {
    match value {
        Value::Number(text, false) => Node::number(text),
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::NationalStringLiteral(text)
        | Value::DoubleQuotedString(text) => Some(Node::new(Term::Text(text.clone()), Class::Quoted)),
        Value::Boolean(value) => Some(Node::truth(Term::Bool(*value))),
        Value::Null => Some(Node::new(Term::Null, Class::Null)),
        _ => None,
    }
}

/// MySQL's character set introducers: all of them mean the same text where it is ASCII.
fn introduced(prefix: &str, node: Node) -> Option<Node> {
    let prefix = prefix.to_ascii_lowercase();
    let Term::Text(text) = &node.term else { return None };
    let known = matches!(prefix.as_str(), "_utf8mb4" | "_utf8mb3" | "_utf8" | "n")
        || (matches!(prefix.as_str(), "_latin1" | "_ascii") && text.is_ascii());
    known.then_some(node)
}

fn substring(node: Node, from: &Node, length: Option<&Node>) -> Option<Node> {
    if !matches!(node.class, Class::Text { fixed: false, .. }) {
        return None;
    }
    let number = |node: &Node| match &node.term {
        Term::Number(text) => text.parse::<u32>().ok(),
        _ => None,
    };
    // Positions below 1 count from the end, or before the beginning.
    let from = number(from).filter(|n| *n > 0)?;
    let length = match length {
        Some(length) => Some(number(length)?),
        None => None,
    };
    Some(Node::new(Term::Substring(Box::new(node.term), from, length), node.class))
}

/// Elements of an array as PostgreSQL prints it; none may be NULL or an array.
fn array_literal(text: &str) -> Option<Vec<Node>> {
    let body = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut chars = body.chars().peekable();
    while chars.peek().is_some() {
        let mut item = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => item.push(chars.next()?),
                    c => item.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != ',') {
                if matches!(c, '{' | '}' | '"' | '\\') {
                    return None;
                }
                item.push(c);
            }
            if item.eq_ignore_ascii_case("null") || item.is_empty() {
                return None;
            }
        }
        items.push(Node::new(Term::Text(item), Class::Quoted));
        match chars.next() {
            None => break,
            Some(',') if chars.peek().is_some() => {}
            Some(_) => return None,
        }
    }
    Some(items)
}

/// A function's name in lower case, without the catalogue's schema.
pub(super) fn function_name(name: &ObjectName) -> Option<String> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(ident) => Some(ident.value.to_ascii_lowercase()),
        ObjectNamePart::Function(_) => None,
    };
    match name.0.as_slice() {
        [only] => part(only),
        [schema, only] if part(schema)? == "pg_catalog" => part(only),
        _ => None,
    }
}

/// Plain arguments of a plain call.
pub(super) fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let plain = function.filter.is_none()
        && function.over.is_none()
        && function.null_treatment.is_none()
        && function.within_group.is_empty()
        && matches!(function.parameters, FunctionArguments::None);
    if !plain {
        return None;
    }
    match &function.args {
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::Subquery(_) => None,
        FunctionArguments::List(list) => {
            if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
                return None;
            }
            let plain = |arg: &FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
            if !list.args.iter().all(plain) {
                return None;
            }
            Some(
                list.args
                    .iter()
                    .filter_map(|arg| match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                        _ => None,
                    })
                    .collect(),
            )
        }
    }
}
