//! WebSockets.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Accept, AppError, Cause, CloseCode, Done, Incoming, Message, Response, WebSocket,
};
use http::{HeaderName, HeaderValue, StatusCode};
use test_client::{NotConnected, Peer, Received};
use websocket::{Limits, Settings, deflate};

use crate::apps;

async fn echo(socket: WebSocket) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

/// Says how the socket ended.
async fn ending(socket: WebSocket) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    loop {
        if let Incoming::Closed(end) = socket.receive().await {
            return Err(AppError::message(format!("{} {:?}", end.code, end.cause)));
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let client = apps::websocket(echo);
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send("text").await.unwrap();
    socket.send(vec![0, 255]).await.unwrap();
    socket.send("x".repeat(100_000)).await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "text");
    assert_eq!(
        socket.message().await,
        Some(Message::Binary(Bytes::from_static(&[0, 255])))
    );
    assert_eq!(socket.text().await.unwrap().len(), 100_000);
    let closed = socket.close(CloseCode::new(4000), "done").await;
    assert_eq!((closed.code, &*closed.reason), (4000, "done"));
    assert!(socket.outcome().await.is_done());
    assert_eq!(socket.send("late").await.unwrap_err(), closed);
    assert_eq!(socket.message().await, None);
    assert_eq!(socket.close(CloseCode::NORMAL, "").await, closed);
}

#[tokio::test]
async fn the_handshake_offers_and_the_application_chooses() {
    let client = apps::websocket(async |socket: WebSocket| {
        assert_eq!(socket.subprotocols, ["b", "a"]);
        assert_eq!(socket.scope.headers.get_str("origin"), Some("https://x"));
        let accept = Accept::new().subprotocol("a").header(
            HeaderName::from_static("x-own"),
            HeaderValue::from_static("1"),
        );
        let socket = socket.handshake.accept(accept).await?;
        socket.close(CloseCode::GOING_AWAY, "enough").await
    });
    let handshake = client.websocket("/").subprotocols(["b", "a"]);
    let connected = handshake.header("origin", "https://x").connect().await;
    let mut socket = connected.unwrap();
    assert_eq!(socket.subprotocol(), Some("a"));
    assert_eq!(socket.accepted().headers.get_str("x-own"), Some("1"));
    let closed = socket.closed().await;
    assert_eq!((closed.code, &*closed.reason), (1001, "enough"));
    assert!(socket.outcome().await.is_done());
}

#[tokio::test]
async fn a_socket_may_be_denied_refused_or_never_answered() {
    let denies = apps::websocket(async |socket: WebSocket| {
        let response = Response::text("no").with_status(StatusCode::FORBIDDEN);
        socket.handshake.deny(response).await
    });
    let denied = denies.websocket("/").connect().await.unwrap_err();
    let reply = denied.reply().unwrap();
    assert_eq!((reply.status.as_u16(), reply.text()), (403, "no"));

    let plain = apps::http(async |http: gateway_spec::Http| http.responder.respond("x").await);
    let denied = plain.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 404);

    let old = denies
        .websocket("/")
        .header("sec-websocket-version", "12")
        .connect();
    let refused = old.await.unwrap_err();
    assert_eq!(refused.reply().unwrap().status, 426, "by the server (WS-1)");

    let panics = apps::websocket(async |_: WebSocket| panic!("a bug"));
    let denied = panics.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 500);

    let by_hand = apps::websocket(async |socket: WebSocket| {
        let http = socket.handshake.into_http().unwrap();
        let head = StatusCode::SWITCHING_PROTOCOLS;
        http.responder
            .upgrade(head, http.body)
            .await?
            .finish()
            .await
    });
    let bad = by_hand.websocket("/").connect().await.unwrap_err();
    assert!(matches!(bad, NotConnected::BadAnswer(_)), "{bad}");
}

#[tokio::test]
async fn pings_are_seen_and_answered_by_both_sides() {
    let client = apps::websocket(async |socket: WebSocket| {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket.ping("from the app").await?;
        let mut seen = Vec::new();
        while seen.len() < 2 {
            match socket.receive().await {
                Incoming::Ping(bytes) => seen.push(format!("ping {bytes:?}")),
                Incoming::Pong(bytes) => seen.push(format!("pong {bytes:?}")),
                other => panic!("{other:?}"),
            }
        }
        socket.send(seen.join(", ")).await?;
        socket.close(CloseCode::NORMAL, "").await
    });
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.ping("from the client").await.unwrap();
    assert_eq!(
        socket.receive().await,
        Received::Ping("from the app".into())
    );
    assert_eq!(
        socket.receive().await,
        Received::Pong("from the client".into())
    );
    let seen = socket.text().await.unwrap();
    assert_eq!(seen, r#"ping b"from the client", pong b"from the app""#);
}

#[tokio::test]
async fn however_a_client_goes_the_application_has_one_end_with_its_cause() {
    let client = apps::websocket(ending);
    let connect = || async { client.websocket("/").connect().await.unwrap() };

    let mut socket = connect().await;
    let _ = socket.close(CloseCode::new(3000), "").await;
    assert_eq!(socket.outcome().await.to_string(), "failed: 3000 Remote");

    let outcome = connect().await.reset().outcome().await;
    assert_eq!(
        outcome.to_string(),
        format!("failed: 1006 {:?}", Cause::Lost)
    );

    let mut socket = connect().await;
    socket.half_close();
    assert_eq!(socket.outcome().await.to_string(), "failed: 1006 Lost");

    let mut socket = connect().await;
    socket.send_raw(&b"\x81\x02hi"[..]).await.unwrap();
    assert_eq!(socket.closed().await.code, 1002, "a frame without a mask");
    assert_eq!(socket.outcome().await.to_string(), "failed: 1006 Protocol");

    let peer = Peer::new().reset_after_sending(3);
    let mut socket = client.websocket("/").peer(peer).connect().await.unwrap();
    let _ = socket.send("longer than three bytes").await;
    assert_eq!(socket.outcome().await.to_string(), "failed: 1006 Lost");
}

#[tokio::test]
async fn what_the_application_forgets_is_closed_for_it() {
    let drops = apps::websocket(async |socket: WebSocket| {
        let socket = socket.handshake.accept(Accept::new()).await?;
        drop(socket);
        Err(AppError::message("gave up"))
    });
    let mut socket = drops.websocket("/").connect().await.unwrap();
    assert_eq!(socket.closed().await.code, 1011, "WS-14");

    let aborts = apps::websocket(async |socket: WebSocket| {
        Ok(socket.handshake.accept(Accept::new()).await?.abort())
    });
    let mut socket = aborts.websocket("/").connect().await.unwrap();
    assert!(socket.closed().await.is_cut_off());
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_application_wait() {
    let client = apps::websocket(async |socket: WebSocket| {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        loop {
            socket.send("x".repeat(1000)).await?;
        }
    });
    let peer = Peer::new().window(10_000);
    let mut socket = client.websocket("/").peer(peer).connect().await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let unread = socket.unread();
    assert!((10_000..=11_004).contains(&unread), "{unread}");
    assert_eq!(socket.text().await.unwrap().len(), 1000);
    assert!(socket.outcome_now().is_none());
}

#[tokio::test]
async fn compression_and_limits_are_those_of_a_server() {
    let client = apps::websocket(echo);
    let handshake = client.websocket("/").deflate(deflate::Settings::default());
    let mut socket = handshake.connect().await.unwrap();
    assert!(socket.deflate().is_some());
    socket.send("x".repeat(5000)).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!((1..100).contains(&socket.unread()), "{}", socket.unread());
    assert_eq!(socket.text().await.unwrap().len(), 5000);

    let small = Settings::default().with_limits(Limits::default().with_message_bytes(10));
    let client = client.with_websocket(small);
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert!(socket.deflate().is_none(), "not offered");
    socket.send("eleven bytes").await.unwrap();
    assert_eq!(socket.closed().await.code, 1009);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_that_is_not_answered_is_waited_for_a_while() {
    let client = apps::websocket(async |socket: WebSocket| {
        let socket = socket.handshake.accept(Accept::new()).await?;
        socket.close(CloseCode::NORMAL, "").await
    });
    let socket = client.websocket("/").connect().await.unwrap();
    let start = tokio::time::Instant::now();
    assert!(socket.outcome().await.is_done());
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn a_message_in_pieces_is_one() {
    let client = apps::websocket(echo);
    let mut socket = client.websocket("/").connect().await.unwrap();
    let mut frames = BytesMut::new();
    for (head, text) in [(0x01, "one"), (0x00, "two"), (0x80, "end")] {
        // With a mask of zeros.
        frames.extend_from_slice(&[head, 0x83, 0, 0, 0, 0]);
        frames.extend_from_slice(text.as_bytes());
    }
    for byte in frames {
        socket.send_raw(vec![byte]).await.unwrap();
    }
    assert_eq!(socket.text().await.unwrap(), "onetwoend");
}
