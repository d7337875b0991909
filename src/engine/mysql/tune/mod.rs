//! Settings of a MySQL or MariaDB server. MySQL 8 keeps what SET PERSIST sets in `mysqld-auto.cnf`; MariaDB keeps
//! nothing, so that what SET GLOBAL sets has to be written into an option file by somebody. What is advised is decided
//! in [`advice`].

mod advice;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::{Connection as _, MySqlConnection};

use self::advice::Server as Product;
use super::connection::{Link, Role, latency, number, rows, run};
use super::fault;
use super::types::literal;
use crate::engine::capability::{Facts, Subject, Tunable};
use crate::model::endpoint::{Endpoint, Server};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::tune::{Advice, Circumstances, Effect, Kept, Standing};

/// How long the server may still be at work with the size that the buffer pool was given before.
const RESIZED_WITHIN: Duration = Duration::from_secs(30);

/// Settings that a setting takes along, after which they are put back.
const TAKEN_ALONG: &[(&str, &str)] = &[("character_set_server", "collation_server")];

/// Opens.
pub async fn tunable(server: &Server, endpoint: &Endpoint) -> Result<Box<dyn Tunable>> {
    let link = Link::new(server, endpoint);
    let mut session = link.connect(Role::Writer).await?;
    let latency = latency(&mut session).await?;
    let facts = super::facts(&mut session, link.database(), latency).await?;
    let size = number(
        &mut session,
        "the size of the databases",
        "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE engine = 'InnoDB'",
    )
    .await?;
    let own = format!("/{}", facts.namespace);
    let identity = facts.identity.strip_suffix(&own).unwrap_or(&facts.identity).to_owned();
    let outlives_restart = product(&facts).persists();
    let subject = Subject { facts, identity, size, needs_memory: true, outlives_restart };
    Ok(Box::new(Settings { session, subject, user: link.user().to_owned() }))
}

fn product(facts: &Facts) -> Product {
    Product { flavour: facts.flavour, version: facts.version_number }
}

struct Settings {
    session: MySqlConnection,
    subject: Subject,
    user: String,
}

impl Settings {
    fn product(&self) -> Product {
        product(&self.subject.facts)
    }

    /// The value that counts now.
    async fn value(&mut self, setting: &str) -> Result<String> {
        let sql = format!("SHOW GLOBAL VARIABLES WHERE variable_name = {}", literal(setting));
        let what = format!("the setting {setting}");
        let found = rows(&mut self.session, &what, &sql).await?;
        found
            .first()
            .map(|row| row.word(1))
            .ok_or_else(|| Error::new(ErrorKind::Read, format!("the server has no setting {setting}")))
    }

    /// What `mysqld-auto.cnf` has of a setting.
    async fn kept(&mut self, setting: &str) -> Result<Kept> {
        if !self.subject.outlives_restart {
            return Ok(Kept::Nowhere);
        }
        let sql = format!(
            "SELECT variable_value FROM performance_schema.persisted_variables WHERE variable_name = {}",
            literal(setting)
        );
        let found = rows(&mut self.session, "what the server keeps of its settings", &sql).await?;
        Ok(found.first().and_then(|row| row.text(0)).map_or(Kept::Unset, Kept::As))
    }

    /// Runs a statement; again while the server is still at work with an earlier size of its buffer pool.
    async fn change(&mut self, setting: &str, sql: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            let Err(error) = run(&mut self.session, sql).await else { return Ok(()) };
            let at_work = fault::words(&error).contains("esiz") && setting == "innodb_buffer_pool_size";
            if !at_work || begun.elapsed() > RESIZED_WITHIN {
                let failure = fault::writing(&format!("setting {setting}"), &error);
                // What the server says for no other reason is about this setting.
                let refused = fault::number(&error).is_some() && failure.kind() == ErrorKind::Write;
                return Err(if refused { failure.with_kind(ErrorKind::Value) } else { failure });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[async_trait]
impl Tunable for Settings {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    async fn advice(&mut self, circumstances: &Circumstances) -> Result<Vec<Advice>> {
        let names: Vec<String> = advice::NAMES.iter().map(|name| literal(name)).collect();
        let sql = format!("SHOW GLOBAL VARIABLES WHERE variable_name IN ({})", names.join(", "));
        let found = rows(&mut self.session, "the server's settings", &sql).await?;
        let found: HashMap<String, String> = found.iter().map(|row| (row.word(0), row.word(1))).collect();
        let mut advised = advice::advise(&found, circumstances, self.product());
        // What is persisted for the next start and not in use yet.
        for advice in &mut advised {
            if advice.takes_effect == Some(Effect::Restart)
                && let Some(value) = &advice.advised
                && let Ok(kept) = self.kept(&advice.setting).await
                && kept == Kept::As(value.clone())
            {
                advice.wait_for_restart();
            }
        }
        Ok(advised)
    }

    async fn standing(&mut self, setting: &str) -> Result<Vec<Standing>> {
        let along = TAKEN_ALONG.iter().filter(|(takes, _)| *takes == setting).map(|(_, along)| *along);
        let mut standing = Vec::new();
        for name in std::iter::once(setting).chain(along) {
            let (value, kept) = (self.value(name).await?, self.kept(name).await?);
            standing.push(Standing { setting: name.to_owned(), value, kept });
        }
        Ok(standing)
    }

    async fn set(&mut self, setting: &str, value: &str, effect: Effect) -> Result<()> {
        let sql = self.product().statement(setting, value, effect);
        self.change(setting, &sql).await
    }

    async fn put_back(&mut self, was: &Standing, effect: Effect) -> Result<()> {
        let (name, product) = (&was.setting, self.product());
        match &was.kept {
            Kept::As(kept) => {
                let sql = product.statement(name, kept, effect);
                self.change(name, &sql).await?;
            }
            Kept::Unset => self.change(name, &format!("RESET PERSIST IF EXISTS {name}")).await?,
            Kept::Nowhere => {}
        }
        if effect != Effect::Restart && self.value(name).await? != was.value {
            self.change(name, &format!("SET GLOBAL {name} = {}", advice::written(&was.value))).await?;
        }
        Ok(())
    }

    fn grant(&self, settings: &[&str]) -> String {
        let right = match (self.subject.outlives_restart, settings.contains(&"innodb_log_file_size")) {
            (true, true) => "SYSTEM_VARIABLES_ADMIN, PERSIST_RO_VARIABLES_ADMIN",
            (true, false) => "SYSTEM_VARIABLES_ADMIN",
            (false, _) => "SUPER",
        };
        format!("have an administrator run: GRANT {right} ON *.* TO {}", literal(&self.user))
    }

    async fn close(self: Box<Self>) {
        let _ = self.session.close().await;
    }
}
