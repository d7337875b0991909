//! What a column holds, and how its text compares.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::model::endpoint::Dialect;

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
    /// Exact decimal. Cells: `Decimal` (text form, see [`crate::model::value`]).
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

    /// The values of an integer type of so many bits.
    pub fn int_range(bits: u8, unsigned: bool) -> RangeInclusive<i128> {
        let bits = u32::from(bits.clamp(1, 64));
        if unsigned { 0..=(1 << bits) - 1 } else { -(1 << (bits - 1))..=(1 << (bits - 1)) - 1 }
    }

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
#[allow(clippy::struct_excessive_bools, reason = "independent properties of a comparison")]
pub struct Collation {
    /// Name in the source.
    pub name: String,
    /// `a` equals `A`.
    pub case_insensitive: bool,
    /// Of case that does not count, only that of ASCII letters does not (NOCASE of SQLite).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ascii_case: bool,
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
