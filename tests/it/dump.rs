//! `migrate --dump`: the script is loaded by the engine's own client program, and the judges compare what is there
//! then with the source. No test gives the product a target that it could reach.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bad_input::error_shape;
use crate::directions::{Report, judge, look};
use crate::support::binary::{self, Ran, Running};
use crate::support::client;
use crate::support::content::{self, Renamed};
use crate::support::database::{Db, Engine};
use crate::support::samples;

/// The target as it is named: nobody listens on that port.
pub fn unreachable(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgresql://nobody:secret@127.0.0.1:1/nothing",
        Engine::Mariadb => "mariadb://nobody:secret@127.0.0.1:1/nothing",
        Engine::Mysql => "mysql://nobody:secret@127.0.0.1:1/nothing",
    }
}

fn dump(source: &Db, target: &str, file: &Path, more: &[&str]) -> Ran {
    let mut args = vec!["--dump", file.to_str().unwrap()];
    args.extend_from_slice(more);
    binary::migrate(&source.url, target, &args)
}

/// Loads a script as its header says; packed ones through the program that unpacks them.
pub fn load(target: &Db, script: &Path) -> (bool, String) {
    let mut client = match target.engine {
        Engine::Sqlite => {
            let mut client = Command::new("sqlite3");
            client.arg(target.path());
            client
        }
        Engine::Postgres => {
            let mut client = Command::new("psql");
            client.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", &target.url]);
            client
        }
        Engine::Mariadb | Engine::Mysql => client::mariadb(&target.url),
    };
    let unpacker = match script.extension().and_then(|end| end.to_str()) {
        Some("gz") => "gzip",
        Some("zst") => "zstd",
        _ => "",
    };
    let mut unpacking = (!unpacker.is_empty())
        .then(|| Command::new(unpacker).arg("-dc").arg(script).stdout(Stdio::piped()).spawn().unwrap());
    let input = match &mut unpacking {
        Some(unpacking) => Stdio::from(unpacking.stdout.take().unwrap()),
        None => Stdio::from(std::fs::File::open(script).unwrap()),
    };
    let done = client.env("LC_ALL", "C.UTF-8").stdin(input).output().unwrap();
    if let Some(mut unpacking) = unpacking {
        assert!(unpacking.wait().unwrap().success());
    }
    (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
}

/// Dumps, loads, and lets the judges say what differs.
fn arrives(source: &Db, to: Engine, name: &str, label: &str, faults: &mut Vec<String>) -> Option<Db> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join(name);
    let ran = dump(source, unreachable(to), &script, &["--accept", "*"]);
    if ran.code > 1 {
        faults.push(format!("{label}: {ran}"));
        return None;
    }
    let json = ran.json();
    let mut report = Report {
        renamed: Renamed::new(),
        findings: json["findings"].as_array().cloned().unwrap_or_default(),
    };
    for table in json["tables"].as_array().unwrap() {
        let (from, to) = (table["name"].as_str().unwrap(), table["target_name"].as_str().unwrap());
        if from != to {
            report.renamed.insert(from.to_owned(), to.to_owned());
        }
        assert_eq!(table["rows_read"], table["rows_written"], "{table}");
        assert!(table["verified"].is_null(), "{table}");
    }
    assert_eq!(json["dump"]["bytes"], std::fs::metadata(&script).unwrap().len());
    let target = Db::fresh(to);
    let (loaded, said) = load(&target, &script);
    if !loaded {
        faults.push(format!("{label}: the client failed: {said}"));
        return None;
    }
    judge(&look(source), &look(&target), &report, label, faults);
    Some(target)
}

fn sample(name: &'static str, from: Engine, to: Engine) {
    if !(from.at_hand() && to.at_hand()) {
        return;
    }
    let Some(source) = samples::sample(name, from) else { return };
    let mut faults = Vec::new();
    arrives(&source, to, "script.sql", &format!("{name} {from:?} → {to:?}"), &mut faults);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

macro_rules! samples {
    ($($test:ident: $sample:literal $from:ident => $to:ident,)*) => {
        $(#[test] fn $test() { sample($sample, Engine::$from, Engine::$to); })*
    };
}

samples! {
    chinook_sqlite_to_sqlite: "chinook" Sqlite => Sqlite,
    chinook_sqlite_to_postgres: "chinook" Sqlite => Postgres,
    chinook_sqlite_to_mariadb: "chinook" Sqlite => Mariadb,
    chinook_postgres_to_sqlite: "chinook" Postgres => Sqlite,
    chinook_postgres_to_postgres: "chinook" Postgres => Postgres,
    chinook_postgres_to_mariadb: "chinook" Postgres => Mariadb,
    chinook_mariadb_to_sqlite: "chinook" Mariadb => Sqlite,
    chinook_mariadb_to_postgres: "chinook" Mariadb => Postgres,
    chinook_mariadb_to_mariadb: "chinook" Mariadb => Mariadb,
    northwind_sqlite_to_mariadb: "northwind" Sqlite => Mariadb,
    northwind_sqlite_to_postgres: "northwind" Sqlite => Postgres,
    sakila_mariadb_to_sqlite: "sakila" Mariadb => Sqlite,
    sakila_mariadb_to_postgres: "sakila" Mariadb => Postgres,
    sakila_mariadb_to_mariadb: "sakila" Mariadb => Mariadb,
    pagila_postgres_to_sqlite: "pagila" Postgres => Sqlite,
    pagila_postgres_to_postgres: "pagila" Postgres => Postgres,
    pagila_postgres_to_mariadb: "pagila" Postgres => Mariadb,
    trac_sqlite_to_postgres: "trac" Sqlite => Postgres,
    trac_postgres_to_mariadb: "trac" Postgres => Mariadb,
    trac_mariadb_to_sqlite: "trac" Mariadb => Sqlite,
    oscar_sqlite_to_mariadb: "oscar" Sqlite => Mariadb,
    oscar_postgres_to_sqlite: "oscar" Postgres => Sqlite,
    oscar_mariadb_to_postgres: "oscar" Mariadb => Postgres,
    chinook_sqlite_to_mysql: "chinook" Sqlite => Mysql,
    pagila_postgres_to_mysql: "pagila" Postgres => Mysql,
    sakila_mysql_to_mysql: "sakila" Mysql => Mysql,
    sakila_mysql_to_sqlite: "sakila" Mysql => Sqlite,
    oscar_sqlite_to_mysql: "oscar" Sqlite => Mysql,
}

/// Text that a client program, a lexer or a mode of the server may read as something else.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "it's",
    "''",
    "\\",
    "\\'",
    "\\N",
    "\\.",
    "a\n\\.\nb",
    "a\n.quit\nb",
    "a\n\\q\nb\n\\! touch owned\n",
    "a;\nDROP TABLE text;\n--",
    "a\ndelimiter //\nb//\n",
    "a\r\nb\rc\n\r",
    "\tx\t",
    "go\n/\n#",
    "\\n\\r\\t\\0\\x41\\101",
    "%s %% `b` \"q\" $do$ $1 :x :'y' ?",
    "é\u{301} \u{1f600} \u{10ffff}",
    "\u{1}\u{8}\u{1a}\u{7f}",
    "-- /* */ /*! 1 */",
];

#[test]
fn text_that_means_something_to_a_client_program() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE \"te xt\" (id INTEGER PRIMARY KEY, body TEXT, \"co\"\"l`\\\" BLOB, word VARCHAR(40) DEFAULT 'it''s %');
         CREATE TABLE empty (id INTEGER PRIMARY KEY)",
    );
    let file = source.sqlite();
    for text in HOSTILE {
        file.execute("INSERT INTO \"te xt\" (body, \"co\"\"l`\\\") VALUES (?1, ?2)", (text, text.as_bytes()))
            .unwrap();
    }
    drop(file);
    for to in Engine::all() {
        for name in ["a.sql", "b.sql.gz", "c.sql.zst"] {
            let mut faults = Vec::new();
            let target = arrives(&source, to, name, &format!("{to:?} {name}"), &mut faults);
            assert!(faults.is_empty(), "{}", faults.join("\n"));
            let sql = "INSERT INTO \"te xt\" (id) VALUES (1000)"
                .replace('"', if to.is_mysql() { "`" } else { "\"" });
            let target = target.unwrap();
            target.execute(&sql);
            let word = sql
                .replace("INSERT INTO", "SELECT word FROM")
                .replace("(id) VALUES (1000)", "WHERE id = 1000");
            assert_eq!(target.value(&word).as_deref(), Some("it's %"));
        }
    }
}

#[test]
fn numbers_and_bytes_at_their_ends() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute("CREATE TABLE n (id INTEGER PRIMARY KEY, i INTEGER, r REAL, b BLOB)");
    let file = source.sqlite();
    let mut doubles =
        vec![0.1, -1.0 / 3.0, 5e-324, 1.234_567_890_123_456_7e-300, 1e22, 1e23, f64::MAX, f64::MIN_POSITIVE];
    // Shortest digits that an 80-bit reading rounds the wrong way are among many.
    let mut state = 7_u64;
    doubles.extend((0..4000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from_bits(state)
    }));
    file.execute_batch("BEGIN").unwrap();
    for (i, v) in doubles.into_iter().filter(|v| v.is_finite()).enumerate() {
        let i = [i64::MIN, i64::MAX, 0, -1][i % 4];
        file.execute("INSERT INTO n (i, r, b) VALUES (?1, ?2, ?3)", (i, v, v.to_be_bytes())).unwrap();
    }
    file.execute_batch("COMMIT").unwrap();
    drop(file);
    for to in Engine::all() {
        let mut faults = Vec::new();
        arrives(&source, to, "n.sql", &format!("{to:?}"), &mut faults);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// Classes, infinities and text that is none, which only SQLite has.
#[test]
fn sqlite_values_keep_their_class() {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE v (id INTEGER PRIMARY KEY, a, n NUMERIC, t TEXT, b BLOB);
         INSERT INTO v (a, n, t, b) VALUES (9e999, -9e999, 'x', x''), (1, 2.5, '7', 'text'), (x'00ff', 'abc', x'6162', 3),
           ('a' || char(0) || 'b', NULL, CAST(x'ff41' AS TEXT), 1.0), ('', '', '', ''), (-0.0, -0.0, -0.0, -0.0);
         CREATE TABLE seq (id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO seq VALUES (7, 1); DELETE FROM seq;
         CREATE TABLE w (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID; INSERT INTO w VALUES ('a', 1), ('b', '1'), ('c', x'31')",
    );
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("v.sql");
    let ran = dump(&source, "sqlite", &script, &[]);
    assert_eq!(ran.code, 0, "{ran}");
    let target = Db::fresh(Engine::Sqlite);
    assert_eq!(load(&target, &script), (true, String::new()));
    for table in ["v", "w"] {
        let columns = if table == "v" { "a n t b" } else { "k v" };
        let each: Vec<_> = columns.split(' ').map(|c| format!("typeof({c}) || ' ' || quote({c})")).collect();
        let sql = format!("SELECT {} FROM {table} ORDER BY 1, 2", each.join(", "));
        assert_eq!(source.query(&sql), target.query(&sql), "{table}");
    }
    target.execute("INSERT INTO seq (x) VALUES (2)");
    assert_eq!(target.value("SELECT id FROM seq").as_deref(), Some("8"));
}

/// Types of each server, into itself: what is exact in a migration is exact in a script.
#[test]
fn values_of_a_server_into_itself() {
    let postgres = Db::fresh(Engine::Postgres);
    postgres.execute(
        r#"CREATE TYPE "mo od" AS ENUM ('a''b', 'c\d');
         CREATE TABLE v (id int PRIMARY KEY, n numeric, d date, ts timestamp, tz timestamptz, tm time, iv interval, m money,
           by bytea, j json, jb jsonb, u uuid, c char(5), a int[], ta text[], e "mo od", bo boolean, f real, g double precision,
           bi bit(5), vb varbit, ip inet, x xml);
         INSERT INTO v VALUES
           (1, 'NaN', '0044-03-15 BC', '0001-01-01 00:00:00.000001 BC', '2024-03-31 02:30:00.5+02', '23:59:59.999999',
            '-1 mon 2 days -03:04:05.6', '-1234.56', '\x00ff5c', '{"a" : "b\\n"}', '{"k": "\\"}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
            'ab', '{1,NULL,3}', '{"a\\\\b",NULL,"c,d","é"}', 'c\d', true, 0.1, 0.1, '10101', '1', '10.0.0.0/8', '<a>b\c</a>'),
           (2, 12345678901234567890.123456789012345678901234567890, '9999-12-31', '9999-12-31 23:59:59.999999', 'epoch', '24:00:00',
            '178000000 years', '92233720368547758.07', '', '[]', 'null', NULL, '', '{}', '{}', 'a''b', false, '-Infinity', 'NaN',
            '00000', '', '::1', ''),
           (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"#,
    );
    let mariadb = Db::fresh(Engine::Mariadb);
    mariadb.execute(
        r#"SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; CREATE TABLE v (id int AUTO_INCREMENT PRIMARY KEY, u bigint unsigned, d decimal(65,30), f float, g double, bi bit(10),
           dt datetime(6), ts timestamp(6) NULL, tm time(6), y year, e enum('a''b','c\\d',''), s set('x','y'), b varbinary(20), bl longblob,
           t longtext, l varchar(20) CHARACTER SET latin1, j json, uu uuid, i6 inet6) COMMENT='it''s \\ \r\n %';
         INSERT INTO v VALUES
           (0, 18446744073709551615, -0.000000000000000000000000000001, 0.1, -1e-300, b'1000000001', '9999-12-31 23:59:59.999999',
            '1970-01-01 00:00:01.000001', '-838:59:59.000000', 1901, 'c\\d', 'x,y', x'005c27', x'', 'a\\b\r\n', 'é€', '{"a": 1}',
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1'),
           (7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"#,
    );
    for source in [&postgres, &mariadb] {
        let mut faults = Vec::new();
        let target = arrives(source, source.engine, "v.sql", &format!("{:?}", source.engine), &mut faults);
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let target = target.unwrap();
        let sql = match source.engine {
            Engine::Postgres => "SELECT v::text FROM v ORDER BY id",
            _ => "SELECT table_comment FROM information_schema.tables WHERE table_schema = database()",
        };
        assert_eq!(source.query(sql), target.query(sql));
    }
}

/// What only a server that was lenient once holds: the label that is none, and days that are no days.
#[test]
fn labels_and_dates_of_a_lenient_server_into_itself() {
    for engine in [Engine::Mariadb, Engine::Mysql].into_iter().filter(|e| e.at_hand()) {
        let source = Db::fresh(engine);
        source.execute(
            "SET sql_mode = ''; CREATE TABLE v (id int PRIMARY KEY, e enum('a','b'), d date, t datetime(3), n int);
             INSERT INTO v VALUES (1, 'none', '0000-00-00', '0000-00-00 00:00:00', 1), (2, 'a', '2024-00-00', '2024-02-31 01:02:03.004', 2),
                                  (3, NULL, NULL, NULL, NULL), (4, 'b', '2024-02-29', '2024-01-00 00:00:00.5', 4);
             CREATE TABLE after_it (id int PRIMARY KEY, n tinyint); INSERT INTO after_it VALUES (1, 127)",
        );
        let sql = "SELECT id, e + 0, e, CAST(d AS CHAR), CAST(t AS CHAR), n FROM v ORDER BY id";
        assert_eq!(source.query(sql)[0][1].as_deref(), Some("0"), "{engine:?}");
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("v.sql");
        let ran = dump(&source, unreachable(engine), &script, &[]);
        assert_eq!(ran.code, 0, "{engine:?}: {ran}");
        let target = Db::fresh(engine);
        assert_eq!(load(&target, &script), (true, String::new()), "{engine:?}");
        assert_eq!(source.query(sql), target.query(sql), "{engine:?}");
        let text = std::fs::read_to_string(&script).unwrap();
        let lenient = text.matches("REPLACE(@@SESSION.sql_mode").count();
        assert_eq!(lenient, 1, "{engine:?}: only where it has to be");
    }
}

fn three_rows() -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(
        "CREATE TABLE role (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE);
         CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, role INTEGER NOT NULL REFERENCES role (id), born DATE, note TEXT);
         INSERT INTO role VALUES (1, 'admin'), (2, 'guest');
         INSERT INTO person VALUES (3, 1, '1999-12-31', 'it''s'), (4, 2, NULL, 'two' || char(10) || 'lines'), (9, 1, NULL, NULL);
         DELETE FROM person WHERE id = 9;",
    );
    source
}

#[test]
fn a_small_script_of_each_dialect() {
    let source = three_rows();
    let folder = tempfile::tempdir().unwrap();
    for (name, target) in [
        ("dump_sqlite", "sqlite"),
        ("dump_postgres", "postgresql"),
        ("dump_mysql", "mysql"),
        ("dump_mariadb", "mariadb"),
    ] {
        let script = folder.path().join(name);
        let ran = dump(&source, target, &script, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.add_filter(r"techcare-db \d+\.\d+\.\d+", "techcare-db [VERSION]");
        settings.add_filter(r"SQLite 3\.\d+\.\d+", "SQLite [VERSION]");
        settings.bind(|| insta::assert_snapshot!(name, std::fs::read_to_string(&script).unwrap()));
    }
}

/// A load that loses rows ends with an error; where the engine can take everything back, nothing is left.
#[test]
fn a_script_that_lost_a_row_fails_where_it_is_loaded() {
    let source = three_rows();
    let folder = tempfile::tempdir().unwrap();
    for (to, row, without) in [
        (Engine::Sqlite, "(1,'admin'),\n", ""),
        (Engine::Postgres, "1\tadmin\n", ""),
        (Engine::Mariadb, "(1,'admin'),\n", ""),
        // A row without its parent, and as many rows as there were.
        (Engine::Sqlite, "(2,'guest')", "(5,'guest')"),
        (Engine::Mariadb, "(2,'guest')", "(5,'guest')"),
        (Engine::Mysql, "(1,'admin'),\n", ""),
        (Engine::Mysql, "(2,'guest')", "(5,'guest')"),
    ] {
        if !to.at_hand() {
            continue;
        }
        let script = folder.path().join("whole.sql");
        let _ = std::fs::remove_file(&script);
        assert_eq!(dump(&source, unreachable(to), &script, &[]).code, 0);
        let text = std::fs::read_to_string(&script).unwrap();
        assert_eq!(text.matches(row).count(), 1, "{text}");
        std::fs::write(&script, text.replace(row, without)).unwrap();
        let target = Db::fresh(to);
        let (loaded, said) = load(&target, &script);
        assert!(!loaded, "{to:?} {row:?} → {without:?}: {said}");
        if !to.is_mysql() {
            assert_eq!(content::tables(&target), Vec::<String>::new(), "{to:?}");
        }
    }
}

#[test]
fn a_script_is_refused_by_the_other_product() {
    let source = three_rows();
    let folder = tempfile::tempdir().unwrap();
    for (name, server) in [("mysql", Engine::Mariadb), ("mariadb", Engine::Mysql)] {
        if !server.at_hand() {
            continue;
        }
        let script = folder.path().join(name);
        assert_eq!(dump(&source, name, &script, &[]).code, 0);
        let target = Db::fresh(server);
        let (loaded, said) = load(&target, &script);
        let other = if name == "mysql" { "mariadb" } else { "mysql" };
        assert!(!loaded && said.contains(&format!("dump again with --target {other}")), "{said}");
        assert_eq!(content::tables(&target), Vec::<String>::new());
    }
}

#[test]
fn a_file_for_its_owner_that_is_never_overwritten() {
    let source = three_rows();
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("a.sql");
    std::fs::write(folder.path().join("a.sql.partial"), "left by a run that was killed").unwrap();
    assert_eq!(dump(&source, "postgresql", &script, &[]).code, 0);
    assert_eq!(std::fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&script).unwrap();
    assert!(!text.contains("secret") && !text.contains(source.path().to_str().unwrap()));

    let ran = dump(&source, "postgresql", &script, &[]);
    assert_eq!((ran.code, ran.json()["error"]["kind"].as_str()), (4, Some("refused")), "{ran}");
    assert_eq!(std::fs::read_to_string(&script).unwrap(), text);
    let ran = dump(&source, "postgresql", &folder.path().join("none/a.sql"), &[]);
    assert_eq!(ran.code, 2, "{ran}");
    let ran = dump(&source, "postgresql", &folder.path().join("b.sql"), &["--dry-run"]);
    assert_eq!((ran.code, ran.json()["plan"]["target"].as_str()), (0, Some("postgresql")), "{ran}");
    assert_eq!(left_in(folder.path()), ["a.sql"]);
}

fn left_in(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn what_cannot_be_said_is_refused_before_the_file() {
    let source = Db::fresh(Engine::Sqlite);
    source
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (5, 'a' || char(0))");
    let folder = tempfile::tempdir().unwrap();
    let ran = dump(&source, "postgresql", &folder.path().join("a.sql"), &[]);
    assert_eq!(ran.code, 4, "{ran}");
    assert!(ran.stdout.contains("nul_in_text") && ran.stdout.contains("id=5"), "{ran}");
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
}

/// A table of so many rows of a kilobyte each.
fn long_log(rows: u32) -> Db {
    let source = Db::fresh(Engine::Sqlite);
    source.execute(&format!(
        "CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO log SELECT i, hex(zeroblob(500)) || i FROM n"
    ));
    source
}

/// 60 MB of rows: too large a file leaves nothing behind, and memory does not grow with the table.
#[test]
fn a_large_table_streams_and_a_full_disk_leaves_nothing() {
    let source = long_log(60_000);
    for to in ["sqlite", "postgresql", "mysql"] {
        let folder = tempfile::tempdir().unwrap();
        let ran = dump(&source, to, &folder.path().join("a.sql"), &[]);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(std::fs::metadata(folder.path().join("a.sql")).unwrap().len() > 60_000_000);
        assert!(ran.peak_kib < 64 * 1024, "{to}: {} KiB", ran.peak_kib);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("bash");
    binary::clean(&mut command, folder.path());
    let line =
        "trap '' XFSZ; ulimit -f 4096; exec \"$0\" migrate --source \"$1\" --target mysql --dump a.sql";
    command.args(["-c", line, binary::PATH, &source.url]);
    error_shape(&Running::start(command).end(), 5);
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
}

#[test]
fn an_interruption_leaves_no_file() {
    let source = long_log(100_000);
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.args([
        "--progress",
        "json",
        "migrate",
        "--source",
        &source.url,
        "--target",
        "mysql",
        "--dump",
        "a.sql.gz",
    ]);
    let mut running = Running::start(command);
    assert!(running.until(&["\"phase\":\"load\"", "\"event\":\"rows\""]));
    running.signal("INT");
    let ran = running.end();
    assert_eq!(ran.code, 130, "{ran}");
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
}
