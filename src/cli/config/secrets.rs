//! Where a password comes from when the name of the database holds none: a file made for it, libpq's password
//! file, or MySQL's option file. Files that others may read are refused with the fix. Nothing here is ever shown.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;
use crate::model::endpoint::{Dialect, Server};
use crate::model::error::{Error, ErrorKind, Result};

/// Socket directory that libpq takes for `localhost` when it looks into the password file.
const DEFAULT_SOCKET_DIR: &str = "/var/run/postgresql";

/// A password and where it was found: `password from ~/.pgpass`.
#[derive(Debug)]
pub struct Found {
    /// Password.
    pub password: SecretString,
    /// Where it was found.
    pub origin: String,
}

/// Looks for the password of a server that was named without one. `password_file` holds the variables that may
/// name a file (`TARGET_DB_PASSWORD_FILE`, `DB_PASSWORD_FILE`).
pub fn find(
    environment: &Environment,
    dialect: Dialect,
    server: &Server,
    password_file: &[String],
    app_dir: &Path,
) -> Result<Option<Found>> {
    if let Some(setting) = environment.first(password_file)? {
        let path = app_dir.join(setting.text());
        let password = from_file(&path)?;
        return Ok(Some(Found { password, origin: format!("password from the file in {}", setting.name) }));
    }
    match dialect {
        Dialect::Sqlite => Ok(None),
        Dialect::Postgres => from_libpq(environment, server),
        Dialect::Mysql => from_mysql(environment),
    }
}

/// The first line of a file made for one password.
pub fn from_file(path: &Path) -> Result<SecretString> {
    let text = read_private(path)?.ok_or_else(|| {
        Error::new(ErrorKind::Usage, format!("the password file {} does not exist", path.display()))
            .next("write the password into it and run chmod 600 on it")
    })?;
    let line = text.expose_secret().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("the password file {} is empty", path.display()))
            .next("write the password into its first line"));
    }
    Ok(SecretString::from(line))
}

fn from_libpq(environment: &Environment, server: &Server) -> Result<Option<Found>> {
    if let Some(setting) = environment.get("PGPASSWORD")? {
        return Ok(Some(Found { password: setting.value, origin: "password from PGPASSWORD".into() }));
    }
    let (path, label) = match environment.get("PGPASSFILE")? {
        Some(setting) => (PathBuf::from(setting.text()), "the file in PGPASSFILE"),
        None => match environment.home() {
            Some(home) => (home.join(".pgpass"), "~/.pgpass"),
            None => return Ok(None),
        },
    };
    let Some(text) = read_private(&path)? else { return Ok(None) };
    let found = pgpass(text.expose_secret(), server);
    Ok(found.map(|password| Found { password, origin: format!("password from {label}") }))
}

fn from_mysql(environment: &Environment) -> Result<Option<Found>> {
    if let Some(setting) = environment.get("MYSQL_PWD")? {
        return Ok(Some(Found { password: setting.value, origin: "password from MYSQL_PWD".into() }));
    }
    let Some(home) = environment.home() else { return Ok(None) };
    let Some(text) = read_private(&home.join(".my.cnf"))? else { return Ok(None) };
    let found = option_file(text.expose_secret());
    Ok(found.map(|password| Found { password, origin: "password from ~/.my.cnf".into() }))
}

/// Reads a file that only its owner may read; `None` if there is none.
fn read_private(path: &Path) -> Result<Option<SecretString>> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Usage, format!("cannot read {}", path.display())).why(e)
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(&e)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_file() && mode & 0o077 != 0 {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{} holds a password and can be read by others", path.display()),
            )
            .why(format!("its mode is {mode:04o}"))
            .next(format!("run chmod 600 {}", path.display())));
        }
    }
    if !metadata.is_file() {
        return Err(failed(&"it is not a plain file"));
    }
    let bytes = std::fs::read(path).map_err(|e| failed(&e))?;
    let text = String::from_utf8(bytes).map_err(|_| failed(&"it is not UTF-8 text"))?;
    Ok(Some(SecretString::from(text)))
}

/// libpq's rules: the first line whose host, port, database and user match; `*` matches anything; a backslash
/// takes the meaning from the character after it.
fn pgpass(text: &str, server: &Server) -> Option<SecretString> {
    let host = match &server.socket {
        Some(dir) if dir == Path::new(DEFAULT_SOCKET_DIR) => "localhost".into(),
        Some(dir) => dir.to_string_lossy().into_owned(),
        None if server.host.is_empty() => "localhost".into(),
        None => server.host.clone(),
    };
    let port = server.port.to_string();
    let wanted = [host.as_str(), port.as_str(), server.database.as_str(), server.user.as_str()];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for want in wanted {
            let (raw, field, after) = next_field(rest)?;
            if raw != "*" && field != want {
                return None;
            }
            rest = after;
        }
        let password = next_field(rest).map_or_else(|| unescape(rest), |(_, field, _)| field);
        (!password.is_empty()).then(|| SecretString::from(password))
    })
}

/// A field up to its colon: as written, unescaped, and what follows it.
fn next_field(text: &str) -> Option<(&str, String, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return Some((&text[..at], unescape(&text[..at]), &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            _ => out.push(c),
        }
    }
    out
}

/// `password` of `[client]` in MySQL's option file. Read by hand: those files hold lines that no INI reader
/// takes (`skip-auto-rehash`, `!include`), and the last of several values wins.
fn option_file(text: &str) -> Option<SecretString> {
    let mut in_client = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if let Some(group) = line.strip_prefix('[') {
            let group = group.split(']').next().unwrap_or_default().trim();
            in_client = matches!(group, "client" | "client-mariadb");
        } else if in_client && !line.starts_with(['#', ';', '!']) {
            let Some((key, value)) = line.split_once('=') else { continue };
            if key.trim() == "password" {
                found = Some(option_value(value.trim())).filter(|password| !password.is_empty());
            }
        }
    }
    found.map(SecretString::from)
}

/// A value: quotes keep blanks and `#`, `#` ends an unquoted one, and the escapes are those of MySQL.
fn option_value(text: &str) -> String {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let body = match quote.and_then(|quote| Some((quote, text[1..].rfind(quote)?))) {
        Some((_, end)) => &text[1..=end],
        None => text.split('#').next().unwrap_or_default().trim_end(),
    };
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('s') => out.push(' '),
            Some(other @ ('\\' | '"' | '\'')) => out.push(other),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Tls;

    fn server() -> Server {
        Server {
            host: "db".into(),
            port: 5432,
            socket: None,
            user: "techcare".into(),
            password: None,
            database: "tech:care".into(),
            tls: Tls::default(),
            options: None,
        }
    }

    fn pg(text: &str, server: &Server) -> Option<String> {
        pgpass(text, server).map(|p| p.expose_secret().to_owned())
    }

    #[test]
    fn pgpass_follows_libpq() {
        let s = server();
        for (text, expected) in [
            ("db:5432:tech\\:care:techcare:pw", Some("pw")),
            ("*:*:*:*:pw", Some("pw")),
            ("db:*:*:techcare:pw", Some("pw")),
            ("other:5432:*:*:no\ndb:5432:*:*:first\n*:*:*:*:second", Some("first")),
            ("#db:5432:*:*:no\n*:*:*:*:pw", Some("pw")),
            ("*:*:*:*:p\\:w\\\\", Some("p:w\\")),
            ("*:*:*:*:senha-não", Some("senha-não")),
            ("*:*:*:*:with blank ", Some("with blank ")),
            ("*:*:*:*:cr\r\n", Some("cr")),
            ("db:5433:*:*:no", None),
            ("db:5432:techcare:*:no", None),
            ("db:5432:*:other:no", None),
            ("\\*:5432:*:*:no", None),
            ("*:*:*:*:", None),
            ("*:*:*", None),
            ("", None),
        ] {
            assert_eq!(pg(text, &s).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_default_socket_is_localhost_and_others_are_their_path() {
        let mut s = server();
        s.socket = Some(DEFAULT_SOCKET_DIR.into());
        assert_eq!(pg("localhost:*:*:*:pw", &s).as_deref(), Some("pw"));
        s.socket = Some("/tmp/pg".into());
        assert_eq!(pg("localhost:*:*:*:no\n/tmp/pg:*:*:*:pw", &s).as_deref(), Some("pw"));
    }

    #[test]
    fn option_files_follow_mysql() {
        for (text, expected) in [
            ("[client]\npassword=pw\n", Some("pw")),
            ("[client]\npassword = pw # comment\n", Some("pw")),
            ("[client]\npassword=\"p#w d\"\n", Some("p#w d")),
            ("[client]\npassword='p\"w'\n", Some("p\"w")),
            ("[client]\npassword=a\\sb\\\\c\n", Some("a b\\c")),
            ("[client]\npassword=no\npassword=last\n", Some("last")),
            ("[mysqld]\npassword=no\n[client]\nuser=x\n", None),
            (
                "[client]\nskip-auto-rehash\n!include /x\n;password=no\n#password=no\npassword=pw\n",
                Some("pw"),
            ),
            ("[client]\npassword=\n", None),
            ("[client]\npassword\n", None),
            ("password=no\n", None),
        ] {
            assert_eq!(
                option_file(text).map(|p| p.expose_secret().to_owned()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[cfg(unix)]
    mod files {
        use std::os::unix::fs::PermissionsExt;

        use super::*;

        fn write(path: &Path, text: &str, mode: u32) {
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }

        fn environment(home: &Path, vars: &[(&str, &str)]) -> Environment {
            Environment::new(vars.iter().map(|(n, v)| (n.into(), v.into())), Some(home.into()))
        }

        #[test]
        fn files_that_others_may_read_are_refused_with_the_fix() {
            let home = tempfile::tempdir().unwrap();
            for (name, dialect) in [(".pgpass", Dialect::Postgres), (".my.cnf", Dialect::Mysql)] {
                for mode in [0o644, 0o640, 0o602, 0o601] {
                    let path = home.path().join(name);
                    write(&path, "*:*:*:*:canary\n[client]\npassword=canary\n", mode);
                    let error = find(&environment(home.path(), &[]), dialect, &server(), &[], home.path())
                        .unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Usage);
                    assert_eq!(error.advice(), Some(format!("run chmod 600 {}", path.display()).as_str()));
                    assert!(!format!("{error:?}").contains("canary"));
                }
            }
        }

        #[test]
        fn the_order_is_password_file_then_the_clients_own_ways() {
            let home = tempfile::tempdir().unwrap();
            let at = |name: &str| home.path().join(name);
            write(&at(".pgpass"), "*:*:*:*:pgpass\n", 0o600);
            write(&at(".my.cnf"), "[client]\npassword=mycnf\n", 0o600);
            write(&at("secret"), "filed\nrest\n", 0o400);
            write(&at("other"), "*:*:*:*:passfile\n", 0o600);
            let look = |vars: &[(&str, &str)], dialect| {
                let names = ["TARGET_DB_PASSWORD_FILE".to_owned(), "DB_PASSWORD_FILE".to_owned()];
                let found = find(&environment(home.path(), vars), dialect, &server(), &names, home.path());
                let found = found.unwrap().unwrap();
                (found.password.expose_secret().to_owned(), found.origin)
            };
            assert_eq!(look(&[], Dialect::Postgres), ("pgpass".into(), "password from ~/.pgpass".into()));
            assert_eq!(look(&[], Dialect::Mysql), ("mycnf".into(), "password from ~/.my.cnf".into()));
            assert_eq!(look(&[("PGPASSWORD", "x")], Dialect::Postgres).0, "x");
            assert_eq!(look(&[("MYSQL_PWD", "x")], Dialect::Mysql).0, "x");
            let passfile = at("other").display().to_string();
            assert_eq!(look(&[("PGPASSFILE", &passfile)], Dialect::Postgres).0, "passfile");
            let (password, origin) =
                look(&[("DB_PASSWORD_FILE", "secret"), ("PGPASSWORD", "x")], Dialect::Postgres);
            assert_eq!(
                (password.as_str(), origin.as_str()),
                ("filed", "password from the file in DB_PASSWORD_FILE")
            );
        }

        #[test]
        fn a_named_password_file_has_to_be_there_and_hold_something() {
            let home = tempfile::tempdir().unwrap();
            assert!(from_file(&home.path().join("none")).is_err());
            write(&home.path().join("empty"), "\n", 0o600);
            assert!(from_file(&home.path().join("empty")).is_err());
            assert!(from_file(home.path()).is_err());
            let nothing =
                find(&environment(home.path(), &[]), Dialect::Postgres, &server(), &[], home.path());
            assert!(nothing.unwrap().is_none());
        }
    }
}
