//! TechCare's entities as a neutral schema, read from what SeaORM itself knows about them: a column added to an
//! entity is known here without another line. Which database has these tables is [`super::recognition`]'s question.

use entity::{diagnostic, maintenance_plan, role, user};
use sea_orm::sea_query::{ColumnType, StringLen};
use sea_orm::{
    ColumnTrait, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn, PrimaryKeyTrait, RelationTrait,
};

use crate::model::endpoint::Dialect;
use crate::model::schema::{
    Action, Column, DataType, Deferrable, ForeignKey, Identity, IdentityGeneration, Index, IndexKey,
    IndexPart, PrimaryKey, Schema, Table, TableOptions,
};

/// Type for columns that need one and cannot say it: a fault in an entity, shown by a test.
const UNKNOWN: DataType = DataType::Any;

/// The tables that TechCare's models define, as its SQLite files declare them, with types that hold what is
/// really stored.
pub fn known_schema() -> Schema {
    let mut tables = vec![
        table::<role::Entity>(),
        table::<user::Entity>(),
        table::<diagnostic::Entity>(),
        table::<maintenance_plan::Entity>(),
    ];
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Schema { dialect: Dialect::Sqlite, tables, objects: Vec::new() }
}

/// One entity as a table.
fn table<E: EntityTrait>() -> Table {
    let name = E::default().table_name().to_owned();
    let key: Vec<_> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
    let key_names: Vec<String> = key.iter().map(|column| column.as_str().to_owned()).collect();
    let columns = E::Column::iter().map(|c| column::<E>(c, &key_names)).collect();
    Table {
        columns,
        primary_key: Some(PrimaryKey {
            name: None,
            prefixes: vec![None; key_names.len()],
            columns: key_names,
            descending: Vec::new(),
            collations: Vec::new(),
        }),
        indexes: E::Column::iter().filter_map(|column| unique(&name, column)).collect(),
        foreign_keys: E::Relation::iter().filter_map(|relation| foreign_key(&relation)).collect(),
        checks: Vec::new(),
        comment: None,
        options: TableOptions::default(),
        estimated_rows: None,
        bytes: None,
        origin: None,
        name,
    }
}

fn column<E: EntityTrait>(column: E::Column, key: &[String]) -> Column {
    let definition = column.def();
    let name = column.as_str().to_owned();
    let is_identity = E::PrimaryKey::auto_increment() && key == [name.as_str()];
    let (data_type, native_type) = types(definition.get_column_type());
    Column {
        data_type,
        native_type,
        nullable: definition.is_null(),
        default: None,
        generated: None,
        identity: is_identity.then_some(Identity {
            generation: IdentityGeneration::Rowid,
            next: None,
            increment: 1,
            sequence: None,
        }),
        on_update_now: false,
        collation: None,
        comment: None,
        origin: None,
        domain: None,
        reaches: Vec::new(),
        name,
    }
}

/// Neutral type, and the type as SQLAlchemy declares it in SQLite.
fn types(declared: &ColumnType) -> (DataType, String) {
    match declared {
        ColumnType::Integer => (DataType::INT32, "INTEGER".into()),
        ColumnType::BigInteger => (DataType::INT64, "INTEGER".into()),
        ColumnType::Double => (DataType::Float64, "FLOAT".into()),
        ColumnType::Boolean => (DataType::Bool, "BOOLEAN".into()),
        ColumnType::DateTime => (DataType::DateTime { precision: 6 }, "DATETIME".into()),
        ColumnType::Text => (DataType::TEXT, "TEXT".into()),
        ColumnType::String(StringLen::N(length)) => (
            DataType::Text { max_chars: Some(u64::from(*length)), fixed: false },
            format!("VARCHAR({length})"),
        ),
        _ => (UNKNOWN, String::new()),
    }
}

/// `unique` is SQLAlchemy's `unique=True`, an unnamed constraint; `unique, indexed` is its `unique=True,
/// index=True`, a unique index under SQLAlchemy's name for it.
fn unique<C: ColumnTrait>(table: &str, column: C) -> Option<Index> {
    let definition = column.def();
    if !definition.is_unique() {
        return None;
    }
    // SeaORM has no question for `indexed`, but a definition that has it is not changed by getting it.
    let indexed = definition.clone().indexed() == definition;
    let column = column.as_str();
    let name = indexed.then(|| format!("ix_{table}_{column}"));
    Some(Index {
        definition: match &name {
            Some(name) => format!("CREATE UNIQUE INDEX {name} ON {table} ({column})"),
            None => format!("UNIQUE ({column})"),
        },
        name,
        unique: true,
        constraint: !indexed,
        parts: vec![IndexPart {
            key: IndexKey::Column(column.to_owned()),
            descending: false,
            nulls_first: None,
            collation: None,
            prefix: None,
            operator_class: None,
        }],
        include: Vec::new(),
        predicate: None,
        method: None,
        nulls_not_distinct: false,
        reaches: Vec::new(),
        origin: None,
        deferrable: Deferrable::No,
    })
}

/// `belongs_to` relations are foreign keys, the others are their far ends.
fn foreign_key<R: RelationTrait>(relation: &R) -> Option<ForeignKey> {
    let relation = relation.def();
    if relation.is_owner || relation.skip_fk {
        return None;
    }
    Some(ForeignKey {
        name: None,
        columns: relation.from_col.iter().map(ToString::to_string).collect(),
        references: relation.to_tbl.sea_orm_table().to_string(),
        referenced_columns: relation.to_col.iter().map(ToString::to_string).collect(),
        on_delete: Action::NoAction,
        on_update: Action::NoAction,
        deferrable: Deferrable::No,
        match_full: false,
        validated: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_type() {
        let schema = known_schema();
        let names: Vec<_> = schema.tables.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["diagnostics", "maintenance_plans", "roles", "users"]);
        for table in &schema.tables {
            for column in &table.columns {
                assert_ne!(column.data_type, UNKNOWN, "{}.{}", table.name, column.name);
            }
        }
    }

    #[test]
    fn keys_and_indexes_are_those_of_the_models() {
        let schema = known_schema();
        let users = schema.table("users").unwrap();
        assert_eq!(users.key_columns(), ["id"]);
        assert!(users.column("id").unwrap().identity.is_some());
        assert!(!users.column("id").unwrap().nullable && users.column("role_id").unwrap().nullable);
        let names: Vec<_> = users.indexes.iter().map(|i| (i.name.as_deref(), i.constraint)).collect();
        assert_eq!(names, [(Some("ix_users_username"), false), (Some("ix_users_email"), false)]);
        let roles = schema.table("roles").unwrap();
        assert_eq!(roles.indexes.len(), 1);
        assert!(roles.indexes[0].name.is_none() && roles.indexes[0].constraint);
        let key = &users.foreign_keys[0];
        assert_eq!(
            (key.columns.as_slice(), key.references.as_str()),
            (["role_id".to_owned()].as_slice(), "roles")
        );
        assert_eq!(key.referenced_columns, ["id"]);
        assert!(schema.table("maintenance_plans").unwrap().foreign_keys.len() == 1);
    }

    #[test]
    fn lengths_hold_what_is_stored() {
        let schema = known_schema();
        let hash = schema.table("users").unwrap().column("password_hash").unwrap().data_type.clone();
        assert_eq!(hash, DataType::Text { max_chars: Some(255), fixed: false });
        let day = &schema.table("maintenance_plans").unwrap().column("day_of_month").unwrap().data_type;
        assert_eq!(*day, DataType::INT64);
    }
}
