//! What docs/security.md promises, a module a promise. Names that attack are in `names`, first logins in
//! `cases::login`, refusals of what may not be written in `cases::refused`.

mod account;
mod files;
mod hostile_file;
mod hostile_server;
mod identity;
mod passwords;
mod sql;
mod tls;
mod values;

use std::path::{Path, PathBuf};

/// Every file in a folder and below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Whether bytes hold a word.
fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}
