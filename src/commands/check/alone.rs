//! `check` of one database: does it fit TechCare's models, is it whole, is it healthy?

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use serde::Serialize;

use super::Options;
use super::observation::Observation;
use crate::commands::backup;
use crate::commands::newest_backup::newest_backup;
use crate::commands::recorded::{self, Recorded};
use crate::engine::capability::{Facts, Health, Orphans, Source};
use crate::model::codes::{ORPHANS, observed as codes};
use crate::model::endpoint::Dialect;
use crate::model::error::{ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::plan::Severity;
use crate::model::schema::Schema;
use crate::pipeline::history::is_history;
use crate::pipeline::plan::{PlanInput, plan};
use crate::pipeline::selection::select;
use crate::techcare::recognition::{KnownTable, Recognition, Shortcoming, Variant, recognise};
use crate::techcare::{TABLES, migrations};

/// Table in which SeaORM's migrators write down what they have done.
const SEAORM_MIGRATIONS: &str = "seaql_migrations";

/// Share of its connections, in percent, from which a server is called nearly full.
const NEARLY_FULL: u64 = 80;

/// What was found out about a database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alone {
    /// Whether it fits TechCare's models.
    pub techcare: Fit,
    /// Whether it is whole; `None` where that was not looked at.
    pub whole: Option<bool>,
    /// How it is doing.
    pub health: Wellbeing,
    /// What is not as it should be, and what is good to know.
    #[serde(skip)]
    pub observations: Vec<Observation>,
}

/// How a database fits the models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Whether it is TechCare's.
    pub recognised: bool,
    /// Age of its schema.
    pub variant: Option<Variant>,
    /// Tables of the models that are not there.
    pub missing_tables: Vec<String>,
    /// Tables that the models do not know.
    pub extra_tables: Vec<String>,
    /// Columns of the models that are not there, by table.
    pub missing_in_db: BTreeMap<String, Vec<String>>,
    /// Columns that the models do not know, by table.
    pub extra_in_db: BTreeMap<String, Vec<String>>,
    /// What migration tools have recorded.
    pub migrations: Vec<Recorded>,
    /// Migrations of `schema up` that are not applied, where any is recorded.
    pub pending: Vec<String>,
}

/// How a database is doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wellbeing {
    /// Milliseconds of one round trip (`SELECT 1`).
    pub latency_ms: f64,
    /// Sessions that are open at the server.
    pub connections_used: Option<u64>,
    /// Sessions that it takes.
    pub connections_max: Option<u64>,
    /// Time zone of sessions that ask for none.
    pub time_zone: Option<String>,
    /// Character encoding.
    pub encoding: String,
    /// Default collation.
    pub collation: String,
    /// Bytes on disk.
    pub size_bytes: Option<u64>,
    /// Age of the newest backup of this engine, by its name; `None` if there is none.
    pub last_backup_age_seconds: Option<u64>,
}

impl Alone {
    /// Whether there is something to do or to look at.
    pub fn has_findings(&self) -> bool {
        self.observations.iter().any(|o| o.severity >= Severity::Warning)
    }
}

/// Looks.
pub(super) async fn look(
    options: &Options,
    source: &dyn Source,
    observer: &Arc<dyn Observer>,
) -> Result<Alone> {
    let facts = source.facts();
    let health = source.health().await?;
    let mut observations = unwell(facts, &health);
    let mut alone = Alone {
        techcare: Fit::default(),
        whole: None,
        health: Wellbeing {
            latency_ms: facts.latency.as_secs_f64() * 1000.0,
            connections_used: health.connections.map(|(used, _)| used),
            connections_max: health.connections.map(|(_, most)| most),
            time_zone: facts.time_zone.clone(),
            encoding: facts.encoding.clone(),
            collation: facts.collation.clone(),
            size_bytes: facts.size,
            last_backup_age_seconds: newest_backup(
                &options.backups,
                &options.history,
                &backup::identity(&options.database, facts).id,
                Utc::now(),
            )
            .map(|backup| backup.age.as_secs()),
        },
        observations: Vec::new(),
    };
    let schema = match source.inspect().await {
        Ok(schema) => schema,
        Err(error) if error.kind() == ErrorKind::Read => {
            observations.push(damaged(&error.to_string()));
            return Ok(Alone { whole: Some(false), observations, ..alone });
        }
        Err(error) => return Err(error),
    };
    alone.techcare = fit(source, &schema, &mut observations).await?;
    if !options.quick {
        observer.event(&Event::Phase { phase: Phase::Profile });
        let mut faults: Vec<Observation> = source.damage().await?.iter().map(|line| damaged(line)).collect();
        faults.extend(nowhere(&schema));
        // What is damaged may not be readable to its end.
        if faults.iter().all(|fault| fault.code != codes::DAMAGED) {
            faults.extend(orphans(options, source, &schema).await?.iter().map(orphan));
        }
        alone.whole = Some(faults.is_empty());
        observations.extend(faults);
    }
    alone.observations = observations;
    Ok(alone)
}

fn damaged(line: &str) -> Observation {
    Observation::new(codes::DAMAGED, "database", line)
        .next("restore a backup; what can still be read of a SQLite file: sqlite3 FILE .recover")
}

/// How the database fits the models. What is not TechCare's at all is said in one line.
async fn fit(source: &dyn Source, schema: &Schema, out: &mut Vec<Observation>) -> Result<Fit> {
    let found = recognise(schema);
    let mut fit = Fit { recognised: found.is_techcare(), variant: found.variant, ..Fit::default() };
    fit.migrations = recorded::read(source, schema).await?;
    if !fit.recognised {
        out.push(Observation::new(
            codes::NOT_TECHCARE,
            "database",
            "is not TechCare's schema: neither its tables nor their columns are there",
        ));
        return Ok(fit);
    }
    let applied = fit.migrations.iter().find(|r| r.table == SEAORM_MIGRATIONS);
    if let Some(applied) = applied {
        let is_pending = |name: &String| !applied.names.contains(name);
        fit.pending = migrations::names_of_all().into_iter().filter(is_pending).collect();
    }
    if found.variant == Some(Variant::Older) {
        let text = "is TechCare's schema of an older release: users have their role as text (users.role)";
        out.push(
            Observation::new(codes::OLDER_SCHEMA, "database", text)
                .next("update_database_schema.py of that release adds roles and users.role_id"),
        );
    }
    for name in &fit.pending {
        out.push(
            Observation::new(codes::PENDING_MIGRATION, "migration", format!("{name} is not applied"))
                .next("schema up applies it"),
        );
    }
    compare(&found, schema, &mut fit, out);
    Ok(fit)
}

fn compare(found: &Recognition, schema: &Schema, fit: &mut Fit, out: &mut Vec<Observation>) {
    for name in &found.missing_tables {
        let text = "is in the models and not in the database";
        out.push(
            Observation::new(codes::MISSING_TABLE, "table", text)
                .table(name)
                .next("TechCare makes it when it is started, schema up does where migrations are recorded"),
        );
    }
    fit.missing_tables.clone_from(&found.missing_tables);
    // The notes of migration tools are no tables of the application, and none too many.
    let is_known = |name: &str| TABLES.contains(&name) || is_history(name);
    let extra = schema.tables.iter().map(|t| &t.name).filter(|name| !is_known(name));
    fit.extra_tables = extra.cloned().collect();
    for name in &fit.extra_tables {
        let text = "is in the database and not in the models";
        out.push(Observation::new(codes::EXTRA_TABLE, "table", text).table(name));
    }
    for table in &found.tables {
        columns(table, schema, fit, out);
    }
}

fn columns(table: &KnownTable, schema: &Schema, fit: &mut Fit, out: &mut Vec<Observation>) {
    if !table.missing_columns.is_empty() {
        fit.missing_in_db.insert(table.name.clone(), table.missing_columns.clone());
    }
    if !table.extra_columns.is_empty() {
        fit.extra_in_db.insert(table.name.clone(), table.extra_columns.clone());
    }
    for name in &table.missing_columns {
        let text = "is in the models and not in the database";
        out.push(Observation::new(codes::MISSING_IN_DB, "column", text).table(&table.name).column(name));
    }
    for name in &table.extra_columns {
        let column = schema.table(&table.name).and_then(|t| t.column(name));
        let demands = column.is_some_and(|c| {
            !c.nullable && c.default.is_none() && c.generated.is_none() && c.identity.is_none()
        });
        let (code, text) = if demands {
            (codes::EXTRA_REQUIRED, "is not in the models and takes no NULL: TechCare cannot add rows")
        } else {
            (codes::EXTRA_IN_DB, "is in the database and not in the models")
        };
        out.push(Observation::new(code, "column", text).table(&table.name).column(name));
    }
    for Shortcoming { code, column, text } in &table.shortcomings {
        let observation = Observation::new(code, "column", text.clone()).table(&table.name);
        out.push(match column {
            Some(column) => observation.column(column),
            None => observation,
        });
    }
}

/// Foreign keys that lead to a table that is not there.
fn nowhere(schema: &Schema) -> Vec<Observation> {
    let there = |name: &str| {
        schema.tables.iter().any(|t| match schema.dialect {
            Dialect::Sqlite => t.name.eq_ignore_ascii_case(name),
            Dialect::Postgres | Dialect::Mysql => t.name == name,
        })
    };
    let mut found = Vec::new();
    for table in &schema.tables {
        // A reference to another database of the server has its name in front.
        for key in table.foreign_keys.iter().filter(|k| !there(&k.references) && !k.references.contains('.'))
        {
            let text = format!("refers to table {}, which is not there", key.references);
            found.push(
                Observation::new(codes::DANGLING_FOREIGN_KEY, "foreign key", text)
                    .table(&table.name)
                    .column(&key.columns.join(", ")),
            );
        }
    }
    found
}

/// Rows without a parent, whatever the engine has checked itself: foreign keys can be switched off on all of them.
async fn orphans(options: &Options, source: &dyn Source, schema: &Schema) -> Result<Vec<Orphans>> {
    let selection = select(schema, &options.tables, &options.exclude)?;
    if schema.tables.is_empty() {
        return Ok(Vec::new());
    }
    let planned = plan(&PlanInput {
        left_out: &selection.left_out,
        ..PlanInput::of_catalogue(&selection.schema, source.facts().flavour, source.rules())
    });
    let snapshot = source.snapshot(1).await?;
    let orphans = snapshot.orphans(&planned).await;
    snapshot.close().await;
    orphans
}

fn orphan(orphans: &Orphans) -> Observation {
    let text = format!("rows refer to rows of {} that are not there", orphans.references);
    Observation::new(ORPHANS, "foreign key", text)
        .table(&orphans.table)
        .column(&orphans.columns.join(", "))
        .rows(orphans.rows)
        .keys(orphans.keys.clone())
        .next("mend or delete these rows: no other engine takes a foreign key over them")
}

/// What about a server sooner or later hurts an application that writes UTC and any alphabet.
fn unwell(facts: &Facts, health: &Health) -> Vec<Observation> {
    let mut found: Vec<Observation> = crate::commands::warnings::of(facts)
        .into_iter()
        .map(|(code, text)| Observation::new(code, "server", text))
        .collect();
    for missing in &health.missing_rights {
        found.push(
            Observation::new(codes::MISSING_RIGHT, "right", missing.what.clone()).next(missing.fix.clone()),
        );
    }
    if let Some((used, most)) = health.connections
        && used * 100 >= most * NEARLY_FULL
    {
        let text = format!("{used} of {most} connections are in use");
        found.push(Observation::new(codes::CONNECTIONS, "server", text));
    }
    found
}
