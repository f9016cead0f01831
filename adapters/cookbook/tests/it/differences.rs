//! What differs from axum::serve, with the reason: all that these tests know of.
//!
//! Each entry is looked at on all servers, so one that is no longer true fails.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use axum::routing::get;
use cookbook::axum::Settings;
use futures_util::SinkExt;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Wire};
use crate::events::Events;
use crate::host::{Host, Kind};
use crate::shutdown::until_nobody_listens;
use crate::site::{Site, run};
use crate::sockets;

/// A difference that shows in an answer of `parity`.
pub(crate) struct InHead {
    pub(crate) wire: Wire,
    /// The request, by the name of its case.
    pub(crate) case: &'static str,
    /// The lines that only axum::serve has.
    pub(crate) home: &'static [&'static str],
    /// The lines that both servers have in their place.
    pub(crate) gateway: &'static [&'static str],
    /// Why that is right.
    pub(crate) why: &'static str,
}

pub(crate) const IN_HEADS: &[InHead] = &[
    InHead {
        wire: Wire::Http1,
        case: "a stream of nothing",
        home: &["transfer-encoding: chunked"],
        gateway: &["a right length"],
        why: "a body that ends at its first frame goes out whole, so its length is known",
    },
    InHead {
        wire: Wire::Http2,
        case: "the request",
        home: &[],
        gateway: &["\"SERVER\"", "\"host\","],
        why: "SCOPE-7: `:authority` is the `host` field too, so that handlers look in one place on all wires",
    },
    InHead {
        wire: Wire::Http2,
        case: "the request below",
        home: &[],
        gateway: &["\"SERVER\"", "\"host\","],
        why: "as above",
    },
];

/// A difference in what a server does.
struct Difference {
    what: &'static str,
    home: &'static str,
    gateway: &'static str,
    why: &'static str,
    look: fn(Kind) -> Pin<Box<dyn Future<Output = String>>>,
}

macro_rules! differences {
    ($($what:literal: $look:expr, $home:literal => $gateway:literal, $why:literal;)+) => {
        &[$(Difference {
            what: $what,
            home: $home,
            gateway: $gateway,
            why: $why,
            look: |kind| Box::pin($look(kind)),
        }),+]
    };
}

const DIFFERENCES: &[Difference] = differences! {
    "a panic that no layer catches": a_panic,
        "closed" => "500",
        "SRV-7: a panic is an answer, and on HTTP/2 it does not end the other streams";
    "a handler that blocks in place": blocks_in_place,
        "200" => "500",
        "workers are runtimes of one thread, where tokio's `block_in_place` panics: `spawn_blocking` works on all";
    "a client that stops sending and still reads": a_half_close,
        "dropped" => "answered",
        "SRV-3: it may want its answer; its handler is dropped after 5 seconds of silence";
    "a handshake of an old WebSocket": |kind| status(kind, &OLD_SOCKET),
        "400" => "426",
        "WS-1: the server checks handshakes, and says which version it speaks";
    "a handshake with a key that is none": |kind| status(kind, &WRONG_KEY),
        "101" => "400",
        "WS-1: the key is 16 bytes in base64 (RFC 6455 section 4.2.1)";
    "a request without a Host": |kind| status(kind, b"GET /release HTTP/1.1\r\n"),
        "200" => "400",
        "SCOPE-6: RFC 9112 section 3.2 has servers refuse it";
    "a request with two Hosts": |kind| status(kind, b"GET /release HTTP/1.1\r\nhost: a\r\nhost: b\r\n"),
        "200" => "400",
        "SCOPE-6: the same; one of them has deceived a proxy";
    "a target in raw UTF-8": |kind| status(kind, "GET /asked/é HTTP/1.1\r\nhost: a\r\n".as_bytes()),
        "200" => "400",
        "HTTP-1: RFC 3986 has it percent-encoded, as browsers do";
    "a transfer coding that nobody decodes": |kind| status(kind, b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n"),
        "200" => "501",
        "HTTP-1: the body would be handed on as if it were not coded (RFC 9112 section 6.1)";
    "a head of 40 kB": |kind| long(kind, "GET /release HTTP/1.1\r\nhost: a\r\nx-a: ", 40_000),
        "200" => "431",
        "SRV-14: `Limits::head_bytes` is 32 KiB";
    "a target of 10 kB": |kind| long(kind, "GET /release?", 10_000),
        "200" => "414",
        "SRV-14: `Limits::target_bytes` is 8 KiB";
    "a body of 2 GiB": |kind| status(kind, b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 2147483648\r\n"),
        "200" => "413",
        "SRV-14: `Limits::body_bytes` is 1 GiB";
    "a socket that is open at the shutdown": a_socket_at_the_end,
        "not waited for" => "waited for",
        "WS-18: axum::serve does not wait for what it upgraded, so such a socket dies with the process";
    "an event stream that does not heed the shutdown": a_stream_at_the_end,
        "never ends" => "cut off",
        "SRV-1: the grace period bounds the shutdown; axum::serve waits as long as the stream goes on";
};

const OLD_SOCKET: &[u8] =
    b"GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 8\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const WRONG_KEY: &[u8] =
    b"GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: none\r\n";

#[test]
fn differences_are_as_listed() {
    run(async {
        let mut wrong = Vec::new();
        for Difference {
            what,
            home,
            gateway,
            why,
            look,
        } in DIFFERENCES
        {
            for (kind, expected) in [
                (Kind::Home, home),
                (Kind::Raw, gateway),
                (Kind::Hyper, gateway),
            ] {
                let seen = look(kind).await;
                if seen != *expected {
                    wrong.push(format!("{what}, {kind:?}: {seen}, not {expected} ({why})"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// The status that answers a head of these lines.
async fn status(kind: Kind, head: &[u8]) -> String {
    let site = Site::start(kind, Wire::Http1);
    let mut stream = TcpStream::connect(site.host.address).await.unwrap();
    stream.write_all(head).await.unwrap();
    stream.write_all(b"\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream
        .read_exact(&mut answer)
        .await
        .expect("there is an answer");
    String::from_utf8_lossy(&answer[9..]).into_owned()
}

async fn long(kind: Kind, begin: &str, length: usize) -> String {
    let end = if begin.contains("HTTP") {
        "\r\n"
    } else {
        " HTTP/1.1\r\nhost: a\r\n"
    };
    let head = [begin, &"x".repeat(length), end].concat();
    status(kind, head.as_bytes()).await
}

async fn a_panic(kind: Kind) -> String {
    let panics = async || -> &str { panic!("this handler always does") };
    ask_alone(kind, Router::new().route("/", get(panics))).await
}

async fn blocks_in_place(kind: Kind) -> String {
    let blocks = async || tokio::task::block_in_place(|| "done");
    ask_alone(kind, Router::new().route("/", get(blocks))).await
}

/// The status of `/` of a router without layers.
async fn ask_alone(kind: Kind, router: Router) -> String {
    let host = Host::start(kind, router, |_| {});
    let mut client = Client::connect(host.address, Wire::Http1).await;
    let request = client
        .request(Method::GET, "/")
        .body(Body::empty())
        .unwrap();
    match client.try_send(request).await {
        Ok(answer) => answer.status().as_str().to_owned(),
        Err(_) => "closed".to_owned(),
    }
}

async fn a_half_close(kind: Kind) -> String {
    let site = Site::start(kind, Wire::Http1);
    let mut stream = TcpStream::connect(site.host.address).await.unwrap();
    let request = b"GET /api/notes/next HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    site.watched_by(1).await;
    stream.shutdown().await.unwrap();
    let drops_at_once = kind == Kind::Home;
    if drops_at_once {
        site.watched_by(0).await;
    }
    site.board.post("x");
    let mut answer = String::new();
    // A connection that is cut off may end with an error.
    let _ = stream.read_to_string(&mut answer).await;
    let outcome = if answer.starts_with("HTTP/1.1 200") {
        "answered"
    } else {
        "dropped"
    };
    outcome.to_owned()
}

async fn a_socket_at_the_end(kind: Kind) -> String {
    let site = Site::start(kind, Wire::Http1);
    let mut client = site.connect().await;
    let mut socket = sockets::open(&mut client, Wire::Http1).await;
    site.host.stop();
    if kind == Kind::Home {
        site.host.ended().await;
        return "not waited for".to_owned();
    }
    until_nobody_listens(&site).await;
    let message = Message::Binary("still here".into());
    socket.send(message.clone()).await.unwrap();
    assert_eq!(sockets::next(&mut socket).await, message);
    drop((client, socket));
    site.host.ended().await;
    "waited for".to_owned()
}

async fn a_stream_at_the_end(kind: Kind) -> String {
    let site = Site::start_on(kind, Wire::Http1, &Settings::default(), |settings| {
        settings.grace = Duration::from_millis(200);
    });
    let mut client = site.connect().await;
    let mut events = Events::open(&mut client).await;
    site.host.stop();
    if kind == Kind::Home {
        // Longer than the grace of the others.
        tokio::time::sleep(Duration::from_millis(500)).await;
        site.board.post("x");
        return match events.next().await {
            Some(_) => "never ends".to_owned(),
            None => "ends".to_owned(),
        };
    }
    let cut = events
        .body
        .frame()
        .await
        .is_some_and(|frame| frame.is_err());
    site.host.ended().await;
    if cut {
        "cut off".to_owned()
    } else {
        "ends".to_owned()
    }
}
