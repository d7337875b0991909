//! Test databases as the product's own code names them, for tests that call it in this process.

use std::path::PathBuf;

use techcare_db::model::endpoint::{Endpoint, Location, Server, Tls};

use super::database::{Db, Engine};

/// The server and database of a URL.
pub fn server(engine: Engine, url: &str) -> Server {
    let url = url::Url::parse(url).unwrap();
    let socket = url.query_pairs().find(|(key, _)| key == "host" || key == "socket");
    Server {
        host: url.host_str().unwrap_or("localhost").to_owned(),
        port: url.port().unwrap_or(if engine == Engine::Postgres { 5432 } else { 3306 }),
        socket: socket.map(|(_, path)| PathBuf::from(path.into_owned())),
        user: url.username().to_owned(),
        password: url.password().map(Into::into),
        database: url.path().trim_start_matches('/').to_owned(),
        tls: Tls::default(),
        options: None,
    }
}

/// A server's database.
pub fn at(engine: Engine, server: Server) -> Endpoint {
    let location =
        if engine == Engine::Postgres { Location::Postgres(server) } else { Location::Mysql(server) };
    Endpoint::new(location, "from a test")
}

/// A database of a test.
pub fn endpoint(db: &Db) -> Endpoint {
    match db.engine {
        Engine::Sqlite => Endpoint::new(Location::File(db.path().to_owned()), "from a test"),
        engine => at(engine, server(engine, &db.url)),
    }
}
