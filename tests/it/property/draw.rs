//! Draws tables: names, columns, keys and rows, extremes more often than chance would have them.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::kinds::{Kind, WORDS, kind, literal};
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

/// Rows of a table.
pub const ROWS: usize = 5;

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
        format!("{}_{at}", name.chars().take(12).collect::<String>())
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
