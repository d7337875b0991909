//! Functions on which the dialects agree, under whatever names they have them.

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, ObjectNamePart,
};

use super::read::{Folding, Reader};
use super::term::{Class, Ends, Node, Term};
use crate::model::endpoint::Dialect;

impl Reader<'_> {
    pub(super) fn function(&self, function: &Function, level: usize) -> Option<Node> {
        let name = match function_name(&function.name)?.as_str() {
            // As MariaDB prints them.
            "lcase" => "lower".to_owned(),
            "ucase" => "upper".to_owned(),
            other => other.to_owned(),
        };
        let nodes: Vec<Node> =
            arguments(function)?.into_iter().map(|e| self.walk(e, level)).collect::<Option<_>>()?;
        match (name.as_str(), nodes.len()) {
            ("coalesce", 2..) | ("ifnull", 2) => {
                let (terms, class) = self.unite(nodes)?;
                Some(Node::new(Term::Coalesce(terms), class))
            }
            // PostgreSQL's leaves NULLs out; the others make the whole NULL.
            ("concat", 1..) if self.source == Dialect::Mysql => Self::concat(nodes),
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
            ("left", 2) => {
                let [text, length] = nodes.try_into().ok()?;
                substring(text, &Node::number("1")?, Some(&length))
            }
            _ => None,
        }
    }

    fn folded(&self, term: Box<Term>) -> Term {
        if self.folds == Folding::Ascii { Term::Bytewise(term) } else { *term }
    }

    /// A function of one argument.
    fn call(&self, name: &str, node: Node) -> Option<Node> {
        let integer = Class::Integer { unsigned: false };
        let text = matches!(node.class, Class::Text { fixed: false, .. });
        let bytes = node.class == Class::Bytes;
        let mysql = self.source == Dialect::Mysql;
        // Of ASCII all dialects make the same.
        if let (Term::Text(constant), "lower" | "upper") = (&node.term, name)
            && constant.is_ascii()
        {
            let folded =
                if name == "lower" { constant.to_ascii_lowercase() } else { constant.to_ascii_uppercase() };
            return Some(Node::new(Term::Text(folded), node.class));
        }
        let term = Box::new(node.term);
        match name {
            "abs" if self.calculates(&node.class) => Some(Node::new(Term::Abs(term), node.class)),
            "lower" if text && self.folds != Folding::No => {
                Some(Node::new(Term::Lower(Box::new(self.folded(term))), node.class))
            }
            "upper" if text && self.folds != Folding::No => {
                Some(Node::new(Term::Upper(Box::new(self.folded(term))), node.class))
            }
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
}

pub(super) fn substring(node: Node, from: &Node, length: Option<&Node>) -> Option<Node> {
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
