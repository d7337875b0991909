//! Aggregates on which the dialects agree.

use sqlparser::ast::{DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::Comparison;
use super::call::function_name;
use super::read::Reader;
use super::term::{Class, Node, Term};
use crate::model::endpoint::Dialect;

impl Reader<'_> {
    /// `count`, `sum`, `min`, `max`, and `avg` of doubles: that of exact numbers has another scale in each dialect.
    /// `None` for anything else.
    pub(super) fn aggregate(&self, function: &Function, level: usize) -> Option<Node> {
        let plain = function.filter.is_none()
            && function.over.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && matches!(function.parameters, FunctionArguments::None);
        let FunctionArguments::List(list) = &function.args else { return None };
        let [FunctionArg::Unnamed(argument)] = list.args.as_slice() else { return None };
        if !plain || !list.clauses.is_empty() {
            return None;
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let name = function_name(&function.name)?;
        let whole = Class::Integer { unsigned: false };
        let expr = match argument {
            FunctionArgExpr::Wildcard if name == "count" && !distinct => {
                return Some(Node::new(Term::Aggregate { name: "count", distinct, term: None }, whole));
            }
            FunctionArgExpr::Expr(expr) => expr,
            _ => return None,
        };
        let inner = Reader { aggregates: false, windows: false, within: None, ..*self };
        let node = inner.walk(expr, level)?;
        let (name, class) = match (name.as_str(), node.class) {
            ("count", class) if !distinct || is_equal_alike(&class) => ("count", whole),
            ("sum", Class::Integer { .. }) if !distinct => ("sum", Class::Decimal { as_text: false }),
            ("sum", class @ Class::Decimal { .. }) if !distinct && self.calculates(&class) => ("sum", class),
            ("sum", class @ Class::Float { single: false }) if !distinct => ("sum", class),
            ("avg", class @ Class::Float { single: false }) if !distinct => ("avg", class),
            ("min", class) if self.is_ordered_alike(&class) => ("min", class),
            ("max", class) if self.is_ordered_alike(&class) => ("max", class),
            _ => return None,
        };
        Some(Node::new(Term::Aggregate { name, distinct, term: Some(Box::new(node.term)) }, class))
    }

    fn is_ordered_alike(&self, class: &Class) -> bool {
        match class {
            Class::Text { comparison: Comparison::Exact, fixed: false }
            | Class::Date
            | Class::DateTime
            | Class::Timestamp
            | Class::Integer { .. }
            | Class::Float { single: false } => true,
            // Compared as text where SQLite keeps all digits.
            Class::Decimal { as_text } => {
                !as_text || (self.source != Dialect::Sqlite && self.target != Dialect::Sqlite)
            }
            _ => false,
        }
    }
}

fn is_equal_alike(class: &Class) -> bool {
    match class {
        Class::Text { comparison, fixed: false } => *comparison >= Comparison::Equality,
        Class::Date | Class::DateTime | Class::Timestamp | Class::Integer { .. } | Class::Truth => true,
        _ => false,
    }
}
