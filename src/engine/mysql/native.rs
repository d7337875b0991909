//! A type in MySQL's own words, taken apart: `decimal(10,2) unsigned`, `enum('a','it''s')`, `datetime(6)`.
//! Pure text work for `types`, `ddl`, `inspect`, `read` and `write`; what the words mean is decided there.

use crate::model::endpoint::Dialect;
use crate::model::schema::DataType;

/// A declared type, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeType {
    /// First word in lower case, synonyms resolved.
    pub base: String,
    /// Numbers in parentheses.
    pub numbers: Vec<u32>,
    /// Labels in parentheses, unescaped.
    pub labels: Vec<String>,
    /// UNSIGNED (ZEROFILL implies it).
    pub unsigned: bool,
}

impl NativeType {
    /// Takes a type apart. Whatever is not understood ends up in `base` as it stands.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let end = text.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        let (inside, after) = parentheses(rest.trim_start());
        let lower = after.to_ascii_lowercase();
        let labels = if inside.trim_start().starts_with('\'') { labels(inside) } else { Vec::new() };
        Self {
            base: synonym(&word.to_ascii_lowercase()).to_owned(),
            numbers: inside.split(',').filter_map(|n| n.trim().parse().ok()).collect(),
            labels,
            unsigned: lower.split_whitespace().any(|w| matches!(w, "unsigned" | "zerofill")),
        }
    }

    /// Fractional digits of a time type.
    pub fn precision(&self) -> u32 {
        self.numbers.first().copied().unwrap_or(0)
    }

    /// Whether it is an integer type.
    pub fn is_integer(&self) -> bool {
        matches!(self.base.as_str(), "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
    }

    /// Whether values live outside the row, so that a DEFAULT has to be an expression and an index a prefix.
    pub fn is_outside_row(&self) -> bool {
        self.base.ends_with("text") || self.base.ends_with("blob") || self.base == "json" || self.is_spatial()
    }

    /// Whether values are character strings.
    pub fn is_character(&self) -> bool {
        self.base.ends_with("text")
            || matches!(self.base.as_str(), "char" | "varchar" | "enum" | "set" | "json")
    }

    /// Whether it is one of the spatial types.
    pub fn is_spatial(&self) -> bool {
        matches!(
            self.base.as_str(),
            "geometry"
                | "point"
                | "linestring"
                | "polygon"
                | "multipoint"
                | "multilinestring"
                | "multipolygon"
                | "geometrycollection"
                | "geomcollection"
        )
    }

    /// The neutral type. `tinyint(1)` is a number here: only the data can say that it is a truth value.
    pub fn data_type(&self, text: &str) -> DataType {
        let int = |bits| DataType::Int { bits, unsigned: self.unsigned };
        let length = self.numbers.first().map(|n| u64::from(*n));
        let precision = u8::try_from(self.precision().min(6)).unwrap_or(6);
        match self.base.as_str() {
            "tinyint" => int(8),
            "smallint" => int(16),
            "mediumint" => int(24),
            "int" => int(32),
            "bigint" => int(64),
            "decimal" => DataType::Decimal {
                precision: Some(self.numbers.first().copied().unwrap_or(10)),
                scale: Some(i32::try_from(self.numbers.get(1).copied().unwrap_or(0)).unwrap_or(0)),
            },
            "float" if self.numbers.len() == 1 && self.precision() > 24 => DataType::Float64,
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "bit" => {
                DataType::Bit { length: Some(self.numbers.first().copied().unwrap_or(1)), varying: false }
            }
            "char" => DataType::Text { max_chars: Some(length.unwrap_or(1)), fixed: true },
            "varchar" => DataType::Text { max_chars: length, fixed: false },
            "tinytext" => DataType::Text { max_chars: Some(255), fixed: false },
            "text" | "mediumtext" | "longtext" => DataType::TEXT,
            "binary" => DataType::Bytes { max_bytes: Some(length.unwrap_or(1)), fixed: true },
            "varbinary" => DataType::Bytes { max_bytes: length, fixed: false },
            "tinyblob" => DataType::Bytes { max_bytes: Some(255), fixed: false },
            "blob" | "mediumblob" | "longblob" => DataType::BYTES,
            "date" => DataType::Date,
            "time" => DataType::TimeSpan { precision },
            "datetime" => DataType::DateTime { precision },
            "timestamp" => DataType::Timestamp { precision },
            "year" => DataType::Year,
            "json" => DataType::Json { binary: true },
            "uuid" => DataType::Uuid,
            "enum" => DataType::Enum { name: None, labels: self.labels.clone() },
            "set" => DataType::Set { labels: self.labels.clone() },
            _ => DataType::Native { dialect: Dialect::Mysql, name: text.to_owned() },
        }
    }
}

fn synonym(word: &str) -> &str {
    match word {
        "integer" => "int",
        "numeric" | "dec" | "fixed" => "decimal",
        "real" => "double",
        "bool" | "boolean" => "tinyint",
        "character" | "nchar" => "char",
        "nvarchar" => "varchar",
        other => other,
    }
}

/// What stands in the first pair of parentheses and what follows it; quotes are respected.
fn parentheses(text: &str) -> (&str, &str) {
    let Some(body) = text.strip_prefix('(') else { return ("", text) };
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            ')' if !quoted => return (&body[..at], &body[at + 1..]),
            _ => {}
        }
    }
    (body, "")
}

/// Labels of `'a','it''s'`, as SHOW CREATE and the catalogue print them.
fn labels(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some((label, after)) = unquote(rest) {
        out.push(label);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    out
}

/// Reads a quoted literal at the beginning of `text`: its value and what follows.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let body = text.strip_prefix('\'')?;
    let mut out = String::new();
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                out.push('\'');
            }
            '\'' => return Some((out, &body[at + 1..])),
            '\\' => match chars.next()?.1 {
                '0' => out.push('\0'),
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                'b' => out.push('\u{8}'),
                'Z' => out.push('\u{1a}'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

/// Whether two spellings of a type are one. MariaDB says `int(11)` of what is declared `int`; the width means nothing but
/// in `tinyint(1)`.
pub fn is_same(one: &str, other: &str) -> bool {
    let bare = |text: &str| match text.split_once('(') {
        Some((base, rest))
            if (base.ends_with("int") && !text.starts_with("tinyint(1)")) || base == "year" =>
        {
            format!("{base}{}", rest.split_once(')').map_or("", |(_, after)| after))
        }
        _ => text.to_owned(),
    };
    bare(&one.to_ascii_lowercase()) == bare(&other.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_apart() {
        let t = NativeType::parse("decimal(10,2) unsigned");
        assert_eq!((t.base.as_str(), t.numbers.as_slice(), t.unsigned), ("decimal", &[10, 2][..], true));
        assert_eq!(NativeType::parse("INT").base, "int");
        assert!(NativeType::parse("int(5) unsigned zerofill").unsigned);
        assert_eq!(NativeType::parse("datetime(3)").precision(), 3);
        assert_eq!(NativeType::parse("double").numbers, Vec::<u32>::new());
    }

    #[test]
    fn labels_keep_quotes_commas_and_parentheses() {
        let t = NativeType::parse(r"enum('a','it''s','x,y',')','','\\')");
        assert_eq!(t.labels, ["a", "it's", "x,y", ")", "", "\\"]);
        assert_eq!(NativeType::parse("set('1','2')").labels, ["1", "2"]);
    }

    #[test]
    fn neutral_types() {
        for (text, expected) in [
            ("tinyint(1)", DataType::Int { bits: 8, unsigned: false }),
            ("bigint(20) unsigned", DataType::Int { bits: 64, unsigned: true }),
            ("float", DataType::Float32),
            ("float(30)", DataType::Float64),
            ("bit(10)", DataType::Bit { length: Some(10), varying: false }),
            ("char(3)", DataType::Text { max_chars: Some(3), fixed: true }),
            ("mediumtext", DataType::TEXT),
            ("time(2)", DataType::TimeSpan { precision: 2 }),
            ("timestamp", DataType::Timestamp { precision: 0 }),
            ("uuid", DataType::Uuid),
            ("point", DataType::Native { dialect: Dialect::Mysql, name: "point".into() }),
        ] {
            assert_eq!(NativeType::parse(text).data_type(text), expected, "{text}");
        }
    }

    #[test]
    fn the_width_of_an_integer_means_nothing() {
        assert!(is_same("int unsigned", "INT(10) unsigned") && is_same("year", "year(4)"));
        assert!(
            !is_same("tinyint", "tinyint(1)")
                && !is_same("blob", "longblob")
                && !is_same("int", "bigint(20)")
        );
    }
}
