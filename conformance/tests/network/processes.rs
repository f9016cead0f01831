//! Servers that follow one another, and clients that ask meanwhile.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conformance::{Client, PATIENCE, Subject};

use super::{PROGRAM, text};

/// Clients that ask as long as they are let.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            stop: Arc::default(),
            answered: Arc::default(),
            clients: Vec::new(),
        }
    }

    /// Adds a client that does this again and again; it panics where it is not served.
    pub(super) fn add(&mut self, mut ask: impl FnMut() + Send + 'static) {
        let (stop, answered) = (Arc::clone(&self.stop), Arc::clone(&self.answered));
        self.clients.push(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                ask();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    /// Adds so many clients that connect anew each time.
    pub(super) fn add_connecting(&mut self, clients: usize, address: SocketAddr) {
        for _ in 0..clients {
            self.add(move || {
                let mut client = Client::connect(address);
                assert_eq!(client.get("/conformance/hello").status, 200);
            });
        }
    }

    /// Adds a client that keeps its connection for as long as the server does.
    pub(super) fn add_keeping(&mut self, connect: impl Fn() -> Client + Send + 'static) {
        let mut client = None;
        self.add(move || {
            let mut kept = client.take().unwrap_or_else(&connect);
            let response = kept.get("/conformance/hello");
            assert_eq!(response.text(), "Hello, world!");
            if response.field("connection") != Some("close") {
                client = Some(kept);
            }
        });
    }

    /// Waits until so many more were answered.
    #[track_caller]
    pub(super) fn wait_for(&self, more: usize) {
        let (until, begun) = (self.answered.load(Ordering::Relaxed) + more, Instant::now());
        while self.answered.load(Ordering::Relaxed) < until {
            let ended = self.clients.iter().any(JoinHandle::is_finished);
            assert!(
                !ended && begun.elapsed() < PATIENCE,
                "somebody was not served"
            );
            // Not a spin: what is waited for needs the cores.
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Ends; all must have been served.
    pub(super) fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            assert!(client.join().is_ok(), "somebody was not served");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// Asks until an answer says that it is the last: workers learn one after the other that they are to leave. Each is answered.
#[track_caller]
pub(super) fn ask_until_told(client: &mut Client, path: &str) {
    wait_until("the last answer", || {
        let response = client.get(path);
        assert_eq!(response.status, 200);
        response.field("connection") == Some("close")
    });
    client.expect_end();
}

/// A server whose places are those of this file, and of no flag.
pub(super) fn configured(subject: &Subject, file: &Path) -> Subject {
    let script = format!(
        "exec {} peer --server {} --config {}",
        PROGRAM,
        subject.name(),
        text(file)
    );
    Subject::new(subject.name(), "sh", &["-c", &script])
}

/// A place as a file has it.
pub(super) fn unix(path: &Path) -> String {
    format!("unix:{}", text(path))
}

/// Waits for what must happen.
#[track_caller]
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        // Not a spin: what is waited for needs the cores.
        thread::park_timeout(Duration::from_millis(1));
    }
}
