//! Small schemas in few words.

use crate::model::endpoint::Dialect;
use crate::model::schema::{
    Action, Check, Collation, Column, DataType, DefaultValue, Deferrable, ForeignKey, Generated, Identity,
    IdentityGeneration, Index, IndexKey, IndexPart, PrimaryKey, Schema, Table, TableOptions,
};

pub(super) fn schema(dialect: Dialect, tables: Vec<Table>) -> Schema {
    Schema { dialect, tables, objects: vec![] }
}

pub(super) fn table(name: &str, columns: Vec<Column>) -> Table {
    Table {
        name: name.into(),
        columns,
        primary_key: None,
        indexes: vec![],
        foreign_keys: vec![],
        checks: vec![],
        comment: None,
        options: TableOptions::default(),
        estimated_rows: None,
        bytes: None,
        origin: None,
    }
}

pub(super) fn column(name: &str, native: &str, data_type: DataType) -> Column {
    Column {
        name: name.into(),
        data_type,
        native_type: native.into(),
        nullable: true,
        default: None,
        generated: None,
        identity: None,
        on_update_now: false,
        collation: None,
        comment: None,
        origin: None,
        domain: None,
        reaches: Vec::new(),
    }
}

pub(super) fn int(name: &str) -> Column {
    column(name, "INTEGER", DataType::INT64)
}

pub(super) fn varchar(name: &str, length: u64) -> Column {
    column(name, &format!("VARCHAR({length})"), DataType::Text { max_chars: Some(length), fixed: false })
}

pub(super) fn text(name: &str) -> Column {
    column(name, "TEXT", DataType::TEXT)
}

pub(super) fn datetime(name: &str) -> Column {
    column(name, "DATETIME", DataType::DateTime { precision: 6 })
}

/// A surrogate key.
pub(super) fn id() -> Column {
    let identity =
        Identity { generation: IdentityGeneration::Rowid, next: None, increment: 1, sequence: None };
    Column { nullable: false, identity: Some(identity), ..int("id") }
}

pub(super) fn ignoring_case() -> Collation {
    Collation {
        name: "nocase".into(),
        case_insensitive: true,
        ascii_case: true,
        accent_insensitive: false,
        pads: false,
    }
}

impl Column {
    pub(super) fn required(self) -> Self {
        Self { nullable: false, ..self }
    }

    pub(super) fn default_to(self, value: DefaultValue) -> Self {
        Self { default: Some(value), ..self }
    }

    pub(super) fn generated(self, expression: &str, stored: bool) -> Self {
        Self { generated: Some(Generated { expression: expression.into(), stored }), ..self }
    }

    pub(super) fn collate(self, collation: Collation) -> Self {
        Self { collation: Some(collation), ..self }
    }
}

impl Table {
    pub(super) fn key(self, columns: &[&str]) -> Self {
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let prefixes = vec![None; columns.len()];
        Self {
            primary_key: Some(PrimaryKey {
                name: None,
                columns,
                prefixes,
                descending: vec![],
                collations: vec![],
            }),
            ..self
        }
    }

    pub(super) fn index(mut self, index: Index) -> Self {
        self.indexes.push(index);
        self
    }

    pub(super) fn references(mut self, column: &str, parent: &str, name: Option<&str>) -> Self {
        self.foreign_keys.push(ForeignKey {
            name: name.map(Into::into),
            columns: vec![column.into()],
            references: parent.into(),
            referenced_columns: vec!["id".into()],
            on_delete: Action::NoAction,
            on_update: Action::NoAction,
            deferrable: Deferrable::No,
            match_full: false,
            validated: true,
        });
        self
    }

    pub(super) fn check(mut self, name: Option<&str>, expression: &str) -> Self {
        self.checks.push(Check {
            name: name.map(Into::into),
            expression: expression.into(),
            reaches: Vec::new(),
            validated: true,
        });
        self
    }
}

/// A plain index over columns.
pub(super) fn index(name: &str, columns: &[&str]) -> Index {
    let part = |column: &&str| IndexPart {
        key: IndexKey::Column((*column).into()),
        descending: false,
        nulls_first: None,
        collation: None,
        prefix: None,
        operator_class: None,
    };
    Index {
        name: (!name.is_empty()).then(|| name.into()),
        unique: false,
        constraint: false,
        parts: columns.iter().map(part).collect(),
        include: vec![],
        predicate: None,
        method: None,
        nulls_not_distinct: false,
        reaches: Vec::new(),
        origin: None,
        deferrable: Deferrable::No,
        definition: format!("INDEX {name} ({})", columns.join(", ")),
    }
}

impl Index {
    pub(super) fn unique(self) -> Self {
        Self { unique: true, definition: format!("UNIQUE {}", self.definition), ..self }
    }

    pub(super) fn constraint(self) -> Self {
        Self { constraint: true, ..self.unique() }
    }

    pub(super) fn wherever(self, predicate: &str) -> Self {
        Self { predicate: Some(predicate.into()), ..self }
    }
}
