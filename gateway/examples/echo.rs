//! Sends back what it gets, by HTTP and by WebSocket, while it comes: `curl -T file http://127.0.0.1:8000/`.
#![forbid(unsafe_code)]

use gateway::types::StatusCode;
use gateway::{
    Accept, AppError, CloseCode, Connection, Done, Http, ResponseHead, WebSocket, application_fn,
};

async fn echo(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => echo_body(http).await,
        Connection::WebSocket(socket) => echo_messages(socket).await,
        other => other.refuse().await,
    }
}

async fn echo_body(http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let mut writer = responder.start(ResponseHead::new(StatusCode::OK)).await?;
    while let Some(chunk) = body.chunk().await? {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

async fn echo_messages(socket: WebSocket) -> Result<Done, AppError> {
    let mut socket = socket.handshake.accept(Accept::new()).await?;
    while let Some(message) = socket.message().await {
        socket.send(message).await?;
    }
    socket.close(CloseCode::NORMAL, "").await
}

fn main() -> std::process::ExitCode {
    gateway::run(application_fn(echo))
}
