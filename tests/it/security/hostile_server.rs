//! Servers that are none, or mean harm: whoever answers, the run ends soon, with an error and without having given
//! away more than it was asked for by its own user.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::holds;
use crate::bad_input::error_shape;
use crate::support::binary;
use crate::support::chance::{Chance, seed};

/// By when a run has long ended that does not wait for ever, on a machine that the other tests load.
const SOON: Duration = Duration::from_secs(120);

/// Listens on a port of its own and treats everybody who connects alike. The thread ends with the process.
fn server(treat: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Whatever goes wrong between the two is the client's matter.
            treat(stream);
        }
    });
    port
}

/// A packet of MySQL's protocol.
fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

/// How MySQL greets: without TLS, with an old kind of password.
fn greeting() -> Vec<u8> {
    let mut text = b"\x0a8.0.36\0".to_vec();
    text.extend(7_u32.to_le_bytes());
    text.extend(b"abcdefgh\0");
    // Everything but TLS and compression, LOCAL INFILE above all.
    text.extend(0xf7df_u16.to_le_bytes());
    text.extend([45, 2, 0]);
    text.extend(0x00ff_u16.to_le_bytes());
    text.push(21);
    text.extend([0; 10]);
    text.extend(b"ijklmnopqrst\0mysql_native_password\0");
    text
}

/// What MySQL says when all is well.
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];

/// A message of PostgreSQL's protocol with a length that need not be true.
fn message(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// What no server of either kind would say.
fn garbage() -> Vec<Vec<u8>> {
    let mut chance = Chance(seed());
    let mut noise = |length: usize| (0..length).map(|_| u8::try_from(chance.below(256)).unwrap()).collect();
    vec![
        Vec::new(),
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        vec![0; 64],
        vec![0xff; 64],
        noise(16),
        noise(1000),
        noise(1000),
    ]
}

fn mysql_garbage() -> Vec<Vec<u8>> {
    let whole = greeting();
    let cut =
        [1, 5, 9, 13, 20, 24, 29, 33, 40, 50, 60, 75].map(|at| packet(0, &whole[..at.min(whole.len())]));
    let then = |more: &[u8]| [packet(0, &whole), packet(2, more)].concat();
    let asks: [&[u8]; 6] = [&[1], &[0xfe], b"\xfecaching_sha2_password\0", b"\xfe\0", b"\x01\x04", &[0xff]];
    [garbage(), cut.to_vec(), asks.map(then).to_vec()].concat()
}

fn postgres_garbage() -> Vec<Vec<u8>> {
    let mut out = garbage();
    for kind in *b"RKSEZNTDvG" {
        for (length, body) in
            [(4, &[][..]), (0, &[]), (5, &[0]), (8, &[0, 0, 0, 10]), (u32::MAX, &[]), (12, &[255; 8])]
        {
            out.push([b"N".to_vec(), message(kind, length, body)].concat());
        }
    }
    let sasl = [&[0, 0, 0, 10][..], b"SCRAM-SHA-256\0\0"].concat();
    let greet = [b"N".to_vec(), message(b'R', 23, &sasl)].concat();
    for reply in [&b"\0\0\0\x0b"[..], b"\0\0\0\x0br=x,s=,i=0", b"\0\0\0\x0bzzzz"] {
        out.push([greet.clone(), message(b'R', 4 + u32::try_from(reply.len()).unwrap(), reply)].concat());
    }
    out.push([b"N".to_vec(), message(b'R', 8, &[0, 0, 0, 0]), vec![0xee; 300]].concat());
    out.push([b"S".to_vec(), vec![0xee; 300]].concat());
    out
}

#[test]
fn what_is_no_server_is_called_so() {
    for (scheme, answers) in [("postgresql", postgres_garbage()), ("mysql", mysql_garbage())] {
        for answer in answers {
            let said = answer.clone();
            let port = server(move |mut stream| {
                let _ = stream.write_all(&answer);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                // Reading on keeps the answer from being lost to a reset.
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            });
            let url = format!("{scheme}://u:kanarienvogel@127.0.0.1:{port}/d?connect_timeout=3");
            let begun = Instant::now();
            let ran = binary::run(&["detect", "--database", &url]);
            let shown = String::from_utf8_lossy(&said);
            assert!(begun.elapsed() < SOON, "{scheme} {shown:?}: {ran}");
            error_shape(&ran, 3);
            assert!(!ran.stderr.contains("fault"), "{scheme} {shown:?}: {ran}");
            assert!(!ran.stderr.contains("kanarienvogel"), "{scheme} {shown:?}: {ran}");
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let port = server(std::mem::forget);
    for scheme in ["postgresql", "mysql"] {
        let url = format!("{scheme}://u:p@127.0.0.1:{port}/d?connect_timeout=1");
        let begun = Instant::now();
        let ran = binary::run(&["detect", "--database", &url]);
        error_shape(&ran, 3);
        assert!(begun.elapsed() < SOON, "{scheme}: {ran}");
    }
}

/// Reads what the client sends, as much as comes at once.
fn hear(stream: &mut TcpStream, heard: &Mutex<Vec<u8>>) -> bool {
    let mut some = [0; 8192];
    match stream.read(&mut some) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            heard.lock().unwrap().extend(&some[..length]);
            true
        }
    }
}

#[test]
fn a_server_that_asks_for_a_local_file_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "kanarienvogel".repeat(10)).unwrap();
    let source = crate::bad_input::small();
    // After the login, or at the first, second, … statement.
    for patience in 0..3 {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ears, path) = (Arc::clone(&heard), secret.to_str().unwrap().to_owned());
        let port = server(move |mut stream| {
            let _ = stream.set_read_timeout(Some(Duration::from_millis(1500)));
            let _ = stream.write_all(&packet(0, &greeting()));
            if !hear(&mut stream, &ears) {
                return;
            }
            let _ = stream.write_all(&packet(2, OK));
            let ask = [&[0xfb][..], path.as_bytes()].concat();
            let mut statements = 0;
            while hear(&mut stream, &ears) {
                let answer = if statements < patience { OK } else { &ask };
                statements += 1;
                let _ = stream.write_all(&packet(1, answer));
            }
        });
        let url = format!("mysql://u:p@127.0.0.1:{port}/d?connect_timeout=3");
        for args in [
            &["detect", "--database", &url][..],
            &["migrate", "--source", &source.url, "--target", &url],
            &["migrate", "--source", &url, "--target", "new.db"],
        ] {
            let begun = Instant::now();
            let ran = binary::run(args);
            assert!(matches!(ran.code, 3 | 5), "{args:?}: {ran}");
            assert!(!ran.stderr.contains("panicked"), "{args:?}: {ran}");
            assert!(begun.elapsed() < SOON, "{args:?}: {ran}");
        }
        let heard = heard.lock().unwrap();
        assert!(heard.len() > 100, "nobody called");
        // CLIENT_LOCAL_FILES, in the first packet after its four bytes of head.
        assert_eq!(heard[4] & 0x80, 0, "the client offers to send files");
        assert!(!holds(&heard, "kanarienvogel"), "the file was sent");
    }
}
