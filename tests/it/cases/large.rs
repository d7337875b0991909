//! One very long value: it arrives and memory stays below a few times its size, or it is refused with the numbers.
//! 64 MiB in `make test`, 512 MB in `make nightly`.

use crate::support::binary;
use crate::support::content;
use crate::support::database::{Db, Engine};
use crate::support::private::Private;

const PATTERN: &str = "0123456789abcdef";

fn size() -> usize {
    if std::env::var_os("TECHCARE_DB_TEST_NIGHTLY").is_some() { 512_000_000 } else { 64 * 1024 * 1024 }
}

/// The server's own word on the value: its length, and that it is the pattern over and over.
fn is_whole(db: &Db) -> bool {
    let times = size() / PATTERN.len();
    if db.engine == Engine::Sqlite {
        let body: String =
            db.sqlite().query_row("SELECT body FROM t WHERE id = 1", [], |row| row.get(0)).unwrap();
        return body == PATTERN.repeat(times);
    }
    let same =
        format!("SELECT CASE WHEN body = repeat('{PATTERN}', {times}) THEN 'yes' END FROM t WHERE id = 1");
    db.value(&same).as_deref() == Some("yes")
}

#[test]
fn a34_a_very_long_value_arrives_or_is_refused_with_the_numbers() {
    let server = Private::start(Engine::Mariadb);
    let root = Db::fresh_on(Engine::Mariadb, &server.url);
    let file = Db::fresh(Engine::Sqlite);
    file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)");
    file.sqlite()
        .execute("INSERT INTO t VALUES (1, ?1), (2, 'short')", [PATTERN.repeat(size() / PATTERN.len())])
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
    let mariadb = Db::fresh_on(Engine::Mariadb, &server.url);
    let (back, straight) = (Db::fresh(Engine::Sqlite), Db::fresh(Engine::Sqlite));
    // The reader, the batch, the writer and both drivers hold the value, and a buffer that grew may be twice as long.
    let ceiling = u64::try_from(size() / 1024).unwrap() * 6 + 64 * 1024;
    for (source, target) in
        [(&file, &postgres), (&postgres, &mariadb), (&mariadb, &back), (&postgres, &straight)]
    {
        let ran = binary::migrate(&source.url, &target.url, &[]);
        assert_eq!(ran.code, 0, "{ran}");
        assert!(is_whole(target), "{:?} → {:?}", source.engine, target.engine);
        eprintln!("{:?} → {:?}: {} MiB at most", source.engine, target.engine, ran.peak_kib / 1024);
        assert!(ran.peak_kib < ceiling, "{:?} → {:?}: {} KiB", source.engine, target.engine, ran.peak_kib);
    }
}
