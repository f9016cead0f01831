//! The log of events.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::middleware::{EventKind, EventSink, LogEvents, LoggedEvent, Tracing, log_events};
use gateway_spec::{
    Accept, AppError, Application, BodyError, CloseCode, Connection, FileRegion, Http, Response,
    ResponseHead, State, application_fn,
};
use http::{HeaderValue, StatusCode, header};
use test_client::{Peer, TestClient};

use super::support::{http_app, socket_app};

type Lines = Arc<Mutex<Vec<String>>>;

/// An application whose events are collected, without their times.
fn logged<A: Application>(app: A, lines: &Lines) -> LogEvents<A, impl EventSink + use<A>> {
    let lines = Arc::clone(lines);
    log_events(app, move |event: &LoggedEvent<'_>| {
        let line = format!("{:?}: {}", event.kind, event.text);
        lines.lock().unwrap().push(line);
    })
}

#[track_caller]
fn check(lines: &Lines, expected: &[&str]) {
    assert_eq!(std::mem::take(&mut *lines.lock().unwrap()), expected);
}

#[tokio::test]
async fn a_request_s_events_come_in_order() {
    let lines = Lines::default();
    let app = http_app(async |mut http: Http| {
        http.responder.inform(StatusCode::PROCESSING).await?;
        let first = http.body.chunk().await?.unwrap_or_default();
        let mut writer = http
            .responder
            .start_with_trailers(StatusCode::OK, None)
            .await?;
        writer.write(first).await?;
        let second = http.body.chunk().await?.unwrap_or_default();
        writer.write(second).await?;
        assert!(http.body.chunk().await?.is_none());
        writer.finish_with_trailers(http::HeaderMap::new()).await
    });
    let client = TestClient::new(logged(app, &lines));
    let request = client.post("/a%0Ab?secret=1").body_chunks(["one", "three"]);
    request.send().await.unwrap().outcome().await;
    check(
        &lines,
        &[
            "Called: POST /a%0Ab?(8 bytes) HTTP/1.1, 2 fields, a body",
            "Sent: informational 102, 0 fields",
            "Received: body, 3 bytes, more",
            "Sent: start 200, 0 fields, 0 bytes, more",
            "Sent: body, 3 bytes, more",
            "Received: body, 5 bytes, the end",
            "Sent: body, 5 bytes, more",
            "Sent: trailers, 0 fields, the end",
            "Ended: done",
        ],
    );
}

#[tokio::test]
async fn what_is_refused_given_up_and_failed_shows() {
    let lines = Lines::default();
    let app = http_app(async |http: Http| {
        let mut writer = http
            .responder
            .start(
                ResponseHead::new(StatusCode::OK)
                    .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("1")),
            )
            .await?;
        writer.write("two").await?;
        writer.finish().await
    });
    let client = TestClient::new(logged(app, &lines));
    let request = client.post("/").body("unread");
    let broken = request.send().await.unwrap_err();
    broken.outcome().await;
    check(
        &lines,
        &[
            "Called: POST / HTTP/1.1, 2 fields, a body of 6 bytes",
            "Sent: start 200, 1 field, 0 bytes, more",
            "Sent: body, 3 bytes, more: refused, TooMuch { declared: 1 }",
            "LetGo: dropped without an end",
            "LetGo: the body is not wanted",
            "Ended: failed: the body is longer than the declared content-length of 1 bytes (HTTP-24)",
        ],
    );

    let app = http_app(async |http: Http| Ok(http.responder.abort()));
    let client = TestClient::new(logged(app, &lines));
    let broken = client.get("/").send().await.unwrap_err();
    broken.outcome().await;
    check(
        &lines,
        &[
            "Called: GET / HTTP/1.1, 1 field, no body",
            "LetGo: aborted",
            "Ended: done",
        ],
    );

    let app = http_app(async |_: Http| Err(AppError::message("a line\nand another")));
    let client = TestClient::new(logged(app, &lines));
    client.get("/").send().await.unwrap().outcome().await;
    check(
        &lines,
        &[
            "Called: GET / HTTP/1.1, 1 field, no body",
            "LetGo: dropped without an end",
            "Ended: failed: a line\\nand another",
        ],
    );
}

#[tokio::test]
async fn a_client_that_leaves_shows() {
    let lines = Lines::default();
    let app = http_app(async |mut http: Http| {
        http.body.collect(100).await?;
        http.responder.respond("never").await
    });
    let client = TestClient::new(logged(app, &lines));
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send("some").await.unwrap();
    exchange.fail(BodyError::Timeout);
    exchange.outcome().await;
    check(
        &lines,
        &[
            "Called: POST / HTTP/1.1, 2 fields, a body",
            "Received: body, 4 bytes, more",
            "Received: failed: the request body did not arrive in time",
            "LetGo: dropped without an end",
            "Ended: failed: the request body did not arrive in time",
        ],
    );
    let exchange = client.post("/").body_to_come().open();
    exchange.reset().outcome().await;
    check(
        &lines,
        &[
            "Called: POST / HTTP/1.1, 2 fields, a body",
            "Received: disconnect: the client reset the connection",
            "LetGo: dropped without an end",
            "Ended: failed: the request body cannot be read: the client reset the connection",
        ],
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_or_panics_ends_too() {
    let lines = Lines::default();
    let app = logged(http_app(async |_: Http| pending().await), &lines);
    let (connection, events) = crate::support::get();
    let mut call = Box::pin(app.call(connection));
    assert!(crate::support::turn(call.as_mut()).is_pending());
    drop(call);
    drop(events);
    check(
        &lines,
        &[
            "Called: GET / HTTP/1.1, 0 fields, no body",
            "LetGo: dropped without an end",
            "Ended: dropped before it returned",
        ],
    );
    let app = http_app(async |http: Http| {
        let _http = http;
        panic!("at the disco")
    });
    let client = TestClient::new(logged(app, &lines));
    client.get("/").send().await.unwrap().outcome().await;
    check(
        &lines,
        &[
            "Called: GET / HTTP/1.1, 1 field, no body",
            "LetGo: dropped without an end",
            "Ended: panicked",
        ],
    );
}

#[tokio::test]
async fn files_and_tunnels_show_and_written_bytes_are_not_copied() {
    let lines = Lines::default();
    let app = http_app(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        let file = std::fs::File::open("Cargo.toml")?;
        let region = FileRegion {
            file: file.into(),
            offset: 0,
            length: 9,
        };
        writer.write_file(region).await?;
        writer.finish().await
    });
    let client = TestClient::new(logged(app, &lines));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.text(), "[package]");
    reply.outcome().await;
    check(
        &lines,
        &[
            "Called: GET / HTTP/1.1, 1 field, no body",
            "Sent: start 200, 0 fields, 0 bytes, more",
            "Sent: file, 9 bytes, more",
            "Sent: body, 0 bytes, the end",
            "Ended: done",
        ],
    );

    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        let bytes = tunnel.read().await?.unwrap_or_default();
        std::future::poll_fn(|cx| tunnel.poll_write(cx, &bytes)).await?;
        drop(tunnel);
        Err(AppError::message("closed"))
    });
    let client = TestClient::new(logged(app, &lines));
    let request = client
        .get("/")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let mut tunnel = request.stream().await.unwrap();
    tunnel.send("1").await.unwrap();
    assert_eq!(tunnel.chunk().await.unwrap().unwrap(), "1");
    tunnel.outcome().await;
    check(
        &lines,
        &[
            "Called: GET / HTTP/1.1, 3 fields, no body",
            "Sent: upgrade 101, 1 field",
            "Received: body, 1 byte, more",
            "Sent: written, 1 byte, more",
            "LetGo: the tunnel was dropped",
            "Ended: failed: closed",
        ],
    );
}

#[tokio::test]
async fn a_socket_s_events_come_in_order() {
    let lines = Lines::default();
    let app = socket_app(async |socket| {
        let accept = Accept::new().subprotocol("chat.v1");
        let mut socket = socket.handshake.accept(accept).await?;
        while let Some(message) = socket.message().await {
            socket.send(message).await?;
        }
        socket.close(CloseCode::NORMAL, "").await
    });
    let client = TestClient::new(logged(app, &lines));
    let handshake = client.websocket("/ws").subprotocols(["chat.v1", "chat.v2"]);
    let mut socket = handshake.connect().await.unwrap();
    socket.send("hello").await.unwrap();
    socket.text().await.unwrap();
    socket.ping("12").await.unwrap();
    socket.receive().await;
    socket.send(vec![0_u8]).await.unwrap();
    socket.message().await.unwrap();
    socket.close(CloseCode::GOING_AWAY, "bye").await;
    socket.outcome().await;
    check(
        &lines,
        &[
            "Called: WebSocket GET /ws HTTP/1.1, 6 fields, no body, 2 subprotocols",
            "Sent: accept, chat.v1, 0 fields",
            "Received: text, 5 bytes",
            "Sent: text, 5 bytes",
            "Received: ping, 2 bytes",
            "Received: binary, 1 byte",
            "Sent: binary, 1 byte",
            "Received: disconnect: the client closed the socket (code 1001)",
            "Ended: done",
        ],
    );

    let app = socket_app(async |socket| socket.handshake.deny("members only").await);
    let client = TestClient::new(logged(app, &lines));
    let denied = client.websocket("/").connect().await.unwrap_err();
    denied.reply().unwrap().outcome().await;
    check(
        &lines,
        &[
            "Called: WebSocket GET / HTTP/1.1, 5 fields, no body, 0 subprotocols",
            "Sent: deny 200, 1 field, 12 bytes, the end",
            "Ended: done",
        ],
    );

    let app = socket_app(async |socket| {
        let http = socket.into_http().unwrap();
        http.responder.respond("plain").await
    });
    let client = TestClient::new(logged(app, &lines));
    let denied = client.websocket("/").connect().await.unwrap_err();
    denied.reply().unwrap().outcome().await;
    check(
        &lines,
        &[
            "Called: WebSocket GET / HTTP/1.1, 5 fields, no body, 0 subprotocols",
            "LetGo: the handshake was given back as a request",
            "Sent: start 200, 1 field, 5 bytes, the end",
            "Ended: done",
        ],
    );

    let app = socket_app(async |socket| {
        let socket = socket.handshake.accept(Accept::new()).await?;
        drop(socket);
        Err(AppError::message("lost"))
    });
    let client = TestClient::new(logged(app, &lines));
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.closed().await.code, 1011);
    socket.outcome().await;
    check(
        &lines,
        &[
            "Called: WebSocket GET / HTTP/1.1, 5 fields, no body, 0 subprotocols",
            "Sent: accept, 0 fields",
            "LetGo: dropped without an end",
            "Ended: failed: lost",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_lifespan_s_events_come_in_order() {
    let lines = Lines::default();
    let app = application_fn(async |connection: Connection| {
        let Connection::Lifespan(lifespan) = connection else {
            return connection.refuse().await;
        };
        let running = lifespan.started(State::new().with(7_u8));
        running.shutdown_requested().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(running.stopped())
    });
    let client = TestClient::start(logged(app, &lines)).await.unwrap();
    client.shutdown().await.unwrap();
    check(
        &lines,
        &[
            "Called: lifespan on test-client",
            "Sent: started with {\"u8\"}",
            "Received: the shutdown was requested",
            "Sent: stopped",
            "Ended: done",
        ],
    );
    let client = TestClient::start(logged(application_fn(Connection::refuse), &lines)).await;
    assert!(!client.unwrap().has_lifespan());
    let fails = application_fn(async |_: Connection| Err(AppError::message("no database")));
    assert!(TestClient::start(logged(fails, &lines)).await.is_err());
    check(
        &lines,
        &[
            "Called: lifespan on test-client",
            "Sent: refused",
            "Ended: done",
            "Called: lifespan on test-client",
            "LetGo: dropped without an end",
            "Ended: failed: no database",
        ],
    );
}

#[tokio::test]
async fn contents_are_shown_if_wanted_bounded_and_escaped() {
    let lines = Lines::default();
    let app = http_app(async |mut http: Http| {
        let body = http.body.collect(100).await?;
        http.responder.respond(Response::new(body)).await
    });
    let client = TestClient::new(logged(app, &lines).contents(8));
    for body in ["", "12345678", "123456789", "a\n\u{1b}[31m"] {
        let request = client.post("/?a='b'").body(body);
        request.send().await.unwrap().outcome().await;
    }
    let called =
        |length| format!("Called: POST /?a=\\'b\\' HTTP/1.1, 2 fields, a body of {length} bytes");
    let both = |shown: &str| {
        [
            format!("Received: body, {shown}, the end"),
            format!("Sent: start 200, 0 fields, {shown}, the end"),
            "Ended: done".to_owned(),
        ]
    };
    let mut expected = vec![
        called(0),
        "Sent: start 200, 0 fields, 0 bytes, the end".to_owned(),
        "Ended: done".to_owned(),
    ];
    for (length, shown) in [
        (8, "8 bytes \"12345678\""),
        (9, "9 bytes \"12345678…\""),
        (7, "7 bytes \"a\\n\\x1b[31m\""),
    ] {
        expected.push(called(length));
        expected.extend(both(shown));
    }
    assert_eq!(*lines.lock().unwrap(), expected);

    lines.lock().unwrap().clear();
    let app = socket_app(async |socket| {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket.send("a secret of many bytes").await?;
        socket.close(CloseCode::NORMAL, "bye").await
    });
    let client = TestClient::new(logged(app, &lines).contents(8));
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.closed().await;
    let lines = lines.lock().unwrap();
    assert_eq!(lines[2], "Sent: text, 22 bytes \"a secret…\"");
    assert_eq!(lines[3], "Sent: close 1000, 3 bytes \"bye\"");
}

/// The number, the seconds, the label and the kind of an event.
type Fact = (u64, u64, Option<String>, EventKind);

#[derive(Clone, Default)]
struct Facts(Arc<Mutex<Vec<Fact>>>);

impl EventSink for Facts {
    fn note(&self, event: &LoggedEvent<'_>) {
        let label = event.label.map(str::to_owned);
        let fact = (event.connection, event.at.as_secs(), label, event.kind);
        self.0.lock().unwrap().push(fact);
    }
}

#[tokio::test(start_paused = true)]
async fn events_have_a_number_a_time_and_the_label() {
    let facts = Facts::default();
    let app = http_app(async |http: Http| {
        http.scope.label.set("/slow");
        tokio::time::sleep(Duration::from_secs(3)).await;
        http.responder.respond("x").await
    });
    let client = TestClient::new(log_events(app, facts.clone()));
    for _ in 0..2 {
        client.get("/").send().await.unwrap().outcome().await;
    }
    let label = Some("/slow".to_owned());
    let of = |number| {
        [
            (number, 0, None, EventKind::Called),
            (number, 3, label.clone(), EventKind::Sent),
            (number, 3, label.clone(), EventKind::Ended),
        ]
    };
    assert_eq!(*facts.0.lock().unwrap(), [of(1), of(2)].concat());
}

#[tokio::test]
async fn nothing_is_wrapped_for_a_sink_that_nobody_looks_at() {
    struct Deaf;
    impl EventSink for Deaf {
        fn is_enabled(&self) -> bool {
            false
        }
        fn note(&self, event: &LoggedEvent<'_>) {
            panic!("{event}");
        }
    }
    let app = http_app(async |http: Http| http.responder.respond("x").await);
    let client = TestClient::new(log_events(app.clone(), Deaf));
    assert_eq!(client.get("/").send().await.unwrap().text(), "x");
    // No subscriber listens here.
    let client = TestClient::new(log_events(app, Tracing));
    assert_eq!(client.get("/").send().await.unwrap().text(), "x");
}

#[tokio::test]
async fn it_changes_nothing() {
    let lines = Lines::default();
    let app = http_app(async |mut http: Http| {
        let body = http.body.collect(1_000_000).await?;
        let mut writer = http.responder.start(StatusCode::OK).await?;
        for part in body.chunks(1000) {
            writer.write(part.to_vec()).await?;
        }
        writer.finish().await
    });
    let client = TestClient::new(logged(app, &lines));
    let body = vec![7_u8; 200_000];
    let request = client.post("/").body(body.clone());
    let reply = request.peer(Peer::new().window(1500)).send().await.unwrap();
    assert_eq!(reply.body, body);
}
