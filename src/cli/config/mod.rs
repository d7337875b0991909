//! Where the configuration comes from and how a database is named in it: flags > environment > `.env` >
//! `techcare-db.toml` > defaults. Every endpoint that leaves here knows its origin, and no password leaves in the
//! clear. What the words of the contract mean (CLI.md, "Naming a database") is in `resolve`.

mod environment;
mod file;
mod parts;
mod query;
mod resolve;
mod secrets;
mod url;

use std::path::{Path, PathBuf};

pub use environment::{Environment, Setting};
pub use file::{ConfigFile, DatabaseEntry, PoolEntry};
pub use resolve::{Resolved, ResolvedCheck, ResolvedPair, product};
pub use url::{engine, unsupported};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::policy::Policy;
use crate::model::rule::TableRule;

/// The configuration file in the TechCare folder.
const FILE_NAME: &str = "techcare-db.toml";

/// Everything that decides what a name stands for.
#[derive(Debug, Clone)]
pub struct Config {
    app_dir: PathBuf,
    environment: Environment,
    file: ConfigFile,
    file_label: String,
}

impl Config {
    /// Reads `.env` and `techcare-db.toml`, from the app folder or from where the user says.
    pub fn load(
        app_dir: &Path,
        env_file: Option<&Path>,
        config_file: Option<&Path>,
        environment: Environment,
    ) -> Result<Self> {
        if !app_dir.is_dir() {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("the TechCare folder {} does not exist", app_dir.display()),
            )
            .next("name it with --app-dir or TECHCARE_HOME"));
        }
        let environment = match env_file {
            Some(path) => environment.with_file(path, &path.display().to_string(), true)?,
            None => environment.with_file(&app_dir.join(".env"), ".env", false)?,
        };
        let (file, file_label) = if let Some(path) = config_file {
            (ConfigFile::read(path, true)?, path.display().to_string())
        } else {
            (ConfigFile::read(&app_dir.join(FILE_NAME), false)?, FILE_NAME.to_owned())
        };
        Ok(Self { app_dir: app_dir.to_owned(), environment, file, file_label })
    }

    /// The TechCare folder.
    pub fn app_dir(&self) -> &Path {
        &self.app_dir
    }

    /// What `techcare-db.toml` decides about findings.
    pub fn policies(&self) -> &[Policy] {
        &self.file.policies
    }

    /// What `techcare-db.toml` decides about names, types and columns.
    pub fn rules(&self) -> &[TableRule] {
        &self.file.rules
    }

    /// A path below the TechCare folder, without a `./` in front where that is the current one.
    pub fn in_app_dir(&self, path: impl AsRef<Path>) -> PathBuf {
        if self.app_dir == Path::new(".") { path.as_ref().to_owned() } else { self.app_dir.join(path) }
    }
}

#[cfg(test)]
mod tests;
