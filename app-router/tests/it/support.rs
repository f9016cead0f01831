//! A client in the process, and the server's side of sockets and lifespans.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use gateway_spec::{
    Abort, AppError, Application, BodyLength, Capabilities, Cause, Connection, ConnectionInfo,
    Disconnect, Done, DrainSignal, Events, Gone, GoneSignal, Handshake, Headers, Http, HttpReceive,
    HttpScope, HttpSend, Lifespan, LifespanScope, LifespanTransport, Message, Response, Scope,
    SendError, Signal, State, WebSocket, WebSocketReceive, WebSocketSend, WebSocketTransport,
};
use http::{Method, StatusCode};

/// A request to send to an application.
pub(crate) struct Ask {
    pub(crate) scope: HttpScope,
    body: Vec<Bytes>,
    pub(crate) drain: Signal<Instant>,
}

pub(crate) fn ask(method: &str, target: &str) -> Ask {
    let drain = Signal::new();
    let info = ConnectionInfo::new(Capabilities::new("memory")).with_drain(drain.clone());
    let mut scope = HttpScope::new(Arc::new(info));
    scope.method = Method::from_bytes(method.as_bytes()).unwrap();
    scope.uri = target.parse().unwrap();
    Ask {
        scope,
        body: Vec::new(),
        drain,
    }
}

pub(crate) fn get(target: &str) -> Ask {
    ask("GET", target)
}

impl Ask {
    pub(crate) fn with_body(mut self, parts: &[&'static str]) -> Self {
        self.scope.body = BodyLength::Unknown;
        self.body = parts
            .iter()
            .map(|part| Bytes::from_static(part.as_bytes()))
            .collect();
        self
    }

    pub(crate) fn with_state(mut self, state: State) -> Self {
        self.scope.state = state;
        self
    }

    /// The exchange, its body delivered.
    pub(crate) fn open(self) -> (Http, Events) {
        let (http, events) = Http::in_memory(Scope::new(self.scope));
        let last = self.body.len().saturating_sub(1);
        for (n, bytes) in self.body.into_iter().enumerate() {
            events.deliver(HttpReceive::Body {
                bytes,
                more: n < last,
            });
        }
        (http, events)
    }

    /// Calls the application and reads its answer to the end.
    pub(crate) async fn send(self, app: &impl Application) -> Answer {
        let label = self.scope.label.clone();
        let (http, mut events) = self.open();
        let (result, answer) = tokio::join!(app.call(Connection::Http(http)), collect(&mut events));
        let (head, body) = answer.unzip();
        let head = head.unwrap_or_default();
        Answer {
            status: head.status,
            headers: head.headers,
            body: body.unwrap_or_default(),
            label: label.get().map(str::to_owned),
            result,
        }
    }
}

async fn collect(events: &mut Events) -> Option<(gateway_spec::ResponseHead, String)> {
    let mut answer = None;
    let mut whole = BytesMut::new();
    while let Some(event) = events.sent().await {
        match event {
            HttpSend::Start { head, body, .. } => {
                answer = Some(head);
                whole.extend_from_slice(&body);
            }
            HttpSend::Body { bytes, .. } => whole.extend_from_slice(&bytes),
            other => panic!("not expected: {other:?}"),
        }
    }
    Some((answer?, String::from_utf8(whole.to_vec()).unwrap()))
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    pub(crate) body: String,
    pub(crate) label: Option<String>,
    pub(crate) result: Result<Done, AppError>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn check(&self, status: u16, body: &str) {
        assert!(self.result.is_ok(), "{:?}", self.result);
        assert_eq!((self.status.as_u16(), &*self.body), (status, body));
    }
}

/// The server's side of a lifespan.
#[derive(Default)]
pub(crate) struct Life {
    pub(crate) said: Mutex<Vec<&'static str>>,
    pub(crate) state: Mutex<State>,
    shutdown: Signal<Instant>,
}

impl Life {
    pub(crate) fn open(self: &Arc<Self>) -> Connection {
        let scope = LifespanScope::new(Capabilities::new("memory"));
        Connection::Lifespan(Lifespan::new(scope, Arc::clone(self) as _))
    }

    pub(crate) fn stop(&self) {
        self.shutdown.raise(Instant::now() + Duration::from_secs(1));
    }

    pub(crate) fn said(&self) -> Vec<&'static str> {
        self.said.lock().unwrap().clone()
    }

    fn say(&self, what: &'static str) {
        self.said.lock().unwrap().push(what);
    }
}

impl LifespanTransport for Life {
    fn started(&self, state: State) {
        *self.state.lock().unwrap() = state;
        self.say("started");
    }

    fn refuse(&self) {
        self.say("refused");
    }

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {
        self.say("stopped");
    }

    fn abort(&self) {
        self.say("aborted");
    }
}

/// A socket whose client has said all it will say: the messages given, then goodbye.
pub(crate) struct Wire {
    to_app: Mutex<VecDeque<Message>>,
    pub(crate) from_app: Mutex<Vec<WebSocketSend>>,
}

impl Wire {
    pub(crate) fn open(ask: Ask, messages: &[&'static str]) -> (Connection, Arc<Self>) {
        let wire = Arc::new(Self {
            to_app: Mutex::new(messages.iter().map(|text| Message::from(*text)).collect()),
            from_app: Mutex::default(),
        });
        let handshake = Handshake::new(Arc::clone(&wire) as _);
        let socket = WebSocket::new(Scope::new(ask.scope), Vec::new(), handshake);
        (Connection::WebSocket(socket), wire)
    }

    /// The status of a denied handshake.
    pub(crate) fn denied(&self) -> Option<StatusCode> {
        match &self.from_app.lock().unwrap()[..] {
            [WebSocketSend::Deny(Response { head, .. })] => Some(head.status),
            _ => None,
        }
    }

    /// The texts that were sent.
    pub(crate) fn texts(&self) -> Vec<String> {
        let sent = self.from_app.lock().unwrap();
        let texts = sent.iter().filter_map(|event| match event {
            WebSocketSend::Message(message) => message.as_text().map(str::to_owned),
            _ => None,
        });
        texts.collect()
    }
}

impl WebSocketTransport for Wire {
    fn poll_receive(&self, _: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let next = self.to_app.lock().unwrap().pop_front();
        Poll::Ready(match next {
            Some(message) => WebSocketReceive::Message(message),
            None => WebSocketReceive::Disconnect(Disconnect::new(1000, "", Cause::Remote)),
        })
    }

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        self.from_app.lock().unwrap().push(event);
        Ok(())
    }

    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn gone(&self) -> GoneSignal {
        Signal::new().wait()
    }

    fn take_http(&self) -> Option<Http> {
        None
    }

    fn abort(&self, _: Abort) {}
}
