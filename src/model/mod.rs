//! The neutral vocabulary that every floor above speaks: errors, endpoints, schemas, batches, digests, plans, events.
//! Nothing here talks to a database, a file or a terminal, and nothing here knows one engine from another
//! beyond its [`endpoint::Dialect`].

pub mod batch;
pub mod change;
pub mod codes;
pub mod digest;
pub mod endpoint;
pub mod epoch;
pub mod error;
pub mod event;
pub mod manifest;
pub mod mark;
pub mod origin;
pub mod plan;
pub mod policy;
pub mod report;
pub mod rule;
#[cfg(test)]
pub mod sample;
pub mod schema;
pub mod timeline;
pub mod tune;
pub mod value;
pub mod view;
