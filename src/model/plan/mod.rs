//! The plan: everything that a migration will do, as a value. Made by a pure function (`pipeline/plan`), printed
//! by `--dry-run`, held by snapshot tests, rendered into statements by the target's dialect, executed as it stands.

mod finding;
mod profile;
mod script;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::endpoint::{Dialect, Flavour};
use super::epoch::Epoch;
use super::origin::{IndexOrigin, Origin, TableOrigin};
use super::policy::Policies;
use super::schema::{Action, DataType, Deferrable, IdentityGeneration, ObjectKind, OnConflict};
use super::view::ViewPlan;

pub use finding::{Finding, FindingAction, Severity};
pub use profile::{ColumnProfile, Misfit, Outgrown, StorageClasses, TableProfile};
pub use script::{Script, Statement};

/// How the names of columns begin that a plan makes for indexes ([`ColumnPlan::invisible`]).
pub const INVISIBLE: &str = "techcare_db_";

/// A migration as a value. Every SQL text in it is in the target's dialect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Engine of the source.
    pub source: Dialect,
    /// Engine of the target.
    pub target: Dialect,
    /// Product of the target.
    pub target_flavour: Flavour,
    /// Columns of instants in the target hold those after 2038-01-19 03:14:07 UTC, too.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub late_instants: bool,
    /// What is made and filled.
    pub scope: Scope,
    /// Types to make first, in order.
    pub types: Vec<TypePlan>,
    /// Tables, referenced ones first where there is no cycle.
    pub tables: Vec<TablePlan>,
    /// What stands beside the tables, in the order in which it is made.
    #[serde(default)]
    pub objects: Vec<ObjectPlan>,
    /// Views, those first that others read. They are made last, and only those stay that prove right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<ViewPlan>,
    /// Everything that will not arrive as it was, and everything that stops the migration.
    pub findings: Vec<Finding>,
    /// What the user decided about findings, those included that only the load will meet.
    #[serde(skip_serializing_if = "Policies::is_empty", default)]
    pub policies: Policies,
    /// A backup is put back: tables come as they were, and keep nothing of those that give way to them.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub restores: bool,
}

impl Plan {
    /// The tables and foreign keys under the names of the source: what can be asked of it in the words of the plan.
    #[must_use]
    pub fn in_source(&self) -> Self {
        let of_table = |name: &str| self.tables.iter().find(|t| t.name == name);
        let of_column = |table: &str, name: &String| {
            let column = of_table(table).and_then(|t| t.columns.iter().find(|c| c.name == *name));
            column.map_or_else(|| name.clone(), |c| c.source.clone())
        };
        let mut out = self.clone();
        for table in &mut out.tables {
            let name = std::mem::replace(&mut table.name, table.source.clone());
            for column in &mut table.key {
                *column = of_column(&name, column);
            }
            for key in &mut table.foreign_keys {
                for column in &mut key.columns {
                    *column = of_column(&name, column);
                }
                for column in &mut key.referenced_columns {
                    *column = of_column(&key.references, column);
                }
                if let Some(parent) = of_table(&key.references) {
                    key.references.clone_from(&parent.source);
                }
            }
        }
        out
    }

    /// The tables whose rows are carried whole, with the foreign keys among them: a key to or from rows that stay
    /// behind can be judged only by what arrived.
    #[must_use]
    pub fn unfiltered(&self) -> Self {
        let mut plan = self.clone();
        plan.tables.retain(|t| t.filter.is_none());
        let names = |table: &TablePlan| table.copied().map(|c| c.name.clone()).collect::<BTreeSet<String>>();
        let whole: BTreeMap<String, BTreeSet<String>> =
            plan.tables.iter().map(|table| (table.name.clone(), names(table))).collect();
        for table in &mut plan.tables {
            let own = names(table);
            // The target's own table may have keys over columns of which nothing comes.
            table.foreign_keys.retain(|key| {
                let parent = whole.get(&key.references);
                key.columns.iter().all(|c| own.contains(c))
                    && parent.is_some_and(|parent| key.referenced_columns.iter().all(|c| parent.contains(c)))
            });
        }
        plan
    }

    /// The same of one table alone, to look at its values in the target before anything is made.
    #[must_use]
    pub fn alone(&self, table: TablePlan) -> Self {
        Self {
            tables: vec![table],
            views: Vec::new(),
            findings: Vec::new(),
            policies: Policies::default(),
            restores: false,
            scope: Scope::All,
            ..self.clone()
        }
    }

    /// Findings that stop the migration.
    pub fn blockers(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.severity == Severity::Blocker)
    }
}

/// Which half of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Tables and rows.
    #[default]
    All,
    /// Tables without rows.
    SchemaOnly,
    /// Rows into tables that are there.
    DataOnly,
}

/// A type that the target needs before its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypePlan {
    /// Name.
    pub name: String,
    /// Labels of the enum.
    pub labels: Vec<String>,
}

/// Something beside the tables: a sequence, collation or type, which is made before them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPlan {
    /// What it is.
    pub kind: ObjectKind,
    /// Name in the target.
    pub name: String,
    /// The statement that makes it, unqualified.
    pub definition: String,
}

/// Which rows of a table are carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Only those for which this is true, in SQL of the source.
    pub condition: String,
    /// Rows that stay behind; `None` where nobody counted.
    pub left: Option<u64>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "independent properties of a table")]
pub struct TablePlan {
    /// Name in the source.
    pub source: String,
    /// Name in the target.
    pub name: String,
    /// Columns in order, generated ones included.
    pub columns: Vec<ColumnPlan>,
    /// Primary key.
    pub primary_key: Option<KeyPlan>,
    /// Unique constraints and indexes.
    pub indexes: Vec<IndexPlan>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKeyPlan>,
    /// Checks.
    pub checks: Vec<CheckPlan>,
    /// Comment.
    pub comment: Option<String>,
    /// What is kept with the table so that the way back ends where it began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<TableOrigin>,
    /// SQLite: WITHOUT ROWID.
    pub without_rowid: bool,
    /// SQLite: STRICT.
    pub strict: bool,
    /// SQLite: ON CONFLICT.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_conflict: Vec<OnConflict>,
    /// Columns (of the target) that identify a row, for messages and for finding differences; may be empty.
    pub key: Vec<String>,
    /// Rows as far as known.
    pub estimated_rows: Option<u64>,
    /// A table of that name is in the target; this one takes its place at the switch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// The one that it replaces may hold rows: the user has asked for it. Otherwise it must be empty, at the switch
    /// too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces_rows: bool,
    /// Which rows are carried; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
}

impl TablePlan {
    /// Columns whose values are copied: those that the source has, but for the generated ones.
    pub fn copied(&self) -> impl Iterator<Item = &ColumnPlan> {
        self.columns.iter().filter(|c| c.filled && c.generated.is_none())
    }

    /// The table with some of its columns, forbidding nothing: to look at values in the target before it is made.
    #[must_use]
    pub fn bare(&self, wanted: impl Fn(&ColumnPlan) -> bool) -> Self {
        let columns = self.columns.iter().filter(|c| wanted(c)).map(|c| ColumnPlan {
            nullable: true,
            default: None,
            on_update_now: false,
            identity: None,
            invisible: false,
            comment: None,
            origin: None,
            domain: None,
            ..c.clone()
        });
        Self {
            columns: columns.collect(),
            primary_key: None,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            comment: None,
            origin: None,
            without_rowid: false,
            strict: false,
            on_conflict: Vec::new(),
            replaces: false,
            ..self.clone()
        }
    }

    /// Drops the columns that nobody sees and that no index is over any more.
    pub fn drop_unused_keys(&mut self) {
        let Self { columns, indexes, .. } = self;
        let is_key = |c: &ColumnPlan| {
            indexes.iter().flat_map(|i| &i.parts).any(|part| part.column.as_ref() == Some(&c.name))
        };
        columns.retain(|c| !c.invisible || is_key(c));
    }

    /// Leaves a check out of what is kept of domains: it does not go along after all.
    pub fn forget_check(&mut self, check: &CheckPlan) {
        let kept = self.columns.iter_mut().filter_map(|c| c.origin.as_mut()?.domain.as_mut());
        for domain in kept.filter(|domain| domain.checks.contains(&check.expression)) {
            domain.checks.retain(|held| *held != check.expression);
            domain.unguarded = true;
        }
    }

    /// Whether all referencing columns of a foreign key take NULL.
    pub fn takes_null(&self, key: &ForeignKeyPlan) -> bool {
        key.columns.iter().all(|name| self.columns.iter().any(|c| c.name == *name && c.nullable))
    }
}

const fn yes() -> bool {
    true
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "independent properties of a column")]
pub struct ColumnPlan {
    /// Name in the source; that of the target where the source has no such column.
    pub source: String,
    /// Type in the source, in its own words; empty where the source has no such column.
    pub source_type: String,
    /// Whether the source has values for it. Only the target's own table has a column that is not filled: its rows
    /// get NULL or the default there.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub filled: bool,
    /// Name in the target.
    pub name: String,
    /// Type in the target, in its own words, without NOT NULL, DEFAULT, COLLATE.
    pub native_type: String,
    /// What travels: fixes the cells that the source's reader makes, the target's writer takes, and the target's
    /// reader makes again for the proof.
    pub carries: DataType,
    /// Unit of the numbers that stand for times in the source.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<Epoch>,
    /// How faithful the target's type is.
    pub fidelity: Fidelity,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// DEFAULT in the target's words.
    pub default: Option<String>,
    /// ON UPDATE CURRENT_TIMESTAMP; what has no such thing (PostgreSQL, SQLite) gets a trigger.
    pub on_update_now: bool,
    /// Generated column in the target's words; its values are not copied.
    pub generated: Option<GeneratedPlan>,
    /// Identity.
    pub identity: Option<IdentityPlan>,
    /// COLLATE in the target's words, unquoted name.
    pub collation: Option<String>,
    /// Made by the plan for an index that the target cannot have otherwise; `SELECT *` does not show it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invisible: bool,
    /// Comment.
    pub comment: Option<String>,
    /// What is kept with the column so that the way back ends where it began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// PostgreSQL: name of the domain that the column is declared with, in place of `native_type`, which is the type
    /// below it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub domain: Option<String>,
}

impl ColumnPlan {
    /// Takes away the default, also one that the column would have from its domain.
    pub fn leave_default(&mut self) {
        self.default = self.domain.is_some().then(|| "NULL".into());
        if let Some(domain) = self.origin.as_mut().and_then(|o| o.domain.as_mut()) {
            domain.default = None;
        }
    }
}

/// How faithful a type of the target is to the one of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Holds exactly the same values.
    Exact,
    /// Holds all of them and more.
    Wider,
    /// Holds all of them under a documented spelling (a UUID as text).
    Emulated,
    /// Cannot hold them: the plan has a blocker for the column.
    Unsupported,
}

/// Generated column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeneratedPlan {
    /// Expression.
    pub expression: String,
    /// STORED rather than VIRTUAL.
    pub stored: bool,
}

/// Identity of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityPlan {
    /// Kind, as the target can have it.
    pub generation: IdentityGeneration,
    /// Least next value (the source's high-water mark); the target takes the greater of it and max + 1.
    pub next: Option<i128>,
    /// Step.
    pub increment: i64,
}

/// Primary key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPlan {
    /// Name of the constraint, where it should have one.
    pub name: Option<String>,
    /// Columns in key order.
    pub columns: Vec<String>,
    /// MySQL prefix lengths, column by column; empty where there is none.
    pub prefixes: Vec<Option<u32>>,
    /// DESC, column by column; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descending: Vec<bool>,
    /// COLLATE in the target's words, unquoted, column by column; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collations: Vec<Option<String>>,
}

/// Unique constraint or index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlan {
    /// Name; `None` lets the target make one up.
    pub name: Option<String>,
    /// Whether it forbids duplicates.
    pub unique: bool,
    /// Declare it as a constraint.
    pub constraint: bool,
    /// Keys.
    pub parts: Vec<IndexPartPlan>,
    /// PostgreSQL INCLUDE.
    pub include: Vec<String>,
    /// WHERE.
    pub predicate: Option<String>,
    /// Access method or kind.
    pub method: Option<String>,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// Deferrability.
    pub deferrable: Deferrable,
    /// What is kept with the index so that the way back ends where it began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<IndexOrigin>,
}

impl IndexPlan {
    /// A plain index over these keys.
    pub fn over(name: Option<String>, unique: bool, parts: Vec<IndexPartPlan>) -> Self {
        Self {
            name,
            unique,
            constraint: false,
            parts,
            include: Vec::new(),
            predicate: None,
            method: None,
            nulls_not_distinct: false,
            deferrable: Deferrable::No,
            origin: None,
        }
    }
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPartPlan {
    /// A column of the target, if the key is one.
    pub column: Option<String>,
    /// An expression in the target's words, if the key is one.
    pub expression: Option<String>,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST / LAST.
    pub nulls_first: Option<bool>,
    /// COLLATE in the target's words, unquoted name.
    pub collation: Option<String>,
    /// MySQL prefix.
    pub prefix: Option<u32>,
    /// PostgreSQL operator class.
    pub operator_class: Option<String>,
}

impl IndexPartPlan {
    /// A key that is a column or an expression as it stands.
    pub fn plain(column: Option<String>, expression: Option<String>) -> Self {
        Self {
            column,
            expression,
            descending: false,
            nulls_first: None,
            collation: None,
            prefix: None,
            operator_class: None,
        }
    }
}

/// Foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKeyPlan {
    /// Name; `None` lets the target make one up.
    pub name: Option<String>,
    /// Referencing columns.
    pub columns: Vec<String>,
    /// Referenced table, in the target.
    pub references: String,
    /// Referenced columns.
    pub referenced_columns: Vec<String>,
    /// ON DELETE.
    pub on_delete: Action,
    /// ON UPDATE.
    pub on_update: Action,
    /// Deferrability.
    pub deferrable: Deferrable,
    /// MATCH FULL.
    pub match_full: bool,
}

/// CHECK.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPlan {
    /// Name.
    pub name: Option<String>,
    /// Expression in the target's words.
    pub expression: String,
    /// The same in the source's words, where those are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn orphans_are_sought_under_the_names_of_the_source() {
        let mut child = sample::table("kid", vec![sample::column("parent_", "int", DataType::INT32)]);
        child.source = "child".into();
        child.columns[0].source = "parent".into();
        child.key = vec!["parent_".into()];
        child.foreign_keys = vec![sample::foreign_key(&["parent_"], "top", &["id_"])];
        let mut parent = sample::table("top", vec![sample::column("id_", "int", DataType::INT32)]);
        parent.source = "Parent".into();
        parent.columns[0].source = "Id".into();
        let there = sample::plan(Dialect::Mysql, Flavour::Sqlite, vec![child, parent]).in_source();
        let child = &there.tables[0];
        assert_eq!((child.name.as_str(), child.key[0].as_str()), ("child", "parent"));
        let key = &child.foreign_keys[0];
        assert_eq!((key.columns[0].as_str(), key.references.as_str()), ("parent", "Parent"));
        assert_eq!(key.referenced_columns, ["Id"]);
    }
}
