//! A server to read: how the contract is served, from `bind` to the last goodbye.
//!
//! It knows three packages of this workspace: `gateway-spec`, the contract; `http1`, the bytes of HTTP/1.1; `websocket`, which
//! makes WebSockets of exchanges. Each connection has a thread, which waits for its socket by `poll`. tokio is here because
//! applications may count on it (SRV-11), and for what outlives its connection. Numbers such as SRV-11 are the clauses of
//! `gateway-spec/SPEC.md`, each named where it is kept.
//!
//! Read it in this order:
//!
//! - here: the life of the process. Bind, start the application, accept, drain, stop.
//! - `lifespan`: what the application says of its own life.
//! - `server`: what all connections share, and the call of the application.
//! - `connection`: one connection, in the order in which things happen.
//! - `exchange`: the contract's [`HttpTransport`](gateway_spec::HttpTransport), and so the heart of it.
//! - `output`, `bell`: bytes to be sent, and how others call a thread that waits.
//!
//! It serves the application of the conformance kit, so that `conformance check` can be run on it; any other would do. What it
//! does not have is no part of the contract: an access log, workers, HTTP/2, TLS.
#![forbid(unsafe_code)]

mod bell;
mod connection;
mod exchange;
mod lifespan;
mod output;
mod server;

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{LIMITS, Peer, TIMEOUTS};
use gateway_spec::{BoxApplication, Signal, State};
use rustix::event::PollFlags;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use bell::Bell;
use connection::Connection;
use server::{Count, Counted, Limits, Server, Times};

/// What the main thread waits for.
enum Event {
    /// SIGTERM or SIGINT.
    Signal,
    /// The application has started, with this state for all its scopes (LIFE-5).
    Started(State),
    /// It has no lifespan (LIFE-2).
    Refused,
    /// It has stopped, as it was asked to (LIFE-7).
    Stopped,
    /// The call for its lifespan has returned.
    LifespanEnded(Result<(), String>),
    /// The last of the connections, or of the calls, has ended.
    Idle,
}

/// How long nobody is accepted when there is no room for more.
const PAUSE: Duration = Duration::from_millis(100);

/// At the least, so long may it take to stop, however little is left of the grace.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    // What adapters have to say.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ERROR {why}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    let flags = Flags::read()?;
    let app = BoxApplication::new(Peer::new().started_by(this_program()));

    let listener = TcpListener::bind(flags.bind).map_err(failed("bind"))?;
    let address = listener.local_addr().map_err(failed("bind"))?;
    // SRV-11. Its one thread has the timers, the lifespan, and the calls that outlive their exchange.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(failed("start"))?;
    let (main, events) = mpsc::channel();
    catch_signals(&runtime, &main).map_err(failed("start"))?;

    // LIFE-1: before anybody is accepted.
    let (drain, shutdown) = (Signal::new(), Signal::new());
    lifespan::begin(
        app.clone(),
        runtime.handle(),
        main.clone(),
        &drain,
        &shutdown,
    );
    let Some((state, mut life)) = start(&events, flags.times.startup)? else {
        return Ok(());
    };
    let server = Arc::new(Server {
        app,
        state,
        times: flags.times,
        limits: flags.limits,
        runtime: runtime.handle().clone(),
        drain,
        forced: Signal::new(),
        over: Signal::new(),
        connections: Count::new(main.clone()),
        calls: Count::new(main),
    });
    let door = Bell::new().map_err(failed("start"))?;
    let accepting = thread::spawn({
        let (server, door) = (Arc::clone(&server), Arc::clone(&door));
        move || accept(&listener, &server, &door)
    });
    println!("listening on http://{address} (thread-server)");

    // Until somebody wants it to end.
    while let Life::Absent | Life::Goes = life {
        match events.recv() {
            Ok(Event::Signal) => break,
            Ok(event) => life.hear(event),
            Err(_) => return Err("nobody is left to say anything".into()),
        }
    }
    eprintln!("shutting down");
    let too_early = matches!(life, Life::Ended { .. });

    // The drain (SRV-16): nobody new, and the rest may finish what it is at. Applications are told of the time that is
    // theirs; the rest of the grace is for goodbyes.
    let deadline = Instant::now() + flags.grace;
    let apps_deadline = deadline - (flags.grace / 10).min(LAST_WORDS);
    server.drain.raise(apps_deadline); // SRV-4
    door.ring();
    // It ends by itself, and has no result.
    let _ = accepting.join();
    let all_ended = |_: &Life| server.connections.is_zero() && server.calls.is_zero();
    if !wait(&events, apps_deadline, &mut life, &all_ended)? {
        server.forced.raise(());
        if !wait(&events, deadline, &mut life, &all_ended)? {
            eprintln!("WARN the grace is over: what is still open is dropped");
            server.over.raise(());
        }
    }

    // The application's turn (LIFE-6), bounded as well (LIFE-7).
    let last = deadline.max(Instant::now() + LAST_WORDS);
    shutdown.raise(last);
    let has_ended = |life: &Life| !matches!(life, Life::Goes);
    wait(&events, last, &mut life, &has_ended)?;
    // What has not returned is dropped now, and not before (SRV-1); what blocks must not hold the process.
    runtime.shutdown_timeout(LAST_WORDS / 4);
    match life {
        Life::Ended { why: Err(why), .. } => Err(format!("the application's lifespan: {why}")),
        Life::Ended { .. } if too_early => Err("its lifespan ended while it was served".into()), // LIFE-4
        Life::Goes => Err("the application did not stop in time".into()),
        Life::Ended { stopped: false, .. } => Err("it did not say that it stopped".into()),
        Life::Absent | Life::Ended { .. } => Ok(()),
    }
}

/// Where the application's own life stands.
enum Life {
    /// There is none to speak of: it was refused.
    Absent,
    Goes,
    Ended {
        why: Result<(), String>,
        stopped: bool,
    },
}

impl Life {
    fn hear(&mut self, event: Event) {
        match (event, &mut *self) {
            (Event::Stopped, Self::Goes) => {
                *self = Self::Ended {
                    why: Ok(()),
                    stopped: true,
                };
            }
            (Event::LifespanEnded(why), Self::Goes) => {
                *self = Self::Ended {
                    why,
                    stopped: false,
                };
            }
            (Event::LifespanEnded(ended), Self::Ended { why, .. }) => *why = ended,
            _ => {}
        }
    }
}

/// Waits for the application to start; `None` if a signal came first, when nobody is served yet.
fn start(events: &Receiver<Event>, at_most: Duration) -> Result<Option<(State, Life)>, String> {
    let until = Instant::now() + at_most;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(Event::Started(state)) => return Ok(Some((state, Life::Goes))),
            Ok(Event::Refused) => return Ok(Some((State::new(), Life::Absent))),
            Ok(Event::Signal) => return Ok(None),
            // LIFE-3.
            Ok(Event::LifespanEnded(Err(why))) => return Err(format!("startup failed: {why}")),
            Ok(Event::LifespanEnded(Ok(()))) => {
                return Err("startup failed: it returned without a word".into());
            }
            Ok(Event::Stopped | Event::Idle) => {}
            Err(_) => return Err("startup failed: it took too long (LIFE-8)".into()),
        }
    }
}

/// Waits until it is so; whether it came to be in time. A second signal is an error: it is to end at once.
fn wait(
    events: &Receiver<Event>,
    until: Instant,
    life: &mut Life,
    is_so: &dyn Fn(&Life) -> bool,
) -> Result<bool, String> {
    while !is_so(life) {
        let left = until.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(Event::Signal) => return Err("forced to end by a second signal".into()),
            Ok(event) => life.hear(event),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(false),
        }
    }
    Ok(true)
}

/// Accepts connections until the drain begins, each with what it needs to be served: a bell, a place, a thread.
fn accept(listener: &TcpListener, server: &Arc<Server>, door: &Bell) {
    listener
        .set_nonblocking(true)
        .expect("a listener of ours can be set so");
    loop {
        let prepared =
            Bell::new().map(|bell| (bell, server.connections.add(server.limits.connections)));
        let accepted = match prepared {
            Ok((bell, Some(place))) => listener
                .accept()
                .map(|(socket, _)| Some((socket, bell, place))),
            Ok((_, None)) => Ok(None),
            Err(error) => Err(error),
        };
        match accepted {
            Ok(Some((socket, bell, place))) => {
                if let Err(error) = open(Arc::clone(server), socket, bell, place) {
                    eprintln!("WARN a connection was not served: {error}");
                }
                continue;
            }
            Ok(None) => server
                .connections
                .wait_below(server.limits.connections, PAUSE),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // What the kernel had accepted already is served: to close would reset it (SRV-16).
                if server.drain.value().is_none() {
                    // If it cannot wait, it asks again.
                    let _ = door.wait(Some(listener), PollFlags::IN, None);
                    continue;
                }
            }
            Err(error) => {
                // Out of descriptors: those that leave give some back.
                eprintln!("WARN cannot accept connections for now: {error}");
                thread::sleep(PAUSE);
            }
        }
        if server.drain.value().is_some() {
            return;
        }
    }
}

fn open(server: Arc<Server>, socket: TcpStream, bell: Arc<Bell>, place: Counted) -> io::Result<()> {
    let connection = Connection::new(server, socket, bell)?;
    let run = move || {
        connection.run();
        drop(place);
    };
    thread::Builder::new().spawn(run).map(drop)
}

fn catch_signals(runtime: &Runtime, main: &Sender<Event>) -> io::Result<()> {
    let _entered = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let main = main.clone();
        runtime.spawn(async move {
            while let Some(()) = signals.recv().await
                && main.send(Event::Signal).is_ok()
            {}
        });
    }
    Ok(())
}

/// `--bind ADDR`, `--grace SECONDS`, and times and limits from the environment, as the kit gives them. Other flags of the kit set
/// what this server does not have, such as the number of workers, and are passed over with their value.
struct Flags {
    bind: SocketAddr,
    grace: Duration,
    times: Times,
    limits: Limits,
}

impl Flags {
    fn read() -> Result<Self, String> {
        let mut flags = Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8000)),
            grace: Duration::from_secs(30),
            times: Times::from_environment()?,
            limits: Limits::from_environment()?,
        };
        let mut words = std::env::args().skip(1);
        while let Some(flag) = words.next() {
            let value = words.next().ok_or(format!("{flag} has no value"))?;
            match flag.as_str() {
                "--bind" => flags.bind = value.parse().map_err(failed(&flag))?,
                "--grace" => {
                    let seconds = value.parse().map_err(failed(&flag))?;
                    flags.grace = Duration::from_secs(seconds);
                }
                _ => {}
            }
        }
        Ok(flags)
    }
}

impl Times {
    fn from_environment() -> Result<Self, String> {
        let mut times = Self {
            startup: Duration::from_secs(60),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            close: Duration::from_secs(5),
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(30),
        };
        for (name, milliseconds) in from_environment(TIMEOUTS)? {
            let time = Duration::from_millis(milliseconds as u64);
            match &*name {
                "startup" => times.startup = time,
                "head" => times.head = time,
                "idle" => times.idle = time,
                "body" => times.body = time,
                "write" => times.write = time,
                "linger" => times.linger = time,
                "close" => times.close = time,
                "ping" => times.ping = time,
                "pong" => times.pong = time,
                _ => {}
            }
        }
        Ok(times)
    }
}

impl Limits {
    fn from_environment() -> Result<Self, String> {
        let mut limits = Self {
            connections: 512,
            calls: 1024,
        };
        for (name, number) in from_environment(LIMITS)? {
            match &*name {
                "connections" => limits.connections = number,
                "exchanges" => limits.calls = number,
                _ => {}
            }
        }
        Ok(limits)
    }
}

/// `NAME=NUMBER,NAME=NUMBER`
fn from_environment(variable: &str) -> Result<Vec<(String, usize)>, String> {
    let given = std::env::var(variable).unwrap_or_default();
    let pairs = given.split(',').filter_map(|pair| pair.split_once('='));
    let parsed = pairs.map(|(name, number)| Ok((name.to_owned(), number.parse()?)));
    parsed
        .collect::<Result<_, std::num::ParseIntError>>()
        .map_err(failed(variable))
}

/// Tells the kit how this server is started again.
fn this_program() -> Option<String> {
    std::env::current_exe()
        .ok()
        .map(|file| file.to_string_lossy().into_owned())
}

fn failed<E: Display>(what: &str) -> impl Fn(E) -> String {
    move |error| format!("{what}: {error}")
}
