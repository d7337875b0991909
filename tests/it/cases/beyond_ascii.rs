//! Texts within definitions that have letters beyond ASCII. The catalogue of MySQL takes each byte of one in an expression for a
//! letter, and both catalogues have question marks for characters beyond the basic plane.

use super::arrival::{migrate, onward};
use crate::support::database::{Db, Engine};

use Engine::{Mysql, Postgres, Sqlite};

/// A table in whose definition such texts stand wherever one can.
fn definition(engine: Engine) -> String {
    let text = format!("CHARACTER SET utf8mb4 COLLATE {}", engine.exact_collation());
    format!(
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, k varchar(20) {text},              g varchar(40) {text} GENERATED ALWAYS AS (concat(k, 'é€😀')) STORED, d varchar(20) {text} DEFAULT 'ção😀?',
             e varchar(40) {text} DEFAULT (concat('ç', 'ã😀')), f longtext {text} DEFAULT ('é'),
             m varchar(20) {text} DEFAULT ('Ã©'), n varchar(20) {text} DEFAULT 'Ã©', q varchar(20) {text} DEFAULT ('?'),
             CONSTRAINT kinds CHECK (k IN ('user', 'técnico', '😀', 'it''s \\\\ ñ'))) CHARACTER SET utf8mb4;
         INSERT INTO t (id, k) VALUES (1, 'técnico'), (2, 'user')"
    )
}

/// The table makes what its definition says.
fn makes_it(db: &Db, label: &str) {
    db.execute("INSERT INTO t (id, k) VALUES (8, '😀')");
    let made = &db.query("SELECT g, d, e, f, m, n, q FROM t WHERE id = 8")[0];
    let made: Vec<&str> = made.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect();
    assert_eq!(made, ["😀é€😀", "ção😀?", "çã😀", "é", "Ã©", "Ã©", "?"], "{label}");
    assert!(db.refuses("INSERT INTO t (id, k) VALUES (9, 'tÃ©cnico')"), "{label}");
    db.execute("DELETE FROM t WHERE id = 8");
}

#[test]
fn a31_texts_in_definitions_arrive_letter_by_letter() {
    for from in Engine::mysqls() {
        for to in Engine::all() {
            let there = migrate(from, &definition(from), to).done();
            let label = format!("{from:?} → {to:?}: {}", there.ran);
            makes_it(&there.target, &label);
            let back = onward(there.target, from).done();
            makes_it(&back.target, &format!("{label}\nand back: {}", back.ran));
        }
    }
}

#[test]
fn a31_a_key_over_an_expression_is_over_the_same_letters() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, u varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin,
                   UNIQUE KEY once ((nullif(u, 'é'))));
               INSERT INTO t VALUES (1, 'é'), (2, 'ñ')";
    // MariaDB has no column for it whose type is certain.
    for to in [Sqlite, Postgres, Mysql] {
        let there = migrate(Mysql, sql, to).done();
        there.target.execute("INSERT INTO t (id, u) VALUES (3, 'é')");
        assert!(there.target.refuses("INSERT INTO t (id, u) VALUES (4, 'ñ')"), "{to:?}: {}", there.ran);
    }
}

/// The bytes of a literal with the introducer of another character set are no UTF-8.
#[test]
fn a31_literals_in_another_character_set_keep_their_bytes() {
    if !Mysql.at_hand() {
        return;
    }
    let sql = "CREATE TABLE t (id int NOT NULL PRIMARY KEY, a varchar(9) DEFAULT (concat(_latin1 x'e9', '')),
                   b varchar(9) DEFAULT (concat(_latin1 x'c3a9', '')), c varchar(9) DEFAULT (concat(_utf16 x'00e9', '')))
                   CHARACTER SET utf8mb4;
               INSERT INTO t (id) VALUES (1)";
    let there = migrate(Mysql, sql, Mysql).done();
    there.target.execute("INSERT INTO t (id) VALUES (2)");
    let row = |id: u8| there.target.query(&format!("SELECT a, b, c FROM t WHERE id = {id}"));
    assert_eq!(row(2), row(1), "{}", there.ran);
    let away = migrate(Mysql, sql, Sqlite).done();
    assert_eq!(away.findings("default_not_carried").len(), 3, "{}", away.ran);
}

/// The catalogues of MySQL and MariaDB have no such letters: a comment with one is named, and what is kept of a column's name
/// brings it back.
#[test]
fn a31_emoji_in_names_and_comments_are_kept_or_named() {
    let sql = "CREATE TABLE t (id int PRIMARY KEY, \"😀\" int, m text);
               COMMENT ON COLUMN t.id IS 'a 😀'; COMMENT ON TABLE t IS 'b';
               INSERT INTO t VALUES (1, 2, '😀'), (2, 3, 'x')";
    let columns = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
                   WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum";
    for by in Engine::mysqls() {
        let there = migrate(Postgres, sql, by).done();
        let named: Vec<_> =
            there.findings("comment_not_carried").iter().map(|f| f["column"].clone()).collect();
        assert_eq!(named, ["id"], "{by:?}: {}", there.ran);
        let back = onward(there.target, Postgres).done();
        assert_eq!(there.source.query(columns), back.target.query(columns), "{by:?}: {}", back.ran);
        let rows = "SELECT id, \"😀\", m FROM t ORDER BY id";
        assert_eq!(there.source.query(rows), back.target.query(rows), "{by:?}");
    }
}
