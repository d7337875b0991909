//! The integration suite: the real binary against real servers, judged by code that shares nothing with it.
//! One binary, so that it links once; each module is one promise of the product. Run it with `make test`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod archive;
mod backup;
mod bad_input;
mod cases;
mod cli;
mod directions;
mod dump;
mod engine_mysql;
mod engine_postgres;
mod faults;
mod finding_pages;
mod findings;
mod fixtures;
mod guides;
mod killed;
mod lost;
mod misfits;
mod names;
mod network;
mod observed;
mod policies;
mod property;
mod rules;
mod schema;
mod security;
mod silent;
mod support;
mod syscalls;
mod techcare;
mod tune;
mod type_mapping;
mod values;
