//! The neutral schema: what any of the engines can say about a database, and nothing that only one reader needs.
//! Engines translate their catalogues into it (`inspect`), the planner turns it into a [`super::plan::Plan`].
//! Whatever has no neutral form keeps its original text here, so that it can be named when it is not carried.

use serde::{Deserialize, Deserializer, Serialize};

use super::endpoint::Dialect;
use super::origin::Origin;

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
    /// Storage engine of MySQL/MariaDB (`InnoDB`, `MyISAM`, …).
    pub storage_engine: Option<String>,
    /// Partitioning clause in the source's own words (`RANGE (payment_date)`, …).
    pub partitioned_by: Option<String>,
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
            Written::Expression(expression) => Check { name: None, expression, reaches: Vec::new() },
            Written::Check(check) => check,
        })
        .collect())
}

/// What a column holds. Closed on purpose: an engine maps every type of its own to one of these, and
/// [`DataType::Native`] keeps what has no neutral form as the text that the engine itself prints and reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// Truth value. Cells: `Bool`.
    Bool,
    /// Integer of 8, 16, 24, 32 or 64 bits. Cells: `Int`, and `UInt` for unsigned values above `i64::MAX` only.
    Int {
        /// Width in bits.
        bits: u8,
        /// Whether negative values are excluded.
        unsigned: bool,
    },
    /// IEEE 754 single precision. Cells: `Float` holding the exact value of the single.
    Float32,
    /// IEEE 754 double precision. Cells: `Float`.
    Float64,
    /// Exact decimal. Cells: `Decimal` (text form, see [`super::value`]).
    Decimal {
        /// Total digits; `None` is unbounded.
        precision: Option<u32>,
        /// Digits after the point; `None` is as many as a value has.
        scale: Option<i32>,
    },
    /// Character data. Cells: `Text`.
    Text {
        /// Most characters (not bytes) that the declaration allows; `None` is unbounded.
        max_chars: Option<u64>,
        /// `CHAR(n)`: blank-padded by declaration.
        fixed: bool,
    },
    /// Byte string. Cells: `Bytes`.
    Bytes {
        /// Most bytes that the declaration allows; `None` is unbounded.
        max_bytes: Option<u64>,
        /// `BINARY(n)`: zero-padded by declaration.
        fixed: bool,
    },
    /// Calendar date. Cells: `Date`.
    Date,
    /// Time of day without zone, `00:00:00` to `24:00:00`. Cells: `Time`.
    Time {
        /// Fractional digits, 0 to 6.
        precision: u8,
    },
    /// Time span as MySQL's TIME holds it, ±838:59:59. Cells: `Time` (may be negative or above 24 h).
    TimeSpan {
        /// Fractional digits, 0 to 6.
        precision: u8,
    },
    /// Time of day with offset (PostgreSQL `timetz`). Cells: `Text` in ISO form.
    TimeTz,
    /// Date and time without zone (wall clock). Cells: `DateTime`.
    DateTime {
        /// Fractional digits, 0 to 6.
        precision: u8,
    },
    /// An instant. Cells: `Timestamp`, in UTC.
    Timestamp {
        /// Fractional digits, 0 to 6.
        precision: u8,
    },
    /// PostgreSQL interval. Cells: `Text` in ISO 8601 form (`intervalstyle = iso_8601`).
    Interval,
    /// MySQL YEAR. Cells: `Int`.
    Year,
    /// UUID. Cells: `Uuid`.
    Uuid,
    /// JSON kept as the text received. Cells: `Text`.
    Json {
        /// The engine stores a parsed form (`jsonb`, MySQL `JSON`): text is the engine's own rendering.
        binary: bool,
    },
    /// One of a list of labels. Cells: `Text`.
    Enum {
        /// Name of the type where the engine gives it one.
        name: Option<String>,
        /// Labels in their order.
        labels: Vec<String>,
    },
    /// MySQL SET. Cells: `Text`, labels joined by commas in declaration order.
    Set {
        /// Labels in their order.
        labels: Vec<String>,
    },
    /// Bit string. Cells: `Text` of `0` and `1`, most significant first.
    Bit {
        /// Length in bits; `None` is unbounded.
        length: Option<u32>,
        /// `bit varying`.
        varying: bool,
    },
    /// Any type without a neutral form; values travel as the text that the engine prints and reads back
    /// (`inet`, arrays, ranges, `tsvector`, geometry, composite types …). Cells: `Text`.
    Native {
        /// Engine that the type belongs to.
        dialect: Dialect,
        /// Full name of the type, as it can be declared there.
        name: String,
    },
    /// SQLite's dynamic type: every value keeps its own storage class. Cells: `Int`, `Float`, `Text`, `Bytes`.
    Any,
}

impl DataType {
    /// Unbounded text.
    pub const TEXT: Self = Self::Text { max_chars: None, fixed: false };
    /// Unbounded bytes.
    pub const BYTES: Self = Self::Bytes { max_bytes: None, fixed: false };
    /// 64-bit signed integer.
    pub const INT64: Self = Self::Int { bits: 64, unsigned: false };
    /// 32-bit signed integer.
    pub const INT32: Self = Self::Int { bits: 32, unsigned: false };

    /// Whether its cells are `Text`.
    pub const fn has_text_cells(&self) -> bool {
        matches!(
            self,
            Self::Text { .. }
                | Self::TimeTz
                | Self::Interval
                | Self::Json { .. }
                | Self::Enum { .. }
                | Self::Set { .. }
                | Self::Bit { .. }
                | Self::Native { .. }
        )
    }

    /// Whether cells of this type are character data that a collation applies to.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Enum { .. } | Self::Set { .. })
    }
}

/// How text compares, reduced to what decides whether two keys are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    /// Name in the source.
    pub name: String,
    /// `a` equals `A`.
    pub case_insensitive: bool,
    /// `e` equals `é`.
    pub accent_insensitive: bool,
    /// Trailing blanks do not count (PAD SPACE).
    pub pads: bool,
}

impl Collation {
    /// Whether equality is equality of code points.
    pub fn is_exact(&self) -> bool {
        !self.case_insensitive && !self.accent_insensitive && !self.pads
    }
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

/// Primary key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrimaryKey {
    /// Name of the constraint, where it has one of its own.
    pub name: Option<String>,
    /// Columns in key order.
    pub columns: Vec<String>,
    /// MySQL: characters of the column that are part of the key, column by column.
    pub prefixes: Vec<Option<u32>>,
    /// DESC, column by column; empty where no column has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descending: Vec<bool>,
    /// SQLite: collations of the key's own, column by column; empty where none differs from its column's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collations: Vec<Option<Collation>>,
}

/// A unique constraint, a unique index or a plain index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Name; `None` where the engine made one up (an unnamed UNIQUE in SQLite).
    pub name: Option<String>,
    /// Whether it forbids duplicates.
    pub unique: bool,
    /// Declared as a constraint rather than as an index.
    pub constraint: bool,
    /// Keys in order.
    pub parts: Vec<IndexPart>,
    /// Further columns carried along (PostgreSQL INCLUDE).
    pub include: Vec<String>,
    /// WHERE of a partial index, in the source's own words.
    pub predicate: Option<String>,
    /// Access method or kind where it is not an ordinary ordered index: `gin`, `gist`, `hash`, `fulltext`, `spatial`.
    pub method: Option<String>,
    /// `UNIQUE NULLS NOT DISTINCT` (PostgreSQL 15+).
    pub nulls_not_distinct: bool,
    /// Deferrability, for constraints.
    pub deferrable: Deferrable,
    /// The whole definition in the source's own words.
    pub definition: String,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPart {
    /// Column or expression.
    pub key: IndexKey,
    /// DESC.
    pub descending: bool,
    /// Explicit NULLS FIRST (`true`) or NULLS LAST (`false`) where it differs from the engine's default.
    pub nulls_first: Option<bool>,
    /// Collation of this key where it is not the column's.
    pub collation: Option<Collation>,
    /// MySQL prefix length in characters (bytes for binary columns).
    pub prefix: Option<u32>,
    /// PostgreSQL operator class where it is not the default.
    pub operator_class: Option<String>,
}

/// Column or expression that an index is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexKey {
    /// A plain column.
    Column(String),
    /// An expression in the source's own words.
    Expression(String),
}

/// Foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Name; `None` where it has none of its own.
    pub name: Option<String>,
    /// Referencing columns.
    pub columns: Vec<String>,
    /// Referenced table.
    pub references: String,
    /// Referenced columns; resolved, never empty.
    pub referenced_columns: Vec<String>,
    /// ON DELETE.
    pub on_delete: Action,
    /// ON UPDATE.
    pub on_update: Action,
    /// Deferrability.
    pub deferrable: Deferrable,
    /// `MATCH FULL`.
    pub match_full: bool,
    /// The engine has checked the rows (PostgreSQL `NOT VALID` is false; SQLite is always false).
    pub validated: bool,
}

/// What a foreign key does to its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// NO ACTION.
    #[default]
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

impl Action {
    /// SQL spelling, the same in all dialects.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

/// When a constraint is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferrable {
    /// NOT DEFERRABLE.
    #[default]
    No,
    /// DEFERRABLE INITIALLY IMMEDIATE.
    Immediate,
    /// DEFERRABLE INITIALLY DEFERRED.
    Deferred,
}

/// CHECK constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name, where it has one.
    pub name: Option<String>,
    /// Expression in the source's own words, without the outer parentheses.
    pub expression: String,
    /// What it uses beside the engine's own functions and operators, as [`Object::reaches`]: it may have their names and is
    /// not put into other words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
}

/// Anything that is not a table or part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Table it belongs to (triggers, policies, rules).
    pub table: Option<String>,
    /// The whole definition in the source's own words.
    pub definition: String,
    /// For a view: what it uses beside this schema's tables and views and the engine's own functions, each in words for
    /// a message; for a type: what it is made of beside this schema's types and the engine's own. Such a view is neither
    /// run nor carried, such a type is not carried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    /// For a type: what it is made of; archives that were written before types went elsewhere do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composition: Option<Composition>,
}

/// What a type is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composition {
    /// Types of the same schema, which stand before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<String>,
    /// Labels in their order, if it is an enum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Object {
    /// An object that is told with its text and uses nothing that would have to be named.
    pub fn new(kind: ObjectKind, name: impl Into<String>, definition: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            table: None,
            definition: definition.into(),
            reaches: Vec::new(),
            composition: None,
        }
    }

    /// Whether another one is made by the same statement, whatever else is known of the two.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.definition) == (other.kind, &other.name, &other.definition)
    }

    /// The same as part of a table.
    #[must_use]
    pub fn of(self, table: Option<String>) -> Self {
        Self { table, ..self }
    }
}

/// Kinds of objects that are listed with their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// View.
    View,
    /// Materialized view.
    MaterializedView,
    /// Trigger.
    Trigger,
    /// Function, procedure, aggregate.
    Routine,
    /// Scheduled event.
    Event,
    /// Sequence that no column owns.
    Sequence,
    /// Collation.
    Collation,
    /// Enum, domain, composite or range type. A type that a carried column uses is not left behind even where
    /// the target has no such object: its columns hold the values.
    Type,
    /// Virtual table (SQLite) or foreign table: listed, never copied.
    VirtualTable,
    /// Another schema of the same database (PostgreSQL) that holds tables: one schema is migrated at a time.
    Schema,
    /// Large objects (PostgreSQL), which belong to no table.
    LargeObject,
    /// Row level security policy, rewrite rule.
    Policy,
    /// Extension.
    Extension,
    /// Exclusion constraint and whatever else guards data without a neutral form.
    Constraint,
    /// A number that the application keeps in the file's header (SQLite: `user_version`, `application_id`).
    Setting,
}

impl ObjectKind {
    /// Word for messages and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Trigger => "trigger",
            Self::Routine => "routine",
            Self::Event => "event",
            Self::Sequence => "sequence",
            Self::Collation => "collation",
            Self::Type => "type",
            Self::VirtualTable => "virtual table",
            Self::Schema => "schema",
            Self::LargeObject => "large object",
            Self::Policy => "policy",
            Self::Extension => "extension",
            Self::Constraint => "constraint",
            Self::Setting => "setting",
        }
    }
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
        let expected = Check { name: None, expression: "(y >= 1901)".into(), reaches: Vec::new() };
        let older = domain(r#"["(y >= 1901)"]"#);
        assert_eq!(older.checks, [expected]);
        assert_eq!(domain(&serde_json::to_string(&older.checks).unwrap()), older);
    }
}
