//! Parse, run, exit code; nothing else.

use std::ffi::OsString;
use std::process::ExitCode;

use techcare_db::cli;
use techcare_db::cli::config::Environment;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    ExitCode::from(cli::run(&args, &Environment::of_process()))
}
