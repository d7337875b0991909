//! Backups by `mariadb-dump` or `mysqldump`: SQL text of one transaction's view. The program opens a view of its own,
//! which nobody else can read, so the rows in the manifest are those of the text (`dumped`).

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use secrecy::ExposeSecret as _;
use sqlx::MySqlConnection;

use super::connection::{Fields, Link, rows};
use super::types::quote;
use crate::engine::backup::{NativeOrder, NativeWay};
use crate::engine::tool::{self, Secret, Tool};
use crate::engine::{blocking, compress};
use crate::model::endpoint::{Flavour, Server, TlsMode};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::manifest::Packing;

/// What the last line of a dump that was written to its end begins with.
const END: &[u8] = b"-- Dump completed";

/// Bytes at the end of a dump in which its last line stands.
const TAIL: usize = 256;

/// Tables that no transaction covers.
const OUTSIDE: &str = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE() \
     AND table_type = 'BASE TABLE' AND engine NOT IN ('InnoDB', 'RocksDB', 'MyRocks', 'TokuDB', 'NDB') ORDER BY 1";

/// Tables of MariaDB that keep what their rows were before.
const VERSIONED: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
     AND table_type = 'SYSTEM VERSIONED' ORDER BY 1";

/// Columns of which the text protocol says six digits, and the programs write what it says.
const SINGLES: &str = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND \
     data_type = 'float' AND table_name IN (SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
     AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')) ORDER BY 1, 2";

/// Refuses where a number would lose digits.
async fn refuse_cut_numbers(connection: &mut MySqlConnection) -> Result<()> {
    for column in rows(connection, "the list of columns", SINGLES).await? {
        let (table, name) = (column.word(0), column.word(1));
        let cut = format!(
            "SELECT 1 FROM {} WHERE {1} <> CAST(CAST({1} AS CHAR) AS FLOAT) LIMIT 1",
            quote(&table),
            quote(&name)
        );
        // Servers that do not know this CAST (MySQL before 8.0.17) cannot say that all is well.
        let why = match rows(connection, &format!("table \"{table}\""), &cut).await {
            Ok(found) if found.is_empty() => continue,
            Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
            Ok(_) => format!("column \"{name}\" of table \"{table}\" has more"),
            Err(error) => {
                format!("whether column \"{name}\" of table \"{table}\" has more cannot be asked: {error}")
            }
        };
        let what = "the server's own program would cut numbers in the backup";
        return Err(Error::new(ErrorKind::Refused, what)
            .why(format!("it writes six digits of a FLOAT, and {why}"))
            .next("take --method portable, which keeps them, or make the column DOUBLE"));
    }
    Ok(())
}

/// How a backup of this server would be made.
pub(super) async fn way(connection: &mut MySqlConnection, flavour: Flavour, major: u32) -> Result<NativeWay> {
    let tool = blocking::run(move || fitting(flavour, major)).await?;
    refuse_cut_numbers(connection).await?;
    let outside = rows(connection, "the list of tables", OUTSIDE).await?;
    let versioned = rows(connection, "the list of tables", VERSIONED).await?;
    let more = |list: &[Fields]| match list.len() {
        ..=1 => String::new(),
        all => format!(" and {} more", all - 1),
    };
    let of_another_instant = outside.first().map(|first| {
        format!(
            "table \"{}\" ({}){} is not of the same instant as the others: no transaction covers it",
            first.word(0),
            first.word(1),
            more(&outside)
        )
    });
    let without_the_past = versioned.first().map(|first| {
        format!(
            "table \"{}\"{} keeps what its rows were before (system versioning), which is not in the backup: it has the \
             rows of today",
            first.word(0),
            more(&versioned)
        )
    });
    Ok(NativeWay {
        packing: Packing::Zstd,
        packs: true,
        same_view: false,
        notes: of_another_instant.into_iter().chain(without_the_past).collect(),
        ..NativeWay::plain("sql", tool.shown())
    })
}

/// Dumps the database.
pub(super) async fn dump(link: &Link, flavour: Flavour, major: u32, order: &NativeOrder) -> Result<()> {
    let (server, order) = (link.server().clone(), order.clone());
    blocking::run(move || {
        let tool = fitting(flavour, major)?;
        let failed = |e: io::Error| {
            Error::new(ErrorKind::of_writing(&e), format!("cannot write {}", order.file.display())).why(e)
        };
        let file = OpenOptions::new().write(true).open(&order.file).map_err(failed)?;
        let login = Secret::keep(&option_file(&server, is_mariadb(&tool)))?;
        let mut command = tool::bare(&tool.path);
        let mut only = std::ffi::OsString::from("--defaults-file=");
        only.push(login.path());
        // Has to stand first; no other file of options is read.
        command.arg(only).args([
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--routines",
            "--triggers",
            "--events",
            "--no-tablespaces",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--",
            &server.database,
        ]);
        let told = |bytes| (order.progress)(bytes, 0);
        if order.packing == Packing::Zstd {
            let mut sink = Ending::of(compress::zstd(file).map_err(failed)?);
            tool::run(command, &mut sink, &told, &order.cancel)?;
            sink.complete()?;
            sink.to.finish().map(drop).map_err(failed)
        } else {
            let mut sink = Ending::of(file);
            tool::run(command, &mut sink, &told, &order.cancel)?;
            sink.complete()
        }
    })
    .await
}

/// Whether a dump, not packed, was written to its end.
pub(super) fn check(file: &Path) -> Result<()> {
    let mut tail = Vec::new();
    let read = File::open(file).and_then(|mut open| {
        let length = open.seek(SeekFrom::End(0))?;
        open.seek(SeekFrom::Start(length.saturating_sub(TAIL as u64)))?;
        open.read_to_end(&mut tail)
    });
    read.map_err(|e| Error::new(ErrorKind::Verify, "the dump cannot be read").why(e))?;
    complete(&tail)
}

fn complete(tail: &[u8]) -> Result<()> {
    let text = tail.trim_ascii_end();
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    if last.starts_with(END) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Verify, "the dump is not complete")
        .why("its last line is not the one that ends it"))
}

/// Lets bytes through and remembers the last.
struct Ending<W> {
    to: W,
    tail: VecDeque<u8>,
}

impl<W: Write> Ending<W> {
    fn of(to: W) -> Self {
        Self { to, tail: VecDeque::with_capacity(TAIL * 2) }
    }

    fn complete(&mut self) -> Result<()> {
        complete(self.tail.make_contiguous())
    }
}

impl<W: Write> Write for Ending<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.tail.extend(&bytes[written.saturating_sub(TAIL)..written]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A program that knows this server: MariaDB's for MariaDB, and for MySQL its own, of its version or newer, since neither
/// knows what the other has by now.
fn fitting(flavour: Flavour, major: u32) -> Result<Tool> {
    let names: &[&str] =
        if flavour == Flavour::Mariadb { &["mariadb-dump", "mysqldump"] } else { &["mysqldump"] };
    let all = tool::find(names, &[]);
    let fits = |tool: &&Tool| match flavour {
        Flavour::Mariadb => is_mariadb(tool),
        _ => !is_mariadb(tool) && tool.version.0 >= major,
    };
    all.iter().find(fits).cloned().ok_or_else(|| {
        let product = flavour.title();
        let found = all.first().map_or_else(
            || "none is installed".to_owned(),
            |tool| format!("{} says: {}", tool.path.display(), tool.said),
        );
        Error::new(ErrorKind::Refused, format!("there is no {} for {product} {major} here", names[0]))
            .why(found)
            .next(format!("install {product}'s client programs, of the server's version or newer"))
    })
}

fn is_mariadb(tool: &Tool) -> bool {
    tool.said.contains("MariaDB")
}

/// Where the server is and how to log in, as an option file. The two products spell encryption differently.
fn option_file(server: &Server, mariadb: bool) -> String {
    let mut lines = vec![("user", server.user.clone())];
    if let Some(password) = &server.password {
        lines.push(("password", password.expose_secret().to_owned()));
    }
    if let Some(socket) = &server.socket {
        lines.push(("protocol", "socket".into()));
        lines.push(("socket", socket.display().to_string()));
    } else {
        lines.push(("protocol", "tcp".into()));
        lines.push(("host", server.address().to_owned()));
        lines.push(("port", server.port.to_string()));
    }
    let mode = server.tls_mode();
    if mariadb {
        match mode {
            TlsMode::Disable => lines.push(("ssl", "0".into())),
            TlsMode::Prefer => lines.push(("ssl-verify-server-cert", "0".into())),
            TlsMode::Require => {
                lines.extend([("ssl", "1".into()), ("ssl-verify-server-cert", "0".into())]);
            }
            TlsMode::VerifyCa | TlsMode::VerifyFull => {
                lines.extend([("ssl", "1".into()), ("ssl-verify-server-cert", "1".into())]);
            }
        }
    } else {
        let word = match mode {
            TlsMode::Disable => "DISABLED",
            TlsMode::Prefer => "PREFERRED",
            TlsMode::Require => "REQUIRED",
            TlsMode::VerifyCa => "VERIFY_CA",
            TlsMode::VerifyFull => "VERIFY_IDENTITY",
        };
        lines.push(("ssl-mode", word.into()));
    }
    let tls = &server.tls;
    for (name, file) in
        [("ssl-ca", &tls.root_cert), ("ssl-cert", &tls.client_cert), ("ssl-key", &tls.client_key)]
    {
        lines.extend(file.as_ref().map(|file| (name, file.display().to_string())));
    }
    let quoted = |value: &str| {
        let escaped =
            value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
        format!("\"{escaped}\"")
    };
    let lines = lines.iter().map(|(name, value)| format!("{name}={}\n", quoted(value)));
    std::iter::once("[client]\n".to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::model::endpoint::Tls;

    #[test]
    fn only_a_whole_dump_is_complete() {
        assert!(complete(b"INSERT ...;\n-- Dump completed on 2026-11-24 13:12:57\n").is_ok());
        for cut in ["", "INSERT INTO t VALUES ('-- Dump completed", "-- Dump completed on 2026\nINSERT"] {
            assert!(complete(cut.as_bytes()).is_err(), "{cut}");
        }
        let mut sink = Ending::of(Vec::new());
        for part in [&[b'x'; 1000][..], b"\n-- Dump com", b"pleted\n"] {
            sink.write_all(part).unwrap();
        }
        sink.complete().unwrap();
        assert_eq!(sink.to.len(), 1019);
    }

    #[test]
    fn an_option_file_keeps_any_password() {
        let server = Server {
            host: "db.example".into(),
            port: 3307,
            socket: None,
            user: "techcare".into(),
            password: Some(SecretString::from("a\"b\\c#d e")),
            database: "techcare".into(),
            tls: Tls::default(),
            options: None,
        };
        let text = option_file(&server, false);
        assert!(text.starts_with("[client]\nuser=\"techcare\"\npassword=\"a\\\"b\\\\c#d e\"\n"), "{text}");
        assert!(text.contains("ssl-mode=\"VERIFY_IDENTITY\"\n"), "{text}");
        assert!(option_file(&server, true).contains("ssl=\"1\"\nssl-verify-server-cert=\"1\"\n"));
    }
}
