//! Unique keys over values that have several spellings where they are kept as text, and over text whose blanks at the
//! end count nothing: as strict in the target as in the source, or told beforehand.

use super::arrival::{migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mysql, Postgres, Sqlite};

const UUID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";

/// What PostgreSQL takes for the same UUID.
const SPELLINGS: [&str; 3] = [
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    "a0eebc999c0b4ef8bb6d6bb9bd380a11",
    "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
];

/// Columns of the unique keys of every table.
fn keys(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(
        "SELECT c.relname::text, i.indkey::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
         WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace ORDER BY 1, 2",
    )
}

#[test]
fn a47_another_spelling_of_a_uuid_is_refused_by_every_key() {
    let sql = format!(
        "CREATE TABLE own (id uuid PRIMARY KEY, name text);
         CREATE TABLE member (id integer PRIMARY KEY, token uuid UNIQUE, own uuid REFERENCES own (id));
         CREATE TABLE pair (a integer, b uuid, live boolean, PRIMARY KEY (a, b));
         INSERT INTO own VALUES ('{UUID}'); INSERT INTO member VALUES (1, '{UUID}', '{UUID}');
         INSERT INTO pair VALUES (1, '{UUID}', true), (2, '{UUID}', false)"
    );
    let partial = "CREATE UNIQUE INDEX alive ON pair (b) WHERE live";
    for to in Engine::all() {
        let arrived = migrate(Postgres, &format!("{sql}; {partial}"), to).done();
        assert!(arrived.findings("unique_looser").is_empty(), "{to:?}: {}", arrived.ran);
        for spelled in SPELLINGS {
            for (table, values) in [
                ("own", format!("'{spelled}', NULL")),
                ("member", format!("9, '{spelled}', NULL")),
                ("pair", format!("1, '{spelled}', false")),
                ("pair", format!("8, '{spelled}', true")),
            ] {
                let bad = format!("INSERT INTO {table} VALUES ({values})");
                assert!(arrived.target.refuses(&bad), "{to:?} takes {bad}");
            }
        }
        arrived.target.execute(&format!("INSERT INTO pair VALUES (3, '{UUID}', false)"));
        arrived.target.execute("DELETE FROM pair WHERE a = 3");
        let back = onward(arrived.target, Postgres).done();
        assert_eq!(keys(&arrived.source), keys(&back.target), "PostgreSQL → {to:?} → PostgreSQL");
    }
}

/// What another column of the key lets in is no reason to let in the spellings of a UUID.
#[test]
fn a47_a_uuid_is_guarded_beside_a_column_that_is_looser() {
    let sql = format!(
        "CREATE TABLE p (a interval, b uuid, PRIMARY KEY (a, b)); INSERT INTO p VALUES ('1 hour', '{UUID}');
         CREATE TABLE u (a interval, b uuid, UNIQUE (a, b)); INSERT INTO u VALUES ('1 hour', '{UUID}')"
    );
    for to in [Sqlite, Mysql] {
        let arrived = migrate(Postgres, &sql, to).refused(&["unique_looser"]);
        let ran = binary::migrate(&arrived.source.url, &arrived.target.url, &["--accept", "unique_looser"]);
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
        let hour = arrived.target.value("SELECT a FROM p").unwrap();
        for (table, spelled) in ["p", "u"].into_iter().flat_map(|table| SPELLINGS.map(|s| (table, s))) {
            let bad = format!("INSERT INTO {table} VALUES ('{hour}', '{spelled}')");
            assert!(arrived.target.refuses(&bad), "{to:?} takes {bad}");
        }
        arrived.target.execute(&format!("INSERT INTO p VALUES ('PT2H', '{UUID}')"));
    }
}

#[test]
fn a47_keys_over_what_becomes_text_are_told_to_be_looser() {
    let everywhere = [
        ("jsonb", "'{\"a\": 1}'"),
        ("interval", "'1 hour'"),
        ("inet", "'10.0.0.1'"),
        ("cidr", "'10.0.0.0/8'"),
        ("int4range", "'[1,9)'"),
        ("timetz", "'10:00:00+02'"),
    ];
    // The servers have types for these.
    let in_sqlite = [("numeric(30,10)", "12.5"), ("timestamptz", "'2024-05-21 10:00:00+02'")];
    for to in [Sqlite].into_iter().chain(Engine::mysqls()) {
        let more = if to == Sqlite { &in_sqlite[..] } else { &[] };
        let source = Db::fresh(Postgres);
        let mut expected = Vec::new();
        for (at, (kind, value)) in everywhere.iter().chain(more).enumerate() {
            source.execute(&format!(
                "CREATE TABLE a{at} (v {kind} PRIMARY KEY); INSERT INTO a{at} VALUES ({value});
                 CREATE TABLE b{at} (v {kind} CONSTRAINT b{at}_own UNIQUE); INSERT INTO b{at} VALUES ({value});
                 CREATE TABLE c{at} (n integer, v {kind}); CREATE UNIQUE INDEX c{at}_own ON c{at} (n, v);
                 CREATE TABLE d{at} (n integer UNIQUE, v {kind}); CREATE INDEX d{at}_plain ON d{at} (v);"
            ));
            for (table, key) in [("a", "pkey"), ("b", "own"), ("c", "own")] {
                expected.push((format!("{table}{at}"), format!("{table}{at}_{key}")));
            }
        }
        expected.sort();
        let target = Db::fresh(to);
        let told = super::check::check(&source.url, &["--target", &target.url]);
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 4, "{to:?}: {ran}");
        for said in [&told, &ran] {
            let json = said.json();
            let found = json["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "unique_looser");
            let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let mut found: Vec<_> = found
                .map(|f| {
                    assert_eq!(f["column"], "v", "{said}");
                    (word(&f["table"]), word(&f["object"]))
                })
                .collect();
            found.sort();
            assert_eq!(found, expected, "{to:?}");
        }
        let ran = binary::migrate(&source.url, &target.url, &["--accept", "unique_looser"]);
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
    }
}

/// MariaDB's own collations ignore blanks at the end, and so do those of MySQL before 8.
#[test]
fn a47_keys_that_ignore_blanks_at_the_end_go_on_refusing() {
    let sql = "CREATE TABLE member (id INT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL,
                   code VARCHAR(20) COLLATE utf8mb4_bin, UNIQUE KEY by_name (name), UNIQUE KEY by_code (code));
               CREATE TABLE word (word VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY);
               CREATE TABLE said (id INT PRIMARY KEY, word VARCHAR(20) COLLATE utf8mb4_bin,
                   FOREIGN KEY (word) REFERENCES word (word));
               INSERT INTO member VALUES (1, 'abc', 'x'); INSERT INTO word VALUES ('hello'); INSERT INTO said VALUES (1, 'hello')";
    let bad = [
        "member VALUES (9, 'abc ', NULL)",
        "member VALUES (9, 'new', 'x  ')",
        "word VALUES ('hello ')",
        "member VALUES (9, 'ABC ', NULL)",
    ];
    let shape = |db: &Db| {
        db.query(
            "SELECT table_name, index_name, seq_in_index, column_name FROM information_schema.statistics
             WHERE table_schema = DATABASE() AND non_unique = 0 ORDER BY 1, 2, 3",
        )
    };
    for from in Engine::mysqls() {
        for to in [Sqlite, Postgres] {
            let arrived = migrate(from, sql, to).whole();
            for bad in bad {
                assert!(
                    arrived.target.refuses(&format!("INSERT INTO {bad}")),
                    "{from:?} → {to:?} takes {bad}"
                );
            }
            arrived.target.execute("INSERT INTO member VALUES (2, ' abc', 'X')");
            arrived.target.execute("DELETE FROM member WHERE id = 2");
            let back = onward(arrived.target, from).done();
            for bad in bad {
                assert!(
                    back.target.refuses(&format!("INSERT INTO {bad}")),
                    "{from:?} → {to:?} → {from:?} takes {bad}"
                );
            }
            assert_eq!(shape(&arrived.source), shape(&back.target), "{from:?} → {to:?} → {from:?}");
        }
        // Three steps: what the key of one says, that of the next says as well.
        let there = migrate(from, sql, Postgres).whole();
        let beyond = onward(there.target, Sqlite).done();
        for bad in bad {
            assert!(
                beyond.target.refuses(&format!("INSERT INTO {bad}")),
                "{from:?} → PostgreSQL → SQLite takes {bad}"
            );
        }
    }
}

/// NOCASE knows the case of ASCII letters only. Where there are others, PostgreSQL is given a key that does the same, which is
/// NOCASE again on the way back.
#[test]
fn a48_nocase_over_letters_beyond_ascii_comes_back() {
    let sql = "CREATE TABLE word (word TEXT COLLATE NOCASE NOT NULL PRIMARY KEY);
               CREATE TABLE member (id INTEGER PRIMARY KEY, name VARCHAR(20) COLLATE NOCASE, team INT,
                   word TEXT COLLATE NOCASE REFERENCES word (word));
               CREATE UNIQUE INDEX by_name ON member (name); CREATE UNIQUE INDEX by_team ON member (team, name) WHERE team > 0;
               INSERT INTO word VALUES ('Ada'), ('É'), ('é');
               INSERT INTO member VALUES (1, 'Ada', 1, 'Ada'), (2, 'É', 1, 'É'), (3, 'é', 1, NULL)";
    let bad = ["word VALUES ('ADA')", "member VALUES (9, 'aDa', 0, NULL)"];
    let keys = |db: &Db| {
        db.query(
            "SELECT t.name, i.\"unique\", i.partial, x.seqno, x.name, x.coll
             FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_xinfo(i.name) x
             WHERE t.type = 'table' AND x.key ORDER BY 1, 3, 4, 5",
        )
    };
    let arrived = migrate(Sqlite, sql, Postgres).done();
    let back = onward(arrived.target, Sqlite).done();
    for code in ["unique_looser", "unique_not_carried", "comparison_changed"] {
        assert!(back.findings(code).is_empty(), "{}", back.ran);
    }
    for bad in bad {
        for db in [&back.source, &back.target] {
            assert!(db.refuses(&format!("INSERT INTO {bad}")), "{:?} takes {bad}", db.engine);
        }
    }
    back.target.execute("INSERT INTO word VALUES ('Ñ'), ('ñ'); DELETE FROM word WHERE word IN ('Ñ', 'ñ')");
    assert_eq!(keys(&back.target), keys(&arrived.source), "{}", back.ran);
}

#[test]
fn a72_keys_over_char_pass_over_blanks_wherever_they_are() {
    let sql = "CREATE TABLE own (k char(5) PRIMARY KEY); INSERT INTO own VALUES ('ab');
               CREATE TABLE t (id integer PRIMARY KEY, k char(5) UNIQUE, z integer, UNIQUE (z, k)); INSERT INTO t VALUES (1, 'ab', 1)";
    for to in Engine::all() {
        let arrived = migrate(Postgres, sql, to).done();
        assert!(arrived.findings("unique_looser").is_empty(), "{to:?}: {}", arrived.ran);
        for bad in [
            "INSERT INTO own VALUES ('ab ')",
            "INSERT INTO t VALUES (2, 'ab ', 2)",
            "INSERT INTO t VALUES (2, 'ab ', 1)",
        ] {
            assert!(arrived.target.refuses(bad), "{to:?} takes {bad}");
        }
        let back = onward(arrived.target, Postgres).done();
        assert_eq!(keys(&arrived.source), keys(&back.target), "PostgreSQL → {to:?} → PostgreSQL");
    }
    // CHAR of MySQL takes the blanks away, so that they count nothing whatever its collation.
    for from in Engine::mysqls() {
        let exact = if from == Mysql { "utf8mb4_0900_bin" } else { "utf8mb4_nopad_bin" };
        let sql = format!(
            "CREATE TABLE t (id int PRIMARY KEY, k char(5) COLLATE {exact} UNIQUE); INSERT INTO t VALUES (1, 'ab')"
        );
        for to in [Sqlite, Postgres] {
            let arrived = migrate(from, &sql, to).done();
            assert!(arrived.target.refuses("INSERT INTO t VALUES (2, 'ab ')"), "{from:?} → {to:?}");
        }
    }
}

/// The weights of both are those of one version of Unicode's rules.
#[test]
fn a72_the_default_collation_of_mysql_has_its_like_in_mariadb() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "CREATE TABLE t (id int PRIMARY KEY, k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci UNIQUE);
               INSERT INTO t VALUES (1, 'ł'), (2, '😀'), (3, '😁'), (4, 'ø'), (5, 'æ')";
    let arrived = migrate(Mysql, sql, Engine::Mariadb).done();
    for letters in ["l", "O", "AE"] {
        for db in [&arrived.source, &arrived.target] {
            assert!(
                db.refuses(&format!("INSERT INTO t VALUES (9, '{letters}')")),
                "{letters}: {}",
                arrived.ran
            );
        }
    }
}
