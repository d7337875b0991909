//! `techcare-db.toml`: named databases, pool settings, policies and rules. Unknown keys are refused, so that a slip of the pen
//! doesn't pass for a setting.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use crate::model::endpoint::PoolSettings;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::policy::{Decision, Policy};
use crate::model::rule::{ColumnRule, TableRule};

/// What the file says; empty if there is none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// `[databases.NAME]`: what `@NAME` stands for.
    pub databases: BTreeMap<String, DatabaseEntry>,
    /// `[pool]`: pool settings of every database that has none of its own.
    pub pool: PoolEntry,
    /// `[[policies]]`: what was decided about findings.
    #[serde(rename = "policies")]
    policy_entries: Vec<PolicyEntry>,
    /// The same, checked.
    #[serde(skip)]
    pub policies: Vec<Policy>,
    /// `[[rules]]`: what arrives under another name or type, and what does not.
    #[serde(rename = "rules")]
    rule_entries: Vec<RuleEntry>,
    /// The same, checked.
    #[serde(skip)]
    pub rules: Vec<TableRule>,
}

/// One policy.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyEntry {
    code: String,
    table: Option<String>,
    column: Option<String>,
    decision: String,
}

impl PolicyEntry {
    fn checked(&self) -> std::result::Result<Policy, String> {
        let decision = Decision::parse(&self.decision)?;
        Policy::new(&self.code, self.table.clone(), self.column.clone(), decision)
    }
}

/// What is done to one table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    table: String,
    rename: Option<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    columns: BTreeMap<String, ColumnEntry>,
}

/// What is done to one column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    rename: Option<String>,
    #[serde(rename = "type")]
    native_type: Option<String>,
}

impl RuleEntry {
    fn checked(self) -> std::result::Result<TableRule, String> {
        let table = self.table;
        if let Some(both) = self.exclude.iter().find(|name| self.columns.contains_key(*name)) {
            return Err(format!("column {both:?} of table {table:?} is left behind and changed at once"));
        }
        let columns = self.columns.into_iter();
        let columns = columns
            .map(|(name, entry)| (name, ColumnRule { rename: entry.rename, native_type: entry.native_type }));
        Ok(TableRule {
            rename: self.rename,
            condition: self.condition,
            exclude: self.exclude,
            columns: columns.collect(),
            table,
        })
    }
}

/// The rules, of which each table may have one.
fn rules(entries: Vec<RuleEntry>) -> std::result::Result<Vec<TableRule>, String> {
    let mut rules: Vec<TableRule> = Vec::with_capacity(entries.len());
    for entry in entries {
        let rule = entry.checked()?;
        if rules.iter().any(|other| other.table == rule.table) {
            return Err(format!("table {:?} has two rules; put them into one", rule.table));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// One named database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseEntry {
    /// Its URL.
    #[serde(deserialize_with = "secret")]
    pub url: SecretString,
    /// File that holds its password.
    pub password_file: Option<PathBuf>,
    /// Variable that holds its password.
    pub password_env: Option<String>,
    /// Most connections.
    pub max_connections: Option<u32>,
    /// Seconds after which a connection is replaced.
    pub recycle: Option<u64>,
    /// Whether a connection is checked before it is used.
    pub pre_ping: Option<bool>,
    /// Seconds to wait for a connection.
    pub connect_timeout: Option<u64>,
}

/// Pool settings; whatever is missing keeps its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolEntry {
    /// Most connections.
    pub max_connections: Option<u32>,
    /// Seconds after which a connection is replaced.
    pub recycle: Option<u64>,
    /// Whether a connection is checked before it is used.
    pub pre_ping: Option<bool>,
    /// Seconds to wait for a connection.
    pub connect_timeout: Option<u64>,
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<SecretString, D::Error> {
    String::deserialize(from).map(SecretString::from)
}

impl DatabaseEntry {
    /// Its pool settings.
    pub fn pool(&self) -> PoolEntry {
        PoolEntry {
            max_connections: self.max_connections,
            recycle: self.recycle,
            pre_ping: self.pre_ping,
            connect_timeout: self.connect_timeout,
        }
    }
}

impl PoolEntry {
    /// Puts what is set here over other settings.
    pub fn over(&self, beneath: PoolSettings) -> PoolSettings {
        PoolSettings {
            max_connections: self.max_connections.unwrap_or(beneath.max_connections),
            recycle: self.recycle.map_or(beneath.recycle, Duration::from_secs),
            pre_ping: self.pre_ping.unwrap_or(beneath.pre_ping),
            connect_timeout: self.connect_timeout.map_or(beneath.connect_timeout, Duration::from_secs),
        }
    }

    fn check(&self, place: &str) -> Result<()> {
        let zero = |key: &str| {
            Error::new(ErrorKind::Usage, format!("{key} in {place} is 0")).next("use a number above 0")
        };
        match self {
            Self { max_connections: Some(0), .. } => Err(zero("max_connections")),
            Self { connect_timeout: Some(0), .. } => Err(zero("connect_timeout")),
            _ => Ok(()),
        }
    }
}

impl ConfigFile {
    /// Reads the file. `required` is one that the user named: it has to be there.
    pub fn read(path: &Path, required: bool) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => return Ok(Self::default()),
            Err(e) => {
                return Err(Error::new(ErrorKind::Usage, format!("cannot read {}", path.display()))
                    .why(e)
                    .next("name a readable file with --config"));
            }
        };
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads its text. The parser's own message quotes the line, which may hold a password: only what it says
    /// about it is kept.
    fn parse(text: &str, label: &str) -> Result<Self> {
        let mut file: Self = toml::from_str(text).map_err(|failure| {
            let line =
                failure.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = line.map_or_else(String::new, |line| format!(", line {line}"));
            Error::new(ErrorKind::Usage, format!("cannot read {label}{line}"))
                .why(without_values(failure.message()))
                .next("docs/configuration.md lists the settings")
        })?;
        file.pool.check(&format!("[pool] of {label}"))?;
        for (name, entry) in &file.databases {
            entry.pool().check(&format!("[databases.{name}] of {label}"))?;
            if entry.password_file.is_some() && entry.password_env.is_some() {
                return Err(Error::new(
                    ErrorKind::Usage,
                    format!("[databases.{name}] of {label} names both password_file and password_env"),
                )
                .next("keep one of them"));
            }
        }
        let policies =
            file.policy_entries.iter().map(PolicyEntry::checked).collect::<std::result::Result<_, _>>();
        file.policies = policies.map_err(|why| {
            Error::new(ErrorKind::Usage, format!("a policy in {label} makes no sense"))
                .why(why)
                .next("docs/findings/README.md lists the codes and the decisions that each takes")
        })?;
        file.rules = rules(std::mem::take(&mut file.rule_entries)).map_err(|why| {
            Error::new(ErrorKind::Usage, format!("a rule in {label} makes no sense"))
                .why(why)
                .next("docs/configuration.md shows what a rule can say")
        })?;
        Ok(file)
    }
}

/// `invalid type: string "hunter2", expected u32` without what stood in the file.
fn without_values(message: &str) -> String {
    match message.split_once("string \"").and_then(|(head, tail)| Some((head, tail.rsplit_once("\", ")?.1))) {
        Some((head, tail)) => format!("{head}string, {tail}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn named_databases_and_pools() {
        let file = ConfigFile::parse(
            r#"
            [pool]
            max_connections = 4

            [databases.production]
            url = "postgresql://techcare@db/techcare"
            password_file = "secrets/db"
            recycle = 60
            pre_ping = false
            connect_timeout = 3
            "#,
            "techcare-db.toml",
        )
        .unwrap();
        let entry = &file.databases["production"];
        assert_eq!(entry.url.expose_secret(), "postgresql://techcare@db/techcare");
        let pool = entry.pool().over(file.pool.over(PoolSettings::default()));
        assert_eq!((pool.max_connections, pool.pre_ping), (4, false));
        assert_eq!((pool.recycle, pool.connect_timeout), (Duration::from_secs(60), Duration::from_secs(3)));
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let error =
            ConfigFile::parse("[databases.a]\nurl = \"x\"\npasword_file = \"y\"\n", "t.toml").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(error.what(), "cannot read t.toml, line 3");
        assert!(error.reason().unwrap().contains("unknown field `pasword_file`"), "{error}");
        assert!(ConfigFile::parse("[rules]\n", "t.toml").is_err());
        assert!(ConfigFile::parse("[databases.a]\nmax_connections = 1\n", "t.toml").is_err());
        assert!(ConfigFile::parse("[pool]\nmax_connections = 0\n", "t.toml").is_err());
        let both = "[databases.a]\nurl = \"x\"\npassword_file = \"f\"\npassword_env = \"E\"\n";
        assert!(ConfigFile::parse(both, "t.toml").is_err());
    }

    #[test]
    fn policies_are_checked() {
        let policies =
            |text: &str| ConfigFile::parse(&format!("[[policies]]\n{text}"), "t.toml").map(|f| f.policies);
        let read = policies("code = 'unique_looser'\ntable = 'users'\ndecision = 'accept'").unwrap();
        assert_eq!(read, [Policy::parse_accept("unique_looser@users").unwrap()]);
        for (text, says) in [
            ("code = 'unique_loser'\ndecision = 'accept'", "the codes are unsupported_type"),
            ("code = 'unique_looser'\ndecision = 'agree'", "use stop, reject, convert or accept"),
            ("code = 'unique_looser'\ncolumn = 'c'\ndecision = 'accept'", "without its table"),
            ("code = 'unique_looser'\nkolumn = 'c'\ndecision = 'accept'", "unknown field `kolumn`"),
        ] {
            let error = policies(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.reason().unwrap().contains(says), "{error}");
        }
    }

    #[test]
    fn rules_are_checked() {
        let rules = |text: &str| ConfigFile::parse(text, "t.toml").map(|f| f.rules);
        let read = rules(
            "[[rules]]\ntable = 'a'\nrename = 'b'\nwhere = 'n > 1'\nexclude = ['n']\n[rules.columns.s]\nrename = 'nota'\ntype = 'numeric(10,2)'\n",
        )
        .unwrap();
        let score = ColumnRule { rename: Some("nota".into()), native_type: Some("numeric(10,2)".into()) };
        let rule = TableRule {
            table: "a".into(),
            rename: Some("b".into()),
            condition: Some("n > 1".into()),
            exclude: vec!["n".into()],
            columns: [("s".to_owned(), score)].into(),
        };
        assert_eq!(read, [rule]);
        for (text, says) in [
            ("[[rules]]\ntable = 'a'\n[[rules]]\ntable = 'a'\n", "two rules"),
            ("[[rules]]\ntable = 'a'\nexclude = ['c']\n[rules.columns.c]\nrename = 'd'\n", "at once"),
            ("[[rules]]\nrename = 'a'\n", "missing field `table`"),
            ("[[rules]]\ntable = 'a'\nfilter = 'x'\n", "unknown field `filter`"),
        ] {
            let error = rules(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            assert!(error.reason().unwrap().contains(says), "{error}");
        }
    }

    #[test]
    fn nothing_shows_what_stood_in_the_file() {
        for text in [
            "[databases.a]\nurl = \"postgresql://u:canary@h/d\n",
            "[databases.a]\nurl = postgresql://u:canary@h/d\n",
            "[databases.a]\nurl = [\"canary\"]\n",
            "[pool]\nmax_connections = \"canary\"\n",
            "[pool]\npre_ping = \"say \\\"canary\\\", friend\"\n",
        ] {
            let error = ConfigFile::parse(text, "t.toml").unwrap_err();
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
        let file = ConfigFile::parse("[databases.a]\nurl = \"pg://u:canary@h/d\"\n", "t.toml").unwrap();
        assert!(!format!("{file:?}").contains("canary"));
    }

    #[test]
    fn a_named_file_has_to_be_there() {
        let missing = Path::new("/nonexistent/techcare-db.toml");
        assert!(ConfigFile::read(missing, false).unwrap().databases.is_empty());
        assert_eq!(ConfigFile::read(missing, true).unwrap_err().kind(), ErrorKind::Usage);
    }
}
