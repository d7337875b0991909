//! Backups, for people.

use std::fmt::Write as _;
use std::path::Path;

use chrono::{Local, Utc};

use super::one_line;
use super::table::{Column, lay_out};
use crate::cli::terminal::{Ink, Style};
use crate::cli::units;
use crate::model::manifest::{Manifest, Purpose};
use crate::pipeline::backups::{Backup, Shelf};

const COLUMNS: [Column; 6] = [
    Column::Left("backup"),
    Column::Left("made"),
    Column::Right("age"),
    Column::Right("bytes"),
    Column::Right("rows"),
    Column::Left("database"),
];

/// `--list`: the newest first, then what is no backup any more.
pub fn list(shelf: &Shelf, folder: &Path, style: Style) -> String {
    let rows = shelf.backups.iter().map(|backup| {
        let manifest = &backup.manifest;
        let why = match manifest.purpose {
            Purpose::Asked => "",
            Purpose::Migration => ", before a migration",
            Purpose::Rollback => ", before a rollback",
        };
        vec![
            backup.name.clone(),
            backup.made().with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
            age(backup),
            units::bytes(manifest.bytes),
            rows(manifest),
            format!("{}{why}", manifest.database.location),
        ]
    });
    let mut out = lay_out(&COLUMNS, rows, style);
    if out.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "no backups in {}", folder.display());
    }
    for faulty in &shelf.faulty {
        let path = one_line(&faulty.path.display().to_string());
        let _ = writeln!(out, "{} {path}: {}", style.paint(Ink::Warning, "look:"), one_line(&faulty.why));
    }
    out
}

/// How long ago it was made.
pub(super) fn age(backup: &Backup) -> String {
    units::duration((Utc::now() - backup.made()).to_std().unwrap_or_default())
}

/// Its rows, if its manifest tells them.
pub(super) fn rows(manifest: &Manifest) -> String {
    if manifest.tables.is_empty() { "-".to_owned() } else { units::count(manifest.rows()) }
}

/// `--verify`.
pub fn verified(backup: &Backup) -> String {
    let manifest = &backup.manifest;
    let what = if manifest.tables.is_empty() {
        String::new()
    } else {
        format!(
            ", {} in {}",
            units::plural(manifest.rows(), "row"),
            units::plural(manifest.tables.len() as u64, "table")
        )
    };
    format!("{} is sound: {}{what}\n", backup.path.display(), units::bytes(manifest.bytes))
}
