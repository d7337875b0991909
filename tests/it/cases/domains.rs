//! Domains and what else users of PostgreSQL make types of, by way of an engine that has none, and back. The judge is
//! `pg_catalog` of both ends.

use super::arrival::{Arrived, onward};
use super::own_types::same_catalogue;
use crate::dump::load;
use crate::support::binary;
use crate::support::content;
use crate::support::database::{Db, Engine};

use serde_json::Value;

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

const ELSEWHERE: [Engine; 3] = [Mariadb, Mysql, Sqlite];

const NONE: Vec<Value> = Vec::new();

const DOMAINS: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'back\slash');
CREATE DOMAIN zz_year AS integer DEFAULT 1999 NOT NULL CONSTRAINT early CHECK (VALUE >= 1901)
    CONSTRAINT "Late!" CHECK (VALUE <= 2155);
COMMENT ON DOMAIN zz_year IS 'a year';
COMMENT ON CONSTRAINT "Late!" ON DOMAIN zz_year IS 'YEAR of MySQL';
CREATE DOMAIN recent AS zz_year CHECK (VALUE BETWEEN 1991 AND 2100 OR VALUE IN (1950, 1960));
CREATE DOMAIN "Exact Text" AS varchar(12) COLLATE "C" CHECK (VALUE <> '') CHECK (length(VALUE) < 12);
CREATE DOMAIN feeling AS mood DEFAULT 'sad';
CREATE DOMAIN moods AS mood[];
CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE > 0.5);
CREATE DOMAIN blanks AS char(4);
CREATE DOMAIN document AS jsonb;
CREATE DOMAIN flags AS bit(3);
CREATE DOMAIN number AS bigint CHECK (VALUE > 0);
CREATE DOMAIN seen AS timestamp with time zone DEFAULT CURRENT_TIMESTAMP;
CREATE TYPE a_pair AS (since zz_year, note text COLLATE "C", all_of mood[]);
CREATE DOMAIN old_pair AS a_pair;
CREATE TABLE t (
    id serial PRIMARY KEY, made zz_year, later zz_year DEFAULT 2001, own zz_year NOT NULL, loose recent, word "Exact Text",
    many moods, one feeling NOT NULL, cost price, padded blanks, doc document, bits flags, pair a_pair, pairs a_pair[],
    old old_pair, feelings mood[], years zz_year[], at seen,
    copied number GENERATED ALWAYS AS (counts) STORED,
    counts number,
    CONSTRAINT own_check CHECK (later > made));
CREATE UNIQUE INDEX t_word ON t (word);
CREATE DOMAIN id AS bigint NOT NULL;
CREATE TABLE counted (id id PRIMARY KEY, again zz_year DEFAULT NULL, first "Exact Text" REFERENCES t (word));
CREATE SEQUENCE counted_id_seq OWNED BY counted.id;
ALTER TABLE counted ALTER COLUMN id SET DEFAULT nextval('counted_id_seq');
INSERT INTO t (made, own, loose, word, many, cost, padded, doc, bits, pair, pairs, old, feelings, years, at) VALUES
    (1950, 1960, 2000, 'a', '{sad,"it''s ok"}', 1.50, 'ab', '{"a": 1.50}', B'101', ROW(2000, 'x "y", (z)', '{sad}'),
        ARRAY[ROW(2001, NULL, NULL)::a_pair, NULL], ROW(1902, '', '{}'), '{"back\\slash",NULL}', '{1901,2155}', '2024-05-21Z'),
    (DEFAULT, 1970, 1991, 'A', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '2024-05-22Z');
INSERT INTO counted (again, first) VALUES (2000, 'a');
"#;

/// Goes to an engine, with the losses accepted that this takes.
fn there(sql: &str, by: Engine, accepted: &[&str]) -> Arrived {
    let (source, target) = (Db::fresh(Postgres), Db::fresh(by));
    source.execute(sql);
    let ran = binary::migrate(&source.url, &target.url, accepted);
    Arrived { source, target, ran }.done()
}

/// Goes there and back, and holds both ends against each other.
fn there_and_back(sql: &str, by: Engine, accepted: &[&str]) -> Db {
    let there = there(sql, by, accepted);
    let home = onward(there.target, Postgres).done();
    as_it_was(&there.source, &home.target, by);
    assert_eq!(home.findings("object_not_carried"), NONE, "by {by:?}");
    home.target
}

fn as_it_was(source: &Db, home: &Db, by: Engine) {
    same_catalogue(source, home);
    let (before, after) = (content::read(source), content::read(home));
    let different = content::differences(&before, &after, &content::Renamed::new());
    assert_eq!(different, Vec::<String>::new(), "by {by:?}");
}

/// Type and default of a column.
fn declared(db: &Db, table: &str, column: &str) -> String {
    let question = format!(
        "SELECT format_type(a.atttypid, a.atttypmod) || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = '{table}'::regclass AND a.attname = '{column}'"
    );
    db.value(&question).unwrap()
}

fn checks_of_tables(db: &Db) -> Option<String> {
    db.value("SELECT count(*) FROM pg_constraint WHERE conrelid <> 0 AND contype = 'c'")
}

/// Fails unless the report names a type that did not come back, and says why.
fn named(home: &Arrived, table: &str, name: &str, why: &str) {
    let findings = home.findings("object_not_carried");
    let named = |f: &&Value| f["table"] == table && f["object"] == name;
    let finding = findings.iter().find(named).unwrap_or_else(|| panic!("{name}: {findings:?}"));
    assert!(finding["text"].as_str().unwrap().contains(why), "{finding}");
}

#[test]
fn domains_come_back_by_way_of_every_engine() {
    for by in ELSEWHERE.into_iter().filter(|by| by.at_hand()) {
        let home = there_and_back(DOMAINS, by, &[]);
        home.execute(
            "INSERT INTO t (own, loose, word) VALUES (1990, 1995, 'next'); INSERT INTO counted (again) VALUES (1990)",
        );
        let read = "SELECT made || ' ' || later || ' ' || one || ' ' || id FROM t WHERE word = 'next'";
        assert_eq!(home.value(read).as_deref(), Some("1999 2001 sad 3"), "{by:?}");
        for sql in [
            "INSERT INTO t (made, own, loose, word) VALUES (1900, 1990, 1995, 'x')",
            "INSERT INTO t (own, loose, word) VALUES (1990, 1980, 'x')",
            "INSERT INTO t (own, loose, word) VALUES (NULL, 1995, 'x')",
            "UPDATE t SET pair = ROW(2200, '', NULL)",
            "UPDATE t SET years = '{1900}'",
        ] {
            assert!(home.refuses(sql), "{by:?}: {sql}");
        }
    }
}

/// Nobody but PostgreSQL says its regular expressions, so nothing in between holds values to them.
const PATTERN: &str = "CREATE DOMAIN mail AS text CHECK (VALUE ~ '^[^@]+@[^@]+$') CHECK (VALUE <> 'a@b');
    CREATE DOMAIN mails AS mail[];
    CREATE TABLE t (id integer PRIMARY KEY, m mail, many mails, more mail[]);
    INSERT INTO t VALUES (1, 'x@y', '{x@y}', '{x@y,y@z}'), (2, NULL, NULL, NULL)";

const ACCEPTED: &[&str] = &["--accept", "check_not_carried"];

#[test]
fn a_check_that_went_nowhere_comes_back_with_its_domain() {
    for by in ELSEWHERE.into_iter().filter(|by| by.at_hand()) {
        let home = there_and_back(PATTERN, by, ACCEPTED);
        assert!(home.refuses("INSERT INTO t VALUES (3, 'nobody', NULL, NULL)"), "{by:?}");
    }
}

#[test]
fn values_that_a_domain_does_not_take_any_more_stay_in_the_type_below() {
    for by in ELSEWHERE.into_iter().filter(|by| by.at_hand()) {
        let there = there(PATTERN, by, ACCEPTED);
        there.target.execute("INSERT INTO t VALUES (3, 'secret', '{x@z}', '{hidden}')");
        let home = onward(there.target, Postgres).done();
        assert_eq!(home.ran.code, 1, "{by:?}: {}", home.ran);
        named(&home, "t", "mail", "value for domain mail violates check constraint");
        assert!(!home.ran.stdout.contains("secret") && !home.ran.stdout.contains("hidden"), "{}", home.ran);
        let target = &home.target;
        let types = ["m", "many", "more"].map(|column| declared(target, "t", column));
        assert_eq!(types, ["text", "mails", "text"], "{by:?}");
        assert_eq!(target.value("SELECT count(*) FROM t").as_deref(), Some("3"));
        // What was carried holds, also without the domain.
        assert!(target.refuses("INSERT INTO t VALUES (4, 'a@b', NULL, NULL)"), "{by:?}");
    }
}

/// What somebody changed in between says more than what was.
#[test]
fn what_changed_in_between_stays_changed() {
    for by in [Mariadb, Mysql].into_iter().filter(|by| by.at_hand()) {
        let there = there(
            "CREATE DOMAIN year AS integer DEFAULT 1999 CHECK (VALUE >= 1901);
             CREATE DOMAIN sure AS integer NOT NULL DEFAULT 7;
             CREATE TABLE dropped (id integer PRIMARY KEY, v year);
             CREATE TABLE loosened (id integer PRIMARY KEY, v sure);
             CREATE TABLE t (id integer PRIMARY KEY, v year, w year, x year, y sure);
             INSERT INTO dropped VALUES (1, 2000); INSERT INTO loosened VALUES (1, 2); INSERT INTO t VALUES (1)",
            by,
            &[],
        );
        let check = "SELECT constraint_name FROM information_schema.table_constraints
             WHERE table_schema = DATABASE() AND table_name = 'dropped' AND constraint_type = 'CHECK'";
        let check = there.target.value(check).unwrap();
        let comment = "SELECT column_comment FROM information_schema.columns
             WHERE table_schema = DATABASE() AND table_name = 'loosened' AND column_name = 'v'";
        let comment = there.target.value(comment).unwrap();
        there.target.execute(&format!(
            "ALTER TABLE dropped DROP CONSTRAINT {check}; INSERT INTO dropped VALUES (2, 5);
             ALTER TABLE loosened MODIFY v INT DEFAULT 7 COMMENT '{comment}'; INSERT INTO loosened VALUES (2, NULL);
             ALTER TABLE t ALTER COLUMN w SET DEFAULT 2000; ALTER TABLE t ALTER COLUMN x DROP DEFAULT"
        ));
        let home = onward(there.target, Postgres).done();
        named(&home, "dropped", "year", "is not there as it was");
        named(&home, "loosened", "sure", "takes NULL by now");
        let target = &home.target;
        assert_eq!(declared(target, "dropped", "v"), "integer 1999", "{by:?}");
        assert_eq!(declared(target, "loosened", "v"), "integer 7", "{by:?}");
        let types = ["v", "w", "x", "y"].map(|column| declared(target, "t", column));
        assert_eq!(types, ["year", "year 2000", "year NULL::integer", "sure"], "{by:?}");
        assert_eq!(checks_of_tables(target).as_deref(), Some("0"), "{by:?}");
    }
}

#[test]
fn two_domains_of_one_name_stay_checks_of_their_tables() {
    for by in [Mariadb, Sqlite] {
        let first = there(
            "CREATE DOMAIN year AS integer CHECK (VALUE >= 1901); CREATE TABLE a (id integer PRIMARY KEY, v year)",
            by,
            &[],
        );
        let second = Db::fresh(Postgres);
        second.execute(
            "CREATE DOMAIN year AS integer CHECK (VALUE >= 1801); CREATE TABLE b (id integer PRIMARY KEY, v year)",
        );
        let ran = binary::migrate(&second.url, &first.target.url, &[]);
        assert!(ran.code <= 1, "{by:?}: {ran}");
        let home = onward(first.target, Postgres).done();
        for table in ["a", "b"] {
            named(&home, table, "year", "columns remember different types of that name");
            assert_eq!(declared(&home.target, table, "v"), "integer", "{by:?}");
        }
        home.target.execute("INSERT INTO a VALUES (1, 1901); INSERT INTO b VALUES (1, 1850)");
        for bad in ["INSERT INTO a VALUES (2, 1850)", "INSERT INTO b VALUES (2, 1800)"] {
            assert!(home.target.refuses(bad), "{by:?}: {bad}");
        }
    }
}

#[test]
fn a_domain_whose_check_calls_a_routine_is_not_remembered() {
    let sql = "CREATE FUNCTION odd(integer) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 % 2 = 1';
        CREATE DOMAIN strange AS integer CHECK (odd(VALUE)); CREATE DOMAIN stranger AS strange CHECK (VALUE > 0);
        CREATE TABLE t (id integer PRIMARY KEY, v strange, w stranger); INSERT INTO t VALUES (1, 1, 3)";
    let there = there(sql, Mariadb, ACCEPTED);
    let home = onward(there.target, Postgres).whole();
    assert_eq!(["v", "w"].map(|column| declared(&home.target, "t", column)), ["integer", "integer"]);
    assert_eq!(checks_of_tables(&home.target).as_deref(), Some("1"));
}

/// Comments of MySQL end at 1,024 characters.
#[test]
fn what_a_comment_has_no_room_for_stays_a_check() {
    let words: Vec<String> = (0..200).map(|n| format!("'word {n}'")).collect();
    let sql = format!(
        "CREATE DOMAIN word AS text CHECK (VALUE IN ({}));
         CREATE TABLE t (id integer PRIMARY KEY, w word); INSERT INTO t VALUES (1, 'word 7')",
        words.join(", ")
    );
    let there = there(&sql, Mariadb, &[]);
    let home = onward(there.target, Postgres).whole();
    assert_eq!(declared(&home.target, "t", "w"), "text");
    assert!(home.target.refuses("INSERT INTO t VALUES (2, 'word 200')"));
    there_and_back(&sql, Sqlite, &[]);
}

#[test]
fn archives_and_scripts_bring_domains_back() {
    let there = there(DOMAINS, Sqlite, &[]);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("home.sql");
    let ran = binary::migrate(&there.target.url, "postgresql", &["--dump", script.to_str().unwrap()]);
    assert!(ran.code <= 1, "{ran}");
    let home = Db::fresh(Postgres);
    let (loaded, said) = load(&home, &script);
    assert!(loaded, "{said}");
    as_it_was(&there.source, &home, Sqlite);

    let backup = ["backup", "--database", &there.target.url, "--method", "portable", "--output-dir"];
    let kept = binary::run(&[&backup[..], &[folder.path().to_str().unwrap()]].concat());
    assert_eq!(kept.code, 0, "{kept}");
    let file = kept.stdout.trim();
    let home = Db::fresh(Postgres);
    let ran = binary::migrate(file, &home.url, &[]);
    assert!(ran.code <= 1, "{ran}");
    as_it_was(&there.source, &home, Sqlite);
}
