//! What `migrate --dump` did, for people: its tables, what did not arrive as it was, and how to load the script.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::{findings, report};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::commands::dump::DumpReport;
use crate::model::endpoint::Flavour;

/// What a client and a server of MySQL or MariaDB take in one statement by default.
const DEFAULT_PACKET: u64 = 16 * 1024 * 1024;

/// The whole report.
pub fn render(dump: &DumpReport, style: Style) -> String {
    let migration = &dump.migration;
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "from  {}", super::database(&migration.source, style));
    let _ = writeln!(out, "to    {}\n", super::database(&migration.target, style));
    out.push_str(&report::tables(migration, style));
    out.push_str(&findings::render(&migration.findings, style));
    let _ = writeln!(out, "\n{}", style.paint(Ink::Good, &end(dump)));
    if let Some(file) = &migration.rejects {
        let rejected = migration.tables.iter().map(|t| t.rows_rejected).sum();
        let _ =
            writeln!(out, "The keys of {} that were put aside are in {file}", units::plural(rejected, "row"));
    }
    let _ = writeln!(
        out,
        "\nTo load it where the target is; it ends with an error unless every row arrived:\n  {}",
        super::one_line(&load(dump))
    );
    if is_mysql(dump.flavour) && dump.longest_row > DEFAULT_PACKET / 2 {
        let _ = writeln!(
            out,
            "The longest row takes {}: the server's max_allowed_packet has to be larger than that.",
            units::bytes(dump.longest_row)
        );
    }
    out
}

/// `4 tables with 1,234 rows as a script of 45 MB in 0.4 s`.
pub(super) fn end(dump: &DumpReport) -> String {
    let migration = &dump.migration;
    format!(
        "{} with {} as a script of {} in {}",
        units::plural(migration.tables.len() as u64, "table"),
        units::plural(migration.tables.iter().map(|t| t.rows_written).sum(), "row"),
        units::bytes(dump.file_bytes),
        units::duration(Duration::try_from_secs_f64(migration.seconds).unwrap_or_default()),
    )
}

fn is_mysql(flavour: Flavour) -> bool {
    matches!(flavour, Flavour::Mysql | Flavour::Mariadb)
}

/// The command that loads it.
pub(super) fn load(dump: &DumpReport) -> String {
    let packet = if is_mysql(dump.flavour) && dump.longest_row > DEFAULT_PACKET / 2 {
        " --max-allowed-packet=1G"
    } else {
        ""
    };
    let client = match dump.flavour {
        Flavour::Sqlite => "sqlite3 NEW.db".to_owned(),
        Flavour::Postgres => "psql -X -v ON_ERROR_STOP=1 -d NAME".to_owned(),
        Flavour::Mysql => format!("mysql{packet} NAME"),
        Flavour::Mariadb => format!("mariadb{packet} NAME"),
    };
    let file = shell_word(&dump.file);
    match dump.file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("gz") => format!("gzip -dc {file} | {client}"),
        Some("zst") => format!("zstd -dc {file} | {client}"),
        _ if dump.flavour == Flavour::Postgres => format!("{client} -f {file}"),
        _ => format!("{client} < {file}"),
    }
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | '@');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
