//! One file a command: options in, report out. No clap, no printing.

pub mod backup;
pub mod check;
pub mod consent;
pub mod detect;
pub mod dotenv;
pub mod dump;
pub mod migrate;
pub mod newest_backup;
mod prepare;
mod recorded;
pub mod restore;
pub mod rollback;
pub mod schema;
pub mod tune;
mod warnings;

use std::path::{Path, PathBuf};

use crate::engine::capability::Facts;
use crate::engine::file_name;
use crate::model::endpoint::{Endpoint, Location};
use crate::model::report::DatabaseReport;

/// What makes a database the same one under another name: the real path of a file, which outlives its replacement,
/// else what the server says.
pub(crate) fn identity(endpoint: &Endpoint, facts: &Facts) -> String {
    match &endpoint.location {
        Location::File(path) => format!("sqlite:{}", real_path(path).display()),
        Location::Postgres(_) | Location::Mysql(_) | Location::Archive { .. } => facts.identity.clone(),
    }
}

/// The real path of a file, which need not exist if its folder does.
fn real_path(path: &Path) -> PathBuf {
    let folder = file_name::folder(path);
    let new = || Some(std::fs::canonicalize(folder).ok()?.join(path.file_name()?));
    std::fs::canonicalize(path).ok().or_else(new).unwrap_or_else(|| path.to_owned())
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
