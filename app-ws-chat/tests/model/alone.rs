//! One node, over each store.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use app_ws_chat::Chat;
use app_ws_chat::store::{MemoryStore, SqliteStore};
use chat_client::Close;
use proptest::prelude::*;
use test_client::TestClient;

use crate::model::inside::{self, Inside};
use crate::model::ops::{Fault, Op, Size, check, peaceful};
use crate::model::world::{After, Ground, World};

const SIZE: Size = Size {
    cases: 40,
    ops: 200,
    shrink: Duration::from_secs(5),
};

/// A node that is alone.
struct Alone {
    node: TestClient,
    file: Option<Scratch>,
}

/// A file that goes with its case.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

impl Alone {
    fn forgetful() -> Self {
        Self {
            node: inside::node(Chat::with_store(MemoryStore::default())),
            file: None,
        }
    }

    fn with_a_file() -> Self {
        let name = format!(
            "chat-model-{}-{:x}.db",
            std::process::id(),
            fastrand::u64(..)
        );
        let file = Scratch(std::env::temp_dir().join(name));
        Self {
            node: inside::node(chat(&file)),
            file: Some(file),
        }
    }
}

fn chat(file: &Scratch) -> Chat {
    Chat::with_store(SqliteStore::open(&file.0).expect("a file"))
}

impl Ground for Alone {
    type Wire = Inside;

    fn nodes(&self) -> usize {
        1
    }

    async fn connect(&mut self, _: usize) -> Result<Inside, Close> {
        inside::connect(&self.node).await
    }

    /// The node ends with all its connections, and another one begins where it was.
    async fn fault(&mut self, _: Fault) -> After {
        self.node.drain(Duration::ZERO);
        inside::rest().await;
        match &self.file {
            Some(file) => {
                self.node = inside::node(chat(file));
                After::Nothing
            }
            None => {
                self.node = inside::node(Chat::with_store(MemoryStore::default()));
                After::Oblivion
            }
        }
    }

    async fn heal(&mut self) {}

    fn now(&self) -> Instant {
        inside::now()
    }

    async fn rest(&self) {
        inside::rest().await;
        if self.file.is_some() {
            // The thread of the store works meanwhile.
            std::thread::yield_now();
        }
    }

    async fn pass(&self, time: Duration) {
        inside::pass(time).await;
    }
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![60 => peaceful(), 1 => Just(Op::Fault(Fault::Node(0)))]
}

#[test]
fn everybody_sees_the_same_and_what_was_answered() {
    check(SIZE, peaceful(), |ops| {
        inside::run(async { World::new(Alone::forgetful()).run(ops).await })
    });
}

#[test]
fn a_node_that_forgets_begins_another_story() {
    check(SIZE, op(), |ops| {
        inside::run(async { World::new(Alone::forgetful()).run(ops).await })
    });
}

#[test]
fn a_node_that_comes_again_has_what_was_answered() {
    let size = Size { cases: 20, ..SIZE };
    check(size, op(), |ops| {
        inside::run(async { World::new(Alone::with_a_file()).run(ops).await })
    });
}
