//! What a unique key takes for equal: regardless of case, among some rows, over an expression.

use super::arrival::{migrate, onward};
use super::check::check;
use crate::bad_input::untouched;
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Postgres, Sqlite};

#[test]
fn a47_a_key_regardless_of_case_goes_on_refusing() {
    let table = "CREATE TABLE member (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) COLLATE utf8mb4_general_ci NOT NULL,
                     tag VARCHAR(20) COLLATE utf8mb4_unicode_ci, UNIQUE KEY by_name (name), UNIQUE KEY by_tag (tag));
                 CREATE TABLE word (word VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY);
                 CREATE TABLE said (id INTEGER PRIMARY KEY, word VARCHAR(20) COLLATE utf8mb4_general_ci,
                     FOREIGN KEY (word) REFERENCES word (word));";
    let ascii = format!(
        "{table} INSERT INTO member VALUES (1, 'abc', 'x-y'), (2, 'abd', NULL), (3, 'ab', 'xy');
         INSERT INTO word VALUES ('hello'); INSERT INTO said VALUES (1, 'hello')"
    );
    let directions = Engine::mysqls().flat_map(|from| Engine::all().into_iter().map(move |to| (from, to)));
    for (from, to) in directions {
        let arrived = migrate(from, &ascii, to).whole();
        for bad in [
            "INSERT INTO member VALUES (9, 'ABC', NULL)",
            "INSERT INTO member VALUES (9, 'new', 'X-Y')",
            "INSERT INTO word VALUES ('HELLO')",
            "INSERT INTO said VALUES (9, 'nobody')",
        ] {
            assert!(arrived.target.refuses(bad), "{from:?} → {to:?} takes {bad}");
        }
        arrived
            .target
            .execute("INSERT INTO member VALUES (9, 'xbc', NULL); INSERT INTO said VALUES (2, 'hello')");
    }
    // Accents and letters beyond ASCII: PostgreSQL's ICU knows them, SQLite does not and says so.
    let accents = format!("{table} INSERT INTO member VALUES (1, 'résumé', 'ÉCOLE')");
    for from in Engine::mysqls() {
        let arrived = migrate(from, &accents, Postgres).whole();
        for bad in ["RESUME', 'x", "other', 'école"] {
            let refuses = arrived.target.refuses(&format!("INSERT INTO member VALUES (9, '{bad}')"));
            assert!(refuses, "{from:?}: takes {bad}");
        }
        let arrived = migrate(from, &accents, Sqlite);
        assert!(matches!(arrived.ran.code, 1 | 4), "{}", arrived.ran);
        let said = arrived.findings("unique_looser");
        assert!(
            said.iter().any(|f| f["column"] == "name") && said.iter().any(|f| f["column"] == "tag"),
            "{from:?}: {said:?}"
        );
    }
}

/// PostgreSQL has a collation for the index alone; the column of the others compares like that by itself.
#[test]
fn a47_a_key_that_ignores_case_comes_back_from_postgresql() {
    let made = "CREATE TABLE member (id INT PRIMARY KEY, name VARCHAR(20) COLLATE utf8mb4_general_ci UNIQUE);
                CREATE TABLE word (w VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY);
                INSERT INTO member VALUES (1, 'abc'); INSERT INTO word VALUES ('hello')";
    for from in Engine::mysqls() {
        let there = migrate(from, made, Postgres).whole();
        for to in Engine::mysqls() {
            let back = Db::fresh(to);
            let ran = binary::migrate(&there.target.url, &back.url, &[]);
            assert!(ran.code <= 1, "{from:?} → PostgreSQL → {to:?}: {ran}");
            for bad in ["INSERT INTO member VALUES (9, 'ÁBC')", "INSERT INTO word VALUES ('HELLO')"] {
                assert!(back.refuses(bad), "{from:?} → PostgreSQL → {to:?} takes {bad}");
            }
        }
    }
}

/// A constraint has no collation of its own, an index has.
#[test]
fn a47_constraints_of_postgresql_that_ignore_case_go_on_refusing() {
    let made = "CREATE EXTENSION citext; CREATE COLLATION own (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
                CREATE TABLE member (id integer PRIMARY KEY, name citext UNIQUE, other text COLLATE own UNIQUE,
                    late citext UNIQUE DEFERRABLE);
                INSERT INTO member VALUES (1, 'Root', 'Root', 'Root')";
    for to in Engine::all() {
        let source = Db::fresh(Postgres);
        source.execute(made);
        let arrived = onward(source, to).done();
        for bad in ["(9, 'ROOT', 'x', 'x')", "(9, 'x', 'ROOT', 'x')", "(9, 'x', 'x', 'ROOT')"] {
            let refuses = arrived.target.refuses(&format!("INSERT INTO member VALUES {bad}"));
            assert!(refuses, "{to:?} takes {bad}");
        }
        assert_eq!(arrived.findings("deferrable_dropped").len(), 1, "{to:?}");
    }
}

#[test]
fn a47_nocase_goes_on_refusing() {
    let table =
        "CREATE TABLE member (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE NOT NULL UNIQUE, mail TEXT);
                 CREATE UNIQUE INDEX by_mail ON member (mail COLLATE NOCASE);";
    for to in Engine::all() {
        let sql = format!("{table} INSERT INTO member VALUES (1, 'abc', 'a@b.c'), (2, 'abd', NULL)");
        let arrived = migrate(Sqlite, &sql, to).whole();
        for bad in ["(9, 'ABC', NULL)", "(9, 'new', 'A@B.C')"] {
            assert!(
                arrived.target.refuses(&format!("INSERT INTO member VALUES {bad}")),
                "{to:?} takes {bad}"
            );
        }
        // Nobody but SQLite stops at ASCII.
        let told = arrived.findings("unique_stricter");
        arrived.target.execute("INSERT INTO member VALUES (7, 'é', 'é@x')");
        for (column, bad) in [("name", "(8, 'É', NULL)"), ("mail", "(9, 'new', 'É@x')")] {
            let refuses = arrived.target.refuses(&format!("INSERT INTO member VALUES {bad}"));
            assert_eq!(told.iter().any(|f| f["column"] == column), refuses, "{to:?}: {column} {told:?}");
        }
        arrived.target.execute("DELETE FROM member WHERE id > 6");
        let back = onward(arrived.target, Sqlite).done();
        for bad in ["(9, 'ABC', NULL)", "(9, 'new', 'A@B.C')"] {
            assert!(
                back.target.refuses(&format!("INSERT INTO member VALUES {bad}")),
                "{to:?} → SQLite takes {bad}"
            );
        }
    }
    // NOCASE tells É and é apart, and so does the target, where both are there already.
    let sql = format!("{table} INSERT INTO member VALUES (1, 'É', 'É@x'), (2, 'é', 'é@x')");
    let arrived = migrate(Sqlite, &sql, Postgres).whole();
    assert!(arrived.target.refuses("INSERT INTO member VALUES (9, 'x', 'É@X')"));
    assert_eq!(arrived.target.value("SELECT count(*) FROM member").unwrap(), "2");
    for to in Engine::mysqls() {
        let refused = migrate(Sqlite, &sql, to).refused(&["member", "id=1", "id=2"]);
        let found = refused.findings("duplicates");
        assert_eq!(found.len(), 1, "{}", refused.ran);
        assert!(found.iter().all(|f| f["rows"] == 2 && f["severity"] == "blocker"), "{}", refused.ran);
        let ahead = binary::run(&[
            "--format",
            "json",
            "check",
            "--database",
            &refused.source.url,
            "--target",
            &refused.target.url,
        ]);
        assert_eq!(ahead.code, 1, "{ahead}");
        assert_eq!(ahead.stdout.matches("\"duplicates\"").count(), 1, "{ahead}");
    }
}

/// PostgreSQL has it as an index over `lower()`, MySQL and MariaDB tell no constraint from an index.
#[test]
fn a47_a_constraint_over_nocase_comes_back_as_one() {
    let sql = "CREATE TABLE member (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE NOT NULL, mail TEXT COLLATE NOCASE UNIQUE,
                   team INTEGER, CONSTRAINT one UNIQUE (team, name));
               CREATE UNIQUE INDEX by_name ON member (name, mail);
               INSERT INTO member VALUES (1, 'abc', 'a@b', 1), (2, 'abd', NULL, 1)";
    let keys = "SELECT origin, group_concat(i.name, ', '), l.\"unique\" FROM pragma_index_list('member') l, pragma_index_info(l.name) i
                GROUP BY l.seq ORDER BY 1, 2";
    for by in Engine::servers() {
        let there = migrate(Sqlite, sql, by).whole();
        let back = onward(there.target, Sqlite).done();
        assert_eq!(there.source.query(keys), back.target.query(keys), "{by:?}: {}", back.ran);
        let made = back.target.value("SELECT sql FROM sqlite_schema WHERE name = 'member'").unwrap();
        assert!(made.contains("CONSTRAINT \"one\" UNIQUE"), "{by:?}: {made}");
        for bad in ["(9, 'ABC', 'x', 1)", "(9, 'x', 'A@B', 1)"] {
            assert!(back.target.refuses(&format!("INSERT INTO member VALUES {bad}")), "{by:?} takes {bad}");
        }
        // What this program keeps with an index is no comment to anybody who asks it.
        assert!(back.findings("comment_not_carried").is_empty(), "{by:?}: {}", back.ran);
    }
}

#[test]
fn a47_what_a_target_of_the_application_takes_for_one_is_known_beforehand() {
    let source = Db::fresh(Sqlite);
    source.execute(
        "CREATE TABLE member (id INTEGER PRIMARY KEY, name VARCHAR(40) UNIQUE, team INTEGER);
         INSERT INTO member VALUES (1, 'ada', 1), (2, 'Ada', 1), (3, 'bob', 1), (4, NULL, 1), (5, NULL, 1)",
    );
    let tables = [
        (Mariadb, "name VARCHAR(40) COLLATE utf8mb4_general_ci, team INT, UNIQUE (name)"),
        (Mariadb, "name VARCHAR(40) COLLATE utf8mb4_general_ci, team INT, UNIQUE (team, name)"),
        (Postgres, "name varchar(40), team int); CREATE UNIQUE INDEX one ON member (lower(name)"),
        (Sqlite, "name VARCHAR(40) UNIQUE COLLATE NOCASE, team INT"),
    ];
    for (to, columns) in tables {
        let target = Db::fresh(to);
        target.execute(&format!("CREATE TABLE member (id INTEGER PRIMARY KEY, {columns})"));
        let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(ran.code, 4, "{to:?}: {ran}");
        let json = ran.json();
        let found: Vec<_> =
            json["findings"].as_array().unwrap().iter().filter(|f| f["code"] == "duplicates").collect();
        assert_eq!(found.len(), 1, "{to:?}: {ran}");
        assert_eq!((&found[0]["rows"], &found[0]["column"]), (&2.into(), &"name".into()), "{to:?}: {ran}");
        let mut keys: Vec<&str> =
            found[0]["keys"].as_array().unwrap().iter().filter_map(|k| k.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["id=1", "id=2"]);
        assert_eq!(target.value("SELECT count(*) FROM member").as_deref(), Some("0"));
        source.execute("UPDATE member SET name = 'eve' WHERE id = 2");
        let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
        assert_eq!(ran.code, 0, "{to:?}: {ran}");
        source.execute("UPDATE member SET name = 'Ada' WHERE id = 2");
    }
}

/// What `check` says of the target, and that `migrate` then refuses: these rows of `t` are one to a key over the column.
fn taken_for_one(source: &Db, to: Engine, column: &str, keys: &[&str]) {
    let target = Db::fresh(to);
    let told = check(&source.url, &["--target", &target.url]);
    let ran = binary::migrate(&source.url, &target.url, &[]);
    let what = format!("{:?} → {to:?}, {column}", source.engine);
    assert_eq!((told.code, &told.json()["migration"]["would"]), (1, &"refuse".into()), "{what}: {told}");
    assert_eq!(ran.code, 4, "{what}: {ran}");
    for json in [told.json(), ran.json()] {
        let findings = json["findings"].as_array().unwrap();
        let found = findings.iter().find(|f| f["code"] == "duplicates" && f["column"] == column);
        let found = found.unwrap_or_else(|| panic!("{what}: {json}"));
        let mut named: Vec<&str> =
            found["keys"].as_array().unwrap().iter().filter_map(|k| k.as_str()).collect();
        named.sort_unstable();
        assert_eq!((found["rows"].as_u64(), named.as_slice()), (Some(keys.len() as u64), keys), "{what}");
    }
    untouched(&target);
}

#[test]
fn a47_two_spellings_of_one_value_are_known_beforehand() {
    for (column, one, other) in [
        ("at DATETIME", "'2024-01-02 03:04:05'", "'2024-01-02T03:04:05.000000'"),
        ("at DATETIME", "'2024-01-02 03:04:05+00:00'", "'2024-01-02 04:04:05+01:00'"),
        ("at DATETIME", "1704164645", "'2024-01-02 03:04:05'"),
        ("day DATE", "'2024-01-02'", "'2024-01-02 00:00:00'"),
        ("clock TIME", "'10:00:00'", "'10:00:00.000000'"),
        ("flag BOOLEAN", "1", "'true'"),
    ] {
        let source = Db::fresh(Sqlite);
        let name = column.split_once(' ').unwrap().0;
        source.execute(&format!(
            "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, {column}, team INTEGER, UNIQUE (team, {name}));
             INSERT INTO t VALUES (1, {one}, 1), (2, {other}, 1), (3, {one}, 2)"
        ));
        for to in Engine::servers() {
            taken_for_one(&source, to, name, &["id=1", "id=2"]);
        }
        source.execute("UPDATE t SET team = 3 WHERE id = 2");
        for to in Engine::servers() {
            onward_from(&source, to);
        }
    }
    let sql = "CREATE TABLE t (id integer PRIMARY KEY, key uuid UNIQUE);
               INSERT INTO t VALUES (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')";
    let there = migrate(Postgres, sql, Sqlite).done().target;
    there.execute("DROP INDEX t_key_key_value; INSERT INTO t VALUES (2, 'a0eebc999c0b4ef8bb6d6bb9bd380a11')");
    taken_for_one(&there, Postgres, "key", &["id=1", "id=2"]);
    there.execute("UPDATE t SET key = 'a0eebc999c0b4ef8bb6d6bb9bd380a12' WHERE id = 2");
    onward_from(&there, Postgres);
}

/// Migrates a database that goes on being used.
fn onward_from(source: &Db, to: Engine) {
    let target = Db::fresh(to);
    let ran = binary::migrate(&source.url, &target.url, &[]);
    assert!(ran.code <= 1, "{:?} → {to:?}: {ran}", source.engine);
    assert_eq!(target.value("SELECT count(*) FROM t"), source.value("SELECT count(*) FROM t"));
}

#[test]
fn a47_letters_of_a_language_are_known_beforehand() {
    for from in Engine::mysqls() {
        let source = Db::fresh(from);
        source.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, w VARCHAR(9) COLLATE utf8mb4_turkish_ci UNIQUE);
             INSERT INTO t VALUES (1, 'i'), (2, 'I'), (3, 'a')",
        );
        for to in [Postgres, Sqlite] {
            taken_for_one(&source, to, "w", &["id=1", "id=2"]);
        }
        for to in Engine::mysqls() {
            onward_from(&source, to);
        }
        source.execute("DELETE FROM t WHERE id = 2");
        onward_from(&source, Sqlite);
    }
    if Engine::Mysql.at_hand() {
        let sql = "CREATE TABLE t (id INT PRIMARY KEY, w VARCHAR(9) COLLATE utf8mb4_ja_0900_as_cs_ks UNIQUE);
                   INSERT INTO t VALUES (1, 'a'), (2, 'A'), (3, 'か'), (4, 'カ')";
        for to in Engine::all() {
            let arrived = migrate(Engine::Mysql, sql, to).done();
            assert_eq!(arrived.target.value("SELECT count(*) FROM t").as_deref(), Some("4"), "{to:?}");
        }
    }
}

#[test]
fn a48_a_partial_unique_index_guards_the_same_rows() {
    let sql = "CREATE TABLE account (id INTEGER NOT NULL PRIMARY KEY, email VARCHAR(80), deleted INTEGER NOT NULL, team INTEGER);
               CREATE UNIQUE INDEX alive ON account (email) WHERE deleted = 0;
               CREATE UNIQUE INDEX leader ON account (team, deleted) WHERE deleted < 2 AND team IS NOT NULL;
               CREATE INDEX plain ON account (team) WHERE deleted = 0;
               INSERT INTO account VALUES (1, 'a', 0, 1), (2, 'a', 2, 1), (3, 'a', 3, 1), (4, 'b', 0, NULL)";
    for from in [Sqlite, Postgres] {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            assert_eq!(arrived.findings("unique_not_carried").len(), 0, "{}", arrived.ran);
            let emulated =
                arrived.findings("emulated").iter().filter(|f| f["kind"] == "unique index").count();
            assert_eq!(
                emulated,
                if matches!(to, Mariadb | Engine::Mysql) { 2 } else { 0 },
                "{from:?} → {to:?}: {}",
                arrived.ran
            );
            let check = |db: &crate::support::database::Db| {
                for bad in ["(9, 'a', 0, 5)", "(9, 'x', 0, 1)"] {
                    assert!(
                        db.refuses(&format!("INSERT INTO account VALUES {bad}")),
                        "{from:?} → {to:?}: {bad}"
                    );
                }
                db.execute("INSERT INTO account VALUES (8, 'a', 2, 1), (9, NULL, 0, NULL)");
                db.execute("DELETE FROM account WHERE id > 7");
                assert_eq!(
                    db.query("SELECT * FROM account").first().map(Vec::len),
                    Some(4),
                    "a column more shows"
                );
            };
            check(&arrived.target);
            let back = onward(arrived.target, from).done();
            assert_eq!(back.findings("unique_not_carried").len(), 0, "{}", back.ran);
            check(&back.target);
        }
    }
}

#[test]
fn a49_an_index_over_an_expression_is_carried() {
    let sql = "CREATE TABLE account (id INTEGER NOT NULL PRIMARY KEY, email TEXT, name VARCHAR(20));
               CREATE UNIQUE INDEX by_email ON account (lower(email));
               CREATE INDEX by_name ON account (upper(name));
               INSERT INTO account VALUES (1, 'a@B.c', 'x'), (2, 'd@e.f', 'X')";
    for from in [Sqlite, Postgres] {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            for code in ["unique_not_carried", "index_not_carried", "unique_looser"] {
                assert_eq!(arrived.findings(code).len(), 0, "{}", arrived.ran);
            }
            assert!(
                arrived.target.refuses("INSERT INTO account VALUES (9, 'A@b.C', 'x')"),
                "{from:?} → {to:?}"
            );
            arrived.target.execute("INSERT INTO account VALUES (3, 'a@b.d', 'x')");
            let back = onward(arrived.target, from).done();
            assert_eq!(back.findings("unique_not_carried").len(), 0, "{}", back.ran);
            assert!(back.target.refuses("INSERT INTO account VALUES (9, 'A@b.C', 'x')"), "{to:?} → {from:?}");
        }
    }
    // SQLite's lower knows ASCII only; PostgreSQL is told to do the same.
    let sql = format!("{sql}; INSERT INTO account VALUES (3, 'É', 'y'), (4, 'é', 'y')");
    let arrived = migrate(Sqlite, &sql, Postgres).done();
    assert_eq!(arrived.target.value("SELECT count(*) FROM account").unwrap(), "4");
    assert!(arrived.target.refuses("INSERT INTO account VALUES (9, 'A@b.C', 'x')"));
}

#[test]
fn a48_a49_what_mysql_says_in_its_keys_guards_elsewhere_too() {
    for from in Engine::mysqls() {
        let loose = if from == Mariadb { "utf8mb4_unicode_ci" } else { "utf8mb4_0900_ai_ci" };
        let exact = from.exact_collation();
        // MariaDB has no indexes over expressions: a column that is computed stands for one.
        let sql = if from == Mariadb {
            format!(
                "CREATE TABLE account (id INT PRIMARY KEY, email VARCHAR(80) COLLATE {exact}, deleted INT NOT NULL, nick VARCHAR(40) COLLATE {loose},
                     alive VARCHAR(80) COLLATE {exact} AS (CASE WHEN deleted = 0 THEN email END) VIRTUAL, UNIQUE KEY alive (alive), UNIQUE KEY nick (nick))"
            )
        } else {
            format!(
                "CREATE TABLE account (id INT PRIMARY KEY, email VARCHAR(80) COLLATE {exact}, deleted INT NOT NULL, nick VARCHAR(40) COLLATE {loose},
                     UNIQUE KEY alive ((CASE WHEN deleted = 0 THEN email END)), UNIQUE KEY nick (nick))"
            )
        };
        let rows = "INSERT INTO account (id, email, deleted, nick) VALUES (1, 'a', 0, 'Ada'), (2, 'a', 1, 'bob'), (3, 'a', 1, NULL)";
        for to in Engine::all() {
            if (from, to) == (Engine::Mysql, Mariadb) {
                // A CASE over text is no index there: given up only by name.
                migrate(from, &format!("{sql}; {rows}"), to).refused(&["alive"]);
                continue;
            }
            let arrived = migrate(from, &format!("{sql}; {rows}"), to).done();
            assert_eq!(arrived.findings("unique_not_carried").len(), 0, "{from:?} → {to:?}: {}", arrived.ran);
            for bad in ["(9, 'a', 0, 'new')", "(9, 'x', 0, 'ADA')"] {
                let insert = format!("INSERT INTO account (id, email, deleted, nick) VALUES {bad}");
                assert!(arrived.target.refuses(&insert), "{from:?} → {to:?} takes {bad}");
            }
            arrived
                .target
                .execute("INSERT INTO account (id, email, deleted, nick) VALUES (8, 'a', 1, 'eve')");
        }
    }
}
