//! The catalogue, read with a handful of queries for the whole database and put together table by table.
//! What a row about a column means is in `columns` and `defaults`, what is no table in `objects`, what has no neutral form in
//! `attributes`; what the catalogue leaves out is in `shown` and `asked`, how it spells expressions in `spelled`.

mod asked;
mod attributes;
mod columns;
mod defaults;
mod objects;
mod shown;
mod spelled;

use std::collections::{BTreeMap, HashMap};

use sqlx::MySqlConnection;

use self::columns::RawColumn;
use self::defaults::Telling;
pub use self::objects::SEQUENCES;
use self::spelled::Expressions;
use super::connection::{Fields, rows};
use super::rights;
use super::types::{Rules, literal, quote};
use crate::engine::capability::Rules as _;
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::origin;
use crate::model::plan::INVISIBLE;
use crate::model::schema::{
    Action, Check, Column, DataType, DefaultValue, Deferrable, ForeignKey, Index, IndexKey, IndexPart,
    Object, ObjectKind, PrimaryKey, Schema, Table, TableOptions,
};

/// Rows of the catalogue by the table that they are about.
type ByTable = BTreeMap<String, Vec<Fields>>;

/// Reads the catalogue of the session's database.
pub async fn schema(connection: &mut MySqlConnection, rules: &Rules, database: &str) -> Result<Schema> {
    let mariadb = rules.flavour == Flavour::Mariadb;
    let expressions = mariadb && rules.version >= (10, 2, 7);
    let telling = if expressions { Telling::Expression } else { Telling::Bare };
    let tables = rows(connection, "the list of tables", TABLES).await?;
    let mut columns = by_table(connection, "the list of columns", &columns_query(rules)).await?;
    let mut indexes = by_table(connection, "the list of indexes", &statistics(rules)).await?;
    let mut keys = by_table(connection, "the list of foreign keys", KEYS).await?;
    let mut actions = by_table(connection, "the list of foreign keys", ACTIONS).await?;
    let mut checks = match check_query(rules) {
        Some(sql) => by_table(connection, "the list of checks", sql).await?,
        None => ByTable::new(),
    };
    let mut partitions = by_table(connection, "the list of partitions", PARTITIONS).await?;

    let mut objects = objects::all(connection, database, mariadb).await?;
    objects.extend(attributes::reference_systems(connection, rules).await?);
    objects.extend(rights::unseen(connection).await?);
    let mut out = Vec::with_capacity(tables.len());
    for row in &tables {
        let name = row.word(0);
        let mut raw: Vec<RawColumn> =
            columns.remove(&name).unwrap_or_default().iter().map(raw_column).collect();
        let checks = checks.remove(&name).unwrap_or_default();
        let mut statistics = indexes.remove(&name).unwrap_or_default();
        // A period comes with a check: that it begins before it ends.
        let has_periods = mariadb && rules.version >= (10, 4, 3) && !checks.is_empty();
        let doubtful = |told: &str| spelled::is_doubtful(telling, told);
        let look = has_periods
            || raw.iter().any(|column| column.has_untold_literal(telling))
            || raw.iter_mut().flat_map(|column| column.expressions(telling)).any(|told| doubtful(told))
            || checks.iter().any(|row| doubtful(&row.word(2)))
            || statistics.iter().any(|row| doubtful(&row.word(7)));
        let shown = if look { shown::text(connection, &name).await? } else { Vec::new() };
        let expressions = Expressions::new(telling, &name, &shown);
        for column in &mut raw {
            let beginning = shown::of_column(&column.name);
            for told in column.expressions(telling) {
                *told = expressions.read(told, &beginning)?;
            }
        }
        let (checks, json, unenforced) = checks_of(&checks, &raw, &expressions, telling)?;
        let periods = if has_periods { shown::periods(&shown) } else { Vec::new() };
        objects.extend(unenforced.into_iter().chain(periods).map(|object| object.of(Some(name.clone()))));
        let next = row.number::<i128>(4);
        let mut columns: Vec<Column> =
            raw.iter().map(|raw| columns::column(raw, telling, next, json.contains(&raw.name))).collect();
        for (column, raw) in columns.iter_mut().zip(&raw) {
            if column.default.is_some() && raw.has_untold_literal(telling) {
                column.default = literal_default(&shown, &name, column, raw)?;
            }
        }
        // MariaDB puts the end of a row's time behind each unique key of a system-versioned table: among the rows of today
        // it is one and the same.
        if let Some(row_end) = raw.iter().find(|c| c.row_time() == Some("ROW END")) {
            statistics.retain(|part| part.word(2) != "0" || part.word(3) != row_end.name);
        }
        let (primary_key, mut indexes) = keys_of(&statistics, &expressions)?;
        let columns = without_invisible(columns, &mut indexes);
        let actions = actions.remove(&name).unwrap_or_default();
        let (foreign_keys, elsewhere) =
            foreign_keys(&keys.remove(&name).unwrap_or_default(), &actions, database);
        let attributes = attributes::of_columns(&raw)
            .into_iter()
            .chain(attributes::of_indexes(&statistics))
            .chain(attributes::of_table(&row.word(7)));
        objects.extend(elsewhere.into_iter().chain(attributes).map(|object| object.of(Some(name.clone()))));
        let (comment, origin) = row.text(5).as_deref().map(origin::read).unwrap_or_default();
        let mut table = Table {
            columns,
            primary_key,
            indexes,
            foreign_keys,
            checks,
            comment,
            options: TableOptions {
                storage_engine: row.text(1),
                partitioned_by: partitions.remove(&name).unwrap_or_default().first().map(partitioning),
                versioned_by: (row.word(6) == "SYSTEM VERSIONED").then(|| attributes::versioning(&raw)),
                ..TableOptions::default()
            },
            estimated_rows: row.number(2),
            bytes: row.number(3),
            origin,
            name,
        };
        asked::truth_values(connection, &mut table).await?;
        asked::labels(connection, &mut table).await?;
        if mariadb {
            asked::defaults(connection, &mut table).await?;
        }
        out.push(table);
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Schema { dialect: Dialect::Mysql, tables: out, objects })
}

const TABLES: &str = "SELECT table_name, engine, table_rows, data_length + index_length, auto_increment, \
     table_comment, table_type, create_options FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN \
     ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name";

const KEYS: &str = "SELECT table_name, constraint_name, column_name, referenced_table_schema, \
     referenced_table_name, referenced_column_name FROM information_schema.key_column_usage WHERE table_schema = \
     DATABASE() AND referenced_table_name IS NOT NULL ORDER BY table_name, constraint_name, ordinal_position";

const ACTIONS: &str = "SELECT table_name, constraint_name, delete_rule, update_rule FROM \
     information_schema.referential_constraints WHERE constraint_schema = DATABASE()";

const PARTITIONS: &str = "SELECT DISTINCT table_name, partition_method, partition_expression, \
     subpartition_method, subpartition_expression FROM information_schema.partitions WHERE table_schema = \
     DATABASE() AND partition_name IS NOT NULL";

fn columns_query(rules: &Rules) -> String {
    let srid = if !rules.is_mariadb() && rules.version >= (8, 0, 3) { "srs_id" } else { "NULL" };
    format!(
        "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, generation_expression, \
         collation_name, column_comment, {srid} FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY \
         table_name, ordinal_position"
    )
}

fn statistics(rules: &Rules) -> String {
    let expression = if rules.capabilities().expression_indexes { "expression" } else { "NULL" };
    let unused = match (rules.flavour, rules.version) {
        (Flavour::Mysql, version) if version >= (8, 0, 0) => "IF(is_visible = 'NO', 'INVISIBLE', NULL)",
        (Flavour::Mariadb, version) if version >= (10, 6, 0) => "IF(ignored = 'YES', 'IGNORED', NULL)",
        _ => "NULL",
    };
    format!(
        "SELECT table_name, index_name, non_unique, column_name, collation, sub_part, index_type, {expression}, \
         {unused}, index_comment FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, \
         index_name, seq_in_index"
    )
}

/// MariaDB says whether a check stands at a column: those have no name of their own.
fn check_query(rules: &Rules) -> Option<&'static str> {
    match (rules.flavour, rules.version) {
        (Flavour::Mariadb, (10, 5, 10..) | (10, 6.., _) | (11.., _, _)) => Some(
            "SELECT table_name, constraint_name, check_clause, level FROM information_schema.check_constraints \
             WHERE constraint_schema = DATABASE() ORDER BY table_name, constraint_name",
        ),
        (Flavour::Mariadb, version) if version >= (10, 3, 10) => Some(
            "SELECT table_name, constraint_name, check_clause, 'Table' FROM information_schema.check_constraints \
             WHERE constraint_schema = DATABASE() ORDER BY table_name, constraint_name",
        ),
        (Flavour::Mysql, version) if version >= (8, 0, 16) => Some(
            "SELECT t.table_name, c.constraint_name, c.check_clause, 'Table', t.enforced FROM \
             information_schema.check_constraints c JOIN information_schema.table_constraints t ON \
             t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name WHERE \
             t.constraint_schema = DATABASE() AND t.constraint_type = 'CHECK' ORDER BY t.table_name, \
             c.constraint_name",
        ),
        _ => None,
    }
}

async fn by_table(connection: &mut MySqlConnection, what: &str, sql: &str) -> Result<ByTable> {
    let mut out = ByTable::new();
    for row in rows(connection, what, sql).await? {
        out.entry(row.word(0)).or_default().push(row);
    }
    Ok(out)
}

fn raw_column(row: &Fields) -> RawColumn {
    RawColumn {
        name: row.word(1),
        column_type: row.word(2),
        nullable: row.word(3) == "YES",
        default: row.text(4),
        extra: row.word(5),
        generation: row.text(6),
        collation: row.text(7),
        comment: row.word(8),
        srid: row.number(9),
    }
}

/// The default of a column as SHOW CREATE TABLE has it.
fn literal_default(
    shown: &[u8],
    table: &str,
    column: &Column,
    raw: &RawColumn,
) -> Result<Option<DefaultValue>> {
    let bytes = shown::literal_default(shown, &column.name, &raw.column_type).ok_or_else(|| {
        let name = &column.name;
        let what = format!("the default of \"{table}\".\"{name}\" cannot be read from SHOW CREATE TABLE");
        Error::new(ErrorKind::Read, what)
    })?;
    if matches!(column.data_type, DataType::Bytes { .. }) {
        return Ok(Some(DefaultValue::Bytes(bytes)));
    }
    // Bytes of another character set than UTF-8 say no more than the catalogue.
    Ok(String::from_utf8(bytes)
        .map_or_else(|_| column.default.clone(), |text| Some(DefaultValue::Text(text))))
}

/// Checks, and the columns that a check makes JSON; those checks are part of the type and not listed. Last come those that MySQL
/// keeps and does not enforce.
fn checks_of(
    rows: &[Fields],
    raw: &[RawColumn],
    expressions: &Expressions<'_>,
    telling: Telling,
) -> Result<(Vec<Check>, Vec<String>, Vec<Object>)> {
    let mut checks = Vec::new();
    let mut json = Vec::new();
    let mut unenforced = Vec::new();
    for row in rows {
        let name = row.word(1);
        let of_column = row.word(3) == "Column";
        let beginning = if of_column {
            shown::of_column(&name)
        } else {
            format!("\n  CONSTRAINT {} CHECK (", quote(&name))
        };
        let clause = expressions.read(&row.word(2), &beginning)?;
        if row.word(4) == "NO" {
            let definition = format!("CONSTRAINT {} CHECK ({}) NOT ENFORCED", quote(&name), within(&clause));
            unenforced.push(Object::new(ObjectKind::Attribute, name, definition));
            continue;
        }
        // A check at a column has the column's name, which is all that older servers tell.
        let is_json =
            |column: &&str| *column == name && raw.iter().any(|c| c.name == **column && c.may_be_json());
        match columns::json_column(&clause).filter(is_json) {
            Some(column) if telling == Telling::Expression => json.push(column.to_owned()),
            _ => checks.push(Check {
                name: (!of_column).then_some(name),
                expression: if telling == Telling::Bare { within(&clause).to_owned() } else { clause },
                reaches: Vec::new(),
                // `check_constraint_checks` of MariaDB switches them off; MySQL looks at the rows when it is told to enforce one.
                validated: telling == Telling::Bare,
            }),
        }
    }
    Ok((checks, json, unenforced))
}

/// An expression without the parentheses around all of it, which MySQL adds.
fn within(clause: &str) -> &str {
    let Some(inside) = clause.strip_prefix('(').and_then(|c| c.strip_suffix(')')) else { return clause };
    let mut depth = 0_i32;
    for c in inside.chars() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth < 0 {
            return clause;
        }
    }
    inside
}

fn keys_of(rows: &[Fields], expressions: &Expressions<'_>) -> Result<(Option<PrimaryKey>, Vec<Index>)> {
    let mut primary = None;
    let mut indexes = Vec::new();
    for parts in rows.chunk_by(|a, b| a.bytes(1) == b.bytes(1)) {
        let Some(first) = parts.first() else { continue };
        let name = first.word(1);
        if name == "PRIMARY" {
            primary = Some(PrimaryKey {
                name: None,
                columns: parts.iter().map(|p| p.word(3)).collect(),
                prefixes: parts.iter().map(|p| p.number(5)).collect(),
                descending: descending(parts),
                collations: vec![],
            });
            continue;
        }
        let method = match first.word(6).as_str() {
            "FULLTEXT" => Some("fulltext".to_owned()),
            "SPATIAL" => Some("spatial".to_owned()),
            _ => None,
        };
        let mut keys: Vec<IndexPart> = parts.iter().map(|p| index_part(p, method.is_some())).collect();
        let unique = first.word(2) == "0";
        let beginning = format!("\n  {}KEY {} (", if unique { "UNIQUE " } else { "" }, quote(&name));
        for key in &mut keys {
            if let IndexKey::Expression(told) = &mut key.key {
                *told = expressions.read(told, &beginning)?;
            }
        }
        indexes.push(Index {
            definition: definition(&name, unique, method.as_deref(), &keys),
            name: Some(name),
            unique,
            constraint: false,
            parts: keys,
            include: vec![],
            predicate: None,
            method,
            nulls_not_distinct: false,
            reaches: Vec::new(),
            deferrable: Deferrable::No,
            origin: first.text(9).and_then(|comment| origin::read(&comment).1),
        });
    }
    Ok((primary, indexes))
}

/// Which columns of a key go downwards; nothing where none does.
fn descending(rows: &[Fields]) -> Vec<bool> {
    let down: Vec<bool> = rows.iter().map(|p| index_part(p, false).descending).collect();
    if down.contains(&true) { down } else { Vec::new() }
}

/// The columns without those that this program made for an index over an expression: the index has it instead.
fn without_invisible(columns: Vec<Column>, indexes: &mut [Index]) -> Vec<Column> {
    let (made, own): (Vec<Column>, Vec<Column>) =
        columns.into_iter().partition(|c| c.name.starts_with(INVISIBLE) && c.generated.is_some());
    for index in indexes {
        for part in &mut index.parts {
            let IndexKey::Column(name) = &part.key else { continue };
            let generated = made.iter().find(|c| c.name == *name).and_then(|c| c.generated.as_ref());
            if let Some(generated) = generated {
                part.key = IndexKey::Expression(generated.expression.clone());
            }
        }
        let unique = index.unique;
        if index.parts.iter().any(|p| matches!(p.key, IndexKey::Expression(_))) {
            let name = index.name.as_deref().unwrap_or_default();
            index.definition = definition(name, unique, index.method.as_deref(), &index.parts);
        }
    }
    own
}

/// A part of a key; an expression is as the catalogue tells it.
fn index_part(row: &Fields, special: bool) -> IndexPart {
    IndexPart {
        key: row.text(3).map_or_else(|| IndexKey::Expression(row.word(7)), IndexKey::Column),
        descending: row.word(4) == "D",
        nulls_first: None,
        collation: None,
        // A spatial index tells the length of a bounding box here.
        prefix: if special { None } else { row.number(5) },
        operator_class: None,
    }
}

fn definition(name: &str, unique: bool, method: Option<&str>, parts: &[IndexPart]) -> String {
    let kind = match (method, unique) {
        (Some(method), _) => format!("{} KEY", method.to_uppercase()),
        (None, true) => "UNIQUE KEY".into(),
        (None, false) => "KEY".into(),
    };
    let part = |p: &IndexPart| {
        let key = match &p.key {
            IndexKey::Column(column) => quote(column),
            IndexKey::Expression(expression) => format!("({expression})"),
        };
        let prefix = p.prefix.map(|n| format!("({n})")).unwrap_or_default();
        format!("{key}{prefix}{}", if p.descending { " DESC" } else { "" })
    };
    format!("{kind} {} ({})", quote(name), parts.iter().map(part).collect::<Vec<_>>().join(", "))
}

/// Foreign keys within the database, and those that lead out of it.
fn foreign_keys(keys: &[Fields], actions: &[Fields], database: &str) -> (Vec<ForeignKey>, Vec<Object>) {
    let rules: HashMap<String, (Action, Action)> =
        actions.iter().map(|a| (a.word(1), (action(&a.word(2)), action(&a.word(3))))).collect();
    let mut inside = Vec::new();
    let mut outside = Vec::new();
    for parts in keys.chunk_by(|a, b| a.bytes(1) == b.bytes(1)) {
        let Some(first) = parts.first() else { continue };
        let name = first.word(1);
        let (schema, references) = (first.word(3), first.word(4));
        let (on_delete, on_update) = rules.get(&name).copied().unwrap_or_default();
        let key = ForeignKey {
            columns: parts.iter().map(|p| p.word(2)).collect(),
            referenced_columns: parts.iter().map(|p| p.word(5)).collect(),
            name: Some(name),
            references,
            on_delete,
            on_update,
            deferrable: Deferrable::No,
            match_full: false,
            // InnoDB checks nothing while foreign_key_checks is off, and never looks back.
            validated: false,
        };
        if schema.eq_ignore_ascii_case(database) {
            inside.push(key);
        } else {
            outside.push(leading_out(&key, &schema));
        }
    }
    (inside, outside)
}

fn leading_out(key: &ForeignKey, schema: &str) -> Object {
    let list = |names: &[String]| names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(", ");
    let name = key.name.clone().unwrap_or_default();
    let definition = format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {}.{} ({}) ON DELETE {} ON UPDATE {}",
        quote(&name),
        list(&key.columns),
        quote(schema),
        quote(&key.references),
        list(&key.referenced_columns),
        key.on_delete.sql(),
        key.on_update.sql()
    );
    Object::new(ObjectKind::Constraint, name, definition)
}

fn action(rule: &str) -> Action {
    match rule {
        "CASCADE" => Action::Cascade,
        "SET NULL" => Action::SetNull,
        "RESTRICT" => Action::Restrict,
        "SET DEFAULT" => Action::SetDefault,
        _ => Action::NoAction,
    }
}

fn partitioning(row: &Fields) -> String {
    let level = |method: usize, expression: usize| {
        let method = row.text(method)?;
        Some(format!("{method} ({})", row.word(expression)))
    };
    let first = level(1, 2).unwrap_or_default();
    level(3, 4).map_or(first.clone(), |second| format!("{first} SUBPARTITION BY {second}"))
}

/// Rows that the catalogue estimates for a table.
pub async fn estimate(connection: &mut MySqlConnection, table: &str) -> Result<Option<u64>> {
    let sql = format!(
        "SELECT table_rows FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = {}",
        literal(table)
    );
    Ok(rows(connection, "the size of a table", &sql).await?.first().and_then(|r| r.number(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_parentheses_go() {
        assert_eq!(within("(`a` > 0)"), "`a` > 0");
        assert_eq!(within("(`a`) or (`b`)"), "(`a`) or (`b`)");
        assert_eq!(within("`a` > 0"), "`a` > 0");
    }
}
