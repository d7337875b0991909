//! Writes a realistic TechCare database: a SQLite file as SQLAlchemy makes it, any number of diagnostics, the same
//! for the same seed, with everything that has ever made a migration of one go wrong. For `make demo`, the tests and
//! the benchmark; not a command of the product.
//!
//!     cargo run --example seed -- --out demo.db --diagnostics 10000
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::missing_panics_doc, missing_docs)]
// As a module of the tests nobody calls `main`.
#![allow(dead_code)]

#[path = "seed/json.rs"]
mod json;
#[path = "seed/passwords.rs"]
pub mod passwords;
#[path = "seed/random.rs"]
mod random;
#[path = "seed/rows.rs"]
mod rows;
#[path = "seed/schema.rs"]
pub mod schema;

use std::path::PathBuf;

use clap::Parser;
use rusqlite::{Connection, params};

use json::Bodies;
use random::Random;

/// What to write.
#[derive(Debug, Clone, Parser)]
#[command(name = "seed", about = "Writes a TechCare database for demonstrations and tests")]
pub struct Options {
    /// The file; must not exist.
    #[arg(long)]
    pub out: PathBuf,
    /// Rows of `diagnostics`.
    #[arg(long)]
    pub diagnostics: u64,
    /// Rows of `users`.
    #[arg(long, default_value_t = 200)]
    pub users: u64,
    /// Same seed, same file.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Diagnostics whose user does not exist.
    #[arg(long, default_value_t = 0)]
    pub orphans: u64,
    /// The schema of an older release after its update script.
    #[arg(long)]
    pub older_schema: bool,
}

fn main() {
    let options = Options::parse();
    write(&options).unwrap();
    println!("{}", options.out.display());
}

/// Writes the file.
pub fn write(options: &Options) -> rusqlite::Result<()> {
    assert!(!options.out.exists(), "{} exists", options.out.display());
    let mut file = Connection::open(&options.out)?;
    // As the application leaves it: foreign keys unchecked, rollback journal. While writing there is nothing to lose.
    file.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let mut random = Random::new(options.seed);
    let transaction = file.transaction()?;
    let ddl: &[&str] = if options.older_schema { &schema::CREATE_OLDER } else { &schema::CREATE };
    for statement in ddl {
        transaction.execute_batch(statement)?;
    }
    rows::roles(&transaction, options.older_schema)?;
    rows::users(&transaction, options, &mut random)?;
    diagnostics(&transaction, options, &mut random)?;
    rows::maintenance_plans(&transaction, options, &mut random)?;
    transaction.commit()?;
    file.execute_batch("PRAGMA journal_mode = DELETE;")
}

fn diagnostics(file: &Connection, options: &Options, random: &mut Random) -> rusqlite::Result<()> {
    let bodies = Bodies::new(random);
    let mut insert = file.prepare(
        "INSERT INTO diagnostics (id, user_id, name, date, cpu_results, memory_results, disk_results, \
         startup_results, driver_results, security_results, network_results, score, status, recommendations, notes) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut results: [String; json::COLUMNS] = Default::default();
    let (mut name, mut date, mut notes) = (String::new(), String::new(), String::new());
    for row in 0..options.diagnostics {
        for (column, text) in results.iter_mut().enumerate() {
            bodies.write(text, column, row, random);
        }
        rows::spoil(&mut results, row);
        rows::name(&mut name, row, random);
        rows::date(&mut date, row, random);
        rows::notes(&mut notes, row, random);
        let orphan = row >= options.diagnostics - options.orphans.min(options.diagnostics);
        let user = match (orphan, random.below(50)) {
            (true, _) => Some(rows::NO_SUCH_USER),
            (false, 0) => None,
            (false, _) => Some(i64::try_from(1 + random.below(options.users)).unwrap()),
        };
        let present = |column: usize| {
            // NULL and '' are both there, and not the same.
            let absent = row % 29 == 5 && column == usize::try_from(row / 29 % 7).unwrap();
            (!absent).then_some(results[column].as_str())
        };
        insert.execute(params![
            rows::id(row),
            user,
            (row % 97 != 13).then_some(name.as_str()),
            (row % 211 != 17).then_some(date.as_str()),
            present(0),
            present(1),
            present(2),
            present(3),
            present(4),
            present(5),
            present(6),
            rows::score(row, random),
            rows::status(row, random),
            rows::recommendations(row, random),
            (row % 3 != 1).then_some(notes.as_str()),
        ])?;
    }
    Ok(())
}
