//! How names become endpoints: the contract of CLI.md, "Naming a database", sentence by sentence.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::*;
use crate::model::endpoint::{Endpoint, Location, Server};

/// An app folder with files in it and an environment of its own.
struct House {
    dir: TempDir,
    vars: Vec<(String, String)>,
}

impl House {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), vars: Vec::new() }
    }

    fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.into(), value.into()));
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> Config {
        let vars = self.vars.iter().map(|(n, v)| (n.into(), v.into()));
        let environment = Environment::new(vars, Some(self.path("home")));
        Config::load(self.dir.path(), None, None, environment).unwrap()
    }

    fn pair(&self, source: &str, target: &str) -> ResolvedPair {
        self.try_pair(source, target).unwrap()
    }

    fn try_pair(&self, source: &str, target: &str) -> Result<ResolvedPair> {
        self.config().pair(&source.into(), &target.into())
    }

    fn source(&self, name: &str) -> Endpoint {
        self.pair(name, "sqlite").source
    }

    fn target(&self, name: &str) -> Endpoint {
        self.pair("sqlite", name).target
    }

    fn database(&self) -> Endpoint {
        self.config().database(None).unwrap().endpoint
    }
}

fn server(endpoint: &Endpoint) -> &Server {
    match &endpoint.location {
        Location::Postgres(server) | Location::Mysql(server) => server,
        Location::File(path) | Location::Archive { path, .. } => panic!("a file: {}", path.display()),
    }
}

fn file(endpoint: &Endpoint) -> &Path {
    match &endpoint.location {
        Location::File(path) => path,
        _ => panic!("a server: {endpoint}"),
    }
}

fn password(endpoint: &Endpoint) -> Option<&str> {
    server(endpoint).password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn an_engine_word_without_anything_else_is_a_default_installation() {
    let house = House::new();
    for (word, expected) in [
        ("postgresql", "postgresql://techcare:***@localhost:5432/techcare"),
        ("postgres", "postgresql://techcare:***@localhost:5432/techcare"),
        ("pg", "postgresql://techcare:***@localhost:5432/techcare"),
        ("PostgreSQL", "postgresql://techcare:***@localhost:5432/techcare"),
        ("mysql", "mysql://techcare:***@localhost:3306/techcare"),
        ("mariadb", "mysql://techcare:***@localhost:3306/techcare"),
    ] {
        let endpoint = house.source(word);
        assert_eq!(endpoint.to_string(), expected, "{word}");
        assert_eq!(password(&endpoint), Some("techcare"));
        assert!(endpoint.origin.starts_with("from the defaults"), "{}", endpoint.origin);
    }
    let sqlite = house.source("sqlite");
    assert_eq!(file(&sqlite), house.path("instance/techcare.db"));
}

#[test]
fn an_engine_word_takes_the_first_url_of_its_engine() {
    let house = House::new()
        .var("SOURCE_DATABASE_URL", "mysql://u@source/d")
        .var("TARGET_DATABASE_URL", "postgresql://u@target/d")
        .var("DATABASE_URL", "mysql+pymysql://u@plain/d");
    assert_eq!(server(&house.source("mysql")).host, "source");
    assert_eq!(house.source("mysql").origin, "from SOURCE_DATABASE_URL in the environment");
    assert_eq!(server(&house.target("mysql")).host, "plain");
    assert_eq!(server(&house.target("postgresql")).host, "target");
    // No URL of this engine in this role: the parts.
    assert_eq!(server(&house.source("postgresql")).host, "localhost");
    assert_eq!(server(&house.config().database(Some(&"mysql".into())).unwrap().endpoint).host, "plain");
}

#[test]
fn a_url_of_another_engine_is_passed_over_even_if_it_is_nonsense() {
    let house = House::new().var("DATABASE_URL", "oracle://scott:canary@h/x");
    assert_eq!(server(&house.source("postgresql")).host, "localhost");
    let house = House::new().var("DATABASE_URL", "postgresql://u:canary@h:x/d");
    let error = house.try_pair("postgresql", "sqlite").unwrap_err();
    assert!(error.what().contains("(from DATABASE_URL in the environment)"), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn parts_fall_back_one_by_one() {
    let house = House::new()
        .var("SOURCE_DB_HOST", "old")
        .var("SOURCE_DB_PASSWORD", "s1")
        .var("DB_USER", "care")
        .var("DB_PASSWORD", "s2")
        .var("DB_NAME", "production")
        .var("TARGET_DB_PORT", "6543");
    let ResolvedPair { source, target, warnings } = house.pair("mysql", "postgresql");
    assert_eq!(source.to_string(), "mysql://care:***@old:3306/production");
    assert_eq!(target.to_string(), "postgresql://care:***@localhost:6543/production");
    assert_eq!((password(&source), password(&target)), (Some("s1"), Some("s2")));
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        source.origin,
        "from DB_USER, SOURCE_DB_HOST, DB_NAME, SOURCE_DB_PASSWORD in the environment, defaults for the rest"
    );
}

#[test]
fn parts_may_name_a_socket_or_an_ipv6_address() {
    let house = House::new().var("DB_HOST", "/var/run/postgresql");
    assert_eq!(server(&house.source("pg")).socket, Some("/var/run/postgresql".into()));
    let house = House::new().var("DB_HOST", "[::1]");
    assert_eq!(server(&house.source("pg")).host, "::1");
}

#[test]
fn db_port_is_not_the_port_of_two_engines() {
    let house = House::new().var("DB_PORT", "5432");
    let pair = house.pair("postgresql", "mysql");
    assert_eq!((server(&pair.source).port, server(&pair.target).port), (5432, 3306));
    assert_eq!(pair.warnings.len(), 1);
    assert!(pair.warnings[0].starts_with("DB_PORT=5432 is not used for MySQL"), "{:?}", pair.warnings);
    assert!(pair.warnings[0].contains("TARGET_DB_PORT"));

    let house = House::new().var("DB_PORT", "6543");
    let pair = house.pair("postgresql", "mysql");
    assert_eq!((server(&pair.source).port, server(&pair.target).port), (5432, 3306));
    assert_eq!(pair.warnings.len(), 2);
    // One engine, or one role: there is no doubt.
    assert_eq!(server(&house.source("postgresql")).port, 6543);
    let pair = house.pair("postgresql", "postgresql");
    assert_eq!((server(&pair.source).port, server(&pair.target).port), (6543, 6543));
    assert!(pair.warnings.is_empty());

    // DB_TYPE says whose port it is.
    let house = House::new().var("DB_PORT", "6543").var("DB_TYPE", "postgres");
    let pair = house.pair("mysql", "postgresql");
    assert_eq!((server(&pair.source).port, server(&pair.target).port), (3306, 6543));

    let house = House::new().var("SOURCE_DB_PORT", "3307").var("TARGET_DB_PORT", "5433");
    let pair = house.pair("mysql", "postgresql");
    assert_eq!((server(&pair.source).port, server(&pair.target).port), (3307, 5433));
    assert!(pair.warnings.is_empty());

    let error = House::new().var("DB_PORT", "x").try_pair("mysql", "sqlite").unwrap_err();
    assert_eq!(error.what(), "DB_PORT in the environment is not a number from 1 to 65535");
}

#[test]
fn without_a_name_it_is_what_the_application_would_use() {
    let house = House::new();
    assert_eq!(file(&house.database()), house.path("instance/techcare.db"));
    let house = House::new().var("DB_TYPE", "mariadb").var("DB_HOST", "h");
    assert_eq!(house.database().to_string(), "mysql://techcare:***@h:3306/techcare");
    let house = House::new().var("DB_TYPE", "mysql").var("DATABASE_URL", "postgres://u@h/d");
    assert_eq!(house.database().to_string(), "postgresql://u@h:5432/d");
    let house = House::new().var("DB_TYPE", "sqlite").var("DATABASE_URL", "");
    assert_eq!(file(&house.database()), house.path("instance/techcare.db"));
    let error = House::new().var("DB_TYPE", "oracle").config().database(None).unwrap_err();
    assert_eq!(error.what(), "unsupported database type \"oracle\" (use sqlite, postgresql or mysql)");
    assert_eq!(error.kind().exit_code(), 2);
}

#[test]
fn an_unknown_engine_is_refused_in_the_words_of_the_contract() {
    let error = House::new().try_pair("oracle", "sqlite").unwrap_err();
    assert_eq!(error.what(), "unsupported database type \"oracle\" (use sqlite, postgresql or mysql)");
    assert_eq!(error.kind(), ErrorKind::Usage);
    let error = House::new().try_pair("sqlite", "mssql+pyodbc://sa:canary@h/d").unwrap_err();
    assert!(error.what().starts_with("unsupported database type \"mssql\""), "{error}");
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn dot_env_lies_beneath_the_real_environment() {
    let house = House::new()
        .file(".env", "DATABASE_URL=postgresql://u@file/d\nDB_NAME='other'\n")
        .var("DB_NAME", "real");
    assert_eq!(house.source("postgresql").origin, "from DATABASE_URL in .env");
    let mysql = house.source("mysql");
    assert_eq!(server(&mysql).database, "real");
    let house = house.var("DATABASE_URL", "postgresql://u@real/d");
    assert_eq!(server(&house.source("pg")).host, "real");
}

#[test]
fn flask_sqlalchemy_decides_where_a_bare_file_name_lies() {
    let house = House::new();
    assert_eq!(file(&house.source("sqlite:///new.db")), house.path("instance/new.db"));
    let house = house.file("new.db", "");
    assert_eq!(file(&house.source("sqlite:///new.db")), house.path("new.db"));
    let house = house.file("instance/new.db", "");
    assert_eq!(file(&house.source("sqlite:///new.db")), house.path("instance/new.db"));
    assert_eq!(file(&house.source("sqlite:///instance/x.db")), house.path("instance/x.db"));
    assert_eq!(file(&house.source("sqlite:///../x.db")), house.path("../x.db"));
    assert_eq!(file(&house.source("sqlite:////srv/x.db")), Path::new("/srv/x.db"));
    assert_eq!(file(&house.source("sqlite:///C:\\T\\x.db")), Path::new("C:\\T\\x.db"));
    let house = house.file("instance/com espaço.db", "");
    let encoded = house.source("sqlite:///com%20espa%C3%A7o.db");
    assert_eq!(file(&encoded), house.path("instance/com espaço.db"));
}

#[test]
fn a_path_is_a_name_too() {
    let house = House::new().file("instance/techcare.db", "").file("data", "");
    let path = house.path("instance/techcare.db");
    assert_eq!(file(&house.source(path.to_str().unwrap())), path);
    // As seen from the app folder, and without a suffix as long as it is there.
    assert_eq!(file(&house.source("instance/techcare.db")), path);
    assert_eq!(file(&house.source("data")), house.path("data"));
    for name in ["/nonexistent/new.db", "/nonexistent/new.sqlite", "/nonexistent/new.SQLite3"] {
        assert_eq!(file(&house.target(name)), Path::new(name));
    }
    let error = house.try_pair("sqlite", "/nonexistent/new").unwrap_err();
    assert_eq!(error.what(), "/nonexistent/new does not exist");
    // A source that isn't there is for the engine to report.
    assert_eq!(file(&house.source("/nonexistent/old.db")), Path::new("/nonexistent/old.db"));
    let folder = house.path("instance").display().to_string();
    assert!(house.try_pair(&folder, "sqlite").unwrap_err().what().ends_with("is a folder"));
    assert!(house.try_pair("", "sqlite").is_err());
}

#[test]
fn names_of_the_configuration_file() {
    let house = House::new()
        .file(
            "techcare-db.toml",
            "[pool]\nrecycle = 60\n\
             [databases.production]\nurl = \"postgresql://techcare@db/techcare\"\n\
             password_file = \"secrets/db\"\nmax_connections = 3\n\
             [databases.other]\nurl = \"mysql://u@h/d?connect_timeout=4\"\npassword_env = \"OTHER\"\n\
             [databases.file]\nurl = \"sqlite:///x.db\"\n",
        )
        .file("secrets/db", "pw from a file\n")
        .var("OTHER", "pw");
    let production = house.source("@production");
    assert_eq!(production.to_string(), "postgresql://techcare:***@db:5432/techcare");
    assert_eq!(production.origin, "from [databases.production] in techcare-db.toml");
    assert_eq!(password(&production), Some("pw from a file"));
    assert_eq!((production.pool.max_connections, production.pool.recycle), (3, Duration::from_secs(60)));
    let other = house.target("@other");
    assert_eq!(password(&other), Some("pw"));
    assert_eq!(other.pool.connect_timeout, Duration::from_secs(4));
    assert_eq!(file(&house.source("@file")), house.path("instance/x.db"));
    let error = house.try_pair("@nobody", "sqlite").unwrap_err();
    assert_eq!(error.advice(), Some("use one of @file, @other, @production"));
}

#[test]
fn passwords_are_looked_for_where_none_is_given() {
    let house = House::new()
        .file("home/.pgpass", "db:*:*:*:from pgpass\n")
        .file("home/.my.cnf", "[client]\npassword=from my.cnf\n");
    let endpoint = house.source("postgresql://u@db/d");
    assert_eq!(password(&endpoint), Some("from pgpass"));
    assert_eq!(endpoint.origin, "from --source, password from ~/.pgpass");
    assert_eq!(password(&house.source("postgresql://u:@db/d")), Some("from pgpass"));
    assert_eq!(password(&house.source("postgresql://u:own@db/d")), Some("own"));
    assert_eq!(password(&house.source("postgresql://u@elsewhere/d")), None);
    assert_eq!(password(&house.source("mysql://u@db/d")), Some("from my.cnf"));
    // Parts: the files come before the default, a variable before the files.
    let house = house.var("DB_HOST", "db");
    assert_eq!(password(&house.source("postgresql")), Some("from pgpass"));
    let house = house.file("pw", "from file\n").var("DB_PASSWORD_FILE", "pw");
    assert_eq!(password(&house.source("postgresql")), Some("from file"));
    let house = house.var("TARGET_DB_PASSWORD", "");
    assert_eq!(password(&house.target("mysql")), Some("from file"));
    let house = house.var("DB_PASSWORD", "variable");
    assert_eq!(password(&house.source("postgresql")), Some("variable"));
    assert_eq!(password(&House::new().var("DB_PASSWORD", "").source("mysql")), None);
}

#[test]
fn what_a_url_leaves_out_is_filled_as_its_client_would() {
    let house = House::new().var("USER", "maria");
    let endpoint = house.source("postgresql://localhost");
    assert_eq!(endpoint.to_string(), "postgresql://maria@localhost:5432/maria");
    let error = house.try_pair("mysql://localhost", "sqlite").unwrap_err();
    assert_eq!(error.what(), "the URL names no database (from --source)");
    let error = House::new().try_pair("mysql://localhost/d", "sqlite").unwrap_err();
    assert_eq!(error.what(), "the URL names no user (from --source)");
}

#[test]
fn warnings_reach_the_user() {
    let pair = House::new().pair("mysql://u@h/d?wonder=1", "sqlite");
    assert_eq!(pair.warnings, ["\"wonder\" in the URL is not known and has no effect"]);
    let pair = House::new().pair("sqlite", "mysql://u:canary@localhost/d");
    assert!(pair.warnings[0].contains("can see the password in --target"), "{:?}", pair.warnings);
    assert!(pair.warnings[0].contains("TARGET_DB_PASSWORD_FILE") && !pair.warnings[0].contains("canary"));
    let hidden = House::new().var("DATABASE_URL", "mysql://u:canary@localhost/d");
    assert_eq!(hidden.pair("sqlite", "mysql").warnings, [""; 0]);
}

#[test]
fn less_than_encryption_to_another_host_is_told() {
    for (url, told) in [
        ("postgresql://u@db.example/d?sslmode=disable", true),
        ("mysql://u@192.0.2.7/d?ssl_mode=PREFERRED", true),
        ("postgresql://u@db.example/d", false),
        ("postgresql://u@db.example/d?sslmode=require", false),
        ("postgresql://u@localhost/d?sslmode=disable", false),
        ("mysql://u@db.example/d?unix_socket=/s&sslmode=disable", false),
    ] {
        let warnings = House::new().pair("sqlite", url).warnings;
        assert_eq!(warnings.iter().any(|text| text.contains("unencrypted")), told, "{url}: {warnings:?}");
    }
}

#[test]
fn what_the_driver_cannot_do_is_refused_where_a_url_insists_on_it() {
    for (query, refused) in [
        ("channel_binding=require", true),
        ("gssencmode=require", true),
        ("channel_binding=prefer", false),
        ("gssencmode=disable", false),
    ] {
        let tried = House::new().try_pair("sqlite", &format!("postgresql://u@h/d?{query}"));
        assert_eq!(
            tried.is_err_and(|e| e.kind() == crate::model::error::ErrorKind::Usage),
            refused,
            "{query}"
        );
    }
}

#[test]
fn files_that_the_user_names_have_to_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    let load = |app: &Path, env: Option<&Path>, config: Option<&Path>| {
        Config::load(app, env, config, Environment::default())
    };
    assert!(load(dir.path(), None, None).is_ok());
    for failed in [
        load(dir.path(), Some(&missing), None),
        load(dir.path(), None, Some(&missing)),
        load(&missing, None, None),
    ] {
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Usage);
    }
}

#[test]
fn a_named_env_file_is_its_own_origin() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("production.env");
    std::fs::write(&path, "DATABASE_URL=postgresql://u@h/d\n").unwrap();
    let config = Config::load(dir.path(), Some(&path), None, Environment::default()).unwrap();
    let endpoint = config.database(None).unwrap().endpoint;
    assert_eq!(endpoint.origin, format!("from DATABASE_URL in {}", path.display()));
}

#[test]
fn no_rendering_shows_the_canary() {
    let house = House::new()
        .file(".env", "TARGET_DATABASE_URL=postgresql://u:canary@h/d\nDB_PASSWORD='canary'\n")
        .file("techcare-db.toml", "[databases.a]\nurl = \"mysql://u:canary@h/d\"\n")
        .file("home/.pgpass", "*:*:*:*:canary\n")
        .file("home/.my.cnf", "[client]\npassword=canary\n")
        .var("SOURCE_DATABASE_URL", "mysql://u:canary@h/d");
    let config = house.config();
    assert!(!format!("{config:?}").contains("canary"));
    let names = ["mysql", "pg", "@a", "postgresql://u:canary@h/d", "mysql://u@h/d", "postgresql://u@h/d"];
    for name in names {
        for pair in [house.pair(name, "pg"), house.pair("mysql", name)] {
            let shown = format!("{pair:?} {} {}", pair.source, pair.target);
            assert!(!shown.contains("canary"), "{shown}");
            assert_eq!(password(&pair.source), Some("canary"));
        }
    }
    for name in ["u:canary@h", "u:canary@h/d", "//u:canary@h/d", "postgresql//u:canary@h", "x y://u:canary@h"]
    {
        let error = house.try_pair(name, "sqlite").unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    }
    let bare: SecretString = "u:canary@h".into();
    assert!(!format!("{:?}", house.config().database(Some(&bare))).contains("canary"));
    for value in ["u:canary@h", "canary", "canary://x"] {
        let house = House::new().var("DATABASE_URL", value);
        let error = house.config().database(None).unwrap_err();
        assert!(value == "canary://x" || !format!("{error:?}").contains("canary"), "{error:?}");
    }
}
