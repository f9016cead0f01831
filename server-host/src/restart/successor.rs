//! The new process, as the old one sees it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::Kept;
use super::handover::{self, PARENT, READY};

/// This program, to be started once more.
#[derive(Debug)]
pub(super) struct Program {
    file: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    pub(super) fn this() -> io::Result<Self> {
        Ok(Self {
            file: without_mark(std::env::current_exe()?),
            arguments: std::env::args_os().collect(),
        })
    }
}

/// Linux marks the name of a file that was removed, or replaced, since.
fn without_mark(file: PathBuf) -> PathBuf {
    match file.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(name) => PathBuf::from(OsString::from_vec(name.to_vec())),
        None => file,
    }
}

/// A process that is to go on in this one's place. Dropped before it is ready, it is killed.
#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    socket: UnixStream,
    said: Vec<u8>,
    until: Instant,
    is_ready: bool,
}

/// What became of a new process.
#[derive(Debug)]
pub(super) enum Ending {
    /// It serves.
    Ready,
    /// It does not, and has ended.
    Failed(String),
}

impl Successor {
    /// Starts it, and sends it the listeners.
    pub(super) fn start(program: &Program, kept: &[Kept], patience: Duration) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        let mut command = Command::new(&program.file);
        let mut arguments = program.arguments.iter();
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command
            .args(arguments)
            .env(PARENT, std::process::id().to_string())
            // These are for this process alone; of systemd's listeners the new one gets ours.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS")
            .env_remove("WATCHDOG_PID")
            .stdin(std::os::fd::OwnedFd::from(theirs));
        let child = command.spawn()?;
        // The command has the other end too, and it is to be seen when the new process drops it.
        drop(command);
        ours.set_nonblocking(true)?;
        let successor = Self {
            child,
            socket: UnixStream::from_std(ours.try_clone()?)?,
            said: Vec::new(),
            until: Instant::now() + patience,
            is_ready: false,
        };
        match handover::send(&ours, kept) {
            // It has ended already; how is said to who waits for it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            sent => sent?,
        }
        Ok(successor)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it serves, or does not. Cancel safe.
    pub(super) async fn ready(&mut self) -> Ending {
        while self.said != READY {
            match tokio::time::timeout_at(self.until, self.socket.read_buf(&mut self.said)).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => {
                    let how = self.end();
                    return Ending::Failed(format!("ended before it was ready ({how})"));
                }
                Err(_) => {
                    self.end();
                    return Ending::Failed("was not ready in time, and was killed".into());
                }
            }
        }
        self.is_ready = true;
        Ending::Ready
    }

    /// Ends it, if it has not ended; how it ended.
    fn end(&mut self) -> String {
        // One that is about to end does so in its own way all the same.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.is_ready {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that does this in place of a server.
    fn shell(script: &str, patience: Duration) -> Successor {
        let arguments = ["sh", "-c", script].map(OsString::from).to_vec();
        let file = "/bin/sh".into();
        Successor::start(&Program { file, arguments }, &[], patience).expect("a shell")
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_process_is_ready_when_it_says_so() {
        // It has read what it was sent, and answers the same way.
        let mut successor = shell(
            "exec 1>&0; read -r _ < /dev/null; printf ready; sleep 60",
            LONG,
        );
        assert!(matches!(successor.ready().await, Ending::Ready));
        successor.end();
    }

    #[tokio::test]
    async fn a_process_that_ends_or_hangs_is_not_waited_for() {
        for (script, patience, expected) in [
            ("exit 3", LONG, "exit status: 3"),
            ("kill -9 $$", LONG, "signal: 9"),
            ("sleep 60", Duration::from_millis(50), "not ready in time"),
        ] {
            let mut successor = shell(script, patience);
            let Ending::Failed(why) = successor.ready().await else {
                panic!("{script} is not ready");
            };
            assert!(why.contains(expected), "{script}: {why}");
        }
    }

    #[test]
    fn a_file_that_was_replaced_is_found_by_its_name() {
        assert_eq!(without_mark("/app (deleted)".into()), PathBuf::from("/app"));
        assert_eq!(without_mark("/app".into()), PathBuf::from("/app"));
    }
}
