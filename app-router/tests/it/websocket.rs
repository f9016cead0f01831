//! Routes of WebSockets.

use app_router::{Params, Router};
use gateway_spec::{Accept, AppError, Application, CloseCode, Done, WebSocket};
use http::StatusCode;

use crate::support::{Wire, get};

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
    let app = Router::new()
        .websocket("/ws/{room}", echo)
        .get("/page", async || "page")
        .mount("/m", inner)
        .build()
        .unwrap();

    for (path, pattern, expected) in [
        ("/ws/caf%C3%A9", "/ws/{room}", ["café: a", "café: b"]),
        ("/m/in/1", "/m/in/{room}", ["1: a", "1: b"]),
    ] {
        let request = get(path);
        let label = request.scope.label.clone();
        let (connection, wire) = Wire::open(request, &["a", "b"]);
        drop(app.call(connection).await.unwrap());
        assert_eq!(wire.texts(), expected);
        assert_eq!(label.get(), Some(pattern));
    }

    for (path, status) in [
        ("/page", StatusCode::NOT_FOUND),
        ("/none", StatusCode::NOT_FOUND),
        ("/ws/%FF", StatusCode::BAD_REQUEST),
        ("/m/none", StatusCode::NOT_FOUND),
    ] {
        let (connection, wire) = Wire::open(get(path), &[]);
        drop(app.call(connection).await.unwrap());
        assert_eq!(wire.denied(), Some(status), "{path}");
    }
}
