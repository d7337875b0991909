//! Log lines on stderr, as many as `-v`, `-vv` or `RUST_LOG` ask for. What SQL there is in them makes
//! tables and keys and holds no row: the engines log it themselves, sqlx logs nothing.

use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use super::config::Environment;
use super::progress::{LogWriter, Progress};
use super::terminal::Style;

/// What is logged at each `-v`.
const LEVELS: [&str; 3] = [
    "off,techcare_db=warn",
    "off,techcare_db=info,sea_orm_migration=info",
    "off,techcare_db=debug,sea_orm_migration=debug",
];

/// Starts logging for the rest of the process; a second call changes nothing.
pub fn start(verbose: u8, quiet: bool, style: Style, environment: &Environment, progress: Arc<Progress>) {
    let own = if quiet { "off" } else { LEVELS[usize::from(verbose).min(LEVELS.len() - 1)] };
    let asked = environment.get("RUST_LOG").ok().flatten();
    let filter = asked.and_then(|setting| EnvFilter::try_new(setting.text()).ok());
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(own)))
        .with_ansi(style.color)
        .with_writer(move || LogWriter::new(progress.clone()));
    // Fails only where a test of the same process has started it before.
    let _ = logging.try_init();
}
