//! Encryption as it was asked for: a private authority is believed where it is named, a certificate that is made out to
//! another name, by itself, or past its day is refused, and a server elsewhere gets neither password nor user name
//! before it has shown who it is, unless somebody asked for that.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::account::{Account, ENCODED, WORD};
use super::holds;
use crate::support::binary::{self, Ran, Running};
use crate::support::database::{Db, Engine, query};
use crate::support::private::Private;

/// An address of this machine that is none of those which count as local: what is true of it is true of any other host.
const ELSEWHERE: &str = "127.0.0.2";

/// A certificate and its key.
struct Certificate {
    pem: PathBuf,
    key: PathBuf,
}

/// An authority of one's own.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let it = Self { folder: tempfile::tempdir().unwrap() };
        it.itself("ca", "critical,CA:TRUE", "DNS:authority.test");
        it
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pem(&self) -> PathBuf {
        self.at("ca.pem")
    }

    fn openssl(&self, args: &str) {
        let mut command = Command::new("openssl");
        let done = command.current_dir(self.folder.path()).args(args.split(' ')).output().unwrap();
        assert!(done.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A certificate that nobody but itself speaks for.
    fn itself(&self, name: &str, constraints: &str, alternative: &str) -> Certificate {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -addext \
             basicConstraints={constraints} -addext subjectAltName={alternative} -keyout {name}.key -out {name}.pem"
        ));
        Certificate { pem: self.at(&format!("{name}.pem")), key: self.at(&format!("{name}.key")) }
    }

    /// A certificate of this authority; below zero days it is past its day already.
    fn certificate(&self, name: &str, alternative: &str, days: i32) -> Certificate {
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -addext \
             subjectAltName={alternative} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days} -copy_extensions copy -out \
             {name}.pem"
        ));
        Certificate { pem: self.at(&format!("{name}.pem")), key: self.at(&format!("{name}.key")) }
    }
}

/// A server with TLS, whose certificate can be exchanged.
struct Encrypted<'a> {
    engine: Engine,
    server: &'a Private,
}

impl<'a> Encrypted<'a> {
    /// Gives a running server its first certificate.
    fn new(server: &'a Private, engine: Engine, first: &Certificate) -> Self {
        let it = Self { engine, server };
        it.lay(first);
        if engine == Engine::Postgres {
            let file = |name: &str| it.server.folder().join("tls").join(name).display().to_string();
            for set in [
                format!("ssl_cert_file = '{}'", file("server.pem")),
                format!("ssl_key_file = '{}'", file("server.key")),
                "ssl = on".to_owned(),
            ] {
                crate::support::database::execute(engine, &it.server.url, &format!("ALTER SYSTEM SET {set}"));
            }
            it.reload();
        } else {
            it.server.halt();
            it.server.restart();
        }
        it
    }

    /// Puts the files where the server looks, for its user alone.
    fn lay(&self, certificate: &Certificate) {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
        let folder = self.server.folder().join("tls");
        std::fs::create_dir_all(&folder).unwrap();
        let owner = std::fs::metadata(self.server.folder().join("data")).unwrap().uid();
        for (from, to) in [(&certificate.pem, "server.pem"), (&certificate.key, "server.key")] {
            let to = folder.join(to);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
            chown(&to, Some(owner), None).unwrap();
        }
    }

    /// PostgreSQL reads its settings when it gets to it; a session that begins afterwards has them.
    fn reload(&self) {
        let ask = |sql: &str| query(self.engine, &self.server.url, sql)[0][0].clone().unwrap();
        let before = ask("SELECT pg_conf_load_time()");
        ask("SELECT pg_reload_conf()");
        let begun = Instant::now();
        while ask("SELECT pg_conf_load_time()") == before {
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not reload");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn show(&self, certificate: &Certificate) {
        self.lay(certificate);
        if self.engine == Engine::Postgres {
            self.reload();
        } else {
            crate::support::database::execute(self.engine, &self.server.url, "FLUSH SSL");
        }
    }
}

/// Passes everything on to a server, from an address that is not local, and keeps what the clients sent.
struct Wire {
    place: String,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    fn to(server: &str) -> Self {
        let listener = TcpListener::bind((ELSEWHERE, 0)).unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let (sent, server) = (Arc::new(Mutex::new(Vec::new())), server.to_owned());
        let kept = Arc::clone(&sent);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                let (back, kept) =
                    ((server.try_clone().unwrap(), client.try_clone().unwrap()), Arc::clone(&kept));
                std::thread::spawn(move || pass(client, server, Some(&kept)));
                std::thread::spawn(move || pass(back.0, back.1, None));
            }
        });
        Self { place, sent }
    }

    /// Whether a word has crossed it in the clear, and forgets what has.
    fn carried(&self, word: &str) -> bool {
        holds(&std::mem::take(&mut *self.sent.lock().unwrap()), word)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, kept: Option<&Mutex<Vec<u8>>>) {
    let mut some = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut some) {
        if let Some(kept) = kept {
            kept.lock().unwrap().extend(&some[..length]);
        }
        if to.write_all(&some[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// How `detect` ends at a URL, which no process list shows.
fn detect(url: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path());
    command.env("DATABASE_URL", url).arg("detect");
    let ran = Running::start(command).end();
    assert!(!ran.stdout.contains(WORD) && !ran.stderr.contains(WORD), "{ran}");
    ran
}

fn expect(url: &str, code: i32, why: &str) -> Ran {
    let ran = detect(url);
    assert_eq!(ran.code, code, "{why} ({url}): {ran}");
    ran
}

/// What each certificate is good for.
fn as_asked_for(engine: Engine) {
    let authority = Authority::new();
    let ca = authority.pem().display().to_string();
    let server = Private::start(engine);
    let account = Account::on(Db::fresh_on(engine, &server.url));
    let here = |query: &str| format!("{}?{query}", account.url(Some(ENCODED)));
    let wire = Wire::to(account.place());
    let there = |query: &str| format!("{}?{query}", account.url_at(&wire.place, Some(ENCODED)));
    let (root, advice) =
        if engine == Engine::Postgres { ("sslrootcert", "sslrootcert=") } else { ("ssl_ca", "ssl_ca") };
    let named = format!("{root}={ca}");

    // Before the server has TLS. Here it is used without, elsewhere not, and nobody's name crosses.
    expect(&here(""), 0, "a local server without TLS");
    expect(&here("sslmode=require"), 3, "TLS is required");
    wire.carried(WORD);
    expect(&there(""), 3, "a server elsewhere has to show who it is");
    expect(&there("sslmode=verify-full"), 3, "the same, asked for");
    assert!(!wire.carried(&account.user), "the user's name crossed in the clear");
    let ran = expect(&there("sslmode=disable"), 0, "plaintext was asked for");
    assert!(ran.stderr.contains("unencrypted"), "it is not said what that means\n{ran}");
    assert!(wire.carried(&account.user), "the wire carries nothing");

    let both = "IP:127.0.0.1,IP:127.0.0.2,DNS:localhost";
    let good = authority.certificate("good", both, 2);
    let encrypted = Encrypted::new(&server, engine, &good);
    expect(&here("sslmode=require"), 0, "encrypted, whoever it is");
    expect(&here(&format!("sslmode=verify-ca&{named}")), 0, "a private authority");
    expect(&here(&format!("sslmode=verify-full&{named}")), 0, "a private authority and the right name");
    let ran = expect(&here("sslmode=verify-full"), 3, "an authority that nobody named");
    assert!(ran.stderr.contains(advice), "{ran}");
    expect(&there(""), 3, "an authority that nobody named, by default");
    expect(&there(&named), 0, "the default elsewhere, with the authority");
    expect(&there("sslmode=require"), 0, "encrypted, whoever it is, because it was asked for");
    assert!(!wire.carried(&account.user), "the user's name crossed in the clear");
    // What is moved through it is whole.
    let (source, folder) = (crate::bad_input::small(), tempfile::tempdir().unwrap());
    let mut command = binary::command(folder.path());
    command.env("TARGET_DATABASE_URL", there(&named));
    command.args(["migrate", "--source", &source.url, "--target", account.word()]);
    let ran = Running::start(command).end();
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(account.db.value("SELECT count(*) FROM parent").as_deref(), Some("2"));
    assert!(!wire.carried("parent"), "rows and statements crossed in the clear");

    for (certificate, by_authority, why) in [
        (authority.certificate("wrong", "DNS:db.example,IP:192.0.2.1", 2), 0, "made out to another host"),
        (authority.itself("alone", "CA:FALSE", both), 3, "signed by itself"),
        (authority.certificate("expired", both, -1), 3, "past its day"),
    ] {
        encrypted.show(&certificate);
        wire.carried(WORD);
        expect(&there(&named), 3, why);
        expect(&here(&format!("sslmode=verify-full&{named}")), 3, why);
        expect(&here(&format!("sslmode=verify-ca&{named}")), by_authority, why);
        assert!(!wire.carried(&account.user), "{why}: the user's name crossed in the clear");
    }
    encrypted.show(&good);
    expect(&there(&named), 0, "the good certificate again");
}

#[test]
fn a86_certificates_of_postgres() {
    as_asked_for(Engine::Postgres);
}

#[test]
fn certificates_of_mariadb() {
    as_asked_for(Engine::Mariadb);
}

#[test]
fn a86_scram_and_what_it_cannot_do() {
    let account = Account::new(Engine::Postgres);
    let kind = format!("SELECT substr(rolpassword, 1, 13) FROM pg_authid WHERE rolname = '{}'", account.user);
    assert_eq!(account.db.value(&kind).as_deref(), Some("SCRAM-SHA-256"));
    let wire = Wire::to(account.place());
    let url =
        |password: &str, query: &str| format!("{}?{query}", account.url_at(&wire.place, Some(password)));
    expect(&url(ENCODED, "sslmode=disable"), 0, "SCRAM");
    assert!(!wire.carried(WORD), "SCRAM gives the password away");
    expect(&url("kanarienvogel", "sslmode=disable"), 3, "a wrong password");
    expect(
        &url(ENCODED, "sslmode=disable&channel_binding=prefer"),
        0,
        "channel binding that may be left out",
    );
    let ran = expect(&url(ENCODED, "channel_binding=require"), 2, "channel binding that may not");
    assert!(ran.stderr.contains("channel_binding=require"), "{ran}");
}

#[test]
fn a85_passwords_of_mysql_through_its_socket() {
    for engine in [Engine::Mysql, Engine::Mariadb].into_iter().filter(|engine| engine.at_hand()) {
        let account = Account::new(engine);
        let socket = account.db.value("SELECT @@socket").unwrap();
        let url =
            |password: &str| format!("{}?unix_socket={socket}", account.url_at("localhost", Some(password)));
        account.db.execute("FLUSH PRIVILEGES");
        for _ in 0..2 {
            expect(&url(ENCODED), 0, "a first and a second login");
        }
        account.db.execute("FLUSH PRIVILEGES");
        expect(&url("kanarienvogel"), 3, "a wrong password");
        assert!(Path::new(&socket).exists());
    }
}
