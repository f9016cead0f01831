use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use socket2::{Domain, SockAddr, Socket, Type};

use super::*;
use crate::settings::UnixSockets;

fn settings(bind: &str, workers: usize) -> Settings {
    Settings {
        bind: vec![bind.parse().expect("a place to listen")],
        workers: NonZeroUsize::new(workers).expect("some"),
        ..Settings::default()
    }
}

fn listen(settings: &Settings) -> Result<Vec<Bound>, ServeError> {
    bind(settings, None, None, Purpose::Application)
}

fn bound(at: &str, workers: usize) -> Bound {
    let mut all = listen(&settings(at, workers)).expect("it can be bound");
    all.pop().expect("one place")
}

/// A path for a socket of this test alone.
fn path(name: &str) -> (PathBuf, String) {
    let folder = std::env::temp_dir().join(format!("gateway-listen-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    let bind = format!("unix:{}", path.display());
    (path, bind)
}

#[test]
fn every_worker_listens_on_the_same_free_port() {
    let mut settings = settings("127.0.0.1:0", 3);
    settings.accepting = Accepting::PerWorker;
    let mut all = listen(&settings).expect("it can be bound");
    let bound = all.pop().expect("one place");
    let address = bound.entrance.address.tcp().expect("of TCP");
    assert_ne!(address.port(), 0);
    assert_eq!(bound.listeners.len(), 3);
    for listener in &bound.listeners {
        let local = SockRef::from(&listener.socket).local_addr().expect("bound");
        assert_eq!(local.as_socket(), Some(address));
    }
}

#[test]
fn where_connections_are_handed_over_one_listens() {
    let mut settings = settings("127.0.0.1:0", 3);
    settings.accepting = Accepting::HandOff;
    let bound = listen(&settings).expect("it can be bound");
    assert_eq!(bound[0].listeners.len(), 1);
}

#[test]
fn a_port_that_another_server_uses_is_taken() {
    let first = bound("127.0.0.1:0", 2);
    let second = listen(&settings(&first.entrance.address.to_string(), 2));
    assert!(
        matches!(second, Err(ServeError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse)
    );
}

#[test]
fn a_unix_socket_has_its_mode_and_goes_with_its_listener() {
    let (path, at) = path("mode");
    let mut settings = settings(&at, 2);
    settings.unix.mode = 0o640;
    let bound = listen(&settings).expect("it can be bound");
    let mode = std::fs::metadata(&path).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_that_was_left_behind_is_replaced() {
    let (path, at) = path("left");
    // As after SIGKILL.
    std::mem::forget(bound(&at, 1).file.take());
    assert!(path.exists());
    let again = bound(&at, 1);
    let in_use = listen(&settings(&at, 1)).expect_err("somebody listens");
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    drop(again);
}

#[test]
fn of_servers_that_start_at_once_one_listens() {
    let (path, at) = path("at-once");
    for round in 0..20 {
        std::mem::forget(bound(&at, 1).file.take());
        let start = std::sync::Barrier::new(4);
        let started = || {
            start.wait();
            listen(&settings(&at, 1))
        };
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(started)).collect();
            let results = threads.into_iter().map(|thread| thread.join());
            results.map(|result| result.expect("no panic")).collect()
        });
        let listening = all.iter().filter(|result| result.is_ok()).count();
        assert_eq!(listening, 1, "round {round}: {all:?}");
        assert!(UnixStream::connect(&path).is_ok(), "round {round}");
    }
}

#[test]
fn a_shared_file_goes_when_nobody_listens() {
    let (path, at) = path("shared");
    let Bound {
        listeners, file, ..
    } = bound(&at, 1);
    let mut file = file.expect("a file");
    file.share();
    let of_another = SocketFile::shared(&path).expect("it is there");
    drop(file);
    assert!(path.exists(), "somebody listens");
    drop(listeners);
    drop(of_another);
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_removed_early_leaves_the_next_one_alone() {
    let (path, at) = path("early");
    let mut draining = bound(&at, 1);
    let in_use = listen(&settings(&at, 1));
    assert!(in_use.is_err(), "it accepts");
    drop(draining.file.take());
    let next = bound(&at, 1);
    drop(draining);
    assert!(UnixStream::connect(&path).is_ok());
    drop(next);
}

#[test]
fn rights_are_those_of_a_socket_alone() {
    let (path, _) = path("link");
    let (target, _) = self::path("target");
    std::fs::write(&target, "precious").expect("it can be written");
    let before = std::fs::metadata(&target).expect("it is there").mode();
    std::os::unix::fs::symlink(&target, &path).expect("it is free");
    let unix = UnixSockets {
        mode: 0o777,
        owner: Some("1:1".parse().expect("an owner")),
    };
    for at in [&path, &target] {
        let error = unix::permit(at, &unix).expect_err("it is no socket");
        assert!(error.to_string().contains("no socket"), "{error}");
    }
    let after = std::fs::metadata(&target).expect("it is there").mode();
    assert_eq!(after, before);
    std::fs::remove_file(&path).expect("it is there");
}

#[test]
fn who_goes_on_listens_by_the_settings_of_now() {
    let (path, at) = path("again");
    let mut settings = settings(&at, 1);
    settings.backlog = 1;
    let first = listen(&settings).expect("it can be bound").pop();
    let first = first.expect("one place");
    settings.backlog = 5;
    settings.unix.mode = 0o640;
    let handed = first.listeners[0].socket.try_clone().expect("a handle");
    let place = &settings.bind[0].place;
    let opened = again(place, vec![handed], &settings).expect("it goes on");
    let mode = std::fs::metadata(&path).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o640);
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("an option");
        let address = SockAddr::unix(&path).expect("an address");
        socket.connect(&address).map(|()| socket)
    };
    // The kernel has one more wait than it is told.
    let waiting: Vec<_> = (0..10).map_while(|_| connect().ok()).collect();
    assert_eq!(waiting.len(), 6);
    drop(opened);
    assert!(path.exists(), "the first one still listens");
}

#[test]
fn the_file_of_another_socket_is_left_alone() {
    let (path, at) = path("other");
    let first = bound(&at, 1);
    std::fs::remove_file(&path).expect("it is there");
    let second = bound(&at, 1);
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_not_removed() {
    let (path, at) = path("file");
    std::fs::write(&path, "precious").expect("it can be written");
    let error = listen(&settings(&at, 1)).expect_err("a file is there");
    assert!(error.to_string().contains("no socket"), "{error}");
    assert!(path.exists());
}

#[test]
fn an_owner_that_nobody_knows_is_said() {
    let (path, at) = path("owner");
    let mut settings = settings(&at, 1);
    settings.unix.owner = Some("nobody-has-this-name".parse().expect("an owner"));
    let error = listen(&settings).expect_err("there is no such user");
    assert!(
        error.to_string().contains("nobody-has-this-name"),
        "{error}"
    );
    assert!(!path.exists());
}

#[test]
fn a_descriptor_that_does_not_listen_is_not_taken() {
    for at in ["fd:2", "fd:4000000", "fd:4294967295", "systemd"] {
        let error = listen(&settings(at, 1)).expect_err(at);
        assert!(error.to_string().contains(at), "{error}");
    }
}

#[test]
fn a_file_that_was_let_go_of_goes_whoever_listens() {
    let (path, at) = path("let-go");
    let mut before = bound(&at, 1);
    let mut file = SocketFile::shared(&path).expect("it is there");
    file.take_over();
    assert!(!file.is_shared());
    drop(file);
    assert!(!path.exists());
    drop(before.file.take());
}

#[test]
fn a_descriptor_that_this_process_opened_is_not_taken() {
    let own = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let at = format!("fd:{}", std::os::fd::AsRawFd::as_raw_fd(&own));
    let error = listen(&settings(&at, 1)).expect_err("it was not passed");
    assert!(error.to_string().contains("started without"), "{error}");
    // It is as it was.
    let address = own.local_addr().expect("bound");
    let _client = std::net::TcpStream::connect(address).expect("it listens");
    own.accept().expect("it waits for clients");
}
