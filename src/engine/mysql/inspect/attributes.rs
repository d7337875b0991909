//! What a table, a column or an index is declared with and no plan carries, so that it can be named.

use sqlx::MySqlConnection;

use super::super::connection::{Fields, rows};
use super::super::types::{Rules, literal, quote};
use super::columns::{ROW_TIMES, RawColumn};
use crate::model::error::Result;
use crate::model::origin::{self, IndexOrigin};
use crate::model::plan::INVISIBLE;
use crate::model::schema::{Object, ObjectKind};

/// Columns that `SELECT *` does not show, save those that this program makes, and columns that take one spatial reference
/// system only.
pub fn of_columns(raw: &[RawColumn]) -> Vec<Object> {
    let mut out = Vec::new();
    for column in raw {
        let mut note = |what: String| {
            let definition = format!("column {} {what}", quote(&column.name));
            out.push(Object::new(ObjectKind::Attribute, &column.name, definition));
        };
        let invisible = column.extra.to_ascii_uppercase().split_whitespace().any(|word| word == "INVISIBLE");
        if invisible && !column.name.starts_with(INVISIBLE) {
            note("INVISIBLE".into());
        }
        if let Some(srid) = column.srid {
            note(format!("SRID {srid}"));
        }
    }
    out
}

/// How a table is kept, as the catalogue tells it: format of its rows, compression, statistics.
pub fn of_table(options: &str) -> Option<Object> {
    // What every table of InnoDB is, and what is told of elsewhere.
    let usual = ["row_format=dynamic", "partitioned"];
    let told: Vec<&str> =
        options.split_whitespace().filter(|o| !usual.contains(&o.to_ascii_lowercase().as_str())).collect();
    (!told.is_empty()).then(|| Object::new(ObjectKind::Attribute, "table options", told.join(" ")))
}

/// Indexes that the server keeps and does not use, and comments on indexes.
pub fn of_indexes(statistics: &[Fields]) -> Vec<Object> {
    let mut out = Vec::new();
    for parts in statistics.chunk_by(|a, b| a.bytes(1) == b.bytes(1)) {
        let Some(first) = parts.first() else { continue };
        let name = first.word(1);
        let about = |what: &str| format!("index {} {what}", quote(&name));
        if let Some(word) = first.text(8) {
            out.push(Object::new(ObjectKind::Attribute, &name, about(&word)));
        }
        let comment = first.text(9).and_then(|comment| origin::read::<IndexOrigin>(&comment).0);
        if let Some(comment) = comment {
            let definition = about(&format!("COMMENT {}", literal(&comment)));
            out.push(Object::new(ObjectKind::Comment, &name, definition));
        }
    }
    out
}

/// Spatial reference systems that columns of MariaDB name; those of MySQL stand with its columns.
pub async fn reference_systems(connection: &mut MySqlConnection, rules: &Rules) -> Result<Vec<Object>> {
    const SQL: &str = "SELECT g_table_name, g_geometry_column, srid FROM information_schema.geometry_columns WHERE \
         f_table_schema = DATABASE() AND srid <> 0 ORDER BY g_table_name, g_geometry_column";
    if !rules.is_mariadb() || rules.version < (10, 2, 0) {
        return Ok(Vec::new());
    }
    let object = |row: &Fields| {
        let name = row.word(1);
        let definition = format!("column {} REF_SYSTEM_ID={}", quote(&name), row.word(2));
        Object::new(ObjectKind::Attribute, name, definition).of(row.text(0))
    };
    Ok(rows(connection, "the list of spatial columns", SQL).await?.iter().map(object).collect())
}

/// The clause that makes a table system-versioned.
pub fn versioning(raw: &[RawColumn]) -> String {
    let time = |of: &str| raw.iter().find(|c| c.row_time() == Some(of)).map(|c| quote(&c.name));
    let [start, end] = ROW_TIMES.map(time);
    let period = start.zip(end).map(|(start, end)| format!("PERIOD FOR SYSTEM_TIME ({start}, {end}) "));
    format!("{}WITH SYSTEM VERSIONING", period.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_row_s_time_are_named() {
        let time = |name: &str, of: &str| RawColumn {
            name: name.into(),
            generation: Some(of.into()),
            ..RawColumn::default()
        };
        assert_eq!(versioning(&[]), "WITH SYSTEM VERSIONING");
        assert_eq!(
            versioning(&[time("s", "ROW START"), time("e", "ROW END")]),
            "PERIOD FOR SYSTEM_TIME (`s`, `e`) WITH SYSTEM VERSIONING"
        );
    }
}
