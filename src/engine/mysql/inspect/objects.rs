//! What is no table: views, triggers, routines, events, sequences. They are told with the text that makes them.

use sqlx::MySqlConnection;

use super::super::connection::{Fields, rows};
use super::super::types::quote;
use crate::model::error::{ErrorKind, Result};
use crate::model::schema::{Object, ObjectKind};

/// All objects of the session's database, by kind and name.
pub async fn all(connection: &mut MySqlConnection, database: &str, mariadb: bool) -> Result<Vec<Object>> {
    let mut out = views(connection, database).await?;
    out.extend(triggers(connection).await?);
    out.extend(routines(connection).await?);
    out.extend(shown(connection, ObjectKind::Event, "EVENT", 3, EVENTS).await?);
    if mariadb {
        out.extend(shown(connection, ObjectKind::Sequence, "SEQUENCE", 1, SEQUENCES).await?);
    }
    out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(out)
}

const EVENTS: &str =
    "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY event_name";
const SEQUENCES: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND \
     table_type = 'SEQUENCE' ORDER BY table_name";

async fn views(connection: &mut MySqlConnection, database: &str) -> Result<Vec<Object>> {
    let sql = "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE() \
               ORDER BY table_name";
    let rows = rows(connection, "the list of views", sql).await?;
    Ok(rows.iter().map(|row| view(&row.word(0), &row.word(1), database)).collect())
}

/// The catalogue writes the database in front of every name, which would tie the view to it.
fn view(name: &str, definition: &str, database: &str) -> Object {
    let own = format!("{}.", quote(database));
    Object {
        kind: ObjectKind::View,
        name: name.to_owned(),
        table: None,
        definition: format!("CREATE VIEW {} AS {}", quote(name), definition.replace(&own, "")),
    }
}

async fn triggers(connection: &mut MySqlConnection) -> Result<Vec<Object>> {
    let sql = "SELECT trigger_name, action_timing, event_manipulation, event_object_table, action_statement FROM \
               information_schema.triggers WHERE trigger_schema = DATABASE() ORDER BY trigger_name";
    let rows = rows(connection, "the list of triggers", sql).await?;
    let trigger = |row: &Fields| Object {
        kind: ObjectKind::Trigger,
        name: row.word(0),
        table: row.text(3),
        definition: format!(
            "CREATE TRIGGER {} {} {} ON {} FOR EACH ROW {}",
            quote(&row.word(0)),
            row.word(1),
            row.word(2),
            quote(&row.word(3)),
            row.word(4)
        ),
    };
    Ok(rows.iter().map(trigger).collect())
}

async fn routines(connection: &mut MySqlConnection) -> Result<Vec<Object>> {
    let mut out = Vec::new();
    for word in ["FUNCTION", "PROCEDURE"] {
        let sql = format!(
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND \
             routine_type = '{word}' ORDER BY routine_name"
        );
        out.extend(shown(connection, ObjectKind::Routine, word, 2, &sql).await?);
    }
    Ok(out)
}

/// Objects that only SHOW CREATE tells in full; `at` is the column with the text.
async fn shown(
    connection: &mut MySqlConnection,
    kind: ObjectKind,
    word: &str,
    at: usize,
    list: &str,
) -> Result<Vec<Object>> {
    let mut out = Vec::new();
    for row in rows(connection, &format!("the list of {}s", kind.as_str()), list).await? {
        let name = row.word(0);
        let sql = format!("SHOW CREATE {word} {}", quote(&name));
        // Without the right to see the text, the name is told all the same.
        let text = match rows(connection, &format!("{} \"{name}\"", kind.as_str()), &sql).await {
            Ok(rows) => rows.first().and_then(|r| r.text(at)),
            Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
            Err(_) => None,
        };
        let definition =
            text.unwrap_or_else(|| format!("{word} {} (its text may not be read)", quote(&name)));
        out.push(Object { kind, name, table: None, definition });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_told_without_its_database() {
        let object = view("v", "select `d`.`t`.`a` AS `a` from `d`.`t`", "d");
        assert_eq!(object.definition, "CREATE VIEW `v` AS select `t`.`a` AS `a` from `t`");
    }
}
