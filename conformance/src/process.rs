//! A process that a server under test has started: no child of ours.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::client::patience;

/// A process that nobody else ends, such as the one that a restart brings ([`Server::successor`](crate::Server::successor)). It is
/// killed with this.
#[derive(Debug)]
pub struct Process(Pid);

impl Process {
    /// The one with this id.
    ///
    /// # Panics
    ///
    /// If it is no id.
    #[track_caller]
    #[must_use]
    pub fn with_id(id: i32) -> Self {
        Self(Pid::from_raw(id).expect("an id"))
    }

    /// The one that a line of a log names, by `pid=`.
    ///
    /// # Panics
    ///
    /// If it names none.
    #[track_caller]
    #[must_use]
    pub fn named_in(line: &str) -> Self {
        let id = line.split("pid=").nth(1).expect("it names a process");
        let id = id.split(' ').next().and_then(|id| id.parse().ok());
        Self::with_id(id.expect("an id is a number"))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> i32 {
        self.0.as_raw_nonzero().get()
    }

    /// The file of its program.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    #[must_use]
    pub fn program(&self) -> PathBuf {
        let link = format!("/proc/{}/exe", self.id());
        std::fs::read_link(link).expect("it is running")
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(self.0, signal).expect("it is running");
    }

    /// Waits until it is gone.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn wait(&self) {
        let (patience, begun) = (patience(), Instant::now());
        while test_kill_process(self.0).is_ok() {
            assert!(begun.elapsed() < patience, "it did not end in {patience:?}");
            // It is no child of ours, so there is nothing to wait on. Not a spin: what is waited for needs the cores.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill_process(self.0, Signal::KILL);
    }
}
