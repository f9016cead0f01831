//! The routes of WebSockets.

use std::time::Duration;

use gateway_spec::types::{HeaderName, HeaderValue, StatusCode};
use gateway_spec::{
    Accept, AppError, CloseCode, Connection, Done, Incoming, Response, Scope, Socket, WebSocket,
};
use tokio::time::timeout;

use super::describe::describe;
use super::http::state;
use super::{PREFIX, Routes, false_done};

/// A sender that could not send for so long counts as stalled.
const STALLED: Duration = Duration::from_millis(500);

/// The size of the messages that `/ws/flood` sends, in bytes.
const MESSAGE: usize = 16 * 1024;

/// What `/ws/flood` gives up at, in bytes: far over every bound, so that a server without one does not run out of memory.
const RUNAWAY: usize = 64 * 1024 * 1024;

impl Routes {
    pub(super) async fn websocket(&self, websocket: WebSocket) -> Result<Done, AppError> {
        let WebSocket {
            scope,
            subprotocols,
            handshake,
        } = websocket;
        let path = scope.path().to_owned();
        self.reports.say("calls", format_args!("WEBSOCKET {path}"));
        // On any other path: what public testers expect, an echo.
        let how = path
            .strip_prefix(PREFIX)
            .and_then(|route| route.strip_prefix("ws/"))
            .unwrap_or("echo");
        if how == "refuse" {
            let websocket = WebSocket::new(scope, subprotocols, handshake);
            return Connection::WebSocket(websocket).refuse().await;
        }
        match how {
            "deny" => {
                let name = HeaderName::from_static("x-reason");
                let denial = Response::text("not you")
                    .with_status(StatusCode::FORBIDDEN)
                    .with_header(name, HeaderValue::from_static("denied"));
                return handshake.deny(denial).await;
            }
            "http" => {
                let Some(http) = handshake.into_http() else {
                    return Err(AppError::message("the exchange was not given back"));
                };
                return http.responder.respond("plain").await;
            }
            "forgotten" => {
                drop(handshake);
                return Ok(false_done(&scope));
            }
            "late" => {
                self.reports.say("late", "waiting");
                self.reports.pass("late").await;
            }
            _ => {}
        }
        let mut accept = Accept::new();
        match how {
            "subprotocol" => {
                self.reports.say("subprotocols", subprotocols.join(" "));
                if let Some(offered) = subprotocols.last() {
                    accept = accept.subprotocol(offered.clone());
                }
            }
            "not-offered" => accept = accept.subprotocol("not-offered"),
            "owned-field" => {
                let name = HeaderName::from_static("sec-websocket-accept");
                accept = accept.header(name, HeaderValue::from_static("forged"));
            }
            "field" => {
                let name = HeaderName::from_static("x-accepted");
                accept = accept.header(name, HeaderValue::from_static("yes"));
            }
            _ => {}
        }
        let socket = match handshake.accept(accept).await {
            Ok(socket) => socket,
            Err(error) => {
                self.reports.say("accept", format_args!("{error:?}"));
                return Err(error.into());
            }
        };
        self.open(how, socket, &scope).await
    }

    async fn open(&self, how: &str, mut socket: Socket, scope: &Scope) -> Result<Done, AppError> {
        match how {
            "report" => self.report(socket).await,
            "scope" => {
                socket.send(describe(scope)).await?;
                socket.send(state(scope)).await?;
                socket.close(CloseCode::NORMAL, "").await
            }
            "unheard" => self.unheard(socket).await,
            "close" => socket.close(CloseCode::new(4001), "as asked").await,
            "last-words" => {
                for n in 0..3 {
                    socket.send(format!("word {n}")).await?;
                }
                socket.close(CloseCode::NORMAL, "").await
            }
            "drop" => {
                socket.send("before the drop").await?;
                drop(socket);
                Ok(false_done(scope))
            }
            "abort" => Ok(socket.abort()),
            "error" => Err(AppError::message("the peer's socket fails on purpose")),
            "panic" => panic!("the peer's socket panics on purpose"),
            "ping" => {
                socket.ping("from the server").await?;
                let pong = socket.receive().await;
                self.reports.say("ping", show(&pong));
                let too_long = socket.ping(vec![0; 126]).await;
                self.reports.say("ping", format_args!("{too_long:?}"));
                socket.close(CloseCode::NORMAL, "").await
            }
            "flood" => self.flood(socket).await,
            "deaf" => {
                self.reports.say("deaf", "waiting");
                self.reports.pass("deaf").await;
                let mut bytes = 0;
                while let Some(message) = socket.message().await {
                    bytes += message.as_bytes().len();
                }
                self.reports.say("deaf", bytes);
                socket.close(CloseCode::NORMAL, "").await
            }
            "goodbye" => goodbye(socket, scope).await,
            "hold" => self.hold(socket, scope).await,
            "event" => {
                tracing::info!("an event of the peer's socket");
                socket.close(CloseCode::NORMAL, "").await
            }
            "stay" => {
                socket.send("ready").await?;
                let mut last = socket.receive().await;
                while !matches!(last, Incoming::Closed(_)) {
                    last = socket.receive().await;
                }
                // By the log: no second connection can ask while the server drains.
                eprintln!("peer: {}", show(&last));
                socket.close(CloseCode::NORMAL, "").await
            }
            _ => {
                while let Some(message) = socket.message().await {
                    socket.send(message).await?;
                }
                socket.close(CloseCode::NORMAL, "").await
            }
        }
    }

    /// Reports all that comes; the end twice, to show that it stays the same.
    async fn report(&self, mut socket: Socket) -> Result<Done, AppError> {
        loop {
            let incoming = socket.receive().await;
            self.reports.say("socket", show(&incoming));
            if let Incoming::Closed(_) = incoming {
                self.reports.say("socket", show(&socket.receive().await));
                let late = socket.send("too late").await;
                self.reports
                    .say("socket", format_args!("sending gives {late:?}"));
                return socket.close(CloseCode::NORMAL, "").await;
            }
        }
    }

    /// Reports what is said of messages that nobody hears.
    async fn unheard(&self, mut socket: Socket) -> Result<Done, AppError> {
        socket.send("heard").await?;
        self.reports
            .say("unheard", format_args!("{:?}", socket.flush().await));
        self.reports.pass("unheard").await;
        loop {
            if let Err(error) = socket.send(vec![0; MESSAGE]).await {
                self.reports.say("unheard", format_args!("{error:?}"));
                self.reports
                    .say("unheard", format_args!("{:?}", socket.flush().await));
                return socket.close(CloseCode::NORMAL, "").await;
            }
        }
    }

    /// Holds its thread at each message, until the gate is opened.
    async fn hold(&self, mut socket: Socket, scope: &Scope) -> Result<Done, AppError> {
        scope.label.set("the-socket");
        while socket.message().await.is_some() {
            self.reports.pass_blocking("hold");
            socket.send("held").await?;
        }
        socket.close(CloseCode::NORMAL, "").await
    }

    /// Sends until the client is too slow, and reports how many bytes that were.
    async fn flood(&self, mut socket: Socket) -> Result<Done, AppError> {
        let mut sent = 0;
        while let Ok(done) = timeout(STALLED, socket.send(vec![b'x'; MESSAGE])).await {
            done?;
            sent += MESSAGE;
            if sent > RUNAWAY {
                break;
            }
        }
        self.reports.say("flood", sent);
        socket.send("the end").await?;
        socket.close(CloseCode::NORMAL, "").await
    }
}

/// Echoes until the server drains, then says so and closes.
async fn goodbye(mut socket: Socket, scope: &Scope) -> Result<Done, AppError> {
    let mut drain = scope.drain();
    socket.send("ready").await?;
    loop {
        tokio::select! {
            biased;
            message = socket.message() => match message {
                Some(message) => socket.send(message).await?,
                None => return socket.close(CloseCode::NORMAL, "").await,
            },
            _ = &mut drain => {
                for n in 0..3 {
                    socket.send(format!("last {n}")).await?;
                }
                socket.send("goodbye").await?;
                return socket.close(CloseCode::GOING_AWAY, "the server restarts").await;
            }
        }
    }
}

fn show(incoming: &Incoming) -> String {
    match incoming {
        Incoming::Message(message) => match message.as_text() {
            Some(text) => format!("text {text:?}"),
            None => format!("binary {}", message.as_bytes().escape_ascii()),
        },
        Incoming::Ping(payload) => format!("ping {}", payload.escape_ascii()),
        Incoming::Pong(payload) => format!("pong {}", payload.escape_ascii()),
        Incoming::Closed(end) => format!("closed {} {:?} {:?}", end.code, &*end.reason, end.cause),
    }
}
