//! Rules that the user wrote by hand (`[[rules]]` of `techcare-db.toml`): checked against the source and the target,
//! and applied to the selection before anything else looks at it. Pure. A column that stays behind takes with it what
//! needs it, each with a finding; names and types are said here and carried out by the planner.

use super::findings::{Findings, Note};
use crate::engine::capability::{Mapping, Rules};
use crate::engine::expression;
use crate::model::codes;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{Fidelity, Filter, Finding, FindingAction, Scope, TablePlan};
use crate::model::rule::{self, TableRule};
use crate::model::schema::{Column, DataType, DefaultValue, IndexKey, Schema, Table};
use crate::pipeline::selection::Selection;

/// Applies rules to what is to be migrated and says what they do. `Usage` for a rule about what is not there, and for
/// a name or type that the target does not take.
pub fn apply(
    selection: &mut Selection,
    rules: &[TableRule],
    target: &dyn Rules,
    scope: Scope,
) -> Result<Vec<Finding>> {
    let mut findings = Findings::default();
    let dialect = selection.schema.dialect;
    for rule in rules {
        if selection.left_out.contains(&rule.table) {
            continue;
        }
        let names = selection.schema.tables.iter().map(|t| t.name.as_str());
        let Some(table) = selection.schema.table(&rule.table) else {
            return Err(unknown(&format!("table {:?}", rule.table), "the source has", names));
        };
        known_columns(rule, table)?;
        one_condition(rule, &selection.schema)?;
        new_names(rule, target)?;
        new_types(rule, table, dialect, target, scope)?;
        say(rule, table, target, &mut findings);
    }
    for table in &mut selection.schema.tables {
        if let Some(rule) = rule::about(rules, &table.name) {
            leave_columns(table, rule, dialect, &mut findings);
            force_types(table, rule, dialect, target, &mut findings);
        }
        leave_references(table, rules, &mut findings);
    }
    Ok(findings.into_vec())
}

/// Which rows of a table a rule carries; nobody has counted yet.
pub fn filter(rules: &[TableRule], table: &str) -> Option<Filter> {
    let condition = rule::about(rules, table)?.condition.clone()?;
    Some(Filter { condition, left: None })
}

/// Says how many rows a filter leaves behind.
pub fn filtered(table: &TablePlan, filter: &Filter) -> Finding {
    let text = format!("stay behind, as a rule says: only rows with {} are carried", filter.condition);
    let mut note =
        Note::new(codes::ROWS_FILTERED, "rows", FindingAction::NotCarried, text).table(&table.source);
    if let Some(rows) = filter.left {
        note = note.rows(rows, &[]);
    }
    note.into()
}

/// The type that a rule forces upon a column, as the target's catalogue would spell it.
pub(super) fn forced(target: &dyn Rules, rules: &[TableRule], table: &str, column: &str) -> Option<String> {
    rule::forced_type(rules, table, column).map(|text| spelled(target, text))
}

/// Types are words of any case; PostgreSQL's catalogue has them in small letters.
fn spelled(target: &dyn Rules, text: &str) -> String {
    let text = text.trim();
    if target.dialect() == Dialect::Postgres { text.to_lowercase() } else { text.to_owned() }
}

/// The mapping of a column whose type is forced, from the one that would follow from the source.
pub(super) fn mapped(native_type: String, effective: &Column, own: Mapping) -> Mapping {
    let is_text = matches!(effective.data_type, DataType::Text { .. });
    Mapping {
        native_type,
        carries: effective.data_type.clone(),
        fidelity: Fidelity::Exact,
        note: None,
        collation: own.collation.filter(|_| is_text),
        needs: None,
    }
}

fn usage(what: String) -> Error {
    Error::new(ErrorKind::Usage, what)
}

fn unknown<'a>(what: &str, there: &str, names: impl Iterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.collect();
    usage(format!("a rule is about {what}, which is not there"))
        .next(format!("{there} {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
}

fn known_columns(rule: &TableRule, table: &Table) -> Result<()> {
    let mut named = rule.exclude.iter().chain(rule.columns.keys());
    match named.find(|name| table.column(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let what = format!("column {name:?} of table {:?}", table.name);
            Err(unknown(&what, "its columns are", table.columns.iter().map(|c| c.name.as_str())))
        }
    }
}

fn one_condition(rule: &TableRule, source: &Schema) -> Result<()> {
    // SQLite takes a quoted name of nothing for a string.
    let unknown = |text: &String| {
        let names = source.tables.iter().flat_map(|t| t.columns.iter().map(|c| &c.name).chain([&t.name]));
        let known: Vec<&String> = names.collect();
        let quoted = expression::quoted_names(source.dialect, text);
        quoted.into_iter().find(|name| !known.iter().any(|k| k.eq_ignore_ascii_case(name)))
    };
    if let Some(name) =
        rule.condition.as_ref().filter(|_| source.dialect == Dialect::Sqlite).and_then(unknown)
    {
        return Err(usage(format!("the condition of the rule about table {:?} names {name:?}", rule.table))
            .why("no table or column of the source has that name")
            .next("put texts in single quotes"));
    }
    match &rule.condition {
        Some(text) if !expression::is_condition(source.dialect, text) => Err(usage(format!(
            "the condition of the rule about table {:?} is not one expression",
            rule.table
        ))
        .next("write one expression over the table's columns, without ; comments and backslashes")),
        _ => Ok(()),
    }
}

fn new_names(rule: &TableRule, target: &dyn Rules) -> Result<()> {
    let columns = rule.columns.values().filter_map(|c| c.rename.as_ref());
    let refused = |name: &&String| !target.accepts_name(name);
    let table = rule.rename.as_ref().filter(|name| refused(name) || target.reserves(name));
    match table.into_iter().chain(columns.filter(refused)).next() {
        None => Ok(()),
        Some(name) => Err(usage(format!(
            "a rule about table {:?} gives the name {name:?}, which {} does not take",
            rule.table,
            target.flavour().title()
        ))
        .next("give a shorter or plainer name")),
    }
}

fn new_types(
    rule: &TableRule,
    table: &Table,
    source: Dialect,
    target: &dyn Rules,
    scope: Scope,
) -> Result<()> {
    for (name, column) in &rule.columns {
        let (Some(text), Some(declared)) = (&column.native_type, table.column(name)) else { continue };
        let place = format!("column {name:?} of table {:?}", table.name);
        if scope == Scope::DataOnly {
            return Err(usage(format!("a rule forces a type upon {place}, and --data-only makes no table"))
                .next("take the type out of the rule: that of the target is what it is"));
        }
        let text = spelled(target, text);
        let understood = expression::is_type(target.dialect(), &text).then(|| target.type_of(&text));
        let Some(new) = understood.filter(|t| !matches!(t, DataType::Native { .. } | DataType::Any)) else {
            let product = target.flavour().title();
            return Err(usage(format!(
                "a rule forces the type {text:?} upon {place}, which is no type of {product} that is known here"
            ))
            .next("docs/type-mapping.md lists the types"));
        };
        if !may_become(source, &declared.data_type, &new) {
            return Err(usage(format!(
                "a rule forces the type {text:?} upon {place}, whose {} is not read as such without a doubt",
                declared.native_type
            ))
            .next("docs/findings/type_forced.md says which types can be forced"));
        }
    }
    Ok(())
}

/// Whether a source's reader makes the same values of a column under another type, or refuses them. SQLite's looks at
/// each value; the servers convert where they are asked to, so only conversions that lose nothing are asked for.
fn may_become(source: Dialect, from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Bytes, Date, DateTime, Decimal, Enum, Float32, Float64, Int, Json, Set, Text, Time, TimeSpan,
        Timestamp, Uuid, Year,
    };
    source == Dialect::Sqlite
        || from == to
        || matches!(
            (from, to),
            (Int { .. } | Year, Int { .. } | Decimal { .. })
                | (Decimal { .. } | Float64, Decimal { .. })
                | (Float32, Float64)
                | (Bytes { .. }, Bytes { .. })
                | (Json { .. }, Json { .. })
                | (DateTime { .. }, DateTime { .. })
                | (Timestamp { .. }, Timestamp { .. })
                | (Time { .. }, Time { .. })
                | (TimeSpan { .. }, TimeSpan { .. })
                | (
                    Text { .. }
                        | Int { .. }
                        | Decimal { .. }
                        | Uuid
                        | Enum { .. }
                        | Set { .. }
                        | Json { .. }
                        | Date,
                    Text { .. }
                )
        )
}

/// Says what a rule does.
fn say(rule: &TableRule, table: &Table, target: &dyn Rules, findings: &mut Findings) {
    if let Some(name) = &rule.rename {
        let text = format!("is named {name:?} in the target, as a rule says");
        let note = Note::new(codes::RENAMED_BY_RULE, "table", FindingAction::Translated, text);
        findings.push(note.table(&table.name));
    }
    for column in &table.columns {
        let about = |code, action, text| {
            Note::new(code, "column", action, text).table(&table.name).column(&column.name)
        };
        if rule.exclude.contains(&column.name) {
            let text = format!("stays behind ({}), as a rule says", column.native_type);
            findings.push(about(codes::COLUMN_EXCLUDED, FindingAction::NotCarried, text));
        }
        let Some(changed) = rule.columns.get(&column.name) else { continue };
        if let Some(name) = &changed.rename {
            let text = format!("is named {name:?} in the target, as a rule says");
            findings.push(about(codes::RENAMED_BY_RULE, FindingAction::Translated, text));
        }
        if let Some(forced) = &changed.native_type {
            let (from, to) = (&column.native_type, spelled(target, forced));
            let text = format!("{from} becomes {to}, as a rule says");
            findings.push(about(codes::TYPE_FORCED, FindingAction::Translated, text));
        }
    }
}

/// Takes the columns that a rule leaves behind out of a table, and whatever needs them.
fn leave_columns(table: &mut Table, rule: &TableRule, dialect: Dialect, findings: &mut Findings) {
    if rule.exclude.is_empty() {
        return;
    }
    let name = table.name.clone();
    let is_gone = |column: &String| rule.exclude.contains(column);
    let mentioned = |text: &str| rule.exclude.iter().any(|c| expression::mentions(dialect, text, c));
    let mut lost = |code, kind: &str, object: Option<&str>, text: String| {
        let text = format!("needs a column that a rule leaves behind: {text}");
        let note = Note::new(code, kind, FindingAction::NotCarried, text);
        findings.push(note.table(&name).object(object));
    };
    if let Some(key) = table.primary_key.take_if(|key| key.columns.iter().any(is_gone)) {
        let text = format!("PRIMARY KEY ({})", key.columns.join(", "));
        lost(codes::UNIQUE_NOT_CARRIED, "primary key", key.name.as_deref(), text);
        // Without a primary key a table of SQLite has to have a rowid.
        table.options.without_rowid = false;
        table.options.autoincrement = false;
    }
    table.indexes.retain_mut(|index| {
        let keyed = index.parts.iter().any(|part| match &part.key {
            IndexKey::Column(column) => is_gone(column),
            IndexKey::Expression(text) => mentioned(text),
        });
        let further = index.include.iter().any(is_gone);
        index.include.retain(|column| !is_gone(column));
        let gone = keyed || index.predicate.as_deref().is_some_and(mentioned);
        if gone || further {
            let code = match (gone, index.unique) {
                (false, _) => codes::INDEX_SIMPLIFIED,
                (true, true) => codes::UNIQUE_NOT_CARRIED,
                (true, false) => codes::INDEX_NOT_CARRIED,
            };
            lost(code, "index", index.name.as_deref(), index.definition.clone());
        }
        !gone
    });
    table.checks.retain(|check| {
        let gone = mentioned(&check.expression);
        if gone {
            let text = format!("CHECK ({})", check.expression);
            lost(codes::CHECK_NOT_CARRIED, "check", check.name.as_deref(), text);
        }
        !gone
    });
    table.columns.retain(|column| !is_gone(&column.name));
    for column in &mut table.columns {
        if let Some(generated) = column.generated.take_if(|g| mentioned(&g.expression)) {
            let text = format!(
                "becomes a plain column with the values of today, because it needs one that a rule leaves behind: \
                 GENERATED ALWAYS AS ({})",
                generated.expression
            );
            let action = FindingAction::NotCarried;
            let note = Note::new(codes::GENERATED_NOT_CARRIED, "generated column", action, text);
            findings.push(note.table(&name).column(&column.name));
        }
    }
}

/// Takes out the foreign keys that lead from or to a column that stays behind.
fn leave_references(table: &mut Table, rules: &[TableRule], findings: &mut Findings) {
    let name = table.name.clone();
    let gone = |table: &str, columns: &[String]| {
        rule::about(rules, table).is_some_and(|rule| columns.iter().any(|c| rule.exclude.contains(c)))
    };
    table.foreign_keys.retain(|key| {
        let lost = gone(&name, &key.columns) || gone(&key.references, &key.referenced_columns);
        if lost {
            let text = format!(
                "needs a column that a rule leaves behind: FOREIGN KEY ({}) REFERENCES {} ({})",
                key.columns.join(", "),
                key.references,
                key.referenced_columns.join(", ")
            );
            let action = FindingAction::NotCarried;
            let note = Note::new(codes::FOREIGN_KEY_NOT_CARRIED, "foreign key", action, text);
            findings.push(note.table(&name).object(key.name.as_deref()));
        }
        !lost
    });
}

/// Prepares the columns whose type is forced: SQLite's declared types bind nobody, so there the forced one is what the
/// values are looked at for. A default of another kind would be no value of the new type.
fn force_types(
    table: &mut Table,
    rule: &TableRule,
    source: Dialect,
    target: &dyn Rules,
    findings: &mut Findings,
) {
    for column in &mut table.columns {
        let forced = rule.columns.get(&column.name).and_then(|c| c.native_type.as_ref());
        let Some(forced) = forced else { continue };
        let new = target.type_of(&spelled(target, forced));
        let keeps_default = match &column.default {
            None | Some(DefaultValue::Null) => true,
            Some(DefaultValue::Number(_)) => is_number(&new),
            Some(DefaultValue::Text(_)) => matches!(new, DataType::Text { .. }),
            Some(_) => std::mem::discriminant(&new) == std::mem::discriminant(&column.data_type),
        };
        if !keeps_default {
            column.default = None;
            let text = "is no certain value of the type that a rule forces upon its column";
            let action = FindingAction::NotCarried;
            let note = Note::new(codes::DEFAULT_NOT_CARRIED, "default", action, text);
            findings.push(note.table(&table.name).column(&column.name));
        }
        if !matches!(new, DataType::Text { .. }) {
            column.collation = None;
        }
        if source == Dialect::Sqlite {
            column.data_type = new;
        }
    }
}

fn is_number(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int { .. } | DataType::Decimal { .. } | DataType::Float32 | DataType::Float64
    )
}
