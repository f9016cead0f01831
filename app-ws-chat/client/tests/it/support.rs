//! A client whose server is the test.

use std::time::{Duration, Instant};

use chat_client::{Client, Close, Event, Settings};
use serde_json::{Value, json};

pub(crate) struct Scene {
    pub(crate) client: Client,
    pub(crate) now: Instant,
}

impl Scene {
    /// A client that wants to be in the lobby and has no link.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let mut settings = Settings::new("Ada");
        settings.seed = 7;
        settings.key = Some("0123456789abcdef".into());
        let mut client = Client::new(settings, now);
        client.enter("lobby", None, now);
        Self { client, now }
    }

    /// A client that is in the lobby, where nothing was said yet.
    pub(crate) fn in_lobby() -> Self {
        let mut scene = Self::new();
        scene.open();
        assert_eq!(scene.frames()[0]["t"], "join");
        scene.welcome(1, 0, true, &[]);
        scene.events();
        scene
    }

    pub(crate) fn open(&mut self) {
        self.client.connecting();
        self.client.opened(self.now);
    }

    pub(crate) fn close(&mut self, close: Close) {
        self.client.closed(close, self.now);
    }

    pub(crate) fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.client.expire(self.now);
    }

    pub(crate) fn tell(&mut self, frame: Value) {
        self.client.received(&frame.to_string(), self.now);
    }

    /// The reply to a join of the lobby.
    pub(crate) fn welcome(&mut self, id: u64, offset: u64, recovered: bool, messages: &[u64]) {
        self.tell(welcome(id, "e1", offset, recovered, messages));
    }

    /// Somebody else says message number `offset`.
    pub(crate) fn say(&mut self, offset: u64) {
        let mut frame = message(offset);
        frame["t"] = "msg".into();
        frame["room"] = "lobby".into();
        self.tell(frame);
    }

    pub(crate) fn frames(&mut self) -> Vec<Value> {
        let text = std::iter::from_fn(|| self.client.next_frame());
        text.map(|text| serde_json::from_str(&text).unwrap())
            .collect()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.next_event()).collect()
    }

    /// The offsets that were shown since the last look, and the names of faults.
    pub(crate) fn news(&mut self) -> (Vec<u64>, Vec<&'static str>) {
        let (mut shown, mut faults) = (Vec::new(), Vec::new());
        for event in self.events() {
            match event {
                Event::Message { message, .. } => shown.push(message.offset),
                Event::Fault(fault) => faults.push(fault.name()),
                _ => {}
            }
        }
        (shown, faults)
    }

    /// The offsets in the lobby's log.
    pub(crate) fn log(&self) -> Vec<u64> {
        let room = self.client.room("lobby").unwrap();
        room.log().since(0).map(|message| message.offset).collect()
    }
}

pub(crate) fn welcome(
    id: u64,
    epoch: &str,
    offset: u64,
    recovered: bool,
    messages: &[u64],
) -> Value {
    let messages: Vec<_> = messages.iter().copied().map(message).collect();
    let me = json!({ "user": "ada", "nick": "Ada" });
    json!({
        "t": "ok", "id": id, "room": "lobby", "me": me, "epoch": epoch, "offset": offset,
        "recovered": recovered, "messages": messages, "presence": { "count": 1, "full": [me] }, "slow_ms": 0,
    })
}

pub(crate) fn message(offset: u64) -> Value {
    json!({
        "o": offset, "from": { "user": "bea", "nick": "Bea" }, "ts": 1, "text": format!("m{offset}"),
        "cid": format!("b{offset}"),
    })
}
