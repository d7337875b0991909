//! The `.env` lines that point TechCare at a database.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::fs::OFlags;
use secrecy::ExposeSecret;

use crate::model::endpoint::{Endpoint, Location, Server};
use crate::model::error::{Error, ErrorKind, Result};

/// A password is not written through a link to wherever somebody let it point.
pub(super) fn refuse_link(file: &Path) -> Result<()> {
    if file.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
        return Err(Error::new(ErrorKind::Usage, format!("{} is a symbolic link", file.display()))
            .why("it will hold a password, which is not written through a link")
            .next("name the file itself with --write-env"));
    }
    Ok(())
}

/// Writes the `.env` lines that point TechCare at the target, password included, into a file that only its owner
/// can read.
pub(super) fn write(file: &Path, target: &Endpoint) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(
            ErrorKind::Write,
            format!("the migration is done, but {} could not be written", file.display()),
        )
        .why(error)
        .next("write DATABASE_URL into TechCare's .env yourself")
    };
    let text = lines(target, Password::Shown);
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(file)
        .and_then(|mut open| {
            // A file that was there before keeps its mode otherwise.
            open.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            open.write_all(text.as_bytes())
        })
        .map_err(failed)
}

/// Whether the password is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Password {
    /// It is: for a file that only its owner can read.
    Shown,
    /// `***` stands for it: for the screen.
    Masked,
}

/// The `.env` lines that point TechCare at a database, in the spelling of SQLAlchemy.
pub fn lines(target: &Endpoint, show: Password) -> String {
    let (kind, url, server) = match &target.location {
        Location::File(path) => {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            ("sqlite", format!("sqlite:///{}", absolute.display()), None)
        }
        Location::Postgres(server) => {
            ("postgresql", server_url("postgresql", "host", server, show), Some(server))
        }
        Location::Mysql(server) => {
            ("mysql", server_url("mysql+pymysql", "unix_socket", server, show), Some(server))
        }
        // Nothing is migrated into an archive, so that no application is pointed at one.
        Location::Archive { .. } => return String::new(),
    };
    let mut out = format!("DB_TYPE={kind}\nDATABASE_URL={url}\n");
    if let Some(server) = server {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "DB_HOST={}\nDB_PORT={}\nDB_NAME={}\nDB_USER={}\n",
            server.host, server.port, server.database, server.user
        );
        if let Some(password) = &server.password {
            let password = match show {
                Password::Shown => quoted(password.expose_secret()),
                Password::Masked => "***".to_owned(),
            };
            let _ = writeln!(out, "DB_PASSWORD={password}");
        }
    }
    out
}

/// A value as dotenv and systemd read it back: single quotes take everything but themselves.
fn quoted(value: &str) -> String {
    if value.contains('\'') {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
    } else {
        format!("'{value}'")
    }
}

fn server_url(scheme: &str, socket_option: &str, server: &Server, show: Password) -> String {
    const CREDENTIAL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    // SQLAlchemy takes the database's name as it stands: nothing is encoded that can stand there.
    const DATABASE: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'/').add(b'?');
    let encoded = |text: &str| utf8_percent_encode(text, CREDENTIAL).to_string();
    let password = server
        .password
        .as_ref()
        .map(|p| match show {
            Password::Shown => format!(":{}", encoded(p.expose_secret())),
            Password::Masked => ":***".to_owned(),
        })
        .unwrap_or_default();
    let user = encoded(&server.user);
    let database = utf8_percent_encode(&server.database, DATABASE);
    let host = if server.host.contains(':') && !server.host.starts_with('[') {
        format!("[{}]", server.host)
    } else {
        server.host.clone()
    };
    let charset = if scheme.starts_with("mysql") { Some("charset=utf8mb4".to_owned()) } else { None };
    let socket = server.socket.as_ref().map(|path| format!("{socket_option}={}", path.display()));
    let options: Vec<String> = socket.into_iter().chain(charset).collect();
    let query = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
    format!("{scheme}://{user}{password}@{host}:{}/{database}{query}", server.port)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::model::endpoint::Tls;

    fn server(socket: Option<&str>) -> Server {
        Server {
            host: "db.example".into(),
            port: 5433,
            socket: socket.map(Into::into),
            user: "tech care".into(),
            password: Some(SecretString::from("p@ss:/ç")),
            database: "user$techcare".into(),
            tls: Tls::default(),
            options: None,
        }
    }

    #[test]
    fn env_lines_can_be_read_by_sqlalchemy() {
        let text = lines(&Endpoint::new(Location::Postgres(server(None)), "from --target"), Password::Shown);
        assert!(text.starts_with("DB_TYPE=postgresql\n"), "{text}");
        assert!(
            text.contains("postgresql://tech%20care:p%40ss%3A%2F%C3%A7@db.example:5433/user$techcare\n"),
            "{text}"
        );
        let text = lines(
            &Endpoint::new(Location::Mysql(server(Some("/run/m.sock"))), "from --target"),
            Password::Shown,
        );
        assert!(text.contains("mysql+pymysql://"), "{text}");
        assert!(text.contains("?unix_socket=/run/m.sock&charset=utf8mb4"), "{text}");
        let text =
            lines(&Endpoint::new(Location::File("/srv/t.db".into()), "from --target"), Password::Shown);
        assert_eq!(text, "DB_TYPE=sqlite\nDATABASE_URL=sqlite:////srv/t.db\n");
        let text = lines(&Endpoint::new(Location::Postgres(server(None)), "from --target"), Password::Masked);
        assert!(text.contains("postgresql://tech%20care:***@db.example:5433/"), "{text}");
        assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
    }

    #[test]
    fn quotes_keep_what_is_in_them() {
        assert_eq!(quoted("a\"b$c d"), "'a\"b$c d'");
        assert_eq!(quoted("a'b\"$\\"), "\"a'b\\\"\\$\\\\\"");
    }
}
