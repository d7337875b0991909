//! Views: carried where they give the same rows, named with their text where they do not, never turned into tables or
//! made to mean something else.

use super::arrival::{migrate, onward};
use crate::support::binary;
use crate::support::content;
use crate::support::database::{Db, Engine};
use crate::support::objects::views;

use Engine::{Mariadb, Mysql, Postgres, Sqlite};

/// Tables of an engine, and views over them that use its own words: dates, concatenation, LIKE, and one another, the one
/// that is read having the later name.
fn with_views(engine: Engine) -> String {
    let (year, joined) = match engine {
        Sqlite => ("strftime('%j', made)", "name || '!'"),
        Postgres => ("extract(doy from made)", "name || '!'"),
        Mariadb | Mysql => ("DAYOFYEAR(made)", "CONCAT(name, '!')"),
    };
    format!(
        "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20), made DATE);
         CREATE TABLE sale (id INTEGER NOT NULL PRIMARY KEY, item INTEGER NOT NULL, n INTEGER NOT NULL);
         INSERT INTO item VALUES (1, 'Abc', '2024-05-21'), (2, 'xyz', NULL), (3, 'a c', '2021-01-01');
         INSERT INTO sale VALUES (1, 1, 5), (2, 1, 7), (3, 3, 1);
         CREATE VIEW seen AS SELECT id, {joined} AS label, {year} AS y FROM item WHERE name LIKE 'a%';
         CREATE VIEW later AS SELECT item, SUM(n) AS total FROM sale GROUP BY item;
         CREATE VIEW a_reader AS SELECT s.label, l.total FROM seen s LEFT JOIN later l ON l.item = s.id;"
    )
}

#[test]
fn a70_views_go_along_to_the_same_engine() {
    for engine in Engine::all() {
        let arrived = migrate(engine, &with_views(engine), engine).whole();
        assert_eq!(views(&arrived.target), ["a_reader", "later", "seen"], "{engine:?}");
        for read in [
            "SELECT id, label, y FROM seen ORDER BY id",
            "SELECT item, total FROM later ORDER BY item",
            "SELECT label, total FROM a_reader ORDER BY label",
        ] {
            assert_eq!(arrived.source.query(read), arrived.target.query(read), "{engine:?}: {read}");
        }
        // They read the target's own tables.
        arrived.source.execute("DELETE FROM sale");
        arrived.target.execute("INSERT INTO sale VALUES (4, 3, 9)");
        let total = arrived.target.value("SELECT total FROM later WHERE item = 3").unwrap();
        assert_eq!(total, "10", "{engine:?}");
    }
}

#[test]
fn a70_a_view_that_another_engine_may_understand_differently_is_listed_with_its_text() {
    for from in Engine::all() {
        for to in Engine::all() {
            if from == to || (from.is_mysql() && to.is_mysql()) {
                continue;
            }
            let arrived = migrate(from, &with_views(from), to);
            assert_eq!(arrived.ran.code, 1, "{from:?} → {to:?}: {}", arrived.ran);
            let listed = arrived.findings("object_not_carried");
            let seen = listed.iter().find(|f| f["object"] == "seen" && f["kind"] == "view").unwrap();
            let text = seen["text"].as_str().unwrap().to_lowercase();
            // PostgreSQL says LIKE in its own way.
            let compares = text.contains("like") || text.contains("~~");
            assert!(text.contains("select") && compares, "{from:?} → {to:?}: {text}");
            assert!(listed.iter().any(|f| f["object"] == "a_reader"), "{from:?} → {to:?}");
            assert_eq!(content::tables(&arrived.target), ["item", "sale"], "{from:?} → {to:?}");
            assert!(!views(&arrived.target).contains(&"seen".to_owned()), "{from:?} → {to:?}");
        }
    }
}

/// Portable views over tables whose text compares as exactly as an engine can.
fn portable(engine: Engine) -> String {
    let text = match engine {
        Sqlite => "TEXT".to_owned(),
        Postgres => "TEXT COLLATE \"C\"".to_owned(),
        Mariadb | Mysql => format!("VARCHAR(40) COLLATE {}", engine.exact_collation()),
    };
    let joined = if engine.is_mysql() { "CONCAT(i.name, '!')" } else { "i.name || '!'" };
    format!(
        "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name {text}, price DECIMAL(8, 2), made DATE, live BOOLEAN NOT NULL);
         CREATE TABLE sale (id INTEGER NOT NULL PRIMARY KEY, item INTEGER, n INTEGER NOT NULL);
         INSERT INTO item VALUES (1, 'Abc', 1.50, '2024-05-21', true), (2, 'abc', NULL, NULL, false), (3, 'é', 3, '2021-01-01', true),
           (4, NULL, 0.1, '2021-01-02', true);
         INSERT INTO sale VALUES (1, 1, 5), (2, 1, 7), (3, 3, 1), (4, NULL, 2);
         CREATE VIEW a_all AS SELECT * FROM item;
         CREATE VIEW joined AS SELECT i.id, {joined} AS label, s.n FROM item i LEFT JOIN sale s ON s.item = i.id WHERE i.live;
         CREATE VIEW totals AS SELECT i.name, i.made, count(*) AS c, sum(s.n) AS total, min(s.n) AS least, max(i.made) AS latest,
             count(DISTINCT s.item) AS items FROM item i, sale s WHERE s.item = i.id GROUP BY i.name, i.made HAVING count(*) > 0;
         CREATE VIEW over_totals AS SELECT t.total, t.latest, CASE WHEN t.c > 1 THEN 'many' ELSE 'one' END AS size,
             coalesce(t.name, 'none') AS called FROM totals t WHERE t.total BETWEEN 1 AND 100;
         CREATE VIEW top AS SELECT id, made FROM item ORDER BY made DESC, id LIMIT 2;
         CREATE VIEW both_kinds AS SELECT 'item' AS kind, id FROM item UNION ALL SELECT 'sale', id FROM sale;
         CREATE VIEW names AS SELECT DISTINCT name FROM item WHERE name IN ('abc', 'Abc', 'x') OR name IS NULL;"
    )
}

#[test]
fn a70_portable_views_give_the_same_rows_in_another_engine() {
    let names = ["a_all", "both_kinds", "joined", "names", "over_totals", "top", "totals"];
    for from in Engine::all() {
        for to in Engine::all() {
            if from == to || (from.is_mysql() && to.is_mysql()) {
                continue;
            }
            let arrived = migrate(from, &portable(from), to).whole();
            assert_eq!(views(&arrived.target), names, "{from:?} → {to:?}: {}", arrived.ran);
            let told = arrived.findings("view_translated");
            assert_eq!(told.len(), names.len(), "{from:?} → {to:?}");
            for read in [
                "SELECT count(*), count(name), count(made), max(id) FROM a_all",
                "SELECT id, label, n FROM joined ORDER BY id, n",
                "SELECT name, c, total, least, items FROM totals ORDER BY total",
                "SELECT total, size, called FROM over_totals ORDER BY total",
                "SELECT id FROM top ORDER BY id",
                "SELECT kind, id FROM both_kinds ORDER BY kind, id",
                "SELECT count(*), count(name) FROM names",
            ] {
                assert_eq!(
                    arrived.source.query(read),
                    arrived.target.query(read),
                    "{from:?} → {to:?}: {read}"
                );
            }
        }
    }
}

#[test]
fn a_translated_view_is_left_out_of_a_script_and_made_without_rows() {
    let source = Db::fresh(Sqlite);
    source.execute(&portable(Sqlite));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.sql");
    let dumped = binary::Running::start({
        let mut command = binary::command(folder.path());
        command.args(["--format", "json", "migrate", "--source", &source.url, "--target", "postgres"]);
        command.arg("--dump").arg(&script);
        command
    })
    .end();
    assert_eq!(dumped.code, 1, "{dumped}");
    assert!(!std::fs::read_to_string(&script).unwrap().contains("CREATE VIEW"));
    assert!(dumped.stdout.contains("a script is not run"), "{dumped}");
    let target = Db::fresh(Postgres);
    let ran = binary::migrate(&source.url, &target.url, &["--schema-only"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(views(&target).len(), 7);
}

#[test]
fn views_follow_names_that_a_rule_changes() {
    let source = Db::fresh(Postgres);
    source.execute(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO item VALUES (1, 2), (2, 5);
         CREATE VIEW many AS SELECT id, n FROM item WHERE n > 3",
    );
    let target = Db::fresh(Postgres);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("techcare-db.toml"),
        "[[rules]]\ntable = \"item\"\nrename = \"thing\"\n[rules.columns.n]\nrename = \"amount\"\n",
    )
    .unwrap();
    let mut command = binary::command(folder.path());
    command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    let ran = binary::Running::start(command).end();
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(target.value("SELECT n FROM many").as_deref(), Some("5"));
}

#[test]
fn a_view_that_gives_other_rows_is_left_behind_with_those_that_read_it() {
    let table = "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY); INSERT INTO item VALUES (1), (2);
                 CREATE VIEW kept AS SELECT id FROM item;";
    for (engine, random) in [(Sqlite, "random()"), (Postgres, "random()"), (Mariadb, "RAND()")] {
        let sql = format!(
            "{table} CREATE VIEW dice AS SELECT id, {random} AS face FROM item; CREATE VIEW cup AS SELECT face FROM dice"
        );
        let arrived = migrate(engine, &sql, engine);
        assert_eq!(arrived.ran.code, 1, "{engine:?}: {}", arrived.ran);
        assert_eq!(views(&arrived.target), ["kept"], "{engine:?}");
        let listed = arrived.findings("object_not_carried");
        let text = |name: &str| listed.iter().find(|f| f["object"] == name).unwrap()["text"].to_string();
        assert!(text("dice").contains("other rows"), "{engine:?}: {}", text("dice"));
        assert!(text("cup").contains("dice"), "{engine:?}: {}", text("cup"));

        // Whoever wants all or nothing gets nothing.
        let target = Db::fresh(engine);
        let ran = binary::migrate(&arrived.source.url, &target.url, &["--rule", "object_not_carried=stop"]);
        assert_eq!(ran.code, 4, "{engine:?}: {ran}");
        crate::bad_input::untouched(&target);
    }
}

#[test]
fn a_view_without_its_table_or_routine_is_neither_run_nor_carried() {
    let source = Db::fresh(Postgres);
    source.execute(
        "CREATE TABLE item (id INTEGER PRIMARY KEY); CREATE TABLE gone (id INTEGER PRIMARY KEY);
         CREATE FUNCTION f(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x';
         CREATE VIEW of_gone AS SELECT id FROM gone; CREATE VIEW calls AS SELECT f(id) FROM item;
         CREATE VIEW kept AS SELECT id FROM item; CREATE VIEW server AS SELECT pg_backend_pid() AS pid FROM item",
    );
    let target = Db::fresh(Postgres);
    // A table of that name in the target is another one.
    target.execute("CREATE TABLE gone (id INTEGER PRIMARY KEY)");
    let ran = binary::migrate(&source.url, &target.url, &["--exclude", "gone"]);
    assert_eq!(ran.code, 1, "{ran}");
    assert_eq!(views(&target), ["kept"]);
    for name in ["of_gone", "calls", "server"] {
        assert!(ran.stdout.contains(name), "{name}: {ran}");
    }
}

#[test]
fn everything_about_a_view_of_postgres_goes_along() {
    let source = Db::fresh(Postgres);
    source.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE TABLE item (id INTEGER PRIMARY KEY, mood mood, tags text[]); INSERT INTO item VALUES (1, 'happy', '{a,b}'), (2, 'sad', NULL);
         CREATE VIEW barred WITH (security_barrier = true) AS SELECT id, mood, tags FROM item WHERE mood = 'happy';
         COMMENT ON VIEW barred IS 'it''s a view'; COMMENT ON COLUMN barred.mood IS 'how';
         CREATE MATERIALIZED VIEW heap AS SELECT mood, count(*) AS n FROM item GROUP BY mood;
         CREATE UNIQUE INDEX heap_mood ON heap (mood);
         CREATE VIEW checked AS SELECT id FROM item WHERE id > 0 WITH CASCADED CHECK OPTION",
    );
    let arrived = onward(source, Postgres).whole();
    for read in [
        "SELECT id, mood, tags FROM barred",
        "SELECT mood, n FROM heap ORDER BY mood",
        "SELECT relname, reloptions, relkind FROM pg_class WHERE relname IN ('barred', 'heap', 'checked') ORDER BY relname",
        "SELECT obj_description('barred'::regclass), col_description('barred'::regclass, 2)",
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'heap'",
        "SELECT pg_get_viewdef('barred'::regclass)",
    ] {
        assert_eq!(arrived.source.query(read), arrived.target.query(read), "{read}");
    }
}

/// A hundred rows, a view that nobody lives to see the end of, and views before and after it.
fn endless(engine: Engine) -> String {
    let materialized = if engine == Postgres {
        "CREATE MATERIALIZED VIEW heap AS SELECT sum(a.id + f.id) AS c FROM n a, n b, n c, n d, n e, n f WITH NO DATA;"
    } else {
        ""
    };
    format!(
        "CREATE TABLE n (id INTEGER NOT NULL PRIMARY KEY);
         INSERT INTO n SELECT a.i * 10 + b.i FROM
            (SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
             UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) a,
            (SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
             UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) b;
         CREATE VIEW a_before AS SELECT id FROM n WHERE id > 5;
         CREATE VIEW summed AS SELECT sum(a.id + f.id) AS c FROM n a, n b, n c, n d, n e, n f;
         CREATE VIEW of_summed AS SELECT c FROM summed;
         CREATE VIEW rows_without_end AS SELECT a.id FROM n a, n b, n c, n d, n e, n f;
         CREATE VIEW z_after AS SELECT id FROM n WHERE id < 5; {materialized}"
    )
}

#[test]
fn a_view_that_runs_without_end_is_left_behind_after_the_time_that_it_is_given() {
    for from in Engine::all() {
        let source = Db::fresh(from);
        source.execute(&endless(from));
        for to in Engine::all() {
            let target = Db::fresh(to);
            let ran = binary::migrate(&source.url, &target.url, &["--view-timeout", "1"]);
            assert_eq!(ran.code, 1, "{from:?} → {to:?}: {ran}");
            assert_eq!(views(&target), ["a_before", "z_after"], "{from:?} → {to:?}: {ran}");
            let json = ran.json();
            let text = |name: &str| {
                let listed =
                    json["findings"].as_array().unwrap().iter().find(|f| f["object"] == name).unwrap();
                assert_eq!(listed["code"], "object_not_carried", "{from:?} → {to:?}: {ran}");
                listed["text"].as_str().unwrap().to_owned()
            };
            for name in ["summed", "rows_without_end"] {
                let text = text(name);
                let said =
                    text.contains("after 1 s, the --view-timeout") && text.to_lowercase().contains("select");
                assert!(said, "{from:?} → {to:?}: {text}");
            }
            assert!(text("of_summed").contains("\"summed\""), "{from:?} → {to:?}: {ran}");
            if (from, to) == (Postgres, Postgres) {
                assert!(text("heap").contains("the target had not done with it after 1 s"), "{ran}");
            }
            // No server goes on with what nobody waits for.
            source.left_alone();
            target.left_alone();
        }
    }
}

#[test]
fn the_time_of_a_view_is_a_number_of_seconds() {
    let source = Db::fresh(Sqlite);
    source.execute("CREATE TABLE n (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM n");
    for wrong in ["-1", "soon", "99999999"] {
        let target = Db::fresh(Sqlite);
        let ran = binary::migrate(&source.url, &target.url, &["--view-timeout", wrong]);
        assert_eq!(ran.code, 2, "{wrong}: {ran}");
        crate::bad_input::untouched(&target);
    }
    let target = Db::fresh(Sqlite);
    let ran = binary::migrate(&source.url, &target.url, &["--view-timeout", "0"]);
    assert_eq!((ran.code, views(&target)), (0, vec!["v".to_owned()]), "{ran}");
}

/// Views with queries within queries, windows and dates, in an engine's own words.
fn richer(engine: Engine) -> String {
    let (moment, made) = match engine {
        Sqlite => {
            ("DATETIME", ["strftime('%Y-%m', made)", "CAST(strftime('%Y', made) AS INTEGER)", "date(at)"])
        }
        Postgres => {
            ("TIMESTAMP", ["to_char(made, 'YYYY-MM')", "extract(year FROM made)::integer", "at::date"])
        }
        Mariadb | Mysql => ("DATETIME(6)", ["DATE_FORMAT(made, '%Y-%m')", "YEAR(made)", "DATE(at)"]),
    };
    let [month, year, day] = made;
    format!(
        "CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, made DATE, at {moment});
         CREATE TABLE sale (id INTEGER NOT NULL PRIMARY KEY, item INTEGER, n INTEGER NOT NULL);
         INSERT INTO item VALUES (1, '2024-05-21', '2024-05-21 23:59:59.999900'), (2, NULL, NULL),
             (3, '2021-01-01', '2021-01-01 00:00:00.000000'), (4, '2021-01-02', '1969-12-31 23:59:59.500000');
         INSERT INTO sale VALUES (1, 1, 5), (2, 1, 7), (3, 3, 1), (4, NULL, 2), (5, NULL, 2);
         CREATE VIEW a_sums AS WITH t AS (SELECT item, sum(n) AS total FROM sale GROUP BY item),
             u AS (SELECT item, total FROM t WHERE total > 0) SELECT i.id, u.total FROM u JOIN item i ON i.id = u.item;
         CREATE VIEW distinct_ids AS SELECT id FROM item UNION SELECT item FROM sale WHERE item IS NOT NULL;
         CREATE VIEW by_day AS SELECT id, {day} AS day FROM item;
         CREATE VIEW by_month AS SELECT {month} AS month, count(*) AS c FROM item GROUP BY {month};
         CREATE VIEW by_year AS SELECT {year} AS year, count(*) AS c FROM item GROUP BY {year};
         CREATE VIEW most AS SELECT i.id, (SELECT max(s.n) FROM sale s WHERE s.item = i.id) AS most FROM item i
             WHERE EXISTS (SELECT 1 FROM sale s WHERE s.item = i.id)
                OR i.id IN (SELECT s.n - 1 FROM sale s WHERE s.item IS NULL OR s.n = 5);
         CREATE VIEW places AS SELECT id, row_number() OVER (PARTITION BY item ORDER BY n DESC, id) AS place,
             rank() OVER (ORDER BY item, n) AS r, sum(n) OVER (PARTITION BY item) AS total,
             count(*) OVER (ORDER BY n) AS so_far FROM sale;
         CREATE VIEW unsold AS SELECT i.id FROM item i WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.item = i.id)
             AND i.id NOT IN (SELECT s.item FROM sale s WHERE s.item IS NOT NULL);"
    )
}

#[test]
fn a70_queries_windows_and_dates_give_the_same_rows_in_another_engine() {
    let names = ["a_sums", "by_day", "by_month", "by_year", "distinct_ids", "most", "places", "unsold"];
    for from in Engine::all() {
        for to in Engine::all() {
            if from == to || (from.is_mysql() && to.is_mysql()) {
                continue;
            }
            let arrived = migrate(from, &richer(from), to).whole();
            assert_eq!(views(&arrived.target), names, "{from:?} → {to:?}: {}", arrived.ran);
            for read in [
                "SELECT id, total FROM a_sums ORDER BY id",
                "SELECT id FROM distinct_ids ORDER BY id",
                "SELECT id, day FROM by_day ORDER BY id",
                "SELECT month, c FROM by_month WHERE month IS NOT NULL ORDER BY month",
                "SELECT year, c FROM by_year WHERE year IS NOT NULL ORDER BY year",
                "SELECT id, most FROM most ORDER BY id",
                "SELECT id, place, r, total, so_far FROM places ORDER BY id",
                "SELECT id FROM unsold ORDER BY id",
            ] {
                let (here, there) = (arrived.source.query(read), arrived.target.query(read));
                assert_eq!(here, there, "{from:?} → {to:?}: {read}");
            }
        }
    }
}
