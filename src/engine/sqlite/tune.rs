//! What a SQLite file keeps of its settings, which is how its journal is written, and what each connection of the
//! application has to ask for.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::file::{self, Access, failure};
use super::traces::Traces;
use crate::engine::blocking;
use crate::engine::capability::{Subject, Tunable};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::tune::{Advice, Circumstances, Effect, Kept, Stand, Standing};

/// The only setting that `tune` sets in a file.
const JOURNAL: &str = "journal_mode";

/// File systems of other machines, by their magic numbers (statfs(2)): NFS, SMB and CIFS, CODA, 9P, AFS, Ceph.
const REMOTE: [u32; 8] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x7375_7245, 0x0102_1997, 0x5346_414f, 0x00c3_6400];

/// Opens.
pub async fn tunable(path: &Path) -> Result<Box<dyn Tunable>> {
    let path = path.to_owned();
    blocking::run(move || {
        let real = file::existing(&path)?;
        let traces = Traces::of(&real);
        let facts = file::facts(&file::open(&real, Access::Read)?, &real)?;
        let subject = Subject {
            identity: format!("sqlite:{}", real.display()),
            size: facts.size.unwrap_or(0),
            facts,
            needs_memory: false,
            outlives_restart: true,
        };
        Ok(Box::new(Settings { remote: is_remote(&real), real, subject, _traces: traces })
            as Box<dyn Tunable>)
    })
    .await
}

struct Settings {
    real: PathBuf,
    subject: Subject,
    remote: bool,
    _traces: Traces,
}

/// Whether the file lies on another machine. What cannot be asked is taken for this one.
fn is_remote(real: &Path) -> bool {
    let Ok(stat) = rustix::fs::statfs(real) else { return false };
    REMOTE.iter().any(|magic| i128::from(stat.f_type) & 0xffff_ffff == i128::from(*magic))
}

impl Settings {
    async fn journal_mode(&self) -> Result<String> {
        let real = self.real.clone();
        blocking::run(move || {
            let failed =
                |e: rusqlite::Error| failure(ErrorKind::Read, "cannot read the file's journal mode", &e);
            let open = file::open(&real, Access::Read)?;
            open.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)
        })
        .await
    }

    async fn write(&self, mode: &str) -> Result<()> {
        let (real, mode) = (self.real.clone(), mode.to_owned());
        blocking::run(move || {
            let what = format!("cannot set the journal mode of {}", real.display());
            file::writable(&real)?;
            let open = file::open(&real, Access::Write)?;
            let sql = format!("PRAGMA journal_mode = {mode}");
            let became: String = open
                .query_row(&sql, [], |row| row.get(0))
                .map_err(|e| failure(ErrorKind::Write, &what, &e))?;
            if became.eq_ignore_ascii_case(&mode) {
                Ok(())
            } else {
                Err(Error::new(ErrorKind::Value, what).why(format!("it stays {became}")))
            }
        })
        .await
    }
}

#[async_trait]
impl Tunable for Settings {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    async fn advice(&mut self, _circumstances: &Circumstances) -> Result<Vec<Advice>> {
        Ok(advise(&self.journal_mode().await?, self.remote))
    }

    async fn standing(&mut self, setting: &str) -> Result<Vec<Standing>> {
        let value = self.journal_mode().await?;
        Ok(vec![Standing { setting: setting.to_owned(), value, kept: Kept::Nowhere }])
    }

    async fn set(&mut self, _setting: &str, value: &str, _effect: Effect) -> Result<()> {
        self.write(value).await
    }

    async fn put_back(&mut self, was: &Standing, _effect: Effect) -> Result<()> {
        self.write(&was.value).await
    }

    fn grant(&self, _settings: &[&str]) -> String {
        "run this as the user that the file and its folder belong to".into()
    }

    async fn close(self: Box<Self>) {}
}

/// What is advised. Pure.
fn advise(journal_mode: &str, remote: bool) -> Vec<Advice> {
    let pragma = |name: &str| format!("https://www.sqlite.org/pragma.html#pragma_{name}");
    let journal =
        |why: &str| Advice::well(JOURNAL, journal_mode, why, "https://www.sqlite.org/wal.html".into());
    let journal = if journal_mode.eq_ignore_ascii_case("wal") {
        if remote {
            let why = "the file lies on another machine, and a write-ahead log does not work over a network";
            Advice {
                by_hand: Some("PRAGMA journal_mode = delete".into()),
                ..journal(why).advise(Stand::Unsafe, "delete", Effect::AtOnce)
            }
        } else {
            journal("readers and the writer do not wait for each other")
        }
    } else if remote {
        journal("the file lies on another machine, where a write-ahead log does not work")
    } else {
        let why = "with a write-ahead log readers and the writer do not wait for each other; a copy of the file alone \
                   then lacks what is in FILE-wal, which backup minds";
        Advice {
            by_hand: Some("PRAGMA journal_mode = wal".into()),
            ..journal(why).advise(Stand::Change, "wal", Effect::AtOnce)
        }
    };
    let application = |name: &str, value: &str, why: &str| Advice {
        setting: name.into(),
        stand: Stand::Application,
        now: None,
        advised: Some(value.into()),
        why: why.into(),
        source: pragma(name),
        takes_effect: Some(Effect::NewConnections),
        by_hand: Some(format!("PRAGMA {name} = {value}")),
        not_settable: Some("the file does not keep it: each connection asks for it".into()),
    };
    vec![
        journal,
        application("foreign_keys", "ON", "SQLite checks references only for connections that ask for it"),
        application(
            "synchronous",
            "FULL",
            "the default: with NORMAL and a write-ahead log, rows that were confirmed are lost at a power cut",
        ),
        application(
            "busy_timeout",
            "10000",
            "a second writer waits for the first instead of failing at once",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ahead_log_is_advised_where_it_works() {
        let journal = |mode: &str, remote| {
            let all = advise(mode, remote);
            (all[0].stand, all[0].advised.clone())
        };
        assert_eq!(journal("delete", false), (Stand::Change, Some("wal".into())));
        assert_eq!(journal("wal", false), (Stand::Well, None));
        assert_eq!(journal("delete", true), (Stand::Well, None));
        assert_eq!(journal("wal", true), (Stand::Unsafe, Some("delete".into())));
    }

    #[test]
    fn what_no_file_keeps_is_for_the_application_and_never_weakens_it() {
        let all = advise("wal", false);
        assert!(all[1..].iter().all(|a| a.stand == Stand::Application && a.settable().is_none()));
        let synchronous = all.iter().find(|a| a.setting == "synchronous").unwrap();
        assert_eq!(synchronous.advised.as_deref(), Some("FULL"));
    }
}
