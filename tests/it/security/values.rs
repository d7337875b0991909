//! What stands in rows stays in rows: errors, findings, logs at their loudest, reports and reject files name tables,
//! columns and keys.

use super::{files, holds};
use crate::support::binary::{self, Running};
use crate::support::database::{Db, Engine};

/// Stands in every value that goes wrong.
const WORD: &str = "kanarienwert";

/// A source whose rows do not fit, and tables that are on the target before.
struct Trouble {
    from: Engine,
    source: &'static str,
    to: &'static [Engine],
    there: &'static str,
    args: &'static [&'static str],
}

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

const SERVERS: &[Engine] = &[Postgres, Mariadb, Mysql];

/// A trouble of SQLite rows on all servers.
const fn rows(source: &'static str) -> Trouble {
    Trouble { from: Sqlite, source, to: SERVERS, there: "", args: &[] }
}

/// Rows that are to go into a table that is there.
const fn into(to: &'static [Engine], there: &'static str, source: &'static str) -> Trouble {
    Trouble { from: Sqlite, source, to, there, args: &["--data-only"] }
}

const NOTE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40)); \
                    INSERT INTO t VALUES (1, 'kanarienwert'), (2, 'kanarienwert')";

const TROUBLES: &[Trouble] = &[
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 'kanarienwert')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v NUMERIC(5,2)); INSERT INTO t VALUES (1, 'kanarienwert')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v BOOLEAN); INSERT INTO t VALUES (1, 'kanarienwert')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v DATETIME); INSERT INTO t VALUES (1, 'kanarienwert')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v DATE); INSERT INTO t VALUES (1, 'kanarienwert')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v JSON); INSERT INTO t VALUES (1, '{\"kanarienwert\"')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO t VALUES (1, 'kanarienwert')"),
    rows("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'kanarienwert' || char(0))"),
    rows(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
         INSERT INTO t VALUES (1, CAST('kanarienwert' || x'ff41' AS TEXT))",
    ),
    rows(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40) UNIQUE);
         INSERT INTO t VALUES (1, 'kanarienwert'), (2, 'kanarienwerT')",
    ),
    rows(
        "PRAGMA foreign_keys = OFF; CREATE TABLE p (id INTEGER PRIMARY KEY, v VARCHAR(40) UNIQUE);
         CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40) REFERENCES p (v)); INSERT INTO t VALUES (1, 'kanarienwert')",
    ),
    into(&[Postgres, Mariadb, Mysql], "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(5))", NOTE),
    into(&[Postgres, Mariadb, Mysql], "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40) UNIQUE)", NOTE),
    into(
        &[Sqlite, Postgres, Mariadb, Mysql],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40), CONSTRAINT short CHECK (length(v) < 5))",
        NOTE,
    ),
    into(&[Postgres, Mariadb, Mysql], "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)", NOTE),
    into(&[Mariadb, Mysql], "CREATE TABLE t (id INTEGER PRIMARY KEY, v ENUM('a', 'b'))", NOTE),
    into(
        &[Mariadb, Mysql],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40), n INTEGER GENERATED ALWAYS AS (CAST(v AS SIGNED)) STORED)",
        NOTE,
    ),
    into(
        &[Postgres],
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40), n INTEGER GENERATED ALWAYS AS (v::integer) STORED)",
        NOTE,
    ),
    into(
        &[Postgres],
        "CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE plpgsql AS
             $$BEGIN RAISE EXCEPTION 'not % here', $1; END$$;
         CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40) CHECK (fine(v)))",
        NOTE,
    ),
    into(
        &[Postgres],
        "CREATE DOMAIN five AS text CHECK (length(VALUE) < 6); CREATE TABLE t (id INTEGER PRIMARY KEY, v five)",
        NOTE,
    ),
    Trouble {
        from: Postgres,
        source: "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, d DATE);
                 INSERT INTO t VALUES (1, 'kanarienwert', 'infinity'), (2, 'kanarienwert', '4000-01-01 BC')",
        to: &[Sqlite, Mariadb, Mysql],
        there: "",
        args: &[],
    },
    Trouble {
        from: Mariadb,
        source: "SET sql_mode = ''; CREATE TABLE t (id INTEGER PRIMARY KEY, v VARCHAR(40), d DATE);
                 INSERT INTO t VALUES (1, 'kanarienwert', '0000-00-00')",
        to: &[Postgres],
        there: "",
        args: &[],
    },
];

#[test]
fn values_of_rows_are_nowhere_but_in_rows() {
    let mut refused = 0;
    for trouble in TROUBLES {
        let source = Db::fresh(trouble.from);
        source.execute(trouble.source);
        for engine in trouble.to.iter().copied().filter(|engine| engine.at_hand()) {
            for more in [&[][..], &["--on-bad-row", "reject"]] {
                let target = Db::fresh(engine);
                if !trouble.there.is_empty() {
                    target.execute(trouble.there);
                }
                let folder = tempfile::tempdir().unwrap();
                let mut command = binary::command(folder.path());
                command.env("RUST_LOG", "trace");
                // The document on stdout, and the text for people on the second run.
                let form = if more.is_empty() { "json" } else { "text" };
                command.args(["--format", form, "-vv"]);
                command.args(["migrate", "--no-backup", "--source", &source.url, "--target", &target.url]);
                let ran = Running::start({
                    command.args(trouble.args).args(more);
                    command
                })
                .end();
                let about = format!("{engine:?}, {more:?}: {}", trouble.source);
                for text in [&ran.stdout, &ran.stderr] {
                    let shown = text.lines().find(|line| line.to_lowercase().contains(WORD));
                    assert_eq!(shown, None, "{about}\n{ran}");
                }
                for path in files(folder.path()) {
                    assert!(!holds(&std::fs::read(&path).unwrap(), WORD), "{}: {about}", path.display());
                }
                refused += i32::from(ran.code >= 4);
            }
        }
    }
    // What goes through says nothing about errors.
    assert!(refused > 40, "only {refused} runs were refused");
}
