//! Settings of a server or file: how they stand, what is advised and why, and what a run has changed. What is advised
//! for an engine is decided by pure functions in its folder.

use serde::{Deserialize, Serialize};

/// One mebibyte.
pub const MIB: u64 = 1 << 20;

/// One gibibyte.
pub const GIB: u64 = 1 << 30;

/// What advice depends on beside the settings themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Memory of the server's machine in bytes, where it is known.
    pub memory: Option<u64>,
    /// Bytes that the databases of the server hold, as far as this login sees them.
    pub size: u64,
    /// Whether somebody has said that they lie on a solid-state disk.
    pub ssd: bool,
}

/// How a setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Nothing to do.
    Well,
    /// Another value would serve better.
    Change,
    /// Rows that were confirmed may be lost at a power cut.
    Unsafe,
    /// What to set depends on the memory, which is not known.
    MemoryUnknown,
    /// It has been set and waits for a restart.
    WaitsForRestart,
    /// Each connection of the application sets it; no file and no server keeps it.
    Application,
}

/// When a change is felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// At once, or as soon as the server has read its configuration again.
    AtOnce,
    /// By connections that are made afterwards.
    NewConnections,
    /// By databases that are made afterwards.
    NewDatabases,
    /// When the server has been restarted.
    Restart,
}

impl Effect {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::AtOnce => "at once",
            Self::NewConnections => "new connections",
            Self::NewDatabases => "new databases",
            Self::Restart => "on restart",
        }
    }
}

/// One setting, and what is advised about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Name of the setting.
    pub setting: String,
    /// How it stands.
    pub stand: Stand,
    /// Present value, as the server shows it.
    pub now: Option<String>,
    /// What to set.
    pub advised: Option<String>,
    /// Why.
    pub why: String,
    /// The server's own documentation.
    pub source: String,
    /// When a change is felt.
    pub takes_effect: Option<Effect>,
    /// The statement or line that sets it by hand.
    pub by_hand: Option<String>,
    /// Why this program cannot set it.
    pub not_settable: Option<String>,
}

impl Advice {
    /// A setting with nothing to do about it.
    pub fn well(setting: &str, now: impl Into<String>, why: impl Into<String>, source: String) -> Self {
        Self {
            setting: setting.to_owned(),
            stand: Stand::Well,
            now: Some(now.into()),
            advised: None,
            why: why.into(),
            source,
            takes_effect: None,
            by_hand: None,
            not_settable: None,
        }
    }

    /// The same with how it stands.
    #[must_use]
    pub fn stands(self, stand: Stand) -> Self {
        Self { stand, ..self }
    }

    /// The same with what to set.
    #[must_use]
    pub fn advise(self, stand: Stand, value: impl Into<String>, effect: Effect) -> Self {
        Self { stand, advised: Some(value.into()), takes_effect: Some(effect), ..self }
    }

    /// It has been set already: what is kept counts from the next start of the server.
    pub fn wait_for_restart(&mut self) {
        self.stand = Stand::WaitsForRestart;
        self.advised = None;
        self.by_hand = None;
        self.not_settable = None;
        self.takes_effect = Some(Effect::Restart);
        "the server keeps another value already; it counts when the server has been restarted"
            .clone_into(&mut self.why);
    }

    /// The value that this program can set.
    pub fn settable(&self) -> Option<&str> {
        let wanted = matches!(self.stand, Stand::Change | Stand::Unsafe) && self.not_settable.is_none();
        self.advised.as_deref().filter(|_| wanted)
    }

    /// Whether somebody should look at it.
    pub fn is_finding(&self) -> bool {
        matches!(self.stand, Stand::Change | Stand::Unsafe | Stand::WaitsForRestart)
    }
}

/// A setting as it is found, for the way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Name of the setting.
    pub setting: String,
    /// The value that counts at this moment.
    pub value: String,
    /// What the server keeps of it for its next start.
    pub kept: Kept,
}

/// What a server has written down of a setting by itself, beside the configuration files that people write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// It has no place for that.
    Nowhere,
    /// Nothing.
    Unset,
    /// This value.
    As(String),
}

/// One setting that a run has changed, or was about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// As it was.
    pub before: Standing,
    /// What it was to be set to; `None` for one that another setting took along.
    pub to: Option<String>,
    /// When a change of it is felt.
    pub takes_effect: Effect,
    /// As it was afterwards; `None` if it was never set, or nobody knows.
    pub after: Option<Standing>,
}

/// What the way back does with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// It is as it was before.
    Already,
    /// It is as the run has left it: put it back.
    PutBack,
    /// Somebody has changed it since: it is left alone.
    ChangedSince,
}

impl Changed {
    /// What to do with it, found as `now`.
    pub fn way_back(&self, now: &Standing) -> WayBack {
        let ours = match (&self.after, &self.to, &now.kept) {
            (Some(after), ..) => after.is_as(now),
            (None, Some(to), Kept::As(kept)) => kept == to,
            (None, Some(to), Kept::Nowhere) => now.value == *to,
            _ => false,
        };
        match (self.before.is_as(now), ours) {
            (true, _) => WayBack::Already,
            (false, true) => WayBack::PutBack,
            (false, false) => WayBack::ChangedSince,
        }
    }
}

impl Standing {
    /// Whether it stands the same. What is kept decides: the value in use may wait for a restart.
    fn is_as(&self, now: &Self) -> bool {
        self.kept == now.kept && (matches!(self.kept, Kept::As(_)) || self.value == now.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(value: &str, kept: Kept) -> Standing {
        Standing { setting: "work_mem".into(), value: value.into(), kept }
    }

    fn changed(before: Standing, to: Option<&str>, after: Option<Standing>) -> Changed {
        Changed { before, to: to.map(str::to_owned), takes_effect: Effect::AtOnce, after }
    }

    #[test]
    fn what_somebody_else_has_changed_since_is_left_alone() {
        let kept = |value: &str| Kept::As(value.to_owned());
        let done = changed(standing("4MB", Kept::Unset), Some("16MB"), Some(standing("16MB", kept("16MB"))));
        for (now, expected) in [
            (standing("16MB", kept("16MB")), WayBack::PutBack),
            // It waits for a restart.
            (standing("4MB", kept("16MB")), WayBack::PutBack),
            (standing("4MB", Kept::Unset), WayBack::Already),
            (standing("8MB", kept("8MB")), WayBack::ChangedSince),
        ] {
            assert_eq!(done.way_back(&now), expected, "{now:?}");
        }
    }

    #[test]
    fn a_run_that_was_cut_short_is_judged_by_what_it_meant_to_set() {
        let meant = changed(standing("4MB", Kept::Unset), Some("16MB"), None);
        assert_eq!(meant.way_back(&standing("4MB", Kept::Unset)), WayBack::Already);
        assert_eq!(meant.way_back(&standing("4MB", Kept::As("16MB".into()))), WayBack::PutBack);
        assert_eq!(meant.way_back(&standing("4MB", Kept::As("8MB".into()))), WayBack::ChangedSince);
        let unkept = changed(standing("1", Kept::Nowhere), Some("2"), None);
        assert_eq!(unkept.way_back(&standing("1", Kept::Nowhere)), WayBack::Already);
        assert_eq!(unkept.way_back(&standing("2", Kept::Nowhere)), WayBack::PutBack);
        assert_eq!(unkept.way_back(&standing("3", Kept::Nowhere)), WayBack::ChangedSince);
    }

    /// `character_set_server` of MySQL takes `collation_server` along, of which nothing is kept either way.
    #[test]
    fn a_setting_that_was_taken_along_is_put_back_by_its_value() {
        let done = changed(
            standing("latin1_swedish_ci", Kept::Unset),
            None,
            Some(standing("utf8mb4_0900_ai_ci", Kept::Unset)),
        );
        assert_eq!(done.way_back(&standing("utf8mb4_0900_ai_ci", Kept::Unset)), WayBack::PutBack);
        assert_eq!(done.way_back(&standing("latin1_swedish_ci", Kept::Unset)), WayBack::Already);
    }
}
