//! A lock of the application at the switch. It is waited for with what was loaded kept and with nothing held between one try
//! and the next; what had to hold is looked at again; and who waits in vain can go on later. The judge is SQL.

use sqlx::{Connection as _, Executor as _};

use super::rollback::{Home, ours, same_content, state};
use crate::bad_input::error_shape;
use crate::support::binary::{self, Running};
use crate::support::database::{Db, Engine, wait};

/// A session of the application that is in the middle of a transaction.
enum Held {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(sqlx::PgConnection),
    Mysql(sqlx::MySqlConnection),
}

impl Held {
    /// Writes a row into a table, and does not say yet whether it stays.
    fn with(db: &Db) -> Self {
        const ROW: &str = "INSERT INTO person VALUES (7, 'not committed')";
        match db.engine {
            Engine::Sqlite => {
                let session = db.sqlite();
                session.execute_batch(&format!("BEGIN IMMEDIATE; {ROW}")).unwrap();
                Self::Sqlite(Box::new(session))
            }
            Engine::Postgres => wait(async {
                let mut session = sqlx::PgConnection::connect(&db.url).await.unwrap();
                session.execute("SET application_name = 'the application'").await.unwrap();
                session.execute("BEGIN").await.unwrap();
                session.execute(ROW).await.unwrap();
                Self::Postgres(session)
            }),
            Engine::Mariadb | Engine::Mysql => wait(async {
                let mut session = sqlx::MySqlConnection::connect(&db.url).await.unwrap();
                session.execute("BEGIN").await.unwrap();
                session.execute(ROW).await.unwrap();
                Self::Mysql(session)
            }),
        }
    }

    fn end(self, how: &str) {
        match self {
            Self::Sqlite(session) => session.execute_batch(how).unwrap(),
            Self::Postgres(mut session) => wait(async {
                sqlx::raw_sql(sqlx::AssertSqlSafe(how)).execute(&mut session).await.unwrap();
                session.close().await.unwrap();
            }),
            Self::Mysql(mut session) => wait(async {
                sqlx::raw_sql(sqlx::AssertSqlSafe(how)).execute(&mut session).await.unwrap();
                session.close().await.unwrap();
            }),
        }
    }
}

/// One table with rows, and the same as the application has made it.
fn pair(engine: Engine) -> (Db, Db) {
    let (source, target) = (Db::fresh(Engine::Sqlite), Db::fresh(engine));
    source.execute(
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name VARCHAR(40));
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO person SELECT i, 'person ' || i FROM n",
    );
    target.execute("CREATE TABLE person (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(40))");
    (source, target)
}

/// A run that has tried its switch in vain and is going to try again.
fn waiting(home: &Home, source: &Db, target: &Db) -> Running {
    let mut command = binary::command(home.0.path());
    command.args(["--format", "json", "migrate", "--source", &source.url, "--target", &target.url]);
    let mut running = Running::start(command);
    assert!(running.until(&["trying the switch again"]), "{:?}", running.end());
    running
}

fn a_lock_is_waited_for(engine: Engine) {
    if !engine.at_hand() {
        return;
    }
    let (source, target) = pair(engine);
    let (home, before) = (Home::new(), state(&target));
    let held = Held::with(&target);
    let quiet = ["--progress", "never", "migrate", "--retry-for", "0"];
    let ran = home.run(&[&quiet[..], &["--source", &source.url, "--target", &target.url]].concat());
    held.end("ROLLBACK");
    error_shape(&ran, 5);
    assert_eq!(ran.json()["error"]["kind"], "busy", "{engine:?}: {ran}");
    assert!(ran.stderr.contains("--resume"), "{engine:?}: {ran}");
    if engine == Engine::Postgres {
        assert!(ran.stderr.contains("'the application'"), "{ran}");
    }
    assert_eq!(state(&target), before, "{engine:?}: {ran}");
    // What was loaded is there still.
    let ran = home.migrate(&source, &target, &["--resume"]);
    assert_eq!(ran.code, 0, "{engine:?}: {ran}");
    assert_eq!(ran.json()["tables"][0]["rows_before"], 200, "{engine:?}: {ran}");
    same_content(&source, &target);
    assert_eq!(home.rollback(&target, &["--yes"]).code, 0, "{engine:?}");
    assert_eq!(state(&target), before, "{engine:?}");

    let (_, target) = pair(engine);
    let held = Held::with(&target);
    let running = waiting(&home, &source, &target);
    held.end("ROLLBACK");
    let ran = running.end();
    assert_eq!(ran.code, 0, "{engine:?}: {ran}");
    same_content(&source, &target);
    assert_eq!(ours(&target).len(), 1, "{engine:?}: {:?}", ours(&target));

    // A row that came meanwhile is no less than one that came before.
    let (_, target) = pair(engine);
    let held = Held::with(&target);
    let running = waiting(&home, &source, &target);
    held.end("COMMIT");
    let ran = running.end();
    assert_eq!(ran.code, 4, "{engine:?}: {ran}");
    assert!(ran.stderr.contains("got rows by now"), "{engine:?}: {ran}");
    assert_eq!(target.value("SELECT name FROM person").as_deref(), Some("not committed"), "{engine:?}");
    assert_eq!(ours(&target), Vec::<String>::new(), "{engine:?}: {ran}");
}

#[test]
fn a_lock_is_waited_for_in_sqlite() {
    a_lock_is_waited_for(Engine::Sqlite);
}

#[test]
fn a_lock_is_waited_for_in_postgres() {
    a_lock_is_waited_for(Engine::Postgres);
}

#[test]
fn a_lock_is_waited_for_in_mariadb() {
    a_lock_is_waited_for(Engine::Mariadb);
}

#[test]
fn a_lock_is_waited_for_in_mysql() {
    a_lock_is_waited_for(Engine::Mysql);
}
