//! Which part of the source is migrated: `--tables` and `--exclude` applied to a schema. Pure.

use std::fmt::Write as _;

use globset::{Glob, GlobMatcher};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::schema::Schema;

/// The part of a schema that is migrated.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Chosen tables and the objects that go with them.
    pub schema: Schema,
    /// Names of the tables that were left out by choice.
    pub left_out: Vec<String>,
}

impl Selection {
    /// Everything.
    pub fn whole(schema: Schema) -> Self {
        Self { schema, left_out: Vec::new() }
    }
}

/// Applies globs to the names of tables: a table is chosen if it matches one of `tables` (or there are none) and
/// none of `exclude`. Names are compared with their case. A pattern without a match is most likely a slip of the
/// pen and therefore an error of kind `Usage`.
///
/// Objects of a table that was left out are left out with it. With `tables` the user has listed what to take, so
/// objects of no table (views, routines, …) are not asked for either.
pub fn select(schema: &Schema, tables: &[String], exclude: &[String]) -> Result<Selection> {
    let names: Vec<&str> = schema.tables.iter().map(|t| t.name.as_str()).collect();
    let include = matchers("--tables", tables, &names)?;
    let exclude = matchers("--exclude", exclude, &names)?;
    let chosen = |name: &str| {
        (include.is_empty() || include.iter().any(|m| m.is_match(name)))
            && !exclude.iter().any(|m| m.is_match(name))
    };
    let (kept, left): (Vec<_>, Vec<_>) = schema.tables.iter().cloned().partition(|t| chosen(&t.name));
    if kept.is_empty() && !schema.tables.is_empty() {
        return Err(Error::new(
            ErrorKind::Usage,
            "--tables and --exclude together leave no table to migrate",
        )
        .next(format!("the source has {}", list(&names))));
    }
    let objects = schema
        .objects
        .iter()
        .filter(|object| match &object.table {
            Some(table) if include.is_empty() => !left.iter().any(|t| t.name == *table),
            Some(table) => kept.iter().any(|t| t.name == *table),
            None => include.is_empty(),
        })
        .cloned()
        .collect();
    Ok(Selection {
        schema: Schema { dialect: schema.dialect, tables: kept, objects },
        left_out: left.into_iter().map(|t| t.name).collect(),
    })
}

/// A pattern that is a table's own name means that table, also when it holds characters special to globs.
enum Matcher {
    Name(String),
    Glob(GlobMatcher),
}

impl Matcher {
    fn is_match(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

fn matchers(option: &str, patterns: &[String], names: &[&str]) -> Result<Vec<Matcher>> {
    let mut matchers = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        if names.contains(&pattern.as_str()) {
            matchers.push(Matcher::Name(pattern.clone()));
            continue;
        }
        let glob = Glob::new(pattern).map_err(|e| {
            Error::new(ErrorKind::Usage, format!("{option} {pattern:?} is not a pattern"))
                .why(e.kind())
                .next("use * and ? as in a shell, for example diag*")
        })?;
        let matcher = Matcher::Glob(glob.compile_matcher());
        if !names.iter().any(|name| matcher.is_match(name)) {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("{option} {pattern:?} matches no table of the source"),
            )
            .next(format!("the source has {}", list(names))));
        }
        matchers.push(matcher);
    }
    Ok(matchers)
}

/// Names for a hint; a long list is cut, it is for finding a slip of the pen.
fn list(names: &[&str]) -> String {
    const MOST: usize = 12;
    if names.is_empty() {
        return "no tables".into();
    }
    let mut text = names.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MOST {
        // Writing to a String cannot fail.
        let _ = write!(text, " and {} more", names.len() - MOST);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Dialect;
    use crate::model::schema::{Object, ObjectKind, Table, TableOptions};

    fn schema(names: &[&str]) -> Schema {
        let tables = names
            .iter()
            .map(|name| Table {
                name: (*name).into(),
                columns: vec![],
                primary_key: None,
                indexes: vec![],
                foreign_keys: vec![],
                checks: vec![],
                comment: None,
                options: TableOptions::default(),
                estimated_rows: None,
                bytes: None,
                origin: None,
            })
            .collect();
        let object =
            |kind, name: &str, table: Option<&str>| Object::new(kind, name, "").of(table.map(Into::into));
        Schema {
            dialect: Dialect::Sqlite,
            tables,
            objects: vec![
                object(ObjectKind::View, "v", None),
                object(ObjectKind::Trigger, "on_users", Some("users")),
                object(ObjectKind::Trigger, "on_v", Some("v")),
            ],
        }
    }

    fn chosen(names: &[&str], tables: &[&str], exclude: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let owned = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let selection = select(&schema(names), &owned(tables), &owned(exclude)).unwrap();
        (
            selection.schema.tables.into_iter().map(|t| t.name).collect(),
            selection.left_out,
            selection.schema.objects.into_iter().map(|o| o.name).collect(),
        )
    }

    #[test]
    fn globs_choose_and_leave_out() {
        let names = ["roles", "user_log", "users"];
        assert_eq!(chosen(&names, &[], &[]).0, names);
        assert_eq!(chosen(&names, &["user*"], &["*_log"]).0, ["users"]);
        assert_eq!(chosen(&names, &[], &["user?"]).1, ["users"]);
    }

    #[test]
    fn objects_go_with_their_tables() {
        let names = ["roles", "users"];
        assert_eq!(chosen(&names, &[], &[]).2, ["v", "on_users", "on_v"]);
        assert_eq!(chosen(&names, &[], &["users"]).2, ["v", "on_v"]);
        assert_eq!(chosen(&names, &["users"], &[]).2, ["on_users"]);
    }

    #[test]
    fn a_tables_own_name_is_no_pattern() {
        assert_eq!(chosen(&["a", "[a]"], &["[a]"], &[]).0, ["[a]"]);
    }

    #[test]
    fn slips_of_the_pen_are_told() {
        for (tables, exclude, needle) in [
            (vec!["user"], vec![], "--tables \"user\" matches no table"),
            (vec![], vec!["Users"], "--exclude \"Users\" matches no table"),
            (vec!["a[", "users"], vec![], "--tables \"a[\" is not a pattern"),
            (vec!["users"], vec!["users"], "leave no table"),
        ] {
            let owned = |patterns: Vec<&str>| patterns.into_iter().map(str::to_owned).collect::<Vec<_>>();
            let error = select(&schema(&["roles", "users"]), &owned(tables), &owned(exclude)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.what().contains(needle), "{error}");
            assert!(error.advice().is_some());
        }
    }
}
