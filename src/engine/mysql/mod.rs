//! MySQL and MariaDB, two flavours of one engine: `types` and `ddl` say what they can hold, `inspect` reads the
//! catalogue, `read` and `write` move rows, `stage` builds unseen and switches, `restore` does so from a dump. This file opens databases.

mod apart;
mod backup;
mod bind;
mod charset;
mod connection;
mod data;
mod ddl;
mod decode;
mod dumped;
mod exchange;
mod fault;
mod fit;
mod inspect;
mod instant;
mod journal;
mod leftovers;
mod mapping;
mod native;
mod place;
mod privileges;
mod probe;
mod profile;
mod programs;
mod read;
mod replace;
mod restore;
mod rights;
mod script;
mod stage;
mod staying;
mod tune;
mod types;
mod width;
mod write;

/// The hot loops alone, for `make bench-loops`.
#[cfg(feature = "loops")]
pub mod loops {
    pub use super::read::decoded;
    pub use super::write::bound;
}

use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlConnection, MySqlPool};

use self::connection::{Link, Role, number, rows};
pub use self::tune::tunable;
use self::types::{Rules, quote};
use crate::engine::backup::NativeWay;
use crate::engine::blocking;
use crate::engine::capability::{
    Defaults, Facts, Health, Probe, ReadRequest, Snapshot, Source, Stored, TableSize, Target, Verdict,
};
use crate::engine::dump::DumpDialect;
use crate::engine::watch::Pulse;
use crate::model::endpoint::{Endpoint, Flavour, Server};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::manifest::TableContent;
use crate::model::schema::Schema;

/// Bytes of a dump that are read at a time.
const BLOCK: usize = 1 << 18;

/// Opens for reading: every session of it is read-only, by the server's own rule.
pub async fn open_source(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Source>> {
    Ok(Box::new(Database::open(server, endpoint, Role::Reader).await?))
}

/// Opens for writing.
pub async fn open_target(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    Ok(Box::new(Database::open(server, endpoint, Role::Writer).await?))
}

/// Rules of MySQL or MariaDB, as they are without a server to ask or for one that was asked.
pub fn rules(flavour: Flavour, facts: Option<&Facts>) -> Box<dyn crate::engine::capability::Rules> {
    Box::new(Rules::new(flavour, facts))
}

/// MySQL or MariaDB as text.
pub fn dump(flavour: Flavour) -> Box<dyn DumpDialect> {
    Box::new(script::MysqlDump::new(flavour))
}

/// Whether a dump can be restored, as far as that is known without a server.
pub async fn check_backup(file: &Path) -> Result<()> {
    let file = file.to_owned();
    blocking::run(move || backup::check(&file)).await
}

/// Tables of a dump with the number of their rows, if they can be told.
pub async fn counted_backup(file: &Path) -> Result<Option<Vec<TableContent>>> {
    let file = file.to_owned();
    blocking::run(move || {
        let dump = std::fs::File::open(&file)
            .map_err(|e| Error::new(ErrorKind::Verify, "the dump cannot be read").why(e))?;
        dumped::content(BufReader::with_capacity(BLOCK, dump), &[])
    })
    .await
}

/// A SeaORM connection to the same database, with the same session settings.
pub async fn orm(server: &Server, endpoint: &Endpoint) -> Result<sea_orm::DatabaseConnection> {
    let link = Link::new(server, endpoint);
    // The pool connects when it has to; a wrong password is told now.
    let connection = link.connect(Role::Writer).await?;
    let _ = sqlx::Connection::close(connection).await;
    Ok(sea_orm::SqlxMySqlConnector::from_sqlx_mysql_pool(link.pool(Role::Writer)))
}

/// A session that only asks whether the server is there.
pub async fn pulse(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Pulse>> {
    Ok(Box::new(Beat(Link::new(server, endpoint).connect(Role::Reader).await?)))
}

struct Beat(MySqlConnection);

#[async_trait]
impl Pulse for Beat {
    async fn beat(&mut self) -> Result<()> {
        connection::latency(&mut self.0).await.map(drop)
    }
}

/// An open database.
pub(in crate::engine::mysql) struct Database {
    link: Link,
    pool: MySqlPool,
    facts: Facts,
    rules: Rules,
}

impl Database {
    async fn open(server: &Server, endpoint: &Endpoint, role: Role) -> Result<Self> {
        Self::over(Link::new(server, endpoint), role).await
    }

    /// The database that a link leads to.
    async fn over(link: Link, role: Role) -> Result<Self> {
        let mut connection = link.connect(role).await?;
        let latency = connection::latency(&mut connection).await?;
        let facts = facts(&mut connection, link.database(), latency).await?;
        let _ = sqlx::Connection::close(connection).await;
        let rules = Rules::new(facts.flavour, Some(&facts));
        Ok(Self { pool: link.pool(role), link: link.answered(), facts, rules })
    }

    async fn connection(&self) -> Result<PoolConnection<MySql>> {
        self.pool.acquire().await.map_err(|e| fault::reading("the server", &e))
    }
}

#[async_trait]
impl Source for Database {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn rules(&self) -> &dyn crate::engine::capability::Rules {
        &self.rules
    }

    async fn inspect(&self) -> Result<Schema> {
        let mut connection = self.connection().await?;
        let mut schema = inspect::schema(&mut connection, &self.rules, &self.facts.namespace).await?;
        // What is built is looked at as what it is going to be.
        if place::is_staging_database(&self.facts.namespace) {
            schema.tables.retain(|table| table.name != place::MARKER);
        }
        Ok(schema)
    }

    async fn sizes(&self) -> Result<Vec<TableSize>> {
        let mut connection = self.connection().await?;
        let list = "SELECT table_name, data_length + index_length FROM information_schema.tables WHERE table_schema \
                    = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name";
        let mut out = Vec::new();
        for row in rows(&mut connection, "the list of tables", list).await? {
            let table = row.word(0);
            let count = format!("SELECT COUNT(*) FROM {}", quote(&table));
            let rows = number(&mut connection, &format!("table \"{table}\""), &count).await?;
            out.push(TableSize { table, rows, bytes: row.number(1) });
        }
        Ok(out)
    }

    async fn health(&self) -> Result<Health> {
        let mut connection = self.connection().await?;
        let ask = "SELECT (SELECT variable_value FROM {}.global_status WHERE variable_name = 'Threads_connected'), \
                   @@GLOBAL.max_connections";
        // MariaDB and MySQL keep the same table in different places.
        let place =
            if self.facts.flavour == Flavour::Mariadb { "information_schema" } else { "performance_schema" };
        let answer = rows(&mut connection, "the server's load", &ask.replace("{}", place)).await?;
        let connections = answer.first().and_then(|row| Some((row.number(0)?, row.number(1)?)));
        let mut missing_rights = Vec::new();
        if !rights::sees_every_table(&mut connection).await? {
            missing_rights.push(rights::to_see_every_table(self.link.user(), &self.facts.namespace));
        }
        Ok(Health { connections, missing_rights })
    }

    async fn damage(&self) -> Result<Vec<String>> {
        let mut connection = self.connection().await?;
        let list = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN \
                    ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name";
        let tables: Vec<String> =
            rows(&mut connection, "the list of tables", list).await?.iter().map(|r| r.word(0)).collect();
        let mut out = Vec::new();
        for table in tables {
            let check = format!("CHECK TABLE {}", quote(&table));
            for row in rows(&mut connection, &format!("table \"{table}\""), &check).await? {
                let (kind, text) = (row.word(2), row.word(3));
                if kind.eq_ignore_ascii_case("error") || kind.eq_ignore_ascii_case("warning") {
                    out.push(format!("table {table}: {text}"));
                }
            }
        }
        Ok(out)
    }

    async fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>> {
        rights::refuse_hidden_tables(&mut *self.connection().await?, self.link.user(), &self.facts.namespace)
            .await?;
        Ok(Box::new(read::View::open(&self.link, &self.facts, readers.max(1)).await?))
    }

    async fn probe(&self, probe: &Probe) -> Result<Option<Vec<Verdict>>> {
        let mut connection = self.connection().await?;
        probe::verdicts(&mut connection, &self.rules, probe).await.map(Some)
    }

    async fn evaluate(&self, defaults: &Defaults) -> Result<Option<Vec<Stored>>> {
        let mut connection = self.connection().await?;
        probe::stored(&mut connection, &self.rules, defaults).await.map(Some)
    }

    async fn native_backup(&self) -> Result<NativeWay> {
        let mut connection = self.connection().await?;
        backup::way(&mut connection, self.facts.flavour, self.facts.version_number.0).await
    }

    async fn rows_of_backup(
        &self,
        requests: Vec<ReadRequest>,
        dump: Box<dyn Read + Send>,
    ) -> Result<Option<Vec<TableContent>>> {
        blocking::run(move || dumped::content(BufReader::with_capacity(BLOCK, dump), &requests)).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

/// What the server says about itself and the database, in three queries; in four where it has sequences.
async fn facts(connection: &mut MySqlConnection, database: &str, latency: Duration) -> Result<Facts> {
    let what = "the server's facts";
    let variables = rows(
        connection,
        what,
        "SHOW GLOBAL VARIABLES WHERE variable_name IN ('version', 'server_uuid', 'server_uid', 'hostname', 'port', \
         'datadir', 'max_allowed_packet', 'lower_case_table_names', 'time_zone', 'system_time_zone')",
    )
    .await?;
    let variable = |name: &str| variables.iter().find(|r| r.word(0) == name).map(|r| r.word(1));
    let version = variable("version").unwrap_or_default();
    let flavour = if version.contains("MariaDB") { Flavour::Mariadb } else { Flavour::Mysql };
    let about = rows(
        connection,
        what,
        "SELECT s.schema_name, s.default_character_set_name, s.default_collation_name, (SELECT SUM(data_length + \
         index_length) FROM information_schema.tables WHERE table_schema = DATABASE()) FROM \
         information_schema.schemata s WHERE s.schema_name = DATABASE()",
    )
    .await?;
    let collations =
        rows(connection, what, "SELECT collation_name FROM information_schema.collations").await?;
    let sequences = match flavour {
        Flavour::Mariadb => rows(connection, what, inspect::SEQUENCES).await?,
        _ => Vec::new(),
    };
    // What holds for this session holds for those that make tables.
    let restricted = "SHOW SESSION VARIABLES WHERE variable_name = 'restrict_fk_on_non_standard_key'";
    let restricted = rows(connection, what, restricted).await?;
    let field = |at: usize| about.first().and_then(|r| r.text(at));
    let namespace = field(0).unwrap_or_else(|| database.to_owned());
    let unique = variable("server_uuid").or_else(|| variable("server_uid")).unwrap_or_default();
    let place = ["hostname", "port", "datadir"].map(|name| variable(name).unwrap_or_default()).join(":");
    let zone = variable("time_zone").map(|zone| match variable("system_time_zone") {
        Some(system) if zone == "SYSTEM" => system,
        _ => zone,
    });
    Ok(Facts {
        sequences: sequences.iter().map(|r| place::qualified(&namespace, &r.word(0))).collect(),
        flavour,
        version_number: version_number(&version),
        version,
        encoding: field(1).unwrap_or_default(),
        collation: field(2).unwrap_or_default(),
        time_zone: zone,
        size: about.first().and_then(|r| r.number(3)),
        identity: format!("mysql:{unique}:{place}/{namespace}"),
        latency,
        collations: collations.iter().map(|r| r.word(0)).collect(),
        max_value_bytes: variable("max_allowed_packet").and_then(|v| v.parse().ok()),
        case_sensitive_names: variable("lower_case_table_names").is_none_or(|v| v == "0"),
        unique_parents: restricted.first().is_some_and(|row| row.word(1) == "ON"),
        namespace,
    })
}

/// `10.11.6-MariaDB-1` and `5.5.5-10.11.6-MariaDB` (as proxies say it) are both 10.11.6.
fn version_number(version: &str) -> (u32, u32, u32) {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_numbers() {
        assert_eq!(version_number("10.11.19-MariaDB-0+deb12u1"), (10, 11, 19));
        assert_eq!(version_number("5.5.5-10.3.39-MariaDB-log"), (10, 3, 39));
        assert_eq!(version_number("8.0.36"), (8, 0, 36));
    }
}
