//! From a name to an endpoint: an engine word through the environment, a URL, a path, or `@name`. Only files are
//! looked at (does it exist? is it an archive?); no database is opened and no server is asked.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use super::environment::Setting;
use super::url::{self, DatabaseUrl, Place, ServerUrl};
use super::{Config, parts, secrets};
use crate::engine::archive;
use crate::model::endpoint::{Dialect, Endpoint, Flavour, Location, PoolSettings, Server, TlsMode};
use crate::model::error::{Error, ErrorKind, Result};

/// Database of an installation that says nothing else; Flask's instance folder.
const DEFAULT_FILE: &str = "instance/techcare.db";

/// Suffixes by which a path that does not exist yet is known to mean a SQLite file.
const FILE_SUFFIXES: [&str; 3] = ["db", "sqlite", "sqlite3"];

/// An endpoint and what the user should know about how it was found.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The database.
    pub endpoint: Endpoint,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// Source and target of one run.
#[derive(Debug, Clone)]
pub struct ResolvedPair {
    /// The source.
    pub source: Endpoint,
    /// The target.
    pub target: Endpoint,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// The databases of a `check`.
#[derive(Debug, Clone)]
pub struct ResolvedCheck {
    /// The one that is checked.
    pub database: Endpoint,
    /// Where it might be migrated to.
    pub target: Option<Endpoint>,
    /// The one that it is compared with.
    pub against: Option<Endpoint>,
    /// Sentences.
    pub warnings: Vec<String>,
}

/// What a database is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Source,
    Target,
    Against,
    Database,
}

impl Role {
    /// Option that carries its name.
    const fn option(self) -> &'static str {
        match self {
            Self::Source => "--source",
            Self::Target => "--target",
            Self::Against => "--against",
            Self::Database => "--database",
        }
    }

    /// Variables that answer in this role, the role's own first.
    pub(super) fn variables(self, name: &str) -> Vec<String> {
        match self {
            Self::Source => vec![format!("SOURCE_{name}"), name.to_owned()],
            Self::Target | Self::Against => vec![format!("TARGET_{name}"), name.to_owned()],
            Self::Database => vec![name.to_owned()],
        }
    }
}

impl Config {
    /// What `--source` and `--target` name. Both at once, because `DB_PORT` cannot be the port of two servers of
    /// different engines.
    pub fn pair(&self, source: &SecretString, target: &SecretString) -> Result<ResolvedPair> {
        let (from, to) = (self.engine_of(source), self.engine_of(target));
        let servers = [from, to].iter().all(|engine| engine.is_some_and(|e| e != Dialect::Sqlite));
        let port_in_doubt = servers && from != to;
        let source = self.resolve(source.expose_secret(), Role::Source, port_in_doubt)?;
        let target = self.resolve(target.expose_secret(), Role::Target, port_in_doubt)?;
        let mut warnings = source.warnings;
        warnings.extend(target.warnings);
        warnings.dedup();
        Ok(ResolvedPair { source: source.endpoint, target: target.endpoint, warnings })
    }

    /// What `--database`, `--target` and `--against` name, all at once for the same reason.
    pub fn for_check(
        &self,
        database: Option<&SecretString>,
        target: Option<&SecretString>,
        against: Option<&SecretString>,
    ) -> Result<ResolvedCheck> {
        let named = [database, target, against].into_iter().flatten();
        let servers = named.filter_map(|name| self.engine_of(name)).filter(|e| *e != Dialect::Sqlite);
        let port_in_doubt = servers.collect::<std::collections::BTreeSet<_>>().len() > 1;
        let resolve = |name: &SecretString, role| self.resolve(name.expose_secret(), role, port_in_doubt);
        let database = match database {
            Some(name) => resolve(name, Role::Database)?,
            None => self.database(None)?,
        };
        let target = target.map(|name| resolve(name, Role::Target)).transpose()?;
        let against = against.map(|name| resolve(name, Role::Against)).transpose()?;
        let mut warnings = database.warnings;
        for more in [&target, &against].into_iter().flatten() {
            warnings.extend(more.warnings.iter().cloned());
        }
        warnings.dedup();
        Ok(ResolvedCheck {
            database: database.endpoint,
            target: target.map(|r| r.endpoint),
            against: against.map(|r| r.endpoint),
            warnings,
        })
    }

    /// What `--database` names, or, without it, the database that the application itself would use.
    pub fn database(&self, name: Option<&SecretString>) -> Result<Resolved> {
        if let Some(name) = name {
            return self.resolve(name.expose_secret(), Role::Database, false);
        }
        if let Some(setting) = self.environment.get("DATABASE_URL")? {
            return self.by_setting(&setting, Role::Database);
        }
        let Some(setting) = self.environment.get("DB_TYPE")? else {
            let why = "from the default: neither DATABASE_URL nor DB_TYPE is set";
            return Ok(self.file(self.in_app_dir(DEFAULT_FILE), why.into()));
        };
        let word = setting.text().trim();
        let dialect = url::engine(word).ok_or_else(|| {
            let fix = format!("correct {} in {}", setting.name, setting.place);
            if secret_looking(word) {
                not_a_name(&setting.origin())
            } else {
                url::unsupported(word).next(fix)
            }
        })?;
        self.by_engine(dialect, Role::Database, false)
    }

    fn resolve(&self, name: &str, role: Role, port_in_doubt: bool) -> Result<Resolved> {
        let origin = || format!("from {}", role.option());
        if let Some(name) = name.strip_prefix('@') {
            return self.by_config(name, role);
        }
        if let Some(dialect) = url::engine(name) {
            return self.by_engine(dialect, role, port_in_doubt);
        }
        if name.contains("://") {
            let parsed = url::parse(name).map_err(|e| at(&e, &origin()))?;
            let shown = matches!(&parsed.place, Place::Server(_, server) if server.password.is_some());
            let mut resolved = self.by_url(parsed, origin(), role, None)?;
            resolved.warnings.extend(shown.then(|| in_sight(role)));
            return Ok(resolved);
        }
        self.by_path(name, role, origin())
    }

    /// Engine of a name without resolving it; `None` where it has to be resolved to fail.
    fn engine_of(&self, name: &SecretString) -> Option<Dialect> {
        let name = name.expose_secret();
        let scheme = |text: &str| url::split_scheme(text).and_then(|(scheme, _)| url::engine(scheme));
        match name.strip_prefix('@') {
            Some(name) => scheme(self.file.databases.get(name)?.url.expose_secret()),
            None => url::engine(name).or_else(|| scheme(name)),
        }
    }

    /// Product that a name means where nobody is asked: MariaDB where it is spelt so, as a word, as the scheme of a
    /// URL, or as that of the URL behind `@name`; else the product that the engine is called after.
    pub fn flavour_of(&self, name: &SecretString, dialect: Dialect) -> Flavour {
        let name = name.expose_secret();
        let scheme = |text: &str| url::split_scheme(text).map(|(scheme, _)| scheme.to_owned());
        let spelt = match name.strip_prefix('@') {
            Some(name) => self.file.databases.get(name).and_then(|entry| scheme(entry.url.expose_secret())),
            None => scheme(name).or_else(|| Some(name.to_owned())),
        };
        flavour(dialect, &spelt.unwrap_or_default())
    }

    /// An engine word: the URL of that engine, else the parts, else Flask's file.
    fn by_engine(&self, dialect: Dialect, role: Role, port_in_doubt: bool) -> Result<Resolved> {
        for name in role.variables("DATABASE_URL") {
            let Some(setting) = self.environment.get(&name)? else { continue };
            let scheme = url::split_scheme(setting.text().trim()).map(|(scheme, _)| scheme);
            if scheme.and_then(url::engine) == Some(dialect) {
                return self.by_setting(&setting, role);
            }
        }
        if dialect == Dialect::Sqlite {
            let why = "from the default: no DATABASE_URL of SQLite is set";
            return Ok(self.file(self.in_app_dir(DEFAULT_FILE), why.into()));
        }
        let foreign_port = port_in_doubt && !self.port_belongs_to(dialect)?;
        let read = parts::read(&self.environment, role, dialect, foreign_port)?;
        let mut resolved = self.by_server(dialect, read.server, read.origin, role, None)?;
        if let Location::Postgres(server) | Location::Mysql(server) = &mut resolved.endpoint.location {
            server.password = server.password.take().or(read.default_password);
            if let Some(port) = read.ignored_port {
                resolved.warnings.push(format!(
                    "DB_PORT={port} is not used for {}, because source and target are servers of different \
                     engines: port {} is; set {} to say otherwise",
                    dialect.title(),
                    server.port,
                    role.variables("DB_PORT")[0],
                ));
            }
        }
        Ok(resolved)
    }

    /// Whether `DB_TYPE` says that the plain `DB_*` describe a server of this engine.
    fn port_belongs_to(&self, dialect: Dialect) -> Result<bool> {
        let setting = self.environment.get("DB_TYPE")?;
        Ok(setting.is_some_and(|setting| url::engine(setting.text().trim()) == Some(dialect)))
    }

    /// A variable that holds a URL (or, as some write it, a path).
    fn by_setting(&self, setting: &Setting, role: Role) -> Result<Resolved> {
        let (text, origin) = (setting.text().trim(), setting.origin());
        if text.contains("://") {
            return self.by_url(url::parse(text).map_err(|e| at(&e, &origin))?, origin, role, None);
        }
        if secret_looking(text) || !has_file_suffix(Path::new(text)) {
            return Err(not_a_name(&origin));
        }
        Ok(self.file(self.sqlite_path(text), origin))
    }

    fn by_config(&self, name: &str, role: Role) -> Result<Resolved> {
        let Some(entry) = self.file.databases.get(name) else {
            let known: Vec<&str> = self.file.databases.keys().map(String::as_str).collect();
            let error = Error::new(ErrorKind::Usage, format!("@{name} is not in {}", self.file_label));
            return Err(match known.as_slice() {
                [] => error.next(format!("add a [databases.{name}] table with a url to it")),
                names => error.next(format!("use one of @{}", names.join(", @"))),
            });
        };
        let origin = format!("from [databases.{name}] in {}", self.file_label);
        let text = entry.url.expose_secret().trim();
        let password = match (&entry.password_file, &entry.password_env) {
            (Some(path), _) => Some(secrets::from_file(&self.in_app_dir(path))?),
            (None, Some(variable)) => {
                let missing = || {
                    Error::new(ErrorKind::Usage, format!("{variable} is not set, which {origin} names"))
                        .next(format!("set {variable} to the password"))
                };
                Some(self.environment.get(variable)?.ok_or_else(missing)?.value)
            }
            (None, None) => None,
        };
        let mut resolved = if text.contains("://") {
            self.by_url(url::parse(text).map_err(|e| at(&e, &origin))?, origin, role, password)?
        } else if secret_looking(text) || !has_file_suffix(Path::new(text)) {
            return Err(not_a_name(&origin));
        } else {
            self.file(self.sqlite_path(text), origin)
        };
        resolved.endpoint.pool = entry.pool().over(resolved.endpoint.pool);
        Ok(resolved)
    }

    fn by_url(
        &self,
        parsed: DatabaseUrl,
        origin: String,
        role: Role,
        password: Option<SecretString>,
    ) -> Result<Resolved> {
        let mut resolved = match parsed.place {
            Place::File(path) => self.file(self.sqlite_path(&path), origin),
            Place::Server(dialect, server) => self.by_server(dialect, *server, origin, role, password)?,
        };
        resolved.warnings.extend(parsed.warnings);
        Ok(resolved)
    }

    fn by_server(
        &self,
        dialect: Dialect,
        parts: ServerUrl,
        origin: String,
        role: Role,
        password: Option<SecretString>,
    ) -> Result<Resolved> {
        let port = parts.port.or(dialect.default_port()).unwrap_or_default();
        let user = match parts.user {
            Some(user) => user,
            None => self.system_user()?.ok_or_else(|| {
                let error = Error::new(ErrorKind::Usage, "the URL names no user");
                at(&error.next("write user@ before the host"), &origin)
            })?,
        };
        let database = match (parts.database, dialect) {
            (Some(database), _) => database,
            // As libpq does.
            (None, Dialect::Postgres) => user.clone(),
            (None, _) => {
                let error = Error::new(ErrorKind::Usage, "the URL names no database");
                return Err(at(&error.next("write /name after the host"), &origin));
            }
        };
        let mut socket = parts.socket;
        if socket.is_none() && parts.host.is_none() && dialect == Dialect::Postgres {
            socket = local_socket(port);
        }
        let mut server = Server {
            host: parts.host.unwrap_or_else(|| "localhost".into()),
            port,
            socket,
            user,
            password: parts.password.or(password),
            database,
            tls: parts.tls,
            options: parts.options,
        };
        let mut origin = origin;
        if server.password.is_none() {
            let files = role.variables("DB_PASSWORD_FILE");
            if let Some(found) = secrets::find(&self.environment, dialect, &server, &files, &self.app_dir)? {
                server.password = Some(found.password);
                origin = format!("{origin}, {}", found.origin);
            }
        }
        let location = match dialect {
            Dialect::Postgres => Location::Postgres(server),
            _ => Location::Mysql(server),
        };
        let mut endpoint = Endpoint::new(location, origin);
        endpoint.pool = self.pool();
        if let Some(timeout) = parts.connect_timeout {
            endpoint.pool.connect_timeout = timeout;
        }
        let warnings = in_the_clear(&endpoint).into_iter().collect();
        Ok(Resolved { endpoint, warnings })
    }

    /// The path of a SQLite file, relative to the current folder as a shell completes it, else to the app folder.
    fn by_path(&self, name: &str, role: Role, origin: String) -> Result<Resolved> {
        let path = Path::new(name);
        let below = self.in_app_dir(path);
        let found = [path, below.as_path()].into_iter().find(|path| path.exists());
        if let Some(found) = found.filter(|_| !name.is_empty()) {
            if found.is_dir() {
                return Err(Error::new(ErrorKind::Usage, format!("{} is a folder", found.display()))
                    .next(format!("name the SQLite file itself with {}", role.option())));
            }
            return match archive::recognise(found)? {
                Some(product) => self.archive(found, product, role, origin),
                None => Ok(self.file(found.to_owned(), origin)),
            };
        }
        if secret_looking(name) {
            return Err(not_a_name(&origin));
        }
        let path_like = name.contains(['/', '\\']);
        if has_file_suffix(path) || path_like && role != Role::Target {
            return Ok(self.file(path.to_owned(), origin));
        }
        if path_like {
            return Err(Error::new(ErrorKind::Usage, format!("{name} does not exist"))
                .next("name a new SQLite file with the suffix .db, .sqlite or .sqlite3"));
        }
        Err(url::unsupported(name))
    }

    /// An archive, told by its content whatever it is called.
    fn archive(&self, path: &Path, product: Flavour, role: Role, origin: String) -> Result<Resolved> {
        if role == Role::Target {
            let what = format!("{} is an archive, which is read and never written to", path.display());
            return Err(Error::new(ErrorKind::Usage, what).next("name a database with --target"));
        }
        let location = Location::Archive { path: path.to_owned(), product };
        let endpoint = Endpoint { pool: self.pool(), ..Endpoint::new(location, origin) };
        Ok(Resolved { endpoint, warnings: Vec::new() })
    }

    /// The file that a relative or absolute path in a URL means.
    fn sqlite_path(&self, raw: &str) -> PathBuf {
        let path = self.place_file(raw);
        if raw.contains('%') && !path.exists() {
            // SQLAlchemy takes the path as it stands, Django's URLs are encoded.
            let decoded = percent_decode_str(raw).decode_utf8_lossy();
            let decoded = self.place_file(&decoded);
            if decoded.exists() {
                return decoded;
            }
        }
        path
    }

    /// A bare name lies under `instance/`, as Flask-SQLAlchemy has it, unless only the app folder holds it.
    fn place_file(&self, raw: &str) -> PathBuf {
        let path = Path::new(raw);
        if path.is_absolute() || is_windows_absolute(raw) {
            return path.to_owned();
        }
        let beside = self.in_app_dir(path);
        if raw.contains(['/', '\\']) {
            return beside;
        }
        let instance = self.in_app_dir(Path::new("instance").join(path));
        if beside.exists() && !instance.exists() { beside } else { instance }
    }

    fn file(&self, path: PathBuf, origin: String) -> Resolved {
        let mut endpoint = Endpoint::new(Location::File(path), origin);
        endpoint.pool = self.pool();
        Resolved { endpoint, warnings: Vec::new() }
    }

    fn pool(&self) -> PoolSettings {
        self.file.pool.over(PoolSettings::default())
    }

    fn system_user(&self) -> Result<Option<String>> {
        let names = ["USER", "LOGNAME", "USERNAME"].map(ToOwned::to_owned);
        Ok(self.environment.first(&names)?.map(|setting| setting.text().to_owned()))
    }
}

/// The product that a bare engine word names; `None` for every other way to name a database.
pub fn product(name: &SecretString) -> Option<Flavour> {
    let word = name.expose_secret();
    url::engine(word).map(|dialect| flavour(dialect, word.trim()))
}

/// The product of a dialect that a word names.
fn flavour(dialect: Dialect, word: &str) -> Flavour {
    match dialect {
        Dialect::Sqlite => Flavour::Sqlite,
        Dialect::Postgres => Flavour::Postgres,
        Dialect::Mysql if word.eq_ignore_ascii_case("mariadb") => Flavour::Mariadb,
        Dialect::Mysql => Flavour::Mysql,
    }
}

/// What a password on the command line has against it.
fn in_sight(role: Role) -> String {
    format!(
        "while this runs, everybody on this machine can see the password in {}: put it into {} or the client's own \
         password file",
        role.option(),
        role.variables("DB_PASSWORD_FILE")[0],
    )
}

/// What is to be said of a connection to another machine for which somebody asked for less than encryption.
fn in_the_clear(endpoint: &Endpoint) -> Option<String> {
    let (Location::Postgres(server) | Location::Mysql(server)) = &endpoint.location else { return None };
    let asked = matches!(server.tls.mode, Some(TlsMode::Disable | TlsMode::Prefer));
    (asked && !server.is_local()).then(|| {
        format!(
            "the URL lets the connection to {} go unencrypted: whoever is on the way can read the password and every row",
            server.host
        )
    })
}

/// Adds where the malformed text stands.
fn at(error: &Error, origin: &str) -> Error {
    let what = format!("{} ({origin})", error.what());
    let moved = Error::new(error.kind(), what);
    match error.advice() {
        Some(advice) => moved.next(advice),
        None => moved,
    }
}

/// `user:password@host` without a scheme: never to be shown.
fn secret_looking(text: &str) -> bool {
    text.contains('@') || text.contains("://")
}

fn not_a_name(origin: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("the database {origin} is neither an engine, a URL nor a file"))
        .next("write postgresql://user@host/name, mysql://user@host/name or sqlite:///path.db")
}

fn has_file_suffix(path: &Path) -> bool {
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    suffix.is_some_and(|suffix| FILE_SUFFIXES.iter().any(|known| suffix.eq_ignore_ascii_case(known)))
}

fn is_windows_absolute(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() > 2 && b[0].is_ascii_alphabetic() && b[1] == b':' && matches!(b[2], b'\\' | b'/')
}

/// Directory of the socket that libpq would use where a URL names no host, if a server listens there.
fn local_socket(port: u16) -> Option<PathBuf> {
    ["/var/run/postgresql", "/tmp"]
        .map(PathBuf::from)
        .into_iter()
        .find(|dir| dir.join(format!(".s.PGSQL.{port}")).exists())
}
