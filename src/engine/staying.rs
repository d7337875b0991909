//! Tables that stay while those that they refer to give way to others: what is said of their rows that would refer to
//! nothing, whatever the engine.

use crate::engine::capability::Orphans;
use crate::model::error::{Error, ErrorKind, Result};

/// Foreign keys of which more is said than that there are some.
const TOLD: usize = 3;

/// Refuses if rows would refer to nothing after the switch.
pub fn refuse_orphans(orphans: &[Orphans]) -> Result<()> {
    if orphans.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "rows of tables that stay would refer to nothing")
        .why(told(orphans))
        .next(
            "nothing was changed: delete these rows, lead them to others, or have their tables come along, then run the same \
             command again",
        ))
}

/// Which rows these are, in a clause for each key.
pub fn told(orphans: &[Orphans]) -> String {
    let mut clauses: Vec<String> = orphans.iter().take(TOLD).map(of_key).collect();
    if orphans.len() > TOLD {
        clauses.push(format!("and of {} more foreign keys", orphans.len() - TOLD));
    }
    clauses.join("; ")
}

fn of_key(orphans: &Orphans) -> String {
    let keys = match orphans.keys.len() {
        0 => String::new(),
        _ => format!(" ({})", orphans.keys.join("; ")),
    };
    format!(
        "{} rows of table {:?}{keys} refer with \"{}\" to rows of table {:?} that the one in its place does not have",
        orphans.rows,
        orphans.table,
        orphans.columns.join("\", \""),
        orphans.references
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_short_and_names_keys() {
        let orphans = |table: &str, keys: &[&str]| Orphans {
            table: table.into(),
            columns: vec!["a".into(), "b".into()],
            references: "p".into(),
            rows: 7,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        assert!(refuse_orphans(&[]).is_ok());
        let of_one = |table, keys| {
            format!(
                "7 rows of table \"{table}\"{keys} refer with \"a\", \"b\" to rows of table \"p\" that the one in its place does not have"
            )
        };
        assert_eq!(told(&[orphans("t", &["id=1", "id=2"])]), of_one("t", " (id=1; id=2)"));
        let many: Vec<Orphans> = ["t", "u", "v", "w", "x"].iter().map(|name| orphans(name, &[])).collect();
        let expected =
            [of_one("t", ""), of_one("u", ""), of_one("v", ""), "and of 2 more foreign keys".into()];
        assert_eq!(told(&many), expected.join("; "));
        assert_eq!(refuse_orphans(&many).unwrap_err().kind(), ErrorKind::Refused);
    }
}
