//! Backups by `pg_dump`, in its custom format, of the snapshot that this program reads too: the rows in the manifest are
//! those in the file.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::connect::Connector;
use crate::engine::backup::{NativeOrder, NativeWay};
use crate::engine::blocking;
use crate::engine::capability::Facts;
use crate::engine::tool::{self, Secret, Tool};
use crate::model::endpoint::{Server, TlsMode};
use crate::model::error::{Error, ErrorKind, Result};

/// Where systems keep the authorities that they trust: `pg_dump` knows of none by itself before PostgreSQL 16.
const AUTHORITIES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// How a backup of this server would be made.
pub(super) async fn way(facts: &Facts) -> Result<NativeWay> {
    let major = facts.version_number.0;
    let tool = blocking::run(move || fitting(major)).await?;
    // The format packs each table by itself.
    Ok(NativeWay::plain("dump", tool.shown()))
}

/// Dumps the snapshot of that name.
pub(super) async fn dump(
    connector: &Connector,
    major: u32,
    snapshot: &str,
    order: &NativeOrder,
) -> Result<()> {
    let (server, snapshot, order) = (connector.server().clone(), snapshot.to_owned(), order.clone());
    let patience = connector.connect_timeout();
    blocking::run(move || {
        let tool = fitting(major)?;
        let mut file = OpenOptions::new().write(true).open(&order.file).map_err(|e| {
            Error::new(ErrorKind::of_writing(&e), format!("cannot write {}", order.file.display())).why(e)
        })?;
        let mut command = tool::bare(&tool.path);
        let login =
            server.password.as_ref().map(|p| Secret::keep(&pass_file(p.expose_secret()))).transpose()?;
        // No other file of passwords than ours.
        command.env("PGPASSFILE", login.as_ref().map_or_else(|| "/dev/null".into(), Secret::path));
        command.args(["--format=custom", "--no-password", "--lock-wait-timeout=60000"]);
        if !order.own_packing {
            command.arg("--compress=0");
        }
        command.arg(format!("--snapshot={snapshot}"));
        command.arg(format!("--dbname={}", conninfo(&server, tool.version.0, patience)));
        tool::run(command, &mut file, &|bytes| (order.progress)(bytes, 0), &order.cancel)
    })
    .await
}

/// Whether `pg_restore` reads a dump from beginning to end. Where there is no such program its bytes have to do.
pub(super) fn check(file: &Path) -> Result<()> {
    let Some(program) = newest_restorer() else { return Ok(()) };
    // A device, so that nothing is written: what counts is that everything is read.
    let mut command = tool::bare(&program);
    command.arg("--file=/dev/null").arg(file);
    let read = tool::run(command, &mut std::io::sink(), &|_| (), &tokio_util::sync::CancellationToken::new());
    read.map_err(|e| {
        let why = e.reason().unwrap_or_default().to_owned();
        Error::new(ErrorKind::Verify, "pg_restore cannot read the dump").why(why)
    })?;
    signature(file)
}

/// Of the same version as the dump or newer: the newest that there is.
fn newest_restorer() -> Option<PathBuf> {
    let newest = all().into_iter().max_by_key(|tool| tool.version).map(|tool| tool.sibling("pg_restore"));
    newest.filter(|path| path.is_file())
}

/// The program that reads a dump which is going to be restored.
pub(super) fn restorer() -> Result<PathBuf> {
    newest_restorer().ok_or_else(|| {
        Error::new(ErrorKind::Refused, "there is no pg_restore here, which reads the dump")
            .next("install postgresql-client of the server's version or newer")
    })
}

/// Every dump in this format begins with these letters.
fn signature(file: &Path) -> Result<()> {
    use std::io::Read as _;
    let mut first = [0; 5];
    match File::open(file).and_then(|mut open| open.read_exact(&mut first)) {
        Ok(()) if &first == b"PGDMP" => Ok(()),
        _ => Err(Error::new(ErrorKind::Verify, "the file is no dump of PostgreSQL")),
    }
}

fn all() -> Vec<Tool> {
    tool::find(&["pg_dump"], &folders())
}

/// A `pg_dump` that knows this server: of its version or newer, the nearest first, since an older `pg_restore` does not
/// read what a newer `pg_dump` writes.
fn fitting(major: u32) -> Result<Tool> {
    let mut all = all();
    all.retain(|tool| tool.version.0 >= 10);
    let found = all.iter().map(|tool| format!("{} in {}", tool.shown(), tool.path.display()));
    let found = found.collect::<Vec<_>>().join(", ");
    all.into_iter().filter(|tool| tool.version.0 >= major).min_by_key(|tool| tool.version.0).ok_or_else(
        || {
            Error::new(ErrorKind::Refused, format!("there is no pg_dump for PostgreSQL {major} here"))
                .why(if found.is_empty() {
                    "none is installed".to_owned()
                } else {
                    format!("there is {found}")
                })
                .next(format!("install postgresql-client-{major} or newer"))
        },
    )
}

/// Folders of each installed version, beside `PATH`.
fn folders() -> Vec<PathBuf> {
    let versions = |parent: &str| {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().join("bin")).collect::<Vec<_>>()
    };
    let mut folders = versions("/usr/lib/postgresql");
    folders.extend(versions("/usr").into_iter().filter(|p| p.to_string_lossy().contains("/pgsql-")));
    folders.sort();
    folders
}

/// The one line of a file of passwords.
fn pass_file(password: &str) -> String {
    format!("*:*:*:*:{}\n", password.replace('\\', "\\\\").replace(':', "\\:"))
}

/// Where the database is, as libpq reads it; the password stands elsewhere. Without a limit libpq waits for ever for a
/// login that is not answered.
fn conninfo(server: &Server, client: u32, patience: Duration) -> String {
    let socket = server.socket.as_ref().map(|socket| socket.display().to_string());
    let host = socket.unwrap_or_else(|| server.address().to_owned());
    let mode = match server.tls_mode() {
        TlsMode::Disable => "disable",
        TlsMode::Prefer => "prefer",
        TlsMode::Require => "require",
        TlsMode::VerifyCa => "verify-ca",
        TlsMode::VerifyFull => "verify-full",
    };
    let path = |path: &PathBuf| path.display().to_string();
    let root = server.tls.root_cert.as_ref().map(path).or_else(|| {
        let known = || AUTHORITIES.iter().find(|file| Path::new(file).is_file()).map(|f| (*f).to_owned());
        match mode {
            "verify-full" if client >= 16 => Some("system".to_owned()),
            "verify-full" | "verify-ca" => known(),
            _ => None,
        }
    });
    [
        ("host", Some(host)),
        ("port", Some(server.port.to_string())),
        ("user", Some(server.user.clone())),
        ("dbname", Some(server.database.clone())),
        ("sslmode", Some(mode.to_owned())),
        ("sslrootcert", root),
        ("sslcert", server.tls.client_cert.as_ref().map(path)),
        ("sslkey", server.tls.client_key.as_ref().map(path)),
        ("options", server.options.clone()),
        ("connect_timeout", Some(patience.as_secs().max(1).to_string())),
        ("application_name", Some("techcare-db".to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| {
        let value = value?.replace('\\', "\\\\").replace('\'', "\\'");
        Some(format!("{name}='{value}'"))
    })
    .collect::<Vec<_>>()
    .join(" ")
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::model::endpoint::Tls;

    #[test]
    fn names_are_quoted_and_the_password_is_elsewhere() {
        let server = Server {
            host: "127.0.0.1".into(),
            port: 5433,
            socket: None,
            user: "o'hara".into(),
            password: Some(SecretString::from("canary")),
            database: "a\\b c".into(),
            tls: Tls { mode: Some(TlsMode::Disable), ..Tls::default() },
            options: None,
        };
        assert_eq!(
            conninfo(&server, 15, Duration::from_secs(10)),
            "host='127.0.0.1' port='5433' user='o\\'hara' dbname='a\\\\b c' sslmode='disable' \
             connect_timeout='10' application_name='techcare-db'"
        );
        assert_eq!(pass_file("a:b\\c"), "*:*:*:*:a\\:b\\\\c\n");
    }
}
