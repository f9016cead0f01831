//! Restarts under load, by settings and programs that have changed, and what systemd is told of them.

use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::{Path, PathBuf};
use std::thread;

use conformance::{Client, Method, Options, PATIENCE, Process, Signal, Subject};
use tungstenite::Message;

use super::certificates::Authority;
use super::http2::{self, Asked};
use super::processes::{Load, ask_until_told, configured, unix, wait_until};
use super::{Folder, chapter, text};

chapter! {
    no_client_is_refused_and_no_request_is_cut,
    listeners_go_on_whoever_accepts,
    the_program_of_now_is_started,
    the_program_that_a_link_leads_to_is_started,
    sockets_are_as_the_settings_of_now_say,
    systemd_is_told,
    the_watchdog_is_told_while_workers_answer,
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
    let new = server.successor();
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
    load.add_connecting(2, address);
    load.wait_for(20);
    // Fewer workers than listeners, and then more.
    let _ = folder.write("gateway.toml", "workers = 1\n");
    server.signal(Signal::USR2);
    let one = server.successor();
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
    let new = server.successor();
    assert_eq!(new.program(), file, "and not one that is gone");
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

fn the_program_that_a_link_leads_to_is_started(subject: &Subject) {
    let folder = Folder::new();
    let releases = ["1", "2", "3"].map(|name| {
        let file = folder.file(name);
        std::fs::copy(super::PROGRAM, &file).expect("it can be copied");
        file
    });
    let link = folder.file("current");
    let lead_to = |release: &Path| {
        let next = folder.file("next");
        std::os::unix::fs::symlink(release, &next).expect("a link");
        std::fs::rename(&next, &link).expect("it can be replaced");
    };
    lead_to(&releases[0]);
    let arguments = ["peer", "--server", subject.name()];
    let mut server = Subject::new(subject.name(), &link, &arguments).start();
    lead_to(&releases[1]);
    server.signal(Signal::USR2);
    let second = server.successor();
    assert_eq!(second.program(), releases[1]);
    assert_eq!(server.wait_for_process().code(), Some(0));
    // A name is passed on from one to the next.
    lead_to(&releases[2]);
    second.signal(Signal::USR2);
    second.wait();
    let said = server.log();
    let said = said.iter().rfind(|line| line.contains("has taken over"));
    let third = Process::named_in(said.expect("it was said"));
    assert_eq!(third.program(), releases[2]);
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

fn sockets_are_as_the_settings_of_now_say(subject: &Subject) {
    let folder = Folder::new();
    let [kept, dropped, metrics] =
        ["kept.sock", "dropped.sock", "metrics.sock"].map(|name| folder.file(name));
    let before = format!(
        "bind = {:?}\nmetrics-bind = {:?}\nunix-mode = \"600\"\n",
        [unix(&kept), unix(&dropped)],
        unix(&metrics)
    );
    let file = folder.write("gateway.toml", &before);
    let mut server = configured(subject, &file).start();
    for path in [&kept, &dropped, &metrics] {
        assert!(path.exists(), "{path:?}");
    }
    let now = format!("bind = {:?}\nunix-mode = \"640\"\n", [unix(&kept)]);
    let _ = folder.write("gateway.toml", &now);
    server.signal(Signal::USR2);
    let new = server.successor();
    assert_eq!(server.wait_for_process().code(), Some(0));
    let mode = std::fs::metadata(&kept).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    for path in [&dropped, &metrics] {
        assert!(!path.exists(), "nobody listens at {path:?}");
    }
    let hello = Client::connect_unix(&kept).get("/conformance/hello");
    assert_eq!(hello.status, 200);
    new.signal(Signal::TERM);
    new.wait();
    assert!(!kept.exists(), "it goes with the last");
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
    let new = server.successor();
    // Which of the two processes is faster does not matter.
    let mut both = [told.next(), told.next()];
    both.sort();
    assert_eq!(
        both,
        [format!("MAINPID={}", new.id()), "READY=1".to_owned()]
    );
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
