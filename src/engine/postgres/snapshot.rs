//! One consistent view of a database: a transaction that exports its snapshot and stays open, and up to as many
//! readers that import it. Rows themselves are read by `read`.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::sync::{Mutex, Semaphore};

use super::backup;
use super::connect::Connector;
use super::fault::fault;
use super::misfits::{self, Question};
use super::read;
use super::stage::orphans;
use super::types::quote;
use crate::engine::backup::NativeOrder;
use crate::engine::capability::{Facts, Matching, Orphans, ReadColumn, ReadRequest, Snapshot};
use crate::engine::condition::where_clause;
use crate::engine::expression;
use crate::engine::stream::BatchSender;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{ColumnProfile, Plan, TableProfile};
use crate::model::schema::{Column, DataType, IndexKey, Table};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Tables, with whether they are partitioned and how many rows the statistics know of.
const TABLES: &str = "
SELECT c.relname::text AS name, c.relkind = 'p' AS partitioned,
       CASE WHEN c.relkind = 'p'
            THEN (SELECT sum(greatest(l.reltuples, 0))::int8 FROM pg_partition_tree(c.oid) t
                  JOIN pg_class l ON l.oid = t.relid WHERE t.isleaf)
            WHEN c.reltuples >= 0 THEN c.reltuples::int8 END AS estimate
FROM pg_class c
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relkind IN ('r', 'p')";

/// Indexed text of more characters than this is measured: MySQL cannot index all of it.
const SHORT_KEY: u64 = 255;

#[derive(Debug)]
struct Known {
    partitioned: bool,
    estimate: Option<i64>,
}

/// The view.
pub(super) struct PostgresSnapshot {
    connector: Connector,
    namespace: String,
    /// Version of the server, its first number.
    major: u32,
    id: String,
    tables: HashMap<String, Known>,
    /// Keeps the snapshot alive and answers small questions.
    exporter: Mutex<PgConnection>,
    /// Readers that are not reading.
    idle: Mutex<Vec<PgConnection>>,
    permits: Semaphore,
    readers: usize,
}

impl PostgresSnapshot {
    /// Opens the view with up to `readers` readers, as many as the pool settings allow.
    pub(super) async fn open(connector: &Connector, facts: &Facts, readers: usize) -> Result<Self> {
        let namespace = facts.namespace.as_str();
        let mut exporter = connector.session().await?;
        let opened = async {
            sqlx::raw_sql(BEGIN).execute(&mut exporter).await?;
            let id: String =
                sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut exporter).await?;
            let rows = sqlx::query(TABLES).bind(namespace).fetch_all(&mut exporter).await?;
            let table = |row: &sqlx::postgres::PgRow| {
                let known =
                    Known { partitioned: row.try_get("partitioned")?, estimate: row.try_get("estimate")? };
                Ok((row.try_get("name")?, known))
            };
            let tables = rows.iter().map(table).collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
            Ok::<_, sqlx::Error>((id, tables))
        };
        let (id, tables) =
            opened.await.map_err(|e| fault(ErrorKind::Read, "cannot open a snapshot of the source", &e))?;
        let most = usize::try_from(connector.most_connections()).unwrap_or(1).saturating_sub(1).max(1);
        let readers = readers.clamp(1, most);
        Ok(Self {
            connector: connector.clone(),
            namespace: namespace.to_owned(),
            major: facts.version_number.0,
            id,
            tables,
            exporter: Mutex::new(exporter),
            idle: Mutex::default(),
            permits: Semaphore::new(readers),
            readers,
        })
    }

    /// A session that sees the snapshot.
    async fn reader(&self) -> Result<PgConnection> {
        if let Some(idle) = self.idle.lock().await.pop() {
            return Ok(idle);
        }
        let mut session = self.connector.session().await?;
        // The identifier is the server's own word, hexadecimal digits and hyphens.
        let import = format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{}'", self.id.replace('\'', ""));
        sqlx::raw_sql(AssertSqlSafe(import))
            .execute(&mut session)
            .await
            .map_err(|e| fault(ErrorKind::Read, "cannot join the snapshot of the source", &e))?;
        Ok(session)
    }

    /// Quoted name; ONLY keeps the rows of inheriting tables out, which are tables of their own.
    fn from(&self, table: &str) -> String {
        let only = if self.tables.get(table).is_some_and(|t| t.partitioned) { "" } else { "ONLY " };
        format!("{only}{}.{}", quote(&self.namespace), quote(table))
    }
}

#[async_trait]
impl Snapshot for PostgresSnapshot {
    fn readers(&self) -> usize {
        self.readers
    }

    async fn estimate(&self, table: &str) -> Result<Option<u64>> {
        Ok(self.tables.get(table).and_then(|t| t.estimate).and_then(|n| u64::try_from(n).ok()))
    }

    async fn count(&self, table: &str) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", self.from(table));
        let mut exporter = self.exporter.lock().await;
        let counted: i64 =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *exporter).await.map_err(|e| {
                fault(ErrorKind::Read, format!("cannot count the rows of table {}", quote(table)), &e)
            })?;
        Ok(u64::try_from(counted).unwrap_or(0))
    }

    async fn profile(&self, table: &Table, target: Dialect, condition: Option<&str>) -> Result<TableProfile> {
        let questions: Vec<Vec<Measure>> =
            table.columns.iter().map(|column| measures(table, column, target)).collect();
        let mut selected = vec!["count(*)".to_owned()];
        for (column, measures) in table.columns.iter().zip(&questions) {
            selected.extend(measures.iter().map(|m| m.sql(&quote(&column.name))));
        }
        let asked: Vec<(usize, Question)> = (0..table.columns.len())
            .flat_map(|at| misfits::questions(&table.columns[at], target).into_iter().map(move |q| (at, q)))
            .collect();
        selected.extend(asked.iter().map(|(at, question)| question.count(&table.columns[*at].name)));
        if selected.len() == 1 {
            return Ok(TableProfile::default());
        }
        let rows = condition.map(where_clause).unwrap_or_default();
        let sql = format!("SELECT {} FROM {}{rows}", selected.join(", "), self.from(&table.name));
        let failed = |e: &sqlx::Error| {
            fault(ErrorKind::Read, format!("cannot look at table {}", quote(&table.name)), e)
        };
        let mut exporter = self.exporter.lock().await;
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *exporter).await.map_err(|e| failed(&e))?;
        let mut answers = (1..).map(|at| row.try_get::<Option<i64>, _>(at));
        let mut columns = Vec::with_capacity(questions.len());
        for measures in &questions {
            let mut profile = ColumnProfile::default();
            for measure in measures {
                let answer = answers.next().transpose().map_err(|e| failed(&e))?.flatten();
                measure.take(answer, &mut profile);
            }
            columns.push(profile);
        }
        for (at, question) in asked {
            let count = answers.next().transpose().map_err(|e| failed(&e))?.flatten().unwrap_or(0);
            if let Some(rows) = u64::try_from(count).ok().filter(|rows| *rows > 0) {
                let name = &table.columns[at].name;
                let from = (self.from(&table.name), condition);
                let found = question.found(&mut exporter, from, table, name, rows).await;
                columns[at].misfits.push(found.map_err(|e| failed(&e))?);
            }
        }
        let rows: i64 = row.try_get(0).map_err(|e| failed(&e))?;
        Ok(TableProfile { rows: u64::try_from(rows).ok(), columns })
    }

    async fn matching(&self, table: &Table, condition: &str) -> Result<Matching> {
        let columns = table.key_columns();
        let from = format!("{}{}", self.from(&table.name), where_clause(condition));
        let keys = columns.iter().map(|c| format!("{}::text", quote(c)));
        let list: Vec<String> = keys.chain(["count(*) OVER ()".to_owned()]).collect();
        // In a place of its own: the snapshot has to outlive a condition that the server does not take.
        let mut exporter = self.exporter.lock().await;
        let asked = async {
            sqlx::raw_sql("SAVEPOINT techcare_db_condition").execute(&mut *exporter).await?;
            let sql = format!("SELECT {} FROM {from} LIMIT 5", list.join(", "));
            sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *exporter).await
        };
        let answer = asked.await;
        let undone =
            sqlx::raw_sql("ROLLBACK TO SAVEPOINT techcare_db_condition").execute(&mut *exporter).await;
        let name = quote(&table.name);
        let rows = answer.map_err(|e| {
            let error = fault(
                ErrorKind::Usage,
                format!("the server does not take the condition for table {name}"),
                &e,
            );
            error.next("a condition is an expression of PostgreSQL over the columns of the table")
        })?;
        let failed = |e: &sqlx::Error| fault(ErrorKind::Read, format!("cannot look at table {name}"), e);
        undone.map_err(|e| failed(&e))?;
        let mut found = Matching::default();
        for row in &rows {
            let count: i64 = row.try_get(columns.len()).map_err(|e| failed(&e))?;
            found.rows = u64::try_from(count).unwrap_or(0);
            if !columns.is_empty() {
                found.keys.push(read::key_text(&columns, row).map_err(|e| failed(&e))?);
            }
        }
        Ok(found)
    }

    /// Every type has a text, and under the settings of our sessions different values have different ones.
    async fn columns(&self, view: &str) -> Result<Vec<ReadColumn>> {
        const COLUMNS: &str = "
SELECT a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND c.relname = $2
  AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
        let mut exporter = self.exporter.lock().await;
        let names: Vec<String> = sqlx::query_scalar(COLUMNS)
            .bind(&self.namespace)
            .bind(view)
            .fetch_all(&mut *exporter)
            .await
            .map_err(|e| fault(ErrorKind::Read, format!("cannot look at view {}", quote(view)), &e))?;
        Ok(names.into_iter().map(|name| ReadColumn::untyped(name, DataType::TEXT)).collect())
    }

    async fn orphans(&self, plan: &Plan) -> Result<Vec<Orphans>> {
        let mut exporter = self.exporter.lock().await;
        orphans::find(&mut exporter, &plan.in_source(), &self.namespace)
            .await
            .map_err(|e| fault(ErrorKind::Read, "cannot check the foreign keys of the source", &e))
    }

    async fn read(&self, request: &ReadRequest, to: BatchSender) -> Result<()> {
        let _permit = self.permits.acquire().await.map_err(|_| Error::internal("the snapshot is closed"))?;
        let mut session = self.reader().await?;
        // On an error the session is dropped: its stream was not read to the end.
        read::copy_out(&mut session, &self.from(&request.table), request, &to).await?;
        self.idle.lock().await.push(session);
        Ok(())
    }

    async fn native_backup(&self, order: &NativeOrder) -> Result<()> {
        backup::dump(&self.connector, self.major, &self.id, order).await
    }

    async fn close(self: Box<Self>) {
        for session in self.idle.into_inner() {
            let _ = session.close().await;
        }
        let _ = self.exporter.into_inner().close().await;
    }
}

/// One thing to learn about a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Chars,
    Bytes,
    WholeDigits,
    FractionDigits,
    /// 1 where some text is not ASCII.
    Foreign,
    /// 1 where some decimal is no number of SQLite's.
    NoNumber,
    /// 1 where MariaDB refuses some UUID, see [`crate::engine::limits::mariadb_takes`].
    OddUuid,
}

impl Measure {
    fn sql(self, column: &str) -> String {
        match self {
            Self::Chars => format!("max(char_length({column}::text))::int8"),
            Self::Bytes => format!("max(octet_length({column}::text))::int8"),
            // NaN and the infinities have no digits; numeric has them in any version, or not at all.
            Self::WholeDigits => {
                format!(
                    "max(length(trunc(abs({column}))::text)) FILTER (WHERE {column}::text !~ '[NI]')::int8"
                )
            }
            Self::FractionDigits => format!("max(scale({column}))::int8"),
            Self::Foreign => {
                format!("max((octet_length({column}::text) <> char_length({column}::text))::int)::int8")
            }
            // The text of a double has its shortest digits; what lies beyond the range of doubles cannot be cast.
            Self::NoNumber => format!(
                "max((CASE WHEN {column}::text ~ '[NI]' THEN true \
                 WHEN {column} = trunc({column}) AND {column} BETWEEN -9223372036854775808 AND 9223372036854775807 THEN false \
                 WHEN abs({column}) BETWEEN 1e-300 AND 1e300 THEN {column}::float8::text::numeric <> {column} \
                 ELSE {column} IS NOT NULL END)::int)::int8"
            ),
            Self::OddUuid => {
                format!("max(({column}::text ~ '^.{{14}}[89a-f].{{3}}-(0[1-9a-f]|[1-7]|80)')::int)::int8")
            }
        }
    }

    fn take(self, answer: Option<i64>, profile: &mut ColumnProfile) {
        let length = answer.map_or(0, |n| u64::try_from(n).unwrap_or(0));
        let digits = u32::try_from(length).unwrap_or(u32::MAX);
        match self {
            Self::Chars => profile.max_chars = Some(length),
            Self::Bytes => profile.max_bytes = Some(length),
            Self::WholeDigits => profile.whole_digits = Some(digits),
            Self::FractionDigits => profile.fraction_digits = Some(digits),
            Self::Foreign => profile.ascii = Some(length == 0),
            Self::NoNumber => profile.numbers = Some(length == 0),
            Self::OddUuid => profile.odd_uuids = length > 0,
        }
    }
}

/// What the declared type of a column leaves open towards an engine.
fn measures(table: &Table, column: &Column, target: Dialect) -> Vec<Measure> {
    if target == Dialect::Postgres || column.generated.is_some() {
        return Vec::new();
    }
    let loose = column.collation.as_ref().is_some_and(|c| c.case_insensitive || c.accent_insensitive);
    let mut measures = sizes(table, column);
    if column.data_type.is_text() && ((loose && is_indexed(table, column)) || is_in_expression(table, column))
    {
        measures.push(Measure::Foreign);
    }
    if column.decimal_of_sqlite() && target == Dialect::Sqlite {
        measures.push(Measure::NoNumber);
    }
    if column.data_type == DataType::Uuid && target == Dialect::Mysql {
        measures.push(Measure::OddUuid);
    }
    measures
}

fn sizes(table: &Table, column: &Column) -> Vec<Measure> {
    match &column.data_type {
        DataType::Decimal { precision: None, .. } => vec![Measure::WholeDigits, Measure::FractionDigits],
        DataType::Text { max_chars, .. }
            if max_chars.is_none_or(|n| n > SHORT_KEY) && is_indexed(table, column) =>
        {
            vec![Measure::Chars, Measure::Bytes]
        }
        DataType::TimeTz | DataType::Interval | DataType::Native { .. } if is_indexed(table, column) => {
            vec![Measure::Chars, Measure::Bytes]
        }
        _ => Vec::new(),
    }
}

/// Whether the key of a unique index is an expression that names a column.
fn is_in_expression(table: &Table, column: &Column) -> bool {
    let parts = table.indexes.iter().filter(|i| i.unique).flat_map(|i| &i.parts);
    let names = |text: &str| expression::names(Dialect::Postgres, text, &column.name);
    parts.into_iter().any(|p| matches!(&p.key, IndexKey::Expression(text) if names(text)))
}

fn is_indexed(table: &Table, column: &Column) -> bool {
    let name = &column.name;
    let in_key = table.primary_key.as_ref().is_some_and(|k| k.columns.contains(name));
    let in_index = table
        .indexes
        .iter()
        .any(|i| i.parts.iter().any(|p| matches!(&p.key, IndexKey::Column(c) if c == name)));
    in_key || in_index || table.foreign_keys.iter().any(|f| f.columns.contains(name))
}
