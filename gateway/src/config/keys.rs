//! The table of all that can be set. A section is a function here or a file of its own below.

mod limits;
mod observing;
mod proxies;
mod recycling;
mod sockets;
mod timers;
mod tls;
mod websocket;

use super::form::{Choice, Count, File, TimeOrZero};
use super::key::Key;

/// The key that names the file: it cannot stand in it.
pub(crate) const FILE: &str = "config";

/// Keys that belong together.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) keys: Vec<Key>,
}

/// All keys, in the order of the help.
pub(crate) fn all() -> Vec<Key> {
    sections()
        .into_iter()
        .flat_map(|section| section.keys)
        .collect()
}

/// All sections.
pub(crate) fn sections() -> Vec<Section> {
    let section = |title, keys| Section { title, keys };
    vec![
        section("Serving", serving()),
        section("Sockets", sockets::keys()),
        section("TLS", tls::keys()),
        section("Proxies", proxies::keys()),
        section("Logs, metrics, stalls", observing::keys()),
        section("Recycling", recycling::keys()),
        section("Limits", limits::keys()),
        section("Timers", timers::keys()),
        section("WebSockets", websocket::keys()),
    ]
}

fn serving() -> Vec<Key> {
    vec![
        Key::one::<File, _>(FILE, "A file with keys of this page, in TOML", |config| {
            &mut config.file
        }),
        Key::one::<Choice, _>(
            "server",
            "raw speaks HTTP by hand and is the fastest; hyper is the engine that half the world runs. Both do all else \
             alike",
            |config| &mut config.server,
        ),
        Key::one::<Count, _>(
            "workers",
            "Worker threads, each with its own runtime. By default one for each core that the process may use, by its \
             affinity and its cgroup's quota",
            |config| &mut config.settings.workers,
        ),
        Key::one::<TimeOrZero, _>(
            "grace",
            "How long open exchanges may go on after SIGINT or SIGTERM; what orchestrators give before they kill. A \
             second signal ends them at once",
            |config| &mut config.settings.grace,
        ),
    ]
}
