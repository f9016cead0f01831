//! A request that may become a WebSocket: its call, and the care that a server takes of sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::{AppError, Application, Connection, Done, DrainSignal, Http};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use websocket::{Keeper, Life, Timer, Upgrade};

use super::Config;
use super::peer::Peer;

/// Calls the application with a WebSocket, if the request is a valid handshake, and looks after it.
pub(super) async fn call<A: Application>(
    app: Arc<A>,
    http: Http,
    config: Arc<Config>,
    peer: Arc<Peer>,
) -> Result<Done, AppError> {
    let drain = http.scope.drain();
    match websocket::upgrade(http, &config.websocket) {
        Upgrade::Http(http) => app.call(Connection::Http(http)).await,
        Upgrade::Refused(http, error) => http.responder.respond(error).await,
        Upgrade::WebSocket(socket, watch) => {
            let call = app.call(Connection::WebSocket(socket));
            let keeper = Keeper::new(watch, config.times, Alarm(None));
            keeper.keep(call, || life(&peer), end_of(drain)).await
        }
    }
}

/// The end of the grace period (WS-18).
async fn end_of(drain: DrainSignal) {
    let deadline = drain.await;
    sleep_until(deadline.into()).await;
}

fn life(peer: &Peer) -> Life {
    let life = peer.client().life();
    Life {
        heard: life.heard,
        is_read: life.is_read,
        has_all: life.has_all,
    }
}

/// A timer of the runtime.
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Timer for Alarm {
    fn set(&mut self, after: Option<Duration>) {
        match (&mut self.0, after) {
            (_, None) => self.0 = None,
            (Some(sleep), Some(after)) => sleep.as_mut().reset(Instant::now() + after),
            (none, Some(after)) => *none = Some(Box::pin(sleep(after))),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
