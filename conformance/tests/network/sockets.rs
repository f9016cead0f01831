//! Where a server listens, and what accepting does when it cannot.

use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use conformance::{Client, Options, PATIENCE, Server, Signal, Subject};
use rustix::process::{getgid, getuid};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Folder, PROGRAM, chapter, text};

chapter! {
    several_places_are_served_at_once,
    a_unix_socket_is_served,
    a_unix_socket_has_its_owner,
    as_many_wait_in_the_kernel_as_are_asked_for,
    a_server_that_drains_leaves_the_next_one_alone,
    a_unix_socket_that_a_killed_server_left_is_replaced,
    a_unix_socket_in_use_is_not_taken,
    a_passed_descriptor_is_served,
    a_number_names_no_socket_of_the_servers_own,
    sockets_that_systemd_passes_are_served,
    those_that_wait_at_the_end_are_answered,
    connections_are_handed_to_the_idlest_worker,
    what_cannot_be_had_is_said_in_one_line,
    exhausted_descriptors_are_waited_for,
}

fn several_places_are_served_at_once(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let unix = format!("unix:{}", text(&path));
    let binds = [
        "--bind",
        "127.0.0.1:0",
        "--bind",
        &unix,
        "--bind",
        "127.0.0.1:0",
    ];
    let server = subject.start_with(Options::new().arguments(&binds));
    let addresses = server.addresses(3);
    assert_eq!(addresses.len(), 2);
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert_eq!(
            Client::connect(address).get("/conformance/hello").status,
            200
        );
    }
    let mut client = Client::connect_unix(&path);
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn a_unix_socket_is_served(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let unix = format!("unix:{}", text(&path));
    let arguments = ["--bind", &unix, "--unix-mode", "600", "--workers", "2"];
    let mut server = subject.start_with(Options::new().arguments(&arguments));
    let file = std::fs::metadata(&path).expect("it is there");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let mut all: Vec<Client> = (0..20).map(|_| Client::connect_unix(&path)).collect();
    for client in &mut all {
        let scope = client.get("/conformance/scope").text().to_owned();
        let expected = format!("\nclient unix:\nserver {unix}\n");
        assert!(scope.contains(&expected), "{scope}");
        assert!(scope.contains("\nscheme http\n"), "{scope}");
    }
    // A body that takes many writes, and one that takes many reads.
    let large = vec![b'x'; 3 * 1024 * 1024];
    let echoed = all[0].post("/conformance/collect/4000000", &large);
    assert!(
        echoed.body == large,
        "{} bytes came back",
        echoed.body.len()
    );
    all[1].half_close();
    all[1].expect_end();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!path.exists(), "the file is gone with the server");
}

fn a_unix_socket_has_its_owner(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let unix = format!("unix:{}", text(&path));
    let (user, group) = (getuid(), getgid());
    let own = (user.as_raw(), group.as_raw());
    let name = |flag| {
        let said = Command::new("id").arg(flag).output();
        let said = said.expect("a program of every system").stdout;
        String::from_utf8(said).expect("it is text")
    };
    let by_name = format!("{}:{}", name("-un").trim(), name("-gn").trim());
    let mut rows = vec![
        (format!("{}:{}", own.0, own.1), own),
        (by_name, own),
        (format!(":{}", own.1), own),
    ];
    if user.is_root() {
        // Nobody else may give files away.
        rows.extend([("1:2".into(), (1, 2)), ("1".into(), (1, own.1))]);
    }
    for (owner, expected) in rows {
        let arguments = ["--bind", &unix, "--unix-owner", &owner];
        let _server = subject.start_with(Options::new().arguments(&arguments));
        let file = std::fs::metadata(&path).expect("it is there");
        assert_eq!((file.uid(), file.gid()), expected, "{owner}");
        let hello = Client::connect_unix(&path).get("/conformance/hello");
        assert_eq!(hello.status, 200);
    }
    let unknown = ["--bind", &unix, "--unix-owner", "nobody-has-this-name"];
    let error = failure(subject, Options::new().arguments(&unknown));
    assert!(error.contains("nobody-has-this-name"), "{error}");
}

fn as_many_wait_in_the_kernel_as_are_asked_for(subject: &Subject) {
    for backlog in [2, 7] {
        let folder = Folder::new();
        let path = folder.file("app.sock");
        let (unix, asked) = (format!("unix:{}", text(&path)), backlog.to_string());
        let arguments = ["--bind", &unix, "--backlog", &asked];
        // The first has all the room that there is, so nobody accepts the others.
        let full = ["--workers", "1", "--connections", "1"];
        let options = Options::new().arguments(&arguments).arguments(&full);
        let _server = subject.start_with(options);
        let mut first = Client::connect_unix(&path);
        assert_eq!(first.get("/conformance/hello").status, 200);
        let connect = || {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            socket.connect(&SockAddr::unix(&path)?).map(|()| socket)
        };
        let waiting: Vec<Socket> = (0..100).map_while(|_| connect().ok()).collect();
        // The kernel has one more wait than it is told.
        assert_eq!(waiting.len(), backlog + 1);
    }
}

fn a_server_that_drains_leaves_the_next_one_alone(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let unix = format!("unix:{}", text(&path));
    let options = Options::new().arguments(&["--bind", &unix, "--grace", "10m"]);
    let mut first = subject.start_with(options.clone());
    let mut slow = Client::connect_unix(&path);
    slow.send("GET /conformance/slow HTTP/1.1\r\nhost: a\r\n\r\n");
    let report = Client::connect_unix(&path).get("/conformance/report/slow/1");
    assert_eq!(report.text(), "waiting");
    first.signal(Signal::TERM);
    let begun = Instant::now();
    while path.exists() {
        assert!(begun.elapsed() < PATIENCE, "it goes before the drain does");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let _next = subject.start_with(options);
    // Only the first one knows of it.
    first.signal(Signal::INT);
    let _ = first.wait();
    assert!(path.exists(), "the file is the next one's");
    let mut client = Client::connect_unix(&path);
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn a_unix_socket_that_a_killed_server_left_is_replaced(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let unix = format!("unix:{}", text(&path));
    let options = Options::new().arguments(&["--bind", &unix]);
    let mut killed = subject.start_with(options.clone());
    killed.signal(Signal::KILL);
    let _ = killed.wait();
    assert!(path.exists(), "it could not remove it");
    let _server = subject.start_with(options);
    let mut client = Client::connect_unix(&path);
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn a_unix_socket_in_use_is_not_taken(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let listener = UnixListener::bind(&path).expect("it is free");
    let unix = format!("unix:{}", text(&path));
    let error = failure(subject, Options::new().arguments(&["--bind", &unix]));
    assert!(error.contains(&unix) && error.contains("in use"), "{error}");
    assert!(path.exists());
    drop(listener);
}

/// A server whose third descriptor is this listener, with these variables before the program.
fn passed(subject: &Subject, listener: impl Into<std::os::fd::OwnedFd>, before: &str) -> Subject {
    let script = format!("{before} exec \"$@\" 3<&0 < /dev/null");
    let server = subject.name();
    let arguments = ["-c", &script, "sh", PROGRAM, "peer", "--server", server];
    Subject::new(server, "sh", &arguments).with_input(listener)
}

fn a_passed_descriptor_is_served(subject: &Subject) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let subject = passed(subject, listener, "");
    let options = Options::new().arguments(&["--bind", "fd:3", "--workers", "2"]);
    let server = subject.start_with(options);
    assert_eq!(server.address(), address);
    for _ in 0..20 {
        assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    }
}

fn a_number_names_no_socket_of_the_servers_own(subject: &Subject) {
    let (server, script) = (subject.name(), "exec \"$@\" 3<&-");
    let arguments = ["-c", script, "sh", PROGRAM, "peer", "--server", server];
    let without = Subject::new(server, "sh", &arguments);
    // The first that it opens itself has the first number that is free.
    let binds = ["--bind", "127.0.0.1:0", "--bind", "fd:3"];
    let error = failure(&without, Options::new().arguments(&binds));
    assert!(
        error.contains("fd:3") && error.contains("started without"),
        "{error}"
    );
}

fn those_that_wait_at_the_end_are_answered(subject: &Subject) {
    let arguments = ["--workers", "1", "--connections", "1", "--grace", "10m"];
    let mut server = subject.start_with(Options::new().arguments(&arguments));
    let mut first = server.connect();
    assert_eq!(first.get("/conformance/hello").status, 200);
    // More than a runtime lets a task do in one turn, and no room for any of them.
    let mut waiting: Vec<Client> = (0..200).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    server.signal(Signal::TERM);
    for client in &mut waiting {
        assert_eq!(client.read_response().text(), "Hello, world!");
    }
    drop(first);
    assert_eq!(server.wait().code(), Some(0));
}

fn sockets_that_systemd_passes_are_served(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("passed.sock");
    let listener = UnixListener::bind(&path).expect("it is free");
    let by_systemd = passed(subject, listener, "LISTEN_FDS=1 LISTEN_PID=$$");
    let mut server = by_systemd.start_with(Options::new().arguments(&["--bind", "systemd"]));
    let mut client = Client::connect_unix(&path);
    assert_eq!(client.get("/conformance/hello").status, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(path.exists(), "the file is systemd's");
    // Variables that were meant for another process.
    let other = Options::new()
        .arguments(&["--bind", "systemd"])
        .environment("LISTEN_FDS", "1")
        .environment("LISTEN_PID", "1");
    let error = failure(subject, other);
    assert!(
        error.contains("systemd") && error.contains(".socket"),
        "{error}"
    );
}

fn connections_are_handed_to_the_idlest_worker(subject: &Subject) {
    let arguments = [
        "--accept",
        "hand-off",
        "--workers",
        "3",
        "--connections",
        "4",
    ];
    let server = subject.start_with(Options::new().arguments(&arguments));
    // As many as there may be: that fits only if each worker gets as many as it may have.
    let mut all: Vec<Client> = (0..12).map(|_| server.connect()).collect();
    for client in &mut all {
        assert_eq!(client.get("/conformance/hello").status, 200);
    }
    let mut waiting = server.connect();
    waiting.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(
        !waiting.poll_read(Duration::from_millis(100)),
        "there is no room"
    );
    drop(all.pop());
    assert_eq!(waiting.read_response().status, 200);
}

fn what_cannot_be_had_is_said_in_one_line(subject: &Subject) {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.to_string()));
    let (_taken, taken) = taken.expect("bound");
    for (bind, place, why) in [
        (&*taken, &*taken, "another port"),
        (
            "unix:/no/such/folder/app.sock",
            "/no/such/folder",
            "make it",
        ),
        ("unix:/dev/null", "/dev/null", "another path"),
        ("fd:99", "fd:99", "started without"),
        ("fd:2", "fd:2", "no socket"),
        ("192.0.2.1:80", "192.0.2.1:80", "no such address"),
    ] {
        let error = failure(subject, Options::new().arguments(&["--bind", bind]));
        assert!(error.contains(place) && error.contains(why), "{error}");
    }
}

/// Starts what must not start; the one line that it says of it.
fn failure(subject: &Subject, options: Options) -> String {
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(1));
    let [line] = &server.log()[..] else {
        panic!("it is one line: {:?}", server.log());
    };
    line.clone()
}

fn exhausted_descriptors_are_waited_for(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--workers", "1"]));
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    server.limit_descriptors(4);
    let begun = Instant::now();
    let mut all: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &mut all {
        client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    let _ = server.wait_for_log("cannot be accepted");
    // It goes on failing, and says so once a second.
    while begun.elapsed() < Duration::from_millis(2_500) {
        let _ = all[0].poll_read(Duration::from_millis(50));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let said = count(&server, "cannot be accepted");
    let seconds = usize::try_from(begun.elapsed().as_secs()).expect("few");
    assert!((2..=seconds + 1).contains(&said), "{said} in {seconds} s");
    // Each that ends makes room for the next.
    for mut client in all {
        assert!(client.poll_read(PATIENCE), "it is answered");
        assert_eq!(client.read_response().status, 200);
    }
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    let _ = server.wait_for_log("accepted again");
}

fn count(server: &Server, text: &str) -> usize {
    server
        .log()
        .iter()
        .filter(|line| line.contains(text))
        .count()
}
