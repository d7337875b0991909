//! Very long values: they arrive, and memory stays below so many times the longest of them whatever their number; or
//! they are refused with the numbers. 64 MiB in `make test`, 512 MB in `make nightly`.

use crate::support::binary::{self, Ran, Running};
use crate::support::content;
use crate::support::database::{Db, Engine};
use crate::support::private::Private;

const PATTERN: &str = "0123456789abcdef";

/// Memory beside the values, in KiB. The driver of MySQL has two to three packets of 16 MiB of a value at hand.
const BASE_KIB: u64 = 96 * 1024;

/// `migrate`, with memory that is given back to the system as soon as it is given back at all: glibc begins with that for
/// blocks of 128 KiB, but keeps packets of 16 MiB once it has seen some of them freed (mallopt(3), M_MMAP_THRESHOLD), up to
/// four of them and never as many as in the run before.
fn migrate(source: &Db, target: &Db) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.env("MALLOC_MMAP_THRESHOLD_", "131072");
    command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    Running::start(command).end()
}

fn size() -> usize {
    if std::env::var_os("TECHCARE_DB_TEST_NIGHTLY").is_some() { 512_000_000 } else { 64 * 1024 * 1024 }
}

/// The server's own word on both long values: their length, and that they are the pattern over and over.
fn is_whole(db: &Db) -> bool {
    let times = size() / PATTERN.len();
    if db.engine == Engine::Sqlite {
        let file = db.sqlite();
        let body = |id: i64| -> String {
            file.query_row("SELECT body FROM t WHERE id = ?1", [id], |row| row.get(0)).unwrap()
        };
        return body(1) == PATTERN.repeat(times) && body(3) == body(1);
    }
    let same = format!("SELECT COUNT(*) FROM t WHERE body = repeat('{PATTERN}', {times}) AND id IN (1, 3)");
    db.value(&same).as_deref() == Some("2")
}

#[test]
fn a34_a_very_long_value_arrives_or_is_refused_with_the_numbers() {
    let server = Private::start(Engine::Mariadb);
    let root = Db::fresh_on(Engine::Mariadb, &server.url);
    let file = Db::fresh(Engine::Sqlite);
    file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    file.sqlite()
        .execute(
            "INSERT INTO t VALUES (1, ?1), (2, 'short'), (3, ?1)",
            [PATTERN.repeat(size() / PATTERN.len())],
        )
        .unwrap();

    root.execute("SET GLOBAL max_allowed_packet = 16777216");
    let refusing = Db::fresh_on(Engine::Mariadb, &server.url);
    let ran = binary::migrate(&file.url, &refusing.url, &[]);
    let error = ran.json()["error"].to_string();
    assert_eq!(ran.code, 4, "{ran}");
    for number in ["id=1", "max_allowed_packet is 16777216 bytes", "SET GLOBAL max_allowed_packet = "] {
        assert!(error.contains(number), "{number}: {ran}");
    }
    assert_eq!(content::tables(&refusing), Vec::<String>::new());

    root.execute("SET GLOBAL max_allowed_packet = 1073741824");
    let postgres = Db::fresh(Engine::Postgres);
    let (mariadb, direct) =
        (Db::fresh_on(Engine::Mariadb, &server.url), Db::fresh_on(Engine::Mariadb, &server.url));
    let (back, straight) = (Db::fresh(Engine::Sqlite), Db::fresh(Engine::Sqlite));
    // A reader's driver holds the value beside the batch that gets it, or SQLite what is bound beside the row; PostgreSQL's
    // driver keeps both of its own until it reads on.
    let routes = [
        (&file, &postgres, 2),
        (&file, &direct, 2),
        (&postgres, &mariadb, 2),
        (&mariadb, &back, 2),
        (&postgres, &straight, 4),
    ];
    for (source, target, times) in routes {
        let ran = migrate(source, target);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(is_whole(target), "{:?} → {:?}", source.engine, target.engine);
        let most = u64::try_from(size() / 1024).unwrap() * times + BASE_KIB;
        eprintln!("{:?} → {:?}: {} MiB at most", source.engine, target.engine, ran.peak_kib / 1024);
        assert!(ran.peak_kib < most, "{:?} → {:?}: {} KiB", source.engine, target.engine, ran.peak_kib);
    }
}
