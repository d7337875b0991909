//! postgres: being built.

use crate::engine::capability::{Facts, Rules, Source, Target};
use crate::model::endpoint::Endpoint;
use crate::model::error::{Error, Result};

/// Opens for reading.
pub async fn open_source(
    _server: &crate::model::endpoint::Server,
    _endpoint: &Endpoint,
) -> Result<Box<dyn Source>> {
    Err(Error::internal("not built yet"))
}

/// Opens for writing.
pub async fn open_target(
    _server: &crate::model::endpoint::Server,
    _endpoint: &Endpoint,
) -> Result<Box<dyn Target>> {
    Err(Error::internal("not built yet"))
}

/// Rules.
pub fn rules(_facts: Option<&Facts>) -> Box<dyn Rules> {
    panic!("not built yet")
}

/// SeaORM connection.
pub async fn orm(
    _server: &crate::model::endpoint::Server,
    _endpoint: &Endpoint,
) -> Result<sea_orm::DatabaseConnection> {
    Err(Error::internal("not built yet"))
}
