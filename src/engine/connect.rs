//! The only file that names all three engines, and the archive beside them: from an endpoint to an open source or target, and from a dialect
//! to its rules without any connection.

use std::fs::File;
use std::path::Path;

use super::archive::{self, Archive};
use super::capability::{Facts, Rules, Source, Target, Tunable};
use super::dump::DumpDialect;
use super::watch::Pulse;
use super::{mysql, postgres, sqlite};
use crate::model::endpoint::{Dialect, Endpoint, Flavour, Location};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::manifest::TableContent;

/// Opens a database for reading.
pub async fn source(endpoint: &Endpoint) -> Result<Box<dyn Source>> {
    match &endpoint.location {
        Location::File(path) => sqlite::open_source(path, endpoint).await,
        Location::Postgres(server) => postgres::open_source(server, endpoint).await,
        Location::Mysql(server) => mysql::open_source(server, endpoint).await,
        Location::Archive { path, .. } => {
            let file = File::open(path).map_err(|e| {
                Error::new(ErrorKind::Unreachable, format!("cannot open {}", path.display())).why(e)
            })?;
            Ok(Box::new(archive(file, path).await?))
        }
    }
}

/// Opens an archive. `shown` is what messages call the file.
pub async fn archive(file: File, shown: &Path) -> Result<Archive> {
    archive::open(file, shown, |product, facts| rules(product, Some(facts))).await
}

/// Opens a database for writing. A SQLite file that does not exist is not made before the switch.
pub async fn target(endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    match &endpoint.location {
        Location::File(path) => sqlite::open_target(path, endpoint).await,
        Location::Postgres(server) => postgres::open_target(server, endpoint).await,
        Location::Mysql(server) => mysql::open_target(server, endpoint).await,
        Location::Archive { path, .. } => Err(only_read(path)),
    }
}

/// Opens a server or file for reading and changing its settings.
pub async fn tunable(endpoint: &Endpoint) -> Result<Box<dyn Tunable>> {
    match &endpoint.location {
        Location::File(path) => sqlite::tunable(path).await,
        Location::Postgres(server) => postgres::tunable(server, endpoint).await,
        Location::Mysql(server) => mysql::tunable(server, endpoint).await,
        Location::Archive { path, .. } => Err(only_read(path)),
    }
}

/// Rules of a product, as they are without a server to ask (`facts: None`) or for one that was asked.
pub fn rules(flavour: Flavour, facts: Option<&Facts>) -> Box<dyn Rules> {
    match flavour {
        Flavour::Sqlite => sqlite::rules(),
        Flavour::Postgres => postgres::rules(facts),
        Flavour::Mysql | Flavour::Mariadb => mysql::rules(flavour, facts),
    }
}

/// A product as text, for scripts that its client program loads.
pub fn dump(flavour: Flavour) -> Box<dyn DumpDialect> {
    match flavour {
        Flavour::Sqlite => sqlite::dump(),
        Flavour::Postgres => postgres::dump(),
        Flavour::Mysql | Flavour::Mariadb => mysql::dump(flavour),
    }
}

/// Opens a native backup for reading where that needs no restore: SQLite's is a database.
pub async fn open_backup(engine: Dialect, file: &Path) -> Result<Option<Box<dyn Source>>> {
    match engine {
        Dialect::Sqlite => sqlite::open_backup(file).await.map(Some),
        Dialect::Postgres | Dialect::Mysql => Ok(None),
    }
}

/// Tables of a native backup with the number of their rows, where it cannot be opened and yet tells so much.
pub async fn counted_backup(engine: Dialect, file: &Path) -> Result<Option<Vec<TableContent>>> {
    match engine {
        Dialect::Mysql => mysql::counted_backup(file).await,
        Dialect::Sqlite | Dialect::Postgres => Ok(None),
    }
}

/// Lets an engine look at a native backup of its own, as it is on the disk.
pub async fn check_backup(engine: Dialect, file: &Path) -> Result<()> {
    match engine {
        Dialect::Sqlite => sqlite::check_backup(file).await,
        Dialect::Postgres => postgres::check_backup(file).await,
        Dialect::Mysql => mysql::check_backup(file).await,
    }
}

/// Opens a session that only asks whether the server is there.
pub async fn pulse(endpoint: &Endpoint) -> Result<Box<dyn Pulse>> {
    match &endpoint.location {
        Location::Postgres(server) => postgres::pulse(server, endpoint).await,
        Location::Mysql(server) => mysql::pulse(server, endpoint).await,
        Location::File(path) | Location::Archive { path, .. } => {
            Err(Error::internal(format!("{} is no server", path.display())))
        }
    }
}

/// A SeaORM connection to the same database, for TechCare's entities and migrators.
pub async fn orm(endpoint: &Endpoint) -> Result<sea_orm::DatabaseConnection> {
    match &endpoint.location {
        Location::File(path) => sqlite::orm(path, endpoint).await,
        Location::Postgres(server) => postgres::orm(server, endpoint).await,
        Location::Mysql(server) => mysql::orm(server, endpoint).await,
        Location::Archive { path, .. } => Err(only_read(path)),
    }
}

fn only_read(path: &Path) -> Error {
    Error::new(
        ErrorKind::Usage,
        format!("{} is an archive, which is read and never written to", path.display()),
    )
    .next("name a database; `migrate --source` brings the archive into one")
}
