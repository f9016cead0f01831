//! One room on two nodes, and something fails in the middle of traffic: what two people see of it.

use conformance::{Server, Signal, Subject};
use serde::Deserialize;

use super::engine::Engine;
use super::relay::{Place, Relay};
use super::window::{Driver, Screen, Window};
use super::{enter_at, page, program, screenshots, sees_people};

/// What each of them has to hear of both before it fails, and after it is mended.
const HEARD: usize = 10;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Node,
    Engine,
    Network,
}

/// What a page has shown: `witness.js`.
#[derive(Debug, Deserialize)]
struct Witness {
    shown: Vec<String>,
    said: Vec<String>,
    notices: Vec<String>,
    wrong: Vec<String>,
}

pub(crate) async fn a_node_dies(server: &'static str) {
    story(server, Fault::Node).await;
}

pub(crate) async fn redis_dies(server: &'static str) {
    story(server, Fault::Engine).await;
}

pub(crate) async fn the_network_is_cut(server: &'static str) {
    story(server, Fault::Network).await;
}

/// The person on this server's node is the one who meets the fault; the other one is on a node of the other server.
async fn story(server: &'static str, fault: Fault) {
    let mut engine = Engine::start();
    let cable = Relay::to(Place::Unix(engine.socket()));
    let hers = node(server, &format!("redis://{}", cable.address));
    let his = node(other(server), &engine.address());
    let door = Relay::to(Place::Tcp(hers.address()));
    let driver = Driver::start();
    let to_hers = format!("http://{}/", door.address);
    let ada = enter_at(&driver, &to_hers, "Ada", Screen::Desktop).await;
    let bob = enter_at(&driver, &page(&his), "Bob", Screen::Phone).await;
    for (window, name) in [(&ada, "Ada"), (&bob, "Bob")] {
        sees_people(window, &["Ada", "Bob"]).await;
        window.run(include_str!("witness.js"), name).await;
    }
    both_hear_more(&ada, &bob).await;

    match fault {
        Fault::Node => {
            hers.signal(Signal::KILL);
            notices(&ada, "Reconnecting…").await;
            door.lead(Place::Tcp(his.address()));
        }
        Fault::Engine => {
            engine.kill();
            for window in [&ada, &bob] {
                notices(window, UNAVAILABLE).await;
                notices(window, CUT_OFF).await;
            }
        }
        Fault::Network => {
            cable.cut();
            notices(&ada, UNAVAILABLE).await;
            notices(&ada, CUT_OFF).await;
            hears_more(&bob, "Bob").await;
        }
    }
    let file = format!("{server}-nodes-{fault:?}.png").to_lowercase();
    ada.screenshot(&screenshots().join(file)).await;
    match fault {
        Fault::Node => {}
        Fault::Engine => engine.restart(),
        Fault::Network => cable.mend(),
    }
    both_hear_more(&ada, &bob).await;
    agree(&ada, &bob).await;
    ada.close().await;
    bob.close().await;
}

/// What is said under a message that the server cannot keep at the moment.
const UNAVAILABLE: &str = "Waiting: the history of this room is not available now";

/// What is said to who only reads.
const CUT_OFF: &str = "The server is cut off from this room. What is said here comes late.";

fn other(server: &str) -> &'static str {
    if server == "raw" { "hyper" } else { "raw" }
}

fn node(server: &'static str, bus: &str) -> Server {
    let arguments = ["--server", server, "--bus", bus];
    Subject::new(server, program("app-ws-chat"), &arguments).start()
}

async fn notices(window: &Window, notice: &str) {
    let seen = "witness.notices.includes(arguments[0])";
    window
        .until_with(&format!("{notice:?} is seen"), seen, notice)
        .await;
}

async fn both_hear_more(ada: &Window, bob: &Window) {
    for window in [ada, bob] {
        for author in ["Ada", "Bob"] {
            hears_more(window, author).await;
        }
    }
}

/// Waits until so many messages more of this author are delivered there.
async fn hears_more(window: &Window, author: &str) {
    let heard = "witness.shown.filter((text) => text.startsWith(arguments[0])).length";
    let before = window.value(heard, author).await;
    let more = format!("{heard} >= {before} + {HEARD}");
    window
        .until_with(&format!("more of {author} is heard"), &more, author)
        .await;
}

/// Both have fallen silent and been shown the same: all that was said, once, in one order.
async fn agree(ada: &Window, bob: &Window) {
    for window in [ada, bob] {
        window.run("witness.talks = false;", "").await;
    }
    for window in [ada, bob] {
        let quiet = "document.querySelectorAll('#pending .draft').length === 0";
        window.until("nothing waits", quiet).await;
    }
    let said = "witness.said.length";
    let all = ada
        .value(said, "")
        .await
        .as_u64()
        .zip(bob.value(said, "").await.as_u64());
    let all = all.map(|(ada, bob)| ada + bob).expect("they are numbers");
    for window in [ada, bob] {
        let shown = format!("witness.shown.length >= {all}");
        window.until("all is shown", &shown).await;
        sees_people(window, &["Ada", "Bob"]).await;
    }
    let witness = |value| serde_json::from_value::<Witness>(value).expect("witness.js made it");
    let ada = witness(ada.value("witness", "").await);
    let bob = witness(bob.value("witness", "").await);
    assert_eq!(ada.shown, bob.shown, "{:?} {:?}", ada.notices, bob.notices);
    for seen in [&ada, &bob] {
        assert!(seen.wrong.is_empty(), "{seen:#?}");
    }
    let mut said = [ada.said, bob.said].concat();
    let mut shown = ada.shown;
    said.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, said, "each once");
}
