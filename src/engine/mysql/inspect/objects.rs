//! What is no table: views, triggers, routines and packages, events, sequences. They are told with the text that makes them.

use sqlx::MySqlConnection;

use super::super::connection::{Fields, rows};
use super::super::types::{SEQUENCE_FUNCTIONS, quote};
use crate::engine::expression;
use crate::model::endpoint::Dialect;
use crate::model::error::{ErrorKind, Result};
use crate::model::schema::{Object, ObjectKind};

/// All objects of the session's database, by kind and name.
pub async fn all(connection: &mut MySqlConnection, database: &str, mariadb: bool) -> Result<Vec<Object>> {
    let mut out = views(connection, database).await?;
    out.extend(triggers(connection).await?);
    out.extend(routines(connection, mariadb).await?);
    out.extend(shown(connection, ObjectKind::Event, "EVENT", 3, EVENTS).await?);
    if mariadb {
        out.extend(shown(connection, ObjectKind::Sequence, "SEQUENCE", 1, SEQUENCES).await?);
    }
    out.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(out)
}

const EVENTS: &str =
    "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY event_name";
/// Names of the sequences of the session's database. MySQL has none.
pub const SEQUENCES: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND \
     table_type = 'SEQUENCE' ORDER BY table_name";

/// With the text of the catalogue: a session that only reads is refused that of SHOW CREATE where a view takes from a sequence.
const VIEWS: &str = "SELECT table_name, CONCAT('CREATE VIEW `', REPLACE(table_name, '`', '``'), '` AS ', \
     NULLIF(view_definition, '')) FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY table_name";

async fn views(connection: &mut MySqlConnection, database: &str) -> Result<Vec<Object>> {
    let told = shown(connection, ObjectKind::View, "VIEW", 1, VIEWS).await?;
    Ok(told.into_iter().map(|object| view(object, database)).collect())
}

/// A view as whoever makes it again becomes its definer. The server leaves this database's name away where the view
/// reads nothing of another one, but for that of a sequence.
fn view(told: Object, database: &str) -> Object {
    let mut reaches = Vec::new();
    let called = expression::called(Dialect::Mysql, &told.definition);
    if called.iter().any(|name| SEQUENCE_FUNCTIONS.contains(&name.as_str())) {
        reaches.push("a sequence".to_owned());
    } else if !told.definition.starts_with("CREATE ") {
        reaches.push("a text that this user may not read".to_owned());
    } else if told.definition.contains(&format!("{}.", quote(database))) {
        reaches.push("another database".to_owned());
    }
    reaches.extend(called.into_iter().filter(|name| acts(name)));
    Object { reaches, definition: without_definer(&told.definition), ..told }
}

/// Functions of another database, and those that act on the server or its files.
fn acts(function: &str) -> bool {
    function.contains('.')
        || matches!(function, "sleep" | "benchmark" | "get_lock" | "release_lock" | "load_file")
}

/// Takes ``DEFINER=`user`@`host` `` away.
fn without_definer(definition: &str) -> String {
    const WORD: &str = "DEFINER=";
    let Some(at) = definition.find(WORD) else { return definition.to_owned() };
    let mut quoted = false;
    let rest = &definition[at + WORD.len()..];
    let end = rest.find(|c| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    });
    format!("{}{}", &definition[..at], end.map_or("", |end| rest[end..].trim_start()))
}

async fn triggers(connection: &mut MySqlConnection) -> Result<Vec<Object>> {
    let sql = "SELECT trigger_name, action_timing, event_manipulation, event_object_table, action_statement FROM \
               information_schema.triggers WHERE event_object_schema = DATABASE() ORDER BY trigger_name";
    let rows = rows(connection, "the list of triggers", sql).await?;
    let trigger = |row: &Fields| {
        let definition = format!(
            "CREATE TRIGGER {} {} {} ON {} FOR EACH ROW {}",
            quote(&row.word(0)),
            row.word(1),
            row.word(2),
            quote(&row.word(3)),
            row.word(4)
        );
        Object::new(ObjectKind::Trigger, row.word(0), definition).of(row.text(3))
    };
    Ok(rows.iter().map(trigger).collect())
}

async fn routines(connection: &mut MySqlConnection, mariadb: bool) -> Result<Vec<Object>> {
    let mut out = Vec::new();
    let words = ["FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY"];
    for word in if mariadb { &words[..] } else { &words[..2] } {
        let sql = format!(
            "SELECT routine_name FROM information_schema.routines WHERE routine_schema = DATABASE() AND \
             routine_type = '{word}' ORDER BY routine_name"
        );
        out.extend(shown(connection, ObjectKind::Routine, word, 2, &sql).await?);
    }
    Ok(out)
}

/// Objects that only SHOW CREATE tells in full; `at` is the column with the text. A second column of `list` is the text to take
/// where that is refused.
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
        let definition = text
            .or_else(|| row.text(1))
            .unwrap_or_else(|| format!("{word} {} (its text may not be read)", quote(&name)));
        out.push(Object::new(kind, name, definition));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_told_without_its_definer_and_with_what_it_reaches() {
        let view = |text: &str| view(Object::new(ObjectKind::View, "v", text), "d");
        let object = view(
            "CREATE ALGORITHM=UNDEFINED DEFINER=`a b``c`@`%` SQL SECURITY INVOKER VIEW `v` AS select sum(`t`.`a`) AS `a` \
             from `t`",
        );
        assert_eq!(
            object.definition,
            "CREATE ALGORITHM=UNDEFINED SQL SECURITY INVOKER VIEW `v` AS select sum(`t`.`a`) AS `a` from `t`"
        );
        assert_eq!(object.reaches, Vec::<String>::new());
        let reaches = |text: &str| view(text).reaches;
        assert_eq!(reaches("CREATE VIEW `d`.`v` AS select 1 from `e`.`t`"), ["another database"]);
        assert_eq!(reaches("CREATE VIEW `v` AS select lastval(`d`.`s`)"), ["a sequence"]);
        assert_eq!(reaches("CREATE VIEW `v` AS select `e`.`f`(1), sleep(2)"), ["e.f", "sleep"]);
    }
}
