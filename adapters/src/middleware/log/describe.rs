//! What events look like in a line: sizes, and contents only as far as is wanted.

use std::fmt;

use bytes::Bytes;
use gateway_spec::{
    AppError, BodyLength, Connection, Done, Headers, HttpReceive, HttpScope, HttpSend, Message,
    SendError, WebSocketReceive, WebSocketSend,
};

/// How many bytes of contents are shown.
#[derive(Clone, Copy)]
pub(super) struct Shown(pub(super) usize);

impl Shown {
    pub(super) fn called(self, connection: &Connection) -> String {
        match connection {
            Connection::Http(http) => self.request(&http.scope),
            Connection::WebSocket(socket) => format!(
                "WebSocket {}, {}",
                self.request(&socket.scope),
                counted(socket.subprotocols.len(), "subprotocol")
            ),
            Connection::Lifespan(lifespan) => {
                format!("lifespan on {}", lifespan.scope.capabilities.server())
            }
            _ => String::from("a connection of a newer kind"),
        }
    }

    fn request(self, scope: &HttpScope) -> String {
        let path = scope.uri.path().escape_debug();
        let query = match scope.query() {
            None => String::new(),
            Some(query) if self.0 == 0 => format!("?({})", counted(query.len(), "byte")),
            Some(query) => format!("?{}", query.escape_debug()),
        };
        let body = match scope.body {
            BodyLength::Empty => String::from("no body"),
            BodyLength::Known(length) => format!("a body of {}", counted(length, "byte")),
            BodyLength::Unknown => String::from("a body"),
        };
        let (method, version) = (&scope.method, scope.version);
        format!(
            "{method} {path}{query} {version:?}, {}, {body}",
            counted(scope.headers.len(), "field")
        )
    }

    pub(super) fn received(self, event: &HttpReceive) -> String {
        match event {
            HttpReceive::Body { bytes, more } => self.part("body", bytes, *more),
            HttpReceive::Trailers(trailers) => {
                format!("trailers, {}", counted(trailers.len(), "field"))
            }
            HttpReceive::Failed(error) => format!("failed: {error}"),
            HttpReceive::Disconnect(gone) => format!("disconnect: {gone}"),
            _ => String::from("an event of a newer kind"),
        }
    }

    pub(super) fn sending(self, event: &HttpSend) -> String {
        match event {
            HttpSend::Informational(head) => head_of("informational", head.status, &head.headers),
            HttpSend::Start {
                head, body, more, ..
            } => {
                let head = head_of("start", head.status, &head.headers);
                self.part(&head, body, *more)
            }
            HttpSend::Body { bytes, more } => self.part("body", bytes, *more),
            HttpSend::File(region) => format!("file, {}, more", counted(region.length, "byte")),
            HttpSend::Trailers(trailers) => {
                format!("trailers, {}, the end", counted(trailers.len(), "field"))
            }
            HttpSend::Upgrade { head } => head_of("upgrade", head.status, &head.headers),
            _ => String::from("an event of a newer kind"),
        }
    }

    pub(super) fn socket_received(self, event: &WebSocketReceive) -> String {
        match event {
            WebSocketReceive::Message(message) => self.message(message),
            WebSocketReceive::Ping(payload) => self.bytes("ping", payload),
            WebSocketReceive::Pong(payload) => self.bytes("pong", payload),
            WebSocketReceive::Disconnect(end) => format!("disconnect: {end}"),
            _ => String::from("an event of a newer kind"),
        }
    }

    pub(super) fn socket_sending(self, event: &WebSocketSend) -> String {
        match event {
            WebSocketSend::Accept(accept) => {
                let protocol = accept.subprotocol.as_deref();
                let fields = counted(accept.headers.len(), "field");
                match protocol {
                    Some(protocol) => format!("accept, {}, {fields}", protocol.escape_debug()),
                    None => format!("accept, {fields}"),
                }
            }
            WebSocketSend::Deny(response) => {
                let head = head_of("deny", response.head.status, &response.head.headers);
                self.part(&head, &response.body, false)
            }
            WebSocketSend::Message(message) => self.message(message),
            WebSocketSend::Ping(payload) => self.bytes("ping", payload),
            WebSocketSend::Pong(payload) => self.bytes("pong", payload),
            WebSocketSend::Close(frame) => {
                let what = format!("close {}", frame.code);
                self.bytes(&what, frame.reason.as_bytes())
            }
            _ => String::from("an event of a newer kind"),
        }
    }

    fn message(self, message: &Message) -> String {
        let what = match message {
            Message::Text(_) => "text",
            Message::Binary(_) => "binary",
        };
        self.bytes(what, message.as_bytes())
    }

    fn part(self, what: &str, bytes: &Bytes, more: bool) -> String {
        let end = if more { "more" } else { "the end" };
        format!("{}, {end}", self.bytes(what, bytes))
    }

    fn bytes(self, what: &str, bytes: &[u8]) -> String {
        let size = counted(bytes.len(), "byte");
        match bytes.get(..self.0) {
            _ if self.0 == 0 || bytes.is_empty() => format!("{what}, {size}"),
            Some(start) if start.len() < bytes.len() => {
                format!("{what}, {size} \"{}…\"", start.escape_ascii())
            }
            _ => format!("{what}, {size} \"{}\"", bytes.escape_ascii()),
        }
    }
}

/// How an event was taken.
pub(super) fn sent(what: &str, result: &Result<(), SendError>) -> String {
    match result {
        Ok(()) => what.to_owned(),
        Err(error) => format!("{what}: refused, {error:?}"),
    }
}

/// What a call came to.
pub(super) fn result(result: &Result<Done, AppError>) -> String {
    match result {
        Ok(_) => String::from("done"),
        // An application's own text may have lines.
        Err(error) => format!("failed: {}", error.to_string().escape_debug()),
    }
}

fn head_of(what: &str, status: http::StatusCode, headers: &Headers) -> String {
    let fields = counted(headers.len(), "field");
    format!("{what} {}, {fields}", status.as_str())
}

pub(super) fn counted(count: impl fmt::Display, what: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {what}{plural}")
}
