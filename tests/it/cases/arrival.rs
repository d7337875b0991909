//! A small database, migrated, with what the report says about it.

use serde_json::Value;

use crate::support::binary::{self, Ran};
use crate::support::database::{Db, Engine};

/// Both databases after a migration.
pub struct Arrived {
    pub source: Db,
    pub target: Db,
    pub ran: Ran,
}

impl Arrived {
    /// Findings with a code.
    pub fn findings(&self, code: &str) -> Vec<Value> {
        let all = self.ran.json()["findings"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|finding| finding["code"] == code).collect()
    }

    /// Fails unless the data is there.
    pub fn done(self) -> Self {
        assert!(self.ran.code <= 1, "{:?} → {:?}: {}", self.source.engine, self.target.engine, self.ran);
        self
    }

    /// Fails unless everything is there, with nothing left behind.
    pub fn whole(self) -> Self {
        assert_eq!(self.ran.code, 0, "{:?} → {:?}: {}", self.source.engine, self.target.engine, self.ran);
        self
    }

    /// Fails unless the plan stopped it, naming these, with nothing made.
    pub fn refused(self, named: &[&str]) -> Self {
        assert_eq!(self.ran.code, 4, "{:?} → {:?}: {}", self.source.engine, self.target.engine, self.ran);
        let json = self.ran.json();
        let findings = json["findings"].as_array().unwrap();
        assert!(findings.iter().any(|f| f["severity"] == "blocker"), "not known beforehand: {}", self.ran);
        for name in named {
            assert!(self.ran.stdout.contains(name), "{name:?} is not named: {}", self.ran);
        }
        crate::bad_input::untouched(&self.target);
        self
    }
}

/// Migrates what a script makes.
pub fn migrate(from: Engine, sql: &str, to: Engine) -> Arrived {
    let source = Db::fresh(from);
    source.execute(sql);
    onward(source, to)
}

/// Migrates a database.
pub fn onward(source: Db, to: Engine) -> Arrived {
    let target = Db::fresh(to);
    let ran = binary::migrate(&source.url, &target.url, &[]);
    Arrived { source, target, ran }
}
