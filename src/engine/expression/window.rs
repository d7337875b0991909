//! Window functions on which the dialects agree: ranks, and aggregates over the default frame, which is the same in all.

use sqlparser::ast::{Function, FunctionArguments, OrderByExpr, WindowSpec, WindowType};

use super::call::{arguments, function_name};
use super::print::nulls_first;
use super::query::{groups_alike, orders_alike};
use super::read::Reader;
use super::term::{Class, Node, Over, Sort, Term};

impl Reader<'_> {
    /// A function with OVER and a window without a frame of its own.
    pub(super) fn window(&self, function: &Function, level: usize) -> Option<Node> {
        let Some(WindowType::WindowSpec(window)) = &function.over else { return None };
        let WindowSpec { window_name: None, partition_by, order_by, window_frame: None } = window else {
            return None;
        };
        let inner = Reader { windows: false, ..*self };
        let mut partition = Vec::with_capacity(partition_by.len());
        for expr in partition_by {
            let node = inner.walk(expr, level)?;
            if node.is_literal() || !groups_alike(&node.class) {
                return None;
            }
            partition.push(node.term);
        }
        let order = order_by.iter().map(|key| inner.sort(key, level)).collect::<Option<Vec<_>>>()?;
        let plain = Function { over: None, ..function.clone() };
        let name = function_name(&function.name)?;
        let (over, class) = match name.as_str() {
            // Without an order each engine has its own.
            "row_number" | "rank" | "dense_rank" if !order.is_empty() => {
                let none = match &plain.args {
                    FunctionArguments::List(_) => arguments(&plain)?.is_empty(),
                    _ => false,
                };
                let name = match name.as_str() {
                    "row_number" => "row_number",
                    "rank" => "rank",
                    _ => "dense_rank",
                };
                none.then_some((Over::Rank(name), Class::Integer { unsigned: false }))?
            }
            _ => {
                let Node { term: Term::Aggregate { name, distinct: false, term }, class, .. } =
                    inner.aggregate(&plain, level)?
                else {
                    return None;
                };
                // Which doubles are added first decides their last digit.
                if matches!(class, Class::Float { .. }) && matches!(name, "sum" | "avg") {
                    return None;
                }
                (Over::Aggregate(name, term), class)
            }
        };
        Some(Node::new(Term::Window { over, partition, order }, class))
    }

    fn sort(&self, key: &OrderByExpr, level: usize) -> Option<Sort> {
        let node = self.walk(&key.expr, level)?;
        if node.is_literal() || key.with_fill.is_some() || !orders_alike(&node.class) {
            return None;
        }
        let ascending = key.options.asc.unwrap_or(true);
        let first = key.options.nulls_first.unwrap_or_else(|| nulls_first(self.source, ascending));
        Some(Sort { term: node.term, descending: !ascending, nulls_first: first })
    }
}
