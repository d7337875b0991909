//! One file a command: options in, report out. No clap, no printing.

pub mod backup;
pub mod check;
pub mod detect;
pub mod dump;
pub mod migrate;
mod prepare;
mod recorded;
pub mod schema;
mod warnings;

use crate::engine::capability::Facts;
use crate::model::endpoint::Endpoint;
use crate::model::report::DatabaseReport;

/// An open database as reports name it.
pub(crate) fn database_report(endpoint: &Endpoint, facts: &Facts) -> DatabaseReport {
    DatabaseReport {
        engine: endpoint.dialect().to_string(),
        version: Some(format!("{} {}", facts.flavour.title(), facts.version)),
        location: endpoint.to_string(),
        origin: endpoint.origin.clone(),
    }
}
