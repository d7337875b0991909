//! What the environment says: the process's own variables and those of `.env`, each value knowing where it came
//! from. It is a value of its own, captured once, so that everything that depends on it can be tested without
//! touching the process. Every value is treated as a secret: half of them are.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind as IoKind;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::model::error::{Error, ErrorKind, Result};

/// Variables of the process and of the `.env` file.
#[derive(Clone, Default)]
pub struct Environment {
    real: BTreeMap<String, SecretString>,
    undecodable: BTreeSet<String>,
    file: BTreeMap<String, SecretString>,
    file_label: String,
    home: Option<PathBuf>,
}

/// The value of a variable and where it was found.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Value; never shown.
    pub value: SecretString,
    /// `DATABASE_URL`.
    pub name: String,
    /// `.env`, `the environment`.
    pub place: String,
}

impl Setting {
    /// The value in the clear, for reading it and nothing else.
    pub fn text(&self) -> &str {
        self.value.expose_secret()
    }

    /// `from DATABASE_URL in .env`.
    pub fn origin(&self) -> String {
        format!("from {} in {}", self.name, self.place)
    }
}

impl Environment {
    /// Variables and home directory of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os(), std::env::home_dir().filter(|home| !home.as_os_str().is_empty()))
    }

    /// Variables and home directory as given.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>, home: Option<PathBuf>) -> Self {
        let mut environment = Self { home, ..Self::default() };
        for (name, value) in vars {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    environment.real.insert(name, SecretString::from(value));
                }
                Err(_) => {
                    environment.undecodable.insert(name);
                }
            }
        }
        environment
    }

    /// The same with the variables of an `.env` file beneath the real ones. `required` is a file that the user
    /// named: it has to be there.
    pub fn with_file(mut self, path: &Path, label: &str, required: bool) -> Result<Self> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
                Error::new(ErrorKind::Usage, format!("{label} is not UTF-8 text"))
                    .next(format!("save {} as UTF-8", path.display()))
            })?,
            Err(e) if e.kind() == IoKind::NotFound && !required => return Ok(self),
            Err(e) => {
                return Err(Error::new(ErrorKind::Usage, format!("cannot read {}", path.display()))
                    .why(e)
                    .next("name a readable file with --env-file"));
            }
        };
        self.file = parse(&text, label)?;
        label.clone_into(&mut self.file_label);
        Ok(self)
    }

    /// Home directory.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// A variable that is set and not empty. The real environment wins, also by setting a variable to nothing.
    pub fn get(&self, name: &str) -> Result<Option<Setting>> {
        Ok(self.get_or_empty(name)?.filter(|setting| !setting.text().is_empty()))
    }

    /// A variable that is set, if only to nothing: an empty password is an answer.
    pub fn get_or_empty(&self, name: &str) -> Result<Option<Setting>> {
        if self.undecodable.contains(name) {
            return Err(Error::new(ErrorKind::Usage, format!("{name} in the environment is not UTF-8 text"))
                .next(format!("set {name} again in a UTF-8 locale")));
        }
        let found = |value: &SecretString, place: &str| Setting {
            value: value.clone(),
            name: name.to_owned(),
            place: place.to_owned(),
        };
        let real = self.real.get(name).map(|value| found(value, "the environment"));
        Ok(real.or_else(|| self.file.get(name).map(|value| found(value, &self.file_label))))
    }

    /// The first of these variables that is set and not empty.
    pub fn first(&self, names: &[String]) -> Result<Option<Setting>> {
        for name in names {
            if let Some(setting) = self.get(name)? {
                return Ok(Some(setting));
            }
        }
        Ok(None)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("real", &self.real.len())
            .field("file", &self.file.keys())
            .field("file_label", &self.file_label)
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

/// Reads the text of an `.env` file. dotenvy's own messages quote the line, which may hold a password; ours say
/// where it is.
fn parse(text: &str, label: &str) -> Result<BTreeMap<String, SecretString>> {
    let mut variables = BTreeMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let prepared = prepare(text);
    for item in dotenvy::from_read_iter(prepared.as_bytes()) {
        let (name, value) = item.map_err(|failure| {
            let place = match &failure {
                dotenvy::Error::LineParse(line, _) => line_number(&prepared, line),
                _ => None,
            };
            let place = place.map_or_else(String::new, |at| format!(", line {at}"));
            Error::new(ErrorKind::Usage, format!("cannot read {label}{place}: it is not NAME=value"))
                .next("put a value that holds blanks, quotes or # into single quotes")
        })?;
        variables.insert(name, SecretString::from(value));
    }
    Ok(variables)
}

fn line_number(text: &str, part: &str) -> Option<usize> {
    let part = part.lines().next().filter(|part| !part.trim().is_empty())?;
    text.lines().position(|line| line.contains(part)).map(|at| at + 1)
}

/// Where dotenvy reads a file otherwise than python-dotenv and systemd do, which these files are written for:
/// `$name` is text to them (`mysql://…/user$techcare` on PythonAnywhere), only `${NAME}` is replaced; and a
/// backslash that escapes nothing is a backslash (`sqlite:///C:\TechCare\app.db`).
fn prepare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut comment = false;
    let mut chars = text.chars().peekable();
    let mut before = '\n';
    while let Some(c) = chars.next() {
        match c {
            '\n' => comment = false,
            '#' if quote.is_none() && before.is_whitespace() => comment = true,
            _ if comment || quote == Some('\'') && c != '\'' => {}
            '\'' | '"' if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            '$' if chars.peek() != Some(&'{') => out.push('\\'),
            '\\' => {
                out.push('\\');
                match chars.peek() {
                    Some('n') if quote == Some('"') => {}
                    Some('\\' | '\'' | '"' | '$' | ' ') => {
                        // A pair that dotenvy knows: both go out as they are.
                        before = c;
                        if let Some(escaped) = chars.next() {
                            out.push(escaped);
                        }
                        continue;
                    }
                    _ => out.push('\\'),
                }
                before = c;
                continue;
            }
            _ => {}
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> String {
        let variables = parse(text, ".env").unwrap();
        variables[name].expose_secret().to_owned()
    }

    fn real(vars: &[(&str, &str)]) -> Environment {
        Environment::new(vars.iter().map(|(n, v)| (n.into(), v.into())), None)
    }

    #[test]
    fn values_are_read_as_python_dotenv_and_systemd_read_them() {
        for (line, expected) in [
            ("V=plain", "plain"),
            ("V='single quoted $x # y'", "single quoted $x # y"),
            ("V=\"double \\\"quoted\\\"\"", "double \"quoted\""),
            ("export V=exported", "exported"),
            ("V=mysql://ze:pw@h/ze$techcare", "mysql://ze:pw@h/ze$techcare"),
            ("V=sqlite:///C:\\TechCare\\new.db", "sqlite:///C:\\TechCare\\new.db"),
            ("V=\"C:\\TechCare\\app.db\"", "C:\\TechCare\\app.db"),
            ("V=a\\$b", "a$b"),
            ("V=pa#ss", "pa#ss"),
            ("V=word # don't", "word"),
            ("# it's a comment with $\nV=after", "after"),
            ("A=x\nV=${A}y", "xy"),
            ("V=", ""),
            ("\u{feff}V=bom", "bom"),
            ("V=crlf\r\nW=1\r\n", "crlf"),
        ] {
            assert_eq!(value(line, "V"), expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_not_shown() {
        let error = parse("A=1\nDB_PASSWORD=canary and more\n", ".env").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(error.what(), "cannot read .env, line 2: it is not NAME=value");
        assert!(!format!("{error:?}").contains("canary"));
    }

    #[test]
    fn the_real_environment_wins_even_with_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "A=file\nB=file\nC=file\n").unwrap();
        let environment = real(&[("A", "real"), ("B", "")]).with_file(&path, ".env", false).unwrap();
        let a = environment.get("A").unwrap().unwrap();
        assert_eq!((a.text(), a.origin().as_str()), ("real", "from A in the environment"));
        assert!(environment.get("B").unwrap().is_none());
        assert_eq!(environment.get_or_empty("B").unwrap().unwrap().text(), "");
        assert_eq!(environment.get("C").unwrap().unwrap().origin(), "from C in .env");
        assert!(environment.get("D").unwrap().is_none());
    }

    #[test]
    fn a_named_file_has_to_be_there() {
        let missing = Path::new("/nonexistent/.env");
        assert!(real(&[]).with_file(missing, ".env", false).is_ok());
        let error = real(&[]).with_file(missing, "x", true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    #[test]
    fn nothing_shows_a_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "A=canary\n").unwrap();
        let environment = real(&[("B", "canary")]).with_file(&path, ".env", true).unwrap();
        let shown = format!("{environment:?} {:?} {:?}", environment.get("A"), environment.get("B"));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_an_error_only_where_it_is_used() {
        use std::os::unix::ffi::OsStringExt;
        let broken = OsString::from_vec(vec![0xff]);
        let environment = Environment::new([("A".into(), broken), ("B".into(), "b".into())], None);
        assert_eq!(environment.get("A").unwrap_err().kind(), ErrorKind::Usage);
        assert!(environment.get("B").unwrap().is_some());
    }
}
