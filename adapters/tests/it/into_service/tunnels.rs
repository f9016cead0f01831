//! Exchanges that switch protocols inside of hyper: tunnels, and WebSockets over both versions.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use adapters::tower::into_service;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gateway_spec::{
    Accept, AppError, Application, Cause, CloseCode, Connection, Disconnect, Done, Gone, Http,
    Incoming, Message, SendError, Signal, Tunnel, WebSocket, application_fn,
};
use http::{HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message as Frame};

use super::support::{Client, Raw, Speaks, serve, service, soon};
use crate::from_service::support::Count;

const SWITCH: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";

/// Switches to a protocol of its own.
async fn switch(http: Http) -> Result<Tunnel, AppError> {
    let head = gateway_spec::ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
        .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
    Ok(http.responder.upgrade(head, http.body).await?)
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_each_direction_ends_for_itself() {
    let address = serve(service(async |http: Http| {
        let mut tunnel = switch(http).await?;
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.write("the end").await?;
        tunnel.shutdown().await?;
        tunnel.finish().await
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    // What comes with the head is the tunnel's first.
    raw.send(&format!("{SWITCH}early ")).await;
    let head = raw.until("\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    assert!(head.contains("upgrade: echo\r\n"), "{head}");
    assert_eq!(raw.until("early ").await, "early ");
    raw.send("late").await;
    assert_eq!(raw.until("late").await, "late");
    raw.stream.shutdown().await.unwrap();
    assert_eq!(raw.rest().await, "the end");
}

#[tokio::test]
async fn what_was_written_to_a_tunnel_that_is_dropped_arrives() {
    let address = serve(service(async |http: Http| {
        let mut tunnel = switch(http).await?;
        for _ in 0..100 {
            tunnel.write(vec![b'x'; 10_000]).await?;
        }
        // Returned with the tunnel open: it is closed behind all that was accepted.
        let gone = tunnel.gone();
        drop(tunnel);
        assert_eq!(gone.value(), Some(Gone::Finished));
        Err(AppError::message("it is over"))
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    // Unread input would have the kernel reset the connection, and lose what is on its way.
    raw.send(&format!("{SWITCH}unread")).await;
    raw.until("\r\n\r\n").await;
    assert_eq!(raw.rest().await.len(), 1_000_000);
}

#[tokio::test]
async fn an_aborted_tunnel_ends_and_a_client_that_left_is_told_of() {
    let (gones, mut told) = mpsc::unbounded_channel();
    let address = serve(service(move |http: Http| {
        let gones = gones.clone();
        async move {
            if http.scope.path() == "/abort" {
                return Ok(switch(http).await?.abort());
            }
            let mut tunnel = switch(http).await?;
            assert_eq!(tunnel.read().await?, Some("x".into()));
            let end = tunnel.read().await;
            gones.send((end.is_ok_and(|end| end.is_none()), tunnel.gone().await))?;
            tunnel.finish().await
        }
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send(&SWITCH.replace("GET /", "GET /abort")).await;
    raw.until("\r\n\r\n").await;
    assert_eq!(raw.rest().await, "");

    let mut raw = Raw::connect(address).await;
    raw.send(&format!("{SWITCH}x")).await;
    raw.until("\r\n\r\n").await;
    drop(raw);
    assert_eq!(soon(told.recv()).await, Some((true, Gone::HalfClosed)));

    let mut raw = Raw::connect(address).await;
    raw.send(&format!("{SWITCH}x")).await;
    raw.until("\r\n\r\n").await;
    // Nothing is flushed to anybody then: the connection is reset.
    raw.stream.set_zero_linger().unwrap();
    drop(raw);
    assert_eq!(soon(told.recv()).await, Some((false, Gone::PeerReset)));
}

#[tokio::test]
async fn a_tunnel_holds_up_who_writes_and_who_sends() {
    let (wrote, go) = (
        Count::default(),
        std::sync::Arc::new(tokio::sync::Notify::new()),
    );
    let (count, may_go) = (wrote.clone(), std::sync::Arc::clone(&go));
    let address = serve(service(move |http: Http| {
        let (count, may_go) = (count.clone(), std::sync::Arc::clone(&may_go));
        async move {
            let mut tunnel = switch(http).await?;
            may_go.notified().await;
            let mut received = 0;
            while received < 30_000_000 {
                received += tunnel.read().await?.map_or(0, |bytes| bytes.len());
            }
            loop {
                tunnel.write(vec![b'x'; 64 * 1024]).await?;
                count.add();
            }
        }
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send(SWITCH).await;
    raw.until("\r\n\r\n").await;
    // More than any kernel keeps.
    let sent = tokio::spawn(async move {
        raw.stream.write_all(&vec![b'x'; 30_000_000]).await.unwrap();
        raw
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!sent.is_finished());
    go.notify_one();
    let raw = soon(sent).await.unwrap();
    soon(wrote.reach(1)).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = wrote.get();
    assert!(before < 30_000_000 / (64 * 1024), "{before}");
    drop(raw);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let (gones, mut told) = mpsc::unbounded_channel();
    let service = service(move |http: Http| {
        let gones = gones.clone();
        async move {
            let mut tunnel = switch(http).await?;
            loop {
                if let Err(error) = tunnel.write(vec![b'x'; 64 * 1024]).await {
                    gones.send(error)?;
                    return Ok(tunnel.abort());
                }
            }
        }
    });
    let address = serve(service.with_tunnel_write_timeout(Duration::from_millis(20))).await;
    let mut raw = Raw::connect(address).await;
    raw.send(SWITCH).await;
    let gone = SendError::Gone(Gone::WriteTimeout);
    assert_eq!(soon(told.recv()).await, Some(gone));
}

#[tokio::test]
async fn each_kind_of_request_has_its_status_for_a_switch() {
    let address = serve(service(async |http: Http| {
        let status = match http.scope.method {
            Method::CONNECT => StatusCode::SWITCHING_PROTOCOLS,
            _ => StatusCode::OK,
        };
        let head = gateway_spec::ResponseHead::new(status)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        tunnel.write("through").await?;
        tunnel.finish().await
    }))
    .await;
    let mut raw = Raw::connect(address).await;
    raw.send(SWITCH).await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.rest().await, "through");
    let mut raw = Raw::connect(address).await;
    raw.send("CONNECT b.example:80 HTTP/1.1\r\nhost: b.example:80\r\n\r\n")
        .await;
    let head = raw.until("\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && !head.contains("upgrade"),
        "{head}"
    );
    assert_eq!(raw.rest().await, "through");
}

/// An application of WebSockets alone.
fn socket_app<F, Fut>(function: F) -> impl Application
where
    F: Fn(WebSocket) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection| {
        let function = function.clone();
        async move {
            match connection {
                Connection::WebSocket(socket) => function(socket).await,
                other => other.refuse().await,
            }
        }
    })
}

/// Echoes messages, and says how the socket ended.
fn echo(ends: mpsc::UnboundedSender<Disconnect>) -> impl Application {
    socket_app(move |websocket: WebSocket| {
        let ends = ends.clone();
        async move {
            let mut socket = websocket.handshake.accept(Accept::new()).await?;
            loop {
                match socket.receive().await {
                    Incoming::Message(Message::Text(text)) if &*text == "close" => {
                        return socket.close(CloseCode::NORMAL, "as you wish").await;
                    }
                    Incoming::Message(message) => socket.send(message).await?,
                    Incoming::Closed(end) => {
                        ends.send(end)?;
                        return Err(AppError::message("it is closed"));
                    }
                    _ => {}
                }
            }
        }
    })
}

/// A client's WebSocket over HTTP/1.1.
async fn connect(address: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let connected = tokio_tungstenite::client_async("ws://a.example/", stream);
    soon(connected).await.unwrap().0
}

/// A client's WebSocket over HTTP/2 (RFC 8441), and what its connection lives by.
async fn connect_http2(
    address: SocketAddr,
) -> (
    WebSocketStream<impl AsyncRead + AsyncWrite + Unpin>,
    Client<Empty<Bytes>>,
) {
    let mut client = Client::connect(address, Speaks::Http2).await;
    // An extended CONNECT may be sent once the server has said that it takes them.
    let options = Request::builder().method(Method::OPTIONS).uri("/");
    soon(client.send(options.body(Empty::new()).unwrap()))
        .await
        .unwrap();
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("/")
        .version(Version::HTTP_2)
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13");
    let response = soon(client.send(request.body(Empty::new()).unwrap()))
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let upgraded = soon(hyper::upgrade::on(response)).await.unwrap();
    let io = TokioIo::new(upgraded);
    (
        WebSocketStream::from_raw_socket(io, Role::Client, None).await,
        client,
    )
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Option<tungstenite::protocol::CloseFrame> {
    for length in [0, 1, 1_000, 200_000] {
        let message = Frame::binary(vec![b'x'; length]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), message);
    }
    socket.send(Frame::text("close")).await.unwrap();
    match soon(socket.next()).await.unwrap().unwrap() {
        Frame::Close(frame) => frame,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn websockets_work_over_both_versions() {
    let (ends, _told) = mpsc::unbounded_channel();
    let address = serve(into_service(echo(ends))).await;
    let mut socket = connect(address).await;
    let frame = converse(&mut socket).await.unwrap();
    assert_eq!(
        (u16::from(frame.code), frame.reason.as_str()),
        (1000, "as you wish")
    );
    let (mut socket, _client) = connect_http2(address).await;
    let frame = converse(&mut socket).await.unwrap();
    assert_eq!(u16::from(frame.code), 1000);
}

#[tokio::test]
async fn how_a_client_closes_is_told() {
    let (ends, mut told) = mpsc::unbounded_channel();
    let address = serve(into_service(echo(ends))).await;
    let mut socket = connect(address).await;
    socket.close(None).await.unwrap();
    let end = soon(told.recv()).await.unwrap();
    assert_eq!((end.code, end.cause), (1005, Cause::Remote));
    // It vanishes.
    drop(connect(address).await);
    let end = soon(told.recv()).await.unwrap();
    assert_eq!((end.code, end.cause), (1006, Cause::Lost));
    let (socket, client) = connect_http2(address).await;
    drop((socket, client));
    let end = soon(told.recv()).await.unwrap();
    assert_eq!((end.code, end.cause), (1006, Cause::Lost));
}

#[tokio::test]
async fn a_socket_that_is_refused_is_an_ordinary_answer_and_a_bad_handshake_is_400() {
    let address = serve(service(async |http: Http| {
        http.responder.respond("http").await
    }))
    .await;
    let stream = TcpStream::connect(address).await.unwrap();
    let refused = soon(tokio_tungstenite::client_async("ws://a.example/", stream)).await;
    match refused {
        Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("{other:?}"),
    }
    let mut raw = Raw::connect(address).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n").await;
    assert!(raw.until("\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_given_up() {
    let (ends, mut told) = mpsc::unbounded_channel();
    let short = Some(Duration::from_millis(20));
    let times = websocket::Times::default()
        .with_ping_interval(short)
        .with_ping_timeout(short);
    let service = into_service(echo(ends)).with_websocket(websocket::Settings::default(), times);
    let address = serve(service).await;
    let mut raw = Raw::connect(address).await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").await;
    raw.until("\r\n\r\n").await;
    let end = soon(told.recv()).await.unwrap();
    assert_eq!(end.cause, Cause::Timeout);
    let mut rest = Vec::new();
    soon(tokio::io::AsyncReadExt::read_to_end(
        &mut raw.stream,
        &mut rest,
    ))
    .await
    .unwrap();
    assert_eq!(rest[..2], [0x89, 0], "a ping");
    assert_eq!(rest[2], 0x88, "a close frame");
}

#[tokio::test]
async fn sockets_are_closed_at_the_end_of_the_drain() {
    let (ends, mut told) = mpsc::unbounded_channel();
    let drain = Signal::new();
    let address = serve(into_service(echo(ends)).with_drain(drain.clone())).await;
    let mut socket = connect(address).await;
    socket.send(Frame::text("a")).await.unwrap();
    assert_eq!(
        soon(socket.next()).await.unwrap().unwrap(),
        Frame::text("a")
    );
    drain.raise(Instant::now());
    match soon(socket.next()).await.unwrap().unwrap() {
        Frame::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon(told.recv()).await.unwrap().cause, Cause::Shutdown);
}

#[tokio::test]
async fn a_socket_that_its_application_drops_is_closed_with_1011() {
    let app = socket_app(async |websocket: WebSocket| {
        let _socket = websocket.handshake.accept(Accept::new()).await?;
        Err(AppError::message("it broke"))
    });
    let address = serve(into_service(app)).await;
    let mut socket = connect(address).await;
    match soon(socket.next()).await.unwrap().unwrap() {
        Frame::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1011),
        other => panic!("{other:?}"),
    }
}
