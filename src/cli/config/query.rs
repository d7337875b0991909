//! The part of a database URL after the question mark: what each key means to libpq, psycopg, PyMySQL and
//! mysqlclient, and what is done here about the ones that mean nothing to us.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::url::{ServerUrl, decode, parse_port, set_host};
use crate::model::endpoint::{Dialect, Tls, TlsMode};
use crate::model::error::{Error, ErrorKind, Result};

/// Keys that drivers and pools know and that change nothing for us: sessions are always UTF-8, UTC and strict,
/// and pools are set in `techcare-db.toml`.
const WITHOUT_EFFECT: &[&str] = &[
    "application_name",
    "autocommit",
    "cache",
    "channel_binding",
    "charset",
    "check_same_thread",
    "client_encoding",
    "collation",
    "fallback_application_name",
    "gssencmode",
    "immutable",
    "isolation_level",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "local_infile",
    "max_overflow",
    "mode",
    "nolock",
    "pool_pre_ping",
    "pool_recycle",
    "pool_size",
    "pool_timeout",
    "read_timeout",
    "servicename",
    "sql_mode",
    "target_session_attrs",
    "timeout",
    "uri",
    "use_unicode",
    "write_timeout",
];

/// Keys and values, percent-decoded, in order. Values may be passwords and are never shown.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut pairs = Vec::new();
        for item in text.split('&').filter(|item| !item.is_empty()) {
            let (key, value) = item.split_once('=').unwrap_or((item, ""));
            let key = decode(key, "query")?.unwrap_or_default().to_ascii_lowercase().replace('-', "_");
            // SQLAlchemy writes a blank as `+`, libpq knows %20 only: a `+` of its own means something in a
            // password or a path, never in `options`.
            let value = if key == "options" { value.replace('+', " ") } else { value.to_owned() };
            pairs.push((key, decode(&value, "query")?.unwrap_or_default()));
        }
        Ok(Self(pairs))
    }

    /// Warnings for the URL of a file, where no key has an effect.
    pub(super) fn file_warnings(&self) -> Vec<String> {
        self.0
            .iter()
            .filter(|(key, _)| !WITHOUT_EFFECT.contains(&key.as_str()))
            .map(|(k, _)| warn(k))
            .collect()
    }

    /// Puts what the keys say into the server; answers with the warnings.
    pub(super) fn apply(self, dialect: Dialect, server: &mut ServerUrl) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let mut hostname_checked = None;
        for (key, value) in self.0 {
            match key.as_str() {
                "host" | "hostaddr" if !value.is_empty() => set_host(server, value),
                "unix_socket" | "socket" => server.socket = Some(PathBuf::from(value)),
                "port" => server.port = Some(parse_port(&value)?),
                "user" => server.user = Some(value),
                "password" | "passwd" => {
                    server.password = (!value.is_empty()).then(|| SecretString::from(value));
                }
                "dbname" | "database" | "db" => server.database = Some(value),
                "sslmode" | "ssl_mode" => server.tls.mode = Some(tls_mode(&value)?),
                "ssl" => server.tls.mode = Some(on(&value, TlsMode::Require, TlsMode::Disable)?),
                "sslrootcert" if value == "system" => server.tls.mode = Some(TlsMode::VerifyFull),
                "sslrootcert" | "ssl_ca" => server.tls.root_cert = Some(PathBuf::from(value)),
                "sslcert" | "ssl_cert" => server.tls.client_cert = Some(PathBuf::from(value)),
                "sslkey" | "ssl_key" => server.tls.client_key = Some(PathBuf::from(value)),
                "ssl_check_hostname" | "ssl_verify_identity" => {
                    hostname_checked = Some(on(&value, TlsMode::VerifyFull, TlsMode::VerifyCa)?);
                }
                "connect_timeout" => server.connect_timeout = timeout(&value)?,
                "options" if dialect == Dialect::Postgres => server.options = Some(value),
                "channel_binding" | "gssencmode" if value.eq_ignore_ascii_case("require") => {
                    return Err(not_built(&key));
                }
                known if WITHOUT_EFFECT.contains(&known) => {}
                unknown => warnings.push(warn(unknown)),
            }
        }
        settle(&mut server.tls, hostname_checked);
        Ok(warnings)
    }
}

/// A protection that the URL insists on and that the driver does not have: leaving it out in silence would be worse.
fn not_built(key: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{key}=require in the URL asks for what is not supported")).next(
        "use sslmode=verify-full, which makes sure of the server by its certificate, and leave the key out",
    )
}

/// Names the key only where it can be one: in a URL that was meant otherwise it may be the tail of a password.
fn warn(key: &str) -> String {
    if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        format!("\"{key}\" in the URL is not known and has no effect")
    } else {
        "something after the ? of the URL is not known and has no effect".to_owned()
    }
}

/// What several keys say together: a certificate authority is there to be asked (libpq reads `require` with one
/// as `verify-ca`), and the driver's own switch decides about the host name where no mode does.
fn settle(tls: &mut Tls, hostname_checked: Option<TlsMode>) {
    if tls.mode.is_none() && tls.root_cert.is_some() {
        tls.mode = hostname_checked;
    }
    if tls.mode == Some(TlsMode::Require) && tls.root_cert.is_some() {
        tls.mode = Some(TlsMode::VerifyCa);
    }
}

fn tls_mode(word: &str) -> Result<TlsMode> {
    match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => Ok(TlsMode::Disable),
        "allow" | "prefer" | "preferred" => Ok(TlsMode::Prefer),
        "require" | "required" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" | "verify-identity" => Ok(TlsMode::VerifyFull),
        _ => Err(Error::new(ErrorKind::Usage, "the URL asks for a TLS mode that does not exist")
            .next("use sslmode=disable, prefer, require, verify-ca or verify-full")),
    }
}

fn on(word: &str, yes: TlsMode, no: TlsMode) -> Result<TlsMode> {
    match word.to_ascii_lowercase().as_str() {
        "" | "1" | "true" | "yes" | "on" => Ok(yes),
        "0" | "false" | "no" | "off" => Ok(no),
        _ => Err(Error::new(ErrorKind::Usage, "a TLS switch in the URL is neither true nor false")
            .next("use sslmode=disable, prefer, require, verify-ca or verify-full")),
    }
}

/// Seconds; nothing, zero and below mean no answer of ours, as in libpq.
fn timeout(text: &str) -> Result<Option<Duration>> {
    let seconds: f64 = text.trim().parse().ok().filter(|s: &f64| s.is_finite()).ok_or_else(|| {
        Error::new(ErrorKind::Usage, "connect_timeout in the URL is not a number of seconds")
            .next("write ?connect_timeout=10")
    })?;
    Ok((seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten())
}
