//! From PostgreSQL's catalogue to the neutral schema: `query` asks, `assemble`, `parts` and `expression` judge without any
//! connection, and this file joins the two.

mod assemble;
mod attributes;
mod expression;
mod parts;
mod query;
mod types;
mod views;

use sqlx::postgres::PgConnection;

use super::fault::fault;
use crate::model::error::{ErrorKind, Result};
use crate::model::schema::Schema;

/// Reads everything that a schema holds.
pub(super) async fn schema(session: &mut PgConnection, namespace: &str) -> Result<Schema> {
    match query::catalogue(session, namespace).await {
        Ok(catalogue) => Ok(assemble::schema(&catalogue)),
        Err(cause) => {
            let what = format!("cannot read the catalogue of schema {namespace:?}");
            let error = fault(ErrorKind::Read, what, &cause);
            Err(if error.kind() == ErrorKind::Permission {
                error.next(format!(
                    "GRANT SELECT ON ALL TABLES IN SCHEMA {0} and ON ALL SEQUENCES IN SCHEMA {0} to this user",
                    super::types::quote(namespace)
                ))
            } else {
                error
            })
        }
    }
}
