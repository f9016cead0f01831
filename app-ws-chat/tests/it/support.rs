//! A chat without a server, and its clients.

use std::time::Duration;

use app_ws_chat::{Chat, Keys};
use gateway_spec::{CloseCode, Message};
use http::Method;
use serde_json::{Value, json};
use test_client::{Closed, NotConnected, Received, Reply, Socket, TestClient};

/// A chat and what all its connections share.
pub(crate) struct House {
    client: TestClient,
}

/// Fields of a request.
pub(crate) type Fields<'a> = &'a [(&'static str, &'static str)];

/// The tokens of every house.
pub(crate) const MODERATORS: &str = "moderators-of-the-house";
pub(crate) const HOST: &str = "host-of-the-house";

impl House {
    pub(crate) fn new() -> Self {
        let keys = Keys::default().with_moderators(MODERATORS).unwrap();
        Self::of(Chat::new().with_keys(keys.with_host(HOST).unwrap()))
    }

    pub(crate) fn of(chat: Chat) -> Self {
        // Of the paused clock: longer than any wait of the chat, and over at once where nothing comes.
        let patience = Duration::from_secs(60);
        Self {
            client: TestClient::new(chat).with_patience(patience),
        }
    }

    /// The answer to a request.
    pub(crate) async fn ask(&self, method: Method, path: &str, fields: Fields<'_>) -> Reply {
        let mut request = self.client.request(method, path);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        request.send().await.unwrap()
    }

    /// The answer to a request of the host.
    pub(crate) async fn ask_as_host(&self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.client.request(method, path);
        let request = request.header("authorization", format!("Bearer {HOST}"));
        let request = match body {
            Value::Null => request,
            body => request.body(body.to_string()),
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[]).await
    }

    /// A handshake. A `host` among the fields is the only one.
    pub(crate) async fn shake_hands(
        &self,
        path: &str,
        fields: Fields<'_>,
        subprotocols: &[&'static str],
    ) -> Result<Client, NotConnected> {
        let handshake = self
            .client
            .websocket(path)
            .subprotocols(subprotocols.iter().copied())
            .request(|mut request| {
                for (name, value) in fields {
                    if *name == "host" {
                        request = request.without_header(name);
                    }
                    request = request.header(name, value);
                }
                request
            });
        let socket = handshake.connect().await?;
        Ok(Client {
            socket,
            requests: 0,
        })
    }

    /// A client that is connected.
    pub(crate) async fn connect(&self) -> Client {
        self.shake_hands("/ws", &[], &["chat.v1"]).await.unwrap()
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

    /// The same, as a moderator.
    pub(crate) async fn join_as_moderator(&self, nick: &str) -> (Client, Value) {
        let mut client = self.connect().await;
        let join = json!({ "t": "join", "room": "lobby", "nick": nick, "token": MODERATORS });
        let welcome = client.request(join).await;
        assert_eq!(welcome["t"], "ok", "{welcome}");
        (client, welcome)
    }

    /// Begins the drain.
    pub(crate) fn drain(&self) {
        self.client.drain(Duration::from_secs(30));
    }
}

/// The other end of a socket.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    requests: u64,
}

impl Client {
    /// Sends a message as it is.
    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.socket.send_now(message).unwrap();
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
        serde_json::from_str(&self.socket.text().await.unwrap()).unwrap()
    }

    /// Asserts that nothing was sent but what was taken, once all tasks have come to rest.
    pub(crate) async fn nothing(&mut self) {
        rest().await;
        assert_eq!(self.socket.unread(), 0);
    }

    /// How the chat closes the socket, which must be what comes next, and the end of the call.
    pub(crate) async fn closed(mut self) -> Closed {
        let closed = match self.socket.receive().await {
            Received::Closed(closed) => closed,
            other => panic!("not closed: {other:?}"),
        };
        assert!(self.socket.outcome().await.is_done());
        closed
    }

    /// Waits until the chat cuts the connection off without a close frame.
    pub(crate) async fn cut_off(self) {
        assert!(self.closed().await.is_cut_off());
    }

    /// Closes the socket and waits for the end of the call.
    pub(crate) async fn leave(mut self) {
        self.socket.close(CloseCode::NORMAL, "").await;
        assert!(self.socket.outcome().await.is_done());
    }

    /// From now on the chat can send no more.
    pub(crate) fn stop_reading(&self) {
        self.socket.set_window(0);
    }

    /// From now on the chat can send all it has.
    pub(crate) fn read_on(&self) {
        self.socket.set_window(usize::MAX);
    }

    /// How many frames are waiting to be looked at.
    pub(crate) async fn unread(&mut self) -> usize {
        let mut frames = 0;
        while self.socket.unread() > 0 {
            self.socket.receive().await;
            frames += 1;
        }
        frames
    }
}

/// Lets every task run until all of them wait.
pub(crate) async fn rest() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
