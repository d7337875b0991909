//! Values that the target cannot hold exactly: each stops the run before the switch, named by table, column and key,
//! with exit 4 or 5 and the target as it was. Nothing is clipped, rounded, zeroed or left out.

use crate::bad_input::untouched;
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Postgres, Sqlite};

/// A source with one bad row, in table `measure`, with key `id` 7.
struct Misfit {
    source: Engine,
    sql: &'static str,
    column: &'static str,
    targets: &'static [Engine],
}

const MISFITS: &[Misfit] = &[
    Misfit {
        source: Sqlite,
        sql: "CREATE TABLE measure (id INTEGER PRIMARY KEY, amount INTEGER);
              INSERT INTO measure VALUES (1, 5), (7, 'hello'), (8, NULL)",
        column: "amount",
        targets: &[Postgres, Mariadb],
    },
    Misfit {
        source: Sqlite,
        sql: "CREATE TABLE measure (id INTEGER PRIMARY KEY, active BOOLEAN);
              INSERT INTO measure VALUES (1, 1), (7, 2), (8, 0)",
        column: "active",
        targets: &[Postgres, Mariadb],
    },
    Misfit {
        source: Sqlite,
        sql: "CREATE TABLE measure (id INTEGER PRIMARY KEY, at DATETIME);
              INSERT INTO measure VALUES (1, '2024-05-21 10:00:00.000000'), (7, '21/05/2024')",
        column: "at",
        targets: &[Postgres, Mariadb],
    },
    Misfit {
        source: Sqlite,
        sql: "CREATE TABLE measure (id INTEGER PRIMARY KEY, note TEXT);
              INSERT INTO measure VALUES (1, 'fine'), (7, CAST(x'610062' AS TEXT))",
        column: "note",
        targets: &[Postgres],
    },
    Misfit {
        source: Sqlite,
        sql: "CREATE TABLE measure (id INTEGER PRIMARY KEY, note TEXT);
              INSERT INTO measure VALUES (1, 'fine'), (7, CAST(x'ff41' AS TEXT))",
        column: "note",
        targets: &[Postgres, Mariadb],
    },
    Misfit {
        source: Sqlite,
        sql: "CREATE TABLE measure (id INTEGER PRIMARY KEY, score FLOAT);
              INSERT INTO measure VALUES (1, 0.5), (7, 9e999)",
        column: "score",
        targets: &[Mariadb],
    },
    Misfit {
        source: Sqlite,
        sql: "PRAGMA foreign_keys = OFF;
              CREATE TABLE parent (id INTEGER PRIMARY KEY);
              CREATE TABLE measure (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));
              INSERT INTO parent VALUES (1); INSERT INTO measure VALUES (1, 1), (7, 99), (8, NULL)",
        column: "parent_id",
        targets: &[Postgres, Mariadb, Sqlite],
    },
    Misfit {
        source: Mariadb,
        sql: "SET SESSION foreign_key_checks = 0;
              CREATE TABLE parent (id INT PRIMARY KEY);
              CREATE TABLE measure (id INT PRIMARY KEY, parent_id INT, FOREIGN KEY (parent_id) REFERENCES parent (id));
              INSERT INTO parent VALUES (1); INSERT INTO measure VALUES (1, 1), (7, 99), (8, NULL)",
        column: "parent_id",
        targets: &[Postgres, Sqlite, Mariadb],
    },
    Misfit {
        source: Mariadb,
        sql: "SET SESSION sql_mode = '';
              CREATE TABLE measure (id INT PRIMARY KEY, day DATE);
              INSERT INTO measure VALUES (1, '2024-05-21'), (7, '0000-00-00')",
        column: "day",
        targets: &[Postgres, Sqlite],
    },
    Misfit {
        source: Mariadb,
        sql: "CREATE TABLE measure (id INT PRIMARY KEY, amount BIGINT UNSIGNED);
              INSERT INTO measure VALUES (1, 5), (7, 18446744073709551615)",
        column: "amount",
        targets: &[Sqlite],
    },
    Misfit {
        source: Mariadb,
        sql: "CREATE TABLE measure (id INT PRIMARY KEY, note TEXT);
              INSERT INTO measure VALUES (1, 'fine'), (7, CONCAT('a', CHAR(0), 'b'))",
        column: "note",
        targets: &[Postgres],
    },
    Misfit {
        source: Postgres,
        sql: "CREATE TABLE measure (id INT PRIMARY KEY, amount NUMERIC(10, 2));
              INSERT INTO measure VALUES (1, 5), (7, 'NaN')",
        column: "amount",
        targets: &[Mariadb],
    },
    Misfit {
        source: Postgres,
        sql: "CREATE TABLE measure (id INT PRIMARY KEY, at TIMESTAMP);
              INSERT INTO measure VALUES (1, '2024-05-21 10:00:00'), (7, 'infinity')",
        column: "at",
        targets: &[Mariadb, Sqlite],
    },
    Misfit {
        source: Postgres,
        sql: "CREATE TABLE measure (id INT PRIMARY KEY, at TIMESTAMPTZ);
              INSERT INTO measure VALUES (1, '2024-05-21 10:00:00Z'), (7, '20000-01-01 00:00:00Z')",
        column: "at",
        targets: &[Mariadb],
    },
    Misfit {
        source: Postgres,
        sql: "CREATE TABLE measure (id INT PRIMARY KEY, score DOUBLE PRECISION);
              INSERT INTO measure VALUES (1, 0.5), (7, '-Infinity')",
        column: "score",
        targets: &[Mariadb],
    },
];

fn judge(misfit: &Misfit, target: Engine) -> Result<(), String> {
    let source = Db::fresh(misfit.source);
    source.execute(misfit.sql);
    let to = Db::fresh(target);
    let ran = binary::migrate(&source.url, &to.url, &[]);
    let label = format!("{:?} → {target:?}, {}: {ran}", misfit.source, misfit.column);
    if !matches!(ran.code, 4 | 5) {
        return Err(format!("exit {} instead of 4 or 5: {label}", ran.code));
    }
    for word in ["measure", misfit.column, "7"] {
        if !ran.stdout.contains(word) {
            return Err(format!("{word:?} is not named: {label}"));
        }
    }
    untouched(&to);
    Ok(())
}

#[test]
fn whatever_does_not_fit_stops_the_run_and_is_named() {
    let wrong: Vec<String> = MISFITS
        .iter()
        .flat_map(|misfit| misfit.targets.iter().map(move |target| judge(misfit, *target)))
        .filter_map(Result::err)
        .collect();
    assert!(wrong.is_empty(), "{} of these are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
