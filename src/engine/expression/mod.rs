//! Translation of SQL expressions (defaults, checks, generated columns, index predicates) from one dialect to
//! another. Only what certainly means the same is translated; everything else is `None`, and the planner lists
//! the object as not carried. `term` is the common ground, `read` comes in from a dialect (with
//! `call`, `literal` and `agree`), `print` goes out into one, `default` knows the clocks and constants that defaults are made of.
//! `query` puts whole queries of views into other words, and only there `aggregate`, `window` and `dates` are read.
//!
//! Deliberately not translated, because the engines differ: `lower`/`upper` (SQLite folds ASCII only, PostgreSQL
//! by collation) but from SQLite to PostgreSQL, of ASCII, and in indexes that guard nothing; division of anything but integers by a constant (MySQL divides into decimals), `||` on MySQL
//! (an OR unless the session says otherwise), LIKE where case could matter, regular expressions, clocks outside
//! defaults, decimals calculated in SQLite (doubles there), anything by session or locale.

mod aggregate;
mod agree;
mod call;
mod dates;
mod default;
mod definition;
mod literal;
mod print;
mod query;
mod read;
mod relation;
mod single;
mod spelling;
mod term;
mod window;

#[cfg(test)]
mod tests;

pub use self::default::default;
pub use self::definition::{defines_type, is_declaration};
pub use self::query::{Relation, RelationColumn, TranslatedView, view};
use self::read::{Folding, Reader};
pub use self::relation::relations;
pub use self::single::{called, constants, is_condition, is_type, mentions, quoted_names, words};
pub use self::spelling::{
    column_of_ascii_key, column_of_lower_key, column_of_trimmed_key, column_of_uuid_key, uuid_key,
};
use crate::model::endpoint::Dialect;
use crate::model::schema::{DataType, IndexKey};

/// What an expression needs to know about a column that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Name in the target.
    pub name: String,
    /// What the column holds in the target.
    pub data_type: DataType,
    /// How its text compares.
    pub comparison: Comparison,
}

/// How comparisons of a text column come out, on both sides; the first is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// Regardless of case, accents or trailing blanks on at least one side.
    Loose,
    /// Equal only if the code points are; the order is another matter.
    Equality,
    /// By code point.
    Exact,
}

/// Finds a column by its name as the text has it (PostgreSQL's unquoted names already in lower case).
pub type Columns<'a> = dyn Fn(&str) -> Option<ColumnFacts> + 'a;

/// What an expression has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want<'a> {
    /// Anything that comes out the same (the key of a unique index).
    Unique {
        /// Whether all text in the data is ASCII, of which all dialects make the same upper and lower case.
        ascii: bool,
    },
    /// A key that serves speed only: `lower` and `upper` stand for the target's own, which its queries use.
    Speed,
    /// True, false or unknown (a check, the predicate of an index).
    Truth,
    /// A value of this type, stored as it comes out (a generated column).
    Value(&'a DataType),
}

/// An expression of `source` over columns in the words of `target`, without outer parentheses. `None` wherever the
/// meaning is not certainly the same.
pub fn translate(
    source: Dialect,
    text: &str,
    target: Dialect,
    want: Want<'_>,
    columns: &Columns<'_>,
) -> Option<String> {
    let mut node = node(source, text, target, want, columns)?;
    if want == Want::Truth && target == Dialect::Mysql {
        node.term = node.term.into_condition();
    }
    print::print(&node.term, target)
}

/// What the values of an index's key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Text no longer than the longest column that the key names.
    Text,
    /// Integers.
    Integer,
    /// Anything else.
    Other,
}

/// The key of an index: as [`translate`], with what its values are.
pub fn key(
    source: Dialect,
    text: &str,
    target: Dialect,
    want: Want<'_>,
    columns: &Columns<'_>,
) -> Option<(String, KeyKind)> {
    let node = node(source, text, target, want, columns)?;
    let kind = match node.class {
        term::Class::Text { .. } if node.term.is_no_longer() => KeyKind::Text,
        term::Class::Integer { .. } => KeyKind::Integer,
        _ => KeyKind::Other,
    };
    Some((print::print(&node.term, target)?, kind))
}

/// Condition and key of `CASE WHEN condition THEN key END`, by which a dialect without partial indexes has one; the key is a
/// column or [`uuid_key`].
pub fn partial_key(source: Dialect, text: &str) -> Option<(String, IndexKey)> {
    read::partial_key(source, text)
}

/// Whether an expression names a column.
pub fn names(source: Dialect, text: &str, column: &str) -> bool {
    let seen = std::cell::Cell::new(false);
    let columns = |name: &str| {
        seen.set(seen.get() || name.eq_ignore_ascii_case(column));
        Some(ColumnFacts { name: name.to_owned(), data_type: DataType::TEXT, comparison: Comparison::Exact })
    };
    let _ = Reader::new(source, source, &columns).folding().read(text);
    seen.get()
}

fn node(
    source: Dialect,
    text: &str,
    target: Dialect,
    want: Want<'_>,
    columns: &Columns<'_>,
) -> Option<term::Node> {
    let mut reader = Reader::new(source, target, columns);
    reader.folds = match want {
        Want::Speed | Want::Unique { ascii: true } => Folding::Own,
        // What SQLite calls lower PostgreSQL does under its collation of bytes.
        _ if source == Dialect::Sqlite && target == Dialect::Postgres => Folding::Ascii,
        _ => Folding::No,
    };
    let node = reader.read(text)?;
    match want {
        Want::Unique { .. } | Want::Speed => Some(node),
        Want::Truth => reader.condition(node),
        Want::Value(data_type) => Some(node).filter(|n| n.class.stored_as(data_type)),
    }
}

/// Whether a check says no more than what the target's type of the column enforces by itself: `json_valid(c)`,
/// also with `OR c IS NULL`, over a column that PostgreSQL keeps as JSON.
pub fn implied_by_type(source: Dialect, text: &str, target: Dialect, columns: &Columns<'_>) -> bool {
    target == Dialect::Postgres && read::json_guard(source, text, columns).is_some()
}
