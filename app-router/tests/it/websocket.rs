//! Routes of WebSockets.

use app_router::{Params, Router};
use gateway_spec::{Accept, AppError, CloseCode, Done, WebSocket};
use http::StatusCode;

use crate::support::client;

async fn echo(socket: WebSocket, params: Params) -> Result<Done, AppError> {
    let room: String = params.get("room")?;
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket
            .send(format!("{room}: {}", message.as_text().unwrap_or_default()))
            .await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

#[tokio::test]
async fn sockets_find_their_route_and_others_are_denied() {
    let inner = Router::new().websocket("/in/{room}", echo).build().unwrap();
    let app = client(
        Router::new()
            .websocket("/ws/{room}", echo)
            .get("/page", async || "page")
            .mount("/m", inner),
    );

    for (path, pattern, expected) in [
        ("/ws/caf%C3%A9", "/ws/{room}", ["café: a", "café: b"]),
        ("/m/in/1", "/m/in/{room}", ["1: a", "1: b"]),
    ] {
        let mut socket = app.websocket(path).connect().await.unwrap();
        for (message, expected) in ["a", "b"].into_iter().zip(expected) {
            socket.send(message).await.unwrap();
            assert_eq!(socket.text().await.unwrap(), expected);
        }
        assert_eq!(socket.label(), Some(pattern));
        socket.close(CloseCode::NORMAL, "").await;
        assert!(socket.outcome().await.is_done());
    }

    for (path, status) in [
        ("/page", StatusCode::NOT_FOUND),
        ("/none", StatusCode::NOT_FOUND),
        ("/ws/%FF", StatusCode::BAD_REQUEST),
        ("/m/none", StatusCode::NOT_FOUND),
    ] {
        let denied = app.websocket(path).connect().await.unwrap_err();
        assert_eq!(denied.reply().unwrap().status, status, "{path}");
    }
}
