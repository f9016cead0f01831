//! The signals that a server listens to, but for the one that restarts it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM: the server is to end.
pub(crate) struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP, if there is anything to read again; without it, the end of the terminal ends the server.
pub(crate) struct Reloads(Option<Signal>);

impl Reloads {
    pub(crate) fn new(are_wanted: bool) -> io::Result<Self> {
        let hangup = are_wanted.then(|| signal(SignalKind::hangup()));
        hangup.transpose().map(Self)
    }

    pub(crate) async fn next(&mut self) {
        match &mut self.0 {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    }
}
