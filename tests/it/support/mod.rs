//! What the tests stand on: databases that come and go, the real binary, the samples of other people, and two
//! judges (content, objects) that use none of the product's code.

pub mod binary;
pub mod canon;
pub mod chance;
pub mod client;
pub mod content;
pub mod database;
pub mod endpoint;
pub mod json_schema;
pub mod objects;
pub mod page;
pub mod private;
pub mod proxy;
pub mod samples;
pub mod strace;
