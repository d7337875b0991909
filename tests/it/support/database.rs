//! A database for one test: made fresh on the servers that `make test` started, spoken to through plain drivers,
//! dropped when the test is done with it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, Row};
use tempfile::TempDir;

/// Engines that the tests have at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    Sqlite,
    Postgres,
    Mariadb,
    /// MySQL itself, which is no package of every system.
    Mysql,
}

impl Engine {
    /// Every engine there is a server of; the reason for leaving one out is printed.
    pub fn all() -> Vec<Self> {
        [Self::Sqlite, Self::Postgres, Self::Mariadb, Self::Mysql]
            .into_iter()
            .filter(|engine| engine.at_hand())
            .collect()
    }

    /// Those of them that are servers.
    pub fn servers() -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(|engine| *engine != Self::Sqlite)
    }

    /// MariaDB and MySQL, as far as they are at hand.
    pub fn mysqls() -> impl Iterator<Item = Self> {
        Self::servers().filter(|engine| engine.is_mysql())
    }

    /// Whether there is a server of it. That of MySQL may be missing, and then its tests are left out, with this
    /// reason printed.
    pub fn at_hand(self) -> bool {
        let missing = self == Self::Mysql && std::env::var_os(self.variable()).is_none();
        if missing {
            eprintln!("skipped: no MySQL server here ({} is not set)", self.variable());
        }
        !missing
    }

    /// MySQL or MariaDB.
    pub fn is_mysql(self) -> bool {
        matches!(self, Self::Mariadb | Self::Mysql)
    }

    /// The collation of MySQL or MariaDB under which text is equal to itself only.
    pub fn exact_collation(self) -> &'static str {
        if self == Self::Mysql { "utf8mb4_0900_bin" } else { "utf8mb4_nopad_bin" }
    }

    /// What `servers start` calls it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Sqlite => unreachable!("SQLite needs no server"),
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
        }
    }

    /// A name quoted for this engine.
    pub fn quote(self, name: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Mariadb | Self::Mysql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// Environment variable that holds the URL of a maintenance database.
    fn variable(self) -> &'static str {
        match self {
            Self::Sqlite => unreachable!("SQLite needs no server"),
            Self::Postgres => "TECHCARE_DB_TEST_POSTGRES",
            Self::Mariadb => "TECHCARE_DB_TEST_MARIADB",
            Self::Mysql => "TECHCARE_DB_TEST_MYSQL",
        }
    }

    /// URL of the server's maintenance database.
    pub fn server(self) -> String {
        let variable = self.variable();
        std::env::var(variable).unwrap_or_else(|_| {
            panic!("{variable} is not set: run `make test`, which starts private servers")
        })
    }
}

/// URL of another database of the same server.
fn url_on(server: &str, name: &str) -> String {
    let (head, _) = server.rsplit_once('/').expect("a URL with a database");
    format!("{head}/{name}")
}

/// Where a database lives, and what has to go with it.
#[derive(Debug)]
enum Place {
    File { path: PathBuf, _folder: TempDir },
    Server { server: String, name: String, drop: bool },
}

/// A database that lives as long as this value.
#[derive(Debug)]
pub struct Db {
    pub engine: Engine,
    pub url: String,
    place: Place,
}

impl Db {
    /// A new one without any table; on SQLite not even a file.
    pub fn fresh(engine: Engine) -> Self {
        if engine == Engine::Sqlite {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("data.db");
            return Self {
                engine,
                url: format!("sqlite:///{}", path.display()),
                place: Place::File { path, _folder: folder },
            };
        }
        sweep();
        Self::fresh_on(engine, &engine.server())
    }

    /// A new one on another server than the shared one.
    pub fn fresh_on(engine: Engine, server: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("tcdb_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        execute(engine, server, &format!("CREATE DATABASE {name}"));
        let place = Place::Server { server: server.to_owned(), name: name.clone(), drop: true };
        Self { engine, url: url_on(server, &name), place }
    }

    /// One that a script made under a name of its own choice.
    pub fn existing(engine: Engine, name: &str) -> Self {
        let server = engine.server();
        let url = url_on(&server, name);
        Self { engine, url, place: Place::Server { server, name: name.to_owned(), drop: false } }
    }

    /// Path of a SQLite file.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::File { path, .. } => path,
            Place::Server { .. } => panic!("{} is no file", self.url),
        }
    }

    /// Name of a server's database.
    pub fn name(&self) -> &str {
        match &self.place {
            Place::File { .. } => panic!("a file has no database name"),
            Place::Server { name, .. } => name,
        }
    }

    /// Runs a script of this engine's dialect.
    pub fn execute(&self, sql: &str) {
        execute(self.engine, &self.url, sql);
    }

    /// Whether the engine refuses a script of its dialect.
    pub fn refuses(&self, sql: &str) -> bool {
        if self.engine == Engine::Sqlite {
            let file = self.sqlite();
            file.pragma_update(None, "foreign_keys", true).unwrap();
            return file.execute_batch(sql).is_err();
        }
        wait(try_execute(self.engine, self.url.clone(), sql.to_owned())).is_err()
    }

    /// Rows of a query, every value as the engine spells it in text.
    pub fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        query(self.engine, &self.url, sql)
    }

    /// One value.
    pub fn value(&self, sql: &str) -> Option<String> {
        self.query(sql).into_iter().next().and_then(|row| row.into_iter().next().flatten())
    }

    /// Opens the file with plain rusqlite.
    pub fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

impl Db {
    /// Waits until nobody else has a session in this database: what a process that was killed had asked for is done
    /// then, or taken back.
    pub fn left_alone(&self) {
        let others = match self.engine {
            Engine::Sqlite => return,
            Engine::Postgres => {
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                 AND backend_type = 'client backend'"
            }
            Engine::Mariadb | Engine::Mysql => {
                "SELECT count(*) FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            }
        };
        let at_work = match self.engine {
            Engine::Mariadb | Engine::Mysql => "SELECT * FROM information_schema.processlist",
            _ => "SELECT pid, state, wait_event, query FROM pg_stat_activity",
        };
        let begun = Instant::now();
        while self.value(others).as_deref() != Some("0") {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{}: sessions that do not end: {:?}",
                self.url,
                self.query(at_work)
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Databases of the product beside this one (of MySQL or MariaDB) whose names begin like this and which belong to it.
    pub fn marked(&self, beginning: &str) -> Vec<String> {
        wait(try_marked(&self.url, beginning, self.name())).unwrap_or_else(|e| panic!("{}: {e}", self.url))
    }
}

/// Databases whose names begin like this and whose marker tells that they belong to the database `of`.
async fn try_marked(url: &str, beginning: &str, of: &str) -> Result<Vec<String>, sqlx::Error> {
    let mut session = mysql(url).await?;
    let list = format!(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE '{}%'",
        beginning.replace('_', "\\_")
    );
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(list)).fetch_all(&mut session).await?;
    let names = rows.iter().filter_map(|row| row.get_unchecked::<Option<String>, _>(0));
    let mut marked = Vec::new();
    for name in names {
        let sql = format!("SELECT target FROM {name}.techcare_db_marker");
        let found = loop {
            let asked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).fetch_optional(&mut session).await;
            // Another test drops its own at this moment, and the server lets one of the two try again.
            if number(&asked) != Some(DEADLOCK) {
                break asked;
            }
        };
        match &found {
            Ok(row) => {
                let target = row.as_ref().and_then(|row| row.get_unchecked::<Option<String>, _>(0));
                marked.extend((target.as_deref() == Some(of)).then_some(name));
            }
            // It has no marker, or is gone by now.
            Err(_) if matches!(number(&found), Some(NO_DATABASE | NO_TABLE)) => {}
            Err(_) => return found.map(|_| Vec::new()),
        }
    }
    Ok(marked)
}

const NO_DATABASE: u16 = 1049;
const NO_TABLE: u16 = 1146;
const DEADLOCK: u16 = 1213;

/// The server's number of an error.
fn number<T>(answer: &Result<T, sqlx::Error>) -> Option<u16> {
    let error = answer.as_ref().err()?.as_database_error()?;
    error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>().map(sqlx::mysql::MySqlDatabaseError::number)
}

impl Drop for Db {
    fn drop(&mut self) {
        let Place::Server { server, name, drop: true } = &self.place else { return };
        if self.engine.is_mysql() {
            // In which runs of the product keep what gave way in this one.
            for kept in wait(try_marked(server, "techcare_db_kept_", name)).into_iter().flatten() {
                let sql = format!("DROP DATABASE IF EXISTS {kept}");
                let _ = wait(try_execute(self.engine, server.clone(), sql));
            }
        }
        let force = if self.engine == Engine::Postgres { " WITH (FORCE)" } else { "" };
        let sql = format!("DROP DATABASE IF EXISTS {name}{force}");
        // While a test is already failing, a second failure would only hide the first.
        let _ = wait(try_execute(self.engine, server.clone(), sql));
    }
}

/// Drops what earlier test processes left behind when they were killed.
fn sweep() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        for engine in Engine::all() {
            let list = match engine {
                Engine::Sqlite => continue,
                Engine::Postgres => "SELECT datname FROM pg_database WHERE datname LIKE 'tcdb\\_%'",
                Engine::Mariadb | Engine::Mysql => {
                    "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'tcdb\\_%'"
                }
            };
            for name in query(engine, &engine.server(), list).into_iter().flatten().flatten() {
                let owner = name.split('_').nth(1).unwrap_or_default();
                if !Path::new("/proc").join(owner).exists() {
                    let sql = format!("DROP DATABASE IF EXISTS {name}");
                    let _ = wait(try_execute(engine, engine.server(), sql));
                }
            }
        }
    });
}

/// Waits for a driver's answer on a small runtime of this thread.
pub fn wait<F: Future>(work: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(work))
}

/// Runs a script at a URL.
pub fn execute(engine: Engine, url: &str, sql: &str) {
    if let Err(error) = wait(try_execute(engine, url.to_owned(), sql.to_owned())) {
        panic!("{url}: {error}\n{sql}");
    }
}

async fn try_execute(engine: Engine, url: String, sql: String) -> Result<(), sqlx::Error> {
    match engine {
        Engine::Sqlite => {
            let file = rusqlite::Connection::open(url.trim_start_matches("sqlite:///")).unwrap();
            file.execute_batch(&sql).unwrap_or_else(|error| panic!("{url}: {error}\n{sql}"));
        }
        Engine::Postgres => {
            let mut session = sqlx::PgConnection::connect(&url).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut session).await?;
            session.close().await?;
        }
        Engine::Mariadb | Engine::Mysql => {
            let mut session = mysql(&url).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut session).await?;
            session.close().await?;
        }
    }
    Ok(())
}

/// A MySQL or MariaDB session that changes nothing on the way: UTF-8, UTC.
async fn mysql(url: &str) -> Result<sqlx::MySqlConnection, sqlx::Error> {
    let mut session = sqlx::MySqlConnection::connect(url).await?;
    // MySQL 8 remembers for a day what a table's next id was, also when that table is another one by now.
    let set = "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO' \
               /*!80000 , information_schema_stats_expiry = 0 */";
    sqlx::raw_sql(set).execute(&mut session).await?;
    Ok(session)
}

/// Rows of a query at a URL, every value as the engine spells it in text.
pub fn query(engine: Engine, url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    match engine {
        Engine::Sqlite => {
            let file = rusqlite::Connection::open(url.trim_start_matches("sqlite:///")).unwrap();
            let mut statement = file.prepare(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
            let width = statement.column_count();
            let rows = statement
                .query_map([], |row| {
                    (0..width)
                        .map(|i| {
                            Ok(match row.get_ref(i)? {
                                rusqlite::types::ValueRef::Null => None,
                                rusqlite::types::ValueRef::Integer(value) => Some(value.to_string()),
                                rusqlite::types::ValueRef::Real(value) => Some(format!("{value:?}")),
                                rusqlite::types::ValueRef::Text(bytes)
                                | rusqlite::types::ValueRef::Blob(bytes) => {
                                    Some(String::from_utf8_lossy(bytes).into_owned())
                                }
                            })
                        })
                        .collect()
                })
                .unwrap();
            rows.map(Result::unwrap).collect()
        }
        Engine::Postgres => {
            let rows = wait(async {
                let mut session = sqlx::PgConnection::connect(url).await?;
                let set = "SET TimeZone = 'UTC'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 3";
                sqlx::raw_sql(set).execute(&mut session).await?;
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut session).await
            })
            .unwrap_or_else(|error| panic!("{url}: {error}\n{sql}"));
            rows.iter()
                .map(|row| {
                    // Text protocol: whatever the type, the value is its text.
                    (0..row.len())
                        .map(|i| row.try_get_raw(i).unwrap().as_str().ok().map(str::to_owned))
                        .collect()
                })
                .collect()
        }
        Engine::Mariadb | Engine::Mysql => {
            let rows = wait(async {
                let mut session = mysql(url).await?;
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut session).await
            })
            .unwrap_or_else(|error| panic!("{url}: {error}\n{sql}"));
            rows.iter()
                .map(|row| (0..row.len()).map(|i| row.get_unchecked::<Option<String>, _>(i)).collect())
                .collect()
        }
    }
}
