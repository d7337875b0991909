//! Whether a database is TechCare's, of which age, and what in it falls short of the known schema. A pure question
//! about a catalogue that has been read already.

use serde::Serialize;

use super::registry::known_schema;
use crate::model::codes::observed as codes;
use crate::model::endpoint::Dialect;
use crate::model::schema::{Column, DataType, IndexKey, Schema, Table};

/// What TechCare's tables in a database look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recognition {
    /// Age of the schema; `None` if this is not a TechCare database.
    pub variant: Option<Variant>,
    /// Those of the known tables that are there and are TechCare's, parents first.
    pub tables: Vec<KnownTable>,
    /// Known tables that are not there.
    pub missing_tables: Vec<String>,
}

/// Ages of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The role of a user is a row of `roles`.
    Current,
    /// The role of a user is still a text, `users.role`; `roles` may have been added by a script since.
    Older,
}

/// A table of the known schema as a database has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KnownTable {
    /// Name.
    pub name: String,
    /// Columns that the models have and the database lacks.
    pub missing_columns: Vec<String>,
    /// Columns that the database has and the models don't know. They are kept.
    pub extra_columns: Vec<String>,
    /// What else falls short: types too small, uniqueness or foreign keys that are not there.
    pub shortcomings: Vec<Shortcoming>,
}

/// In what a table falls short of the models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shortcoming {
    /// One of the codes of `check` ([`codes`]).
    pub code: &'static str,
    /// Column, or columns separated by commas.
    pub column: Option<String>,
    /// One clause about it.
    pub text: String,
}

impl Shortcoming {
    fn new(code: &'static str, column: Option<&str>, text: impl Into<String>) -> Self {
        Self { code, column: column.map(str::to_owned), text: text.into() }
    }

    /// The clause with its place in front.
    fn sentence(&self, table: &str) -> String {
        match &self.column {
            Some(column) => format!("{table}.{column} {}", self.text),
            None => format!("{table} {}", self.text),
        }
    }
}

impl Recognition {
    /// Whether this is a TechCare database.
    pub fn is_techcare(&self) -> bool {
        self.variant.is_some()
    }

    /// Everything that keeps the database from being what the migrations make, one clause each. Columns that are
    /// too many are no fault.
    pub fn faults(&self) -> Vec<String> {
        let missing_tables = self.missing_tables.iter().map(|name| format!("table {name} is missing"));
        let in_tables = self.tables.iter().flat_map(|table| {
            let missing = table.missing_columns.iter().map(|c| format!("{}.{c} is missing", table.name));
            missing.chain(hard(table))
        });
        missing_tables.chain(in_tables).collect()
    }
}

/// Shortcomings that keep a table from holding what TechCare stores, or from guarding it as the models do.
fn hard(table: &KnownTable) -> impl Iterator<Item = String> {
    let counted = table.shortcomings.iter().filter(|s| s.code != codes::LETS_NULL_IN);
    counted.map(|s| s.sentence(&table.name))
}

/// Looks for TechCare in a catalogue. A table counts as TechCare's if it has more than half of the columns that the
/// models give it (other applications have a `users` too); a database counts if that holds for `users` and for one
/// more table.
pub fn recognise(schema: &Schema) -> Recognition {
    let known = known_schema();
    let mut tables = Vec::new();
    let mut missing_tables = Vec::new();
    for name in migration::TABLES {
        match (known.table(name), schema.table(name)) {
            (Some(known), Some(found)) if is_similar(known, found) => {
                tables.push(compare(known, found, schema.dialect));
            }
            _ => missing_tables.push(name.to_owned()),
        }
    }
    let has_users = tables.iter().any(|t: &KnownTable| t.name == "users");
    let has_text_role = schema
        .table("users")
        .and_then(|users| users.column("role"))
        .is_some_and(|role| matches!(role.data_type, DataType::Text { .. }));
    let variant = if !has_users || tables.len() < 2 {
        None
    } else if has_text_role {
        Some(Variant::Older)
    } else {
        Some(Variant::Current)
    };
    Recognition { variant, tables, missing_tables }
}

/// What the models say of those tables of a catalogue that are TechCare's.
pub fn models_of(schema: &Schema) -> Schema {
    let mut known = known_schema();
    known.tables.retain(|model| schema.table(&model.name).is_some_and(|found| is_similar(model, found)));
    known
}

fn is_similar(known: &Table, found: &Table) -> bool {
    let shared = known.columns.iter().filter(|c| found.column(&c.name).is_some()).count();
    shared * 2 > known.columns.len()
}

fn compare(known: &Table, found: &Table, dialect: Dialect) -> KnownTable {
    let name = &known.name;
    let mut missing_columns = Vec::new();
    let mut shortcomings = Vec::new();
    for column in &known.columns {
        match found.column(&column.name) {
            None => missing_columns.push(column.name.clone()),
            Some(there) => {
                shortcomings.extend(shortcoming(column, there, dialect));
                let in_key = known.key_columns().contains(&column.name);
                shortcomings.extend(nullability(column, there).filter(|_| !in_key));
            }
        }
    }
    let is_key = |t: &Table| t.primary_key.as_ref().map(|key| key.columns.clone());
    if is_key(known) != is_key(found) {
        shortcomings.push(Shortcoming::new(codes::OTHER_PRIMARY_KEY, None, "has another primary key"));
    }
    for index in &known.indexes {
        let wanted = plain_columns(index);
        if !found.indexes.iter().any(|i| i.unique && i.predicate.is_none() && plain_columns(i) == wanted) {
            shortcomings.push(Shortcoming::new(codes::NOT_UNIQUE, Some(&wanted.join(", ")), "is not unique"));
        }
    }
    for key in &known.foreign_keys {
        let same = |k: &&crate::model::schema::ForeignKey| {
            k.columns == key.columns
                && k.references == key.references
                && k.referenced_columns == key.referenced_columns
        };
        let absent = key.columns.iter().all(|c| found.column(c).is_none());
        if !absent && found.foreign_keys.iter().find(same).is_none() {
            let text = format!("does not reference {}", key.references);
            shortcomings.push(Shortcoming::new(codes::NO_FOREIGN_KEY, Some(&key.columns.join(", ")), text));
        }
    }
    let extra = found.columns.iter().filter(|c| known.column(&c.name).is_none());
    KnownTable {
        name: name.clone(),
        missing_columns,
        extra_columns: extra.map(|c| c.name.clone()).collect(),
        shortcomings,
    }
}

fn plain_columns(index: &crate::model::schema::Index) -> Vec<&str> {
    index
        .parts
        .iter()
        .map(|part| match &part.key {
            IndexKey::Column(name) if part.prefix.is_none() => name.as_str(),
            _ => "",
        })
        .collect()
}

/// What keeps a column from holding what the known one holds.
fn shortcoming(known: &Column, found: &Column, dialect: Dialect) -> Option<Shortcoming> {
    let name = Some(known.name.as_str());
    if !holds(&known.data_type, found, dialect) {
        let text = format!("is {}, which cannot hold all that TechCare stores there", found.native_type);
        return Some(Shortcoming::new(codes::WRONG_TYPE, name, text));
    }
    if found.collation.as_ref().is_some_and(|c| !c.is_exact()) && known.data_type.is_text() {
        return Some(Shortcoming::new(codes::LOOSE_COMPARISON, name, "takes different texts for equal"));
    }
    None
}

fn nullability(known: &Column, found: &Column) -> Option<Shortcoming> {
    let name = Some(known.name.as_str());
    match (known.nullable, found.nullable) {
        (true, false) if found.default.is_none() => {
            Some(Shortcoming::new(codes::NOT_NULL, name, "takes no NULL, which TechCare stores there"))
        }
        (false, true) => {
            Some(Shortcoming::new(codes::LETS_NULL_IN, name, "takes NULL, which the models do not have"))
        }
        _ => None,
    }
}

fn holds(known: &DataType, found: &Column, dialect: Dialect) -> bool {
    match (known, &found.data_type) {
        (DataType::Int { bits, .. }, DataType::Int { bits: there, unsigned: false }) => {
            // SQLite declares a width and holds 64 bits.
            there >= bits || dialect == Dialect::Sqlite
        }
        (DataType::Text { max_chars, .. }, DataType::Text { max_chars: there, fixed: false }) => {
            let native = found.native_type.to_ascii_lowercase();
            let ends_early =
                dialect == Dialect::Mysql && (native.starts_with("text") || native.starts_with("tinytext"));
            match (max_chars, there) {
                _ if dialect == Dialect::Sqlite => true,
                (None, _) if ends_early => false,
                (_, None) => true,
                (Some(wanted), Some(there)) => there >= wanted,
                (None, Some(there)) => *there > u64::from(u16::MAX),
            }
        }
        (DataType::DateTime { precision }, DataType::DateTime { precision: there }) => there >= precision,
        (DataType::Bool, DataType::Bool) | (DataType::Float64, DataType::Float64) => true,
        (DataType::Float64, DataType::Float32) => dialect == Dialect::Sqlite,
        // MySQL has no truth value, and its catalogue only says `tinyint(1)`.
        (DataType::Bool, DataType::Int { .. }) => dialect == Dialect::Mysql,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column<'a>(schema: &'a mut Schema, table: &str, column: &str) -> &'a mut Column {
        let table = schema.tables.iter_mut().find(|t| t.name == table).unwrap();
        table.columns.iter_mut().find(|c| c.name == column).unwrap()
    }

    fn table<'a>(schema: &'a mut Schema, table: &str) -> &'a mut Table {
        schema.tables.iter_mut().find(|t| t.name == table).unwrap()
    }

    #[test]
    fn the_known_schema_is_itself() {
        let recognition = recognise(&known_schema());
        assert_eq!(recognition.variant, Some(Variant::Current));
        assert!(recognition.faults().is_empty(), "{:?}", recognition.faults());
    }

    #[test]
    fn the_older_schema_lacks_role_id_and_has_a_text_role() {
        let mut schema = known_schema();
        schema.tables.retain(|t| t.name != "roles");
        let role = column(&mut schema, "users", "role_id");
        role.name = "role".into();
        role.data_type = DataType::Text { max_chars: Some(20), fixed: false };
        table(&mut schema, "users").foreign_keys.clear();
        let recognition = recognise(&schema);
        assert_eq!(recognition.variant, Some(Variant::Older));
        assert_eq!(recognition.missing_tables, ["roles"]);
        assert_eq!(recognition.faults(), ["table roles is missing", "users.role_id is missing"]);
        assert_eq!(recognition.tables[0].extra_columns, ["role"]);
    }

    #[test]
    fn another_application_with_users_is_not_techcare() {
        let mut schema = known_schema();
        schema.tables.retain(|t| t.name == "users");
        assert_eq!(recognise(&schema).variant, None);
        let mut schema = known_schema();
        table(&mut schema, "users").columns.truncate(3);
        assert_eq!(recognise(&schema).variant, None);
    }

    #[test]
    fn types_that_the_application_gets_on_mysql_fall_short() {
        let mut schema = known_schema();
        schema.dialect = Dialect::Mysql;
        column(&mut schema, "users", "password_hash").data_type =
            DataType::Text { max_chars: Some(128), fixed: false };
        column(&mut schema, "users", "created_at").data_type = DataType::DateTime { precision: 0 };
        column(&mut schema, "diagnostics", "score").data_type = DataType::Float32;
        let faults = recognise(&schema).faults();
        for place in ["users.password_hash", "users.created_at", "diagnostics.score", "diagnostics.notes"] {
            assert!(faults.iter().any(|fault| fault.starts_with(place)), "{place}: {faults:?}");
        }
        // `TEXT` of MySQL, nine columns, ends at 64 KiB.
        assert_eq!(faults.len(), 12);
    }

    #[test]
    fn declared_lengths_bind_nothing_in_sqlite() {
        let mut schema = known_schema();
        column(&mut schema, "users", "password_hash").data_type =
            DataType::Text { max_chars: Some(128), fixed: false };
        assert!(recognise(&schema).faults().is_empty());
    }

    #[test]
    fn lost_uniqueness_and_references_are_named() {
        let mut schema = known_schema();
        let users = table(&mut schema, "users");
        users.indexes.remove(0);
        users.foreign_keys.clear();
        assert_eq!(
            recognise(&schema).faults(),
            ["users.username is not unique", "users.role_id does not reference roles"]
        );
    }
}
