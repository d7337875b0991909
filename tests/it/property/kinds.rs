//! The types of each engine, with literals of its dialect for their values.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::draw::ROWS;
use crate::support::canon::hex;
use crate::support::database::Engine;

/// A type of an engine.
#[derive(Debug, Clone)]
pub struct Kind {
    /// As it is declared.
    pub declared: &'static str,
    /// A literal for NOT NULL columns, in place of NULL.
    pub instead: &'static str,
    /// Can stand in an index as it is.
    pub keyed: bool,
}

/// Texts that engines, collations or literals may confuse.
pub const WORDS: &[&str] = &[
    "",
    " ",
    "a",
    "b ",
    "A",
    "abc",
    "ABC",
    "é",
    "e\u{301}",
    "E",
    "ß",
    "ss",
    "ﬁ",
    "İ",
    "日本",
    "\\",
    "'",
    "\"",
    "%",
    "_",
    "0",
    "00",
    "null",
    "NULL",
    "true",
    "1.0",
    "a\nb",
    "x\ty",
    "\u{1f600}",
    "\u{200b}",
    "ｱ",
    "ア",
    "-",
    "2024-01-02",
    "{}",
    "[1]",
    "\u{7f}",
    "a\r\n",
    " a",
];

/// A type, and a literal a row.
type Typed = BoxedStrategy<(Kind, Vec<String>)>;

fn of(declared: &'static str, instead: &'static str, keyed: bool, values: BoxedStrategy<String>) -> Typed {
    let value = prop_oneof![1 => Just("NULL".to_owned()), 5 => values];
    vec(value, ROWS).prop_map(move |values| (Kind { declared, instead, keyed }, values)).boxed()
}

/// Literals as they stand.
fn one_of(literals: &'static str) -> BoxedStrategy<String> {
    let all: Vec<String> = literals.split(' ').map(|text| text.replace('~', " ")).collect();
    select(all).boxed()
}

fn whole(least: i128, most: i128) -> BoxedStrategy<String> {
    prop_oneof![
        Just(least),
        Just(most),
        Just(0.clamp(least, most)),
        least..=most,
        (-300_i128).max(least)..=300.min(most)
    ]
    .prop_map(|n| n.to_string())
    .boxed()
}

fn text(engine: Engine, most: usize) -> BoxedStrategy<String> {
    let free = vec(prop_oneof![4 => any::<char>(), 1 => prop::char::range('\u{1}', '\u{ff}')], 0..=most);
    let free = free.prop_map(|chars| chars.into_iter().filter(|c| *c != '\0').collect::<String>());
    let word = select(WORDS).prop_map(str::to_owned);
    prop_oneof![2 => word, 2 => free]
        .prop_map(move |text| {
            let text: String = text.chars().take(most).collect();
            literal(engine, &text)
        })
        .boxed()
}

/// A character string literal, written for this test.
pub fn literal(engine: Engine, text: &str) -> String {
    match engine {
        Engine::Sqlite => format!("'{}'", text.replace('\'', "''")),
        Engine::Postgres => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        Engine::Mariadb | Engine::Mysql => format!("_utf8mb4 x'{}'", hex(text.as_bytes())),
    }
}

fn blob(engine: Engine, most: usize) -> BoxedStrategy<String> {
    vec(any::<u8>(), 0..=most)
        .prop_map(move |bytes| match engine {
            Engine::Postgres => format!("'\\x{}'::bytea", hex(&bytes)),
            _ => format!("x'{}'", hex(&bytes)),
        })
        .boxed()
}

fn double() -> BoxedStrategy<String> {
    prop_oneof![
        3 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        2 => select(vec![0.1, -0.1, 1e22, 1e-300, f64::MAX, 0.5, 3.0, 1.0 / 3.0, 9_007_199_254_740_993.0]),
    ]
    // SQLite's own reading of seventeen digits is exact down to here.
    .prop_filter("read back exactly by every engine", |v| *v == 0.0 || v.abs() > 1e-290)
    .prop_map(|v| format!("{v:.17e}"))
    .boxed()
}

fn decimal(whole: u32, fraction: u32) -> BoxedStrategy<String> {
    (any::<bool>(), vec(0..10_u8, 0..=whole as usize), vec(0..10_u8, 0..=fraction as usize))
        .prop_map(|(negative, whole, fraction)| {
            let digits = |digits: &[u8]| digits.iter().map(|d| char::from(b'0' + d)).collect::<String>();
            let sign = if negative { "-" } else { "" };
            format!("{sign}0{}.{}0", digits(&whole), digits(&fraction[..fraction.len().saturating_sub(1)]))
        })
        .boxed()
}

/// The types of an engine.
#[allow(clippy::too_many_lines, reason = "a list")]
pub fn kind(engine: Engine) -> Typed {
    let text = |most| text(engine, most);
    let blob = |most| blob(engine, most);
    let int = |bits: u32| whole(-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let unsigned = |bits: u32| whole(0, (1_i128 << bits) - 1);
    let mut all = match engine {
        Engine::Sqlite => vec![
            of("INTEGER", "0", true, int(64)),
            of("INT", "0", true, int(32)),
            of("SMALLINT", "0", true, int(16)),
            of("BIGINT", "0", true, int(64)),
            of("BOOLEAN", "0", true, one_of("0 1")),
            of("REAL", "0.0", true, double()),
            of("DOUBLE PRECISION", "0.0", true, double()),
            of("NUMERIC(8,2)", "0", true, decimal(6, 2)),
            of("DECIMAL", "0", true, decimal(8, 4)),
            of("TEXT", "''", true, text(20)),
            of("VARCHAR(10)", "''", true, text(12)),
            of("CHAR(5)", "''", true, text(5)),
            of("BLOB", "x''", true, blob(20)),
            of("DATE", "'2024-02-29'", true, one_of("'2024-02-29' '0001-01-01' '9999-12-31' '1582-10-10'")),
            of(
                "DATETIME",
                "'1970-01-01~00:00:00.000000'",
                true,
                one_of(
                    "'2024-02-29~23:59:59.999999' '0001-01-01~00:00:00.000000' '9999-12-31~23:59:59.000001'",
                ),
            ),
            of(
                "TIME",
                "'00:00:00.000000'",
                true,
                one_of("'00:00:00.000000' '23:59:59.999999' '12:34:56.000001'"),
            ),
            of(
                "JSON",
                "'{}'",
                false,
                one_of("'{\"b\":~1,~\"a\":~[null,1.50]}' '[]' '\"\\u00e9\"' '{\"a\":1,\"a\":2}'"),
            ),
            of("", "''", false, text(10)),
            // Values that their column does not declare: a refusal, or all of them.
            of("INTEGER", "0", false, one_of("1 'x' 2.5 x'00'")),
            of("BLOB", "x''", false, one_of("x'00' 'text' 1")),
            of("DATETIME", "''", false, one_of("'2024-01-02' '' 'soon'")),
        ],
        Engine::Postgres => vec![
            of("smallint", "0", true, int(16)),
            of("integer", "0", true, int(32)),
            of("bigint", "0", true, int(64)),
            of("boolean", "false", true, one_of("true false")),
            of("real", "0", true, one_of("0.1 -1.5e-30 3.4028235e38 16777217 'NaN' 0")),
            of("double precision", "0", true, double()),
            of("double precision", "0", false, one_of("'Infinity' '-Infinity' 'NaN' 1.5")),
            of("numeric", "0", true, decimal(30, 20)),
            of("numeric(12,3)", "0", true, decimal(9, 3)),
            of("numeric", "0", false, one_of("'NaN' 1 0.00 1e10")),
            of("text", "''", true, text(20)),
            of("character varying(10)", "''", true, text(10)),
            of("character(5)", "''", true, text(4)),
            of("bytea", "''", true, blob(20)),
            of("date", "'2024-02-29'", true, one_of("'2024-02-29' '0001-01-01' '9999-12-31' '1582-10-10'")),
            of(
                "date",
                "'2024-02-29'",
                false,
                one_of("'infinity' '0044-03-15~BC' '20000-01-01' '2024-01-01'"),
            ),
            of(
                "timestamp",
                "'epoch'",
                true,
                one_of("'2024-02-29~23:59:59.999999' '0001-01-01' '9999-12-31~23:59:59.000001' '1970-01-01'"),
            ),
            of(
                "timestamp(3) with time zone",
                "'epoch'",
                true,
                one_of("'2024-03-31~02:30:00.123+02' 'epoch' '2038-01-19~03:14:08+00'"),
            ),
            of(
                "timestamptz",
                "'epoch'",
                true,
                one_of("'2024-10-27~02:30:00.000001+01' '1969-12-31~23:59:59+00' '9999-12-31~00:00:00+00'"),
            ),
            of("time", "'00:00'", true, one_of("'00:00:00' '23:59:59.999999' '12:34:56.1'")),
            of("interval", "'0'", false, one_of("'1~day' '-1~mon~2~days' '00:00:00.000001' '0'")),
            of(
                "uuid",
                "'00000000-0000-0000-0000-000000000000'",
                true,
                one_of("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' 'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
            ),
            of(
                "json",
                "'{}'",
                false,
                one_of("'{\"b\":~1,~\"a\":~[null,1.50]}' '[]' '\"é\"' '{\"a\":1,\"a\":2}'"),
            ),
            of(
                "jsonb",
                "'{}'",
                false,
                one_of("'{\"b\":~1,~\"a\":~[null,1.50]}' '[]' '12345678901234567890.10'"),
            ),
            of("bit(5)", "B'00000'", true, one_of("B'10101' B'00000' B'11111'")),
            of("bit varying", "B''", false, one_of("B'1' B'' B'000000000000000000001'")),
            of("inet", "'::1'", true, one_of("'10.0.0.0/8' '::1' '192.168.1.1'")),
            of("integer[]", "'{}'", false, one_of("'{1,NULL,3}' '{}' '{{1,2},{3,4}}'")),
            of("text[]", "'{}'", false, one_of("'{a,\"b,c\",NULL,\"NULL\",\"\"}' '{}' '{\"a\\\\b\"}'")),
            of("money", "0", false, one_of("'12.34' '-1.00' '0.01'")),
        ],
        Engine::Mariadb | Engine::Mysql => vec![
            of("tinyint", "0", true, int(8)),
            of("tinyint(1)", "0", true, one_of("0 1")),
            of("tinyint(1)", "0", true, one_of("0 1 5 -1")),
            of("smallint unsigned", "0", true, unsigned(16)),
            of("mediumint", "0", true, int(24)),
            of("int", "0", true, int(32)),
            of("int unsigned", "0", true, unsigned(32)),
            of("bigint", "0", true, int(64)),
            of("bigint unsigned", "0", true, unsigned(64)),
            of("decimal(10,2)", "0", true, decimal(8, 2)),
            of("decimal(65,30)", "0", true, decimal(35, 30)),
            of("float", "0", true, one_of("0.1 16777217 -1.5e-30 3.4e38 0")),
            of("double", "0", true, double()),
            of("bit(10)", "0", true, one_of("b'1000000001' b'0' b'1111111111'")),
            of("bit(1)", "0", true, one_of("b'1' b'0'")),
            of("char(5) character set utf8mb4", "''", true, text(4)),
            of("varchar(10) character set utf8mb4", "''", true, text(10)),
            of("varchar(10) character set utf8mb4 collate utf8mb4_bin", "''", true, text(10)),
            of("varchar(20) character set latin1", "''", true, one_of("'' 'a' x'80' x'e9' 'A~b'")),
            of("text character set utf8mb4", "''", false, text(30)),
            of("longtext character set utf8mb4", "''", false, text(30)),
            of("binary(4)", "''", true, blob(4)),
            of("varbinary(10)", "''", true, blob(10)),
            of("blob", "''", false, blob(20)),
            of("date", "'2024-02-29'", true, one_of("'2024-02-29' '0001-01-01' '9999-12-31' '1582-10-10'")),
            of(
                "datetime",
                "'1970-01-01'",
                true,
                one_of("'2024-02-29~23:59:59' '1000-01-01' '9999-12-31~23:59:59'"),
            ),
            of(
                "datetime(6)",
                "'1970-01-01'",
                true,
                one_of("'2024-02-29~23:59:59.999999' '1000-01-01~00:00:00.000001'"),
            ),
            of(
                "timestamp(6)",
                "'2000-01-01'",
                true,
                one_of("'1970-01-01~00:00:01.000001' '2038-01-19~03:14:07.999999' '2024-03-31~02:30:00'"),
            ),
            of(
                "time(6)",
                "'00:00:00'",
                true,
                one_of("'23:59:59.999999' '-00:00:01.5' '838:59:59' '00:00:00'"),
            ),
            of("year", "2000", true, one_of("1901 2155 2000 0")),
            of("enum('a','it''s','','B c')", "'a'", true, one_of("'a' 'it''s' 'B~c'")),
            of("set('x','y','z')", "''", true, one_of("'x' 'x,z' ''")),
            of("json", "'{}'", false, one_of("'{\"b\":~1,~\"a\":~[null,1.50]}' '[]' '{\"a\":1,\"a\":2}'")),
        ],
    };
    if engine == Engine::Mariadb {
        // MySQL has no such type.
        all.push(of(
            "uuid",
            "'00000000-0000-0000-0000-000000000000'",
            true,
            one_of("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' 'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
        ));
    }
    proptest::strategy::Union::new(all).boxed()
}
