//! What a column was in the database that it came from, where the type that it has now cannot say it. It is kept in
//! the comment of the column (SQLite, which has none: in a comment within CREATE TABLE), and the way back makes the
//! column again from it, as long as its type is still the one that was made. What the table itself was is kept in the
//! comment of the table, what an index was in that of the index.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::endpoint::Flavour;
use super::schema::{Collation, Column, DataType, DefaultValue, IdentityGeneration};

/// What stands before an origin in a comment.
pub const MARK: &str = "techcare-db was: ";

/// What a column was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Product that it was a column of.
    pub product: Flavour,
    /// Type there, in its own words.
    #[serde(rename = "type")]
    pub native_type: String,
    /// What that type holds, in neutral terms.
    pub holds: DataType,
    /// How its text compared.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub collation: Option<Collation>,
    /// Who handed out its values.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<IdentityGeneration>,
    /// Its comment, where the engine that it went to has none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub comment: Option<String>,
    /// The domain that it was declared with (PostgreSQL); `native_type` and `holds` are those of the type below it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub domain: Option<DomainOrigin>,
    /// Types that a user made and that its declaration needs, those first that others are made of; the domain comes last.
    /// An enum that `holds` describes is not among them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub types: Vec<MadeType>,
    /// Its name, where the engine that it went to did not take that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Renamed>,
    /// The type that was made of it; with any other one the rest is worth nothing.
    pub now: String,
}

/// A name that had to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// The name of before.
    pub was: String,
    /// The one that was given instead; under any other one somebody has renamed the thing since.
    pub now: String,
}

impl Renamed {
    /// The name of before of what is named so today.
    pub fn former(&self, today: &str) -> Option<&str> {
        (self.now == today).then_some(self.was.as_str())
    }
}

/// A column's declaration with a domain, and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "independent properties of a declaration")]
pub struct DomainOrigin {
    /// Name of the domain.
    pub name: String,
    /// Column and domain together took no NULL.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub not_null: bool,
    /// The column itself took none.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub own_not_null: bool,
    /// The domain's DEFAULT, where the column had none of its own and it went along.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub default: Option<DefaultValue>,
    /// The column had a DEFAULT of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub own_default: bool,
    /// The domain's checks that went along as checks of the table, in the words of the engine that they went to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub checks: Vec<String>,
    /// Some check of the domain did not go along, so nothing has held the values to it since.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub unguarded: bool,
}

/// A type that a user of PostgreSQL made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeType {
    /// An enum.
    Enum {
        /// Its name.
        name: String,
        /// Labels in their order.
        labels: Vec<String>,
    },
    /// A domain or composite type.
    Other {
        /// Its name.
        name: String,
        /// The statement that makes it.
        definition: String,
    },
}

impl MadeType {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Enum { name, .. } | Self::Other { name, .. } => name,
        }
    }
}

impl Origin {
    /// Of a column of a product that becomes a column of type `now`.
    pub fn of(column: &Column, product: Flavour, now: &str) -> Self {
        Self {
            product,
            native_type: column.native_type.clone(),
            holds: column.data_type.clone(),
            collation: column.collation.clone(),
            identity: column.identity.as_ref().map(|i| i.generation),
            comment: None,
            domain: None,
            types: Vec::new(),
            name: None,
            now: now.to_owned(),
        }
    }
}

/// What a table was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOrigin {
    /// Product that it was a table of.
    pub product: Flavour,
    /// It was STRICT (SQLite).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub strict: bool,
    /// It was WITHOUT ROWID (SQLite).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub without_rowid: bool,
    /// Its name, where the engine that it went to did not take that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<Renamed>,
}

/// What an index was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum IndexOrigin {
    /// A unique constraint, which MySQL and MariaDB do not tell from a unique index.
    Constraint {
        /// Its name, if it had one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        name: Option<String>,
    },
}

/// The comment to make: what people wrote, and the origin after it, where the whole is of at most `most` characters.
pub fn said<O: Serialize>(comment: Option<&str>, origin: Option<&O>, most: usize) -> Option<String> {
    let whole = origin.and_then(|origin| together(comment, origin));
    whole.filter(|whole| whole.chars().count() <= most).or_else(|| comment.map(str::to_owned))
}

/// A comment with the origin after what people wrote.
fn together<O: Serialize>(comment: Option<&str>, origin: &O) -> Option<String> {
    let origin = in_basic_plane(&serde_json::to_string(origin).ok()?);
    let before = comment.map(|c| format!("{c}\n")).unwrap_or_default();
    Some(format!("{before}{MARK}{origin}"))
}

/// JSON without characters beyond the basic plane, which the catalogues of MySQL and MariaDB (`utf8mb3`) do not have.
fn in_basic_plane(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if u32::from(c) > 0xffff {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// What people wrote in a comment, and the origin if one stands after it.
pub fn read<O: DeserializeOwned>(comment: &str) -> (Option<String>, Option<O>) {
    let found = comment.rfind(MARK).and_then(|at| {
        let origin = serde_json::from_str(&comment[at + MARK.len()..]).ok()?;
        Some((comment[..at].strip_suffix('\n').unwrap_or(&comment[..at]), origin))
    });
    let (people, origin) = found.map_or((comment, None), |(people, origin)| (people, Some(origin)));
    (Some(people.to_owned()).filter(|c| !c.is_empty()), origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            product: Flavour::Mariadb,
            native_type: "enum('a */','b')".into(),
            holds: DataType::Enum { name: None, labels: vec!["a */".into(), "b".into()] },
            collation: None,
            identity: None,
            comment: None,
            domain: None,
            types: Vec::new(),
            name: None,
            now: "VARCHAR(4)".into(),
        }
    }

    #[test]
    fn what_people_wrote_and_the_origin_come_apart_again() {
        for comment in [None, Some("it's a comment\nof two lines")] {
            let written = together(comment, &origin()).unwrap();
            assert_eq!(read(&written), (comment.map(str::to_owned), Some(origin())));
        }
    }

    #[test]
    fn what_people_wrote_goes_before_an_origin_that_is_too_long() {
        let whole = together(Some("mine"), &origin()).unwrap();
        let most = whole.chars().count();
        assert_eq!(said(Some("mine"), Some(&origin()), most), Some(whole));
        assert_eq!(said(Some("mine"), Some(&origin()), most - 1).as_deref(), Some("mine"));
        assert_eq!(said(None, Some(&origin()), 9), None);
    }

    #[test]
    fn origins_of_older_versions_are_read() {
        let older =
            r#"techcare-db was: {"product":"postgresql","type":"uuid","holds":"uuid","now":"CHAR(36)"}"#;
        let (people, origin) = read::<Origin>(older);
        let origin = origin.unwrap();
        assert_eq!((people, origin.product, origin.holds), (None, Flavour::Postgres, DataType::Uuid));
        assert_eq!((origin.domain, origin.types), (None, Vec::new()));
    }

    #[test]
    fn what_is_no_origin_stays_a_comment() {
        for comment in ["plain", "techcare-db was: here", "techcare-db was: {}"] {
            assert_eq!(read::<Origin>(comment), (Some(comment.to_owned()), None));
        }
        assert_eq!(read::<Origin>(""), (None, None));
    }
}
