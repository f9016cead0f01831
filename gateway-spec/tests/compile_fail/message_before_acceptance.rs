//! WS-11: a message on a socket that was not accepted.

use gateway_spec::{AppError, CloseCode, Done, WebSocket};

async fn app(mut socket: WebSocket) -> Result<Done, AppError> {
    socket.handshake.send("hello").await?;
    socket.close(CloseCode::NORMAL, "").await
}

fn main() {
    let _ = app;
}
