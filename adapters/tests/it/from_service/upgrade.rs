//! Services that switch protocols: axum's WebSockets, and hyper's upgrades by hand.

use std::convert::Infallible;
use std::time::Duration;

use adapters::tower::from_service;
use axum::Router;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response as AxumResponse;
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use gateway_spec::{CloseCode, Gone, Message as GatewayMessage, RequestBody, Text};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{Empty, Full};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use test_client::{Broken, Exchange, Peer, TestClient};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use websocket::handshake::Agreement;
use websocket::{Event, Limits, Role, Session, Step};

use super::support::{Count, settle};

type Stream = TokioIo<Upgraded>;

/// A client of an axum application with one WebSocket.
fn socket_of<F, Fut>(handle: F) -> TestClient
where
    F: Fn(WebSocket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let upgrade = async move |upgrade: WebSocketUpgrade| -> AxumResponse {
        upgrade
            .max_message_size(8 << 20)
            .max_frame_size(8 << 20)
            .protocols(["chat.v2", "chat.v1"])
            .on_upgrade(handle)
    };
    let router = Router::new()
        .route("/ws", any(upgrade))
        .route("/plain", any(async || "plain"));
    TestClient::new(from_service(router))
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_) | Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

#[tokio::test]
async fn axums_sockets_speak_and_close() {
    let client = socket_of(echo);
    let mut socket = client.websocket("/ws").connect().await.unwrap();
    socket.send("hello").await.unwrap();
    assert_eq!(&*socket.text().await.unwrap(), "hello");
    for size in [0, 1, 125, 126, 65_535, 65_536, 3 << 20] {
        let bytes = Bytes::from(vec![7; size]);
        // Sent and received at once: neither side has room for all of it.
        socket.send_now(bytes.clone()).unwrap();
        assert_eq!(socket.message().await, Some(GatewayMessage::Binary(bytes)));
    }
    assert!(
        socket.outcome_now().is_none(),
        "the exchange lasts as long as the socket"
    );
    let closed = socket.close(CloseCode::NORMAL, "enough").await;
    assert_eq!(closed.code, 1000);
    assert!(socket.outcome().await.is_done());
}

#[tokio::test]
async fn what_was_sent_before_a_socket_is_dropped_arrives() {
    let client = socket_of(async |mut socket: WebSocket| {
        socket.send(Message::text("bye")).await.unwrap();
        let close = CloseFrame {
            code: 4000,
            reason: Utf8Bytes::from_static("done"),
        };
        socket.send(Message::Close(Some(close))).await.unwrap();
    });
    let mut socket = client.websocket("/ws").connect().await.unwrap();
    assert_eq!(&*socket.text().await.unwrap(), "bye");
    let closed = socket.closed().await;
    assert_eq!((closed.code, &*closed.reason), (4000, "done"));
    assert!(socket.outcome().await.is_done());
}

#[tokio::test]
async fn a_client_that_vanishes_ends_the_socket() {
    let ended = Count::default();
    let end = ended.clone();
    let client = socket_of(move |mut socket: WebSocket| {
        let end = end.clone();
        async move {
            while let Some(Ok(_)) = socket.recv().await {}
            end.add();
        }
    });
    let socket = client.websocket("/ws").connect().await.unwrap();
    settle().await;
    assert_eq!(ended.get(), 0);
    let left = socket.reset();
    ended.reach(1).await;
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
}

#[tokio::test]
async fn a_socket_sees_the_drain_and_says_goodbye() {
    use axum::Extension;
    use gateway_spec::Scope;

    let upgrade = async |Extension(scope): Extension<Scope>, upgrade: WebSocketUpgrade| {
        upgrade.on_upgrade(async move |mut socket| {
            scope.drain().await;
            socket.send(Message::text("draining")).await.unwrap();
        })
    };
    let client = TestClient::new(from_service(Router::new().route("/ws", any(upgrade))));
    let mut socket = client.websocket("/ws").connect().await.unwrap();
    client.drain(Duration::from_secs(1));
    assert_eq!(&*socket.text().await.unwrap(), "draining");
    assert!(socket.outcome().await.is_done());
}

#[tokio::test]
async fn a_subprotocol_is_chosen() {
    let client = socket_of(echo);
    let offer = client.websocket("/ws").subprotocols(["chat.v1", "other"]);
    assert_eq!(
        offer.connect().await.unwrap().subprotocol(),
        Some("chat.v1")
    );
}

#[tokio::test]
async fn a_route_without_sockets_answers_as_to_any_request() {
    let client = socket_of(echo);
    for (target, status) in [("/plain", 200), ("/nowhere", 404)] {
        let denied = client.websocket(target).connect().await.unwrap_err();
        let reply = denied.reply().unwrap();
        assert_eq!(reply.status, status);
        assert!(reply.outcome().await.is_done());
    }
    let upgrade = client
        .get("/plain")
        .header("upgrade", "h2c")
        .header("connection", "upgrade");
    assert_eq!(upgrade.send().await.unwrap().text(), "plain");
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_by_axum_or_before() {
    let client = socket_of(echo);
    let reply = client.get("/ws").send().await.unwrap();
    assert_eq!(reply.status, 400, "by axum");
    let old = client.websocket("/ws").header("sec-websocket-version", "8");
    let denied = old.connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 426, "by the server (WS-1)");
    let keyless = client.websocket("/ws").header("sec-websocket-key", "short");
    let denied = keyless.connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 400, "by the server (WS-1)");
}

#[tokio::test]
async fn axums_sockets_speak_over_http2() {
    let client = socket_of(echo);
    let connect = |protocol: &'static str| {
        client
            .request(Method::CONNECT, "http://testserver/ws")
            .version(Version::HTTP_2)
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "chat.v2")
            .scope(move |scope| scope.protocol = Some(protocol.into()))
            .body_to_come()
            .open()
    };
    let mut exchange = connect("websocket");
    let head = exchange.head().await.unwrap();
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(
        head.headers.get_str("sec-websocket-protocol"),
        Some("chat.v2")
    );
    let mut session = client_session();
    let mut frames = BytesMut::new();
    let message = GatewayMessage::Text(Text::from_static("over a stream"));
    session.send(&message, &mut frames).unwrap();
    exchange.send(frames.freeze()).await.unwrap();
    let mut input = BytesMut::new();
    let echoed = loop {
        if let Step::Event(event) = session.next_event(&mut input).unwrap() {
            break event;
        }
        input.extend_from_slice(&exchange.chunk().await.unwrap().unwrap());
    };
    assert_eq!(echoed, Event::Message(message));

    let head_of_other = connect("webtransport").reply().await.unwrap();
    assert_eq!(head_of_other.status, 400, "axum knows the protocol");
}

fn client_session() -> Session {
    Session::new(
        Role::Client { seed: 1 },
        &Agreement::default(),
        Limits::default(),
    )
}

/// A client of a service that takes up `Upgrade: echo` and CONNECT, and hands the stream to a function.
fn tunnel_of<F, Fut>(handle: F) -> TestClient
where
    F: Fn(Stream) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    TestClient::new(from_service(tower::service_fn(
        move |mut request: Request<RequestBody>| {
            let handle = handle.clone();
            let upgrade: Option<OnUpgrade> = request.extensions_mut().remove();
            let response = match (upgrade, request.method() == Method::CONNECT) {
                (None, _) => Response::builder().status(400),
                (Some(upgrade), is_connect) => {
                    assert!(request.body().is_end(), "what a tunnel carries is no body");
                    tokio::spawn(async move {
                        handle(TokioIo::new(upgrade.await.unwrap())).await;
                    });
                    match is_connect {
                        true => Response::builder().status(204),
                        false => Response::builder()
                            .status(101)
                            .header("connection", "upgrade")
                            .header("upgrade", "echo"),
                    }
                }
            };
            async move { Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap()) }
        },
    )))
}

fn asking(client: &TestClient) -> test_client::Request {
    let request = client.get("/").header("connection", "upgrade");
    request.header("upgrade", "echo")
}

fn upgraded(client: &TestClient) -> Exchange {
    asking(client).open()
}

/// Reads so many bytes.
async fn read(exchange: &mut Exchange, bytes: usize) -> Result<Bytes, Broken> {
    let mut all = BytesMut::new();
    while all.len() < bytes {
        match exchange.chunk().await? {
            Some(chunk) => all.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(all.freeze())
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_way_ends_by_itself() {
    let client = tunnel_of(async |mut stream: Stream| {
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.write_all(b" and goodbye").await.unwrap();
        for _ in 0..2 {
            writer.shutdown().await.unwrap();
        }
    });
    let mut exchange = upgraded(&client);
    assert_eq!(exchange.head().await.unwrap().status, 101);
    assert_eq!(
        exchange.response().unwrap().headers.get_str("upgrade"),
        Some("echo")
    );
    exchange.send("hello").await.unwrap();
    assert_eq!(read(&mut exchange, 5).await.unwrap(), "hello");
    exchange.finish();
    assert_eq!(read(&mut exchange, 100).await.unwrap(), " and goodbye");
    assert!(exchange.outcome().await.is_done());
}

#[tokio::test]
async fn a_connect_is_taken_up_by_any_success() {
    let client = tunnel_of(async |mut stream: Stream| {
        stream.write_all(b"tunnel").await.unwrap();
    });
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = client
            .request(Method::CONNECT, "a.example:443")
            .version(version);
        let mut exchange = request.open();
        assert_eq!(exchange.head().await.unwrap().status, 204);
        assert_eq!(read(&mut exchange, 100).await.unwrap(), "tunnel");
        assert!(exchange.outcome().await.is_done());
    }
}

#[tokio::test]
async fn nothing_is_offered_where_nothing_can_be_switched() {
    let client = tunnel_of(async |_| unreachable!("there is no tunnel"));
    let with_upgrade = |request: test_client::Request| {
        request
            .header("connection", "upgrade")
            .header("upgrade", "echo")
    };
    for request in [
        client.get("/"),
        with_upgrade(client.get("/").version(Version::HTTP_10)),
        with_upgrade(client.get("/").version(Version::HTTP_2)),
        with_upgrade(client.get("/")).body_chunks(Vec::<Bytes>::new()),
    ] {
        let label = format!("{request:?}");
        assert_eq!(request.send().await.unwrap().status, 400, "{label}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_service_back() {
    let written = Count::default();
    let writes = written.clone();
    let client = tunnel_of(move |mut stream: Stream| {
        let writes = writes.clone();
        async move {
            while stream.write_all(&[0; 1024]).await.is_ok() {
                writes.add();
            }
        }
    });
    let mut exchange = upgraded(&client);
    exchange.head().await.unwrap();
    settle().await;
    let full = written.get();
    assert!(full >= 32, "{full}");
    assert!(exchange.unread() <= 65 * 1024, "{}", exchange.unread());
    settle().await;
    assert_eq!(written.get(), full);
    read(&mut exchange, 32 * 1024).await.unwrap();
    written.reach(full + 16).await;
}

#[tokio::test]
async fn a_service_that_does_not_read_holds_the_client_back() {
    let go = Count::default();
    let gone_on = go.clone();
    let client = tunnel_of(move |mut stream: Stream| {
        let go = gone_on.clone();
        async move {
            go.reach(1).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            stream
                .write_all(all.len().to_string().as_bytes())
                .await
                .unwrap();
        }
    });
    let mut exchange = upgraded(&client);
    exchange.head().await.unwrap();
    exchange.send(vec![0; 64 * 1024]).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(10), exchange.send("more"));
    assert!(more.await.is_err());
    go.add();
    exchange.send("more").await.unwrap();
    exchange.finish();
    assert_eq!(
        read(&mut exchange, 100).await.unwrap(),
        (64 * 1024 + 4).to_string()
    );
}

#[tokio::test]
async fn a_flush_waits_until_the_kernel_has_it() {
    let flushed = Count::default();
    let flush = flushed.clone();
    let client = tunnel_of(move |mut stream: Stream| {
        let flush = flush.clone();
        async move {
            stream.write_all(b"four").await.unwrap();
            stream.flush().await.unwrap();
            flush.add();
            let _ = stream.read_u8().await;
        }
    });
    // As much as the client's kernel holds.
    let mut exchange = asking(&client).peer(Peer::new().window(4)).open();
    exchange.head().await.unwrap();
    settle().await;
    assert_eq!(flushed.get(), 0);
    assert_eq!(read(&mut exchange, 4).await.unwrap(), "four");
    flushed.reach(1).await;
}

#[tokio::test]
async fn a_service_that_does_not_take_what_it_accepted_closes_it() {
    let app = from_service(tower::service_fn(async |_: Request<RequestBody>| {
        let response = Response::builder().status(101).header("upgrade", "echo");
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    }));
    let mut exchange = upgraded(&TestClient::new(app));
    assert_eq!(exchange.head().await.unwrap().status, 101);
    assert_eq!(exchange.chunk().await.unwrap(), None);
    assert!(exchange.outcome().await.is_done());
}

#[tokio::test]
async fn an_offer_that_is_not_taken_up_is_cancelled() {
    let cancelled = Count::default();
    let cancel = cancelled.clone();
    let app = from_service(tower::service_fn(
        move |mut request: Request<RequestBody>| {
            let upgrade: OnUpgrade = request.extensions_mut().remove().unwrap();
            let cancel = cancel.clone();
            tokio::spawn(async move {
                assert!(upgrade.await.unwrap_err().is_canceled());
                cancel.add();
            });
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("no"))) }
        },
    ));
    let client = TestClient::new(app);
    assert_eq!(upgraded(&client).reply().await.unwrap().text(), "no");
    cancelled.reach(1).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_cancels_the_offer() {
    let (entered, cancelled) = (Count::default(), Count::default());
    let (enter, cancel) = (entered.clone(), cancelled.clone());
    let app = from_service(tower::service_fn(
        move |mut request: Request<RequestBody>| {
            let upgrade: OnUpgrade = request.extensions_mut().remove().unwrap();
            let cancel = cancel.clone();
            tokio::spawn(async move {
                assert!(upgrade.await.unwrap_err().is_canceled());
                cancel.add();
            });
            enter.add();
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        },
    ));
    let exchange = upgraded(&TestClient::new(app));
    entered.reach(1).await;
    assert_eq!(
        exchange.reset().outcome().await.gone(),
        Some(Gone::PeerReset)
    );
    cancelled.reach(1).await;
}

#[tokio::test]
async fn a_switch_that_the_server_refuses_is_an_error() {
    // An `Upgrade` without `Connection: upgrade` asks for nothing (HTTP-30).
    let app = from_service(tower::service_fn(async |_: Request<RequestBody>| {
        let response = Response::builder()
            .status(101)
            .body(Full::<Bytes>::default());
        Ok::<_, Infallible>(response.unwrap())
    }));
    let request = TestClient::new(app).get("/").header("upgrade", "echo");
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status, 500);
    assert!(reply.outcome().await.error().is_some());
}

#[tokio::test]
async fn sockets_go_both_ways_at_once_over_halves() {
    let client = socket_of(async |socket: WebSocket| {
        let (mut sender, mut receiver) = socket.split();
        while let Some(Ok(message)) = receiver.next().await {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut socket = client.websocket("/ws").connect().await.unwrap();
    for round in 0..1000 {
        let text = round.to_string();
        socket.send(text.clone()).await.unwrap();
        assert_eq!(&*socket.text().await.unwrap(), text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sockets_on_several_threads_lose_nothing() {
    let client = socket_of(echo);
    let conversations = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut socket = client.websocket("/ws").connect().await.unwrap();
            for size in [1, 1000, 100_000, 10] {
                let bytes = Bytes::from(vec![1; size]);
                socket.send_now(bytes.clone()).unwrap();
                assert_eq!(socket.message().await, Some(GatewayMessage::Binary(bytes)));
            }
            socket.close(CloseCode::NORMAL, "").await;
            assert!(socket.outcome().await.is_done());
        })
    });
    for conversation in conversations.collect::<Vec<_>>() {
        conversation.await.unwrap();
    }
}

#[tokio::test]
async fn middleware_that_keeps_the_exchange_is_named() {
    use gateway_spec::{
        Abort, Application as _, Connection, GoneSignal, Handshake, Http, SendError, Signal,
        WebSocket, WebSocketReceive, WebSocketSend, WebSocketTransport,
    };
    use std::sync::Arc;
    use std::task::{Context, Poll};

    struct Keeps;
    impl WebSocketTransport for Keeps {
        fn poll_receive(&self, _: &mut Context<'_>) -> Poll<WebSocketReceive> {
            Poll::Pending
        }
        fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
            Poll::Ready(Ok(()))
        }
        fn send(&self, _: WebSocketSend) -> Result<(), SendError> {
            Ok(())
        }
        fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
            Poll::Ready(Ok(()))
        }
        fn gone(&self) -> GoneSignal {
            Signal::new().wait()
        }
        fn take_http(&self) -> Option<Http> {
            None
        }
        fn abort(&self, _: Abort) {}
    }
    let (connection, _events) = crate::support::get();
    let Connection::Http(http) = connection else {
        unreachable!("it is a request")
    };
    let socket = WebSocket::new(
        http.scope.clone(),
        Vec::new(),
        Handshake::new(Arc::new(Keeps)),
    );
    let app = from_service(Router::<()>::new());
    let failed = app.call(Connection::WebSocket(socket)).await;
    let text = failed.unwrap_err().to_string();
    assert_eq!(text, "middleware keeps the exchange of a WebSocket");
}
