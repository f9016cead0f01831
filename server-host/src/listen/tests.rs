use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

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
    bound(&at, 1).file.take().expect("a file").leave();
    assert!(path.exists());
    let again = bound(&at, 1);
    let in_use = listen(&settings(&at, 1)).expect_err("somebody listens");
    assert!(in_use.to_string().contains("in use"), "{in_use}");
    drop(again);
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
fn the_file_of_a_socket_that_another_process_serves_is_left_until_it_is_taken_over() {
    let (path, at) = path("another");
    bound(&at, 1).file.take().expect("a file").leave();
    let file = || SocketFile::of(&path).expect("it is there").of_another();
    drop(file());
    assert!(path.exists());
    let mut file = file();
    file.take_over();
    drop(file);
    assert!(!path.exists());
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
