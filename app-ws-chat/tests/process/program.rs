//! A chat in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Waits for traffic, and not for ever: who speaks may have failed.
pub(crate) fn wait_for(count: &AtomicU64, least: u64) {
    let start = Instant::now();
    while count.load(Ordering::Relaxed) < least {
        assert!(start.elapsed() < PATIENCE, "{count:?} of {least}");
        std::thread::yield_now();
    }
}

/// What must happen does so within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running chat. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts a chat and waits until it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_app-ws-chat"))
            .args(["--bind", "127.0.0.1:0", "--workers", "2"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // `listening on http://127.0.0.1:8000 (server-raw, 2 workers)`
        let line = lines.next().expect("it says where it listens").unwrap();
        let address = line.split_once("http://").unwrap().1;
        let address = address.split_once(' ').unwrap().0.parse().unwrap();
        Self { child, address }
    }

    /// SIGKILL: it can put nothing in order.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let name = format!("chat-{}-{:x}.db", std::process::id(), fastrand::u64(..));
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(Path::new(&format!("{}{end}", self.path())));
        }
    }
}
