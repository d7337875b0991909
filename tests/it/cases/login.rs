//! Logging in to MySQL, whose accounts all use `caching_sha2_password`.

use crate::support::binary;
use crate::support::database::{Db, Engine};

/// How `detect` ends at a URL.
fn detect(url: &str) -> binary::Ran {
    binary::run(&["--format", "json", "detect", "--database", url])
}

#[test]
fn a85_first_logins_with_and_without_tls() {
    if !Engine::Mysql.at_hand() {
        return;
    }
    let db = Db::fresh(Engine::Mysql);
    let user = format!("u_{}", db.name());
    db.execute(&format!(
        "CREATE USER {user} IDENTIFIED BY 'p@ss: wörd'; GRANT ALL ON {}.* TO {user}",
        db.name()
    ));
    let at = db.url.rsplit_once('@').unwrap().1.to_owned();
    let url = |password: &str, more: &str| format!("mysql://{user}:{password}@{at}?{more}");
    let right = "p%40ss%3A%20w%C3%B6rd";
    // The server made a CA of its own, whose certificate bears no host name.
    let folder = db.value("SELECT @@datadir").unwrap();
    let ca = format!("ssl_ca={folder}ca.pem");
    let forget = || db.execute("FLUSH PRIVILEGES");
    for more in ["sslmode=disable", "sslmode=require", &format!("sslmode=verify-ca&{ca}")] {
        // Without what the server remembers of earlier logins, and with it.
        forget();
        for _ in 0..2 {
            let ran = detect(&url(right, more));
            assert_eq!(ran.code, 0, "{more}: {ran}");
        }
        forget();
        let ran = detect(&url("wrong", more));
        assert_eq!(ran.code, 3, "{more}: {ran}");
    }
    forget();
    let stranger = tempfile::tempdir().unwrap();
    let key = stranger.path().join("key.pem");
    let cert = stranger.path().join("ca.pem");
    let made = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=another",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for more in [format!("sslmode=verify-full&{ca}"), format!("sslmode=verify-ca&ssl_ca={}", cert.display())]
    {
        let ran = detect(&url(right, &more));
        assert_eq!(ran.code, 3, "{more}: {ran}");
    }
    db.execute(&format!("DROP USER {user}"));
}
