//! Where a database is and how to log in, with the password masked from the moment it is parsed.
//! Parsing of what users type lives in `cli/config`; this is only the result.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// One of the three engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    #[serde(rename = "postgresql")]
    Postgres,
    /// MySQL and MariaDB; which of them is a [`Flavour`].
    Mysql,
}

impl Dialect {
    /// Name used on the command line, in messages and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
            Self::Mysql => "mysql",
        }
    }

    /// Name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        }
    }

    /// Port of a server that names none; `None` for SQLite.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some(5432),
            Self::Mysql => Some(3306),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A database product within an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// SQLite itself.
    Sqlite,
    /// PostgreSQL itself.
    #[serde(rename = "postgresql")]
    Postgres,
    /// Oracle's MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
}

impl Flavour {
    /// Engine that this product belongs to.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::Postgres => Dialect::Postgres,
            Self::Mysql | Self::Mariadb => Dialect::Mysql,
        }
    }

    /// Name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
        }
    }
}

/// A database that somebody named, resolved as far as that goes without opening it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it is.
    pub location: Location,
    /// Where the name came from, for messages: `from DATABASE_URL in .env`, `from --source`.
    pub origin: String,
    /// Pool settings.
    pub pool: PoolSettings,
}

/// Place of a database.
#[derive(Debug, Clone)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Postgres(Server),
    /// A MySQL or MariaDB server.
    Mysql(Server),
    /// A portable archive, which can be read and not written to.
    Archive {
        /// Its file.
        path: PathBuf,
        /// Product whose database it is of.
        product: Flavour,
    },
}

/// How to reach a database server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Host name or address; ignored where `socket` is set.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Unix socket: its directory for PostgreSQL, its file for MySQL.
    pub socket: Option<PathBuf>,
    /// User.
    pub user: String,
    /// Password; `None` if none was found.
    pub password: Option<SecretString>,
    /// Database.
    pub database: String,
    /// Encryption.
    pub tls: Tls,
    /// PostgreSQL `options` (start-up parameters).
    pub options: Option<String>,
}

impl Server {
    /// Whether the server is on this machine, so that plaintext does not cross a network.
    pub fn is_local(&self) -> bool {
        self.socket.is_some()
            || matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]" | "")
    }

    /// Host without the brackets that a URL puts around an IPv6 address.
    pub fn address(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// How strict encryption is, where nothing was asked for too.
    pub fn tls_mode(&self) -> TlsMode {
        let usual = if self.is_local() { TlsMode::Prefer } else { TlsMode::VerifyFull };
        self.tls.mode.unwrap_or(usual)
    }
}

/// Encryption of a connection to a server.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// How strict; `None` takes the default: `Prefer` for local servers, `VerifyFull` for others.
    pub mode: Option<TlsMode>,
    /// Certificate authorities (PEM).
    pub root_cert: Option<PathBuf>,
    /// Client certificate (PEM).
    pub client_cert: Option<PathBuf>,
    /// Client key (PEM).
    pub client_key: Option<PathBuf>,
}

/// `sslmode` in libpq's words; MySQL's `ssl_mode` has the same steps under other names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it.
    Prefer,
    /// Always, without looking at the certificate.
    Require,
    /// Always, certificate signed by a known authority.
    VerifyCa,
    /// Always, certificate signed by a known authority and made out to this host.
    VerifyFull,
}

/// Pool settings, the ones of TechCare's production configuration by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Most connections.
    pub max_connections: u32,
    /// Age at which a connection is replaced.
    pub recycle: Duration,
    /// Whether a connection is checked before it is used.
    pub pre_ping: bool,
    /// How long to wait for a connection.
    pub connect_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 10,
            recycle: Duration::from_secs(3600),
            pre_ping: true,
            connect_timeout: Duration::from_secs(10),
        }
    }
}

impl Endpoint {
    /// An endpoint with default pool settings.
    pub fn new(location: Location, origin: impl Into<String>) -> Self {
        Self { location, origin: origin.into(), pool: PoolSettings::default() }
    }

    /// Engine of this database; of an archive, the one that it was made from.
    pub fn dialect(&self) -> Dialect {
        match self.location {
            Location::File(_) => Dialect::Sqlite,
            Location::Postgres(_) => Dialect::Postgres,
            Location::Mysql(_) => Dialect::Mysql,
            Location::Archive { product, .. } => product.dialect(),
        }
    }
}

/// The redacted location, as messages, reports and JSON show it: `postgresql://techcare:***@db:5432/techcare`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::File(path) => write!(f, "sqlite:///{}", path.display()),
            Location::Archive { path, .. } => write!(f, "{}", path.display()),
            Location::Postgres(server) | Location::Mysql(server) => {
                let mask = if server.password.is_some() { ":***" } else { "" };
                write!(f, "{}://{}{mask}@", self.dialect(), server.user)?;
                match &server.socket {
                    Some(socket) => write!(f, "[{}]", socket.display())?,
                    None if server.host.contains(':') && !server.host.starts_with('[') => {
                        write!(f, "[{}]:{}", server.host, server.port)?;
                    }
                    None => write!(f, "{}:{}", server.host, server.port)?,
                }
                write!(f, "/{}", server.database)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(password: Option<&str>) -> Server {
        Server {
            host: "db".into(),
            port: 5432,
            socket: None,
            user: "techcare".into(),
            password: password.map(SecretString::from),
            database: "techcare".into(),
            tls: Tls::default(),
            options: None,
        }
    }

    #[test]
    fn no_rendering_shows_the_password() {
        let endpoint = Endpoint::new(Location::Postgres(server(Some("canary"))), "from --source");
        assert_eq!(endpoint.to_string(), "postgresql://techcare:***@db:5432/techcare");
        assert!(!format!("{endpoint:?}").contains("canary"));
    }

    #[test]
    fn a_path_is_shown_as_a_url() {
        let endpoint = Endpoint::new(Location::File("/srv/techcare.db".into()), "from --source");
        assert_eq!(endpoint.to_string(), "sqlite:////srv/techcare.db");
    }
}
