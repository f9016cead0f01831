//! A server under test: a child process that serves the peer application, started, watched and ended here.
//!
//! The child is told its address by `--bind`, says where it listens on its standard output, and logs to its standard
//! error. That is all that this kit asks of a server's program.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use crate::client::{Client, PATIENCE};
use crate::evidence;

pub use rustix::process::Signal;

/// A server to test: how to start its program.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What reports and the table of known differences call it, such as `server-raw`.
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Subject {
    /// A program that serves [`Peer`](crate::Peer), started with these arguments and `--bind 127.0.0.1:0`.
    #[must_use]
    pub fn new(name: &'static str, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Self {
            name,
            program: program.into(),
            arguments: arguments.iter().map(Into::into).collect(),
        }
    }

    /// The file of its program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts it with no further arguments.
    ///
    /// # Panics
    ///
    /// If it does not come up.
    #[track_caller]
    #[must_use]
    pub fn start(&self) -> Server {
        self.start_with(Options::new())
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not come up.
    #[track_caller]
    #[must_use]
    pub fn start_with(&self, options: Options) -> Server {
        let mut server = self.launch(options);
        match server.wait_for_address() {
            Some(address) => server.address = Some(address),
            None => panic!("{} never said where it listens", self.name),
        }
        server
    }

    /// Starts it and does not wait: for those that are to fail.
    ///
    /// # Panics
    ///
    /// If the program is not there.
    #[track_caller]
    #[must_use]
    pub fn launch(&self, options: Options) -> Server {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        if !options
            .arguments
            .iter()
            .any(|argument| argument == "--bind")
        {
            command.args(["--bind", "127.0.0.1:0"]);
        }
        command
            .args(options.arguments)
            .envs(options.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} cannot be started: {error}", self.program.display()),
        };
        let pid = Pid::from_child(&child);
        Server {
            name: self.name,
            address: None,
            output: Lines::collect(child.stdout.take().expect("it is piped")),
            log: Lines::collect(child.stderr.take().expect("it is piped")),
            process: pidfd_open(pid, PidfdFlags::empty()).expect("the child is not reaped yet"),
            child,
        }
    }
}

/// How a server is started beyond its [`Subject`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Options {
    /// Nothing beyond.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// A running server; killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    name: &'static str,
    address: Option<SocketAddr>,
    output: Lines,
    log: Lines,
    process: OwnedFd,
    child: Child,
}

impl Server {
    /// Where it listens.
    ///
    /// # Panics
    ///
    /// If it was [launched](Subject::launch) and never asked.
    #[track_caller]
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address.expect("the server was started, not launched")
    }

    /// A new connection to it.
    ///
    /// # Panics
    ///
    /// If it does not accept.
    #[track_caller]
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// `GET` of this path over a connection of its own, and the body as text: for what the peer reports.
    ///
    /// # Panics
    ///
    /// If the answer is not 200.
    #[track_caller]
    #[must_use]
    pub fn ask(&self, path: &str) -> String {
        let response = self.connect().get(path);
        assert_eq!(response.status, 200, "the answer to {path}");
        response.text().to_owned()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).expect("the server is running");
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let patience = Timespec::try_from(PATIENCE).expect("it is a few seconds");
        let mut process = [PollFd::new(&self.process, PollFlags::IN)];
        let ended = poll(&mut process, Some(&patience)).expect("polling one descriptor works");
        assert_ne!(ended, 0, "{} did not end in {PATIENCE:?}", self.name);
        let status = self.child.wait().expect("the child is ours");
        self.output.wait_for_end();
        self.log.wait_for_end();
        status
    }

    /// Waits for a line of its log that has this text in it, and returns the line.
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        match self.log.wait_for(|line| line.contains(text)) {
            Some(line) => line,
            None => panic!(
                "no line of the log has {text:?} in it:\n{}",
                self.log.all().join("\n")
            ),
        }
    }

    /// All that it has logged so far; after [`wait`](Self::wait), everything.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.all()
    }

    /// Its standard output so far, as [`log`](Self::log).
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.output.all()
    }

    /// Reads `listening on http://127.0.0.1:PORT (…)`.
    fn wait_for_address(&self) -> Option<SocketAddr> {
        let address = |line: &str| {
            let (_, url) = line.split_once("listening on http://")?;
            url.split([' ', '/']).next()?.parse().ok()
        };
        address(&self.output.wait_for(|line| address(line).is_some())?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; either way nothing of it is left after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.log.wait_for_end();
            evidence::add(format!(
                "--- log of {}\n{}",
                self.name,
                self.log.all().join("\n")
            ));
        }
    }
}

/// The lines of a stream, collected by a thread that ends with the stream.
#[derive(Debug, Clone)]
struct Lines {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Debug, Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(stream: impl Read + Send + 'static) -> Self {
        let lines = Self {
            shared: Arc::default(),
        };
        let collector = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                collector.change(|all| all.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            collector.change(|all| all.ended = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut Collected)) {
        let (collected, changed) = &*self.shared;
        change(&mut collected.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }

    /// The first line that fits; `None` if the stream ends or time is up before.
    fn wait_for(&self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let mut found = None;
        self.wait_until(|all| {
            found = all.lines.iter().find(|line| fits(line)).cloned();
            found.is_some() || all.ended
        });
        found
    }

    /// Waits until nothing more can come.
    fn wait_for_end(&self) {
        self.wait_until(|all| all.ended);
    }

    /// Waits until it is true, or time is up.
    fn wait_until(&self, mut is_so: impl FnMut(&Collected) -> bool) {
        let (collected, changed) = &*self.shared;
        let until = Instant::now() + PATIENCE;
        let mut all = collected.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_so(&all) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            all = changed
                .wait_timeout(all, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// All lines so far.
    fn all(&self) -> Vec<String> {
        self.shared
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines
            .clone()
    }
}
