//! A server or file whose settings can be read and changed.

use async_trait::async_trait;

use super::Facts;
use crate::model::error::Result;
use crate::model::tune::{Advice, Circumstances, Effect, Standing};

/// A server or file that is to be tuned, as it was when it was opened.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Facts about the database that was named.
    pub facts: Facts,
    /// What makes the server the same one through another of its databases.
    pub identity: String,
    /// Bytes that its databases hold, as far as this login sees them.
    pub size: u64,
    /// Whether the advice depends on the memory of the machine.
    pub needs_memory: bool,
    /// Whether what was set outlives a restart; else somebody has to write it into a configuration file.
    pub outlives_restart: bool,
}

/// An open server or file, for `tune`. Nothing but [`Tunable::set`] and [`Tunable::put_back`] changes anything.
#[async_trait]
pub trait Tunable: Send {
    /// What it is.
    fn subject(&self) -> &Subject;

    /// How the settings stand that matter, and what is advised.
    async fn advice(&mut self, circumstances: &Circumstances) -> Result<Vec<Advice>>;

    /// How settings stand that a change of this one changes, itself first, in the order in which they are put back.
    /// `Permission` where this login could not change them, or could not put them back.
    async fn standing(&mut self, setting: &str) -> Result<Vec<Standing>>;

    /// Sets.
    async fn set(&mut self, setting: &str, value: &str, effect: Effect) -> Result<()>;

    /// Puts a setting back exactly, what is kept of it included.
    async fn put_back(&mut self, was: &Standing, effect: Effect) -> Result<()>;

    /// Lets the server know that settings were changed, and waits until it does.
    async fn reload(&mut self) -> Result<()> {
        Ok(())
    }

    /// What an administrator has to do so that this login may change these settings.
    fn grant(&self, settings: &[&str]) -> String;

    /// Closes the connection.
    async fn close(self: Box<Self>);
}
