//! Reaching a server: options, encryption, sessions and pools, and what to say when that fails. Every session of
//! this engine is set up in [`Connector::prepare`], so that no setting of a role, database or server changes what
//! is read or written.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::fault;
use crate::engine::contained::{NO_SERVER, contained};
use crate::model::endpoint::{Endpoint, PoolSettings, Server, TlsMode};
use crate::model::error::{Error, ErrorKind, Result};

/// Settings that every session gets. `row_security = off` turns rows that a policy would hide into an error.
/// Those that a server's version does not know are passed over.
const SETTINGS: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "3"),
    ("xmloption", "content"),
    ("standard_conforming_strings", "on"),
    ("quote_all_identifiers", "off"),
    ("gin_fuzzy_search_limit", "0"),
    ("transform_null_equals", "off"),
    ("row_security", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("synchronize_seqscans", "off"),
    // A server that has lost this program notices within a minute or so, and gives back the locks of its session.
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "60000"),
];

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing in it may write.
    Reading,
    /// Anything.
    Writing,
}

/// How to reach one database.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    options: PgConnectOptions,
    server: Server,
    shown: String,
    pool: PoolSettings,
    purpose: Purpose,
    search_path: Option<String>,
    /// Whether the server has answered: what cannot be reached any more then was lost.
    answered: bool,
}

impl Connector {
    /// From an endpoint; nothing is opened yet.
    pub(super) fn new(server: &Server, endpoint: &Endpoint, purpose: Purpose) -> Result<Self> {
        Ok(Self {
            options: options(server)?,
            server: server.clone(),
            shown: endpoint.to_string(),
            pool: endpoint.pool,
            purpose,
            search_path: None,
            answered: false,
        })
    }

    /// The same database, known to be there.
    pub(super) fn answered(self) -> Self {
        Self { answered: true, ..self }
    }

    /// The same database with a `search_path` of its own (already quoted).
    pub(super) fn with_search_path(&self, search_path: String) -> Self {
        Self { search_path: Some(search_path), ..self.clone() }
    }

    /// The same database for sessions in which nothing may write.
    pub(super) fn reading(&self) -> Self {
        Self { purpose: Purpose::Reading, ..self.clone() }
    }

    /// Redacted location, for messages.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Where the server is.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// How long a login may take.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.pool.connect_timeout
    }

    /// User that logs in.
    pub(super) fn user(&self) -> &str {
        &self.server.user
    }

    /// Database.
    pub(super) fn database(&self) -> &str {
        &self.server.database
    }

    /// Most connections that the pool settings allow.
    pub(super) fn most_connections(&self) -> u32 {
        self.pool.max_connections.max(1)
    }

    /// A session of its own, set up.
    pub(super) async fn session(&self) -> Result<PgConnection> {
        let opened = self.logged_in().await;
        if self.answered { opened.map_err(Error::on_the_way) } else { opened }
    }

    async fn logged_in(&self) -> Result<PgConnection> {
        let opened = contained(async {
            let mut session = self.options.connect().await?;
            self.prepare(&mut session).await?;
            Ok(session)
        });
        match tokio::time::timeout(self.pool.connect_timeout, opened).await {
            Ok(Some(Ok(session))) => Ok(session),
            Ok(Some(Err(cause))) => Err(self.refused(&cause)),
            Ok(None) => Err(self.unreachable(NO_SERVER.to_owned())),
            Err(_) => {
                Err(self.unreachable(format!("no answer within {} s", self.pool.connect_timeout.as_secs())))
            }
        }
    }

    /// A pool of such sessions; connections are made when they are needed.
    pub(super) fn pool(&self, most: u32) -> PgPool {
        let connector = self.clone();
        self.pool_options(most)
            .after_connect(move |session, _| {
                let connector = connector.clone();
                Box::pin(async move { connector.prepare(session).await })
            })
            .connect_lazy_with(self.options.clone())
    }

    /// A pool as TechCare itself would have it: the settings of the server are left alone.
    pub(super) fn plain_pool(&self) -> PgPool {
        self.pool_options(self.most_connections()).connect_lazy_with(self.options.clone())
    }

    fn pool_options(&self, most: u32) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(most.max(1))
            .max_lifetime(Some(self.pool.recycle).filter(|age| !age.is_zero()))
            .test_before_acquire(self.pool.pre_ping)
            .acquire_timeout(self.pool.connect_timeout.max(Duration::from_secs(1)))
    }

    /// One round trip that fixes every setting, and `search_path` in a second one where it is ours.
    async fn prepare(&self, session: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut values =
            SETTINGS.iter().map(|(name, value)| format!("('{name}', '{value}')")).collect::<Vec<_>>();
        if self.purpose == Purpose::Reading {
            values.push("('default_transaction_read_only', 'on')".into());
        }
        let sql = format!(
            "SELECT set_config(v.name, v.value, false) FROM (VALUES {}) AS v(name, value) \
             WHERE current_setting(v.name, true) IS NOT NULL",
            values.join(", ")
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await?;
        if let Some(path) = &self.search_path {
            sqlx::raw_sql(AssertSqlSafe(format!("SET search_path TO {path}"))).execute(session).await?;
        }
        Ok(())
    }

    fn refused(&self, cause: &sqlx::Error) -> Error {
        let code = fault::code(cause);
        match code.as_deref() {
            Some("3D000") => Error::new(
                ErrorKind::Login,
                format!("{} has no database {:?}", self.place(), self.database()),
            )
            .why(fault::words(cause))
            .next(format!(
                "create it (CREATE DATABASE {}) or correct the name",
                super::types::quote(self.database())
            )),
            Some(code) if code.starts_with("28") => {
                let next = if self.server.password.is_none() {
                    "no password was given: set it in the URL, DB_PASSWORD_FILE or ~/.pgpass"
                } else {
                    "check user and password, and pg_hba.conf on the server"
                };
                Error::new(
                    ErrorKind::Login,
                    format!("{} refuses the login of {:?}", self.place(), self.user()),
                )
                .why(fault::words(cause))
                .next(next)
            }
            Some("42501") => Error::new(
                ErrorKind::Login,
                format!("user {:?} may not connect to database {:?}", self.user(), self.database()),
            )
            .why(fault::words(cause))
            .next(format!(
                "GRANT CONNECT ON DATABASE {} TO {}",
                super::types::quote(self.database()),
                super::types::quote(self.user())
            )),
            Some(_) => fault::fault(ErrorKind::Unreachable, format!("cannot open {}", self.shown), cause),
            None => self.unreachable(fault::words(cause)),
        }
    }

    fn unreachable(&self, why: String) -> Error {
        let next = if why.contains("TLS") || why.contains("certificate") {
            "check the certificate, or name its authority with ?sslrootcert=, or ask for another ?sslmode="
        } else {
            "check that the server runs there, and host, port and firewall"
        };
        Error::new(ErrorKind::Unreachable, format!("cannot reach {}", self.shown)).why(why).next(next)
    }

    fn place(&self) -> String {
        match &self.server.socket {
            Some(socket) => format!("the server at {}", socket.display()),
            None => format!("the server at {}:{}", self.server.host, self.server.port),
        }
    }
}

fn options(server: &Server) -> Result<PgConnectOptions> {
    // The command line has looked for passwords already, `.pgpass` included.
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(server.address())
        .port(server.port)
        .username(&server.user)
        .database(&server.database)
        .application_name("techcare-db")
        .ssl_mode(ssl_mode(server))
        .disable_statement_logging();
    if let Some(socket) = &server.socket {
        options = options.socket(socket);
    }
    if let Some(password) = &server.password {
        options = options.password(password.expose_secret());
    }
    if let Some(path) = &server.tls.root_cert {
        options = options.ssl_root_cert(path);
    }
    if let Some(path) = &server.tls.client_cert {
        options = options.ssl_client_cert(path);
    }
    if let Some(path) = &server.tls.client_key {
        options = options.ssl_client_key(path);
    }
    if let Some(text) = &server.options {
        options = options.options(parse_options(text)?);
    }
    Ok(options)
}

fn ssl_mode(server: &Server) -> PgSslMode {
    match server.tls_mode() {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    }
}

/// `-c name=value --name=value`, as libpq's `options` has it: blanks part, a backslash keeps one.
fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let bad = || {
        Error::new(ErrorKind::Usage, "options of the PostgreSQL URL are not understood")
            .next("write them as libpq does: options=-c search_path=app")
    };
    let mut settings = Vec::new();
    let mut words = words(text).into_iter();
    while let Some(word) = words.next() {
        let setting = match (word.strip_prefix("-c"), word.strip_prefix("--")) {
            (Some(""), _) => words.next().ok_or_else(bad)?,
            (Some(rest), _) | (None, Some(rest)) => rest.to_owned(),
            (None, None) => return Err(bad()),
        };
        let (name, value) = setting.split_once('=').ok_or_else(bad)?;
        settings.push((name.to_owned(), value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => words.last_mut().into_iter().for_each(|w| w.extend(chars.next())),
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|w| w.push(c)),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Tls;

    fn server(host: &str, mode: Option<TlsMode>) -> Server {
        Server {
            host: host.into(),
            port: 5432,
            socket: None,
            user: "techcare".into(),
            password: None,
            database: "techcare".into(),
            tls: Tls { mode, ..Tls::default() },
            options: None,
        }
    }

    #[test]
    fn plaintext_to_another_machine_has_to_be_asked_for() {
        assert!(matches!(ssl_mode(&server("db.example", None)), PgSslMode::VerifyFull));
        assert!(matches!(ssl_mode(&server("127.0.0.1", None)), PgSslMode::Prefer));
        assert!(matches!(ssl_mode(&server("db.example", Some(TlsMode::Disable))), PgSslMode::Disable));
    }

    #[test]
    fn options_are_read_as_libpq_reads_them() {
        let pairs =
            parse_options("-c search_path=app,public  --work_mem=64MB -cgeqo=off -c a=b\\ c").unwrap();
        let expected = [("search_path", "app,public"), ("work_mem", "64MB"), ("geqo", "off"), ("a", "b c")];
        assert!(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(expected));
        assert!(parse_options("search_path=app").is_err());
        assert!(parse_options("").unwrap().is_empty());
    }
}
