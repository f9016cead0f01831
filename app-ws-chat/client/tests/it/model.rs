//! Whatever happens to the link, the screen shows each message of the room once and in order, and each message that was
//! said is in the room once.

use std::collections::HashMap;

use chat_client::{Close, Event, Link};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::Scene;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody else says something.
    Other,
    /// We do.
    Say,
    /// The server reads so many of our frames.
    Serve(usize),
    /// We read so many of the server's.
    Hear(usize),
    /// The link breaks, with what is under way on it.
    Break,
    /// Time for the next attempt.
    Back,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Other),
        3 => Just(Step::Say),
        4 => (1..4_usize).prop_map(Step::Serve),
        4 => (1..6_usize).prop_map(Step::Hear),
        1 => Just(Step::Break),
        2 => Just(Step::Back),
    ]
}

/// A room with all of its history, and one connection.
#[derive(Default)]
struct Server {
    said: Vec<Value>,
    /// Our ids, and where they stand.
    ours: HashMap<String, usize>,
    /// How many messages the connection has got; none before the join.
    sent: Option<usize>,
    down: Vec<String>,
}

impl Server {
    fn say(&mut self, user: &str, cid: &str) -> usize {
        let offset = self.said.len() + 1;
        self.said.push(json!({
            "o": offset, "from": { "user": user, "nick": user }, "ts": 1, "text": cid, "cid": cid,
        }));
        self.fan_out();
        offset
    }

    fn fan_out(&mut self) {
        let Some(sent) = &mut self.sent else { return };
        for message in &self.said[*sent..] {
            let mut frame = message.clone();
            frame["t"] = "msg".into();
            frame["room"] = "lobby".into();
            self.down.push(frame.to_string());
        }
        *sent = self.said.len();
    }

    /// At most 3 missed messages are replayed, so that holes come up.
    fn serve(&mut self, frame: &Value) {
        let id = &frame["id"];
        let reply = match frame["t"].as_str().unwrap() {
            "join" => {
                let last = self.said.len();
                let since = frame["since"]["o"]
                    .as_u64()
                    .map_or(0, |o| usize::try_from(o).unwrap());
                let recovered = last - since <= 3;
                let from = if recovered { since } else { last - 2 };
                self.sent = Some(last);
                let me = json!({ "user": "ada", "nick": "Ada" });
                json!({
                    "t": "ok", "id": id, "room": "lobby", "me": me, "epoch": "e1", "offset": last,
                    "recovered": recovered, "messages": self.said[from..],
                    "presence": { "count": 1, "full": [me] }, "slow_ms": 0,
                })
            }
            "send" => {
                let cid = frame["cid"].as_str().unwrap().to_owned();
                let offset = match self.ours.get(&cid) {
                    Some(&offset) => offset,
                    None => {
                        let offset = self.say("ada", &cid);
                        self.ours.insert(cid, offset);
                        offset
                    }
                };
                json!({ "t": "ok", "id": id, "o": offset, "ts": 1 })
            }
            "history" => {
                let before = usize::try_from(frame["before"].as_u64().unwrap()).unwrap() - 1;
                let from = before.saturating_sub(2);
                json!({ "t": "ok", "id": id, "epoch": "e1", "messages": self.said[from..before], "more": from > 0 })
            }
            other => panic!("{other}"),
        };
        self.down.push(reply.to_string());
    }
}

struct World {
    scene: Scene,
    server: Server,
    up: Vec<Value>,
    shown: Vec<u64>,
}

impl World {
    fn take(&mut self, step: Step) {
        match step {
            Step::Other => {
                let cid = format!("b{}", self.server.said.len());
                self.server.say("bea", &cid);
            }
            Step::Say => {
                self.scene.client.say("lobby", "x", self.scene.now).unwrap();
            }
            Step::Serve(count) => {
                self.up.extend(self.scene.frames());
                let count = count.min(self.up.len());
                for frame in self.up.drain(..count) {
                    self.server.serve(&frame);
                }
            }
            Step::Hear(count) => {
                let count = count.min(self.server.down.len());
                for frame in self.server.down.drain(..count) {
                    self.scene.client.received(&frame, self.scene.now);
                }
            }
            Step::Break if matches!(self.scene.client.link(), Link::Open { .. }) => {
                self.scene.close(Close::Lost);
                self.up.clear();
                self.server.down.clear();
                self.server.sent = None;
            }
            Step::Back if !matches!(self.scene.client.link(), Link::Open { .. }) => {
                self.scene.pass(30_000);
                self.scene.open();
            }
            Step::Break | Step::Back => {}
        }
        for event in self.scene.events() {
            match event {
                Event::Message { message, .. } => self.shown.push(message.offset),
                Event::Fault(fault) => panic!("{fault}"),
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn the_screen_is_the_room(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World {
            scene: Scene::new(),
            server: Server::default(),
            up: Vec::new(),
            shown: Vec::new(),
        };
        let mut said = 0;
        for step in steps {
            said += usize::from(matches!(step, Step::Say));
            world.take(step);
            prop_assert!(world.shown.is_sorted_by(|one, two| one < two), "{:?}", world.shown);
        }
        world.take(Step::Back);
        for _ in 0..1_000 {
            world.take(Step::Serve(1));
            world.take(Step::Hear(1));
        }
        // What an application shows from the start of its log on is the room, without a hole.
        let log = world.scene.log();
        let all = world.server.said.len() as u64;
        prop_assert_eq!(&log, &(log.first().copied().unwrap_or(1)..=all).collect::<Vec<_>>());
        prop_assert_eq!(world.server.ours.len(), said, "each was said once");
        prop_assert_eq!(world.scene.client.room("lobby").unwrap().drafts().len(), 0);
    }
}
