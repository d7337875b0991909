//! Views: named with their text where they are left behind, never turned into tables or made to mean something else.

use super::arrival::migrate;
use crate::support::content;
use crate::support::database::Engine;

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

#[test]
fn a70_a_view_that_is_left_behind_is_listed_with_its_text() {
    let table = "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), made DATE);
                 INSERT INTO item VALUES (1, 'Abc', '2024-05-21'), (2, 'xyz', NULL);";
    let view = |year: &str, joined: &str| {
        format!(
            "{table} CREATE VIEW seen AS SELECT id, {joined} AS label, {year} AS y FROM item WHERE name LIKE 'a%'"
        )
    };
    let sources = [
        (Sqlite, view("strftime('%Y', made)", "name || '!'")),
        (Postgres, view("extract(year from made)", "name || '!'")),
        (Mariadb, view("YEAR(made)", "CONCAT(name, '!')")),
        (Mysql, view("YEAR(made)", "CONCAT(name, '!')")),
    ];
    for (from, sql) in &sources {
        for to in Engine::all() {
            let arrived = migrate(*from, sql, to);
            assert_eq!(arrived.ran.code, 1, "{from:?} → {to:?}: {}", arrived.ran);
            let listed = arrived.findings("object_not_carried");
            let seen = listed.iter().find(|f| f["object"] == "seen" && f["kind"] == "view").unwrap();
            let text = seen["text"].as_str().unwrap().to_lowercase();
            // PostgreSQL says LIKE in its own way.
            let compares = text.contains("like") || text.contains("~~");
            assert!(text.contains("select") && compares, "{from:?} → {to:?}: {text}");
            assert_eq!(content::tables(&arrived.target), ["item"], "{from:?} → {to:?}");
        }
    }
}
