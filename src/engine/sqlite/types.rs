//! The type table of SQLite, both ways: what a declared type says about a column, and how a column of any engine is
//! declared here so that the way back finds its type again. Pure; how values are stored under a declared type is
//! in `cell`.

use crate::engine::capability::{ColumnInput, Mapping};
use crate::model::endpoint::Dialect;
use crate::model::plan::Fidelity;
use crate::model::schema::DataType;

/// Most digits that a double keeps whatever they are; longer decimals are stored as text.
pub const DOUBLE_DIGITS: u32 = 15;

/// The type of STRICT tables that takes any value as it is.
pub const ANY: &str = "ANY";

/// Most bits of a bit string that SQLite's integer holds without a sign.
const INTEGER_BITS: u32 = 63;

/// What SQLite does to a value that is put into a column (<https://sqlite.org/datatype3.html>, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Numbers in text become numbers.
    Integer,
    /// Numbers become text.
    Text,
    /// Nothing is converted.
    Blob,
    /// Integers become doubles.
    Real,
    /// As `Integer`.
    Numeric,
}

/// Affinity of a declared type: SQLite's own five rules, in their order.
pub fn affinity(declared: &str) -> Affinity {
    let name = declared.to_ascii_uppercase();
    let has = |part: &str| name.contains(part);
    if has("INT") {
        Affinity::Integer
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || name.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

/// A declared type taken apart: `DECIMAL(10, 2) UNSIGNED` is name `DECIMAL`, arguments 10 and 2, unsigned.
struct Declared {
    name: String,
    arguments: Vec<u32>,
    unsigned: bool,
}

impl Declared {
    fn parse(text: &str) -> Self {
        let upper = text.to_ascii_uppercase();
        let (outside, inside) = match (upper.find('('), upper.rfind(')')) {
            (Some(open), Some(close)) if open < close => {
                (format!("{} {}", &upper[..open], &upper[close + 1..]), &upper[open + 1..close])
            }
            _ => (upper.clone(), ""),
        };
        let mut unsigned = false;
        let words: Vec<&str> = outside
            .split_whitespace()
            .filter(|word| {
                unsigned |= *word == "UNSIGNED";
                !matches!(*word, "UNSIGNED" | "SIGNED" | "ZEROFILL")
            })
            .collect();
        let arguments = inside.split(',').map_while(|a| a.trim().parse().ok()).collect();
        Self { name: words.join(" "), arguments, unsigned }
    }

    fn length(&self) -> Option<u64> {
        self.arguments.first().copied().map(u64::from)
    }

    /// Fractional digits of a time type: six unless fewer are declared.
    fn precision(&self) -> u8 {
        self.arguments.first().and_then(|p| u8::try_from(*p).ok()).filter(|p| *p <= 6).unwrap_or(6)
    }

    fn int(&self, bits: u8) -> DataType {
        DataType::Int { bits, unsigned: self.unsigned }
    }

    fn decimal(&self) -> DataType {
        let precision = self.arguments.first().copied();
        let scale = match (precision, self.arguments.get(1)) {
            (None, _) => None,
            (Some(_), None) => Some(0),
            (Some(_), Some(scale)) => i32::try_from(*scale).ok(),
        };
        DataType::Decimal { precision, scale }
    }
}

/// What a declared type says that a column holds. The names are those that SQLAlchemy, Django, Rails, the SQLite
/// documentation and [`map_column`] write; any other name means what its affinity means.
pub fn data_type(declared: &str) -> DataType {
    let d = Declared::parse(declared);
    match d.name.as_str() {
        "" | "ANY" => DataType::Any,
        "BOOLEAN" | "BOOL" => DataType::Bool,
        "TINYINT" | "INT1" => d.int(8),
        "SMALLINT" | "INT2" => d.int(16),
        "MEDIUMINT" | "INT3" => d.int(24),
        "INT" | "INT4" => d.int(32),
        // Django declares its positive 32-bit integers so, which is the only use of the name that is known.
        "INTEGER" if d.unsigned => d.int(32),
        "INTEGER" | "BIGINT" | "BIG INT" | "INT8" => d.int(64),
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" | "FLOAT8" => DataType::Float64,
        "FLOAT4" => DataType::Float32,
        "DECIMAL" | "NUMERIC" | "DEC" | "NUMBER" | "DECIMAL_TEXT" => d.decimal(),
        "VARCHAR" | "NVARCHAR" | "VARCHAR2" | "NVARCHAR2" | "CHARACTER VARYING" | "VARYING CHARACTER"
        | "CHAR" | "NCHAR" | "CHARACTER" | "NATIVE CHARACTER" => {
            // SQLite pads nothing, so its CHAR is a VARCHAR wherever blanks count.
            DataType::Text { max_chars: d.length(), fixed: false }
        }
        "BPCHAR" => DataType::Text { max_chars: d.length(), fixed: d.length().is_some() },
        "TEXT" | "CLOB" | "NTEXT" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT" | "STRING" | "SET_TEXT" => {
            DataType::TEXT
        }
        "BLOB" | "VARBINARY" => DataType::Bytes { max_bytes: d.length(), fixed: false },
        "BINARY" => DataType::Bytes { max_bytes: d.length(), fixed: d.length().is_some() },
        "BYTEA" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "IMAGE" => DataType::BYTES,
        "DATE" => DataType::Date,
        "TIME" | "TIME WITHOUT TIME ZONE" => DataType::Time { precision: d.precision() },
        "TIMESPAN" => DataType::TimeSpan { precision: d.precision() },
        "TIMETZ" | "TIME WITH TIME ZONE" => DataType::TimeTz,
        "DATETIME" | "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" | "DATETIME2" | "SMALLDATETIME" => {
            DataType::DateTime { precision: d.precision() }
        }
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => DataType::Timestamp { precision: d.precision() },
        "DURATION_TEXT" => DataType::Interval,
        "YEAR" => DataType::Year,
        "UUID" => DataType::Uuid,
        "JSON" | "JSON_TEXT" => DataType::Json { binary: false },
        "JSONB_TEXT" => DataType::Json { binary: true },
        "BIT" if d.arguments.is_empty() => DataType::Bool,
        "BIT" | "BIT_TEXT" => DataType::Bit { length: d.arguments.first().copied(), varying: false },
        "VARBIT_TEXT" => DataType::Bit { length: d.arguments.first().copied(), varying: true },
        _ => match affinity(declared) {
            Affinity::Integer => DataType::INT64,
            Affinity::Text => DataType::TEXT,
            Affinity::Blob => DataType::BYTES,
            Affinity::Real => DataType::Float64,
            Affinity::Numeric => DataType::Any,
        },
    }
}

/// Whether a STRICT table takes a column of that type (<https://sqlite.org/stricttables.html>) with values that travel as
/// `carries` says and are stored as [`super::cell::store`] does.
pub fn holds_strictly(declared: &str, carries: &DataType) -> bool {
    let integers = matches!(carries, DataType::Bool | DataType::Int { .. } | DataType::Year);
    let floats = matches!(carries, DataType::Float32 | DataType::Float64);
    let bytes = matches!(carries, DataType::Bytes { .. });
    match declared.to_ascii_uppercase().as_str() {
        "INT" | "INTEGER" => integers,
        "REAL" => floats,
        "BLOB" => bytes,
        "TEXT" => !(integers || floats || bytes || *carries == DataType::Any),
        name => name == ANY,
    }
}

/// How a column is declared here; see [`crate::engine::capability::Rules::map_column`].
pub fn map_column(input: &ColumnInput<'_>) -> Mapping {
    let column = input.column;
    if input.source == Dialect::Sqlite {
        return Mapping {
            native_type: column.native_type.clone(),
            // The CHECK that makes an enum of text is written from what a column carries.
            carries: match &column.data_type {
                labels @ DataType::Enum { .. } => labels.clone(),
                _ => DataType::Any,
            },
            fidelity: Fidelity::Exact,
            note: None,
            collation: column.collation.as_ref().map(|c| c.name.clone()),
            needs: None,
        };
    }
    let (native_type, emulated) = declare(input);
    let collation = column.collation.as_ref().filter(|_| column.data_type.is_text());
    let collation = collation.and_then(|c| match (c.case_insensitive, c.pads) {
        (true, _) => Some("NOCASE".to_owned()),
        (false, true) => Some("RTRIM".to_owned()),
        (false, false) => None,
    });
    Mapping {
        native_type,
        carries: column.data_type.clone(),
        fidelity: if emulated.is_some() { Fidelity::Emulated } else { Fidelity::Exact },
        note: emulated.map(str::to_owned),
        collation,
        needs: None,
    }
}

/// Declared type, and what to say where SQLite has only a spelling for it.
fn declare(input: &ColumnInput<'_>) -> (String, Option<&'static str>) {
    let sized = |name: &str, length: u64| format!("{name}({length})");
    let timed = |name: &str, precision: u8| {
        if precision < 6 { format!("{name}({precision})") } else { name.to_owned() }
    };
    match &input.column.data_type {
        DataType::Bool => ("BOOLEAN".into(), None),
        // Only a column declared INTEGER, to the letter, can be the rowid and so hand out values.
        DataType::Int { .. } if input.column.identity.is_some() => ("INTEGER".into(), None),
        DataType::Int { bits, unsigned } => {
            let name = match (bits, unsigned) {
                (..=8, _) => "TINYINT",
                (9..=16, _) => "SMALLINT",
                (17..=24, _) => "MEDIUMINT",
                (25..=32, _) => "INT",
                (_, false) => "INTEGER",
                (_, true) => "BIGINT",
            };
            (if *unsigned { format!("{name} UNSIGNED") } else { name.to_owned() }, None)
        }
        DataType::Float32 => ("FLOAT4".into(), None),
        DataType::Float64 => ("DOUBLE".into(), None),
        DataType::Decimal { precision, scale } => declare_decimal(*precision, *scale, input),
        DataType::Text { max_chars, fixed } => match max_chars {
            Some(n) if *fixed => (sized("BPCHAR", *n), None),
            Some(n) if *n < 65_535 => (sized("VARCHAR", *n), None),
            _ => ("TEXT".into(), None),
        },
        DataType::Bytes { max_bytes, fixed } => match max_bytes {
            Some(n) if *fixed => (sized("BINARY", *n), None),
            Some(n) if *n < 65_535 => (sized("VARBINARY", *n), None),
            _ => ("BLOB".into(), None),
        },
        DataType::Date => ("DATE".into(), None),
        DataType::Time { precision } => (timed("TIME", *precision), None),
        DataType::DateTime { precision } => (timed("DATETIME", *precision), None),
        DataType::TimeSpan { precision } => {
            (timed("TIMESPAN", *precision), Some("kept as text ±HH:MM:SS.ffffff"))
        }
        DataType::Timestamp { precision } => {
            (timed("TIMESTAMPTZ", *precision), Some("kept as text in UTC with the offset +00:00"))
        }
        DataType::TimeTz => ("TIMETZ".into(), Some("kept as text with its offset")),
        DataType::Interval => ("DURATION_TEXT".into(), Some("kept as ISO 8601 text")),
        DataType::Year => ("YEAR".into(), Some("kept as an integer")),
        DataType::Uuid => ("UUID".into(), Some("kept as text of 36 characters")),
        DataType::Json { binary: false } => ("JSON_TEXT".into(), Some(JSON)),
        DataType::Json { binary: true } => ("JSONB_TEXT".into(), Some(JSON)),
        DataType::Enum { labels, .. } => {
            let longest = labels.iter().map(|l| l.chars().count()).max().unwrap_or(0).max(1);
            (format!("VARCHAR({longest})"), Some("kept as text with a CHECK of its labels"))
        }
        DataType::Set { .. } => ("SET_TEXT".into(), Some("kept as text, labels joined by commas")),
        DataType::Bit { length, varying } => match length {
            Some(n) if !varying && *n <= INTEGER_BITS => (format!("BIT({n})"), Some("kept as an integer")),
            _ => {
                let name = if *varying { "VARBIT_TEXT" } else { "BIT_TEXT" };
                let name = length.map_or_else(|| name.to_owned(), |n| sized(name, u64::from(n)));
                (name, Some("kept as text of 0 and 1"))
            }
        },
        DataType::Native { .. } => ("TEXT".into(), Some("kept as the text that its own engine prints")),
        DataType::Any => (String::new(), None),
    }
}

/// What JSON is here, where no type checks it.
const JSON: &str = "kept as text, and text that is no JSON is taken too";

/// Decimals live in doubles as long as a double gives back every digit, as SQLAlchemy and Django have them, else
/// in text.
fn declare_decimal(
    precision: Option<u32>,
    scale: Option<i32>,
    input: &ColumnInput<'_>,
) -> (String, Option<&'static str>) {
    const AS_TEXT: Option<&str> = Some("kept as text, because a double would not keep all digits");
    match (precision, scale.unwrap_or(0)) {
        (Some(p), s @ 0..) if p <= DOUBLE_DIGITS => (format!("DECIMAL({p},{s})"), None),
        (Some(p), s @ 0..) => (format!("DECIMAL_TEXT({p},{s})"), AS_TEXT),
        _ => {
            let digits = input
                .profile
                .and_then(|p| p.whole_digits?.checked_add(p.fraction_digits?))
                .is_some_and(|digits| digits <= DOUBLE_DIGITS);
            if digits { ("DECIMAL".into(), None) } else { ("DECIMAL_TEXT".into(), AS_TEXT) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Flavour;
    use crate::model::plan::ColumnProfile;
    use crate::model::schema::{Collation, Column};

    fn column(data_type: DataType) -> Column {
        Column {
            name: "c".into(),
            data_type,
            native_type: "whatever".into(),
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

    fn mapped(column: &Column, profile: Option<&ColumnProfile>) -> Mapping {
        map_column(&ColumnInput {
            source: Dialect::Postgres,
            source_flavour: Flavour::Postgres,
            column,
            profile,
            indexed: false,
        })
    }

    #[test]
    fn names_of_the_field_mean_what_their_makers_mean() {
        let int = |bits, unsigned| DataType::Int { bits, unsigned };
        let text = |n| DataType::Text { max_chars: Some(n), fixed: false };
        for (declared, expected) in [
            ("", DataType::Any),
            ("VARCHAR(128)", text(128)),
            ("NVARCHAR(160)", text(160)),
            ("char(1)", text(1)),
            ("BLOB SUB_TYPE TEXT", DataType::TEXT),
            ("integer unsigned", int(32, true)),
            ("INTEGER(10)", int(64, false)),
            ("SMALLINT(5) UNSIGNED", int(16, true)),
            ("FLOAT", DataType::Float64),
            ("double  precision", DataType::Float64),
            ("decimal", DataType::Decimal { precision: None, scale: None }),
            ("NUMERIC(10, 2)", DataType::Decimal { precision: Some(10), scale: Some(2) }),
            ("DECIMAL(7)", DataType::Decimal { precision: Some(7), scale: Some(0) }),
            ("DATETIME", DataType::DateTime { precision: 6 }),
            ("TIMESTAMP(3)", DataType::DateTime { precision: 3 }),
            ("STRING", DataType::TEXT),
            ("FLOATING POINT", DataType::INT64),
            ("some thing", DataType::Any),
            ("MYCHARS", DataType::TEXT),
        ] {
            assert_eq!(data_type(declared), expected, "{declared}");
        }
    }

    #[test]
    fn strict_tables_take_values_of_the_declared_class_only() {
        for (declared, carries, holds) in [
            ("INT", DataType::INT64, true),
            ("integer", DataType::Bool, true),
            ("INTEGER", DataType::Float64, false),
            ("INTEGER", DataType::Decimal { precision: Some(20), scale: Some(0) }, false),
            ("REAL", DataType::Float32, true),
            ("REAL", DataType::INT64, false),
            ("TEXT", DataType::TEXT, true),
            ("TEXT", DataType::Uuid, true),
            ("TEXT", DataType::BYTES, false),
            ("BLOB", DataType::BYTES, true),
            ("BLOB", DataType::TEXT, false),
            ("ANY", DataType::BYTES, true),
            ("VARCHAR(9)", DataType::TEXT, false),
            ("DOUBLE", DataType::Float64, false),
            ("", DataType::Any, false),
        ] {
            assert_eq!(holds_strictly(declared, &carries), holds, "{declared} {carries:?}");
        }
    }

    #[test]
    fn every_type_of_another_engine_is_found_again() {
        let int = |bits, unsigned| DataType::Int { bits, unsigned };
        for data_type in [
            DataType::Bool,
            int(8, false),
            int(8, true),
            int(16, false),
            int(24, true),
            int(32, false),
            int(32, true),
            int(64, false),
            int(64, true),
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal { precision: Some(10), scale: Some(2) },
            DataType::Decimal { precision: Some(38), scale: Some(10) },
            DataType::Decimal { precision: None, scale: None },
            DataType::TEXT,
            DataType::Text { max_chars: Some(64), fixed: false },
            DataType::Text { max_chars: Some(5), fixed: true },
            DataType::BYTES,
            DataType::Bytes { max_bytes: Some(16), fixed: true },
            DataType::Bytes { max_bytes: Some(16), fixed: false },
            DataType::Date,
            DataType::Time { precision: 6 },
            DataType::TimeSpan { precision: 0 },
            DataType::TimeTz,
            DataType::DateTime { precision: 3 },
            DataType::Timestamp { precision: 6 },
            DataType::Interval,
            DataType::Year,
            DataType::Uuid,
            DataType::Json { binary: false },
            DataType::Json { binary: true },
            DataType::Bit { length: Some(10), varying: false },
            DataType::Bit { length: Some(64), varying: false },
            DataType::Bit { length: None, varying: true },
        ] {
            let mapping = mapped(&column(data_type.clone()), None);
            assert_eq!(super::data_type(&mapping.native_type), data_type, "{}", mapping.native_type);
            assert_eq!(mapping.carries, data_type);
        }
    }

    #[test]
    fn types_stored_as_text_have_an_affinity_that_leaves_text_alone() {
        for data_type in [
            DataType::Json { binary: false },
            DataType::Json { binary: true },
            DataType::Decimal { precision: Some(38), scale: Some(10) },
            DataType::Bit { length: None, varying: true },
            DataType::Set { labels: vec![] },
            DataType::Interval,
            DataType::Enum { name: None, labels: vec!["1".into()] },
        ] {
            let mapping = mapped(&column(data_type), None);
            assert_eq!(affinity(&mapping.native_type), Affinity::Text, "{}", mapping.native_type);
        }
    }

    #[test]
    fn unbounded_decimals_are_numbers_where_the_data_let_them() {
        let unbounded = column(DataType::Decimal { precision: None, scale: None });
        let profile = |whole, fraction| ColumnProfile {
            whole_digits: Some(whole),
            fraction_digits: Some(fraction),
            ..ColumnProfile::default()
        };
        assert_eq!(mapped(&unbounded, Some(&profile(6, 2))).native_type, "DECIMAL");
        assert_eq!(mapped(&unbounded, Some(&profile(14, 2))).native_type, "DECIMAL_TEXT");
    }

    #[test]
    fn comparison_follows_the_source() {
        let mut c = column(DataType::TEXT);
        c.collation = Some(Collation {
            name: "utf8mb4_general_ci".into(),
            case_insensitive: true,
            ascii_case: false,
            accent_insensitive: true,
            pads: true,
        });
        assert_eq!(mapped(&c, None).collation.as_deref(), Some("NOCASE"));
        c.data_type = DataType::BYTES;
        assert_eq!(mapped(&c, None).collation, None);
    }
}
