//! A23 for what a table declares beside the types of its columns, and what engines between cannot say: STRICT, WITHOUT ROWID,
//! constraints that are unique indexes elsewhere, and widths that only MariaDB prints.

use super::arrival::{Arrived, migrate, onward};
use crate::support::content;
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

const STRICT: &str = "
CREATE TABLE held (id INTEGER NOT NULL PRIMARY KEY, n INT NOT NULL DEFAULT 5, r REAL, t TEXT, b BLOB, whole ANY, word ANY DEFAULT 'd',
    part ANY, none ANY) STRICT;
INSERT INTO held VALUES (1, 7, 1.5, '007', x'00ff', 9007199254740993, '007', 2.0, NULL), (2, 8, 3, '1e3', NULL, 5, '1.50', 0.5, NULL);
CREATE TABLE bare (k VARCHAR(40) NOT NULL PRIMARY KEY, v TEXT) WITHOUT ROWID;
INSERT INTO bare VALUES ('b', '1'), ('a', NULL);
CREATE TABLE pair (a INTEGER NOT NULL, b INT NOT NULL, v ANY, PRIMARY KEY (b, a)) STRICT, WITHOUT ROWID;
INSERT INTO pair VALUES (1, 2, '1'), (2, 1, NULL);
CREATE TABLE neither (id INTEGER NOT NULL PRIMARY KEY, v TEXT);";

/// Every table with its options and the types of its columns.
fn tables(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(
        "SELECT t.name, t.wr, t.strict, (SELECT group_concat(name || ' ' || type || ' ' || coalesce(dflt_value, '')) \
         FROM pragma_table_info(t.name)) FROM pragma_table_list t \
         WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite%' ORDER BY t.name",
    )
}

/// Every value with its storage class.
fn stored(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(
        "SELECT id, typeof(n), typeof(r), r, typeof(t), t, typeof(whole), whole, typeof(word), word, typeof(part), part FROM held \
         UNION ALL SELECT a, b, typeof(v), v, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM pair ORDER BY 1, 2",
    )
}

/// Tables of a file that are held to be as before.
fn is_as_before(before: &Db, after: &Db, label: &str) {
    assert_eq!(tables(before), tables(after), "{label}");
    assert_eq!(stored(before), stored(after), "{label}");
    let differences =
        content::differences(&content::read(before), &content::read(after), &content::Renamed::new());
    assert_eq!(differences, Vec::<String>::new(), "{label}");
    assert!(after.refuses("INSERT INTO held (id, n) VALUES (9, 'x')"), "{label}");
    assert!(after.refuses("INSERT INTO pair VALUES (1.5, 1, NULL)"), "{label}");
}

/// What is said of a table as a whole.
fn told(arrived: &Arrived, table: &str) -> Vec<String> {
    let widened = arrived.findings("widened").into_iter();
    let of_table = widened.filter(|f| f["table"] == table && f["column"].is_null());
    of_table.map(|f| f["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a23_strict_tables_come_back() {
    for by in Engine::servers() {
        let there = migrate(Sqlite, STRICT, by).done();
        let back = onward(there.target, Sqlite).done();
        is_as_before(&there.source, &back.target, &format!("{by:?}"));
        for table in ["held", "bare", "pair", "neither"] {
            assert_eq!(told(&back, table), Vec::<String>::new(), "{by:?}");
        }
    }
}

/// A table moves from server to server of a kind with what it was.
#[test]
fn a23_strict_tables_come_back_from_the_next_server() {
    for (first, second) in [(Postgres, Postgres), (Mysql, Mariadb), (Mariadb, Mysql)] {
        if !(first.at_hand() && second.at_hand()) {
            continue;
        }
        let there = migrate(Sqlite, STRICT, first).done();
        let next = onward(there.target, second).done();
        let back = onward(next.target, Sqlite).done();
        is_as_before(&there.source, &back.target, &format!("{first:?}, {second:?}"));
    }
}

/// Where a table has come to hold what STRICT would refuse, it takes it, and says so.
#[test]
fn a23_tables_that_are_not_strict_any_more_take_their_values() {
    for by in Engine::servers() {
        let there = migrate(Sqlite, STRICT, by).done();
        there.target.execute(
            "ALTER TABLE held ADD price numeric(10,2);
             UPDATE held SET price = 1.25;
             INSERT INTO pair (a, b, v) VALUES (3, 4, '0042')",
        );
        let unkeyed =
            if by == Postgres { "DROP CONSTRAINT bare_pkey" } else { "DROP PRIMARY KEY, ADD INDEX (k)" };
        there.target.execute(&format!("ALTER TABLE bare {unkeyed}; INSERT INTO bare VALUES ('a', 'twice')"));
        let back = onward(there.target, Sqlite).done();
        let options = |table: &str| {
            let sql = format!("SELECT wr || strict FROM pragma_table_list WHERE name = '{table}'");
            back.target.value(&sql).unwrap()
        };
        assert_eq!([options("held"), options("bare"), options("pair")], ["00", "00", "11"], "{by:?}");
        assert!(back.target.query("SELECT word FROM held WHERE typeof(word) <> 'text'").is_empty());
        assert_eq!(back.target.value("SELECT v FROM pair WHERE a = 3").unwrap(), "0042");
        assert_eq!(
            told(&back, "held"),
            [r#"is not STRICT again: "price" is DECIMAL(10,2)"#],
            "{by:?}: {}",
            back.ran
        );
        assert_eq!(told(&back, "bare"), ["is not WITHOUT ROWID again: it has no primary key"], "{by:?}");
        assert_eq!(told(&back, "pair"), Vec::<String>::new(), "{by:?}");
    }
}

/// Every unique key of a table: whether it is a constraint, its name where that is not made up, its columns.
fn uniques(db: &Db) -> Vec<Vec<Option<String>>> {
    db.query(match db.engine {
        Sqlite => {
            "SELECT l.origin, CASE l.origin WHEN 'c' THEN l.name END, \
             (SELECT group_concat(name) FROM pragma_index_info(l.name)) FROM pragma_index_list('t') l \
             WHERE l.origin <> 'pk' ORDER BY 3"
        }
        _ => {
            "SELECT c.conname::text, x.relname::text, pg_get_indexdef(x.oid) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
             LEFT JOIN pg_constraint c ON c.conindid = x.oid AND c.contype = 'u' \
             WHERE i.indrelid = 't'::regclass AND i.indisunique ORDER BY 3"
        }
    })
}

#[test]
fn a23_unique_constraints_come_back_as_constraints() {
    let columns = "a INT NOT NULL, b INT, c INT, email VARCHAR(40)";
    let sqlite = format!(
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, {columns}, UNIQUE (email), CONSTRAINT \"the pair\" UNIQUE (b, a));
         CREATE UNIQUE INDEX once ON t (c);
         CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, of VARCHAR(40) REFERENCES t (email));
         INSERT INTO t VALUES (1, 1, 2, 3, 'x'), (2, 2, NULL, NULL, NULL); INSERT INTO child VALUES (1, 'x')"
    );
    for by in Engine::servers() {
        let there = migrate(Sqlite, &sqlite, by).done();
        let back = onward(there.target, Sqlite).done();
        assert_eq!(uniques(&there.source), uniques(&back.target), "{by:?}");
        let text = |db: &Db| db.value("SELECT sql FROM sqlite_schema WHERE name = 't'").unwrap();
        assert!(
            text(&back.target).contains("CONSTRAINT \"the pair\" UNIQUE"),
            "{by:?}: {}",
            text(&back.target)
        );
        if by != Postgres {
            assert!(!text(&back.target).contains("CONSTRAINT \"email\""), "{by:?}: {}", text(&back.target));
        }
        assert_eq!(back.findings("comment_not_carried"), Vec::<serde_json::Value>::new(), "{by:?}");
    }
    let postgres = format!(
        "CREATE TABLE t (id int PRIMARY KEY, {columns}, UNIQUE (email), CONSTRAINT \"the pair\" UNIQUE (b, a));
         CREATE UNIQUE INDEX once ON t (c)"
    );
    for by in [Sqlite].into_iter().chain(Engine::mysqls()) {
        let there = migrate(Postgres, &postgres, by).done();
        let back = onward(there.target, Postgres).done();
        assert_eq!(uniques(&there.source), uniques(&back.target), "{by:?}");
    }
}

/// A key that somebody made anew is what it is now.
#[test]
fn a23_a_unique_index_made_in_between_is_an_index() {
    for by in Engine::mysqls() {
        let sql = "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a INT, CONSTRAINT only UNIQUE (a))";
        let there = migrate(Sqlite, sql, by).done();
        there.target.execute("ALTER TABLE t DROP INDEX only, ADD UNIQUE INDEX only (a) COMMENT 'mine'");
        let back = onward(there.target, Sqlite).done();
        assert_eq!(back.target.value("SELECT origin FROM pragma_index_list('t')").unwrap(), "c", "{by:?}");
        let named =
            back.findings("comment_not_carried").into_iter().chain(back.findings("object_not_carried"));
        assert!(
            named.into_iter().any(|f| f["text"].as_str().unwrap().contains("mine")),
            "{by:?}: {}",
            back.ran
        );
    }
}

/// MySQL prints no width but that of `tinyint(1)` and of what is padded.
#[test]
fn a23_widths_of_mariadb_come_back_from_mysql() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, truth TINYINT(1) UNSIGNED, tiny TINYINT UNSIGNED, signed TINYINT(1),
                   padded INT(5) UNSIGNED ZEROFILL, one TINYINT(1) UNSIGNED ZEROFILL, plain INT, other TINYINT(1) UNSIGNED NOT NULL DEFAULT 1);
               INSERT INTO t VALUES (1, 0, 5, 1, 42, 7, 9, 1), (2, 200, 255, 0, 7, 0, -9, 255)";
    let shape = |db: &Db| {
        db.query(
            "SELECT column_name, column_type, is_nullable, column_default, column_comment FROM information_schema.columns
             WHERE table_schema = DATABASE() ORDER BY ordinal_position",
        )
    };
    let there = migrate(Mariadb, sql, Mysql).done();
    let back = onward(there.target, Mariadb).done();
    assert_eq!(shape(&there.source), shape(&back.target));
    let rows = |db: &Db| db.query("SELECT * FROM t ORDER BY id");
    assert_eq!(rows(&there.source), rows(&back.target));
    // What somebody has changed since stays changed.
    let there = migrate(Mariadb, sql, Mysql).done().target;
    there.execute("ALTER TABLE t MODIFY truth SMALLINT UNSIGNED");
    let back = onward(there, Mariadb).done().target;
    let now = "SELECT column_type FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'truth'";
    assert_eq!(back.value(now).unwrap(), "smallint(5) unsigned");
}

/// Names that an engine does not take come back with all that refers to them.
#[test]
fn a23_names_come_back() {
    let long = |stem: &str| format!("{stem}_{}", "x".repeat(70));
    let (parent, child, key, amount) = (long("parent"), long("child"), long("key"), long("amount"));
    let sqlite = format!(
        "CREATE TABLE {parent} ({key} INTEGER NOT NULL PRIMARY KEY, {amount} INT, twice INT GENERATED ALWAYS AS ({amount} * 2) STORED,
             CHECK ({amount} > 0));
         CREATE TABLE {child} (id INTEGER NOT NULL PRIMARY KEY, of INTEGER REFERENCES {parent} ({key}), {amount} VARCHAR(9));
         CREATE INDEX by_amount ON {parent} ({amount});
         CREATE VIEW seen AS SELECT {amount} AS n FROM {parent} WHERE {amount} > 1;
         INSERT INTO {parent} ({key}, {amount}) VALUES (1, 2), (2, 1); INSERT INTO {child} VALUES (1, 1, 'x')"
    );
    for by in Engine::servers() {
        let there = migrate(Sqlite, &sqlite, by).done();
        let back = onward(there.target, Sqlite).done();
        let names = |db: &Db| {
            db.query(
                "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_xinfo(m.name) c
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid",
            )
        };
        assert_eq!(names(&there.source), names(&back.target), "{by:?}");
        let (before, after) = (content::read(&there.source), content::read(&back.target));
        let differences = content::differences(&before, &after, &content::Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{by:?}");
        assert!(
            back.target.refuses(&format!("INSERT INTO {parent} ({key}, {amount}) VALUES (3, -1)")),
            "{by:?}"
        );
        let refers = format!("SELECT \"table\", \"to\" FROM pragma_foreign_key_list('{child}')");
        assert_eq!(back.target.query(&refers), [[Some(parent.clone()), Some(key.clone())]], "{by:?}");
        assert_eq!(back.target.value("SELECT n FROM seen").unwrap(), "2", "{by:?}");
        let indexed = "SELECT name FROM pragma_index_info('by_amount')";
        assert_eq!(back.target.value(indexed).unwrap(), amount, "{by:?}");
        assert!(
            back.findings("renamed").iter().any(|f| f["text"].as_str().unwrap().contains(&parent)),
            "{by:?}"
        );

        // What somebody has renamed since has the name that he gave it.
        let there = migrate(Sqlite, &format!("CREATE TABLE {parent} (id INTEGER NOT NULL PRIMARY KEY)"), by)
            .done()
            .target;
        let given = there.value(if by == Postgres {
            "SELECT relname::text FROM pg_class WHERE relname LIKE 'parent%' AND relkind = 'r'"
        } else {
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'parent%'"
        });
        there.execute(&format!("ALTER TABLE {} RENAME TO mine", given.unwrap()));
        let back = onward(there, Sqlite).done().target;
        assert_eq!(
            back.value("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap(),
            "mine",
            "{by:?}"
        );
    }
}

/// SQLite keeps names for its own, and has no comments to keep those of before in but within CREATE TABLE.
#[test]
fn a23_names_that_sqlite_reserves_come_back() {
    for from in Engine::servers() {
        let sql = "CREATE TABLE sqlite_notes (id INTEGER NOT NULL PRIMARY KEY, v VARCHAR(9));
                   CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, note INTEGER, FOREIGN KEY (note) REFERENCES sqlite_notes (id));
                   INSERT INTO sqlite_notes VALUES (1, 'a'); INSERT INTO child VALUES (1, 1)";
        let there = migrate(from, sql, Sqlite).done();
        // A copy of the file knows it too.
        let copy = onward(there.target, Sqlite).done();
        let back = onward(copy.target, from).done();
        let (before, after) = (content::read(&there.source), content::read(&back.target));
        let differences = content::differences(&before, &after, &content::Renamed::new());
        assert_eq!(differences, Vec::<String>::new(), "{from:?}");
        assert!(back.target.refuses("INSERT INTO child VALUES (2, 9)"), "{from:?}");
    }
}
