//! Restarts under load, restarts that fail, and what systemd is told of them.

use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conformance::{Client, Method, Options, PATIENCE, Server, Signal, Subject};
use rustix::process::{Pid, kill_process, test_kill_process};
use tungstenite::Message;

use super::certificates::Authority;
use super::http2::{self, Asked};
use super::{Folder, chapter, text};

chapter! {
    no_client_is_refused_and_no_request_is_cut,
    listeners_go_on_whoever_accepts,
    the_program_of_now_is_started,
    a_new_process_that_cannot_start_changes_nothing,
    a_new_process_that_is_killed_changes_nothing,
    the_end_of_the_old_process_ends_one_that_starts,
    systemd_is_told,
    the_watchdog_is_told_while_workers_answer,
}

/// A process that nobody else ends.
pub(super) struct Process(Pid);

impl Process {
    /// The one that a line of the log names last.
    fn named_in(line: &str) -> Self {
        let id = line.split("pid=").nth(1).expect("it names a process");
        let id = id.split(' ').next().and_then(|id| id.parse().ok());
        Self(id.and_then(Pid::from_raw).expect("an id"))
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("it is running");
    }

    /// Waits until it is gone.
    #[track_caller]
    pub(super) fn wait(&self) {
        // It is no child of ours, so there is nothing to wait on.
        wait_until("its end", || test_kill_process(self.0).is_err());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Clients that ask as long as they are let.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn new() -> Self {
        Self {
            stop: Arc::default(),
            answered: Arc::default(),
            clients: Vec::new(),
        }
    }

    /// Adds a client that does this again and again; it panics where it is not served.
    fn add(&mut self, mut ask: impl FnMut() + Send + 'static) {
        let (stop, answered) = (Arc::clone(&self.stop), Arc::clone(&self.answered));
        self.clients.push(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                ask();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    /// Adds a client that keeps its connection for as long as the server does.
    fn add_keeping(&mut self, connect: impl Fn() -> Client + Send + 'static) {
        let mut client = None;
        self.add(move || {
            let mut kept = client.take().unwrap_or_else(&connect);
            let response = kept.get("/conformance/hello");
            assert_eq!(response.text(), "Hello, world!");
            if response.field("connection") != Some("close") {
                client = Some(kept);
            }
        });
    }

    /// Waits until so many more were answered.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let (until, begun) = (self.answered.load(Ordering::Relaxed) + more, Instant::now());
        while self.answered.load(Ordering::Relaxed) < until {
            let ended = self.clients.iter().any(JoinHandle::is_finished);
            assert!(
                !ended && begun.elapsed() < PATIENCE,
                "somebody was not served"
            );
            // Not a spin: what is waited for needs the cores.
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Ends; all must have been served.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            assert!(client.join().is_ok(), "somebody was not served");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// Waits for the process that takes over.
pub(super) fn taken_over(server: &Server) -> Process {
    Process::named_in(&server.wait_for_log("another process has taken over"))
}

/// Asks until an answer says that it is the last: workers learn one after the other that they are to leave. Each is answered.
#[track_caller]
fn ask_until_told(client: &mut Client, path: &str) {
    wait_until("the last answer", || {
        let response = client.get(path);
        assert_eq!(response.status, 200);
        response.field("connection") == Some("close")
    });
    client.expect_end();
}

fn no_client_is_refused_and_no_request_is_cut(subject: &Subject) {
    let (authority, folder) = (Authority::new("an authority"), Folder::new());
    let (certificate, key) = authority.server(&["localhost"]).write(&folder, "server");
    let path = folder.file("app.sock");
    let unix = format!("http://unix:{}", text(&path));
    let options = Options::new().arguments(&[
        "--bind",
        "http://127.0.0.1:0",
        "--bind",
        "https://127.0.0.1:0",
        "--bind",
        &unix,
        "--tls-cert",
        text(&certificate),
        "--tls-key",
        text(&key),
        "--workers",
        "2",
        "--access-log",
        "off",
        "--metrics-bind",
        "127.0.0.1:0",
        // Silent clients have half of it, however long the rest of this takes.
        "--grace",
        "10m",
    ]);
    let mut server = subject.start_with(options);
    let [address, secure] = server.addresses(3)[..] else {
        panic!("it listens at two addresses");
    };
    let metrics = server.wait_for_log("metrics, health");
    let metrics = metrics
        .split("address=")
        .nth(1)
        .and_then(|address| address.trim().parse().ok());
    let metrics: SocketAddr = metrics.expect("it is named");
    // Those that are connected already, and ask later or are answered later.
    let mut idle: Vec<Client> = (0..4).map(|_| Client::connect(address)).collect();
    for client in &mut idle[..3] {
        assert_eq!(client.get("/conformance/hello").status, 200);
    }
    let mut slow = Client::connect(address);
    slow.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(server.ask("/conformance/report/slow/1"), "waiting");
    let streaming = thread::spawn(move || {
        let asked = Asked {
            url: "http://a/conformance/slow",
            fields: &[],
            times: 3,
        };
        http2::ask(address, &asked)
    });
    assert_eq!(
        server.ask("/conformance/report/slow/4"),
        "waiting\nwaiting\nwaiting\nwaiting"
    );
    let url = format!("ws://{address}/conformance/ws/echo");
    let stream = Client::connect(address).into_stream();
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");

    let mut load = Load::new();
    for _ in 0..3 {
        load.add_keeping(move || Client::connect(address));
    }
    load.add(move || {
        let mut client = Client::connect(address);
        client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(client.read_response().text(), "Hello, world!");
        client.expect_end();
    });
    load.add(move || {
        let body = vec![b'x'; 300_000];
        let mut client = Client::connect(address);
        let echoed = client.post("/conformance/collect/400000", &body);
        assert!(echoed.body == body, "{} bytes came back", echoed.body.len());
    });
    let config = authority.trusted_by(&[]);
    load.add_keeping(move || {
        Client::connect_tls(secure, &config, "localhost").expect("a handshake")
    });
    load.add(move || {
        let ready = Client::connect(metrics).get("/ready");
        assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    });
    let of_load = path.clone();
    load.add_keeping(move || Client::connect_unix(&of_load));
    load.wait_for(50);

    server.signal(Signal::USR2);
    let new = taken_over(&server);
    load.wait_for(50);
    // The old one still serves those that it has, and tells them to come back elsewhere.
    socket
        .send(Message::text("still there"))
        .expect("it is open");
    assert_eq!(
        socket.read().expect("it echoes"),
        Message::text("still there")
    );
    let _ = socket.close(None);
    while socket.read().is_ok() {}
    for client in &mut idle {
        ask_until_told(client, "/conformance/open/slow");
    }
    assert_eq!(slow.read_response_to(Method::Other).text(), "slow");
    assert_eq!(streaming.join().expect("streams are answered"), "slow");
    // Once more, from the new one; nobody of its own is silent.
    drop(slow);
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert!(path.exists(), "the file is the new one's");
    load.wait_for(50);
    new.signal(Signal::USR2);
    let take_overs = || {
        let log = server.log();
        let lines = log.into_iter();
        lines
            .filter(|line| line.contains("has taken over"))
            .collect::<Vec<_>>()
    };
    wait_until("the second restart", || take_overs().len() == 2);
    let newest = Process::named_in(&take_overs()[1]);
    load.wait_for(50);
    new.wait();
    load.wait_for(50);
    assert!(load.end() >= 250);
    newest.signal(Signal::TERM);
    newest.wait();
    assert!(!path.exists(), "it goes with the last");
}

fn listeners_go_on_whoever_accepts(subject: &Subject) {
    let folder = Folder::new();
    let file = folder.write("gateway.toml", "workers = 3\naccept = \"per-worker\"\n");
    let options = Options::new().arguments(&["--config", text(&file)]);
    let mut server = subject.start_with(options);
    let address = server.address();
    let mut load = Load::new();
    for _ in 0..2 {
        load.add(move || {
            let mut client = Client::connect(address);
            assert_eq!(client.get("/conformance/hello").status, 200);
        });
    }
    load.wait_for(20);
    // Fewer workers than listeners, and then more.
    let _ = folder.write("gateway.toml", "workers = 1\n");
    server.signal(Signal::USR2);
    let one = taken_over(&server);
    assert_eq!(server.wait_for_process().code(), Some(0));
    load.wait_for(20);
    let _ = folder.write("gateway.toml", "workers = 5\naccept = \"hand-off\"\n");
    one.signal(Signal::USR2);
    one.wait();
    load.wait_for(20);
    let last = server
        .log()
        .into_iter()
        .rev()
        .find(|line| line.contains("has taken over"));
    let last = Process::named_in(&last.expect("it was said"));
    load.wait_for(20);
    let _ = load.end();
    last.signal(Signal::TERM);
    last.wait();
}

/// A copy of the program, at a path of its own.
fn copy_of_program(subject: &Subject, folder: &Folder) -> (Subject, PathBuf) {
    let file = folder.file("server");
    std::fs::copy(super::PROGRAM, &file).expect("it can be copied");
    let arguments = ["peer", "--server", subject.name()];
    (Subject::new(subject.name(), &file, &arguments), file)
}

fn the_program_of_now_is_started(subject: &Subject) {
    let folder = Folder::new();
    let (copied, file) = copy_of_program(subject, &folder);
    let mut server = copied.start();
    // As deploys do: another file takes the name.
    let next = folder.file("next");
    std::fs::copy(super::PROGRAM, &next).expect("it can be copied");
    std::fs::rename(&next, &file).expect("it can be replaced");
    server.signal(Signal::USR2);
    let new = taken_over(&server);
    let running = std::fs::read_link(format!("/proc/{}/exe", new.0.as_raw_nonzero()));
    assert_eq!(
        running.expect("it is running"),
        file,
        "and not one that is gone"
    );
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

fn a_new_process_that_cannot_start_changes_nothing(subject: &Subject) {
    let folder = Folder::new();
    let file = folder.write("gateway.toml", "workers = 1\n");
    let options = Options::new().arguments(&["--config", text(&file)]);
    let mut server = subject.start_with(options);
    let mut kept = server.connect();
    for (text, how) in [
        ("wrkers = 1\n", "wrkers"),
        (
            "tls-cert = [\"/no/such/file\"]\ntls-key = [\"/no/such/file\"]\n",
            "/no/such/file",
        ),
    ] {
        let _ = folder.write("gateway.toml", text);
        let failed = carried_on(&server);
        server.signal(Signal::USR2);
        let said = server.wait_for_log(how);
        assert!(said.contains("error: "), "{said}");
        wait_until("it carries on", || carried_on(&server) > failed);
        assert_eq!(kept.get("/conformance/hello").status, 200);
        assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    }
    // Mended, it works.
    let _ = folder.write("gateway.toml", "workers = 1\n");
    server.signal(Signal::USR2);
    let _new = taken_over(&server);
    ask_until_told(&mut kept, "/conformance/hello");
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

/// How often it has said that it goes on itself.
fn carried_on(server: &Server) -> usize {
    let log = server.log();
    let said = log
        .iter()
        .filter(|line| line.contains("(exit status: 2): this one carries on"));
    said.count()
}

/// Waits for what must happen.
#[track_caller]
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        // Not a spin: what is waited for needs the cores.
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// A server whose next process waits for ever for its file.
fn hanging(subject: &Subject, folder: &Folder) -> (Server, Process) {
    let file = folder.write("gateway.toml", "workers = 2\n");
    let options = Options::new().arguments(&["--config", text(&file)]);
    let server = subject.start_with(options);
    std::fs::remove_file(&file).expect("it is there");
    let made = Command::new("mkfifo").arg(&file).status();
    assert!(made.expect("a program of every system").success());
    server.signal(Signal::USR2);
    let new = Process::named_in(&server.wait_for_log("a new process is starting"));
    (server, new)
}

fn a_new_process_that_is_killed_changes_nothing(subject: &Subject) {
    let folder = Folder::new();
    let (server, new) = hanging(subject, &folder);
    let address = server.address();
    let mut load = Load::new();
    for _ in 0..2 {
        load.add_keeping(move || Client::connect(address));
        load.add(move || {
            assert_eq!(
                Client::connect(address).get("/conformance/hello").status,
                200
            )
        });
    }
    load.wait_for(20);
    server.signal(Signal::USR2);
    let _ = server.wait_for_log("starting already");
    new.signal(Signal::KILL);
    let said = server.wait_for_log("carries on");
    assert!(said.contains("signal: 9"), "{said}");
    load.wait_for(100);
    let _ = load.end();
    new.wait();
}

fn the_end_of_the_old_process_ends_one_that_starts(subject: &Subject) {
    let folder = Folder::new();
    let (mut server, new) = hanging(subject, &folder);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_process().code(), Some(0));
    new.wait();
}

/// Where a server says how it is.
struct Told {
    socket: UnixDatagram,
}

impl Told {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("it is free");
        Self::new(socket)
    }

    fn new(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self { socket }
    }

    #[track_caller]
    fn next(&self) -> String {
        let mut bytes = [0; 1024];
        let length = self.socket.recv(&mut bytes).expect("it is told");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }
}

fn systemd_is_told(subject: &Subject) {
    let (authority, folder) = (Authority::new("an authority"), Folder::new());
    let (certificate, key) = authority.server(&["localhost"]).write(&folder, "server");
    let path = folder.file("notify");
    let told = Told::at(&path);
    let options = Options::new()
        .arguments(&["--tls-cert", text(&certificate), "--tls-key", text(&key)])
        .environment("NOTIFY_SOCKET", text(&path));
    let mut server = subject.start_with(options);
    assert_eq!(told.next(), "READY=1");
    server.signal(Signal::HUP);
    let reloading = told.next();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told.next(), "READY=1");
    server.signal(Signal::USR2);
    let new = taken_over(&server);
    // Which of the two processes is faster does not matter.
    let mut both = [told.next(), told.next()];
    both.sort();
    assert_eq!(both, [format!("MAINPID={}", new.0), "READY=1".to_owned()]);
    assert_eq!(server.wait_for_process().code(), Some(0));
    new.signal(Signal::TERM);
    assert_eq!(told.next(), "STOPPING=1");
    new.wait();
}

fn the_watchdog_is_told_while_workers_answer(subject: &Subject) {
    let name = format!("gateway-{}-{}", std::process::id(), subject.name());
    let address = UnixAddress::from_abstract_name(&name).expect("a name");
    let told = Told::new(UnixDatagram::bind_addr(&address).expect("it is free"));
    let options = Options::new()
        .arguments(&["--workers", "1"])
        .environment("NOTIFY_SOCKET", &format!("@{name}"))
        .environment("WATCHDOG_USEC", "200000");
    let server = subject.start_with(options);
    assert_eq!(told.next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(told.next(), "WATCHDOG=1");
    }
    // An application that holds its worker is what it is there for.
    let mut blocked = server.connect();
    blocked.send("GET /conformance/block/1000 HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = server.wait_for_log("a worker is held");
    assert_eq!(blocked.read_response().text(), "blocked");
    while told.socket.set_nonblocking(true).is_ok() && told.socket.recv(&mut [0; 100]).is_ok() {}
    told.socket.set_nonblocking(false).expect("an option");
    assert_eq!(told.next(), "WATCHDOG=1", "it lives again");
}
