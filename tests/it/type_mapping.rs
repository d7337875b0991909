//! `docs/type-mapping.md` is generated from the engines' rules: this test says when it is out of date, and
//! `UPDATE_DOCS=1 cargo test --test it type_mapping` writes it anew.

use std::fmt::Write as _;

use techcare_db::engine::capability::{ColumnInput, Rules};
use techcare_db::engine::connect;
use techcare_db::model::endpoint::{Dialect, Flavour};
use techcare_db::model::plan::Fidelity;
use techcare_db::model::schema::{Column, DataType};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/type-mapping.md");

const HEAD: &str = "# Types

What a column becomes when it moves to *another* engine. (Within one engine its type is kept word for word; MySQL and
MariaDB count as one.) This page is generated from the engines' own rules and checked by a test.

`=` the same values · `>` holds all of them and more · `~` the same values under the spelling below · `✗` refused in
the plan, unless the data says that a narrower type will do

Lengths of text grow to what the data needs before the type is chosen. Text is compared by code points
(`utf8mb4_nopad_bin` on MariaDB, `utf8mb4_0900_bin` on MySQL, `C.utf8` or `C` on PostgreSQL) unless its source
compares without case.

";

const FOOT: &str = "
## Spellings

| type | where the target has none |
| --- | --- |
| date, time, date and time | SQLite: `YYYY-MM-DD`, `HH:MM:SS.ffffff`, `YYYY-MM-DD HH:MM:SS.ffffff`, always six digits, as SQLAlchemy writes them |
| instant | SQLite: `YYYY-MM-DD HH:MM:SS.ffffff+00:00` |
| decimal of more than 15 digits | SQLite: its digits as text, in a column declared `DECIMAL_TEXT(p,s)`, because a double cannot hold them |
| time span | SQLite: `[-]HH:MM:SS.ffffff`; PostgreSQL: `interval` |
| interval | ISO 8601 text, as PostgreSQL prints it with `intervalstyle = iso_8601` |
| uuid | 36 characters, lower case; also in MariaDB where its type refuses one of the values |
| JSON | the text as received; it is never parsed |
| set | its labels, joined by commas in the order of the declaration |
| arrays, ranges, inet, geometry, composite types … | the text that the engine prints |
";

fn types() -> Vec<(&'static str, DataType)> {
    let int = |bits, unsigned| DataType::Int { bits, unsigned };
    let labels = || vec!["a".to_owned(), "b".to_owned()];
    vec![
        ("truth value", DataType::Bool),
        ("8-bit integer", int(8, false)),
        ("8-bit unsigned", int(8, true)),
        ("16-bit integer", int(16, false)),
        ("16-bit unsigned", int(16, true)),
        ("24-bit integer", int(24, false)),
        ("32-bit integer", int(32, false)),
        ("32-bit unsigned", int(32, true)),
        ("64-bit integer", int(64, false)),
        ("64-bit unsigned", int(64, true)),
        ("single", DataType::Float32),
        ("double", DataType::Float64),
        ("decimal(10,2)", DataType::Decimal { precision: Some(10), scale: Some(2) }),
        ("decimal(38,10)", DataType::Decimal { precision: Some(38), scale: Some(10) }),
        ("decimal without bounds", DataType::Decimal { precision: None, scale: None }),
        ("text up to 64 characters", DataType::Text { max_chars: Some(64), fixed: false }),
        ("char(2)", DataType::Text { max_chars: Some(2), fixed: true }),
        ("text up to 100,000 characters", DataType::Text { max_chars: Some(100_000), fixed: false }),
        ("text", DataType::TEXT),
        ("bytes up to 16", DataType::Bytes { max_bytes: Some(16), fixed: false }),
        ("binary(16)", DataType::Bytes { max_bytes: Some(16), fixed: true }),
        ("bytes", DataType::BYTES),
        ("date", DataType::Date),
        ("time of day", DataType::Time { precision: 6 }),
        ("time span", DataType::TimeSpan { precision: 6 }),
        ("time with offset", DataType::TimeTz),
        ("date and time", DataType::DateTime { precision: 6 }),
        ("instant", DataType::Timestamp { precision: 6 }),
        ("interval", DataType::Interval),
        ("year", DataType::Year),
        ("uuid", DataType::Uuid),
        ("JSON", DataType::Json { binary: false }),
        ("enum", DataType::Enum { name: Some("mood".into()), labels: labels() }),
        ("set", DataType::Set { labels: labels() }),
        ("bit(10)", DataType::Bit { length: Some(10), varying: false }),
        ("bit varying", DataType::Bit { length: None, varying: true }),
    ]
}

fn cell(rules: &dyn Rules, source: Flavour, data_type: &DataType) -> String {
    let column = Column {
        name: "c".into(),
        data_type: data_type.clone(),
        native_type: String::new(),
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
    };
    let mapping = rules.map_column(&ColumnInput {
        source: source.dialect(),
        source_flavour: source,
        column: &column,
        profile: None,
        indexed: false,
    });
    let mark = match mapping.fidelity {
        Fidelity::Exact => "=",
        Fidelity::Wider => ">",
        Fidelity::Emulated => "~",
        Fidelity::Unsupported => return "✗".into(),
    };
    format!("{mark} `{}`", mapping.native_type)
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| holds | SQLite | PostgreSQL | MySQL | MariaDB |\n| --- | --- | --- | --- | --- |\n");
    for (words, data_type) in types() {
        write!(page, "| {words} |").unwrap();
        for flavour in [Flavour::Sqlite, Flavour::Postgres, Flavour::Mysql, Flavour::Mariadb] {
            // Any other engine will do: what matters is that it is another one.
            let source =
                if flavour.dialect() == Dialect::Postgres { Flavour::Mysql } else { Flavour::Postgres };
            write!(page, " {} |", cell(connect::rules(flavour, None).as_ref(), source, &data_type)).unwrap();
        }
        page.push('\n');
    }
    page.push_str(FOOT);
    page
}

#[test]
fn the_page_is_what_the_rules_say() {
    let now = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &now).unwrap();
    }
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(written == now, "docs/type-mapping.md is out of date: run with UPDATE_DOCS=1");
}
