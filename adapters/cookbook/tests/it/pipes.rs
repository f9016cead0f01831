//! Readers and writers of tokio's over real sockets: bytes, backpressure, memory, and a proxy.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conformance::{Client, Options, Server};

use crate::program::{self, on_each_server};

on_each_server!(
    five_megabytes_go_up_and_come_back_to_a_slow_reader,
    clients_that_do_not_read_hold_little_memory,
    an_upload_is_counted,
    an_upload_that_is_broken_off_is_no_error,
    a_proxy_carries_both_directions_to_their_ends,
    the_origin_may_end_first,
    an_origin_that_is_not_there_is_a_bad_gateway,
    without_an_upgrade_there_is_no_tunnel,
);

/// What is long: more than the buffers of both servers, and of the kernel's small ones.
const LONG: usize = 5_000_000;

fn start(server: &str, origin: SocketAddr) -> Server {
    let options = Options::new().environment("ORIGIN", &origin.to_string());
    program::start(env!("CARGO_BIN_EXE_pipes"), server, options)
}

/// Where nobody listens: a port that is nobody's by IANA's list, and that only the system's own programs may use.
fn nowhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 1))
}

fn long() -> Vec<u8> {
    (0..LONG).map(|at| (at % 251) as u8).collect()
}

/// Sends everything in a thread of its own, and then closes that direction if asked to.
fn send_all(
    stream: &TcpStream,
    bytes: Vec<u8>,
    then: Option<Shutdown>,
) -> JoinHandle<io::Result<()>> {
    let mut stream = stream.try_clone().expect("sockets can be cloned");
    thread::spawn(move || {
        stream.write_all(&bytes)?;
        then.map_or(Ok(()), |direction| stream.shutdown(direction))
    })
}

/// Nothing that happened was an error of the application.
#[track_caller]
fn assert_quiet(server: &Server) {
    let log = server.log();
    let errors = log
        .iter()
        .filter(|line| line.contains("ERROR") || line.contains("WARN"));
    assert_eq!(errors.collect::<Vec<_>>(), [""; 0]);
}

fn five_megabytes_go_up_and_come_back_to_a_slow_reader(server: &str) {
    let server = start(server, nowhere());
    let mut client = Client::connect_with_receive_buffer(server.address(), 8 * 1024);
    // The answer to HTTP/1.0 is not cut into chunks: it is what the application wrote, to the connection's end.
    client.send(format!(
        "POST /echo HTTP/1.0\r\ncontent-length: {LONG}\r\n\r\n"
    ));
    let stream = client.into_stream();
    let sent = send_all(&stream, long(), None);
    let answer = read_slowly(&stream);
    sent.join()
        .expect("it does not panic")
        .expect("all is taken");
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let body = &answer[head.expect("the answer has a head") + 4..];
    assert_eq!(body.len(), LONG);
    assert!(body == long(), "the bytes are the same");
    assert_quiet(&server);
}

/// All that comes, a kilobyte at a time.
#[track_caller]
fn read_slowly(mut stream: &TcpStream) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 1024]);
    loop {
        match stream.read(&mut piece).expect("the server goes on") {
            0 => return all,
            count => all.extend_from_slice(&piece[..count]),
        }
    }
}

fn clients_that_do_not_read_hold_little_memory(server: &str) {
    const CLIENTS: usize = 8;
    let server = start(server, nowhere());
    // What the first exchanges need once for all.
    for _ in 0..CLIENTS {
        server.connect().post("/echo", long());
    }
    let before = server.resident_kib();
    let mut clients = Vec::new();
    let mut taken = 0;
    for _ in 0..CLIENTS {
        let mut client = Client::connect_with_receive_buffer(server.address(), 8 * 1024);
        client.send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n");
        taken +=
            client.send_until_stuck(&[7; 64 * 1024], 1_000_000_000, Duration::from_millis(300));
        clients.push(client);
    }
    let grown = server.resident_kib().saturating_sub(before);
    // For each: 64 KiB in each direction for the application, as much on the wire, and what a copy holds.
    let bound = CLIENTS * 512;
    assert!(
        grown < bound,
        "{grown} KiB more for {taken} bytes of {CLIENTS} clients"
    );
    // They are all still served.
    for client in &mut clients {
        assert_eq!(client.read_head().status, 200);
        assert_eq!(client.read_chunk()[..100], [7; 100]);
    }
}

fn an_upload_is_counted(server: &str) {
    let server = start(server, nowhere());
    let mut client = server.connect();
    assert_eq!(
        client.post("/count", long()).text(),
        format!("{LONG} bytes\n")
    );
    assert_eq!(client.post("/count", "").text(), "0 bytes\n");
    client.send("POST /count HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(client.read_response().text(), "5 bytes\n");
    assert_eq!(client.get("/count").status, 404);
}

fn an_upload_that_is_broken_off_is_no_error(server: &str) {
    let server = start(server, nowhere());
    let mut client = server.connect();
    client.send("POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    client.reset();
    let mut client = server.connect();
    client.send("POST /count HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    client.half_close();
    assert_eq!(client.read_response().status, 400, "it may still read why");
    assert_eq!(
        server.connect().post("/count", "still there").text(),
        "11 bytes\n"
    );
    assert_quiet(&server);
}

/// A server that talks to one client.
fn origin<T: Send + 'static>(
    talk: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are free ports");
    let address = listener.local_addr().expect("it is bound");
    let serving = thread::spawn(move || talk(listener.accept().expect("a client comes").0));
    (address, serving)
}

/// A connection whose protocol was switched.
#[track_caller]
fn tunnel(server: &Server) -> TcpStream {
    let mut client = server.connect();
    client.send("GET /proxy HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n");
    let head = client.read_head();
    assert_eq!((head.status, head.field("upgrade")), (101, Some("tcp")));
    client.into_stream()
}

fn a_proxy_carries_both_directions_to_their_ends(server: &str) {
    let (address, serving) = origin(|stream| {
        let (mut from, mut to) = (&stream, &stream);
        let count = io::copy(&mut from, &mut to).expect("the proxy goes on");
        // Said after the client has stopped, so the proxy must keep this direction open.
        to.write_all(b"bye").expect("the proxy goes on");
        count
    });
    let server = start(server, address);
    let mut stream = tunnel(&server);
    let sent = send_all(&stream, long(), Some(Shutdown::Write));
    let mut back = Vec::new();
    stream.read_to_end(&mut back).expect("it ends in order");
    sent.join()
        .expect("it does not panic")
        .expect("all is taken");
    assert_eq!(serving.join().expect("it does not panic"), LONG as u64);
    assert!(back.ends_with(b"bye"));
    assert!(back[..back.len() - 3] == long(), "the bytes are the same");
    assert_quiet(&server);
}

fn the_origin_may_end_first(server: &str) {
    let (address, serving) = origin(|mut stream| {
        // Not with the head of the answer, whose reader would have it then.
        stream.read_exact(&mut [0]).expect("the client asks");
        stream.write_all(b"hello").expect("the proxy goes on");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut last = Vec::new();
        stream.read_to_end(&mut last).expect("it ends in order");
        last
    });
    let server = start(server, address);
    let mut stream = tunnel(&server);
    stream.write_all(b"?").expect("this direction is open");
    let mut first = Vec::new();
    stream.read_to_end(&mut first).expect("it ends in order");
    assert_eq!(first, b"hello");
    stream
        .write_all(b"the client goes on")
        .expect("this direction is open");
    stream.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(
        serving.join().expect("it does not panic"),
        b"the client goes on"
    );
    assert_quiet(&server);
}

fn an_origin_that_is_not_there_is_a_bad_gateway(server: &str) {
    let server = start(server, nowhere());
    let mut client = server.connect();
    client.send("GET /proxy HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n");
    assert_eq!(client.read_response().status, 502);
    server.wait_for_log("Connection refused");
}

fn without_an_upgrade_there_is_no_tunnel(server: &str) {
    let server = start(server, nowhere());
    let mut client = server.connect();
    assert_eq!(client.get("/proxy").status, 426);
    client.send("GET /proxy HTTP/1.1\r\nhost: a\r\nupgrade: tcp\r\n\r\n");
    assert_eq!(
        client.read_response().status,
        426,
        "the connection does not name it"
    );
    assert_eq!(client.get("/elsewhere").status, 404);
}
