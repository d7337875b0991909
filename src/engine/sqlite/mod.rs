//! SQLite: files, their catalogue, their rows, and new files in which a migration is built.

mod ddl;
mod default;
mod definition;
mod file;
mod inspect;
mod tokens;
mod types;

use crate::engine::capability::{Rules, Source, Target};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, Result};

/// Opens for reading.
pub async fn open_source(_path: &std::path::Path, _endpoint: &Endpoint) -> Result<Box<dyn Source>> {
    Err(Error::internal("not built yet"))
}

/// Opens for writing.
pub async fn open_target(_path: &std::path::Path, _endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    Err(Error::internal("not built yet"))
}

/// Rules of SQLite; no file is needed to know them.
pub fn rules() -> Box<dyn Rules> {
    Box::new(ddl::SqliteRules)
}

/// SeaORM connection.
pub async fn orm(_path: &std::path::Path, _endpoint: &Endpoint) -> Result<sea_orm::DatabaseConnection> {
    Err(Error::internal("not built yet"))
}
