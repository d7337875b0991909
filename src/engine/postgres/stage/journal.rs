//! The journal in a staging schema. Its row for a chunk is committed by the transaction that brings the chunk.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::execute;
use crate::engine::capability::{Epoch, Intent, Journal, Unfinished};
use crate::engine::claim::fenced;
use crate::engine::postgres::connect::Connector;
use crate::engine::postgres::fault::fault;
use crate::engine::postgres::types::quote;
use crate::model::digest::Digest;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::mark::Mark;

/// Table with the one row of the run.
const RUN: &str = "techcare_db_run";

/// Table of chunks.
const CHUNK: &str = "techcare_db_chunk";

/// Where a run's journal is, and with which right it is written.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct Ledger {
    schema: String,
    epoch: Epoch,
}

fn failed(cause: &sqlx::Error) -> Error {
    fault(ErrorKind::Write, "cannot write the journal of the migration", cause)
}

impl Ledger {
    fn table(&self, name: &str) -> String {
        place(&self.schema, name)
    }

    /// Makes the journal.
    pub async fn begin(
        session: &mut PgConnection,
        schema: &str,
        intent: &Intent,
        source: &str,
    ) -> Result<Self> {
        let ledger = Self { schema: schema.to_owned(), epoch: Epoch(1) };
        let (run, chunk) = (ledger.table(RUN), ledger.table(CHUNK));
        let make = format!(
            "CREATE TABLE {run} (epoch bigint NOT NULL, hash text NOT NULL, source text, \
             done int NOT NULL DEFAULT -1); \
             CREATE TABLE {chunk} (name text, rows bigint, complete boolean, digest text NOT NULL, \
             bytes bigint NOT NULL, through bigint, PRIMARY KEY (name, rows, complete))"
        );
        execute(session, make).await.map_err(|e| failed(&e))?;
        let note = format!("INSERT INTO {run} (epoch, hash, source) VALUES ($1, $2, $3)");
        sqlx::query(AssertSqlSafe(note))
            .bind(ledger.epoch.0)
            .bind(&intent.hash)
            .bind(source)
            .execute(session)
            .await
            .map_err(|e| failed(&e))?;
        Ok(ledger)
    }

    /// Takes a journal over: whoever had it commits nothing more.
    pub async fn take_over(session: &mut PgConnection, schema: &str) -> Result<Self> {
        let take = format!("UPDATE {} SET epoch = epoch + 1 RETURNING epoch", place(schema, RUN));
        let epoch = sqlx::query_scalar(AssertSqlSafe(take)).fetch_one(session).await;
        Ok(Self { schema: schema.to_owned(), epoch: Epoch(epoch.map_err(|e| failed(&e))?) })
    }

    /// Writes a mark, as part of the transaction that is open. The share lock on the run's row makes a run that takes
    /// over wait for this commit, and this commit fail if it comes after that.
    pub async fn note(&self, session: &mut PgConnection, table: &str, mark: Mark) -> Result<()> {
        let sql = format!(
            "INSERT INTO {} SELECT $1, $2, $3, $4, $5, $6 FROM {} WHERE epoch = $7 FOR SHARE",
            self.table(CHUNK),
            self.table(RUN)
        );
        let noted = sqlx::query(AssertSqlSafe(sql))
            .bind(table)
            .bind(mark.digest.rows.cast_signed())
            .bind(mark.complete)
            .bind(mark.digest.to_string())
            .bind(mark.bytes.cast_signed())
            .bind(mark.through)
            .bind(self.epoch.0)
            .execute(session)
            .await
            .map_err(|e| failed(&e))?;
        if noted.rows_affected() == 1 { Ok(()) } else { Err(fenced()) }
    }

    /// Reads it.
    pub async fn read(&self, session: &mut PgConnection) -> Result<Journal> {
        let unread = |e: &sqlx::Error| fault(ErrorKind::Read, "cannot read the journal of the migration", e);
        let (source, done): (Option<String>, i32) =
            sqlx::query_as(AssertSqlSafe(format!("SELECT source, done FROM {}", self.table(RUN))))
                .fetch_one(&mut *session)
                .await
                .map_err(|e| unread(&e))?;
        let sql = format!(
            "SELECT DISTINCT ON (name) name, rows, complete, digest, bytes, through FROM {} \
             ORDER BY name, rows DESC, complete DESC",
            self.table(CHUNK)
        );
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(session).await.map_err(|e| unread(&e))?;
        let mut marks = BTreeMap::new();
        for row in rows {
            let entry = || -> Result<_, sqlx::Error> {
                let (rows, sum): (i64, String) = (row.try_get(1)?, row.try_get(3)?);
                let digest = Digest::written(rows.cast_unsigned(), &sum);
                let mark = Mark {
                    digest: digest.map_err(|e| sqlx::Error::Decode(e.into()))?,
                    bytes: row.try_get::<i64, _>(4)?.cast_unsigned(),
                    through: row.try_get(5)?,
                    complete: row.try_get(2)?,
                };
                Ok((row.try_get(0)?, mark))
            };
            let (name, mark): (String, Mark) = entry().map_err(|e| unread(&e))?;
            marks.insert(name, mark);
        }
        Ok(Journal { source, marks, finishing: done >= 0 })
    }

    /// Statements after the load that are done.
    pub async fn done(&self, session: &mut PgConnection) -> Result<usize> {
        let sql = format!("SELECT done FROM {}", self.table(RUN));
        let done: i32 =
            sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(session).await.map_err(|e| failed(&e))?;
        Ok(usize::try_from(done).unwrap_or(0))
    }

    /// Begins a transaction, notes in it that so many of them are done, and runs the last of these: one message, so that
    /// a slow link is waited for once. `false` if another run has taken over: then nothing of it may be committed.
    pub async fn begin_done(
        &self,
        session: &mut PgConnection,
        done: usize,
        sql: &str,
    ) -> Result<bool, sqlx::Error> {
        let note = format!("UPDATE {} SET done = {done} WHERE epoch = {}", self.table(RUN), self.epoch.0);
        let all = format!("BEGIN; {note}; {sql}");
        let results = sqlx::raw_sql(AssertSqlSafe(all)).fetch_many(session);
        let counts =
            results.try_filter_map(async |result| Ok(result.left().map(|counted| counted.rows_affected())));
        let counts: Vec<u64> = counts.try_collect().await?;
        Ok(counts.get(1) == Some(&1))
    }

    /// Notes the state of the source.
    pub async fn note_source(&self, session: &mut PgConnection, source: Option<&str>) -> Result<()> {
        let sql = format!("UPDATE {} SET source = $2 WHERE epoch = $1", self.table(RUN));
        let query = sqlx::query(AssertSqlSafe(sql)).bind(self.epoch.0).bind(source);
        let updated = query.execute(session).await.map_err(|e| failed(&e))?;
        if updated.rows_affected() == 1 { Ok(()) } else { Err(fenced()) }
    }

    /// Whether no other run has taken it over. What cannot be asked is left to the next run.
    pub async fn is_ours(&self, session: &mut PgConnection) -> bool {
        let sql = format!("SELECT EXISTS (SELECT FROM {} WHERE epoch = $1)", self.table(RUN));
        let found = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.epoch.0).fetch_one(session).await;
        found.unwrap_or(false)
    }

    /// Keeps others from taking it over until the end of the transaction that is open; refuses if one has. The lock is
    /// that of dropping the table, which comes last in a switch: a weaker one could not be raised beside somebody who waits.
    pub async fn hold(&self, session: &mut PgConnection) -> Result<()> {
        let sql = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", self.table(RUN));
        execute(session, sql).await.map_err(|e| failed(&e))?;
        if self.is_ours(session).await { Ok(()) } else { Err(fenced()) }
    }

    /// Takes all rows of a table (a quoted place) back, and its marks.
    pub async fn empty(&self, session: &mut PgConnection, place: &str, table: &str) -> Result<()> {
        let emptied = async {
            execute(session, format!("BEGIN; TRUNCATE TABLE {place}")).await?;
            sqlx::query(AssertSqlSafe(format!("DELETE FROM {} WHERE name = $1", self.table(CHUNK))))
                .bind(table)
                .execute(&mut *session)
                .await?;
            execute(session, "COMMIT".into()).await
        };
        emptied.await.map_err(|e| failed(&e))
    }
}

/// The statement that removes the journal of a staging schema, if it has one.
pub(super) fn removal(schema: &str) -> String {
    format!("DROP TABLE IF EXISTS {}, {}", place(schema, RUN), place(schema, CHUNK))
}

fn place(schema: &str, table: &str) -> String {
    format!("{}.{}", quote(schema), quote(table))
}

/// Dead runs that have a journal.
pub(in crate::engine::postgres) async fn unfinished(connector: &Connector) -> Result<Vec<Unfinished>> {
    let mut session = connector.session().await?;
    let found = async {
        let mut found = Vec::new();
        for schema in super::leftovers::dead(&mut session).await? {
            let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
                .bind(place(&schema, RUN))
                .fetch_one(&mut session)
                .await?;
            let run = schema.strip_prefix(super::PREFIX).unwrap_or_default().to_owned();
            if there {
                let sql = format!("SELECT hash FROM {}", place(&schema, RUN));
                let hash: Option<String> =
                    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(&mut session).await?;
                found.extend(hash.map(|hash| Unfinished { run, hash }));
            }
        }
        Ok(found)
    };
    found.await.map_err(|e: sqlx::Error| fault(ErrorKind::Read, "cannot look for an earlier run", &e))
}
