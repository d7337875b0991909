//! What is not carried as it was has a finding of its own, and the rows are there all the same.

use super::arrival::{migrate, onward};
use crate::support::binary;
use crate::support::database::{Db, Engine};

use Engine::{Postgres, Sqlite};

#[test]
fn what_postgres_says_and_others_cannot_is_named() {
    let source = Db::fresh(Postgres);
    source.execute(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE left_out (id int PRIMARY KEY);
         CREATE TABLE child (id int PRIMARY KEY, name text NOT NULL,
             parent int REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED,
             hash text GENERATED ALWAYS AS (encode(sha256(name::bytea), 'hex')) STORED);
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 'x', 1)",
    );
    for to in Engine::all().into_iter().filter(|to| *to != Postgres) {
        let target = Db::fresh(to);
        let more = ["--exclude", "left_out"];
        let refused = binary::migrate(&source.url, &target.url, &more);
        assert_eq!(refused.code, 4, "{to:?}: {refused}");
        assert!(refused.stdout.contains("generated_not_carried"), "{to:?}: {refused}");
        let accept = ["--accept", "generated_not_carried@child.hash"];
        let ran = binary::migrate(&source.url, &target.url, &[more, accept].concat());
        assert_eq!(ran.code, 1, "{to:?}: {ran}");
        let named = |code: &str| ran.json()["findings"].as_array().unwrap().iter().any(|f| f["code"] == code);
        assert!(named("not_selected"), "{to:?}: {ran}");
        // SQLite can wait for the end of a transaction as well.
        assert_eq!(named("deferrable_dropped"), to.is_mysql(), "{to:?}: {ran}");
        assert_eq!(target.query("SELECT hash FROM child"), source.query("SELECT hash FROM child"), "{to:?}");
        assert!(target.refuses("INSERT INTO child (id, name, parent) VALUES (2, 'y', 9)"), "{to:?}");
    }
}

#[test]
fn what_mysql_compares_and_computes_otherwise_is_named() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci,
                   twice INT GENERATED ALWAYS AS (id * 2) VIRTUAL);
               INSERT INTO t (id, name) VALUES (1, 'Ana'), (2, 'ana')";
    for from in Engine::mysqls() {
        let arrived = migrate(from, sql, Postgres).whole();
        let compared = arrived.findings("comparison_changed");
        assert!(compared.iter().any(|f| f["column"] == "name"), "{from:?}: {}", arrived.ran);
        assert_eq!(arrived.findings("generated_kind").len(), 1, "{from:?}: {}", arrived.ran);
        assert_eq!(arrived.target.query("SELECT twice FROM t ORDER BY id").len(), 2);
        assert_eq!(arrived.target.value("SELECT id FROM t WHERE name = 'ana'").as_deref(), Some("2"));
    }
}

#[test]
fn places_of_mysql_go_there_and_back() {
    let sql = "CREATE TABLE t (id INT PRIMARY KEY, p POINT, g GEOMETRY);
               INSERT INTO t VALUES (1, ST_PointFromText('POINT(1.5 -2)', 4326), ST_GeomFromText('LINESTRING(0 0,1 1e-9)')),
                                    (2, NULL, NULL)";
    for from in Engine::mysqls() {
        for by in [Sqlite, Postgres] {
            let there = migrate(from, sql, by).done();
            let back = onward(there.target, from).done();
            let all = "SELECT id, ST_AsText(p), ST_SRID(p), ST_AsText(g), HEX(g) FROM t ORDER BY id";
            assert_eq!(back.target.query(all), there.source.query(all), "{from:?} by {by:?}");
        }
    }
}
