//! Connections without a server: what the chat is sent, and what it sends.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use app_ws_chat::Chat;
use gateway_spec::{
    Abort, Accept, AppError, Application, Capabilities, Cause, CloseFrame, Connection,
    ConnectionInfo, Disconnect, Done, Gone, GoneSignal, Handshake, Http, HttpScope, HttpSend,
    Message, Response, ResponseHead, Scope, SendError, Signal, Text, WebSocket, WebSocketReceive,
    WebSocketSend, WebSocketTransport,
};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A chat and what all its connections share.
pub(crate) struct House {
    chat: Arc<Chat>,
    pub(crate) drain: Signal<std::time::Instant>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self {
            chat: Arc::new(Chat::new()),
            drain: Signal::new(),
        }
    }

    pub(crate) fn scope(&self, path: &str, fields: &[(&'static str, &'static str)]) -> HttpScope {
        let info = ConnectionInfo::new(Capabilities::new("test")).with_drain(self.drain.clone());
        let mut scope = HttpScope::new(Arc::new(info));
        scope.uri = path.parse().unwrap();
        for (name, value) in fields {
            let name = HeaderName::from_static(name);
            scope.headers.append(name, HeaderValue::from_static(value));
        }
        scope
    }

    /// The answer to a request.
    pub(crate) async fn ask(&self, scope: HttpScope) -> (ResponseHead, String) {
        let (http, mut events) = Http::in_memory(Scope::new(scope));
        let _: Done = self.chat.call(Connection::Http(http)).await.unwrap();
        let Some(HttpSend::Start {
            head,
            body,
            more: false,
            ..
        }) = events.sent().await
        else {
            panic!("no whole answer");
        };
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A handshake, and how the chat goes on with it.
    pub(crate) fn shake_hands(&self, scope: HttpScope, subprotocols: &[&'static str]) -> Client {
        let wire = Arc::new(Wire::default());
        let handshake = Handshake::new(Arc::clone(&wire) as _);
        let subprotocols = subprotocols
            .iter()
            .map(|name| Text::from_static(name))
            .collect();
        let socket = WebSocket::new(Scope::new(scope), subprotocols, handshake);
        let chat = Arc::clone(&self.chat);
        let call = tokio::spawn(async move { chat.call(Connection::WebSocket(socket)).await });
        Client {
            wire,
            call,
            requests: 0,
        }
    }

    /// A client that is connected.
    pub(crate) async fn connect(&self) -> Client {
        let mut client = self.shake_hands(self.scope("/ws", &[]), &["chat.v1"]);
        client.accepted().await;
        client
    }

    /// A client that is in the lobby, and what it was told there.
    pub(crate) async fn join(&self, nick: &str) -> (Client, Value) {
        let mut client = self.connect().await;
        let welcome = client
            .request(json!({ "t": "join", "room": "lobby", "nick": nick }))
            .await;
        assert_eq!(welcome["t"], "ok", "{welcome}");
        (client, welcome)
    }
}

/// The other end of a socket.
pub(crate) struct Client {
    wire: Arc<Wire>,
    call: JoinHandle<Result<Done, AppError>>,
    requests: u64,
}

impl Client {
    pub(crate) async fn accepted(&mut self) -> Accept {
        match self.wire.sent().await {
            WebSocketSend::Accept(accept) => accept,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) async fn denied(&mut self) -> Response {
        match self.wire.sent().await {
            WebSocketSend::Deny(response) => response,
            other => panic!("not denied: {other:?}"),
        }
    }

    /// Sends a message as it is.
    pub(crate) fn send(&self, message: impl Into<Message>) {
        self.wire.deliver(WebSocketReceive::Message(message.into()));
    }

    /// Sends a request, with a number of its own.
    pub(crate) fn ask(&mut self, mut frame: Value) -> u64 {
        self.requests += 1;
        frame["id"] = self.requests.into();
        self.send(frame.to_string());
        self.requests
    }

    /// Sends a request and gives its reply, which must be the next frame.
    pub(crate) async fn request(&mut self, frame: Value) -> Value {
        let id = self.ask(frame);
        let reply = self.next().await;
        assert_eq!(reply["id"], id, "{reply}");
        reply
    }

    pub(crate) fn say(&mut self, text: &str) -> u64 {
        self.ask(json!({ "t": "send", "room": "lobby", "cid": text, "text": text }))
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        match self.wire.sent().await {
            WebSocketSend::Message(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("no frame: {other:?}"),
        }
    }

    /// Asserts that nothing was sent but what was taken, once all tasks have come to rest.
    pub(crate) async fn nothing(&mut self) {
        rest().await;
        let sent = &self.wire.lock().sent;
        assert!(sent.is_empty(), "{sent:?}");
    }

    /// The frame that closes the socket, which must be the next one, and the end of the call.
    pub(crate) async fn closed(self) -> CloseFrame {
        let frame = match self.wire.sent().await {
            WebSocketSend::Close(frame) => frame,
            other => panic!("not closed: {other:?}"),
        };
        let _: Done = self.call.await.unwrap().unwrap();
        frame
    }

    /// Waits until the chat cuts the connection off without a close frame.
    pub(crate) async fn cut_off(self) {
        let _: Done = self.call.await.unwrap().unwrap();
        let state = self.wire.lock();
        assert!(state.sent.is_empty(), "{:?}", state.sent);
        assert_eq!(state.aborted, Some(Abort::Deliberate));
    }

    /// Closes the socket and waits for the end of the call.
    pub(crate) async fn leave(self) {
        let end = Disconnect::new(1000, "", Cause::Remote);
        self.wire.deliver(WebSocketReceive::Disconnect(end));
        let _: Done = self.call.await.unwrap().unwrap();
    }

    /// From now on the client takes so many events and then no more.
    pub(crate) fn reads(&self, events: usize) {
        let mut state = self.wire.lock();
        state.credit = events;
        let waker = state.sender.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// How many events are waiting to be looked at.
    pub(crate) fn unread(&self) -> usize {
        self.wire.lock().sent.len()
    }
}

/// Lets every task run until all of them wait.
pub(crate) async fn rest() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A socket's transport in memory, with a credit counted in events.
struct Wire {
    state: Mutex<State>,
    gone: Signal<Gone>,
}

struct State {
    received: VecDeque<WebSocketReceive>,
    sent: VecDeque<WebSocketSend>,
    credit: usize,
    aborted: Option<Abort>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
    client: Option<Waker>,
}

impl Default for Wire {
    fn default() -> Self {
        let state = State {
            received: VecDeque::new(),
            sent: VecDeque::new(),
            credit: usize::MAX,
            aborted: None,
            receiver: None,
            sender: None,
            client: None,
        };
        Self {
            state: Mutex::new(state),
            gone: Signal::new(),
        }
    }
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn deliver(&self, event: WebSocketReceive) {
        let mut state = self.lock();
        state.received.push_back(event);
        let waker = state.receiver.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    async fn sent(&self) -> WebSocketSend {
        let sent = poll_fn(|cx| {
            let mut state = self.lock();
            match state.sent.pop_front() {
                Some(event) => Poll::Ready(event),
                None => {
                    state.client = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        // Of the paused clock: longer than any wait of the chat, and over at once where nothing comes.
        let patience = Duration::from_secs(60);
        timeout(patience, sent).await.expect("something is sent")
    }
}

impl WebSocketTransport for Wire {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<WebSocketReceive> {
        let mut state = self.lock();
        match state.received.pop_front() {
            Some(event) => Poll::Ready(event),
            None => {
                state.receiver = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if state.credit > 0 {
            return Poll::Ready(Ok(()));
        }
        state.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    fn send(&self, event: WebSocketSend) -> Result<(), SendError> {
        let mut state = self.lock();
        assert!(state.credit > 0, "sent without waiting: {event:?}");
        state.credit -= 1;
        state.sent.push_back(event);
        let waker = state.client.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn poll_flush(&self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn gone(&self) -> GoneSignal {
        self.gone.wait()
    }

    fn take_http(&self) -> Option<Http> {
        None
    }

    fn abort(&self, why: Abort) {
        self.lock().aborted.get_or_insert(why);
    }
}
