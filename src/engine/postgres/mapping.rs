//! The table of types: for a column of any source, the type that PostgreSQL has for it, how faithful that is, and
//! what travels. Pure.

use super::types::{Known, quote};
use crate::engine::capability::{ColumnInput, Mapping};
use crate::model::endpoint::Dialect;
use crate::model::plan::{ColumnProfile, Fidelity, StorageClasses, TypePlan};
use crate::model::schema::{Column, DataType};

/// Longest `varchar(n)` and `char(n)` that PostgreSQL takes.
const MOST_CHARS: u64 = 10_485_760;

/// Longest `bit(n)`.
const MOST_BITS: u32 = 83_886_080;

/// Most digits of a declared `numeric`.
const MOST_DIGITS: u32 = 1000;

/// Type for a column of any source.
pub(super) fn map_column(input: &ColumnInput<'_>, known: &Known) -> Mapping {
    if input.source == Dialect::Postgres { own(input.column, known) } else { foreign(input, known) }
}

/// A column of PostgreSQL keeps its type word for word, as far as that can be declared on another server.
fn own(column: &Column, known: &Known) -> Mapping {
    let mut mapping = Mapping::plain(&column.native_type, column.data_type.clone(), Fidelity::Exact);
    if let DataType::Enum { name: Some(name), labels } = &column.data_type {
        mapping.native_type = quote(name);
        mapping.needs = Some(TypePlan { name: name.clone(), labels: labels.clone() });
    } else if !known.has_type(&column.native_type) {
        mapping.native_type = "text".into();
        mapping.fidelity = Fidelity::Emulated;
        mapping.note =
            Some(format!("the target has no type {}: its values are kept as their text", column.native_type));
        mapping.collation = known.exact_collation();
    }
    // citext is a type of its own, not a collation; its columns say how they compare all the same.
    if let Some(collation) = column.collation.as_ref().filter(|c| c.name != column.native_type) {
        if known.has_collation(&collation.name) {
            mapping.collation = Some(collation.name.clone());
        } else {
            mapping.collation = known.exact_collation();
            mapping.note = Some(format!(
                "the target has no collation {:?}: text is compared by code points there",
                collation.name
            ));
        }
    }
    mapping
}

/// A column of another engine.
fn foreign(input: &ColumnInput<'_>, known: &Known) -> Mapping {
    use Fidelity::{Emulated, Exact, Wider};
    let carries = input.column.data_type.clone();
    let profile = input.profile;
    let mut mapping = match &carries {
        DataType::Bool => Mapping::plain("boolean", carries, Exact),
        DataType::Int { bits, unsigned } => integer(*bits, *unsigned, input),
        DataType::Float32 => Mapping::plain("real", carries, Exact),
        DataType::Float64 => Mapping::plain("double precision", carries, Exact),
        DataType::Decimal { precision, scale } => {
            let (native, fidelity) = decimal(*precision, *scale, profile);
            Mapping::plain(&native, carries, fidelity)
        }
        DataType::Text { max_chars, fixed } => {
            let (native, fidelity) = text(*max_chars, *fixed, profile);
            Mapping::plain(&native, carries, fidelity)
        }
        DataType::Bytes { max_bytes, .. } => {
            let fidelity = if max_bytes.is_some() { Wider } else { Exact };
            Mapping::plain("bytea", carries, fidelity)
        }
        DataType::Date => Mapping::plain("date", carries, Exact),
        DataType::Time { precision } => Mapping::plain(timed("time", *precision, "without"), carries, Exact),
        DataType::TimeSpan { .. } => Mapping::plain("interval", carries, Wider),
        DataType::TimeTz => Mapping::plain("time with time zone", carries, Exact),
        DataType::DateTime { precision } => {
            Mapping::plain(timed("timestamp", *precision, "without"), carries, Exact)
        }
        DataType::Timestamp { precision } => {
            Mapping::plain(timed("timestamp", *precision, "with"), carries, Exact)
        }
        DataType::Interval => Mapping::plain("interval", carries, Exact),
        DataType::Year => Mapping::plain("smallint", carries, Wider),
        DataType::Uuid => Mapping::plain("uuid", carries, Exact),
        // json has no equality, so nothing can be indexed over it.
        DataType::Json { .. } if input.indexed => Mapping {
            note: Some("json cannot be compared, so no index could be made over it".into()),
            ..Mapping::plain("text", carries, Emulated)
        },
        DataType::Json { .. } => Mapping::plain("json", carries, Exact),
        DataType::Enum { name, labels } => {
            let name = name.clone().unwrap_or_else(|| enum_name(&input.column.name, labels));
            let needs = TypePlan { name: name.clone(), labels: labels.clone() };
            Mapping { needs: Some(needs), ..Mapping::plain(quote(&name), carries, Exact) }
        }
        DataType::Bit { length, varying } => Mapping::plain(bits(*length, *varying), carries, Exact),
        DataType::Native { dialect: Dialect::Postgres, name } if known.has_type(name) => {
            Mapping::plain(name.clone(), carries, Exact)
        }
        DataType::Set { .. } | DataType::Native { .. } => Mapping::plain("text", carries, Emulated),
        DataType::Any => any(profile),
    };
    let is_number =
        matches!(input.column.data_type, DataType::Decimal { .. } | DataType::Float32 | DataType::Float64);
    if is_number && is_unsigned(input) && matches!(mapping.fidelity, Exact | Wider) {
        mapping.fidelity = Wider;
        mapping.note.get_or_insert_with(|| SIGNED.into());
    }
    if mapping.fidelity == Emulated && mapping.note.is_none() {
        mapping.note = Some("PostgreSQL has no such type: values are kept as their text".into());
    }
    if is_collatable(&mapping.native_type) && mapping.fidelity != Fidelity::Unsupported {
        mapping.collation = known.exact_collation();
        if let Some(collation) = input.column.collation.as_ref().filter(|c| !c.is_exact()) {
            mapping.note.get_or_insert_with(|| {
                format!("compares by code points here, but by {} in the source", collation.name)
            });
        }
    }
    mapping
}

fn is_collatable(native: &str) -> bool {
    native == "text" || native.starts_with("character")
}

/// What a type without UNSIGNED means for the range.
const SIGNED: &str = "it takes numbers below 0 too, which the source refuses";

fn integer(bits: u8, unsigned: bool, input: &ColumnInput<'_>) -> Mapping {
    let carries = input.column.data_type.clone();
    if unsigned && bits > 32 {
        // A sequence needs an integer, and a key and what refers to it need the same type.
        if input.indexed || input.column.identity.is_some() {
            let mut mapping = Mapping::plain("bigint", carries, Fidelity::Wider);
            mapping.note = Some("a value above 9223372036854775807 stops the migration".into());
            return mapping;
        }
        return Mapping {
            note: Some(SIGNED.into()),
            ..Mapping::plain("numeric(20)", carries, Fidelity::Wider)
        };
    }
    let declared = u32::from(bits) + u32::from(unsigned);
    let real = input.profile.map_or(0, |p| bits_of(p.min_int).max(bits_of(p.max_int)));
    let needed = declared.max(real);
    let native = match needed {
        0..=16 => "smallint",
        17..=32 => "integer",
        _ => "bigint",
    };
    let exact = !unsigned && matches!(bits, 16 | 32 | 64) && real <= declared;
    let mapping = Mapping::plain(native, carries, if exact { Fidelity::Exact } else { Fidelity::Wider });
    Mapping { note: unsigned.then(|| SIGNED.to_owned()), ..mapping }
}

/// Whether the type is declared UNSIGNED in MySQL's words.
fn is_unsigned(input: &ColumnInput<'_>) -> bool {
    let words = input.column.native_type.to_ascii_lowercase();
    input.source == Dialect::Mysql && words.split_whitespace().any(|word| word == "unsigned")
}

/// Bits that a signed integer needs.
fn bits_of(value: Option<i64>) -> u32 {
    value.map_or(0, |v| 65 - if v < 0 { (!v).leading_zeros() } else { v.leading_zeros() })
}

fn decimal(
    precision: Option<u32>,
    scale: Option<i32>,
    profile: Option<&ColumnProfile>,
) -> (String, Fidelity) {
    let unbounded = |fidelity| ("numeric".to_owned(), fidelity);
    let Some(precision) = precision else { return unbounded(Fidelity::Exact) };
    let Ok(scale) = u32::try_from(scale.unwrap_or(0)) else { return unbounded(Fidelity::Wider) };
    let Some(whole) = precision.checked_sub(scale) else { return unbounded(Fidelity::Wider) };
    let real_scale = scale.max(profile.and_then(|p| p.fraction_digits).unwrap_or(0));
    let real_whole = whole.max(profile.and_then(|p| p.whole_digits).unwrap_or(0));
    let digits = (real_whole + real_scale).max(1);
    if digits > MOST_DIGITS {
        return unbounded(Fidelity::Wider);
    }
    let fidelity = if (real_whole, real_scale) == (whole, scale) { Fidelity::Exact } else { Fidelity::Wider };
    (format!("numeric({digits},{real_scale})"), fidelity)
}

fn text(max_chars: Option<u64>, fixed: bool, profile: Option<&ColumnProfile>) -> (String, Fidelity) {
    let longest = profile.and_then(|p| p.max_chars).unwrap_or(0);
    match max_chars {
        None => ("text".into(), Fidelity::Exact),
        Some(most) if longest > most => {
            let roomy = longest.max(255).checked_next_power_of_two().filter(|_| longest > 255).unwrap_or(255);
            if roomy > MOST_CHARS {
                ("text".into(), Fidelity::Wider)
            } else {
                (format!("character varying({roomy})"), Fidelity::Wider)
            }
        }
        Some(most) if most == 0 || most > MOST_CHARS => ("text".into(), Fidelity::Wider),
        Some(most) if fixed => (format!("character({most})"), Fidelity::Exact),
        Some(most) => (format!("character varying({most})"), Fidelity::Exact),
    }
}

fn timed(name: &str, precision: u8, with: &str) -> String {
    if precision < 6 {
        format!("{name}({precision}) {with} time zone")
    } else {
        format!("{name} {with} time zone")
    }
}

fn bits(length: Option<u32>, varying: bool) -> String {
    match length {
        Some(length) if (1..=MOST_BITS).contains(&length) => {
            format!("bit{}({length})", if varying { " varying" } else { "" })
        }
        _ => "bit varying".into(),
    }
}

/// A name for an enum that has none: the planner gives it `table_column`; without one, the labels make it
/// unique, so that two columns of one name never share a type by accident.
fn enum_name(column: &str, labels: &[String]) -> String {
    let stem: String = column.chars().take(12).collect();
    let hash = xxhash_rust::xxh3::xxh3_64(labels.join("\u{1f}").as_bytes());
    format!("{stem}_{hash:016x}")
}

/// A column without a declared type (SQLite): one storage class becomes the type that holds it.
fn any(profile: Option<&ColumnProfile>) -> Mapping {
    let classes = profile.and_then(|p| p.classes).unwrap_or_default();
    match classes {
        StorageClasses { real: 0, text: 0, blob: 0, integer, .. } if integer > 0 => {
            Mapping::plain("bigint", DataType::INT64, Fidelity::Exact)
        }
        StorageClasses { integer: 0, text: 0, blob: 0, real, .. } if real > 0 => {
            Mapping::plain("double precision", DataType::Float64, Fidelity::Exact)
        }
        StorageClasses { integer: 0, real: 0, text: 0, blob, .. } if blob > 0 => {
            Mapping::plain("bytea", DataType::BYTES, Fidelity::Exact)
        }
        StorageClasses { integer: 0, real: 0, blob: 0, .. } => {
            Mapping::plain("text", DataType::TEXT, Fidelity::Exact)
        }
        StorageClasses { blob: 0, .. } => {
            let mut mapping = Mapping::plain("text", DataType::TEXT, Fidelity::Emulated);
            mapping.note = Some("numbers among its values become their decimal digits".into());
            mapping
        }
        _ => {
            let mut mapping = Mapping::plain("text", DataType::TEXT, Fidelity::Unsupported);
            mapping.note = Some("values of several kinds in a column without a type".into());
            mapping
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Flavour;
    use crate::model::schema::Collation;

    fn column(data_type: DataType, native: &str) -> Column {
        Column {
            name: "c".into(),
            data_type,
            native_type: native.into(),
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

    fn map(column: &Column, source: Dialect, profile: Option<&ColumnProfile>, indexed: bool) -> Mapping {
        let flavour = match source {
            Dialect::Sqlite => Flavour::Sqlite,
            Dialect::Postgres => Flavour::Postgres,
            Dialect::Mysql => Flavour::Mariadb,
        };
        let input = ColumnInput { source, source_flavour: flavour, column, profile, indexed };
        map_column(&input, &Known::default())
    }

    #[test]
    fn every_neutral_type_has_a_home() {
        let int = |bits, unsigned| DataType::Int { bits, unsigned };
        let label = vec!["a".to_owned(), "b".to_owned()];
        for (from, native, fidelity) in [
            (DataType::Bool, "boolean", Fidelity::Exact),
            (int(8, false), "smallint", Fidelity::Wider),
            (int(8, true), "smallint", Fidelity::Wider),
            (int(16, false), "smallint", Fidelity::Exact),
            (int(16, true), "integer", Fidelity::Wider),
            (int(24, true), "integer", Fidelity::Wider),
            (int(32, false), "integer", Fidelity::Exact),
            (int(32, true), "bigint", Fidelity::Wider),
            (int(64, false), "bigint", Fidelity::Exact),
            (int(64, true), "numeric(20)", Fidelity::Wider),
            (DataType::Float32, "real", Fidelity::Exact),
            (DataType::Float64, "double precision", Fidelity::Exact),
            (DataType::Decimal { precision: Some(10), scale: Some(2) }, "numeric(10,2)", Fidelity::Exact),
            (DataType::Decimal { precision: None, scale: None }, "numeric", Fidelity::Exact),
            (DataType::Text { max_chars: Some(9), fixed: true }, "character(9)", Fidelity::Exact),
            (DataType::Text { max_chars: Some(9), fixed: false }, "character varying(9)", Fidelity::Exact),
            (DataType::TEXT, "text", Fidelity::Exact),
            (DataType::BYTES, "bytea", Fidelity::Exact),
            (DataType::Bytes { max_bytes: Some(4), fixed: true }, "bytea", Fidelity::Wider),
            (DataType::Date, "date", Fidelity::Exact),
            (DataType::Time { precision: 0 }, "time(0) without time zone", Fidelity::Exact),
            (DataType::TimeSpan { precision: 6 }, "interval", Fidelity::Wider),
            (DataType::TimeTz, "time with time zone", Fidelity::Exact),
            (DataType::DateTime { precision: 6 }, "timestamp without time zone", Fidelity::Exact),
            (DataType::Timestamp { precision: 3 }, "timestamp(3) with time zone", Fidelity::Exact),
            (DataType::Interval, "interval", Fidelity::Exact),
            (DataType::Year, "smallint", Fidelity::Wider),
            (DataType::Uuid, "uuid", Fidelity::Exact),
            (DataType::Json { binary: true }, "json", Fidelity::Exact),
            (DataType::Enum { name: Some("t_c".into()), labels: label.clone() }, "\"t_c\"", Fidelity::Exact),
            (DataType::Set { labels: label }, "text", Fidelity::Emulated),
            (DataType::Bit { length: Some(8), varying: false }, "bit(8)", Fidelity::Exact),
            (
                DataType::Native { dialect: Dialect::Mysql, name: "geometry".into() },
                "text",
                Fidelity::Emulated,
            ),
        ] {
            let mapping = map(&column(from.clone(), "x"), Dialect::Mysql, None, false);
            assert_eq!((mapping.native_type.as_str(), mapping.fidelity), (native, fidelity), "{from:?}");
            assert_eq!(mapping.carries, from);
        }
    }

    #[test]
    fn data_beyond_the_declaration_widens_it() {
        let profile = |max_chars, max_int| ColumnProfile { max_chars, max_int, ..ColumnProfile::default() };
        let text = column(DataType::Text { max_chars: Some(128), fixed: false }, "VARCHAR(128)");
        for (longest, native) in [
            (128, "character varying(128)"),
            (162, "character varying(255)"),
            (256, "character varying(256)"),
            (300, "character varying(512)"),
            (20_000_000, "text"),
        ] {
            assert_eq!(
                map(&text, Dialect::Sqlite, Some(&profile(Some(longest), None)), false).native_type,
                native
            );
        }
        let int = column(DataType::INT32, "INT");
        let wide = profile(None, Some(1 << 40));
        assert_eq!(map(&int, Dialect::Sqlite, Some(&wide), false).native_type, "bigint");
        let edge = profile(None, Some(i64::from(i32::MAX)));
        assert_eq!(map(&int, Dialect::Sqlite, Some(&edge), false).native_type, "integer");
        let money = column(DataType::Decimal { precision: Some(4), scale: Some(2) }, "DECIMAL(4,2)");
        let digits = ColumnProfile { whole_digits: Some(5), fraction_digits: Some(3), ..Default::default() };
        assert_eq!(map(&money, Dialect::Sqlite, Some(&digits), false).native_type, "numeric(8,3)");
    }

    #[test]
    fn unsigned_keys_stay_integers() {
        let id = column(DataType::Int { bits: 64, unsigned: true }, "bigint unsigned");
        assert_eq!(map(&id, Dialect::Mysql, None, true).native_type, "bigint");
    }

    #[test]
    fn own_types_stay_word_for_word_and_unknown_ones_become_text() {
        let native =
            |name: &str| column(DataType::Native { dialect: Dialect::Postgres, name: name.into() }, name);
        for name in ["text[]", "tsvector", "numeric(8,2)[]", "inet"] {
            let mapping = map(&native(name), Dialect::Postgres, None, false);
            assert_eq!((mapping.native_type.as_str(), mapping.fidelity), (name, Fidelity::Exact));
        }
        let mapping = map(&native("hstore"), Dialect::Postgres, None, false);
        assert_eq!((mapping.native_type.as_str(), mapping.fidelity), ("text", Fidelity::Emulated));
        let labels = vec!["a".to_owned()];
        let mood =
            column(DataType::Enum { name: Some("mo\"od".into()), labels: labels.clone() }, "\"mo\"\"od\"");
        let mapping = map(&mood, Dialect::Postgres, None, false);
        assert_eq!(mapping.native_type, "\"mo\"\"od\"");
        assert_eq!(mapping.needs, Some(TypePlan { name: "mo\"od".into(), labels }));
    }

    #[test]
    fn text_compares_by_code_points() {
        let mut text = column(DataType::TEXT, "TEXT");
        text.collation = Some(Collation {
            name: "NOCASE".into(),
            case_insensitive: true,
            ascii_case: true,
            accent_insensitive: false,
            pads: false,
        });
        let mapping = map(&text, Dialect::Sqlite, None, false);
        assert_eq!(mapping.collation.as_deref(), Some("C"));
        assert!(mapping.note.is_some_and(|n| n.contains("NOCASE")));
    }

    #[test]
    fn a_column_without_a_type_gets_the_one_of_its_values() {
        let any = column(DataType::Any, "");
        let of = |classes| ColumnProfile { classes: Some(classes), ..ColumnProfile::default() };
        let ints = of(StorageClasses { integer: 3, null: 1, ..Default::default() });
        assert_eq!(map(&any, Dialect::Sqlite, Some(&ints), false).native_type, "bigint");
        let mixed = of(StorageClasses { integer: 3, text: 1, ..Default::default() });
        assert_eq!(map(&any, Dialect::Sqlite, Some(&mixed), false).fidelity, Fidelity::Emulated);
        let mixed = of(StorageClasses { blob: 3, text: 1, ..Default::default() });
        assert_eq!(map(&any, Dialect::Sqlite, Some(&mixed), false).fidelity, Fidelity::Unsupported);
    }
}
