//! Draws tables: names, types of an engine, keys, and values as literals of its dialect, extremes more often than
//! chance would have them.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::canon::hex;
use crate::support::database::Engine;

/// A column: declaration and one literal a row.
#[derive(Debug, Clone)]
struct Column {
    name: &'static str,
    kind: Kind,
    not_null: bool,
    indexed: bool,
    values: Vec<String>,
}

/// A type of an engine.
#[derive(Debug, Clone)]
struct Kind {
    declared: &'static str,
    /// A literal for NOT NULL columns, in place of NULL.
    instead: &'static str,
    /// Can stand in an index as it is.
    keyed: bool,
}

/// What identifies a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Number,
    Word,
    Both,
}

#[derive(Debug, Clone)]
struct Table {
    name: &'static str,
    key: Key,
    numbers: Vec<i64>,
    words: Vec<&'static str>,
    refers: bool,
    columns: Vec<Column>,
}

/// A whole database.
#[derive(Debug, Clone)]
pub struct Drawn {
    tables: Vec<Table>,
}

const ROWS: usize = 5;

/// Names that all three engines can have, unless quoted wrongly.
const NAMES: &[&str] = &[
    "a",
    "B",
    "plain_name",
    "Order Item",
    "select",
    "group",
    "order",
    "user",
    "table",
    "rowid",
    "camelCase",
    "a\"b",
    "a`b",
    "it's",
    "back\\slash",
    "per%cent",
    "semi;colon",
    "naïve",
    "日本語",
    "Ünïcode",
    "dash-ed",
    "1st",
    "$dollar",
    "--",
    "/*x*/",
    "?",
    ":name",
    "{brace}",
    "[bracket]",
    "tab\tbed",
    "key",
    "index",
    "default",
    "primary",
    "values",
    "check",
    "_id",
    "oid",
    "xmin",
    "ctid",
    "a.b",
    "é",
    "e\u{301}",
    "ß",
    "a_name_of_exactly_sixty_characters_that_fits_everywhere_anyhow_",
];

const NUMBERS: &[i64] = &[
    0,
    1,
    2,
    3,
    -1,
    -2,
    7,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    2_147_483_647,
    2_147_483_648,
    -2_147_483_648,
    4_294_967_295,
    9_007_199_254_740_993,
    i64::MIN,
    i64::MAX - 1,
];

const WORDS: &[&str] = &[
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

/// Databases of an engine. Almost all have as many tables as they may; shrinking leaves tables out.
pub fn database(engine: Engine, tables: usize) -> impl Strategy<Value = Drawn> {
    let fewer = vec(table(engine), 1..=tables);
    let full = vec(table(engine), tables..=tables);
    prop_oneof![1 => fewer, 50 => full].prop_map(|tables| Drawn { tables })
}

fn table(engine: Engine) -> impl Strategy<Value = Table> {
    let key = select(vec![Key::Number, Key::Number, Key::Word, Key::Both, Key::None]);
    let numbers = proptest::sample::subsequence(NUMBERS.to_vec(), ROWS);
    let words = proptest::sample::subsequence(WORDS.to_vec(), ROWS);
    let columns = vec(column(engine), 1..5);
    (select(NAMES), key, numbers, words, any::<bool>(), columns).prop_map(
        |(name, key, numbers, words, refers, columns)| Table { name, key, numbers, words, refers, columns },
    )
}

fn column(engine: Engine) -> impl Strategy<Value = Column> {
    (select(NAMES), prop::bool::weighted(0.3), prop::bool::weighted(0.3), kind(engine)).prop_map(
        |(name, not_null, indexed, (kind, mut values))| {
            for value in values.iter_mut().filter(|value| not_null && *value == "NULL") {
                kind.instead.clone_into(value);
            }
            Column { name, indexed: indexed && kind.keyed, kind, not_null, values }
        },
    )
}

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
    let word = select(WORDS).prop_map(|word| word.to_owned());
    prop_oneof![2 => word, 2 => free]
        .prop_map(move |text| {
            let text: String = text.chars().take(most).collect();
            literal(engine, &text)
        })
        .boxed()
}

/// A character string literal, written for this test.
fn literal(engine: Engine, text: &str) -> String {
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

fn kind(engine: Engine) -> Typed {
    let text = |most| text(engine, most);
    let blob = |most| blob(engine, most);
    let int = |bits: u32| whole(-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let unsigned = |bits: u32| whole(0, (1_i128 << bits) - 1);
    let all = match engine {
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
            of(
                "uuid",
                "'00000000-0000-0000-0000-000000000000'",
                true,
                one_of("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' 'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
            ),
        ],
    };
    proptest::strategy::Union::new(all).boxed()
}

impl Drawn {
    /// The script that makes and fills everything.
    pub fn script(&self, engine: Engine) -> String {
        let mut out = String::new();
        let mut taken: Vec<String> = Vec::new();
        let mut parent: Option<(String, &Table)> = None;
        for (at, table) in self.tables.iter().enumerate() {
            let name = engine.quote(&distinct(table.name, at, &mut taken));
            table.say(engine, &name, at, parent.as_ref().map(|(n, t)| (n.as_str(), *t)), &mut out);
            if table.has_number() && table.key == Key::Number {
                parent = Some((name, table));
            }
        }
        out
    }
}

/// The name, made another where it is there already to an engine that folds case and accents.
fn distinct(name: &str, at: usize, taken: &mut Vec<String>) -> String {
    let folded =
        |name: &str| name.to_lowercase().replace("e\u{301}", "e").replace('é', "e").replace('ï', "i");
    let name = if taken.contains(&folded(name)) {
        format!("{}_{at}", &name[..name.floor_char_boundary(40)])
    } else {
        name.to_owned()
    };
    taken.push(folded(&name));
    name
}

impl Table {
    fn has_number(&self) -> bool {
        matches!(self.key, Key::Number | Key::Both)
    }

    fn say(&self, engine: Engine, name: &str, at: usize, parent: Option<(&str, &Table)>, out: &mut String) {
        let (number, word) = match engine {
            Engine::Sqlite => ("INTEGER", "VARCHAR(20)"),
            Engine::Postgres => ("bigint", "character varying(20)"),
            // As an application that compares exactly declares it.
            Engine::Mariadb => ("bigint", "varchar(20) character set utf8mb4 collate utf8mb4_nopad_bin"),
            Engine::Mysql => ("bigint", "varchar(20) character set utf8mb4 collate utf8mb4_0900_bin"),
        };
        let mut taken = vec!["k_number".to_owned(), "k_word".into(), "k_parent".into()];
        let names: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(n, column)| engine.quote(&distinct(system_free(column.name), n, &mut taken)))
            .collect();
        let mut lines = Vec::new();
        let mut key = Vec::new();
        if self.has_number() {
            lines.push(format!("{} {number} NOT NULL", engine.quote("k_number")));
            key.push(engine.quote("k_number"));
        }
        if matches!(self.key, Key::Word | Key::Both) {
            lines.push(format!("{} {word} NOT NULL", engine.quote("k_word")));
            key.push(engine.quote("k_word"));
        }
        for (column, name) in self.columns.iter().zip(&names) {
            // Without it a TIMESTAMP is NOT NULL to MariaDB.
            let null = if column.not_null { " NOT NULL" } else { " NULL" };
            lines.push(format!("{name} {}{null}", column.kind.declared));
        }
        let parent = parent.filter(|_| self.refers);
        if let Some((parent, _)) = parent {
            let (child, key) = (engine.quote("k_parent"), engine.quote("k_number"));
            lines.push(format!("{child} {number} NULL"));
            lines.push(format!(
                "CONSTRAINT {} FOREIGN KEY ({child}) REFERENCES {parent} ({key})",
                engine.quote(&format!("fk_{at}"))
            ));
            // Columns come before constraints.
        }
        if !key.is_empty() {
            lines.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        let _ = writeln!(out, "CREATE TABLE {name} (\n  {}\n);", lines.join(",\n  "));
        for (n, (column, column_name)) in self.columns.iter().zip(&names).enumerate() {
            if column.indexed {
                let unique = if self.has_number() && n % 2 == 0 { "UNIQUE " } else { "" };
                let more =
                    if unique.is_empty() { String::new() } else { format!(", {}", engine.quote("k_number")) };
                let index = engine.quote(&format!("ix_{at}_{n}"));
                let _ = writeln!(out, "CREATE {unique}INDEX {index} ON {name} ({column_name}{more});");
            }
        }
        let rows: Vec<String> = (0..ROWS).map(|row| self.row(engine, row, parent.map(|(_, t)| t))).collect();
        let _ = writeln!(out, "INSERT INTO {name} VALUES\n  {};", rows.join(",\n  "));
    }

    fn row(&self, engine: Engine, row: usize, parent: Option<&Table>) -> String {
        let mut values = Vec::new();
        if self.has_number() {
            values.push(self.numbers[row].to_string());
        }
        if matches!(self.key, Key::Word | Key::Both) {
            values.push(literal(engine, self.words[row]));
        }
        values.extend(self.columns.iter().map(|column| column.values[row].clone()));
        if let Some(parent) = parent {
            values.push(if row == 0 { "NULL".into() } else { parent.numbers[ROWS - row].to_string() });
        }
        format!("({})", values.join(", "))
    }
}

/// PostgreSQL keeps the names of its system columns to itself.
fn system_free(name: &'static str) -> &'static str {
    match name {
        "xmin" | "ctid" | "oid" => "xmin_",
        name => name,
    }
}
