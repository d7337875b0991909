//! Client programs of the servers.

use std::process::Command;

/// MariaDB's client, which speaks to MySQL too, in the database of a URL.
pub fn mariadb(url: &str) -> Command {
    logged_in("mariadb", url)
}

/// MariaDB's dump program, for the database of a URL.
pub fn mariadb_dump(url: &str) -> Command {
    logged_in("mariadb-dump", url)
}

fn logged_in(program: &str, url: &str) -> Command {
    let at = url::Url::parse(url).unwrap();
    let host = at.host_str().unwrap_or("127.0.0.1");
    let port = at.port().map(|port| port.to_string()).unwrap_or_default();
    let mut client = Command::new(program);
    client.args(["--no-defaults", "-h", host, "-P", &port, "-u", at.username()]);
    client.arg(at.path().trim_start_matches('/'));
    client
}
