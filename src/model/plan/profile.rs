//! What the data of the source really hold.

use serde::{Deserialize, Serialize};

use crate::model::epoch::Epoch;
use crate::model::schema::DataType;

/// Facts about the data of one table that its declared types leave open.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableProfile {
    /// Rows; `None` if they were not counted.
    pub rows: Option<u64>,
    /// Facts by column, in the order of the table's columns; empty if the table was not looked at.
    pub columns: Vec<ColumnProfile>,
}

/// Facts about the values of one column. `None`: not looked at, because the declared type says enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Longest text in characters.
    pub max_chars: Option<u64>,
    /// Longest text or byte string in bytes.
    pub max_bytes: Option<u64>,
    /// Whether all text is ASCII; asked of keys that ignore case or accents.
    #[serde(default)]
    pub ascii: Option<bool>,
    /// Smallest integer; of a YEAR of SQLite the smallest other than 0, which MySQL's YEAR holds beside 1901 to 2155.
    pub min_int: Option<i64>,
    /// Largest integer.
    pub max_int: Option<i64>,
    /// Most digits before the point of any decimal.
    pub whole_digits: Option<u32>,
    /// Most digits after the point of any decimal.
    pub fraction_digits: Option<u32>,
    /// Whether each decimal is a number that SQLite has as such: an integer of 64 bits, or the shortest digits of a double.
    /// Asked of columns that were SQLite's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<bool>,
    /// Whether no value is spelled in two ways: all are numbers, or bytes, or text of one form. Asked of unique keys of
    /// SQLite, which tells spellings apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_form: Option<bool>,
    /// Some number needs double precision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubles: bool,
    /// Some UUID is one that the type of MariaDB refuses; asked towards MySQL and MariaDB.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub odd_uuids: bool,
    /// Unit of the numbers that stand for times.
    pub epoch: Option<Epoch>,
    /// Storage classes of SQLite and how many rows have each.
    pub classes: Option<StorageClasses>,
    /// Whether all text is valid UTF-8, which SQLite does not look at.
    #[serde(default)]
    pub utf8: Option<bool>,
    /// Rows whose value does not fit the declared type, each kind with up to five keys.
    pub misfits: Vec<Misfit>,
    /// Why the type that the column had in the target before does not take its values, in the target's words; asked only
    /// where nothing has held them to it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Rows with a value that the type that the column had in the target before would change or refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outgrown: Option<Outgrown>,
}

/// Rows by SQLite storage class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageClasses {
    /// NULL.
    pub null: u64,
    /// INTEGER.
    pub integer: u64,
    /// REAL.
    pub real: u64,
    /// TEXT.
    pub text: u64,
    /// BLOB.
    pub blob: u64,
}

/// Rows that a type of before does not keep as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgrown {
    /// How many; of a row that more than one column speaks against, the first counts. `None` if only a server could tell,
    /// and none was asked.
    pub rows: Option<u64>,
    /// Keys of up to five of them, as `id=7`.
    pub keys: Vec<String>,
    /// A type that keeps all values, where that is not the type of today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<DataType>,
}

/// Rows whose value does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// Code of the finding that this becomes, see [`crate::model::codes`].
    pub code: String,
    /// How many.
    pub rows: u64,
    /// Keys of up to five of them, as `id=7`.
    pub keys: Vec<String>,
    /// What is wrong, in words that hold no value: `holds text in a column of integers`.
    pub text: String,
    /// Instants that some servers hold and others do not, all of the same engine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}
