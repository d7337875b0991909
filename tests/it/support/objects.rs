//! The object judge: what guards and describes the data (keys, uniques, foreign keys, indexes, NOT NULL, defaults,
//! checks, identities), read from each engine's catalogue as plain SQL, and whether another database has it too
//! or the report names it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::content::{Renamed, tables};
use super::database::{Db, Engine};

/// What a fact is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    PrimaryKey,
    Unique,
    ForeignKey,
    Index,
    /// Partial or over expressions: known by its name only.
    SpecialIndex,
    NotNull,
    Default,
    /// How many there are.
    Check,
    /// Its next value.
    Identity,
    /// A view, trigger, routine or event, known by its name; the detail says which of these.
    Beside,
}

/// One thing that a catalogue says about a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub table: String,
    pub kind: Kind,
    pub columns: Vec<String>,
    /// Referenced table, columns and actions; default; number; next value.
    pub detail: String,
    /// Name of the object, where it has one.
    pub name: String,
}

impl std::fmt::Display for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {:?} {} ({})", self.table, self.kind, self.name, self.columns.join(", "))?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " = {}", self.detail) }
    }
}

/// Everything the catalogue says.
pub fn facts(db: &Db) -> Vec<Fact> {
    let mut facts = match db.engine {
        Engine::Sqlite => sqlite(db),
        Engine::Postgres => postgres(db),
        Engine::Mariadb | Engine::Mysql => mysql(db),
    };
    let known = tables(db);
    facts.retain(|fact| known.contains(&fact.table));
    facts.extend(beside(db));
    facts.sort();
    facts.dedup();
    facts
}

/// Names of the views.
pub fn views(db: &Db) -> Vec<String> {
    let sql = match db.engine {
        Engine::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name",
        Engine::Postgres => "SELECT viewname FROM pg_views WHERE schemaname = 'public' ORDER BY viewname",
        Engine::Mariadb | Engine::Mysql => {
            "SELECT table_name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY table_name"
        }
    };
    db.query(sql).into_iter().map(|row| row[0].clone().unwrap()).collect()
}

type Row = Vec<Option<String>>;

fn text(row: &Row, i: usize) -> String {
    row[i].clone().unwrap_or_default()
}

/// Rows of (table, name, column, detail), one a column, in order, put together to one fact an object.
fn gather(rows: Vec<Row>, kind: Kind) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for row in rows {
        let (table, name, column, detail) = (text(&row, 0), text(&row, 1), text(&row, 2), text(&row, 3));
        match facts.last_mut() {
            Some(last) if last.table == table && last.name == name && !name.is_empty() => {
                last.columns.push(column);
            }
            _ => facts.push(Fact { table, kind, columns: vec![column], detail, name }),
        }
    }
    facts
}

/// What stands beside the tables.
fn beside(db: &Db) -> Vec<Fact> {
    let sql = match db.engine {
        Engine::Sqlite => {
            "SELECT CASE type WHEN 'trigger' THEN tbl_name END, name, type FROM sqlite_schema WHERE type IN ('view', 'trigger')"
        }
        Engine::Postgres => {
            "SELECT NULL, relname, CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END FROM pg_class
             WHERE relkind IN ('v', 'm') AND relnamespace = current_schema()::regnamespace
             UNION ALL
             SELECT c.relname, t.tgname, 'trigger' FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
             WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND c.relnamespace = current_schema()::regnamespace
             UNION ALL
             SELECT NULL, p.proname, 'routine' FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')"
        }
        Engine::Mariadb | Engine::Mysql => {
            "SELECT NULL, table_name, 'view' FROM information_schema.views WHERE table_schema = DATABASE()
             UNION ALL
             SELECT event_object_table, trigger_name, 'trigger' FROM information_schema.triggers WHERE trigger_schema = DATABASE()
             UNION ALL
             SELECT NULL, routine_name, 'routine' FROM information_schema.routines WHERE routine_schema = DATABASE()
             UNION ALL
             SELECT NULL, event_name, 'event' FROM information_schema.events WHERE event_schema = DATABASE()"
        }
    };
    let fact = |row: Row| Fact {
        table: text(&row, 0),
        kind: Kind::Beside,
        columns: Vec::new(),
        detail: text(&row, 2),
        name: text(&row, 1),
    };
    db.query(sql).into_iter().map(fact).collect()
}

fn sqlite(db: &Db) -> Vec<Fact> {
    let table = "FROM pragma_table_list AS l JOIN";
    let mut facts = gather(
        db.query(&format!(
            "SELECT l.name, 'primary key', x.name {table} pragma_table_xinfo(l.name) AS x
             WHERE l.schema = 'main' AND l.type = 'table' AND x.pk > 0 ORDER BY l.name, x.pk"
        ))
        .into_iter()
        .map(padded)
        .collect(),
        Kind::PrimaryKey,
    );
    let indexes = format!(
        "SELECT l.name, i.name, c.name, '', i.\"unique\", i.partial OR EXISTS (SELECT 1 FROM pragma_index_info(i.name) WHERE name IS NULL)
         {table} pragma_index_list(l.name) AS i JOIN pragma_index_info(i.name) AS c
         WHERE l.schema = 'main' AND l.type = 'table' AND i.origin <> 'pk' ORDER BY l.name, i.name, c.seqno"
    );
    facts.extend(indexes_of(db.query(&indexes)));
    let keys = db.query(&format!(
        "SELECT l.name, f.id, f.\"from\", f.\"table\", coalesce(f.\"to\", (SELECT p.name FROM pragma_table_info(f.\"table\") AS p WHERE p.pk = f.seq + 1)),
           f.on_delete, f.on_update
         {table} pragma_foreign_key_list(l.name) AS f WHERE l.schema = 'main' AND l.type = 'table' ORDER BY l.name, f.id, f.seq"
    ));
    facts.extend(foreign_keys(keys));
    let columns = db.query(&format!(
        "SELECT l.name, x.name, x.\"notnull\", x.dflt_value {table} pragma_table_xinfo(l.name) AS x
         WHERE l.schema = 'main' AND l.type = 'table'"
    ));
    for row in &columns {
        let fact = |kind, detail| Fact {
            table: text(row, 0),
            kind,
            columns: vec![text(row, 1)],
            detail,
            name: String::new(),
        };
        if text(row, 2) == "1" {
            facts.push(fact(Kind::NotNull, String::new()));
        }
        if let Some(default) = row[3].as_deref().and_then(default) {
            facts.push(fact(Kind::Default, default));
        }
    }
    for row in db.query("SELECT name, sql FROM sqlite_schema WHERE type = 'table'") {
        let sql = text(&row, 1).to_uppercase();
        let checks =
            sql.match_indices("CHECK").filter(|(at, _)| sql[at + 5..].trim_start().starts_with('(')).count();
        if checks > 0 {
            facts.push(number(&text(&row, 0), Kind::Check, "", checks.to_string()));
        }
    }
    // The rowid alias numbers itself; AUTOINCREMENT also remembers.
    let aliases = db.query(
        "SELECT l.name, x.name FROM pragma_table_list AS l JOIN pragma_table_xinfo(l.name) AS x
         WHERE l.schema = 'main' AND l.type = 'table' AND NOT l.wr AND x.pk = 1 AND upper(x.type) = 'INTEGER'
           AND (SELECT count(*) FROM pragma_table_xinfo(l.name) WHERE pk > 0) = 1 AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    );
    let remembers = db.value("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").is_some();
    for row in aliases {
        let (table, column) = (text(&row, 0), text(&row, 1));
        let most =
            format!("SELECT coalesce(max({}), 0) FROM {}", db.engine.quote(&column), db.engine.quote(&table));
        let high = if remembers {
            format!(
                "SELECT max(({most}), coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0)) + 1"
            )
        } else {
            format!("SELECT ({most}) + 1")
        };
        facts.push(number(&table, Kind::Identity, &column, db.value(&high).unwrap()));
    }
    facts
}

fn postgres(db: &Db) -> Vec<Fact> {
    let scope =
        "c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND c.relkind IN ('r', 'p')";
    let mut facts = gather(
        db.query(&format!(
            "SELECT c.relname, k.conname, a.attname, '' FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid,
               unnest(k.conkey) WITH ORDINALITY AS u(num, place) JOIN pg_attribute a ON a.attnum = u.num
             WHERE {scope} AND a.attrelid = c.oid AND k.contype = 'p' ORDER BY 1, 2, u.place"
        )),
        Kind::PrimaryKey,
    );
    facts.extend(indexes_of(db.query(&format!(
        "SELECT c.relname, n.relname, a.attname, '', CASE WHEN i.indisunique THEN 1 ELSE 0 END,
           CASE WHEN i.indpred IS NOT NULL OR i.indexprs IS NOT NULL THEN 1 ELSE 0 END
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid,
           unnest(i.indkey::int2[]) WITH ORDINALITY AS u(num, place)
           LEFT JOIN LATERAL (SELECT x.attname FROM pg_attribute x WHERE x.attnum = u.num AND x.attnum > 0 AND x.attrelid = i.indrelid) a ON true
         WHERE {scope} AND NOT i.indisprimary AND u.place <= i.indnkeyatts ORDER BY 1, 2, u.place"
    ))));
    let keys = db.query(&format!(
        "SELECT c.relname, k.conname, a.attname, r.relname, b.attname, k.confdeltype, k.confupdtype
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid,
           unnest(k.conkey, k.confkey) WITH ORDINALITY AS u(num, there, place), pg_attribute a, pg_attribute b
         WHERE {scope} AND k.contype = 'f' AND k.conparentid = 0 AND a.attrelid = c.oid AND a.attnum = u.num
           AND b.attrelid = r.oid AND b.attnum = u.there ORDER BY 1, 2, u.place"
    ));
    facts.extend(foreign_keys(keys));
    let columns = db.query(&format!(
        "SELECT c.relname, a.attname, a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity,
           pg_get_serial_sequence(quote_ident(c.relname), a.attname), a.attgenerated
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE {scope} AND a.attnum > 0 AND NOT a.attisdropped"
    ));
    for row in &columns {
        let (table, column) = (text(row, 0), text(row, 1));
        if text(row, 2) == "t" {
            facts.push(number(&table, Kind::NotNull, &column, String::new()));
        }
        let expression = text(row, 3);
        let sequence =
            match expression.strip_prefix("nextval('").and_then(|rest| rest.split_once("'::regclass)")) {
                Some((name, _)) => name.replace("''", "'"),
                None => text(row, 5),
            };
        if sequence.is_empty() {
            if let Some(default) = default(&expression).filter(|_| text(row, 6).is_empty()) {
                facts.push(number(&table, Kind::Default, &column, default));
            }
        } else {
            let next = db
                .value(&format!("SELECT last_value + CASE WHEN is_called THEN 1 ELSE 0 END FROM {sequence}"));
            facts.push(number(&table, Kind::Identity, &column, next.unwrap()));
        }
    }
    for row in db.query(&format!(
        "SELECT c.relname, count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         WHERE {scope} AND k.contype = 'c' GROUP BY 1"
    )) {
        facts.push(number(&text(&row, 0), Kind::Check, "", text(&row, 1)));
    }
    facts
}

fn mysql(db: &Db) -> Vec<Fact> {
    let mut facts = gather(
        db.query(
            "SELECT table_name, index_name, column_name, '' FROM information_schema.statistics
             WHERE table_schema = database() AND index_name = 'PRIMARY' ORDER BY table_name, seq_in_index",
        ),
        Kind::PrimaryKey,
    );
    facts.extend(indexes_of(db.query(
        "SELECT table_name, index_name, column_name, '', 1 - non_unique, 0 FROM information_schema.statistics
         WHERE table_schema = database() AND index_name <> 'PRIMARY' ORDER BY table_name, index_name, seq_in_index",
    )));
    facts.extend(foreign_keys(db.query(
        "SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, k.referenced_column_name,
           r.delete_rule, r.update_rule
         FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
           ON r.constraint_name = k.constraint_name AND r.table_name = k.table_name
         WHERE k.table_schema = database() AND r.constraint_schema = database() AND k.referenced_table_name IS NOT NULL
         ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
    )));
    let columns = db.query(
        "SELECT c.table_name, c.column_name, c.is_nullable, c.column_default, c.extra, t.auto_increment
         FROM information_schema.columns c JOIN information_schema.tables t USING (table_name)
         WHERE c.table_schema = database() AND t.table_schema = database() AND t.table_type = 'BASE TABLE'",
    );
    for row in &columns {
        let (table, column) = (text(row, 0), text(row, 1));
        if text(row, 2) == "NO" {
            facts.push(number(&table, Kind::NotNull, &column, String::new()));
        }
        if text(row, 4).contains("auto_increment") {
            facts.push(number(&table, Kind::Identity, &column, text(row, 5)));
        } else if let Some(default) = row[3].as_deref().and_then(default) {
            facts.push(number(&table, Kind::Default, &column, default));
        }
    }
    let checks = if db.engine == Engine::Mariadb {
        "SELECT table_name, sum(check_clause NOT LIKE 'json_valid%'), count(*) FROM information_schema.check_constraints
         WHERE constraint_schema = database() GROUP BY table_name"
    } else {
        "SELECT table_name, sum(check_clause NOT LIKE 'json_valid%'), count(*) FROM information_schema.check_constraints
           JOIN information_schema.table_constraints USING (constraint_schema, constraint_name)
         WHERE constraint_schema = database() GROUP BY table_name"
    };
    for row in db.query(checks) {
        // The server checks its JSON columns by itself: that is no check to carry, but one that serves.
        let fact = number(&text(&row, 0), Kind::Check, "", text(&row, 1));
        facts.push(Fact { name: text(&row, 2), ..fact });
    }
    facts
}

fn padded(mut row: Row) -> Row {
    row.resize(4, None);
    row
}

fn number(table: &str, kind: Kind, column: &str, detail: String) -> Fact {
    let columns = if column.is_empty() { Vec::new() } else { vec![column.to_owned()] };
    Fact { table: table.to_owned(), kind, columns, detail, name: String::new() }
}

/// Rows of (table, name, column, "", unique, special).
fn indexes_of(rows: Vec<Row>) -> Vec<Fact> {
    let mut kinds = BTreeMap::new();
    for row in &rows {
        let kind = match (text(row, 4).as_str(), text(row, 5).as_str()) {
            (_, "1") => Kind::SpecialIndex,
            ("1", _) => Kind::Unique,
            _ => Kind::Index,
        };
        kinds.insert((text(row, 0), text(row, 1)), kind);
    }
    let mut facts = gather(rows, Kind::Index);
    for fact in &mut facts {
        fact.kind = kinds[&(fact.table.clone(), fact.name.clone())];
    }
    facts
}

/// Rows of (table, name, column, referenced table, referenced column, on delete, on update).
fn foreign_keys(rows: Vec<Row>) -> Vec<Fact> {
    let mut references: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in &rows {
        references.entry((text(row, 0), text(row, 1))).or_default().push(text(row, 4));
    }
    let plain = rows
        .into_iter()
        .map(|row| {
            let there = references[&(text(&row, 0), text(&row, 1))].join(", ");
            let actions = format!("delete {}, update {}", action(&text(&row, 5)), action(&text(&row, 6)));
            let detail = format!("{} ({there}) {actions}", text(&row, 3));
            vec![row[0].clone(), row[1].clone(), row[2].clone(), Some(detail)]
        })
        .collect();
    gather(plain, Kind::ForeignKey)
}

/// NO ACTION and RESTRICT are one to MySQL, and differ elsewhere only inside a transaction.
fn action(word: &str) -> &'static str {
    match word.to_ascii_lowercase().as_str() {
        "c" | "cascade" => "cascade",
        "n" | "set null" => "set null",
        "d" | "set default" => "set default",
        _ => "refused",
    }
}

/// A default without the spelling of its engine; `None` for NULL.
fn default(text: &str) -> Option<String> {
    let mut text = text.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        text = inner.trim();
    }
    let lower = text.to_ascii_lowercase();
    if lower.is_empty() || lower == "null" || lower.starts_with("null::") {
        return None;
    }
    if lower.starts_with("strftime('%y-%m-%d %h:%m:%f") && lower.contains("'now'") {
        return Some("now".to_owned());
    }
    if ["now()", "current_timestamp", "('now'::text)::timestamp"].iter().any(|word| lower.starts_with(word)) {
        return Some("now".to_owned());
    }
    if lower == "current_date" || lower == "curdate()" || lower == "('now'::text)::date" {
        return Some("today".to_owned());
    }
    // Casts of PostgreSQL.
    let plain = match text.rfind("::") {
        Some(at) if !text[at..].contains('\'') => &text[..at],
        _ => text,
    };
    let plain = plain.trim().trim_start_matches('(').trim_end_matches(')');
    let plain = plain.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(plain);
    Some(match plain.to_ascii_lowercase().as_str() {
        "true" | "b'1'" => "1".to_owned(),
        "false" | "b'0'" => "0".to_owned(),
        _ => match plain.parse::<f64>() {
            Ok(value) => format!("{value}"),
            Err(_) => plain.replace("''", "'"),
        },
    })
}

/// What `source` says that `target` does not, and that no finding names.
pub fn missing(source: &[Fact], target: &[Fact], renamed: &Renamed, findings: &[Value]) -> Vec<String> {
    let there = |name: &String| renamed.get(name).unwrap_or(name).clone();
    source
        .iter()
        // Of checks only the server's own ones are there: nothing to look for.
        .filter(|fact| fact.kind != Kind::Check || fact.detail != "0")
        .filter(|fact| {
            let table = there(&fact.table);
            !target.iter().any(|other| other.table == table && serves(fact, other, renamed))
        })
        .filter(|fact| !findings.iter().any(|finding| names(finding, fact)))
        .map(|fact| {
            let near = target.iter().find(|other| {
                other.table == there(&fact.table) && other.kind == fact.kind && other.columns == fact.columns
            });
            match near {
                Some(near) => format!("{fact}; there: {}", near.detail),
                None => format!("{fact}; not there, and no finding says so"),
            }
        })
        .collect()
}

/// Whether a fact of the target says (at least) what one of the source says, the table being the same.
fn serves(fact: &Fact, other: &Fact, renamed: &Renamed) -> bool {
    let same_columns = fact.columns == other.columns;
    let number = |text: &str| text.parse::<i128>().unwrap_or(0);
    match fact.kind {
        Kind::PrimaryKey => other.kind == Kind::PrimaryKey && same_columns,
        Kind::Unique => matches!(other.kind, Kind::Unique | Kind::PrimaryKey) && same_columns,
        // A longer index that starts with the same columns serves the same look-ups.
        Kind::Index => {
            matches!(other.kind, Kind::Index | Kind::Unique | Kind::PrimaryKey)
                && other.columns.starts_with(&fact.columns)
        }
        Kind::SpecialIndex => other.kind == Kind::SpecialIndex && other.name == fact.name,
        Kind::ForeignKey => {
            let (table, rest) = fact.detail.split_once(" (").unwrap();
            let table = renamed.get(table).map_or(table, String::as_str);
            other.kind == Kind::ForeignKey && same_columns && other.detail == format!("{table} ({rest}")
        }
        Kind::NotNull => {
            matches!(other.kind, Kind::NotNull | Kind::PrimaryKey) && other.columns.contains(&fact.columns[0])
        }
        Kind::Default => other.kind == Kind::Default && same_columns && other.detail == fact.detail,
        Kind::Check => {
            other.kind == Kind::Check
                && number(&other.detail).max(number(&other.name)) >= number(&fact.detail)
        }
        Kind::Identity => other.kind == Kind::Identity && same_columns && other.detail == fact.detail,
        Kind::Beside => other.kind == Kind::Beside && other.detail == fact.detail && other.name == fact.name,
    }
}

/// Whether a finding of the report is about this fact: its table, and the object's name, a column or its text.
fn names(finding: &Value, fact: &Fact) -> bool {
    let says = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let (object, column, text) = (says("object"), says("column"), says("text"));
    let named = !fact.name.is_empty() && (object == fact.name || text.contains(&fact.name));
    let about = says("table") == fact.table;
    named && (about || says("table").is_empty())
        || about && fact.columns.contains(&column)
        || about
            && !fact.columns.is_empty()
            && fact.columns.iter().all(|column| text.contains(column.as_str()))
        || about && fact.kind == Kind::Check && says("kind").to_ascii_lowercase().contains("check")
}

#[test]
fn defaults_are_compared_by_what_they_mean() {
    for (a, b) in [
        ("'x'::character varying", "'x'"),
        ("now()", "current_timestamp(6)"),
        ("true", "1"),
        ("(0)", "0.00"),
        ("'it''s'::text", "'it''s'"),
    ] {
        assert_eq!(default(a), default(b));
    }
    assert_eq!(default("NULL::character varying"), None);
    assert_ne!(default("'a'"), default("'b'"));
}
