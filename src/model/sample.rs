//! Parts of plans for tests: each the plainest of its kind, so that a test says only what it is about and a new
//! field of a plan is filled in at one place.

use super::endpoint::{Dialect, Flavour};
use super::plan::{
    ColumnPlan, Fidelity, ForeignKeyPlan, IndexPartPlan, IndexPlan, KeyPlan, Plan, Scope, TablePlan,
};
use super::schema::{Action, DataType, Deferrable};

/// A nullable column that has the same name and type on both sides.
pub fn column(name: &str, native_type: &str, carries: DataType) -> ColumnPlan {
    ColumnPlan {
        source: name.into(),
        source_type: native_type.into(),
        name: name.into(),
        filled: true,
        native_type: native_type.into(),
        carries,
        epoch: None,
        fidelity: Fidelity::Exact,
        nullable: true,
        default: None,
        on_update_now: false,
        generated: None,
        identity: None,
        collation: None,
        invisible: false,
        comment: None,
        origin: None,
        domain: None,
    }
}

/// A table of nothing but columns.
pub fn table(name: &str, columns: Vec<ColumnPlan>) -> TablePlan {
    TablePlan {
        source: name.into(),
        name: name.into(),
        columns,
        primary_key: None,
        indexes: vec![],
        foreign_keys: vec![],
        checks: vec![],
        comment: None,
        origin: None,
        without_rowid: false,
        strict: false,
        on_conflict: Vec::new(),
        key: vec![],
        estimated_rows: None,
        replaces: false,
        replaces_rows: false,
        filter: None,
    }
}

/// A primary key without a name.
pub fn key(columns: &[&str]) -> KeyPlan {
    KeyPlan { name: None, columns: names(columns), prefixes: vec![], descending: vec![], collations: vec![] }
}

/// An index over whole columns.
pub fn index(name: &str, unique: bool, columns: &[&str]) -> IndexPlan {
    IndexPlan::over(Some(name.into()), unique, columns.iter().map(|column| part(column)).collect())
}

/// A key of an index that is a whole column.
pub fn part(column: &str) -> IndexPartPlan {
    IndexPartPlan::plain(Some(column.into()), None)
}

/// A foreign key named `fk` with ON DELETE CASCADE.
pub fn foreign_key(columns: &[&str], parent: &str, key: &[&str]) -> ForeignKeyPlan {
    ForeignKeyPlan {
        name: Some("fk".into()),
        columns: names(columns),
        references: parent.into(),
        referenced_columns: names(key),
        on_delete: Action::Cascade,
        on_update: Action::NoAction,
        deferrable: Deferrable::No,
        match_full: false,
    }
}

/// A plan without findings.
pub fn plan(source: Dialect, target_flavour: Flavour, tables: Vec<TablePlan>) -> Plan {
    Plan {
        source,
        target: target_flavour.dialect(),
        target_flavour,
        late_instants: false,
        scope: Scope::All,
        types: vec![],
        tables,
        objects: vec![],
        views: vec![],
        findings: vec![],
        policies: super::policy::Policies::default(),
        restores: false,
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
