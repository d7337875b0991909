//! What MySQL and MariaDB have and no other table has, or what their catalogues tell in part only: it arrives, or the plan
//! names it.

use super::arrival::{Arrived, migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

fn column(db: &Db, sql: &str) -> Vec<String> {
    db.query(sql).into_iter().map(|row| row[0].clone().unwrap_or_else(|| "NULL".into())).collect()
}

/// Migrates what was refused after all.
fn accepted(refused: &Arrived, codes: &str) -> Arrived {
    let (source, target) = (&refused.source, Db::fresh(refused.target.engine));
    let ran = binary::migrate(&source.url, &target.url, &["--accept", codes]);
    Arrived { source: Db::fresh(Sqlite), target, ran }.done()
}

/// What findings of a code are about, with their texts.
fn told(arrived: &Arrived, code: &str) -> Vec<(String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> =
        arrived.findings(code).iter().map(|f| (word(&f["object"]), word(&f["text"]))).collect();
    told.sort();
    told
}

#[test]
fn the_past_of_a_system_versioned_table_is_not_lost_unasked() {
    let sql = "CREATE TABLE quiet (id INT PRIMARY KEY, v INT UNIQUE) WITH SYSTEM VERSIONING;
               CREATE TABLE told (id INT PRIMARY KEY, v INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START,
                   till TIMESTAMP(6) GENERATED ALWAYS AS ROW END, UNIQUE KEY (v), PERIOD FOR SYSTEM_TIME (since, till))
                   WITH SYSTEM VERSIONING;
               INSERT INTO quiet VALUES (1, 2); UPDATE quiet SET v = 3; INSERT INTO told (id, v) VALUES (1, 2)";
    for to in Engine::all() {
        let clause = "PERIOD FOR SYSTEM_TIME (`since`, `till`) WITH SYSTEM VERSIONING";
        let refused = migrate(Mariadb, sql, to).refused(&["versioning_not_carried", "\"quiet\"", clause]);
        assert_eq!(refused.findings("versioning_not_carried").len(), 2, "{to:?}: {}", refused.ran);
        let arrived = accepted(&refused, "versioning_not_carried");
        assert_eq!(column(&arrived.target, "SELECT v FROM quiet"), ["3"], "{to:?}");
        assert_eq!(column(&arrived.target, "SELECT v FROM told WHERE since > '2001-01-01'"), ["2"], "{to:?}");
        for again in [
            "INSERT INTO quiet VALUES (1, 9)",
            "INSERT INTO quiet VALUES (9, 3)",
            "INSERT INTO told VALUES (1, 9, '2001-01-01 00:00:00', '2002-01-01 00:00:00')",
            "INSERT INTO told VALUES (9, 2, '2001-01-01 00:00:00', '2002-01-01 00:00:00')",
        ] {
            assert!(arrived.target.refuses(again), "{to:?} takes {again}");
        }
        arrived
            .target
            .execute("INSERT INTO told VALUES (9, 9, '2001-01-01 00:00:00', '2002-01-01 00:00:00')");
    }
}

#[test]
fn rows_alone_of_a_system_versioned_table_are_refused_too() {
    let source = Db::fresh(Mariadb);
    source.execute(
        "CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING; INSERT INTO t VALUES (1, 2)",
    );
    let target = Db::fresh(Postgres);
    target.execute("CREATE TABLE t (id integer PRIMARY KEY, v integer)");
    let ran = binary::migrate(&source.url, &target.url, &["--data-only"]);
    assert!(ran.code == 4 && ran.stdout.contains("versioning_not_carried"), "{ran}");
    assert_eq!(column(&target, "SELECT count(*) FROM t"), ["0"]);
}

#[test]
fn periods_that_may_not_overlap_are_named() {
    let sql = "CREATE TABLE stay (room INT, s DATE, e DATE, PERIOD FOR `of` (s, e), UNIQUE u (room, `of` WITHOUT OVERLAPS));
               CREATE TABLE price (id INT, s DATE, e DATE, PERIOD FOR p (s, e), PRIMARY KEY (id, p WITHOUT OVERLAPS));
               INSERT INTO stay VALUES (1, '2001-01-01', '2001-01-10'); INSERT INTO price SELECT * FROM stay";
    for to in Engine::all() {
        let refused = migrate(Mariadb, sql, to).refused(&[]);
        assert_eq!(
            told(&refused, "constraint_not_carried"),
            [
                ("PRIMARY".to_owned(), "PRIMARY KEY (`id`,`p` WITHOUT OVERLAPS)".to_owned()),
                ("u".to_owned(), "UNIQUE KEY `u` (`room`,`of` WITHOUT OVERLAPS)".to_owned()),
            ],
            "{to:?}"
        );
        let periods = told(&refused, "object_not_carried");
        assert_eq!(periods[0], ("of".into(), "PERIOD FOR `of` (`s`, `e`)".into()), "{to:?}");
        let target = accepted(&refused, "constraint_not_carried").target;
        for row in ["(1, '2001-01-01', '2001-01-10')", "(2, '2001-01-10', '2001-01-01')"] {
            assert!(target.refuses(&format!("INSERT INTO stay VALUES {row}")), "{to:?} takes {row}");
        }
    }
}

/// JSON of MariaDB is a type of text and the check that comes with it; the same check at another type makes no JSON of it.
#[test]
fn a_check_alone_makes_no_json_of_a_column() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, j JSON, v VARCHAR(10) CHARACTER SET latin1 CHECK (json_valid(v)),
                   l LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci CHECK (json_valid(l)),
                   m LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, CONSTRAINT whole CHECK (json_valid(m)));
               INSERT INTO t VALUES (1, '{\"a\":  1}', '[1]', '[2]', '[3]')";
    for to in Engine::mysqls() {
        let target = migrate(Mariadb, sql, to).done().target;
        let types = "SELECT concat(column_type, ' ', collation_name) FROM information_schema.columns
                     WHERE table_schema = DATABASE() AND table_name = 't' AND column_name = ";
        let of = |name: &str| column(&target, &format!("{types}'{name}'"))[0].clone();
        assert_eq!(of("v"), "varchar(10) latin1_swedish_ci", "{to:?}");
        assert_eq!(of("l"), "longtext utf8mb4_general_ci", "{to:?}");
        for name in ["v", "l", "m"] {
            let nope = format!("INSERT INTO t (id, {name}) VALUES (2, 'nope')");
            assert!(target.refuses(&nope), "{to:?} takes {nope}");
        }
        assert_eq!(to == Mariadb, target.refuses("INSERT INTO t (id, j) VALUES (2, 'nope')"), "{to:?}");
    }
    let target = migrate(Mariadb, sql, Sqlite).done().target;
    for name in ["v", "l", "m"] {
        assert!(target.refuses(&format!("INSERT INTO t (id, {name}) VALUES (2, 'nope')")), "{name}");
    }
    let refused = migrate(Mariadb, sql, Postgres).refused(&[]);
    assert_eq!(refused.findings("check_not_carried").len(), 3, "{}", refused.ran);
    let target = accepted(&refused, "check_not_carried").target;
    assert_eq!(column(&target, "SELECT j FROM t"), ["{\"a\":  1}"]);
    for to in [Mysql, Sqlite].into_iter().filter(|to| to.at_hand()) {
        let arrived = migrate(Mariadb, "CREATE TABLE t (id INT PRIMARY KEY, j JSON)", to).done();
        let text = &told(&arrived, "emulated")[0].1;
        assert!(text.contains("text that is no JSON is taken too"), "{to:?}: {text}");
    }
}

#[test]
fn defaults_of_bytes_are_the_bytes_that_they_are() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, a VARBINARY(5) DEFAULT x'00ff', b VARBINARY(5) DEFAULT x'ff00',
                   c BINARY(3) DEFAULT x'0001', d VARBINARY(3) DEFAULT x'80', e VARBINARY(9) DEFAULT 'it''s\\\\?',
                   f VARBINARY(9) DEFAULT '0x4142', g VARBINARY(9) DEFAULT '', h VARBINARY(4) DEFAULT x'c3a9',
                   i VARBINARY(9) DEFAULT 'NULL', j VARBINARY(9) NOT NULL DEFAULT x'f09f9880', k VARBINARY(9) DEFAULT x'eda080', `ta\"k`` en` VARBINARY(2) NOT NULL DEFAULT x'5c00');
               CREATE TABLE none_at_all (id INT PRIMARY KEY, k VARBINARY(5) DEFAULT NULL, l VARBINARY(5));";
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "ta\"k` en"];
    let expected = [
        "00ff",
        "ff00",
        "000100",
        "80",
        "697427735c3f",
        "307834313432",
        "",
        "c3a9",
        "4e554c4c",
        "f09f9880",
        "eda080",
        "5c00",
    ];
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            assert!(arrived.findings("default_not_carried").is_empty(), "{from:?} → {to:?}: {}", arrived.ran);
            arrived.target.execute("INSERT INTO t (id) VALUES (1)");
            let hex = |name: &str| match to {
                Postgres => format!("encode(\"{}\", 'hex')", name.replace('"', "\"\"")),
                Sqlite => format!("lower(hex(\"{}\"))", name.replace('"', "\"\"")),
                Mariadb | Mysql => format!("lower(hex(`{}`))", name.replace('`', "``")),
            };
            let all: Vec<String> = names.iter().map(|name| hex(name)).collect();
            let row = arrived.target.query(&format!("SELECT {} FROM t", all.join(", "))).remove(0);
            let row: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            assert_eq!(row, expected, "{from:?} → {to:?}");
        }
    }
}

#[test]
fn what_columns_indexes_and_checks_are_declared_with_is_named() {
    let mariadb =
        "CREATE TABLE t (id INT PRIMARY KEY, a INT INVISIBLE DEFAULT 3, i INT, KEY idle (i) IGNORED,
                       KEY noted (i, a) COMMENT 'what for', p POINT REF_SYSTEM_ID=4326)";
    let mysql =
        "CREATE TABLE t (id INT PRIMARY KEY, a INT INVISIBLE DEFAULT 3, i INT, KEY idle (i) INVISIBLE,
                     KEY noted (i, a) COMMENT 'what for', p POINT SRID 4326,
                     CONSTRAINT lax CHECK (i > 0 AND 'it''s' <> '') NOT ENFORCED)";
    let listed = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    };
    let here = [
        (
            Mariadb,
            mariadb,
            listed(&[
                ("a", "column `a` INVISIBLE"),
                ("idle", "index `idle` IGNORED"),
                ("p", "column `p` REF_SYSTEM_ID=4326"),
            ]),
        ),
        (
            Mysql,
            mysql,
            listed(&[
                ("a", "column `a` INVISIBLE"),
                ("idle", "index `idle` INVISIBLE"),
                ("lax", "CONSTRAINT `lax` CHECK ((`i` > 0) and ('it''s' <> '')) NOT ENFORCED"),
                ("p", "column `p` SRID 4326"),
            ]),
        ),
    ];
    for (from, sql, expected) in here.into_iter().filter(|(from, ..)| from.at_hand()) {
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            assert_eq!(told(&arrived, "object_not_carried"), expected, "{from:?} → {to:?}");
            let comment = listed(&[("noted", "index `noted` COMMENT 'what for'")]);
            assert_eq!(told(&arrived, "comment_not_carried"), comment, "{from:?} → {to:?}");
        }
    }
}

#[test]
fn a_primary_key_that_mysql_generates_is_named() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "SET sql_generate_invisible_primary_key = 1; CREATE TABLE t (a INT, b INT); INSERT INTO t VALUES (5, 6)";
    for to in Engine::all() {
        let arrived = migrate(Mysql, sql, to).done();
        let named = [("my_row_id".to_owned(), "column `my_row_id` INVISIBLE".to_owned())];
        assert_eq!(told(&arrived, "object_not_carried"), named, "{to:?}");
        assert_eq!(column(&arrived.target, "SELECT my_row_id FROM t"), ["1"], "{to:?}");
    }
}

#[test]
fn other_storage_engines_and_what_they_count_are_named() {
    let sql = "CREATE TABLE t (g INT, id INT AUTO_INCREMENT, PRIMARY KEY (g, id)) ENGINE = MyISAM;
               INSERT INTO t (g) VALUES (1), (1), (2)";
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let source = Db::fresh(from);
            source.execute(sql);
            let target = Db::fresh(to);
            let ran = binary::migrate(&source.url, &target.url, &["--accept", "identity_not_carried"]);
            let arrived = Arrived { source, target, ran }.done();
            let engine = [(
                "MyISAM".to_owned(),
                "the table becomes one of InnoDB; the source has ENGINE=MyISAM".to_owned(),
            )];
            let named = told(&arrived, "object_not_carried");
            assert_eq!(named, if to.is_mysql() { &engine[..] } else { &[] }, "{from:?} → {to:?}");
            let counts = told(&arrived, "identity_changed");
            let lost = told(&arrived, "identity_not_carried");
            let text = counts.iter().chain(&lost).map(|(_, text)| text.as_str()).collect::<String>();
            assert!(text.contains("values go up over all rows") || text.contains("not handed out"), "{text}");
        }
    }
}

#[test]
fn numbers_below_zero_that_the_target_takes_are_named() {
    let sql =
        "CREATE TABLE t (id INT PRIMARY KEY, a DECIMAL(5,2) UNSIGNED, b FLOAT UNSIGNED, c DOUBLE UNSIGNED,
                   d DECIMAL(5,2))";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).done();
        let widened = arrived.findings("widened");
        let mut columns: Vec<&str> = widened.iter().filter_map(|f| f["column"].as_str()).collect();
        columns.sort_unstable();
        assert_eq!(columns, ["a", "b", "c"], "{from:?}: {}", arrived.ran);
        assert!(widened[0]["text"].as_str().unwrap().contains("below 0"), "{}", arrived.ran);
    }
}

#[test]
fn the_default_of_a_long_bit_string_comes_back() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, w BIT(64) DEFAULT b'101', n BIT(9) DEFAULT b'11')";
    for from in Engine::mysqls() {
        for by in [Sqlite, Postgres] {
            let there = migrate(from, sql, by).done().target;
            there.execute("INSERT INTO t (id) VALUES (1)");
            let back = onward(there, from).done().target;
            assert_eq!(column(&back, "SELECT concat(w + 0, ' ', n + 0) FROM t"), ["5 3"], "{from:?}, {by:?}");
        }
    }
}

#[test]
fn a_cascade_within_one_table_is_said_to_be_none_in_innodb() {
    let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER,
                   CONSTRAINT to_up FOREIGN KEY (up) REFERENCES t (id) ON UPDATE CASCADE ON DELETE CASCADE);
               CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER,
                   CONSTRAINT to_t FOREIGN KEY (t) REFERENCES t (id) ON UPDATE CASCADE);
               INSERT INTO t VALUES (1, NULL), (2, 1)";
    for from in [Postgres, Sqlite] {
        for to in Engine::mysqls() {
            let arrived = migrate(from, sql, to).done();
            let changed = arrived.findings("foreign_key_changed");
            assert_eq!(changed.len(), 1, "{from:?} → {to:?}: {}", arrived.ran);
            assert_eq!(changed[0]["table"], "t", "{from:?} → {to:?}");
            // What is said is true.
            assert!(arrived.target.refuses("UPDATE t SET id = 5 WHERE id = 1"), "{from:?} → {to:?}");
        }
    }
}

#[test]
fn how_a_table_is_kept_is_listed() {
    for from in [Mariadb, Mysql].into_iter().filter(|from| from.at_hand()) {
        let sql =
            "CREATE TABLE t (id INT PRIMARY KEY) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 STATS_PERSISTENT=0;
                   CREATE TABLE plain (id INT PRIMARY KEY) ROW_FORMAT=DYNAMIC; INSERT INTO t VALUES (1)";
        for to in Engine::all() {
            let arrived = migrate(from, sql, to).done();
            let named = told(&arrived, "object_not_carried");
            assert_eq!(named.len(), 1, "{from:?} → {to:?}: {named:?}");
            for word in ["row_format=compressed", "key_block_size=8", "stats_persistent=0"] {
                assert!(named[0].1.to_ascii_lowercase().contains(word), "{from:?} → {to:?}: {named:?}");
            }
        }
    }
}

/// The catalogue names them only to who has a right to them, so to others that much is said.
#[test]
fn what_a_user_may_not_see_is_told_of() {
    for engine in [Mariadb, Mysql].into_iter().filter(|engine| engine.at_hand()) {
        let source = Db::fresh(engine);
        source.execute(
            "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PROCEDURE p() DELETE FROM t;
             CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.id = NEW.id + 1;
             CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t",
        );
        let (name, role) = (source.name(), format!("r_{}", source.name()));
        let (place, user) = (format!("`{}`.*", name.replace('_', "\\_")), format!("s_{name}"));
        source.execute(&format!("CREATE USER {user}@'%'; GRANT SELECT, SHOW VIEW ON {place} TO {user}@'%'"));
        let url = source.url.replace("root@", &format!("{user}@"));
        let objects = || {
            let target = Db::fresh(Sqlite);
            let ran = binary::migrate(&url, &target.url, &[]);
            assert_eq!(ran.code, 1, "{engine:?}: {ran}");
            assert_eq!(column(&target, "SELECT id FROM t"), ["1"]);
            let findings = ran.json()["findings"].as_array().cloned().unwrap_or_default();
            let mut names: Vec<String> =
                findings.iter().filter_map(|f| f["object"].as_str()).map(str::to_owned).collect();
            names.sort();
            names
        };
        assert_eq!(objects(), ["triggers, events, routines that this user may not see"], "{engine:?}");
        source.execute(&format!("GRANT EVENT, EXECUTE ON {place} TO {user}@'%'"));
        assert_eq!(objects(), ["ev", "p", "triggers that this user may not see"], "{engine:?}");
        // Those of a role that the session has count as well.
        let default = if engine == Mysql { "TO" } else { "FOR" };
        source.execute(&format!(
            "CREATE ROLE {role}; GRANT TRIGGER ON {place} TO {role}; GRANT {role} TO {user}@'%';
             SET DEFAULT ROLE {role} {default} {user}@'%'"
        ));
        assert_eq!(objects(), ["ev", "p", "tr"], "{engine:?}");
        source.execute(&format!("DROP USER {user}@'%'; DROP ROLE {role}"));
    }
}
