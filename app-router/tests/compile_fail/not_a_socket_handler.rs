//! A WebSocket's handler takes the socket first.

use app_router::{Path, Router};
use gateway_spec::{AppError, Done, WebSocket};

async fn echo(Path(_): Path<u32>, socket: WebSocket) -> Result<Done, AppError> {
    socket.handshake.deny("no").await
}

fn main() {
    let _ = Router::new().websocket("/echo/{times}", echo);
}
