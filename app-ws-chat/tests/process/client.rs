//! A client by an independent WebSocket implementation, which keeps what it has seen and asks again for what was not
//! acknowledged.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

/// What must happen does so within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user, over all their connections.
pub(crate) struct Client {
    key: String,
    room: &'static str,
    socket: Option<WebSocket<TcpStream>>,
    since: Option<Value>,
    requests: u64,
    /// Whether the room's history may become another one.
    many_epochs: bool,
    /// What was seen: text by offset.
    pub(crate) seen: BTreeMap<u64, String>,
    /// What was acknowledged: offset by id.
    pub(crate) acknowledged: BTreeMap<String, u64>,
}

/// That the server is gone, or refuses.
#[derive(Debug)]
pub(crate) struct Broken;

impl Client {
    pub(crate) fn new(name: &str, room: &'static str) -> Self {
        Self {
            key: format!("{name:-<16}"),
            room,
            socket: None,
            since: None,
            requests: 0,
            many_epochs: false,
            seen: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
        }
    }

    /// Takes it that the room begins another epoch, and then reads it from its beginning.
    #[allow(dead_code, reason = "one file's rooms have one epoch")]
    pub(crate) fn through_epochs(mut self) -> Self {
        self.many_epochs = true;
        self
    }

    /// Connects and joins, from where it was before.
    pub(crate) fn join(&mut self, address: SocketAddr) -> Result<Value, Broken> {
        let stream = TcpStream::connect(address).map_err(|_| Broken)?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "chat.v1".parse().unwrap());
        let (socket, _) = tungstenite::client(request, stream).map_err(|_| Broken)?;
        self.socket = Some(socket);
        let mut join = json!({ "t": "join", "room": self.room, "nick": "n", "key": self.key });
        if let Some(since) = &self.since {
            join["since"] = since.clone();
        }
        let welcome = self.request(join)?;
        if welcome["retry"] == true {
            return Err(Broken);
        }
        assert_eq!(welcome["t"], "ok", "{welcome}");
        let begins = self
            .since
            .as_ref()
            .is_none_or(|since| self.many_epochs && since["e"] != welcome["epoch"]);
        if begins {
            // Also of a beginning that broke off.
            self.since = None;
            self.seen.clear();
        }
        if let Some(since) = &self.since {
            assert_eq!(welcome["epoch"], since["e"], "the same history");
            assert_eq!(welcome["recovered"], true, "{}", welcome["offset"]);
        }
        for message in welcome["messages"].as_array().unwrap() {
            self.see(message);
        }
        if self.since.is_none() {
            self.scroll_back()?;
        }
        self.since = Some(json!({ "e": welcome["epoch"], "o": welcome["offset"] }));
        Ok(welcome)
    }

    /// Reads what was said before it first came.
    fn scroll_back(&mut self) -> Result<(), Broken> {
        while let Some((&first, _)) = self.seen.first_key_value()
            && first > 1
        {
            let history = json!({ "t": "history", "room": self.room, "before": first });
            let page = self.request(history)?;
            if page["retry"] == true {
                return Err(Broken);
            }
            for message in page["messages"].as_array().expect("a page") {
                self.see(message);
            }
        }
        Ok(())
    }

    /// Says something until it is acknowledged, or the server is gone.
    pub(crate) fn say(&mut self, cid: &str) -> Result<u64, Broken> {
        loop {
            let send = json!({ "t": "send", "room": self.room, "cid": cid, "text": cid });
            let reply = self.request(send)?;
            if reply["t"] == "ok" {
                let offset = reply["o"].as_u64().unwrap();
                self.acknowledged.insert(cid.to_owned(), offset);
                return Ok(offset);
            }
            assert_eq!(reply["retry"], true, "{reply}");
            let wait = Duration::from_millis(reply["after_ms"].as_u64().unwrap());
            std::thread::sleep(wait);
        }
    }

    /// Asks, and takes what comes before the reply.
    pub(crate) fn request(&mut self, mut frame: Value) -> Result<Value, Broken> {
        self.requests += 1;
        frame["id"] = self.requests.into();
        let socket = self.socket.as_mut().ok_or(Broken)?;
        socket
            .send(Message::text(frame.to_string()))
            .map_err(|_| Broken)?;
        loop {
            let frame = self.next()?;
            if frame["id"] == self.requests {
                return Ok(frame);
            }
        }
    }

    /// The next frame; a message is kept.
    pub(crate) fn next(&mut self) -> Result<Value, Broken> {
        loop {
            let socket = self.socket.as_mut().ok_or(Broken)?;
            match socket.read() {
                Ok(Message::Text(text)) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    match frame["t"].as_str() {
                        Some("msg") => self.see(&frame),
                        Some("ping") => {
                            let pong = Message::text(r#"{"t":"pong"}"#);
                            socket.send(pong).map_err(|_| Broken)?;
                        }
                        _ => {}
                    }
                    return Ok(frame);
                }
                Ok(Message::Close(_)) | Err(_) => {
                    self.socket = None;
                    return Err(Broken);
                }
                Ok(_) => {}
            }
        }
    }

    /// Reads until it has seen this offset.
    pub(crate) fn catch_up(&mut self, offset: u64) -> Result<(), Broken> {
        while self
            .seen
            .last_key_value()
            .is_none_or(|(&last, _)| last < offset)
        {
            self.next()?;
        }
        Ok(())
    }

    fn is_older(&self, offset: u64) -> bool {
        let first = self.seen.first_key_value();
        first.is_some_and(|(&first, _)| offset < first)
    }

    fn see(&mut self, message: &Value) {
        let offset = message["o"].as_u64().unwrap();
        let text = message["text"].as_str().unwrap();
        let last = self.seen.last_key_value().map_or(0, |(&last, _)| last);
        if self.since.is_some() && !self.is_older(offset) {
            assert_eq!(offset, last + 1, "each once, in order, without a hole");
        }
        let before = self.seen.insert(offset, text.to_owned());
        assert_eq!(before, None, "an offset is one message for ever");
        if let Some(since) = &mut self.since {
            since["o"] = self.seen.last_key_value().map(|(&last, _)| last).into();
        }
    }
}
