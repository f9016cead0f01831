//! A restart in which no client is refused: on SIGUSR2 a new process gets the listeners, says when it is ready, and only then the
//! old one stops accepting. If the new one fails, the old one carries on.
//!
//! Both processes have the same listening sockets meanwhile, so what the kernel has accepted waits for whichever of them goes
//! on. The new process is the same program with the same arguments, from the file that is there now; configuration and
//! certificates are read anew. Puma: USR2; nginx: USR2 and QUIT; gunicorn: USR2.
//!
//! The first process of a container cannot be followed by another: the kernel ends all of them with it.

mod handover;
mod successor;

use std::io;
use std::os::fd::OwnedFd;

use tokio::signal::unix::Signal as SignalStream;

use crate::listen::Bound;
use crate::{Place, Settings};
use successor::{Ending, Program, Successor};

pub(crate) use handover::Predecessor;

/// A listener and the place that it was bound for.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) place: Key,
    pub(crate) listener: OwnedFd,
}

/// A place to listen, told from others of the same text by how many of those come before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

/// What is served at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Application,
    Metrics,
}

impl Key {
    /// Of a place, of which so many are bound for the same purpose before it.
    pub(crate) fn new(purpose: Purpose, place: &Place, before: usize) -> Self {
        Self(format!("{purpose:?} {before} {place}"))
    }
}

/// Waits for the signal to restart, and sees to it that it comes to something.
#[derive(Debug)]
pub(crate) struct Restart {
    asked: SignalStream,
    /// Of this process.
    id: u32,
    program: io::Result<Program>,
    kept: Vec<Kept>,
    patience: std::time::Duration,
    successor: Option<Successor>,
}

impl Restart {
    /// Restarts at this signal.
    pub(crate) fn new(settings: &Settings, asked: SignalStream) -> Self {
        Self {
            asked,
            id: std::process::id(),
            // Now: a file that is replaced later is found by its name.
            program: Program::this(),
            kept: Vec::new(),
            patience: settings.timeouts.startup + READING,
            successor: None,
        }
    }

    /// Whether another process can go on when this one has ended.
    pub(crate) fn is_possible(&self) -> bool {
        self.id != FIRST
    }

    /// Keeps a second handle of these listeners, for the next process.
    pub(crate) fn keep(&mut self, bound: &[Bound]) -> io::Result<()> {
        for bound in bound {
            for listener in &bound.listeners {
                self.kept.push(Kept {
                    place: bound.key.clone(),
                    listener: listener.socket.try_clone()?,
                });
            }
        }
        Ok(())
    }

    /// Resolves with the id of a process that is ready to go on in this one's place. Cancel safe.
    pub(crate) async fn taken_over(&mut self) -> u32 {
        loop {
            let Some(successor) = &mut self.successor else {
                let _ = self.asked.recv().await;
                self.start();
                continue;
            };
            tokio::select! {
                ending = successor.ready() => match ending {
                    Ending::Ready => return successor.id(),
                    Ending::Failed(why) => {
                        tracing::error!("the new process {why}: this one carries on");
                        self.successor = None;
                    }
                },
                _ = self.asked.recv() => tracing::warn!("a new process is starting already"),
            }
        }
    }

    /// Starts a new process, as the signal does, unless one is starting already.
    pub(crate) fn begin(&mut self) {
        if self.successor.is_none() {
            self.start();
        }
    }

    fn start(&mut self) {
        if !self.is_possible() {
            tracing::error!(
                "no restart: this is the first process of its container, which ends with it; start a new container"
            );
            return;
        }
        let started = match &self.program {
            Ok(program) => Successor::start(program, &self.kept, self.patience),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        match started {
            Ok(successor) => {
                tracing::info!(
                    pid = successor.id(),
                    "restarting: a new process is starting"
                );
                self.successor = Some(successor);
            }
            Err(error) => tracing::error!("no new process: {error}; this one carries on"),
        }
    }
}

/// The id of the process that a container, or a system, begins with.
const FIRST: u32 = 1;

/// What a new process may take beside its application's startup: to be loaded, and to read its files.
const READING: std::time::Duration = std::time::Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    #[tokio::test]
    async fn the_first_process_starts_no_other() {
        let asked = signal(SignalKind::user_defined2()).expect("a signal");
        let mut restart = Restart::new(&Settings::default(), asked);
        assert!(restart.is_possible());
        restart.id = FIRST;
        restart.begin();
        assert!(!restart.is_possible() && restart.successor.is_none());
    }
}
