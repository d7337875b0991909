//! What a dialect can express and how it says it: the pure half of an engine, which works with no connection.

use super::ReadColumn;
use crate::engine::fit::Fit;
use crate::engine::kept::{self, Kept, Unfit};
use crate::model::batch::Batch;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{
    ColumnPlan, ColumnProfile, Fidelity, IdentityPlan, ObjectPlan, Plan, Script, TablePlan, TypePlan,
};
use crate::model::schema::{Collation, Column, DataType, DefaultValue, Identity};

/// What a dialect can express, for the planner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "a list of independent yes/no facts")]
pub struct Capabilities {
    /// Longest name.
    pub max_name: NameLimit,
    /// Most columns of a table.
    pub max_columns: usize,
    /// Most indexes of a table, the primary key included.
    pub max_indexes: usize,
    /// Most columns of one index.
    pub max_index_columns: usize,
    /// Table names that differ only in case are different.
    pub case_sensitive_tables: bool,
    /// Column names that differ only in case are different.
    pub case_sensitive_columns: bool,
    /// Index names must differ within the whole database, not only within their table.
    pub index_names_are_global: bool,
    /// A name used for an index cannot be used for a table as well (PostgreSQL relations).
    pub indexes_share_names_with_tables: bool,
    /// A primary key has a name of its own (MySQL calls every one PRIMARY).
    pub primary_key_names: bool,
    /// Foreign key and check names must differ within the whole database.
    pub constraint_names_are_global: bool,
    /// Indexes with WHERE.
    pub partial_indexes: bool,
    /// Indexes over expressions.
    pub expression_indexes: bool,
    /// Generated columns that `SELECT *` does not show, and indexes over them.
    pub invisible_columns: bool,
    /// Indexes over a prefix of a column.
    pub index_prefixes: bool,
    /// INCLUDE columns.
    pub index_include: bool,
    /// NULLS FIRST / LAST in indexes.
    pub index_nulls_order: bool,
    /// Access methods and kinds that are known: `gin`, `fulltext`, ….
    pub index_methods: &'static [&'static str],
    /// UNIQUE constraints and foreign keys can be deferred.
    pub deferrable: bool,
    /// UNIQUE constraints (not foreign keys) can be deferred.
    pub deferrable_unique: bool,
    /// Unique constraints are told from unique indexes.
    pub unique_constraints: bool,
    /// ON DELETE SET DEFAULT works.
    pub set_default: bool,
    /// Foreign keys lead to unique keys only, also in the dialect's own words.
    pub unique_parents: bool,
    /// MATCH FULL works.
    pub match_full: bool,
    /// CHECK is enforced.
    pub checks: bool,
    /// STORED generated columns.
    pub generated_stored: bool,
    /// VIRTUAL generated columns.
    pub generated_virtual: bool,
    /// DEFAULT may be any expression.
    pub default_expressions: bool,
    /// Sequences that no column owns are made anew, and go on where they were.
    pub sequences: bool,
    /// Comments on tables and columns.
    pub comments: bool,
    /// ON UPDATE CURRENT_TIMESTAMP on a column; who does not have it makes a trigger.
    pub on_update_now: bool,
    /// Columns of instants hold those after 2038-01-19 03:14:07 UTC too.
    pub late_instants: bool,
    /// Whether a generated column may be NOT NULL.
    pub generated_not_null: bool,
    /// An archive that is restored takes the place of everything in the database in one step, as a native backup does
    /// everywhere. Else it takes the place of the tables that it has.
    pub restores_whole: bool,
    /// Streams that usefully write at the same time; 1 means that a second would only wait.
    pub writers: usize,
}

/// Longest name that a dialect takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameLimit {
    /// So many bytes of UTF-8 (PostgreSQL: 63).
    Bytes(usize),
    /// So many characters (MySQL: 64).
    Chars(usize),
    /// None.
    Unlimited,
}

impl NameLimit {
    /// Whether a name fits.
    pub fn fits(self, name: &str) -> bool {
        match self {
            Self::Bytes(most) => name.len() <= most,
            Self::Chars(most) => name.chars().count() <= most,
            Self::Unlimited => true,
        }
    }
}

/// How long the key of an index may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLimit {
    /// As long as it likes.
    Unlimited,
    /// So many bytes of the values that are stored.
    Stored(u64),
    /// So many bytes as the declared columns could need, four to a character.
    Declared(u64),
}

/// Most characters of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentLimit {
    /// On a table.
    pub table: usize,
    /// On a column.
    pub column: usize,
}

/// A column that needs a type in the target.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInput<'a> {
    /// Engine that the column comes from.
    pub source: Dialect,
    /// Product that the column comes from.
    pub source_flavour: Flavour,
    /// The column.
    pub column: &'a Column,
    /// What its values really are, where that was looked at.
    pub profile: Option<&'a ColumnProfile>,
    /// Whether the whole column (no prefix) is part of a primary key, unique or other index, or foreign key.
    pub indexed: bool,
}

/// Type of the target for a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// Type in the target's words, without NOT NULL, DEFAULT, COLLATE.
    pub native_type: String,
    /// What travels; see [`crate::model::plan::ColumnPlan::carries`].
    pub carries: DataType,
    /// How faithful.
    pub fidelity: Fidelity,
    /// One clause for the finding where `fidelity` is not `Exact`, or why it is `Unsupported`.
    pub note: Option<String>,
    /// COLLATE in the target's words, unquoted.
    pub collation: Option<String>,
    /// A type that has to exist first.
    pub needs: Option<TypePlan>,
}

impl Mapping {
    /// A type of which there is nothing more to say.
    pub fn plain(native_type: impl Into<String>, carries: DataType, fidelity: Fidelity) -> Self {
        Self { native_type: native_type.into(), carries, fidelity, note: None, collation: None, needs: None }
    }
}

/// What a unique key is over so that it takes for equal what a collation of the source does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LooseKey {
    /// An expression instead of the column.
    pub expression: Option<String>,
    /// COLLATE of the key, unquoted.
    pub collation: Option<String>,
    /// A collation that has to exist first.
    pub needs: Option<ObjectPlan>,
    /// Accents count all the same.
    pub keeps_accents: bool,
}

/// How staged tables are named while they are not visible yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    /// Put in front of every table name; empty where staging has a namespace of its own.
    pub prefix: String,
    /// Where tables are that the plan refers to and does not make, if that is not where it is staged.
    pub outside: Option<String>,
}

impl Naming {
    /// Name of a table in staging.
    pub fn table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// The pure half of a dialect: same input, same output, no connection.
pub trait Rules: Send + Sync {
    /// Engine.
    fn dialect(&self) -> Dialect;

    /// Product that these rules are for.
    fn flavour(&self) -> Flavour;

    /// What the dialect can express.
    fn capabilities(&self) -> &Capabilities;

    /// Whether the database has what an expression of the same dialect reaches, in the words of
    /// [`crate::model::schema::Check::reaches`]. What goes along with the tables counts as there.
    fn provides(&self, _reached: &str) -> bool {
        true
    }

    /// Whether the dialect takes a name for a table, column, index or constraint when it is quoted.
    fn accepts_name(&self, name: &str) -> bool {
        !name.is_empty() && !name.contains('\0') && self.capabilities().max_name.fits(name)
    }

    /// Whether tables and indexes may not have a name, because the dialect keeps it for its own.
    fn reserves(&self, _name: &str) -> bool {
        false
    }

    /// Whether the server itself finds names for the foreign keys and checks of a table of that name.
    fn names_constraints(&self, _table: &str) -> bool {
        true
    }

    /// Whether checks and stored generated columns may name columns that the engine itself changes: those whose
    /// values it hands out, and those that a foreign key with CASCADE or SET NULL rewrites. MySQL and MariaDB
    /// refuse both.
    fn watches_changed_columns(&self) -> bool {
        true
    }

    /// Whether a unique key may be over all of a column of this type, in the dialect's words.
    fn keys_whole(&self, _native: &str) -> bool {
        true
    }

    /// How long the key of an index may be.
    fn key_limit(&self) -> KeyLimit {
        KeyLimit::Unlimited
    }

    /// How long comments may be, where there are any.
    fn comment_limit(&self) -> CommentLimit {
        CommentLimit { table: usize::MAX, column: usize::MAX }
    }

    /// Makes the columns of a table fit into a row, where the dialect bounds its length; answers those that got
    /// another type, by their names in the plan.
    fn fit_row(&self, _table: &mut TablePlan) -> Vec<String> {
        Vec::new()
    }

    /// A quoted identifier: the only way a name gets into SQL.
    fn quote(&self, name: &str) -> String;

    /// How many characters a quoted text column holds, as an expression.
    fn char_length(&self, quoted: &str) -> String {
        format!("char_length({quoted})")
    }

    /// A quoted text column so that two of its values are equal only if they are so byte for byte.
    fn exactly(&self, quoted: &str) -> String {
        quoted.to_owned()
    }

    /// A character string literal.
    fn literal(&self, text: &str) -> String;

    /// Type for a column. A column of the same dialect keeps its own type word for word.
    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping;

    /// What travels of a column between two databases of this dialect, where that is more than `carries` can hold:
    /// values that no other engine has.
    fn carries_here(&self, _native: &str, carries: DataType) -> DataType {
        carries
    }

    /// What a type of this dialect holds, by its declaration alone.
    fn type_of(&self, native: &str) -> DataType;

    /// How the catalogue will spell a type that is declared so.
    fn told(&self, native: &str) -> String {
        native.to_owned()
    }

    /// Whether two spellings of a type are one.
    fn same_type(&self, one: &str, other: &str) -> bool {
        one.eq_ignore_ascii_case(other)
    }

    /// A column that was this dialect's own once: its own type again (`own`), where the values that come as `foreign`
    /// says and of which `_seen` is known can be kept under it. `_strict` tells of the table what [`Rules::holds_strictly`]
    /// is about.
    fn restored(
        &self,
        own: Mapping,
        _foreign: Mapping,
        _seen: Option<&ColumnProfile>,
        _strict: bool,
    ) -> Mapping {
        own
    }

    /// Whether a table that holds every value to its declared type (STRICT of SQLite) takes a column with all its values.
    fn holds_strictly(&self, _column: &Mapping) -> bool {
        false
    }

    /// The mapping of a column whose key compared as `collation` of this dialect does, to compare so again, where that has
    /// letters for all text.
    fn compared(&self, mapping: Mapping, _collation: &Collation) -> Mapping {
        mapping
    }

    /// Which values a column keeps as they are of those that its neutral type ([`Rules::type_of`]) holds; `None` if all.
    fn fit(&self, _column: &ColumnPlan) -> Option<Fit> {
        None
    }

    /// Whether [`Rules::fit`] knows which letters a collation's character set has; of those of others it tells ASCII alone.
    fn knows_letters(&self, _collation: &str) -> bool {
        true
    }

    /// Whether [`Rules::fit`] can tell of every value of a column; of those of other columns only the server can
    /// ([`super::Target::altered`]).
    fn knows_fit(&self, _column: &ColumnPlan) -> bool {
        true
    }

    /// DEFAULT for a column that has been mapped, in this dialect; `None` if it cannot be said. For
    /// [`DefaultValue::Expression`] the planner hands over text that is already translated.
    fn default(&self, value: &DefaultValue, mapping: &Mapping) -> Option<String>;

    /// How a unique key over a text column (name and COLLATE as in the target) can ignore what `collation` of the
    /// source ignores, where the column itself does not; `None` if it cannot. `ascii` says that all its text is.
    fn loose_key(
        &self,
        _column: &str,
        _collation: &Collation,
        _source: Dialect,
        _ascii: bool,
    ) -> Option<LooseKey> {
        None
    }

    /// Identity as this dialect can have it; `None` if the mapped type cannot be one.
    fn identity(&self, identity: &Identity, mapping: &Mapping) -> Option<IdentityPlan>;

    /// As which cells the values of a column can be kept outside of the engine so that nothing of them is lost. `seen`
    /// is what was seen of them, towards whatever engine.
    fn keeps(&self, column: &Column, seen: &[&ColumnProfile]) -> DataType {
        kept::as_declared(column, seen)
    }

    /// Appends the cell that this engine's reader makes of a value that was kept as [`Rules::keeps`] says: exactly
    /// one, or none and why.
    fn reread(&self, value: Kept<'_>, column: &ReadColumn, batch: &mut Batch) -> Result<(), Unfit> {
        kept::reread(value, column, batch)
    }

    /// Appends what the stated rule of a code makes of a value that [`Rules::reread`] refuses; answers whether there
    /// is such a rule.
    fn reread_by_rule(&self, value: Kept<'_>, _: &ReadColumn, unfit: Unfit, batch: &mut Batch) -> bool {
        kept::convert(value, unfit, batch)
    }

    /// The statements of a plan. Foreign keys stand in `constraints` or, where the dialect cannot add them
    /// later, in CREATE TABLE.
    fn script(&self, plan: &Plan, naming: &Naming) -> Script;
}
