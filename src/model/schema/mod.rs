//! The neutral schema: what any of the engines can say about a database, and nothing that only one reader needs.
//! Engines translate their catalogues into it (`inspect`), the planner turns it into a [`super::plan::Plan`].
//! Whatever has no neutral form keeps its original text here, so that it can be named when it is not carried.

mod data_type;
mod keys;
mod objects;

use serde::{Deserialize, Deserializer, Serialize};

use super::endpoint::{Dialect, Flavour};
use super::origin::{Origin, TableOrigin};

pub use data_type::{Collation, DataType};
pub use keys::{
    Action, Check, Constrained, Deferrable, ForeignKey, Index, IndexKey, IndexPart, OnConflict, PrimaryKey,
    Resolution,
};
pub use objects::{Composition, Object, ObjectKind};

/// A whole database as one engine describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Engine whose catalogue this was read from; texts below (`Expression`, definitions) are in its dialect.
    pub dialect: Dialect,
    /// Ordinary tables (partitioned parents included, their partitions not), sorted by name.
    pub tables: Vec<Table>,
    /// Everything that is not a table or part of one, with its original text.
    pub objects: Vec<Object>,
}

impl Schema {
    /// The table of that exact name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.name == name)
    }
}

/// A table and everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name as the catalogue spells it.
    pub name: String,
    /// Columns in their order.
    pub columns: Vec<Column>,
    /// Primary key, if there is one.
    pub primary_key: Option<PrimaryKey>,
    /// Unique constraints, unique and plain indexes; never the primary key's own index.
    pub indexes: Vec<Index>,
    /// Foreign keys that this table declares.
    pub foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// Comment on the table.
    pub comment: Option<String>,
    /// Storage properties that only some engines know.
    pub options: TableOptions,
    /// Rows as the catalogue estimates them; `None` where it does not say.
    pub estimated_rows: Option<u64>,
    /// Bytes on disk as the engine reports them.
    pub bytes: Option<u64>,
    /// What it was in the database that this program brought it from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<TableOrigin>,
}

impl Table {
    /// The column of that exact name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Names of the columns that identify a row: the primary key, else the first unique index over plain
    /// NOT NULL columns, else nothing.
    pub fn key_columns(&self) -> Vec<String> {
        if let Some(key) = &self.primary_key {
            return key.columns.clone();
        }
        let not_null = |name: &str| self.column(name).is_some_and(|c| !c.nullable);
        self.indexes
            .iter()
            .filter(|i| i.unique && i.predicate.is_none())
            .find_map(|i| {
                i.parts
                    .iter()
                    .map(|p| match &p.key {
                        IndexKey::Column(name) if not_null(name) && p.prefix.is_none() => Some(name.clone()),
                        _ => None,
                    })
                    .collect::<Option<Vec<_>>>()
            })
            .unwrap_or_default()
    }
}

/// Storage properties that only some engines know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOptions {
    /// SQLite `WITHOUT ROWID`.
    pub without_rowid: bool,
    /// SQLite `STRICT`.
    pub strict: bool,
    /// SQLite `AUTOINCREMENT` on the rowid alias.
    pub autoincrement: bool,
    /// SQLite `ON CONFLICT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_conflict: Vec<OnConflict>,
    /// Storage engine of MySQL/MariaDB (`InnoDB`, `MyISAM`, …).
    pub storage_engine: Option<String>,
    /// Partitioning clause in the source's own words (`RANGE (payment_date)`, …).
    pub partitioned_by: Option<String>,
    /// Clause that keeps the past of rows, in the source's own words (MariaDB `WITH SYSTEM VERSIONING`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioned_by: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Name as the catalogue spells it.
    pub name: String,
    /// What the column holds, in neutral terms.
    pub data_type: DataType,
    /// The type as the source spells it, complete enough to declare the column again on the same engine.
    pub native_type: String,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// DEFAULT, if there is one; never set together with `generated` or `identity`.
    pub default: Option<DefaultValue>,
    /// Generated column.
    pub generated: Option<Generated>,
    /// Identity, SERIAL, `AUTO_INCREMENT`, or SQLite's rowid alias.
    pub identity: Option<Identity>,
    /// MySQL `ON UPDATE CURRENT_TIMESTAMP`, or the trigger that this program makes of it elsewhere.
    pub on_update_now: bool,
    /// How text compares; `None` for the engine's default and for types that are not text.
    pub collation: Option<Collation>,
    /// Comment on the column.
    pub comment: Option<String>,
    /// What it was in the database that this program brought it from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<Origin>,
    /// The domain that it is declared with. `data_type` and `native_type` are those of the type below it, `nullable`
    /// and `default` what both say together.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub domain: Option<Domain>,
    /// What its default or generated expression uses beside the engine's own functions and operators, as
    /// [`Check::reaches`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
}

impl Column {
    /// Whether it holds decimals that were numbers of SQLite once, whose column there takes text for a number.
    pub fn decimal_of_sqlite(&self) -> bool {
        let was = |origin: &Origin| origin.product == Flavour::Sqlite;
        matches!(self.data_type, DataType::Decimal { .. }) && self.origin.as_ref().is_some_and(was)
    }
}

/// A column's declaration with a domain (PostgreSQL): where the domain goes along, the column says only this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Name of the domain, which is an [`Object`] of the schema.
    pub name: String,
    /// Whether the column itself allows NULL.
    pub nullable: bool,
    /// DEFAULT of the column itself.
    pub default: Option<DefaultValue>,
    /// What the domain's checks say of the column, those of the domains below it included.
    #[serde(deserialize_with = "read_domain_checks")]
    pub checks: Vec<Check>,
}

/// Reads the checks of a domain, each of which is its expression alone in archives that were written before a check said
/// what it reaches.
fn read_domain_checks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Check>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Expression(String),
        Check(Check),
    }
    let checks = Vec::<Written>::deserialize(from)?;
    Ok(checks
        .into_iter()
        .map(|check| match check {
            Written::Expression(expression) => {
                Check { name: None, expression, reaches: Vec::new(), validated: true }
            }
            Written::Check(check) => check,
        })
        .collect())
}

/// DEFAULT of a column, read into a form that every dialect can write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultValue {
    /// Explicit `DEFAULT NULL`.
    Null,
    /// Truth value.
    Bool(bool),
    /// Number, as written.
    Number(String),
    /// Character string, unescaped.
    Text(String),
    /// Byte string.
    Bytes(Vec<u8>),
    /// `CURRENT_TIMESTAMP` and its synonyms (`now()`, `datetime('now')`): date and time of the statement.
    CurrentTimestamp,
    /// `CURRENT_DATE`.
    CurrentDate,
    /// `CURRENT_TIME`.
    CurrentTime,
    /// Anything else, in the source's own words.
    Expression(String),
}

/// A generated (computed) column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// Expression in the source's own words.
    pub expression: String,
    /// STORED rather than VIRTUAL.
    pub stored: bool,
}

/// A column whose value the engine hands out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// How strictly.
    pub generation: IdentityGeneration,
    /// Next value that the engine would hand out (its high-water mark, not max + 1); `None` where the engine
    /// itself derives it from the rows (SQLite without AUTOINCREMENT).
    pub next: Option<i128>,
    /// Step between values.
    pub increment: i64,
    /// Sequence behind it, where it has a name of its own.
    pub sequence: Option<String>,
}

/// How strictly an engine hands out values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityGeneration {
    /// `GENERATED ALWAYS AS IDENTITY`.
    Always,
    /// `GENERATED BY DEFAULT AS IDENTITY`.
    ByDefault,
    /// `SERIAL`: a default of `nextval` on an owned sequence.
    Serial,
    /// MySQL `AUTO_INCREMENT`, SQLite `AUTOINCREMENT`.
    AutoIncrement,
    /// SQLite's rowid alias without AUTOINCREMENT: max + 1.
    Rowid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_older_archives_are_read() {
        let domain = |checks: &str| {
            let text =
                format!(r#"{{"name": "year", "nullable": true, "default": null, "checks": {checks}}}"#);
            serde_json::from_str::<Domain>(&text).unwrap()
        };
        let expected =
            Check { name: None, expression: "(y >= 1901)".into(), reaches: Vec::new(), validated: true };
        let older = domain(r#"["(y >= 1901)"]"#);
        assert_eq!(older.checks, [expected]);
        assert_eq!(domain(&serde_json::to_string(&older.checks).unwrap()), older);
    }
}
