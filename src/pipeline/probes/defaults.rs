//! Defaults: what each engine would store for its own text has to be the same value.

use super::{Scene, answered, bare};
use crate::engine::capability::{Defaults, Source, Stored};
use crate::engine::expression;
use crate::model::codes;
use crate::model::error::Result;
use crate::model::plan::{ColumnPlan, Finding};
use crate::model::schema::DefaultValue;
use crate::model::value;
use crate::pipeline::plan::constants::{self, canonical};
use crate::pipeline::plan::findings::{self, Words};

/// Evaluates the defaults of a table on both sides. Gives the places of columns whose default is another value in the
/// target, and what is to be said.
pub(super) async fn prove(
    scene: Scene<'_>,
    source: &dyn Source,
    target: &dyn Source,
) -> Result<(Vec<usize>, Vec<Finding>)> {
    let trials = trials(scene, source.facts().flavour != target.facts().flavour);
    let (mut wrong, mut found) = (Vec::new(), Vec::new());
    if trials.is_empty() {
        return Ok((wrong, found));
    }
    let columns = |of: &dyn Fn(&Trial<'_>) -> bool| -> Vec<ColumnPlan> {
        trials.iter().filter(|trial| of(trial)).map(|trial| bare(trial.column)).collect()
    };
    let texts: Vec<String> = trials.iter().filter_map(|trial| trial.text.map(str::to_owned)).collect();
    let here =
        Defaults { plan: scene.in_source(&columns(&|trial| trial.text.is_some())), expressions: texts };
    let there = Defaults {
        plan: scene.alone(&columns(&|_| true)),
        expressions: trials.iter().map(|trial| trial.translated.to_owned()).collect(),
    };
    let ask_source = async {
        // Constants are known.
        if here.expressions.is_empty() { Ok(Some(Vec::new())) } else { source.evaluate(&here).await }
    };
    let asked = tokio::join!(ask_source, target.evaluate(&there));
    let (given, arriving) = (answered(asked.0, "source")?, answered(asked.1, "target")?);
    let mut texts = given.as_ref().map(|given| given.iter()).map_err(Clone::clone);
    let mut arriving = arriving.as_ref().map(|arriving| arriving.iter()).map_err(Clone::clone);
    for trial in &trials {
        let before = match (&mut texts, trial.text) {
            (Ok(texts), Some(_)) => texts.next().cloned().ok_or_else(String::new),
            (Err(why), Some(_)) => Err(why.clone()),
            (_, None) => Ok(trial.constant()),
        };
        let after = match &mut arriving {
            Ok(arriving) => arriving.next().cloned().ok_or_else(String::new),
            Err(why) => Err(why.clone()),
        };
        if trial.kept && after != Ok(Stored::Refused) {
            continue;
        }
        match before.and_then(|before| after.and_then(|after| trial.difference(&before, &after))) {
            Ok(Some(how)) => {
                wrong.push(trial.place);
                found.push(findings::default_differs(
                    scene.planned,
                    &trial.column.source,
                    trial.original,
                    &how,
                ));
            }
            Err(why) if trial.computed => {
                let column = &trial.column.source;
                found.push(findings::default_untried(scene.planned, column, Words::Target, &why));
            }
            // They agree, or it is a constant of a type that is not compared.
            Ok(None) | Err(_) => {}
        }
    }
    Ok((wrong, found))
}

/// Names the defaults of a table that are expressions, because there is nobody to ask.
pub(super) fn untried(scene: Scene<'_>, words: Words, why: &str) -> Vec<Finding> {
    let computed = trials(scene, words == Words::Source).into_iter().filter(|t| t.computed || t.kept);
    computed.map(|t| findings::default_untried(scene.planned, &t.column.source, words, why)).collect()
}

/// A default that is in other words in the target.
struct Trial<'a> {
    /// Place of the column in the table.
    place: usize,
    column: &'a ColumnPlan,
    original: &'a DefaultValue,
    /// What its column gets of it.
    assigned: DefaultValue,
    /// The source's own text, where it is not a constant that the catalogue gave as such.
    text: Option<&'a str>,
    translated: &'a str,
    /// An expression in the target too, rather than a constant.
    computed: bool,
    /// In the words of the source, which another product of its dialect may not know.
    kept: bool,
}

/// The defaults of a table that can be tried. What a clock gives is never the same; clocks are known by name. `products` tells
/// whether the two sides are different products.
fn trials<'a>(scene: Scene<'a>, products: bool) -> Vec<Trial<'a>> {
    let kept = scene.plan.source == scene.plan.target;
    if kept && !products {
        return Vec::new();
    }
    let left_behind = |column: &ColumnPlan| {
        scene.plan.findings.iter().any(|finding| {
            finding.code == codes::DEFAULT_NOT_CARRIED
                && finding.table.as_deref() == Some(scene.planned.source.as_str())
                && finding.column.as_deref() == Some(column.source.as_str())
        })
    };
    let trial = |(place, column): (usize, &'a ColumnPlan)| {
        let translated = column.default.as_deref()?;
        let declared = scene.table.column(&column.source)?;
        let original = declared.default.as_ref()?;
        let assigned = constants::assigned(scene.plan.source, &declared.data_type, original);
        let (text, said) = match original {
            DefaultValue::Expression(_) if kept => (None, DefaultValue::Text(String::new())),
            _ if kept => return None,
            DefaultValue::Expression(text) => (
                Some(text.as_str()),
                expression::default(scene.plan.source, text, scene.plan.target, &column.carries)?,
            ),
            // Digits are words of every dialect, and what they are to a column is the engine's business.
            DefaultValue::Number(digits) => (Some(digits.as_str()), original.clone()),
            constant => (None, constant.clone()),
        };
        let computed = match said {
            DefaultValue::Expression(_) => true,
            DefaultValue::Bool(_)
            | DefaultValue::Number(_)
            | DefaultValue::Text(_)
            | DefaultValue::Bytes(_) => false,
            _ => return None,
        };
        // The target's own default stays where the source's was left behind; numbers for times are read as times.
        (column.epoch.is_none() && !left_behind(column)).then_some(Trial {
            place,
            column,
            original,
            assigned,
            text,
            translated,
            computed,
            kept,
        })
    };
    scene.planned.columns.iter().enumerate().filter_map(trial).collect()
}

impl Trial<'_> {
    /// The value of a constant that the catalogue gave as such.
    fn constant(&self) -> Stored {
        Stored::Text(match &self.assigned {
            DefaultValue::Bool(value) => u8::from(*value).to_string(),
            DefaultValue::Bytes(bytes) => value::format_hex(bytes),
            DefaultValue::Text(text) => text.clone(),
            _ => return Stored::Null,
        })
    }

    /// In what two values differ; an error says why they cannot be compared.
    fn difference(&self, before: &Stored, after: &Stored) -> std::result::Result<Option<String>, String> {
        let compared = |stored: &Stored, side: &str| match stored {
            Stored::Null => Ok(None),
            Stored::Text(text) => {
                let value = canonical(text, &self.column.carries);
                value.map(Some).ok_or_else(|| format!("what the {side} gives is of no type that is compared"))
            }
            Stored::Refused => Err(format!("the {side} does not evaluate it")),
        };
        if *after == Stored::Refused {
            return Ok(Some("the target does not evaluate it".into()));
        }
        let before_value = compared(before, "source")?;
        let after_value = compared(after, "target")?;
        let shown = |value: &Option<String>| value.as_ref().map_or("NULL".to_owned(), |v| format!("{v:?}"));
        Ok((before_value != after_value).then(|| {
            format!("{} in the source, {} in the target", shown(&before_value), shown(&after_value))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fake::{Fake, Fault, plan};
    use super::super::prove;
    use super::*;
    use crate::model::endpoint::Dialect;
    use crate::model::plan::Plan;
    use crate::model::schema::{Column, DataType, Schema, Table, TableOptions};

    const NUMBER: DataType = DataType::Int { bits: 64, unsigned: false };

    /// A table whose column has a default in other words than the source's.
    fn planned(default: DefaultValue, translated: &str) -> (Plan, Schema) {
        let mut plan = plan(1);
        (plan.source, plan.target) = (Dialect::Sqlite, Dialect::Postgres);
        let planned = &mut plan.tables[0].columns[0];
        planned.default = Some(translated.into());
        let column = Column {
            name: planned.source.clone(),
            data_type: NUMBER,
            native_type: "INTEGER".into(),
            nullable: true,
            default: Some(default),
            generated: None,
            identity: None,
            on_update_now: false,
            collation: None,
            comment: None,
            origin: None,
            domain: None,
            reaches: Vec::new(),
        };
        let table = Table {
            name: "t0".into(),
            columns: vec![column],
            primary_key: None,
            indexes: vec![],
            foreign_keys: vec![],
            checks: vec![],
            comment: None,
            options: TableOptions::default(),
            estimated_rows: None,
            bytes: None,
            origin: None,
        };
        (plan, Schema { dialect: Dialect::Sqlite, tables: vec![table], objects: vec![] })
    }

    async fn proven(default: DefaultValue, translated: &str, there: Fault) -> (Option<String>, Vec<String>) {
        let (mut plan, schema) = planned(default, translated);
        prove(&mut plan, &schema, &Fake::new(Fault::None, &[]), &Fake::new(there, &[])).await.unwrap();
        let named = plan.findings.iter().map(|f| format!("{} {}", f.code, f.text)).collect();
        (plan.tables[0].columns[0].default.clone(), named)
    }

    #[tokio::test]
    async fn a_default_that_gives_another_value_is_left_behind() {
        let five = || DefaultValue::Number("5".into());
        assert_eq!(proven(five(), "5", Fault::None).await, (Some("5".into()), vec![]));
        let (left, named) = proven(five(), "5", Fault::Decide).await;
        assert_eq!(left, None);
        let [named] = named.as_slice() else { panic!("{named:?}") };
        assert!(named.starts_with("default_not_carried "), "{named}");
        assert!(named.contains("\"5\" in the source, \"50\" in the target: DEFAULT 5"), "{named}");
    }

    #[tokio::test]
    async fn only_expressions_that_nobody_was_asked_about_are_named() {
        let sum = || DefaultValue::Expression("2 + 3".into());
        let (left, named) = proven(sum(), "2 + 3", Fault::Silent).await;
        assert_eq!(left.as_deref(), Some("2 + 3"));
        assert!(named.len() == 1 && named[0].starts_with("default_untried "), "{named:?}");
        let (_, named) = proven(DefaultValue::Number("5".into()), "5", Fault::Silent).await;
        assert!(named.is_empty(), "{named:?}");
        let (left, named) = proven(DefaultValue::CurrentTimestamp, "now()", Fault::Decide).await;
        assert!(left.is_some() && named.is_empty(), "{named:?}");
    }
}
