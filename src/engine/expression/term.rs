//! The common ground of the three dialects: terms whose meaning does not depend on the dialect, and the class of
//! value that each has.

use super::dates::Dated;
use super::{ColumnFacts, Comparison};
use crate::model::schema::DataType;

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Compare {
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        }
    }

    /// Whether it asks for more than equality.
    pub(super) const fn orders(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }
}

/// Arithmetic operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// Of integers by a constant other than 0, truncating.
    Divide,
    /// The same.
    Remainder,
}

impl Arithmetic {
    pub(super) const fn sql(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}

/// Which end is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Both,
    Left,
    Right,
}

/// An expression. Names are those of the target; literals are unescaped.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    Column(String),
    /// A column of a relation of a query, by its alias.
    Of(String, String),
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Compare(Compare, Box<Term>, Box<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
    Not(Box<Term>),
    IsNull(Box<Term>, bool),
    /// `IS [NOT] TRUE/FALSE`.
    IsBool {
        term: Box<Term>,
        value: bool,
        negated: bool,
    },
    In {
        term: Box<Term>,
        list: Vec<Term>,
        negated: bool,
    },
    Between {
        term: Box<Term>,
        low: Box<Term>,
        high: Box<Term>,
        negated: bool,
    },
    Like {
        term: Box<Term>,
        pattern: String,
        negated: bool,
    },
    Arithmetic(Arithmetic, Box<Term>, Box<Term>),
    Negate(Box<Term>),
    Concat(Vec<Term>),
    Chars(Box<Term>),
    Bytes {
        term: Box<Term>,
        of_text: bool,
    },
    Trim(Ends, Box<Term>),
    Lower(Box<Term>),
    Upper(Box<Term>),
    /// Text under PostgreSQL's collation of bytes, which knows ASCII letters only.
    Bytewise(Box<Term>),
    /// An integer in 64 bits, as PostgreSQL has to be told.
    Wide(Box<Term>),
    /// A decimal that SQLite keeps as text, as a double: only its sign is sure.
    Real(Box<Term>),
    Substring(Box<Term>, u32, Option<u32>),
    Coalesce(Vec<Term>),
    NullIf(Box<Term>, Box<Term>),
    Abs(Box<Term>),
    Case(Vec<(Term, Term)>, Option<Box<Term>>),
    JsonValid(Box<Term>),
    /// Over the rows of a group; `count(*)` has no term.
    Aggregate {
        name: &'static str,
        distinct: bool,
        term: Option<Box<Term>>,
    },
    /// Over the rows around each row of the result.
    Window {
        over: Over,
        partition: Vec<Term>,
        order: Vec<Sort>,
    },
    /// A function of a date, or of a moment without a zone.
    Dated {
        call: Dated,
        moment: bool,
        term: Box<Term>,
    },
    /// A query within an expression.
    Query {
        asks: Asks,
        /// In the target's words.
        text: String,
        /// Terms of the queries around it that it names.
        outer: Vec<Term>,
    },
}

/// What a window function makes of its window.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Over {
    /// The place of the row in it.
    Rank(&'static str),
    /// As [`Term::Aggregate`].
    Aggregate(&'static str, Option<Box<Term>>),
}

/// A key of an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sort {
    pub(super) term: Term,
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// What is asked of a query within an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asks {
    /// The value of its only row, NULL without one.
    Value,
    /// Whether it has a row.
    Exists { negated: bool },
    /// Whether a value is among its rows.
    Holds { term: Box<Term>, negated: bool },
}

impl Term {
    /// The terms that it is made of.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Column(_) | Self::Of(..) | Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {
                Vec::new()
            }
            Self::Compare(_, a, b) | Self::Arithmetic(_, a, b) | Self::NullIf(a, b) => vec![a, b],
            Self::And(list) | Self::Or(list) | Self::Concat(list) | Self::Coalesce(list) => {
                list.iter().collect()
            }
            Self::Not(term)
            | Self::IsNull(term, _)
            | Self::IsBool { term, .. }
            | Self::Like { term, .. }
            | Self::Negate(term)
            | Self::Chars(term)
            | Self::Bytes { term, .. }
            | Self::Trim(_, term)
            | Self::Lower(term)
            | Self::Upper(term)
            | Self::Bytewise(term)
            | Self::Real(term)
            | Self::Wide(term)
            | Self::Substring(term, ..)
            | Self::Abs(term)
            | Self::Dated { term, .. }
            | Self::JsonValid(term) => vec![term],
            Self::In { term, list, .. } => std::iter::once(&**term).chain(list).collect(),
            Self::Between { term, low, high, .. } => vec![term, low, high],
            Self::Case(branches, otherwise) => {
                let branches = branches.iter().flat_map(|(condition, result)| [condition, result]);
                branches.chain(otherwise.as_deref()).collect()
            }
            Self::Aggregate { term, .. } => term.as_deref().into_iter().collect(),
            Self::Window { over, partition, order } => {
                let argument = match over {
                    Over::Rank(_) => None,
                    Over::Aggregate(_, term) => term.as_deref(),
                };
                argument.into_iter().chain(partition).chain(order.iter().map(|key| &key.term)).collect()
            }
            Self::Query { asks, outer, .. } => {
                let left = match asks {
                    Asks::Holds { term, .. } => Some(&**term),
                    Asks::Value | Asks::Exists { .. } => None,
                };
                left.into_iter().chain(outer).collect()
            }
        }
    }

    /// Whether it, or a term that it is made of, is such.
    pub(super) fn any(&self, is: &dyn Fn(&Self) -> bool) -> bool {
        is(self) || self.children().into_iter().any(|child| child.any(is))
    }

    /// The same truth value as MySQL 8 takes it for a check, which has to be a comparison or made of some.
    pub(super) fn into_condition(self) -> Self {
        match self {
            Self::Column(_)
            | Self::Of(..)
            | Self::Bool(_)
            | Self::Coalesce(_)
            | Self::NullIf(..)
            | Self::Case(..) => {
                Self::Compare(Compare::NotEqual, Box::new(self), Box::new(Self::Number("0".into())))
            }
            other => other,
        }
    }

    /// Whether a text is a column, or made of one without getting longer.
    pub(super) fn is_no_longer(&self) -> bool {
        match self {
            Self::Column(_) | Self::Of(..) => true,
            Self::Lower(term)
            | Self::Upper(term)
            | Self::Bytewise(term)
            | Self::Trim(_, term)
            | Self::Substring(term, ..) => term.is_no_longer(),
            _ => false,
        }
    }
}

/// What kind of value a term has, as far as it decides whether dialects agree on an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Class {
    Truth,
    Integer {
        unsigned: bool,
    },
    /// `as_text`: more digits than a double holds, so that SQLite keeps it as text.
    Decimal {
        as_text: bool,
    },
    Float {
        single: bool,
    },
    Text {
        comparison: Comparison,
        fixed: bool,
    },
    /// A literal in quotes, which takes the type of what it meets.
    Quoted,
    Bytes,
    Date,
    DateTime,
    Timestamp,
    Enum {
        labels: Vec<String>,
        comparison: Comparison,
    },
    Json,
    Null,
    Other,
}

/// Most digits that a double keeps.
pub(super) const DOUBLE_DIGITS: u32 = 15;

impl Class {
    /// Class of a column.
    pub(super) fn of(data_type: &DataType, comparison: Comparison) -> Self {
        match data_type {
            DataType::Bool => Self::Truth,
            DataType::Int { unsigned, .. } => Self::Integer { unsigned: *unsigned },
            DataType::Year => Self::Integer { unsigned: false },
            DataType::Decimal { precision, .. } => {
                Self::Decimal { as_text: precision.is_none_or(|p| p > DOUBLE_DIGITS) }
            }
            DataType::Float32 => Self::Float { single: true },
            DataType::Float64 => Self::Float { single: false },
            DataType::Text { fixed, .. } => Self::Text { comparison, fixed: *fixed },
            DataType::Bytes { .. } => Self::Bytes,
            DataType::Date => Self::Date,
            DataType::DateTime { .. } => Self::DateTime,
            DataType::Timestamp { .. } => Self::Timestamp,
            DataType::Enum { labels, .. } => Self::Enum { labels: labels.clone(), comparison },
            DataType::Json { .. } => Self::Json,
            _ => Self::Other,
        }
    }

    /// Whether values of the class are stored in a column of the type without rounding or another conversion.
    pub(super) fn stored_as(&self, data_type: &DataType) -> bool {
        match (self, data_type) {
            (Self::Truth, DataType::Bool)
            | (Self::Integer { .. }, DataType::Int { .. } | DataType::Float64)
            | (Self::Float { .. }, DataType::Float64)
            | (Self::Text { .. } | Self::Quoted, DataType::Text { fixed: false, .. })
            | (Self::Bytes, DataType::Bytes { fixed: false, .. })
            | (Self::Date, DataType::Date)
            | (Self::DateTime, DataType::DateTime { .. })
            | (Self::Timestamp, DataType::Timestamp { .. }) => true,
            (Self::Integer { .. } | Self::Decimal { .. }, DataType::Decimal { scale, .. }) => {
                // A product has more digits after the point than the column may keep.
                scale.is_none() || matches!(self, Self::Integer { .. })
            }
            _ => false,
        }
    }

    pub(super) const fn is_number(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Decimal { .. } | Self::Float { .. })
    }
}

/// A term and its class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) term: Term,
    pub(super) class: Class,
    /// Whether it is known to be an integer of 64 bits in PostgreSQL.
    pub(super) wide: bool,
}

impl Node {
    pub(super) fn new(term: Term, class: Class) -> Self {
        Self { term, class, wide: false }
    }

    /// A column.
    pub(super) fn of_column(term: Term, facts: &ColumnFacts) -> Self {
        let wide = matches!(facts.data_type, DataType::Int { bits: 64.., .. });
        Self { term, class: Class::of(&facts.data_type, facts.comparison), wide }
    }

    /// Whether it is a number of so few digits that a product of two fits into 32 bits.
    pub(super) fn is_small(&self) -> bool {
        matches!(&self.term, Term::Number(text) if text.len() <= 4)
    }

    pub(super) fn truth(term: Term) -> Self {
        Self::new(term, Class::Truth)
    }

    /// A number as written, if it is written in a way that all dialects read alike.
    pub(super) fn number(text: &str) -> Option<Self> {
        let body = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match body.find(['e', 'E']) {
            Some(at) => (&body[..at], Some(&body[at + 1..])),
            None => (body, None),
        };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        if let Some(exponent) = exponent {
            let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if exponent.is_empty() || !digits(exponent) {
                return None;
            }
        }
        let class = match (exponent, mantissa.contains('.')) {
            (Some(_), _) => Class::Float { single: false },
            (None, true) => Class::Decimal { as_text: false },
            (None, false) => Class::Integer { unsigned: false },
        };
        Some(Self::new(Term::Number(text.to_owned()), class))
    }

    pub(super) const fn is_literal(&self) -> bool {
        matches!(self.term, Term::Null | Term::Bool(_) | Term::Number(_) | Term::Text(_))
    }
}
