//! Who may open a socket.

use http::StatusCode;

use test_client::{NotConnected, Reply};

use crate::support::{Fields, House};

const HOST: (&str, &str) = ("host", "chat.example");

#[tokio::test]
async fn a_socket_is_accepted_with_its_subprotocol() {
    let house = House::new();
    for fields in [
        &[][..],
        &[HOST],
        &[HOST, ("origin", "https://chat.example")],
    ] {
        let client = house.shake_hands("/ws", fields, &["other", "chat.v1"]);
        let client = client.await.unwrap();
        assert_eq!(client.socket.subprotocol(), Some("chat.v1"));
        client.leave().await;
    }
}

#[tokio::test]
async fn strangers_are_denied_and_told_why() {
    let house = House::new();
    let own = ("origin", "https://chat.example");
    let other = ("origin", "https://evil.example");
    let null = ("origin", "null");
    let rows = [
        ("/ws", vec![HOST, other], "chat.v1", StatusCode::FORBIDDEN),
        ("/ws", vec![HOST, null], "chat.v1", StatusCode::FORBIDDEN),
        (
            "/ws",
            vec![HOST, own, other],
            "chat.v1",
            StatusCode::FORBIDDEN,
        ),
        ("/ws", vec![own], "chat.v1", StatusCode::FORBIDDEN),
        ("/ws", vec![HOST, own], "chat.v2", StatusCode::BAD_REQUEST),
        ("/", vec![HOST, own], "chat.v1", StatusCode::NOT_FOUND),
    ];
    for (path, fields, subprotocol, status) in rows {
        let reply = denied(&house, path, &fields, &[subprotocol]).await;
        assert_eq!(reply.status, status, "{path} {fields:?} {subprotocol}");
        assert!(!reply.body.is_empty());
    }
    let reply = denied(&house, "/ws", &[], &[]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

async fn denied(
    house: &House,
    path: &str,
    fields: Fields<'_>,
    subprotocols: &[&'static str],
) -> Box<Reply> {
    match house.shake_hands(path, fields, subprotocols).await {
        Err(NotConnected::Denied(reply)) => reply,
        _ => panic!("not denied: {path} {fields:?}"),
    }
}
