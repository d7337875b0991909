//! A server put together from `DB_USER`, `DB_PASSWORD`, `DB_HOST`, `DB_PORT` and `DB_NAME`, each with its
//! `SOURCE_` or `TARGET_` sister first and its default last.

use secrecy::SecretString;

use super::environment::{Environment, Setting};
use super::resolve::Role;
use super::url::ServerUrl;
use crate::model::endpoint::Dialect;
use crate::model::error::{Error, ErrorKind, Result};

/// User, password and database of an installation that says nothing else.
const DEFAULT_NAME: &str = "techcare";

/// Host of an installation that says nothing else.
const DEFAULT_HOST: &str = "localhost";

/// What the variables say.
#[derive(Debug)]
pub(super) struct Parts {
    /// All parts but the port's and the password's defaults.
    pub server: ServerUrl,
    /// Password that counts where nothing else is found; `None` if one was set, be it to nothing.
    pub default_password: Option<SecretString>,
    /// `from DB_HOST and DB_NAME in .env, defaults for the rest`.
    pub origin: String,
    /// The value of `DB_PORT` that was left aside.
    pub ignored_port: Option<String>,
}

/// Reads the variables. `foreign_port` says that a plain `DB_PORT` may be the other engine's.
pub(super) fn read(
    environment: &Environment,
    role: Role,
    dialect: Dialect,
    foreign_port: bool,
) -> Result<Parts> {
    let mut settings = Vec::new();
    let mut text = |name: &str| -> Result<Option<String>> {
        let setting = environment.first(&role.variables(name))?;
        Ok(setting.map(|setting| {
            let text = setting.text().to_owned();
            settings.push(setting);
            text
        }))
    };
    let user = text("DB_USER")?;
    let host = text("DB_HOST")?;
    let database = text("DB_NAME")?;
    let (port, ignored_port) = port(environment, role, dialect, foreign_port, &mut settings)?;
    let (password, default_password) = password(environment, role, &mut settings)?;
    let all = [user.is_some(), host.is_some(), database.is_some(), port.is_some()].iter().all(|set| *set);
    let mut server = ServerUrl {
        user: Some(user.unwrap_or_else(|| DEFAULT_NAME.into())),
        database: Some(database.unwrap_or_else(|| DEFAULT_NAME.into())),
        password,
        port,
        ..ServerUrl::default()
    };
    let host = host.unwrap_or_else(|| DEFAULT_HOST.into());
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(ToOwned::to_owned);
    super::url::set_host(&mut server, bare.unwrap_or(host));
    Ok(Parts { server, default_password, origin: origin(&settings, all), ignored_port })
}

fn port(
    environment: &Environment,
    role: Role,
    dialect: Dialect,
    foreign_port: bool,
    used: &mut Vec<Setting>,
) -> Result<(Option<u16>, Option<String>)> {
    let Some(setting) = environment.first(&role.variables("DB_PORT"))? else { return Ok((None, None)) };
    let port = setting.text().trim().parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(|| {
        let place = format!("{} in {}", setting.name, setting.place);
        Error::new(ErrorKind::Usage, format!("{place} is not a number from 1 to 65535"))
            .next(format!("set it to the port of the {} server", dialect.title()))
    })?;
    if foreign_port && setting.name == "DB_PORT" {
        return Ok((None, (Some(port) != dialect.default_port()).then(|| port.to_string())));
    }
    used.push(setting);
    Ok((Some(port), None))
}

/// A password that is set to nothing is an answer: the default does not count then. A role's own file beats the
/// general variable.
fn password(
    environment: &Environment,
    role: Role,
    used: &mut Vec<Setting>,
) -> Result<(Option<SecretString>, Option<SecretString>)> {
    for name in role.variables("DB_PASSWORD") {
        if let Some(setting) = environment.get_or_empty(&name)? {
            let password = (!setting.text().is_empty()).then(|| setting.value.clone());
            used.push(setting);
            return Ok((password, None));
        }
        if environment.get(&format!("{name}_FILE"))?.is_some() {
            return Ok((None, None));
        }
    }
    Ok((None, Some(SecretString::from(DEFAULT_NAME))))
}

fn origin(used: &[Setting], all: bool) -> String {
    let mut places: Vec<(&str, Vec<&str>)> = Vec::new();
    for setting in used {
        match places.iter_mut().find(|(place, _)| *place == setting.place) {
            Some((_, names)) => names.push(&setting.name),
            None => places.push((&setting.place, vec![&setting.name])),
        }
    }
    if places.is_empty() {
        return "from the defaults: no DATABASE_URL of this engine and no DB_* is set".into();
    }
    let places: Vec<String> =
        places.iter().map(|(place, names)| format!("{} in {place}", names.join(", "))).collect();
    let rest = if all { "" } else { ", defaults for the rest" };
    format!("from {}{rest}", places.join(" and "))
}
