//! Database URLs as SQLAlchemy, libpq and Django users write them, taken apart without looking at anything but
//! their text. The `url` crate follows the rules of the web, which are others: a password may hold `#` here, a
//! Windows path stands after three slashes, and there may be no host at all.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use super::query::Query;
use crate::model::endpoint::{Dialect, Tls};
use crate::model::error::{Error, ErrorKind, Result};

/// Advice that every malformed URL ends with.
const ADVICE: &str =
    "write postgresql://user:password@host:port/name, with @ : / # ? % in the password percent-encoded";

/// A URL taken apart.
#[derive(Debug, Clone)]
pub struct DatabaseUrl {
    /// What it names.
    pub place: Place,
    /// What was read and has no effect.
    pub warnings: Vec<String>,
}

/// What a URL names.
#[derive(Debug, Clone)]
pub enum Place {
    /// A SQLite file, as written: relative, absolute, maybe percent-encoded.
    File(String),
    /// A database of a server.
    Server(Dialect, Box<ServerUrl>),
}

/// The parts of a server's URL; what is `None` was not given.
#[derive(Debug, Clone, Default)]
pub struct ServerUrl {
    /// User.
    pub user: Option<String>,
    /// Password; an empty one counts as none, as it does in libpq.
    pub password: Option<SecretString>,
    /// Host name or address, IPv6 without brackets.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Socket directory (PostgreSQL) or file (MySQL).
    pub socket: Option<PathBuf>,
    /// Database.
    pub database: Option<String>,
    /// Encryption.
    pub tls: Tls,
    /// PostgreSQL start-up options.
    pub options: Option<String>,
    /// `connect_timeout`.
    pub connect_timeout: Option<Duration>,
}

/// Engine that a word on the command line, `DB_TYPE` or the scheme of a URL stands for.
pub fn engine(word: &str) -> Option<Dialect> {
    match word.to_ascii_lowercase().as_str() {
        "sqlite" | "sqlite3" => Some(Dialect::Sqlite),
        "postgresql" | "postgres" | "pg" | "pgsql" | "postgis" => Some(Dialect::Postgres),
        "mysql" | "mariadb" | "mysql2" => Some(Dialect::Mysql),
        _ => None,
    }
}

/// The error for a word that stands for no engine.
pub fn unsupported(word: &str) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("unsupported database type \"{word}\" (use sqlite, postgresql or mysql)"),
    )
}

/// Scheme without its driver, and the rest after `://`; `None` if the text is not a URL.
pub fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let word = scheme.split('+').next().unwrap_or(scheme);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    (!word.is_empty() && word.chars().all(plain)).then_some((word, rest))
}

/// Takes a URL apart. No error shows more of it than its scheme.
pub fn parse(text: &str) -> Result<DatabaseUrl> {
    let Some((scheme, rest)) = split_scheme(text.trim()) else {
        return Err(Error::new(ErrorKind::Usage, "this is not a database URL").next(ADVICE));
    };
    match engine(scheme) {
        None => Err(unsupported(scheme)),
        Some(Dialect::Sqlite) => parse_file(rest),
        Some(dialect) => parse_server(dialect, rest),
    }
}

fn parse_file(rest: &str) -> Result<DatabaseUrl> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match path.strip_prefix('/') {
        Some(path) => path,
        None if path.is_empty() => "",
        None => {
            return Err(Error::new(ErrorKind::Usage, "a SQLite URL needs three slashes")
                .next("write sqlite:///instance/techcare.db, or sqlite:////absolute/path.db"));
        }
    };
    let path = path.strip_prefix("file:").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err(Error::new(
            ErrorKind::Usage,
            "the SQLite URL names no file: a database in memory is gone when its program ends",
        )
        .next("write sqlite:///instance/techcare.db"));
    }
    if path.contains('\0') {
        return Err(Error::new(ErrorKind::Usage, "the path in the SQLite URL holds a NUL character"));
    }
    Ok(DatabaseUrl { place: Place::File(path.to_owned()), warnings: Query::parse(query)?.file_warnings() })
}

fn parse_server(dialect: Dialect, rest: &str) -> Result<DatabaseUrl> {
    let (credentials, rest) = split_credentials(rest);
    let mut server = ServerUrl::default();
    if let Some((user, password)) = credentials {
        server.user = decode(user, "user")?.filter(|user| !user.is_empty());
        server.password = match password {
            Some(password) => decode(password, "password")?.filter(|p| !p.is_empty()).map(SecretString::from),
            None => None,
        };
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = match path.split_once('/') {
        Some((authority, database)) => (authority, database),
        None => (path, ""),
    };
    parse_authority(authority, &mut server)?;
    server.database = decode(database, "database")?.filter(|name| !name.is_empty());
    let warnings = Query::parse(query)?.apply(dialect, &mut server)?;
    Ok(DatabaseUrl { place: Place::Server(dialect, Box::new(server)), warnings })
}

type Credentials<'a> = (&'a str, Option<&'a str>);

/// Splits `user:password@` off. It ends at the last `@` before the path, as in libpq; where that leaves
/// something that cannot be a port, the password holds a `/`, `?` or `#` as SQLAlchemy allows it to.
fn split_credentials(rest: &str) -> (Option<Credentials<'_>>, &str) {
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let at = rest[..authority_end].rfind('@').or_else(|| {
        let (_, port) = rest[..authority_end].rsplit_once(':')?;
        let possible = port.is_empty() || port.bytes().all(|b| b.is_ascii_digit());
        if possible || rest.starts_with('[') { None } else { rest.find('@') }
    });
    let Some(at) = at else { return (None, rest) };
    let (credentials, rest) = (&rest[..at], &rest[at + 1..]);
    match credentials.split_once(':') {
        Some((user, password)) => (Some((user, Some(password))), rest),
        None => (Some((credentials, None)), rest),
    }
}

fn parse_authority(authority: &str, server: &mut ServerUrl) -> Result<()> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| {
            Error::new(ErrorKind::Usage, "the IPv6 address in the URL has no closing bracket")
                .next("write postgresql://user:password@[::1]:5432/name")
        })?;
        (host, after.strip_prefix(':').unwrap_or(after))
    } else {
        authority.split_once(':').unwrap_or((authority, ""))
    };
    if host.contains(',') || port.contains(',') {
        return Err(Error::new(ErrorKind::Usage, "the URL names several hosts")
            .next("name the one server that the data is to be read from or written to"));
    }
    if !port.is_empty() {
        server.port = Some(parse_port(port)?);
    }
    if let Some(host) = decode(host, "host")?.filter(|host| !host.is_empty()) {
        set_host(server, host);
    }
    Ok(())
}

/// A host that begins with a slash is a socket, as in libpq.
pub(super) fn set_host(server: &mut ServerUrl, host: String) {
    if host.starts_with('/') {
        server.socket = Some(PathBuf::from(host));
    } else {
        server.host = Some(host);
    }
}

/// A port; the error does not show the text, which may be the tail of a password.
pub(super) fn parse_port(text: &str) -> Result<u16> {
    text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        Error::new(ErrorKind::Usage, "the port in the URL is not a number from 1 to 65535").next(ADVICE)
    })
}

/// Percent-decodes; a `%` that is no escape stays, as in SQLAlchemy.
pub(super) fn decode(text: &str, part: &str) -> Result<Option<String>> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| {
        Error::new(ErrorKind::Usage, format!("the {part} in the URL is not UTF-8 once it is percent-decoded"))
            .next("percent-encode the UTF-8 form, for example ç as %C3%A7")
    })?;
    if decoded.contains('\0') {
        return Err(Error::new(ErrorKind::Usage, format!("the {part} in the URL holds a NUL character")));
    }
    Ok(Some(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::model::endpoint::TlsMode;

    fn server(text: &str) -> ServerUrl {
        match parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).place {
            Place::Server(_, server) => *server,
            Place::File(path) => panic!("a file: {path}"),
        }
    }

    fn file(text: &str) -> String {
        match parse(text).unwrap().place {
            Place::File(path) => path,
            Place::Server(..) => panic!("a server"),
        }
    }

    fn password(text: &str) -> String {
        server(text).password.map_or_else(|| "(none)".into(), |p| p.expose_secret().to_owned())
    }

    #[test]
    fn every_spelling_of_an_engine_is_known() {
        for (text, expected) in [
            ("sqlite:///a.db", Dialect::Sqlite),
            ("sqlite+pysqlite:///a.db", Dialect::Sqlite),
            ("postgresql://h/d", Dialect::Postgres),
            ("postgres://h/d", Dialect::Postgres),
            ("postgresql+psycopg2://h/d", Dialect::Postgres),
            ("postgresql+asyncpg://h/d", Dialect::Postgres),
            ("PostgreSQL://h/d", Dialect::Postgres),
            ("postgis://h/d", Dialect::Postgres),
            ("mysql://h/d", Dialect::Mysql),
            ("mysql+pymysql://h/d", Dialect::Mysql),
            ("mariadb://h/d", Dialect::Mysql),
            ("mariadb+mariadbconnector://h/d", Dialect::Mysql),
        ] {
            let found = match parse(text).unwrap().place {
                Place::File(_) => Dialect::Sqlite,
                Place::Server(dialect, _) => dialect,
            };
            assert_eq!(found, expected, "{text}");
        }
        let error = parse("oracle+cx_oracle://scott:canary@h/x").unwrap_err();
        assert_eq!(error.what(), "unsupported database type \"oracle\" (use sqlite, postgresql or mysql)");
    }

    #[test]
    fn all_parts_of_a_server() {
        let s = server("postgresql://techcare:secret@db.example.org:6543/tech_care");
        assert_eq!(s.user.as_deref(), Some("techcare"));
        assert_eq!(s.host.as_deref(), Some("db.example.org"));
        assert_eq!((s.port, s.database.as_deref()), (Some(6543), Some("tech_care")));
        let s = server("postgresql://u:@localhost/techcare_production");
        assert!(s.password.is_none() && s.port.is_none());
        assert_eq!(s.database.as_deref(), Some("techcare_production"));
        let s = server("mysql://ze:pw@ze.mysql.pythonanywhere-services.com/ze$techcare");
        assert_eq!(s.database.as_deref(), Some("ze$techcare"));
        let s = server("postgresql:///techcare");
        assert!(s.host.is_none() && s.user.is_none());
        assert_eq!(server("postgresql://localhost").database, None);
        assert_eq!(server("postgresql://u@h:/d").port, None);
        assert_eq!(server("mysql://u@h/bd%20com%C3%A7a").database.as_deref(), Some("bd comça"));
    }

    #[test]
    fn ipv6_hosts_lose_their_brackets() {
        let s = server("postgresql://u:p@[2001:db8::1]:5433/d");
        assert_eq!((s.host.as_deref(), s.port), (Some("2001:db8::1"), Some(5433)));
        let s = server("mysql://[::1]/d");
        assert_eq!((s.host.as_deref(), s.port), (Some("::1"), None));
        assert!(parse("mysql://u:canary@[::1/d").is_err());
    }

    #[test]
    fn passwords_are_decoded_whatever_they_hold() {
        for (text, expected) in [
            ("postgresql://u:p%40%3A%2F%23%3F%25@h/d", "p@:/#?%"),
            ("postgresql://u:senha-n%C3%A3o%E2%82%AC@h/d", "senha-não€"),
            ("postgresql://u:não@h/d", "não"),
            ("postgresql://u:a:b@h/d", "a:b"),
            ("postgresql://u:a#b@h/d", "a#b"),
            ("postgresql://u:a@b@h/d", "a@b"),
            ("postgresql://u:a/b@h:5432/d", "a/b"),
            ("postgresql://u:a?b@h/d", "a?b"),
            ("postgresql://u:100%@h/d", "100%"),
            ("postgresql://u:100%zz@h/d", "100%zz"),
            ("postgresql://u:a+b@h/d", "a+b"),
            ("postgresql://u:@h/d", "(none)"),
            ("postgresql://u@h/d", "(none)"),
            ("postgresql://h:5432/d@x", "(none)"),
            ("postgresql://u:%24%7Bx%7D@h/d", "${x}"),
        ] {
            assert_eq!(password(text), expected, "{text}");
        }
        assert_eq!(server("postgresql://jos%C3%A9%40x:p@h/d").user.as_deref(), Some("josé@x"));
        assert!(parse("postgresql://u:%FF@h/d").is_err());
        assert!(parse("postgresql://u:a%00b@h/d").is_err());
    }

    #[test]
    fn sockets_are_named_in_the_query_or_as_the_host() {
        for text in [
            "postgresql://u@/d?host=/var/run/postgresql",
            "postgresql:///d?host=%2Fvar%2Frun%2Fpostgresql&user=u",
            "postgresql://u@%2Fvar%2Frun%2Fpostgresql/d",
            "postgresql+psycopg2://u:p@/d?host=/var/run/postgresql&port=5433",
        ] {
            let s = server(text);
            assert_eq!(s.socket, Some(PathBuf::from("/var/run/postgresql")), "{text}");
            assert_eq!(s.user.as_deref(), Some("u"), "{text}");
        }
        assert_eq!(server("postgresql:///d?host=/s&port=5433").port, Some(5433));
        let s = server("mysql+pymysql://root@localhost/d?unix_socket=/run/mysqld/mysqld.sock");
        assert_eq!(s.socket, Some(PathBuf::from("/run/mysqld/mysqld.sock")));
    }

    #[test]
    fn encryption_is_told_in_the_words_of_both_worlds() {
        for (query, expected) in [
            ("sslmode=disable", TlsMode::Disable),
            ("sslmode=allow", TlsMode::Prefer),
            ("sslmode=prefer", TlsMode::Prefer),
            ("sslmode=require", TlsMode::Require),
            ("sslmode=verify-ca", TlsMode::VerifyCa),
            ("sslmode=verify-full", TlsMode::VerifyFull),
            ("ssl_mode=DISABLED", TlsMode::Disable),
            ("ssl_mode=PREFERRED", TlsMode::Prefer),
            ("ssl-mode=REQUIRED", TlsMode::Require),
            ("ssl_mode=VERIFY_CA", TlsMode::VerifyCa),
            ("ssl-mode=VERIFY_IDENTITY", TlsMode::VerifyFull),
            ("ssl=true", TlsMode::Require),
            ("sslmode=require&sslrootcert=/ca.pem", TlsMode::VerifyCa),
            ("sslrootcert=system", TlsMode::VerifyFull),
        ] {
            assert_eq!(server(&format!("postgresql://h/d?{query}")).tls.mode, Some(expected), "{query}");
        }
        assert_eq!(server("postgresql://h/d").tls.mode, None);
        let tls = server("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca&sslcert=/c&sslkey=/k").tls;
        assert_eq!(tls.root_cert, Some("/ca".into()));
        assert_eq!((tls.client_cert, tls.client_key), (Some("/c".into()), Some("/k".into())));
        let tls = server("mysql://h/d?ssl_ca=/ca&ssl_cert=/c&ssl_key=/k").tls;
        assert_eq!((tls.mode, tls.root_cert), (None, Some("/ca".into())));
        assert_eq!((tls.client_cert, tls.client_key), (Some("/c".into()), Some("/k".into())));
        let tls = server("mysql://h/d?ssl_ca=/ca&ssl_check_hostname=false").tls;
        assert_eq!(tls.mode, Some(TlsMode::VerifyCa));
        let error = parse("postgresql://u:canary@h/d?sslmode=strict").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    #[test]
    fn other_keys_are_used_ignored_or_warned_about() {
        let url = parse("mysql://h/d?charset=latin1&connect_timeout=3&wonder=1").unwrap();
        assert_eq!(url.warnings, ["\"wonder\" in the URL is not known and has no effect"]);
        let s = server("postgresql://h/d?options=-c%20search_path%3Dapp&connect_timeout=7");
        assert_eq!(s.options.as_deref(), Some("-c search_path=app"));
        assert_eq!(s.connect_timeout, Some(Duration::from_secs(7)));
        assert_eq!(server("postgresql://h/d?options=-c+a=b").options.as_deref(), Some("-c a=b"));
        assert!(parse("postgresql://h/d?connect_timeout=soon").is_err());
        let s = server("postgresql:///?user=u&password=p%26w&dbname=d&host=h&port=1");
        assert_eq!((s.user.as_deref(), s.database.as_deref()), (Some("u"), Some("d")));
        assert_eq!(s.password.unwrap().expose_secret(), "p&w");
    }

    #[test]
    fn files_keep_their_path_as_written() {
        assert_eq!(file("sqlite:///instance/techcare.db"), "instance/techcare.db");
        assert_eq!(file("sqlite:///techcare.db"), "techcare.db");
        assert_eq!(file("sqlite:////srv/techcare.db"), "/srv/techcare.db");
        assert_eq!(file("sqlite:///C:\\TechCare\\app.db"), "C:\\TechCare\\app.db");
        assert_eq!(file("sqlite:///a.db?mode=ro"), "a.db");
        assert_eq!(file("sqlite:///file:a.db?mode=ro&uri=true"), "a.db");
        for text in ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://a.db"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Usage, "{text}");
        }
    }

    #[test]
    fn no_rendering_of_anything_shows_the_password() {
        for text in [
            "postgresql://u:canary@h/d",
            "postgresql://u:canary/@h/d",
            "postgresql:///d?password=canary",
            "mysql://u:canary@h/d?wonder=1&password=canary",
        ] {
            assert!(!format!("{:?}", parse(text).unwrap()).contains("canary"), "{text}");
        }
        for text in [
            "postgresql://u:canary",
            "postgresql://u:canary@h:canary/d",
            "postgresql://u:canary%FF@h/d",
            "postgresql://u:canary@h/d?sslmode=canary",
            "postgresql://u:canary@h/d?connect_timeout=canary",
            "postgresql://u:canary@a,b/d",
            "canary",
            "u:canary@h",
            "sqlite://u:canary@h/d",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("canary"), "{text}: {error:?}");
        }
    }
}
