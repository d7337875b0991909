//! Settings of a PostgreSQL server: read from `pg_settings`, set by ALTER SYSTEM, which keeps them in
//! `postgresql.auto.conf`, and put back to what stood there. What is advised is decided in [`advice`].

mod advice;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use self::advice::Found;
use super::connect::{Connector, Purpose};
use super::ddl::literal;
use super::fault::fault;
use super::types::quote;
use crate::engine::capability::{Subject, Tunable};
use crate::model::endpoint::{Endpoint, Server};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::tune::{Advice, Circumstances, Effect, Kept, Standing};

/// How long a server may take to read its configuration again.
const RELOADED_WITHIN: Duration = Duration::from_secs(10);

/// Opens.
pub async fn tunable(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Tunable>> {
    let connector = Connector::new(server, endpoint, Purpose::Writing)?;
    let mut session = connector.session().await?;
    let asked = async {
        let (facts, _) = super::facts(&mut session).await?;
        let identity = format!("postgresql:{}", super::server_identity(&mut session).await?);
        let size: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(pg_database_size(oid)), 0)::int8 FROM pg_database \
             WHERE has_database_privilege(oid, 'CONNECT')",
        )
        .fetch_one(&mut session)
        .await?;
        Ok::<_, sqlx::Error>((facts, identity, u64::try_from(size).unwrap_or(0)))
    };
    let (facts, identity, size) = asked
        .await
        .map_err(|e| fault(ErrorKind::Read, format!("cannot ask {} what it is", connector.shown()), &e))?;
    let subject = Subject { facts, identity, size, needs_memory: true, outlives_restart: true };
    Ok(Box::new(Settings { session, subject, user: connector.user().to_owned() }))
}

struct Settings {
    session: PgConnection,
    subject: Subject,
    user: String,
}

impl Settings {
    async fn found(&mut self) -> Result<Vec<Found>> {
        const ASK: &str = "SELECT name, setting, coalesce(unit, '') AS unit, current_setting(name) AS shown, source, \
             pending_restart FROM pg_settings WHERE name = ANY($1)";
        let names: Vec<String> = advice::NAMES.iter().map(|name| (*name).to_owned()).collect();
        let reading = |e: sqlx::Error| fault(ErrorKind::Read, "cannot read the server's settings", &e);
        let rows = sqlx::query(ASK).bind(names).fetch_all(&mut self.session).await.map_err(reading)?;
        let found = rows.iter().map(|row| {
            Ok(Found {
                name: row.try_get("name")?,
                setting: row.try_get("setting")?,
                unit: row.try_get("unit")?,
                shown: row.try_get("shown")?,
                origin: row.try_get("source")?,
                pending_restart: row.try_get("pending_restart")?,
            })
        });
        found.collect::<Result<_, sqlx::Error>>().map_err(reading)
    }

    async fn run(&mut self, setting: &str, sql: String) -> Result<()> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.session).await;
        // What the server says for no other reason is about this setting.
        done.map(drop).map_err(|e| fault(ErrorKind::Value, format!("cannot set {setting}"), &e))
    }
}

#[async_trait]
impl Tunable for Settings {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    async fn advice(&mut self, circumstances: &Circumstances) -> Result<Vec<Advice>> {
        let found = self.found().await?;
        Ok(advice::advise(&found, circumstances, self.subject.facts.version_number.0))
    }

    async fn standing(&mut self, setting: &str) -> Result<Vec<Standing>> {
        const RIGHTS: &str = "SELECT has_function_privilege('pg_catalog.pg_reload_conf()', 'EXECUTE'), \
             has_table_privilege('pg_catalog.pg_file_settings', 'SELECT') \
             AND has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE'), current_setting($1)";
        const ENTRY: &str = "SELECT setting FROM pg_catalog.pg_file_settings WHERE lower(name) = $1 \
             AND sourcefile LIKE '%/postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1";
        let reading =
            |e: sqlx::Error| fault(ErrorKind::Read, format!("cannot read how {setting} stands"), &e);
        let row = sqlx::query(RIGHTS).bind(setting).fetch_one(&mut self.session).await.map_err(reading)?;
        let (reloads, sees): (bool, bool) =
            (row.try_get(0).map_err(reading)?, row.try_get(1).map_err(reading)?);
        for (allowed, why) in [
            (reloads, "pg_reload_conf(), without which a change has no effect, is not for this role"),
            (sees, "pg_file_settings, without which the old value cannot be kept, is not for this role"),
        ] {
            if !allowed {
                return Err(Error::new(ErrorKind::Permission, format!("cannot set {setting}")).why(why));
            }
        }
        let entry: Option<String> = sqlx::query_scalar(ENTRY)
            .bind(setting)
            .fetch_optional(&mut self.session)
            .await
            .map_err(reading)?;
        Ok(vec![Standing {
            setting: setting.to_owned(),
            value: row.try_get(2).map_err(reading)?,
            kept: entry.map_or(Kept::Unset, Kept::As),
        }])
    }

    async fn set(&mut self, setting: &str, value: &str, _effect: Effect) -> Result<()> {
        self.run(setting, statement(setting, value)).await
    }

    async fn put_back(&mut self, was: &Standing, _effect: Effect) -> Result<()> {
        let sql = match &was.kept {
            Kept::As(value) => statement(&was.setting, value),
            Kept::Unset | Kept::Nowhere => format!("ALTER SYSTEM RESET {}", quote(&was.setting)),
        };
        self.run(&was.setting, sql).await
    }

    async fn reload(&mut self) -> Result<()> {
        const LOADED: &str = "SELECT pg_conf_load_time()::text";
        let failed = |e: sqlx::Error| fault(ErrorKind::Write, "cannot have the server read its settings", &e);
        let before: String = sqlx::query_scalar(LOADED).fetch_one(&mut self.session).await.map_err(failed)?;
        sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut self.session).await.map_err(failed)?;
        let asked = Instant::now();
        loop {
            let now: String =
                sqlx::query_scalar(LOADED).fetch_one(&mut self.session).await.map_err(failed)?;
            // Where it takes longer, what is shown afterwards is still the old value.
            if now != before || asked.elapsed() > RELOADED_WITHIN {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn grant(&self, settings: &[&str]) -> String {
        let role = quote(&self.user);
        if self.subject.facts.version_number.0 < 15 {
            return "PostgreSQL before 15 lets only a superuser do it: name one, or run the statements as one".into();
        }
        format!(
            "have a superuser run: GRANT ALTER SYSTEM ON PARAMETER {} TO {role}; GRANT SELECT ON pg_file_settings TO {role}; \
             GRANT EXECUTE ON FUNCTION pg_show_all_file_settings(), pg_reload_conf() TO {role}",
            settings.join(", ")
        )
    }

    async fn close(self: Box<Self>) {
        let _ = self.session.close().await;
    }
}

/// The statement that keeps a value in `postgresql.auto.conf`.
fn statement(setting: &str, value: &str) -> String {
    format!("ALTER SYSTEM SET {} = {}", quote(setting), literal(value))
}
