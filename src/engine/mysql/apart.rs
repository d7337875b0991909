//! A row that is too long for the driver, which holds what is bound three times: its long values go to the server in
//! parts, as variables of the session, and its INSERT puts them together there.

use std::ops::Range;

use sqlx::mysql::MySqlArguments;
use sqlx::{Arguments as _, AssertSqlSafe, MySqlConnection};

use super::bind::Encoder;
use super::connection::run;
use crate::model::batch::{Batch, Cell, Span};

/// Bytes of a row from which on it goes like this.
pub const ROW_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a part.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// The long value that a column gets from this cell.
pub fn long_value(encoder: Encoder, cell: Cell) -> Option<Span> {
    match (encoder, cell) {
        (Encoder::Text(_), Cell::Text(span)) | (Encoder::Bytes, Cell::Bytes(span)) => Some(span),
        _ => None,
    }
    .filter(|span| span.is_long())
}

/// Parts of long values that the session holds.
#[derive(Default)]
pub struct Parts {
    sent: usize,
}

impl Parts {
    /// Sends a value; returns the expression that is this value.
    pub async fn send(
        &mut self,
        connection: &mut MySqlConnection,
        encoder: Encoder,
        batch: &Batch,
        value: Span,
    ) -> Result<String, sqlx::Error> {
        let first = self.sent;
        for part in batch.bytes(value).chunks(PART_BYTES) {
            let mut arguments = MySqlArguments::default();
            arguments.add(part).map_err(sqlx::Error::Encode)?;
            let sql = format!("SET {} = ?", variable(self.sent));
            sqlx::query_with(AssertSqlSafe(sql), arguments)
                .persistent(false)
                .execute(&mut *connection)
                .await?;
            self.sent += 1;
        }
        Ok(whole(encoder, first..self.sent))
    }

    /// Lets the server forget them.
    pub async fn forget(self, connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        if self.sent == 0 {
            return Ok(());
        }
        let nothing: Vec<String> = (0..self.sent).map(|n| format!("{} = NULL", variable(n))).collect();
        run(connection, &format!("SET {}", nothing.join(", "))).await
    }
}

fn variable(number: usize) -> String {
    format!("@techcare_db_{number}")
}

/// The parts are bytes, because one may end in the middle of a character.
fn whole(encoder: Encoder, parts: Range<usize>) -> String {
    let bytes = format!("CONCAT({})", parts.map(variable).collect::<Vec<_>>().join(","));
    if encoder == Encoder::Bytes { bytes } else { format!("CONVERT({bytes} USING utf8mb4)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_again() {
        assert_eq!(whole(Encoder::Bytes, 0..1), "CONCAT(@techcare_db_0)");
        assert_eq!(
            whole(Encoder::Text(0), 1..3),
            "CONVERT(CONCAT(@techcare_db_1,@techcare_db_2) USING utf8mb4)"
        );
    }
}
