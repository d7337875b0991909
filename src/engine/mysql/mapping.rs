//! Which type of MySQL and MariaDB holds which neutral type. Pure: no connection.

use super::charset;
use super::native::NativeType;
use super::types::Rules;
use crate::engine::capability::{ColumnInput, Mapping, Rules as _};
use crate::model::plan::{ColumnProfile, Fidelity, StorageClasses};
use crate::model::schema::DataType;

/// Longest VARCHAR in characters that a row of 65,535 bytes can hold beside other columns, at four bytes each;
/// longer declarations become LONGTEXT, which holds the same values.
const MOST_VARCHAR: u64 = 4_000;

/// Longest VARBINARY, for the same reason.
const MOST_VARBINARY: u64 = 16_000;

/// Longest utf8mb4 key in characters: 3,072 bytes of an InnoDB index, four bytes each.
const MOST_KEY_CHARS: u64 = 768;

/// Longest binary key.
const MOST_KEY_BYTES: u64 = 3_072;

/// Length of a key over text whose declared type has no bound, where the values allow it: three such columns fit
/// into one index.
const KEY_CHARS: u64 = 255;

/// Most digits of a DECIMAL, and most of them after the point.
const DECIMAL_DIGITS: u32 = 65;
const DECIMAL_SCALE: u32 = 30;

/// Digits after the point that a column sized from its values gets at least.
const LATER_SCALE: u32 = 10;

impl Rules {
    /// Whether the server has a type of its own for UUIDs.
    fn has_uuid(&self) -> bool {
        self.is_mariadb() && self.version >= (10, 7, 0)
    }

    /// Text of a bounded or unbounded length.
    fn text(&self, input: &ColumnInput<'_>, max_chars: Option<u64>, carries: &DataType) -> Mapping {
        let longest = input.profile.and_then(|p| p.max_chars);
        let collation = Some(self.collations.like(input.column.collation.as_ref()));
        let map = |native: String, fidelity, note: Option<String>| Mapping {
            native_type: native,
            carries: carries.clone(),
            fidelity,
            note,
            collation: collation.clone(),
            needs: None,
        };
        let most = if input.indexed { MOST_KEY_CHARS } else { MOST_VARCHAR };
        let needed = match (max_chars, longest) {
            (Some(declared), Some(longest)) => Some(declared.max(longest)),
            (declared, _) => declared,
        };
        let fidelity = if needed > max_chars { Fidelity::Wider } else { Fidelity::Exact };
        let note = (needed > max_chars).then(|| "widened to the longest value".to_owned());
        match needed {
            Some(n) if n <= most => return map(format!("varchar({})", n.max(1)), fidelity, note),
            None if !input.indexed => return map("longtext".into(), Fidelity::Exact, None),
            Some(_) if !input.indexed => return map("longtext".into(), Fidelity::Wider, note),
            _ => {}
        }
        match longest {
            Some(n) if n <= KEY_CHARS => {
                map(format!("varchar({KEY_CHARS})"), Fidelity::Emulated, Some(key_note(KEY_CHARS)))
            }
            Some(n) if n <= MOST_KEY_CHARS => {
                map(format!("varchar({MOST_KEY_CHARS})"), Fidelity::Emulated, Some(key_note(MOST_KEY_CHARS)))
            }
            Some(n) => map(
                "longtext".into(),
                Fidelity::Unsupported,
                Some(format!("holds text of {n} characters, and a key holds at most {MOST_KEY_CHARS}")),
            ),
            None => map(format!("varchar({KEY_CHARS})"), Fidelity::Emulated, Some(key_note(KEY_CHARS))),
        }
    }

    fn bytes(input: &ColumnInput<'_>, max_bytes: Option<u64>) -> Mapping {
        let longest = input.profile.and_then(|p| p.max_bytes);
        let carries = input.column.data_type.clone();
        let most = if input.indexed { MOST_KEY_BYTES } else { MOST_VARBINARY };
        let needed = match (max_bytes, longest) {
            (Some(declared), Some(longest)) => Some(declared.max(longest)),
            (declared, _) => declared,
        };
        match needed {
            Some(n) if n <= most => {
                let fidelity = if needed > max_bytes { Fidelity::Wider } else { Fidelity::Exact };
                return Mapping::plain(format!("varbinary({})", n.max(1)), carries, fidelity);
            }
            None if !input.indexed => return Mapping::plain("longblob", carries, Fidelity::Exact),
            Some(_) if !input.indexed => return Mapping::plain("longblob", carries, Fidelity::Wider),
            _ => {}
        }
        match longest.unwrap_or(0) {
            n if n <= KEY_CHARS => noted(
                Mapping::plain(format!("varbinary({KEY_CHARS})"), carries, Fidelity::Emulated),
                format!("a key needs a bound: {KEY_CHARS} bytes"),
            ),
            n if n <= MOST_KEY_BYTES => noted(
                Mapping::plain(format!("varbinary({MOST_KEY_BYTES})"), carries, Fidelity::Emulated),
                format!("a key needs a bound: {MOST_KEY_BYTES} bytes"),
            ),
            n => noted(
                Mapping::plain("longblob", carries, Fidelity::Unsupported),
                format!("holds {n} bytes, and a key holds at most {MOST_KEY_BYTES}"),
            ),
        }
    }

    /// Text of ours for a type that the product does not have.
    fn spelled(&self, input: &ColumnInput<'_>, most: u64, carries: &DataType) -> Mapping {
        let bound = (input.indexed || most <= KEY_CHARS).then_some(most.min(KEY_CHARS));
        let mut mapping = self.text(input, bound, carries);
        mapping.collation = Some(self.collations.exact().to_owned());
        if mapping.fidelity != Fidelity::Unsupported {
            mapping.fidelity = Fidelity::Emulated;
            mapping.note = Some(format!("kept as text: there is no type like {}", input.column.native_type));
        }
        mapping
    }

    fn labels(&self, input: &ColumnInput<'_>, word: &str, labels: &[String]) -> Mapping {
        let carries = input.column.data_type.clone();
        let (most, comma_splits) = if word == "set" { (64, true) } else { (65_535, false) };
        // MySQL cuts blanks at the end of a label; a comma inside a label of a set cannot be told from the one
        // between two labels.
        let expressible = !labels.is_empty()
            && labels.len() <= most
            && labels
                .iter()
                .all(|l| !l.ends_with(' ') && l.chars().count() <= 255 && !(comma_splits && l.contains(',')));
        if !expressible {
            return self.spelled(input, u64::MAX, &carries);
        }
        let list: Vec<String> = labels.iter().map(|l| self.literal(l)).collect();
        let mut mapping = Mapping::plain(format!("{word}({})", list.join(",")), carries, Fidelity::Exact);
        mapping.collation = Some(self.collations.like(input.column.collation.as_ref()));
        mapping
    }

    /// A column of SQLite without a type: what its values are decides.
    fn any(&self, input: &ColumnInput<'_>) -> Mapping {
        let classes = input.profile.and_then(|p| p.classes).unwrap_or_default();
        match classes {
            StorageClasses { real: 0, text: 0, blob: 0, integer: 1.., .. } => {
                Mapping::plain("bigint", DataType::INT64, Fidelity::Exact)
            }
            StorageClasses { integer: 0, text: 0, blob: 0, real: 1.., .. } => {
                Mapping::plain("double", DataType::Float64, Fidelity::Exact)
            }
            StorageClasses { integer: 0, real: 0, text: 0, blob: 1.., .. } => {
                Self::bytes(&ColumnInput { column: &untyped(input, DataType::BYTES), ..*input }, None)
            }
            StorageClasses { integer: 0, real: 0, blob: 0, .. } => self.text(input, None, &DataType::TEXT),
            StorageClasses { blob: 0, .. } => {
                let text = self.text(input, None, &DataType::TEXT);
                let note = "numbers among its values become their decimal digits".into();
                Mapping { fidelity: Fidelity::Emulated, note: Some(note), ..text }
            }
            _ => noted(
                Mapping::plain("longtext", DataType::TEXT, Fidelity::Unsupported),
                "holds values of more than one storage class, and MySQL has no type for that".into(),
            ),
        }
    }

    /// A column that comes from MySQL or MariaDB keeps its type word for word where this product has it.
    pub(super) fn same_dialect(&self, input: &ColumnInput<'_>) -> Option<Mapping> {
        let column = input.column;
        let native = NativeType::parse(&column.native_type);
        let same_product = input.source_flavour == self.flavour;
        let known = match native.base.as_str() {
            // MySQL parses and prints JSON anew; MariaDB keeps its text.
            "json" => same_product || self.is_mariadb(),
            "uuid" => self.has_uuid(),
            "inet6" => self.is_mariadb() && self.version >= (10, 5, 0),
            "inet4" => self.is_mariadb() && self.version >= (10, 10, 0),
            "vector" | "xmltype" => same_product,
            _ => true,
        };
        if !known {
            return None;
        }
        let collation = column.collation.as_ref().map(|c| self.collations.same(c));
        let mut mapping =
            Mapping::plain(column.native_type.clone(), column.data_type.clone(), Fidelity::Exact);
        if let (Some(had), Some(has)) = (&column.collation, &collation)
            && !charset::is_alias(&had.name, has)
        {
            mapping.note = Some(format!("collation {} becomes {has}", had.name));
        }
        mapping.collation = collation;
        Some(mapping)
    }
}

/// Table of the mapping: one line for every neutral type. Same-dialect columns never come here.
impl Rules {
    pub(super) fn foreign(&self, input: &ColumnInput<'_>) -> Mapping {
        let own = input.column.data_type.clone();
        let exact = |native: &str| Mapping::plain(native, own.clone(), Fidelity::Exact);
        let wider = |native: &str| Mapping::plain(native, own.clone(), Fidelity::Wider);
        match &input.column.data_type {
            DataType::Bool => exact("tinyint(1)"),
            DataType::Int { bits, unsigned } => integer(*bits, *unsigned, input.profile, own.clone()),
            DataType::Float32 => exact("float"),
            DataType::Float64 => exact("double"),
            DataType::Decimal { precision, scale } => decimal(*precision, *scale, input),
            DataType::Text { max_chars, .. } => self.text(input, *max_chars, &own),
            DataType::Bytes { max_bytes, .. } => Self::bytes(input, *max_bytes),
            DataType::Date => exact("date"),
            DataType::Time { precision: 6 } | DataType::TimeSpan { precision: 6 } => exact("time(6)"),
            DataType::Time { .. } | DataType::TimeSpan { .. } => wider("time(6)"),
            DataType::DateTime { precision: 6 } => exact("datetime(6)"),
            DataType::DateTime { .. } => wider("datetime(6)"),
            DataType::Timestamp { precision: 6 } => exact("timestamp(6)"),
            DataType::Timestamp { .. } => wider("timestamp(6)"),
            DataType::Year => exact("year"),
            DataType::Uuid if self.has_uuid() && !input.profile.is_some_and(|p| p.odd_uuids) => exact("uuid"),
            DataType::Uuid => {
                // MariaDB generates nothing from CHAR, whose blanks depend on the session.
                let native = if self.is_mariadb() { "varchar(36)" } else { "char(36)" };
                let why = if self.has_uuid() { ": the type uuid refuses some of these values" } else { "" };
                noted(
                    Mapping {
                        collation: Some(self.collations.exact().to_owned()),
                        ..Mapping::plain(native, own.clone(), Fidelity::Emulated)
                    },
                    format!("kept as text of 36 characters{why}"),
                )
            }
            DataType::Json { .. } => {
                let text = self.spelled(input, u64::MAX, &own);
                let note =
                    text.note.as_ref().map(|note| format!("{note}, and text that is no JSON is taken too"));
                Mapping { note, ..text }
            }
            DataType::Native { .. } => self.spelled(input, u64::MAX, &own),
            DataType::Enum { labels, .. } => self.labels(input, "enum", labels),
            DataType::Set { labels } => self.labels(input, "set", labels),
            DataType::Bit { length: Some(n @ 1..=64), varying: false } => exact(&format!("bit({n})")),
            DataType::Bit { length, .. } => self.spelled(input, length.map_or(u64::MAX, u64::from), &own),
            DataType::TimeTz | DataType::Interval => self.spelled(input, 100, &own),
            DataType::Any => self.any(input),
        }
    }
}

fn noted(mapping: Mapping, note: String) -> Mapping {
    Mapping { note: Some(note), ..mapping }
}

fn key_note(chars: u64) -> String {
    format!("a key needs a bound: {chars} characters")
}

fn untyped(input: &ColumnInput<'_>, data_type: DataType) -> crate::model::schema::Column {
    crate::model::schema::Column { data_type, ..input.column.clone() }
}

fn integer(bits: u8, unsigned: bool, profile: Option<&ColumnProfile>, carries: DataType) -> Mapping {
    let (least, most) = match (bits, unsigned) {
        (0..=63, true) => (0, (1_i64 << bits) - 1),
        (0..=63, false) => (-(1_i64 << bits.saturating_sub(1)), (1_i64 << bits.saturating_sub(1)) - 1),
        (_, true) => (0, i64::MAX),
        (_, false) => (i64::MIN, i64::MAX),
    };
    let fits =
        profile.is_none_or(|p| p.min_int.is_none_or(|v| v >= least) && p.max_int.is_none_or(|v| v <= most));
    if !fits {
        let mapping = Mapping::plain("bigint", DataType::INT64, Fidelity::Wider);
        return noted(mapping, "widened to the values".into());
    }
    let word = match bits {
        0..=8 => "tinyint",
        9..=16 => "smallint",
        17..=24 => "mediumint",
        25..=32 => "int",
        _ => "bigint",
    };
    Mapping::plain(format!("{word}{}", if unsigned { " unsigned" } else { "" }), carries, Fidelity::Exact)
}

fn decimal(precision: Option<u32>, scale: Option<i32>, input: &ColumnInput<'_>) -> Mapping {
    let own = input.column.data_type.clone();
    let unsupported =
        |why: String| noted(Mapping::plain("longtext", own.clone(), Fidelity::Unsupported), why);
    let measured = input.profile.and_then(|p| Some((p.whole_digits?, p.fraction_digits?)));
    let Some(precision) = precision else {
        let (whole, fraction) = measured.unwrap_or((DECIMAL_DIGITS - DECIMAL_SCALE, DECIMAL_SCALE));
        if fraction > DECIMAL_SCALE || whole + fraction > DECIMAL_DIGITS {
            return unsupported(format!(
                "holds numbers of {whole} digits before and {fraction} after the point; DECIMAL holds 65, 30 of \
                 them after the point"
            ));
        }
        // Room for what is written later: MySQL rounds what a scale is too small for.
        let fraction = fraction.max(LATER_SCALE.min(DECIMAL_DIGITS - whole));
        return noted(
            Mapping::plain(format!("decimal({DECIMAL_DIGITS},{fraction})"), own.clone(), Fidelity::Emulated),
            "MySQL has no number without bounds: these are taken from the values".into(),
        );
    };
    // PostgreSQL allows a negative scale and one above the precision; both only mean where the digits stand.
    let scale = scale.unwrap_or(0);
    let fraction = u32::try_from(scale).unwrap_or(0);
    let digits = precision.saturating_add_signed(scale.min(0).saturating_neg()).max(fraction);
    let (digits, fraction) = match measured {
        Some((whole, after)) => {
            let fraction = fraction.max(after);
            (digits.max(whole + fraction), fraction)
        }
        None => (digits, fraction),
    };
    if digits > DECIMAL_DIGITS || fraction > DECIMAL_SCALE {
        return unsupported(format!(
            "DECIMAL holds at most {DECIMAL_DIGITS} digits, {DECIMAL_SCALE} after the point"
        ));
    }
    let fidelity = if digits > precision { Fidelity::Wider } else { Fidelity::Exact };
    Mapping::plain(format!("decimal({digits},{fraction})"), own, fidelity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mysql::charset::describe;
    use crate::model::endpoint::{Dialect, Flavour};
    use crate::model::schema::{Collation, Column};

    fn column(data_type: DataType, native_type: &str, collation: Option<Collation>) -> Column {
        Column {
            name: "c".into(),
            data_type,
            native_type: native_type.into(),
            nullable: true,
            default: None,
            generated: None,
            identity: None,
            on_update_now: false,
            collation,
            comment: None,
            origin: None,
            domain: None,
            reaches: Vec::new(),
        }
    }

    fn mapped(rules: &Rules, data_type: DataType, profile: Option<&ColumnProfile>, indexed: bool) -> Mapping {
        let column = column(data_type, "theirs", None);
        rules.map_column(&ColumnInput {
            source: Dialect::Postgres,
            source_flavour: Flavour::Postgres,
            column: &column,
            profile,
            indexed,
        })
    }

    fn maria() -> Rules {
        Rules::new(Flavour::Mariadb, None)
    }

    #[test]
    fn every_neutral_type_has_a_line() {
        let labels = || vec!["a".to_owned(), "it's".to_owned()];
        let native = DataType::Native { dialect: Dialect::Postgres, name: "inet".into() };
        for (data_type, maria_type, mysql_type) in [
            (DataType::Bool, "tinyint(1)", "tinyint(1)"),
            (DataType::Int { bits: 16, unsigned: true }, "smallint unsigned", "smallint unsigned"),
            (DataType::INT64, "bigint", "bigint"),
            (DataType::Float32, "float", "float"),
            (DataType::Float64, "double", "double"),
            (DataType::Decimal { precision: Some(10), scale: Some(2) }, "decimal(10,2)", "decimal(10,2)"),
            (DataType::Decimal { precision: Some(3), scale: Some(-2) }, "decimal(5,0)", "decimal(5,0)"),
            (DataType::Decimal { precision: None, scale: None }, "decimal(65,30)", "decimal(65,30)"),
            (DataType::Text { max_chars: Some(80), fixed: true }, "varchar(80)", "varchar(80)"),
            (DataType::Text { max_chars: Some(9000), fixed: false }, "longtext", "longtext"),
            (DataType::TEXT, "longtext", "longtext"),
            (DataType::BYTES, "longblob", "longblob"),
            (DataType::Date, "date", "date"),
            (DataType::Time { precision: 0 }, "time(6)", "time(6)"),
            (DataType::DateTime { precision: 3 }, "datetime(6)", "datetime(6)"),
            (DataType::Timestamp { precision: 6 }, "timestamp(6)", "timestamp(6)"),
            (DataType::Uuid, "uuid", "char(36)"),
            (DataType::Json { binary: true }, "longtext", "longtext"),
            (DataType::Enum { name: None, labels: labels() }, "enum('a','it''s')", "enum('a','it''s')"),
            (DataType::Enum { name: None, labels: vec!["a ".into()] }, "longtext", "longtext"),
            (DataType::Set { labels: labels() }, "set('a','it''s')", "set('a','it''s')"),
            (DataType::Bit { length: Some(10), varying: false }, "bit(10)", "bit(10)"),
            (DataType::Bit { length: None, varying: true }, "longtext", "longtext"),
            (DataType::Interval, "varchar(100)", "varchar(100)"),
            (native, "longtext", "longtext"),
        ] {
            assert_eq!(mapped(&maria(), data_type.clone(), None, false).native_type, maria_type);
            let mysql = Rules::new(Flavour::Mysql, None);
            let mapping = mapped(&mysql, data_type.clone(), None, false);
            assert_eq!(mapping.native_type, mysql_type);
            assert_eq!(mapping.carries, data_type);
        }
    }

    #[test]
    fn text_is_widened_and_keys_are_bounded_by_the_values() {
        let longest = |n| ColumnProfile { max_chars: Some(n), ..ColumnProfile::default() };
        let short = DataType::Text { max_chars: Some(128), fixed: false };
        let wide = mapped(&maria(), short, Some(&longest(162)), false);
        assert_eq!((wide.native_type.as_str(), wide.fidelity), ("varchar(162)", Fidelity::Wider));
        for (chars, native, fidelity) in [
            (40, "varchar(255)", Fidelity::Emulated),
            (700, "varchar(768)", Fidelity::Emulated),
            (769, "longtext", Fidelity::Unsupported),
        ] {
            let key = mapped(&maria(), DataType::TEXT, Some(&longest(chars)), true);
            assert_eq!((key.native_type.as_str(), key.fidelity), (native, fidelity));
        }
    }

    #[test]
    fn a_column_of_the_same_dialect_stays_word_for_word() {
        let latin = column(DataType::TEXT, "mediumtext", Some(describe("latin1_swedish_ci")));
        let json = column(DataType::Json { binary: false }, "json", None);
        let input = |column, source_flavour| ColumnInput {
            source: Dialect::Mysql,
            source_flavour,
            column,
            profile: None,
            indexed: false,
        };
        let mapping = maria().map_column(&input(&latin, Flavour::Mysql));
        assert_eq!(mapping.native_type, "mediumtext");
        assert_eq!(mapping.collation.as_deref(), Some("latin1_swedish_ci"));
        assert_eq!(mapping.fidelity, Fidelity::Exact);
        // MySQL would print JSON anew, so the text of MariaDB stays text.
        let mysql = Rules::new(Flavour::Mysql, None);
        assert_eq!(mysql.map_column(&input(&json, Flavour::Mariadb)).native_type, "longtext");
        assert_eq!(mysql.map_column(&input(&json, Flavour::Mysql)).native_type, "json");
    }
}
