//! Types that users of PostgreSQL have made: within PostgreSQL they go along, elsewhere their columns hold the values and
//! what guards them. The judge is `pg_catalog` of both ends.

use super::appmade::create_all;
use super::arrival::{migrate, onward};
use crate::support::database::{Db, Engine};

use Engine::{Mariadb, Postgres, Sqlite};

const TYPES: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'back\slash');
COMMENT ON TYPE mood IS 'how it''s going';
CREATE DOMAIN zz_year AS integer DEFAULT 1999 NOT NULL CONSTRAINT early CHECK (VALUE >= 1901)
    CONSTRAINT "Late!" CHECK (VALUE <= 2155);
COMMENT ON DOMAIN zz_year IS 'a year';
COMMENT ON CONSTRAINT "Late!" ON DOMAIN zz_year IS 'YEAR of MySQL';
CREATE DOMAIN recent AS zz_year CHECK (VALUE > 1990);
CREATE DOMAIN "Exact Text" AS varchar(12) COLLATE "C" CHECK (VALUE <> '');
CREATE DOMAIN moods AS mood[] CHECK (cardinality(VALUE) < 4);
CREATE DOMAIN feeling AS mood DEFAULT 'sad';
CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE > 0);
CREATE DOMAIN blanks AS char(4);
CREATE DOMAIN document AS jsonb;
CREATE DOMAIN flags AS bit(3);
CREATE DOMAIN number AS bigint CHECK (VALUE > 0);
CREATE TYPE a_pair AS (since zz_year, note text COLLATE "C", all_of mood[]);
CREATE DOMAIN old_pair AS a_pair;
CREATE DOMAIN never_used AS text;
CREATE TABLE t (
    id serial PRIMARY KEY, made zz_year, later zz_year DEFAULT 2001, loose recent, word "Exact Text" UNIQUE, many moods,
    one feeling NOT NULL, cost price, padded blanks, doc document, bits flags, pair a_pair, pairs a_pair[], old old_pair,
    feelings mood[], years zz_year[], twice number GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE counted (id number PRIMARY KEY);
CREATE SEQUENCE counted_id_seq OWNED BY counted.id;
ALTER TABLE counted ALTER COLUMN id SET DEFAULT nextval('counted_id_seq');
INSERT INTO counted DEFAULT VALUES;
INSERT INTO t (made, loose, word, many, cost, padded, doc, bits, pair, pairs, old, feelings, years) VALUES
    (1950, 2000, 'a', '{sad,"it''s ok"}', 1.50, 'ab', '{"a": 1.50}', B'101', ROW(2000, 'x "y", (z)', '{sad}'),
        ARRAY[ROW(2001, NULL, NULL)::a_pair, NULL], ROW(1902, '', '{}'), '{"back\\slash",NULL}', '{1901,2155}'),
    (DEFAULT, 1991, 'A', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"#;

/// What the catalogue says of types, columns and checks.
const CATALOGUE: [&str; 4] = [
    "SELECT t.typname, t.typtype, format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
            t.typcollation::regcollation::text, obj_description(t.oid, 'pg_type'), t.typndims
     FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE t.typnamespace = 'public'::regnamespace AND (c.relkind = 'c' OR t.typtype IN ('d', 'e')) ORDER BY 1",
    "SELECT contypid::regtype::text, conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint')
     FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'p') ORDER BY 1, 2, 3",
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::regcollation::text,
            pg_get_expr(d.adbin, d.adrelid), a.attgenerated, pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NULL
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'c') ORDER BY 1, a.attnum",
    "SELECT enumtypid::regtype::text, enumlabel FROM pg_enum ORDER BY 1, enumsortorder",
];

pub fn same_catalogue(a: &Db, b: &Db) {
    for question in CATALOGUE {
        assert_eq!(a.query(question), b.query(question), "{question}");
    }
}

#[test]
fn domains_and_composite_types_go_along_within_postgresql() {
    let arrived = migrate(Postgres, TYPES, Postgres).whole();
    same_catalogue(&arrived.source, &arrived.target);
    for sql in ["SELECT t::text FROM t ORDER BY id", "SELECT id FROM counted"] {
        assert_eq!(arrived.source.query(sql), arrived.target.query(sql));
    }
    let target = &arrived.target;
    target.execute("INSERT INTO t (loose, word) VALUES (1995, 'next'); INSERT INTO counted DEFAULT VALUES");
    let read = "SELECT made || ' ' || later || ' ' || one || ' ' || id FROM t WHERE word = 'next'";
    assert_eq!(target.value(read).as_deref(), Some("1999 2001 sad 3"));
    assert_eq!(target.value("SELECT max(id) FROM counted").as_deref(), Some("2"));
    for sql in [
        "INSERT INTO t (made, loose, word) VALUES (1900, 1995, 'x')",
        "INSERT INTO t (loose, word) VALUES (1980, 'x')",
        "INSERT INTO t (loose, word) VALUES (1995, '')",
        "UPDATE t SET pair = ROW(2200, '', NULL)",
    ] {
        assert!(target.refuses(sql), "{sql}");
    }
    // And on: what has arrived is no less than what was there.
    let again = onward(arrived.target, Postgres).whole();
    same_catalogue(&again.source, &again.target);
}

#[test]
fn a_domain_that_cannot_go_along_leaves_its_guard_and_is_listed() {
    let sql = "CREATE FUNCTION odd(integer) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 % 2 = 1';
         CREATE DOMAIN strange AS integer CHECK (odd(VALUE)); CREATE DOMAIN stranger AS strange;
         CREATE SCHEMA aside; CREATE DOMAIN aside.small AS integer NOT NULL CHECK (VALUE < 10);
         CREATE TABLE t (id integer PRIMARY KEY, v aside.small); INSERT INTO t VALUES (1, 9)";
    let arrived = migrate(Postgres, sql, Postgres).done();
    let listed: Vec<String> =
        arrived.findings("object_not_carried").iter().map(|f| f["object"].to_string()).collect();
    for name in ["strange", "stranger", "aside.small", "odd"] {
        assert!(listed.iter().any(|l| l.contains(name)), "{name}: {listed:?}");
    }
    let read = "SELECT format_type(atttypid, atttypmod) || attnotnull FROM pg_attribute
                WHERE attrelid = 't'::regclass AND attname = 'v'";
    assert_eq!(arrived.target.value(read).as_deref(), Some("integertrue"));
    assert!(arrived.target.refuses("INSERT INTO t VALUES (2, 10)"));
}

#[test]
fn elsewhere_a_domain_is_its_base_type_with_its_checks_and_listed() {
    let sql = "CREATE DOMAIN year AS integer NOT NULL DEFAULT 1999 CHECK (VALUE >= 1901);
         CREATE TABLE t (id integer PRIMARY KEY, v year); INSERT INTO t VALUES (1, 2000)";
    for to in [Mariadb, Sqlite] {
        let arrived = migrate(Postgres, sql, to).done();
        let listed = arrived.findings("object_not_carried");
        assert!(listed.iter().any(|f| f["object"] == "year"), "{to:?}: {listed:?}");
        arrived.target.execute("INSERT INTO t (id) VALUES (2)");
        assert_eq!(arrived.target.value("SELECT v FROM t WHERE id = 2").as_deref(), Some("1999"), "{to:?}");
        for bad in ["INSERT INTO t VALUES (3, 1900)", "INSERT INTO t VALUES (3, NULL)"] {
            assert!(arrived.target.refuses(bad), "{to:?}: {bad}");
        }
    }
}

/// Tables that the application made first stand on types of its own.
#[test]
fn a_domain_that_the_application_made_is_used() {
    let types = "CREATE DOMAIN year AS integer CHECK (VALUE >= 1901); CREATE TYPE mood AS ENUM ('sad', 'ok');
         CREATE TABLE t (id integer PRIMARY KEY, v year, m mood);";
    let source = Db::fresh(Postgres);
    source.execute(&format!("{types} INSERT INTO t VALUES (1, 2000, 'ok')"));
    let target = Db::fresh(Postgres);
    target.execute(types);
    let ran = crate::support::binary::migrate(&source.url, &target.url, &[]);
    assert!(ran.code <= 1, "{ran}");
    same_catalogue(&source, &target);
    assert_eq!(target.value("SELECT t::text FROM t").as_deref(), Some("(1,2000,ok)"));
}

/// Other applications have a `users` too, and TechCare's own may have a column that its models do not know: what such
/// columns were is kept as that of any other.
#[test]
fn a23_tables_named_as_techcares_come_back() {
    let columns = "wake time(0), prefs json, uid uuid, iv interval, address inet, many int[]";
    let values = "'01:02:03', '{\"a\": 1}', 'de1a296d-cbda-472a-a595-4233a0b8f246', '1 day', '::1', '{1,2}'";
    let own_names = columns.split(", ").map(|c| format!("'{}'", c.split(' ').next().unwrap()));
    let own_names = own_names.collect::<Vec<_>>().join(", ");
    let made: String = ["users", "roles", "diagnostics", "maintenance_plans", "customers"]
        .map(|name| format!("CREATE TABLE {name} (id serial PRIMARY KEY, {columns}); INSERT INTO {name} VALUES (1, {values});"))
        .concat();
    let own = format!(
        "{} ALTER TABLE users {}; INSERT INTO users SELECT 1, 'ana', 'a@b.c', NULL, '', 'Ana', NULL, NULL, true, {values};",
        create_all(Postgres),
        columns.split(", ").map(|column| format!("ADD COLUMN {column}")).collect::<Vec<_>>().join(", "),
    );
    for sql in [made, own] {
        for by in [Sqlite, Mariadb, Engine::Mysql] {
            if !by.at_hand() {
                continue;
            }
            let there = migrate(Postgres, &sql, by).done();
            let back = onward(there.target, Postgres).done();
            let types = format!(
                "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attname IN ({own_names}) AND attrelid::regclass::text NOT LIKE 'pg_%' ORDER BY 1, 2"
            );
            assert_eq!(there.source.query(&types), back.target.query(&types), "{by:?}");
        }
    }
}
