//! Hard cases: small databases on which the tools that people use today lose or alter something with exit code 0.
//! A test's name begins with the number of its case. The judge is the server itself, asked in SQL.

mod ahead;
mod alike;
pub mod appmade;
mod arrival;
pub mod backup;
pub mod check;
mod domains;
mod frameworks;
mod keys;
mod large;
mod layout;
mod login;
mod mysql;
mod mysql_objects;
mod named;
mod objects;
mod own_types;
mod refused;
mod restore;
mod restore_fixtures;
pub mod restore_killed;
mod restore_native;
mod restore_programs;
mod restore_rights;
mod restore_sequences;
mod resume;
pub mod rollback;
mod rollback_filled;
mod rollback_killed;
mod roundtrip;
mod rows;
mod tried;
mod unique;
mod values;
mod views;
mod writers;
