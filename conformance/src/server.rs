//! A server under test: a child process that serves the peer application, started, watched and ended here; or one that
//! runs already.
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
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, pidfd_open, pidfd_send_signal, prlimit};

use crate::client::{Client, PATIENCE, patience};
use crate::evidence::{self, needs_its_own};
use crate::peer::RESET;
use crate::process::Process;

pub use rustix::process::Signal;

/// A server to test: one that runs already, one that can be started, or both.
#[derive(Debug, Clone)]
pub struct Subject {
    name: String,
    running: Option<SocketAddr>,
    program: Option<Program>,
    patience: Duration,
}

/// How a server's program is started.
#[derive(Debug, Clone)]
struct Program {
    file: PathBuf,
    arguments: Vec<OsString>,
    /// Its standard input; nothing if there is none.
    input: Option<Arc<OwnedFd>>,
}

impl Program {
    fn new(file: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Self {
            file: file.into(),
            arguments: arguments.iter().map(Into::into).collect(),
            input: None,
        }
    }
}

impl Subject {
    /// A program that serves [`Peer`](crate::Peer), started with these arguments and `--bind 127.0.0.1:0` for each case.
    ///
    /// The name is what reports call it, such as `server-raw`.
    #[must_use]
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        Self {
            name: name.into(),
            running: None,
            program: Some(Program::new(program, arguments)),
            patience: PATIENCE,
        }
    }

    /// A server that runs and serves [`Peer`](crate::Peer). The cases must be alone with it, one after the other.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self {
            name: address.to_string(),
            running: Some(address),
            program: None,
            patience: PATIENCE,
        }
    }

    /// How to start the same server again: for the cases that need one of their own.
    #[must_use]
    pub fn started_by(mut self, program: impl Into<PathBuf>, arguments: &[&str]) -> Self {
        self.program = Some(Program::new(program, arguments));
        self
    }

    /// What the program that is started finds as its standard input, instead of nothing.
    #[must_use]
    pub fn with_input(mut self, input: impl Into<OwnedFd>) -> Self {
        if let Some(program) = &mut self.program {
            program.input = Some(Arc::new(input.into()));
        }
        self
    }

    /// How long its cases wait for it, but to come up: [`PATIENCE`] unless this is said. Shorter where
    /// failures are what is expected, and none of them should take as long.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long its cases wait.
    pub(crate) const fn patience(&self) -> Duration {
        self.patience
    }

    /// What reports call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same server, to be started for each case, if it can be.
    pub(crate) fn to_start(&self) -> Option<Self> {
        let program = self.program.clone()?;
        self.running.is_some().then(|| Self {
            name: self.name.clone(),
            running: None,
            program: Some(program),
            patience: self.patience,
        })
    }

    /// The file of its program.
    #[must_use]
    pub fn program(&self) -> &Path {
        match self.program.as_ref().filter(|_| self.running.is_none()) {
            Some(program) => &program.file,
            None => needs_its_own("reads the file of its program"),
        }
    }

    /// The running server with all forgotten that was reported before; or one that is started with no further arguments.
    ///
    /// # Panics
    ///
    /// If it does not come up, or does not serve [`Peer`](crate::Peer).
    #[track_caller]
    #[must_use]
    pub fn start(&self) -> Server {
        let Some(address) = self.running else {
            return self.start_with(Options::new());
        };
        let server = Server::running(address);
        let _ = server.ask(RESET);
        server
    }

    /// The running server, with all forgotten that was reported before, and the events of each further exchange reported.
    #[track_caller]
    pub(crate) fn start_traced(&self) -> Server {
        let server = Server::running(self.running.expect("traces are of running servers"));
        let _ = server.ask(&format!("{RESET}?traced"));
        server
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
        match server.process().wait_for_url() {
            Some(url) => server.address = address_of(&url),
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
        let Some(program) = self.program.as_ref().filter(|_| self.running.is_none()) else {
            needs_its_own("starts the server in its own way");
        };
        let mut command = Command::new(&program.file);
        command.args(&program.arguments);
        if !options
            .arguments
            .iter()
            .any(|argument| argument == "--bind")
        {
            command.args(["--bind", "127.0.0.1:0"]);
        }
        let input = program.input.as_ref().map_or_else(Stdio::null, |input| {
            input.try_clone().expect("descriptors are left").into()
        });
        let log = options.log.map_or_else(Stdio::piped, |log| {
            log.try_clone().expect("descriptors are left").into()
        });
        command
            .args(options.arguments)
            .envs(options.environment)
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{} cannot be started: {error}", program.file.display()),
        };
        let pid = Pid::from_child(&child);
        Server {
            name: self.name.clone(),
            address: None,
            process: Some(Running {
                output: Lines::collect(child.stdout.take().expect("it is piped")),
                log: match child.stderr.take() {
                    Some(log) => Lines::collect(log),
                    None => Lines::collect(std::io::empty()),
                },
                handle: pidfd_open(pid, PidfdFlags::empty()).expect("the child is not reaped yet"),
                child,
            }),
        }
    }
}

/// How a server is started beyond its [`Subject`].
#[derive(Debug, Clone, Default)]
pub struct Options {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: Option<Arc<OwnedFd>>,
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

    /// Has it log to this, instead of to what [`Server::log`] reads.
    #[must_use]
    pub fn log_to(mut self, log: impl Into<OwnedFd>) -> Self {
        self.log = Some(Arc::new(log.into()));
        self
    }
}

/// A running server; killed when it is dropped, if the case started it.
#[derive(Debug)]
pub struct Server {
    name: String,
    address: Option<SocketAddr>,
    process: Option<Running>,
}

/// The child process of a server.
#[derive(Debug)]
struct Running {
    output: Lines,
    log: Lines,
    handle: OwnedFd,
    child: Child,
}

impl Server {
    /// One that is known by its address alone.
    fn running(address: SocketAddr) -> Self {
        Self {
            name: address.to_string(),
            address: Some(address),
            process: None,
        }
    }

    /// What can only be done to a child of ours.
    #[track_caller]
    fn process(&self) -> &Running {
        match &self.process {
            Some(process) => process,
            None => needs_its_own("sends it signals, reads its log, or watches its end"),
        }
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// If it was [launched](Subject::launch) and never asked, or listens at a unix socket first.
    #[track_caller]
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
            .expect("the server was started, not launched, and listens at an address")
    }

    /// The addresses of TCP that it listens at, once it has said so of this many places.
    ///
    /// # Panics
    ///
    /// If it does not say so.
    #[track_caller]
    #[must_use]
    pub fn addresses(&self, places: usize) -> Vec<SocketAddr> {
        let output = &self.process().output;
        let urls = |lines: &[String]| -> Vec<String> {
            lines.iter().filter_map(|line| url(line)).collect()
        };
        output.wait_until(patience(), |all| {
            all.ended || urls(&all.lines).len() >= places
        });
        let urls = urls(&output.all());
        assert!(urls.len() >= places, "it listens at {urls:?} alone");
        urls.iter().filter_map(|url| address_of(url)).collect()
    }

    /// Its process.
    ///
    /// # Panics
    ///
    /// If it is none of ours.
    #[track_caller]
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process().child.id()
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
        pidfd_send_signal(&self.process().handle, signal).expect("the server is running");
    }

    /// Leaves it room for so many descriptors more than it has.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    pub fn limit_descriptors(&self, more: usize) {
        let pid = Pid::from_child(&self.process().child);
        let open = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()));
        let open = open.expect("the server is running").count();
        let limit = u64::try_from(open + more).expect("they are few");
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        prlimit(Some(pid), Resource::Nofile, limit).expect("the child is ours");
    }

    /// The memory that it has of its own right now, in KiB.
    ///
    /// # Panics
    ///
    /// If it has ended.
    #[track_caller]
    #[must_use]
    pub fn resident_kib(&self) -> usize {
        let pid = Pid::from_child(&self.process().child);
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
        let status = status.expect("the server is running");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        kib.expect("the kernel says so")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.wait_for_process();
        let process = self.process();
        process.output.wait_for_end();
        process.log.wait_for_end();
        status
    }

    /// As [`wait`](Self::wait), where another process goes on and writes into the same log.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    #[track_caller]
    pub fn wait_for_process(&mut self) -> ExitStatus {
        let patience = patience();
        let limit = Timespec::try_from(patience).expect("it is a few seconds");
        let Some(process) = &mut self.process else {
            needs_its_own("watches its end");
        };
        let mut ends = [PollFd::new(&process.handle, PollFlags::IN)];
        let ended = poll(&mut ends, Some(&limit)).expect("polling one descriptor works");
        assert_ne!(ended, 0, "{} did not end in {patience:?}", self.name);
        process.child.wait().expect("the child is ours")
    }

    /// Waits for a line of its log that has this text in it, and returns the line.
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        match self
            .process()
            .log
            .wait_for(patience(), |line| line.contains(text))
        {
            Some(line) => line,
            None => panic!(
                "no line of the log has {text:?} in it:\n{}",
                self.log().join("\n")
            ),
        }
    }

    /// Waits until it says that another process has taken over, and gives that one.
    ///
    /// # Panics
    ///
    /// If none does in time.
    #[track_caller]
    #[must_use]
    pub fn successor(&self) -> Process {
        Process::named_in(&self.wait_for_log("another process has taken over"))
    }

    /// All that it has logged so far; after [`wait`](Self::wait), everything.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.process().log.all()
    }

    /// Its standard output so far, as [`log`](Self::log).
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.process().output.all()
    }
}

impl Running {
    fn wait_for_url(&self) -> Option<String> {
        let said = self.output.wait_for(PATIENCE, |line| url(line).is_some());
        url(&said?)
    }
}

/// Reads `listening on http://127.0.0.1:PORT (…)`.
fn url(line: &str) -> Option<String> {
    let (_, url) = line.split_once("listening on ")?;
    url.split(' ').next().map(str::to_owned)
}

/// The address of a URL that has one.
fn address_of(url: &str) -> Option<SocketAddr> {
    let (_, authority) = url.split_once("://")?;
    authority.split('/').next()?.parse().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else {
            return;
        };
        // It may have ended already; either way nothing of it is left after the wait.
        let _ = process.child.kill();
        let _ = process.child.wait();
        if thread::panicking() {
            process.log.wait_for_end();
            let log = process.log.all().join("\n");
            evidence::add_log(format!("--- log of {}\n{log}", self.name));
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
    fn wait_for(&self, patience: Duration, fits: impl Fn(&str) -> bool) -> Option<String> {
        let mut found = None;
        self.wait_until(patience, |all| {
            found = all.lines.iter().find(|line| fits(line)).cloned();
            found.is_some() || all.ended
        });
        found
    }

    /// Waits until nothing more can come.
    fn wait_for_end(&self) {
        self.wait_until(patience(), |all| all.ended);
    }

    /// Waits until it is true, or time is up.
    fn wait_until(&self, patience: Duration, mut is_so: impl FnMut(&Collected) -> bool) {
        let (collected, changed) = &*self.shared;
        let until = Instant::now() + patience;
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
