//! PostgreSQL 12 and newer. Pure rooms: `types`, `mapping`, `ddl`, `rules`, `wire`, `encode`; rooms that talk to a server: `connect`,
//! `inspect`, `snapshot`, `read`, `write`, `stage`, `restore`. This file opens a database and joins them.

mod backup;
mod connect;
mod ddl;
mod encode;
mod fault;
mod fit;
mod inspect;
mod look;
mod mapping;
mod misfits;
mod on_update;
mod probe;
mod read;
mod restore;
mod rules;
mod script;
mod snapshot;
mod spelled;
mod stage;
mod tune;
mod types;
mod wire;
mod write;

/// The hot loops alone, for `make bench-loops`.
#[cfg(feature = "loops")]
pub mod loops {
    pub use super::read::decoded;
    pub use super::write::encoded;
}

use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio_util::sync::CancellationToken;

use self::connect::{Connector, Purpose};
use self::fault::fault;
use self::rules::PostgresRules;
pub use self::tune::tunable;
use self::types::quote;
use crate::engine::backup::NativeWay;
use crate::engine::blocking;
use crate::engine::capability::{
    Claim, Defaults, Facts, Health, Matching, MissingRight, Naming, Occupied, Probe, Restoration, Rules,
    Snapshot, Source, Staging, Stored, TableSize, Target, Unfinished, Verdict,
};
use crate::engine::condition;
use crate::engine::dump::DumpDialect;
use crate::engine::stream::BatchReceiver;
use crate::engine::watch::Pulse;
use crate::model::change::Change;
use crate::model::endpoint::{Endpoint, Flavour, Server};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::plan::{IndexPlan, Plan};
use crate::model::schema::Schema;

/// Oldest version whose catalogue is understood.
const OLDEST: u32 = 12;

/// Opens for reading.
pub async fn open_source(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Source>> {
    Ok(Box::new(Postgres::open(server, endpoint, Purpose::Reading).await?))
}

/// Opens for writing.
pub async fn open_target(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Target>> {
    Ok(Box::new(Postgres::open(server, endpoint, Purpose::Writing).await?))
}

/// Rules of a server that was asked, or of any that is supported.
pub fn rules(facts: Option<&Facts>) -> Box<dyn Rules> {
    Box::new(PostgresRules::from_facts(facts))
}

/// PostgreSQL as text.
pub fn dump() -> Box<dyn DumpDialect> {
    Box::new(script::PostgresDump)
}

/// Whether a dump can be restored, as far as that is known without a server.
pub async fn check_backup(file: &Path) -> Result<()> {
    let file = file.to_owned();
    blocking::run(move || backup::check(&file)).await
}

/// SeaORM connection with the pool settings of the endpoint.
pub async fn orm(server: &Server, endpoint: &Endpoint) -> Result<sea_orm::DatabaseConnection> {
    let connector = Connector::new(server, endpoint, Purpose::Writing)?;
    // A pool would try to reach a dead server until its time is up, and then only say that.
    let probe = connector.session().await?;
    let _ = probe.close().await;
    Ok(sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(connector.plain_pool()))
}

/// A session that only asks whether the server is there.
pub async fn pulse(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Pulse>> {
    let connector = Connector::new(server, endpoint, Purpose::Reading)?;
    Ok(Box::new(Beat(connector.session().await?)))
}

struct Beat(PgConnection);

#[async_trait]
impl Pulse for Beat {
    async fn beat(&mut self) -> Result<()> {
        let lost = |e| fault(ErrorKind::Lost, "the server's answer cannot be read", &e);
        sqlx::raw_sql("SELECT 1").execute(&mut self.0).await.map(drop).map_err(lost)
    }
}

/// An open database.
struct Postgres {
    connector: Connector,
    facts: Facts,
    rules: PostgresRules,
    pool: PgPool,
}

impl Postgres {
    async fn open(server: &Server, endpoint: &Endpoint, purpose: Purpose) -> Result<Self> {
        Self::over(Connector::new(server, endpoint, purpose)?).await
    }

    /// The schema that a connector's sessions are in.
    async fn over(connector: Connector) -> Result<Self> {
        let mut session = connector.session().await?;
        let asked = async {
            let (facts, autovacuum) = facts(&mut session).await?;
            Ok::<_, sqlx::Error>((facts, autovacuum, made_by_users(&mut session).await?))
        };
        let (facts, autovacuum, made) = asked.await.map_err(|e| {
            fault(ErrorKind::Read, format!("cannot ask {} what it is", connector.shown()), &e)
        })?;
        let _ = session.close().await;
        if facts.namespace.is_empty() {
            let what = format!("{} has no schema that this user's search_path names", connector.shown());
            return Err(Error::new(ErrorKind::Login, what).next(
                "correct ?options=-c search_path=… in the URL, or create the schema and grant USAGE on it",
            ));
        }
        if facts.version_number.0 < OLDEST {
            let what = format!("{} runs PostgreSQL {}", connector.shown(), facts.version);
            return Err(
                Error::new(ErrorKind::Refused, what).next(format!("PostgreSQL {OLDEST} or newer is needed"))
            );
        }
        let rules = PostgresRules::of_server(&facts, made, autovacuum);
        let connector = connector.answered();
        let pool = connector.pool(connector.most_connections());
        Ok(Self { connector, facts, rules, pool })
    }

    async fn session(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>> {
        self.pool
            .acquire()
            .await
            .map_err(|e| fault(ErrorKind::Lost, format!("cannot reach {}", self.connector.shown()), &e))
    }
}

/// Facts about the database and its server, and whether autovacuum gathers statistics, for which it needs the counters of
/// changes as well.
async fn facts(session: &mut PgConnection) -> Result<(Facts, bool), sqlx::Error> {
    const FACTS: &str = "
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int4 AS number,
       pg_encoding_to_char(d.encoding)::text AS encoding,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate::text) AS collation,
       current_setting('autovacuum')::bool AND current_setting('track_counts')::bool AS autovacuum,
       d.oid::int8 AS oid, coalesce(current_schema()::text, '') AS namespace,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END AS size,
       ARRAY(SELECT DISTINCT c.collname::text FROM pg_collation c
             WHERE c.collencoding IN (-1, d.encoding)
               AND c.collnamespace IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname = ANY(current_schemas(true)))
             ORDER BY 1) AS collations
FROM pg_database d WHERE d.datname = current_database()";
    let row = sqlx::query(FACTS).fetch_one(&mut *session).await?;
    let number = u32::try_from(row.try_get::<i32, _>("number")?).unwrap_or(0);
    let version: String = row.try_get("version")?;
    let namespace: String = row.try_get("namespace")?;
    let oid: i64 = row.try_get("oid")?;
    let autovacuum = row.try_get("autovacuum")?;
    let server = server_identity(session).await?;
    let facts = Facts {
        flavour: Flavour::Postgres,
        // Distributions add their own package's name in brackets.
        version: version.split_whitespace().next().unwrap_or_default().to_owned(),
        // 15.18 is 150018; before 10, which is not supported, there were three parts.
        version_number: (number / 10_000, number % 10_000, 0),
        encoding: row.try_get("encoding")?,
        collation: row.try_get("collation")?,
        // Sessions of this program ask for UTC when they log in, and so never learn what others get.
        time_zone: None,
        size: row.try_get::<Option<i64>, _>("size")?.and_then(|n| u64::try_from(n).ok()),
        identity: format!("postgresql:{server}/{oid}/{namespace}"),
        latency: latency(session).await?,
        collations: row.try_get("collations")?,
        sequences: Vec::new(),
        max_value_bytes: Some(0x3fff_ffff),
        case_sensitive_names: true,
        unique_parents: false,
        namespace,
    };
    Ok((facts, autovacuum))
}

/// What makes a server the same under another address: its system identifier, or, where a service hides that, the
/// moment it started and where it listens.
async fn server_identity(session: &mut PgConnection) -> Result<String, sqlx::Error> {
    let asked: Result<String, sqlx::Error> =
        sqlx::query_scalar("SELECT system_identifier::text FROM pg_control_system()")
            .fetch_one(&mut *session)
            .await;
    match asked {
        Ok(identifier) => Ok(identifier),
        Err(sqlx::Error::Database(_)) => sqlx::query_scalar(
            "SELECT extract(epoch FROM pg_postmaster_start_time())::text || ':' || current_setting('port')",
        )
        .fetch_one(session)
        .await,
        Err(other) => Err(other),
    }
}

async fn latency(session: &mut PgConnection) -> Result<Duration, sqlx::Error> {
    let before = Instant::now();
    sqlx::raw_sql("SELECT 1").execute(session).await?;
    Ok(before.elapsed())
}

/// What users and extensions have made: types that can be named without a schema, as `format_type` spells them; and functions,
/// operators and operator classes, as dependencies on them are told.
async fn made_by_users(session: &mut PgConnection) -> Result<(Vec<String>, Vec<String>), sqlx::Error> {
    // Objects with lower numbers come with the server.
    const MADE: &str = "
SELECT ARRAY(SELECT format_type(t.oid, NULL) FROM pg_type t
             WHERE t.typnamespace <> 'pg_catalog'::regnamespace AND pg_type_is_visible(t.oid)
               AND t.typtype IN ('b', 'e', 'd', 'r', 'm') AND t.typelem = 0) AS types,
       ARRAY(SELECT pg_describe_object('pg_proc'::regclass, oid, 0) FROM pg_proc WHERE oid >= 16384
             UNION ALL SELECT pg_describe_object('pg_operator'::regclass, oid, 0) FROM pg_operator WHERE oid >= 16384
             UNION ALL SELECT pg_describe_object('pg_opclass'::regclass, oid, 0) FROM pg_opclass WHERE oid >= 16384)
           AS routines";
    let row = sqlx::query(MADE).fetch_one(session).await?;
    Ok((row.try_get("types")?, row.try_get("routines")?))
}

#[async_trait]
impl Source for Postgres {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn rules(&self) -> &dyn Rules {
        &self.rules
    }

    async fn inspect(&self) -> Result<Schema> {
        let mut session = self.session().await?;
        inspect::schema(&mut session, &self.facts.namespace).await
    }

    async fn sizes(&self) -> Result<Vec<TableSize>> {
        const AT_ONCE: usize = 100;
        let mut session = self.session().await?;
        let schema = inspect::schema(&mut session, &self.facts.namespace).await?;
        let mut sizes = Vec::with_capacity(schema.tables.len());
        for tables in schema.tables.chunks(AT_ONCE) {
            let counts = tables.iter().map(|table| {
                let only = if table.options.partitioned_by.is_some() { "" } else { "ONLY " };
                format!("SELECT count(*) FROM {only}{}.{}", quote(&self.facts.namespace), quote(&table.name))
            });
            let sql =
                format!("SELECT ARRAY[{}]", counts.map(|c| format!("({c})")).collect::<Vec<_>>().join(", "));
            let counted: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(&mut *session)
                .await
                .map_err(|e| fault(ErrorKind::Read, "cannot count the rows", &e))?;
            sizes.extend(tables.iter().zip(counted).map(|(table, rows)| TableSize {
                table: table.name.clone(),
                rows: u64::try_from(rows).unwrap_or(0),
                bytes: table.bytes,
            }));
        }
        Ok(sizes)
    }

    async fn health(&self) -> Result<Health> {
        const ASK: &str = "
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int8 AS used,
       current_setting('max_connections')::int8 AS most, current_user::text AS who,
       current_database()::text AS database,
       coalesce(has_schema_privilege(to_regnamespace(quote_ident($1)), 'CREATE'), false) AS in_schema,
       has_database_privilege(current_database(), 'CREATE') AS in_database";
        let mut session = self.session().await?;
        let ask = async {
            let row = sqlx::query(ASK).bind(&self.facts.namespace).fetch_one(&mut *session).await?;
            let (used, most): (i64, i64) = (row.try_get("used")?, row.try_get("most")?);
            let (who, database): (String, String) = (row.try_get("who")?, row.try_get("database")?);
            let mut missing_rights = Vec::new();
            for (there, kind, name) in [
                (row.try_get::<bool, _>("in_schema")?, "SCHEMA", &self.facts.namespace),
                (row.try_get("in_database")?, "DATABASE", &database),
            ] {
                if !there {
                    missing_rights.push(MissingRight {
                        what: format!("{who} may not create anything in {} {name}", kind.to_lowercase()),
                        fix: format!("GRANT CREATE ON {kind} {} TO {}", quote(name), quote(&who)),
                    });
                }
            }
            Ok::<_, sqlx::Error>(Health {
                connections: u64::try_from(used).ok().zip(u64::try_from(most).ok()),
                missing_rights,
            })
        };
        ask.await.map_err(|e| fault(ErrorKind::Read, "cannot ask the server how it is doing", &e))
    }

    /// The server says by itself when a page's checksum is wrong; it has no other check that needs no extension.
    async fn damage(&self) -> Result<Vec<String>> {
        const ASK: &str = "SELECT coalesce(checksum_failures, 0)::int8 FROM pg_stat_database \
                           WHERE datname = current_database()";
        let mut session = self.session().await?;
        let failures: i64 = sqlx::query_scalar(ASK)
            .fetch_one(&mut *session)
            .await
            .map_err(|e| fault(ErrorKind::Read, "cannot ask for checksum failures", &e))?;
        Ok((failures > 0)
            .then(|| format!("the server has met {failures} pages with a wrong checksum"))
            .into_iter()
            .collect())
    }

    async fn snapshot(&self, readers: usize) -> Result<Box<dyn Snapshot>> {
        let opened = snapshot::PostgresSnapshot::open(&self.connector, &self.facts, readers).await?;
        Ok(Box::new(opened))
    }

    async fn probe(&self, probe: &Probe) -> Result<Option<Vec<Verdict>>> {
        let script = self.rules.script(&probe.plan, &Naming::default());
        let mut session = self.session().await?;
        probe::verdicts(&mut session, probe, &script).await.map(Some)
    }

    async fn evaluate(&self, defaults: &Defaults) -> Result<Option<Vec<Stored>>> {
        let script = self.rules.script(&defaults.plan, &Naming::default());
        let mut session = self.session().await?;
        probe::stored(&mut session, defaults, &script).await.map(Some)
    }

    async fn native_backup(&self) -> Result<NativeWay> {
        backup::way(&self.facts).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Target for Postgres {
    async fn occupied(&self, plan: &Plan) -> Result<Vec<Occupied>> {
        let mut session = self.session().await?;
        stage::occupied(&mut session, &self.facts.namespace, plan).await
    }

    async fn claim(&self) -> Result<Box<dyn Claim>> {
        stage::claim(&self.connector, &self.facts.namespace).await
    }

    async fn clear(&self, keep: Option<&str>) -> Result<Vec<String>> {
        stage::clear(&self.connector, keep).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        stage::unfinished(&self.connector).await
    }

    async fn resume(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        let script = self.rules.script(plan, &Naming::default());
        stage::resume(&self.connector, &self.facts.namespace, run, plan, script).await
    }

    async fn collisions(&self, plan: &Plan, key: &IndexPlan, rows: BatchReceiver) -> Result<Matching> {
        let script = self.rules.script(plan, &Naming::default());
        stage::collisions(&self.connector, plan, &script, key, rows).await
    }

    async fn refusal(&self, plan: &Plan, rows: BatchReceiver) -> Result<Option<String>> {
        let script = self.rules.script(plan, &Naming::default());
        stage::refusal(&self.connector, plan, &script, rows).await
    }

    async fn altered(&self, plan: &Plan, column: &str, rows: BatchReceiver) -> Result<Option<Matching>> {
        let (plan, native) = condition::as_text(plan, column, "text", None);
        let script = self.rules.script(&plan, &Naming::default());
        stage::altered(&self.connector, &plan, &script, (column, &native), rows).await
    }

    async fn stage(&self, run: &str, plan: &Plan) -> Result<Box<dyn Staging>> {
        let script = self.rules.script(plan, &Naming::default());
        stage::open(&self.connector, &self.facts.namespace, run, plan, script).await
    }

    async fn restorable(&self) -> Result<()> {
        blocking::run(|| backup::restorer().map(drop)).await?;
        stage::whole::restorable(&self.connector, &self.facts.namespace).await
    }

    async fn restore(
        &self,
        run: &str,
        backup: &Path,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn Restoration>> {
        let namespace = &self.facts.namespace;
        Ok(Box::new(restore::SchemaRestoration::make(&self.connector, namespace, run, backup, cancel).await?))
    }

    async fn happened(&self, change: &Change) -> Result<bool> {
        stage::happened(&self.connector, change).await
    }

    async fn settle(&self, change: &Change, _happened: bool) -> Result<()> {
        stage::settle(&self.connector, change).await
    }

    async fn back(&self, run: &str, change: &Change) -> Result<Change> {
        stage::back(&self.connector, &self.facts.namespace, run, change).await
    }

    fn dropping(&self, change: &Change) -> Vec<String> {
        change.places().iter().map(|schema| format!("DROP SCHEMA {} CASCADE", quote(schema))).collect()
    }

    async fn exchange(&self, change: &Change) -> Result<()> {
        stage::exchange(&self.connector, &self.facts.namespace, change).await
    }
}
