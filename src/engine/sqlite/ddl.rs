//! SQLite's [`Rules`]: quoting, defaults, identities and the statements of a plan. Pure; the type table is in
//! `types`, running the statements in `stage`.
//! SQLite cannot add a constraint to a table, so keys, foreign keys, uniques and checks all stand in CREATE TABLE.

use std::fmt::Write as _;

use super::cell::{self, Misfit, Reading};
use super::types::{self, Affinity};
use super::{default, on_update, origins};
use crate::engine::capability::{
    Capabilities, ColumnInput, LooseKey, Mapping, NameLimit, Naming, ReadColumn, Rules,
};
use crate::engine::kept::{Kept, Unfit};
use crate::model::batch::Batch;
use crate::model::codes;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{
    ColumnPlan, ColumnProfile, ForeignKeyPlan, IdentityPlan, IndexPlan, KeyPlan, Plan, Script, Statement,
    TablePlan,
};
use crate::model::schema::{
    Action, Collation, Column, Constrained, DataType, DefaultValue, Deferrable, Identity, IdentityGeneration,
    ObjectKind,
};
use crate::model::value;

/// Name of the CHECK that holds the labels of an enum; what follows is the name of the enum, if it had one.
pub const ENUM_CHECK: &str = "enum:";

/// What SQLite can do.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    max_name: NameLimit::Unlimited,
    max_columns: 2000,
    max_indexes: usize::MAX,
    max_index_columns: 2000,
    case_sensitive_tables: false,
    case_sensitive_columns: false,
    index_names_are_global: true,
    indexes_share_names_with_tables: true,
    primary_key_names: true,
    constraint_names_are_global: false,
    partial_indexes: true,
    expression_indexes: true,
    invisible_columns: false,
    index_prefixes: false,
    index_include: false,
    index_nulls_order: false,
    index_methods: &[],
    deferrable: true,
    deferrable_unique: false,
    unique_constraints: true,
    set_default: true,
    unique_parents: false,
    match_full: false,
    checks: true,
    generated_stored: true,
    generated_not_null: true,
    generated_virtual: true,
    default_expressions: true,
    sequences: false,
    late_instants: true,
    comments: false,
    on_update_now: false,
    restores_whole: true,
    writers: 1,
};

/// Rules of SQLite, the same for every file.
#[derive(Debug, Clone, Copy, Default)]
pub struct SqliteRules;

impl Rules for SqliteRules {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn flavour(&self) -> Flavour {
        Flavour::Sqlite
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    /// <https://sqlite.org/fileformat2.html#internal_schema_objects>.
    fn reserves(&self, name: &str) -> bool {
        name.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("sqlite_"))
    }

    fn quote(&self, name: &str) -> String {
        quote(name)
    }

    fn char_length(&self, quoted: &str) -> String {
        format!("length({quoted})")
    }

    fn exactly(&self, quoted: &str) -> String {
        format!("{quoted} COLLATE BINARY")
    }

    fn literal(&self, text: &str) -> String {
        literal(text)
    }

    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping {
        types::map_column(input)
    }

    fn default(&self, value: &DefaultValue, mapping: &Mapping) -> Option<String> {
        default::write(value, mapping)
    }

    fn type_of(&self, native: &str) -> DataType {
        types::data_type(native)
    }

    fn restored(
        &self,
        own: Mapping,
        foreign: Mapping,
        seen: Option<&ColumnProfile>,
        strict: bool,
    ) -> Mapping {
        // Values are stored by the affinity of the declared type; of one, they are the same under either name.
        // JSON has the affinity of numbers, which the reader knows of. Decimals are text only where a number would lose
        // digits.
        let affinity = types::affinity(&own.native_type);
        let same = affinity == types::affinity(&foreign.native_type);
        let numbers = affinity == Affinity::Numeric
            && matches!(foreign.carries, DataType::Decimal { .. })
            && seen.is_some_and(|seen| seen.numbers == Some(true));
        // In a STRICT table ANY converts nothing; in any other it is a name of numbers.
        let any = strict && own.native_type.eq_ignore_ascii_case(types::ANY);
        if same || numbers || any || matches!(types::data_type(&own.native_type), DataType::Json { .. }) {
            Mapping { carries: foreign.carries, ..own }
        } else {
            foreign
        }
    }

    fn holds_strictly(&self, column: &Mapping) -> bool {
        types::holds_strictly(&column.native_type, &column.carries)
    }

    fn loose_key(&self, column: &str, collation: &Collation, _: Dialect, ascii: bool) -> Option<LooseKey> {
        // NOCASE knows ASCII letters only, and no blanks.
        if collation.case_insensitive && !ascii && !collation.ascii_case {
            return None;
        }
        let expression = collation.pads.then(|| format!("rtrim({})", quote(column)));
        let collation = collation.case_insensitive.then(|| "NOCASE".to_owned());
        let loose = expression.is_some() || collation.is_some();
        loose.then_some(LooseKey { expression, collation, needs: None, keeps_accents: false })
    }

    fn identity(&self, identity: &Identity, mapping: &Mapping) -> Option<IdentityPlan> {
        let generation = match identity.generation {
            IdentityGeneration::Rowid => IdentityGeneration::Rowid,
            // Only AUTOINCREMENT remembers a high-water mark.
            _ => IdentityGeneration::AutoIncrement,
        };
        mapping.native_type.eq_ignore_ascii_case("INTEGER").then_some(IdentityPlan {
            generation,
            next: identity.next,
            increment: 1,
        })
    }

    fn keeps(&self, _: &Column, seen: &[&ColumnProfile]) -> DataType {
        cell::keeps(seen)
    }

    fn reread(&self, kept: Kept<'_>, column: &ReadColumn, batch: &mut Batch) -> Result<(), Unfit> {
        const NOT_OURS: Unfit =
            Unfit { code: codes::WRONG_STORAGE_CLASS, text: "is of no storage class of SQLite" };
        let stored = cell::stored(kept).ok_or(NOT_OURS)?;
        let reading = Reading::of(&column.native_type, column.epoch);
        let mut scratch = String::new();
        let read = cell::interpret(stored, &column.carries, reading, &mut scratch);
        read.map_err(|m| Unfit { code: m.code, text: m.text })?.push(batch);
        Ok(())
    }

    fn reread_by_rule(&self, kept: Kept<'_>, column: &ReadColumn, unfit: Unfit, batch: &mut Batch) -> bool {
        let misfit = Misfit { code: unfit.code, text: unfit.text };
        let reading = Reading::of(&column.native_type, column.epoch);
        let mut scratch = String::new();
        let made = cell::stored(kept)
            .and_then(|stored| cell::convert(stored, &column.carries, reading, misfit, &mut scratch));
        made.map(|value| value.push(batch)).is_some()
    }

    fn script(&self, plan: &Plan, naming: &Naming) -> Script {
        let mut script = Script::default();
        for table in &plan.tables {
            let name = naming.table(&table.name);
            let statement =
                |what: String, sql: String| Statement { table: Some(table.source.clone()), what, sql };
            script
                .before
                .push(statement(format!("table {}", quote(&table.name)), create_table(plan, table, naming)));
            for index in table.indexes.iter().filter(|i| !is_inline(i)) {
                let index_name = index.name.clone().unwrap_or_else(|| made_up_name(table, index));
                script.indexes.push(statement(
                    format!("index {}", quote(&index_name)),
                    create_index(&name, &index_name, index),
                ));
            }
            if let Some((trigger, sql)) = on_update::trigger(table, &name) {
                script.last.push(statement(format!("trigger {}", quote(&trigger)), sql));
            }
            if let Some(mark) = high_water_mark(table) {
                let name = literal(&name);
                let what = format!("next value of {}", quote(&table.name));
                script.last.push(statement(
                    what.clone(),
                    format!("UPDATE sqlite_sequence SET seq = max(seq, {mark}) WHERE name = {name}"),
                ));
                script.last.push(statement(
                    what,
                    format!(
                        "INSERT INTO sqlite_sequence (name, seq) SELECT {name}, {mark} \
                         WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = {name})"
                    ),
                ));
            }
        }
        let settings = plan.objects.iter().filter(|o| o.kind == ObjectKind::Setting);
        script.last.extend(settings.map(|setting| Statement {
            table: None,
            what: setting.name.clone(),
            sql: setting.definition.clone(),
        }));
        script
    }
}

/// A quoted identifier.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A character string literal. SQLite reads SQL text up to the first NUL, so that one is spelled out.
pub fn literal(text: &str) -> String {
    if text.contains('\0') {
        return format!("CAST(x'{}' AS TEXT)", value::format_hex(text.as_bytes()));
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Column names, quoted and joined.
pub fn column_list(names: &[String]) -> String {
    names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", ")
}

fn create_table(plan: &Plan, table: &TablePlan, naming: &Naming) -> String {
    let rowid = rowid_column(table);
    let mut lines: Vec<String> =
        table.columns.iter().map(|c| column_definition(plan, table, c, rowid)).collect();
    if let Some(key) = &table.primary_key
        && !key_is_in_column(plan, table, rowid)
    {
        let conflict = on_conflict(table, |constraint| *constraint == Constrained::PrimaryKey);
        lines.push(format!("{}PRIMARY KEY ({}){conflict}", named(key.name.as_deref()), key_parts(key)));
    }
    for index in table.indexes.iter().filter(|i| is_inline(i)) {
        let columns: Vec<&String> = index.parts.iter().filter_map(|part| part.column.as_ref()).collect();
        let conflict = on_conflict(table, |constraint| match constraint {
            Constrained::Unique(of) => of.iter().eq(columns.iter().copied()),
            _ => false,
        });
        lines.push(format!("{}UNIQUE ({}){conflict}", named(index.name.as_deref()), index_parts(index)));
    }
    for key in &table.foreign_keys {
        lines.push(foreign_key(key, naming));
    }
    for check in &table.checks {
        lines.push(format!("{}CHECK ({})", named(check.name.as_deref()), check.expression));
    }
    for column in &table.columns {
        lines.extend(enum_check(column));
    }
    let mut sql = format!(
        "CREATE TABLE {} (\n  {}{}\n)",
        quote(&naming.table(&table.name)),
        origins::before_columns(table.origin.as_ref()),
        lines.join(",\n  ")
    );
    let options = [(table.without_rowid, "WITHOUT ROWID"), (table.strict, "STRICT")];
    let options: Vec<&str> = options.iter().filter(|(set, _)| *set).map(|(_, text)| *text).collect();
    if !options.is_empty() {
        let _ = write!(sql, " {}", options.join(", "));
    }
    sql
}

/// The column that hands out values: the whole primary key, declared INTEGER, in a table with rowids.
fn rowid_column(table: &TablePlan) -> Option<&ColumnPlan> {
    let key = sole_key(table)?;
    let column = table.columns.iter().find(|c| c.name == key)?;
    let alias = column.native_type.eq_ignore_ascii_case("INTEGER") && !table.without_rowid;
    (alias && column.identity.is_some()).then_some(column)
}

fn sole_key(table: &TablePlan) -> Option<&str> {
    match table.primary_key.as_ref()?.columns.as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

/// AUTOINCREMENT can only be said beside the column; and an INTEGER key of SQLite that is *not* the rowid can
/// only be had by its historical quirk, `INTEGER PRIMARY KEY DESC`.
fn key_is_in_column(plan: &Plan, table: &TablePlan, rowid: Option<&ColumnPlan>) -> bool {
    rowid.map_or_else(|| is_quirk(plan, table), is_autoincrement)
}

fn is_autoincrement(column: &ColumnPlan) -> bool {
    column.identity.as_ref().is_some_and(|i| i.generation != IdentityGeneration::Rowid)
}

fn is_quirk(plan: &Plan, table: &TablePlan) -> bool {
    let column = sole_key(table).and_then(|key| table.columns.iter().find(|c| c.name == key));
    plan.source == Dialect::Sqlite
        && !table.without_rowid
        && column.is_some_and(|c| c.native_type.eq_ignore_ascii_case("INTEGER") && c.identity.is_none())
}

fn column_definition(
    plan: &Plan,
    table: &TablePlan,
    column: &ColumnPlan,
    rowid: Option<&ColumnPlan>,
) -> String {
    let mut sql = quote(&column.name);
    if !column.native_type.is_empty() {
        let _ = write!(sql, " {}", column.native_type);
    }
    let is_key = sole_key(table) == Some(column.name.as_str());
    if is_key && key_is_in_column(plan, table, rowid) {
        let name = table.primary_key.as_ref().and_then(|KeyPlan { name, .. }| name.as_deref());
        let conflict = on_conflict(table, |constraint| *constraint == Constrained::PrimaryKey);
        let (order, autoincrement) = if rowid.is_some() { ("", " AUTOINCREMENT") } else { (" DESC", "") };
        let _ = write!(sql, " {}PRIMARY KEY{order}{conflict}{autoincrement}", named(name));
    }
    if let Some(collation) = &column.collation {
        let _ = write!(sql, " COLLATE {}", quote(collation));
    }
    if !column.nullable {
        sql.push_str(" NOT NULL");
        let own = |constraint: &Constrained| *constraint == Constrained::NotNull(column.name.clone());
        sql.push_str(&on_conflict(table, own));
    }
    if let Some(default) = &column.default {
        let _ = write!(sql, " DEFAULT {default}");
    }
    if let Some(generated) = &column.generated {
        let kind = if generated.stored { "STORED" } else { "VIRTUAL" };
        let _ = write!(sql, " GENERATED ALWAYS AS ({}) {kind}", generated.expression);
    }
    sql + &origins::after_column(column.origin.as_ref())
}

/// What a constraint says of conflicts, with a blank in front.
fn on_conflict(table: &TablePlan, of: impl Fn(&Constrained) -> bool) -> String {
    let clause = table.on_conflict.iter().find(|clause| of(&clause.constraint));
    clause.map(|clause| format!(" ON CONFLICT {}", clause.resolution.sql())).unwrap_or_default()
}

/// The labels of an enum, in a form from which `inspect` makes the enum again.
fn enum_check(column: &ColumnPlan) -> Option<String> {
    let DataType::Enum { name, labels } = &column.carries else { return None };
    let labels: Vec<String> = labels.iter().map(|l| literal(l)).collect();
    Some(format!(
        "CONSTRAINT {} CHECK ({} IN ({}))",
        quote(&format!("{ENUM_CHECK}{}", name.as_deref().unwrap_or_default())),
        quote(&column.name),
        labels.join(", ")
    ))
}

fn foreign_key(key: &ForeignKeyPlan, naming: &Naming) -> String {
    let mut sql = format!(
        "{}FOREIGN KEY ({}) REFERENCES {} ({})",
        named(key.name.as_deref()),
        column_list(&key.columns),
        quote(&naming.table(&key.references)),
        column_list(&key.referenced_columns)
    );
    for (event, action) in [("DELETE", key.on_delete), ("UPDATE", key.on_update)] {
        if action != Action::NoAction {
            let _ = write!(sql, " ON {event} {}", action.sql());
        }
    }
    if key.match_full {
        sql.push_str(" MATCH FULL");
    }
    match key.deferrable {
        Deferrable::No => {}
        Deferrable::Immediate => sql.push_str(" DEFERRABLE INITIALLY IMMEDIATE"),
        Deferrable::Deferred => sql.push_str(" DEFERRABLE INITIALLY DEFERRED"),
    }
    sql
}

fn named(name: Option<&str>) -> String {
    name.map(|n| format!("CONSTRAINT {} ", quote(n))).unwrap_or_default()
}

/// A constraint over columns; SQLite has none with WHERE or over expressions.
fn is_inline(index: &IndexPlan) -> bool {
    index.constraint
        && index.unique
        && index.predicate.is_none()
        && index.parts.iter().all(|p| p.column.is_some())
}

fn index_parts(index: &IndexPlan) -> String {
    let part = |p: &crate::model::plan::IndexPartPlan| {
        let mut sql = match (&p.column, &p.expression) {
            (Some(column), _) => quote(column),
            (None, Some(expression)) => format!("({expression})"),
            (None, None) => String::new(),
        };
        if let Some(collation) = &p.collation {
            let _ = write!(sql, " COLLATE {}", quote(collation));
        }
        if p.descending {
            sql.push_str(" DESC");
        }
        sql
    };
    index.parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// The columns of a primary key.
fn key_parts(key: &KeyPlan) -> String {
    let part = |(at, column): (usize, &String)| {
        let collation = key.collations.get(at).and_then(Option::as_ref);
        let collation = collation.map(|name| format!(" COLLATE {}", quote(name))).unwrap_or_default();
        let order = if key.descending.get(at) == Some(&true) { " DESC" } else { "" };
        format!("{}{collation}{order}", quote(column))
    };
    key.columns.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
}

fn create_index(table: &str, name: &str, index: &IndexPlan) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let mut sql =
        format!("CREATE {unique}INDEX {} ON {} ({})", quote(name), quote(table), index_parts(index));
    if let Some(predicate) = &index.predicate {
        let _ = write!(sql, " WHERE {predicate}");
    }
    sql
}

fn made_up_name(table: &TablePlan, index: &IndexPlan) -> String {
    let parts = index.parts.iter().map(|p| p.column.as_deref().unwrap_or("expr"));
    let parts: Vec<&str> =
        std::iter::once("ix").chain(std::iter::once(table.name.as_str())).chain(parts).collect();
    parts.join("_")
}

/// What `sqlite_sequence` has to hold at least: the last value handed out, not the next.
fn high_water_mark(table: &TablePlan) -> Option<i64> {
    let column = rowid_column(table).filter(|c| is_autoincrement(c))?;
    let last = column.identity.as_ref()?.next?.saturating_sub(1);
    (last > 0).then(|| i64::try_from(last).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::{CheckPlan, GeneratedPlan};
    use crate::model::sample::{self, key};

    fn column(name: &str, native_type: &str) -> ColumnPlan {
        sample::column(name, native_type, DataType::Any)
    }

    fn plan(table: TablePlan) -> Plan {
        sample::plan(Dialect::Postgres, Flavour::Sqlite, vec![table])
    }

    fn table(columns: Vec<ColumnPlan>) -> TablePlan {
        sample::table("t", columns)
    }

    fn index(name: &str, column: &str) -> IndexPlan {
        sample::index(name, true, &[column])
    }

    fn identity(generation: IdentityGeneration, next: i128) -> IdentityPlan {
        IdentityPlan { generation, next: Some(next), increment: 1 }
    }

    #[test]
    fn names_and_text_cannot_break_out() {
        assert_eq!(quote("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\0'"), "CAST(x'610027' AS TEXT)");
    }

    #[test]
    fn a_high_water_mark_becomes_autoincrement() {
        let mut id = column("id", "INTEGER");
        id.nullable = false;
        id.identity = Some(identity(IdentityGeneration::AutoIncrement, 5000));
        let mut t = table(vec![id]);
        t.primary_key = Some(key(&["id"]));
        let script = SqliteRules.script(&plan(t), &Naming::default());
        assert_eq!(
            script.before[0].sql,
            "CREATE TABLE \"t\" (\n  \"id\" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL\n)"
        );
        assert_eq!(script.last[0].sql, "UPDATE sqlite_sequence SET seq = max(seq, 4999) WHERE name = 't'");
    }

    #[test]
    fn a_rowid_alias_is_declared_as_sqlalchemy_declares_it() {
        let mut id = column("id", "INTEGER");
        id.nullable = false;
        id.identity = Some(identity(IdentityGeneration::Rowid, 7));
        let mut t = table(vec![id]);
        t.primary_key = Some(key(&["id"]));
        let script = SqliteRules.script(&plan(t), &Naming::default());
        assert_eq!(
            script.before[0].sql,
            "CREATE TABLE \"t\" (\n  \"id\" INTEGER NOT NULL,\n  PRIMARY KEY (\"id\")\n)"
        );
        assert!(script.last.is_empty());
    }

    #[test]
    fn everything_that_guards_data_stands_in_create_table() {
        let mut total = column("total", "INT");
        total.generated = Some(GeneratedPlan { expression: "\"a\" + 1".into(), stored: true });
        let mut kind = column("kind", "VARCHAR(2)");
        kind.carries = DataType::Enum { name: Some("kinds".into()), labels: vec!["a'b".into(), "c".into()] };
        kind.default = Some("'c'".into());
        let mut name = column("name", "VARCHAR(64)");
        name.collation = Some("NOCASE".into());
        let mut t = table(vec![column("a", "INT"), total, kind, name]);
        t.primary_key = Some(KeyPlan { name: Some("pk".into()), ..key(&["name", "a"]) });
        t.without_rowid = true;
        t.strict = true;
        t.checks.push(CheckPlan { name: Some("ck".into()), expression: "a > 0".into(), original: None });
        let mut unique = index("uq", "a");
        unique.constraint = true;
        let mut partial = index("ix", "name");
        partial.predicate = Some("a > 5".into());
        partial.parts[0].descending = true;
        partial.parts[0].collation = Some("RTRIM".into());
        t.indexes = vec![unique, partial];
        t.foreign_keys.push(ForeignKeyPlan {
            deferrable: Deferrable::Deferred,
            ..sample::foreign_key(&["a", "kind"], "p", &["x", "y"])
        });
        let script = SqliteRules.script(&plan(t), &Naming { prefix: "p_".into(), outside: None });
        let expected = r#"CREATE TABLE "p_t" (
  "a" INT,
  "total" INT GENERATED ALWAYS AS ("a" + 1) STORED,
  "kind" VARCHAR(2) DEFAULT 'c',
  "name" VARCHAR(64) COLLATE "NOCASE",
  CONSTRAINT "pk" PRIMARY KEY ("name", "a"),
  CONSTRAINT "uq" UNIQUE ("a"),
  CONSTRAINT "fk" FOREIGN KEY ("a", "kind") REFERENCES "p_p" ("x", "y") ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT "ck" CHECK (a > 0),
  CONSTRAINT "enum:kinds" CHECK ("kind" IN ('a''b', 'c'))
) WITHOUT ROWID, STRICT"#;
        assert_eq!(script.before[0].sql, expected);
        assert_eq!(
            script.indexes[0].sql,
            "CREATE UNIQUE INDEX \"ix\" ON \"p_t\" (\"name\" COLLATE \"RTRIM\" DESC) WHERE a > 5"
        );
    }
}
