//! One file a command: options in, report out. No clap, no printing.

pub mod backup;
pub mod check;
pub mod consent;
pub mod detect;
pub mod dump;
pub mod migrate;
mod prepare;
mod recorded;
pub mod rollback;
pub mod schema;
mod warnings;

use std::path::Path;

use crate::engine::capability::Facts;
use crate::model::endpoint::{Endpoint, Location};
use crate::model::report::DatabaseReport;

/// What makes a database the same one under another name: the real path of a file, which outlives its replacement,
/// else what the server says.
pub(crate) fn identity(endpoint: &Endpoint, facts: &Facts) -> String {
    match &endpoint.location {
        Location::File(path) => {
            let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
            let folder = std::fs::canonicalize(folder.unwrap_or(Path::new(".")));
            let real =
                std::fs::canonicalize(path).ok().or_else(|| Some(folder.ok()?.join(path.file_name()?)));
            format!("sqlite:{}", real.as_deref().unwrap_or(path).display())
        }
        Location::Postgres(_) | Location::Mysql(_) | Location::Archive { .. } => facts.identity.clone(),
    }
}

/// An open database as reports name it.
pub(crate) fn database_report(endpoint: &Endpoint, facts: &Facts) -> DatabaseReport {
    DatabaseReport {
        engine: endpoint.dialect().to_string(),
        version: Some(format!("{} {}", facts.flavour.title(), facts.version)),
        location: endpoint.to_string(),
        origin: endpoint.origin.clone(),
    }
}
