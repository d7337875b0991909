//! A backup from beginning to end: lock, room, one instant of the database, copy, proof, name, retention.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Local, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::folder::{Folder, Lock, trouble};
use super::packing::{self, Sum};
use super::retention::{self, Keep};
use super::room::{self, Size};
use super::shelf::{self, Backup, Shelf};
use super::verify::{interrupted, read_back};
use super::{content, names};
use crate::engine::backup::{NativeOrder, NativeWay};
use crate::engine::blocking;
use crate::engine::capability::{Snapshot, Source};
use crate::engine::watch::briefly;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::event::{Event, Observer, Phase, Silent};
use crate::model::manifest::{self, Identity, Manifest, Method, Packing, Purpose, TableContent, Verified};
use crate::model::schema::Schema;
use crate::pipeline::archive;

/// Names that are tried, a second apart, where those before are taken.
const NAMES: i64 = 60;

/// So many things that an archive does not bring back are named, the rest is counted.
const NAMED: usize = 10;

/// Least time between two words about progress.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// What is to be made.
#[derive(Clone)]
pub struct Order {
    /// Folder; made if it is not there.
    pub folder: PathBuf,
    /// Which database this is.
    pub database: Identity,
    /// Why.
    pub purpose: Purpose,
    /// In what form; `None` for the engine's own where that can be made here, else the portable archive.
    pub method: Option<Method>,
    /// How the file is packed; `None` takes what suits its form.
    pub packing: Option<Packing>,
    /// Which backups of this database stay afterwards.
    pub keep: Keep,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// Interruption.
    pub cancel: CancellationToken,
}

/// What was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The backup, verified.
    pub backup: Backup,
    /// Older backups that retention deleted.
    pub deleted: Vec<PathBuf>,
}

/// Makes a backup. Until it returns there is no file under a final name, and whatever goes wrong leaves all older
/// backups as they were.
pub async fn make(order: &Order, source: &dyn Source) -> Result<Made> {
    let folder = Folder::make(&order.folder)?;
    if folder.is_open_to_all() {
        order.observer.event(&Event::Warning {
            text: format!("everybody can write to {}: chmod 700 it", folder.path().display()),
        });
    }
    let lock = folder.lock()?;
    let work = Work { order, folder: &folder, run: uuid::Uuid::now_v7().simple().to_string() };
    work.sweep().await?;
    let backup = work.run(source).await;
    if backup.is_err() {
        work.clean_up();
    }
    let backup = backup.map_err(|error| match error.advice() {
        Some(_) => error,
        None => error.next("older backups are as they were; run it again when the cause is mended"),
    })?;
    let deleted = work.retain(&backup, &lock)?;
    Ok(Made { backup, deleted })
}

/// In what form the backup is made, how, and why so.
struct Chosen {
    method: Method,
    way: NativeWay,
    why: Option<String>,
}

impl Chosen {
    /// What was asked for; else the engine's own form, which has everything that the engine has, where its program is here.
    async fn of(asked: Option<Method>, source: &dyn Source) -> Result<Self> {
        match asked {
            Some(Method::Native) => {
                Ok(Self { method: Method::Native, way: source.native_backup().await?, why: None })
            }
            Some(Method::Portable) => Ok(Self { method: Method::Portable, way: portable(), why: None }),
            None => match source.native_backup().await {
                Ok(way) => {
                    let why = format!("{} is here", way.program);
                    Ok(Self { method: Method::Native, way, why: Some(why) })
                }
                Err(error) if error.kind() == ErrorKind::Refused => {
                    Ok(Self { method: Method::Portable, way: portable(), why: Some(error.to_string()) })
                }
                Err(error) => Err(error),
            },
        }
    }
}

/// How the portable archive is made, whatever the engine.
fn portable() -> NativeWay {
    NativeWay::plain("tcdb", concat!("techcare-db ", env!("CARGO_PKG_VERSION"), " (portable archive)"))
}

/// One run.
struct Work<'a> {
    order: &'a Order,
    folder: &'a Folder,
    run: String,
}

/// A finished file that has no name yet.
struct Finished {
    started: DateTime<Utc>,
    chosen: Chosen,
    packing: Packing,
    file: Sum,
    plain: Sum,
    tables: Option<Vec<TableContent>>,
    writers_waited: Option<f64>,
}

/// What was copied, and what has to be in it where the same view tells that.
struct Copied {
    started: DateTime<Utc>,
    schema: Schema,
    tables: Option<Vec<TableContent>>,
    writers_waited: Option<f64>,
}

impl Work<'_> {
    /// Name of the unfinished file.
    fn partial(&self) -> String {
        shelf::partial(&self.run)
    }

    /// Name of what is packed into it.
    fn plain(&self) -> String {
        format!("{}-plain", self.partial())
    }

    async fn sweep(&self) -> Result<()> {
        let (folder, cancel) = (Folder::existing(self.folder.path())?, self.order.cancel.clone());
        blocking::run(move || shelf::sweep(&folder, &cancel)).await
    }

    /// Deletes what this run made.
    fn clean_up(&self) {
        let begin = self.partial();
        for name in self.folder.names().unwrap_or_default().iter().filter(|name| name.starts_with(&begin)) {
            // What cannot be deleted is private, and the next run tries again.
            let _ = self.folder.remove(name);
        }
    }

    async fn run(&self, source: &dyn Source) -> Result<Backup> {
        let observer = &self.order.observer;
        observer.event(&Event::Phase { phase: Phase::Backup });
        let chosen = Chosen::of(self.order.method, source).await?;
        let (method, way) = (chosen.method, &chosen.way);
        let fallback = chosen.why.as_ref().filter(|_| method == Method::Portable);
        let fallback = fallback.map(|why| format!("a portable archive is made: {why}"));
        for text in way.notes.iter().chain(&fallback) {
            observer.event(&Event::Warning { text: text.clone() });
        }
        let packing = self.order.packing.unwrap_or(way.packing);
        // Packed by us from a plain file, or not at all by us.
        let packed_here = packing != Packing::None && !way.packs;
        self.room(way, packing, packed_here, source.facts().size)?;
        let name = if packed_here { self.plain() } else { self.partial() };
        let plain = self.folder.create(&name)?;
        let Copied { started, schema, tables, writers_waited } =
            self.copy(source, (method, way), packing, (&name, &plain)).await?;
        plain.sync_all().map_err(|e| trouble(&self.folder.file(&name), &e))?;

        observer.event(&Event::Phase { phase: Phase::Verify });
        let (file, plain) = if packing != Packing::None && way.packs {
            // Whoever wrote it saw it end; that it comes out again is read from the disk.
            (self.sum(&name).await?, self.unpacked_sum(&name).await?)
        } else {
            self.prove((method, source.rules().dialect()), &name, tables.as_deref()).await?;
            let plain = self.sum(&name).await?;
            (if packed_here { self.pack(&plain).await? } else { plain.clone() }, plain)
        };
        let tables = if tables.is_some() {
            tables
        } else {
            let packing = if packed_here { Packing::None } else { packing };
            let dump = packing::content(self.open(&self.partial())?, packing, &self.order.cancel);
            let dump = dump.map_err(|e| trouble(&self.folder.file(&self.partial()), &e))?;
            let told = content::of_backup(&schema, source, dump).await;
            told.map_err(|error| if self.order.cancel.is_cancelled() { interrupted() } else { error })?
        };
        let finished = Finished { started, chosen, packing, file, plain, tables, writers_waited };
        self.publish(source, finished)
    }

    /// Lets the engine look at a plain file, and compares its rows with those that have to be in it.
    async fn prove(
        &self,
        form: (Method, Dialect),
        name: &str,
        should: Option<&[TableContent]>,
    ) -> Result<()> {
        let is = read_back(form, &self.folder.file(name), &self.order.observer).await?;
        if let (Some(should), Some(is)) = (should, is)
            && let Some(why) = is.difference(should)
        {
            return Err(content::changed(why));
        }
        Ok(())
    }

    /// Looks whether the disk has room for the backup, as far as its size is known.
    fn room(
        &self,
        way: &NativeWay,
        packing: Packing,
        packed_here: bool,
        database: Option<u64>,
    ) -> Result<()> {
        let size = match (way.bytes, database) {
            // What is packed lies beside its packed form for a while, which may be no smaller.
            (Some(bytes), _) => Size::Known(if packed_here { bytes.saturating_mul(2) } else { bytes }),
            // An archive packs by itself, and so does pg_dump where nobody packs after it.
            (None, Some(bytes)) => Size::Database(bytes, packing != Packing::None || !way.packs),
            (None, None) => Size::Unknown,
        };
        if let Some(text) = room::for_backup(self.folder, size)? {
            self.order.observer.event(&Event::Warning { text });
        }
        Ok(())
    }

    /// Writes the plain backup and, at the same time, reads the rows that have to be in it.
    async fn copy(
        &self,
        source: &dyn Source,
        (method, way): (Method, &NativeWay),
        packing: Packing,
        (name, plain): (&str, &std::fs::File),
    ) -> Result<Copied> {
        let schema = source.inspect().await?;
        if method == Method::Portable {
            self.tell_left_out(&archive::left_out(source, &schema));
        }
        let (began, started) = (Instant::now(), Utc::now());
        // One reader for the copy, one for the rows.
        let snapshot = source.snapshot(if way.same_view { 2 } else { 1 }).await?;
        let order = NativeOrder {
            file: self.folder.file(name),
            packing: if way.packs { packing } else { Packing::None },
            own_packing: self.order.packing.is_none(),
            progress: progress(&self.order.observer),
            cancel: self.order.cancel.clone(),
        };
        let rows = async {
            if !way.same_view {
                return Ok(None);
            }
            let snapshot: &dyn Snapshot = snapshot.as_ref();
            tokio::select! {
                rows = content::of(&schema, snapshot, source.rules(), &self.order.observer) => rows.map(Some),
                () = self.order.cancel.cancelled() => Err(interrupted()),
            }
        };
        let write = async {
            if method == Method::Native {
                return snapshot.native_backup(&order).await;
            }
            let file = plain.try_clone().map_err(|e| trouble(&order.file, &e))?;
            // The rows are told by whoever counts them.
            let silent: Arc<dyn Observer> = Arc::new(Silent);
            tokio::select! {
                written = archive::write(source, &schema, snapshot.as_ref(), file, &self.run, &silent) => written.map(drop),
                () = self.order.cancel.cancelled() => Err(interrupted()),
            }
        };
        let (copied, rows) = tokio::join!(write, rows);
        briefly(snapshot.close()).await;
        let waited = way.blocks_writers.then(|| began.elapsed().as_secs_f64());
        if self.order.cancel.is_cancelled() {
            return Err(interrupted());
        }
        copied?;
        Ok(Copied { started, tables: rows?, schema, writers_waited: waited })
    }

    fn tell_left_out(&self, left: &[String]) {
        if left.is_empty() {
            return;
        }
        let more = match left.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let named = left.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let text = format!("putting this archive back will not bring back: {named}{more}");
        self.order.observer.event(&Event::Warning { text });
    }

    /// Hashes a file of this run as it stands on the disk.
    async fn sum(&self, name: &str) -> Result<Sum> {
        let (file, path) = (self.open(name)?, self.folder.file(name));
        let cancel = self.order.cancel.clone();
        blocking::run(move || packing::sum(&file, &cancel).map_err(|e| failed(&path, &e, &cancel))).await
    }

    /// Hashes what is packed in a file of this run.
    async fn unpacked_sum(&self, name: &str) -> Result<Sum> {
        let (file, path) = (self.open(name)?, self.folder.file(name));
        let cancel = self.order.cancel.clone();
        let unpack =
            move || packing::unpacked_sum(&file, u64::MAX, &cancel).map_err(|e| failed(&path, &e, &cancel));
        blocking::run(unpack).await
    }

    fn open(&self, name: &str) -> Result<std::fs::File> {
        self.folder.open(name).map_err(|e| trouble(&self.folder.file(name), &e))
    }

    /// Packs the plain file, and proves that it comes out again.
    async fn pack(&self, sum: &Sum) -> Result<Sum> {
        let packed = self.folder.create(&self.partial())?;
        let (plain, again) = (self.open(&self.plain())?, self.open(&self.partial())?);
        let (path, cancel, sum) = (self.folder.file(&self.partial()), self.order.cancel.clone(), sum.clone());
        let checked = blocking::run(move || {
            packing::pack(&plain, &packed, &cancel)
                .and_then(|_| packed.sync_all())
                .and_then(|()| packing::unpacked_sum(&again, sum.bytes, &cancel))
                .map_err(|e| failed(&path, &e, &cancel))
                .map(|unpacked| unpacked == sum)
        });
        if !checked.await? {
            return Err(Error::new(ErrorKind::Verify, "the packed backup does not unpack to what went in")
                .next("check the memory and the disk of this machine, and run again"));
        }
        self.folder.remove(&self.plain())?;
        self.sum(&self.partial()).await
    }

    /// Gives the backup its name: first the manifest, which claims it, then the file. A run that is killed between the
    /// two is ended by the next one; nobody ever sees a backup without its manifest.
    fn publish(&self, source: &dyn Source, finished: Finished) -> Result<Backup> {
        let facts = source.facts();
        let Chosen { method, way, why } = finished.chosen;
        let suffix = match finished.packing {
            Packing::None => way.suffix.to_owned(),
            Packing::Zstd => format!("{}.zst", way.suffix),
        };
        let proven = finished.tables.is_some();
        let manifest = Manifest {
            version: manifest::VERSION,
            tool: concat!("techcare-db ", env!("CARGO_PKG_VERSION")).into(),
            run_id: self.run.clone(),
            purpose: self.order.purpose,
            engine: source.rules().dialect(),
            product: format!("{} {}", facts.flavour.title(), facts.version),
            method,
            method_why: why,
            program: way.program,
            database: self.order.database.clone(),
            started: finished.started,
            finished: Utc::now(),
            packing: finished.packing,
            bytes: finished.file.bytes,
            sha256: finished.file.sha256,
            unpacked_bytes: finished.plain.bytes,
            unpacked_sha256: finished.plain.sha256,
            verified: if proven { Verified::Content } else { Verified::Bytes },
            tables: finished.tables.unwrap_or_default(),
            writers_waited: finished.writers_waited,
        };
        let draft = names::manifest(&self.partial());
        self.write(&draft, &manifest)?;
        let name = self.claim(&draft, source.rules().dialect(), finished.started, &suffix)?;
        self.folder.sync()?;
        Ok(Backup { path: self.order.folder.join(&name), name, manifest })
    }

    fn write(&self, name: &str, manifest: &Manifest) -> Result<()> {
        use std::io::Write as _;
        let text = manifest.to_text().map_err(|e| Error::internal("a manifest cannot be written").why(e))?;
        let mut file = self.folder.create(name)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|e| trouble(&self.folder.file(name), &e))
    }

    /// Finds a free name and takes it.
    fn claim(&self, draft: &str, dialect: Dialect, started: DateTime<Utc>, suffix: &str) -> Result<String> {
        let local = started.with_timezone(&Local).naive_local();
        for later in 0..NAMES {
            let name = names::file(dialect, local + TimeDelta::seconds(later), suffix);
            let manifest = names::manifest(&name);
            if !self.folder.rename(draft, &manifest)? {
                continue;
            }
            let taken = self.folder.rename(&self.partial(), &name);
            if let Ok(true) = taken {
                return Ok(name);
            }
            // A file of that name without a manifest is somebody else's; and where no file comes, no manifest stays.
            self.folder.rename(&manifest, draft)?;
            taken?;
        }
        Err(Error::new(ErrorKind::Write, "all names for the backup are taken")
            .next("look at the folder of backups, and run again"))
    }

    /// Deletes what no rule keeps, of this database and of what was asked for only. What is damaged does not count.
    fn retain(&self, new: &Backup, _lock: &Lock) -> Result<Vec<PathBuf>> {
        if self.order.keep.is_everything() {
            return Ok(Vec::new());
        }
        let found = Shelf::of(self.folder)?;
        let counted: Vec<&Backup> = found
            .of_database(&self.order.database.id)
            .filter(|backup| backup.manifest.purpose == Purpose::Asked || backup.name == new.name)
            .collect();
        let made: Vec<DateTime<Utc>> = counted.iter().map(|backup| backup.made()).collect();
        let mut deleted = Vec::new();
        for (backup, stays) in counted.iter().zip(retention::stay(&made, self.order.keep)) {
            // The one that has just been verified is good whatever the clock says.
            if stays || backup.name == new.name {
                continue;
            }
            // First it gets the name of an unfinished one: whoever dies after that leaves a backup that the next run
            // finishes and deletes anew, or a file that it deletes, and never a manifest alone.
            let unfinished = shelf::partial(&backup.manifest.run_id);
            self.folder.rename(&backup.name, &unfinished)?;
            self.folder.remove(&names::manifest(&backup.name))?;
            self.folder.remove(&unfinished)?;
            deleted.push(self.order.folder.join(&backup.name));
        }
        self.folder.sync()?;
        Ok(deleted)
    }
}

/// An error of the file system, or the interruption that it came from.
fn failed(path: &std::path::Path, why: &std::io::Error, cancel: &CancellationToken) -> Error {
    if cancel.is_cancelled() {
        return interrupted();
    }
    trouble(path, why)
}

/// Tells the observer how far the copy is, now and then.
fn progress(observer: &Arc<dyn Observer>) -> Arc<dyn Fn(u64, u64) + Send + Sync> {
    let observer = observer.clone();
    let told = std::sync::Mutex::new(Instant::now());
    let mib = |bytes: u64| bytes >> 20;
    Arc::new(move |done, all| {
        let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.elapsed() < TELL_EVERY {
            return;
        }
        *told = Instant::now();
        let what = match all {
            0 => format!("{} MiB written", mib(done)),
            all => format!("{} of {} MiB copied", mib(done), mib(all)),
        };
        observer.event(&Event::Step { what });
    })
}
