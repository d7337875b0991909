//! What the two streams are (terminals or not), how wide, and whether they get colours.

use std::io::{self, IsTerminal};

use super::args::ColorMode;
use super::config::Environment;

/// Facts about stdout and stderr.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// How stdout is written to.
    pub stdout: Style,
    /// How stderr is written to.
    pub stderr: Style,
    /// Whether a question can be asked and answered.
    pub can_ask: bool,
    /// Whether stderr is a terminal.
    pub stderr_is_terminal: bool,
}

impl Terminal {
    /// Of this process.
    pub fn of_process(color: ColorMode, environment: &Environment) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let width = out.then(|| comfy_table::Table::new().width()).flatten();
        Self {
            stdout: Style { color: colored(color, environment, out), width },
            stderr: Style { color: colored(color, environment, err), width: None },
            can_ask: io::stdin().is_terminal() && err,
            stderr_is_terminal: err,
        }
    }
}

/// The flag, then NO_COLOR, then CLICOLOR_FORCE, then CLICOLOR=0, then whether it is a terminal that has colours.
fn colored(mode: ColorMode, environment: &Environment, is_terminal: bool) -> bool {
    let set = |name: &str| environment.get(name).ok().flatten().map(|setting| setting.text().to_owned());
    match mode {
        ColorMode::Always => true,
        ColorMode::Never => false,
        ColorMode::Auto if set("NO_COLOR").is_some() => false,
        ColorMode::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        ColorMode::Auto => {
            is_terminal && set("CLICOLOR").as_deref() != Some("0") && set("TERM").as_deref() != Some("dumb")
        }
    }
}

/// How text is dressed: the same words with or without colours, cut to a width or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Whether to use colours.
    pub color: bool,
    /// Columns; `None` for as many as it takes.
    pub width: Option<u16>,
}

/// The few colours that there are, by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// As all text.
    Plain,
    /// Headings.
    Strong,
    /// Less important.
    Faint,
    /// Good.
    Good,
    /// To be looked at.
    Warning,
    /// Bad.
    Bad,
}

impl Style {
    /// Text in a colour.
    pub fn paint(self, ink: Ink, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Warning => "33",
            Ink::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_beat_variables_which_beat_the_terminal() {
        let with =
            |vars: &[(&str, &str)]| Environment::new(vars.iter().map(|(n, v)| (n.into(), v.into())), None);
        let none = with(&[]);
        assert!(colored(ColorMode::Auto, &none, true) && !colored(ColorMode::Auto, &none, false));
        assert!(colored(ColorMode::Always, &with(&[("NO_COLOR", "1")]), false));
        assert!(!colored(ColorMode::Auto, &with(&[("NO_COLOR", "1")]), true));
        assert!(colored(ColorMode::Auto, &with(&[("NO_COLOR", "")]), true));
        assert!(colored(ColorMode::Auto, &with(&[("CLICOLOR_FORCE", "1")]), false));
        assert!(!colored(ColorMode::Never, &with(&[("CLICOLOR_FORCE", "1")]), true));
        assert!(!colored(ColorMode::Auto, &with(&[("TERM", "dumb")]), true));
    }

    #[test]
    fn plain_text_stays_plain() {
        assert_eq!(Style::default().paint(Ink::Bad, "x"), "x");
        assert_eq!(Style { color: true, width: None }.paint(Ink::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }
}
