//! What an archive says about itself: the names of its members, its manifest, and its limits. Described for other
//! readers in `docs/archive.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::capability::{Facts, Orphans, Told};
use crate::model::digest::Digest;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::TableProfile;
use crate::model::schema::DataType;

/// Version of the format. A reader takes this one and those before it.
pub const VERSION: u32 = 1;

/// Member that comes first: the neutral schema.
pub const SCHEMA: &str = "schema.json";

/// Member that comes last.
pub const MANIFEST: &str = "manifest.json";

/// Most bytes of [`SCHEMA`] and of [`MANIFEST`].
pub const MOST_JSON: u64 = 256 * 1024 * 1024;

/// Most tables.
pub const MOST_TABLES: usize = 100_000;

/// Most bytes of the message of one batch of rows: the largest value of any server (1 GiB) and what stands around it.
pub const MOST_BATCH: u64 = (1 << 30) + (64 << 20);

/// Most bytes of what describes a batch.
pub const MOST_HEADER: u32 = 16 * 1024 * 1024;

/// Base-2 logarithm of the window that a decompressor is given: 8 MiB, which compression levels up to 19 stay within.
pub const WINDOW: u32 = 23;

/// Name of the member that holds a table's rows.
pub fn member(nth: usize) -> String {
    format!("data/{:04}.arrow.zst", nth + 1)
}

/// The last member: what the archive was made of, when, and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format.
    pub format: u32,
    /// Who wrote it, with its version.
    pub program: String,
    /// Run that made it.
    pub run: String,
    /// When reading began, RFC 3339 in UTC: the moment that the content is of.
    pub begun: String,
    /// When it was done.
    pub ended: String,
    /// The database.
    pub database: Database,
    /// SHA-256 of `schema.json`, in hexadecimal.
    pub schema_sha256: String,
    /// Tables, in the order of the schema.
    pub tables: Vec<TableEntry>,
    /// Rows whose parent is missing, by foreign key.
    pub orphans: Vec<Orphans>,
    /// Other rows that a constraint may refuse. Absent from archives of before they were asked for.
    #[serde(default)]
    pub told: Told,
}

/// What the database was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Product.
    pub product: Flavour,
    /// Version as it says it.
    pub version: String,
    /// The same in numbers.
    pub version_number: (u32, u32, u32),
    /// Character encoding.
    pub encoding: String,
    /// Default collation.
    pub collation: String,
    /// Time zone of sessions that ask for none.
    pub time_zone: Option<String>,
    /// Collations that it knows, where that depends on the server.
    pub collations: Vec<String>,
    /// Whether table names that differ only in case are different tables.
    pub case_sensitive_names: bool,
    /// Schema (PostgreSQL) or database (MySQL) that held the tables.
    pub namespace: String,
    /// What makes it the same database under another name, see [`Facts::identity`].
    pub identity: String,
}

impl From<&Facts> for Database {
    fn from(facts: &Facts) -> Self {
        Self {
            product: facts.flavour,
            version: facts.version.clone(),
            version_number: facts.version_number,
            encoding: facts.encoding.clone(),
            collation: facts.collation.clone(),
            time_zone: facts.time_zone.clone(),
            collations: facts.collations.clone(),
            case_sensitive_names: facts.case_sensitive_names,
            namespace: facts.namespace.clone(),
            identity: facts.identity.clone(),
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Its name.
    pub name: String,
    /// Member that holds its rows.
    pub member: String,
    /// Bytes of the member.
    pub bytes: u64,
    /// SHA-256 of the member, in hexadecimal.
    pub sha256: String,
    /// Bytes of its rows, uncompressed.
    pub arrow_bytes: u64,
    /// Rows and their digest over the cells as they are kept (`docs/digest.md`).
    pub content: Digest,
    /// Columns in order.
    pub columns: Vec<ColumnEntry>,
    /// What was seen of its values, by the engine that they might go to.
    pub profiles: BTreeMap<Dialect, TableProfile>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Its name.
    pub name: String,
    /// What its values are kept as; fixes the Arrow type.
    pub kept: DataType,
}
