//! A TCP proxy before a server that does what networks do: it lets bytes through, falls silent, closes or resets, at once
//! or when so many bytes have passed in one direction.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They stay open, and nothing passes any more.
    Stall,
    /// They are closed in good form.
    Cut,
    /// They are reset.
    Reset,
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the program under test to the server.
    ToServer,
    /// From the server to the program under test.
    ToClient,
}

/// A proxy before one server; it ends with this value.
pub struct Proxy {
    at: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    fault: Option<Fault>,
    /// Whether connections suffer it that had begun before.
    open: bool,
    /// Whether connections that begin now suffer it too.
    lasting: bool,
    /// Connections that have begun before the fault have smaller numbers.
    since: u64,
}

#[derive(Debug, Clone, Copy)]
struct Trigger {
    way: Way,
    byte: u64,
    fault: Fault,
    lasting: bool,
}

/// A fault that waits for texts which pass to the server.
#[derive(Debug)]
struct Watch {
    /// One after the other; the first of them is the next.
    texts: Vec<Vec<u8>>,
    /// Bytes between the beginning of the last text and the fault; `None` waits for the server's answer.
    offset: Option<i64>,
    fault: Fault,
    lasting: bool,
}

struct Shared {
    watch: Mutex<Option<Watch>>,
    state: watch::Sender<State>,
    trigger: Mutex<Option<Trigger>>,
    passed: [AtomicU64; 2],
    begun: AtomicU64,
}

impl Proxy {
    /// Listens on a free port, and passes on to the server of a URL.
    pub fn before(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let place = (url.host_str().unwrap(), url.port().unwrap());
        let server = place.to_socket_addrs().unwrap().next().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let state = State { fault: None, open: true, lasting: false, since: 0 };
        let shared = Arc::new(Shared {
            watch: Mutex::new(None),
            state: watch::Sender::new(state),
            trigger: Mutex::new(None),
            passed: [AtomicU64::new(0), AtomicU64::new(0)],
            begun: AtomicU64::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, server, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { at, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// The same URL with the proxy in the server's place.
    pub fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.at.port())).unwrap();
        url.into()
    }

    /// Lets all connections suffer a fault now, and those that begin until [`Proxy::heal`].
    pub fn fail(&self, fault: Fault) {
        self.shared.fail(fault, true);
    }

    /// Lets connections fall silent that begin once so many have begun, from now on; those before them go on.
    pub fn stall_beyond(&self, connections: u64) {
        let since = self.begun() + connections;
        self.shared.state.send_replace(State {
            fault: Some(Fault::Stall),
            open: false,
            lasting: true,
            since,
        });
    }

    /// Connections that have begun.
    pub fn begun(&self) -> u64 {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// Lets connections that are open when byte number `byte` (from now, over all connections) has passed suffer a fault,
    /// and where it is `lasting` those that begin later too, until [`Proxy::heal`].
    pub fn fail_after(&self, way: Way, byte: u64, fault: Fault, lasting: bool) {
        let byte = self.passed(way) + byte;
        *self.shared.trigger.lock().unwrap() = Some(Trigger { way, byte, fault, lasting });
    }

    /// Lets connections suffer a fault `offset` bytes after (or before) the last of these texts begins, which pass to the
    /// server one after the other; where it is `lasting`, those that begin later too.
    pub fn fail_near(&self, texts: &[&str], offset: i64, fault: Fault, lasting: bool) {
        self.watch(texts, Some(offset), fault, lasting);
    }

    /// Lets connections suffer a fault when the server has answered to the last of these texts, which pass to it one
    /// after the other: no byte of the answer passes.
    pub fn fail_at_answer(&self, texts: &[&str], fault: Fault, lasting: bool) {
        self.watch(texts, None, fault, lasting);
    }

    fn watch(&self, texts: &[&str], offset: Option<i64>, fault: Fault, lasting: bool) {
        let texts = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        *self.shared.watch.lock().unwrap() = Some(Watch { texts, offset, fault, lasting });
    }

    /// Lets everything through again: connections that only stalled go on.
    pub fn heal(&self) {
        *self.shared.watch.lock().unwrap() = None;
        *self.shared.trigger.lock().unwrap() = None;
        self.shared.state.send_modify(|state| state.fault = None);
    }

    /// Bytes that have passed in a direction.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.passed[way as usize].load(Ordering::SeqCst)
    }

    /// Whether a fault has come about.
    pub fn has_failed(&self) -> bool {
        self.shared.state.borrow().fault.is_some()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn fail(&self, fault: Fault, lasting: bool) {
        let since = self.begun.load(Ordering::SeqCst);
        self.state.send_replace(State { fault: Some(fault), open: true, lasting, since });
    }

    /// What a connection suffers at the moment.
    fn suffers(&self, number: u64) -> Option<Fault> {
        let state = *self.state.borrow();
        state.fault.filter(|_| if number < state.since { state.open } else { state.lasting })
    }

    /// Looks for the texts that a fault waits for in what is going to pass to the server.
    fn look(&self, block: &[u8]) {
        let mut watch = self.watch.lock().unwrap();
        let Some(waiting) = watch.as_mut() else { return };
        let mut from = 0;
        while let Some(text) = waiting.texts.first() {
            let found = block[from..].windows(text.len()).position(|window| window == text);
            let Some(at) = found.map(|at| from + at) else { return };
            from = at + text.len();
            waiting.texts.remove(0);
            if waiting.texts.is_empty() {
                let (way, ahead) = match waiting.offset {
                    Some(offset) => (Way::ToServer, (i64::try_from(at).unwrap() + offset).max(0)),
                    None => (Way::ToClient, 0),
                };
                let byte = self.passed[way as usize].load(Ordering::SeqCst) + u64::try_from(ahead).unwrap();
                let trigger = Trigger { way, byte, fault: waiting.fault, lasting: waiting.lasting };
                *self.trigger.lock().unwrap() = Some(trigger);
            }
        }
        *watch = None;
    }

    /// How many of `read` bytes may pass; the byte that a fault waits for passes, and the fault comes about.
    fn pass(&self, way: Way, read: usize) -> usize {
        let mut trigger = self.trigger.lock().unwrap();
        let passed = &self.passed[way as usize];
        // Bytes of other connections may have passed since the fault was ordered.
        let left = |t: &Trigger| t.byte.saturating_sub(passed.load(Ordering::SeqCst));
        let room = trigger.as_ref().filter(|t| t.way == way).map(left);
        let passing = room.map_or(read, |room| read.min(usize::try_from(room).unwrap()));
        passed.fetch_add(passing as u64, Ordering::SeqCst);
        if room.is_some_and(|room| room <= passing as u64)
            && let Some(due) = trigger.take()
        {
            self.fail(due.fault, due.lasting);
        }
        passing
    }
}

async fn serve(listener: std::net::TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.begun.fetch_add(1, Ordering::SeqCst);
        let shared = shared.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            relay(client, server, number, &shared).await;
        });
    }
}

/// Carries one connection until it ends of itself, or by a fault.
async fn relay(mut client: TcpStream, mut server: TcpStream, number: u64, shared: &Shared) {
    {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let forth = pump(&mut from_client, &mut to_server, Way::ToServer, number, shared);
        let back = pump(&mut from_server, &mut to_client, Way::ToClient, number, shared);
        // Both directions, unless a fault ends them.
        tokio::pin!(forth, back);
        tokio::select! {
            () = &mut forth => {}
            () = &mut back => {}
            () = doomed(number, shared) => {}
        }
    }
    if shared.suffers(number) == Some(Fault::Reset) {
        // What is closed without lingering is reset.
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

/// Waits until this connection is cut or reset.
async fn doomed(number: u64, shared: &Shared) {
    let mut state = shared.state.subscribe();
    while !matches!(shared.suffers(number), Some(Fault::Cut | Fault::Reset)) {
        if state.changed().await.is_err() {
            return;
        }
    }
}

async fn pump(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    way: Way,
    number: u64,
    shared: &Shared,
) {
    let mut state = shared.state.subscribe();
    let mut block = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut block).await else {
            // Nor does the end of a connection pass where nothing passes.
            while shared.suffers(number) == Some(Fault::Stall) && state.changed().await.is_ok() {}
            return;
        };
        if way == Way::ToServer {
            shared.look(&block[..read]);
        }
        let mut done = 0;
        while done < read {
            while shared.suffers(number).is_some() {
                if state.changed().await.is_err() {
                    return;
                }
            }
            let passing = shared.pass(way, read - done);
            if to.write_all(&block[done..done + passing]).await.is_err() {
                return;
            }
            done += passing;
        }
    }
}

#[test]
fn the_proxy_does_what_it_is_told_at_the_byte() {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    let echo = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgresql://u@{}/d", echo.local_addr().unwrap());
    let proxy = Proxy::before(&url);
    assert_eq!(proxy.url(&url), format!("postgresql://u@{}/d", proxy.at));
    std::thread::spawn(move || {
        for client in echo.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || std::io::copy(&mut client.try_clone().unwrap(), &mut client));
        }
    });
    let open = || {
        let stream = TcpStream::connect(proxy.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        stream
    };
    let read = |stream: &mut TcpStream, most: usize| {
        let mut text = vec![0; most];
        stream.read(&mut text).map(|read| text[..read].to_vec())
    };
    let mut stream = open();
    stream.write_all(b"hello").unwrap();
    assert_eq!(read(&mut stream, 9).unwrap(), b"hello");
    assert_eq!((proxy.passed(Way::ToServer), proxy.passed(Way::ToClient)), (5, 5));

    // Three of the next bytes pass, and the rest when it is over.
    proxy.fail_after(Way::ToClient, 3, Fault::Stall, true);
    stream.write_all(b"again").unwrap();
    assert_eq!(read(&mut stream, 9).unwrap(), b"aga");
    assert!(matches!(read(&mut stream, 9).unwrap_err().kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(proxy.has_failed());
    let mut second = open();
    second.write_all(b"late").unwrap();
    assert!(read(&mut second, 9).is_err());
    proxy.heal();
    assert_eq!(read(&mut stream, 9).unwrap(), b"in");
    assert_eq!(read(&mut second, 9).unwrap(), b"late");

    // What does not last leaves new connections alone.
    proxy.fail_after(Way::ToServer, 1, Fault::Reset, false);
    stream.write_all(b"x").unwrap();
    assert_eq!(read(&mut stream, 9).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut third = open();
    third.write_all(b"new").unwrap();
    assert_eq!(read(&mut third, 9).unwrap(), b"new");
    proxy.fail(Fault::Cut);
    assert!(matches!(read(&mut third, 9).as_deref(), Ok([])));
}
