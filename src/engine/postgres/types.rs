//! PostgreSQL's own spelling of types and names, and what is known of a server's types and collations: from what
//! `format_type` prints to the neutral type. Pure; the way back, from the types of any source, is in `mapping`.

use std::collections::BTreeSet;

use crate::model::endpoint::Dialect;
use crate::model::schema::DataType;

/// Types of `pg_catalog` that have no neutral form and exist on every server.
const BUILT_IN: &[&str] = &[
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "tsvector",
    "tsquery",
    "xml",
    "jsonpath",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
    "datemultirange",
    "pg_lsn",
    "pg_snapshot",
    "txid_snapshot",
    "xid",
    "xid8",
    "cid",
    "tid",
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regoper",
    "regoperator",
    "regrole",
    "regnamespace",
    "regconfig",
    "regdictionary",
    "refcursor",
];

/// What is known about a server beyond its dialect.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Version; `None` is a server that nobody has asked: the oldest that is supported.
    pub(super) version: Option<(u32, u32, u32)>,
    /// Collations that the database has.
    pub(super) collations: Option<BTreeSet<String>>,
    /// The database's own default already compares by code points and knows Unicode case.
    pub(super) default_is_exact: bool,
    /// Types that users or extensions have made and that the session can name.
    pub(super) types: Option<BTreeSet<String>>,
    /// Functions, operators and operator classes that users or extensions have made, as `pg_describe_object` tells of them.
    /// A server that nobody has asked has none.
    pub(super) routines: BTreeSet<String>,
    /// Autovacuum gathers statistics of tables that have changed.
    pub(super) autovacuum: bool,
}

impl Known {
    /// Collation that compares by code points: the best there is.
    pub(super) fn exact_collation(&self) -> Option<String> {
        if self.default_is_exact {
            return None;
        }
        let has = |name: &str| self.collations.as_ref().is_some_and(|all| all.contains(name));
        ["pg_c_utf8", "C.utf8", "C.UTF-8"].into_iter().find(|name| has(name)).or(Some("C")).map(str::to_owned)
    }

    /// Whether a collation can be named; a server that nobody has asked is taken to have it.
    pub(super) fn has_collation(&self, name: &str) -> bool {
        self.collations.as_ref().is_none_or(|all| all.contains(name))
    }

    /// Whether collations that ignore case can be made: by ICU, since PostgreSQL 12.
    pub(super) fn has_loose_collations(&self) -> bool {
        self.has_collation("und-x-icu") && self.version.is_none_or(|v| v >= (12, 0, 0))
    }

    /// Whether a type of the same dialect can be declared: built in, or known to be there.
    pub(super) fn has_type(&self, native: &str) -> bool {
        let element = native.trim_end_matches("[]");
        let head = element.split('(').next().unwrap_or(element).trim();
        BUILT_IN.contains(&head)
            || !matches!(parse_type(element), DataType::Native { .. })
            || self.types.as_ref().is_some_and(|all| all.contains(head) || all.contains(element))
    }
}

/// The neutral type behind a built-in type as `format_type` prints it, `character varying(64)`; whatever has no
/// neutral form is [`DataType::Native`].
pub(super) fn parse_type(text: &str) -> DataType {
    let native = || DataType::Native { dialect: Dialect::Postgres, name: text.to_owned() };
    if text.ends_with("[]") {
        return native();
    }
    let (name, args) = split_type(text);
    let first = args.first().and_then(|a| u32::try_from(*a).ok());
    let digits = first.and_then(|n| u8::try_from(n).ok()).unwrap_or(6).min(6);
    match name.as_str() {
        "boolean" | "bool" => DataType::Bool,
        "smallint" | "int2" => DataType::Int { bits: 16, unsigned: false },
        "integer" | "int" | "int4" => DataType::INT32,
        "bigint" | "int8" => DataType::INT64,
        "oid" => DataType::Int { bits: 32, unsigned: true },
        "real" | "float4" => DataType::Float32,
        "double precision" | "float8" => DataType::Float64,
        "numeric" | "decimal" => DataType::Decimal {
            precision: first,
            scale: first.map(|_| args.get(1).copied().and_then(|s| i32::try_from(s).ok()).unwrap_or(0)),
        },
        // Its text depends on the server's lc_monetary, its amount does not.
        "money" => DataType::Decimal { precision: Some(19), scale: Some(2) },
        "text" | "name" | "\"char\"" | "bpchar" => DataType::TEXT,
        "character varying" | "varchar" => DataType::Text { max_chars: first.map(u64::from), fixed: false },
        "character" | "char" => {
            DataType::Text { max_chars: Some(u64::from(first.unwrap_or(1))), fixed: true }
        }
        "bytea" => DataType::BYTES,
        "date" => DataType::Date,
        "time without time zone" | "time" => DataType::Time { precision: digits },
        "time with time zone" | "timetz" => DataType::TimeTz,
        "timestamp without time zone" | "timestamp" => DataType::DateTime { precision: digits },
        "timestamp with time zone" | "timestamptz" => DataType::Timestamp { precision: digits },
        name if name == "interval" || name.starts_with("interval ") => DataType::Interval,
        "uuid" => DataType::Uuid,
        "json" => DataType::Json { binary: false },
        "jsonb" => DataType::Json { binary: true },
        "bit" => DataType::Bit { length: Some(first.unwrap_or(1)), varying: false },
        "bit varying" | "varbit" => DataType::Bit { length: first, varying: true },
        _ => native(),
    }
}

/// `timestamp(3) without time zone` → (`timestamp without time zone`, \[3\]).
pub(super) fn split_type(text: &str) -> (String, Vec<i64>) {
    let Some((head, rest)) = text.split_once('(') else { return (text.trim().to_owned(), Vec::new()) };
    let (inside, tail) = rest.split_once(')').unwrap_or((rest, ""));
    let args: Option<Vec<i64>> = inside.split(',').map(|a| a.trim().parse().ok()).collect();
    let Some(args) = args else { return (text.to_owned(), Vec::new()) };
    let name = [head.trim(), tail.trim()].iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>();
    (name.join(" "), args)
}

/// A quoted identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogue_spellings_are_understood() {
        let text = |max, fixed| DataType::Text { max_chars: max, fixed };
        for (native, expected) in [
            ("character varying(64)", text(Some(64), false)),
            ("character varying", text(None, false)),
            ("character(20)", text(Some(20), true)),
            ("bpchar", DataType::TEXT),
            ("numeric(10,2)", DataType::Decimal { precision: Some(10), scale: Some(2) }),
            ("numeric(3,-2)", DataType::Decimal { precision: Some(3), scale: Some(-2) }),
            ("numeric", DataType::Decimal { precision: None, scale: None }),
            ("timestamp(3) without time zone", DataType::DateTime { precision: 3 }),
            ("timestamp with time zone", DataType::Timestamp { precision: 6 }),
            ("time(0) without time zone", DataType::Time { precision: 0 }),
            ("interval day to second(3)", DataType::Interval),
            ("bit(8)", DataType::Bit { length: Some(8), varying: false }),
            ("bit varying", DataType::Bit { length: None, varying: true }),
            ("\"char\"", DataType::TEXT),
            ("jsonb", DataType::Json { binary: true }),
        ] {
            assert_eq!(parse_type(native), expected, "{native}");
        }
        for native in ["text[]", "tsvector", "int4range", "geometry(Point,4326)", "inet"] {
            let expected = DataType::Native { dialect: Dialect::Postgres, name: native.into() };
            assert_eq!(parse_type(native), expected);
        }
    }

    #[test]
    fn the_best_code_point_collation_is_chosen() {
        let has = |names: &[&str]| Known {
            collations: Some(names.iter().map(|n| (*n).to_owned()).collect()),
            ..Known::default()
        };
        assert_eq!(has(&["C", "C.utf8", "pg_c_utf8"]).exact_collation().as_deref(), Some("pg_c_utf8"));
        assert_eq!(has(&["C", "C.utf8"]).exact_collation().as_deref(), Some("C.utf8"));
        assert_eq!(Known::default().exact_collation().as_deref(), Some("C"));
        assert_eq!(Known { default_is_exact: true, ..Known::default() }.exact_collation(), None);
    }
}
