//! The catalogue: from SQLite's pragmas and the texts of its CREATE statements to the neutral schema.
//! Pragmas say what is in force; texts only add what pragmas leave out (see `definition`).

use std::collections::HashMap;

use rusqlite::Connection;

use super::ddl::{ENUM_CHECK, column_list, quote};
use super::definition::{self, IndexText, KeyText, TableText};
use super::{default, on_update, origins, tokens, types};
use crate::model::endpoint::Dialect;
use crate::model::schema::{
    Action, Check, Collation, Column, Constrained, DataType, Deferrable, ForeignKey, Generated, Identity,
    IdentityGeneration, Index, IndexKey, IndexPart, Object, ObjectKind, OnConflict, PrimaryKey, Schema,
    Table, TableOptions,
};

type Result<T> = rusqlite::Result<T>;

/// Reads the whole catalogue.
pub fn schema(connection: &Connection) -> Result<Schema> {
    let transaction = connection.unchecked_transaction()?;
    let texts = Texts::read(connection)?;
    let mut tables = Vec::new();
    let mut objects = texts.objects();
    for entry in entries(connection)? {
        let sql = texts.sql("table", &entry.name);
        match entry.kind.as_str() {
            "virtual" => objects.push(Object::new(ObjectKind::VirtualTable, entry.name, sql)),
            "table" => {
                let text = definition::table(sql);
                if !text.on_conflict.is_empty() {
                    let name = format!("ON CONFLICT of {}", entry.name);
                    objects.push(Object::new(ObjectKind::Constraint, name, sql).of(Some(entry.name.clone())));
                }
                tables.push(table(connection, &texts, entry, &text)?);
            }
            _ => {}
        }
    }
    for name in ["application_id", "user_version"] {
        let value: i64 = connection.pragma_query_value(None, name, |r| r.get(0))?;
        if value != 0 {
            let definition = format!("PRAGMA {name} = {value}");
            objects.push(Object::new(ObjectKind::Setting, name, definition));
        }
    }
    resolve_references(&mut tables);
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    transaction.finish()?;
    Ok(Schema { dialect: Dialect::Sqlite, tables, objects })
}

/// Names of the ordinary tables.
pub fn table_names(connection: &Connection) -> Result<Vec<String>> {
    Ok(entries(connection)?.into_iter().filter(|e| e.kind == "table").map(|e| e.name).collect())
}

/// Number of rows without looking at each, good enough for a progress bar: the span of rowids, unless so many
/// rows could not be in the file.
pub fn estimated_rows(connection: &Connection, table: &str) -> Result<Option<u64>> {
    let quoted = quote(table);
    // Two queries, because SQLite goes to one end of the tree for each.
    let end = |function: &str| -> Result<Option<i64>> {
        connection.query_row(&format!("SELECT {function}(_rowid_) FROM main.{quoted}"), [], |r| r.get(0))
    };
    let span = match (end("min"), end("max")) {
        (Ok(Some(first)), Ok(Some(last))) => u64::try_from(i128::from(last) - i128::from(first) + 1).ok(),
        (Ok(None), _) => Some(0),
        // WITHOUT ROWID, or a column that hides the rowid behind its name.
        _ => None,
    };
    let bytes: i64 = connection.query_row(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        [],
        |r| r.get(0),
    )?;
    // A row takes at least some eight bytes.
    if let Some(span) = span.filter(|s| *s <= u64::try_from(bytes).unwrap_or(0) / 8) {
        return Ok(Some(span));
    }
    counted_rows(connection, table).map(Some)
}

/// Number of rows. SQLite counts the smallest index, which it cannot open where the application brought a collation
/// of its own; then it counts the table.
pub fn counted_rows(connection: &Connection, table: &str) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM main.{}", quote(table));
    let count = |sql: &str| connection.query_row(sql, [], |r| r.get::<_, i64>(0));
    let rows = count(&sql).or_else(|_| count(&format!("{sql} NOT INDEXED")))?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// Texts of `sqlite_schema` by type and name.
struct Texts {
    rows: Vec<(String, String, String, Option<String>)>,
    places: HashMap<(String, String), usize>,
}

impl Texts {
    fn read(connection: &Connection) -> Result<Self> {
        let mut statement =
            connection.prepare_cached("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
        let rows: Vec<(String, String, String, Option<String>)> = rows.collect::<Result<_>>()?;
        let places = rows.iter().enumerate().map(|(at, r)| ((r.0.clone(), r.1.clone()), at)).collect();
        Ok(Self { rows, places })
    }

    fn sql(&self, kind: &str, name: &str) -> &str {
        let place = self.places.get(&(kind.to_owned(), name.to_owned()));
        place.and_then(|at| self.rows[*at].3.as_deref()).unwrap_or_default()
    }

    /// Columns of a table that a trigger of ours sets.
    fn set_on_update(&self, table: &str) -> Vec<String> {
        let triggers = self.rows.iter().filter(|(kind, _, of, _)| kind == "trigger" && of == table);
        triggers.filter_map(|(_, name, _, sql)| on_update::columns(name, sql.as_deref()?)).flatten().collect()
    }

    fn objects(&self) -> Vec<Object> {
        let object = |(kind, name, table, sql): &(String, String, String, Option<String>)| {
            let kind = match kind.as_str() {
                "view" => ObjectKind::View,
                "trigger" if on_update::columns(name, sql.as_deref().unwrap_or_default()).is_some() => {
                    return None;
                }
                "trigger" => ObjectKind::Trigger,
                _ => return None,
            };
            let table = (kind == ObjectKind::Trigger).then(|| table.clone());
            Some(Object::new(kind, name.clone(), sql.clone().unwrap_or_default()).of(table))
        };
        self.rows.iter().filter_map(object).collect()
    }
}

/// A line of `pragma table_list`.
struct Entry {
    name: String,
    kind: String,
    without_rowid: bool,
    strict: bool,
}

/// Tables, virtual tables, shadow tables and views of the file, SQLite's own left out.
fn entries(connection: &Connection) -> Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, wr, strict FROM pragma_table_list \
         WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let entries = statement.query_map([], |r| {
        Ok(Entry { name: r.get(0)?, kind: r.get(1)?, without_rowid: r.get(2)?, strict: r.get(3)? })
    })?;
    entries.collect()
}

/// A line of `pragma table_xinfo`.
struct Info {
    name: String,
    declared: String,
    not_null: bool,
    default: Option<String>,
    key_position: i64,
    hidden: i64,
}

fn infos(connection: &Connection, table: &str) -> Result<Vec<Info>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid",
    )?;
    let infos = statement.query_map([table], |r| {
        Ok(Info {
            name: r.get(0)?,
            declared: r.get(1)?,
            not_null: r.get(2)?,
            default: r.get(3)?,
            key_position: r.get(4)?,
            hidden: r.get(5)?,
        })
    })?;
    infos.collect()
}

fn table(connection: &Connection, texts: &Texts, entry: Entry, text: &TableText) -> Result<Table> {
    let infos = infos(connection, &entry.name)?;
    let mut uniques = text.uniques.clone();
    let mut indexes = Vec::new();
    let (mut has_key_index, mut key_parts) = (false, Vec::new());
    let mut columns = Vec::new();
    for info in &infos {
        columns.push(column(connection, &entry, info, text)?);
    }
    let sql = texts.sql("table", &entry.name);
    origins::attach(&mut columns, sql);
    for column in &mut columns {
        column.on_update_now = texts.set_on_update(&entry.name).contains(&column.name);
    }
    for line in index_lines(connection, &entry.name)? {
        if line.origin == "pk" {
            has_key_index = true;
            key_parts = index_parts(connection, &columns, &line.name, &IndexText::default())?;
        } else {
            indexes.push(index(connection, texts, &columns, line, &mut uniques)?);
        }
    }
    let mut key: Vec<&Info> = infos.iter().filter(|i| i.key_position > 0).collect();
    key.sort_by_key(|i| i.key_position);
    // The key of a table with rowids has an index of its own, unless it is the rowid.
    let autoincrement = match key.as_slice() {
        [only] if !entry.without_rowid && !has_key_index => {
            let auto = is_autoincrement(connection, &entry.name, &only.name)?;
            if let Some(column) = columns.iter_mut().find(|c| c.name == only.name) {
                column.identity = Some(identity(connection, &entry.name, auto)?);
                column.default = None;
                column.nullable = false;
            }
            auto
        }
        _ => false,
    };
    let primary_key = (!key.is_empty()).then(|| PrimaryKey {
        name: text.key_name.clone(),
        columns: key.iter().map(|i| i.name.clone()).collect(),
        prefixes: vec![None; key.len()],
        descending: if key_parts.iter().any(|p: &IndexPart| p.descending) {
            key_parts.iter().map(|p| p.descending).collect()
        } else {
            Vec::new()
        },
        collations: if key_parts.iter().any(|p| p.collation.is_some()) {
            key_parts.into_iter().map(|p| p.collation).collect()
        } else {
            Vec::new()
        },
    });
    let estimated_rows = estimated_rows(connection, &entry.name)?;
    let checks = text.checks.iter().filter(|c| !recognise_enum(c, &mut columns)).cloned().collect();
    let on_conflict = on_conflict(&text.on_conflict, &columns, &indexes);
    Ok(Table {
        foreign_keys: foreign_keys(connection, &entry.name, &text.foreign_keys)?,
        name: entry.name,
        columns,
        primary_key,
        indexes,
        checks,
        comment: None,
        options: TableOptions {
            without_rowid: entry.without_rowid,
            strict: entry.strict,
            autoincrement,
            on_conflict,
            ..TableOptions::default()
        },
        estimated_rows,
        bytes: None,
        origin: origins::of_table(sql),
    })
}

/// The ON CONFLICT clauses of a table under the names that its columns have; none of them if one is of a constraint that
/// the pragmas do not have as such.
fn on_conflict(said: &[OnConflict], columns: &[Column], indexes: &[Index]) -> Vec<OnConflict> {
    let own =
        |name: &String| columns.iter().find(|c| c.name.eq_ignore_ascii_case(name)).map(|c| c.name.clone());
    let clause = |clause: &OnConflict| {
        let constraint = match &clause.constraint {
            Constrained::NotNull(column) => Constrained::NotNull(own(column)?),
            Constrained::PrimaryKey => Constrained::PrimaryKey,
            Constrained::Unique(names) => {
                let names = names.iter().map(own).collect::<Option<Vec<String>>>()?;
                let mut constraints = indexes.iter().filter(|i| i.constraint && i.unique);
                let keys = names.iter().cloned().map(IndexKey::Column);
                let is_there = constraints.any(|i| i.parts.iter().map(|p| p.key.clone()).eq(keys.clone()));
                Constrained::Unique(is_there.then_some(names)?)
            }
        };
        Some(OnConflict { constraint, resolution: clause.resolution })
    };
    said.iter().map(clause).collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn column(connection: &Connection, entry: &Entry, info: &Info, text: &TableText) -> Result<Column> {
    let data_type = types::data_type(&info.declared);
    // 2 is VIRTUAL, 3 is STORED; ordinary tables have no column that is merely hidden.
    let generated = matches!(info.hidden, 2 | 3).then(|| Generated {
        expression: text
            .generated
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&info.name))
            .map(|(_, expression)| expression.clone())
            .unwrap_or_default(),
        stored: info.hidden == 3,
    });
    let collation = collation_of(connection, &entry.name, &info.name)?;
    Ok(Column {
        name: info.name.clone(),
        default: info
            .default
            .as_deref()
            .filter(|_| generated.is_none())
            .map(|d| default::parse(d, &data_type)),
        data_type,
        native_type: info.declared.clone(),
        nullable: !info.not_null,
        generated,
        identity: None,
        on_update_now: false,
        collation: collation.as_deref().and_then(collation_named),
        comment: None,
        origin: None,
        domain: None,
        reaches: Vec::new(),
    })
}

fn collation_of(connection: &Connection, table: &str, column: &str) -> Result<Option<String>> {
    let (_, collation, ..) = connection.column_metadata(Some("main"), table, column)?;
    Ok(collation.map(|c| c.to_string_lossy().into_owned()))
}

fn is_autoincrement(connection: &Connection, table: &str, column: &str) -> Result<bool> {
    Ok(connection.column_metadata(Some("main"), table, column)?.4)
}

/// A collation by its name; `None` for the one that every column has.
fn collation_named(name: &str) -> Option<Collation> {
    if name.eq_ignore_ascii_case("BINARY") {
        return None;
    }
    Some(Collation {
        name: name.to_owned(),
        case_insensitive: name.eq_ignore_ascii_case("NOCASE"),
        ascii_case: name.eq_ignore_ascii_case("NOCASE"),
        accent_insensitive: false,
        pads: name.eq_ignore_ascii_case("RTRIM"),
    })
}

fn identity(connection: &Connection, table: &str, autoincrement: bool) -> Result<Identity> {
    let next = if autoincrement {
        let sql = format!(
            "SELECT max((SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1), \
                        (SELECT coalesce(max(_rowid_), 0) FROM {}))",
            quote(table)
        );
        let last: i64 = connection.query_row(&sql, [table], |r| r.get(0))?;
        Some(i128::from(last) + 1)
    } else {
        None
    };
    let generation =
        if autoincrement { IdentityGeneration::AutoIncrement } else { IdentityGeneration::Rowid };
    Ok(Identity { generation, next, increment: 1, sequence: None })
}

/// Makes an enum again of the CHECK that stands for it (see `ddl`), and answers whether it was one.
fn recognise_enum(check: &Check, columns: &mut [Column]) -> bool {
    let Some(name) = check.name.as_deref().and_then(|n| n.strip_prefix(ENUM_CHECK)) else { return false };
    let all = tokens::tokens(&check.expression);
    let [column, word, open, labels @ .., close] = all.as_slice() else { return false };
    let is_list = word.is("IN") && open.is_mark('(') && close.is_mark(')');
    let Some(column) = columns.iter_mut().find(|c| c.name == column.text).filter(|_| is_list) else {
        return false;
    };
    let labels = labels.iter().filter(|t| t.kind == tokens::Kind::Text).map(|t| t.text.clone()).collect();
    column.data_type = DataType::Enum { name: Some(name.to_owned()).filter(|n| !n.is_empty()), labels };
    true
}

/// A line of `pragma index_list`.
struct IndexLine {
    name: String,
    unique: bool,
    origin: String,
}

/// Indexes in the order of their making, which is the reverse of the pragma's.
fn index_lines(connection: &Connection, table: &str) -> Result<Vec<IndexLine>> {
    let mut statement = connection
        .prepare_cached("SELECT name, \"unique\", origin FROM pragma_index_list(?1) ORDER BY seq DESC")?;
    let lines = statement
        .query_map([table], |r| Ok(IndexLine { name: r.get(0)?, unique: r.get(1)?, origin: r.get(2)? }))?;
    lines.collect()
}

fn index(
    connection: &Connection,
    texts: &Texts,
    columns: &[Column],
    line: IndexLine,
    uniques: &mut Vec<(Option<String>, Vec<String>)>,
) -> Result<Index> {
    let constraint = line.origin == "u";
    let sql = texts.sql("index", &line.name);
    let text = if constraint { IndexText::default() } else { definition::index(sql) };
    let parts = index_parts(connection, columns, &line.name, &text)?;
    let names: Vec<String> = parts
        .iter()
        .filter_map(|p| match &p.key {
            IndexKey::Column(name) => Some(name.clone()),
            IndexKey::Expression(_) => None,
        })
        .collect();
    // SQLite makes up the name of a constraint's index; the constraint's own name is only in the text.
    let name = if constraint { take_constraint_name(uniques, &names) } else { Some(line.name) };
    Ok(Index {
        name,
        unique: line.unique,
        constraint,
        parts,
        include: Vec::new(),
        predicate: text.predicate,
        method: None,
        nulls_not_distinct: false,
        reaches: Vec::new(),
        origin: None,
        deferrable: Deferrable::No,
        definition: if constraint { format!("UNIQUE ({})", column_list(&names)) } else { sql.to_owned() },
    })
}

fn take_constraint_name(
    uniques: &mut Vec<(Option<String>, Vec<String>)>,
    columns: &[String],
) -> Option<String> {
    let same = |names: &[String]| {
        names.len() == columns.len() && names.iter().zip(columns).all(|(a, b)| a.eq_ignore_ascii_case(b))
    };
    let at = uniques.iter().position(|(_, names)| same(names))?;
    uniques.remove(at).0
}

fn index_parts(
    connection: &Connection,
    columns: &[Column],
    index: &str,
    text: &IndexText,
) -> Result<Vec<IndexPart>> {
    let mut statement = connection.prepare_cached(
        "SELECT cid, name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE \"key\" = 1 ORDER BY seqno",
    )?;
    let lines = statement.query_map([index], |r| {
        let line: (i64, Option<String>, bool, Option<String>) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
        Ok(line)
    })?;
    let mut parts = Vec::new();
    for (at, line) in lines.enumerate() {
        let (_, column, descending, collation) = line?;
        let own = column.as_deref().and_then(|name| columns.iter().find(|c| c.name == name));
        let own = own.and_then(|c| c.collation.as_ref()).map_or("BINARY", |c| c.name.as_str());
        let collation = collation.filter(|c| !c.eq_ignore_ascii_case(own));
        let key = match column {
            Some(name) => IndexKey::Column(name),
            None => IndexKey::Expression(text.keys.get(at).cloned().unwrap_or_default()),
        };
        parts.push(IndexPart {
            key,
            descending,
            nulls_first: None,
            collation: collation.map(|name| {
                collation_named(&name).unwrap_or(Collation {
                    name,
                    case_insensitive: false,
                    ascii_case: false,
                    accent_insensitive: false,
                    pads: false,
                })
            }),
            prefix: None,
            operator_class: None,
        });
    }
    Ok(parts)
}

/// Foreign keys in the order of their declaration. A parent that is named without columns has none yet
/// (see [`resolve_references`]).
fn foreign_keys(connection: &Connection, table: &str, texts: &[KeyText]) -> Result<Vec<ForeignKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list(?1) \
         ORDER BY id DESC, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let key = ForeignKey {
                name: None,
                columns: Vec::new(),
                references: row.get(1)?,
                referenced_columns: Vec::new(),
                on_delete: action(&row.get::<_, String>(5)?),
                on_update: action(&row.get::<_, String>(4)?),
                deferrable: Deferrable::No,
                match_full: false,
                validated: false,
            };
            keys.push((id, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.push(row.get(2)?);
            key.referenced_columns.extend(row.get::<_, Option<String>>(3)?);
        }
    }
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    if keys.len() == texts.len() {
        for (key, text) in keys.iter_mut().zip(texts) {
            key.name.clone_from(&text.name);
            key.deferrable = text.deferrable;
            key.match_full = text.match_full;
        }
    }
    Ok(keys)
}

fn action(text: &str) -> Action {
    match text {
        "RESTRICT" => Action::Restrict,
        "CASCADE" => Action::Cascade,
        "SET NULL" => Action::SetNull,
        "SET DEFAULT" => Action::SetDefault,
        _ => Action::NoAction,
    }
}

/// Gives foreign keys the parent's own spelling of its names, and the parent's key where they name no columns.
fn resolve_references(tables: &mut [Table]) {
    let parents: HashMap<String, (String, Vec<String>, Vec<String>)> = tables
        .iter()
        .map(|t| {
            let key = t.primary_key.as_ref().map(|k| k.columns.clone()).unwrap_or_default();
            let columns = t.columns.iter().map(|c| c.name.clone()).collect();
            (t.name.to_ascii_lowercase(), (t.name.clone(), key, columns))
        })
        .collect();
    for key in tables.iter_mut().flat_map(|t| &mut t.foreign_keys) {
        let Some((name, primary_key, columns)) = parents.get(&key.references.to_ascii_lowercase()) else {
            if key.referenced_columns.is_empty() {
                key.referenced_columns.clone_from(&key.columns);
            }
            continue;
        };
        key.references.clone_from(name);
        if key.referenced_columns.is_empty() {
            key.referenced_columns.clone_from(primary_key);
        }
        for referenced in &mut key.referenced_columns {
            if let Some(own) = columns.iter().find(|c| c.eq_ignore_ascii_case(referenced)) {
                referenced.clone_from(own);
            }
        }
    }
}
