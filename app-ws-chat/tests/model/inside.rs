//! Nodes in this process, without sockets, under a clock that the test moves.

use std::time::{Duration, Instant};

use app_ws_chat::{Chat, Keys};
use chat_client::Close;
use futures_util::FutureExt;
use gateway_spec::Message;
use test_client::{Received, Socket, TestClient};

use crate::model::person::{TOKEN, Taken, Wire};

pub(crate) struct Inside(Socket);

impl Wire for Inside {
    fn send(&mut self, frame: String) {
        // What is closed says so when it is asked for more.
        let _ = self.0.send_now(frame);
    }

    fn take(&mut self) -> Taken {
        loop {
            return match self.0.receive().now_or_never() {
                None => Taken::Nothing,
                Some(Received::Message(Message::Text(text))) => Taken::Frame(text.to_string()),
                Some(Received::Closed(closed)) if closed.is_cut_off() => Taken::Closed(Close::Lost),
                Some(Received::Closed(closed)) => Taken::Closed(Close::Code(closed.code)),
                Some(_) => continue,
            };
        }
    }
}

/// A node, with the moderators that all have.
pub(crate) fn node(chat: Chat) -> TestClient {
    let keys = Keys::default().with_moderators(TOKEN).expect("a token");
    TestClient::new(chat.with_keys(keys))
}

pub(crate) async fn connect(node: &TestClient) -> Result<Inside, Close> {
    let handshake = node.websocket("/ws").subprotocols(["chat.v1"]);
    handshake
        .connect()
        .await
        .map(Inside)
        .map_err(|_| Close::Lost)
}

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

pub(crate) async fn rest() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

/// In steps, so that who is asked within the time can answer.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    rest().await;
}

/// Runs a case on a clock that stands still.
pub(crate) fn run(case: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(case)
}
