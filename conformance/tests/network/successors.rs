//! New processes that do not come to serve, and servers that go on without them.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

use conformance::{Client, Options, Process, Server, Signal, Subject};
use rustix::fs::{Mode, OFlags};

use super::certificates::Authority;
use super::processes::{Load, ask_until_told, configured, unix, wait_until};
use super::{Folder, chapter, text};

chapter! {
    a_new_process_that_cannot_start_changes_nothing,
    a_new_process_that_cannot_serve_takes_nobody,
    the_file_of_a_socket_outlives_a_new_process_that_fails,
    one_that_is_to_end_as_soon_as_it_serves_takes_nothing_along,
    a_new_process_that_is_killed_changes_nothing,
    the_end_of_the_old_process_ends_one_that_starts,
    the_first_process_of_a_container_is_not_restarted,
    signals_before_it_serves_are_remembered,
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
    let _new = server.successor();
    ask_until_told(&mut kept, "/conformance/hello");
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
}

fn a_new_process_that_cannot_serve_takes_nobody(subject: &Subject) {
    let folder = Folder::new();
    let file = folder.write("gateway.toml", "workers = 2\n");
    let path = folder.file("app.sock");
    let unix = format!("unix:{}", text(&path));
    let options = Options::new().arguments(&[
        "--bind",
        "127.0.0.1:0",
        "--bind",
        &unix,
        "--config",
        text(&file),
    ]);
    let server = subject.start_with(options);
    let address = server.address();
    let mut load = Load::new();
    load.add_connecting(2, address);
    load.wait_for(20);
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let taken = taken.local_addr().map(|address| (taken, address));
    let (_taken, port) = taken.expect("bound");
    let _ = folder.write("gateway.toml", &format!("metrics-bind = \"{port}\"\n"));
    for times in 1..=3 {
        server.signal(Signal::USR2);
        let failed = || {
            let log = server.log();
            let said = log
                .iter()
                .filter(|line| line.contains("(exit status: 1): this one carries on"));
            said.count()
        };
        wait_until("it carries on", || failed() == times);
        let said = server.wait_for_log("error: ");
        assert!(said.contains(&port.to_string()), "{said}");
        load.wait_for(20);
    }
    let _ = load.end();
    assert!(path.exists(), "the file is of the one that goes on");
    let mut client = Client::connect_unix(&path);
    assert_eq!(client.get("/conformance/hello").status, 200);
}

/// How often it has said that it goes on itself.
fn carried_on(server: &Server) -> usize {
    let log = server.log();
    let said = log
        .iter()
        .filter(|line| line.contains("(exit status: 2): this one carries on"));
    said.count()
}

fn the_file_of_a_socket_outlives_a_new_process_that_fails(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let file = folder.write("gateway.toml", &format!("bind = {:?}\n", unix(&path)));
    let mut server = configured(subject, &file).start();
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let taken = taken.local_addr().map(|address| (address, taken));
    let (address, _taken) = taken.expect("bound");
    // It has the listeners when it fails.
    let wrong = format!("bind = {:?}\nmetrics-bind = \"{address}\"\n", unix(&path));
    let _ = folder.write("gateway.toml", &wrong);
    server.signal(Signal::USR2);
    let _ = server.wait_for_log("carries on");
    let hello = Client::connect_unix(&path).get("/conformance/hello");
    assert_eq!(hello.status, 200);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert!(!path.exists());
}

fn one_that_is_to_end_as_soon_as_it_serves_takes_nothing_along(subject: &Subject) {
    let folder = Folder::new();
    let path = folder.file("app.sock");
    let file = folder.write("gateway.toml", &format!("bind = {:?}\n", unix(&path)));
    let mut server = configured(subject, &file).start();
    server.signal(Signal::USR2);
    let new = Process::named_in(&server.wait_for_log("a new process is starting"));
    wait_until("it serves", || server.output().len() == 2);
    new.signal(Signal::TERM);
    let said = |server: &Server, text| server.log().iter().any(|line| line.contains(text));
    wait_until("what becomes of it", || {
        said(&server, "carries on") || said(&server, "another process has taken over")
    });
    // Where the machine is too busy, it is told only when it was believed.
    if said(&server, "carries on") {
        let hello = Client::connect_unix(&path).get("/conformance/hello");
        assert_eq!(hello.status, 200, "the file is of the one that goes on");
        server.signal(Signal::TERM);
    }
    assert_eq!(server.wait_for_process().code(), Some(0));
    new.wait();
    assert!(!path.exists(), "it goes with the last");
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
    load.add_connecting(2, address);
    for _ in 0..2 {
        load.add_keeping(move || Client::connect(address));
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

fn the_first_process_of_a_container_is_not_restarted(subject: &Subject) {
    let (program, as_first) = ("unshare", ["-Upf", "--kill-child"]);
    let may = Command::new(program).args(as_first).arg("true").output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        // The package's own tests have the rule; this is about a kernel that lets us make a container.
        eprintln!("not tried: this system lets nobody have processes of his own");
        return;
    }
    let mut arguments = as_first.to_vec();
    arguments.extend([super::PROGRAM, "peer", "--server", subject.name()]);
    let contained = Subject::new(subject.name(), program, &arguments);
    let options = Options::new().arguments(&["--recycle-requests", "1"]);
    let mut server = contained.start_with(options);
    let id = server.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let first = children.expect("it is running").trim().parse().ok();
    let first = Process::with_id(first.expect("one process"));
    first.signal(Signal::USR2);
    let _ = server.wait_for_log("no restart");
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    // That was as many as it is to answer: who runs the container starts another.
    assert_eq!(server.wait().code(), Some(0));
    let _ = server.wait_for_log("for a new container");
}

fn signals_before_it_serves_are_remembered(subject: &Subject) {
    let (authority, folder) = (Authority::new("an authority"), Folder::new());
    let (certificate, key) = authority.server(&["localhost"]).write(&folder, "server");
    let pipe = folder.file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("a program of every system").success());
    for signal in [Signal::USR1, Signal::TERM] {
        let options =
            Options::new().arguments(&["--tls-cert", text(&pipe), "--tls-key", text(&key)]);
        let mut server = subject.launch(options);
        // It can be opened when somebody reads there, who then waits for what is written.
        let (mut written, flags) = (None, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC);
        wait_until("it reads its certificate", || {
            written = rustix::fs::open(&pipe, flags, Mode::empty()).ok();
            written.is_some()
        });
        server.signal(signal);
        let mut written = std::fs::File::from(written.expect("it is open"));
        let certificate = std::fs::read(&certificate).expect("it is there");
        written.write_all(&certificate).expect("there is room");
        drop(written);
        if signal == Signal::USR1 {
            let _ = server.addresses(1);
            server.signal(Signal::TERM);
        }
        assert_eq!(server.wait().code(), Some(0));
    }
}
