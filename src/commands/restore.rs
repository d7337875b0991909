//! `rollback --backup`: puts a database back as a backup has it. The backup is proved before anything is touched, the
//! present state is saved, the database is built where nobody sees it, proved again and switched on in one step; what was
//! in use until then is kept aside.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::consent::Consent;
use super::migrate::{self, Loader, Outcome};
use super::rollback::{RollbackReport, Step, TableLine, new_run};
use super::{backup, database_report, identity, real_path};
use crate::engine::capability::{Restoration, Target};
use crate::engine::watch::{Watch, briefly};
use crate::engine::{archive, connect, file_name};
use crate::model::change::Change;
use crate::model::endpoint::{Endpoint, Location};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase};
use crate::model::manifest::{Method, Purpose};
use crate::model::plan::{Scope, Severity};
use crate::model::policy::Policies;
use crate::model::report::DatabaseReport;
use crate::pipeline::backups::{self, Backup, Folder, Unpacked};
use crate::pipeline::runs::{self, Command, Record, Runs, TableRecord};

/// Which backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The newest of this database but those that rollbacks made of what they put aside.
    Latest,
    /// This one: a path, or a name in the folder of backups.
    File(PathBuf),
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub endpoint: Endpoint,
    /// The backup.
    pub which: Which,
    /// Folder of backups.
    pub folder: PathBuf,
    /// Whether it may be a backup of another database.
    pub from_other_database: bool,
    /// Whether the present state is backed up first.
    pub save_first: bool,
    /// Only say what would be done.
    pub dry_run: bool,
    /// The word for it.
    pub consent: Consent,
    /// Folder of the history of runs.
    pub history: PathBuf,
    /// Folder for files of rejected rows, of which a restore makes none.
    pub rejects: PathBuf,
}

/// Runs the command.
pub async fn run(
    options: &Options,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<RollbackReport> {
    let watch = Watch::over(&[&options.endpoint], cancel);
    watch.attend(open_and_restore(options, observer, watch.cancel())).await
}

async fn open_and_restore(
    options: &Options,
    observer: &Arc<dyn Observer>,
    cancel: &CancellationToken,
) -> Result<RollbackReport> {
    observer.event(&Event::Phase { phase: Phase::Preflight });
    let target = connect::target(&options.endpoint).await?;
    let work = Work { options, target: target.as_ref(), observer, cancel };
    let report = work.run().await;
    briefly(target.close()).await;
    report
}

/// One run.
struct Work<'a> {
    options: &'a Options,
    target: &'a dyn Target,
    observer: &'a Arc<dyn Observer>,
    cancel: &'a CancellationToken,
}

impl Work<'_> {
    async fn run(&self) -> Result<RollbackReport> {
        let backup = self.chosen().await?;
        self.fits(&backup)?;
        if backup.manifest.method == Method::Native {
            self.target.restorable().await?;
        }
        self.room(&backup)?;
        let database = database_report(&self.options.endpoint, self.target.facts());
        let mut report = RollbackReport::new(database, Step::Restore);
        report.restores = Some(backup.path.clone());
        report.tables = self.tables(&backup).await?;
        if self.options.dry_run {
            report.action = Step::DryRun;
            return Ok(report);
        }
        for removed in Runs::new(&self.options.history).prepare()? {
            self.observer.event(&Event::Warning { text: runs::removed(&removed) });
        }
        let claim = self.target.claim().await?;
        let done = self.claimed(&backup, &mut report).await;
        briefly(claim.release()).await;
        done.map(|()| report)
    }

    /// The backup that was asked for, verified.
    async fn chosen(&self) -> Result<Backup> {
        match &self.options.which {
            Which::File(file) => {
                let file = backup::named(file, &self.options.folder);
                backups::verify(&file, self.observer, self.cancel).await
            }
            Which::Latest => self.latest().await,
        }
    }

    /// The newest of this database. If that is damaged nothing older takes its place unless somebody asks for it by name.
    async fn latest(&self) -> Result<Backup> {
        let Options { endpoint, folder, history, .. } = self.options;
        let database = backup::identity(endpoint, self.target.facts());
        let (there, missing) = backup::everywhere(folder, history)?;
        for gone in missing {
            let text = format!("backups were laid into {}, which is not to be read now", gone.display());
            self.observer.event(&Event::Warning { text });
        }
        let mut sound = there.of_database(&database.id).filter(|b| b.manifest.purpose != Purpose::Rollback);
        if let Some(damaged) = there.damaged_newest(&database.id, endpoint.dialect()) {
            let what = format!("the newest backup, {}, is damaged", damaged.path.display());
            let error = Error::new(ErrorKind::Refused, what).why(damaged.why.clone());
            return Err(self.with_older(error, sound).await);
        }
        let Some(newest) = sound.next() else {
            let what = format!("there is no backup of {endpoint} in {}", folder.display());
            return Err(Error::new(ErrorKind::Refused, what)
                .next("name the file: --backup FILE; `techcare-db backup --list` shows what there is"));
        };
        match backups::verify(&newest.path, self.observer, self.cancel).await {
            Err(error) if error.kind() == ErrorKind::Refused => Err(self.with_older(error, sound).await),
            verified => verified,
        }
    }

    /// Names the newest of these that verifies as what can be had instead.
    async fn with_older(&self, error: Error, others: impl Iterator<Item = &Backup>) -> Error {
        for other in others {
            let verified = backups::verify(&other.path, self.observer, self.cancel).await;
            if self.cancel.is_cancelled() {
                return error;
            }
            if let Ok(sound) = verified {
                let made = sound.made().format("%Y-%m-%d %H:%M:%S UTC");
                return error
                    .next(format!("the newest sound one is of {made}: --backup '{}'", sound.path.display()));
            }
        }
        error.next("no other one of this database is sound: `techcare-db backup --list` shows what there is")
    }

    /// Refuses a backup that is of something else.
    fn fits(&self, backup: &Backup) -> Result<()> {
        let (manifest, endpoint) = (&backup.manifest, &self.options.endpoint);
        let refused = |why: String, next: String| {
            let what = format!("backup {} does not belong here", backup.path.display());
            Err(Error::new(ErrorKind::Refused, what).why(why).next(next))
        };
        if manifest.engine != endpoint.dialect() {
            let next = match manifest.method {
                Method::Portable => format!(
                    "techcare-db migrate --source '{}' --target … brings it into another engine",
                    backup.path.display()
                ),
                Method::Native => format!("restore it into {} and migrate from there", manifest.engine),
            };
            return refused(format!("it is of {}", manifest.product), next);
        }
        let here = backup::identity(endpoint, self.target.facts());
        if manifest.database.id != here.id && !self.options.from_other_database {
            return refused(
                format!("it is of another database, {}", manifest.database.location),
                "check --database and --backup; --from-other-database puts it in the place of this one"
                    .into(),
            );
        }
        Ok(())
    }

    /// Refuses where the disk of a file has no room for the one that is built beside it and the present one that is kept. Of the
    /// disk of a server nothing is known.
    fn room(&self, backup: &Backup) -> Result<()> {
        let Location::File(path) = &self.options.endpoint.location else { return Ok(()) };
        if backup.manifest.method != Method::Native {
            return Ok(());
        }
        let path = real_path(path);
        let present = std::fs::metadata(&path).map_or(0, |file| file.len());
        let bytes = backup.manifest.unpacked_bytes.saturating_add(present);
        backups::room::beside(&path, bytes, "build the database and keep the present one")
    }

    /// What happens to each table, as far as the manifest tells of tables.
    async fn tables(&self, backup: &Backup) -> Result<Vec<TableLine>> {
        let (sizes, then) = (self.target.sizes().await?, &backup.manifest.tables);
        let whole =
            backup.manifest.method == Method::Native || self.target.rules().capabilities().restores_whole;
        let mut names: Vec<&str> = then.iter().map(|t| t.name.as_str()).collect();
        names.extend(sizes.iter().filter(|_| whole).map(|size| size.table.as_str()));
        names.sort_unstable();
        names.dedup();
        let line = |name: &str| {
            let rows_now = sizes.iter().find(|size| size.table == name).map(|size| size.rows);
            let rows_then = then.iter().find(|table| table.name == name).map(|table| table.rows);
            TableLine {
                name: name.to_owned(),
                goes: rows_now.is_some(),
                comes_back: rows_then.is_some() || then.is_empty(),
                emptied: false,
                rows_then,
                rows_now,
            }
        };
        Ok(names.into_iter().map(line).collect())
    }

    /// Everything that is done under the claim. A restore that was interrupted behind its switch is completed, and then done
    /// again: what was written since is not in the backup.
    async fn claimed(&self, backup: &Backup, report: &mut RollbackReport) -> Result<()> {
        let runs = Runs::new(&self.options.history);
        let identity = identity(&self.options.endpoint, self.target.facts());
        for settled in runs::settle(&runs, self.target, &identity).await? {
            report.notes.push(settled.told());
        }
        self.options.consent.to(&question(report, backup))?;
        // What a migration left to be gone on with is no use beside another database, but until then it is.
        for removed in self.target.clear(None).await? {
            self.observer.event(&Event::Warning { text: runs::removed(&removed) });
        }
        report.saved = self.save(report).await?;
        if backup.manifest.method == Method::Portable {
            return self.take_archive(backup, report).await;
        }
        self.take_native(backup, &runs, report).await
    }

    /// Builds the database of a dump or of a copied file, and switches it on.
    async fn take_native(&self, backup: &Backup, runs: &Runs, report: &mut RollbackReport) -> Result<()> {
        let run = new_run();
        let unpacked = self.unpack(backup).await?;
        self.observer.event(&Event::Phase { phase: Phase::Stage });
        let restoration = self.target.restore(&run, unpacked.path(), self.cancel).await?;
        report.notes.extend(restoration.left_out());
        drop(unpacked);
        report.kept = match self.switch(backup, runs, &run, restoration.as_ref(), &report.database).await {
            Ok(change) => {
                report.notes.extend(change.by_hand.iter().cloned());
                self.target.dropping(&change)
            }
            // After a lost reply nobody knows; the next run looks.
            Err(error) if error.kind() == ErrorKind::Lost => return Err(error),
            Err(mut error) => {
                if let Err(also) = restoration.discard().await {
                    error.push(also);
                }
                return Err(error);
            }
        };
        report.run = Some(run);
        Ok(())
    }

    async fn switch(
        &self,
        backup: &Backup,
        runs: &Runs,
        run: &str,
        restoration: &dyn Restoration,
        database: &DatabaseReport,
    ) -> Result<Change> {
        let restored = restoration.source().await?;
        let proved = backups::prove(restored.as_ref(), &backup.manifest, self.observer).await;
        restored.close().await;
        proved?;
        let change = restoration.change().await?;
        if self.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let tables = backup.manifest.tables.iter().map(|table| TableRecord {
            name: table.name.clone(),
            rows: table.rows,
            digest: table.digest,
        });
        let identity = identity(&self.options.endpoint, self.target.facts());
        let record = Record {
            source: Some(as_source(backup)),
            tables: tables.collect(),
            change: change.clone(),
            ..Record::new(run, Command::Restore, &identity, database.clone())
        };
        self.observer.event(&Event::Phase { phase: Phase::Switch });
        runs::take_back(runs, self.target, record).await?;
        Ok(change)
    }

    /// Backs up what is there; `None` where there is nothing.
    async fn save(&self, report: &RollbackReport) -> Result<Option<PathBuf>> {
        let something =
            !self.target.inspect().await?.tables.is_empty() || report.tables.iter().any(|t| t.goes);
        if !self.options.save_first || !something {
            return Ok(None);
        }
        self.observer.event(&Event::Phase { phase: Phase::Backup });
        let (options, muted) = (self.options, backup::muted(self.observer));
        let source = connect::source(&options.endpoint).await.map_err(Error::on_the_way)?;
        let made = backup::make(
            &options.endpoint,
            source.as_ref(),
            &options.folder,
            Purpose::Rollback,
            &muted,
            self.cancel,
        );
        let made = made.await;
        briefly(source.close()).await;
        match made {
            Ok(made) => Ok(Some(made.backup.path)),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Lost) => Err(error),
            Err(error) => {
                let why = error.reason().map_or_else(String::new, |why| format!(": {why}"));
                Err(Error::new(ErrorKind::Refused, "the present state could not be saved first")
                    .why(format!("{}{why}", error.what()))
                    .next(
                        "nothing was changed; --no-backup does without, what is there is kept aside anyway",
                    ))
            }
        }
    }

    async fn unpack(&self, backup: &Backup) -> Result<Unpacked> {
        let folder = Folder::existing(file_name::folder(&backup.path))?;
        backups::unpack(backup, &folder, self.cancel).await
    }

    /// An archive is a database that is migrated: its rows are read as those of any other.
    async fn take_archive(&self, backup: &Backup, report: &mut RollbackReport) -> Result<()> {
        let unpacked = self.unpack(backup).await?;
        let path = unpacked.path().to_owned();
        let product = archive::recognise(&path)?
            .ok_or_else(|| Error::internal(format!("{} is no archive", path.display())))?;
        let endpoint = Endpoint::new(Location::Archive { path, product }, "from --backup");
        let options = self.options;
        let migration = migrate::Options {
            source: endpoint,
            target: options.endpoint.clone(),
            dry_run: false,
            tables: Vec::new(),
            exclude: Vec::new(),
            scope: Scope::All,
            batch_rows: None,
            jobs: None,
            verify: true,
            write_env: None,
            first: backup::First { folder: options.folder.clone(), when: backup::When::Never },
            loader: Loader::Bulk,
            policies: Policies::default(),
            rules: Vec::new(),
            rejects: options.rejects.clone(),
            resume: false,
            retry_for: Duration::ZERO,
            view_timeout: None,
            dump: None,
            replace: true,
            consent: Consent::Given,
            history: options.history.clone(),
            recorded_as: Command::Restore,
        };
        let outcome = migrate::run(&migration, self.observer.clone(), self.cancel.clone()).await;
        match outcome.map_err(Error::on_the_way)? {
            Outcome::Migrated(done) => {
                report.run = Some(done.run_id);
                report.kept = done.kept;
                report.findings = done.findings;
                Ok(())
            }
            Outcome::Refused(planned) | Outcome::Planned(planned) => {
                let first = planned.plan.findings.iter().find(|f| f.severity == Severity::Blocker);
                let why = first.map_or_else(String::new, |f| {
                    let place = f.table.as_deref().or(f.object.as_deref()).unwrap_or_default();
                    format!("{place}: {} ({})", f.text, f.code)
                });
                let what = format!("backup {} cannot be put back exactly", backup.path.display());
                Err(Error::new(ErrorKind::Refused, what).why(why).next(format!(
                    "nothing was changed; techcare-db migrate --source '{}' --if-exists replace --dry-run shows all, \
                     and what can be decided",
                    backup.path.display()
                )))
            }
            Outcome::Dumped(_) => Err(Error::internal("a restore writes no script")),
        }
    }
}

/// A backup as the history names it.
fn as_source(backup: &Backup) -> DatabaseReport {
    DatabaseReport {
        engine: backup.manifest.engine.to_string(),
        version: Some(backup.manifest.product.clone()),
        location: backup.path.display().to_string(),
        origin: "from --backup".into(),
    }
}

fn question(report: &RollbackReport, backup: &Backup) -> String {
    let made = backup.made().format("%Y-%m-%d %H:%M:%S UTC");
    let gone: Vec<&str> = report.tables.iter().filter(|t| t.goes).map(|t| t.name.as_str()).collect();
    let aside = match gone.as_slice() {
        [] => String::new(),
        names => format!(", and keep the present {} aside", names.join(", ")),
    };
    format!("Put {} back as it was at {made} ({}){aside}?", report.database.location, backup.name)
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Interrupted, "interrupted before anything was switched on")
        .next("the database is as it was; run the same command again when you are ready")
}
