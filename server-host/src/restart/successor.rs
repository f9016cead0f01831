//! The new process, as the old one sees it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
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

/// The program that this process runs, wherever its file is now.
const ITSELF: &str = "/proc/self/exe";

/// How long a process that says that it is ready has to live before it is believed: it may die of the first that it does.
const PROOF: Duration = Duration::from_millis(500);

/// How long a process that has closed its socket may take to end and say why, before it is killed.
const FAREWELL: Duration = Duration::from_secs(3);

/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

impl Program {
    pub(super) fn this() -> io::Result<Self> {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let by_name = arguments.first().and_then(|name| named(name, &paths));
        Ok(Self {
            file: match by_name {
                Some(file) => file,
                None => without_mark(std::env::current_exe()?),
            },
            arguments,
        })
    }
}

/// The path of this program as who started it wrote it: links in it may lead elsewhere after a deploy. `None` if it is another
/// program, as it may be where the name was made up.
fn named(name: &OsStr, paths: &OsStr) -> Option<PathBuf> {
    let is_this = |file: &PathBuf| identity(file).is_ok_and(|is| identity(ITSELF).ok() == Some(is));
    // As a shell reads it.
    if name.as_bytes().contains(&b'/') {
        return std::path::absolute(name).ok().filter(is_this);
    }
    let mut found = std::env::split_paths(paths)
        .filter_map(|folder| std::path::absolute(folder.join(name)).ok());
    found.find(is_this)
}

/// Device and inode of what is there.
fn identity(file: impl AsRef<Path>) -> io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(file)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Linux marks the name of a file that was removed, or replaced, since.
fn without_mark(file: PathBuf) -> PathBuf {
    match file.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(name) => PathBuf::from(OsString::from_vec(name.to_vec())),
        None => file,
    }
}

/// A process that is to go on in this one's place. Dropped before it serves, it is killed; if it serves, and was not believed
/// yet, it is told to end in order.
#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    socket: UnixStream,
    said: Vec<u8>,
    /// It has so long to be ready, and then to stay so.
    until: Instant,
    /// It has closed its socket, and has so long to end.
    farewell: Option<Instant>,
    /// It is not for this process to end it any more.
    is_let_go: bool,
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
            farewell: None,
            is_let_go: false,
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
        while !self.serves() {
            match tokio::time::timeout_at(self.until, self.socket.read_buf(&mut self.said)).await {
                Ok(Ok(1..)) if self.serves() => self.until = Instant::now() + PROOF,
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => {
                    let Some(how) = self.ended().await else {
                        self.end();
                        let why = "gave up before it was ready, did not end, and was killed";
                        return Ending::Failed(why.into());
                    };
                    return Ending::Failed(format!("ended before it was ready ({how})"));
                }
                Err(_) => {
                    self.end();
                    return Ending::Failed("was not ready in time, and was killed".into());
                }
            }
        }
        // Nothing more is said: what can come is its end.
        let mut more = [0];
        let said = self.socket.read(&mut more);
        if tokio::time::timeout_at(self.until, said).await.is_err() {
            self.is_let_go = true;
            return Ending::Ready;
        }
        match self.ended().await {
            Some(how) => Ending::Failed(format!("ended as soon as it served ({how})")),
            None => {
                self.leave_to_itself();
                Ending::Failed("began to end as soon as it served".into())
            }
        }
    }

    /// Whether it has said that it serves.
    fn serves(&self) -> bool {
        self.said.starts_with(READY)
    }

    /// Waits until one that has closed its socket has ended; how it ended. `None` if it goes on. Cancel safe.
    async fn ended(&mut self) -> Option<String> {
        let until = *self
            .farewell
            .get_or_insert_with(|| Instant::now() + FAREWELL);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status.to_string()),
                Err(error) => return Some(error.to_string()),
                Ok(None) if Instant::now() >= until => return None,
                Ok(None) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Lets it answer those whom it has taken. It stays this process's child, whose end is to be seen.
    fn leave_to_itself(&mut self) {
        self.is_let_go = true;
        let id = Pid::from_child(&self.child);
        tokio::task::spawn_blocking(move || waitpid(Some(id), WaitOptions::empty()));
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
        if self.is_let_go {
            return;
        }
        // Clients whom it has taken are answered. One that has ended and was not waited for is still a child.
        let is_gone = self.child.try_wait().is_ok_and(|status| status.is_some());
        if self.serves() && !is_gone {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        } else {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

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
            ("exec 0</dev/null; sleep .1; exit 7", LONG, "exit status: 7"),
            ("exec 0</dev/null; exec sleep 60", LONG, "did not end"),
            ("printf ready >&0; exit 4", LONG, "exit status: 4"),
            (
                "exec sleep 60",
                Duration::from_millis(50),
                "not ready in time",
            ),
        ] {
            let mut successor = shell(script, patience);
            let Ending::Failed(why) = successor.ready().await else {
                panic!("{script} is not ready");
            };
            assert!(why.contains(expected), "{script}: {why}");
        }
    }

    #[tokio::test]
    async fn a_process_that_begins_to_end_as_soon_as_it_serves_is_left_to_itself() {
        let mut successor = shell("printf ready >&0; exec 0</dev/null; exec sleep 60", LONG);
        let id = Pid::from_child(&successor.child);
        let Ending::Failed(why) = successor.ready().await else {
            panic!("it does not go on");
        };
        assert!(why.contains("began to end"), "{why}");
        drop(successor);
        kill_process(id, Signal::KILL).expect("it still answers");
        // Whoever waits for it sees its end: then there is no such process.
        let seen = async {
            while test_kill_process(id).is_ok() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(30), seen).await;
        seen.expect("its end is seen");
    }

    #[tokio::test]
    async fn a_process_that_serves_and_is_not_believed_yet_is_told_to_end() {
        let file = std::env::temp_dir().join(format!("gateway-told-{}", std::process::id()));
        let script = format!(
            "trap 'echo > {}; exit' TERM; printf ready >&0; while :; do sleep .05; done",
            file.display()
        );
        let mut successor = shell(&script, LONG);
        while !successor.serves() {
            let said = successor.socket.read_buf(&mut successor.said).await;
            assert_ne!(said.expect("it lives"), 0);
        }
        drop(successor);
        let told = async {
            while !file.exists() {
                tokio::time::sleep(LOOK).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(30), told).await;
        told.expect("it ends in its own way");
        std::fs::remove_file(&file).expect("it is there");
    }

    #[test]
    fn the_program_is_found_by_the_name_that_it_was_started_by() {
        let this = std::env::current_exe().expect("it runs");
        let folder = std::env::temp_dir().join(format!("gateway-named-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let link = folder.join("server");
        std::os::unix::fs::symlink(&this, &link).expect("a link");
        std::fs::write(folder.join("other"), "").expect("a file");
        let paths = std::env::join_paths([Path::new("/no/such/folder"), &folder]);
        let paths = paths.expect("paths");
        assert_eq!(named(link.as_os_str(), &paths), Some(link.clone()));
        assert_eq!(named("server".as_ref(), &paths), Some(link));
        for other in ["other", "missing", "./server", "/bin/sh", ""] {
            assert_eq!(named(other.as_ref(), &paths), None, "{other}");
        }
        std::fs::remove_dir_all(&folder).expect("it is there");
    }

    #[test]
    fn a_file_that_was_replaced_is_found_by_its_name() {
        assert_eq!(without_mark("/app (deleted)".into()), PathBuf::from("/app"));
        assert_eq!(without_mark("/app".into()), PathBuf::from("/app"));
    }
}
