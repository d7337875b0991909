//! The user's word for a step that takes something out of use. Whoever types it is asked once, with everything named.

use std::fmt;
use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};

/// Asks, and answers `Ok` for yes.
pub type Question = Arc<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// How it is asked for.
#[derive(Clone)]
pub enum Consent {
    /// It was given beforehand (`--yes`).
    Given,
    /// Nobody is there to be asked.
    Missing,
    /// By a question; `Ok` means yes.
    Ask(Question),
}

impl Consent {
    /// Asks. `Refused` if the answer is no, or if nobody can be asked.
    pub fn to(&self, question: &str) -> Result<()> {
        match self {
            Self::Given => Ok(()),
            Self::Ask(ask) => ask(question),
            Self::Missing => {
                Err(Error::new(ErrorKind::Refused, format!("nobody is here to be asked: {question}"))
                    .next("nothing was changed; run it with --yes if that is what you want"))
            }
        }
    }
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "Given",
            Self::Missing => "Missing",
            Self::Ask(_) => "Ask",
        })
    }
}
