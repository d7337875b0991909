//! What becomes of settings when a server fails on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::engine::capability::Facts;
use crate::model::endpoint::{Flavour, Location};
use crate::model::tune::{Kept, Stand};

/// A server with three settings, each `old`; it is asked for `new`, and fails as it is told.
struct Fake {
    subject: Subject,
    values: BTreeMap<&'static str, String>,
    lost_at: Option<&'static str>,
    refuses: Vec<&'static str>,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn fake() -> Fake {
    Fake {
        subject: Subject {
            facts: Facts {
                flavour: Flavour::Postgres,
                version: "15.18".into(),
                version_number: (15, 18, 0),
                encoding: "UTF8".into(),
                collation: "C".into(),
                time_zone: None,
                size: None,
                identity: "postgresql:1/2/public".into(),
                latency: Duration::ZERO,
                collations: Vec::new(),
                sequences: Vec::new(),
                max_value_bytes: None,
                case_sensitive_names: true,
                unique_parents: false,
                namespace: "public".into(),
            },
            identity: "postgresql:1".into(),
            size: 0,
            needs_memory: false,
            outlives_restart: true,
        },
        values: NAMES.map(|name| (name, "old".to_owned())).into(),
        lost_at: None,
        refuses: Vec::new(),
    }
}

impl Fake {
    fn write(&mut self, setting: &str, value: &str) -> Result<()> {
        if self.lost_at == Some(setting) {
            return Err(Error::new(ErrorKind::Lost, "the connection was lost"));
        }
        if self.refuses.contains(&setting) {
            return Err(Error::new(ErrorKind::Permission, "cannot set it").why("permission denied"));
        }
        let name = NAMES.iter().find(|name| **name == setting).unwrap();
        self.values.insert(name, value.to_owned());
        Ok(())
    }

    fn values(&self) -> Vec<&str> {
        self.values.values().map(String::as_str).collect()
    }
}

#[async_trait]
impl Tunable for Fake {
    fn subject(&self) -> &Subject {
        &self.subject
    }

    async fn advice(&mut self, _circumstances: &Circumstances) -> Result<Vec<Advice>> {
        let advice = self.values.iter().map(|(name, value)| {
            let well = Advice::well(name, value, "why", String::new());
            if value == "old" { well.advise(Stand::Change, "new", Effect::AtOnce) } else { well }
        });
        Ok(advice.collect())
    }

    async fn standing(&mut self, setting: &str) -> Result<Vec<Standing>> {
        let value = self.values[setting].clone();
        Ok(vec![Standing { setting: setting.to_owned(), value, kept: Kept::Nowhere }])
    }

    async fn set(&mut self, setting: &str, value: &str, _effect: Effect) -> Result<()> {
        self.write(setting, value)
    }

    async fn put_back(&mut self, was: &Standing, _effect: Effect) -> Result<()> {
        self.write(&was.setting, &was.value)
    }

    fn grant(&self, settings: &[&str]) -> String {
        format!("GRANT {}", settings.join(", "))
    }

    async fn close(self: Box<Self>) {}
}

fn options(folder: &tempfile::TempDir, step: Step) -> Options {
    Options {
        endpoint: Endpoint::new(Location::File("/nowhere".into()), "from a test"),
        memory: None,
        ssd: false,
        step,
        folder: folder.path().join("tune"),
        consent: Consent::Given,
    }
}

#[tokio::test]
async fn what_was_set_before_the_connection_was_lost_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Fake { lost_at: Some("c"), ..fake() };
    let error = on_server(&options(&folder, Step::Apply), &mut server).await.unwrap_err();
    assert_eq!((error.kind(), server.values()), (ErrorKind::Lost, vec!["new", "new", "old"]));
    assert!(error.advice().unwrap().contains("--undo"), "{error:?}");
    server.lost_at = None;
    let report = on_server(&options(&folder, Step::Undo), &mut server).await.unwrap();
    let outcomes: Vec<_> = report.done.iter().map(|done| done.outcome).collect();
    assert_eq!(outcomes, [Outcome::PutBack, Outcome::PutBack, Outcome::AsBefore]);
    assert_eq!(server.values(), ["old", "old", "old"]);
    assert!(!report.has_findings());
}

/// The way back that is cut short is gone on with.
#[tokio::test]
async fn a_way_back_that_was_cut_short_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = fake();
    on_server(&options(&folder, Step::Apply), &mut server).await.unwrap();
    server.lost_at = Some("b");
    let error = on_server(&options(&folder, Step::Undo), &mut server).await.unwrap_err();
    assert_eq!((error.kind(), server.values()), (ErrorKind::Lost, vec!["old", "new", "new"]));
    server.lost_at = None;
    let report = on_server(&options(&folder, Step::Undo), &mut server).await.unwrap();
    assert_eq!(server.values(), ["old", "old", "old"]);
    assert_eq!(report.done[0].outcome, Outcome::AsBefore);
    let error = on_server(&options(&folder, Step::Undo), &mut server).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn what_is_refused_is_named_and_the_others_are_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Fake { refuses: vec!["b"], ..fake() };
    let report = on_server(&options(&folder, Step::Apply), &mut server).await.unwrap();
    assert_eq!(server.values(), ["new", "old", "new"]);
    assert!(report.refusal.is_none() && report.has_findings());
    // Somebody may not put back all of it either; whoever may can go on.
    server.refuses = vec!["a"];
    let report = on_server(&options(&folder, Step::Undo), &mut server).await.unwrap();
    assert_eq!(server.values(), ["new", "old", "old"]);
    assert!(report.has_findings());
    server.refuses.clear();
    on_server(&options(&folder, Step::Undo), &mut server).await.unwrap();
    assert_eq!(server.values(), ["old", "old", "old"]);
}

#[tokio::test]
async fn where_all_is_refused_nothing_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Fake { refuses: NAMES.to_vec(), ..fake() };
    let report = on_server(&options(&folder, Step::Apply), &mut server).await.unwrap();
    let refusal = report.refusal.unwrap();
    assert_eq!((refusal.kind(), refusal.advice()), (ErrorKind::Permission, Some("GRANT a, b, c")));
    assert!(refusal.what().contains("a, b, c") && refusal.reason() == Some("permission denied"));
    assert_eq!(Tunings::new(folder.path().join("tune")).newest("postgresql:1").unwrap(), None);
    // Nor without a word for it.
    let unasked = Options { consent: Consent::Missing, ..options(&folder, Step::Apply) };
    let mut server = fake();
    let error = on_server(&unasked, &mut server).await.unwrap_err();
    assert_eq!((error.kind(), server.values()), (ErrorKind::Refused, vec!["old", "old", "old"]));
}
