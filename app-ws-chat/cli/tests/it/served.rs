//! The chat in a process of its own: this test, started again by the launcher.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use app_ws_chat::{Chat, Keys};

/// Makes a moderator.
pub(crate) const TOKEN: &str = "0123456789abcdef";

/// Says to the process that it is the chat.
const SERVES: &str = "CHAT_CLI_TEST_SERVES";

/// A chat that listens, until it is dropped.
pub(crate) struct Served {
    process: Child,
    pub(crate) address: String,
}

impl Served {
    /// Starts the chat on this server, at a free port.
    pub(crate) fn on(server: &str) -> Self {
        Self::with(&format!("--server {server}"), "127.0.0.1:0")
    }

    /// The same over TLS.
    pub(crate) fn secure(server: &str, certificate: &str, key: &str) -> Self {
        let flags = format!("--server {server} --tls-cert {certificate} --tls-key {key}");
        Self::with(&flags, "127.0.0.1:0")
    }

    fn with(flags: &str, bind: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "served::the_chat", "--nocapture"])
            .env(SERVES, format!("{flags} --bind {bind}"))
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        let address = address.expect("the launcher says where it listens");
        // Whoever writes to a closed output fails; the thread ends with the process.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address }
    }

    /// Kills it in the middle of everything, and starts another in its place.
    pub(crate) fn replace(&mut self, server: &str) {
        let bind = self.address.trim_start_matches("http://").to_owned();
        self.kill();
        *self = Self::with(&format!("--server {server}"), &bind);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    fn kill(&mut self) {
        // It may have gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn the_chat() {
    let Ok(how) = std::env::var(SERVES) else {
        return;
    };
    let flags = ["chat", "--workers", "2", "--access-log", "off"];
    let flags = flags.into_iter().chain(how.split(' '));
    let keys = Keys::default().with_moderators(TOKEN).unwrap();
    gateway::run_from(Chat::new().with_keys(keys), flags);
}
