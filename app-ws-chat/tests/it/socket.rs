//! Who may open a socket.

use http::StatusCode;

use crate::support::House;

const HOST: (&str, &str) = ("host", "chat.example");

#[tokio::test]
async fn a_socket_is_accepted_with_its_subprotocol() {
    let house = House::new();
    for fields in [
        &[][..],
        &[HOST],
        &[HOST, ("origin", "https://chat.example")],
    ] {
        let mut client = house.shake_hands(house.scope("/ws", fields), &["other", "chat.v1"]);
        assert_eq!(
            client.accepted().await.subprotocol.as_deref(),
            Some("chat.v1")
        );
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
        let mut client = house.shake_hands(house.scope(path, &fields), &[subprotocol]);
        let response = client.denied().await;
        assert_eq!(
            response.head.status, status,
            "{path} {fields:?} {subprotocol}"
        );
        assert!(!response.body.is_empty());
    }
    let mut client = house.shake_hands(house.scope("/ws", &[]), &[]);
    assert_eq!(client.denied().await.head.status, StatusCode::BAD_REQUEST);
}
