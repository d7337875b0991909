//! What is known of a backup: the JSON document beside it. Its last line is a checksum over all bytes before, so that a
//! manifest vouches for itself before it vouches for a file.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::endpoint::Dialect;
use super::value::format_hex;

/// Version of the document. Readers take this one and all before it.
pub const VERSION: u32 = 1;

/// What stands between the document and its checksum.
const SEAL: &str = ",\n  \"manifest_sha256\": \"";

/// What stands behind the checksum.
const END: &str = "\"\n}\n";

/// A backup, as its manifest describes it. Passwords, rows and their keys never stand here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the document.
    pub version: u32,
    /// Program and version that made the backup: `techcare-db 0.1.0`.
    pub tool: String,
    /// Run that made it.
    pub run_id: String,
    /// Why it was made.
    pub purpose: Purpose,
    /// Engine of the database.
    pub engine: Dialect,
    /// Product and version of the server, or of SQLite.
    pub product: String,
    /// In what form it is.
    pub method: Method,
    /// Why it is in that form, where nobody asked for one. Absent from manifests of before there was a choice.
    #[serde(default)]
    pub method_why: Option<String>,
    /// What wrote it: `SQLite 3.51.3 (online backup)`, `pg_dump 15.18`.
    pub program: String,
    /// Which database this is a backup of.
    pub database: Identity,
    /// When its rows were true.
    pub started: DateTime<Utc>,
    /// When it had been verified.
    pub finished: DateTime<Utc>,
    /// How the file is packed on top of its form.
    pub packing: Packing,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Bytes of what is packed; the same as `bytes` where nothing is.
    pub unpacked_bytes: u64,
    /// SHA-256 of what is packed.
    pub unpacked_sha256: String,
    /// How far the backup was verified before it got its name.
    pub verified: Verified,
    /// Tables with their rows, of the very instant of the backup. Empty where `verified` is `bytes`.
    pub tables: Vec<TableContent>,
    /// Longest time in seconds that a writer may have waited for the backup; `None` where none had to wait.
    pub writers_waited: Option<f64>,
}

/// Why a backup was made. Retention deletes only what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// `backup` was run.
    Asked,
    /// `migrate` began.
    Migration,
    /// `rollback` began.
    Rollback,
}

/// Form of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The engine's own.
    Native,
    /// The archive that every engine can be restored from.
    Portable,
}

impl Method {
    /// Name in text and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Portable => "portable",
        }
    }
}

/// Packing on top of the form of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// None.
    None,
    /// One zstd frame.
    Zstd,
}

/// How far a backup was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verified {
    /// The rows in it were read back, table by table, and are those of the database wherever the view of it that was copied
    /// could be read by others too.
    Content,
    /// It was read back whole by the program that restores it, and its bytes are those that were written.
    Bytes,
}

/// A database, so that its backups are told from those of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What stays the same as long as it is this database: the real path of a SQLite file; the server's own identifier
    /// and the database.
    pub id: String,
    /// Redacted location.
    pub location: String,
}

/// Rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContent {
    /// Name.
    pub name: String,
    /// How many.
    pub rows: u64,
    /// Their digest (`docs/digest.md`), read as a migration to the same engine reads them; `None` where a value is none
    /// that such a migration takes.
    pub digest: Option<Digest>,
}

impl Manifest {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|t| t.rows).sum()
    }

    /// The document with its checksum.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let document = serde_json::to_string_pretty(self)?;
        let body = document.strip_suffix("\n}").unwrap_or(&document);
        Ok(format!("{body}{SEAL}{}{END}", format_hex(&Sha256::digest(body.as_bytes()))))
    }

    /// Reads a document, or says in one clause what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sealed = text.strip_suffix(END).and_then(|text| text.rsplit_once(SEAL));
        let (body, checksum) = sealed.ok_or("it does not end with its checksum")?;
        if format_hex(&Sha256::digest(body.as_bytes())) != checksum {
            return Err("its checksum is another".into());
        }
        let document: serde_json::Value =
            serde_json::from_str(&format!("{body}\n}}")).map_err(|e| e.to_string())?;
        let version = document.get("version").and_then(serde_json::Value::as_u64);
        if version.is_none_or(|version| version > u64::from(VERSION)) {
            return Err("it was written by a newer techcare-db".into());
        }
        serde_json::from_value(document).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A manifest of a backup that was made at that time.
    pub(crate) fn manifest(started: DateTime<Utc>) -> Manifest {
        Manifest {
            version: VERSION,
            tool: "techcare-db 0.1.0".into(),
            run_id: "7".into(),
            purpose: Purpose::Asked,
            engine: Dialect::Sqlite,
            product: "SQLite 3.51.3".into(),
            method: Method::Native,
            method_why: None,
            program: "SQLite 3.51.3 (online backup)".into(),
            database: Identity { id: "/srv/t.db".into(), location: "sqlite:////srv/t.db".into() },
            started,
            finished: started,
            packing: Packing::None,
            bytes: 4096,
            sha256: "ab".repeat(32),
            unpacked_bytes: 4096,
            unpacked_sha256: "ab".repeat(32),
            verified: Verified::Content,
            tables: vec![TableContent {
                name: "users".into(),
                rows: 2,
                digest: Some(Digest { rows: 2, sum: 7 }),
            }],
            writers_waited: None,
        }
    }

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let manifest = manifest(DateTime::UNIX_EPOCH);
        let text = manifest.to_text().unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        assert!(text.contains("\"started\": \"1970-01-01T00:00:00Z\""), "{text}");
        // Whoever reads it as any JSON file finds the same.
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["tables"][0]["digest"]["sum"], format!("{:032x}", 7));
    }

    #[test]
    fn one_bit_of_a_manifest_is_found() {
        let text = manifest(DateTime::UNIX_EPOCH).to_text().unwrap().into_bytes();
        for at in 0..text.len() * 8 {
            let mut bytes = text.clone();
            bytes[at / 8] ^= 1 << (at % 8);
            let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| Manifest::parse(text).is_ok());
            assert!(!accepted, "bit {at}");
        }
        for cut in 0..text.len() {
            assert!(Manifest::parse(std::str::from_utf8(&text[..cut]).unwrap()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_manifest_is_not_guessed_at() {
        let newer = Manifest { version: VERSION + 1, ..manifest(DateTime::UNIX_EPOCH) };
        assert!(Manifest::parse(&newer.to_text().unwrap()).unwrap_err().contains("newer"));
    }
}
