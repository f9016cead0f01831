//! Who is here, by nodes of this process whose clients come, go and come again.

use std::sync::Arc;
use std::time::Duration;

use app_ws_chat::Chat;
use app_ws_chat::bus::RedisBus;
use gateway_spec::Message;
use serde_json::{Value, json};
use test_client::{Received, Socket, TestClient};
use tokio::time::{sleep, timeout};

use crate::bus::PATIENCE;
use crate::engine::Engine;
use crate::model::inside;
use crate::relay::{Relay, Target, Way, Weather};

const ROOM: &str = "lobby";

fn node(bus: &str) -> TestClient {
    let bus = RedisBus::new(bus).expect("an address");
    inside::node(Chat::with_bus(Arc::new(bus)))
}

/// Somebody's connection.
struct Device {
    socket: Socket,
    key: &'static str,
}

impl Device {
    async fn new(node: &TestClient, key: &'static str) -> Self {
        let handshake = node.websocket("/ws").subprotocols(["chat.v1"]);
        let socket = handshake.connect().await.unwrap();
        Self { socket, key }
    }

    fn ask(&mut self, request: &Value) {
        self.socket.send_now(request.to_string()).unwrap();
    }

    /// The next frame that is as wished for.
    async fn frame(&mut self, wished: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                match self.socket.receive().await {
                    Received::Message(Message::Text(text)) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        if wished(&frame) {
                            return frame;
                        }
                    }
                    Received::Closed(closed) => panic!("{closed:?}"),
                    _ => {}
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("a frame")
    }

    async fn answer(&mut self, id: u64) -> Value {
        self.frame(|frame| frame["id"] == id).await
    }

    fn ask_to_join(&mut self, id: u64, nick: &str) {
        let key = self.key;
        self.ask(&json!({ "t": "join", "id": id, "room": ROOM, "nick": nick, "key": key }));
    }

    /// Asks until there is another answer than that it is not possible now.
    async fn until_possible(&mut self, mut request: Value) -> Value {
        for id in 100.. {
            request["id"] = id.into();
            self.ask(&request);
            let answer = self.answer(id).await;
            if answer["code"] != 503 {
                return answer;
            }
            sleep(Duration::from_millis(500)).await;
        }
        unreachable!("ids do not end")
    }

    async fn join(&mut self, nick: &str) -> Value {
        let key = self.key;
        let join = json!({ "t": "join", "room": ROOM, "nick": nick, "key": key });
        let answer = timeout(PATIENCE, self.until_possible(join)).await;
        let answer = answer.expect("a way in");
        assert_eq!(answer["t"], "ok", "{answer}");
        answer
    }
}

#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn who_leaves_and_comes_again_at_once_is_called_as_they_wish() {
    let engine = Engine::start();
    let node = node(&engine.address());
    let mut ada = Device::new(&node, "the-key-of-ada--").await;
    let mut bea = Device::new(&node, "the-key-of-bea--").await;
    bea.join("Bea").await;
    ada.join("Ada").await;
    for id in 1..18 {
        let nick = format!("Ada {id}");
        ada.ask(&json!({ "t": "leave", "id": 0, "room": ROOM }));
        ada.ask_to_join(id, &nick);
        assert_eq!(ada.answer(id).await["me"]["nick"], *nick);
        let told = bea.frame(|frame| frame["join"]["nick"] == *nick).await;
        assert_eq!(told["count"], 2);
    }
}

/// The first of two connections on a node is refused, while their user is known there because of another node.
#[tokio::test]
#[ignore = "needs redis-server: run ./test"]
async fn who_is_let_in_beside_another_connection_has_a_seat_of_their_own() {
    let engine = Engine::start();
    let relay = Relay::start(Target::Unix(engine.socket()));
    let near = node(&format!("redis://{}", relay.address));
    let far = node(&engine.address());
    let mut bea = Device::new(&near, "the-key-of-bea--").await;
    bea.join("Bea").await;
    let mut ada = Device::new(&far, "the-key-of-ada--").await;
    ada.join("Ada").await;
    bea.frame(|frame| frame["join"]["nick"] == "Ada").await;
    let mut refused = Device::new(&near, ada.key).await;
    let mut late = Device::new(&near, ada.key).await;
    relay.weather(Weather::Silent(Way::There));
    refused.ask_to_join(1, "Ada");
    late.ask_to_join(1, "Ada");
    assert_eq!(refused.answer(1).await["code"], 503);
    relay.weather(Weather::Fair(Duration::ZERO));
    if late.answer(1).await["t"] != "ok" {
        late.join("Ada").await;
    }
    ada.ask(&json!({ "t": "leave", "id": 9, "room": ROOM }));
    ada.answer(9).await;
    // Others come and go, so that what happened before has been heard of.
    let mut cyd = Device::new(&far, "the-key-of-cyd--").await;
    let here = cyd.join("Cyd").await["presence"]["full"].clone();
    assert!(here.to_string().contains("\"Ada\""), "{here}");
    let say = json!({ "t": "send", "room": ROOM, "cid": "a", "text": "I am here" });
    let said = timeout(PATIENCE, late.until_possible(say)).await;
    assert_eq!(said.expect("a place")["o"], 1);
}
