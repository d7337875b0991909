//! Statements of a plan in MySQL's words. Pure: text in, text out. What may run when, and in which database, is
//! decided in `stage`.
//!
//! Primary keys and checks stand in CREATE TABLE: adding them later copies the table. Of a large table, indexes and
//! foreign keys come after the rows, all of a kind in one ALTER so that the rows are read once; of a small one they
//! stand in CREATE TABLE too, because there each statement costs more than the rows. The session makes foreign keys
//! with `foreign_key_checks=0`, which makes that a change of the catalogue alone; anti-joins prove them instead.

use std::collections::HashSet;
use std::iter;

use super::charset::charset_of;
use super::native::NativeType;
use super::types::{Rules, literal, now, quote};
use crate::engine::capability::{Naming, Rules as _};
use crate::engine::condition;
use crate::model::endpoint::Flavour;
use crate::model::origin;
use crate::model::plan::{
    ColumnPlan, ForeignKeyPlan, IndexPartPlan, IndexPlan, KeyPlan, Plan, Scope, Script, Statement, TablePlan,
};
use crate::model::schema::Action;

/// Most characters of an index's comment.
const MOST_INDEX_COMMENT: usize = 1024;

/// Rows up to which building keys while loading costs less than a statement after it.
const SMALL: u64 = 20_000;

/// The statements of a plan.
pub fn script(rules: &Rules, plan: &Plan, naming: &Naming) -> Script {
    let mut script = Script::default();
    for table in &plan.tables {
        let many = table.estimated_rows.is_none_or(|rows| rows > SMALL);
        let large = plan.scope == Scope::All && many && !is_referenced_by_another_key(plan, table);
        if plan.scope == Scope::DataOnly {
            script.last.extend(set_auto_increment(table, naming));
        } else {
            let made = Made { rules, plan, table, naming, large };
            script.before.push(made.create_table());
            script.indexes.extend(made.add_indexes());
            script.constraints.extend(made.add_foreign_keys());
        }
        // Without statistics a join of tables that have just been filled can take minutes where it takes a second, and
        // the proof of a view runs it.
        let joined = plan.views.iter().any(|view| view.reads.contains(&table.source));
        if plan.scope == Scope::DataOnly || plan.scope == Scope::All && (many || joined) {
            script.last.push(Statement {
                table: Some(table.source.clone()),
                what: format!("statistics of table \"{}\"", table.name),
                sql: format!("ANALYZE TABLE {}", quote(&naming.table(&table.name))),
            });
        }
    }
    script
}

/// A table that is made.
struct Made<'a> {
    rules: &'a Rules,
    plan: &'a Plan,
    table: &'a TablePlan,
    naming: &'a Naming,
    /// Whether indexes and foreign keys wait for the rows.
    large: bool,
}

impl Made<'_> {
    fn name(&self) -> String {
        quote(&self.naming.table(&self.table.name))
    }

    fn alter(&self, what: String, clauses: &[String]) -> Statement {
        Statement {
            table: Some(self.table.source.clone()),
            what,
            sql: format!("ALTER TABLE {} {}", self.name(), clauses.join(", ")),
        }
    }

    fn create_table(&self) -> Statement {
        let table = self.table;
        let keyed: HashSet<&str> =
            table.primary_key.iter().flat_map(|k| k.columns.iter().map(String::as_str)).collect();
        let identity = identity_column(table);
        let mut lines: Vec<String> = table
            .columns
            .iter()
            .map(|c| {
                let nullable = c.nullable && !keyed.contains(c.name.as_str());
                let counts = identity.is_some_and(|i| i.name == c.name);
                column(self.rules, c, &c.native_type, nullable, counts)
            })
            .collect();
        if let Some(key) = &table.primary_key {
            lines.push(format!("PRIMARY KEY ({})", key_columns(key)));
        }
        match inline_index(table) {
            Inline::Index(index) if self.large => lines.push(index_clause(index)),
            Inline::Column(name) => lines.push(format!("KEY ({})", quote(name))),
            Inline::Index(_) | Inline::None => {}
        }
        if !self.large {
            lines.extend(table.indexes.iter().map(index_clause));
            lines.extend(table.foreign_keys.iter().map(|f| self.foreign_key(f)));
        }
        for check in &table.checks {
            let name = check.name.as_ref().map(|n| format!("CONSTRAINT {} ", quote(n))).unwrap_or_default();
            lines.push(format!("{name}CHECK ({})", check.expression));
        }
        // InnoDB goes on from here or from the greatest value, whichever is more.
        let next = identity.and_then(|c| c.identity.as_ref()?.next).filter(|n| *n > 1);
        let next = next.map(|n| format!(" AUTO_INCREMENT={n}")).unwrap_or_default();
        let collation = self.collation();
        let most = self.rules.comment_limit().table;
        let comment = origin::said(table.comment.as_deref(), table.origin.as_ref(), most);
        let comment = comment.map(|c| format!(" COMMENT={}", literal(&c))).unwrap_or_default();
        Statement {
            table: Some(table.source.clone()),
            what: format!("table \"{}\"", table.name),
            sql: format!(
                "CREATE TABLE {} (\n  {}\n) ENGINE=InnoDB{next}{} DEFAULT CHARSET={} COLLATE={}{comment}",
                self.name(),
                lines.join(",\n  "),
                row_format(self.rules),
                charset_of(collation),
                collation,
            ),
        }
    }

    /// What columns that are added later compare by: as most of those that are there.
    fn collation(&self) -> &str {
        let all: Vec<&str> = self.table.columns.iter().filter_map(|c| c.collation.as_deref()).collect();
        let count = |name: &str| all.iter().filter(|n| **n == name).count();
        // Of several, the last greatest: reversed, the first one.
        let most = all.iter().rev().max_by_key(|n| count(n));
        most.copied().unwrap_or_else(|| self.rules.collations.exact())
    }

    fn add_indexes(&self) -> Vec<Statement> {
        if !self.large {
            return Vec::new();
        }
        let inline = inline_index(self.table);
        let done = |i: &&IndexPlan| matches!(inline, Inline::Index(there) if std::ptr::eq(there, *i));
        let (ordered, special): (Vec<&IndexPlan>, Vec<&IndexPlan>) =
            self.table.indexes.iter().filter(|i| !done(i)).partition(|i| i.method.is_none());
        let clause = |i: &IndexPlan| format!("ADD {}", index_clause(i));
        let mut out = Vec::new();
        if !ordered.is_empty() {
            let what = match ordered.as_slice() {
                [IndexPlan { name: Some(name), .. }] => format!("index \"{name}\""),
                _ => format!("{} indexes of table \"{}\"", ordered.len(), self.table.name),
            };
            out.push(self.alter(what, &ordered.iter().map(|i| clause(i)).collect::<Vec<_>>()));
        }
        // InnoDB builds only one of these at a time.
        for index in special {
            let what = format!("index \"{}\"", index.name.as_deref().unwrap_or(&self.table.name));
            out.push(self.alter(what, &[clause(index)]));
        }
        out
    }

    fn add_foreign_keys(&self) -> Option<Statement> {
        let keys = &self.table.foreign_keys;
        if !self.large || keys.is_empty() {
            return None;
        }
        let clause = |f: &ForeignKeyPlan| format!("ADD {}", self.foreign_key(f));
        let what = match keys.as_slice() {
            [ForeignKeyPlan { name: Some(name), .. }] => format!("foreign key \"{name}\""),
            keys => format!("{} foreign keys of table \"{}\"", keys.len(), self.table.name),
        };
        Some(self.alter(what, &keys.iter().map(clause).collect::<Vec<_>>()))
    }

    fn foreign_key(&self, key: &ForeignKeyPlan) -> String {
        foreign_key(self.rules, key, &place(self.plan, &key.references, self.naming))
    }
}

/// A table as staging finds it: one that the plan makes among its like, any other where it is.
pub fn place(plan: &Plan, table: &str, naming: &Naming) -> String {
    match &naming.outside {
        Some(database) if !plan.tables.iter().any(|t| t.name == table) => {
            format!("{}.{}", quote(database), quote(table))
        }
        _ => quote(&naming.table(table)),
    }
}

/// Whether a foreign key leads to columns of the table other than its primary key. The index that it needs has to be
/// there when the referring table is made, which may be at once (errno 150 otherwise).
fn is_referenced_by_another_key(plan: &Plan, table: &TablePlan) -> bool {
    let primary = table.primary_key.as_ref().map(|k| k.columns.as_slice()).unwrap_or_default();
    let keys = plan.tables.iter().flat_map(|t| &t.foreign_keys);
    keys.into_iter().any(|key| key.references == table.name && key.referenced_columns != primary)
}

/// What newer servers do by themselves; without it a key holds 767 bytes.
fn row_format(rules: &Rules) -> &'static str {
    let first = if rules.flavour == Flavour::Mariadb { (10, 2, 2) } else { (5, 7, 9) };
    if rules.version < first { " ROW_FORMAT=DYNAMIC" } else { "" }
}

fn column(rules: &Rules, column: &ColumnPlan, native_type: &str, nullable: bool, identity: bool) -> String {
    let native = NativeType::parse(native_type);
    let mut out = format!("{} {native_type}", quote(&column.name));
    let mut say = |text: &str| {
        out.push(' ');
        out.push_str(text);
    };
    if let Some(collation) =
        column.collation.as_ref().filter(|_| native.is_character() && native.base != "json")
    {
        say(&format!("CHARACTER SET {} COLLATE {collation}", charset_of(collation)));
    }
    if let Some(generated) = &column.generated {
        let kind = if generated.stored { "STORED" } else { "VIRTUAL" };
        say(&format!("GENERATED ALWAYS AS ({}) {kind}", generated.expression));
        if column.invisible {
            say("INVISIBLE");
        }
        // MariaDB has no NOT NULL for these.
        if !nullable && rules.capabilities().generated_not_null {
            say("NOT NULL");
        }
    } else {
        // NULL is said out loud: without it a TIMESTAMP is NOT NULL on servers with old defaults.
        say(if nullable { "NULL" } else { "NOT NULL" });
        if identity {
            say("AUTO_INCREMENT");
        } else if let Some(default) = &column.default {
            say(&format!("DEFAULT {default}"));
        }
        if column.on_update_now && matches!(native.base.as_str(), "timestamp" | "datetime") {
            say(&format!("ON UPDATE {}", now(native.precision())));
        }
    }
    // What people wrote fits, or the plan says so; what is added to it may not.
    let most = rules.comment_limit().column;
    if let Some(comment) = origin::said(column.comment.as_deref(), column.origin.as_ref(), most) {
        say(&format!("COMMENT {}", literal(&comment)));
    }
    out
}

/// The column that counts: a table has one at most, so the first that wants to.
fn identity_column(table: &TablePlan) -> Option<&ColumnPlan> {
    table.columns.iter().find(|c| c.identity.is_some() && c.generated.is_none())
}

/// What CREATE TABLE needs beside the primary key, because an AUTO_INCREMENT column has to come first in a key.
#[derive(Clone, Copy)]
enum Inline<'a> {
    None,
    Index(&'a IndexPlan),
    Column(&'a str),
}

fn inline_index(table: &TablePlan) -> Inline<'_> {
    let Some(column) = identity_column(table).map(|c| c.name.as_str()) else { return Inline::None };
    if table.primary_key.as_ref().and_then(|k| k.columns.first()).is_some_and(|first| first == column) {
        return Inline::None;
    }
    let leads = |i: &&IndexPlan| {
        i.method.is_none()
            && i.parts.first().is_some_and(|p| p.column.as_deref() == Some(column) && p.prefix.is_none())
    };
    table.indexes.iter().find(leads).map_or(Inline::Column(column), Inline::Index)
}

fn key_columns(key: &KeyPlan) -> String {
    let prefix = |at: usize| key.prefixes.get(at).copied().flatten().map(|n| format!("({n})"));
    let parts = key.columns.iter().enumerate();
    parts
        .map(|(at, c)| {
            let order = if key.descending.get(at) == Some(&true) { " DESC" } else { "" };
            format!("{}{}{order}", quote(c), prefix(at).unwrap_or_default())
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn index_clause(index: &IndexPlan) -> String {
    let kind = match (index.method.as_deref(), index.unique) {
        (Some("fulltext"), _) => "FULLTEXT KEY",
        (Some("spatial"), _) => "SPATIAL KEY",
        (_, true) => "UNIQUE KEY",
        (_, false) => "KEY",
    };
    let name = index.name.as_ref().map(|n| format!(" {}", quote(n))).unwrap_or_default();
    let parts: Vec<String> = index.parts.iter().map(index_part).collect();
    let comment = origin::said(None, index.origin.as_ref(), MOST_INDEX_COMMENT);
    let comment = comment.map(|c| format!(" COMMENT {}", literal(&c))).unwrap_or_default();
    format!("{kind}{name} ({}){comment}", parts.join(", "))
}

fn index_part(part: &IndexPartPlan) -> String {
    let key = match (&part.column, &part.expression) {
        (Some(column), _) => quote(column),
        (None, expression) => format!("({})", expression.as_deref().unwrap_or_default()),
    };
    let prefix = part.prefix.map(|n| format!("({n})")).unwrap_or_default();
    format!("{key}{prefix}{}", if part.descending { " DESC" } else { "" })
}

pub fn foreign_key(rules: &Rules, key: &ForeignKeyPlan, references: &str) -> String {
    let list = |names: &[String]| names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", ");
    let name = key.name.as_ref().map(|n| format!("CONSTRAINT {} ", quote(n))).unwrap_or_default();
    let action = |event: &str, action: Action| match action {
        // The two are one to InnoDB. MariaDB's ALTER turns the word into NO ACTION and keeps it if it is left out.
        Action::Restrict if rules.flavour == Flavour::Mariadb => String::new(),
        _ => format!(" ON {event} {}", action.sql()),
    };
    format!(
        "{name}FOREIGN KEY ({}) REFERENCES {references} ({}){}{}",
        list(&key.columns),
        list(&key.referenced_columns),
        action("DELETE", key.on_delete),
        action("UPDATE", key.on_update),
    )
}

/// Where rows go into a table that is there. InnoDB takes the greater of this and max + 1 by itself.
fn set_auto_increment(table: &TablePlan, naming: &Naming) -> Option<Statement> {
    let next = identity_column(table)?.identity.as_ref()?.next.filter(|n| *n > 1)?;
    Some(Statement {
        table: Some(table.source.clone()),
        what: format!("next identity of table \"{}\"", table.name),
        sql: format!("ALTER TABLE {} AUTO_INCREMENT = {next}", quote(&naming.table(&table.name))),
    })
}

/// The rows of `c` whose parent is missing. A row with a NULL in its reference has no parent to miss.
pub fn without_parent(plan: &Plan, key: &ForeignKeyPlan, naming: &Naming) -> String {
    condition::without_parent(key, &format!("{} p", place(plan, &key.references, naming)), quote)
}

/// Deletes the rows whose parent is missing.
pub fn delete_orphans(plan: &Plan, table: &TablePlan, key: &ForeignKeyPlan, naming: &Naming) -> String {
    let (rows, missing) = orphaned(plan, table, key, naming);
    format!("DELETE c FROM {rows} WHERE {missing}")
}

/// Puts NULL into the references of the rows whose parent is missing. Columns that the server sets on every update
/// keep their values.
pub fn cut_orphans(plan: &Plan, table: &TablePlan, key: &ForeignKeyPlan, naming: &Naming) -> String {
    let (rows, missing) = orphaned(plan, table, key, naming);
    let moving = table.columns.iter().filter(|c| c.on_update_now && !key.columns.contains(&c.name));
    let kept = moving.map(|c| format!("c.{0} = c.{0}", quote(&c.name)));
    let cut = condition::cut(key, |name| format!("c.{}", quote(name)));
    let set = iter::once(cut).chain(kept).collect::<Vec<_>>().join(", ");
    format!("UPDATE {rows} SET {set} WHERE {missing}")
}

/// The rows whose parent is missing, and the condition for it. A join, because MySQL reads no table in a subquery that
/// it changes.
fn orphaned(plan: &Plan, table: &TablePlan, key: &ForeignKeyPlan, naming: &Naming) -> (String, String) {
    let missing = key.referenced_columns.iter().take(1).map(|p| format!("p.{} IS NULL", quote(p)));
    let rows = format!(
        "{} c LEFT JOIN {} p ON {}",
        quote(&naming.table(&table.name)),
        place(plan, &key.references, naming),
        condition::finds_parent(key, quote)
    );
    let missing = iter::once(condition::has_reference(key, quote)).chain(missing);
    (rows, missing.collect::<Vec<_>>().join(" AND "))
}

/// Counts the rows of a table whose parent is missing, and says the keys of five of them. The columns of the answer
/// are those of `key`, then the rows in all.
pub fn orphans(plan: &Plan, table: &TablePlan, key: &ForeignKeyPlan, naming: &Naming) -> (String, String) {
    let from =
        format!("FROM {} c WHERE {}", quote(&naming.table(&table.name)), without_parent(plan, key, naming));
    let keys: Vec<String> = table.key.iter().map(|k| format!("c.{}", quote(k))).collect();
    let keys = if keys.is_empty() { "1".to_owned() } else { keys.join(", ") };
    (format!("SELECT COUNT(*) {from}"), format!("SELECT {keys} {from} LIMIT 5"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Dialect;
    use crate::model::plan::{CheckPlan, GeneratedPlan, IdentityPlan};
    use crate::model::sample::{self, index};
    use crate::model::schema::{DataType, IdentityGeneration, ObjectKind};
    use crate::model::view::{ViewPlan, Wording};

    fn column(name: &str, native_type: &str) -> ColumnPlan {
        sample::column(name, native_type, DataType::TEXT)
    }

    fn table(columns: Vec<ColumnPlan>) -> TablePlan {
        sample::table("t", columns)
    }

    fn statements(table: TablePlan, prefix: &str) -> Vec<String> {
        let plan = sample::plan(Dialect::Postgres, Flavour::Mariadb, vec![table]);
        let rules = Rules::new(Flavour::Mariadb, None);
        script(&rules, &plan, &Naming { prefix: prefix.into(), outside: None })
            .iter()
            .map(|s| s.sql.clone())
            .collect()
    }

    fn identity(next: i128) -> IdentityPlan {
        IdentityPlan { generation: IdentityGeneration::AutoIncrement, next: Some(next), increment: 1 }
    }

    #[test]
    fn a_table_with_everything() {
        let mut id = column("id", "int");
        id.identity = Some(identity(5000));
        id.nullable = false;
        let mut name = column("na`me", "varchar(20)");
        name.collation = Some("utf8mb4_nopad_bin".into());
        name.default = Some("'x'".into());
        name.comment = Some("it's".into());
        let mut seen = column("seen", "timestamp(6)");
        seen.on_update_now = true;
        let mut twice = column("twice", "int");
        twice.generated = Some(GeneratedPlan { expression: "`id` * 2".into(), stored: true });
        let mut t = table(vec![id, name, seen, twice]);
        t.primary_key = Some(sample::key(&["id"]));
        t.indexes = vec![index("u", true, &["na`me"]), index("i", false, &["seen", "id"])];
        t.checks = vec![CheckPlan { name: Some("c".into()), expression: "`id` > 0".into(), original: None }];
        t.foreign_keys = vec![sample::foreign_key(&["twice"], "p", &["id"])];
        assert_eq!(
            statements(t, "tc_"),
            [
                "CREATE TABLE `tc_t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `na``me` varchar(20) CHARACTER SET \
                 utf8mb4 COLLATE utf8mb4_nopad_bin NULL DEFAULT 'x' COMMENT 'it''s',\n  `seen` timestamp(6) NULL ON \
                 UPDATE CURRENT_TIMESTAMP(6),\n  `twice` int GENERATED ALWAYS AS (`id` * 2) STORED,\n  PRIMARY KEY \
                 (`id`),\n  CONSTRAINT `c` CHECK (`id` > 0)\n) ENGINE=InnoDB \
                 AUTO_INCREMENT=5000 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
                "ALTER TABLE `tc_t` ADD UNIQUE KEY `u` (`na``me`), ADD KEY `i` (`seen`, `id`)",
                "ALTER TABLE `tc_t` ADD CONSTRAINT `fk` FOREIGN KEY (`twice`) REFERENCES `tc_p` (`id`) ON DELETE \
                 CASCADE ON UPDATE NO ACTION",
                "ANALYZE TABLE `tc_t`",
            ]
        );
    }

    #[test]
    fn a_small_table_takes_one_statement() {
        let mut t = table(vec![column("a", "int")]);
        t.indexes = vec![index("u", true, &["a"])];
        t.foreign_keys =
            vec![ForeignKeyPlan { on_update: Action::Restrict, ..sample::foreign_key(&["a"], "p", &["id"]) }];
        t.estimated_rows = Some(7);
        let sql = statements(t, "");
        assert_eq!(sql.len(), 1);
        assert!(sql[0].contains(
            "UNIQUE KEY `u` (`a`),\n  CONSTRAINT `fk` FOREIGN KEY (`a`) REFERENCES `p` (`id`) ON DELETE CASCADE\n)"
        ));
    }

    #[test]
    fn a_table_that_a_view_reads_gets_statistics_however_small_it_is() {
        let mut t = table(vec![column("a", "int")]);
        t.estimated_rows = Some(7);
        let mut plan = sample::plan(Dialect::Sqlite, Flavour::Mariadb, vec![t]);
        let last = |plan: &Plan| script(&Rules::new(Flavour::Mariadb, None), plan, &Naming::default()).last;
        assert!(last(&plan).is_empty());
        plan.views = vec![ViewPlan {
            name: "v".into(),
            kind: ObjectKind::View,
            definition: "CREATE VIEW `v` AS SELECT `a` FROM `t`".into(),
            original: "SELECT a FROM t".into(),
            wording: Wording::Translated,
            columns: vec![],
            reads: vec!["t".into()],
        }];
        assert_eq!(last(&plan)[0].sql, "ANALYZE TABLE `t`");
    }

    #[test]
    fn a_counting_column_outside_the_primary_key_gets_its_index_at_once() {
        let counted = || {
            let mut id = column("id", "bigint");
            id.identity = Some(identity(1));
            table(vec![id, column("a", "int")])
        };
        let mut with_index = counted();
        with_index.indexes = vec![index("u", true, &["id"])];
        assert!(statements(with_index, "")[0].contains("UNIQUE KEY `u` (`id`)"));
        assert!(statements(counted(), "")[0].contains("KEY (`id`)"));
    }

    #[test]
    fn orphans_are_rows_whose_whole_reference_is_set() {
        let mut t = table(vec![column("a", "int"), column("b", "int")]);
        t.key = vec!["a".into()];
        let key = sample::foreign_key(&["a", "b"], "p", &["x", "y"]);
        let plan = sample::plan(Dialect::Sqlite, Flavour::Mariadb, vec![]);
        let (count, keys) = orphans(&plan, &t, &key, &Naming::default());
        let rest = "FROM `t` c WHERE c.`a` IS NOT NULL AND c.`b` IS NOT NULL AND NOT EXISTS (SELECT 1 FROM `p` p \
                    WHERE p.`x` = c.`a` AND p.`y` = c.`b`)";
        assert_eq!(count, format!("SELECT COUNT(*) {rest}"));
        assert_eq!(keys, format!("SELECT c.`a` {rest} LIMIT 5"));
    }
}
