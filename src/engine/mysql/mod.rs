//! MySQL and MariaDB, two flavours of one engine.

pub mod charset;
pub mod ddl;
pub mod native;
pub mod types;

use crate::engine::capability::{Facts, Source, Target};
use crate::model::endpoint::{Endpoint, Flavour, Server};
use crate::model::error::{Error, Result};

/// Opens for reading.
pub async fn open_source(_server: &Server, _endpoint: &Endpoint) -> Result<Box<dyn Source>> {
    Err(Error::internal("not built yet"))
}

/// Opens for writing.
pub async fn open_target(_server: &Server, _endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    Err(Error::internal("not built yet"))
}

/// Rules of MySQL or MariaDB, as they are without a server to ask or for one that was asked.
pub fn rules(flavour: Flavour, facts: Option<&Facts>) -> Box<dyn crate::engine::capability::Rules> {
    Box::new(types::Rules::new(flavour, facts))
}

/// SeaORM connection.
pub async fn orm(_server: &Server, _endpoint: &Endpoint) -> Result<sea_orm::DatabaseConnection> {
    Err(Error::internal("not built yet"))
}
