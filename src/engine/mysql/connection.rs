//! Connections: options from an endpoint, the settings of every session of ours, and the one place where text
//! becomes a statement.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow, MySqlSslMode};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Decode, Executor, MySql, MySqlConnection, MySqlPool, Row,
    SqlSafeStr,
};

use super::fault;
use crate::engine::contained::{NO_SERVER, contained};
use crate::model::endpoint::{Endpoint, Server, TlsMode};
use crate::model::error::{Error, ErrorKind, Result};

/// Settings of every session: strict, in UTC, whole answers, patient while the other end of a migration is slow. The
/// comments are read by MariaDB or by MySQL 8 alone. `NO_BACKSLASH_ESCAPES` and `ANSI_QUOTES` stay off whatever the server says.
const SESSION: &str = "SET SESSION sql_mode='STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,\
     NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES', time_zone='+00:00', net_read_timeout=3600, net_write_timeout=3600, \
     wait_timeout=86400, lock_wait_timeout=60, innodb_lock_wait_timeout=60, sql_quote_show_create=1, autocommit=1, \
     sql_select_limit=18446744073709551615, sql_big_selects=1, sql_safe_updates=0 \
     /*M!100101 , max_statement_time=0 */ \
     /*!80000 , information_schema_stats_expiry=0, max_execution_time=0 */";

/// How long, in seconds, a session of ours may rest before the server ends it; [`SESSION`] sets it.
pub const WAIT_TIMEOUT: u32 = 86400;

/// How long, in seconds, a session of ours waits for a lock on a table; [`SESSION`] sets it.
pub const LOCK_WAIT_TIMEOUT: u32 = 60;

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Read: the server itself refuses anything else.
    Reader,
    /// Read and write.
    Writer,
    /// Fill tables that nobody sees: references are proved afterwards, by anti-join.
    Loader,
}

impl Role {
    fn statements(self) -> &'static [&'static str] {
        match self {
            Self::Reader => &["SET SESSION TRANSACTION READ ONLY"],
            Self::Writer => &[],
            Self::Loader => &["SET SESSION foreign_key_checks=0, unique_checks=1"],
        }
    }

    /// Settings that not every server has or lets everybody change.
    fn wishes(self) -> &'static [&'static str] {
        match self {
            Self::Loader => &[
                "SET SESSION explicit_defaults_for_timestamp=1",
                "SET SESSION innodb_strict_mode=0",
                "SET SESSION sql_require_primary_key=0",
                "SET SESSION sql_generate_invisible_primary_key=0",
            ],
            Self::Reader | Self::Writer => &[],
        }
    }
}

/// How to reach one server.
#[derive(Debug, Clone)]
pub struct Link {
    server: Server,
    endpoint: Endpoint,
    options: MySqlConnectOptions,
    /// Whether the server has answered: what cannot be reached any more then was lost.
    answered: bool,
}

impl Link {
    /// Options from an endpoint.
    pub fn new(server: &Server, endpoint: &Endpoint) -> Self {
        let mut options = MySqlConnectOptions::new()
            .host(server.address())
            .port(server.port)
            .username(&server.user)
            .database(&server.database)
            .charset("utf8mb4")
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        if let Some(socket) = &server.socket {
            options = options.socket(socket);
        }
        if let Some(password) = &server.password {
            options = options.password(password.expose_secret());
        }
        options = options.ssl_mode(match server.tls_mode() {
            TlsMode::Disable => MySqlSslMode::Disabled,
            TlsMode::Prefer => MySqlSslMode::Preferred,
            TlsMode::Require => MySqlSslMode::Required,
            TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
            TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
        });
        if let Some(file) = &server.tls.root_cert {
            options = options.ssl_ca(file);
        }
        if let Some(file) = &server.tls.client_cert {
            options = options.ssl_client_cert(file);
        }
        if let Some(file) = &server.tls.client_key {
            options = options.ssl_client_key(file);
        }
        Self { server: server.clone(), endpoint: endpoint.clone(), options, answered: false }
    }

    /// The same server, known to be there.
    pub fn answered(self) -> Self {
        Self { answered: true, ..self }
    }

    /// The same server, another database.
    pub fn in_database(&self, database: &str) -> Self {
        Self { options: self.options.clone().database(database), ..self.clone() }
    }

    /// Where the server is.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The endpoint's own database.
    pub fn database(&self) -> &str {
        &self.server.database
    }

    /// The user that logs in.
    pub fn user(&self) -> &str {
        &self.server.user
    }

    /// One connection of its own. It fails at once where a pool would try for a while.
    pub async fn connect(&self, role: Role) -> Result<MySqlConnection> {
        let connected = self.logged_in(role).await;
        if self.answered { connected.map_err(Error::on_the_way) } else { connected }
    }

    async fn logged_in(&self, role: Role) -> Result<MySqlConnection> {
        let patience = self.endpoint.pool.connect_timeout;
        let connected = contained(async {
            let mut connection = self.options.connect().await?;
            prepare_session(&mut connection, role).await?;
            Ok(connection)
        });
        match tokio::time::timeout(patience, connected).await {
            Ok(Some(Ok(connection))) => Ok(connection),
            Ok(Some(Err(error))) => Err(fault::connecting(&self.server, &self.endpoint, &error)),
            Ok(None) => {
                Err(Error::new(ErrorKind::Unreachable, format!("cannot connect to {}", self.endpoint))
                    .why(NO_SERVER)
                    .next("check host and port"))
            }
            Err(_) => Err(Error::new(ErrorKind::Unreachable, format!("cannot connect to {}", self.endpoint))
                .why(format!("no answer within {} s", patience.as_secs()))
                .next("check that the server runs, and host, port, socket and firewall")),
        }
    }

    /// A pool that connects when it has to.
    pub fn pool(&self, role: Role) -> MySqlPool {
        let settings = self.endpoint.pool;
        MySqlPoolOptions::new()
            .max_connections(settings.max_connections.max(2))
            .max_lifetime(settings.recycle)
            .test_before_acquire(settings.pre_ping)
            .acquire_timeout(settings.connect_timeout.max(Duration::from_secs(1)))
            .after_connect(move |connection, _| Box::pin(prepare_session(connection, role)))
            .connect_lazy_with(self.options.clone())
    }
}

/// Gives a session its settings again after statements that needed others.
pub async fn reset(connection: &mut MySqlConnection, role: Role) -> Result<(), sqlx::Error> {
    connection.execute("SET NAMES utf8mb4").await?;
    prepare_session(connection, role).await
}

async fn prepare_session(connection: &mut MySqlConnection, role: Role) -> Result<(), sqlx::Error> {
    connection.execute(SESSION).await?;
    for statement in role.statements() {
        connection.execute(*statement).await?;
    }
    for wish in role.wishes() {
        // A server without the setting, or with another right for it, does as well.
        if let Err(error) = connection.execute(*wish).await
            && fault::number(&error).is_none()
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Time that one round trip takes.
pub async fn latency(connection: &mut MySqlConnection) -> Result<Duration> {
    let begun = Instant::now();
    connection.ping().await.map_err(|e| fault::reading("the server's answer", &e))?;
    Ok(begun.elapsed())
}

/// Text as a statement. Every name in it went through `types::quote`, every text through `types::literal`.
pub fn statement(sql: &str) -> sqlx::RawSql {
    sqlx::raw_sql(AssertSqlSafe(sql))
}

/// Runs a statement.
pub async fn run(connection: &mut MySqlConnection, sql: &str) -> Result<(), sqlx::Error> {
    statement(sql).execute(connection).await.map(|_| ())
}

/// Has the server read a statement without running it: it takes a single one then, whatever the session allows. `Ok`
/// also where the server can read it but not prepare it, as is so with most definitions in MySQL.
pub async fn parse(connection: &mut MySqlConnection, sql: &str) -> Result<(), sqlx::Error> {
    /// `ER_UNSUPPORTED_PS`.
    const NOT_TO_BE_PREPARED: u16 = 1295;
    match connection.prepare(AssertSqlSafe(sql).into_sql_str()).await {
        Err(error) if fault::number(&error) != Some(NOT_TO_BE_PREPARED) => Err(error),
        _ => Ok(()),
    }
}

/// All rows of a query that gives few.
pub async fn rows(connection: &mut MySqlConnection, what: &str, sql: &str) -> Result<Vec<Fields>> {
    let rows = statement(sql).fetch_all(connection).await.map_err(|e| fault::reading(what, &e))?;
    Ok(rows.into_iter().map(Fields).collect())
}

/// The first number of a query's answer.
pub async fn number(connection: &mut MySqlConnection, what: &str, sql: &str) -> Result<u64> {
    Ok(rows(connection, what, sql).await?.first().and_then(|r| r.number(0)).unwrap_or(0))
}

/// A row of the catalogue. Fields are read as bytes, because the catalogue's own character sets differ.
pub struct Fields(MySqlRow);

impl Fields {
    /// Bytes of a field; `None` for NULL.
    pub fn bytes(&self, at: usize) -> Option<&[u8]> {
        let value = self.0.try_get_raw(at).ok()?;
        <&[u8] as Decode<MySql>>::decode(value).ok()
    }

    /// Text of a field; `None` for NULL.
    pub fn text(&self, at: usize) -> Option<String> {
        self.bytes(at).map(|b| String::from_utf8_lossy(b).into_owned())
    }

    /// Text of a field, empty for NULL.
    pub fn word(&self, at: usize) -> String {
        self.text(at).unwrap_or_default()
    }

    /// The first fields as the values of a key's columns, for messages: `a=1, b=x`.
    pub fn key(&self, columns: &[String]) -> String {
        let value = |at| self.text(at).unwrap_or_else(|| "NULL".into());
        let part = |(at, name): (usize, &String)| format!("{name}={}", value(at));
        columns.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
    }

    /// Number in a field.
    pub fn number<N: std::str::FromStr>(&self, at: usize) -> Option<N> {
        std::str::from_utf8(self.bytes(at)?).ok()?.parse().ok()
    }
}
