//! Futures and handles that are thrown away.
#![deny(unused_must_use)]

use gateway_spec::{Accept, AppError, Http, Lifespan, State, WebSocket, Writer};

async fn app(http: Http, socket: WebSocket, mut writer: Writer) -> Result<(), AppError> {
    http.responder.respond("never sent");
    writer.write("never sent");
    writer.finish().await?;
    socket.handshake.accept(Accept::new()).await?;
    Ok(())
}

fn life(lifespan: Lifespan) {
    lifespan.started(State::new());
}

fn main() {
    let _ = (app, life);
}
