//! A process that a server under test has started: no child of ours.

use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::client::patience;

/// A process that nobody else ends, such as the one that a restart brings ([`Server::successor`](crate::Server::successor)). It is
/// killed with this.
#[derive(Debug)]
pub struct Process {
    id: Pid,
    /// `None` if it had ended already. Not its id: the kernel gives that to another process once this one has ended, and that would be killed.
    handle: Option<OwnedFd>,
}

impl Process {
    /// The one with this id.
    ///
    /// # Panics
    ///
    /// If it is no id.
    #[track_caller]
    #[must_use]
    pub fn with_id(id: i32) -> Self {
        let id = Pid::from_raw(id).expect("an id");
        let handle = pidfd_open(id, PidfdFlags::empty()).ok();
        Self { id, handle }
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
        self.id.as_raw_nonzero().get()
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
        let handle = self.handle.as_ref().expect("it is running");
        pidfd_send_signal(handle, signal).expect("it is running");
    }

    /// Waits until it is gone.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn wait(&self) {
        let Some(handle) = &self.handle else {
            return;
        };
        let patience = patience();
        let limit = Timespec::try_from(patience).expect("it is a few seconds");
        let ended = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&limit));
        let ended = ended.expect("polling one descriptor works");
        assert_ne!(ended, 0, "it did not end in {patience:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            // It may have ended.
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn child() -> (Child, Process) {
        let child = Command::new("sleep").arg("60").spawn().expect("it starts");
        let process = Process::with_id(child.id().try_into().expect("an id"));
        (child, process)
    }

    #[test]
    fn a_process_is_killed_with_its_owner() {
        let (mut child, process) = child();
        drop(process);
        let status = child.wait().expect("the child is ours");
        assert!(!status.success());
    }

    #[test]
    fn one_that_has_ended_is_waited_for_by_nobody_and_is_no_other() {
        let (mut child, process) = child();
        child.kill().expect("it is running");
        child.wait().expect("the child is ours");
        process.wait();
        let handle = process.handle.as_ref().expect("it was running");
        assert!(
            pidfd_send_signal(handle, Signal::KILL).is_err(),
            "whoever has its id now"
        );
        Process::with_id(process.id()).wait();
    }
}
