//! A81: databases that are migrated while the application writes to them a thousand times a second. The judge is the target, asked
//! in SQL: what one transaction wrote is there whole or not at all, whichever table was read first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::Connection as _;

use crate::support::binary;
use crate::support::database::{Db, Engine, wait};
use crate::support::private::Private;

/// Accounts on each side.
const ACCOUNTS: i64 = 100;

/// What each has in the beginning.
const BALANCE: i64 = 1_000_000;

/// Time between two sales, where the engine keeps up: without a pause a file would grow faster than it is compared.
const EVERY: Duration = Duration::from_millis(1);

/// Longest that a transaction of the writer may take: docs/snapshot.md, on a machine that the other tests load.
const LONGEST: Duration = Duration::from_secs(3);

/// A statement that keeps writers of MySQL from resting, in seconds: much longer than they may wait for it.
const SLOW: u64 = 10;

/// How long each source is migrated again and again.
const SPAN: Duration = Duration::from_secs(20);

/// A shop whose every sale is one row in the first table that is read, two in the last that refer to it, and three coins
/// that go from one account to another.
fn shop(db: Db) -> Db {
    if db.engine == Engine::Sqlite {
        db.sqlite().pragma_update(None, "journal_mode", "WAL").unwrap();
    }
    db.execute(
        "CREATE TABLE a_sale (id BIGINT PRIMARY KEY, total BIGINT NOT NULL);
         CREATE TABLE buyer (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);
         CREATE TABLE seller (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);
         CREATE TABLE z_line (id BIGINT PRIMARY KEY, sale_id BIGINT NOT NULL, amount BIGINT NOT NULL,
           FOREIGN KEY (sale_id) REFERENCES a_sale (id))",
    );
    let values: Vec<String> = (0..ACCOUNTS).map(|id| format!("({id}, {BALANCE})")).collect();
    for table in ["buyer", "seller"] {
        db.execute(&format!("INSERT INTO {table} VALUES {}", values.join(", ")));
    }
    db
}

/// One sale.
fn sale(number: i64) -> String {
    let (buyer, seller, first, second) =
        (number * 7 % ACCOUNTS, number * 13 % ACCOUNTS, number * 2, number * 2 + 1);
    format!(
        "UPDATE buyer SET balance = balance - 3 WHERE id = {buyer}; \
         INSERT INTO a_sale VALUES ({number}, 3); \
         INSERT INTO z_line VALUES ({first}, {number}, 1), ({second}, {number}, 2); \
         UPDATE seller SET balance = balance + 3 WHERE id = {seller}; COMMIT"
    )
}

/// Sells until told to stop; answers with the number of sales and the longest that one took.
fn sell(db: &Db, stop: &AtomicBool) -> (i64, Duration) {
    let (mut sales, mut longest) = (0, Duration::ZERO);
    let mut turn = |run: &mut dyn FnMut(String)| {
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            run(sale(sales));
            longest = longest.max(begun.elapsed());
            sales += 1;
            std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
        }
    };
    match db.engine {
        Engine::Sqlite => {
            let file = db.sqlite();
            file.busy_timeout(Duration::from_secs(60)).unwrap();
            file.pragma_update(None, "synchronous", "OFF").unwrap();
            turn(&mut |sale| file.execute_batch(&format!("BEGIN IMMEDIATE; {sale}")).unwrap());
        }
        Engine::Postgres => {
            let mut session = wait(sqlx::PgConnection::connect(&db.url)).unwrap();
            wait(sqlx::raw_sql("SET synchronous_commit = off").execute(&mut session)).unwrap();
            turn(&mut |sale| {
                let sql = sqlx::AssertSqlSafe(format!("BEGIN; {sale}"));
                wait(sqlx::raw_sql(sql).execute(&mut session)).unwrap();
            });
        }
        Engine::Mariadb | Engine::Mysql => {
            let mut session = wait(sqlx::MySqlConnection::connect(&db.url)).unwrap();
            turn(&mut |sale| {
                let sql = sqlx::AssertSqlSafe(format!("BEGIN; {sale}"));
                wait(sqlx::raw_sql(sql).execute(&mut session)).unwrap();
            });
        }
    }
    (sales, longest)
}

/// Whether a target is of one instant; answers with its sales.
fn consistent(target: &Db) -> i64 {
    let number = |sql: &str| target.value(sql).unwrap().parse::<i64>().unwrap();
    let sales = number("SELECT count(*) FROM a_sale");
    assert_eq!(number("SELECT count(*) FROM z_line"), sales * 2);
    let torn = "SELECT count(*) FROM a_sale s WHERE total <> (SELECT sum(amount) FROM z_line l WHERE l.sale_id = s.id)";
    assert_eq!(number(torn), 0);
    let start = ACCOUNTS * BALANCE;
    assert_eq!(number("SELECT sum(balance) FROM buyer"), start - 3 * sales);
    assert_eq!(number("SELECT sum(balance) FROM seller"), start + 3 * sales);
    sales
}

/// Tells the writer to stop, also where the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn migrated_while_selling(engine: Engine, to: Engine) {
    let source = shop(Db::fresh(engine));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| sell(&source, &stop));
        let selling = Stop(&stop);
        let begun = Instant::now();
        let (mut runs, mut seen) = (0, 0);
        while begun.elapsed() < SPAN {
            let target = Db::fresh(to);
            let ran = binary::migrate(&source.url, &target.url, &["--jobs", "3", "--no-backup"]);
            assert_eq!(ran.code, 0, "{engine:?}: {ran}");
            seen = consistent(&target);
            runs += 1;
        }
        drop(selling);
        let (sales, longest) = writer.join().unwrap();
        eprintln!("{engine:?}: {runs} migrations, {sales} sales, the longest took {longest:?}");
        assert!(seen > 0, "{engine:?}: nothing was sold before the last migration");
        assert!(sales > 100, "{engine:?}: {sales} sales");
        // Writers of MySQL and MariaDB rest for the whole server, also for the migrations of the tests beside this one.
        if !engine.is_mysql() {
            assert!(longest < LONGEST, "{engine:?}: a sale took {longest:?}");
        }
        assert_eq!(consistent(&source), sales);
    });
}

#[test]
fn a81_sqlite_is_of_one_instant_while_the_application_writes() {
    migrated_while_selling(Engine::Sqlite, Engine::Postgres);
}

#[test]
fn a81_postgresql_is_of_one_instant_while_the_application_writes() {
    migrated_while_selling(Engine::Postgres, Engine::Sqlite);
}

#[test]
fn a81_mysql_and_mariadb_are_of_one_instant_while_the_application_writes() {
    for engine in Engine::servers().filter(|engine| engine.is_mysql()) {
        migrated_while_selling(engine, Engine::Sqlite);
    }
}

/// Where a long statement keeps the writers of a server from resting, those that wait behind it do so for two seconds and
/// not until it ends, whether it writes a table that nobody else wants or reads one that everybody does. On a server of
/// its own: elsewhere they also rest for other tests.
#[test]
fn a81_writers_of_mysql_and_mariadb_wait_no_longer_than_is_said() {
    for engine in Engine::servers().filter(|engine| engine.is_mysql()) {
        let server = Private::start(engine);
        let source = shop(Db::fresh_on(engine, &server.url));
        source.execute("CREATE TABLE slow (n BIGINT); INSERT INTO slow VALUES (0)");
        let statements = [
            format!("UPDATE slow SET n = n + SLEEP({SLOW})"),
            format!("SELECT SLEEP({SLOW}) FROM a_sale LIMIT 1"),
        ];
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| sell(&source, &stop));
            let selling = Stop(&stop);
            let migrated = || {
                let target = Db::fresh(Engine::Sqlite);
                let ran = binary::migrate(&source.url, &target.url, &["--jobs", "3"]);
                assert_eq!(ran.code, 0, "{engine:?}: {ran}");
                consistent(&target);
            };
            migrated();
            for slow in &statements {
                let begun = Instant::now();
                let running = scope.spawn(|| source.execute(slow));
                std::thread::sleep(Duration::from_millis(1500));
                migrated();
                running.join().unwrap();
                assert!(begun.elapsed() >= Duration::from_secs(SLOW), "{engine:?}: nothing was slow");
            }
            drop(selling);
            let (sales, longest) = writer.join().unwrap();
            eprintln!("{engine:?}: {sales} sales, the longest took {longest:?}");
            assert!(longest < Duration::from_secs(SLOW / 2), "{engine:?}: a sale took {longest:?}");
        });
    }
}
