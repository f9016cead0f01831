//! TLS: what is spoken over it, what is shown and asked for, and peers that break it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conformance::{Client, End, Options, PATIENCE, Server, Signal, Subject};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, StreamOwned};
use tungstenite::Message;

use super::certificates::{Authority, Signed};
use super::http2::{self, Asked};
use super::{Folder, chapter, text};

chapter! {
    https_is_spoken,
    bodies_of_any_size_go_both_ways,
    http_2_is_agreed_on_by_alpn,
    what_was_agreed_on_is_what_is_spoken,
    websockets_are_spoken_over_it,
    clients_get_the_certificate_of_the_name_that_they_ask_for,
    clients_may_show_certificates,
    clients_must_show_certificates,
    clear_text_and_tls_stand_side_by_side,
    certificates_are_read_again_without_a_dropped_connection,
    what_does_not_hold_is_said_before_anything_is_bound,
    silent_peers_keep_nobody_out,
    a_handshake_that_does_not_end_is_given_up,
    a_hello_in_pieces_is_understood,
    broken_handshakes_harm_nobody,
    an_end_without_a_goodbye_is_seen,
    an_upload_without_a_goodbye_gets_no_answer,
    a_client_that_does_not_read_is_given_up,
    sessions_are_resumed_on_any_worker,
    the_oldest_version_can_be_set,
    a_drain_ends_what_is_idle,
    a_certificate_is_made_for_development,
}

/// A server with certificates, their authority and their files.
struct Site {
    server: Server,
    authority: Authority,
    folder: Folder,
}

impl Site {
    /// One certificate, for `localhost`.
    fn start(subject: &Subject, arguments: &[&str]) -> Self {
        let authority = Authority::new("an authority");
        let folder = Folder::new();
        let signed = authority.server(&["localhost"]);
        let files = signed.write(&folder, "server");
        let options = certificate(&files).arguments(arguments);
        Self {
            server: subject.start_with(options),
            authority,
            folder,
        }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// A client over TLS.
    #[track_caller]
    fn connect(&self) -> Client {
        connect(self.address(), &self.authority.trusted_by(&[]))
    }

    /// What a request over a connection of its own gets.
    #[track_caller]
    fn ask(&self, path: &str) -> String {
        self.connect().get(path).text().to_owned()
    }
}

fn certificate((certificate, key): &(std::path::PathBuf, std::path::PathBuf)) -> Options {
    Options::new().arguments(&["--tls-cert", text(certificate), "--tls-key", text(key)])
}

#[track_caller]
fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Client {
    match Client::connect_tls(address, config, "localhost") {
        Ok(client) => client,
        Err(error) => panic!("no handshake: {error}"),
    }
}

fn https_is_spoken(subject: &Subject) {
    let site = Site::start(subject, &[]);
    let mut client = site.connect();
    for _ in 0..3 {
        let scope = client.get("/conformance/scope");
        let scope = scope.text();
        assert!(scope.contains("\nscheme https\n"), "{scope}");
        let from = client.address();
        assert!(scope.contains(&format!("\nclient {from}\n")), "{scope}");
        assert!(scope.contains("\ntls 0x0304 0x130"), "{scope}");
        assert!(
            scope.contains(" name=localhost protocol=- server="),
            "{scope}"
        );
        assert!(scope.contains(" clients=0 client=-\n"), "{scope}");
    }
    // With a goodbye, or the client takes it for cut off.
    client.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(client.read_response().text(), "Hello, world!");
    client.expect_end();
    let mut half_closed = site.connect();
    half_closed.send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
    half_closed.half_close();
    assert_eq!(half_closed.read_response().text(), "Hello, world!");
    half_closed.expect_end();
}

fn bodies_of_any_size_go_both_ways(subject: &Subject) {
    let site = Site::start(subject, &[]);
    let mut client = site.connect();
    // Around the size of a record and of what is encrypted at a time, and far above.
    for size in [0, 1, 16_383, 16_384, 16_385, 65_536, 65_537, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
        let echoed = client.post("/conformance/collect/4000000", &body);
        assert!(echoed.body == body, "{} of {size} bytes", echoed.body.len());
    }
}

fn http_2_is_agreed_on_by_alpn(subject: &Subject) {
    let site = Site::start(subject, &[]);
    let config = site.authority.trusted_by(&["h2", "http/1.1"]);
    let asked = Asked {
        url: "https://localhost/conformance/scope",
        fields: &[],
        times: 20,
    };
    let scope = http2::ask_over_tls(site.address(), &config, &asked);
    assert!(scope.contains("\nversion HTTP/2.0\n"), "{scope}");
    assert!(scope.contains("\nscheme https\n"), "{scope}");
    assert!(scope.contains(" protocol=h2 "), "{scope}");
    let only_1 = site.authority.trusted_by(&["http/1.1"]);
    let mut client = connect(site.address(), &only_1);
    assert!(
        client
            .get("/conformance/scope")
            .text()
            .contains(" protocol=http/1.1 ")
    );
    let neither = site.authority.trusted_by(&["ftp"]);
    let refused = Client::connect_tls(site.address(), &neither, "localhost");
    assert!(
        refused
            .expect_err("nothing in common")
            .to_string()
            .contains("NoApplicationProtocol")
    );
}

fn what_was_agreed_on_is_what_is_spoken(subject: &Subject) {
    let site = Site::start(subject, &[]);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let request = b"GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n";
    for (protocols, said) in [
        (&["http/1.1"][..], &preface[..]),
        (&[], preface),
        (&["h2"], request),
    ] {
        let mut client = connect(site.address(), &site.authority.trusted_by(protocols));
        client.send(said);
        let (answer, _) = client.read_to_end();
        assert!(
            answer.is_empty(),
            "{protocols:?}: {}",
            answer.escape_ascii()
        );
    }
    assert_eq!(site.ask("/conformance/hello"), "Hello, world!");
}

fn websockets_are_spoken_over_it(subject: &Subject) {
    let site = Site::start(subject, &[]);
    let url = format!("wss://{}/conformance/ws/echo", site.address());
    let stream = session(site.address(), &site.authority.trusted_by(&[]));
    let (mut socket, _) = tungstenite::client(url, stream).expect("a handshake");
    for size in [1, 20_000, 300_000] {
        let message = Message::binary(vec![b'x'; size]);
        socket.send(message.clone()).expect("it is taken");
        let echoed = loop {
            match socket.read().expect("it is echoed") {
                Message::Ping(_) | Message::Pong(_) => {}
                other => break other,
            }
        };
        assert!(echoed == message, "{} of {size} bytes", echoed.len());
    }
    socket.close(None).expect("it is open");
    while socket.read().is_ok() {}
}

/// TLS over a socket, for other clients than ours.
fn session(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(address).expect("the server is listening");
    socket.set_read_timeout(Some(PATIENCE)).expect("an option");
    StreamOwned::new(hello(config), socket)
}

fn hello(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("the configuration is right")
}

fn clients_get_the_certificate_of_the_name_that_they_ask_for(subject: &Subject) {
    let (authority, folder) = (Authority::new("an authority"), Folder::new());
    let sites = [
        authority.server(&["first.example"]),
        authority.server(&["second.example", "www.second.example"]),
        authority.server(&["*.wild.example"]),
    ];
    let mut options = Options::new();
    for (number, signed) in sites.iter().enumerate() {
        let (certificate, key) = signed.write(&folder, &number.to_string());
        options = options.arguments(&["--tls-cert", text(&certificate), "--tls-key", text(&key)]);
    }
    let server = subject.start_with(options);
    let config = authority.trusted_by(&[]);
    for (name, expected) in [
        ("first.example", 0),
        ("second.example", 1),
        ("WWW.second.example", 1),
        ("a.wild.example", 2),
    ] {
        let mut client = Client::connect_tls(server.address(), &config, name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(shown(&client), sites[expected].der.as_ref(), "{name}");
        let scope = client.get("/conformance/scope");
        let length = sites[expected].der.len();
        let line = format!(" name={} protocol=- server={length} ", name.to_lowercase());
        assert!(scope.text().contains(&line), "{}", scope.text());
    }
    // Whoever asks for nobody, or for somebody else, gets the first, which is not for them.
    for name in [
        "127.0.0.1",
        "third.example",
        "a.b.wild.example",
        "wild.example",
    ] {
        let refused = Client::connect_tls(server.address(), &config, name);
        let error = refused.expect_err(name).to_string();
        assert!(error.contains("first.example"), "{name}: {error}");
    }
}

/// The certificate that the server showed.
fn shown(client: &Client) -> &[u8] {
    let chain = client.tls().and_then(|tls| tls.peer_certificates());
    chain.and_then(|chain| chain.first()).expect("it shows one")
}

/// Arguments by which clients are asked for certificates of an authority.
fn asking(folder: &Folder, clients: &Authority, how: &str) -> Options {
    let file = folder.write("clients.pem", &clients.pem());
    Options::new().arguments(&["--tls-client-ca", text(&file), "--tls-client-cert", how])
}

fn clients_may_show_certificates(subject: &Subject) {
    let (site, clients) = client_site(subject, "optional");
    let address = site.address();
    assert!(
        site.ask("/conformance/scope")
            .contains(" clients=0 client=-\n")
    );
    let own = clients.client("worker, \"7\"");
    let mut client = connect(address, &site.authority.trusted_by_client(&own));
    let scope = client.get("/conformance/scope");
    let line = " clients=1 client=O=Example,CN=worker\\, \\\"7\\\"\n";
    assert!(scope.text().contains(line), "{}", scope.text());
    let foreign = Authority::new("another").client("stranger");
    refused(address, &site.authority.trusted_by_client(&foreign));
    assert!(
        site.ask("/conformance/scope")
            .contains(" clients=0 client=-\n")
    );
}

fn clients_must_show_certificates(subject: &Subject) {
    let (site, clients) = client_site(subject, "required");
    let address = site.address();
    refused(address, &site.authority.trusted_by(&[]));
    let foreign = Authority::new("another").client("stranger");
    refused(address, &site.authority.trusted_by_client(&foreign));
    let own = clients.client("worker");
    let mut client = connect(address, &site.authority.trusted_by_client(&own));
    let scope = client.get("/conformance/scope");
    assert!(scope.text().contains(" clients=1 "), "{}", scope.text());
}

fn client_site(subject: &Subject, how: &str) -> (Site, Authority) {
    let (authority, clients) = (Authority::new("of servers"), Authority::new("of clients"));
    let folder = Folder::new();
    let files = authority.server(&["localhost"]).write(&folder, "server");
    let options = asking(&folder, &clients, how);
    let options = options.arguments(&["--tls-cert", text(&files.0), "--tls-key", text(&files.1)]);
    let site = Site {
        server: subject.start_with(options),
        authority,
        folder,
    };
    (site, clients)
}

/// In TLS 1.3 a client learns only with the first answer that it was refused.
#[track_caller]
fn refused(address: SocketAddr, config: &Arc<ClientConfig>) {
    if let Ok(mut client) = Client::connect_tls(address, config, "localhost") {
        let _ = client.try_send("GET /conformance/hello HTTP/1.1\r\nhost: a\r\n\r\n");
        let (answer, end) = client.read_to_end();
        assert!(answer.is_empty(), "{}", answer.escape_ascii());
        assert_eq!(end, End::Reset, "an alert, which is an error");
    }
}

fn clear_text_and_tls_stand_side_by_side(subject: &Subject) {
    let binds = [
        "--bind",
        "http://127.0.0.1:0",
        "--bind",
        "https://127.0.0.1:0",
    ];
    let site = Site::start(subject, &binds);
    let [clear, secure] = site.server.addresses(2)[..] else {
        panic!("it listens at two");
    };
    let urls = site.server.output().join("\n");
    assert!(urls.contains(&format!("http://{clear}")), "{urls}");
    assert!(urls.contains(&format!("https://{secure}")), "{urls}");
    assert_eq!(Client::connect(clear).get("/conformance/hello").status, 200);
    let mut client = connect(secure, &site.authority.trusted_by(&[]));
    assert_eq!(client.get("/conformance/hello").status, 200);
}

fn certificates_are_read_again_without_a_dropped_connection(subject: &Subject) {
    let site = Site::start(subject, &["--workers", "2"]);
    let mut before = site.connect();
    let first = shown(&before).to_owned();
    let new = site.authority.server(&["localhost"]);
    let _ = new.write(&site.folder, "server");
    site.server.signal(Signal::HUP);
    let _ = site.server.wait_for_log("read again");
    for _ in 0..4 {
        let mut after = site.connect();
        assert_eq!(shown(&after), new.der.as_ref());
        assert_eq!(after.get("/conformance/hello").status, 200);
    }
    assert_eq!(before.get("/conformance/hello").status, 200, "it was open");
    assert_eq!(shown(&before), first);
    // What does not hold is not taken.
    let expired = site.authority.server_between(2020, 2021);
    let _ = expired.write(&site.folder, "server");
    site.server.signal(Signal::HUP);
    let said = site.server.wait_for_log("stay as they were");
    assert!(
        said.contains("server.pem") && said.contains("expired"),
        "{said}"
    );
    assert_eq!(shown(&site.connect()), new.der.as_ref());
    assert_eq!(before.get("/conformance/hello").status, 200);
}

fn what_does_not_hold_is_said_before_anything_is_bound(subject: &Subject) {
    // The port is taken: who tries to bind it says so.
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let taken_by_us = format!("{}", taken.local_addr().expect("bound"));
    let (authority, folder) = (Authority::new("an authority"), Folder::new());
    let [right, other, expired, early] = [
        authority.server(&["localhost"]),
        authority.server(&["localhost"]),
        authority.server_between(2020, 2021),
        authority.server_between(2990, 2999),
    ];
    let write = |signed: &Signed, name| {
        let (certificate, key) = signed.write(&folder, name);
        (text(&certificate).to_owned(), text(&key).to_owned())
    };
    let ((cert, key), (_, other)) = (write(&right, "right"), write(&other, "other"));
    let ((expired, expired_key), (early, early_key)) =
        (write(&expired, "expired"), write(&early, "early"));
    let garbage = text(&folder.write("garbage", "not PEM")).to_owned();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = text(&folder.write("encrypted", encrypted)).to_owned();
    let gone = text(&folder.file("gone")).to_owned();
    let pair = |cert: &str, key: &str| {
        vec![
            "--tls-cert".into(),
            cert.to_owned(),
            "--tls-key".into(),
            key.to_owned(),
        ]
    };
    let one = |flag: &str, value: &str| vec![flag.to_owned(), value.to_owned()];
    let with = |first: Vec<String>, second: Vec<String>| [first, second].concat();
    for (arguments, place, mend) in [
        (pair(&cert, &other), &*other, "made for"),
        (pair(&expired, &expired_key), &*expired, "renew"),
        (pair(&early, &early_key), &*early, "clock"),
        (pair(&gone, &key), &*gone, "cannot be read"),
        (pair(&cert, &gone), &*gone, "cannot be read"),
        (pair(&garbage, &key), &*garbage, "BEGIN CERTIFICATE"),
        (pair(&cert, &garbage), &*garbage, "BEGIN PRIVATE KEY"),
        (pair(&cert, &encrypted), &*encrypted, "openssl pkey"),
        (pair(&key, &key), &*key, "BEGIN CERTIFICATE"),
        (one("--tls-cert", &cert), "--tls-key", "in the same order"),
        (
            with(pair(&cert, &key), one("--tls-client-cert", "required")),
            "--tls-client-ca",
            "name one",
        ),
        (
            with(pair(&cert, &key), one("--tls-client-ca", &cert)),
            "--tls-client-cert",
            "required",
        ),
        (
            with(
                pair(&cert, &key),
                with(
                    one("--tls-client-cert", "required"),
                    one("--tls-client-ca", &garbage),
                ),
            ),
            &*garbage,
            "BEGIN CERTIFICATE",
        ),
        (
            one("--bind", "https://127.0.0.1:0"),
            "https://127.0.0.1:0",
            "--tls-cert",
        ),
    ] {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut options = Options::new().arguments(&words);
        if !words.contains(&"--bind") {
            options = options.arguments(&["--bind", &taken_by_us]);
        }
        let mut server = subject.launch(options);
        assert_eq!(server.wait().code(), Some(2), "{words:?}");
        let [line] = &server.log()[..] else {
            panic!("{words:?}: {:?}", server.log());
        };
        assert!(
            line.contains(place) && line.contains(mend),
            "{words:?}: {line}"
        );
        assert!(server.output().is_empty());
    }
    drop(taken);
}

fn silent_peers_keep_nobody_out(subject: &Subject) {
    let site = Site::start(subject, &["--workers", "1", "--handshakes", "4"]);
    let mut silent: Vec<Client> = (0..12).map(|_| Client::connect(site.address())).collect();
    for _ in 0..3 {
        assert_eq!(site.ask("/conformance/hello"), "Hello, world!");
    }
    // The oldest were given up.
    for client in &mut silent[..6] {
        client.expect_gone();
    }
}

fn a_handshake_that_does_not_end_is_given_up(subject: &Subject) {
    let arguments = [
        "--handshake-timeout",
        "300ms",
        "--head-timeout",
        "1h",
        "--idle-timeout",
        "1h",
    ];
    let site = Site::start(subject, &arguments);
    let mut silent = Client::connect(site.address());
    let mut begun = Client::connect(site.address());
    begun.send(&first_flight(&site)[..30]);
    let mut done = site.connect();
    silent.expect_gone();
    begun.expect_gone();
    assert_eq!(
        done.get("/conformance/hello").status,
        200,
        "its time is another"
    );
}

/// What a client says first.
fn first_flight(site: &Site) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut client = hello(&site.authority.trusted_by(&[]));
    client.write_tls(&mut bytes).expect("writing to memory");
    bytes
}

fn a_hello_in_pieces_is_understood(subject: &Subject) {
    let site = Site::start(subject, &[]);
    // Records of seven bytes (CVE-2024-11738), and segments of one.
    for (record, segment) in [(usize::MAX, 1), (7, usize::MAX), (7, 5)] {
        let mut client = hello(&site.authority.trusted_by(&[]));
        let mut socket = TcpStream::connect(site.address()).expect("it listens");
        socket.set_nodelay(true).expect("an option");
        let mut flight = Vec::new();
        client.write_tls(&mut flight).expect("writing to memory");
        let cut = in_records(&flight, record);
        for piece in cut.chunks(segment.min(cut.len())) {
            socket.write_all(piece).expect("it is taken");
        }
        let mut stream = StreamOwned::new(client, socket);
        stream
            .write_all(b"GET /conformance/hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .expect("a handshake");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.ends_with("Hello, world!"), "{answer}");
    }
}

/// One record of a handshake as several.
fn in_records(flight: &[u8], length: usize) -> Vec<u8> {
    let (head, message) = flight.split_at(5);
    if length >= message.len() {
        return flight.to_owned();
    }
    let mut all = Vec::new();
    for piece in message.chunks(length) {
        all.extend_from_slice(&head[..3]);
        all.extend_from_slice(&u16::try_from(piece.len()).expect("short").to_be_bytes());
        all.extend_from_slice(piece);
    }
    all
}

fn broken_handshakes_harm_nobody(subject: &Subject) {
    let site = Site::start(subject, &["--workers", "1"]);
    let flight = first_flight(&site);
    let close_notify = [&flight[..], &[21, 3, 3, 0, 2, 1, 0]].concat();
    let mut twisted = flight.clone();
    twisted[20] ^= 0xff;
    twisted[43] ^= 0xff;
    for bytes in [
        &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..],
        &[0; 100],
        &[22, 3, 1, 0xff, 0xff],
        &[21, 3, 3, 0, 2, 1, 0],
        // CVE-2024-32650.
        &close_notify,
        &twisted,
        &flight[..flight.len() - 1],
    ] {
        let mut client = Client::connect(site.address());
        client.send(bytes);
        client.half_close();
        let (answer, _) = client.read_to_end();
        assert!(!answer.starts_with(b"HTTP"), "{}", answer.escape_ascii());
        assert_eq!(site.ask("/conformance/hello"), "Hello, world!");
    }
    // The client that is reset in the middle.
    for _ in 0..5 {
        let mut client = Client::connect(site.address());
        client.send(&flight);
        client.reset();
    }
    assert_eq!(site.ask("/conformance/hello"), "Hello, world!");
}

fn an_end_without_a_goodbye_is_seen(subject: &Subject) {
    let site = Site::start(subject, &[]);
    // The server's: a body that ends with its connection was cut off.
    let mut client = site.connect();
    client.send("GET /conformance/fail/started/abort HTTP/1.0\r\nhost: a\r\n\r\n");
    let (_, end) = client.read_to_end();
    assert_eq!(end, End::Reset, "it must not look clean");
    // The client's: of what it was about to say, nobody knows.
    let mut client = site.connect();
    client.send("GET /conformance/gone HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(site.ask("/conformance/report/gone/1"), "waiting");
    client.abandon();
    assert_eq!(site.ask("/conformance/report/gone/2"), "waiting\nPeerReset");
}

fn an_upload_without_a_goodbye_gets_no_answer(subject: &Subject) {
    let format = ["--access-log-format", "{target} {status} {outcome}"];
    let mut site = Site::start(subject, &format);
    let mut client = site.connect();
    client.send("POST /conformance/read-all HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    let _ = site.ask("/conformance/report/calls/1");
    client.abandon();
    site.server.signal(Signal::TERM);
    assert_eq!(site.server.wait().code(), Some(0));
    let log = site.server.log();
    let line = "/conformance/read-all - gone:peer-reset";
    assert!(log.iter().any(|logged| logged == line), "{log:#?}");
}

fn a_client_that_does_not_read_is_given_up(subject: &Subject) {
    let site = Site::start(subject, &["--write-timeout", "1s"]);
    let config = site.authority.trusted_by(&[]);
    let small = Client::connect_with_receive_buffer(site.address(), 8 * 1024);
    let mut client = Client::begin_tls(small.into_stream(), &config, "localhost").expect("TLS");
    client.send("GET /conformance/endless HTTP/1.1\r\nhost: a\r\n\r\n");
    let gone = site.ask("/conformance/report/endless/2");
    assert_eq!(gone, "started\nGone(WriteTimeout)");
}

fn sessions_are_resumed_on_any_worker(subject: &Subject) {
    let site = Site::start(subject, &["--workers", "3", "--accept", "hand-off"]);
    let config = site.authority.trusted_by(&[]);
    let mut first = connect(site.address(), &config);
    assert_eq!(first.get("/conformance/hello").status, 200);
    // The idlest is another worker each time.
    let mut all = vec![first];
    for _ in 0..2 {
        let mut client = connect(site.address(), &config);
        let kind = client.tls().and_then(|tls| tls.handshake_kind());
        assert_eq!(kind, Some(HandshakeKind::Resumed));
        let scope = client.get("/conformance/scope");
        assert!(!scope.text().contains(" server=0 "), "{}", scope.text());
        all.push(client);
    }
}

fn the_oldest_version_can_be_set(subject: &Subject) {
    for (oldest, is_served) in [("1.2", true), ("1.3", false)] {
        let site = Site::start(subject, &["--tls-oldest", oldest]);
        let config = site.authority.trusted_by_old();
        match Client::connect_tls(site.address(), &config, "localhost") {
            Ok(mut client) => {
                let version = client.tls().and_then(|tls| tls.protocol_version());
                assert_eq!((version, is_served), (Some(ProtocolVersion::TLSv1_2), true));
                let scope = client.get("/conformance/scope");
                assert!(
                    scope.text().contains("\ntls 0x0303 0xc02"),
                    "{}",
                    scope.text()
                );
            }
            Err(error) => assert!(!is_served, "{error}"),
        }
    }
}

fn a_drain_ends_what_is_idle(subject: &Subject) {
    let mut site = Site::start(subject, &[]);
    let mut silent = Client::connect(site.address());
    let mut idle = site.connect();
    assert_eq!(idle.get("/conformance/hello").status, 200);
    let begun = Instant::now();
    site.server.signal(Signal::TERM);
    assert_eq!(site.server.wait().code(), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    silent.expect_gone();
    idle.expect_end();
}

fn a_certificate_is_made_for_development(subject: &Subject) {
    let server = subject.start_with(Options::new().arguments(&["--tls-self-signed"]));
    assert!(server.output().join("\n").contains("https://"));
    let stranger = Authority::new("an authority").trusted_by(&[]);
    let refused = Client::connect_tls(server.address(), &stranger, "localhost");
    let error = refused.expect_err("nobody trusts it");
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    let _ = server.wait_for_log("development");
}
